"""Nothing is worked out twice from the same tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import pandas as pd

from planning_kit.data.fan_out import PARTITION_TABLES
from planning_kit.data.region import Region
from planning_kit.plan import Targets

P = ParamSpec("P")
R = TypeVar("R")
_KEPT = 12


def cached(
    function: Callable[P, R], *, depends_on: int | None = None, asks_target: bool = False
) -> Callable[P, R]:
    """Cache the last twelve results of a function of a region, in this process.

    The key of a result: the region's tables (the same objects, so a table that was replaced is
    another one), its name, the settings without their targets, its target only where
    ``asks_target`` says that it matters, and the other arguments. A notebook asks for the history
    of a region a dozen times, and scenarios of one region differ in their targets only. A table
    that is given back is a copy: what the caller does to it stays with the caller.

    Parameters
    ----------
    function
        Its first argument is the region.
    depends_on
        How many arguments after the region belong to the key, if the others follow from them;
        None: all.
    asks_target
        The target belongs to the key.
    """
    kept: list[tuple[Any, Region, R]] = []

    @wraps(function)
    def found(*args: P.args, **words: P.kwargs) -> R:
        region: Any = args[0]
        others = args[1:] if depends_on is None else args[1 : 1 + depends_on]
        named = words if depends_on is None else {}
        settings = replace(region.settings, targets=Targets())
        target = region.target if asks_target else None
        key = (settings, region.name, region.is_company, target, others, named)
        for entry, known, result in kept:
            if entry == key and all(
                getattr(known, name) is getattr(region, name) for name in PARTITION_TABLES
            ):
                return _given(result)
        result = function(*args, **words)
        kept.insert(0, (key, region, result))
        del kept[_KEPT:]
        return _given(result)

    return found


def _given(result: Any) -> Any:
    return result.copy(deep=False) if isinstance(result, pd.DataFrame) else result
