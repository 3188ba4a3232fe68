"""Errors a planner can act on, findings, the nearest label."""

from planning_kit.messages.errors import DataError, InfeasiblePlanError, PlanningError, UsageError
from planning_kit.messages.findings import (
    FINDING_COLUMNS,
    MORE,
    PROBLEM_COLUMNS,
    finding,
    finding_rows,
    findings_table,
)
from planning_kit.messages.labels import nearest, require_labels, shorten, unknown_labels
from planning_kit.messages.written import Written, stop_on_faults

__all__ = [
    "FINDING_COLUMNS",
    "MORE",
    "PROBLEM_COLUMNS",
    "DataError",
    "InfeasiblePlanError",
    "PlanningError",
    "UsageError",
    "Written",
    "finding",
    "finding_rows",
    "findings_table",
    "nearest",
    "require_labels",
    "shorten",
    "stop_on_faults",
    "unknown_labels",
]
