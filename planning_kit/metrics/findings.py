"""What the planner must know about activity goals before anybody works by them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from planning_kit.data import Region
from planning_kit.messages import finding, findings_table, shorten
from planning_kit.metrics.goals import ActivityOptions, deal_share, pipeline_start
from planning_kit.plan import months_between
from planning_kit.review import closing_ratios, funnel_rates
from planning_kit.review.prices import costed_sales
from planning_kit.review.rates import THIN_DEALS, closed_deals, count_steps

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
    "presentations": "opportunities with an outcome, and won opportunities with amounts or sales",
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
    inputs: Region, metrics: pd.DataFrame, options: ActivityOptions | None = None
) -> pd.DataFrame:
    """Judge activity goals: what is missing, who has too few hours, what is thin, what is short.

    Parameters
    ----------
    inputs
        One region or the company.
    metrics
        The table of `metric_goals` made from the same inputs and options.
    options
        As given to `metric_goals`.

    Returns
    -------
    DataFrame
        Findings, the most serious first. A person whose activity takes more hours over the plan
        than there are is a ``fail``; single months too full are a ``review``.
    """
    chosen = options or ActivityOptions()
    rows = [
        *_needs(inputs, metrics),
        *_hours(metrics),
        *_recorded_hours(inputs, chosen),
        *_basis(inputs, chosen),
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


def _hours(metrics: pd.DataFrame) -> Iterator[Finding]:
    known = metrics[metrics["hours_needed"].notna()]
    if known.empty:
        return
    full = known[~known["fits"]]
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
            + f"; {len(months)} of {len(every)} months do not fit, the fullest is "
            f"{worst['month']:%Y-%m} with {worst['hours_needed']:,.0f} h of "
            f"{worst['hours_available']:,.0f} h.",
            "Lower the goal, free selling hours, raise the closing ratio or the average sale."
            if over
            else "Move activity to emptier months; the plan as a whole fits.",
        )
    if full.empty:
        yield finding(
            "metrics.hours",
            "pass",
            "hours",
            "Everybody's activity fits the selling "
            f"hours in every month ({known['rep_id'].nunique()} people).",
        )


def _recorded_hours(inputs: Region, options: ActivityOptions) -> Iterator[Finding]:
    steps = count_steps(inputs)
    settings = inputs.settings
    hours = (
        steps["prospect"].fillna(0) * options.prospect_hours
        + steps["presentation"].fillna(0) * options.presentation_hours
        + steps["proposal"].fillna(0) * options.proposal_hours
    )
    months = months_between(settings.review_starts_on, settings.review_ends_on)
    there = settings.hours_a_month * settings.selling_share * months
    over = hours[hours > there]
    if len(over):
        yield finding(
            "metrics.hours.recorded",
            "review",
            "activities",
            f"At the hours set for an activity, the activity recorded for {len(over)} of "
            f"{len(hours)} people would already have taken more than their {there:,.0f} selling "
            f"hours (most: {hours.idxmax()}, {hours.max():,.0f} h): {shorten(over.index)}.",
            "The hours an activity takes are set too high, or the counts are not single "
            "activities; correct one of them before trusting the hours.",
        )


def _basis(inputs: Region, options: ActivityOptions) -> Iterator[Finding]:
    ratios = closing_ratios(inputs)
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
    inputs: Region, options: ActivityOptions, ratios: pd.DataFrame, funnel: pd.DataFrame
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
    share = deal_share(inputs) if options.deal_share is None else options.deal_share
    if share < 0.995:
        yield finding(
            "metrics.deal_share",
            "review",
            "opportunities",
            f"{share:.0%} of last period's sales came out of recorded won deals; that share of "
            "every goal is asked of new deals, the rest is taken to come as repeat business.",
            "Set deal_share to 1 where every sale has to be won anew.",
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
