"""Run a plan: every region's notebooks side by side, then the company's."""

from __future__ import annotations

import json
import multiprocessing
import os
import platform
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from planning_kit import __version__
from planning_kit.batch.index import write_index
from planning_kit.batch.manifest import RunRecord, read_manifest, write_manifest
from planning_kit.batch.parameters import check_parameters, notebook_parameters
from planning_kit.batch.worker import RegionTask, run_region
from planning_kit.errors import UsageError
from planning_kit.plan import Plan, folder_name, write_atomically
from planning_kit.sources import Prepared, open_inputs, prepare
from planning_kit.tables import require_labels, to_units
from planning_kit.walk import read_table

COMPANY_NOTEBOOK = "08"
_Report = Callable[[RunRecord, int], None]


@dataclass(frozen=True)
class BatchOptions:
    """How a plan is run.

    Attributes
    ----------
    regions : tuple of str
        Regions to run; empty: all.
    jobs : int
        Regions at a time; 0: one a core.
    scenario : str
        Name of the scenario.
    parameters : mapping
        Further notebook parameters.
    html : bool
        Also write a self-contained HTML report of each notebook.
    seconds : int
        Time limit of a single cell.
    """

    regions: tuple[str, ...] = ()
    jobs: int = 0
    scenario: str = "base"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    html: bool = True
    seconds: int = 600


def run_plan(
    plan: Plan,
    options: BatchOptions | None = None,
    *,
    executor: Executor | None = None,
    progress: Callable[[RunRecord, int, int], None] | None = None,
) -> Path:
    """Run the notebooks for the regions of a plan, and the roll-up after them.

    Everything that can be wrong before a kernel starts is checked first: inputs, regions,
    scenario, parameters. A region that fails is a record in the manifest; the others go on.

    Parameters
    ----------
    plan
        The plan.
    options
        See `BatchOptions`.
    executor
        Any executor of `concurrent.futures`; by default one process a job on this machine.
    progress
        Called with each finished record, how many are finished, and how many there are.

    Returns
    -------
    Path
        Folder of the run, with `manifest.json` in it.

    Raises
    ------
    PlanningError
        Nothing was run: the inputs, a region, the scenario or a parameter cannot be used.
    """
    options = options or BatchOptions()
    prepared = prepare(plan, fresh=True)
    regions = _chosen_regions(prepared, options.regions)
    notebooks = _notebooks(plan, options)
    scenario = plan.scenario(options.scenario)
    targets = {r: open_inputs(plan, prepared, r, scenario) for r in regions}
    run = _new_run_folder(plan.runs_folder, options.scenario)
    relative = os.path.relpath(prepared.folder, run)
    write_atomically(run / "prepared.json", json.dumps({"folder": relative}))
    records = {r: RunRecord(r, folder_name(r)) for r in regions}
    for region, inputs in targets.items():
        records[region].target = inputs.target
        records[region].reps = len(inputs.team())
    facts = _facts(plan, prepared, options, run)
    tasks = {r: _task(plan, run, r, notebooks[:-1], options) for r in regions}
    total = len(tasks) + (0 if options.regions else 1)

    def report(record: RunRecord, done: int) -> None:
        if progress:
            progress(record, done, total)

    own = _local(options.jobs, len(tasks)) if executor is None else None
    with _stopping(run, facts, records):
        _run_all(tasks, records, run, facts, executor or own, report)
        if own is not None:
            own.shutdown()
        if not options.regions:  # a roll-up of some regions adds up to nothing
            company = _task(plan, run, "", notebooks[-1:], options)
            _run_company(company, records, run, facts, report)
    facts["ended_at"] = _now()
    finished = [*records.values()]
    facts["status"] = "done" if all(r.status == "done" for r in finished) else "failed"
    write_manifest(run, facts, finished)
    write_index(run, read_manifest(run))
    if facts["status"] == "done" and not options.regions:
        write_atomically(plan.runs_folder / "latest", run.name + "\n")
    return run


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _chosen_regions(prepared: Prepared, wanted: Sequence[str]) -> list[str]:
    try:
        require_labels(wanted, prepared.regions, "region")
    except ValueError as error:
        raise UsageError(str(error)) from None
    return [r for r in prepared.regions if not wanted or r in wanted]


def _notebooks(plan: Plan, options: BatchOptions) -> list[Path]:
    folder = plan.notebooks()
    found = sorted(p for p in folder.glob("[0-9][0-9]_*.ipynb"))
    if len(found) < 2 or not found[-1].name.startswith(COMPANY_NOTEBOOK):
        raise UsageError(f"{folder.name}/: the notebooks 00 to 08 are not there.")
    for notebook in found:
        names = notebook_parameters(notebook)
        given = {k: v for k, v in options.parameters.items() if k in names}
        check_parameters(notebook, {**given, "plan_folder": "", "run_folder": "", "scenario": ""})
    known = {name for notebook in found for name in notebook_parameters(notebook)}
    try:
        require_labels(options.parameters, known, "parameters")
    except ValueError as error:
        raise UsageError(str(error)) from None
    return found


def _new_run_folder(runs: Path, scenario: str) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    for number in range(1000):
        run = runs / (f"{stamp}-{folder_name(scenario)}" + (f"-{number}" if number else ""))
        with suppress(FileExistsError):
            run.mkdir(parents=True)
            return run
    raise UsageError("cannot make a new folder in runs/")


def _task(
    plan: Plan, run: Path, region: str, notebooks: Sequence[Path], options: BatchOptions
) -> RegionTask:
    parameters = {
        **options.parameters,
        "region": region,
        "plan_folder": str(plan.folder),
        "run_folder": str(run),
        "scenario": options.scenario,
    }
    folder = run / (folder_name(region) if region else "company")
    paths = tuple(str(path) for path in notebooks)
    return RegionTask(region, str(folder), paths, parameters, options.seconds, options.html)


def _facts(plan: Plan, prepared: Prepared, options: BatchOptions, run: Path) -> dict[str, Any]:
    names = ("pandas", "numpy", "scipy", "altair", "duckdb", "papermill")
    return {
        "run_id": run.name,
        "plan": plan.settings.name,
        "currency": plan.settings.currency,
        "scenario": options.scenario,
        "status": "running",
        "started_at": _now(),
        "ended_at": "",
        "process": os.getpid(),
        "inputs": prepared.facts["fingerprint"],
        "parameters": dict(options.parameters),
        "versions": {
            "planning-kit": __version__,
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in names},
        },
    }


def _local(jobs: int, tasks: int) -> Executor:
    count = min(jobs or os.cpu_count() or 1, max(1, tasks))
    # A forked worker would inherit whatever the caller's threads hold (papermill then hangs).
    return ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"))


class _stopping:
    """Write down that a run was stopped, whatever stopped it."""

    def __init__(self, run: Path, facts: dict[str, Any], records: dict[str, RunRecord]) -> None:
        self.run, self.facts, self.records = run, facts, records

    def __enter__(self) -> None:
        write_manifest(self.run, self.facts, [*self.records.values()])

    def __exit__(self, kind: type | None, error: object, trace: object) -> None:
        if kind is None:
            return
        for record in self.records.values():
            if record.status in ("waiting", "running"):
                record.status = "stopped"
        self.facts.update(status="stopped", ended_at=_now())
        write_manifest(self.run, self.facts, [*self.records.values()])


def _run_all(
    tasks: dict[str, RegionTask], records: dict[str, RunRecord], run: Path,
    facts: dict[str, Any], executor: Any, report: _Report,
) -> None:  # fmt: skip
    futures: dict[Future, str] = {}
    try:
        for region, task in tasks.items():
            futures[executor.submit(run_region, task)] = region
        for done, future in enumerate(as_completed(futures), 1):
            region = futures[future]
            _take(records[region], future, run)
            for other, name in futures.items():
                if other.running():
                    records[name].status = "running"
            write_manifest(run, facts, [*records.values()])
            report(records[region], done)
    except BaseException:
        _end_workers(executor)
        raise


def _end_workers(executor: Executor) -> None:
    """End worker processes at once; their kernels watch them and end too."""
    for process in list((getattr(executor, "_processes", None) or {}).values()):
        with suppress(ProcessLookupError, OSError):
            os.kill(process.pid, signal.SIGTERM)
    executor.shutdown(wait=False, cancel_futures=True)


def _take(record: RunRecord, future: Future, run: Path) -> None:
    try:
        result = future.result()
    except Exception as error:  # the worker process itself died
        record.status, record.error = "failed", f"the worker ended: {type(error).__name__}"
        return
    record.status, record.error = result.status, result.error
    record.seconds, record.notebooks = result.seconds, result.notebooks
    _add_sums(record, run)


def _add_sums(record: RunRecord, run: Path) -> None:
    """Recompute what was allocated from the table that was written."""
    path = run / record.folder / "tables" / "allocation.csv"
    if not path.is_file() or record.target is None:
        return
    goals = read_table(path)["goal"]
    cents = int(to_units(goals, 0.01).sum()) if len(goals) else 0
    record.allocated = cents / 100
    record.gap = (cents - round(record.target * 100)) / 100


def _run_company(
    task: RegionTask, records: dict[str, RunRecord], run: Path, facts: dict[str, Any],
    report: _Report,
) -> None:  # fmt: skip
    record = RunRecord("(company)", "company", "running")
    parts = [r for r in records.values() if r.target is not None]
    started = time.perf_counter()
    write_manifest(run, facts, [*records.values(), record])
    result = run_region(task)
    record.status, record.error, record.notebooks = result.status, result.error, result.notebooks
    record.seconds = round(time.perf_counter() - started, 2)
    record.target = round(sum(r.target or 0 for r in parts), 2)
    record.allocated = round(sum(r.allocated or 0 for r in parts), 2)
    record.gap = round(record.allocated - record.target, 2)
    record.reps = sum(r.reps or 0 for r in parts)
    records["(company)"] = record
    report(record, len(records))
