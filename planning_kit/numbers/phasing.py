"""Numbers over months: earlier months, and what stands open at once."""

from __future__ import annotations

import numpy as np

from planning_kit.numbers.shrinkage import Numbers


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
