"""What happened there? The review asks, people answer, and nothing of it is lost."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import date
from functools import partial
from itertools import product
from secrets import randbelow

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from planning_kit.cli import main
from planning_kit.data import check_plan, open_inputs, prepare
from planning_kit.data.answers import LONGEST, add_answer, one_line
from planning_kit.messages import DataError, UsageError
from planning_kit.plan import Plan, load_plan
from planning_kit.review import candidates, event_effects, questions, review_findings
from planning_kit.walk import open_step
from planning_kit.walk.told import keep_answer, open_questions
from planning_kit.widgets import answer_panel
from tests.conftest import PlanMaker
from tests.making import make_inputs
from tests.worlds import make_world

MONTHS = pd.date_range("2024-01-01", "2025-12-01", freq="MS")
TOWNS = ("Hanover", "Kiel", "Bremen", "Celle")
TERRITORIES = "territory_id territory_name region\n" + "\n".join(
    f"t{number} {town} North" for number, town in enumerate(TOWNS)
)
HELD = "rep_id territory_id starts_on ends_on\n" + "\n".join(
    f"r{number} t{number} 2020-01-01 -" for number in range(len(TOWNS))
)
WHAT = (
    "Sales of Balances in Hanover fell by 31% from March 2025 against the same months a year before, "
    "310 EUR below the course of all sales: what happened?"
)


def sold(falls=0.31, since="2025-03-01", towns=4):
    """Give even sales of two lines in every town; those of Balances in the first one fall."""
    return [
        {
            "sold_on": month.date(),
            "rep_id": f"r{town}",
            "territory_id": f"t{town}",
            "product_id": line.lower(),
            "product_line": line,
            "amount": (100.0 + month.month % 3)
            * (1 - falls * (town == 0 and line == "Balances" and month >= pd.Timestamp(since))),
        }
        for month in MONTHS
        for town in range(towns)
        for line in ("Balances", "Pumps")
    ]


def company(sales=None, **tables):
    given = {"territories": TERRITORIES, "assignments": HELD, "sales": sales or sold()}
    return make_inputs(region="North", **{**given, **tables})


def answered(**values):
    row = {
        "answer_id": "a1",
        "answer": "A rival opened",
        "answered_by": "r0",
        "answered_on": "2026-01-05",
        "kind": "note",
    }
    return [{**row, **values}]


# ---- what is asked --------------------------------------------------------------------------


def test_a_fall_that_nothing_explains_is_asked_about_with_line_place_month_and_amount():
    table = questions(company())
    row = table.iloc[0]
    assert len(table) == 1 and row["question"].startswith(
        "Sales of Balances in Hanover fell by 31% from March 2025 against the same months"
    )
    assert (row["territory_id"], row["product_line"], row["rep_id"]) == ("t0", "Balances", "r0")
    assert row["starts_on"] == pd.Timestamp("2025-03-01")
    # ten months of about 101 are 31 % lower, and the course of all sales is 3 % lower
    assert -313 < row["amount"] < -270
    found = review_findings(company()).set_index("finding_id").loc[row["question_id"]]
    assert found["status"] == "review" and found["message"] == row["question"]
    assert f"--to {row['question_id']}" in found["advice"]


def test_where_nothing_fell_or_the_tables_say_why_nothing_is_asked():
    assert questions(company(sold(falls=0.0))).empty
    event = "event_id territory_id starts_on\nE1 t0 2025-03-01"
    assert questions(company(events=event)).empty
    gone = [
        row for row in sold() if row["territory_id"] != "t0" or row["sold_on"] < date(2025, 3, 1)
    ]
    left = HELD.replace("r0 t0 2020-01-01 -", "r0 t0 2020-01-01 2025-02-28")
    assert questions(company(gone, assignments=left)).empty


def test_at_most_three_questions_are_asked_the_largest_first_and_their_ids_stay():
    sales = [
        row | {"amount": row["amount"] * (0.3 + 0.1 * int(row["rep_id"][1:]))}
        if row["product_line"] == "Pumps" and row["sold_on"] >= date(2025, 5, 1)
        else row
        for row in sold()
    ]
    more = company(
        [
            *sales,
            *({**r, "product_line": "Kits", "product_id": "k", "amount": 200.0} for r in sold()),
        ]
    )
    table = questions(more)
    assert len(table) == 3 and table["amount"].is_monotonic_increasing
    assert set(questions(company())["question_id"]) == {questions(company())["question_id"].iloc[0]}


# ---- what is done with an answer ------------------------------------------------------------


def test_an_answer_stands_beside_its_question_with_name_and_day_and_the_question_is_settled():
    asked = questions(company())["question_id"].iloc[0]
    people = "rep_id rep_name\n" + "\n".join(f"r{number} Rep{number}" for number in range(4))
    inputs = company(reps=people, answers=answered(question_id=asked, territory_id="t0"))
    row = review_findings(inputs).set_index("finding_id").loc[asked]
    assert row["status"] == "pass" and row["message"].endswith(
        "what happened? Rep0 said on 2026-01-05: “A rival opened”."
    )


def test_an_answer_to_a_finding_of_another_region_does_not_stand_here():
    told = answered(question_id="review.result", region="South")
    assert "rival" not in review_findings(company(answers=told))["message"].iloc[0]
    told = answered(question_id="review.result", region="North")
    assert "rival" in " ".join(review_findings(company(answers=told))["message"])


def test_a_note_with_place_and_day_is_held_against_other_places_as_any_event_is():
    count = 45
    places = "territory_id region\n" + "\n".join(f"t{n} North" for n in range(count))
    sales = [row for row in sold(falls=0.5, towns=count) if row["product_line"] == "Balances"]
    told = answered(kind="event", territory_id="t0", starts_on="2025-03-01", question_id="review.x")
    inputs = make_inputs(territories=places, sales=sales, answers=told)
    effect = event_effects(inputs).set_index("event_id").loc["answer.a1"]
    # One place has no spread of its own to be told from chance: the review says so, no more.
    assert (effect["affected"], effect["unaffected"]) == (1, 44)
    assert effect["verdict"] == "cannot tell" and np.isnan(effect["effect_share"])
    said = review_findings(inputs).set_index("finding_id").loc["review.event.answer.a1", "message"]
    assert "reported event “A rival opened”" in said and "cannot be told: 1 touched" in said


def test_an_event_told_of_a_person_is_one_of_the_territories_held_on_that_day():
    moved = HELD.replace("r0 t0 2020-01-01 -", "r0 t0 2020-01-01 2025-06-30\nr0 t1 2025-07-01 -")
    for day, place in (("2025-03-01", "t0"), ("2025-08-01", "t1")):
        told = answered(kind="event", rep_id="r0", starts_on=day)
        events = company(assignments=moved, answers=told).events
        assert events["territory_id"].tolist() == [place]
    assert company(answers=answered(kind="event", territory_id="t0")).events.empty  # no day


def test_what_speaks_of_the_coming_year_is_a_candidate_of_the_register():
    for values in ({"kind": "assumption"}, {"starts_on": "2026-04-01"}):
        assert candidates(company(answers=answered(**values)))["answer_id"].tolist() == ["a1"]
    assert candidates(company(answers=answered(starts_on="2025-04-01"))).empty


# ---- how it is kept -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Plan:
    """Give a plan whose inputs are prepared; what is not written to may be shared."""
    lines = [line.split() for line in TERRITORIES.splitlines()]
    sales = [{k: v for k, v in row.items() if k != "product_line"} for row in sold()]
    plan = PlanMaker(tmp_path_factory.mktemp("answers") / "plan")(
        reps="rep_id,rep_name,manager_id,region\nmia,Mia,,North\n"
        + "".join(f"r{n},Rep {n},mia,\n" for n in range(4)),
        territories="\n".join(",".join(line) for line in lines) + "\n",
        assignments="rep_id,territory_id,starts_on\n"
        + "".join(f"r{n},t{n},2020-01-01\n" for n in range(4)),
        products="product_id,product_line\nbalances,Balances\npumps,Pumps\n",
        sales=pd.DataFrame(sales).to_csv(index=False),
        goals="starts_on,ends_on,rep_id,goal\n"
        + "".join(f"2025-01-01,2025-12-31,r{n},2400\n" for n in range(4)),
    )
    prepare(plan)
    return plan


@pytest.fixture
def plan(prepared: Plan, tmp_path) -> Plan:
    return load_plan(shutil.copytree(prepared.folder, tmp_path / "plan"))


def kept(plan: Plan) -> list[dict[str, str]]:
    with (plan.folder / "data" / "answers.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def run(plan: Plan, *words: str):
    return CliRunner().invoke(main, ["answer", *words, "--plan", str(plan.folder)])


def test_the_command_asks_takes_the_answer_and_the_next_review_shows_it(plan: Plan):
    asked = json.loads(run(plan, "--json").stdout)
    assert [row["region"] for row in asked] == ["North"] and asked[0]["answers"] == 0
    question = asked[0]["question_id"]
    said = run(plan, "A rival opened", "--to", question, "--as", "mia", "--kind", "event", "--json")
    row = json.loads(said.stdout)
    assert row["what"] == "added" and row["answered_on"] == date.today().isoformat()
    assert (row["territory_id"], row["starts_on"], row["kind"]) == ("t0", "2025-03-01", "event")
    assert run(
        plan, "A rival opened", "--to", question, "--as", "mia", "--kind", "event"
    ).stdout.startswith("unchanged")
    step = open_step("01_historical_review", "North", str(plan.folder), str(plan.folder / "r"))
    shown = step.findings().set_index("finding_id").loc[question, "message"]
    assert "Mia said on" in shown and "A rival opened" in shown
    assert step.inputs.events["event_id"].tolist() == [f"answer.{row['answer_id']}"]
    assert "(1 answered)" in run(plan).stdout


def test_what_is_said_of_the_coming_year_is_asked_for_in_the_register_until_it_is_cited(plan: Plan):
    row = keep_answer(
        plan, "A wing opens", "r1", day=date(2026, 5, 1), about={"territory_id": "t1"}
    )
    assert row["kind"] == "assumption"
    folder = plan.folder
    step = open_step("02_assumptions", "North", str(folder), str(folder / "r"))
    found = step.findings().set_index("finding_id")
    key = f"assumptions.candidate.{row['answer_id']}"
    assert "“A wing opens”" in found.loc[key, "message"]
    (folder / "scenarios").mkdir()
    (folder / "scenarios" / "base.toml").write_text(
        '[assumptions.wing]\ndriver = "market_growth"\nlow = 0\nbase = 0.01\nhigh = 0.02\n'
        f'owner = "Mia"\nevidence = "answer.{row["answer_id"]}"\n'
    )
    step = open_step("02_assumptions", "North", str(folder), str(folder / "r"))
    ids = set(step.findings()["finding_id"])
    assert key not in ids and "assumptions.evidence.unknown" not in ids


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("x", "--as", "Mia"), "did you mean 'mia'"),
        (("x", "--as", "mia", "--territory", "t11"), "did you mean 't1'"),
        (("x", "--as", "mia", "--line", "Balance"), "did you mean 'Balances'"),
        (("x", "--as", "mia", "--to", "review.question.abc"), "did you mean 'review.question."),
        (("x", "--as", "mia", "--to", "review.resolt"), "did you mean 'review.result'"),
        (("x",), "who says it"),
        (("--as", "mia"), "what is the answer"),
        (("x", "--as", "mia", "--kind", "event"), "needs a day and a territory or a person"),
        (("x" * (LONGEST + 1), "--as", "mia"), "2,001 characters"),
        (("\n\x00 ", "--as", "mia"), "is empty"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_the_nearest_and_nothing_is_written(
    prepared, words, said
):
    result = run(prepared, *words)
    assert result.exit_code in (2, 3) and said in result.stderr
    assert not (prepared.folder / "data" / "answers.csv").exists()


HOSTILE = (
    "=cmd|' /C calc'!A0",
    "+1+1",
    "@SUM(A1)",
    "-2",
    "'quoted",
    '"a", "b"; c',
    "ünï “x”",
    "a\tb",
)


def test_hostile_text_is_one_guarded_cell_and_comes_back_as_it_was(plan: Plan):
    keep_answer(plan, "first\nsecond\r\nthird\x00\u2028fourth", "mia", about={"rep_id": "r1"})
    for text in HOSTILE:
        add_answer(plan, note(text))
    cells = [row["answer"] for row in kept(plan)]
    assert not any(cell.startswith(("=", "+", "@", "-")) for cell in cells)
    plan = load_plan(plan.folder)
    assert not check_plan(plan)["status"].eq("fail").any()
    inputs = open_inputs(plan, prepare(plan), "North")
    wanted = {one_line(text) for text in HOSTILE} | {"first second third fourth"}
    assert set(inputs.answers["answer"]) == wanted


def test_rows_that_a_spreadsheet_saved_stay_and_its_delimiter_is_kept(plan: Plan):
    add_answer(plan, note("first"))
    path = plan.folder / "data" / "answers.csv"
    saved = (
        path.read_text(encoding="utf-8-sig").replace(",", ";").rstrip("\n").replace("\n", "\r\n")
    )
    path.write_bytes(saved.encode("utf-8-sig"))
    add_answer(load_plan(plan.folder), note("second; with a mark"))
    assert path.read_bytes().startswith(saved.encode("utf-8-sig"))
    plan = load_plan(plan.folder)
    told = open_inputs(plan, prepare(plan), "North").answers
    assert set(told["answer"]) == {"first", "second; with a mark"}


def test_a_file_that_cannot_be_added_to_is_left_as_it_is(plan: Plan):
    path = plan.folder / "data" / "answers.csv"
    for blob, said in (
        (b"answer_id,answer\n1,caf\xe9\n", "UTF-8"),
        (b"answer_id,answer\n", "no column"),
    ):
        path.write_bytes(blob)
        with pytest.raises(DataError, match=said):
            add_answer(plan, {"answer": "x", "answered_by": "mia"})
        assert path.read_bytes() == blob
    elsewhere = replace(plan, sources={**plan.sources, "answers": {"file": "other.csv"}})
    with pytest.raises(UsageError, match="elsewhere"):
        add_answer(elsewhere, {"answer": "x"})


def note(text: str) -> dict[str, str]:
    row = {"answer": one_line(text), "answered_by": "mia", "answered_on": "2026-01-01"}
    return {**row, "kind": "note", "rep_id": "r1"}


def _add(plan: Plan, number: int) -> str:
    return add_answer(plan, note(f"note {number}"))[0]


def test_nothing_is_lost_when_many_write_at_once(plan: Plan):
    with ProcessPoolExecutor(4) as pool:
        ids = list(pool.map(partial(_add, plan), range(40)))
    assert sorted(row["answer_id"] for row in kept(plan)) == sorted(ids)
    assert {row["answer"] for row in kept(plan)} == {f"note {number}" for number in range(40)}


def test_the_form_of_the_notebook_keeps_an_answer_and_says_what_is_wrong(plan: Plan):
    step = open_step("01_historical_review", "North", str(plan.folder), str(plan.folder / "r"))
    question, speaker, kind, _, _, text, button, message = answer_panel(step).children
    assert next(iter(question.options)) == questions(step.inputs)["question"].iloc[0]
    button.click()
    assert "empty" in message.value and not (plan.folder / "data" / "answers.csv").exists()
    speaker.value, kind.value, text.value = "r0", "event", "A rival opened"
    button.click()
    assert "added: event" in message.value and text.value == ""
    assert [(row["answered_by"], row["territory_id"]) for row in kept(plan)] == [("r0", "t0")]


def test_questions_of_all_regions_are_listed_once(plan: Plan):
    table = open_questions(plan, prepare(plan))
    assert table["question_id"].is_unique and table["region"].tolist() == ["North"]


# ---- on made-up companies -------------------------------------------------------------------


def true_falls(families, seeds):
    """Give of every question by how much the territory's demand moved against all demand."""
    falls, companies = [], 0
    for family, seed in product(families, seeds):
        world = make_world(family, seed)
        demand, inputs = world.truth["demand"], world.inputs()
        places, months = sorted(inputs.territories["territory_id"]), demand.shape[1]
        companies += 1
        for row in questions(inputs).to_dict("records"):
            first = row["starts_on"].month - 1
            now, was = (demand[:, months - back + first : months - back + 12] for back in (24, 36))
            own = places.index(row["territory_id"])
            falls.append(now[own].sum() / was[own].sum() / (now.sum() / was.sum()) - 1)
    return pd.Series(falls, dtype=float), companies


def test_what_is_asked_where_demand_moved_is_true():
    falls, _ = true_falls(["territory shocks"], range(2))
    assert len(falls) >= 2 and (falls < -0.1).all()


@pytest.mark.slow
def test_questions_are_about_true_falls_and_few_where_little_happened():
    first = randbelow(10**6)
    sys.stdout.write(f"worlds from seed {first}\n")
    falls, companies = true_falls(["territory shocks"], range(first, first + 30))
    assert len(falls) > 0.8 * companies, first
    assert (falls < -0.1).mean() > 0.9, (first, falls)
    quiet, companies = true_falls(["steady", "seasonal", "thin"], range(first, first + 30))
    assert len(quiet) < 0.5 * companies, (first, len(quiet))
