"""Which year, quarter and month a goal or a sale belongs to, and the cuts of the review."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from planning_kit.data import Region, cached, middle_day
from planning_kit.data.derive import METRICS
from planning_kit.messages import DataError, require_labels
from planning_kit.plan import Settings, add_months, months_between
from planning_kit.review.prices import with_costs

CUTS = (
    "rep_id",
    "territory_id",
    "product_id",
    "product_line",
    "manager_id",
    "quarter",
    "month",
    "goal_period",
)
_UNIT_DAYS = {"month": 31, "quarter": 100}  # the longest goal that counts as one month or quarter
_AS_ONE_GOAL = 0.01  # a leader's goal this near to the sum of the team's goals repeats it


def check_by(by: Sequence[str], known: Sequence[str] = CUTS) -> list[str]:
    """Check the columns a review table is cut by.

    Raises
    ------
    DataError
        A cut is not known, or named twice.

    Examples
    --------
    >>> check_by(("rep_id", "quarter"))
    ['rep_id', 'quarter']
    """
    cuts = [by] if isinstance(by, str) else list(by)
    require_labels(cuts, known, "by")
    if len(set(cuts)) < len(cuts):
        raise DataError(f"by: {cuts} names a cut twice; name each once.")
    return cuts


def fiscal_year(days: pd.Series, settings: Settings) -> pd.Series:
    """Give the calendar year in which each day's fiscal year starts.

    The fiscal year starts with the first month of the plan.
    """
    return days.dt.year - (days.dt.month < settings.starts_on.month).astype("int64")


def fiscal_quarter(days: pd.Series, settings: Settings) -> pd.Series:
    """Name each day's fiscal quarter, for example ``2025-Q3``."""
    number = (days.dt.month - settings.starts_on.month) % 12 // 3 + 1
    return (fiscal_year(days, settings).astype(str) + "-Q" + number.astype(str)).astype("str")


def first_of_month(days: pd.Series) -> pd.Series:
    """Give the first day of each day's month."""
    return days.dt.to_period("M").dt.to_timestamp().astype("datetime64[us]")


def team_of(inputs: Region) -> pd.Series:
    """Give the team of every person: the own id for somebody who leads others, else the manager."""
    reps = inputs.reps
    leads = reps["rep_id"].isin(reps["manager_id"].dropna())
    return reps["manager_id"].where(~leads, reps["rep_id"]).set_axis(reps["rep_id"])


def main_metric(inputs: Region) -> str:
    """Give the metric most goals are in: amount where there is one, else units, else margin."""
    used = set(inputs.goals.loc[inputs.goals["goal"].notna(), "metric"])
    return next((metric for metric in METRICS if metric in used), "amount")


def measured(sales: pd.DataFrame, metric: str) -> pd.Series:
    """Give what the sales rows count for in a metric: amount, units, or margin."""
    require_labels([metric], METRICS, "metric")
    return sales["amount"] - sales["cost"] if metric == "margin" else sales[metric]


@cached
def goal_spans(inputs: Region, metric: str) -> pd.DataFrame:
    """Give the goals of a metric with their middle day, length in days, year and if reviewed.

    A leader's goal that only repeats the sum of the team's goals, with no sales of the leader's
    own, is left out: counted beside them it would double the goal.
    """
    goals = inputs.goals[inputs.goals["metric"] == metric].reset_index(drop=True)
    goals = goals[~repeated_goals(inputs, goals)].reset_index(drop=True)
    middle = middle_day(goals)
    return goals.assign(
        product_line=goals["product_line"].fillna(inputs.line_of(goals["product_id"])),
        days=(goals["ends_on"] - goals["starts_on"]).dt.days + 1,
        middle=middle,
        year=fiscal_year(middle, inputs.settings),
        reviewed=inputs.in_review(middle),
    )


def repeated_goals(inputs: Region, goals: pd.DataFrame) -> pd.Series:
    """Say which goals belong to a leader without sales and repeat the sum of the team's goals."""
    manager = inputs.reps.set_index("rep_id")["manager_id"]
    leads = goals["rep_id"].isin(manager) & ~goals["rep_id"].isin(inputs.sales["rep_id"])
    if not leads.any():
        return leads
    sums = goals.groupby(["rep_id", "starts_on"], as_index=False)["goal"].sum(min_count=1)
    teams = sums.assign(rep_id=sums["rep_id"].map(manager).astype("str"))
    teams = teams.dropna(subset="rep_id").groupby(["rep_id", "starts_on"], as_index=False)
    both = sums.merge(
        teams["goal"].sum(min_count=1), on=["rep_id", "starts_on"], suffixes=("", "_team")
    )
    near = (both["goal"] - both["goal_team"]).abs() <= _AS_ONE_GOAL * both["goal_team"].abs()
    repeated = both[near & (both["goal"] != 0) & both["rep_id"].isin(goals.loc[leads, "rep_id"])]
    keys = pd.MultiIndex.from_frame(repeated[["rep_id", "starts_on"]])
    return pd.Series(
        pd.MultiIndex.from_frame(goals[["rep_id", "starts_on"]]).isin(keys), goals.index
    )


@cached
def dated_sales(inputs: Region, metric: str) -> pd.DataFrame:
    """Give the sales with the day that decides their year, and the length of their goal.

    A sale inside a goal period counts where the middle day of that period lies; any other sale
    counts in its month.
    """
    spans = goal_spans(inputs, metric).sort_values("days").drop_duplicates(["rep_id", "starts_on"])
    spans = spans[["rep_id", "starts_on", "middle", "days"]]
    sold = with_costs(inputs, inputs.sales) if metric == "margin" else inputs.sales
    sales = sold.merge(
        spans.rename(columns={"starts_on": "goal_period"}), on=["rep_id", "goal_period"], how="left"
    )
    sales["middle"] = sales["middle"].fillna(sales["month"])
    return sales.assign(
        year=fiscal_year(sales["middle"], inputs.settings),
        reviewed=inputs.in_review(sales["middle"]),
    )


def time_unit(cuts: Sequence[str]) -> str:
    """Name the time a cut needs: month, quarter, or nothing."""
    return next((unit for unit in ("month", "quarter") if unit in cuts), "")


def with_cuts(inputs: Region, table: pd.DataFrame, cuts: Sequence[str]) -> pd.DataFrame:
    """Add the columns of the cuts to goals or sales that have `when`, the day they count on."""
    added = table.copy()
    if "month" in cuts:
        added["month"] = first_of_month(added["when"])
    if "quarter" in cuts:
        added["quarter"] = fiscal_quarter(added["when"], inputs.settings)
    if "manager_id" in cuts:
        added["manager_id"] = added["rep_id"].map(team_of(inputs)).astype("str")
    return added


def counted_on(table: pd.DataFrame, unit: str) -> pd.Series:
    """Give the day sales count on: the middle of a goal no longer than the unit, else the month."""
    short = table["days"].le(_UNIT_DAYS.get(unit, np.inf))
    return table["middle"].where(short, table["month"])


def longer_than(goals: pd.DataFrame, unit: str) -> pd.Series:
    """Say which goals are too long to count as one month or quarter."""
    return goals["days"] > _UNIT_DAYS.get(unit, np.inf)


def year_windows(inputs: Region) -> tuple[pd.Timestamp, pd.Timestamp, int]:
    """Give first and last month of the reviewed period, and the months back to compare with."""
    first, last = inputs.review_months
    return first, last, 12 * -(-months_between(first.date(), last.date()) // 12)


def two_years(inputs: Region) -> pd.DataFrame:
    """Give the sales of the reviewed months and of the same months before, by calendar month.

    Adds ``is_review`` and ``when``, the month of the reviewed year that the row is compared in.
    """
    first, last, back = year_windows(inputs)
    earlier_first = pd.Timestamp(add_months(first.date(), -back))
    earlier_last = pd.Timestamp(add_months(last.date(), -back))
    month = inputs.sales["month"]
    is_review = month.between(first, last)
    sales = inputs.sales[is_review | month.between(earlier_first, earlier_last)]
    kept = is_review[sales.index]
    moved = (sales["month"] + pd.DateOffset(months=back)).astype("datetime64[us]")
    return sales.assign(is_review=kept, when=sales["month"].where(kept, moved))
