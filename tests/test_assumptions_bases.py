"""What else a target may be split by: the run rate, and accounts with their pipeline."""

import numpy as np
import pytest

from planning_kit.outlook import other_bases
from tests.making import make_inputs
from tests.test_assumptions_baseline import PLACES, STEADY, sold


def even_inputs(**more):
    people = [{"rep_id": rep, "hired_on": "2020-01-01"} for rep in ("Ann", "Bob")]
    held = [{"rep_id": "Ann", "territory_id": "T1"}, {"rep_id": "Bob", "territory_id": "T2"}]
    sales = [
        *sold("Ann", [100] * 21 + [200] * 3, territory_id="T1"),
        *sold("Bob", [50] * 24, territory_id="T2"),
    ]
    return make_inputs(reps=people, territories=PLACES, assignments=held, sales=sales, **more)


def test_the_run_rate_is_the_last_three_months_brought_to_a_year():
    bases = other_bases(even_inputs(), STEADY).set_index("rep_id")
    season = bases.loc["Bob", "run_rate"] / 50
    assert bases.loc["Ann", "run_rate"] == pytest.approx(200 * season)
    assert season == pytest.approx(12, rel=0.15)
    assert np.isnan(bases.loc["Ann", "account_build_up"])


def test_accounts_are_last_years_result_and_the_pipeline_at_the_closing_ratio():
    deals = [
        {
            "opportunity_id": "1",
            "outcome": "won",
            "rep_id": "Bob",
            "amount": 300,
            "closed_on": "2025-06-01",
        },
        {
            "opportunity_id": "2",
            "outcome": "lost",
            "rep_id": "Ann",
            "amount": 700,
            "closed_on": "2025-07-01",
        },
        {
            "opportunity_id": "3",
            "outcome": "won",
            "rep_id": "Ann",
            "amount": 9_000,
            "closed_on": "2022-07-01",
        },
        {"opportunity_id": "4", "outcome": "open", "rep_id": "Ann", "amount": 1_000},
    ]
    bases = other_bases(even_inputs(opportunities=deals), STEADY).set_index("rep_id")
    assert bases["account_build_up"].to_dict() == pytest.approx(
        {"Ann": 9 * 100 + 3 * 200 + 1_000 * 0.3, "Bob": 12 * 50}
    )
