"""What the page of one person says: goals, activity, prices, pipeline and promises that fit together."""

from __future__ import annotations

import pandas as pd

from planning_kit import metrics, review
from planning_kit.output.person_page import NUMBERS, PersonPage
from planning_kit.walk.expected import outlook_of
from planning_kit.walk.letters import last_day
from planning_kit.walk.notebook import NotebookStep
from planning_kit.walk.one_on_one import names_of_people
from planning_kit.walk.split import chosen_person
from planning_kit.walk.talks import goal_cells, goals_of, metric_goals, person_months, promises
from planning_kit.walk.to_date import to_date


def person_page(step: NotebookStep, rep_id: str = "") -> PersonPage:
    """Put everything of one person on a page.

    Parameters
    ----------
    rep_id
        Whose; by default whose goal moved most.

    Raises
    ------
    DataError
        Nobody of that id has a goal here; the nearest id is named.
    """
    inputs, goals = step.inputs, goals_of(step)
    rep_id = chosen_person(step, rep_id)
    names, above = names_of_people(step), inputs.managers_above(rep_id)[:1]
    basis = goals.by("rep").set_index("rep_id")["basis"]
    cells = inputs.with_names(_of(goal_cells(step), rep_id))
    return PersonPage(
        inputs,
        last_day(step, goals),
        rep_id,
        "".join(names.get(who, who) for who in above),
        str(basis[rep_id]),
        cells.reindex(columns=[*cells, *({"territory", "product"} - {*cells})]),
        person_months(step, rep_id),
        _of(metrics.price_goals(inputs), rep_id),
        _numbers(step, rep_id),
        _of(promises(step), rep_id),
    )


def _of(table: pd.DataFrame, rep_id: str) -> pd.DataFrame:
    return table[table["rep_id"] == rep_id].reset_index(drop=True)


def _numbers(step: NotebookStep, rep_id: str) -> pd.DataFrame:
    goal = _of(goals_of(step).by("rep"), rep_id)[["rep_id", "goal"]].dropna()
    year = to_date(step)
    before = year.empty
    year = outlook_of(step).chances(goal) if before else year
    if before:
        year = year.drop(columns=["expected"]).merge(
            outlook_of(step).ranges(["rep_id"]), how="left"
        )
    start = metrics.pipeline_start(step.inputs, metric_goals(step))
    ratios = review.closing_ratios(step.inputs).rename(columns={"ratio": "closing_ratio"})
    tables = (year, ratios, review.funnel_rates(step.inputs), metric_goals(step), start)
    rows = []
    for name in NUMBERS:
        own = next((t for table in tables if name in table and len(t := _of(table, rep_id))), None)
        if own is not None:
            ends = ("low", "high") if name in ("expected", "closing_ratio") else ()
            found = own.reindex(columns=[name, *(ends or ("", ""))]).iloc[0]
            rows.append((name, *found.astype(float)))
    return pd.DataFrame(rows, columns=["what", "value", "low", "high"])
