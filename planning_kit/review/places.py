"""Where margin was lost, and who sold where they are not assigned."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from planning_kit.data import Region, cached
from planning_kit.review.periods import check_by, counted_on, dated_sales, time_unit, with_cuts

MARGIN_COLUMNS = ("amount", "cost", "margin", "margin_share", "units")
OUTSIDE_COLUMNS = (
    "rep_id",
    "territory_id",
    "amount",
    "amount_share",
    "months",
    "assigned_until",
    "first_month",
    "last_month",
)


@cached
def margins(
    inputs: Region, by: Sequence[str] = ("product_line",), *, years: str = "reviewed"
) -> pd.DataFrame:
    """Sum sales, cost and margin for any cut; a cut with any unknown cost has no margin.

    Parameters
    ----------
    inputs
        A region or the company.
    by
        Any cut of the review; ``()`` is the total.
    years
        ``"reviewed"`` or ``"all"``.

    Returns
    -------
    DataFrame
        ``amount``, ``cost``, ``margin`` in plan currency, ``margin_share`` of the amount (empty
        where the amount is not above 0), ``units``.
    """
    cuts = check_by(by)
    sales = dated_sales(inputs, "amount")
    sales = sales[sales["reviewed"]] if years == "reviewed" else sales
    sales = with_cuts(inputs, sales.assign(when=counted_on(sales, time_unit(cuts))), cuts)
    sales = sales.assign(everything=0, unknown=sales["cost"].isna() & (sales["amount"] != 0))
    groups = sales.groupby(cuts or ["everything"], dropna=False)
    table = groups[["amount", "cost", "units"]].sum(min_count=1)
    table["cost"] = table["cost"].mask(groups["unknown"].any())
    table["margin"] = table["amount"] - table["cost"]
    table["margin_share"] = (table["margin"] / table["amount"]).where(table["amount"] > 0)
    return table.reset_index()[[*cuts, *MARGIN_COLUMNS]]


@cached
def outside_assignments(inputs: Region) -> pd.DataFrame:
    """List sales in territories that the seller did not hold in any day of the month.

    Sales are known by month, so a month in which the territory was held at all is not listed.

    Returns
    -------
    DataFrame
        Sales of the reviewed year by person and territory: ``amount`` and its share of the
        person's sales, how many ``months`` with sales, ``assigned_until`` (the last day of a
        former assignment; empty: never held it), the largest first.
    """
    sales = dated_sales(inputs, "amount")
    sales = sales[sales["reviewed"]]
    sums = sales.groupby(["rep_id", "territory_id", "month"], as_index=False)["amount"].sum()
    held = inputs.assignments[["rep_id", "territory_id", "starts_on", "ends_on"]]
    pairs = sums.reset_index().merge(held, on=["rep_id", "territory_id"])
    month_end = pairs["month"] + pd.offsets.MonthEnd(0)
    inside = ~(pairs["starts_on"] > month_end) & ~(pairs["ends_on"] < pairs["month"])
    outside = sums[~sums.index.isin(pairs.loc[inside, "index"])]
    groups = outside.groupby(["rep_id", "territory_id"])
    table = groups.agg(
        amount=("amount", "sum"),
        months=("month", "nunique"),
        first_month=("month", "min"),
        last_month=("month", "max"),
    )
    until = held.groupby(["rep_id", "territory_id"])["ends_on"].max().rename("assigned_until")
    table = table.join(until).reset_index()
    own = sales.groupby("rep_id")["amount"].sum().reindex(table["rep_id"]).to_numpy()
    table["amount_share"] = (table["amount"] / own).where(own > 0)
    order = ["amount", "rep_id", "territory_id"]
    table = table.sort_values(order, ascending=[False, True, True], ignore_index=True)
    return table[list(OUTSIDE_COLUMNS)]
