"""The manager's own goals against available hours."""

from planning_kit.manager.findings import time_by_month, time_review
from planning_kit.manager.hours import ManagerPlan, manager_plan

__all__ = [
    "ManagerPlan",
    "manager_plan",
    "time_by_month",
    "time_review",
]
