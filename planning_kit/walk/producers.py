"""Which step makes which table, and how it is computed where that step has not run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from planning_kit import agreement, assumptions, metrics, review
from planning_kit.allocation import Allocation, allocate, chance_of_reaching, phase
from planning_kit.errors import DataError
from planning_kit.plan import Scenario, month_starts
from planning_kit.tables import finding, findings_table, require_labels

if TYPE_CHECKING:
    from planning_kit.walk.step import Step

CELL_LABELS = ["rep_id", "territory_id", "product_line"]
CELL_AMOUNTS = ["base", "last_year", "last_goal", "potential", "forecast", "run_rate",
                "account_build_up", "variance", "cv"]  # fmt: skip
NOT_KNOWN = "(not known)"
_USUAL_CORRELATION = 0.2  # between two people of a team, where nothing tells it
_EIGHT_OF_TEN = 1.2815515655446004  # standard deviations to each side that hold 80 %


def allocation_cells(step: Step) -> pd.DataFrame:
    """Make the cells that carry a goal: person x territory x product line, with their base.

    Returns
    -------
    pandas.DataFrame
        ``rep_id``, ``territory_id``, ``product_line`` (never empty), ``role``, ``base`` and
        ``forecast`` (expected result), ``last_year``, ``last_goal``, ``potential`` (the person's
        part of the territory's, by the region's mix of lines), ``run_rate`` and
        ``account_build_up`` (see `planning_kit.assumptions.other_bases`), ``variance`` of the
        base, ``cv`` of the person's own year (so that equal chance is one of the person, not of
        the cell), ``base_from`` (what it rests on).
        People who carry a goal and have no base at all are there with an empty one.
    """
    baseline = _labelled(step.table("baseline"))
    groups = baseline.groupby(CELL_LABELS)
    cells = groups[["expected", "last_year", "last_goal"]].sum(min_count=1)
    ranges = _labelled(step.ranges(*CELL_LABELS)).set_index(CELL_LABELS)
    cells["deviation"] = (ranges["high"] - ranges["low"]) / (2 * _EIGHT_OF_TEN)
    cells["base_from"] = groups["filled_by"].first()
    cells = cells.rename(columns={"expected": "base"}).reset_index()
    team = step.inputs.team()
    absent = team.loc[~team["rep_id"].isin(cells["rep_id"]), ["rep_id"]]
    absent = absent.assign(
        territory_id=NOT_KNOWN, product_line=NOT_KNOWN, base_from="nothing known"
    )
    cells = pd.concat([cells, absent], ignore_index=True)
    others = _labelled(assumptions.other_bases(step.inputs, step.scenario))
    cells = cells.merge(others, on=CELL_LABELS, how="left")
    cells["potential"] = _potential(step, cells)
    cells["role"] = cells["rep_id"].map(team.set_index("rep_id")["role"]).fillna(NOT_KNOWN)
    cells["variance"] = cells["deviation"] ** 2
    cells["cv"] = cells["rep_id"].map(own_years(step)["cv"]).astype("float64")
    cells["forecast"] = cells["base"]
    order = [*CELL_LABELS, "role", *CELL_AMOUNTS, "base_from"]
    return cells[order].sort_values(CELL_LABELS, ignore_index=True)


def _potential(step: Step, cells: pd.DataFrame) -> pd.Series:
    inputs, first = step.inputs, pd.Timestamp(step.inputs.settings.starts_on)
    held = inputs.assignments
    here = ~(held["starts_on"] > first) & ~(held["ends_on"] < first)
    share = held[here].groupby(["rep_id", "territory_id"])["share"].sum().rename("part")
    places = cells.join(share, on=["rep_id", "territory_id"])
    market = places["territory_id"].map(inputs.territories.set_index("territory_id")["potential"])
    mix = cells.groupby("product_line")["base"].sum()
    whole = float(mix.sum())
    line = places["product_line"].map(mix / whole) if whole else float("nan")
    return (market * places["part"] * line).astype("float64")


def _labelled(table: pd.DataFrame) -> pd.DataFrame:
    """Write out what is not known, so that a cell without a label is a cell like any other."""
    there = [name for name in CELL_LABELS if name in table]
    return table.assign(**{name: table[name].fillna(NOT_KNOWN) for name in there})


def allocate_region(step: Step) -> Allocation | None:
    """Split the region's target over its cells by the rules of the scenario; None: no people."""
    cells = step.cells()
    if cells.empty:
        return None
    return allocate(
        solved_cells(step),
        step.inputs.target,
        scenario_here(step),
        rounding_unit=step.inputs.settings.rounding_unit,
        today=step.inputs.settings.starts_on,
    )


def solved_cells(step: Step) -> pd.DataFrame:
    """Give the cells as the engine takes them: labels, base, and what rules may refer to."""
    cells = step.cells().drop(columns=["base_from"])
    optional = ("variance", "cv", "run_rate", "account_build_up")
    unknown = [name for name in optional if cells[name].isna().all()]
    cells = cells.drop(columns=unknown)  # without any history no spread is known
    # Chances are those of the person's year, whatever base the scenario blends.
    over = cells["rep_id"].map(own_years(step)["over"]).fillna(1.0)
    return cells.assign(region=step.inputs.region or NOT_KNOWN, expected=cells["forecast"] * over)


def scenario_here(step: Step) -> Scenario:
    """Give the scenario with those rules and holds that speak of this region.

    One file serves all regions: a rule about people or territories of another region is left
    out here; a label that no region knows is an error.

    Raises
    ------
    DataError
        Naming every label nobody knows, with the nearest one.
    """
    known = step.company_labels()
    here = {name: set(solved_cells(step)[name]) for name in known}
    content, faults = dict(step.scenario.content), []
    for section in ("rules", "holds"):
        kept = []
        for row in step.scenario.rows(section):
            where = row.get("where")
            if not isinstance(where, Mapping) or not set(where) <= set(known):
                kept.append(row)  # the engine names what is wrong with it
                continue
            chosen = {
                k: list(map(str, v if isinstance(v, list) else [v])) for k, v in where.items()
            }
            try:
                for name, labels in chosen.items():
                    rule = f"{section} {str(row.get('name', ''))!r}, where {name}"
                    require_labels(labels, known[name], rule)
            except DataError as error:
                faults.append(str(error))
            near = {name: [x for x in labels if x in here[name]] for name, labels in chosen.items()}
            if all(near.values()):
                kept.append({**row, "where": near})
        if section in content:
            content[section] = kept
    if faults:
        raise DataError(f"scenario {step.scenario.name!r}: " + " ".join(faults))
    # People understand "everybody by the same per cent"; other weights are said in the scenario.
    content["objective"] = {"weights": "base", **step.scenario.section("objective")}
    return replace(step.scenario, content=content)


def allocation_table(step: Step) -> pd.DataFrame:
    """Give the allocated goals; without people an empty table with its columns."""
    allocation = step.allocation()
    if allocation is None:
        numbers = ["base", "goal", "exact", "lower", "upper", "change_share"]
        names = [*CELL_LABELS, "role", "region", "filled_by", "held_by", *numbers]
        return pd.DataFrame({n: pd.Series(dtype="float64") for n in names}).astype(
            {n: "str" for n in [*CELL_LABELS, "role", "region", "filled_by", "held_by"]}
        )
    return allocation.goals


def own_years(step: Step) -> pd.DataFrame:
    """Give the lognormal of everybody's own year by rep_id: ``likely`` (its mean), ``cv``, ``over``.

    The mean lies above the expected result (``over``, as a multiple): those who leave are not in
    it, as they do not make the usual year worse.
    """
    years = step.years().set_index("rep_id")
    square = years["spread"] ** 2
    likely = years["middle"] * np.exp(square / 2)
    over = likely / years["expected"].where(years["expected"] > 0)
    return pd.DataFrame({"likely": likely, "cv": np.sqrt(np.expm1(square)), "over": over})


def chances(step: Step, goals: pd.DataFrame) -> pd.DataFrame:
    """Give everybody's chance of reaching the sum of their goals.

    Returns
    -------
    pandas.DataFrame
        ``rep_id``, ``goal``, ``expected`` and ``cv`` (the person's part of the region's result),
        ``middle`` (the year that half of the years reach) and ``chance``; one row a person.
    """
    people = step.ranges("rep_id").set_index("rep_id")
    sums = goals.groupby("rep_id")["goal"].sum(min_count=1)
    people = people.reindex(sums.index.union(people.index)).assign(goal=sums)
    deviation = (people["high"] - people["low"]) / (2 * _EIGHT_OF_TEN)
    people["cv"] = (deviation / people["expected"]).where(people["expected"] > 0)
    people["middle"] = step.years().set_index("rep_id")["middle"]
    own = own_years(step).reindex(people.index)
    people["chance"] = chance_of_reaching(own["likely"], own["cv"], people["goal"])
    return people.reset_index()[["rep_id", "goal", "expected", "cv", "middle", "chance"]]


def common_cause(step: Step, people: pd.DataFrame) -> float:
    """Give the correlation between people's results that the ranges of the baseline imply.

    With people's standard deviations ``s`` and the region's ``S``: the ``r`` for which
    ``S^2 = (1 - r) sum s^2 + r (sum s)^2``, between 0 and 1; 0.2 where it cannot be told.

    Parameters
    ----------
    people
        ``expected`` and ``cv`` of everybody, from `chances`.
    """
    total = step.ranges()
    each = (people["expected"] * people["cv"]).dropna()
    apart, together = float((each**2).sum()), float(each.sum()) ** 2
    if total.empty or len(each) < 2 or not together > apart:
        return _USUAL_CORRELATION
    whole = float(total["high"].iloc[0] - total["low"].iloc[0]) / (2 * _EIGHT_OF_TEN)
    return min(1.0, max(0.0, (whole**2 - apart) / (together - apart)))


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
    profile = _labelled(assumptions.seasonal_profile(step.inputs)).merge(months, on="month_of_year")
    profile = profile[["product_line", "month", "share"]]
    missing = sorted(set(goals["product_line"]) - set(profile["product_line"]))
    # A line that nobody has sold yet follows the season of all lines, or even months.
    whole = profile.groupby("month", as_index=False)["share"].mean() if len(profile) else (
        months[["month"]].assign(share=1.0))  # fmt: skip
    profile = pd.concat([profile, *(whole.assign(product_line=name) for name in missing)])
    return phase(goals[[*CELL_LABELS, "goal"]], profile, settings.rounding_unit)


def outlook(step: Step) -> pd.DataFrame:
    """Give what to expect of everybody, and of the whole region.

    Returns
    -------
    pandas.DataFrame
        ``rep_id`` (empty: the whole region), ``expected``, ``low``, ``high`` (80 % range),
        ``middle`` (the year that half of the years reach) and ``spread`` (of its logarithm; both
        of people only); plan currency.
    """
    parts = [assumptions.baseline_totals(step.inputs, step.scenario, by) for by in (["rep_id"], [])]
    years = assumptions.person_years(step.inputs, step.scenario)[["rep_id", "middle", "spread"]]
    people = parts[0].merge(years, on="rep_id", how="outer")
    whole = parts[1].assign(rep_id=pd.Series(pd.NA, parts[1].index, dtype="str"))
    numbers = ["expected", "low", "high", "middle", "spread"]
    rows = pd.concat([people, whole], ignore_index=True).reindex(columns=["rep_id", *numbers])
    return rows.astype({"rep_id": "str", **dict.fromkeys(numbers, "float64")})


def _metric_goals(step: Step) -> pd.DataFrame:
    return metrics.metric_goals(step.inputs, step.table("monthly_goals"))


def _monthly_goals(step: Step) -> pd.DataFrame:
    return goals_by_month(step, step.table("allocation"))


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
    "outlook": outlook,
    "cells": allocation_cells,
    "allocation": allocation_table,
    "monthly_goals": _monthly_goals,
    "metric_goals": _metric_goals,
    "agreed": _agreed,
}
