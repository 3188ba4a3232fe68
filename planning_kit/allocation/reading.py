"""Read the rules of a scenario, all faults at once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pandas as pd

from planning_kit.allocation.cells import FILLS, Grid, label_columns
from planning_kit.messages import DataError, require_labels
from planning_kit.plan import (
    GroupRange,
    Hold,
    MaxChange,
    Rule,
    Scenario,
    ShareOfGroup,
    ZeroOrAtLeast,
)
from planning_kit.plan.rules import CELL

OBJECTIVES = ("least_movement", "fewest_changes", "fairest_stretch", "equal_chance")
WEIGHTS = ("base", "variance", "even")
_COMMON = ("name", "where", "each", "priority")
_KINDS: dict[type[Rule], tuple[str, ...]] = {
    GroupRange: ("at_least", "at_most", "exactly", "relative_to"),
    MaxChange: ("most_up_share", "most_down_share", "relative_to"),
    ShareOfGroup: ("at_least_share", "at_most_share", "of"),
    ZeroOrAtLeast: ("zero_or_at_least",),
}
_RULE_KEYS = tuple(dict.fromkeys((*_COMMON, *(k for keys in _KINDS.values() for k in keys))))
_HOLD_KEYS = (*_COMMON, "amount", "keep", "owner", "reason", "expires_on")


@dataclass(frozen=True)
class Objective:
    """What to come near to: the kind, what weighs a movement, and chances given by role."""

    kind: str = "least_movement"
    weights: str = ""
    chances: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Relax:
    """Whether rules may give when they cannot all hold, and up to which priority."""

    allow: bool = False
    up_to_priority: int = 6


@dataclass(frozen=True)
class _Reader:
    """What is known about the cells, and the faults found so far."""

    labels: Mapping[str, frozenset[str]]
    references: tuple[str, ...]
    faults: list[str]

    def known(self, given: Any, names: Any, where: str) -> bool:
        """Note labels nobody knows; say whether all are known."""
        try:
            require_labels(given, names, where)
        except DataError as error:
            self.faults.append(str(error).rstrip("."))
            return False
        return True

    def number(
        self,
        row: Mapping[str, Any],
        key: str,
        where: str,
        least: float = -math.inf,
        most: float = math.inf,
    ) -> float | None:
        """Read a number, None where it is not given."""
        if key not in row:
            return None
        value = row[key]
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
        ):
            self.faults.append(f"{where}: {key} is {value!r}; write a number without quotes")
            return None
        if not least <= value <= most:
            self.faults.append(f"{where}: {key} is {value:g}; it must be {_between(least, most)}")
            return None
        return float(value)

    def text(self, row: Mapping[str, Any], key: str, where: str, default: str = "") -> str:
        """Read a text."""
        value = row.get(key, default)
        if not isinstance(value, str):
            self.faults.append(f"{where}: {key} is {value!r}; write a text in quotes")
            return default
        return value

    def cells(self, row: Mapping[str, Any], key: str, where: str) -> dict[str, tuple[str, ...]]:
        """Read which labels are meant, for example ``{ region = "North" }``."""
        given = row.get(key, {})
        if not isinstance(given, Mapping):
            self.faults.append(f'{where}: write {key} as {{ column = "label" }}, got {given!r}')
            return {}
        chosen = {}
        for column, value in given.items():
            if self.known([column], self.labels, f"{where}, {key}"):
                labels = tuple(map(str, value if isinstance(value, list) else [value]))
                if self.known(labels, self.labels[column], f"{where}, {key} {column}"):
                    chosen[str(column)] = labels
        return chosen

    def each(self, row: Mapping[str, Any], where: str) -> tuple[str, ...]:
        """Read for each of what the rule holds."""
        given = row.get("each", [])
        columns = [given] if isinstance(given, str) else given
        if not isinstance(columns, list):
            self.faults.append(f'{where}: write each as ["rep_id"] or "cell", got {given!r}')
            return ()
        if columns == [CELL]:
            return (CELL,)
        return tuple(columns) if self.known(columns, [*self.labels, CELL], f"{where}, each") else ()

    def reference(self, row: Mapping[str, Any], key: str, where: str, default: str = "") -> str:
        """Read what a limit is relative to."""
        name = self.text(row, key, where, default)
        return name if not name or self.known([name], self.references, f"{where}, {key}") else ""


def _between(least: float, most: float) -> str:
    return f"at least {least:g}" if math.isinf(most) else f"between {least:g} and {most:g}"


def read_rules(scenario: Scenario, cells: pd.DataFrame | Grid) -> tuple[Rule, ...]:
    """Read the rules and the holds of a scenario in the order written.

    Parameters
    ----------
    scenario
        Sections ``[[rules]]`` and ``[[holds]]`` are read.
    cells
        The cells the rules are about: their label columns and reference columns are the known
        names.

    Returns
    -------
    tuple of Rule
        Named rules; ``describe()`` says each in one line.

    Raises
    ------
    DataError
        Naming every fault: keys, columns, labels and references nobody knows (with the nearest
        known one), values of the wrong type, rules that ask for nothing or for two things.

    Examples
    --------
    >>> cells = pd.DataFrame({"rep_id": ["Ann", "Bob"], "base": [60.0, 40.0]})
    >>> scenario = Scenario(
    ...     "base", {"rules": [{"name": "Bob is new", "where": {"rep_id": "Bob"}, "at_most": 45}]}
    ... )
    >>> [rule.describe() for rule in read_rules(scenario, cells)]
    ['rep_id Bob together: at most 45']
    """
    reader = _reader(cells)
    rules: list[Rule | None] = []
    for number, row in enumerate(scenario.rows("rules"), 1):
        rules.append(_read_rule(reader, row, f"rule {number}"))
    for number, row in enumerate(scenario.rows("holds"), 1):
        rules.append(_read_hold(reader, row, f"hold {number}"))
    names = [rule.name for rule in rules if rule]
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        reader.faults.append(f"names used twice: {', '.join(map(repr, double))}")
    if reader.faults:
        raise DataError(f"scenario {scenario.name!r}: " + "; ".join(reader.faults) + ".")
    return tuple(rule for rule in rules if rule)


def _reader(cells: pd.DataFrame | Grid) -> _Reader:
    if isinstance(cells, Grid):
        labels = {name: frozenset(cells.codes(name)[1]) - {""} for name in cells.labels}
        return _Reader(labels, tuple(cells.references()), [])
    labels = {name: frozenset(cells[name].dropna().astype(str)) for name in label_columns(cells)}
    numbers = cells.select_dtypes("number").columns.astype(str)
    return _Reader(labels, ("base", *numbers), [])


def _read_rule(reader: _Reader, row: Mapping[str, Any], where: str) -> Rule | None:
    where = f"{where} ({row['name']!r})" if "name" in row else where
    if not reader.known(row, _RULE_KEYS, where):
        return None
    asked = [
        kind for kind, keys in _KINDS.items() if set(row) & (set(keys) - {"relative_to", "of"})
    ]
    if len(asked) != 1:
        what = "nothing" if not asked else "two different things"
        reader.faults.append(
            f"{where}: it asks for {what}; write one of at_least, at_most, "
            "exactly; most_up_share, most_down_share; at_least_share, "
            "at_most_share; zero_or_at_least"
        )
        return None
    stray = [k for k in ("relative_to", "of") if k in row and k not in _KINDS[asked[0]]]
    if stray:
        reader.faults.append(f"{where}: {stray[0]} does not belong to this kind of rule")
    common = _read_common(reader, row, where)
    return _BUILD[asked[0]](reader, row, where, common)


def _read_common(reader: _Reader, row: Mapping[str, Any], where: str) -> dict[str, Any]:
    priority = reader.number(row, "priority", where, 1, 9)
    common: dict[str, Any] = {
        "name": reader.text(row, "name", where, where),
        "where": reader.cells(row, "where", where),
        "each": reader.each(row, where),
    }
    return common | ({} if priority is None else {"priority": int(priority)})


def _read_range(
    reader: _Reader, row: Mapping[str, Any], where: str, common: dict[str, Any]
) -> Rule:
    exactly = reader.number(row, "exactly", where)
    least = reader.number(row, "at_least", where) if "exactly" not in row else exactly
    most = reader.number(row, "at_most", where) if "exactly" not in row else exactly
    if "exactly" in row and ("at_least" in row or "at_most" in row):
        reader.faults.append(f"{where}: exactly stands beside at_least or at_most; keep one")
    if least is not None and most is not None and least > most:
        reader.faults.append(f"{where}: at_least {least:g} is above at_most {most:g}")
    relative = reader.reference(row, "relative_to", where)
    return GroupRange(at_least=least, at_most=most, relative_to=relative, **common)


def _read_change(
    reader: _Reader, row: Mapping[str, Any], where: str, common: dict[str, Any]
) -> Rule:
    return MaxChange(
        most_up_share=reader.number(row, "most_up_share", where, 0),
        most_down_share=reader.number(row, "most_down_share", where, 0, 1),
        relative_to=reader.reference(row, "relative_to", where, "base"),
        **(common if "each" in row else {**common, "each": (CELL,)}),
    )


def _read_share(
    reader: _Reader, row: Mapping[str, Any], where: str, common: dict[str, Any]
) -> Rule:
    least = reader.number(row, "at_least_share", where, 0, 1)
    most = reader.number(row, "at_most_share", where, 0, 1)
    if least is not None and most is not None and least > most:
        reader.faults.append(f"{where}: at_least_share {least:g} is above at_most_share {most:g}")
    if common["each"] == (CELL,):
        reader.faults.append(f"{where}: a share is of a group, not of each cell")
    return ShareOfGroup(
        at_least_share=least, at_most_share=most, of=reader.cells(row, "of", where), **common
    )


def _read_zero(reader: _Reader, row: Mapping[str, Any], where: str, common: dict[str, Any]) -> Rule:
    amount = reader.number(row, "zero_or_at_least", where, 0)
    each = common["each"] if "each" in row else (CELL,)
    return ZeroOrAtLeast(amount=amount or 0.0, **{**common, "each": each})


_BUILD = {
    GroupRange: _read_range,
    MaxChange: _read_change,
    ShareOfGroup: _read_share,
    ZeroOrAtLeast: _read_zero,
}


def _read_hold(reader: _Reader, row: Mapping[str, Any], where: str) -> Rule | None:
    where = f"{where} ({row['name']!r})" if "name" in row else where
    if not reader.known(row, _HOLD_KEYS, where):
        return None
    common = _read_common(reader, row, where)
    for key in ("owner", "reason"):
        if not reader.text(row, key, where):
            reader.faults.append(f"{where}: {key} is missing; say who holds it and why")
    expires = row.get("expires_on")
    if type(expires) is not date:
        reader.faults.append(
            f"{where}: expires_on is {expires!r}; write a day without quotes, "
            "for example 2026-12-31"
        )
        expires = date.max
    if ("amount" in row) == ("keep" in row):
        reader.faults.append(f"{where}: write either amount (plan currency) or keep (a reference)")
    return Hold(
        amount=reader.number(row, "amount", where, 0),
        keep=reader.reference(row, "keep", where),
        owner=reader.text(row, "owner", where),
        reason=reader.text(row, "reason", where),
        expires_on=expires,
        **{**common, "each": common["each"] or (() if "amount" in row else (CELL,))},
    )


def read_objective(scenario: Scenario, roles: list[str] | None = None) -> Objective:
    """Read ``[objective]``: kind, weights, and chances given by role."""
    section = scenario.section("objective", ("kind", "weights", "chances"))
    reader = _Reader({}, (), [])
    kind = reader.text(section, "kind", "[objective]", "least_movement")
    weights = reader.text(section, "weights", "[objective]")
    reader.known([kind], OBJECTIVES, "[objective] kind")
    if weights:
        reader.known([weights], WEIGHTS, "[objective] weights")
    chances = section.get("chances", {})
    if not isinstance(chances, Mapping):
        reader.faults.append("[objective] chances: write { role = 0.6 }")
        chances = {}
    if chances:
        reader.known(chances, roles or [], "[objective] chances (roles)")
    given = {k: reader.number(chances, k, "[objective] chances", 0.001, 0.999) for k in chances}
    _raise_faults(reader, scenario)
    return Objective(kind, weights, {k: v for k, v in given.items() if v is not None})


def read_base(scenario: Scenario) -> tuple[dict[str, float], str]:
    """Read ``[base]``: the weights of the bases to blend (empty: the base given), and the fill."""
    section = scenario.section("base", ("blend", "fill"))
    reader = _Reader({}, (), [])
    fill = reader.text(section, "fill", "[base]")
    if fill:
        reader.known([fill], FILLS, "[base] fill")
    blend = section.get("blend", {})
    if not isinstance(blend, Mapping):
        reader.faults.append("[base] blend: write { last_year = 0.6, fair_share = 0.4 }")
        blend = {}
    weights = {str(k): reader.number(blend, k, "[base] blend", 0) or 0.0 for k in blend}
    _raise_faults(reader, scenario)
    return weights, fill


def read_padding(scenario: Scenario) -> dict[str, float]:
    """Read ``[over_assignment]``: the share each level adds, from the top down."""
    section = scenario.section("over_assignment")
    reader = _Reader({}, (), [])
    shares = {k: reader.number(section, k, "[over_assignment]", 0, 5) for k in section}
    _raise_faults(reader, scenario)
    return {str(k): v for k, v in shares.items() if v is not None}


def read_relax(scenario: Scenario) -> Relax:
    """Read ``[relax]``: whether rules may give, and up to which priority."""
    section = scenario.section("relax", ("allow", "up_to_priority"))
    reader = _Reader({}, (), [])
    allow = section.get("allow", False)
    if not isinstance(allow, bool):
        reader.faults.append(f"[relax] allow is {allow!r}; write true or false")
    most = reader.number(section, "up_to_priority", "[relax]", 1, 8)
    _raise_faults(reader, scenario)
    return Relax(allow is True, 6 if most is None else int(most))


def _raise_faults(reader: _Reader, scenario: Scenario) -> None:
    if reader.faults:
        raise DataError(f"scenario {scenario.name!r}: " + "; ".join(reader.faults) + ".")
