"""Formulas over canonical columns: read into a tree, never run as a program."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from planning_kit.messages import unknown_labels

_LONGEST = 300  # characters of a formula: enough for any ratio, too few to nest without end
_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


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


@dataclass(frozen=True)
class Formula:
    """A formula that was read.

    Attributes
    ----------
    text : str
        As written.
    is_ratio : bool
        Sums over sums, which do not grow with the goal; else a sum, which does.
    """

    text: str
    tree: ast.expr
    is_ratio: bool

    @property
    def aggregates(self) -> list[Aggregate]:
        """The sums and counts it is made of, in their order."""
        return list(_aggregates(self.tree))

    def value(self, known: Mapping[Aggregate, Any]) -> Any:
        """Put numbers (or aligned series of them) in the place of the sums and counts."""
        return _value(self.tree, known)


def read_formula(text: str) -> Formula:
    """Read a formula: ``sum(table.column)`` and ``count(table)`` with ``+ - * /`` and numbers.

    Conditions are ``column="value"``; ``on="column"`` names the day a row counts on.

    Raises
    ------
    ValueError
        What is wrong, in a few words.

    Examples
    --------
    >>> formula = read_formula('sum(activities.count, activity="demo") / count(opportunities)')
    >>> formula.is_ratio, formula.value(dict.fromkeys(formula.aggregates, 8.0))
    (True, 1.0)
    >>> read_formula("sum(sales.amount) + 2")
    Traceback (most recent call last):
        ...
    ValueError: it adds what grows with sales to what does not
    """
    if len(text) > _LONGEST:
        raise ValueError(f"it has {len(text)} characters; at most {_LONGEST} are read")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise ValueError(
            'it cannot be read; write it like sum(activities.count, activity="demo")'
        ) from error
    degree = _degree(tree)
    if not list(_aggregates(tree)) or degree not in (0, 1):
        raise ValueError("it is neither a sum of rows nor a ratio of such sums")
    return Formula(text.strip(), tree, degree == 0)


def _degree(node: ast.expr) -> int:
    """Say how a part grows with the amount of sales: 1 sums do, 0 ratios and numbers do not."""
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        left, right = _degree(node.left), _degree(node.right)
        if isinstance(node.op, ast.Mult):
            return left + right
        if isinstance(node.op, ast.Div):
            return left - right
        if left != right:
            raise ValueError("it adds what grows with sales to what does not")
        return left
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return 0
    if isinstance(node, ast.Call):
        _aggregate(node)
        return 1
    raise ValueError(f"{ast.unparse(node)!r} is not known; it takes sum, count, numbers, + - * /")


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


def _aggregates(node: ast.expr) -> Iterator[Aggregate]:
    if isinstance(node, ast.BinOp):
        yield from _aggregates(node.left)
        yield from _aggregates(node.right)
    elif isinstance(node, ast.Call):
        yield _aggregate(node)


def _value(node: ast.expr, known: Mapping[Aggregate, Any]) -> Any:
    if isinstance(node, ast.BinOp):
        return _OPERATORS[type(node.op)](_value(node.left, known), _value(node.right, known))
    return known[_aggregate(node)] if isinstance(node, ast.Call) else node.value  # type: ignore[attr-defined]
