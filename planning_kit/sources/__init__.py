"""Read extracts of any shape into canonical tables: files, SQL over files, databases."""

from planning_kit.sources.inputs import (
    open_inputs,
    read_tables,
    scenario_targets,
    with_targets,
)
from planning_kit.sources.prepare import (
    Prepared,
    check_plan,
    open_prepared,
    prepare,
    stop_on_problems,
)

__all__ = [
    "Prepared",
    "check_plan",
    "open_inputs",
    "open_prepared",
    "prepare",
    "read_tables",
    "scenario_targets",
    "stop_on_problems",
    "with_targets",
]
