"""The levers of a what-if: what is read out of a scenario, and what is written into it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from planning_kit.data import asked_targets
from planning_kit.data.scenario_check import Resolve
from planning_kit.messages import DataError, UsageError, require_labels
from planning_kit.messages.amounts import EMPTY, money_text, read_amount, read_share
from planning_kit.numbers.units import from_units
from planning_kit.outlook.register import move_driver, overall, restore_driver
from planning_kit.plan import CELL, OBJECTIVES, MaxChange, Rule, Scenario
from planning_kit.walk.company import resolver
from planning_kit.walk.logged import totals_agreed
from planning_kit.walk.step import Step

RULE_NAME = "what if: largest change"
PADDED = "region"  # the level of over-assignment that the lever sets
Value = float | str | None


@dataclass(frozen=True)
class Lever:
    """One thing a planner moves.

    Attributes
    ----------
    key, label : str
        Its name for programs, and for people with its unit.
    kind : str
        amount (plan currency), share (0.05 is 5 %) or choice.
    part : callable
        Gives what it writes, out of a scenario: two scenarios that say the same there are the same
        to it.
    least, most, step : float
        Ends and steps of a slider; a typed value may lie outside.
    choices : tuple of str
        Of a choice.
    """

    key: str
    label: str
    kind: str
    now: Callable[[Step, Scenario], Value]
    put: Callable[[Step, Scenario, Value], Scenario]
    part: Callable[[Step, Scenario], Any]
    least: float = 0.0
    most: float = 0.0
    step: float = 0.01
    choices: tuple[str, ...] = ()

    def value(self, step: Step, scenario: Scenario) -> Value:
        """Give what counts in a scenario; None: nothing is said of it."""
        return self.now(step, scenario)

    def read(self, step: Step, scenario: Scenario) -> Value:
        """Give what counts where it was moved; None: it is as in the scenario that was opened."""
        same = self.part(step, scenario) == self.part(step, step.scenario)
        return None if same else self.now(step, scenario)

    def write(self, step: Step, scenario: Scenario, value: Value) -> Scenario:
        """Give the scenario with the lever at a value; None: as in the scenario that was opened.

        Raises
        ------
        PlanningError
            It cannot have that value.
        """
        return self.put(step, scenario, value)

    def typed(self, text: str) -> Value:
        """Read what somebody typed; nothing is None: as in the scenario.

        Raises
        ------
        DataError
            It is not read as an amount, a share or a choice.
        """
        if not text.strip():
            return None
        if self.kind == "choice":
            require_labels([text], self.choices, self.label)
            return text
        return float(read_amount(text) if self.kind == "amount" else read_share(text))

    def text(self, step: Step, value: Value) -> str:
        """Write a value as it is read again."""
        if value is None or isinstance(value, str):
            return value or EMPTY
        if self.kind == "amount":
            settings = step.inputs.settings
            return money_text(value, settings.currency, settings.rounding_unit)
        return f"{100 * value:.2f}".rstrip("0").rstrip(".") + " %"


# --- the target -----------------------------------------------------------------------------------


def target_under(step: Step, scenario: Scenario) -> float:
    """Give the target of the step's region under a scenario, plan currency.

    Raises
    ------
    PlanningError
        The targets do not fit together.
    """
    return step.under(scenario, _targets_under(step, scenario)).inputs.target


def _targets_under(step: Step, scenario: Scenario) -> Mapping[str, float]:
    if _asked_in(step, scenario) == _asked_in(step, step.scenario):
        return step.targets
    resolve: Resolve = step.once("resolver", lambda: _resolver(step))
    key = "targets", scenario.name, scenario.digest(["targets", "company"])
    found: Mapping[str, float] = step.once(key, lambda: resolve(step.plan, step.prepared, scenario))
    return found


def moved_step(step: Step, scenario: Scenario) -> Step:
    """Give the opened step under another scenario, with the target it asks for.

    Raises
    ------
    PlanningError
        The targets do not fit together.
    """
    if scenario.review != step.scenario.review:  # other results
        region: Any = None if step.inputs.is_company else step.inputs.name
        return step.other(region, scenario, step.folder)
    return step.under(scenario, _targets_under(step, scenario))


def _resolver(step: Step) -> Resolve:
    return resolver(totals_agreed(step.plan, step.folder.parent))


def _asked_in(_: Step, scenario: Scenario) -> Any:
    return scenario.name, scenario.targets, scenario.company


def _put_target(step: Step, scenario: Scenario, value: Value) -> Scenario:
    if value is None:
        return scenario.with_(targets=step.scenario.targets)
    whole_units(step, float(value), "the target")
    name = "" if step.inputs.is_company else step.inputs.name
    asked = asked_targets(step.plan, scenario)
    return scenario.with_(targets=asked.with_region(name, float(value), step.inputs.regions))


def whole_units(step: Step, amount: float, what: str) -> None:
    """Refuse an amount that is not a whole number of rounding units, naming the nearest ones."""
    unit, currency = step.inputs.settings.rounding_unit, step.inputs.settings.currency
    if not 0 <= amount / unit <= 2**53:
        raise DataError(f"{what} is {amount:,.10g}; it must be an amount of 0 or more.")
    below = int(amount / unit + 1e-6)
    if abs(amount / unit - below) <= 1e-6:
        return
    near = " or ".join(money_text(from_units(n, unit), currency, unit) for n in (below, below + 1))
    raise DataError(f"{what} is {amount:,.10g}, and goals are multiples of {unit:g}; write {near}.")


def _reviewed(step: Step) -> float:
    rows = step.prepared.facts["regions"]
    name = None if step.inputs.is_company else step.inputs.name
    return sum(float(row["reviewed"]) for row in rows if name in (None, row["name"]))


def _over(level: Callable[[Step], float], step: Step, scenario: Scenario) -> float | None:
    """Give the target's change on a level; None: the level is nothing."""
    amount = level(step)
    return target_under(step, scenario) / amount - 1 if amount > 0 else None


def _put_over(
    level: Callable[[Step], float], step: Step, scenario: Scenario, value: Value
) -> Scenario:
    if value is None:
        return _put_target(step, scenario, None)
    unit, amount = step.inputs.settings.rounding_unit, level(step)
    if amount <= 0:
        raise UsageError("nothing was sold in the reviewed period; set the target as an amount.")
    units = max(0, round(amount * (1 + float(value)) / unit))
    return _put_target(step, scenario, from_units(units, unit))


def _opened(step: Step) -> float:
    return step.inputs.target


# --- what is assumed ------------------------------------------------------------------------------


def _assumed(driver: str, step: Step, scenario: Scenario) -> float | None:
    known = overall(step.inputs, scenario, driver)
    return None if known is None else known.base


def _entry(driver: str, step: Step, scenario: Scenario) -> Any:
    known = overall(step.inputs, scenario, driver)
    return known and (known.assumption_id, known.low, known.base, known.high)


def _put_driver(driver: str, step: Step, scenario: Scenario, value: Value) -> Scenario:
    if value is None:
        return restore_driver(step.inputs, scenario, driver, step.scenario)
    return move_driver(step.inputs, scenario, driver, float(value))


# --- the split ------------------------------------------------------------------------------------


def _padding(_: Step, scenario: Scenario) -> float:
    return scenario.over_assignment.get(PADDED, 0.0)


def _put_padding(step: Step, scenario: Scenario, value: Value) -> Scenario:
    share = step.scenario.over_assignment.get(PADDED) if value is None else float(value)
    if share is not None and not 0 <= share <= 5:
        raise DataError(f"over-assignment is {100 * share:g} %; it is between 0 and 500 %.")
    levels = {k: v for k, v in scenario.over_assignment.items() if k != PADDED or share is not None}
    return scenario.with_(over_assignment=levels if share is None else {**levels, PADDED: share})


def _kind(_: Step, scenario: Scenario) -> str:
    return scenario.objective.kind


def _put_kind(step: Step, scenario: Scenario, value: Value) -> Scenario:
    kind = step.scenario.objective.kind if value is None else str(value)
    require_labels([kind], OBJECTIVES, "objective")
    return scenario.with_(objective=replace(scenario.objective, kind=kind))


def largest_change(scenario: Scenario) -> MaxChange | None:
    """Give the limit on the movement of every cell that a what-if writes; None: there is none."""
    found = (rule for rule in scenario.rules if rule.name == RULE_NAME)
    return next((rule for rule in found if isinstance(rule, MaxChange)), None)


def _side(name: str, _: Step, scenario: Scenario) -> float | None:
    rule = largest_change(scenario)
    share: float | None = None if rule is None else getattr(rule, name)
    return share


def _put_side(name: str, step: Step, scenario: Scenario, value: Value) -> Scenario:
    share = _side(name, step, step.scenario) if value is None else float(value)
    if share is not None and (share < 0 or (share > 1 and name == "most_down_share")):
        raise DataError(f"a largest change of {100 * share:g} % is none; write 10 % or 0.1.")
    rule = largest_change(scenario) or largest_change(step.scenario)
    rule = rule or MaxChange(name=RULE_NAME, each=(CELL,))
    if largest_change(scenario) is None:
        rule = replace(rule, most_up_share=None, most_down_share=None)
    is_up = name == "most_up_share"
    rule = replace(rule, most_up_share=share) if is_up else replace(rule, most_down_share=share)
    is_empty = rule.most_up_share is None and rule.most_down_share is None
    return scenario.with_(rules=with_rule(scenario.rules, RULE_NAME, None if is_empty else rule))


def with_rule(rules: tuple[Any, ...], name: str, rule: Rule | None) -> tuple[Any, ...]:
    """Put a rule in the place of one of its name, else at the end; None: take it out."""
    new = () if rule is None else (rule,)
    at = next((k for k, other in enumerate(rules) if other.name == name), len(rules))
    return (*rules[:at], *new, *rules[at + 1 :])


def _driver_lever(key: str, label: str, driver: str, least: float, most: float) -> Lever:
    now, put, part = (
        partial(_assumed, driver),
        partial(_put_driver, driver),
        partial(_entry, driver),
    )
    return Lever(key, label, "share", now, put, part, least=least, most=most, step=0.005)


def _view_lever(key: str, label: str, level: Callable[[Step], float]) -> Lever:
    now, put = partial(_over, level), partial(_put_over, level)
    return Lever(key, label, "share", now, put, _asked_in, least=-0.3, most=0.3)


def _side_lever(key: str, label: str, name: str) -> Lever:
    now, put = partial(_side, name), partial(_put_side, name)
    return Lever(key, label, "share", now, put, now, most=1.0)


LEVERS: dict[str, Lever] = {
    lever.key: lever
    for lever in (
        Lever("target", "target", "amount", target_under, _put_target, _asked_in),
        _view_lever("target_change", "change of the target (%)", _opened),
        _view_lever("growth", "growth on the reviewed year (%)", _reviewed),
        _driver_lever("market", "market growth (% a year)", "market_growth", -0.2, 0.2),
        _driver_lever("turnover", "people who leave (% a year)", "turnover_rate", 0.0, 0.5),
        _driver_lever("price", "change of prices (%)", "price_change", -0.2, 0.2),
        Lever(
            "over_assignment",
            "over-assignment of the region (%)",
            "share",
            _padding,
            _put_padding,
            lambda _, scenario: scenario.over_assignment.get(PADDED),
            most=0.3,
        ),
        Lever("objective", "objective", "choice", _kind, _put_kind, _kind, choices=OBJECTIVES),
        _side_lever("most_up", "largest rise on the base (%)", "most_up_share"),
        _side_lever("most_down", "largest fall on the base (%)", "most_down_share"),
    )
}
