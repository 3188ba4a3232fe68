"""Charts of what is asked for: goals, chances, agreement, hours, regions."""

from __future__ import annotations

import altair as alt
import pandas as pd

from planning_kit.output.charts.history import _MONEY, _PERCENT, _height, _nothing
from planning_kit.output.charts.theme import BLUE, GREEN, GREY, ORANGE, PALETTE, PURPLE, describe


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
        return _nothing(title, "Nobody carries a goal here.")
    rows = goals[[label, "base", "goal"]].sort_values("goal", ascending=False)
    y = alt.Y(f"{label}:N", sort=rows[label].tolist(), title=None)
    long = rows.melt([label], ["base", "goal"], "what", "amount").dropna()
    long["what"] = long["what"].map({"base": "starting point", "goal": "goal"})
    rule = (
        alt.Chart(rows.dropna())
        .mark_rule(color="#9AA5B1", strokeWidth=2)
        .encode(
            x=alt.X("base:Q", axis=_MONEY, title=unit, scale=alt.Scale(zero=False, padding=15)),
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
            color=alt.Color(
                "what:N",
                title=None,
                scale=alt.Scale(domain=["starting point", "goal"], range=[GREY, BLUE]),
            ),
            shape=alt.Shape(
                "what:N",
                title=None,
                scale=alt.Scale(domain=["starting point", "goal"], range=["diamond", "circle"]),
            ),
            tooltip=[f"{label}:N", "what:N", alt.Tooltip("amount:Q", format=",.0f")],
        )
    )
    text = (
        f"{len(rows)} goals, {rows['goal'].sum():,.0f} {unit} in all, from "
        f"{rows['goal'].min():,.0f} to {rows['goal'].max():,.0f}."
    )
    chart = (rule + dots).properties(width=460, height=_height(len(rows)))
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
        return _nothing(title, "No ranges to tell chances from.")
    rows = known[[label, "chance"]]
    bars = (
        alt.Chart(rows)
        .mark_bar(size=14)
        .encode(
            x=alt.X(
                "chance:Q",
                axis=_PERCENT,
                scale=alt.Scale(domain=[0, 1]),
                title="chance of reaching the goal",
            ),
            y=alt.Y(f"{label}:N", sort=rows[label].tolist(), title=None),
            color=alt.condition("datum.chance < 0.5", alt.value(ORANGE), alt.value(BLUE)),
            tooltip=[f"{label}:N", alt.Tooltip("chance:Q", format=".0%")],
        )
    )
    half = (
        alt.Chart(pd.DataFrame({"at": [0.5]}))
        .mark_rule(color=GREY, strokeDash=[4, 3])
        .encode(x=alt.X("at:Q"))
    )
    text = (
        f"On average {rows['chance'].mean():.0%}; {int((rows['chance'] < 0.5).sum())} of "
        f"{len(rows)} are more likely to miss than to reach."
    )
    chart = (bars + half).properties(width=460, height=_height(len(rows)))
    return describe(chart, title=title, text=text)


def chart_frontier(frontier: pd.DataFrame, title: str) -> alt.LayerChart | alt.Chart:
    """Show what over-assignment buys: share of people reaching against the region's chance.

    Parameters
    ----------
    frontier
        Columns over_assignment (1.0 is none), share_reaching, team_chance.
    """
    if frontier.empty:
        return _nothing(title, "No ranges to tell chances from.")
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
                axis=_PERCENT,
                title="sum of goals / target",
                scale=alt.Scale(zero=False),
            ),
            y=alt.Y(
                "share:Q", axis=_PERCENT, scale=alt.Scale(domain=[0, 1]), title="share, chance"
            ),
            color=alt.Color(
                "what:N",
                title=None,
                scale=alt.Scale(domain=list(names.values()), range=[BLUE, ORANGE]),
            ),
            strokeDash=alt.StrokeDash("what:N", legend=None),
            tooltip=[
                alt.Tooltip("over_assignment:Q", format=".0%"),
                "what:N",
                alt.Tooltip("share:Q", format=".0%"),
            ],
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
        return _nothing(title, "The data do not say; see the findings.")
    sums = table.groupby("month", as_index=False)[there].sum(min_count=1)
    long = sums.melt("month", there, "what", "count").dropna()
    long["what"] = long["what"].map(columns)
    chart = (
        alt.Chart(long)
        .mark_line(point=True)
        .encode(
            x=alt.X("month:T", title=None, axis=alt.Axis(format="%b %y", labelAngle=-30)),
            y=alt.Y("count:Q", title=axis, axis=alt.Axis(format="~s")),
            color=alt.Color(
                "what:N",
                title=None,
                legend=alt.Legend() if len(there) > 1 else None,
                scale=alt.Scale(domain=[columns[c] for c in there], range=list(PALETTE)),
            ),
            strokeDash=alt.StrokeDash("what:N", legend=None),
            tooltip=[
                alt.Tooltip("month:T", format="%Y-%m"),
                "what:N",
                alt.Tooltip("count:Q", format=",.0f"),
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
        return _nothing(title, "Nobody carries a goal here.")
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
                "min(amount):Q", axis=_MONEY, title=unit, scale=alt.Scale(zero=False, padding=15)
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
            color=alt.Color(
                "what:N",
                title=None,
                scale=alt.Scale(domain=list(names.values()), range=[GREY, ORANGE, BLUE]),
            ),
            shape=alt.Shape(
                "what:N",
                title=None,
                scale=alt.Scale(
                    domain=list(names.values()), range=["diamond", "triangle-up", "circle"]
                ),
            ),
            tooltip=[f"{label}:N", "what:N", alt.Tooltip("amount:Q", format=",.0f")],
        )
    )
    asked = f"Top down {rows['goal'].sum():,.0f} {unit}"
    some = rows["proposed"].notna().any()
    text = f"{asked}, proposed {rows['proposed'].sum():,.0f}." if some else f"{asked}."
    chart = (span + dots).properties(width=460, height=_height(len(rows)))
    return describe(chart, title=title, text=text)


def chart_hours(
    hours: pd.DataFrame, capacity: pd.DataFrame, title: str
) -> alt.LayerChart | alt.Chart:
    """Show the hours a month by activity against the hours there are.

    Parameters
    ----------
    hours
        Columns month, activity, hours.
    capacity
        Columns month, available (hours).
    """
    if hours.empty:
        return _nothing(title, "No manager of active people here.")
    sums = hours.groupby(["month", "activity"], as_index=False)["hours"].sum()
    sums["activity"] = sums["activity"].str.replace("_", " ")
    limits = capacity.groupby("month", as_index=False)["available"].sum()
    order = sums.groupby("activity")["hours"].sum().sort_values(ascending=False).index.tolist()
    x = alt.X("yearmonth(month):O", title=None, axis=alt.Axis(format="%b", labelAngle=0))
    bars = (
        alt.Chart(sums)
        .mark_bar()
        .encode(
            x=x,
            y=alt.Y("hours:Q", title="hours a month"),
            color=alt.Color(
                "activity:N",
                title=None,
                sort=order,
                scale=alt.Scale(
                    domain=order,
                    range=[BLUE, ORANGE, GREEN, PURPLE, "#56B4E9", "#E69F00", "#F0E442", "#999999"],
                ),
            ),
            order=alt.Order("activity:N"),
            tooltip=["activity:N", alt.Tooltip("hours:Q", format=",.0f")],
        )
    )
    line = (
        alt.Chart(limits)
        .mark_tick(color=GREY, thickness=3, size=34)
        .encode(x=x, y=alt.Y("available:Q"))
    )
    planned, there = sums["hours"].sum(), limits["available"].sum()
    text = f"{planned:,.0f} hours planned of {there:,.0f} there are in the year."
    return describe((bars + line).properties(width=560, height=260), title=title, text=text)


def chart_targets(table: pd.DataFrame, title: str, unit: str) -> alt.LayerChart | alt.Chart:
    """Show one target against what is expected and its range.

    Parameters
    ----------
    table
        One row: expected, low, high, target (plan currency).
    """
    if table.empty or table["expected"].isna().all():
        return _nothing(title, "Nothing is expected: there is no history.")
    row = table.iloc[[0]].assign(name="result")
    y = alt.Y("name:N", title=None, axis=None)
    x = alt.X(
        "low:Q",
        axis=_MONEY,
        title=f"{unit} (bar: eight of ten outcomes)",
        scale=alt.Scale(zero=False, padding=25),
    )
    bar = (
        alt.Chart(row)
        .mark_bar(size=18, color=BLUE, opacity=0.3)
        .encode(x=x, x2=alt.X2("high:Q"), y=y)
    )
    mid = (
        alt.Chart(row)
        .mark_tick(color=BLUE, thickness=4, size=26)
        .encode(x=alt.X("expected:Q"), y=y)
    )
    aim = (
        alt.Chart(row)
        .mark_tick(color=ORANGE, thickness=4, size=40)
        .encode(x=alt.X("target:Q"), y=y)
    )
    words = pd.DataFrame(
        {
            "at": [row["expected"].iloc[0], row["target"].iloc[0]],
            "name": ["result"] * 2,
            "what": ["expected", "target"],
        }
    )
    above = alt.Chart(words.iloc[[1]]).mark_text(dy=-30, fontSize=12)
    below = alt.Chart(words.iloc[[0]]).mark_text(dy=26, fontSize=12)
    labels = above.encode(x=alt.X("at:Q"), y=y, text=alt.Text("what:N")) + below.encode(
        x=alt.X("at:Q"), y=y, text=alt.Text("what:N")
    )
    text = f"Expected {row['expected'].iloc[0]:,.0f}, target {row['target'].iloc[0]:,.0f} {unit}."
    return describe(
        (bar + mid + aim + labels).properties(width=520, height=80), title=title, text=text
    )


def chart_regions(regions: pd.DataFrame, title: str, unit: str) -> alt.LayerChart | alt.Chart:
    """Show last year's result, goals and target by region.

    Parameters
    ----------
    regions
        Columns region, reviewed, allocated, target (plan currency).
    """
    if regions.empty:
        return _nothing(title, "No regions.")
    names = {"reviewed": "reviewed year", "allocated": "goals"}
    long = regions.melt(["region"], list(names), "what", "amount").dropna()
    long["what"] = long["what"].map(names)
    order = regions.sort_values("target", ascending=False)["region"].tolist()
    bars = (
        alt.Chart(long)
        .mark_bar()
        .encode(
            x=alt.X("amount:Q", axis=_MONEY, title=unit),
            y=alt.Y("region:N", sort=order, title=None),
            yOffset=alt.YOffset("what:N", sort=list(names.values())),
            color=alt.Color(
                "what:N",
                title=None,
                scale=alt.Scale(domain=list(names.values()), range=[GREY, BLUE]),
            ),
            tooltip=["region:N", "what:N", alt.Tooltip("amount:Q", format=",.0f")],
        )
    )
    text = (
        f"{len(regions)} regions; goals {regions['allocated'].sum():,.0f} {unit} in all, "
        f"targets {regions['target'].sum():,.0f}."
    )
    chart = bars.properties(width=460, height=max(80, 44 * len(regions)))
    return describe(chart, title=title, text=text)
