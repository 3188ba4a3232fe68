"""What the panel shows of a `Desk`, as plain data: numbers as they are, and texts for people."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import pandas as pd

from planning_kit.messages import PlanningError
from planning_kit.messages.amounts import chance_text, money_text, share_text
from planning_kit.walk import Step
from planning_kit.walk.differences import Comparison, compare, differences
from planning_kit.walk.levers import LEVERS, Lever, moved_step
from planning_kit.walk.split import allocation_steps
from planning_kit.walk.what_if import Answer
from planning_kit.widgets.desk import NOW, Desk

_DRAWN = 20  # people in the picture, the last of them the rest
_COLUMNS = (  # key, label, kind, whether it can be edited, what it is
    ("rep_name", "person", "name", False, "Click for the steps of the goal"),
    ("last_year", "last year", "amount", False, "Sold in the reviewed year"),
    ("last_goal", "last goal", "amount", False, "Goal of the reviewed year"),
    ("expected", "expected", "amount", False, "What the coming year is likely to bring"),
    ("goal", "goal", "amount", True, "Type an amount to hold the goal there; empty lets it go"),
    ("change", "change", "amount", False, "Against the scenario as it was opened"),
    ("chance", "chance", "chance", False, "Of reaching the goal"),
    ("hold", "hold", "flag", True, "Held at this goal while others move"),
    ("least", "least", "amount", True, "The goal is at least this"),
    ("most", "most", "amount", True, "The goal is at most this"),
    ("note", "note", "text", True, "Why it is held or limited"),
)
_EDITED = tuple(key for key, _, _, edit, _ in _COLUMNS if edit)
_SUMMED = ("last_year", "last_goal", "expected", "goal", "change")
_DRAWN_AMOUNTS = ("goal", "expected", "last_year")


def panel_view(desk: Desk) -> dict[str, Any]:
    """Give everything the panel shows of a desk, see the comments of ``panel.js``."""
    answer, step = desk.answer, desk.step
    settings = step.inputs.settings
    people = answer.people
    return {
        "digest": answer.digest,
        "cards": [asdict(card) for card in answer.cards],
        "message": answer.message,
        "ways": [way.text for way in answer.ways],
        "levers": [_lever(desk, lever) for lever in LEVERS.values()],
        "columns": _columns(settings.currency),
        "rows": _rows(people),
        "errors": _errors(desk),
        "totals": {key: float(people[key].sum()) for key in _SUMMED},
        "gap": None if math.isnan(answer.gap) else answer.gap,
        "digits": 2 if settings.rounding_unit < 1 else 0,
        "picture": _picture(people, settings.currency) if not answer.message else [],
        "person": _person(desk, answer),
        "scenarios": step.plan.scenario_names(),
        "compared": _compared(desk),
        "file": {"is_changed": desk.is_changed, "is_overtaken": desk.file.is_overtaken},
        "said": desk.said,
        "can_undo": bool(desk.past),
        "can_redo": bool(desk.future),
    }


def _columns(currency: str) -> list[dict[str, Any]]:
    names = ("key", "label", "kind", "edit", "help")
    columns = [dict(zip(names, column, strict=True)) for column in _COLUMNS]
    return [one | {"unit": currency if one["kind"] == "amount" else ""} for one in columns]


def _rows(people: pd.DataFrame) -> list[dict[str, Any]]:
    keys = [key for key, *_ in _COLUMNS]
    columns = [_plain(people[key]) for key in keys]
    locks = [dict.fromkeys(_EDITED, why) if why else {} for why in people["locks"]]
    values = [dict(zip(keys, row, strict=True)) for row in zip(*columns, strict=True)]
    rows = zip(people["rep_id"], values, locks, strict=True)
    return [{"id": rep_id, "values": value, "locks": lock} for rep_id, value, lock in rows]


def _plain(column: pd.Series) -> list[Any]:
    return [None if x != x else x for x in column.tolist()]


def _errors(desk: Desk) -> dict[str, dict[str, dict[str, str]]]:
    found: dict[str, dict[str, dict[str, str]]] = {}
    for place, (text, message) in desk.wrong.items():
        if isinstance(place, tuple):
            found.setdefault(place[0], {})[place[1]] = {"text": text, "message": message}
    return found


def _lever(desk: Desk, lever: Lever) -> dict[str, Any]:
    step, wrong = desk.step, desk.wrong.get(lever.key)
    try:
        value = lever.value(step, desk.now)
        is_as_opened = lever.read(step, desk.now) is None
    except PlanningError:
        value, is_as_opened = None, False
    settings, is_amount = step.inputs.settings, lever.kind == "amount"
    return {
        "key": lever.key,
        "label": lever.label,
        "kind": lever.kind,
        "unit": settings.currency if is_amount else "",
        "value": value,
        "text": lever.text(step, value).removesuffix(f" {settings.currency}"),
        "as_in_scenario": is_as_opened,
        "least": lever.least,
        "most": 2.0 * step.inputs.target if is_amount else lever.most,
        "step": settings.rounding_unit if is_amount else lever.step,
        "choices": [[choice, choice.replace("_", " ")] for choice in lever.choices],
        "error": wrong and {"text": wrong[0], "message": wrong[1]},
    }


def _picture(people: pd.DataFrame, currency: str) -> list[dict[str, Any]]:
    """Draw those whose goals moved most, then the largest goals; sum up the rest."""
    by_move = people.assign(size=people["change"].abs().fillna(0.0))
    ranked = by_move.sort_values(["size", "goal", "rep_id"], ascending=[False, False, True])
    drawn = ranked if len(ranked) <= _DRAWN else ranked.head(_DRAWN - 1)
    drawn = drawn.sort_values(["goal", "rep_id"], ascending=[False, True], kind="stable")
    rows = [_drawn_row(row, currency) for row in drawn.to_dict("records")]
    rest = ranked.iloc[len(drawn) :]
    if len(rest):
        amounts = rest[["goal", "last_year", "expected"]].mean()
        name = f"{len(rest)} others, on average"
        rows.append(_drawn_row({"rep_name": name, "held_by": "", **amounts}, currency))
    return [{**row, "place": place} for place, row in enumerate(rows, 1)]


def _drawn_row(row: dict[Any, Any], currency: str) -> dict[str, Any]:
    amounts = {key: None if row[key] != row[key] else row[key] for key in _DRAWN_AMOUNTS}
    said = [f"{key.replace('_', ' ')} {money_text(x, currency)}" for key, x in amounts.items()]
    held = row["held_by"]
    words = ", ".join([*said, *([f"held by: {held}"] if held else [])])
    return {
        "name": row["rep_name"],
        **amounts,
        "held": held,
        "words": f"{row['rep_name']}: {words}",
    }


def _person(desk: Desk, answer: Answer) -> dict[str, Any] | None:
    """Give the steps of one person's goal, which add up to it."""
    row = answer.people[answer.people["rep_id"] == desk.person]
    if row.empty or answer.message:
        return None
    settings = desk.step.inputs.settings
    steps = allocation_steps(moved_step(desk.step, desk.now))
    own = steps[(steps["rep_id"] == desk.person) & (steps["amount"] != 0)]
    amounts = [*zip(own["step"], own["amount"], strict=True), ("goal", row["goal"].item())]
    (one,) = row.to_dict("records")
    chance = f"Chance of reaching it: {chance_text(one['chance'])}."
    held = f"Held by: {one['held_by']}." if one["held_by"] else "Nothing holds it."
    return {
        "name": one["rep_name"],
        "words": [f"{chance} {held}", *([f"It was {one['locks']}."] if one["locks"] else [])],
        "steps": [
            [step.replace("_", " "), money_text(x, settings.currency, settings.rounding_unit)]
            for step, x in amounts
        ],
    }


def _compared(desk: Desk) -> list[dict[str, Any]]:
    """Write the chosen scenarios side by side, then what makes each differ from the first."""
    if len(desk.compared) < 2:
        return []
    step = desk.step
    scenarios = {
        name: desk.now if name == NOW else step.plan.scenario(name) for name in desk.compared
    }
    found = compare(step, scenarios)
    first, *others = scenarios
    tables = [_side_by_side(step, found, list(scenarios))]
    for name in (other for other in others if {first, other}.isdisjoint(found.messages)):
        parts = differences(step, scenarios[first], scenarios[name])
        tables.append(_parts(parts, f"{name} against {first}: what makes the difference", step))
    said = [[name, message] for name, message in found.messages.items()]
    if said:
        tables.append({"caption": "Without a result", "heads": ["scenario", "why"], "rows": said})
    return tables


def _side_by_side(step: Step, found: Comparison, names: list[str]) -> dict[str, Any]:
    settings = step.inputs.settings
    known = found.people.assign(
        text=[
            f"{money_text(goal, settings.currency, settings.rounding_unit)} · {chance_text(chance)}"
            for goal, chance in zip(found.people["goal"], found.people["chance"], strict=True)
        ]
    )
    wide = known.pivot(index="rep_id", columns="scenario", values="text")[names]
    people = step.inputs.with_names(wide.reset_index().rename_axis(columns=None))
    rows = people[["rep", *names]].to_numpy().tolist()
    whole = [
        ["all together", *row[1:]] for row, rep in zip(rows, wide.index, strict=True) if not rep
    ]
    each = [row for row, rep in zip(rows, wide.index, strict=True) if rep]
    return {
        "caption": "Goals, and the chance of reaching them",
        "heads": ["person", *names],
        "rows": [*whole, *each],
    }


def _parts(parts: pd.DataFrame, caption: str, step: Step) -> dict[str, Any]:
    settings = step.inputs.settings
    whole = parts[parts["rep_id"] == ""].to_dict("records")
    rows = [
        [
            row["part"],
            money_text(row["goal"], settings.currency, settings.rounding_unit),
            money_text(row["expected"], settings.currency, settings.rounding_unit),
            share_text(row["chance"], 0).replace(" %", " points"),
        ]
        for row in whole
    ]
    return {"caption": caption, "heads": ["what", "goals", "expected", "chance"], "rows": rows}
