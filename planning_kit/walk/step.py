"""Open a notebook's step, find the tables of earlier steps, write its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import pandas as pd

from planning_kit import __version__
from planning_kit.data import (
    Prepared,
    Region,
    check_scenario,
    open_inputs,
    read_table,
    with_targets,
    write_table,
)
from planning_kit.numbers.units import from_units
from planning_kit.plan import SECTIONS, Plan, Scenario, Targets, folder_name, write_atomically
from planning_kit.review import Exclusions, exclude_deals
from planning_kit.steps import MADE_BY, STEPS
from planning_kit.walk.company import resolver
from planning_kit.walk.logged import log_end, log_words, logged_events, totals_agreed

# The own target stands for these in what a region's tables are made from: another one's changes
# nothing here.
_OF_TARGETS = ("targets", "company")
_SAID = ("lines", "played")  # what is known of the log
_SHARED = 12  # results that are kept beside the first scenario's


@dataclass(repr=False)  # its tables are no words
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
    targets : mapping of str to float
        Every region's target, plan currency.
    """

    notebook: str
    plan: Plan
    prepared: Prepared
    scenario: Scenario
    inputs: Region
    folder: Path
    targets: Mapping[str, float]
    excluded: Exclusions | None = None
    booked: Region | None = None  # with what is taken out
    like: Step | None = None  # another step of this region; tables of the same key are its
    _origins: dict[str, str] = field(default_factory=dict)
    _tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    _keys: dict[str, str] = field(default_factory=dict)
    _asked: dict[Any, Any] = field(default_factory=dict)

    def under(self, scenario: Scenario, targets: Mapping[str, float]) -> Self:
        """Give the same step under another scenario and its regions' targets (plan currency)."""
        target = targets.get(self.inputs.name, self.inputs.target)
        if self.inputs.is_company:
            unit = self.inputs.settings.rounding_unit
            target = from_units(sum(round(amount / unit) for amount in targets.values()), unit)
        inputs = replace(self.inputs, target=target)
        fresh: dict[str, Any] = {name: {} for name in ("_origins", "_tables", "_keys")}
        # What was said stays: the log is read once for all scenarios that are asked.
        fresh["_asked"] = {key: self._asked[key] for key in _SAID if key in self._asked}
        return replace(self, scenario=scenario, inputs=inputs, targets=targets, like=self, **fresh)

    @property
    def street_target(self) -> float:
        """Give what all goals add up to: the target and what levels add (``[over_assignment]``)."""
        unit, targets = self.plan.settings.rounding_unit, {self.inputs.name: self.inputs.target}
        if self.inputs.is_company:
            targets = dict(self.targets)
        asked = [round(self.scenario.street_target(x, unit) / unit) for x in targets.values()]
        return from_units(sum(asked), unit)

    def make(self, name: str) -> pd.DataFrame:
        """Compute a table of the walk.

        Raises
        ------
        UsageError
            No step makes a table of that name.
        """
        raise NotImplementedError

    def once(self, key: Any, work: Callable[[], Any]) -> Any:
        """Work something out once; a table that is given again is a copy that shares its cells."""
        if key not in self._asked:
            self._asked[key] = work()
        found = self._asked[key]
        return found.copy(deep=False) if isinstance(found, pd.DataFrame) else found

    def shared(self, key: Any, work: Callable[[], Any]) -> Any:
        """Work something out once for every scenario of this region that is asked after this one.

        The first step keeps the last few of such results.
        """
        if self.like is not None:
            return self.like.shared(key, work)
        kept = self._asked.setdefault("shared", {})
        kept[key] = kept.pop(key) if key in kept else work()
        while len(kept) > _SHARED:
            del kept[next(iter(kept))]
        return kept[key]

    def exclusions(self) -> Exclusions:
        """Give what the scenario takes out of the results, and the totals with and without it."""
        return self.excluded or exclude_deals(self.inputs, self.scenario)

    def other(self, region: str, scenario: Scenario, folder: Path) -> Self:
        """Open the same step of another region or scenario."""
        is_here = region == self.inputs.name and not self.inputs.is_company
        same = self.booked if is_here else None
        known = self.targets if scenario is self.scenario else None
        where = (self.notebook, self.plan, self.prepared, region, scenario, folder, same, known)
        return replace(self.open_at(*where), like=self if is_here else None)

    def of_region(self, region: str) -> Self:
        """Open the same step of a region of this run; it is opened once."""
        folder = self.folder.parent / folder_name(region)
        opened: Self = self.once(
            ("region", region), lambda: self.other(region, self.scenario, folder)
        )
        return opened

    @classmethod
    def open_at(
        cls,
        notebook: str,
        plan: Plan,
        prepared: Prepared,
        region: str | None,
        scenario: Scenario,
        folder: Path,
        same: Region | None = None,
        targets: Mapping[str, float] | None = None,
    ) -> Self:
        """Open a step whose plan, inputs and places are known.

        ``region`` None is the company; ``same`` are inputs read before, ``targets`` those of a
        scenario that was checked before.
        """
        if targets is None:
            resolve = resolver(totals_agreed(plan, folder.parent))
            targets = check_scenario(plan, prepared, scenario, resolve)
        if same is None:
            booked = open_inputs(plan, prepared, region, scenario, targets)
        else:
            booked = with_targets(same, plan, scenario, targets)
        inputs, excluded = booked, None
        if scenario.review:
            excluded = exclude_deals(booked, scenario)
            inputs = excluded.inputs
        return cls(notebook, plan, prepared, scenario, inputs, folder, targets, excluded, booked)

    def key(self, table: str) -> str:
        """Digest everything a kept table is made from; one of another key is not taken.

        The package, the settings, the region's inputs, the parts of the scenario that its step
        reads, the target where the step splits it, the kept tables behind it, and what the
        agreement log says about the region's people where its step reads it.
        """
        if table not in self._keys:
            maker = STEPS[MADE_BY[table]]
            sections, of_split = maker.kept_from, maker.kept_from is None
            if of_split:
                sections = tuple(name for name in SECTIONS if name not in _OF_TARGETS)
            made_of = [
                __version__,
                replace(self.plan.settings, targets=Targets()),
                self.inputs.name,
                self.prepared.inputs_digest(None if self.inputs.is_company else self.inputs.name),
                self.scenario.digest(sections),
                self._asked_here() if of_split else None,
                [self.key(name) for name in maker.reads],
                self._said() if maker.reads_agreement else None,
            ]
            text = json.dumps(made_of, sort_keys=True, default=str)
            digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
            self._keys[table] = digest[:16]
        return self._keys[table]

    def _asked_here(self) -> float | dict[str, float]:
        return dict(self.targets) if self.inputs.is_company else self.inputs.target

    def _said(self) -> str:
        """Give the digest of the last line of the log that is about people here."""
        lines = logged_events(self.plan, self.folder.parent)
        if not self.inputs.is_company:
            lines = lines[lines["rep_id"].isin(self.inputs.team()["rep_id"])]
        return "".join(lines["digest"].iloc[-1:])

    def settings(self) -> pd.DataFrame:
        """Say in plain words what this notebook works on."""
        plan, facts = self.plan.settings, self.prepared.facts
        sales = next(row for row in facts["coverage"] if row["table"] == "sales")
        taken = self.excluded.totals["excluded"].iloc[0] if self.excluded else 0.0
        rows = {
            "plan": plan.name,
            "region": "the whole company" if self.inputs.is_company else self.inputs.name,
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
        if name not in self._tables:
            self._tables[name] = self._found(name)
        return self._tables[name]

    def _found(self, name: str) -> pd.DataFrame:
        maker = MADE_BY.get(name)
        if maker in (None, self.notebook):  # what it makes itself it makes anew
            return self.make(name)
        if self.like is not None and self.like.key(name) == self.key(name):
            return self.like.table(name)
        if self.is_kept(name):
            self._origins[name] = f"written by {maker}"
            return read_table(self.folder / "tables" / f"{name}.csv")
        self._origins[name] = f"computed here; {maker} has not written it yet"
        return self.make(name)

    def is_kept(self, name: str) -> bool:
        """Say if a table lies in this run as it would be computed now."""
        path = self.folder / "tables" / f"{name}.csv"
        return path.is_file() and self._made().get(name) == self.key(name)

    def origins(self) -> pd.DataFrame:
        """Say where each table of earlier steps came from."""
        return pd.DataFrame({"table": list(self._origins), "origin": list(self._origins.values())})

    def write(self, **tables: pd.DataFrame) -> pd.DataFrame:
        """Write the tables of this step and list them."""
        made = self._made()
        for name, table in tables.items():
            write_table(self.folder / "tables" / f"{name}.csv", table)
            if name in MADE_BY:
                made[name] = self.key(name)
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
