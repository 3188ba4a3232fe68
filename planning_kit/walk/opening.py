"""Open a notebook's step, and say how each kept table is made where its own step has not run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from planning_kit import assumptions, outlook
from planning_kit.data import Prepared, open_prepared, prepare
from planning_kit.output.charts import enable
from planning_kit.plan import folder_name, load_plan
from planning_kit.walk.expected import outlook_table
from planning_kit.walk.split import allocation_cells, allocation_steps, allocation_table
from planning_kit.walk.step import COMPANY, Step, open_at
from planning_kit.walk.talks import monthly_goals_table

MAKERS: Mapping[str, Callable[[Step], pd.DataFrame]] = {
    "register": lambda step: assumptions.register(step.inputs, step.scenario),
    "baseline": lambda step: outlook.baseline(step.inputs, step.scenario),
    "outlook": outlook_table,
    "cells": allocation_cells,
    "allocation": allocation_table,
    "allocation_steps": allocation_steps,
    "monthly_goals": monthly_goals_table,
}


def open_step(
    notebook: str,
    *,
    region: str = "",
    company: bool = False,
    plan_folder: str = "",
    run_folder: str = "",
    scenario: str = "base",
) -> Step:
    """Open a notebook's step.

    Parameters
    ----------
    notebook
        Name of the notebook without ending.
    region
        Region; ``""`` is the first of the plan.
    company
        The whole company instead of a region.
    plan_folder
        The plan; ``""`` finds it above the working directory, else takes the sample plan.
    run_folder
        Folder of the run; ``""`` is ``runs/draft`` of the plan.
    scenario
        Name of a file in ``scenarios/``.

    Raises
    ------
    PlanningError
        The plan, the region or the scenario is not there, or the inputs cannot be used.
    """
    plan = load_plan(plan_folder)
    run = Path(run_folder).expanduser().resolve() if run_folder else plan.runs_folder / "draft"
    prepared = _prepared_of(run) or prepare(plan)
    chosen = plan.scenario(scenario)
    wanted = "" if company else region or prepared.regions[0]
    enable()
    folder = run / (folder_name(wanted) if wanted else COMPANY)
    return open_at(notebook, plan, prepared, wanted, chosen, folder, MAKERS)


def _prepared_of(run: Path) -> Prepared | None:
    """Open the inputs a run was started with, as long as they are kept."""
    pointer = run / "prepared.json"
    if not pointer.is_file():
        return None
    folder = run / json.loads(pointer.read_text(encoding="utf-8"))["folder"]
    return open_prepared(folder.resolve()) if (folder / "prepared.json").is_file() else None
