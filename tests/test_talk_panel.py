"""The moves of a talk as buttons: only what is possible, nothing lost, everything by the door."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import ipywidgets as w
import pytest

from planning_kit.agreement import MOVES, Event, read_events
from planning_kit.agreement.door import Door
from planning_kit.agreement.keys import VARIABLE
from planning_kit.messages import DataError
from planning_kit.messages.amounts import read_amount
from planning_kit.plan import load_plan
from planning_kit.walk.first_words import step_today
from planning_kit.widgets import talk_panel


class Panel:
    """The panel by the labels of its fields, as somebody who clicks sees it."""

    def __init__(self, door: Door, rep_id: str = "bob", **charts: str) -> None:
        self.door = door
        self.box = talk_panel(step_today(door.plan, door.prepared, "North"), rep_id)
        self.box.children[0].click()
        (view,) = self.box.children
        self.all = view.children
        self.message, self.state, self.picture, self.lines = self.all[-4:]

    def __getitem__(self, label: str) -> Any:
        return next(one for one in self.all if getattr(one, "description", "") == label)

    @property
    def moves(self) -> tuple[str, ...]:
        return self["move"].options

    @property
    def speakers(self) -> list[str]:
        return [who for _, who in self["who speaks"].options]

    def shown(self) -> set[str]:
        named = [one for one in self.all if getattr(one, "description", "")]
        return {one.description for one in named if one.layout.display != "none"}

    def move(self, kind: str, speaker: str = "", **fields: str) -> str:
        self["move"].value = kind
        if speaker:
            self["who speaks"].value = speaker
        for name, text in fields.items():
            self[name.replace("_", " ")].value = text
        before = len(read_events(self.door.log))
        self["Record"].click()
        written = len(read_events(self.door.log)) - before
        assert written == ("recorded:" in self.message.value)
        return self.message.value


@pytest.fixture
def door(talking: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Door:
    monkeypatch.setenv("PLANNING_CHARTS", "vega")
    shutil.copytree(talking, tmp_path / "plan")
    return Door.open(load_plan(tmp_path / "plan"))


def test_nothing_is_read_or_written_before_somebody_clicks(door: Door):
    written = door.plan.agreement_file.read_bytes()
    step = step_today(door.plan, door.prepared, "North")
    box = talk_panel(step)
    (button,) = box.children
    assert button.description == "Open the talk"
    button.click()
    assert len(box.children[0].children) > 10
    assert door.plan.agreement_file.read_bytes() == written
    other = talk_panel(step)
    assert box.model_id != other.model_id  # two panels of one process never share one


def test_only_moves_that_are_possible_now_are_offered_with_those_who_may(door: Door):
    panel = Panel(door)
    assert [who for _, who in panel["person"].options] == ["ann", "bob"]
    assert [name for name, _ in panel["person"].options] == ["Ann", "Bob B."]
    possible = {"reopen" if kind == "assign" else kind for kind in MOVES["proposed"]}
    assert set(panel.moves) == possible
    may = {}
    for kind in panel.moves:
        panel["move"].value = kind
        may[kind] = panel.speakers
        with_amount = kind in ("propose", "counter", "accept", "reopen")
        assert ("amount" in panel.shown()) == with_amount
        assert ({"until", "hours in all", "owner"} <= panel.shown()) == (kind == "promise")
    assert may["propose"] == ["bob"] and may["counter"] == ["mia"]
    assert may["accept"] == ["bob", "mia"] and may["note"] == ["bob", "mia", "zoe", "plan"]
    panel["person"].value = "ann"
    assert "counter" not in panel.moves and panel.shown() == {"person", "move", "Record"}
    panel["move"].value = "accept"
    assert panel.speakers == ["ann"]  # there is no proposal that mia could accept


def test_a_talk_from_the_first_word_to_the_decision(door: Door):
    panel = Panel(door)
    before = panel.state.value
    for kind, who, fields, status in (
        ("propose", "bob", {"amount": "8_80", "reason": "two contracts end"}, "proposed"),
        ("counter", "mia", {"amount": "960", "reason": "half way"}, "countered"),
        ("note", "zoe", {"reason": "seen"}, "countered"),
        ("withdraw", "mia", {}, "proposed"),
        ("escalate", "mia", {"reason": "far apart"}, "escalated"),
        ("decide", "zoe", {"amount": "950", "reason": "so be it"}, "decided"),
        ("reopen", "mia", {"reason": "a tender"}, "not started"),
    ):
        assert "recorded:" in panel.move(kind, who, **fields)
        assert door.stand("bob")["status"].item() == status and status in panel.state.value
        assert panel["amount"].value == panel["reason"].value == ""
        assert panel["move"].value is None and panel["Record"].disabled  # no second click by chance
    assert panel.state.value != before and panel.lines.value.count("<tr>") == 1 + 9
    assert "a tender" in panel.lines.value and "Mia" in panel.lines.value
    assert door.assigned("bob") == 1000
    assert panel.move("accept").startswith("<p") and door.stand("bob")["agreed"].item() == 1000


def test_the_number_to_accept_is_filled_in_for_each_side(door: Door):
    panel = Panel(door)
    panel["move"].value = "accept"
    assert panel["amount"].value == "1,000"
    panel["who speaks"].value = "mia"
    assert panel["amount"].value == "850"
    panel["move"].value = "counter"
    assert panel["amount"].value == ""
    panel["amount"].value = "900"
    panel["move"].value = "accept"
    assert panel["amount"].value == "900"  # somebody typed it


def test_a_refused_move_says_why_and_loses_nothing(door: Door):
    panel = Panel(door)
    typed = {"amount": "97 %", "reason": "half way"}
    assert "is no amount" in panel.move("counter", "mia", **typed)
    assert (panel["amount"].value, panel["reason"].value) == ("97 %", "half way")
    assert "975 is no multiple of 10" in panel.move("counter", amount="975")
    assert panel["reason"].value == "half way" and panel["move"].value == "counter"
    assert "needs a reason in words" in panel.move("escalate", "mia", reason=" ")
    assert "was offered by nobody" in panel.move("accept", "bob", amount="10")
    said = panel.move("promise", "mia", reason="a car", until="soon")
    assert "until &#x27;soon&#x27; is no day" in said and panel["until"].value == "soon"
    assert "recorded: Mia: promise" in panel.move("promise", until="2026-03-31", hours_in_all="4")
    assert "a car" in panel.lines.value and panel["until"].value == ""


def test_what_others_said_meanwhile_counts(door: Door):
    panel = Panel(door)
    Door.open(door.plan).say(Event("accept", "bob", "mia", 850))
    assert "is not possible" in panel.move("counter", "mia", amount="900", reason="x")
    panel["person"].value = "ann"
    panel["person"].value = "bob"
    assert "accepted" in panel.state.value and set(panel.moves) == {"reopen", "note", "promise"}


def test_the_login_of_an_app_is_recorded(door: Door, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("JUPYTERHUB_USER", "mia@example.org")
    Panel(door).move("note", "mia", reason="calls back")
    assert door.lines("bob")["user"].iloc[-1] == "mia@example.org"


def test_somebody_without_a_talk_is_told_how_to_begin(door: Door, tmp_path: Path, monkeypatch):
    door.plan.agreement_file.unlink()
    monkeypatch.setenv(VARIABLE, str(tmp_path / "keys"))
    panel = Panel(Door.open(door.plan))
    assert "planning-kit agree start" in panel.message.value
    assert panel.moves == () and panel["Record"].disabled


def test_the_picture_follows_and_every_control_has_a_label(door: Door, monkeypatch):
    monkeypatch.setenv("PLANNING_CHARTS", "both")
    panel = Panel(door)
    assert panel.picture.value.startswith("<svg")
    drawn = panel.picture.value
    panel.move("propose", "bob", amount="870")
    assert panel.picture.value != drawn
    assert "proposal 870" in panel.picture.value
    controls = [one for one in panel.all if not isinstance(one, w.HTML)]
    assert all(one.description for one in controls)


@pytest.mark.parametrize(
    "text",
    ["1284000", "1_284_000", "1,284,000", " 1,284,000.00 ", "1.284.000", "1 284 000", "1284000,0"],
)
def test_amounts_are_read_as_people_write_them(text: str):
    assert read_amount(text) == 1_284_000


@pytest.mark.parametrize(
    "text", ["", "much", "8%", "1,28,4000", "nan", "inf", "1.2 m", "1.284,000,000"]
)
def test_what_is_no_amount_is_refused(text: str):
    with pytest.raises(DataError, match="is no amount"):
        read_amount(text)
