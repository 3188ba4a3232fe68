"""The agreement log: who said which number when, in lines that nobody can change unseen."""

from __future__ import annotations

import getpass
import hashlib
import json
import math
import os
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from numbers import Real
from pathlib import Path
from typing import Any

import pandas as pd

from planning_kit.agreement.keys import NOT_HERE, Seal, is_signed, sign
from planning_kit.agreement.promises import promise_basis
from planning_kit.agreement.state import PUBLISH, Talk, play, utc_text
from planning_kit.agreement.store import EVENT_COLUMNS, Kept, Line, Lines, LogStore, store_of
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

_NAMED = ("account", "product", "opportunity")
EVIDENCE_KEYS = (*_NAMED, "amount", "probability", "month", "reason")
_COMPARE = "Compare with a copy from before; letters sent after that line may be wrong."
_PUT_BACK = "put the last good copy of the file back"
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


@dataclass(frozen=True)
class Log:
    """The agreement log of one plan: where its lines are kept, and what they count in."""

    store: LogStore
    header: Mapping[str, str]
    _heard: dict[str, tuple[Line, Talk]] = field(default_factory=dict, repr=False, compare=False)

    @property
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

    def heard(self, kept: Kept, rep_id: str) -> tuple[int, Talk | None]:
        """Give a talk as this process knows it, with the number of its last line; 0: it does not."""
        line, talk = self._heard.get(rep_id, ({}, None))
        still = kept.at(line["sequence"]) if line else None
        if still is None or still["digest"] != line["digest"]:
            return 0, None
        return line["sequence"], talk and talk.copy()

    def remember(self, talks: Mapping[str, Talk], lines: Iterable[Line]) -> None:
        """Keep what talks have come to with the lines just added."""
        for line in lines:
            if line["rep_id"] in talks:
                self._heard[line["rep_id"]] = line, talks[line["rep_id"]]

    def sound_lines(self) -> list[Line]:
        """Give the lines of a log whose whole chain holds.

        Raises
        ------
        DataError
            Naming the first line that was changed, removed or inserted.
        """
        seal = self.seal
        known = (seal, tuple(seal.keys()), seal.note())
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
    wanted = [events] if isinstance(events, Event) else list(events)
    added: list[Line] = []
    talks: dict[str, Talk] = {}

    def build(kept: Kept) -> Lines:
        _check_header(kept.head, log.header)
        keys = log.seal.keys_to_sign(begins=not kept.head)
        talks.update(_talks_so_far(log, kept, {event.rep_id.strip() for event in wanted}, keys))
        added.extend(_extend(log.header, kept.last(), wanted, talks, voices, user or login()))
        for line in added:
            line["signature"] = sign(keys, line["digest"])
        end = {"last_line": str(added[-1]["sequence"]), "last_digest": added[-1]["digest"]}
        return {**log.header, **end}, added

    if wanted:
        log.store.write(build)
        log.seal.write_note(added[-1])
        log.remember(talks, added)
    return added


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
    lines = _extend(_header(settings), None, list(events), {}, None, user, moment)
    return _events_table(lines)


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
    head, lines = log.read()
    seal = log.seal
    keys, where, rows = seal.keys(), "agreement log", []
    if fault := _first_fault(log.header, head, lines, keys, seal.note()):
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
        "format": "3",
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


def _digest(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=repr)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _line_digest(line: Line, **changed: Any) -> str:
    said = {k: v for k, v in line.items() if k not in ("digest", "signature")}
    return _digest({**said, **changed})


@lru_cache(maxsize=4)  # a log is verified once a process, state of its lines, keys and note
def _sound_lines(
    store: LogStore,
    header: tuple[tuple[str, str], ...],
    known: tuple[Seal, tuple[str, ...], tuple[int, str]],
    state: Hashable,
) -> list[Line]:
    head, lines = store.read()
    _check_header(head, dict(header))
    if fault := _first_fault(dict(header), head, lines, known[0].keys(), known[2]):
        raise DataError(f"agreement log: {fault}. {_COMPARE}")
    return lines


def _first_fault(
    header: Mapping[str, str],
    head: Mapping[str, str],
    lines: list[Line],
    keys: Mapping[str, bytes],
    note: tuple[int, str],
) -> str:
    """Say which line breaks the chain first; empty: none."""
    previous = _digest(header)
    for number, line in enumerate(lines, start=1):
        if line["sequence"] != number:
            return f"line {number} was removed (line {line['sequence']} comes in its place)"
        if line["digest"] != _line_digest(line):
            return _name_change(number, line, len(lines))
        if line["previous"] != previous:
            return f"line {number} does not follow line {number - 1}: one of them was replaced"
        if not is_signed(keys, line["digest"], str(line["signature"])):
            return f"line {number} is not signed with the key of this plan: it was forged"
        previous = line["digest"]
    return _end_fault(head, [line["digest"] for line in lines]) or _note_fault(
        note, len(lines), lambda number: lines[number - 1]
    )


def _note_fault(note: tuple[int, str], count: int, at: Callable[[int], Line | None]) -> str:
    """Compare the log with the note of its last line beside the key."""
    number, digest = note
    if number < 0:
        return "the note of the last line, beside the plan key, was changed"
    if number > count:
        return f"line {count + 1} was removed: {number} lines are noted beside the plan key"
    line = at(number) if number else None
    if line is not None and line["digest"] != digest:
        return f"line {number} is not the one noted beside the plan key: another log is here"
    return ""


def _name_change(number: int, line: Line, count: int) -> str:
    """Tell a changed line from one that was moved: the number is part of what is signed."""
    numbers = range(1, 2 * count + 100)
    was = next((k for k in numbers if line["digest"] == _line_digest(line, sequence=k)), 0)
    if not was:
        return f"line {number} was changed after it was recorded"
    change = "inserted" if was < number else "removed or moved"
    return f"line {number} was recorded as line {was}: a line before it was {change}"


def _end_fault(head: Mapping[str, str], digests: list[str]) -> str:
    """Compare the last line with what the head says was the last line."""
    noted, last_digest = head.get("last_line", "0"), head.get("last_digest", "")
    recorded, kept = int(noted) if noted.isdecimal() else -1, len(digests)
    if recorded == kept and last_digest == "".join(digests[-1:]):
        return ""
    if recorded > kept and last_digest not in digests:
        return f"line {kept + 1} was removed ({recorded} were recorded, {kept} are left)"
    if 0 < recorded < kept and last_digest == digests[recorded - 1]:
        return f"line {recorded + 1} was inserted past this program"
    return "the note of the last line, in the table 'head', was changed"


def _talks_so_far(
    log: Log, kept: Kept, people: Iterable[str], keys: Mapping[str, bytes]
) -> dict[str, Talk]:
    """Play what was said about some people, after looking at these lines and at the log's end.

    Only what is new since this process looked last is read; the whole log where anything is wrong.
    """
    last, talks = kept.last(), {}
    fault = _note_fault(log.seal.note(), last["sequence"] if last else 0, kept.at)
    ends = [last] if last else []
    noted = kept.head.get("last_digest", "")
    sound = not fault and noted == "".join(line["digest"] for line in ends)
    for rep_id in sorted(people) if sound else ():
        seen, talk = log.heard(kept, rep_id)
        fresh = kept.about(rep_id, seen)
        sound = sound and all(_is_sound(line, keys) for line in [*fresh, *ends])
        if sound and (fresh or talk):
            talks.update(play(fresh, {rep_id: talk} if talk else {}))
    if sound:
        return talks
    fault = _first_fault(log.header, kept.head, kept.lines(), keys, log.seal.note()) or fault
    raise DataError(f"agreement log: {fault}. Nothing is added to a log out of order.")


def _is_sound(line: Line, keys: Mapping[str, bytes]) -> bool:
    return line["digest"] == _line_digest(line) and is_signed(
        keys, line["digest"], str(line["signature"])
    )


def _extend(
    header: Mapping[str, str],
    last: Line | None,
    events: list[Event],
    talks: dict[str, Talk],
    voices: Voices | None,
    user: str,
    time: str = "",
) -> list[Line]:
    """Turn events into lines that continue the chain; every refused move is named."""
    added: list[Line] = []
    faults = []
    before = last or {"sequence": 0, "time": "", "digest": _digest(header)}
    for event in events:
        try:
            line = _line(event, Decimal(header["rounding_unit"]), before, time, user)
            if voices and event.kind != PUBLISH:
                voices.require(
                    event.kind, line["rep_id"], line["actor"], line["behalf"], line["reason"]
                )
            play([line], talks, voices)
            line["basis"] = _basis_text({**_terms(talks, event), **event.basis})
        except DataError as error:
            faults.append(str(error))
            continue
        before = {**line, "digest": _line_digest(line), "signature": ""}
        added.append(before)
    if faults:
        more = f" And {len(faults) - 5} more." if len(faults) > 5 else ""
        count = f"{len(faults)} of {len(events)} events refused, nothing recorded"
        raise DataError(f"agreement log: {count}. {' '.join(faults[:5])}{more}")
    return added


def _line(event: Event, unit: Decimal, last: Line, time: str, user: str) -> Line:
    units = None if event.amount is None else _whole_units(event, unit)
    now = max(utc_text(time or datetime.now(UTC).isoformat()), last["time"])
    line = {
        "sequence": last["sequence"] + 1,
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
        "previous": last["digest"],
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
    if line["time"] < last["time"]:
        raise DataError(
            f"{event.rep_id}: {event.kind} at {line['time']} is before the last line "
            f"({last['time']}); the log only grows: leave the time out."
        )
    return line


def _terms(talks: Mapping[str, Talk], event: Event) -> dict[str, str]:
    """Give what a move is made under: the basis of the goal that was assigned last."""
    talk = talks.get(event.rep_id.strip())
    return {} if talk is None or event.kind == "assign" else talk.basis


def _basis_text(basis: Mapping[str, str]) -> str:
    return json.dumps(dict(basis), sort_keys=True) if basis else ""


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
        if name in ("sequence", "units"):
            # A text that somebody wrote over a number shows as empty here; verify names it.
            table[name] = pd.to_numeric(table[name], errors="coerce").astype("Int64")
        else:
            text = table[name].astype("str")
            empty = name in ("product_line", "territory_id", "amount")
            table[name] = text.mask(text == "") if empty else text
    return table
