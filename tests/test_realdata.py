"""Real extracts, read by configuration alone, against figures computed straight from the files."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import pandas as pd
import pytest

from planning_kit.data import check_plan, open_inputs, prepare
from planning_kit.plan import Plan
from planning_kit.review import attainment, closing_ratios, goal_history, margins
from planning_kit.review.pipeline import expected_open, open_deals
from tests.conftest import REAL, real_plan
from tests.walking import table, walk

pytestmark = pytest.mark.realdata


@pytest.fixture(scope="module")
def adventureworks(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return real_plan("adventureworks", tmp_path_factory.mktemp("aw"))


@pytest.fixture(scope="module")
def facts() -> dict:
    return json.loads((REAL / "adventureworks" / "facts.json").read_text())


@pytest.fixture(scope="module")
def company(adventureworks: Plan):
    return open_inputs(adventureworks, prepare(adventureworks))


def test_every_sellers_quarter_equals_the_facts(company, facts):
    found = attainment(company, by=["rep_id", "goal_period"], years="all")
    found = found.dropna(subset=["goal"])
    rows = facts["quota_vs_actual_by_salesperson_and_quota_date"]
    assert len(found) == facts["quota_periods_with_quota"] == 163
    for row in found.itertuples():
        fact = rows[row.rep_id][row.goal_period.strftime("%Y-%m-%d")]
        assert row.goal == fact["quota"]
        assert row.actual == pytest.approx(fact["actual"], abs=0.011)
    assert (
        int((found["actual"] >= found["goal"]).sum()) == facts["quota_periods_met_or_beaten"] == 8
    )


def test_every_quarter_lands_at_80_to_89_percent(company, facts):
    history = goal_history(company)
    assert len(history) == 12
    for row in history.itertuples():
        fact = facts["quota_vs_actual_by_quota_date"][row.goal_period.strftime("%Y-%m-%d")]
        assert (row.goal, row.attainment) == (
            fact["quota"],
            pytest.approx(fact["attainment"], abs=5e-5),
        )
        assert 0.795 <= row.attainment < 0.895


def test_totals_and_margin_equal_the_facts(company, facts):
    assert company.sales["amount"].sum() == pytest.approx(facts["totals"]["sales_amount"], abs=0.01)
    lines = margins(company, by=["product_line"], years="all").set_index("product_line")
    for name, fact in facts["by_category"].items():
        assert lines.loc[name, "amount"] == pytest.approx(fact["sales"], abs=0.01)
        assert lines.loc[name, "cost"] == pytest.approx(fact["cost"], abs=0.01)
        assert lines.loc[name, "units"] == fact["units"]
    places = company.sales.groupby("territory_id")["amount"].sum()
    names = company.territories.set_index("territory_id")["territory_name"]
    for key, amount in places.items():
        assert amount == pytest.approx(facts["sales_by_territory"][names[key]], abs=0.01)


def test_the_whole_walk_runs_and_says_what_the_data_cannot_feed(
    adventureworks, tmp_path, monkeypatch
):
    monkeypatch.setenv("PLANNING_CHARTS", "vega")
    regions = prepare(adventureworks).regions
    walk(adventureworks, tmp_path, regions)
    rolled = table(tmp_path, "", "regions").set_index("region")
    assert rolled["gap"].eq(0).all() and rolled.loc["company", "reps"] == 17
    said = table(tmp_path, "Pacific", "metrics_findings")
    assert said["message"].str.contains("opportunities").any()
    metrics = table(tmp_path, "Pacific", "metric_goals")
    assert metrics["presentations"].isna().all() and metrics["amount"].notna().all()


def test_a_crm_without_goals_or_cost_loads_as_far_as_it_goes(tmp_path, monkeypatch):
    monkeypatch.setenv("PLANNING_CHARTS", "vega")
    plan = real_plan("maven_crm", tmp_path / "plan")
    assert check_plan(plan).empty
    inputs = open_inputs(plan, prepare(plan))
    assert inputs.sales["amount"].sum() == 10_005_534
    closed = inputs.opportunities["outcome"].value_counts()
    assert closed["won"] / (closed["won"] + closed["lost"]) == pytest.approx(0.6315, abs=5e-5)
    walk(plan, tmp_path / "run", ["East"], upto=7)
    assert len(table(tmp_path / "run", "East", "closing_ratios")) >= 10


def test_a_product_named_in_two_ways_stops_until_it_is_mapped(tmp_path):
    plan = real_plan("maven_crm", tmp_path / "plan")
    text = (plan.folder / "plan.toml").read_text().replace('GTXPro = "GTX Pro"', "")
    (plan.folder / "plan.toml").write_text(text)
    problems = check_plan(real_reload(plan))
    row = problems[problems["value"] == "GTXPro"].iloc[0]
    assert "did you mean 'GTX Pro'" in row["advice"]
    assert (problems[problems["rule"] == "lost"]["status"] == "fail").all()


def real_reload(plan: Plan) -> Plan:
    from planning_kit.plan import load_plan

    return load_plan(plan.folder)


def test_a_region_called_na_is_a_region(tmp_path, monkeypatch):
    monkeypatch.setenv("PLANNING_CHARTS", "vega")
    plan = real_plan("classicmodels", tmp_path / "plan")
    prepared = prepare(plan)
    assert prepared.regions == ["APAC", "EMEA", "Japan", "NA"]
    whole = open_inputs(plan, prepared)
    assert whole.sales["amount"].sum() == pytest.approx(9_365_336.43, abs=0.005)
    assert set(whole.reps["manager_id"].dropna()) <= set(whole.reps["rep_id"])
    parts = [
        open_inputs(plan, prepared, region).sales["amount"].sum() for region in prepared.regions
    ]
    assert sum(parts) == pytest.approx(9_365_336.43, abs=0.005)
    walk(plan, tmp_path / "run", ["NA"], upto=7)
    assert isinstance(table(tmp_path / "run", "NA", "allocation"), pd.DataFrame)


@pytest.fixture(scope="module")
def maven(tmp_path_factory: pytest.TempPathFactory):
    plan = real_plan("maven_crm", tmp_path_factory.mktemp("maven"))
    deals = pd.read_csv(
        REAL / "maven_crm" / "sales_pipeline.csv", parse_dates=["engage_date", "close_date"]
    )
    return open_inputs(plan, prepare(plan)), deals


def counted_open(deals: pd.DataFrame, day: pd.Timestamp) -> int:
    return int(((deals["engage_date"] <= day) & ~(deals["close_date"] <= day)).sum())


def test_open_deals_of_any_day_are_those_counted_in_the_file(maven):
    company, deals = maven
    for day in pd.date_range("2016-11-01", "2017-12-31", freq="13D"):
        assert len(open_deals(company, day)) == counted_open(deals, day)


def test_closing_ratios_are_those_counted_in_the_file(maven):
    company, deals = maven
    lately = deals[deals["close_date"].between("2017-01-01", "2017-12-31")]
    counted = lately.groupby("sales_agent")["deal_stage"].agg(lambda stage: stage.eq("Won").mean())
    found = closing_ratios(company).set_index("rep_id")["ratio_raw"].dropna()
    assert len(found) == len(counted) == 30
    pd.testing.assert_series_equal(found, counted.sort_index(), check_names=False)


@pytest.mark.parametrize("quarter", ["2017-04-01", "2017-07-01", "2017-10-01"])
def test_the_next_quarters_pipeline_is_foreseen_within_a_fifth(maven, quarter):
    company, deals = maven
    starts = pd.Timestamp(quarter)
    settings = replace(
        company.settings,
        review_starts_on=date(2017, 1, 1),
        review_ends_on=(starts - pd.Timedelta(days=1)).date(),
        starts_on=starts.date(),
    )
    days = pd.date_range(starts, starts + pd.DateOffset(months=3), inclusive="left")
    came = sum(counted_open(deals, day) for day in days) / len(days)
    foreseen = expected_open(replace(company, settings=settings)).sum()
    assert foreseen == pytest.approx(came, rel=0.2)
