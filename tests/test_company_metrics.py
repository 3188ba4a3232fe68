"""A metric nobody foresaw, from `plan.toml` to goals; and formulas that are refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planning_kit.data import open_inputs, prepare
from planning_kit.data.schema import TABLES
from planning_kit.messages import DataError
from planning_kit.metrics import company_metrics
from planning_kit.plan.formulas import READABLE, read_formula
from planning_kit.plan.metrics import OWN_METRICS
from planning_kit.review.attainment import metric_attainment
from planning_kit.review.measured import measure
from tests.making import make_inputs

DEMOS = """
[metrics.demos]
title = "Demonstrations"
formula = 'sum(activities.count, activity="Demo")'
owner = "Sales operations"
change = 0.1

[metrics.demos_a_sale]
title = "Demonstrations a sale"
unit = "number"
formula = 'sum(activities.count, activity="demo") / count(opportunities, outcome="won")'
"""
ACTIVITIES = (
    "done_on,rep_id,activity,count\n2025-02-01,ann,demo,6\n2025-03-01,ann,demo ,4\n"
    "2025-03-01,bob,demo,5\n2025-03-01,ann,call,90\n2024-03-01,ann,demo,70\n"
)
OPPORTUNITIES = (
    "opportunity_id,rep_id,outcome,created_on,closed_on,amount\n"
    "o1,ann,won,2025-01-01,2025-03-01,40\no2,ann,won,2025-01-01,2025-04-01,60\n"
    "o3,ann,lost,2025-01-01,2025-04-01,60\no4,bob,lost,2025-01-01,2025-04-01,60\n"
)
MONTHS = pd.date_range("2026-01-01", periods=12, freq="MS", unit="us")


@pytest.fixture
def company(make_plan):
    plan = make_plan(extra=DEMOS, activities=ACTIVITIES, opportunities=OPPORTUNITIES)
    return open_inputs(plan, prepare(plan))


def goals(**of):
    rows = [{"rep_id": rep, "month": m, "goal": goal} for rep, goal in of.items() for m in MONTHS]
    return pd.DataFrame(rows)


def test_a_metric_nobody_foresaw_is_measured_by_its_formula(company):
    demos, a_sale = (measure(company, metric.measure) for metric in company.settings.metrics)
    assert demos["value"].loc[["ann", "bob"]].tolist() == [10, 5]
    assert a_sale.loc["ann", "value"] == 5  # 10 of 2 sales
    assert np.isnan(a_sale.loc["bob", "value"])  # no sale to divide by
    assert (a_sale["of_all"] == 7.5).all()


def test_its_goals_grow_with_the_goal_that_stands_and_add_up(company):
    table = company_metrics(company, goals(ann=100.0, bob=0.0))
    demos = table[table["metric"] == "demos"]
    by_rep = demos.groupby("rep_id")["metric_goal"].sum()
    assert by_rep["ann"] == 132  # 10 demos of 100 sold, 1,200 asked, 10 % more
    assert by_rep["bob"] == 0
    assert (demos["metric_goal"] % 1 == 0).all() and (demos["metric_goal"] >= 0).all()
    assert demos.set_index("rep_id").loc["ann", "metric_last"].eq(10).all()
    ratio = table[table["metric"] == "demos_a_sale"].groupby("rep_id")["metric_goal"]
    assert ratio.first().to_dict() == {"ann": 5, "bob": 7.5} and ratio.nunique().eq(1).all()


def test_next_years_review_knows_what_came_of_it(make_plan):
    goals_then = (
        "starts_on,ends_on,rep_id,metric,goal\n2025-01-01,2025-12-31,ann,demos,8\n"
        "2025-01-01,2025-06-30,bob,demos,10\n2025-01-01,2025-12-31,ann,demos_a_sale,4\n"
    )
    plan = make_plan(
        extra=DEMOS, activities=ACTIVITIES, opportunities=OPPORTUNITIES, goals=goals_then
    )
    table = metric_attainment(open_inputs(plan, prepare(plan))).set_index(["metric", "rep_id"])
    assert table["actual"].to_dict() == {
        ("demos", "ann"): 10,
        ("demos", "bob"): 5,
        ("demos_a_sale", "ann"): 5,
    }
    assert table["attainment"].tolist() == [1.25, 0.5, 1.25]


def test_a_goal_nobody_planned_stays_empty(company):
    asked = goals(ann=100.0)
    asked.loc[asked["month"] == MONTHS[3], "goal"] = np.nan
    table = company_metrics(company, asked)
    empty = table[table["month"] == MONTHS[3]]
    assert empty["metric_goal"].isna().all()
    assert table.groupby("metric")["metric_goal"].sum()["demos"] == 121


def test_without_rows_nothing_is_known_and_nothing_is_asked(make_plan):
    plan = make_plan(extra=DEMOS)
    table = company_metrics(open_inputs(plan, prepare(plan)), goals(ann=100.0))
    assert len(table) == 24 and table["metric_goal"].isna().all()


def test_without_metrics_of_its_own_a_company_gets_none(make_plan):
    plan = make_plan()
    assert company_metrics(open_inputs(plan, prepare(plan)), goals(ann=1.0)).empty


def test_every_fault_of_a_metric_is_said_at_once(make_plan):
    wrong = (
        '[metrics.units]\nformula = "sum(sales.units)"\n'
        '[metrics."Bad name"]\nformula = "sum(sales.amont)"\nunit = "piece"\n'
        '[metrics.odd]\nformula = "sum(sales.amount) + 1"\nchange = "x"\n'
    )
    with pytest.raises(DataError) as error:
        make_plan(extra=wrong)
    text = str(error.value)
    assert "[metrics.units] is a metric of the kit" in text
    assert "needs a name of small letters" in text
    assert "'amont'" in text and "'amount'" in text and "'piece'" in text
    assert "adds a number to sums" in text and "change is 'x'" in text


HOSTILE = [
    "__import__('os').system('true')",
    "sum(sales.amount).__class__",
    "(lambda: 1)()",
    "[x for x in (1,)]",
    "sum(sales.amount) ** 9",
    "sum(sales['amount'])",
    "sum(reps.rep_id)",
    "sum(sales.amount, territory_id=sales)",
    "sum(sales.amount, rep_id='a')",
    "count(opportunities, on='tomorrow')",
    "9" * 400,
    "((((" * 70,
    "1 / 2",
    "1 / sum(sales.amount)",
    "sum(sales.amount) / 0",
    "sum(sales.amount) / sum(sales.units) + sum(sales.cost) / sum(sales.units)",
    "True * sum(sales.amount)",
    "1e999 * sum(sales.amount)",
    "sum(sales.amount) * sum(sales.units)",
    "",
    "\x00",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_what_is_no_formula_is_refused_and_never_run(text):
    with pytest.raises(ValueError, match=r".+"):
        read_formula(text)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text):
    try:
        assert read_formula(text).top
    except ValueError as error:
        assert str(error)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("(sum(sales.amount) - sum(sales.cost)) / sum(sales.amount)", 0.6),
        ("100 * sum(sales.cost) / sum(sales.amount) * 2 / 4", 20),
        ("sum(sales.amount) / 10 + 2 * count(sales) - sum(sales.units)", 10 + 4 - 5),
        ("sum(sales.amount) / (sum(sales.units) * 2)", 10),
    ],
)
def test_formulas_follow_the_rules_of_arithmetic(text, value):
    sales = pd.DataFrame(
        {"sold_on": ["2025-01-01", "2025-02-01"], "rep_id": "ann"}
        | {"amount": [60.0, 40.0], "cost": [30.0, 10.0], "units": [2.0, 3.0]}
    )
    found = measure(make_inputs(sales=sales), read_formula(text))
    assert found.loc["ann"].tolist() == pytest.approx([value, value])


def test_the_kits_own_metrics_are_read_and_their_columns_exist():
    derived = {"sales": {"month", "product_line"}}
    for metric in OWN_METRICS.values():
        assert metric.sources or not metric.formula
    for table, read in READABLE.items():
        named = {*read.numbers, *read.labels, *read.days} - derived.get(table, set())
        assert named <= set(TABLES[table].names)
