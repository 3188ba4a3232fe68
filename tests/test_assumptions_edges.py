"""What the assumptions room withstands."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from planning_kit import assumptions, outlook
from planning_kit.data import label_faults
from planning_kit.messages import DataError
from planning_kit.plan import CELL_COLUMNS, Scenario
from tests.making import make_inputs, make_settings

EMPTY = Scenario("base")
TERRITORIES = [{"territory_id": "T1", "region": "North"}]


def everything(inputs, scenario=EMPTY):
    """Call every function of the room once."""
    return {
        "register": assumptions.register(inputs, scenario),
        "turnover": outlook.turnover(inputs),
        "capacity": outlook.capacity(inputs, scenario),
        "point": assumptions.cost_of_turnover_point(inputs, scenario),
        "baseline": outlook.baseline(inputs, scenario),
        "totals": outlook.baseline_totals(inputs, scenario),
        "profile": outlook.seasonal_profile(inputs),
        "unheld": outlook.unheld_territories(inputs, scenario),
        "tournament": outlook.method_tournament(inputs),
        "coverage": outlook.interval_coverage(inputs),
        "calibration": outlook.measured_calibration(inputs),
        "last": assumptions.last_register(inputs, scenario),
        "seen": assumptions.signposts(inputs, scenario),
        "sensitivity": assumptions.sensitivity(inputs, scenario, runs=20),
        "sets": assumptions.scenario_sets(inputs, scenario),
        "chance": outlook.coming_year(inputs, scenario, 20).chance(inputs.target),
        "findings": assumptions.assumption_findings(inputs, scenario),
    }


def monthly(rep="R1", amount=100.0, first="2024-01", months=24, **more):
    days = pd.date_range(first, periods=months, freq="MS")
    return [{"sold_on": day, "rep_id": rep, "amount": amount, **more} for day in days]


def test_a_plan_without_people_and_sales_gives_empty_tables():
    found = everything(make_inputs(target=0.0))
    assert found["baseline"].empty and found["capacity"].empty and found["profile"].empty
    assert pd.isna(found["turnover"]["rate"].iloc[0])
    assert set(found["findings"]["status"]) == {"review"}


def test_people_without_sales_are_expected_to_sell_nobody_knows_what():
    reps = [{"rep_id": "R1"}, {"rep_id": "R2"}]
    found = everything(make_inputs(reps=reps, target=10.0))
    assert len(found["baseline"]) == 24 and found["baseline"]["expected"].isna().all()
    assert found["baseline"]["filled_by"].str.contains("nothing to go by").all()
    assert pd.isna(found["chance"].probability)


def test_one_month_of_history_is_spread_evenly_and_said():
    found = everything(make_inputs(sales=monthly(first="2025-12", months=1)))
    assert found["profile"]["share"].round(12).eq(round(1 / 12, 12)).all()
    assert found["baseline"]["expected"].sum() == pytest.approx(1200.0)
    assert "assumptions.season.unknown" in set(found["findings"]["finding_id"])


def test_sales_without_territory_and_line_are_cut_by_person_only():
    table = outlook.baseline(make_inputs(sales=monthly()), EMPTY)
    assert table["territory_id"].isna().all() and table["product_line"].isna().all()
    assert table["expected"].sum() == pytest.approx(1200.0)
    assert table["last_year"].sum() == pytest.approx(1200.0)


@pytest.mark.parametrize("amount", [0.01, 1.0, 1e12])
def test_the_unit_of_money_does_not_matter(amount):
    sales = monthly("R1", amount) + monthly("R2", 3 * amount)
    found = outlook.baseline(make_inputs(sales=sales), EMPTY)
    plain = outlook.baseline(make_inputs(sales=monthly("R1", 1.0) + monthly("R2", 3.0)), EMPTY)
    for column in ("expected", "low", "high"):
        pd.testing.assert_series_equal(found[column] / amount, plain[column], rtol=1e-6)


def test_a_target_of_zero_is_always_reached():
    chance = outlook.coming_year(make_inputs(sales=monthly()), EMPTY, 50).chance(0.0)
    assert chance.probability == 1.0 and chance.share_reaching == 1.0


def test_returns_larger_than_sales_leave_no_negative_expectation():
    table = outlook.baseline(make_inputs(sales=monthly(amount=-5.0)), EMPTY)
    assert (table["expected"] >= 0).all()


def test_everybody_left_is_a_rate_and_an_empty_plan():
    reps = [{"rep_id": "R1", "hired_on": "2023-01-01", "left_on": "2024-12-31"}]
    found = everything(
        make_inputs(reps=reps, sales=monthly(first="2023-01"), territories=TERRITORIES)
    )
    assert found["turnover"].iloc[0][["leavers"]].tolist() == [1]
    assert found["baseline"].empty
    gap = found["unheld"].iloc[0]
    assert gap["share"] == 1.0


def test_sales_without_a_roster_are_a_turnover_nobody_knows():
    inputs = make_inputs(reps=[], sales=monthly())
    found = everything(inputs)
    assert np.isnan(found["turnover"]["rate"].iloc[0]) and found["baseline"].empty
    assert set(found["findings"]["finding_id"]) >= {"assumptions.turnover.unknown"}


def test_nobody_who_ever_left_is_a_rate_of_nothing_with_a_range():
    reps = [{"rep_id": "R1", "hired_on": "2020-01-01"}]
    row = everything(make_inputs(reps=reps, sales=monthly()))["turnover"].iloc[0]
    assert (row["rate"], row["low"], row["leavers"]) == (0.0, 0.0, 0) and row["high"] > 0.6
    assert "0 leavers say little" in row["note"]


def test_everybody_who_left_stands_in_a_rate_above_nothing_however_short_they_were_there():
    reps = [
        {"rep_id": f"R{n}", "hired_on": "2024-03-01", "left_on": "2024-03-31"} for n in range(3)
    ]
    sales = monthly("R1", first="2024-01") + monthly("R0", months=3)
    sales += monthly("R2", months=3)
    row = outlook.turnover(make_inputs(reps=reps, sales=sales)).iloc[0]
    # Leavers a year of work are a rate; the share who leave within a year is below 1.
    assert row["leavers"] == 3 and row["rate"] == pytest.approx(1 - np.exp(-3 / (3 * 31 / 365.25)))


def test_a_register_of_another_plan_is_refused_with_its_unknown_names():
    products = [{"product_id": "a", "product_line": "Balances"}]
    entry = {"driver": "competitor_effect", "low": -0.1, "base": 0.0, "high": 0.0}
    other = {
        "rival": {**entry, "territories": ["T1", "X9"]},
        "line": {**entry, "driver": "new_product", "product_line": "Balance"},
    }
    inputs = make_inputs(sales=monthly(), territories=TERRITORIES, products=products)
    known = {"territory_id": ["T1"], "product_line": ["Balances"]}
    labels = {**dict.fromkeys(CELL_COLUMNS, ()), **known}
    faults = label_faults(Scenario.parse("other", {"assumptions": other}), labels)
    assert faults == [
        "[assumptions] rival: territories: 1 unknown label: 'X9'. Known: 'T1'",
        "[assumptions] line: product_line: 1 unknown label: 'Balance' (did you mean 'Balances'?)",
    ]
    cited = {"r": {**entry, "evidence": "review.events.gone"}}
    known = pd.DataFrame({"finding_id": ["review.events.rival"]})
    said = assumptions.assumption_findings(
        inputs, Scenario.parse("s", {"assumptions": cited}), known=lambda inputs: known
    )
    said = said.set_index("finding_id").loc["assumptions.evidence.unknown"]
    assert "'r (review.events.gone)'" in said["message"]


def test_a_driver_of_territories_nobody_holds_moves_nothing():
    entry = {
        "driver": "competitor_effect",
        "low": -0.5,
        "base": -0.5,
        "high": 0.0,
        "territories": ["T2"],
        "actual": -0.9,
    }
    places = [*TERRITORIES, {"territory_id": "T2", "region": "North"}]
    held = [{"rep_id": "R1", "territory_id": "T1"}]
    inputs = make_inputs(sales=monthly(territory_id="T1"), territories=places, assignments=held)
    found = everything(inputs, Scenario.parse("s", {"assumptions": {"c": entry}}))
    assert found["sensitivity"]["swing"].tolist() == [0.0]
    assert not found["sensitivity"]["check_first"].any()
    seen = found["seen"]
    assert seen.assumptions["state"].tolist() == ["below"] and seen.goals.empty
    said = found["findings"].set_index("finding_id")["message"]["assumptions.c.breached"]
    assert "0 people's goals: nobody here" in said


def test_hiring_after_leaving_is_refused_by_name():
    reps = [{"rep_id": "R1", "hired_on": "2024-05-01", "left_on": "2024-01-31"}]
    with pytest.raises(DataError, match=r"1 left before being hired: 'R1'.*correct the dates"):
        outlook.turnover(make_inputs(reps=reps, sales=monthly()))


def test_sales_before_hiring_are_a_finding_with_the_amount():
    reps = [{"rep_id": "R1", "hired_on": "2024-06-15"}]
    findings = assumptions.assumption_findings(make_inputs(reps=reps, sales=monthly()), EMPTY)
    found = findings.set_index("finding_id").loc["assumptions.sales.before_hire"]
    assert "500 EUR" in found["message"] and "'R1'" in found["message"]


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_a_rate_of_nothing_and_of_everybody_are_both_possible(rate):
    section = {"a": {"driver": "turnover_rate", "low": rate, "base": rate, "high": rate}}
    inputs = make_inputs(sales=monthly())
    scenario = Scenario.parse("s", {"assumptions": section})
    total = everything(inputs, scenario)["baseline"]["expected"].sum()
    assert total == pytest.approx(1200.0) if rate == 0 else 0 < total < 1200.0


@pytest.mark.parametrize("months", [1, 6, 18, 36])
def test_plans_of_any_length_sum_to_their_months(months):
    end = pd.Timestamp("2026-01-01") + pd.DateOffset(months=months) - pd.Timedelta(days=1)
    settings = make_settings(ends_on=end.date())
    inputs = make_inputs(settings=settings, sales=monthly())
    table = outlook.baseline(inputs, EMPTY)
    profile = outlook.seasonal_profile(inputs)
    times = pd.date_range("2026-01-01", end, freq="MS").month.value_counts()
    assert (profile["share"] * profile["month_of_year"].map(times)).sum() == pytest.approx(1.0)
    assert table["expected"].sum() == pytest.approx(100.0 * months)


def test_a_known_leaver_is_expected_only_up_to_the_last_day():
    reps = [{"rep_id": "R1", "left_on": date(2026, 3, 31)}]
    table = outlook.baseline(make_inputs(reps=reps, sales=monthly()), EMPTY)
    assert table["month"].max() == pd.Timestamp("2026-03-01")


def test_somebody_hired_into_the_plan_starts_then_and_ramps():
    reps = [{"rep_id": "R1"}, {"rep_id": "R2", "hired_on": "2026-03-01"}]
    inputs = make_inputs(reps=reps, sales=monthly())
    section = {"a": {"driver": "turnover_rate", "low": 0, "base": 0, "high": 0}}
    table = outlook.capacity(inputs, Scenario.parse("s", {"assumptions": section}))
    new = table[table["rep_id"] == "R2"].set_index("month")["capacity_share"]
    assert new.index.min() == pd.Timestamp("2026-03-01")
    assert new.round(9).tolist() == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.0, 1.0, 1.0, 1.0]
