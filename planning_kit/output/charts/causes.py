"""Charts of the years side by side, of events and of fairness."""

from __future__ import annotations

import altair as alt
import pandas as pd

from planning_kit.output.charts.parts import (
    PERCENT,
    coloured,
    height,
    line_at,
    nothing,
    number_axis,
    tips,
)
from planning_kit.output.charts.theme import BLUE, ORANGE, describe

_MOST_PANELS = 24


def chart_years(table: pd.DataFrame, label: str, title: str, unit: str) -> alt.Chart:
    """Show the reviewed year month by month over the year before, a small panel for each label.

    Parameters
    ----------
    table
        Columns ``label``, month, review, previous (plan currency); the 24 largest are drawn.
    label
        Column with the names.
    title, unit
        Title; unit of the amounts.
    """
    rows = table.dropna(subset=[label, "month"])
    sums = rows.groupby(label)["review"].sum().sort_values(ascending=False, kind="stable")
    if sums.empty:
        return nothing(title, "No sales in the reviewed year and the year before.")
    names = {"review": "reviewed year", "previous": "year before"}
    drawn = sums.index[:_MOST_PANELS].tolist()
    rows = rows[rows[label].isin(drawn)].melt([label, "month"], list(names), "year", "amount")
    rows = rows.dropna(subset="amount").replace({"year": names})
    order = list(names.values())
    lines = (
        alt.Chart(rows, width=150, height=80)
        .mark_line()
        .encode(
            x=alt.X("month:T", title=None, axis=alt.Axis(format="%b", tickCount=4)),
            y=alt.Y("amount:Q", title=None, axis=number_axis(rows["amount"], tickCount=3)),
            color=coloured("year", order, [BLUE, ORANGE]).title(f"{unit} a month"),
            strokeDash=alt.StrokeDash("year:N", legend=None, sort=order),
        )
        .facet(alt.Facet(f"{label}:N", title=None, sort=drawn), columns=4)
    )
    more = f"; {len(sums) - len(drawn)} smaller ones are left out" if len(sums) > len(drawn) else ""
    text = (
        f"{len(drawn)} panels, the largest first: {drawn[0]} with {sums.iloc[0]:,.0f} {unit}{more}."
    )
    return describe(lines, title=title, text=text)


def chart_effects(effects: pd.DataFrame, title: str) -> alt.LayerChart | alt.Chart:
    """Show the measured effect of each event with its interval.

    Parameters
    ----------
    effects
        Columns event_id, kind, effect_share, low_share, high_share, verdict.
    """
    known = effects.dropna(subset=["effect_share"])
    if known.empty:
        return nothing(title, "No event whose effect can be told.")
    rows = known.assign(event=known["event_id"] + " " + known["kind"].fillna(""))
    rows = rows[["event", "effect_share", "low_share", "high_share"]]
    y = alt.Y("event:N", title=None)
    bars = (
        alt.Chart(rows)
        .mark_rule(strokeWidth=3, color=BLUE)
        .encode(
            x=alt.X("low_share:Q", axis=PERCENT, title="effect on sales, with 90 % interval"),
            x2=alt.X2("high_share:Q"),
            y=y,
        )
    )
    dots = (
        alt.Chart(rows)
        .mark_point(size=100, color=BLUE, opacity=1)
        .encode(
            x=alt.X("effect_share:Q"),
            y=y,
            tooltip=tips(rows, "event", "effect_share", "low_share", "high_share"),
        )
    )
    text = "; ".join(f"{r.event}: {r.effect_share:+.1%}" for r in rows.itertuples()) + "."
    chart = (bars + line_at(0.0) + dots).properties(width=460, height=height(len(rows)))
    return describe(chart, title=title, text=text)


def chart_event_path(path: pd.DataFrame, title: str) -> alt.LayerChart | alt.Chart:
    """Show how touched and other territories moved before and after the start of one event.

    Parameters
    ----------
    path
        Columns months_after (0: the event's first month), affected_share, unaffected_share
        (change from the same month a year before); one event.
    """
    groups = {"affected_share": "touched territories", "unaffected_share": "all others"}
    if path.empty:
        return nothing(title, "No event with sales a year before to compare with.")
    rows = path.melt("months_after", list(groups), "group", "change").replace({"group": groups})
    lines = (
        alt.Chart(rows)
        .mark_line(point=True)
        .encode(
            x=alt.X("months_after:Q", title="months after the start", axis=alt.Axis(format="d")),
            y=alt.Y("change:Q", axis=PERCENT, title="sales against the same month a year before"),
            color=coloured("group", list(groups.values()), [ORANGE, BLUE]),
            strokeDash=alt.StrokeDash("group:N", legend=None, sort=list(groups.values())),
        )
    )
    after = path["months_after"] >= 0
    apart = path["affected_share"] - path["unaffected_share"]
    text = (
        f"Touched less other territories: {apart[~after].mean():+.1%} on average before the start, "
        f"{apart[after].mean():+.1%} after it."
    )
    chart = (line_at(-0.5) + lines).properties(width=520, height=240)
    return describe(chart, title=title, text=text)


def chart_buckets(buckets: pd.DataFrame, title: str) -> alt.LayerChart | alt.Chart:
    """Show attainment of small, middle and large territories as boxes against the goal line.

    Parameters
    ----------
    buckets
        Columns bucket, people, least, low, median, high, most (1.0 is 100 %), verdict.
    """
    if buckets.empty:
        return nothing(title, "Fewer than five people with a goal and a size: no buckets.")
    rows = buckets.assign(name=buckets["bucket"] + " (" + buckets["people"].astype(str) + ")")
    y = alt.Y("name:N", sort=rows["name"].tolist(), title=None)
    base = alt.Chart(rows[["name", "least", "low", "median", "high", "most"]]).encode(y=y)
    x = alt.X(
        "least:Q",
        axis=PERCENT,
        title="attainment: all, half of them, median",
        scale=alt.Scale(zero=False, padding=15),
    )
    whole = base.mark_rule(strokeWidth=2).encode(x=x, x2=alt.X2("most:Q"))
    half = base.mark_bar(size=14, color=BLUE).encode(x=alt.X("low:Q"), x2=alt.X2("high:Q"))
    middle = base.mark_tick(color="white", thickness=3, size=14, opacity=1).encode(
        x=alt.X("median:Q")
    )
    said = "; ".join(f"{row.name}: median {row.median:.0%}" for row in rows.itertuples(index=False))
    text = f"{said}. {str(rows['verdict'].iloc[0]).capitalize()}."
    chart = (whole + half + line_at(1.0) + middle).properties(width=460, height=100)
    return describe(chart, title=title, text=text)
