"""Which step makes which table, and how it is computed where that step has not run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from planning_kit import agreement, assumptions, metrics, review
from planning_kit.allocation import Allocation, allocate, chance_of_reaching, phase
from planning_kit.tables import finding, findings_table

if TYPE_CHECKING:
    from planning_kit.walk.step import Step

CELL_LABELS = ["rep_id", "territory_id", "product_line"]
NOT_KNOWN = "(not known)"
NO_DATA = "none"
_EIGHT_OF_TEN = 1.2815515655446004  # standard deviations to each side that hold 80 %


def allocation_cells(step: Step) -> pd.DataFrame:
    """Make the cells that carry a goal: person x territory x product line, with their base.

    Returns
    -------
    pandas.DataFrame
        ``rep_id``, ``territory_id``, ``product_line`` (never empty), ``role``, ``base`` (expected
        result), ``last_year``, ``last_goal``, ``variance`` and ``cv`` of the base, ``filled_by``.
        People who carry a goal and have no base at all are there with an empty one.
    """
    baseline = step.table("baseline")
    rows = baseline.assign(
        territory_id=baseline["territory_id"].fillna(NOT_KNOWN),
        product_line=baseline["product_line"].fillna(NOT_KNOWN),
    )
    groups = rows.groupby(CELL_LABELS)
    cells = groups[["expected", "last_year", "last_goal"]].sum(min_count=1)
    # The months of a cell share their causes: their ranges are added as if they moved together.
    cells["deviation"] = (groups["high"].sum() - groups["low"].sum()) / (2 * _EIGHT_OF_TEN)
    cells["base_from"] = groups["filled_by"].first()
    cells = cells.rename(columns={"expected": "base"}).reset_index()
    team = step.inputs.team()
    absent = team.loc[~team["rep_id"].isin(cells["rep_id"]), ["rep_id"]]
    absent = absent.assign(territory_id=NOT_KNOWN, product_line=NOT_KNOWN, base_from="nothing known")
    cells = pd.concat([cells, absent], ignore_index=True)
    cells["role"] = cells["rep_id"].map(team.set_index("rep_id")["role"]).fillna(NOT_KNOWN)
    cells["variance"] = cells["deviation"] ** 2
    cells["cv"] = (cells["deviation"] / cells["base"]).where(cells["base"] > 0)
    order = [*CELL_LABELS, "role", "base", "last_year", "last_goal", "variance", "cv", "base_from"]
    return cells[order].sort_values(CELL_LABELS, ignore_index=True)


def allocate_region(step: Step) -> Allocation | None:
    """Split the region's target over its cells by the rules of the scenario; None: no people."""
    cells = step.cells()
    if cells.empty:
        return None
    solved = cells.drop(columns=["variance", "cv", "base_from"])
    return allocate(
        solved,
        step.inputs.target,
        step.scenario,
        rounding_unit=step.inputs.settings.rounding_unit,
        today=step.inputs.settings.starts_on,
    )


def allocation_table(step: Step) -> pd.DataFrame:
    """Give the allocated goals; without people an empty table with its columns."""
    allocation = step.allocation()
    if allocation is None:
        names = [*CELL_LABELS, "role", "base", "goal", "exact", "lower", "upper", "held_by",
                 "change_share"]  # fmt: skip
        return pd.DataFrame({n: pd.Series(dtype="float64") for n in names}).astype(
            {n: "str" for n in [*CELL_LABELS, "role", "held_by"]}
        )
    return allocation.goals


def chances(step: Step, goals: pd.DataFrame) -> pd.DataFrame:
    """Give everybody's chance of reaching the sum of their goals.

    Returns
    -------
    pandas.DataFrame
        ``rep_id``, ``goal``, ``expected``, ``cv`` and ``chance``; one row a person.
    """
    cells = step.cells()
    people = cells.groupby("rep_id").agg(
        expected=("base", lambda b: b.sum(min_count=1)),
        deviation=("variance", lambda v: float(np.sqrt(v.sum(min_count=1)))),
    )
    people["goal"] = goals.groupby("rep_id")["goal"].sum(min_count=1)
    people["cv"] = (people["deviation"] / people["expected"]).where(people["expected"] > 0)
    people["chance"] = chance_of_reaching(people["expected"], people["cv"], people["goal"])
    return people.reset_index()[["rep_id", "goal", "expected", "cv", "chance"]]


def goals_by_month(step: Step, goals: pd.DataFrame) -> pd.DataFrame:
    """Phase goals over the plan's months by the season of their product line, exactly.

    Returns
    -------
    pandas.DataFrame
        ``rep_id``, ``territory_id``, ``product_line``, ``month``, ``goal``.
    """
    profile = assumptions.seasonal_profile(step.inputs)
    known = profile.assign(product_line=profile["product_line"].fillna(NOT_KNOWN))
    missing = sorted(set(goals["product_line"]) - set(known["product_line"]))
    if missing:  # a line nobody sold so far follows the season of all
        whole = known.groupby("month", as_index=False)["share"].mean()
        known = pd.concat([known, *(whole.assign(product_line=name) for name in missing)])
    if goals.empty:
        return pd.DataFrame(columns=[*CELL_LABELS, "month", "goal"])
    return phase(
        goals[[*CELL_LABELS, "goal"]],
        known[["product_line", "month", "share"]],
        step.inputs.settings.rounding_unit,
    )


def _metric_goals(step: Step) -> pd.DataFrame:
    return metrics.metric_goals(step.inputs, step.table("monthly_goals"))


def _monthly_goals(step: Step) -> pd.DataFrame:
    return goals_by_month(step, step.table("allocation"))


def negotiation_events(step: Step) -> pd.DataFrame:
    """Give the events of the negotiation: the plan's log, or what the proposals table says."""
    path = step.plan.folder / "agreement.db"
    if path.is_file():
        return agreement.read_events(agreement.open_log(path, step.inputs.settings))
    events = agreement.propose_from_table(
        step.table("allocation"), step.inputs.proposals, step.inputs.settings
    )
    return agreement.record_events(events, step.inputs.settings)


def offers(step: Step) -> pd.DataFrame:
    """Suggest a counter-offer for everybody, calibrated by how good past proposals were."""
    bias = review.proposal_bias(step.inputs)
    spread = np.log(bias["high_factor"].astype(float) / bias["low_factor"].astype(float))
    past = bias[["rep_id", "bias"]].assign(spread=spread / (2 * _EIGHT_OF_TEN))
    state = agreement.replay(negotiation_events(step))
    return agreement.counter_offers(
        step.table("allocation"), state, step.inputs.settings, past if len(past) else None
    )


def _agreed(step: Step) -> pd.DataFrame:
    state = agreement.replay(negotiation_events(step))
    return agreement.agreed_goals(
        step.table("allocation"), state, step.inputs.settings.rounding_unit
    )


def nobody_finding(step: Step) -> pd.DataFrame:
    """Say that a region with a target has nobody to carry it."""
    return findings_table([finding(
        "allocation.nobody", "fail", step.inputs.region or "company",
        f"the target of {step.inputs.target:,.0f} {step.inputs.settings.currency} has nobody to "
        "carry it: no active person of this region carries a goal.",
        "Assign people to the region's territories, or set its target to 0.")])  # fmt: skip


PRODUCERS: dict[str, Callable[[Step], pd.DataFrame]] = {
    "register": lambda step: assumptions.register(step.inputs, step.scenario),
    "baseline": lambda step: assumptions.baseline(step.inputs, step.scenario),
    "allocation": allocation_table,
    "monthly_goals": _monthly_goals,
    "metric_goals": _metric_goals,
    "agreed": _agreed,
}
MADE_BY = {
    "register": "02_assumptions",
    "baseline": "02_assumptions",
    "allocation": "03_target_allocation",
    "monthly_goals": "04_goal_metrics",
    "metric_goals": "04_goal_metrics",
    "agreed": "05_joint_agreement",
}
