"""The whole walk, on companies of every shape: it always ends, adds up, and says what it lacks."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from planning_kit.data import prepare, read_table, write_table
from planning_kit.messages import DataError, UsageError
from planning_kit.plan import Plan, Scenario, load_plan
from planning_kit.walk import Step, chances, chosen_person, open_step, relaxed_limits
from planning_kit.walk.split import allocate_region
from tests.conftest import TABLES, PlanMaker
from tests.walking import run_cells, table, walk


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PLANNING_CHARTS", "vega")


def adds_up(plan: Plan, run: Path) -> None:
    """Add the written goals up again, by hand, in whole units."""
    unit = plan.settings.rounding_unit
    regions = table(run, "", "regions").set_index("region")
    total = 0
    for region in prepare(plan).regions:
        goals = table(run, region, "allocation")
        units = (goals["goal"] / unit).round().astype(int)
        assert (units * unit - goals["goal"]).abs().max() < 1e-6 if len(goals) else True
        months = table(run, region, "monthly_goals")
        assert round(months["goal"].sum() / unit) == units.sum()
        if len(goals):
            assert units.sum() == round(regions.loc[region, "target"] / unit)
        total += int(units.sum())
        steps = table(run, region, "allocation_steps")
        by_rep = goals.groupby("rep_id")["goal"].sum()
        if len(goals):
            pd.testing.assert_series_equal(
                steps.groupby("rep_id")["amount"].sum(), by_rep, check_names=False, atol=1e-6
            )
    assert round(regions.loc["company", "allocated"] / unit) == total


def test_a_small_company_walks_from_history_to_the_roll_up(make_plan: PlanMaker, tmp_path: Path):
    plan = make_plan()
    walk(plan, tmp_path / "run", ["North", "South"])
    adds_up(plan, tmp_path / "run")
    reached = table(tmp_path / "run", "North", "attainment").set_index("rep_id")
    assert reached.loc["ann", ["goal", "actual"]].tolist() == [120.0, 100.0]


@pytest.mark.parametrize(
    "missing",
    ["assignments", *(pytest.param(n, marks=pytest.mark.slow) for n in ("products", "goals"))],
)
def test_a_missing_table_closes_its_sections_and_nothing_else(make_plan, tmp_path, missing):
    plan = make_plan(
        **{missing: None if missing != "assignments" else "rep_id,territory_id\n"},
        reps="rep_id,region\nann,North\nbob,South\n",
    )
    walk(plan, tmp_path / "run", ["North", "South"])
    adds_up(plan, tmp_path / "run")


@pytest.mark.slow
def test_one_person_is_enough(make_plan: PlanMaker, tmp_path: Path):
    plan = make_plan(
        reps="rep_id\nann\n",
        territories="territory_id,region\nt1,North\n",
        assignments="rep_id,territory_id\nann,t1\n",
        products=None,
        goals=None,
        sales="sold_on,rep_id,amount\n2025-03-01,ann,1200\n",
    )
    walk(plan, tmp_path / "run", ["North"])
    adds_up(plan, tmp_path / "run")


def test_a_region_without_people_says_that_nobody_carries_its_target(make_plan, tmp_path):
    toml = (
        'regions = ["North", "South", "Empty"]\n[plan]\nname = "p"\ncurrency = "EUR"\n'
        "rounding_unit = 10\nstarts_on = 2026-01-01\n[targets.regions]\nEmpty = 500\n"
    )
    plan = make_plan(toml)
    walk(plan, tmp_path / "run", ["North", "South", "Empty"])
    found = table(tmp_path / "run", "Empty", "allocation_findings")
    assert found["finding_id"].tolist() == ["allocation.nobody"]
    gap = table(tmp_path / "run", "", "regions").set_index("region")["gap"]
    assert gap["Empty"] == -500.0 and gap["North"] == 0.0


def test_people_without_history_still_get_a_goal(make_plan: PlanMaker, tmp_path: Path):
    plan = make_plan(
        reps=TABLES["reps"] + "new,New,mia,North\n",
        assignments=TABLES["assignments"] + "new,t1,2025-12-01\n",
    )
    walk(plan, tmp_path / "run", ["North"], upto=7)
    goals = table(tmp_path / "run", "North", "allocation")
    assert goals.groupby("rep_id")["goal"].sum()["new"] > 0


@pytest.mark.slow
def test_a_target_of_zero_gives_goals_of_zero(make_plan: PlanMaker, tmp_path: Path):
    plan = make_plan(extra="[targets]\ncompany = 0\n")
    walk(plan, tmp_path / "run", ["North", "South"])
    adds_up(plan, tmp_path / "run")
    assert table(tmp_path / "run", "North", "allocation")["goal"].sum() == 0


@pytest.mark.parametrize(
    ("amount", "unit"),
    [("0.01", 0.01), pytest.param("1000000000000", 1000, marks=pytest.mark.slow)],
)
def test_amounts_of_any_size_add_up(make_plan: PlanMaker, tmp_path: Path, amount: str, unit: float):
    toml = f'[plan]\nname = "p"\ncurrency = "EUR"\nrounding_unit = {unit}\nstarts_on = 2026-01-01\n'
    sales = f"sold_on,rep_id,amount\n2025-01-01,ann,{amount}\n2025-07-01,bob,{amount}\n"
    plan = make_plan(toml, sales=sales, goals=None)
    walk(plan, tmp_path / "run", ["North", "South"])
    adds_up(plan, tmp_path / "run")


NAMES = ["../up"]
MORE = ("=1+1", "NA", "O'Brien", "{x}", "北", "a\nb", "con")
MORE_NAMES = [pytest.param(name, marks=pytest.mark.slow) for name in MORE]


@pytest.mark.parametrize("region", [*NAMES, *MORE_NAMES])
def test_a_region_may_be_called_anything(make_plan: PlanMaker, tmp_path: Path, region: str):
    quoted = '"' + region.replace('"', '""') + '"'
    plan = make_plan(
        territories=f"territory_id,region\nt1,{quoted}\nt2,South\n", reps="rep_id\nann\nbob\n"
    )
    run = tmp_path / "deep" / "run"
    walk(plan, run, [region, "South"])
    adds_up(plan, run)
    outside = {
        p for p in tmp_path.rglob("*.csv") if run not in p.parents and plan.folder not in p.parents
    }
    assert not outside


@pytest.mark.slow
def test_no_sales_at_all_still_ends(make_plan: PlanMaker, tmp_path: Path):
    plan = make_plan(
        extra="[targets]\ncompany = 1000\n", sales="sold_on,rep_id,amount\n", goals=None
    )
    walk(plan, tmp_path / "run", ["North", "South"])
    adds_up(plan, tmp_path / "run")


def test_same_inputs_give_the_same_bytes(make_plan: PlanMaker, tmp_path: Path):
    plan = make_plan()
    walk(plan, tmp_path / "one", ["North"], upto=7)
    rows = TABLES["sales"].splitlines()
    plan = make_plan(sales="\n".join([rows[0], *reversed(rows[1:])]) + "\n")  # row order is nothing
    walk(plan, tmp_path / "two", ["North"], upto=7)
    files = sorted((tmp_path / "one").rglob("*.csv"))
    assert len(files) > 30
    for file in files:
        if file.name in ("checks.csv", "coverage.csv"):
            continue
        assert (
            file.read_bytes()
            == (tmp_path / "two" / file.relative_to(tmp_path / "one")).read_bytes()
        )


def test_a_table_of_other_inputs_is_computed_again(make_plan: PlanMaker, tmp_path: Path):
    plan = make_plan()
    options = {"region": "North", "run_folder": str(tmp_path / "run")}
    first = open_step("03", plan_folder=str(plan.folder), **options)
    first.write(baseline=first.table("baseline"))
    again = open_step("03", plan_folder=str(plan.folder), **options)
    again.table("baseline")
    assert again.origins()["origin"].tolist() == ["written by 02_assumptions"]
    make_plan(sales=TABLES["sales"] + "2025-08-01,ann,999,p1,1\n")
    moved = open_step("03", plan_folder=str(plan.folder), **options)
    assert moved.table("baseline")["expected"].sum() > again.table("baseline")["expected"].sum()
    assert moved.origins()["origin"].str.contains("computed here").all()


def test_a_rule_about_another_region_is_left_out_here(make_plan: PlanMaker):
    plan = make_plan()
    (plan.folder / "scenarios").mkdir()
    (plan.folder / "scenarios" / "base.toml").write_text(
        '[[rules]]\nname = "bob"\nwhere = { rep_id = "bob" }\nexactly = 30\n'
    )
    options = {"plan_folder": str(plan.folder), "run_folder": str(plan.folder / "runs/t")}
    north = allocate_region(open_step("03", region="North", **options))
    south = allocate_region(open_step("03", region="South", **options))
    assert "bob" not in set(north.rules["name"]) and "bob" in set(south.rules["name"])
    (plan.folder / "scenarios" / "base.toml").write_text(
        '[[rules]]\nname = "who"\nwhere = { rep_id = "bobb" }\nexactly = 30\n'
    )
    with pytest.raises(ValueError, match=r"'bobb' \(did you mean 'bob'\?\)"):
        allocate_region(open_step("03", region="North", **options))


def test_an_unknown_table_or_region_is_named(make_plan: PlanMaker):
    plan = make_plan()
    with pytest.raises(UsageError, match="did you mean 'North'"):
        open_step("01", region="north", plan_folder=str(plan.folder))
    with pytest.raises(UsageError, match="no step makes"):
        open_step("01", region="North", plan_folder=str(plan.folder)).table("basline")


def test_a_plan_is_found_above_the_working_folder(make_plan: PlanMaker, monkeypatch):
    plan = make_plan()
    monkeypatch.chdir(plan.folder / "data")
    assert load_plan("").folder == plan.folder


def test_tables_come_back_as_they_were(tmp_path: Path):
    written = pd.DataFrame(
        {
            "name": ["=1+1", "'a", "NA", None, "-5", "plain"],
            "amount": [0.1 + 0.2, None, 0.0, -1e12, 0.01, 3.0],
            "count": [1, 2, 3, 4, 5, 6],
            "day": pd.to_datetime(["2026-01-31", None, "2025-12-31"] * 2).astype("datetime64[us]"),
            "fits": [True, False] * 3,
        }
    ).astype({"name": "str"})
    write_table(tmp_path / "t.csv", written)
    pd.testing.assert_frame_equal(read_table(tmp_path / "t.csv"), written)
    assert "'=1+1" in (tmp_path / "t.csv").read_text()


def test_the_what_if_notebook_shows_its_result_without_a_click(make_plan: PlanMaker, tmp_path):
    plan = make_plan()
    names = run_cells(
        Path(__file__).parents[1] / "notebooks" / "07_what_if.ipynb",
        region="North",
        plan_folder=str(plan.folder),
        run_folder=str(tmp_path),
        target_change=0.5,
    )
    people = names["step"].what_if(names["start"]).people
    assert people["goal"].sum() == pytest.approx(1.5 * people["before"].sum(), abs=10)


def test_equal_chance_is_one_of_the_person_whatever_the_base(sample: Plan, tmp_path: Path):
    step = open_step(
        "03_target_allocation",
        region="West",
        plan_folder=str(sample.folder),
        run_folder=str(tmp_path / "run"),
    )
    bases = {"run_rate": 0.4, "account_build_up": 0.3, "fair_share": 0.3}
    content = {"objective": {"kind": "equal_chance"}, "base": {"blend": bases}}
    step = replace(step, scenario=Scenario.parse("equal", content))
    people = chances(step, step.table("allocation"))
    assert people["goal"].sum() == step.inputs.target
    assert people["chance"].max() - people["chance"].min() < 0.005
    assert chosen_person(step, "R041") == "R041"
    assert chosen_person(step) in set(people["rep_id"])
    with pytest.raises(DataError, match="R04"):
        chosen_person(step, "R04l")


def test_what_the_planner_takes_out_leaves_every_notebook(sample: Plan, tmp_path: Path):
    def opened(notebook: str, content: dict) -> Step:
        step = open_step(
            notebook,
            region="West",
            plan_folder=str(sample.folder),
            run_folder=str(tmp_path / "run"),
        )
        return step.other("West", Scenario.parse("taken out", content), step.folder)

    entry = {"rep_id": "R041", "month": date(2025, 12, 1), "owner": "Ann", "reason": "once"}
    booked = opened("03_target_allocation", {})
    counted = opened("03_target_allocation", {"review": {"exclude": [entry]}})
    sold = booked.inputs.sales
    gone = sold[sold["rep_id"].eq("R041") & sold["month"].eq("2025-12-01")]["amount"].sum()
    assert gone > 0
    last = [
        s.table("cells").set_index("rep_id")["last_year"].groupby("rep_id").sum()
        for s in (booked, counted)
    ]
    assert (last[0] - last[1]).round(2).to_dict() == {
        rep: pytest.approx(gone if rep == "R041" else 0.0, abs=0.02) for rep in last[0].index
    }
    expected = [s.outlook().expected for s in (booked, counted)]
    assert expected[1]["R041"] < expected[0]["R041"]
    said = counted.settings().set_index("setting")["value"]
    assert said["taken out of the reviewed sales"] == f"{gone:,.0f} EUR"
    assert "taken out of the reviewed sales" not in set(booked.settings()["setting"])
    with pytest.raises(DataError, match="1 unknown label: 'R04l'"):
        opened("03_target_allocation", {"review": {"exclude": [{**entry, "rep_id": "R04l"}]}})


def test_relaxed_limits_lists_relaxed_limits_and_padding(sample: Plan, tmp_path: Path):
    step = open_step(
        "03_target_allocation",
        region="West",
        plan_folder=str(sample.folder),
        run_folder=str(tmp_path / "run"),
    )
    cap = {"name": "calm", "each": ["rep_id"], "most_up_share": 0.0, "priority": 2}
    content = {"rules": [cap], "relax": {"allow": True}, "over_assignment": {"region": 0.02}}
    gave = relaxed_limits(replace(step, scenario=Scenario.parse("tight", content)))
    assert set(gave["what"]) == {"calm", "region"}
    padding = gave[gave["what"] == "region"].iloc[0]
    assert padding["becomes"] == pytest.approx(step.inputs.target * 1.02, abs=100)
    limits = gave[gave["what"] == "calm"]
    assert (limits["asked"] + limits["by"] == limits["becomes"]).all()


def test_goals_that_add_up_to_the_target_and_what_levels_add_have_no_gap(
    make_plan: PlanMaker, tmp_path: Path
):
    plan = make_plan(extra="[targets]\ncompany = 600\n[targets.regions]\nNorth = 250\n")
    scenarios = plan.folder / "scenarios"
    scenarios.mkdir()
    (scenarios / "more.toml").write_text("[over_assignment]\nregion = 0.05\nmanager = 0.03\n")
    walk(plan, tmp_path / "run", ["North", "South"], scenario="more")
    regions = table(tmp_path / "run", "", "regions").set_index("region")
    assert regions["street_target"].tolist() == [270.0, 380.0, 650.0]  # 270.4 and 378.5, in tens
    assert regions["allocated"].equals(regions["street_target"])
    assert regions[["gap", "standing_gap"]].eq(0).all(axis=None)
    assert regions["target"].tolist() == [250.0, 350.0, 600.0]
    found = table(tmp_path / "run", "", "rollup_findings").set_index("finding_id")["status"]
    assert found["rollup.sum"] == "pass" and "rollup.gap" not in found
    sums = table(tmp_path / "run", "", "sums")
    assert sums[["difference", "standing_difference"]].eq(0).all(axis=None)


def test_the_example_of_a_notebook_of_ones_own_runs_on_the_sample_plan(sample, tmp_path):
    text = (Path(__file__).parents[1] / "docs" / "how-to" / "own-notebooks.md").read_text()
    code = text.partition("```python\n")[2].partition("```")[0]
    places = f'"West", {str(sample.folder)!r}, {str(tmp_path)!r}, "base"'
    names: dict = {}
    exec(code.replace('"West", "", "", "base"', places), names)
    goals = names["goals"]
    assert goals.gap(names["step"].inputs.target) == 0
    written = table(tmp_path, "West", "allocation")
    assert written["goal"].sum() == goals.standing() == 13_867_500
    assert goals.why("R038")["amount"].sum() == pytest.approx(
        goals.by("rep").set_index("rep_id").loc["R038", "goal"], abs=1e-6
    )
