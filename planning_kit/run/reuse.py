"""Nothing twice: take over what an earlier run made from the same things."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, replace
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from planning_kit import __version__
from planning_kit.data import Prepared
from planning_kit.plan import SECTIONS, Plan, Scenario, Targets, bundled, write_atomically
from planning_kit.run.options import BatchOptions
from planning_kit.run.parameters import read_cells
from planning_kit.run.task import Basis, RegionTask
from planning_kit.steps import MADE_BY, STEPS
from planning_kit.walk.company import agreed_under

_WHOLE = "_whole.json"  # in a complete run: what it was made from, and when its files were written
RECORD = "_done.json"  # in a region's folder: what each notebook was made from, and its files
LOOK_BACK = 5  # runs
PACKAGES = ("pandas", "numpy", "scipy", "altair", "duckdb", "papermill", "nbconvert", "ipykernel")
_KEYS = "tables/_made.json"  # in a region's folder: what each kept table was made from
_PLACES = ("plan_folder", "run_folder", "scenario")


def digest(value: Any) -> str:
    """Digest any plain value."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def file_digest(path: Path) -> str:
    """Digest a file; empty where there is none."""
    try:
        return _of_bytes(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return ""


def _of_bytes(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


def run_basis(
    plan: Plan, inputs: str, scenario: Scenario, agreement: Mapping[str, Any], runs: Iterable[Path]
) -> Basis:
    """Digest what the notebooks of a run rest on; ``runs`` are earlier ones, newest first."""
    written = sorted((plan.papers / "scenarios").glob("*.toml"))
    return Basis(
        inputs,
        package_digest(),
        {section: scenario.digest([section]) for section in SECTIONS},
        digest({path.name: file_digest(path) for path in written}),
        digest(agreement),
        digest(agreed_under(agreement["totals"], scenario.name)),
        tuple(map(str, runs)),
    )


@cache
def package_digest() -> str:
    """Digest the kit as it is installed, also where somebody is editing it."""
    package, report = Path(__file__).parents[1], bundled("templates") / "report"
    files = [*package.rglob("*.py"), *(p for p in report.rglob("*") if p.is_file())]
    parts = [(path.name, file_digest(path)) for path in sorted(files)]
    return digest([__version__, sys.version, *map(metadata.version, PACKAGES), parts])


def source_digest(notebook: Path) -> str:
    """Digest what a notebook says and does, without its outputs."""
    return digest(read_cells(notebook))


def region_digest(plan: Plan, prepared: Prepared, region: str, target: float) -> str:
    """Digest what a region's notebooks read of the inputs: its partition, target and labels."""
    settings = replace(plan.settings, targets=Targets())  # another region's is not read here
    return digest([asdict(settings), prepared.inputs_digest(region), target])


def made_from(notebook: Path, task: RegionTask) -> dict[str, str]:
    """Say what a notebook's result depends on, part by part, each as a digest."""
    basis, source = task.basis, source_digest(notebook)
    known = bundled("notebooks") / notebook.name
    is_ours = known.is_file() and source_digest(known) == source
    step = STEPS.get(notebook.stem) if is_ours else None
    tables = _tables_before(notebook.stem, task, is_ours)
    scenario = digest([basis.scenario, basis.scenarios, basis.totals])
    inputs, agreement = basis.inputs, basis.agreement
    if step:
        agreement = (task.agreement or agreement) if step.reads_agreement else ""
        inputs = digest([basis.inputs, task.inputs]) if step.whole_plan else task.inputs or inputs
    if step and step.scenario is not None and all(tables.values()):
        sections = ("name", *step.scenario)  # the region's target is among its inputs
        scenario = digest({section: basis.scenario.get(section) for section in sections})
    values = {k: v for k, v in task.parameters_of(notebook).items() if k not in _PLACES}
    return {
        "notebook": source,
        "planning-kit": basis.package,
        "inputs": inputs,
        "parameters": digest(values),
        "scenario": scenario,
        "tables": digest(tables),
        "agreement": agreement,
        "report": digest([task.html, os.environ.get("PLANNING_CHARTS")]),
    }


def _tables_before(notebook: str, task: RegionTask, is_ours: bool) -> dict[str, str]:
    """Digest the tables a notebook may read: ours read those that steps share, others any."""
    folder = Path(task.folder)
    if task.of_company:
        names = sorted(MADE_BY) if is_ours else ["*"]
        paths = sorted(p for name in names for p in folder.parent.glob(f"*/tables/{name}.csv"))
        others = [p for p in paths if p.parents[1] != folder]
        return {str(p.relative_to(folder.parent)): file_digest(p) for p in others}
    if is_ours:
        names = sorted(name for name, maker in MADE_BY.items() if maker < notebook)
        return {name: file_digest(folder / "tables" / f"{name}.csv") for name in names}
    before = [e for name, e in read_record(folder).items() if name < notebook]
    return {name: d for e in before for name, d in e["files"].items() if name.endswith(".csv")}


# --- the whole run ------------------------------------------------------------------------------


def run_key(basis: Basis, notebooks: Iterable[Path], options: BatchOptions) -> str:
    """Digest all that a run is made from: two runs with one key have the same results."""
    sources = {notebook.stem: source_digest(notebook) for notebook in notebooks}
    asked = [sorted(set(options.regions)), dict(options.parameters), options.html]
    charts = os.environ.get("PLANNING_CHARTS")
    return digest([asdict(replace(basis, runs=())), sources, asked, charts])


def remember(run: Path, key: str) -> None:
    """Write down what a complete run was made from."""
    write_atomically(run / _WHOLE, json.dumps({"key": key, "files": _stamps(run)}))


def unchanged_run(basis: Basis, key: str) -> Path | None:
    """Give an earlier run with this key of which nobody has touched a file since."""
    for run in map(Path, basis.runs):
        known = _read_json(run / _WHOLE)
        if known.get("key") == key and known["files"] == _stamps(run):
            return run
    return None


def _stamps(run: Path) -> dict[str, list[int]]:
    """Give size and time of change of every file; reading them all would take a second."""
    found = {}
    for folder, _, names in os.walk(run):
        for name in set(names) - {_WHOLE}:
            path = os.path.join(folder, name)
            facts = os.stat(path)
            found[os.path.relpath(path, run)] = [facts.st_size, facts.st_mtime_ns]
    return found


# --- what a region's folder says ---------------------------------------------------------------


def read_record(folder: Path) -> dict[str, dict[str, Any]]:
    """Read what each finished notebook of a region was made from; empty where nobody knows."""
    return _read_json(folder / RECORD)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write_record(folder: Path, record: Mapping[str, Any]) -> None:
    write_atomically(folder / RECORD, json.dumps(record, ensure_ascii=False, indent=1))


def write_down(notebook: Path, task: RegionTask, parts: Mapping[str, str]) -> None:
    """Write down what a finished notebook was made from, and a digest of each of its files."""
    folder = Path(task.folder)
    record = read_record(folder)
    others = {name for entry in record.values() for name in entry["files"]}
    files = {name: file_digest(folder / name) for name in sorted(_files_of(folder) - others)}
    entry = {"parts": parts, "files": files, "run": folder.parent.name}
    _write_record(folder, {**record, notebook.stem: entry})


def _files_of(folder: Path) -> set[str]:
    """List the files of a region's folder that notebooks wrote."""
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file()
        and path.name not in (RECORD, "_made.json")
        and not path.name.startswith(".")
    }


def take_over(
    notebook: Path, task: RegionTask, parts: Mapping[str, str]
) -> tuple[list[str] | None, str]:
    """Take a notebook's result over from this run or an earlier one, where nothing changed.

    Every file is compared with its digest: what somebody edited since is made anew.

    Returns
    -------
    tuple
        Its files or None, and the reason in words.
    """
    folder, reason = Path(task.folder), "not made before"
    for run in (folder.parent, *map(Path, task.basis.runs)):
        entry = read_record(run / folder.name).get(notebook.stem)
        if entry is None:
            continue
        changed = [name for name, part in parts.items() if entry["parts"].get(name) != part]
        if not changed and _copied(run / folder.name, folder, notebook.stem, entry):
            return list(entry["files"]), f"unchanged since run {entry['run']}"
        if reason == "not made before":
            changed = changed or ["its files"]
            reason = f"changed since run {entry['run']}: {', '.join(changed)}"
    return None, reason


def _copied(source: Path, target: Path, notebook: str, entry: Mapping[str, Any]) -> bool:
    """Copy a notebook's result with its records, where every file is as it was written."""
    try:
        contents = {name: (source / name).read_bytes() for name in entry["files"]}
    except OSError:
        return False
    if any(_of_bytes(content) != entry["files"][name] for name, content in contents.items()):
        return False
    if source != target:
        for name, content in contents.items():
            write_atomically(target / name, content)
        _write_record(target, {**read_record(target), notebook: entry})
        keys = _read_json(source / _KEYS)
        here = {name: key for name, key in keys.items() if f"tables/{name}.csv" in contents}
        made = json.dumps({**_read_json(target / _KEYS), **here}, indent=1, sort_keys=True)
        write_atomically(target / _KEYS, made)
    return True


def forget(folder: Path, kept: Collection[str], also: Collection[str] = ()) -> None:
    """Throw away what an interrupted or outdated notebook left, so that no other one reads it.

    Parameters
    ----------
    folder
        The region's folder.
    kept
        Notebooks whose results stay.
    also
        Further files that stay.
    """
    record = {name: entry for name, entry in read_record(folder).items() if name in kept}
    stays = {*also, *(name for entry in record.values() for name in entry["files"])}
    gone = _files_of(folder) - stays
    if not gone and record == read_record(folder):
        return
    _write_record(folder, record)
    for name in gone:
        (folder / name).unlink(missing_ok=True)
