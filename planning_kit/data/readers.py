"""Read any source into a raw table of text: every cell as it was written, with its row number."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from planning_kit.data.notation import cell_text, decimal_mark, literal
from planning_kit.data.text_files import Swallowed, TextFile, link_to, open_text_file
from planning_kit.data.workbooks import ERRORS_UNSEEN, WORKBOOKS, sheet_as_text
from planning_kit.messages import DataError, require_labels

READER_OPTIONS = (
    "encoding",
    "delimiter",
    "decimal",
    "thousands",
    "currency_sign",
    "date_format",
    "empty",
    "sheet",
    "skip_rows",
)
# Columns of a raw table that say where a row comes from. Names in headers begin with no blank, so
# a source may have columns of any name.
FILE, ROW = '" file"', '" row"'
SQL, DATABASE = " (SQL)", " (database)"  # after a table's name: what stands for the file of a query
_NUMERIC = re.compile(r"^(DECIMAL|DOUBLE|FLOAT|REAL)")
_CHUNK_ROWS = 50_000
_ONE_SELECT = re.compile(
    r"(\s|--[^\n]*\n|(?>/\*.*?\*/)|\()*(SELECT|WITH|VALUES|TABLE)\b", re.IGNORECASE | re.DOTALL
)
_URL_FORM = (
    "write it as kind+driver://user:password@host/name, with %40 for an @ in the password, "
    "or sqlite:////full/path/of/a/file/that/exists.db"
)


def quoted(name: str) -> str:
    """Quote a name for SQL."""
    return '"' + name.replace('"', '""') + '"'


def read_raw(
    con: duckdb.DuckDBPyConnection,
    name: str,
    section: Mapping[str, Any],
    folder: Path,
    scratch: Path,
) -> list[dict[str, Any]]:
    """Read a source into the table ``raw_<name>``: `FILE`, `ROW` and every column as text.

    Parameters
    ----------
    con
        Connection that gets the table.
    name
        Canonical table, or name of a ``[files.<name>]`` section.
    section
        The section of `plan.toml`: one of ``file``, ``sql``, ``database``, and reader options.
    folder
        The plan folder; paths are relative to it.
    scratch
        Folder for copies that are thrown away.

    Returns
    -------
    list of dict
        What is odd about the files: ``status``, ``file``, ``row``, ``column``, ``value``,
        ``rule``, ``message``, ``advice``.

    Raises
    ------
    DataError
        The source cannot be read at all.
    """
    if "database" in section:
        _read_database(con, name, section)
        return []
    if "sql" in section:
        _read_sql(con, name, str(section["sql"]), decimal_mark(section))
        return []
    con.execute(f"DROP TABLE IF EXISTS {quoted('raw_' + name)}")
    found: list[dict[str, Any]] = []
    files = _labels(name, _paths(name, section, folder), folder)
    for label, path in files.items():
        first = label == next(iter(files))
        for fault in _read_file(con, name, path, section, scratch, label, first=first):
            found.append({**_NO_CELL, "file": label, **fault})
    if len(files) > 1:
        _refuse_copies(con, name)
    return found


def _paths(name: str, section: Mapping[str, Any], folder: Path) -> list[Path]:
    written = section.get("file")
    if not isinstance(written, str | list) or not written:
        raise DataError(
            f"sources.{name}: say where it comes from: file = ..., sql = ... or database = ..."
        )
    paths: list[Path] = []
    for pattern in [written] if isinstance(written, str) else written:
        path = folder / str(pattern)
        if path.is_file():
            paths.append(path)
        else:
            found = sorted(glob.glob(str(path))) if "*" in str(pattern) else []
            if not found:
                raise DataError(_no_file(name, path, str(pattern)))
            paths += [Path(match) for match in found]
    return paths


def _labels(name: str, paths: list[Path], folder: Path) -> dict[str, Path]:
    """Name every file of a source as problems name it: with its folder where names repeat."""
    names = [path.name for path in paths]
    if len(set(names)) < len(names):
        names = [os.path.relpath(path, folder) for path in paths]
    twice = sorted({label for label in names if names.count(label) > 1})
    if twice:
        raise DataError(f"sources.{name}: file names {twice[0]!r} twice; name it once.")
    return dict(zip(names, paths, strict=True))


def _no_file(name: str, path: Path, written: str) -> str:
    there = sorted(p.name for p in path.parent.glob("*") if p.is_file())
    try:
        require_labels([path.name], there, f"sources.{name}: no file {written!r}")
    except DataError as error:
        return str(error)
    return f"sources.{name}: {written!r} cannot be read."


def source_files(section: Mapping[str, Any], name: str, folder: Path) -> list[Path]:
    """List the files a source reads (none for a database or SQL)."""
    return _paths(name, section, folder) if "file" in section else []


def _read_file(
    con: duckdb.DuckDBPyConnection,
    name: str,
    path: Path,
    section: Mapping[str, Any],
    scratch: Path,
    label: str,
    *,
    first: bool,
) -> list[dict[str, Any]]:
    ending, above = path.suffix.lower(), int(section.get("skip_rows", 0))
    append = partial(_append, con, name, label, decimal_mark(section), first=first)
    if ending in WORKBOOKS:
        con.register("sheet", sheet_as_text(path, section))
        append("SELECT * FROM sheet", above + 1)
        con.unregister("sheet")
        return [_ERRORS_UNSEEN] if ending in ERRORS_UNSEEN else []
    if ending in (".parquet", ".pq"):
        link = link_to(path, scratch, ".parquet")
        append(f"SELECT * FROM read_parquet({literal(link)})", 0)
        return []
    text = open_text_file(
        path,
        scratch,
        encoding=str(section.get("encoding", "")),
        delimiter=str(section.get("delimiter", "")),
        skip_rows=above,
    )
    rows = append(_csv_query(text), above + 1)
    rejected = con.execute(
        "SELECT line, any_value(error_message) FROM reject_errors GROUP BY line ORDER BY line"
    ).fetchall()
    con.execute("DELETE FROM reject_errors; DELETE FROM reject_scans")
    faults = [{**_SHAPE, "row": line + above, "message": why} for line, why in rejected]
    faults += [_swallowed(cell) for cell in text.swallowed]
    if text.rows not in (None, rows) and not faults:
        faults.append({**_LOST, "message": _LOST["message"].format(rows, text.rows)})
    if text.guessed:
        faults.append({**_GUESSED, "advice": _GUESSED["advice"].format(name)})
    return faults


_NO_CELL: dict[str, Any] = {"row": None, "column": "", "value": ""}
_SHAPE = {
    "status": "fail",
    "rule": "shape",
    "advice": "correct the line: it does not have the columns of the header",
}
_LOST = {
    "status": "fail",
    "rule": "quotes",
    "message": "{:,} of {:,} rows arrived: quotes or line ends are not where they belong",
    "advice": "export the file again, as CSV UTF-8",
}
_GUESSED = {
    "status": "review",
    "rule": "encoding",
    "message": "the file is not UTF-8 and was read as Windows-1252 (Western Europe)",
    "advice": 'if letters look wrong, say [sources.{}] encoding = "cp1250" (or as it is)',
}
_ERRORS_UNSEEN = {
    "status": "review",
    "rule": "error",
    "message": "in a file of this kind a failed formula (#N/A, #REF!) looks like an empty cell",
    "advice": "save it as .xlsx if it has formulas",
}


def _swallowed(cell: Swallowed) -> dict[str, Any]:
    return {
        "status": "fail" if cell.certain else "review",
        "rule": "quotes",
        "row": cell.row,
        "column": cell.column,
        "value": cell.begins,
        "message": f"one cell goes on over {cell.lines:,} more lines, and each looks like a row of "
        "its own: it begins with a quote that does not belong there",
        "advice": 'take the quote out, or write it twice ("") where it belongs to the text',
    }


def _refuse_copies(con: duckdb.DuckDBPyConnection, name: str) -> None:
    """Refuse two files with the same rows: what is in them would count twice.

    Raises
    ------
    DataError
        Naming them all.
    """
    raw = quoted(f"raw_{name}")
    columns = ", ".join(quoted(row[0]) for row in con.execute(f"DESCRIBE {raw}").fetchall()[2:])
    same = con.execute(
        f"SELECT string_agg({FILE}, ' and ' ORDER BY {FILE}) AS files, n FROM (SELECT {FILE}, "
        f"count(*) AS n, sum(hash({columns})) AS content FROM {raw} GROUP BY 1) "
        "GROUP BY n, content HAVING count(*) > 1 ORDER BY 1"
    ).fetchall()
    if same:
        pairs = "; ".join(f"{files} ({rows:,} rows)" for files, rows in same)
        raise DataError(
            f"sources.{name}: the same rows stand in two files and would count twice: {pairs}. "
            "Take one of them away, or name the right files one by one."
        )


def _csv_query(text: TextFile) -> str:
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in text.header)
    return (
        f"SELECT * FROM read_csv({literal(text.path)}, delim={literal(text.delimiter)}, "
        f"header=true, columns={{{columns}}}, quote='\"', escape='\"', auto_detect=false, "
        "store_rejects=true, rejects_limit=1000, strict_mode=true, nullstr='', "
        "max_line_size=10000000)"
    )


def _append(
    con: duckdb.DuckDBPyConnection,
    name: str,
    label: str,
    decimal: str,
    query: str,
    rows_above: int,
    *,
    first: bool,
) -> int:
    """Add rows to the raw table, and count them; files may have their columns in any order."""
    raw = quoted(f"raw_{name}")
    try:
        types = {row[0]: row[1] for row in con.execute(f"DESCRIBE {query}").fetchall()}
        as_text = ", ".join(f"{_text_of(c, types[c], decimal)} AS {quoted(c)}" for c in types)
        select = (
            f"SELECT {literal(label)} AS {FILE}, row_number() OVER () + {rows_above} AS {ROW}, "
            f"{as_text} FROM ({query})"
        )
        done = con.execute(
            f"CREATE TABLE {raw} AS {select}" if first else f"INSERT INTO {raw} BY NAME {select}"
        ).fetchone()
    except duckdb.Error as error:
        raise DataError(f"{label}: cannot be read: {_first_line(error)}") from None
    return int(done[0]) if done else 0


def _text_of(column: str, kind: str, decimal: str) -> str:
    text = f"CAST({quoted(column)} AS VARCHAR)"
    if decimal != "." and _NUMERIC.match(kind):
        text = f"replace({text}, '.', {literal(decimal)})"
    return text


def _first_line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), "unknown fault")[:300]


# --- SQL -----------------------------------------------------------------------------------------


def _read_sql(con: duckdb.DuckDBPyConnection, name: str, query: str, decimal: str) -> None:
    """Run the analyst's SELECT over the ``[files]`` tables; nothing outside can be reached."""
    where = f"sources.{name}.sql"
    try:
        statements = duckdb.extract_statements(query)
    except duckdb.Error as error:
        raise DataError(f"{where}: {_first_line(error)}") from None
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise DataError(f"{where}: write exactly one SELECT; sources are only read.")
    body = query.strip().rstrip(";")
    try:
        types = {row[0]: row[1] for row in con.execute(f"DESCRIBE {body}").fetchall()}
        as_text = ", ".join(f"{_text_of(c, types[c], decimal)} AS {quoted(c)}" for c in types)
        con.execute(
            f"CREATE OR REPLACE TABLE {quoted('raw_' + name)} AS SELECT {literal(name + SQL)} AS {FILE}, "
            f"row_number() OVER () AS {ROW}, {as_text} FROM ({body})"
        )
    except duckdb.Error as error:
        raise DataError(f"{where}: {_first_line(error)}") from None


def _read_database(con: duckdb.DuckDBPyConnection, name: str, section: Mapping[str, Any]) -> None:
    raw, first, count = quoted(f"raw_{name}"), True, 0
    for chunk in database_chunks(name, section):
        con.register("chunk", chunk)
        select = (
            f"SELECT {literal(name + DATABASE)} AS {FILE}, row_number() OVER () + {count} AS {ROW}, * "
            "FROM chunk"
        )
        con.execute(
            f"CREATE OR REPLACE TABLE {raw} AS {select}" if first else f"INSERT INTO {raw} {select}"
        )
        con.unregister("chunk")
        first, count = False, count + len(chunk)


def database_chunks(name: str, section: Mapping[str, Any]) -> Iterator[pd.DataFrame]:
    """Read a query of a database in chunks of text, in a transaction that cannot write.

    Raises
    ------
    DataError
        The environment variable is not set, the database cannot be reached, or the query fails.
        The URL, which may hold a password, is never part of a message.
    """
    where = f"sources.{name}"
    variable = str(section["database"])
    query = str(section.get("sql", ""))
    if not _ONE_SELECT.match(query):
        raise DataError(f"{where}: a database source needs sql = 'SELECT ...'; it is only read.")
    url = os.environ.get(variable, "")
    if not url:
        raise DataError(
            f"{where}: the environment variable {variable!r} is not set; it holds the database "
            "URL, for example postgresql+psycopg://user:password@host/sales."
        )
    try:
        import sqlalchemy as sa
    except ImportError:
        raise DataError(
            f'{where}: databases need: pip install "planning-kit[databases]".'
        ) from None
    decimal = decimal_mark(section)
    try:
        with _connect_to_read(url) as connection:
            yield from _query_chunks(connection, query, decimal)
    except ImportError as error:
        raise DataError(f"{where}: the driver of this database is missing: {error}.") from None
    except sa.exc.NoSuchModuleError:
        raise DataError(f"{where} ({variable}): no such kind of database; {_URL_FORM}.") from None
    except sa.exc.ArgumentError:  # its words may repeat the URL
        raise DataError(f"{where} ({variable}): the URL cannot be used; {_URL_FORM}.") from None
    except sa.exc.SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or "the URL or the query cannot be used"
        raise DataError(f"{where} ({variable}): {_first_line(Exception(str(cause)))}") from None


def _connect_to_read(url: str) -> Any:
    """Connect in a transaction that cannot write; ArgumentError where the URL is at fault."""
    import sqlalchemy as sa

    try:
        address = sa.make_url(url)
        if "@" in (address.host or ""):  # a part of the password would be shown as the host
            raise ValueError("the password has an @")
        _require_database_file(address.get_backend_name(), address.database or "")
        # Without a pool nothing stays connected once the rows are here.
        connection = sa.create_engine(address, poolclass=sa.NullPool).connect()
    except (ValueError, TypeError) as error:
        raise sa.exc.ArgumentError(str(error)) from None
    kind = connection.dialect.name
    # Rows by a cursor of the server also mean that a second statement, which could end the
    # transaction and write after it, is refused.
    options = {"postgresql_readonly": True} if kind == "postgresql" else {}
    if kind == "sqlite":
        connection.exec_driver_sql("PRAGMA query_only = ON")
    return connection.execution_options(stream_results=True, no_parameters=True, **options)


def _query_chunks(connection: Any, query: str, decimal: str) -> Iterator[pd.DataFrame]:
    # The query goes to the driver as it is written: ":name" and "%" in it are text.
    result = connection.exec_driver_sql(query)
    columns = list(result.keys())
    rows = result.fetchmany(_CHUNK_ROWS)
    while True:
        cells = [[cell_text(cell, decimal) for cell in row] for row in rows]
        yield pd.DataFrame(cells, columns=columns, dtype="object").astype("str")
        rows = result.fetchmany(_CHUNK_ROWS)
        if not rows:
            break
    connection.rollback()


def _require_database_file(kind: str, path: str) -> None:
    """SQLite makes an empty file of a name it does not find: never do that to a source."""
    in_memory = path in ("", ":memory:") or path.startswith("file:")
    if kind == "sqlite" and not in_memory and not Path(path).is_file():
        raise ValueError("no such file")
