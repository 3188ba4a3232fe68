"""Goals in units and in margin, cell by cell, with the new products in them; every sum is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from planning_kit.data import Region
from planning_kit.messages import finding, shorten
from planning_kit.metrics.splits import split_goals
from planning_kit.numbers.rounding import spread_remainders
from planning_kit.numbers.units import from_units
from planning_kit.plan import Launch, months_between
from planning_kit.review.prices import LEAST_LINES, costed_sales

CELL_COLUMNS = (
    *("rep_id", "territory_id", "product_line", "product_id", "month", "amount"),
    *("price", "units", "margin_share", "margin_basis", "margin"),
)
_WHOLE = ["rep_id", "product_line", "product_id"]  # rounded over the plan, then cell by cell


def goal_cells(
    inputs: Region, goals: pd.DataFrame, launches: Mapping[str, Launch] | None = None
) -> pd.DataFrame:
    """Give the goals by person, territory, product line and month in amount, units and margin.

    A new product takes its part of its line's goal in every cell, by the curve of its launch, in
    whole rounding units; the line's goal is not changed. Units of a person and line over the plan
    are the goal / price, rounded, and margin is the goal x margin share, rounded to the rounding
    unit; cells are whole and add up to them.

    Parameters
    ----------
    inputs
        One region or the company.
    goals
        rep_id, month, goal (plan currency; empty: nobody planned it) and, where known,
        product_line and territory_id (see `planning_kit.metrics.splits.split_goals`).
    launches
        By product; those without a line, or whose line has no goal, take nothing.

    Returns
    -------
    DataFrame
        rep_id, territory_id, product_line, product_id (a new product; empty: the rest of the
        line), month, amount, price (plan currency a unit: the line's amount / units of the
        reviewed period, a new product's own; empty where none is known), units, margin_share (the
        person's own of that line where at least five sales lines stand behind it, else
        everybody's; a new product's by its unit cost), margin_basis (own, line, product or empty)
        and margin (plan currency; empty where no cost is known).
    """
    unit, keys = inputs.settings.rounding_unit, list(CELL_COLUMNS[:5])
    table = _with_launches(inputs, split_goals(goals, inputs), launches or {}, unit)
    table = table.rename(columns={"goal": "amount"}).sort_values(keys, ignore_index=True)
    table = _with_margin_share(inputs, _with_price(inputs, table))
    table = _with_new_prices(inputs, table, launches or {})
    table["units"] = _round_cells(table, table["amount"] / table["price"])
    steps = _round_cells(table, table["amount"] * table["margin_share"] / unit)
    table["margin"] = from_units(steps.to_numpy(), unit)
    return table[list(CELL_COLUMNS)]


def _with_launches(
    inputs: Region, cells: pd.DataFrame, launches: Mapping[str, Launch], unit: float
) -> pd.DataFrame:
    line_of = inputs.line_of(pd.Series(list(launches), dtype="str")).tolist()
    rest, parts, whole = cells.assign(product_id=None), [], cells["goal"]
    for (product_id, launch), line in zip(launches.items(), line_of, strict=True):
        start = launch.starts_on or inputs.settings.starts_on
        since = np.array([months_between(start, m) - 1 for m in cells["month"].dt.date])
        part = np.take(launch.curve, np.clip(since, 0, len(launch.curve) - 1)) * launch.share
        part = np.where((since >= 0) & (cells["product_line"] == line), part, 0.0)
        taken = from_units(np.floor((whole * part).fillna(0.0) / unit + 1e-9), unit)
        taken = np.minimum(taken, rest["goal"].fillna(0.0))
        rest["goal"] -= taken
        parts.append(cells.assign(product_id=product_id, goal=taken)[taken > 0])
    table = pd.concat([rest, *parts], ignore_index=True)
    return table.astype({"product_id": "str"})


def _with_price(inputs: Region, table: pd.DataFrame) -> pd.DataFrame:
    sales = inputs.reviewed_sales().dropna(subset=["units", "product_line"])
    sums = sales.groupby("product_line")[["amount", "units"]].sum()
    sums = sums[(sums["units"] > 0) & (sums["amount"] > 0)]
    price = table["product_line"].map(sums["amount"] / sums["units"]).astype(float)
    return table.assign(price=price)


def _with_margin_share(inputs: Region, table: pd.DataFrame) -> pd.DataFrame:
    costed = costed_sales(inputs).dropna(subset="product_line")
    sums = costed.groupby(["rep_id", "product_line"])[["amount", "cost", "lines"]].sum()
    own = sums[(sums["lines"] >= LEAST_LINES) & (sums["amount"] > 0)]
    own_share = (1.0 - own["cost"] / own["amount"]).rename("own")
    line = costed.groupby("product_line")[["amount", "cost"]].sum()
    line_share = (1.0 - line["cost"] / line["amount"]).where(line["amount"] > 0)
    table = table.merge(own_share.reset_index(), on=["rep_id", "product_line"], how="left")
    of_line = table["product_line"].map(line_share).astype(float)
    return table.assign(
        margin_share=table["own"].fillna(of_line),
        margin_basis=np.select([table["own"].notna(), of_line.notna()], ["own", "line"], ""),
    )


def _with_new_prices(
    inputs: Region, table: pd.DataFrame, launches: Mapping[str, Launch]
) -> pd.DataFrame:
    known = inputs.products.drop_duplicates("product_id").set_index("product_id")
    told = pd.Series({name: launch.price for name, launch in launches.items()}, dtype=float)
    new, product = table["product_id"].notna(), table["product_id"]
    price = product.map(told).fillna(product.map(known["list_price"])).astype(float)
    price = price.where(price > 0)
    share = 1.0 - product.map(known["unit_cost"]).astype(float) / price
    basis = pd.Series(np.where(share.notna(), "product", ""), table.index)
    of_new = {"price": price, "margin_share": share, "margin_basis": basis}
    return table.assign(**{name: table[name].mask(new, told) for name, told in of_new.items()})


def launch_findings(
    cells: pd.DataFrame, launches: Mapping[str, Launch]
) -> Iterator[dict[str, str]]:
    """Name new products that take no part of any goal, and those that have no price."""
    there = cells.groupby("product_id")["price"].first()
    lost, unpriced = sorted({*launches} - {*there.index}), list(there.index[there.isna()])
    if lost:
        message = f"New products take no part of any goal: {shorten(lost)}."
        advice = "They need a product_line that somebody has a goal for, and a share above 0."
        yield finding("metrics.launch.nothing", "review", "[metrics.launch]", message, advice)
    if unpriced:
        message = f"New products without a price have goals in amount alone: {shorten(unpriced)}."
        advice = "Fill list_price of products, or write price in [metrics.launch]."
        yield finding("metrics.launch.price", "review", "[metrics.launch]", message, advice)


def _round_cells(table: pd.DataFrame, values: pd.Series) -> pd.Series:
    # Ties go to the earlier cell (the table comes sorted).
    known = values.dropna()
    whole = table.loc[known.index].groupby(_WHOLE, dropna=False).ngroup().to_numpy()
    totals = np.bincount(whole, known).round().astype(np.int64)
    rounded = spread_remainders(known.to_numpy(dtype=float), whole, totals)
    return pd.Series(rounded.astype(float), known.index).reindex(table.index)
