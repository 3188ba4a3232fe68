"""Nesting: rules that lie within each other are added up once, from the smallest group upwards."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

Array = npt.NDArray[Any]
Codes = npt.NDArray[Any]  # whole numbers
Mask = npt.NDArray[np.bool_]

FEWEST = 3.5  # entries a cell from which adding up through the smallest groups saves time
MOST = 16  # entries a cell up to which nesting is looked for


@dataclass(frozen=True)
class Nesting:
    """The matrix of the rules in two factors, ``matrix = above @ below``.

    A cell's smallest group stands for all rules that hold the whole of this group: a person's team,
    area, region and company are then one entry instead of four.

    Attributes
    ----------
    below : sparse array
        One column a cell: an entry for its class (the cells with the same smallest group), and one
        for every rule that holds only some cells of the class.
    above : sparse array
        Rules over rules (each itself) and classes.
    tree : Tree
        Which rule lies within which.
    """

    below: sp.csc_array
    above: sp.csr_array
    tree: Tree


def nest(matrix: sp.csc_array) -> Nesting | None:
    """Find rules that lie within each other; None where that would not save anything."""
    rules, cells = matrix.shape
    counts = np.diff(matrix.indptr)
    widest = int(counts.max(initial=0))
    if matrix.nnz < max(1, FEWEST * cells) or widest > MOST:
        return None
    entries, values = _pad(matrix, counts, widest)
    size = np.append(np.bincount(matrix.indices, minlength=rules), cells + 1)
    leaf = _smallest(entries, size)
    one = np.zeros(rules + 1, dtype=np.int64)
    one[leaf] = np.arange(cells)  # any cell of a class tells what the others may have in common
    common = np.ones((rules + 1, widest), dtype=bool)
    for k in range(widest):
        column = np.ascontiguousarray(entries[:, k])
        differs = column != column[one][leaf]
        if values is not None:
            differs |= values[:, k] != values[:, k][one][leaf]
        common[leaf[differs], k] = False
    there = np.zeros(rules + 1, dtype=bool)
    there[leaf] = True
    classes = np.flatnonzero(there)
    number = np.cumsum(there) - 1
    below = _below(matrix, entries, values, (leaf, common, number))
    chosen, of = entries[one[classes]], common[classes]
    above = _above(chosen, of, None if values is None else values[one[classes]], rules)
    part = np.bincount(below.indices, minlength=rules)[:rules] > 0
    return Nesting(below, above, Tree(chosen, of & (chosen < rules), size, part))


def _pad(matrix: sp.csc_array, counts: Codes, widest: int) -> tuple[Codes, Array | None]:
    """One row a cell with its rules, filled up with a rule that is none."""
    rules, cells = matrix.shape
    plain = bool((matrix.data == 1.0).all())
    if (counts == widest).all():
        entries = matrix.indices.reshape(cells, widest)
        return entries, None if plain else matrix.data.reshape(cells, widest)
    inside = np.arange(widest) < counts[:, None]
    entries = np.full((cells, widest), rules, dtype=matrix.indices.dtype)
    entries[inside] = matrix.indices
    if plain:
        return entries, None
    values = np.zeros((cells, widest))
    values[inside] = matrix.data
    return entries, values


def _smallest(entries: Codes, size: Codes) -> Codes:
    leaf = np.ascontiguousarray(entries[:, 0])
    least = size[leaf]
    for k in range(1, entries.shape[1]):
        rule = entries[:, k]
        amount = size[rule]
        smaller = amount <= least
        leaf = np.where(smaller, rule, leaf)
        least = np.where(smaller, amount, least)
    return leaf


def _below(
    matrix: sp.csc_array, entries: Codes, values: Array | None, kept: tuple[Codes, Mask, Codes]
) -> sp.csc_array:
    leaf, common, number = kept
    rules, cells = matrix.shape
    own = ~common[leaf] & (entries < rules)
    starts = np.zeros(cells + 1, dtype=np.int64)
    np.cumsum(own.sum(axis=1) + 1, out=starts[1:])
    indices = np.empty(starts[-1], dtype=np.int32)
    data = np.ones(starts[-1])
    last = np.zeros(starts[-1], dtype=bool)
    last[starts[1:] - 1] = True
    indices[last] = rules + number[leaf]
    indices[~last] = entries[own]
    if values is not None:
        data[~last] = values[own]
    shape = (rules + int(number[-1]) + 1, cells)
    return sp.csc_array((data, indices, starts.astype(np.int32)), shape=shape)


def _above(chosen: Codes, common: Mask, values: Array | None, rules: int) -> sp.csr_array:
    place, k = np.nonzero(common & (chosen < rules))
    data = np.ones(len(place)) if values is None else values[place, k]
    classes = sp.csr_array((data, (chosen[place, k], place)), shape=(rules, len(chosen)))
    return sp.hstack([sp.eye_array(rules, format="csr"), classes]).tocsr()


class Tree:
    """Which rule lies within which, in an order with the larger ones first.

    Rules that hold only a part of some class, or lie within one rule here and within another one
    there, are no part of it.
    """

    def __init__(self, chosen: Codes, common: Mask, size: Codes, part: Mask) -> None:
        rules = len(part)
        width = np.where(common, size[chosen], 0)
        order = np.argsort(-width, axis=1, kind="stable")
        chosen = np.take_along_axis(chosen, order, axis=1)
        inside = np.take_along_axis(common, order, axis=1)
        inside &= ~np.append(part, True)[chosen]
        parent = np.full(rules + 1, -1, dtype=np.int64)
        deepest = np.full(len(chosen), -1, dtype=np.int64)
        for k in range(chosen.shape[1]):
            here = np.flatnonzero(inside[:, k])
            rule = chosen[here, k]
            parent[rule] = deepest[here]
            loose = np.zeros(rules + 1, dtype=bool)
            loose[rule[parent[rule] != deepest[here]]] = True
            inside[here, k] = ~loose[rule]
            deepest[here] = np.where(loose[rule], deepest[here], rule)
        self._lay_out(parent[:rules], deepest, np.unique(chosen[inside]))

    def _lay_out(self, parent: Codes, deepest: Codes, members: Codes) -> None:
        depth = np.zeros(len(parent), dtype=np.int64)
        level = parent.copy()
        while (level >= 0).any():
            depth += level >= 0
            level = np.where(level >= 0, parent[level], -1)
        members = members[np.lexsort((parent[members], depth[members]))]
        place = np.full(len(parent) + 1, -1, dtype=np.int64)
        place[members] = np.arange(len(members))
        self.members = members
        self.parent = place[parent[members]]
        self.classes = np.flatnonzero(deepest >= 0)
        self.deepest = place[deepest[self.classes]]
        ends = np.cumsum(np.bincount(depth[members])) if len(members) else np.zeros(1, dtype=int)
        self.levels = [self._level(start, end) for start, end in itertools.pairwise(ends)]
        self.roots = int(ends[0])

    def _level(self, start: int, end: int) -> tuple[slice, Codes, Codes]:
        parent = self.parent[start:end]
        first = np.flatnonzero(np.diff(parent, prepend=-2))
        return slice(start, end), parent[first], first


class TreeSolver:
    """Newton's equations of the rules in the tree, solved exactly from the leaves to the roots.

    With y the sum of a rule's price and those of the rules it lies within, the equations couple a
    rule with its parent only. A rule of weight d (with what its children pass on), held back by a
    ridge r, passes ``d r / (d + r)`` on to its parent.
    """

    def __init__(self, tree: Tree, weight: Array, ridge: Array, active: Mask) -> None:
        self.tree = tree
        on = active[tree.members]
        held = ridge[tree.members]
        total = np.bincount(tree.deepest, weight[tree.classes], minlength=len(on))
        self.passed, self.share = np.ones(len(on)), np.zeros(len(on))
        for level, parents, first in reversed(tree.levels):
            self._pass(level, total, held, on)
            total[parents] += np.add.reduceat(self.passed[level] * total[level], first)
        self._pass(slice(0, tree.roots), total, held, on)

    def _pass(self, level: slice, total: Array, held: Array, on: Mask) -> None:
        both = total[level] + held[level]
        use = on[level] & (both > 0)
        np.divide(1.0, both, out=self.share[level], where=use)
        np.multiply(self.share[level], held[level], out=self.passed[level], where=use)

    def solve(self, right: Array) -> Array:
        """Give the prices of the rules in the tree at which their sums change by this much."""
        tree = self.tree
        own = right[tree.members]
        all_ = own.copy()
        for level, parents, first in reversed(tree.levels):
            all_[parents] += np.add.reduceat(self.passed[level] * all_[level] - own[level], first)
        prices = all_ * self.share
        for level, _, _ in tree.levels:
            prices[level] += self.passed[level] * prices[tree.parent[level]]
        rest = slice(tree.roots, None)
        prices[rest] -= prices[tree.parent[rest]].copy()
        return prices
