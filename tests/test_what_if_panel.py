"""The panel's desk: acts on a scenario, each undone and redone, nothing lost, nothing believed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planning_kit.plan import Scenario
from planning_kit.walk import Step, open_step
from planning_kit.walk.levers import LEVERS
from planning_kit.walk.what_if import WhatIf, ask
from planning_kit.widgets import what_if_panel
from planning_kit.widgets.desk import NOW, Desk
from planning_kit.widgets.panel import WhatIfPanel
from planning_kit.widgets.panel_view import panel_view
from tests.conftest import copy_sample

LEVER = {"act": "lever", "key": "target_change"}


@pytest.fixture(scope="module")
def opened(tmp_path_factory) -> Step:
    folder = tmp_path_factory.mktemp("panel")
    plan = copy_sample(folder / "sample")
    return open_step(
        "07_what_if", region="West", plan_folder=str(plan.folder), run_folder=str(folder / "run")
    )


@pytest.fixture
def step(opened: Step) -> Iterator[Step]:
    """Give the step of one company, whose scenarios are as they were afterwards."""
    folder = opened.plan.folder / "scenarios"
    before = {path: path.read_bytes() for path in folder.iterdir()}
    yield opened
    for path in folder.iterdir():
        if path in before:
            path.write_bytes(before[path])
        else:
            path.unlink()


@pytest.fixture
def desk(step: Step) -> Desk:
    return Desk.open(step)


def edit(*cells: tuple[str, str, str]) -> dict[str, Any]:
    return {"act": "edit", "cells": [list(cell) for cell in cells]}


def goals(desk: Desk) -> dict[str, float]:
    people = desk.answer.people
    return dict(zip(people["rep_id"], people["goal"], strict=True))


def two_people(desk: Desk) -> tuple[str, str]:
    open_to_all = desk.answer.people.query("locks == ''")["rep_id"]
    return open_to_all.iloc[0], open_to_all.iloc[1]


# --- acts --------------------------------------------------------------------------------------


def test_every_act_is_undone_and_redone_one_by_one(desk: Desk):
    ann, bob = two_people(desk)
    acts = [
        LEVER | {"text": "2%"},
        edit((ann, "goal", "1.000.000"), (bob, "hold", "yes")),
        edit((ann, "note", "new tender")),
        {"act": "lever", "key": "objective", "text": "equal_chance"},
        LEVER | {"text": None},
    ]
    seen = [desk.now]
    for act in acts:
        desk.do(act)
        assert desk.said == "" and desk.now != seen[-1]
        seen.append(desk.now)
    for before in reversed(seen[:-1]):
        desk.do({"act": "undo"})
        assert desk.now == before
    desk.do({"act": "undo"})
    assert desk.now == seen[0]
    for after in seen[1:]:
        desk.do({"act": "redo"})
        assert desk.now == after


def test_a_lever_that_is_dragged_is_one_act(desk: Desk):
    for text in ("1%", "2%", "3%"):
        desk.do(LEVER | {"text": text, "drag": True})
    desk.do(LEVER | {"text": "4%"})
    assert LEVERS["target_change"].value(desk.step, desk.now) == pytest.approx(0.04, abs=1e-4)
    desk.do(LEVER | {"text": "5%"})  # another move, another act
    desk.do({"act": "undo"})
    assert LEVERS["target_change"].value(desk.step, desk.now) == pytest.approx(0.04, abs=1e-4)
    desk.do({"act": "undo"})
    assert desk.now == desk.step.scenario and not desk.past


def test_a_paste_is_one_act_and_its_wrong_cells_are_kept_for_correction(desk: Desk):
    ann, bob = two_people(desk)
    desk.do(edit((ann, "goal", "9oo"), (bob, "goal", "1,000,050"), (bob, "least", "900000")))
    assert set(desk.wrong) == {(ann, "goal"), (bob, "goal")}
    shown = panel_view(desk)["errors"]
    assert shown[ann]["goal"]["text"] == "9oo" and "amount" in shown[ann]["goal"]["message"]
    assert "1,000,000" in shown[bob]["goal"]["message"]  # the nearest whole unit is named
    assert desk.answer.people.set_index("rep_id").loc[bob, "least"] == 900000
    desk.do(edit((ann, "goal", "900000")))
    assert set(desk.wrong) == {(bob, "goal")} and goals(desk)[ann] == 900000
    desk.do({"act": "undo"})
    desk.do({"act": "undo"})
    assert desk.now == desk.step.scenario and not desk.wrong


def test_a_wrong_lever_is_named_and_changes_nothing(desk: Desk):
    desk.do(LEVER | {"text": "eight"})
    assert desk.now == desk.step.scenario
    (lever,) = (one for one in panel_view(desk)["levers"] if one["key"] == "target_change")
    assert lever["error"]["text"] == "eight" and lever["as_in_scenario"]


def test_the_same_share_however_it_is_typed(desk: Desk):
    found = set()
    for text in ("8%", "8 %", "8", "0,08", "0.08"):
        desk.do(LEVER | {"text": text})
        found.add(desk.answer.digest)
    assert len(found) == 1


def test_the_way_out_of_a_conflict_is_an_act(desk: Desk):
    cells = [(rep, "most", "100000") for rep in goals(desk)]
    desk.do(edit(*cells))
    view = panel_view(desk)
    assert "cannot all hold" in view["message"] and view["ways"] and not view["cards"]
    assert "R0" not in view["message"]  # people by name
    desk.do({"act": "save"})
    assert "not saved" in desk.said
    for at in range(len(view["ways"])):
        desk.do({"act": "way", "at": at})
        assert not desk.answer.message
        desk.do({"act": "undo"})
        assert desk.answer.message
    desk.do({"act": "way", "at": 99})
    assert "no longer offered" in desk.said


# --- what is shown -----------------------------------------------------------------------------


def test_what_is_shown_adds_up_and_is_what_the_package_says_of_the_written_file(desk: Desk):
    ann, bob = two_people(desk)
    desk.do(LEVER | {"text": "2%"})
    desk.do(edit((ann, "hold", "yes"), (bob, "most", str(int(goals(desk)[bob]) - 10000))))
    desk.do({"act": "lever", "key": "market", "text": "4%"})
    view = panel_view(desk)
    shown = {row["id"]: row["values"]["goal"] for row in view["rows"]}
    assert sum(shown.values()) == pytest.approx(view["totals"]["goal"]) and view["gap"] == 0
    desk.do({"act": "save_as", "name": "trial"})
    assert desk.said == "written: scenarios/trial.toml"
    step = desk.step
    apart = open_step("07_what_if", "West", str(step.plan.folder), str(step.folder), "trial")
    people = ask(apart, apart.scenario).people.set_index("rep_id")
    assert people["goal"].to_dict() == shown
    chance = {row["id"]: row["values"]["chance"] for row in view["rows"]}
    assert people["chance"].fillna(-1).to_dict() == {
        k: -1 if v is None else v for k, v in chance.items()
    }
    assert view["digest"] != panel_view(desk)["digest"]  # the name belongs to it


def test_the_picture_has_twenty_rows_at_most_and_words(desk: Desk):
    view = panel_view(desk)
    assert 0 < len(view["picture"]) <= 20
    assert all(f"goal {row['goal']:,.0f} EUR" in row["words"] for row in view["picture"])
    ann, _ = two_people(desk)
    desk.do(edit((ann, "goal", "1000000")))
    held = [row for row in panel_view(desk)["picture"] if row["held"]]
    assert "held here" in [row["held"] for row in held]


def test_the_steps_of_a_person_add_up_to_the_goal(desk: Desk):
    ann, _ = two_people(desk)
    desk.do({"act": "open", "id": ann})
    *steps, last = panel_view(desk)["person"]["steps"]
    amounts = [float(text.removesuffix(" EUR").replace(",", "")) for _, text in (*steps, last)]
    assert last[0] == "goal" and sum(amounts[:-1]) == pytest.approx(amounts[-1], abs=len(steps))
    desk.do({"act": "open", "id": "nobody"})
    assert "unknown" in desk.said
    desk.do({"act": "open", "id": None})
    assert panel_view(desk)["person"] is None


def test_scenarios_are_compared_and_the_difference_is_explained(desk: Desk):
    before = sum(goals(desk).values())
    desk.do(LEVER | {"text": "3%"})
    desk.do({"act": "lever", "key": "most_up", "text": "30%"})
    desk.do({"act": "compare", "names": ["base", NOW]})
    both, parts = panel_view(desk)["compared"]
    assert both["heads"] == ["person", "base", NOW] and both["rows"][0][0] == "all together"
    assert {row[0] for row in parts["rows"]} == {"target", "rule 'what if: largest change'"}
    amounts = [float(row[1].removesuffix(" EUR").replace(",", "")) for row in parts["rows"]]
    assert sum(amounts) == pytest.approx(sum(goals(desk).values()) - before)
    desk.do({"act": "compare", "names": ["base"] * 6})
    assert "up to 5" in desk.said


# --- files -------------------------------------------------------------------------------------


def test_unsaved_work_comes_back_after_a_restart_and_reset_ends_it(desk: Desk, step: Step):
    desk.do(LEVER | {"text": "2%"})
    again = Desk.open(step)
    assert again.now == desk.now and "unsaved work" in again.said
    again.do({"act": "undo"})
    assert again.now == step.scenario
    assert Desk.open(step).now == step.scenario and not Desk.open(step).said


def test_values_to_open_with_do_not_cost_the_unsaved_work(desk: Desk, step: Step):
    desk.do(LEVER | {"text": "2%"})
    again = Desk.open(step, step.scenario.with_(note="another start"))
    assert again.now.note == "another start" and "Undo" in again.said
    again.do(LEVER | {"text": "1%"})
    again.do({"act": "undo"})
    again.do({"act": "undo"})
    assert again.now == desk.now


def test_what_somebody_else_wrote_is_offered_and_never_overwritten(desk: Desk, step: Step):
    desk.do({"act": "save_as", "name": "ours"})
    path = desk.file.path
    desk.do(LEVER | {"text": "2%"})
    mine, theirs = desk.now, desk.file.scenario.with_(note="by somebody else").to_toml()
    path.write_text(theirs, "utf-8")
    assert panel_view(desk)["file"]["is_overtaken"]
    desk.do({"act": "save"})
    assert "changed by somebody else" in desk.said and path.read_text("utf-8") == theirs
    desk.do({"act": "take"})
    assert desk.now.note == "by somebody else" and not panel_view(desk)["file"]["is_overtaken"]
    desk.do({"act": "undo"})
    assert desk.now == mine
    path.write_text(theirs + "# once more\n", "utf-8")
    desk.do({"act": "save", "over": True})
    assert desk.said == "written: scenarios/ours.toml" and "by somebody" not in path.read_text(
        "utf-8"
    )


def test_a_copy_is_the_file_as_it_is_and_never_takes_a_name_that_is_taken(desk: Desk):
    desk.do(LEVER | {"text": "2%"})
    desk.do({"act": "duplicate", "name": "copy"})
    assert desk.said == "copied to: scenarios/copy.toml" and desk.is_changed
    copied = desk.file.path.with_name("copy.toml")
    assert copied.read_bytes() == desk.file.path.read_bytes()
    desk.do({"act": "duplicate", "name": "stretch"})
    assert "already" in desk.said
    desk.do({"act": "duplicate", "name": "../x"})
    assert "letters" in desk.said


def test_another_scenario_is_opened_and_says_how_it_is_run(desk: Desk):
    desk.do({"act": "load", "name": "stretch"})
    assert desk.step.scenario.name == "stretch" and desk.said == "opened: scenarios/stretch.toml"
    desk.do({"act": "use"})
    assert desk.said == "planning-kit run --scenario 'stretch'"
    desk.do({"act": "load", "name": "../plan"})
    assert "unknown" in desk.said and desk.step.scenario.name == "stretch"


# --- the widget --------------------------------------------------------------------------------


def test_the_widget_answers_every_message_with_its_number(step: Step):
    panel = what_if_panel(step)
    assert isinstance(panel, WhatIfPanel) and json.dumps(panel.view)
    first = panel.view["seq"]
    acts = [LEVER | {"text": "1%"}, {"act": "undo"}, LEVER | {"text": "2%"}]
    panel.hear({"client": "a", "seq": 7, "acts": acts})
    assert (panel.view["client"], panel.view["acted"]) == ("a", 7) and panel.view["seq"] > first
    assert panel.view["digest"] == panel.desk.answer.digest
    assert len(panel.desk.past) == 1


def test_the_parameters_of_the_notebook_are_what_it_opens_with(step: Step):
    panel = what_if_panel(step, WhatIf(target_change=0.02))
    assert panel.view["file"]["is_changed"] and panel.view["cards"][0]["value"].endswith("EUR")
    assert panel.desk.now != step.scenario


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
ACTS = (
    "edit",
    "lever",
    "way",
    "undo",
    "redo",
    "reset",
    "save",
    "save_as",
    "load",
    "open",
    "compare",
)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["cells", "key", "text", "at", "name", "id", "names", "drag", "over"]), JUNK
    ),
    st.sampled_from(ACTS) | JUNK,
)
def test_no_message_breaks_it(opened: Step, content: dict[str, Any], name: Any):
    desk = Desk.open(opened)
    desk.do(content | {"act": name})
    assert isinstance(desk.now, Scenario) and isinstance(desk.said, str)
    assert json.dumps(panel_view(desk), allow_nan=False)
