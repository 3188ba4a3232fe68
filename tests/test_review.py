"""Goals against results, growth, bridges: worked by hand, then held on any small company."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planning_kit.messages import DataError
from planning_kit.review import (
    EFFECTS,
    MARGIN_EFFECTS,
    attainment,
    bridge,
    bridge_steps,
    goal_bridge,
    goal_history,
    growth,
    margins,
    outside_assignments,
    review_findings,
)
from tests.making import make_inputs, make_settings

PRODUCTS = """
product_id product_line list_price
bike Bikes 100
trike Bikes 200
sock Wear 10
"""


def small_company(**tables):
    given_tables = {
        "products": PRODUCTS,
        "territories": "territory_id region potential\nt1 North 1000\nt2 North 3000",
        "assignments": "rep_id territory_id starts_on ends_on\nann t1 - -\nbob t2 - -",
        "goals": "starts_on ends_on rep_id goal\n"
        "2025-01-01 2025-06-30 ann 100\n2025-07-01 2025-12-31 ann 100\n"
        "2025-01-01 2025-12-31 bob 0\n2025-01-01 2025-12-31 cyd 50\n2025-01-01 2025-12-31 eve -",
        "sales": "sold_on rep_id territory_id product_id amount units cost\n"
        "2024-02-01 ann t1 bike 60 1 40\n2024-08-01 ann t1 sock 20 2 10\n"
        "2025-02-01 ann t1 bike 120 2 80\n2025-08-01 ann t1 sock 60 4 20\n"
        "2025-03-01 bob t2 bike 10 1 8\n2025-03-01 dan t2 bike 70 1 40\n"
        "2025-04-01 eve t2 bike 5 1 4",
    }
    return make_inputs(**{**given_tables, **tables})


def row_of(table, **labels):
    for name, label in labels.items():
        table = table[table[name] == label]
    assert len(table) == 1
    return table.iloc[0]


def test_results_without_goals_and_goals_without_results_stay_visible():
    table = attainment(small_company())
    assert dict(zip(table["rep_id"], table["status"], strict=True)) == {
        "ann": "missed",
        "bob": "reached",
        "cyd": "no sales",
        "dan": "no goal",
        "eve": "no goal",
    }
    ann = row_of(table, rep_id="ann")
    assert (ann["goal"], ann["actual"], ann["gap"], ann["attainment"]) == (200, 180, -20, 0.9)
    assert np.isnan(row_of(table, rep_id="bob")["attainment"])  # a goal of 0 has no share of it
    assert np.isnan(row_of(table, rep_id="eve")["goal"])  # an empty goal is not a goal of 0
    cyd = row_of(table, rep_id="cyd")
    assert (cyd["actual"], cyd["attainment"]) == (0, 0)


def test_a_sale_counts_in_the_year_of_its_goal_and_not_of_its_month():
    inputs = make_inputs(
        goals="starts_on ends_on rep_id goal\n2024-12-15 2025-03-14 ann 100",
        sales="sold_on rep_id amount\n2024-12-20 ann 70\n2024-12-01 ann 9\n2025-12-31 ann 1",
    )
    assert attainment(inputs)["actual"].tolist() == [71]
    first = row_of(attainment(inputs, ("quarter",)), quarter="2025-Q1")
    assert (first["goal"], first["actual"]) == (100, 70)
    assert attainment(inputs, years="all")["actual"].tolist() == [80]


def test_quarters_follow_the_fiscal_year_of_the_plan():
    fiscal = make_settings(
        starts_on=date(2026, 7, 1),
        ends_on=date(2027, 6, 30),
        review_starts_on=date(2025, 7, 1),
        review_ends_on=date(2026, 6, 30),
    )
    sales = "sold_on rep_id amount\n2025-07-01 ann 1\n2026-06-30 ann 2"
    table = attainment(make_inputs(settings=fiscal, sales=sales), ("quarter",))
    assert table["quarter"].tolist() == ["2025-Q1", "2025-Q4"]


def test_a_goal_is_split_to_products_by_last_years_sales_and_says_so():
    table = attainment(small_company(), ("rep_id", "product_line"))
    bikes = row_of(table, rep_id="ann", product_line="Bikes")
    assert bikes["goal"] == pytest.approx(200 * 60 / 80)
    assert bikes["goal_basis"] == "split by last year's sales"
    assert row_of(attainment(small_company()), rep_id="ann")["goal_basis"] == "as set"


def test_a_goal_without_history_is_split_by_this_years_sales_or_evenly():
    inputs = small_company(
        goals="starts_on ends_on rep_id goal\n2025-01-01 2025-12-31 bob 40\n"
        "2025-01-01 2025-12-31 cyd 60"
    )
    table = attainment(inputs, ("rep_id", "product_id"))
    assert row_of(table, rep_id="bob", product_id="bike")["goal_basis"] == (
        "split by this year's sales"
    )
    cyd = table[table["rep_id"] == "cyd"]
    assert cyd["goal"].tolist() == [30, 30] and set(cyd["goal_basis"]) == {"split evenly"}


def test_a_territory_that_changed_hands_in_the_year_gets_the_goal_of_the_days_it_was_held():
    inputs = make_inputs(
        territories="territory_id region\nt1 North\nt2 North",
        assignments="rep_id territory_id starts_on ends_on\n"
        "ann t1 2025-01-01 2025-03-14\nann t2 2025-03-15 2025-12-31",
        goals="starts_on ends_on rep_id goal\n2025-01-01 2025-12-31 ann 365",
        sales="sold_on rep_id territory_id amount\n2024-05-01 zoe t1 500\n2024-05-01 zoe t2 250\n"
        "2025-02-01 ann t1 10",
    )
    table = attainment(inputs, ("territory_id",))
    by_days_and_sales = 73 * 500, 292 * 250
    assert row_of(table, territory_id="t1")["goal"] == pytest.approx(
        365 * by_days_and_sales[0] / sum(by_days_and_sales)
    )


def test_a_yearly_goal_is_split_to_months_by_last_years_season():
    inputs = make_inputs(
        goals="starts_on ends_on rep_id goal\n2025-01-01 2025-12-31 ann 300",
        sales="sold_on rep_id amount\n2024-03-01 ann 10\n2024-09-01 ann 20\n2025-03-01 ann 90",
    )
    table = attainment(inputs, ("month",))
    assert table["goal"].tolist() == [pytest.approx(100), pytest.approx(200)]


def test_a_leaders_goal_that_repeats_the_teams_does_not_double_the_total():
    inputs = make_inputs(
        reps="rep_id manager_id\nmia -\nann mia\nbob mia",
        goals="starts_on ends_on rep_id goal\n2025-01-01 2025-12-31 mia 300\n"
        "2025-01-01 2025-12-31 ann 100\n2025-01-01 2025-12-31 bob 200",
        sales="sold_on rep_id amount\n2025-03-01 ann 150",
    )
    assert attainment(inputs, ())["goal"].tolist() == [300]
    assert attainment(inputs, ("manager_id",))["attainment"].tolist() == [0.5]


def test_goals_in_units_are_compared_with_units():
    inputs = small_company(
        goals="starts_on ends_on rep_id goal metric\n2025-01-01 2025-12-31 ann 12 units"
    )
    assert attainment(inputs, ("rep_id",), metric="units")["actual"].iloc[0] == 6
    assert attainment(inputs)["goal"].isna().all()
    assert goal_history(inputs)["attainment"].tolist() == [0.5]


def test_an_unknown_cut_names_the_nearest_one():
    with pytest.raises(DataError, match="did you mean 'product_line'"):
        attainment(small_company(), ("product_lines",))
    with pytest.raises(DataError, match="twice"):
        growth(small_company(), ("rep_id", "rep_id"))
    with pytest.raises(DataError, match="calendar months"):
        growth(small_company(), ("goal_period",))


def test_the_history_counts_who_reached_each_goal():
    table = goal_history(small_company())
    first = row_of(table, goal_period=pd.Timestamp("2025-01-01"))
    # ann 120 of 100 reached, bob had a goal of 0, cyd 0 of 50 missed
    assert (first["people"], first["reached"], first["goal"]) == (2, 1, 150)
    assert first["actual"] == 130 and bool(first["reviewed"])


def test_results_of_people_without_a_goal_stand_beside_every_attainment():
    inputs = small_company()
    table = goal_history(inputs)
    first = row_of(table, goal_period=pd.Timestamp("2025-01-01"))
    # dan sold 70 and nobody planned for eve, who sold 5
    assert (first["actual"], first["without_goal"], first["total"]) == (130, 75, 205)
    headline = attainment(inputs, ())["actual"].iloc[0]
    assert table.loc[table["reviewed"].astype(bool), "total"].sum() == headline == 265
    found = review_findings(inputs).set_index("finding_id")["message"]["review.result"]
    assert "Result 265 of a goal of 250 EUR: 106.0%" in found
    assert "(75 EUR of it from people without a goal then; those with one came to 76.0%)" in found


def test_reviewed_results_in_no_goal_period_at_all_are_a_row_of_their_own():
    inputs = small_company(goals="starts_on ends_on rep_id goal\n2025-01-01 2025-06-30 ann 100")
    table = goal_history(inputs)
    rest = table[table["goal_period"].isna()].iloc[0]
    assert (rest["without_goal"], rest["total"], rest["people"]) == (60, 60, 0)
    assert table["total"].sum() == attainment(inputs, ())["actual"].iloc[0]
    assert np.isnan(rest["goal"]) and np.isnan(rest["attainment"])


def test_like_for_like_leaves_out_new_sellers_and_months_of_one_year():
    row = growth(small_company(), ()).iloc[0]
    assert (row["previous"], row["review"], row["change"]) == (80, 265, 185)
    assert row["like_for_like_share"] == pytest.approx(180 / 80 - 1)  # ann in Feb and Aug only
    assert row["months_compared"] == 2
    assert row["note"] == (
        "year before: sales in 2 of 12 months; reviewed year: sales in 4 of 12 months"
    )


def test_price_volume_and_mix_of_one_line_by_hand():
    inputs = make_inputs(
        products=PRODUCTS,
        sales="sold_on rep_id product_id amount units cost\n"
        "2024-05-01 ann bike 1000 10 600\n2024-05-01 ann trike 2000 10 1500\n"
        "2025-05-01 ann bike 1320 12 840\n2025-05-01 ann trike 3800 20 3000",
    )
    row = bridge(inputs).iloc[0]
    # average price before 150; bike 100 -> 110, trike 200 -> 190; 20 units before, 32 after
    assert row["price"] == pytest.approx(12 * 10 - 20 * 10)
    assert row["volume"] == pytest.approx(12 * 150)
    assert row["mix"] == pytest.approx(32 * ((12 / 32 - 0.5) * 100 + (20 / 32 - 0.5) * 200))
    assert row["difference"] == pytest.approx(row[list(EFFECTS)].sum()) == 2120
    # cost of a bike 60 -> 70, of a trike 150 -> 150
    assert row["margin_cost"] == pytest.approx(-12 * 10)
    assert row["margin_difference"] == pytest.approx(row[list(MARGIN_EFFECTS)].sum()) == 380


def test_launched_and_withdrawn_products_are_not_mix():
    inputs = make_inputs(
        products=PRODUCTS,
        sales="sold_on rep_id product_id amount units\n"
        "2024-05-01 ann bike 100 1\n2024-05-01 ann sock 30 3\n"
        "2025-05-01 ann bike 200 2\n2025-05-01 ann trike 210 1",
    )
    row = bridge(inputs).iloc[0]
    assert (row["new"], row["discontinued"], row["volume"], row["mix"]) == (210, -30, 100, 0)
    assert np.isnan(row["margin_difference"])  # no cost known: unknown, not 0


def test_sales_without_units_are_other_and_not_price():
    inputs = make_inputs(
        sales="sold_on rep_id product_id amount\n2024-05-01 ann bike 100\n2025-05-01 ann bike 150"
    )
    assert bridge(inputs)["other"].tolist() == [50]


def test_the_goal_bridge_takes_last_years_prices_and_marks_what_was_split():
    inputs = make_inputs(
        products=PRODUCTS,
        territories="territory_id region\nt1 North",
        assignments="rep_id territory_id\nann t1",
        goals="starts_on ends_on rep_id goal\n2025-01-01 2025-12-31 ann 2000",
        sales="sold_on rep_id territory_id product_id amount units\n"
        "2024-05-01 ann t1 bike 1000 10\n2025-05-01 ann t1 bike 1350 15",
    )
    row = goal_bridge(inputs).iloc[0]
    # 2000 is 20 bikes at 100; 15 were sold at 90
    assert (row["price"], row["volume"], row["mix"]) == (-150, -500, 0)
    assert row["difference"] == -650 and row["rests_on_split_share"] == 1
    assert goal_bridge(make_inputs(sales="sold_on rep_id amount\n2025-05-01 ann 5")).empty


@pytest.mark.parametrize(
    ("assigned", "share"),
    [("ann t1", 0.0), ("ann t1\nann t2", 1.0)],
    ids=["one territory", "two territories"],
)
def test_a_goal_with_its_product_rests_on_a_split_only_where_there_was_something_to_split(
    assigned, share
):
    inputs = make_inputs(
        products=PRODUCTS,
        assignments=f"rep_id territory_id\n{assigned}",
        goals="starts_on ends_on rep_id product_id goal\n2025-01-01 2025-12-31 ann bike 2000",
        sales="sold_on rep_id territory_id product_id amount units\n"
        "2024-05-01 ann t1 bike 1000 10\n2025-05-01 ann t1 bike 1350 15",
    )
    row = goal_bridge(inputs).iloc[0]
    assert (row["before"], row["rests_on_split_share"]) == (2000, share)


def test_the_steps_of_a_bridge_lead_to_the_result():
    table = bridge(small_company())
    steps = bridge_steps(table)
    assert steps["step"].iloc[0] == "year before"
    assert steps["amount"].sum() == pytest.approx(table["after"].iloc[0])
    assert bridge_steps(goal_bridge(small_company()))["step"].iloc[0] == "goal"
    assert bridge_steps(bridge(make_inputs())).empty


def test_margin_is_unknown_where_a_cost_is_unknown():
    inputs = small_company(
        sales="sold_on rep_id product_id amount cost\n2025-01-01 ann bike 10 12\n"
        "2025-01-01 ann sock 10 -"
    )
    table = margins(inputs, ("product_id",))
    assert row_of(table, product_id="bike")["margin_share"] == pytest.approx(-0.2)
    assert np.isnan(row_of(table, product_id="sock")["margin"])
    assert np.isnan(margins(inputs, ())["margin"].iloc[0])


def test_sales_after_an_assignment_ended_are_listed_with_the_day():
    inputs = make_inputs(
        territories="territory_id region\nt1 North\nt2 North",
        assignments="rep_id territory_id starts_on ends_on\nann t1 - 2025-02-15",
        sales="sold_on rep_id territory_id amount\n2025-02-28 ann t1 10\n2025-03-01 ann t1 20\n"
        "2025-04-01 ann t2 70",
    )
    table = outside_assignments(inputs)
    assert table["amount"].tolist() == [70, 20]
    assert table["assigned_until"].tolist() == [pd.NaT, pd.Timestamp("2025-02-15")]
    assert table["amount_share"].tolist() == [0.7, 0.2]


EMPTY_CASES = {
    "nothing at all": {},
    "one sale": {"sales": "sold_on rep_id amount\n2025-05-01 ann 0.01"},
    "returns only": {"sales": "sold_on rep_id product_id amount units\n2025-05-01 ann a -5 -1"},
    "an enormous sale": {
        "sales": "sold_on rep_id product_id amount units\n2024-05-01 ann a 1e12 3\n"
        "2025-05-01 ann a 3e12 7"
    },
    "goals without sales": {"goals": "starts_on ends_on rep_id goal\n2025-01-01 2025-12-31 ann 5"},
}


@pytest.mark.parametrize("tables", EMPTY_CASES.values(), ids=EMPTY_CASES)
def test_every_cut_works_on_almost_nothing(tables):
    inputs = make_inputs(**tables)
    for by in ((), ("rep_id",), ("quarter", "product_line"), ("month", "territory_id")):
        attainment(inputs, by)
        growth(inputs, by)
        margins(inputs, by)
    for by in ((), ("rep_id", "territory_id", "product_id"), ("manager_id",)):
        for table in (bridge(inputs, by), goal_bridge(inputs, by)):
            assert (table["difference"] - table[list(EFFECTS)].sum(axis=1)).abs().max() < 0.01 or (
                table.empty
            )


@st.composite
def companies(draw):
    """A company of at most four people, three territories, four products, two years."""
    count = draw(st.integers(1, 25))
    text = st.sampled_from
    lines = [
        {
            "sold_on": f"{draw(text([2024, 2025]))}-{draw(st.integers(1, 12)):02d}-01",
            "rep_id": draw(text("abcd")),
            "territory_id": draw(text(["t1", "t2", "t3", None])),
            "product_id": draw(text(["bike", "trike", "sock", "hat", None])),
            "amount": draw(st.integers(-500, 5000)) / 4,
            "units": draw(text([None, -1, 0, 1, 2, 5])),
            "cost": draw(text([None, 1.5, 40, 900])),
        }
        for _ in range(count)
    ]
    goals = [
        {
            "starts_on": f"2025-{start:02d}-01",
            "rep_id": draw(text("abcd")),
            "goal": draw(text([None, 0, 100, 1e6])),
            "product_line": draw(text([None, "Bikes"])),
        }
        for start in draw(st.lists(text([1, 4, 7, 10]), max_size=6))
    ]
    goals = list({(g["starts_on"], g["rep_id"], g["product_line"]): g for g in goals}.values())
    return make_inputs(
        products=PRODUCTS,
        sales=lines,
        goals=goals,
        reps="rep_id manager_id\na d\nb d\nc -\nd -",
        territories="territory_id region\nt1 North\nt2 North\nt3 North",
        assignments="rep_id territory_id starts_on ends_on\na t1 - 2025-05-20\na t2 2025-05-21 -",
    )


def check_bridges(inputs):
    leaf = ("rep_id", "territory_id", "product_id")
    for make, names in ((bridge, (*EFFECTS, "difference")), (goal_bridge, EFFECTS)):
        total = make(inputs, ())
        for by in (leaf, ("product_line",), ("manager_id", "territory_id")):
            table = make(inputs, by)
            gap = table[list(EFFECTS)].sum(axis=1) - table["difference"]
            assert (gap.abs() < 0.01).all()
            for name in names:
                whole = total[name].iloc[0] if len(total) else 0.0
                assert abs(table[name].sum() - whole) < 0.01
        known = make(inputs, leaf).dropna() if make is bridge else ()
        if len(known):
            gap = known[list(MARGIN_EFFECTS)].sum(axis=1) - known["margin_difference"]
            assert (gap.abs() < 0.01).all()


def check_totals(inputs):
    total = attainment(inputs, ())
    for by in (("product_id", "quarter"), ("territory_id", "product_line", "month")):
        table = attainment(inputs, by)
        for name in ("goal", "actual"):
            assert table[name].sum() == pytest.approx(total[name].sum(), abs=1e-6)
    history = goal_history(inputs)
    reviewed = history.loc[history["reviewed"].astype(bool), "total"].sum()
    if len(history):
        assert reviewed == pytest.approx(total["actual"].sum(), abs=1e-6)


def check_row_order(inputs, random):
    def shuffled(table):
        order = list(range(len(table)))
        random.shuffle(order)
        return table.iloc[order].reset_index(drop=True)

    names = ("sales", "goals", "assignments", "reps", "products")
    other = replace(inputs, **{name: shuffled(getattr(inputs, name)) for name in names})
    for make in (attainment, growth, bridge, goal_bridge):
        one, two = make(inputs, ("rep_id",)), make(other, ("rep_id",))
        pd.testing.assert_frame_equal(one, two, check_exact=False, rtol=1e-9, atol=1e-6)


FEW, MANY = settings(max_examples=4, deadline=None), settings(max_examples=60, deadline=None)


@FEW
@given(companies())
def test_effects_add_to_the_difference_and_children_to_their_parent(inputs):
    check_bridges(inputs)


@FEW
@given(companies())
def test_any_cut_has_the_same_total_goal_and_result(inputs):
    check_totals(inputs)


@FEW
@given(companies(), st.randoms(use_true_random=False))
def test_row_order_changes_nothing(inputs, random):
    check_row_order(inputs, random)


@pytest.mark.slow
@MANY
@given(companies(), st.randoms(use_true_random=False))
def test_sums_and_row_order_hold_on_many_companies(inputs, random):
    check_bridges(inputs)
    check_totals(inputs)
    check_row_order(inputs, random)
