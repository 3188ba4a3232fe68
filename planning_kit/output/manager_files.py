"""What a manager takes along: the calendar of the year, and a sheet to look back every quarter."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5
from zoneinfo import ZoneInfo

import pandas as pd
import xlsxwriter
from icalendar import Calendar, Event

from planning_kit.output.workbook import SAFE
from planning_kit.plan import Settings

_TITLES = {
    "admin": "Administration",
    "customer_meeting": "Customer meetings",
    "field_work": "Day in the field",
    "industry_meeting": "Industry meeting",
    "market_reading": "Reading: market and competitors",
    "one_on_one": "One-on-one",
    "promised": "As promised in the agreement",
}
_QUESTIONS = (
    "What did I plan and not do, and what took its place?",
    "Whom did my coaching help, and how do I know?",
    "What do I change in the next quarter?",
)


def activity_title(activity: str) -> str:
    """Say an activity as a person would write it into a calendar."""
    return _TITLES.get(activity, activity.replace("_", " ").capitalize())


def write_calendar(appointments: pd.DataFrame, name: str, settings: Settings) -> bytes:
    """Write appointments as an iCalendar file (RFC 5545); same input, same bytes.

    An appointment keeps its id when it is written again, so that a calendar program moves it.
    Without a time zone in the settings the clock of whoever opens the file counts.

    Parameters
    ----------
    appointments
        manager_id, activity, rep_id, rep (the name), starts_at, hours, number; see
        `planning_kit.manager.diary`.
    name
        Of the calendar.
    settings
        Name and time zone of the plan.
    """
    calendar = Calendar()
    for key, value in (("prodid", "-//planning-kit//EN"), ("version", "2.0")):
        calendar.add(key, value)
    calendar.add("x-wr-calname", name)
    zone = ZoneInfo(settings.time_zone) if settings.time_zone else None
    first = settings.starts_on
    rows: Any = appointments.itertuples()
    for row in rows:
        starts = row.starts_at.to_pydatetime().replace(tzinfo=zone)
        month = f"{starts:%Y-%m}"
        who = (settings.name, row.manager_id, row.activity, row.rep_id, month, row.number)
        title = activity_title(row.activity)
        event = Event()
        event.add("uid", f"{uuid5(NAMESPACE_URL, '|'.join(map(str, who)))}@planning-kit")
        event.add("dtstamp", datetime(first.year, first.month, first.day, tzinfo=UTC))
        event.add("dtstart", starts)
        event.add("dtend", starts + timedelta(minutes=round(60 * row.hours)))
        event.add("summary", f"{title}: {row.rep}" if row.rep_id else title)
        event.add("categories", [title])
        calendar.add_component(event)
    if zone is not None:
        calendar.add_missing_timezones()
    return calendar.to_ical()


def write_self_review(
    goals: pd.DataFrame, hours: pd.DataFrame, name: str, settings: Settings
) -> bytes:
    """Write a workbook to fill with one sheet a quarter: goals, planned hours, three questions.

    Only the cells to fill are open; what was spent less what was planned is a formula.

    Parameters
    ----------
    goals, hours
        `ManagerPlan.goals` and `ManagerPlan.hours` of one manager.
    name
        Of the manager.
    settings
        Of the plan; its quarters count from its first month.
    """
    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(buffer, SAFE)
    title = f"{settings.name}: self-review of {name}"
    book.set_properties({"title": title, "created": pd.Timestamp(settings.starts_on)})
    looks: Mapping[str, Mapping[str, Any]] = {
        "title": {"bold": True, "font_size": 16},
        "head": {"bold": True, "bg_color": "#E4E7EB", "border": 1, "text_wrap": True},
        "text": {"text_wrap": True, "valign": "top"},
        "hours": {"num_format": "#,##0.0", "valign": "top"},
        "fill": {"bg_color": "#FFFBD6", "border": 1, "text_wrap": True, "locked": False},
    }
    formats = {key: book.add_format(look) for key, look in looks.items()}
    months = sorted(hours["month"].unique())
    for quarter in range(0, len(months), 3):
        part = hours[hours["month"].isin(months[quarter : quarter + 3])]
        _quarter(book, formats, f"Quarter {quarter // 3 + 1}", title, goals, part)
    book.close()
    return buffer.getvalue()


def _quarter(
    book: Any,
    formats: Mapping[str, Any],
    quarter: str,
    title: str,
    goals: pd.DataFrame,
    hours: pd.DataFrame,
) -> None:
    sheet = book.add_worksheet(quarter)
    sheet.write_string(0, 0, f"{title}, {quarter.lower()}", formats["title"])
    sheet.write_string(1, 0, f"{hours['month'].min():%B %Y} to {hours['month'].max():%B %Y}")
    goal_heads = ("Goal of the year", "By then", "Done so far", "What helps, what hinders")
    row = _heads(sheet, 3, goal_heads, formats)
    for text, value in zip(goals["goal"], goals["value"], strict=True):
        sheet.write_string(row, 0, text, formats["text"])
        sheet.write_number(row, 1, value, formats["hours"])
        row = _open(sheet, row, (2, 3), formats)
    heads = ("Hours of the quarter", "Planned", "Spent", "Why", "Spent less planned")
    row = _heads(sheet, row + 1, heads, formats)
    for activity, planned in hours.groupby("activity", sort=False)["hours"].sum().items():
        if planned > 0:
            sheet.write_string(row, 0, activity_title(str(activity)), formats["text"])
            sheet.write_number(row, 1, planned, formats["hours"])
            formula = f'=IF(ISNUMBER(C{row + 1}),C{row + 1}-B{row + 1},"")'
            sheet.write_formula(row, 4, formula, formats["hours"], "")
            row = _open(sheet, row, (2, 3), formats)
    for question in _QUESTIONS:
        sheet.write_string(row + 1, 0, question, formats["text"])
        sheet.merge_range(row + 1, 1, row + 1, 4, "", formats["fill"])
        sheet.set_row(row + 1, 45)
        row += 1
    for column, width in enumerate((44, 10, 12, 44, 12)):
        sheet.set_column(column, column, width)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    sheet.protect()


def _heads(sheet: Any, row: int, heads: Sequence[str], formats: Mapping[str, Any]) -> int:
    for column, text in enumerate(heads):
        sheet.write_string(row, column, text, formats["head"])
    return row + 1


def _open(sheet: Any, row: int, columns: Sequence[int], formats: Mapping[str, Any]) -> int:
    for column in columns:
        sheet.write_blank(row, column, None, formats["fill"])
    return row + 1
