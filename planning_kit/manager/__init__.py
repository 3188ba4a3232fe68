"""The manager's own goals against available hours."""

from planning_kit.manager.findings import time_review
from planning_kit.manager.hours import ManagerPlan, manager_plan
from planning_kit.manager.levers import ACTIVITIES, ManagerLevers, read_levers

__all__ = [
    "ACTIVITIES",
    "ManagerLevers",
    "ManagerPlan",
    "manager_plan",
    "read_levers",
    "time_review",
]
