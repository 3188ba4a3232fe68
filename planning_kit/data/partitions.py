"""Open the prepared partition of a region as the tables its notebooks read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from planning_kit.data.fan_out import PARTITION_TABLES
from planning_kit.data.kept import require_unchanged, table_path
from planning_kit.data.notation import literal
from planning_kit.data.prepare import Prepared, require_region
from planning_kit.data.region import Region
from planning_kit.data.schema import column_types
from planning_kit.data.targets import region_targets
from planning_kit.numbers.units import from_units, to_units
from planning_kit.plan import Plan, Scenario, Targets

# What preparing adds to canonical tables, see `planning_kit.data.Region`.
_ADDED = {
    "month": "datetime64[us]",
    "goal_period": "datetime64[us]",
    "region": "str",
    "current_region": "str",
    "product_line": "str",
}
_AROUND = {
    "managers": "reps",
    "leads_elsewhere": "manager_time",
    "accounts": "sales",
}  # has columns of that table


def open_inputs(
    plan: Plan,
    prepared: Prepared,
    region: str | None = None,
    scenario: Scenario | None = None,
    targets: Mapping[str, float] | None = None,
) -> Region:
    """Open everything the notebooks of one region read.

    Parameters
    ----------
    plan, prepared
        The plan and what `planning_kit.data.prepare` made of it.
    region
        Name of the region; None is the whole company.
    scenario
        Its ``[targets]`` take the place of the plan's.
    targets
        Every region's target, where they are known; None: see `scenario_targets`.

    Raises
    ------
    UsageError
        The plan has no such region.
    DataError
        The targets do not fit together, or a prepared table was changed.
    """
    if region is not None:
        require_region(prepared, region)
    found: dict[str, Any] = dict(read_tables(prepared.region_folder(region), PARTITION_TABLES))
    found |= {"settings": plan.settings, "regions": tuple(prepared.regions), "target": 0.0}
    inputs = Region.company(**found) if region is None else Region(region, **found)
    targets = scenario_targets(plan, prepared, scenario) if targets is None else targets
    return with_targets(inputs, plan, scenario, targets)


def read_tables(folder: Path, names: Iterable[str]) -> dict[str, pd.DataFrame]:
    """Read some tables of a partition.

    Raises
    ------
    DataError
        One of them is not as it was prepared.
    """
    chosen = tuple(names)
    require_unchanged(folder, chosen)
    with duckdb.connect(config={"threads": 1}) as con:
        return {
            name: typed_table(con, f"FROM read_parquet({literal(table_path(folder, name))})", name)
            for name in chosen
        }


def with_targets(
    inputs: Region, plan: Plan, scenario: Scenario | None, targets: Mapping[str, float]
) -> Region:
    """Give the same tables with the targets of a scenario, see `open_inputs`."""
    settings = replace(plan.settings, targets=asked_targets(plan, scenario))
    whole = to_units(pd.Series(targets), settings.rounding_unit).sum()
    company = from_units(int(whole), settings.rounding_unit)
    target = company if inputs.is_company else targets[inputs.name]
    return replace(inputs, settings=settings, target=target)


def asked_targets(plan: Plan, scenario: Scenario | None = None) -> Targets:
    """Give what is asked for: by the scenario, else by the plan."""
    said = None if scenario is None else scenario.targets
    return plan.settings.targets if said is None else said


def scenario_targets(
    plan: Plan, prepared: Prepared, scenario: Scenario | None = None
) -> dict[str, float]:
    """Give every region's target where nothing but ``[targets]`` says it: by the reviewed year.

    Raises
    ------
    DataError
        The targets do not fit together.
    """
    reviewed = {row["name"]: row["reviewed"] for row in prepared.facts["regions"]}
    return region_targets(plan.settings, asked_targets(plan, scenario), reviewed)


def typed_table(con: duckdb.DuckDBPyConnection, query: str, name: str) -> pd.DataFrame:
    """Run the query of a partition's table; columns get the types of `empty_table`."""
    table = con.execute(query).df()
    types = {**_ADDED, **column_types(_AROUND.get(name, name))}
    # A column without a value comes as objects; another cast would only copy.
    changed = {c: types[c] for c in table if c in types and str(table[c].dtype) != types[c]}
    return table.astype(changed) if changed else table
