"""What `check` says: on the screen and as files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from planning_kit.data.readers import DATABASE, SQL
from planning_kit.data.schema import TABLES
from planning_kit.data.table_files import write_table
from planning_kit.messages import MORE
from planning_kit.plan import Plan, write_atomically

_MARKS = {"fail": "FAIL  ", "review": "review", "pass": "pass  "}
_LIKE = ["status", "table", "file", "column", "rule"]
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_LISTED = 5  # rows that a line lists


def name_records(con: duckdb.DuckDBPyConnection, rows: list[dict[str, Any]]) -> None:
    """Say which record of a query a problem is about, by what tells records of its table apart.

    A query has no file to look into, and its rows may come in another order the next time.
    """
    queried = [r for r in rows if r["row"] is not None and r["file"].endswith((SQL, DATABASE))]
    for table in {row["table"] for row in queried}:
        mine = [row for row in queried if row["table"] == table]
        columns = TABLES[table].columns
        needed = [c.name for c in columns if c.needed == "cell" and c.kind in ("date", "text")]
        cells = [f"'{name} ' || {name}::VARCHAR" for name in TABLES[table].key or needed]
        numbers = ", ".join(str(int(row["row"])) for row in mine)
        found = con.execute(
            f"SELECT _row, concat_ws(', ', {', '.join(cells)}) FROM plan.{table} "
            f"WHERE _row IN ({numbers})"
        )
        names = dict(found.fetchall())
        for row in mine:
            if name := names.get(row["row"]):
                row["message"] += f" (record of {name})"


def problem_lines(problems: pd.DataFrame, most: int = 200) -> Iterator[str]:
    """Say problems in lines: where, what, and what to do; like ones in one line with their number."""
    # Advice that differs in the cell it quotes is the same; every unknown name needs its own, and
    # what is about no row is said as it is.
    advice, message = problems["advice"], problems["message"]
    asked = advice.where(problems["rule"] == "unknown", advice.str.replace(_QUOTED, "", regex=True))
    asked = asked.mask(problems["row"].isna() & ~message.str.endswith(MORE), message)
    like = [*(problems[name].fillna("") for name in _LIKE), asked]
    groups = problems.groupby(like, sort=False)
    for number, (_, alike) in enumerate(groups):
        if number == most:
            break
        yield _line(alike)
    if len(groups) > most:
        yield f"... and {len(groups) - most:,} more kinds in runs/checks.csv"


def _line(alike: pd.DataFrame) -> str:
    """Say problems that differ in nothing but the cell; those beyond the listed ones are counted."""
    first, rows = alike.iloc[0], alike["row"].dropna().astype(int).tolist()
    rest = alike[alike["message"].str.endswith(MORE)]["message"]
    count = len(alike) - len(rest)
    count += sum(int(text.split()[0].replace(",", "")) for text in rest)
    file, message = str(first["file"] or first["table"]), _one_line(str(first["message"]))
    what = "record" if file.endswith((SQL, DATABASE)) else "row"
    row = f"{what} {rows[0]}" if rows else ""
    if count > 1:
        more = f" and {count - _LISTED:,} more" if count > _LISTED else ""
        row = f"{count:,} {what}s"
        if rows:
            row += f" ({', '.join(map(str, rows[:_LISTED]))}{more})"
        if alike["message"].nunique() - (len(rest) > 0) > 1:
            message = f"first of them: {message}"
    place = ", ".join(part for part in (file, row, str(first["column"])) if part)
    return f"{_MARKS[first['status']]} {place}: {message}; {first['advice']}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def write_problems(plan: Plan, problems: pd.DataFrame) -> Path:
    """Write the copies, ``checks.csv`` for a spreadsheet and ``checks.json`` as exact, into ``runs/``."""
    folder = plan.runs_folder
    write_table(folder / "checks.csv", problems)
    text = problems.to_json(orient="records", force_ascii=False, indent=1)
    write_atomically(folder / "checks.json", str(text))
    return folder / "checks.csv"
