"""What a manager takes along: the calendar of the year, and a sheet to look back every quarter."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
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
_GOAL_HEADS = ("Goal of the year", "In the year", "Done so far", "What helps, what hinders")
_HOUR_HEADS = ("Hours of the quarter", "Planned", "Spent", "Why", "Spent less planned")
_OVER = '=IF(ISNUMBER(C{0}),C{0}-B{0},"")'
_LOOKS: Mapping[str, Mapping[str, Any]] = {
    "title": {"bold": True, "font_size": 16},
    "head": {"bold": True, "bg_color": "#E4E7EB", "border": 1, "text_wrap": True},
    "text": {"text_wrap": True, "valign": "top", "align": "left"},
    "hours": {"num_format": "#,##0.0", "valign": "top"},
    "fill": {"bg_color": "#FFFBD6", "border": 1, "text_wrap": True, "locked": False},
}
_BLANK = (("text", ""), ("text", ""))
_Cell = tuple[str, str | float | None]  # how it looks, and what it holds


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
    own_id = uuid5(NAMESPACE_URL, f"{settings.name}|{name}")
    calendar = Calendar.new(prodid="-//planning-kit//EN", name=name, uid=own_id)
    zone = ZoneInfo(settings.time_zone) if settings.time_zone else None
    stamp = datetime.combine(settings.starts_on, time(), UTC)
    rows: Any = appointments.itertuples()
    for row in rows:
        starts = row.starts_at.to_pydatetime().replace(tzinfo=zone)
        month = f"{starts:%Y-%m}"
        who = (settings.name, row.manager_id, row.activity, row.rep_id, month, row.number)
        title = activity_title(row.activity)
        event = Event.new(
            uid=f"{uuid5(NAMESPACE_URL, '|'.join(map(str, who)))}@planning-kit",
            stamp=stamp,
            start=starts,
            end=starts + timedelta(minutes=round(60 * row.hours)),
            summary=f"{title}: {row.rep}" if row.rep_id else title,
            categories=[title],
        )
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
    formats = {key: book.add_format(dict(look)) for key, look in _LOOKS.items()}
    months = sorted(hours["month"].unique())
    for first in range(0, len(months), 3):
        part = hours[hours["month"].isin(months[first : first + 3])]
        quarter = f"Quarter {first // 3 + 1}"
        period = f"{part['month'].min():%B %Y} to {part['month'].max():%B %Y}"
        planned = part.groupby("activity", sort=False)["hours"].sum()
        rows: list[list[_Cell]] = [
            [("title", f"{title}, {quarter.lower()}")],
            [("text", period)],
            [],
        ]
        rows += _section(_GOAL_HEADS, zip(goals["goal"], goals["value"], strict=True))
        titled = [(activity_title(str(name)), h) for name, h in planned.items() if h > 0]
        rows += [[], *_section(_HOUR_HEADS, titled), []]
        rows += [[("text", ask), *_BLANK, ("fill", None)] for ask in _QUESTIONS]
        _write_rows(book.add_worksheet(quarter), rows, formats)
    book.close()
    return buffer.getvalue()


def _section(heads: Sequence[str], lines: Iterable[tuple[str, float]]) -> list[list[_Cell]]:
    rows: list[list[_Cell]] = [[("head", head) for head in heads]]
    for text, value in lines:
        over = [("hours", _OVER)] if heads == _HOUR_HEADS else []
        number = ("hours", float(value)) if over else ("text", round(float(value), 1))
        rows.append([("text", text), number, ("fill", None), ("fill", None), *over])
    return rows


def _write_rows(sheet: Any, rows: Sequence[Sequence[_Cell]], formats: Mapping[str, Any]) -> None:
    for row, cells in enumerate(rows):
        for column, (look, value) in enumerate(cells):
            where = (row, column)
            if value is None:
                sheet.write_blank(*where, None, formats[look])
            elif isinstance(value, float):
                sheet.write_number(*where, value, formats[look])
            elif value == _OVER:
                sheet.write_formula(*where, _OVER.format(row + 1), formats[look], "")
            else:
                sheet.write_string(*where, value, formats[look])
    for column, width in enumerate((44, 12, 12, 60, 12)):
        sheet.set_column(column, column, width)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    sheet.protect()
