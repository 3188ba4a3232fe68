"""Edits of a person's row in a what-if: goal, hold, limits and their note, as rules of the scenario."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from planning_kit.agreement.log import app_user, login
from planning_kit.messages import DataError, PlanningError, require_labels
from planning_kit.messages.amounts import money_text, read_amount
from planning_kit.plan import GroupRange, Hold, Rule, Scenario
from planning_kit.walk.levers import whole_units
from planning_kit.walk.step import Step
from planning_kit.walk.talks import settled

EDITED = ("goal", "hold", "least", "most", "note")
_REASON = "what if"
_YES, _NO = ("1", "true", "yes", "x", "held"), ("", "0", "false", "no", "-")
Cell = tuple[str, str, Any]
Errors = dict[tuple[str, str], str]
Shown = Callable[[Scenario], Mapping[str, float]]  # the goals of everybody, by rep_id


def hold_name(rep_id: str) -> str:
    """Give the name of the hold that an edit of a goal writes."""
    return f"what if: goal of {rep_id}"


def limits_name(rep_id: str) -> str:
    """Give the name of the rule that an edit of limits writes."""
    return f"what if: limits of {rep_id}"


def called(step: Step, rule: Rule) -> str:
    """Name a rule as people say it: those that edits wrote with the person's name."""
    for rep_id in rule.where.get("rep_id", ())[:1]:
        words = {hold_name(rep_id): "the hold of", limits_name(rep_id): "the limits of"}
        if rule.name in words:
            return f"{words[rule.name]} {step.inputs.names.get(rep_id, rep_id)}"
    return repr(rule.name)


def in_words(step: Step, scenario: Scenario, text: str) -> str:
    """Say the rules that edits wrote with people's names in a text."""
    for rule in scenario.all_rules:
        if rule.name in text and (words := called(step, rule)) != repr(rule.name):
            text = text.replace(repr(rule.name), words).replace(rule.name, words)
    return text


def holds_of(scenario: Scenario) -> dict[str, Hold]:
    """Give the holds that are about exactly one person's goal, by rep_id."""
    return {rep: rule for rep, rule in _alone(scenario.holds) if rule.amount is not None}


def limits_of(scenario: Scenario) -> dict[str, GroupRange]:
    """Give the limits that edits wrote, by rep_id."""
    return {rep: rule for rep, rule in _alone(scenario.rules) if rule.name == limits_name(rep)}


def _alone(rules: Iterable[Any]) -> Iterable[tuple[str, Any]]:
    return (
        (rule.where["rep_id"][0], rule)
        for rule in rules
        if not rule.each and [*rule.where] == ["rep_id"] and len(rule.where["rep_id"]) == 1
    )


def locks_of(step: Step) -> dict[str, str]:
    """Say by rep_id why a number cannot be edited: it was agreed or decided."""
    state = settled(step)
    words = {"accepted": "agreed", "decided": "decided"}
    rows = zip(state["rep_id"], state["status"], state["last_at"], strict=True)
    return {rep: f"{words[status]} on {str(day)[:10]}" for rep, status, day in rows}


def edited(
    step: Step, scenario: Scenario, cells: Iterable[Cell], shown: Shown
) -> tuple[Scenario, Errors]:
    """Edit cells of people's rows as one act, and say what could not be done.

    Parameters
    ----------
    step
        The opened step.
    cells
        Rep_id, column and value: ``goal`` holds the person's goal at an amount (empty: nothing
        holds it), ``hold`` holds it where it is shown or lets it go, ``least`` and ``most`` are
        limits of it (empty: none), ``note`` says why. Amounts are numbers or texts, see
        `planning_kit.messages.amounts.read_amount`.
    shown
        Gives the goals under a scenario by rep_id.

    Returns
    -------
    tuple
        The scenario, and by rep_id and column why a cell was not edited.
    """
    desk = _Desk(step, scenario, shown)
    errors: Errors = {}
    for rep_id, column, value in sorted(cells, key=lambda cell: cell[1] == "note"):
        try:
            desk.edit(str(rep_id), column, value)
        except PlanningError as error:
            errors[str(rep_id), column] = str(error)
    return desk.done(), errors


class _Desk:
    """The holds and limits of a scenario while cells are edited."""

    def __init__(self, step: Step, scenario: Scenario, shown: Shown) -> None:
        self.step, self.scenario, self.shown = step, scenario, shown
        self.holds: dict[str, Hold] = {rule.name: rule for rule in scenario.holds}
        self.rules: dict[str, Rule] = {rule.name: rule for rule in scenario.rules}
        self.own, self.limits = holds_of(scenario), limits_of(scenario)
        self.locks = locks_of(step)
        team = step.inputs.team()
        self.names = dict(zip(team["rep_id"], team["rep_name"].fillna(team["rep_id"]), strict=True))

    def edit(self, rep_id: str, column: str, value: Any) -> None:
        require_labels([rep_id], self.names, "rep")
        require_labels([column], EDITED, "column")
        if rep_id in self.locks:
            raise DataError(
                f"the goal of {self.names[rep_id]} was {self.locks[rep_id]}; "
                "it is changed in the talk, not here."
            )
        getattr(self, f"_{column}")(rep_id, value)

    def done(self) -> Scenario:
        return self.scenario.with_(
            holds=tuple(self.holds.values()), rules=tuple(self.rules.values())
        )

    def _amount(self, rep_id: str, value: Any, what: str) -> float | None:
        if value is None or value != value or (isinstance(value, str) and not value.strip()):
            return None
        amount = float(read_amount(value) if isinstance(value, str) else value)
        whole_units(self.step, amount, f"{what} of {self.names[rep_id]}")
        return amount

    def _goal(self, rep_id: str, value: Any) -> None:
        amount, known = self._amount(rep_id, value, "the goal"), self.own.pop(rep_id, None)
        if known is not None:
            del self.holds[known.name]
        if amount is None:
            return
        name = hold_name(rep_id)
        kept = known if known is not None and known.name == name else None
        hold = kept or Hold(
            name=name,
            where={"rep_id": (rep_id,)},
            owner=app_user() or login() or "planner",
            reason=_REASON,
        )
        ends_on = self.step.inputs.settings.ends_on
        self.own[rep_id] = self.holds[name] = replace(hold, amount=amount, expires_on=ends_on)

    def _hold(self, rep_id: str, value: Any) -> None:
        text = str(value if value is not None else "").strip().casefold()
        if text not in (*_YES, *_NO):
            raise DataError(f"{value!r} is neither yes nor no; write x or nothing.")
        is_held = text in _YES
        if is_held and rep_id in self.own:
            return
        goal = self.shown(self.scenario).get(rep_id) if is_held else None
        if is_held and (goal is None or goal != goal):
            raise DataError(f"{self.names[rep_id]} has no goal now that could be held.")
        self._goal(rep_id, goal)

    def _least(self, rep_id: str, value: Any) -> None:
        self._limit(rep_id, "at_least", self._amount(rep_id, value, "the least"))

    def _most(self, rep_id: str, value: Any) -> None:
        self._limit(rep_id, "at_most", self._amount(rep_id, value, "the most"))

    def _limit(self, rep_id: str, side: str, amount: float | None) -> None:
        name, where = limits_name(rep_id), {"rep_id": (rep_id,)}
        rule = self.limits.get(rep_id) or GroupRange(name=name, where=where, reason=_REASON)
        is_least = side == "at_least"
        rule = replace(rule, at_least=amount) if is_least else replace(rule, at_most=amount)
        least, most = rule.at_least, rule.at_most
        if least is not None and most is not None and least > most:
            settings = self.step.inputs.settings
            low, high = (
                money_text(x, settings.currency, settings.rounding_unit) for x in (least, most)
            )
            raise DataError(f"{self.names[rep_id]}: the least, {low}, is above the most, {high}.")
        if least is None and most is None:
            self.limits.pop(rep_id, None)
            self.rules.pop(name, None)
        else:
            self.limits[rep_id] = self.rules[name] = rule

    def _note(self, rep_id: str, value: Any) -> None:
        reason = " ".join(str(value if value is not None else "").split()) or _REASON
        if rep_id not in self.own and rep_id not in self.limits:
            raise DataError(
                f"{self.names[rep_id]}: a note says why a goal is held or limited; hold it first."
            )
        if hold := self.own.get(rep_id):
            self.own[rep_id] = self.holds[hold.name] = replace(hold, reason=reason)
        if rule := self.limits.get(rep_id):
            self.limits[rep_id] = self.rules[rule.name] = replace(rule, reason=reason)


def notes(scenario: Scenario, people: Sequence[str]) -> dict[str, Any]:
    """Give what edits said of people, in their order: ``hold``, ``least``, ``most``, ``note``."""
    held, limits = holds_of(scenario), limits_of(scenario)
    said = {rep: rule.reason for rep, rule in (*limits.items(), *held.items())}
    nothing = GroupRange(name="")
    of = [limits.get(rep, nothing) for rep in people]
    words = [said.get(rep, _REASON) for rep in people]
    return {
        "hold": [rep in held for rep in people],
        "least": np.array([rule.at_least for rule in of], dtype=float),
        "most": np.array([rule.at_most for rule in of], dtype=float),
        "note": pd.array(["" if text == _REASON else text for text in words], dtype="str"),
    }
