"""Run the notebooks of one region, one after the other, in a process of its own."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from planning_kit.batch.manifest import RunRecord


@dataclass(frozen=True)
class RegionTask:
    """What a worker needs to run one region; plain values, so that it can travel.

    Attributes
    ----------
    region, folder : str
        Name; absolute folder of the region in the run.
    notebooks : tuple of str
        Absolute paths, in order.
    parameters : dict
        Parameters of every notebook (each takes those it has).
    seconds : int
        Time limit of a single cell.
    """

    region: str
    folder: str
    notebooks: tuple[str, ...]
    parameters: dict[str, Any]
    seconds: int = 600
    html: bool = True


def run_region(task: RegionTask) -> RunRecord:
    """Run the notebooks of a region; a failure is a record, never an exception."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    # The report draws its pictures itself; a kernel need not draw them as well.
    os.environ.setdefault("PLANNING_CHARTS", "vega")
    started = time.perf_counter()
    record = RunRecord(task.region, Path(task.folder).name, "running")
    Path(task.folder).mkdir(parents=True, exist_ok=True)
    for notebook in task.notebooks:
        entry = _run_notebook(Path(notebook), task)
        record.notebooks.append(entry)
        if entry["status"] != "done":
            record.status, record.error = "failed", f"{entry['name']}: {entry['error']}"
            break
    else:
        record.status = "done"
    record.seconds = round(time.perf_counter() - started, 2)
    return record


def _run_notebook(notebook: Path, task: RegionTask) -> dict[str, Any]:
    started = time.perf_counter()
    entry: dict[str, Any] = {"name": notebook.stem, "status": "done", "error": "", "outputs": []}
    target = Path(task.folder) / notebook.name
    # papermill fills {} in paths from the parameters: give it a path that has none.
    with tempfile.TemporaryDirectory(prefix="planning-kit-nb-") as scratch:
        output = Path(scratch) / "out.ipynb"
        try:
            _execute(notebook, output, task)
        except Exception as error:
            entry["status"], entry["error"] = "failed", _reason(error)
        if output.is_file():
            _move(output, target)
            entry["outputs"].append(target.name)
    if entry["status"] == "done" and task.html:
        try:
            from planning_kit.report import export_html

            export_html(target, target.with_suffix(".html"), title=f"{task.region} · {target.stem}")
            entry["outputs"].append(target.with_suffix(".html").name)
        except Exception as error:
            entry["status"], entry["error"] = "failed", f"report: {_reason(error)}"
    entry["seconds"] = round(time.perf_counter() - started, 2)
    return entry


def _execute(notebook: Path, output: Path, task: RegionTask) -> None:
    import papermill

    from planning_kit.batch.kernels import PrivateKernelManager
    from planning_kit.batch.parameters import notebook_parameters

    names = notebook_parameters(notebook)
    content = papermill.execute_notebook(
        nbformat.read(notebook, as_version=4),
        str(output),
        parameters={k: v for k, v in task.parameters.items() if k in names},
        kernel_name="python3",
        kernel_manager_class=PrivateKernelManager,
        progress_bar=False,
        request_save_on_cell_execute=False,
        execution_timeout=task.seconds,
        store_widget_state=False,
        shutdown_kernel="immediate",
    )
    # sys.exit() in a cell ends a notebook early, and papermill calls that a success.
    unrun = [c for c in content.cells if c.cell_type == "code" and c.source.strip()
             and c.get("execution_count") is None]  # fmt: skip
    if unrun:
        raise RuntimeError(f"stopped before its end; {len(unrun)} cells did not run")


def _reason(error: Exception) -> str:
    name = getattr(error, "ename", "")
    text = str(getattr(error, "evalue", "") or error).strip().splitlines()
    line = text[0] if text else type(error).__name__
    return f"{name}: {line}" if name and not name.endswith("Error") else line[:500]


def _move(source: Path, target: Path) -> None:
    partial = target.with_name(f".{target.name}.part")
    shutil.copyfile(source, partial)
    os.replace(partial, target)
