"""Newton's equations over the rules that bind, solved without being written down."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import scipy.sparse.linalg as spla

from planning_kit.allocation.dual import Dual, dot
from planning_kit.allocation.nesting import TreeSolver

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
MOST_TURNS = 400  # of the conjugate gradients, before a factorization takes over


class System:
    """Newton's equations over the rules that bind, applied without being written down."""

    def __init__(self, dual: Dual, active: Mask, own: tuple[Array, Array], ridge: float) -> None:
        self.dual = dual
        self.active = active
        rules, classes = own
        self.ridge = np.where(active, ridge * np.maximum(rules, dual.own) + 1e-300, 0.0)
        full = rules + self.ridge
        self.scale = np.divide(1.0, full, out=np.zeros_like(rules), where=active & (full > 0))
        self.tree: TreeSolver | None = None
        if dual.nesting and dual.nesting.tree.levels:
            self.tree = TreeSolver(dual.nesting.tree, classes, self.ridge, active)

    def times(self, prices: Array) -> Array:
        """How the sums of the rules change with these prices."""
        passed = self.dual.down(prices)
        change = self.dual.add_up(
            lambda part: part.rules @ (part.give * (part.cells @ passed[part.rows]))
        )
        return np.where(self.active, self.dual.up(change) + self.ridge * prices, 0.0)

    def near(self, right: Array) -> Array:
        """Solve roughly: rules that lie within each other exactly, the others one by one."""
        prices = self.scale * right
        if self.tree:
            prices[self.tree.tree.members] = self.tree.solve(right)
        return prices

    def solve(self, right: Array, forcing: float) -> Array:
        """Solve by conjugate gradients to the accuracy asked for."""
        prices = np.zeros_like(right)
        if not self.active.any():
            return prices
        left = right.copy()
        way = near = self.near(left)
        height = dot(left, near)
        goal = forcing * float(np.abs(right).max())
        for _ in range(MOST_TURNS):
            if float(np.abs(left).max()) <= goal or height <= 0:
                return prices
            change = self.times(way)
            length = height / dot(way, change)
            prices += length * way
            left -= length * change
            near = self.near(left)
            height, last = dot(left, near), height
            way = near + (height / last) * way
        return self.factorized(right)

    def factorized(self, right: Array) -> Array:
        """Solve by factorization, for rules that nearly say the same."""
        rows = np.flatnonzero(self.active)
        system = sp.diags_array(self.ridge[rows]).tocsc()
        for part in self.dual.parts:
            some = part.direct.tocsr()[rows]
            weighted = some.copy()
            weighted.data *= part.give[some.indices]
            system = system + (weighted @ some.T).tocsc()
        prices = np.zeros_like(right)
        prices[rows] = spla.splu(system, permc_spec="MMD_AT_PLUS_A").solve(right[rows])
        return prices
