"""One printed page a person: the year's goals, what they mean in activity, price and pipeline."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd

from planning_kit.data import Region
from planning_kit.messages.amounts import EMPTY
from planning_kit.output import typesetting
from planning_kit.output.typesetting import Words, decimals_of
from planning_kit.plan import NOT_KNOWN

ACTIVITY = ("sales_needed", "presentations", "proposals", "prospects")
LEVELS = ("open_proposals", "pipeline_amount")
NUMBERS = {  # and how each is written
    **dict.fromkeys(("expected", "actual", "due", "to_go"), "money"),
    "chance": "share",
    "closing_ratio": "share",
    "average_sale": "money",
    "cycle_months": "months",
    "coverage": "times",
    **dict.fromkeys(("open_amount", "amount_needed", "amount_short"), "money"),
}
MOST_PROMISES = 4


@dataclass(frozen=True)
class PersonPage:
    """What the page of one person says.

    Attributes
    ----------
    region : Region
        Names, period, currency.
    as_of : date
        The day on which this stood.
    rep_id, manager, basis : str
        Whose goal, the name of the manager, and what it rests on: agreed, decided or allocated.
    cells : DataFrame
        Goals as of `planning_kit.metrics.goal_cells`, with ``territory`` and ``product`` by name.
    activity : DataFrame
        The person's months of `planning_kit.metrics.metric_goals`.
    prices : DataFrame
        Rows of `planning_kit.metrics.price_goals`.
    numbers : DataFrame
        ``what`` (of `NUMBERS`), ``value``, ``low`` and ``high``; empty: not known.
    promises : DataFrame
        ``promise``, ``owner`` and ``until``.
    """

    region: Region
    as_of: date
    rep_id: str
    manager: str
    basis: str
    cells: pd.DataFrame
    activity: pd.DataFrame
    prices: pd.DataFrame
    numbers: pd.DataFrame
    promises: pd.DataFrame


class Press(typesetting.Press):
    """Prints people's pages."""

    def print(self, sheet: PersonPage) -> bytes:
        """Print one page: the same goals give the same bytes."""
        return self.set(page(sheet, self.words))


def page(sheet: PersonPage, words: Words) -> dict[str, Any]:
    """Give every text of a person's page, as the template lays it out."""
    settings = sheet.region.settings
    digits = decimals_of(settings.rounding_unit)
    start, end, day = map(words.day, (settings.starts_on, settings.ends_on, sheet.as_of))
    facts = [("number", sheet.rep_id), ("manager", sheet.manager), ("region", sheet.region.name)]
    goal = words.number(sheet.cells["amount"].sum(), digits)
    promised: Any = sheet.promises.head(MOST_PROMISES).itertuples()
    tables = {
        "goals": _goals(sheet, words, digits),
        "activity": _activity(sheet, words, digits),
        "parts": _parts(sheet, words, digits),
        "territories": _territories(sheet, words, digits),
        "numbers": _numbers(sheet, words, digits),
        "promises": [[row.promise, row.owner, words.day(row.until.date())] for row in promised],
    }
    months = [words.texts["months_short"][m.month - 1] for m in _months(sheet)]
    left = len(sheet.promises) - MOST_PROMISES
    return {
        "lang": re.split("[-_]", words.language)[0],
        "paper": words.say("paper"),
        "date": [sheet.as_of.year, sheet.as_of.month, sheet.as_of.day],
        "title": words.say("title"),
        "plan": settings.name,
        "person": sheet.region.names.get(sheet.rep_id, sheet.rep_id),
        "facts": [[words.say(name), text] for name, text in facts if text],
        "goal": {
            "label": words.say("goal"),
            "amount": words.say("money", currency=settings.currency, amount=goal),
            "basis": f"{words.say('period', **{'from': start, 'to': end})} · {words.say(sheet.basis)}",
        },
        "tables": {
            name: {
                "title": words.say(name),
                "head": [*words.texts["heads"][name]]
                if name not in ("goals", "activity")
                else ["", *months, words.say("year")],
                "rows": rows,
                "note": words.say("more", count=str(left))
                if name == "promises" and left > 0
                else "",
            }
            for name, rows in tables.items()
        },
        "small": words.say("small", day=day, currency=settings.currency),
    }


def _months(sheet: PersonPage) -> list[pd.Timestamp]:
    return sorted(sheet.cells["month"].unique())


def _text(value: float, words: Words, kind: str, digits: int) -> str:
    if value != value:
        return EMPTY
    if kind in ("share", "price"):
        return f"{words.number(100 * value, int(kind == 'price'))} %"
    return words.number(value, {"money": digits, "count": 0}.get(kind, 1))


def _goals(sheet: PersonPage, words: Words, digits: int) -> list[list[str]]:
    wide = sheet.cells.pivot_table(
        index="product_line", columns="month", values="amount", aggfunc="sum"
    )
    rows = [(_line(words, name), row.tolist()) for name, row in wide.iterrows()]
    rows.append((words.say("all_lines"), wide.sum().tolist()))
    return [
        [name, *(words.number(x, digits) for x in (*amounts, sum(amounts)))]
        for name, amounts in rows
    ]


def _activity(sheet: PersonPage, words: Words, digits: int) -> list[list[str]]:
    by_month = sheet.activity.set_index("month").reindex(_months(sheet))
    rows = []
    for name in (*ACTIVITY, *LEVELS):
        values = by_month[name]
        if values.notna().any():
            year = values.sum() if name in ACTIVITY else float("nan")  # levels do not add up
            kind = "money" if name == "pipeline_amount" else "count"
            texts = [_text(x, words, kind, digits) for x in (*values, year)]
            rows.append([words.named("metrics", name), *texts])
    return rows


def _parts(sheet: PersonPage, words: Words, digits: int) -> list[list[str]]:
    groups = sheet.cells.groupby(["product_line", "product"], dropna=False)
    sums = groups[["amount", "units", "margin"]].sum(min_count=1)
    sums["price"] = groups["price"].first()
    rows = sums.reset_index().merge(
        sheet.prices[["product_line", "price_ratio", "low", "high", "price_goal"]], how="left"
    )
    shares = ("price_ratio", "low", "high", "price_goal")
    rows.loc[rows["product"].notna(), shares] = float("nan")  # a new product has no past price
    kinds = {"amount": "money", "price": "money", "units": "count", "margin": "money"}
    return [
        [
            row["product"]
            if isinstance(row["product"], str)
            else _line(words, row["product_line"]),
            *(_text(row[name], words, kind, digits) for name, kind in kinds.items()),
            _range(row["price_ratio"], row["low"], row["high"], words, "price", digits),
            _text(row["price_goal"], words, "price", digits),
        ]
        for row in rows.to_dict("records")
    ]


def _range(value: float, low: float, high: float, words: Words, kind: str, digits: int) -> str:
    text = _text(value, words, kind, digits)
    if low != low or high != high:
        return text
    ends = {"low": low, "high": high}
    told = words.say("range", **{n: _text(x, words, kind, digits) for n, x in ends.items()})
    return f"{text} ({told})"


def _territories(sheet: PersonPage, words: Words, digits: int) -> list[list[str]]:
    sums = sheet.cells.groupby("territory", dropna=False)[["amount", "units"]].sum(min_count=1)
    return [
        [_line(words, name), _text(amount, words, "money", digits), _text(units, words, "count", 0)]
        for name, amount, units in sums.itertuples()
    ]


def _numbers(sheet: PersonPage, words: Words, digits: int) -> list[list[str]]:
    rows: Any = sheet.numbers.dropna(subset="value").itertuples()
    return [
        [
            words.named("metrics", row.what),
            _range(row.value, row.low, row.high, words, NUMBERS[row.what], digits),
        ]
        for row in rows
    ]


def _line(words: Words, name: Any) -> str:
    return str(name) if isinstance(name, str) and name != NOT_KNOWN else words.say("other_line")
