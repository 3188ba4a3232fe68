"""The first words of the negotiation: what is offered to everybody, and what it rests on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from planning_kit import __version__
from planning_kit.agreement import PLANNER, Event, propose_from_table, told_evidence
from planning_kit.agreement.door import Door
from planning_kit.data import Prepared, check_scenario
from planning_kit.messages import require_labels
from planning_kit.plan import COMPANY, REGION_TALK, Plan, folder_name
from planning_kit.steps import step_of
from planning_kit.walk.company import agreed_under, company_asked, resolver
from planning_kit.walk.logged import totals_agreed
from planning_kit.walk.notebook import NotebookStep
from planning_kit.walk.resting import reopening_events


def first_words(
    plan: Plan, prepared: Prepared, scenario: str = "base", regions: Sequence[str] = ()
) -> dict[str, list[Event]]:
    """Give the goals that are offered, and the proposals of the table, by region.

    Goals are those of the newest complete run where it is of today's inputs and scenario, else
    they are allocated now.

    Parameters
    ----------
    plan, prepared
        The plan and its inputs.
    scenario
        Whose allocation is offered.
    regions
        Some regions; by default all.

    Raises
    ------
    DataError
        A region nobody knows, or goals that cannot be allocated.
    """
    require_labels(regions, prepared.regions, "regions")
    wanted = regions or prepared.regions
    return {name: _offered(step_today(plan, prepared, name, scenario)) for name in wanted}


def company_words(
    plan: Plan, prepared: Prepared, scenario: str = "base", regions: Sequence[str] = ()
) -> dict[str, list[Event]]:
    """Give what is offered to the heads of regions: every total that is not agreed yet.

    Parameters
    ----------
    plan, prepared, scenario, regions
        See `first_words`.

    Returns
    -------
    dict
        The events under ``company``.

    Raises
    ------
    DataError
        As in `first_words`.
    """
    require_labels(regions, prepared.regions, "regions")
    chosen, totals = plan.scenario(scenario), totals_agreed(plan, plan.runs_folder / "draft")
    targets = check_scenario(plan, prepared, chosen, resolver(totals))
    agreed = agreed_under(totals, chosen.name)
    rests_on = {
        "kit": __version__,
        "scenario": chosen.name,
        "target": f"{company_asked(plan, prepared, chosen):.12g}",
    }
    wanted = [name for name in regions or prepared.regions if name not in agreed]
    offers = [
        Event(
            "assign",
            REGION_TALK + name,
            PLANNER,
            targets[name],
            basis={**rests_on, "region": name, "allocation": f"{targets[name]:.12g}"},
        )
        for name in wanted
    ]
    return {COMPANY: offers}


def talks_to_reopen(door: Door, scenario: str = "base", regions: Sequence[str] = ()) -> list[Event]:
    """Give the events that open agreements again whose assumption is breached."""
    state = door.stand()
    tied = set(state.loc[state["tied_to"].ne(""), "region"])
    wanted = [name for name in regions or door.prepared.regions if name in tied]
    steps = [step_today(door.plan, door.prepared, name, scenario) for name in wanted]
    return [event for step in steps for event in reopening_events(step)]


def step_today(
    plan: Plan,
    prepared: Prepared,
    region: str,
    scenario: str = "base",
    number: str = "05",
    run: str = "",
) -> NotebookStep:
    """Open a step of a region outside of a run, after every line of the log.

    What the run made of today's inputs and scenario is taken; the rest is worked out now.

    Parameters
    ----------
    plan, prepared, region, scenario
        What it works on.
    number
        Of the step; by default that of the agreement.
    run
        Name of its folder; by default the newest complete one.

    Raises
    ------
    DataError
        A region nobody knows.
    """
    require_labels([region], prepared.regions, "regions")
    latest = plan.runs_folder / "latest"
    run = run or (latest.read_text(encoding="utf-8").strip() if latest.is_file() else "draft")
    folder = plan.runs_folder / run / folder_name(region)
    chosen, name = plan.scenario(scenario), step_of(number).name
    return after_every_line(NotebookStep.open_at(name, plan, prepared, region, chosen, folder))


def after_every_line(step: NotebookStep) -> NotebookStep:
    """Give a step as it is after every line that the log has by now; its other tables are kept."""
    # A run knows the log as it was when it began; a draft has no such note.
    folder = step.plan.runs_folder / "draft" / folder_name(step.inputs.name)
    where = (step.notebook, step.plan, step.prepared, step.inputs.name, step.scenario, folder)
    return replace(NotebookStep.open_at(*where, step.booked), like=step)


def _offered(step: NotebookStep) -> list[Event]:
    allocation, inputs = step.table("allocation"), step.inputs
    rests_on = {
        "kit": __version__,
        "scenario": step.scenario.name,
        "region": inputs.name,
        "target": f"{inputs.target:.12g}",
    }
    cells = _digests(allocation)
    return [
        replace(event, basis={**rests_on, "allocation": cells[event.rep_id]})
        if event.kind == "assign"
        else event
        for event in propose_from_table(
            allocation, inputs.proposals, inputs.settings, evidence=told_evidence(inputs)
        )
    ]


def _digests(allocation: pd.DataFrame) -> dict[str, str]:
    """Digest the cells of every person's goal."""
    labels = [name for name in ("territory_id", "product_line") if name in allocation]
    cells = allocation.sort_values(["rep_id", *labels])[["rep_id", *labels, "goal"]]
    return {
        str(rep_id): hashlib.sha256(
            json.dumps(rows.astype(object).to_numpy().tolist(), default=str).encode()
        ).hexdigest()[:16]
        for rep_id, rows in cells.groupby("rep_id")
    }
