"""Goal letters: what they say, in which words, and who signed them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from planning_kit.agreement import log_problems, open_log, read_events
from planning_kit.agreement.door import Door
from planning_kit.cli import main
from planning_kit.messages import DataError
from planning_kit.output.letters import Letter, Press, Words, page
from planning_kit.plan import Plan, bundled, load_plan
from planning_kit.walk.first_words import step_today
from planning_kit.walk.letters import LetterTables, region_letters, standing_tables
from tests.conftest import PlanMaker

WORDS = bundled("templates") / "letter"
LANGUAGES = sorted(path.stem for path in WORDS.glob("*.toml"))
HOSTILE = [
    '"Ann" <script>alert(1)</script>',
    '#eval("1+1") #panic() $x$ *b* _i_ \\u{41} // @cite',
    "=cmd|' /C calc'!A0",
    "{version} {person}",
    "O'Brien\\",
]
ANN = Letter(
    plan="Alpine",
    currency="PHP",
    unit=100.0,
    starts_on=date(2026, 1, 1),
    ends_on=date(2026, 12, 31),
    rep_id="ann",
    person="Ann Reyes",
    manager="Mia Cruz",
    region="North",
    goal=1_234_500.0,
    basis="agreed",
    steps=[("base", 1_200_017.0), ("growth", 40_000.0), ("fill", 0.0), ("agreement", -5_517.0)],
    months={"Line A": [100_000.0] * 12, "Line B": [0.0] * 11 + [34_500.0]},
    version="0123456789abcdef",
    log_digest="ab" * 32,
    as_of=date(2025, 12, 14),
    activities={"presentations": 120.0},
    closing_ratio=0.25,
)


@cache
def press(language: str = "en") -> Press:
    return Press(Words.read(language))


@cache
def words(language: str = "en") -> Words:
    return Words.read(language)


def text_of(pdf: bytes) -> str:
    """Give the text of a PDF in lines, as somebody would copy it."""
    if not shutil.which("pdftotext"):
        pytest.skip("pdftotext (poppler-utils) is not installed")
    command = ["pdftotext", "-layout", "-", "-"]
    done = subprocess.run(command, input=pdf, capture_output=True, check=True).stdout
    return done.decode().replace("\u200b", "")


def amounts(texts: list[str]) -> list[float]:
    return [float(text.replace(",", "").replace("–", "-")) for text in texts]


def pages(pdf: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


# --- what stands on the page -------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_letter_says_goal_steps_quarters_and_what_to_do(language: str):
    said = text_of(press(language).print(ANN))
    for text in ("Ann Reyes", "PHP 1,234,500", "1,200,017", "+40,000", "–5,517", "25 %", "120"):
        assert text in said
    for text in ("Line A", "300,000", "334,500", "Mia Cruz", "North", "Alpine"):
        assert text in said
    assert "0123456789abcdef" in said and "ab" * 32 in said  # digests can be copied whole
    assert words(language).day(date(2025, 12, 14)) in said


def test_each_language_writes_in_its_words():
    english, filipino = (text_of(press(language).print(ANN)) for language in ("en", "fil"))
    assert "Your sales goal · 1 January 2026 to 31 December 2026" in english
    assert "Ang iyong sales quota · Enero 1, 2026 hanggang Disyembre 31, 2026" in filipino
    assert "Agreed by you" in english and "Napagkasunduan" in filipino


@pytest.mark.parametrize("unit", [1000.0, 1.0, 0.01])
def test_steps_and_quarters_add_up_to_the_goal_as_they_are_written(unit: float):
    scaled = replace(
        ANN,
        unit=unit,
        goal=ANN.goal * unit,
        steps=[(name, amount * unit) for name, amount in ANN.steps],
        months={line: [x * unit for x in months] for line, months in ANN.months.items()},
    )
    said = page(scaled, words())
    (goal,) = amounts([said["why"]["total"][1]])
    assert goal == round(scaled.goal, 2)
    assert round(sum(amounts([row[1] for row in said["why"]["rows"]])), 2) == goal
    rows = [amounts(row[1:]) for row in said["quarters"]["rows"]]
    total = amounts(said["quarters"]["total"][1:])
    assert [round(sum(column), 2) for column in zip(*rows, strict=True)] == total
    assert round(sum(total[:-1]), 2) == total[-1] == goal
    assert said["goal"]["amount"].endswith(".00") is False or unit == 0.01


def test_the_same_letter_gives_the_same_bytes_whatever_was_printed_before():
    first = press().print(ANN)
    press().print(replace(ANN, person="Bob"))
    assert press().print(ANN) == first == Press(words()).print(ANN)


def test_what_there_is_not_has_no_section():
    bare = replace(ANN, activities={}, closing_ratio=0.3, manager="", log_digest="")
    said = text_of(press().print(bare))
    for title in (words().say("activity"), words().say("promises"), "Closing ratio"):
        assert title not in said
    assert "no entry" in said
    kept = text_of(press().print(replace(bare, promises=[("A consultant", date(2026, 3, 31))])))
    assert "What the company promises you" in kept and "• A consultant (31 March 2026)" in kept


def test_a_draft_says_so_and_has_no_lines_to_sign():
    said = text_of(press().print(replace(ANN, is_draft=True, basis="allocated")))
    assert said.count("DRAFT") >= 1 and "Not agreed yet" in said and "Signatures" not in said
    assert "DRAFT" not in text_of(press().print(ANN))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_only_ever_text(name: str):
    letter = replace(
        ANN, person=name, manager=name, plan=name, promises=[(name, date(2026, 3, 31))], rep_id=name
    )
    letter = replace(letter, months={name: [102_875.0] * 12}, region=name)
    pdf = press().print(letter)
    assert re.sub(r"\s", "", text_of(pdf)).count(re.sub(r"\s", "", name)) >= 5
    assert not re.search(rb"/JavaScript|/Launch|/URI", pdf)


@pytest.mark.parametrize(
    "name",
    [
        "אברהם כהן",
        "محمد علي",
        "山田太郎",
        "Παπαδόπουλος",
        "Ђорђе",
        "Ann\u202egpj\x00\n\ud800",
        "",
        "W" * 200,
    ],
)
def test_a_name_of_any_script_and_length_is_printed(name: str):
    letter = replace(ANN, person=name, manager=name, region=name, months={name: [1.0] * 12})
    pdf = press().print(letter)
    assert pdf.startswith(b"%PDF") and pages(pdf) <= 2
    if name.startswith(("Π", "Ђ")):
        assert name in text_of(pdf)
    if "\u202e" in name:
        assert "Ann gpj" in text_of(pdf)


def test_a_person_with_forty_product_lines_has_two_pages():
    many = replace(ANN, unit=0.01, months={f"Product line {n}": [1234.56] * 12 for n in range(40)})
    pdf = press().print(many)
    said = text_of(pdf)
    assert pages(pdf) == 2 and "592,588.80" in said
    assert all(f"Product line {n} " in said for n in range(40))
    assert said.count("Jan–Mar") == 2  # the head stands on both


def test_quarters_are_those_of_the_period():
    may = replace(ANN, starts_on=date(2026, 5, 1), months={"": [1.0] * 8})
    said = page(may, words())["quarters"]
    assert said["head"][1:-1] == ["Q1\nMay–Jul", "Q2\nAug–Oct", "Q3\nNov–Dec"]
    assert said["rows"] == [["Other", "3", "3", "2", "8"]] and said["total"] == []


# --- languages ---------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_word_and_no_other(language: str):
    Words.read(language)  # refuses a file that lacks one
    gaps = re.compile(r"\{\w+\}")
    told, english = json.dumps(words(language).texts), json.dumps(words().texts)
    assert sorted(gaps.findall(told)) == sorted(gaps.findall(english))
    named = {*words().texts["steps"], *words().texts["activities"]}
    assert {"base", "agreement", "sales_needed", "closing_ratio"} <= named


def test_every_step_of_an_allocation_has_a_name():
    from planning_kit.allocation.explain import STEPS

    assert {*STEPS, "agreement"} == set(words().texts["steps"])


def test_a_third_language_is_a_copied_file(tmp_path: Path):
    copy = (WORDS / "en.toml").read_text(encoding="utf-8")
    for old, new in (
        ('thousands = ","', 'thousands = "."'),
        ('decimal = "."', 'decimal = ","'),
        ('"{currency} {amount}"', '"{amount} {currency}"'),
        ('"Your sales goal"', '"Ihr Verkaufsziel"'),
    ):
        assert old in copy
        copy = copy.replace(old, new)
    (tmp_path / "de.toml").write_text(copy, encoding="utf-8")
    said = text_of(Press(Words.read("de", tmp_path), tmp_path).print(ANN))
    assert "Ihr Verkaufsziel" in said and "1.234.500 PHP" in said
    (tmp_path / "de.toml").write_text(copy.replace('why = "', 'wy = "'), encoding="utf-8")
    with pytest.raises(DataError, match=r"'wy' .did you mean 'why'"):
        Words.read("de", tmp_path)
    (tmp_path / "de.toml").write_text(re.sub("growth = .*\n", "", copy), encoding="utf-8")
    with pytest.raises(DataError, match=r"de\.toml: nothing is said for 'steps\.growth'"):
        Words.read("de", tmp_path)


def test_a_plan_may_bring_its_own_template_and_a_fault_in_it_is_named(tmp_path: Path):
    (tmp_path / "letter.typ").write_text("#let d = json(bytes(sys.inputs.letter))\nOwn #d.person")
    own = Press(words(), tmp_path)
    assert text_of(own.print(ANN)).startswith("Own Ann Reyes")
    (tmp_path / "letter.typ").write_text("#nothing")
    with pytest.raises(DataError, match=r"letter\.typ: unknown variable: nothing"):
        Press(words(), tmp_path).print(ANN)


# --- letters of a region -----------------------------------------------------------------------

REPS = (
    'rep_id,rep_name,manager_id,region\nann,"Ann ""A"" #eval(1)",mia,\nbob,Bob,mia,\n'
    "cid,Cid,mia,\nmia,Mia,,North\n"
)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """Give a plan where ann has agreed to less, bob proposes, and cid has not begun."""
    plan = PlanMaker(tmp_path_factory.mktemp("letters") / "plan")(
        extra="[targets]\ncompany = 3000\n",
        reps=REPS,
        assignments="rep_id,territory_id,starts_on\n"
        + "".join(f"{who},t{n},2024-01-01\n" for n, who in enumerate(("ann", "bob", "cid"))),
        territories="territory_id,region\n" + "".join(f"t{n},North\n" for n in range(3)),
        sales="sold_on,rep_id,amount,product_id\n"
        + "".join(
            f"2025-{month:02d}-15,{who},100,p{1 + month % 2}\n"
            for month in range(1, 13)
            for who in ("ann", "bob", "cid")
        ),
        goals=None,
    )
    for command in (
        "agree start",
        "agree propose ann 900 --as ann",
        "agree accept ann 900 --as mia",
        "agree propose bob 800 --as bob",
        "agree promise bob --as mia --until 2026-03-01 --reason",
    ):
        words = [*command.split(), *(["a car"] if command.endswith("--reason") else [])]
        assert ask(plan, *words).exit_code == 0
    # A batch that began before all this is the newest run: its tables count, its log does not.
    run = plan.runs_folder / "old"
    run.mkdir(parents=True)
    (run / "manifest.json").write_text('{"agreement": {"lines": 0, "digest": ""}}')
    (plan.runs_folder / "latest").write_text("old")
    step = step_today(plan, Door.open(plan).prepared, "North")
    step = replace(step, folder=run / "North")
    step.write(**{name: step.table(name) for name in ("allocation", "allocation_steps")})
    return plan


@pytest.fixture
def plan(begun: Plan, tmp_path: Path) -> Plan:
    shutil.copytree(begun.folder, tmp_path / "plan")
    return load_plan(tmp_path / "plan")


def ask(plan: Plan, *command: str) -> Result:
    return CliRunner().invoke(main, [*command, "--plan", str(plan.folder)])


def north(plan: Plan) -> LetterTables:
    return standing_tables(step_today(plan, Door.open(plan).prepared, "North"))


def test_letters_are_of_the_goals_that_stand_now(begun: Plan):
    tables = north(begun)
    letters = {letter.rep_id: letter for letter in region_letters(tables)}
    assert [letters[who].basis for who in ("ann", "bob", "cid")] == ["agreed", *["allocated"] * 2]
    assert (letters["ann"].goal, letters["ann"].manager) == (900, "Mia")
    assert letters["bob"].promises == [("a car", date(2026, 3, 1))]
    assert letters["ann"].promises == ()
    for letter in letters.values():
        assert sum(amount for _, amount in letter.steps) == letter.goal
        assert sum(map(sum, letter.months.values())) == letter.goal
        assert set(letter.months) == {"Line A", "Line B"}
        assert set(letter.activities) == {"sales_needed"} and letter.closing_ratio is None
    assert dict(letters["ann"].steps)["agreement"] == -100
    known = read_events(open_log(begun.agreement_file, begun.settings))["digest"]
    assert letters["ann"].log_digest in known.tolist()


def test_those_who_have_not_agreed_are_named_and_get_drafts_on_demand(plan: Plan):
    done = ask(plan, "letters", "write", "--json")
    told = json.loads(done.stdout)
    assert done.exit_code == 0 and done.stderr == "1/1 North: 1 written\n"
    assert [row["rep_id"] for row in told["written"]] == ["ann"]
    reasons = {row["rep_id"]: row["reason"] for row in told["skipped"]}
    assert reasons == {
        "bob": "neither agreed nor decided (proposed)",
        "cid": "neither agreed nor decided (not started)",
    }
    said = text_of(Path(told["written"][0]["file"]).read_bytes())
    assert 'Ann "A" #eval(1)' in said and "EUR 900" in said
    done = ask(plan, "letters", "write", "--draft", "--lang", "fil", "--region", "North")
    assert f"letters written: 3, skipped: 0; in {plan.folder / 'letters'}" in done.output
    there = sorted(path.name for path in (plan.folder / "letters" / "North").iterdir())
    assert there == ["ann-en.pdf", "ann-fil.pdf", "bob-fil-draft.pdf", "cid-fil-draft.pdf"]


def test_one_person_and_another_folder(plan: Plan, tmp_path: Path):
    out = tmp_path / "elsewhere"
    done = ask(plan, "letters", "write", "--person", "bob", "--out", str(out))
    assert "written: 0, skipped: 1" in done.output and "--draft" in done.output
    done = ask(plan, "letters", "write", "--person", "ann", "--out", str(out))
    assert [p.name for p in out.rglob("*.pdf")] == ["ann-en.pdf"]
    assert not (plan.folder / "letters").exists()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--lang", "english"), "language of letters: 1 unknown label: 'english'"),
        (("--lang", "../en"), "unknown label"),
        (("--region", "Nort"), "did you mean 'North'"),
        (("--person", "anne"), "did you mean 'ann'"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(plan: Plan, words: tuple[str, ...], why: str):
    done = ask(plan, "letters", "write", *words)
    assert done.exit_code == 3 and why in done.stderr and done.stderr.count("\n") == 1


def test_without_typst_the_command_says_what_to_install(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "typst", None)
    done = ask(plan, "letters", "write")
    assert done.exit_code == 2 and done.stderr.count("\n") == 1
    assert "pip install 'planning-kit[pdf]'" in done.stderr


# --- signing -----------------------------------------------------------------------------------


def test_a_signature_is_a_line_of_the_log_and_leaves_every_letter_as_it_was(plan: Plan):
    version = north(plan).versions["ann"]
    ask(plan, "letters", "write")
    (path,) = plan.folder.rglob("ann-en.pdf")
    before = path.read_bytes()
    assert version in text_of(before)
    done = ask(plan, "letters", "sign", "ann", "--as", "ann", "--digest", version)
    assert done.exit_code == 0 and f"ann signed the letter {version}" in done.output
    on_paper = ("--for", "ann", "--reason", "on paper", "--on", "2025-12-18")
    done = ask(plan, "letters", "sign", "ann", "--as", "mia", *on_paper, "--digest", version)
    assert done.exit_code == 0
    line = Door.open(plan).lines("ann").iloc[-1]
    assert (line["kind"], line["actor"], line["behalf"]) == ("sign", "mia", "ann")
    assert line["reason"] == "on paper"
    said = json.loads(line["basis"])
    assert (said["letter"], said["signed_on"]) == (version, "2025-12-18")
    ask(plan, "letters", "write")
    assert path.read_bytes() == before
    assert not log_problems(plan.agreement_file, plan.settings)


def test_a_letter_of_other_goals_a_draft_and_a_stranger_are_refused(plan: Plan):
    version, bobs = north(plan).versions[["ann", "bob"]]
    for who, speaker, digest, why in (
        ("ann", "ann", "0" * 16, f"of version {version}, not '{'0' * 16}': write the letter again"),
        ("bob", "bob", bobs, "sign is not possible, the goal is proposed"),
        ("ann", "bob", version, "bob may not sign"),
        ("dan", "dan", version, "unknown label"),
    ):
        done = ask(plan, "letters", "sign", who, "--as", speaker, "--digest", digest)
        assert done.exit_code == 3 and why in done.stderr and done.stderr.count("\n") == 1
    done = ask(plan, "letters", "sign", "ann", "--as", "mia", "--for", "ann", "--digest", version)
    assert done.exit_code == 2 and "--reason" in done.stderr
    ask(plan, "agree", "accept", "bob", "800", "--as", "mia")  # which is nothing of ann's
    done = ask(plan, "letters", "sign", "ann", "--as", "ann", "--digest", version)
    assert done.exit_code == 0
    ask(plan, "agree", "reopen", "ann", "950", "--as", "mia", "--reason", "a tender")
    done = ask(plan, "letters", "sign", "ann", "--as", "ann", "--digest", version)
    assert done.exit_code == 3 and north(plan).versions["ann"] in done.stderr


@pytest.mark.parametrize("command", ["write", "sign"])
def test_both_commands_have_help_with_an_example_and_json(command: str):
    said = CliRunner().invoke(main, ["letters", command, "--help"]).output
    assert f"Example:\n    planning-kit letters {command}" in said and "--json" in said
