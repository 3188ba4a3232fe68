"""Write a what-if as a scenario file."""

from __future__ import annotations

import re
from pathlib import Path

from planning_kit.data import check_scenario
from planning_kit.messages import UsageError
from planning_kit.plan import Scenario, write_atomically
from planning_kit.walk import Step
from planning_kit.walk.company import resolver
from planning_kit.walk.logged import totals_agreed
from planning_kit.walk.what_if import WhatIf, with_change


def save_scenario(step: Step, name: str, change: WhatIf) -> Path:
    """Write the what-if as a scenario file, see `write_scenario`."""
    return write_scenario(step, name, with_change(step, change).scenario)


def write_scenario(step: Step, name: str, scenario: Scenario) -> Path:
    """Write ``scenarios/<name>.toml``; nothing that exists is overwritten.

    Raises
    ------
    UsageError
        The name is empty or taken.
    DataError
        A run could not take the scenario (see `planning_kit.data.check_scenario`).
    """
    if not re.fullmatch(r"[\w -]{1,60}", name):
        raise UsageError("give the scenario a name of letters, digits, '-' and '_'.")
    path = step.plan.folder / "scenarios" / f"{name}.toml"
    if path.exists():
        raise UsageError(f"there is a scenario {name!r} already; choose another name.")
    written = scenario.with_(name=name, title=name)
    agreed = totals_agreed(step.plan, step.folder.parent)
    check_scenario(step.plan, step.prepared, written, resolver(agreed))
    write_atomically(path, written.to_toml())
    return path
