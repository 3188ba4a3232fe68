"""The company's workbook and star schema."""

from __future__ import annotations

import openpyxl
import pandas as pd
import pytest

from planning_kit.data import read_table
from planning_kit.walk import open_step
from planning_kit.walk.rollup import roll_up, write_files
from tests.conftest import TABLES, PlanMaker


@pytest.fixture
def company(make_plan: PlanMaker, tmp_path, monkeypatch):
    monkeypatch.setenv("PLANNING_CHARTS", "vega")
    reps = TABLES["reps"].replace("Ann", '"=HYPERLINK(""http://x"")"')
    plan = make_plan(reps=reps)
    step = open_step(
        "08_company_rollup", plan_folder=str(plan.folder), run_folder=str(tmp_path / "run")
    )
    return step, roll_up(step)


def test_the_workbook_adds_up_and_runs_nothing(company):
    step, rollup = company
    book = openpyxl.load_workbook(write_files(step, rollup)[0])
    assert book.sheetnames == ["Cover", "Regions", "Goals", "Sums"]
    goals = pd.DataFrame(book["Goals"].values).iloc[1:]
    goals.columns = goals.iloc[0]
    assert goals["goal"].iloc[1:].sum() == step.inputs.target
    formulas = [c.value for s in book for row in s.iter_rows() for c in row if c.data_type == "f"]
    # Only our own: allocated - target, and standing - target.
    assert set(formulas) == {f"={c}{n}-D{n}" for c in "EF" for n in (3, 4, 5)}
    texts = [c.value for row in book["Goals"].iter_rows() for c in row if isinstance(c.value, str)]
    assert '=HYPERLINK("http://x")' in texts
    computed = openpyxl.load_workbook(step.folder / "company_goals.xlsx", data_only=True)
    rows = [*computed["Regions"].values]
    for name in ("gap", "standing gap"):
        assert [row[rows[1].index(name)] for row in rows[2:]] == [0, 0, 0]


def test_nobody_having_agreed_is_empty_everywhere_and_not_the_target(company):
    step, rollup = company
    book = openpyxl.load_workbook(write_files(step, rollup)[0])
    for sheet in ("Regions", "Goals"):
        rows = [*book[sheet].values]
        assert {row[rows[1].index("agreed")] for row in rows[2:]} == {None}
        assert {row[rows[1].index("basis")] for row in rows[2:]} == {"allocated"}
        assert {row[rows[1].index("standing")] for row in rows[2:]} != {None}
    facts = read_table(step.folder / "star" / "fact_goal.csv")
    assert facts["agreed"].isna().all() and (facts["standing"] == facts["goal"]).all()
    assert "agreed by 0 of 2 people" in rollup.findings["message"].iloc[0]


def test_the_same_goals_give_the_same_workbook(company):
    step, rollup = company
    first = write_files(step, rollup)[0].read_bytes()
    assert write_files(step, rollup)[0].read_bytes() == first


def test_every_fact_finds_its_dimensions(company):
    step, rollup = company
    files = {path.stem: read_table(path) for path in write_files(step, rollup)[1:]}
    facts = files.pop("fact_goal")
    assert facts["goal"].sum() == step.inputs.target
    for name, dimension in files.items():
        key = name.removeprefix("dim_")
        key = key if key in dimension else f"{key}_id"
        assert dimension[key].is_unique and set(facts[key]) <= set(dimension[key])
