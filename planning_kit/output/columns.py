"""What every column of a result table means: heading, kind, one line. The lines are in columns.csv.

A name can have two meanings (``coverage`` of a pipeline, of evidence, of the market). Its line then
names the columns that stand beside it: the first line whose neighbours are all there is taken, and
a name that none fits is not explained rather than guessed.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

KINDS: Mapping[str, str] = {
    "money": "amount in the plan's currency",
    "share": "share; 1.0 is shown as 100 %",
    "probability": "chance; 1.0 is shown as 100 %",
    "times": "how many times; 3.2 is shown as 3.2 x",
    "ratio": "number without a unit",
    "count": "count",
    "hours": "hours",
    "days": "days",
    "months": "months",
    "years": "years",
    "by unit": "number in the unit of its row",
    "by test": "number in the unit of its row",
    "by factor": "number in the unit of its row",
    "by measure": "number in the unit of its row",
    "by metric": "number in the unit of its row",
    "date": "day",
    "month": "calendar month",
    "year": "year",
    "number": "number of a line",
    "flag": "yes or no",
    "id": "id",
    "column": "name of a column",
    "activity": "activity",
    "label": "text; a name stands for an id",
    "text": "text",
}
# Columns that are counted on (until_01, until_02, ...) are explained by the line of the first.
_NUMBERED = re.compile(r"_\d\d$")
NUMBERS = frozenset(list(KINDS)[: list(KINDS).index("date")])
# Kinds of numbers that differ from row to row, by what the row says of itself; else a ratio.
BY_ROW: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "by test": ("test", {"share_at_goal": "share", "near_goal": "share"}),
    "by factor": (
        "factor",
        {"seats": "months", "vacancy": "share", "ramp": "share", "productivity": "money"},
    ),
    "by measure": (
        "measure",
        {
            "sum of absolute changes": "money",
            "cells changed": "count",
            "largest relative change": "share",
        },
    ),
    "by metric": (
        "metric",
        {
            **dict.fromkeys(("amount", "margin", "pipeline_amount"), "money"),
            **dict.fromkeys(("units", "sales_needed", "open_proposals"), "count"),
            **dict.fromkeys(("presentations", "proposals", "prospects"), "count"),
            "closing_ratio": "share",
        },
    ),
}
NAME_OF_ID: Mapping[str, str] = {
    "rep_id": "rep",
    "manager_id": "manager",
    "territory_id": "territory",
    "product_id": "product",
}


@dataclass(frozen=True)
class Column:
    """What a column of a result table is.

    Attributes
    ----------
    name : str
        As in the table.
    heading : str
        As people read it.
    kind : str
        One of `KINDS`: how its values are written.
    meaning : str
        What a value says, in one line.
    beside : frozenset of str
        The columns that tell this meaning of the name from others.
    """

    name: str
    heading: str
    kind: str
    meaning: str
    beside: frozenset[str] = frozenset()

    @property
    def is_number(self) -> bool:
        """Say if its values stand to the right."""
        return self.kind in NUMBERS


@lru_cache(maxsize=1)
def catalogue() -> tuple[Column, ...]:
    """Give every line of the catalogue, in its order."""
    with Path(__file__).with_name("columns.csv").open(encoding="utf-8", newline="") as lines:
        return tuple(
            Column(
                row["column"],
                row["heading"],
                row["kind"],
                row["meaning"],
                frozenset(row["beside"].split()),
            )
            for row in csv.DictReader(lines)
        )


def explained(names: Iterable[str]) -> dict[str, Column]:
    """Explain the columns of one table; a column that nobody explained is left out.

    Parameters
    ----------
    names
        All columns of the table: a name's neighbours tell its meaning.

    Examples
    --------
    >>> explained(["rep", "pipeline_amount", "coverage"])["coverage"].kind
    'times'
    >>> explained(["rep", "rounds", "coverage"])["coverage"].heading
    'evidence coverage'
    >>> explained(["rep", "coverage"])
    {'rep': Column(name='rep', ...
    """
    there = dict.fromkeys(map(str, names))
    found: dict[str, Column] = {}
    for name in there:
        for column in _meanings().get(_NUMBERED.sub("_01", name), ()):
            if column.beside <= there.keys():
                found.setdefault(name, column)
    return found


@lru_cache(maxsize=1)
def _meanings() -> Mapping[str, Sequence[Column]]:
    named: dict[str, list[Column]] = {}
    for column in catalogue():
        named.setdefault(column.name, []).append(column)
    return named


def heading(name: str, column: Column | None) -> str:
    """Give the heading of a column, also where nobody explained it."""
    return column.heading if column else name.replace("_", " ")


def reference() -> str:
    """Write the catalogue as a page of Markdown: docs/reference/columns.md."""
    lines = [
        "# Columns of the results",
        "",
        "What the columns of written and shown tables mean, in the order of their names. Where a name "
        "has several meanings, the columns that stand beside it tell which.",
        "",
        "| column | shown as | what it says | written as |",
        "|---|---|---|---|",
    ]
    for column in sorted(catalogue(), key=lambda column: column.name):
        beside = ", ".join(f"`{name}`" for name in sorted(column.beside))
        name = f"`{column.name}`" + (f" beside {beside}" if beside else "")
        lines.append(f"| {name} | {column.heading} | {column.meaning} | {KINDS[column.kind]} |")
    return "\n".join(lines) + "\n"
