"""Where everybody's negotiation stands: the log played from its first line."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pandas as pd

from planning_kit.agreement.voices import Voices
from planning_kit.messages import DataError, require_labels

STATE_COLUMNS = (
    "rep_id",
    "assigned",
    "proposed",
    "countered",
    "agreed",
    "status",
    "rounds",
    "coverage",
    "last_kind",
    "last_by",
    "last_at",
    "agreed_cells",
    "tied_to",
    "scenario",
)
CLOSED = ("accepted", "decided")
UTC_SECONDS = "%Y-%m-%dT%H:%M:%SZ"  # how a time is written
TIED_TO = "tied_to"  # in the basis of an acceptance: the assumption it rests on
BESIDE = ("note", "promise")  # said beside the talk: they change no number and no status
_OPEN_MOVES = ("assign", "propose", "counter", "accept", "escalate", "withdraw", *BESIDE)
MOVES = {
    "not started": ("assign", "propose", "accept", "escalate", *BESIDE),
    "proposed": _OPEN_MOVES,
    "countered": _OPEN_MOVES,
    "escalated": ("assign", "accept", "decide", "withdraw", *BESIDE),
    "accepted": ("assign", "sign", *BESIDE),
    "decided": ("assign", "sign", *BESIDE),
}
PUBLISH = "publish"  # about a region, not about a person's talk
NO_WORD = (*BESIDE, "sign", PUBLISH)  # kinds that are no word in the negotiation
_STATUS_AFTER = {
    "assign": "not started",
    "propose": "proposed",
    "counter": "countered",
    "accept": "accepted",
    "escalate": "escalated",
    "decide": "decided",
}
KINDS = frozenset((*_STATUS_AFTER, "withdraw", "sign", *BESIDE))
_WORD = {"assign": "assigned", "propose": "proposed", "counter": "countered", "decide": "agreed"}
_NEEDS_REASON = ("counter", "escalate", "decide", *BESIDE)
_NEEDS_AMOUNT = ("assign", "propose", "counter", "accept", "decide")
Cell = tuple[str, str]  # product line, territory
WHOLE: Cell = ("", "")


@dataclass
class Talk:
    """The negotiation of one person's goal."""

    rep_id: str
    status: str = "not started"
    rounds: int = 0
    numbers: dict[str, dict[Cell, Decimal]] = field(default_factory=dict)
    said_by: dict[str, str] = field(default_factory=dict)
    before: str = ""  # the status that an escalation came out of
    backing: dict[Cell, float] = field(default_factory=dict)
    basis: dict[str, str] = field(default_factory=dict)  # what the assigned number rests on
    tied_to: str = ""  # the assumption that an agreement rests on
    last: Mapping[str, Any] = field(default_factory=dict)

    def copy(self) -> Talk:
        """Give a talk that can go on without changing this one."""
        numbers = {word: dict(cells) for word, cells in self.numbers.items()}
        return replace(
            self,
            numbers=numbers,
            said_by=dict(self.said_by),
            backing=dict(self.backing),
        )

    def total(self, word: str) -> Decimal | None:
        """Add up what was assigned, proposed, countered or agreed; None: nobody said it."""
        cells = self.numbers.get(word)
        return sum(cells.values(), Decimal(0)) if cells else None

    def on_the_table(self) -> list[str]:
        """Name the numbers somebody may accept: the last word of either side."""
        planner = "countered" if self.numbers.get("countered") else "assigned"
        return [word for word in (planner, "proposed") if self.numbers.get(word)]


def utc_text(moment: str) -> str:
    """Write an ISO time with a zone as UTC, to the second.

    Raises
    ------
    DataError
        It is not an ISO time, or does not say its zone.

    Examples
    --------
    >>> utc_text("2026-01-05T10:00:00+01:00")
    '2026-01-05T09:00:00Z'
    """
    try:
        parsed = datetime.fromisoformat(moment)
    except ValueError:
        parsed = None
    if parsed is None or parsed.tzinfo is None:
        raise DataError(f"time {moment!r}: write it with its zone, like 2026-01-05T09:00:00Z.")
    return f"{parsed.astimezone(UTC):{UTC_SECONDS}}"


def play_log(events: pd.DataFrame, until: str | None = None) -> pd.DataFrame:
    """Play the lines of a log and give where everybody's goal stands.

    A pure function: the same lines give the same bytes, in any row order.

    Parameters
    ----------
    events
        From `read_events` or `record_events`.
    until
        Moment (ISO, with zone) or day (its end, UTC); later lines are left out. None: all.

    Returns
    -------
    pandas.DataFrame
        One row a person by ``rep_id``: ``assigned``, ``proposed``, ``countered``, ``agreed`` (plan
        currency; empty: nobody said it), ``status``, ``rounds`` (proposals after another word),
        ``coverage`` (probability times amount of the evidence lines, over the agreed goal, or over
        the proposal while nothing is agreed; empty: no evidence, or a goal of 0), the last word,
        ``agreed_cells`` (JSON: product line, territory, amount), ``tied_to``, the assumption
        that the agreement rests on, and ``scenario``, whose goal was offered (empty: not said).

    Raises
    ------
    DataError
        A line is a move that was not possible; no log written by this package holds one.
    """
    lines: list[Any] = events.sort_values("sequence").to_dict("records")
    if until is not None:
        day = len(until) == 10
        end = utc_text(f"{until}T23:59:59Z" if day else until)
        lines = [line for line in lines if str(line["time"]) <= end]
    talks = play(lines)
    table = pd.DataFrame([_row(talks[r]) for r in sorted(talks)], columns=list(STATE_COLUMNS))
    numbers = ("assigned", "proposed", "countered", "agreed", "coverage")
    kinds = {name: "float64" if name in numbers else "str" for name in STATE_COLUMNS}
    return table.astype({**kinds, "rounds": "int64"})


def play(
    lines: Iterable[Mapping[str, Any]],
    talks: dict[str, Talk] | None = None,
    voices: Voices | None = None,
) -> dict[str, Talk]:
    """Carry out lines in order on the talks so far; a refused line changes nothing.

    With ``voices`` a number is only accepted by the side that it was offered to.
    """
    talks = {} if talks is None else talks
    for line in lines:
        if line["kind"] == PUBLISH:
            continue
        rep_id = str(line["rep_id"])
        if rep_id not in talks and line["kind"] != "assign":
            raise DataError(
                f"{rep_id}: {line['kind']} is not possible, no goal was assigned yet; begin with: "
                "planning-kit agree start."
            )
        talk = talks.get(rep_id) or Talk(rep_id)
        _check_move(talk, line, voices)
        _carry_out(talk, line)
        talks[rep_id] = talk
    return talks


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""  # an empty cell of a table is not a text


def _cell(line: Mapping[str, Any]) -> Cell:
    return _text(line["product_line"]), _text(line["territory_id"])


def _amount(line: Mapping[str, Any]) -> Decimal | None:
    missing = line["amount"] is None or str(line["amount"]) in ("", "nan", "<NA>")
    return None if missing else Decimal(str(line["amount"]))


def _who(line: Mapping[str, Any]) -> str:
    """Name whose word a line is: the speaker's own, or that of whom the speaker stands for."""
    return _text(line.get("behalf")) or str(line["actor"])


def _check_move(talk: Talk, line: Mapping[str, Any], voices: Voices | None = None) -> None:
    kind, amount = line["kind"], _amount(line)
    require_labels([kind], KINDS, f"{talk.rep_id}: kind of event")
    possible = MOVES[talk.status]
    if kind not in possible:
        reopen = "; assign with a reason reopens it" if talk.status in CLOSED else ""
        raise DataError(
            f"{talk.rep_id}: {kind} is not possible, the goal is {talk.status} (by "
            f"{talk.last.get('actor', 'nobody')}). Possible now: {', '.join(possible)}{reopen}."
        )
    restart = kind == "assign" and talk.status != "not started"
    if (kind in _NEEDS_REASON or restart) and not _text(line["reason"]).strip():
        raise DataError(f"{talk.rep_id}: {kind} needs a reason in words.")
    if (amount is None) == (kind in _NEEDS_AMOUNT):
        must = "needs an amount" if amount is None else "carries no amount"
        raise DataError(f"{talk.rep_id}: {kind} {must}.")
    if amount is not None and amount < 0:
        raise DataError(f"{talk.rep_id}: {kind} of {amount:,}: a goal is not negative.")
    if kind == "accept":
        word = _offer(talk, amount, _who(line))
        if voices and word not in voices.may_accept(talk.rep_id, _who(line)):
            other = (
                voices.manager(talk.rep_id) if word == "proposed" else voices.person(talk.rep_id)
            )
            raise DataError(
                f"{talk.rep_id}: {_who(line)} may not accept what was {word}; {other} may."
            )
    if kind == "withdraw":
        _check_withdrawal(talk, _who(line))
    if _cell(line) != WHOLE and kind not in ("assign", "note"):
        _check_part(talk, line)


def _check_withdrawal(talk: Talk, who: str) -> None:
    """Only the own last word is taken back."""
    said = talk.said_by.get(talk.status, "")
    if said != who:
        raise DataError(f"{talk.rep_id}: {who} may not withdraw what {said} said.")


def _check_part(talk: Talk, line: Mapping[str, Any]) -> None:
    parts, cell = talk.numbers["assigned"], _cell(line)
    if line["kind"] not in ("propose", "counter"):
        raise DataError(f"{talk.rep_id}: {line['kind']} is about the whole goal, not {cell}.")
    known = [" / ".join(filter(None, part)) or "the whole goal" for part in parts]
    require_labels([" / ".join(filter(None, cell))], known, f"{talk.rep_id}: part of the goal")


def _offer(talk: Talk, amount: Decimal | None, actor: str) -> str:
    """Find the number on the table that somebody else said."""
    table = talk.on_the_table()
    same = [word for word in table if talk.total(word) == amount]
    if offered := [word for word in same if talk.said_by[word] != actor]:
        return offered[-1]
    offers = ", ".join(f"{w} {talk.total(w):,} (by {talk.said_by[w]})" for w in table)
    fault = "is the own number, the other side accepts it" if same else "was offered by nobody"
    raise DataError(
        f"{talk.rep_id}: accept of {amount:,} by {actor} {fault}. On the table: {offers}."
    )


def _carry_out(talk: Talk, line: Mapping[str, Any]) -> None:
    kind, amount, cell = line["kind"], _amount(line), _cell(line)
    basis = json.loads(_text(line.get("basis")) or "{}")
    if kind == "assign":
        _restart(talk)
        talk.basis = basis
    if kind in ("accept", "decide"):
        talk.tied_to = str(basis.get(TIED_TO, ""))
    if kind == "accept":
        talk.numbers["agreed"] = dict(talk.numbers[_offer(talk, amount, _who(line))])
    elif kind in _WORD and amount is not None:
        others = {} if cell == WHOLE else _other_parts(talk, kind)
        talk.numbers[_WORD[kind]] = {**others, cell: amount}
        talk.said_by[_WORD[kind]] = _who(line)
    elif kind == "escalate":
        talk.before, talk.said_by["escalated"] = talk.status, _who(line)
    elif kind == "withdraw":
        _take_back(talk)
    if kind == "propose":
        talk.rounds += talk.status != "proposed"
        kept = {} if cell == WHOLE else {c: v for c, v in talk.backing.items() if c != WHOLE}
        talk.backing = kept | _backing(line, cell)
    if kind not in NO_WORD:
        talk.status, talk.last = _STATUS_AFTER.get(kind, talk.status), line


def _take_back(talk: Talk) -> None:
    if talk.status == "escalated":
        talk.status = talk.before
        return
    talk.numbers.pop(talk.status)
    if talk.status == "proposed":
        talk.backing = {}
    left = [word for word in ("countered", "proposed") if talk.numbers.get(word)]
    talk.status = left[0] if left else "not started"


def _restart(talk: Talk) -> None:
    talk.numbers = {k: v for k, v in talk.numbers.items() if k == "assigned"}
    talk.backing, talk.tied_to = {}, ""


def _other_parts(talk: Talk, kind: str) -> dict[Cell, Decimal]:
    """Give the parts that a move about one part leaves as they were."""
    own = _WORD[kind] if kind != "counter" or talk.status == "countered" else ""
    for word in (own, "proposed" if kind == "counter" else "", "assigned"):
        parts = talk.numbers.get(word, {})
        if parts and WHOLE not in parts:
            return dict(parts)
    return {}


def _backing(line: Mapping[str, Any], cell: Cell) -> dict[Cell, float]:
    lines = json.loads(_text(line["evidence"]) or "[]")
    return {cell: math.fsum(e["amount"] * e["probability"] for e in lines)} if lines else {}


def _row(talk: Talk) -> tuple[Any, ...]:
    words = ("assigned", "proposed", "countered", "agreed")
    numbers = [math.nan if talk.total(w) is None else float(talk.total(w) or 0) for w in words]
    goal = talk.total("agreed") if talk.total("agreed") is not None else talk.total("proposed")
    backed = math.fsum(talk.backing[c] for c in sorted(talk.backing))
    coverage = backed / float(goal) if talk.backing and goal else math.nan
    cells = [[*c, f"{v:f}"] for c, v in sorted(talk.numbers.get("agreed", {}).items())]
    last = (talk.last["kind"], _who(talk.last), talk.last["time"])
    return (
        talk.rep_id,
        *numbers,
        talk.status,
        talk.rounds,
        coverage,
        *last,
        json.dumps(cells, ensure_ascii=False),
        talk.tied_to,
        talk.basis.get("scenario", ""),
    )
