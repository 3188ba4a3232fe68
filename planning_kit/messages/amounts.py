"""Amounts, shares and chances in words: written here, the same in a finding, a card and a table."""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation

from planning_kit.messages.errors import DataError

EMPTY = "–"


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
    """Read an amount as people write it: 1284000, 1_284_000 or 1,284,000.

    Raises
    ------
    DataError
        It is no amount. A comma only stands between thousands.

    Examples
    --------
    >>> read_amount("1_284_000"), read_amount("1,284,000.50")
    (Decimal('1284000'), Decimal('1284000.50'))
    """
    plain = text.strip().replace("_", "")
    parts = plain.split(",")
    if len(parts) > 1 and all(len(part.partition(".")[0]) == 3 for part in parts[1:]):
        plain = "".join(parts)
    try:
        amount = Decimal(plain)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite():
        raise DataError(f"{text!r} is no amount; write it like 1284000 or 1_284_000.")
    return amount
