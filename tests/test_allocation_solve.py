"""The solver against independent judges: a linear program and a least-squares certificate."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import linprog, minimize, nnls

import planning_kit.allocation.solve as solve_module
from planning_kit.allocation import system
from planning_kit.allocation.dual import Problem
from planning_kit.allocation.solve import solve


def make_problem(seed):
    """Overlapping, nested, repeated and contradicting rules over up to 13 cells, any money."""
    random = np.random.default_rng(seed)
    cells, rules = random.integers(1, 14), random.integers(0, 9)
    base = random.lognormal(3, 1, cells) * 10 ** random.uniform(-2, 10)
    base[random.random(cells) < 0.1] = 0
    weight = base if random.random() < 0.6 else random.lognormal(0, 1, cells) * base.mean()
    lower = np.where(random.random(cells) < 0.5, base * random.uniform(0, 1, cells), 0)
    upper = np.where(random.random(cells) < 0.5, base * random.uniform(1, 1.5, cells), np.inf)
    matrix = (random.random((rules, cells)) < random.uniform(0.2, 0.8)).astype(float)
    if rules and random.random() < 0.3:
        matrix[random.integers(rules)] -= random.uniform(0, 0.5)
    if rules > 2 and random.random() < 0.5:
        matrix[1] = matrix[0]
    if rules > 3 and random.random() < 0.3:
        matrix[2] = matrix[0] + matrix[3]
    matrix = np.vstack([np.ones(cells), matrix])
    sums = matrix @ np.clip(base * random.uniform(0.5, 1.6, cells), lower, upper)
    room = random.choice([0, 0.02, 0.1]) * (np.abs(sums).mean() + 1e-9) * random.random(rules + 1)
    low = np.where(random.random(rules + 1) < 0.5, sums - room, -np.inf)
    high = np.where(random.random(rules + 1) < 0.5, sums + room, np.inf)
    low[0] = high[0] = sums[0]
    if random.random() < 0.3:
        rule = random.integers(rules + 1)
        low[rule] = sums[rule] * random.uniform(1, 1.2)
        high[rule] = low[rule] if rule == 0 else max(high[rule], low[rule])
    if random.random() < 0.1:
        low[0] = high[0] = base.sum()  # the total is kept from the start, other rules are not
    return Problem(base, weight, lower, upper, sp.csc_array(matrix), low, high)


def scaled_limits(problem):
    size = max(np.abs(problem.aim).mean(), abs(problem.low[0]) / len(problem.aim), 1e-300)
    stuck = problem.weight <= 0
    at = np.clip(problem.aim, problem.lower, problem.upper)
    lower, upper = (np.where(stuck, at, x) / size for x in (problem.lower, problem.upper))
    return size, stuck, lower, upper


def can_hold(problem, slack):
    size, _, lower, upper = scaled_limits(problem)
    matrix, low, high = problem.matrix.toarray(), problem.low, problem.high
    least, most = np.isfinite(low), np.isfinite(high)
    found = linprog(
        np.zeros(len(lower)),
        A_ub=np.vstack([-matrix[least], matrix[most]]),
        b_ub=np.concatenate([-low[least], high[most]]) / size + slack,
        bounds=np.column_stack([lower, upper]),
        method="highs",
    )
    return found.status != 2


def check(problem):
    found = solve(problem)
    if not found.settled:
        assert not (can_hold(problem, 0) and can_hold(problem, -1e-7)), "feasible, but not solved"
        return "infeasible"
    assert can_hold(problem, 1e-6)
    goals, matrix = found.goals, problem.matrix.toarray()
    sums, total = matrix @ goals, np.abs(goals).sum()
    assert (sums >= problem.low - 1e-9 * total).all()
    assert (sums <= problem.high + 1e-9 * total).all()
    assert (goals >= problem.lower).all()
    assert (goals <= problem.upper).all()
    assert certificate(problem, goals, sums) < 1e-6
    return "solved"


def certificate(problem, goals, sums):
    """How far the gradient is from the cone of the limits that are touched: 0 at the optimum."""
    _, stuck, _, _ = scaled_limits(problem)
    near = 1e-9 * np.abs(goals).sum()
    free = ~stuck
    slope = np.where(free, (goals - problem.aim) / np.where(free, problem.weight, 1.0), 0.0)
    unit = np.eye(len(goals))
    matrix = problem.matrix.toarray() * free
    normals = [unit[i] for i in np.flatnonzero(free & (goals <= problem.lower + near))]
    normals += [-unit[i] for i in np.flatnonzero(free & (goals >= problem.upper - near))]
    normals += [matrix[j] for j in np.flatnonzero(sums <= problem.low + near)]
    normals += [-matrix[j] for j in np.flatnonzero(sums >= problem.high - near)]
    size = np.abs(slope).max() + 1e-9  # slopes are relative changes; less is noise
    return nnls(np.array(normals).T, slope / size)[1]


def test_random_problems_against_independent_judges():
    verdicts = [check(make_problem(seed)) for seed in range(120)]
    assert verdicts.count("solved") > 80
    assert verdicts.count("infeasible") > 3


@pytest.mark.slow
def test_many_random_problems_against_independent_judges():
    verdicts = [check(make_problem(seed)) for seed in range(1000, 2500)]
    assert verdicts.count("solved") > 1000
    assert verdicts.count("infeasible") > 50


def test_the_objective_agrees_with_another_solver():
    compared = 0
    for seed in range(60):
        problem = make_problem(seed)
        found = solve(problem)
        size, stuck, lower, upper = scaled_limits(problem)
        if not found.settled or stuck.any():
            continue
        aim, weight, matrix = problem.aim / size, problem.weight / size, problem.matrix.toarray()
        other = minimize(
            lambda x, aim=aim, weight=weight: 0.5 * ((x - aim) ** 2 / weight).sum(),
            np.clip(aim, lower, upper),
            jac=lambda x, aim=aim, weight=weight: (x - aim) / weight,
            bounds=list(zip(lower, upper, strict=True)),
            method="SLSQP",
            constraints=[
                {"type": "ineq", "fun": lambda x, a=a, b=b: a @ x - b}
                for a, b in [
                    *(
                        (r, v)
                        for r, v in zip(matrix, problem.low / size, strict=True)
                        if np.isfinite(v)
                    ),
                    *(
                        (-r, -v)
                        for r, v in zip(matrix, problem.high / size, strict=True)
                        if np.isfinite(v)
                    ),
                ]
            ],
            options={"ftol": 1e-14, "maxiter": 500},
        )
        if other.success:
            ours = 0.5 * ((found.goals / size - aim) ** 2 / weight).sum()
            assert ours <= other.fun + 1e-6 * (1 + other.fun)
            compared += 1
    assert compared > 20


def large_problem(cells, rules, seed=1):
    random = np.random.default_rng(seed)
    base = random.lognormal(8, 1, cells)
    groups = [random.integers(0, rules // 2, cells), random.integers(0, rules - rules // 2, cells)]
    rows = [np.zeros(cells, dtype=int), 1 + groups[0], 1 + rules // 2 + groups[1]]
    at = (np.concatenate(rows), np.tile(np.arange(cells), 3))
    matrix = sp.csc_array((np.ones(3 * cells), at), shape=(rules + 1, cells))
    inside = np.clip(base * random.uniform(0.7, 1.5, cells), base * 0.6, base * 1.6)
    sums = matrix @ inside
    low = np.where(random.random(rules + 1) < 0.5, sums * 0.99, -np.inf)
    high = np.where(random.random(rules + 1) < 0.5, sums * 1.01, np.inf)
    low[0] = high[0] = sums[0]
    return Problem(base, base, base * 0.6, base * 1.6, matrix, low, high)


def test_many_cells_and_rules_are_solved_in_a_few_steps():
    problem = large_problem(70_000, 400)
    found = solve(problem)
    assert found.settled
    assert found.steps < 15
    sums = problem.matrix @ found.goals
    assert (np.maximum(problem.low - sums, sums - problem.high) <= 1e-9 * problem.low[0]).all()


def test_rules_that_nearly_say_the_same_are_factorized(monkeypatch):
    problem = large_problem(400, 30)
    plain = solve(problem)
    monkeypatch.setattr(system, "MOST_TURNS", 1)
    forced = solve(problem)
    assert forced.settled
    np.testing.assert_allclose(forced.goals, plain.goals, rtol=1e-8)


def test_a_group_standing_at_its_limits_is_loosened():
    base = np.array([10.0, 10.0, 80.0])
    matrix = sp.csc_array(np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 0.0]]))
    lower, upper = np.array([15.0, 18.0, 0.0]), np.array([40.0, 40.0, 90.0])
    problem = Problem(
        base, base, lower, upper, matrix, np.array([100.0, 50.0]), np.array([100.0, np.inf])
    )
    found = solve(problem)
    assert found.settled
    assert found.goals.round(9).tolist() == [25.0, 25.0, 50.0]
    even = Problem(base, base, lower, upper, matrix, problem.low, problem.high, np.full(3, 0.3))
    assert solve(even).goals.round(9).tolist() == [25.0, 25.0, 50.0]


def test_no_cells_and_no_rules():
    none = np.zeros(0)
    empty = Problem(none, none, none, none, sp.csc_array((0, 0)), none, none)
    assert solve(empty).settled
    zero = np.zeros(2)
    still = Problem(zero, zero, zero, zero, sp.csc_array(np.ones((1, 2))), np.zeros(1), np.zeros(1))
    assert solve(still).goals.tolist() == [0.0, 0.0]


def test_cells_that_cannot_move_are_not_settled():
    base = np.array([1.0, 2.0])
    stuck = Problem(
        base,
        base * 0,
        base * 0,
        base * 9,
        sp.csc_array(np.ones((1, 2))),
        np.array([9.0]),
        np.array([9.0]),
    )
    assert not solve(stuck).settled


@pytest.mark.parametrize("kind", ["movement", "chance"])
def test_the_number_of_threads_changes_no_byte(monkeypatch, kind):
    rng = np.random.default_rng(7)
    cells, rules = 3000, 60
    aim = rng.uniform(50, 150, cells)
    matrix = sp.csc_array(
        (np.ones(cells), rng.integers(0, rules, cells), np.arange(cells + 1)), shape=(rules, cells)
    )
    sums = matrix @ aim
    spread = rng.uniform(0.05, 0.2, cells) if kind == "chance" else None
    problem = Problem(aim, aim, 0.5 * aim, 1.5 * aim, matrix, 1.01 * sums, 1.2 * sums, spread)
    monkeypatch.setattr(solve_module, "PART", 256)
    found = []
    for threads in ("1", "2", "7"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        solution = solve(problem)
        assert solution.settled
        found.append((solution.goals.tobytes(), solution.prices.tobytes()))
    assert len(set(found)) == 1
