"""The manifest of a run: one record a region, true at every moment."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from planning_kit.messages import UsageError
from planning_kit.plan import COMPANY, Plan, write_atomically

FORMAT = 1
COMPANY_RECORD = f"({COMPANY})"  # as a run calls the roll-up


@dataclass
class NotebookRecord:
    """What happened to one notebook of a region.

    Attributes
    ----------
    name, status, error : str
        Without ending; done or failed; what stopped it, in one line.
    outputs : list of str
        Notebook and report, names of files in the region's folder.
    seconds : float
        Time it took.
    kernel : str
        forked, plain, ``plain: `` with what kept it from being forked, or taken over.
    reason : str
        Why it was run or taken over.
    """

    name: str
    status: str = "done"
    error: str = ""
    outputs: list[str] = field(default_factory=list)
    seconds: float = 0.0
    kernel: str = ""
    reason: str = ""


@dataclass
class RunRecord:
    """What happened to one region (or the company) in a run.

    Attributes
    ----------
    region, folder : str
        Name and folder of the region in the run.
    status : str
        waiting, running, done, failed or stopped.
    target, allocated, gap : float or None
        Plan currency; recomputed from the written allocation.
    reps : int or None
        People who carry a goal.
    seconds : float
        Time of all its notebooks.
    notebooks : list of NotebookRecord
        Those that were begun, in order.
    error : str
        What stopped it, in one line.
    """

    region: str
    folder: str
    status: str = "waiting"
    target: float | None = None
    allocated: float | None = None
    gap: float | None = None
    reps: int | None = None
    seconds: float = 0.0
    notebooks: list[NotebookRecord] = field(default_factory=list)
    error: str = ""


def write_manifest(run: Path, facts: dict[str, Any], records: list[RunRecord]) -> None:
    """Write the manifest under a temporary name and rename it."""
    content = {"format": FORMAT, **facts, "regions": [asdict(record) for record in records]}
    write_atomically(run / "manifest.json", json.dumps(content, ensure_ascii=False, indent=1))


def read_manifest(run: Path) -> dict[str, Any]:
    """Read the manifest of a run.

    Raises
    ------
    UsageError
        The folder is no run.
    """
    path = run / "manifest.json"
    if not path.is_file():
        raise UsageError(f"no manifest.json in {run.name!r}: not the folder of a run.")
    return json.loads(path.read_text(encoding="utf-8"))


def process_is_gone(manifest: dict[str, Any]) -> bool:
    """Say whether a run that was not ended has lost its process (killed, out of power).

    The number of a process is given again, so its time of start counts too. Of a run of another
    machine nothing is known: its process is taken to be there.
    """
    import psutil  # type: ignore[import-untyped]

    if manifest["status"] != "running" or manifest.get("host") != platform.node():
        return False
    try:
        started = psutil.Process(manifest["process"]).create_time()
    except psutil.NoSuchProcess:
        return True
    return abs(started - manifest.get("process_started", started)) > 1.0


def this_process() -> dict[str, Any]:
    """Name this process so that `process_is_gone` knows it again."""
    import psutil

    process = psutil.Process()
    return {
        "host": platform.node(),
        "process": process.pid,
        "process_started": process.create_time(),
    }


def run_folders(runs: Path) -> list[Path]:
    """List the runs of a plan, newest first."""
    return sorted((p.parent for p in runs.glob("*/manifest.json")), reverse=True)


def chosen_run(plan: Plan, run_id: str = "") -> Path:
    """Give the folder of a run; by default the newest.

    Raises
    ------
    UsageError
        There is no such run.
    """
    found = run_folders(plan.runs_folder)
    chosen = [run for run in found if run.name == run_id] if run_id else found[:1]
    if not chosen:
        raise UsageError(
            f"no run {run_id!r} in this plan" if run_id else "this plan has no run yet"
        )
    return chosen[0]


def status_table(manifest: dict[str, Any]) -> pd.DataFrame:
    """Give the table a run ends with: region, status, target, allocated, gap, reps, seconds."""
    columns = ["region", "status", "target", "allocated", "gap", "reps", "seconds"]
    rows = [[record[name] for name in columns] for record in manifest["regions"]]
    return pd.DataFrame(rows, columns=columns)
