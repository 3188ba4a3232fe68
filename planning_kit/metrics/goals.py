"""From a goal to what has to be done for it, person by person and month by month."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from planning_kit.data import Region
from planning_kit.metrics.cells import goal_cells
from planning_kit.metrics.presence import TYPICAL, Presence, activity_hours, selling_hours
from planning_kit.metrics.splits import check_goals
from planning_kit.numbers.compound import Odds
from planning_kit.numbers.phasing import sum_window
from planning_kit.numbers.rounding import split_rows
from planning_kit.numbers.shrinkage import Numbers
from planning_kit.plan import MetricOptions
from planning_kit.review import closing_ratios, funnel_rates
from planning_kit.review.pipeline import expected_open, time_open
from planning_kit.review.rates import closed_deals, closing_times

METRIC_COLUMNS = (
    "rep_id",
    "month",
    "amount",
    "units",
    "margin",
    "sales_needed",
    "presentations",
    "presentations_expected",
    "proposals",
    "prospects",
    "open_proposals",
    "pipeline_amount",
    "coverage",
    "hours_needed",
    "hours_available",
    "fits",
)
RATIO_GOAL_COLUMNS = (
    "rep_id",
    "amount",
    "win_rate_by_count",
    "win_rate_by_value",
    "closing_ratio",
    "closing_low",
    "closing_high",
    "closing_goal",
    "peers_reach",
    "average_sale",
    "presentations_expected",
    "presentations",
    "presentations_lost",
    "activity_chance",
    "lift_amount",
)
START_COLUMNS = (
    "rep_id",
    "average_open",
    "expected_open",
    "open_deals",
    "open_amount",
    "amount_needed",
    "amount_short",
    "proposals_open",
    "proposals_needed",
    "proposals_short",
)
LEAST_PEERS = 5  # fewer people say nothing about what can be reached
_PRESENTED = {
    "closing_ratio": "won_per_presentation",
    "closing_low": "presentation_low",
    "closing_high": "presentation_high",
    "closing_worth": "presentation_worth",
}
_CLOSED = {
    "closing_ratio": "ratio",
    "closing_low": "low",
    "closing_high": "high",
    "closing_worth": "ratio_worth",
}
_RATES = (
    "average_sale",
    "average_sale_cv",
    "sale_cv",
    "prospect_to_presentation",
    "presentation_to_proposal",
    "prospect_months",
    "cycle_months",
    "proposal_months",
    "months_open",
    "win_rate_by_value",
)


def deal_share(inputs: Region) -> float:
    """Measure the share of the reviewed sales amount that came out of recorded won deals.

    1.0 where that cannot be told: without deals or amounts, or with more won than sold.
    """
    deals = closed_deals(inputs)
    won = deals.loc[inputs.in_review(deals["closed_on"]) & (deals["is_won"] > 0), "amount"].sum()
    sold = inputs.reviewed_sales()["amount"].sum()
    return float(won / sold) if 0 < won < sold else 1.0


@dataclass(frozen=True)
class ActivityGoals:
    """What goals mean in activity.

    Attributes
    ----------
    months : DataFrame
        One row a person and month, see `metric_goals`.
    people : DataFrame
        One row a person, see `ratio_goals`.
    """

    months: pd.DataFrame
    people: pd.DataFrame


def metric_goals(
    inputs: Region, goals: pd.DataFrame, options: MetricOptions | None = None
) -> pd.DataFrame:
    """Turn goals into sales, presentations, proposals, prospects, pipeline, units and margin.

    Presentations are those that reach the goal's deal share with the wished chance, where ratio,
    number of sales and size of a sale are uncertain (`planning_kit.numbers.compound.Odds`); they
    fall as many months before the closing as the person's deals take, and are whole numbers that
    add up to the plan. What would fall before the plan starts stands in its last months, which
    work for the next plan's first ones (`pipeline_start` tells whether the first months are
    covered); of somebody who was not here yet, or leaves, it is lost (`ratio_goals` names it).
    Open proposals are those written in the last ``proposal_months`` (Little's law); the pipeline's
    amount (every open deal, proposed or not) is what closes in the next ``months_open`` x coverage,
    and coverage is 1 / win rate by value (by count where lost deals have no amounts).

    Parameters
    ----------
    inputs
        One region or the company.
    goals
        rep_id, month, goal (plan currency; empty: nobody planned it) and, where known,
        product_line and territory_id, on which rows are added up.
    options
        The section ``[metrics]`` of the scenario; None: the defaults.

    Returns
    -------
    DataFrame
        One row a person and month: amount and margin (plan currency), units, sales_needed,
        presentations (safe), presentations_expected (not rounded: those of an even chance, which
        multiply out to the goal), proposals, prospects (counts), open_proposals (count at the
        month's end), pipeline_amount (plan currency, at the month's start), coverage (times),
        hours_needed and hours_available (selling hours), fits (empty where hours are not known).
        A column that the data cannot answer is empty.

    Raises
    ------
    DataError
        `goals` lacks a column, or names somebody unknown, or has a negative goal.
    """
    return activity_goals(inputs, goals, options).months


def ratio_goals(
    inputs: Region, goals: pd.DataFrame, options: MetricOptions | None = None
) -> pd.DataFrame:
    """Give everybody's closing-ratio goal, beside the win rates, and what follows from it.

    Parameters
    ----------
    inputs, goals, options
        As of `metric_goals`.

    Returns
    -------
    DataFrame
        One row a person: amount (goal, plan currency), win_rate_by_count (of closed deals),
        win_rate_by_value, closing_ratio (sales a presentation, measured or stated) with
        closing_low and closing_high (80 % range), closing_goal (with the lift asked for),
        peers_reach (the ratio that one in ten comparable people, of the same role, is above; empty
        for fewer than five), average_sale, presentations_expected (goal x deal share / average sale
        / closing goal, not rounded), presentations (safe), presentations_lost (of these, before
        hiring or after leaving), activity_chance (that the others reach the goal), lift_amount (plan
        currency that is missing where the ratio stays as it was).
    """
    return activity_goals(inputs, goals, options).people


def activity_goals(
    inputs: Region, goals: pd.DataFrame, options: MetricOptions | None = None
) -> ActivityGoals:
    """Work out `metric_goals` and `ratio_goals` together."""
    chosen = options or MetricOptions()
    checked = check_goals(goals, inputs)
    if checked.empty:
        return ActivityGoals(_empty(METRIC_COLUMNS), _empty(RATIO_GOAL_COLUMNS))
    amount = checked.groupby(["rep_id", "month"])["goal"].sum(min_count=1).unstack()
    months = pd.date_range(amount.columns.min(), amount.columns.max(), freq="MS", unit="us")
    amount = amount.reindex(columns=months).sort_index()
    rates = _rates_of(inputs, amount.index, chosen)
    cells, people = _activity(amount, rates, inputs, chosen)
    table = _with_parts(_long(amount, cells), goal_cells(inputs, checked, chosen.launch))
    months_table = _with_hours(table, inputs, chosen)[list(METRIC_COLUMNS)]
    return ActivityGoals(months_table, people[list(RATIO_GOAL_COLUMNS)])


def share_of_deals(inputs: Region, options: MetricOptions) -> float:
    """Give the share of goals that has to come out of deals: stated, else measured."""
    return deal_share(inputs) if options.deal_share is None else options.deal_share


def _empty(columns: tuple[str, ...]) -> pd.DataFrame:
    table = pd.DataFrame(columns=list(columns), dtype="float64")
    kinds = {"rep_id": "str", "month": "datetime64[us]", "fits": "boolean"}
    return table.astype({name: kind for name, kind in kinds.items() if name in columns})


def _rates_of(inputs: Region, people: pd.Index, options: MetricOptions) -> pd.DataFrame:
    # Somebody with a goal but outside the team (hired later, another region) works at its rates.
    ratios = closing_ratios(inputs).set_index("rep_id")
    funnel = funnel_rates(inputs).set_index("rep_id")
    rates = funnel[list(_RATES)].reindex(people)
    # A sale per presentation where presentations are known, else per closed deal.
    known = ratios["won_per_presentation"].notna().any()
    measured = _PRESENTED if known else _CLOSED
    for name, column in {**measured, "win_rate_by_count": "ratio"}.items():
        rates[name] = ratios[column].reindex(people)
    if funnel["win_rate_by_value"].isna().all():
        rates["win_rate_by_value"] = rates["win_rate_by_count"]
    rates = rates.fillna(rates.median()).astype(float)
    # Where nobody won anything there is no ratio, however many tries there were.
    if not ratios["won_presented" if known else "won"].sum() > 0:
        rates[[*_PRESENTED, "win_rate_by_value", "win_rate_by_count"]] = np.nan
    stated = {**options.rates}
    if "presentation_to_sale" in stated:
        ratio = stated.pop("presentation_to_sale")
        rates[[*_PRESENTED]] = [ratio, ratio, ratio, np.inf]
    rates = rates.assign(**stated)
    rates["closing_goal"] = (rates["closing_ratio"] * (1.0 + options.ratio_lift)).clip(upper=1.0)
    return rates


def _activity(
    amount: pd.DataFrame, rates: pd.DataFrame, inputs: Region, options: MetricOptions
) -> tuple[dict[str, Numbers], pd.DataFrame]:
    goal, share = amount.to_numpy(dtype=float), share_of_deals(inputs, options)
    planned = ~np.isnan(goal)
    there = Presence.of(inputs, amount)
    column = {name: rates[name].to_numpy() for name in rates}
    cycle, first = (np.nan_to_num(column[name]) for name in ("cycle_months", "prospect_months"))
    offered, still = column["proposal_months"], column["months_open"]
    year = np.where(planned.any(axis=1), np.nansum(goal, axis=1), np.nan)
    sales = year * share / column["average_sale"]
    given = there.place(goal, cycle)
    late = there.late(given, cycle, closing_times(inputs))
    odds = Odds(
        column["closing_goal"],
        np.where(column["closing_goal"] < 1.0, column["closing_worth"], np.inf),
        column["sale_cv"],
        column["average_sale_cv"],
        late,
    )
    safe = odds.safe(sales, options.chance)
    expected = sales / column["closing_goal"]
    proposals = np.ceil(safe * column["presentation_to_proposal"] - 1e-9)
    prospects = np.ceil(safe / column["prospect_to_presentation"] - 1e-9)
    presented = there.split(goal, cycle, safe)
    written = there.split(goal, np.nan_to_num(offered), proposals)
    coverage = 1.0 / column["win_rate_by_value"]
    due = sum_window(np.nan_to_num(goal) * share, np.nan_to_num(still), ahead=True)
    known = np.where(planned.any(axis=1) & ~np.isnan(still), 1.0, np.nan)[:, None]
    cells = {
        "sales_needed": np.where(planned, split_rows(goal, np.ceil(sales - 1e-9)), np.nan),
        "presentations": presented,
        "presentations_expected": given * expected[:, None],
        "proposals": written,
        "prospects": there.split(goal, np.maximum(first, cycle), prospects),
        "open_proposals": np.ceil(sum_window(written, np.nan_to_num(offered)) * known - 1e-9),
        "pipeline_amount": due * coverage[:, None] * known,
        "coverage": np.broadcast_to(coverage[:, None], goal.shape),
    }
    for name in ("open_proposals", "pipeline_amount"):
        cells[name] = np.where(there.employed, cells[name], 0.0 * cells[name])
    done = presented.sum(axis=1)
    # Nobody worked before a newcomer: what closes too late is not made up for by earlier work.
    counted = np.where(there.steady, done, done * (1.0 - late))
    people = rates.assign(
        amount=year,
        presentations_expected=expected,
        presentations=safe,
        presentations_lost=safe - done,
        activity_chance=np.where(np.isnan(safe), np.nan, odds.chance(counted, sales)),
        lift_amount=year * share * (1.0 - column["closing_ratio"] / column["closing_goal"]),
        peers_reach=_peers_reach(inputs, rates["closing_ratio"]),
    )
    return cells, people.reset_index(names="rep_id")


def _peers_reach(inputs: Region, ratio: pd.Series) -> pd.Series:
    role = inputs.reps.drop_duplicates("rep_id").set_index("rep_id")["role"].fillna("")
    peers = ratio.groupby(role.reindex(ratio.index).fillna(""))
    return peers.transform(lambda one: one.quantile(TYPICAL)).where(
        peers.transform("size") >= LEAST_PEERS
    )


def _long(amount: pd.DataFrame, cells: dict[str, Numbers]) -> pd.DataFrame:
    rows = pd.MultiIndex.from_product([amount.index, amount.columns], names=["rep_id", "month"])
    table = pd.DataFrame({name: grid.ravel() for name, grid in cells.items()}, index=rows)
    table.insert(0, "amount", amount.to_numpy(dtype=float).ravel())
    return table.reset_index()


def _with_parts(table: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    keys = ["rep_id", "month"]
    for name in ("units", "margin"):
        # One line without a price or a cost leaves the person's sum unknown, unless it is 0.
        part = cells.assign(**{name: cells[name].mask(cells["amount"].eq(0), 0.0)})
        by_cell = part.assign(unknown=part[name].isna()).groupby(keys)
        sums = by_cell[name].sum().where(~by_cell["unknown"].any())
        table = table.merge(sums.reset_index(), on=keys, how="left")
    return table


def _with_hours(table: pd.DataFrame, inputs: Region, options: MetricOptions) -> pd.DataFrame:
    each = activity_hours(inputs, options)
    parts = {f"{step}s": table[f"{step}s"] * hours for step, hours in each.hours.items()}
    # A step that nobody recorded takes no hours; without presentations no hours are known.
    hours = pd.DataFrame(parts).sum(axis=1).where(table["presentations"].notna())
    people = pd.Index(table["rep_id"].unique())
    hours = hours / table["rep_id"].map(each.pace(people))
    months = pd.DatetimeIndex(table["month"].unique())
    there = selling_hours(inputs, people, months).ravel()
    fits = (hours <= there + 1e-9).astype("boolean").where(hours.notna())
    return table.assign(hours_needed=hours, hours_available=there, fits=fits)


def pipeline_start(inputs: Region, metrics: pd.DataFrame) -> pd.DataFrame:
    """Compare what stands open when the plan starts with what its first months need.

    Deals that nobody owns count for nobody. An open deal without an amount is worth the owner's
    average sale.

    Parameters
    ----------
    inputs
        One region or the company.
    metrics
        The table of `metric_goals`.

    Returns
    -------
    DataFrame
        One row a person: average_open (deals open on average in the reviewed period or since),
        expected_open (in the three months to come, as things go), open_deals, open_amount,
        amount_needed (first month's pipeline_amount), amount_short (0 where there is enough),
        proposals_open (deals with a written proposal), proposals_needed (open_proposals of the
        last month: the plan is taken to follow one like it), proposals_short. Empty where the need
        cannot be told.
    """
    by_month = metrics.sort_values(["rep_id", "month"])
    first = by_month.drop_duplicates("rep_id", keep="first").set_index("rep_id")
    last = by_month.drop_duplicates("rep_id", keep="last").set_index("rep_id")
    table = pd.DataFrame(
        {"amount_needed": first["pipeline_amount"], "proposals_needed": last["open_proposals"]}
    )
    deals = inputs.opportunities
    deals = deals[deals["outcome"].eq("open") & deals["rep_id"].notna()]
    average = funnel_rates(inputs).set_index("rep_id")["average_sale"]
    worth = deals["amount"].where(deals["amount"] > 0)
    worth = worth.fillna(deals["rep_id"].map(average))
    known = bool(len(inputs.opportunities))
    proposals_known = bool(inputs.opportunities["proposed_on"].notna().any())
    owner = deals["rep_id"]
    for name, counted in {
        "average_open": time_open(inputs)["average_open"],
        "expected_open": expected_open(inputs),
        "open_deals": owner.groupby(owner).size(),
        "open_amount": worth.groupby(owner).sum(),
        "proposals_open": deals["proposed_on"].notna().groupby(owner).sum(),
    }.items():
        told = known if name != "proposals_open" else proposals_known
        there = counted.reindex(table.index).astype(float).fillna(0.0)
        table[name] = there if told else np.nan
    table["amount_short"] = (table["amount_needed"] - table["open_amount"]).clip(lower=0.0)
    table["proposals_short"] = (table["proposals_needed"] - table["proposals_open"]).clip(lower=0)
    return table.rename_axis("rep_id").reset_index()[list(START_COLUMNS)]
