"""Expected results of the coming period, by person, territory, product line and month."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from planning_kit.data import Region, middle_day
from planning_kit.messages import DataError
from planning_kit.numbers.intervals import Z80
from planning_kit.outlook.history import (
    PLACE,
    held_months,
    look_up,
    plan_months,
    read_history,
    season_factors,
)
from planning_kit.outlook.outlook import coming_year
from planning_kit.outlook.seats import ROW, Seats, look_ahead
from planning_kit.plan import Scenario

BASELINE_COLUMNS = (
    *ROW,
    "expected",
    "low",
    "high",
    "last_year",
    "last_goal",
    "capacity_share",
    "filled_by",
)
CAPACITY_COLUMNS = (*PLACE, "month", "capacity_share", "low", "high")
UNHELD_COLUMNS = ("territory_id", "share", "amount", "note")
_WHOLE_SHARE = 0.005  # of a territory that may be unassigned by rounding of shares


def baseline(inputs: Region, scenario: Scenario) -> pd.DataFrame:
    """Expect the results of everybody who carries a goal, before any target is known.

    A yearly level for a full seat (own results as far as they are credible, then the seat's
    results under others, then the group's mean per seat), spread by line and season, times the
    expected capacity of the seat in the month (ramp of new hires, chance that it is vacated),
    times the register's drivers. Without an assumption on market growth the trend of the sales
    is used as far as two or more years support one.

    Parameters
    ----------
    inputs
        One region, or the company.
    scenario
        Its ``[assumptions]``, see `register`.

    Returns
    -------
    pandas.DataFrame
        rep_id, territory_id, product_line, month, expected (plan currency), low, high (80 %
        range of this row alone, see `baseline_totals` for sums), last_year (the person's own
        result of the same month; empty: not there then), last_goal (part of the person's goals
        of the reviewed year; empty: nobody planned it), capacity_share (expected share of a full
        seat, in ``expected``), filled_by (what the level rests on). Empty territory: the person
        has none; empty product line: the sales do not say. ``expected`` is empty where there is
        nothing to go by.

    Raises
    ------
    DataError
        The register is wrong; every fault is named.
    """
    seats = look_ahead(inputs, scenario)
    rows = seats.expected_rows().assign(last_year=last_year_of(seats), last_goal=_last_goals(seats))
    ends = coming_year(inputs, scenario).ranges(ROW)
    rows = rows.merge(ends[[*ROW, "low", "high"]], on=ROW, how="left")
    return _with_unknown(rows[list(BASELINE_COLUMNS)])


def expected_rows(inputs: Region, scenario: Scenario) -> pd.DataFrame:
    """Give the rows of the baseline with what is expected in them, without ranges.

    Returns
    -------
    pandas.DataFrame
        rep_id, territory_id, product_line, month, expected (plan currency).
    """
    return _with_unknown(look_ahead(inputs, scenario).expected_rows()[[*ROW, "expected"]])


def baseline_totals(
    inputs: Region, scenario: Scenario, by: Sequence[str] = ("rep_id",)
) -> pd.DataFrame:
    """Sum the baseline over a cut, with the 80 % range of every sum.

    Parameters
    ----------
    by
        Columns out of rep_id, territory_id, product_line, month; none: the region's total.

    Returns
    -------
    pandas.DataFrame
        The cut, expected, low, high (plan currency).
    """
    return _with_unknown(coming_year(inputs, scenario).ranges(by))


def _with_unknown(table: pd.DataFrame) -> pd.DataFrame:
    """Show an unknown territory or line as an empty cell again."""
    named = [c for c in ("territory_id", "product_line") if c in table]
    return table.assign(**{c: table[c].where(table[c] != "", np.nan).astype("str") for c in named})


def last_year_of(seats: Seats) -> pd.Series:
    """Bring the person's results of a year ago beside the rows; elsewhere sold counts too."""
    sold, rows = seats.levels.history.sold, seats.rows
    back = 12 * -(-len(seats.months) // 12)
    ahead = (sold["month"] + pd.DateOffset(months=back)).astype("datetime64[us]")
    sold = sold.assign(month=ahead)
    sold = sold[sold["month"].isin(seats.months) & sold["rep_id"].isin(rows["rep_id"])]
    place = row_place(sold, rows)
    sums = sold.assign(territory_id=place).groupby(ROW)["amount"].sum()
    found = sums.reindex(pd.MultiIndex.from_frame(rows[ROW])).to_numpy()
    held = seats.levels.history.held
    there = pd.MultiIndex.from_arrays([held["rep_id"], held["month"]])
    then = pd.MultiIndex.from_arrays([rows["rep_id"], rows["month"] - pd.DateOffset(months=back)])
    zero = np.where(then.isin(there), 0.0, np.nan)
    return pd.Series(np.where(np.isnan(found), zero, found), rows.index)


def row_place(given: pd.DataFrame, rows: pd.DataFrame) -> pd.Series:
    """Give the territory under which the plan lists a person: the same one, else the largest."""
    full = rows.groupby(PLACE)["full"].sum().reset_index()
    main = full.sort_values(["full", "territory_id"], ascending=[False, True], kind="stable")
    largest = main.drop_duplicates("rep_id").set_index("rep_id")["territory_id"]
    here = pd.MultiIndex.from_frame(given[PLACE]).isin(pd.MultiIndex.from_frame(full[PLACE]))
    return given["territory_id"].where(here, look_up(given["rep_id"], largest))


def _last_goals(seats: Seats) -> pd.Series:
    """Spread the goals of the reviewed year over the rows they were about, by season and line."""
    rows, goals = seats.rows, seats.inputs.goals
    goals = goals[(goals["metric"] == "amount") & goals["goal"].notna()]
    reviewed = seats.inputs.in_review(middle_day(goals))
    goals = goals[reviewed & goals["rep_id"].isin(rows["rep_id"])].reset_index(drop=True)
    lines = seats.inputs.line_of(goals["product_id"])
    goals["line"] = goals["product_line"].fillna(lines).fillna("")
    goals["place"] = row_place(goals.assign(territory_id=goals["territory_id"].fillna("")), rows)
    goals["is_placed"] = goals["territory_id"].notna()
    goals["goal_id"] = goals.index
    back = 12 * -(-len(seats.months) // 12)
    mid_month = rows["month"] - pd.DateOffset(months=back) + pd.Timedelta(days=14)
    cells = rows[["rep_id", "territory_id", "product_line", "full"]].assign(
        mid_month=mid_month, row=rows.index
    )
    pairs = goals.drop(columns=["territory_id", "product_line"]).merge(cells, on="rep_id")
    pairs = pairs[pairs["mid_month"].between(pairs["starts_on"], pairs["ends_on"])]
    pairs = pairs[(pairs["line"] == "") | (pairs["line"] == pairs["product_line"])]
    pairs = pairs[~pairs["is_placed"] | (pairs["place"] == pairs["territory_id"])]
    weight = pairs["full"].fillna(0.0).clip(lower=0.0)
    by = weight.groupby(pairs["goal_id"])
    sums, count = by.transform("sum"), by.transform("size")
    part = (weight / sums.where(sums > 0)).fillna(1 / count.where(sums <= 0))
    share = pairs["goal"] * part.fillna(0.0)
    return share.groupby(pairs["row"]).sum(min_count=1).reindex(rows.index)


def capacity(inputs: Region, scenario: Scenario) -> pd.DataFrame:
    """Expect which share of every seat is productive in every month of the plan.

    Ramp of new hires, the chance that the holder leaves, the vacancy, the successor's ramp and
    the loss of a hand-over (``account_loss_share``).

    Returns
    -------
    pandas.DataFrame
        rep_id, territory_id, month, capacity_share (1.0 is a full seat), low and high (turnover,
        vacancy and ramp at their unfavourable and favourable ends together).
    """
    seats = look_ahead(inputs, scenario)
    staff = [a for a in seats.assumptions if a.moves == "staff"]
    usual = seats.staffing()
    best = seats.staffing({a.assumption_id: a.low for a in staff})
    worst = seats.staffing({a.assumption_id: a.high for a in staff})
    if not any(a.driver == "turnover_rate" for a in staff):
        _, fewest, most = seats.counted
        best, worst = replace(best, annual_rate=fewest), replace(worst, annual_rate=most)
    shares = [seats.capacity(staffing) for staffing in (usual, worst, best)]
    weight = seats.rows["weight"].to_numpy()
    table = seats.rows[[*PLACE, "month"]].assign(
        capacity_share=shares[0] * weight, low=shares[1] * weight, high=shares[2] * weight
    )
    table = table.drop_duplicates([*PLACE, "month"], ignore_index=True)
    return _with_unknown(table[list(CAPACITY_COLUMNS)])


def unheld_territories(inputs: Region, scenario: Scenario) -> pd.DataFrame:
    """List the parts of territories that nobody holds, and what they would sell.

    The amount is nobody's expectation: it is not in `baseline`, and no one is given it silently.

    Returns
    -------
    pandas.DataFrame
        territory_id, share (mean part without anybody over the plan), amount (plan currency, at
        full capacity; empty where the territory has no history), note.
    """
    return unheld_parts(look_ahead(inputs, scenario))


def unheld_parts(seats: Seats) -> pd.DataFrame:
    """Do what `unheld_territories` does, from the seats."""
    inputs, months = seats.inputs, seats.months
    mine = inputs.territories
    mine = mine if inputs.is_company else mine[mine["region"] == inputs.name]
    held = held_months(inputs, months)
    sums = held.groupby(["territory_id", "month"])["weight"].sum().unstack()
    sums = sums.reindex(index=sorted(mine["territory_id"]), columns=months).fillna(0.0)
    gaps = (1 - sums).clip(lower=0.0)
    gaps = gaps[gaps.mean(axis=1) > _WHOLE_SHARE]
    places = seats.levels.places[seats.levels.places["exposure"] > 0]
    by = places.assign(part=places["share"] * places["exposure"]).groupby("territory_id")
    whole = (by["sold"].sum() / by["part"].sum()).reindex(gaps.index)
    season = seats.levels.season
    weighted = season["factor"] * look_up(season["product_line"], seats.levels.mix)
    of_month = weighted.groupby(season["month_of_year"]).sum().reindex(months.month).fillna(1.0)
    full = np.nan_to_num(seats.full)
    moved = float((full * seats.factors()).sum() / full.sum()) if full.sum() > 0 else 1.0
    amount = whole * (gaps.to_numpy() @ of_month.to_numpy()) / 12 * moved
    note = np.where(amount.isna(), "no history: the amount is not known", "")
    columns = (gaps.index.astype("str"), gaps.mean(axis=1).to_numpy(), amount.to_numpy(), note)
    return pd.DataFrame(dict(zip(UNHELD_COLUMNS, columns, strict=True)))


def seasonal_profile(inputs: Region) -> pd.DataFrame:
    """Give the share of every month in the plan, by product line, from all years of sales.

    Lines with few sales are drawn towards all lines together, these towards even months.

    Returns
    -------
    pandas.DataFrame
        product_line, month_of_year, share (adds up to 1 over the months of the plan), low, high
        (80 % range). Even months where the sales do not hold one whole year.

    Raises
    ------
    DataError
        The plan has no months.
    """
    months = plan_months(inputs)
    if not len(months):
        raise DataError("the plan has no months; set its ends_on.")
    history = read_history(inputs, months[0])
    season = season_factors(inputs, history)
    season = season[season["month_of_year"].isin(months.month)]
    times = look_up(season["month_of_year"], pd.Series(months.month).value_counts())
    whole = (season["factor"] * times).groupby(season["product_line"]).transform("sum")
    even = 1 / len(months)
    share = (season["factor"] / whole.where(whole > 0)).fillna(even)
    wide = (Z80 * season["error"] / whole.where(whole > 0)).fillna(0.0)
    table = season[["product_line", "month_of_year"]].assign(
        share=share, low=(share - wide).clip(lower=0.0), high=share + wide
    )
    return _with_unknown(table.reset_index(drop=True))
