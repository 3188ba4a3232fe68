"""Working days of months, of people while they are there, and the days they have off."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from planning_kit.data.region import Region

OFF = ("holiday", "leave")  # kinds of the table `calendar` on which nobody works


def working_days(
    months: pd.DatetimeIndex, since: pd.Series | None = None, until: pd.Series | None = None
) -> np.ndarray:
    """Count the days from Monday to Friday of every month, of people only while they are there.

    Parameters
    ----------
    months
        First days of months.
    since, until
        First and last day of every person, in one order; empty: from ever, for good. None: no
        people are asked about, one row for all.

    Returns
    -------
    array of float
        People x months.

    Examples
    --------
    >>> months = pd.date_range("2026-01-01", periods=3, freq="MS")
    >>> hired, left = pd.Series([pd.Timestamp("2026-02-16")]), pd.Series([pd.NaT])
    >>> working_days(months).tolist(), working_days(months, hired, left).tolist()
    ([[22.0, 20.0, 22.0]], [[0.0, 10.0, 22.0]])
    """
    first = months.to_numpy(dtype="datetime64[D]")[None, :]
    after = (months + pd.DateOffset(months=1)).to_numpy(dtype="datetime64[D]")[None, :]
    if since is not None and until is not None:
        hired = pd.to_datetime(since).fillna(months[0]).to_numpy(dtype="datetime64[D]")[:, None]
        gone = pd.to_datetime(until).to_numpy(dtype="datetime64[D]")[:, None] + 1
        first = np.maximum(first, hired)
        after = np.where(np.isnat(gone), after, np.minimum(after, gone))
    return np.maximum(np.busday_count(first, np.maximum(first, after)), 0).astype(float)


def days_booked(
    inputs: Region, people: Collection[str], months: pd.DatetimeIndex, hours_a_day: float
) -> pd.DataFrame:
    """List what the table ``calendar`` holds of everybody in these months.

    A row of a region concerns those at home there; one that names nobody concerns everybody.

    Parameters
    ----------
    months
        First days of months, ascending.
    hours_a_day
        Of a whole working day; what the table says without hours takes one.

    Returns
    -------
    DataFrame
        rep_id, month, day, kind, hours. Holidays and leave of weekends are left out, and a day off
        takes no more hours than it has.
    """
    days = inputs.calendar
    last = months[-1] + pd.offsets.MonthEnd(0)
    days = days[days["day"].between(months[0], last)]
    days = days.assign(whose=days["manager_id"].fillna(days["rep_id"]))
    days = days[days["whose"].isna() | days["whose"].isin(people)].drop(columns="rep_id")
    home = inputs.reps.drop_duplicates("rep_id").set_index("rep_id")["current_region"]
    table = pd.DataFrame({"rep_id": pd.Series(list(people), dtype="str")})
    table = table.assign(home=table["rep_id"].map(home)).merge(days, how="cross")
    here = table["region"].isna() | (table["region"] == table["home"])
    table = table[(table["whose"] == table["rep_id"]) | (table["whose"].isna() & here)]
    table = table.assign(
        hours=table["hours"].fillna(hours_a_day),
        month=table["day"].dt.to_period("M").dt.start_time.astype("datetime64[us]"),
    )
    table = table[~(table["kind"].isin(OFF) & (table["day"].dt.day_of_week > 4))]
    once = table.groupby(["rep_id", "month", "day", "kind"], as_index=False)["hours"].max()
    # A holiday in the middle of leave is no day of leave: holidays sort first.
    before = once["hours"].where(once["kind"].isin(OFF), 0.0)
    before = before.groupby([once["rep_id"], once["day"]]).cumsum() - before
    room = (hours_a_day - before).clip(lower=0.0)
    once["hours"] = once["hours"].where(~once["kind"].isin(OFF), np.minimum(once["hours"], room))
    return once


def days_off(inputs: Region, people: pd.Index, months: pd.DatetimeIndex) -> np.ndarray:
    """Count the holidays and leave of people in the table ``calendar``, while they are there.

    Returns
    -------
    array of float
        Days, people x months; a row of fewer hours is a part of a day of
        ``hours_a_month / working days of an average month``.
    """
    if inputs.calendar.empty or not len(people):
        return np.zeros((len(people), len(months)))
    day = inputs.settings.hours_a_month / working_days(months).mean()
    off = days_booked(inputs, people, months, day)
    off = off[off["kind"].isin(OFF)]
    reps = inputs.reps.drop_duplicates("rep_id").set_index("rep_id")
    hired, gone = (off["rep_id"].map(reps[name]) for name in ("hired_on", "left_on"))
    off = off[~(off["day"] < hired) & ~(off["day"] > gone)]
    hours = off.pivot_table(index="rep_id", columns="month", values="hours", aggfunc="sum")
    return hours.reindex(index=people, columns=months).fillna(0.0).to_numpy(dtype=float) / day
