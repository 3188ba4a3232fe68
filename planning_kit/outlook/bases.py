"""Other bases a target can be split by: the run rate, and accounts with their pipeline."""

from __future__ import annotations

import numpy as np
import pandas as pd

from planning_kit.data import Region
from planning_kit.outlook.baseline import last_year_of, row_place
from planning_kit.outlook.history import look_up
from planning_kit.outlook.seats import Seats, look_ahead
from planning_kit.plan import Scenario

CELL = ["rep_id", "territory_id", "product_line"]
RECENT_MONTHS = 3


def other_bases(inputs: Region, scenario: Scenario) -> pd.DataFrame:
    """Give what a target may be split by besides the expected result.

    Returns
    -------
    pandas.DataFrame
        rep_id, territory_id, product_line (as in the baseline), run_rate (results of the last
        three months with sales, brought to the plan's months by the season of the line, plan
        currency; empty: the person was not there), account_build_up (what the person's accounts
        bought a year ago, plus open opportunities times the closing ratio by value of the last
        twelve months, plan currency; empty without opportunities).
    """
    seats = look_ahead(inputs, scenario)
    rows = seats.rows[CELL].drop_duplicates().sort_values(CELL, ignore_index=True)
    at = pd.MultiIndex.from_frame(rows)
    return rows.assign(
        run_rate=_run_rate(seats).reindex(at).to_numpy(),
        account_build_up=_account_build_up(seats).reindex(at).to_numpy(),
    )


def _run_rate(seats: Seats) -> pd.Series:
    history, rows = seats.levels.history, seats.rows
    begin = history.last - pd.DateOffset(months=RECENT_MONTHS - 1)
    sold = history.sold[history.sold["month"] >= begin]
    sold = sold[sold["rep_id"].isin(rows["rep_id"])]
    sold = sold.assign(territory_id=row_place(sold, rows))
    season = seats.levels.season
    known = season.set_index(["product_line", "month_of_year"])["factor"]
    months = pd.date_range(begin, history.last, freq="MS").month
    recent = known[known.index.get_level_values("month_of_year").isin(months)]
    level = recent.groupby("product_line").sum()
    times = pd.Series(seats.months.month).value_counts()
    planned = known * times.reindex(known.index.get_level_values(1)).fillna(0.0).to_numpy()
    scale = (planned.groupby("product_line").sum() / level.where(level > 0)).rename("scale")
    sums = sold.groupby(CELL)["amount"].sum()
    factor = look_up(sums.index.to_frame()["product_line"], scale)
    rate = sums * factor.fillna(len(seats.months) / RECENT_MONTHS).to_numpy()
    there = set(history.held.loc[history.held["month"] >= begin, "rep_id"])
    every = rows[CELL].drop_duplicates()
    zero = pd.Series(
        np.where(every["rep_id"].isin(there), 0.0, np.nan), pd.MultiIndex.from_frame(every)
    )
    return rate.reindex(zero.index).fillna(zero)


def _account_build_up(seats: Seats) -> pd.Series:
    rows = seats.rows.assign(last_year=last_year_of(seats))
    bought = rows.groupby(CELL)["last_year"].sum(min_count=1)
    deals = seats.inputs.opportunities
    if deals.empty:
        return bought * np.nan
    closed = deals["closed_on"] > deals["closed_on"].max() - pd.DateOffset(years=1)
    decided = deals[closed & deals["outcome"].isin(["won", "lost"])].groupby("outcome")["amount"]
    value = decided.sum().reindex(["won", "lost"]).fillna(0.0)
    ratio = value["won"] / value.sum() if value.sum() else np.nan
    open_ = deals[(deals["outcome"] == "open") & deals["rep_id"].isin(rows["rep_id"])]
    open_ = open_.assign(
        territory_id="", product_line=seats.inputs.line_of(open_["product_id"]).fillna("")
    )
    open_["territory_id"] = row_place(open_, seats.rows)
    pipeline = open_.groupby(CELL)["amount"].sum() * ratio
    both = pd.concat([bought, pipeline.reindex(bought.index)], axis=1)
    return both.sum(axis=1, min_count=1)
