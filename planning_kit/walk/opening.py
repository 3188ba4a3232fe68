"""Open a notebook's step: find the plan, the run, the prepared inputs and the scenario."""

from __future__ import annotations

import json
from pathlib import Path

from planning_kit.data import FORMAT, Prepared, open_prepared, prepare
from planning_kit.output.charts import enable
from planning_kit.plan import COMPANY, folder_name, load_plan
from planning_kit.steps import STEPS
from planning_kit.walk.notebook import NotebookStep


def open_step(
    notebook: str,
    region: str = "",
    plan_folder: str = "",
    run_folder: str = "",
    scenario: str = "base",
) -> NotebookStep:
    """Open a notebook's step.

    Parameters
    ----------
    notebook
        Name of the notebook without ending; the company's roll-up opens the company.
    region
        Region; ``""`` is the first of the plan, ``company`` all of it together.
    plan_folder
        The plan; ``""`` finds it above the working directory, else takes the sample plan.
    run_folder
        Folder of the run; ``""`` is ``runs/draft`` of the plan. A run that keeps a copy of the
        plan is read from it: what was written when the run began counts.
    scenario
        Name of a file in ``scenarios/``.

    Raises
    ------
    PlanningError
        The plan, the region or the scenario is not there, or the inputs cannot be used.
    """
    place = Path(run_folder).expanduser().resolve() if run_folder else None
    plan = load_plan(plan_folder, place)
    run = place or plan.runs_folder / "draft"
    prepared = _prepared_of(run) or prepare(plan)
    chosen = plan.scenario(scenario)
    record = STEPS.get(notebook)
    of_company = (record and record.of_company) or region == COMPANY
    wanted = None if of_company else region or prepared.regions[0]
    enable()
    folder = run / (folder_name(wanted) if wanted else COMPANY)
    return NotebookStep.open_at(notebook, plan, prepared, wanted, chosen, folder)


def _prepared_of(run: Path) -> Prepared | None:
    """Open the inputs a run was started with, as long as this version knows them."""
    pointer = run / "prepared.json"
    if not pointer.is_file():
        return None
    folder = run / json.loads(pointer.read_text(encoding="utf-8"))["folder"]
    if not (folder / "prepared.json").is_file():
        return None
    prepared = open_prepared(folder.resolve())
    return prepared if prepared.facts["format"] == FORMAT else None
