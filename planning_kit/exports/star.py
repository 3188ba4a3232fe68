"""A star schema of the goals, for Power BI, Tableau and the like: stable names, types, keys."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from planning_kit.walk import Step, write_table
from planning_kit.walk.rollup import Rollup


def write_star(step: Step, company: Rollup) -> list[Path]:
    """Write facts and dimensions as CSV into ``star/`` of the company's folder.

    ``fact_goal`` has one row a cell; ``dim_rep``, ``dim_territory``, ``dim_region`` and
    ``dim_product_line`` have one row a key and every key of the facts.

    Returns
    -------
    list of Path
        The files.
    """
    inputs, folder = step.inputs, step.folder / "star"
    goals = company.goals
    tables = {
        "fact_goal": goals.assign(
            period_starts_on=pd.Timestamp(inputs.settings.starts_on),
            period_ends_on=pd.Timestamp(inputs.settings.ends_on),
            scenario=step.scenario.name,
            currency=inputs.settings.currency,
        ),
        "dim_rep": _with_all(
            inputs.reps[["rep_id", "rep_name", "manager_id", "role"]], goals, "rep_id"
        ),
        "dim_territory": _with_all(
            inputs.territories[["territory_id", "territory_name", "region"]], goals, "territory_id"
        ),
        "dim_region": pd.DataFrame({"region": list(inputs.regions)}),
        "dim_product_line": pd.DataFrame({"product_line": sorted(goals["product_line"].unique())}),
    }
    for name, table in tables.items():
        write_table(folder / f"{name}.csv", table)
    return [folder / f"{name}.csv" for name in tables]


def _with_all(dimension: pd.DataFrame, facts: pd.DataFrame, key: str) -> pd.DataFrame:
    """Add keys the facts have and the dimension lacks, so that no join loses a goal."""
    missing = sorted(set(facts[key]) - set(dimension[key]))
    extra = pd.DataFrame({key: missing}, dtype="str")
    return pd.concat([dimension, extra], ignore_index=True).sort_values(key, ignore_index=True)
