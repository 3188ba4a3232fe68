"""Charts of what is asked for: goals, chances, agreement, hours, regions."""

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
from planning_kit.output.charts.theme import BLUE, GREEN, GREY, ORANGE, PALETTE, PURPLE, describe
from planning_kit.plan import ACTIVITIES


def chart_allocation(
    goals: pd.DataFrame, label: str, title: str, unit: str
) -> alt.LayerChart | alt.Chart:
    """Show each goal beside what it starts from, the largest first.

    Parameters
    ----------
    goals
        Columns ``label``, base and goal (plan currency).
    """
    if goals.empty:
        return nothing(title, "Nobody carries a goal here.")
    rows = goals[[label, "base", "goal"]].sort_values("goal", ascending=False)
    y = alt.Y(f"{label}:N", sort=rows[label].tolist(), title=None)
    long = rows.melt([label], ["base", "goal"], "what", "amount").dropna()
    long["what"] = long["what"].map({"base": "starting point", "goal": "goal"})
    rule = (
        alt.Chart(rows.dropna())
        .mark_rule(color="#9AA5B1", strokeWidth=2)
        .encode(
            x=alt.X(
                "base:Q",
                axis=number_axis(rows[["base", "goal"]]),
                title=unit,
                scale=alt.Scale(zero=False, padding=15),
            ),
            x2=alt.X2("goal:Q"),
            y=y,
        )
    )
    dots = (
        alt.Chart(long)
        .mark_point(size=90, opacity=1)
        .encode(
            x=alt.X("amount:Q"),
            y=y,
            color=coloured("what", ["starting point", "goal"], [GREY, BLUE]),
            shape=shaped("what", ["starting point", "goal"], ["diamond", "circle"]),
            tooltip=tips(long, label, "what", "amount", unit=unit),
        )
    )
    text = (
        f"{len(rows)} goals, {rows['goal'].sum():,.0f} {unit} in all, from "
        f"{rows['goal'].min():,.0f} to {rows['goal'].max():,.0f}."
    )
    chart = (rule + dots).properties(width=460, height=height(len(rows)))
    return describe(chart, title=title, text=text)


def chart_chances(chances: pd.DataFrame, label: str, title: str) -> alt.LayerChart | alt.Chart:
    """Show everybody's chance of reaching the goal.

    Parameters
    ----------
    chances
        Columns ``label`` and chance (1.0 is certain).
    """
    known = chances.dropna(subset=["chance"]).sort_values("chance")
    if known.empty:
        return nothing(title, "No ranges to tell chances from.")
    rows = known[[label, "chance"]]
    bars = (
        alt.Chart(rows)
        .mark_bar(size=14)
        .encode(
            x=alt.X(
                "chance:Q",
                axis=PERCENT,
                scale=alt.Scale(domain=[0, 1]),
                title="chance of reaching the goal",
            ),
            y=alt.Y(f"{label}:N", sort=rows[label].tolist(), title=None),
            color=alt.condition("datum.chance < 0.5", alt.value(ORANGE), alt.value(BLUE)),
            tooltip=tips(rows, label, "chance"),
        )
    )
    text = (
        f"On average {rows['chance'].mean():.0%}; {int((rows['chance'] < 0.5).sum())} of "
        f"{len(rows)} are more likely to miss than to reach."
    )
    chart = (bars + line_at(0.5)).properties(width=460, height=height(len(rows)))
    return describe(chart, title=title, text=text)


def chart_to_date(table: pd.DataFrame, label: str, title: str) -> alt.LayerChart | alt.Chart:
    """Show what everybody sold of the goal, what was due, and where the year is likely to end.

    Parameters
    ----------
    table
        Columns ``label``, goal, due, actual, low and high (plan currency).
    """
    asked = table[table["goal"] > 0]
    if asked.empty:
        return nothing(title, "No results of the planned year yet.")
    names = {"actual": "sold so far", "due": "due by now"}
    parts = ["actual", "due", "low", "high"]
    rows = asked[[label, *parts]].assign(**{n: asked[n] / asked["goal"] for n in parts})
    y = alt.Y(f"{label}:N", sort=rows.sort_values("actual")[label].tolist(), title=None)
    long = rows.melt([label], list(names), "what", "share")
    long["what"] = long["what"].map(names)
    span = alt.Chart(rows).mark_bar(size=8, color="#D5DDE4")
    span = span.encode(x=alt.X("low:Q", axis=PERCENT, title="of the goal"), x2="high:Q", y=y)
    dots = alt.Chart(long).mark_point(size=80, opacity=1)
    dots = dots.encode(
        x="share:Q",
        y=y,
        color=coloured("what", list(names.values()), [BLUE, ORANGE]),
        shape=shaped("what", list(names.values()), ["circle", "diamond"]),
        tooltip=tips(long, label, "what", "share"),
    )
    behind = int((rows["actual"] < rows["due"]).sum())
    text = (
        f"{behind} of {len(rows)} people sold less than was due by now. The bar is where eight of "
        "ten years end."
    )
    chart = (span + dots + line_at(1.0)).properties(width=460, height=height(len(rows)))
    return describe(chart, title=title, text=text)


def chart_frontier(frontier: pd.DataFrame, title: str) -> alt.LayerChart | alt.Chart:
    """Show what over-assignment buys: share of people reaching against the region's chance.

    Parameters
    ----------
    frontier
        Columns over_assignment (1.0 is none), share_reaching, team_chance.
    """
    if frontier.empty:
        return nothing(title, "No ranges to tell chances from.")
    names = {
        "share_reaching": "people who reach their goal",
        "team_chance": "region reaches its target",
    }
    long = frontier.melt(["over_assignment"], list(names), "what", "share").dropna()
    long["what"] = long["what"].map(names)
    lines = (
        alt.Chart(long)
        .mark_line(point=True)
        .encode(
            x=alt.X(
                "over_assignment:Q",
                axis=PERCENT,
                title="sum of goals / target",
                scale=alt.Scale(zero=False),
            ),
            y=alt.Y("share:Q", axis=PERCENT, scale=alt.Scale(domain=[0, 1]), title="share, chance"),
            color=coloured("what", list(names.values()), [BLUE, ORANGE]),
            strokeDash=alt.StrokeDash("what:N", legend=None),
            tooltip=tips(long, "over_assignment", "what", "share"),
        )
    )
    first = frontier.iloc[(frontier["over_assignment"] - 1).abs().argmin()]
    share = f"{first['share_reaching']:.0%}"
    text = f"Without over-assignment {share} of the people are expected to reach their goal."
    return describe(lines.properties(width=460, height=220), title=title, text=text)


def chart_months(table: pd.DataFrame, columns: dict[str, str], title: str, axis: str) -> alt.Chart:
    """Show one or more monthly sums as lines.

    Parameters
    ----------
    table
        Column month and the columns named.
    columns
        Column to the name it is shown with.
    """
    there = [c for c in columns if c in table and table[c].notna().any()]
    if table.empty or not there:
        return nothing(title, "The data do not say; see the findings.")
    sums = table.groupby("month", as_index=False)[there].sum(min_count=1)
    long = sums.melt("month", there, "what", "number").dropna()
    long["what"] = long["what"].map(columns)
    chart = (
        alt.Chart(long)
        .mark_line(point=True)
        .encode(
            x=alt.X("month:T", title=None, axis=alt.Axis(format="%b %y", labelAngle=-30)),
            y=alt.Y("number:Q", title=axis, axis=number_axis(long["number"])),
            color=coloured(
                "what",
                [columns[c] for c in there],
                PALETTE,
                legend=alt.Legend() if len(there) > 1 else None,
            ),
            strokeDash=alt.StrokeDash("what:N", legend=None),
            tooltip=[
                *tips(long, "month", "what"),
                alt.Tooltip("number:Q", title=axis, format=",.0f"),
            ],
        )
    )
    period = f"{sums['month'].min():%Y-%m} to {sums['month'].max():%Y-%m}"
    text = "; ".join(f"{columns[c]}: {sums[c].sum():,.0f}" for c in there) + f", {period}."
    return describe(chart.properties(width=520, height=220), title=title, text=text)


def chart_agreement(
    table: pd.DataFrame, label: str, title: str, unit: str
) -> alt.LayerChart | alt.Chart:
    """Show top-down goal, own proposal and agreed goal of everybody.

    Parameters
    ----------
    table
        Columns ``label``, goal, proposed, agreed (plan currency; proposed may be empty).
    """
    if table.empty:
        return nothing(title, "Nobody carries a goal here.")
    names = {"goal": "top down", "proposed": "proposed", "agreed": "agreed or suggested"}
    rows = table.sort_values("goal", ascending=False)
    long = rows.melt([label], list(names), "what", "amount").dropna()
    long["what"] = long["what"].map(names)
    y = alt.Y(f"{label}:N", sort=rows[label].tolist(), title=None)
    span = (
        alt.Chart(long)
        .mark_rule(color="#CBD2D9", strokeWidth=2)
        .encode(
            x=alt.X(
                "min(amount):Q",
                axis=number_axis(long["amount"]),
                title=unit,
                scale=alt.Scale(zero=False, padding=15),
            ),
            x2=alt.X2("max(amount):Q"),
            y=y,
        )
    )
    dots = (
        alt.Chart(long)
        .mark_point(size=80, opacity=1)
        .encode(
            x=alt.X("amount:Q"),
            y=y,
            color=coloured("what", list(names.values()), [GREY, ORANGE, BLUE]),
            shape=shaped("what", list(names.values()), ["diamond", "triangle-up", "circle"]),
            tooltip=tips(long, label, "what", "amount", unit=unit),
        )
    )
    asked = f"Top down {rows['goal'].sum():,.0f} {unit}"
    some = rows["proposed"].notna().any()
    text = f"{asked}, proposed {rows['proposed'].sum():,.0f}." if some else f"{asked}."
    chart = (span + dots).properties(width=460, height=height(len(rows)))
    return describe(chart, title=title, text=text)


_HOURS: Sequence[str] = (
    *("#882255", "#999999", "#44AA99", "#56B4E9", PURPLE, BLUE),
    *(ORANGE, GREEN, "#E69F00", "#F0E442", "#6A3D9A"),
)


def chart_hours(
    hours: pd.DataFrame, capacity: pd.DataFrame | None, title: str
) -> alt.LayerChart | alt.Chart:
    """Show the hours a month by activity against the hours there are.

    Parameters
    ----------
    hours
        Columns month, activity, hours.
    capacity
        Columns month and hours_available, or planned_hours where the hours were spent; None: not
        known.
    """
    sums = hours.groupby(["month", "activity"], as_index=False)[["hours"]].sum()
    sums = sums[sums["hours"] > 0]
    if sums.empty:
        return nothing(title, "No manager of active people here.")
    sums["activity"] = sums["activity"].str.replace("_", " ")
    there = set(sums["activity"])
    # An activity has the same colour and place in every chart; those of others take what is left.
    colours = dict(zip([name.replace("_", " ") for name in ACTIVITIES], _HOURS, strict=True))
    colours = {name: colour for name, colour in colours.items() if name in there}
    left = [colour for colour in _HOURS if colour not in colours.values()]
    colours |= dict(zip(sorted(there - set(colours)), left * len(there), strict=False))
    order = list(colours)
    sums["rank"] = sums["activity"].map(order.index)
    x = alt.X("yearmonth(month):O", title=None, axis=alt.Axis(format="%b", labelAngle=0))
    bars = (
        alt.Chart(sums)
        .mark_bar(stroke="white", strokeWidth=0.5)
        .encode(
            x=x,
            y=alt.Y("hours:Q", title="hours a month"),
            color=coloured("activity", order, list(colours.values())),
            order=alt.Order("rank:Q"),
            tooltip=tips(sums, "month", "activity", "hours"),
        )
    )
    planned = f"{sums['hours'].sum():,.0f} hours planned"
    if capacity is None:
        return describe(bars.properties(width=560, height=260), title=title, text=f"{planned}.")
    limit, told = "hours_available", f"{planned} of {{:,.0f}} there are in the year."
    if limit not in capacity:
        limit, told = (
            "planned_hours",
            f"{sums['hours'].sum():,.0f} hours spent of {{:,.0f}} planned.",
        )
    limits = capacity.groupby("month", as_index=False)[[limit]].sum()
    line = (
        alt.Chart(limits)
        .mark_tick(color=GREY, thickness=3, size=34, opacity=1)
        .encode(x=x, y=alt.Y(f"{limit}:Q"), tooltip=tips(limits, "month", limit))
    )
    text = told.format(limits[limit].sum())
    return describe((bars + line).properties(width=560, height=260), title=title, text=text)


def chart_targets(table: pd.DataFrame, title: str, unit: str) -> alt.LayerChart | alt.Chart:
    """Show one target against what is expected and its range.

    Parameters
    ----------
    table
        One row: expected, low, high, target (plan currency).
    """
    if table.empty or table["expected"].isna().all():
        return nothing(title, "Nothing is expected: there is no history.")
    row = table[["expected", "low", "high", "target"]].iloc[[0]]
    x = alt.X(
        "low:Q",
        axis=number_axis(row),
        title=f"{unit} (bar: eight of ten outcomes)",
        scale=alt.Scale(zero=False, padding=25),
    )
    layers = [alt.Chart(row).mark_bar(size=18, color=BLUE, opacity=0.3).encode(x=x, x2="high:Q")]
    # The target above the bar and the expected result below it: their words never meet.
    for name, colour, size, away in (("expected", BLUE, 26, 32), ("target", ORANGE, 40, -30)):
        at = alt.Chart(row.assign(words=f"{name} {row[name].iloc[0]:,.0f}")).encode(x=f"{name}:Q")
        layers.append(at.mark_tick(color=colour, thickness=4, size=size, opacity=1))
        layers.append(at.mark_text(dy=away, fontSize=12).encode(text="words:N"))
    text = f"Expected {row['expected'].iloc[0]:,.0f}, target {row['target'].iloc[0]:,.0f} {unit}."
    chart = alt.layer(*layers).encode(y=alt.YValue(40))
    return describe(chart.properties(width=520, height=80), title=title, text=text)


def chart_regions(regions: pd.DataFrame, title: str, unit: str) -> alt.LayerChart | alt.Chart:
    """Show last year's result, goals and target by region.

    Parameters
    ----------
    regions
        Columns region, reviewed, allocated, target (plan currency).
    """
    if regions.empty:
        return nothing(title, "No regions.")
    names = {"reviewed": "reviewed year", "allocated": "goals"}
    long = regions.melt(["region"], list(names), "what", "amount").dropna()
    long["what"] = long["what"].map(names)
    order = regions.sort_values("target", ascending=False)["region"].tolist()
    bars = (
        alt.Chart(long)
        .mark_bar()
        .encode(
            x=alt.X("amount:Q", axis=number_axis(long["amount"]), title=unit),
            y=alt.Y("region:N", sort=order, title=None),
            yOffset=alt.YOffset("what:N", sort=list(names.values())),
            color=coloured("what", list(names.values()), [GREY, BLUE]),
            tooltip=tips(long, "region", "what", "amount", unit=unit),
        )
    )
    text = (
        f"{len(regions)} regions; goals {regions['allocated'].sum():,.0f} {unit} in all, "
        f"targets {regions['target'].sum():,.0f}."
    )
    chart = bars.properties(width=460, height=max(80, 44 * len(regions)))
    return describe(chart, title=title, text=text)


_HALF = 170  # px; a label beside the middle has that much room
_STEP = 18  # px from label to label
# Colour and shape by whose number it is: the past, the planner, the person, both.
_TALK = {
    "last_result": (GREY, "circle"),
    "last_goal": (GREY, "diamond"),
    "offered_goal": (BLUE, "diamond"),
    "proposal": (ORANGE, "triangle-up"),
    "counter_offer": (BLUE, "triangle-down"),
    "suggestion": (PURPLE, "circle"),
    "agreed": (GREEN, "square"),
    "decided": (GREEN, "square"),
}


def chart_talk(numbers: pd.DataFrame, title: str, unit: str) -> alt.LayerChart | alt.Chart:
    """Show every number of one person's talk on one line, over the likely range of the year.

    Parameters
    ----------
    numbers
        Columns what, amount, chance, and expected, low, high (the same in every row; plan
        currency).
    """
    if numbers.empty:
        return nothing(title, "Nobody has said a number yet.")
    rows, ends = _labels_apart(numbers), numbers[["amount", "low", "high"]].max()
    least = float(numbers[["amount", "low"]].min().min())
    most = float(numbers[["amount", "high"]].max().max())
    is_likely = numbers["low"].notna().any()
    line = f"{unit} (bar: eight of ten years)" if is_likely else unit
    apart = 0.0 if most > least else 1.0  # a lone number stands in the middle
    domain = [least - apart, most + apart]
    scale = alt.Scale(domain=domain, nice=False, zero=False, padding=12)

    def x(name: str) -> alt.X:
        return alt.X(f"{name}:Q", axis=number_axis(ends, tickCount=4), title=line, scale=scale)

    def y(name: str) -> alt.Y:
        return alt.Y(f"{name}:Q", axis=None, scale=None)  # pixels

    names = rows["what"].tolist()
    colours, shapes = zip(*(_TALK[name.replace(" ", "_")] for name in names), strict=True)
    base = alt.Chart(rows)
    dots = base.mark_point(size=90, opacity=1).encode(
        x=x("amount"),
        y=y("line"),
        color=coloured("what", names, colours, legend=None),
        shape=shaped("what", names, shapes).legend(None),
        tooltip=tips(rows, "what", "amount", "chance", unit=unit),
    )
    stems = base.mark_rule(color="#9AA5B1").encode(x=x("amount"), y=y("at"), y2="line:Q")
    above = alt.Chart(rows[rows["is_left"]]).mark_text(align="left", dx=4, fontSize=12)
    below = alt.Chart(rows[~rows["is_left"]]).mark_text(align="right", dx=-4, fontSize=12)
    words = [side.encode(x=x("amount"), y=y("at"), text="words:N") for side in (above, below)]
    bar = alt.Chart(rows.iloc[:1]).mark_bar(size=16, color=BLUE, opacity=0.2)
    layers = [bar.encode(x=x("low"), x2="high:Q", y=y("line"))] if is_likely else []
    tall = max(rows["at"].max(), rows["line"].iloc[0] + 12) + 8
    layers += [stems, dots, *words]
    chart = alt.LayerChart(layer=layers).properties(width=2 * _HALF, height=tall)
    low, high = numbers[["low", "high"]].iloc[0]
    likely = f"; likely {low:,.0f} to {high:,.0f}" if low == low else ""
    text = f"{', '.join(rows['words'])}{likely}, {unit}."
    return describe(chart, title=title, text=text)


def _labels_apart(numbers: pd.DataFrame) -> pd.DataFrame:
    """Give every number a label of its own: no label meets another, and no stem crosses one.

    Left of the middle labels stand above the line and run to the right, the farthest left on top;
    right of it they stand below and run to the left, the farthest right at the bottom.
    """
    ends = numbers[["amount", "low", "high"]].stack()
    rows = numbers.sort_values("amount", kind="stable")
    is_left = rows["amount"] < (ends.min() + ends.max()) / 2
    line = 14 + _STEP * int(is_left.sum())
    below = line + 4 + _STEP * (~is_left).cumsum()
    above = 10 + _STEP * (is_left.cumsum() - 1)
    rows["what"] = rows["what"].str.replace("_", " ")
    said = [f"{name} {amount:,.0f}" for name, amount in rows[["what", "amount"]].to_numpy()]
    return rows.assign(at=above.where(is_left, below), line=line, is_left=is_left, words=said)
