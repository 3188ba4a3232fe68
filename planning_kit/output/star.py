"""A star schema of the goals, for Power BI, Tableau and the like: stable names, types, keys."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from planning_kit.data import Region, write_table


def write_star(folder: Path, goals: pd.DataFrame, company: Region, scenario: str) -> list[Path]:
    """Write facts and dimensions as CSV into a folder.

    ``fact_goal`` has one row a cell, with ``goal`` (allocated), ``standing`` (the goal that stands),
    its ``basis``, and ``agreed`` (empty where nobody agreed); ``dim_rep``, ``dim_territory``,
    ``dim_region`` and ``dim_product_line`` have one row a key and every key of the facts.

    Parameters
    ----------
    folder
        Where the files go.
    goals
        The goals of every region, a row a cell (see `planning_kit.walk.rollup.Rollup`).
    company
        For names and the period.
    scenario
        Its name.

    Returns
    -------
    list of Path
        The files.
    """
    tables = {
        "fact_goal": goals.assign(
            period_starts_on=pd.Timestamp(company.settings.starts_on),
            period_ends_on=pd.Timestamp(company.settings.ends_on),
            scenario=scenario,
            currency=company.settings.currency,
        ),
        "dim_rep": _with_all(
            company.reps[["rep_id", "rep_name", "manager_id", "role"]], goals, "rep_id"
        ),
        "dim_territory": _with_all(
            company.territories[["territory_id", "territory_name", "region"]], goals, "territory_id"
        ),
        "dim_region": pd.DataFrame({"region": list(company.regions)}),
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
