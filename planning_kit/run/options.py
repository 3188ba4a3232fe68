"""How a plan is run, who is told about it, and what an earlier run was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from planning_kit.messages import UsageError
from planning_kit.plan import Plan
from planning_kit.run.manifest import RunRecord, process_is_gone, read_manifest, run_folders


class Progress(Protocol):
    """Is told how a run goes on; an attribute ``notebooks(done, total)`` is told more often."""

    def __call__(self, record: RunRecord, done: int, total: int, /) -> None:
        """Take a finished record, how many are finished, and how many there are."""


@dataclass(frozen=True)
class BatchOptions:
    """How a plan is run.

    Attributes
    ----------
    regions : tuple of str
        Regions to run; empty: all.
    jobs : int
        Regions at a time; 0: one more than cores.
    scenario : str
        Name of the scenario.
    parameters : mapping
        Further notebook parameters.
    html : bool
        Also write a self-contained HTML report of each notebook.
    seconds : int
        Time limit of a notebook.
    force : bool
        Run every notebook, also where nothing changed since an earlier run.
    fork : bool
        Fork kernels from a template process, where that works.
    """

    regions: tuple[str, ...] = ()
    jobs: int = 0
    scenario: str = "base"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    html: bool = True
    seconds: int = 600
    force: bool = False
    fork: bool = True


def unfinished_run(plan: Plan, *, failed_only: bool = False) -> tuple[Path, BatchOptions] | None:
    """Find the newest run that did not end well, and how it was started.

    Parameters
    ----------
    plan
        The plan.
    failed_only
        Only a run that came to its end with failed regions.

    Returns
    -------
    The folder and the options; None where the newest run is complete or there is none.

    Raises
    ------
    UsageError
        The newest run is still going on.
    """
    for folder in run_folders(plan.runs_folder)[:1]:
        manifest = read_manifest(folder)
        if manifest["status"] == "running" and not process_is_gone(manifest):
            raise UsageError(f"run {folder.name} is still going on (process {manifest['process']})")
        if manifest["status"] == "done" or (failed_only and manifest["status"] != "failed"):
            return None
        asked = manifest.get("asked", {})
        return folder, BatchOptions(
            tuple(asked.get("regions", ())),
            scenario=manifest["scenario"],
            parameters=manifest["parameters"],
            html=asked.get("html", True),
        )
    return None
