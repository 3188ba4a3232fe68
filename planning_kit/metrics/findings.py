"""What the planner must know about activity goals before anybody works by them."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from planning_kit.data import Region
from planning_kit.messages import finding, findings_table, shorten
from planning_kit.metrics.goals import ActivityGoals, pipeline_start, share_of_deals
from planning_kit.metrics.presence import ActivityHours, activity_hours
from planning_kit.plan import STAGES, MetricOptions
from planning_kit.review import closing_ratios, funnel_rates
from planning_kit.review.prices import costed_sales
from planning_kit.review.rates import THIN_DEALS, closed_deals

Finding = dict[str, str]
_WORDS = {
    "sales_needed": "sales needed",
    "presentations": "presentations",
    "proposals": "proposals",
    "prospects": "prospects",
    "open_proposals": "open proposals",
    "pipeline_amount": "pipeline amounts",
    "coverage": "coverage",
    "units": "units",
    "margin": "margin",
}
_NEEDS = {
    "sales_needed": "won opportunities with amounts, or sales",
    "presentations": "opportunities won and lost, with amounts or sales (or presentation_to_sale in "
    "[metrics.rates])",
    "proposals": "activities 'proposal' (or proposed_on of opportunities) and presentations",
    "prospects": "activities 'prospect' and presentations",
    "open_proposals": "proposals, and opportunities with created_on or proposed_on, and closed_on",
    "pipeline_amount": "opportunities with an outcome, created_on and closed_on",
    "coverage": "opportunities with an outcome",
    "units": "units of sales (and product_line of products)",
    "margin": "cost of sales, or units and unit_cost of products",
}
_TABLES_FOR = {
    "opportunities": (
        "presentations",
        "proposals",
        "prospects",
        "open_proposals",
        "pipeline_amount",
        "coverage",
    ),
    "activities": ("prospects",),
}
_FOR = {
    "opportunities": "outcome, rep_id, created_on, presented_on, proposed_on, closed_on, amount",
    "activities": "prospects, presentations and proposals by person and day, week or month",
}


def metrics_findings(
    inputs: Region, goals: ActivityGoals, options: MetricOptions | None = None
) -> pd.DataFrame:
    """Judge activity goals: what is missing, who has too few hours, what is thin, what is short.

    Parameters
    ----------
    inputs
        One region or the company.
    goals
        Those of `activity_goals`, made from the same inputs and options.
    options
        As given to `activity_goals`.

    Returns
    -------
    DataFrame
        Findings, the most serious first. A person whose activity takes more hours over the plan
        than there are is a ``fail``; single months too full are a ``review``.
    """
    chosen, metrics = options or MetricOptions(), goals.months
    each = activity_hours(inputs, chosen)
    rows = [
        *_needs(inputs, metrics),
        *_hours(goals, each, chosen),
        *_recorded_hours(each),
        *_lost(goals.people, chosen),
        *_lift(goals.people, each, chosen),
        *_basis(inputs, chosen),
        *_stated(inputs, chosen),
        *_thin(inputs),
        *_start(inputs, metrics),
        *_dates(inputs),
    ]
    return findings_table(rows)


def _needs(inputs: Region, metrics: pd.DataFrame) -> Iterator[Finding]:
    planned = metrics[metrics["amount"].notna()]
    if planned.empty:
        yield finding(
            "metrics.goals.none",
            "review",
            "goals",
            "No goal has an amount, so there is nothing to turn into activity.",
            "Allocate or agree goals first.",
        )
        return
    empty = [column for column in _WORDS if planned[column].isna().all()]
    for table, columns in _TABLES_FOR.items():
        affected = [_WORDS[column] for column in columns if column in empty]
        if affected and inputs.missing(table):
            empty = [column for column in empty if column not in columns]
            yield finding(
                f"metrics.needs.{table}",
                "review",
                table,
                f"The table {table} has no rows, so there are no {_list(affected)}.",
                f"Add {table} to plan.toml: {_FOR[table]}.",
            )
    for column, words in _WORDS.items():
        lacking = planned[planned[column].isna()]
        if lacking.empty or (column not in empty and len(lacking) == len(planned)):
            continue
        who = "" if column in empty else f" for {shorten(sorted(lacking['rep_id'].unique()))}"
        yield finding(
            f"metrics.needs.{column}",
            "review",
            _region(inputs),
            f"No {words} can be given{who} ({len(lacking)} of {len(planned)} cells stay empty).",
            f"Add: {_NEEDS[column]}.",
        )


def _list(words: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _region(inputs: Region) -> str:
    return inputs.name


def _hours(goals: ActivityGoals, each: ActivityHours, options: MetricOptions) -> Iterator[Finding]:
    known = goals.months[goals.months["hours_needed"].notna()]
    if known.empty:
        return
    full = known[~known["fits"].astype(bool)]
    people = goals.people.set_index("rep_id").to_dict("index")
    chance = f"and for {_chance_said(options)}"
    for rep_id, months in full.groupby("rep_id"):
        every = known[known["rep_id"] == rep_id]
        needed, there = every["hours_needed"].sum(), every["hours_available"].sum()
        worst = months.sort_values("hours_needed", kind="stable").iloc[-1]
        over = needed > there + 1e-9
        yield finding(
            "metrics.hours.plan" if over else "metrics.hours.month",
            "fail" if over else "review",
            str(rep_id),
            f"{rep_id}: activity needs {needed:,.0f} h of {there:,.0f} selling hours"
            + (f", {needed - there:,.0f} h too many" if over else " over the plan")
            + f", {each.describe(str(rep_id))} {chance}; {len(months)} of {len(every)} months do "
            f"not fit, the fullest is {worst['month']:%Y-%m} with {worst['hours_needed']:,.0f} h of "
            f"{worst['hours_available']:,.0f} h.",
            "Lower the goal, free selling hours, raise the closing ratio or the average sale"
            f"{_ratio_that_fits(people[rep_id], needed, there)}."
            if over
            else "Move activity to emptier months; the plan as a whole fits.",
        )
    if full.empty:
        yield finding(
            "metrics.hours",
            "pass",
            "hours",
            "Everybody's activity fits the selling "
            f"hours in every month ({known['rep_id'].nunique()} people), {each.describe()} {chance}.",
        )


def _chance_said(options: MetricOptions) -> str:
    usual = " (the kit's default)" if options.chance == MetricOptions.chance else ""
    return f"a chance of {options.chance:.0%}{usual}"


def _ratio_that_fits(person: dict[Hashable, Any], needed: float, there: float) -> str:
    goal, reach = person["closing_goal"], person["peers_reach"]
    if not 0 < there < needed or not goal * needed / there <= 1:
        return ""
    peers = (
        "too few comparable people say whether that can be"
        if np.isnan(reach)
        else f"one in ten comparable people is above {reach:.0%}"
    )
    return f" (with {goal * needed / there:.0%} sales a presentation it would fit; {peers})"


def _recorded_hours(each: ActivityHours) -> Iterator[Finding]:
    over = each.load[each.load > 1.0 + 1e-9].sort_values(ascending=False, kind="stable")
    if len(over) and not each.stated:
        yield finding(
            "metrics.hours.learned",
            "review",
            "activities",
            f"At the kit's starting values, last period's activity of {len(over)} of "
            f"{len(each.load)} people would have taken more than their selling hours (most: "
            f"{over.index[0]}, {over.iloc[0]:.1f} times), so theirs is planned at what it can have "
            f"taken at most, anybody else's {each.describe()}: {shorten(over.index)}.",
            "Write the hours the team measures into [metrics].",
        )
    elif len(over):
        yield finding(
            "metrics.hours.recorded",
            "review",
            "activities",
            f"At the hours set for an activity, the activity recorded for {len(over)} of "
            f"{len(each.load)} people would already have taken more than their selling hours "
            f"(most: {over.index[0]}, {over.iloc[0]:.1f} times): {shorten(over.index)}.",
            "The hours an activity takes are set too high, or the counts are not single "
            "activities; correct one of them before trusting the hours.",
        )


def _lost(people: pd.DataFrame, options: MetricOptions) -> Iterator[Finding]:
    lost = people[people["presentations_lost"] > 0]
    if lost.empty:
        return
    said = [
        f"{row.rep_id} {row.presentations_lost:,.0f} of {row.presentations:,.0f}, which leaves a "
        f"chance of {row.activity_chance:.0%}"
        for row in lost.sort_values(["activity_chance", "rep_id"]).itertuples()
    ]
    more = f"; and {len(said) - 5} more" if len(said) > 5 else ""
    yield finding(
        "metrics.presence.lost",
        "review",
        shorten(lost["rep_id"]),
        f"Presentations of {len(lost)} people lie before they are hired or after they leave and "
        f"are lost, against {_chance_said(options)}: {'; '.join(said[:5])}{more}.",
        "Lower these goals, let somebody else present until then, or hand over open deals.",
    )


def _lift(people: pd.DataFrame, each: ActivityHours, options: MetricOptions) -> Iterator[Finding]:
    lifted = people[people["closing_goal"] > people["closing_ratio"] + 1e-12]
    if lifted.empty:
        return
    above = lifted[lifted["closing_goal"] > lifted["peers_reach"]]
    unknown = int(lifted["peers_reach"].isna().sum())
    saved = lifted["presentations_expected"] * (
        lifted["closing_goal"] / lifted["closing_ratio"] - 1
    )
    pace = each.pace(pd.Index(lifted["rep_id"])).to_numpy()
    yield finding(
        "metrics.ratio.lift",
        "review" if len(above) or unknown else "pass",
        "closing ratio",
        f"Closing ratios are to rise by {options.ratio_lift:.0%}. Where they stay as they were, "
        f"{lifted['lift_amount'].sum():,.0f} of the goals are missing, or {saved.sum():,.0f} more "
        f"presentations ({(saved / pace).sum() * each.hours['presentation']:,.0f} h) are needed"
        + (
            f"; {len(above)} of {len(lifted)} people would be above what nine in ten comparable "
            f"people reach: {shorten(above['rep_id'])}"
            if len(above)
            else ""
        )
        + (f"; of {unknown} too few comparable people are known to tell" if unknown else "")
        + ".",
        "Say what shall raise the ratio (coaching, better leads), or lower ratio_lift in [metrics].",
    )


def _stated(inputs: Region, options: MetricOptions) -> Iterator[Finding]:
    if options.rates:
        said = [f"{stage} {rate:.0%}" for stage, rate in options.rates.items()]
        ratios, funnel = closing_ratios(inputs), funnel_rates(inputs)
        own = ratios["won_per_presentation"].fillna(ratios["ratio"])
        measured = {**funnel[[s for s in STAGES if s in funnel]], "presentation_to_sale": own}
        found = [
            f"{stage} {measured[stage].median():.0%}"
            for stage in options.rates
            if measured[stage].notna().any()
        ]
        yield finding(
            "metrics.rates.stated",
            "review" if found else "pass",
            "[metrics]",
            f"Stated for everybody, and taken as certain: {', '.join(said)}; measured (the middle "
            f"of the people): {', '.join(found) or 'nothing'}.",
            "Take out what the data tell better." if found else "",
        )


def _basis(inputs: Region, options: MetricOptions) -> Iterator[Finding]:
    ratios = closing_ratios(inputs)
    closed, won = ratios["closed"].sum(), ratios["won"].sum()
    if len(inputs.opportunities) and won in (0, closed):
        none = f"None of the {closed:,.0f} closed deals was won" if closed else "No deal has closed"
        yield finding(
            "metrics.ratio.all" if closed and won else "metrics.ratio.none",
            "review",
            "opportunities",
            f"All {closed:,.0f} closed deals were won: lost deals seem not to be recorded, so the "
            "closing ratio is at most what is shown."
            if closed and won
            else f"{none}, so a closing ratio, presentations and a pipeline cannot be told.",
            "Record lost deals, or state presentation_to_sale in [metrics.rates].",
        )
    if ratios["closed"].sum() and ratios["won_per_presentation"].isna().all():
        yield finding(
            "metrics.presentations.basis",
            "review",
            "opportunities",
            "No usable presentations are recorded, so each deal that was won or lost counts as "
            "one presentation.",
            "Fill presented_on of opportunities, or count activities 'presentation'.",
        )
    funnel = funnel_rates(inputs)
    if len(funnel) and funnel["sale_basis"].eq("sales lines").all():
        yield finding(
            "metrics.sale.basis",
            "review",
            "sales",
            "The average sale is that of a sales line, since no won opportunity has an amount; "
            "a deal may have several lines, so fewer sales may be needed.",
            "Add won opportunities with amounts.",
        )
    if ratios["closed"].sum() and funnel["cycle_months"].isna().all():
        yield finding(
            "metrics.cycle.missing",
            "review",
            "opportunities",
            "No won deal tells how many months it took, so activity stands in the month of the "
            "closing instead of earlier.",
            "Fill presented_on or created_on, and closed_on.",
        )
    yield from _value_basis(inputs, options, ratios, funnel)


def _value_basis(
    inputs: Region, options: MetricOptions, ratios: pd.DataFrame, funnel: pd.DataFrame
) -> Iterator[Finding]:
    if ratios["closed"].sum() and funnel["win_rate_by_value"].isna().all():
        yield finding(
            "metrics.coverage.basis",
            "review",
            "opportunities",
            "Most lost deals have no amount, so coverage is 1 / closing ratio by count; it is too "
            "low where large deals are lost more often.",
            "Keep the amounts of lost deals.",
        )
    share = share_of_deals(inputs, options)
    if share < 0.995 and options.deal_share is None:
        yield finding(
            "metrics.deal_share",
            "review",
            "opportunities",
            f"{share:.0%} of last period's sales came out of recorded won deals; that share of "
            "every goal is asked of new deals, the rest is taken to come as repeat business.",
            "Set deal_share = 1 in [metrics] where every sale has to be won anew.",
        )


def _thin(inputs: Region) -> Iterator[Finding]:
    ratios = closing_ratios(inputs)
    ratios = ratios[ratios["rep_id"].isin(inputs.team()["rep_id"])]
    thin = ratios[ratios["closed"] < THIN_DEALS]
    if len(thin) and ratios["closed"].sum():
        yield finding(
            "metrics.ratio.thin",
            "review",
            "opportunities",
            f"{len(thin)} of {len(ratios)} people have fewer than {THIN_DEALS} closed deals, so "
            f"their ratio is mostly the team's: {shorten(thin['rep_id'])}.",
            "Do not judge these people by their closing ratio; look at the range.",
        )


def _start(inputs: Region, metrics: pd.DataFrame) -> Iterator[Finding]:
    start = pipeline_start(inputs, metrics)
    told = start.dropna(subset=["amount_short"])
    if told["amount_needed"].sum() > 0:
        short = told[told["amount_short"] > 0].sort_values(
            ["amount_short", "rep_id"], ascending=[False, True]
        )
        yield finding(
            "metrics.pipeline.start",
            "review" if len(short) else "pass",
            "opportunities",
            f"Open deals of {told['open_amount'].sum():,.0f} stand against "
            f"{told['amount_needed'].sum():,.0f} that the first months need; {len(short)} of "
            f"{len(told)} people are short, by {told['amount_short'].sum():,.0f} together"
            + (f": {shorten(short['rep_id'])}." if len(short) else "."),
            "Start presentations for them before the plan starts." if len(short) else "",
        )
    deals = inputs.opportunities
    nobody = deals[deals["outcome"].eq("open") & deals["rep_id"].isna()]
    if len(nobody):
        yield finding(
            "metrics.pipeline.unowned",
            "review",
            "opportunities",
            f"{len(nobody)} open deals worth {nobody['amount'].sum():,.0f} belong to nobody and "
            "count for no one's pipeline.",
            "Give them an owner.",
        )


def _dates(inputs: Region) -> Iterator[Finding]:
    deals = closed_deals(inputs)
    if deals.empty:
        return
    earlier = np.zeros(len(deals), dtype=bool)
    for day in ("created_on", "presented_on", "proposed_on"):
        earlier |= (deals[day] > deals["closed_on"]).to_numpy()
    undated = int(deals["closed_on"].isna().sum())
    if earlier.any():
        yield finding(
            "metrics.dates.reversed",
            "review",
            "opportunities",
            f"{int(earlier.sum())} of {len(deals)} closed deals were closed before they were "
            "opened, presented or proposed; they are left out of the times to close.",
            f"Correct the dates of {shorten(deals.loc[earlier, 'opportunity_id'])}.",
        )
    if undated:
        yield finding(
            "metrics.dates.missing",
            "review",
            "opportunities",
            f"{undated} of {len(deals)} closed deals have no closed_on; they count in the ratios "
            "whenever they were closed, and not in the times to close.",
            "Fill closed_on.",
        )
    costed, sold = costed_sales(inputs), inputs.reviewed_sales()
    if 0 < costed["amount"].sum() < 0.95 * sold["amount"].sum():
        yield finding(
            "metrics.cost.partial",
            "review",
            "sales",
            f"The cost is known for {costed['amount'].sum() / sold['amount'].sum():.0%} of the "
            "reviewed sales; margin shares rest on these alone.",
            "Fill cost or unit_cost.",
        )
