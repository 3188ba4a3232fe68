"""One person's talk: every number of it, and what each step towards the other does."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from planning_kit.agreement import MOVES, Event
from planning_kit.agreement.door import Door
from planning_kit.agreement.promises import promise_basis
from planning_kit.agreement.state import KINDS
from planning_kit.cli import main
from planning_kit.messages import DataError
from planning_kit.output.charts.goals import _TALK, chart_talk
from planning_kit.output.typesetting import Words
from planning_kit.plan import load_plan
from planning_kit.walk.first_words import step_today
from planning_kit.walk.notebook import NotebookStep
from tests.test_letters import pages, text_of

EVIDENCE = [
    {"account": "Contoso", "product": "p1", "amount": 400, "probability": 0.5, "reason": "renews"},
    {"account": "Fabrikam", "amount": 300, "probability": 0.9, "reason": "signed"},
]


@pytest.fixture
def door(talking: Path, tmp_path: Path) -> Door:
    shutil.copytree(talking, tmp_path / "plan")
    return Door.open(load_plan(tmp_path / "plan"))


def opened(door: Door) -> NotebookStep:
    return step_today(door.plan, door.prepared, "North")


def numbers(step: NotebookStep, who: str = "bob") -> dict[str, float]:
    return dict(step.talk_numbers(who)[["what", "amount"]].to_numpy().tolist())


def talk_through(door: Door) -> None:
    door.say(Event("propose", "bob", "bob", 880, "two contracts end", EVIDENCE))
    door.say(Event("counter", "bob", "mia", 960, "half way"))
    basis = promise_basis("zoe", "2026-03-31", 12)
    door.say(Event("promise", "bob", "zoe", None, "joint visits", basis=basis))
    door.say(Event("propose", "bob", "zoe", 900, "on the phone", EVIDENCE[:1], behalf="bob"))


def test_all_numbers_of_a_talk_stand_side_by_side(door: Door):
    step = opened(door)
    assert step.whose_talk() == "bob" and step.whose_talk("ann") == "ann"
    with pytest.raises(DataError, match="did you mean 'bob'"):
        step.whose_talk("bop")
    assert numbers(step) == pytest.approx(
        {
            "last_result": 900.0,
            "last_goal": 1000.0,
            "offered_goal": 1000.0,
            "proposal": 850.0,
            "suggestion": step.offers().set_index("rep_id")["suggested"]["bob"],
        }
    )
    assert "proposal" not in numbers(step, "ann")
    table = step.talk_numbers("bob")
    ends = step.outlook().ranges(["rep_id"]).set_index("rep_id").loc["bob"]
    assert (table[["expected", "low", "high"]] == ends).all(axis=None)
    asked = table.rename(columns={"amount": "goal"}).iloc[[2]]
    chances = step.outlook().chances(asked).set_index("rep_id")["chance"]
    assert table["chance"].iloc[2] == chances["bob"]  # one answer to one question


def test_what_was_agreed_or_decided_stands_in_place_of_the_suggestion(door: Door):
    door.say(Event("counter", "bob", "mia", 940, "half way"))
    door.say(Event("accept", "bob", "bob", 940))
    found = numbers(opened(door))
    assert (found["counter_offer"], found["agreed"]) == (940, 940) and "suggestion" not in found
    door.say(Event("escalate", "ann", "ann", None, "too much"))
    door.say(Event("decide", "ann", "zoe", 980, "so be it"))
    found = numbers(opened(door), "ann")
    assert found["decided"] == 980 and "agreed" not in found


def test_each_step_towards_the_other_says_what_is_left_for_the_others(door: Door):
    way = opened(door).talk_way("bob")
    assert way["way_share"].tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert way["amount"].tolist() == [850, 890, 920, 960, 1000]  # whole tens, a half to even
    assert way["others_left"].tolist() == [1150, 1110, 1080, 1040, 1000]
    assert way["others_change"].tolist() == pytest.approx([0.15, 0.11, 0.08, 0.04, 0])
    assert way["goals_gap"].tolist() == [-150, -110, -80, -40, 0]
    assert way["chance"].is_monotonic_decreasing
    assert opened(door).talk_way("ann").empty  # no proposal
    door.say(Event("accept", "ann", "ann", 1000))
    way = opened(door).talk_way("bob")
    assert way["others_left"].tolist() == [150, 110, 80, 40, 0]
    assert way["others_change"].isna().all()  # there is nobody to carry it


def test_history_evidence_promises_and_record_name_people(door: Door):
    talk_through(door)
    step = opened(door)
    history = step.talk_history("bob")
    assert history[["year", "goal", "actual"]].to_numpy().tolist() == [
        [year, 1000.0, 900.0] for year in (2023, 2024, 2025)
    ]
    assert history["attainment"].tolist() == pytest.approx([0.9] * 3)
    assert step.talk_proposals("bob")["factor"].item() == pytest.approx(900 / 850)
    evidence = step.talk_evidence("bob")
    assert evidence[["account", "backed"]].to_numpy().tolist() == [["Contoso", 200.0]]
    assert step.talk_state("bob")["coverage"].item() == pytest.approx(200 / 900)
    promised = step.talk_promises("bob")[["promise", "owner", "said_by"]]
    assert promised.to_numpy().tolist() == [["joint visits", "Zoe", "Zoe"]]
    record = step.talk_record("bob")
    assert record[["speaker", "move"]].to_numpy().tolist() == [
        ["the planner", "offer"],
        ["Bob B. (said by the planner)", "propose"],
        ["Bob B.", "propose"],
        ["Mia", "counter"],
        ["Zoe", "promise"],
        ["Bob B. (said by Zoe)", "propose"],
    ]
    assert record["amount"].dropna().tolist() == [1000, 850, 880, 960, 900]


def test_evidence_goes_with_its_proposal(door: Door):
    talk_through(door)
    door.say(Event("withdraw", "bob", "bob"))
    assert opened(door).talk_evidence("bob").empty
    door.say(Event("propose", "bob", "bob", 870, evidence=EVIDENCE))
    assert len(opened(door).talk_evidence("bob")) == 2
    door.say(Event("assign", "bob", "mia", 990, "a smaller territory"))
    step = opened(door)
    assert step.talk_evidence("bob").empty
    assert step.talk_record("bob")["move"].iloc[-1] == "reopen"


def test_nobody_to_talk_to_gives_tables_without_rows(door: Door):
    step = opened(door)
    for name in (
        "state",
        "numbers",
        "way",
        "history",
        "proposals",
        "evidence",
        "promises",
        "record",
    ):
        assert getattr(step, f"talk_{name}")("").empty
    assert step.chart(step.talk_numbers("")).to_dict()["description"]


def test_what_a_range_makes_of_forecasts_is_shown_when_asked_for(door: Door):
    step = opened(door)
    assert step.talk_bonus("bob", False)["value"].item() == "set the parameter bonus to True"
    grid = step.talk_bonus("bob").set_index("forecast_of")
    assert grid["expected_bonus"].idxmax() == "median: pays best"
    assert grid.loc["proposal", "forecast"] == 850
    assert grid["of_quota"].tolist() == pytest.approx((grid["forecast"] / 1000).tolist())


# --- the page for the table --------------------------------------------------------------------


def asked(door: Door, *words: str) -> Result:
    return CliRunner().invoke(main, ["agree", "paper", *words, "--plan", str(door.plan.folder)])


@pytest.mark.parametrize("language", ["en", "fil"])
def test_the_page_for_the_table_is_one_page_however_much_was_said(door: Door, language: str):
    talk_through(door)
    door.say(Event("propose", "bob", "bob", 890, "word " * 400, EVIDENCE * 6))
    for number in range(12):
        door.say(Event("note", "bob", "mia", None, f"note {number} " + "W" * 100))
    done = asked(door, "bob", "--lang", language)
    assert done.exit_code == 0, done.output
    path = door.plan.folder / "talks" / "North" / f"bob-{language}.pdf"
    assert done.stdout.strip() == str(path)
    assert pages(path.read_bytes()) == 1
    said = " ".join(text_of(path.read_bytes()).split())
    title = {"en": "What was promised", "fil": "Mga ipinangako"}[language]
    for words in ("Bob B.", "joint visits", "Fabrikam", "1,110", "890", "note 11", title):
        assert words in said
    assert "note 2 " not in said and said.count("Mia") >= 2
    written = path.read_bytes()
    path.unlink()
    assert asked(door, "bob", "--lang", language, "--json").exit_code == 0
    assert path.read_bytes() == written


def test_the_page_of_somebody_who_has_said_nothing(door: Door, tmp_path: Path):
    assert asked(door, "ann", "--out", str(tmp_path / "ann.pdf")).exit_code == 0
    said = text_of((tmp_path / "ann.pdf").read_bytes())
    assert "Offered goal" in said and "Evidence" not in said and "Number agreed" in said
    for who, why in (("bop", "did you mean 'bob'"), ("mia", "unknown label")):
        assert why in asked(door, who).stderr
    assert "language of talks" in asked(door, "bob", "--lang", "xx").stderr


def test_every_move_number_and_status_has_a_word_on_the_page():
    for language in ("en", "fil"):
        texts = Words.read(language, paper="talk").texts
        assert {"offer", "reopen", *KINDS} - {"assign"} == set(texts["moves"])
        assert set(MOVES) == set(texts["statuses"]) and set(_TALK) == set(texts["numbers"])


# --- the chart ---------------------------------------------------------------------------------


def test_no_two_labels_of_the_chart_meet_and_no_stem_crosses_one(door: Door):
    talk_through(door)
    table = opened(door).talk_numbers("bob")
    spec = chart_talk(table, "T", "EUR").to_dict()
    rows = next(d for d in spec["datasets"].values() if len(d) == len(table))
    assert len({row["at"] for row in rows}) == len(rows)
    gaps = sorted(row["at"] for row in rows)
    assert all(after - before >= 16 for before, after in pairwise(gaps))
    for (
        row
    ) in rows:  # labels run towards the middle: what lies between a stem's ends is beside them
        for other in rows:
            if other["is_left"] == row["is_left"] and other["amount"] != row["amount"]:
                farther = abs(other["at"] - row["line"]) > abs(row["at"] - row["line"])
                outside = (other["amount"] < row["amount"]) == row["is_left"]
                assert farther == outside
    assert spec["width"] < 360 and "counter offer 960" in spec["description"]


def test_a_lone_number_without_a_range_is_drawn(door: Door):
    table = opened(door).talk_numbers("ann").iloc[[2]].assign(low=None, high=None, expected=None)
    spec = chart_talk(table.astype({"low": float, "high": float}), "T", "EUR").to_dict()
    assert spec["description"] == "offered goal 1,000, EUR."
