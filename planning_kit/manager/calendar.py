"""The working time of managers: working days less the holidays and leave of the table ``calendar``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from planning_kit.data import OFF, working_days
from planning_kit.plan import ManagerLevers, Settings, month_starts

KEYS = ["manager_id", "month"]


def working_time(
    settings: Settings, managers: Sequence[str], booked: pd.DataFrame, levers: ManagerLevers
) -> pd.DataFrame:
    """Give the working days and hours of every manager and month.

    Where the table gives leave of a manager it counts instead of ``leave_share``; without, the
    share is taken off what holidays leave.

    Returns
    -------
    DataFrame
        manager_id, month, number (of the month, from 0), working_days (Monday to Friday less
        holidays), hours_in_all.
    """
    months = month_starts(settings.starts_on, settings.ends_on)
    starts = pd.DatetimeIndex(months).as_unit("us")
    calendar = pd.DataFrame(
        {
            "month": starts,
            "number": range(len(months)),
            "working_days": working_days(starts)[0].astype(np.int64),
        }
    )
    people = pd.DataFrame({"manager_id": pd.Series(managers, dtype="str")})
    table = people.merge(calendar, how="cross")
    nothing = pd.Series(0.0, table.index)
    free, leave = (hours_booked(booked, table, kind, nothing) for kind in OFF)
    whole = booked["hours"] >= levers.hours_a_day
    days = booked[(booked["kind"] == "holiday") & whole].groupby(KEYS).size()
    rows = pd.MultiIndex.from_frame(table[KEYS])
    off = days.reindex(rows, fill_value=0).to_numpy()
    says = booked.loc[booked["kind"] == "leave", "manager_id"]
    share = np.where(table["manager_id"].isin(says), 0.0, levers.leave_share)
    there = (table["working_days"] * levers.hours_a_day - free) * (1.0 - share) - leave
    table["working_days"] -= off
    return table.assign(hours_in_all=there.clip(lower=0.0))


def hours_booked(
    booked: pd.DataFrame, table: pd.DataFrame, kind: str, otherwise: pd.Series
) -> pd.Series:
    """Give the hours of a kind by the rows of a table; ``otherwise`` of whom the calendar has none."""
    rows = booked[booked["kind"] == kind]
    sums = rows.groupby(KEYS)["hours"].sum().reindex(pd.MultiIndex.from_frame(table[KEYS]))
    hours = pd.Series(sums.fillna(0.0).to_numpy(dtype=float), table.index)
    return hours.where(table["manager_id"].isin(rows["manager_id"]), otherwise)
