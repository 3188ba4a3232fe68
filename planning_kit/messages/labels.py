"""Labels: the names that join tables, and what to say when one is not known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence, Set

from planning_kit.messages.errors import DataError

MOST_NAMED = 5


def nearest(label: str, known: Sequence[str]) -> str | None:
    """Find the known label that looks most like the given one.

    Examples
    --------
    >>> nearest("GTXPro", ["GTX Pro", "MG Special"])
    'GTX Pro'
    >>> nearest("zebra", ["GTX Pro"]) is None
    True
    """
    folded = {" ".join(name.casefold().split()): name for name in known}
    close = difflib.get_close_matches(" ".join(label.casefold().split()), list(folded), n=1)
    return folded[close[0]] if close else None


def shorten(labels: Iterable[object], most: int = MOST_NAMED) -> str:
    """Name at most five labels and count the rest.

    Examples
    --------
    >>> shorten(["a", "b"])
    "'a', 'b'"
    >>> shorten(range(7), most=2)
    "'0', '1' and 5 more"
    """
    names = [str(label) for label in labels]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(repr(name) for name in names[:most]) + more


def unknown_labels(given: Iterable[object], known: Iterable[object]) -> str:
    """Say which given labels are not known, each with the nearest known one; "" where all are.

    Examples
    --------
    >>> unknown_labels(["norht", "south"], ["north", "south"])
    "1 unknown label: 'norht' (did you mean 'north'?)."
    """
    is_set = isinstance(
        known, Set | Mapping
    )  # then thousands of labels need not be read for each question
    asked = [x for x in dict.fromkeys(map(str, given)) if not (is_set and x in known)]
    known_names = {str(label) for label in known} if asked else set()
    unknown = [x for x in asked if x not in known_names]
    if not unknown:
        return ""
    names, hints = sorted(known_names), []
    for label in unknown[:MOST_NAMED]:
        near = nearest(label, names)
        hints.append(f"{label!r} (did you mean {near!r}?)" if near else repr(label))
    more = f" and {len(unknown) - MOST_NAMED} more" if len(unknown) > MOST_NAMED else ""
    plural = "s" if len(unknown) > 1 else ""
    known_text = "" if any("did you" in h for h in hints) else f" Known: {shorten(names)}."
    return f"{len(unknown)} unknown label{plural}: {', '.join(hints)}{more}.{known_text}"


def require_labels(given: Iterable[object], known: Iterable[object], what: str) -> None:
    """Check that every given label is known.

    Parameters
    ----------
    given, known
        Labels; compared as text.
    what
        Where the labels were written, for the message.

    Raises
    ------
    DataError
        Naming each unknown label and the nearest known one.

    Examples
    --------
    >>> require_labels(["norht"], ["north", "south"], "holds")
    Traceback (most recent call last):
    planning_kit.messages.errors.DataError: holds: 1 unknown label: 'norht' (did you mean 'north'?).
    """
    text = unknown_labels(given, known)
    if text:
        raise DataError(f"{what}: {text}")
