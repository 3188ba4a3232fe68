"""How honest the ranges are on a company the model was not made for, whatever comes out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from planning_kit.data import Region, open_inputs, prepare
from planning_kit.outlook import interval_coverage, measured_calibration, method_tournament
from planning_kit.outlook.ranges import _held_out, _ranks_again
from tests.conftest import real_plan

pytestmark = pytest.mark.realdata


def company_of(name: str, folder: Path) -> Region:
    plan = real_plan(name, folder)
    return open_inputs(plan, prepare(plan))


@pytest.fixture(scope="module")
def adventureworks(tmp_path_factory: pytest.TempPathFactory) -> Region:
    return company_of("adventureworks", tmp_path_factory.mktemp("aw_assumed"))


@pytest.fixture(scope="module")
def classicmodels(tmp_path_factory: pytest.TempPathFactory) -> Region:
    return company_of("classicmodels", tmp_path_factory.mktemp("cm_assumed"))


def coverage(company: Region, year: str) -> pd.DataFrame:
    table = interval_coverage(company)
    return table[table["year"] == year].set_index("cut")


def test_eight_in_ten_line_months_of_a_company_of_large_orders_are_inside(adventureworks):
    last = coverage(adventureworks, "2013-06-01")
    assert 0.75 <= last.loc["rep, line and month", "share"] <= 0.85
    assert last.loc["rep and year", "inside"] >= 13 and last["note"].eq("").all()


def test_three_in_four_people_are_inside_where_no_year_could_be_measured(
    adventureworks, classicmodels
):
    years = [coverage(adventureworks, "2012-06-01"), coverage(classicmodels, "2004-06-01")]
    people = pd.DataFrame([year.loc["rep and year"] for year in years])
    assert people["cells"].sum() == 26 and people["inside"].sum() >= 19
    assert people["note"].str.startswith("no earlier year").all()


def test_goals_of_a_chance_are_reached_about_that_often(adventureworks):
    table = measured_calibration(adventureworks).set_index(["cut", "chance"])["share"]
    people, quarters = table["rep and year"], table["rep and quarter"]
    assert people.is_monotonic_increasing and quarters.is_monotonic_increasing
    # Sixteen people of one year: one person is six points.
    assert (people - people.index).abs().max() <= 0.25
    assert (people - people.index).abs().mean() <= 0.15


def test_goals_of_both_companies_are_reached_within_fifteen_points_of_their_chance(
    adventureworks, classicmodels
):
    # Three years, two of them without an earlier one to measure misses on; a person is 2.5 points.
    years = [year for company in (adventureworks, classicmodels) for year in _held_out(company)]
    found = [_ranks_again(past.rows, ["rep_id"], misses, "year") for past, misses in years]
    asked, people = np.arange(1, 10) / 10, np.concatenate(found)
    reached = np.array([(people >= 1 - chance).mean() for chance in asked])
    assert len(people) == 40
    assert np.abs(reached - asked).max() <= 0.15 + 1e-9


def test_a_method_that_loses_to_last_year_says_so(adventureworks, classicmodels):
    ours, theirs = (
        method_tournament(company).set_index("method")
        for company in (adventureworks, classicmodels)
    )
    assert not ours["recommended"].any() and not theirs["recommended"].any()
    used, last = theirs.loc["seasonal model"], theirs.loc["last year"]
    assert used["wmape"] > last["wmape"]
    gap = f"{last['wmape']:.1%} off against {used['wmape']:.1%}"
    assert used["note"].startswith(f"last year was nearer: {gap}")
    nearer = ours.loc["seasonal model", "wmape"] <= ours.loc["last year", "wmape"]
    assert nearer != ours.loc["seasonal model", "note"].startswith("last year was nearer")
