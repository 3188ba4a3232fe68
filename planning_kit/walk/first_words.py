"""The first words of the negotiation: what is offered to everybody, and what it rests on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from planning_kit.agreement import Event, propose_from_table, told_evidence
from planning_kit.data import Prepared
from planning_kit.messages import require_labels
from planning_kit.plan import Plan, folder_name
from planning_kit.steps import step_of
from planning_kit.walk.notebook import NotebookStep


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
    return {
        region: _offered(talk_step(plan, prepared, region, scenario))
        for region in regions or prepared.regions
    }


def talk_step(plan: Plan, prepared: Prepared, region: str, scenario: str) -> NotebookStep:
    """Open the step of the talks of a region, beside the tables of the newest complete run."""
    latest = plan.runs_folder / "latest"
    run = latest.read_text(encoding="utf-8").strip() if latest.is_file() else "draft"
    folder = plan.runs_folder / run / folder_name(region)
    chosen = plan.scenario(scenario)
    return NotebookStep.open_at(step_of("05").name, plan, prepared, region, chosen, folder)


def _offered(step: NotebookStep) -> list[Event]:
    allocation, inputs = step.table("allocation"), step.inputs
    rests_on = {
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
