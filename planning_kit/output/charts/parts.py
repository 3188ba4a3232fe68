"""Parts that several charts share: axes, colours by name, tooltips, lines, and words for nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from planning_kit.output.charts.theme import GREY, MUTED, describe
from planning_kit.output.columns import explained, heading

PERCENT = alt.Axis(format=".0%")
# How a number of each kind (see `planning_kit.output.columns`) stands in a tooltip.
_FORMATS = {
    "money": ",.0f",
    "count": ",.0f",
    "share": ".1%",
    "probability": ".0%",
    "times": ".1f",
    "hours": ",.1f",
    "months": ".1f",
    "days": ".1f",
}
_BILLION, _SHORT = 1e9, 1e3


def number_axis(amounts: pd.Series | pd.DataFrame, **options: Any) -> alt.Axis:
    """Give an axis of short numbers: 1.5M, and 2bn where others write 2G; no 500m for a half.

    Parameters
    ----------
    amounts
        What is drawn along the axis: its largest number decides.
    options
        Of the axis.
    """
    sizes = amounts.abs().max()
    largest = sizes.max() if isinstance(sizes, pd.Series) else sizes
    if largest >= _BILLION:
        options["labelExpr"] = "replace(format(datum.value, '~s'), 'G', 'bn')"
    return alt.Axis(format="~s" if largest >= _SHORT else ",~f", **{"tickCount": 6} | options)


def height(rows: int) -> int:
    """Give the height (px) of a chart with one line a row."""
    return max(60, 22 * rows + 10)


def line_at(place: float) -> alt.Chart:
    """Draw the line that values are read against."""
    at = pd.DataFrame({"at": [place]})
    return alt.Chart(at).mark_rule(color=GREY, strokeDash=[4, 3]).encode(x=alt.X("at:Q"))


def coloured(field: str, names: Sequence[str], colours: Sequence[str], **options: Any) -> alt.Color:
    """Give each name its colour, with a legend in the same order."""
    scale = alt.Scale(domain=list(names), range=list(colours)[: len(names)])
    return alt.Color(f"{field}:N", title=None, sort=list(names), scale=scale, **options)


def shaped(field: str, names: Sequence[str], shapes: Sequence[str]) -> alt.Shape:
    """Give each name its shape, so that nothing rests on colours alone."""
    return alt.Shape(
        f"{field}:N", title=None, scale=alt.Scale(domain=list(names), range=list(shapes))
    )


def tips(table: pd.DataFrame, *names: str, unit: str = "") -> list[alt.Tooltip]:
    """Say columns by their headings, each in the format of its kind, where the pointer rests.

    Parameters
    ----------
    table
        What is drawn.
    names
        Columns.
    unit
        Currency of the amounts.
    """
    known = explained(table.columns)
    found = []
    for name in names:
        column = known.get(name)
        title = heading(name, column)
        if column and column.kind == "month":
            found.append(alt.Tooltip(f"{name}:T", title=title, format="%Y-%m"))
        elif column and column.kind in _FORMATS:
            said = f"{title}, {unit}" if unit and column.kind == "money" else title
            found.append(alt.Tooltip(f"{name}:Q", title=said, format=_FORMATS[column.kind]))
        else:
            found.append(alt.Tooltip(f"{name}:N", title=title))
    return found


def nothing(title: str, why: str) -> alt.Chart:
    """Draw the reason where there is nothing to draw."""
    line = pd.DataFrame({"why": [why]})
    chart = (
        alt.Chart(line)
        .mark_text(align="left", color=MUTED, fontSize=13)
        .encode(text=alt.Text("why:N"), x=alt.XValue(0))
    )
    return describe(chart.properties(width=520, height=30), title=title, text=why)
