"""Where the lines of an agreement log are kept."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Hashable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from planning_kit.messages import DataError

EVENT_COLUMNS = (
    "sequence",
    "time",
    "actor",
    "behalf",
    "user",
    "kind",
    "rep_id",
    "product_line",
    "territory_id",
    "units",
    "amount",
    "reason",
    "evidence",
    "basis",
    "previous",
    "digest",
)
LOCK_SECONDS = 30.0
Line = dict[str, Any]
Lines = tuple[dict[str, str], list[Line]]  # the head of the log, and its lines in order

_NUMBERS = {"sequence": "INTEGER PRIMARY KEY", "units": "INTEGER"}
_EVENTS = ", ".join(f"{name} {_NUMBERS.get(name, 'TEXT')}" for name in EVENT_COLUMNS)
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS head (item TEXT PRIMARY KEY, value TEXT)",
    f"CREATE TABLE IF NOT EXISTS events ({_EVENTS})",
    # Guards against accidents; against intent there is the chain.
    *(
        f"CREATE TRIGGER IF NOT EXISTS no_{change} BEFORE {change} ON events "
        "BEGIN SELECT RAISE(ABORT, 'the agreement log only grows'); END"
        for change in ("UPDATE", "DELETE")
    ),
)


class LogStore(Protocol):
    """What a place for lines can do; a team's database needs no more."""

    def __hash__(self) -> int:
        """Tell one place from another."""

    def state(self) -> Hashable:
        """Give a value that is another one as soon as a line or the head has changed."""

    def read(self) -> Lines:
        """Give the head and the lines; both empty where nothing was kept yet."""

    def write(self, build: Callable[[Lines], Lines]) -> None:
        """Let ``build`` turn what is kept into a new head and lines to add, undisturbed."""


@dataclass(unsafe_hash=True)
class SqliteStore:
    """Lines in one SQLite file; a second writer waits, a crash leaves the lines before it."""

    path: Path

    def state(self) -> Hashable:
        """Give times, size and SQLite's own count of writings; the times alone may be coarse."""
        return _mark(self.path), _mark(self.path.with_name(f"{self.path.name}-wal"))

    def read(self) -> Lines:
        """Give the head and the lines; reading creates no file."""
        if not self.path.exists():
            return {}, []
        # "rw", not "ro": after a crash the reader has to take back half-written lines.
        with self._open("rw") as database:
            database.execute("BEGIN")
            return self._lines(database)

    def write(self, build: Callable[[Lines], Lines]) -> None:
        """Add lines in one transaction that starts with reading the chain again."""
        marks = ", ".join("?" * len(EVENT_COLUMNS))
        with self._open("rwc") as database:
            database.execute("BEGIN IMMEDIATE")
            head, added = build(self._lines(database))
            for statement in _SCHEMA:
                database.execute(statement)
            for line in added:
                values = [line[name] for name in EVENT_COLUMNS]
                database.execute(f"INSERT INTO events VALUES ({marks})", values)
            database.executemany("INSERT OR REPLACE INTO head VALUES (?, ?)", head.items())
            database.execute("COMMIT")

    @contextmanager
    def _open(self, mode: str) -> Iterator[sqlite3.Connection]:
        address = f"{self.path.resolve().as_uri()}?mode={mode}"
        try:
            # No isolation level: the transactions above are the only ones.
            database = sqlite3.connect(
                address, timeout=LOCK_SECONDS, isolation_level=None, uri=True
            )
            with closing(database):
                yield database
        except sqlite3.OperationalError as error:
            raise DataError(
                f"agreement log {self.path.name!r}: {error}. See that its folder is there, may be "
                f"written and has room; where somebody else writes (waited {LOCK_SECONDS:g} s), "
                "try again."
            ) from None
        except sqlite3.DatabaseError as error:
            raise DataError(
                f"agreement log {self.path.name!r} cannot be read: {error}. Put the last good "
                "copy of the file back."
            ) from None

    def _lines(self, database: sqlite3.Connection) -> Lines:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
        if not tables:
            return {}, []
        if not tables >= {"head", "events"}:
            raise DataError(f"{self.path.name!r} is a database, but not an agreement log.")
        rows = database.execute(f"SELECT {', '.join(EVENT_COLUMNS)} FROM events ORDER BY sequence")
        lines = [dict(zip(EVENT_COLUMNS, row, strict=True)) for row in rows]
        return dict(database.execute("SELECT item, value FROM head")), lines


def _mark(path: Path) -> Hashable:
    try:
        facts = path.stat()
        with path.open("rb") as file:
            writings = file.read(28)[24:]  # change counter of SQLite's file format
    except OSError:  # not there, or not to be read: reading it says so
        return ()
    return facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, writings
