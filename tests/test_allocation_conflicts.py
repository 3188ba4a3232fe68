"""Saying no: the smallest set of limits that contradict each other, and what each must give."""

import ctypes
import os
import sys
from itertools import combinations
from time import process_time

import numpy as np
import pytest
from scipy.optimize import linprog

from planning_kit.allocation import RulesConflictError, conflicts
from planning_kit.allocation.conflicts import _soften
from planning_kit.allocation.engine import _read
from planning_kit.allocation.limits import group_names
from planning_kit.numbers import programs
from tests.test_allocation import TODAY, grid_cells, make_cells, scenario, split


def make_infeasible(seed, people=(3, 6), ranges=(3, 7)):
    """Overlapping ranges over cells that cannot all hold, most of them for several reasons."""
    random = np.random.default_rng(seed)
    reps = int(random.integers(*people))
    cells = make_cells(random.integers(50, 150, reps))
    rules = []
    for k in range(int(random.integers(*ranges))):
        some = random.choice(reps, int(random.integers(1, reps)), replace=False)
        amount = int(cells["base"].to_numpy()[some].sum() * random.uniform(0.6, 1.4))
        side = "at_least" if random.random() < 0.5 else "at_most"
        where = {"rep_id": [f"R{i}" for i in sorted(some)]}
        rules.append({"name": f"rule {k}", "where": where, side: amount})
    return cells, int(cells["base"].sum()), rules


def cannot_hold(soft, rows):
    matrix = soft.matrix.toarray()[list(rows)]
    found = linprog(
        np.zeros(matrix.shape[1]),
        A_ub=-matrix,
        b_ub=-soft.bound[list(rows)],
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
    fewest, _ = conflicts._fewest(soft, (longer, np.ones(len(longer))))
    assert set(names[fewest]) == {"pair low", "pair high"}


@pytest.mark.parametrize("seeds", [range(8), pytest.param(range(8, 150), marks=pytest.mark.slow)])
def test_without_any_one_limit_of_a_conflict_the_others_can_hold(seeds):
    sizes = []
    for seed in seeds:
        cells, total, rules = make_infeasible(seed, people=(12, 30), ranges=(25, 60))
        rules.append(
            {"name": "calm", "each": "rep_id", "most_up_share": 0.1, "relative_to": "base"}
        )
        with pytest.raises(RulesConflictError) as error:
            split(cells, round(total * 1.15), *rules)
        task = _read(cells, round(total * 1.15), scenario(*rules), 1.0, None, TODAY)
        soft = _soften(task.grid, task.limits)
        named = {
            (one.rule, one.group, one.limit.split()[1]) for one in error.value.conflict.itertuples()
        }
        blocks = [task.limits.blocks[k] for k in soft.block]
        names = [group_names(task.grid, block) for block in blocks]
        rows = [
            k
            for k, block in enumerate(blocks)
            if (block.rule.name, names[k][soft.group[k]], "least" if soft.side[k] > 0 else "most")
            in named
        ]
        assert cannot_hold(soft, rows), seed
        assert not any(cannot_hold(soft, [r for r in rows if r != k]) for k in rows), seed
        sizes.append(len(rows))
    assert max(sizes) > 4  # some conflicts are long


def test_a_conflict_among_500_people_is_found_fast_and_without_a_word(capfd):
    cells = grid_cells(500, 4)
    caps = {"name": "calm", "each": "rep_id", "most_up_share": 0.05, "relative_to": "base"}
    area = {"name": "area", "each": "territory_id", "at_most": 1.2, "relative_to": "last_goal"}
    line = {"name": "line", "each": "product_line", "at_least": 0.9, "relative_to": "base"}
    task = _read(
        cells, round(cells["base"].sum() * 1.15), scenario(caps, area, line), 1.0, None, TODAY
    )
    capfd.readouterr()
    begun = process_time()
    conflict = conflicts.find_conflict(task.grid, task.limits)
    assert process_time() - begun < 0.5
    assert len(conflict) == 501 and set(conflict["rule"]) == {"calm", "total"}
    assert capfd.readouterr() == ("", "")


def test_what_a_solver_prints_by_itself_goes_nowhere(capfd, monkeypatch):
    def noisy(*arguments, **options):
        os.write(1, b"solver.run();\n")
        ctypes.CDLL(None).puts(b"solver.run();")
        return arguments, options

    monkeypatch.setattr(programs, "milp", noisy)
    assert programs.integer_program(1, bounds=2) == ((1,), {"bounds": 2})
    sys.stdout.write("what the kit says stands\n")
    assert capfd.readouterr().out == "what the kit says stands\n"


def test_where_there_is_no_standard_output_a_solver_works_too(monkeypatch):
    def closed(number):
        raise OSError("bad file descriptor")

    monkeypatch.setattr(programs.os, "dup", closed)
    assert programs.integer_program([1.0], bounds=(2, 3)).fun == 2


def test_one_unit_too_much_among_hundreds_of_limits_is_a_conflict_too():
    cells = make_cells([10_000.0] * 300)
    with pytest.raises(RulesConflictError) as error:
        split(cells, 300 * 11_000 + 1, {"name": "cap", "each": "rep_id", "at_most": 11_000})
    assert len(error.value.conflict) == 301
    assert error.value.gives["gives"].tolist() == [1.0]


def test_a_long_conflict_is_said_rule_by_rule_with_what_its_limits_are_in_all():
    cells = make_cells([100.0] * 12)
    with pytest.raises(RulesConflictError) as error:
        split(cells, 1500, {"name": "cap", "each": "rep_id", "at_most": 110})
    assert str(error.value).startswith(
        "These 13 limits cannot all hold: 'cap' for 'R0' (at most 110), for 'R1' (at most 110) and 10 "
        "more, in all at most 1,320; 'total' (at least 1,500). It would fit if these give: 'cap' for "
    )


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


def test_shares_in_a_long_conflict_are_not_added_up():
    cells = grid_cells(4, 2)
    where = {"where": {"product_line": "L0"}}
    share = {"name": "A", **where, "each": "rep_id", "at_least_share": 0.9}
    cap = {"name": "cap", **where, "at_most": 10, "priority": 8}
    with pytest.raises(RulesConflictError, match=r"for 'R1' \([^)]*\) and 2 more; 'cap'"):
        split(cells, round(cells.base.sum()), share, cap)


def test_a_conflict_is_the_same_in_other_words():
    with pytest.raises(RulesConflictError) as raised:
        split(make_cells([100, 100]), 300, {"name": "cap", "each": "rep_id", "at_most": 90})
    other = raised.value.saying("in the planner's words")
    assert str(other) == "in the planner's words"
    for table in ("conflict", "gives", "alike", "by_total"):
        assert getattr(other, table) is getattr(raised.value, table)
