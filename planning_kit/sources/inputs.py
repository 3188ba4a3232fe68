"""Open the prepared partition of a region as the tables its notebooks read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import duckdb
import pandas as pd

from planning_kit.plan import Inputs, Plan, Scenario
from planning_kit.plan.settings import read_targets
from planning_kit.sources.prepare import Prepared, require_region
from planning_kit.sources.readers import literal
from planning_kit.sources.targets import region_targets
from planning_kit.tables import TABLES, empty_table


def open_inputs(
    plan: Plan, prepared: Prepared, region: str = "", scenario: Scenario | None = None
) -> Inputs:
    """Open everything the notebooks of one region read.

    Parameters
    ----------
    plan, prepared
        The plan and what `planning_kit.sources.prepare` made of it.
    region
        Name of the region; ``""`` is the whole company.
    scenario
        Its ``[targets]`` take the place of the plan's.

    Raises
    ------
    UsageError
        The plan has no such region.
    DataError
        The targets do not fit together.
    """
    if region:
        require_region(prepared, region)
    folder = prepared.region_folder(region)
    tables = read_tables(folder, TABLES)
    inputs = Inputs(region=region, settings=plan.settings, regions=tuple(prepared.regions), target=0.0,
                    folder=folder, **tables)  # fmt: skip
    return with_targets(inputs, plan, prepared, scenario)


def read_tables(folder: Path, names: Iterable[str]) -> dict[str, pd.DataFrame]:
    """Read some tables of a partition."""
    with duckdb.connect() as con:
        con.execute("SET threads = 1")
        return {name: _read(con, folder / f"{name}.parquet", name) for name in names}


def with_targets(
    inputs: Inputs, plan: Plan, prepared: Prepared, scenario: Scenario | None = None
) -> Inputs:
    """Give the same tables with the targets of a scenario, see `open_inputs`."""
    settings = plan.settings
    if scenario is not None and "targets" in scenario.content:
        settings = replace(settings, targets=read_targets(scenario.content, scenario.name))
    reviewed = {row["name"]: row["reviewed"] for row in prepared.facts["regions"]}
    targets = region_targets(settings, settings.targets, reviewed)
    whole = _sum(targets, settings.rounding_unit)
    target = targets[inputs.region] if inputs.region else whole
    return replace(inputs, settings=settings, target=target)


def _sum(targets: dict[str, float], unit: float) -> float:
    total = sum(round(value / unit) for value in targets.values())
    return total / round(1 / unit) if unit < 1 else total * float(unit)


def _read(con: duckdb.DuckDBPyConnection, path: Path, name: str) -> pd.DataFrame:
    """Read a table with the types of `planning_kit.tables.empty_table`."""
    table = con.execute(f"SELECT * FROM read_parquet({literal(path)})").df()
    types = empty_table(name).dtypes
    for column in table.columns:
        if column in types.index:
            table[column] = table[column].astype(types[column])
        elif column in ("month", "goal_period"):
            table[column] = table[column].astype("datetime64[us]")
        elif column in ("region", "current_region", "product_line"):
            table[column] = table[column].astype("str")
    return table
