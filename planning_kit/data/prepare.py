"""Read, check and sum the inputs once, and leave one partition a region."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from planning_kit import __version__
from planning_kit.data.checker import CheckLimits
from planning_kit.data.checks import check_tables, problems_table
from planning_kit.data.derive import derive
from planning_kit.data.load import LoadedTables, load_tables
from planning_kit.data.readers import literal, source_files
from planning_kit.data.schema import TABLES
from planning_kit.messages import DataError, UsageError
from planning_kit.plan import Plan, Scenario, folder_name, write_atomically

FORMAT = 2  # of the prepared folder; a change makes every plan prepare again
KEPT = 3
_DAY = 86_400.0
_SHARED = ("products", "assumptions", "events")


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

    def region_folder(self, region: str) -> Path:
        """Give the partition of a region (``""``: the company)."""
        return self.folder / ("company" if not region else folder_name(region))

    def table_key(self, region: str, scenario: Scenario) -> str:
        """Digest what a region's tables of a run are made from (``""``: the company's)."""
        content = json.dumps(scenario.content, sort_keys=True, default=str)
        parts = f"{__version__}|{self.facts['fingerprint']}|{region}|{content}"
        return hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()[:16]


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
        rows += derive(loaded.con, plan)
    return problems_table(rows)


def _cell(problem: dict[str, Any]) -> tuple[Any, ...]:
    column = problem["column"].partition(" (")[0]  # "amount (Betrag)" is the kit's amount
    return problem["table"], problem["file"], problem["row"], column


def prepare(plan: Plan, *, fresh: bool = False) -> Prepared:
    """Prepare the inputs, or take over what was prepared from the same inputs before.

    Parameters
    ----------
    plan
        The plan.
    fresh
        Read databases again; without it a plan that reads a database takes what was read last.

    Raises
    ------
    DataError
        Something stops the plan; ``problems`` of the error has every single problem.
    """
    home = _home(plan)
    fingerprint = input_fingerprint(plan)
    reads_database = any("database" in section for section in plan.sources.values())
    there = [p for p in home.glob(f"{fingerprint}*") if (p / "prepared.json").is_file()]
    if there and not (fresh and reads_database):
        return open_prepared(max(there, key=_last_use))
    # What a database says now is another input under the same plan: it gets a folder of its own.
    folder = home / (f"{fingerprint}-{time.time_ns():x}" if reads_database else fingerprint)
    with load_tables(plan) as loaded:
        problems = _problems(plan, loaded)
        stop_on_problems(problems)
        made = home / f".{fingerprint}-{os.getpid()}-{time.monotonic_ns()}"
        try:
            _write(plan, loaded, problems, made, folder.name)
            _publish(made, folder)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    _forget_old(home, folder)
    return open_prepared(folder)


def open_prepared(folder: Path) -> Prepared:
    """Open what `prepare` left."""
    facts = json.loads((folder / "prepared.json").read_text(encoding="utf-8"))
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
    """Digest of everything the prepared tables depend on: `plan.toml`, the files, this format."""
    digest = hashlib.sha256(f"format {FORMAT}, version {__version__}".encode())
    digest.update((plan.papers / "plan.toml").read_bytes())
    sections = [*plan.sources.items(), *plan.files.items()]
    for name, section in sections:
        try:
            paths = source_files(section, name, plan.folder)
        except DataError:
            continue  # load_tables names it together with everything else
        for path in paths:
            digest.update(path.name.encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


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
    _people(con, plan)
    _export(con, "company", folder, "true", regions)
    for region in regions:
        _export(con, folder_name(region), folder, f"region = {literal(region)}", [region])
    facts = {
        "format": FORMAT,
        "fingerprint": fingerprint,
        "read_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "given": list(loaded.given),
        "unused": {name: list(columns) for name, columns in loaded.unused.items()},
        "regions": [
            {"name": r, "folder": folder_name(r), "reviewed": _reviewed(con, plan, r)}
            for r in regions
        ],
        "coverage": _coverage(con),
        "problem_columns": list(problems.columns),
        "problems": json.loads(problems.to_json(orient="values")),
    }
    write_atomically(folder / "prepared.json", json.dumps(facts, ensure_ascii=False, indent=1))


def _regions(con: duckdb.DuckDBPyConnection, plan: Plan) -> list[str]:
    if plan.regions:
        return list(plan.regions)
    found = con.execute("SELECT DISTINCT region FROM plan.territories ORDER BY 1").fetchall()
    return [row[0] for row in found]


def _reviewed(con: duckdb.DuckDBPyConnection, plan: Plan, region: str) -> float:
    start, end = plan.settings.review_starts_on, plan.settings.review_ends_on
    row = con.execute(
        "SELECT coalesce(sum(amount), 0)::DOUBLE FROM made.sales_lines "
        "WHERE region = ? AND sold_on BETWEEN ? AND ?",
        [region, start, end],
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
        "manager_time": "month",
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


def _people(con: duckdb.DuckDBPyConnection, plan: Plan) -> None:
    """Say of every person where they work when the plan starts, and whether they carry a goal."""
    from planning_kit.data.derive import region_of

    start, review = plan.settings.starts_on, plan.settings.review_starts_on
    here = region_of(
        f"SELECT rep_id, CAST(NULL AS VARCHAR) AS territory_id, greatest(DATE '{start}', "
        f"coalesce(hired_on, DATE '{start}')) AS day FROM plan.reps"
    )
    con.execute(f"""
        CREATE OR REPLACE TABLE made.people AS
        WITH here AS ({here}),
        busy AS (SELECT DISTINCT rep_id FROM made.sales WHERE month >= DATE '{review}'
                 UNION SELECT DISTINCT rep_id FROM made.goals WHERE ends_on >= DATE '{review}'),
        bosses AS (SELECT DISTINCT manager_id AS rep_id FROM plan.reps),
        staying AS (SELECT r.*, h.region AS place,
               coalesce(r.left_on, DATE '9999-12-31') >= DATE '{start}'
               AND coalesce(r.hired_on, DATE '{start}') <= DATE '{plan.settings.ends_on}' AS stays
               FROM plan.reps r JOIN here h USING (rep_id))
        SELECT s.* EXCLUDE (_file, _row, place, stays),
               CASE WHEN stays THEN place END AS current_region, stays AS is_active,
               stays AND (s.rep_id IN (SELECT rep_id FROM busy)
                          OR (s.rep_id NOT IN (SELECT rep_id FROM bosses WHERE rep_id IS NOT NULL)
                              AND lower(coalesce(role, '')) NOT IN ('manager', 'head of sales')))
                   AS carries_goal
        FROM staying s""")


def _export(
    con: duckdb.DuckDBPyConnection, name: str, folder: Path, where: str, regions: Iterable[str]
) -> None:
    """Write the partition of one region (or the company)."""
    target = folder / name
    target.mkdir(parents=True)
    here = ", ".join(literal(r) for r in regions) or "NULL"
    one = name != "company"
    people = f"""SELECT rep_id FROM made.people WHERE current_region IN ({here}) OR region IN ({here})
        UNION SELECT rep_id FROM made.held WHERE region IN ({here})
        UNION SELECT rep_id FROM made.sales WHERE {where}
        UNION SELECT rep_id FROM made.goals WHERE {where}"""
    con.execute(f"CREATE OR REPLACE TEMP TABLE here_people AS {people}")
    con.execute(
        "CREATE OR REPLACE TEMP TABLE here_bosses AS SELECT DISTINCT manager_id AS rep_id "
        "FROM plan.reps WHERE rep_id IN (FROM here_people)"
    )
    both = "(SELECT rep_id FROM here_people UNION SELECT rep_id FROM here_bosses)"
    flags = (
        f"* REPLACE (is_active AND current_region IN ({here}) AS is_active, "
        f"carries_goal AND current_region IN ({here}) AS carries_goal)"
    )
    queries = {
        "reps": f"SELECT {flags if one else '*'} FROM made.people WHERE rep_id IN {both} ORDER BY rep_id",
        "territories": f"SELECT * EXCLUDE (_file, _row) FROM plan.territories WHERE region IN ({here}) "
        f"{'OR territory_id IN (SELECT territory_id FROM made.sales WHERE ' + where + ')' if one else ''} "
        "ORDER BY territory_id",
        "assignments": "SELECT * FROM made.assignments "
        "WHERE rep_id IN (FROM here_people) ORDER BY rep_id, territory_id, starts_on",
        "sales": f"SELECT * FROM made.sales WHERE {where} AND region IS NOT NULL ORDER BY ALL",
        "sales_lines": f"SELECT * EXCLUDE (_file, _row), _row AS source_row FROM made.sales_lines "
        f"WHERE {where} AND region IS NOT NULL ORDER BY _file, _row",
        "goals": f"SELECT * EXCLUDE (_file, _row) FROM made.goals WHERE {where} ORDER BY ALL",
        "proposals": "SELECT * EXCLUDE (_file, _row) FROM made.proposals "
        "WHERE rep_id IN (FROM here_people) ORDER BY ALL",
        "opportunities": "SELECT * EXCLUDE (_file, _row) FROM plan.opportunities "
        f"WHERE rep_id IN (FROM here_people){'' if one else ' OR true'} ORDER BY opportunity_id",
        "activities": "SELECT * EXCLUDE (_file, _row) FROM plan.activities "
        "WHERE rep_id IN (FROM here_people) ORDER BY ALL",
        "manager_time": f"SELECT * EXCLUDE (_file, _row) FROM plan.manager_time "
        f"WHERE manager_id IN {both} ORDER BY ALL",
    }
    for shared in _SHARED:
        queries[shared] = f"SELECT * EXCLUDE (_file, _row) FROM plan.{shared} ORDER BY ALL"
    if not one:
        queries.pop("sales_lines")
    for table, query in queries.items():
        con.execute(f"COPY ({query}) TO {literal(target / (table + '.parquet'))} (FORMAT parquet)")


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
