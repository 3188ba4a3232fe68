"""The company's workbook: one table a sheet, checks with live formulas, nothing executed."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import xlsxwriter

from planning_kit import __version__
from planning_kit.data import Region
from planning_kit.plan import Settings, write_atomically

# Text from data must stay text: a cell that begins with = or http is never run or linked.
SAFE = {
    "in_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}
_WIDEST = 60
_GAPS = {"gap": "allocated", "standing_gap": "standing"}  # a column, and what it compares


def write_workbook(
    path: Path,
    company: Region,
    regions: pd.DataFrame,
    goals: pd.DataFrame,
    sums: pd.DataFrame,
    cover: pd.DataFrame,
) -> Path:
    """Write the company's goals as a workbook.

    Sheets: Cover, Regions (gaps to the target as live formulas), Goals, Sums. Same input, same
    bytes.

    Parameters
    ----------
    path
        The file.
    company
        For names, currency and rounding unit.
    regions, goals, sums
        See `planning_kit.walk.rollup.Rollup`.
    cover
        ``setting`` and ``value``: what the goals rest on.

    Returns
    -------
    Path
        The workbook.
    """
    settings, buffer = company.settings, io.BytesIO()
    book = xlsxwriter.Workbook(buffer, SAFE)
    book.set_properties(
        {
            "title": f"{settings.name}: sales goals",
            "created": pd.Timestamp(settings.starts_on).to_pydatetime(),
        }
    )
    formats = {
        "head": book.add_format(
            {"bold": True, "bg_color": "#E4E7EB", "border": 1, "text_wrap": True}
        ),
        "money": book.add_format(
            {"num_format": "#,##0.00" if settings.rounding_unit < 1 else "#,##0"}
        ),
        "title": book.add_format({"bold": True, "font_size": 16}),
        "text": book.add_format({"text_wrap": True, "valign": "top"}),
        "day": book.add_format({"num_format": "yyyy-mm-dd"}),
    }
    _cover(book, formats, settings, cover)
    currency = settings.currency
    shown = regions.drop(columns=list(_GAPS))
    sheet = _sheet(book, formats, "Regions", shown, f"Amounts in {currency}")
    columns = list(shown.columns)
    for place, (gap, amount) in enumerate(_GAPS.items(), len(columns)):
        cells = (place, columns.index(amount), columns.index("street_target"))
        _gap_column(sheet, formats, regions[gap], cells)
    named = company.with_names(goals)
    _sheet(book, formats, "Goals", named, f"Amounts in {currency}; one row a cell")
    _sheet(
        book,
        formats,
        "Sums",
        sums,
        "The goals added up along every cut; difference to the target",
    )
    book.close()
    write_atomically(path, buffer.getvalue())
    return path


def _cover(book: Any, formats: Mapping[str, Any], settings: Settings, cover: pd.DataFrame) -> None:
    sheet = book.add_worksheet("Cover")
    sheet.set_column(0, 0, 26)
    sheet.set_column(1, 1, 70)
    sheet.write_string(0, 0, f"{settings.name}: sales goals", formats["title"])
    rows = [
        *zip(cover["setting"], cover["value"], strict=True),
        ("written by", f"planning-kit {__version__}"),
    ]
    for number, (name, value) in enumerate(rows, 2):
        sheet.write_string(number, 0, str(name))
        sheet.write_string(number, 1, str(value), formats["text"])


def _sheet(book: Any, formats: Mapping[str, Any], name: str, table: pd.DataFrame, note: str) -> Any:
    sheet = book.add_worksheet(name)
    sheet.write_string(0, 0, note)
    for place, column in enumerate(table.columns):
        sheet.write_string(1, place, str(column).replace("_", " "), formats["head"])
        for row, value in enumerate(table[column], 2):
            _cell(sheet, row, place, value, formats)
        width = max(
            [
                len(str(column)),
                *(len(f"{v:,.0f}" if isinstance(v, float) else str(v)) for v in table[column]),
            ]
        )
        sheet.set_column(place, place, min(_WIDEST, width + 3))
    if len(table):
        sheet.autofilter(1, 0, 1 + len(table), len(table.columns) - 1)
    sheet.freeze_panes(2, 1)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(1)
    return sheet


def _cell(sheet: Any, row: int, column: int, value: Any, formats: Mapping[str, Any]) -> None:
    if value is None or value is pd.NaT or (isinstance(value, float) and value != value):
        sheet.write_blank(row, column, None)  # empty is not zero
    elif isinstance(value, pd.Timestamp):
        sheet.write_datetime(row, column, value.to_pydatetime(), formats["day"])
    elif isinstance(value, bool | str):
        sheet.write_string(row, column, str(value))
    else:
        sheet.write_number(row, column, float(value), formats["money"])


def _gap_column(
    sheet: Any, formats: Mapping[str, Any], gaps: pd.Series, columns: tuple[int, int, int]
) -> None:
    """Write amount - street target as a formula, with its value for readers that do not compute."""
    place, amount, target = columns
    sheet.write_string(1, place, str(gaps.name).replace("_", " "), formats["head"])
    sheet.set_column(place, place, 14)
    cell = xlsxwriter.utility.xl_rowcol_to_cell
    for row, gap in enumerate(gaps, 2):
        if gap == gap:
            formula = f"={cell(row, amount)}-{cell(row, target)}"
            sheet.write_formula(row, place, formula, formats["money"], gap)
