"""The plan folder: `plan.toml`, scenarios, where things are read and written."""

from planning_kit.plan.calendar import add_months, month_starts, months_between
from planning_kit.plan.drivers import DRIVERS, Driver
from planning_kit.plan.folder import (
    COMPANY_FOLDER,
    COPY_FOLDER,
    Plan,
    bundled,
    folder_name,
    load_plan,
    write_atomically,
)
from planning_kit.plan.levers import ACTIVITIES, ManagerLevers, read_levers
from planning_kit.plan.rules import (
    GroupRange,
    Hold,
    MaxChange,
    Rule,
    ShareOfGroup,
    Total,
    ZeroOrAtLeast,
)
from planning_kit.plan.scenario import Scenario, load_scenario
from planning_kit.plan.settings import Settings, Targets

__all__ = [
    "ACTIVITIES",
    "COMPANY_FOLDER",
    "COPY_FOLDER",
    "DRIVERS",
    "Driver",
    "GroupRange",
    "Hold",
    "ManagerLevers",
    "MaxChange",
    "Plan",
    "Rule",
    "Scenario",
    "Settings",
    "ShareOfGroup",
    "Targets",
    "Total",
    "ZeroOrAtLeast",
    "add_months",
    "bundled",
    "folder_name",
    "load_plan",
    "load_scenario",
    "month_starts",
    "months_between",
    "read_levers",
    "write_atomically",
]
