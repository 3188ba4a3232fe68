"""Cells: what a goal is set for, and the base each one starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from planning_kit.messages import DataError, require_labels, shorten
from planning_kit.plan import NAMED_BASES

Array = npt.NDArray[Any]
Codes = npt.NDArray[Any]  # whole numbers

_NOT_LABELS = ("filled_by",)


def label_columns(cells: pd.DataFrame) -> list[str]:
    """Name the columns that label a cell: every column that is text, a category or a date."""
    return [
        str(name)
        for name, dtype in cells.dtypes.items()
        if name not in _NOT_LABELS and not pd.api.types.is_numeric_dtype(dtype)
    ]


@dataclass(frozen=True)
class Grid:
    """Cells in the order of their labels, so that the order of the rows given never matters.

    Attributes
    ----------
    table : DataFrame
        The cells that take part, sorted by their labels.
    labels : list of str
        Label columns.
    base, weight : array
        Filled base and ease of movement of each cell.
    order : array
        Position of each sorted cell in the table that was given.
    filled_by : array
        How an empty base was filled; empty text: it was there.
    """

    table: pd.DataFrame
    labels: list[str]
    base: Array
    order: Codes
    filled_by: npt.NDArray[np.object_]
    factors: dict[str, tuple[Codes, list[str]]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.base)

    def codes(self, column: str) -> tuple[Codes, list[str]]:
        """Give each cell the number of its label in a column, in the order of the labels."""
        return self.factors[column]

    def amounts(self, name: str) -> Array:
        """Give a reference by its name: the base or any column of numbers."""
        if name == "base":
            return self.base
        return self.table[name].to_numpy(dtype=float)

    def references(self) -> list[str]:
        """Name what limits may be relative to."""
        numbers = self.table.select_dtypes("number").columns.astype(str)
        return ["base", *(name for name in numbers if name != "base")]

    def group(self, columns: tuple[str, ...]) -> tuple[Codes, list[str]]:
        """Give each cell the number of its group: cells with the same labels in these columns."""
        if not columns:
            return np.zeros(len(self), dtype=np.int64), [""]
        codes, names = self.codes(columns[0])
        for column in columns[1:]:
            more, others = self.codes(column)
            joint = codes * len(others) + more
            found, codes = np.unique(joint, return_inverse=True)
            names = [f"{names[k // len(others)]} / {others[k % len(others)]}" for k in found]
        return codes, names


def _factor(labels: pd.Series) -> tuple[Codes, list[str]]:
    codes, found = pd.factorize(labels, use_na_sentinel=True)
    names = np.asarray([str(x) for x in found], dtype=object)
    order = np.argsort(names, kind="stable")
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    if (codes < 0).any():
        rank = np.append(rank, len(order))
        return rank[codes], [*names[order], ""]
    return rank[codes], list(names[order])


def lay_out(
    cells: pd.DataFrame, references: Mapping[str, pd.Series] | None = None, *, fill: str = ""
) -> Grid:
    """Check the cells, sort them by label and fill the empty bases by the stated rule.

    Raises
    ------
    DataError
        No cells, no labels, two cells with the same labels, a base that is not a number, or a
        reference whose labels are not those of the cells.
    """
    labels = label_columns(cells)
    _check_cells(cells, labels)
    table = _with_references(cells, references or {})
    taking = np.ones(len(table), dtype=bool)
    if "takes_part" in table:
        taking &= table.pop("takes_part").fillna(False).to_numpy(dtype=bool)
    if fill == "none":
        taking &= table["base"].notna().to_numpy()
    if not taking.any():
        raise DataError("cells: no cell takes part.")
    taken = table[taking]
    factors = {name: _factor(taken[name]) for name in labels}
    order = np.lexsort([factors[name][0] for name in reversed(labels)])
    table = taken.iloc[order].reset_index(drop=True)
    factors = {name: (codes[order], names) for name, (codes, names) in factors.items()}
    order = np.flatnonzero(taking)[order]
    grid = Grid(
        table, labels, table["base"].to_numpy(dtype=float), order, _given_fills(table), factors
    )
    _check_unique(grid)
    return _fill(grid, fill)


def _given_fills(table: pd.DataFrame) -> npt.NDArray[np.object_]:
    if "filled_by" not in table:
        return np.full(len(table), "", dtype=object)
    return table["filled_by"].astype(object).fillna("").to_numpy(dtype=object)


def _check_cells(cells: pd.DataFrame, labels: list[str]) -> None:
    faults = []
    if "base" not in cells:
        faults.append("the column base is missing (the amount each cell starts from)")
    elif not pd.api.types.is_numeric_dtype(cells["base"]):
        faults.append("the column base must hold numbers")
    elif np.isinf(cells["base"].to_numpy(dtype=float)).any():
        faults.append("the column base holds an infinite amount")
    if not labels:
        faults.append("no label column is there (for example rep_id)")
    if cells.empty:
        faults.append("there is no cell")
    if faults:
        raise DataError("cells: " + "; ".join(faults) + ".")


def _check_unique(grid: Grid) -> None:
    same = np.ones(max(0, len(grid) - 1), dtype=bool)
    for codes, _ in grid.factors.values():
        same &= codes[1:] == codes[:-1]
    if same.any():
        rows = grid.table.loc[np.flatnonzero(same), grid.labels].astype(str).agg(" / ".join, axis=1)
        raise DataError(
            f"cells: {len(rows)} more than once with the same labels: {shorten(rows)}. "
            "Add them up first."
        )


def _with_references(cells: pd.DataFrame, references: Mapping[str, pd.Series]) -> pd.DataFrame:
    table = cells.copy(deep=False)
    for name, amounts in references.items():
        require_labels(amounts.index, cells.index, f"reference {name!r}")
        table[name] = amounts.reindex(cells.index).astype(float)
    return table


def _fill(grid: Grid, fill: str) -> Grid:
    """Fill empty bases: by potential where it is known, else by what peers have."""
    empty = np.isnan(grid.base)
    if not empty.any():
        return grid
    base, said = grid.base.copy(), grid.filled_by.copy()
    potential = grid.table["potential"].to_numpy(dtype=float) if "potential" in grid.table else None
    if potential is not None and fill in ("", "potential"):
        both = ~empty & (potential > 0)
        rate = base[both].sum() / potential[both].sum() if both.any() else np.nan
        by = empty & (potential > 0) & np.isfinite(rate)
        base[by], said[by] = potential[by] * rate, "potential x what others get from theirs"
    _fill_by_peers(grid, base, said)
    left = np.isnan(base)
    known = base[~left & (base > 0)]
    base[left] = known.mean() if known.size else 1.0
    said[left] = "mean of all cells" if known.size else "even, because no cell has a base"
    return Grid(grid.table, grid.labels, base, grid.order, said, grid.factors)


def _fill_by_peers(grid: Grid, base: Array, said: npt.NDArray[np.object_]) -> None:
    """Give a person without a base the median of the people with the same other labels."""
    known = [
        name for name in ("role", "product_id", "product_line", "month") if name in grid.labels
    ]
    while known and np.isnan(base).any():
        codes, _ = grid.group(tuple(known))
        median = pd.Series(np.where(base > 0, base, np.nan)).groupby(codes).median()
        by = np.isnan(base)
        by[by] = median.reindex(codes[by]).notna().to_numpy()
        base[by] = median.reindex(codes[by]).to_numpy()
        said[by] = "median of the same " + ", ".join(known)
        known.pop(0)


def blend_bases(cells: pd.DataFrame, weights: Mapping[str, float]) -> pd.Series:
    """Blend named bases into one base a cell.

    Each base is first brought to the level of the first one over the cells that have both, so
    that a weight says how much of the *split* comes from a base. A cell that lacks one of the bases
    takes the others in their proportion; a cell that has none stays empty. ``fair_share`` is the
    cell's share of ``potential``; ``even`` gives every cell the same.

    Parameters
    ----------
    cells
        One row a cell with a column for each base named (amounts, plan currency); ``fair_share``
        may stand there as ``potential``.
    weights
        Weight by base, for example ``{"last_year": 0.6, "fair_share": 0.4}``; need not add to 1.

    Returns
    -------
    pandas.Series
        ``base`` by the index of the cells, plan currency.

    Raises
    ------
    DataError
        A base is unknown or its column is missing, or the weights are not above 0.

    Examples
    --------
    >>> cells = pd.DataFrame({"last_year": [60.0, 40.0], "potential": [1.0, 1.0]})
    >>> blend_bases(cells, {"last_year": 0.5, "fair_share": 0.5}).tolist()
    [55.0, 45.0]
    """
    require_labels(weights, NAMED_BASES, "[base] blend")
    wrong = [name for name, weight in weights.items() if not 0 <= weight < np.inf]
    if wrong or not sum(weights.values()) > 0:
        raise DataError(
            f"[base] blend: weights must be 0 or more and not all 0, got {dict(weights)}."
        )
    used = {name: float(weight) for name, weight in weights.items() if weight > 0}
    parts = {name: _named_base(cells, name) for name in used}
    first = next(iter(parts.values()))
    total, share = np.zeros(len(cells)), np.zeros(len(cells))
    for name, amounts in parts.items():
        both = ~np.isnan(amounts) & ~np.isnan(first)
        level = amounts[both].sum()
        factor = first[both].sum() / level if level else 1.0
        there = ~np.isnan(amounts)
        total[there] += used[name] * factor * amounts[there]
        share[there] += used[name]
    blended = np.divide(total, share, out=np.full(len(cells), np.nan), where=share > 0)
    return pd.Series(blended, index=cells.index, name="base")


def _named_base(cells: pd.DataFrame, name: str) -> Array:
    column = "potential" if name == "fair_share" and name not in cells else name
    if name == "even" and name not in cells:
        return np.ones(len(cells))
    if column not in cells:
        raise DataError(
            f"[base] blend: the base {name!r} needs a column {column!r} in the cells, and nothing is "
            "known of it here."
        )
    return cells[column].to_numpy(dtype=float)
