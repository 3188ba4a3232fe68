"""The answer before the details: one line of cards, in a notebook, a report and as text."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from planning_kit.data import Region
from planning_kit.messages import require_labels
from planning_kit.messages.amounts import EMPTY, chance_text, money_text
from planning_kit.output.shown import named_text
from planning_kit.plan import Settings

_EDGE = "#9AA5B1"
# Word and colour of the edge: both, so that nothing rests on the colour alone.
_STATUS: Mapping[str, tuple[str, str]] = {
    "": ("", _EDGE),
    "pass": ("good", "#009E73"),
    "review": ("look at it", "#D55E00"),
    "fail": ("act on it", "#B3261E"),
}
# Colours of text are left to the page, and the edge can be seen on white and on black: so the cards
# are right in the light and the dark theme, and where a page that is not trusted loses variables.
_SMALL = "margin:0;font-size:0.85em;opacity:0.85"
_LONG = 28  # characters; a longer value is a sentence and gets room instead of size


@dataclass(frozen=True)
class Card:
    """One answer.

    Attributes
    ----------
    label : str
        What it is, for example "target".
    value : str
        The answer with its unit; empty shows as a dash.
    note : str
        What to know about it.
    status : str
        ``""``, or of a finding: pass, review, fail.
    """

    label: str
    value: str
    note: str = ""
    status: str = ""

    def __post_init__(self) -> None:
        require_labels([self.status], _STATUS, f"status of the card {self.label!r}")


@dataclass(frozen=True)
class Cards:
    """A line of cards; shows as HTML in a notebook and as text everywhere else."""

    cards: tuple[Card, ...]
    title: str = ""

    def __repr__(self) -> str:
        wide = max((len(card.label) for card in self.cards), default=0)
        lines = [
            f"{card.label:<{wide}}  "
            + "; ".join(filter(None, (card.value or EMPTY, card.note, _STATUS[card.status][0])))
            for card in self.cards
        ]
        return "\n".join(filter(None, [self.title, *lines]))

    def _repr_html_(self) -> str:
        title = html.escape(self.title)
        above = f'<p style="margin:0;font-weight:600">{title}</p>' if title else ""
        return (
            f'<section class="cards" aria-label="{title or "Summary"}">{above}'
            '<div role="list" style="display:flex;flex-wrap:wrap;margin:0.5rem 0 1rem">'
            f"{''.join(map(_html, self.cards))}</div></section>"
        )


def _html(card: Card) -> str:
    word, colour = _STATUS[card.status]
    is_long = len(card.value) > _LONG
    room = "flex:3 1 18rem;min-width:0" if is_long else "flex:1 1 9rem"
    size = "font-weight:400" if is_long else "font-size:1.3em;font-weight:600;white-space:nowrap"
    label = html.escape(card.label) + (f" <strong>({word})</strong>" if word else "")
    note = f'<p style="{_SMALL}">{html.escape(card.note)}</p>' if card.note else ""
    return (
        f'<div role="listitem" style="{room};margin:0 0.5rem 0.5rem 0;padding:0.5rem 0.75rem;'
        f'border:1px solid {_EDGE};border-left:5px solid {colour};border-radius:6px">'
        f'<p style="{_SMALL}">{label}</p>'
        f'<p style="margin:0;{size}">{html.escape(card.value or EMPTY)}</p>{note}</div>'
    )


def show_cards(cards: Iterable[Card], title: str = "") -> Cards:
    """Put answers in one line: what was asked, what is, how sure, what to do.

    Parameters
    ----------
    cards
        In the order they are read.
    title
        A line above them.

    Examples
    --------
    >>> show_cards([Card("target", "15,891,600 EUR"), Card("chance", "57 %", "1 % either way")])
    target  15,891,600 EUR
    chance  57 %; 1 % either way
    """
    return Cards(tuple(cards), title)


def money_card(
    label: str, amount: float | None, settings: Settings, note: str = "", status: str = ""
) -> Card:
    """Make the card of an amount, plan currency; empty is a dash."""
    return Card(label, money_text(amount, settings.currency, settings.rounding_unit), note, status)


def chance_card(label: str, chance: float | None, note: str = "", status: str = "") -> Card:
    """Make the card of a probability (1.0 is certain), in whole per cent; empty is a dash."""
    return Card(label, chance_text(chance), note, status)


def finding_card(findings: pd.DataFrame, region: Region | None = None) -> Card:
    """Make the card that says what to do: the first finding, and how many more there are.

    Parameters
    ----------
    findings
        See `planning_kit.messages.findings_table`: the most serious first.
    region
        Gives names for ids in the text.
    """
    open_ones = findings[findings["status"] != "pass"]
    if open_ones.empty:
        return Card("what to do", "Nothing stands out.", status="pass")
    first = open_ones.iloc[0]
    message, advice = (named_text(str(first[name] or ""), region) for name in ("message", "advice"))
    more = len(open_ones) - 1
    rest = f"{more} more finding{'s' if more > 1 else ''} below." if more else ""
    note = " ".join(filter(None, [advice, rest]))
    return Card("what to do", message, note, str(first["status"]))
