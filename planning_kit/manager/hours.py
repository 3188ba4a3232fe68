"""The hours of every manager by activity and month, the coaching, and the goals that follow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from planning_kit.data import Region, days_booked
from planning_kit.manager.calendar import KEYS, hours_booked, working_time
from planning_kit.manager.findings import first_unfit, plan_findings
from planning_kit.manager.moves import could_move, move_hours
from planning_kit.plan import ACTIVITIES, ManagerLevers, Scenario, month_starts
from planning_kit.review import attainment
from planning_kit.review.periods import main_metric

HOURS_COLUMNS = ("manager_id", "activity", "month", "hours", "basis")
COACHING_COLUMNS = (
    "manager_id",
    "rep_id",
    "attainment",
    "months",
    "promised_hours",
    "hours",
    "hours_a_month",
    "why",
)
CAPACITY_COLUMNS = (
    "manager_id",
    "month",
    "working_days",
    "hours_elsewhere",
    "hours_available",
    "hours_required",
    "slack",
    "coaching_share",
    "fits",
    "first_unfit",
    "hours_missing",
    "could_move",
)
GOAL_COLUMNS = ("manager_id", "goal_id", "goal", "value", "unit", "basis")
_DAY_GOALS = {
    "field_work": "in the field with the team",
    "trade_show": "at trade shows",
    "industry_meeting": "at industry meetings",
}
_HOUR_GOALS = {
    "customer_meeting": "Meet customers for {:g} h, besides days in the field",
    "market_reading": "Read {:g} h about market and competitors",
}
_RISE, _NO_RISE = "gets the rise", "the floor, the hours allow no rise"
FEWEST_RANKED = 5  # fewer people with an attainment cannot be told apart


@dataclass(frozen=True)
class ManagerPlan:
    """Goals of the managers themselves, and the proof that their hours suffice.

    Attributes
    ----------
    hours : DataFrame
        manager_id, activity, month, hours, basis (how the hours come about).
    coaching : DataFrame
        manager_id, rep_id, attainment (reviewed period), months (in the team), promised_hours (in
        the agreement, besides), hours (of coaching over the plan), hours_a_month, why.
    capacity : DataFrame
        manager_id, month, working_days (Monday to Friday less holidays), hours_elsewhere (what
        people of other regions need), hours_available (working days less leave x hours a day, less
        those; below 0: they need more than there is), hours_required, slack, coaching_share (of
        hours_available), fits, first_unfit (first activity that no longer fits), hours_missing,
        could_move (what would go into which month).
    goals : DataFrame
        manager_id, goal_id, goal (in words), value, unit, basis.
    findings : DataFrame
        What does not fit, by how much, and what to do.
    people : DataFrame
        The coaching by month: manager_id, rep_id, month, hours.
    days : DataFrame
        What the table ``calendar`` holds of managers, see `planning_kit.manager.calendar`.
    levers : ManagerLevers
        The levers the plan was made with.
    """

    hours: pd.DataFrame
    coaching: pd.DataFrame
    capacity: pd.DataFrame
    goals: pd.DataFrame
    findings: pd.DataFrame
    people: pd.DataFrame
    days: pd.DataFrame
    levers: ManagerLevers


def manager_plan(
    inputs: Region, scenario: Scenario, promised: pd.DataFrame | None = None
) -> ManagerPlan:
    """Plan the hours of every manager by activity and month, and check that they fit.

    Managers are those who lead somebody who carries a goal (in the company: anybody active), and
    active people whose role is manager. Coaching has a floor for everybody; what the hours allow
    beyond it, up to the wished share, goes to the middle 60 % of the team by attainment, where a
    rise in results was worth most (625 people, 11 sales forces; sellingpower.com, 2013). Where
    the required hours exceed those there are, nothing is cut: the first activity that no longer
    fits is named with the hours missing, in the order of `planning_kit.plan.ACTIVITIES` (what was
    promised in the agreements comes first), and what other months have room for.

    A manager of people in several regions is one person: the hours that those elsewhere need are
    not there for this region.

    Parameters
    ----------
    inputs, scenario
        The region, and the levers.
    promised
        Hours that managers promised, by ``manager_id``, ``rep_id`` and ``month`` (see
        `planning_kit.agreement.promises.promised_hours`). None: none.

    Raises
    ------
    DataError
        A lever is not a number or out of range.
    """
    levers = scenario.levers
    team = _teams(inputs)
    managers = _managers(inputs, team)
    settings = inputs.settings
    months = pd.DatetimeIndex(month_starts(settings.starts_on, settings.ends_on))
    booked = days_booked(inputs, managers, months, levers.hours_a_day)
    booked = booked.rename(columns={"rep_id": "manager_id"})
    calendar = _calendar(inputs, managers, booked, levers)
    rows = pd.MultiIndex.from_frame(calendar[KEYS])
    present = _presence(inputs, team, calendar)
    firm = _firm_hours(inputs, calendar, present, booked, levers)
    if promised is not None and len(promised):
        given = promised.groupby(KEYS)["hours"].sum().reindex(rows).fillna(0.0)
        firm["promised"] = given.to_numpy(dtype=float)
    firm, unmoved = move_hours(firm, calendar, levers.move)
    coached = _coach(calendar.assign(spare=_spare(calendar, firm)), present, levers)
    raised = coached.groupby(KEYS)["hours"].sum()
    firm["coaching"] = raised.reindex(rows).fillna(0.0).to_numpy()
    capacity = _capacity(calendar, firm, levers)
    hours = _hours_table(calendar, firm, levers)
    coaching = _coaching_table(coached, promised, levers)
    goals = _goals(inputs, hours, present, levers)
    findings = plan_findings(inputs, hours, capacity, levers, unmoved)
    people = coached[["manager_id", "rep_id", "month", "hours"]]
    return ManagerPlan(hours, coaching, capacity, goals, findings, people, booked, levers)


def _active(inputs: Region) -> pd.DataFrame:
    # Empty where somebody belongs to no region.
    return inputs.reps[inputs.reps["is_active"].fillna(False).astype(bool)]


def _teams(inputs: Region) -> pd.DataFrame:
    reps = _active(inputs)
    reps = reps[reps["manager_id"].notna()]
    if not inputs.is_company:
        # Who leads only managers belongs to no region; the company's plan has that person.
        leads = reps.loc[reps["carries_goal"].astype(bool), "manager_id"]
        reps = reps[reps["manager_id"].isin(leads)]
    reached = attainment(inputs, metric=main_metric(inputs)).set_index("rep_id")["attainment"]
    columns = ["manager_id", "rep_id", "hired_on", "left_on", "attainment"]
    team = reps.assign(attainment=reps["rep_id"].map(reached).astype(float))[columns]
    return team.sort_values(["manager_id", "attainment", "rep_id"], ignore_index=True)


def _managers(inputs: Region, team: pd.DataFrame) -> list[str]:
    reps = _active(inputs)
    by_role = reps["role"].str.strip().str.casefold().isin(["manager", "sales manager"])
    return sorted({*team["manager_id"], *reps.loc[by_role, "rep_id"]})


def _calendar(
    inputs: Region, managers: list[str], booked: pd.DataFrame, levers: ManagerLevers
) -> pd.DataFrame:
    table = working_time(inputs.settings, managers, booked, levers)
    by = inputs.leads_elsewhere.groupby(KEYS)
    rows = pd.MultiIndex.from_frame(table[KEYS])
    table["people_elsewhere"] = by["people"].sum().reindex(rows).fillna(0.0).to_numpy(dtype=float)
    sells = by["sells"].any().reindex(rows).fillna(False).to_numpy(dtype=bool)
    table["hours_elsewhere"] = _hours_elsewhere(table, sells, levers)
    return table.assign(hours_available=table["hours_in_all"] - table["hours_elsewhere"])


def _hours_elsewhere(
    calendar: pd.DataFrame, sells: npt.NDArray[np.bool_], levers: ManagerLevers
) -> pd.Series:
    """Give what people in other regions need of a manager: one person has one capacity.

    What does not depend on the number of people (administration, planning, shows, reading) is
    done once and stands in every region's plan. Coaching counts with its floor; what the hours
    allow beyond it is shared by number of people, see `_coach`.
    """
    each = (
        levers.one_on_one_hours_a_rep
        + levers.coaching_hours_a_rep
        + levers.field_days_a_rep_quarter / 3.0 * levers.hours_a_day
    )
    own = calendar["hours_in_all"] * levers.own_selling_share * sells
    return calendar["people_elsewhere"] * each + own


def _presence(inputs: Region, team: pd.DataFrame, calendar: pd.DataFrame) -> pd.DataFrame:
    # Rows come sorted by attainment, then id: equal attainments are ranked by id.
    known = team["attainment"].notna()
    ranked = team[known].groupby("manager_id")["attainment"]
    place = (ranked.rank(method="first") - 0.5) / ranked.transform("size")
    of_team = known.groupby(team["manager_id"]).transform("sum")
    enough = of_team >= FEWEST_RANKED
    place = place.reindex(team.index).where(enough)
    top, low = place > 0.8 + 1e-9, place < 0.2 - 1e-9
    reached = team["attainment"].map("attainment {:.0%}, ".format, na_action="ignore").astype("str")
    why = np.select(
        [~enough, ~known, top, low],
        [
            "too few people with an attainment to rank: everybody alike",
            "no attainment yet: as the middle of the team",
            "among the highest: the floor",
            "among the lowest: the floor",
        ],
        f"middle 60 % of the team: {_RISE}",
    )
    text = reached.fillna("") + pd.Series(why, team.index, dtype="str")
    table = team.assign(is_middle=~(top | low), why=text).merge(
        calendar[["month"]].drop_duplicates(), how="cross"
    )
    month_end = table["month"] + pd.offsets.MonthEnd(0)
    here = ~(table["hired_on"] > month_end) & ~(table["left_on"] < table["month"])
    return table[here].drop(columns=["hired_on", "left_on"]).reset_index(drop=True)


def _firm_hours(
    inputs: Region,
    calendar: pd.DataFrame,
    present: pd.DataFrame,
    booked: pd.DataFrame,
    levers: ManagerLevers,
) -> pd.DataFrame:
    rows = pd.MultiIndex.from_frame(calendar[KEYS])
    people = present.groupby(KEYS).size().reindex(rows, fill_value=0).to_numpy(dtype=float)
    there, number, day = calendar["hours_in_all"], calendar["number"], levers.hours_a_day
    sells = calendar["manager_id"].isin(inputs.team()["rep_id"])
    due = pd.Series(people * levers.field_days_a_rep_quarter / 3.0, calendar.index)
    due = np.floor(due.groupby(calendar["manager_id"]).cumsum() + 1e-9)
    field_days = due - due.groupby(calendar["manager_id"]).shift(1).fillna(0.0)
    shows = _spread(levers.trade_shows, number) * levers.trade_show_days * day
    meetings = _spread(levers.industry_days, number) * day
    return pd.DataFrame(
        {
            "admin": there * levers.admin_share,
            "own_selling": there * levers.own_selling_share * sells,
            "planning": levers.planning_hours,
            "one_on_one": people * levers.one_on_one_hours_a_rep,
            "coaching": people * levers.coaching_hours_a_rep,
            "promised": 0.0,
            "field_work": field_days * day,
            "customer_meeting": levers.customer_meeting_hours,
            "market_reading": levers.market_reading_hours,
            "trade_show": hours_booked(booked, calendar, "trade show", shows),
            "industry_meeting": hours_booked(booked, calendar, "meeting", meetings),
        },
        index=calendar.index,
    )


def _spread(a_year: float, number: pd.Series) -> pd.Series:
    """Put whole events of a year into months, as evenly as they go."""
    rate = a_year / 12.0
    return np.floor((number + 1) * rate + 0.5 + 1e-9) - np.floor(number * rate + 0.5 + 1e-9)


def _spare(calendar: pd.DataFrame, firm: pd.DataFrame) -> pd.Series:
    # A manager whose year does not fit gives nobody more than the floor, not even in a calm month.
    left = calendar["hours_available"] - firm.sum(axis=1)
    whole_year = left.groupby(calendar["manager_id"]).transform("sum")
    return left.where(whole_year > 0, 0.0)


def _coach(calendar: pd.DataFrame, present: pd.DataFrame, levers: ManagerLevers) -> pd.DataFrame:
    floor = levers.coaching_hours_a_rep
    table = present.merge(calendar, on=KEYS)
    groups = table.groupby(KEYS)
    here = groups["rep_id"].transform("size")
    everywhere = here + table["people_elsewhere"]
    wish = table["hours_in_all"] * levers.coaching_share - everywhere * floor
    middle = groups["is_middle"].transform("sum")
    most = max(0.0, levers.coaching_most_hours_a_rep - floor)
    # One person's hours: the plans of all regions together raise by no more than there is.
    fits = wish.where(wish < table["spare"], table["spare"]).clip(lower=0.0) * here / everywhere
    rise = (fits / middle.clip(lower=1)).clip(upper=most)
    return table.assign(hours=floor + rise * table["is_middle"])


def _capacity(calendar: pd.DataFrame, hours: pd.DataFrame, levers: ManagerLevers) -> pd.DataFrame:
    there = calendar["hours_available"]
    table = calendar.assign(hours_required=hours.sum(axis=1))
    table["slack"] = there - table["hours_required"]
    table["coaching_share"] = (hours["coaching"] / there).where(there > 0)
    table["first_unfit"] = first_unfit(hours, there)
    table["fits"] = table["first_unfit"] == ""
    table["hours_missing"] = (-table["slack"]).clip(lower=0.0).where(~table["fits"], 0.0)
    table["could_move"] = could_move(table, hours, levers.hours_a_day)
    return table[list(CAPACITY_COLUMNS)]


def _hours_table(
    calendar: pd.DataFrame, hours: pd.DataFrame, levers: ManagerLevers
) -> pd.DataFrame:
    table = hours.join(calendar[KEYS]).melt(KEYS, var_name="activity", value_name="hours")
    table["basis"] = table["activity"].map(levers.basis).astype("str")
    order = {name: k for k, name in enumerate(ACTIVITIES)}
    by = [table["manager_id"], table["activity"].map(order), table["month"]]
    return table.iloc[np.lexsort(by[::-1])].reset_index(drop=True)[list(HOURS_COLUMNS)]


def _coaching_table(
    coached: pd.DataFrame, promised: pd.DataFrame | None, levers: ManagerLevers
) -> pd.DataFrame:
    table = coached.groupby(["manager_id", "rep_id"], as_index=False).agg(
        attainment=("attainment", "first"),
        months=("month", "size"),
        hours=("hours", "sum"),
        why=("why", "first"),
    )
    table["hours_a_month"] = table["hours"] / table["months"]
    table["promised_hours"] = 0.0
    if promised is not None and len(promised):
        given = promised.groupby(["manager_id", "rep_id"])["hours"].sum()
        rows = pd.MultiIndex.from_frame(table[["manager_id", "rep_id"]])
        table["promised_hours"] = given.reindex(rows).fillna(0.0).to_numpy(dtype=float)
    first = table["promised_hours"].map("{:.3g} h promised come first; ".format)
    table["why"] = first.where(table["promised_hours"] > 0, "") + table["why"]
    flat = table["hours_a_month"] <= levers.coaching_hours_a_rep + 1e-9
    table["why"] = table["why"].mask(flat, table["why"].str.replace(_RISE, _NO_RISE))
    return table[list(COACHING_COLUMNS)]


def _goals(
    inputs: Region, hours: pd.DataFrame, present: pd.DataFrame, levers: ManagerLevers
) -> pd.DataFrame:
    total = hours.pivot_table(index="manager_id", columns="activity", values="hours", aggfunc="sum")
    heads = present[present["month"] == present["month"].max()].groupby("manager_id").size()
    left = _leavers(inputs)
    rows = []
    for manager_id, spent in total.iterrows():
        n = int(heads.get(manager_id, 0))
        reach = int(np.ceil(n * levers.people_at_goal_share - 1e-9))
        lost, of_heads = left.get(str(manager_id), (0, 0))
        leave = int(n * lost / of_heads + 1e-9) if of_heads else 0
        share = f"{levers.people_at_goal_share:.0%} of the team; 60-75 % is usual for sound goals"
        text = f"At least {reach} of {n} people reach their goal"
        at_goal = [("team_at_goal", text, reach, "people", share)] if n else []
        basis = f"no worse than last period: {lost} of {of_heads} of the team left"
        # Less than one leaver is no goal: one more or less would be chance.
        text = f"Lose at most {leave} of {n} people"
        retention = [("retention", text, leave, "people", basis)] if leave else []
        goals = [*at_goal, *_hour_goals(inputs, spent, n, levers), *retention]
        rows += [(manager_id, *goal) for goal in goals]
    return pd.DataFrame(rows, columns=list(GOAL_COLUMNS)).astype({"value": "float64"})


def _hour_goals(
    inputs: Region, spent: pd.Series, n: int, levers: ManagerLevers
) -> list[tuple[str, str, float, str, str]]:
    floor, month = n * levers.coaching_hours_a_rep, inputs.settings.hours_a_month
    basis = (
        f"{n} people x {levers.coaching_hours_a_rep:g} h = {floor:g} h a month, "
        f"{floor / month:.0%} of {month:g} h; raised for the middle of the team"
    )
    text = f"Coach {spent['coaching']:,.0f} h, at least {floor:g} h a month"
    goals = [("coaching", text, float(spent["coaching"]), "hours", basis)] if n else []
    for name, what in _DAY_GOALS.items():
        days = float(spent[name]) / (levers.hours_a_day or 1.0)
        goals.append((name, f"Spend {days:g} days {what}", days, "days", levers.basis(name)))
    for name, text in _HOUR_GOALS.items():
        hours = float(spent[name])
        goals.append((name, text.format(hours), hours, "hours", levers.basis(name)))
    return [goal for goal in goals if goal[2] > 0]


def _leavers(inputs: Region) -> dict[str, tuple[int, int]]:
    """Count of every manager's people in the reviewed period who left, and all of them."""
    first, _ = inputs.review_months
    reps = inputs.reps[~(inputs.reps["hired_on"] > first) & ~(inputs.reps["left_on"] < first)]
    left = inputs.in_review(reps["left_on"]).groupby(reps["manager_id"])
    return {str(one): (int(gone.sum()), len(gone)) for one, gone in left}
