"""Goals by month, and where the negotiation of them stands."""

from __future__ import annotations

import pandas as pd

from planning_kit import agreement, metrics, outlook, review
from planning_kit.allocation import phase
from planning_kit.plan import month_starts
from planning_kit.walk.split import CELL_LABELS, labelled
from planning_kit.walk.step import Step


def goals_by_month(step: Step, goals: pd.DataFrame) -> pd.DataFrame:
    """Phase goals over the plan's months by the season of their product line, exactly.

    Returns
    -------
    pandas.DataFrame
        ``rep_id``, ``territory_id``, ``product_line``, ``month``, ``goal``.
    """
    if goals.empty:
        return pd.DataFrame(columns=[*CELL_LABELS, "month", "goal"])
    settings = step.inputs.settings
    months = pd.DataFrame(
        {"month": pd.to_datetime(month_starts(settings.starts_on, settings.ends_on))}
    )
    months["month_of_year"] = months["month"].dt.month
    profile = labelled(outlook.seasonal_profile(step.inputs)).merge(months, on="month_of_year")
    profile = profile[["product_line", "month", "share"]]
    missing = sorted(set(goals["product_line"]) - set(profile["product_line"]))
    # A line that nobody has sold yet follows the season of all lines, or even months.
    whole = (
        profile.groupby("month", as_index=False)["share"].mean()
        if len(profile)
        else (months[["month"]].assign(share=1.0))
    )
    profile = pd.concat([profile, *(whole.assign(product_line=name) for name in missing)])
    return phase(goals[[*CELL_LABELS, "goal"]], profile, settings.rounding_unit)


def monthly_goals_table(step: Step) -> pd.DataFrame:
    """Phase the allocated goals over the months."""
    return goals_by_month(step, step.table("allocation"))


def metric_goals_table(step: Step) -> pd.DataFrame:
    """Say what the goals by month mean in activity."""
    return metrics.metric_goals(step.inputs, step.table("monthly_goals"))


def negotiation_events(step: Step) -> pd.DataFrame:
    """Give the events of this region's people: the plan's log, else what the proposals table says."""
    path = step.plan.folder / "agreement.db"
    if path.is_file():
        events = agreement.read_events(agreement.open_log(path, step.inputs.settings))
        here = events[events["rep_id"].isin(step.inputs.team()["rep_id"])]
        if len(here):
            return here.reset_index(drop=True)
    first = agreement.propose_from_table(
        step.table("allocation"), step.inputs.proposals, step.inputs.settings
    )
    return agreement.record_events(first, step.inputs.settings)


def offers(step: Step) -> pd.DataFrame:
    """Suggest a counter-offer for everybody, calibrated by how good past proposals were."""
    state = agreement.replay(negotiation_events(step))
    bias = review.proposal_bias(step.inputs)
    return agreement.counter_offers(
        step.table("allocation"), state, step.inputs.settings, bias if len(bias) else None
    )


def agreed_table(step: Step) -> pd.DataFrame:
    """Give the goals that stand, cell by cell."""
    state = agreement.replay(negotiation_events(step))
    return agreement.agreed_goals(
        step.table("allocation"), state, step.inputs.settings.rounding_unit
    )


def metric_year(goals: pd.DataFrame) -> pd.DataFrame:
    """Sum metric goals over the year by person."""
    columns = [
        "amount",
        "margin",
        "sales_needed",
        "presentations",
        "proposals",
        "prospects",
        "hours_needed",
        "hours_available",
    ]
    there = [c for c in columns if c in goals]
    keys = [c for c in ("rep", "rep_id") if c in goals]
    return goals.groupby(keys, as_index=False)[there].sum(min_count=1)
