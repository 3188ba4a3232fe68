"""Goals split to the cut that is asked for, by stated rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from planning_kit.data import Region
from planning_kit.review.periods import first_of_month, fiscal_year, longer_than, time_unit

# From the firmest to the weakest; a row carries the weakest rule that any part of it rests on.
BASES = (
    "as set",
    "split by last year's sales",
    "split by this year's sales",
    "split by the time held",
    "split evenly",
    "not split",
)
_AS_SET, _LAST_YEAR, _THIS_YEAR, _HELD, _EVENLY, _NOT = range(len(BASES))
_Sources = list[tuple[int, pd.DataFrame]]
_Weigh = Callable[[pd.DataFrame], _Sources]


def spread_goals(inputs: Region, goals: pd.DataFrame, cuts: Sequence[str]) -> pd.DataFrame:
    """Split goals that are coarser than the cuts; the parts of a goal add up to it.

    - To territories: those the person held in the goal's period, by days held times the
      territory's sales of the year before; without such sales by days held; without any
      assignment by the person's own sales by territory. Whoever held a single one has the whole
      goal there: nothing was split.
    - To products or lines: by the person's sales of the year before, else of the goal's own
      year, else evenly over everything sold (within the goal's line where it has one).
    - To months and quarters: by the person's sales in the same months of the year before, else
      of the goal's own year, else by days.

    Parameters
    ----------
    inputs
        For sales and assignments.
    goals
        From `planning_kit.review.periods.goal_spans`.
    cuts
        What the caller cuts by.

    Returns
    -------
    DataFrame
        The goals with ``when`` (the day they count on) and ``basis`` (a position in `BASES`).
    """
    cells = goals.assign(basis=0, when=goals["middle"], goal_period=goals["starts_on"])
    sales = inputs.sales.assign(year=fiscal_year(inputs.sales["month"], inputs.settings))
    if "territory_id" in cuts:
        cells = _split(
            cells,
            cells["territory_id"].isna(),
            "territory_id",
            lambda rest: _territory_weights(inputs, sales, rest),
        )
    for dim in ("product_line", "product_id"):
        if dim in cuts and (dim == "product_id" or "product_id" not in cuts):
            cells = _split_products(cells, sales, dim)
    unit = time_unit(cuts)
    if unit:
        cells = _split(
            cells, longer_than(cells, unit), "when", lambda rest: _month_weights(sales, rest)
        )
    return cells.drop(columns="cell", errors="ignore")


def _split(cells: pd.DataFrame, wanted: pd.Series, dim: str, weigh: _Weigh) -> pd.DataFrame:
    """Split the wanted rows by the first source of weights that knows them."""
    cells = cells.reset_index(drop=True)
    cells["cell"] = cells.index
    rest = cells[wanted.to_numpy(dtype=bool)]
    if rest.empty:
        return cells
    parts = [cells.drop(index=rest.index)]
    for basis, weights in weigh(rest):
        weights = weights[(weights["weight"] > 0) & weights["cell"].isin(rest["cell"])]
        split = rest.drop(columns=dim).merge(weights[["cell", dim, "weight"]], on="cell")
        total = split.groupby("cell")["weight"].transform("sum")
        split["goal"] *= split["weight"] / total
        split["basis"] = split["basis"].clip(lower=basis)
        parts.append(split.drop(columns="weight"))
        rest = rest[~rest["cell"].isin(split["cell"])]
    parts.append(rest.assign(basis=_NOT))
    return pd.concat([part for part in parts if len(part)], ignore_index=True)


def _territory_weights(inputs: Region, sales: pd.DataFrame, rest: pd.DataFrame) -> _Sources:
    spans = rest[["cell", "rep_id", "starts_on", "ends_on", "year"]]
    held = spans.merge(
        inputs.assignments.rename(columns={"starts_on": "from_on", "ends_on": "to_on"}), on="rep_id"
    )
    first = held["from_on"].fillna(held["starts_on"]).clip(lower=held["starts_on"])
    last = held["to_on"].fillna(held["ends_on"]).clip(upper=held["ends_on"])
    days = ((last - first).dt.days + 1).clip(lower=0) * held["share"].fillna(1.0)
    days = days.groupby([held[c] for c in ("cell", "territory_id", "year")]).sum()
    held = days[days > 0].rename("days").reset_index()
    only = held[~held["cell"].duplicated(keep=False)]
    sold = sales.groupby(["territory_id", "year"], as_index=False)["amount"].sum()
    by_sales = held.merge(sold.assign(year=sold["year"] + 1), on=["territory_id", "year"])
    own = _own_weights(sales, rest, ["territory_id"], [])
    return [
        (_AS_SET, only.rename(columns={"days": "weight"})),
        (_LAST_YEAR, by_sales.assign(weight=by_sales["days"] * by_sales["amount"])),
        (_HELD, held.rename(columns={"days": "weight"})),
        *own,
    ]


def _own_weights(
    sales: pd.DataFrame, rest: pd.DataFrame, dims: list[str], keys: list[str]
) -> _Sources:
    """Weigh by the person's own sales, of the year before and of the goal's own year."""
    sold = sales.groupby(["rep_id", "year", *dims, *keys], dropna=False, as_index=False)[
        "amount"
    ].sum()
    spans = rest[["cell", "rep_id", "year", *keys]]
    sources = []
    for basis, later in ((_LAST_YEAR, 1), (_THIS_YEAR, 0)):
        known = spans.merge(sold.assign(year=sold["year"] + later), on=["rep_id", "year", *keys])
        sources.append((basis, known.rename(columns={"amount": "weight"})))
    return sources


def _split_products(cells: pd.DataFrame, sales: pd.DataFrame, dim: str) -> pd.DataFrame:
    if dim == "product_line":
        return _split(
            cells,
            cells["product_line"].isna(),
            dim,
            lambda rest: _product_weights(sales, rest, dim, []),
        )
    in_line = cells["product_id"].isna() & cells["product_line"].notna()
    cells = _split(
        cells, in_line, dim, lambda rest: _product_weights(sales, rest, dim, ["product_line"])
    )
    free = cells["product_id"].isna() & cells["product_line"].isna()
    cells = _split(cells, free, dim, lambda rest: _product_weights(sales, rest, dim, []))
    lines = sales.drop_duplicates("product_id").set_index("product_id")["product_line"]
    return cells.assign(
        product_line=cells["product_line"].fillna(cells["product_id"].map(lines).astype("str"))
    )


def _product_weights(
    sales: pd.DataFrame, rest: pd.DataFrame, dim: str, keys: list[str]
) -> _Sources:
    known = sales.loc[sales[dim].notna(), list(dict.fromkeys([dim, *keys]))].drop_duplicates()
    spans = rest[["cell", *keys]]
    evenly = spans.merge(known, on=keys) if keys else spans.merge(known, how="cross")
    return [*_own_weights(sales, rest, [dim], keys), (_EVENLY, evenly.assign(weight=1.0))]


def _month_weights(sales: pd.DataFrame, rest: pd.DataFrame) -> _Sources:
    """Weigh the months a goal touches; a month it only touches counts by its days."""
    months = [
        pd.DataFrame({"cell": cell, "when": pd.period_range(first, last, freq="M").to_timestamp()})
        for cell, first, last in rest[["cell", "starts_on", "ends_on"]].itertuples(index=False)
    ]
    spans = pd.concat(months).merge(rest[["cell", "rep_id", "starts_on", "ends_on"]], on="cell")
    spans["when"] = spans["when"].astype("datetime64[us]")
    month_end = (spans["when"] + pd.offsets.MonthEnd(0)).astype("datetime64[us]")
    first = spans["when"].clip(lower=spans["starts_on"])
    days = (month_end.clip(upper=spans["ends_on"]) - first).dt.days + 1
    spans = spans.assign(days=days, part=days / month_end.dt.day)
    sold = sales.groupby(["rep_id", "month"], as_index=False)["amount"].sum()
    sources: _Sources = []
    for basis, back in ((_LAST_YEAR, 12), (_THIS_YEAR, 0)):
        when = first_of_month(sold["month"] + pd.DateOffset(months=back))
        known = spans.merge(sold.assign(when=when), on=["rep_id", "when"])
        sources.append((basis, known.assign(weight=known["amount"] * known["part"])))
    return [*sources, (_HELD, spans.rename(columns={"days": "weight"}))]
