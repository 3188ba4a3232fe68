"""Check the targets and scenarios of a plan before a run takes them."""

from __future__ import annotations

from dataclasses import fields
from itertools import cycle, islice
from typing import Any

import pandas as pd

from planning_kit.allocation import read_rules
from planning_kit.assumptions import register
from planning_kit.data import Prepared, Region, open_inputs, scenario_targets
from planning_kit.messages import PROBLEM_COLUMNS, PlanningError
from planning_kit.plan import ManagerLevers, Plan, read_levers
from planning_kit.walk.split import CELL_AMOUNTS
from planning_kit.walk.step import NOT_KNOWN


def check_scenarios(plan: Plan, prepared: Prepared) -> list[dict[str, Any]]:
    """Read the plan's targets and every scenario, and give what is wrong with each.

    Returns
    -------
    list of dict
        Problem rows (`planning_kit.messages.PROBLEM_COLUMNS`).
    """
    try:
        whole = open_inputs(plan, prepared)
    except PlanningError as error:
        return [_problem("plan.toml", "targets", error)]
    rows = []
    for name in plan.scenario_names():
        try:
            scenario = plan.scenario(name)
            scenario_targets(plan, prepared, scenario)
            read_rules(scenario, label_cells(whole))
            register(whole, scenario)
            scenario.section("levers", tuple(field.name for field in fields(ManagerLevers)))
            read_levers(scenario)
        except PlanningError as error:
            rows.append(_problem(f"scenarios/{name}.toml", "", error))
    return rows


def label_cells(inputs: Region) -> pd.DataFrame:
    """Make cells that have every label a rule may name, and no amounts."""
    labels = {
        "rep_id": inputs.reps["rep_id"],
        "territory_id": inputs.territories["territory_id"],
        "product_line": inputs.products["product_line"].dropna(),
        "role": inputs.reps["role"].dropna(),
        "region": pd.Series(inputs.regions),
    }
    known = {name: [*dict.fromkeys(map(str, values)), NOT_KNOWN] for name, values in labels.items()}
    longest = max(len(values) for values in known.values())
    cells = pd.DataFrame({name: list(islice(cycle(v), longest)) for name, v in known.items()})
    return cells.assign(**{name: 1.0 for name in CELL_AMOUNTS})


def _problem(file: str, column: str, error: PlanningError) -> dict[str, Any]:
    values = (
        "fail",
        "scenario",
        file,
        None,
        column,
        "",
        "scenario",
        str(error),
        "correct the file",
    )
    return dict(zip(PROBLEM_COLUMNS, values, strict=True))
