"""Limits: turn named rules into limits of cells and of groups of cells, in amounts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from planning_kit.allocation.cells import Array, Codes, Grid
from planning_kit.messages import finding, shorten
from planning_kit.plan import GroupRange, Hold, MaxChange, Rule, ShareOfGroup, Total, ZeroOrAtLeast
from planning_kit.plan.rules import CELL

NO_NEGATIVE = "no goal below 0"
ZERO_STAYS = "0 stays 0"
_SLIP = 1e-9  # share of a unit that a limit may be off by before it counts as between two units


@dataclass(frozen=True, kw_only=True)
class Implied(Rule):
    """A rule that stands in no file: no goal is below 0, and a base of 0 stays 0."""

    kind: ClassVar[str] = "implied"
    priority: int = 9

    def describe(self) -> str:
        """Say the rule in one line."""
        return self.name


@dataclass(frozen=True)
class Block:
    """One rule as limits of its groups.

    Attributes
    ----------
    codes : array of int
        Group of each cell; -1: the rule is not about it.
    groups : list of str
        Name of each group; empty for rules about each cell (their labels name them).
    low, high : array
        Limits by group, plan currency, whole rounding units.
    reference : array
        What the limits are relative to, by group; NaN: nothing.
    values : array or None
        For shares: how much an amount in each cell counts; None: 1.
    """

    rule: Rule
    codes: Codes
    groups: list[str]
    low: Array
    high: Array
    reference: Array
    values: Array | None = None

    def sums(self, goals: Array) -> Array:
        """Add up the goals of each group."""
        inside = self.codes >= 0
        counted = goals if self.values is None else goals * self.values
        return np.bincount(self.codes[inside], counted[inside], minlength=len(self.low))


@dataclass(frozen=True)
class Limits:
    """All rules as limits: of single cells, and rows over several cells.

    Attributes
    ----------
    blocks : list of Block
        The rules with limits; the first is the total.
    lower, upper : array
        Tightest limits of each cell.
    lower_by, upper_by : array of int
        The block each limit comes from; -1: none.
    matrix, low, high
        The rows.
    row_block, row_group : array of int
        Which group of which block a row is.
    choices : list of Block
        Zero-or-at-least rules.
    findings : list of dict
        Holds that expired, rules that are about no cell, limits between two units.
    """

    blocks: list[Block]
    lower: Array
    upper: Array
    lower_by: Codes
    upper_by: Codes
    matrix: sp.csc_array
    low: Array
    high: Array
    row_block: Codes
    row_group: Codes
    choices: list[Block] = field(default_factory=list)
    findings: list[dict[str, str]] = field(default_factory=list)


def set_limits(grid: Grid, rules: Sequence[Rule], total: float, unit: float, today: date) -> Limits:
    """Turn rules into limits; expired holds are left out and said so."""
    notes: list[dict[str, str]] = []
    everything = np.zeros(len(grid), dtype=np.int64)
    one = np.array([total])
    blocks = [
        Block(Total(name="total", amount=total), everything, [""], one, one, np.array([np.nan]))
    ]
    choices: list[Block] = []
    for rule in rules:
        if isinstance(rule, Hold) and rule.expires_on < today:
            notes.append(
                finding(
                    "allocation.hold_expired",
                    "review",
                    rule.name,
                    f"The hold of {rule.owner} ended on {rule.expires_on} and is not applied.",
                    "Renew it with a new day, or take it out of the scenario.",
                )
            )
            continue
        for block in _blocks(grid, rule, notes):
            if not len(block.low):
                notes.append(
                    finding(
                        "allocation.rule_without_cells",
                        "review",
                        rule.name,
                        f"The rule is about no cell with an amount to refer to: {rule.describe()}.",
                        "Check the labels and the reference it names.",
                    )
                )
            elif isinstance(rule, ZeroOrAtLeast):
                choices.append(block)
            else:
                blocks.append(_on_units(block, unit, notes))
    return assemble(grid, [*blocks, *_implied(grid, blocks)], choices, notes)


def _blocks(grid: Grid, rule: Rule, notes: list[dict[str, str]]) -> list[Block]:
    inside = _inside(grid, rule.where)
    if isinstance(rule, ShareOfGroup):
        return _share_blocks(grid, rule, inside)
    codes, groups = _codes(grid, rule.each, inside)
    name = rule.reference
    size = int(codes.max(initial=-1)) + 1
    reference = np.full(size, np.nan)
    if name:
        amounts = grid.amounts(name)
        known = (codes >= 0) & ~np.isnan(amounts)
        found = np.bincount(codes[known], amounts[known], minlength=size)
        reference = np.where(np.bincount(codes[known], minlength=size) > 0, found, np.nan)
    low, high = _asked(rule, reference)
    block = Block(rule, codes, groups, low, high, reference)
    below = reference < 0  # more returns than sales: no goal could be that low
    if below.any():
        notes.append(_below_nothing(grid, block, below))
    return [_drop(block, np.isnan(low) | np.isnan(high) | below)]


def _below_nothing(grid: Grid, block: Block, below: npt.NDArray[np.bool_]) -> dict[str, str]:
    names = [group_names(grid, block)[k] for k in np.flatnonzero(below)]
    return finding(
        "allocation.reference_negative",
        "review",
        block.rule.name,
        f"{block.rule.reference} is below 0 for {shorten(names)}, "
        f"{block.reference[below].sum():,.10g} in all (more returns than sales): the rule says "
        "nothing there.",
        "Give them a limit in amounts, or leave it to the other rules.",
    )


def _drop(block: Block, gone: npt.NDArray[np.bool_]) -> Block:
    """Leave out the groups whose reference nobody knows."""
    if not gone.any():
        return block
    new = np.where(gone, -1, np.cumsum(~gone) - 1)
    codes = np.where(block.codes >= 0, new[block.codes], -1)
    groups = [name for name, out in zip(block.groups, gone, strict=False) if not out]
    return replace(
        block,
        codes=codes,
        groups=groups,
        low=block.low[~gone],
        high=block.high[~gone],
        reference=block.reference[~gone],
    )


def _inside(grid: Grid, where: object) -> npt.NDArray[np.bool_]:
    inside = np.ones(len(grid), dtype=bool)
    for column, labels in dict(where).items():  # type: ignore[call-overload]
        codes, names = grid.codes(column)
        chosen = np.isin(np.asarray(names, dtype=object), list(labels))
        inside &= chosen[codes]
    return inside


def _codes(
    grid: Grid, each: tuple[str, ...], inside: npt.NDArray[np.bool_]
) -> tuple[Codes, list[str]]:
    if each == (CELL,):
        return np.where(inside, np.cumsum(inside) - 1, -1), []
    codes, names = grid.group(each)
    if inside.all():
        return codes, names
    found = np.unique(codes[inside])
    new = np.full(len(names), -1, dtype=np.int64)
    new[found] = np.arange(len(found))
    return np.where(inside, new[codes], -1), [names[k] for k in found]


def _asked(rule: Rule, reference: Array) -> tuple[Array, Array]:
    if isinstance(rule, Hold):
        at = reference if rule.amount is None else np.full(len(reference), rule.amount)
        return at, at
    if isinstance(rule, MaxChange):
        down = -np.inf if rule.most_down_share is None else -rule.most_down_share
        up = np.inf if rule.most_up_share is None else rule.most_up_share
        away = np.abs(reference)
        gone = np.isnan(reference)
        low = np.full(len(reference), -np.inf) if np.isinf(down) else reference + down * away
        high = np.full(len(reference), np.inf) if np.isinf(up) else reference + up * away
        return np.where(gone, np.nan, low), np.where(gone, np.nan, high)
    if isinstance(rule, GroupRange):
        scale = reference if rule.relative_to else np.ones(len(reference))
        gone = np.where(np.isnan(scale), np.nan, 0.0)
        low = gone - np.inf if rule.at_least is None else rule.at_least * scale
        high = gone + np.inf if rule.at_most is None else rule.at_most * scale
        return low, high
    none = np.full(len(reference), np.inf)
    return -none, none


def _share_blocks(grid: Grid, rule: ShareOfGroup, inside: npt.NDArray[np.bool_]) -> list[Block]:
    whole = _inside(grid, rule.of)
    codes, groups = _codes(grid, rule.each, whole)
    blocks = []
    for share, side in ((rule.at_least_share, 1.0), (rule.at_most_share, -1.0)):
        if share is not None:
            values = np.where(codes >= 0, side * ((inside & whole) - share), 0.0)
            zero, none = np.zeros(len(groups)), np.full(len(groups), np.inf)
            blocks.append(Block(rule, codes, groups, zero, none, none * np.nan, values))
    return blocks


def _on_units(block: Block, unit: float, notes: list[dict[str, str]]) -> Block:
    """Bring limits to whole rounding units: goals are published in whole units."""
    if block.values is not None:
        return block
    low, high = block.low / unit, block.high / unit
    exact = block.low == block.high
    least = np.where(exact, np.round(low), np.ceil(low - _SLIP * np.maximum(1, np.abs(low))))
    most = np.where(exact, np.round(high), np.floor(high + _SLIP * np.maximum(1, np.abs(high))))
    between = least > most
    if between.any():
        least = np.where(between, np.floor(low), least)
        most = np.where(between, np.ceil(high), most)
    moved = np.abs(np.where(exact, low - np.where(exact, least, 0.0), 0.0)) > 1e-6
    odd = int(moved.sum() + between.sum())
    if odd:
        notes.append(
            finding(
                "allocation.limit_between_units",
                "review",
                block.rule.name,
                f"{odd} of {len(low)} limits lie between two rounding units of {unit:,.10g} and were "
                "moved to the nearest.",
                "Write the limit in whole units, or plan in a smaller unit.",
            )
        )
    return replace(block, low=least * unit, high=most * unit)


def _implied(grid: Grid, blocks: list[Block]) -> list[Block]:
    """No goal is below 0; a base of 0 stays 0 unless a rule asks for an amount there."""
    count = len(grid)
    none = np.full(count, np.nan)
    cells = np.arange(count)
    low = np.zeros(count)
    implied = [
        Block(Implied(name=NO_NEGATIVE, each=(CELL,)), cells, [], low, np.full(count, np.inf), none)
    ]
    zero = (grid.base == 0) & ~opened(grid.base, blocks)
    if zero.any():
        codes = np.where(zero, np.cumsum(zero) - 1, -1)
        size = int(zero.sum())
        implied.append(
            Block(
                Implied(name=ZERO_STAYS, each=(CELL,)),
                codes,
                [],
                np.full(size, -np.inf),
                np.zeros(size),
                none[:size],
            )
        )
    return implied


def opened(base: Array, blocks: list[Block]) -> npt.NDArray[np.bool_]:
    """Find cells with base 0 that a rule asks an amount of, with no other cell to carry it."""
    found = np.zeros(len(base), dtype=bool)
    for block in blocks:
        if block.values is None and block.rule.kind != "total":
            inside = block.codes >= 0
            carries = np.bincount(block.codes[inside], base[inside] > 0, minlength=len(block.low))
            asks = (block.low > 0) & (carries == 0)
            if asks.any():
                found[inside] |= asks[block.codes[inside]]
    return found & (base == 0)


def assemble(
    grid: Grid, blocks: list[Block], choices: list[Block], notes: list[dict[str, str]]
) -> Limits:
    """Collect blocks into limits of cells (groups of one cell) and rows (all other groups)."""
    count = len(grid)
    lower, upper = np.full(count, -np.inf), np.full(count, np.inf)
    lower_by, upper_by = np.full(count, -1), np.full(count, -1)
    rows: list[tuple[Codes, Codes, Array]] = []
    row_block, row_group = [], []
    start = 0
    for number, block in enumerate(blocks):
        cells = np.flatnonzero(block.codes >= 0)
        group = block.codes[cells]
        single = (np.bincount(group, minlength=len(block.low)) == 1) & (block.values is None)
        one = single[group]
        _tighten(cells[one], block.low[group[one]], lower, lower_by, number, np.greater)
        _tighten(cells[one], block.high[group[one]], upper, upper_by, number, np.less)
        use = np.flatnonzero(~single & (np.isfinite(block.low) | np.isfinite(block.high)))
        new = np.full(len(block.low), -1)
        new[use] = np.arange(start, start + len(use))
        keep = new[group] >= 0
        amounts = np.ones(count) if block.values is None else block.values
        rows.append((new[group[keep]], cells[keep], amounts[cells[keep]]))
        row_block.append(np.full(len(use), number))
        row_group.append(use)
        start += len(use)
    at, cell, value = (np.concatenate(part) for part in zip(*rows, strict=True))
    matrix = sp.csc_array((value, (at.astype(np.int32), cell.astype(np.int32))), (start, count))
    blocks_of, groups_of = np.concatenate(row_block), np.concatenate(row_group)
    low = np.array([], dtype=float)
    high = low
    if start:
        low = np.concatenate([blocks[k].low[g] for k, g in enumerate(row_group)])
        high = np.concatenate([blocks[k].high[g] for k, g in enumerate(row_group)])
    return Limits(
        blocks,
        lower,
        upper,
        lower_by,
        upper_by,
        matrix,
        low,
        high,
        blocks_of,
        groups_of,
        choices,
        notes,
    )


def _tighten(
    cells: Codes, limit: Array, kept: Array, by: Codes, number: int, tighter: np.ufunc
) -> None:
    better = tighter(limit, kept[cells])
    kept[cells[better]] = limit[better]
    by[cells[better]] = number


def group_names(grid: Grid, block: Block) -> list[str]:
    """Name the groups of a block; rules about each cell are named by all labels of the cell."""
    if block.groups:
        return block.groups
    cells = np.empty(len(block.low), dtype=np.int64)
    inside = np.flatnonzero(block.codes >= 0)
    cells[block.codes[inside]] = inside
    columns = [
        np.asarray(names, dtype=object)[codes[cells]]
        for codes, names in (grid.codes(name) for name in grid.labels)
    ]
    return [" / ".join(parts) for parts in zip(*columns, strict=True)]
