"""Nothing twice: take over what an earlier run made from the same things."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from planning_kit import __version__
from planning_kit.data import Prepared
from planning_kit.plan import SECTIONS, Plan, bundled, write_atomically
from planning_kit.run.parameters import read_cells
from planning_kit.steps import MADE_BY, STEPS

_WHOLE = "_whole.json"  # in a complete run: what it was made from, and when its files were written
RECORD = "_done.json"  # in a region's folder: what each notebook was made from, and its files
LOOK_BACK = 5  # runs
PACKAGES = ("pandas", "numpy", "scipy", "altair", "duckdb", "papermill", "nbconvert", "ipykernel")
_OWN = (RECORD, "_made.json")
_LABELLED = ("reps", "territories", "products")  # tables that a scenario may name rows of
_PLACES = ("plan_folder", "run_folder", "scenario")


@dataclass(frozen=True)
class Basis:
    """What all notebooks of a run rest on, as digests; plain values, so that it can travel.

    Attributes
    ----------
    inputs : str
        Fingerprint of the prepared inputs.
    package : str
        Of the kit's source files, of Python and of the packages that make numbers.
    scenario : dict
        Of each section of the run's scenario.
    files : dict
        Of every scenario file and of the agreement log, by path.
    earlier : tuple of str
        Folders of earlier runs, newest first.
    """

    inputs: str
    package: str
    scenario: dict[str, str]
    files: dict[str, str]
    earlier: tuple[str, ...] = ()

    def is_unmoved(self) -> bool:
        """Say whether scenarios and agreement log are still what they were at the start."""
        return all(file_digest(Path(path)) == digest for path, digest in self.files.items())


def digest(value: Any) -> str:
    """Digest any plain value."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def file_digest(path: Path) -> str:
    """Digest a file; empty where there is none."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:32]
    except (FileNotFoundError, NotADirectoryError):
        return ""


def run_basis(plan: Plan, inputs: str, scenario: str, earlier: Iterable[Path]) -> Basis:
    """Digest what the notebooks of a run rest on."""
    chosen = plan.scenario(scenario)
    names = {*plan.scenario_names(), scenario}
    files = [plan.folder / "scenarios" / f"{name}.toml" for name in sorted(names)]
    log = plan.agreement_file
    files += [log, log.with_name(f"{log.name}-wal")]
    return Basis(
        inputs,
        package_digest(),
        {section: chosen.digest([section]) for section in SECTIONS},
        {str(path): file_digest(path) for path in files},
        tuple(map(str, earlier)),
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
    files = sorted(prepared.region_folder(region).iterdir())
    files += [prepared.region_folder("") / f"{name}.parquet" for name in _LABELLED]
    known = [row["last_day"] for row in prepared.facts["coverage"] if row["table"] == "sales"]
    settings = file_digest(plan.folder / "plan.toml")
    return digest([settings, prepared.regions, known, target, *map(file_digest, files)])


def made_from(
    notebook: Path,
    basis: Basis,
    folder: Path,
    parameters: Mapping[str, Any],
    *,
    html: bool,
    of_region: str = "",
) -> dict[str, str]:
    """Say what a notebook's result depends on, part by part, each as a digest.

    Parameters
    ----------
    notebook, basis
        The notebook and what the run rests on.
    folder
        The region's folder of the run, where earlier notebooks left tables.
    parameters
        Those that the notebook takes.
    html
        Whether a report is written too.
    of_region
        Digest of the region's inputs, see `region_digest`; empty: there is none.
    """
    name, source = notebook.stem, source_digest(notebook)
    known = bundled("notebooks") / notebook.name
    is_ours = known.is_file() and source_digest(known) == source
    tables = _tables_before(name, folder, is_ours)
    log = {path: d for path, d in basis.files.items() if not path.endswith(".toml")}
    step = STEPS.get(name) if is_ours else None
    if step and step.scenario is not None and all(tables.values()):
        sections = ("name", "targets", *step.scenario)
        scenario = digest({section: basis.scenario.get(section) for section in sections})
        log = log if step.reads_agreement else {}
    else:
        files = {Path(path).name: d for path, d in basis.files.items() if path not in log}
        scenario = digest([basis.scenario, files])
    return {
        "notebook": source,
        "planning-kit": basis.package,
        "inputs": of_region if of_region and step and not step.whole_plan else basis.inputs,
        "parameters": digest({k: v for k, v in parameters.items() if k not in _PLACES}),
        "scenario": scenario,
        "tables": digest(tables),
        "agreement": digest([*log.values()]),
        "report": digest([html, os.environ.get("PLANNING_CHARTS")]),
    }


def _tables_before(notebook: str, folder: Path, is_ours: bool) -> dict[str, str]:
    """Digest the tables a notebook may read: ours read those that steps share, others any."""
    if folder.name == "company":
        names = sorted(MADE_BY) if is_ours else ["*"]
        paths = sorted(p for name in names for p in folder.parent.glob(f"*/tables/{name}.csv"))
        others = [p for p in paths if p.parents[1] != folder]
        return {str(p.relative_to(folder.parent)): file_digest(p) for p in others}
    if is_ours:
        names = sorted(name for name, maker in MADE_BY.items() if maker < notebook)
        return {name: file_digest(folder / "tables" / f"{name}.csv") for name in names}
    earlier = [e for name, e in read_record(folder).items() if name < notebook]
    return {name: d for e in earlier for name, d in e["files"].items() if name.endswith(".csv")}


# --- the whole run ------------------------------------------------------------------------------


def run_key(basis: Basis, notebooks: Iterable[Path], asked: Mapping[str, Any]) -> str:
    """Digest all that a run is made from: two runs with one key have the same results."""
    sources = {notebook.stem: source_digest(notebook) for notebook in notebooks}
    parts = [basis.inputs, basis.package, basis.scenario, basis.files, sources, asked]
    return digest([*parts, os.environ.get("PLANNING_CHARTS")])


def remember(run: Path, key: str) -> None:
    """Write down what a complete run was made from, unless something moved meanwhile."""
    records = [read_record(path.parent) for path in run.glob(f"*/{RECORD}")]
    if all(entry["parts"] for record in records for entry in record.values()):
        write_atomically(run / _WHOLE, json.dumps({"key": key, "files": _stamps(run)}))


def unchanged_run(basis: Basis, key: str) -> Path | None:
    """Give an earlier run with this key of which nobody has touched a file since."""
    for run in map(Path, basis.earlier):
        with suppress(OSError, ValueError):
            known = json.loads((run / _WHOLE).read_text(encoding="utf-8"))
            if known["key"] == key and known["files"] == _stamps(run):
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
    try:
        content = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write it, atomically."""
    write_atomically(folder / RECORD, json.dumps(record, ensure_ascii=False, indent=1))


def files_of(folder: Path) -> set[str]:
    """List the files of a region's folder that notebooks wrote."""
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in _OWN and not path.name.startswith(".")
    }


def take_over(
    folder: Path, notebook: str, parts: Mapping[str, str], basis: Basis, key: str
) -> tuple[dict[str, Any] | None, str]:
    """Take a notebook's result over from this run or an earlier one, where nothing changed.

    Every file is compared with its digest: what somebody edited since is made anew.

    Returns
    -------
    tuple
        Its record or None, and the reason in words.
    """
    reason = "not made before"
    for run in (folder.parent, *map(Path, basis.earlier)):
        entry = read_record(run / folder.name).get(notebook)
        if entry is None or not entry.get("parts"):
            continue
        changed = [name for name, part in parts.items() if entry["parts"].get(name) != part]
        if not changed and _copy(run / folder.name, folder, entry["files"]):
            _enter(folder, notebook, entry, key)
            return entry, f"unchanged since run {entry['run']}"
        if reason == "not made before":
            changed = changed or ["its files"]
            reason = f"changed since run {entry['run']}: {', '.join(changed)}"
    return None, reason


def _copy(source: Path, target: Path, files: Mapping[str, str]) -> bool:
    with suppress(OSError):
        for name, expected in files.items():
            content = (source / name).read_bytes()
            if hashlib.sha256(content).hexdigest()[:32] != expected:
                return False
            if source != target:
                write_atomically(target / name, content)
        return True
    return False


def _enter(folder: Path, notebook: str, entry: dict[str, Any], key: str) -> None:
    """Enter what was taken over into the records of this run."""
    record = read_record(folder)
    if record.get(notebook) != entry:
        write_record(folder, {**record, notebook: entry})
    path = folder / "tables" / "_made.json"
    made = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    names = [Path(f).stem for f in entry["files"] if f.startswith("tables/") and f.endswith(".csv")]
    now = {**made, **dict.fromkeys(names, key)}
    if now != made:
        write_atomically(path, json.dumps(now, indent=1, sort_keys=True))


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
    gone = files_of(folder) - stays
    if not gone and record == read_record(folder):
        return
    write_record(folder, record)
    for name in gone:
        (folder / name).unlink(missing_ok=True)
