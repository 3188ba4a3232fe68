"""What people answered, kept as a plain table in the plan: rows are added, never rewritten."""

from __future__ import annotations

import csv
import hashlib
import io
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from planning_kit.data.fan_out import GUARDED
from planning_kit.data.schema import TABLES
from planning_kit.data.table_files import guard
from planning_kit.messages import DataError, UsageError, shorten
from planning_kit.plan import ANSWERS, Plan, write_atomically

LONGEST = 2000  # characters of an answer
_WAIT = 60  # seconds for others who write


def one_line(text: str) -> str:
    """Bring a text into one line: line ends and signs that do not print become blanks.

    Raises
    ------
    UsageError
        Nothing is left, or the text is too long; it is never cut.
    """
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if not plain:
        raise UsageError("the answer is empty; say in a sentence what happened.")
    if len(plain) > LONGEST:
        raise UsageError(
            f"the answer has {len(plain):,} characters, {LONGEST:,} are kept; say the main thing and "
            "name where the rest stands."
        )
    return plain


def add_answer(plan: Plan, answer: Mapping[str, str]) -> tuple[str, bool]:
    """Add an answer to the plan's table; the same answer again adds nothing.

    Rows that are there stay as they are, also after a spreadsheet saved them; who writes at the
    same time waits.

    Parameters
    ----------
    plan
        Its ``data/answers.csv`` is written.
    answer
        By column of the canonical table ``answers``, without ``answer_id``.

    Returns
    -------
    tuple of str and bool
        The id of the answer, and if it was added.

    Raises
    ------
    UsageError
        The plan reads its answers from elsewhere.
    DataError
        The file cannot be added to: not UTF-8, or without a column that is needed.
    """
    if plan.sources.get("answers", {}).get("file", ANSWERS) != ANSWERS or (
        {"sql", "database"} & set(plan.sources.get("answers", {}))
    ):
        raise UsageError(
            f"plan.toml reads answers from elsewhere; only {ANSWERS} of the plan is written."
        )
    told = "\x1f".join(answer.get(name, "") for name in TABLES["answers"].names)
    answer_id = hashlib.sha256(told.encode("utf-8")).hexdigest()[:8]
    row = {**answer, "answer_id": answer_id}
    row |= {name: str(guard(row[name])) for name in GUARDED if row.get(name)}
    path = plan.folder / ANSWERS
    with _alone(path):
        text, names, mark, known = _read(path)
        if lost := [name for name, value in row.items() if value and name not in names]:
            raise DataError(f"{ANSWERS} has no column {shorten(lost)}; add it to the first line.")
        if answer_id in known:
            return answer_id, False
        added = io.StringIO()
        writer = csv.writer(added, delimiter=mark, lineterminator="\n")
        if not text:
            writer.writerow(names)
        writer.writerow([row.get(name, "") for name in names])
        gap = "" if not text or text.endswith("\n") else "\n"
        # A spreadsheet knows UTF-8 by the mark at the beginning.
        write_atomically(path, ("\ufeff" + text + gap + added.getvalue()).encode("utf-8"))
    return answer_id, True


def _read(path: Path) -> tuple[str, list[str], str, set[str]]:
    """Give text, columns, delimiter and the ids that are there."""
    if not path.is_file() or not path.stat().st_size:
        return "", TABLES["answers"].names, ",", set()
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            text = file.read()
    except UnicodeDecodeError:
        raise DataError(
            f"{ANSWERS} is not UTF-8; save it as “CSV UTF-8” in the spreadsheet."
        ) from None
    first = text.partition("\n")[0]
    mark = max(",;\t", key=first.count)
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=mark)
    names = [name.strip() for name in rows.fieldnames or ()]
    return text, names, mark, {row.get("answer_id") or "" for row in rows}


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep others waiting; a lock of SQLite goes with its process, on every system."""
    path.parent.mkdir(exist_ok=True)
    with closing(
        sqlite3.connect(path.with_name(f".{path.name}.lock"), timeout=_WAIT, isolation_level=None)
    ) as lock:
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise UsageError(
                f"{path.name} is written by somebody else ({error}); try again."
            ) from None
        yield
