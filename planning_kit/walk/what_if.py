"""What a what-if does to the goals; the panel is only a view of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from planning_kit.data import asked_targets
from planning_kit.messages import PlanningError
from planning_kit.numbers.units import from_units
from planning_kit.plan import CELL, MaxChange, Scenario
from planning_kit.walk.expected import outlook_of
from planning_kit.walk.step import Step
from planning_kit.walk.talks import goals_of

RULE_NAME = "what if: largest change"


@dataclass(frozen=True)
class WhatIf:
    """The values a planner moves.

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
    """Goals under a what-if.

    Attributes
    ----------
    summary : DataFrame
        What and value: target, allocated, goals that stand and their gap to the target, people more
        likely to reach than to miss, ...
    people : DataFrame
        ``rep_id``, ``base``, ``before`` (the goal that stands now), ``goal`` (that would stand),
        ``change``, ``change_share``, ``chance``.
    message : str
        Why there is no result, in the planner's words; empty: there is one.
    """

    summary: pd.DataFrame
    people: pd.DataFrame
    message: str = ""


def with_change(step: Step, change: WhatIf) -> Step:
    """Give the step with the what-if applied to target and rules."""
    unit = step.inputs.settings.rounding_unit
    target = round(step.inputs.target * (1 + change.target_change) / unit)
    amount = from_units(target, unit)
    return step.under(changed_scenario(step, change, amount), amount)


def changed_scenario(step: Step, change: WhatIf, target: float) -> Scenario:
    """Write a what-if into the scenario: the region's target (plan currency) and the limits."""
    scenario, inputs = step.scenario, step.inputs
    if change.target_change:
        asked = asked_targets(step.plan, scenario)
        asked = asked.with_region(inputs.name, target, inputs.regions)
        scenario = scenario.with_(targets=asked)
    if not (change.most_up or change.most_down):
        return scenario
    rule = MaxChange(
        name=RULE_NAME,
        each=(CELL,),
        most_up_share=change.most_up or None,
        most_down_share=change.most_down or None,
    )
    return scenario.with_(rule=rule)


def what_if(step: Step, change: WhatIf | None = None) -> WhatIfResult:
    """Split the region's target again with the what-if's values; what is agreed stays.

    A what-if that cannot be kept gives a message with the conflicting rules, not an error: moving
    a slider must never break a panel.
    """
    before = goals_of(step).by("rep").set_index("rep_id")
    try:
        moved = with_change(step, change or WhatIf())
        goals = goals_of(moved if change else step)
    except PlanningError as error:
        return WhatIfResult(
            _summary({}), _people(before, before, pd.Series(dtype=float)), str(error)
        )
    people = goals.by("rep").set_index("rep_id")
    outlook, target = outlook_of(moved), moved.inputs.target
    table = _people(before, people, outlook.chances(goals.cells).set_index("rep_id")["chance"])
    team = outlook.chance(target).probability
    currency = step.inputs.settings.currency
    return WhatIfResult(
        _summary(
            {
                "target": f"{target:,.0f} {currency}",
                "allocated": f"{goals.allocated():,.0f} {currency}",
                "goals that stand": f"{goals.standing():,.0f} {currency}",
                "gap": f"{goals.gap(moved.street_target):,.0f} {currency}",
                "expected": f"{people['base'].sum():,.0f} {currency}",
                "people": f"{len(people)}",
                "more likely to reach than to miss": f"{int((table['chance'] >= 0.5).sum())}",
                "chance that the region reaches the target": "–" if team != team else f"{team:.0%}",
            }
        ),
        table,
    )


def _summary(rows: Mapping[str, str]) -> pd.DataFrame:
    return pd.DataFrame({"what": list(rows), "value": list(rows.values())}, dtype="str")


def _people(before: pd.DataFrame, after: pd.DataFrame, chance: pd.Series) -> pd.DataFrame:
    table = after[["base", "goal"]].copy()
    table["before"] = before["goal"]
    table["change"] = table["goal"] - table["before"]
    table["change_share"] = (table["goal"] / table["base"] - 1).where(table["base"] > 0)
    table["chance"] = chance.reindex(table.index)
    names = ["rep_id", "base", "before", "goal", "change", "change_share", "chance"]
    return table.reset_index()[names]


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
                "likely": int((people["chance"] >= 0.5).sum()),
            }
        except PlanningError as error:
            row["message"] = str(error)
        rows.append(row)
    names = ["scenario", "note", "target", "allocated", "standing", "expected", "likely", "message"]
    return pd.DataFrame(rows).reindex(columns=names)
