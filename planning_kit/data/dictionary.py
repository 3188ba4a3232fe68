"""The data dictionary, written from the tables themselves."""

from __future__ import annotations

from collections.abc import Iterator

from planning_kit.data.schema import TABLES

_NEEDED = {"cell": "every row", "column": "column; may be empty", "": ""}
_KINDS = {
    "text": "text",
    "date": "day, 2026-01-31",
    "amount": "amount",
    "number": "number",
    "share": "share, 0.5 is 50 %",
}


def dictionary() -> str:
    """Write the data dictionary of all canonical tables as Markdown."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# The tables"
    yield ""
    yield (
        "Every table is optional but for the four marked *needed*. An empty cell means that nobody "
        "knows; 0 means none. Names join the tables: write them the same way everywhere."
    )
    for table in TABLES.values():
        yield ""
        yield f"## {table.name}{' (needed)' if table.required else ''}"
        yield ""
        yield table.meaning + (f" One row for each {' x '.join(table.key)}." if table.key else "")
        yield ""
        yield "| column | what it holds | kind | must be filled |"
        yield "|---|---|---|---|"
        for column in table.columns:
            kind = _KINDS[column.kind]
            if column.choices:
                kind = " or ".join(column.choices)
            yield f"| `{column.name}` | {column.meaning} | {kind} | {_NEEDED[column.needed]} |"
