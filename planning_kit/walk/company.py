"""From the company to the regions: its target is one more split, and what is agreed of it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from planning_kit.allocation import Allocation, allocate
from planning_kit.data import Prepared, asked_targets, read_tables, scenario_targets
from planning_kit.data.scenario_check import Resolve
from planning_kit.numbers.units import from_units
from planning_kit.plan import Hold, Plan, Scenario

OWN, AGREED = "[targets.regions]", "agreed total"  # names of the holds that no scenario writes
_NAMED = {"potential": "fair_share"}  # as the engine calls it
_HIGHEST = 9  # what is agreed never gives


Agreed = Mapping[str, Mapping[str, float]]  # totals by scenario and region, plan currency


def agreed_under(agreed: Agreed, scenario: str) -> dict[str, float]:
    """Give the totals that count in a scenario: what was agreed under it, or under none named.

    Examples
    --------
    >>> agreed_under({"base": {"North": 10.0}, "": {"South": 5.0}}, "base")
    {'South': 5.0, 'North': 10.0}
    >>> agreed_under({"base": {"North": 10.0}}, "growth")
    {}
    """
    return {**agreed.get("", {}), **agreed.get(scenario, {})}


def resolver(agreed: Agreed) -> Resolve:
    """Give the way to every region's target, once it is known what its heads agreed."""

    def resolve(plan: Plan, prepared: Prepared, scenario: Scenario) -> dict[str, float]:
        stands = agreed_under(agreed, scenario.name)
        split = company_split(plan, prepared, scenario, stands)
        if split is None:
            return scenario_targets(plan, prepared, scenario)
        found = split.goals.set_index("region")["goal"]
        return {region: float(found[region]) for region in prepared.regions}

    return resolve


def company_split(
    plan: Plan, prepared: Prepared, scenario: Scenario, agreed: Mapping[str, float]
) -> Allocation | None:
    """Split the company's target over its regions by ``[company]`` of the scenario.

    A region's own target and an agreed total are exact; the agreed one takes the place of the
    own. Where they leave no region free, they stand, whatever they add up to.

    Parameters
    ----------
    agreed
        Totals that heads of regions agreed, or had decided, under this scenario, plan currency.

    Returns
    -------
    Allocation or None
        None where ``[company]`` says nothing and nobody agreed a total: then the reviewed year
        does, see `planning_kit.data.scenario_targets`.

    Raises
    ------
    RulesConflictError
        The rules cannot all hold: which, and by how much each must give.
    DataError
        A base or a reference that nothing is known of.
    """
    stands = {name: amount for name, amount in agreed.items() if name in prepared.regions}
    if scenario.company is None and not stands:
        return None
    own = {**asked_targets(plan, scenario).regions, **stands}
    said, unit = scenario.company or Scenario("[company]"), plan.settings.rounding_unit
    is_free = set(prepared.regions) - set(own)
    total = company_asked(plan, prepared, scenario) if is_free else _sum(own, unit)
    holds = tuple(_hold(name, amount, name in stands) for name, amount in own.items())
    blend = {_NAMED.get(name, name): weight for name, weight in said.base.blend.items()}
    return allocate(
        company_cells(prepared),
        total,
        said.with_(holds=(*said.holds, *holds), base=replace(said.base, blend=blend)),
        rounding_unit=unit,
        today=plan.settings.starts_on,
    )


def company_asked(plan: Plan, prepared: Prepared, scenario: Scenario) -> float:
    """Give what the company asks for: its target, else what its regions' targets add up to."""
    company = asked_targets(plan, scenario).company
    if company is not None:
        return company
    return _sum(scenario_targets(plan, prepared, scenario), plan.settings.rounding_unit)


def company_cells(prepared: Prepared) -> pd.DataFrame:
    """Make the cells of that split: a region each, with what its base may be made of.

    Returns
    -------
    pandas.DataFrame
        ``region``, ``base`` and ``last_year`` (reviewed result) and, where a territory has one,
        ``potential`` (sum of its territories'). Plan currency.
    """
    rows = prepared.facts["regions"]
    cells = pd.DataFrame({"region": [row["name"] for row in rows]}, dtype="str")
    cells["last_year"] = [float(row["reviewed"]) for row in rows]
    places = read_tables(prepared.region_folder(None), ["territories"])["territories"]
    potential = places.groupby("region")["potential"].sum(min_count=1)
    cells["potential"] = cells["region"].map(potential).astype("float64")
    # Where nobody sold, all regions start alike.
    cells["base"] = cells["last_year"] if (cells["last_year"] > 0).any() else 1.0
    return cells.dropna(axis="columns", how="all")


def _hold(region: str, amount: float, is_agreed: bool) -> Hold:
    name = f"{AGREED} of {region}" if is_agreed else f"{OWN} {region}"
    where = {"region": (region,)}
    return Hold(name=name, where=where, amount=amount, priority=_HIGHEST)


def _sum(amounts: Mapping[str, float], unit: float) -> float:
    return from_units(sum(round(amount / unit) for amount in amounts.values()), unit)
