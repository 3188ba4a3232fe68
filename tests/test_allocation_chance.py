from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from planning_kit.allocation import equal_chance, padding_ledger
from planning_kit.allocation.chance import share_at_goal
from planning_kit.messages import DataError
from planning_kit.numbers.lognormal import chance_of_reaching

RATIOS = [0.90, 0.95, 1.00, 1.05, 1.10, 1.158, 1.25]


@pytest.mark.parametrize(
    ("cv", "chances"),
    [
        (0.15, [0.74, 0.61, 0.47, 0.34, 0.24, 0.15, 0.06]),
        (0.25, [0.62, 0.53, 0.45, 0.37, 0.30, 0.24, 0.15]),
        (0.40, [0.53, 0.48, 0.42, 0.37, 0.33, 0.28, 0.22]),
    ],
)
def test_the_chance_table_is_reproduced(cv, chances):
    found = chance_of_reaching(pd.Series(1.0, range(7)), cv, pd.Series(RATIOS))
    assert (found - chances).abs().max() <= 0.01


def test_the_chance_agrees_with_drawing_results():
    random = np.random.default_rng(0)
    s = np.sqrt(np.log1p(0.3**2))
    drawn = (np.exp(s * random.standard_normal(400_000) - s**2 / 2) >= 1.1).mean()
    found = chance_of_reaching(pd.Series([1.0]), 0.3, pd.Series([1.1]))[0]
    assert found == pytest.approx(drawn, abs=0.003)


def test_chances_at_the_edges():
    expected = pd.Series([1.0, 1.0, 0.0, np.nan, 1.0])
    goal = pd.Series([1.0, 1.1, 1.0, 1.0, 0.0])
    cv = pd.Series([0.0, 0.0, 0.2, 0.2, 0.2])
    assert chance_of_reaching(expected, cv, goal).fillna(-1).tolist() == [1.0, 0.0, 0.0, -1.0, 1.0]
    with pytest.raises(DataError, match="cv must be 0 or more"):
        chance_of_reaching(expected, -0.1, goal)


def test_equal_chance_adds_up_and_gives_everybody_the_same():
    expected = pd.Series([100.0, 200.0, 50.0], ["a", "b", "c"])
    cv = pd.Series([0.1, 0.3, 0.5], ["a", "b", "c"])
    split = equal_chance(expected, cv, 330.0)
    assert split.goals.goal.sum() == pytest.approx(330.0, rel=1e-12)
    assert np.ptp(chance_of_reaching(expected, cv, split.goals.goal)) < 1e-9
    assert split.goals.price.sum() == pytest.approx(0, abs=1e-9)
    assert split.goals.goal["c"] < split.goals.proportional["c"]
    assert equal_chance(expected, 0.0, 350.0).goals.goal.tolist() == [100.0, 200.0, 50.0]


def test_equal_chance_says_what_the_total_implies():
    expected = pd.Series(100.0, range(10))
    assert equal_chance(expected, 0.2, 1200.0).findings.status.tolist() == ["fail"]
    assert equal_chance(expected, 0.2, 930.0).findings.status.tolist() == ["pass"]
    assert equal_chance(expected, 0.2, 700.0).findings.status.tolist() == ["review"]
    assert "12%" in share_at_goal(0.12, 100.0)["message"]
    with pytest.raises(DataError, match="needs an expectation"):
        equal_chance(pd.Series([np.nan]), 0.2, 10.0)
    with pytest.raises(DataError, match="can add up to 100 to 100"):
        equal_chance(pd.Series([100.0]), 0.0, 110.0)


def test_equal_chance_is_calibrated_where_the_world_is_lognormal():
    random = np.random.default_rng(5)
    expected = pd.Series(random.lognormal(6, 0.5, 400))
    cv = pd.Series(random.uniform(0.1, 0.5, 400))
    split = equal_chance(expected, cv, float(expected.sum()) * 0.95)
    s = np.sqrt(np.log1p(cv**2)).to_numpy()
    reached = np.zeros((40, 400))
    for year in range(40):
        result = expected * np.exp(s * random.standard_normal(400) - s**2 / 2)
        reached[year] = result >= split.goals.goal
    deciles = pd.Series(reached.mean(axis=0)).groupby(pd.qcut(cv, 10, labels=False)).mean()
    assert (deciles - split.chance).abs().max() < 0.10


def test_padding_accumulates():
    ledger = padding_ledger(1000.0, {"a": 0.05, "b": 0.05, "c": 0.05})
    assert ledger.cumulative_share.iloc[-1] == pytest.approx(0.157625)
    assert padding_ledger(
        1000.0, {"a": 0.05, "b": 0.05, "c": 0.05}, 10.0
    ).amount_after.tolist() == [1050.0, 1100.0, 1160.0]
    assert padding_ledger(1000.0, {}).empty
    with pytest.raises(DataError, match="0 or more"):
        padding_ledger(1000.0, {"a": -0.1})
