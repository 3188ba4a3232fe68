from __future__ import annotations

import tomllib
from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planning_kit.data import check_scenario, open_inputs, prepare
from planning_kit.manager import ManagerPlan, manager_plan, time_by_month, time_review
from planning_kit.messages import DataError
from planning_kit.plan import ACTIVITIES, ManagerLevers, Plan, Scenario
from tests.conftest import PlanMaker
from tests.making import make_inputs

COUNTS = st.integers(0, 30)


def company(people, *, attainment=None, **more):
    """One manager ``m`` and people r00, r01, ... whose attainment rises by 5 points each."""
    ids = [f"r{k:02}" for k in range(people)]
    reached = attainment or [0.8 + 0.05 * k for k in range(people)]
    reps = [{"rep_id": "m", "role": "manager"}]
    reps += [{"rep_id": rep_id, "manager_id": "m"} for rep_id in ids]
    pairs = [(r, a) for r, a in zip(ids, reached, strict=True) if a is not None]
    tables = {
        "reps": reps,
        "goals": [{"starts_on": "2025-01-01", "rep_id": r, "goal": 1000.0} for r, _ in pairs],
        "sales": [{"sold_on": "2025-05-01", "rep_id": r, "amount": 1000.0 * a} for r, a in pairs],
    }
    return make_inputs(**{**tables, **more})


def scenario(**levers):
    return Scenario.parse("base", {"levers": levers})


def found(findings, finding_id):
    return findings[findings["finding_id"] == finding_id]


def activity_hours(plan, activity):
    hours = plan.hours
    return hours[hours["activity"] == activity].groupby("month")["hours"].sum()


def test_eight_people_at_three_hours_are_24_hours_a_month():
    plan = manager_plan(company(8), scenario(coaching_share=0.0))
    assert activity_hours(plan, "coaching").tolist() == [24.0] * 12
    assert plan.coaching["hours_a_month"].tolist() == [3.0] * 8
    goal = plan.goals.set_index("goal_id").loc["coaching"]
    assert "8 people x 3 h = 24 h a month, 15% of 160 h" in goal["basis"]
    row = found(plan.findings, "manager.coaching.share").iloc[0]
    assert "m: coaching takes 15.7% of the hours, below 25%-40%" in row["message"]


def test_by_default_coaching_takes_a_quarter_of_the_hours_and_nobody_gets_less_than_three():
    plan = manager_plan(company(8), scenario())
    assert (plan.coaching["hours_a_month"] >= 3.0).all()
    assert plan.capacity["coaching_share"].tolist() == pytest.approx([0.25] * 12)
    assert plan.capacity["fits"].all()
    assert found(plan.findings, "manager.hours")["status"].tolist() == ["pass"]


def test_the_rise_goes_to_the_middle_of_the_team():
    coaching = manager_plan(company(10), scenario()).coaching.set_index("rep_id")
    middle = [f"r{k:02}" for k in range(2, 8)]
    assert coaching.index[coaching["hours_a_month"] > 3.0].tolist() == middle
    assert coaching.loc[middle, "hours_a_month"].nunique() == 1
    assert coaching["why"].str.contains("among the lowest").tolist() == [True] * 2 + [False] * 8
    assert coaching.loc["r09", "why"] == "attainment 125%, among the highest: the floor"
    assert coaching.loc["r05", "why"].endswith("middle 60 % of the team: gets the rise")


def test_equal_attainments_are_ranked_by_id_whatever_the_order_of_the_rows():
    inputs = company(10, attainment=[1.0] * 10)
    turned = company(10, attainment=[1.0] * 10, reps=inputs.reps[::-1].to_dict("records"))
    one, other = manager_plan(inputs, scenario()), manager_plan(turned, scenario())
    pd.testing.assert_frame_equal(one.coaching, other.coaching)
    pd.testing.assert_frame_equal(one.hours, other.hours)
    raised = one.coaching.loc[one.coaching["hours_a_month"] > 3, "rep_id"]
    assert raised.tolist() == [f"r{k:02}" for k in range(2, 8)]


def test_few_known_attainments_are_not_ranked():
    coaching = manager_plan(company(6, attainment=[0.5, 0.9, 1.0, 1.4, None, None]), scenario())
    assert coaching.coaching["hours_a_month"].nunique() == 1
    assert coaching.coaching["why"].str.contains("too few people").all()


def test_somebody_new_counts_as_the_middle_of_the_team():
    plan = manager_plan(
        company(8, attainment=[0.5, 0.8, 0.9, 1.0, 1.1, 1.2, 1.6, None]), scenario()
    )
    new = plan.coaching.set_index("rep_id").loc["r07"]
    assert new["why"] == "no attainment yet: as the middle of the team"
    assert new["hours_a_month"] == plan.coaching["hours_a_month"].max() > 3.0


def test_nobody_is_coached_beyond_the_limit():
    plan = manager_plan(company(1), scenario(coaching_most_hours_a_rep=8.0))
    assert plan.coaching["hours_a_month"].tolist() == [8.0]
    assert len(found(plan.findings, "manager.coaching.share"))


def test_working_days_are_monday_to_friday_less_leave():
    plan = manager_plan(company(3), scenario(leave_share=0.1, hours_a_day=7.5))
    months = plan.capacity.set_index("month")
    assert months["working_days"].tolist() == [22, 20, 22, 22, 21, 22, 23, 21, 22, 22, 21, 23]
    assert months["hours_available"].iloc[1] == pytest.approx(20 * 0.9 * 7.5)


def test_hours_by_hand():
    plan = manager_plan(
        company(4),
        scenario(
            coaching_share=0.0,
            field_days_a_rep_quarter=1.0,
            trade_shows=2,
            trade_show_days=3,
            industry_days=4,
            market_reading_hours=5,
            planning_hours=10,
            admin_share=0.2,
        ),
    )
    assert activity_hours(plan, "field_work").tolist() == [8.0, 8.0, 16.0] * 4  # 1, 1, 2 days
    shows = activity_hours(plan, "trade_show")
    assert shows[shows > 0].index.month.tolist() == [3, 9] and shows.sum() == 2 * 3 * 8
    meetings = activity_hours(plan, "industry_meeting")
    assert meetings[meetings > 0].index.month.tolist() == [2, 5, 8, 11] and meetings.sum() == 32
    assert activity_hours(plan, "market_reading").sum() == 60
    assert activity_hours(plan, "planning").sum() == 120
    assert activity_hours(plan, "one_on_one").tolist() == [4.0] * 12
    assert activity_hours(plan, "admin").iloc[0] == pytest.approx(22 * 0.88 * 8 * 0.2)
    assert activity_hours(plan, "own_selling").eq(0).all()


def test_the_first_goal_that_no_longer_fits_is_named_with_the_hours_missing():
    plan = manager_plan(company(30), scenario())
    there = plan.capacity["hours_available"].sum()
    firm = (0.15 * there) + 12 * (8 + 30 * 1 + 30 * 3)  # admin, planning, one-on-ones, coaching
    assert firm < there < firm + 30 * 4 * 8  # so it is field work that breaks it
    missing = firm + 30 * 4 * 8 + 12 * (4 + 4) + 2 * 2 * 8 + 4 * 8 - there
    row = found(plan.findings, "manager.hours.plan").iloc[0]
    assert row["status"] == "fail" and row["where"] == "m"
    assert "m: field_work no longer fits" in row["message"]
    assert f"{missing:,.0f} h are missing" in row["message"]
    assert plan.capacity["hours_missing"].sum() >= missing - 1e-6
    assert plan.coaching["hours_a_month"].eq(3.0).all()


def test_a_single_full_month_is_named_and_is_only_a_review():
    plan = manager_plan(company(4), scenario(trade_shows=1, trade_show_days=15))
    full = plan.capacity[~plan.capacity["fits"]]
    assert full["month"].dt.month.tolist() == [6] and full["first_unfit"].tolist() == ["trade_show"]
    row = found(plan.findings, "manager.hours.month").iloc[0]
    assert row["status"] == "review" and "in 2026-06 trade_show is the first" in row["message"]


def test_a_few_hours_too_many_are_found_and_exactly_enough_fit():
    none = dict.fromkeys(("admin_share", "trade_shows", "industry_days"), 0)
    none |= dict.fromkeys(("market_reading_hours", "customer_meeting_hours"), 0)
    plan = manager_plan(company(0), scenario(**none, planning_hours=145))
    short = plan.capacity[~plan.capacity["fits"]]  # February has 20 days: 140.8 h
    assert short["month"].dt.month.tolist() == [2]
    assert short["first_unfit"].tolist() == ["planning"]
    assert short["hours_missing"].tolist() == pytest.approx([4.2])
    assert manager_plan(company(0), scenario(**none, planning_hours=140.8)).capacity["fits"].all()


def test_who_has_too_few_hours_in_the_year_raises_nobodys_coaching_in_a_calm_month():
    plan = manager_plan(company(8), scenario(trade_shows=1, trade_show_days=200))
    assert found(plan.findings, "manager.hours.plan")["status"].tolist() == ["fail"]
    assert plan.capacity["fits"].sum() == 11
    assert plan.coaching["hours_a_month"].tolist() == [3.0] * 8


@settings(max_examples=15, deadline=None)
@given(COUNTS, st.floats(0, 0.6), st.floats(0, 10), st.floats(0, 3), st.floats(0, 0.5))
def test_hours_add_up_and_keep_floor_and_capacity(people, share, floor, days, leave):
    plan = manager_plan(
        company(people),
        scenario(
            coaching_share=share,
            coaching_hours_a_rep=floor,
            field_days_a_rep_quarter=days,
            leave_share=leave,
        ),
    )
    assert sorted(plan.hours["activity"].unique()) == sorted(ACTIVITIES)
    assert (plan.hours["hours"] >= 0).all()
    by_month = plan.hours.groupby("month")["hours"].sum()
    capacity = plan.capacity.set_index("month")
    np.testing.assert_allclose(by_month, capacity["hours_required"], atol=1e-9)
    slack = capacity["hours_available"] - by_month
    np.testing.assert_allclose(capacity["slack"], slack, atol=1e-9)
    assert (capacity["fits"] == (by_month <= capacity["hours_available"] + 1e-6)).all()
    assert (capacity["fits"] == capacity["first_unfit"].eq("")).all()
    coached = plan.coaching["hours"].sum()
    assert coached == pytest.approx(activity_hours(plan, "coaching").sum())
    assert (plan.coaching["hours_a_month"] >= floor - 1e-9).all()
    # Only the floor may break the capacity, never what is given beyond it.
    raised = activity_hours(plan, "coaching") > people * floor + 1e-6
    assert capacity["fits"][raised].all()
    field_days = activity_hours(plan, "field_work") / 8.0
    assert np.allclose(field_days, field_days.round())
    assert people * days * 4 - 1 < field_days.sum() < people * days * 4 + 1e-6


def test_who_comes_or_goes_counts_only_in_the_months_of_being_there():
    reps = [
        {"rep_id": "m"},
        {"rep_id": "a", "manager_id": "m"},
        {"rep_id": "b", "manager_id": "m", "hired_on": "2026-04-15"},
        {"rep_id": "c", "manager_id": "m", "left_on": "2026-02-10"},
    ]
    plan = manager_plan(make_inputs(reps=reps), scenario())
    assert plan.coaching.set_index("rep_id")["months"].to_dict() == {"a": 12, "b": 9, "c": 2}
    assert activity_hours(plan, "one_on_one").tolist() == [2, 2, 1] + [2] * 9


def test_a_region_leaves_out_who_leads_only_managers():
    reps = [
        {"rep_id": "boss", "region": "N"},
        {"rep_id": "m", "manager_id": "boss", "region": "N"},
        {"rep_id": "a", "manager_id": "m", "region": "N"},
    ]
    here = manager_plan(make_inputs(reps=reps, region="N"), scenario())
    company_wide = manager_plan(make_inputs(reps=reps), scenario())
    assert here.capacity["manager_id"].unique().tolist() == ["m"]
    assert company_wide.capacity["manager_id"].unique().tolist() == ["boss", "m"]


def test_a_manager_with_a_goal_is_asked_for_hours_to_sell():
    reps = [{"rep_id": "m"}, {"rep_id": "a", "manager_id": "m"}]
    sells = {
        "reps": reps,
        "territories": [{"territory_id": "t", "region": "N"}],
        "assignments": [{"rep_id": "m", "territory_id": "t"}],
        "sales": [{"sold_on": "2025-05-02", "rep_id": "m", "amount": 10.0}],
    }
    inputs = make_inputs(**sells)
    assert (
        "'m'"
        in found(manager_plan(inputs, scenario()).findings, "manager.own_selling")["message"].item()
    )
    plan = manager_plan(inputs, scenario(own_selling_share=0.2))
    assert activity_hours(plan, "own_selling").iloc[0] == pytest.approx(22 * 0.88 * 8 * 0.2)
    assert found(plan.findings, "manager.own_selling").empty


def test_goals_in_words_and_numbers():
    reps = [{"rep_id": "m"}] + [{"rep_id": f"r{k}", "manager_id": "m"} for k in range(8)]
    reps += [{"rep_id": f"gone{k}", "manager_id": "m", "left_on": "2025-06-01"} for k in range(3)]
    goals = manager_plan(make_inputs(reps=reps), scenario(trade_shows=3)).goals.set_index("goal_id")
    assert goals["value"][["team_at_goal", "retention", "field_work"]].tolist() == [5.0, 2.0, 32.0]
    assert goals.loc["team_at_goal", "goal"] == "At least 5 of 8 people reach their goal"
    assert goals.loc["retention", "goal"] == "Lose at most 2 of 8 people"
    assert goals.loc["retention", "basis"].endswith("3 of 11 of the team left")
    assert goals.loc["trade_show", "value"] == 6.0
    assert goals.loc["market_reading", ["value", "unit"]].tolist() == [48.0, "hours"]


def test_faults_of_levers_are_named_together_with_the_nearest_lever():
    assert scenario().levers == ManagerLevers()
    with pytest.raises(DataError) as caught:
        scenario(trade_shows="two", leave_share=1.5, coaching_hours_a_rep=-1, admin_shar=0.1)
    message = str(caught.value)
    assert "trade_shows is 'two'; write a number" in message
    assert "leave_share is 1.5; it must be between 0 and 1" in message
    assert "coaching_hours_a_rep is -1" in message
    assert "1 unknown label: 'admin_shar' (did you mean 'admin_share'?)" in message


TIME = """
manager_id activity     month      planned_hours actual_hours
m          Coaching     2025-01-01 40            20
m          coaching     2025-02-01 40            22
m          admin        2025-01-01 20            60
m          trade-show   2025-01-01 -             20
m          coaching     2024-01-01 99            99
"""


def test_planned_and_spent_hours_are_put_side_by_side():
    table = time_review(company(5, manager_time=TIME)).set_index(["activity", "month"])
    january = pd.Timestamp("2025-01-01")
    row = table.loc[("coaching", january)]
    assert row[["planned_hours", "actual_hours", "difference_hours"]].tolist() == [40, 20, -20]
    assert row["actual_share"] == pytest.approx(0.2)
    assert np.isnan(table.loc[("trade_show", january), "planned_hours"])
    assert np.isnan(table.loc[("trade_show", january), "difference_hours"])
    assert len(table) == 4


def test_a_manager_who_coached_half_of_the_plan_is_told_so():
    findings = manager_plan(company(5, manager_time=TIME), scenario()).findings
    row = found(findings, "manager.time").iloc[0]
    assert row["status"] == "review"
    assert "42 h of 80 h planned went into coaching, 34% of the hours spent" in row["message"]
    assert "furthest over: admin (+40 h)" in row["message"]
    assert "Administration took 49%, the plan gives it 15%" in row["advice"]


# --- days, moves, months -----------------------------------------------------------------------

DAYS = """
day        kind       rep_id manager_id region hours
2026-05-01 holiday    -      -          -      -
2026-05-02 holiday    -      -          -      -
2026-05-04 leave      -      m          -      4
2026-05-05 leave      m      -          -      -
2026-05-01 leave      m      -          -      -
2026-05-06 leave      r01    -          -      -
2026-05-07 holiday    -      -          Abroad -
"""


def test_holidays_and_leave_of_the_calendar_count_instead_of_the_share_of_leave():
    may = manager_plan(company(4, calendar=DAYS), scenario()).capacity.iloc[4]
    assert may["working_days"] == 20  # 21 weekdays, one holiday; the other one is a Saturday
    assert may["hours_available"] == pytest.approx(20 * 8 - 8 - 4)
    holidays = [{"day": "2026-05-01", "kind": "holiday"}]
    plan = manager_plan(company(4, calendar=holidays), scenario(leave_share=0.1))
    assert plan.capacity["hours_available"].iloc[4] == pytest.approx(20 * 8 * 0.9)


def test_a_month_without_working_days_has_no_hours_and_names_what_could_move():
    days = pd.date_range("2026-08-01", "2026-08-31")
    calendar = [{"day": day, "kind": "holiday"} for day in days]
    plan = manager_plan(company(4, calendar=calendar), scenario())
    august = plan.capacity.set_index("month").loc["2026-08-01"]
    assert august["working_days"] == 0 and august["hours_available"] == 0
    assert np.isnan(august["coaching_share"]) and august["first_unfit"] == "planning"
    assert "a day in the field to September 2026" in august["could_move"]
    assert "8 h of planning to " in august["could_move"]
    assert august["could_move"].endswith("h have no other month")  # one-on-ones and coaching
    assert not any("inf" in text for text in plan.findings["message"])


def test_shows_and_meetings_of_the_calendar_stand_where_the_levers_would_be():
    shows = [{"day": f"2026-06-{day}", "kind": "trade show"} for day in (16, 17, 20)]
    plan = manager_plan(company(4, calendar=shows), scenario())
    hours = activity_hours(plan, "trade_show")
    assert hours[hours > 0].to_dict() == {pd.Timestamp("2026-06-01"): 24.0}
    assert activity_hours(plan, "industry_meeting").sum() == 32


def test_what_could_move_moves_and_then_the_month_fits():
    levers = {"trade_shows": 1, "trade_show_days": 12}
    plan = manager_plan(company(4), scenario(**levers))
    june = plan.capacity.iloc[5]
    assert not june["fits"] and plan.capacity["fits"].sum() == 11
    assert june["could_move"] == (
        "a day in the field to July 2026, 4 h of customer meetings to July 2026, "
        "1 h of reading to July 2026"
    )
    row = found(plan.findings, "manager.hours.month").iloc[0]
    assert june["could_move"] in row["advice"] and "[[levers.move]]" in row["advice"]
    june, july = date(2026, 6, 9), date(2026, 7, 1)
    hours = {"field_work": 8, "customer_meeting": 4, "market_reading": 1}
    moves = [{"activity": a, "month": june, "to": july, "hours": h} for a, h in hours.items()]
    moved = manager_plan(company(4), scenario(**levers, move=moves))
    assert moved.capacity["fits"].all()
    for activity in ACTIVITIES:
        if activity != "coaching":
            assert activity_hours(moved, activity).sum() == activity_hours(plan, activity).sum()


def test_more_than_there_is_does_not_move_and_is_said():
    move = {"activity": "admin", "month": date(2026, 2, 1), "to": date(2026, 3, 1), "hours": 40}
    plan = manager_plan(company(4), scenario(move=[{**move, "manager_id": "m"}]))
    assert activity_hours(plan, "admin").iloc[1] == 0
    message = found(plan.findings, "manager.move")["message"].item()
    assert message.startswith(
        "m: 40 h of admin were to go from 2026-02 to 2026-03; there are only 21.1 h"
    )


def test_faults_of_moves_are_named_together():
    with pytest.raises(DataError) as caught:
        scenario(move=[{"activity": "coachin", "month": "2026-02", "hours": -3}])
    message = str(caught.value)
    assert "[[levers.move]] 1: needs to" in message
    assert "hours is -3; it must be between 0.25 and 1000" in message
    assert "month is '2026-02'; write a day without quotes" in message
    assert "activity: 1 unknown label: 'coachin'" in message
    same = {"activity": "admin", "month": date(2026, 2, 1), "to": date(2026, 2, 9), "hours": 3}
    with pytest.raises(DataError, match="month and to are both 2026-02"):
        scenario(move=[same])
    written = scenario(move=[{**same, "to": date(2026, 4, 1)}])
    assert Scenario.parse("base", tomllib.loads(written.to_toml())) == written


def test_a_move_names_people_and_months_of_the_plan(make_plan: PlanMaker):
    plan = people_in_three_regions(make_plan, 3)
    move = {"activity": "admin", "month": date(2027, 2, 1), "to": date(2026, 2, 9), "hours": 3}
    with pytest.raises(DataError) as caught:
        check_scenario(plan, prepare(plan), scenario(move=[{**move, "manager_id": "q"}]))
    assert "2027-02 is no month of the plan, 2026-01 to 2026-12" in str(caught.value)
    assert "[[levers.move]] manager_id: 1 unknown label: 'q'" in str(caught.value)


def test_forty_people_are_too_many_and_what_is_missing_is_named():
    plan = manager_plan(company(40), scenario())
    row = found(plan.findings, "manager.hours.plan").iloc[0]
    assert "m: coaching no longer fits" in row["message"] and "h are missing" in row["message"]
    assert plan.capacity["could_move"].str.endswith("h have no other month").all()


def test_a_manager_with_no_hours_left_is_told_without_a_share_of_nothing():
    plan = manager_plan(company(4), scenario(leave_share=1.0))
    assert plan.capacity["hours_available"].eq(0).all()
    assert found(plan.findings, "manager.coaching.share").empty
    assert "of 0 h" in found(plan.findings, "manager.hours.plan")["message"].item()
    assert not plan.goals["goal"].str.contains("inf|nan").any()


def test_nobody_is_asked_for_a_goal_that_says_nothing():
    alone = manager_plan(make_inputs(reps=[{"rep_id": "m", "role": "Manager"}]), scenario())
    assert not alone.goals["goal_id"].isin(["team_at_goal", "retention", "coaching"]).any()
    four = manager_plan(company(4), scenario()).goals
    assert "retention" not in set(four["goal_id"])  # nobody of four left: one would be chance


def test_what_was_promised_to_a_person_comes_first_and_is_said():
    promised = pd.DataFrame(
        {
            "manager_id": "m",
            "rep_id": "r05",
            "month": pd.to_datetime(["2026-01-01"]),
            "hours": [12.0],
        }
    )
    plan = manager_plan(company(10), scenario(), promised)
    coaching = plan.coaching.set_index("rep_id")
    assert coaching["promised_hours"].to_dict() == {
        **dict.fromkeys(coaching.index, 0.0),
        "r05": 12.0,
    }
    assert coaching.loc["r05", "why"].startswith(
        "12 h promised come first; attainment 105%, middle"
    )
    assert plan.hours["activity"].iloc[0] == "promised"
    crowded = manager_plan(company(30), scenario(), promised)
    assert crowded.coaching["why"].str.contains("the hours allow no rise").sum() == 18


def hours_of_a_year(moves_together: bool, months: int = 12):
    rows = []
    for k in range(months):
        month, gap = f"2025-{k + 1:02}-01", (k * 5) % 12 - 6
        other = gap if moves_together else (k * 7) % 11
        rows.append(
            {"activity": "coaching", "month": month, "planned_hours": 30, "actual_hours": 30 + gap}
        )
        rows.append(
            {"activity": "admin", "month": month, "planned_hours": 20, "actual_hours": 20 - other}
        )
    return [{"manager_id": "m", **row} for row in rows]


def test_last_year_is_twelve_rows_that_say_what_moved():
    table = time_by_month(company(5, manager_time=hours_of_a_year(True)))
    assert len(table) == 12 and table["planned_hours"].eq(50).all()
    assert table["moved"].iloc[0] == "coaching -6 h, admin +6 h"
    open_month = TIME + "m          coaching     2025-03-01 40            -\n"
    march = time_by_month(company(5, manager_time=open_month)).iloc[2]
    assert march["planned_hours"] == 40 and np.isnan(march["actual_hours"]) and march["moved"] == ""


def test_what_went_together_is_said_as_such_and_only_where_there_is_enough():
    def said(rows):
        findings = manager_plan(company(5, manager_time=rows), scenario()).findings
        return found(findings, "manager.time.went_with")["message"].tolist()

    (message,) = said(hours_of_a_year(True))
    assert "in months with less coaching than planned, admin took more" in message
    assert "12 months, rank correlation -1.00" in message and "do not say" in message
    assert said(hours_of_a_year(True, months=9)) == []
    assert said(hours_of_a_year(False)) == []


def test_without_managers_or_time_the_tables_are_empty_and_findings_say_why():
    plan = manager_plan(make_inputs(reps=[{"rep_id": "a"}]), scenario())
    assert plan.hours.empty and plan.capacity.empty and plan.coaching.empty and plan.goals.empty
    assert plan.findings["finding_id"].tolist() == ["manager.none", "manager.needs.manager_time"]
    nobody = manager_plan(make_inputs(), scenario())
    assert nobody.hours.columns.tolist() == plan.hours.columns.tolist()
    alone = manager_plan(make_inputs(reps=[{"rep_id": "m", "role": "Manager"}]), scenario())
    assert alone.capacity["fits"].all() and activity_hours(alone, "coaching").eq(0).all()


def people_in_three_regions(make_plan: PlanMaker, count: int) -> Plan:
    people = [f"p{k}" for k in range(count)]
    places = {person: f"t{k % 3}" for k, person in enumerate(people)}
    sales = "".join(f"2025-03-01,{person},100\n" for person in people)
    held = "".join(f"{person},{place},2024-01-01\n" for person, place in places.items())
    return make_plan(
        reps="rep_id,manager_id\nm,\n" + "".join(f"{person},m\n" for person in people),
        territories="territory_id,region\nt0,North\nt1,South\nt2,West\n",
        assignments="rep_id,territory_id,starts_on\n" + held,
        sales="sold_on,rep_id,amount\n" + sales,
        goals=None,
        products=None,
    )


def plans_by_region(plan: Plan) -> dict[str, ManagerPlan]:
    prepared = prepare(plan)
    parts = {region: open_inputs(plan, prepared, region) for region in prepared.regions}
    return {region: manager_plan(inputs, Scenario()) for region, inputs in parts.items()}


def test_a_manager_of_people_in_three_regions_is_one_person(make_plan: PlanMaker):
    plans = plans_by_region(people_in_three_regions(make_plan, 30))
    alone = manager_plan(company(10), Scenario()).capacity
    assert alone["fits"].all()  # ten people fit; thirty do not, wherever they work
    for capacity in (one.capacity for one in plans.values()):
        assert not capacity["fits"].any()
        whole = capacity["hours_available"] + capacity["hours_elsewhere"]
        assert whole.tolist() == pytest.approx(alone["hours_available"].tolist())
        # 20 people elsewhere: one-on-ones and coaching of each, a third of a field day a month
        levers = ManagerLevers()
        each = levers.one_on_one_hours_a_rep + levers.coaching_hours_a_rep
        each += levers.field_days_a_rep_quarter / 3 * levers.hours_a_day
        assert capacity["hours_elsewhere"].tolist() == pytest.approx([20 * each] * 12)


def test_what_three_regions_give_beyond_the_floor_fits_one_person(make_plan: PlanMaker):
    plans = plans_by_region(people_in_three_regions(make_plan, 6)).values()
    alone = manager_plan(company(6), Scenario())
    floor = ManagerLevers().coaching_hours_a_rep
    raised = sum((plan.coaching["hours_a_month"] - floor).sum() for plan in plans)
    once = (alone.coaching["hours_a_month"] - floor).sum()
    assert once > 0 and raised == pytest.approx(once, rel=0.2)
    rises = sum(activity_hours(plan, "coaching") for plan in plans) - 6 * floor
    for plan in plans:
        capacity = plan.capacity.set_index("month")
        firm = capacity["hours_required"] - activity_hours(plan, "coaching") + 2 * floor
        assert (rises <= capacity["hours_available"] - firm + 1e-6).all()
