"""The answer of every step in one line of cards: what was asked, what is, how sure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from planning_kit import manager, review
from planning_kit.messages.amounts import chance_text, number_text, share_text
from planning_kit.output.cards import Card, chance_card, money_card
from planning_kit.walk.expected import outlook_of
from planning_kit.walk.rollup import Rollup, roll_up
from planning_kit.walk.step import Step
from planning_kit.walk.talks import goals_of, hours_promised, metric_goals, negotiation_state


def rollup_of(step: Step) -> Rollup:
    """Add up the goals of all regions, once for a step."""
    found: Rollup = step.once("rollup", lambda: roll_up(step))
    return found


def manager_plan_of(step: Step) -> manager.ManagerPlan:
    """Set the managers' goals against their hours, once for a step."""
    found: manager.ManagerPlan = step.once(
        "manager_plan",
        lambda: manager.manager_plan(step.inputs, step.scenario, hours_promised(step)),
    )
    return found


def _data(step: Step) -> list[Card]:
    coverage = step.prepared.facts["coverage"]
    sales = next(row for row in coverage if row["table"] == "sales")
    missing = [row["table"] for row in coverage if not row["rows"]]
    known = f"{sales['first_day']} to {sales['last_day']}" if sales["rows"] else ""
    return [
        Card("sales known", known, f"{sales['rows']:,} lines of the company"),
        Card("people with a goal", str(len(step.inputs.team()))),
        Card(
            "tables there",
            f"{len(coverage) - len(missing)} of {len(coverage)}",
            f"not there: {', '.join(missing)}" if missing else "",
        ),
    ]


def _review(step: Step) -> list[Card]:
    total = review.attainment(step.inputs, ())
    goal, actual, share = (
        (total[name].iloc[0] if len(total) else None) for name in ("goal", "actual", "attainment")
    )
    people = review.attainment(step.inputs, ["rep_id"])["attainment"].dropna()
    growth = review.growth(step.inputs, ())
    change = growth["growth_share"].iloc[0] if len(growth) else None
    settings, level = step.inputs.settings, review.goal_level_of_years(step.inputs)
    first = []
    if level is not None:
        text = f"of target {level.over}; {level.counted}"
        first = [Card("level of the goals", share_text(level.share, 0), text, level.status)]
    return [
        *first,
        money_card("goals of the reviewed year", goal, settings),
        money_card("result", actual, settings, f"{share_text(change)} on the year before"),
        Card(
            "attainment",
            share_text(share),
            f"{int((people >= 1).sum())} of {len(people)} people reached their goal",
        ),
    ]


def _target(step: Step, note: str = "") -> list[Card]:
    """Say what is asked, what is expected, and how likely the one reaches the other."""
    settings, outlook = step.inputs.settings, outlook_of(step)
    known, chance = outlook.ranges().iloc[0], outlook.chance(step.inputs.target)
    ends = [number_text(known[end]) for end in ("low", "high")]
    exact = [chance_text(end) for end in (chance.low, chance.high)]
    return [
        money_card("target", step.inputs.target, settings, note),
        money_card(
            "expected", known["expected"], settings, f"eight of ten years: {' to '.join(ends)}"
        ),
        chance_card(
            "chance of the target",
            chance.probability,
            f"{' to '.join(exact)} by {chance.runs:,} simulated years",
        ),
    ]


def _padding(step: Step) -> str:
    asked = step.street_target
    more = asked != step.inputs.target
    return f"the goals add up to {number_text(asked)}, with what levels add" if more else ""


def _split(step: Step) -> list[Card]:
    goals = goals_of(step)
    gap = goals.allocated() - step.street_target if len(goals.cells) else None
    likely = outlook_of(step).chances(step.table("allocation"))["chance"].dropna()
    return [
        *_target(step, _padding(step)),
        money_card(
            "allocated less what is asked",
            gap,
            step.inputs.settings,
            f"{int((likely >= 0.5).sum())} of {len(likely)} people are more likely to reach their own "
            f"goal than to miss it ({chance_text(likely.mean())} on average)",
        ),
    ]


def _metrics(step: Step) -> list[Card]:
    goals, table = goals_of(step), metric_goals(step)
    year = (
        table.groupby("rep_id")[["presentations", "presentations_expected", "sales_needed"]]
        .sum(min_count=1)
        .sum(min_count=1)
    )
    short = table.loc[table["fits"].eq(False), "rep_id"].nunique()
    agreed = len(goals.people("agreed"))
    return [
        money_card(
            "goals that stand",
            goals.standing(),
            step.inputs.settings,
            f"{agreed} of {len(goals.people())} people agreed",
        ),
        Card(
            "presentations in the year",
            number_text(year["presentations"]),
            f"for {number_text(year['sales_needed'])} sales, with a chance of "
            f"{chance_text(step.scenario.metrics.chance)} each; "
            f"{number_text(year['presentations_expected'])} would do every other time",
        ),
        Card(
            "people without the hours",
            f"{short} of {table['rep_id'].nunique()}",
            "in at least one month",
            "review" if short else "",
        ),
    ]


def _talks(step: Step) -> list[Card]:
    goals, settings = goals_of(step), step.inputs.settings
    state, people = negotiation_state(step), len(goals.people())
    closed = int(state["status"].isin(["accepted", "decided"]).sum())
    return [
        money_card("target", step.inputs.target, settings),
        money_card("goals that stand", goals.standing(), settings),
        money_card(
            "still to find",
            -goals.gap(step.street_target),
            settings,
            "what is asked less the goals that stand",
        ),
        Card("agreed or decided", f"{closed} of {people} people"),
    ]


def _hours(step: Step) -> list[Card]:
    capacity = manager_plan_of(step).capacity
    there, needed = (
        capacity[name].sum(min_count=1) for name in ("hours_available", "hours_required")
    )
    unfit = capacity[capacity["fits"].eq(False)]
    return [
        Card("hours the goals need", number_text(needed), "in the year"),
        Card(
            "hours there are",
            number_text(there),
            "after holidays, leave and what other regions need",
        ),
        Card(
            "months that do not fit",
            f"{len(unfit)} of {len(capacity)}",
            "",
            "fail" if len(unfit) else "pass",
        ),
    ]


def _company(step: Step) -> list[Card]:
    whole, cells = rollup_of(step).regions.iloc[-1], rollup_of(step).goals
    agreed = cells.loc[cells["basis"] == "agreed", "rep_id"].nunique()
    settings = step.inputs.settings
    return [
        *_target(step, _padding(step)),
        money_card(
            "goals that stand",
            whole["standing"],
            settings,
            f"{number_text(whole['standing_gap'])} off what is asked",
        ),
        money_card(
            "agreed",
            whole["agreed"],
            settings,
            f"by {agreed} of {cells['rep_id'].nunique()} people",
        ),
    ]


CARDS: Mapping[str, Callable[[Step], list[Card]]] = {
    "00": _data,
    "01": _review,
    "02": _target,
    "03": _split,
    "04": _metrics,
    "05": _talks,
    "06": _hours,
    "07": _split,
    "08": _company,
}
