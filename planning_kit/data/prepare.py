"""Read, check and sum the inputs once, and leave one partition a region."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from planning_kit import __version__
from planning_kit.data.checker import CheckLimits
from planning_kit.data.checks import check_tables, problems_table
from planning_kit.data.derive import derive
from planning_kit.data.fan_out import partition_queries
from planning_kit.data.kept import (
    changed_tables,
    partition_name,
    sign_tables,
    table_digests,
    table_path,
)
from planning_kit.data.labels import labels_of_plan
from planning_kit.data.load import LoadedTables, load_tables
from planning_kit.data.notation import literal
from planning_kit.data.problems import name_records
from planning_kit.data.readers import source_files
from planning_kit.data.region import review_months
from planning_kit.data.schema import TABLES
from planning_kit.messages import DataError, UsageError, shorten
from planning_kit.plan import Plan, write_atomically

FORMAT = 6  # of the prepared folder; a change makes every plan prepare again
KEPT = 3
_LABELLED = ("reps", "territories", "products")  # tables whose rows a scenario may name
_DAY = 86_400.0
_TRIES = 3  # files that are replaced while they are read are read again
_States = dict[Path, tuple[int, ...]]
log = logging.getLogger("planning_kit")


@dataclass(frozen=True)
class Prepared:
    """The prepared inputs of a plan.

    Attributes
    ----------
    folder : Path
        Holds `prepared.json`, ``company/`` and one folder a region.
    facts : dict
        Content of `prepared.json`: regions with their folders, reviewed results, row counts,
        fingerprint of the inputs, time of reading.
    problems : pandas.DataFrame
        What `check` found (`planning_kit.messages.PROBLEM_COLUMNS`); nothing that stops the plan.
    """

    folder: Path
    facts: dict[str, Any]
    problems: pd.DataFrame

    @property
    def regions(self) -> list[str]:
        """Regions in the order of the plan."""
        return [region["name"] for region in self.facts["regions"]]

    def region_folder(self, region: str | None) -> Path:
        """Give the partition of a region (None: the company)."""
        return self.folder / partition_name(region)

    def inputs_digest(self, region: str | None) -> str:
        """Digest what the notebooks of a region read: its partition, and the labels of all."""
        everybody = table_digests(self.region_folder(None))
        sales = [row["last_day"] for row in self.facts["coverage"] if row["table"] == "sales"]
        labels = {name: everybody.get(name) for name in _LABELLED}
        made_of = [table_digests(self.region_folder(region)), labels, self.regions, sales]
        return hashlib.sha256(json.dumps(made_of).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def check_plan(plan: Plan) -> pd.DataFrame:
    """Read and check all inputs; give every problem, also sources that cannot be read at all."""
    try:
        with load_tables(plan) as loaded:
            return _problems(plan, loaded)
    except DataError as error:
        if error.problems is None:
            raise
        return error.problems


def _problems(plan: Plan, loaded: LoadedTables) -> pd.DataFrame:
    settings = plan.settings
    limits = CheckLimits(
        first_day=settings.starts_on.replace(year=settings.starts_on.year - settings.history_years),
        last_day=settings.ends_on,
        starts_on=settings.starts_on,
        max_lost_share=settings.max_lost_share,
        regions=plan.regions,
    )
    rows = loaded.problems + check_tables(loaded.con, limits)
    unreadable = {_cell(row) for row in loaded.problems}
    rows = [r for r in rows if r["rule"] not in ("missing", "empty") or _cell(r) not in unreadable]
    if not any(row["status"] == "fail" for row in rows):
        rows += derive(loaded.con, settings)
    name_records(loaded.con, rows)
    return problems_table(rows)


def _cell(problem: dict[str, Any]) -> tuple[Any, ...]:
    column = problem["column"].partition(" (")[0]  # "amount (Betrag)" is the kit's amount
    return problem["table"], problem["file"], problem["row"], column


def prepare(plan: Plan, *, fresh: bool = False) -> Prepared:
    """Prepare the inputs, or take over what was prepared from the same inputs before.

    What lies there is taken over only as it was written; where a table was changed since, one
    line says so (logger ``planning_kit``) and the inputs are prepared again.

    Parameters
    ----------
    plan
        The plan.
    fresh
        Read databases again; without it a plan that reads a database takes what was read last.

    Raises
    ------
    DataError
        Something stops the plan (``problems`` of the error has every single problem), or files
        go on changing while they are read.
    """
    for _ in range(_TRIES):
        states = _file_states(plan)
        fingerprint = input_fingerprint(plan)
        folder = _prepared_before(plan, fingerprint, fresh=fresh)
        if folder is None:
            folder = _prepare_anew(plan, fingerprint, states)
        if folder is not None:
            return open_prepared(folder)
    raise DataError(
        "The files of the plan change while they are read; start again when the export has ended."
    )


def _prepared_before(plan: Plan, fingerprint: str, *, fresh: bool) -> Path | None:
    there = [p for p in _home(plan).glob(f"{fingerprint}*") if (p / "prepared.json").is_file()]
    if not there or (fresh and _reads_database(plan)):
        return None
    folder = max(there, key=_last_use)
    changed = changed_tables(folder)
    if not changed:
        return folder
    log.warning(
        "%s changed after %s prepared; the inputs are prepared again.",
        shorten(changed),
        "it was" if len(changed) == 1 else "they were",
    )
    shutil.rmtree(folder, ignore_errors=True)
    return None


def _prepare_anew(plan: Plan, fingerprint: str, states: _States) -> Path | None:
    """Prepare under the digest of the inputs; None: a file changed between digest and reading."""
    home = _home(plan)
    # What a database says now is another input under the same plan: it gets a folder of its own.
    folder = home / (f"{fingerprint}-{time.time_ns():x}" if _reads_database(plan) else fingerprint)
    with load_tables(plan) as loaded:
        if _file_states(plan) != states:
            return None
        problems = _problems(plan, loaded)
        stop_on_problems(problems)
        made = home / f".{fingerprint}-{os.getpid()}-{time.monotonic_ns()}"
        try:
            _write(plan, loaded, problems, made, folder.name)
            _publish(made, folder)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    _forget_old(home, folder)
    return folder


def _reads_database(plan: Plan) -> bool:
    return any("database" in section for section in plan.sources.values())


def open_prepared(folder: Path) -> Prepared:
    """Open what `prepare` left.

    Raises
    ------
    DataError
        Another version of the kit prepared it.
    """
    facts = json.loads((folder / "prepared.json").read_text(encoding="utf-8"))
    if facts["format"] != FORMAT:
        raise DataError(
            f"{folder}: another version of planning-kit prepared these inputs; start a new run."
        )
    with suppress(OSError):  # a read-only copy is as good
        os.utime(folder / "prepared.json")
    problems = pd.DataFrame(facts.pop("problems"), columns=facts.pop("problem_columns"))
    return Prepared(folder, facts, problems)


def stop_on_problems(problems: pd.DataFrame) -> None:
    """Stop with the first problems when any of them fails the plan.

    Raises
    ------
    DataError
        With the table of all problems.
    """
    failed = problems[problems["status"] == "fail"]
    if failed.empty:
        return
    first = failed.iloc[0]
    where = ", ".join(
        str(part) for part in (first["table"], first["file"], first["column"]) if str(part)
    )
    row = "" if pd.isna(first["row"]) else f", row {first['row']}"
    more = f" And {len(failed) - 1:,} more; see: planning-kit check." if len(failed) > 1 else ""
    raise DataError(f"{where}{row}: {first['message']}; {first['advice']}.{more}", problems)


def input_fingerprint(plan: Plan) -> str:
    """Digest of everything the prepared tables depend on: the plan, its files, this format."""
    digest = hashlib.sha256(f"format {FORMAT}, version {__version__}".encode())
    written = (asdict(plan.settings), plan.sources, plan.files, plan.regions)
    digest.update(json.dumps(written, default=str, sort_keys=True).encode("utf-8", "surrogatepass"))
    for path in _source_paths(plan):
        digest.update(path.name.encode("utf-8", "surrogateescape"))
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def _source_paths(plan: Plan) -> list[Path]:
    paths: list[Path] = []
    for name, section in (*plan.sources.items(), *plan.files.items()):
        with suppress(DataError):  # load_tables names it together with everything else
            paths += source_files(section, name, plan.folder)
    return paths


def _file_states(plan: Plan) -> _States:
    """Give what changes whenever anybody writes to a file or puts another in its place."""
    found = {path: path.stat() for path in _source_paths(plan)}
    return {
        path: (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
        for path, state in found.items()
    }


def _home(plan: Plan) -> Path:
    """Beside the plan; in the user's cache where the plan's folder is read-only."""
    home = plan.folder / ".prepared"
    try:
        home.mkdir(exist_ok=True)
        return home
    except OSError:
        name = hashlib.sha256(str(plan.folder).encode()).hexdigest()[:16]
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        home = home / "planning-kit" / name
        home.mkdir(parents=True, exist_ok=True)
        return home


def _publish(made: Path, folder: Path) -> None:
    """Give the folder its name; a process that was first keeps it: others may read it already."""
    try:
        made.rename(folder)
    except OSError:
        if not (folder / "prepared.json").is_file():
            raise


def _forget_old(home: Path, keep: Path) -> None:
    """Throw away what no run has opened for a day, but for the newest few."""
    others = [p for p in home.iterdir() if p.name[0] != "." and p != keep]
    folders = sorted(others, key=_last_use)
    for folder in folders[: max(0, len(folders) - KEPT + 1)]:
        if time.time() - _last_use(folder) > _DAY:
            shutil.rmtree(folder, ignore_errors=True)


def _last_use(folder: Path) -> float:
    try:
        return (folder / "prepared.json").stat().st_mtime
    except OSError:  # another process is throwing it away
        return time.time()


# --- writing -------------------------------------------------------------------------------------


def _write(
    plan: Plan, loaded: LoadedTables, problems: pd.DataFrame, folder: Path, fingerprint: str
) -> None:
    con = loaded.con
    regions = _regions(con, plan)
    for region in (None, *regions):
        _write_partition(con, plan, region, folder / partition_name(region))
    facts = {
        "format": FORMAT,
        "fingerprint": fingerprint,
        "read_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "given": list(loaded.given),
        "unused": {name: list(columns) for name, columns in loaded.unused.items()},
        "regions": [
            {"name": r, "folder": partition_name(r), "reviewed": _reviewed(con, plan, r)}
            for r in regions
        ],
        "labels": labels_of_plan(con, regions),
        "coverage": _coverage(con),
        "problem_columns": list(problems.columns),
        "problems": json.loads(problems.to_json(orient="values")),
    }
    write_atomically(folder / "prepared.json", json.dumps(facts, ensure_ascii=False, indent=1))


def _write_partition(
    con: duckdb.DuckDBPyConnection, plan: Plan, region: str | None, folder: Path
) -> None:
    folder.mkdir(parents=True)
    queries = partition_queries(con, plan.settings, region)
    for table, query in queries.items():
        con.execute(f"COPY ({query}) TO {literal(table_path(folder, table))} (FORMAT parquet)")
    sign_tables(folder, queries)


def _regions(con: duckdb.DuckDBPyConnection, plan: Plan) -> list[str]:
    if plan.regions:
        return list(plan.regions)
    found = con.execute("SELECT DISTINCT region FROM plan.territories ORDER BY 1").fetchall()
    return [row[0] for row in found]


def _reviewed(con: duckdb.DuckDBPyConnection, plan: Plan, region: str) -> float:
    row = con.execute(
        "SELECT coalesce(sum(amount), 0)::DOUBLE FROM made.sales "
        "WHERE region = ? AND month BETWEEN ? AND ?",
        [region, *review_months(plan.settings)],
    ).fetchone()
    return float(row[0]) if row else 0.0


def _coverage(con: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    days = {
        "sales": "sold_on",
        "goals": "starts_on",
        "proposals": "starts_on",
        "opportunities": "created_on",
        "activities": "done_on",
        "events": "starts_on",
        "assignments": "starts_on",
        "evidence": "starts_on",
        "answers": "answered_on",
        "manager_time": "month",
        "calendar": "day",
    }
    rows = []
    for name, table in TABLES.items():
        day = days.get(name, "NULL")
        filled = ", ".join(f"count({c.name})" for c in table.columns)
        first, last, *counts = con.execute(
            f"SELECT min({day})::VARCHAR, max({day})::VARCHAR, count(*), {filled} FROM plan.{name}"
        ).fetchone() or (None, None, 0)
        empty = [c.name for c, n in zip(table.columns, counts[1:], strict=False) if not n]
        rows.append(
            {
                "table": name,
                "rows": counts[0],
                "first_day": first,
                "last_day": last,
                "empty_columns": empty,
            }
        )
    return rows


def require_region(prepared: Prepared, region: str) -> None:
    """Check that a region is one of the plan's.

    Raises
    ------
    UsageError
        Naming the nearest one.
    """
    from planning_kit.messages import require_labels

    try:
        require_labels([region], prepared.regions, "region")
    except DataError as error:
        raise UsageError(str(error)) from None
