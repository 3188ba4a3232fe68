"""The same goals by territory and by product line; every sum is kept."""

from __future__ import annotations

import numpy as np
import pandas as pd

from planning_kit.data import Region
from planning_kit.messages import DataError, require_labels
from planning_kit.numbers.rounding import split_rows
from planning_kit.numbers.units import from_units

SPLIT_COLUMNS = ("rep_id", "territory_id", "product_line", "month", "goal")
PRODUCT_COLUMNS = ("rep_id", "product_line", "month", "goal")
TERRITORY_COLUMNS = ("rep_id", "territory_id", "month", "goal")


def check_goals(goals: pd.DataFrame, inputs: Region | None = None) -> pd.DataFrame:
    """Check a table of goals and give it with months as first days.

    Raises
    ------
    DataError
        A column is missing, a person or month is empty, a goal is negative or endless, or a
        person is not in the inputs; all at once.
    """
    lacking = [c for c in ("rep_id", "month", "goal") if c not in goals]
    if lacking:
        raise DataError(f"goals: no column {', '.join(lacking)}; it needs rep_id, month and goal.")
    checked = goals.assign(
        month=pd.to_datetime(goals["month"]).dt.to_period("M").dt.to_timestamp(),
        goal=goals["goal"].astype(float),
    )
    faults = []
    for column in ("rep_id", "month"):
        if empty := int(checked[column].isna().sum()):
            faults.append(f"{empty} rows without {column}")
    wrong = checked[(checked["goal"] < 0) | np.isinf(checked["goal"])]
    if len(wrong):
        first = wrong.iloc[0]
        faults.append(
            f"{len(wrong)} goals below 0 or endless, the first of {first['rep_id']!r} "
            f"in {first['month']:%Y-%m} is {first['goal']:,.2f}"
        )
    if faults:
        raise DataError(f"goals: {'; '.join(faults)}. Correct these rows.")
    if inputs is not None:
        require_labels(checked["rep_id"], inputs.reps["rep_id"], "goals: rep_id")
    checked["month"] = checked["month"].astype("datetime64[us]")
    return checked


def product_goals(goals: pd.DataFrame, inputs: Region | None = None) -> pd.DataFrame:
    """Give every person's goals by product line and month.

    A goal that names no line is split by the person's mix of lines in the reviewed period (the
    team's where the person sold nothing), to the rounding unit, so that the lines add up to it.

    Parameters
    ----------
    goals
        rep_id, month, goal (plan currency; empty: nobody planned it) and, where known,
        product_line and territory_id.
    inputs
        Needed only to split; without it such a goal stays on an empty line.

    Returns
    -------
    DataFrame
        rep_id, product_line, month, goal.

    Examples
    --------
    >>> goals = pd.DataFrame(
    ...     {
    ...         "rep_id": ["a", "a"],
    ...         "month": ["2026-01-01"] * 2,
    ...         "product_line": ["X", "Y"],
    ...         "goal": [70.0, 30.0],
    ...     }
    ... )
    >>> product_goals(goals)["goal"].tolist()
    [70.0, 30.0]
    """
    return _summed(split_goals(goals, inputs), PRODUCT_COLUMNS)


def territory_goals(goals: pd.DataFrame, inputs: Region | None = None) -> pd.DataFrame:
    """Give every person's goals by territory and month.

    A goal that names no territory is split over those the person holds when the plan starts, by
    what was sold there in the reviewed period times the person's share of it (by the share alone
    where nothing was), to the rounding unit. Whoever holds none keeps an empty territory.

    Returns
    -------
    DataFrame
        rep_id, territory_id, month, goal.
    """
    return _summed(split_goals(goals, inputs), TERRITORY_COLUMNS)


def split_goals(goals: pd.DataFrame, inputs: Region | None = None) -> pd.DataFrame:
    """Give every person's goals by territory, product line and month.

    See `territory_goals` and `product_goals` for goals that name no territory or line: sums of
    these cells are those tables.

    Returns
    -------
    DataFrame
        rep_id, territory_id, product_line, month, goal.
    """
    cells = check_goals(goals, inputs)
    for column, mix_of in (("territory_id", _territory_mix), ("product_line", _sales_mix)):
        if column not in cells:
            cells = cells.assign(**{column: pd.Series(np.nan, cells.index, dtype="str")})
        whole = cells[cells[column].isna()]
        if len(whole) and inputs is not None and (mix := mix_of(inputs)).shape[1]:
            known = cells[cells[column].notna()]
            cells = pd.concat([known, _by_mix(whole, column, mix, inputs)], ignore_index=True)
    return _summed(cells, SPLIT_COLUMNS)


def _summed(cells: pd.DataFrame, columns: tuple[str, ...]) -> pd.DataFrame:
    # An empty goal stays empty: nobody planned any part of it.
    keys = [name for name in columns if name != "goal"]
    return cells.groupby(keys, dropna=False, as_index=False)[["goal"]].sum(min_count=1)


def _by_mix(whole: pd.DataFrame, column: str, mix: pd.DataFrame, inputs: Region) -> pd.DataFrame:
    keys = [name for name in SPLIT_COLUMNS if name in whole and name not in (column, "goal")]
    whole = whole.groupby(keys, dropna=False, as_index=False)[["goal"]].sum(min_count=1)
    weights = mix.reindex(whole["rep_id"]).to_numpy(dtype=float)
    nobody = ~(np.nansum(weights, axis=1) > 0) | whole["goal"].isna().to_numpy()
    unit = inputs.settings.rounding_unit
    units = np.floor(whole["goal"] / unit + 1e-9)
    shares = split_rows(weights, units.to_numpy(dtype=float))
    amounts = from_units(shares, unit)
    # What a goal has beyond whole rounding units goes to the largest part.
    rest = (whole["goal"] - units * unit).to_numpy(dtype=float)
    largest = np.nan_to_num(weights).argmax(axis=1)
    amounts[np.arange(len(whole)), largest] += np.where(np.abs(rest) > 1e-9 * unit, rest, 0.0)
    row, part = np.nonzero((np.nan_to_num(weights) > 0) & ~nobody[:, None])
    split = whole.iloc[row].assign(goal=amounts[row, part])
    split[column] = mix.columns[part]
    kept = whole[nobody].assign(**{column: pd.Series(np.nan, whole.index[nobody], dtype="str")})
    return pd.concat([split, kept], ignore_index=True)


def _sales_mix(inputs: Region) -> pd.DataFrame:
    sales = inputs.reviewed_sales().dropna(subset="product_line")
    by_line = sales.groupby(["rep_id", "product_line"])["amount"].sum().unstack().fillna(0.0)
    by_line = by_line.clip(lower=0.0).sort_index(axis=1)  # a line of returns alone has no share
    mix = by_line.reindex(sorted(inputs.reps["rep_id"])).fillna(0.0)
    mix.loc[mix.sum(axis=1) <= 0] = by_line.sum().to_numpy()
    return mix


def _territory_mix(inputs: Region) -> pd.DataFrame:
    held = inputs.held_on(inputs.settings.starts_on)
    sold = inputs.reviewed_sales().groupby("territory_id")["amount"].sum().clip(lower=0.0)
    held["weight"] = held["share"] * held["territory_id"].map(sold).fillna(0.0)
    nothing = held.groupby("rep_id")["weight"].transform("sum") <= 0
    held["weight"] = held["weight"].where(~nothing, held["share"])
    mix = held.groupby(["rep_id", "territory_id"])["weight"].sum().unstack().fillna(0.0)
    return mix.sort_index(axis=1)
