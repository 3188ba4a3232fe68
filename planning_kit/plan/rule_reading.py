"""Read the rules and holds of a scenario."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from planning_kit.messages import Written
from planning_kit.plan.rules import (
    CELL,
    GroupRange,
    Hold,
    MaxChange,
    Rule,
    ShareOfGroup,
    ZeroOrAtLeast,
)

_COMMON = ("name", "where", "each", "priority", "reason")
_KINDS: dict[type[Rule], tuple[str, ...]] = {
    GroupRange: ("at_least", "at_most", "exactly", "relative_to"),
    MaxChange: ("most_up_share", "most_down_share", "relative_to"),
    ShareOfGroup: ("at_least_share", "at_most_share", "of"),
    ZeroOrAtLeast: ("zero_or_at_least",),
}
_RULE_KEYS = tuple(dict.fromkeys((*_COMMON, *(k for keys in _KINDS.values() for k in keys))))
_HOLD_KEYS = (*_COMMON, "amount", "keep", "owner", "expires_on")


def read_rule(row: Written) -> Rule | None:
    """Read an entry of ``[[rules]]``; None where it cannot be told what it asks for."""
    if not row.keys(_RULE_KEYS):
        return None
    given = set(row.values)
    asked = [kind for kind, keys in _KINDS.items() if given & (set(keys) - {"relative_to", "of"})]
    if len(asked) != 1:
        row.fault(
            f"it asks for {'two different things' if asked else 'nothing'}; write one of at_least, "
            "at_most, exactly; most_up_share, most_down_share; at_least_share, at_most_share; "
            "zero_or_at_least"
        )
        return None
    for key in ("relative_to", "of"):
        if key in row and key not in _KINDS[asked[0]]:
            row.fault(f"{key} does not belong to this kind of rule")
    return _READ[asked[0]](row, _read_common(row))


def read_hold(row: Written) -> Hold | None:
    """Read an entry of ``[[holds]]``; None where it has keys nobody knows."""
    if not row.keys(_HOLD_KEYS):
        return None
    for key in ("owner", "reason"):
        if not row.text(key):
            row.fault(f"{key} is missing; say who holds it and why")
    if "expires_on" not in row:
        row.fault("expires_on is missing; write the last day it counts, for example 2026-12-31")
    if ("amount" in row) == ("keep" in row):
        row.fault("write either amount (plan currency) or keep (a reference)")
    return Hold(
        amount=row.number("amount", least=0),
        keep=row.text("keep"),
        owner=row.text("owner"),
        expires_on=row.day("expires_on", date.max),
        **_for_each_cell(_read_common(row), "amount" not in row),
    )


def _read_common(row: Written) -> dict[str, Any]:
    priority = row.number("priority", least=1, most=9)
    given = row.values.get("each", [])
    each = [given] if isinstance(given, str) else given
    if not isinstance(each, list) or not all(isinstance(column, str) for column in each):
        row.fault(f'write each as ["rep_id"] or "cell", got {given!r}')
        each = []
    common: dict[str, Any] = {
        "name": row.text("name") or row.where,
        "where": _read_cells(row, "where"),
        "each": tuple(each),
        "reason": row.text("reason"),
    }
    return common if priority is None else {**common, "priority": int(priority)}


def _for_each_cell(common: dict[str, Any], wanted: bool) -> dict[str, Any]:
    return {**common, "each": (CELL,)} if wanted and not common["each"] else common


def _read_cells(row: Written, key: str) -> dict[str, tuple[str, ...]]:
    """Read which labels are meant, for example ``{ region = "North" }``."""
    given = row.values.get(key, {})
    if not isinstance(given, Mapping):
        row.fault(f'write {key} as {{ column = "label" }}, got {given!r}')
        return {}
    lists = {c: labels if isinstance(labels, list) else [labels] for c, labels in given.items()}
    return {column: tuple(map(str, labels)) for column, labels in lists.items()}


def _in_order(row: Written, low: str, high: str, least: float | None, most: float | None) -> None:
    if least is not None and most is not None and least > most:
        row.fault(f"{low} {least:g} is above {high} {most:g}")


def _read_range(row: Written, common: dict[str, Any]) -> GroupRange:
    least, most = row.number("at_least"), row.number("at_most")
    if "exactly" in row:
        if "at_least" in row or "at_most" in row:
            row.fault("exactly stands beside at_least or at_most; keep one")
        least = most = row.number("exactly")
    _in_order(row, "at_least", "at_most", least, most)
    return GroupRange(at_least=least, at_most=most, relative_to=row.text("relative_to"), **common)


def _read_change(row: Written, common: dict[str, Any]) -> MaxChange:
    return MaxChange(
        most_up_share=row.number("most_up_share", least=0),
        most_down_share=row.number("most_down_share", least=0, most=1),
        relative_to=row.text("relative_to", "base"),
        **_for_each_cell(common, "each" not in row),
    )


def _read_share(row: Written, common: dict[str, Any]) -> ShareOfGroup:
    least = row.number("at_least_share", least=0, most=1)
    most = row.number("at_most_share", least=0, most=1)
    _in_order(row, "at_least_share", "at_most_share", least, most)
    if common["each"] == (CELL,):
        row.fault("a share is of a group, not of each cell")
    return ShareOfGroup(
        at_least_share=least, at_most_share=most, of=_read_cells(row, "of"), **common
    )


def _read_zero(row: Written, common: dict[str, Any]) -> ZeroOrAtLeast:
    amount = row.number("zero_or_at_least", 0.0, least=0)
    return ZeroOrAtLeast(amount=amount, **_for_each_cell(common, "each" not in row))


_READ: dict[type[Rule], Callable[[Written, dict[str, Any]], Rule]] = {
    GroupRange: _read_range,
    MaxChange: _read_change,
    ShareOfGroup: _read_share,
    ZeroOrAtLeast: _read_zero,
}
