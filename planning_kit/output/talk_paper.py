"""One page for the table: a person's talk before it begins, with room for what comes of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd

from planning_kit.messages.amounts import EMPTY, chance_text
from planning_kit.output import typesetting
from planning_kit.output.typesetting import Words, decimals_of

MOST = {"evidence": 5, "promises": 4, "record": 6}  # lines that a page has room for
LONGEST = 70  # signs of a text in a line


@dataclass(frozen=True)
class TalkSheet:
    """What the page of one talk says: tables as `planning_kit.walk.one_on_one` gives them.

    Attributes
    ----------
    plan, currency : str
        Name of the plan, and its currency.
    unit : float
        Rounding unit.
    starts_on, ends_on, as_of : date
        The coming period, and the day of the talk's last line.
    rep_id, person, manager, region, status : str
        Whose goal, and where the talk stands.
    coverage : float
        Probable amount of the evidence over the proposal; empty: there is none.
    numbers, way, evidence, promises, record : DataFrame
        Of this person.
    """

    plan: str
    currency: str
    unit: float
    starts_on: date
    ends_on: date
    as_of: date
    rep_id: str
    person: str
    manager: str
    region: str
    status: str
    coverage: float
    numbers: pd.DataFrame
    way: pd.DataFrame
    evidence: pd.DataFrame
    promises: pd.DataFrame
    record: pd.DataFrame


class Press(typesetting.Press):
    """Prints pages for talks."""

    def print(self, sheet: TalkSheet) -> bytes:
        """Print one page: the same talk gives the same bytes."""
        return self.set(page(sheet, self.words))


def page(sheet: TalkSheet, words: Words) -> dict[str, Any]:
    """Give every text of a talk's page, as the template lays it out."""
    facts = [("number", sheet.rep_id), ("manager", sheet.manager), ("region", sheet.region)]
    start, end = words.day(sheet.starts_on), words.day(sheet.ends_on)
    stands = ("status", words.named("statuses", sheet.status))
    people = [("the_person", sheet.person), ("manager", sheet.manager)]
    return {
        "lang": re.split("[-_]", words.language)[0],
        "paper": words.say("paper"),
        "date": [sheet.as_of.year, sheet.as_of.month, sheet.as_of.day],
        "title": words.say("title"),
        "plan": sheet.plan,
        "person": sheet.person,
        "facts": [[words.say(name), text] for name, text in (*facts, stands) if text],
        "period": words.say("period", **{"from": start, "to": end}),
        "amounts": words.say("amounts", currency=sheet.currency),
        "tables": _tables(sheet, words),
        "notes": words.say("notes"),
        "result": {name: words.say(name) for name in ("result", "result_amount", "result_note")},
        "sign": {"date": words.say("date"), "people": [[words.say(n), who] for n, who in people]},
        "small": words.say("small", day=words.day(sheet.as_of)),
    }


def _tables(sheet: TalkSheet, words: Words) -> dict[str, Any]:
    digits = decimals_of(sheet.unit)

    def money(amount: float) -> str:
        return words.number(amount, digits) if amount == amount else EMPTY

    def share(value: float, places: int = 0) -> str:
        return f"{words.number(100 * value, places)} %" if value == value else EMPTY

    numbers, way, evidence, promises, record = (
        _rows(getattr(sheet, name), name)
        for name in ("numbers", "way", "evidence", "promises", "record")
    )
    likely = [money(float(end)) for end in sheet.numbers[["low", "high"]].min()]
    told = words.say("likely", low=likely[0], high=likely[1]) if EMPTY not in likely else ""
    covered = words.say("covered", share=share(sheet.coverage)) if len(evidence) else ""
    rows = {
        "numbers": [
            [words.named("numbers", r.what), money(r.amount), chance_text(r.chance)]
            for r in numbers
        ],
        "way": [
            [
                *(share(r.way_share), money(r.amount), chance_text(r.chance)),
                *(money(r.others_left), share(r.others_change, 1), money(r.goals_gap)),
            ]
            for r in way
        ],
        "evidence": [
            [
                *(_short(f"{r.account} {r.product}".strip()), money(r.amount)),
                *(share(r.probability), _short(r.reason)),
            ]
            for r in evidence
        ],
        "promises": [[_short(r.promise), r.owner, words.day(r.until.date())] for r in promises],
        "record": [
            [
                r.time,
                _short(r.speaker),
                _named_move(words, r.move),
                money(r.amount),
                _short(r.reason),
            ]
            for r in record
        ],
    }
    notes = {"numbers": told, "evidence": covered}
    return {
        name: {
            "title": words.say(name + "_title"),
            "head": list(words.texts["heads"][name]),
            "rows": found,
            "note": notes.get(name, ""),
            "more": _more(words, len(getattr(sheet, name)) - len(found)),
        }
        for name, found in rows.items()
    }


def _rows(table: pd.DataFrame, name: str) -> list[Any]:
    """Give the lines that a page has room for: the newest, and the largest pieces of evidence."""
    if name == "evidence":
        table = table.sort_values("backed", ascending=False, kind="stable").head(MOST[name])
    return list(table.tail(MOST.get(name, len(table))).itertuples(index=False))


def _named_move(words: Words, move: str) -> str:
    kind, _, part = move.partition(" ")
    return f"{words.named('moves', kind)} {part}".strip()


def _more(words: Words, left: int) -> str:
    return words.say("more", count=str(left)) if left > 0 else ""


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1].rstrip() + "…"
