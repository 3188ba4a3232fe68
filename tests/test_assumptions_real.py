"""How honest the ranges are on a company the model was not made for, whatever comes out."""

from __future__ import annotations

import pytest

from planning_kit.data import Region, open_inputs, prepare
from planning_kit.outlook import interval_coverage, measured_calibration, method_tournament
from tests.conftest import real_plan

pytestmark = pytest.mark.realdata


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Region:
    plan = real_plan("adventureworks", tmp_path_factory.mktemp("aw_assumed"))
    return open_inputs(plan, prepare(plan))


def test_the_ranges_of_a_held_out_year_are_too_wide_for_people_and_too_narrow_for_months(company):
    table = interval_coverage(company)
    last = table[table["year"] == "2013-06-01"].set_index("cut")
    assert last[["cells", "inside"]].to_dict("index") == {
        "rep and year": {"cells": 16, "inside": 16},
        "rep, line and month": {"cells": 768, "inside": 479},
    }
    assert last["note"].eq("").all()
    first = table[table["year"] == "2012-06-01"]
    assert first["note"].str.startswith("no earlier year").all() and len(table) == 4


def test_goals_likely_to_be_reached_were_reached_more_often_than_promised(company):
    table = measured_calibration(company).set_index(["cut", "chance"])
    people = table.loc["rep and year"]
    assert people["goals"].eq(16).all() and table.loc["rep and quarter"]["goals"].eq(64).all()
    assert people["share"].is_monotonic_increasing
    # One good year of the whole: what hit everybody does not average out over sixteen people.
    assert people["share"].iloc[-4:].eq(1.0).all() and people["share"].iloc[:4].max() <= 0.5


def test_no_method_is_recommended_where_none_beats_last_year(company):
    assert not method_tournament(company)["recommended"].any()
