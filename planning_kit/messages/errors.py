"""Errors a planner can act on."""

from __future__ import annotations

from typing import Any


class PlanningError(Exception):
    """Base of every error this package raises on purpose.

    Anything else that comes out of the package is a fault of the package and keeps its stack.
    """

    exit_code = 3

    def _render_traceback_(self) -> list[str]:
        # IPython shows this instead of the stack; papermill keeps the same text in the notebook.
        return [f"{type(self).__name__}: {self}"]


class DataError(PlanningError, ValueError):
    """A table, a file or a parameter is not what the plan needs.

    Attributes
    ----------
    problems : object
        A table of every single problem where there is one (see `planning_kit.messages.PROBLEM_COLUMNS`),
        else None.
    faults : tuple of str
        Every single fault of a file that somebody wrote; empty where the message is the only one.
    """

    def __init__(self, message: str, problems: Any = None, faults: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems
        self.faults = faults


class InfeasiblePlanError(PlanningError):
    """No set of goals meets every rule of the scenario."""


class UsageError(PlanningError):
    """A command was asked for something it does not have."""

    exit_code = 2
