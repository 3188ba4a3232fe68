"""Solve: the goals nearest to the aim that keep every limit and every group of cells.

The problem is ``min 1/2 sum (x - aim)^2 / weight`` with ``lower <= x <= upper`` and
``low <= matrix @ x <= high``. Its dual has one unknown a rule, its price; for given prices every
goal follows in closed form: the aim moved by the prices of the cell's rules, cut to its limits. So
Newton's method on the dual needs one pass over the cells a step, and conjugate gradients over the
rules that bind; the number of steps hardly grows with the number of cells.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from planning_kit.allocation.dual import PART, Dual, Part, Problem, dot
from planning_kit.allocation.system import System

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

FEASIBILITY = 1e-11  # share of the sum of the goals by which a rule may be missed
FINEST = 2e-14  # what a last step is tried for, in problems of up to POLISHED_UP_TO cells
POLISHED_UP_TO = 100_000
FEW = 0.1  # share of the cells up to which rules that are missed are settled by themselves
WORST = 1e-3  # of what the worst rule misses: what misses less is left to the next step
LARGE = 1_000  # rules of this share of the cells (one in so many) and above are not among them
RIDGE = 1e-13  # relative; keeps rules solvable that say the same twice
FIRST = 1e-2  # where it starts: early on, rules seem to contradict that do not in the end
STIFFEST = 1e3  # relative; a step held back this much is a plain step downhill
CAREFUL = 1e-4  # the least of a second try, with short steps
FARTHEST = 1e4  # growth of prices in one step above which the step is held back
MOST_STEPS = 100
PATIENT = 3  # steps after which it is enough that a step helped to hold the next one back less


@dataclass(frozen=True)
class Solution:
    """Goals, the price of each row, and whether they are proved to be best.

    ``settled`` says that every row is kept to `FEASIBILITY` and every price has the sign of the
    limit it belongs to, which for a convex problem proves the optimum.
    """

    goals: Array
    prices: Array
    settled: bool
    steps: int


def solve(problem: Problem) -> Solution:
    """Find the goals with least movement (or equal chance) that keep every limit.

    Returns
    -------
    Solution
        ``settled`` is False where no goals keep every rule, or none were found.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> base = np.array([10.0, 20.0, 30.0])
    >>> problem = Problem(
    ...     base,
    ...     base,
    ...     np.array([0.0, 20, 0]),
    ...     np.array([np.inf, 20, np.inf]),
    ...     sp.csc_array(np.ones((1, 3))),
    ...     np.array([100.0]),
    ...     np.array([100.0]),
    ... )
    >>> solve(problem).goals.round(6).tolist()
    [20.0, 20.0, 60.0]
    """
    return _solve(problem, len(problem.aim) > POLISHED_UP_TO)


def _solve(problem: Problem, apart: bool) -> Solution:
    """Solve, settling the worst rules apart or not."""
    known = np.abs(problem.aim)
    size = float(known.mean()) if known.size else 0.0
    if not size:
        finite = problem.low[np.isfinite(problem.low)]
        size = float(np.abs(finite).max(initial=0.0)) / max(1, known.size) or 1.0
    ease = (float(problem.weight.mean()) if known.size else 0.0) or 1.0
    with _Threads(known.size // PART) as each:
        dual = Dual(problem, size, ease, each)
        prices, settled, steps = _newton(dual, RIDGE, apart)
        if not settled:
            prices, settled, steps = _newton(dual, CAREFUL, False)
    goals = dual.goals
    goals *= size
    np.maximum(np.minimum(goals, problem.upper, out=goals), problem.lower, out=goals)
    if problem.spread is None:
        prices *= size / ease
    return Solution(goals, prices, settled, steps)


class _Threads:
    """Work on parts side by side, as many as OMP_NUM_THREADS or the processors allow.

    What the parts give is added up in their order: the result does not depend on the number.
    """

    def __init__(self, parts: int) -> None:
        most = os.environ.get("OMP_NUM_THREADS", "")
        self.count = min(parts, int(most) if most.isdigit() else os.cpu_count() or 1)

    def __enter__(self) -> Callable[..., Iterable[Any]]:
        self.pool = ThreadPoolExecutor(self.count) if self.count > 1 else None
        return self.pool.map if self.pool else map

    def __exit__(self, *error: object) -> None:
        if self.pool:
            self.pool.shutdown()


def _newton(dual: Dual, least: float, apart: bool) -> tuple[Array, bool, int]:
    """Search prices at which every rule is kept, holding steps back at least so much."""
    at = _Search(dual, least)
    scale = max(1e-300, _largest(dual.low[dual.equal]), float(np.abs(dual.goals).sum()))
    finest = FINEST if len(dual.goals) <= POLISHED_UP_TO else FEASIBILITY
    before, miss = np.inf, _largest(at.missing)
    for step in range(MOST_STEPS):
        settled = miss <= FEASIBILITY * scale
        if miss <= finest * scale or (settled and miss > 0.1 * before):
            return at.prices, True, step
        close = (miss / before) ** 2 if step > 1 else 0.1
        forcing = min(0.1, max(close, 0.03 * finest * scale / miss, 1e-12))
        if at.step(forcing, settled):
            if apart:
                apart = at.settle_few(max(finest * scale, WORST * _largest(at.missing)))
            before, miss = miss, _largest(at.missing)
        elif settled or at.ridge >= STIFFEST:
            return at.prices, settled, step
    return at.prices, False, MOST_STEPS


class _Search:
    """Where the search stands: prices, what the rules miss there, how far steps are held back."""

    def __init__(self, dual: Dual, least: float) -> None:
        self.dual = dual
        self.least = self.ridge = least
        self.prices = np.zeros(len(dual.low))
        self.missing = dual.missing(self.prices, dual.move(self.prices))
        self.best = _largest(self.missing)
        self.value: float | None = None
        self.begun = False
        self.steps = 0

    def step(self, forcing: float, settled: bool) -> bool:
        """Make one step of Newton's method; False: it did not help and the next is held back."""
        way = _direction(self.dual, self.prices, self.missing, (forcing, self.ridge))
        wild = _largest(way) > FARTHEST * (1 + _largest(self.prices)) and self.ridge < 1.0
        before = _largest(self.missing)
        self.steps += 1
        if not wild and self._walk(way, settled):
            if not self.begun:
                self.begun, self.ridge = True, max(self.least, FIRST)
            elif _largest(self.missing) < 0.3 * before or self.steps > PATIENT:
                self.ridge = max(self.least, self.ridge / 100)
            self.best = min(self.best, _largest(self.missing))
            return True
        self.dual.move(self.prices)
        self.ridge = max(1e-3, self.ridge * 30)
        return False

    def settle_few(self, tolerance: float) -> bool:
        """Settle small rules by themselves where few are left: a pass over all cells costs more.

        False: they contradict each other, and it is not worth another try.
        """
        few = _few(self.dual, self.prices, np.abs(self.missing) > tolerance)
        if few is None:
            return True
        found = _solve(few[1], apart=False)
        if found.settled:
            self.prices[few[0]] = found.prices
            self.missing = self.dual.missing(self.prices, self.dual.move(self.prices))
            self.value = None
        return found.settled

    def _walk(self, way: Array, settled: bool) -> bool:
        """Go along the step as far as it helps; a price does not change its sign on the way."""
        dual, length = self.dual, 1.0
        bound = ~dual.equal
        for _ in range(1 if settled else 5):
            there = self.prices + length * way
            there[bound & (there * self.prices < 0)] = 0.0
            there[bound & (self.prices == 0) & (there * self.missing < 0)] = 0.0
            left = dual.missing(there, dual.move(there))
            moved = there - self.prices
            gain = dot(self.missing, moved)
            value: float | None = None
            good = _largest(left) <= 0.7 * self.best
            if not good and not settled:
                # Still on the way down is enough, because the dual function is convex.
                good = gain > 0 and dot(left, moved) >= 0
                if not good:
                    value = dual.value(there)
                    good = value <= self._value(there) - 1e-4 * gain
            if good:
                self.prices, self.missing, self.value = there, left, value
                return True
            length *= 0.5
        return False

    def _value(self, there: Array) -> float:
        """Give the dual function where the search stands, and go on to the prices given."""
        if self.value is None:
            self.dual.move(self.prices)
            self.value = self.dual.value(self.prices)
            self.dual.move(there)
        return self.value


def _few(dual: Dual, prices: Array, missed: Mask) -> tuple[Array, Problem] | None:
    """Take out the small rules that are missed with their cells; None where they are many."""
    problem, cells = dual.problem, len(dual.goals)
    missed = missed & (dual.cells * LARGE <= cells)
    if not missed.any() or dual.cells[missed].sum() > FEW * cells:
        return None
    chosen = np.flatnonzero(problem.matrix.T @ missed.astype(float))
    columns = problem.matrix[:, chosen]
    rules = np.flatnonzero(np.bincount(columns.indices, minlength=len(missed)) == dual.cells)
    rows = columns.tocsr()
    others = prices.copy()
    others[rules] = 0.0
    pull = columns.T @ others
    aim, weight = problem.aim[chosen] / dual.size, problem.weight[chosen] / dual.ease
    spread = None if problem.spread is None else problem.spread[chosen]
    aim = aim + weight * pull if spread is None else aim * np.exp(np.clip(spread * pull, -700, 700))
    part = Problem(
        aim,
        weight,
        problem.lower[chosen] / dual.size,
        problem.upper[chosen] / dual.size,
        rows[rules].tocsc(),
        dual.low[rules],
        dual.high[rules],
        spread,
    )
    return rules, part


def _largest(amounts: Array) -> float:
    return float(np.abs(amounts).max(initial=0.0))


def _direction(dual: Dual, prices: Array, missing: Array, care: tuple[float, float]) -> Array:
    """Newton's step for the rules that bind or are missed; the others keep price 0."""
    own, classes = dual.weigh(lambda part: part.slope())
    active = dual.equal | (prices != 0)
    if prices.any() or not missing[dual.equal].any():
        # The first step meets the total alone: before, nearly every rule looks missed.
        active |= missing != 0
    stuck = active & (own <= 1e-6 * dual.own) & (missing != 0)
    way = np.zeros_like(prices)
    if stuck.any():
        way[stuck] = _loosen(dual, stuck, missing)[stuck]
        active &= ~stuck
    forcing, ridge = care
    system = System(dual, active, (own, classes), ridge)
    way += system.solve(np.where(active, missing, 0.0), forcing)
    return way


def _loosen(dual: Dual, stuck: Mask, missing: Array) -> Array:
    """Find how far a price must go until the first of the rule's cells leaves its limit."""
    nearest = np.full(len(missing), np.inf)
    for part in dual.parts:
        rule = part.direct.indices
        entry = np.flatnonzero(stuck[rule])
        cell = np.repeat(np.arange(len(part.aim)), np.diff(part.direct.indptr))[entry]
        rule, counts = rule[entry], part.direct.data[entry]
        up = missing[rule] * counts > 0
        limit = np.where(up, part.lower[cell], part.upper[cell])
        room = np.where(up, part.upper[cell] > part.wish[cell], part.lower[cell] < part.wish[cell])
        far = _price_to(part, cell, limit) / np.maximum(np.abs(counts), 1e-300)
        np.minimum.at(nearest, rule[room], far[room])
    nearest = np.where(np.isfinite(nearest), nearest, 0.0)
    step = np.divide(np.abs(missing), dual.own, out=np.zeros_like(missing), where=dual.own > 0)
    return np.sign(missing) * (1.000001 * nearest + step)


def _price_to(part: Part, cell: npt.NDArray[np.intp], limit: Array) -> Array:
    """How far the pull on cells must go until they wish for what the limit allows."""
    if part.spread is None:
        ease = np.maximum(part.weight[cell], 1e-300)
        return np.abs(limit - part.wish[cell]) / ease
    with np.errstate(divide="ignore", invalid="ignore"):
        far = np.abs(np.log(limit / part.wish[cell])) / part.spread[cell]
    return np.where(np.isfinite(far), far, 1.0)
