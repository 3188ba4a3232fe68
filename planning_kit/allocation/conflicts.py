"""Say no with reasons: which rules cannot all hold, and by how much each must give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy.optimize import Bounds, LinearConstraint, linprog
from scipy.sparse.linalg import splu

from planning_kit.allocation.cells import Array, Codes, Grid
from planning_kit.allocation.limits import Limits, assemble, group_names
from planning_kit.messages import InfeasiblePlanError
from planning_kit.numbers.programs import integer_program
from planning_kit.plan import Relax

GIVE_COLUMNS = ("rule", "group", "priority", "side", "asked", "gives", "becomes")
CONFLICT_COLUMNS = ("rule", "group", "priority", "limit")
_MOST_SEARCHED = (
    40  # limits among which the conflict of the fewest is searched, not only a small one
)
_MOST_NODES = 2_000  # of that search: a number of steps, not a time, for the same answer anywhere
_SPARED = 1e4  # what a limit of the rule costs that a conflict is looked for without; others: 1
_TINY = 1e-7  # shares of the scale below which the solver's slack is noise
_SAID = 2  # limits of one rule that a message names; the rest is counted


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
    alike : DataFrame
        The one share by which all limits of a rule would have to give instead, see `gives_alike`.
    by_total : DataFrame
        What gives, as in ``gives``, where the total gives first.
    """

    def __init__(
        self,
        message: str,
        conflict: pd.DataFrame,
        gives: pd.DataFrame,
        alike: pd.DataFrame,
        by_total: pd.DataFrame,
    ) -> None:
        super().__init__(message)
        self.conflict = conflict
        self.gives = gives
        self.alike = alike
        self.by_total = by_total

    def saying(self, message: str) -> RulesConflictError:
        """Give the same conflict in other words."""
        return RulesConflictError(message, self.conflict, self.gives, self.alike, self.by_total)


@dataclass(frozen=True)
class _Soft:
    """Every limit as ``matrix @ x >= bound`` over scaled amounts of 0 or more; one row a limit.

    Cells that stand in the same limits are one column; cells that stay 0 stand in none.
    """

    matrix: sp.csr_array
    bound: Array
    block: Codes
    group: Codes
    side: Codes  # 1: at least, -1: at most
    priority: Codes
    level: Array  # base of each column, scaled
    size: float


def _soften(grid: Grid, limits: Limits) -> _Soft:
    rows, bounds, where = [], [], []
    size = max(1e-300, float(np.abs(limits.blocks[0].low).max()), float(np.abs(grid.base).sum()))
    size /= max(1, len(grid))
    moves = np.ones(len(grid), dtype=bool)
    for number, block in enumerate(limits.blocks):
        if block.rule.kind == "implied":
            cells = np.flatnonzero(block.codes >= 0)
            moves[cells] &= block.high[block.codes[cells]] > 0
            continue
        inside = np.flatnonzero(block.codes >= 0)
        values = np.ones(len(inside)) if block.values is None else block.values[inside]
        one = sp.csr_array((values, (block.codes[inside], inside)), (len(block.low), len(grid)))
        for side, limit in ((1, block.low), (-1, block.high)):
            use = np.flatnonzero(np.isfinite(limit))
            rows.append(one[use] * side)
            bounds.append(side * limit[use] / size)
            told = (number, use, side, block.rule.priority)
            where.append([np.broadcast_to(part, len(use)) for part in told])
    block_of, group_of, side_of, priority = (np.concatenate(x) for x in zip(*where, strict=True))
    level = np.where(moves, np.abs(grid.base) / size, 0.0)
    matrix, level = _merged(sp.vstack(rows).tocsc() @ sp.diags_array(moves.astype(float)), level)
    return _Soft(matrix, np.concatenate(bounds), block_of, group_of, side_of, priority, level, size)


def _merged(matrix: Any, level: Array) -> tuple[sp.csr_array, Array]:
    """Keep one of the columns that are alike, with what they all start from."""
    columns = matrix.tocsc()
    columns.eliminate_zeros()
    drawn = np.random.default_rng(0).uniform(1.0, 2.0, columns.shape[0])
    _, first, alike = np.unique(columns.T @ drawn, return_index=True, return_inverse=True)
    return columns[:, first].tocsr(), np.bincount(alike, level)


def gives_needed(grid: Grid, limits: Limits, unit: float) -> pd.DataFrame:
    """Find by how much rules must give so that all can hold, the lowest priority first.

    The rules of the highest priority give as little as they can, then the next, and so on; the
    gives are rounded up to whole units.

    Returns
    -------
    DataFrame
        See `RulesConflictError`; besides ``block`` and ``number`` of the limit.
    """
    soft = _soften(grid, limits)
    columns = soft.matrix.shape[1]
    slack = np.zeros(len(soft.bound))
    most = np.full(len(soft.bound), np.inf)
    for priority in sorted(set(soft.priority.tolist()), reverse=True):
        level = np.flatnonzero(soft.priority >= priority)
        system = sp.hstack([soft.matrix[level], sp.eye_array(len(level))]).tocsr()
        cost = np.append(np.zeros(columns), soft.priority[level] == priority)
        upper = np.append(np.full(columns, np.inf), most[level])
        bounds = np.column_stack([np.zeros(len(cost)), upper])
        found = linprog(cost, A_ub=-system, b_ub=-soft.bound[level], bounds=bounds, method="highs")
        if found.x is None:
            # Every limit may give here, so that only a fault of the solver leads to this line.
            raise RuntimeError(f"no conflict found: {found.message}")  # pragma: no cover
        slack[level] = found.x[columns:]
        most[level] = slack[level] * (1 + 1e-9) + 1e-9
    return _gives_table(grid, limits, soft, slack, unit)


def _gives_table(
    grid: Grid, limits: Limits, soft: _Soft, slack: Array, unit: float
) -> pd.DataFrame:
    amounts = np.where(slack > _TINY, np.ceil(slack * soft.size / unit - 1e-5) * unit, 0.0)
    rows = [
        (name, group, priority, side, limit, amount, limit + back * amount, block, number)
        for (name, group, priority, side, limit, block, number), amount, back in zip(
            _told(grid, limits, soft, np.flatnonzero(amounts > 0)),
            amounts[amounts > 0].tolist(),
            (-soft.side[amounts > 0]).tolist(),
            strict=True,
        )
    ]
    table = pd.DataFrame(rows, columns=[*GIVE_COLUMNS, "block", "number"])
    return table.sort_values(["priority", "rule", "group", "side"], ignore_index=True)


def _told(grid: Grid, limits: Limits, soft: _Soft, rows: Codes) -> list[tuple[Any, ...]]:
    """Say which limits these rows are: rule, group, priority, side, amount, block, number."""
    names = {k: group_names(grid, limits.blocks[k]) for k in set(soft.block[rows].tolist())}
    told = []
    for k in rows:
        number, group, least = int(soft.block[k]), int(soft.group[k]), soft.side[k] > 0
        block = limits.blocks[number]
        limit = float((block.low if least else block.high)[group])
        side = "at least" if least else "at most"
        name = names[number][group]
        told.append((block.rule.name, name, int(soft.priority[k]), side, limit, number, group))
    return told


def find_conflict(grid: Grid, limits: Limits) -> pd.DataFrame:
    """Find a set of limits that cannot all hold, while without any one of them the others can.

    Among a few limits it is the smallest such set there is; among many, the smallest that a
    handful of linear programs find.

    Returns
    -------
    DataFrame
        See `RulesConflictError`; besides ``side`` and ``amount`` of the limit.
    """
    soft = _soften(grid, limits)
    kept = _irreducible(soft, *_fewest(soft, _few(soft)))
    rows = []
    for told in _told(grid, limits, soft, kept):
        name, group, priority, side, limit, number, _ = told
        block = limits.blocks[number]
        said = f"{side} {limit:,.10g}" if block.values is None else block.rule.describe()
        amount = limit if block.values is None else np.nan
        rows.append((name, group, priority, said, side, amount))
    table = pd.DataFrame(rows, columns=[*CONFLICT_COLUMNS, "side", "amount"]).drop_duplicates()
    return table.sort_values(["priority", "rule", "group"], ignore_index=True)


def _contradiction(
    soft: _Soft, rows: Codes, price: Array | None = None
) -> tuple[Codes, Array] | None:
    """Find the cheapest contradiction among limits, with its multiples; None: they can all hold.

    Limits cannot all hold if and only if some multiples of them, 0 or more, add up to a
    contradiction (Farkas): the prices of the limits where all give in proportion to what each
    costs. At a corner few of them are above 0: no fewer of these limits contradict each other
    with the same cells at 0 (Gleeson and Ryan 1990).
    """
    matrix, _ = _merged(soft.matrix[rows], soft.level)
    value = soft.bound[rows]
    shared = (np.ones(len(rows)) if price is None else price[rows]) / len(rows)
    found = linprog(
        np.append(np.zeros(matrix.shape[1]), 1.0),
        A_ub=-sp.hstack([matrix, sp.csr_array(shared[:, None])]).tocsr(),
        b_ub=-value,
        method="highs-ipm",
    )
    if found.x is None or found.x[-1] <= _TINY:
        return None
    multiples = -found.ineqlin.marginals
    used = multiples > 1e-9 * multiples.max()
    return (rows[used], multiples[used]) if _cannot_hold(soft, rows[used]) else None


def _cannot_hold(soft: _Soft, rows: Codes) -> bool:
    matrix, _ = _merged(soft.matrix[rows], soft.level)
    nothing = np.zeros(matrix.shape[1])
    found = linprog(nothing, A_ub=-matrix, b_ub=-soft.bound[rows], method="highs")
    return bool(found.status == 2)


def _few(soft: _Soft) -> tuple[Codes, Array]:
    """Look for a conflict of few limits: the cheapest, or the cheapest without its firmest rule."""
    everything = np.arange(len(soft.bound))
    best = _contradiction(soft, everything)
    if best is None:
        return everything, np.ones(len(everything))  # pragma: no cover - lost in the last digits
    firmest = soft.block[best[0][np.argmax(soft.priority[best[0]])]]
    other = _contradiction(soft, everything, np.where(soft.block == firmest, _SPARED, 1.0))
    return other if other is not None and len(other[0]) < len(best[0]) else best


def _irreducible(soft: _Soft, rows: Codes, multiples: Array) -> Codes:
    """Leave out limits, those of the highest priority first, until every one is needed."""
    needed = _surely_needed(soft, rows, multiples)
    while True:
        for k in rows[np.argsort(-soft.priority[rows], kind="stable")].tolist():
            if k in needed or len(rows) == 1:
                continue
            fewer = _contradiction(soft, rows[rows != k])
            if fewer is not None:
                rows = fewer[0]
                needed |= _surely_needed(soft, *fewer)
                break
            needed.add(k)
        else:
            return rows


def _surely_needed(soft: _Soft, rows: Codes, multiples: Array) -> set[int]:
    """Find limits that are needed because goals are at hand that keep all the others.

    The goals are worked out for all limits at once: they meet every other limit to the unit, as
    near to nothing as they can be by the measure of the bases. Where one of them is below 0 the
    limit may be needed or not.
    """
    matrix, level = _merged(soft.matrix[rows], soft.level)
    pull = matrix.T @ multiples
    open_ = pull > -1e-9 * float(np.abs(multiples).max())  # the other cells stay at 0
    part, ease = matrix[:, np.flatnonzero(open_)], level[open_] + 1e-3
    system = (part @ sp.diags_array(ease) @ part.T).tocsc()
    system += sp.diags_array(np.full(len(rows), 1e-13 * system.diagonal().max(initial=1.0)))
    solver = splu(system.tocsc())
    bound = soft.bound[rows]
    miss = float(bound @ multiples) / multiples
    needed: list[int] = rows[_alone_with(part, ease, solver.solve, bound, miss)].tolist()
    left = np.flatnonzero(~np.isin(rows, needed))
    for at in np.array_split(left, 1 + matrix.size * len(left) // 10**7):
        asked = np.repeat(bound[:, None], len(at), axis=1)
        asked[at, np.arange(len(at))] -= miss[at]
        goals = ease[:, None] * (part.T @ solver.solve(asked))
        goals += ease[:, None] * (part.T @ solver.solve(asked - part @ goals))  # the last digits
        off = np.abs(part @ goals - asked).max(axis=0)
        needed += rows[at[(off < _TINY) & (goals.min(axis=0, initial=0.0) >= -_TINY)]].tolist()
    return set(needed)


def _alone_with(
    part: Any, ease: Array, solve: Callable[[Array], Array], bound: Array, miss: Array
) -> Codes:
    """Find limits whose cells stand in one other limit only, the widest, which they make up for.

    With goals that meet every limit but the widest, one such cell can take all that the widest
    lacks: every limit holds then but that cell's own.
    """
    widest = int(np.diff(part.tocsr().indptr).argmax())
    asked = bound.copy()
    asked[widest] -= miss[widest]
    goals = ease * (part.T @ solve(asked))
    goals += ease * (part.T @ solve(asked - part @ goals))
    columns = part.tocsc()
    two = np.diff(columns.indptr) == 2
    of_widest = np.asarray(part[[widest]].todense()).ravel()
    takes = two & (of_widest != 0)
    takes &= goals + miss[widest] / np.where(takes, of_widest, 1.0) >= 0
    is_met = np.abs(part @ goals - asked).max() < _TINY and goals.min(initial=0.0) >= -_TINY
    rows_of = columns[:, np.flatnonzero(takes)].nonzero()[0]
    return np.unique(rows_of[rows_of != widest]) if is_met else np.zeros(0, dtype=np.int64)


def _fewest(soft: _Soft, known: tuple[Codes, Array]) -> tuple[Codes, Array]:
    """Look, among a few limits, for the conflict of the fewest of them.

    It is the contradiction with as few multiples above 0 as there can be.
    """
    count, columns = soft.matrix.shape
    if len(known[0]) <= 2 or count > _MOST_SEARCHED:
        return known
    sums = sp.hstack([soft.matrix.T, sp.csr_array((columns, count))])
    used = sp.hstack([sp.eye_array(count), -sp.eye_array(count)])
    least = float(soft.bound[known[0]] @ known[1]) / float(known[1].max())
    found = integer_program(
        np.repeat([0.0, 1.0], count),
        constraints=[
            LinearConstraint(sums.tocsr(), -np.inf, 0.0),
            LinearConstraint(np.append(soft.bound, np.zeros(count))[None, :], least / 20, np.inf),
            LinearConstraint(used.tocsr(), -np.inf, 0.0),
        ],
        integrality=np.repeat([0.0, 1.0], count),
        bounds=Bounds(0, 1),
        options={"node_limit": _MOST_NODES},
    )
    if found.x is None:
        return known  # pragma: no cover - the search ended before it found any
    fewer = np.flatnonzero(found.x[count:] > 0.5)
    if len(fewer) < len(known[0]) and (better := _contradiction(soft, fewer)) is not None:
        return better
    return known


def gives_alike(grid: Grid, limits: Limits, gives: pd.DataFrame) -> pd.DataFrame:
    """Find the one share by which all limits of a rule would have to give, instead of a few.

    Returns
    -------
    pandas.DataFrame
        ``rule``, ``side``, ``limits`` (how many) and ``gives_share`` (0.02: each gives 2 % of what
        it asks), for rules with several limits that give, the other rules giving as in ``gives``.
    """
    soft = _soften(grid, limits)
    columns = soft.matrix.shape[1]
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
        cost = np.append(np.zeros(columns), 1.0)
        found = linprog(cost, A_ub=-system, b_ub=-bound, method="highs-ipm")
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


def explain_conflict(
    grid: Grid, limits: Limits, gives: pd.DataFrame, unit: float
) -> RulesConflictError:
    """Say which rules cannot all hold and by how much each must give."""
    conflict = find_conflict(grid, limits)
    shares = gives_alike(grid, limits, gives)
    alike = [
        f"{share * 100:.3g} % from each of the {number} limits of {rule!r} ({side}) would do as well"
        for rule, side, number, share in shares.to_numpy()
    ]
    also = f" Shared alike: {_list(alike)}." if alike else ""
    zero = int((grid.base == 0).sum())
    why = f" ({zero} cells have a base of 0 and stay at 0.)" if zero else ""
    message = (
        f"These {len(conflict)} limits cannot all hold: "
        f"{_by_rule(conflict, 'amount', _limit_text)}. It would fit if these give: "
        f"{_by_rule(gives, 'gives', _given_text)}.{also} Change one of them, "
        f"or allow rules to give in [relax].{why}"
    )
    tables = (conflict[list(CONFLICT_COLUMNS)], gives[list(GIVE_COLUMNS)], shares)
    return RulesConflictError(message, *tables, _gives_by_total(grid, limits, unit))


def _gives_by_total(grid: Grid, limits: Limits, unit: float) -> pd.DataFrame:
    """Find by how much rules must give, where it is the total that gives first."""
    first = limits.blocks[0]
    giving = replace(first, rule=replace(first.rule, priority=0))
    gives = gives_needed(grid, replace(limits, blocks=[giving, *limits.blocks[1:]]), unit)
    return gives[list(GIVE_COLUMNS)]


def _limit_text(row: Any) -> str:
    return f" ({row.limit})"


def _given_text(row: Any) -> str:
    return f" by {row.gives:,.10g} (to {row.side} {row.becomes:,.10g})"


def _by_rule(table: pd.DataFrame, amount: str, say: Callable[[Any], str]) -> str:
    """Say limits rule by rule: a few by name, how many more, and what they are in all.

    The groups of a rule have no cell in common, so that their amounts add up.
    """
    parts = []
    for (rule, side), mine in table.groupby(["rule", "side"], sort=False):
        said = [f"{_of(str(row.group))}{say(row)}" for row in mine.head(_SAID).itertuples()]
        text = f"{rule!r}{','.join(said)}"
        if len(mine) > _SAID:
            text += f" and {len(mine) - _SAID} more"
            if mine[amount].notna().all():
                how = side if amount == "amount" else "by"
                text += f", in all {how} {mine[amount].sum():,.10g}"
        parts.append(text)
    return _list(parts)


def _of(group: str) -> str:
    """Name a group with each label in quotes: a reader may put names in the place of ids."""
    return f" for {' / '.join(map(repr, group.split(' / ')))}" if group else ""


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
    gives = gives_needed(grid, limits, unit)
    if gives.empty:
        return limits, gives[list(GIVE_COLUMNS)]
    if not relax.allow or (gives["priority"] > relax.up_to_priority).any():
        raise explain_conflict(grid, limits, gives, unit)
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
