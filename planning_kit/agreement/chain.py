"""The chain of an agreement log: what makes a line that was changed, cut, added or moved visible."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from planning_kit.agreement.keys import is_signed

Line = dict[str, Any]
Draft = tuple[str, Line]  # what a line says, as a digest, and the line without its place
LINKS = ("sequence", "previous", "digest", "signature")  # what a line gets after it was written
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=repr)


def sha256(text: str) -> str:
    """Give the SHA-256 digest of a text, hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def start_of(header: Mapping[str, str]) -> str:
    """Give the digest that the first line of a log follows."""
    return sha256(_ENCODER.encode(dict(header)))


def content_of(line: Mapping[str, Any]) -> str:
    """Give the digest of what a line says: the part that is signed, wherever the line comes to stand."""
    return sha256(_ENCODER.encode({k: v for k, v in line.items() if k not in LINKS}))


def digest_of(previous: str, number: int, content: str) -> str:
    """Give the digest of a line at its place (PostgreSQL does the same, see `store_postgres`)."""
    return sha256(f"{previous} {number} {content}")


def chained(drafts: Iterable[Draft], last: tuple[int, str]) -> list[Line]:
    """Put lines, each with the digest of its content, behind the last one (number and digest)."""
    number, previous = last
    placed = []
    for content, line in drafts:
        number += 1
        digest = digest_of(previous, number, content)
        placed.append({**line, "sequence": number, "previous": previous, "digest": digest})
        previous = digest
    return placed


def is_sound(line: Line, keys: Mapping[str, bytes]) -> bool:
    """Say whether a line is as it was recorded, by somebody who has the key."""
    content = content_of(line)
    is_placed = line["digest"] == digest_of(line["previous"], line["sequence"], content)
    return is_placed and is_signed(keys, content, str(line["signature"]))


def first_fault(
    header: Mapping[str, str],
    head: Mapping[str, str],
    lines: list[Line],
    keys: Mapping[str, bytes],
    note: tuple[int, str],
) -> str:
    """Say which line breaks the chain first; empty: none."""
    previous, said_before = start_of(header), ""
    known, turns = {previous}, Counter[str]()
    for number, line in enumerate(lines, start=1):
        content = content_of(line)
        if line["sequence"] != number:
            return f"line {number} was removed (line {line['sequence']} comes in its place)"
        if line["digest"] != digest_of(line["previous"], number, content):
            return _name_change(number, line, len(lines))
        if line["previous"] != previous:
            return f"line {number} does not follow line {number - 1}: one of them was replaced"
        if not is_signed(keys, content, str(line["signature"])):
            return f"line {number} is not signed with the key of this plan: it was forged"
        turns[line["rep_id"]] += 1
        if line["turn"] != turns[line["rep_id"]]:
            return (
                f"line {number} is word {turns[line['rep_id']]} about {line['rep_id']!r} and was "
                f"said as word {line['turn']}: a word was removed or said twice"
            )
        if line["seen"] not in known and line["seen"] != said_before:
            return f"line {number} was said after a line that is gone: one before it was replaced"
        previous, said_before = line["digest"], content
        known.add(previous)
    return _end_fault(head, [line["digest"] for line in lines]) or note_fault(
        note, len(lines), lambda number: lines[number - 1]
    )


def note_fault(note: tuple[int, str], count: int, at: Callable[[int], Line | None]) -> str:
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


def end_of(last: Mapping[str, Any] | None) -> dict[str, str]:
    """Give what the head says about the last line."""
    return {"last": f"{last['sequence']} {last['digest']}"} if last else {}


def _name_change(number: int, line: Line, count: int) -> str:
    """Tell a changed line from one that was moved: the number is part of the digest."""
    numbers = range(1, 2 * count + 100)
    previous, content = line["previous"], content_of(line)
    was = next((k for k in numbers if line["digest"] == digest_of(previous, k, content)), 0)
    if not was:
        return f"line {number} was changed after it was recorded"
    change = "inserted" if was < number else "removed or moved"
    return f"line {number} was recorded as line {was}: a line before it was {change}"


def _end_fault(head: Mapping[str, str], digests: list[str]) -> str:
    """Compare the last line with what the head says was the last line."""
    noted, _, last_digest = str(head.get("last", "0 ")).partition(" ")
    is_number = noted.isdecimal() and len(noted) < 20
    recorded, kept = int(noted) if is_number else -1, len(digests)
    if recorded == kept and last_digest == "".join(digests[-1:]):
        return ""
    if recorded > kept and last_digest not in digests:
        return f"line {kept + 1} was removed ({recorded} were recorded, {kept} are left)"
    if 0 < recorded < kept and last_digest == digests[recorded - 1]:
        return f"line {recorded + 1} was inserted past this program"
    return "the note of the last line, in the table 'head', was changed"
