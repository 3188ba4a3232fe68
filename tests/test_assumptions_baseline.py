"""Expected results: worked examples, what always holds, what past years say of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planning_kit.assumptions import assumption_findings
from planning_kit.messages import DataError
from planning_kit.outlook import (
    baseline,
    baseline_totals,
    coming_year,
    interval_coverage,
    method_tournament,
    seasonal_profile,
    unheld_territories,
)
from planning_kit.outlook.ranges import range80
from planning_kit.plan import AssumptionEntry, Scenario
from tests.making import make_inputs

STEADY = Scenario.parse(
    "s",
    {
        "assumptions": {
            "staff": {"driver": "turnover_rate", "low": 0, "base": 0, "high": 0},
            "market": {"driver": "market_growth", "low": 0, "base": 0, "high": 0},
        }
    },
)
SEASON = [0.5, 0.8, 1.1, 1.0, 0.9, 1.2, 0.7, 0.6, 1.1, 1.0, 1.2, 1.9]
PLACES = [{"territory_id": "T1", "region": "N"}, {"territory_id": "T2", "region": "N"}]


def sold(rep, amounts, first="2024-01", **more):
    days = pd.date_range(first, periods=len(amounts), freq="MS")
    return [
        {"sold_on": day, "rep_id": rep, "amount": float(amount), **more}
        for day, amount in zip(days, amounts, strict=True)
    ]


def held(rep, place, starts=None, ends=None, share=1.0):
    return {
        "rep_id": rep,
        "territory_id": place,
        "starts_on": starts,
        "ends_on": ends,
        "share": share,
    }


def test_a_season_that_repeats_is_expected_again_month_by_month():
    amounts = [100 * factor for factor in SEASON] * 2
    table = baseline(make_inputs(sales=sold("R1", amounts)), STEADY)
    assert table["expected"].tolist() == pytest.approx(amounts[:12])
    assert table["last_year"].tolist() == pytest.approx(amounts[:12])
    assert table["filled_by"].unique().tolist() == ["own results of 24 months (100%)"]


def test_lines_keep_their_own_season_and_share():
    products = [{"product_id": "a", "product_line": "A"}, {"product_id": "b", "product_line": "B"}]
    sales = sold("R1", [100 * f for f in SEASON] * 2, product_id="a")
    sales += sold("R1", [50.0] * 24, product_id="b")
    inputs = make_inputs(sales=sales, products=products)
    table = baseline(inputs, STEADY).set_index("month").sort_index()
    lines = {line: part["expected"].tolist() for line, part in table.groupby("product_line")}
    assert lines["A"] == pytest.approx([100 * f for f in SEASON])
    assert lines["B"] == pytest.approx([50.0] * 12)
    profile = seasonal_profile(inputs)
    assert profile.groupby("product_line")["share"].sum().tolist() == pytest.approx([1.0, 1.0])


def test_who_takes_a_seat_over_is_expected_to_sell_what_the_seat_sold():
    reps = [{"rep_id": "R1", "left_on": "2025-12-31"}, {"rep_id": "R2", "hired_on": "2026-01-01"}]
    inputs = make_inputs(
        reps=reps,
        territories=PLACES,
        sales=sold("R1", [100.0] * 24, territory_id="T1"),
        assignments=[held("R1", "T1", None, "2025-12-31"), held("R2", "T1", "2026-01-01")],
    )
    table = baseline(inputs, STEADY)
    assert table["rep_id"].unique().tolist() == ["R2"]
    assert table["expected"].tolist() == pytest.approx([0, 20, 40, 60, 80] + [100] * 7)
    assert table["filled_by"].str.startswith("the seat's results under others, 24 months").all()
    assert table["last_year"].isna().all()  # nobody was there: not the same as no sales


def test_own_results_beat_those_of_the_seat_once_there_are_enough_of_them():
    inputs = make_inputs(
        territories=PLACES,
        assignments=[
            held("R1", "T1", None, "2024-12-31"),
            held("R2", "T1", "2025-01-01"),
            held("R3", "T2"),
        ],
        sales=[
            *sold("R1", [100.0, 110.0] * 6, "2024-01", territory_id="T1"),
            *sold("R2", [200.0, 220.0] * 6, "2025-01", territory_id="T1"),
            *sold("R3", [300.0, 330.0] * 12, "2024-01", territory_id="T2"),
        ],
        reps=[{"rep_id": "R1", "left_on": "2024-12-31"}, {"rep_id": "R2"}, {"rep_id": "R3"}],
    )
    year = baseline(inputs, STEADY).groupby("rep_id")["expected"].sum()
    assert 0.9 * 2520 < year["R2"] < 1.1 * 2520


def test_somebody_without_any_history_gets_the_mean_per_seat_and_it_is_said():
    inputs = make_inputs(
        reps=[{"rep_id": "R1"}, {"rep_id": "R2"}, {"rep_id": "R3", "hired_on": "2020-01-01"}],
        sales=sold("R1", [100.0] * 24) + sold("R2", [300.0] * 24),
    )
    table = baseline(inputs, STEADY)
    new = table[table["rep_id"] == "R3"]
    assert new["expected"].sum() == pytest.approx(2400.0)
    assert new["filled_by"].unique().tolist() == ["the group's mean per seat (100%)"]
    findings = assumption_findings(inputs, STEADY).set_index("finding_id")
    assert "'R3'" in findings.loc["assumptions.baseline.no_history", "message"]


def test_a_part_of_a_territory_nobody_holds_is_a_finding_with_the_amount_and_given_to_nobody():
    inputs = make_inputs(
        territories=PLACES[:1],
        reps=[{"rep_id": "R1"}, {"rep_id": "R2", "left_on": "2025-12-31"}],
        assignments=[held("R1", "T1", share=0.6), held("R2", "T1", None, "2025-12-31", 0.4)],
        sales=[
            *sold("R1", [60.0] * 24, territory_id="T1"),
            *sold("R2", [40.0] * 24, territory_id="T1"),
        ],
    )
    gap = unheld_territories(inputs, STEADY).iloc[0]
    assert gap["share"] == pytest.approx(0.4) and gap["amount"] == pytest.approx(480.0)
    assert baseline(inputs, STEADY)["expected"].sum() == pytest.approx(720.0)
    findings = assumption_findings(inputs, STEADY).set_index("finding_id")["message"]
    assert "'T1 (40%)'" in findings["assumptions.territories.unheld"]
    assert "480 EUR" in findings["assumptions.territories.unheld"]


def test_results_before_a_lasting_event_of_one_territory_do_not_set_its_level():
    event = [
        {
            "event_id": "E",
            "kind": "competitor entry",
            "territory_id": "T1",
            "starts_on": "2025-01-01",
        }
    ]
    sales = sold("R1", [100.0] * 12 + [50.0] * 12, territory_id="T1")
    sales += sold("R2", [100.0] * 24, territory_id="T2")
    given = {
        "sales": sales,
        "territories": PLACES,
        "assignments": [held("R1", "T1"), held("R2", "T2")],
    }
    with_event = (
        baseline(make_inputs(events=event, **given), STEADY).groupby("rep_id")["expected"].sum()
    )
    without = baseline(make_inputs(**given), STEADY).groupby("rep_id")["expected"].sum()
    assert with_event["R1"] == pytest.approx(600.0, rel=0.02)
    assert without["R1"] > 1.1 * with_event["R1"]


def test_a_trend_counts_as_far_as_its_changes_are_many_and_agree():
    def growth(*levels):
        amounts = [level for level in levels for _ in range(12)]
        first = f"{2026 - len(levels)}-01"
        inputs = make_inputs(sales=sold("R1", amounts, first) + sold("R2", amounts, first))
        calm = STEADY.with_(assumptions={"staff": STEADY.assumptions["staff"]})
        return baseline(inputs, calm)["expected"].sum() / (24 * levels[-1]) - 1

    one, two, three = growth(100, 110), growth(100, 110, 121), growth(100, 110, 121, 133.1)
    assert 0.03 < one < two < three < 0.1
    assert abs(growth(100, 200)) < 0.06  # a start is no trend
    assert growth(100, 130, 117, 100) == pytest.approx(0, abs=0.05)  # up and down
    assert growth(100, 100, 100) == pytest.approx(0, abs=1e-9)


def test_last_years_goals_stand_beside_the_rows_and_an_empty_goal_stays_empty():
    goals = """
        rep_id starts_on  ends_on    goal
        R1     2025-01-01 2025-06-30 600
        R1     2025-07-01 2025-12-31 -
        R1     2024-01-01 2024-12-31 9
    """
    table = baseline(make_inputs(sales=sold("R1", [100.0] * 24), goals=goals), STEADY)
    assert table["last_goal"].tolist()[:6] == pytest.approx([100.0] * 6)
    assert table["last_goal"].iloc[6:].isna().all()


def test_growth_counts_the_years_from_the_last_results_to_the_plan():
    # Results end in June 2025: from their middle to the middle of 2026 it is a year and a half.
    inputs = make_inputs(sales=sold("R1", [100.0] * 24, "2023-07"))
    market = AssumptionEntry(driver="market_growth", low=0.21, base=0.21, high=0.21)
    plan = STEADY.with_(assumptions={**STEADY.assumptions, "market": market})
    assert baseline(inputs, plan)["expected"].sum() == pytest.approx(1200 * 1.1**3)


# --- what always holds ---------------------------------------------------------------------------


@st.composite
def companies(draw):
    """A few people with uneven sales, some of whom come and go."""
    count = draw(st.integers(1, 4))
    sales, assignments = [], []
    for n in range(count):
        cents = draw(st.lists(st.integers(100, 10**6), min_size=13, max_size=26))
        amounts = [amount / 100 for amount in cents]  # six decimals of amounts are kept
        place = draw(st.sampled_from(["T1", "T2"]))
        first = pd.Timestamp("2026-01-01") - pd.DateOffset(months=len(amounts))
        sales += sold(f"R{n}", amounts, first, territory_id=place)
        assignments.append(held(f"R{n}", place, share=0.5))
    return {"sales": sales, "assignments": assignments, "territories": PLACES}


def check_company(company, rnd, unit):
    plain = baseline(make_inputs(**company), STEADY)
    assert (plain["low"] <= plain["expected"]).all() and (plain["expected"] <= plain["high"]).all()
    assert (plain["low"] >= 0).all()
    for by in ((), ("territory_id", "month")):
        totals = baseline_totals(make_inputs(**company), STEADY, by)
        assert totals["expected"].sum() == pytest.approx(plain["expected"].sum())
        assert (totals["low"] <= totals["expected"]).all()
        assert (totals["expected"] <= totals["high"]).all()
    mixed = {name: rnd.sample(rows, len(rows)) for name, rows in company.items()}
    mixed["sales"] = [{**row, "amount": row["amount"] * unit} for row in mixed["sales"]]
    other = baseline(make_inputs(**mixed), STEADY)
    for column in ("expected", "low", "high", "last_year"):
        least = 1e-9 * plain["expected"].max()
        np.testing.assert_allclose(other[column] / unit, plain[column], rtol=1e-6, atol=least)


@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(companies(), st.randoms(use_true_random=False), st.sampled_from([1e-3, 1e3]))
def test_sums_agree_ranges_hold_and_order_and_unit_change_nothing(company, rnd, unit):
    check_company(company, rnd, unit)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(companies(), st.randoms(use_true_random=False), st.sampled_from([1e-3, 1e3]))
def test_sums_agree_in_many_companies(company, rnd, unit):
    check_company(company, rnd, unit)


def test_the_range_of_a_sum_is_narrower_than_the_ranges_of_its_parts():
    rng = np.random.default_rng(3)
    sales = [row for n in range(8) for row in sold(f"R{n}", rng.uniform(50, 150, 36), "2023-01")]
    inputs = make_inputs(sales=sales)
    people, whole = baseline_totals(inputs, STEADY), baseline_totals(inputs, STEADY, ())
    parts = (people["high"] - people["low"]).sum()
    assert (whole["high"] - whole["low"]).iloc[0] < 0.8 * parts


def one_range(expected: float, draws: np.ndarray) -> tuple[float, float]:
    low, high = range80(np.array([expected]), draws[None, :])
    return float(low[0]), float(high[0])


def test_one_in_ten_lies_beyond_either_end_of_a_range():
    draws = np.random.default_rng(1).gamma(4.0, 25.0, 200_000)  # mean 100
    low, high = one_range(100.0, draws)
    assert ((draws < low).mean(), (draws > high).mean()) == pytest.approx((0.1, 0.1), abs=0.001)


def test_what_often_brings_nothing_has_a_range_that_begins_at_nothing():
    draws = np.append(np.zeros(150), np.full(850, 20.0))
    assert one_range(17.0, draws) == (0.0, 20.0)
    cents = np.append(np.full(150, 0.01), np.full(850, 20.0))
    assert one_range(17.0, cents) == (0.0, 20.0)  # a few cents are nothing, too
    assert one_range(30.0, np.zeros(10)) == (0.0, 30.0)  # the expectation is held


# --- past years ----------------------------------------------------------------------------------


def people_of(levels, years, seed=2):
    rng = np.random.default_rng(seed)
    sales = []
    for n, level in enumerate(levels):
        amounts = level * np.tile(SEASON, years) * rng.lognormal(0, 0.05, 12 * years)
        sales += sold(f"R{n:02d}", amounts, f"{2026 - years}-01")
    return sales


def test_fewer_than_two_past_years_recommend_nothing_and_say_so():
    one = method_tournament(make_inputs(sales=people_of([100, 200, 300], 2)))
    assert not one["recommended"].any() and len(one) >= 5
    assert one["note"].str.contains("1 past year: two are needed|needs the potential").all()
    none = method_tournament(make_inputs(sales=people_of([100], 1)))
    assert none["wmape"].isna().all() and none["note"].str.contains("no past year").all()


def test_no_method_is_recommended_when_nothing_beats_last_year_by_more_than_chance():
    table = method_tournament(make_inputs(sales=people_of([100, 200, 300, 250], 3, seed=12)))
    ours = table.set_index("method").loc["seasonal model"]
    assert ours["gain_share"] > 0 > ours["gain_low"]  # better, but it may be luck
    assert not table["recommended"].any()
    assert table["note"].str.contains("no method beats|needs the potential").all()


def test_a_method_that_is_better_is_recommended():
    # Luck of a year makes last year a bad guide; the mean of the years a better one.
    rng = np.random.default_rng(4)
    sales = []
    for n in range(30):
        yearly = np.repeat(rng.lognormal(0, 0.5, 4), 12)
        sales += sold(f"R{n:02d}", 100 * yearly * np.tile(SEASON, 4), "2022-01")
    table = method_tournament(make_inputs(sales=sales)).set_index("method")
    assert table["recommended"].sum() == 1 and not table.loc["last year plus %", "recommended"]
    assert table.loc[table["recommended"], "gain_low"].iloc[0] > 0
    assert table.loc["last year", "gain_share"] == 0
    assert not table["note"].str.contains("was nearer").any()


def test_scores_are_those_of_the_forecasts_by_hand():
    # 100 and 200 a month, then everything doubles: every method that starts from last year
    # forecasts half of what came.
    levels = [100.0] * 24 + [200.0] * 12
    sales = sold("R1", levels, "2023-01") + sold("R2", [2 * x for x in levels], "2023-01")
    table = method_tournament(make_inputs(sales=sales)).set_index("method")
    # Two years: 2024 exact, 2025 half: miss 1800 of 2 x 1800 + 1800 ... in units of 1 person.
    assert table.loc["last year plus %", "wmape"] == pytest.approx(1800 / 5400)
    assert table.loc["last year plus %", "bias_share"] == pytest.approx(-1800 / 5400)
    assert table.loc["last year plus %", "people"] == 4


def test_coverage_needs_past_years_and_says_what_the_ranges_rest_on():
    assert interval_coverage(make_inputs(sales=people_of([100, 200], 1))).empty
    table = interval_coverage(make_inputs(sales=people_of([100, 200, 300], 3)))
    assert table["year"].nunique() == 2
    assert table.groupby("year")["note"].first().str.contains("no earlier year").tolist() == [
        True,
        False,
    ]


# --- the target ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def team():
    return make_inputs(sales=people_of([100, 120, 150, 200, 90, 110], 3), target=10_000.0)


LEAVING = Scenario.parse(
    "s",
    {
        "assumptions": {
            "staff": {"driver": "turnover_rate", "low": 0.3, "base": 0.3, "high": 0.3},
            "market": {"driver": "market_growth", "low": -0.02, "base": 0.0, "high": 0.02},
        }
    },
)


@pytest.mark.parametrize("plan", [STEADY, LEAVING])
def test_simulated_years_have_the_expectation_as_their_mean(team, plan):
    outlook = coming_year(team, plan, 20_000)
    drawn = outlook.draws / 1000 * team.settings.rounding_unit
    error = drawn.std(axis=1) / np.sqrt(drawn.shape[1])
    assert (np.abs(drawn.mean(axis=1) - outlook.expected.to_numpy()) < 4 * error).all()


def test_a_higher_target_is_never_more_likely(team):
    expected = baseline(team, LEAVING)["expected"].sum()
    outlook = coming_year(team, LEAVING)
    found = [outlook.chance(k * expected) for k in (0.8, 0.95, 1.0, 1.1, 1.3)]
    chances = [chance.probability for chance in found]
    assert chances == sorted(chances, reverse=True) and chances[0] > 0.9 and chances[-1] < 0.1
    assert [chance.k for chance in found] == pytest.approx([0.8, 0.95, 1.0, 1.1, 1.3])
    assert all(c.low <= c.probability <= c.high for c in found)


def test_the_same_plan_gives_the_same_chance(team):
    one, two = (coming_year(replace(team), LEAVING, 300).chance(team.target) for _ in range(2))
    assert one.probability == two.probability
    pd.testing.assert_frame_equal(one.people, two.people)


def test_given_goals_are_summed_by_person_and_unknown_people_are_named(team):
    goals = pd.DataFrame({"rep_id": ["R00", "R00", "R01"], "goal": [500.0, 500.0, 2500.0]})
    outlook = coming_year(team, STEADY, 200)
    chance = outlook.chance(team.target, goals)
    asked = chance.people.set_index("rep_id")["goal"]
    assert asked["R00"] == 1000.0 and asked.isna().sum() == 4
    low, high = chance.people.set_index("rep_id").loc[["R01", "R00"], "chance"]
    assert low < 0.2 and high > 0.8 and chance.people["chance"].isna().sum() == 4
    with pytest.raises(DataError, match=r"goals: rep_id: 1 unknown label: 'R0O'"):
        outlook.chance(team.target, pd.DataFrame({"rep_id": ["R0O"], "goal": [1.0]}))


def test_a_target_that_most_people_would_miss_is_a_red_finding_with_the_number(team):
    near = assumption_findings(replace(team, target=9_000.0), LEAVING).iloc[0]
    assert near["status"] == "fail" and "(40 % on average)" in near["message"]
    findings = assumption_findings(replace(team, target=14_000.0), LEAVING)
    red = findings.iloc[0]
    assert red["finding_id"] == "assumptions.target.too_high" and red["status"] == "fail"
    assert "14,000 EUR" in red["message"] and "reached in none of" in red["message"]
    assert "assumptions.target.not_backed" in set(findings["finding_id"])
    calm = assumption_findings(replace(team, target=5_000.0), LEAVING)
    assert "fail" not in set(calm["status"])
    assert "assumptions.target.chance" in set(calm["finding_id"])
