"""Charts of what happened: attainment, why, assumptions."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd

from planning_kit.output.charts.parts import (
    PERCENT,
    coloured,
    height,
    line_at,
    nothing,
    number_axis,
    shaped,
    tips,
)
from planning_kit.output.charts.theme import BLUE, GREEN, GREY, ORANGE, describe

_TOTAL = "all"
_PALE = "#9AA5B1"


def chart_attainment(
    attainment: pd.DataFrame, label: str, title: str, unit: str = ""
) -> alt.LayerChart | alt.Chart:
    """Show attainment as one dot a row against the goal line; the worst stand first.

    Parameters
    ----------
    attainment
        Columns ``label``, attainment (1.0 is 100 %), goal, actual.
    label
        Column with the names.
    title, unit
        Title; unit of goal and result.
    """
    known = attainment.dropna(subset=["attainment", label]).sort_values("attainment")
    if known.empty:
        return nothing(title, "No goals to compare with results.")
    rows = known[[label, "attainment", "goal", "actual"]].assign(
        reached=(known["attainment"] >= 1).map({True: "reached", False: "missed"})
    )
    base = alt.Chart(rows).encode(y=alt.Y(f"{label}:N", sort=rows[label].tolist(), title=None))
    lines = base.mark_rule(color="#CBD2D9", strokeWidth=2).encode(
        x=alt.X(
            "attainment:Q",
            axis=PERCENT,
            title="attainment, result / goal",
            scale=alt.Scale(zero=False, padding=15),
        ),
        x2=alt.datum(1),
    )
    dots = base.mark_point(size=90, opacity=1).encode(
        x=alt.X("attainment:Q"),
        color=coloured("reached", ["reached", "missed"], [GREEN, ORANGE]),
        shape=shaped("reached", ["reached", "missed"], ["circle", "diamond"]),
        tooltip=tips(known, label, "attainment", "goal", "actual", unit=unit),
    )
    goal = line_at(1.0)
    hits = int((rows["attainment"] >= 1).sum())
    text = (
        f"{hits} of {len(rows)} reached their goal; from {rows['attainment'].min():.0%} "
        f"({rows[label].iloc[0]}) to {rows['attainment'].max():.0%} ({rows[label].iloc[-1]})."
    )
    chart = (lines + goal + dots).properties(height=height(len(rows)), width=460)
    return describe(chart, title=title, text=text)


_WITH_GOAL, _WITHOUT = "result of people with a goal", "result of people without a goal"


def chart_goal_history(
    history: pd.DataFrame, title: str, unit: str = ""
) -> alt.LayerChart | alt.Chart:
    """Show goal and result of every goal period, and the attainment above each.

    Results of people who had no goal then stand on top of the others in grey: they belong to the
    results of the year, and to no attainment.

    Parameters
    ----------
    history
        Columns goal_period (first day; empty: of no period), goal, actual, attainment and
        without_goal.
    title, unit
        Title; unit of the amounts.
    """
    known = history.dropna(subset=["goal"]).sort_values("goal_period")
    if known.empty:
        return nothing(title, "No goals in the data.")
    rows = known.assign(period=known["goal_period"].dt.strftime("%Y-%m-%d"))
    rows["top"] = (
        rows[["goal", "actual"]].max(axis=1).clip(lower=rows["actual"] + rows["without_goal"])
    )
    names = {"actual": _WITH_GOAL, "without_goal": _WITHOUT}
    parts = rows.melt(["period", "goal", "attainment"], list(names), "part", "amount")
    parts = parts[(parts["part"] == "actual") | (parts["amount"] != 0)].replace({"part": names})
    there = [name for name in names.values() if name in set(parts["part"])]
    x = alt.X("period:N", title="goal period, first day", axis=alt.Axis(labelAngle=-40))
    said = f"{unit}: " if unit else ""
    bars = (
        alt.Chart(parts)
        .mark_bar(size=20)
        .encode(
            x=x,
            y=alt.Y(
                "amount:Q", axis=number_axis(rows["top"]), title=f"{said}result (bar), goal (line)"
            ),
            color=coloured(
                "part", there, [BLUE, _PALE], legend=alt.Legend() if len(there) > 1 else None
            ),
            order=alt.Order("part:N"),
            tooltip=tips(parts, "period", "part", "amount", unit=unit),
        )
    )
    goals = alt.Chart(rows[["period", "goal", "actual", "attainment"]]).encode(
        x=x, y=alt.Y("goal:Q"), tooltip=tips(rows, "period", "goal", "actual", "attainment")
    )
    above = (
        alt.Chart(rows[["period", "top", "attainment"]])
        .mark_text(dy=-10, fontSize=11)
        .encode(x=x, y=alt.Y("top:Q"), text=alt.Text("attainment:Q", format=".0%"))
    )
    text = (
        f"{len(rows)} goal periods; attainment from {rows['attainment'].min():.0%} "
        f"to {rows['attainment'].max():.0%}.{_outside(history, unit)}"
    )
    chart = bars + goals.mark_tick(color=ORANGE, thickness=3, size=30, opacity=1) + above
    chart = describe(
        chart.properties(width=max(320, 44 * len(rows)), height=240), title=title, text=text
    )
    apart = history.loc[history["goal"].isna(), "without_goal"].sum()
    if not apart:
        return chart
    words = f"not in the bars: {apart:,.0f} {unit} in no goal period"
    return chart.properties(title=alt.TitleParams(title, subtitle=words))


def _outside(history: pd.DataFrame, unit: str) -> str:
    """Say what the attainments leave out, and how much of it is in none of the bars."""
    outside = history["without_goal"]
    apart = outside[history["goal"].isna()].sum()
    said = ""
    if outside.sum() != 0:
        said = f" Results of people without a goal then: {outside.sum():,.0f} {unit}".rstrip()
        said += f", {apart:,.0f} of it in no goal period" if apart else ""
    return f"{said}, in no attainment." if said else ""


def chart_steps(steps: pd.DataFrame, title: str, unit: str) -> alt.LayerChart | alt.Chart:
    """Show how amounts lead from the first to the last: a waterfall, top to bottom.

    Parameters
    ----------
    steps
        Columns step and amount, in order; the first is the start, a last row named by ``total``
        is added by the chart.
    """
    known = steps.dropna(subset=["amount"])
    moves = known["amount"] != 0  # a step that moves nothing says nothing
    known = known[moves | (known.index == known.index[0] if len(known) else moves)]
    known = known.reset_index(drop=True)
    if known.empty:
        return nothing(title, "Nothing to break down.")
    ends = known["amount"].cumsum()
    starts = ends.shift(1, fill_value=0.0)
    rows = pd.DataFrame(
        {"step": known["step"].astype(str), "amount": known["amount"], "start": starts, "end": ends}
    )
    rows["kind"] = ["up" if amount >= 0 else "down" for amount in rows["amount"]]
    rows.loc[0, "kind"] = "level"
    rows.loc[len(rows)] = ["= result", ends.iloc[-1], 0.0, ends.iloc[-1], "level"]
    rows["label"] = [
        f"{a:,.0f}" if k == "level" else f"{a:+,.0f}"
        for a, k in zip(rows["amount"], rows["kind"], strict=True)
    ]
    rows["right"] = rows[["start", "end"]].max(axis=1)
    y = alt.Y("step:N", sort=rows["step"].tolist(), title=None)
    low = min(0.0, float(rows[["start", "end"]].min().min()))
    lift = rows.loc[rows["kind"] != "level", ["start", "end"]]
    # Steps that are small beside the levels would vanish on a scale from zero.
    if len(lift) and low == 0 and (lift.max().max() - lift.min().min()) < 0.4 * rows["end"].iloc[0]:
        low = max(0.0, float(lift.min().min()) - 0.6 * float(lift.max().max() - lift.min().min()))
    rows["start"] = rows["start"].clip(lower=low)
    top = float(rows["right"].max())
    scale = alt.Scale(domain=[low, top + 0.18 * (top - low)], zero=False, nice=False)
    cut = "" if low <= 0 else " (axis does not start at 0)"
    bars = (
        alt.Chart(rows)
        .mark_bar(size=15)
        .encode(
            x=alt.X(
                "start:Q", scale=scale, axis=number_axis(rows[["start", "end"]]), title=unit + cut
            ),
            x2=alt.X2("end:Q"),
            y=y,
            color=alt.Color(
                "kind:N",
                legend=None,
                scale=alt.Scale(domain=["level", "up", "down"], range=[GREY, GREEN, ORANGE]),
            ),
            tooltip=tips(rows, "step", "amount", unit=unit),
        )
    )
    labels = (
        alt.Chart(rows)
        .mark_text(align="left", dx=4)
        .encode(x=alt.X("right:Q", scale=scale), y=y, text=alt.Text("label:N"))
    )
    text = "; ".join(f"{s} {t}" for s, t in zip(rows["step"], rows["label"], strict=True)) + "."
    chart = (bars + labels).properties(width=460, height=height(len(rows)))
    return describe(chart, title=title, text=text)


def _total_last(names: pd.Series) -> list[str]:
    return sorted(names.unique(), key=lambda name: (name == _TOTAL, name))


def chart_heat(
    table: pd.DataFrame,
    row: str,
    column: str,
    value: str,
    title: str,
    totals: Sequence[pd.DataFrame] = (),
) -> alt.LayerChart | alt.Chart:
    """Show a share (1.0 is 100 %) for every pair of labels as a coloured field with its number.

    Parameters
    ----------
    table
        Columns ``row``, ``column`` and ``value``.
    row, column, value
        Names of columns.
    title
        Title.
    totals
        Margins of the map: tables that lack ``row`` or ``column`` or both, drawn as "all".
    """
    known = table.dropna(subset=[row, column, value])[[row, column, value]]
    if known.empty:
        return nothing(title, "No pairs to compare.")
    pairs = known
    for part in totals:
        given = part.assign(**{n: _TOTAL for n in (row, column) if n not in part})
        known = pd.concat([known, given[[row, column, value]].dropna()])
    base = alt.Chart(known).encode(
        x=alt.X(
            f"{column}:N",
            title=None,
            sort=_total_last(known[column]),
            axis=alt.Axis(labelAngle=-25, orient="top"),
        ),
        y=alt.Y(f"{row}:N", title=None, sort=_total_last(known[row])),
    )
    fields = base.mark_rect(stroke="white").encode(
        color=alt.Color(
            f"{value}:Q",
            title=None,
            legend=None,
            scale=alt.Scale(
                scheme="blueorange", reverse=True, domainMid=1, domain=[0.6, 1.4], clamp=True
            ),
        ),
        tooltip=tips(known, row, column, value),
    )
    numbers = base.mark_text(fontSize=11).encode(
        text=alt.Text(f"{value}:Q", format=".0%"),
        color=alt.condition(
            f"abs(datum['{value}'] - 1) > 0.3", alt.value("white"), alt.value("#1F2933")
        ),
    )
    worst = pairs.nsmallest(1, value).iloc[0]
    text = (
        f"{len(pairs)} pairs; the lowest is {worst[row]} / {worst[column]} with {worst[value]:.0%}."
    )
    columns = known[column].nunique()
    chart = (fields + numbers).properties(
        width=min(640, max(160, 92 * columns)), height=height(known[row].nunique())
    )
    return describe(chart, title=title, text=text)


def chart_baseline(months: pd.DataFrame, title: str, unit: str) -> alt.LayerChart | alt.Chart:
    """Show expected results by month with their range, and last year's results behind them.

    Parameters
    ----------
    months
        Columns month, expected, low, high, last_year (plan currency).
    """
    if months.empty or months["expected"].isna().all():
        return nothing(title, "Nothing is expected: no history and nobody to expect it from.")
    rows = months[["month", "expected", "low", "high", "last_year"]].sort_values("month")
    x = alt.X("month:T", title=None, axis=alt.Axis(format="%b %y", labelAngle=-30))
    band = (
        alt.Chart(rows)
        .mark_area(opacity=0.2, color=BLUE)
        .encode(
            x=x,
            y=alt.Y("low:Q", axis=number_axis(rows["high"]), title=f"{unit} a month"),
            y2=alt.Y2("high:Q"),
        )
    )
    long = rows.melt("month", ["expected", "last_year"], "what", "amount").dropna()
    long["what"] = long["what"].map({"expected": "expected", "last_year": "last year"})
    lines = (
        alt.Chart(long)
        .mark_line(point=True)
        .encode(
            x=x,
            y=alt.Y("amount:Q"),
            color=coloured("what", ["expected", "last year"], [BLUE, ORANGE]),
            strokeDash=alt.StrokeDash("what:N", legend=None),
            tooltip=tips(long, "month", "what", "amount", unit=unit),
        )
    )
    total = rows["expected"].sum()
    text = (
        f"{total:,.0f} {unit} expected in all, {rows['last_year'].sum():,.0f} last year; the band "
        "holds eight of ten outcomes."
    )
    return describe((band + lines).properties(width=520, height=240), title=title, text=text)


def chart_swings(swings: pd.DataFrame, title: str, unit: str) -> alt.LayerChart | alt.Chart:
    """Show what each assumption can move, from its low to its high value (tornado).

    Parameters
    ----------
    swings
        Columns assumption_id, effect_low, effect_high, swing (plan currency).
    """
    known = swings.dropna(subset=["effect_low", "effect_high"])
    known = known[known["swing"] > 0].sort_values("swing", ascending=False).head(12)
    if known.empty:
        return nothing(title, "No assumption moves the region's result.")
    order = known["assumption_id"].tolist()
    long = known.melt(["assumption_id"], ["effect_low", "effect_high"], "side", "effect")
    long["side"] = long["side"].map({"effect_low": "at its low", "effect_high": "at its high"})
    bars = (
        alt.Chart(long)
        .mark_bar(size=15)
        .encode(
            x=alt.X(
                "effect:Q",
                axis=number_axis(long["effect"]),
                title=f"change of the expected result, {unit}",
            ),
            y=alt.Y("assumption_id:N", sort=order, title=None),
            color=coloured("side", ["at its low", "at its high"], [ORANGE, BLUE]),
            tooltip=tips(long, "assumption_id", "side", "effect", unit=unit),
        )
    )
    zero = alt.Chart(pd.DataFrame({"at": [0.0]})).mark_rule(color=GREY).encode(x=alt.X("at:Q"))
    top = known.iloc[0]
    text = f"{top['assumption_id']} moves most: {top['swing']:,.0f} {unit} from low to high."
    chart = (bars + zero).properties(width=460, height=height(len(known)))
    return describe(chart, title=title, text=text)
