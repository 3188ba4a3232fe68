"""Market x coverage x share: how much of a change is the market, and how much is ours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from planning_kit.data import Region
from planning_kit.plan import add_months
from planning_kit.review.factors import chain_effects
from planning_kit.review.periods import check_by, team_of, two_years, year_windows
from planning_kit.review.replay import unit_scales

MARKET_CUTS = ("rep_id", "territory_id", "manager_id")
MARKET_EFFECTS = ("market", "coverage", "share", "other")
MARKET_COLUMNS = (
    "before",
    "after",
    "difference",
    *MARKET_EFFECTS,
    "market_before",
    "market_after",
    "share_before",
    "share_after",
    "market_from",
)
_LEAF = ["rep_id", "territory_id"]


def market_bridge(inputs: Region, by: Sequence[str] = ()) -> pd.DataFrame:
    """Explain the change of sales by the market, how much of it was covered, and our share of it.

    Sales of a person in a territory are its potential x the part of the year and territory held
    x the sales per potential held; effects by logarithmic mean (Ang 2005), where a factor is 0 by
    Shapley, summed upward. The potential counts for the reviewed year. The market of the year
    before is it without the growth that last year's register says happened (driver
    ``market_growth``); where nothing says so the market stood still, and ``share`` holds its
    growth too. Sales without a territory held, or in one without potential, are ``other``.

    Returns
    -------
    DataFrame
        By any of rep_id, territory_id, manager_id: ``before``, ``after``, ``difference``, its
        four effects and the market held (plan currency), our share of it, and where its growth
        is from. No rows without potentials or assignments.

    Raises
    ------
    DataError
        A cut is not known.
    """
    cuts = check_by(by, MARKET_CUTS)
    potential = inputs.territories.set_index("territory_id")["potential"].dropna()
    potential = potential[potential > 0]
    if potential.empty or inputs.assignments.empty:
        return pd.DataFrame(columns=[*cuts, *MARKET_COLUMNS])
    growth, source = _market_growth(inputs)
    leaves = _leaves(inputs)
    place = leaves.index.get_level_values("territory_id")
    _, _, back = year_windows(inputs)
    market = pd.Series(potential.reindex(place).to_numpy() * back / 12, leaves.index)
    old, new = (
        _chain(leaves, year, m) for year, m in (("0", market / (1 + growth)), ("1", market))
    )
    table, _ = chain_effects(old, new, MARKET_EFFECTS[:-1])
    told = table["other"] == 0
    for when, leaf in (("before", old), ("after", new)):
        table[f"market_{when}"] = leaf["held"].where(told, 0.0)
        table[f"known_{when}"] = leaf["sales"].where(told, 0.0)
        table[when] = leaf["sales"]
    table["difference"] = table["after"] - table["before"]
    table = table.reset_index().assign(everything=0)
    if "manager_id" in cuts:
        table["manager_id"] = table["rep_id"].map(team_of(inputs)).astype("str")
    sums = [c for c in table if c not in (*_LEAF, "manager_id", "everything")]
    table = table.groupby(cuts or ["everything"], dropna=False)[sums].sum().reset_index()
    for year in ("before", "after"):
        held = table[f"market_{year}"].where(table[f"market_{year}"] > 0)
        table[f"share_{year}"] = table[f"known_{year}"] / held
    return table.assign(market_from=source)[[*cuts, *MARKET_COLUMNS]]


def _leaves(inputs: Region) -> pd.DataFrame:
    """Give sales and the part of year and territory held, of both years, by who and where."""
    sales = two_years(inputs)
    first, last, back = year_windows(inputs)
    columns = {}
    for name, shift in (("0", back), ("1", 0)):
        sold = sales[sales["is_review"] == (shift == 0)]
        columns[f"sales_{name}"] = sold.groupby(_LEAF, dropna=False)["amount"].sum()
        begins = pd.Timestamp(add_months(first.date(), -shift))
        ends = pd.Timestamp(add_months(last.date(), 1 - shift)) - pd.Timedelta(days=1)
        held = inputs.assignments
        start, end = held["starts_on"].fillna(begins), held["ends_on"].fillna(ends)
        start, end = start.where(start > begins, begins), end.where(end < ends, ends)
        days = ((end - start).dt.days + 1).clip(lower=0) * held["share"].fillna(1.0)
        part = days / ((ends - begins).days + 1)
        columns[f"held_{name}"] = part.groupby([held[c] for c in _LEAF]).sum()
    return pd.DataFrame(columns).fillna(0.0).rename_axis(index=_LEAF)


def _chain(leaves: pd.DataFrame, year: str, market: pd.Series) -> pd.DataFrame:
    market = market.fillna(0.0)
    held = market * leaves[f"held_{year}"]
    return pd.DataFrame({"market": market, "held": held, "sales": leaves[f"sales_{year}"]})


def _market_growth(inputs: Region) -> tuple[float, str]:
    stated = inputs.assumptions
    known = stated[stated["driver"].eq("market_growth") & stated["actual"].notna()]
    known = known.assign(scale=unit_scales(known)).dropna(subset="scale")
    known = known.sort_values("assumption_id")
    if known.empty:
        return 0.0, "potential; no growth of the market is known, so share holds it"
    growth = float(np.prod(1 + (known["actual"] * known["scale"]).to_numpy())) - 1
    names = ", ".join(known["assumption_id"])
    return growth, f"potential; the market moved {growth:+.1%} ({names})"
