"""Run the notebooks of one region, one after the other, in a process of its own."""

from __future__ import annotations

import atexit
import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from planning_kit.plan import write_atomically
from planning_kit.run import reuse
from planning_kit.run.manifest import NotebookRecord, RunRecord
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


def run_region(task: RegionTask, *, starts_kernels: bool = True) -> RunRecord:
    """Run a region's notebooks one after the other; a failure is a record, never an exception.

    Parameters
    ----------
    task
        What to run.
    starts_kernels
        False: take results over, and leave off (``running``) where one has to be made.
    """
    if task.storage:
        from planning_kit.run.storage import borrowed

        with borrowed(task) as here:
            return run_region(here)
    started = time.perf_counter()
    record = RunRecord(task.name, Path(task.folder).name, "running")
    for notebook in map(Path, task.notebooks):
        entry = NotebookRecord(notebook.stem)
        try:
            parts = reuse.made_from(notebook, task)
            if not _taken_over(notebook, task, parts, entry):
                if not starts_kernels:
                    return record
                _run_notebook(notebook, task, entry)
                reuse.write_down(notebook, task, parts)
        except Exception as error:  # of a cell, a report; a full disk, a notebook that went away
            entry.status, entry.error = "failed", _reason(error)
            record.error = f"{entry.name}: {entry.error}"
        record.notebooks.append(entry)
        if record.error:
            break
    record.status = "failed" if record.error else "done"
    record.seconds = round(time.perf_counter() - started, 2)
    return record


def _taken_over(
    notebook: Path, task: RegionTask, parts: dict[str, str], entry: NotebookRecord
) -> bool:
    """Take a notebook's result over where nothing changed; its record says why, or why not."""
    files, entry.reason = None, "asked for"
    if not task.force:
        files, entry.reason = reuse.take_over(notebook, task, parts)
    if files is None:
        return False
    entry.kernel = "taken over"
    entry.outputs = [name for name in files if name in (notebook.name, f"{entry.name}.html")]
    return True


def _run_notebook(notebook: Path, task: RegionTask, entry: NotebookRecord) -> None:
    """Run a notebook in a kernel of its own; where it fails, nothing but itself is left of it."""
    import papermill
    from nbclient.exceptions import CellTimeoutError

    from planning_kit.output.report import without_widgets
    from planning_kit.run import kernels

    manager = kernels.ForkedKernelManager if task.fork else kernels.BatchKernelManager
    for name in kernels.ONE_THREAD:
        os.environ.setdefault(name, "1")
    started, target = time.monotonic(), Path(task.folder) / notebook.name
    target.parent.mkdir(parents=True, exist_ok=True)
    others = reuse.read_record(target.parent).keys() - {entry.name}
    reuse.forget(target.parent, others)
    try:
        # papermill fills {} in paths from the parameters: give it a path that has none.
        with TemporaryDirectory(dir=kernels.private_folder()) as scratch:
            output = Path(scratch) / "out.ipynb"
            try:
                content = papermill.execute_notebook(
                    _without_outputs(notebook),
                    str(output),
                    parameters=task.parameters_of(notebook),
                    kernel_name="python3",
                    kernel_manager_class=manager,
                    progress_bar=False,
                    request_save_on_cell_execute=False,
                    timeout_func=lambda _: max(1, round(started + task.seconds - time.monotonic())),
                    store_widget_state=False,
                    shutdown_kernel="immediate",
                )
            except CellTimeoutError:
                words = f"took longer than {task.seconds} s and was stopped"
                raise RuntimeError(words) from None
            finally:
                entry.kernel = kernels.Private.last_start
                if output.is_file():
                    write_atomically(target, without_widgets(output.read_text("utf-8")))
                    entry.outputs.append(target.name)
        _refuse_early_end(content)
        if task.html:
            title = "Company" if task.of_company else task.name
            entry.outputs.append(_write_report(target, f"{title} · {entry.name}"))
    except Exception:
        before = {Path(n).stem for n in task.notebooks if Path(n).name < notebook.name}
        with suppress(OSError):  # the disk is full, which is what will be told
            reuse.forget(target.parent, before & others, (target.name,))
        raise
    finally:
        entry.seconds = round(time.monotonic() - started, 2)
        _freeze_imports()


def _without_outputs(notebook: Path) -> Any:
    """Read a notebook without the outputs of whoever keeps them under version control."""
    import nbformat

    content = nbformat.read(notebook, as_version=4)
    for cell in content.cells:
        if "outputs" in cell:
            cell.outputs = []
    return content


def _refuse_early_end(content: Any) -> None:
    # sys.exit() in a cell ends a notebook early, and papermill calls that a success.
    code = [c for c in content.cells if c.cell_type == "code" and c.source.strip()]
    unrun = sum(cell.get("execution_count") is None for cell in code)
    if unrun:
        raise RuntimeError(f"stopped before its end; {unrun} cells did not run")


def _write_report(notebook: Path, title: str) -> str:
    from planning_kit.output.report import export_html

    try:
        return export_html(notebook, notebook.with_suffix(".html"), title=title).name
    except Exception as error:
        raise RuntimeError(f"report: {_reason(error)}") from None


@cache
def _freeze_imports() -> None:
    """Leave what the first notebook imported to itself: looking for garbage in it takes a tenth."""
    if multiprocessing.parent_process() is None:
        return  # somebody else's process
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)  # at the end libraries would call what is frozen a leak


def _reason(error: Exception) -> str:
    name = getattr(error, "ename", "")
    text = str(getattr(error, "evalue", "") or error).strip().splitlines()
    line = text[0] if text else type(error).__name__
    return f"{name}: {line}" if name and not name.endswith("Error") else line[:500]
