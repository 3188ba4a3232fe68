"""The plan folder: `plan.toml`, scenarios, where things are read and written."""

from planning_kit.plan.calendar import add_months, month_starts, months_between
from planning_kit.plan.drivers import DRIVERS, Driver
from planning_kit.plan.exclusions import Exclusion
from planning_kit.plan.folder import (
    ANSWERS,
    COMPANY,
    COPY_FOLDER,
    Plan,
    bundled,
    folder_name,
    load_plan,
    write_atomically,
)
from planning_kit.plan.launches import Launch
from planning_kit.plan.levers import ACTIVITIES, ManagerLevers
from planning_kit.plan.metric_options import STAGES, USUAL_HOURS, MetricOptions
from planning_kit.plan.register import AssumptionEntry, Correlation, read_register
from planning_kit.plan.rules import (
    CELL,
    CELL_COLUMNS,
    COMPANY_REFERENCES,
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
from planning_kit.plan.settings import REGION_TALK, Settings, Targets

__all__ = [
    "ACTIVITIES",
    "ANSWERS",
    "CELL",
    "CELL_COLUMNS",
    "COMPANY",
    "COMPANY_REFERENCES",
    "COPY_FOLDER",
    "DRIVERS",
    "FILLS",
    "NAMED_BASES",
    "NOT_KNOWN",
    "OBJECTIVES",
    "REFERENCES",
    "REGION_TALK",
    "SECTIONS",
    "STAGES",
    "USUAL_HOURS",
    "AssumptionEntry",
    "Base",
    "Correlation",
    "Driver",
    "Exclusion",
    "GroupRange",
    "Hold",
    "Launch",
    "ManagerLevers",
    "MaxChange",
    "MetricOptions",
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
