"""Whole rounding units, moved so that the sum is kept to the unit."""

from __future__ import annotations

import numpy as np
import pandas as pd

from planning_kit.messages import InfeasiblePlanError
from planning_kit.numbers.rounding import spread_remainders


def least_movement(
    start: pd.Series, weight: pd.Series, lower: pd.Series, upper: pd.Series, total: int
) -> pd.Series:
    """Move whole numbers as little as possible so that they add up to a total within limits.

    Smallest sum of (x - start)² / weight; where nothing holds, everybody moves by the share of
    their weight: x = start + weight * (total - sum of start) / sum of weights. Then rounded by
    the largest remainder; ties go by label.

    Parameters
    ----------
    start, weight, lower, upper
        Whole rounding units (``weight``: error variance, any unit, not below 0), one index.
    total
        Whole rounding units.

    Raises
    ------
    InfeasiblePlanError
        The limits cannot add up to the total.

    Examples
    --------
    >>> start = pd.Series({"a": 100, "b": 100, "c": 100})
    >>> weight = pd.Series({"a": 1.0, "b": 3.0, "c": 1.0})
    >>> least_movement(start, weight, start * 0, pd.Series({"a": 999, "b": 120, "c": 999}), 350)
    a    115
    b    120
    c    115
    dtype: int64
    """
    least, most = int(lower.sum()), int(upper.sum())
    if not least <= total <= most:
        raise InfeasiblePlanError(f"{total:,} units lie outside {least:,} to {most:,}.")
    order = start.sort_index().index
    aim, low, high = (s[order].to_numpy("float64") for s in (start, lower, upper))
    ease = weight[order].to_numpy("float64")
    # Somebody who never errs still moves, last of all, where nobody else can.
    ease = np.maximum(ease / (ease.max(initial=0.0) or 1.0), 1e-12)
    hardest = ease.min(initial=1.0)
    price, top = (low - aim).min(initial=0) / hardest, (high - aim).max(initial=0) / hardest
    for _ in range(200):  # halving: the sum grows with the price
        middle = (price + top) / 2
        enough = np.clip(aim + ease * middle, low, high).sum() > total
        price, top = (price, middle) if enough else (middle, top)
    exact = np.clip(aim + ease * price, low, high)
    whole = spread_remainders(exact, np.zeros(len(exact), dtype=np.int64), np.array([total]))
    return pd.Series(whole, order).reindex(start.index)
