"""Goals cell by cell, new products in them; price goals; the year to date; a person's page."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planning_kit.data import prepare
from planning_kit.messages import DataError
from planning_kit.metrics import (
    goal_cells,
    launch_findings,
    metric_goals,
    price_goals,
    product_goals,
)
from planning_kit.metrics.splits import split_goals, territory_goals
from planning_kit.outlook import coming_year, rest_of_year
from planning_kit.output.person_page import Press, page
from planning_kit.output.typesetting import Words
from planning_kit.plan import Launch, MetricOptions, Plan, Scenario, load_plan
from planning_kit.review import break_even_volume, price_dispersion
from planning_kit.walk.notebook import NotebookStep
from planning_kit.walk.person_page import person_page
from planning_kit.walk.talks import goal_cells as cells_of
from tests.making import make_inputs, make_settings
from tests.test_letters import pages, text_of

FEW = settings(max_examples=25, deadline=None)
MONTHS = pd.date_range("2026-01-01", periods=12, freq="MS", unit="us")


def company(unit=10.0, **more):
    """Two people who share two territories and sell two lines; p3 is new, p4 has no price."""
    sales = [
        {
            "sold_on": f"2025-{month:02}-02",
            "rep_id": rep,
            "product_id": product,
            "amount": price * (1 + 0.01 * month) * level,
            "units": 1.0,
            "cost": 0.6 * price,
            "territory_id": f"t{month % 2}",
        }
        for rep, level in (("ann", 0.9), ("bob", 1.1))
        for product, price in (("p1", 300.0), ("p2", 170.0))
        for month in range(1, 13)
    ]
    products = [
        {"product_id": "p1", "product_line": "X", "list_price": 330.0},
        {"product_id": "p2", "product_line": "Y", "list_price": 200.0},
        {"product_id": "p3", "product_line": "X", "list_price": 400.0, "unit_cost": 100.0},
        {"product_id": "p4", "product_line": "Y"},
    ]
    held = [
        {"rep_id": rep, "territory_id": t, "share": 0.5}
        for rep in ("ann", "bob")
        for t in "t0 t1".split()
    ]
    tables = {"sales": sales, "products": products, "assignments": held, **more}
    places = [{"territory_id": t, "region": "N"} for t in ("t0", "t1")]
    people = [{"rep_id": rep, "hired_on": "2020-01-01"} for rep in ("ann", "bob")]
    return make_inputs(
        settings=make_settings(rounding_unit=unit), reps=people, territories=places, **tables
    )


def goals_of(amounts):
    return pd.DataFrame(
        [
            {"rep_id": rep, "month": month, "goal": amount}
            for rep, rows in amounts.items()
            for month, amount in zip(MONTHS, rows, strict=True)
        ]
    )


LAUNCH = {"p3": Launch(date(2026, 4, 10), 0.5, (0.2, 0.6, 1.0))}


@FEW
@given(
    st.lists(st.integers(0, 90_000), min_size=12, max_size=12),
    st.sampled_from([0.01, 1.0, 10.0, 100.0]),
    st.floats(0, 1),
)
def test_lines_territories_products_and_months_add_up_in_amount_units_and_margin(row, unit, share):
    inputs = company(unit)
    goals = goals_of({"ann": [unit * x for x in row], "bob": [unit * 3 * x for x in row]})
    launches = {"p3": Launch(None, share, (0.3, 1.0)), "p4": Launch(None, share)}
    cells = goal_cells(inputs, goals, launches)
    keys = ["rep_id", "month"]
    asked = goals.set_index(keys)["goal"]
    np.testing.assert_allclose(cells.groupby(keys)["amount"].sum(), asked, atol=unit * 1e-6)
    lines = product_goals(goals, inputs).set_index([*keys, "product_line"])["goal"]
    got = cells.groupby([*keys, "product_line"])["amount"].sum()
    np.testing.assert_allclose(got, lines.reindex(got.index), atol=unit * 1e-6)
    places = territory_goals(goals, inputs).set_index([*keys, "territory_id"])["goal"]
    got = cells.groupby([*keys, "territory_id"])["amount"].sum()
    np.testing.assert_allclose(got, places.reindex(got.index), atol=unit * 1e-6)
    # Units x price is the amount to one unit over the year; a part without a price has none.
    year = cells.groupby(["rep_id", "product_line", "product_id"], dropna=False)
    sums = year[["amount", "units"]].sum().assign(price=year["price"].first()).dropna()
    assert (
        (sums["units"] * sums["price"] - sums["amount"]).abs() <= sums["price"] / 2 + 1e-6
    ).all()
    assert (cells["units"].dropna() % 1 == 0).all() and (cells["amount"] >= 0).all()
    assert (
        cells.loc[cells["product_id"] == "p4", ["price", "units", "margin"]].isna().all(axis=None)
    )


def test_a_new_product_takes_its_part_of_its_line_by_the_stated_curve():
    goals = goals_of({"ann": [1000.0] * 12})
    cells = goal_cells(company(), goals.assign(product_line="X", territory_id="t0"), LAUNCH)
    new = cells[cells["product_id"] == "p3"]
    assert new["amount"].tolist() == [100.0, 300.0, *[500.0] * 7]
    assert new["month"].min() == pd.Timestamp("2026-04-01")
    assert (new["price"] == 400).all() and (new["margin_share"] == 0.75).all()
    assert new["units"].sum() == round(3900 / 400) and new["margin"].sum() == pytest.approx(
        2925, abs=5
    )
    assert cells.groupby("month")["amount"].sum().tolist() == [1000.0] * 12


def test_a_new_product_without_a_price_leaves_the_persons_units_unknown_and_the_amount_whole():
    goals = goals_of({"ann": [1000.0] * 12})
    launches = {"p4": Launch(None, 0.2)}
    table = metric_goals(company(), goals, MetricOptions(launch=launches))
    assert table["units"].isna().all() and table["amount"].tolist() == [1000.0] * 12
    assert metric_goals(company(), goals)["units"].notna().all()
    priced = metric_goals(
        company(), goals, MetricOptions(launch={"p4": Launch(None, 0.2, price=50.0)})
    )
    assert priced["units"].notna().all()


def test_new_products_that_take_nothing_or_have_no_price_are_named():
    goals = goals_of({"ann": [1000.0] * 12})
    launches = {"p4": Launch(None, 0.2), "nowhere": Launch(None, 0.2), "p3": Launch(None, 0.1)}
    found = [*launch_findings(goal_cells(company(), goals, launches), launches)]
    assert "no part of any goal: nowhere" in found[0]["message"].replace("'", "")
    assert "in amount alone: p4" in found[1]["message"].replace("'", "") and len(found) == 2


def test_goals_that_name_one_of_line_and_territory_keep_it_and_are_split_by_the_other():
    goals = goals_of({"ann": [1000.0] * 12}).assign(product_line="X")
    cells = split_goals(goals, company())
    assert set(cells["product_line"]) == {"X"} and set(cells["territory_id"]) == {"t0", "t1"}
    assert cells.groupby("month")["goal"].sum().tolist() == [1000.0] * 12


def test_launches_are_read_from_the_scenario_with_every_fault_and_written_back():
    told = {"starts_on": date(2026, 4, 10), "share": 0.5, "curve": [0.2, 0.6, 1.0]}
    scenario = Scenario.parse("s", {"metrics": {"launch": {"p3": told}}})
    assert scenario.metrics.launch == LAUNCH
    import tomllib

    assert Scenario.parse("s", tomllib.loads(scenario.to_toml())) == scenario
    wrong = {"curve": [0.2, 2], "price": -1, "shares": 1}
    with pytest.raises(DataError) as error:
        Scenario.parse("s", {"metrics": {"launch": {"p3": wrong}}})
    for said in ("shares", "share is missing", "curve: write a list", "price is -1"):
        assert said in str(error.value)


def test_whoever_sells_below_the_teams_prices_is_to_come_up_and_the_rest_hold():
    table = price_goals(company()).set_index(["rep_id", "product_line"])
    assert table.loc[("ann", "X"), "price_ratio"] == pytest.approx(0.9)
    assert table.loc[("ann", "X"), "high"] < 1 and table.loc[("ann", "X"), "price_goal"] == 1.0
    assert table.loc[("bob", "X"), ["price_goal", "price_verdict"]].tolist() == [
        pytest.approx(1.1),
        "hold",
    ]
    mean = np.mean([1 + 0.01 * m for m in range(1, 13)])
    assert table.loc[("ann", "X"), "list_ratio"] == pytest.approx(300 * mean * 0.9 / 330)
    share = table.loc[("ann", "X"), "margin_share"]
    assert share == pytest.approx(1 - 0.6 / (0.9 * mean))
    assert table.loc[("ann", "X"), "floor_share"] == pytest.approx(1 - share)
    assert table.loc[("ann", "X"), "cut_volume_share"] == break_even_volume(-0.05, share)
    assert (table["price_basis"] == "margin").all()


def test_nobody_is_to_sell_below_cost():
    sales = [
        {
            "sold_on": f"2025-{month:02}-02",
            "rep_id": rep,
            "product_id": "p1",
            "amount": 100.0,
            "units": 1,
            "cost": 125.0,
        }
        for rep in ("ann", "bob")
        for month in range(1, 7)
    ]
    row = price_goals(company(sales=sales)).iloc[0]
    assert (row["price_goal"], row["price_verdict"]) == (1.25, "below cost: up to it")
    assert np.isnan(row["cut_volume_share"])


def test_without_cost_a_price_goal_stands_in_and_few_sales_cannot_tell():
    sales = [
        {"sold_on": "2025-05-02", "rep_id": "ann", "product_id": "p1", "amount": 90.0, "units": 1},
        {"sold_on": "2025-05-02", "rep_id": "bob", "product_id": "p1", "amount": 110.0, "units": 1},
    ]
    table = price_goals(company(sales=sales))
    assert (table["price_basis"] == "price realisation").all()
    assert table["price_goal"].isna().all() and table["floor_share"].isna().all()
    assert (table["price_verdict"] == "cannot tell: too few sales").all()


def test_the_range_of_prices_holds_eight_of_ten_times():
    rng, people = np.random.default_rng(4), 400
    sales = [
        {
            "sold_on": f"2025-{month:02}-02",
            "rep_id": f"r{k}",
            "product_id": "p1",
            "amount": 300.0 * units * rng.normal(0.95, 0.1),
            "units": units,
        }
        for k in range(people)
        for month in range(1, 13)
        for units in rng.integers(1, 9, 1)
    ]
    many = {"sold_on": "2025-03-02", "rep_id": "all", "product_id": "p1"}
    sales.append({**many, "amount": 300.0 * 1e7, "units": 1e7})
    table = price_dispersion(make_inputs(sales=sales)).set_index("rep_id").drop("all")
    inside = ((table["low"] <= 0.95) & (table["high"] >= 0.95)).mean()
    assert 0.76 <= inside <= 0.84


def test_on_its_first_day_the_rest_of_the_year_is_the_year():
    inputs, scenario = company(), Scenario("s")
    rest = rest_of_year(inputs, scenario, inputs.settings.starts_on, 200)
    whole = coming_year(inputs, scenario, 200)
    assert (rest.draws == whole.draws).all()
    half = rest_of_year(inputs, scenario, date(2026, 7, 16), 200)
    months = whole.parts(["rep_id", "month"]).set_index(["rep_id", "month"])["expected"].unstack()
    left = months.loc[:, "2026-08-01":].sum(axis=1) + months[pd.Timestamp("2026-07-01")] * 16 / 31
    np.testing.assert_allclose(half.expected, left.reindex(half.expected.index), rtol=0.02)
    over = rest_of_year(inputs, scenario, date(2027, 1, 1), 200)
    assert not over.draws.any()


@pytest.fixture
def running(talking: Path, tmp_path: Path) -> Plan:
    """The plan of ann and bob in May: ann sold far more than her goal, bob nothing."""
    shutil.copytree(talking, tmp_path / "plan")
    sales = tmp_path / "plan" / "data" / "sales.csv"
    more = "".join(f"2026-{month:02}-15,ann,300,p1\n" for month in range(1, 5))
    sales.write_text(sales.read_text() + more + "2026-05-16,ann,0,p1\n")
    return load_plan(tmp_path / "plan")


def opened(plan: Plan) -> NotebookStep:
    where = (
        plan,
        prepare(plan),
        "North",
        plan.scenario("base"),
        plan.runs_folder / "draft" / "North",
    )
    return NotebookStep.open_at("04_goal_metrics", *where)


def test_the_year_to_date_sets_result_beside_what_is_due_and_says_how_likely_the_rest_is(
    running: Plan,
):
    step = opened(running)
    table = step.to_date().set_index("rep_id")
    months = step.goals().by("rep", "month").set_index(["rep_id", "month"])["goal"].unstack()
    due = months.loc[:, :"2026-04-01"].sum(axis=1) + months[pd.Timestamp("2026-05-01")] * 16 / 31
    np.testing.assert_allclose(table["due"], due)
    assert (table["until"] == "2026-05-17").all()
    assert table["actual"].to_dict() == {"ann": 1200.0, "bob": 0.0}
    assert (table["gap"] == table["actual"] - table["due"]).all()
    assert (table["to_go"] == table["goal"] - table["actual"]).all()
    assert table.loc["ann", "chance"] == 1.0 and table.loc["bob", "chance"] < 0.2
    assert (table["low"] >= table["actual"]).all() and (table["low"] < table["high"]).all()
    assert "1 of 2 people sold less" in str(step.chart(step.to_date()).to_dict())


def test_before_the_plan_has_results_there_is_nothing_to_date(talking: Path):
    step = opened(load_plan(talking))
    assert step.to_date().empty
    assert "No results of the planned year yet" in str(step.chart(step.to_date()).to_dict())


def test_everything_on_a_persons_page_fits_together(running: Plan):
    step, words = opened(running), Words.read("en", None, "page")
    sheet = person_page(step, "bob")
    texts = page(sheet, words)["tables"]

    def numbers(row):
        return [float(x.replace(",", "")) for x in row[1:] if x != "–"]

    *lines, total = [numbers(row) for row in texts["goals"]["rows"]]
    assert np.sum(lines, axis=0).tolist() == total and sum(total[:-1]) == total[-1] == 1000.0
    cells = cells_of(step)
    assert total[-1] == cells.loc[cells["rep_id"] == "bob", "amount"].sum()
    assert sum(numbers(row)[0] for row in texts["territories"]["rows"]) == total[-1]
    assert sum(float(row[1].replace(",", "")) for row in texts["parts"]["rows"]) == total[-1]
    for row in texts["activity"]["rows"]:
        if "Pipeline" not in row[0] and "Open" not in row[0]:
            *months, year = numbers(row)
            assert sum(months) == year
    pdf = Press(words).print(sheet)
    said = text_of(pdf)
    assert pages(pdf) == 1 and "Bob B." in said and "1,000" in said
    assert Press(words).print(person_page(step, "bob")) == pdf
    with pytest.raises(DataError, match="did you mean 'bob'"):
        person_page(step, "bop")


def test_forty_lines_and_a_hundred_promises_stay_on_one_page(running: Plan):
    from dataclasses import replace

    sheet = person_page(opened(running), "bob")
    cells = pd.concat([sheet.cells.assign(product_line=f"Line {k}") for k in range(40)])
    promise = {"promise": "joint visits " * 30, "owner": "zoe", "until": pd.Timestamp("2026-03-31")}
    promises = pd.DataFrame([promise] * 100)
    pdf = Press(Words.read("en", None, "page")).print(
        replace(sheet, cells=cells, promises=promises)
    )
    assert pages(pdf) == 1 and "and 96 more" in text_of(pdf)
