"""The engine: cells, a total and a scenario in; goals with their proof out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property

import numpy as np
import pandas as pd

from planning_kit.allocation.cells import Array, Grid, blend_bases, lay_out
from planning_kit.allocation.chance import padding_ledger
from planning_kit.allocation.conflicts import GIVE_COLUMNS, relax_limits
from planning_kit.allocation.explain import (
    Allocation,
    Answer,
    goals_table,
    measure,
    require_amount,
    rules_table,
    steps_table,
)
from planning_kit.allocation.finish import round_goals
from planning_kit.allocation.limits import Limits, assemble, set_limits
from planning_kit.allocation.objectives import Aim, choose, find_goals, read_aim
from planning_kit.messages import DataError, finding, findings_table, shorten, stop_on_faults
from planning_kit.plan import OBJECTIVES, Relax, Rule, Scenario, unknown_in_rules

Findings = list[dict[str, str]]
EMPTY = Scenario()


@dataclass(frozen=True)
class Task:
    """Everything read and checked, before anything is solved."""

    cells: pd.DataFrame
    grid: Grid
    rules: tuple[Rule, ...]
    aim: Aim
    limits: Limits
    relax: Relax
    target: float
    total: float
    unit: float
    padding: pd.DataFrame


def allocate(
    cells: pd.DataFrame,
    total: float,
    scenario: Scenario | Sequence[Rule] = EMPTY,
    *,
    rounding_unit: float = 1.0,
    references: Mapping[str, pd.Series] | None = None,
    today: date,
) -> Allocation:
    """Split a total over cells as near to the base as the rules allow, to the unit of rounding.

    Cells that nothing holds get the same relative change (with the default weights). Every rule
    is recomputed from the rounded goals; nothing gives unless ``[relax]`` of the scenario says so.

    Parameters
    ----------
    cells
        One row a cell: label columns (text or dates) and ``base`` (plan currency; empty: nobody
        has one, it is filled by the rule of ``[base] fill`` and said so). Optional columns of
        amounts may be referred to by rules (``last_year``, ``last_goal``, ``potential``);
        ``variance`` (error variance of the base) weighs movements; ``cv`` and ``role`` serve
        equal chance; ``takes_part`` False leaves a cell out: it stays empty.
    total
        Target, plan currency, a multiple of the rounding unit.
    scenario
        A scenario, or rules made by hand.
    rounding_unit
        Goals are whole multiples of it, plan currency.
    references
        More amounts that rules may refer to, by the index of the cells.
    today
        Holds that expired before this day are not applied.

    Raises
    ------
    DataError
        Cells, total or scenario are not usable; every fault is named.
    RulesConflictError
        The rules cannot all hold: which, and by how much each must give.

    Examples
    --------
    >>> from planning_kit.plan import Hold
    >>> cells = pd.DataFrame({"month": ["Jan", "Feb", "Mar"], "base": [10.0, 20.0, 30.0]})
    >>> ordered = Hold(name="Feb is ordered", amount=20, where={"month": ("Feb",)})
    >>> allocate(cells, 100, [ordered], today=date(2026, 1, 1)).goals.goal.tolist()
    [20.0, 20.0, 60.0]
    """
    task = _read(cells, total, scenario, rounding_unit, references, today)
    limits, gave = task.limits, pd.DataFrame(columns=list(GIVE_COLUMNS))
    limits = choose(task.grid, task.aim, limits)
    answer = find_goals(task.grid, task.aim, limits)
    if answer is None:
        limits, gave = relax_limits(task.grid, limits, task.relax, task.unit)
        answer = find_goals(task.grid, task.aim, limits)
        if answer is None:
            raise RuntimeError("the rules can all hold, but no goals were found")
    answer, rounded, notes = round_goals(task.grid, task.aim, limits, answer, task.unit)
    return _report(task, limits, answer, rounded, gave, notes)


def score_plan(
    cells: pd.DataFrame,
    goals: pd.Series,
    scenario: Scenario | Sequence[Rule] = EMPTY,
    *,
    total: float | None = None,
    rounding_unit: float = 1.0,
    references: Mapping[str, pd.Series] | None = None,
    today: date,
) -> Allocation:
    """Score a plan that came from elsewhere with the same tables, without changing it.

    Parameters
    ----------
    cells, scenario, rounding_unit, references, today
        As for `allocate`.
    goals
        Goals by the index of the cells, plan currency; an empty goal leaves the cell out.
    total
        What the goals should add up to; default: what they add up to.

    Returns
    -------
    Allocation
        ``gap`` and ``rules.gap`` say what the plan misses.
    """
    unknown = cells.index.symmetric_difference(goals.index)
    if len(unknown):
        raise DataError(
            f"score_plan: goals and cells do not have the same rows: {shorten(unknown)}."
        )
    given = goals.reindex(cells.index).to_numpy(dtype=float)
    table = cells.assign(takes_part=~np.isnan(given))
    asked = float(np.nansum(given)) if total is None else total
    asked = asked if total is not None else round(asked / rounding_unit) * rounding_unit
    task = _read(table, asked, scenario, rounding_unit, references, today, padded=False)
    amounts = given[task.grid.order]
    answer = Answer(amounts, np.full(len(task.limits.low), np.nan), np.full(len(amounts), np.nan))
    none = pd.DataFrame(columns=list(GIVE_COLUMNS))
    return _report(task, task.limits, answer, amounts, none, [])


def _read(
    cells: pd.DataFrame,
    total: float,
    scenario: Scenario | Sequence[Rule],
    unit: float,
    references: Mapping[str, pd.Series] | None,
    today: date,
    padded: bool = True,
) -> Task:
    given = scenario if isinstance(scenario, Scenario) else Scenario(rules=tuple(scenario))
    target, blend = _check_total(total, unit), given.base.blend
    if blend:
        before = cells["base"] if "base" in cells else blend_bases(cells, blend)
        cells = cells.assign(
            base=blend_bases(cells, blend), first_base=cells.get("last_year", before)
        )
    grid, rules = lay_out(cells, references, fill=given.base.fill), given.all_rules
    labels = {name: frozenset(grid.codes(name)[1]) - {""} for name in grid.labels}
    unknown = unknown_in_rules(rules, labels, grid.references())
    stop_on_faults(unknown, f"scenario {given.name!r}")
    padding = padding_ledger(target, given.over_assignment if padded else {}, unit)
    asked = float(padding["amount_after"].iloc[-1]) if len(padding) else target
    limits = set_limits(grid, rules, asked, unit, today)
    return Task(
        cells,
        grid,
        rules,
        read_aim(grid, given),
        limits,
        given.relax,
        target,
        asked,
        unit,
        padding,
    )


def _check_total(total: float, unit: float) -> float:
    if not np.isfinite(unit) or unit <= 0 or (unit < 1 and abs(1 / unit - round(1 / unit)) > 1e-9):
        raise DataError(f"rounding_unit is {unit!r}; it must be above 0 and, below 1, divide 1.")
    target = require_amount(total, "the total")
    units = target / unit
    if units > 2**53:
        raise DataError(f"the total is {units:.3g} rounding units; plan in a larger unit.")
    if abs(units - round(units)) > max(1e-6, 4e-16 * units):
        raise DataError(
            f"the total {target:,.10g} is not a multiple of the rounding unit {unit:,.10g}; the "
            f"nearest is {round(units) * unit:,.10g}."
        )
    return target


def _report(
    task: Task, limits: Limits, answer: Answer, rounded: Array, gave: pd.DataFrame, notes: Findings
) -> Allocation:
    gap = float(np.round((rounded.sum() - task.total) / task.unit, 6) * task.unit)
    proof = _Proof(task, limits, answer, rounded, gave, notes, gap)
    return Allocation(
        goals=goals_table(task.cells, task.grid, limits, answer, rounded),
        total=task.total,
        target=task.target,
        gap=gap,
        unit=task.unit,
        relaxed=gave,
        padding=task.padding,
        proof=lambda name: getattr(proof, name),
    )


@dataclass(frozen=True, eq=False)
class _Proof:
    """What was solved, and the tables that prove it."""

    task: Task
    limits: Limits
    answer: Answer
    rounded: Array
    gave: pd.DataFrame
    notes: Findings
    gap: float

    @cached_property
    def rules(self) -> pd.DataFrame:
        return rules_table(self.task.grid, self.limits, self.answer, self.rounded)

    @property
    def steps(self) -> pd.DataFrame:
        stages = _stages(self.task, self.limits, self.answer, self.rounded)
        return steps_table(self.task.grid, stages, self.task.unit)

    @property
    def objective(self) -> pd.DataFrame:
        grid, weight = self.task.grid, self.task.aim.weight
        measured = measure(grid, self.answer.goals, weight)
        even = measure(grid, _proportional(grid, self.task.total), weight)
        columns = {"goals": list(measured.values()), "proportional": list(even.values())}
        return pd.DataFrame({"measure": list(measured), **columns})

    @property
    def findings(self) -> pd.DataFrame:
        found = _findings(self.task, self.answer, self.rules, self.gave, self.gap)
        return findings_table([*self.limits.findings, *self.notes, *found])


def _proportional(grid: Grid, total: float) -> Array:
    level = float(np.maximum(grid.base, 0.0).sum())
    return np.maximum(grid.base, 0.0) * (total / level) if level else np.zeros(len(grid))


def _stages(task: Task, limits: Limits, answer: Answer, rounded: Array) -> list[tuple[str, Array]]:
    """Amounts after each stage; a stage that plays no part leaves them as they are."""
    grid = task.grid
    filled = grid.filled_by != ""
    blended = "first_base" in grid.table
    first = grid.table["first_base"].fillna(0.0).to_numpy(dtype=float) if blended else grid.base
    base = np.where(filled, 0.0, first)
    stages = [
        ("base", base),
        ("fill", np.where(filled, grid.base, base)),
        ("potential", grid.base),
        ("growth", _proportional(grid, task.target)),
        ("over_assignment", _proportional(grid, task.total)),
    ]
    amounts = stages[-1][1]
    for name, kinds in (("holds", ("hold",)), ("limits", ("hold", "range", "change"))):
        amounts = _with_only(task, limits, kinds, amounts, cells_only=name == "limits")
        stages.append((name, amounts))
    return [*stages, ("reconciliation", answer.goals), ("rounding", rounded)]


def _with_only(
    task: Task, limits: Limits, kinds: tuple[str, ...], before: Array, cells_only: bool
) -> Array:
    """Solve with the total and some kinds of rules only: what these rules change."""
    single = set(limits.lower_by.tolist()) | set(limits.upper_by.tolist())
    chosen = [
        number
        for number, block in enumerate(limits.blocks)
        if block.rule.kind in kinds
        and (block.rule.kind == "hold" or not cells_only or number in single)
    ]
    if not chosen or np.isnan(answer_total(limits)):
        return before
    always = [
        number
        for number, block in enumerate(limits.blocks)
        if block.rule.kind in ("total", "implied")
    ]
    if len(chosen) + len(always) == len(limits.blocks) and not limits.choices:
        part = limits
    else:
        part = assemble(task.grid, [limits.blocks[k] for k in sorted(chosen + always)], [], [])
    found = find_goals(task.grid, replace(task.aim, kind="least_movement"), part)
    return before if found is None else found.goals


def answer_total(limits: Limits) -> float:
    """Give the total the limits ask for."""
    return float(limits.blocks[0].low[0])


def _findings(
    task: Task, answer: Answer, rules: pd.DataFrame, gave: pd.DataFrame, gap: float
) -> Findings:
    return [*_about_bases(task, answer), *_about_limits(task, rules, gave, gap)]


def _about_bases(task: Task, answer: Answer) -> Findings:
    grid, notes = task.grid, []
    filled = grid.filled_by != ""
    if filled.any():
        person = grid.labels[0]
        who = grid.table.loc[filled, person].astype(str).unique()
        how = sorted(set(grid.filled_by[filled]))
        notes.append(
            finding(
                "allocation.base_filled",
                "review",
                shorten(who),
                f"{int(filled.sum())} of {len(grid)} cells had no base and got one: {'; '.join(how)}.",
                "Check these goals with the managers, or give the cells a base.",
            )
        )
    if (grid.base < 0).any():
        notes.append(
            finding(
                "allocation.base_negative",
                "review",
                "cells",
                f"{int((grid.base < 0).sum())} cells have a base below 0 and get a goal of 0.",
                "Returns above sales: give them a base or leave them out.",
            )
        )
    if np.allclose(answer.goals, grid.base, rtol=1e-12, atol=0):
        notes.append(
            finding(
                "allocation.nothing_moved",
                "review",
                "cells",
                f"Every goal equals its base: the total of {task.total:,.10g} is what the bases add up "
                "to.",
                "If growth was meant, change the total.",
            )
        )
    return notes


def _about_limits(task: Task, rules: pd.DataFrame, gave: pd.DataFrame, gap: float) -> Findings:
    notes = []
    if len(task.padding):
        share = task.total / task.target - 1 if task.target else 0.0
        notes.append(
            finding(
                "allocation.over_assignment",
                "review",
                "over_assignment",
                f"{len(task.padding)} levels add up to {share:.2%} over the target.",
                "Padding lowers everybody's chance and does not raise that of the team.",
            )
        )
    if len(gave):
        notes.append(
            finding(
                "allocation.rules_gave",
                "review",
                shorten(gave["rule"].unique()),
                f"{len(gave)} limits gave {gave['gives'].sum():,.10g} in all; the rest holds.",
                "See the table of what gave, and agree on it.",
            )
        )
    missed = rules[rules["gap"] > 0]
    if len(missed) or gap:
        notes.append(
            finding(
                "allocation.rule_missed",
                "fail",
                shorten(missed["name"].unique()) or "total",
                f"{len(missed)} limits are missed, by up to {missed['gap'].max():,.10g}; the goals "
                f"miss the total by {gap:,.10g}.",
                "See the gap column of the rules.",
            )
        )
    return notes


def compare_objectives(
    cells: pd.DataFrame,
    total: float,
    scenario: Scenario = EMPTY,
    *,
    rounding_unit: float = 1.0,
    references: Mapping[str, pd.Series] | None = None,
    today: date,
    objectives: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Split with every objective and show the price of each against the proportional split.

    Returns
    -------
    pandas.DataFrame
        One row an objective, and ``proportional`` (the base scaled to the total, no rule kept but
        the total): a column for each measure, and ``price_<measure>`` the difference from
        proportional.
    """
    kinds = objectives or [k for k in OBJECTIVES if k != "equal_chance" or "cv" in cells]
    rows: dict[str, pd.Series] = {}
    for kind in kinds:
        plan = allocate(
            cells,
            total,
            scenario.with_(objective=replace(scenario.objective, kind=kind)),
            references=references,
            rounding_unit=rounding_unit,
            today=today,
        )
        measures = plan.objective.set_index("measure")
        rows.setdefault("proportional", measures["proportional"])
        rows[kind] = measures["goals"]
    table = pd.DataFrame(rows).T
    prices = (table - table.loc["proportional"]).add_prefix("price_")
    return pd.concat([table, prices], axis=1).rename_axis("objective").reset_index()
