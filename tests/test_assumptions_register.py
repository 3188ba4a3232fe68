"""The register: what is written, what is wrong with it, what it is worth."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pandas as pd
import pytest

from planning_kit.assumptions import (
    assumption_findings,
    cost_of_turnover_point,
    register,
    scenario_sets,
    sensitivity,
)
from planning_kit.messages import DataError
from planning_kit.outlook import baseline
from planning_kit.plan import DRIVERS, Scenario
from tests.making import make_inputs, make_settings

MARKET = {
    "statement": "The market grows",
    "driver": "market_growth",
    "low": 0.0,
    "base": 0.02,
    "high": 0.04,
    "unit": "share",
    "owner": "Ann",
    "evidence": "survey",
    "check_on": date(2026, 4, 30),
}
COMPETITOR = {
    "driver": "competitor_effect",
    "low": -0.2,
    "base": -0.1,
    "high": 0.0,
    "territories": ["T2"],
}
NOBODY_LEAVES = {"driver": "turnover_rate", "low": 0, "base": 0, "high": 0}
LAST_YEAR = [
    {
        "assumption_id": "A1",
        "statement": "grows",
        "driver": "market_growth",
        "low": 1,
        "base": 3,
        "high": 4,
        "actual": 2,
        "unit": "%",
    },
    {
        "assumption_id": "A2",
        "statement": "no rival",
        "driver": "competitor_effect",
        "low": -0.03,
        "base": 0.0,
        "high": 0.0,
        "actual": -0.02,
        "unit": "share",
    },
    {"assumption_id": "A3", "statement": "weather", "driver": "sunshine", "base": 5.0},
    {
        "assumption_id": "A4",
        "statement": "launch",
        "driver": "new_product",
        "low": 0.01,
        "base": 0.03,
        "high": 0.05,
        "actual": 0.02,
        "unit": "share",
    },
]


def scenario(**assumptions):
    return Scenario.parse("s", {"assumptions": assumptions})


@pytest.fixture(scope="module")
def inputs():
    """Two people in two territories who sell 100 and 300 a month, without any season."""
    sales = [
        {"sold_on": day, "rep_id": rep, "amount": amount, "territory_id": place}
        for day in pd.date_range("2024-01-01", periods=24, freq="MS")
        for rep, place, amount in (("R1", "T1", 100.0), ("R2", "T2", 300.0))
    ]
    return make_inputs(
        territories=[{"territory_id": "T1", "region": "N"}, {"territory_id": "T2", "region": "N"}],
        assignments={"rep_id": ["R1", "R2"], "territory_id": ["T1", "T2"]},
        sales=sales,
        assumptions=LAST_YEAR,
    )


def total(inputs, plan):
    return baseline(inputs, plan)["expected"].sum()


def test_an_assumption_is_worth_what_its_range_moves_in_money(inputs):
    plan = scenario(m=MARKET, c=COMPETITOR, t=NOBODY_LEAVES)
    table = register(inputs, plan).set_index("assumption_id")
    r1, r2 = 1200 * 1.02, 3600 * 1.02 * 0.9
    assert total(inputs, plan) == pytest.approx(r1 + r2)
    assert table.loc["m", "value_low"] == pytest.approx((r1 + r2) / 1.02 - (r1 + r2))
    assert table.loc["c", "value_low"] == pytest.approx(-r2 / 9)
    assert table.loc["c", "value_high"] == pytest.approx(r2 / 9)
    assert table.loc["m", ["last_base", "last_actual"]].tolist() == pytest.approx([0.03, 0.02])


@pytest.mark.parametrize(
    ("driver", "base", "factor"),
    [
        ("price_change", 0.05, 1.05),
        ("new_product", 0.1, 1.1),
        ("market_growth", -0.5, 0.5),
        ("working_days", 250, 1.0),
        ("closing_ratio", 0.25, 1.0),
    ],
)
def test_every_sales_driver_has_a_closed_formula(inputs, driver, base, factor):
    entry = {"driver": driver, "low": base, "base": base, "high": base}
    quiet = {"g": {**MARKET, "low": 0, "base": 0, "high": 0}} if driver != "market_growth" else {}
    plan = scenario(x=entry, t=NOBODY_LEAVES, **quiet)
    assert total(inputs, plan) == pytest.approx(4800 * factor)


def test_a_ratio_is_taken_to_what_happened_last_year(inputs):
    last = [
        {
            "assumption_id": "d",
            "statement": "days",
            "driver": "working_days",
            "base": 260,
            "actual": 250,
        }
    ]
    dated = make_inputs(sales=inputs.sales, assumptions=last)
    entry = {"driver": "working_days", "low": 240, "base": 245, "high": 250, "unit": "days"}
    grown = {**MARKET, "low": 0, "base": 0, "high": 0}
    plan = scenario(d=entry, t=NOBODY_LEAVES, m=grown)
    assert total(dated, plan) == pytest.approx(4800 * 245 / 250)


def test_per_cent_is_understood_and_other_units_are_refused(inputs):
    plan = scenario(m={**MARKET, "low": 0, "base": 2, "high": 4, "unit": "%"})
    assert register(inputs, plan)["base"].tolist() == [0.02]
    with pytest.raises(DataError, match=r"m: unit is 'days'; market_growth is in share"):
        register(inputs, scenario(m={**MARKET, "unit": "days"}))


def test_every_fault_of_a_register_is_named_at_once():
    with pytest.raises(DataError) as raised:
        scenario(
            a={**MARKET, "driver": "market_grwth"},
            b={**MARKET, "low": 0.05},
            c={**COMPETITOR, "territories": "T9"},
            d={"driver": "turnover_rate", "low": 0.1, "base": 0.2},
            e={**MARKET, "ownr": "Ann"},
            f={"driver": "turnover_rate", "low": 0.1, "base": 0.2, "high": 1.4},
            g={**MARKET, "check_on": "soon"},
            h=3,
        )
    said = str(raised.value)
    for words in (
        "a: driver: 1 unknown label: 'market_grwth' (did you mean 'market_growth'?)",
        "b: low 0.05, base 0.02, high 0.04 are not in this order",
        "c: territories must be a list of texts",
        "d: low, base and high are",
        "e: 1 unknown label: 'ownr' (did you mean 'owner'?)",
        "f: 0.1 to 1.4 share; turnover_rate must be between 0 and 1",
        "g: check_on is 'soon'",
        "h: write it as a section",
    ):
        assert words in said


def test_two_assumptions_on_one_staff_driver_are_refused(inputs):
    with pytest.raises(DataError, match="a, b all set turnover_rate; keep one"):
        register(inputs, scenario(a=NOBODY_LEAVES, b=NOBODY_LEAVES))


def test_evidence_that_cites_no_finding_fails_for_the_company_and_is_named_in_a_region(inputs):
    plan = scenario(m={**MARKET, "evidence": "review.growth.marked"})
    known = pd.DataFrame({"finding_id": ["review.growth.market"]})

    def said(given, plan):
        found = assumption_findings(given, plan, known=lambda inputs: known).set_index("finding_id")
        return found["status"].get("assumptions.evidence.unknown", "")

    assert (
        said(inputs, plan) == "fail"
        and said(replace(inputs, name="N", is_company=False), plan) == "review"
    )
    assert said(inputs, scenario(m={**MARKET, "evidence": "review.growth.market"})) == ""
    assert said(inputs, scenario(m=MARKET)) == ""  # plain words cite nothing
    assert "assumptions.evidence.unknown" not in set(
        assumption_findings(inputs, plan)["finding_id"]
    )


def test_without_a_register_last_years_is_a_marked_proposal(inputs):
    table = register(inputs, Scenario("base")).set_index("assumption_id")
    assert table["status"].eq("carried over, not yet confirmed").all()
    # Growth starts from what happened: 2 %, with last year's distances and its old ends.
    assert table.loc["A1", ["low", "base", "high"]].tolist() == pytest.approx([0.0, 0.02, 0.04])
    # What a rival or a launch did is in the results already; nothing further is proposed.
    assert table.loc["A4", ["low", "base", "high"]].tolist() == pytest.approx([-0.02, 0.0, 0.02])
    assert table.loc["A2", ["low", "base", "high"]].tolist() == pytest.approx([-0.03, 0.0, 0.0])
    assert table.loc["A2", "last_actual"] == pytest.approx(-0.02)
    assert pd.isna(table.loc["A3", "value_low"])
    found = assumption_findings(inputs, Scenario("base")).set_index("finding_id")
    assert "'A1', 'A2', 'A3', 'A4'" in found.loc["assumptions.carried_over", "message"]
    assert "'A3'" in found.loc["assumptions.moves_nothing", "message"]


def test_an_overdue_check_and_a_missing_owner_are_findings(inputs):
    plan = scenario(m={**MARKET, "check_on": date(2025, 11, 30), "owner": "", "evidence": ""})
    found = assumption_findings(inputs, plan).set_index("finding_id")["message"]
    assert "1 checks are overdue on 2026-01-01: 'm (2025-11-30)'" in found["assumptions.overdue"]
    assert "1 without owner: 'm'" in found["assumptions.no_owner"]
    assert "1 without evidence: 'm'" in found["assumptions.no_evidence"]
    later = assumption_findings(inputs, scenario(m=MARKET), today=date(2026, 5, 1))
    assert "assumptions.overdue" in set(later["finding_id"])


def test_a_driver_that_touches_nothing_here_is_worth_nothing_and_said():
    sales = [
        {"sold_on": day, "rep_id": "R1", "amount": 1.0}
        for day in pd.date_range("2024-01-01", periods=24, freq="MS")
    ]
    north = make_inputs(sales=sales, region="North")
    plan = scenario(c=COMPETITOR)
    assert register(north, plan)["value_low"].tolist() == [0.0]
    found = set(assumption_findings(north, plan)["finding_id"])
    assert "assumptions.c.nowhere" in found


def test_the_tornado_names_the_two_to_check_first(inputs):
    plan = scenario(m=MARKET, c=COMPETITOR, t=NOBODY_LEAVES)
    table = sensitivity(inputs, plan)
    assert table["assumption_id"].tolist() == ["c", "m", "t"]
    assert table["check_first"].tolist() == [True, True, False]
    assert (table["swing"] - (table["effect_high"] - table["effect_low"]).abs()).abs().max() < 1e-9


def test_scenario_sets_follow_from_the_register(inputs):
    plan = scenario(m=MARKET, c=COMPETITOR, t={**NOBODY_LEAVES, "base": 0.1, "high": 0.2})
    sets = scenario_sets(inputs, plan).set_index("name")["expected"]
    assert sets["stress"] < sets["low"] < sets["base"] < sets["high"]
    assert sets["base"] == pytest.approx(total(inputs, plan))


def test_one_point_of_turnover_costs_the_difference_of_two_baselines(inputs):
    at = {**NOBODY_LEAVES, "low": 0.10, "base": 0.10, "high": 0.10}
    above = {**NOBODY_LEAVES, "low": 0.11, "base": 0.11, "high": 0.11}
    cost = cost_of_turnover_point(inputs, scenario(t=at, m=MARKET))
    expected = total(inputs, scenario(t=at, m=MARKET)) - total(inputs, scenario(t=above, m=MARKET))
    assert cost == pytest.approx(expected) and cost > 0


def test_every_driver_says_its_unit_and_formula():
    assert len(DRIVERS) == 10
    assert all(d.unit in ("share", "months", "days") and d.formula for d in DRIVERS.values())


# --- every driver by hand ------------------------------------------------------------------------

QUARTER = make_settings(ends_on=date(2026, 3, 31))
LEAVE_TENTH = 1 - 0.9**12  # one in ten leaves in a month
LAST_RATIOS = [
    {"assumption_id": "days", "driver": "working_days", "base": 260, "actual": 250},
    {"assumption_id": "ratio", "driver": "closing_ratio", "base": 0.25},
]


def quarter_of(**assumptions):
    """100 a month in T1 and 300 in T2, a quarter of it line B; January to March are planned."""
    sales = [
        {
            "sold_on": day,
            "rep_id": rep,
            "territory_id": place,
            "product_id": product,
            "amount": amount,
        }
        for day in pd.date_range("2024-01-01", periods=24, freq="MS")
        for rep, place, product, amount in (
            ("R1", "T1", "a", 75.0),
            ("R1", "T1", "b", 25.0),
            ("R2", "T2", "a", 225.0),
            ("R2", "T2", "b", 75.0),
        )
    ]
    inputs = make_inputs(
        settings=QUARTER,
        sales=sales,
        assumptions=LAST_RATIOS,
        territories=[{"territory_id": "T1", "region": "N"}, {"territory_id": "T2", "region": "N"}],
        assignments={"rep_id": ["R1", "R2"], "territory_id": ["T1", "T2"]},
        products=[
            {"product_id": "a", "product_line": "A"},
            {"product_id": "b", "product_line": "B"},
        ],
    )
    quiet = {"g": {"driver": "market_growth", "low": 0, "base": 0, "high": 0}, "t": NOBODY_LEAVES}
    given = {
        name: {"low": entry["base"], "high": entry["base"], **entry}
        for name, entry in assumptions.items()
    }
    return total(inputs, scenario(**{**quiet, **given}))


@pytest.mark.parametrize(
    ("entry", "by_hand"),
    [
        # From 1 July 2025, the middle of the last twelve months, to the middle of February.
        ({"g": {"driver": "market_growth", "base": 0.21}}, 1200 * 1.21 ** (7.5 / 12)),
        ({"x": {"driver": "price_change", "base": 0.05, "product_line": "B"}}, 1200 + 300 * 0.05),
        ({"x": {"driver": "competitor_effect", "base": -0.1, "territories": ["T2"]}}, 300 + 810),
        (
            {
                "x": {
                    "driver": "new_product",
                    "base": 0.2,
                    "product_line": "B",
                    "territories": ["T1"],
                }
            },
            1200 + 75 * 0.2,
        ),
        ({"x": {"driver": "working_days", "base": 245}}, 1200 * 245 / 250),
        ({"x": {"driver": "closing_ratio", "base": 0.30}}, 1200 * 0.30 / 0.25),
        # In place: 1, 0.9, 0.81. Who leaves after January is replaced in March, 15 % are lost.
        (
            {
                "t": {"driver": "turnover_rate", "base": LEAVE_TENTH},
                "v": {"driver": "time_to_fill", "base": 1},
                "r": {"driver": "ramp", "base": 1},
            },
            400 * (1 + 0.9 + 0.81 + 0.1 * 0.85),
        ),
        # The register says what a hand-over loses: half, in place of the plan's 15 %.
        (
            {
                "t": {"driver": "turnover_rate", "base": LEAVE_TENTH},
                "v": {"driver": "time_to_fill", "base": 1},
                "r": {"driver": "ramp", "base": 1},
                "l": {"driver": "account_loss_share", "base": 0.5},
            },
            400 * (1 + 0.9 + 0.81 + 0.1 * 0.5),
        ),
        # Filled at once: those who left after January or February, and of the first some again.
        (
            {
                "t": {"driver": "turnover_rate", "base": LEAVE_TENTH},
                "v": {"driver": "time_to_fill", "base": 0},
                "r": {"driver": "ramp", "base": 1},
            },
            400 * (1 + 0.985 + 0.81 + 0.1 * 0.85 * 0.985 + 0.09 * 0.85),
        ),
        # A successor at half speed in the first of two months: ramp full in the second.
        (
            {
                "t": {"driver": "turnover_rate", "base": LEAVE_TENTH},
                "v": {"driver": "time_to_fill", "base": 0},
                "r": {"driver": "ramp", "base": 2},
            },
            400 * (1 + 0.9 + 0.81 + 0.1 * 0.85 * 0.9),
        ),
    ],
    ids=lambda value: (
        "-".join(e["driver"] for e in value.values()) if isinstance(value, dict) else ""
    ),
)
def test_a_driver_does_what_its_formula_says_by_hand(entry, by_hand):
    assert quarter_of(**entry) == pytest.approx(by_hand, rel=1e-12)


def test_a_ramp_of_three_months_lets_a_hire_sell_nothing_then_half_then_all():
    sales = [
        {"sold_on": day, "rep_id": "R1", "amount": 100.0}
        for day in pd.date_range("2024-01-01", periods=24, freq="MS")
    ]
    reps = [{"rep_id": "R1"}, {"rep_id": "R2", "hired_on": "2026-01-01"}]
    inputs = make_inputs(settings=QUARTER, sales=sales, reps=reps)
    ramp = {"driver": "ramp", "low": 3, "base": 3, "high": 3}
    growth = {"driver": "market_growth", "low": 0, "base": 0, "high": 0}
    table = baseline(inputs, scenario(r=ramp, g=growth, t=NOBODY_LEAVES))
    new = table[table["rep_id"] == "R2"].sort_values("month")["expected"]
    assert new.tolist() == pytest.approx([0.0, 50.0, 100.0])
