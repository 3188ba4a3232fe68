"""How every chart of the kit looks, and the words that stand for it."""

from __future__ import annotations

from typing import Any, TypeVar

import altair as alt

# Liberation Sans is inside vl-convert, so a picture is the same on a machine without any fonts;
# a browser has it or one of the next two, which have the same widths.
FONT = "Liberation Sans, Arial, Helvetica, sans-serif"

# Colours of Okabe and Ito (https://jfly.uni-koeln.de/color/) that keep a contrast of 3 to 1
# on white, and a dark grey in place of their black. With more than five series make small
# multiples: a sixth colour could no longer be told apart with red-green blindness.
BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#4D4D4D"
PALETTE = (BLUE, ORANGE, GREEN, PURPLE, GREY)

LABEL_LIMIT = 320  # px; a longer name ends in an ellipsis
INK = "#1F2933"
MUTED = "#52606D"
GRID = "#E4E7EB"

_Chart = TypeVar("_Chart", bound=alt.TopLevelMixin)


def describe(chart: _Chart, *, title: str, text: str) -> _Chart:
    """Give a chart its title and the text that stands for it where it cannot be seen.

    Parameters
    ----------
    chart
        Any chart: single, layered, faceted or several side by side.
    title
        What the chart shows, with the unit: "Goal by representative, EUR".
    text
        One or two sentences that say what the chart says: what is drawn, of how many, and the
        numbers that matter. A screen reader speaks it; the report keeps it with the picture.

    Returns
    -------
    A copy of the chart.

    Raises
    ------
    ValueError
        The title or the text is empty.

    Examples
    --------
    >>> import altair as alt, pandas as pd
    >>> goals = pd.DataFrame({"rep": ["Ann", "Bo"], "goal": [120.0, 90.0]})
    >>> bars = alt.Chart(goals).mark_bar().encode(x="goal:Q", y="rep:N")
    >>> chart = describe(bars, title="Goal by rep, EUR", text="Ann 120, Bo 90.")
    >>> chart.to_dict()["description"]
    'Ann 120, Bo 90.'
    """
    if not title.strip() or not text.strip():
        raise ValueError("a chart needs a title and a text that stands for it")
    described: _Chart = chart.properties(title=title, description=text)
    return described


def planning_theme() -> alt.theme.ThemeConfig:
    """Give the altair theme of the kit: colours, sizes, room for long names."""
    config: Any = {
        "config": {
            "font": FONT,
            "background": "white",
            "padding": 8,
            "view": {
                "continuousWidth": 520,
                "continuousHeight": 260,
                "discreteWidth": {"step": 36},
                "discreteHeight": {"step": 22},
                "stroke": None,
            },
            "range": {"category": list(PALETTE), "diverging": {"scheme": "blueorange"}},
            "mark": {"color": BLUE},
            "bar": {"color": BLUE},
            "rule": {"color": MUTED},
            "text": {"color": INK, "fontSize": 12},
            "line": {"strokeWidth": 2.5},
            "point": {"filled": True, "size": 60},
            "axis": {
                "labelColor": MUTED,
                "labelFontSize": 12,
                "labelLimit": LABEL_LIMIT,
                "titleColor": INK,
                "titleFontSize": 12,
                "titleFontWeight": "normal",
                "titlePadding": 8,
                "domainColor": "#9AA5B1",
                "tickColor": "#9AA5B1",
                "gridColor": GRID,
            },
            "axisDiscrete": {"grid": False, "ticks": False, "labelPadding": 6},
            "axisQuantitative": {"domain": False, "ticks": False, "labelPadding": 6},
            "axisTemporal": {"grid": False, "labelPadding": 4},
            # On top, because at the right it lies under the numbers written behind long bars.
            "legend": _NAMES
            | {"orient": "top", "columns": len(PALETTE), "columnPadding": 16, "offset": 10}
            | {"symbolType": "square", "symbolSize": 110, "symbolStrokeWidth": 0},
            "header": _NAMES,
            "title": {
                "anchor": "start",
                "color": INK,
                "fontSize": 15,
                "fontWeight": "bold",
                "offset": 12,
                "subtitleColor": MUTED,
                "subtitleFontSize": 12,
                "subtitlePadding": 4,
            },
        }
    }
    theme: alt.theme.ThemeConfig = config
    return theme


_NAMES = {
    "labelColor": INK,
    "labelFontSize": 12,
    "labelLimit": LABEL_LIMIT,
    "titleColor": MUTED,
    "titleFontSize": 12,
    "titleFontWeight": "normal",
}
