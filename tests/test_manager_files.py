from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from click.testing import CliRunner
from icalendar import Calendar

from planning_kit.cli import main
from planning_kit.data import TABLES
from planning_kit.manager import diary, manager_plan, planned_time
from planning_kit.messages import DataError
from planning_kit.output.manager_files import write_calendar, write_self_review
from planning_kit.plan import Scenario, load_plan
from tests.conftest import PlanMaker
from tests.making import make_inputs, make_settings

REPS = [{"rep_id": "m", "rep_name": "Mia, Lund; \\"}]
REPS += [{"rep_id": f"r{k}", "rep_name": f"Zoë {k}", "manager_id": "m"} for k in range(8)]
SHOW = [{"day": f"2026-06-{day}", "kind": "trade show"} for day in (16, 17)]
OFF = [{"day": "2026-01-01", "kind": "holiday"}, {"day": "2026-06-15", "kind": "leave"}]


def plan_of(calendar=(), **levers):
    inputs = make_inputs(reps=REPS, calendar=list(calendar) or None)
    return inputs, manager_plan(inputs, Scenario.parse("base", {"levers": levers}))


def written(calendar=(), zone="Europe/Berlin", **levers):
    inputs, plan = plan_of(calendar, **levers)
    settings = make_settings(time_zone=zone)
    days = inputs.with_names(diary(plan))
    return plan, write_calendar(days, "Mia", settings)


def events(content):
    return Calendar.from_ical(content).walk("VEVENT")


def lengths(content):
    return sum((e["DTEND"].dt - e["DTSTART"].dt).total_seconds() / 3600 for e in events(content))


def test_a_calendar_of_a_year_parses_and_its_hours_sum_to_the_plan():
    plan, content = written([*SHOW, *OFF])
    assert lengths(content) == pytest.approx(plan.hours["hours"].sum(), abs=0.5)
    by_title = pd.Series(
        {
            str(event["SUMMARY"]): (event["DTEND"].dt - event["DTSTART"].dt).total_seconds() / 3600
            for event in events(content)
        }
    )
    assert by_title["Trade show"] == 8 and by_title["One-on-one: Zoë 0"] == 1


def test_every_activity_adds_up_to_five_minutes_in_its_own_month():
    _, plan = plan_of([*SHOW, *OFF])
    days = diary(plan)
    laid = days.groupby(["activity", days["starts_at"].dt.month])["hours"].sum()
    asked = plan.hours.groupby(["activity", plan.hours["month"].dt.month])["hours"].sum()
    assert (laid.reindex(asked.index).fillna(0) - asked).abs().max() <= 1 / 12 + 1e-9
    year = days.groupby("activity")["hours"].sum()
    total = plan.hours.groupby("activity")["hours"].sum()
    assert (year.reindex(total.index).fillna(0) - total).abs().max() <= 1 / 24 + 1e-9


def test_appointments_do_not_overlap_and_keep_off_weekends_holidays_and_leave():
    _, plan = plan_of([*SHOW, *OFF])
    days = diary(plan)
    ends = days["starts_at"] + pd.to_timedelta(days["hours"] * 60, unit="min").dt.round("min")
    assert (days["starts_at"].iloc[1:].to_numpy() >= ends.iloc[:-1].to_numpy()).all()
    assert days["starts_at"].dt.day_of_week.max() == 4
    off = pd.to_datetime(["2026-01-01", "2026-06-15"])
    assert not days["starts_at"].dt.normalize().isin(off).any()
    shows = days[days["activity"] == "trade_show"]
    assert shows["starts_at"].dt.strftime("%m-%d %H").tolist() == ["06-16 09", "06-17 09"]


def test_days_in_the_field_go_to_one_person_after_the_other():
    _, plan = plan_of()
    days = diary(plan)
    field = days[days["activity"] == "field_work"]
    assert field["hours"].eq(8).all() and field["rep_id"].value_counts().eq(4).all()


def test_what_has_no_room_in_its_month_is_left_out():
    _, plan = plan_of(planning_hours=200)
    days = diary(plan)
    assert days["hours"].sum() < plan.hours["hours"].sum()
    assert days.groupby(days["starts_at"].dt.date)["hours"].sum().max() <= 8 + 1e-9


def test_ids_are_unique_and_stay_when_the_hours_change():
    _, content = written()
    ids = [str(event["UID"]) for event in events(content)]
    assert len(ids) == len(set(ids))
    _, other = written(market_reading_hours=6)
    assert len(set(ids) & {str(event["UID"]) for event in events(other)}) > 0.9 * len(ids)
    assert written()[1] == content


def test_times_are_those_of_the_zone_or_of_whoever_opens_it():
    _, content = written()
    january = min(events(content), key=lambda event: event["DTSTART"].dt)["DTSTART"].dt
    assert january.astimezone(UTC) == datetime(2026, 1, 1, 8, tzinfo=UTC)
    assert b"BEGIN:VTIMEZONE" in content
    assert all(len(line) <= 75 for line in content.split(b"\r\n")) and b"\n" not in content.replace(
        b"\r\n", b""
    )
    _, floating = written(zone="")
    assert b"VTIMEZONE" not in floating and events(floating)[0]["DTSTART"].dt.tzinfo is None


def test_the_sheet_has_a_page_a_quarter_with_open_cells_and_adds_up():
    inputs, plan = plan_of()
    content = write_self_review(plan.goals, plan.hours, "=1+1", inputs.settings)
    book = openpyxl.load_workbook(io.BytesIO(content))
    assert book.sheetnames == ["Quarter 1", "Quarter 2", "Quarter 3", "Quarter 4"]
    planned = 0.0
    for sheet in book:
        cells = [[cell.value for cell in row] for row in sheet.iter_rows()]
        head = next(k for k, row in enumerate(cells) if row[0] == "Hours of the quarter")
        planned += sum(row[1] for row in cells[head + 1 :] if isinstance(row[1], float | int))
        assert not sheet.cell(head + 2, 3).protection.locked and sheet.protection.sheet
        assert sheet.cell(1, 1).data_type == "s"
    assert planned == pytest.approx(plan.hours["hours"].sum())


def test_planned_hours_are_next_years_table():
    _, plan = plan_of()
    time = planned_time(plan.hours)
    assert time.columns.tolist() == TABLES["manager_time"].names
    assert time["planned_hours"].sum() == pytest.approx(plan.hours["hours"].sum(), abs=0.5)
    assert time["actual_hours"].isna().all() and "promised" not in set(time["activity"])


def test_the_command_writes_files_for_everybody_who_leads(make_plan: PlanMaker):
    plan = make_plan(
        reps="rep_id,rep_name,manager_id\nh,Head,\nm,Mia,h\na,Ann,m\nb,Bob,m\n",
        territories="territory_id,region\nt0,North\nt1,South\n",
        assignments="rep_id,territory_id,starts_on\na,t0,2024-01-01\nb,t1,2024-01-01\n",
        sales="sold_on,rep_id,amount\n2025-03-01,a,100\n2025-03-01,b,100\n",
        goals=None,
        products=None,
    )
    told = CliRunner().invoke(main, ["calendar", "--plan", str(plan.folder)])
    assert told.exit_code == 0, told.output
    place = Path(plan.folder) / "managers"
    assert sorted(path.name for path in place.iterdir()) == [
        "h-self-review.xlsx",
        "h.ics",
        "m-self-review.xlsx",
        "m.ics",
        "manager_time.csv",
    ]
    assert "h Head: " in told.output and "found no place" not in told.output
    time = pd.read_csv(place / "manager_time.csv")
    hours = time.groupby("manager_id")["planned_hours"].sum()
    for manager_id in "hm":
        content = (place / f"{manager_id}.ics").read_bytes()
        assert lengths(content) == pytest.approx(hours[manager_id], abs=0.5)
    one = ["calendar", "--manager", "m", "--activity", "one_on_one", "--plan", str(plan.folder)]
    assert CliRunner().invoke(main, one).exit_code == 0
    assert {str(e["SUMMARY"]) for e in events((place / "m.ics").read_bytes())} == {
        "One-on-one: Ann",
        "One-on-one: Bob",
    }
    wrong = CliRunner().invoke(main, ["calendar", "--manager", "x", "--plan", str(plan.folder)])
    assert wrong.exit_code == 3


def test_an_unknown_time_zone_is_named_with_the_nearest(make_plan: PlanMaker):
    plan = make_plan()
    path = plan.folder / "plan.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace("[plan]", '[plan]\ntime_zone = "Europe/Berlim"', 1), encoding="utf-8"
    )
    with pytest.raises(
        DataError, match=r"time_zone: 1 unknown label: .*did you mean 'Europe/Berlin'"
    ):
        load_plan(plan.folder)
