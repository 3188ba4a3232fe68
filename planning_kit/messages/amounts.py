"""Amounts, shares and chances in words: written here, the same in a finding, a card and a table."""

from __future__ import annotations

import math
import re
from decimal import Decimal

from planning_kit.messages.errors import DataError

EMPTY = "–"
_PERCENT = "%"
_MOST_PERCENT = 100_000  # a share of a thousand times as much is a slip
_LONGEST = 40  # characters of a number
_MARKS = ",. '"  # that people put between thousands
_ALIKE = str.maketrans("\u2212\u2019\u00a0\u202f\u2009", "-'   ", "_")


def number_text(value: float | None, digits: int = 0) -> str:
    """Write a number with separators; empty is a dash, and a zero has no sign.

    Examples
    --------
    >>> number_text(1234567.8), number_text(-0.2), number_text(None)
    ('1,234,568', '0', '–')
    """
    if value is None or not math.isfinite(value):
        return EMPTY
    text = f"{value:,.{digits}f}"
    return text if text.strip("-0.,") else text.lstrip("-")


def money_text(amount: float | None, currency: str, unit: float = 1.0) -> str:
    """Write an amount with its currency.

    Parameters
    ----------
    amount
        Plan currency.
    currency
        As in the plan.
    unit
        The plan's rounding unit; below 1 the amount is written to the cent.

    Examples
    --------
    >>> money_text(15891600, "EUR"), money_text(12.5, "EUR", 0.01), money_text(None, "EUR")
    ('15,891,600 EUR', '12.50 EUR', '–')
    """
    text = number_text(amount, 2 if unit < 1 else 0)
    return text if text == EMPTY else f"{text} {currency}"


def share_text(share: float | None, digits: int = 1) -> str:
    """Write a share (1.0 is all) in per cent.

    Examples
    --------
    >>> share_text(0.9345), share_text(-0.05, 0)
    ('93.5 %', '-5 %')
    """
    text = number_text(None if share is None else 100 * share, digits)
    return text if text == EMPTY else f"{text} %"


def chance_text(chance: float | None) -> str:
    """Write a probability in whole per cent: more would be more than a simulation knows.

    Examples
    --------
    >>> chance_text(0.571), chance_text(0.001), chance_text(0.9999), chance_text(0.0)
    ('57 %', '< 1 %', '> 99 %', '0 %')
    """
    if chance is not None and 0 < chance < 0.005:
        return "< 1 %"
    if chance is not None and 0.995 < chance < 1:
        return "> 99 %"
    return share_text(chance, 0)


def read_amount(text: str) -> Decimal:
    """Read an amount as people write it, with any marks between thousands.

    A mark that stands more than once, or once before exactly three last digits, is one of
    thousands: ``1,284`` and ``1.284`` are 1284, because nobody writes money with three decimals.
    Any other single comma or point is the decimal one; where both stand, the last one is.

    Raises
    ------
    DataError
        It is no amount, for example a share in per cent.

    Examples
    --------
    >>> read_amount("1_284_000"), read_amount("1.284.000,50"), read_amount("1 284")
    (Decimal('1284000'), Decimal('1284000.50'), Decimal('1284'))
    """
    amount = None if _PERCENT in text else _read_number(text)
    if amount is None:
        why = "that is a share; " if text.strip().endswith(_PERCENT) else ""
        raise DataError(f"{text!r} is no amount; {why}write it like 1284000 or 1_284_000.")
    return amount


def read_share(text: str) -> Decimal:
    """Read a share as people write it: 8 %, 8, 0.08 and 0,08 are the same.

    With a per cent sign, or from 1 on, it is in per cent; below 1 without the sign it is a share of
    one. So 0.5 is 50 %; half a per cent is written 0.5 %.

    Raises
    ------
    DataError
        It is no share.

    Examples
    --------
    >>> read_share("8%"), read_share("0,08"), read_share("-8"), read_share("1"), read_share("0.5")
    (Decimal('0.08'), Decimal('0.08'), Decimal('-0.08'), Decimal('0.01'), Decimal('0.5'))
    """
    plain = text.strip().removesuffix(_PERCENT)
    number = _read_number(plain.strip(), of_thousands="")
    if number is None or abs(number) > _MOST_PERCENT:
        raise DataError(f"{text!r} is no share; write it like 8 %, 8 or 0.08.")
    is_percent = plain != text.strip() or abs(number) >= 1
    return number / 100 if is_percent else number


def _read_number(text: str, of_thousands: str = _MARKS) -> Decimal | None:
    """Read a number with marks between thousands; None: it is none."""
    plain = text.strip().translate(_ALIKE)
    if re.fullmatch(r"[+-]?\d+e[+-]?\d{1,2}", plain, re.ASCII | re.IGNORECASE):
        return Decimal(plain)
    found = re.fullmatch(rf"([+-]?)([\d{_MARKS}]*\d|\d*[.,]\d+|\d+[.,]?)", plain, re.ASCII)
    if found is None or len(plain) > _LONGEST:
        return None
    sign, digits = found.groups()
    marks = [mark for mark in digits if not mark.isdigit()]
    decimal = ""
    if marks and marks[-1] in ".,":
        whole, last = digits.rsplit(marks[-1], 1)
        is_alone = marks.count(marks[-1]) == 1
        is_thousand = len(last) == 3 and 0 < len(whole) < 4 and whole.strip("0") != ""
        if is_alone and not (of_thousands and len(marks) == 1 and is_thousand):
            digits, decimal, marks = whole, last, marks[:-1]
    if marks and (
        not of_thousands
        or len(set(marks)) > 1
        or not re.fullmatch(rf"\d{{1,3}}([{_MARKS}]\d{{3}})+", digits, re.ASCII)
    ):
        return None
    for mark in marks:
        digits = digits.replace(mark, "")
    return Decimal(f"{sign}{digits or 0}{decimal and '.'}{decimal}")
