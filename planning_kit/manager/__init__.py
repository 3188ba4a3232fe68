"""The manager's own goals against available hours."""

from planning_kit.manager.diary import diary, planned_time
from planning_kit.manager.findings import time_by_month, time_review
from planning_kit.manager.hours import ManagerPlan, manager_plan

__all__ = [
    "ManagerPlan",
    "diary",
    "manager_plan",
    "planned_time",
    "time_by_month",
    "time_review",
]
