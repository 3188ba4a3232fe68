"""Read a filled form back: a workbook from outside, into plain values and problems in words.

A form carries what it is: its hidden first column names the rows, its hidden first row the columns,
and the hidden sheet ``_meta`` says of every cell if it was sent as it is, computes, or is for
writing. Nothing is found by a fixed address.
"""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from openpyxl.utils import get_column_letter, range_boundaries

CORNER, META = "planning-kit form", "_meta"
INPUT, COMPUTED = "input", "computed"  # what a cell is; else the digest of what was sent
FIELDS: Mapping[str, Mapping[str, str]] = {
    "goal": {"B": "product_line", "E": "0", "F": "1", "G": "2", "H": "3"},
    "why": {"B": "text"},
    "evidence": {
        "B": "account_id",
        "C": "product_line",
        "D": "opportunity_id",
        "E": "amount",
        "F": "probability",
        "G": "closes_on",
        "I": "reason",
    },
    "concern": {"B": "assumption", "E": "concern"},
    "need": {"B": "text"},
}
NUMBER_FIELDS = ("0", "1", "2", "3", "amount")
MOST_BYTES, MOST_UNPACKED = 2_000_000, 40_000_000
MOST_ROWS, MOST_TEXT, MOST_AMOUNT = 2_000, 2_000, 10**15
READERS = ("calamine", "openpyxl")
_SENT_AGAIN = "ask for the form again"
_BLANKS = re.compile(r"[\s\u00a0\u202f']+")
_CURRENCY = re.compile(r"^\s*([A-Z]{3}|[^\w\s.,+-])|([A-Z]{3}|[^\w\s.,])\s*$")
_NUMBER = r"[+-]?(\d+|\d{{1,3}}([{0}]\d{{3}})+)([{1}]\d+)?"
Grid = Sequence[Sequence[Any]]


@dataclass
class FilledForm:
    """What a filled form says, as plain values.

    Attributes
    ----------
    path : Path
        The file.
    meta : mapping of str to str
        What the form was sent as; empty: the file is no form.
    rows : mapping of str to list of mappings
        By block (``goal``, ``why``, ``evidence``, ``concern``, ``need``) the rows somebody wrote
        into, with ``key`` and the fields of `FIELDS`; an empty cell is None.
    problems : list of mappings
        ``file``, ``cell``, ``message``, ``advice``; a form with any is taken as a whole by nobody.
    notes : list of str
        What was taken, and is worth knowing.
    places : mapping of (key, field) to str
        In which cell it stands.
    """

    path: Path
    meta: Mapping[str, str] = field(default_factory=dict)
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {n: [] for n in FIELDS})
    problems: list[dict[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    places: dict[tuple[str, str], str] = field(default_factory=dict)

    def problem(self, cell: str, message: str, advice: str) -> None:
        """Note what is wrong, where, and what to do."""
        place = f"{self.meta.get('sheet', '')}!{cell}" if cell else ""
        self.problems.append(
            {"file": self.path.name, "cell": place, "message": message, "advice": advice}
        )

    def wrong(self, key: str, name: str, message: str, advice: str) -> None:
        """Note what is wrong with a field of a row."""
        self.problem(self.places.get((key, name), ""), message, advice)

    def answers(self) -> str:
        """Digest what was answered."""
        text = json.dumps(self.rows, default=str, sort_keys=True)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def read_form(path: Path, readers: Sequence[str] = READERS) -> FilledForm:
    """Read a filled form; whatever is wrong with it is in its problems, all at once.

    Parameters
    ----------
    path
        An Excel workbook; it is never changed.
    readers
        Libraries to read with: the next where one fails.
    """
    form = FilledForm(path)
    packed = _unpack(form)
    sheets = {} if form.problems else _cells(form, readers)
    grid = sheets.get(META, [])
    form.meta = {str(row[0]): "".join(map(_said, row[1:])) for row in grid if row and row[0]}
    if not form.meta or form.problems:
        return form
    sheet = sheets.get(form.meta.get("sheet", ""))
    if form.meta.get("checksum") != checksum(form.meta) or sheet is None:
        form.problem("", "the hidden sheet of the form was changed", _SENT_AGAIN)
        return form
    _read_sheet(form, sheet, packed)
    return form


def checksum(meta: Mapping[str, str]) -> str:
    """Digest everything else a form was sent as."""
    text = json.dumps({k: v for k, v in meta.items() if k != "checksum"}, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def cell_digest(value: Any) -> str:
    """Digest a cell as it was sent: a text without blanks around it, a number to nine digits."""
    text = f"{value:.9g}" if isinstance(value, float | int) else " ".join(str(value).split())
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]


# --- the file ------------------------------------------------------------------------------------


def _unpack(form: FilledForm) -> Mapping[str, bytes]:
    """Give the parts of a workbook that is small and sound enough to be read."""
    blob = b""
    with suppress(OSError):
        if form.path.stat().st_size > MOST_BYTES:
            form.problem("", f"is larger than {MOST_BYTES // 10**6} MB", "send the form alone")
            return {}
        blob = form.path.read_bytes()
    if blob.startswith(b"\xd0\xcf\x11\xe0"):
        form.problem(
            "", "has a password, or is of an old Excel", "save it as .xlsx without a password"
        )
        return {}
    try:
        with zipfile.ZipFile(form.path) as book:
            if sum(part.file_size for part in book.infolist()) > MOST_UNPACKED:
                form.problem("", "unpacks to more than a form can hold", _SENT_AGAIN)
                return {}
            wanted = re.compile(r"xl/(workbook\.xml|_rels/.*|worksheets/[^/]*\.xml)$")
            parts = {n: book.read(n) for n in book.namelist() if wanted.match(n)}
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError):
        parts = {}
    except Exception as error:  # a damaged stream: zlib has an error of its own
        form.notes.append(str(error))
        parts = {}
    if "xl/workbook.xml" not in parts:
        form.problem("", "is damaged, or no Excel workbook", "send it again, saved as .xlsx")
    places = (at for text in parts.values() for at in _CELL.findall(text))
    if any(len(column) > 2 or int(row) > MOST_ROWS for column, row in places):
        form.problem("", "has cells far outside the form", _SENT_AGAIN)
    return parts


_CELL = re.compile(rb"<c\b[^>]*?\br=\"([A-Z]+)(\d{1,9})\"")
_FULL_CELL = re.compile(rb"<c\b([^>]*?)>\s*(<f\b)?")


def _cells(form: FilledForm, readers: Sequence[str]) -> dict[str, Grid]:
    """Read every cell as text, number, day or nothing, with the first library that can."""
    for name in readers:
        try:
            return {"calamine": _with_calamine, "openpyxl": _with_openpyxl}[name](form.path)
        except Exception as error:  # whatever a library says of a file from outside
            form.notes.append(f"{name} cannot read it: {' '.join(str(error).split())[:200]}")
    form.problem("", "cannot be read", "send it again, saved as .xlsx")
    return {}


def _with_calamine(path: Path) -> dict[str, Grid]:
    import python_calamine

    book = python_calamine.CalamineWorkbook.from_path(path)
    return {
        name: [
            [_plain(cell) for cell in row]
            for row in book.get_sheet_by_name(name).to_python(skip_empty_area=False)
        ]
        for name in book.sheet_names
    }


def _with_openpyxl(path: Path) -> dict[str, Grid]:
    import openpyxl

    book = openpyxl.load_workbook(path, data_only=True)
    return {
        sheet.title: [[_plain(cell) for cell in row] for row in sheet.iter_rows(values_only=True)]
        for sheet in book.worksheets
    }


def _plain(value: Any) -> Any:
    if isinstance(value, bool | date | datetime):
        return value.date() if isinstance(value, datetime) else value
    if isinstance(value, int | float):
        return float(value)
    text = "" if value is None else str(value).strip()
    return None if not text or text in _ERRORS else text


_ERRORS = ("#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!")


# --- the sheet -----------------------------------------------------------------------------------


def _read_sheet(form: FilledForm, grid: Grid, parts: Mapping[str, bytes]) -> None:
    at = [(r, c) for r, row in enumerate(grid) for c, v in enumerate(row) if v == CORNER]
    if len(at) != 1:
        form.problem("", "the hidden names of rows and columns were changed", _SENT_AGAIN)
        return
    top, left = at[0]
    columns = {c: str(v) for c, v in enumerate(grid[top]) if c != left and v}
    expected: dict[str, dict[str, str]] = json.loads(form.meta["cells"])
    raw = parts.get(_part_of(parts, form.meta["sheet"]), b"")
    odd = _formulas_and_errors(raw)
    seen = set()
    for number, row in enumerate(grid):
        if number == top:
            continue
        key = str(row[left] or "")
        known = expected.get(key, {}) if key not in seen else {}
        seen.add(key)
        _check_row(form, number, row, (left, columns), known)
        block = key.partition(":")[0]
        if block in FIELDS and known:
            _read_row(form, number, row, columns, (key, known), odd)
    if lost := [key for key in expected if key not in seen]:
        form.problem("", f"{len(lost)} rows of the form were taken out", _SENT_AGAIN)
    inputs = {
        (r + 1, c + 1)
        for r, row in enumerate(grid)
        for c, name in columns.items()
        if expected.get(str(row[left] or ""), {}).get(name) == INPUT
    }
    _check_merged(form, raw, inputs)


def _check_row(
    form: FilledForm,
    number: int,
    row: Sequence[Any],
    names: tuple[int, Mapping[int, str]],
    known: Mapping[str, str],
) -> None:
    """Compare a row with what was sent: changed cells, cells where none should be."""
    left, columns = names
    there = {columns.get(c, ""): (c, v) for c, v in enumerate(row) if c != left and v is not None}
    for c, value in enumerate(row):
        kind = known.get(columns.get(c, ""), "")
        if c == left or value is None or kind in (INPUT, COMPUTED):
            continue
        if not kind:
            message = f"{_short(value)} stands outside the cells of the form"
            form.problem(_name(number, c), message, "write it into a yellow cell, and clear this")
        elif kind != cell_digest(value):
            message = f"was changed to {_short(value)}; it is not one of the yellow cells"
            form.problem(_name(number, c), message, f"put it back, or {_SENT_AGAIN}")
    places = {name: c for c, name in columns.items()}
    for name, kind in known.items():
        if kind not in (INPUT, COMPUTED) and name not in there:
            place = _name(number, places.get(name, 0))
            form.problem(place, "was emptied; it is not one of the yellow cells", _SENT_AGAIN)


def _read_row(
    form: FilledForm,
    number: int,
    row: Sequence[Any],
    columns: Mapping[int, str],
    known: tuple[str, Mapping[str, str]],
    odd: Mapping[str, str],
) -> None:
    key, kinds = known
    fields = FIELDS[key.partition(":")[0]]
    found: dict[str, Any] = {"key": key}
    for c, name in columns.items():
        if name not in fields or name not in kinds:
            continue
        place, value = _name(number, c), row[c] if c < len(row) else None
        form.places[key, fields[name]] = place
        if kinds[name] == INPUT and place in odd:
            if odd[place] == "error" or value is None:
                what = "an error" if odd[place] == "error" else "a formula without a result"
                form.problem(place, f"holds {what}", "write the value")
                continue
            form.notes.append(f"{place} holds a formula: its result {_short(value)} was taken")
        found[fields[name]] = _value(form, place, fields[name], value)
    asked = {fields[name] for name, kind in kinds.items() if kind == INPUT and name in fields}
    if key.startswith("goal:") or any(found.get(name) is not None for name in asked):
        form.rows[key.partition(":")[0]].append(
            {n: found.get(n) for n in ("key", *fields.values())}
        )


def _value(form: FilledForm, place: str, name: str, value: Any) -> Any:
    if value is None:
        return None
    if name == "closes_on":
        return _month(form, place, value)
    if name in NUMBER_FIELDS or name == "probability":
        return _number(form, place, name, value)
    text = str(int(value)) if isinstance(value, float) and value == int(value) else str(value)
    if len(text) > MOST_TEXT:
        form.problem(place, f"has {len(text):,} characters", f"write at most {MOST_TEXT:,}")
    return text


def _number(form: FilledForm, place: str, name: str, value: Any) -> float | None:
    is_share = name == "probability"
    number = value if isinstance(value, float) else None
    if isinstance(value, str):
        percent = value.rstrip().endswith("%")
        parsed = parse_number(value.replace("%", ""))
        number = None if parsed is None else float(parsed / 100 if percent else parsed)
    if number is None:
        say = "80 %" if is_share else "1284000"
        form.problem(
            place, f"{_short(value)} can be read in no way, or in two", f"write it as {say}"
        )
    elif not 0 <= number <= (1 if is_share else MOST_AMOUNT):
        most = "100 %" if is_share else f"{MOST_AMOUNT:,}"
        form.problem(place, f"is {_short(value)}", f"write a number from 0 to {most}")
    return number


def parse_number(text: str) -> Decimal | None:
    """Read an amount as people write it anywhere; None: it can be read in no way, or in two.

    Examples
    --------
    >>> [parse_number(text) for text in ("1.284.000,50", "1,284,000.50", "€ 1'284'000")]
    [Decimal('1284000.50'), Decimal('1284000.50'), Decimal('1284000')]
    >>> parse_number("1,284"), parse_number("12,84"), parse_number("about 5")
    (None, Decimal('12.84'), None)
    """
    plain = _BLANKS.sub("", _CURRENCY.sub("", text))
    readings = {
        Decimal(plain.replace(group, "").replace(mark, "."))
        for group, mark in ((",", "."), (".", ","))
        if re.fullmatch(_NUMBER.format(group, mark), plain, re.ASCII)
    }
    return readings.pop() if len(readings) == 1 else None


def _month(form: FilledForm, place: str, value: Any) -> date | None:
    day = value if isinstance(value, date) else None
    if isinstance(value, str):
        with suppress(ValueError):
            day = date.fromisoformat(value if len(value) > 7 else f"{value}-01")
    first, last = (date.fromisoformat(form.meta[name]) for name in ("starts_on", "ends_on"))
    if day is None or not first <= day <= last:
        form.problem(
            place,
            f"{_short(value)} is no month of the plan ({first:%Y-%m} to {last:%Y-%m})",
            "choose one of the list, or write it as 2026-03",
        )
    return day


def _said(value: Any) -> str:
    return "" if value is None else str(value)


def _short(value: Any) -> str:
    text = f"{value:,.12g}" if isinstance(value, float) else repr(str(value))
    return text if len(text) <= 60 else f"{text[:57]}...'"


# --- what the libraries do not say ---------------------------------------------------------------


def _part_of(parts: Mapping[str, bytes], sheet: str) -> str:
    """Name the part of the workbook that holds a sheet; the first where its name is not found."""
    from html import unescape

    book = parts["xl/workbook.xml"].decode("utf-8", "replace")
    links = parts.get("xl/_rels/workbook.xml.rels", b"").decode("utf-8", "replace")
    for tag in re.findall(r"<sheet\b[^>]*>", book):
        known = dict(re.findall(r"([\w:]+)=\"([^\"]*)\"", tag))
        if unescape(known.get("name", "")) == sheet:
            for link in re.findall(r"<Relationship\b[^>]*>", links):
                of = dict(re.findall(r"(\w+)=\"([^\"]*)\"", link))
                if of.get("Id") == known.get("r:id"):
                    return "xl/" + of["Target"].removeprefix("/xl/")
    return "xl/worksheets/sheet1.xml"


def _formulas_and_errors(raw: bytes) -> dict[str, str]:
    found = {}
    for attributes, formula in _FULL_CELL.findall(raw):
        place = re.search(rb"\br=\"([A-Z]+\d+)\"", attributes)
        is_error = re.search(rb"\bt=\"e\"", attributes)
        if place and (formula or is_error) and not attributes.endswith(b"/"):
            found[place[1].decode()] = "error" if is_error else "formula"
    return found


def _check_merged(form: FilledForm, raw: bytes, inputs: set[tuple[int, int]]) -> None:
    """Name merged cells that swallow more than one cell to write into."""
    for place in re.findall(rb"<mergeCell\b[^>]*?\bref=\"([A-Z]+\d+:[A-Z]+\d+)\"", raw):
        left, top, right, bottom = range_boundaries(place.decode())
        if sum(top <= r <= bottom and left <= c <= right for r, c in inputs) > 1:
            message = "are merged: only one of them can be read"
            form.problem(place.decode(), message, "split them again")


def _name(row: int, column: int) -> str:
    return f"{get_column_letter(column + 1)}{row + 1}"
