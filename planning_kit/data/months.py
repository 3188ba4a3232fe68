"""Headers that name a month."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

from planning_kit.messages import shorten

# English, German, French, Spanish, Italian, Portuguese, Dutch and Filipino; without accents.
_NAMES = (
    "jan january januar janner janv janvier ene enero gen gennaio janeiro januari",
    "feb february februar feber fev fevr fevrier febrero febbraio fevereiro februari peb pebrero",
    "mar march marz maerz mrz mars marzo marco maart mrt marso",
    "apr april avr avril abr abril aprile",
    "may mai mayo mag maggio maio mei",
    "jun june juni juin junio giu giugno junho hun hunyo",
    "jul july juli juil juillet julio lug luglio julho hul hulyo",
    "aug august aou aout ago agosto augustus",
    "sep sept september septembre set septiembre settembre setembro setyembre",
    "oct october okt oktober octobre octubre ott ottobre out outubro oktubre",
    "nov november novembre noviembre novembro nob nobyembre",
    "dec december dez dezember decembre dic diciembre dicembre dezembro dis disyembre",
)
_MONTH = {name: number for number, names in enumerate(_NAMES, 1) for name in names.split()}
_NUMBER = re.compile(r"(?:m|p|month|monat|period)?0*(\d{1,2})")


def month_of(header: str) -> int | None:
    """Give the month that a header names, by name or number; None: none, or more than one.

    Examples
    --------
    >>> month_of("Jan"), month_of("Ziel März (EUR)"), month_of("M07"), month_of("12")
    (1, 3, 7, 12)
    >>> month_of("Total"), month_of("Jan-Mar"), month_of("Jan 25"), month_of("13")
    (None, None, None, None)
    """
    plain = unicodedata.normalize("NFKD", header.casefold())
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    words = re.findall(r"[^\W_]+", plain)
    found = [_MONTH[word] for word in words if word in _MONTH]
    for word in words:
        if re.search(r"\d", word):
            number = _NUMBER.fullmatch(word)
            found.append(int(number[1]) if number else 0)
    return found[0] if len(found) == 1 and 1 <= found[0] <= 12 else None


def months_of(headers: Sequence[str], meant: Mapping[str, str]) -> tuple[dict[str, int], list[str]]:
    """Give the month of every header, and what is wrong with them.

    Parameters
    ----------
    headers
        Of the columns beside the one with the year.
    meant
        What the plan says a header means, for headers that name no month.
    """
    months = {header: month_of(meant.get(header, header)) for header in headers}
    faults = []
    if strange := [header for header, month in months.items() if month is None]:
        faults.append(f"no single month in {shorten(strange)}")
    by_month: dict[int, list[str]] = {}
    for header, month in months.items():
        by_month.setdefault(month or 0, []).append(header)
    for month, same in by_month.items():
        if month and len(same) > 1:
            faults.append(f"{shorten(same)} are the same month")
    return {header: month for header, month in months.items() if month}, faults
