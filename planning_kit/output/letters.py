"""Goal letters as PDF: one page a person, in the words of a language. The only importer of typst."""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from planning_kit.messages import DataError, UsageError, require_labels, shorten
from planning_kit.plan import bundled

QUARTER = 3  # months
# Signs that end lines, turn the direction of what follows, or are no signs at all.
_ODD = re.compile(
    r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+"
)
_LISTS = ("months", "months_short")
_GAP = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Letter:
    """What the letter of one person says. Amounts are in plan currency.

    Attributes
    ----------
    plan, currency : str
        Name of the plan, and its currency.
    unit : float
        Rounding unit: decimals are shown where it has some.
    starts_on, ends_on : date
        The coming period.
    rep_id, person, manager, region : str
        Whose goal; an empty manager: nobody is above.
    goal : float
        The goal that stands.
    basis : str
        agreed, decided or allocated.
    steps : sequence of (str, float)
        Where it comes from; adds up to ``goal`` exactly.
    months : mapping of str to sequence of float
        By product line the goal of every month of the period; adds up to ``goal`` exactly. An
        empty name: no line is known.
    version, log_digest : str
        Of the goals, and of the log's last line about them; empty: there is none.
    as_of : date
        The day on which this stood.
    activities : mapping of str to float
        Sums of the year (sales_needed, presentations, proposals, prospects); what the data cannot
        answer is left out.
    closing_ratio : float or None
        Won of closed deals.
    promises : sequence of (str, date)
        What the company promises, and until which day.
    is_draft : bool
        Marked on the page, and without lines to sign.
    """

    plan: str
    currency: str
    unit: float
    starts_on: date
    ends_on: date
    rep_id: str
    person: str
    manager: str
    region: str
    goal: float
    basis: str
    steps: Sequence[tuple[str, float]]
    months: Mapping[str, Sequence[float]]
    version: str
    log_digest: str
    as_of: date
    activities: Mapping[str, float] = field(default_factory=dict)
    closing_ratio: float | None = None
    promises: Sequence[tuple[str, date]] = ()
    is_draft: bool = False


@dataclass(frozen=True)
class Words:
    """The words of one language, and how it writes numbers and days."""

    language: str
    texts: Mapping[str, Any]

    @classmethod
    def read(cls, language: str, own: Path | None = None) -> Words:
        """Read ``<language>.toml``: that of a plan's own folder, else the kit's.

        Raises
        ------
        UsageError
            There is no such language.
        DataError
            The file cannot be read, or a word is missing or unknown; each is named.
        """
        shipped = bundled("templates") / "letter"
        there = {p.stem: p for place in (shipped, own) if place for p in place.glob("*.toml")}
        require_labels([language], there, "language of letters")
        found, whole = _toml(there[language]), _toml(shipped / "en.toml")
        what = f"words of the letter, {there[language].name}"
        require_labels(_keys(found), _keys(whole), what)
        if missing := sorted(set(_keys(whole)) - set(_keys(found))):
            raise DataError(f"{what}: nothing is said for {shorten(missing, 10)}.")
        return cls(language, found)

    def say(self, key: str, **gaps: str) -> str:
        """Give a text, its gaps filled in."""
        return _GAP.sub(lambda gap: gaps.get(gap[1], gap[0]), str(self.texts[key]))

    def named(self, section: str, key: str) -> str:
        """Give the name of a step or an activity; one that the file does not know is shown as is."""
        return str(self.texts[section].get(key, key.replace("_", " ")))

    def day(self, day: date) -> str:
        """Write a day."""
        month = self.texts["months"][day.month - 1]
        return self.say("day", day=str(day.day), month=month, year=str(day.year))

    def number(self, value: float, digits: int = 0) -> str:
        """Write a number with the language's separators."""
        swap = {",": self.texts["thousands"], ".": self.texts["decimal"], "-": "–"}
        text = f"{value:,.{digits}f}"
        text = text if text.strip("-0.,") else text.lstrip("-")
        return "".join(swap.get(sign, sign) for sign in text)


class Press:
    """Prints the letters of one language; fonts are loaded once, the system's are left alone.

    Parameters
    ----------
    words
        See `Words.read`.
    own
        A plan's own folder; its ``letter.typ`` is taken where there is one, and its ``fonts``
        write what the kit's cannot.

    Raises
    ------
    UsageError
        The package typst is not installed.
    """

    def __init__(self, words: Words, own: Path | None = None) -> None:
        try:
            import typst
        except ImportError:
            raise UsageError(
                "letters are printed by typst, which is not installed: "
                "pip install 'planning-kit[pdf]'"
            ) from None
        shipped = bundled("templates") / "letter"
        places = [place for place in (own, shipped) if place is not None]
        self._template = next(f for p in places if (f := p / "letter.typ").is_file())
        self._words, self._fault = words, typst.TypstError
        fonts = typst.Fonts(
            include_system_fonts=False,
            include_embedded_fonts=False,
            font_paths=[str(f) for p in places if (f := p / "fonts").is_dir()],
        )
        root = str(self._template.parent)
        self._compiler = typst.Compiler(str(self._template), root=root, font_paths=fonts)

    def print(self, letter: Letter) -> bytes:
        """Print one letter: the same letter gives the same bytes.

        Raises
        ------
        DataError
            The plan's own template has a fault; typst's message says which.
        """
        data = json.dumps(page(letter, self._words))
        try:
            pdf: Any = self._compiler.compile(format="pdf", sys_inputs={"letter": data})
        except self._fault as error:
            raise DataError(f"{self._template}: {error}") from None
        return bytes(pdf)


def page(letter: Letter, words: Words) -> dict[str, Any]:
    """Give every text of a letter's page, as the template lays it out."""
    people = [("the_person", letter.person), ("manager", letter.manager)]
    facts = [("number", letter.rep_id), ("manager", letter.manager), ("region", letter.region)]
    title, draft = words.say("title"), {n: words.say(n) for n in ("draft", "draft_note")}
    promised = [f"{what} ({words.day(until)})" for what, until in letter.promises]
    texts = {
        "lang": re.split("[-_]", words.language)[0],
        "paper": words.say("paper"),
        "date": [letter.as_of.year, letter.as_of.month, letter.as_of.day],
        "title": title,
        "plan": letter.plan,
        "person": letter.person,
        "facts": [[words.say(name), text] for name, text in facts if text],
        **_numbers(letter, words),
        "draft": draft if letter.is_draft else None,
        "promises": {"title": words.say("promises"), "rows": promised},
        "sign": {
            **{name: words.say(name) for name in ("sign", "sign_note", "date")},
            "people": [[words.say(name), text] for name, text in people],
        },
        "small": [
            words.say("small", version=letter.version, day=words.day(letter.as_of)),
            words.say("log" if letter.log_digest else "no_log", digest=letter.log_digest),
        ],
        "page": words.say("page"),
    }
    clean: dict[str, Any] = _clean(texts)
    return clean


def _numbers(letter: Letter, words: Words) -> dict[str, Any]:
    decimals = -int(Decimal(f"{letter.unit:.12g}").normalize().as_tuple().exponent)
    digits = max(decimals, 2) if decimals > 0 else 0
    goal, days = words.number(letter.goal, digits), (letter.starts_on, letter.ends_on)
    start, end = map(words.day, days)
    steps = [
        [
            words.named("steps", name),
            ("+" if n and amount > 0 else "") + words.number(amount, digits),
        ]
        for n, (name, amount) in enumerate(letter.steps)
        if amount or not n
    ]
    done = [
        [words.named("activities", name), words.number(count)]
        for name, count in letter.activities.items()
    ]
    if letter.closing_ratio is not None and done:
        ratio = f"{words.number(100 * letter.closing_ratio)} %"
        done.append([words.named("activities", "closing_ratio"), ratio])
    return {
        "goal": {
            "label": words.say("goal"),
            "period": words.say("period", **{"from": start, "to": end}),
            "amount": words.say("money", currency=letter.currency, amount=goal),
            "basis": words.say(letter.basis),
        },
        "amounts": words.say("amounts", currency=letter.currency),
        "why": {"title": words.say("why"), "rows": steps, "total": [words.say("why_total"), goal]},
        "activity": {"title": words.say("activity"), "rows": done},
        "quarters": _quarters(letter, words, digits),
    }


def _quarters(letter: Letter, words: Words, digits: int) -> dict[str, Any]:
    short, first = words.texts["months_short"], letter.starts_on.month - 1
    count = max(map(len, letter.months.values()), default=0)
    spans = [range(at, min(at + QUARTER, count)) for at in range(0, count, QUARTER)]
    head = [
        words.say("quarter", number=str(n))
        + f"\n{short[(first + span[0]) % 12]}–{short[(first + span[-1]) % 12]}"
        for n, span in enumerate(spans, start=1)
    ]

    def row(name: str, months: Sequence[Sequence[float]]) -> list[str]:
        sums = [math.fsum(of_line[m] for of_line in months for m in span) for span in spans]
        return [name, *(words.number(x, digits) for x in (*sums, math.fsum(sums)))]

    rows = [row(name or words.say("other_line"), [x]) for name, x in letter.months.items()]
    total = row(words.say("all_lines"), list(letter.months.values())) if len(rows) > 1 else []
    head = [words.say("line"), *head, words.say("total")]
    return {"title": words.say("quarters"), "head": head, "rows": rows, "total": total}


def _clean(value: Any) -> Any:
    """Leave out signs that would break a line or turn the direction of what follows."""
    if isinstance(value, str):
        return _ODD.sub(" ", value)
    if isinstance(value, list):
        return [_clean(part) for part in value]
    return {k: _clean(part) for k, part in value.items()} if isinstance(value, dict) else value


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path.name}: not a TOML file: {error}.") from None


def _keys(texts: Mapping[str, Any]) -> list[str]:
    """Name every word there is: those of a section, and every month, by themselves."""
    keys = []
    for key, value in texts.items():
        parts = value if isinstance(value, dict) else range(len(value) if key in _LISTS else 0)
        keys += [f"{key}.{part}" for part in parts] or [key]
    return keys
