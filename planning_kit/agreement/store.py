"""Where the lines of an agreement log are kept."""

from __future__ import annotations

import atexit
import os
import sqlite3
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

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
    "signature",
)
LOCK_SECONDS = 30.0
T = TypeVar("T")
Line = dict[str, Any]
Lines = tuple[dict[str, str], list[Line]]  # the head of the log, and its lines in order
Select = Callable[..., list[Line]]  # of the end of a query, and its values

_NUMBERS = {"sequence": "{} PRIMARY KEY", "units": "{}"}
_TABLES = ("agreement_head", "agreement_events")  # in a database that may hold other tables too
_LOCK = 0x506C616E  # what writers of PostgreSQL wait for
_PAUSE = 0.25  # seconds between two tries to reach a server


def _columns(number: str) -> str:
    return ", ".join(
        f'"{name}" {_NUMBERS[name].format(number) if name in _NUMBERS else "TEXT"}'
        for name in EVENT_COLUMNS
    )


@dataclass(frozen=True)
class Kept:
    """What is kept, as a writer sees it while nobody else writes.

    Attributes
    ----------
    head : mapping of str to str
        Notes about the log; empty: it has no line yet.
    select : callable
        Gives lines for the end of a query, with ``?`` for each of the values that follow.
    """

    head: Mapping[str, str]
    select: Select

    def last(self) -> Line | None:
        """Give the last line."""
        return next(iter(self.select("ORDER BY sequence DESC LIMIT 1")), None)

    def at(self, number: int) -> Line | None:
        """Give the line of a number."""
        return next(iter(self.select("WHERE sequence = ?", number)), None)

    def about(self, rep_id: str, after: int = 0) -> list[Line]:
        """Give the lines about a person after the one of a number."""
        return self.select("WHERE rep_id = ? AND sequence > ? ORDER BY sequence", rep_id, after)

    def lines(self) -> list[Line]:
        """Give all lines in order."""
        return self.select("ORDER BY sequence")


class LogStore(Protocol):
    """What a place for lines can do."""

    def __hash__(self) -> int:
        """Tell one place from another."""

    @property
    def place(self) -> str:
        """Name the place, without a password."""

    def state(self) -> Hashable:
        """Give a value that is another one as soon as a line or the head has changed."""

    def head(self) -> Mapping[str, str]:
        """Give the head alone."""

    def read(self) -> Lines:
        """Give the head and the lines; both empty where nothing was kept yet."""

    def write(self, build: Callable[[Kept], Lines]) -> None:
        """Let ``build`` say what the head becomes and which lines are added, undisturbed."""


@dataclass(unsafe_hash=True)
class SqliteStore:
    """Lines in one SQLite file; a second writer waits, a crash leaves the lines before it."""

    path: Path

    @property
    def place(self) -> str:
        """Name the file."""
        return str(self.path.resolve())

    def state(self) -> Hashable:
        """Give times, size and SQLite's own count of writings; the times alone may be coarse."""
        return _mark(self.path), _mark(self.path.with_name(f"{self.path.name}-wal"))

    def head(self) -> Mapping[str, str]:
        """Give the head alone; looking creates no file."""
        return self._read(lambda kept: kept.head, {})

    def read(self) -> Lines:
        """Give the head and the lines; reading creates no file."""
        nothing: Lines = ({}, [])
        return self._read(lambda kept: (dict(kept.head), kept.lines()), nothing)

    def _read(self, take: Callable[[Kept], T], nothing: T) -> T:
        if not self.path.exists():
            return nothing
        # "rw", not "ro": after a crash the reader has to take back half-written lines.
        with self._open("rw") as database:
            database.execute("BEGIN")
            return take(self._kept(database))

    def write(self, build: Callable[[Kept], Lines]) -> None:
        """Add lines in one transaction that starts with looking at what is kept."""
        with self._open("rwc") as database:
            database.execute("PRAGMA synchronous = FULL")  # a line that was confirmed stays
            database.execute("BEGIN IMMEDIATE")
            kept = self._kept(database)
            head, added = build(kept)
            if not kept.head:
                for statement in _SQLITE:
                    database.execute(statement)
            marks = ", ".join("?" * len(EVENT_COLUMNS))
            rows = ([line[name] for name in EVENT_COLUMNS] for line in added)
            database.executemany(f"INSERT INTO events VALUES ({marks})", rows)
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

    def _kept(self, database: sqlite3.Connection) -> Kept:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
        if not tables:
            return Kept({}, lambda *_: [])
        if not tables >= {"head", "events"}:
            raise DataError(f"{self.path.name!r} is a database, but not an agreement log.")
        names = [row[1] for row in database.execute("PRAGMA table_info(events)")]
        if missing := [name for name in EVENT_COLUMNS if name not in names]:
            raise DataError(
                f"agreement log {self.path.name!r}: it was begun by another version of "
                f"planning-kit: it has no column {missing[0]!r}."
            )

        def select(end: str, *values: Any) -> list[Line]:
            rows = database.execute(f"SELECT {', '.join(EVENT_COLUMNS)} FROM events {end}", values)
            return [dict(zip(EVENT_COLUMNS, row, strict=True)) for row in rows]

        return Kept(dict(database.execute("SELECT item, value FROM head")), select)


_SQLITE = (
    "CREATE TABLE head (item TEXT PRIMARY KEY, value TEXT)",
    f"CREATE TABLE events ({_columns('INTEGER')})",
    "CREATE INDEX events_about ON events (rep_id, sequence)",
    # Guards against accidents; against intent there are the chain and the key.
    *(
        f"CREATE TRIGGER no_{change} BEFORE {change} ON events "
        "BEGIN SELECT RAISE(ABORT, 'the agreement log only grows'); END"
        for change in ("UPDATE", "DELETE")
    ),
)


@dataclass(unsafe_hash=True)
class PostgresStore:
    """Lines in a PostgreSQL database, one log a schema: for a team, from several machines.

    Every writer takes one lock, so that the chain has one order.

    Attributes
    ----------
    url : str
        Address with user and password, never shown.
    """

    url: str = field(repr=False)

    @property
    def place(self) -> str:
        """Name server, database and options, without who enters."""
        parts = urlsplit(self.url)
        return f"postgresql://{parts.hostname}:{parts.port or 5432}{parts.path}?{parts.query}"

    def state(self) -> Hashable:
        """Let the server digest all rows: any change of any cell gives another number."""
        with self._transaction() as cursor:
            if not _there(cursor):
                return 0
            sums = " UNION ALL ".join(
                f"SELECT count(*), sum(hashtextextended(t::text, 0)) FROM {name} t"
                for name in _TABLES
            )
            return tuple(cursor.execute(sums).fetchall())

    def head(self) -> Mapping[str, str]:
        """Give the head alone; looking creates no table."""
        with self._transaction() as cursor:
            return self._kept(cursor).head

    def read(self) -> Lines:
        """Give the head and the lines; reading creates no table."""
        with self._transaction("ISOLATION LEVEL REPEATABLE READ READ ONLY") as cursor:
            kept = self._kept(cursor)
            return dict(kept.head), kept.lines()

    def write(self, build: Callable[[Kept], Lines]) -> None:
        """Add lines in one transaction that starts with looking at what is kept."""
        with self._transaction() as cursor:
            cursor.execute(f"SELECT pg_advisory_xact_lock({_LOCK})")
            kept = self._kept(cursor)
            head, added = build(kept)
            if not kept.head:
                for statement in _POSTGRES:
                    cursor.execute(statement)
            marks = ", ".join(["%s"] * len(EVENT_COLUMNS))
            rows = ([line[name] for name in EVENT_COLUMNS] for line in added)
            cursor.executemany(f"INSERT INTO agreement_events VALUES ({marks})", rows)
            cursor.executemany(
                "INSERT INTO agreement_head VALUES (%s, %s) "
                "ON CONFLICT (item) DO UPDATE SET value = EXCLUDED.value",
                [(k, v) for k, v in head.items() if kept.head.get(k) != v],
            )

    @contextmanager
    def _transaction(self, kind: str = "") -> Iterator[Any]:
        import psycopg

        try:
            database = self._connection()
            with database.transaction(), database.cursor() as cursor:
                if kind:
                    cursor.execute(f"SET TRANSACTION {kind}")
                yield cursor
        except psycopg.errors.LockNotAvailable:
            raise DataError(
                f"agreement log: somebody else wrote for {LOCK_SECONDS:g} s; try again."
            ) from None
        except psycopg.Error as error:
            _close(self.url)
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise DataError(f"agreement log in the database: {lines[0]}.") from None

    def _connection(self) -> Any:
        """Give the open connection, or open it, waiting for a server that starts anew."""
        import psycopg

        known = _OPENED.get((os.getpid(), self.url))  # a child has to open its own
        if known is not None and not known.closed:
            return known
        url = self.url.replace("postgresql+psycopg://", "postgresql://", 1)
        begun = time.monotonic()
        while True:
            try:
                opened = psycopg.connect(url, autocommit=True, connect_timeout=int(LOCK_SECONDS))
                opened.execute(f"SET lock_timeout = {int(LOCK_SECONDS * 1000)}")
                _OPENED[os.getpid(), self.url] = opened
                return opened
            except psycopg.OperationalError as error:
                starts = "starting up" in str(error) or "too many clients" in str(error)
                if not starts or time.monotonic() - begun > LOCK_SECONDS:
                    raise
                time.sleep(_PAUSE)

    def _kept(self, cursor: Any) -> Kept:
        if not _there(cursor):
            return Kept({}, lambda *_: [])

        def select(end: str, *values: Any) -> list[Line]:
            names = ", ".join(f'"{name}"' for name in EVENT_COLUMNS)
            query = f"SELECT {names} FROM agreement_events {end.replace('?', '%s')}"
            rows = cursor.execute(query, values).fetchall()
            return [dict(zip(EVENT_COLUMNS, row, strict=True)) for row in rows]

        head = cursor.execute("SELECT item, value FROM agreement_head").fetchall()
        return Kept(dict(head), select)


_POSTGRES = (
    "CREATE TABLE agreement_head (item TEXT PRIMARY KEY, value TEXT)",
    f"CREATE TABLE agreement_events ({_columns('BIGINT')})",
    "CREATE INDEX agreement_events_about ON agreement_events (rep_id, sequence)",
    "CREATE FUNCTION agreement_only_grows() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION 'the agreement log only grows'; END $$",
    "CREATE TRIGGER agreement_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON agreement_events "
    "FOR EACH STATEMENT EXECUTE FUNCTION agreement_only_grows()",
)


_OPENED: dict[tuple[int, str], Any] = {}  # by process and address: the next line needs it again


@atexit.register
def _close(*urls: str) -> None:
    """Close this process's connections, those of some addresses or all."""
    for process, url in list(_OPENED):
        if process == os.getpid() and (not urls or url in urls):
            _OPENED.pop((process, url)).close()


def _there(cursor: Any) -> bool:
    found = cursor.execute("SELECT to_regclass('agreement_events')").fetchone()
    return found[0] is not None


def store_of(place: str | Path) -> LogStore:
    """Give the store for a file, or for the address of a PostgreSQL database.

    Raises
    ------
    DataError
        The address is of another kind of database, or its driver is not installed.
    """
    text = str(place)
    if isinstance(place, Path) or "://" not in text:
        return SqliteStore(Path(place))
    kind = text.partition("://")[0]
    if kind not in ("postgresql", "postgres", "postgresql+psycopg"):
        raise DataError(f"agreement log: {kind}:// is not kept; write postgresql://….")
    try:
        import psycopg  # noqa: F401
    except ImportError:
        raise DataError(
            'agreement log: databases need: pip install "planning-kit[databases]".'
        ) from None
    return PostgresStore(text)


def _mark(path: Path) -> Hashable:
    try:
        facts = path.stat()
        with path.open("rb") as file:
            writings = file.read(28)[24:]  # change counter of SQLite's file format
    except OSError:  # not there, or not to be read: reading it says so
        return ()
    return facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, writings
