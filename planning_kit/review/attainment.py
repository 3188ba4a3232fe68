"""Goals against results, and results against the year before, for any cut."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from planning_kit.data import Region, cached, middle_day
from planning_kit.data.derive import METRICS
from planning_kit.messages import DataError, require_labels
from planning_kit.plan import add_months
from planning_kit.review.counts import COUNTED_CUTS, countable, counted_results, kind_of
from planning_kit.review.goals import BASES, spread_goals
from planning_kit.review.periods import (
    check_by,
    counted_on,
    dated_sales,
    first_of_month,
    goal_spans,
    main_metric,
    measured,
    time_unit,
    two_years,
    with_cuts,
    year_windows,
)

ATTAINMENT_COLUMNS = ("goal", "actual", "gap", "attainment", "status", "goal_basis")
HISTORY_COLUMNS = (
    "goal_period",
    "ends_on",
    "goal",
    "actual",
    "gap",
    "attainment",
    "without_goal",
    "total",
    "people",
    "reached",
    "reached_share",
    "reviewed",
)
GROWTH_COLUMNS = (
    "previous",
    "review",
    "change",
    "growth_share",
    "like_previous",
    "like_review",
    "like_for_like_share",
    "months_compared",
    "note",
)
_ALL = "everything"


@cached
def attainment(
    inputs: Region,
    by: Sequence[str] = ("rep_id",),
    *,
    metric: str = "amount",
    years: str = "reviewed",
) -> pd.DataFrame:
    """Put goals beside results for any cut; what has only one of the two stays visible.

    A sale inside a goal period counts in that period, any other sale in its month. A goal that
    is coarser than the cut is split by a stated rule, and the row says so (see
    `planning_kit.review.goals.spread_goals`).

    Parameters
    ----------
    inputs
        A region or the company.
    by
        Any of rep_id, territory_id, product_id, product_line, manager_id (the team: leaders count
        to their own), quarter, month, goal_period; ``()`` is the total.
    metric
        amount or margin (plan currency), units, or or one of `planning_kit.review.counts.countable`;
        goals in another metric are not looked at. What activities and deals count is known by
        person, team and time; levels and ratios are averaged over periods, not added up.
    years
        ``"reviewed"`` or ``"all"``.

    Returns
    -------
    DataFrame
        The cuts, then ``goal``, ``actual``, ``gap`` (actual minus goal), ``attainment`` (a share;
        empty without a goal above 0), ``status`` (reached, missed, no goal, no sales) and
        ``goal_basis`` (as set, or how it was split), sorted by the cuts.

    Raises
    ------
    DataError
        A cut, metric or choice of years is not known.
    """
    cuts = check_by(by)
    require_labels([years], ["reviewed", "all"], "years")
    require_labels([metric], [*METRICS, *countable(inputs)], "metric")
    goals = goal_spans(inputs, metric)
    kind = kind_of(inputs, metric)
    if metric not in METRICS:
        require_labels(cuts, COUNTED_CUTS, f"by, of {metric}")
        sales = counted_results(inputs, metric)
    else:
        sales = dated_sales(inputs, metric).assign(actual=lambda t: measured(t, metric))
    if years == "reviewed":
        goals, sales = goals[goals["reviewed"]], sales[sales["reviewed"]]
    if kind != "count":  # what holds for a year holds for each of its months
        goals = goals.assign(basis=0, when=goals["middle"], goal_period=goals["starts_on"])
    else:
        goals = spread_goals(inputs, goals, cuts)
    planned = with_cuts(inputs, goals, cuts)
    sales = sales.assign(when=counted_on(sales, time_unit(cuts)))
    sold = with_cuts(inputs, sales, cuts)
    keys = cuts or [_ALL]
    asked = planned.assign(**{_ALL: 0}).groupby(keys, dropna=False)
    came = sold.assign(**{_ALL: 0}).groupby(keys, dropna=False)
    parts = [_total(asked, "goal", kind), asked["basis"].max(), _total(came, "actual", kind)]
    told = metric == "amount" or (kind != "ratio" and sold["actual"].notna().any())
    table = _judged(pd.concat(parts, axis=1).reset_index(), keys, 0.0 if told else np.nan)
    return table[[*cuts, *ATTAINMENT_COLUMNS]]


def _total(groups: pd.api.typing.DataFrameGroupBy, name: str, kind: str) -> pd.Series:
    sums = groups[name].sum(min_count=1)
    if kind == "level":
        return (sums / groups["goal_period"].nunique()).rename(name)
    if kind == "count":
        return sums
    if name == "actual":
        of = groups["of"].sum()
        return (sums / of.where(of > 0)).rename(name)
    return groups[name].mean()


def _judged(table: pd.DataFrame, keys: list[str], nothing: float = 0.0) -> pd.DataFrame:
    no_goal, no_sales = table["goal"].isna(), table["actual"].isna()
    actual = table["actual"].where(~no_sales | no_goal, nothing)
    gap = actual - table["goal"]
    status = np.select(
        [no_goal, no_sales & (table["goal"] > 0), gap >= 0],
        ["no goal", "no sales", "reached"],
        "missed",
    )
    texts = dict(enumerate(BASES))
    return table.assign(
        actual=actual,
        gap=gap,
        attainment=(actual / table["goal"]).where(table["goal"] > 0),
        status=pd.Series(status, table.index, dtype="str"),
        goal_basis=table["basis"].where(~no_goal).map(texts).astype("str"),
    ).sort_values(keys, ignore_index=True, na_position="last")


def metric_attainment(inputs: Region, by: Sequence[str] = ("rep_id",)) -> pd.DataFrame:
    """Put the goals of every metric beside what came of them; no mapping is needed.

    Parameters
    ----------
    inputs
        A region or the company.
    by
        Cuts of `attainment` that every metric knows: rep_id, manager_id, quarter, month,
        goal_period; ``()`` is the total.

    Returns
    -------
    DataFrame
        The cuts, ``metric``, ``goal``, ``actual``, ``gap``, ``attainment`` and ``status``; rows
        with a goal of the reviewed period. A metric that nothing counts is one row with the
        status "not counted".
    """
    cuts, tables = check_by(by, COUNTED_CUTS), []
    known = [*METRICS, *countable(inputs)]
    goals = inputs.goals[inputs.in_review(middle_day(inputs.goals))].dropna(subset="goal")
    for metric in sorted(set(goals["metric"]), key=lambda m: (m not in known, m)):
        if metric in known:
            table = attainment(inputs, cuts, metric=metric).dropna(subset="goal")
        else:
            table = pd.DataFrame({"status": ["not counted"]})
        tables.append(table.assign(metric=metric))
    columns = [*cuts, "metric", *ATTAINMENT_COLUMNS[:-1]]
    return pd.concat(tables or [pd.DataFrame()]).reindex(columns=columns).reset_index(drop=True)


def goal_history(inputs: Region, *, metric: str | None = None) -> pd.DataFrame:
    """Show goal, result and the share of people who reached it, for every past goal period.

    Parameters
    ----------
    inputs
        A region or the company.
    metric
        Metric of the goals; None: the one most goals are in.

    Returns
    -------
    DataFrame
        One row a first day of goals (``goal_period``): ``goal`` and ``actual`` of the people who
        had a goal, ``attainment``, the results ``without_goal`` (of people who had none for that
        time), the ``total`` of both, ``people`` with a goal above 0, how many ``reached`` it and
        their share, and if the period is ``reviewed``. Reviewed results in nobody's goal period
        are a last row without one, so that the totals of the reviewed rows are the result of the
        reviewed period. No rows without goals.
    """
    metric = metric or main_metric(inputs)
    goals = goal_spans(inputs, metric)
    rows = attainment(inputs, ("goal_period", "rep_id"), metric=metric, years="all")
    rows = rows[rows["goal"].notna() & rows["goal_period"].notna()]
    pairs = pd.MultiIndex.from_frame(rows[["goal_period", "rep_id"]])
    counted = rows["goal"] > 0
    rows = rows.assign(people=counted, reached=counted & (rows["status"] == "reached"))
    table = rows.groupby("goal_period")[["goal", "actual", "gap", "people", "reached"]].sum()
    ends = goals.groupby("starts_on").agg(ends_on=("ends_on", "max"), reviewed=("reviewed", "max"))
    table = table.join(ends).reset_index()
    table["attainment"] = (table["actual"] / table["goal"]).where(table["goal"] > 0)
    table["reached_share"] = (table["reached"] / table["people"]).where(table["people"] > 0)
    outside = _without_goal(inputs, metric, pairs, table)
    table["without_goal"] = table["goal_period"].map(outside).fillna(0.0)
    table["total"] = table["actual"] + table["without_goal"]
    apart = outside.get(pd.NaT, 0.0)
    if apart and len(table):
        rest = {"without_goal": apart, "total": apart, "people": 0, "reached": 0, "reviewed": True}
        table = pd.concat([table, pd.DataFrame([rest])], ignore_index=True)
    return table[list(HISTORY_COLUMNS)]


def _without_goal(
    inputs: Region, metric: str, pairs: pd.MultiIndex, periods: pd.DataFrame
) -> pd.Series:
    """Sum the results that none of the pairs (goal period, person) holds, by goal period.

    Each month goes to the latest goal period of its year that it touches; a reviewed month that
    touches none to the empty one.
    """
    sales = dated_sales(inputs, metric).assign(actual=lambda t: measured(t, metric))
    held = pd.MultiIndex.from_frame(sales[["goal_period", "rep_id"]]).isin(pairs)
    months = sales[~held].groupby(["month", "reviewed"], as_index=False)[["actual"]].sum()
    spans = periods[["goal_period", "ends_on", "reviewed"]]
    near = months.merge(spans, on="reviewed")
    starts = first_of_month(near["goal_period"])
    near = near[(starts <= near["month"]) & (near["month"] <= near["ends_on"])]
    latest = near.groupby(["month", "reviewed"], as_index=False)[["goal_period"]].max()
    months = months.merge(latest, on=["month", "reviewed"], how="left")
    months = months[months["reviewed"] | months["goal_period"].notna()]
    return months.groupby("goal_period", dropna=False)["actual"].sum()


def growth(inputs: Region, by: Sequence[str] = ("rep_id",)) -> pd.DataFrame:
    """Compare the reviewed months with the same calendar months a year before.

    Like for like counts a month only where person, territory and product each had sales in that
    month of both years, so that a new seller, an empty seat or a launched product does not pass
    as growth.

    Parameters
    ----------
    inputs
        A region or the company.
    by
        Any cut but goal_period; ``()`` is the total.

    Returns
    -------
    DataFrame
        ``previous``, ``review`` and ``change`` in plan currency, ``growth_share`` (empty without
        sales before), the same for like-for-like sales, ``months_compared`` (months of the review
        with sales in both years) and a ``note`` where one of the years is not whole.

    Raises
    ------
    DataError
        A cut is not known, or is goal_period, which has no year before.
    """
    cuts = check_by(by)
    if "goal_period" in cuts:
        raise DataError(
            "by: growth compares calendar months; use month or quarter, not goal_period."
        )
    sales = two_years(inputs)
    alike = _like_for_like(sales)
    sales = sales.assign(
        previous=sales["amount"].where(~sales["is_review"]),
        review=sales["amount"].where(sales["is_review"]),
        like_previous=sales["amount"].where(~sales["is_review"] & alike),
        like_review=sales["amount"].where(sales["is_review"] & alike),
    )
    keys = cuts or [_ALL]
    groups = with_cuts(inputs, sales, cuts).assign(**{_ALL: 0}).groupby(keys, dropna=False)
    table = groups[["previous", "review", "like_previous", "like_review"]].sum(min_count=1)
    table = table.join(_months_compared(groups, keys)).reset_index()
    table["change"] = table["review"].fillna(0.0) - table["previous"].fillna(0.0)
    table["growth_share"] = _share(table["review"].fillna(0.0), table["previous"])
    table["like_for_like_share"] = _share(table["like_review"], table["like_previous"])
    note = partial_year_note(inputs)
    table["note"] = pd.Series(note, table.index, dtype="str")
    table["months_compared"] = table["months_compared"].fillna(0).astype("int64")
    return table[[*cuts, *GROWTH_COLUMNS]].sort_values(
        keys if cuts else "review", ignore_index=True
    )


def _share(after: pd.Series, before: pd.Series) -> pd.Series:
    return (after / before - 1).where(before > 0)


def _like_for_like(sales: pd.DataFrame) -> pd.Series:
    alike = pd.Series(True, sales.index)
    for unit in ("rep_id", "territory_id", "product_id"):
        years = sales.groupby([unit, "when"], dropna=False)["is_review"]
        alike &= years.transform("nunique") == 2
    return alike


def _months_compared(groups: pd.api.typing.DataFrameGroupBy, keys: list[str]) -> pd.Series:
    pairs = groups.obj.groupby([*keys, "when"], dropna=False)["is_review"].nunique().eq(2)
    return pairs.groupby(level=keys, dropna=False).sum().rename("months_compared")


def partial_year_note(inputs: Region) -> str:
    """Say in words which of the two compared years lacks months with sales; empty if none."""
    first, last, back = year_windows(inputs)
    months = [m for m in pd.date_range(first, last, freq="MS")]
    sold = set(inputs.sales["month"].unique())
    notes = []
    for name, shift in (("year before", back), ("reviewed year", 0)):
        here = [pd.Timestamp(add_months(m.date(), -shift)) in sold for m in months]
        if not all(here):
            notes.append(f"{name}: sales in {sum(here)} of {len(here)} months")
    return "; ".join(notes)
