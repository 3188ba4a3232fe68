"""What the plan has of its inputs."""

from __future__ import annotations

import pandas as pd

from planning_kit.data import Region
from planning_kit.walk.step import Step

_FEEDS = {
    "reps": "everything: who carries a goal",
    "territories": "everything: which region a sale belongs to",
    "assignments": "everything: who held what when",
    "sales": "results, growth, season, baseline",
    "products": "product lines, price and mix, margin",
    "goals": "attainment, fairness, ratchet",
    "proposals": "agreement, how good past proposals were",
    "opportunities": "closing ratios, pipeline, cycle",
    "activities": "presentations and prospects a sale needs",
    "assumptions": "last year's register and its replay",
    "events": "effects of competitors and price changes",
    "evidence": "what stands behind proposals, and its coverage",
    "answers": "what people say happened, beside the findings; events and candidates of the register",
    "manager_time": "planned and spent hours of managers",
    "calendar": "holidays, leave, meetings and trade shows in the hours of managers",
}


def data_coverage(step: Step) -> pd.DataFrame:
    """Say of every table what the plan has of it, and what it feeds.

    Returns
    -------
    pandas.DataFrame
        ``table``, ``rows``, ``first_day``, ``last_day``, ``feeds``, ``empty_columns``, ``unread``
        (columns of the extract that nothing reads).
    """
    facts = step.prepared.facts
    rows = []
    for entry in facts["coverage"]:
        name = entry["table"]
        unread = facts["unused"].get(name, [])
        rows.append(
            {
                "table": name,
                "rows": entry["rows"],
                "first_day": entry["first_day"] or "",
                "last_day": entry["last_day"] or "",
                "feeds": _FEEDS[name] if entry["rows"] else f"not there; closes: {_FEEDS[name]}",
                "empty_columns": ", ".join(entry["empty_columns"]) if entry["rows"] else "",
                "unread": ", ".join(unread),
            }
        )
    return pd.DataFrame(rows)


def monthly_sales(inputs: Region) -> pd.DataFrame:
    """Sum the region's sales by month, plan currency."""
    return inputs.sales.groupby("month")[["amount"]].sum(min_count=1).reset_index()


def team(inputs: Region) -> pd.DataFrame:
    """List the people of the region who carry a goal in the coming period, by id."""
    return inputs.team()


def answers(inputs: Region) -> pd.DataFrame:
    """List what people answered and noted here, the newest first."""
    order = ["answered_on", "answer_id"]
    return inputs.answers.sort_values(order, ascending=[False, True], ignore_index=True)
