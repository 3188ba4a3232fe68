"""What a what-if does to the goals; the panel is only a view of it."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from planning_kit.agreement import Goals
from planning_kit.allocation import RulesConflictError
from planning_kit.messages import DataError, PlanningError
from planning_kit.messages.amounts import EMPTY, chance_text, money_text
from planning_kit.numbers.units import from_units
from planning_kit.outlook import Outlook
from planning_kit.output.cards import Card
from planning_kit.plan import Scenario
from planning_kit.walk.edits import Cell, edited, hold_name, in_words, limits_name, locks_of, notes
from planning_kit.walk.expected import outlook_of
from planning_kit.walk.levers import LEVERS, moved_step
from planning_kit.walk.split import allocate_region
from planning_kit.walk.step import Step
from planning_kit.walk.talks import goals_of, lines_digest
from planning_kit.walk.ways import WayOut, ways_out

PEOPLE = (
    *("rep_id", "rep_name", "last_year", "last_goal", "base", "expected", "goal", "change"),
    *("chance", "hold", "least", "most", "note", "held_by", "locks"),
)
_LIKELY = 0.5  # from this chance on somebody is more likely to reach than to miss


@dataclass(frozen=True)
class WhatIf:
    """The values a planner moves in the parameters of notebook 07.

    Attributes
    ----------
    target_change : float
        Change of the region's target; 0.05 is 5 % more.
    most_up, most_down : float
        Largest rise and fall of every cell on its base; 0: as the scenario says.
    """

    target_change: float = 0.0
    most_up: float = 0.0
    most_down: float = 0.0


@dataclass(frozen=True)
class WhatIfResult:
    """Goals under a what-if, as notebook 07 shows them.

    Attributes
    ----------
    summary : DataFrame
        What and value: the cards of the answer; no rows where there is no result.
    people : DataFrame
        ``rep_id``, ``base``, ``before`` (the goal that stands now), ``goal`` (that would stand),
        ``change``, ``change_share`` (on the base), ``chance``. Plan currency.
    message : str
        Why there is no result, in the planner's words; empty: there is one.
    """

    summary: pd.DataFrame
    people: pd.DataFrame
    message: str = ""


@dataclass(frozen=True)
class Answer:
    """What a scenario gives in a region.

    Attributes
    ----------
    digest : str
        Of everything it was computed from: the scenario, the inputs, the settings and the talks.
    cards : tuple of Card
        Target, allocated, gap, expected, chance of the region, people who are likely to reach; none
        where there is no result.
    people : DataFrame
        ``rep_id``, ``rep_name``; ``last_year``, ``last_goal``, ``base``, ``expected``; ``goal``
        (that would stand), ``change`` (on the goal of the scenario that was opened), ``chance``;
        ``hold``, ``least``, ``most``, ``note`` (what edits said); ``held_by`` (rules that hold it),
        ``locks`` (why it cannot be edited; empty: it can). Plan currency, by rep_id; what only a
        result can tell is empty where there is none.
    message : str
        Why there is no result, in the planner's words; empty: there is one.
    ways : tuple of WayOut
        Ways out of rules that cannot all hold.
    gap : float
        Goals that stand less what all goals add up to, plan currency; empty: there is no result.
    """

    digest: str
    cards: tuple[Card, ...]
    people: pd.DataFrame
    message: str = ""
    ways: tuple[WayOut, ...] = ()
    gap: float = math.nan


def scenario_of(step: Step, change: WhatIf) -> Scenario:
    """Write a what-if into the step's scenario."""
    scenario = step.scenario
    for key in ("target_change", "most_up", "most_down"):
        if value := getattr(change, key):
            scenario = LEVERS[key].write(step, scenario, value)
    return scenario


def what_if(step: Step, change: WhatIf | None = None) -> WhatIfResult:
    """Split the region's target again with the what-if's values, see `ask`."""
    answer = ask(step, scenario_of(step, change or WhatIf()))
    people, cards = answer.people, answer.cards
    before = people["goal"] - people["change"]
    share = (people["goal"] / people["base"] - 1).where(people["base"] > 0)
    table = people.assign(before=before, change_share=share)
    names = ["rep_id", "base", "before", "goal", "change", "change_share", "chance"]
    rows = {"what": [card.label for card in cards], "value": [card.value for card in cards]}
    return WhatIfResult(pd.DataFrame(rows, dtype="str"), table[names], answer.message)


def edit(step: Step, scenario: Scenario, rep_id: str, column: str, value: Any) -> Scenario:
    """Edit one cell of a person's row, see `edit_cells`.

    Raises
    ------
    DataError
        It cannot be edited like this; the message says what can.
    """
    changed, errors = edit_cells(step, scenario, [(rep_id, column, value)])
    for message in errors.values():
        raise DataError(message)
    return changed


def edit_cells(
    step: Step, scenario: Scenario, cells: Iterable[Cell]
) -> tuple[Scenario, dict[tuple[str, str], str]]:
    """Edit cells of people's rows as one act, see `planning_kit.walk.edits.edited`."""

    def shown(scenario: Scenario) -> dict[str, float]:
        people = ask(step, scenario).people
        return dict(zip(people["rep_id"], people["goal"], strict=True))

    return edited(step, scenario, cells, shown)


def ask(step: Step, scenario: Scenario) -> Answer:
    """Say what a scenario gives in the step's region; what is agreed stays.

    What cannot be kept gives a message with the conflicting rules and ways out, not an error:
    moving a lever must never break a panel. Goals and chances are those that the walk gives where
    the scenario is written to a file and opened.

    Parameters
    ----------
    step
        The opened step; nothing in it is changed.
    scenario
        What it is asked for.
    """
    digest = digest_of(step, scenario)
    found: Answer = step.shared(("answer", digest), lambda: _ask(step, scenario, digest))
    return found


def digest_of(step: Step, scenario: Scenario) -> str:
    """Digest everything an answer is computed from."""
    of_plan = repr(step.plan.settings.targets)
    said = [step.key("allocation"), of_plan, lines_digest(step), scenario.digest()]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]


def _ask(step: Step, scenario: Scenario, digest: str) -> Answer:
    people = _known(step, scenario)
    try:
        moved = moved_step(step, scenario)
        goals, outlook = goals_of(moved), outlook_of(moved)
        people = _with_goals(step, people, goals, outlook)
        gap = goals.gap(moved.street_target)
        return Answer(digest, _cards(moved, goals, outlook, people), people, gap=gap)
    except RulesConflictError as error:
        ways = ways_out(step, scenario, error, partial(can_hold, step))
        return Answer(digest, (), people, in_words(step, scenario, str(error)), ways)
    except PlanningError as error:
        return Answer(digest, (), people, str(error))


def can_hold(step: Step, scenario: Scenario) -> bool:
    """Say if a scenario has a result here."""
    try:
        allocate_region(moved_step(step, scenario))
    except PlanningError:
        return False
    return True


def _known(step: Step, scenario: Scenario) -> pd.DataFrame:
    """Give what is known of everybody without a result."""
    facts: pd.DataFrame = step.once("facts", lambda: _facts(step))
    none = dict.fromkeys(("base", "expected", "goal", "change", "chance"), np.nan)
    columns: dict[str, Any] = {**none, **notes(scenario, facts["rep_id"].tolist()), "held_by": ""}
    return facts.assign(**columns)[list(PEOPLE)]


def _facts(step: Step) -> pd.DataFrame:
    team, locks = step.inputs.team().set_index("rep_id"), locks_of(step)
    names = team["rep_name"].fillna(pd.Series(team.index, team.index)).astype("str")
    sums = step.table("cells").groupby("rep_id")[["last_year", "last_goal"]].sum(min_count=1)
    people = pd.DataFrame({"rep_name": names}).join(sums)
    return people.assign(locks=[locks.get(rep, "") for rep in people.index]).reset_index()


def _with_goals(step: Step, people: pd.DataFrame, goals: Goals, outlook: Outlook) -> pd.DataFrame:
    ids = pd.Index(people["rep_id"])
    goal, unit = goals.of_people(ids), step.inputs.settings.rounding_unit
    opened = _opened_goals(step, ids)
    change = from_units(np.rint((goal - opened).fillna(0.0).to_numpy() / unit), unit)
    columns = {
        "base": goals.cells.groupby("rep_id")["base"].sum(min_count=1).reindex(ids),
        "expected": outlook.expected.reindex(ids),
        "goal": goal,
        "change": np.where((goal - opened).notna(), change, np.nan),
        "chance": outlook.each(goal).reindex(ids),
        "held_by": [
            text.replace(hold_name(rep), "held here").replace(limits_name(rep), "limits here")
            for rep, text in zip(ids, goals.held_by(ids), strict=True)
        ],
    }
    return people.assign(**{name: np.asarray(column) for name, column in columns.items()})


def _opened_goals(step: Step, ids: pd.Index) -> pd.Series:
    """Give the goals under the scenario that was opened; empty where it has no result."""
    try:
        return goals_of(step).of_people(ids)
    except PlanningError:
        return pd.Series(np.nan, ids)


def _cards(moved: Step, goals: Goals, outlook: Outlook, people: pd.DataFrame) -> tuple[Card, ...]:
    settings, target = moved.inputs.settings, moved.inputs.target

    def money(amount: float) -> str:
        return money_text(amount, settings.currency, settings.rounding_unit)

    gap, (expected, low, high) = goals.gap(moved.street_target), outlook.whole
    chance, both = outlook.likely(target), people["chance"].notna()
    ends = f"{money(low)} to {money(high)} in eight of ten years" if expected == expected else ""
    likely = int((people["chance"] >= _LIKELY).sum())
    return (
        Card("target", money(target), _padded(moved, target, money)),
        Card("allocated", money(goals.standing()), "goals that stand; agreed ones as agreed"),
        Card("gap", money(gap), "goals less the target", "review" if gap else "pass"),
        Card("expected", money(expected), ends),
        Card(
            "chance that the region reaches the target",
            EMPTY if chance != chance else chance_text(chance),
            "" if outlook.is_measured else "cannot tell surely: usual spreads, not measured ones",
        ),
        Card("more likely to reach than to miss", f"{likely} of {int(both.sum())}", "people"),
    )


def _padded(moved: Step, target: float, money: Any) -> str:
    asked = moved.street_target
    return "" if asked == target else f"with over-assignment all goals add up to {money(asked)}"


def compare_scenarios(step: Step) -> pd.DataFrame:
    """Set the scenarios of the plan side by side, for this region.

    Returns
    -------
    pandas.DataFrame
        ``scenario``, ``note``, ``target``, ``allocated``, ``standing`` (agreed goals stay as agreed
        in every scenario), ``expected``, ``likely`` (people more
        likely to reach than to miss), ``message`` where a scenario has no result.
    """
    rows = []
    for name in step.plan.scenario_names() or ["base"]:
        row: dict[str, Any] = {"scenario": name, "note": "", "message": ""}
        try:
            scenario = step.plan.scenario(name)
            other = step.other(step.inputs.name, scenario, step.folder)
            goals = goals_of(other)
            people = outlook_of(other).chances(goals.cells)
            row |= {
                "note": scenario.note,
                "target": other.inputs.target,
                "allocated": goals.allocated(),
                "standing": goals.standing(),
                "expected": people["expected"].sum(),
                "likely": int((people["chance"] >= _LIKELY).sum()),
            }
        except PlanningError as error:
            row["message"] = str(error)
        rows.append(row)
    names = ["scenario", "note", "target", "allocated", "standing", "expected", "likely", "message"]
    return pd.DataFrame(rows).reindex(columns=names)
