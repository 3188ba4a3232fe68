"""The planned hours of managers as appointments, and as next year's table ``manager_time``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from planning_kit.data import OFF, empty_table
from planning_kit.manager.hours import ManagerPlan

DIARY_COLUMNS = ("manager_id", "activity", "rep_id", "starts_at", "hours", "number")
STEPS_AN_HOUR = 12  # appointments begin and end on five minutes
_LONGEST = 2.0  # hours of an appointment that takes no whole day
_EVENTS = {"trade_show": "trade show", "industry_meeting": "meeting"}
_WHOLE_DAYS = (*_EVENTS, "field_work")
_ORDER = (*_WHOLE_DAYS, "promised", "one_on_one", "coaching", "customer_meeting", "planning")


def planned_time(hours: pd.DataFrame) -> pd.DataFrame:
    """Give planned hours in the form of next year's table ``manager_time``.

    Parameters
    ----------
    hours
        `ManagerPlan.hours`.

    Returns
    -------
    DataFrame
        The canonical columns; ``actual_hours`` is empty. An activity nobody plans has no rows.
    """
    any_at_all = hours.groupby(["manager_id", "activity"])["hours"].transform("sum") > 0
    planned = (
        hours[any_at_all].rename(columns={"hours": "planned_hours"}).round({"planned_hours": 2})
    )
    return planned.reindex(columns=empty_table("manager_time").columns)


def diary(plan: ManagerPlan) -> pd.DataFrame:
    """Lay the hours of every manager into the working days of their months.

    What the table ``calendar`` dates stands on its day; then whole days, then talks and the rest
    in pieces of at most two hours, each on the day of its month that has most room, the earlier of
    two. Days begin at nine, or as early as they must. By activity the year adds up to the plan to
    five minutes; what a month has no room for is left out.

    Returns
    -------
    DataFrame
        manager_id, activity, rep_id (with whom; empty: nobody), starts_at, hours, number (of the
        appointment with the same manager, activity, person and month, from 1), by start.
    """
    day = plan.levers.hours_a_day
    rows: list[tuple[Any, ...]] = []
    begins = pd.Timedelta(hours=max(0.0, min(9.0, 24.0 - day)))
    whole, longest = round(day * STEPS_AN_HOUR), round(_LONGEST * STEPS_AN_HOUR)
    off = plan.days[plan.days["kind"].isin(OFF)].groupby(["manager_id", "day"])["hours"].sum()
    groups: Any = _items(plan).groupby(["manager_id", "month"])
    for (manager_id, month), wanted in groups:
        days = pd.bdate_range(month, month + pd.offsets.MonthEnd(0))
        room = {one: whole - round(off.get((manager_id, one), 0.0) * STEPS_AN_HOUR) for one in days}
        free, counts = Counter(room), Counter[tuple[str, str]]()
        for item in wanted.to_dict("records"):
            left, who = int(item["steps"]), (item["activity"], item["rep_id"])
            most = whole if item["activity"] in _WHOLE_DAYS else longest
            while left > 0:
                on, take = item["day"], left
                if pd.isna(on):
                    on = max(room, key=free.__getitem__, default=month)
                    take = min(left, most, free[on])
                if take <= 0:
                    break
                counts[who] += 1
                minutes = 60 * (room.get(on, 0) - free[on]) // STEPS_AN_HOUR
                starts = on + begins + pd.Timedelta(minutes=minutes)
                rows.append((manager_id, *who, starts, take / STEPS_AN_HOUR, counts[who]))
                free[on] -= take
                left -= take
    table = pd.DataFrame(rows, columns=list(DIARY_COLUMNS))
    table = table.astype({"starts_at": "datetime64[us]", "hours": "float64", "number": "int64"})
    return table.sort_values(["manager_id", "starts_at"], kind="stable", ignore_index=True)


def _items(plan: ManagerPlan) -> pd.DataFrame:
    """List what has to find a place, in the order in which it does, in steps of five minutes."""
    columns = ["manager_id", "month", "activity", "rep_id", "day", "hours"]
    table = pd.DataFrame([*_events(plan), *_alone(plan), *_with_people(plan)], columns=columns)
    table = table.astype({"day": "datetime64[us]", "hours": "float64"})
    rank = {name: place for place, name in enumerate(_ORDER)}
    table["rank"] = table["activity"].map(rank).fillna(len(rank))
    table = table[table["hours"] > 0].sort_values(
        ["manager_id", "activity", "month", "day", "rep_id"], kind="stable"
    )
    done = (table.groupby(["manager_id", "activity"])["hours"].cumsum() * STEPS_AN_HOUR).round()
    before = done.groupby([table["manager_id"], table["activity"]]).shift(1).fillna(0.0)
    return table.assign(steps=done - before).sort_values(
        ["manager_id", "month", "rank"], kind="stable"
    )


def _events(plan: ManagerPlan) -> Iterator[tuple[Any, ...]]:
    for activity, kind in _EVENTS.items():
        rows: Any = plan.days[plan.days["kind"] == kind].itertuples()
        yield from ((r.manager_id, r.month, activity, "", r.day, r.hours) for r in rows)


def _alone(plan: ManagerPlan) -> Iterator[tuple[Any, ...]]:
    dated = {(m, k) for m, k in plan.days[["manager_id", "kind"]].itertuples(index=False)}
    rows: Any = plan.hours.itertuples()
    for row in rows:
        stands = (row.manager_id, _EVENTS.get(row.activity)) in dated
        if row.activity not in ("one_on_one", "coaching", "field_work") and not stands:
            yield row.manager_id, row.month, row.activity, "", None, row.hours


def _with_people(plan: ManagerPlan) -> Iterator[tuple[Any, ...]]:
    """Share talks among the people of a month; days in the field go to one after the other."""
    people: Any = plan.people.sort_values(["manager_id", "month", "rep_id"]).itertuples()
    team: dict[tuple[str, pd.Timestamp], list[str]] = {}
    for row in people:
        team.setdefault((row.manager_id, row.month), []).append(row.rep_id)
        yield row.manager_id, row.month, "coaching", row.rep_id, None, row.hours
    turn: dict[str, int] = {}
    rows: Any = plan.hours[plan.hours["activity"].isin(["one_on_one", "field_work"])].itertuples()
    for row in rows:
        here = team.get((row.manager_id, row.month), [""])
        if row.activity == "one_on_one":
            for rep_id in here:
                yield row.manager_id, row.month, "one_on_one", rep_id, None, row.hours / len(here)
            continue
        for hours in np.diff(
            [*np.arange(0.0, row.hours, plan.levers.hours_a_day or 1.0), row.hours]
        ):
            place = turn[row.manager_id] = turn.get(row.manager_id, -1) + 1
            yield row.manager_id, row.month, "field_work", here[place % len(here)], None, hours
