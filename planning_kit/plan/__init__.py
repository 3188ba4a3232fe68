"""The plan folder: `plan.toml`, scenarios, where things are read and written."""

from planning_kit.plan.calendar import add_months, month_starts, months_between
from planning_kit.plan.drivers import DRIVERS, Driver
from planning_kit.plan.exclusions import Exclusion
from planning_kit.plan.folder import (
    COMPANY,
    COPY_FOLDER,
    Plan,
    bundled,
    folder_name,
    load_plan,
    write_atomically,
)
from planning_kit.plan.levers import ACTIVITIES, ManagerLevers
from planning_kit.plan.register import AssumptionEntry, Correlation, read_register
from planning_kit.plan.rules import (
    CELL,
    CELL_COLUMNS,
    NOT_KNOWN,
    REFERENCES,
    GroupRange,
    Hold,
    MaxChange,
    Rule,
    ShareOfGroup,
    Total,
    ZeroOrAtLeast,
    unknown_in_rules,
)
from planning_kit.plan.scenario import (
    FILLS,
    NAMED_BASES,
    OBJECTIVES,
    SECTIONS,
    Base,
    Objective,
    Relax,
    Scenario,
    load_scenario,
    scenario_content,
)
from planning_kit.plan.settings import Settings, Targets

__all__ = [
    "ACTIVITIES",
    "CELL",
    "CELL_COLUMNS",
    "COMPANY",
    "COPY_FOLDER",
    "DRIVERS",
    "FILLS",
    "NAMED_BASES",
    "NOT_KNOWN",
    "OBJECTIVES",
    "REFERENCES",
    "SECTIONS",
    "AssumptionEntry",
    "Base",
    "Correlation",
    "Driver",
    "Exclusion",
    "GroupRange",
    "Hold",
    "ManagerLevers",
    "MaxChange",
    "Objective",
    "Plan",
    "Relax",
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
    "read_register",
    "scenario_content",
    "unknown_in_rules",
    "write_atomically",
]
