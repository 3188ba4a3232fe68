"""Finish: round the goals so that every rule and every margin still holds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from planning_kit.allocation.cells import Array, Codes, Grid
from planning_kit.allocation.explain import Answer
from planning_kit.allocation.limits import Limits
from planning_kit.allocation.objectives import Aim, find_goals
from planning_kit.messages import finding, shorten
from planning_kit.numbers.rounding import (
    indicator,
    round_chain,
    round_chains,
    round_rows,
    whole_range,
)
from planning_kit.numbers.units import from_units

MOST_BY_PROGRAM = 20_000  # cells that integer programming is asked to round


def round_goals(
    grid: Grid, aim: Aim, limits: Limits, answer: Answer, unit: float
) -> tuple[Answer, Array, list[dict[str, str]]]:
    """Round goals to whole units: the total exact, rules kept, margins moved by less than one unit.

    The groups of the rules and the label columns are sorted into two hierarchies, which a flow
    rounds exactly. Rules about shares are solved again with one unit of room where rounding would
    break them. Where rules overlap in more ways, integer programming rounds, and what had to give
    is a finding.

    Returns
    -------
    tuple of Answer, array and list of dict
        The goals before rounding, the goals, and findings.
    """
    chains = _hierarchies(grid, limits)
    whole = _round_flow(limits, answer.goals, chains, unit)
    shares = np.array([limits.blocks[k].values is not None for k in limits.row_block], dtype=bool)
    if not _kept(limits, whole * unit, unit) and shares.any():
        roomy = replace(limits, low=limits.low + shares * unit)
        again = find_goals(grid, aim, roomy)
        if again is not None:
            tried = _round_flow(limits, again.goals, chains, unit)
            if _kept(limits, tried * unit, unit):
                answer, whole = again, tried
    notes: list[dict[str, str]] = []
    if not _kept(limits, whole * unit, unit):
        whole, notes = _by_program(grid, limits, answer.goals / unit, whole, chains[2], unit)
    return answer, from_units(whole, unit), notes


def _round_flow(
    limits: Limits, goals: Array, chains: tuple[list[Codes], list[Codes], list[str]], unit: float
) -> Codes:
    one, other, _ = chains
    total = round(float(limits.blocks[0].low[0]) / unit)
    whole = round_chains(goals / unit, one, other, total) if other else None
    return round_chain(goals / unit, one, total) if whole is None else whole


def _hierarchies(grid: Grid, limits: Limits) -> tuple[list[Codes], list[Codes], list[str]]:
    """Sort groupings into two hierarchies, those of rules first; name what fits in neither."""
    rules = [
        block
        for block in limits.blocks
        if block.values is None
        and block.rule.kind not in ("total", "implied")
        and len(block.low) < (block.codes >= 0).sum()
    ]
    rules.sort(key=lambda block: len(block.low))
    shares = [block for block in limits.blocks if block.values is not None]
    wanted = [(block.codes, block.rule.name) for block in (*shares, *rules)]
    for block in shares:
        values = np.zeros(len(grid)) if block.values is None else block.values
        part = values > 0 if (values > 0).sum() < (values < 0).sum() else values < 0
        wanted.append((np.where(part, block.codes, -1), block.rule.name))
    wanted += [
        (grid.codes(name)[0], name) for name in grid.labels if len(grid.codes(name)[1]) < len(grid)
    ]
    one: list[Codes] = []
    other: list[Codes] = []
    left = []
    for codes, name in wanted:
        if not (_insert(one, codes) or _insert(other, codes)):
            left.append(name)
    return one, other, left


def _insert(chain: list[Codes], codes: Codes) -> bool:
    """Put a grouping where it lies within the level above and holds the level below."""
    for at in range(len(chain), -1, -1):
        above = chain[at - 1] if at else np.zeros(len(codes), dtype=np.int64)
        inside = codes >= 0
        if not _within(codes[inside], above[inside]):
            continue
        joint = above * (int(codes.max(initial=0)) + 2) + codes + 1
        level = np.unique(joint, return_inverse=True)[1].astype(np.int64)
        if at == len(chain) or _within(chain[at], level):
            chain.insert(at, level)
            return True
    return False


def _within(fine: Codes, coarse: Codes) -> bool:
    """Say whether every group of the fine grouping lies in one group of the coarse one."""
    first = np.zeros(int(fine.max(initial=-1)) + 1, dtype=np.int64)
    first[fine] = coarse
    return bool((first[fine] == coarse).all())


def _kept(limits: Limits, goals: Array, unit: float) -> bool:
    sums = limits.matrix @ goals
    slip = 1e-6 * unit + 1e-12 * float(np.abs(goals).sum())
    cells = (goals >= limits.lower - slip).all() and (goals <= limits.upper + slip).all()
    return bool(cells and (sums >= limits.low - slip).all() and (sums <= limits.high + slip).all())


def _by_program(
    grid: Grid, limits: Limits, units: Array, whole: Codes, left: list[str], unit: float
) -> tuple[Codes, list[dict[str, str]]]:
    """Round by integer programming over all rules; what cannot be kept is named."""
    names = [limits.blocks[k].rule.name for k in limits.row_block]
    advice = "Plan in a smaller unit, or give the rule a unit of room."
    if len(units) <= MOST_BY_PROGRAM:
        margins = [
            grid.codes(name)[0] for name in grid.labels if len(grid.codes(name)[1]) < len(grid)
        ]
        extra = indicator(margins, len(units)) if margins else sp.csr_array((0, len(units)))
        low, high = whole_range(extra @ units)
        priority = np.array([limits.blocks[k].rule.priority for k in limits.row_block], dtype=float)
        weight = np.concatenate([10.0 * priority, np.full(len(low), 0.1)])
        whole, gave = round_rows(
            units,
            sp.vstack([limits.matrix, extra]).tocsr(),
            np.concatenate([limits.low / unit, low]),
            np.concatenate([limits.high / unit, high]),
            weight,
        )
        missed = sorted({names[k] for k in gave if k < len(names)})
        if not missed:
            return whole, []
    else:
        missed = left or sorted(set(names))
    return whole, [
        finding(
            "allocation.rounding_gave",
            "review",
            shorten(missed),
            f"No whole units of {unit:,.10g} keep {shorten(missed)} to the unit; the gap column of the "
            "rules says by how much it is missed.",
            advice,
        )
    ]
