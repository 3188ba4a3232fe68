"""Saying no: the smallest set of limits that contradict each other, and what each must give."""

from itertools import combinations

import numpy as np
import pytest
from scipy.optimize import linprog

from planning_kit.allocation import RulesConflictError, conflicts
from planning_kit.allocation.conflicts import _soften
from planning_kit.allocation.engine import _read
from tests.test_allocation import TODAY, grid_cells, make_cells, scenario, split


def make_infeasible(seed):
    """Overlapping ranges over a few cells that cannot all hold, most of them for several reasons."""
    random = np.random.default_rng(seed)
    reps = int(random.integers(3, 6))
    cells = make_cells(random.integers(50, 150, reps))
    rules = []
    for k in range(int(random.integers(3, 7))):
        some = random.choice(reps, int(random.integers(1, reps)), replace=False)
        amount = int(cells["base"].to_numpy()[some].sum() * random.uniform(0.6, 1.4))
        side = "at_least" if random.random() < 0.5 else "at_most"
        where = {"rep_id": [f"R{i}" for i in sorted(some)]}
        rules.append({"name": f"rule {k}", "where": where, side: amount})
    return cells, int(cells["base"].sum()), rules


def cannot_hold(soft, rows):
    matrix = soft.matrix.toarray()[list(rows)]
    upper = [(0, None if np.isinf(u) else u) for u in soft.upper]
    found = linprog(
        np.zeros(matrix.shape[1]),
        A_ub=-matrix,
        b_ub=-soft.bound[list(rows)],
        bounds=upper,
        method="highs-ds",
    )
    return found.status == 2


def smallest(soft):
    count = len(soft.bound)
    for size in range(1, count + 1):
        if any(cannot_hold(soft, rows) for rows in combinations(range(count), size)):
            return size
    return None


@pytest.mark.parametrize("seeds", [range(30), pytest.param(range(30, 600), marks=pytest.mark.slow)])
def test_no_smaller_set_of_limits_contradicts_itself(seeds):
    compared = 0
    for seed in seeds:
        cells, total, rules = make_infeasible(seed)
        try:
            split(cells, total, *rules)
        except RulesConflictError as error:
            task = _read(cells, total, scenario(*rules), 1.0, None, TODAY)
            assert len(error.conflict) == smallest(_soften(task.grid, task.limits)), seed
            compared += 1
    assert compared > len(seeds) / 6


def test_fewer_limits_are_found_where_taking_out_one_by_one_ends_with_more():
    cells = make_cells([100.0] * 4)
    caps = [{"name": f"cap {k}", "where": {"rep_id": f"R{k}"}, "at_most": 90} for k in range(4)]
    pairs = [
        {"name": "pair low", "where": {"rep_id": ["R0", "R1"]}, "at_least": 210},
        {"name": "pair high", "where": {"rep_id": ["R0", "R1"]}, "at_most": 205},
    ]
    task = _read(cells, 400, scenario(*caps, *pairs), 1.0, None, TODAY)
    soft = _soften(task.grid, task.limits)
    names = np.array([task.limits.blocks[k].rule.name for k in soft.block])
    longer = np.flatnonzero(
        np.isin(names, [*(c["name"] for c in caps)]) | ((names == "total") & (soft.side == 1))
    )
    assert cannot_hold(soft, longer)
    assert set(names[conflicts._fewest(soft, longer)]) == {"pair low", "pair high"}


def test_everybody_giving_alike_is_offered_too_and_less_would_not_do():
    cells = grid_cells(4, 2)
    total = round(cells["base"].sum() * 1.2)
    calm = {"name": "calm", "each": "rep_id", "at_most": 1.1, "relative_to": "base", "priority": 3}
    with pytest.raises(RulesConflictError, match=r"% from each of the 4 limits of 'calm'") as error:
        split(cells, total, calm)
    share = float(str(error.value).split("Shared alike: ")[1].split(" %")[0]) / 100
    assert share == pytest.approx(1.2 / 1.1 - 1, rel=1e-2)
    assert split(cells, total, {**calm, "at_most": 1.1 * (1 + share + 0.001)}).gap == 0
    with pytest.raises(RulesConflictError):
        split(cells, total, {**calm, "at_most": 1.1 * (1 + share - 0.001)})


def test_a_limit_of_nothing_cannot_give_a_share_of_itself():
    cells = make_cells([100.0, 100.0, 100.0], last_goal=[0.0, 90.0, 90.0])
    caps = {
        "name": "caps",
        "each": "rep_id",
        "at_most": 1.2,
        "relative_to": "last_goal",
        "priority": 3,
    }
    floor = {"name": "floor", "where": {"rep_id": "R0"}, "at_least": 50, "priority": 8}
    with pytest.raises(RulesConflictError) as error:
        split(cells, 250, caps, floor)
    assert error.value.gives[["rule", "group", "gives"]].to_numpy().tolist() == [["caps", "R0", 50]]
    assert "Shared alike" not in str(error.value)
