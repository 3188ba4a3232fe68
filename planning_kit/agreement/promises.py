"""What the company promises in return: dated, owned, and with the hours it costs."""

from __future__ import annotations

import json
import math
from datetime import date
from typing import Any

import pandas as pd

from planning_kit.messages import DataError
from planning_kit.plan import Settings, month_starts

PROMISE_COLUMNS = ("rep_id", "promise", "owner", "until", "hours", "said_by", "said_on", "line")
MOST_HOURS = 10_000.0


def promise_basis(owner: str, until: str, hours: str | float = 0.0) -> dict[str, str]:
    """Write down who owns a promise, until which day, and the hours it takes in all.

    Raises
    ------
    DataError
        A part is missing or is no day and no number.

    Examples
    --------
    >>> promise_basis("mia", "2026-03-31", 12)
    {'owner': 'mia', 'until': '2026-03-31', 'hours': '12'}
    """
    if not owner.strip():
        raise DataError("promise: name an owner.")
    try:
        day = date.fromisoformat(until)
    except ValueError:
        raise DataError(f"promise: until {until!r} is no day; write it like 2026-03-31.") from None
    try:
        amount = float(hours)
    except ValueError:
        amount = math.nan
    if not 0 <= amount <= MOST_HOURS:
        raise DataError(f"promise: hours are {hours!r}; write a number from 0 to {MOST_HOURS:,g}.")
    return {"owner": owner.strip(), "until": day.isoformat(), "hours": f"{amount:g}"}


def promises_of(events: pd.DataFrame) -> pd.DataFrame:
    """List the promises of a log, those that fall due first.

    Returns
    -------
    pandas.DataFrame
        ``rep_id`` (to whom), ``promise`` (in words), ``owner``, ``until`` (day), ``hours`` (in
        all), ``said_by``, ``said_on`` (day), ``line`` (of the log).
    """
    rows = []
    for line in events[events["kind"] == "promise"].to_dict("records"):
        said = json.loads(line["basis"])
        who, when = line["behalf"] or line["actor"], pd.Timestamp(line["time"][:10])
        until, hours = pd.Timestamp(said["until"]), float(said["hours"])
        rows.append(
            (
                line["rep_id"],
                line["reason"],
                said["owner"],
                until,
                hours,
                who,
                when,
                line["sequence"],
            )
        )
    table = pd.DataFrame(rows, columns=list(PROMISE_COLUMNS))
    kinds = {"until": "datetime64[us]", "said_on": "datetime64[us]", "hours": "float64"}
    texts = dict.fromkeys(("rep_id", "promise", "owner", "said_by"), "str")
    typed = table.astype({**kinds, **texts, "line": "int64"})
    return typed.sort_values(["until", "rep_id", "line"], ignore_index=True)


def promised_hours(promises: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Spread the hours of every promise evenly over the plan's months up to the one it is due in.

    Returns
    -------
    pandas.DataFrame
        ``manager_id`` (the owner), ``rep_id`` (to whom), ``month``, ``hours``.
    """
    months = pd.to_datetime(month_starts(settings.starts_on, settings.ends_on))
    parts, last = [], pd.Timestamp(settings.ends_on)
    rows: Any = promises[promises["hours"] > 0].itertuples()
    for row in rows:
        until = min(max(row.until, months[0]), last)
        given = min(row.said_on, until).replace(day=1)
        due = months[(months <= until) & (months >= given)]
        given_to = {"manager_id": row.owner, "rep_id": row.rep_id, "month": due}
        parts.append(pd.DataFrame({**given_to, "hours": row.hours / len(due)}))
    kinds = {"manager_id": "str", "rep_id": "str", "month": "datetime64[us]", "hours": "float64"}
    table = (pd.concat(parts) if parts else pd.DataFrame(columns=list(kinds))).astype(kinds)
    sums: pd.DataFrame = table.groupby(list(kinds)[:-1], as_index=False).sum()
    return sums
