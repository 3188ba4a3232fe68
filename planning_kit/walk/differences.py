"""Scenarios side by side, and what of the difference between two of them each part makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd

from planning_kit.messages import PlanningError, UsageError
from planning_kit.numbers.rounding import round_two_way
from planning_kit.outlook.register import register_of
from planning_kit.plan import Scenario
from planning_kit.walk.expected import outlook_of
from planning_kit.walk.levers import moved_step, with_rule
from planning_kit.walk.step import Step
from planning_kit.walk.talks import goals_of

_MOST = 6  # parts that are told apart: their orders are 720
_FEWEST, _LARGEST = 2, 5  # scenarios side by side
_SECTIONS = {
    "targets": "target",
    "company": "the company's split",
    "objective": "objective",
    "base": "base",
    "over_assignment": "over-assignment",
    "relax": "rules that may give",
    "review": "what is taken out of the review",
}
_NAMED = {"rules": "rule", "holds": "hold", "assumptions": "assumption"}
_WHOLE = ""  # rep_id of the row about all together
Change = Callable[[Scenario], Scenario]
_Measured = dict[str, np.ndarray]


@dataclass(frozen=True)
class Comparison:
    """Scenarios side by side.

    Attributes
    ----------
    people : DataFrame
        A row a scenario and person, and one for all together (empty ``rep_id``): ``scenario``,
        ``rep_id``, ``goal`` and ``expected`` (plan currency), ``chance`` (of the goal; of all
        together to reach the target), and ``goal_difference``, ``expected_difference``,
        ``chance_difference`` to the first scenario.
    messages : mapping of str to str
        Why a scenario has no result.
    """

    people: pd.DataFrame
    messages: Mapping[str, str] = field(default_factory=dict)


def compare(step: Step, scenarios: Mapping[str, Scenario]) -> Comparison:
    """Set two to five scenarios side by side: everybody's goals and chances, and the region's.

    Parameters
    ----------
    step
        The opened step.
    scenarios
        By the name they are shown with; the others are compared with the first.

    Raises
    ------
    UsageError
        There are fewer than two, or more than five.
    """
    if not _FEWEST <= len(scenarios) <= _LARGEST:
        raise UsageError(f"{len(scenarios)} scenarios; compare {_FEWEST} to {_LARGEST} of them.")
    messages, found = {}, {}
    for name, scenario in scenarios.items():
        try:
            found[name] = _measure(step, scenario)
        except PlanningError as error:
            messages[name] = str(error)
    nothing = np.full(len(_people(step)), np.nan)
    first = found.get(next(iter(scenarios)), {})
    tables = []
    for name in scenarios:
        mine = {
            key: found.get(name, {}).get(key, nothing) for key in ("goal", "expected", "chance")
        }
        less = {f"{key}_difference": mine[key] - first.get(key, nothing) for key in mine}
        tables.append(pd.DataFrame({"scenario": name, "rep_id": _people(step), **mine, **less}))
    return Comparison(pd.concat(tables, ignore_index=True), messages)


def differences(step: Step, first: Scenario, other: Scenario) -> pd.DataFrame:
    """Say which part of a scenario makes how much of the difference to another one.

    What a part makes is the mean of what it adds over every order in which the parts can be
    changed one after the other (Shapley 1953), so that the parts add up to the difference, whatever
    they do together. Orders on the way of which the rules cannot hold do not count; where no other
    is left, and beyond six parts, parts are taken together.

    Parameters
    ----------
    step
        The opened step.
    first, other
        Scenarios; the difference is other less first.

    Returns
    -------
    pandas.DataFrame
        A row a part and person, and one for all together (empty ``rep_id``): ``part``, ``rep_id``,
        ``goal`` and ``expected`` (plan currency, whole rounding units that add up exactly) and
        ``chance`` (of all together to reach the target; empty for a person). No rows where nothing
        differs.

    Raises
    ------
    PlanningError
        One of both has no result.
    """
    ends = {0: _measure(step, first), -1: _measure(step, other)}
    parts = _parts(step, first, other)
    names = list(parts)
    known: dict[frozenset[str], _Measured | None] = {
        frozenset(): ends[0],
        frozenset(names): ends[-1],
    }

    def worth(chosen: frozenset[str]) -> _Measured | None:
        if chosen not in known:
            mixed = first
            for name in names:
                mixed = parts[name](mixed) if name in chosen else mixed
            try:
                known[chosen] = _measure(step, mixed)
            except PlanningError:
                known[chosen] = None
        return known[chosen]

    sums, ways = _over_orders(names, worth)
    if not ways and names:
        names = ["all of it together"]
        sums = {names[0]: {key: ends[-1][key] - ends[0][key] for key in ends[0]}}
    people, unit = _people(step), step.inputs.settings.rounding_unit
    shape = (len(names), len(people))
    made = {
        key: np.array([sums[name][key] for name in names]).reshape(shape) / max(ways, 1)
        for key in ends[0]
    }
    for key in ("goal", "expected"):
        table = pd.DataFrame(made[key][:, :-1], names, people[:-1]).fillna(0.0)
        made[key][:, :-1] = round_two_way(table, unit) if table.size else table
        made[key][:, -1] = made[key][:, :-1].sum(axis=1)
    made["chance"][:, :-1] = np.nan
    columns = {key: amounts.ravel() for key, amounts in made.items()}
    return pd.DataFrame(
        {"part": np.repeat(names, len(people)), "rep_id": people * len(names), **columns}
    )


def _over_orders(
    names: Sequence[str], worth: Callable[[frozenset[str]], _Measured | None]
) -> tuple[dict[str, _Measured], int]:
    """Sum what every part adds over all orders that have a result on the whole way; count these."""
    sums: dict[str, _Measured] = {}
    ways = 0
    for order in permutations(names):
        on_way = [worth(frozenset(order[:number])) for number in range(len(order) + 1)]
        if any(one is None for one in on_way):
            continue
        ways += 1
        for name, before, after in zip(order, on_way, on_way[1:], strict=False):
            added = {k: (after or {})[k] - amounts for k, amounts in (before or {}).items()}
            mine = sums.get(name)
            sums[name] = added if mine is None else {k: mine[k] + added[k] for k in added}
    return sums, ways


def _people(step: Step) -> list[str]:
    return [*step.inputs.team()["rep_id"], _WHOLE]


def _measure(step: Step, scenario: Scenario) -> _Measured:
    """Give goal, expected (whole units) and chance of everybody and, last, of all together."""
    moved = moved_step(step, scenario)
    goals, outlook, unit = goals_of(moved), outlook_of(moved), step.inputs.settings.rounding_unit
    ids = pd.Index(_people(step)[:-1])
    goal = goals.of_people(ids)
    expected = np.rint(outlook.expected.reindex(ids).to_numpy() / unit) * unit
    likely = outlook.each(goal).reindex(ids)
    return {
        "goal": np.append(goal, goals.standing()),
        "expected": np.append(expected, np.nansum(expected)),
        "chance": np.append(likely, outlook.likely(moved.inputs.target)),
    }


def _parts(step: Step, first: Scenario, other: Scenario) -> dict[str, Change]:
    """Name the parts that differ, with what each does to a scenario; at most six of them."""
    changes: dict[str, Change] = {
        label: _setting(section, getattr(other, section))
        for section, label in _SECTIONS.items()
        if first.digest([section]) != other.digest([section])
    }
    lists = {kind: _in_list(step, kind, first, other) for kind in _NAMED}
    if first.correlations != other.correlations:
        lists["assumptions"]["correlations"] = _setting("correlations", other.correlations)
    for kind in ("assumptions", "holds", "rules"):
        if len(changes) + sum(map(len, lists.values())) > _MOST and len(lists[kind]) > 1:
            lists[kind] = {kind: _all_of(list(lists[kind].values()))}
    changes |= {name: change for part in lists.values() for name, change in part.items()}
    if len(changes) > _MOST:
        rest = [changes.pop(name) for name in list(changes)[_MOST - 1 :]]
        changes["everything else"] = _all_of(rest)
    return changes


def _in_list(step: Step, kind: str, first: Scenario, other: Scenario) -> dict[str, Change]:
    """Name the rules, holds or assumptions that differ, with what each does to a scenario."""

    def read(scenario: Scenario) -> dict[str, Any]:
        if kind == "assumptions":
            return dict(register_of(step.inputs, scenario))
        return {rule.name: rule for rule in getattr(scenario, kind)}

    def put(name: str, new: Any) -> Change:
        def change(scenario: Scenario) -> Scenario:
            if kind != "assumptions":
                lists: dict[str, Any] = {kind: with_rule(getattr(scenario, kind), name, new)}
                return scenario.with_(**lists)
            kept = {k: v for k, v in read(scenario).items() if k != name}
            return scenario.with_(assumptions=kept if new is None else {**kept, name: new})

        return change

    before, after = read(first), read(other)
    differing = (name for name in {**before, **after} if before.get(name) != after.get(name))
    return {f"{_NAMED[kind]} {name!r}": put(name, after.get(name)) for name in differing}


def _setting(section: str, value: Any) -> Change:
    return lambda scenario: scenario.with_(**{section: value})


def _all_of(changes: Sequence[Change]) -> Change:
    def change(scenario: Scenario) -> Scenario:
        for one in changes:
            scenario = one(scenario)
        return scenario

    return change
