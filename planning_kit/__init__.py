"""Set sales goals that the people who must reach them agree to.

The names below are what notebooks call; each is loaded from its room when first used, so that a
command answers before pandas is there.

Examples
--------
>>> import planning_kit as pk
>>> pk.open_step("03_target_allocation", "West").inputs.name
'West'
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_ROOMS = {
    "messages": "DataError UsageError",
    "plan": "load_plan",
    "walk": "open_step",
    "walk.what_if": "WhatIf",
    "run": "run_plan",
    "widgets": "answer_panel register_panel talk_panel what_if_panel",
}
_HOME = {name: room for room, names in _ROOMS.items() for name in names.split()}
__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"planning_kit has no {name!r}")
    return getattr(import_module(f"planning_kit.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
