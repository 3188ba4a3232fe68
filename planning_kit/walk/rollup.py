"""The company's roll-up: every region's tables, added up to the unit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from planning_kit.data import read_table, scenario_targets
from planning_kit.messages import finding, findings_table, shorten
from planning_kit.numbers.units import from_units, to_units
from planning_kit.output.star import write_star
from planning_kit.output.workbook import write_workbook
from planning_kit.plan import folder_name
from planning_kit.walk.step import Step

_Tables = Callable[[str], pd.DataFrame]  # of a region, by name
LEVELS = ("rep_id", "territory_id", "product_line", "region")


@dataclass(frozen=True)
class Rollup:
    """What the company asks for and what the regions' goals add up to.

    Attributes
    ----------
    regions : DataFrame
        region, reviewed, target, allocated, gap, agreed, reps, status; the last row is the company.
    goals : DataFrame
        Every cell: region, rep_id, territory_id, product_line, goal.
    sums : DataFrame
        For each cut: rows, total and difference to the company target, in whole rounding units.
    findings : DataFrame
        What does not add up, and which regions are missing.
    """

    regions: pd.DataFrame
    goals: pd.DataFrame
    sums: pd.DataFrame
    findings: pd.DataFrame


def roll_up(step: Step) -> Rollup:
    """Add up the regions' allocations.

    A run's tables are read; a region whose tables are missing is named and not made up. Outside
    a run (in JupyterLab) missing tables are computed.
    """
    parts = {region: _part(step, region) for region in step.prepared.regions}
    there = {region: part for region, part in parts.items() if part is not None}
    goals = _goals(there)
    unit = step.inputs.settings.rounding_unit
    regions = _regions(step, parts, goals, unit)
    sums = _sums(goals, step.inputs.target, unit)
    missing = [region for region, part in parts.items() if part is None]
    return Rollup(regions, goals, sums, _findings(regions, sums, missing, step))


def write_files(step: Step, company: Rollup) -> list[Path]:
    """Write the workbook and the star schema into the company's folder of the run."""
    folder, inputs = step.folder, step.inputs
    tables = (company.regions, company.goals, company.sums)
    book = write_workbook(folder / "company_goals.xlsx", inputs, *tables, step.settings())
    return [book, *write_star(folder / "star", company.goals, inputs, step.scenario.name)]


def _part(step: Step, region: str) -> _Tables | None:
    """Give the tables of a region in the same run; None where the run has none of it."""
    run = step.folder.parent
    folder = run / folder_name(region)
    if not (run / "manifest.json").is_file():
        return step.other(region, step.scenario, folder).table
    if not (folder / "tables" / "allocation.csv").is_file():
        return None

    def written(name: str) -> pd.DataFrame:
        path = folder / "tables" / f"{name}.csv"
        if path.is_file():
            return read_table(path)
        return step.other(region, step.scenario, folder).table(name)

    return written


def _goals(parts: dict[str, _Tables]) -> pd.DataFrame:
    tables = []
    for region, table in parts.items():
        goals = table("allocation").assign(region=region)
        agreed = table("agreed")[["rep_id", "territory_id", "product_line", "goal"]]
        agreed = agreed.rename(columns={"goal": "agreed"})
        tables.append(
            goals.merge(agreed, on=["rep_id", "territory_id", "product_line"], how="left")
        )
    names = ["region", "rep_id", "territory_id", "product_line", "goal", "agreed"]
    if not tables:
        return pd.DataFrame(columns=names)
    return pd.concat(tables, ignore_index=True)[names]


def _regions(
    step: Step, parts: dict[str, _Tables | None], goals: pd.DataFrame, unit: float
) -> pd.DataFrame:
    reviewed = {row["name"]: row["reviewed"] for row in step.prepared.facts["regions"]}
    rows, team = [], step.inputs.team()
    _, targets = scenario_targets(step.plan, step.prepared, step.scenario)
    for region, part in parts.items():
        own = goals[goals["region"] == region]
        allocated = _exact_sum(own["goal"], unit) if part else float("nan")
        rows.append(
            {
                "region": region,
                "reviewed": reviewed[region],
                "target": targets[region],
                "allocated": allocated,
                "gap": _difference(allocated, targets[region], unit),
                "agreed": _exact_sum(own["agreed"], unit) if part else float("nan"),
                "reps": int((team["current_region"] == region).sum()),
                "status": "rolled up" if part else "missing",
            }
        )
    table = pd.DataFrame(rows)
    total: dict[str, Any] = {
        "region": "company",
        "target": step.inputs.target,
        "reps": table["reps"].sum(),
        "status": "rolled up" if (table["status"] == "rolled up").all() else "incomplete",
    }
    for name in ("reviewed", "allocated", "agreed"):
        total[name] = _exact_sum(table[name], 0.01 if name == "reviewed" else unit)
    total["gap"] = _difference(total["allocated"], total["target"], unit)
    return pd.concat([table, pd.DataFrame([total])[table.columns]], ignore_index=True)


def _exact_sum(amounts: pd.Series, unit: float) -> float:
    units = pd.Series([int(to_units(amounts.dropna(), unit).sum())])
    return float(from_units(units, unit).iloc[0])


def _difference(amount: float, target: float, unit: float) -> float:
    if amount != amount:
        return float("nan")
    both = to_units(pd.Series([amount, target]), unit)
    return float(from_units(pd.Series([both.iloc[0] - both.iloc[1]]), unit).iloc[0])


def _sums(goals: pd.DataFrame, target: float, unit: float) -> pd.DataFrame:
    """Add the goals up along every cut, in whole units, and compare with the target."""
    rows = []
    for level in LEVELS:
        groups = goals.groupby(level)["goal"].sum(min_count=1)
        total = _exact_sum(groups, unit)
        rows.append(
            {
                "cut": level,
                "groups": len(groups),
                "total": total,
                "difference": _difference(total, target, unit),
            }
        )
    return pd.DataFrame(rows)


def _findings(
    regions: pd.DataFrame, sums: pd.DataFrame, missing: list[str], step: Step
) -> pd.DataFrame:
    currency = step.inputs.settings.currency
    rows = []
    if missing:
        rows.append(
            finding(
                "rollup.missing",
                "fail",
                "company",
                f"{len(missing)} regions have no goals in this run: {shorten(missing)}.",
                "See their notebooks in the run, then run them again.",
            )
        )
    own = regions[regions["region"] != "company"]
    off = own[(own["gap"] != 0) & own["gap"].notna()]
    for row in off.to_dict("records"):
        rows.append(
            finding(
                "rollup.gap",
                "fail",
                row["region"],
                f"the goals miss the target by {row['gap']:+,.2f} {currency}.",
                "See its notebook 03.",
            )
        )
    if not missing and (sums["difference"] == 0).all():
        rows.append(
            finding(
                "rollup.sum",
                "pass",
                "company",
                f"{len(own)} regions add up to {step.inputs.target:,.0f} {currency} to "
                "the unit, by person, territory, product line and region.",
            )
        )
    return findings_table(rows)
