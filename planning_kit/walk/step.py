"""Open a notebook's step, find the tables of earlier steps, write its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pandas as pd

from planning_kit import __version__
from planning_kit.allocation import Allocation
from planning_kit.data import (
    Prepared,
    Region,
    open_inputs,
    read_table,
    read_tables,
    with_targets,
    write_table,
)
from planning_kit.messages import UsageError, shorten
from planning_kit.outlook import baseline_totals
from planning_kit.plan import Plan, Scenario, write_atomically
from planning_kit.review import Exclusions, exclude_deals
from planning_kit.steps import MADE_BY
from planning_kit.walk.logged import log_end, log_words

COMPANY = "company"
NOT_KNOWN = "(not known)"


@dataclass
class Step:
    """One notebook, opened for one region (or the company).

    Attributes
    ----------
    notebook : str
        Name of the notebook without ending, for example ``03_target_allocation``.
    plan, prepared, scenario
        What it works on.
    inputs : Region
        The region's tables, without what the scenario's ``[[review.exclude]]`` takes out.
    folder : Path
        The region's folder of the run; tables go to ``tables/`` in it.
    """

    notebook: str
    plan: Plan
    prepared: Prepared
    scenario: Scenario
    inputs: Region
    folder: Path
    excluded: Exclusions | None = None
    booked: Region | None = None  # with what is taken out
    makers: Mapping[str, Callable[[Step], pd.DataFrame]] = field(default_factory=dict)
    _origins: dict[str, str] = field(default_factory=dict)
    _tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    allocation_made: tuple[Allocation | None] | None = None
    _labels: dict[str, set[str]] | None = None
    talks: dict[str, Any] = field(default_factory=dict)  # made by planning_kit.walk.talks, once

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
        return open_at(
            self.notebook, self.plan, self.prepared, region, scenario, folder, self.makers, same
        )

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
            "agreement log": log_words(log_end(self.plan, self.folder.parent)),
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
        if name not in self.makers:
            raise UsageError(
                f"no step makes a table {name!r}; there are {shorten(self.makers, 20)}."
            )
        if name not in self._tables:
            path = self.folder / "tables" / f"{name}.csv"
            if self._made().get(name) == self.key and path.is_file():
                self._tables[name] = read_table(path)
                self._origins[name] = f"written by {MADE_BY[name]}"
            else:
                self._tables[name] = self.makers[name](self)
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


def open_at(
    notebook: str,
    plan: Plan,
    prepared: Prepared,
    region: str,
    scenario: Scenario,
    folder: Path,
    makers: Mapping[str, Callable[[Step], pd.DataFrame]],
    same: Region | None = None,
) -> Step:
    """Open a step whose plan, inputs and places are known; ``same`` are inputs read before."""
    if same is None:
        booked = open_inputs(plan, prepared, region, scenario)
    else:
        booked = with_targets(same, plan, prepared, scenario)
    inputs, excluded = booked, None
    if "review" in scenario.content:
        excluded = exclude_deals(booked, scenario, partial(_company_labels, prepared))
        inputs = excluded.inputs
    return Step(notebook, plan, prepared, scenario, inputs, folder, excluded, booked, makers)


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
