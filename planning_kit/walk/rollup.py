"""The company's roll-up: every region's tables, added up to the unit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from planning_kit.agreement import Goals
from planning_kit.data import read_table
from planning_kit.messages import finding, findings_table, shorten
from planning_kit.numbers.units import from_units, to_units
from planning_kit.plan import folder_name
from planning_kit.walk.step import Step
from planning_kit.walk.talks import goals_of
from planning_kit.walk.totals import target_findings

LEVELS = ("rep_id", "territory_id", "product_line", "region")
CELL = ["rep_id", "territory_id", "product_line"]
_REGION_COLUMNS = [
    *("region", "reviewed", "target", "street_target", "allocated", "gap", "standing"),
    *("standing_gap", "basis", "agreed", "reps", "status"),
]
_SUMS = [*("cut", "groups", "total", "difference"), *("standing", "standing_difference")]
_TEXTS, _NUMBERS = ("region", *CELL, "basis"), ("allocated", "goal", "agreed")
_NO_CELLS = pd.DataFrame(columns=[*_TEXTS, *_NUMBERS]).astype(
    {**dict.fromkeys(_TEXTS, "str"), **dict.fromkeys(_NUMBERS, "float64")}
)


@dataclass(frozen=True)
class Rollup:
    """What the company asks for and what the regions' goals add up to.

    Attributes
    ----------
    regions : DataFrame
        region, reviewed, target, street_target (with what levels add), allocated, gap (allocated
        less street target), standing (the goals that stand), standing_gap, basis (how
        many people's goals rest on what), agreed (empty where nobody agreed), reps, status;
        the last row is the company.
    goals : DataFrame
        Every cell: region, rep_id, territory_id, product_line, goal (allocated), standing, basis,
        agreed.
    sums : DataFrame
        For each cut: groups, total (allocated) and standing with their difference to the company's
        street target, in whole rounding units.
    findings : DataFrame
        What does not add up, what is agreed, which regions are missing, which managers of people in
        several regions have too few hours for them all.
    """

    regions: pd.DataFrame
    goals: pd.DataFrame
    sums: pd.DataFrame
    findings: pd.DataFrame


def roll_up(step: Step) -> Rollup:
    """Add up the regions' goals: what was allocated, what stands, what is agreed.

    A run's tables are read; a region whose tables are missing is named and not made up. Outside
    a run (in JupyterLab) missing tables are computed.
    """
    parts = {region: _goals(step, region) for region in step.prepared.regions}
    cells = [part.cells for part in parts.values() if part is not None and len(part.cells)]
    unit, target = step.inputs.settings.rounding_unit, step.street_target
    company = Goals(pd.concat(cells, ignore_index=True) if cells else _NO_CELLS, unit)
    regions = _regions(step, parts, company)
    sums = pd.DataFrame([_sum_up(company, level, target) for level in LEVELS], columns=_SUMS)
    named = company.cells.rename(columns={"goal": "standing", "allocated": "goal"})
    goals = named[["region", *CELL, "goal", "standing", "basis", "agreed"]]
    missing = [region for region, part in parts.items() if part is None]
    rows = [
        *_missing_findings(missing),
        *target_findings(step),
        *_gap_findings(regions, step.inputs.settings.currency),
        *_sum_findings(step, company, sums, missing),
        *manager_findings(_capacities(step)),
    ]
    return Rollup(regions, goals, sums, findings_table(rows))


def write_files(step: Step, company: Rollup) -> list[Path]:
    """Write the workbook and the star schema into the company's folder of the run."""
    # Loaded here: no other notebook waits for XlsxWriter.
    from planning_kit.output.star import write_star
    from planning_kit.output.workbook import write_workbook

    folder, inputs = step.folder, step.inputs
    tables = (company.regions, company.goals, company.sums)
    book = write_workbook(folder / "company_goals.xlsx", inputs, *tables, step.settings())
    return [book, *write_star(folder / "star", company.goals, inputs, step.scenario.name)]


def _goals(step: Step, region: str) -> Goals | None:
    """Give a region's goals as the same run wrote them; None where the run has none of it."""
    folder, unit = _folder(step, region), step.inputs.settings.rounding_unit
    files = [folder / "tables" / f"{name}.csv" for name in ("allocation", "agreed")]
    is_run = (folder.parent / "manifest.json").is_file()
    if is_run and not files[0].is_file():
        return None
    if is_run and files[1].is_file():
        allocation, stands = map(read_table, files)
        allocation = allocation.rename(columns={"goal": "allocated"})[[*CELL, "allocated"]]
        cells = allocation.merge(stands, on=CELL, how="outer")
    else:
        cells = goals_of(step.of_region(region)).cells
    return Goals(cells.assign(region=region)[list(_NO_CELLS)], unit)


def _folder(step: Step, region: str) -> Path:
    return step.folder.parent / folder_name(region)


def _regions(step: Step, parts: Mapping[str, Goals | None], company: Goals) -> pd.DataFrame:
    reviewed = {row["name"]: row["reviewed"] for row in step.prepared.facts["regions"]}
    team, unit = step.inputs.team(), step.inputs.settings.rounding_unit
    targets = step.targets
    rows = []
    for region, part in parts.items():
        facts = {"region": region, "reviewed": reviewed[region], "target": targets[region]}
        asked = step.scenario.street_target(targets[region], unit)
        facts["reps"] = int((team["current_region"] == region).sum())
        facts |= {"street_target": asked, "status": "rolled up" if part else "missing"}
        rows.append({**facts, **(_figures(part, asked) if part else {})})
    table = pd.DataFrame(rows)
    whole = (table["status"] == "rolled up").all()
    total = {
        "region": "company",
        "reviewed": _exact_sum(table["reviewed"], 0.01),
        "target": step.inputs.target,
        "street_target": step.street_target,
        "reps": table["reps"].sum(),
        "status": "rolled up" if whole else "incomplete",
        **_figures(company, step.street_target),
    }
    return pd.concat([table, pd.DataFrame([total])], ignore_index=True)[_REGION_COLUMNS]


def _figures(goals: Goals, target: float) -> dict[str, Any]:
    return {
        "allocated": goals.allocated(),
        "gap": _difference(goals.allocated(), target, goals.unit),
        "standing": goals.standing(),
        "standing_gap": goals.gap(target),
        "basis": _basis(goals),
        "agreed": goals.agreed(),
    }


def _basis(goals: Goals) -> str:
    """Say how many people's goals rest on what; one word where all rest on the same."""
    counts = goals.by("rep_id")["basis"].value_counts()
    if len(counts) < 2:
        return "".join(counts.index)
    return ", ".join(f"{counts[basis]} {basis}" for basis in sorted(counts.index))


def _exact_sum(amounts: pd.Series, unit: float) -> float:
    return from_units(int(to_units(amounts.dropna(), unit).sum()), unit)


def _difference(amount: float, target: float, unit: float) -> float:
    return from_units(round(amount / unit) - round(target / unit), unit)


def _sum_up(goals: Goals, level: str, target: float) -> dict[str, Any]:
    """Add the goals up along a cut, in whole units, and compare with the target."""
    groups, unit = goals.by(level), goals.unit
    row: dict[str, Any] = {"cut": level, "groups": len(groups)}
    for name, total, difference in (
        ("allocated", "total", "difference"),
        ("goal", "standing", "standing_difference"),
    ):
        row[total] = _exact_sum(groups[name], unit)
        row[difference] = _difference(row[total], target, unit)
    return row


def _missing_findings(missing: list[str]) -> list[dict[str, str]]:
    if not missing:
        return []
    message = f"{len(missing)} regions have no goals in this run: {shorten(missing)}."
    advice = "See their notebooks in the run, then run them again."
    return [finding("rollup.missing", "fail", "company", message, advice)]


def _gap_findings(regions: pd.DataFrame, currency: str) -> Iterator[dict[str, str]]:
    own = regions[(regions["region"] != "company") & regions["gap"].notna()]
    for row in own.to_dict("records"):
        where, gap, standing = row["region"], row["gap"], row["standing_gap"]
        if gap:
            message = f"the goals miss the target by {gap:+,.2f} {currency}."
            yield finding("rollup.gap", "fail", where, message, "See its notebook 03.")
        if standing and standing != gap:
            is_open = "allocated" in row["basis"]
            message = f"the goals that stand ({row['basis']}) {_missed(standing, currency)}."
            advice = (
                "See its notebook 05: counter-offer to the open people"
                if is_open
                else ("See its notebook 05: everybody is through; reopen an agreement")
            )
            status = "review" if is_open else "fail"
            yield finding("rollup.standing", status, where, message, f"{advice}, or the target.")


def _missed(gap: float, currency: str) -> str:
    rest = "still to find" if gap < 0 else "too much"
    return f"miss the target by {gap:+,.2f} {currency}: {abs(gap):,.2f} {currency} {rest}"


def _sum_findings(
    step: Step, company: Goals, sums: pd.DataFrame, missing: list[str]
) -> Iterator[dict[str, str]]:
    target, currency = step.street_target, step.inputs.settings.currency
    people, agreed = company.people(), company.people("agreed")
    told = f"agreed by {len(agreed)} of {len(people)} people"
    told += f": {company.agreed():,.2f} {currency}." if agreed else "."
    if missing:
        return
    if gap := company.gap(target):
        is_open = company.people("allocated") and not sums["difference"].any()
        yield finding(
            "rollup.sum",
            "review" if is_open else "fail",
            "company",
            f"the goals that stand {_missed(gap, currency)}; {told}",
            "See the regions with a gap.",
        )
    elif not sums[["difference", "standing_difference"]].any(axis=None):
        yield finding(
            "rollup.sum",
            "pass",
            "company",
            f"{len(step.prepared.regions)} regions add up to {target:,.0f} {currency} to the unit, "
            f"by person, territory, product line and region, allocated and standing; {told}",
        )


def _capacities(step: Step) -> dict[str, pd.DataFrame]:
    """Read the managers' hours that the regions wrote."""
    there = {region: _folder(step, region) / "tables" for region in step.prepared.regions}
    return {
        region: read_table(folder / "manager_capacity.csv")
        for region, folder in there.items()
        if (folder / "manager_capacity.csv").is_file()
    }


def manager_findings(capacities: Mapping[str, pd.DataFrame]) -> Iterator[dict[str, str]]:
    """Name managers of people in several regions whose hours do not suffice for all of them.

    Parameters
    ----------
    capacities
        By region the table ``manager_capacity``: ``manager_id``, ``month``, ``hours_required`` (here),
        ``hours_elsewhere`` (what people of other regions need) and ``hours_available`` (what they
        leave).

    Yields
    ------
    dict
        A finding for each: ``fail`` where the whole plan does not fit, ``review`` for months.
    """
    tables = [table.assign(region=region) for region, table in capacities.items() if len(table)]
    if not tables:
        return
    hours = pd.concat(tables, ignore_index=True)
    several = hours.groupby("manager_id")["region"].transform("nunique") > 1
    for manager_id, rows in hours[several].groupby("manager_id"):
        # Every region sees the whole person: its own hours and those that the others need.
        whole_person = rows.assign(
            required=rows["hours_required"] + rows["hours_elsewhere"],
            there=rows["hours_available"] + rows["hours_elsewhere"],
        )
        months = whole_person.groupby("month")[["required", "there"]].max()
        over = months[months["required"] > months["there"] + 1e-6]
        if over.empty:
            continue
        total = months.sum()
        worst = int((over["required"] - over["there"]).argmax())
        month, fullest = over.index[worst], over.iloc[worst]
        whole = total["required"] > total["there"] + 1e-6
        regions = shorten(sorted(rows["region"].unique()))
        yield finding(
            "rollup.manager.plan" if whole else "rollup.manager.month",
            "fail" if whole else "review",
            str(manager_id),
            f"{manager_id} leads people in {rows['region'].nunique()} regions ({regions}), who need "
            f"{total['required']:,.0f} h of {total['there']:,.0f} h together; {len(over)} of "
            f"{len(months)} months do not fit, the fullest is {month:%Y-%m} with "
            f"{fullest['required']:,.0f} h of {fullest['there']:,.0f} h.",
            "Give some of these people another manager, or lower the manager's own activities.",
        )
