"""The worlds that claims are tested on are what they say: checked by plain sums, not by the kit."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

from planning_kit.data import TABLES
from tests.worlds import FAMILIES, YEAR, World, make_world


@cache
def world(family: str, seed: int = 3) -> World:
    return make_world(family, seed)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_world_is_a_plan_with_a_year_that_came_after(family: str):
    made = world(family)
    sales, people = made.tables["sales"], made.tables["reps"]
    assert sales["sold_on"].max() < pd.Timestamp(2026, 1, 1) <= made.actual["month"].min()
    assert made.actual["month"].max() <= pd.Timestamp(2026, 12, 1)
    assert sales["rep_id"].isin(people["rep_id"]).all()
    assert set(made.tables["territories"]["region"]) == set(made.regions)
    for name, table in made.tables.items():
        assert set(table.columns) <= set(TABLES[name].names), name
        keys = [key for key in TABLES[name].key if key in table]
        assert not keys or not table.duplicated(keys).any(), name
    found = made.inputs()
    assert found.sales["amount"].sum() == pytest.approx(sales["amount"].sum(), abs=0.01)


def test_the_same_seed_makes_the_same_world_and_another_seed_another():
    one, again, other = make_world("event", 5), make_world("event", 5), make_world("event", 6)
    for name, table in one.tables.items():
        pd.testing.assert_frame_equal(table, again.tables[name])
    pd.testing.assert_frame_equal(one.actual, again.actual)
    assert not one.tables["sales"].equals(other.tables["sales"])


def test_nobody_sells_outside_the_own_time_or_territory():
    made = world("turnover 30 %")
    held = made.tables["assignments"]
    sold = made.tables["sales"].merge(held, on=["rep_id", "territory_id"], how="left")
    assert sold["starts_on"].notna().all()
    assert (sold["sold_on"] >= sold["starts_on"]).all()
    assert (sold["ends_on"].isna() | (sold["sold_on"] <= sold["ends_on"])).all()


def test_people_leave_at_the_planted_rate():
    """Twenty worlds of 30 % a year: 1 - exp(-rate) is near 0.30, three standard errors."""
    made = [make_world("turnover 30 %", seed, turnover=0.30, people=40) for seed in range(20)]
    leavers = sum(one.truth["leavers"] for one in made)
    years = sum(one.truth["person_years"] for one in made)
    rate = -np.log1p(-0.30)
    assert abs(leavers / years - rate) < 3 * np.sqrt(rate / years)


def test_an_event_changes_what_its_territories_sell_and_nothing_else():
    changed, same = make_world("event", 4, event=-0.25), make_world("event", 4, event=-0.0001)
    event = changed.truth["event"]
    hit = changed.tables["territories"]["territory_id"].isin(event["territories"]).to_numpy()
    ratio = changed.truth["demand"] / same.truth["demand"]
    assert np.allclose(ratio[~hit], 1) and np.allclose(ratio[:, : event["first"]], 1)
    assert np.allclose(ratio[hit, event["first"] :], 0.75 / 0.9999)
    assert set(changed.tables["events"]["territory_id"]) == set(event["territories"])


def test_a_settled_holder_sells_the_demand_on_average():
    """Ten worlds without turnover or returns: sales over demand within three standard errors."""
    ratios = []
    for seed in range(10):
        made = make_world("steady", seed, returned=0.0)
        demand = made.truth["demand"][:, :-YEAR].sum()
        ratios.append(made.tables["sales"]["amount"].sum() / demand)
    assert abs(np.mean(ratios) - 1) < 3 * np.std(ratios, ddof=1) / np.sqrt(len(ratios))


def test_sandbaggers_propose_a_fifth_less_than_they_sell():
    made = world("sandbaggers")
    said = made.tables["proposals"].assign(year=lambda t: t["starts_on"].dt.year)
    sales = made.tables["sales"].assign(year=lambda t: t["sold_on"].dt.year)
    sold = sales.groupby(["rep_id", "year"])["amount"].sum()
    ratio = said.set_index(["rep_id", "year"])["proposed"] / sold
    low = ratio.index.get_level_values("rep_id").isin(made.truth["sandbaggers"])
    assert 3 <= len(made.truth["sandbaggers"]) <= 5
    assert ratio[low].median() == pytest.approx(0.8, abs=0.12)
    assert ratio[~low].median() == pytest.approx(1.0, abs=0.05)


def test_a_ratchet_takes_from_who_sold_more_than_the_goal():
    def slope(family: str) -> float:
        """Regress the goal's growth over last year's sales on the surplus in these sales."""
        points = []
        for seed in range(4):
            made = make_world(family, seed, years=5, people=40, goal_noise=0.02, turnover=0.0)
            goals = made.tables["goals"].assign(year=lambda t: t["starts_on"].dt.year)
            sales = made.tables["sales"].assign(year=lambda t: t["sold_on"].dt.year)
            sold = sales.groupby(["rep_id", "year"])["amount"].sum()
            asked = goals.set_index(["rep_id", "year"])["goal"]
            for (rep_id, year), goal in asked.items():
                if asked.get((rep_id, year - 1), 0.0):  # somebody who sold next to nothing has a 0
                    before = sold[rep_id, year - 1]
                    points.append((1 - asked[rep_id, year - 1] / before, goal / before - 1))
        surplus, raised = np.array([point for point in points if abs(point[0]) < 0.5]).T
        return float(np.polyfit(surplus, raised, 1)[0])

    assert slope("ratchet") > 0.3 > 0.1 > abs(slope("steady"))
