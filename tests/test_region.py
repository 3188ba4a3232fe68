"""A region answers who held what, who leads whom and which days are reviewed, from its tables."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pytest

from planning_kit.data import Region, open_inputs, prepare
from planning_kit.data.fan_out import PARTITION_TABLES
from tests.conftest import PlanMaker
from tests.making import make_inputs, make_settings

CHAIN = """rep_id manager_id
ann    kim
bob    kim
kim    max
max    -
eve    max
"""
HELD = """rep_id territory_id starts_on  ends_on    share
ann    T1           2024-01-01 2025-06-30 0.5
ann    T1           2025-01-01 -          0.5
bob    T1           2025-07-01 -          -
bob    T2           -          2025-12-31 1.0
"""


def held(region: Region, day: str) -> dict[tuple[str, str], float]:
    table = region.held_on(pd.Timestamp(day))
    return {(r, t): s for r, t, s in table[["rep_id", "territory_id", "share"]].to_numpy()}


def test_assignments_count_from_their_first_day_to_their_last():
    region = make_inputs(reps=CHAIN, assignments=HELD)
    assert held(region, "2024-12-31") == {("ann", "T1"): 0.5, ("bob", "T2"): 1.0}
    assert held(region, "2025-01-01") == {("ann", "T1"): 1.0, ("bob", "T2"): 1.0}
    assert held(region, "2025-06-30")[("ann", "T1")] == 1.0
    assert held(region, "2025-07-01") == {
        ("ann", "T1"): 0.5,
        ("bob", "T1"): 0.5,  # no share is written: what the others leave
        ("bob", "T2"): 1.0,
    }
    assert ("bob", "T2") not in held(region, "2026-01-01")
    assert region.held_on(date(2025, 7, 1)).equals(region.held_on(pd.Timestamp("2025-07-01")))


def test_the_chain_of_managers_goes_up_to_the_top_and_never_round():
    region = make_inputs(reps=CHAIN)
    assert region.managers_above("ann") == ["kim", "max"]
    assert region.managers_above("max") == []
    assert region.managers_above("nobody") == []
    round_ = make_inputs(reps="rep_id manager_id\nann kim\nkim max\nmax kim\n")
    assert round_.managers_above("ann") == ["kim", "max"]
    assert round_.managers_above("kim") == ["max"]


def test_a_region_knows_managers_who_sit_elsewhere(make_plan: PlanMaker):
    plan = make_plan(
        reps="rep_id,manager_id,region\nann,kim,\nbob,kim,\nkim,max,South\nmax,,\n",
        assignments="rep_id,territory_id,starts_on\nann,t1,2024-01-01\nbob,t3,2024-01-01\n",
        territories="territory_id,region\nt1,North\nt3,South\n",
        sales="sold_on,rep_id,amount\n2025-03-01,ann,100\n2025-03-01,bob,100\n",
        goals=None,
        products=None,
    )
    prepared = prepare(plan)
    north = open_inputs(plan, prepared, "North")
    assert north.managers_above("ann") == ["kim", "max"]
    led = north.leads_elsewhere
    assert set(led["manager_id"]) == {"kim"} and set(led["region"]) == {"South"}
    assert len(led) == 12 and set(led["people"]) == {1} and not led["sells"].any()
    assert open_inputs(plan, prepared).leads_elsewhere.empty  # the company sees everybody


def test_a_manager_leads_elsewhere_only_in_the_months_that_people_are_there(make_plan: PlanMaker):
    plan = make_plan(
        reps="rep_id,manager_id,region,hired_on,left_on\nann,kim,North,,\n"
        "bob,kim,South,2026-03-15,\ncid,kim,South,,2026-10-01\nkim,,North,,\n",
        assignments="rep_id,territory_id,starts_on\nann,t1,2024-01-01\n",
        territories="territory_id,region\nt1,North\nt3,South\n",
        sales="sold_on,rep_id,amount\n2025-03-01,ann,100\n2025-03-01,cid,100\n",
        goals=None,
        products=None,
    )
    led = open_inputs(plan, prepare(plan), "North").leads_elsewhere.set_index("month")["people"]
    assert led.tolist() == [1, 1, *[2] * 8, 1, 1]


@pytest.mark.parametrize(
    ("first", "last"), [("2025-01-01", "2025-12-31"), ("2024-07-15", "2025-06-14")]
)
def test_the_reviewed_period_holds_its_months_whole(first: str, last: str):
    settings = make_settings(
        review_starts_on=date.fromisoformat(first), review_ends_on=date.fromisoformat(last)
    )
    days = pd.Series(pd.date_range("2024-01-01", "2026-12-31"))
    inside = days[make_inputs(settings=settings).in_review(days)]
    assert inside.min() == pd.Timestamp(first[:8] + "01")
    assert inside.max() == pd.Timestamp(last) + pd.offsets.MonthEnd(0)
    assert len(inside) == (inside.max() - inside.min()).days + 1


def test_a_company_made_for_a_test_is_what_a_plan_would_prepare(make_plan: PlanMaker):
    tables = {
        "reps": "rep_id,rep_name,manager_id,role,hired_on,left_on\n"
        "ann,Ann,kim,hunter,2020-01-01,\nbob,Bob,kim,farmer,,2025-08-31\nkim,Kim,,manager,,\n"
        "new,New,kim,hunter,2026-02-01,\n",
        "territories": "territory_id,territory_name,region,potential\nt1,One,North,500\n"
        "t2,Two,South,\n",
        "assignments": "rep_id,territory_id,starts_on,ends_on,share\nann,t1,2024-01-01,"
        "2024-12-31,1\nann,t1,2025-01-01,,0.5\n"
        "bob,t1,2025-01-01,2025-03-31,0.5\nbob,t2,2025-04-01,,1\nkim,t2,2024-01-01,2025-03-31,0.5\n"
        "new,t1,2026-02-01,,0.5\n",
        "products": "product_id,product_name,product_line,list_price,unit_cost\n"
        "p1,P1,Line A,10,6\np2,P2,Line B,,\n",
        "sales": "sold_on,rep_id,amount,territory_id,product_id,units,cost,credit_share\n"
        "2025-01-05,ann,100.10,t1,p1,10,60,1\n2025-01-20,ann,50,t1,p1,5,,0.5\n"
        "2025-03-31,bob,80,t1,p2,,,\n2025-04-01,bob,-20,t2,p1,-2,-12,1\n2025-06-01,kim,7,,p2,,,\n",
        "goals": "starts_on,ends_on,rep_id,goal,metric,product_line\n"
        "2025-01-01,2025-06-30,ann,200,,\n2025-01-01,2025-12-31,bob,,amount,\n"
        "2025-01-01,2025-03-31,ann,12,units,Line A\n",
        "proposals": "starts_on,ends_on,rep_id,proposed\n2025-01-01,2025-06-30,ann,180\n",
        "opportunities": "opportunity_id,outcome,rep_id,created_on,closed_on,amount\n"
        "o1,won,ann,2025-01-01,2025-02-01,100\no2,open,,2025-05-01,,70\n",
        "activities": "done_on,rep_id,activity,count\n2025-02-03,ann,presentation,4\n",
    }
    plan = make_plan(**tables)
    prepared = prepare(plan)
    rows = {
        name: pd.DataFrame([line.split(",") for line in text.splitlines()[1:]])
        .set_axis(text.splitlines()[0].split(","), axis=1)
        .replace("", None)
        for name, text in tables.items()
    }
    for region in (None, "North", "South"):
        read = open_inputs(plan, prepared, region)
        made = make_inputs(settings=read.settings, region=region or "", **rows)
        for name in PARTITION_TABLES:
            pd.testing.assert_frame_equal(getattr(made, name), getattr(read, name))
