"""Run a plan: every region's notebooks side by side, then the company's."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    wait,
)
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from planning_kit import __version__
from planning_kit.agreement import last_line, open_log
from planning_kit.data import Prepared, check_scenario, prepare, read_table, scenario_targets
from planning_kit.data.readers import literal
from planning_kit.messages import UsageError, require_labels
from planning_kit.numbers.units import to_units
from planning_kit.plan import Plan, Scenario, folder_name, write_atomically
from planning_kit.run.index import write_index
from planning_kit.run.manifest import (
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
    Basis,
    read_record,
    region_digest,
    remember,
    run_basis,
    run_key,
    unchanged_run,
)
from planning_kit.run.storage import Storage
from planning_kit.run.task import RegionTask
from planning_kit.run.worker import finished_before
from planning_kit.steps import COMPANY_STEP

COMPANY = "(company)"
_LOOK_EVERY = 0.5  # seconds


@dataclass
class _Run:
    """A run that is going on."""

    plan: Plan
    options: BatchOptions
    prepared: Prepared
    folder: Path
    facts: dict[str, Any]
    records: dict[str, RunRecord]
    progress: Progress | None
    storage: Storage | None = None
    elsewhere: bool = False  # the regions run where this machine's copy is not seen
    total: int = 0  # regions and company
    steps: int = 0  # notebooks

    def save(self) -> None:
        """Write the manifest; a full disk must not stop the regions that go on."""
        with suppress(OSError):
            write_manifest(self.folder, self.facts, [*self.records.values()])

    def send(self, *parts: str) -> None:
        """Send files of the run to where the plan lies."""
        if self.storage:
            for part in parts:
                self.storage.send(f"runs/{self.folder.name}/{part}")

    def report(self, record: RunRecord) -> None:
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
    scenario, parameters. A region that fails is a record in the manifest; the others go on.
    A notebook whose result can be taken over from an earlier run is not run again.

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
    prepared = prepare(plan, fresh=True)
    regions = _chosen_regions(prepared, options.regions)
    notebooks = _notebooks(plan, options)
    scenario = plan.scenario(options.scenario)
    check_scenario(plan, prepared, scenario)
    targets = _targets(plan, prepared, scenario)
    agreement = _agreement(plan)
    others = [f for f in run_folders(plan.runs_folder) if f != into][:LOOK_BACK]
    basis = run_basis(plan, prepared.facts["fingerprint"], options.scenario, others)
    key = run_key(
        basis,
        notebooks,
        {
            "parameters": dict(options.parameters),
            "html": options.html,
            "regions": regions if options.regions else [],
        },
    )
    same = None if options.force or into else unchanged_run(basis, key)
    if same is not None:
        return _call_latest(plan, options, same)
    folder = into or _new_run_folder(plan.runs_folder, options.scenario, storage is not None)
    relative = os.path.relpath(prepared.folder, folder)
    write_atomically(folder / "prepared.json", json.dumps({"folder": relative}))
    records = {r: RunRecord(r, folder_name(r), "waiting", *targets[r]) for r in regions}
    facts = {**_facts(plan, prepared, options, folder), "agreement": agreement}
    run = _Run(plan, options, prepared, folder, facts, records, progress, storage)
    run.elsewhere = storage is not None and executor is not None
    run.total = len(regions) + (0 if options.regions else 1)
    tasks = _tasks(run, basis, scenario, notebooks)
    run.steps = sum(len(tasks[name].notebooks) for name in [*regions, ""][: run.total])
    with _stopping(run), ExitStack() as stack:
        if storage:
            storage.send(f".prepared/{prepared.folder.name}")
            run.send("prepared.json", "manifest.json")
        pool = Pool(executor, options.jobs, len(regions), options.fork, stack)
        _run_all(run, {r: tasks[r] for r in regions}, pool)
        if not options.regions:  # a roll-up of some regions adds up to nothing
            _run_company(run, tasks[""], pool)
    return _end(run, key)


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
    people = literal(prepared.region_folder("") / "reps.parquet")
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


def _tasks(
    run: _Run, basis: Basis, scenario: Scenario, notebooks: Sequence[Path]
) -> dict[str, RegionTask]:
    """Give every region's task, and the company's under ``""``."""
    options, plan = run.options, run.plan
    places = {
        "plan_folder": str(plan.folder),
        "run_folder": str(run.folder),
        "scenario": options.scenario,
    }
    common = (options.seconds, options.html, options.fork, options.force)
    tasks = {}
    for region in [*run.records, ""]:
        chosen = notebooks[:-1] if region else notebooks[-1:]
        folder = run.folder / (folder_name(region) if region else "company")
        parameters = {**options.parameters, "region": region, **places}
        key = run.prepared.table_key(region, scenario)
        target = run.records[region].target if region else 0.0
        inputs = region_digest(plan, run.prepared, region, target or 0.0) if region else ""
        paths = tuple(map(str, chosen))
        tasks[region] = RegionTask(
            region,
            str(folder),
            paths,
            parameters,
            basis,
            inputs,
            key,
            run.prepared.folder.name,
            run.storage.url if run.storage and run.elsewhere else "",
            *common,
        )
    return tasks


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


class _stopping:
    """Write down that a run was stopped, whatever stopped it."""

    def __init__(self, run: _Run) -> None:
        self.run = run

    def __enter__(self) -> None:
        write_manifest(self.run.folder, self.run.facts, [*self.run.records.values()])

    def __exit__(self, kind: type | None, error: object, trace: object) -> None:
        if kind is None:
            return
        for record in self.run.records.values():
            if record.status in ("waiting", "running"):
                record.status = "stopped"
        self.run.facts.update(status="stopped", ended_at=_now())
        self.run.save()
        with suppress(Exception):  # it may be what stopped the run
            self.run.send("manifest.json")


def _run_all(run: _Run, tasks: dict[str, RegionTask], pool: Pool) -> None:
    left = {}
    for region, task in tasks.items():
        before = None if run.options.force or run.elsewhere else finished_before(task)
        if before is None:
            left[region] = task
        else:
            _enter(run, region, before)
    # A worker that is killed takes the pool down with it: the others' regions are begun again,
    # and at last one by one, so that each meets its own fate.
    left = _side_by_side(run, left, pool)
    left = _side_by_side(run, left, pool)
    for region, task in left.items():
        if region in _side_by_side(run, {region: task}, pool):
            _enter(run, region, RunRecord("", "", "failed", error="its worker process was killed"))


def _side_by_side(run: _Run, tasks: dict[str, RegionTask], pool: Pool) -> dict[str, RegionTask]:
    """Run regions; give those that a broken pool has not finished."""
    futures = {pool.submit(task): region for region, task in tasks.items()}
    pool.stack.callback(lambda: [future.cancel() for future in futures])  # of Ctrl-C
    broken = {}
    for future in _in_time(run, futures):
        region = futures[future]
        try:
            result = future.result()
        except BrokenExecutor:
            broken[region] = tasks[region]
            continue
        except Exception as error:
            words = f"the worker ended: {type(error).__name__}: {error}"
            result = RunRecord("", "", "failed", error=words)
        _enter(run, region, result)
    if broken:
        pool.renew()
    return broken


def _in_time(run: _Run, futures: dict[Future, str]) -> Iterator[Future]:
    """Give futures as they end; in between, look how far the others are."""
    waiting, told = set(futures), getattr(run.progress, "notebooks", None)
    while waiting:
        done, waiting = wait(waiting, _LOOK_EVERY, FIRST_COMPLETED)
        started = {futures[f] for f in waiting if f.running()}
        if new := [r for r in started if run.records[r].status != "running"]:
            for region in new:
                run.records[region].status = "running"
            run.save()
        yield from done
        if told:
            records = run.folder.glob(f"*/{RECORD}")
            told(sum(len(read_record(path.parent)) for path in records), run.steps)


def _enter(run: _Run, region: str, result: RunRecord) -> None:
    record = run.records[region]
    record.status, record.error = result.status, result.error
    record.seconds, record.notebooks = result.seconds, result.notebooks
    if run.storage and run.elsewhere:
        run.storage.fetch(f"runs/{run.folder.name}/{record.folder}", (".csv", ".json"))
    else:
        run.send(record.folder)
    if region != COMPANY:
        _add_sums(record, run.folder)
    run.report(record)


def _add_sums(record: RunRecord, run: Path) -> None:
    """Recompute what was allocated from the table that was written."""
    path = run / record.folder / "tables" / "allocation.csv"
    if not path.is_file() or record.target is None:
        return
    goals = read_table(path)["goal"]
    cents = int(to_units(goals, 0.01).sum()) if len(goals) else 0
    record.allocated = cents / 100
    record.gap = (cents - round(record.target * 100)) / 100


def _run_company(run: _Run, task: RegionTask, pool: Pool) -> None:
    parts = [*run.records.values()]
    target, allocated = (
        round(sum(getattr(r, n) or 0 for r in parts), 2) for n in ("target", "allocated")
    )
    run.records[COMPANY] = RunRecord(
        COMPANY,
        "company",
        "running",
        target,
        allocated,
        round(allocated - target, 2),
        sum(r.reps or 0 for r in parts),
    )
    run.save()
    _run_all(run, {COMPANY: task}, pool)
