"""Scenarios: parsed once, changed in one place, and everything wrong with them found before a run."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from datetime import date, timedelta

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from planning_kit.allocation import RulesConflictError
from planning_kit.cli import main
from planning_kit.data import check_scenarios, prepare
from planning_kit.messages import DataError, UsageError
from planning_kit.plan import (
    CELL,
    DRIVERS,
    FILLS,
    NAMED_BASES,
    OBJECTIVES,
    REFERENCES,
    SECTIONS,
    AssumptionEntry,
    GroupRange,
    Hold,
    ManagerLevers,
    MaxChange,
    Objective,
    Plan,
    Scenario,
    ShareOfGroup,
    Targets,
    load_scenario,
)
from planning_kit.run import BatchOptions, run_plan
from planning_kit.walk import open_step
from planning_kit.walk.scenario_file import write_scenario
from planning_kit.walk.split import solved_cells
from planning_kit.walk.what_if import WhatIf, scenario_of, what_if
from tests.conftest import PlanMaker

# --- what is written reads back --------------------------------------------------------------

words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8).map(str.strip).filter(bool)
amounts = st.floats(0, 1e12) | st.integers(0, 10**12)
shares = st.floats(0, 1)
days = st.dates(date(2026, 1, 1), date(2027, 12, 31))
cells = st.dictionaries(st.sampled_from(["rep_id", "region"]), words | st.lists(words, min_size=1))


def some(required: dict, optional: dict) -> st.SearchStrategy[dict]:
    return st.fixed_dictionaries(required, optional=optional)


about = {"where": cells, "priority": st.integers(1, 9)}
groups = st.sampled_from(["rep_id", "cell", ["rep_id", "region"], []])
reference = {"relative_to": st.sampled_from(REFERENCES)}
rules = (
    some({"at_least": amounts}, {**about, **reference, "each": groups})
    | some({"exactly": amounts}, {**about, "each": groups})
    | some({"most_up_share": shares}, {**about, **reference, "each": groups})
    | some({"at_most_share": shares}, {**about, "of": cells, "each": st.just(["rep_id"])})
    | some({"zero_or_at_least": amounts}, {**about, "each": groups})
)
who = {"owner": words, "reason": words}
holds = some({"amount": amounts, "expires_on": days, **who}, {**about, "each": groups})
holds |= some({"keep": st.sampled_from(REFERENCES), "expires_on": days, **who}, about)


@st.composite
def entries(draw):
    driver = DRIVERS[draw(st.sampled_from([n for n, d in DRIVERS.items() if d.moves != "staff"]))]
    in_percent = driver.unit == "share" and draw(st.booleans())
    values = sorted(draw(st.lists(st.floats(0.01, 1), min_size=3, max_size=3)))
    low, base, high = (x if driver.unit == "share" else 1 + x for x in values)
    entry = {"driver": driver.name, "low": low, "base": base, "high": high}
    if in_percent:
        entry |= {"unit": "%"}
    more = some({}, {"statement": words, "owner": words, "check_on": days, "actual": st.just(1)})
    return entry | draw(more) | {"territories": draw(st.lists(words, max_size=2))}


contents = some(
    {},
    {
        "name": words,
        "note": words,
        "targets": some(
            {},
            {
                "company": amounts,
                "growth_share": shares,
                "regions": st.dictionaries(words, amounts, max_size=2),
            },
        ),
        "objective": some(
            {},
            {
                "kind": st.sampled_from(OBJECTIVES),
                "weights": st.just("even"),
                "chances": st.dictionaries(words, st.floats(0.01, 0.99), max_size=2),
            },
        ),
        "base": some(
            {},
            {
                "blend": st.dictionaries(
                    st.sampled_from(NAMED_BASES), st.floats(0.1, 2), min_size=1
                ),
                "fill": st.sampled_from(FILLS),
            },
        ),
        "over_assignment": st.dictionaries(words, st.floats(0, 5), max_size=3),
        "relax": some({}, {"allow": st.booleans(), "up_to_priority": st.integers(1, 8)}),
        "levers": some({}, {"trade_shows": st.integers(0, 9), "admin_share": shares}),
        "rules": st.lists(rules, max_size=3),
        "holds": st.lists(holds, max_size=2),
        "assumptions": st.dictionaries(words, entries(), max_size=2),
    },
)


@settings(max_examples=80, deadline=None)
@given(contents)
def test_a_scenario_that_is_written_reads_back_as_it_was(content):
    scenario = Scenario.parse("s", content)
    again = Scenario.parse("s", tomllib.loads(scenario.to_toml()))
    for part in fields(Scenario):
        assert getattr(again, part.name) == getattr(scenario, part.name), part.name
    assert again == scenario and again.digest() == scenario.digest()


def test_exclusions_and_correlations_read_back_too():
    content = {
        "assumptions": {
            "m": {"driver": "market_growth", "low": 1, "base": 2, "high": 3, "unit": "%"},
            "p": {"driver": "price_change", "low": 0, "base": 0, "high": 0},
        },
        "correlations": [{"between": ["m", "p"], "coefficient": -0.5}],
        "review": {
            "exclude": [
                {"opportunity_id": "O1", "owner": "Ann", "reason": "once"},
                {"rep_id": "R1", "month": date(2025, 6, 17), "owner": "Ann", "reason": "x"},
            ]
        },
    }
    scenario = Scenario.parse("s", content)
    assert scenario.assumptions["m"].range_in_unit() == (0.01, 0.02, 0.03)
    assert [e.month for e in scenario.review] == [date(2025, 6, 1), None]
    assert Scenario.parse("s", tomllib.loads(scenario.to_toml())) == scenario


def test_what_is_said_alike_is_the_same_and_what_differs_shows_in_its_section():
    plain, calm = Scenario("s"), Scenario.parse("s", {"relax": {"allow": False}, "rules": []})
    assert calm == plain and hash(calm) == hash(plain)
    up = {"name": "r", "most_up_share": 0.1}
    other = Scenario.parse("s", {"rules": [up]})
    assert [part for part in SECTIONS if other.digest([part]) != plain.digest([part])] == ["rules"]
    padded = [
        Scenario.parse("s", {"over_assignment": dict(levels)})
        for levels in ([("a", 0.1), ("b", 0.2)], [("b", 0.2), ("a", 0.1)])
    ]
    assert padded[0] != padded[1]  # levels add up from the top down
    with pytest.raises(DataError, match="did you mean 'rules'"):
        plain.digest(["ruls"])


# --- every fault of a file -------------------------------------------------------------------

FAULTY = """
objektive = 1
name = 3
[targets]
company = "1"
[objective]
kind = "fairest"
[base]
fill = "peer"
[base.blend]
last_yaer = 1
[over_assignment]
region = "2 %"
district = -0.1
[relax]
alow = true
allow = 1
[levers]
trade_shwos = 2
[[review.exclude]]
opportunity_id = "O1"
[[rules]]
name = "r"
at_most = true
[[holds]]
name = "h"
amount = 5
[assumptions.m]
driver = "market_grwth"
low = 1
base = 2
high = 3
[[correlations]]
between = ["m"]
"""
SAID = (
    "1 unknown label: 'objektive' (did you mean 'objective'?)",
    "name is 3; write a text",
    "[targets] company is '1'; write a number",
    "[objective] kind: 1 unknown label: 'fairest' (did you mean 'fairest_stretch'?)",
    "[base] fill: 1 unknown label: 'peer' (did you mean 'peers'?)",
    "[base.blend]: 1 unknown label: 'last_yaer' (did you mean 'last_year'?)",
    "[over_assignment] region is '2 %'; write a number",
    "[over_assignment] district is -0.1; it must be between 0 and 5",
    "[relax]: 1 unknown label: 'alow' (did you mean 'allow'?)",
    "[relax] allow is 1; write true or false",
    "[levers]: 1 unknown label: 'trade_shwos' (did you mean 'trade_shows'?)",
    "[[review.exclude]] 1: needs owner",
    "[[review.exclude]] 1: needs reason",
    "rule 1 ('r'): at_most is True; write a number",
    "hold 1 ('h'): owner is missing",
    "hold 1 ('h'): expires_on is missing",
    "[assumptions] m: driver: 1 unknown label: 'market_grwth' (did you mean 'market_growth'?)",
    "correlation 1: between is ['m']; name two different assumptions",
)


def test_every_fault_of_a_file_is_in_one_error(tmp_path):
    path = tmp_path / "odd.toml"
    path.write_text(FAULTY, encoding="utf-8")
    with pytest.raises(DataError) as error:
        load_scenario(path)
    assert str(error.value).startswith("scenario 'odd': ")
    for words in SAID:
        assert any(words in fault for fault in error.value.faults), words


def check(plan: Plan) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["check", str(plan.folder)])
    return result.exit_code, result.output


def written(plan: Plan, **scenarios: str) -> Plan:
    (plan.folder / "scenarios").mkdir(exist_ok=True)
    for name, text in scenarios.items():
        (plan.folder / "scenarios" / f"{name}.toml").write_text(text, encoding="utf-8")
    return plan


def test_check_names_all_faults_of_all_files_at_once(make_plan: PlanMaker):
    wrong_too = '[[rules]]\nname = "a"\nwhere = { rep_id = "anm" }\nat_most = "x"\n'
    plan = written(make_plan(extra="[targets]\ncompany = 15\n"), odd=FAULTY, also=wrong_too)
    code, said = check(plan)
    assert code == 3 and "company target is 15.00, not a multiple" in said
    for words in (*SAID, "at_most is 'x'", "'anm' (did you mean 'ann'?)"):
        assert words in said, words


def test_check_names_the_faults_of_scenarios_even_where_the_inputs_cannot_be_read(
    make_plan: PlanMaker,
):
    plan = written(make_plan(sales="sold_on,rep_id,amount\nx,ann,1\n"), odd=FAULTY)
    code, said = check(plan)
    assert code == 3 and "sold_on" in said and "'last_yaer' (did you mean 'last_year'?)" in said


RANGE = '[[rules]]\nname = "r"\n'
HOLD = 'owner = "Ann"\nreason = "x"\nexpires_on = 2026-12-31\n'
OF_REP = 'where = { rep_id = "ann" }\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[base]\nblend = { last_yer = 1 }\n", "did you mean 'last_year'"),
        ("[base]\nblend = { even = 0 }\n", "not all 0"),
        ('[base]\nfill = "peer"\n', "did you mean 'peers'"),
        ('[over_assignment]\nregion = "two"\n', "region is 'two'; write a number"),
        ("[over_assignment]\nregion = -0.1\n", "must be between 0 and 5"),
        ("[relax]\nup_to_priorty = 3\n", "did you mean 'up_to_priority'"),
        ('[[review.exclude]]\nopportunity_id = "O1"\n', "needs owner"),
        (
            '[[review.exclude]]\nrep_id = "anm"\nmonth = 2025-06-01\nowner = "A"\nreason = "x"\n',
            "did you mean 'ann'",
        ),
        (
            '[objective]\nkind = "equal_chance"\nchances = { huntr = 0.6 }\n',
            "did you mean 'hunter'",
        ),
        (RANGE + 'where = { rep_id = "anm" }\nat_most = 9\n', "did you mean 'ann'"),
        (RANGE + 'where = { territory_id = "T9" }\nat_most = 9\n', "'T9'"),
        (RANGE + 'where = { regoin = "North" }\nat_most = 9\n', "did you mean 'region'"),
        (RANGE + 'each = ["rep"]\nat_most = 9\n', "did you mean 'rep_id'"),
        (RANGE + 'at_most = 1.1\nrelative_to = "last_yaer"\n', "did you mean 'last_year'"),
        (
            RANGE + 'of = { product_line = "Lines A" }\nat_most_share = 0.1\n',
            "did you mean 'Line A'",
        ),
        ('[[holds]]\nname = "h"\nkeep = "last_gaol"\n' + HOLD, "did you mean 'last_goal'"),
        (
            '[assumptions.c]\ndriver = "competitor_effect"\nlow = 0\nbase = 0\nhigh = 0\n'
            'territories = ["t3"]\n',
            "c: territories: 1 unknown label: 't3'",
        ),
        (
            '[assumptions.c]\ndriver = "new_product"\nlow = 0\nbase = 0\nhigh = 0\n'
            'product_line = "Line C"\n',
            "c: product_line: 1 unknown label: 'Line C'",
        ),
        (
            '[[correlations]]\nbetween = ["a", "b"]\ncoefficient = 0.5\n',
            "2 unknown labels: 'a', 'b'",
        ),
        ("[targets.regions]\nNort = 100\n", "did you mean 'North'"),
        ("[targets.regions]\nNorth = 105\n", "not a multiple of the rounding unit"),
        (
            "[targets]\ncompany = 100\n[targets.regions]\nNorth = 60\nSouth = 50\n",
            "ask for 10.00 EUR more than the company",
        ),
        (
            f'{RANGE}{OF_REP}at_least = 90\n[[rules]]\nname = "s"\n{OF_REP}at_most = 80\n',
            "'r' asks for at least 90, 's' allows at most 80",
        ),
        (
            f'{RANGE}{OF_REP}at_most = 40\n[[holds]]\nname = "h"\namount = 50\n'
            f'where = {{ rep_id = "ann", product_line = "Line A" }}\n{HOLD}',
            "'h' asks for at least 50, 'r' allows at most 40",
        ),
        (
            f'[targets.regions]\nNorth = 100\n[[holds]]\nname = "a"\namount = 70\n{HOLD}'
            f'where = {{ rep_id = "ann", product_line = "Line A" }}\n[[holds]]\nname = "b"\n{HOLD}'
            'amount = 50\nwhere = { rep_id = "ann", product_line = "Line B" }\n',
            "North: 'a', 'b' ask for 120.00 together, the target is 100.00; they must give 20.00",
        ),
    ],
)
def test_what_a_run_would_refuse_is_found_by_check(make_plan: PlanMaker, text: str, said: str):
    reps = "rep_id,rep_name,role,region\nann,Ann,hunter,\nbob,Bob,farmer,\n"
    plan = written(make_plan(reps=reps), base=text)
    code, found = check(plan)
    assert code == 3 and said in found and "scenarios/base.toml" in found
    with pytest.raises(DataError) as error:
        run_plan(plan, BatchOptions())
    assert said in str(error.value) and not list(plan.runs_folder.glob("*/manifest.json"))
    with pytest.raises(DataError):
        open_step("00_start_here", "North", str(plan.folder))


@pytest.mark.parametrize(
    "text",
    [
        # relaxed rules may give
        f"[relax]\nallow = true\n{RANGE}at_least = 90\npriority = 3\n"
        '[[rules]]\nname = "s"\nat_most = 80\n',
        # an expired hold is left out
        f"{RANGE}{OF_REP}at_most = 40\n"
        f'[[holds]]\nname = "h"\namount = 50\n{OF_REP}{HOLD.replace("2026-12", "2025-12")}',
        # other people, or a share that needs the numbers
        f'{RANGE}{OF_REP}at_least = 60\n[[rules]]\nname = "s"\nwhere = {{ rep_id = "bob" }}\n'
        "at_most = 20\n",
        f'{RANGE}{OF_REP}at_least = 90\n[[rules]]\nname = "s"\nat_most = 1.1\n'
        'relative_to = "base"\n',
        # more than the target asks for is held where levels add to it
        f'[over_assignment]\nregion = 0.3\n[targets.regions]\nNorth = 100\n[[holds]]\nname = "h"\n'
        f"amount = 120\n{OF_REP}{HOLD}",
    ],
)
def test_what_may_hold_is_no_fault(make_plan: PlanMaker, text: str):
    plan = written(make_plan(), base=text)
    assert check_scenarios(plan, prepare(plan)) == []


def test_the_references_that_rules_may_name_are_those_of_the_cells(sample: Plan, tmp_path):
    step = open_step("03_target_allocation", "West", str(sample.folder), str(tmp_path))
    numbers = solved_cells(step).select_dtypes("number").columns
    assert set(numbers) == set(REFERENCES)


# --- for one region --------------------------------------------------------------------------


def test_a_region_gets_what_speaks_of_it():
    whole = Scenario(
        "s",
        rules=(
            GroupRange(name="both", where={"rep_id": ("R1", "R2")}, at_most=5.0),
            GroupRange(name="elsewhere", where={"rep_id": ("R2",)}, at_most=5.0),
            ShareOfGroup(name="part", of={"product_line": ("A", "B")}, at_most_share=0.5),
            ShareOfGroup(name="no line", of={"product_line": ("B",)}, at_most_share=0.5),
        ),
        holds=(Hold(name="held", where={"region": ("South",)}, amount=5.0),),
    )
    whole = whole.with_(objective=Objective(chances={"x": 0.6, "y": 0.5}))
    labels = {"rep_id": {"R1"}, "product_line": {"A"}, "region": {"North"}, "role": {"x"}}
    here = whole.for_region(labels)
    assert [rule.name for rule in here.all_rules] == ["both", "part"]
    assert here.rules[0].where == {"rep_id": ("R1",)}
    assert here.rules[1].of == {"product_line": ("A",)}
    assert here.objective.weights == "base" and here.objective.chances == {"x": 0.6}
    assert len(whole.all_rules) == 5 and whole.objective.weights == ""


# --- one editor ------------------------------------------------------------------------------


def test_a_rule_takes_the_place_of_one_of_its_name():
    start = Scenario("s", rules=(MaxChange(name="calm", most_up_share=0.1),), note="as it was")
    calmer = MaxChange(name="calm", each=(CELL,), most_up_share=0.05)
    held = Hold(name="held", amount=5.0)
    changed = start.with_(rule=calmer).with_(rule=held, note="new")
    assert changed.rules == (calmer,) and changed.holds == (held,) and changed.note == "new"
    assert start.rules[0].most_up_share == 0.1 and not start.holds
    with pytest.raises(DataError, match="did you mean 'rules'"):
        start.with_(ruls=())
    with pytest.raises(DataError, match="names used twice: 'held'"):
        start.with_(rules=(GroupRange(name="held", at_most=1.0),), holds=(held,))


def test_correlations_go_with_the_assumptions_they_name():
    entry = AssumptionEntry(driver="market_growth", low=0, base=0, high=0)
    content = {"correlations": [{"between": ["a", "b"], "coefficient": 0.5}]}
    start = Scenario.parse("s", content).with_(assumptions={"a": entry, "b": entry})
    assert start.correlations and not start.with_(assumptions={"a": entry}).correlations
    staff = AssumptionEntry(driver="turnover_rate", low=0, base=0, high=0)
    with pytest.raises(DataError, match="a, b all set turnover_rate"):
        start.with_(assumptions={"a": staff, "b": staff})


def test_a_scenario_says_the_levers_it_does_not_name_by_their_default():
    assert Scenario.parse("s", {"levers": {"trade_shows": 3}}).levers == ManagerLevers(
        trade_shows=3
    )
    assert "levers" not in Scenario("s").to_toml()


# --- the what-if is such an edit -------------------------------------------------------------


@pytest.fixture
def opened(sample: Plan, tmp_path):
    return lambda name: open_step("07_what_if", "West", str(sample.folder), str(tmp_path), name)


def save_scenario(step, name: str, change: WhatIf):
    """Write a what-if as a scenario file."""
    return write_scenario(step, name, scenario_of(step, change))


def test_the_target_of_a_what_if_is_said_in_its_scenario(opened):
    step = opened("base")
    path = save_scenario(step, "more", WhatIf(target_change=0.05))
    asked = load_scenario(path).targets
    assert asked.regions == {"West": round(step.inputs.target * 1.05, -2)}
    assert asked.company == step.plan.settings.targets.company


def test_a_what_if_of_a_scenario_keeps_its_own_targets(opened):
    plan = opened("base").plan
    toml = plan.folder / "plan.toml"
    text = toml.read_text(encoding="utf-8")
    toml.write_text(text + "\n[targets.regions]\nSouth = 15_000_000\n", encoding="utf-8")
    written(plan, own="[targets]\ncompany = 90_000_000\n")
    asked = load_scenario(save_scenario(opened("own"), "more", WhatIf(target_change=0.05))).targets
    assert set(asked.regions) == {"West"} and asked.company == 90_000_000


def test_sliders_at_rest_leave_the_limits_of_an_earlier_what_if(opened):
    even = f'[objective]\nweights = "even"\n{RANGE}at_least = 1\n'
    written(opened("base").plan, even=even)
    save_scenario(opened("even"), "tight", WhatIf(most_up=0.2, most_down=0.1))
    result = what_if(opened("tight"), WhatIf())
    assert (result.people["change"] == 0).all() and not result.message


def test_rules_that_cannot_all_hold_are_said_with_names(make_plan: PlanMaker, tmp_path):
    tight = '[[rules]]\nname = "calm"\neach = "rep_id"\nat_most = 10\n'
    reps = "rep_id,rep_name,region\n1001,Ann Moss,North\nbob,Bob Ay,North\n"
    sales = "sold_on,rep_id,amount\n2025-02-01,1001,500\n2025-02-01,bob,500\n"
    places = {"territories": "territory_id,region\nt1,North\n", "goals": None, "products": None}
    held = "rep_id,territory_id\n1001,t1\n"
    plan = written(make_plan(reps=reps, sales=sales, assignments=held, **places), tight=tight)
    step = open_step("03_target_allocation", "North", plan.folder, tmp_path, "tight")
    with pytest.raises(RulesConflictError, match=r"'calm' for Ann Moss .*, for Bob Ay") as error:
        step.allocate()
    assert "1001" not in str(error.value) and len(error.value.conflict) == 3


def test_where_no_other_region_can_carry_the_difference_the_company_follows(make_plan: PlanMaker):
    asked = Targets(company=100.0, regions={"South": 40.0})
    assert asked.with_region("North", 70.0, ["North", "South"]).company is None
    assert asked.with_region("North", 50.0, ["North", "South", "West"]).company == 100.0


def test_apply_never_writes_a_scenario_that_a_run_would_refuse(opened):
    step = opened("base")
    regions = {name: 100.0 for name in step.inputs.regions if name not in ("West", "South")}
    tight = step.scenario.with_(targets=Targets(company=14_000_000.0, regions=regions))
    step = step.other("West", tight, step.folder)
    with pytest.raises((DataError, UsageError), match="more than the company"):
        save_scenario(step, "over", WhatIf(target_change=2.0))
    assert "over" not in step.plan.scenario_names()


def test_holds_that_expire_in_the_year_count_on_their_last_day():
    day = date(2026, 1, 1)
    hold = Hold(name="h", amount=5.0, expires_on=day)
    from planning_kit.plan.contradictions import standing

    assert standing([hold], day) == [hold] and standing([hold], day + timedelta(days=1)) == []
