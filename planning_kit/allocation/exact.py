"""The exact split: every cell starts where somebody put it; what cannot hold is said, not raised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pandas as pd

from planning_kit.allocation.cells import Grid, lay_out
from planning_kit.allocation.conflicts import (
    CONFLICT_COLUMNS,
    GIVE_COLUMNS,
    find_conflict,
    give_way,
    gives_needed,
)
from planning_kit.allocation.explain import Answer, held_by
from planning_kit.allocation.finish import round_goals
from planning_kit.allocation.limits import Block, Limits, assemble, set_limits
from planning_kit.allocation.objectives import Aim, decided, find_goals
from planning_kit.messages import stop_on_faults
from planning_kit.plan import GroupRange, Rule, unknown_in_rules

TOTAL, BETWEEN = "total", "between both numbers"
_LEAST_WEIGHTS = (0.0, 1e-4, 1e-2)  # of the largest, tried one after the other
_LAST = 0  # priority of the total: it gives before any rule does


@dataclass(frozen=True)
class Split:
    """Amounts by cell, and what could not hold.

    Attributes
    ----------
    goals : Series
        Whole rounding units in plan currency, by the index of the cells.
    held_by : Series
        Rules that hold each cell, by the index of the cells; empty text: none.
    conflict : DataFrame
        The smallest set of limits that cannot all hold (``rule``, ``group``, ``priority``,
        ``limit``); the total is the rule ``total``. No rows: all hold.
    gives : DataFrame
        What gave, and by how much, see `planning_kit.allocation.RulesConflictError`.
    """

    goals: pd.Series
    held_by: pd.Series
    conflict: pd.DataFrame
    gives: pd.DataFrame


def split_exactly(
    cells: pd.DataFrame,
    total: float,
    rules: Sequence[Rule],
    *,
    rounding_unit: float,
    today: date,
    gave: bool = False,
    between: str = "",
) -> Split | None:
    """Move cells as little as possible from where they start to a total, within rules.

    Smallest sum of ``(goal - start)^2 / weight``. Unlike `allocate` it reads where cells start
    from a column and writes no report, so that it is quick enough to ask after every word of a
    negotiation; and where the rules leave no room the total gives, as little as it can, and where
    rules contradict each other those of the lowest priority give too.

    Parameters
    ----------
    cells
        As for `allocate`, and ``start`` (plan currency, not empty), ``weight`` (above 0: how
        easily a cell moves) and ``goal``, a plan that is known to keep the rules: who has nothing
        in it stays at nothing where a rule says "nothing or at least so much".
    total
        Plan currency, a multiple of the rounding unit.
    rules
        Rules; limits may be relative to any column of numbers.
    rounding_unit, today
        As for `allocate`.
    gave
        Rules were allowed to give for ``goal``: they still may as far as they did.
    between
        A label column whose groups must stay between the columns ``low`` and ``high`` of their
        cells (plan currency, the same for all cells of a group; empty: no limit) too; then nothing
        gives, and the answer is None where that leaves no room. Empty: no column.

    Examples
    --------
    >>> from planning_kit.plan import GroupRange
    >>> cells = pd.DataFrame({"rep_id": ["ann", "bob"], "base": 1.0, "goal": 60.0})
    >>> cap = GroupRange(name="cap", where={"rep_id": ("ann",)}, at_most=65.0)
    >>> found = split_exactly(
    ...     cells.assign(start=50.0, weight=1.0),
    ...     150,
    ...     [cap],
    ...     rounding_unit=1,
    ...     today=date(2026, 1, 1),
    ... )
    >>> found.goals.tolist(), found.held_by.tolist(), len(found.conflict)
    ([65.0, 85.0], ['cap', ''], 0)
    """
    grid = lay_out(cells)
    labels = {name: frozenset(grid.codes(name)[1]) - {""} for name in grid.labels}
    stop_on_faults(unknown_in_rules(rules, labels, grid.references()), "rules")
    limits = _as_planned(grid, set_limits(grid, rules, total, rounding_unit, today), gave)
    if between:
        blocks = [*limits.blocks, _between(grid, between)]
        limits = assemble(grid, blocks, limits.choices, limits.findings)
    aim = Aim("least_movement", grid.amounts("weight"), start=grid.amounts("start"))
    conflict, gives = pd.DataFrame(columns=CONFLICT_COLUMNS), pd.DataFrame(columns=GIVE_COLUMNS)
    answer = _find(grid, aim, limits)
    if answer is None:
        if between:
            return None
        gives = gives_needed(grid, limits, rounding_unit)
        if len(gives):
            conflict = find_conflict(grid, limits)[list(CONFLICT_COLUMNS)]
            limits = _at_one_total(grid, give_way(grid, limits, gives), total)
            answer = _find(grid, aim, limits)
        if answer is None:
            raise RuntimeError("the rules can all hold, but no goals were found")
    answer, rounded, _ = round_goals(grid, aim, limits, answer, rounding_unit)
    index = cells.index[grid.order]
    return Split(
        pd.Series(rounded, index).reindex(cells.index),
        pd.Series(held_by(limits, answer), index, dtype="str").reindex(cells.index),
        conflict,
        gives[list(GIVE_COLUMNS)],
    )


def _as_planned(grid: Grid, limits: Limits, gave: bool) -> Limits:
    """Let choices be those of the plan, and limits where they gave for it; the total gives first."""
    goals, (total, *blocks) = grid.amounts("goal"), limits.blocks
    if limits.choices:
        taken = np.concatenate([block.sums(goals) > 0 for block in limits.choices])
        blocks += decided(limits, taken)
    if gave:
        blocks = [
            replace(
                block,
                low=np.minimum(block.low, block.sums(goals)),
                high=np.maximum(block.high, block.sums(goals)),
            )
            if block.rule.kind in ("range", "change", "share")
            else block
            for block in blocks
        ]
    total = replace(total, rule=replace(total.rule, priority=_LAST))
    if not limits.choices and not gave:
        return replace(limits, blocks=[total, *blocks])
    return assemble(grid, [total, *blocks], limits.choices, limits.findings)


def _find(grid: Grid, aim: Aim, limits: Limits) -> Answer | None:
    """Find the goals; where weights are too far apart for the solver, bring them nearer."""
    once = _once(limits)
    if once is None:
        return None
    for least in _LEAST_WEIGHTS:
        weight = np.maximum(aim.weight, least * aim.weight.max(initial=0.0))
        if found := find_goals(grid, replace(aim, weight=weight), once):
            return found
    return None


def _once(limits: Limits) -> Limits | None:
    """Say once what several rows say of the same cells; None where that contradicts itself.

    The solver then has fewer rows to settle, and none that pull on the same cells.
    """
    rows = limits.matrix.tocsr()
    sums = rows @ np.random.default_rng(0).random(rows.shape[1])  # the same for the same cells
    _, first, same = np.unique(sums, return_index=True, return_inverse=True)
    low, high = np.full(len(first), -np.inf), np.full(len(first), np.inf)
    np.maximum.at(low, same, limits.low)
    np.minimum.at(high, same, limits.high)
    if (low > high).any():
        return None
    return replace(
        limits,
        matrix=rows[first].tocsc(),
        low=low,
        high=high,
        row_block=limits.row_block[first],
        row_group=limits.row_group[first],
    )


def _between(grid: Grid, column: str) -> Block:
    """Hold the groups of a column between two amounts of their own."""
    codes, names = grid.codes(column)
    low, high = np.full(len(names), -np.inf), np.full(len(names), np.inf)
    for limit, amounts in ((low, grid.amounts("low")), (high, grid.amounts("high"))):
        known = ~np.isnan(amounts)
        limit[codes[known]] = amounts[known]
    rule = GroupRange(name=BETWEEN, each=(column,))
    return Block(rule, codes, names, low, high, np.full(len(names), np.nan))


def _at_one_total(grid: Grid, limits: Limits, asked: float) -> Limits:
    """Bring the total to the one amount that it gave way to."""
    total = limits.blocks[0]
    at = total.low if total.low[0] < asked else total.high
    blocks = [replace(total, low=at, high=at), *limits.blocks[1:]]
    return assemble(grid, blocks, limits.choices, limits.findings)
