"""Amounts as whole numbers of the rounding unit, so that sums are exact."""

from __future__ import annotations

import numpy as np
import pandas as pd


def to_units(amounts: pd.Series, unit: float) -> pd.Series:
    """Turn amounts into whole numbers of the rounding unit (nearest, ties to even).

    Parameters
    ----------
    amounts
        Plan currency; no empty cells.
    unit
        Rounding unit in plan currency, for example 100 or 0.01.

    Examples
    --------
    >>> to_units(pd.Series([0.3, 12.344]), 0.01).tolist()
    [30, 1234]
    """
    return (amounts.astype(float) / unit).round().astype("int64")


def from_units(units: pd.Series, unit: float) -> pd.Series:
    """Turn whole numbers of the rounding unit back into amounts.

    Below 1 the division by ``1 / unit`` gives the double nearest to the decimal number, which
    the product does not: ``3 * 0.1`` is 0.30000000000000004.

    Examples
    --------
    >>> from_units(pd.Series([3]), 0.1).tolist()
    [0.3]
    """
    per_one = round(1 / unit) if unit < 1 else 0
    whole = np.asarray(units, dtype="int64")
    amounts = whole / per_one if per_one else whole * float(unit)
    return pd.Series(amounts, index=units.index, name=units.name)
