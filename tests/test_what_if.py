"""The what-if without its panel: levers, edits, answers, ways out, differences, files and drafts."""

from __future__ import annotations

import shutil
import tomllib
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planning_kit.messages import DataError, PlanningError, UsageError
from planning_kit.messages.amounts import read_amount, read_share
from planning_kit.plan import OBJECTIVES, GroupRange, Hold, Plan, Scenario, load_plan
from planning_kit.steps import STEPS
from planning_kit.walk import Step, open_step
from planning_kit.walk.differences import compare, differences
from planning_kit.walk.edits import hold_name, limits_name
from planning_kit.walk.expected import outlook_of
from planning_kit.walk.levers import LEVERS
from planning_kit.walk.scenario_file import ChangedOnDiskError, ScenarioFile, write_scenario
from planning_kit.walk.talks import goals_of
from planning_kit.walk.what_if import ask, edit, edit_cells
from tests.conftest import ROOT, PlanMaker

FEW = settings(
    max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
SHARES = ("target_change", "growth", "market", "turnover", "price", "over_assignment")
VALUES = {"target": 13_000_000.0, "objective": "fewest_changes", "most_up": 0.5, "most_down": 0.4}


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    folder = tmp_path_factory.mktemp("what_if") / "sample"
    left = shutil.ignore_patterns("runs", ".prepared", "*.py", "__pycache__")
    shutil.copytree(ROOT / "data_samples", folder, ignore=left)
    return load_plan(folder)


@pytest.fixture(scope="module")
def step(plan: Plan) -> Step:
    return opened(plan, "West")


def opened(plan: Plan, region: str, scenario: str = "base", run: str = "run") -> Step:
    where = (str(plan.folder), str(plan.folder / run), scenario)
    return open_step("07_what_if", region, *where)


def of(answer, name: str) -> dict[str, object]:
    return dict(zip(answer.people["rep_id"], answer.people[name], strict=True))


# --- numbers as people write them -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        *(("1.284.000,50", "1284000.50"), ("1,284", "1284"), ("1.284", "1284"), ("0.284", "0.284")),
        *(("1 284 000", "1284000"), ("1\u00a0284\u202f000", "1284000"), ("1'284'000", "1284000")),
        *(("12,5", "12.5"), ("1284.125", "1284.125"), ("-5", "-5"), ("\u22125", "-5")),
    ],
)
def test_amounts_are_read_with_any_marks_between_thousands(text: str, amount: str):
    assert read_amount(text) == Decimal(amount)


@pytest.mark.parametrize(
    "text", ["8%", "1.2 m", "1 28", "1,284.00.0", "1.284 000", "", "--5", "=1+1", "9" * 99]
)
def test_what_could_mean_two_things_or_nothing_is_no_amount(text: str):
    with pytest.raises(DataError, match="is no amount"):
        read_amount(text)


@pytest.mark.parametrize("text", ["8%", "0,08", "8", "8 %", "0.08", " 8,0 % ", "+8"])
def test_a_share_is_the_same_however_it_is_typed(text: str):
    assert read_share(text) == Decimal("0.08") and LEVERS["growth"].typed(text) == 0.08


def test_below_one_a_number_without_a_sign_is_a_share_of_one():
    assert read_share("0,5") == Decimal("0.5") and read_share("0.5 %") == Decimal("0.005")
    assert read_share("1") == Decimal("0.01") and read_share("0") == 0
    for text in ("", "%", "8 %%", "much", "1,284,000", "1e9"):
        with pytest.raises(DataError, match="is no share"):
            read_share(text)


@given(st.decimals(-10, 10, places=3, allow_nan=False))
def test_a_share_comes_back_as_it_is_shown(step: Step, share: Decimal):
    lever = LEVERS["growth"]
    shown = lever.text(step, float(share))
    assert lever.typed(shown) == pytest.approx(float(share), abs=5e-5)


# --- the levers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("key", LEVERS)
def test_a_lever_reads_what_it_wrote_and_nothing_brings_the_opened_value_back(step: Step, key: str):
    lever, start = LEVERS[key], step.scenario
    value = VALUES.get(key, 0.07)
    assert lever.read(step, start) is None
    moved = lever.write(step, start, value)
    read = lever.read(step, moved)
    assert read == value or read == pytest.approx(value, abs=1e-5)  # a whole unit of the target
    assert Scenario.parse("base", tomllib.loads(moved.to_toml())) == moved
    back = lever.write(step, moved, None)
    assert back == start and lever.read(step, back) is None


def test_no_largest_rise_is_another_state_than_a_rise_of_nothing(step: Step):
    lever = LEVERS["most_up"]
    assert lever.value(step, step.scenario) is None
    assert lever.read(step, lever.write(step, step.scenario, 0.0)) == 0.0


@given(st.lists(st.tuples(st.sampled_from([*LEVERS]), st.floats(0.01, 0.2)), max_size=6))
@FEW
def test_levers_put_back_in_any_order_leave_the_scenario_that_was_opened(step: Step, acts):
    scenario = step.scenario
    for key, share in acts:
        scenario = LEVERS[key].write(step, scenario, VALUES.get(key, round(share, 3)))
    for key, _ in acts:
        scenario = LEVERS[key].write(step, scenario, None)
    assert scenario == step.scenario


def test_a_driver_moves_with_its_range_and_the_rest_of_the_register_stays(step: Step):
    before = step.scenario.assumptions
    moved = LEVERS["market"].write(step, step.scenario, before["market"].base + 0.02).assumptions
    low, base, high = (
        getattr(moved["market"], name) - getattr(before["market"], name)
        for name in ("low", "base", "high")
    )
    assert low == pytest.approx(0.02) and base == pytest.approx(0.02) == high
    others = set(before) - {"market"}
    assert {name: moved[name] for name in others} == {name: before[name] for name in others}
    assert moved["market"].statement == before["market"].statement


def test_without_a_register_last_years_is_taken_over_and_put_back_whole(plan: Plan):
    bare = opened(plan, "West")
    bare = bare.other("West", Scenario("none"), bare.folder)
    lever = LEVERS["turnover"]
    moved = lever.write(bare, bare.scenario, 0.2)
    assert len(moved.assumptions) > 1 and lever.read(bare, moved) == 0.2
    assert lever.write(bare, moved, None) == bare.scenario


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("target", 1_234_567.0), ("target", -5.0), ("most_down", 1.5), ("objective", "fair")),
        *(("market", -1.5), ("over_assignment", 9.0)),
    ],
)
def test_what_a_lever_cannot_be_is_refused_in_words(step: Step, key: str, value):
    with pytest.raises(PlanningError):
        LEVERS[key].write(step, step.scenario, value)


def test_a_target_between_two_units_names_the_nearest_ones(step: Step):
    with pytest.raises(DataError, match="13,000,000 EUR or 13,000,100 EUR"):
        LEVERS["target"].write(step, step.scenario, 13_000_050.0)


# --- the answer -----------------------------------------------------------------------------------


def by_the_package(plan: Plan, region: str, scenario: Scenario) -> pd.DataFrame:
    """Give everybody's goal and chance as a run does, from the scenario's file."""
    name = "apart"
    (plan.folder / "scenarios" / f"{name}.toml").write_text(scenario.to_toml(), encoding="utf-8")
    try:
        fresh = open_step("03_target_allocation", region, str(plan.folder), "", name)
        fresh.folder = plan.folder / "nowhere" / region  # no table that was kept
        cells = goals_of(fresh).cells
        goals = goals_of(fresh).by("rep").set_index("rep_id")["goal"]
        chance = outlook_of(fresh).chances(cells).set_index("rep_id")["chance"]
        return pd.DataFrame({"goal": goals, "chance": chance, "target": fresh.inputs.target})
    finally:
        (plan.folder / "scenarios" / f"{name}.toml").unlink()


def same_as_the_package(step: Step, scenario: Scenario) -> None:
    answer = ask(step, scenario)
    if answer.message:
        with pytest.raises(PlanningError):
            by_the_package(step.plan, step.inputs.name, scenario)
        return
    apart = by_the_package(step.plan, step.inputs.name, scenario)
    people = answer.people.set_index("rep_id")
    for name in ("goal", "chance"):
        mine, theirs = (table[name].to_numpy() for table in (people, apart.reindex(people.index)))
        assert mine.tobytes() == theirs.tobytes() or np.array_equal(mine, theirs, equal_nan=True)


ACTS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(SHARES), st.floats(-0.05, 0.08)),
        st.tuples(st.just("objective"), st.sampled_from(OBJECTIVES)),
        st.tuples(st.sampled_from(["most_up", "most_down"]), st.floats(0.05, 0.9)),
        st.tuples(st.sampled_from(["goal", "least", "most"]), st.floats(0.8, 1.2)),
    ),
    min_size=1,
    max_size=4,
)


def acted(step: Step, acts) -> Scenario:
    scenario, people = step.scenario, ask(step, step.scenario).people
    for number, (key, value) in enumerate(acts):
        try:
            if key in LEVERS:
                value = round(value, 3) if isinstance(value, float) else value
                scenario = LEVERS[key].write(step, scenario, value)
            else:
                row = people.iloc[number % len(people)]
                unit = step.inputs.settings.rounding_unit
                amount = round(row["goal"] * value / unit) * unit
                scenario = edit(step, scenario, row["rep_id"], key, amount)
        except PlanningError:
            continue
    return scenario


@given(ACTS)
@FEW
def test_every_number_is_the_one_that_a_run_gives_with_the_written_file(step: Step, acts):
    same_as_the_package(step, acted(step, acts))


@pytest.mark.slow
@given(ACTS)
@settings(FEW, max_examples=40)
def test_many_more_numbers_are_those_of_a_run(step: Step, acts):
    same_as_the_package(step, acted(step, acts))


@pytest.fixture(scope="module")
def other_company(tmp_path_factory: pytest.TempPathFactory) -> Step:
    draw = np.random.default_rng(5)
    months = [f"{year}-{month:02}-15" for year in (2023, 2024, 2025) for month in range(1, 13)]
    people = [f"p{number}" for number in range(7)]
    rows = [
        f"{day},{who},{draw.lognormal(5, 0.4):.2f},{product}"
        for who in people
        for day in months
        for product in ("p1", "p2")
    ]
    toml = (
        '[plan]\nname = "Other"\ncurrency = "CHF"\nrounding_unit = 0.05\nstarts_on = 2026-01-01\n'
    )
    plan = PlanMaker(tmp_path_factory.mktemp("other") / "plan")(
        toml,
        reps="rep_id,rep_name,region\n" + "".join(f"{who},Name {who},\n" for who in people),
        territories="territory_id,region,potential\n"
        + "".join(f"t{k},{'North' if k < 5 else 'South'},{1000 + k}\n" for k in range(7)),
        assignments="rep_id,territory_id,starts_on\n"
        + "".join(f"{who},t{k},2022-01-01\n" for k, who in enumerate(people)),
        sales="sold_on,rep_id,amount,product_id\n" + "\n".join(rows) + "\n",
        goals=None,
    )
    (plan.folder / "scenarios").mkdir()
    return opened(plan, "North")


@given(ACTS)
@FEW
def test_every_number_is_a_runs_in_another_company_with_cents(other_company: Step, acts):
    same_as_the_package(other_company, acted(other_company, acts))


def test_after_the_walk_was_written_the_numbers_are_the_same(other_company: Step):
    plan = other_company.plan
    for notebook in ("02_assumptions", "03_target_allocation"):
        earlier = open_step(notebook, "North", str(plan.folder), str(plan.folder / "written"))
        earlier.write(**{name: earlier.table(name) for name in STEPS[notebook].keeps})
    step = opened(plan, "North", run="written")
    for acts in (
        [("market", 0.07)],
        [("target_change", 0.03), ("most_up", 0.2)],
        [("turnover", 0.3)],
    ):
        scenario = acted(step, acts)
        assert ask(step, scenario).people.equals(ask(other_company, scenario).people)
        same_as_the_package(step, scenario)
    assert all(origin.startswith("written by 0") for origin in step.origins()["origin"])


@given(ACTS)
@FEW
def test_goals_add_up_to_the_unit_and_changes_to_their_difference(step: Step, acts):
    scenario = acted(step, acts)
    answer, before = ask(step, scenario), ask(step, step.scenario)
    if answer.message:
        assert answer.people["goal"].isna().all() and not answer.cards
        return
    people = answer.people
    assert people["change"].sum() == people["goal"].sum() - before.people["goal"].sum()
    assert {card.label: card.value for card in answer.cards}["gap"] == "0 EUR"


def test_the_companys_target_is_asked_of_its_regions_and_the_gap_follows(other_company: Step):
    whole = opened(other_company.plan, "company")
    asked = LEVERS["target_change"].write(whole, whole.scenario, 0.05)
    answer = ask(whole, asked)
    cards = {card.label: card.value for card in answer.cards}
    assert cards["target"] == cards["allocated"] and cards["gap"] == "0.00 CHF"
    assert answer.people["goal"].sum() > ask(whole, whole.scenario).people["goal"].sum()


def test_the_digest_follows_everything_that_was_asked(step: Step):
    start = ask(step, step.scenario)
    moved = LEVERS["target_change"].write(step, step.scenario, 0.01)
    assert ask(step, moved).digest != start.digest
    assert ask(step, LEVERS["target_change"].write(step, moved, None)).digest == start.digest


def test_what_cannot_be_asked_is_said_and_not_raised(step: Step):
    regions = {name: 1_000_000.0 for name in step.inputs.regions}
    too_much = step.scenario.with_(targets=step.plan.settings.targets)
    too_much = too_much.with_(targets=too_much.targets.__class__(company=100.0, regions=regions))
    answer = ask(step, too_much)
    assert "more than the company" in answer.message and not answer.ways
    assert len(answer.people) == len(ask(step, step.scenario).people)


# --- edits of a person's row ----------------------------------------------------------------------


def test_a_goal_is_held_and_the_others_carry_the_difference(step: Step):
    scenario = edit(step, step.scenario, "R039", "goal", "1.100.000")
    answer, before = ask(step, scenario), ask(step, step.scenario)
    assert of(answer, "goal")["R039"] == 1_100_000 and of(answer, "hold")["R039"]
    assert answer.people["goal"].sum() == before.people["goal"].sum()
    (hold,) = [rule for rule in scenario.holds if rule.name == hold_name("R039")]
    assert hold.expires_on == step.inputs.settings.ends_on and hold.owner
    assert edit(step, scenario, "R039", "goal", "") == step.scenario


def test_a_hold_keeps_the_goal_that_is_shown_and_lets_it_go(step: Step):
    held = edit(step, step.scenario, "R040", "hold", True)
    assert of(ask(step, held), "goal") == of(ask(step, step.scenario), "goal")
    up = LEVERS["target_change"].write(step, held, 0.01)
    assert of(ask(step, up), "goal")["R040"] == of(ask(step, held), "goal")["R040"]
    assert edit(step, held, "R040", "hold", "no") == step.scenario


def test_the_scenarios_own_hold_of_a_person_goes_too(step: Step):
    own = Hold(
        name="ours", where={"rep_id": ("R040",)}, amount=900_000.0, owner="mia", reason="new"
    )
    scenario = step.scenario.with_(rule=own)
    assert (
        of(ask(step, scenario), "hold")["R040"] and of(ask(step, scenario), "note")["R040"] == "new"
    )
    assert edit(step, scenario, "R040", "hold", False) == step.scenario
    moved = edit(step, scenario, "R040", "goal", 850_000)
    assert [rule.amount for rule in moved.holds if rule.where == own.where] == [850_000]


def test_limits_are_kept_and_taken_back(step: Step):
    scenario = edit(step, step.scenario, "R039", "most", "1,000,000")
    answer = ask(step, scenario)
    assert of(answer, "goal")["R039"] <= 1_000_000 and of(answer, "most")["R039"] == 1_000_000
    assert "limits here" in of(answer, "held_by")["R039"]
    with pytest.raises(DataError, match="above the most"):
        edit(step, scenario, "R039", "least", "1000100")
    assert edit(step, scenario, "R039", "most", None) == step.scenario


def test_a_note_says_why_and_needs_something_to_say_it_of(step: Step):
    with pytest.raises(DataError, match="hold it first"):
        edit(step, step.scenario, "R039", "note", "new territory")
    scenario = edit(step, step.scenario, "R039", "hold", "x")
    scenario = edit(step, scenario, "R039", "note", ' "new"\n[[rules]] \u2028 ')
    assert of(ask(step, scenario), "note")["R039"] == '"new" [[rules]]'
    assert Scenario.parse("base", tomllib.loads(scenario.to_toml())) == scenario


@pytest.mark.parametrize(
    ("rep_id", "column", "value", "said"),
    [
        ("R39", "goal", "1", "did you mean"),
        ("R039", "gaol", "1", "did you mean 'goal'"),
        ("R039", "goal", "12oo", "'12oo' is no amount"),
        ("R039", "goal", "8%", "that is a share"),
        ("R039", "goal", "1000050", "write 1,000,000 EUR or 1,000,100 EUR"),
        ("R039", "goal", "-100", "0 or more"),
        ("R039", "goal", float("inf"), "0 or more"),
        ("R039", "hold", "maybe", "neither yes nor no"),
    ],
)
def test_a_wrong_cell_is_refused_in_words(step: Step, rep_id, column, value, said: str):
    with pytest.raises(DataError, match=said.replace(".", r"\.")):
        edit(step, step.scenario, rep_id, column, value)


def test_a_block_is_one_act_and_its_wrong_cells_are_named(step: Step):
    cells = [
        ("R038", "note", "pasted"),
        ("R038", "goal", "1.400.000"),
        ("R039", "goal", "12oo"),
        ("R040", "most", "900 000"),
    ]
    scenario, errors = edit_cells(step, step.scenario, cells)
    assert list(errors) == [("R039", "goal")]
    answer = ask(step, scenario)
    assert of(answer, "goal")["R038"] == 1_400_000 and of(answer, "note")["R038"] == "pasted"


@given(st.text(max_size=30), st.sampled_from(["goal", "hold", "least", "most", "note"]))
@FEW
def test_no_text_breaks_an_edit_or_a_file(step: Step, text: str, column: str):
    held = edit(step, step.scenario, "R041", "hold", True)
    scenario, _ = edit_cells(step, held, [("R041", column, text), (text, column, text)])
    assert Scenario.parse("base", tomllib.loads(scenario.to_toml())) == scenario


def test_what_was_agreed_is_locked_and_stays(make_plan: PlanMaker, talking: Path, tmp_path: Path):
    shutil.copytree(talking, tmp_path / "talking")
    plan = load_plan(tmp_path / "talking")
    from planning_kit.agreement.door import Door, Event

    door = Door.open(plan)
    door.say(Event("escalate", "bob", "mia", None, "far apart"), "mia")
    door.say(Event("decide", "bob", "zoe", 950, "so be it"), "zoe")
    step = opened(plan, "North")
    answer = ask(step, LEVERS["target_change"].write(step, step.scenario, 0.1))
    assert of(answer, "goal")["bob"] == 950 and "decided on 20" in of(answer, "locks")["bob"]
    for column, value in (("goal", "900"), ("hold", "x"), ("least", "1"), ("note", "x")):
        with pytest.raises(DataError, match=r"Bob B\. was decided"):
            edit(step, step.scenario, "bob", column, value)


# --- when rules cannot hold -----------------------------------------------------------------------


def conflicts(step: Step) -> list[Scenario]:
    up = LEVERS["target_change"].write(step, step.scenario, 0.3)
    many = step.scenario
    for rep_id in ask(step, step.scenario).people["rep_id"]:
        many = edit(step, many, rep_id, "goal", 1_000_000)
    return [
        up,
        LEVERS["most_up"].write(step, up, 0.01),
        edit(step, step.scenario, "R039", "goal", "1300000"),
        many,
        up.with_(rule=GroupRange(name="together", at_most=13_000_000.0)),
    ]


def test_every_way_out_that_is_offered_has_a_result(step: Step):
    for scenario in conflicts(step):
        answer = ask(step, scenario)
        assert "cannot all hold" in answer.message and answer.ways
        assert len({way.text for way in answer.ways}) == len(answer.ways)
        for way in answer.ways:
            assert not ask(step, way.scenario).message, way.text


def test_ways_out_are_said_in_names(step: Step):
    up, _, held, *_ = conflicts(step)
    texts = [way.text for way in ask(step, up).ways]
    assert texts[0].startswith("give 21.5 % on 'nobody more than 15 %")
    assert texts[1] == "lower the target by 3,189,200 EUR to 14,838,600 EUR"
    answer = ask(step, held)
    assert "drop the hold of Ingrid Otto" in [way.text for way in answer.ways]
    assert "R039" not in answer.message and hold_name("R039") not in answer.message
    assert limits_name("R039") not in answer.message


# --- what makes the difference --------------------------------------------------------------------


def test_the_parts_of_a_difference_add_up_exactly_and_idle_ones_are_nothing(step: Step):
    scenario = edit(step, step.scenario, "R039", "goal", "1.100.000")
    scenario = LEVERS["market"].write(step, scenario, 0.05)
    scenario = LEVERS["target_change"].write(step, scenario, 0.02)
    idle = GroupRange(name="idle", where={"rep_id": ("R040",)}, at_most=9_000_000.0)
    scenario = scenario.with_(rule=idle)
    table = differences(step, step.scenario, scenario)
    before, after = (ask(step, one) for one in (step.scenario, scenario))
    people = table[table["rep_id"] != ""]
    found = people.groupby("rep_id")["goal"].sum()
    assert (found.to_numpy() == after.people["change"].to_numpy()).all()
    whole = table[table["rep_id"] == ""].set_index("part")
    assert whole["goal"].sum() == after.people["goal"].sum() - before.people["goal"].sum()
    assert (people.groupby("part")["goal"].sum() == whole["goal"].sort_index()).all()
    nothing = table[table["part"] == "rule 'idle'"][["goal", "expected", "chance"]]
    assert (nothing.fillna(0.0) == 0).all().all()
    likely = [
        outlook_of(step.other("West", one, step.folder)).likely(step.inputs.target * by)
        for one, by in ((step.scenario, 1.0), (scenario, 1.02))
    ]
    assert whole["chance"].sum() == pytest.approx(likely[1] - likely[0], abs=0.002)
    assert whole.loc["assumption 'market'", "chance"] > 0 > whole.loc["target", "chance"]


def test_nothing_differs_from_itself_and_many_parts_are_taken_together(step: Step):
    assert differences(step, step.scenario, step.scenario).empty
    scenario = step.scenario
    for rep_id in ("R038", "R039", "R040", "R041"):
        scenario = edit(step, scenario, rep_id, "hold", "x")
    scenario = LEVERS["target_change"].write(step, scenario, 0.01)
    scenario = LEVERS["objective"].write(step, scenario, "fewest_changes")
    scenario = LEVERS["over_assignment"].write(step, scenario, 0.01)
    parts = differences(step, step.scenario, scenario)["part"].unique().tolist()
    assert parts == ["target", "objective", "over-assignment", "holds"]


def test_parts_that_only_hold_together_are_one(step: Step):
    up = LEVERS["target_change"].write(step, step.scenario, 0.3)
    free = [rule for rule in step.scenario.rules if not rule.name.startswith("nobody more")]
    both = up.with_(rules=tuple(free))
    table = differences(step, step.scenario, both)
    assert len(table["part"].unique()) == 2  # the rule can go first, and then the target


def test_scenarios_stand_side_by_side_and_one_without_a_result_says_why(step: Step):
    names = step.plan.scenario_names()
    shown = {name: step.plan.scenario(name) for name in names}
    shown["wild"] = LEVERS["target_change"].write(step, step.scenario, 0.3)
    found = compare(step, shown)
    assert list(found.messages) == ["wild"] and "cannot all hold" in found.messages["wild"]
    whole = found.people[found.people["rep_id"] == ""].set_index("scenario")
    first = whole["goal"].iloc[0]
    assert whole["goal_difference"].tolist()[:-1] == (whole["goal"] - first).tolist()[:-1]
    assert whole.loc["stretch", "goal"] > first > whole.loc["cautious", "goal"]
    assert np.isnan(whole.loc["wild", "goal"])
    with pytest.raises(UsageError, match="compare 2 to 5"):
        compare(step, {"base": step.scenario})


# --- files and drafts -----------------------------------------------------------------------------


@pytest.fixture
def desk(sample: Plan, tmp_path: Path) -> Step:
    where = (str(sample.folder), str(tmp_path / "run"))
    return open_step("07_what_if", "West", *where)


def moved(step: Step, by: float = 0.01) -> Scenario:
    return LEVERS["target_change"].write(step, step.scenario, by)


def test_unsaved_work_comes_back_and_is_no_scenario_of_the_plan(desk: Step):
    before = desk.plan.scenario_names()
    file = ScenarioFile.open(desk, "base")
    assert file.draft is None and not file.notice
    file.keep(moved(desk))
    assert desk.plan.scenario_names() == before
    again = ScenarioFile.open(desk, "base")
    assert again.draft == moved(desk) and again.scenario == file.scenario and not again.notice
    again.keep(file.scenario)  # undone to what the file says
    assert ScenarioFile.open(desk, "base").draft is None


def test_a_draft_is_in_no_batch_and_changes_no_fingerprint(desk: Step, tmp_path: Path):
    before = desk.prepared.facts["fingerprint"]
    ScenarioFile.open(desk, "base").keep(moved(desk))
    copied = desk.plan.copied(tmp_path / "copy")
    assert copied.scenario_names() == desk.plan.scenario_names()
    assert not list((tmp_path / "copy").rglob("*.draft"))
    where = (str(desk.plan.folder), str(tmp_path / "run2"))
    assert open_step("07_what_if", "West", *where).prepared.facts["fingerprint"] == before


def test_saving_writes_what_was_asked_keeps_the_head_and_forgets_the_draft(desk: Step):
    path = desk.plan.folder / "scenarios" / "base.toml"
    path.write_text("# agreed with finance\n\n" + path.read_text(encoding="utf-8"), "utf-8")
    file = ScenarioFile.open(desk, "base")
    file.keep(moved(desk))
    saved = file.save(moved(desk))
    assert path.read_text("utf-8").startswith("# agreed with finance\n")
    assert desk.plan.scenario("base").targets == moved(desk).targets
    assert ScenarioFile.open(desk, "base").draft is None
    saved.save(moved(desk, 0.02))  # what was saved is what it goes on from
    assert desk.plan.scenario("base").targets == moved(desk, 0.02).targets


def test_a_file_that_somebody_else_changed_is_not_overwritten_but_offered(desk: Step):
    path = desk.plan.folder / "scenarios" / "base.toml"
    file = ScenarioFile.open(desk, "base")
    theirs = path.read_text(encoding="utf-8").replace("[", "# theirs\n[", 1)
    path.write_text(theirs, encoding="utf-8")
    with pytest.raises(ChangedOnDiskError, match="changed by somebody else") as error:
        file.save(moved(desk))
    assert path.read_text(encoding="utf-8") == theirs
    error.value.theirs.save(moved(desk))
    path.unlink()
    with pytest.raises(ChangedOnDiskError, match="is gone"):
        file.save(moved(desk))
    path.write_text("[rules", encoding="utf-8")
    with pytest.raises(ChangedOnDiskError) as error:
        file.save(moved(desk))
    assert error.value.theirs is None


def test_a_draft_begun_from_another_file_says_so_and_a_damaged_one_is_only_named(desk: Step):
    file = ScenarioFile.open(desk, "base")
    file.keep(moved(desk))
    path = desk.plan.folder / "scenarios" / "base.toml"
    path.write_text(path.read_text(encoding="utf-8") + "# later\n", encoding="utf-8")
    again = ScenarioFile.open(desk, "base")
    assert again.draft == moved(desk) and "changed after this draft" in again.notice
    for damage in ("[[rules", "[ruls]\n", "objective = 3\n"):
        file.draft_path.write_text(damage, encoding="utf-8")
        named = ScenarioFile.open(desk, "base")
        assert named.draft is None and "cannot be read" in named.notice
    file.draft_path.write_bytes(b"\xff\xfe")
    assert "cannot be read" in ScenarioFile.open(desk, "base").notice


def test_a_new_name_is_saved_and_duplicated_and_never_over_another(desk: Step):
    file = ScenarioFile.open(desk, "base")
    file.keep(moved(desk))
    new = file.save_as("bolder", moved(desk))
    assert new.scenario.targets == moved(desk).targets and file.draft_path.exists() is False
    new.duplicate("bolder 2")
    assert {"bolder", "bolder 2"} <= set(desk.plan.scenario_names())
    for name in ("bolder", "../up", "", "a/b", "base", "x" * 70, "a\n", "con:"):
        with pytest.raises(UsageError):
            new.save_as(name, moved(desk))
        with pytest.raises(UsageError):
            new.duplicate(name)


def test_what_a_run_would_refuse_is_not_saved(desk: Step):
    file = ScenarioFile.open(desk, "base")
    wrong = desk.scenario.with_(rule=GroupRange(name="r", where={"rep_id": ("R999",)}, at_most=1.0))
    before = file.path.read_bytes()
    with pytest.raises(DataError, match="R999"):
        file.save(wrong)
    with pytest.raises(DataError, match="R999"):
        write_scenario(desk, "wrong", wrong)
    assert file.path.read_bytes() == before and "wrong" not in desk.plan.scenario_names()
