"""Goals by month, and where the negotiation of them stands."""

from __future__ import annotations

import pandas as pd

from planning_kit import agreement, metrics, outlook, review
from planning_kit.agreement import Goals
from planning_kit.agreement.promises import promised_hours, promises_of
from planning_kit.agreement.state import CLOSED, NO_WORD
from planning_kit.allocation import phase
from planning_kit.numbers.units import from_units, to_units
from planning_kit.plan import month_starts
from planning_kit.review.periods import fiscal_year
from planning_kit.walk.expected import outlook_of
from planning_kit.walk.logged import logged_events
from planning_kit.walk.split import CELL_LABELS, labelled, scenario_here, solved_cells
from planning_kit.walk.step import Step

_SUMMED = [
    *("amount", "margin", "sales_needed", "presentations_expected", "presentations"),
    *("proposals", "prospects"),
    *("hours_needed", "hours_available"),
]
_AGREED = ["top_down", "goal", "agreed", "difference", "basis", "status"]


def goals_by_month(step: Step, goals: pd.DataFrame) -> pd.DataFrame:
    """Phase goals over the plan's months by the season of their product line, exactly.

    Returns
    -------
    pandas.DataFrame
        ``rep_id``, ``territory_id``, ``product_line``, ``month``, ``goal``.
    """
    if goals.empty:
        kinds = {**dict.fromkeys(CELL_LABELS, "str"), "month": "datetime64[us]", "goal": "float64"}
        return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in kinds.items()})
    settings = step.inputs.settings
    months = pd.DataFrame(
        {"month": pd.to_datetime(month_starts(settings.starts_on, settings.ends_on))}
    )
    months["month_of_year"] = months["month"].dt.month
    profile = labelled(outlook.seasonal_profile(step.inputs)).merge(months, on="month_of_year")
    profile = profile[["product_line", "month", "share"]]
    missing = sorted(set(goals["product_line"]) - set(profile["product_line"]))
    # A line that nobody has sold yet follows the season of all lines, or even months.
    whole = (
        profile.groupby("month", as_index=False)["share"].mean()
        if len(profile)
        else (months[["month"]].assign(share=1.0))
    )
    profile = pd.concat([profile, *(whole.assign(product_line=name) for name in missing)])
    return phase(goals[[*CELL_LABELS, "goal"]], profile, settings.rounding_unit)


def monthly_goals_table(step: Step) -> pd.DataFrame:
    """Phase the allocated goals over the months."""
    return goals_by_month(step, step.table("allocation"))


def goals_of(step: Step) -> Goals:
    """Give the goals that stand in this region: agreed or decided, else allocated.

    Raises
    ------
    DataError
        The agreement log is out of order, or speaks of a part that no goal has.
    """
    goals: Goals = step.once("goals", lambda: _standing(step))
    return goals


def _standing(step: Step) -> Goals:
    return agreement.standing_goals(
        step.table("allocation"),
        step.inputs.settings.rounding_unit,
        settled(step),
        log_digest=lines_digest(step),
        tables=step.table,
    )


def negotiation_events(step: Step) -> pd.DataFrame:
    """Give the events of this region's people: the plan's log, else what the proposals table says."""
    events: pd.DataFrame = step.once("events", lambda: _events(step))
    return events


def _events(step: Step) -> pd.DataFrame:
    here = _lines_here(step)
    if len(here):
        return here
    first = agreement.propose_from_table(
        step.table("allocation"),
        step.inputs.proposals,
        step.inputs.settings,
        evidence=agreement.told_evidence(step.inputs),
    )
    return agreement.record_events(first, step.inputs.settings)


def _of_this_scenario(step: Step, state: pd.DataFrame) -> pd.DataFrame:
    """Leave out talks about another scenario's goals: an agreement stands where it was made."""
    return state[state["scenario"].isin(["", step.scenario.name])]


def _lines_here(step: Step) -> pd.DataFrame:
    lines: pd.DataFrame = step.once("lines", lambda: _read_lines(step))
    return lines


def _read_lines(step: Step) -> pd.DataFrame:
    lines = logged_events(step.plan, step.folder.parent)
    return lines[lines["rep_id"].isin(step.inputs.team()["rep_id"])].reset_index(drop=True)


def lines_digest(step: Step) -> str:
    """Digest of the last line here that moves a number; empty: there is none."""
    lines = _lines_here(step)
    return "".join(lines.loc[~lines["kind"].isin(NO_WORD), "digest"].iloc[-1:])


def settled(step: Step) -> pd.DataFrame:
    """Give the talks here whose number stands under this scenario, see `agreement.play_log`."""
    state: pd.DataFrame = step.once("played", lambda: agreement.play_log(_lines_here(step)))
    return _of_this_scenario(step, state[state["status"].isin(CLOSED)])


def promises(step: Step) -> pd.DataFrame:
    """List what was promised to people here, see `planning_kit.agreement.promises.promises_of`."""
    table: pd.DataFrame = step.once("promises", lambda: promises_of(_lines_here(step)))
    return table


def hours_promised(step: Step) -> pd.DataFrame:
    """Give the hours of these promises by manager and month."""
    return promised_hours(promises(step), step.inputs.settings)


def negotiation_state(step: Step) -> pd.DataFrame:
    """Say where everybody's talk stands (see `planning_kit.agreement.play_log`)."""
    state: pd.DataFrame = step.once("state", lambda: agreement.play_log(negotiation_events(step)))
    return state


def activity_goals(step: Step) -> metrics.ActivityGoals:
    """Say what the goals that stand mean in activity, by the options of the scenario."""
    found: metrics.ActivityGoals = step.once(
        "activity_goals",
        lambda: metrics.activity_goals(step.inputs, goals_of(step).table, step.scenario.metrics),
    )
    return found


def metric_goals(step: Step) -> pd.DataFrame:
    """Give the months of these, see `planning_kit.metrics.metric_goals`."""
    return activity_goals(step).months


def ratio_goals(step: Step) -> pd.DataFrame:
    """Give the people of these, with names, see `planning_kit.metrics.ratio_goals`."""
    return step.inputs.with_names(activity_goals(step).people)


def company_metrics(step: Step) -> pd.DataFrame:
    """Say what these goals mean in the metrics that the company added."""
    table: pd.DataFrame = step.once(
        "company_metrics", lambda: metrics.company_metrics(step.inputs, goals_of(step).table)
    )
    return table


def person_months(step: Step, rep_id: str) -> pd.DataFrame:
    """Give the months of one person, see `planning_kit.metrics.metric_goals`."""
    table = metric_goals(step)
    return table[table["rep_id"] == rep_id].reset_index(drop=True)


def goal_cells(step: Step) -> pd.DataFrame:
    """Give the goals that stand cell by cell in amount, units and margin, new products in them."""
    goals, launches = goals_of(step).table, step.scenario.metrics.launch
    table: pd.DataFrame = step.once(
        "goal_cells", lambda: metrics.goal_cells(step.inputs, goals, launches)
    )
    return table


def meeting(step: Step) -> agreement.Meeting:
    """Let both sides meet, by the rules of the scenario and by how good past numbers were."""
    found: agreement.Meeting = step.once("meeting", lambda: _meet(step))
    return found


def _meet(step: Step) -> agreement.Meeting:
    goals, scenario = step.table("allocation"), step.scenario
    if len(goals) and scenario.all_rules:
        # What rules refer to is in the cells; what they come to, the engine works out.
        known = solved_cells(step).drop(columns=["role", "region", "base"])
        goals = goals.drop(columns=["lower", "upper"]).merge(known, on=CELL_LABELS)
        scenario = scenario_here(step)
    bias = review.proposal_bias(step.inputs)
    return agreement.meet(
        goals,
        negotiation_state(step),
        step.inputs.settings,
        bias if len(bias) else None,
        scenario,
        _past_goals(step),
    )


def _past_goals(step: Step) -> pd.DataFrame:
    """Sum everybody's goals of past years and what was sold in them."""
    rows = review.attainment(step.inputs, ("goal_period", "rep_id"), years="all")
    over = rows["goal_period"] < pd.Timestamp(step.inputs.settings.starts_on)
    rows = rows[over & (rows["goal"] > 0)]
    years = fiscal_year(rows["goal_period"], step.inputs.settings)
    groups = rows.assign(year=years).groupby("rep_id")
    return groups.agg(
        years=("year", "nunique"), goal=("goal", "sum"), actual=("actual", "sum")
    ).reset_index()


def offers(step: Step) -> pd.DataFrame:
    """Suggest a counter-offer for everybody, calibrated by how good past proposals were."""
    return meeting(step).offers


def gap_options(step: Step) -> pd.DataFrame:
    """Say what the goals that stand lack, who has room, and what the other ways out would do.

    Returns
    -------
    pandas.DataFrame
        See `planning_kit.agreement.gap_options`.
    """
    goals, target, likely = goals_of(step), step.street_target, outlook_of(step)
    stands = goals.cells[["rep_id", "goal"]].dropna()
    whole = goals.standing()
    raised = stands.assign(goal=stands["goal"] * (target / whole if whole else 1.0))
    plans = {
        "stands": likely.chance(target, stands),
        "over": likely.chance(target, raised),
        "lower": likely.chance(whole, stands),
    }
    chances = pd.DataFrame(
        {
            "target_chance": {name: chance.probability for name, chance in plans.items()},
            "share_reaching": {name: chance.share_reaching for name, chance in plans.items()},
        }
    )
    return agreement.gap_options(goals, negotiation_state(step), target, chances)


def agreed_table(step: Step) -> pd.DataFrame:
    """Give the goals that stand, cell by cell, beside the top-down ones.

    Returns
    -------
    pandas.DataFrame
        ``rep_id``, ``territory_id``, ``product_line``, ``top_down``, ``goal`` (what stands),
        ``agreed`` (empty where nobody agreed), ``difference`` (goal less top-down), ``basis``
        (allocated, agreed, decided) and ``status`` of the person's talk. Plan currency.
    """
    goals, unit = goals_of(step), step.inputs.settings.rounding_unit
    status = negotiation_state(step).set_index("rep_id")["status"]
    cells = goals.cells.rename(columns={"allocated": "top_down"})
    goal, top_down = (to_units(cells[name].fillna(0.0), unit) for name in ("goal", "top_down"))
    cells["difference"] = from_units(goal - top_down, unit)
    cells["status"] = cells["rep_id"].map(status).fillna("not started").astype("str")
    return cells[[*goals.labels, *_AGREED]]


def metric_year(step: Step) -> pd.DataFrame:
    """Sum what the goals mean in activity over the year, by person."""
    table = metric_goals(step)
    there = [name for name in _SUMMED if name in table]
    return table.groupby("rep_id", as_index=False)[there].sum(min_count=1)


def company_metrics_year(step: Step) -> pd.DataFrame:
    """Give the goals in the company's own metrics over the year, by person; ratios are not added."""
    table = company_metrics(step)
    ratios = {one.name for one in step.inputs.settings.metrics if one.measure.is_ratio}
    by = table.groupby(["metric", "metric_title", "unit", "rep_id", "metric_last"], dropna=False)
    years = by["metric_goal"].agg(["sum", "mean", "count"]).reset_index()
    goal = years["mean"].where(years["metric"].isin(ratios), years["sum"])
    years["metric_goal"] = goal.where(years["count"] > 0)
    return years[["rep_id", "metric", "metric_title", "unit", "metric_last", "metric_goal"]]
