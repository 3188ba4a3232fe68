"""Write TOML; the parser of it is in the standard library."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date
from typing import Any


def to_toml(content: Mapping[str, Any]) -> str:
    """Write plain values as TOML: sections, repeated sections, and values on one line in these.

    Examples
    --------
    >>> rule = {"name": "r", "where": {"rep_id": ["R1"]}, "at_most": 850000.0}
    >>> print(to_toml({"name": "a", "relax": {"allow": True}, "rules": [rule]}), end="")
    name = "a"
    <BLANKLINE>
    [relax]
    allow = true
    <BLANKLINE>
    [[rules]]
    name = "r"
    where = { rep_id = ["R1"] }
    at_most = 850000
    """
    return "\n".join(_table(content, "")).lstrip("\n") + "\n"


def _table(content: Mapping[str, Any], prefix: str) -> list[str]:
    lines = [f"{_key(k)} = {_value(v)}" for k, v in content.items() if not _nested(v)]
    for key, value in content.items():
        name = prefix + _key(key)
        if isinstance(value, Mapping):
            lines += ["", f"[{name}]", *_table(value, name + ".")]
        elif _nested(value):
            for row in value:
                lines += ["", f"[[{name}]]", *(f"{_key(k)} = {_value(v)}" for k, v in row.items())]
    return lines


def _nested(value: Any) -> bool:
    rows = isinstance(value, list) and bool(value) and all(isinstance(v, Mapping) for v in value)
    return isinstance(value, Mapping) or rows


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _value(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        # A JSON string is a TOML string but for the delete character.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))  # as a planner writes it: 850000, not 850000.0
    return repr(value)
