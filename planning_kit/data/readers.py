"""Read any source into a raw table of text: every cell as it was written, with its row number."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from planning_kit.data.text_files import TextFile, link_to, open_text_file
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
_EXCEL = (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods")
_NUMERIC = re.compile(r"^(DECIMAL|DOUBLE|FLOAT|REAL)")
_CHUNK_ROWS = 50_000
_GUESSED = "the file is not UTF-8 and was read as Windows-1252 (Western Europe)"
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


def literal(text: object) -> str:
    """Write a text as an SQL literal."""
    return "'" + str(text).replace("'", "''") + "'"


def read_raw(
    con: duckdb.DuckDBPyConnection,
    name: str,
    section: Mapping[str, Any],
    folder: Path,
    scratch: Path,
) -> list[dict[str, Any]]:
    """Read a source into the table ``raw_<name>``: ``_file``, ``_row`` and every column as text.

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
        Lines of text files that do not fit their header (file, row, message).

    Raises
    ------
    DataError
        The source cannot be read at all.
    """
    if "database" in section:
        _read_database(con, name, section)
        return []
    if "sql" in section:
        _read_sql(con, name, str(section["sql"]), str(section.get("decimal", ".")))
        return []
    con.execute(f"DROP TABLE IF EXISTS {quoted('raw_' + name)}")
    rejected: list[dict[str, Any]] = []
    for number, path in enumerate(_paths(name, section, folder)):
        rejected += _read_file(con, name, path, section, scratch, first=number == 0)
    return rejected


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
    *,
    first: bool,
) -> list[dict[str, Any]]:
    ending = path.suffix.lower()
    decimal = str(section.get("decimal", "."))
    if ending in _EXCEL:
        table = _excel_as_text(path, section)
        _append(
            con,
            name,
            path.name,
            "SELECT * FROM table",
            list(table.columns),
            decimal,
            first,
            table,
            header_rows=1 + int(section.get("skip_rows", 0)),
        )
        return []
    if ending in (".parquet", ".pq"):
        link = link_to(path, scratch, ".parquet")
        query = f"SELECT * FROM read_parquet({literal(link)})"
        columns = [column[0] for column in con.execute(f"DESCRIBE {query}").fetchall()]
        _append(con, name, path.name, query, columns, decimal, first, header_rows=0)
        return []
    text = open_text_file(
        path,
        scratch,
        encoding=str(section.get("encoding", "")),
        delimiter=str(section.get("delimiter", "")),
        skip_rows=int(section.get("skip_rows", 0)),
    )
    query = _csv_query(text)
    rows_above = 1 + int(section.get("skip_rows", 0))
    _append(con, name, path.name, query, list(text.header), decimal, first, header_rows=rows_above)
    lines = con.execute(
        "SELECT line, any_value(error_message) FROM reject_errors GROUP BY line ORDER BY line"
    ).fetchall()
    con.execute("DELETE FROM reject_errors; DELETE FROM reject_scans")
    above = int(section.get("skip_rows", 0))
    faults = [{"file": path.name, "row": line + above, "message": why} for line, why in lines]
    if text.guessed:
        faults.append({"file": path.name, "row": None, "message": _GUESSED, "status": "review"})
    return faults


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
    file: str,
    query: str,
    columns: list[str],
    decimal: str,
    first: bool,
    table: pd.DataFrame | None = None,
    *,
    header_rows: int,
) -> None:
    """Add rows to the raw table; files of one source may have their columns in any order."""
    if table is not None:
        con.register("table", table)
        query = 'SELECT * FROM "table"'
    types = {row[0]: row[1] for row in con.execute(f"DESCRIBE {query}").fetchall()}
    as_text = ", ".join(f"{_text_of(c, types[c], decimal)} AS {quoted(c)}" for c in columns)
    select = (
        f"SELECT {literal(file)} AS _file, row_number() OVER () + {header_rows} AS _row, "
        f"{as_text} FROM ({query})"
    )
    raw = quoted(f"raw_{name}")
    try:
        con.execute(
            f"CREATE TABLE {raw} AS {select}" if first else f"INSERT INTO {raw} BY NAME {select}"
        )
    except duckdb.Error as error:
        raise DataError(f"{file}: cannot be read: {_first_line(error)}") from None
    if table is not None:
        con.unregister("table")


def _text_of(column: str, kind: str, decimal: str) -> str:
    text = f"CAST({quoted(column)} AS VARCHAR)"
    if decimal != "." and _NUMERIC.match(kind):
        text = f"replace({text}, '.', {literal(decimal)})"
    return text


def _first_line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), "unknown fault")[:300]


# --- Excel ---------------------------------------------------------------------------------------


def _excel_as_text(path: Path, section: Mapping[str, Any]) -> pd.DataFrame:
    import python_calamine

    try:
        book = python_calamine.CalamineWorkbook.from_path(str(path))
    except Exception as error:
        raise DataError(f"{path.name}: not a workbook that can be read: {error}.") from None
    sheet = str(section.get("sheet", "")) or book.sheet_names[0]
    require_labels([sheet], book.sheet_names, f"{path.name}, sheets")
    rows = book.get_sheet_by_name(sheet).to_python(skip_empty_area=False)
    rows = rows[int(section.get("skip_rows", 0)) :]
    header = [_cell_text(cell, ".") or "" for cell in rows[0]] if rows else []
    names = [name.strip() for name in header]
    if not any(names):
        raise DataError(f"{path.name}, sheet {sheet!r}: the first row should name the columns.")
    named = [(place, name) for place, name in enumerate(names) if name]
    twice = sorted({name for _, name in named if names.count(name) > 1})
    if twice:
        raise DataError(f"{path.name}, sheet {sheet!r}: the header has {twice[0]!r} twice.")
    decimal = str(section.get("decimal", "."))
    return pd.DataFrame(
        {name: [_cell_text(row[place], decimal) for row in rows[1:]] for place, name in named},
        dtype="object",
    ).astype("str")


def _cell_text(cell: object, decimal: str) -> str | None:
    if cell is None or cell == "":
        return None
    if isinstance(cell, bool):
        return str(cell).upper()
    if isinstance(cell, float):
        text = str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
        return text.replace(".", decimal)
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ")
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, Decimal):
        return format(cell, "f").replace(".", decimal)
    return str(cell)


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
            f"CREATE OR REPLACE TABLE {quoted('raw_' + name)} AS SELECT 'sql' AS _file, "
            f"row_number() OVER () AS _row, {as_text} FROM ({body})"
        )
    except duckdb.Error as error:
        raise DataError(f"{where}: {_first_line(error)}") from None


def _read_database(con: duckdb.DuckDBPyConnection, name: str, section: Mapping[str, Any]) -> None:
    raw, first, count = quoted(f"raw_{name}"), True, 0
    for chunk in database_chunks(name, section):
        con.register("chunk", chunk)
        select = f"SELECT 'database' AS _file, row_number() OVER () + {count} AS _row, * FROM chunk"
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
    decimal = str(section.get("decimal", "."))
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
        cells = [[_cell_text(cell, decimal) for cell in row] for row in rows]
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
