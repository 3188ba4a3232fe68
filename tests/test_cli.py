"""The command: one line for what is wrong, documented exit codes, help with an example."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from planning_kit.cli import main
from planning_kit.data import check_plan
from planning_kit.plan import load_plan
from tests.conftest import PlanMaker


def call(*words: str):
    return CliRunner().invoke(main, list(words))


def commands() -> list[list[str]]:
    found = [[]]
    for name, command in main.commands.items():
        found.append([name])
        found += [[name, inner] for inner in getattr(command, "commands", {})]
    return found


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_helps_with_an_example(words):
    result = call(*words, "--help")
    assert result.exit_code == 0
    if words != ["notebooks"]:
        assert "Example:" in result.output and "planning-kit " in result.output


def test_check_of_good_inputs_ends_well(make_plan: PlanMaker):
    plan = make_plan()
    result = call("check", str(plan.folder))
    assert result.exit_code == 0 and "0 to correct" in result.stderr


def test_check_of_bad_inputs_ends_with_3_and_leaves_machine_readable_copies(make_plan: PlanMaker):
    plan = make_plan(sales="sold_on,rep_id,amount\n2025-01-01,ann,x\n2025-13-01,ann,1\n")
    result = call("check", str(plan.folder), "--json")
    assert result.exit_code == 3
    rows = json.loads(result.stdout)
    assert {row["row"] for row in rows if row["status"] == "fail"} == {2, 3}
    assert json.loads((plan.folder / "runs" / "checks.json").read_text()) == rows
    assert (plan.folder / "runs" / "checks.csv").read_text().startswith("status,table,file,row")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[levers]\ntrade_show = 3\n", "trade_shows"),
        ("[targets]\ncompany = 12345\n", "not a multiple"),
        ('[[rules]]\nname = "r"\nwhere = { rep_id = "anm" }\nexactly = 1\n', "'ann'"),
    ],
)
def test_check_reads_the_scenarios_too(make_plan: PlanMaker, text: str, said: str):
    plan = make_plan()
    (plan.folder / "scenarios").mkdir()
    (plan.folder / "scenarios" / "odd.toml").write_text(text)
    result = call("check", str(plan.folder))
    assert result.exit_code == 3 and "scenarios/odd.toml" in result.stdout and said in result.stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["check", "nowhere"], 2, "planning-kit init"),
        (["run", "PLAN", "--region", "Nort"], 2, "did you mean 'North'"),
        (["run", "PLAN", "--scenario", "x"], 3, "x"),
        (["run", "PLAN", "-p", "regionn", "x"], 2, "did you mean 'region'"),
        (["status", "PLAN"], 2, "no run yet"),
        (["init", "PLAN"], 2, "not empty"),
    ],
)
def test_wrong_usage_is_one_line_and_the_documented_code(make_plan: PlanMaker, words, code, said):
    plan = make_plan()
    result = call(*[str(plan.folder) if word == "PLAN" else word for word in words])
    assert result.exit_code == code, result.output
    assert said in result.stderr and result.stderr.count("\n") == 1
    assert "Traceback" not in result.output


def test_init_writes_a_plan_that_can_be_checked_at_once(tmp_path: Path):
    folder = tmp_path / "mine"
    assert call("init", str(folder)).exit_code == 0
    assert len(list((folder / "notebooks").glob("*.ipynb"))) == 9
    result = call("check", str(folder))
    assert result.exit_code == 3 and "the table has no rows" in result.stdout


def test_init_with_the_sample_gives_a_plan_that_is_good(tmp_path: Path):
    folder = tmp_path / "sample"
    assert call("init", str(folder), "--sample").exit_code == 0
    problems = check_plan(load_plan(folder))
    assert not (problems["status"] == "fail").any()
    assert not list(folder.glob("*.py"))


def test_help_needs_no_heavy_library():
    code = (
        "import sys\nfrom planning_kit.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "sys.exit(any(m in sys.modules for m in ('pandas', 'duckdb', 'altair')))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_doctor_names_what_is_there():
    result = call("doctor", "--json")
    rows = {row["what"]: row for row in json.loads(result.stdout)}
    assert rows["pandas"]["status"] == "good" and rows["kernel python3"]["status"] == "good"
    assert result.exit_code == (1 if any(r["status"] == "missing" for r in rows.values()) else 0)
