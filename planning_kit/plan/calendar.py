"""Months and periods of a plan."""

from __future__ import annotations

import calendar
from datetime import date


def add_months(day: date, months: int) -> date:
    """Move a day by whole months; a day the month does not have becomes its last one.

    Examples
    --------
    >>> add_months(date(2024, 1, 31), 1)
    datetime.date(2024, 2, 29)
    """
    count = day.year * 12 + day.month - 1 + months
    year, month = divmod(count, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(day.day, last))


def months_between(starts_on: date, ends_on: date) -> int:
    """Count the calendar months a period touches.

    Examples
    --------
    >>> months_between(date(2026, 1, 1), date(2026, 12, 31))
    12
    """
    return (ends_on.year - starts_on.year) * 12 + ends_on.month - starts_on.month + 1


def month_starts(starts_on: date, ends_on: date) -> list[date]:
    """List the first day of every calendar month of a period."""
    first = starts_on.replace(day=1)
    return [add_months(first, k) for k in range(months_between(starts_on, ends_on))]
