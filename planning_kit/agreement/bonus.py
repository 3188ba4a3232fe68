"""A bonus grid under which an honest forecast pays best (Gonik 1978)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from planning_kit.messages import DataError

RATE = 0.6  # of the bonus, for every quota that was sold and every one that was forecast
RESULTS = (0.6, 0.8, 1.0, 1.2, 1.4)  # shares of the quota that a grid shows
Array = npt.NDArray[Any]


def bonus_share(quota: float, forecast: Any, actual: Any) -> Array:
    """Give the share of the full bonus that a forecast and a result earn.

    With quota O, forecast F, result A: 0.6 (A + F) / O where A >= F, else 0.6 (3 A - F) / O. For
    every result the best forecast is that result. Below a third of the forecast it is negative;
    nothing is paid then.

    Parameters
    ----------
    quota
        Above 0.
    forecast, actual
        In the unit of the quota; numbers or arrays.

    Raises
    ------
    DataError
        There is no quota.

    Examples
    --------
    >>> (
    ...     float(bonus_share(50, 25, 50)),
    ...     float(bonus_share(50, 50, 50)),
    ...     float(bonus_share(50, 75, 50)),
    ... )
    (0.9, 1.2, 0.9)
    """
    if not quota > 0:
        raise DataError(f"a bonus of a quota of {quota:g}: the quota has to be above 0.")
    sold, said = np.asarray(actual, dtype=float), np.asarray(forecast, dtype=float)
    return RATE * np.where(sold >= said, sold + said, 3 * sold - said) / quota


def best_forecast(years: Array, unit: float = 1.0) -> float:
    """Give the forecast that pays best in the mean of equally likely years: their median.

    Parameters
    ----------
    years
        Results of the simulated years, plan currency.
    unit
        Rounding unit of the forecast.
    """
    return float(round(float(np.median(years)) / unit) * unit)


def bonus_grid(quota: float, forecasts: Mapping[str, float], years: Array) -> pd.DataFrame:
    """Set forecasts against results: what each pays at a share of the quota, and in the mean.

    Parameters
    ----------
    quota
        Plan currency.
    forecasts
        By name; plan currency. Those that nobody knows (empty) are left out.
    years
        Results of equally likely years, plan currency; none: the mean stays empty.

    Returns
    -------
    pandas.DataFrame
        ``forecast_of`` (the name), ``forecast``, ``of_quota`` (a share), ``expected_bonus`` and,
        for results of 60 to 140 % of the quota, ``at_060`` to ``at_140`` (shares of the bonus).
    """
    rows = []
    for name, said in forecasts.items():
        if said != said:
            continue
        mean = float(bonus_share(quota, said, years).mean()) if len(years) else np.nan
        paid = bonus_share(quota, said, np.array(RESULTS) * quota)
        rows.append((name, said, said / quota, mean, *paid))
    shown = [f"at_{round(100 * share):03d}" for share in RESULTS]
    return pd.DataFrame(
        rows, columns=["forecast_of", "forecast", "of_quota", "expected_bonus", *shown]
    )
