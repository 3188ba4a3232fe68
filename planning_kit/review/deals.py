"""Deals out of the ordinary, and what a planner takes out of the review, with the reason."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from planning_kit.data import Region, cached
from planning_kit.messages import nearest
from planning_kit.numbers.statistics import robust_z
from planning_kit.plan import Exclusion, Scenario
from planning_kit.review.periods import first_of_month, two_years

UNUSUAL_COLUMNS = (
    "kind",
    "opportunity_id",
    "rep_id",
    "month",
    "product_id",
    "amount",
    "usual",
    "times",
    "robust_z",
    "person_share",
    "reason",
)
EXCLUDED_COLUMNS = (
    "opportunity_id",
    "rep_id",
    "month",
    "product_id",
    "amount",
    "excluded_amount",
    "owner",
    "reason",
    "note",
)
TOTAL_COLUMNS = ("what", "booked", "excluded", "counted")
FAR = 3.5  # robust deviations of the log amount (Iglewicz and Hoaglin 1993), and
TIMES_USUAL = 3.0  # the amount over the usual: an unusual deal passes both
LEAST_PEERS = 8  # fewer do not show what is usual
_MOVED = ["amount", "units", "cost"]
_SALE = ("rep_id", "month", "product_id", "amount")


@dataclass(frozen=True, eq=False)
class Exclusions:
    """The inputs without what the planner took out, what that is, and the totals with and without.

    ``table`` has one row an entry with the ``excluded_amount`` taken out of the sales here and a
    ``note`` where less was found than was named; amounts in plan currency.
    """

    inputs: Region
    table: pd.DataFrame
    totals: pd.DataFrame


@cached
def unusual_deals(inputs: Region) -> pd.DataFrame:
    """List won deals and sales of a month that are far above what their peers bring.

    The log amount of a won opportunity is compared with all won ones of the same product line
    (fewer than eight: of the same role, then of everybody), by median and median absolute
    deviation; 3.5 robust deviations and three times the usual are unusual. What a person sold
    of a product in a month is compared likewise: it finds large sales without an opportunity. A
    month that an unusual deal explains is not listed again; returns are compared by their size.
    Nothing is left out by being listed: see `exclude_deals`.

    Returns
    -------
    DataFrame
        Of the reviewed period, the largest first: ``kind`` (deal, or month), its labels,
        ``amount`` and ``usual`` (the peers' median) in plan currency, ``times`` the usual,
        ``robust_z``, ``person_share`` (of the person's reviewed sales) and the ``reason``.
    """
    rows = pd.concat([_won(inputs), _months(inputs)], ignore_index=True)
    rows = _with_usual(inputs, rows[rows["amount"] != 0])
    far = (rows["robust_z"] >= FAR) & (rows["times"] >= TIMES_USUAL)
    rows = rows[far & inputs.in_review(rows["month"])]
    same = ["rep_id", "month", "product_id"]
    deals = pd.MultiIndex.from_frame(rows.loc[rows["kind"] == "deal", same])
    explained = (rows["kind"] == "month") & pd.MultiIndex.from_frame(rows[same]).isin(deals)
    rows = rows[~explained]
    own = rows["rep_id"].map(inputs.reviewed_sales().groupby("rep_id")["amount"].sum())
    rows = rows.assign(person_share=(rows["amount"] / own).where(own > 0), reason=_reasons(rows))
    order = ["size", "kind", "opportunity_id", *same]
    rows = rows.sort_values(order, ascending=[False, *[True] * 5], ignore_index=True)
    return rows[list(UNUSUAL_COLUMNS)]


def _won(inputs: Region) -> pd.DataFrame:
    deals = inputs.opportunities
    deals = deals[deals["outcome"].eq("won") & deals["closed_on"].notna() & (deals["amount"] > 0)]
    return deals[["opportunity_id", "rep_id", "product_id", "amount"]].assign(
        kind="deal",
        month=first_of_month(deals["closed_on"]),
        product_line=inputs.line_of(deals["product_id"]),
    )


def _months(inputs: Region) -> pd.DataFrame:
    keys = ["rep_id", "month", "product_id", "product_line"]
    sums = inputs.sales.groupby(keys, dropna=False)["amount"].sum().reset_index()
    return sums.assign(kind="month", opportunity_id=pd.Series(pd.NA, sums.index, dtype="str"))


def _with_usual(inputs: Region, rows: pd.DataFrame) -> pd.DataFrame:
    """Compare every row with the narrowest group of peers that is large enough."""
    role = inputs.reps.set_index("rep_id")["role"]
    size = rows["amount"].abs()
    rows = rows.assign(
        size=size,
        role=rows["rep_id"].map(role).astype("str"),
        everybody="everybody",
        usual=np.nan,
        robust_z=np.nan,
        peers=pd.Series("", rows.index, dtype="str"),
    )
    for name in ("product_line", "role", "everybody"):
        by = [rows["kind"], rows[name]]
        many = rows.groupby(by)["size"].transform("size") >= LEAST_PEERS
        new = many & rows["usual"].isna()
        middle, z = robust_z(np.log(size), by)
        rows["usual"] = rows["usual"].mask(new, np.exp(middle))
        rows["robust_z"] = rows["robust_z"].mask(new, z)
        rows["peers"] = rows["peers"].mask(new, rows[name])
    rows["times"] = rows["size"] / rows["usual"]
    return rows


def _reasons(rows: pd.DataFrame) -> pd.Series:
    texts = [
        f"{times:,.1f} times the usual {usual:,.0f} of {'a deal' if kind == 'deal' else 'a month'}"
        f", {peers}{'; a return' if amount < 0 else ''}"
        for times, usual, kind, peers, amount in rows[
            ["times", "usual", "kind", "peers", "amount"]
        ].itertuples(index=False)
    ]
    return pd.Series(texts, rows.index, dtype="str")


def exclude_deals(inputs: Region, scenario: Scenario) -> Exclusions:
    """Take out of the review what the scenario's ``[[review.exclude]]`` names, and show it.

    An entry names an ``opportunity_id``, or ``rep_id`` and ``month`` with or without
    ``product_id`` and ``amount`` (plan currency; without it all of the month), and always
    ``owner`` and ``reason``. An opportunity leaves the funnel, and its amount leaves the
    person's sales of that product in the month it was won, as far as they go; units and cost
    leave in the same part. One file serves all regions: entries for others are listed with a
    note.
    """
    entries = [_entry(exclusion) for exclusion in scenario.review]
    if not entries:  # the same inputs, not a copy: what was worked out of them still stands
        return Exclusions(inputs, _table_of([]), _totals(inputs, inputs))
    sales, deals, rows = inputs.sales.reset_index(drop=True), inputs.opportunities, []
    for entry in entries:
        row, taken = entry, 0.0
        if "opportunity_id" in entry:
            deal = _won(inputs).query("opportunity_id == @entry['opportunity_id']")
            deals = deals[deals["opportunity_id"] != entry["opportunity_id"]]
            row = entry | {k: v for k in _SALE for v in deal[k].dropna()}
        if "rep_id" in row and "month" in row:
            sales, taken = _without(sales, row)
        note = _note(inputs, row, taken)
        rows.append(row | {"excluded_amount": taken, "note": note})
    kept = replace(inputs, sales=sales, opportunities=deals.reset_index(drop=True))
    return Exclusions(kept, _table_of(rows), _totals(inputs, kept))


def _entry(exclusion: Exclusion) -> dict[str, Any]:
    entry = {name: value for name, value in asdict(exclusion).items() if value}
    return entry | ({"month": pd.Timestamp(entry["month"])} if "month" in entry else {})


def _table_of(rows: list[dict[str, Any]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=list(EXCLUDED_COLUMNS))
    return table.assign(month=pd.to_datetime(table["month"]).astype("datetime64[us]"))


def _without(sales: pd.DataFrame, entry: dict[str, Any]) -> tuple[pd.DataFrame, float]:
    """Take an amount, or everything, out of the month's sales: the same part of every row."""
    here = sales["rep_id"].eq(entry["rep_id"]) & sales["month"].eq(entry["month"])
    if "product_id" in entry:
        here &= sales["product_id"].eq(entry["product_id"])
    total = float(sales.loc[here, "amount"].sum())
    part = 1.0
    if "amount" in entry:
        part = min(1.0, entry["amount"] / total) if total > 0 else 0.0
    if part < 1.0:
        less = sales[_MOVED].mul(1 - part).where(here, sales[_MOVED])
        return sales.assign(**{name: less[name] for name in _MOVED}), total * part
    return sales[~here], total


def _note(inputs: Region, row: dict[str, Any], taken: float) -> str:
    if "month" not in row:
        known = inputs.opportunities["opportunity_id"]
        if known.eq(row["opportunity_id"]).any():
            return "not won: it leaves the funnel and has no sales"
        near = nearest(row["opportunity_id"], known.tolist())
        return "not a deal of this region" + (f"; the nearest here is {near!r}" if near else "")
    if taken == 0:
        return "nothing of it was sold here in that month"
    less = taken < row.get("amount", taken) - 0.005
    return f"the month had only {taken:,.2f} of it" if less else ""


def _totals(inputs: Region, kept: Region) -> pd.DataFrame:
    booked = _sums(inputs)
    counted = booked if kept is inputs else _sums(kept)
    what = ["sales, reviewed year", "sales, year before", "won deals, reviewed year"]
    table = pd.DataFrame({"what": what, "booked": booked, "counted": counted})
    return table.assign(excluded=table["booked"] - table["counted"])[list(TOTAL_COLUMNS)]


def _sums(inputs: Region) -> list[float]:
    years, won = two_years(inputs).groupby("is_review")["amount"].sum(), _won(inputs)
    reviewed = inputs.in_review(won["month"])
    return [years.get(True, 0.0), years.get(False, 0.0), won["amount"][reviewed].sum()]
