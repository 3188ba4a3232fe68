"""Say no with reasons: which rules cannot all hold, and by how much each must give."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from planning_kit.allocation.cells import Array, Codes, Grid
from planning_kit.allocation.limits import Limits, assemble, group_names
from planning_kit.messages import InfeasiblePlanError
from planning_kit.plan import Relax

GIVE_COLUMNS = ("rule", "group", "priority", "side", "asked", "gives", "becomes")
CONFLICT_COLUMNS = ("rule", "group", "priority", "limit")
_MOST_TESTED = 80  # rows tested one by one for being needed in the conflict
_MOST_SEARCHED = 3_000  # limits among which the smallest conflict is searched
_MOST_NODES = 2_000  # of that search: a number of steps, not a time, for the same answer anywhere
_TINY = 1e-7  # shares of the scale below which the solver's slack is noise


class RulesConflictError(InfeasiblePlanError):
    """The rules cannot all hold.

    Attributes
    ----------
    conflict : DataFrame
        The smallest set of limits that cannot all hold: ``rule``,
        ``group``, ``priority``, ``limit``.
    gives : DataFrame
        How much each rule must give, the lowest priority first: ``rule``, ``group``,
        ``priority``, ``side``, ``asked``, ``gives``, ``becomes`` (plan currency, whole units).
    """

    def __init__(self, message: str, conflict: pd.DataFrame, gives: pd.DataFrame) -> None:
        super().__init__(message)
        self.conflict = conflict
        self.gives = gives


@dataclass(frozen=True)
class _Soft:
    """Every limit as ``matrix @ x >= bound`` over scaled amounts; one row a limit."""

    matrix: sp.csr_array
    bound: Array
    block: Codes
    group: Codes
    side: Codes  # 1: at least, -1: at most
    priority: Codes
    upper: Array  # hard upper limits of the cells
    size: float


def _soften(grid: Grid, limits: Limits) -> _Soft:
    rows, bounds, where = [], [], []
    size = max(1e-300, float(np.abs(limits.blocks[0].low).max()), float(np.abs(grid.base).sum()))
    size /= max(1, len(grid))
    upper = np.full(len(grid), np.inf)
    for number, block in enumerate(limits.blocks):
        if block.rule.kind == "implied":
            cells = np.flatnonzero(block.codes >= 0)
            upper[cells] = np.minimum(upper[cells], block.high[block.codes[cells]])
            continue
        inside = np.flatnonzero(block.codes >= 0)
        values = np.ones(len(inside)) if block.values is None else block.values[inside]
        one = sp.csr_array((values, (block.codes[inside], inside)), (len(block.low), len(grid)))
        for side, limit in ((1, block.low), (-1, block.high)):
            use = np.flatnonzero(np.isfinite(limit))
            rows.append(one[use] * side)
            bounds.append(side * limit[use] / size)
            where.append(
                (
                    np.full(len(use), number),
                    use,
                    np.full(len(use), side),
                    np.full(len(use), block.rule.priority),
                )
            )
    block_of, group_of, side_of, priority = (np.concatenate(x) for x in zip(*where, strict=True))
    return _Soft(
        sp.vstack(rows).tocsr(),
        np.concatenate(bounds),
        block_of,
        group_of,
        side_of,
        priority,
        upper / size,
        size,
    )


def gives_needed(grid: Grid, limits: Limits, unit: float) -> tuple[pd.DataFrame, Array]:
    """Find by how much rules must give so that all can hold, the lowest priority first.

    The rules of the highest priority give as little as they can, then the next, and so on; the
    gives are rounded up to whole units.

    Returns
    -------
    tuple of DataFrame and array
        The gives (see `RulesConflictError`), and which limits prove the conflict.
    """
    soft = _soften(grid, limits)
    count, cells = len(soft.bound), len(grid)
    slack_most = np.full(count, np.inf)
    system = sp.hstack([soft.matrix, sp.eye_array(count)]).tocsr()
    proof = np.zeros(count)
    slack = np.zeros(count)
    for priority in sorted(set(soft.priority.tolist()), reverse=True):
        level = soft.priority >= priority
        cost = np.concatenate([np.zeros(cells), (soft.priority == priority).astype(float)])
        result = _minimize(cost, system, soft, slack_most)
        proof = np.maximum(proof, np.abs(result.ineqlin.marginals) * ~(slack > _TINY))
        slack = np.where(level, result.x[cells:], slack)
        slack_most = np.where(level, slack * (1 + 1e-9) + 1e-9, slack_most)
    return _gives_table(grid, limits, soft, slack, unit), proof


def _minimize(cost: Array, system: sp.csr_array, soft: _Soft, most: Array) -> Any:
    upper = np.concatenate([soft.upper, most])
    bounds = np.column_stack([np.zeros(len(upper)), upper])
    result = linprog(cost, A_ub=-system, b_ub=-soft.bound, bounds=bounds, method="highs")
    if result.x is None:
        # Every limit may give here, so that only a fault of the solver leads to this line.
        raise RuntimeError(f"no conflict found: {result.message}")  # pragma: no cover
    return result


def _gives_table(
    grid: Grid, limits: Limits, soft: _Soft, slack: Array, unit: float
) -> pd.DataFrame:
    rows = []
    amounts = np.where(slack > _TINY, np.ceil(slack * soft.size / unit - 1e-5) * unit, 0.0)
    for k in np.flatnonzero(amounts > 0):
        block, group, amount = limits.blocks[soft.block[k]], int(soft.group[k]), float(amounts[k])
        limit = float(block.low[group] if soft.side[k] > 0 else block.high[group])
        rows.append(
            (
                block.rule.name,
                group_names(grid, block)[group],
                int(soft.priority[k]),
                "at least" if soft.side[k] > 0 else "at most",
                limit,
                amount,
                limit - soft.side[k] * amount,
                soft.block[k],
                group,
            )
        )
    table = pd.DataFrame(rows, columns=[*GIVE_COLUMNS, "block", "number"])
    return table.sort_values(["priority", "rule", "group", "side"], ignore_index=True)


def find_conflict(grid: Grid, limits: Limits, proof: Array) -> pd.DataFrame:
    """Find the smallest set of limits that cannot all hold.

    Starts from the limits that prove the conflict and takes out one after the other, the lowest
    priority last, whenever the others still cannot all hold; then looks for fewer among all.
    """
    soft = _soften(grid, limits)
    kept = np.flatnonzero(proof > 1e-9)
    if not _cannot_hold(soft, kept):
        kept = np.arange(len(proof))  # pragma: no cover - a proof lost in the last digits
    kept = _fewest(soft, _thin(soft, kept))
    rows = []
    for k in kept:
        block = limits.blocks[soft.block[k]]
        limit = block.low if soft.side[k] > 0 else block.high
        side = "at least" if soft.side[k] > 0 else "at most"
        said = (
            block.rule.describe()
            if block.values is not None
            else f"{side} {limit[soft.group[k]]:,.10g}"
        )
        rows.append(
            (block.rule.name, group_names(grid, block)[soft.group[k]], int(soft.priority[k]), said)
        )
    table = pd.DataFrame(rows, columns=list(CONFLICT_COLUMNS)).drop_duplicates()
    return table.sort_values(["priority", "rule", "group"], ignore_index=True)


def _thin(soft: _Soft, kept: Codes) -> Codes:
    """Leave out what the conflict does not need: whole rules first, then single limits."""
    for whole_rules in (True, False):
        parts = soft.block[kept] if whole_rules else np.arange(len(kept))
        units = list(dict.fromkeys(parts[np.argsort(-soft.priority[kept], kind="stable")].tolist()))
        gone: npt.NDArray[np.bool_] = np.zeros(len(kept), dtype=bool)
        if len(units) > _MOST_TESTED:
            continue
        for one in units:
            without = ~gone & (parts != one)
            if without.any() and _cannot_hold(soft, kept[without]):
                gone = ~without
        kept = kept[~gone]
    return kept


def _fewest(soft: _Soft, known: Codes) -> Codes:
    """Look for a conflict of fewer limits than the one known.

    Limits cannot all hold if and only if some multiples of them add up to a contradiction
    (Farkas); with as few multiples as possible above 0 they are the smallest conflict.
    """
    count, cells = len(soft.bound), soft.matrix.shape[1]
    if len(known) <= 2 or count > _MOST_SEARCHED:
        return known
    capped = np.flatnonzero(np.isfinite(soft.upper))
    own = sp.csr_array(
        (-np.ones(len(capped)), (capped, np.arange(len(capped)))), (cells, len(capped))
    )
    gap = _contradiction(soft, known)
    none = sp.csr_array((cells, count))
    system = sp.hstack([soft.matrix.T, own, none])
    value = np.concatenate([soft.bound, -soft.upper[capped], np.zeros(count)])
    used = sp.hstack(
        [sp.eye_array(count), sp.csr_array((count, len(capped))), -sp.eye_array(count)]
    )
    found = milp(
        np.concatenate([np.zeros(count + len(capped)), np.ones(count)]),
        constraints=[
            LinearConstraint(system.tocsr(), -np.inf, 0.0),
            LinearConstraint(value[None, :], gap / 20, np.inf),
            LinearConstraint(used.tocsr(), -np.inf, 0.0),
        ],
        integrality=np.concatenate([np.zeros(count + len(capped)), np.ones(count)]),
        bounds=Bounds(
            0, np.concatenate([np.ones(count), np.full(len(capped), np.inf), np.ones(count)])
        ),
        options={"node_limit": _MOST_NODES},
    )
    fewer = known if found.x is None else np.flatnonzero(found.x[-count:] > 0.5)
    return fewer if len(fewer) < len(known) and _cannot_hold(soft, fewer) else known


def _contradiction(soft: _Soft, rows: Codes) -> float:
    """By how much limits contradict each other: the least they must give in all, scaled."""
    count = len(rows)
    system = sp.hstack([soft.matrix[rows], sp.eye_array(count)]).tocsr()
    cells = soft.matrix.shape[1]
    upper = np.concatenate([soft.upper, np.full(count, np.inf)])
    cost = np.concatenate([np.zeros(cells), np.ones(count)])
    bounds = np.column_stack([np.zeros(len(upper)), upper])
    return float(linprog(cost, A_ub=-system, b_ub=-soft.bound[rows], bounds=bounds).fun)


def gives_alike(grid: Grid, limits: Limits, gives: pd.DataFrame) -> pd.DataFrame:
    """Find the one share by which all limits of a rule would have to give, instead of a few.

    Returns
    -------
    pandas.DataFrame
        ``rule``, ``side``, ``limits`` (how many) and ``gives_share`` (0.02: each gives 2 % of what
        it asks), for rules with several limits that give, the other rules giving as in ``gives``.
    """
    soft = _soften(grid, limits)
    cells = soft.matrix.shape[1]
    rows = []
    for (number, side), mine in gives.groupby(["block", "side"], sort=True):
        block = limits.blocks[number]  # type: ignore[call-overload]
        limit = block.low if side == "at least" else block.high
        some = np.isfinite(limit) & (limit != 0)
        if some.sum() < 2 or block.values is not None:
            continue
        others = gives.drop(mine.index)
        bound = soft.bound - _given(soft, others)
        ours = (soft.block == number) & (soft.side == (1 if side == "at least" else -1))
        share = sp.csr_array(np.where(ours, np.abs(bound), 0.0)[:, None])
        system = sp.hstack([soft.matrix, share]).tocsr()
        upper = np.append(soft.upper, np.inf)
        found = linprog(
            np.append(np.zeros(cells), 1.0),
            A_ub=-system,
            b_ub=-bound,
            bounds=np.column_stack([np.zeros(cells + 1), upper]),
        )
        if found.x is not None:
            rows.append((block.rule.name, side, int(some.sum()), float(found.x[-1])))
    return pd.DataFrame(rows, columns=["rule", "side", "limits", "gives_share"])


def _given(soft: _Soft, gives: pd.DataFrame) -> Array:
    """How much each limit gives, scaled."""
    amount = {
        (int(b), int(g), 1 if s == "at least" else -1): float(a) / soft.size
        for b, g, s, a in gives[["block", "number", "side", "gives"]].to_numpy()
    }
    keys = zip(soft.block.tolist(), soft.group.tolist(), soft.side.tolist(), strict=True)
    return np.array([amount.get(key, 0.0) for key in keys])


def _cannot_hold(soft: _Soft, rows: Codes) -> bool:
    part = soft.matrix[rows]
    cells = np.unique(part.indices)
    part = part[:, cells]
    bounds = np.column_stack([np.zeros(len(cells)), soft.upper[cells]])
    result = linprog(
        np.zeros(len(cells)), A_ub=-part, b_ub=-soft.bound[rows], bounds=bounds, method="highs"
    )
    return result.status == 2


def explain_conflict(
    grid: Grid, limits: Limits, gives: pd.DataFrame, proof: Array
) -> RulesConflictError:
    """Say which rules cannot all hold and by how much each must give."""
    conflict = find_conflict(grid, limits, proof)
    named = [
        f"{rule!r}{_of(group)} ({limit})"
        for rule, group, limit in conflict[["rule", "group", "limit"]].to_numpy()
    ]
    must = [
        f"{rule!r}{_of(group)} by {amount:,.10g} (to {side} {becomes:,.10g})"
        for rule, group, amount, side, becomes in gives[
            ["rule", "group", "gives", "side", "becomes"]
        ].to_numpy()
    ]
    alike = [
        f"{share * 100:.3g} % from each of the {number} limits of {rule!r} ({side}) would do as well"
        for rule, side, number, share in gives_alike(grid, limits, gives).to_numpy()
    ]
    also = f" Shared alike: {_list(alike)}." if alike else ""
    zero = int((grid.base == 0).sum())
    why = f" ({zero} cells have a base of 0 and stay at 0.)" if zero else ""
    message = (
        f"These {len(named)} limits cannot all hold: {_list(named)}. It would fit if these give: "
        f"{_list(must)}.{also} Change one of them, or allow rules to give in [relax].{why}"
    )
    return RulesConflictError(message, conflict, gives[list(GIVE_COLUMNS)])


def _of(group: str) -> str:
    return f" for {group!r}" if group else ""


def _list(parts: list[str]) -> str:
    return "; ".join(parts[:5]) + (f" and {len(parts) - 5} more" if len(parts) > 5 else "")


def relax_limits(
    grid: Grid, limits: Limits, relax: Relax, unit: float
) -> tuple[Limits, pd.DataFrame]:
    """Let rules give as much as is needed, where the scenario allows it.

    Raises
    ------
    RulesConflictError
        Nothing may give, or a rule of too high a priority would have to.
    """
    gives, proof = gives_needed(grid, limits, unit)
    if gives.empty:
        return limits, gives[list(GIVE_COLUMNS)]
    if not relax.allow or (gives["priority"] > relax.up_to_priority).any():
        raise explain_conflict(grid, limits, gives, proof)
    return give_way(grid, limits, gives), gives[list(GIVE_COLUMNS)]


def give_way(grid: Grid, limits: Limits, gives: pd.DataFrame) -> Limits:
    """Move limits by what they must give (see `gives_needed`)."""
    blocks = list(limits.blocks)
    for number, group, side, becomes in gives[["block", "number", "side", "becomes"]].to_numpy():
        name = "low" if side == "at least" else "high"
        limit = getattr(blocks[number], name).copy()
        limit[group] = becomes
        changed = {"low": limit} if name == "low" else {"high": limit}
        blocks[number] = replace(blocks[number], **changed)
    return assemble(grid, blocks, limits.choices, limits.findings)
