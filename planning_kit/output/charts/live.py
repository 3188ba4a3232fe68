"""A chart that a page draws from data it is sent: its specification once, and Vega for the page."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import altair as alt
from platformdirs import user_cache_dir

from planning_kit.output.charts.parts import coloured
from planning_kit.output.charts.theme import BLUE, ORANGE, planning_theme
from planning_kit.plan import write_atomically

LIVE_DATA = "people"  # name of the rows that the page fills in
_MIDDLE = "#7F8A96"  # 3 to 1 and more on white and on black
_ROW = 22  # px
_BUNDLE = "export const embed = vegaEmbed;"


def live_goals(unit: str) -> dict[str, Any]:
    """Specify the picture of a what-if: goals against last year and what is expected.

    Parameters
    ----------
    unit
        The plan's currency.

    Returns
    -------
    The chart (Vega-Lite) over rows named `LIVE_DATA`: name, goal, last_year, expected (plan
    currency), held (what holds the goal, in words) and place (1 is drawn first).
    """
    order = alt.EncodingSortField("place", op="min")  # new rows keep no order of old ones
    y = alt.Y("name:N", sort=order, title=None, axis=alt.Axis(labelLimit=180))
    names, colours = ["goal", "expected", "last year"], [BLUE, ORANGE, _MIDDLE]

    def along(field: str) -> alt.X:
        return alt.X(f"{field}:Q", title=unit, axis=alt.Axis(format="~s", tickCount=6))

    tips = [
        alt.Tooltip("name:N", title="person"),
        *(alt.Tooltip(f"{one.replace(' ', '_')}:Q", title=one, format=",.0f") for one in names),
        alt.Tooltip("held:N", title="held by"),
    ]

    def marked(what: str) -> alt.Chart:
        one = alt.Chart(alt.NamedData(LIVE_DATA)).transform_calculate(what=f"'{what}'")
        colour = coloured("what", names, colours)
        return one.encode(x=along(what.replace(" ", "_")), y=y, color=colour, tooltip=tips)

    bars = marked("goal").mark_bar(size=12)
    last = marked("last year").mark_tick(size=16, thickness=3)
    likely = marked("expected").mark_point(size=60, filled=True, opacity=1)
    held = (
        alt.Chart(alt.NamedData(LIVE_DATA))
        .mark_text(align="left", fontSize=11, color="white")
        .encode(x=alt.value(5), y=y, text="held:N")
    )
    chart = (bars + last + likely + held).properties(width="container", height=alt.Step(_ROW))
    return {**chart.to_dict(), "config": planning_theme()["config"]}


@cache
def vega_module() -> bytes:
    """Give Vega as one script without outside calls: a module that exports ``embed``.

    Making it takes a second or two, so it is kept in this user's cache, by version.
    """
    import vl_convert

    name = f"vega-{version('vl-convert-python')}.js"
    kept = Path(user_cache_dir("planning-kit", appauthor=False)) / name
    with suppress(OSError):
        return kept.read_bytes()
    script: str = vl_convert.javascript_bundle(_BUNDLE)
    with suppress(OSError):  # a home that cannot be written to only costs the second again
        kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(kept, script)
    return script.encode()
