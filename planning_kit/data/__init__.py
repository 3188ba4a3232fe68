"""From anybody's extracts to canonical tables to one region."""

from planning_kit.data.cache import cached
from planning_kit.data.checker import CheckLimits
from planning_kit.data.checks import check_tables
from planning_kit.data.partitions import (
    asked_targets,
    open_inputs,
    read_tables,
    scenario_targets,
    with_targets,
)
from planning_kit.data.prepare import (
    FORMAT,
    Prepared,
    check_plan,
    open_prepared,
    prepare,
    stop_on_problems,
)
from planning_kit.data.region import Region, middle_day
from planning_kit.data.scenario_check import check_scenario, check_scenarios, label_faults
from planning_kit.data.schema import TABLES, Column, Table, column_types, empty_table
from planning_kit.data.table_files import read_table, write_table
from planning_kit.data.workdays import OFF, days_booked, days_off, working_days

__all__ = [
    "FORMAT",
    "OFF",
    "TABLES",
    "CheckLimits",
    "Column",
    "Prepared",
    "Region",
    "Table",
    "asked_targets",
    "cached",
    "check_plan",
    "check_scenario",
    "check_scenarios",
    "check_tables",
    "column_types",
    "days_booked",
    "days_off",
    "empty_table",
    "label_faults",
    "middle_day",
    "open_inputs",
    "open_prepared",
    "prepare",
    "read_table",
    "read_tables",
    "scenario_targets",
    "stop_on_problems",
    "with_targets",
    "working_days",
    "write_table",
]
