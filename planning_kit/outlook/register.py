"""Read the register of assumptions out of the scenario, or take over last year's."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd

from planning_kit.data import Region
from planning_kit.messages import DataError, require_labels
from planning_kit.plan import DRIVERS, Driver, Scenario
from planning_kit.plan.drivers import scale_to_unit

CONFIRMED, CARRIED = "this plan", "carried over, not yet confirmed"
_KEYS = (
    "statement",
    "driver",
    "low",
    "base",
    "high",
    "unit",
    "owner",
    "evidence",
    "check_on",
    "territories",
    "product_line",
    "actual",
)
_TEXTS = ("statement", "driver", "unit", "owner", "evidence")
_SAME = 1e-9  # rounding of an eigenvalue
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
    """Read what is assumed for the coming period, by id.

    Without an ``[assumptions]`` section last year's table is a starting proposal: what repeats
    (growth, turnover, ramp, ...) starts from last year's actual, an event that happened starts
    from no further change; the range keeps last year's distances and its old ends.

    Raises
    ------
    DataError
        Naming every unknown driver, territory (company inputs) or product line, every range in the
        wrong order and every value that is missing or out of range.
    """
    section = scenario.section("assumptions")
    if not section:
        return tuple(_carried(row, inputs) for row in _last_rows(inputs))
    faults: list[str] = []
    read = [_written(faults, str(name), entry, inputs) for name, entry in section.items()]
    given = [assumption for assumption in read if assumption is not None]
    _check_staff(faults, given)
    if faults:
        raise DataError(f"scenario {scenario.name!r}, [assumptions]: " + "; ".join(faults) + ".")
    return tuple(sorted(given, key=lambda assumption: assumption.assumption_id))


def _labels(faults: list[str], given: Sequence[str], known: Any, what: str) -> None:
    try:
        require_labels(given, known, what)
    except DataError as error:
        faults.append(str(error).rstrip("."))


def _written(faults: list[str], name: str, entry: Any, inputs: Region) -> Assumption | None:
    before = len(faults)
    if not isinstance(entry, Mapping):
        faults.append(f"{name}: write it as a section, [assumptions.{name}]")
        return None
    _labels(faults, list(entry), _KEYS, name)
    texts = {key: _text(faults, name, key, entry.get(key, "")) for key in _TEXTS}
    lines = inputs.products["product_line"].dropna()
    line = _text(faults, name, "product_line", entry.get("product_line", ""))
    _labels(faults, [line] if line else [], lines, f"{name}: product_line")
    territories = _territories(faults, name, entry.get("territories", []), inputs)
    if not texts["driver"]:
        faults.append(f"{name}: needs a driver, one of {', '.join(DRIVERS)}")
    else:
        _labels(faults, [texts["driver"]], DRIVERS, f"{name}: driver")
    if len(faults) > before:
        return None
    driver = DRIVERS[texts["driver"]]
    values = _values(faults, name, entry, driver)
    actual = _actual(faults, name, entry, driver)
    check_on = _day(faults, name, entry.get("check_on"))
    if len(faults) > before:
        return None
    last = _last_of(name, driver.name, _last_rows(inputs))
    return Assumption(
        name,
        texts["statement"],
        driver.name,
        *values,
        driver.unit,
        texts["owner"],
        texts["evidence"],
        check_on,
        territories,
        line,
        CONFIRMED,
        *last,
        actual,
    )


def _text(faults: list[str], name: str, key: str, value: Any) -> str:
    if not isinstance(value, str):
        faults.append(f'{name}: {key} is {value!r}; write a text in "quotes"')
        return ""
    return value.strip()


def _territories(faults: list[str], name: str, given: Any, inputs: Region) -> tuple[str, ...]:
    if not isinstance(given, list) or not all(isinstance(label, str) for label in given):
        faults.append(f'{name}: territories must be a list of ids, for example ["T01"]')
        return ()
    # The tables of one region do not know the territories of the others; the company's do.
    if not inputs.region:
        _labels(faults, given, inputs.territories["territory_id"], f"{name}: territories")
    return tuple(given)


def _values(
    faults: list[str], name: str, entry: Mapping[str, Any], driver: Driver
) -> tuple[float, float, float]:
    found = [entry.get(key) for key in ("low", "base", "high")]
    numbers = [
        float(x)
        for x in found
        if isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x)
    ]
    scale = scale_to_unit(str(entry.get("unit", "")), driver)
    if scale is None:
        faults.append(f"{name}: unit is {entry.get('unit')!r}; {driver.name} is in {driver.unit}")
    if len(numbers) < 3:
        faults.append(f"{name}: low, base and high are {found}; write three numbers")
    if scale is None or len(numbers) < 3:
        return 0.0, 0.0, 0.0
    low, base, high = (x * scale for x in numbers)
    if not low <= base <= high:
        faults.append(f"{name}: low {low:g}, base {base:g}, high {high:g} are not in this order")
    elif low < driver.least or high > driver.most:
        faults.append(
            f"{name}: {low:g} to {high:g} {driver.unit}; {driver.name} must be between "
            f"{driver.least:g} and {driver.most:g}"
        )
    elif driver.moves == "ratio" and base <= 0:
        faults.append(f"{name}: base is {base:g}; {driver.name} must be above 0")
    return low, base, high


def _actual(faults: list[str], name: str, entry: Mapping[str, Any], driver: Driver) -> float:
    seen = entry.get("actual", math.nan)
    if isinstance(seen, bool) or not isinstance(seen, int | float):
        faults.append(f"{name}: actual is {seen!r}; write what is known so far as a number")
        return math.nan
    value = float(seen) * (scale_to_unit(str(entry.get("unit", "")), driver) or 1.0)
    if not (math.isnan(value) or driver.least <= value <= driver.most):
        faults.append(
            f"{name}: actual is {value:g} {driver.unit}; {driver.name} must be between "
            f"{driver.least:g} and {driver.most:g}"
        )
    return value


def _day(faults: list[str], name: str, value: Any) -> pd.Timestamp | None:
    if value is None:
        return None
    if isinstance(value, date) and not isinstance(value, datetime):
        return pd.Timestamp(value)
    faults.append(f"{name}: check_on is {value!r}; write a day without quotes, like 2026-03-31")
    return None


def _check_staff(faults: list[str], given: Sequence[Assumption]) -> None:
    staff = [a for a in given if a.moves == "staff"]
    for driver in dict.fromkeys(a.driver for a in staff):
        names = [a.assumption_id for a in staff if a.driver == driver]
        if len(names) > 1:
            faults.append(f"{', '.join(names)} all set {driver}; keep one")
    for one in staff:
        if one.territories or one.product_line:
            faults.append(
                f"{one.assumption_id}: {one.driver} holds for everybody; take out "
                "territories and product_line"
            )


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


def _carried(row: Mapping[str, Any], inputs: Region) -> Assumption:
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
    """Read which assumptions move together, ``[[correlations]]`` with between and coefficient.

    Returns
    -------
    numpy.ndarray
        The correlation matrix in the order of the register; 0 where nothing is written.

    Raises
    ------
    DataError
        Naming every entry with unknown or repeated ids or a coefficient outside -1 to 1, or that
        all together contradict each other (the matrix is not positive semidefinite).
    """
    names = [a.assumption_id for a in register]
    matrix, seen, faults = np.eye(len(names)), set(), list[str]()
    for number, row in enumerate(scenario.rows("correlations"), start=1):
        where, pair, value = f"entry {number}", row.get("between"), row.get("coefficient")
        before = len(faults)
        _labels(faults, list(row), ("between", "coefficient"), where)
        if not isinstance(pair, list) or len({str(x) for x in pair}) != 2 or len(pair) != 2:
            faults.append(f"{where}: between is {pair!r}; name two different assumptions")
            continue
        _labels(faults, [str(x) for x in pair], names, f"{where}: between")
        if isinstance(value, bool) or not isinstance(value, int | float) or not -1 <= value <= 1:
            faults.append(f"{where}: coefficient is {value!r}; write a number from -1 to 1")
        key = frozenset(map(str, pair))
        if key in seen:
            faults.append(f"{where}: {' and '.join(sorted(key))} stand twice")
        seen.add(key)
        if len(faults) == before:
            a, b = (names.index(str(x)) for x in pair)
            matrix[a, b] = matrix[b, a] = value
    least = float(np.linalg.eigvalsh(matrix).min()) if len(names) else 0.0
    if least < -_SAME and not faults:
        faults.append(
            "the coefficients contradict each other (who goes along with two others cannot "
            "see them go apart); all of them multiplied by "
            f"{math.floor(100 / (1 - least)) / 100:g} would fit"
        )
    if faults:
        raise DataError(f"scenario {scenario.name!r}, [[correlations]]: " + "; ".join(faults) + ".")
    return matrix
