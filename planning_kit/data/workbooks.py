"""Excel and OpenDocument sheets as text, with the error cells that readers show as empty."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pandas as pd

from planning_kit.data.notation import cell_text, decimal_mark
from planning_kit.data.text_files import named_columns
from planning_kit.messages import DataError, require_labels

WORKBOOKS = (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods")
# In these a formula that failed looks like an empty cell, and nothing tells the two apart.
ERRORS_UNSEEN = (".xls", ".xlsb")
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_KIND = "{urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0}value-type"
_ErrorCells = dict[tuple[int, int], str]  # by row and column, from 0


def sheet_as_text(path: Path, section: Mapping[str, Any]) -> pd.DataFrame:
    """Read the sheet of a source: every cell as text, a failed formula as its error (``#N/A``).

    Raises
    ------
    DataError
        It is no workbook, has no such sheet, or its header does not name the columns.
    """
    import python_calamine

    try:
        book = python_calamine.CalamineWorkbook.from_path(str(path))
    except Exception as error:
        raise DataError(f"{path.name}: not a workbook that can be read: {error}.") from None
    sheet = str(section.get("sheet", "")) or book.sheet_names[0]
    require_labels([sheet], book.sheet_names, f"{path.name}, sheets")
    rows: list[list[Any]] = book.get_sheet_by_name(sheet).to_python(skip_empty_area=False)
    for (row, column), error_text in _error_cells(path, sheet).items():
        rows[row][column] = error_text
    rows = rows[int(section.get("skip_rows", 0)) :]
    where = f"{path.name}, sheet {sheet!r}"
    names = [(cell_text(cell, ".") or "").strip() for cell in rows[0]] if rows else []
    if not any(names):
        raise DataError(f"{where}: the first row should name the columns.")
    named = [(place, name) for place, name in enumerate(names) if name]
    named_columns(where, [name for _, name in named])
    decimal = decimal_mark(section)
    return pd.DataFrame(
        {name: [cell_text(row[place], decimal) for row in rows[1:]] for place, name in named},
        dtype="object",
    ).astype("str")


def _error_cells(path: Path, sheet: str) -> _ErrorCells:
    ending = path.suffix.lower()
    if ending in (".xlsx", ".xlsm") and _has(path, r"xl/worksheets/.*\.xml", rb"\bt=[\"']e[\"']"):
        return _excel_errors(path, sheet)
    if ending == ".ods" and _has(path, r"content\.xml", rb"value-type=[\"']error[\"']"):
        return _opendocument_errors(path, sheet)
    return {}


def _has(path: Path, parts: str, mark: bytes) -> bool:
    with zipfile.ZipFile(path) as book:
        names = [name for name in book.namelist() if re.fullmatch(parts, name)]
        return any(re.search(mark, book.read(name)) for name in names)


def _excel_errors(path: Path, sheet: str) -> _ErrorCells:
    import openpyxl

    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    try:
        return {
            (cell.row - 1, cell.column - 1): str(cell.value)
            for row in book[sheet].iter_rows()
            for cell in row
            if getattr(cell, "data_type", "") == "e"
        }
    finally:
        book.close()


def _opendocument_errors(path: Path, sheet: str) -> _ErrorCells:
    with zipfile.ZipFile(path) as book:
        tables = ElementTree.fromstring(book.read("content.xml")).iter(f"{_TABLE}table")
    found: _ErrorCells = {}
    table = next(table for table in tables if table.get(f"{_TABLE}name") == sheet)
    number = 0
    for row in table.iter(f"{_TABLE}table-row"):
        place = 0
        for cell in row:
            if cell.get(_KIND) == "error":
                found[number, place] = "".join(cell.itertext()).strip() or "#N/A"
            place += int(cell.get(f"{_TABLE}number-columns-repeated", 1))
        number += int(row.get(f"{_TABLE}number-rows-repeated", 1))
    return found
