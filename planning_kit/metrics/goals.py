"""From a goal to what has to be done for it, person by person and month by month."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from planning_kit.data import Region
from planning_kit.metrics.cells import goal_cells
from planning_kit.metrics.splits import check_goals
from planning_kit.numbers.phasing import shift_earlier, sum_window
from planning_kit.numbers.rounding import split_rows
from planning_kit.numbers.shrinkage import Numbers
from planning_kit.numbers.tries import safe_tries
from planning_kit.plan import Launch
from planning_kit.review import closing_ratios, funnel_rates
from planning_kit.review.rates import closed_deals

METRIC_COLUMNS = (
    "rep_id",
    "month",
    "amount",
    "units",
    "margin",
    "sales_needed",
    "presentations",
    "proposals",
    "prospects",
    "open_proposals",
    "pipeline_amount",
    "coverage",
    "hours_needed",
    "hours_available",
    "fits",
)
START_COLUMNS = (
    "rep_id",
    "open_deals",
    "open_amount",
    "amount_needed",
    "amount_short",
    "proposals_open",
    "proposals_needed",
    "proposals_short",
)
_RATES = (
    "average_sale",
    "prospect_to_presentation",
    "presentation_to_proposal",
    "prospect_months",
    "cycle_months",
    "proposal_months",
    "months_open",
    "win_rate_by_value",
)


@dataclass(frozen=True)
class ActivityOptions:
    """What a planner may set for activity goals.

    The hours are starting values of the kit, without a study behind them: replace them by what
    the team measures. `metrics_findings` compares them with the activity that was recorded.

    Attributes
    ----------
    prospect_hours, presentation_hours, proposal_hours : float
        Working hours one of each takes, with preparation and travel.
    chance : float
        Wished chance that the activity makes the sales needed.
    deal_share : float or None
        Share of a goal that has to come out of deals (the rest is repeat business that no deal
        stands for); None: measured on the reviewed period.
    """

    prospect_hours: float = 0.5
    presentation_hours: float = 2.5
    proposal_hours: float = 3.0
    chance: float = 0.8
    deal_share: float | None = None


def deal_share(inputs: Region) -> float:
    """Measure the share of the reviewed sales amount that came out of recorded won deals.

    1.0 where that cannot be told: without deals or amounts, or with more won than sold.
    """
    deals = closed_deals(inputs)
    won = deals.loc[inputs.in_review(deals["closed_on"]) & (deals["is_won"] > 0), "amount"].sum()
    sold = inputs.reviewed_sales()["amount"].sum()
    return float(won / sold) if 0 < won < sold else 1.0


def metric_goals(
    inputs: Region,
    goals: pd.DataFrame,
    options: ActivityOptions | None = None,
    launches: Mapping[str, Launch] | None = None,
) -> pd.DataFrame:
    """Turn goals into sales, presentations, proposals, prospects, pipeline, units and margin.

    Sales needed are the goal's deal share / average sale, rounded up over the plan. Tries are
    80 %-safe over the plan (`safe_tries` with the shrunk ratio), fall as many months before the
    closing as the person's deals take, and are whole numbers that add up to the plan; what would
    fall before the plan starts stands in its last months, which work for the next plan's first
    ones (`pipeline_start` tells whether the first months are covered). Open proposals are
    Little's law: those written in the last ``proposal_months``; the pipeline's amount (every open
    deal, proposed or not) is what closes in the next ``months_open`` x coverage, and coverage is
    1 / win rate by value (by count where lost deals have no amounts).

    Parameters
    ----------
    inputs
        One region or the company.
    goals
        rep_id, month, goal (plan currency; empty: nobody planned it) and, where known,
        product_line and territory_id, on which rows are added up.
    options
        Hours an activity takes, the wished chance, the share of deals.
    launches
        New products, see `goal_cells`.

    Returns
    -------
    DataFrame
        One row a person and month: amount and margin (plan currency), units, sales_needed,
        presentations, proposals, prospects (counts), open_proposals (count at the month's end),
        pipeline_amount (plan currency, at the month's start), coverage (times), hours_needed and
        hours_available (selling hours), fits. A column that the data cannot answer is empty.

    Raises
    ------
    DataError
        `goals` lacks a column, or names somebody unknown, or has a negative goal.
    """
    chosen = options or ActivityOptions()
    checked = check_goals(goals, inputs)
    if checked.empty:
        return _empty()
    amount = checked.groupby(["rep_id", "month"])["goal"].sum(min_count=1).unstack()
    months = pd.date_range(amount.columns.min(), amount.columns.max(), freq="MS", unit="us")
    amount = amount.reindex(columns=months).sort_index()
    rates = _rates_of(inputs, amount.index)
    cells = _activity(amount.to_numpy(dtype=float), rates, _share(inputs, chosen), chosen.chance)
    table = _long(amount, cells)
    table = _with_parts(table, goal_cells(inputs, checked, launches))
    return _with_hours(table, inputs, chosen)[list(METRIC_COLUMNS)]


def _share(inputs: Region, options: ActivityOptions) -> float:
    return deal_share(inputs) if options.deal_share is None else options.deal_share


def _empty() -> pd.DataFrame:
    table = pd.DataFrame(columns=list(METRIC_COLUMNS), dtype="float64")
    return table.astype({"rep_id": "str", "month": "datetime64[us]", "fits": "bool"})


def _rates_of(inputs: Region, people: pd.Index) -> pd.DataFrame:
    # Somebody with a goal but outside the team (hired later, another region) works at its rates.
    ratios = closing_ratios(inputs).set_index("rep_id")
    funnel = funnel_rates(inputs).set_index("rep_id")
    rates = pd.DataFrame(index=people)
    # A sale per presentation where presentations are known, else per closed deal.
    known = ratios["won_per_presentation"].notna().any()
    rates["ratio"] = ratios["won_per_presentation" if known else "ratio"].reindex(people)
    for name in _RATES:
        rates[name] = funnel[name].reindex(people)
    if funnel["win_rate_by_value"].isna().all():
        rates["win_rate_by_value"] = ratios["ratio"].reindex(people)
    return rates.fillna(rates.median()).astype(float)


def _activity(
    amount: Numbers, rates: pd.DataFrame, share: float, chance: float
) -> dict[str, Numbers]:
    planned = ~np.isnan(amount)
    year = np.where(planned.any(axis=1), np.nansum(amount, axis=1), np.nan) * share
    ratio, cycle = rates["ratio"].to_numpy(), rates["cycle_months"].fillna(0.0).to_numpy()
    first = rates["prospect_months"].fillna(0.0).to_numpy()
    offered, still = rates["proposal_months"].to_numpy(), rates["months_open"].to_numpy()
    sales = np.ceil(year / rates["average_sale"].to_numpy() - 1e-9)
    presentations = safe_tries(sales, ratio, chance)
    proposals = np.ceil(presentations * rates["presentation_to_proposal"].to_numpy() - 1e-9)
    prospects = np.ceil(presentations / rates["prospect_to_presentation"].to_numpy() - 1e-9)
    written = split_rows(shift_earlier(np.nan_to_num(amount), np.nan_to_num(offered)), proposals)
    coverage = 1.0 / rates["win_rate_by_value"].to_numpy()
    due = sum_window(np.nan_to_num(amount) * share, np.nan_to_num(still), ahead=True)
    known = np.where(planned.any(axis=1) & ~np.isnan(still), 1.0, np.nan)[:, None]
    return {
        "sales_needed": np.where(planned, split_rows(amount, sales), np.nan),
        "presentations": split_rows(shift_earlier(np.nan_to_num(amount), cycle), presentations),
        "proposals": written,
        "prospects": split_rows(
            shift_earlier(np.nan_to_num(amount), np.maximum(first, cycle)), prospects
        ),
        "open_proposals": np.ceil(sum_window(written, np.nan_to_num(offered)) * known - 1e-9),
        "pipeline_amount": due * coverage[:, None] * known,
        "coverage": np.broadcast_to(coverage[:, None], amount.shape),
    }


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


def _with_hours(table: pd.DataFrame, inputs: Region, options: ActivityOptions) -> pd.DataFrame:
    hours = pd.DataFrame(
        {
            "prospects": table["prospects"] * options.prospect_hours,
            "presentations": table["presentations"] * options.presentation_hours,
            "proposals": table["proposals"] * options.proposal_hours,
        }
    ).sum(axis=1, min_count=1)
    settings = inputs.settings
    there = settings.hours_a_month * settings.selling_share
    return table.assign(hours_needed=hours, hours_available=there, fits=~(hours > there + 1e-9))


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
        One row a person: open_deals, open_amount, amount_needed (first month's
        pipeline_amount), amount_short (0 where there is enough), proposals_open (deals with a
        written proposal), proposals_needed (open_proposals of the last month: the plan is taken
        to follow one like it), proposals_short. Empty where the need cannot be told.
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
        "open_deals": owner.groupby(owner).size(),
        "open_amount": worth.groupby(owner).sum(),
        "proposals_open": deals["proposed_on"].notna().groupby(owner).sum(),
    }.items():
        told = known if name != "proposals_open" else proposals_known
        table[name] = counted.reindex(table.index).astype(float).fillna(0.0 if told else np.nan)
    table["amount_short"] = (table["amount_needed"] - table["open_amount"]).clip(lower=0.0)
    table["proposals_short"] = (table["proposals_needed"] - table["proposals_open"]).clip(lower=0)
    return table.rename_axis("rep_id").reset_index()[list(START_COLUMNS)]
