"""Load every source of a plan into one scratch database, in canonical form."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pandas as pd

from planning_kit.data.checks import problems_table
from planning_kit.data.mapping import KINDS, make_table, read_mapping
from planning_kit.data.readers import FILE, READER_OPTIONS, ROW, quoted, read_raw
from planning_kit.data.schema import TABLES
from planning_kit.messages import PROBLEM_COLUMNS, DataError, require_labels
from planning_kit.plan import Plan

_MEMORY = "1GB"  # of the reader; a bigger file is worked through on disk


@dataclass
class LoadedTables:
    """The canonical tables in DuckDB (schema ``plan``), and what could not be read.

    Attributes
    ----------
    con : duckdb.DuckDBPyConnection
        Connection; ``plan.<table>`` has ``_file``, ``_row`` and the canonical columns.
    problems : list of dict
        Problem rows found while reading.
    given : tuple of str
        Tables the plan has a source for.
    unused : dict
        Columns of each source that nothing reads.
    """

    con: duckdb.DuckDBPyConnection
    problems: list[dict[str, Any]] = field(default_factory=list)
    given: tuple[str, ...] = ()
    unused: dict[str, tuple[str, ...]] = field(default_factory=dict)


@contextmanager
def load_tables(plan: Plan) -> Iterator[LoadedTables]:
    """Read all sources of a plan; the scratch database lives as long as the ``with`` block.

    Raises
    ------
    DataError
        A source cannot be read at all, or a required table has no source; all of them at once.
    """
    with TemporaryDirectory(prefix="planning-kit-", ignore_cleanup_errors=True) as folder:
        scratch = Path(folder)
        loaded = LoadedTables(_connect(scratch))
        faults = _check_sources(plan)
        try:
            if not faults:
                _read_everything(plan, scratch, loaded, faults)
            if faults:
                raise DataError(_all_faults(faults), _as_problems(faults))
            yield loaded
        finally:
            loaded.con.close()


def _connect(scratch: Path, *, locked: bool = False) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect(str(scratch / "tables.duckdb"))
    con.execute(f"SET memory_limit = '{_MEMORY}'")
    con.execute("SET autoinstall_known_extensions = false; SET autoload_known_extensions = false")
    con.execute(f"SET threads = {min(4, os.cpu_count() or 1)}")
    con.execute("SET preserve_insertion_order = true; SET enable_progress_bar = false")
    con.execute("SET python_enable_replacements = false")  # a table's name never means a variable
    con.execute("CREATE SCHEMA IF NOT EXISTS plan")
    if locked:
        con.execute("SET enable_external_access = false; SET lock_configuration = true")
    return con


def _all_faults(faults: list[str]) -> str:
    return (
        faults[0]
        if len(faults) == 1
        else f"{len(faults)} sources cannot be read: " + " | ".join(faults)
    )


def _as_problems(faults: list[str]) -> pd.DataFrame:
    rows = [
        ("fail", "sources", "plan.toml", None, "", "", "source", fault, "correct plan.toml")
        for fault in faults
    ]
    return problems_table([dict(zip(PROBLEM_COLUMNS, row, strict=True)) for row in rows])


def _check_sources(plan: Plan) -> list[str]:
    faults = []
    try:
        require_labels(plan.sources, TABLES, "plan.toml, [sources]")
    except DataError as error:
        faults.append(str(error))
    missing = [t.name for t in TABLES.values() if t.required and t.name not in plan.sources]
    if missing:
        faults.append(
            f"plan.toml: no source for {', '.join(missing)}; these tables are needed to start. "
            "Write [sources.<table>] file = ... for each."
        )
    return faults


def _read_everything(plan: Plan, scratch: Path, loaded: LoadedTables, faults: list[str]) -> None:
    plain = {n: s for n, s in plan.sources.items() if "sql" not in s or "database" in s}
    queries = {n: s for n, s in plan.sources.items() if n not in plain}
    for name, section in plan.files.items():
        _attempt(faults, require_labels, section, ("file", *READER_OPTIONS), f"files.{name}")
        _attempt(faults, _read_one, plan, scratch, loaded, f"file_{name}", section)
    for name, section in plain.items():
        _attempt(faults, _read_one, plan, scratch, loaded, name, section)
    if queries and not faults:
        _run_queries(plan, scratch, loaded, queries, faults)
    for name, section in plan.sources.items():
        if not faults or _exists(loaded, name):
            _attempt(faults, _make_one, loaded, name, section)
    loaded.given = tuple(n for n in TABLES if n in plan.sources)
    if not faults:
        for name in TABLES:
            if name not in plan.sources:
                _make_empty(loaded, name)


def _attempt(faults: list[str], step: Any, *arguments: Any) -> None:
    try:
        step(*arguments)
    except DataError as error:
        faults.append(str(error))


def _read_one(plan: Plan, scratch: Path, loaded: LoadedTables, name: str, section: Any) -> None:
    table = name.removeprefix("file_")
    found = read_raw(loaded.con, name, section, plan.folder, scratch)
    loaded.problems += [{"table": table, **fault} for fault in found]


def _run_queries(
    plan: Plan, scratch: Path, loaded: LoadedTables, queries: Any, faults: list[str]
) -> None:
    """Run the analyst's SQL on a connection that cannot reach files, and then open it again."""
    for name in plan.files:
        loaded.con.execute(
            f"CREATE OR REPLACE VIEW {quoted(name)} AS SELECT * EXCLUDE ({FILE}, {ROW}) "
            f"FROM {quoted('raw_file_' + name)}"
        )
    loaded.con.close()
    loaded.con = _connect(scratch, locked=True)
    for name, section in queries.items():
        _attempt(faults, read_raw, loaded.con, name, section, plan.folder, scratch)
    loaded.con.close()
    loaded.con = _connect(scratch)


def _exists(loaded: LoadedTables, name: str) -> bool:
    found = loaded.con.execute(
        "SELECT count(*) FROM duckdb_tables() WHERE table_name = ?", [f"raw_{name}"]
    ).fetchone()
    return bool(found and found[0])


def _make_one(loaded: LoadedTables, name: str, section: Any) -> None:
    described = loaded.con.execute(f"DESCRIBE {quoted('raw_' + name)}").fetchall()
    header = [row[0] for row in described[2:]]  # the first two say where a row comes from
    mapping = read_mapping(name, section, header)
    loaded.problems += make_table(loaded.con, mapping)
    loaded.unused[name] = mapping.unused
    loaded.con.execute(f"DROP TABLE {quoted('raw_' + name)}")


def _make_empty(loaded: LoadedTables, name: str) -> None:
    columns = ", ".join(f"{quoted(c.name)} {KINDS[c.kind]}" for c in TABLES[name].columns)
    loaded.con.execute(
        f"CREATE OR REPLACE TABLE plan.{name} (_file VARCHAR, _row BIGINT, {columns})"
    )
