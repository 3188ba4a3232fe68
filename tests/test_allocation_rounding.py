from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planning_kit.allocation import phase
from planning_kit.messages import DataError
from planning_kit.numbers.rounding import (
    round_chain,
    round_chains,
    round_many_way,
    round_two_way,
    round_units,
    split_units,
)

FEW = settings(max_examples=60, deadline=None)
TABLE = st.integers(1, 6).flatmap(
    lambda n: st.lists(st.lists(st.floats(0, 50), min_size=n, max_size=n), min_size=1, max_size=6)
)


def test_three_units_over_four_quarters_stay_three():
    quarters = pd.Series([0.17, 0.23, 0.3, 0.3], ["Q1", "Q2", "Q3", "Q4"])
    assert round_units(3 * quarters, 1).tolist() == [0.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize(("total", "count"), [(50, 7), (102, 9), (45, 4)])
def test_shares_that_round_badly_keep_their_sum(total, count):
    assert round_units(pd.Series(total / count, range(count)), 1).sum() == total


def test_ties_go_to_the_first_label_whatever_the_order():
    amounts = pd.Series([0.5, 0.5, 0.5, 0.5], ["d", "a", "c", "b"])
    assert round_units(amounts, 1).to_dict() == {"d": 0, "a": 1, "c": 0, "b": 1}


def test_empty_amounts_stay_empty_and_cents_are_exact():
    rounded = round_units(pd.Series([0.105, np.nan, 0.195], list("abc")), 0.01)
    assert rounded.isna().tolist() == [False, True, False]
    assert rounded.dropna().tolist() in ([0.1, 0.2], [0.11, 0.19])


def test_a_total_that_rounding_cannot_reach_is_refused():
    with pytest.raises(DataError, match="cannot be reached"):
        round_units(pd.Series([1.0, 2.0]), 1, total=9)
    with pytest.raises(DataError, match="nearest is 4"):
        round_units(pd.Series([1.0, 2.0]), 1, total=3.5)


@FEW
@given(st.integers(0, 10**9), st.lists(st.integers(0, 10**6), min_size=1, max_size=12))
def test_whole_units_are_split_as_fractions_would(whole, weights):
    even = weights if any(weights) else [1] * len(weights)
    exact = [Fraction(whole * weight, sum(even)) for weight in even]
    left = whole - sum(int(share) for share in exact)
    up = sorted(range(len(exact)), key=lambda i: (int(exact[i]) - exact[i], i))[:left]
    expected = [int(share) + (i in up) for i, share in enumerate(exact)]
    assert split_units(whole, pd.Series(weights)).tolist() == expected


def test_a_cell_without_a_weight_gets_nothing_and_a_zero_gets_zero():
    weights = pd.Series([2, None, 0, 1], list("abcd"), dtype="Int64")
    assert split_units(10, weights).tolist() == [7, pd.NA, 0, 3]


@FEW
@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=30), st.sampled_from([0.01, 1.0, 100.0]))
def test_one_way_moves_every_amount_by_less_than_a_unit(amounts, unit):
    given_ = pd.Series(amounts)
    rounded = round_units(given_, unit)
    assert (rounded - given_).abs().max() < unit * (1 + 1e-6)
    assert abs(rounded.sum() - given_.sum()) <= unit / 2 * (1 + 1e-6)
    assert round_units(rounded, unit).equals(rounded)


@FEW
@given(TABLE, st.sampled_from([0.01, 1.0, 10.0]))
def test_two_ways_keep_every_margin_within_a_unit(values, unit):
    amounts = pd.DataFrame(values)
    rounded = round_two_way(amounts, unit)
    room = unit * (1 + 1e-6)
    assert ((rounded - amounts).abs().to_numpy() < room).all()
    for axis in (0, 1):
        assert ((rounded.sum(axis=axis) - amounts.sum(axis=axis)).abs() < room).all()
    assert abs(rounded.to_numpy().sum() - amounts.to_numpy().sum()) <= unit / 2 * (1 + 1e-6)
    pd.testing.assert_frame_equal(round_two_way(rounded, unit), rounded)
    turned = round_two_way(amounts.iloc[::-1, ::-1], unit)
    pd.testing.assert_frame_equal(turned.loc[amounts.index, amounts.columns], rounded)


def test_margins_that_are_whole_stay_exact():
    random = np.random.default_rng(4)
    whole = random.integers(1, 50, (8, 5)).astype(float)
    for _ in range(40):  # move amounts around without changing a margin
        (a, b), (c, d) = random.choice(8, 2, False), random.choice(5, 2, False)
        step = random.uniform(0, 0.9)
        whole[[a, b], [c, d]] += step
        whole[[a, b], [d, c]] -= step
    rounded = round_two_way(pd.DataFrame(whole), 1)
    assert (rounded.sum() == whole.sum(axis=0).round()).all()
    assert (rounded.sum(axis=1) == whole.sum(axis=1).round()).all()


def test_two_ways_leave_empty_cells_empty_and_refuse_amounts_beyond_exactness():
    amounts = pd.DataFrame({"A": [0.5, np.nan], "B": [0.5, 1.0]}, index=["x", "y"])
    assert round_two_way(amounts, 1).isna().to_numpy().tolist() == [[False, False], [True, False]]
    with pytest.raises(DataError, match="larger unit"):
        round_two_way(pd.DataFrame({"A": [2e16 + 0.5, 0.5], "B": [3e18, 0.7]}), 1e-3)


def test_a_hierarchy_is_rounded_from_the_top():
    units = np.array([0.5, 0.5, 0.5, 0.5, 1.0])
    area, rep = np.array([0, 0, 1, 1, 1]), np.array([0, 0, 1, 1, 2])
    assert round_chain(units, [area, rep], 3).tolist() == [1, 0, 1, 0, 1]


def test_two_hierarchies_and_several_cells_of_the_same_pair():
    units = np.array([0.5, 0.5, 0.5, 0.5])
    same = np.zeros(4, dtype=np.int64)
    assert round_chains(units, [same], [same], 2).sum() == 2
    assert round_chains(units, [], [same], 2).sum() == 2
    assert round_chains(np.array([2.4]), [], [], 2).tolist() == [2]
    assert round_chains(units, [same], [same], 4) is None
    assert round_chains(units, [], [], 2).sum() == 2


def brute_force_two_way(values):
    low, rows, columns = np.floor(values), values.sum(1), values.sum(0)
    best = np.inf
    for ups in product([0, 1], repeat=values.size):
        whole = low + np.reshape(ups, values.shape)
        moved = np.abs(whole - values)
        if (
            (moved < 1 - 1e-12).all()
            and (np.abs(whole.sum(1) - rows) < 1 - 1e-12).all()
            and (np.abs(whole.sum(0) - columns) < 1 - 1e-12).all()
            and whole.sum() == round(values.sum())
        ):
            best = min(best, moved.max())
    return best


@pytest.mark.parametrize("seed", range(8))
def test_the_largest_movement_is_near_the_smallest_possible_by_brute_force(seed):
    values = np.random.default_rng(seed).uniform(0.02, 2.98, (3, 3))
    rounded = round_two_way(pd.DataFrame(values), 1)
    assert np.abs(rounded - values).to_numpy().max() <= brute_force_two_way(values) + 1 / 32


def cube(values, shape=(2, 2, 2)):
    names = ["rep", "product", "month"]
    index = pd.MultiIndex.from_product([range(n) for n in shape], names=names)
    return pd.Series(np.ravel(values), index, dtype=float)


def test_three_ways_are_exact_where_whole_numbers_allow_it():
    amounts = cube(np.random.default_rng(1).uniform(0, 5, 27), (3, 3, 3))
    rounded, gave = round_many_way(amounts, 1)
    assert gave.empty
    for out in amounts.index.names:
        keep = [n for n in amounts.index.names if n != out]
        moved = (rounded - amounts).groupby(level=keep).sum().abs()
        assert moved.max() < 1 + 1e-6
    one, _ = round_many_way(amounts, 1, margins=[["rep"]])
    assert (one - amounts).groupby(level="rep").sum().abs().max() < 1


def test_three_ways_that_cannot_be_whole_name_the_margin_that_gave():
    half = np.zeros((2, 2, 2, 2))
    # An odd cycle: cells of 1/2 whose two-way sums are all 1, but no choice of 0 and 1 fits.
    rows = [(0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0), (2, 0, 0), (2, 1, 1), (2, 2, 2), (0, 2, 2)]
    assert half.size
    names = ["rep", "product", "month"]
    amounts = pd.Series(0.5, pd.MultiIndex.from_tuples(rows, names=names))
    rounded, gave = round_many_way(amounts, 1)
    assert rounded.sum() == 4
    assert list(gave.columns) == ["margin", "group", "exact", "rounded"]
    triangle = pd.Series(
        0.5, pd.MultiIndex.from_tuples([(0, 0, 1), (0, 1, 0), (1, 0, 0)], names=names)
    )
    rounded, gave = round_many_way(triangle * 1.0, 1, margins=[["rep"], ["product"], ["month"]])
    assert len(gave) == 1
    assert gave["exact"].tolist() == [1.0]
    assert gave["rounded"].iloc[0] in (0.0, 2.0)


# --- phasing --------------------------------------------------------------------------------


def seasons(lines=("A", "B"), months=12):
    random = np.random.default_rng(0)
    wide = pd.DataFrame(
        random.uniform(0.5, 2, (len(lines), months)),
        columns=[f"2026-{m:02d}" for m in range(1, months + 1)],
    )
    wide.insert(0, "product_line", list(lines))
    return wide


def goals_of(reps=7):
    random = np.random.default_rng(1)
    rows = [(f"R{i}", line) for i in range(reps) for line in ("A", "B")]
    goals = pd.DataFrame(rows, columns=["rep_id", "product_line"])
    return goals.assign(goal=random.integers(0, 400, len(goals)).astype(float) * 10)


def test_phasing_keeps_every_sum():
    goals, wide = goals_of(), seasons()
    phased = phase(goals, wide, 10)
    keys = ["rep_id", "product_line"]
    assert (phased.groupby(keys).goal.sum() == goals.set_index(keys).goal).all()
    assert (phased.goal % 10 == 0).all()
    shares = wide.set_index("product_line").div(wide.set_index("product_line").sum(axis=1), axis=0)
    exact = goals.join(shares, on="product_line").melt([*keys, "goal"], var_name="month")
    exact["exact"] = exact["goal"] * exact["value"]
    both = phased.merge(exact[[*keys, "month", "exact"]], on=[*keys, "month"])
    assert (both.goal - both.exact).abs().max() < 10
    for margin in (["month"], ["rep_id", "month"]):
        sums = both.groupby(margin)[["goal", "exact"]].sum()
        assert (sums.goal - sums.exact).abs().max() < 10 + 1e-6
    long = wide.melt("product_line", var_name="month", value_name="share")
    pd.testing.assert_frame_equal(phase(goals, long, 10), phased)
    mixed = goals.sample(frac=1, random_state=3)
    again = phase(mixed, wide, 10).sort_values([*keys, "month"], ignore_index=True)
    pd.testing.assert_frame_equal(again, phased.sort_values([*keys, "month"], ignore_index=True))


def test_an_empty_goal_stays_empty_in_every_month_and_zero_stays_zero():
    goals = pd.DataFrame({"rep_id": ["a", "b", "c"], "goal": [np.nan, 0.0, 3.0]})
    phased = phase(goals, pd.DataFrame({"m1": [0.5], "m2": [0.5]}), 1)
    assert phased.goal.isna().tolist() == [True, True, False, False, False, False]
    assert phased.goal[2:4].tolist() == [0.0, 0.0]


def test_goals_without_labels_and_one_goal_a_person():
    assert (
        phase(pd.DataFrame({"goal": [5.0]}), pd.DataFrame({"a": [1], "b": [1]}), 1).goal.sum() == 5
    )


@pytest.mark.parametrize(
    ("goals", "profile", "word"),
    [
        (goals_of().assign(goal=0.5), seasons(), "not a multiple"),
        (goals_of(), seasons(lines=("A", "C")), "no profile for 1 product_line: 'B'"),
        (goals_of(), seasons(lines=("A", "A", "B")), "more than one profile"),
        (goals_of(), seasons().drop(columns="product_line"), "several rows"),
        (goals_of(), seasons().assign(**{"2026-01": -1.0}), "0 or more"),
        (goals_of(), pd.DataFrame({"month": [1, 1], "share": [1.0, 1.0]}), "more than once"),
        (goals_of(), pd.DataFrame({"month": [1], "share": [1.0], "lin": ["A"]}), "'lin'"),
    ],
)
def test_a_profile_that_does_not_fit_is_refused(goals, profile, word):
    with pytest.raises(DataError, match=word):
        phase(goals, profile, 1)
