"""Write a what-if as a scenario file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from planning_kit.messages import UsageError
from planning_kit.plan import Plan, write_atomically
from planning_kit.walk import Step
from planning_kit.widgets.what_if import WhatIf, changed_content, with_change


def save_scenario(step: Step, name: str, change: WhatIf) -> Path:
    """Write the what-if as a scenario file, see `write_scenario`."""
    content = changed_content(step.scenario, change)
    targets = dict(content.get("targets", {}))
    regions = dict(targets.get("regions", step.plan.settings.targets.regions))
    regions[step.inputs.region] = with_change(step, change).inputs.target
    plan = step.plan.settings.targets
    targets.setdefault("growth_share", plan.growth_share)
    content["targets"] = {**targets, "regions": regions}
    return write_scenario(step.plan, name, content)


def write_scenario(plan: Plan, name: str, content: Mapping[str, Any]) -> Path:
    """Write ``scenarios/<name>.toml``; nothing that exists is overwritten.

    Raises
    ------
    UsageError
        The name is empty or taken.
    """
    if not re.fullmatch(r"[\w -]{1,60}", name):
        raise UsageError("give the scenario a name of letters, digits, '-' and '_'.")
    path = plan.folder / "scenarios" / f"{name}.toml"
    if path.exists():
        raise UsageError(f"there is a scenario {name!r} already; choose another name.")
    write_atomically(path, to_toml({**content, "name": name}))
    return path


def to_toml(content: Mapping[str, Any]) -> str:
    """Write a scenario's content as TOML (the parser of it is in the standard library).

    Examples
    --------
    >>> print(to_toml({"name": "a", "rules": [{"name": "r", "up": 0.2}]}), end="")
    name = "a"
    <BLANKLINE>
    [[rules]]
    name = "r"
    up = 0.2
    """
    return "\n".join(_table(content, "")) + "\n"


def _table(content: Mapping[str, Any], prefix: str) -> list[str]:
    lines = [f"{_key(k)} = {_value(v)}" for k, v in content.items() if not _nested(v)]
    for key, value in content.items():
        name = prefix + _key(key)
        if isinstance(value, Mapping):
            lines += ["", f"[{name}]", *_table(value, name + ".")]
        elif _nested(value):
            for row in value:
                lines += ["", f"[[{name}]]", *_table(row, name + ".")]
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
        return "[" + ", ".join(_value(item) for item in value) + "]"
    return repr(value)
