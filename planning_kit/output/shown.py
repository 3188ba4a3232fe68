"""A table as people read it: headings, names and units without being told, empty as a dash."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd

from planning_kit.data import Region
from planning_kit.messages import require_labels
from planning_kit.messages.amounts import EMPTY, chance_text, number_text, share_text
from planning_kit.output.columns import BY_ROW, NAME_OF_ID, Column, explained, heading

MOST_ROWS = 40
_SHORT = 22
_NEAR = 5e-7  # a sum of whole amounts is as near as this to a whole one
_DATES = {"month": "%Y-%m", "year": "%Y"}
_WORDS = ("months", "days", "hours", "years")  # units that a cell says where rows differ
_WORDS_OF_IDS = {"rep_id": "person", "territory_id": "territory", "product_line": "product line"}
_WORD = re.compile(r"(?<!\w)'([^']+)'(?!\w)|\b[\w-]+\b")


@dataclass(frozen=True)
class Shown:
    """A formatted table; shows as HTML in a notebook and as text everywhere else.

    Attributes
    ----------
    head : tuple of str
        Column titles.
    rows : tuple of tuple of str
        Formatted cells.
    numeric : tuple of bool
        Which columns are numbers.
    caption, more : str
        Line above the table; line below it where rows are left out.
    unexplained : tuple of str
        Columns that the catalogue does not know: shown by their names, formatted by their size.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...]
    caption: str = ""
    more: str = ""
    unexplained: tuple[str, ...] = ()

    def __repr__(self) -> str:
        if not self.rows:
            return "\n".join(filter(None, [self.caption, "(no rows)"]))
        widths = [max(map(len, column)) for column in zip(self.head, *self.rows, strict=True)]
        lines = [
            " ".join(text.rjust(width) for text, width in zip(row, widths, strict=True))
            for row in (self.head, *self.rows)
        ]
        return "\n".join(filter(None, [self.caption, *lines, self.more]))

    def _repr_html_(self) -> str:
        sides = ["right" if number else "left" for number in self.numeric]
        head = "".join(_cell("th", s, t) for s, t in zip(sides, self.head, strict=True))
        body = "".join(
            f"<tr>{''.join(_cell('td', s, t) for s, t in zip(sides, row, strict=True))}</tr>"
            for row in self.rows
        )
        if not self.rows:
            body = f'<tr><td colspan="{len(self.head)}">no rows</td></tr>'
        caption = f"<caption>{html.escape(self.caption)}</caption>" if self.caption else ""
        more = f"<p><small>{html.escape(self.more)}</small></p>" if self.more else ""
        return (
            f'<table class="dataframe">{caption}<thead><tr>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table>{more}"
        )


def _cell(tag: str, side: str, text: str) -> str:
    whole = ";white-space:nowrap" if len(text) <= _SHORT else ""  # days and names stay whole
    style = f"text-align:{side}{whole};padding:0.25em 0.75em"
    return f'<{tag} style="{style}">{html.escape(text)}</{tag}>'


def show_table(
    table: pd.DataFrame,
    columns: Sequence[str] | str = "",
    *,
    region: Region | None = None,
    unit: str = "",
    caption: str = "",
    most: int = MOST_ROWS,
) -> Shown:
    """Format a table for reading.

    What a column is (amount, share, times, hours, ...) stands in `planning_kit.output.columns`; a
    column that is not there is formatted by the size of its numbers.

    Parameters
    ----------
    table
        Any table of the kit.
    columns
        Columns to show, in order (names, or one text with blanks between them); by default all.
    region
        Gives the currency, and names: an id whose name stands in the table is not shown unless it
        is asked for, and texts say names instead of ids.
    unit
        Currency of the amounts where there is no region.
    caption
        A line above the table; the currency is added where amounts are shown.
    most
        Rows to show; how many more there are is said below.

    Raises
    ------
    DataError
        A column is not in the table; the nearest one is named.

    Examples
    --------
    >>> show_table(pd.DataFrame({"rep_id": ["a"], "goal": [1234567.0], "attainment": [0.934]}))
    person id      goal attainment
            a 1,234,567     93.4 %
    """
    named = region.with_names(table) if region is not None else table
    asked = columns.split() if isinstance(columns, str) else list(columns)
    require_labels(asked, named.columns, "columns")
    picked = asked or _readable([*table.columns], named)
    known = explained(named.columns)
    writer = _Writer(
        named.head(most),
        known,
        digits=2 if region is not None and region.settings.rounding_unit < 1 else None,
        names={**_WORDS_OF_IDS, **(region.names if region is not None else {})},
        has_unit="unit" in picked,
    )
    cells = [writer.cells(name) for name in picked]
    left = len(named) - most
    currency = region.settings.currency if region is not None else unit
    amounts = currency and any(_is_money(known.get(str(name))) for name in picked)
    lines = [caption, f"Amounts in {currency}" if amounts else ""]
    return Shown(
        head=tuple(heading(str(name), known.get(str(name))) for name in picked),
        rows=tuple(zip(*cells, strict=True)) if len(writer.rows) else (),
        numeric=tuple(writer.is_number(name) for name in picked),
        caption=". ".join(line for line in lines if line),
        more=f"and {left:,} more rows" if left > 0 else "",
        unexplained=tuple(str(name) for name in picked if str(name) not in known),
    )


def _readable(columns: list[Any], named: pd.DataFrame) -> list[Any]:
    """Put names where ids stand, each once."""
    order: dict[Any, None] = {}
    for column in columns:
        name = NAME_OF_ID.get(column, column)
        if f"{name}_name" in columns:  # the table brings the name itself
            continue
        order[name if name in named else column] = None
    return list(order)


def _is_money(column: Column | None) -> bool:
    by_row = BY_ROW.get(column.kind) if column else None
    return column is not None and (
        column.kind == "money" or (by_row is not None and "money" in by_row[1].values())
    )


def named_text(text: str, region: Region | None) -> str:
    """Say names instead of the ids in a text: quoted ones, and codes that no word looks like."""
    return _with_names(text, region.names if region is not None else {})


def _with_names(text: str, names: Mapping[str, str]) -> str:
    def name(word: re.Match[str]) -> str:
        found = word[1] or word[0]
        is_code = not found.isalpha() and not found.isdecimal()
        return names.get(found, word[0]) if word[1] or is_code else word[0]

    return names.get(text) or _WORD.sub(name, text)


@dataclass(frozen=True)
class _Writer:
    """Writes the cells of one table's columns."""

    rows: pd.DataFrame
    known: Mapping[str, Column]
    digits: int | None
    names: Mapping[str, str]
    has_unit: bool

    def is_number(self, name: Any) -> bool:
        column = self.known.get(str(name))
        if column:
            return column.is_number
        kind = self.rows[name].dtype
        return pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind)

    def cells(self, name: Any) -> list[str]:
        values, column = self.rows[name], self.known.get(str(name))
        kind = column.kind if column else ""
        if pd.api.types.is_bool_dtype(values):
            return ["yes" if value else "no" for value in values]
        if pd.api.types.is_datetime64_any_dtype(values):
            pattern = _DATES.get(kind, "%Y-%m-%d")
            return [EMPTY if pd.isna(value) else value.strftime(pattern) for value in values]
        if column is None or column.is_number:
            numbers = pd.to_numeric(values, errors="coerce").astype("float64")
            if numbers.notna().sum() == values.notna().sum():
                return self._numbers(kind, numbers)
        if kind in ("year", "number") and pd.api.types.is_numeric_dtype(values):
            return [EMPTY if pd.isna(value) else f"{value:.0f}" for value in values]
        return [self._text(kind, value) for value in values]

    def _text(self, kind: str, value: Any) -> str:
        if value is None or value is pd.NA or value is pd.NaT or value != value:
            return EMPTY
        text = value.isoformat() if isinstance(value, date) else str(value)
        if kind == "label":
            return _with_names(text, self.names)
        if kind == "column":
            meant = explained([text]).get(text)
            return meant.heading.removesuffix(" id") if meant else text
        return text.replace("_", " ") if kind == "activity" else text

    def _numbers(self, kind: str, numbers: pd.Series) -> list[str]:
        if kind == "by unit":
            units = self.rows["unit"].fillna("").astype(str)
            words = not self.has_unit
            return [_in_unit(v, u, words) for v, u in zip(numbers, units, strict=True)]
        if kind in BY_ROW:
            by, kinds = BY_ROW[kind]
            told = self.rows[by].astype(str).str.removeprefix("price, ")
            return [
                _in_kind(v, kinds.get(row, "ratio")) for v, row in zip(numbers, told, strict=True)
            ]
        return write_numbers(numbers, kind, self.digits)


def _in_unit(value: float, unit: str, words: bool) -> str:
    if unit.casefold() == "share":
        return share_text(value)
    size = abs(value)
    text = number_text(value, 0 if size >= 100 else 1 if size >= 10 else 2)
    text = text.rstrip("0").rstrip(".") if "." in text else text
    if text == EMPTY or not unit:
        return text
    return f"{text} %" if unit in ("%", "percent") else f"{text} {unit}" if words else text


def _in_kind(value: float, kind: str) -> str:
    if kind == "ratio":
        return number_text(value, 0 if abs(value) >= 1000 else 2)
    text = write_numbers(pd.Series([value]), kind)[0]
    return f"{text} {kind}" if kind in _WORDS and text != EMPTY else text


def write_numbers(numbers: pd.Series, kind: str, digits: int | None = None) -> list[str]:
    """Write the numbers of a column, each with as many decimals as its kind asks for.

    Parameters
    ----------
    numbers
        Numbers; not finite is empty.
    kind
        One of `planning_kit.output.columns.KINDS`; ``""``: as the size of the numbers asks for.
    digits
        Decimals of amounts; None: by their size.

    Examples
    --------
    >>> write_numbers(pd.Series([3.2, None]), "times")
    ['3.2 x', '–']
    """
    if kind in ("share", "probability"):
        return [share_text(v) if kind == "share" else chance_text(v) for v in numbers]
    known = numbers[numbers.abs() < math.inf]
    whole = bool(((known - known.round()).abs() < _NEAR).all())
    if kind == "times":
        return [number_text(v, 1) + " x" if abs(v) < math.inf else EMPTY for v in numbers]
    if kind == "money":
        small = not whole and known.abs().max() < 1000
        places = (2 if small else 0) if digits is None else digits
    elif kind in ("count", *_WORDS):
        places = 0 if whole else 1
    else:
        return _by_size(numbers, known, whole)
    return [number_text(value, places) for value in numbers]


def _by_size(numbers: pd.Series, known: pd.Series, whole: bool) -> list[str]:
    """Write as many decimals as the size asks for, the same in every row.

    A column that mixes large and small numbers shows each with three digits instead.
    """
    sizes = known[known != 0].abs()
    largest, smallest = (sizes.max(), sizes.min()) if len(sizes) else (0.0, 0.0)
    if whole:
        return [number_text(v) for v in numbers]
    if largest < 1000 and smallest < 0.1:
        return [f"{v + 0.0:.3g}" if abs(v) < math.inf else EMPTY for v in numbers]
    if largest >= 1000 and smallest < 10:  # amounts, and a ratio among them
        return [number_text(v, 0 if abs(v) >= 100 else 2) for v in numbers]
    digits = 0 if largest >= 1000 else 1 if largest >= 100 else 2
    return [number_text(v, digits) for v in numbers]
