"""Tables as CSV files that come back as they were, and that no spreadsheet runs."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pandas as pd

from planning_kit.plan import write_atomically

# A spreadsheet runs a text as a formula (CWE-1236) that begins with one of these signs, wide and
# small forms among them; some drop blanks, tabs, line ends and signs without a width before it.
_BLANK = r"[\s\x00-\x1f\x7f-\xa0\u200b-\u200f\u2060\ufeff]"
_WIDE = "\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b"
_DANGEROUS = re.compile(rf"'|[\t\r\n\ufeff]|{_BLANK}*[=+\-@{_WIDE}]")


def guard(text: Any) -> Any:
    """Give a text so that no spreadsheet runs it: an apostrophe stands before what it would."""
    return f"'{text}" if isinstance(text, str) and _DANGEROUS.match(text) else text


def _unguard(text: Any) -> Any:
    return text[1:] if isinstance(text, str) and text.startswith("'") else text


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table: UTF-8, days as 2026-01-31, empty cells empty, numbers as they are.

    Text that a spreadsheet would run as a formula, in a cell or in the name of a column, gets an
    apostrophe in front; `read_table` takes it off again. The types of the columns stand in
    ``<name>.types.json`` beside the file, under their names as the file has them.
    """
    shown = table.rename(columns=lambda name: guard(str(name)))
    types = {}
    for name in shown.columns:
        column = shown[name]
        if pd.api.types.is_datetime64_any_dtype(column):
            types[name] = "date"
            shown[name] = column.dt.strftime("%Y-%m-%d")
        elif pd.api.types.is_bool_dtype(column):
            types[name] = "bool"
        elif pd.api.types.is_numeric_dtype(column):
            types[name] = "number" if pd.api.types.is_float_dtype(column) else "Int64"
        else:
            types[name] = "text"
            shown[name] = column.map(guard)
    text = shown.to_csv(index=False, lineterminator="\n")
    if "\r" in text:  # it ends a row for many readers unless its cell stands in quotes
        text = shown.to_csv(index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    write_atomically(path.with_suffix(".types.json"), json.dumps(types, ensure_ascii=False))
    write_atomically(path, text)


def read_table(path: Path) -> pd.DataFrame:
    """Read a table that `write_table` wrote: text stays text, empty stays empty."""
    types = json.loads(path.with_suffix(".types.json").read_text(encoding="utf-8"))
    texts = {name: "str" for name, kind in types.items() if kind in ("text", "date")}
    numbers = {name: "float64" for name, kind in types.items() if kind == "number"}
    table = pd.read_csv(path, dtype={**texts, **numbers}, keep_default_na=False, na_values=[""])
    for name, kind in types.items():
        if kind == "date":
            table[name] = pd.to_datetime(table[name]).astype("datetime64[us]")
        elif kind == "text":
            table[name] = table[name].map(_unguard).astype("str")
        elif kind == "Int64" and not table[name].isna().any():
            table[name] = table[name].astype("int64")
    return table.rename(columns=_unguard)
