"""The year so far: signposts; assumptions that move together; past ranges."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from planning_kit.assumptions import (
    assumption_findings,
    last_register,
    register,
    sensitivity,
    signposts,
)
from planning_kit.messages import DataError
from planning_kit.numbers.intervals import Z80
from planning_kit.numbers.statistics import score_ranges
from planning_kit.outlook import baseline_totals, coming_year, levels, measured_calibration, misses
from planning_kit.outlook.levels import Usual
from planning_kit.outlook.seats import look_ahead
from planning_kit.plan import Scenario, load_scenario
from tests.making import make_inputs

CALM = {"driver": "turnover_rate", "low": 0, "base": 0, "high": 0}
MARKET = {"driver": "market_growth", "low": -0.02, "base": 0.0, "high": 0.02, "owner": "Ann"}
RIVAL = {
    "driver": "competitor_effect",
    "low": -0.2,
    "base": -0.1,
    "high": 0.0,
    "territories": ["T2"],
}
PRICE = {"driver": "price_change", "low": -0.05, "base": 0.0, "high": 0.05}
PLACES = [{"territory_id": "T1", "region": "N"}, {"territory_id": "T2", "region": "N"}]


def plan(*pairs, **assumptions):
    together = [{"between": list(pair[:2]), "coefficient": pair[2]} for pair in pairs]
    return Scenario.parse("s", {"assumptions": assumptions, "correlations": together})


def monthly(rep, place, amounts, first):
    days = pd.date_range(first, periods=len(amounts), freq="MS")
    return [
        {"sold_on": day, "rep_id": rep, "territory_id": place, "amount": float(amount)}
        for day, amount in zip(days, amounts, strict=True)
    ]


def inputs_with(so_far=(), people=2, seed=1, reps=None):
    """Two years of uneven months for people in turn in T1 and T2, and months of the plan."""
    rng, sales, held = np.random.default_rng(seed), [], []
    for n in range(people):
        place = f"T{1 + n % 2}"
        held.append({"rep_id": f"R{n}", "territory_id": place, "share": 2 / people})
        sales += monthly(f"R{n}", place, 100 * rng.lognormal(0, 0.1, 36), "2023-01")
        sales += monthly(f"R{n}", place, so_far, "2026-01")
    return make_inputs(
        sales=sales, assignments=held, territories=PLACES, target=1200.0 * people, reps=reps
    )


# --- signposts -----------------------------------------------------------------------------------


def test_before_the_year_has_begun_nothing_is_known_and_nothing_breached():
    seen = signposts(inputs_with(), plan(m=MARKET, t=CALM))
    assert seen.today == pd.Timestamp("2026-01-01")
    assert seen.results.empty and seen.goals.empty
    assert seen.assumptions["state"].tolist() == ["not known", "not known"]


def test_an_actual_outside_its_range_names_the_goals_that_rest_on_it_and_what_it_is_worth():
    inputs = inputs_with()
    calm = plan(m=MARKET, r=RIVAL, t=CALM)
    seen = signposts(inputs, plan(m=MARKET, r={**RIVAL, "actual": -0.3}, t=CALM))
    row = seen.assumptions.set_index("assumption_id").loc["r"]
    year = baseline_totals(inputs, calm, ["territory_id"]).set_index("territory_id")["expected"]
    assert row["state"] == "below" and row["people"] == 1
    assert (row["rep_ids"], row["territory_ids"]) == ("R1", "T2")
    assert row["effect"] == pytest.approx(year["T2"] * (0.7 / 0.9 - 1))
    goal = seen.goals.iloc[0]
    assert len(seen.goals) == 1 and goal[["rep_id", "territory_id"]].tolist() == ["R1", "T2"]
    assert goal["breached"] == "r" and goal["effect"] == pytest.approx(row["effect"])
    found = assumption_findings(inputs, plan(m=MARKET, r={**RIVAL, "actual": -0.3}, t=CALM))
    said = found.set_index("finding_id").loc["assumptions.r.breached"]
    assert "-0.2 to 0 share and is -0.3, below that" in said["message"]
    assert "1 people's goals: 'R1'" in said["message"]


@pytest.mark.parametrize(("actual", "state"), [(-0.02, "inside"), (0.0, "inside"), (0.03, "above")])
def test_the_ends_belong_to_the_range(actual, state):
    seen = signposts(inputs_with(), plan(m={**MARKET, "actual": actual}, t=CALM))
    assert seen.assumptions.set_index("assumption_id")["state"]["m"] == state
    assert len(seen.goals) == (2 if state == "above" else 0)


def test_two_breached_assumptions_of_one_goal_are_worth_their_product():
    inputs = inputs_with()
    seen = signposts(inputs, plan(m={**MARKET, "actual": 0.1}, r={**RIVAL, "actual": -0.4}, t=CALM))
    goals = seen.goals.set_index("territory_id")
    assert goals["breached"].tolist() == ["m", "m, r"]
    ratio = 1 + goals["effect"] / goals["expected"]
    assert ratio.tolist() == pytest.approx([1.1, 1.1 * 0.6 / 0.9])


def test_sales_of_whole_months_are_compared_with_the_range_of_the_same_months():
    calm = plan(m=MARKET, t=CALM)
    inputs = inputs_with([50.0, 50.0, 1.0])
    seen = signposts(inputs, calm, date(2026, 3, 20))  # of March nothing is known yet
    whole = seen.results.set_index("cut").loc["region"]
    months = baseline_totals(inputs, calm, ["month"]).set_index("month")["expected"]
    assert whole["expected"] == pytest.approx(months.iloc[:2].sum())
    assert whole["actual"] == 200.0 and whole["state"] == "below"
    assert signposts(inputs, calm).results.set_index("cut").loc["region", "actual"] == 202.0
    found = assumption_findings(inputs, calm, today=date(2026, 3, 20)).set_index("finding_id")
    assert "sold 200 EUR before 2026-03-20" in found.loc["assumptions.results.below", "message"]
    assert set(seen.results["cut"]) == {"region", "territory", "person"}


def test_results_as_expected_are_inside_and_history_stays_what_it_was():
    calm = plan(m=MARKET, t=CALM)
    before = baseline_totals(inputs_with(), calm)
    inputs = inputs_with([100.0] * 4)
    pd.testing.assert_frame_equal(baseline_totals(inputs, calm), before)
    assert signposts(inputs, calm).results["state"].eq("inside").all()


def test_people_outside_their_ranges_are_told_from_luck_by_their_number():
    calm = plan(m=MARKET, t=CALM)
    found = assumption_findings(inputs_with([30.0] * 3, people=10), calm).set_index("finding_id")
    said = found.loc["assumptions.results.people"]
    assert said["status"] == "review" and "10 of 10 people" in said["message"]
    assert "up to 4 can be luck" in said["message"]
    few = assumption_findings(inputs_with([30.0] * 3, people=4), calm)
    assert "assumptions.results.people" not in set(few["finding_id"])


def test_sales_of_somebody_of_whom_nothing_is_expected_are_said_apart():
    inputs = inputs_with([100.0])
    left = inputs.sales.assign(
        rep_id=inputs.sales["rep_id"].where(inputs.sales["month"] < "2026-01-01", "R9")
    )
    seen = signposts(replace(inputs, sales=left), plan(m=MARKET, t=CALM))
    assert seen.sold_by_others == 200.0
    assert seen.results.set_index("cut").loc["region", "actual"] == 0.0
    found = assumption_findings(replace(inputs, sales=left), plan(m=MARKET, t=CALM))
    said = found.set_index("finding_id").loc["assumptions.results.below", "message"]
    assert said.endswith("people of whom nothing is expected sold 200 more")


def test_turnover_is_counted_since_the_plan_began_and_few_leavers_cannot_tell():
    people = {f"R{n}": {"rep_id": f"R{n}", "hired_on": "2015-01-01"} for n in range(10)}
    assumed = {"driver": "turnover_rate", "low": 0.05, "base": 0.1, "high": 0.15}

    def seen(leavers):
        rows = [
            {**row, "left_on": "2026-03-31" if n < leavers else None}
            for n, row in enumerate(people.values())
        ]
        inputs = inputs_with([100.0] * 6, people=10, reps=rows)
        return signposts(inputs, plan(m=MARKET, t=assumed)).assumptions.set_index("driver")

    few, many = (seen(n).loc["turnover_rate"] for n in (1, 6))
    assert few["state"] == "cannot tell" and few["note"].startswith("1 left in 4.7 years")
    assert np.isnan(few["effect"])
    assert many["state"] == "above" and many["actual"] > 0.5 and many["effect"] < 0


def test_an_overdue_check_stands_in_the_table_and_the_findings():
    late = plan(m={**MARKET, "check_on": date(2026, 2, 15)}, t=CALM)
    assert not signposts(inputs_with([100.0]), late).assumptions["is_overdue"].any()
    table = signposts(inputs_with([100.0] * 2), late).assumptions.set_index("assumption_id")
    assert table["is_overdue"].to_dict() == {"m": True, "t": False}
    found = assumption_findings(inputs_with([100.0] * 2), late).set_index("finding_id")
    assert "overdue on 2026-03-01" in found.loc["assumptions.overdue", "message"]


def test_an_actual_that_cannot_be_is_refused():
    with pytest.raises(DataError, match=r"m: actual is 'low'; write a number without quotes"):
        signposts(inputs_with(), plan(m={**MARKET, "actual": "low"}))
    with pytest.raises(DataError, match=r"t: actual is 1\.4 share; turnover_rate must be between"):
        signposts(inputs_with(), plan(t={**CALM, "actual": 1.4}))
    seen = signposts(
        inputs_with(), plan(m={**MARKET, "low": -2, "base": 0, "high": 2, "unit": "%", "actual": 5})
    )
    assert seen.assumptions["actual"].tolist() == [0.05]


# --- assumptions that move together --------------------------------------------------------------


def test_correlations_are_read_from_the_scenario_file(tmp_path):
    path = tmp_path / "wide.toml"
    path.write_text(
        '[assumptions.a]\ndriver = "market_growth"\nlow = 0\nbase = 0.1\nhigh = 0.2\n'
        '[assumptions.b]\ndriver = "price_change"\nlow = 0\nbase = 0.1\nhigh = 0.2\n'
        '[[correlations]]\nbetween = ["b", "a"]\ncoefficient = -0.5\n'
    )
    outlook = look_ahead(inputs_with(), load_scenario(path))
    assert outlook.correlation.tolist() == [[1.0, -0.5], [-0.5, 1.0]]
    assert look_ahead(inputs_with(), plan(a=MARKET, b=PRICE)).correlation.tolist() == [
        [1.0, 0.0],
        [0.0, 1.0],
    ]


def test_every_fault_of_correlations_is_named():
    pairs = [("m", "p", 1.5), ("m", "pric", 0.5), ("m", "m", 0.1), ("p", "t", 0.1), ("t", "p", 0.2)]
    with pytest.raises(DataError) as raised:
        register(inputs_with(), plan(*pairs, m=MARKET, p=PRICE, t=CALM))
    for words in (
        "correlation 1: coefficient is 1.5; it must be between -1 and 1",
        "[[correlations]] between: 1 unknown label: 'pric'",
        "correlation 3: between is ['m', 'm']; name two different assumptions",
        "[[correlations]] p and t stand twice",
    ):
        assert words in str(raised.value)


def test_correlations_that_contradict_each_other_are_refused_with_what_would_fit():
    pairs = [("m", "p", 0.9), ("p", "r", 0.9), ("m", "r", -0.9)]
    with pytest.raises(DataError, match=r"contradict each other .* multiplied by 0\.55 would fit"):
        register(inputs_with(), plan(*pairs, m=MARKET, p=PRICE, r=RIVAL))
    fits = [(a, b, 0.55 * c) for a, b, c in pairs]
    assert len(register(inputs_with(), plan(*fits, m=MARKET, p=PRICE, r=RIVAL))) == 3


@pytest.fixture
def all_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let years differ by what was measured alone, so that what never varied is known."""
    for room in (misses, levels):
        monkeypatch.setattr(room, "USUAL", Usual(common=0.0, person=0.0, alone=0.0))


@pytest.mark.parametrize("together", [-1.0, -0.5, 0.0, 0.5, 1.0])
def test_the_spread_of_the_total_is_that_of_a_sum_of_correlated_parts(all_known, together):
    # Two assumptions of the same half-width: variance 2 s^2 (1 + r).
    one = {"driver": "price_change", "low": -0.01, "base": 0.0, "high": 0.01}
    other = {**one, "driver": "new_product"}
    inputs, calm = inputs_with(), plan(m=MARKET, t=CALM)
    pairs = plan(("a", "b", together), a=one, b=other, m=MARKET, t=CALM)
    own = 2 * (0.01 / Z80) ** 2 * (1 + together)
    spread, flat = (look_ahead(inputs, scenario).spread for scenario in (pairs, calm))
    assert spread**2 == pytest.approx(own + flat**2, abs=1e-9)
    outlooks = [coming_year(inputs, scenario, 20_000) for scenario in (pairs, calm)]
    totals = [outlook.draws.sum(axis=0) for outlook in outlooks]
    varied = [(total / total.mean()).var() for total in totals]
    # What hits everybody beyond the register makes up for what the register explains.
    common = [outlook.model.common[0] ** 2 for outlook in outlooks]
    assert common[0] <= common[1]
    assert varied[0] - varied[1] == pytest.approx(own + common[0] - common[1], abs=1.5e-5)


def test_what_goes_along_is_moved_as_far_as_its_correlation():
    inputs = inputs_with()
    pairs = plan(("m", "p", 0.5), m=MARKET, p=PRICE, t=CALM)
    table = sensitivity(inputs, pairs, runs=50).set_index("assumption_id")
    whole = float(np.nansum(look_ahead(inputs, pairs).base))
    years = look_ahead(inputs, pairs).years_ahead
    low = 0.98**years * (1 - 0.5 * 0.05)  # the market at its low end, the price half-way to its own
    assert table.loc["m", "effect_low"] == pytest.approx(whole * (0.98**years - 1))
    assert table.loc["m", "together_low"] == pytest.approx(whole * (low - 1))
    assert table.loc["t", "together_low"] == 0.0


def test_the_tornado_shows_the_chance_at_either_end_as_a_formula_has_it(all_known):
    # One person, everything but the price known: the chance is that of a normal.
    inputs = make_inputs(sales=monthly("R1", "T1", [100.0] * 36, "2023-01"), target=1200.0)
    wide = {"driver": "price_change", "low": -0.1, "base": 0.0, "high": 0.1}
    quiet = {"driver": "market_growth", "low": 0, "base": 0, "high": 0}
    alone = plan(p=wide, q={**wide, "driver": "new_product"}, m=quiet, t=CALM)
    table = sensitivity(inputs, alone, target=1260.0, runs=4000).set_index("assumption_id")
    model = coming_year(inputs, alone).model
    assert model.own[0] < 1e-12 and model.common[0] < 1e-12
    # Price at +0.1: 1.1 (1 + q) >= 1.05 for q >= -0.04545; q is normal with 0.1 / Z80.
    from scipy.stats import norm

    assert table.loc["p", "chance_high"] == pytest.approx(norm.cdf(0.5 / 1.1 * Z80), abs=0.025)
    assert table.loc["p", "chance_low"] == pytest.approx(norm.sf(0.15 / 0.09 * Z80), abs=0.025)
    assert table.loc["m", "chance_low"] == table.loc["m", "chance_high"]


def test_the_two_to_check_first_are_those_that_move_the_chance():
    inputs = inputs_with()
    small = {**PRICE, "low": -0.001, "high": 0.001}
    table = sensitivity(inputs, plan(m=MARKET, p=PRICE, x=small, t=CALM))
    assert set(table.loc[table["check_first"], "assumption_id"]) == {"m", "p"}
    # A target out of reach for every assumption: the money decides.
    far = sensitivity(inputs, plan(m=MARKET, p=PRICE, x=small, t=CALM), target=1e9)
    assert far["chance_high"].eq(0).all()
    assert set(far.loc[far["check_first"], "assumption_id"]) == {"m", "p"}
    # What goes along with a large one moves as much with it.
    tied = sensitivity(inputs, plan(("p", "x", 1.0), m=MARKET, p=PRICE, x=small, t=CALM))
    assert set(tied.loc[tied["check_first"], "assumption_id"]) == {"p", "x"}


def test_a_large_loss_that_cannot_help_to_reach_a_high_target_is_not_checked_first(all_known):
    # At worst the rival takes 30 %, but never gives any: the chance rests on the other two.
    rival = {**RIVAL, "low": -0.3, "base": 0.0, "territories": ["T1", "T2"]}
    inputs = inputs_with()
    given = plan(m=MARKET, p=PRICE, n={**PRICE, "driver": "new_product"}, r=rival, t=CALM)
    above = 1.05 * float(np.nansum(look_ahead(inputs, given).base))
    table = sensitivity(inputs, given, target=above)
    assert table["assumption_id"].iloc[0] == "r"
    assert set(table.loc[table["check_first"], "assumption_id"]) == {"n", "p"}


def test_assumptions_that_move_together_widen_the_chance(all_known):
    inputs, pair = inputs_with(), {"p": PRICE, "q": {**PRICE, "driver": "new_product"}}
    far = 1.1 * float(np.nansum(look_ahead(inputs, plan(**pair, m=MARKET, t=CALM)).base))
    apart, along, against = (
        coming_year(inputs, plan(("p", "q", r), **pair, m=MARKET, t=CALM)).chance(far).probability
        for r in (0.0, 0.9, -0.9)
    )
    assert against < apart < along


# --- last year's register ------------------------------------------------------------------------


def test_last_years_register_is_scored_and_stands_beside_this_years():
    last = [
        {
            "assumption_id": "m",
            "driver": "market_growth",
            "low": 1,
            "base": 3,
            "high": 5,
            "actual": 0.5,
            "unit": "%",
        },
        {
            "assumption_id": "old",
            "driver": "price_change",
            "low": -0.01,
            "base": 0.0,
            "high": 0.02,
            "actual": 0.02,
            "unit": "share",
        },
        {"assumption_id": "x", "driver": "sunshine", "low": 1, "base": 2, "high": 3},
    ]
    inputs = replace(inputs_with(), assumptions=make_inputs(assumptions=last).assumptions)
    table = last_register(inputs, plan(m=MARKET, p=PRICE, t=CALM)).set_index("assumption_id")
    assert table["inside"].to_dict() == {"m": "no", "old": "yes", "x": "not known"}
    assert table["error"].to_dict() == pytest.approx(
        {"m": -2.5, "old": 0.02, "x": np.nan}, nan_ok=True
    )
    assert table.loc["m", ["this_id", "low", "base", "high"]].tolist() == ["m", -2.0, 0.0, 2.0]
    assert table.loc["old", ["this_id", "low"]].tolist() == ["p", -0.05]
    assert pd.isna(table.loc["x", "this_id"])


def test_the_share_of_ranges_that_held_is_the_one_of_the_review():
    last = [
        {
            "assumption_id": f"a{n}",
            "driver": "price_change",
            "low": 0.0,
            "base": 0.1,
            "high": 0.2,
            "actual": n / 20,
        }
        for n in range(8)
    ]
    inputs = replace(inputs_with(), assumptions=make_inputs(assumptions=last).assumptions)
    inside = last_register(inputs, plan(m=MARKET))["inside"].eq("yes")
    assert (
        inside.sum() == 5
        and inside.mean() == score_ranges(inputs.assumptions)["inside_share"].iloc[0]
    )


def test_chances_of_past_goals_need_two_past_years():
    assert measured_calibration(make_inputs())["share"].isna().all()
    few = measured_calibration(inputs_with(people=4))
    assert few.groupby("cut")["goals"].first().to_dict() == {
        "rep and quarter": 16,
        "rep and year": 4,
    }
