"""Run a plan: every region's notebooks side by side, then the company's."""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from planning_kit import __version__
from planning_kit.agreement import last_line, open_log
from planning_kit.data import Prepared, check_scenario, prepare, read_table, scenario_targets
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

_LOOK_EVERY = 0.5  # seconds


@dataclass
class _Run:
    """A run that is going on."""

    plan: Plan
    options: BatchOptions
    prepared: Prepared
    basis: Basis
    notebooks: list[Path]
    folder: Path
    facts: dict[str, Any]
    records: dict[str, RunRecord]
    progress: Progress | None
    storage: Storage | None
    elsewhere: bool  # the regions run where this machine's copy is not seen

    @property
    def total(self) -> int:
        """Regions, and the company where all of them are asked for."""
        return len(self.records.keys() - {COMPANY_RECORD}) + (not self.options.regions)

    def save(self) -> None:
        """Write the manifest; a full disk must not stop the regions that go on."""
        with suppress(OSError):
            write_manifest(self.folder, self.facts, [*self.records.values()])

    def send(self, *parts: str) -> None:
        """Send files of the run to where the plan lies."""
        if self.storage:
            for part in parts:
                self.storage.send(f"runs/{self.folder.name}/{part}")

    def enter(self, name: str, result: RunRecord) -> None:
        """Enter how a region ended, and what was allocated."""
        record = self.records[name]
        record.status, record.error = result.status, result.error
        record.seconds, record.notebooks = result.seconds, result.notebooks
        if self.storage and self.elsewhere:
            self.storage.fetch(f"runs/{self.folder.name}/{record.folder}", (".csv", ".json"))
        else:
            self.send(record.folder)
        if name != COMPANY_RECORD:
            _add_sums(record, self.folder, self.plan.settings.currency)
        self.save()
        self.send("manifest.json")
        done = sum(r.status in ("done", "failed") for r in self.records.values())
        if self.progress:
            self.progress(record, done, self.total)


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
        regions = _chosen_regions(prepared, options.regions)
        notebooks = _notebooks(plan, options)
        scenario, agreement = plan.scenario(options.scenario), _agreement(plan)
        check_scenario(plan, prepared, scenario)
        targets = _targets(plan, prepared, scenario)
        others = [f for f in run_folders(plan.runs_folder) if f != into][:LOOK_BACK]
        fingerprint = prepared.facts["fingerprint"]
        basis = run_basis(plan, fingerprint, options.scenario, agreement, others)
        asked = {"html": options.html, "regions": regions if options.regions else []}
        key = run_key(basis, notebooks, {**asked, "parameters": dict(options.parameters)})
        same = None if options.force or into else unchanged_run(basis, key)
        if same is not None:
            return _call_latest(plan, options, same)
        folder = into or _new_run_folder(plan.runs_folder, options.scenario, storage is not None)
        plan = _keep(plan, folder)
    relative = os.path.relpath(prepared.folder, folder)
    write_atomically(folder / "prepared.json", json.dumps({"folder": relative}))
    facts = {**_facts(plan, prepared, options, folder), "agreement": agreement}
    records = {r: RunRecord(r, folder_name(r), "waiting", *targets[r]) for r in regions}
    notebooks = [plan.notebooks() / notebook.name for notebook in notebooks]
    elsewhere = storage is not None and executor is not None
    run = _Run(
        *(plan, options, prepared, basis, notebooks, folder, facts, records),
        *(progress, storage, elsewhere),
    )
    with _stopping(run), ExitStack() as stack:
        if storage:
            storage.send(f".prepared/{prepared.folder.name}")
            run.send("prepared.json", "manifest.json", COPY_FOLDER)
        pool = Pool(executor, options.jobs, len(regions), options.fork, stack)
        _run_all(run, [_task(run, name) for name in regions], pool)
        if not options.regions:  # a roll-up of some regions adds up to nothing
            _begin_company(run)
            _run_all(run, [_task(run, COMPANY_RECORD)], pool)
    return _end(run, key)


def _keep(plan: Plan, run: Path) -> Plan:
    """Give the plan's copy its place in the run; of an interrupted run it takes the old one's."""
    place = run / COPY_FOLDER
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(plan.papers, place, copy_function=shutil.copyfile)
    return load_plan(plan.folder, run)


def _end(run: _Run, key: str) -> Path:
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
    return run.folder


def _call_latest(plan: Plan, options: BatchOptions, folder: Path) -> Path:
    if not options.regions:
        write_atomically(plan.runs_folder / "latest", folder.name + "\n")
    return folder


def _targets(
    plan: Plan, prepared: Prepared, scenario: Scenario
) -> dict[str, tuple[float, None, None, int]]:
    """Give every region's target and how many people carry it, without opening its tables."""
    import duckdb

    _, targets = scenario_targets(plan, prepared, scenario)
    people = literal(prepared.region_folder(None) / "reps.parquet")
    with duckdb.connect() as con:
        rows = con.execute(
            f"SELECT current_region, count(*) FROM {people} WHERE carries_goal GROUP BY 1"
        ).fetchall()
    counts = dict(rows)
    return {r: (targets[r], None, None, counts.get(r, 0)) for r in prepared.regions}


def _agreement(plan: Plan) -> dict[str, Any]:
    """Verify the agreement log and note its last line: what comes later is not of this run."""
    lines, digest = last_line(open_log(plan.agreement_file, plan.settings))
    return {"lines": lines, "digest": digest}


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
    if len(found) < 2 or not found[-1].name.startswith(COMPANY_STEP.number):
        raise UsageError(f"{folder.name}/: the notebooks 00 to 08 are not there.")
    known: set[str] = set()
    for notebook in found:
        names = notebook_parameters(notebook)
        given = {k: v for k, v in options.parameters.items() if k in names}
        check_parameters(notebook, {**given, "plan_folder": "", "run_folder": "", "scenario": ""})
        known.update(names)
    try:
        require_labels(options.parameters, known, "parameters")
    except ValueError as error:
        raise UsageError(str(error)) from None
    return found


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


def _task(run: _Run, name: str) -> RegionTask:
    """Write down what a region needs, or the company, which is no region and is given none."""
    options, plan, record = run.options, run.plan, run.records[name]
    of_company = name == COMPANY_RECORD
    parameters = {
        **options.parameters,
        "plan_folder": str(plan.folder),
        "run_folder": str(run.folder),
        "scenario": options.scenario,
    }
    inputs = ""
    if not of_company:
        parameters["region"] = name
        inputs = region_digest(plan, run.prepared, name, record.target or 0.0)
    return RegionTask(
        name,
        str(run.folder / record.folder),
        of_company,
        tuple(map(str, run.notebooks[-1:] if of_company else run.notebooks[:-1])),
        parameters,
        run.basis,
        inputs,
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
                    run.enter(task.name, result)
            if len(left) > before:
                pool.renew()
    for task in left:
        words = "its worker process was killed"
        run.enter(task.name, RunRecord(task.name, "", "failed", error=words))


def _taken_over(run: _Run, task: RegionTask) -> bool:
    """Take a region over without any process, where all its notebooks can be."""
    if task.force or run.elsewhere:
        return False
    found = run_region(task, starts_kernels=False)
    if found.status == "done":
        run.enter(task.name, found)
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
    run: _Run, futures: dict[Future[RunRecord], RegionTask]
) -> Iterator[Future[RunRecord]]:
    """Give futures as they end; in between, look how far the others are."""
    waiting, told = set(futures), getattr(run.progress, "notebooks", None)
    company = 0 if run.options.regions else 1
    steps = (run.total - company) * len(run.notebooks[:-1]) + company
    while waiting:
        done, waiting = wait(waiting, _LOOK_EVERY, FIRST_COMPLETED)
        begun = [run.records[futures[future].name] for future in waiting if future.running()]
        if new := [record for record in begun if record.status != "running"]:
            for record in new:
                record.status = "running"
            run.save()
        yield from done
        if told:
            records = run.folder.glob(f"*/{RECORD}")
            told(sum(len(read_record(path.parent)) for path in records), steps)


def _add_sums(record: RunRecord, run: Path, currency: str) -> None:
    """Add up what was allocated from the table that was written; what does not add up has failed."""
    path = run / record.folder / "tables" / "allocation.csv"
    if not path.is_file() or record.target is None:
        return
    goals = read_table(path)["goal"]
    cents = int(to_units(goals, 0.01).sum()) if len(goals) else 0
    record.allocated = cents / 100
    record.gap = (cents - round(record.target * 100)) / 100
    if record.gap and record.status == "done":
        side = "above" if record.gap > 0 else "below"
        nobody = "" if record.reps else "; nobody there carries a goal"
        record.status, record.error = (
            "failed",
            f"{MADE_BY['allocation']}: the goals add up to {record.allocated:,.2f} {currency}, "
            f"{abs(record.gap):,.2f} {side} the target{nobody}",
        )


def _begin_company(run: _Run) -> None:
    parts = [*run.records.values()]
    target, allocated = (
        round(sum(getattr(r, n) or 0 for r in parts), 2) for n in ("target", "allocated")
    )
    run.records[COMPANY_RECORD] = RunRecord(
        COMPANY_RECORD,
        COMPANY,
        "running",
        target,
        allocated,
        round(allocated - target, 2),
        sum(r.reps or 0 for r in parts),
    )
    run.save()
