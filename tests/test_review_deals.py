"""Unusual deals and exclusions, the market, levels, buckets, teams, and what must be withstood."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from math import log

import nbformat
import numpy as np
import pandas as pd
import pytest

from planning_kit import review
from planning_kit.data import label_faults
from planning_kit.messages import DataError
from planning_kit.plan import CELL_COLUMNS, Scenario
from planning_kit.review import (
    MARKET_EFFECTS,
    attainment,
    exclude_deals,
    fairness,
    goal_level,
    goal_outliers,
    manager_effects,
    market_bridge,
    proposal_check,
    review_findings,
    size_buckets,
    unusual_deals,
)
from planning_kit.review.factors import chain_effects
from tests.conftest import ROOT
from tests.making import make_inputs, make_settings

PRODUCTS = "product_id product_name product_line\nbike Bike Bikes\nsock Sock Wear"


def deal(number, amount, product="bike", rep="ann", closed="2025-03-05", outcome="won"):
    return {
        "opportunity_id": f"O{number:03d}",
        "rep_id": rep,
        "outcome": outcome,
        "closed_on": closed,
        "amount": amount,
        "product_id": product,
    }


def usual_deals(count=20):
    return [
        deal(n, 1000 * 1.05 ** (n % 7 - 3), closed=f"2025-{n % 12 + 1:02d}-05")
        for n in range(count)
    ]


def whale_company(**tables):
    sales = [
        {
            "sold_on": d["closed_on"],
            "rep_id": "ann",
            "product_id": "bike",
            "units": 1,
            "amount": d["amount"],
            "cost": 400,
        }
        for d in usual_deals()
    ]
    sales.append(
        {
            "sold_on": "2025-06-05",
            "rep_id": "bob",
            "product_id": "bike",
            "amount": 30_000,
            "units": 30,
            "cost": 12_000,
        }
    )
    given = {
        "products": PRODUCTS,
        "sales": sales,
        "reps": "rep_id rep_name role\nann Ann hunter\nbob Bob hunter",
        "opportunities": [*usual_deals(), deal(99, 30_000, rep="bob", closed="2025-06-05")],
    }
    return make_inputs(**{**given, **tables})


def scenario(*entries, **content):
    return Scenario.parse("base", {"review": {"exclude": list(entries)}, **content})


WHALE = {"opportunity_id": "O099", "owner": "Mia", "reason": "one hospital, once in ten years"}

# ---- unusual deals --------------------------------------------------------------------------


def test_a_whale_is_found_once_with_its_reason_and_its_weight():
    table = unusual_deals(whale_company())
    assert table["opportunity_id"].tolist() == ["O099"]  # its month is not listed again
    row = table.iloc[0]
    logs = np.log([d["amount"] for d in usual_deals()] + [30_000])
    middle = np.median(logs)
    spread = 1.4826 * np.median(np.abs(logs - middle))
    assert row["robust_z"] == pytest.approx((log(30_000) - middle) / spread)
    assert row["usual"] == pytest.approx(np.exp(middle)) and row["person_share"] == 1
    assert row["reason"] == "30.0 times the usual 1,000 of a deal, Bikes"


def test_a_large_single_sale_without_an_opportunity_is_found_in_its_month():
    table = unusual_deals(whale_company(opportunities=[]))
    assert table[["kind", "rep_id", "month", "amount"]].to_numpy().tolist() == [
        ["month", "bob", pd.Timestamp("2025-06-01"), 30_000]
    ]


def test_a_large_return_is_as_unusual_as_a_large_sale():
    inputs = whale_company(opportunities=[])
    sales = inputs.sales.assign(
        amount=inputs.sales["amount"].where(inputs.sales["rep_id"] == "ann", -30_000)
    )
    row = unusual_deals(make_inputs(sales=sales.drop(columns=["lines", "goal_period"]))).iloc[0]
    assert row["amount"] == -30_000 and row["reason"].endswith("a return")


def test_what_is_usual_for_its_line_is_not_listed():
    small = [deal(50 + n, 10.0 * (1 + n % 3), product="sock") for n in range(20)]
    table = unusual_deals(make_inputs(products=PRODUCTS, opportunities=[*usual_deals(), *small]))
    assert table.empty  # a bicycle is a hundred socks


def test_few_deals_of_a_line_are_compared_with_those_of_the_role():
    rare = [*usual_deals(), deal(99, 30_000, product="sock", rep="bob")]
    inputs = whale_company(opportunities=rare)
    assert unusual_deals(inputs)["reason"].iloc[0].endswith("of a deal, hunter")
    assert unusual_deals(make_inputs(opportunities=rare[-5:])).empty  # five deals show no usual


def test_equal_deals_with_one_larger_are_told_by_the_mean_deviation():
    rows = [deal(n, 100.0) for n in range(19)] + [deal(99, 1000.0)]
    assert unusual_deals(make_inputs(opportunities=rows))["opportunity_id"].tolist() == ["O099"]
    assert unusual_deals(make_inputs(opportunities=rows[:-1])).empty


def test_lognormal_deals_raise_few_alarms():
    found = 0
    for seed in range(20):
        amounts = np.exp(np.random.default_rng(seed).normal(8, 0.6, 300))
        rows = [deal(n, amount) for n, amount in enumerate(amounts)]
        found += len(unusual_deals(make_inputs(opportunities=rows)))
    assert found <= 6  # 6,000 deals; beyond 3.5 deviations lie 1.4


# ---- exclusions -----------------------------------------------------------------------------


def test_an_excluded_deal_leaves_sales_and_funnel_and_stays_in_sight():
    inputs = whale_company()
    done = exclude_deals(inputs, scenario(WHALE))
    assert "bob" not in set(done.inputs.sales["rep_id"])
    assert "O099" not in set(done.inputs.opportunities["opportunity_id"])
    row = done.table.iloc[0]
    assert (row["excluded_amount"], row["rep_id"], row["note"]) == (30_000, "bob", "")
    totals = done.totals.set_index("what")
    assert (totals["booked"] - totals["excluded"]).tolist() == totals["counted"].tolist()
    taken = totals.loc["sales, reviewed year", "excluded"]
    assert taken == pytest.approx(30_000, abs=1e-6)
    assert totals.loc["won deals, reviewed year", "excluded"] == 30_000
    assert unusual_deals(done.inputs).empty
    said = review_findings(done.inputs, excluded=done).set_index("finding_id")["message"]
    assert "30,000 EUR: Bob 2025-06 (one hospital" in said["review.excluded"]
    assert len(inputs.sales) == len(done.inputs.sales) + 1  # the given inputs are as they were


def test_a_part_of_a_month_takes_units_and_cost_along():
    entry = {
        "rep_id": "bob",
        "month": date(2025, 6, 9),
        "product_id": "bike",
        "amount": 10_000,
        "owner": "Mia",
        "reason": "frame contract",
    }
    sales = exclude_deals(whale_company(), scenario(entry)).inputs.sales
    bob = sales[sales["rep_id"] == "bob"].iloc[0]
    assert bob[["amount", "units", "cost"]].tolist() == pytest.approx([20_000, 20, 8_000])


def test_no_more_is_taken_out_than_was_sold_and_it_is_said():
    entry = {
        "rep_id": "bob",
        "month": date(2025, 6, 1),
        "amount": 50_000,
        "owner": "Mia",
        "reason": "x",
    }
    nothing = {**entry, "month": date(2025, 7, 1)}
    table = exclude_deals(whale_company(), scenario(entry, nothing)).table
    assert table["excluded_amount"].tolist() == [30_000, 0]
    assert table["note"].tolist() == [
        "the month had only 30,000.00 of it",
        "nothing of it was sold here in that month",
    ]


def test_every_fault_of_an_exclusion_is_named_at_once_with_the_nearest_label():
    bad = [
        {"opportunity_id": "O9", "reason": "x", "owner": "y"},
        {"rep_id": "anne", "month": "June", "amount": -1, "reson": "x", "owner": "y"},
        {"owner": "y", "reason": "x"},
    ]
    with pytest.raises(DataError) as error:
        scenario(*bad)
    for text in (
        "'reson' (did you mean",
        "2: needs reason",
        "month is 'June'",
        "amount is -1",
        "3: name an opportunity_id",
    ):
        assert text in str(error.value)
    with pytest.raises(DataError, match=r"write \[\[review.exclude\]\]"):
        Scenario.parse("base", {"review": {"exclude": {"a": 1}}})
    with pytest.raises(DataError, match="did you mean 'exclude'"):
        Scenario.parse("base", {"review": {"excluded": []}})
    unknown = [
        {"opportunity_id": "O9", "reason": "x", "owner": "y"},
        {"rep_id": "anne", "month": date(2025, 6, 1), "reason": "x", "owner": "y"},
    ]
    known = {"rep_id": ["ann"], "opportunity_id": ["O099"]}
    faults = label_faults(scenario(*unknown), {**dict.fromkeys(CELL_COLUMNS, ()), **known})
    assert faults == [
        "[[review.exclude]] opportunity_id: 1 unknown label: 'O9' (did you mean 'O099'?)",
        "[[review.exclude]] rep_id: 1 unknown label: 'anne' (did you mean 'ann'?)",
    ]


def test_one_file_serves_all_regions():
    elsewhere = {"rep_id": "zoe", "month": date(2025, 6, 1), "owner": "Mia", "reason": "x"}
    inputs = whale_company(region="North", regions=["North", "South"])
    done = exclude_deals(inputs, scenario(elsewhere))
    assert done.table["excluded_amount"].tolist() == [0]
    other = {"opportunity_id": "O0991", "owner": "Mia", "reason": "x"}
    assert "nearest here is 'O099'" in exclude_deals(inputs, scenario(other)).table["note"].iloc[0]


def test_without_exclusions_nothing_changes():
    inputs = whale_company()
    done = exclude_deals(inputs, Scenario("base"))
    pd.testing.assert_frame_equal(done.inputs.sales, inputs.sales)
    assert done.table.empty and done.totals["excluded"].eq(0).all()
    assert "review.excluded" not in set(review_findings(inputs, excluded=done)["finding_id"])


# ---- market ---------------------------------------------------------------------------------


def market_company(**tables):
    given = {
        "territories": "territory_id region potential\nt1 North 1000\nt2 North 2000\nt3 North -",
        "assignments": "rep_id territory_id starts_on ends_on\nann t1 - -\nbob t2 - 2024-12-31\n"
        "ann t2 2025-01-01 -\nbob t3 2025-01-01 -",
        "sales": "sold_on rep_id territory_id amount\n2024-05-01 ann t1 100\n2024-05-01 bob t2 300\n"
        "2025-05-01 ann t1 120\n2025-05-01 ann t2 250\n2025-05-01 bob t3 40\n2025-06-01 bob t1 7",
        "assumptions": "assumption_id statement base actual driver\nA1 market 0.05 0.10 market_growth",
    }
    return make_inputs(**{**given, **tables})


def test_a_grown_market_and_a_better_share_are_told_apart():
    row = market_bridge(market_company(), ("territory_id",)).set_index("territory_id").loc["t1"]
    mean = (120 - 100) / log(120 / 100)
    assert row["market"] == pytest.approx(mean * log(1.1))
    assert row["share"] == pytest.approx(mean * log(1.2 / 1.1)) and row["coverage"] == 0
    assert row["other"] == 7  # bob never held t1
    assert row["share_after"] == pytest.approx(0.12)


@pytest.mark.parametrize(("unit", "actual"), [("-", 0.10), ("%", 10), ("Percent", 10)])
def test_the_growth_of_the_market_is_read_in_its_unit(unit, actual):
    told = f"assumption_id statement base actual unit driver\nA1 market 5 {actual} {unit} market_growth"
    row = market_bridge(market_company(assumptions=told)).iloc[0]
    assert row["market_from"].endswith("the market moved +10.0% (A1)")
    strange = market_bridge(market_company(assumptions=told.replace(f" {unit} ", " EUR "))).iloc[0]
    assert "no growth of the market is known" in strange["market_from"]


def test_the_market_bridge_adds_up_at_every_level():
    inputs = market_company()
    total = market_bridge(inputs).iloc[0]
    assert total["difference"] == pytest.approx(17)
    for by in ((), ("rep_id",), ("territory_id",), ("rep_id", "territory_id"), ("manager_id",)):
        table = market_bridge(inputs, by)
        parts = table[list(MARKET_EFFECTS)]
        assert parts.sum(axis=1).to_numpy() == pytest.approx(table["difference"].to_numpy())
        assert parts.sum().to_numpy() == pytest.approx(total[list(MARKET_EFFECTS)].astype(float))


def test_a_territory_handed_over_is_coverage_and_not_share():
    table = market_bridge(market_company(assumptions=[]), ("rep_id", "territory_id"))
    table = table.set_index(["rep_id", "territory_id"])
    assert table.loc[("bob", "t2"), "coverage"] == -300
    assert table.loc[("ann", "t2"), "coverage"] == 250
    assert table["market_from"].str.contains("share holds it").all()


def test_without_potential_there_is_no_market_bridge():
    assert market_bridge(market_company(territories="territory_id region\nt1 North")).empty
    assert market_bridge(make_inputs(), ("rep_id",)).columns[0] == "rep_id"


def test_chained_factors_leave_nothing_over():
    rng = np.random.default_rng(4)
    old, new = (pd.DataFrame(rng.integers(0, 4, (300, 4)).astype(float)) for _ in range(2))
    effects, _ = chain_effects(old, new, ["a", "b", "c", "d"])
    assert effects.sum(axis=1).to_numpy() == pytest.approx((new[3] - old[3]).to_numpy())


# ---- level, buckets, teams, goals -----------------------------------------------------------


def people(rates, sizes=None, managers=None, target=None):
    ids = [f"r{n:02d}" for n in range(len(rates))]
    sizes = sizes if sizes is not None else [100.0] * len(rates)
    sales = [
        {"sold_on": "2024-05-01", "rep_id": i, "amount": s} for i, s in zip(ids, sizes, strict=True)
    ]
    sales += [
        {"sold_on": "2025-05-01", "rep_id": i, "amount": 100 * r}
        for i, r in zip(ids, rates, strict=True)
    ]
    return make_inputs(
        sales=sales,
        target=target,
        reps={"rep_id": ids, "manager_id": managers or [None] * len(ids)},
        goals=[
            {"starts_on": "2025-01-01", "ends_on": "2025-12-31", "rep_id": i, "goal": 100.0}
            for i in ids
        ],
    )


def test_the_coming_target_implies_a_share_at_goal():
    rates = [0.80, 0.85, 0.90, 0.95, 1.00, 1.05, 1.10, 1.15, 1.20, 1.25]
    table = goal_level(people(rates, target=1100.0)).set_index("what")
    now, coming = table.iloc[0], table.iloc[1]
    assert (now["level"], now["share_at_goal"]) == (1.0, 0.6)
    assert (coming["level"], coming["share_at_goal"]) == (pytest.approx(1.1), 0.4)
    assert coming["verdict"] == "cannot tell" and coming["low"] < 0.4 < coming["high"]
    assert table.loc["level that lets 60% reach it", "share_at_goal"] >= 0.6
    note = fairness(people(rates, target=1100.0))["note"].iloc[0]
    assert "the coming target lets 40% reach theirs" in note


def test_a_level_far_too_high_is_below_the_usual_range_and_no_goals_say_nothing():
    assert goal_level(people([0.7] * 30)).iloc[0]["verdict"] == "below the usual range"
    assert goal_level(people([1.2] * 30)).iloc[0]["verdict"] == "above the usual range"
    assert goal_level(make_inputs())["verdict"].tolist() == ["cannot tell"]


def test_small_and_large_territories_both_out_of_line_are_seen_in_the_buckets():
    rng = np.random.default_rng(2)
    sizes = np.arange(100.0, 140.0)
    outer = (np.arange(40) < 8) | (np.arange(40) >= 32)
    rates = 1 - 0.15 * outer + 0.04 * rng.standard_normal(40)
    inputs = people(rates.tolist(), sizes)
    table = size_buckets(inputs).set_index("bucket")
    assert table["people"].tolist() == [8, 24, 8] and (table["verdict"] == "biased").all()
    assert fairness(inputs).set_index("test").loc["size", "verdict"] != "biased"
    low = rates[:8]
    assert table.loc["smallest 20 %", "median"] == pytest.approx(np.median(low))
    assert table.loc["smallest 20 %", "least"] == pytest.approx(low.min())


def test_the_chance_of_the_buckets_is_one_of_the_family_of_fairness():
    rng = np.random.default_rng(2)
    rates = 1 - 0.08 * (np.arange(40) < 8) + 0.06 * rng.standard_normal(40)
    inputs = people(rates.tolist(), np.arange(100.0, 140.0))
    row = fairness(inputs).set_index("test").loc["buckets"]
    table = size_buckets(inputs)
    assert (table["p"] == row["p_holm"]).all() and row["p"] < row["p_holm"] < 1
    assert set(table["verdict"]) == {row["verdict"]}


def test_buckets_of_a_fair_team_show_no_sign_and_of_a_small_one_cannot_tell():
    rng = np.random.default_rng(8)
    verdicts = [
        size_buckets(people((1 + 0.1 * rng.standard_normal(40)).tolist(), np.arange(40.0) + 1))[
            "verdict"
        ].iloc[0]
        for _ in range(8)
    ]
    assert verdicts.count("biased") <= 1
    few = size_buckets(people([0.9, 1.0, 1.1, 1.0, 0.8, 1.2], np.arange(6.0) + 1))
    assert set(few["verdict"]) == {"cannot tell"} and "four people" in few["note"].iloc[0]
    assert size_buckets(people([1.0])).empty


def test_a_small_lucky_team_is_drawn_to_the_others_and_a_large_good_one_is_not():
    rng = np.random.default_rng(6)
    rates = [
        *(1.2 + 0.1 * rng.standard_normal(2)),
        *(1 + 0.1 * rng.standard_normal(40)),
        *(0.8 + 0.1 * rng.standard_normal(40)),
    ]
    managers = ["m1"] * 2 + ["m2"] * 40 + ["m3"] * 40
    table = manager_effects(people(rates, managers=managers)).set_index("manager_id")
    shrunk = table["effect_share"] / table["own_share"]
    assert shrunk["m1"] < shrunk["m3"] < 1 and table.loc["m3", "verdict"] == "below"
    assert manager_effects(people([1.0, 1.1], managers=["m1", "m1"])).empty


def test_a_goal_out_of_line_with_result_and_goal_of_last_year_is_named():
    rng = np.random.default_rng(3)
    ids = [f"r{n:02d}" for n in range(20)]
    last, sold = rng.uniform(900, 1100, 20), rng.uniform(900, 1100, 20)
    goal = (last + sold) / 2 * 1.05
    goal[0] *= 1.5
    goal[1] = last[1] * 1.3  # out of line with neither both
    sold[1] = goal[1] / 1.05
    rows = [
        {"starts_on": f"{y}-01-01", "ends_on": f"{y}-12-31", "rep_id": i, "goal": g}
        for y, goals in ((2024, last), (2025, goal))
        for i, g in zip(ids, goals, strict=True)
    ]
    sales = [
        {"sold_on": "2024-05-01", "rep_id": i, "amount": a} for i, a in zip(ids, sold, strict=True)
    ]
    table = goal_outliers(make_inputs(goals=rows, sales=sales))
    verdicts = table.set_index("rep_id")["verdict"]
    assert verdicts[verdicts != "in line"].to_dict() == {"r00": "too high"}
    assert table["rep_id"].iloc[0] == "r00"
    found = review_findings(make_inputs(goals=rows, sales=sales)).set_index("finding_id")
    assert "r00 too high" in found.loc["review.goals_out_of_line", "message"]
    assert (
        goal_outliers(make_inputs(goals=rows[:5] + rows[20:25], sales=sales))["verdict"]
        .eq("cannot tell")
        .all()
    )


# ---- proposals ------------------------------------------------------------------------------


def proposing_company(habits, years=(2023, 2024, 2025), seed=5, noise=0.04):
    rng = np.random.default_rng(seed)
    proposals, sales = [], []
    for number, habit in enumerate(habits):
        for year in years:
            proposals.append(
                {
                    "starts_on": f"{year}-01-01",
                    "ends_on": f"{year}-12-31",
                    "rep_id": f"r{number:02d}",
                    "proposed": 1000 * habit,
                }
            )
            sales.append(
                {
                    "sold_on": f"{year}-05-01",
                    "rep_id": f"r{number:02d}",
                    "amount": 1000 * np.exp(noise * rng.standard_normal()),
                }
            )
    return make_inputs(proposals=proposals, sales=sales)


def test_correcting_habits_by_other_years_lowers_the_error_of_the_year_left_out():
    table = proposal_check(proposing_company([0.7, 0.8, 1.25, 1.3, *[1.0] * 8]))
    last = table.set_index("year").loc["all"]
    assert last["adjusted_error_share"] < 0.5 * last["raw_error_share"]
    assert last["verdict"] == "better" and abs(last["adjusted_bias_share"]) < 0.02
    assert table["year"].tolist() == ["2023", "2024", "2025", "all"]


def test_a_shared_habit_is_corrected_too_and_one_year_cannot_be_checked():
    last = proposal_check(proposing_company([0.8] * 10, years=(2024, 2025))).iloc[-1]
    assert last["raw_bias_share"] > 0.2 and abs(last["adjusted_bias_share"]) < 0.03
    assert proposal_check(proposing_company([0.8] * 10, years=(2025,))).empty
    few = proposal_check(proposing_company([0.8, 1.0], years=(2024, 2025)))
    assert set(few["verdict"]) == {"cannot tell"}


def test_a_year_does_not_correct_itself():
    company = proposing_company([1.0] * 10, years=(2024, 2025), noise=0)
    sales = company.sales.drop(columns=["lines", "goal_period", "product_line"])
    odd = (sales["rep_id"] == "r00") & (sales["month"] < "2025")
    sales["amount"] = sales["amount"].where(~odd, 1500.0)
    table = proposal_check(make_inputs(proposals=company.proposals, sales=sales)).set_index("year")
    assert table.loc["2024", "adjusted_error_share"] == pytest.approx(
        table.loc["2024", "raw_error_share"]
    )
    assert table.loc["2025", "adjusted_error_share"] > 0  # what 2024 said of r00 was wrong for 2025


def test_row_order_changes_nothing_in_the_new_sections():
    inputs = proposing_company([0.7, 0.8, 1.25, *[1.0] * 9])
    deals = make_inputs(products=PRODUCTS, opportunities=[*usual_deals(), deal(99, 30_000)])
    cases = [
        (proposal_check, inputs),
        (unusual_deals, deals),
        (market_bridge, market_company()),
        (size_buckets, people(np.linspace(0.8, 1.2, 40).tolist())),
        (manager_effects, people([1.0, 0.9, 1.1, 1.3], managers=["a", "a", "b", "b"])),
    ]
    names = "sales goals proposals opportunities assignments territories reps products".split()
    for make, company in cases:
        turned = {n: getattr(company, n).iloc[::-1].reset_index(drop=True) for n in names}
        one, two = make(company), make(replace(company, **turned))
        assert len(one)
        pd.testing.assert_frame_equal(one, two, check_exact=False, rtol=1e-9)


# ---- what it must withstand -----------------------------------------------------------------

SALES = (
    "sold_on rep_id territory_id product_id amount units\n2024-05-01 ann t1 bike 100 1\n"
    "2025-05-01 ann t1 bike 120 1\n2025-06-01 bob t1 sock -30 -3"
)
GOAL = "starts_on ends_on rep_id goal\n2025-01-01 2025-12-31 "
CASES = {
    "no goals at all": ({}, "review.missing.goals"),
    "goals only for the team": (
        {"reps": "rep_id manager_id\nmia -\nann mia\nbob mia", "goals": GOAL + "mia 500"},
        "review.result",
    ),
    "one quarter of data": (
        {
            "sales": "sold_on rep_id amount\n2025-10-01 ann 10\n2025-11-01 ann 20",
            "goals": "starts_on ends_on rep_id goal\n2025-10-01 2025-12-31 ann 30",
        },
        "review.result",
    ),
    "a single person": ({"goals": GOAL + "ann 100"}, "review.fairness.size"),
    "negative sales": (
        {
            "sales": "sold_on rep_id product_id amount units\n2024-05-01 ann bike -5 -1\n"
            "2025-05-01 ann bike -50 -2",
            "goals": GOAL + "ann 100",
        },
        "review.result",
    ),
    "a product sold but not in the product table": (
        {"products": "product_id product_line\nbike Bikes", "goals": GOAL + "ann 100"},
        "review.result",
    ),
    "goals in units": (
        {"goals": "starts_on ends_on rep_id goal metric\n2025-01-01 2025-12-31 ann 2 units"},
        "review.result",
    ),
    "zero goals": ({"goals": GOAL + "ann 0"}, "review.result"),
    "people without a territory": (
        {
            "reps": "rep_id\nann\nbob",
            "territories": "territory_id region potential\nt1 North 900",
            "sales": "sold_on rep_id amount\n2024-05-01 ann 100\n2025-05-01 ann 120",
        },
        "review.result",
    ),
    "an event that touches all territories": (
        {"events": "event_id kind starts_on\nE1 price 2025-03-01"},
        "review.event.E1",
    ),
}


@pytest.mark.parametrize(("tables", "said"), CASES.values(), ids=CASES)
def test_every_section_withstands(tables, said):
    inputs = make_inputs(**{"sales": SALES, **tables})
    assert said in set(review_findings(inputs)["finding_id"])
    done = exclude_deals(inputs, Scenario("base"))
    assert done.totals["excluded"].eq(0).all()
    plain = (
        "goal_bridge bridge funnel staffing_bridge vacancies event_effects event_path "
        "market_bridge assumption_replay fairness goal_level goal_history growth "
        "goal_outliers size_buckets manager_effects proposal_bias proposal_check margins "
        "unusual_deals outside_assignments attainment ratchet_pairs"
    ).split()
    for name in plain:
        table = getattr(review, name)(inputs)
        assert len(table.columns) >= 4 or name == "goal_level"


def test_a_single_person_gets_no_fairness_verdict_and_the_reason():
    table = fairness(make_inputs(sales=SALES, goals=GOAL + "ann 100")).set_index("test")
    assert set(table["verdict"]) <= {"cannot tell", ""}
    assert "1 people with a goal" in table.loc["size", "note"]


def test_a_goal_of_the_team_alone_is_compared_with_the_teams_total_and_not_with_people():
    inputs = make_inputs(sales=SALES, **CASES["goals only for the team"][0])
    team = attainment(inputs, ("manager_id",)).set_index("manager_id").loc["mia"]
    assert (team["goal"], team["actual"]) == (500, 90)
    rows = attainment(inputs).set_index("rep_id")
    assert rows.loc["ann", "status"] == "no goal" and np.isnan(rows.loc["ann", "goal"])
    said = review_findings(inputs).set_index("finding_id").loc["review.result", "message"]
    assert "90 of a goal of 500" in said


def test_a_product_missing_in_the_product_table_stays_in_every_total():
    inputs = make_inputs(sales=SALES, products="product_id product_line\nbike Bikes")
    assert attainment(inputs, ("product_line",))["actual"].sum() == 90
    assert review.bridge(inputs, ("product_line",))["after"].sum() == 90


def test_zero_goals_have_no_attainment_and_are_not_counted_as_reached():
    inputs = make_inputs(sales=SALES, goals=GOAL + "ann 0", settings=make_settings())
    assert attainment(inputs).set_index("rep_id")["attainment"].isna().all()
    assert fairness(inputs)["people"].eq(0).all()


def test_every_finding_names_the_section_that_shows_it():
    book = nbformat.read(str(ROOT / "notebooks" / "01_historical_review.ipynb"), as_version=4)
    headings = {
        line[3:]
        for c in book.cells
        if c.cell_type == "markdown"
        for line in c.source.splitlines()
        if line.startswith("## ")
    }
    source = (ROOT / "planning_kit" / "review" / "findings.py").read_text(encoding="utf-8")
    ids = set(re.findall(r'"(review\.[a-z_.]+)', source)) - {"review.no_sales", "review.missing."}
    table = pd.DataFrame({"finding_id": sorted(ids)})
    see = review.where_to_look(table)
    assert len(ids) > 12 and set(see) <= headings | {""}, see
    assert set(table["finding_id"][see == ""]) == {"review.repeated_goals"}
