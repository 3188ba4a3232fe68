"""Delimited text files: find out how they are written, and give DuckDB something it can read."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from planning_kit.messages import DataError

DELIMITERS = ",;\t|"
_CHUNK = 1 << 20
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True)
class TextFile:
    """How a delimited text file is written.

    Attributes
    ----------
    path : Path
        What DuckDB reads: a link to the file, or a UTF-8 copy in the scratch folder.
    encoding, delimiter : str
        As given or found.
    guessed : bool
        The encoding is no more than a guess.
    header : tuple of str
        Column names, in order.
    """

    path: Path
    encoding: str
    delimiter: str
    header: tuple[str, ...]
    guessed: bool = False


def open_text_file(
    source: Path, scratch: Path, *, encoding: str = "", delimiter: str = "", skip_rows: int = 0
) -> TextFile:
    """Find encoding, delimiter and header of a file; the file itself is only read.

    A file that is not UTF-8, has lines before the header, or has blank lines in the middle is
    copied to ``scratch`` as UTF-8 (blank lines are kept as empty records, so that row numbers stay
    those that a spreadsheet shows).

    Raises
    ------
    DataError
        The file is empty, is not text, or cannot be decoded.
    """
    head = _first_bytes(source)
    _refuse_other_kinds(source, head)
    found = encoding or _find_encoding(source, head)
    delimiter, header = _read_header(source, found, delimiter, skip_rows)
    if found == "utf-8" and not skip_rows and not _has_blank_lines(source):
        path = link_to(source, scratch, ".csv.gz" if _is_gzip(source) else ".csv")
    else:
        path = _new_path(scratch, ".csv")
        _write_copy(source, path, found, delimiter, len(header), skip_rows)
    return TextFile(path, found, delimiter, header, guessed=not encoding and found == "cp1252")


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


def _records(source: Path, encoding: str) -> Iterator[str]:
    """Give the lines that belong together as one record (a quoted cell may hold line ends)."""
    with _open_bytes(source) as raw, io.TextIOWrapper(raw, encoding=encoding, newline="") as text:
        record, open_quote = "", False
        for line in text:
            record += line
            open_quote ^= line.count('"') % 2 == 1
            if not open_quote:
                yield record
                record = ""
        if record:
            yield record


def _read_header(
    source: Path, encoding: str, delimiter: str, skip_rows: int
) -> tuple[str, tuple[str, ...]]:
    try:
        records = _records(source, encoding)
        for _ in range(skip_rows):
            next(records, None)
        line = next(records, "")
    except (UnicodeDecodeError, LookupError) as error:
        raise DataError(f"{source.name}: cannot be read as {encoding}: {error}.") from None
    if not line.strip():
        raise DataError(
            f"{source.name}: row {skip_rows + 1} should name the columns, but it is empty; "
            "set skip_rows in plan.toml to the number of lines above the header."
        )
    if not delimiter:
        outside = "".join(line.split('"')[::2])
        delimiter = max(DELIMITERS, key=lambda d: (outside.count(d), -DELIMITERS.index(d)))
    names = [name.strip() for name in next(csv.reader([line], delimiter=delimiter))]
    while len(names) > 1 and not names[-1]:  # exports often end every line with a delimiter
        names.pop()
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not all(names):
        fault = f"has the column {twice[0]!r} twice" if twice else "has a column without a name"
        raise DataError(f"{source.name}: the header {fault}; rename it in the file.")
    return delimiter, tuple(names)


def _has_blank_lines(source: Path) -> bool:
    tail = b""
    with _open_bytes(source) as file:
        while chunk := file.read(_CHUNK):
            chunk = tail + chunk.replace(b"\r", b"")
            stripped = chunk.rstrip(b"\n")
            if b"\n\n" in stripped:
                return True
            tail = chunk[len(stripped) - 1 :] if stripped else chunk
    return False


def _write_copy(
    source: Path, target: Path, encoding: str, delimiter: str, width: int, skip_rows: int
) -> None:
    blank = delimiter * (width - 1) if width > 1 else '""'
    try:
        with target.open("x", encoding="utf-8", newline="") as copy:
            for number, record in enumerate(_records(source, encoding)):
                if number >= skip_rows:
                    copy.write(record if record.strip("\r\n") else blank + "\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{source.name}: cannot be read as {encoding}: {error}.") from None
