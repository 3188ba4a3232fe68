"""Values that a planner wrote, read with every fault collected."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, overload

from planning_kit.messages.errors import DataError
from planning_kit.messages.labels import unknown_labels

_MOST = 1e300


@dataclass(frozen=True)
class Written:
    """A section as it was written, and the faults found in it so far.

    What is wrong is noted and read as if it were not there, so that one reading finds every
    fault; `stop` raises them together.

    Attributes
    ----------
    values : mapping
        Keys and values as the TOML parser gives them.
    where : str
        Said before every fault, for example ``[plan]`` or ``rule 2 ('cap')``.
    faults : list of str
        What is wrong, in the order found; the sections of one file share the list.

    Examples
    --------
    >>> plan = Written({"unit": True, "seed": -1, "name": "A"}, "[plan]")
    >>> plan.number("unit", 1.0), plan.number("seed", 1, least=0), plan.text("name")
    (1.0, 1, 'A')
    >>> print(*plan.faults, sep=chr(10))
    [plan] unit is True; write a number without quotes
    [plan] seed is -1; it must be at least 0
    """

    values: Mapping[str, Any]
    where: str = ""
    faults: list[str] = field(default_factory=list)

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def fault(self, text: str) -> None:
        """Note what is wrong."""
        where = self.where if not self.where or self.where[-1] == "]" else f"{self.where}:"
        self.faults.append(f"{where} {text}".strip())

    def known(self, given: Iterable[object], names: Iterable[object], what: str = "") -> bool:
        """Note labels that are not among the names; say whether all are."""
        text = unknown_labels(given, names)
        if text:
            place = f"{self.where}{what}"
            self.faults.append((f"{place}: {text}" if place else text).rstrip("."))
        return not text

    def keys(self, known: Collection[str]) -> bool:
        """Note keys nobody knows; say whether all are known."""
        return self.known(self.values, known)

    @overload
    def number(self, key: str, *, least: float = ..., most: float = ...) -> float | None: ...
    @overload
    def number(
        self, key: str, default: float, *, least: float = ..., most: float = ...
    ) -> float: ...
    def number(
        self,
        key: str,
        default: float | None = None,
        *,
        least: float = -math.inf,
        most: float = math.inf,
    ) -> float | None:
        """Read a number: true and false are none, nor is one in quotes."""
        if key not in self.values:
            return default
        value = self.values[key]
        if not is_number(value):
            self.fault(f"{key} is {value!r}; write a number without quotes")
            return default
        if not least <= value <= most:
            range_ = (
                f"at least {least:g}" if math.isinf(most) else f"between {least:g} and {most:g}"
            )
            self.fault(f"{key} is {value:g}; it must be {range_}")
            return default
        return float(value)

    def text(self, key: str, default: str = "") -> str:
        """Read a text."""
        value = self.values.get(key, default)
        if not isinstance(value, str):
            self.fault(f'{key} is {value!r}; write a text in "quotes"')
            return default
        return value.strip()

    def flag(self, key: str) -> bool:
        """Read true or false; false where it is not there."""
        value = self.values.get(key, False)
        if not isinstance(value, bool):
            self.fault(f"{key} is {value!r}; write true or false")
        return value is True

    @overload
    def day(self, key: str) -> date | None: ...
    @overload
    def day(self, key: str, default: date) -> date: ...
    def day(self, key: str, default: date | None = None) -> date | None:
        """Read a day, not a moment."""
        value = self.values.get(key)
        if key in self.values and type(value) is not date:
            self.fault(f"{key} is {value!r}; write a day without quotes, for example 2026-12-31")
        return value if type(value) is date else default

    def texts(self, key: str, example: str) -> tuple[str, ...]:
        """Read a list of texts."""
        value = self.values.get(key, [])
        if not _is_list_of(value, str):
            self.fault(f"{key} must be a list of texts, for example {example}")
            return ()
        return tuple(value)

    def section(self, key: str, known: Collection[str] = (), example: str = "") -> Written:
        """Open a section in this one, empty where it is not there.

        With ``known`` its keys are checked; ``example`` shows how it is written.
        """
        value = self.values.get(key, {})
        inner = Written({}, f"[{self._path(key)}]", self.faults)
        if not isinstance(value, Mapping):
            inner.fault(f"write {example}" if example else "must be a section with named values")
            return inner
        inner = Written(value, inner.where, self.faults)
        if known:
            inner.keys(known)
        return inner

    def rows(self, key: str, what: str = "") -> list[Written]:
        """Open the entries of a repeated section; ``what`` an entry is called in messages."""
        value, path = self.values.get(key, []), f"[[{self._path(key)}]]"
        if not _is_list_of(value, Mapping):
            self.faults.append(f"write {path} entries")
            return []
        names = [f" ({row['name']!r})" if "name" in row else "" for row in value]
        return [
            Written(row, f"{what or path} {number}{name}", self.faults)
            for number, (row, name) in enumerate(zip(value, names, strict=True), 1)
        ]

    def stop(self, who: str) -> None:
        """Refuse what was written when anything in it is wrong.

        Raises
        ------
        DataError
            With every fault.
        """
        stop_on_faults(self.faults, who)

    def _path(self, key: str) -> str:
        return f"{self.where.strip('[]')}.{key}".removeprefix(".")


def stop_on_faults(faults: Sequence[str], who: str) -> None:
    """Raise every fault of a file at once, if there is any.

    Examples
    --------
    >>> stop_on_faults(["[base] fill is 1", "[relax] allow is 2"], "scenario 'calm'")
    Traceback (most recent call last):
    planning_kit.messages.errors.DataError: scenario 'calm': [base] fill is 1; [relax] allow is 2.
    """
    if faults:
        raise DataError(f"{who}: {'; '.join(faults)}.", faults=tuple(faults))


def is_number(value: object) -> bool:
    """Say whether a value is a number to reckon with: true and false are none, nor is infinity."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _MOST


def _is_list_of(value: object, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)
