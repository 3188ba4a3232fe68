"""Papers as PDF: the words of a language, and the press. The only importer of typst."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from planning_kit.messages import DataError, UsageError, require_labels, shorten
from planning_kit.plan import bundled

# Signs that end lines, turn the direction of what follows, or are no signs at all.
_ODD = re.compile(
    r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+"
)
_LISTS = ("months", "months_short")
_GAP = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Words:
    """The words of one paper in one language, and how it writes numbers and days."""

    language: str
    texts: Mapping[str, Any]
    paper: str = "letter"

    @classmethod
    def read(cls, language: str, own: Path | None = None, paper: str = "letter") -> Words:
        """Read ``<language>.toml``: that of a plan's own folder, else the kit's.

        Parameters
        ----------
        language
            Its code.
        own
            The plan's own folder for this paper.
        paper
            Folder of the paper among the templates.

        Raises
        ------
        UsageError
            There is no such language.
        DataError
            The file cannot be read, or a word is missing or unknown; each is named.
        """
        shipped = bundled("templates") / paper
        there = {p.stem: p for place in (shipped, own) if place for p in place.glob("*.toml")}
        require_labels([language], there, f"language of {paper}s")
        found, whole = _toml(there[language]), _toml(shipped / "en.toml")
        what = f"words of the {paper}, {there[language].name}"
        require_labels(_keys(found), _keys(whole), what)
        if missing := sorted(set(_keys(whole)) - set(_keys(found))):
            raise DataError(f"{what}: nothing is said for {shorten(missing, 10)}.")
        return cls(language, found, paper)

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
    """Prints papers of one kind and language; fonts are loaded once, the system's are left alone.

    Parameters
    ----------
    words
        See `Words.read`.
    own
        A plan's own folder; its template (``letter.typ``) is taken where there is one, and its
        ``fonts`` write what the kit's cannot.

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
                f"{words.paper}s are printed by typst, which is not installed: "
                "pip install 'planning-kit[pdf]'"
            ) from None
        places = [p for p in (own, bundled("templates") / words.paper) if p is not None]
        self._template = next(f for p in places if (f := p / f"{words.paper}.typ").is_file())
        self.words, self._fault = words, typst.TypstError
        fonts = typst.Fonts(
            include_system_fonts=False,
            include_embedded_fonts=False,
            font_paths=[
                str(f)
                for p in (*places, bundled("templates") / "letter")
                if (f := p / "fonts").is_dir()
            ],
        )
        root = str(self._template.parent)
        self._compiler = typst.Compiler(str(self._template), root=root, font_paths=fonts)

    def set(self, texts: Mapping[str, Any]) -> bytes:
        """Set the texts of one paper: the same texts give the same bytes.

        Raises
        ------
        DataError
            The plan's own template has a fault; typst's message says which.
        """
        data = json.dumps(_clean(texts))
        try:
            pdf: Any = self._compiler.compile(format="pdf", sys_inputs={self.words.paper: data})
        except self._fault as error:
            raise DataError(f"{self._template}: {error}") from None
        return bytes(pdf)


def decimals_of(unit: float) -> int:
    """Say how many decimals amounts have whose rounding unit is this."""
    decimals = -int(Decimal(f"{unit:.12g}").normalize().as_tuple().exponent)
    return max(decimals, 2) if decimals > 0 else 0


def _clean(value: Any) -> Any:
    """Leave out signs that would break a line or turn the direction of what follows."""
    if isinstance(value, str):
        return _ODD.sub(" ", value)
    if isinstance(value, list):
        return [_clean(part) for part in value]
    return {k: _clean(part) for k, part in value.items()} if isinstance(value, Mapping) else value


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
