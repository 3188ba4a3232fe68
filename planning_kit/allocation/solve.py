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
import scipy.sparse as sp

from planning_kit.allocation.nesting import nest
from planning_kit.allocation.system import System, dot

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

FEASIBILITY = 1e-11  # share of the sum of the goals by which a rule may be missed
FINEST = 2e-14  # what a last step is tried for, in problems of up to POLISHED_UP_TO cells
POLISHED_UP_TO = 100_000
PART = 1 << 17  # cells worked on together: what fits in a processor's cache
FEW = 0.1  # share of the cells up to which rules that are missed are settled by themselves
WORST = 1e-3  # of what the worst rule misses: what misses less is left to the next step
LARGE = 1_000  # rules of this share of the cells (one in so many) and above are not among them
RIDGE = 1e-13  # relative; keeps rules solvable that say the same twice
FIRST = 1e-2  # where it starts: early on, rules seem to contradict that do not in the end
STIFFEST = 1e3  # relative; a step held back this much is a plain step downhill
CAREFUL = 1e-4  # the least of a second try, with short steps
FARTHEST = 1e4  # growth of prices in one step above which the step is held back
MOST_STEPS = 100


@dataclass(frozen=True)
class Problem:
    """What is to be solved, as arrays in one order of the cells.

    Attributes
    ----------
    aim : array
        Amount each cell would have if nothing held it, plan currency.
    weight : array
        How easily a cell moves (not below 0); 0: it stays at its aim unless its limits forbid it.
    lower, upper : array
        Limits of each cell, plan currency; infinite: none.
    matrix : sparse array
        One row a rule over several cells, stored by columns.
    low, high : array
        Limits of each row.
    spread : array or None
        None: least movement. Else a price p multiplies the aim by ``exp(spread * p)``: with the
        spread of a lognormal forecast, cells under the same rules get the same chance.
    """

    aim: Array
    weight: Array
    lower: Array
    upper: Array
    matrix: sp.csc_array
    low: Array
    high: Array
    spread: Array | None = None


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


class _Part:
    """Some neighbouring cells: their limits and the rules (or classes of cells) they are in."""

    def __init__(self, problem: Problem, cells: slice, size: float, ease: float) -> None:
        self.direct = _columns(problem.matrix, cells)
        self.nest(problem.matrix, cells)
        self.aim = problem.aim[cells] / size
        self.weight = problem.weight[cells] / ease
        self.lower, self.upper = problem.lower[cells] / size, problem.upper[cells] / size
        self.spread = None if problem.spread is None else problem.spread[cells]
        stuck = self.weight <= 0
        if stuck.any():
            there = np.clip(self.aim, self.lower, self.upper)
            self.lower = np.where(stuck, there, self.lower)
            self.upper = np.where(stuck, there, self.upper)
        self.pull = np.zeros_like(self.aim)
        self.wish = np.empty_like(self.aim)
        self.give = np.empty_like(self.aim)
        self.goals = self.aim

    rows: slice | Array
    rules: sp.csc_array

    def nest(self, matrix: sp.csc_array, cells: slice) -> None:
        """Add up over the rows of a matrix, as far as the cells are in them."""
        self.rules, self.rows = _columns(matrix, cells), slice(None)
        there = np.zeros(matrix.shape[0], dtype=bool)
        there[self.rules.indices] = True
        if 4 * there.sum() < len(there):
            self.rows = np.flatnonzero(there)
            number = np.cumsum(there, dtype=np.int32) - np.int32(1)
            near = (self.rules.data, number[self.rules.indices], self.rules.indptr)
            self.rules = sp.csc_array(near, shape=(len(self.rows), self.rules.shape[1]))
        self.cells = self.rules.T

    def move(self, prices: Array) -> Array:
        """Set wishes and goals at these prices; give the sums of the rules."""
        goals = self.goals
        self.pull = self.cells @ prices[self.rows]
        if self.spread is None:
            np.multiply(self.pull, self.weight, out=self.wish)
            self.wish += self.aim
        else:
            np.multiply(self.pull, self.spread, out=self.wish)
            np.exp(np.clip(self.wish, -700.0, 700.0, out=self.wish), out=self.wish)
            self.wish *= self.aim
        np.minimum(np.maximum(self.wish, self.lower, out=goals), self.upper, out=goals)
        return self.rules @ goals

    def slope(self) -> Array:
        """Set how much each cell gives way to its prices: 0 where a limit holds it."""
        ease = self.weight if self.spread is None else self.spread * self.wish
        np.multiply(ease, (self.wish > self.lower) & (self.wish < self.upper), out=self.give)
        return self.give

    def value(self) -> float:
        """Give the cells' part of the dual function."""
        goals = self.goals
        if self.spread is None:
            away = np.divide((goals - self.aim) ** 2, self.weight, out=np.zeros_like(goals),
                             where=self.weight > 0)  # fmt: skip
            return float((self.pull * goals).sum() - 0.5 * away.sum())
        ratio = np.divide(goals, self.aim, out=np.ones_like(goals), where=self.aim > 0)
        cost = np.divide(goals * (np.log(np.maximum(ratio, 1e-300)) - 1.0), self.spread,
                         out=np.zeros_like(goals), where=self.spread > 0)  # fmt: skip
        return float((self.pull * goals - cost).sum())


def _columns(matrix: sp.csc_array, cells: slice) -> sp.csc_array:
    at = slice(matrix.indptr[cells.start], matrix.indptr[cells.stop])
    starts = matrix.indptr[cells.start : cells.stop + 1] - at.start
    shape = (matrix.shape[0], cells.stop - cells.start)
    return sp.csc_array((matrix.data[at], matrix.indices[at], starts), shape=shape)


class Dual:
    """The dual function: what rules miss at given prices, and how that changes with them."""

    def __init__(self, problem: Problem, size: float, ease: float,
                 each: Callable[..., Iterable[Any]] = map) -> None:  # fmt: skip
        count = len(problem.aim)
        self.each = each
        self.problem, self.size, self.ease = problem, size, ease
        self.goals = np.empty(count)
        starts = range(0, max(count, 1), PART)
        slices = [slice(at, min(at + PART, count)) for at in starts]
        self.parts = list(each(lambda cells: _Part(problem, cells, size, ease), slices))
        for part, cells in zip(self.parts, slices, strict=True):
            part.goals = self.goals[cells]
        self.low, self.high = problem.low / size, problem.high / size
        self.equal = self.low == self.high
        self.plain = bool((problem.matrix.data == 1.0).all())
        self.nesting = nest(problem.matrix)
        self.count = len(self.low)  # of the sums that parts are added up to
        if self.nesting:
            self.count = self.nesting.above.shape[1]
            for part, cells in zip(self.parts, slices, strict=True):
                part.nest(self.nesting.below, cells)
        self.cells = np.bincount(problem.matrix.indices, minlength=len(self.low))
        self.own, _ = self.weigh(lambda part: part.weight)

    def move(self, prices: Array) -> Array:
        """Set the goals at these prices; give the sums of the rules."""
        passed = self.down(prices)
        return self.up(self.add_up(lambda part: part.move(passed)))

    def add_up(self, work: Callable[[_Part], Array]) -> Array:
        """Add up what the parts give, in a fixed order."""
        total = np.zeros(self.count)
        for part, sums in zip(self.parts, self.each(work, self.parts), strict=True):
            total[part.rows] += sums
        return total

    def down(self, prices: Array) -> Array:
        """Pass the prices of the rules on to the classes of cells."""
        return self.nesting.above.T @ prices if self.nesting else prices

    def up(self, sums: Array) -> Array:
        """Add the sums of the classes of cells up to those of the rules."""
        return self.nesting.above @ sums if self.nesting else sums

    def weigh(self, amounts: Callable[[_Part], Array]) -> tuple[Array, Array]:
        """Add up an amount of each cell over the rules, counted squared, and over the classes."""
        square = (lambda matrix: matrix) if self.plain else _squared
        total = self.add_up(lambda part: square(part.rules) @ amounts(part))
        if not self.nesting:
            return total, total[:0]
        return square(self.nesting.above) @ total, total[len(self.low) :]

    def missing(self, prices: Array, sums: Array) -> Array:
        """Give what each rule lacks (above 0) or has too much (below 0) at these prices."""
        below, above = self.low - sums, self.high - sums
        free = np.where(below > 0, below, np.minimum(above, 0.0))
        return np.where(self.equal | (prices > 0), below, np.where(prices < 0, above, free))

    def value(self, prices: Array) -> float:
        """Give the dual function at the prices last moved to."""
        cells = sum(self.each(_Part.value, self.parts))
        low = dot(prices[prices > 0], self.low[prices > 0])
        high = dot(prices[prices < 0], self.high[prices < 0])
        return cells - low - high


def _squared(matrix: Any) -> Any:
    return type(matrix)((matrix.data**2, matrix.indices, matrix.indptr), matrix.shape)


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

    def step(self, forcing: float, settled: bool) -> bool:
        """Make one step of Newton's method; False: it did not help and the next is held back."""
        way = _direction(self.dual, self.prices, self.missing, (forcing, self.ridge))
        wild = _largest(way) > FARTHEST * (1 + _largest(self.prices)) and self.ridge < 1.0
        before = _largest(self.missing)
        if not wild and self._walk(way, settled):
            if not self.begun:
                self.begun, self.ridge = True, max(self.least, FIRST)
            elif _largest(self.missing) < 0.3 * before:
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
    part = Problem(aim, weight, problem.lower[chosen] / dual.size, problem.upper[chosen] / dual.size,
                   rows[rules].tocsc(), dual.low[rules], dual.high[rules], spread)  # fmt: skip
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


def _price_to(part: _Part, cell: npt.NDArray[np.intp], limit: Array) -> Array:
    """How far the pull on cells must go until they wish for what the limit allows."""
    if part.spread is None:
        ease = np.maximum(part.weight[cell], 1e-300)
        return np.abs(limit - part.wish[cell]) / ease
    with np.errstate(divide="ignore", invalid="ignore"):
        far = np.abs(np.log(limit / part.wish[cell])) / part.spread[cell]
    return np.where(np.isfinite(far), far, 1.0)
