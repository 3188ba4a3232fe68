"""What was written when a run began counts; what does not add up is never done."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from planning_kit.cli import main
from planning_kit.plan import Plan, load_plan
from planning_kit.run import BatchOptions, read_manifest, run_plan, unfinished_run
from tests.conftest import TOML, PlanMaker
from tests.test_batch import WRITE, own_notebook

OPEN = """
import planning_kit as pk
step = pk.open_step(
    "NAME", region=region, plan_folder=plan_folder, run_folder=run_folder, scenario=scenario
)
"""
SPLIT = OPEN.replace("NAME", "03_target_allocation") + (
    "step.write(allocation=step.table('allocation'))\n"
)
OFF = SPLIT.replace("'allocation'))", "'allocation').assign(goal=90.0))")


def company(amount: int) -> str:
    return f"[targets]\ncompany = {amount}\n"


@pytest.fixture
def plan(make_plan: PlanMaker) -> Plan:
    plan = make_plan()
    (plan.folder / "scenarios").mkdir()
    (plan.folder / "scenarios" / "base.toml").write_text(company(200))
    own_notebook(plan, "03_split", SPLIT)
    own_notebook(plan, "08_company", WRITE)
    return plan


def options(**more) -> BatchOptions:
    return BatchOptions(**{"jobs": 1, "html": False, **more})


def records(run: Path) -> dict[str, dict]:
    return {record["region"]: record for record in read_manifest(run)["regions"]}


CHANGES = {
    "scenarios/base.toml": company(400),
    "plan.toml": "this is half written [",
    "notebooks/03_split.ipynb": "{}",
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_changed_while_a_run_is_on_is_not_of_that_run(plan: Plan, name: str):
    old = (plan.folder / name).read_text()
    change = (
        f"from pathlib import Path\nPath(plan_folder, {name!r}).write_text({CHANGES[name]!r})\n"
    )
    own_notebook(plan, "01_first", f"if region == 'North':\n    {change.replace(chr(10), '; ', 1)}")
    run = run_plan(plan, options())
    found = records(run)
    assert {region: record["status"] for region, record in found.items()} == dict.fromkeys(
        ("North", "South", "(company)"), "done"
    )
    assert [record["gap"] for record in found.values()] == [0, 0, 0]
    assert found["(company)"]["allocated"] == 200
    assert (run / "plan" / name).read_text() == old
    assert (plan.folder / name).read_text() == CHANGES[name]  # the planner's own stays


def test_the_next_run_takes_what_is_written_then(plan: Plan):
    run_plan(plan, options())
    (plan.folder / "scenarios" / "base.toml").write_text(company(400))
    run = run_plan(plan, options())
    assert records(run)["(company)"]["allocated"] == 400
    reasons = {n["reason"].partition(": ")[2] for n in records(run)["North"]["notebooks"]}
    assert reasons == {"scenario"}


def test_a_notebook_of_a_run_that_is_opened_later_still_reads_what_the_run_read(plan: Plan):
    from planning_kit.walk import open_step

    run = run_plan(plan, options())
    (plan.folder / "scenarios" / "base.toml").write_text(company(400))
    places = {"plan_folder": str(plan.folder), "region": "North"}
    of_run = open_step("03_target_allocation", run_folder=str(run), **places)
    draft = open_step("03_target_allocation", **places)
    assert of_run.inputs.target == records(run)["North"]["target"] < draft.inputs.target


def test_a_region_whose_goals_miss_the_target_is_never_done(plan: Plan):
    own_notebook(plan, "03_split", OFF)
    result = CliRunner().invoke(main, ["run", str(plan.folder), "--jobs", "1", "--no-html"])
    found = unfinished_run(load_plan(plan.folder), failed_only=True)
    assert result.exit_code == 1 and found is not None
    north = records(found[0])["North"]
    assert north["status"] == "failed" and north["gap"] == 90 - north["target"]
    words = f"add up to 90.00 EUR, {-north['gap']:,.2f} below the {north['target']:,.2f} asked for"
    assert words in north["error"] and f"failed: North: {north['error']}" in result.stderr
    assert records(found[0])["(company)"]["status"] == "done"  # the others go on
    own_notebook(plan, "03_split", SPLIT)
    run = run_plan(plan, found[1], into=found[0])
    assert {record["status"] for record in records(run).values()} == {"done"}


def test_a_target_that_nobody_carries_is_a_failure_that_says_so(make_plan: PlanMaker):
    plan = make_plan(
        TOML + "\n[targets.regions]\nWest = 50\n",
        territories="territory_id,region\nt1,North\nt2,South\nt3,West\n",
    )
    own_notebook(plan, "03_split", SPLIT)
    own_notebook(plan, "08_company", WRITE)
    run = run_plan(plan, options(regions=("West",)))
    west = records(run)["West"]
    assert west["status"] == "failed" and west["gap"] == -50
    assert west["error"].endswith("below the 50.00 asked for; nobody there carries a goal")


def test_what_levels_add_to_the_target_is_asked_for(plan: Plan):
    more = company(200) + "[over_assignment]\nregion = 0.1\n"
    (plan.folder / "scenarios" / "base.toml").write_text(more)
    north = records(run_plan(plan, options(regions=("North",))))["North"]
    assert north["status"] == "done" and north["allocated"] == 160 and north["gap"] == 0
