"""Goal letters as PDF: one page a person, in the words of a language."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from planning_kit.output import typesetting
from planning_kit.output.typesetting import Words, decimals_of

QUARTER = 3  # months


@dataclass(frozen=True)
class Letter:
    """What the letter of one person says. Amounts are in plan currency.

    Attributes
    ----------
    plan, currency : str
        Name of the plan, and its currency.
    unit : float
        Rounding unit: decimals are shown where it has some.
    starts_on, ends_on : date
        The coming period.
    rep_id, person, manager, region : str
        Whose goal; an empty manager: nobody is above.
    goal : float
        The goal that stands.
    basis : str
        agreed, decided or allocated.
    steps : sequence of (str, float)
        Where it comes from; adds up to ``goal`` exactly.
    months : mapping of str to sequence of float
        By product line the goal of every month of the period; adds up to ``goal`` exactly. An
        empty name: no line is known.
    version, log_digest : str
        Of the goals, and of the log's last line about them; empty: there is none.
    as_of : date
        The day on which this stood.
    activities : mapping of str to float
        Sums of the year (sales_needed, presentations, proposals, prospects); what the data cannot
        answer is left out.
    closing_ratio : float or None
        Won of closed deals.
    promises : sequence of (str, date)
        What the company promises, and until which day.
    is_draft : bool
        Marked on the page, and without lines to sign.
    """

    plan: str
    currency: str
    unit: float
    starts_on: date
    ends_on: date
    rep_id: str
    person: str
    manager: str
    region: str
    goal: float
    basis: str
    steps: Sequence[tuple[str, float]]
    months: Mapping[str, Sequence[float]]
    version: str
    log_digest: str
    as_of: date
    activities: Mapping[str, float] = field(default_factory=dict)
    closing_ratio: float | None = None
    promises: Sequence[tuple[str, date]] = ()
    is_draft: bool = False


class Press(typesetting.Press):
    """Prints goal letters."""

    def print(self, letter: Letter) -> bytes:
        """Print one letter: the same letter gives the same bytes."""
        return self.set(page(letter, self.words))


def page(letter: Letter, words: Words) -> dict[str, Any]:
    """Give every text of a letter's page, as the template lays it out."""
    people = [("the_person", letter.person), ("manager", letter.manager)]
    facts = [("number", letter.rep_id), ("manager", letter.manager), ("region", letter.region)]
    title, draft = words.say("title"), {n: words.say(n) for n in ("draft", "draft_note")}
    promised = [f"{what} ({words.day(until)})" for what, until in letter.promises]
    return {
        "lang": re.split("[-_]", words.language)[0],
        "paper": words.say("paper"),
        "date": [letter.as_of.year, letter.as_of.month, letter.as_of.day],
        "title": title,
        "plan": letter.plan,
        "person": letter.person,
        "facts": [[words.say(name), text] for name, text in facts if text],
        **_numbers(letter, words),
        "draft": draft if letter.is_draft else None,
        "promises": {"title": words.say("promises"), "rows": promised},
        "sign": {
            **{name: words.say(name) for name in ("sign", "sign_note", "date")},
            "people": [[words.say(name), text] for name, text in people],
        },
        "small": [
            words.say("small", version=letter.version, day=words.day(letter.as_of)),
            words.say("log" if letter.log_digest else "no_log", digest=letter.log_digest),
        ],
        "page": words.say("page"),
    }


def _numbers(letter: Letter, words: Words) -> dict[str, Any]:
    digits = decimals_of(letter.unit)
    goal, days = words.number(letter.goal, digits), (letter.starts_on, letter.ends_on)
    start, end = map(words.day, days)
    steps = [
        [
            words.named("steps", name),
            ("+" if n and amount > 0 else "") + words.number(amount, digits),
        ]
        for n, (name, amount) in enumerate(letter.steps)
        if amount or not n
    ]
    done = [
        [words.named("activities", name), words.number(count)]
        for name, count in letter.activities.items()
    ]
    if letter.closing_ratio is not None and done:
        ratio = f"{words.number(100 * letter.closing_ratio)} %"
        done.append([words.named("activities", "closing_ratio"), ratio])
    return {
        "goal": {
            "label": words.say("goal"),
            "period": words.say("period", **{"from": start, "to": end}),
            "amount": words.say("money", currency=letter.currency, amount=goal),
            "basis": words.say(letter.basis),
        },
        "amounts": words.say("amounts", currency=letter.currency),
        "why": {"title": words.say("why"), "rows": steps, "total": [words.say("why_total"), goal]},
        "activity": {"title": words.say("activity"), "rows": done},
        "quarters": _quarters(letter, words, digits),
    }


def _quarters(letter: Letter, words: Words, digits: int) -> dict[str, Any]:
    short, first = words.texts["months_short"], letter.starts_on.month - 1
    count = max(map(len, letter.months.values()), default=0)
    spans = [range(at, min(at + QUARTER, count)) for at in range(0, count, QUARTER)]
    head = [
        words.say("quarter", number=str(n))
        + f"\n{short[(first + span[0]) % 12]}–{short[(first + span[-1]) % 12]}"
        for n, span in enumerate(spans, start=1)
    ]

    def row(name: str, months: Sequence[Sequence[float]]) -> list[str]:
        sums = [math.fsum(of_line[m] for of_line in months for m in span) for span in spans]
        return [name, *(words.number(x, digits) for x in (*sums, math.fsum(sums)))]

    rows = [row(name or words.say("other_line"), [x]) for name, x in letter.months.items()]
    total = row(words.say("all_lines"), list(letter.months.values())) if len(rows) > 1 else []
    head = [words.say("line"), *head, words.say("total")]
    return {"title": words.say("quarters"), "head": head, "rows": rows, "total": total}
