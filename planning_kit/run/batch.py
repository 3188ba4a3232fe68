"""Run a plan: every region's notebooks side by side, then the company's."""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from planning_kit import __version__
from planning_kit.data import Prepared, check_scenario, prepare, read_table
from planning_kit.data.kept import table_path
from planning_kit.data.notation import literal
from planning_kit.messages import UsageError, require_labels
from planning_kit.numbers.units import to_units
from planning_kit.plan import (
    COMPANY,
    COPY_FOLDER,
    Plan,
    Scenario,
    folder_name,
    load_plan,
    write_atomically,
)
from planning_kit.run.index import write_index
from planning_kit.run.manifest import (
    COMPANY_RECORD,
    RunRecord,
    read_manifest,
    run_folders,
    this_process,
    write_manifest,
)
from planning_kit.run.options import BatchOptions, Progress
from planning_kit.run.parameters import check_parameters, notebook_parameters
from planning_kit.run.pool import Pool
from planning_kit.run.reuse import (
    LOOK_BACK,
    PACKAGES,
    RECORD,
    read_record,
    region_digest,
    remember,
    run_basis,
    run_key,
    unchanged_run,
)
from planning_kit.run.storage import Storage
from planning_kit.run.task import Basis, RegionTask
from planning_kit.run.worker import run_region
from planning_kit.steps import COMPANY_STEP, MADE_BY
from planning_kit.walk.company import resolver
from planning_kit.walk.logged import log_end_today

_LOOK_EVERY = 0.5  # seconds


@dataclass
class _Run:
    """A run that is going on."""

    plan: Plan
    options: BatchOptions
    scenario: Scenario
    prepared: Prepared
    basis: Basis
    folder: Path
    facts: dict[str, Any]
    records: dict[str, RunRecord]  # by folder: the company's is no region's
    progress: Progress | None
    storage: Storage | None
    elsewhere: bool  # the regions run where this machine's copy is not seen

    def save(self) -> None:
        """Write the manifest; a full disk must not stop the regions that go on."""
        with suppress(OSError):
            write_manifest(self.folder, self.facts, [*self.records.values()])

    def send(self, *parts: str) -> None:
        """Send files of the run to where the plan lies."""
        if self.storage:
            for part in parts:
                self.storage.send(f"runs/{self.folder.name}/{part}")

    def record(self, task: RegionTask) -> RunRecord:
        """Give the record of a region, or of the company."""
        return self.records[Path(task.folder).name]

    def enter(self, task: RegionTask, result: RunRecord) -> None:
        """Enter how a region ended, and what was allocated."""
        record = self.record(task)
        record.status, record.error = result.status, result.error
        record.seconds, record.notebooks = result.seconds, result.notebooks
        if self.storage and self.elsewhere:
            self.storage.fetch(f"runs/{self.folder.name}/{record.folder}", (".csv", ".json"))
        else:
            self.send(record.folder)
        if not task.of_company:
            _add_sums(self, record)
        self.save()
        self.send("manifest.json")
        done = sum(r.status in ("done", "failed") for r in self.records.values())
        regions = len(self.records.keys() - {COMPANY})
        if self.progress:
            self.progress(record, done, regions + (not self.options.regions))


def run_plan(
    plan: Plan,
    options: BatchOptions | None = None,
    *,
    executor: Executor | None = None,
    progress: Progress | None = None,
    into: Path | None = None,
    storage: Storage | None = None,
) -> Path:
    """Run the notebooks for the regions of a plan, and the roll-up after them.

    Everything that can be wrong before a kernel starts is checked first: inputs, regions,
    scenario, parameters, agreement log. A region that fails is a record in the manifest; the
    others go on. A notebook whose result can be taken over from an earlier run is not run again.
    What people change in the plan while the run goes on is not of this run.

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
    into
        Folder of a run that was interrupted, to go on in it (see `unfinished_run`).
    storage
        Where the plan lies behind a URL, and ``plan`` is its copy: what is made is sent there.

    Returns
    -------
    Path
        Folder of the run, with `manifest.json` in it; an earlier one where nothing has changed since.

    Raises
    ------
    PlanningError
        Nothing was run: the inputs, a region, the scenario, a parameter or the agreement log cannot
        be used.
    """
    options = options or BatchOptions()
    with TemporaryDirectory() as scratch:
        plan = plan.copied(Path(scratch))
        prepared = prepare(plan, fresh=True)
        _require(options.regions, prepared.regions, "region")
        _check_notebooks(plan, options)
        scenario, agreement = plan.scenario(options.scenario), log_end_today(plan, prepared)
        targets = check_scenario(plan, prepared, scenario, resolver(agreement["totals"]))
        records = _waiting(prepared, targets, options.regions)
        others = [f for f in run_folders(plan.runs_folder) if f != into][:LOOK_BACK]
        basis = run_basis(plan, prepared.facts["fingerprint"], scenario, agreement, others)
        key = run_key(basis, plan.notebooks(), options)
        same = None if options.force or into else unchanged_run(basis, key)
        if same is None:
            shared = storage is not None
            folder = into or _new_run_folder(plan.runs_folder, options.scenario, shared)
            shutil.rmtree(folder / COPY_FOLDER, ignore_errors=True)  # of an interrupted run
            shutil.copytree(plan.papers, folder / COPY_FOLDER, copy_function=shutil.copyfile)
    if same is not None:
        _call_latest(plan, options, same)
        return same
    plan = load_plan(plan.folder, folder)
    pointer = {"folder": os.path.relpath(prepared.folder, folder)}
    write_atomically(folder / "prepared.json", json.dumps(pointer))
    facts = {**_facts(plan, prepared, options, folder), "agreement": agreement}
    elsewhere = storage is not None and executor is not None
    run = _Run(
        *(plan, options, scenario, prepared, basis, folder, facts, records),
        *(progress, storage, elsewhere),
    )
    with _stopping(run), ExitStack() as stack:
        if storage:
            storage.send(f".prepared/{prepared.folder.name}")
            run.send("prepared.json", "manifest.json", COPY_FOLDER)
        pool = Pool(executor, options.jobs, len(records), options.fork, stack)
        _run_all(run, [_task(run, record) for record in records.values()], pool)
        if not options.regions:  # a roll-up of some regions adds up to nothing
            records[COMPANY] = _company(list(records.values()))
            run.save()
            _run_all(run, [_task(run, records[COMPANY])], pool)
    _end(run, key)
    return folder


def _end(run: _Run, key: str) -> None:
    run.facts["ended_at"] = _now()
    finished = [*run.records.values()]
    run.facts["status"] = "done" if all(r.status == "done" for r in finished) else "failed"
    write_manifest(run.folder, run.facts, finished)
    write_index(run.folder, read_manifest(run.folder))
    if run.facts["status"] == "done":
        remember(run.folder, key)
        _call_latest(run.plan, run.options, run.folder)
    run.send(*(p.name for p in sorted(run.folder.iterdir()) if p.is_file()))
    if run.storage:
        run.storage.send("runs/latest")


def _call_latest(plan: Plan, options: BatchOptions, folder: Path) -> None:
    if not options.regions:
        write_atomically(plan.runs_folder / "latest", folder.name + "\n")


def _waiting(
    prepared: Prepared, targets: Mapping[str, float], wanted: Sequence[str]
) -> dict[str, RunRecord]:
    """Give the records of the regions, by folder, with target and how many people carry it."""
    import duckdb

    people = literal(table_path(prepared.region_folder(None), "reps"))
    with duckdb.connect() as con:  # without opening a region's tables
        counts = con.execute(
            f"SELECT current_region, count(*) FROM {people} WHERE carries_goal GROUP BY 1"
        ).fetchall()
    found = [
        RunRecord(
            region, folder_name(region), target=targets[region], reps=dict(counts).get(region, 0)
        )
        for region in prepared.regions
        if not wanted or region in wanted
    ]
    return {record.folder: record for record in found}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _require(labels: Iterable[str], known: Iterable[str], what: str) -> None:
    """Stop where somebody asked for what is not there."""
    try:
        require_labels(labels, known, what)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _check_notebooks(plan: Plan, options: BatchOptions) -> None:
    found, known = plan.notebooks(), set[str]()
    if len(found) < 2 or not found[-1].name.startswith(COMPANY_STEP.number):
        raise UsageError(
            f"notebooks/: {COMPANY_STEP.name}.ipynb of the company, or those before it, are not there."
        )
    for notebook in found:
        names = notebook_parameters(notebook)
        given = {k: v for k, v in options.parameters.items() if k in names}
        check_parameters(notebook, {**given, "plan_folder": "", "run_folder": "", "scenario": ""})
        known.update(names)
    _require(options.parameters, known, "parameters")


def _new_run_folder(runs: Path, scenario: str, is_shared: bool) -> Path:
    name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{folder_name(scenario)}"
    if is_shared:  # another machine cannot see that the name is taken
        name += f"-{os.urandom(2).hex()}"
    for number in range(1000):
        run = runs / (name + (f"-{number}" if number else ""))
        with suppress(FileExistsError):
            run.mkdir(parents=True)
            return run
    raise UsageError("cannot make a new folder in runs/")


def _task(run: _Run, record: RunRecord) -> RegionTask:
    """Write down what a region needs, or the company, which is no region and is given none."""
    options, plan, of_company = run.options, run.plan, record.folder == COMPANY
    parameters = {
        **options.parameters,
        "plan_folder": str(plan.folder),
        "run_folder": str(run.folder),
        "scenario": options.scenario,
    }
    inputs, said, notebooks = "", "", plan.notebooks()[-1:]
    if not of_company:
        parameters["region"] = record.region
        inputs = region_digest(plan, run.prepared, record.region, record.target or 0.0)
        said = run.facts["agreement"]["regions"].get(record.region, "nothing")
        notebooks = plan.notebooks()[:-1]
    return RegionTask(
        record.region,
        str(run.folder / record.folder),
        of_company,
        tuple(map(str, notebooks)),
        parameters,
        run.basis,
        inputs,
        said,
        run.prepared.folder.name,
        run.storage.url if run.storage and run.elsewhere else "",
        *(options.seconds, options.html, options.fork, options.force),
    )


def _facts(plan: Plan, prepared: Prepared, options: BatchOptions, folder: Path) -> dict[str, Any]:
    return {
        "run_id": folder.name,
        "plan": plan.settings.name,
        "currency": plan.settings.currency,
        "scenario": options.scenario,
        "status": "running",
        "started_at": _now(),
        "ended_at": "",
        **this_process(),
        "inputs": prepared.facts["fingerprint"],
        "parameters": dict(options.parameters),
        "asked": {"regions": list(options.regions), "html": options.html},
        "versions": {
            "planning-kit": __version__,
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in PACKAGES},
        },
    }


@contextmanager
def _stopping(run: _Run) -> Iterator[None]:
    """Write down that a run was stopped, whatever stopped it."""
    write_manifest(run.folder, run.facts, [*run.records.values()])
    try:
        yield
    except BaseException:
        for record in run.records.values():
            if record.status in ("waiting", "running"):
                record.status = "stopped"
        run.facts.update(status="stopped", ended_at=_now())
        run.save()
        with suppress(Exception):  # it may be what stopped the run
            run.send("manifest.json")
        raise


def _run_all(run: _Run, tasks: list[RegionTask], pool: Pool) -> None:
    """Take over what is known, and run the others side by side.

    A worker that is killed takes the pool down with it: the others' regions are begun again, and
    at last one by one, so that each meets its own fate.
    """
    left = [task for task in tasks if not _taken_over(run, task)]
    for attempt in range(3):
        groups, left = [left] if attempt < 2 else [[task] for task in left], []
        for group in groups:
            futures = {pool.submit(task): task for task in group}
            before = len(left)
            for future in _in_time(run, futures):
                task, result = futures[future], _outcome(future)
                if result is None:
                    left.append(task)
                else:
                    run.enter(task, result)
            if len(left) > before:
                pool.renew()
    for task in left:
        run.enter(task, RunRecord("", "", "failed", error="its worker process was killed"))


def _taken_over(run: _Run, task: RegionTask) -> bool:
    """Take a region over without any process, where all its notebooks can be."""
    if task.force or run.elsewhere:
        return False
    found = run_region(task, starts_kernels=False)
    if found.status == "done":
        run.enter(task, found)
    return found.status == "done"


def _outcome(future: Future[RunRecord]) -> RunRecord | None:
    """Give how a region ended; None where the pool of workers broke."""
    try:
        return future.result()
    except BrokenExecutor:
        return None
    except Exception as error:
        words = f"the worker ended: {type(error).__name__}: {error}"
        return RunRecord("", "", "failed", error=words)


def _in_time(
    run: _Run, futures: Mapping[Future[RunRecord], RegionTask]
) -> Iterator[Future[RunRecord]]:
    """Give futures as they end; in between, look how far the others are."""
    waiting, told = set(futures), getattr(run.progress, "notebooks", None)
    regions, company = len(run.records.keys() - {COMPANY}), int(not run.options.regions)
    steps = regions * (len(run.plan.notebooks()) - 1) + company
    while waiting:
        done, waiting = wait(waiting, _LOOK_EVERY, FIRST_COMPLETED)
        begun = [run.record(futures[future]) for future in waiting if future.running()]
        if new := [record for record in begun if record.status != "running"]:
            for record in new:
                record.status = "running"
            run.save()
        yield from done
        if told:
            records = run.folder.glob(f"*/{RECORD}")
            told(sum(len(read_record(path.parent)) for path in records), steps)


def _add_sums(run: _Run, record: RunRecord) -> None:
    """Add up what was allocated from the table that was written; what does not add up has failed."""
    path = run.folder / record.folder / "tables" / "allocation.csv"
    if not path.is_file() or record.target is None:
        return
    goals = read_table(path)["goal"]
    cents = int(to_units(goals, 0.01).sum()) if len(goals) else 0
    record.allocated = cents / 100
    asked = run.scenario.street_target(record.target, run.plan.settings.rounding_unit)
    record.gap = off = (cents - round(asked * 100)) / 100
    if off and record.status == "done":
        nobody = "" if record.reps else "; nobody there carries a goal"
        record.status, record.error = (
            "failed",
            f"{MADE_BY['allocation']}: the goals add up to {record.allocated:,.2f} "
            f"{run.plan.settings.currency}, {abs(off):,.2f} {'above' if off > 0 else 'below'} the "
            f"{asked:,.2f} asked for{nobody}",
        )


def _company(parts: list[RunRecord]) -> RunRecord:
    target, allocated, gap = (
        round(sum(getattr(r, n) or 0 for r in parts), 2) for n in ("target", "allocated", "gap")
    )
    reps = sum(r.reps or 0 for r in parts)
    return RunRecord(COMPANY_RECORD, COMPANY, "running", target, allocated, gap, reps)
