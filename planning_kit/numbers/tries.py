"""How many tries make the sales needed, with a chance the planner chooses."""

from __future__ import annotations

from typing import Any

import numpy as np

from planning_kit.messages import DataError
from planning_kit.numbers.compound import Odds


def safe_tries(sales_needed: Any, ratio: Any, chance: float = 0.8) -> Any:
    """Find the smallest number of tries that makes the sales needed with the given chance.

    ``sales_needed / ratio`` tries succeed only about every other time; this is the smallest n
    with P(Bin(n, ratio) >= sales_needed) >= chance. Where the ratio is not known, or an amount is to
    be reached, see `planning_kit.numbers.compound.Odds`.

    Parameters
    ----------
    sales_needed
        Whole sales, a number or an array; empty stays empty.
    ratio
        Sales a try, more than 0 and at most 1; empty stays empty.
    chance
        Between 0 and 1, for example 0.8.

    Returns
    -------
    int, or array of float with NaN for empty cells
        Tries.

    Raises
    ------
    DataError
        A ratio or the chance is out of range, or sales needed is negative.

    Examples
    --------
    >>> safe_tries(60, 0.25), safe_tries(24, 0.20), safe_tries(12, 0.30)
    (262, 138, 48)
    >>> safe_tries([60, 0, np.nan], 0.25).tolist()
    [262.0, 0.0, nan]
    """
    needed, odds = np.broadcast_arrays(
        np.ceil(np.asarray(sales_needed, dtype=float)), np.asarray(ratio, dtype=float)
    )
    _check_tries(needed, odds, chance)
    open_cells = np.isfinite(needed) & np.isfinite(odds) & (needed > 0)
    tries = np.where(needed == 0, 0.0, np.nan)
    ratios, none = odds[open_cells], np.zeros(int(open_cells.sum()))
    known = Odds(ratios, none + np.inf, none, none)
    tries[open_cells] = known.safe(needed[open_cells], chance)
    if tries.ndim:
        return tries
    if np.isnan(tries):
        raise DataError("safe_tries: sales_needed and ratio must be given; one of them is empty.")
    return int(tries)


def _check_tries(needed: np.ndarray, odds: np.ndarray, chance: float) -> None:
    faults = []
    if not 0.0 < chance < 1.0:
        faults.append(f"chance is {chance:.15g}; it must lie between 0 and 1")
    if (needed < 0).any() or np.isinf(needed).any():
        faults.append(f"sales_needed has {np.nanmin(needed):.15g}; it must be 0 or more and finite")
    wrong = odds[(odds <= 0) | (odds > 1)]
    if wrong.size:
        faults.append(f"ratio has {wrong[0]:.15g}; it must be more than 0 and at most 1")
    if faults:
        raise DataError("safe_tries: " + "; ".join(faults) + ".")
