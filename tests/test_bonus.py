"""The bonus grid: an honest forecast pays best, whatever comes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planning_kit.agreement.bonus import best_forecast, bonus_grid, bonus_share
from planning_kit.messages import DataError

AMOUNTS = st.integers(0, 10**7)


def test_the_example_of_the_source_holds():
    # A quota of 50, a forecast of 25, 50 sold: 90 % of the bonus; forecast honestly 120 %.
    assert bonus_share(50, 25, 50) == pytest.approx(0.9)
    assert bonus_share(50, 50, 50) == pytest.approx(1.2)


@given(quota=st.integers(1, 10**7), actual=AMOUNTS, forecast=AMOUNTS)
def test_whatever_comes_no_forecast_pays_more_than_the_result(quota, actual, forecast):
    best, other = bonus_share(quota, actual, actual), bonus_share(quota, forecast, actual)
    assert other <= best
    if forecast != actual:
        assert other < best


@given(quota=st.integers(1, 10**6), forecast=AMOUNTS, less=AMOUNTS, more=st.integers(1, 10**6))
def test_more_sales_always_pay_more(quota, forecast, less, more):
    assert bonus_share(quota, forecast, less + more) > bonus_share(quota, forecast, less)


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=40), st.integers(0, 10**6))
def test_where_nobody_knows_the_median_pays_best_in_the_mean(years, other):
    results = np.array(years, dtype=float)
    honest = bonus_share(1000, best_forecast(results, 0.5), results).mean()
    assert bonus_share(1000, other, results).mean() <= honest * (1 + 1e-12)


def test_the_grid_says_what_each_forecast_pays():
    grid = bonus_grid(100, {"low": 80.0, "said": 100.0, "nobody": float("nan")}, np.array([100.0]))
    assert grid["forecast_of"].tolist() == ["low", "said"]
    assert grid["expected_bonus"].tolist() == pytest.approx([1.08, 1.2])
    assert grid.filter(like="at_").iloc[1].tolist() == pytest.approx([0.48, 0.84, 1.2, 1.32, 1.44])
    assert bonus_grid(100, {"said": 1.0}, np.empty(0))["expected_bonus"].isna().all()


def test_without_a_quota_there_is_no_share_of_it():
    with pytest.raises(DataError, match="quota of 0"):
        bonus_share(0, 1, 1)
