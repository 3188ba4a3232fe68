"""What people say happened: open questions, and an answer or a note into the plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import pandas as pd

from planning_kit.data import Prepared, Region, open_inputs, prepare
from planning_kit.data.answers import add_answer, one_line
from planning_kit.messages import UsageError, finding, require_labels
from planning_kit.plan import COMPANY, Plan
from planning_kit.review import candidates, exclude_deals, questions, review_findings
from planning_kit.review.questions import PLANNER, QUESTION, said_by
from planning_kit.walk.step import Step

_ABOUT = ("rep_id", "territory_id", "product_line")


def open_questions(plan: Plan, prepared: Prepared) -> pd.DataFrame:
    """List what the review of every region asks, the largest amount first.

    Returns
    -------
    DataFrame
        ``region`` and the columns of `planning_kit.review.questions`, with ``answers`` (how many
        there are).
    """
    tables = []
    for inputs in _regions(plan, prepared):
        told = inputs.answers["question_id"].value_counts()
        asked = questions(inputs)
        counts = asked["question_id"].map(told).fillna(0).astype("int64")
        tables.append(asked.assign(region=inputs.name, answers=counts))
    return (
        pd.concat(tables, ignore_index=True)
        .sort_values(["amount", "question_id"], kind="stable")
        .drop_duplicates("question_id", ignore_index=True)
    )


def keep_answer(
    plan: Plan,
    text: str,
    speaker: str,
    to: str = "",
    kind: str = "",
    region: str = "",
    day: date | None = None,
    about: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Keep what somebody says in the plan, with name and date.

    Parameters
    ----------
    plan
        The plan.
    text
        The answer; it becomes one line.
    speaker
        Id of a person, or ``plan``.
    to
        Id of a question or another finding of the review; empty: a note nobody asked for.
    kind
        note, event or assumption; empty: assumption where ``day`` lies in the coming period or
        after, event where there are a day and a place, else note.
    region
        Whose finding ``to`` is, where it is no question; empty: the company's.
    day
        When it began or will begin; of an event that answers a question by default its first day.
    about
        ``rep_id``, ``territory_id``, ``product_line``; by default those of the question.

    Returns
    -------
    dict
        The row, with ``answer_id`` and ``what``: added or unchanged.

    Raises
    ------
    UsageError
        The text is empty or too long, an event has no place or day.
    DataError
        An id nobody knows, each with the nearest one.
    """
    prepared, plain = prepare(plan), one_line(text)
    labels = prepared.facts["labels"]["company"]
    require_labels([speaker], [PLANNER, *labels["rep_id"]], "who answers")
    require_labels([region] if region else [], [COMPANY, *prepared.regions], "region")
    given = {name: value for name, value in (about or {}).items() if value}
    for name, value in given.items():
        require_labels([value], labels[name], name)
    asked = _asked(plan, prepared, to, region) if to else {}
    place = {name: given.get(name) or str(asked.get(name) or "") for name in _ABOUT}
    first = day or (asked.get("starts_on") if kind == "event" else None)
    kind = kind or _kind(plan, day, place)
    if kind == "event" and not (first and (place["territory_id"] or place["rep_id"])):
        raise UsageError("an event needs a day and a territory or a person: --on, --territory.")
    row = {
        "question_id": to,
        "question": one_line(asked["question"]) if to else "",
        "answer": plain,
        "answered_by": speaker,
        "answered_on": date.today().isoformat(),
        "kind": kind,
        "region": str(asked.get("region", region)),
        **place,
        "starts_on": f"{first:%Y-%m-%d}" if first else "",
    }
    answer_id, is_new = add_answer(plan, row)
    return {"answer_id": answer_id, "what": "added" if is_new else "unchanged", **row}


def _kind(plan: Plan, day: date | None, place: Mapping[str, str]) -> str:
    if day and day >= plan.settings.starts_on:
        return "assumption"
    return "event" if day and (place["territory_id"] or place["rep_id"]) else "note"


def _regions(plan: Plan, prepared: Prepared) -> Iterator[Region]:
    """Open every region, then the company, as their reviews see them."""
    scenario = plan.scenario("base")
    for name in (*prepared.regions, None):
        inputs = open_inputs(plan, prepared, name)
        yield exclude_deals(inputs, scenario).inputs if scenario.review else inputs


def _asked(plan: Plan, prepared: Prepared, to: str, region: str) -> dict[str, Any]:
    """Find the question or finding that is answered."""
    if to.startswith(QUESTION):
        table = open_questions(plan, prepared)
        require_labels([to], set(table["question_id"]), "question")
        found = table.set_index("question_id").loc[to]
        return {str(k): v for k, v in found.items() if v == v}
    place = region or COMPANY
    inputs = next(one for one in _regions(plan, prepared) if one.name == place)
    table = review_findings(inputs).set_index("finding_id")
    require_labels([to], set(table.index), f"finding of {place}")
    return {"question": table.loc[to, "message"], "region": place}


def candidate_findings(step: Step) -> list[dict[str, str]]:
    """Say what people said of the coming year that no assumption cites yet."""
    cited = {entry.evidence for entry in step.scenario.assumptions.values()}
    rows = []
    for row in candidates(step.inputs).to_dict("records"):
        name = f"answer.{row['answer_id']}"
        if name in cited:
            continue
        text = said_by(step.inputs, {**row, "question_id": None})
        advice = f'take it into the register with low, base and high, and evidence = "{name}"'
        rows.append(
            finding(f"assumptions.candidate.{row['answer_id']}", "review", name, text, advice)
        )
    return rows
