"""Working days of months, and of people while they are there."""

from __future__ import annotations

import numpy as np
import pandas as pd


def working_days(
    months: pd.DatetimeIndex, since: pd.Series | None = None, until: pd.Series | None = None
) -> np.ndarray:
    """Count the days from Monday to Friday of every month, of people only while they are there.

    Parameters
    ----------
    months
        First days of months.
    since, until
        First and last day of every person, in one order; empty: from ever, for good. None: no
        people are asked about, one row for all.

    Returns
    -------
    array of float
        People x months.

    Examples
    --------
    >>> months = pd.date_range("2026-01-01", periods=3, freq="MS")
    >>> hired, left = pd.Series([pd.Timestamp("2026-02-16")]), pd.Series([pd.NaT])
    >>> working_days(months).tolist(), working_days(months, hired, left).tolist()
    ([[22.0, 20.0, 22.0]], [[0.0, 10.0, 22.0]])
    """
    first = months.to_numpy(dtype="datetime64[D]")[None, :]
    after = (months + pd.DateOffset(months=1)).to_numpy(dtype="datetime64[D]")[None, :]
    if since is not None and until is not None:
        hired = pd.to_datetime(since).fillna(months[0]).to_numpy(dtype="datetime64[D]")[:, None]
        gone = pd.to_datetime(until).to_numpy(dtype="datetime64[D]")[:, None] + 1
        first = np.maximum(first, hired)
        after = np.where(np.isnat(gone), after, np.minimum(after, gone))
    return np.maximum(np.busday_count(first, np.maximum(first, after)), 0).astype(float)
