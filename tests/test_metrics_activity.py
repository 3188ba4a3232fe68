"""Activity goals of people who come and go, of odd ratios, by the options of a scenario."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planning_kit.data import working_days
from planning_kit.messages import DataError
from planning_kit.metrics import activity_goals, metric_goals, metrics_findings, pipeline_start
from planning_kit.plan import MetricOptions, Scenario
from planning_kit.review import closing_ratios, funnel_rates
from planning_kit.review.pipeline import expected_open, open_deals, time_open
from tests.making import make_inputs, make_settings
from tests.test_metrics import MONTHS, deals, found, monthly, team

FEW = settings(max_examples=15, deadline=None)


def coming_and_going(cycle_days=61):
    """Three people of the same history: all year, hired in May, gone since the end of March."""
    reps = [
        {"rep_id": "all", "carries_goal": True},
        {"rep_id": "new", "hired_on": "2026-05-01", "carries_goal": True},
        {"rep_id": "gone", "left_on": "2026-03-31", "carries_goal": True},
    ]
    rows = [row for rep in ("all", "new", "gone") for row in deals(rep, 50, 50)]
    for row in rows:
        for day in ("created_on", "presented_on", "proposed_on"):
            row[day] = row["closed_on"] - pd.Timedelta(days=cycle_days)
    return make_inputs(reps=reps, opportunities=rows)


# --- presence ------------------------------------------------------------------------------


def test_nobody_presents_before_hiring_or_after_leaving():
    inputs = coming_and_going()
    planned = activity_goals(inputs, monthly({"all": 9000.0, "new": 9000.0, "gone": 9000.0}))
    by_month = planned.months.pivot(index="rep_id", columns="month", values="presentations")
    by_month.columns = by_month.columns.month
    assert (by_month.loc["all"] > 0).all()
    assert (by_month.loc["new", [1, 2, 3, 4]] == 0).all() and by_month.loc["new", 5] > 0
    # Not wrapped around the year: what closes in January cannot be presented by a newcomer.
    assert (by_month.loc["new", [11, 12]] < by_month.loc["new", 8] / 2).all()
    assert (by_month.loc["gone", [4, 5, 6, 7, 8, 9, 10, 11, 12]] == 0).all()
    stock = planned.months.pivot(index="rep_id", columns="month", values="open_proposals")
    assert (stock.loc["new"].iloc[:4] == 0).all() and (stock.loc["gone"].iloc[3:] == 0).all()


def test_what_has_no_place_is_named_as_lost_and_adds_up():
    inputs = coming_and_going()
    planned = activity_goals(inputs, monthly({"all": 9000.0, "new": 9000.0, "gone": 9000.0}))
    people = planned.people.set_index("rep_id")
    done = planned.months.groupby("rep_id")["presentations"].sum()
    assert (done + people["presentations_lost"] == people["presentations"]).all()
    assert people.loc["all", "presentations_lost"] == 0
    assert people.loc["all", "activity_chance"] >= 0.8
    assert (people.loc[["new", "gone"], "activity_chance"] < 0.5).all()
    row = found(metrics_findings(inputs, planned), "metrics.presence.lost").iloc[0]
    assert "2 people" in row["message"] and "new " in row["message"] and "gone " in row["message"]


def test_a_newcomer_whose_goals_begin_late_enough_loses_nothing():
    goal = [0.0] * 8 + [9000.0] * 4
    people = activity_goals(coming_and_going(), monthly({"new": goal})).people
    assert people["presentations_lost"].item() == 0


def on_leave(*rows):
    inputs = coming_and_going()
    columns = ("day", "kind", "rep_id", "region", "hours")
    calendar = pd.DataFrame([dict(zip(columns, row, strict=True)) for row in rows])
    calendar = calendar.reindex(columns=inputs.calendar.columns)
    return replace(inputs, calendar=calendar.astype(inputs.calendar.dtypes.to_dict()))


def test_holidays_and_leave_take_their_days_off_the_selling_hours():
    inputs = on_leave(
        ("2026-01-01", "holiday", None, None, np.nan),  # everybody's, a Thursday
        ("2026-01-03", "holiday", None, None, np.nan),  # a Saturday
        ("2026-01-05", "leave", "all", None, np.nan),
        ("2026-01-01", "leave", "all", None, np.nan),  # a holiday is no day of leave
        ("2026-01-06", "trade show", "all", None, np.nan),
        ("2026-01-07", "holiday", None, "Elsewhere", np.nan),
        ("2026-05-15", "leave", "gone", None, np.nan),  # has left
        ("2026-06-01", "leave", "all", None, 160 / (261 / 12) / 2),  # half a day
    )
    usual = metric_goals(coming_and_going(), monthly({"all": 1.0, "gone": 1.0}))
    table = metric_goals(inputs, monthly({"all": 1.0, "gone": 1.0}))
    days = (usual["hours_available"] - table["hours_available"]) / (160 * 0.6) * 261 / 12
    off = days.groupby([table["rep_id"], table["month"].dt.month]).sum().round(9)
    assert off[off != 0].to_dict() == {("all", 1): 2.0, ("all", 6): 0.5, ("gone", 1): 1.0}


def test_the_work_of_a_month_of_leave_is_done_the_month_before():
    july = pd.bdate_range("2026-07-01", "2026-07-31")
    inputs = on_leave(*((day, "leave", "all", None, np.nan) for day in july))
    goals = monthly({"all": 9000.0})
    table = metric_goals(inputs, goals).set_index(metric_goals(inputs, goals)["month"].dt.month)
    usual = metric_goals(coming_and_going(), goals)["presentations"].to_numpy()
    assert table.loc[7, ["presentations", "hours_available"]].tolist() == [0, 0]
    assert table.loc[6, "presentations"] == pytest.approx(usual[5] + usual[6], abs=1)
    assert table["presentations"].sum() == usual.sum()
    assert (table["open_proposals"] > 0).all()  # what stands open does not go on leave


def test_hours_follow_working_days_presence_and_ramp():
    inputs = replace(coming_and_going(), settings=make_settings(ramp=(0.0, 0.5)))
    table = metric_goals(inputs, monthly({"all": 1.0, "new": 1.0, "gone": 1.0}))
    hours = table.pivot(index="rep_id", columns="month", values="hours_available")
    assert hours.loc["all"].sum() == pytest.approx(12 * 160 * 0.6)
    days = working_days(pd.DatetimeIndex(hours.columns))[0]
    assert (hours.loc["all"] / days).nunique() <= 2  # the same hours a day, to rounding
    assert hours.loc["all"].iloc[0] / hours.loc["all"].iloc[1] == pytest.approx(22 / 20)
    share = (hours.loc["new"] / hours.loc["all"]).round(9).tolist()
    assert share == [0.0] * 5 + [0.5] + [1.0] * 6
    assert (hours.loc["gone"] / hours.loc["all"]).round(9).tolist() == [1.0] * 3 + [0.0] * 9


def test_working_days_of_a_year_are_those_of_a_calendar():
    months = pd.date_range("2026-01-01", periods=12, freq="MS")
    every = pd.bdate_range("2026-01-01", "2026-12-31")
    assert working_days(months)[0].tolist() == every.month.value_counts().sort_index().tolist()
    never = working_days(
        months, pd.Series([pd.Timestamp("2027-02-01")]), pd.Series([pd.Timestamp("2025-02-01")])
    )
    assert never.sum() == 0


# --- ratios that say little ------------------------------------------------------------------


def test_without_a_single_win_nothing_is_told_of_presentations_or_pipeline():
    inputs = make_inputs(reps=team("a", "b"), opportunities=deals("a", 0, 618))
    planned = activity_goals(inputs, monthly({"a": 20_000.0, "b": 20_000.0}))
    empty = ["presentations", "presentations_expected", "coverage", "pipeline_amount"]
    assert planned.months[empty].isna().all().all()
    assert planned.months["hours_needed"].isna().all() and planned.months["fits"].isna().all()
    assert str(planned.months["fits"].dtype) == "boolean"
    row = found(metrics_findings(inputs, planned), "metrics.ratio.none").iloc[0]
    assert row["message"].startswith("None of the 618 closed deals was won")
    assert closing_ratios(inputs)["note"].eq("no won deals at all: the ratio cannot be told").all()


def test_open_deals_only_tell_no_ratio_and_it_is_said():
    rows = [{**row, "outcome": "open", "closed_on": None} for row in deals("a", 5, 5)]
    inputs = make_inputs(reps=team("a"), opportunities=rows)
    planned = activity_goals(inputs, monthly({"a": 2000.0}))
    assert planned.months[["presentations", "coverage", "fits"]].isna().all().all()
    findings = metrics_findings(inputs, planned)
    assert "No deal has closed" in found(findings, "metrics.ratio.none")["message"].item()
    assert pipeline_start(inputs, planned.months)["open_deals"].tolist() == [10]


def test_whoever_won_nothing_is_planned_at_a_rate_drawn_to_the_team():
    inputs = make_inputs(
        reps=team("a", "b"), opportunities=[*deals("a", 50, 150), *deals("b", 0, 6)]
    )
    people = activity_goals(inputs, monthly({"a": 2000.0, "b": 2000.0})).people.set_index("rep_id")
    assert 0.15 < people.loc["b", "closing_ratio"] < people.loc["a", "closing_ratio"]
    assert people.loc["b", "closing_low"] < people.loc["b", "closing_ratio"]
    assert people.loc["b", "presentations"] < 4 * people.loc["a", "presentations"]


def test_when_every_deal_was_won_it_is_said_that_lost_ones_seem_missing():
    inputs = make_inputs(reps=team("a"), opportunities=deals("a", 40, 0))
    planned = activity_goals(inputs, monthly({"a": 2000.0}))
    message = found(metrics_findings(inputs, planned), "metrics.ratio.all")["message"].item()
    assert message.startswith("All 40 closed deals were won")
    assert planned.months["presentations"].sum() >= 24


def test_the_three_rates_stand_beside_each_other_and_differ():
    rows = deals("a", 100, 100)
    for row in rows[120:]:
        row["amount"] = 4000.0
    activities = [
        {"done_on": "2025-03-01", "rep_id": "a", "activity": "presentation", "count": 800}
    ]
    inputs = make_inputs(
        reps=team("a"),
        opportunities=[{**row, "presented_on": None} for row in rows],
        activities=activities,
    )
    person = activity_goals(inputs, monthly({"a": 2000.0})).people.iloc[0]
    assert person["win_rate_by_count"] == pytest.approx(0.5, abs=0.01)
    assert person["win_rate_by_value"] == pytest.approx(100 / 440, abs=0.02)
    assert person["closing_ratio"] == person["closing_goal"] == pytest.approx(100 / 800, abs=0.01)


# --- what a planner sets ---------------------------------------------------------------------


def options(text_or_values):
    return Scenario.parse("s", {"metrics": text_or_values}).metrics


def test_the_section_metrics_is_read_checked_and_written_back():
    said = {
        "chance": 0.9,
        "presentation_hours": 1.5,
        "deal_share": 1.0,
        "rates": {"presentation_to_sale": 0.3},
    }
    scenario = Scenario.parse("s", {"metrics": said})
    assert scenario.metrics == MetricOptions(
        chance=0.9, presentation_hours=1.5, deal_share=1.0, rates={"presentation_to_sale": 0.3}
    )
    assert "[metrics.rates]" in scenario.to_toml()
    assert Scenario("s").digest(["metrics"]) != scenario.digest(["metrics"])
    assert Scenario.parse("s", {"metrics": {"chance": 0.8}}) == Scenario("s")
    with pytest.raises(DataError) as stopped:
        options({"chanse": 0.9, "chance": 1.5, "rates": {"presentation_to_sales": 0.3}})
    for fault in (
        "[metrics]: 1 unknown label: 'chanse' (did you mean 'chance'?)",
        "[metrics] chance is 1.5; it must be between 0.05 and 0.99",
        "[metrics.rates]: 1 unknown label: 'presentation_to_sales' "
        "(did you mean 'presentation_to_sale'?)",
    ):
        assert fault in str(stopped.value)


def test_a_stated_rate_holds_for_everybody_and_is_named_beside_the_measured_one():
    inputs = make_inputs(reps=team("a"), opportunities=deals("a", 0, 618))
    stated = options({"rates": {"presentation_to_sale": 0.25, "win_rate_by_value": 0.2}})
    planned = activity_goals(inputs, monthly({"a": 5000.0}), stated)
    assert planned.people["closing_ratio"].tolist() == [0.25]
    assert planned.months["coverage"].eq(5.0).all()
    inputs = make_inputs(reps=team("a"), opportunities=deals("a", 300, 300))
    planned = activity_goals(inputs, monthly({"a": 5000.0}), stated)
    assert planned.months["presentations"].sum() == 262  # certain ratio, sales of one size
    message = found(metrics_findings(inputs, planned, stated), "metrics.rates.stated")
    assert "presentation_to_sale 25%" in message["message"].item()
    assert "presentation_to_sale 50%" in message["message"].item()


def test_a_higher_chance_asks_for_more_and_a_lift_for_less():
    inputs = make_inputs(reps=team("a"), opportunities=deals("a", 50, 150))
    goals = monthly({"a": 5000.0})

    def asked(**said):
        return activity_goals(inputs, goals, MetricOptions(**said)).people["presentations"].item()

    assert asked(chance=0.95) > asked() > asked(ratio_lift=0.2)


def test_a_lift_above_what_comparable_people_reach_is_flagged_with_its_cost():
    people = [f"r{k}" for k in range(6)]
    rows = [row for k, rep in enumerate(people) for row in deals(rep, 60 + 10 * k, 240 - 10 * k)]
    inputs = make_inputs(reps=team(*people), opportunities=rows)
    goals = monthly({rep: 5000.0 for rep in people})
    lifted = MetricOptions(ratio_lift=0.25)
    planned = activity_goals(inputs, goals, lifted)
    table = planned.people.set_index("rep_id")
    assert (table["closing_goal"] / table["closing_ratio"]).round(9).eq(1.25).all()
    assert table["lift_amount"].tolist() == pytest.approx([60_000 * 0.2] * 6)
    row = found(metrics_findings(inputs, planned, lifted), "metrics.ratio.lift").iloc[0]
    assert row["status"] == "review" and "72,000 of the goals are missing" in row["message"]
    above = table.index[table["closing_goal"] > table["peers_reach"]]
    assert 0 < len(above) < 6 and f"{len(above)} of 6 people would be above" in row["message"]
    alone = activity_goals(
        make_inputs(reps=team("r0"), opportunities=deals("r0", 60, 240)),
        monthly({"r0": 5000.0}),
        lifted,
    )
    assert alone.people["peers_reach"].isna().all()


# --- the pipeline ----------------------------------------------------------------------------

DAYS = st.integers(0, 500)
LIVES = st.lists(
    st.tuples(DAYS, st.one_of(st.none(), st.integers(-20, 400)), st.sampled_from(["won", "lost"])),
    min_size=1,
    max_size=25,
)


def lives_of(rows, rep="a"):
    start = pd.Timestamp("2024-09-01")
    return [
        {
            "opportunity_id": f"{rep}{k}",
            "rep_id": rep,
            "outcome": "open" if length is None else outcome,
            "created_on": start + pd.Timedelta(days=day),
            "closed_on": None if length is None else start + pd.Timedelta(days=day + length),
            "amount": 100.0,
        }
        for k, (day, length, outcome) in enumerate(rows)
    ]


@FEW
@given(LIVES, st.integers(0, 480))
def test_open_deals_on_a_day_are_those_counted_one_by_one(rows, day):
    inputs = make_inputs(reps=team("a"), opportunities=lives_of(rows))
    there = pd.Timestamp("2024-09-01") + pd.Timedelta(days=day)
    expected = sum(
        began <= day and (length is None or (length >= 0 and began + length > day))
        for began, length, _ in rows
    )
    assert len(open_deals(inputs, there)) == expected


def test_a_deal_is_not_open_any_more_at_the_end_of_the_day_it_closes():
    inputs = make_inputs(reps=team("a"), opportunities=lives_of([(10, 5, "won")]))
    start = pd.Timestamp("2024-09-01")
    there = [len(open_deals(inputs, start + pd.Timedelta(days=day))) for day in (9, 10, 14, 15)]
    assert there == [0, 1, 1, 0]


def test_person_time_counts_deals_that_are_still_open():
    rows = [(122, 365, "won")] * 2 + [(122, None, "won")] * 6  # from the first of January on
    rows += [(487 - 30, 30, "won")]
    inputs = make_inputs(reps=team("a"), opportunities=lives_of(rows))
    daily = [
        len(open_deals(inputs, day)) for day in pd.date_range("2025-01-01", "2025-12-31", freq="D")
    ]
    stood = time_open(inputs).loc["a"]
    assert stood["average_open"] == pytest.approx(np.mean(daily), rel=0.01)
    assert stood["average_amount"] == pytest.approx(100 * stood["average_open"])
    # The closed deals alone would say 8.3 months x 3 a year.
    assert stood["average_open"] > 3 * 8.3 * 3 / 12


def test_the_plan_of_the_same_year_again_needs_the_stock_of_the_year():
    chance = np.random.default_rng(5)
    rows = [
        (int(day), int(length), ("won", "lost")[k % 2])
        for k, (day, length) in enumerate(
            zip(chance.integers(0, 480, 900), chance.exponential(60, 900), strict=True)
        )
    ]
    rows = [(d, None if d + n > 486 else n, o) for d, n, o in rows]
    inputs = make_inputs(reps=team("a"), opportunities=lives_of(rows))
    won = closing_ratios(inputs)["won"].item()
    table = metric_goals(inputs, monthly({"a": 100.0 * won / 12}))
    stood = time_open(inputs)["average_amount"].item()
    assert table["pipeline_amount"].mean() == pytest.approx(stood, rel=0.03)


def test_what_is_open_moves_towards_flow_times_time():
    steady = [(day, 90, "won") for day in range(0, 480, 10)]
    steady = [(d, None if d + n > 486 else n, o) for d, n, o in steady]
    inputs = make_inputs(reps=team("a"), opportunities=lives_of(steady))
    assert expected_open(inputs)["a"] == pytest.approx(9.0, rel=0.1)


def test_wins_before_creation_and_deals_without_days_are_left_out_of_the_time():
    rows = lives_of([(130, -5, "won"), (130, 60, "won")])
    rows.append({"opportunity_id": "x", "rep_id": "a", "outcome": "open", "amount": 5.0})
    inputs = make_inputs(reps=team("a"), opportunities=rows)
    assert time_open(inputs)["began"].tolist() == [1.0]
    assert funnel_rates(inputs)["months_open"].item() == pytest.approx(60 / 30.4375)


def test_no_deals_at_all_give_empty_tables():
    inputs = make_inputs(reps=team("a"))
    assert open_deals(inputs, date(2026, 1, 1)).empty
    assert time_open(inputs).empty and expected_open(inputs).empty


def test_five_hundred_people_are_planned_within_their_time():
    people = [f"r{k:03}" for k in range(500)]
    rows = [row for rep in people for row in deals(rep, 3, 9)]
    inputs = make_inputs(reps=team(*people), opportunities=rows)
    goals = monthly({rep: 90_000.0 for rep in people})
    table = metric_goals(inputs, goals)
    assert len(table) == 500 * len(MONTHS)
    assert table["presentations"].notna().all()
