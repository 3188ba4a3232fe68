"""Checks name every problem at once, with its cell and what to do."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planning_kit.data import TABLES, check_plan, empty_table, prepare
from planning_kit.data.dictionary import dictionary
from planning_kit.data.problems import problem_lines
from planning_kit.messages import DataError, require_labels
from planning_kit.numbers.units import from_units, to_units
from planning_kit.plan import load_plan
from tests.conftest import ROOT, PlanMaker

DIRTY = ROOT / "data_samples" / "dirty"


def listed_faults() -> list[tuple[str, int, str]]:
    """Read the faults out of the table that the dirty extract comes with."""
    text = (DIRTY / "README.md").read_text(encoding="utf-8").split("## Not faults")[0]
    rows = re.findall(r"^\| (\w+_dirty\.csv) \| (\d+) \| (\w+) \|", text, re.M)
    return [(file, int(row), column) for file, row, column in rows]


@pytest.fixture(scope="module")
def dirty_problems(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    folder = tmp_path_factory.mktemp("dirty")
    lines = ['[plan]\nname = "Dirty"\ncurrency = "EUR"\nstarts_on = 2026-01-01']
    for name in ("reps", "territories", "assignments", "sales", "goals"):
        lines.append(f'[sources.{name}]\nfile = "{(DIRTY / f"{name}_dirty.csv").as_posix()}"')
    (folder / "plan.toml").write_text("\n".join(lines), encoding="utf-8")
    return check_plan(load_plan(folder))


@pytest.mark.parametrize(("file", "row", "column"), listed_faults())
def test_every_planted_fault_is_named_with_its_cell(dirty_problems, file, row, column):
    found = dirty_problems[(dirty_problems["file"] == file) & (dirty_problems["row"] == row)]
    named = " ".join([*found["column"], *found["advice"]])  # "correct hired_on or left_on"
    assert column in named, found.to_string()
    assert found["message"].str.len().min() > 5 and found["advice"].str.len().min() > 5


def test_the_dirty_extract_lists_faults_of_every_table():
    assert len(listed_faults()) >= 35
    assert {file for file, _, _ in listed_faults()} == {
        "reps_dirty.csv",
        "assignments_dirty.csv",
        "goals_dirty.csv",
        "sales_dirty.csv",
    }


def test_names_like_na_and_no_are_no_problems(dirty_problems):
    assert not dirty_problems["value"].isin(["NA", "NO"]).any()
    assert not (dirty_problems["file"] == "territories_dirty.csv").any()


def test_an_unknown_name_comes_with_the_nearest_known_one(dirty_problems):
    row = dirty_problems[dirty_problems["value"] == "R33"].iloc[0]
    assert "did you mean 'R3'" in row["advice"]


def test_what_stops_the_plan_stands_first(dirty_problems):
    assert dirty_problems["status"].is_monotonic_increasing  # fail before review


def test_empty_and_zero_goals_are_told_apart(make_plan: PlanMaker):
    goals = "starts_on,rep_id,goal\n2025-01-01,ann,\n2025-01-01,bob,0\n"
    problems = check_plan(make_plan(goals=goals))
    assert problems["rule"].tolist() == ["empty", "zero"]


def test_a_small_loss_is_said_and_a_large_one_stops(make_plan: PlanMaker):
    head = "sold_on,rep_id,amount,product_id\n"
    little = head + "2025-01-01,ann,999,p1\n2025-01-01,ann,1,p9\n"
    problems = check_plan(make_plan(sales=little))
    assert problems["status"].tolist() == ["review", "review"]
    much = head + "2025-01-01,ann,900,p1\n2025-01-01,ann,100,p9\n"
    with pytest.raises(DataError, match=r"100\.00 \(10\.0% of the amount\)"):
        prepare(make_plan(sales=much))


def test_sales_that_belong_to_no_region_are_counted(make_plan: PlanMaker):
    sales = "sold_on,rep_id,amount\n2025-01-01,ann,50\n2025-01-01,zoe,50\n"
    reps = "rep_id\nann\nbob\nzoe\n"
    problems = check_plan(make_plan(sales=sales, reps=reps))
    lost = problems[problems["column"] == "region"].iloc[0]
    assert lost["status"] == "fail" and "50.0% of the amount" in lost["message"]
    assert "'zoe'" in lost["message"]


def test_a_territory_that_is_only_partly_held_is_said(make_plan: PlanMaker):
    held = "rep_id,territory_id,starts_on,share\nann,t1,2024-01-01,0.4\nbob,t1,2024-01-01,0.35\n"
    problems = check_plan(make_plan(assignments=held))
    assert problems["status"].tolist() == ["review"]
    assert "add up to 0.75" in problems["message"][0] and "25%" in problems["message"][0]


def test_a_loop_in_the_manager_chain_names_the_chain(make_plan: PlanMaker):
    reps = "rep_id,manager_id\nann,bob\nbob,cid\ncid,ann\n"
    problems = check_plan(make_plan(reps=reps))
    assert problems[problems["rule"] == "loop"]["message"].tolist() == [
        "the manager chain is a loop: ann -> bob -> cid -> ann"
    ]


def test_hundreds_of_equal_problems_are_counted_not_listed(make_plan: PlanMaker):
    rows = "".join("2025-01-01,ann,x\n" for _ in range(500))
    problems = check_plan(make_plan(sales="sold_on,rep_id,amount\n" + rows))
    found = problems[problems["rule"] == "number"]
    assert len(found) == 51 and found["message"].iloc[-1] == "450 more rows like this"


@pytest.mark.parametrize("name", sorted(TABLES))
def test_every_optional_table_may_be_missing_or_empty(make_plan: PlanMaker, name: str):
    header = ",".join(TABLES[name].names) + "\n"
    if TABLES[name].required:
        if name in ("reps", "territories"):
            with pytest.raises(DataError, match="no rows"):
                prepare(make_plan(**{name: header}))
        return
    prepare(make_plan(**{name: None}))
    prepare(make_plan(extra=f'[sources.{name}]\nfile = "data/{name}.csv"\n', **{name: header}))


def test_the_committed_dictionary_and_templates_are_those_of_the_code():
    assert (ROOT / "docs" / "reference" / "tables.md").read_text(encoding="utf-8") == dictionary()
    data = ROOT / "templates" / "plan" / "data"
    assert (data / "README.md").read_text(encoding="utf-8") == dictionary()
    for name in TABLES:
        assert (data / f"{name}.csv").read_text(encoding="utf-8") == ",".join(
            TABLES[name].names
        ) + "\n"


def test_five_labels_are_named_and_the_rest_counted():
    with pytest.raises(DataError, match=r"8 unknown labels.* and 3 more"):
        require_labels([f"x{i}" for i in range(8)], ["a"], "rules")


@given(
    st.lists(st.integers(-(10**12), 10**12), max_size=20),
    st.sampled_from([0.01, 0.05, 0.1, 0.5, 1.0, 10.0, 1000.0]),
)
def test_whole_units_survive_the_way_to_amounts_and_back(units, unit):
    given_units = pd.Series(units, dtype="int64")
    assert to_units(from_units(given_units, unit), unit).tolist() == units


def test_empty_tables_have_the_types_of_full_ones():
    assert str(empty_table("sales")["sold_on"].dtype) == "datetime64[us]"
    assert empty_table("goals")["goal"].dtype == "float64"


def test_no_template_is_left_without_its_table():
    names = {path.stem for path in Path(ROOT / "templates/plan/data").glob("*.csv")}
    assert names == set(TABLES)


def lines_of(plan) -> list[str]:
    return list(problem_lines(check_plan(plan)))


def test_like_problems_are_one_line_with_their_number(make_plan: PlanMaker):
    goals = "".join(f"2025-{m:02d}-01,2025-{m:02d}-28,ann,0\n" for m in range(1, 9))
    lines = lines_of(make_plan(goals="starts_on,ends_on,rep_id,goal\n" + goals))
    assert [line for line in lines if "goal is 0" in line] == [
        "review goals.csv, 8 rows (2, 3, 4, 5, 6 and 3 more), goal: the goal is 0: read as 'no sales "
        "expected'; leave the cell empty where nobody planned it"
    ]
    one = lines_of(make_plan(goals="starts_on,ends_on,rep_id,goal\n2025-01-01,2025-12-31,ann,0\n"))
    assert next(line for line in one if "goal is 0" in line).startswith(
        "review goals.csv, row 2, goal"
    )


def test_a_line_counts_what_the_table_of_problems_leaves_out(make_plan: PlanMaker):
    rows = "".join(f"2025-01-01,ann,x{n}\n" for n in range(500))
    plan = make_plan(sales="sold_on,rep_id,amount\n" + rows)
    (line,) = [line for line in lines_of(plan) if line.startswith("FAIL") and "amount" in line]
    assert line.startswith(
        "FAIL   sales.csv, 500 rows (2, 3, 4, 5, 6 and 495 more), amount: first of "
    )
    assert "'x0'" in line


def test_problems_that_need_different_answers_keep_a_line_each(make_plan: PlanMaker):
    sales = "sold_on,rep_id,amount\n2025-01-01,anm,1\n2025-01-01,bbo,1\n2025-02-01,ann,90000\n"
    lines = lines_of(make_plan(sales=sales))
    assert sum("map it: [sources.sales.values.rep_id]" in line for line in lines) == 2


def test_a_line_about_a_query_names_the_table_and_the_record(make_plan: PlanMaker):
    plan = make_plan(
        extra="""
[files.orders]
file = "data/orders.csv"
[sources.sales]
sql = "SELECT day AS sold_on, who AS rep_id, amount FROM orders"
[sources.opportunities]
sql = "SELECT who AS rep_id, id AS opportunity_id, 'gone' AS outcome FROM orders"
""",
        sales=None,
    )
    orders = "id,day,who,amount\nO1,2025-01-01,ann,1\nO2,2025-13-01,ann,2\nO3,2025-02-01,bob,x\n"
    (plan.folder / "data" / "orders.csv").write_text(orders)
    lines = lines_of(plan)
    assert any(
        line.startswith("FAIL   sales (SQL), record 2, sold_on: '2025-13-01' is not a day of the")
        and "(record of rep_id ann)" in line
        for line in lines
    ), lines
    assert any(line.startswith("FAIL   sales (SQL), record 3, amount: 'x'") for line in lines)
    (outcome,) = [line for line in lines if ", outcome:" in line]
    assert outcome.startswith(
        "FAIL   opportunities (SQL), 3 records (1, 2, 3), outcome: first of them:"
    )
    assert "(record of opportunity_id O1)" in outcome
    with pytest.raises(DataError, match=r"opportunities \(SQL\)|sales \(SQL\)"):
        prepare(plan)
