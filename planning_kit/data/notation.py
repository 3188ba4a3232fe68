"""How a source writes its cells: numbers with their marks, and what is an error, not a value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

_SPREADSHEET_ERROR = r"#([A-ZÀ-Ý/0_]+[!?]|N/?[AVD]|GETTING_DATA)"  # #N/A, #REF!, German #NV, …
_EXPONENT = "([eE][-+]?[0-9]+)?"


def literal(text: object) -> str:
    """Write a text as an SQL literal."""
    return "'" + str(text).replace("'", "''") + "'"


def texts(written: Any) -> list[str]:
    """Give an option that may be one text or a list of them as a list, without empty ones."""
    return [t for t in ([written] if isinstance(written, str) else map(str, written)) if t]


def decimal_mark(section: Mapping[str, Any]) -> str:
    """Give the decimal mark of a source: as said, else a comma where a point parts thousands.

    Examples
    --------
    >>> decimal_mark({}), decimal_mark({"thousands": "."}), decimal_mark({"decimal": ","})
    ('.', ',', ',')
    """
    return str(section.get("decimal", "," if "." in texts(section.get("thousands", "")) else "."))


def notation_faults(section: Mapping[str, Any]) -> list[str]:
    """Say what is wrong with the marks that a source declares.

    Examples
    --------
    >>> notation_faults({"decimal": ",", "thousands": ","})
    ["decimal and thousands are both ','; say which of the two it is"]
    """
    mark = decimal_mark(section)
    if len(mark) != 1 or mark.isalnum() or mark in "+-":
        return [f"decimal is {mark!r}; it must be one mark, such as '.' or ','"]
    if mark in texts(section.get("thousands", "")):
        return [f"decimal and thousands are both {mark!r}; say which of the two it is"]
    return []


def number_sql(section: Mapping[str, Any], name: str, kind: str) -> str:
    """Write the SQL that reads a number as the source writes it; empty where it cannot be one.

    A thousands mark counts only where three digits follow the last one (two or three between two
    of them): a point in 12.50 is never taken out as if it parted thousands.
    """
    text = name
    for sign in texts(section.get("currency_sign", "")):
        text = f"trim(replace({text}, {literal(sign)}, ''))"
    marks = texts(section.get("thousands", ""))
    for other in (mark for mark in marks if len(mark) > 1):
        text = f"replace({text}, {literal(other)}, '')"
    decimal = re.escape(decimal_mark(section))
    forms = [f"[0-9]*({decimal}[0-9]*)?{_EXPONENT}"]
    single = "|".join(re.escape(mark) for mark in marks if len(mark) == 1)
    if single:
        forms.append(f"[0-9]{{1,3}}(({single})[0-9]{{2,3}})*({single})[0-9]{{3}}({decimal}[0-9]*)?")
    plain = text
    for mark in (mark for mark in marks if len(mark) == 1):
        plain = f"replace({plain}, {literal(mark)}, '')"
    plain = f"replace({plain}, {literal(decimal_mark(section))}, '.')"
    return (
        f"CASE WHEN regexp_full_match({text}, {literal('[-+]?(' + '|'.join(forms) + ')')}) "
        f"THEN TRY_CAST(nullif({plain}, '') AS {kind}) END"
    )


def error_sql(name: str) -> str:
    """Write the SQL condition of a cell that holds a spreadsheet's error instead of a value."""
    return f"coalesce(regexp_full_match({name}, {literal(_SPREADSHEET_ERROR)}), false)"


def is_error(value: str) -> bool:
    """Say whether a cell holds a spreadsheet's error instead of a value.

    Examples
    --------
    >>> [is_error(cell) for cell in ("#N/A", "#DIV/0!", "#NAME?", "#NV", "#1 in sales")]
    [True, True, True, True, False]
    """
    return re.fullmatch(_SPREADSHEET_ERROR, value) is not None


def why_no_number(section: Mapping[str, Any], value: str, where: str) -> tuple[str, str]:
    """Say why a cell is no number, and what to write into ``where`` of `plan.toml`."""
    plain = value
    for sign in texts(section.get("currency_sign", "")):  # taken off already: not what is wrong
        plain = plain.replace(sign, "").strip()
    bare = plain
    for mark in texts(section.get("thousands", "")):
        bare = bare.replace(mark, "").strip()
    has_digits = any(c.isdigit() for c in plain)
    signs = {c for c in bare if not c.isalnum() and c not in "+-., '’\u00a0\u202f%()"}
    if signs and has_digits:
        sign = "".join(sorted(signs))
        return (
            f"{value!r} has a currency sign where a plain number belongs",
            f'say {where} currency_sign = "{sign}" if every amount is in the plan\'s currency',
        )
    if has_digits and not any(c.isalpha() for c in plain):
        if not {"decimal", "thousands"} & set(section):
            return (
                f"{value!r} has separators that are not declared",
                f"say {where} {marks_of(plain)}",
            )
        said = f'decimal = "{decimal_mark(section)}"'
        said += "".join(f', thousands = "{mark}"' for mark in texts(section.get("thousands", "")))
        return (
            f"{value!r} is no number in this notation: {said}",
            f"correct the cell, or say {where} {marks_of(plain)} if the file writes numbers so",
        )
    return (
        f"{value!r} is text where a number belongs",
        f'correct the cell, or say {where} empty = ["{value}"] if it means that nobody knows',
    )


def marks_of(value: str) -> str:
    r"""Guess how a number is written, for the line to add to `plan.toml`; the planner decides.

    Examples
    --------
    >>> marks_of("1,234.50"), marks_of("1.234,50")
    ('decimal = "." and thousands = ","', 'decimal = "," and thousands = "."')
    >>> marks_of("12,5"), marks_of("380574.80")
    ('decimal = ","', 'decimal = "."')
    >>> print(marks_of("1\u00a0234"), "|", marks_of("1.234.567"), "|", marks_of("1,234"))
    thousands = "\u00a0" | thousands = "." | decimal = "," (or thousands = ",")
    """
    marks = [mark for mark in value if not mark.isalnum() and mark not in "+-()%"]
    others = sorted({mark for mark in marks if mark not in ",."})
    if others:
        mark = others[0] if others[0].isascii() else f"\\u{ord(others[0]):04x}"
        return f'thousands = "{mark}"'
    if "." in marks and "," in marks:
        last, first = (".", ",") if value.rindex(".") > value.rindex(",") else (",", ".")
        return f'decimal = "{last}" and thousands = "{first}"'
    mark = marks[0] if marks else "."
    if len(marks) > 1:
        return f'thousands = "{mark}"'
    three = len(re.sub(r"\D", "", value.rpartition(mark)[2])) == 3
    return f'decimal = "{mark}"' + (f' (or thousands = "{mark}")' if three else "")


def cell_text(cell: object, decimal: str) -> str | None:
    """Write a cell of a workbook or a database as text, numbers with the source's decimal mark."""
    if cell is None or cell == "":
        return None
    if isinstance(cell, bool):
        return str(cell).upper()
    if isinstance(cell, float):
        text = str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
        return text.replace(".", decimal)
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ")
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, Decimal):
        return format(cell, "f").replace(".", decimal)
    return str(cell)
