"""Ways out of rules that cannot all hold: each a scenario that can."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import pandas as pd

from planning_kit.allocation import RulesConflictError
from planning_kit.data import asked_targets
from planning_kit.messages.amounts import money_text
from planning_kit.numbers.units import from_units
from planning_kit.plan import GroupRange, Hold, MaxChange, Rule, Scenario
from planning_kit.walk.edits import called
from planning_kit.walk.levers import target_under, with_rule
from planning_kit.walk.step import Step

_MOST = 6  # ways that are shown
_TRIED = 9  # ways that are looked at for them
_GRAIN = 1000  # a share gives in whole thousandths
_TOTAL = "total"


@dataclass(frozen=True)
class WayOut:
    """One way out of a conflict.

    Attributes
    ----------
    text : str
        What it does, in the planner's words.
    scenario : Scenario
        The scenario with it: its rules can all hold.
    """

    text: str
    scenario: Scenario


def ways_out(
    step: Step, scenario: Scenario, error: RulesConflictError, can_hold: Callable[[Scenario], bool]
) -> tuple[WayOut, ...]:
    """Give ways out of a conflict, those that change least first; each was tried.

    Parameters
    ----------
    step
        The opened step.
    scenario
        Whose rules cannot all hold.
    can_hold
        Says if a scenario has a result.
    """
    found: list[WayOut] = []
    for number, way in enumerate(_candidates(step, scenario, error)):
        if number >= _TRIED or len(found) >= _MOST:
            break
        is_new = all(way.scenario != other.scenario for other in found)
        if is_new and can_hold(way.scenario):
            found.append(way)
    return tuple(found)


def _candidates(step: Step, scenario: Scenario, error: RulesConflictError) -> Iterator[WayOut]:
    rules = {rule.name: rule for rule in scenario.all_rules}
    keys = zip(error.alike["rule"], error.alike["side"], strict=True)
    alike = dict(zip(keys, error.alike["gives_share"].tolist(), strict=True))
    for gives, shares in ((error.gives, alike), (error.by_total, {})):
        if given := _giving(step, scenario, gives, shares):
            yield given
    names = [name for name in dict.fromkeys(error.conflict["rule"]) if name in rules]
    for name in sorted(names, key=lambda name: not isinstance(rules[name], Hold)):
        rule = rules[name]
        verb = "drop" if isinstance(rule, Hold) else "leave out"
        yield WayOut(f"{verb} {called(step, rule)}", _changed(scenario, rule, None))


def _giving(
    step: Step, scenario: Scenario, gives: pd.DataFrame, alike: Mapping[tuple[str, str], float]
) -> WayOut | None:
    """Let every rule give what it must; None: one of them cannot give a little."""
    said, way, settings = [], scenario, step.inputs.settings
    for key, mine in gives.groupby(["rule", "side"], sort=False):
        name, side = map(str, key)
        becomes = float(mine["becomes"].iloc[0]) if len(mine) == 1 else None
        rule = next((rule for rule in way.all_rules if rule.name == name), None)
        if rule is None:
            moved = _other_target(step, way, becomes) if name == _TOTAL and becomes else None
            if moved is None:
                return None
            way = moved.scenario
            said.append(moved.text)
            continue
        share = alike.get((name, side), float((mine["gives"] / mine["asked"].abs()).max()))
        share = math.ceil(share * _GRAIN - 1e-6) / _GRAIN if math.isfinite(share) else 0.0
        given = _given(rule, side, share, becomes)
        if given is None:
            return None
        way = _changed(way, rule, given)
        to = money_text(becomes, settings.currency, settings.rounding_unit)
        is_amount = becomes is not None and _amount_of(given, side) == becomes
        how = f"move {called(step, rule)} to {to}" if is_amount else ""
        said.append(how or f"give {100 * share:g} % on {called(step, rule)}")
    return WayOut(" and ".join(said), way) if said else None


def _amount_of(rule: Rule, side: str) -> float | None:
    return rule.limits[0 if side == "at least" else 1]


def _given(rule: Rule, side: str, share: float, becomes: float | None) -> Rule | None:
    """Let a rule give a share of what it asks, or to an amount where it has one limit."""
    more = 1 + share if side == "at most" else 1 - share
    if isinstance(rule, Hold) and rule.amount is not None and not rule.each:
        return None if becomes is None else replace(rule, amount=becomes)
    if isinstance(rule, GroupRange):
        is_least = side == "at least"
        limit = (rule.at_least if is_least else rule.at_most) or 0.0
        is_one = not rule.each and not rule.relative_to
        moved = becomes if is_one and becomes is not None else limit * more
        if rule.at_least == rule.at_most:  # an exact amount moves
            return replace(rule, at_least=moved, at_most=moved)
        return replace(rule, at_least=moved) if is_least else replace(rule, at_most=moved)
    if isinstance(rule, MaxChange):
        if side == "at most":
            return replace(rule, most_up_share=(1 + (rule.most_up_share or 0.0)) * more - 1)
        down = 1 - (1 - (rule.most_down_share or 0.0)) * more
        return replace(rule, most_down_share=min(1.0, down))
    return None


def _other_target(step: Step, scenario: Scenario, total: float) -> WayOut | None:
    """Ask for the nearest target that all goals, with what levels add, can add up to."""
    unit, settings = step.inputs.settings.rounding_unit, step.inputs.settings
    now, name = target_under(step, scenario), "" if step.inputs.is_company else step.inputs.name
    asked = scenario.street_target(now, unit)
    units = round(now / unit * total / asked) if asked else 0
    by = -1 if total < asked else 1  # away from what was asked, until it is far enough
    while by * (scenario.street_target(from_units(units, unit), unit) - total) < 0:
        units += by
    target = from_units(units, unit)
    if target < 0 or target == now:
        return None
    targets = asked_targets(step.plan, scenario).with_region(name, target, step.inputs.regions)
    verb, by_how_much = ("lower" if target < now else "raise"), abs(target - now)
    amounts = [money_text(amount, settings.currency, unit) for amount in (by_how_much, target)]
    text = f"{verb} the target by {amounts[0]} to {amounts[1]}"
    return WayOut(text, scenario.with_(targets=targets))


def _changed(scenario: Scenario, rule: Rule, new: Rule | None) -> Scenario:
    if isinstance(rule, Hold):
        return scenario.with_(holds=with_rule(scenario.holds, rule.name, new))
    return scenario.with_(rules=with_rule(scenario.rules, rule.name, new))
