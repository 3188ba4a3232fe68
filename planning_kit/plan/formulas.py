"""Formulas over canonical columns: read into a tree, never run as a program."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from planning_kit.messages import unknown_labels

_LONGEST = 300  # characters of a formula: enough for any ratio, too few to nest without end
_LARGEST = 1e12


class Readable(NamedTuple):
    """What formulas read of a table: numbers, labels, days a row counts on (the usual one first)."""

    numbers: tuple[str, ...]
    labels: tuple[str, ...]
    days: tuple[str, ...]


READABLE = {
    "sales": Readable(
        ("amount", "units", "cost"), ("territory_id", "product_id", "product_line"), ("month",)
    ),
    "opportunities": Readable(
        ("amount",),
        ("outcome", "product_id", "account_id"),
        ("closed_on", "created_on", "presented_on", "proposed_on"),
    ),
    "activities": Readable(("count",), ("activity",), ("done_on",)),
}


@dataclass(frozen=True)
class Aggregate:
    """A sum of a column, or a count of rows (column ``""``), of a table's rows that fit.

    ``filters`` are column and value; ``on`` is the day a row counts on.
    """

    table: str
    column: str
    filters: tuple[tuple[str, str], ...]
    on: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it reads."""
        return tuple(name for name in (self.column, *dict(self.filters), self.on) if name)


Terms = Mapping[Aggregate | None, float]  # factor of every sum; None: a plain number
_ONE: Terms = {None: 1.0}


@dataclass(frozen=True)
class Formula:
    """A formula that was read: sums with factors, or such sums over others.

    Attributes
    ----------
    text : str
        As written.
    top, over : mapping of Aggregate to float
        Factors of the sums above and below the line; nothing below: it is no ratio.
    """

    text: str
    top: Mapping[Aggregate, float]
    over: Mapping[Aggregate, float]

    @property
    def is_ratio(self) -> bool:
        """Say whether it stays as it is when sales grow."""
        return bool(self.over)

    @property
    def columns(self) -> list[str]:
        """Name the columns it reads, with their tables."""
        return sorted({f"{a.table}.{name}" for a in (*self.top, *self.over) for name in a.columns})


def read_formula(text: str) -> Formula:
    """Read a formula: ``sum(table.column)`` and ``count(table)`` with ``+ - * /`` and numbers.

    Conditions are ``column="value"``; ``on="column"`` names the day a row counts on.

    Raises
    ------
    ValueError
        What is wrong, in a few words.

    Examples
    --------
    >>> formula = read_formula('2 * sum(activities.count, activity="demo") / count(opportunities)')
    >>> formula.is_ratio, list(formula.top.values())
    (True, [2.0])
    >>> read_formula("sum(sales.amount) + 2")
    Traceback (most recent call last):
        ...
    ValueError: it adds a number to sums, which grow with sales
    """
    if len(text) > _LONGEST:
        raise ValueError(f"it has {len(text)} characters; at most {_LONGEST} are read")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise ValueError(
            'it cannot be read; write it like sum(activities.count, activity="demo")'
        ) from error
    top, over = _fraction(tree)
    if None in top:
        raise ValueError("it is neither a sum of rows nor a ratio of such sums")
    if None in over:
        top, over = {one: factor / over[None] for one, factor in top.items()}, {}
    return Formula(text.strip(), _sums(top), _sums(over))


def _sums(terms: Terms) -> dict[Aggregate, float]:
    return {one: factor for one, factor in terms.items() if one is not None}


def _fraction(node: ast.expr) -> tuple[Terms, Terms]:
    """Read a part as sums above and below the line."""
    if isinstance(node, ast.Call):
        return {_aggregate(node): 1.0}, _ONE
    if isinstance(node, ast.Constant) and isinstance(number := node.value, int | float):
        if isinstance(number, bool) or not abs(number) <= _LARGEST:
            raise ValueError(f"{ast.unparse(node)[:20]} is no number of a metric")
        return {None: float(number)}, _ONE
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub | ast.Mult | ast.Div):
        (top, over), (right, below) = _fraction(node.left), _fraction(node.right)
        if isinstance(node.op, ast.Mult):
            return _times(top, right), _times(over, below)
        if isinstance(node.op, ast.Div):
            if right.get(None) == 0:
                raise ValueError("it divides by 0")
            return _times(top, below), _times(over, right)
        if (None in top) != (None in right):
            raise ValueError("it adds a number to sums, which grow with sales")
        if None not in over or None not in below:
            raise ValueError("it adds ratios; write one ratio of sums")
        sign = 1.0 if isinstance(node.op, ast.Add) else -1.0
        parts = ((top, 1.0 / over[None]), (right, sign / below[None]))
        both: dict[Aggregate | None, float] = {}
        for part, times in parts:
            for one, factor in part.items():
                both[one] = both.get(one, 0.0) + factor * times
        return both, _ONE
    raise ValueError(f"{ast.unparse(node)!r} is not known; it takes sum, count, numbers, + - * /")


def _times(one: Terms, other: Terms) -> Terms:
    if None not in one and None not in other:
        raise ValueError("it multiplies sums with each other")
    plain, rest = (one, other) if None in one else (other, one)
    return {name: factor * plain[None] for name, factor in rest.items()}


def _aggregate(node: ast.Call) -> Aggregate:
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    what = ast.unparse(node.args[0]) if len(node.args) == 1 else ""
    table, _, column = what.partition(".")
    if name not in ("sum", "count") or table not in READABLE or bool(column) != (name == "sum"):
        raise ValueError(
            f"{ast.unparse(node)!r} is not known; write sum(table.column) or count(table), of "
            f"{', '.join(READABLE)}"
        )
    told = {
        str(key.arg): key.value.value if isinstance(key.value, ast.Constant) else None
        for key in node.keywords
    }
    read = READABLE[table]
    on = str(told.pop("on", read.days[0]))
    for given, known in (
        ([column] if column else [], read.numbers),
        (told, read.labels),
        ([on], read.days),
    ):
        if text := unknown_labels(given, known):
            raise ValueError(f"{table}: {text.rstrip('.')}")
    if wrong := [key for key, value in told.items() if not isinstance(value, str)]:
        raise ValueError(f'{wrong[0]} needs a text in quotes, like {wrong[0]}="..."')
    return Aggregate(table, column, tuple((key, str(value)) for key, value in told.items()), on)
