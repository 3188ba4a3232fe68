"""The goals that stand: every cut and every month adds up, and says what it rests on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planning_kit.agreement import (
    Event,
    Goals,
    agreement_findings,
    play_log,
    record_events,
    standing_goals,
)
from planning_kit.allocation import phase
from planning_kit.messages import DataError
from tests.making import make_settings

ALLOCATION = pd.DataFrame(
    {
        "rep_id": ["ann", "ann", "bob", "cy"],
        "territory_id": ["t1", "t1", "t2", "t3"],
        "product_line": ["GTX", "MG", "GTX", "MG"],
        "region": "North",
        "base": [50.0, 50.0, 180.0, 0.0],
        "goal": [60.0, 40.0, 200.0, 300.0],
        "held_by": ["cap", "", "", "floor"],
    }
)
SEASON = pd.DataFrame(
    {
        "product_line": np.repeat(["GTX", "MG"], 4),
        "month": [*pd.date_range("2026-01-01", periods=4, freq="MS").astype("datetime64[us]")] * 2,
        "share": [0.1, 0.2, 0.3, 0.4, 0.4, 0.3, 0.2, 0.1],
    }
)
STEPS = pd.DataFrame(
    {
        "rep_id": ["ann", "ann", "bob", "bob", "cy", "cy"],
        "step": ["base", "growth"] * 3,
        "amount": [100.0, 0.0, 180.0, 20.0, 0.0, 300.0],
    }
)


def talk(*events: Event, allocation: pd.DataFrame = ALLOCATION, unit: float = 10) -> Goals:
    """Give the goals that stand after some moves."""
    sums = allocation.groupby("rep_id")["goal"].sum(min_count=1).dropna().round(2)
    assigned = [Event("assign", rep, "plan", amount) for rep, amount in sums.items()]
    lines = record_events([*assigned, *events], make_settings(rounding_unit=unit))
    labels = ["rep_id", "territory_id", "product_line"]
    tables = {
        "monthly_goals": phase(allocation[[*labels, "goal"]], SEASON, unit),
        "allocation_steps": STEPS,
    }
    return standing_goals(
        allocation,
        unit,
        play_log(lines),
        log_digest=lines["digest"].iloc[-1],
        tables=tables.__getitem__,
    )


ANN = (Event("propose", "ann", "ann", 80), Event("accept", "ann", "mia", 80))
BOB = (
    Event("escalate", "bob", "bob", reason="too far apart"),
    Event("decide", "bob", "zoe", 150, "half way"),
)


def test_what_nobody_spoke_about_stands_as_allocated():
    goals = talk()
    people = goals.by("rep").set_index("rep_id")
    assert people["goal"].tolist() == people["allocated"].tolist() == [100, 200, 300]
    assert people["base"].tolist() == [100, 180, 0]
    assert people["change_share"].round(3).tolist()[:2] == [0.0, 0.111]
    assert np.isnan(people.loc["cy", "change_share"])  # from nothing
    assert people["held_by"].tolist() == ["cap", "", "floor"]
    assert people["agreed"].isna().all() and set(people["basis"]) == {"allocated"}
    assert np.isnan(goals.agreed()) and goals.gap(600) == 0 and goals.gap(610) == -10


def test_an_accepted_number_stands_and_a_decided_one_is_not_called_agreed():
    goals = talk(*ANN, *BOB)
    people = goals.by("rep").set_index("rep_id")
    assert people["goal"].tolist() == [80, 150, 300]
    assert people["allocated"].tolist() == [100, 200, 300]
    assert people["basis"].tolist() == ["agreed", "decided", "allocated"]
    assert people["agreed"].fillna(-1).tolist() == [80, -1, -1]
    assert (goals.allocated(), goals.standing(), goals.agreed()) == (600, 530, 80)
    assert goals.people() == ["ann", "bob", "cy"] and goals.people("decided") == ["bob"]
    lines = goals.by("product_line").set_index("product_line")
    assert lines["basis"].tolist() == ["agreed, decided", "agreed, allocated"]
    assert lines["goal"].tolist() == [50 + 150, 30 + 300]  # ann's 80 as 60 to 40 were


def test_every_cut_adds_up_to_the_goals_that_stand():
    goals = talk(*ANN, *BOB)
    for cuts in (["rep"], ["territory"], ["region", "month"], ["rep", "product_line", "month"]):
        table = goals.by(*cuts)
        assert table["goal"].sum() == goals.standing() == 530
        assert table["allocated"].sum() == goals.allocated() == 600
        assert table["agreed"].sum() == goals.agreed()
    assert "base" not in goals.by("month")  # nobody says what a month starts from
    with pytest.raises(DataError, match=r"'teritory' .did you mean 'territory_id'"):
        goals.by("teritory")


def test_months_of_whoever_did_not_move_stay_and_of_the_others_follow_the_season_of_the_line():
    before, after = talk(), talk(*ANN)
    one, two = (g.table.set_index(["rep_id", "product_line", "month"]) for g in (before, after))
    others = ["bob", "cy"]
    pd.testing.assert_series_equal(one.loc[others, "goal"], two.loc[others, "goal"])
    assert two.loc[("ann", "GTX"), "goal"].sum() == 50
    assert two.loc[("ann", "GTX"), "goal"].is_monotonic_increasing
    assert two.loc[("ann", "MG"), "goal"].is_monotonic_decreasing
    assert two.loc["ann", "basis"].eq("agreed").all()
    assert two.loc[others, "agreed"].isna().all()
    # Nor does it matter to ann who else has agreed.
    both = talk(*ANN, *BOB).table.set_index(["rep_id", "product_line", "month"])
    pd.testing.assert_frame_equal(two.loc[["ann"]], both.loc[["ann"]])


def test_what_a_caller_does_to_the_months_stays_with_the_caller():
    goals = talk()
    table = goals.table
    table["goal"] = 0.0
    assert goals.table["goal"].sum() == 600


def test_months_of_another_allocation_are_refused():
    monthly = phase(ALLOCATION[["rep_id", "territory_id", "product_line", "goal"]], SEASON, 10)
    other = ALLOCATION.assign(goal=[60.0, 40.0, 200.0, 310.0])
    with pytest.raises(DataError, match="run notebook 03 again"):
        standing_goals(other, 10, tables={"monthly_goals": monthly}.__getitem__).table  # noqa: B018
    with pytest.raises(DataError, match="made without the table 'monthly_goals'"):
        standing_goals(other, 10).table  # noqa: B018


def test_the_steps_of_everybody_add_up_to_the_goal_that_stands():
    goals = talk(*ANN, *BOB)
    steps = goals.why()
    people = goals.by("rep").set_index("rep_id")["goal"]
    assert steps.groupby("rep_id")["amount"].sum().tolist() == people.tolist()
    assert goals.why("ann")["step"].tolist() == ["base", "growth", "agreement"]
    assert goals.why("ann")["amount"].tolist() == [100, 0, -20]
    assert goals.why("cy")["step"].tolist() == ["base", "growth"]
    with pytest.raises(DataError, match="did you mean 'ann'"):
        goals.why("anne")


def test_the_version_is_that_of_the_allocation_and_of_the_last_line_about_these_people():
    assert talk().version == talk().version
    noted = (*ANN, Event("note", "cy", "mia", reason="calls back"))
    others = ALLOCATION.assign(goal=[60.0, 50.0, 190.0, 300.0])
    versions = [talk().version, talk(*ANN).version, talk(*noted).version]
    assert len({*versions, talk(allocation=others).version}) == 4


def test_a_number_for_somebody_nobody_planned_a_goal_for_is_kept_apart_from_zero():
    empty = ALLOCATION.assign(goal=[60.0, 40.0, 200.0, np.nan])
    goals = talk(*ANN, allocation=empty)
    assert goals.people() == ["ann", "bob"]
    cells = goals.by("rep").set_index("rep_id")
    assert np.isnan(cells.loc["cy", "goal"]) and cells.loc["cy", "basis"] == ""
    assert goals.table.set_index("rep_id").loc["cy", "goal"].isna().all()
    zero = talk(
        Event("propose", "ann", "ann", 0), Event("accept", "ann", "mia", 0), allocation=empty
    )
    assert zero.by("rep")["agreed"].tolist()[0] == 0.0 and zero.agreed() == 0.0


@given(
    st.lists(st.integers(0, 10**9), min_size=4, max_size=4),
    st.integers(0, 10**9),
    st.sampled_from([0.01, 1.0, 1000.0]),
)
@settings(max_examples=25, deadline=None)
def test_amounts_of_any_size_add_up_to_the_unit_in_every_cut_and_month(units, agreed, unit):
    amounts = [u / 100 if unit < 1 else u * unit for u in units]
    said = agreed / 100 if unit < 1 else agreed * unit
    moves = (Event("propose", "ann", "ann", said), Event("accept", "ann", "mia", said))
    goals = talk(*moves, allocation=ALLOCATION.assign(goal=amounts), unit=unit)
    whole = agreed + units[2] + units[3]
    for table in (goals.by("rep"), goals.by("month", "territory"), goals.table, goals.cells):
        assert round(sum(round(amount / unit) for amount in table["goal"])) == whole
    assert round(goals.gap(goals.allocated()) / unit) == whole - sum(units)
    assert round(goals.agreed() / unit) == agreed


HELD = ALLOCATION.assign(lower=[0.0, 40.0, 0.0, 0.0], upper=[90.0, 40.0, np.inf, np.inf])


def test_a_held_cell_stays_when_the_number_of_its_person_is_agreed():
    goals = talk(*ANN, allocation=HELD)
    assert goals.cells["goal"].tolist() == [40, 40, 200, 300]  # and not 50 and 30
    assert goals.off_hold == ()
    assert "agreement.hold" not in set(findings_on(goals)["finding_id"])


@pytest.mark.parametrize(
    ("agreed", "cells"),
    [
        (30, [20, 10]),  # less than what is held
        (150, [90, 60]),  # the other cell would be at 110, above its limit of 90
    ],
)
def test_where_the_other_cells_have_no_room_all_move_alike_and_it_is_said(agreed, cells):
    said = (Event("propose", "ann", "ann", agreed), Event("accept", "ann", "mia", agreed))
    goals = talk(*said, allocation=HELD)
    assert goals.cells["goal"].tolist()[:2] == cells
    assert goals.off_hold == ("ann",)
    found = findings_on(goals).set_index("finding_id").loc["agreement.hold"]
    assert found["status"] == "review" and "1 person" in found["message"]
    assert "'ann'" in found["message"]


def test_where_all_cells_are_held_only_their_sum_moves_none():
    held = HELD.assign(lower=[60.0, 40.0, 0.0, 0.0], upper=[60.0, 40.0, np.inf, np.inf])
    same = (Event("propose", "ann", "ann", 100), Event("accept", "ann", "mia", 100))
    assert talk(*same, allocation=held).off_hold == ()
    assert talk(*ANN, allocation=held).off_hold == ("ann",)


def findings_on(goals):
    lines = record_events([Event("assign", "ann", "plan", 100)], make_settings(rounding_unit=10))
    return agreement_findings(play_log(lines), goals)


@given(st.lists(st.integers(0, 50), min_size=4, max_size=4), st.integers(0, 200), st.data())
@settings(max_examples=25, deadline=None)
def test_a_number_is_spread_exactly_and_held_cells_stay_wherever_they_can(units, agreed, data):
    held = data.draw(st.lists(st.booleans(), min_size=4, max_size=4))
    amounts = np.array(units) * 10.0
    rows = pd.DataFrame({"rep_id": "ann", "product_line": [*"abcd"], "goal": amounts})
    rows["lower"], rows["upper"] = np.where(held, amounts, 0), np.where(held, amounts, np.inf)
    state = pd.DataFrame(
        {
            "rep_id": ["ann"],
            "status": "accepted",
            "agreed_cells": [f'[["", "", "{agreed * 10}"]]'],
        }
    )
    goals = standing_goals(rows, 10, state)
    found = goals.cells["goal"].to_numpy()
    assert found.sum() == agreed * 10 and (found >= 0).all()
    stays = (found == amounts)[held].all()
    can = agreed * 10 >= amounts[held].sum() and not all(held)
    assert stays or not can
    assert bool(goals.off_hold) == (not stays)
