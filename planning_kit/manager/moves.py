"""Hours that go to another month: those that a scenario moves, and those that could."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from planning_kit.plan.levers import MOVABLE, Move

_WORDS = {
    "customer_meeting": "customer meetings",
    "market_reading": "reading",
    "admin": "administration",
}


def move_hours(
    hours: pd.DataFrame, calendar: pd.DataFrame, moves: Sequence[Move]
) -> tuple[pd.DataFrame, list[tuple[str, Move, float]]]:
    """Move hours as the scenario says, and name what a month did not have.

    Parameters
    ----------
    hours
        One column an activity; rows as in ``calendar``.
    calendar
        manager_id and month.
    moves
        In the order written.

    Returns
    -------
    tuple
        The hours after the moves, which leave every year's sum as it was; and manager_id, move and
        the hours that were there, where these were fewer than asked.
    """
    moved, short = hours.copy(), []
    for move in moves:
        for manager_id in calendar["manager_id"].unique():
            if move.manager_id not in ("", manager_id):
                continue
            mine = calendar["manager_id"] == manager_id
            source, goal = (mine & (calendar["month"] == str(d)) for d in (move.month, move.to))
            if not goal.any():
                continue
            there = min(move.hours, float(moved.loc[source, move.activity].sum()))
            moved.loc[source, move.activity] -= there
            moved.loc[goal, move.activity] += there
            if there < move.hours:
                short.append((str(manager_id), move, there))
    return moved, short


def could_move(capacity: pd.DataFrame, hours: pd.DataFrame, day: float) -> pd.Series:
    """Say for every month that does not fit what would go into which other month.

    The fullest month of a manager chooses first, from what no day is bound to (`MOVABLE`), into the
    nearest month with slack, the later of two as near. Whole hours and whole days in the field.

    Parameters
    ----------
    capacity
        manager_id, month, slack.
    hours
        One column an activity; rows as in ``capacity``.
    day
        Hours of a day.
    """
    told = pd.Series("", capacity.index, dtype="str")
    for _, rows in capacity.groupby("manager_id"):
        slack, left = rows["slack"].to_dict(), hours.loc[rows.index, list(MOVABLE)]
        place = {row: number for number, row in enumerate(rows.index)}
        full = rows.loc[rows["slack"] < -1e-6, "slack"].sort_values(kind="stable")
        for month in full.index:
            parts = []
            near = sorted(place, key=lambda to: (abs(place[to] - place[month]), -place[to]))
            for turn, activity in enumerate((*MOVABLE, "field_work")):
                unit = day if activity == "field_work" else 1.0
                # A whole day only where it is short of one, or where nothing smaller is left.
                fits = np.floor if turn == 0 else np.ceil
                for to in near:
                    most = min(left.at[month, activity], slack[to])
                    count = min(fits(-slack[month] / unit - 1e-9), np.floor(most / unit + 1e-9))
                    if to == month or count < 1:
                        continue
                    slack[month] += count * unit
                    slack[to] -= count * unit
                    left.at[month, activity] -= count * unit
                    parts.append(_part(activity, int(count), capacity["month"][to]))
            if slack[month] < -1e-6:
                parts.append(f"{hours_text(-slack[month])} have no other month")
            told[month] = ", ".join(parts)
    return told


def hours_text(hours: float) -> str:
    """Write hours down, below one with a decimal."""
    return f"{hours:,.0f} h" if hours >= 1 else f"{hours:.1f} h"


def _part(activity: str, count: int, month: pd.Timestamp) -> str:
    what = f"{count} h of {_WORDS.get(activity, activity)}"
    if activity == "field_work":
        what = f"{count} days in the field" if count > 1 else "a day in the field"
    return f"{what} to {month:%B %Y}"
