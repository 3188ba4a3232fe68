"""Forms out and back: LibreOffice opens, fills and saves them as people do, and the kit reads them."""

from __future__ import annotations

import csv
import email
import json
import shutil
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import openpyxl
import pytest
from click.testing import CliRunner, Result

from planning_kit.agreement import read_events
from planning_kit.agreement.door import Door
from planning_kit.cli import main
from planning_kit.data.forms import META, parse_number, read_form
from planning_kit.output.forms import form_languages, form_words
from planning_kit.plan import Plan, load_plan
from planning_kit.walk.first_words import step_today
from planning_kit.walk.resting import doubt_findings, doubts
from tests.conftest import ROOT, PlanMaker
from tests.filling import SOFFICE, Filling, places

HOSTILE = "=cmd|' /C calc'!A0 \"<script>alert(1)</script>"
ARABIC = "ليلى \u202eevE"
WHO = ("ann", "bob", "cid", "dan", "eve", "fay", "gil")
REPS = "rep_id,rep_name,manager_id,region\nann,Ann,mia,\nbob,Bob,mia,\ncid,Cid,mia,\n" + (
    f'dan,"{HOSTILE.replace(chr(34), chr(34) * 2)}",mia,\neve,{ARABIC},mia,\nfay,Fay,mia,\n'
    "gil,Gil,mia,\nmia,Mia,,North\n"
)
ASSUMED = """
[assumptions.market]
statement = "The market grows by two per cent"
driver = "market_growth"
low = 0.0
base = 0.02
high = 0.04
owner = "Zoe"

[assumptions.price]
statement = "=HYPERLINK prices rise"
driver = "price_change"
low = 0.0
base = 0.01
high = 0.02
"""
# What goes into a form of ann's: the name of the case, orders by row and column, what is said.
GOAL = [("number", f"goal:{n}", c, "12000") for n in (0, 1) for c in "EFGH"]
ALONE = {
    "plain": ([], ""),
    "text numbers": ([("text", "goal:0", "E", "1.284.000,50")], ""),
    "a percent as text": ([("text", "evidence:0", "F", "80 %")], ""),
    "a formula": ([("formula", "goal:0", "E", "=5000+7000")], ""),
    "needs only": ([("clear", f"goal:{n}", c) for n in (0, 1) for c in "EFGH"], ""),
    "two readings": ([("text", "goal:0", "E", "1.284")], "can be read in no way, or in two"),
    "words": ([("text", "goal:0", "F", "about the same")], "write it as 1284000"),
    "negative": ([("number", "goal:1", "G", "-5")], "write a number from 0"),
    "absurd": ([("number", "goal:1", "G", "98000000")], "not thousands"),
    "in thousands": (
        [("number", f"goal:{n}", c, "12") for n in (0, 1) for c in "EFGH"],
        "not thousands",
    ),
    "a cell forgotten": ([("clear", "goal:1", "H")], "write 0 where you expect nothing"),
    "an error": ([("formula", "goal:0", "E", "=1/0")], "holds an error"),
    "certain": ([("number", "evidence:0", "F", "80")], "write a number from 0 to 100 %"),
    "no chance": ([("clear", "evidence:0", "F")], "say how likely it is"),
    "no name": (
        [("number", "evidence:5", "E", "9"), ("number", "evidence:5", "F", "1")],
        "name customer",
    ),
    "a wrong month": ([("text", "evidence:0", "G", "2031-05")], "no month of the plan"),
    "half a concern": ([("text", "concern:0", "E", "really?")], "half a concern"),
    "a locked cell": (
        [("unprotect",), ("number", "goal:0", "D", "1")],
        "not one of the yellow cells",
    ),
    "emptied": ([("unprotect",), ("clear", "goal:0", "D")], "was emptied"),
    "a row more": (
        [("unprotect",), ("row", "goal:1"), ("at", "goal:1", "B", "Line X")],
        "outside the cells",
    ),
    "merged": ([("unprotect",), ("merge", "goal:0", "E", "F")], "are merged"),
    "beside": ([("unprotect",), ("text", "goal:0", "M", "see above")], "outside the cells"),
}


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a plan whose negotiation has begun, with its forms; tests copy it."""
    folder = tmp_path_factory.mktemp("forms") / "plan"
    sales = [
        f"{year}-{month:02d}-15,{who},{900 + 50 * n + month},p{1 + month % 2},{who}-{1 + month % 3}\n"
        for n, who in enumerate(WHO)
        for year in (2023, 2024, 2025)
        for month in range(1, 13)
    ]
    deals = [
        f"o-{who}-{n},{who},{'won' if n < 3 else 'lost'},2025-0{n + 1}-02,2025-0{n + 3}-02,1000,p1,{who}-1\n"
        for who in WHO
        for n in range(6)
    ] + [f"open-{who},{who},open,2025-12-01,,5000,p2,new-{who}\n" for who in WHO]
    plan = PlanMaker(folder)(
        extra="[targets]\ncompany = 120000\n",
        reps=REPS,
        territories="territory_id,region\n" + "".join(f"t-{who},North\n" for who in WHO),
        assignments="rep_id,territory_id,starts_on\n"
        + "".join(f"{who},t-{who},2022-01-01\n" for who in WHO),
        sales="sold_on,rep_id,amount,product_id,account_id\n" + "".join(sales),
        opportunities="opportunity_id,rep_id,outcome,created_on,closed_on,amount,product_id,account_id\n"
        + "".join(deals),
        goals="starts_on,ends_on,rep_id,goal\n"
        + "".join(f"2025-01-01,2025-12-31,{who},14000\n" for who in WHO),
    )
    (folder / "scenarios").mkdir()
    (folder / "scenarios" / "base.toml").write_text(ASSUMED, encoding="utf-8")
    for words in (["agree", "start"], ["forms", "write"], ["forms", "write", "--lang", "fil"]):
        out = ["--out", str(folder / "fil")] if "fil" in words else []
        done = CliRunner().invoke(main, [*words, *out, "--plan", str(plan.folder)])
        assert done.exit_code == 0, done.output
    return folder


@pytest.fixture(scope="module")
def filled(begun: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with one folder a case, filled by LibreOffice in one start."""
    if SOFFICE is None:
        pytest.skip("LibreOffice (soffice) is not installed: nobody can fill a form here")
    folder, filling = tmp_path_factory.mktemp("filled"), Filling()
    ann = begun / "forms" / "North" / "ann.xlsx"
    for name, (orders, _) in ALONE.items():
        wanted = list(addressed(ann, [*GOAL, *orders]))
        filling.fill(ann, folder / name / "ann.xlsx", *wanted)
    for who in WHO[:-1]:
        form = begun / ("fil" if who == "fay" else "forms") / "North" / f"{who}.xlsx"
        said = [
            ("text", "why:0", "B", "two contracts end"),
            ("text", "concern:0", "B", "market: The market grows by two per cent"),
            ("text", "concern:0", "E", f"=not here, says {who}"),
            ("text", "need:0", "B", "a demo unit"),
        ]
        pdf = folder / f"{who}.pdf" if who in ("dan", "fay") else None
        filling.fill(
            form, folder / "all" / f"{who}.xlsx", *addressed(form, [*GOAL, *said]), pdf=pdf
        )
    filling.run(tmp_path_factory.mktemp("office"))
    return folder


def addressed(form: Path, orders: list[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    """Put the addresses of cells into orders that name them by row and column."""
    rows = places(form)
    for kind, *rest in orders:
        if kind == "unprotect":
            yield (kind,)
        elif kind == "row":
            yield kind, str(int(rows[rest[0]]) - 1)
        elif kind == "merge":
            yield kind, f"{rest[1]}{rows[rest[0]]}:{rest[2]}{rows[rest[0]]}"
        else:
            name = "text" if kind == "at" else kind
            yield name, f"{rest[1]}{rows[rest[0]]}", *rest[2:]


@pytest.fixture
def plan(begun: Path, tmp_path: Path) -> Plan:
    shutil.copytree(begun, tmp_path / "plan")
    return load_plan(tmp_path / "plan")


def run(plan: Plan, *words: str) -> Result:
    return CliRunner().invoke(main, [*words, "--plan", str(plan.folder)])


def read(plan: Plan, folder: Path, *words: str) -> dict[str, list[dict[str, object]]]:
    done = run(plan, "forms", "read", str(folder), "--json", *words)
    assert done.exit_code in (0, 3), done.output
    found: dict[str, list[dict[str, object]]] = json.loads(done.stdout)
    assert done.exit_code == (3 if found["problems"] else 0)
    return found


def lines(plan: Plan) -> int:
    return len(read_events(Door.open(plan).log))


# --- what a form says --------------------------------------------------------------------------


def page(form: Path) -> list[list[object]]:
    return [list(row) for row in openpyxl.load_workbook(form, data_only=True).worksheets[0].values]


def test_the_offered_goal_and_its_steps_add_up(begun: Path):
    for who in WHO:
        rows = page(begun / "forms" / "North" / f"{who}.xlsx")
        at = next(n for n, row in enumerate(rows) if row[1] == "Offered goal")
        top = next(n for n, row in enumerate(rows) if "how it adds up" in str(row[1]))
        assert sum(row[3] for row in rows[top + 1 : at]) == pytest.approx(rows[at][3])
        offered = Door.open(load_plan(begun)).assigned(who)
        assert rows[at][3] == offered
        parts = [row[3] for row in rows if str(row[0]).startswith("goal:")]
        assert sum(parts) == offered


def test_a_form_says_which_assumptions_nobody_has_confirmed(begun: Path):
    rows = page(begun / "forms" / "North" / "ann.xlsx")
    told = {row[1]: row[7] for row in rows if row[7]}
    assert told["The market grows by two per cent"] == "Confirmed by Zoe"
    assert told["=HYPERLINK prices rise"] == "Nobody has confirmed this yet"


def test_evidence_is_filled_in_and_computes(begun: Path):
    rows = {row[0]: row for row in page(begun / "forms" / "North" / "bob.xlsx")}
    shown = [row for key, row in rows.items() if str(key).startswith("evidence:") and row[4]]
    assert {row[1] for row in shown} == {"bob-1", "bob-2", "bob-3", "new-bob"}
    assert all(row[7] == pytest.approx(row[4] * row[5]) for row in shown)
    deal = next(row for row in shown if row[3] == "open-bob")
    assert deal[2] == "Line B" and f"{deal[6]:%Y-%m}" >= "2026-01"


def test_every_formula_is_ours_and_texts_stay_texts(begun: Path):
    book = openpyxl.load_workbook(begun / "forms" / "North" / "dan.xlsx")
    sheet = book.worksheets[0]
    formulas = [c.value for row in sheet.iter_rows() for c in row if c.data_type == "f"]
    assert formulas and not [f for f in formulas if "cmd" in f or "HYPERLINK" in f]
    assert any(HOSTILE in str(c.value) for row in sheet.iter_rows() for c in row)
    assert sheet.protection.sheet and book[META].sheet_state == "veryHidden"
    assert sheet.page_setup.paperSize == 9 and sheet.sheet_properties.pageSetUpPr.fitToPage
    lists = [v.formula1 for v in sheet.data_validations.dataValidation if v.type == "list"]
    assert lists and all(text.startswith("_lists!") for text in lists)


def test_both_languages_say_the_same_things():
    def keys(words: dict[str, object], before: str = "") -> set[str]:
        inner = {k: v for k, v in words.items() if isinstance(v, dict)}
        deeper = [keys(v, f"{before}{k}.") for k, v in inner.items()]
        return {before + k for k in words}.union(*deeper)

    assert form_languages() == ["en", "fil"]
    assert keys(form_words("en")) == keys(form_words("fil"))
    for language in form_languages():
        text = (ROOT / "templates" / "form" / f"{language}.toml").read_text(encoding="utf-8")
        assert len(tomllib.loads(text)["months"]) == 12


def test_a_draft_mail_carries_the_form_and_no_address(begun: Path):
    folder = begun / "forms" / "North"
    mail = email.message_from_bytes((folder / "dan.eml").read_bytes())
    assert mail["To"] is None and mail["X-Unsent"] == "1" and "2026" in mail["Subject"]
    text, form = mail.get_payload()
    assert HOSTILE in text.get_payload(decode=True).decode()
    assert form.get_payload(decode=True) == (folder / "dan.xlsx").read_bytes()


def test_the_same_talk_gives_the_same_forms(plan: Plan):
    before = {p.name: p.read_bytes() for p in (plan.folder / "forms" / "North").iterdir()}
    assert run(plan, "forms", "write").output.startswith("7 written\n")
    assert {p.name: p.read_bytes() for p in (plan.folder / "forms" / "North").iterdir()} == before


def test_forms_need_a_negotiation_and_known_words(plan: Plan):
    assert "there are en, fil" in run(plan, "forms", "write", "--lang", "de").stderr
    assert "did you mean 'North'" in run(plan, "forms", "write", "--region", "Nort").stderr
    plan.agreement_file.unlink()
    assert "begin with planning-kit agree start" in run(plan, "forms", "write").stderr


def test_who_has_agreed_gets_no_form(plan: Plan):
    offered = f"{Door.open(plan).assigned('ann'):.0f}"
    assert run(plan, "agree", "accept", "ann", offered, "--as", "ann").exit_code == 0
    assert "1 accepted already: Ann" in run(plan, "forms", "write").output


# --- what filled forms say ---------------------------------------------------------------------


def test_filled_forms_become_proposals_of_their_people(plan: Plan, filled: Path, tmp_path: Path):
    folder = shutil.copytree(filled / "all", tmp_path / "back")
    found = read(plan, folder, "--reason", "sent by mail")
    assert not found["problems"]
    read_now = {row["rep_id"]: row for row in found["forms"]}
    assert {row["what"] for who, row in read_now.items() if who != "gil"} == {"read"}
    assert read_now["gil"]["what"] == "no form yet"
    door = Door.open(plan)
    for who in WHO[:-1]:
        said = door.lines(who)
        assert said["kind"].tolist() == ["assign", "note", "note", "propose"]
        last = said.iloc[-1]
        assert (last["actor"], last["behalf"], last["amount"]) == ("plan", who, "96000")
        name = door.stand(who)["rep"].item()
        assert last["reason"].startswith(f"two contracts end; form of {name}, read by ")
        assert last["reason"].endswith(": sent by mail")
        evidence = json.loads(last["evidence"])
        assert {line["account"] for line in evidence} >= {f"{who}-1", f"new-{who}"}
        assert any(line.get("opportunity") == f"open-{who}" for line in evidence)
        assert door.stand(who)["coverage"].item() > 0
    with (folder / "concerns.csv").open(encoding="utf-8", newline="") as file:
        concerns = list(csv.DictReader(file))
    assert concerns[0]["assumption_id"] == "market" and concerns[0]["rep"] == "Ann"
    assert concerns[0]["concern"] == "'=not here, says ann"
    step = step_today(plan, door.prepared, "North")
    told = doubts(step).set_index("rep_id")
    assert told.loc["ann"].tolist() == ["market", "=not here, says ann"]
    (said,) = doubt_findings(step)
    assert f"{len(told)} people doubt the assumption 'market'" in said["message"]


def test_reading_a_folder_again_adds_nothing(plan: Plan, filled: Path, tmp_path: Path):
    folder = shutil.copytree(filled / "all", tmp_path / "back")
    read(plan, folder)
    count, tables = lines(plan), [p.read_bytes() for p in sorted(folder.glob("*.csv"))]
    found = read(plan, folder)
    assert {r["what"] for r in found["forms"] if r["file"]} == {"already read"}
    assert lines(plan) == count
    assert [p.read_bytes() for p in sorted(folder.glob("*.csv"))] == tables


def test_a_form_that_the_talk_has_overtaken_is_refused(plan: Plan, filled: Path, tmp_path: Path):
    words = ("agree", "propose", "ann", "15000", "--as", "ann")
    assert run(plan, *words).exit_code == 0
    found = read(plan, shutil.copytree(filled / "all", tmp_path / "back"))
    assert [p["file"] for p in found["problems"]] == ["ann.xlsx"]
    assert "since then ann has said propose" in str(found["problems"][0]["message"])
    assert sum(row["what"] == "read" for row in found["forms"]) == 5


def test_a_note_does_not_overtake_a_form(plan: Plan, filled: Path):
    words = ("agree", "note", "ann", "--as", "mia", "--reason", "calls on Monday")
    assert run(plan, *words).exit_code == 0
    assert not read(plan, filled / "plain")["problems"]


def test_other_answers_in_a_form_that_was_read_are_refused(plan: Plan, filled: Path):
    read(plan, filled / "plain")
    found = read(plan, filled / "a percent as text")
    assert "with other answers" in str(found["problems"][0]["message"])


@pytest.mark.parametrize("case", [name for name, (_, why) in ALONE.items() if why])
def test_a_form_with_a_problem_is_refused_in_words(plan: Plan, filled: Path, case: str):
    before = lines(plan)
    found = read(plan, filled / case)
    problems = [f"{p['cell']}: {p['message']}; {p['advice']}" for p in found["problems"]]
    assert any(ALONE[case][1] in problem for problem in problems), problems
    assert all(problem.startswith("Sales goal!") for problem in problems), problems
    assert lines(plan) == before


@pytest.mark.parametrize(
    ("case", "amount"),
    [("plain", 96000), ("text numbers", 1368000), ("a formula", 96000), ("needs only", None)],
)
def test_what_is_clear_is_taken(plan: Plan, filled: Path, case: str, amount: float | None):
    found = read(plan, filled / case)
    row = next(row for row in found["forms"] if row["file"])
    if case == "text numbers":  # readable, and absurd beside the offered goal
        assert "1,368,000.5 in all" in str(found["problems"][0]["message"])
        return
    assert not found["problems"] and row["amount"] == amount, found
    if amount is None:
        assert row["what"] == "no proposal"
        assert Door.open(plan).stand("ann")["status"].item() == "not started"
    if case == "a formula":
        assert "its result 12,000 was taken" in str(row["note"])


def test_a_percent_written_as_text_is_a_probability(filled: Path):
    form = read_form(filled / "a percent as text" / "ann.xlsx")
    assert form.rows["evidence"][0]["probability"] == 0.8


def test_both_libraries_read_the_same(filled: Path):
    for path in sorted(filled.glob("*/*.xlsx")):
        first, second = (read_form(path, [name]) for name in ("calamine", "openpyxl"))
        assert (first.meta, first.problems) == (second.meta, second.problems), path
        if path.parent.name != "merged":  # what lies under a merged cell one of them shows
            assert first.rows == second.rows, path


def test_libreoffice_computes_what_we_wrote(filled: Path, begun: Path):
    sent = page(begun / "forms" / "North" / "ann.xlsx")
    computed = page(filled / "needs only" / "ann.xlsx")
    for before, after in zip(sent, computed, strict=False):
        for was, now in zip(before, after, strict=False):
            if isinstance(was, int | float):
                assert now == pytest.approx(was), (before, after)


def test_a_filled_form_is_one_page_in_both_languages(filled: Path):
    for who in ("dan", "fay"):
        assert (filled / f"{who}.pdf").read_bytes().count(b"/Type/Page/") == 1


def test_two_forms_of_one_person_are_not_guessed_between(plan: Plan, filled: Path, tmp_path: Path):
    for name in ("plain", "a formula"):
        shutil.copytree(filled / name, tmp_path / "back" / name)
    found = read(plan, tmp_path / "back")
    assert [p["message"] for p in found["problems"]] == ["2 forms of ann lie here"] * 2


# --- what is no form, or a hostile one ---------------------------------------------------------


def hostile(form: Path, folder: Path) -> dict[str, str]:
    """Write files that are no forms; give what has to be said about each."""
    blob = form.read_bytes()
    folder.mkdir()
    (folder / "plain.xlsx").write_bytes(b"not a zip")
    (folder / "cut.xlsx").write_bytes(blob[: len(blob) // 2])
    (folder / "old.xlsx").write_bytes(b"\xd0\xcf\x11\xe0" + bytes(600))
    (folder / "large.xlsx").write_bytes(blob + bytes(3_000_000))
    with zipfile.ZipFile(folder / "bomb.xlsx", "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("xl/workbook.xml", "<workbook/>")
        book.writestr("xl/worksheets/sheet1.xml", b" " * 50_000_000)
    for name, old, new in (
        ("far", b'r="B2"', b'r="XFD1048576"'),
        ("meta", b"EUR", b"USD"),
    ):
        with (
            zipfile.ZipFile(form) as source,
            zipfile.ZipFile(folder / f"{name}.xlsx", "w", zipfile.ZIP_DEFLATED) as target,
        ):
            for part in source.namelist():
                target.writestr(part, source.read(part).replace(old, new))
    return {
        "plain": "is damaged, or no Excel workbook",
        "cut": "is damaged, or no Excel workbook",
        "old": "has a password",
        "large": "is larger than 2 MB",
        "bomb": "unpacks to more than a form can hold",
        "far": "cells far outside the form",
        "meta": "the hidden sheet of the form was changed",
    }


def test_hostile_files_are_refused_in_words(begun: Path, plan: Plan, tmp_path: Path):
    wanted = hostile(begun / "forms" / "North" / "ann.xlsx", tmp_path / "back")
    problems = {
        str(p["file"])[:-5]: str(p["message"]) for p in read(plan, tmp_path / "back")["problems"]
    }
    assert problems.keys() == wanted.keys()
    for name, text in wanted.items():
        assert text in problems[name]


def test_open_forms_and_other_files_are_named_and_skipped(plan: Plan, tmp_path: Path):
    folder = tmp_path / "back"
    folder.mkdir()
    (folder / "~$ann.xlsx").write_bytes(b"x")
    (folder / "photo.png").write_bytes(b"x")
    openpyxl.Workbook().save(folder / "other.xlsx")
    found = read(plan, folder)
    told = {row["file"]: row["note"] for row in found["forms"]}
    assert told == {
        "other.xlsx": "no form of this kit",
        "photo.png": "no form",
        "~$ann.xlsx": "a form is open in Excel or LibreOffice: close it",
    }


def test_forms_of_another_plan_and_of_nobody_are_refused(plan: Plan, filled: Path, tmp_path: Path):
    plan.agreement_file.unlink()
    found = read(plan, filled / "plain")
    assert "person: 1 unknown label: 'ann'" in str(found["problems"][0]["message"])
    toml = plan.folder / "plan.toml"
    toml.write_text(toml.read_text().replace('"Small"', '"Other"'))
    found = read(plan, filled / "plain")
    assert found["problems"][0]["message"] == "is a form of another plan (Small)"


def test_who_may_not_speak_for_somebody_hands_nothing_in(plan: Plan, filled: Path):
    found = read(plan, filled / "plain", "--as", "bob")
    assert "bob may not speak for ann" in str(found["problems"][0]["message"])
    assert not read(plan, filled / "plain", "--as", "mia")["problems"]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1.284.000,50", 1284000.5),
        ("1,284,000.50", 1284000.5),
        ("1 284 000", 1284000),
        ("1'284'000", 1284000),
        ("1.284.000", 1284000),
        ("12,5", 12.5),
        ("1284000 EUR", 1284000),
        ("₱1,284,000", 1284000),
        ("1.284", None),
        ("1,28,000", None),
        ("1.284,000.5", None),
        ("12 apples", None),
        ("", None),
        ("\uff11\uff12", None),
    ],
)
def test_numbers_are_read_where_there_is_one_way(text: str, number: float | None):
    parsed = parse_number(text)
    assert (None if parsed is None else float(parsed)) == number


@pytest.mark.parametrize("command", ["write", "read"])
def test_every_command_has_help_with_an_example_and_json(command: str):
    said = CliRunner().invoke(main, ["forms", command, "--help"]).output
    assert f"Example:\n    planning-kit forms {command}" in said and "--json" in said


# --- the forms that are shipped ------------------------------------------------------------------


def test_the_forms_of_the_sample_say_what_the_tutorial_says(sample: Plan):
    """They were filled in LibreOffice; reading them needs none."""
    assert run(sample, "agree", "start", "--region", "West").output == "added 11, unchanged 0\n"
    words = ("R048", "1_600_000", "--as", "M04", "--for", "R048", "--reason", "on the phone")
    assert run(sample, "agree", "propose", *words).exit_code == 0
    found = read(sample, sample.folder / "forms" / "West")
    what = {row["rep_id"]: row["what"] for row in found["forms"]}
    assert {who for who, said in what.items() if said == "refused"} == {"R042", "R043", "R048"}
    assert (what["R045"], what["R047"]) == ("no proposal", "no form yet")
    assert sum(said == "read" for said in what.values()) == 6
    assert [p["cell"] for p in found["problems"] if p["file"] == "R043.xlsx"] == [
        "Sales goal!D22",
        "Sales goal!F35",
    ]
    amounts = {row["rep_id"]: row["amount"] for row in found["forms"] if row["what"] == "read"}
    assert (amounts["R038"], amounts["R040"]) == (1_345_600, 408_000)
    tutorial = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    assert all(f"{amount:,.0f}" in tutorial for amount in amounts.values())
    assert {r["what"] for r in read(sample, sample.folder / "forms" / "West")["forms"]} == {
        *("already read", "refused", "no form yet")
    }
