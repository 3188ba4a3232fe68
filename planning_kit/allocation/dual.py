"""The dual function: what rules miss at given prices, worked out on parts of the cells side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from planning_kit.allocation.nesting import nest

Array = npt.NDArray[Any]
PART = 1 << 17  # cells worked on together: what fits in a processor's cache


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


class Part:
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
            away = np.divide(
                (goals - self.aim) ** 2,
                self.weight,
                out=np.zeros_like(goals),
                where=self.weight > 0,
            )
            return float((self.pull * goals).sum() - 0.5 * away.sum())
        ratio = np.divide(goals, self.aim, out=np.ones_like(goals), where=self.aim > 0)
        cost = np.divide(
            goals * (np.log(np.maximum(ratio, 1e-300)) - 1.0),
            self.spread,
            out=np.zeros_like(goals),
            where=self.spread > 0,
        )
        return float((self.pull * goals - cost).sum())


def _columns(matrix: sp.csc_array, cells: slice) -> sp.csc_array:
    at = slice(matrix.indptr[cells.start], matrix.indptr[cells.stop])
    starts = matrix.indptr[cells.start : cells.stop + 1] - at.start
    shape = (matrix.shape[0], cells.stop - cells.start)
    return sp.csc_array((matrix.data[at], matrix.indices[at], starts), shape=shape)


class Dual:
    """The dual function: what rules miss at given prices, and how that changes with them."""

    def __init__(
        self, problem: Problem, size: float, ease: float, each: Callable[..., Iterable[Any]] = map
    ) -> None:
        count = len(problem.aim)
        self.each = each
        self.problem, self.size, self.ease = problem, size, ease
        self.goals = np.empty(count)
        starts = range(0, max(count, 1), PART)
        slices = [slice(at, min(at + PART, count)) for at in starts]
        self.parts = list(each(lambda cells: Part(problem, cells, size, ease), slices))
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

    def add_up(self, work: Callable[[Part], Array]) -> Array:
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

    def weigh(self, amounts: Callable[[Part], Array]) -> tuple[Array, Array]:
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
        cells = sum(self.each(Part.value, self.parts))
        low = dot(prices[prices > 0], self.low[prices > 0])
        high = dot(prices[prices < 0], self.high[prices < 0])
        return cells - low - high


def _squared(matrix: Any) -> Any:
    return type(matrix)((matrix.data**2, matrix.indices, matrix.indptr), matrix.shape)


def dot(one: Array, other: Array) -> float:
    """Multiply and add without the threads of a linear algebra library.

    These vectors are short; waking a second thread costs more than the sum, much more on a busy
    machine, and makes the last digits depend on the number of processors.
    """
    return float(np.einsum("i,i->", one, other))
