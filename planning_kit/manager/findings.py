"""What the manager must know: what does not fit, too little coaching, last period's hours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import rankdata

from planning_kit.data import Region
from planning_kit.manager.calendar import KEYS
from planning_kit.manager.moves import hours_text
from planning_kit.messages import finding, findings_table, shorten
from planning_kit.numbers.statistics import holm, permutation_p, spearman
from planning_kit.plan import ACTIVITIES, ManagerLevers
from planning_kit.plan.levers import COACHING_SHARES, Move

Finding = dict[str, str]
REVIEW_COLUMNS = (
    "manager_id",
    "activity",
    "month",
    "planned_hours",
    "actual_hours",
    "difference_hours",
    "actual_share",
)
FEWEST_MONTHS, SURE = 10, 0.05  # of what goes with what: fewer months, larger chance: cannot tell
_ALIASES = {
    "administration": "admin",
    "one_on_ones": "one_on_one",
    "field_days": "field_work",
    "field": "field_work",
    "reading": "market_reading",
    "trade_shows": "trade_show",
    "industry_meetings": "industry_meeting",
    "selling": "own_selling",
    "customer_meetings": "customer_meeting",
    "customers": "customer_meeting",
}


def plan_findings(
    inputs: Region,
    hours: pd.DataFrame,
    capacity: pd.DataFrame,
    levers: ManagerLevers,
    unmoved: Sequence[tuple[str, Move, float]] = (),
) -> pd.DataFrame:
    """Judge a manager's plan and last period's hours; the most serious first."""
    rows = [
        *_fit_findings(hours, capacity),
        *_move_findings(unmoved),
        *_coaching_findings(hours, capacity),
        *_other_findings(inputs, capacity, levers),
        *_time_findings(inputs, levers),
        *_association_findings(inputs),
    ]
    return findings_table(rows)


def first_unfit(hours: pd.DataFrame, there: pd.Series) -> pd.Series:
    """Name the first activity, in the order of `ACTIVITIES`, that no longer fits; empty: all do."""
    over = hours[list(ACTIVITIES)].cumsum(axis=1).gt(there + 1e-6, axis=0)
    return over.idxmax(axis=1).where(over.any(axis=1), "").astype("str")


def _fit_findings(hours: pd.DataFrame, capacity: pd.DataFrame) -> Iterator[Finding]:
    if capacity.empty:
        yield finding(
            "manager.none",
            "review",
            "reps",
            "Nobody leads anybody here: no manager's plan.",
            "Fill manager_id of reps.",
        )
        return
    table = hours.pivot_table(index="manager_id", columns="activity", values="hours", aggfunc="sum")
    there = capacity.groupby("manager_id")["hours_available"].sum()
    first, missing = first_unfit(table, there), table.sum(axis=1) - there
    for manager_id, months in capacity[~capacity["fits"]].groupby("manager_id"):
        worst = months.sort_values(["hours_missing", "month"]).iloc[-1]
        whole, do = bool(first[manager_id]), "month does" if len(months) == 1 else "months do"
        yield finding(
            "manager.hours.plan" if whole else "manager.hours.month",
            "fail" if whole else "review",
            str(manager_id),
            (
                f"{manager_id}: {first[manager_id]} no longer fits; the goals need "
                f"{table.loc[manager_id].sum():,.0f} h of {there[manager_id]:,.0f} h, "
                f"{hours_text(missing[manager_id])} are missing. "
                if whole
                else f"{manager_id}: "
            )
            + f"{len(months)} {do} not fit; in {worst['month']:%Y-%m} "
            f"{worst['first_unfit']} is the first, {hours_text(worst['hours_missing'])} are missing.",
            f"Lower a lever of [levers] or give people to another manager; {first[manager_id]} "
            "goes first."
            if whole
            else f"The plan as a whole fits. From {worst['month']:%Y-%m} could move: "
            f"{worst['could_move']}; write it in [[levers.move]] of the scenario.",
        )
    if capacity["fits"].all():
        yield finding(
            "manager.hours",
            "pass",
            "managers",
            f"The goals of {len(table)} managers fit their "
            f"hours in every month; the least slack is {capacity['slack'].min():,.0f} h.",
        )


def _move_findings(unmoved: Sequence[tuple[str, Move, float]]) -> Iterator[Finding]:
    for manager_id, move, there in unmoved:
        yield finding(
            "manager.move",
            "review",
            manager_id,
            f"{manager_id}: {move.hours:g} h of {move.activity} were to go from {move.month:%Y-%m} to "
            f"{move.to:%Y-%m}; there are only {there:,.1f} h, and they went.",
            "Correct hours or month in [[levers.move]] of the scenario.",
        )


def _coaching_findings(hours: pd.DataFrame, capacity: pd.DataFrame) -> Iterator[Finding]:
    coached = hours[hours["activity"] == "coaching"].groupby("manager_id")["hours"].sum()
    there = capacity.groupby("manager_id")["hours_available"].sum()
    share = (coached / there).where((coached > 0) & (there > 0)).dropna().round(6)
    low, high = COACHING_SHARES
    for manager_id, value in share[(share < low) | (share > high)].items():
        side = "below" if value < low else "above"
        yield finding(
            "manager.coaching.share",
            "review",
            str(manager_id),
            f"{manager_id}: coaching takes {value:.1%} of the hours, {side} {low:.0%}-{high:.0%}.",
            "Few people, many other goals or the limit a person hold it down; look at "
            "coaching_most_hours_a_rep and at the hours of the other goals."
            if value < low
            else "The team is large for one manager at this floor; lead it by two.",
        )


def _other_findings(
    inputs: Region, capacity: pd.DataFrame, levers: ManagerLevers
) -> Iterator[Finding]:
    sellers = sorted(set(capacity["manager_id"]) & set(inputs.team()["rep_id"]))
    if sellers and levers.own_selling_share == 0:
        yield finding(
            "manager.own_selling",
            "review",
            "managers",
            f"{len(sellers)} managers carry a goal of their own but the plan gives them no hours "
            f"to sell: {shorten(sellers)}.",
            "Set own_selling_share in [levers].",
        )


def time_review(inputs: Region) -> pd.DataFrame:
    """Put the hours managers planned last period beside those they spent.

    Returns
    -------
    DataFrame
        One row a manager, activity (in the words of `ACTIVITIES` where it is one of them) and
        month of the reviewed period (an empty month: the whole period): planned_hours,
        actual_hours, difference_hours (actual less planned) and actual_share (of all hours the
        manager spent in that month). Empty: nobody wrote it down.
    """
    time = inputs.manager_time
    time = time[inputs.in_review(time["month"]) | time["month"].isna()]
    activity = time["activity"].str.strip().str.casefold().str.replace(r"[\s-]+", "_", regex=True)
    activity = activity.replace(_ALIASES)
    keys = ["manager_id", "activity", "month"]
    sums = time.assign(activity=activity).groupby(keys, dropna=False, as_index=False)
    table = sums[["planned_hours", "actual_hours"]].sum(min_count=1)
    table["difference_hours"] = table["actual_hours"] - table["planned_hours"]
    spent = table.groupby(KEYS, dropna=False)["actual_hours"].transform("sum")
    table["actual_share"] = (table["actual_hours"] / spent).where(spent > 0)
    return table[list(REVIEW_COLUMNS)]


def time_by_month(inputs: Region) -> pd.DataFrame:
    """Sum last period's hours of every manager by month, and say what moved.

    Returns
    -------
    DataFrame
        manager_id, month, planned_hours, actual_hours, difference_hours (over the activities of
        which both are known) and moved (the activities furthest under and over their plan; an hour
        or more). Hours without a month are left out; empty is not zero.
    """
    review = time_review(inputs).dropna(subset="month")
    names = ["planned_hours", "actual_hours", "difference_hours"]
    table = review.groupby(KEYS)[names].sum(min_count=1).reset_index()
    gaps = review.dropna(subset="difference_hours").sort_values(["difference_hours", "activity"])
    gaps = gaps[gaps["difference_hours"].abs() >= 1]
    said = gaps["activity"].str.replace("_", " ") + gaps["difference_hours"].map(
        " {:+,.0f} h".format
    )
    under = said[gaps["difference_hours"] < 0].groupby([gaps[key] for key in KEYS]).first()
    over = said[gaps["difference_hours"] > 0].groupby([gaps[key] for key in KEYS]).last()
    rows = pd.MultiIndex.from_frame(table[KEYS])
    parts = pd.DataFrame({"under": under.reindex(rows), "over": over.reindex(rows)})
    table["moved"] = [", ".join(row.dropna()) for _, row in parts.iterrows()]
    return table.astype({"moved": "str"})


def _association_findings(inputs: Region) -> Iterator[Finding]:
    """Say which activity moved with coaching, month by month, where it is more than chance."""
    review = time_review(inputs).dropna(subset=["month", "difference_hours"])
    for manager_id, rows in review.groupby("manager_id"):
        gaps = rows.pivot(index="month", columns="activity", values="difference_hours")
        gaps = gaps.dropna(subset="coaching") if "coaching" in gaps else gaps[:0]
        gaps = gaps.loc[:, gaps.notna().all() & (gaps.nunique() > 1)]
        if len(gaps) < FEWEST_MONTHS or "coaching" not in gaps:
            continue
        coached, others = rankdata(gaps["coaching"]), gaps.drop(columns="coaching")
        turned = coached - coached.mean()

        def together(ranks: npt.NDArray[Any], turned: npt.NDArray[Any] = turned) -> Any:
            return np.abs(ranks @ turned)

        seed = inputs.settings.seed
        chances = {
            str(name): permutation_p(together, rankdata(others[name]), seed) for name in others
        }
        for name in [name for name, p in holm(chances).items() if p < SURE]:
            r = spearman(gaps["coaching"].to_numpy(), gaps[name].to_numpy())
            yield finding(
                "manager.time.went_with",
                "review",
                str(manager_id),
                f"{manager_id}: in months with less coaching than planned, {name} took "
                f"{'more' if r < 0 else 'less'} than planned ({len(gaps)} months, rank correlation "
                f"{r:.2f}): they went together, which caused which these hours do not say.",
                f"Look at what {name} was for before the next plan gives it hours.",
            )


def _time_findings(inputs: Region, levers: ManagerLevers) -> Iterator[Finding]:
    review = time_review(inputs)
    if review.empty:
        yield finding(
            "manager.needs.manager_time",
            "review",
            "manager_time",
            "The table manager_time has no "
            "rows of the reviewed period, so planned hours cannot be set against those spent.",
            "Add manager_time: manager_id, activity, month, planned_hours, actual_hours.",
        )
        return
    both = review.dropna(subset=["planned_hours", "actual_hours"])
    sums = both.groupby(["manager_id", "activity"])[["planned_hours", "actual_hours"]].sum()
    all_spent = review.groupby("manager_id")["actual_hours"].sum()
    for manager_id in sums.index.unique(0):
        rows = sums.loc[manager_id]
        gap = (rows["actual_hours"] - rows["planned_hours"]).sort_values(kind="stable")
        words = gap.index.str.replace("_", " ")
        coached = rows["actual_hours"].get("coaching", 0.0)
        planned = rows["planned_hours"].get("coaching", 0.0)
        spent = max(float(all_spent[manager_id]), 1e-9)
        share, admin = coached / spent, rows["actual_hours"].get("admin", 0.0) / spent
        good = coached >= 0.8 * planned and share >= COACHING_SHARES[0]
        yield finding(
            "manager.time",
            "pass" if good else "review",
            str(manager_id),
            f"{manager_id}: last period {coached:,.0f} h of {planned:,.0f} h planned went into "
            f"coaching, {share:.0%} of the hours spent; furthest under plan: {words[0]} "
            f"({gap.iloc[0]:+,.0f} h), furthest over: {words[-1]} ({gap.iloc[-1]:+,.0f} h).",
            ""
            if good
            else "Put coaching into the calendar first. "
            + (
                f"Administration took {admin:.0%}, the plan gives it {levers.admin_share:.0%}."
                if admin > levers.admin_share + 0.05
                else ""
            ),
        )
