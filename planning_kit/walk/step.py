"""Open a notebook's step, find the tables of earlier steps, write its own."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pandas as pd

from planning_kit import __version__
from planning_kit.allocation import Allocation
from planning_kit.assumptions import baseline_totals
from planning_kit.charts import enable
from planning_kit.errors import UsageError
from planning_kit.plan import (
    MADE_BY,
    Inputs,
    Plan,
    Scenario,
    folder_name,
    load_plan,
    read_table,
    write_atomically,
    write_table,
)
from planning_kit.review import Exclusions, exclude_deals
from planning_kit.sources import (
    Prepared,
    open_inputs,
    open_prepared,
    prepare,
    read_tables,
    with_targets,
)
from planning_kit.tables import shorten
from planning_kit.walk.producers import (
    NOT_KNOWN,
    PRODUCERS,
    allocate_region,
)

COMPANY = "company"


@dataclass
class Step:
    """One notebook, opened for one region (or the company).

    Attributes
    ----------
    notebook : str
        Name of the notebook without ending, for example ``03_target_allocation``.
    plan, prepared, scenario
        What it works on.
    inputs : Inputs
        The region's tables, without what the scenario's ``[[review.exclude]]`` takes out.
    folder : Path
        The region's folder of the run; tables go to ``tables/`` in it.
    """

    notebook: str
    plan: Plan
    prepared: Prepared
    scenario: Scenario
    inputs: Inputs
    folder: Path
    excluded: Exclusions | None = None
    booked: Inputs | None = None  # with what is taken out
    _origins: dict[str, str] = field(default_factory=dict)
    _tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    _allocation: tuple[Allocation | None] | None = None
    _labels: dict[str, set[str]] | None = None

    def cells(self) -> pd.DataFrame:
        """Give the cells that carry a goal (see `planning_kit.walk.producers.allocation_cells`)."""
        return self.table("cells")

    def company_labels(self) -> dict[str, set[str]]:
        """Give the labels that rules may name, of all regions."""
        if self._labels is None:
            self._labels = _company_labels(self.prepared)
        return self._labels

    def exclusions(self) -> Exclusions:
        """Give what the scenario takes out of the results, and the totals with and without it."""
        return self.excluded or exclude_deals(self.inputs, self.scenario)

    def other(self, region: str, scenario: Scenario, folder: Path) -> Step:
        """Open the same step of another region or scenario."""
        same = self.booked if region == self.inputs.region else None
        return _open(self.notebook, self.plan, self.prepared, region, scenario, folder, same)

    def ranges(self, *by: str) -> pd.DataFrame:
        """Give expected results and their 80 % range by a cut of the baseline, plan currency."""
        if by in ((), ("rep_id",)):
            rows = self.table("outlook")
            rows = rows[
                rows["rep_id"].notna() & rows["expected"].notna() if by else rows["rep_id"].isna()
            ]
            return rows[[*by, "expected", "low", "high"]].reset_index(drop=True)
        return baseline_totals(self.inputs, self.scenario, by)

    def years(self) -> pd.DataFrame:
        """Give everybody's middle year and its spread (see `assumptions.person_years`)."""
        rows = self.table("outlook")
        return rows.loc[rows["rep_id"].notna(), ["rep_id", "expected", "middle", "spread"]]

    def allocation(self) -> Allocation | None:
        """Split the region's target by the rules of the scenario; None where nobody can carry it."""
        if self._allocation is None:
            self._allocation = (allocate_region(self),)
        return self._allocation[0]

    @cached_property
    def key(self) -> str:
        """Digest of all a table of this run depends on; a table of another key is not taken."""
        return self.prepared.table_key(self.inputs.region, self.scenario)

    def settings(self) -> pd.DataFrame:
        """Say in plain words what this notebook works on."""
        plan, facts = self.plan.settings, self.prepared.facts
        sales = next(row for row in facts["coverage"] if row["table"] == "sales")
        taken = self.excluded.totals["excluded"].iloc[0] if self.excluded else 0.0
        rows = {
            "plan": plan.name,
            "region": self.inputs.region or "the whole company",
            "coming period": f"{plan.starts_on} to {plan.ends_on}",
            "reviewed period": f"{plan.review_starts_on} to {plan.review_ends_on}",
            "sales known until": sales["last_day"] or "no sales",
            "scenario": self.scenario.name,
            "taken out of the reviewed sales": f"{taken:,.0f} {plan.currency}",
            "target": f"{self.inputs.target:,.0f} {plan.currency}",
            "goals are multiples of": f"{plan.rounding_unit:,g} {plan.currency}",
            "inputs": facts["fingerprint"],
            "planning-kit": __version__,
        }
        if not taken:
            del rows["taken out of the reviewed sales"]
        return pd.DataFrame({"setting": list(rows), "value": list(rows.values())})

    def table(self, name: str) -> pd.DataFrame:
        """Give a table of an earlier step: as written in this run, else computed now.

        Raises
        ------
        UsageError
            No step makes a table of that name.
        """
        if name not in PRODUCERS:
            raise UsageError(f"no step makes a table {name!r}; there are {shorten(PRODUCERS, 20)}.")
        if name not in self._tables:
            path = self.folder / "tables" / f"{name}.csv"
            if self._made().get(name) == self.key and path.is_file():
                self._tables[name] = read_table(path)
                self._origins[name] = f"written by {MADE_BY[name]}"
            else:
                self._tables[name] = PRODUCERS[name](self)
                self._origins[name] = f"computed here; {MADE_BY[name]} has not written it yet"
        return self._tables[name]

    def origins(self) -> pd.DataFrame:
        """Say where each table of earlier steps came from."""
        return pd.DataFrame({"table": list(self._origins), "origin": list(self._origins.values())})

    def write(self, **tables: pd.DataFrame) -> pd.DataFrame:
        """Write the tables of this step and list them."""
        made = self._made()
        for name, table in tables.items():
            write_table(self.folder / "tables" / f"{name}.csv", table)
            made[name] = self.key
        write_atomically(
            self.folder / "tables" / "_made.json", json.dumps(made, indent=1, sort_keys=True)
        )
        return pd.DataFrame(
            {
                "table": list(tables),
                "file": [f"tables/{name}.csv" for name in tables],
                "rows": [len(table) for table in tables.values()],
                "columns": [", ".join(map(str, table.columns)) for table in tables.values()],
            }
        )

    def _made(self) -> dict[str, Any]:
        path = self.folder / "tables" / "_made.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


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
    return _open(notebook, plan, prepared, wanted, chosen, folder)


def _open(notebook: str, plan: Plan, prepared: Prepared, region: str, scenario: Scenario,
          folder: Path, same: Inputs | None = None) -> Step:  # fmt: skip
    if same is None:
        booked = open_inputs(plan, prepared, region, scenario)
    else:
        booked = with_targets(same, plan, prepared, scenario)
    inputs, excluded = booked, None
    if "review" in scenario.content:
        excluded = exclude_deals(booked, scenario, partial(_company_labels, prepared))
        inputs = excluded.inputs
    return Step(notebook, plan, prepared, scenario, inputs, folder, excluded, booked)


def _company_labels(prepared: Prepared) -> dict[str, set[str]]:
    # Only what is needed of the company: every region of a batch asks.
    whole = read_tables(prepared.region_folder(""), ("reps", "territories", "products"))
    return {
        "rep_id": set(whole["reps"]["rep_id"]),
        "territory_id": {*whole["territories"]["territory_id"], NOT_KNOWN},
        "product_line": {*whole["products"]["product_line"].dropna(), NOT_KNOWN},
        "role": {*whole["reps"]["role"].dropna(), NOT_KNOWN},
        "region": set(prepared.regions),
    }


def _prepared_of(run: Path) -> Prepared | None:
    """Open the inputs a run was started with, as long as they are kept."""
    pointer = run / "prepared.json"
    if not pointer.is_file():
        return None
    folder = run / json.loads(pointer.read_text(encoding="utf-8"))["folder"]
    return open_prepared(folder.resolve()) if (folder / "prepared.json").is_file() else None
