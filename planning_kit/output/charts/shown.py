"""A table as people read it: amounts with separators, shares in per cent, empty as a dash."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd

MOST_ROWS = 40
_SHARES = ("attainment", "ratio", "coverage", "chance", "probability", "share", "share_low", "rate")
_PLAIN = ("row", "year", "sequence")
_LARGEST_SHARE = 50.0
_SHORT = 22
_EMPTY = "–"


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
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...]
    caption: str = ""
    more: str = ""

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


def show(
    table: pd.DataFrame,
    columns: Sequence[str] | str = (),
    *,
    unit: str = "",
    caption: str = "",
    most: int = MOST_ROWS,
    shares: Sequence[str] | str = (),
) -> Shown:
    """Format a table for reading.

    Parameters
    ----------
    table
        Any table of the kit.
    columns
        Columns to show, in order (names, or one text with blanks between them); by default all.
    unit
        Currency of the amounts, said above the table.
    caption
        A line above the table.
    most
        Rows to show; how many more there are is said below.
    shares
        Further columns that are shares, shown in per cent.

    Examples
    --------
    >>> show(pd.DataFrame({"rep_id": ["a"], "goal": [1234567.0], "attainment": [0.934]}))
    rep id      goal attainment
         a 1,234,567     93.4 %
    """
    names = columns.split() if isinstance(columns, str) else list(columns)
    in_percent = shares.split() if isinstance(shares, str) else list(shares)
    picked = table[names] if names else table
    head = picked.head(most)
    cells = [_format(head[name], str(name), name in in_percent) for name in head.columns]
    lines = [caption, f"Amounts in {unit}" if unit else ""]
    left = len(picked) - len(head)
    return Shown(
        head=tuple(str(name).replace("_", " ") for name in head.columns),
        rows=tuple(zip(*cells, strict=True)) if len(head) else (),
        numeric=tuple(
            pd.api.types.is_numeric_dtype(t) and not pd.api.types.is_bool_dtype(t)
            for t in head.dtypes
        ),
        caption=". ".join(line for line in lines if line),
        more=f"and {left:,} more rows" if left > 0 else "",
    )


def _format(column: pd.Series, name: str, share: bool = False) -> list[str]:
    if pd.api.types.is_bool_dtype(column):
        return ["yes" if value else "no" for value in column]
    if pd.api.types.is_datetime64_any_dtype(column):
        pattern = "%Y-%m" if name == "month" else "%Y-%m-%d"
        return [_EMPTY if pd.isna(value) else value.strftime(pattern) for value in column]
    if not pd.api.types.is_numeric_dtype(column):
        return [_text(value) for value in column]
    if name in _PLAIN:
        return [_EMPTY if pd.isna(value) else f"{value:.0f}" for value in column]
    # What a closing ratio did to sales is an amount, though its name ends like a share's.
    if share or (name.endswith(_SHARES) and not column.abs().max() > _LARGEST_SHARE):
        return [_EMPTY if pd.isna(value) else f"{value:.1%}".replace("%", " %") for value in column]
    return _numbers(column)


def _text(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return _EMPTY
    return value.isoformat() if isinstance(value, date) else str(value)


def _numbers(column: pd.Series) -> list[str]:
    """Show a column with as many decimals as its size asks for, the same in every row.

    A column that mixes large and small numbers (a register of assumptions: shares, months, days)
    shows each with three digits instead.
    """
    known = column.replace([math.inf, -math.inf], float("nan")).dropna().astype(float)
    sizes = known[known != 0].abs()
    largest, smallest = (sizes.max(), sizes.min()) if len(sizes) else (0.0, 0.0)
    if bool((known == known.round()).all()):
        shown = [f"{v:,.0f}" for v in column.astype(float)]
    elif largest < 1000 and smallest < 0.1:
        shown = [f"{v:.3g}" for v in column.astype(float)]
    elif largest >= 1000 and smallest < 10:  # amounts, and a ratio among them
        shown = [f"{v:,.0f}" if abs(v) >= 100 else f"{v:,.2f}" for v in column.astype(float)]
    else:
        digits = 0 if largest >= 1000 else 1 if largest >= 100 else 2
        shown = [f"{v:,.{digits}f}" for v in column.astype(float)]
    return [_without_sign(text) if text[-1].isdigit() else _EMPTY for text in shown]


def _without_sign(text: str) -> str:
    """Write a zero without a sign."""
    return text.lstrip("-") if not text.strip("-0.,") else text
