"""The plan folder: `plan.toml`, scenarios, where things are read and written."""

from planning_kit.plan.calendar import add_months, month_starts, months_between
from planning_kit.plan.csv_tables import MADE_BY, read_table, write_table
from planning_kit.plan.folder import Plan, bundled, folder_name, load_plan, write_atomically
from planning_kit.plan.inputs import Inputs
from planning_kit.plan.memory import once
from planning_kit.plan.scenario import Scenario, load_scenario
from planning_kit.plan.settings import Settings, Targets

__all__ = [
    "MADE_BY",
    "Inputs",
    "Plan",
    "Scenario",
    "Settings",
    "Targets",
    "add_months",
    "bundled",
    "folder_name",
    "load_plan",
    "load_scenario",
    "month_starts",
    "months_between",
    "once",
    "read_table",
    "write_atomically",
    "write_table",
]
