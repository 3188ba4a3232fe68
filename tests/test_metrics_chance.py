"""Whether the safe number keeps its chance, by years drawn here and not by the package's formula."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from planning_kit.messages import DataError
from planning_kit.metrics import activity_goals
from planning_kit.numbers.compound import Odds
from planning_kit.numbers.shrinkage import mean_posterior, ratio_posterior
from planning_kit.numbers.tries import safe_tries
from tests.making import make_inputs

GOAL = 40.0  # average sales of the team: what everybody is to bring in a year
RATIO, RATIO_SPREAD, SIZE_SPREAD = 0.25, 0.2, 0.1


def draw_people(chance, count):
    """True ratios and true average sales of a team."""
    strength = 1 / RATIO_SPREAD**2 - 1
    ratio = chance.beta(RATIO * strength, (1 - RATIO) * strength, count)
    return ratio, draw_sizes(chance, np.ones(count), SIZE_SPREAD)


def draw_sizes(chance, mean, cv):
    sigma = np.sqrt(np.log(1 + cv**2))
    return mean * np.exp(chance.normal(-(sigma**2) / 2, sigma, len(mean)))


def draw_won(chance, ratio, size, tries, cv):
    """Whose each won deal is, and its amount."""
    owner = np.repeat(np.arange(len(ratio)), chance.binomial(tries, ratio))
    return owner, draw_sizes(chance, size[owner], cv)


def share_reaching(chance, teams, people, closed, cv):
    """Draw teams, their histories and a year after them; how many reach, with how much more."""
    reached, safe, plug_in = [], [], []
    for _ in range(teams):
        ratio, size = draw_people(chance, people)
        owner, amount = draw_won(chance, ratio, size, np.full(people, closed), cv)
        won = np.bincount(owner, minlength=people).astype(float)
        total = np.bincount(owner, amount, minlength=people)
        around = ((amount - (total / np.maximum(won, 1))[owner]) ** 2).sum()
        within = around / (len(amount) - (won > 0).sum())
        known, worth = ratio_posterior(won, np.full(people, float(closed)))
        mean, variance = mean_posterior(total, won, within)
        odds = Odds(known, worth, np.sqrt(within) / mean, np.sqrt(variance) / mean)
        tries = odds.safe(GOAL / mean)
        owner, amount = draw_won(chance, ratio, size, tries.astype(int), cv)
        reached.append((np.bincount(owner, amount, minlength=people) >= GOAL).mean())
        safe.append(tries.sum())
        plug_in.append(safe_tries(np.ceil(GOAL / mean), known).sum())
    return float(np.mean(reached)), sum(safe) / sum(plug_in)


CELLS = [(closed, cv) for closed in (20, 60, 200) for cv in (0.5, 1.0, 1.5)]


@pytest.mark.slow
def test_in_ten_thousand_years_a_cell_the_safe_number_reaches_the_goal_in_four_of_five():
    kept = {}
    for number, (closed, cv) in enumerate(CELLS):
        chance = np.random.default_rng(number)
        kept[closed, cv], more = share_reaching(chance, 400, 25, closed, cv)
        assert 0.76 <= kept[closed, cv] <= 0.84, (closed, cv, kept[closed, cv])
        if closed == 20:
            assert more <= 1.4
    assert 0.79 <= np.mean(list(kept.values())) <= 0.81, kept


@pytest.mark.parametrize(("closed", "cv"), [(20, 1.0), (60, 0.5), (200, 1.5)])
def test_the_safe_number_reaches_the_goal_in_about_four_of_five_years(closed, cv):
    kept, more = share_reaching(np.random.default_rng(3), 40, 25, closed, cv)
    assert 0.73 <= kept <= 0.87
    assert 1.0 < more < 1.4


def test_the_way_from_the_tables_keeps_the_chance_too():
    chance, people, closed, cv = np.random.default_rng(8), 300, 40, 1.0
    ratio, size = draw_people(chance, people)
    rep = np.repeat(np.arange(people), closed)
    won = chance.random(len(rep)) < ratio[rep]
    amount = draw_sizes(chance, size[rep], cv)
    names = pd.Series([f"r{k:03}" for k in range(people)])
    day = pd.Timestamp("2025-06-15")
    deals = pd.DataFrame(
        {
            "opportunity_id": [f"o{k:05}" for k in range(len(rep))],
            "rep_id": names.to_numpy()[rep],
            "amount": 1000 * amount,
            "outcome": np.where(won, "won", "lost"),
            "presented_on": day,
            "closed_on": day,
        }
    )
    inputs = make_inputs(reps=pd.DataFrame({"rep_id": names}), opportunities=deals)
    goals = pd.DataFrame({"rep_id": names, "month": pd.Timestamp("2026-03-01"), "goal": 40_000.0})
    found = activity_goals(inputs, goals).people.set_index("rep_id").loc[names]
    tries = found["presentations"].to_numpy().astype(int)
    owner, brought = draw_won(chance, ratio, size, tries, cv)
    reached = (1000 * np.bincount(owner, brought, minlength=people) >= 40_000).mean()
    assert 0.73 <= reached <= 0.87
    assert (found["presentations"] > found["presentations_expected"]).all()
    assert found["activity_chance"].between(0.8, 0.83).all()


def odds(ratio=0.25, worth=60.0, size_cv=1.0, mean_cv=0.1, late=0.0):
    return Odds(*(np.array([x]) for x in (ratio, worth, size_cv, mean_cv)), late=late)


@pytest.mark.parametrize(
    ("sales", "ratio", "tries"), [(60, 0.25, 262), (24, 0.2, 138), (12, 0.3, 48)]
)
def test_a_known_ratio_and_sales_of_one_size_give_the_old_table(sales, ratio, tries):
    known = odds(ratio, np.inf, 0.0, 0.0)
    assert known.safe(np.array([float(sales)])).tolist() == [tries]


def test_the_less_is_known_the_more_tries_are_needed():
    plain = odds(0.25, 1e6, 0.5, 0.0).safe(np.array([40.0]))
    for worse in (odds(0.25, 30.0, 0.5, 0.0), odds(0.25, 1e6, 1.5, 0.0), odds(0.25, 1e6, 0.5, 0.3)):
        assert worse.safe(np.array([40.0])) > plain
    assert odds(late=0.3).safe(np.array([40.0])) >= odds().safe(np.array([40.0]))


def test_what_is_not_known_stays_empty_and_nothing_asked_needs_nothing():
    some = Odds(
        np.array([0.25, np.nan, 0.25, 0.25]),
        np.array([60.0, 60.0, 60.0, 60.0]),
        np.array([1.0, 1.0, 1.0, np.nan]),
        np.array([0.1, 0.1, 0.1, 0.1]),
    )
    tries = some.safe(np.array([0.0, 10.0, np.nan, 10.0]))
    assert tries[0] == 0 and np.isnan(tries[1:]).all()
    with pytest.raises(DataError, match="chance is 1; it must lie between 0 and 1"):
        some.safe(np.array([1.0]), 1.0)
