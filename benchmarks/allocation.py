"""The allocation engine against quadratic-programming solvers and the open-source peer.

Run with ``python -m benchmarks.allocation``. Peers come with the extra ``bench``; those that are
not installed are left out. Every peer gets the same problem in its own sparse format, prepared
outside the clock, at the accuracy that the comparison asks for. Of the ways in which PIQP and
Clarabel can factorize, the fastest on these problems are used (PIQP's condensed systems are dense
here and need tens of gigabytes; Clarabel's two are alike).
"""

from __future__ import annotations

import argparse
import importlib.util
import warnings
from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from benchmarks.harness import Row, peak_mb, seconds, show, take_turns, versions, write_results
from planning_kit.allocation import RulesConflictError, allocate, phase
from planning_kit.allocation.solve import Problem, solve
from planning_kit.plan import Scenario

SIZES = (4_000, 20_000, 40_000, 200_000, 2_000_000)
PEERS = ("piqp", "osqp", "clarabel", "highspy")
LONGEST = 20.0  # seconds: time limit of peers that have one
SLOW = 2.0  # seconds above which a peer is left out of the next larger size
TODAY = date(2026, 1, 1)


def make_problem(family: str, cells: int, seed: int = 1) -> Problem:
    """Draw a problem: few rules; many binding rules; or a deep hierarchy with a crossing grouping.

    Half the rules bind from below within 3 %, half from above; cells move 40 % down, 60 % up.
    """
    random, place = np.random.default_rng(seed), np.arange(cells)
    total = np.zeros(cells, dtype=np.int64)
    if family == "few rules":
        groupings = [total, place % 5]
    elif family == "many binding rules":
        groups = max(2, cells // 21)
        crossing = random.integers(0, max(2, groups // 20), cells)
        groupings = [total, random.integers(0, groups, cells), crossing]
    else:
        team = place * max(2, cells // 20) // cells
        groupings = [total, team // 1000, team // 100, team // 10, team]
        groupings.append(random.integers(0, 50, cells))
    base = random.lognormal(8, 1, cells)
    matrix = _rows(groupings, cells)
    inside = np.clip(base * random.uniform(0.7, 1.5, cells), base * 0.6, base * 1.6)
    sums = matrix @ inside
    low = np.where(
        random.random(len(sums)) < 0.5, sums * random.uniform(0.97, 1, len(sums)), -np.inf
    )
    high = np.where(
        random.random(len(sums)) < 0.5, sums * random.uniform(1, 1.03, len(sums)), np.inf
    )
    low[0] = high[0] = sums[0]
    keep = np.flatnonzero(np.isfinite(low) | np.isfinite(high))
    return Problem(
        base,
        base.copy(),
        base * 0.6,
        base * 1.6,
        _narrow(matrix.tocsr()[keep]),
        low[keep],
        high[keep],
    )


def _rows(groupings: list[np.ndarray], cells: int) -> sp.csc_array:
    at, start = [], 0
    for codes in groupings:
        dense = np.unique(codes, return_inverse=True)[1]
        at.append(dense + start)
        start += int(dense.max()) + 1
    ones = np.ones(cells * len(groupings))
    where = (np.concatenate(at), np.tile(np.arange(cells), len(groupings)))
    return sp.csc_array((ones, where), shape=(start, cells))


def _narrow(matrix: Any) -> sp.csc_array:
    found = sp.csc_array(matrix)
    found.indices, found.indptr = found.indices.astype(np.int32), found.indptr.astype(np.int32)
    return found


class Scaled:
    """A problem in shares of the mean amount, as the solvers want it."""

    def __init__(self, problem: Problem) -> None:
        size, ease = problem.aim.mean(), problem.weight.mean()
        self.size = size
        self.count = len(problem.aim)
        self.inverse = ease / problem.weight
        self.linear = -problem.aim / size * self.inverse
        self.quadratic = sp.csc_matrix(sp.diags_array(self.inverse))
        self.lower, self.upper = problem.lower / size, problem.upper / size
        self.low, self.high = problem.low / size, problem.high / size
        self.equal = np.flatnonzero(problem.low == problem.high)
        self.range = np.flatnonzero(problem.low != problem.high)
        rows = problem.matrix.tocsr()
        self.rows = sp.csc_matrix(rows)
        self.equal_rows, self.range_rows = (
            sp.csc_matrix(rows[k]) for k in (self.equal, self.range)
        )
        self.all_rows = sp.csc_matrix(sp.vstack([rows, sp.eye_array(self.count)]))
        self.aim = problem.aim / size

    def objective(self, goals: np.ndarray) -> float:
        """Give the objective of goals in shares."""
        return float(0.5 * ((goals - self.aim) ** 2 * self.inverse).sum())

    def missed(self, goals: np.ndarray) -> float:
        """Give the largest miss of a rule as a share of the total."""
        sums = self.rows @ goals
        total = self.low[self.equal[0]]
        rules = np.maximum(self.low - sums, sums - self.high).max()
        cells = np.maximum(self.lower - goals, goals - self.upper).max()
        return float(max(rules, cells, 0.0) / total)


def by_piqp(case: Scaled) -> np.ndarray:
    """Solve with PIQP."""
    import piqp

    solver = piqp.SparseSolver()
    solver.settings.eps_abs = solver.settings.eps_rel = 1e-9
    solver.setup(
        case.quadratic,
        case.linear,
        case.equal_rows,
        case.low[case.equal],
        case.range_rows,
        case.low[case.range],
        case.high[case.range],
        case.lower,
        case.upper,
    )
    solver.solve()
    return np.asarray(solver.result.x)


def by_osqp(case: Scaled) -> np.ndarray:
    """Solve with OSQP, polished."""
    import osqp

    solver = osqp.OSQP()
    solver.setup(
        case.quadratic,
        case.linear,
        case.all_rows,
        np.concatenate([case.low, case.lower]),
        np.concatenate([case.high, case.upper]),
        verbose=False,
        eps_abs=1e-8,
        eps_rel=1e-8,
        max_iter=100_000,
        polishing=True,
        time_limit=LONGEST,
    )
    return np.asarray(solver.solve().x)


def by_clarabel(case: Scaled) -> np.ndarray:
    """Solve with Clarabel."""
    import clarabel

    low, high = case.low[case.range], case.high[case.range]
    least, most = np.isfinite(low), np.isfinite(high)
    unit = sp.eye_array(case.count)
    parts = [case.equal_rows, case.range_rows[most], -case.range_rows[least], unit, -unit]
    right = np.concatenate([case.low[case.equal], high[most], -low[least], case.upper, -case.lower])
    cones = [
        clarabel.ZeroConeT(len(case.equal)),
        clarabel.NonnegativeConeT(len(right) - len(case.equal)),
    ]
    options = clarabel.DefaultSettings()
    options.verbose, options.time_limit = False, LONGEST
    options.tol_gap_abs = options.tol_gap_rel = options.tol_feas = 1e-9
    solver = clarabel.DefaultSolver(
        case.quadratic, case.linear, sp.csc_matrix(sp.vstack(parts)), right, cones, options
    )
    return np.asarray(solver.solve().x)


def by_highspy(case: Scaled) -> np.ndarray:
    """Solve with the quadratic solver of HiGHS."""
    import highspy

    model = highspy.HighsModel()
    lp, hessian = model.lp_, model.hessian_
    lp.num_col_, lp.num_row_ = case.count, case.rows.shape[0]
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = case.linear, case.lower, case.upper
    lp.row_lower_, lp.row_upper_ = case.low, case.high
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_, lp.a_matrix_.index_ = case.rows.indptr, case.rows.indices
    lp.a_matrix_.value_ = case.rows.data
    hessian.dim_, hessian.start_ = case.count, case.quadratic.indptr
    hessian.index_, hessian.value_ = case.quadratic.indices, case.quadratic.data
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("time_limit", LONGEST)
    solver.passModel(model)
    solver.run()
    return np.asarray(solver.getSolution().col_value)


BY: dict[str, Callable[[Scaled], np.ndarray]] = {
    "piqp": by_piqp,
    "osqp": by_osqp,
    "clarabel": by_clarabel,
    "highspy": by_highspy,
}


def compare_solvers(sizes: tuple[int, ...], rounds: int) -> list[Row]:
    """Compare with every solver on every family and size, until it takes too long."""
    there = [name for name in PEERS if importlib.util.find_spec(name)]
    rows = []
    for family in ("few rules", "many binding rules", "deep hierarchy"):
        slow: set[str] = set()
        for cells in sizes:
            problem = make_problem(family, cells)
            case = Scaled(problem)
            size = f"{cells} cells, {len(problem.low)} rules"
            peak = peak_mb(lambda problem=problem: solve(problem))
            for name in there:
                if name not in slow:
                    row = _compare(family, size, name, (problem, case), rounds, peak)
                    rows.append(show(row))
                    if row.peer_seconds is None or row.peer_seconds > SLOW:
                        slow.add(name)
            alone = min(seconds(lambda problem=problem: solve(problem)) for _ in range(rounds))
            inputs = sum(
                a.nbytes
                for a in (
                    problem.aim,
                    problem.weight,
                    problem.lower,
                    problem.upper,
                    problem.matrix.data,
                    problem.matrix.indices,
                    problem.matrix.indptr,
                )
            )
            rows.append(
                show(
                    Row(
                        family,
                        size,
                        alone,
                        "alone",
                        None,
                        None,
                        peak,
                        f"peak {peak * 2**20 / inputs:.1f} x inputs, missed "
                        f"{case.missed(solve(problem).goals / case.size):.0e}",
                        versions("numpy", "scipy"),
                    )
                )
            )
    return rows


def _compare(
    family: str, size: str, name: str, given: tuple[Problem, Scaled], rounds: int, peak: float
) -> Row:
    problem, case = given
    ours = solve(problem).goals / case.size
    kept: dict[str, np.ndarray] = {}
    took = seconds(lambda: kept.update(goals=BY[name](case)))
    theirs = kept["goals"]
    if took > 0.95 * LONGEST and name in ("highspy", "osqp"):
        return Row(
            family,
            size,
            seconds(lambda: solve(problem)),
            name,
            took,
            None,
            peak,
            "peer stopped at its time limit",
            versions(name),
        )
    if theirs.shape != ours.shape or not np.isfinite(theirs).all():
        return Row(
            family,
            size,
            seconds(lambda: solve(problem)),
            name,
            None,
            None,
            peak,
            "peer gave no answer",
            versions(name),
        )
    mine, other = case.objective(ours), case.objective(theirs)
    rounds = 1 if took > SLOW else rounds
    ours_s, theirs_s, ratio = take_turns(lambda: solve(problem), lambda: BY[name](case), rounds)
    return Row(
        family,
        size,
        ours_s,
        name,
        theirs_s,
        ratio,
        peak,
        f"objective {(mine - other) / other:+.0e}, missed {case.missed(ours):.0e} against "
        f"{case.missed(theirs):.0e}",
        versions("numpy", "scipy", name),
    )


def plan_of_500() -> tuple[pd.DataFrame, float, Scenario, pd.DataFrame]:
    """Make 500 people with 5 product lines in 20 territories, with rules, and a seasonal profile."""
    random = np.random.default_rng(0)
    rows = [(f"R{i:03d}", f"T{i % 20:02d}", f"L{j}") for i in range(500) for j in range(5)]
    cells = pd.DataFrame(rows, columns=["rep_id", "territory_id", "product_line"])
    cells["base"] = random.lognormal(9, 0.6, len(cells)).round(2)
    cells["last_goal"] = (cells["base"] * random.uniform(0.9, 1.1, len(cells))).round()
    rules = [
        {"name": "calm", "each": "rep_id", "most_up_share": 0.15, "most_down_share": 0.05},
        {
            "name": "area",
            "each": "territory_id",
            "at_least": 1.0,
            "at_most": 1.08,
            "relative_to": "last_goal",
        },
        {"name": "line", "each": "product_line", "at_least": 0.9, "relative_to": "base"},
    ]
    months = [f"2026-{month:02d}" for month in range(1, 13)]
    profile = pd.DataFrame(random.dirichlet(np.full(12, 5.0), 5), columns=months)
    profile.insert(0, "product_line", [f"L{j}" for j in range(5)])
    return (
        cells,
        round(cells["base"].sum() * 1.07),
        Scenario.parse("bench", {"rules": rules}),
        profile,
    )


def time_whole_plan(rounds: int) -> list[Row]:
    """Time rules, solving, rounding and explaining, and the phasing, for 500 people."""
    cells, total, scenario, profile = plan_of_500()

    def plan() -> Any:
        return allocate(cells, total, scenario, rounding_unit=1, today=TODAY)

    made = plan()
    goals = made.goals[["rep_id", "territory_id", "product_line", "goal"]]
    phased = phase(goals, profile, 1)
    exact = made.gap == 0 and made.rules["gap"].max() == 0 and phased["goal"].sum() == total
    result = "exact" if exact else "NOT EXACT"
    seen = versions("numpy", "scipy", "pandas")
    times = sorted(seconds(plan) for _ in range(rounds))
    months = sorted(seconds(lambda: phase(goals, profile, 1)) for _ in range(rounds))
    return [
        Row(
            "whole plan",
            "500 people, 5 lines",
            times[len(times) // 2],
            "limit 0.05 s",
            None,
            None,
            peak_mb(plan),
            result,
            seen,
        ),
        Row(
            "phasing",
            "500 people, 5 lines, 12 months",
            months[len(months) // 2],
            "limit 0.5 s",
            None,
            None,
            None,
            result,
            seen,
        ),
    ]


def time_refusal(rounds: int) -> list[Row]:
    """Time how long a plan for 500 people takes to say which rules cannot all hold."""
    cells, _, scenario, _ = plan_of_500()
    total = round(cells["base"].sum() * 1.3)
    kept: dict[str, RulesConflictError] = {}

    def refuse() -> None:
        try:
            allocate(cells, total, scenario, rounding_unit=1, today=TODAY)
        except RulesConflictError as error:
            kept["error"] = error

    times = sorted(seconds(refuse) for _ in range(rounds))
    said = f"{len(kept['error'].conflict)} limits, each needed"
    size, seen = "500 people, 5 lines", versions("numpy", "scipy", "pandas")
    middle = times[len(times) // 2]
    return [Row("refusal", size, middle, "limit 0.5 s", None, None, peak_mb(refuse), said, seen)]


def peer_plan() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Make the peer's reference size: 945 nodes of a hierarchy times 112 combinations."""
    random = np.random.default_rng(2)
    reps = pd.DataFrame({"rep": [f"R{i:03d}" for i in range(889)]})
    reps["team"] = [f"T{i % 50:02d}" for i in range(889)]
    reps["region"] = [f"G{i % 50 % 5}" for i in range(889)]
    reps["company"] = "C"
    reps["seats"] = random.integers(5, 200, 889).astype(float)
    combos = [(s, p, q) for s in "ABCD" for p in "opqrstu" for q in range(1, 5)]
    targets = pd.DataFrame(combos, columns=["sales_type", "product", "quarter"])
    targets["target"] = random.integers(2, 9, len(targets)) * 1e6
    return reps, targets


def compare_with_peer(rounds: int) -> list[Row]:
    """Cascade a target over 105,840 rows and hold two people, as the open-source peer does."""
    reps, targets = peer_plan()
    cells = reps.merge(targets, how="cross")
    cells["quarter"] = cells["quarter"].astype(str)
    keys = ["sales_type", "product", "quarter"]
    level = cells.groupby(keys)["seats"].transform("sum")
    cells["base"] = cells["seats"] / level * cells["target"]
    cells = cells.drop(columns=["seats", "target"])
    holds = [
        {
            "name": f"hold {rep}",
            "where": {"rep": rep},
            "owner": "a",
            "reason": "b",
            "amount": amount,
            "expires_on": date(2026, 12, 31),
        }
        for rep, amount in (("R001", 2_600_000), ("R002", 400_000))
    ]
    rules = [{"name": "targets", "each": keys, "exactly": 1.0, "relative_to": "base"}]
    scenario = Scenario.parse("bench", {"rules": rules, "holds": holds})
    total = float(targets["target"].sum())

    def ours() -> Any:
        return allocate(cells, total, scenario, rounding_unit=1, today=TODAY)

    plan = ours()
    said = f"ours: sums off by {plan.gap:g}, rules by {plan.rules['gap'].max():g}"
    time = sorted(seconds(ours) for _ in range(rounds))[rounds // 2]
    size = f"{len(cells)} cells, {len(targets)} targets"
    if importlib.util.find_spec("b2b_revenue_forecasting") is None:
        return [
            Row(
                "hold and re-split",
                size,
                time,
                "peer not installed",
                None,
                None,
                None,
                said,
                versions("numpy", "scipy", "pandas"),
            )
        ]
    peer, left = _peer_seconds(reps, targets)
    return [
        Row(
            "hold and re-split",
            size,
            time,
            "b2b-revenue-forecasting",
            peer,
            peer / time,
            peak_mb(ours),
            f"{said}; peer: by {left:.2g}",
            versions("numpy", "scipy", "pandas", "b2b-revenue-forecasting"),
        )
    ]


def _peer_seconds(reps: pd.DataFrame, targets: pd.DataFrame) -> tuple[float, float]:
    from b2b_revenue_forecasting import MetricSpec, Pin, apply_pins, cascade_many

    kept: dict[str, Any] = {}

    def cascade() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kept["quotas"] = cascade_many(
                reps,
                targets,
                group_keys=["sales_type", "product"],
                target_col="target",
                taxonomy=["company", "region", "team", "rep"],
                metrics=[MetricSpec("seats", direction="proportional", weight=1.0)],
            )[0]
            pins = [Pin("R001", 2_600_000.0), Pin("R002", 400_000.0)]
            kept["edited"] = apply_pins(kept["quotas"], pins)[0]

    took = seconds(cascade)
    edited = kept["edited"]
    column = "base_quota" if "base_quota" in edited else "cascaded_quota"
    node = next(name for name in ("node_id", "node", "rep") if name in edited)
    leaves = edited[edited[node].isin(reps["rep"])]
    return took, abs(float(leaves[column].sum()) - float(targets["target"].sum()))


def main() -> None:
    """Run everything and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=list(SIZES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--skip-peer", action="store_true", help="leave the slow peer out")
    given = parser.parse_args()
    rows = [show(row) for row in time_whole_plan(max(given.rounds, 11))]
    rows += [show(row) for row in time_refusal(given.rounds)]
    rows += compare_solvers(tuple(given.sizes), given.rounds)
    if not given.skip_peer:
        rows += [show(row) for row in compare_with_peer(given.rounds)]
    write_results("allocation", rows)


if __name__ == "__main__":
    main()
