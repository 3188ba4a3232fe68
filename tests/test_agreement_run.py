"""From the log to the tables: a run follows what was agreed, and refuses a log that was changed."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from planning_kit.agreement import Event, open_log, read_events
from planning_kit.agreement.door import Door
from planning_kit.agreement.keys import is_signed
from planning_kit.data import read_table
from planning_kit.messages import DataError
from planning_kit.plan import Plan
from planning_kit.walk import first_words, goals_of, open_step
from planning_kit.walk.rollup import manager_findings, roll_up
from tests.conftest import PlanMaker
from tests.walking import table, walk


def command(*words: str, folder: Path) -> subprocess.CompletedProcess:
    line = [sys.executable, "-m", "planning_kit.cli", *words]
    return subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=300)


def assigned(plan: Plan) -> dict[str, float]:
    """Record the first words about everybody, and give what is asked of each."""
    door = Door.open(plan)
    door.start(first_words(plan, door.prepared))
    return door.stand().set_index("rep_id")["assigned"].to_dict()


def accept(plan: Plan, rep_id: str, amount: float) -> None:
    door = Door.open(plan)
    door.say(Event("propose", rep_id, rep_id, amount))
    door.say(Event("accept", rep_id, "mia", amount))


def change_line(plan: Plan, number: int, amount: str) -> None:
    """Change a line behind the program's back."""
    with sqlite3.connect(plan.folder / "agreement.db") as database:
        database.execute("DROP TRIGGER no_UPDATE")
        database.execute("UPDATE events SET amount = ? WHERE sequence = ?", (amount, number))
    database.close()


# --- everybody accepts less than the target: a whole run of the command --------------------------


@pytest.fixture(scope="module")
def agreed_run(tmp_path_factory):
    plan = PlanMaker(tmp_path_factory.mktemp("agreed") / "plan")(extra="[targets]\ncompany = 600\n")
    asked = assigned(plan)
    accept(plan, "ann", asked["ann"] - 50)
    done = command("run", str(plan.folder), "--jobs", "1", folder=plan.folder)
    assert done.returncode == 0, done.stderr
    (run,) = [path.parent for path in plan.runs_folder.glob("*/manifest.json")]
    return plan, run, asked


def test_all_accepted_below_the_target_is_a_finding_with_the_amount_still_to_find(agreed_run):
    _, run, asked = agreed_run
    assert (run / "North" / "05_joint_agreement.html").is_file()
    found = table(run, "North", "agreement_findings").set_index("finding_id")
    assert found.loc["agreement.total", "status"] == "fail"
    assert (
        f"50.00 less than the target {asked['ann']:,.2f}: that much is still to find"
        in (found.loc["agreement.total", "message"])
    )
    offers = table(run, "North", "offers").set_index("rep_id")
    assert offers.loc["ann", "suggested"] == asked["ann"] - 50


def test_metric_goals_follow_an_accepted_number(agreed_run):
    _, run, asked = agreed_run
    by_month = table(run, "North", "metric_goals")
    assert by_month["amount"].sum() == asked["ann"] - 50
    stands = table(run, "North", "standing_goals")
    assert set(stands["basis"]) == {"agreed"} and stands["goal"].sum() == asked["ann"] - 50
    months = stands.groupby("month")["goal"].sum().tolist()
    assert by_month.groupby("month")["amount"].sum().tolist() == months
    allocated = table(run, "North", "monthly_goals")  # by notebook 03
    assert allocated["goal"].sum() == stands["allocated"].sum() == asked["ann"]
    assert table(run, "South", "metric_goals")["amount"].sum() == asked["bob"]
    what_if = table(run, "North", "what_if").set_index("rep_id")
    assert what_if.loc["ann", ["before", "goal"]].tolist() == [asked["ann"] - 50] * 2


def test_the_roll_up_shows_what_stands_and_what_is_agreed_and_nothing_as_agreed_that_is_not(
    agreed_run,
):
    _, run, asked = agreed_run
    regions = table(run, "", "regions").set_index("region")
    north, south, company = (regions.loc[name] for name in ("North", "South", "company"))
    assert north[["allocated", "gap", "standing", "standing_gap", "basis", "agreed"]].tolist() == [
        *(asked["ann"], 0.0, asked["ann"] - 50, -50.0, "agreed", asked["ann"] - 50)
    ]
    assert (south["standing"], south["basis"]) == (asked["bob"], "allocated")
    assert pd.isna(south["agreed"])  # empty is not zero
    assert company["basis"] == "1 agreed, 1 allocated" and company["standing_gap"] == -50.0
    assert company["agreed"] == asked["ann"] - 50
    facts = read_table(run / "company" / "star" / "fact_goal.csv")
    assert facts["goal"].sum() == 600 and facts["standing"].sum() == 550
    assert facts.groupby("rep_id")["agreed"].sum(min_count=1).isna().to_dict() == {
        "ann": False,
        "bob": True,
    }
    book = openpyxl.load_workbook(run / "company" / "company_goals.xlsx", data_only=True)
    rows = [*book["Regions"].values]
    south_row = dict(zip(rows[1], rows[3], strict=True))
    assert south_row["region"] == "South" and south_row["agreed"] is None
    assert [row[rows[1].index("standing gap")] for row in rows[2:]] == [-50, 0, -50]


def test_the_check_of_sums_never_passes_over_a_gap_of_the_goals_that_stand(agreed_run):
    _, run, _ = agreed_run
    found = table(run, "", "rollup_findings").set_index("finding_id")
    assert found.loc["rollup.sum", "status"] == "review"
    assert "50.00 EUR still to find; agreed by 1 of 2 people" in found.loc["rollup.sum", "message"]
    assert found.loc["rollup.standing", ["status", "where"]].tolist() == ["fail", "North"]
    sums = table(run, "", "sums")
    assert (sums["standing_difference"] == -50).all() and (sums["difference"] == 0).all()


def test_the_last_digest_stands_in_the_manifest_and_in_every_report(agreed_run):
    plan, run, _ = agreed_run
    digests = read_events(open_log(plan.folder / "agreement.db", plan.settings))["digest"]
    noted = json.loads((run / "manifest.json").read_text())["agreement"]
    assert (noted["lines"], noted["digest"]) == (4, digests.iloc[-1])
    assert noted["regions"] == {"North": digests.iloc[-1], "South": digests.iloc[1]}
    seal = open_log(plan.folder / "agreement.db", plan.settings).seal
    assert is_signed(seal.keys(), noted["digest"], noted["signature"])
    reports = [*run.glob("*/0*.html")]
    assert len(reports) == 2 * 8 + 1
    assert all(digests.iloc[-1] in report.read_text(encoding="utf-8") for report in reports)


def test_after_one_acceptance_exactly_the_notebooks_that_read_it_run_again(agreed_run):
    plan, run, asked = agreed_run
    accept(plan, "bob", asked["bob"])
    done = command("run", str(plan.folder), "--jobs", "1", folder=plan.folder)
    assert done.returncode == 0, done.stderr
    second = max(path.parent for path in plan.runs_folder.glob("*/manifest.json"))
    assert second != run
    records = json.loads((second / "manifest.json").read_text())["regions"]
    again = {
        record["folder"]: [
            n["name"][:2] for n in record["notebooks"] if n["kernel"] != "taken over"
        ]
        for record in records
    }
    assert again == {"North": [], "South": ["04", "05", "06", "07"], "company": ["08"]}
    assert table(second, "South", "agreed")["basis"].tolist()[0] == "agreed"


# --- a log that was changed ----------------------------------------------------------------------


def test_a_changed_line_stops_check_run_and_every_notebook(make_plan: PlanMaker):
    plan = make_plan()
    asked = assigned(plan)
    accept(plan, "ann", asked["ann"])
    change_line(plan, 3, "5000")
    checked = command("check", str(plan.folder), "--json", folder=plan.folder)
    assert checked.returncode == 3
    (fault,) = [row for row in json.loads(checked.stdout) if row["status"] == "fail"]
    assert fault["file"] == "agreement.db" and "line 3 was changed" in fault["message"]
    done = command("run", str(plan.folder), folder=plan.folder)
    assert done.returncode == 3 and "line 3 was changed" in done.stderr
    assert not [*plan.runs_folder.glob("*/manifest.json")]  # refused before anything was run
    with pytest.raises(DataError, match="line 3 was changed"):  # a region's total may stand in it
        open_step("00_start_here", region="North", plan_folder=str(plan.folder))


def test_all_notebooks_of_a_run_see_the_log_as_it_was_when_the_run_began(make_plan, tmp_path):
    plan = make_plan()
    asked = assigned(plan)
    digests = read_events(open_log(plan.folder / "agreement.db", plan.settings))["digest"]
    run = tmp_path / "run"
    run.mkdir()
    began = {"agreement": {"lines": 2, "digest": digests.iloc[-1]}}
    (run / "manifest.json").write_text(json.dumps(began))
    accept(plan, "ann", asked["ann"] - 20)

    def opened():
        places = {"plan_folder": str(plan.folder), "run_folder": str(run)}
        return open_step("05_joint_agreement", region="North", **places)

    assert goals_of(opened()).people("agreed") == []
    said = opened().settings().set_index("setting")["value"]
    assert said["agreement log"] == f"2 lines, the last digest is {digests.iloc[-1]}"
    draft = open_step("05_joint_agreement", region="North", plan_folder=str(plan.folder))
    assert goals_of(draft).agreed() == asked["ann"] - 20
    began["agreement"]["digest"] = "0" * 64
    (run / "manifest.json").write_text(json.dumps(began))
    with pytest.raises(DataError, match="line 2 is not the one that this run began with"):
        goals_of(opened())


# --- nobody agreed, some allocated anew, a region without numbers --------------------------------


def test_a_draft_follows_the_log_without_being_told(make_plan: PlanMaker, tmp_path, monkeypatch):
    monkeypatch.setenv("PLANNING_CHARTS", "vega")
    plan = make_plan()
    asked = assigned(plan)
    walk(plan, tmp_path / "run", ["North"], upto=5)
    before = table(tmp_path / "run", "North", "metric_goals")["amount"].sum()
    accept(plan, "ann", asked["ann"] - 20)
    walk(plan, tmp_path / "run", ["North"], upto=5)  # its tables of before are all there
    after = table(tmp_path / "run", "North", "metric_goals")["amount"].sum()
    assert (before, after) == (asked["ann"], asked["ann"] - 20)
    assert set(table(tmp_path / "run", "North", "agreed")["basis"]) == {"agreed"}


def test_every_step_of_everybody_adds_up_to_the_goal_that_stands(sample: Plan):
    step = open_step("05_joint_agreement", region="West", plan_folder=str(sample.folder))
    people = goals_of(step).by("rep").set_index("rep_id")["goal"]
    door = Door.open(sample)
    door.start({"West": [Event("assign", rep, "plan", goal) for rep, goal in people.items()]})
    door.say(Event("escalate", "R041", "M04", reason="too far apart"))
    door.say(Event("decide", "R041", "H01", 1_000_000, "a smaller territory"))
    goals = goals_of(open_step("05_joint_agreement", region="West", plan_folder=str(sample.folder)))
    steps = goals.why().groupby("rep_id")["amount"].sum()
    stands = goals.by("rep").set_index("rep_id")["goal"]
    assert steps.to_dict() == stands.to_dict() == {**people.to_dict(), "R041": 1_000_000}
    assert goals.by("month")["goal"].sum() == goals.standing()
    assert goals.why("R041")["step"].tolist()[-1] == "agreement"


def test_a_region_whose_tables_are_not_there_is_missing_and_not_called_agreed(make_plan, tmp_path):
    plan = make_plan()
    run = tmp_path / "run"
    walk(plan, run, ["North"], upto=5)
    (run / "manifest.json").write_text("{}")
    places = {"plan_folder": str(plan.folder), "run_folder": str(run)}
    rollup = roll_up(open_step("08_company_rollup", **places))
    south = rollup.regions.set_index("region").loc["South"]
    assert south["status"] == "missing" and south[["allocated", "standing", "agreed"]].isna().all()
    assert rollup.findings["finding_id"].tolist() == ["rollup.missing"]


# --- managers of people in several regions -------------------------------------------------------


def capacity(**hours):
    """Give what people here need of each manager by month, and what those elsewhere need."""
    rows = [
        (manager, pd.Timestamp(2026, month, 1), needed, away, 155.0 - away)
        for manager, (here, elsewhere) in hours.items()
        for month, (needed, away) in enumerate(zip(here, elsewhere, strict=True), 1)
    ]
    names = ["manager_id", "month", "hours_required", "hours_elsewhere", "hours_available"]
    return pd.DataFrame(rows, columns=names)


def test_a_manager_of_people_in_several_regions_is_one_person():
    regions = {
        "North": capacity(mia=((79, 40), (195, 80)), zoe=((150, 150), (0, 0))),
        "South": capacity(mia=((87, 40), (187, 80))),
        "West": capacity(mia=((108, 40), (166, 80))),
        "Empty": capacity(),
    }
    (found,) = manager_findings(regions)
    assert found["where"] == "mia" and found["status"] == "fail"
    assert (
        "3 regions ('North', 'South', 'West'), who need 394 h of 310 h together"
        in (found["message"])
    )
    assert "the fullest is 2026-01 with 274 h of 155 h" in found["message"]
    calm = {
        "North": capacity(mia=((79, 40), (95, 48))),
        "South": capacity(mia=((87, 40), (87, 48))),
        "West": capacity(mia=((8, 8), (166, 80))),
    }
    (month,) = manager_findings(calm)
    assert month["finding_id"] == "rollup.manager.month" and month["status"] == "review"
    assert not [*manager_findings({"North": regions["North"], "Empty": capacity()})]
