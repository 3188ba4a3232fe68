"""Nesting: rules within rules are added up once, and what is solved on the way is exact."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from planning_kit.allocation import nesting, solve
from planning_kit.allocation.dual import Problem
from planning_kit.allocation.nesting import TreeSolver, nest
from tests.test_allocation_solve import check


def make_rows(random, cells, *, shares):
    """Companies of areas of teams, a grouping across, rules about some cells only, and shares."""
    team = random.integers(0, max(2, cells // 4), cells)
    groupings = [np.zeros(cells, int), team // 8, team // 2, team, random.integers(0, 3, cells)]
    some = np.where(random.random(cells) < 0.5, team % 3, -1)
    rows = []
    for codes in [*groupings, some][: random.integers(4, 7)]:
        for k in np.unique(codes[codes >= 0]):
            rows.append((codes == k).astype(float))
    if shares:
        rows.append(np.where(team % 2 == 0, 0.7, -0.3))
    return np.array(rows)


@given(seed=st.integers(0, 10_000), cells=st.integers(1, 60), shares=st.booleans())
@settings(max_examples=200, deadline=None)
def test_the_two_factors_are_the_matrix(seed, cells, shares):
    rows = make_rows(np.random.default_rng(seed), cells, shares=shares)
    found = nest(sp.csc_array(rows))
    if found is not None:
        np.testing.assert_array_equal((found.above @ found.below).toarray(), rows)


def test_a_ladder_of_groups_becomes_one_entry_a_cell():
    team = np.arange(120) // 5
    rows = [
        team // 24 == 0,
        *(team // 8 == k for k in range(3)),
        *(team // 2 == k for k in range(12)),
        *(team == k for k in range(24)),
    ]
    found = nest(sp.csc_array(np.array(rows, dtype=float)))
    assert found is not None
    assert found.below.nnz == 120
    assert len(found.tree.members) == 40
    assert len(found.tree.levels) == 3


def test_rules_that_share_no_cells_with_others_are_left_as_they_are():
    assert nest(sp.csc_array(np.eye(6))) is None
    assert nest(sp.csc_array((0, 0))) is None


@given(seed=st.integers(0, 10_000), cells=st.integers(4, 60))
@settings(max_examples=200, deadline=None)
def test_the_tree_is_solved_exactly(seed, cells):
    random = np.random.default_rng(seed)
    rows = make_rows(random, cells, shares=False)
    found = nest(sp.csc_array(rows))
    if found is None or not len(found.tree.members):
        return
    tree, count = found.tree, len(rows)
    weight = random.uniform(0, 2, found.above.shape[1] - count) * (random.random() < 0.9)
    ridge, active = random.uniform(1e-3, 1, count), random.random(count) < 0.7
    right = random.normal(size=count) * active
    # The same equations written out: over the classes, for the rules in the tree alone.
    inside = np.zeros((len(tree.members), len(weight)))
    for place, deepest in zip(tree.classes, tree.deepest, strict=True):
        while deepest >= 0:
            inside[deepest, place] = 1.0
            deepest = tree.parent[deepest]
    on = active[tree.members]
    system = (inside * weight) @ inside.T + np.diag(ridge[tree.members])
    expected = np.zeros(len(on))
    expected[on] = np.linalg.solve(system[np.ix_(on, on)], right[tree.members][on])
    solver = TreeSolver(tree, weight, ridge, active)
    np.testing.assert_allclose(solver.solve(right), expected, rtol=1e-8, atol=1e-10)


def make_deep(seed):
    """Draw a problem with rules within rules; one in four cannot hold."""
    random = np.random.default_rng(seed)
    cells = int(random.integers(4, 60))
    rows = make_rows(random, cells, shares=random.random() < 0.3)
    base = random.lognormal(3, 1, cells) * (random.random(cells) > 0.1)
    lower, upper = base * random.uniform(0.3, 0.9), base * random.uniform(1.1, 2.0)
    inside = np.clip(base * random.uniform(0.5, 1.6, cells), lower, upper)
    sums = rows @ inside
    give = 0.02 * np.abs(sums)
    low = np.where(random.random(len(sums)) < 0.5, sums - give * random.random(), -np.inf)
    high = np.where(random.random(len(sums)) < 0.5, sums + give * random.random(), np.inf)
    low[0] = high[0] = sums[0] * (1.0 if random.random() < 0.75 else 1.4)
    if random.random() < 0.1:
        low[0] = high[0] = base.sum()
    return Problem(base, base, lower, upper, sp.csc_array(rows), low, high)


def test_deep_hierarchies_against_independent_judges():
    verdicts = [check(make_deep(seed)) for seed in range(120)]
    assert verdicts.count("solved") > 60
    assert verdicts.count("infeasible") > 3


@pytest.mark.slow
def test_many_deep_hierarchies_against_independent_judges():
    verdicts = [check(make_deep(seed)) for seed in range(1000, 2000)]
    assert verdicts.count("solved") > 500
    assert verdicts.count("infeasible") > 50


@pytest.fixture
def as_if_large(monkeypatch):
    """Treat small problems as the solver treats those of 100,000 cells and more."""
    monkeypatch.setattr(solve, "POLISHED_UP_TO", 3)
    monkeypatch.setattr(solve, "LARGE", 2)
    monkeypatch.setattr(solve, "FEW", 0.6)
    monkeypatch.setattr(nesting, "FEWEST", 0)


@pytest.mark.parametrize("start", [0, pytest.param(1000, marks=pytest.mark.slow)])
def test_settling_the_worst_rules_first_changes_no_answer(as_if_large, start):
    verdicts = [check(make_deep(seed)) for seed in range(start, start + (start or 120))]
    assert verdicts.count("solved") > 60


def test_a_large_problem_settles_its_worst_rules_by_themselves(monkeypatch):
    seen = []
    plain = solve._few
    monkeypatch.setattr(solve, "POLISHED_UP_TO", 5_000)
    monkeypatch.setattr(solve, "_few", lambda *given: seen.append(plain(*given)) or seen[-1])
    from benchmarks.allocation import make_problem

    problem = make_problem("deep hierarchy", 40_000)
    found = solve.solve(problem)
    sums = problem.matrix @ found.goals
    assert any(few is not None for few in seen)
    assert found.settled
    assert (np.maximum(problem.low - sums, sums - problem.high) <= 1e-9 * problem.low[0]).all()


def test_equal_chances_are_settled_the_same_way(monkeypatch):
    answers = []
    problems = [make_deep(seed) for seed in range(60)]
    problems = [
        replace(p, aim=p.aim + 1, weight=(p.aim + 1) * 0.3, spread=np.full(len(p.aim), 0.3))
        for p in problems
    ]
    for few, large, entries in ((0.1, 1_000, 3.5), (0.6, 2, 0)):
        monkeypatch.setattr(solve, "POLISHED_UP_TO", 3 if large == 2 else 100_000)
        monkeypatch.setattr(solve, "FEW", few)
        monkeypatch.setattr(solve, "LARGE", large)
        monkeypatch.setattr(nesting, "FEWEST", entries)
        answers.append([solve.solve(problem) for problem in problems])
    both = [(a, b) for a, b in zip(*answers, strict=True) if a.settled and b.settled]
    assert len(both) > 20
    assert sum(a.settled != b.settled for a, b in zip(*answers, strict=True)) <= 1
    for plain, other in both:
        np.testing.assert_allclose(other.goals, plain.goals, rtol=1e-6, atol=1e-8)
