"""The register of assumptions: the scenario's beside last year's, or last year's taken over."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count
from typing import Any

import numpy as np
import pandas as pd

from planning_kit.data import Region, cached
from planning_kit.messages import Written, require_labels
from planning_kit.plan import DRIVERS, AssumptionEntry, Driver, Scenario, read_register
from planning_kit.plan.drivers import scale_to_unit

CONFIRMED, CARRIED = "this plan", "carried over, not yet confirmed"
FINDING_ID = re.compile(r"[a-z_]+(\.[a-z0-9_]+)+")


@dataclass(frozen=True)
class Assumption:
    """One row of the register; low, base and high in the unit of the driver.

    ``last_base`` and ``last_actual`` are last year's assumption of the same id (else of the same
    driver) and what happened, ``actual`` what is known of the plan's year; NaN where nobody knows.
    """

    assumption_id: str
    statement: str
    driver: str
    low: float
    base: float
    high: float
    unit: str
    owner: str
    evidence: str
    check_on: pd.Timestamp | None
    territories: tuple[str, ...]
    product_line: str
    status: str
    last_base: float
    last_actual: float
    actual: float = math.nan

    @property
    def moves(self) -> str:
        """Say how the driver works; empty for a driver nobody knows."""
        return DRIVERS[self.driver].moves if self.driver in DRIVERS else ""

    @property
    def reference(self) -> float:
        """Give last year's value that a ratio is taken to."""
        known = [x for x in (self.last_actual, self.last_base, self.base) if math.isfinite(x)]
        return known[0]


def read_assumptions(inputs: Region, scenario: Scenario) -> tuple[Assumption, ...]:
    """Give what is assumed for the coming period, by id, beside what was assumed last year.

    Without an ``[assumptions]`` section last year's table is a starting proposal: what repeats
    (growth, turnover, ramp, ...) starts from last year's actual, an event that happened starts
    from no further change; the range keeps last year's distances and its old ends.
    """
    rows = _last_rows(inputs)
    if not scenario.assumptions:
        return tuple(_carried(row) for row in rows)
    return tuple(
        _confirmed(name, entry, rows) for name, entry in sorted(scenario.assumptions.items())
    )


def _confirmed(name: str, entry: AssumptionEntry, rows: Sequence[Mapping[str, Any]]) -> Assumption:
    return Assumption(
        name,
        entry.statement,
        entry.driver,
        *entry.range_in_unit(),
        DRIVERS[entry.driver].unit,
        entry.owner,
        entry.evidence,
        None if entry.check_on is None else pd.Timestamp(entry.check_on),
        entry.territories,
        entry.product_line,
        CONFIRMED,
        *_last_of(name, entry.driver, rows),
        entry.actual_in_unit(),
    )


@cached
def _last_rows(inputs: Region) -> list[dict[str, Any]]:
    table = inputs.assumptions.sort_values("assumption_id", kind="stable")
    return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]


def _last_of(name: str, driver: str, rows: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    same = [row for row in rows if row["assumption_id"] == name and row["driver"] == driver]
    alike = same or [row for row in rows if row["driver"] == driver]
    if len(alike) != 1:
        return math.nan, math.nan
    scale = scale_to_unit(_known_text(alike[0]["unit"]), DRIVERS[driver])
    scale = math.nan if scale is None else scale
    return float(alike[0]["base"]) * scale, float(alike[0]["actual"]) * scale


def _known_text(value: Any) -> str:
    return "" if pd.isna(value) else str(value)


def _carried(row: Mapping[str, Any]) -> Assumption:
    name, driver_name = str(row["assumption_id"]), _known_text(row["driver"])
    driver, unit = DRIVERS.get(driver_name), _known_text(row["unit"])
    scale = scale_to_unit(unit, driver) if driver else None
    low, base, high, actual = (float(row[k]) for k in ("low", "base", "high", "actual"))
    low, high = (base if math.isnan(x) else x for x in (low, high))
    if driver and scale is not None and low <= base <= high:
        low, base, high, actual = (x * scale for x in (low, base, high, actual))
        last = (base, actual)
        low, base, high = _proposal(driver, low, base, high, actual)
    else:  # shown, but moves nothing; the findings say so
        driver_name, last = ("" if driver else driver_name), (base, actual)
    check_on = None if pd.isna(row["check_on"]) else pd.Timestamp(row["check_on"])
    return Assumption(
        name,
        _known_text(row["statement"]),
        driver_name,
        low,
        base,
        high,
        driver.unit if driver else unit,
        _known_text(row["owner"]),
        _known_text(row["evidence"]),
        check_on,
        (),
        "",
        CARRIED,
        *last,
    )


def _proposal(
    driver: Driver, low: float, base: float, high: float, actual: float
) -> tuple[float, float, float]:
    below, above = base - low, high - base
    if not driver.repeats:
        return -below, 0.0, above
    if math.isnan(actual):
        return low, base, high
    ends = min(low, actual - below), max(high, actual + above)
    return max(driver.least, ends[0]), actual, min(driver.most, ends[1])


def read_correlations(scenario: Scenario, register: Sequence[Assumption]) -> np.ndarray:
    """Give the correlation matrix of the scenario in the order of the register; 0: nothing written.

    Raises
    ------
    DataError
        A correlation names an assumption that the register does not have.
    """
    names = [a.assumption_id for a in register]
    matrix = np.eye(len(names))
    for one in scenario.correlations:
        require_labels(one.between, names, f"scenario {scenario.name!r}, [[correlations]] between")
        a, b = (names.index(name) for name in one.between)
        matrix[a, b] = matrix[b, a] = one.coefficient
    return matrix


_SAME = ("statement", "driver", "unit", "owner", "evidence", "product_line")


def entry_of(assumption: Assumption) -> dict[str, Any]:
    """Write an assumption as a scenario file has it, without what is empty."""
    names = (*_SAME, "low", "base", "high", "actual")
    entry: dict[str, Any] = {name: getattr(assumption, name) for name in names}
    entry["territories"] = list(assumption.territories)
    if assumption.check_on is not None:
        entry["check_on"] = assumption.check_on.date()
    return {k: v for k, v in entry.items() if v not in ("", []) and v == v}


def with_register(scenario: Scenario, entries: Mapping[str, Mapping[str, Any]]) -> Scenario:
    """Give the scenario with another register; what names an assumption that is gone goes too.

    Raises
    ------
    DataError
        The register has faults: all of them named.
    """
    section = Written(entries, "[assumptions]")
    register = read_register(section)
    section.stop(f"scenario {scenario.name!r}")
    return scenario.with_(assumptions=register)


def register_of(inputs: Region, scenario: Scenario) -> Mapping[str, AssumptionEntry]:
    """Give the register as a scenario writes it: its own, else last year's, taken over."""
    if scenario.assumptions:
        return scenario.assumptions
    known = [a for a in read_assumptions(inputs, scenario) if a.moves]
    return with_register(scenario, {a.assumption_id: entry_of(a) for a in known}).assumptions


def overall(inputs: Region, scenario: Scenario, driver: str) -> Assumption | None:
    """Give the assumption about a driver that is about all territories and lines, if there is one."""
    register = read_assumptions(inputs, scenario)
    alike = (a for a in register if a.driver == driver and not (a.territories or a.product_line))
    return next(alike, None)


def move_driver(inputs: Region, scenario: Scenario, driver: str, value: float) -> Scenario:
    """Give the scenario with a driver at another value, in its unit, for all territories and lines.

    Its range moves along, cut to what the driver can be; the rest of the register stays as it was
    written (without one last year's is taken over). A driver that nobody has assumed anything about
    becomes a sure assumption.

    Raises
    ------
    DataError
        The driver cannot have the value.
    """
    known, what, ends = overall(inputs, scenario, driver), DRIVERS[driver], (value, value, value)
    if known is not None:
        low, high = (end + value - known.base for end in (known.low, known.high))
        ends = (max(what.least, low), value, min(what.most, high))
    register = register_of(inputs, scenario)
    name = known.assumption_id if known is not None else _free_name(driver, register)
    said = {"driver": driver, "unit": what.unit} if known is None else entry_of(known)
    entry = {**said, **dict(zip(("low", "base", "high"), ends, strict=True))}
    moved = with_register(scenario, {name: entry}).assumptions
    return scenario.with_(assumptions={**register, **moved})


def restore_driver(inputs: Region, scenario: Scenario, driver: str, opened: Scenario) -> Scenario:
    """Give the scenario with what another one assumes about a driver."""
    before, now = register_of(inputs, opened), register_of(inputs, scenario)
    both = (overall(inputs, other, driver) for other in (scenario, opened))
    names = {assumption.assumption_id for assumption in both if assumption is not None}
    said = {name: before.get(name) if name in names else entry for name, entry in now.items()}
    said |= {name: before[name] for name in names if name in before}
    kept = {name: entry for name, entry in said.items() if entry is not None}
    if kept == before:
        return scenario.with_(assumptions=opened.assumptions, correlations=opened.correlations)
    return scenario.with_(assumptions=kept)


def _free_name(driver: str, register: Mapping[str, Any]) -> str:
    names = (f"{driver}_{number}" for number in count(2))
    return next(name for name in chain([driver], names) if name not in register)
