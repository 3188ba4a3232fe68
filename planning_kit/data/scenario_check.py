"""Check a scenario against the plan's tables: everything in it that a run would refuse."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from planning_kit.data.partitions import asked_targets, read_tables, scenario_targets
from planning_kit.data.prepare import Prepared
from planning_kit.data.targets import target_faults
from planning_kit.messages import (
    PROBLEM_COLUMNS,
    PlanningError,
    Written,
    shorten,
    stop_on_faults,
)
from planning_kit.plan import (
    CELL_COLUMNS,
    COMPANY_REFERENCES,
    NOT_KNOWN,
    REFERENCES,
    Plan,
    Scenario,
    scenario_content,
    unknown_in_rules,
)
from planning_kit.plan.contradictions import contradictions, least_together, standing
from planning_kit.plan.register import unknown_in_correlations

Resolve = Callable[[Plan, Prepared, Scenario], dict[str, float]]  # every region's target


def check_scenario(
    plan: Plan, prepared: Prepared, scenario: Scenario, resolve: Resolve = scenario_targets
) -> dict[str, float]:
    """Refuse a scenario that a run could not take, before anything is computed.

    A rule about people or territories of another region is no fault; a label that no region
    knows is one.

    Parameters
    ----------
    resolve
        Splits the company's target over the regions, where the scenario itself is sound.

    Returns
    -------
    dict
        Every region's target, plan currency.

    Raises
    ------
    DataError
        With every fault: labels nobody knows (with the nearest known one), targets that do not
        fit together, rules and holds that cannot all hold whatever the numbers are.
    """
    faults = label_faults(scenario, company_labels(prepared, scenario))
    wrong = target_faults(plan.settings, asked_targets(plan, scenario), prepared.regions)
    wrong += _company_faults(plan, prepared, scenario)
    faults += _move_faults(plan, scenario)
    targets: dict[str, float] = {}
    if not wrong:
        try:
            targets = resolve(plan, prepared, scenario)
            faults += _conflicts(plan, prepared, scenario, targets)
        except PlanningError as error:
            wrong = [f"[company] {error}".rstrip(".")]
    stop_on_faults([*wrong, *faults], f"scenario {scenario.name!r}")
    return targets


def check_scenarios(
    plan: Plan, prepared: Prepared | None, resolve: Resolve = scenario_targets
) -> list[dict[str, Any]]:
    """Read the plan's targets and every scenario file, and give what is wrong with each.

    Parameters
    ----------
    prepared
        None: the inputs cannot be read, and labels and targets are not compared with them.
    resolve
        See `check_scenario`.

    Returns
    -------
    list of dict
        Problem rows (`planning_kit.messages.PROBLEM_COLUMNS`), one a fault.
    """
    found: dict[str, list[str]] = {"plan.toml": []}
    if prepared is not None:
        found["plan.toml"] = target_faults(plan.settings, plan.settings.targets, prepared.regions)
        found["plan.toml"] += plan.user_faults(prepared.regions)
    for name in plan.scenario_names():
        try:
            path = plan.scenario_path(name)
            scenario, faults = Scenario.read(name, scenario_content(path), path)
            is_whole = not faults and (scenario.targets or not found["plan.toml"])
            if prepared is not None and is_whole:
                check_scenario(plan, prepared, scenario, resolve)
            elif prepared is not None:
                faults += label_faults(scenario, company_labels(prepared, scenario))
                faults += _company_faults(plan, prepared, scenario)
                faults += _move_faults(plan, scenario)
        except PlanningError as error:
            faults = list(getattr(error, "faults", ())) or [str(error)]
        found[f"scenarios/{name}.toml"] = faults
    return [_problem(file, fault) for file, faults in found.items() for fault in faults]


def label_faults(scenario: Scenario, labels: Mapping[str, Collection[str]]) -> list[str]:
    """Name every label of a scenario that is not in the plan's tables, with the nearest one.

    Parameters
    ----------
    labels
        Known labels by column, see `company_labels`; ``opportunity_id`` only where deals are
        taken out, ``assumption_id`` only where last year's register is taken over.
    """
    found = Written({})
    cells = {column: labels[column] for column in CELL_COLUMNS}
    found.faults.extend(unknown_in_rules(scenario.all_rules, cells, REFERENCES))
    found.known(scenario.objective.chances, labels["role"], "[objective.chances]")
    for name, entry in scenario.assumptions.items():
        who = f"[assumptions] {name}"
        found.known(entry.territories, labels["territory_id"], f"{who}: territories")
        lines = [entry.product_line] if entry.product_line else []
        found.known(lines, labels["product_line"], f"{who}: product_line")
    if scenario.correlations and not scenario.assumptions:
        unknown_in_correlations(found, scenario.correlations, labels["assumption_id"])
    movers = [move.manager_id for move in scenario.levers.move if move.manager_id]
    found.known(movers, labels["rep_id"], "[[levers.move]] manager_id")
    for column in ("opportunity_id", "rep_id", "product_id"):
        given = [named for entry in scenario.review if (named := getattr(entry, column))]
        if given:
            found.known(given, labels[column], f"[[review.exclude]] {column}")
    if scenario.metrics.launch:
        found.known(scenario.metrics.launch, labels["product_id"], "[metrics.launch]")
    return found.faults


def company_labels(prepared: Prepared, scenario: Scenario) -> dict[str, set[str]]:
    """Give the labels of the whole company that a scenario may name, by column."""
    labels = {column: set(names) for column, names in prepared.facts["labels"]["company"].items()}
    for column in ("territory_id", "product_line", "role"):
        labels[column].add(NOT_KNOWN)
    labels["region"] = set(prepared.regions)
    if any(entry.opportunity_id for entry in scenario.review):  # too many to keep for everybody
        deals = read_tables(prepared.region_folder(None), ["opportunities"])["opportunities"]
        labels["opportunity_id"] = set(deals["opportunity_id"])
    return labels


def _move_faults(plan: Plan, scenario: Scenario) -> list[str]:
    """Name months of ``[[levers.move]]`` that the plan does not have."""
    first, last = plan.settings.starts_on, plan.settings.ends_on
    days = [day for move in scenario.levers.move for day in (move.month, move.to)]
    return [
        f"[[levers.move]]: {day:%Y-%m} is no month of the plan, {first:%Y-%m} to {last:%Y-%m}"
        for day in sorted({day for day in days if not first <= day <= last})
    ]


def _company_faults(plan: Plan, prepared: Prepared, scenario: Scenario) -> list[str]:
    """Name what ``[company]`` asks for that is not there, or that cannot hold at once."""
    company = scenario.company
    if company is None:
        return []
    labels = {"region": set(prepared.regions)}
    faults = unknown_in_rules(company.all_rules, labels, COMPANY_REFERENCES)
    gives = company.relax.up_to_priority if company.relax.allow else 0
    faults += contradictions(standing(company.all_rules, plan.settings.starts_on), gives)
    return [f"[company] {fault}" for fault in faults]


def _conflicts(
    plan: Plan, prepared: Prepared, scenario: Scenario, targets: Mapping[str, float]
) -> list[str]:
    """Name what cannot hold at once: two rules, or all that is held and the target."""
    gives = scenario.relax.up_to_priority if scenario.relax.allow else 0
    rules, unit = standing(scenario.all_rules, plan.settings.starts_on), plan.settings.rounding_unit
    faults = contradictions(rules, gives)
    firm = [rule for rule in rules if rule.priority > gives and rule.limits[0]]
    for region, target in targets.items() if firm else ():
        known = prepared.facts["labels"]["regions"][region]
        labels = {"region": {region}, **{column: set(names) for column, names in known.items()}}
        here = [near for rule in firm if (near := rule.narrowed(labels)) is not None]
        asked, added = least_together(here, len(labels["rep_id"]))
        street_target = scenario.street_target(target, unit)
        over = asked - street_target
        if over >= unit:  # less than a unit is rounding
            faults.append(
                f"{region}: {shorten(rule.name for rule in added)} ask for {asked:,.2f} together, "
                f"the target is {street_target:,.2f}; they must give {over:,.2f}"
            )
    return faults


def _problem(file: str, message: str) -> dict[str, Any]:
    values = ("fail", "scenario", file, None, "", "", "scenario", message, "correct the file")
    return dict(zip(PROBLEM_COLUMNS, values, strict=True))
