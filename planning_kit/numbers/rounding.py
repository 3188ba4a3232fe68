"""Round to whole units so that every sum stays a sum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp
from scipy.optimize import Bounds, LinearConstraint
from scipy.sparse.csgraph import maximum_flow

from planning_kit.messages import DataError
from planning_kit.numbers.programs import integer_program
from planning_kit.numbers.units import from_units

Array = npt.NDArray[Any]
Codes = npt.NDArray[Any]  # whole numbers
Chain = Sequence[Codes]

_SNAP = 1e-7  # share of a unit within which an amount counts as whole
_HALVINGS = 5  # tries to make the largest movement of a cell smaller


def whole_range(units: Array) -> tuple[Codes, Codes]:
    """Give the whole numbers next below and next above; both the same where it is whole."""
    near = np.round(units)
    snapped = np.abs(units - near) <= np.maximum(_SNAP, 4e-16 * np.abs(units))
    exact = np.where(snapped, near, units)
    return np.floor(exact).astype(np.int64), np.ceil(exact).astype(np.int64)


def spread_remainders(units: Array, parent: Codes, totals: Codes) -> Codes:
    """Round amounts so that each parent's sum is its total: the largest remainders go up.

    Ties go to the cell that stands first; remainders count as equal to nine digits, so that the
    unit of the amounts decides nothing. Where the total is further away than that, every cell of
    the parent first gets the same number of whole units.
    """
    down, _ = whole_range(units)
    count = np.bincount(parent, minlength=len(totals))
    need = totals - np.bincount(parent, down, minlength=len(totals)).astype(np.int64)
    order = np.lexsort((np.round(down - units, 9), parent))
    rank = np.empty(len(units), dtype=np.int64)
    rank[order] = np.arange(len(units)) - (np.cumsum(count) - count)[parent[order]]
    each, rest = np.divmod(need, np.maximum(count, 1))
    return down + each[parent] + (rank < rest[parent])


def split_rows(weights: Array, totals: Array) -> Array:
    """Split each row's whole total over its columns by weight, largest remainder first.

    Parameters
    ----------
    weights
        Rows x columns, none negative; empty counts as 0. A row of zeros is split evenly.
    totals
        Whole numbers, one a row; empty gives an empty row.

    Examples
    --------
    >>> split_rows(np.array([[0.17, 0.23, 0.3, 0.3]]), np.array([3.0])).tolist()
    [[0.0, 1.0, 1.0, 1.0]]
    """
    weights = np.nan_to_num(np.asarray(weights, dtype=float))
    totals = np.asarray(totals, dtype=float)
    weights[~(weights.sum(axis=1) > 0)] = 1.0
    ideal = weights / weights.sum(axis=1, keepdims=True) * np.nan_to_num(totals)[:, None]
    row = np.repeat(np.arange(len(ideal)), ideal.shape[1])
    whole = spread_remainders(ideal.ravel(), row, np.nan_to_num(totals).astype(np.int64))
    return np.where(np.isnan(totals)[:, None], np.nan, whole.reshape(ideal.shape))


def split_units(whole: int, weights: pd.Series) -> pd.Series:
    """Split whole units in proportion to weights, see `split_rows`.

    A cell without a weight stays empty, unless no cell has one.

    Examples
    --------
    >>> split_units(100, pd.Series([1, 1, 1])).tolist()
    [34, 33, 33]
    """
    known = weights.dropna() if weights.notna().any() else weights
    (units,) = split_rows(known.to_numpy(dtype=float, na_value=np.nan)[None, :], np.array([whole]))
    return pd.Series(units, known.index).astype("Int64").reindex(weights.index)


def round_chain(units: Array, chain: Chain, total: int) -> Codes:
    """Round a hierarchy from the top down: each level keeps the whole sums of the one above.

    Parameters
    ----------
    units
        Amounts of the cells in rounding units.
    chain
        Group of each cell at each level, the coarsest first; each level lies within the one above.
    total
        Sum of all cells, in units.
    """
    parent, totals = np.zeros(len(units), dtype=np.int64), np.array([total])
    for codes in [*chain, np.arange(len(units))]:
        size = int(codes.max(initial=-1)) + 1
        above = np.zeros(size, dtype=np.int64)
        above[codes] = parent
        totals = spread_remainders(np.bincount(codes, units, minlength=size), above, totals)
        parent = codes
    return totals


def round_chains(units: Array, one: Chain, other: Chain, total: int) -> Codes | None:
    """Round so that every group of two hierarchies moves by less than one unit, and every cell.

    A flow through a network decides (Cox 1987 showed that it always finds one): from the total
    down the first hierarchy, over the cells, and up the second one. Then the largest movement of
    a single cell is made as small as a few halvings find.

    Returns
    -------
    array of int or None
        Units by cell; None where rounding errors in very large amounts leave no flow.
    """
    if float(np.abs(units).sum()) > 2**53:
        return None
    network = _Network(units, one, other, total)
    best = network.flow(1.0)
    if best is None:
        return None
    low, high = 0.5, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        found = network.flow(middle)
        if found is None:
            low = middle
        else:
            best, high = found, middle
    return best


class _Network:
    """Arcs with a least and a most whole flow: total, groups of one chain, cells, other chain."""

    def __init__(self, units: Array, one: Chain, other: Chain, total: int) -> None:
        self.units, self.total = units, total
        leaf, far = _last(one, len(units)), _last(other, len(units))
        pairs = leaf * (int(far.max(initial=0)) + 1) + far
        if len(np.unique(pairs)) < len(units):
            one = [*one, np.arange(len(units))]
        self.down, self.up = whole_range(units)
        start, nodes = [], 2  # node 0: the total on the first side, node 1: on the other side
        arcs: list[tuple[Codes, Codes, Codes, Codes]] = []
        for side, chain in enumerate((one, other)):
            above = np.full(len(units), side, dtype=np.int64)
            for codes in chain:
                size = int(codes.max(initial=-1)) + 1
                parent = np.empty(size, dtype=np.int64)
                parent[codes] = above
                low, high = whole_range(np.bincount(codes, units, minlength=size))
                own = np.arange(nodes, nodes + size)
                ends = (parent, own) if side == 0 else (own, parent)
                arcs.append((*ends, low, high))
                above, nodes = codes + nodes, nodes + size
            start.append(above)
        self.tail, self.head = start
        self.nodes = nodes
        self.arcs = [np.concatenate(part) for part in zip(*arcs, strict=True)] if arcs else None

    def flow(self, furthest: float) -> Codes | None:
        """Find whole cells that move by at most ``furthest`` units, or None."""
        part = self.units - self.down
        low = np.where((part > furthest) & (self.up > self.down), self.up, self.down)
        high = np.where((1 - part > furthest) & (self.up > self.down), self.down, self.up)
        parts: tuple[Codes, ...] = (self.tail, self.head, low, high)
        if self.arcs is not None:
            parts = tuple(np.concatenate(x) for x in zip(self.arcs, parts, strict=True))
        found = _circulate(parts, self.nodes, self.total)
        return None if found is None else low + found[-len(low) :]


def _circulate(arcs: tuple[Codes, ...], nodes: int, total: int) -> Codes | None:
    """Send ``total`` from node 0 to node 1 within the limits of the arcs, by maximum flow."""
    tail, head, low, high = arcs
    extra = np.bincount(head, low, minlength=nodes) - np.bincount(tail, low, minlength=nodes)
    extra[0] += total
    extra[1] -= total
    extra = np.round(extra).astype(np.int64)
    source, sink = nodes, nodes + 1
    gives, takes = np.flatnonzero(extra > 0), np.flatnonzero(extra < 0)
    free = np.flatnonzero(high > low)
    rows = np.concatenate([tail[free], np.full(len(gives), source), takes])
    columns = np.concatenate([head[free], gives, np.full(len(takes), sink)])
    room = np.concatenate([high[free] - low[free], extra[gives], -extra[takes]])
    graph = sp.csr_array((room.astype(np.int32), (rows, columns)), shape=(nodes + 2, nodes + 2))
    result = maximum_flow(graph, source, sink)
    if result.flow_value != extra[gives].sum():
        return None
    used = np.zeros(len(tail), dtype=np.int64)
    used[free] = np.asarray(result.flow[tail[free], head[free]]).ravel()
    return used


def _last(chain: Chain, count: int) -> Codes:
    return np.asarray(chain[-1]) if len(chain) else np.zeros(count, dtype=np.int64)


def round_units(amounts: pd.Series, unit: float, total: float | None = None) -> pd.Series:
    """Round to a unit and keep the sum, the largest remainder first.

    Parameters
    ----------
    amounts
        Plan currency by label; an empty amount stays empty.
    unit
        Rounding unit, plan currency.
    total
        Sum to reach, plan currency, a multiple of the unit; default: the nearest multiple of the
        sum of the amounts.

    Returns
    -------
    pandas.Series
        Whole multiples of the unit in the order given, each less than one unit from its amount;
        ties go to the label that sorts first.

    Raises
    ------
    DataError
        The total is not a multiple of the unit, or cannot be reached by moving every amount by
        less than one unit.

    Examples
    --------
    >>> quarters = pd.Series([0.17, 0.23, 0.3, 0.3], ["Q1", "Q2", "Q3", "Q4"])
    >>> round_units(3 * quarters, 1).tolist()
    [0.0, 1.0, 1.0, 1.0]
    """
    known = amounts.dropna()
    order = np.argsort(known.index.map(str).to_numpy(dtype=object), kind="stable")
    units = known.to_numpy(dtype=float)[order] / unit
    whole = _whole_total(
        float(units.sum()) if total is None else total / unit, unit, given=total is not None
    )
    rounded = spread_remainders(units, np.zeros(len(units), dtype=np.int64), np.array([whole]))
    if np.abs(rounded - units).max(initial=0.0) >= 1:
        raise DataError(
            f"round_units: {len(units)} amounts add up to {units.sum() * unit:,.10g}; a total of "
            f"{whole * unit:,.10g} cannot be reached by moving each by less than one unit of "
            f"{unit:,.10g}. Bring the amounts to the total first."
        )
    back = np.empty(len(units), dtype=np.int64)
    back[order] = rounded
    return from_units(pd.Series(back, known.index, name=amounts.name), unit).reindex(amounts.index)


def _whole_total(units: float, unit: float, *, given: bool) -> int:
    whole = round(units)
    if given and abs(units - whole) > max(1e-6, 4e-16 * abs(units)):
        raise DataError(
            f"the total {units * unit:,.10g} is not a multiple of the rounding unit {unit:,.10g}; "
            f"the nearest is {whole * unit:,.10g}."
        )
    return whole


def round_two_way(amounts: pd.DataFrame, unit: float) -> pd.DataFrame:
    """Round a table to a unit so that every cell, row, column and the total move by less than one.

    Sums that are whole already stay as they are. Such a rounding always exists (Cox 1987).

    Parameters
    ----------
    amounts
        Plan currency, for example rep by product; an empty cell stays empty.
    unit
        Rounding unit, plan currency.

    Examples
    --------
    >>> amounts = pd.DataFrame({"A": [0.5, 0.5], "B": [0.5, 0.5]}, index=["Ann", "Bob"])
    >>> rounded = round_two_way(amounts, 1)
    >>> rounded.sum().tolist(), rounded.sum(axis=1).tolist()
    ([1.0, 1.0], [1.0, 1.0])
    """
    table = amounts.sort_index(axis=0, key=_as_text).sort_index(axis=1, key=_as_text)
    values = table.to_numpy(dtype=float)
    row, column = np.nonzero(~np.isnan(values))
    units = values[row, column] / unit
    whole = round_chains(units, [_dense(row)], [_dense(column)], round(float(units.sum())))
    if whole is None:
        raise DataError(
            f"round_two_way: amounts of up to {np.abs(units).max():.3g} units are too large to be "
            "rounded exactly; plan in a larger unit."
        )
    rounded = np.full(values.shape, np.nan)
    rounded[row, column] = from_units(pd.Series(whole), unit)
    return pd.DataFrame(rounded, table.index, table.columns).reindex(amounts.index)[amounts.columns]


def _as_text(labels: pd.Index) -> pd.Index:
    return labels.map(str)


def _dense(codes: Codes) -> Codes:
    return np.unique(codes, return_inverse=True)[1].astype(np.int64)


def round_many_way(
    amounts: pd.Series, unit: float, margins: Sequence[Sequence[str]] | None = None
) -> tuple[pd.Series, pd.DataFrame]:
    """Round amounts with three or more labels so that every margin moves by less than one unit.

    Three ways can ask for what whole numbers cannot do; then the margins that had to give are
    named, as few units as possible.

    Parameters
    ----------
    amounts
        Plan currency with one index level a label (rep, product, month); no empty amounts.
    unit
        Rounding unit, plan currency.
    margins
        Label names to keep the sums of; default: all labels but one, each in turn.

    Returns
    -------
    tuple of Series and DataFrame
        Rounded amounts in the order given, and the margins that gave: ``margin``, ``group``,
        ``exact``, ``rounded`` (plan currency).

    Examples
    --------
    >>> names = ["rep", "product", "month"]
    >>> index = pd.MultiIndex.from_product([["Ann", "Bob"], ["A", "B"], [1, 2]], names=names)
    >>> rounded, gave = round_many_way(pd.Series(0.5, index), 1)
    >>> rounded.sum(), len(gave)
    (np.float64(4.0), 0)
    """
    names = [str(name) for name in amounts.index.names]
    margins = margins or [[n for n in names if n != out] for out in names]
    ordered = amounts.sort_index()
    codes, labels = [], []
    for margin in margins:
        groups = ordered.groupby(level=list(margin), sort=True)
        codes.append(groups.ngroup().to_numpy())
        keys = [key if isinstance(key, tuple) else (key,) for key in groups.groups]
        labels += [(" x ".join(margin), " / ".join(map(str, key))) for key in keys]
    units = ordered.to_numpy(dtype=float) / unit
    matrix = indicator([np.zeros(len(units), dtype=np.int64), *codes], len(units))
    least, most = whole_range(matrix @ units)
    least[0] = most[0] = round(float(units.sum()))
    whole, gave = round_rows(units, matrix, least, most, np.full(len(least), 1.0))
    sums, asked = matrix @ whole, matrix @ units
    rows = [(*labels[k - 1], asked[k] * unit, float(sums[k]) * unit) for k in gave if k > 0]
    rounded = from_units(pd.Series(whole, ordered.index, name=amounts.name), unit)
    return rounded.reindex(amounts.index), pd.DataFrame(
        rows, columns=["margin", "group", "exact", "rounded"]
    )


def indicator(groupings: Sequence[Codes], count: int) -> sp.csr_array:
    """One row a group of each grouping, one column a cell; -1 in no group."""
    rows = []
    for codes in groupings:
        inside = np.flatnonzero(codes >= 0)
        shape = (int(codes.max(initial=-1)) + 1, count)
        rows.append(sp.csr_array((np.ones(len(inside)), (codes[inside], inside)), shape))
    return sp.vstack(rows).tocsr()


def round_rows(
    units: Array, matrix: sp.csr_array, least: Array, most: Array, weight: Array
) -> tuple[Codes, list[int]]:
    """Round each cell up or down so that every row stays within its limits, by integer programming.

    Rows that no rounding keeps give as little as they can, the lightest first; the first row (the
    total) never gives.

    Returns
    -------
    tuple of array and list of int
        Units by cell, and the rows that gave.
    """
    down, up = whole_range(units)
    open_ = np.flatnonzero(up > down)
    part = (units - down)[open_]
    fixed = matrix @ down
    cost = 1 - 2 * part + np.arange(len(open_)) * 1e-9
    rows = matrix[:, open_]
    limits = LinearConstraint(rows, least - fixed - _SNAP, most - fixed + _SNAP)
    found = integer_program(
        cost, constraints=limits, integrality=np.ones(len(open_)), bounds=Bounds(0, 1)
    )
    gave: list[int] = []
    if found.x is None:
        found, gave = _give_rows(rows, least - fixed, most - fixed, cost, weight)
    whole = down.copy()
    whole[open_] += np.round(found.x[: len(open_)]).astype(np.int64)
    return whole, gave


def _give_rows(
    rows: sp.csr_array, least: Array, most: Array, cost: Array, weight: Array
) -> tuple[Any, list[int]]:
    """Solve with slack in every row but the first."""
    count, cells = rows.shape
    slack = sp.eye_array(count, format="csr")
    system = sp.hstack([rows, slack, -slack]).tocsr()
    heavy = float(np.abs(cost).sum() + 1.0) * weight
    room = np.full(2 * count, np.inf)
    room[[0, count]] = 0.0
    found = integer_program(
        np.concatenate([cost, heavy, heavy]),
        constraints=LinearConstraint(system, least - _SNAP, most + _SNAP),
        integrality=np.concatenate([np.ones(cells), np.zeros(2 * count)]),
        bounds=Bounds(0, np.concatenate([np.ones(cells), room])),
    )
    if found.x is None:
        # The total can always be reached by rounding; only a fault of the solver leads here.
        raise RuntimeError(f"no rounding found: {found.message}")  # pragma: no cover
    given = found.x[cells : cells + count] + found.x[cells + count :]
    return found, np.flatnonzero(given > 1e-5).tolist()
