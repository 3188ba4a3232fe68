from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planning_kit.allocation import (
    RulesConflictError,
    allocate,
    blend_bases,
    compare_objectives,
    explain_rep,
    score_plan,
)
from planning_kit.messages import DataError, InfeasiblePlanError
from planning_kit.plan import GroupRange, Hold, Scenario

TODAY = date(2026, 1, 1)
FEW = settings(max_examples=40, deadline=None)
HOLD = {"owner": "Ann", "reason": "contract", "expires_on": date(2026, 12, 31)}


def make_cells(base, reps=None, **columns):
    reps = reps or [f"R{i}" for i in range(len(base))]
    return pd.DataFrame({"rep_id": reps, "base": np.asarray(base, dtype=float), **columns})


def scenario(*rules, holds=(), **sections):
    return Scenario.parse("s", {"rules": list(rules), "holds": list(holds), **sections})


def split(cells, total, *rules, unit=1.0, **sections):
    return allocate(cells, total, scenario(*rules, **sections), rounding_unit=unit, today=TODAY)


def grid_cells(reps=3, lines=2, seed=0):
    random = np.random.default_rng(seed)
    rows = [(f"R{i}", f"T{i % 2}", f"L{j}") for i in range(reps) for j in range(lines)]
    cells = pd.DataFrame(rows, columns=["rep_id", "territory_id", "product_line"])
    cells["base"] = random.lognormal(7, 0.7, len(cells)).round()
    cells["last_goal"] = (cells["base"] * random.uniform(0.9, 1.1, len(cells))).round()
    return cells


# --- worked examples ------------------------------------------------------------------------


def test_a_held_month_stays_and_the_others_keep_their_proportion():
    cells = pd.DataFrame({"month": ["Jan", "Feb", "Mar"], "base": [10.0, 20.0, 30.0]})
    hold = {"name": "Feb", "where": {"month": "Feb"}, "amount": 20, **HOLD}
    plan = split(cells, 100, holds=[hold])
    assert plan.goals.goal.tolist() == [20.0, 20.0, 60.0]
    assert plan.goals.held_by.tolist() == ["", "Feb", ""]
    assert plan.gap == 0


def test_without_rules_everybody_gets_the_same_change():
    plan = split(make_cells([100, 200, 700]), 1100)
    assert plan.goals.goal.tolist() == [110.0, 220.0, 770.0]
    assert plan.goals.change_share.round(9).tolist() == [0.1, 0.1, 0.1]


def test_what_a_limit_takes_away_the_others_share():
    rule = {"name": "Ann is new", "where": {"rep_id": "R0"}, "at_most": 105}
    plan = split(make_cells([100, 100, 200]), 480, rule)
    assert plan.goals.goal.tolist() == [105.0, 125.0, 250.0]
    assert plan.goals.held_by.tolist() == ["Ann is new", "", ""]
    row = plan.rules.set_index("name").loc["Ann is new"]
    assert (row["binding"], row["result"], row["gap"]) == ("high", 105.0, 0.0)


def test_the_price_is_what_one_more_unit_of_room_saves():
    cells = make_cells([100, 100, 200])
    rule = {"name": "cap", "where": {"rep_id": ["R0", "R1"]}, "at_most": 210}
    roomier = {**rule, "at_most": 210.01}
    plan = split(cells, 480, rule, unit=0.01)
    more = split(cells, 480, roomier, unit=0.01)
    saved = (plan.objective.goals[0] - more.objective.goals[0]) / 0.01
    assert plan.rules.set_index("name").price["cap"] == pytest.approx(saved, rel=1e-3)


def test_variances_say_who_moves():
    cells = make_cells([100, 100], variance=[1.0, 3.0])
    assert split(cells, 240).goals.goal.tolist() == [110.0, 130.0]
    even = split(cells, 240, objective={"weights": "even"})
    assert even.goals.goal.tolist() == [120.0, 120.0]


def test_a_range_relative_to_a_reference_shows_what_it_is_relative_to():
    cells = make_cells([100, 100], last_goal=[80.0, 200.0])
    rule = {
        "name": "near last",
        "each": "rep_id",
        "at_least": 0.9,
        "at_most": 1.25,
        "relative_to": "last_goal",
    }
    plan = split(cells, 280, rule)
    rows = plan.rules[plan.rules.name == "near last"]
    assert rows.reference_amount.tolist() == [80.0, 200.0]
    assert rows.asked_low.tolist() == [72.0, 180.0]
    assert plan.goals.goal.tolist() == [100.0, 180.0]


def test_a_share_of_each_territory_is_kept():
    cells = grid_cells(6, 3)
    rule = {
        "name": "A",
        "where": {"product_line": "L0"},
        "each": ["territory_id"],
        "at_least_share": 0.5,
    }
    plan = split(cells, round(cells.base.sum() * 1.1), rule)
    sums = plan.goals.groupby(["territory_id", "product_line"]).goal.sum().unstack()
    assert (sums["L0"] >= 0.5 * sums.sum(axis=1)).all()
    assert plan.rules.gap.max() == 0
    most = {**rule, "at_most_share": 0.2}
    del most["at_least_share"]
    plan = split(
        cells, round(cells.base.sum() * 1.1), {**most, "of": {"product_line": ["L0", "L1"]}}
    )
    sums = plan.goals.groupby(["territory_id", "product_line"]).goal.sum().unstack()
    assert (sums["L0"] <= 0.2 * (sums["L0"] + sums["L1"])).all()


def test_the_largest_change_holds_both_ways():
    rule = {"name": "calm", "most_up_share": 0.1, "most_down_share": 0.05}
    cap = {"name": "cap", "where": {"rep_id": "R0"}, "at_most": 90}
    with pytest.raises(RulesConflictError, match="'calm' for 'R0' by 5"):
        split(make_cells([100, 100]), 200, rule, cap)
    plan = split(make_cells([100, 100, 100]), 305, rule, {**cap, "at_most": 95})
    assert plan.goals.goal.tolist() == [95.0, 105.0, 105.0]


def test_zero_or_at_least_gives_nothing_or_enough():
    cells = make_cells([5, 40, 60])
    rule = {"name": "worth it", "zero_or_at_least": 10}
    plan = split(cells, 105, rule)
    assert plan.goals.goal.sum() == 105
    assert ((plan.goals.goal == 0) | (plan.goals.goal >= 10)).all()
    assert plan.rules.gap.max() == 0
    with pytest.raises(InfeasiblePlanError, match="'worth it' for 'R0' by 3"):
        split(make_cells([5.0]), 7, rule)


def test_zero_or_at_least_beside_limits_nobody_can_keep_names_these():
    cells = make_cells([5, 40])
    cap = {"name": "cap", "each": "cell", "at_most": 20}
    with pytest.raises(RulesConflictError, match="'cap'"):
        split(cells, 100, {"name": "worth it", "zero_or_at_least": 10}, cap)
    floor = {"name": "floor", "each": "cell", "at_least": 30}
    with pytest.raises(RulesConflictError, match="'cap'"):
        split(cells, 100, {"name": "worth it", "zero_or_at_least": 10}, cap, floor)


def test_an_exact_amount_for_a_group_and_several_groupings_at_once():
    cells = grid_cells(4, 3)
    total = round(cells.base.sum())
    south = round(cells[cells.territory_id == "T1"].base.sum() * 1.05)
    plan = split(
        cells,
        total,
        {"name": "T1", "where": {"territory_id": "T1"}, "exactly": south},
        {
            "name": "lines",
            "each": "product_line",
            "at_least": 0.99,
            "at_most": 1.01,
            "relative_to": "base",
        },
        {"name": "reps", "each": "rep_id", "at_most": 1.1, "relative_to": "last_goal"},
    )
    assert plan.goals.groupby("territory_id").goal.sum()["T1"] == south
    assert plan.rules.gap.max() == 0
    assert set(plan.rules[plan.rules.binding != ""].name) >= {"total", "T1"}
    assert "T1" in plan.goals[plan.goals.territory_id == "T1"].held_by.iloc[0]


def test_a_hold_can_keep_each_cell_at_a_reference():
    cells = make_cells([100, 100, 100], last_goal=[90.4, 120.0, np.nan])
    hold = {"name": "agreed", "where": {"rep_id": ["R0", "R1"]}, "keep": "last_goal", **HOLD}
    plan = split(cells, 330, holds=[hold])
    assert plan.goals.goal.tolist() == [90.0, 120.0, 120.0]
    assert "allocation.limit_between_units" in set(plan.findings.finding_id)


def test_an_expired_hold_is_not_applied_and_said_so():
    hold = {
        "name": "old",
        "where": {"rep_id": "R0"},
        "amount": 5,
        **HOLD,
        "expires_on": date(2025, 12, 31),
    }
    plan = split(make_cells([100, 100]), 220, holds=[hold])
    assert plan.goals.goal.tolist() == [110.0, 110.0]
    assert "2025-12-31" in plan.findings.message[0]


def test_all_held():
    holds = [
        {"name": f"h{i}", "where": {"rep_id": f"R{i}"}, "amount": 50, **HOLD} for i in range(2)
    ]
    plan = split(make_cells([100, 10]), 100, holds=holds)
    assert plan.goals.goal.tolist() == [50.0, 50.0]
    with pytest.raises(RulesConflictError) as error:
        split(make_cells([100, 10]), 120, holds=holds)
    assert error.value.gives.gives.sum() == 20
    assert set(error.value.conflict.rule) == {"h0", "h1", "total"}


def test_bases_that_add_up_to_the_total_already_still_keep_the_other_rules():
    cap = {"name": "cap", "where": {"rep_id": ["R0", "R1"]}, "at_most": 120}
    plan = split(make_cells([100, 60, 40]), 200, cap)
    assert plan.goals.goal.tolist() == [75.0, 45.0, 80.0]


def test_contradicting_holds_are_named():
    holds = [
        {"name": name, "where": {"rep_id": "R0"}, "amount": amount, **HOLD}
        for name, amount in (("first", 40), ("second", 60))
    ]
    with pytest.raises(RulesConflictError) as error:
        split(make_cells([100, 100]), 200, holds=holds)
    assert set(error.value.conflict.rule) == {"first", "second"}


def test_one_rep():
    plan = split(make_cells([80]), 100)
    assert plan.goals.goal.tolist() == [100.0]
    assert explain_rep(plan, "R0").to_amount.iloc[-1] == 100


def test_zero_stays_zero_unless_a_rule_asks_for_an_amount():
    plan = split(make_cells([0, 100]), 150)
    assert plan.goals.goal.tolist() == [0.0, 150.0]
    assert plan.goals.held_by.tolist() == ["0 stays 0", ""]
    asked = split(
        make_cells([0, 100]), 150, {"name": "start", "where": {"rep_id": "R0"}, "at_least": 30}
    )
    assert asked.goals.goal.tolist() == [30.0, 120.0]
    with pytest.raises(RulesConflictError, match=r"'total'.*2 cells have a base of 0"):
        split(make_cells([0, 0]), 150)
    with pytest.raises(DataError, match="no cell takes part"):
        split(make_cells([np.nan]), 1, base={"fill": "none"})
    assert split(make_cells([0, 0]), 0).goals.goal.tolist() == [0.0, 0.0]


def test_an_empty_base_is_filled_and_said_so():
    cells = make_cells([100, np.nan, 300], role=["h", "h", "h"])
    plan = split(cells, 600)
    assert plan.goals.filled_by.tolist() == ["", "median of the same role", ""]
    assert plan.goals.goal.tolist() == [100.0, 200.0, 300.0]
    step = plan.steps[plan.steps.rep_id == "R1"].set_index("step").amount
    assert (step["base"], step["fill"]) == (0.0, 200.0)
    by_potential = split(cells.assign(potential=[10.0, 20.0, 30.0]), 600)
    assert by_potential.goals.goal.tolist() == [100.0, 200.0, 300.0]
    assert "potential" in by_potential.goals.filled_by[1]
    assert split(make_cells([np.nan, np.nan]), 10).goals.goal.tolist() == [5.0, 5.0]
    assert split(make_cells([np.nan, 4.0]), 10).goals.filled_by[0] == "mean of all cells"


def test_a_cell_that_takes_no_part_stays_empty():
    cells = make_cells([100, np.nan, 50], takes_part=[True, True, False])
    plan = split(cells, 100, base={"fill": "none"})
    assert plan.goals.goal.fillna(-1).tolist() == [100.0, -1.0, -1.0]


def test_a_negative_base_gets_no_goal_and_a_finding():
    plan = split(make_cells([-10, 100]), 100)
    assert plan.goals.goal.tolist() == [0.0, 100.0]
    assert "allocation.base_negative" in set(plan.findings.finding_id)


def test_an_answer_that_equals_its_starting_point_warns():
    plan = split(make_cells([60, 40]), 100)
    assert "allocation.nothing_moved" in set(plan.findings.finding_id)


def test_over_assignment_is_written_down_level_by_level():
    plan = split(
        make_cells([60, 40]), 1000, over_assignment={"region": 0.05, "manager": 0.05, "team": 0.05}
    )
    assert plan.padding.cumulative_share.round(4).tolist() == [0.05, 0.1025, 0.1576]
    assert (plan.target, plan.total, plan.goals.goal.sum()) == (1000, 1158, 1158)
    assert "allocation.over_assignment" in set(plan.findings.finding_id)
    assert plan.steps.groupby("step").amount.sum()["over_assignment"] == 158


# --- no with reasons ------------------------------------------------------------------------


def test_a_total_out_of_reach_says_by_how_much():
    cap = {"name": "cap", "each": "rep_id", "at_most": 55}
    with pytest.raises(RulesConflictError) as error:
        split(make_cells([60, 40]), 125, cap)
    assert "'total'" in str(error.value) and "'cap' for 'R0'" in str(error.value)
    assert error.value.gives.gives.sum() == 15


def conflicting():
    cells = grid_cells(4, 2)
    total = round(cells.base.sum() * 1.2)
    rules = [
        {"name": "calm", "each": "rep_id", "most_up_share": 0.1, "priority": 3},
        {
            "name": "floor",
            "where": {"territory_id": "T0"},
            "at_least": 0.9,
            "relative_to": "base",
            "priority": 8,
        },
        {"name": "lines", "each": "product_line", "at_most": 1.5, "relative_to": "base"},
    ]
    return cells, total, rules


def test_the_lowest_priority_gives_first_and_only_what_is_needed():
    cells, total, rules = conflicting()
    with pytest.raises(RulesConflictError) as error:
        split(cells, total, *rules)
    gives = error.value.gives
    assert set(gives.rule) == {"calm"}
    assert set(error.value.conflict.rule) == {"calm", "total"}
    relaxed = split(cells, total, *rules, relax={"allow": True, "up_to_priority": 3})
    assert relaxed.goals.goal.sum() == total
    assert set(relaxed.relaxed.rule) == {"calm"}
    assert "allocation.rules_gave" in set(relaxed.findings.finding_id)
    with pytest.raises(RulesConflictError):
        split(cells, total, *rules, relax={"allow": True, "up_to_priority": 2})


@FEW
@given(st.integers(1, 40), st.integers(1, 4))
def test_giving_that_much_is_enough_and_less_is_not(extra, reps):
    cells = make_cells([100.0] * reps)
    caps = [{"name": f"cap {i}", "where": {"rep_id": f"R{i}"}, "at_most": 110} for i in range(reps)]
    total = 110 * reps + extra
    with pytest.raises(RulesConflictError) as error:
        split(cells, total, *caps)
    gives = error.value.gives.set_index("rule").gives
    assert gives.sum() == extra
    enough = [{**c, "at_most": 110 + gives.get(c["name"], 0.0)} for c in caps]
    assert split(cells, total, *enough).goals.goal.sum() == total
    name = gives.index[0]
    less = [{**c, "at_most": c["at_most"] - (c["name"] == name)} for c in enough]
    with pytest.raises(RulesConflictError):
        split(cells, total, *less)


# --- invariants -----------------------------------------------------------------------------


@st.composite
def problems(draw):
    cells = grid_cells(draw(st.integers(1, 5)), draw(st.integers(1, 4)), draw(st.integers(0, 999)))
    cells["base"] = np.maximum(cells["base"], 1.0)
    factor = draw(st.floats(0.9, 1.15))
    rules = [
        {"name": "reps", "each": "rep_id", "most_up_share": 0.3, "most_down_share": 0.3},
        {"name": "lines", "each": "product_line", "at_least": 0.8, "relative_to": "base"},
        {"name": "area", "each": "territory_id", "at_most": 1.25, "relative_to": "base"},
    ][: draw(st.integers(0, 3))]
    return cells, float(round(cells.base.sum() * factor)), rules


@FEW
@given(problems())
def test_goals_add_up_keep_every_rule_and_explain_themselves(problem):
    cells, total, rules = problem
    plan = split(cells, total, *rules)
    assert plan.goals.goal.sum() == total
    assert (plan.goals.goal % 1 == 0).all()
    assert (plan.rules.gap == 0).all()
    goals = plan.goals.groupby("rep_id").goal.sum()
    assert (plan.steps.groupby("rep_id").amount.sum() == goals).all()
    assert (plan.goals.goal - plan.goals.exact).abs().max() < 1
    for column in ("rep_id", "product_line"):
        moved = plan.goals.groupby(column)[["goal", "exact"]].sum().diff(axis=1)["exact"]
        assert moved.abs().max() < 1 + 1e-6


@FEW
@given(problems(), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(problem, random):
    cells, total, rules = problem
    order = list(cells.index)
    random.shuffle(order)
    plain, mixed = split(cells, total, *rules), split(cells.loc[order], total, *rules)
    pd.testing.assert_frame_equal(plain.goals, mixed.goals.loc[cells.index])
    pd.testing.assert_frame_equal(plain.rules, mixed.rules)


@FEW
@given(problems(), st.sampled_from([0.01, 1000.0, 1e6]))
def test_the_unit_of_money_does_not_matter(problem, k):
    cells, total, rules = problem
    plain = split(cells, total, *rules)
    money = cells.assign(base=cells.base * k, last_goal=cells.last_goal * k)
    scaled = split(money, round(total * k / k) * k, *rules, unit=k)
    np.testing.assert_allclose(scaled.goals.exact / k, plain.goals.exact, rtol=1e-7, atol=1e-6)
    assert (scaled.goals.goal / k - plain.goals.goal).abs().max() <= 1 + 1e-6


@FEW
@given(problems())
def test_planning_the_goals_again_changes_nothing(problem):
    cells, total, rules = problem
    plan = split(cells, total, *rules)
    again = split(cells.assign(base=plan.goals.goal), total)
    assert (again.goals.goal == plan.goals.goal).all()


@pytest.mark.parametrize("amount", [1e-2, 1.0, 1e6, 1e12])
def test_amounts_of_every_size(amount):
    unit = min(1.0, amount)
    plan = split(make_cells([amount * 3, amount * 5, amount * 2]), amount * 11, unit=unit)
    assert round(plan.goals.goal.sum() / unit) == round(amount * 11 / unit)
    assert plan.gap == 0


# --- objectives -----------------------------------------------------------------------------


def test_fewest_changes_moves_few_cells():
    cells = make_cells([100, 200, 300, 400])
    plan = split(cells, 1050, objective={"kind": "fewest_changes"})
    assert (plan.goals.goal != plan.goals.base).sum() == 1
    assert plan.objective.set_index("measure").goals["sum of absolute changes"] == pytest.approx(50)


def test_fairest_stretch_makes_the_largest_change_small_then_the_next():
    cells = make_cells([100, 100, 100, 100])
    hold = {"name": "h", "where": {"rep_id": ["R0", "R1"]}, "amount": 260, **HOLD}
    plan = split(cells, 480, objective={"kind": "fairest_stretch"}, holds=[hold])
    assert plan.goals.goal.tolist() == [130.0, 130.0, 110.0, 110.0]
    same = split(cells, 400, objective={"kind": "fairest_stretch"})
    assert same.goals.goal.tolist() == [100.0] * 4


def test_equal_chance_gives_everybody_the_same_chance_under_the_same_rules():
    cells = make_cells([100, 100, 100, 200], cv=[0.1, 0.2, 0.4, np.nan])
    plan = split(cells, 560, objective={"kind": "equal_chance"}, unit=0.01)
    spread = np.sqrt(np.log1p(np.array([0.1, 0.2, 0.4, 0.2]) ** 2))
    z = (np.log(plan.goals.exact / cells.base) + spread**2 / 2) / spread
    assert np.ptp(z) < 1e-8
    held = split(
        cells,
        560,
        {"name": "cap", "where": {"rep_id": "R2"}, "at_most": 105},
        unit=0.01,
        objective={"kind": "equal_chance"},
    )
    assert held.goals.goal[2] == 105
    z = (np.log(held.goals.exact / cells.base) + spread**2 / 2) / spread
    assert np.ptp(z[[0, 1, 3]]) < 1e-8


def test_equal_chance_can_be_given_by_role():
    cells = make_cells([100, 100, 100], cv=[0.2, 0.2, 0.3], role=["hunter", "farmer", "farmer"])
    plan = split(
        cells, 320, unit=0.01, objective={"kind": "equal_chance", "chances": {"hunter": 0.6}}
    )
    s = np.sqrt(np.log1p(0.04))
    assert plan.goals.goal[0] == pytest.approx(100 * np.exp(-0.2533471 * s - s**2 / 2), abs=0.01)
    assert plan.goals.goal.sum() == pytest.approx(320)


def test_equal_chance_takes_expectation_and_variance_where_they_are_given():
    cells = make_cells([90, 90], expected=[100.0, np.nan], variance=[400.0, 324.0])
    plan = split(cells, 200, objective={"kind": "equal_chance"})
    assert plan.goals.goal.tolist() == [100.0, 100.0]
    with pytest.raises(DataError, match="a column cv"):
        split(make_cells([1, 2]), 3, objective={"kind": "equal_chance"})
    with pytest.raises(DataError, match="cv must be 0 or more"):
        split(make_cells([1, 2], cv=[-1.0, 0.1]), 3, objective={"kind": "equal_chance"})
    with pytest.raises(DataError, match="variance must be 0 or more"):
        split(make_cells([1, 2], variance=[-1.0, 0.1]), 3)


@pytest.mark.parametrize("kind", ["fewest_changes", "fairest_stretch", "equal_chance"])
def test_every_objective_says_which_rules_cannot_hold(kind):
    cells = make_cells([60, 40], cv=[0.2, 0.2])
    cap = {"name": "cap", "where": {"rep_id": ["R0", "R1"]}, "at_most": 110}
    with pytest.raises(RulesConflictError, match="'cap'"):
        split(cells, 125, cap, objective={"kind": kind})


def test_objectives_are_compared_with_their_price_against_proportional():
    cells = grid_cells(4, 2).assign(cv=0.2)
    rule = {
        "name": "reps",
        "each": "rep_id",
        "at_most": 1.2,
        "at_least": 0.98,
        "relative_to": "last_goal",
    }
    table = compare_objectives(cells, round(cells.base.sum() * 1.05), scenario(rule), today=TODAY)
    table = table.set_index("objective")
    assert list(table.index) == [
        "proportional",
        "least_movement",
        "fewest_changes",
        "fairest_stretch",
        "equal_chance",
    ]
    for kind, measure in (
        ("least_movement", "weighted squares"),
        ("fairest_stretch", "largest relative change"),
    ):
        ruled = table.drop("proportional")[measure]
        assert ruled.min() == pytest.approx(ruled[kind], rel=1e-6)
    assert (table.loc["proportional"].filter(like="price_") == 0).all()


# --- a plan from elsewhere ------------------------------------------------------------------


def test_a_plan_from_elsewhere_is_scored_with_the_same_tables():
    cells = make_cells([100, 100, 100])
    rule = {"name": "cap", "each": "rep_id", "at_most": 120}
    given = pd.Series([130.0, 100.0, np.nan], cells.index)
    plan = score_plan(cells, given, scenario(rule), total=240, today=TODAY)
    assert plan.gap == -10
    assert plan.rules[plan.rules.name == "cap"].gap.tolist() == [10.0, 0.0]
    assert plan.goals.goal.fillna(-1).tolist() == [130.0, 100.0, -1.0]
    assert "fail" in set(plan.findings.status)
    assert plan.steps.groupby("rep_id").amount.sum().tolist() == [130.0, 100.0]
    assert score_plan(cells, given.fillna(0), today=TODAY).gap == 0
    with pytest.raises(DataError, match="same rows"):
        score_plan(cells, given.iloc[:2], today=TODAY)
    lot = score_plan(
        cells,
        pd.Series([5.0, 50.0, 60.0]),
        scenario({"name": "z", "zero_or_at_least": 10}),
        today=TODAY,
    )
    assert lot.rules[lot.rules.name == "z"].gap.tolist() == [5.0, 0.0, 0.0]


# --- reading --------------------------------------------------------------------------------


def test_all_faults_of_a_scenario_are_said_at_once():
    with pytest.raises(DataError) as error:
        scenario(
            {"name": "a", "wher": {}, "at_most": 1},
            {"name": "e", "at_most": "1"},
            {"name": "f"},
            {"name": "g", "at_least": 2, "at_most": 1},
            {"name": "h", "exactly": 2, "at_most": 1},
            {"name": "h", "at_least_share": 0.5, "at_most_share": 0.2, "each": "cell"},
            {"name": "i", "at_most": 1, "zero_or_at_least": 1},
            {"name": "j", "zero_or_at_least": 1, "relative_to": "base"},
            {"name": 5, "at_most": 1, "where": [], "each": 4, "priority": 12},
            holds=[
                {"name": "k", "amount": 1, "keep": "base", "expires_on": "2026-01-01"},
                {"name": "l", "amnt": 1},
            ],
        )
    for word in (
        "'wher' (did you mean 'where'?)",
        "at_most is '1'",
        "asks for nothing",
        "at_least 2 is above at_most 1",
        "exactly stands beside",
        "at_least_share 0.5 is above",
        "not of each cell",
        "two different things",
        "relative_to does not belong",
        "name is 5",
        "write where as",
        "write each as",
        "priority is 12",
        "owner is missing",
        "reason is missing",
        "expires_on is '2026-01-01'",
        "either amount",
        "'amnt' (did you mean 'amount'?)",
        "names used twice: 'h'",
    ):
        assert word in str(error.value), word


def test_columns_labels_and_references_that_no_cell_has_are_named_together():
    bad = scenario(
        {"name": "b", "where": {"regoin": "North"}, "at_most": 1},
        {"name": "c", "where": {"region": "Norht"}, "at_most": 1},
        {"name": "d", "at_most": 1, "relative_to": "last_gaol"},
        {"name": "e", "at_most": 1, "each": ["rep"]},
        {"name": "f", "at_most_share": 1, "of": {"rep_id": "RO"}},
        holds=[{**HOLD, "name": "g", "keep": "bsae"}],
    )
    with pytest.raises(DataError) as error:
        allocate(grid_cells().assign(region="North"), 100, bad, today=TODAY)
    for word in (
        "rule 'b', where: 1 unknown label: 'regoin' (did you mean 'region'?)",
        "rule 'c', where region: 1 unknown label: 'Norht' (did you mean 'North'?)",
        "rule 'd', relative_to: 1 unknown label: 'last_gaol' (did you mean 'last_goal'?)",
        "rule 'e', each: 1 unknown label: 'rep' (did you mean 'rep_id'?)",
        "rule 'f', of rep_id: 1 unknown label: 'RO'. Known: 'R0'",
        "hold 'g', keep: 1 unknown label: 'bsae' (did you mean 'base'?)",
    ):
        assert word in str(error.value), word


@pytest.mark.parametrize(
    ("sections", "word"),
    [
        ({"objective": {"kind": "least_movment"}}, "did you mean 'least_movement'"),
        ({"objective": {"weights": "bse"}}, "did you mean 'base'"),
        ({"objective": {"weights": "variance"}}, "needs a column variance"),
        ({"objective": {"chances": 1}}, "write { role"),
        ({"objective": {"chances": {"hunter": 0.5}}}, "hunter"),
        ({"base": {"fill": "peer"}}, "did you mean 'peers'"),
        ({"base": {"blend": 1}}, "write { last_year"),
        ({"base": {"blend": {"last_yer": 1}}}, "did you mean 'last_year'"),
        ({"base": {"blend": {"forecast": 1}}}, "needs a column 'forecast'"),
        ({"base": {"blend": {"even": 0}}}, "not all 0"),
        ({"over_assignment": {"region": -1}}, "must be between 0 and 5"),
        ({"relax": {"allow": "yes"}}, "write true or false"),
    ],
)
def test_a_section_nobody_can_read_is_named(sections, word):
    with pytest.raises(DataError, match=word):
        split(make_cells([1, 2]), 3, **sections)


def test_rules_read_as_sentences():
    given = scenario(
        {"name": "a", "where": {"rep_id": ["R0", "R1"]}, "at_least": 10, "at_most": 20},
        {"name": "b", "each": ["territory_id"], "exactly": 1.05, "relative_to": "last_goal"},
        {"name": "c", "most_up_share": 0.1, "most_down_share": 0.05},
        {
            "name": "d",
            "where": {"product_line": "L0"},
            "at_least_share": 0.3,
            "of": {"rep_id": "R0"},
        },
        {"name": "e", "where": {"rep_id": "R0"}, "each": "cell", "zero_or_at_least": 10},
        holds=[{"name": "f", "keep": "last_goal", **HOLD}],
    )
    assert [rule.describe() for rule in given.all_rules] == [
        "rep_id R0 or R1 together: at least 10 and at most 20",
        "each territory_id of all cells: exactly 105 % of last_goal",
        "each cell: at most 10 % up and at most 5 % down from base",
        "product_line L0: at least 30 % of the total of rep_id R0",
        "each cell of rep_id R0: 0 or at least 10",
        "each cell: held at last_goal by Ann until 2026-12-31 (contract)",
    ]


def test_rules_made_by_hand_and_references_by_label():
    cells = make_cells([100.0, 100.0]).set_index(pd.Index(["x", "y"]))
    rules = (
        GroupRange(name="r", where={"rep_id": ("R0",)}, at_most=0.5, relative_to="agreed"),
        Hold(name="h", where={"rep_id": ("R1",)}, amount=140.0),
    )
    agreed = pd.Series({"y": 7.0, "x": 200.0})
    plan = allocate(cells, 240, rules, references={"agreed": agreed}, today=TODAY)
    assert plan.goals.goal.to_dict() == {"x": 100.0, "y": 140.0}
    with pytest.raises(DataError, match="reference 'agreed'"):
        allocate(cells, 240, rules, references={"agreed": agreed.rename({"y": "z"})}, today=TODAY)


@pytest.mark.parametrize(
    "rule",
    [
        {"each": "rep_id", "most_up_share": 0.2, "most_down_share": 0.2},
        {"each": "rep_id", "at_most": 1.1},
        {"each": "rep_id", "exactly": 1.0},
        {"each": "cell", "at_least": 0.8, "at_most": 1.2},
    ],
    ids=["change", "at most", "exactly", "cell"],
)
def test_somebody_with_only_a_return_makes_no_rule_impossible(rule):
    cells = make_cells([100.0, 100.0, 50.0], last_year=[100.0, 100.0, -8.0])
    plan = split(cells, 230, {"name": "calm", **rule, "relative_to": "last_year"})
    assert plan.gap == 0 and plan.rules["gap"].max() == 0
    said = plan.findings.set_index("finding_id").loc["allocation.reference_negative"]
    assert said["message"].startswith("last_year is below 0 for 'R2', -8 in all")
    assert "R2" not in set(plan.rules["group"])


def test_a_hold_at_a_return_holds_nothing():
    cells = make_cells([100.0, 100.0], last_goal=[100.0, -5.0])
    hold = {"name": "keep", "keep": "last_goal", **HOLD}
    plan = split(cells, 250, holds=[hold])
    assert plan.goals["goal"].tolist() == [100.0, 150.0]


def test_a_rule_without_cells_or_reference_is_said():
    cells = make_cells([100, 100], last_goal=[np.nan, 50.0])
    rule = {"name": "old", "each": "rep_id", "at_most": 1.0, "relative_to": "last_goal"}
    plan = split(cells, 200, rule)
    assert plan.goals.goal.tolist() == [150.0, 50.0]
    gone = split(cells, 200, {**rule, "where": {"rep_id": "R0"}})
    assert "allocation.rule_without_cells" in set(gone.findings.finding_id)


def test_cells_that_cannot_be_used_are_refused():
    good = make_cells([1.0, 2.0])
    for cells, word in (
        (good.drop(columns="base"), "base is missing"),
        (good.assign(base=["a", "b"]), "must hold numbers"),
        (good.assign(base=np.inf), "infinite"),
        (good.drop(columns="rep_id"), "no label column"),
        (good.iloc[:0], "no cell"),
        (good.assign(rep_id="R0"), "more than once with the same labels: 'R0'"),
    ):
        with pytest.raises(DataError, match=word):
            split(cells, 3)
    for total, unit, word in (
        (3.5, 1, "nearest is 4"),
        (-1, 1, "0 or more"),
        (3, 0, "rounding_unit"),
        (3, 0.3, "divide 1"),
        (np.nan, 1, "0 or more"),
    ):
        with pytest.raises(DataError, match=word):
            split(good, total, unit=unit)


def test_bases_blend_by_weight_and_keep_what_is_empty():
    cells = pd.DataFrame(
        {"last_year": [60.0, 40.0, np.nan, np.nan], "potential": [1.0, 1.0, 1.0, np.nan]}
    )
    blended = blend_bases(cells, {"last_year": 0.5, "fair_share": 0.5})
    assert blended.fillna(-1).tolist() == [55.0, 45.0, 50.0, -1.0]
    assert blend_bases(cells, {"even": 1.0}).tolist() == [1.0] * 4
    nobody = pd.DataFrame({"last_year": [0.0, 5.0], "forecast": [0.0, 0.0]})
    assert blend_bases(nobody, {"last_year": 1, "forecast": 1}).tolist() == [0.0, 2.5]


def test_the_blend_of_the_scenario_is_the_base_and_a_step():
    cells = make_cells([60, 40], last_year=[60.0, 40.0], potential=[1.0, 1.0])
    plan = split(cells, 200, base={"blend": {"last_year": 0.5, "fair_share": 0.5}})
    assert plan.goals.goal.tolist() == [110.0, 90.0]
    assert explain_rep(plan, "R0").step.tolist() == ["base", "potential", "growth"]
    plan = split(cells.drop(columns="base"), 200, base={"blend": {"even": 1}})
    assert plan.goals.goal.tolist() == [100.0, 100.0]
    with pytest.raises(DataError, match="'R9'"):
        explain_rep(plan, "R9")


def test_steps_name_what_holds_limits_and_groups_changed():
    cells = grid_cells(4, 2)
    hold = {"name": "h", "where": {"rep_id": "R0"}, "amount": 1000, **HOLD}
    plan = split(
        cells,
        round(cells.base.sum() * 1.05),
        {"name": "cap", "each": "cell", "most_up_share": 0.08, "where": {"rep_id": "R1"}},
        {"name": "area", "where": {"territory_id": "T1"}, "at_most": 1.06, "relative_to": "base"},
        holds=[hold],
    )
    by_step = plan.steps.pivot(index="rep_id", columns="step", values="amount")
    assert by_step.loc["R0", "holds"] != 0
    assert (by_step["reconciliation"] != 0).any()
    assert (by_step.sum(axis=1) == plan.goals.groupby("rep_id").goal.sum()).all()


def test_rules_that_whole_units_cannot_keep_are_named():
    rows = [(r, p, m) for r in "ab" for p in "xy" for m in "12"]
    cells = pd.DataFrame(rows, columns=["rep_id", "product_line", "month"]).assign(base=0.5)
    rules = [
        {"name": "rp", "each": ["rep_id", "product_line"], "exactly": 1},
        {"name": "rm", "each": ["rep_id", "month"], "exactly": 1},
        {"name": "pm", "each": ["product_line", "month"], "exactly": 1},
    ]
    plan = split(cells, 4, *rules)
    assert plan.rules.gap.max() == 0
    odd = [
        {"name": f"{a}{b}", "where": {"rep_id": [a, b]}, "exactly": 1}
        for a, b in ("ab", "bc", "ac")
    ]
    three = make_cells([0.5, 0.5, 0.5], reps=list("abc"))
    half = [{**rule, "at_most": 1.5, "at_least": 0.5} for rule in odd]
    for rule in half:
        del rule["exactly"]
    plan = split(three, 1, *half[:2], {"name": "no", "each": "cell", "at_most": 1})
    assert plan.goals.goal.sum() == 1


def test_a_limit_between_two_units_is_moved_to_the_nearest_and_said():
    rule = {"name": "calm", "most_up_share": 0.1, "most_down_share": 0.1}
    plan = split(make_cells([0.4, 100.0]), 101, rule)
    assert plan.goals.goal.sum() == 101
    assert "allocation.limit_between_units" in set(plan.findings.finding_id)


def test_a_cell_without_a_label_is_a_group_of_its_own():
    cells = make_cells([10.0, 20.0, 30.0], role=["h", None, "f"])
    plan = split(
        cells, 66, {"name": "by role", "each": ["role"], "at_most": 1.1, "relative_to": "base"}
    )
    assert plan.goals.goal.tolist() == [11.0, 22.0, 33.0]
    assert plan.rules[plan.rules.name == "by role"].group.tolist() == ["f", "h", ""]


def test_the_fill_that_is_asked_for_is_taken():
    cells = make_cells([100, np.nan, 300], role=["h"] * 3, potential=[10.0, 50.0, 30.0])
    assert split(cells, 600, base={"fill": "peers"}).goals.goal.tolist() == [100.0, 200.0, 300.0]


def test_many_limits_in_conflict_are_shortened():
    cells = make_cells([100.0] * 90)
    with pytest.raises(RulesConflictError, match=r"and 8[0-9] more"):
        split(cells, 12_000, {"name": "cap", "each": "rep_id", "at_most": 110})


def test_a_share_that_cannot_hold_says_what_it_lacks():
    cells = grid_cells(2, 2)
    share = {"name": "A", "where": {"product_line": "L0"}, "at_least_share": 0.9}
    cap = {"name": "cap", "where": {"product_line": "L0"}, "at_most": 10, "priority": 8}
    with pytest.raises(RulesConflictError, match="'A' \\(product_line L0: at least 90 %"):
        split(cells, round(cells.base.sum()), share, cap)


def test_a_total_of_too_many_units_is_refused():
    with pytest.raises(DataError, match="larger unit"):
        split(make_cells([1.0, 2.0]), 1e15, unit=0.01)


def test_overlapping_pairs_are_rounded_by_integer_programming():
    cells = make_cells([0.5] * 6, reps=list("abcdef"))
    pairs = [
        {"name": a + b, "where": {"rep_id": [a, b]}, "exactly": 1}
        for a, b in ("ab", "bc", "cd", "de", "ef", "fa")
    ]
    plan = split(cells, 3, *pairs)
    assert plan.goals.goal.sum() == 3
    assert plan.rules.gap.max() == 0
    five = make_cells([0.5] * 6, reps=list("abcdef"))
    odd = [
        {"name": a + b, "where": {"rep_id": [a, b]}, "exactly": 1} for a, b in ("ab", "bc", "ca")
    ]
    plan = split(five, 3, *odd)
    assert plan.goals.goal.sum() == 3
    assert "allocation.rounding_gave" in set(plan.findings.finding_id)
    assert (plan.rules.gap > 0).sum() == 1


def test_a_share_that_no_whole_units_keep_is_named():
    half = {"name": "half", "where": {"rep_id": "R0"}, "at_least_share": 0.5, "at_most_share": 0.5}
    plan = split(make_cells([10.0, 10.0]), 3, half)
    assert sorted(plan.goals.goal) == [1.0, 2.0]
    assert "allocation.rounding_gave" in set(plan.findings.finding_id)


def test_a_share_beside_pairs_that_overlap_is_rounded_by_integer_programming():
    cells = make_cells([0.5] * 6, reps=list("abcdef"))
    pairs = [
        {"name": a + b, "where": {"rep_id": [a, b]}, "exactly": 1} for a, b in ("ab", "bc", "ca")
    ]
    share = {"name": "some", "where": {"rep_id": "d"}, "at_least_share": 0.1}
    plan = split(cells, 3, *pairs, share)
    assert plan.goals.goal.sum() == 3
    assert "allocation.rounding_gave" in set(plan.findings.finding_id)


def test_stretches_that_are_not_told_apart_any_more_still_keep_every_rule(monkeypatch):
    monkeypatch.setattr("planning_kit.allocation.objectives._ROUNDS", 1)
    cap = {"name": "cap", "where": {"rep_id": "R0"}, "at_most": 101}
    plan = split(make_cells([100, 200, 300]), 660, cap, objective={"kind": "fairest_stretch"})
    assert plan.gap == 0
    assert plan.rules.gap.max() == 0


def test_a_fault_of_the_solver_is_not_called_a_conflict(monkeypatch):
    monkeypatch.setattr("planning_kit.allocation.engine.find_goals", lambda *_: None)
    with pytest.raises(RuntimeError, match="no goals were found"):
        split(make_cells([1.0, 2.0]), 6)


def test_too_many_cells_for_a_program_say_what_rounding_misses(monkeypatch):
    monkeypatch.setattr("planning_kit.allocation.finish.MOST_BY_PROGRAM", 2)
    cells = make_cells([0.5] * 6, reps=list("abcdef"))
    odd = [
        {"name": a + b, "where": {"rep_id": [a, b]}, "exactly": 1} for a, b in ("ab", "bc", "ca")
    ]
    assert "allocation.rounding_gave" in set(split(cells, 3, *odd).findings.finding_id)


def test_a_base_that_came_filled_keeps_saying_so():
    cells = make_cells([1.0, 2.0]).assign(filled_by=[None, "by hand"])
    plan = split(cells, 6)
    assert plan.goals.filled_by.tolist() == ["", "by hand"]


def test_a_conflict_is_thinned_to_what_it_needs():
    from planning_kit.allocation.conflicts import find_conflict
    from planning_kit.allocation.engine import _read

    caps = [
        {"name": f"c{i}", "where": {"rep_id": f"R{i}"}, "at_most": 10 * (i + 1)} for i in range(3)
    ]
    floor = {"name": "floor", "where": {"rep_id": "R0"}, "at_least": 20}
    task = _read(make_cells([5.0, 5.0, 5.0]), 15, scenario(*caps, floor), 1.0, None, TODAY)
    assert set(find_conflict(task.grid, task.limits).rule) in (
        {"c0", "floor"},
        {"floor", "total"},
    )


def test_a_blend_made_by_hand_needs_a_weight_above_nothing():
    cells = pd.DataFrame({"last_year": [60.0, 40.0]})
    for weight in (0.0, -1.0):
        with pytest.raises(DataError, match="0 or more and not all 0"):
            blend_bases(cells, {"last_year": weight})


# --- what is worked out only when it is asked for -------------------------------------------------


def test_an_upper_share_of_the_total_is_told_as_one():
    rules = split(
        grid_cells(), 10_000, {"name": "most", "where": {"rep_id": "R0"}, "at_most_share": 0.2}
    ).rules.set_index("name")
    assert rules.loc["most", "asked_high"] == 2000 and rules.loc["most", "binding"] == "high"


def test_bases_that_were_filled_in_are_a_finding():
    cells = grid_cells()
    cells.loc[0, "base"] = np.nan
    found = split(cells, 10_000, base={"fill": "peers"}).findings.set_index("finding_id")
    row = found.loc["allocation.base_filled"]
    assert row["status"] == "review" and row["where"] == "'R0'" and "1 of 6 cells" in row["message"]
