"""Whole numbers over months: exact sums, earlier months, and what stands open at once."""

from __future__ import annotations

import numpy as np

from planning_kit.numbers.shrinkage import Numbers


def round_rows(weights: Numbers, totals: Numbers) -> Numbers:
    """Split each row's whole total over its columns by weight, largest remainder first.

    Parameters
    ----------
    weights
        Rows x columns, none negative; empty counts as 0. A row of zeros is split evenly.
    totals
        Whole numbers, one a row; empty gives an empty row.

    Examples
    --------
    >>> round_rows(np.array([[0.17, 0.23, 0.3, 0.3]]), np.array([3.0])).tolist()
    [[0.0, 1.0, 1.0, 1.0]]
    """
    weights = np.nan_to_num(np.asarray(weights, dtype=float))
    totals = np.asarray(totals, dtype=float)
    sums = weights.sum(axis=1, keepdims=True)
    even = np.full_like(weights, 1.0 / max(1, weights.shape[1]))
    shares = np.divide(weights, sums, out=even, where=sums > 0)
    ideal = shares * totals[:, None]
    whole = np.floor(ideal + 1e-9)
    left = totals - whole.sum(axis=1)
    # Ties go to the earlier column. Too much can only come from the last digit of huge totals.
    by_remainder = _ranks(whole - ideal)
    by_size = _ranks(-whole)
    return whole + (by_remainder < left[:, None]) - (by_size < -left[:, None])


def _ranks(keys: Numbers) -> np.ndarray:
    # Rounded, so that equal remainders stay equal whatever the unit of the weights.
    order = np.argsort(np.round(keys, 9), axis=1, kind="stable")
    return np.argsort(order, axis=1, kind="stable")


def shift_earlier(amounts: Numbers, months: Numbers) -> Numbers:
    """Move each row earlier by its lead time, in months; the sum of a row stays.

    Half a month moves half of it. What falls before the first column comes back at the end: the
    last months of the plan work for the first months after it, which are taken to look like the
    first months of this plan.

    Examples
    --------
    >>> shift_earlier(np.array([[12.0, 0.0, 6.0]]), np.array([1.5])).tolist()
    [[3.0, 9.0, 6.0]]
    """
    amounts = np.asarray(amounts, dtype=float)
    count = amounts.shape[1]
    whole = np.floor(months)
    part = (months - whole)[:, None]
    columns = np.arange(count)[None, :] + whole[:, None].astype(int)
    near = np.take_along_axis(amounts, columns % count, axis=1)
    far = np.take_along_axis(amounts, (columns + 1) % count, axis=1)
    return (1.0 - part) * near + part * far


def sum_window(flow: Numbers, months: Numbers, *, ahead: bool = False) -> Numbers:
    """Add up, for each month, what flows in the window of ``months`` that ends with it.

    With things that stay open for that long this is how many stand open at the month's end; its
    mean over the months is Little's law, flow a month x months open.

    Parameters
    ----------
    flow
        Rows x months; the plan is taken to repeat itself before and after.
    months
        Length of the window, one a row.
    ahead
        True: the window that starts with the month.

    Examples
    --------
    >>> sum_window(np.full((1, 4), 20.0), np.array([2.5])).tolist()
    [[50.0, 50.0, 50.0, 50.0]]
    """
    flow = np.asarray(flow, dtype=float)
    count = flow.shape[1]
    rounds = np.floor(months / count)[:, None] * flow.sum(axis=1, keepdims=True)
    rest = months % count
    ordered = flow if ahead else flow[:, ::-1]
    sums = np.cumsum(np.hstack([np.zeros((len(flow), 1)), ordered, ordered]), axis=1)
    whole = np.floor(rest)
    part = (rest - whole)[:, None]
    start = np.arange(count)[None, :]
    end = start + whole[:, None].astype(int)
    until = np.take_along_axis(sums, end, axis=1)
    after = np.take_along_axis(sums, end + 1, axis=1)
    window = (1.0 - part) * until + part * after - sums[:, :count] + rounds
    return window if ahead else window[:, ::-1]
