"""Errors a planner can act on, findings, the nearest label."""

from planning_kit.messages.errors import DataError, InfeasiblePlanError, PlanningError, UsageError
from planning_kit.messages.findings import FINDING_COLUMNS, PROBLEM_COLUMNS, finding, findings_table
from planning_kit.messages.labels import nearest, require_labels, shorten

__all__ = [
    "FINDING_COLUMNS",
    "PROBLEM_COLUMNS",
    "DataError",
    "InfeasiblePlanError",
    "PlanningError",
    "UsageError",
    "finding",
    "findings_table",
    "nearest",
    "require_labels",
    "shorten",
]
