"""What a place for the lines of an agreement log can do, and what its kinds share."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from planning_kit.agreement.chain import Draft, Line

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
    "turn",
    "seen",
    "previous",
    "digest",
    "signature",
)
NUMBERS = ("sequence", "units", "turn")
NAMES = ", ".join(f'"{name}"' for name in EVENT_COLUMNS)
LOCK_SECONDS = 30.0
SOMEBODY_ELSE = f"somebody else wrote for {LOCK_SECONDS:g} s; try again."
Lines = tuple[dict[str, str], list[Line]]  # the head of the log, and its lines in order


class Overtaken(Exception):
    """The log is not as the writer saw it: somebody was faster."""


@dataclass(frozen=True)
class Kept:
    """What a writer sees of a log at one moment.

    Attributes
    ----------
    head : mapping of str to str
        Notes about the log; empty: it has no line yet.
    lines : dict of int to dict
        Some lines and the last one, by number, in order.
    """

    head: Mapping[str, str]
    lines: Mapping[int, Line]

    def last(self) -> Line | None:
        """Give the last line."""
        return self.lines[max(self.lines)] if self.lines else None


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
        """Give the head alone; creates nothing."""

    def read(self) -> Lines:
        """Give the head and the lines, both empty where nothing was kept yet; creates nothing."""

    def look(self, number: int, people: Sequence[str]) -> Kept:
        """Give the last line, the one of a number and all about some people; creates nothing."""

    def add(self, header: Mapping[str, str], seen_at: int, drafts: Sequence[Draft]) -> list[Line]:
        """Chain drafts behind the last line, all or none, and give the lines as kept.

        Parameters
        ----------
        header
            Goes with the first lines of a log; else it is empty.
        seen_at
            Number of the line that the first draft has seen; 0: there was none.
        drafts
            What to add.

        Raises
        ------
        Overtaken
            Somebody spoke about the same goal or began the log, or the line seen is not there.
        """


def columns(number: str) -> str:
    """Declare the columns, with the database's name for a whole number."""
    return ", ".join(
        f'"{name}" {number if name in NUMBERS else "TEXT"}'
        + (" PRIMARY KEY" if name == "sequence" else "")
        for name in EVENT_COLUMNS
    )


def some_lines(table: str, value: str, is_one_of: str) -> str:
    """Ask for the last line, the one of a number and those about some people, each by an index."""
    conditions = (
        f"sequence = (SELECT max(sequence) FROM {table})",
        f"sequence = {value}",
        f"rep_id {is_one_of}",
    )
    return " UNION ALL ".join(f"SELECT {NAMES} FROM {table} WHERE {one}" for one in conditions)


def lines_of(rows: Iterable[Sequence[Any]]) -> list[Line]:
    """Name the cells of rows."""
    return [dict(zip(EVENT_COLUMNS, row, strict=True)) for row in rows]


def kept_of(head: Mapping[str, str], lines: Iterable[Line]) -> Kept:
    """Put lines in order, each once."""
    found = {line["sequence"]: line for line in lines}
    return Kept(head, dict(sorted(found.items())))


_HELD = threading.local()  # the connection a thread used last: the next line needs it again


def held_connection(place: str, mark: Hashable, connect: Callable[[], Any]) -> Any:
    """Give the connection that this thread used last, or open one.

    It is another one for another place or mark, and in a child of this process.
    """
    key = (os.getpid(), place, mark)
    if getattr(_HELD, "key", None) != key:
        release_connection()
        _HELD.connection, _HELD.key = connect(), key
    return _HELD.connection


@atexit.register
def release_connection() -> None:
    """Close the connection this thread used last."""
    key, _HELD.key = getattr(_HELD, "key", None), None
    if key and key[0] == os.getpid():
        _HELD.connection.close()
