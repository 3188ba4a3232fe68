"""Turnover, ramp and the capacity that is left."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planning_kit.messages import DataError
from planning_kit.numbers.staffing import (
    Staffing,
    availability,
    simulate_availability,
    stretched_ramp,
)
from planning_kit.outlook import capacity, turnover
from planning_kit.outlook.levels import estimate_levels
from planning_kit.outlook.turnover import ramp_estimate
from planning_kit.plan import Scenario
from tests.making import make_inputs

RAMP = (0.0, 0.2, 0.4, 0.6, 0.8)
# Annual turnover, then availability at 1, 3 and 5 months of vacancy; published with the method.
CELLS = [
    (0.10, 0.966, 0.949, 0.933),
    (0.20, 0.929, 0.897, 0.866),
    (0.30, 0.889, 0.842, 0.799),
    (0.35, 0.868, 0.813, 0.764),
]
TABLE = [
    (row[0], months, cell) for row in CELLS for months, cell in zip((1, 3, 5), row[1:], strict=True)
]
FEW = settings(max_examples=40, deadline=None)


@pytest.mark.parametrize(("rate", "vacancy", "published"), TABLE)
def test_the_closed_form_gives_the_published_table(rate, vacancy, published):
    assert availability(rate, vacancy, RAMP) == pytest.approx(published, abs=0.0006)


@pytest.mark.parametrize(("rate", "vacancy", "published"), TABLE)
def test_drawn_careers_agree_with_the_closed_form_within_three_standard_errors(
    rate, vacancy, published
):
    drawn = simulate_availability(rate, vacancy, RAMP, seed=7, years=20_000)
    assert abs(drawn.mean - availability(rate, vacancy, RAMP)) < 3 * drawn.standard_error
    assert drawn.standard_error < 0.003


def test_the_same_seed_draws_the_same_careers_and_another_one_does_not():
    one, same, other = (simulate_availability(0.2, 3, RAMP, seed=s, years=500) for s in (1, 1, 2))
    assert one == same and one.mean != other.mean


def test_nobody_leaving_is_full_capacity_and_everybody_leaving_every_month_is_the_first_step():
    assert availability(0.0, 3, RAMP) == 1.0
    assert availability(1.0, 3, (0.5,)) == pytest.approx(0.5 / 4)
    assert simulate_availability(0.0, 3, RAMP, seed=1, years=1).mean == 1.0


def test_values_out_of_range_are_all_named():
    with pytest.raises(DataError, match=r"rate is 1\.2.*vacancy is -1 months.*step outside 0 to 1"):
        availability(1.2, -1, (1.5,))
    with pytest.raises(DataError, match="at least one year"):
        simulate_availability(0.1, 1, RAMP, seed=1, years=0)


@FEW
@given(st.floats(0.01, 0.9), st.floats(0, 12), st.lists(st.floats(0, 1), max_size=6))
def test_availability_is_a_share_and_falls_with_vacancy_and_turnover(rate, vacancy, ramp):
    here = availability(rate, vacancy, ramp)
    assert 0 <= here <= 1 + 1e-12
    assert availability(rate, vacancy + 1, ramp) <= here + 1e-12
    rising = sorted(ramp)  # a ramp that falls can make leaving pay
    assert (
        availability(min(1, rate + 0.05), vacancy, rising)
        <= availability(rate, vacancy, rising) + 1e-12
    )


def seat_by_hand(rng, tenure, months, rate, vacancy, ramp, loss):
    """Live through one seat month by month."""
    hazard = 1 - (1 - rate) ** (1 / 12)
    kept, empty, path = 1.0, 0, []
    for _ in range(months):
        if empty:
            empty -= 1
            path.append(0.0)
            continue
        if tenure < 0:
            tenure += 1
            path.append(0.0)
            continue
        path.append(kept * (ramp[tenure] if tenure < len(ramp) else 1.0))
        tenure += 1
        if rng.random() < hazard:
            tenure, empty, kept = 0, vacancy, kept * (1 - loss)
    return path


@pytest.mark.parametrize("tenure", [60, 2, -3])
def test_expected_capacity_by_month_is_what_seats_lived_through_one_by_one_have(tenure):
    rng = np.random.default_rng(5)
    lived = np.array([seat_by_hand(rng, tenure, 18, 0.4, 2, RAMP, 0.15) for _ in range(6000)])
    found = Staffing(0.4, 2, RAMP, 0.15).expected(np.array([tenure]), 18)[0]
    error = lived.std(axis=0, ddof=1) / math.sqrt(len(lived)) + 1e-9
    assert (np.abs(lived.mean(axis=0) - found) < 4 * error).all()


@pytest.mark.parametrize("vacancy", [0, 2.5, 3])
def test_in_the_long_run_the_months_tend_to_the_closed_form(vacancy):
    path = Staffing(0.3, vacancy, RAMP).expected(np.array([0]), 400)[0]
    assert path[-1] == pytest.approx(availability(0.3, vacancy, RAMP), abs=1e-6)


@FEW
@given(st.integers(1, 24))
def test_a_stretched_ramp_is_full_in_the_month_asked_for(full_in):
    ramp = stretched_ramp(RAMP, full_in)
    assert len(ramp) == full_in - 1 and all(a <= b for a, b in pairwise(ramp))
    assert stretched_ramp(RAMP, 6) == pytest.approx(RAMP)


# --- counting who left ---------------------------------------------------------------------------


def roster(leavers, people, region="North", prefix="R"):
    """People who were there for the three years 2023-2025; the first ones left on the last day."""
    return [
        {
            "rep_id": f"{prefix}{n}",
            "hired_on": "2020-01-01",
            "region": region,
            "role": "rep",
            "left_on": "2025-12-31" if n < leavers else None,
        }
        for n in range(people)
    ]


def selling(reps):
    first = [{"sold_on": "2023-01-15", "rep_id": reps[0]["rep_id"], "amount": 1.0}]
    return first + [{"sold_on": "2025-03-01", "rep_id": r["rep_id"], "amount": 1.0} for r in reps]


def poisson_below(count, mean):
    return sum(math.exp(-mean) * mean**k / math.factorial(k) for k in range(count + 1))


@pytest.mark.parametrize("leavers", [0, 1, 4, 10])
def test_the_range_of_a_rate_leaves_one_in_ten_on_either_side(leavers):
    reps = roster(leavers, 10)
    row = turnover(make_inputs(reps=reps, sales=selling(reps))).iloc[0]
    assert row["scope"] == "company" and row["leavers"] == leavers
    assert row["exposure_years"] == pytest.approx(30, rel=0.001)
    # The share that leaves within a year; the count goes by the rate behind it.
    rate, low, high = (-math.log(1 - row[end]) for end in ("rate", "low", "high"))
    assert rate == pytest.approx(leavers / 30, rel=0.001)
    assert poisson_below(leavers, high * row["exposure_years"]) == pytest.approx(0.1)
    if leavers:
        above = 1 - poisson_below(leavers - 1, low * row["exposure_years"])
        assert above == pytest.approx(0.1)


def test_small_teams_borrow_from_the_company_and_say_so():
    reps = roster(9, 30, "North", "N") + roster(1, 2, "South", "S")
    table = turnover(make_inputs(reps=reps, sales=selling(reps)))
    table = table.set_index(["scope", "name"])
    south, own = table.loc[("region", "South")], 1 / 6
    company = table.loc[("company", "company"), "rate"]
    assert company < south["rate"] < own
    assert abs(south["rate"] - company) < abs(south["rate"] - own)
    assert "counts" in south["note"] and "the rest" in south["note"]


def test_a_region_alone_has_nothing_to_borrow_from_and_says_so():
    reps = roster(1, 4)
    row = turnover(make_inputs(reps=reps, sales=selling(reps), region="North")).iloc[0]
    assert row["scope"] == "region" and "nothing to borrow from" in row["note"]
    assert row["high"] > 3 * row["rate"]


def test_managers_who_never_sold_are_not_at_risk():
    reps = [*roster(0, 3), {"rep_id": "M", "left_on": "2025-01-01", "role": "manager"}]
    row = turnover(make_inputs(reps=reps, sales=selling(roster(0, 3)))).iloc[0]
    assert row["leavers"] == 0 and row["exposure_years"] == pytest.approx(9, rel=0.001)


def test_years_add_up_to_the_whole():
    reps = roster(3, 8)
    table = turnover(make_inputs(reps=reps, sales=selling(reps)))
    years = table[table["scope"] == "year"]
    assert years["leavers"].sum() == 3 and len(years) == 3
    assert years["exposure_years"].sum() == pytest.approx(table["exposure_years"].iloc[0])


def test_the_ramp_of_past_hires_is_measured_against_their_own_full_level():
    days = pd.date_range("2023-01-01", periods=36, freq="MS")
    reps, sales = [{"rep_id": "old", "hired_on": "2015-01-01"}], []
    sales += [{"sold_on": day, "rep_id": "old", "amount": 100.0} for day in days]
    for n, start in enumerate(("2023-07-01", "2024-01-01", "2024-05-01")):
        reps.append({"rep_id": f"new{n}", "hired_on": start})
        for tenure, day in enumerate(days[days >= start]):
            share = RAMP[tenure] if tenure < 5 else 1.0
            sales.append({"sold_on": day, "rep_id": f"new{n}", "amount": 60.0 * share})
    inputs = make_inputs(reps=reps, sales=sales)
    ramp = ramp_estimate(inputs, estimate_levels(inputs, pd.Timestamp("2026-01-01")))
    assert ramp["share"].round(6).tolist() == [*RAMP, 1.0]
    assert ramp["people"].eq(3).all()


def test_capacity_of_people_in_place_falls_with_the_months_and_stays_in_its_range():
    sales = [
        {"sold_on": day, "rep_id": "R1", "amount": 1.0}
        for day in pd.date_range("2024-01-01", periods=24, freq="MS")
    ]
    section = {"a": {"driver": "turnover_rate", "low": 0.1, "base": 0.2, "high": 0.3}}
    table = capacity(make_inputs(sales=sales), Scenario.parse("s", {"assumptions": section}))
    share = table.sort_values("month")["capacity_share"]
    assert share.iloc[0] == 1.0 and share.is_monotonic_decreasing
    assert (table["low"] <= table["capacity_share"]).all()
    assert (table["capacity_share"] <= table["high"]).all()


def ramp_of_a_drawn_company(seed):
    """Ten hires over two years; seats have luck by year and by month."""
    rng, days = np.random.default_rng(seed), pd.date_range("2023-01-01", periods=36, freq="MS")
    reps, sales = [], []
    for n in range(20):
        start = 0 if n < 10 else 2 * (n - 9)
        reps.append({"rep_id": f"R{n}", "hired_on": days[start] if start else "2015-01-01"})
        level = rng.lognormal(4, 0.3)
        year = np.repeat(np.exp(0.05 * rng.standard_normal(3)), 12)
        for month in range(start, 36):
            share = RAMP[month - start] if start and month - start < 5 else 1.0
            luck = year[month] * np.exp(0.1 * rng.standard_normal())
            sales.append(
                {"sold_on": days[month], "rep_id": f"R{n}", "amount": level * share * luck}
            )
    inputs = make_inputs(reps=reps, sales=sales)
    ramp = ramp_estimate(inputs, estimate_levels(inputs, pd.Timestamp("2026-01-01")))
    assert ramp["people"].eq(10).all()
    return pd.Series([*RAMP, 1.0]).between(ramp["low"] - 1e-9, ramp["high"] + 1e-9)[1:]


@pytest.mark.parametrize(
    ("companies", "least", "most"),
    [
        (8, 0.65, 0.95),
        pytest.param(80, 0.76, 0.86, marks=pytest.mark.slow),
    ],
)
def test_eight_of_ten_ranges_of_a_ramp_hold_the_true_one(companies, least, most):
    inside = pd.concat([ramp_of_a_drawn_company(seed) for seed in range(companies)])
    assert least <= inside.mean() <= most
