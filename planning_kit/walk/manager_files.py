"""The managers' files: a calendar and a self-review sheet each, and next year's hours of all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from planning_kit.data import prepare
from planning_kit.manager import diary, planned_time
from planning_kit.messages import require_labels
from planning_kit.output.manager_files import write_calendar, write_self_review
from planning_kit.plan import COMPANY, Plan, folder_name, write_atomically
from planning_kit.steps import step_of
from planning_kit.walk.answers import manager_plan_of
from planning_kit.walk.notebook import NotebookStep


def write_manager_files(
    plan: Plan,
    scenario: str = "base",
    managers: Sequence[str] = (),
    activities: Sequence[str] = (),
    out: Path | None = None,
) -> pd.DataFrame:
    """Write the files of every manager, heads who lead managers too, by the plan of the company.

    There everybody is one person with one capacity, wherever their people work.

    Parameters
    ----------
    plan
        The plan; the agreement log counts as it is now.
    scenario
        Whose ``[levers]`` count.
    managers, activities
        Only these managers' files, only these activities in the calendars; by default all.
    out
        A folder; by default ``managers`` of the plan.

    Returns
    -------
    DataFrame
        manager_id, manager, calendar, self_review (files), hours (in the calendar) and
        hours_missing (those that found no place in a working day).

    Raises
    ------
    DataError
        A manager or an activity nobody knows.
    """
    place, folder = out or plan.folder / "managers", plan.runs_folder / "draft" / COMPANY
    name, chosen = step_of("06").name, plan.scenario(scenario)
    step = NotebookStep.open_at(name, plan, prepare(plan), None, chosen, folder)
    goals = manager_plan_of(step)
    known = goals.capacity["manager_id"].unique()
    require_labels(managers, known, "managers")
    require_labels(activities, goals.hours["activity"].unique(), "activities")
    days, settings = step.inputs.with_names(diary(goals)), step.inputs.settings
    rows = []
    for manager_id in managers or known:
        who, stem = step.name_of(manager_id), folder_name(str(manager_id))
        mine, hours = (t[t["manager_id"] == manager_id] for t in (days, goals.hours))
        shown = mine[mine["activity"].isin(activities)] if activities else mine
        title = f"{settings.name}: {who}"
        own_goals = goals.goals[goals.goals["manager_id"] == manager_id]
        files = {
            f"{stem}.ics": write_calendar(shown, title, settings),
            f"{stem}-self-review.xlsx": write_self_review(own_goals, hours, who, settings),
        }
        for file, content in files.items():
            write_atomically(place / file, content)
        missing = hours["hours"].sum() - mine["hours"].sum()
        paths = [str(place / file) for file in files]
        rows.append((manager_id, who, *paths, shown["hours"].sum(), max(0.0, round(missing, 1))))
    time = planned_time(goals.hours[goals.hours["manager_id"].isin([row[0] for row in rows])])
    write_atomically(place / "manager_time.csv", time.to_csv(index=False, lineterminator="\n"))
    columns = ["manager_id", "manager", "calendar", "self_review", "hours", "hours_missing"]
    return pd.DataFrame(rows, columns=columns)
