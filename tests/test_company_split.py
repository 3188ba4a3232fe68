"""From the company to the regions: rules, holds and talks decide every region's target, exactly."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

import planning_kit.walk.company as company
from planning_kit.agreement.door import Door
from planning_kit.agreement.voices import Voices, head_of
from planning_kit.allocation import RulesConflictError
from planning_kit.cli import main
from planning_kit.data import check_plan, check_scenario, check_scenarios, prepare
from planning_kit.data.targets import region_targets
from planning_kit.messages import DataError
from planning_kit.plan import REGION_TALK, Plan, Scenario, Targets
from planning_kit.run import reuse
from planning_kit.steps import STEPS, step_of
from planning_kit.walk import first_words, open_step
from planning_kit.walk.company import company_split, resolver
from planning_kit.walk.first_words import step_today
from planning_kit.walk.logged import log_end_today, totals_agreed
from planning_kit.walk.totals import target_findings
from planning_kit.walk.what_if import WhatIf, scenario_of
from tests.conftest import PlanMaker
from tests.making import make_settings
from tests.walking import NOTEBOOKS, run_cells, table

# ann and bob report to mia, cid to max, both to zoe; eve has nobody above.
REPS = (
    "rep_id,rep_name,manager_id,region\nann,Ann,mia,\nbob,Bob,mia,\ncid,Cid,max,\neve,Eve,,\n"
    "mia,Mia,zoe,North\nmax,Max,zoe,South\nzoe,Zoe,,North\n"
)
COMPANY = """
[company.base]
blend = { last_year = 0.5, potential = 0.5 }

[[company.rules]]
name = "no region above 450"
each = ["region"]
at_most = 450
reason = "nobody can serve more"

[[company.holds]]
name = "West opens slowly"
where = { region = "West" }
amount = 150
owner = "zoe"
reason = "the office opens in May"
expires_on = 2026-12-31
"""


def make(make_plan: PlanMaker, said: str = COMPANY, targets: str = "company = 1000") -> Plan:
    """Make a plan of North (600 reviewed), South (300) and West (100)."""
    plan = make_plan(
        extra=f"[targets]\n{targets}\n",
        reps=REPS,
        assignments="rep_id,territory_id,starts_on\nann,t1,2024-01-01\nbob,t2,2024-01-01\n"
        "cid,t3,2024-01-01\neve,t4,2024-01-01\n",
        territories="territory_id,region,potential\nt1,North,100\nt2,North,100\nt3,South,100\n"
        "t4,West,100\n",
        sales="sold_on,rep_id,amount,product_id\n"
        + "".join(
            f"2025-0{m}-15,{who},{amount},p1\n"
            for m in range(1, 6)
            for who, amount in (("ann", 60), ("bob", 60), ("cid", 60), ("eve", 20))
        ),
        goals=None,
    )
    write(plan, said)
    return plan


def write(plan: Plan, said: str, name: str = "base") -> None:
    (plan.folder / "scenarios").mkdir(exist_ok=True)
    (plan.folder / "scenarios" / f"{name}.toml").write_text(said, encoding="utf-8")


def agree(plan: Plan, *words: str) -> Result:
    return CliRunner().invoke(main, ["agree", *words, "--plan", str(plan.folder)])


def targets_of(plan: Plan, scenario: str = "base") -> dict[str, float]:
    """Give every region's target after every line of the log."""
    agreed = totals_agreed(plan, plan.runs_folder / "draft")
    return check_scenario(plan, prepare(plan), plan.scenario(scenario), resolver(agreed))


# --- the split ------------------------------------------------------------------------------------

RULES = st.fixed_dictionaries(
    {"each": st.just(["region"]), "reason": st.just("r")},
    optional={"at_most": st.integers(150, 2000), "priority": st.integers(1, 9)},
)


def made_up(reviewed: dict[str, float]) -> Any:
    """Give prepared facts, and no table."""
    rows = [{"name": name, "reviewed": x} for name, x in reviewed.items()]
    return SimpleNamespace(
        facts={"regions": rows}, regions=list(reviewed), region_folder=lambda region: None
    )


PLACES = pd.DataFrame(
    {"region": list("ABCDEFGH"), "potential": [5.0, 1.0, 3.0, None, 2.0, 8.0, 1.0, 1.0]}
)
REVIEWED = st.lists(
    st.integers(-5_000, 100_000).map(lambda cents: cents / 100), min_size=2, max_size=8
).map(lambda amounts: dict(zip("ABCDEFGH", amounts, strict=False)))


@settings(max_examples=40, deadline=None)
@given(data=st.data(), reviewed=REVIEWED, asked=st.integers(0, 900), unit=st.sampled_from([1, 10]))
def test_whatever_can_hold_adds_up_to_the_unit_and_what_is_agreed_is_exact(
    data: st.DataObject, reviewed: dict[str, float], asked: int, unit: int
):
    plan: Any = SimpleNamespace(
        settings=make_settings(rounding_unit=unit, targets=Targets(company=float(asked * unit)))
    )
    some = st.dictionaries(st.sampled_from([*reviewed]), st.integers(0, 150), max_size=2)
    agreed = {name: float(x * unit) for name, x in data.draw(some).items()}
    rules = [{"name": f"r{k}", **r} for k, r in enumerate(data.draw(st.lists(RULES, max_size=2)))]
    rules = [{**rule, "at_most": rule.get("at_most", 800) * unit} for rule in rules]
    blend = data.draw(st.sampled_from([{}, {"last_year": 0.6, "potential": 0.4}, {"even": 1.0}]))
    said = {"rules": rules, "base": {"blend": blend} if blend else {}}
    scenario = Scenario.parse("s", {"company": said})
    try:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(company, "read_tables", lambda *_: {"territories": PLACES})
            split = company_split(plan, made_up(reviewed), scenario, agreed)
    except RulesConflictError as error:
        assert "cannot all hold" in str(error)
        return
    if split is None:
        assert not agreed and scenario.company is None
        return
    found = split.goals.set_index("region")["goal"].to_dict()
    whole = asked * unit if set(reviewed) - set(agreed) else sum(agreed.values())
    assert sum(round(x / unit) for x in found.values()) * unit == whole
    assert all(found[name] == amount for name, amount in agreed.items())
    assert all(x >= 0 and x == round(x / unit) * unit for x in found.values())
    assert split.steps.groupby("region")["amount"].sum().to_dict() == found


@settings(max_examples=100, deadline=None)
@given(
    reviewed=REVIEWED,
    asked=st.none() | st.integers(0, 10_000),
    own=st.integers(0, 100),
    unit=st.sampled_from([1.0, 0.01, 100.0]),
)
def test_without_company_nothing_changes(
    reviewed: dict[str, float], asked: int | None, own: int, unit: float
):
    regions = {next(iter(reviewed)): own * unit} if asked is None or own <= asked else {}
    targets = Targets(company=None if asked is None else asked * unit, regions=regions)
    plan: Any = SimpleNamespace(settings=make_settings(rounding_unit=unit))
    scenario = Scenario("base", targets=targets)
    found = resolver({})(plan, made_up(reviewed), scenario)
    assert found == region_targets(plan.settings, targets, reviewed)


def test_steps_of_a_region_add_up_to_the_target_that_its_notebooks_split(make_plan: PlanMaker):
    plan = make(make_plan)
    assert targets_of(plan) == {"North": 450.0, "South": 400.0, "West": 150.0}
    step = open_step("08_company_rollup", plan_folder=str(plan.folder))
    shown = step.region_targets().set_index("region")
    assert shown["target"].to_dict() == targets_of(plan)
    assert shown["held_by"].tolist() == ["no region above 450", "", "West opens slowly"]
    assert shown["reason"].tolist() == ["nobody can serve more", "", "the office opens in May"]
    assert shown["agreed_total"].isna().all() and shown.loc["North", "change"] == -150
    assert step.chosen_region() == "North" and step.chosen_region("South") == "South"
    steps = step.target_steps("North").set_index("step")["amount"]
    assert steps.sum() == 450 and steps["base"] == 600 and "potential" in steps
    with pytest.raises(DataError, match="did you mean 'North'"):
        step.target_steps("Norht")
    north = open_step("03_target_allocation", "North", str(plan.folder))
    assert north.inputs.target == north.allocate().allocated() == 450
    write(plan, "")
    plain = open_step("08_company_rollup", plan_folder=str(plan.folder))
    assert plain.target_steps("North")["step"].tolist() == ["base", "growth"]
    assert plain.table("region_target_steps").groupby("region")["amount"].sum().to_dict() == {
        "North": 600.0,
        "South": 300.0,
        "West": 100.0,
    }


def test_a_region_s_own_target_is_exact_and_growth_is_split_too(make_plan: PlanMaker):
    growth = "growth_share = 0.1\n[targets.regions]\nSouth = 440"
    plan = make(make_plan, "[company.base]\nblend = { even = 1 }", growth)
    # The others grow by 10 %, to 770 together, and share that evenly.
    assert targets_of(plan) == {"North": 390.0, "South": 440.0, "West": 380.0}
    shown = open_step("08_company_rollup", plan_folder=str(plan.folder)).region_targets()
    assert shown["held_by"].tolist() == ["", "[targets.regions] South", ""]


FAULTS = {
    "[company]\nrule = 1": "'rule' (did you mean 'rules'?)",
    "[company.base]\nblend = { forecast = 1 }": "1 unknown label: 'forecast'",
    '[company.objective]\nkind = "equal_chance"': "unknown label: 'equal_chance'",
    '[[company.rules]]\nname = "r"\nat_most = 5': "[company] rule 'r': reason is missing",
    '[[company.rules]]\nname = "r"\nreason = "x"\nat_most = 900\nwhere = { region = "Nort" }': (
        "[company] rule 'r', where region: 1 unknown label: 'Nort' (did you mean 'North'?)"
    ),
    '[[company.rules]]\nname = "r"\nreason = "x"\nat_most = 900\neach = ["rep_id"]': (
        "[company] rule 'r', each: 1 unknown label: 'rep_id'. Known: 'region'"
    ),
    '[[company.rules]]\nname = "r"\nreason = "x"\nat_most = 1\neach = ["region"]\n'
    'relative_to = "last_goal"': "[company] rule 'r', relative_to: 1 unknown label: 'last_goal'",
    COMPANY.replace("amount = 150", "amount = 460"): (
        "[company] 'West opens slowly' asks for at least 460, 'no region above 450' allows at "
        "most 450 for the same cells"
    ),
    COMPANY.replace("at_most = 450", "at_most = 300"): "'total' (at least 1,000)",
    '[[company.rules]]\nname = "r"\nreason = "x"\nat_most = 400\nwhere = { region = "North" }\n'
    '[[holds]]\nname = "h"\nwhere = { rep_id = "ann" }\namount = 410\nowner = "o"\n'
    'reason = "x"\nexpires_on = 2026-12-31': "North: 'h' ask for 410.00 together, the target is",
}


def test_check_finds_what_a_run_would_refuse_all_at_once(make_plan: PlanMaker):
    plan = make(make_plan, "")
    for number, text in enumerate(FAULTS):
        write(plan, text, f"s{number}")
    rows = check_scenarios(plan, prepare(plan), resolver({}))
    for number, said in enumerate(FAULTS.values()):
        told = [row["message"] for row in rows if row["file"] == f"scenarios/s{number}.toml"]
        assert any(said in message for message in told), (said, told)


def test_a_company_section_reads_back_as_it_was():
    said = Scenario.parse("s", tomllib.loads(COMPANY))
    assert Scenario.parse("s", tomllib.loads(said.to_toml())) == said
    assert said.digest(["company"]) != Scenario("s").digest(["company"])
    empty = Scenario.parse("s", {"company": {"objective": {"kind": "least_movement"}}})
    assert empty.company is None


def test_a_what_if_of_a_region_keeps_the_company_s_rules(make_plan: PlanMaker):
    plan = make(make_plan)
    step = open_step("07_what_if", "South", str(plan.folder))
    changed = scenario_of(step, WhatIf(0.05))
    write(plan, changed.to_toml(), "more")
    assert targets_of(plan, "more") == {"North": 430.0, "South": 420.0, "West": 150.0}


# --- what a region's results are made from --------------------------------------------------------


def test_another_region_s_hold_changes_nothing_here_unless_the_own_target_moves(
    make_plan: PlanMaker, tmp_path: Path
):
    plan = make(make_plan)
    before = made_of(plan, tmp_path)
    write(plan, COMPANY.replace("at_most = 450", "at_most = 440"))
    moved = made_of(plan, tmp_path)
    assert moved["targets"]["North"] == 440
    assert all(moved["parts"][name] != before["parts"][name] for name in before["parts"])
    assert moved["keys"]["allocation"] != before["keys"]["allocation"]
    small = '[[company.rules]]\nname = "W"\nwhere = { region = "West" }\nat_most = 160\n'
    write(plan, COMPANY + small + 'reason = "the office is small"\n')
    other = made_of(plan, tmp_path)  # a rule more, the same targets
    assert other["targets"] == before["targets"] and other["company"] != before["company"]
    assert other["parts"] == before["parts"] and other["keys"] == before["keys"]


def made_of(plan: Plan, folder: Path) -> dict[str, Any]:
    """Give what North's notebooks and tables are made from; those of all scenarios are left out."""
    prepared, scenario, targets = prepare(plan), plan.scenario("base"), targets_of(plan)
    basis = reuse.run_basis(plan, "inputs", scenario, log_end_today(plan, prepared), [])
    inputs = reuse.region_digest(plan, prepared, "North", targets["North"])
    task = reuse.RegionTask("North", str(folder), False, (), {}, basis, inputs, "said")
    own = [path for path in NOTEBOOKS[:8] if path.stem != step_of("07").name]
    tables = pytest.MonkeyPatch()
    tables.setattr(reuse, "_tables_before", lambda *_: {"t": "there"})
    parts = {path.stem: reuse.made_from(path, task) for path in own}
    tables.undo()
    step = open_step("03_target_allocation", "North", str(plan.folder))
    keys = {name: step.key(name) for record in STEPS.values() for name in record.keeps}
    return {"targets": targets, "parts": parts, "keys": keys, "company": scenario.company}


# --- the talks with the heads ---------------------------------------------------------------------


def test_heads_negotiate_their_region_s_total_in_the_same_log(make_plan: PlanMaker):
    plan = make(make_plan)
    assert agree(plan, "start", "--company").output == "added 3, unchanged 0\n"
    refused = agree(plan, "accept", "region:North", "450", "--as", "max")
    assert refused.exit_code == 3 and "max may not accept" in refused.stderr
    assert (
        "mia may (the head of the region)"
        in agree(plan, "propose", "region:North", "400", "--as", "ann").stderr
    )
    moves = (
        ("propose", "region:North", "400", "--as", "mia", "--reason", "two leave"),
        ("counter", "region:North", "430", "--as", "zoe", "--reason", "half way"),
        ("accept", "region:North", "430", "--as", "mia"),
        ("escalate", "region:West", "--as", "plan", "--reason", "no head"),
        ("decide", "region:West", "140", "--as", "plan", "--reason", "the office opens in May"),
    )
    for words in moves[:3]:
        assert (done := agree(plan, *words)).exit_code == 0, done.output
    assert targets_of(plan) == {"North": 430.0, "South": 420.0, "West": 150.0}
    door = Door.open(plan)
    assert door.stand("region:North")["status"].tolist() == ["accepted"]
    shown = agree(plan, "show").output
    assert "company region:North" in " ".join(shown.split())
    start = agree(plan, "start")
    assert start.exit_code == 0 and start.output.startswith("added 4")
    assert set(door.stand("North")["rep_id"]) == {"ann", "bob"}
    again = json.loads(agree(plan, "start", "--company", "--json").output)
    assert [row["what"] for row in again] == ["another allocation", "unchanged"]
    for words in moves[3:]:
        assert (done := agree(plan, *words)).exit_code == 0, done.output
    with pytest.raises(DataError, match=r"'West opens slowly'.*'agreed total of West'"):
        targets_of(plan)
    assert (
        agree(plan, "reopen", "region:West", "150", "--as", "plan", "--reason", "x").exit_code == 0
    )
    assert targets_of(plan)["West"] == 150
    assert first_words(plan, prepare(plan), "base", ["North"])["North"]


def test_who_is_head_of_a_region():
    above = {"ann": ["mia", "zoe"], "mia": ["zoe"], "zoe": []}
    assert head_of(["ann"], above) == "mia"
    assert head_of(["ann", "mia"], above) == "mia"  # who sells too, leads too
    assert head_of(["ann", "mia", "zoe"], above) == "zoe"
    assert head_of(["zoe"], above) == head_of([], above) == "plan"
    voices = Voices({**above, "region:N": ["zoe"]}, {"region:N": "mia"})
    assert "region:N" not in voices.everybody and voices.manager("region:N") == "zoe"
    assert voices.may_accept("region:N", "mia") == ["countered", "assigned"]


def test_a_run_sees_the_totals_as_they_were_when_it_began(make_plan: PlanMaker, tmp_path: Path):
    plan = make(make_plan)
    agree(plan, "start", "--company")
    run = tmp_path / "run"
    run.mkdir()
    noted = {"agreement": log_end_today(plan, prepare(plan))}
    (run / "manifest.json").write_text(json.dumps(noted), encoding="utf-8")
    assert agree(plan, "accept", "region:South", "400", "--as", "max").exit_code == 0
    agree(plan, "reopen", "region:South", "400", "--as", "plan", "--reason", "x")
    assert agree(plan, "propose", "region:South", "390", "--as", "max").exit_code == 0
    assert agree(plan, "accept", "region:South", "390", "--as", "zoe").exit_code == 0
    begun = open_step("03_target_allocation", "South", str(plan.folder), str(run))
    assert begun.inputs.target == 400
    with pytest.raises(DataError, match="'agreed total of South'"):  # 450 + 390 + 150 < 1000
        open_step("03_target_allocation", "South", str(plan.folder))
    write(plan, "")
    assert step_today(plan, prepare(plan), "South").inputs.target == 390


def test_agreed_totals_that_miss_the_target_are_a_finding_and_stand(
    make_plan: PlanMaker, tmp_path: Path
):
    plan = make(make_plan, "")
    agree(plan, "start", "--company")
    for region, head, boss in (("North", "mia", "zoe"), ("South", "max", "zoe")):
        amount = str(int(targets_of(plan)[region]) - 50)
        assert agree(plan, "propose", f"region:{region}", amount, "--as", head).exit_code == 0
        assert agree(plan, "accept", f"region:{region}", amount, "--as", boss).exit_code == 0
    agree(plan, "escalate", "region:West", "--as", "plan", "--reason", "no head")
    agree(plan, "decide", "region:West", "100", "--as", "plan", "--reason", "as it was")
    shown: list[Any] = []
    run_cells(NOTEBOOKS[8], shown, plan_folder=str(plan.folder), run_folder=str(tmp_path / "r"))
    found = table(tmp_path / "r", "", "rollup_findings").set_index("finding_id")
    message = found.loc["rollup.totals", "message"]
    assert message.startswith("the regions' totals, 3 of 3 agreed, miss the company's target of")
    assert "-" in message and "still to find" in message
    regions = table(tmp_path / "r", "", "region_targets").set_index("region")
    assert regions["agreed_total"].to_dict() == regions["target"].to_dict()
    sums = table(tmp_path / "r", "", "sums")
    assert (sums["difference"] == 0).all()  # the regions' goals add up to the totals that stand


def test_a_total_counts_under_the_scenario_it_was_agreed_under(
    make_plan: PlanMaker, tmp_path: Path
):
    plan = make(make_plan, "")
    write(plan, COMPANY, "more")
    under_more = targets_of(plan, "more")
    agree(plan, "start", "--company")
    assert agree(plan, "propose", "region:North", "410", "--as", "mia").exit_code == 0
    assert agree(plan, "accept", "region:North", "410", "--as", "zoe").exit_code == 0
    assert targets_of(plan)["North"] == 410
    assert targets_of(plan, "more") == under_more and under_more["North"] != 410
    words = ("start", "--company", "--scenario", "more", "--json")
    rows = {row["rep_id"]: row["what"] for row in json.loads(agree(plan, *words).output)}
    assert rows["region:North"].startswith("the scenario was base, now more")
    step = open_step("08_company_rollup", plan_folder=str(plan.folder), scenario="more")
    assert step.region_targets()["agreed_total"].isna().all()
    said = [row["message"] for row in target_findings(step)]
    assert any(
        "1 totals were agreed under the scenario 'base', not under 'more'" in m for m in said
    )


def test_no_person_may_have_the_id_of_a_talk(make_plan: PlanMaker):
    plan = make(make_plan)
    people = plan.folder / "data" / "reps.csv"
    people.write_text(people.read_text().replace("eve,Eve", f"{REGION_TALK}North,Eve"))
    found = check_plan(plan)
    assert found["message"].str.contains("begins with 'region:'").any()


def test_the_sample_company_splits_by_potential_too(sample: Plan):
    write(sample, "[company.base]\nblend = { last_year = 0.6, potential = 0.4 }\n", "market")
    found = targets_of(sample, "market")
    assert sum(found.values()) == 89_000_000 and found != targets_of(sample)
    step = open_step("08_company_rollup", plan_folder=str(sample.folder), scenario="market")
    steps = step.table("region_target_steps").groupby("region")["amount"].sum()
    assert steps.to_dict() == found
