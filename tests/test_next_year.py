"""Next year's plan reads what this year's run left, and knows what came of every goal."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from planning_kit.cli import main
from planning_kit.data import open_inputs, prepare, read_table
from planning_kit.output.next_year import next_year_tables
from planning_kit.plan import Plan, load_plan
from planning_kit.review import attainment, metric_attainment
from planning_kit.review.counts import COUNTED
from planning_kit.review.rates import count_steps
from planning_kit.walk.notebook import NotebookStep
from tests.making import make_inputs, make_settings

NOTEBOOKS = ("02_assumptions", "04_goal_metrics", "05_joint_agreement", "06_manager_goals")
EXPORTED = ("goals", "proposals", "evidence", "assumptions", "manager_time")
ROOT = Path(__file__).resolve().parents[1]


def call(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def later(table: pd.DataFrame) -> pd.DataFrame:
    """The same year again, a year later."""
    days = [c for c in table if c.endswith("_on")]
    moved = {c: pd.to_datetime(table[c]) + pd.DateOffset(years=1) for c in days}
    return table.assign(**{c: day.dt.strftime("%Y-%m-%d") for c, day in moved.items()})


@pytest.fixture(scope="module")
def this_year(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """One region of the sample, with the tables that a run of it leaves."""
    folder = tmp_path_factory.mktemp("this") / "plan"
    kept_out = shutil.ignore_patterns("runs", ".prepared", "*.py", "__pycache__")
    shutil.copytree(ROOT / "data_samples", folder, ignore=kept_out)
    plan = load_plan(folder)
    run = plan.runs_folder / "20260105-090000"
    prepared, scenario = prepare(plan), plan.scenario("base")
    for name in NOTEBOOKS:
        NotebookStep.open_at(name, plan, prepared, "West", scenario, run / "West").write()
    record = {"region": "West", "folder": "West", "status": "done"}
    (run / "manifest.json").write_text(json.dumps({"regions": [record]}))
    return plan


@pytest.fixture(scope="module")
def next_year(this_year: Plan, tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """A plan for 2027 on the exports alone: what came in 2026 is what came in 2025."""
    folder = tmp_path_factory.mktemp("next") / "plan"
    done = call("export", "next-year", "--plan", this_year.folder, "--out", folder / "data")
    assert done.exit_code == 0, done.output
    for path in (this_year.folder / "data").iterdir():
        if path.stem not in EXPORTED:
            shutil.copy(path, folder / "data" / path.name)
    for name in ("sales", "activities", "opportunities"):
        path = folder / "data" / f"{name}.csv"
        later(pd.read_csv(path, dtype=str)).to_csv(path, index=False)
    text = (this_year.folder / "plan.toml").read_text(encoding="utf-8")
    head = text[: text.index("[sources.proposals]")].replace("2026-01-01", "2027-01-01")
    names = [name for name in (*EXPORTED, "opportunities", "activities") if name != "goals"]
    lines = [f'[sources.{name}]\nfile = "data/{name}.csv"' for name in names]
    (folder / "plan.toml").write_text("\n".join([head, *lines]), encoding="utf-8")
    return load_plan(folder)


def test_next_years_plan_shows_attainment_of_every_metric_on_the_exports_alone(next_year: Plan):
    region = open_inputs(next_year, prepare(next_year), "West")
    table = metric_attainment(region)
    goals = region.goals
    own = {metric.name for metric in next_year.settings.metrics}
    assert own and {"amount", "units", "margin", *COUNTED, *own} == set(goals["metric"])
    assert set(table["metric"]) == set(goals["metric"])
    with_goal = table[table["goal"] > 0]
    assert with_goal["attainment"].notna().all() and (with_goal["status"] != "no sales").all()
    assert with_goal.groupby("metric")["rep_id"].nunique().min() >= 10


def test_the_exported_goals_are_those_of_the_run_to_the_unit(this_year: Plan, next_year: Plan):
    tables = next(this_year.runs_folder.glob("*")) / "West" / "tables"
    goals = read_table(next_year.folder / "data" / "goals.csv")
    sums = goals.groupby(["metric", "rep_id", "starts_on"])["goal"].sum()
    people = read_table(tables / "metric_goals.csv").set_index(["rep_id", "month"])
    company = read_table(tables / "company_metrics.csv")
    people = people.join(
        company.pivot(index=["rep_id", "month"], columns="metric", values="metric_goal")
    )
    standing = read_table(tables / "standing_goals.csv").groupby(["rep_id", "month"])["goal"].sum()
    assert (sums["amount"] == standing).all()
    for metric in set(goals["metric"]) - {"amount", "closing_ratio"}:
        known = people[metric].dropna()
        assert (sums[metric].reindex(known.index) == known).all(), metric
    assert (goals.loc[goals["metric"] == "closing_ratio", "ends_on"] == "2026-12-31").all()
    ends = goals["ends_on"] + pd.Timedelta(days=1)
    assert (ends.dt.day == 1).all() and (goals["starts_on"].dt.day == 1).all()


def test_results_are_those_counted_straight_from_the_extracts(next_year: Plan):
    region = open_inputs(next_year, prepare(next_year), "West")
    table = metric_attainment(region).set_index(["metric", "rep_id"])["actual"]
    done = pd.read_csv(next_year.folder / "data" / "activities.csv")
    done = done[done["done_on"].str.startswith("2026")]
    deals = pd.read_csv(next_year.folder / "data" / "opportunities.csv")
    won = deals[deals["outcome"].eq("won") & deals["closed_on"].str.startswith("2026", na=False)]
    for rep_id in table["presentations"].index:
        own = done[(done["rep_id"] == rep_id) & (done["activity"] == "presentation")]
        assert table["presentations", rep_id] == own["count"].sum()
        assert table["sales_needed", rep_id] == (won["rep_id"] == rep_id).sum()
    mine = deals[deals["rep_id"] == (rep_id := table["pipeline_amount"].index[0])]
    months = pd.date_range("2026-01-01", periods=12, freq="MS").strftime("%Y-%m-%d")
    stands = [
        mine.loc[
            (mine["created_on"] <= day) & ((mine["outcome"] == "open") | (mine["closed_on"] > day)),
            "amount",
        ].sum()
        for day in months
    ]
    assert table["pipeline_amount", rep_id] == pytest.approx(np.mean(stands))


def test_proposals_assumptions_and_hours_come_back_as_they_were(this_year: Plan, next_year: Plan):
    tables = next(this_year.runs_folder.glob("*")) / "West" / "tables"
    region = open_inputs(next_year, prepare(next_year), "West")
    state = read_table(tables / "agreement_state.csv").set_index("rep_id")["proposed"].dropna()
    proposed = region.proposals.groupby("rep_id")["proposed"].sum()
    assert proposed.to_dict() == state.to_dict()
    register = read_table(tables / "register.csv")
    assert set(region.assumptions["assumption_id"]) == set(register["assumption_id"])
    hours = read_table(tables / "manager_hours.csv")
    told = region.manager_time
    assert told["planned_hours"].sum() == pytest.approx(hours["hours"].sum())
    assert told["actual_hours"].isna().all()


def test_a_plan_without_a_run_says_so(sample: Plan):
    done = call("export", "next-year", "--plan", sample.folder)
    assert done.exit_code == 2 and "this plan has no run yet" in done.output


def test_a_level_is_averaged_and_a_ratio_is_no_sum_of_its_months():
    day = pd.Timestamp("2025-01-15")
    deals = [
        {
            "opportunity_id": f"d{k}",
            "rep_id": "ann",
            "outcome": outcome,
            "created_on": day,
            "presented_on": day,
            "proposed_on": day,
            "closed_on": closed,
            "amount": 100.0,
        }
        for k, (outcome, closed) in enumerate(
            [("won", "2025-02-10"), ("lost", "2025-02-20"), ("won", "2025-03-05"), ("open", None)]
        )
    ]
    goals = [
        {"starts_on": start, "ends_on": end, "rep_id": "ann", "metric": metric, "goal": goal}
        for metric, goal in (("pipeline_amount", 200.0), ("closing_ratio", 0.5), ("demos", 4.0))
        for start, end in (("2025-02-01", "2025-02-28"), ("2025-03-01", "2025-03-31"))
    ]
    inputs = make_inputs(
        sales=[{"sold_on": "2025-02-10", "rep_id": "ann", "amount": 100.0}],
        goals=goals,
        opportunities=deals,
    )
    table = metric_attainment(inputs).set_index("metric")
    # Four deals stand open on 1 February, two on 1 March.
    assert table.loc["pipeline_amount", ["goal", "actual"]].tolist() == [200.0, 300.0]
    assert table.loc["closing_ratio", ["goal", "actual"]].tolist() == [0.5, pytest.approx(2 / 3)]
    assert table.loc["demos", "status"] == "not counted"
    by_month = attainment(inputs, ["month"], metric="closing_ratio").dropna(subset="goal")
    assert by_month["actual"].tolist() == [0.5, 1.0]


def test_without_any_record_a_count_is_unknown_and_not_zero():
    goal = {"starts_on": "2025-01-01", "ends_on": "2025-12-31", "rep_id": "ann", "goal": 10.0}
    inputs = make_inputs(
        sales=[{"sold_on": "2025-02-10", "rep_id": "ann", "amount": 100.0}],
        goals=[{**goal, "metric": metric} for metric in COUNTED],
    )
    assert metric_attainment(inputs)["actual"].isna().all()


def test_presentations_of_the_goal_and_of_its_review_are_counted_by_one_rule():
    when = pd.Timestamp("2025-04-10")
    sold = [
        {
            "opportunity_id": f"d{k}",
            "rep_id": "ann",
            "outcome": "won",
            "presented_on": when,
            "closed_on": when,
        }
        for k in range(3)
    ]
    goal = {"starts_on": "2025-01-01", "ends_on": "2025-12-31", "rep_id": "ann", "goal": 10.0}
    told = {"rep_id": "ann", "activity": "Presentation at the customer's"}
    for lately, counted in ([], 3.0), ([{**told, "done_on": "2025-05-02", "count": 8.0}], 8.0):
        inputs = make_inputs(
            sales=[{"sold_on": "2025-02-10", "rep_id": "ann", "amount": 100.0}],
            goals=[{**goal, "metric": "presentations"}],
            opportunities=sold,
            activities=[{**told, "done_on": "2024-05-02", "count": 5.0}, *lately],
        )
        assert count_steps(inputs).loc["ann", "presentation"] == counted
        assert metric_attainment(inputs)["actual"].item() == counted


def test_the_last_word_of_everybody_and_what_stands_behind_it_are_exported():
    deal = {"account": "A1", "product": "Line A", "opportunity": "O7", "amount": 40.0}
    deal |= {"probability": 0.5, "month": "2026-04", "reason": "tender"}
    rows = [
        ("propose", "ann", None, "70", "[]"),
        ("propose", "ann", None, "90", json.dumps([deal])),
        ("propose", "bob", "Line A", "30", "[]"),
        ("propose", "bob", "Line B", "20", json.dumps([{**deal, "product": "p9"}])),
        ("propose", "cid", "Line A", "30", "[]"),
        ("propose", "cid", None, "50", "[]"),
        ("propose", "dee", None, "50", "[]"),
    ]
    names = ["kind", "rep_id", "product_line", "amount", "evidence"]
    log = pd.DataFrame(rows, columns=names).assign(territory_id=None)
    log = log.astype({"product_line": "str", "territory_id": "str"})
    # cid's whole goal replaced the part; dee took the proposal back.
    state = {"rep_id": ["ann", "bob", "cid", "dee"], "proposed": [90.0, 50.0, 50.0, np.nan]}
    tables = {"agreement_log": log, "agreement_state": pd.DataFrame(state)}
    tables["standing_goals"] = pd.DataFrame({"product_line": ["Line A", "Line B"]})
    found = next_year_tables(lambda name: tables.get(name, pd.DataFrame()), make_settings())
    proposed = found["proposals"].fillna({"product_line": ""})
    assert proposed[["rep_id", "product_line", "proposed"]].to_numpy().tolist() == [
        ["ann", "", 90.0],
        ["bob", "Line A", 30.0],
        ["bob", "Line B", 20.0],
        ["cid", "", 50.0],
    ]
    evidence = found["evidence"].set_index("rep_id")
    assert evidence.loc["ann", ["product_line", "opportunity_id", "probability"]].tolist() == [
        "Line A",
        "O7",
        0.5,
    ]
    assert evidence.loc["bob", "product_id"] == "p9"
    assert evidence.loc["ann", "closes_on"] == pd.Timestamp("2026-04-01")
