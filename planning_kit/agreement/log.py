"""The agreement log: who said which number when, in lines that nobody can change unseen."""

from __future__ import annotations

import getpass
import json
import math
import os
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import cache, cached_property, lru_cache
from numbers import Real
from pathlib import Path
from time import monotonic
from typing import Any

import pandas as pd

from planning_kit.agreement.chain import (
    Draft,
    Line,
    chained,
    content_of,
    end_of,
    first_fault,
    is_sound,
    note_fault,
    start_of,
)
from planning_kit.agreement.keys import NOT_HERE, Seal, sign
from planning_kit.agreement.promises import promise_basis
from planning_kit.agreement.state import PUBLISH, UTC_SECONDS, Talk, play, utc_text
from planning_kit.agreement.store import (
    EVENT_COLUMNS,
    LOCK_SECONDS,
    SOMEBODY_ELSE,
    Kept,
    Lines,
    LogStore,
    Overtaken,
)
from planning_kit.agreement.store_postgres import PostgresStore
from planning_kit.agreement.store_sqlite import SqliteStore
from planning_kit.agreement.voices import Voices
from planning_kit.messages import (
    PROBLEM_COLUMNS,
    DataError,
    finding,
    findings_table,
    require_labels,
    shorten,
)
from planning_kit.plan import Settings

APP_USER = "PLANNING_KIT_USER"  # as planning-kit app tells its kernels
_LOGINS = (APP_USER, "JUPYTERHUB_USER", "HTTP_X_FORWARDED_USER", "REMOTE_USER")

_NAMED = ("account", "product", "opportunity")
EVIDENCE_KEYS = (*_NAMED, "amount", "probability", "month", "reason")
_COMPARE = "Compare with a copy from before; letters sent after that line may be wrong."
_PUT_BACK = "put the last good copy of the file back"
_NOTHING: Line = {"turn": 0, "time": ""}  # in place of a line that nobody said
MOST = 10**15  # plan currency; the same bound as for targets in plan.toml


@dataclass(frozen=True)
class Event:
    """One move of the negotiation, as somebody makes it.

    Attributes
    ----------
    kind : str
        assign, propose, counter, accept, escalate, decide, withdraw, note, promise, sign; or
        publish, which is about a region and nobody's talk.
    rep_id : str
        Whose goal it is about.
    actor : str
        Who makes the move: the id of a person, or ``plan``.
    amount : float or None
        Plan currency, a multiple of the rounding unit; None for escalate and note.
    reason : str
        In words; needed for counter, escalate, decide, note, for assigning anew, and where
        somebody speaks for somebody else.
    evidence : sequence of mappings
        Lines behind a proposal: ``account``, ``product`` or ``opportunity``, ``amount`` (plan
        currency), ``probability`` (0 to 1), ``month`` and ``reason``.
    product_line, territory_id : str
        For a move about a part of the goal; empty: the whole goal.
    time : str
        ISO time with its zone; empty: now.
    behalf : str
        In whose name the actor speaks; empty: the own.
    basis : mapping of str to str
        What the move rests on. Of an assigned number ``kit`` (version), ``scenario``, ``region``,
        ``target`` (plan currency) and ``allocation`` (digest of the person's cells), which go with
        every later move about it; of an agreement, optionally, the assumption it is
        ``tied_to``; of a promise ``owner``, ``until`` (a day) and ``hours``.
    """

    kind: str
    rep_id: str
    actor: str
    amount: float | Decimal | None = None
    reason: str = ""
    evidence: Sequence[Mapping[str, Any]] = ()
    product_line: str = ""
    territory_id: str = ""
    time: str = ""
    behalf: str = ""
    basis: Mapping[str, str] = field(default_factory=dict)


@dataclass
class _Heard:
    """What a process knows of a log: the last line, and some talks with their last words."""

    last: Line | None = None
    words: dict[str, Line] = field(default_factory=dict)
    talks: dict[str, Talk] = field(default_factory=dict)

    def add(self, lines: Iterable[Line], talks: Mapping[str, Talk]) -> None:
        for line in lines:
            self.last = self.words[line["rep_id"]] = line
        self.talks |= talks


@dataclass(frozen=True)
class Log:
    """The agreement log of one plan: where its lines are kept, and what they count in."""

    store: LogStore
    header: Mapping[str, str]
    _heard: _Heard = field(default_factory=_Heard, repr=False, compare=False)

    @cached_property
    def seal(self) -> Seal:
        """Give the key of the plan and the note of this log's end."""
        return Seal.of(self.header, self.store.place)

    def read(self) -> Lines:
        """Give head and lines as they are, after checking that they belong to this plan."""
        head, lines = self.store.read()
        _check_header(head, self.header)
        return head, lines

    def read_head(self) -> None:
        """Check that the log belongs to this plan, without reading its lines."""
        _check_header(self.store.head(), self.header)

    def hear(self, people: Sequence[str]) -> bool:
        """Look up some talks unless this process knows them; say whether it had to look.

        Raises
        ------
        DataError
            What has to be seen before a line is added is out of order.
        """
        known = self._heard
        if known.words.keys() >= set(people):
            return False
        keys = self.seal.keys()
        note = self.seal.note(keys)  # before the lines: a writer may add one in between
        kept = self.store.look(note[0], people)
        _check_header(kept.head, self.header)
        if not (_is_end_sound(kept, note) and all(is_sound(k, keys) for k in kept.lines.values())):
            fault = self.first_fault() or "it was exchanged while it was read, try again"
            raise DataError(f"agreement log: {fault}. Nothing is added to a log out of order.")
        said = [line for line in kept.lines.values() if line["rep_id"] in people]
        known.words |= dict.fromkeys(people, _NOTHING)
        known.add(said, play(said))
        known.last = kept.last()
        return True

    def forget(self) -> None:
        """Hear everything anew."""
        self._heard.last = None
        self._heard.words.clear()
        self._heard.talks.clear()

    def drafts(
        self, moves: list[Event], people: Sequence[str], voices: Voices, user: str
    ) -> tuple[list[Draft], dict[str, Talk]]:
        """Write lines for moves about talks that were heard, and say what they make of the talks.

        Raises
        ------
        DataError
            A move is not possible or not that person's to make, by what was heard.
        """
        talks = {k: v.copy() for k, v in self._heard.talks.items() if k in people}
        words = {name: self._heard.words[name] for name in people}
        return _drafts(self.header, self._heard.last, moves, talks, words, voices, user), talks

    def add(self, drafts: list[Draft], talks: Mapping[str, Talk]) -> list[Line]:
        """Sign drafts and add them, all or none.

        Raises
        ------
        Overtaken
            Somebody else spoke about one of these talks meanwhile.
        """
        last, keys = self._heard.last, self.seal.keys_to_sign(begins=self._heard.last is None)
        for content, line in drafts:
            line["signature"] = sign(keys, content)
        added = self.store.add({} if last else self.header, last["sequence"] if last else 0, drafts)
        self.seal.write_note(added[-1], keys)
        self._heard.add(added, talks)
        return added

    def first_fault(self) -> str:
        """Say which line breaks the chain first, by all lines as they are now; empty: none."""
        keys = self.seal.keys()
        note = self.seal.note(keys)  # before the lines: a writer may add one in between
        head, lines = self.read()
        return first_fault(self.header, head, lines, keys, note)

    def sound_lines(self) -> list[Line]:
        """Give the lines of a log whose whole chain holds.

        Raises
        ------
        DataError
            Naming the first line that was changed, removed or inserted.
        """
        seal, keys = self.seal, self.seal.keys()
        known = (seal, tuple(keys), seal.note(keys))
        return _sound_lines(self.store, tuple(self.header.items()), known, self.store.state())


def open_log(place: str | Path, settings: Settings) -> Log:
    """Open the agreement log of a plan; it appears with the first line appended.

    Parameters
    ----------
    place
        The file, usually ``agreement.db`` in the plan folder, or the address of a PostgreSQL
        database (``postgresql://…``).
    settings
        Name, period, currency and rounding unit of the plan are part of the chain.

    Raises
    ------
    DataError
        The file is the log of another plan (each difference is named), or no log at all.
    """
    log = Log(store_of(place), _header(settings))
    log.read_head()
    return log


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


def append(log: Log, events: Event | Iterable[Event], voices: Voices, user: str = "") -> list[Line]:
    """Add one or several events, all or none, and give the lines as written.

    Parameters
    ----------
    log, events
        Where to, and what.
    voices
        Who may speak about whom.
    user
        Who is logged in; empty: the user of the operating system.

    Raises
    ------
    DataError
        A move is not possible (the message says what is) or not that person's to make, the log
        is out of order, or somebody else held it too long. Nothing is written then.
    """
    moves = [events] if isinstance(events, Event) else list(events)
    people, who = sorted({move.rep_id.strip() for move in moves}), user or login()
    begun = monotonic()
    while moves:
        is_fresh = log.hear(people)
        try:
            drafts = log.drafts(moves, people, voices, who)
        except DataError:
            if is_fresh:
                raise
            log.forget()  # somebody may have said what makes it possible
            continue
        try:
            return log.add(*drafts)
        except Overtaken:
            log.forget()
            if monotonic() - begun > LOCK_SECONDS:
                raise DataError(f"agreement log: {SOMEBODY_ELSE}") from None
        except BaseException:
            log.forget()
            raise
    return []


def _is_end_sound(kept: Kept, note: tuple[int, str]) -> bool:
    last = kept.last()
    is_noted = not note_fault(note, last["sequence"] if last else 0, kept.lines.get)
    return is_noted and end_of(last).items() <= kept.head.items()


def read_events(log: Log) -> pd.DataFrame:
    """Give every line of the log in order; no rows where nothing was recorded yet.

    ``amount`` is exact text in plan currency, ``units`` the same in whole rounding units,
    ``evidence`` is JSON; an empty label means the whole goal.

    Raises
    ------
    DataError
        The chain is broken: no number of such a log is given to anybody (`Log.read` gives its lines
        to whoever has to find out what happened).
    """
    return _events_table(log.sound_lines())


def last_line(log: Log) -> tuple[int, str]:
    """Give number and digest of the last line, for notes elsewhere; 0 and empty: no line yet.

    Raises
    ------
    DataError
        The chain is broken.
    """
    lines = log.sound_lines()
    return len(lines), lines[-1]["digest"] if lines else ""


def log_problems(place: str | Path, settings: Settings) -> list[dict[str, Any]]:
    """Give what is wrong with the log of a plan as problem rows (see `PROBLEM_COLUMNS`)."""
    try:
        open_log(place, settings).sound_lines()
    except DataError as error:
        name = place.name if isinstance(place, Path) else ""
        where, said = ("fail", "agreement log", name, None, "", ""), str(error).rstrip(".")
        values = (*where, "agreement", said, _PUT_BACK)
        return [dict(zip(PROBLEM_COLUMNS, values, strict=True))]
    return []


def record_events(
    events: Iterable[Event], settings: Settings, time: str = "", user: str = ""
) -> pd.DataFrame:
    """Give the lines a new log would hold after these events, without a file.

    Parameters
    ----------
    events, settings
        As in `append` and `open_log`.
    time
        For events without one; empty: midnight (UTC) of the plan's first day, because the same
        table has to give the same bytes on every run.
    user
        Who is logged in.
    """
    moment = time or f"{settings.starts_on.isoformat()}T00:00:00+00:00"
    header = _header(settings)
    drafts = _drafts(header, None, list(events), {}, {}, None, user, moment)
    return _events_table(chained(drafts, (0, start_of(header))))


def verify(log: Log, known_digests: Iterable[str] = ()) -> pd.DataFrame:
    """Check the whole chain and name the first line that was changed, removed or inserted.

    With the plan key, a chain that was written anew as a whole, a line that was added past this
    program and a cut end are found too. Without it digests noted elsewhere, for example on goal
    letters, show that: each has to be the digest of some line.

    Returns
    -------
    pandas.DataFrame
        Findings.
    """
    seal, where, rows = log.seal, "agreement log", []
    keys = seal.keys()
    note = seal.note(keys)  # before the lines: a writer may add one in between
    head, lines = log.read()
    if fault := first_fault(log.header, head, lines, keys, note):
        rows.append(finding("agreement.log", "fail", where, f"{fault}.", _COMPARE))
    if lost := sorted({str(d) for d in known_digests} - {str(line["digest"]) for line in lines}):
        message = f"{len(lost)} digests noted elsewhere are not in the log: {shorten(lost)}."
        advice = "The chain was written anew, or the note belongs to another log."
        rows.append(finding("agreement.noted", "fail", where, message, advice))
    if not rows and not lines:
        rows.append(finding("agreement.log", "review", where, "nothing was recorded yet."))
    if not rows:
        signed = "in order and signed" if keys else "in order"
        message = f"{len(lines)} lines {signed}; the last digest is {lines[-1]['digest']}."
        rows.append(finding("agreement.log", "pass", where, message))
    if lines and not keys:
        said = "the signatures were not checked"
        advice = f"{NOT_HERE.format(folder=seal.key_file.parent)}."
        rows.append(finding("agreement.key", "review", where, f"{said}.", advice))
    if seal.is_open():
        message = f"other users of this machine can read the plan key {seal.key_file}."
        rows.append(finding("agreement.key", "review", where, message, "chmod 600"))
    return findings_table(rows)


def _header(settings: Settings) -> dict[str, str]:
    return {
        "format": "4",
        "plan": settings.name,
        "currency": settings.currency,
        "rounding_unit": f"{Decimal(f'{settings.rounding_unit:.12g}'):f}",
        "starts_on": settings.starts_on.isoformat(),
        "ends_on": settings.ends_on.isoformat(),
    }


def _check_header(head: Mapping[str, str], header: Mapping[str, str]) -> None:
    differences = [
        f"{name} is {head.get(name)!r} in the log and {value!r} in the plan"
        for name, value in header.items()
        if head and head.get(name) != value
    ]
    if differences:
        raise DataError(
            f"agreement log: this is the log of another plan: {'; '.join(differences)}. Give this "
            "plan its own file, or put plan.toml back to what was negotiated."
        )


@lru_cache(maxsize=4)  # a log is verified once a process, state of its lines, keys and note
def _sound_lines(
    store: LogStore,
    header: tuple[tuple[str, str], ...],
    known: tuple[Seal, tuple[str, ...], tuple[int, str]],
    state: Hashable,
) -> list[Line]:
    head, lines = store.read()
    _check_header(head, dict(header))
    if fault := first_fault(dict(header), head, lines, known[0].keys(), known[2]):
        raise DataError(f"agreement log: {fault}. {_COMPARE}")
    return lines


def _drafts(
    header: Mapping[str, str],
    last: Line | None,
    events: list[Event],
    talks: dict[str, Talk],
    words: dict[str, Line],
    voices: Voices | None,
    user: str,
    moment: str = "",
) -> list[Draft]:
    """Turn events into lines without a place and a signature; every refused move is named.

    Each line names what its writer had seen: the digest of the last line, or, after another line
    of the same writer, what that says.
    """
    drafts: list[Draft] = []
    faults = []
    unit, seen = Decimal(header["rounding_unit"]), last["digest"] if last else start_of(header)
    least = max((line["time"] for line in [last or _NOTHING, *words.values()]), default="")
    for event in events:
        try:
            line = _line(event, unit, least, moment, user)
            if voices and event.kind != PUBLISH:
                voices.require(
                    event.kind, line["rep_id"], line["actor"], line["behalf"], line["reason"]
                )
            play([line], talks, voices)
        except DataError as error:
            faults.append(str(error))
            continue
        line["basis"] = _basis_text({**_terms(talks, event), **event.basis})
        line["turn"] = words.get(line["rep_id"], _NOTHING)["turn"] + 1
        line["seen"], least, words[line["rep_id"]] = seen, line["time"], line
        seen = content_of(line)
        drafts.append((seen, {**line, "signature": ""}))
    if faults:
        more = f" And {len(faults) - 5} more." if len(faults) > 5 else ""
        count = f"{len(faults)} of {len(events)} events refused, nothing recorded"
        raise DataError(f"agreement log: {count}. {' '.join(faults[:5])}{more}")
    return drafts


def _line(event: Event, unit: Decimal, least: str, moment: str, user: str) -> Line:
    units = None if event.amount is None else _whole_units(event, unit)
    now = max(utc_text(moment) if moment else f"{datetime.now(UTC):{UTC_SECONDS}}", least)
    line: Line = {
        "time": utc_text(event.time) if event.time else now,
        "actor": event.actor.strip(),
        "behalf": event.behalf.strip(),
        "user": user,
        "kind": event.kind,
        "rep_id": event.rep_id.strip(),
        "product_line": event.product_line,
        "territory_id": event.territory_id,
        "units": units,
        "amount": "" if units is None else f"{units * unit:f}",
        "reason": event.reason.strip(),
        "evidence": _evidence_text(event),
        "basis": _basis_text(event.basis),
    }
    if event.kind == "promise":
        names = {name: event.basis.get(name, "") for name in ("owner", "until", "hours")}
        promise_basis(names["owner"], names["until"], names["hours"])
    if not ((line["rep_id"] or event.kind == PUBLISH) and line["actor"]):
        raise DataError(f"{event.kind} of {event.rep_id!r} by {event.actor!r}: a name is empty.")
    try:
        "".join(map(str, line.values())).encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{event.rep_id!a}: a text cannot be written: {error}.") from None
    if line["time"] < least:
        raise DataError(
            f"{event.rep_id}: {event.kind} at {line['time']} is before the last line "
            f"({least}); the log only grows: leave the time out."
        )
    return line


def _terms(talks: Mapping[str, Talk], event: Event) -> dict[str, str]:
    """Give what a move is made under: the basis of the goal that was assigned last."""
    talk = talks.get(event.rep_id.strip())
    return {} if talk is None or event.kind == "assign" else talk.basis


def _basis_text(basis: Mapping[str, str]) -> str:
    return json.dumps(dict(basis), sort_keys=True) if basis else ""


def app_user() -> str:
    """Name who is logged in to the app or the hub this runs in; empty: it runs in neither."""
    return next((name for key in _LOGINS if (name := os.environ.get(key, ""))), "")


@cache
def login() -> str:
    """Name the user of the operating system; empty where nobody can tell."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        return str(os.getuid()) if hasattr(os, "getuid") else ""


def _whole_units(event: Event, unit: Decimal) -> int:
    who = f"{event.rep_id}: {event.kind} of {event.amount}"
    try:
        amount = Decimal(str(event.amount))
    except InvalidOperation:
        raise DataError(f"{who}: write an amount.") from None
    if not amount.is_finite() or not 0 <= amount <= MOST:
        raise DataError(f"{who}: an amount lies between 0 and {MOST:,}, it is never negative.")
    units = int((amount / unit).to_integral_value())
    if units * unit != amount:
        raise DataError(f"{who} is no multiple of {unit}; the nearest is {units * unit}.")
    return units


def _evidence_text(event: Event) -> str:
    where = f"{event.rep_id}: evidence"
    lines = []
    for given in event.evidence:
        require_labels(given, EVIDENCE_KEYS, where)
        if not any(given.get(name) for name in _NAMED):
            raise DataError(f"{where}: a line names neither account nor product nor deal.")
        line: dict[str, Any] = {key: str(given[key]) for key in EVIDENCE_KEYS if given.get(key)}
        for name, most in (("amount", MOST), ("probability", 1)):
            value: Any = given.get(name)
            number = isinstance(value, Real) and not isinstance(value, bool)
            line[name] = float(value) if number else math.nan
            if not 0 <= line[name] <= most:
                raise DataError(f"{where}: {name} is {value!r}; write a number from 0 to {most:,}.")
        lines.append(line)
    return json.dumps(lines, separators=(",", ":"))


def _events_table(lines: list[Line]) -> pd.DataFrame:
    table = pd.DataFrame(lines, columns=list(EVENT_COLUMNS), dtype=object)
    for name in EVENT_COLUMNS:
        if name in ("sequence", "units", "turn"):
            # A text that somebody wrote over a number shows as empty here; verify names it.
            table[name] = pd.to_numeric(table[name], errors="coerce").astype("Int64")
        else:
            text = table[name].astype("str")
            empty = name in ("product_line", "territory_id", "amount")
            table[name] = text.mask(text == "") if empty else text
    return table
