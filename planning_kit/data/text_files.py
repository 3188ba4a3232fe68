"""Delimited text files: find out how they are written, and give DuckDB something it can read."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from planning_kit.messages import DataError

DELIMITERS = ",;\t|"
_CHUNK = 1 << 20
_LINE_END = re.compile(r"\r\n|\r|\n")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True)
class Swallowed:
    """A quoted cell that holds lines which look like rows of their own.

    Attributes
    ----------
    row : int
        Row the cell stands in, as a spreadsheet counts.
    column, begins : str
        Column of the cell; how it begins.
    lines : int
        Rows that are lost in it.
    certain : bool
        So many delimiters fit that it can hardly be text.
    """

    row: int
    column: str
    begins: str
    lines: int
    certain: bool


@dataclass(frozen=True)
class TextFile:
    """How a delimited text file is written.

    Attributes
    ----------
    path : Path
        What DuckDB reads: a link to the file, or a UTF-8 copy in the scratch folder.
    encoding, delimiter : str
        As given or found.
    header : tuple of str
        Column names, in order.
    guessed : bool
        The encoding is no more than a guess.
    rows : int or None
        Rows below the header; None: not counted, as no line end or quote of the file can hide any.
    swallowed : tuple of Swallowed
        Where quotes look out of place.
    """

    path: Path
    encoding: str
    delimiter: str
    header: tuple[str, ...]
    guessed: bool = False
    rows: int | None = None
    swallowed: tuple[Swallowed, ...] = ()


def open_text_file(
    source: Path, scratch: Path, *, encoding: str = "", delimiter: str = "", skip_rows: int = 0
) -> TextFile:
    """Find encoding, delimiter and header of a file; the file itself is only read.

    A file that is not UTF-8, has lines before the header, a header cell with a line break, blank
    lines in the middle, or more than one kind of line end is copied to ``scratch`` as UTF-8 with
    one kind (blank lines are kept as empty records, so that row numbers stay those that a
    spreadsheet shows).

    Raises
    ------
    DataError
        The file is empty, is not text, or cannot be decoded.
    """
    head = _first_bytes(source)
    _refuse_other_kinds(source, head)
    found = encoding or _find_encoding(source, head)
    try:
        with _open_bytes(source) as raw, io.TextIOWrapper(raw, found, newline="") as lines:
            for _ in range(skip_rows):
                _whole_record(lines)
            line = _whole_record(lines)
            delimiter, columns = _read_header(source.name, line, delimiter, skip_rows)
            straight = found == "utf-8" and not skip_rows and len(_split(line)) == 1
            plain, quoted = _look_at_bytes(source) if straight else (False, True)
            seen = _Seen(columns, delimiter, skip_rows + 2)
            if plain:
                path = link_to(source, scratch, ".csv.gz" if _is_gzip(source) else ".csv")
                if quoted:
                    seen.go_through(lines)
            else:
                path = _new_path(scratch, ".csv")
                with path.open("x", encoding="utf-8", newline="") as copy:
                    copy.write(delimiter.join(f'"{k}"' for k, _ in enumerate(columns)) + "\n")
                    seen.go_through(lines, copy)
    except (UnicodeDecodeError, LookupError) as error:
        raise DataError(f"{source.name}: cannot be read as {found}: {error}.") from None
    except csv.Error:
        raise DataError(
            f"{source.name}, row {seen.row}: a cell that begins with a quote goes on for more than "
            f"{csv.field_size_limit():,} characters; add the quote that should end it."
        ) from None
    while len(columns) > 1 and not columns[-1]:  # exports often end every line with a delimiter
        columns.pop()
    header = named_columns(source.name, columns)
    guessed = not encoding and found == "cp1252"
    return TextFile(path, found, delimiter, header, guessed, seen.rows, tuple(seen.swallowed))


def named_columns(where: str, names: Sequence[str]) -> tuple[str, ...]:
    """Check that every column of a header has a name of its own; capitals make no difference.

    Raises
    ------
    DataError
        Naming the columns.
    """
    if not all(names):
        raise DataError(f"{where}: the header has a column without a name; rename it in the file.")
    known: dict[str, str] = {}
    for name in names:
        if (key := name.casefold()) in known:
            also = "" if known[key] == name else f", once as {known[key]!r}"
            raise DataError(
                f"{where}: the header has the column {name!r} twice{also}; rename it in the file."
            )
        known[key] = name
    return tuple(names)


def link_to(source: Path, scratch: Path, ending: str) -> Path:
    """Give a file a name without wildcards: a link in ``scratch``, or a copy without links."""
    path = _new_path(scratch, ending)
    try:
        path.symlink_to(source.resolve())
    except OSError:  # a system without links
        shutil.copyfile(source, path)
    return path


def _new_path(scratch: Path, ending: str) -> Path:
    # In a folder of its own: what is written there can never go through the link of another
    # source into the planner's own file.
    return Path(tempfile.mkdtemp(dir=scratch)) / f"source{ending}"


def _is_gzip(source: Path) -> bool:
    return source.suffix.lower() == ".gz"


def _open_bytes(source: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(source, "rb")) if _is_gzip(source) else source.open("rb")


def _first_bytes(source: Path) -> bytes:
    try:
        with _open_bytes(source) as file:
            return file.read(4096)
    except (gzip.BadGzipFile, EOFError) as error:
        raise DataError(f"{source.name}: damaged gzip file: {error}.") from None


def _refuse_other_kinds(source: Path, head: bytes) -> None:
    if not head.strip(b"\xef\xbb\xbf\r\n\t "):
        raise DataError(f"{source.name}: the file is empty; it needs at least a header line.")
    if head.startswith(b"PK\x03\x04") or head.startswith(b"\xd0\xcf\x11\xe0"):
        raise DataError(f"{source.name}: this is an Excel file; give it the ending .xlsx or .xls.")
    if head.startswith(b"PAR1"):
        raise DataError(f"{source.name}: this is a Parquet file; give it the ending .parquet.")


def _find_encoding(source: Path, head: bytes) -> str:
    for mark, name in _BOMS:
        if head.startswith(mark):
            return name
    if b"\x00" in head:
        raise DataError(
            f"{source.name}: this is not a text file (it has zero bytes). If it is UTF-16, say "
            'encoding = "utf-16-le" in plan.toml.'
        )
    for name in ("utf-8", "cp1252"):
        if _decodes(source, name):
            return name
    raise DataError(
        f"{source.name}: neither UTF-8 nor Windows-1252 text; say encoding = ... in plan.toml."
    )


def _decodes(source: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with _open_bytes(source) as file:
            while chunk := file.read(_CHUNK):
                decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _whole_record(lines: Iterator[str]) -> str:
    """Give the next lines that belong together (a quoted cell may hold line ends)."""
    record = ""
    for line in lines:
        record += line
        if record.count('"') % 2 == 0:
            break
    return record


def _split(record: str) -> list[str]:
    return _LINE_END.split(record.rstrip("\r\n"))


def _read_header(name: str, line: str, delimiter: str, skip_rows: int) -> tuple[str, list[str]]:
    if not line.strip():
        raise DataError(
            f"{name}: row {skip_rows + 1} should name the columns, but it is empty; "
            "set skip_rows in plan.toml to the number of lines above the header."
        )
    if not delimiter:
        outside = "".join(line.split('"')[::2])
        delimiter = max(DELIMITERS, key=lambda d: (outside.count(d), -DELIMITERS.index(d)))
    if len(delimiter) != 1:
        raise DataError(f"{name}: delimiter is {delimiter!r}; it must be one character.")
    cells = next(csv.reader(io.StringIO(line, newline=""), delimiter=delimiter))
    return delimiter, [cell.strip() for cell in cells]


def _look_at_bytes(source: Path) -> tuple[bool, bool]:
    """Say whether line ends are of one kind without blank lines between, and if there are quotes."""
    tail, blank, quoted = b"", False, False
    both = feeds = returns = 0
    with _open_bytes(source) as file:
        while chunk := file.read(_CHUNK):
            if chunk.endswith(b"\r"):  # its line feed may be the next byte
                chunk += file.read(1)
            both += chunk.count(b"\r\n")
            feeds += chunk.count(b"\n")
            returns += chunk.count(b"\r")
            quoted = quoted or b'"' in chunk
            joined = tail + chunk.replace(b"\r", b"")
            content = joined.rstrip(b"\n")
            blank = blank or b"\n\n" in content
            tail = joined[len(content) - 1 :] if content else joined
    return not blank and (not returns or not feeds or both == feeds == returns), quoted


class _Seen:
    """What going through the rows below the header finds."""

    def __init__(self, columns: list[str], delimiter: str, first_row: int) -> None:
        self.columns, self.delimiter, self.row = columns, delimiter, first_row
        self.rows: int | None = None
        self.swallowed: list[Swallowed] = []

    def go_through(self, lines: Iterable[str], copy: TextIO | None = None) -> None:
        """Count the rows, write them to the copy with one kind of line end, look at long cells."""
        blank = self.delimiter * (len(self.columns) - 1) or '""'
        self.rows = 0
        for cells, written in _records(lines, self.delimiter):
            if copy is not None:
                copy.write((written.rstrip("\r\n") if cells else blank) + "\n")
            self.rows += (
                bool(cells) or copy is not None
            )  # DuckDB passes over blank lines at the end
            self._look_at(cells, _split(written))
            self.row += 1

    def _look_at(self, cells: list[str], lines: list[str]) -> None:
        fits = len(self.columns) - 1
        if len(lines) == 1 or not fits or any(x.count(self.delimiter) != fits for x in lines):
            return
        place = next(k for k, cell in enumerate(cells) if _LINE_END.search(cell))
        column = self.columns[place] if place <= fits else ""
        begins, lost = _LINE_END.split(cells[place])[0][:40], len(lines) - 1
        self.swallowed.append(Swallowed(self.row, column, begins, lost, lost * fits > 1))


def _records(lines: Iterable[str], delimiter: str) -> Iterator[tuple[list[str], str]]:
    """Give every record as its cells and as it is written."""
    written: list[str] = []

    def noted() -> Iterator[str]:
        for line in lines:
            written.append(line)
            yield line

    for cells in csv.reader(noted(), delimiter=delimiter, skipinitialspace=True):
        yield cells, "".join(written)
        written.clear()
