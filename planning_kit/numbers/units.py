"""Amounts as whole numbers of the rounding unit, so that sums are exact."""

from __future__ import annotations

from typing import Any, overload

import numpy.typing as npt
import pandas as pd

Array = npt.NDArray[Any]


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


@overload
def from_units(units: pd.Series, unit: float) -> pd.Series: ...
@overload
def from_units(units: Array, unit: float) -> Array: ...
@overload
def from_units(units: int, unit: float) -> float: ...
def from_units(units: Any, unit: float) -> Any:
    """Turn whole numbers of the rounding unit back into amounts.

    Below 1 the division by ``1 / unit`` gives the double nearest to the decimal number, which
    the product does not: ``3 * 0.1`` is 0.30000000000000004.

    Examples
    --------
    >>> from_units(3, 0.1), from_units(pd.Series([3, 4]), 100).tolist()
    (0.3, [300.0, 400.0])
    """
    whole = units.astype("int64") if isinstance(units, pd.Series) else units
    return whole / round(1 / unit) if unit < 1 else whole * float(unit)
