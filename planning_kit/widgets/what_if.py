"""What a what-if does to the goals: a plain function, which the panel only calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from planning_kit.allocation import chance_team_reaches
from planning_kit.messages import PlanningError
from planning_kit.plan import Scenario
from planning_kit.walk import Step, chances, common_cause, sum_goals

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
        What and value: target, allocated, gap, people more likely to reach than to miss, ...
    people : DataFrame
        ``rep_id``, ``base``, ``before`` (goal of the scenario), ``goal``, ``change``,
        ``change_share``, ``chance``.
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
    amount = target / round(1 / unit) if unit < 1 else target * float(unit)
    scenario = Scenario(step.scenario.name, changed_content(step.scenario, change))
    return step.under(scenario, amount)


def changed_content(scenario: Scenario, change: WhatIf) -> dict[str, Any]:
    """Write the what-if's limits into the content of a scenario."""
    content = dict(scenario.content)
    rules = [r for r in scenario.rows("rules") if r.get("name") != RULE_NAME]
    limits: dict[str, Any] = {}
    if change.most_up:
        limits["most_up_share"] = change.most_up
    if change.most_down:
        limits["most_down_share"] = change.most_down
    if limits:
        rules = [*rules, {"name": RULE_NAME, "each": "cell", "relative_to": "base", **limits}]
    if rules:
        content["rules"] = rules
    return content


def what_if(step: Step, change: WhatIf | None = None) -> WhatIfResult:
    """Split the region's target again with the what-if's values.

    A what-if that cannot be kept gives a message with the conflicting rules, not an error: moving
    a slider must never break a panel.
    """
    before = sum_goals(step.table("allocation"), "rep_id").set_index("rep_id")
    try:
        moved = with_change(step, change or WhatIf())
        goals = moved.table("allocation") if change else step.table("allocation")
    except PlanningError as error:
        return WhatIfResult(
            _summary({}), _people(before, before, pd.Series(dtype=float)), str(error)
        )
    people = sum_goals(goals, "rep_id").set_index("rep_id")
    likely = chances(moved, goals).set_index("rep_id")
    table = _people(before, people, likely["chance"])
    allocated = float(people["goal"].sum())
    target = moved.inputs.target
    known = likely.dropna(subset=["expected", "cv"])
    team = float("nan")
    if len(known):
        cause = common_cause(moved, known)
        team = chance_team_reaches(known["expected"], known["cv"], target, cause)
    currency = step.inputs.settings.currency
    return WhatIfResult(
        _summary(
            {
                "target": f"{target:,.0f} {currency}",
                "allocated": f"{allocated:,.0f} {currency}",
                "gap": f"{allocated - target:,.0f} {currency}",
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
        ``scenario``, ``note``, ``target``, ``allocated``, ``expected``, ``likely`` (people more
        likely to reach than to miss), ``message`` where a scenario has no result.
    """
    rows = []
    for name in step.plan.scenario_names() or ["base"]:
        row: dict[str, Any] = {"scenario": name, "note": "", "message": ""}
        try:
            scenario = step.plan.scenario(name)
            other = step.other(step.inputs.region, scenario, step.folder)
            people = chances(other, other.table("allocation"))
            row |= {
                "note": str(scenario.content.get("note", "")),
                "target": other.inputs.target,
                "allocated": people["goal"].sum(),
                "expected": people["expected"].sum(),
                "likely": int((people["chance"] >= 0.5).sum()),
            }
        except PlanningError as error:
            row["message"] = str(error)
        rows.append(row)
    names = ["scenario", "note", "target", "allocated", "expected", "likely", "message"]
    return pd.DataFrame(rows).reindex(columns=names)
