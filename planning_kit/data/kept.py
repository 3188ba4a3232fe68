"""The files of a prepared folder: their names, and whether they are as they were written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from planning_kit.messages import DataError
from planning_kit.plan import COMPANY, folder_name, write_atomically

_DIGESTS = "digests.json"  # of every table of a partition, beside the tables


def partition_name(region: str | None) -> str:
    """Name the folder of a region's partition; None is the whole company.

    Examples
    --------
    >>> partition_name(None), partition_name("North")
    ('company', 'North')
    """
    return COMPANY if region is None else folder_name(region)


def table_path(folder: Path, table: str) -> Path:
    """Give the file of a table of a partition."""
    return folder / f"{table}.parquet"


def sign_tables(folder: Path, tables: Iterable[str]) -> None:
    """Write down what the tables of a partition hold, so that a change is noticed."""
    digests = {table: _digest(table_path(folder, table)) for table in tables}
    write_atomically(folder / _DIGESTS, json.dumps(digests, indent=1))


def table_digests(folder: Path) -> dict[str, str]:
    """Give the digest of every table of a partition, as it was written; none: nobody signed it."""
    try:
        digests: dict[str, str] = json.loads((folder / _DIGESTS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return digests


def changed_tables(folder: Path) -> list[str]:
    """Name the tables of a prepared folder that are not as they were written."""
    facts = json.loads((folder / "prepared.json").read_text(encoding="utf-8"))
    parts = [partition_name(None), *(region["folder"] for region in facts["regions"])]
    return [f"{part}/{table}" for part in parts for table in _changed(folder / part)]


def require_unchanged(folder: Path, tables: Iterable[str]) -> None:
    """Check that tables of a partition are as they were written; only these are read for it.

    Raises
    ------
    DataError
        Naming every table that was changed.
    """
    if changed := _changed(folder, tables):
        raise DataError(
            f"{folder.name}: {', '.join(changed)} changed after the inputs were prepared; start "
            "again, they will be prepared anew."
        )


def _changed(folder: Path, tables: Iterable[str] | None = None) -> list[str]:
    digests = table_digests(folder)
    if not digests:
        return [_DIGESTS]
    names = digests if tables is None else tables
    return [name for name in names if digests.get(name) != _digest(table_path(folder, name))]


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return ""
