"""Objectives: what "near to the base" means, each solved and brought back to the exact rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.optimize import Bounds, LinearConstraint, linprog
from scipy.stats import norm

from planning_kit.allocation.cells import Array, Grid
from planning_kit.allocation.dual import Problem
from planning_kit.allocation.explain import Answer
from planning_kit.allocation.limits import Block, Limits, assemble, group_names, opened
from planning_kit.allocation.solve import solve
from planning_kit.messages import DataError, InfeasiblePlanError, require_labels, shorten
from planning_kit.numbers.lognormal import log_spread
from planning_kit.numbers.programs import integer_program
from planning_kit.plan import GroupRange, Scenario

_ROUNDS = 300  # levels of the fairest stretch told apart
_TIGHT = 1e-9


@dataclass(frozen=True)
class Aim:
    """What the goals come near to.

    Attributes
    ----------
    kind : str
        One of `planning_kit.plan.OBJECTIVES`.
    weight : array
        How easily each cell moves.
    expected, spread : array
        For equal chance: expected result and lognormal spread of each cell.
    chances : mapping of str to float
        For equal chance: chances given by role.
    start : array or None
        For least movement: where each cell starts, plan currency, 0 too; None: at its base.
    """

    kind: str
    weight: Array
    expected: Array = field(default_factory=lambda: np.zeros(0))
    spread: Array = field(default_factory=lambda: np.zeros(0))
    chances: Mapping[str, float] = field(default_factory=dict)
    start: Array | None = None


def read_aim(grid: Grid, scenario: Scenario) -> Aim:
    """Read the objective of a scenario and the columns it needs."""
    objective = scenario.objective
    roles = grid.codes("role")[1] if "role" in grid.labels else []
    require_labels(objective.chances, roles, "[objective] chances (roles)")
    has_variance = "variance" in grid.table
    weights = objective.weights or ("variance" if has_variance else "base")
    if weights == "variance" and not has_variance:
        raise DataError("[objective] weights: variance needs a column variance in the cells.")
    weight = np.abs(grid.base)
    if weights == "even":
        weight = np.where(weight > 0, weight.mean(), 0.0)
    if weights == "variance":
        weight = _filled(grid.table["variance"].to_numpy(dtype=float), weight, "variance")
    aim = Aim(objective.kind, weight)
    if objective.kind != "equal_chance":
        return aim
    cv = _spread(grid)
    expected = grid.base
    if "expected" in grid.table:
        expected = _filled(grid.table["expected"].to_numpy(dtype=float), grid.base, "expected")
    return replace(
        aim,
        expected=np.maximum(expected, 0.0),
        spread=log_spread(cv),
        chances=objective.chances,
    )


def _filled(values: Array, like: Array, what: str) -> Array:
    """Fill empty cells in proportion to another amount."""
    known = ~np.isnan(values)
    if (values[known] < 0).any():
        raise DataError(
            f"cells: {what} must be 0 or more; {int((values[known] < 0).sum())} are below."
        )
    level = like[known].sum()
    rate = values[known].sum() / level if level else 1.0
    return np.where(known, values, np.abs(like) * rate)


def _spread(grid: Grid) -> Array:
    """Read the coefficient of variation of each cell; an empty one takes the median."""
    if "cv" in grid.table:
        cv = grid.table["cv"].to_numpy(dtype=float)
    elif "variance" in grid.table:
        root = np.sqrt(grid.table["variance"].to_numpy(dtype=float))
        cv = np.divide(root, grid.base, out=np.full(len(grid), np.nan), where=grid.base > 0)
    else:
        raise DataError(
            "[objective] equal_chance needs to know how uncertain each result is: a column cv "
            "(standard deviation over expectation) or variance in the cells."
        )
    if (cv < 0).any() or np.isnan(cv).all():
        raise DataError("cells: cv must be 0 or more, and known for at least one cell.")
    return np.where(np.isnan(cv), np.nanmedian(cv), cv)


def find_goals(grid: Grid, aim: Aim, limits: Limits) -> Answer | None:
    """Find the goals by an objective; None: no goals keep every rule, or none were found."""
    slack = 1e-12 * np.maximum(np.abs(limits.lower), np.abs(limits.upper))
    if (limits.lower > limits.upper + np.where(np.isfinite(slack), slack, 0.0)).any():
        return None
    return _SOLVERS[aim.kind](grid, aim, limits)


def _problem(grid: Grid, aim: Aim, limits: Limits) -> Problem:
    if aim.start is not None:  # cells that are held stand where they are held
        moves = limits.lower < limits.upper
        start = np.where(moves, aim.start, limits.lower)
        weight = np.where(moves, aim.weight, 0.0)
    else:
        start = grid.base
        free = opened(grid.base, limits.blocks)
        known = aim.weight[aim.weight > 0]
        weight = np.where(free, known.mean() if known.size else 1.0, aim.weight)
        weight = np.where((grid.base == 0) & ~free, 0.0, weight)
    return Problem(
        start,
        weight,
        limits.lower,
        np.maximum(limits.lower, limits.upper),
        limits.matrix,
        limits.low,
        limits.high,
    )


def _least_movement(grid: Grid, aim: Aim, limits: Limits) -> Answer | None:
    problem = _problem(grid, aim, limits)
    found = solve(problem)
    if not found.settled:
        return None
    away = np.divide(
        found.goals - problem.aim, problem.weight, out=np.zeros(len(grid)), where=problem.weight > 0
    )
    return Answer(found.goals, found.prices, problem.matrix.T @ found.prices - away)


def _equal_chance(grid: Grid, aim: Aim, limits: Limits) -> Answer | None:
    """Give cells under the same rules the same chance: the same quantile of their forecasts."""
    aims = aim.expected * np.exp(-(aim.spread**2) / 2)
    problem = replace(
        _problem(grid, aim, limits),
        aim=aims,
        spread=aim.spread,
        weight=np.where(aims > 0, aims * aim.spread, 0.0),
    )
    found = solve(problem)
    if not found.settled:
        return None
    return Answer(found.goals, found.prices, np.full(len(grid), np.nan))


def _exact(grid: Grid, aim: Aim, limits: Limits, goals: Array, prices: Array) -> Answer | None:
    """Bring the goals of a linear program, exact to seven digits, to the exact rules."""
    near = replace(_problem(grid, aim, limits), aim=goals)
    found = solve(near)
    return Answer(found.goals, prices, np.full(len(grid), np.nan)) if found.settled else None


def _rows(limits: Limits, size: float) -> tuple[sp.csr_array, Array, sp.csr_array, Array]:
    """Split the rows into equalities and at-most rows, scaled."""
    same = limits.low == limits.high
    least, most = ~same & np.isfinite(limits.low), ~same & np.isfinite(limits.high)
    above = sp.vstack(
        [-limits.matrix.tocsr()[np.flatnonzero(least)], limits.matrix.tocsr()[np.flatnonzero(most)]]
    )
    bound = np.concatenate([-limits.low[least], limits.high[most]]) / size
    equal = np.flatnonzero(same)
    return limits.matrix.tocsr()[equal], limits.low[equal] / size, above.tocsr(), bound


def _row_prices(limits: Limits, found: Any) -> Array:
    same = limits.low == limits.high
    least, most = ~same & np.isfinite(limits.low), ~same & np.isfinite(limits.high)
    prices = np.zeros(len(limits.low))
    prices[same] = found.eqlin.marginals
    marginals = -found.ineqlin.marginals
    prices[least] += marginals[: least.sum()]
    prices[most] -= marginals[least.sum() : least.sum() + most.sum()]
    return prices


def _fewest_changes(grid: Grid, aim: Aim, limits: Limits) -> Answer | None:
    """Move as few cells as possible: the weighted sum of absolute changes is smallest."""
    size = _size(grid, limits)
    equal, at, above, most = _rows(limits, size)
    cost, bounds, base = _moves(grid, aim, limits, size)
    found = linprog(
        np.concatenate([cost, cost]),
        A_ub=sp.hstack([above, -above]),
        b_ub=most - above @ base,
        A_eq=sp.hstack([equal, -equal]),
        b_eq=at - equal @ base,
        bounds=bounds,
        method="highs",
    )
    if found.x is None:
        return None
    moved = found.x[: len(grid)] - found.x[len(grid) :]
    return _exact(grid, aim, limits, (base + moved) * size, _row_prices(limits, found))


def _size(grid: Grid, limits: Limits) -> float:
    return max(float(np.abs(grid.base).mean()), float(limits.blocks[0].low[0]) / len(grid), 1e-300)


def _moves(grid: Grid, aim: Aim, limits: Limits, size: float) -> tuple[Array, Array, Array]:
    """Cost and limits of moving each cell up and down from its base, scaled."""
    problem = _problem(grid, aim, limits)
    stuck = problem.weight <= 0
    at = np.clip(problem.aim, problem.lower, problem.upper)
    lower, upper = (np.where(stuck, at, x) / size for x in (problem.lower, problem.upper))
    base = problem.aim / size
    ease = problem.weight / (problem.weight.mean() or 1.0)
    cost = np.divide(1.0, ease, out=np.ones(len(grid)), where=ease > 0)
    up = np.column_stack([np.maximum(lower - base, 0), np.maximum(upper - base, 0)])
    down = np.column_stack([np.maximum(base - upper, 0), np.maximum(base - lower, 0)])
    return cost, np.vstack([up, down]), base


def _fairest_stretch(grid: Grid, aim: Aim, limits: Limits) -> Answer | None:
    """Make the largest relative change as small as possible, then the next largest, and so on."""
    size = _size(grid, limits)
    base = grid.base / size
    problem = _problem(grid, aim, limits)
    stuck = problem.weight <= 0
    at = np.clip(problem.aim, problem.lower, problem.upper)
    lower, upper = (np.where(stuck, at, x) / size for x in (problem.lower, problem.upper))
    rows = _rows(limits, size)
    stretch = np.abs(base)
    open_ = (stretch > 0) & (lower < upper)
    goals = None
    for _ in range(_ROUNDS):
        found = _smallest_stretch(rows, base, stretch, open_, (lower, upper))
        if found is None:
            break
        goals, most, tight = found
        if most <= _TIGHT or not open_.any():
            break
        lower = np.where(tight, np.maximum(lower, base - most * stretch), lower)
        upper = np.where(tight, np.minimum(upper, base + most * stretch), upper)
        upper = np.maximum(lower, upper)
        open_ = open_ & ~tight
    if goals is None:
        return None
    return _exact(grid, aim, limits, goals * size, np.full(len(limits.low), np.nan))


def _smallest_stretch(
    rows: tuple[Any, ...], base: Array, stretch: Array, open_: Array, limits: tuple[Array, Array]
) -> tuple[Array, float, Array] | None:
    """Solve one level: the smallest largest change, and the cells that must have it."""
    equal, at, above, most = rows
    count, cells = len(base), np.flatnonzero(open_)
    one = sp.csr_array((np.ones(len(cells)), (np.arange(len(cells)), cells)), (len(cells), count))
    by = sp.csr_array(-stretch[cells][:, None])
    none = sp.csr_array((above.shape[0], 1))
    system = sp.vstack([sp.hstack([above, none]), sp.hstack([one, by]), sp.hstack([-one, by])])
    right = np.concatenate([most, base[cells], -base[cells]])
    cost = np.append(np.zeros(count), 1.0)
    bounds = np.column_stack([np.append(limits[0], 0.0), np.append(limits[1], np.inf)])
    found = linprog(
        cost,
        A_ub=system.tocsr(),
        b_ub=right,
        A_eq=sp.hstack([equal, sp.csr_array((equal.shape[0], 1))]).tocsr(),
        b_eq=at,
        bounds=bounds,
        method="highs",
    )
    if found.x is None:
        return None
    prices = -found.ineqlin.marginals[above.shape[0] :]
    tight = np.zeros(count, dtype=bool)
    tight[cells] = np.maximum(prices[: len(cells)], prices[len(cells) :]) * stretch[cells] > _TIGHT
    if not tight.any():
        tight[cells] = (
            np.abs(found.x[cells] - base[cells]) >= (found.x[-1] - _TIGHT) * stretch[cells]
        )
    return found.x[:-1], float(found.x[-1]), tight


_SOLVERS = {
    "least_movement": _least_movement,
    "fewest_changes": _fewest_changes,
    "fairest_stretch": _fairest_stretch,
    "equal_chance": _equal_chance,
}


def choose(grid: Grid, aim: Aim, limits: Limits) -> Limits:
    """Decide what stays open: which groups get nothing, and goals of roles with a given chance.

    Raises
    ------
    InfeasiblePlanError
        No choice of nothing or enough keeps the other rules; the nearest one is named.
    """
    blocks = list(limits.blocks)
    if aim.kind == "equal_chance":
        blocks += _given_chances(grid, aim)
    if limits.choices:
        before = assemble(grid, blocks, limits.choices, limits.findings)
        chosen = _decide(grid, aim, before)
        if chosen is None:
            return before
        blocks += chosen
    if len(blocks) == len(limits.blocks):
        return limits
    return assemble(grid, blocks, limits.choices, limits.findings)


def _given_chances(grid: Grid, aim: Aim) -> list[Block]:
    blocks = []
    for role, chance in aim.chances.items():
        codes, names = grid.codes("role")
        inside = codes == names.index(role)
        goals = aim.expected * np.exp(aim.spread * norm.isf(chance) - aim.spread**2 / 2)
        rule = GroupRange(
            name=f"chance of {chance:.0%} for {role}",
            where={"role": (role,)},
            each=("cell",),
            priority=3,
        )
        each = np.where(inside, np.cumsum(inside) - 1, -1)
        blocks.append(Block(rule, each, [], goals[inside], goals[inside], goals[inside] * np.nan))
    return blocks


def _decide(grid: Grid, aim: Aim, limits: Limits) -> list[Block] | None:
    """Choose nothing or enough for each group, with the least weighted absolute change."""
    if (limits.lower > limits.upper).any():
        return None
    count, groups = len(grid), sum(len(block.low) for block in limits.choices)
    size = _size(grid, limits)
    cost, bounds, base = _moves(grid, aim, limits, size)
    part = sp.vstack(
        [
            sp.csr_array(
                (
                    np.ones((b.codes >= 0).sum()),
                    (b.codes[b.codes >= 0], np.flatnonzero(b.codes >= 0)),
                ),
                (len(b.low), count),
            )
            for b in limits.choices
        ]
    )
    amount = np.concatenate([np.full(len(b.low), b.rule.amount) for b in limits.choices]) / size  # type: ignore[attr-defined]
    most = part @ np.minimum(bounds[:count, 1] + base, limits.blocks[0].low[0] / size)
    for elastic in (0.0, np.inf):
        found = _milp(limits, size, (cost, bounds, base), (part, amount, most), elastic)
        if found.x is not None:
            break
    else:
        return None
    short = found.x[-groups:]
    if (short > 1e-7).any():
        _raise_short(grid, limits, short * size, amount * size)
    takes = np.round(found.x[2 * count : 2 * count + groups]) > 0.5
    return decided(limits, takes)


def _milp(
    limits: Limits, size: float, moves: tuple[Array, ...], parts: tuple[Any, ...], elastic: float
) -> Any:
    (cost, bounds, base), (part, amount, most) = moves, parts
    groups = len(amount)
    zero = sp.csr_array((limits.matrix.shape[0], 2 * groups))
    system = sp.hstack([limits.matrix, -limits.matrix, zero])
    own = sp.eye_array(groups)
    enough = sp.hstack([part, -part, -own * amount, own])
    nothing = sp.hstack([part, -part, -own * most, sp.csr_array((groups, groups))])
    at = limits.matrix @ base
    constraints = [
        LinearConstraint(system.tocsr(), limits.low / size - at, limits.high / size - at),
        LinearConstraint(enough.tocsr(), -(part @ base), np.inf),
        LinearConstraint(nothing.tocsr(), -np.inf, -(part @ base)),
    ]
    heavy = np.full(groups, float(cost.sum()) * 10 + 1.0)
    return integer_program(
        np.concatenate([cost, cost, np.zeros(groups), heavy]),
        constraints=constraints,
        integrality=np.concatenate([np.zeros(2 * len(cost)), np.ones(groups), np.zeros(groups)]),
        bounds=Bounds(
            np.concatenate([bounds[:, 0], np.zeros(2 * groups)]),
            np.concatenate([bounds[:, 1], np.ones(groups), np.full(groups, elastic)]),
        ),
    )


def _raise_short(grid: Grid, limits: Limits, short: Array, amount: Array) -> None:
    names = [
        f"{block.rule.name!r} for {name!r}" if name else repr(block.rule.name)
        for block in limits.choices
        for name in group_names(grid, block)
    ]
    said = [
        f"{names[k]} by {short[k]:,.10g} (to at least {amount[k] - short[k]:,.10g})"
        for k in np.flatnonzero(short > 0)
    ]
    raise InfeasiblePlanError(
        "No choice of nothing or enough keeps the other rules. It would fit if these give: "
        f"{shorten(said).replace(chr(34), '')}."
    )


def decided(limits: Limits, takes: np.ndarray) -> list[Block]:
    """Give the zero-or-at-least rules as limits: who takes gets enough, the others nothing."""
    blocks, start = [], 0
    for block in limits.choices:
        mine = takes[start : start + len(block.low)]
        start += len(block.low)
        least = block.rule.amount  # type: ignore[attr-defined]
        blocks.append(
            replace(block, low=np.where(mine, least, -np.inf), high=np.where(mine, np.inf, 0.0))
        )
    return blocks
