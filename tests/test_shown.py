"""Tables as people read them: what a column means decides how it is written, not its name."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from planning_kit.data import Region, read_table
from planning_kit.messages import DataError
from planning_kit.messages.amounts import EMPTY
from planning_kit.output.columns import BY_ROW, KINDS, catalogue, explained, reference
from planning_kit.output.shown import Shown, named_text, show_table
from planning_kit.plan import Plan
from tests.conftest import ROOT
from tests.making import make_inputs, make_settings
from tests.walking import walk


def cells(table: dict, columns: str, **options) -> list[tuple[str, ...]]:
    return list(show_table(pd.DataFrame(table), columns, **options).rows)


def company(**changed) -> Region:
    return make_inputs(
        settings=make_settings(**changed),
        reps="rep_id rep_name manager_id\nR01 Ann M01\nR02 Bob M01\n1001 Cyd M01\nM01 Mia -",
        territories="territory_id territory_name region\nT01 Coast North",
        products="product_id product_name product_line\nP01 Racer Bikes",
        events="event_id starts_on\nE1 2025-03-01",
        sales="sold_on rep_id amount\n2025-03-01 R01 100",
    )


# --- what a column means -----------------------------------------------------------------------


def test_the_same_name_is_written_as_what_it_means_in_its_table():
    three = {"coverage": [3.2]}
    assert cells({"pipeline_amount": [9.0], **three}, "coverage") == [("3.2 x",)]
    assert cells({"rounds": [1], "coverage": [0.8]}, "coverage") == [("80.0 %",)]
    assert cells({"market_before": [9.0], "coverage": [-338694.2]}, "coverage") == [("-338,694",)]
    inside = {"cut": ["rep"], "cells": [10], "inside": [9], "share": [0.9]}
    assert show_table(pd.DataFrame(inside)).head[-1] == "interval coverage"
    # With nothing beside it that tells the meaning, none is guessed.
    shown = show_table(pd.DataFrame(three))
    assert shown.rows == (("3.20",),) and shown.unexplained == ("coverage",)


def test_effects_named_like_shares_are_amounts_however_small():
    funnel = {"won_before": [1], "presentations": [2.0], "closing_ratio": [-0.5]}
    assert cells(funnel, "presentations closing_ratio") == [("2", "-0.50")]
    assert cells({"closed": [4], "ratio": [0.2]}, "ratio") == [("20.0 %",)]


def test_values_of_a_register_are_written_in_the_unit_of_their_row():
    rows = {
        "assumption_id": list("abcd"),
        "unit": ["share", "months", "days", "%"],
        "low": [0.0194, 1.5, 248, 2],
        "high": [0.241, 4, 1250, None],
    }
    assert cells(rows, "low high") == [
        ("1.9 %", "24.1 %"),
        ("1.5 months", "4 months"),
        ("248 days", "1,250 days"),
        ("2 %", EMPTY),
    ]
    assert cells(rows, "low unit")[1] == ("1.5", "months")  # the unit stands beside it


def test_rows_of_one_column_are_written_each_as_what_it_is():
    bridge = {
        "factor": ["seats", "vacancy", "productivity"],
        "meaning": "",
        "before": [60.0, 0.972, 256338.4],
    }
    assert [row[0] for row in cells(bridge, "before")] == ["60 months", "97.2 %", "256,338"]
    tests = {"test": ["share_at_goal", "size"], "value": [0.583, -0.475]}
    assert [row[0] for row in cells(tests, "value")] == ["58.3 %", "-0.47"]


def test_chances_are_whole_per_cent_and_never_certain_by_rounding():
    assert [row[0] for row in cells({"chance": [0.571, 0.004, 0.9999, 1.0, None]}, "chance")] == [
        "57 %",
        "< 1 %",
        "> 99 %",
        "100 %",
        EMPTY,
    ]


def test_a_number_of_a_line_has_no_separators_and_a_year_is_a_year():
    shown = show_table(pd.DataFrame({"row": [1373], "year": pd.to_datetime(["2025-01-01"])}))
    assert shown.rows == (("1373", "2025"),)


def test_every_line_of_the_catalogue_can_be_reached_and_says_its_unit():
    for column in catalogue():
        assert column.kind in KINDS and column.heading and column.meaning, column
        assert set(column.meaning) - set('"') and "_" not in column.heading, column
        assert explained([column.name, *column.beside])[column.name] == column
        if column.kind in ("hours", "days", "months", "years"):
            assert column.kind in column.heading or column.heading == "overdue", column
    assert not set(BY_ROW) - set(KINDS)
    twice = Counter((column.name, column.beside) for column in catalogue())
    assert max(twice.values()) == 1


def test_the_committed_page_of_columns_is_that_of_the_catalogue():
    page = (ROOT / "docs" / "reference" / "columns.md").read_text(encoding="utf-8")
    assert page == reference(), "write it anew: planning_kit.output.columns.reference()"


def test_every_column_that_a_notebook_shows_or_writes_is_explained(
    sample: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PLANNING_CHARTS", "vega")
    seen: list[object] = []
    walk(sample, tmp_path, ["East"], shown=seen)
    tables = [one for one in seen if isinstance(one, Shown)]
    assert len(tables) > 60
    assert {name for table in tables for name in table.unexplained} == set()
    written = {path.stem: read_table(path).columns for path in tmp_path.glob("*/tables/*.csv")}
    assert len(written) > 50
    assert {
        f"{name}.{column}"
        for name, columns in written.items()
        for column in set(columns) - set(explained(columns))
    } == set()


# --- names and currency of the region ----------------------------------------------------------


def test_with_a_region_names_stand_for_ids_and_the_currency_is_said_once():
    goals = pd.DataFrame({"manager_id": "M01", "rep_id": ["R01", "1001"], "goal": [1200.0, 800.0]})
    shown = show_table(goals, region=company(), caption="Goals")
    assert shown.head == ("manager", "person", "goal")
    assert shown.rows == (("Mia", "Ann", "1,200"), ("Mia", "Cyd", "800"))
    assert shown.caption == "Goals. Amounts in EUR"
    assert show_table(goals, "rep", region=company()).caption == ""
    assert show_table(goals, "rep_id rep", region=company()).rows[0] == ("R01", "Ann")  # asked for


def test_a_table_that_brings_its_names_is_not_given_them_twice():
    shown = show_table(company().reps[["rep_id", "rep_name"]], region=company())
    assert shown.head == ("person",)


def test_texts_say_names_instead_of_ids_and_leave_numbers_and_other_ids_alone():
    region = company()
    said = {
        "2 people are open: 'R01', '1001'.": "2 people are open: Ann, Cyd.",
        "M01: 12 h left; 1001 EUR of R02's goal": "Mia: 12 h left; 1001 EUR of Bob's goal",
        "products P01": "products Racer",
        "events E1 in 'T01'": "events E1 in Coast",
        "nobody's word 'X99'": "nobody's word 'X99'",
        "R01": "Ann",
    }
    assert {text: named_text(text, region) for text in said} == said
    found = pd.DataFrame({"where": ["M01"], "message": ["'R02' is short"]})
    assert show_table(found, region=region).rows == (("Mia", "Bob is short"),)
    rules = pd.DataFrame({"group": ["R01"], "limit": ["each rep_id of all cells"]})
    assert show_table(rules, region=region).rows == (("Ann", "each person of all cells"),)
    assert show_table(pd.DataFrame({"cut": ["territory_id", "rep and year"]})).rows == (
        ("territory",),
        ("rep and year",),
    )


def test_amounts_of_a_plan_in_cents_have_cents():
    table = pd.DataFrame({"goal": [1200.0, 800.5]})
    assert show_table(table, region=company(rounding_unit=0.01)).rows[0] == ("1,200.00",)
    assert show_table(table, region=company()).rows == (("1,200",), ("800",))


def test_a_column_that_is_not_there_names_the_nearest_one():
    with pytest.raises(DataError, match="did you mean 'goal'"):
        show_table(pd.DataFrame({"goal": [1.0]}), "gaol")


def test_a_table_without_rows_keeps_its_headings_and_sides():
    empty = pd.DataFrame({"rep": [], "goal": []}, dtype="str")
    shown = show_table(empty, region=company())
    assert shown.head == ("person", "goal") and shown.numeric == (False, True)
    assert "no rows" in shown._repr_html_()
