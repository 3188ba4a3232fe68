"""From raw text to a canonical table: columns, values, constants, month columns, types."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import duckdb

from planning_kit.data.months import months_of
from planning_kit.data.notation import (
    error_sql,
    is_error,
    literal,
    notation_faults,
    number_sql,
    texts,
    why_no_number,
)
from planning_kit.data.readers import FILE, READER_OPTIONS, ROW, quoted
from planning_kit.data.schema import TABLES, Column, Table
from planning_kit.messages import MORE, DataError, nearest, require_labels

KINDS = {
    "amount": "DECIMAL(28,6)",
    "number": "DECIMAL(28,6)",
    "share": "DECIMAL(28,6)",
    "date": "DATE",
    "text": "VARCHAR",
}
_SECTION_KEYS = (
    *READER_OPTIONS,
    "file",
    "sql",
    "database",
    "columns",
    "values",
    "constants",
    "unpivot",
)
_BLANKS = "' ' || chr(9) || chr(10) || chr(13) || chr(160) || chr(65279)"
_PERIOD, _VALUE = " period", " value"  # of months side by side; no header begins with a blank
_UNPIVOT_KEYS = ("columns", "name_to", "value_to", "format", "year")
_MOST_ROWS = 50


@dataclass(frozen=True)
class SourceMapping:
    """How one source fills one canonical table (checked content of its section)."""

    table: Table
    section: Mapping[str, Any]
    from_column: Mapping[str, str]
    constants: Mapping[str, str]
    values: Mapping[str, Mapping[str, str]]
    unpivot: Mapping[str, Any] = field(default_factory=dict)
    unused: tuple[str, ...] = ()


def read_mapping(name: str, section: Mapping[str, Any], header: list[str]) -> SourceMapping:
    """Check a section of `plan.toml` against the table it fills and the columns that are there.

    Raises
    ------
    DataError
        Naming every unknown key and column, each with the nearest known one.
    """
    table, faults = TABLES[name], []

    def check(given: Any, known: Any, what: str) -> None:
        try:
            require_labels(given, known, f"sources.{name}{what}")
        except DataError as error:
            faults.append(str(error))

    check(section, _SECTION_KEYS, "")
    faults += [f"sources.{name}: {fault}." for fault in notation_faults(section)]
    parts = {key: section.get(key, {}) for key in ("columns", "values", "constants", "unpivot")}
    for key, part in parts.items():
        if not isinstance(part, Mapping):
            raise DataError(f"sources.{name}.{key}: write it as a section with named values.")
    columns = {str(k): str(v) for k, v in parts["columns"].items()}
    check(columns, table.names, ".columns")
    check(columns.values(), header, ".columns (names in the file)")
    check(parts["constants"], table.names, ".constants")
    check(parts["values"], table.names, ".values")
    unpivot = parts["unpivot"]
    same = {c: c for c in table.names if c in header and c not in columns}
    from_column = {**same, **columns}
    year = str(unpivot.get("year", ""))
    melted: list[str] = []
    if unpivot:
        check(unpivot, _UNPIVOT_KEYS, ".unpivot")
        check([year] if year else [], header, ".unpivot year (names in the file)")
        free = [c for c in header if c not in (*from_column.values(), year)]
        melted = _melted_columns(name, unpivot, free, faults)
    used = {*from_column.values(), *melted, year}
    mapping = SourceMapping(
        table=table,
        section=section,
        from_column=from_column,
        constants={str(k): _constant(v) for k, v in parts["constants"].items()},
        values={
            str(k): {str(a): str(b) for a, b in dict(v).items()} for k, v in parts["values"].items()
        },
        unpivot={**unpivot, "columns": melted, "year": year} if unpivot else {},
        unused=tuple(column for column in header if column not in used),
    )
    faults += _missing_columns(mapping)
    if year:
        meant = mapping.values.get(str(unpivot.get("name_to")), {})
        wrong = months_of(melted, meant)[1]
        advice = f'say [sources.{name}.values.{unpivot.get("name_to")}] "HEADER" = "01"'
        faults += [f"sources.{name}.unpivot: {fault}; {advice}." for fault in wrong]
    if faults:
        raise DataError(" ".join(faults))
    return mapping


def _constant(value: Any) -> str:
    return str(value).upper() if isinstance(value, bool) else str(value)


def _melted_columns(
    name: str, unpivot: Mapping[str, Any], header: list[str], faults: list[str]
) -> list[str]:
    table = TABLES[name]
    for key in ("columns", "name_to", "value_to"):
        if key not in unpivot:
            faults.append(f"sources.{name}.unpivot needs {key}.")
    for key in ("name_to", "value_to"):
        if key in unpivot and unpivot[key] not in table.names:
            faults.append(f"sources.{name}.unpivot {key}: no column {unpivot[key]!r} in {name}.")
    patterns = unpivot.get("columns", [])
    patterns = [patterns] if isinstance(patterns, str) else list(patterns)
    found = [c for c in header if any(fnmatch.fnmatchcase(c, str(p)) for p in patterns)]
    if patterns and not found:
        faults.append(
            f"sources.{name}.unpivot: no column looks like {', '.join(map(str, patterns))}."
        )
    return found


def _missing_columns(mapping: SourceMapping) -> list[str]:
    there = {*mapping.from_column, *mapping.constants}
    there |= {mapping.unpivot.get("name_to", ""), mapping.unpivot.get("value_to", "")}
    faults = []
    for column in mapping.table.columns:
        if column.needed and column.name not in there:
            near = nearest(column.name, mapping.unused)
            hint = near or "NAME IN THE FILE"
            faults.append(
                f"sources.{mapping.table.name}: no column for {column.name} ({column.meaning}); "
                f'say [sources.{mapping.table.name}.columns] {column.name} = "{hint}". '
                f"The file has: {', '.join(mapping.unused[:12]) or 'no other columns'}."
            )
    return faults


def make_table(con: duckdb.DuckDBPyConnection, mapping: SourceMapping) -> list[dict[str, Any]]:
    """Create ``plan.<table>`` from ``raw_<table>``; give every cell that cannot be read.

    Returns
    -------
    list of dict
        Problem rows (see `planning_kit.messages.PROBLEM_COLUMNS`).
    """
    table = mapping.table
    source = _unpivoted(mapping)
    written = {column.name: _text_of(mapping, column) for column in table.columns}
    con.execute(
        f"CREATE OR REPLACE TEMP VIEW mapped AS SELECT {FILE} AS _file, {ROW} AS _row, "
        + ", ".join(f"{text} AS {quoted(name)}" for name, text in written.items())
        + f" FROM {source}"
    )
    typed = {c.name: _typed(mapping, c) for c in table.columns}
    content = " OR ".join(f"{quoted(c)} IS NOT NULL" for c in _written_columns(mapping)) or "true"
    con.execute(
        f"CREATE OR REPLACE TABLE plan.{table.name} AS SELECT _file, _row, "
        + ", ".join(f"{sql} AS {quoted(name)}" for name, sql in typed.items())
        + f" FROM mapped WHERE {content}"
    )
    return _unreadable(con, mapping, typed) + _trimmed(con, mapping)


def _written_columns(mapping: SourceMapping) -> list[str]:
    """Columns that come from the file: a row with none of them filled is a blank line."""
    names = [*mapping.from_column]
    return names + ([mapping.unpivot["value_to"]] if mapping.unpivot and not names else [])


def _unpivoted(mapping: SourceMapping) -> str:
    raw = quoted(f"raw_{mapping.table.name}")
    if not mapping.unpivot:
        return raw
    columns = ", ".join(quoted(c) for c in mapping.unpivot["columns"])
    return f"(FROM {raw} UNPIVOT INCLUDE NULLS ({quoted(_VALUE)} FOR {quoted(_PERIOD)} IN ({columns})))"


def _source_column(mapping: SourceMapping, name: str) -> str | None:
    if mapping.unpivot and name == mapping.unpivot["name_to"]:
        return _PERIOD
    if mapping.unpivot and name == mapping.unpivot["value_to"]:
        return _VALUE
    return mapping.from_column.get(name)


def _text_of(mapping: SourceMapping, column: Column) -> str:
    source = _source_column(mapping, column.name)
    fallback = mapping.constants.get(column.name)
    if source is None:
        return "CAST(NULL AS VARCHAR)" if fallback is None else literal(fallback)
    if source == _PERIOD and mapping.unpivot["year"]:
        return _year_and_month(mapping)
    text = f"nullif(trim({quoted(source)}, {_BLANKS}), '')"
    empty = mapping.section.get("empty", [])
    for token in [empty] if isinstance(empty, str) else empty:
        text = f"nullif({text}, {literal(token)})"
    changes = mapping.values.get(column.name, {})
    if changes:
        cases = " ".join(f"WHEN {literal(a)} THEN {literal(b)}" for a, b in changes.items())
        text = f"CASE {text} {cases} ELSE {text} END"
    return text if fallback is None else f"coalesce({text}, {literal(fallback)})"


def _year_and_month(mapping: SourceMapping) -> str:
    """Write the first day of the month of a header in the year beside it; no year: no day."""
    unpivot = mapping.unpivot
    months, _ = months_of(unpivot["columns"], mapping.values.get(unpivot["name_to"], {}))
    cases = " ".join(f"WHEN {literal(a)} THEN {literal(f'-{b:02d}-01')}" for a, b in months.items())
    # A spreadsheet may write the number of the year as 2025.0.
    year = f"regexp_replace(trim({quoted(unpivot['year'])}, {_BLANKS}), '[.,]0+$', '')"
    return f"nullif({year}, '') || CASE {quoted(_PERIOD)} {cases} END"


def _typed(mapping: SourceMapping, column: Column) -> str:
    name, kind = quoted(column.name), KINDS[column.kind]
    if column.kind == "text":
        return name
    if column.kind == "date":
        return _date(mapping, column)
    return number_sql(mapping.section, name, kind)


def _date(mapping: SourceMapping, column: Column) -> str:
    name = quoted(column.name)
    formats = texts(mapping.section.get("date_format", ""))
    if mapping.unpivot and column.name == mapping.unpivot["name_to"]:
        formats = texts(mapping.unpivot.get("format", "")) or formats
    iso = (
        f"CASE WHEN regexp_matches({name}, '^[0-9]{{4}}-[0-9]{{1,2}}-[0-9]{{1,2}}($|[ T])') "
        f"THEN TRY_CAST(split_part(split_part({name}, ' ', 1), 'T', 1) AS DATE) END"
    )
    given = [f"CAST(try_strptime({name}, {literal(f)}) AS DATE)" for f in formats]
    day = f"coalesce({', '.join([*given, iso])})" if given else iso
    if column.name == "ends_on":  # 9999-12-31 and the like mean "still open"
        day = f"CASE WHEN {day} < DATE '2200-01-01' THEN {day} END"
    return day


def _unreadable(
    con: duckdb.DuckDBPyConnection, mapping: SourceMapping, typed: Mapping[str, str]
) -> list[dict[str, Any]]:
    columns = [
        c
        for c in mapping.table.columns
        if _source_column(mapping, c.name) or c.name in mapping.constants
    ]
    if not columns:
        return []
    bad = {c.name: _is_bad(c, typed[c.name]) for c in columns}
    counts = con.execute(
        "SELECT " + ", ".join(f"count(*) FILTER ({sql})" for sql in bad.values()) + " FROM mapped"
    ).fetchone()
    rows: list[dict[str, Any]] = []
    for column, count in zip(columns, counts or (), strict=True):
        if not count:
            continue
        found = con.execute(
            f"SELECT _file, _row, {quoted(column.name)} FROM mapped WHERE {bad[column.name]} "
            f"ORDER BY _file, _row LIMIT {_MOST_ROWS}"
        ).fetchall()
        for file, row, value in found:
            rows.append(_unreadable_problem(mapping, column, file, row, value))
        if count > len(found):
            rows.append(
                {
                    **rows[-1],
                    "row": None,
                    "value": "",
                    "message": f"{count - len(found):,} {MORE}",
                }
            )
    return rows


def _is_bad(column: Column, typed: str) -> str:
    name = quoted(column.name)
    if column.kind == "text":
        return error_sql(name)
    open_end = f" AND {name} NOT LIKE '9999-%'" if column.name == "ends_on" else ""
    return f"{name} IS NOT NULL AND ({typed}) IS NULL{open_end}"


def _unreadable_problem(
    mapping: SourceMapping, column: Column, file: str, row: int, value: str
) -> dict[str, Any]:
    table, name = mapping.table.name, column.name
    source = _source_column(mapping, name)
    shown = name if source in (None, name, _PERIOD, _VALUE) else f"{name} ({source})"
    rule = "error" if is_error(value) else "date" if column.kind == "date" else "number"
    message, advice = _why_unreadable(mapping, rule, value)
    return {
        "status": "fail",
        "table": table,
        "file": file,
        "row": row,
        "column": shown,
        "value": value,
        "rule": rule,
        "message": message,
        "advice": advice,
    }


def _why_unreadable(mapping: SourceMapping, rule: str, value: str) -> tuple[str, str]:
    section = f"[sources.{mapping.table.name}]"
    if rule == "error":
        return (
            f"{value} is the error of a formula, not a value",
            f'correct the formula, or say {section} empty = ["{value}"] if it means that nobody '
            "knows",
        )
    if rule == "number":
        return why_no_number(mapping.section, value, section)
    if value[:4].isdigit() and value.count("-") == 2:
        return f"{value!r} is not a day of the calendar", "correct the day in the file"
    return (
        f"{value!r} is not a day written like 2026-01-31",
        f'say {section} date_format = "%d.%m.%Y" (or as the file writes days)',
    )


def _trimmed(con: duckdb.DuckDBPyConnection, mapping: SourceMapping) -> list[dict[str, Any]]:
    """Find names that had blanks around them: they are trimmed, and it is said."""
    rows: list[dict[str, Any]] = []
    for column in mapping.table.columns:
        source = mapping.from_column.get(column.name)
        if column.kind != "text" or source is None:
            continue
        raw = quoted(source)
        found = con.execute(
            f"SELECT {FILE}, {ROW}, {raw}, count(*) OVER () "
            f"FROM {quoted('raw_' + mapping.table.name)} "
            f"WHERE {raw} <> trim({raw}, {_BLANKS}) ORDER BY {FILE}, {ROW} LIMIT 1"
        ).fetchone()
        if found:
            file, row, value, count = found
            rows.append(
                {
                    "status": "review",
                    "table": mapping.table.name,
                    "file": file,
                    "row": row,
                    "column": column.name,
                    "value": value,
                    "rule": "blanks",
                    "message": f"{count:,} cells have blanks around them; read without",
                    "advice": "nothing to do, unless the blanks mean something",
                }
            )
    return rows
