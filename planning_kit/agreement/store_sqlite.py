"""Lines of an agreement log in one SQLite file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from planning_kit.agreement.chain import Draft, Line, chained, end_of
from planning_kit.agreement.store import (
    EVENT_COLUMNS,
    LOCK_SECONDS,
    NAMES,
    Kept,
    Lines,
    Overtaken,
    columns,
    held_connection,
    kept_of,
    lines_of,
    release_connection,
    some_lines,
)
from planning_kit.messages import DataError

_CREATE = (
    "CREATE TABLE head (item TEXT PRIMARY KEY, value TEXT)",
    f"CREATE TABLE events ({columns('INTEGER')})",
    "CREATE UNIQUE INDEX events_about ON events (rep_id, turn)",
    # Guards against accidents; against intent there are the chain and the key.
    *(
        f"CREATE TRIGGER no_{change} BEFORE {change} ON events "
        "BEGIN SELECT RAISE(ABORT, 'the agreement log only grows'); END"
        for change in ("UPDATE", "DELETE")
    ),
)
_INSERT = f"INSERT INTO events VALUES ({', '.join('?' * len(EVENT_COLUMNS))})"
_SOME = some_lines("events", "?", "IN (SELECT value FROM json_each(?))")
_END = """
    SELECT sequence, digest, (SELECT digest FROM events WHERE sequence = ?)
    FROM events ORDER BY sequence DESC LIMIT 1"""


@dataclass(unsafe_hash=True)
class SqliteStore:
    """Lines in one SQLite file; a second writer waits, a crash leaves the lines before it."""

    path: Path

    @cached_property
    def place(self) -> str:
        """Name the file."""
        return str(self.path.resolve())

    def state(self) -> Hashable:
        """Give times, size and SQLite's own count of writings; the times alone may be coarse."""
        return _mark(self.path), _mark(self.path.with_name(f"{self.path.name}-wal"))

    def head(self) -> Mapping[str, str]:
        """Give the head alone; looking creates no file."""
        return self._read()[0]

    def read(self) -> Lines:
        """Give the head and the lines; reading creates no file."""
        return self._read(f"SELECT {NAMES} FROM events ORDER BY sequence")

    def look(self, number: int, people: Sequence[str]) -> Kept:
        """Give the last line, the one of a number and all about some people; creates no file."""
        return kept_of(*self._read(_SOME, number, json.dumps(people)))

    def add(self, header: Mapping[str, str], seen_at: int, drafts: Sequence[Draft]) -> list[Line]:
        """Add lines in one transaction, which waits while somebody else writes."""
        before = drafts[0][1]["seen"]
        if not (header or self._inode()):
            raise Overtaken  # nothing is there any more, and nothing comes in its place
        with self._named_errors(), self._transaction() as database:
            head = self._head(database)
            if head is None:
                for statement in _CREATE:
                    database.execute(statement)
            number, digest, known = database.execute(_END, (seen_at,)).fetchone() or (0, "", "")
            is_as_seen = number == 0
            if not header:
                is_as_seen = (known, (head or {}).get("last")) == (before, f"{number} {digest}")
            if not is_as_seen:
                raise Overtaken
            lines = chained(drafts, (number, digest or before))
            database.executemany(
                _INSERT, ([line[name] for name in EVENT_COLUMNS] for line in lines)
            )
            said = {**header, **end_of(lines[-1])}
            database.executemany("INSERT OR REPLACE INTO head VALUES (?, ?)", said.items())
        return lines

    def _read(self, query: str = "", *values: Any) -> Lines:
        if not self.path.exists():
            return {}, []
        # "rw", not "ro": after a crash the reader has to take back half-written lines.
        with self._named_errors(), closing(self._connect("rw")) as database:
            database.execute("BEGIN")
            head = self._head(database)
            found = database.execute(query, values) if query and head is not None else ()
            return head or {}, lines_of(found)

    def _head(self, database: sqlite3.Connection) -> dict[str, str] | None:
        """Give the head; None: the file is empty."""
        try:
            return dict(database.execute("SELECT item, value FROM head"))
        except sqlite3.OperationalError:
            if database.execute("SELECT name FROM sqlite_master").fetchone():
                said = f"{self.path.name!r} is a database, but not an agreement log."
                raise DataError(said) from None
            return None

    def _connect(self, mode: str) -> sqlite3.Connection:
        address = f"{Path(self.place).as_uri()}?mode={mode}"
        # No isolation level: the transactions here are the only ones.
        database = sqlite3.connect(address, LOCK_SECONDS, isolation_level=None, uri=True)
        database.execute("PRAGMA synchronous = FULL")  # a line that was confirmed stays
        return database

    def _inode(self) -> int:
        """Tell the file from another one that was put in its place."""
        try:
            return self.path.stat().st_ino
        except OSError:  # not there, or not to be read: connecting says so
            return 0

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Give the connection for writing; an error closes it, and takes back what was written."""
        database = held_connection(self.place, self._inode(), lambda: self._connect("rwc"))
        try:
            database.execute("BEGIN IMMEDIATE")
            yield database
            database.execute("COMMIT")
        except BaseException:
            release_connection()
            raise

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError:
            raise Overtaken from None  # the turn of a line is taken
        except sqlite3.OperationalError as error:
            said = (
                f"it was begun by another version of planning-kit ({error})."
                if "no such column" in str(error)
                else f"{error}. See that its folder is there, may be written and has room; where "
                f"somebody else writes (waited {LOCK_SECONDS:g} s), try again."
            )
            raise DataError(f"agreement log {self.path.name!r}: {said}") from None
        except sqlite3.DatabaseError as error:
            raise DataError(
                f"agreement log {self.path.name!r} cannot be read: {error}. Put the last good "
                "copy of the file back."
            ) from None


def _mark(path: Path) -> tuple[Any, ...]:
    try:
        facts = path.stat()
        with path.open("rb") as file:
            writings = file.read(28)[24:]  # change counter of SQLite's file format
    except OSError:  # not there, or not to be read: reading it says so
        return ()
    return facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, writings
