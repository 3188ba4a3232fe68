"""The register of assumptions as a planner writes it, and what moves together."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from planning_kit.messages import Written
from planning_kit.plan.drivers import DRIVERS, Driver, scale_to_unit

_SAME = 1e-9  # rounding of an eigenvalue


@dataclass(frozen=True, kw_only=True)
class AssumptionEntry:
    """One ``[assumptions.<id>]``, its numbers in the unit it was written in.

    Attributes
    ----------
    driver : str
        What it moves, one of `planning_kit.plan.DRIVERS`.
    low, base, high : float
        One year in ten is lower than low, one in ten higher than high.
    unit : str
        Of the numbers; empty: the driver's.
    statement, owner, evidence : str
        What is assumed, who says so, and why.
    check_on : date or None
        Day to look again.
    territories : tuple of str
        Ids it is about; empty: all.
    product_line : str
        Line it is about; empty: all.
    actual : float or None
        What is known of the plan's year so far.
    """

    statement: str = ""
    driver: str
    low: float
    base: float
    high: float
    unit: str = ""
    owner: str = ""
    evidence: str = ""
    check_on: date | None = None
    territories: tuple[str, ...] = ()
    product_line: str = ""
    actual: float | None = None

    def range_in_unit(self) -> tuple[float, float, float]:
        """Give low, base and high in the driver's unit."""
        scale = self._scale()
        return self.low * scale, self.base * scale, self.high * scale

    def actual_in_unit(self) -> float:
        """Give what is known so far in the driver's unit; NaN: nothing."""
        return math.nan if self.actual is None else self.actual * self._scale()

    def _scale(self) -> float:
        return scale_to_unit(self.unit, DRIVERS[self.driver]) or math.nan


@dataclass(frozen=True)
class Correlation:
    """Two assumptions that move together: coefficient from -1 to 1."""

    between: tuple[str, str]
    coefficient: float


_KEYS = tuple(AssumptionEntry.__dataclass_fields__)


def read_register(section: Written) -> dict[str, AssumptionEntry]:
    """Read the entries of ``[assumptions]`` by id; what is wrong is noted there."""
    read = {
        name: _read_entry(Written({}, f"[assumptions] {name}", section.faults), entry)
        for name, entry in section.values.items()
    }
    return {name: entry for name, entry in read.items() if entry is not None}


def _read_entry(entry: Written, values: object) -> AssumptionEntry | None:
    if not isinstance(values, Mapping):
        entry.fault("write it as a section, [assumptions.<id>]")
        return None
    entry, before = Written(values, entry.where, entry.faults), len(entry.faults)
    entry.keys(_KEYS)
    name, unit = entry.text("driver"), entry.text("unit")
    if not name:
        entry.fault(f"needs a driver, one of {', '.join(DRIVERS)}")
    else:
        entry.known([name], DRIVERS, ": driver")
    numbers = [entry.number(key) for key in ("low", "base", "high")]
    low, base, high = (0.0 if x is None else x for x in numbers)
    given = [entry.values.get(key) for key in ("low", "base", "high")]
    if None in given:
        entry.fault(f"low, base and high are {given}; write three numbers")
    read = AssumptionEntry(
        statement=entry.text("statement"),
        driver=name,
        low=low,
        base=base,
        high=high,
        unit=unit,
        owner=entry.text("owner"),
        evidence=entry.text("evidence"),
        check_on=entry.day("check_on"),
        territories=entry.texts("territories", '["T01"]'),
        product_line=entry.text("product_line"),
        actual=entry.number("actual"),
    )
    if len(entry.faults) == before:
        _check_range(entry, read, DRIVERS[name])
    return read if len(entry.faults) == before else None


def _check_range(entry: Written, read: AssumptionEntry, driver: Driver) -> None:
    if scale_to_unit(read.unit, driver) is None:
        entry.fault(f"unit is {read.unit!r}; {driver.name} is in {driver.unit}")
        return
    low, base, high = read.range_in_unit()
    limits = f"{driver.name} must be between {driver.least:g} and {driver.most:g}"
    if not low <= base <= high:
        entry.fault(f"low {low:g}, base {base:g}, high {high:g} are not in this order")
    elif low < driver.least or high > driver.most:
        entry.fault(f"{low:g} to {high:g} {driver.unit}; {limits}")
    elif driver.moves == "ratio" and base <= 0:
        entry.fault(f"base is {base:g}; {driver.name} must be above 0")
    actual = read.actual_in_unit()
    if not (math.isnan(actual) or driver.least <= actual <= driver.most):
        entry.fault(f"actual is {actual:g} {driver.unit}; {limits}")


def read_correlations(rows: Sequence[Written]) -> tuple[Correlation, ...]:
    """Read the entries of ``[[correlations]]``; what is wrong is noted there."""
    read = [_read_correlation(row) for row in rows]
    return tuple(pair for pair in read if pair is not None)


def _read_correlation(row: Written) -> Correlation | None:
    row.keys(("between", "coefficient"))
    pair = row.values.get("between")
    names = [str(name) for name in pair] if isinstance(pair, list) else []
    if len(names) != 2 or names[0] == names[1]:
        row.fault(f"between is {pair!r}; name two different assumptions")
        return None
    if "coefficient" not in row:
        row.fault("needs a coefficient, a number from -1 to 1")
    value = row.number("coefficient", least=-1, most=1)
    return None if value is None else Correlation((names[0], names[1]), value)


def register_faults(
    entries: Mapping[str, AssumptionEntry], correlations: Sequence[Correlation]
) -> list[str]:
    """Name what is wrong with a register as a whole: one driver set twice, names nobody knows."""
    found = Written({})
    staff = {n: e for n, e in entries.items() if DRIVERS[e.driver].moves == "staff"}
    for driver in dict.fromkeys(entry.driver for entry in staff.values()):
        names = [name for name, entry in staff.items() if entry.driver == driver]
        if len(names) > 1:
            found.fault(f"[assumptions] {', '.join(names)} all set {driver}; keep one")
    for name, entry in staff.items():
        if entry.territories or entry.product_line:
            found.fault(
                f"[assumptions] {name}: {entry.driver} holds for everybody; take out territories "
                "and product_line"
            )
    if entries:
        unknown_in_correlations(found, correlations, entries)
    pairs = [frozenset(one.between) for one in correlations]
    for pair in dict.fromkeys(pair for pair in pairs if pairs.count(pair) > 1):
        found.fault(f"[[correlations]] {' and '.join(sorted(pair))} stand twice")
    if not found.faults:
        _check_coefficients(found, correlations)
    return found.faults


def unknown_in_correlations(
    found: Written, correlations: Sequence[Correlation], ids: Collection[str]
) -> None:
    """Note the assumptions of ``[[correlations]]`` that are not in the register."""
    found.known([n for one in correlations for n in one.between], ids, "[[correlations]] between")


def _check_coefficients(found: Written, correlations: Sequence[Correlation]) -> None:
    if not correlations:
        return
    import numpy as np  # here, so that a command answers before numpy is there

    names = list(dict.fromkeys(name for one in correlations for name in one.between))
    matrix = np.eye(len(names))
    for one in correlations:
        a, b = (names.index(name) for name in one.between)
        matrix[a, b] = matrix[b, a] = one.coefficient
    least = float(np.linalg.eigvalsh(matrix).min())
    if least < -_SAME:
        found.fault(
            "[[correlations]] the coefficients contradict each other (who goes along with two "
            "others cannot see them go apart); all of them multiplied by "
            f"{math.floor(100 / (1 - least)) / 100:g} would fit"
        )
