"""Open the prepared partition of a region as the tables its notebooks read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import duckdb
import pandas as pd

from planning_kit.data.prepare import Prepared, require_region
from planning_kit.data.readers import literal
from planning_kit.data.region import Region
from planning_kit.data.schema import TABLES, column_types
from planning_kit.data.targets import region_targets
from planning_kit.plan import Plan, Scenario, Settings

# What preparing adds to canonical tables, see `planning_kit.plan.Region`.
_ADDED = {
    "month": "datetime64[us]",
    "goal_period": "datetime64[us]",
    "region": "str",
    "current_region": "str",
    "product_line": "str",
}


def open_inputs(
    plan: Plan, prepared: Prepared, region: str = "", scenario: Scenario | None = None
) -> Region:
    """Open everything the notebooks of one region read.

    Parameters
    ----------
    plan, prepared
        The plan and what `planning_kit.data.prepare` made of it.
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
    inputs = Region(
        region=region,
        settings=plan.settings,
        regions=tuple(prepared.regions),
        target=0.0,
        folder=folder,
        **tables,
    )
    return with_targets(inputs, plan, prepared, scenario)


def read_tables(folder: Path, names: Iterable[str]) -> dict[str, pd.DataFrame]:
    """Read some tables of a partition."""
    with duckdb.connect(config={"threads": 1}) as con:
        return {name: _read(con, folder / f"{name}.parquet", name) for name in names}


def with_targets(
    inputs: Region, plan: Plan, prepared: Prepared, scenario: Scenario | None = None
) -> Region:
    """Give the same tables with the targets of a scenario, see `open_inputs`."""
    settings, targets = scenario_targets(plan, prepared, scenario)
    whole = _sum(targets, settings.rounding_unit)
    target = targets[inputs.region] if inputs.region else whole
    return replace(inputs, settings=settings, target=target)


def scenario_targets(
    plan: Plan, prepared: Prepared, scenario: Scenario | None = None
) -> tuple[Settings, dict[str, float]]:
    """Give the settings with the targets of a scenario, and every region's target.

    Raises
    ------
    DataError
        The targets do not fit together.
    """
    settings = plan.settings
    if scenario is not None and scenario.targets is not None:
        settings = replace(settings, targets=scenario.targets)
    reviewed = {row["name"]: row["reviewed"] for row in prepared.facts["regions"]}
    return settings, region_targets(settings, settings.targets, reviewed)


def _sum(targets: dict[str, float], unit: float) -> float:
    total = sum(round(value / unit) for value in targets.values())
    return total / round(1 / unit) if unit < 1 else total * float(unit)


def _read(con: duckdb.DuckDBPyConnection, path: Path, name: str) -> pd.DataFrame:
    """Read a table with the types of `planning_kit.data.empty_table`."""
    table = con.execute(f"SELECT * FROM read_parquet({literal(path)})").df()
    types = {**_ADDED, **column_types(name)}
    # A column without a value comes as objects; another cast would only copy.
    changed = {c: types[c] for c in table if c in types and str(table[c].dtype) != types[c]}
    return table.astype(changed) if changed else table
