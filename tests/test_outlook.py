"""One engine answers every chance: draws seeded by id, kept in tables, added up over regions."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from planning_kit.data import read_table, write_table
from planning_kit.messages.amounts import chance_text
from planning_kit.numbers.intervals import HIGH, LOW, RANGE_SHARE, Z80, deviation
from planning_kit.numbers.lognormal import chance_of_reaching
from planning_kit.outlook import Outlook, coming_year
from planning_kit.outlook.years import (
    YearModel,
    draw_people,
    orders_of,
    own_years,
    stream,
    with_world,
)
from planning_kit.plan import Plan, Scenario, load_plan
from planning_kit.walk import Step, open_step, outlook_of
from planning_kit.walk.rollup import roll_up
from planning_kit.walk.what_if import WhatIf, compare_scenarios, what_if
from tests.conftest import ROOT, PlanMaker
from tests.making import make_inputs
from tests.walking import table

NOTEBOOKS = ("02_assumptions", "03_target_allocation", "05_joint_agreement", "07_what_if")
COMPANY = "08_company_rollup"
REGIONS = ("North", "South", "East", "West", "Central", "Nordics")


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PLANNING_CHARTS", "vega")


def opened(plan: Plan, run: Path, notebook: str, region: str = "") -> Step:
    return open_step(notebook, region, str(plan.folder), str(run))


# --- one chance wherever it is asked -------------------------------------------------------------


@pytest.fixture
def two_people(make_plan: PlanMaker) -> Plan:
    """Two people who sold 1,000, 3,250 and 4,225 a month over three years."""
    sales = [
        f"{year}-{month:02d}-05,{rep},{amount}"
        for year, amount in ((2023, 1000), (2024, 3250), (2025, 4225))
        for month in range(1, 13)
        for rep in ("ann", "bob")
    ]
    return make_plan(
        reps="rep_id,region\nann,North\nbob,North\n",
        territories="territory_id,region\nt1,North\n",
        assignments="rep_id,territory_id,share\nann,t1,0.5\nbob,t1,0.5\n",
        sales="sold_on,rep_id,amount\n" + "\n".join(sales) + "\n",
        products=None,
        goals=None,
    )


def test_two_people_have_one_chance_in_every_notebook(two_people: Plan, tmp_path: Path):
    run = tmp_path / "run"
    steps = [opened(two_people, run, name, "North") for name in NOTEBOOKS]
    for step in steps:
        step.write()
    company = opened(two_people, run, COMPANY)
    target = steps[0].inputs.target
    assert target == 106_470.0
    likely = {outlook_of(step).chance(target).probability for step in (*steps, company)}
    assert len(likely) == 1
    (one,) = likely
    assert set(table(run, "North", "frontier")["team_chance"]) == {one}
    said = table(run, "North", "assumption_findings")["message"].str.cat()
    assert f"reached in {100 * one:.0f} of 100 years" in said
    shown = what_if(steps[-1]).summary.set_index("what")["value"]
    assert shown["chance that the region reaches the target"] == chance_text(one)
    first, second = table(run, "North", "chances")["chance"]  # alike, but for their own luck
    assert first == pytest.approx(second, abs=0.03)


@pytest.fixture(scope="module")
def sample_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Path]:
    """Run the sample's notebooks up to the allocation, for every region."""
    folder = tmp_path_factory.mktemp("one_chance")
    text = (ROOT / "data_samples" / "plan.toml").read_text(encoding="utf-8")
    data = (ROOT / "data_samples" / "data").as_posix()
    (folder / "plan.toml").write_text(text.replace('file = "data/', f'file = "{data}/'))
    (folder / "scenarios").mkdir()
    for path in (ROOT / "data_samples" / "scenarios").glob("*.toml"):
        (folder / "scenarios" / path.name).write_bytes(path.read_bytes())
    plan = load_plan(folder)
    for region in REGIONS:
        for notebook in NOTEBOOKS[:2]:
            opened(plan, folder / "run", notebook, region).write()
    return plan, folder / "run"


@pytest.mark.parametrize("region", ["North", "East", "Nordics"])
def test_every_notebook_gives_the_samples_chances_to_the_digit(sample_run, region: str):
    plan, run = sample_run
    steps = [opened(plan, run, name, region) for name in NOTEBOOKS]
    goals = steps[0].table("allocation")
    target = steps[0].inputs.target
    likely = [outlook_of(step).chance(target, goals) for step in steps]
    assert len({(c.probability, c.share_reaching, c.k) for c in likely}) == 1
    people = [outlook_of(step).chances(goals).set_index("rep_id")["chance"] for step in steps]
    for chance, found in zip(likely, people, strict=True):
        assert found.equals(people[0])
        assert found.equals(chance.people.set_index("rep_id")["chance"])
    written = read_table(run / region / "tables" / "chances.csv").set_index("rep_id")["chance"]
    assert written.to_dict() == people[0].to_dict()
    whole = outlook_of(opened(plan, run, COMPANY)).chances(goals).set_index("rep_id")
    assert whole.loc[people[0].index, "chance"].to_dict() == people[0].to_dict()
    compared = compare_scenarios(steps[-1]).set_index("scenario")["likely"]
    assert compared["base"] == (people[0] >= 0.5).sum()


def test_the_draws_of_the_regions_add_up_to_the_companys(sample_run):
    plan, run = sample_run
    regions = [outlook_of(opened(plan, run, "03_target_allocation", r)) for r in REGIONS]
    whole = outlook_of(opened(plan, run, COMPANY))
    sums = sum(outlook.draws.sum(axis=0) for outlook in regions)
    assert (whole.draws.sum(axis=0) == sums).all()
    for outlook in regions:
        at = whole.expected.index.get_indexer(outlook.expected.index)
        assert (whole.draws[at] == outlook.draws).all()
    target = sum(opened(plan, run, "02_assumptions", r).inputs.target for r in REGIONS)
    reached = (sums >= target / whole.unit * 1000).mean()
    assert whole.chance(target).probability == reached
    # What hits everybody does not average out: the company is surer than its regions, not sure.
    spread = [
        draws.std() / draws.mean() for draws in (sums, *(r.draws.sum(axis=0) for r in regions))
    ]
    assert spread[0] < min(spread[1:]) and spread[0] > max(spread[1:]) / np.sqrt(len(regions))
    assert whole.ranges()["low"].iloc[0] < whole.expected.sum() < whole.ranges()["high"].iloc[0]


def test_the_companys_roll_up_stands_beside_the_same_outlook(sample_run):
    plan, run = sample_run
    step = opened(plan, run, COMPANY)
    company = roll_up(step)
    total = outlook_of(step).chance(step.inputs.target, company.goals)
    assert total.expected == pytest.approx(outlook_of(step).expected.sum())
    assert total.people["chance"].notna().all() and 0 < total.probability < 1


def test_a_moved_target_asks_the_same_draws(sample_run):
    plan, run = sample_run
    step = opened(plan, run, "07_what_if", "West")
    moved = what_if(step, WhatIf(target_change=0.05))
    goals = moved.people[["rep_id", "goal"]]
    asked = outlook_of(step).chances(goals).set_index("rep_id")["chance"]
    assert moved.people.set_index("rep_id")["chance"].to_dict() == asked.to_dict()


# --- kept in tables ------------------------------------------------------------------------------


def test_an_outlook_from_the_kept_tables_is_the_one_that_was_computed(sample_run, tmp_path: Path):
    plan, run = sample_run
    computed = outlook_of(opened(plan, tmp_path / "elsewhere", "03_target_allocation", "North"))
    kept = opened(plan, run, "03_target_allocation", "North")
    from_tables = outlook_of(kept)
    assert set(kept.origins()["origin"]) == {"written by 02_assumptions"}
    assert (computed.draws == from_tables.draws).all()
    for field in fields(YearModel):
        one, other = (getattr(outlook.model, field.name) for outlook in (computed, from_tables))
        assert np.array_equal(one, other)
    pd.testing.assert_frame_equal(computed.table(), from_tables.table(), check_exact=True)
    pd.testing.assert_frame_equal(from_tables.table(), kept.table("outlook"), check_exact=True)


def test_later_notebooks_ask_the_kept_tables_and_no_sales(sample_run):
    plan, run = sample_run
    step = opened(plan, run, "07_what_if", "South")
    chances = step.chances()
    unsold = opened(plan, run, "07_what_if", "South")
    unsold.inputs = replace(unsold.inputs, sales=unsold.inputs.sales.iloc[:0])
    pd.testing.assert_frame_equal(unsold.chances(), chances)
    pd.testing.assert_frame_equal(unsold.frontier(), step.frontier())
    assert what_if(unsold).summary.equals(what_if(step).summary)


def test_numbers_of_any_size_come_back_from_a_table_to_the_last_bit(tmp_path: Path):
    numbers = np.random.default_rng(3).lognormal(0, 20, 20_000)
    write_table(tmp_path / "t.csv", pd.DataFrame({"x": numbers}))
    assert (read_table(tmp_path / "t.csv")["x"].to_numpy() == numbers).all()


# --- seeded by id --------------------------------------------------------------------------------

RATE = {"driver": "turnover_rate", "low": 0.05, "base": 0.1, "high": 0.2}
REGISTER = {
    "market": {"driver": "market_growth", "low": -0.02, "base": 0.01, "high": 0.03},
    "rival": {
        "driver": "competitor_effect",
        "low": -0.2,
        "base": -0.1,
        "high": 0.0,
        "territories": ["T2"],
    },
    "turnover": RATE,
}
PLAN = Scenario.parse("s", {"assumptions": REGISTER})


def team_of(names: str, **tables):
    """Three uneven years for people in turn in T1 and T2, whoever else is there."""
    sales, held = [], []
    for name in names:
        place = f"T{1 + ord(name) % 2}"
        held.append({"rep_id": name, "territory_id": place, "share": 0.25})
        luck = np.random.default_rng(ord(name)).lognormal(0, 0.2, 36)
        for day, factor in zip(pd.date_range("2023-01", periods=36, freq="MS"), luck, strict=True):
            sales.append(
                {"sold_on": day, "rep_id": name, "territory_id": place, "amount": 1000 * factor}
            )
    places = [{"territory_id": t, "region": "N"} for t in ("T1", "T2")]
    return make_inputs(sales=sales, assignments=held, territories=places, **tables)


def test_the_order_of_people_and_of_the_register_changes_nothing():
    one = coming_year(team_of("abcd"), PLAN)
    mixed = Scenario.parse("s", {"assumptions": dict(reversed(REGISTER.items()))})
    other = coming_year(team_of("dbca"), mixed)
    assert (one.draws == other.draws).all()


def test_a_person_has_the_same_luck_whoever_else_is_there():
    model = model_of(["a", "b", "c"])
    whole = drawn(model)
    alone = drawn(model_of(["b"], like=model, rows=[1]))
    assert (whole[1] == alone[0]).all()
    assert not (own(model, 50, 1)[0] == own(model, 50, 2)[0]).any()
    few, many = own(model, 50, 1), own(model, 80, 1)
    assert (few == many[:, :50]).all()  # fewer years are the first of more


def test_draws_are_the_same_bytes_with_any_number_of_threads():
    code = (
        "import hashlib; from tests.test_outlook import REGISTER, Scenario, team_of;"
        "from planning_kit.outlook import coming_year;"
        "pairs = [{'between': ['market', 'rival'], 'coefficient': 0.4}];"
        "plan = Scenario.parse('s', {'assumptions': REGISTER, 'correlations': pairs});"
        "print(hashlib.sha256(coming_year(team_of('abcd'), plan).draws.tobytes()).hexdigest())"
    )
    found = set()
    for threads in ("1", "3"):
        env = {**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        run = [sys.executable, "-c", code]
        out = subprocess.run(run, env=env, cwd=ROOT, capture_output=True, text=True, check=True)
        found.add(out.stdout.strip())
    assert len(found) == 1 and len(found.pop()) == 64


# --- the draws by the formulas -------------------------------------------------------------------


_NO_PERSON = {"people", "assumptions", "low", "high", "correlation"}


def model_of(people, assumptions=3, seed=4, like: YearModel | None = None, rows=()) -> YearModel:
    rng, count = np.random.default_rng(seed), len(people)
    if like is not None:
        at = list(rows)
        names = [f.name for f in fields(YearModel) if f.name not in _NO_PERSON]
        part = {n: getattr(like, n)[at] for n in names}
        ends = {n: getattr(like, n)[:, at] for n in ("low", "high")}
        return replace(like, people=tuple(people), **part, **ends)
    return YearModel(
        people=tuple(people),
        assumptions=tuple(f"A{n}" for n in range(assumptions)),
        low=rng.uniform(-0.2, 0, (assumptions, count)),
        high=rng.uniform(0, 0.2, (assumptions, count)),
        correlation=np.full((assumptions, assumptions), 0.3) + 0.7 * np.eye(assumptions),
        common=np.full(count, 0.05),
        own=rng.uniform(0, 0.4, count),
        doubt=np.zeros(count),
        orders=np.full(count, np.inf),
        order_cv=np.zeros(count),
        stay=np.full(count, 0.98),
        start=rng.integers(0, 4, count),
        years=np.sort(rng.uniform(0.2, 1.0, (count, 13)), axis=1),
    )


def own(model: YearModel, runs: int, seed: int) -> np.ndarray:
    return own_years(model, draw_people(model, runs, seed), seed)


def drawn(model: YearModel, runs: int = 500, seed: int = 5, at=None) -> np.ndarray:
    amounts = np.full(len(model.people), 1e9)
    return with_world(model, own(model, runs, seed), amounts, seed, at) / 1e9


def by_hand(model: YearModel, runs: int, seed: int) -> np.ndarray:
    """Do it with whole tables at once, from the same random numbers."""
    alone = [stream(seed, "assumption", n).standard_normal(runs) for n in model.assumptions]
    z = np.linalg.cholesky(model.correlation) @ np.array(alone) / Z80
    common = stream(seed, "everybody").standard_normal(runs)
    luck = np.array([stream(seed, "luck", n).standard_normal(runs) for n in model.people])
    chance = np.array([stream(seed, "leaving", n).random(runs) for n in model.people])
    results = np.ones((len(model.people), runs))
    for low, high, draw in zip(model.low, model.high, z, strict=True):
        results *= 1 + np.outer(low, np.maximum(-draw, 0)) + np.outer(high, np.maximum(draw, 0))
    for spread, draws in ((model.own, luck), (model.common, common[None, :])):
        sigma = np.sqrt(np.log(1 + spread**2))[:, None]
        results *= np.exp(sigma * draws - sigma**2 / 2)
    served = np.floor(np.log(1 - chance) / np.log(model.stay)[:, None])
    last = np.minimum(model.start[:, None] + served, model.years.shape[1] - 1).astype(int)
    return results * np.take_along_axis(model.years, last, axis=1)


@pytest.mark.parametrize("people", [1, 40])
def test_years_are_drawn_as_the_formulas_say(people: int):
    model = model_of([f"R{n}" for n in range(people)])
    np.testing.assert_allclose(drawn(model), by_hand(model, 500, 5), rtol=1e-6)


@pytest.mark.parametrize("together", [-1.0, 0.0, 0.6, 1.0])
def test_assumptions_go_together_as_far_as_their_correlation_says(together: float):
    still = {"low": np.array([[0.0], [-1e-6]]), "high": np.array([[1e-6], [0.0]])}
    pairs = np.array([[1.0, together], [together, 1.0]])
    quiet = {"own": np.zeros(1), "common": np.zeros(1), "stay": np.ones(1)}
    model = replace(model_of(["a"], 2), correlation=pairs, **still, **quiet)
    model = replace(model, years=np.ones((1, 13)))
    for held in (-1.0, 2.0):  # the first at so many deviations takes the second along
        free = stream(5, "assumption", "A1").standard_normal(500) * np.sqrt(1 - together**2)
        up, down = max(held, 0.0), np.maximum(-(together * held + free), 0.0)
        expected = (1 + 1e-6 * up / Z80) * (1 - 1e-6 * down / Z80)
        np.testing.assert_allclose(drawn(model, at=(0, held)), expected[None, :], atol=2e-9)


def test_a_share_of_the_years_lets_somebody_leave_as_the_rate_says():
    # Nothing but leaving: a year is 1 when nobody leaves, and k / 12 after k + 1 months.
    years = np.append(np.arange(1, 13) / 12, 2.0)[None, :]
    stay = 0.8 ** (1 / 12)
    quiet = {"own": np.zeros(1), "start": np.zeros(1, dtype=int), "years": years}
    model = replace(model_of(["a"], 0), stay=np.array([stay]), **quiet)
    months = np.bincount(np.round(own(model, 40_000, 2)[0] * 12).astype(int), minlength=25)
    expected = 40_000 * np.append(stay ** np.arange(12) * (1 - stay), 0.8)
    found = np.append(months[1:13], months[24])
    assert (np.abs(found - expected) < 4.5 * np.sqrt(expected)).all() and found.sum() == 40_000


def test_nobody_ever_leaves_or_everybody_does_in_the_first_month():
    for stay, column in ((1.0, 12), (0.0, 0)):
        start = np.zeros(1, dtype=int)
        model = replace(model_of(["a"]), stay=np.array([stay]), start=start, own=np.zeros(1))
        assert (own(model, 100, 1) == model.years[0, column]).all()


@pytest.mark.parametrize(("amount", "orders", "cv"), [(1.0, 3.0, 1.5), (0.2, 4.0, 0.0), (2, 90, 1)])
def test_amounts_come_in_orders_or_not_at_all(amount: float, orders: float, cv: float):
    kind = np.array(orders), np.array(cv)
    found = orders_of(np.full(200_000, amount), *kind, 3)
    variance = amount * (1 + cv**2) / orders
    assert found.mean() == pytest.approx(amount, abs=5 * np.sqrt(variance / len(found)))
    assert found.var() == pytest.approx(variance, rel=0.05)
    nothing = np.exp(-amount * orders)
    assert (found == 0).mean() == pytest.approx(nothing, abs=5 * np.sqrt(nothing / len(found)))


def test_an_estimate_is_off_as_often_to_either_side():
    model = model_of(["a"], 0)
    sure = {"own": np.zeros(1), "stay": np.ones(1), "years": np.ones((1, 13))}
    years = own(replace(model, doubt=np.array([0.3]), **sure), 50_000, 1)[0]
    assert np.median(years) == pytest.approx(1.0, abs=0.01)
    assert years.std() == pytest.approx(0.3, abs=0.01) and years.min() >= 0


def outlook_with(people: dict[str, tuple[float, float, float]], unit: float = 0.01) -> Outlook:
    """Make an outlook of people by id: expected result, own and common relative spread."""
    rows = [
        {"rep_id": name, "expected": e, "own_cv": own, "common_cv": common}
        for name, (e, own, common) in people.items()
    ]
    sure = {"expected_error": 0.0, "orders": np.nan, "order_cv": 0.0, "past_years": 1.0}
    stays = {**sure, "stays_month": 1.0, "starts_in": 0.0, "until_01": 1.0, "all_year": 1.0}
    effects = pd.DataFrame(columns=["assumption_id", "rep_id", "low", "high"])
    pairs = pd.DataFrame(columns=["assumption_id", "other_id", "coefficient"])
    return Outlook(pd.DataFrame(rows).assign(**stays), effects, pairs, unit, 1, 20_000)


def test_a_goal_met_to_the_last_cent_is_met_and_one_of_nobody_never():
    outlook = outlook_with({"a": (1e12 / 3, 0.0, 0.0), "b": (0.0, 0.0, 0.0)})
    goals = pd.DataFrame({"rep_id": ["a", "b"], "goal": [1e12 / 3, 0.01]})
    chance = outlook.chance(1e12 / 3, goals)
    assert chance.people["chance"].tolist() == [1.0, 0.0] and chance.probability == 1.0
    assert outlook.chance(1e12 / 3 + 0.01).probability == 0.0
    nothing = outlook.chance(0.0, goals.assign(goal=[0.0, 0.0]))
    assert nothing.people["chance"].tolist() == [1.0, 1.0]


def test_who_has_no_goal_or_no_expectation_has_no_chance():
    outlook = outlook_with({"a": (100.0, 0.2, 0.0), "b": (np.nan, 0.2, 0.0), "c": (50.0, 0, 0)})
    goals = pd.DataFrame({"rep_id": ["a", "b", "x"], "goal": [90.0, 80.0, 1.0]})
    found = outlook.chances(goals).set_index("rep_id")["chance"]
    assert found.index.tolist() == ["a", "b", "c", "x"]
    assert found["a"] > 0.5 and found[["b", "c", "x"]].isna().all()
    assert outlook.share_reaching(goals.set_index("rep_id")["goal"])[0] == found["a"]
    empty = outlook_with({"b": (np.nan, 0.2, 0.0)})
    assert np.isnan(empty.chance(10.0).probability) and empty.frontier(10.0).empty


# --- what pooling and padding do -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("people", "alike", "chance"),
    [(8, 0.2, 0.73), (8, 0, 0.83), (40, 0.2, 0.76), (40, 0, 0.98)],
)
def test_a_team_pools_what_is_not_common(people: int, alike: float, chance: float):
    # CV 30 % with correlation 0.2: the common part has 0.2 of the variance. The published shares
    # are those of a normal; a lognormal is up to two points below.
    common = np.sqrt(alike * 0.09)
    own = np.sqrt(1.09 / (1 + alike * 0.09) - 1)
    outlook = outlook_with({f"R{n:02d}": (100.0, own, common) for n in range(people)})
    assert outlook.chance(90.0 * people).probability == pytest.approx(chance, abs=0.025)


@pytest.mark.parametrize(
    ("cv", "k", "chance"), [(0.15, 1.1, 0.24), (0.25, 0.9, 0.62), (0.4, 1, 0.42)]
)
def test_a_persons_chance_is_that_of_a_lognormal(cv: float, k: float, chance: float):
    outlook = outlook_with({"a": (100.0, cv, 0.0)})
    goals = pd.DataFrame({"rep_id": ["a"], "goal": [100.0 * k]})
    assert outlook.chances(goals)["chance"].iloc[0] == pytest.approx(chance, abs=0.015)


def test_padding_lowers_the_chance_of_people_and_not_the_risk_of_the_team():
    outlook = outlook_with({f"R{n:02d}": (100.0, 0.3, 0.1) for n in range(20)})
    found = outlook.frontier(1900.0)
    assert found["share_reaching"].is_monotonic_decreasing
    assert found["team_chance"].nunique() == 1
    assert found["goals_chance"].is_monotonic_decreasing
    assert found["covered_chance"].is_monotonic_increasing
    assert found["k"].iloc[0] == pytest.approx(0.95)
    assert found["status"].tolist() == ["pass", "pass", *["review"] * 5]


def test_a_fitted_year_has_the_drawn_chance_where_goals_of_equal_chance_lie():
    outlook = coming_year(team_of("abcd"), PLAN, 20_000)
    total = outlook.amounts(np.array([0.6, 0.8, 0.6, 0.6])).sum()
    fit = outlook.lognormals(total, given=pd.Series({"b": 0.8}))
    for chance, people in ((0.6, ["a", "c", "d"]), (0.8, ["b"])):
        goals = pd.Series(outlook.amounts(np.full(4, chance)), outlook.expected.index)
        found = chance_of_reaching(fit["likely"], fit["cv"], goals)[people]
        assert found.tolist() == pytest.approx([chance] * len(people), abs=0.001)


# --- the 80 % range, written once ----------------------------------------------------------------


def test_the_eighty_per_cent_range_is_written_in_one_place():
    assert float(norm.ppf(0.9)) == Z80 and deviation(-Z80, Z80) == 1.0
    assert (LOW, HIGH) == (0.1, 0.9) and pytest.approx(RANGE_SHARE) == HIGH - LOW
    spelled = re.compile(r"1\.2815|1\.2816|ppf\(0\.9\)|ppf\(0\.1\)|Z_80|EIGHT_OF_TEN")
    found = [
        path.name
        for path in (ROOT / "planning_kit").rglob("*.py")
        if spelled.search(path.read_text(encoding="utf-8"))
    ]
    assert found == ["intervals.py"]
