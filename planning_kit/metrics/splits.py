"""The same goals by product line, by territory, in units and in margin; every sum is kept."""

from __future__ import annotations

import numpy as np
import pandas as pd

from planning_kit.data import Region
from planning_kit.messages import DataError, require_labels
from planning_kit.numbers.rounding import split_rows, spread_remainders
from planning_kit.numbers.units import from_units
from planning_kit.review.prices import costed_sales

PRODUCT_COLUMNS = ("rep_id", "product_line", "month", "goal")
TERRITORY_COLUMNS = ("rep_id", "territory_id", "month", "goal")
UNIT_COLUMNS = (*PRODUCT_COLUMNS, "price", "units")
MARGIN_COLUMNS = (*PRODUCT_COLUMNS, "margin_share", "margin_basis", "margin")
LEAST_LINES = 5  # a person's own margin share needs this many sales lines of the product line


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
        product_line.
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
    mix = None if inputs is None else _sales_mix(inputs)
    return _split(check_goals(goals, inputs), "product_line", mix, inputs)


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
    mix = None if inputs is None else _territory_mix(inputs)
    return _split(check_goals(goals, inputs), "territory_id", mix, inputs)


def _split(
    goals: pd.DataFrame, column: str, mix: pd.DataFrame | None, inputs: Region | None
) -> pd.DataFrame:
    if column not in goals:
        goals = goals.assign(**{column: pd.Series(np.nan, goals.index, dtype="str")})
    whole = goals[goals[column].isna()]
    parts = [goals]
    if len(whole) and mix is not None and inputs is not None and mix.shape[1]:
        parts = [goals[goals[column].notna()], _by_mix(whole, column, mix, inputs)]
    keys = ["rep_id", column, "month"]
    table = pd.concat(parts, ignore_index=True)[[*keys, "goal"]]
    # An empty goal stays empty: nobody planned any part of it.
    return table.groupby(keys, dropna=False, as_index=False)[["goal"]].sum(min_count=1)


def _by_mix(whole: pd.DataFrame, column: str, mix: pd.DataFrame, inputs: Region) -> pd.DataFrame:
    whole = whole.groupby(["rep_id", "month"], as_index=False)[["goal"]].sum(min_count=1)
    weights = mix.reindex(whole["rep_id"]).to_numpy(dtype=float)
    nobody = ~(np.nansum(weights, axis=1) > 0)
    unit = inputs.settings.rounding_unit
    units = np.floor(whole["goal"] / unit + 1e-9)
    shares = split_rows(weights, units.to_numpy(dtype=float))
    amounts = from_units(shares, unit)
    # What a goal has beyond whole rounding units goes to the largest part.
    rest = (whole["goal"] - units * unit).to_numpy(dtype=float)
    largest = np.nan_to_num(weights).argmax(axis=1)
    amounts[np.arange(len(whole)), largest] += np.where(np.abs(rest) > 1e-9 * unit, rest, 0.0)
    table = pd.DataFrame(amounts, columns=mix.columns, index=whole.index)
    table = table.mask(np.nan_to_num(weights) == 0).loc[~nobody]
    long = (
        whole.drop(columns="goal")
        .join(table)
        .melt(["rep_id", "month"], var_name=column, value_name="goal")
    )
    told = whole.loc[~nobody].dropna(subset="goal")[["rep_id", "month"]]
    split = long.dropna(subset="goal").merge(told, on=["rep_id", "month"])
    kept = whole[nobody | whole["goal"].isna()].assign(**{column: np.nan})
    return pd.concat([split, kept.astype({column: "str"})], ignore_index=True)


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


def units_goals(inputs: Region, goals: pd.DataFrame) -> pd.DataFrame:
    """Turn goals by product line into whole units, through the line's realised price.

    A person's units of a line over the whole plan are the goal / price, rounded; the months are
    whole and add up to them. The goal itself is not changed.

    Returns
    -------
    DataFrame
        rep_id, product_line, month, goal, price (plan currency a unit, amount / units of the
        reviewed period; empty where no units are known), units.
    """
    table = product_goals(goals, inputs)
    sales = inputs.reviewed_sales().dropna(subset=["units", "product_line"])
    sums = sales.groupby("product_line")[["amount", "units"]].sum()
    sums = sums[(sums["units"] > 0) & (sums["amount"] > 0)]
    table["price"] = table["product_line"].map(sums["amount"] / sums["units"]).astype(float)
    table["units"] = _round_months(table, table["goal"] / table["price"])
    return table[list(UNIT_COLUMNS)]


def _round_months(table: pd.DataFrame, values: pd.Series) -> pd.Series:
    # The months of one person and line add up to their rounded total; ties go to the earlier one
    # (the table comes sorted).
    known = values.dropna()
    lines = table.loc[known.index].groupby(["rep_id", "product_line"], dropna=False)
    line = lines.ngroup().to_numpy()
    totals = np.bincount(line, known).round().astype(np.int64)
    whole = spread_remainders(known.to_numpy(dtype=float), line, totals)
    return pd.Series(whole.astype(float), known.index).reindex(table.index)


def margin_goals(inputs: Region, goals: pd.DataFrame) -> pd.DataFrame:
    """Turn goals by product line into margin, at the margin share of the reviewed period.

    The share is the person's own of that line where at least five sales lines stand behind it,
    else everybody's of that line. Margin is rounded to the rounding unit; a person's months of a
    line add up to the rounded total.

    Returns
    -------
    DataFrame
        rep_id, product_line, month, goal, margin_share (margin / amount), margin_basis (own,
        line or empty), margin (plan currency; empty where no cost is known).
    """
    table = product_goals(goals, inputs)
    costed = costed_sales(inputs).dropna(subset="product_line")
    sums = costed.groupby(["rep_id", "product_line"])[["amount", "cost", "lines"]].sum()
    own = sums[(sums["lines"] >= LEAST_LINES) & (sums["amount"] > 0)]
    own_share = (1.0 - own["cost"] / own["amount"]).rename("own")
    line = costed.groupby("product_line")[["amount", "cost"]].sum()
    line_share = (1.0 - line["cost"] / line["amount"]).where(line["amount"] > 0)
    table = table.merge(own_share.reset_index(), on=["rep_id", "product_line"], how="left")
    of_line = table["product_line"].map(line_share).astype(float)
    table["margin_share"] = table["own"].fillna(of_line)
    table["margin_basis"] = np.select([table["own"].notna(), of_line.notna()], ["own", "line"], "")
    unit = inputs.settings.rounding_unit
    steps = _round_months(table, table["goal"] * table["margin_share"] / unit)
    table["margin"] = from_units(steps.to_numpy(), unit)
    return table[list(MARGIN_COLUMNS)]
