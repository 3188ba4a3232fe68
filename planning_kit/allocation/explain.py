"""Explain: what held each cell, what each rule asked and got, and steps that add up to the goal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from planning_kit.allocation.cells import Array, Grid
from planning_kit.allocation.limits import Block, Limits, group_names
from planning_kit.messages import DataError, require_labels

RULE_COLUMNS = (
    "name",
    "kind",
    "group",
    "limit",
    "priority",
    "reference",
    "reference_amount",
    "asked_low",
    "asked_high",
    "result",
    "gap",
    "binding",
    "price",
)
STEP_COLUMNS = ("step", "amount")
STEPS = (
    "base",
    "fill",
    "potential",
    "growth",
    "over_assignment",
    "holds",
    "limits",
    "reconciliation",
    "rounding",
)
TOUCH = 1e-9  # share of the mean goal within which a goal counts as standing at its limit


@dataclass(frozen=True, eq=False)
class Allocation:
    """Goals by cell with the proof that they keep the rules, worked out when somebody asks for it.

    Attributes
    ----------
    goals : DataFrame
        The cells in the order given: their label columns, ``base`` (filled), ``filled_by``,
        ``goal`` (whole rounding units; empty: the cell does not take part), ``exact`` (before
        rounding), ``lower``, ``upper`` (plan currency), ``held_by`` (which rules hold it),
        ``change_share`` (goal against base).
    rules : DataFrame
        One row a rule and group: ``name``, ``kind``, ``group``, ``limit`` (as written),
        ``priority``, ``reference`` and ``reference_amount`` (what it is relative to),
        ``asked_low``, ``asked_high``, ``result`` (of the rounded goals), ``gap`` (by how much the
        rule is missed, recomputed; 0: kept), ``binding`` (low, high or empty), ``price`` (how
        much the objective would fall for each currency unit that the limit gives; empty: the
        objective has no price).
    steps : DataFrame
        Person (or the first label), ``step``, ``amount``: add up to the goal exactly.
    objective : DataFrame
        ``measure``, ``goals``, ``proportional``: how far the goals and the proportional split are
        from the base, in the measure of every objective.
    total, target, gap, unit : float
        What the goals add up to; what was asked before over-assignment; the recomputed sum of the
        goals minus the total; the rounding unit. Plan currency.
    findings, relaxed, padding : DataFrame
        Odd things; which rule gave how much; the ledger of over-assignment by level.
    proof : callable
        Gives rules, steps, objective and findings by name.
    """

    goals: pd.DataFrame
    total: float
    target: float
    gap: float
    unit: float
    relaxed: pd.DataFrame
    padding: pd.DataFrame
    proof: Callable[[str], pd.DataFrame] = field(repr=False)

    @cached_property
    def rules(self) -> pd.DataFrame:
        """What each rule asked and got, see the class."""
        return self.proof("rules")

    @cached_property
    def steps(self) -> pd.DataFrame:
        """How every person's goal came about, see the class."""
        return self.proof("steps")

    @cached_property
    def objective(self) -> pd.DataFrame:
        """How far the goals are from the base, see the class."""
        return self.proof("objective")

    @cached_property
    def findings(self) -> pd.DataFrame:
        """Odd things, see the class."""
        return self.proof("findings")


@dataclass(frozen=True)
class Answer:
    """Goals found by an objective: amounts, prices of rows, pull on each cell."""

    goals: Array
    prices: Array
    pull: Array


def goals_table(
    cells: pd.DataFrame, grid: Grid, limits: Limits, answer: Answer, rounded: Array
) -> pd.DataFrame:
    """Lay the goals beside their cells, in the order given."""
    change = np.full(len(grid), np.nan)
    np.divide(rounded - grid.base, np.abs(grid.base), out=change, where=grid.base != 0)

    def column(values: Array) -> Any:
        given = np.full(len(cells), "" if values.dtype == object else np.nan, values.dtype)
        given[grid.order] = values
        return pd.array(given, dtype="str") if values.dtype == object else given

    columns = {
        "base": column(grid.base),
        "filled_by": column(grid.filled_by),
        "goal": column(rounded.astype(float)),
        "exact": column(answer.goals),
        "lower": column(limits.lower),
        "upper": column(limits.upper),
        "held_by": column(held_by(limits, answer)),
        "change_share": column(change),
    }
    return pd.DataFrame({**{name: cells[name] for name in grid.labels}, **columns}, cells.index)


def held_by(limits: Limits, answer: Answer) -> np.ndarray:
    """Name the rules that hold each cell: its own limit, then the groups it is in."""
    near = TOUCH * max(float(np.abs(answer.goals).mean()), 1e-300)
    names = np.array([block.rule.name for block in limits.blocks] + [""], dtype=object)
    at_low = (answer.goals <= limits.lower + near) & (limits.lower_by >= 0)
    at_high = (answer.goals >= limits.upper - near) & (limits.upper_by >= 0)
    words = np.where(at_high, names[limits.upper_by], np.where(at_low, names[limits.lower_by], ""))
    binding = _binding_rows(limits, answer, near) != ""
    for number, block in enumerate(limits.blocks):
        rows = (limits.row_block == number) & binding
        if not number or not rows.any():
            continue
        group = np.zeros(len(block.low) + 1, dtype=bool)
        group[limits.row_group[rows]] = True
        inside = group[block.codes]
        words[inside] = [
            f"{old}; {block.rule.name}" if old and old != block.rule.name else block.rule.name
            for old in words[inside]
        ]
    return words


def _binding_rows(limits: Limits, answer: Answer, near: float) -> np.ndarray:
    sums = limits.matrix @ answer.goals
    near = near * np.sqrt(len(answer.goals) + 1)
    return np.where(
        sums <= limits.low + near, "low", np.where(sums >= limits.high - near, "high", "")
    )


def rules_table(grid: Grid, limits: Limits, answer: Answer, rounded: Array) -> pd.DataFrame:
    """Recompute every rule from the goals."""
    near = TOUCH * max(float(np.abs(answer.goals).mean()), 1e-300)
    rows = _binding_rows(limits, answer, near)
    parts = []
    for number, block in enumerate(limits.blocks):
        if block.rule.kind == "implied":
            parts.append(_implied_row(block, rounded))
            continue
        binding = np.full(len(block.low), "", dtype=object)
        price = np.zeros(len(block.low))
        mine = limits.row_block == number
        binding[limits.row_group[mine]] = rows[mine]
        price[limits.row_group[mine]] = np.abs(answer.prices[mine])
        _price_cells(block, number, limits, answer, (binding, price, near))
        parts.append(_rule_rows(grid, block, rounded, binding, price))
    parts += [_choice_rows(grid, block, rounded) for block in limits.choices]
    return pd.concat(parts, ignore_index=True)[list(RULE_COLUMNS)]


def _price_cells(
    block: Block, number: int, limits: Limits, answer: Answer, out: tuple[np.ndarray, Array, float]
) -> None:
    """Mark limits of single cells that bind, with their price."""
    binding, price, near = out
    for side, by, limit in (
        ("low", limits.lower_by, limits.lower),
        ("high", limits.upper_by, limits.upper),
    ):
        cells = np.flatnonzero(by == number)
        cells = cells[np.abs(answer.goals[cells] - limit[cells]) <= near]
        binding[block.codes[cells]] = side
        price[block.codes[cells]] = np.abs(answer.pull[cells])


def _frame(block: Block, count: int, columns: dict[str, object]) -> pd.DataFrame:
    rule = block.rule
    same: dict[str, str | int] = {
        "name": rule.name,
        "kind": rule.kind,
        "limit": rule.describe(),
        "priority": rule.priority,
        "reference": rule.reference,
    }
    table = pd.DataFrame(columns, index=range(count))
    for name, value in same.items():
        table[name] = value
    return table


def _rule_rows(
    grid: Grid, block: Block, rounded: Array, binding: np.ndarray, price: Array
) -> pd.DataFrame:
    low, high, result = block.low, block.high, block.sums(rounded)
    if block.values is not None:
        rule = block.rule
        floor = bool(block.values.max(initial=0.0) > 0 and _is_floor(block))
        share = getattr(rule, "at_least_share" if floor else "at_most_share")
        inside = block.codes >= 0
        whole = np.bincount(block.codes[inside], rounded[inside], minlength=len(low))
        part = result + share * whole if floor else share * whole - result
        none = np.full(len(low), np.inf)
        low, high, result = (share * whole, none, part) if floor else (-none, share * whole, part)
        binding = np.where(binding == "", "", "low" if floor else "high")
    slip = 1e-9 * np.maximum(1.0, np.abs(result))
    gap = np.maximum(np.maximum(low - result, result - high), 0.0)
    return _frame(
        block,
        len(low),
        {
            "group": group_names(grid, block),
            "reference_amount": block.reference,
            "asked_low": low,
            "asked_high": high,
            "result": result,
            "gap": np.where(gap <= slip, 0.0, gap),
            "binding": binding,
            "price": price,
        },
    )


def _is_floor(block: Block) -> bool:
    share = getattr(block.rule, "at_least_share", None)
    if share is None:
        return False
    values = block.values[block.codes >= 0] if block.values is not None else np.zeros(0)
    return bool(np.isin(values, (1 - share, -share)).all())


def _implied_row(block: Block, rounded: Array) -> pd.DataFrame:
    inside = rounded[block.codes >= 0]
    floor = bool(np.isfinite(block.low).any())
    result = float(inside.min() if floor else inside.max()) if len(inside) else 0.0
    gap = max(0.0, -result if floor else result)
    return _frame(
        block,
        1,
        {
            "group": f"{len(inside)} cells",
            "reference_amount": np.nan,
            "asked_low": 0.0 if floor else -np.inf,
            "asked_high": np.inf if floor else 0.0,
            "result": result,
            "gap": gap,
            "binding": "",
            "price": np.nan,
        },
    )


def _choice_rows(grid: Grid, block: Block, rounded: Array) -> pd.DataFrame:
    result = block.sums(rounded)
    amount = block.rule.amount  # type: ignore[attr-defined]
    gap = np.where((result == 0) | (result >= amount), 0.0, np.minimum(result, amount - result))
    return _frame(
        block,
        len(result),
        {
            "group": group_names(grid, block),
            "reference_amount": np.nan,
            "asked_low": np.where(result == 0, 0.0, amount),
            "asked_high": np.inf,
            "result": result,
            "gap": gap,
            "binding": np.where(result == 0, "high", np.where(result == amount, "low", "")),
            "price": np.nan,
        },
    )


def steps_table(grid: Grid, stages: Sequence[tuple[str, Array]], unit: float) -> pd.DataFrame:
    """Turn the amounts after each stage into steps by person that add up exactly.

    Amounts after each stage are brought to whole currency (or to the unit, where it is smaller),
    so that adding the steps up gives the goal and nothing else.
    """
    person = "rep_id" if "rep_id" in grid.labels else grid.labels[0]
    codes, names = grid.codes(person)
    present = np.unique(codes)
    grain = min(unit, 1.0)
    per_one = round(1 / grain)
    sums = [
        np.round(np.bincount(codes, amounts, minlength=len(names))[present] * per_one)
        for _, amounts in stages
    ]
    after = np.vstack(sums).astype(np.int64)
    amounts = np.diff(after, axis=0, prepend=0) / per_one
    people = np.asarray(names, dtype=object)[present]
    return pd.DataFrame(
        {
            person: pd.array(np.repeat(people, len(stages)), dtype="str"),
            "step": pd.array([name for name, _ in stages] * len(people), dtype="str"),
            "amount": amounts.T.ravel(),
        }
    )


def measure(grid: Grid, goals: Array, weight: Array) -> dict[str, float]:
    """Measure how far goals are from the base, in the measure of every objective."""
    move = goals - grid.base
    there = weight > 0
    some = grid.base != 0
    change = np.abs(move[some] / grid.base[some])
    return {
        "weighted squares": float((move[there] ** 2 / weight[there]).sum() / 2),
        "sum of absolute changes": float(np.abs(move).sum()),
        "cells changed": float((np.abs(move) > 1e-9 * np.abs(grid.base) + 1e-12).sum()),
        "largest relative change": float(change.max(initial=0.0)),
    }


def explain_rep(allocation: Allocation, rep_id: str) -> pd.DataFrame:
    """Give the chain of steps of one person, for a waterfall.

    Returns
    -------
    pandas.DataFrame
        ``step``, ``amount``, ``from_amount``, ``to_amount`` (plan currency); the last
        ``to_amount`` is the goal. Steps of 0 are left out, but not the base.

    Raises
    ------
    DataError
        Nobody of that id has a goal.
    """
    person = str(allocation.steps.columns[0])
    require_labels([rep_id], allocation.steps[person], "explain_rep")
    steps = allocation.steps[allocation.steps[person] == str(rep_id)]
    steps = steps[(steps["amount"] != 0) | (steps["step"] == "base")]
    after = steps["amount"].cumsum()
    return pd.DataFrame(
        {
            "step": steps["step"],
            "amount": steps["amount"],
            "from_amount": after - steps["amount"],
            "to_amount": after,
        }
    ).reset_index(drop=True)


def require_amount(value: float, what: str) -> float:
    """Check that an amount is a number of 0 or more."""
    if not np.isfinite(value) or value < 0:
        raise DataError(f"{what} is {value!r}; it must be an amount of 0 or more.")
    return float(value)
