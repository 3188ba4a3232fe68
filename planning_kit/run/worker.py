"""Run the notebooks of one region, one after the other, in a process of its own."""

from __future__ import annotations

import atexit
import gc
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from planning_kit.plan import write_atomically
from planning_kit.run import reuse as earlier
from planning_kit.run.manifest import RunRecord
from planning_kit.run.parameters import notebook_parameters
from planning_kit.run.task import RegionTask


def start_worker(folder: str, address: str, environment: dict[str, str], path: list[str]) -> None:
    """Prepare a worker process of this machine: it ends with its owner and leaves Ctrl-C to it."""
    from planning_kit.run.kernels import Private

    # A server that forks workers has the environment of its start, which may be an earlier run's.
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:] = path  # of the owner, without the working folder
    if hasattr(time, "tzset"):
        time.tzset()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    owner = multiprocessing.parent_process()
    if owner is not None:
        threading.Thread(target=_end_with, args=(owner.join,), daemon=True).start()
    Private.folder, Private.address = Path(folder), address


def _end_with(wait: Callable[[], None]) -> None:
    wait()
    os._exit(1)


def run_region(task: RegionTask) -> RunRecord:
    """Run the notebooks of a region; a failure is a record, never an exception."""
    from planning_kit.run.kernels import ONE_THREAD

    for name in ONE_THREAD:
        os.environ.setdefault(name, "1")
    if not task.storage:
        return _go_through(task, _run_notebook)
    from planning_kit.run.storage import borrowed

    with borrowed(task) as here:
        return _go_through(here, _run_notebook)


def finished_before(task: RegionTask) -> RunRecord | None:
    """Give a region's record where every notebook can be taken over, else None."""
    record = _go_through(task, lambda notebook, task: None)
    return record if record.status == "done" else None


def _go_through(
    task: RegionTask, run: Callable[[Path, RegionTask], dict[str, Any] | None]
) -> RunRecord:
    started = time.perf_counter()
    record = RunRecord(task.region, Path(task.folder).name, "running")
    for notebook in map(Path, task.notebooks):
        try:
            entry = _taken_over(notebook, task, run)
        except Exception as error:  # a full disk, a notebook that went away
            entry = _entry(notebook, status="failed", error=_reason(error))
        if entry is None:
            return record
        record.notebooks.append(entry)
        if entry["status"] != "done":
            record.status, record.error = "failed", f"{entry['name']}: {entry['error']}"
            break
    else:
        record.status = "done"
    record.seconds = round(time.perf_counter() - started, 2)
    return record


def _entry(notebook: Path, **facts: Any) -> dict[str, Any]:
    return {
        "name": notebook.stem,
        "status": "done",
        "error": "",
        "outputs": [],
        "seconds": 0.0,
        "kernel": "",
        "reason": "",
        **facts,
    }


def _taken_over(
    notebook: Path, task: RegionTask, run: Callable[[Path, RegionTask], dict[str, Any] | None]
) -> dict[str, Any] | None:
    """Take a notebook's result over, or run it and write down what it was made from."""
    folder, names = Path(task.folder), notebook_parameters(notebook)
    given = {k: v for k, v in task.parameters.items() if k in names}
    parts = earlier.made_from(
        notebook, task.basis, folder, given, html=task.html, of_region=task.inputs
    )
    old, reason = None, "asked for"
    if not task.force:
        old, reason = earlier.take_over(folder, notebook.stem, parts, task.basis, task.key)
    if old is not None:
        reports = [name for name in old["files"] if name in _reports(notebook)]
        return _entry(notebook, outputs=reports, kernel="taken over", reason=reason)
    entry = run(notebook, task)
    if entry is not None:
        entry["reason"] = reason
    if entry is not None and entry["status"] == "done":
        _write_down(notebook, task, parts)
    return entry


def _reports(notebook: Path) -> tuple[str, str]:
    return notebook.name, f"{notebook.stem}.html"


def _write_down(notebook: Path, task: RegionTask, parts: dict[str, str]) -> None:
    folder = Path(task.folder)
    record = earlier.read_record(folder)
    others = {name for entry in record.values() for name in entry["files"]}
    wrote = [n for n in earlier.files_of(folder) if n not in others]
    files = {name: earlier.file_digest(folder / name) for name in wrote}
    # What was changed while the notebook ran may have been read before or after.
    kept = parts if task.basis.is_unmoved() else {}
    entry = {"parts": kept, "files": files, "run": folder.parent.name}
    earlier.write_record(folder, {**record, notebook.stem: entry})


def _run_notebook(notebook: Path, task: RegionTask) -> dict[str, Any]:
    from planning_kit.run.kernels import Private, private_folder

    started = time.perf_counter()
    entry = _entry(notebook)
    target = Path(task.folder) / notebook.name
    target.parent.mkdir(parents=True, exist_ok=True)
    finished = set(earlier.read_record(target.parent)) - {notebook.stem}
    earlier.forget(target.parent, finished)
    # papermill fills {} in paths from the parameters: give it a path that has none.
    with tempfile.TemporaryDirectory(dir=private_folder()) as scratch:
        output = Path(scratch) / "out.ipynb"
        try:
            _execute(notebook, output, task)
        except Exception as error:
            entry["status"], entry["error"] = "failed", _reason(error)
        if output.is_file():
            write_atomically(target, output.read_bytes())
            entry["outputs"].append(target.name)
    entry["kernel"] = Private.last_start
    if entry["status"] == "done" and task.html:
        _report(target, task, entry)
    if entry["status"] == "failed":
        before = {Path(n).stem for n in task.notebooks if Path(n).name < notebook.name}
        earlier.forget(target.parent, before & finished, (target.name,))
    entry["seconds"] = round(time.perf_counter() - started, 2)
    _freeze_imports()
    return entry


@cache
def _freeze_imports() -> None:
    """Leave what the first notebook imported to itself: looking for garbage in it takes a tenth."""
    if multiprocessing.parent_process() is None:
        return  # somebody else's process
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)  # at the end libraries would call what is frozen a leak


def _report(target: Path, task: RegionTask, entry: dict[str, Any]) -> None:
    from planning_kit.output.report import export_html

    page = target.with_suffix(".html")
    try:
        export_html(target, page, title=f"{task.region or 'Company'} · {target.stem}")
        entry["outputs"].append(page.name)
    except Exception as error:
        entry["status"], entry["error"] = "failed", f"report: {_reason(error)}"


def _execute(notebook: Path, output: Path, task: RegionTask) -> None:
    import nbformat
    import papermill
    from nbclient.exceptions import CellTimeoutError

    from planning_kit.run.kernels import BatchKernelManager, ForkedKernelManager

    names = notebook_parameters(notebook)
    ends_at = time.monotonic() + task.seconds
    source = nbformat.read(notebook, as_version=4)
    for cell in source.cells:
        if "outputs" in cell:  # of whoever keeps them under version control
            cell.outputs = []
    try:
        content = papermill.execute_notebook(
            source,
            str(output),
            parameters={k: v for k, v in task.parameters.items() if k in names},
            kernel_name="python3",
            kernel_manager_class=ForkedKernelManager if task.fork else BatchKernelManager,
            progress_bar=False,
            request_save_on_cell_execute=False,
            timeout_func=lambda cell: max(1, round(ends_at - time.monotonic())),
            store_widget_state=False,
            shutdown_kernel="immediate",
        )
    except CellTimeoutError:
        raise RuntimeError(f"took longer than {task.seconds} s and was stopped") from None
    # sys.exit() in a cell ends a notebook early, and papermill calls that a success.
    unrun = [
        c
        for c in content.cells
        if c.cell_type == "code" and c.source.strip() and c.get("execution_count") is None
    ]
    if unrun:
        raise RuntimeError(f"stopped before its end; {len(unrun)} cells did not run")


def _reason(error: Exception) -> str:
    name = getattr(error, "ename", "")
    text = str(getattr(error, "evalue", "") or error).strip().splitlines()
    line = text[0] if text else type(error).__name__
    return f"{name}: {line}" if name and not name.endswith("Error") else line[:500]
