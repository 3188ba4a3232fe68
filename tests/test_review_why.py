"""Funnel, staffing, replay, events, fairness, proposals and the findings of the review."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, permutation_test, spearmanr

from planning_kit.numbers.staffing import Staffing, availability, stretched_ramp
from planning_kit.numbers.statistics import holm, score_ranges, wilson
from planning_kit.plan import DRIVERS
from planning_kit.review import (
    assumption_replay,
    event_effects,
    event_path,
    fairness,
    funnel,
    proposal_bias,
    review_findings,
    staffing_bridge,
    vacancies,
)
from planning_kit.review.factors import FUNNEL_EFFECTS, factor_effects, shapley
from tests.making import make_inputs, make_settings

# ---- factors --------------------------------------------------------------------------------


def test_shapley_is_the_mean_over_all_orders():
    before, after = np.array([3.0, 0.0, 2.0]), np.array([5.0, 4.0, 0.5])
    gains = np.zeros(3)
    for order in permutations(range(3)):
        now = before.copy()
        for factor in order:
            was = now.prod()
            now[factor] = after[factor]
            gains[factor] += (now.prod() - was) / 6
    assert factor_effects(before[None, :], after[None, :])[0] == pytest.approx(gains)


def test_effects_of_factors_leave_no_residual():
    rng = np.random.default_rng(1)
    before, after = rng.exponential(5, (50, 3)), rng.exponential(5, (50, 3))
    after[:10, 1] = 0
    effects = factor_effects(before, after)
    assert effects.sum(axis=1) == pytest.approx(after.prod(axis=1) - before.prod(axis=1))


def test_a_factor_that_did_not_change_has_no_effect():
    effects = factor_effects(np.array([[10.0, 0.3, 7.0]]), np.array([[20.0, 0.3, 7.0]]))
    assert effects[0].tolist() == pytest.approx([21.0, 0, 0])


def deals(rep, year, presentations, won, amount):
    rows = []
    for number in range(presentations):
        wins = number < won
        rows.append(
            {
                "opportunity_id": f"{rep}{year}{number}",
                "rep_id": rep,
                "outcome": "won" if wins else "lost",
                "presented_on": f"{year}-03-01",
                "closed_on": f"{year}-04-01",
                "amount": amount if wins else None,
            }
        )
    return rows


def test_the_funnel_finds_the_closing_ratio_that_fell():
    rows = deals("ann", 2024, 10, 5, 100) + deals("ann", 2025, 10, 4, 100)
    row = funnel(make_inputs(opportunities=rows)).iloc[0]
    assert row[list(FUNNEL_EFFECTS)].tolist() == pytest.approx([0, -100, 0, 0])
    assert (row["before"], row["after"]) == (500, 400)


def test_the_funnel_adds_up_over_people_and_teams():
    rows = deals("ann", 2024, 10, 5, 100) + deals("ann", 2025, 6, 0, 100)
    rows += deals("bob", 2025, 4, 2, 80) + deals("cyd", 2024, 2, 1, 50)
    reps = "rep_id manager_id\nann mia\nbob mia\ncyd -\nmia -"
    inputs = make_inputs(opportunities=rows, reps=reps)
    total = funnel(inputs).iloc[0]
    assert total[list(FUNNEL_EFFECTS)].sum() == pytest.approx(total["difference"]) == -390
    for by in (("rep_id",), ("manager_id",)):
        table = funnel(inputs, by)
        for effect in FUNNEL_EFFECTS:
            assert table[effect].sum() == pytest.approx(total[effect])


def test_staffing_tells_a_vacancy_from_less_productive_people():
    inputs = make_inputs(
        territories="territory_id region\nt1 North\nt2 North",
        assignments="rep_id territory_id starts_on ends_on\nann t1 - -\nbob t2 - 2025-06-30",
        sales=[
            {"month": f"{year}-{month:02d}-01", "rep_id": rep, "territory_id": place, "amount": 100}
            for year in (2024, 2025)
            for month in range(1, 13)
            for rep, place in (("ann", "t1"), ("bob", "t2"))
            if (rep, year) != ("bob", 2025) or month <= 6
        ],
    )
    effects = staffing_bridge(inputs).set_index("factor")["effect"]
    assert effects["vacancy"] == pytest.approx(-600)
    assert effects.drop("vacancy").abs().max() < 1e-6
    table = vacancies(inputs)
    assert table["territory_id"].tolist() == ["t2"]
    assert table["lost_amount"].tolist() == pytest.approx([600])


def test_a_new_persons_ramp_is_not_a_vacancy():
    inputs = make_inputs(
        reps="rep_id hired_on\nann 2025-01-01",
        territories="territory_id region\nt1 North",
        assignments="rep_id territory_id starts_on ends_on\nann t1 2025-01-01 -",
        sales="sold_on rep_id territory_id amount\n2025-12-01 ann t1 90",
    )
    table = vacancies(inputs)
    assert table["vacant_months"].tolist() == pytest.approx([0])
    assert table["ramp_months"].tolist() == pytest.approx([3.0])  # 1 + .8 + .6 + .4 + .2
    assert table["lost_amount"].tolist() == pytest.approx([30.0])


# ---- assumptions ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("turnover", "months", "expected"),
    [(0.1, 1, 0.966), (0.2, 3, 0.897), (0.3, 5, 0.799), (0.35, 5, 0.764), (0.35, 1, 0.868)],
)
def test_availability_matches_the_published_table(turnover, months, expected):
    assert availability(turnover, months, (0, 0.2, 0.4, 0.6, 0.8)) == pytest.approx(
        expected, abs=6e-4
    )


REGISTER = """
assumption_id statement driver low base high actual
A1 market market_growth 0.0 0.05 0.08 0.01
A2 price price_change -0.02 0.0 0.02 -0.04
A3 leavers turnover_rate 0.05 0.10 0.20 0.30
A4 weather weather 0 1 2 1.5
A5 launch new_product 0.0 0.03 0.05 -
"""


def replayed(order=None, actual=880.0):
    lines = REGISTER.strip().splitlines()
    text = "\n".join([lines[0], *(lines[1:] if order is None else [lines[i + 1] for i in order])])
    return assumption_replay(
        make_inputs(
            assumptions=text,
            goals="starts_on ends_on rep_id goal\n2025-01-01 2025-12-31 ann 1000",
            sales=[{"sold_on": "2025-05-01", "rep_id": "ann", "amount": actual}],
        )
    ).set_index("assumption_id")


def test_contributions_and_execution_are_the_whole_gap():
    table = replayed()
    assert table["effect"].sum() == pytest.approx(-120, abs=0.01)
    assert table["inside"].loc[["A1", "A2", "A5"]].tolist() == ["yes", "no", "not known"]
    assert "no formula" in table.loc["A4", "note"] and "not known" in table.loc["A5", "note"]


def test_the_order_of_the_register_changes_nothing():
    pd.testing.assert_frame_equal(replayed(), replayed([4, 2, 0, 3, 1]), check_exact=True)


def test_a_known_miss_is_recovered_and_execution_is_nothing():
    ramp = make_settings().ramp
    seats = [availability(rate, 3.0, ramp) * (1 - 0.15 * rate) for rate in (0.1, 0.3)]
    actual = 1000 * 1.01 / 1.05 * 0.96 * seats[1] / seats[0]
    table = replayed(actual=actual)
    assert table.loc["execution", "effect"] == pytest.approx(0, abs=1e-6)
    assert (table["effect"].loc[["A1", "A2", "A3"]] < 0).all()
    # the market alone: 1000 x (1.01 / 1.05 - 1) = -38.1, less in company of the other misses
    assert -38.1 < table.loc["A1", "effect"] < -34


def test_shapley_refuses_to_prefer_an_order():
    effects = shapley(lambda chosen: 100.0 if len(chosen) == 2 else 0.0, 2)
    assert [float(x) for x in effects] == [50, 50]


def test_without_goals_the_plan_is_the_year_before_times_the_assumptions():
    table = assumption_replay(
        make_inputs(
            assumptions=REGISTER.strip().splitlines()[0]
            + "\nA1 market market_growth 0 0.1 0.2 0.2",
            sales="sold_on rep_id amount\n2024-05-01 ann 100\n2025-05-01 ann 130",
        )
    )
    assert table["effect"].tolist() == pytest.approx([10, 10])


def one_assumption(driver, base, actual, unit="share", **tables):
    row = {
        "assumption_id": "A",
        "statement": "it",
        "base": base,
        "actual": actual,
        "unit": unit,
        "driver": driver,
    }
    return assumption_replay(
        make_inputs(
            assumptions=[row],
            goals="starts_on ends_on rep_id goal\n2025-01-01 2025-12-31 ann 1000",
            sales="sold_on rep_id territory_id amount\n2025-05-01 ann t1 900",
            **tables,
        )
    ).iloc[0]


def test_percent_and_shares_are_the_same_assumption():
    for base, actual, unit in ((0.05, 0.02, "share"), (5, 2, "%"), (5, 2, " Percent")):
        effect = one_assumption("market_growth", base, actual, unit)["effect"]
        assert effect == pytest.approx(1000 * (1.02 / 1.05 - 1))
    assert one_assumption("working_days", 250, 240, "days")["effect"] == pytest.approx(-40)


def test_a_longer_ramp_costs_as_much_as_the_turnover_of_the_roster_makes_of_it():
    reps = "rep_id left_on\nann -\nbob 2025-03-31\ncyd -\ndan -\neve -"
    row = one_assumption("ramp", 1, 6, "months", reps=reps)  # one of five left
    plain, ramped = availability(0.2, 3.0, ()), availability(0.2, 3.0, make_settings().ramp)
    assert row["effect"] == pytest.approx(1000 * (ramped / plain - 1), rel=2e-3)


def test_the_replay_stretches_a_ramp_and_loses_accounts_as_the_outlook_does():
    settings, reps = make_settings(), "rep_id left_on\nann -\nbob 2025-03-31\ncyd -\ndan -\neve -"
    usual = Staffing(0.2, settings.vacancy_months, settings.ramp, settings.account_loss_share)
    assert availability(0.2, 3.0, stretched_ramp(settings.ramp, 5.5)) == pytest.approx(
        0.9002, abs=5e-5
    )
    for driver, base, actual, unit in (
        ("ramp", 6, 5.5, "months"),
        ("account_loss_share", 15, 40, "%"),
    ):
        row = one_assumption(driver, base, actual, unit, reps=reps)
        scale = 0.01 if unit == "%" else 1
        before, after = (
            usual.assuming({driver: x * scale}).lasting_share() for x in (base, actual)
        )
        assert row["effect"] == pytest.approx(1000 * (after / before - 1), rel=2e-3)
        assert abs(row["effect"]) > 3


def test_the_replay_knows_the_drivers_and_units_of_the_register():
    known = one_assumption("sunshine", 1, 2)["note"]
    assert known == f"no formula for its driver; known: {', '.join(DRIVERS)}"
    for name, driver in DRIVERS.items():
        row = one_assumption(name, 0.5, 0.5, driver.unit)
        assert row["note"] == "" and row["effect"] == 0, name
        assert one_assumption(name, 0.5, 0.5, "EUR")["note"] == f"its unit must be {driver.unit}"


def test_a_competitor_who_was_elsewhere_explains_nothing_here():
    elsewhere = {
        "territories": "territory_id region\nt1 North",
        "events": "event_id kind territory_id starts_on\nE1 competitor t9 2025-04-01",
    }
    row = one_assumption("competitor_effect", 0.0, -0.04, region="North", **elsewhere)
    assert np.isnan(row["effect"]) and "no competitor's entry" in row["note"]
    elsewhere["events"] = elsewhere["events"].replace("t9", "t1")
    row = one_assumption("competitor_effect", 0.0, -0.04, region="North", **elsewhere)
    assert row["effect"] == pytest.approx(-40)


def test_ranges_are_scored_by_what_lay_inside():
    row = score_ranges(make_inputs(assumptions=REGISTER).assumptions).iloc[0]
    assert (row["assumptions"], row["inside"], row["verdict"]) == (4, 2, "cannot tell")
    wide = [
        {"assumption_id": str(i), "statement": "x", "low": 0, "base": 1, "high": 2, "actual": 9}
        for i in range(8)
    ]
    row = score_ranges(make_inputs(assumptions=wide).assumptions).iloc[0]
    assert row["verdict"] == "ranges too narrow"
    assert row["pinball_loss"] == pytest.approx((0.1 * 9 + 0.5 * 8 + 0.9 * 7) / 3 / 2)


# ---- events ---------------------------------------------------------------------------------


def touched_company(seed, effect=-0.12, touched=6, count=30, spread=0.05, years=3):
    """A company of territories whose sales move at random, some of them hit from April 2025."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        size = rng.uniform(50, 150)
        for year in range(2026 - years, 2026):
            level = size * np.exp(spread * rng.standard_normal())
            for month in range(1, 13):
                hit = number < touched and (year, month) >= (2025, 4)
                amount = level * (1 + effect * hit) * np.exp(0.1 * rng.standard_normal())
                rows.append((f"{year}-{month:02d}-01", "ann", f"t{number:02d}", amount))
    events = [
        {
            "event_id": "E1",
            "kind": "competitor entry",
            "territory_id": f"t{n:02d}",
            "starts_on": "2025-04-01",
        }
        for n in range(touched)
    ]
    sales = pd.DataFrame(rows, columns=["month", "rep_id", "territory_id", "amount"])
    return make_inputs(sales=sales, events=events)


def measured(runs):
    rows = [event_effects(touched_company(seed)).iloc[0] for seed in range(runs)]
    effects = np.array([row["effect_share"] for row in rows])
    covered = np.mean([row["low_share"] <= -0.12 <= row["high_share"] for row in rows])
    return effects, covered


def test_a_planted_effect_is_found_within_its_tolerance():
    effects, covered = measured(8)
    assert abs(effects.mean() + 0.12) < 0.03 and covered >= 0.6


@pytest.mark.slow
def test_the_interval_of_an_event_covers_as_often_as_it_says():
    effects, covered = measured(400)
    assert abs(effects.mean() + 0.12) < 0.01
    assert 0.85 <= covered <= 0.95


def test_an_event_that_touches_everything_cannot_be_told():
    row = event_effects(touched_company(1, touched=30)).iloc[0]
    assert row["verdict"] == "cannot tell" and "all territories" in row["note"]
    nobody = make_inputs(
        events="event_id starts_on\nE1 2025-04-01",
        sales="sold_on rep_id territory_id amount\n2025-05-01 ann t1 5",
    )
    assert event_effects(nobody)["note"].str.contains("all territories").all()


def test_two_touched_of_four_territories_are_too_few():
    row = event_effects(touched_company(1, touched=2, count=4)).iloc[0]
    assert row["verdict"] == "cannot tell" and "too few" in row["note"]
    assert np.isnan(row["effect_share"])


def test_an_empty_seat_does_not_pass_as_the_event():
    inputs = touched_company(3, effect=0.0, spread=0.02)
    places = sorted(inputs.sales["territory_id"].unique())
    held = [{"rep_id": "ann", "territory_id": p} for p in places[6:]]
    held += [{"rep_id": "bob", "territory_id": p, "ends_on": "2025-06-30"} for p in places[:6]]
    gone = inputs.sales["territory_id"].isin(places[:6]) & (inputs.sales["month"] > "2025-06-30")
    sales = inputs.sales[~gone].drop(columns=["goal_period", "product_line", "lines"])
    row = event_effects(make_inputs(sales=sales, assignments=held, events=inputs.events)).iloc[0]
    assert row["adjusted_share"] > 0.5  # sales fell by two thirds; per productive month by nothing
    assert row["low_share"] < 0 < row["high_share"]


def test_the_path_of_an_event_shows_the_months_before_and_after():
    table = event_path(touched_company(4))
    assert table["months_after"].tolist() == list(range(-12, 9))
    after = table["months_after"] >= 0
    assert table.loc[after, "difference_share"].mean() < -0.06
    assert abs(table.loc[~after, "difference_share"].mean()) < 0.06


# ---- fairness -------------------------------------------------------------------------------


def team(seed, people=40, bias=0.0, years=(2025,)):
    """People with a goal, a territory, potential and tenure; attainment may depend on potential."""
    rng = np.random.default_rng(seed)
    potential = rng.uniform(500, 1500, people)
    pull = (potential - potential.mean()) / potential.std()
    noise = rng.standard_normal(people)
    rate = 1 + 0.12 * (bias * pull + np.sqrt(1 - bias**2) * noise)
    ids = [f"r{n:03d}" for n in range(people)]
    hired = pd.Timestamp("2010-01-01") + pd.to_timedelta(rng.integers(0, 4000, people), unit="D")
    last = 100 * rng.uniform(0.5, 1.5, people)
    sales = pd.concat(
        [
            pd.DataFrame(
                {"sold_on": "2024-06-01", "rep_id": ids, "territory_id": ids, "amount": last}
            ),
            pd.DataFrame(
                {"sold_on": "2025-06-01", "rep_id": ids, "territory_id": ids, "amount": 100 * rate}
            ),
        ]
    )
    return make_inputs(
        settings=make_settings(seed=seed),
        reps={"rep_id": ids, "hired_on": hired, "manager_id": [f"m{n % 5}" for n in range(people)]},
        territories={"territory_id": ids, "region": ["North"] * people, "potential": potential},
        assignments={"rep_id": ids, "territory_id": ids},
        goals={
            "starts_on": ["2025-01-01"] * people,
            "ends_on": ["2025-12-31"] * people,
            "rep_id": ids,
            "goal": [100.0] * people,
        },
        sales=sales,
    )


def alarms(seeds, **kind):
    tables = [fairness(team(seed, **kind)).set_index("test") for seed in seeds]
    tests = ["size", "potential", "tenure", "manager"]
    return (
        np.mean([(table.loc[tests, "verdict"] == "biased").any() for table in tables]),
        np.mean([table.loc["potential", "verdict"] == "biased" for table in tables]),
    )


def test_a_planted_bias_is_found_more_often_than_not_and_a_fair_team_left_alone():
    assert alarms(range(6), bias=0.7)[1] >= 0.6
    assert alarms(range(6))[0] <= 0.2


@pytest.mark.slow
def test_false_alarms_stay_at_five_in_a_hundred_and_planted_bias_is_found():
    runs = 1000  # tell 5 % within 1.4 points; 12,000 of the permutation test alone gave 4.9 %
    rate = alarms(range(runs))[0]
    low, high = wilson(round(rate * runs), runs)
    assert low <= 0.05 <= high + 0.01 and rate <= 0.065
    # 83 of 100 before the level and the buckets joined the family of tests; 76 of 100 since
    assert alarms(range(400), bias=0.5)[1] >= 0.7


def test_permutation_and_holm_agree_with_the_textbook():
    inputs = team(5, people=12)
    table = fairness(inputs).set_index("test")
    rate = inputs.sales[inputs.sales["month"] > "2025"].set_index("rep_id")["amount"]
    potential = inputs.territories.set_index("territory_id")["potential"]
    r = spearmanr(rate, potential[rate.index]).statistic
    assert table.loc["potential", "value"] == pytest.approx(r)
    scores = norm.ppf(rate.rank().to_numpy() / 13)
    ranks = potential[rate.index].rank().to_numpy()
    exact = permutation_test(
        (scores,),
        lambda x: abs(np.corrcoef(x, ranks)[0, 1]),
        permutation_type="pairings",
        n_resamples=4999,
        alternative="greater",
        rng=np.random.default_rng(3),
        vectorized=False,
    )
    assert table.loc["potential", "p"] == pytest.approx(exact.pvalue, abs=0.03)
    assert holm({"a": 0.01, "b": 0.03, "c": 0.04}) == pytest.approx(
        {"a": 0.03, "b": 0.06, "c": 0.06}
    )
    assert wilson(0, 0)[0] != wilson(0, 0)[0] and wilson(12, 12)[1] == 1


def test_a_handful_of_people_gets_no_verdict_and_the_reason():
    table = fairness(team(1, people=5)).set_index("test")
    assert set(table["verdict"].drop("near_goal")) == {"cannot tell"}
    assert "8 are needed" in table.loc["potential", "note"]
    assert fairness(make_inputs())["verdict"].isin(["cannot tell", ""]).all()


def test_equal_attainment_of_everybody_says_nothing_about_size():
    inputs = team(1)
    flat = inputs.sales.assign(amount=100.0).drop(columns=["goal_period", "lines", "product_line"])
    flat = make_inputs(
        sales=flat,
        goals=inputs.goals,
        territories=inputs.territories,
        assignments=inputs.assignments,
    )
    table = fairness(flat).set_index("test")
    assert table.loc["potential", "note"].endswith("is the same for everybody")


def ratchet_company(seed, up, down, people=60):
    rng = np.random.default_rng(seed)
    goal = rng.uniform(900, 1100, people)
    actual = goal * (1 + 0.12 * rng.standard_normal(people))
    gap = actual - goal
    later = goal * (1 + 0.02 * rng.standard_normal(people)) + np.where(
        gap > 0, up * gap, down * gap
    )
    ids = [f"r{n}" for n in range(people)]
    goals = pd.concat(
        [
            pd.DataFrame(
                {
                    "starts_on": f"{year}-01-01",
                    "ends_on": f"{year}-12-31",
                    "rep_id": ids,
                    "goal": values,
                }
            )
            for year, values in ((2024, goal), (2025, later))
        ]
    )
    sales = pd.concat(
        [
            pd.DataFrame({"sold_on": f"{year}-05-01", "rep_id": ids, "amount": values})
            for year, values in ((2024, actual), (2025, later))
        ]
    )
    return make_inputs(settings=make_settings(seed=seed), goals=goals, sales=sales)


def test_the_ratchet_is_found_with_its_size_and_not_where_there_is_none():
    row = fairness(ratchet_company(1, 0.6, 0.2)).set_index("test").loc["ratchet"]
    assert row["verdict"] == "biased" and row["low"] < 0.4 < row["high"]
    even = [fairness(ratchet_company(seed, 0.4, 0.4)).iloc[-1] for seed in range(6)]
    assert sum(row["verdict"] == "biased" for row in even) <= 1


# ---- proposals ------------------------------------------------------------------------------


def test_a_sandbagger_is_seen_through_and_short_history_gets_the_groups_value():
    rng = np.random.default_rng(7)
    proposals, sales = [], []
    for number in range(20):
        habit = 0.8 if number == 0 else 1.0
        for year in (2024, 2025) if number else (2023, 2024, 2025):
            result = 1000 * np.exp(0.05 * rng.standard_normal())
            name = f"r{number:02d}"
            proposals.append(
                {
                    "starts_on": f"{year}-01-01",
                    "ends_on": f"{year}-12-31",
                    "rep_id": name,
                    "proposed": 1000 * habit,
                }
            )
            sales.append({"sold_on": f"{year}-05-01", "rep_id": name, "amount": result})
    proposals.append(
        {"starts_on": "2025-01-01", "ends_on": "2025-12-31", "rep_id": "new", "proposed": 500.0}
    )
    sales.append({"sold_on": "2025-05-01", "rep_id": "new", "amount": 1000.0})
    table = proposal_bias(make_inputs(proposals=proposals, sales=sales)).set_index("rep_id")
    assert 1.1 < table.loc["r00", "factor"] < 1.25 + 0.05
    assert table.drop(["r00", "new"])["factor"].between(0.9, 1.1).all()
    assert table.loc["new", "weight"] == 0 and "two years" in table.loc["new", "note"]
    assert 0 < table.loc["r00", "weight"] < 1


def test_a_proposal_for_a_line_is_compared_with_that_line_only():
    inputs = make_inputs(
        products="product_id product_line\nbike Bikes\nsock Wear",
        proposals="starts_on ends_on rep_id proposed product_line\n"
        "2025-01-01 2025-12-31 ann 50 Bikes",
        sales="sold_on rep_id product_id amount\n2025-05-01 ann bike 100\n2025-05-01 ann sock 900",
    )
    assert proposal_bias(inputs)["actual"].tolist() == [100]


# ---- findings -------------------------------------------------------------------------------


def test_goals_set_too_high_are_told_from_bad_execution():
    goals, sales = [], []
    for rep in "abcdef":
        for start in (1, 4, 7, 10):
            goals.append({"starts_on": f"2025-{start:02d}-01", "rep_id": rep, "goal": 100.0})
            sales.append(
                {"sold_on": f"2025-{start:02d}-05", "rep_id": rep, "amount": 84.0 + start / 2}
            )
    table = review_findings(make_inputs(goals=goals, sales=sales)).set_index("finding_id")
    row = table.loc["review.level"]
    assert row["status"] == "fail" and "84% to 89% in all 4 goal periods" in row["message"]
    assert table.index[:2].tolist() == ["review.level", "review.result"]
    assert "86.8%, -318; 0 of 6 people" in table.loc["review.result", "message"]


def test_findings_name_each_missing_table_and_what_it_opens():
    table = review_findings(make_inputs(sales="sold_on rep_id amount\n2025-05-01 ann 5"))
    missing = table[table["finding_id"].str.startswith("review.missing")]
    assert len(missing) == 7 and set(missing["status"]) == {"review"}
    assert "Nobody had a goal" in table["message"].iloc[0]
    assert review_findings(make_inputs())["finding_id"].iloc[0] == "review.no_sales"


def test_findings_name_the_loss_maker_the_stray_seller_and_the_price():
    inputs = make_inputs(
        reps="rep_id rep_name\nann Ann\nbob Bob",
        products="product_id product_name product_line\nbike Bike Bikes\nsock Sock Wear",
        territories="territory_id region\nt1 North\nt2 North",
        assignments="rep_id territory_id starts_on ends_on\nann t1 - -\nbob t1 - 2024-12-31\n"
        "bob t2 2025-01-01 -",
        sales="sold_on rep_id territory_id product_id amount units cost\n"
        "2024-03-01 ann t1 bike 1000 10 900\n2025-03-01 ann t1 bike 900 10 950\n"
        "2025-03-01 bob t1 sock 100 10 10\n2025-04-01 bob t1 sock 100 10 10\n"
        "2025-05-01 bob t1 sock 100 10 10",
    )
    table = review_findings(inputs).set_index("finding_id")["message"]
    assert "Bike (-5.6%)" in table["review.below_cost.product_id"]
    assert "Bob sold 300 EUR in territory t1 in 3 months" in table["review.territory_taken.bob.t1"]
    assert "-10.0% against the year before: -100 EUR" in table["review.price.bike"]


def test_the_same_inputs_give_the_same_findings():
    one, two = (review_findings(team(3, bias=0.6)) for _ in range(2))
    pd.testing.assert_frame_equal(one, two)
