"""From one amount to another, in effects that add up at every level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from planning_kit.data import Region, cached
from planning_kit.review.goals import spread_goals
from planning_kit.review.periods import check_by, dated_sales, goal_spans, team_of, two_years

EFFECTS = ("price", "volume", "mix", "new", "discontinued", "other")
MARGIN_EFFECTS = (
    "margin_price",
    "margin_cost",
    "margin_volume",
    "margin_mix",
    "margin_new",
    "margin_discontinued",
    "margin_other",
)
BRIDGE_CUTS = ("rep_id", "territory_id", "product_id", "product_line", "manager_id")
BRIDGE_COLUMNS = (
    "before",
    "after",
    "difference",
    *EFFECTS,
    "margin_before",
    "margin_after",
    "margin_difference",
    *MARGIN_EFFECTS,
)
_NOTHING = 0.005  # plan currency; less is the noise of adding
_EDGE_MONTHS = 6  # shorter comparisons have no edge to leave out
_LEAF = ["rep_id", "territory_id", "product_id"]


def bridge(inputs: Region, by: Sequence[str] = ()) -> pd.DataFrame:
    """Explain the change of sales from the year before to the reviewed year.

    Effects are computed for every person x territory x product and summed upward, so at every
    node they add to the difference and children add to their parent. With units ``q``, price
    ``p`` (amount / units) and the average price ``P`` of the product line in the year before
    (continuing products only): price ``q1 (p1 - p0)``, volume ``(q1 - q0) P``, mix
    ``(q1 - q0) (p0 - P)``; over a whole line, volume is ``(N1 - N0) P`` and mix
    ``N1 sum (s1 - s0) p0``, the usual form. Averaging over lines instead would compare socks
    with bicycles. ``new`` and ``discontinued`` are products that nobody sold in the other year
    (a launch in the last month of the year before is still new, left-overs in the first month
    of the review still discontinued). ``other`` is the change where units are missing or not
    above 0, so that it has no price.

    The margin columns do the same with the margin of one unit instead of its price, the price
    effect kept and the change of unit cost beside it; empty where some cost is not known.

    Parameters
    ----------
    inputs
        A region or the company; calendar months of both years.
    by
        Any of rep_id, territory_id, product_id, product_line, manager_id; ``()`` is the total.

    Returns
    -------
    DataFrame
        ``before``, ``after``, ``difference``, the six effects, then the margin: all in plan
        currency. No rows without sales in either year.

    Raises
    ------
    DataError
        A cut is not known.
    """
    cuts = check_by(by, BRIDGE_CUTS)
    return _summed(inputs, _sales_effects(inputs), cuts)


@cached
def _sales_effects(inputs: Region) -> pd.DataFrame:
    sales = two_years(inputs)
    before, after = _leaves(sales[~sales["is_review"]]), _leaves(sales[sales["is_review"]])
    cells = _paired(before, after)
    groups = _Groups(_lines(inputs, cells), _launches(sales))
    return _effects(cells, _prices_before(cells), groups)


def bridge_steps(table: pd.DataFrame) -> pd.DataFrame:
    """Lay a bridge out as steps, from where it starts through every effect that is not 0.

    Parameters
    ----------
    table
        From `bridge` or `goal_bridge`; several rows are summed.

    Returns
    -------
    DataFrame
        ``step`` and ``amount`` (plan currency), the start first; amounts add to the result.
    """
    start = "goal" if "rests_on_split_share" in table else "year before"
    sums = table[["before", *EFFECTS]].sum()
    moved = [effect for effect in EFFECTS if abs(sums[effect]) > _NOTHING]
    steps = {"step": [start, *moved], "amount": [sums["before"], *sums[moved]]}
    return pd.DataFrame(steps) if len(table) else pd.DataFrame(steps).iloc[:0]


@dataclass(frozen=True)
class _Groups:
    """The product line of each cell, and the products new or discontinued by their months."""

    line: pd.Series
    kinds: pd.Series


def _lines(inputs: Region, cells: pd.DataFrame) -> pd.Series:
    products = cells.index.get_level_values("product_id").to_series(index=cells.index)
    return inputs.line_of(products).fillna("")


def _launches(sales: pd.DataFrame) -> pd.Series:
    """Name products new or discontinued; sales in one month at the edge of a year do not count."""
    first, last = sales["when"].min(), sales["when"].max()
    long = sales["when"].nunique() >= _EDGE_MONTHS
    sums = sales.groupby(["product_id", "is_review", "when"], dropna=False)["amount"].sum()
    months = sums[sums > 0].reset_index()  # a month of returns only sold nothing
    edge = months["when"].eq(first).where(months["is_review"], months["when"].eq(last))
    months = months[~(edge & long)]
    years = months.groupby("product_id", dropna=False)["is_review"].agg(["min", "max"])
    kinds = pd.Series("both", years.index, dtype="str")
    kinds = kinds.mask(years["min"].astype(bool), "new")
    return kinds.mask(~years["max"].astype(bool), "discontinued")


def goal_bridge(inputs: Region, by: Sequence[str] = ()) -> pd.DataFrame:
    """Explain the gap between the goals of the reviewed year and its results.

    Goals hold no units; the units a goal stands for are the goal at the prices of the year
    before (of the person and territory, else of the product, else its list price). So ``price``
    is what prices moved since the year before, ``volume`` and ``mix`` what was sold more or less
    than the goal. ``new`` are products no goal holds, ``discontinued`` goals for products nobody
    sold. A goal coarser than person x territory x product is split first;
    ``rests_on_split_share`` is the share of the node's goals that rest on such a split.

    Returns
    -------
    DataFrame
        As `bridge`, ``before`` being the goal, without margin columns; no rows without goals.
    """
    cuts = check_by(by, BRIDGE_CUTS)
    nodes = _summed(inputs, _goal_effects(inputs), cuts, "split")
    share = nodes["split"] / nodes["before"].where(nodes["before"] != 0)
    kept = [*cuts, "before", "after", "difference", *EFFECTS]
    return nodes[kept].assign(rests_on_split_share=share)


@cached
def _goal_effects(inputs: Region) -> pd.DataFrame:
    goals = goal_spans(inputs, "amount")
    sales = dated_sales(inputs, "amount")
    goals = goals[goals["reviewed"] & goals["goal"].notna()]
    planned = spread_goals(inputs, goals, _LEAF)
    planned = planned.assign(split=planned["goal"].where(planned["basis"] > 0, 0.0))
    before = planned.groupby(_LEAF, dropna=False)[["goal", "split"]].sum()
    before = before.rename(columns={"goal": "amount"}).assign(units=np.nan, cost=np.nan)
    after = _leaves(sales[sales["reviewed"]])
    cells = _paired(before, after if len(before) else after.iloc[:0])
    earlier = two_years(inputs)
    history = _paired(_leaves(earlier[~earlier["is_review"]]), after).reindex(cells.index)
    prices = _prices_before(history, inputs.products)
    priced = cells.assign(units_0=(cells["amount_0"] / prices).fillna(0.0).where(prices > 0))
    groups = _Groups(_lines(inputs, cells), _launches(earlier))
    return _effects(priced, prices, groups).join(before["split"]).fillna({"split": 0.0})


def _leaves(sales: pd.DataFrame) -> pd.DataFrame:
    """Sum sales by person x territory x product; a cell with any unknown units has none."""
    groups = sales.groupby(_LEAF, dropna=False)
    table = groups[["amount", "units", "cost"]].sum()
    for column in ("units", "cost"):
        unknown = (sales[column].isna() & (sales["amount"] != 0)).groupby(
            [sales[c] for c in _LEAF], dropna=False
        )
        table[column] = table[column].mask(unknown.any())
    return table


def _paired(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    columns = ["amount", "units", "cost"]
    index = before.index.union(after.index)
    cells = before[columns].add_suffix("_0").reindex(index, fill_value=0.0)
    return cells.join(after[columns].add_suffix("_1").reindex(index, fill_value=0.0))


def _prices_before(cells: pd.DataFrame, products: pd.DataFrame | None = None) -> pd.Series:
    """Give the price before: of the cell, else of its product, else its list price, else after."""
    own = _price(cells["amount_0"], cells["units_0"])
    product = cells.index.get_level_values("product_id")
    sums = cells[["amount_0", "units_0", "amount_1", "units_1"]].where(cells["units_0"].notna())
    totals = sums.groupby(product, dropna=False).sum()
    after = cells[["amount_1", "units_1"]].groupby(product, dropna=False).sum()
    known = [_price(totals["amount_0"], totals["units_0"])]
    if products is not None:
        known.append(products.set_index("product_id")["list_price"])
    known.append(_price(after["amount_1"], after["units_1"]))
    for prices in known:
        own = own.fillna(pd.Series(prices.reindex(product).to_numpy(), cells.index))
    return own


def _price(amount: pd.Series, units: pd.Series) -> pd.Series:
    return (amount / units.where(units > 0)).where(amount > 0)


def _effects(cells: pd.DataFrame, prices: pd.Series, groups: _Groups) -> pd.DataFrame:
    """Compute every effect of every cell; the effects of a cell add up to its difference."""
    a0, a1, q0, q1 = (cells[c] for c in ("amount_0", "amount_1", "units_0", "units_1"))
    kind = _kinds(cells, groups.kinds)
    p1 = _price(a1, q1).fillna(prices.where((a1 == 0) & (q1 == 0)))
    has_price = _price(a0, q0).notna() | ((a0 == 0) & (q0 == 0))
    clean = (kind == "both") & prices.notna() & p1.notna() & has_price
    more = (q1 - q0).where(clean, 0.0)
    average = _average(a0.where(clean), q0.where(clean), groups.line)
    difference = a1 - a0
    table = pd.DataFrame({"before": a0, "after": a1, "difference": difference})
    table["price"] = (q1 * (p1 - prices)).where(clean, 0.0)
    table["volume"] = more * average
    table["mix"] = (more * (prices - average)).where(clean, 0.0)
    table["new"] = difference.where(kind == "new", 0.0)
    table["discontinued"] = difference.where(kind == "discontinued", 0.0)
    table["other"] = difference.where(~clean & (kind == "both"), 0.0)
    return table.join(_margin_effects(cells, table, more.where(clean), groups.line))


def _kinds(cells: pd.DataFrame, kinds: pd.Series) -> pd.Series:
    product = cells.index.get_level_values("product_id")
    sold = (cells[["amount_0", "amount_1"]] != 0).groupby(product, dropna=False).transform("any")
    known = pd.Series(kinds.reindex(product).to_numpy(), cells.index).fillna("both").astype("str")
    return known.mask(~sold["amount_0"], "new").mask(~sold["amount_1"], "discontinued")


def _average(amount: pd.Series, units: pd.Series, line: pd.Series) -> pd.Series:
    """Give the average of one unit within each product line; 0 where nothing was sold before."""
    sums = units.groupby(line).transform("sum")
    return (amount.groupby(line).transform("sum") / sums.where(sums > 0)).fillna(0.0)


def _margin_effects(
    cells: pd.DataFrame, effects: pd.DataFrame, more: pd.Series, line: pd.Series
) -> pd.DataFrame:
    """Do the same for the margin; ``more`` is empty where the cell has no prices."""
    m0, m1 = (cells[f"amount_{y}"] - cells[f"cost_{y}"] for y in (0, 1))
    before, after = _costs(cells)
    whole = more.notna() & before.notna()
    average = _average(m0.where(whole), cells["units_0"].where(whole), line)
    unit_margins = effects["volume"] + effects["mix"] - more * before
    change = m1 - m0
    table = pd.DataFrame({"margin_before": m0, "margin_after": m1, "margin_difference": change})
    table["margin_price"] = effects["price"].where(whole, 0.0)
    table["margin_cost"] = (-cells["units_1"] * (after - before)).where(whole, 0.0)
    table["margin_volume"] = (more * average).where(whole, 0.0)
    table["margin_mix"] = (unit_margins - more * average).where(whole, 0.0)
    for kind in ("new", "discontinued"):
        table[f"margin_{kind}"] = change.where(effects[kind] != 0, 0.0)
    table["margin_other"] = change - table[list(MARGIN_EFFECTS[:-1])].sum(axis=1)
    return table


def _costs(cells: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Give the cost of one unit before (of the cell, else of the product) and after."""
    product = cells.index.get_level_values("product_id")
    own = cells["cost_0"] / cells["units_0"].where(cells["units_0"] > 0)
    sums = cells[["cost_0", "units_0"]].groupby(product, dropna=False).sum()
    shared = (sums["cost_0"] / sums["units_0"].where(sums["units_0"] > 0)).reindex(product)
    before = own.fillna(pd.Series(shared.to_numpy(), cells.index))
    after = cells["cost_1"] / cells["units_1"].where(cells["units_1"] > 0)
    return before, after.fillna(before)


def _summed(inputs: Region, cells: pd.DataFrame, cuts: list[str], *extra: str) -> pd.DataFrame:
    flat = cells.reset_index().assign(everything=0)
    if "product_line" in cuts:
        flat["product_line"] = inputs.line_of(flat["product_id"])
    if "manager_id" in cuts:
        flat["manager_id"] = flat["rep_id"].map(team_of(inputs)).astype("str")
    columns = [c for c in (*BRIDGE_COLUMNS, *extra) if c in flat]
    margins = [c for c in columns if c.startswith("margin")]
    groups = flat.groupby(cuts or ["everything"], dropna=False)
    # One unknown cost makes the margin of its node unknown, not smaller.
    unknown = groups["margin_difference"].count() < groups.size()
    table = groups[columns].sum().astype("float64")
    table[margins] = table[margins].mask(unknown)
    return table.reset_index()[[*cuts, *columns]]
