"""How a function of a room becomes a question of a step: inputs filled in, names added, asked once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

import pandas as pd

from planning_kit.walk.step import Step

_IDS = {
    "rep": "rep_id",
    "territory": "territory_id",
    "product": "product_id",
    "manager": "manager_id",
}


def of_region(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a question out of a function of a region's tables."""
    return _question(function, 1, lambda step: (step.inputs,))


def of_plan(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a question out of a function of a region's tables and the scenario."""
    return _question(function, 2, lambda step: (step.inputs, step.scenario))


def of_step(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a question out of a function of the opened step."""
    return _question(function, 1, lambda step: (step,))


def _question(
    function: Callable[..., Any], filled: int, given: Callable[[Step], tuple[Any, ...]]
) -> Callable[..., Any]:
    @wraps(function)
    def asked(step: Step, *args: Any, **words: Any) -> Any:
        if "by" in words:
            words["by"] = _labels(words["by"])
        key = (function, repr(args), repr(sorted(words.items())))
        return step.once(key, lambda: _named(step, function(*given(step), *args, **words)))

    signature = inspect.signature(function)
    self = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    rest = list(signature.parameters.values())[filled:]
    asked.__dict__["__signature__"] = signature.replace(parameters=[self, *rest])
    return asked


def _labels(by: Any) -> list[str]:
    """Take ``"rep"`` for ``["rep_id"]``: people name things as tables show them."""
    return [_IDS.get(name, name) for name in ([by] if isinstance(by, str) else by)]


def _named(step: Step, answer: Any) -> Any:
    return step.inputs.with_names(answer) if isinstance(answer, pd.DataFrame) else answer
