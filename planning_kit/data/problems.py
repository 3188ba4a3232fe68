"""What `check` says: on the screen and as files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from planning_kit.data.table_files import write_table
from planning_kit.plan import Plan, write_atomically

_MARKS = {"fail": "FAIL  ", "review": "review", "pass": "pass  "}


def problem_lines(problems: pd.DataFrame, most: int = 200) -> Iterator[str]:
    """Say every problem in one line: where, what, and what to do."""
    for row in problems.head(most).to_dict("records"):
        place = ", ".join(
            str(part)
            for part in (
                row["file"] or row["table"],
                "" if pd.isna(row["row"]) else f"row {row['row']}",
                row["column"],
            )
            if part
        )
        yield f"{_MARKS[row['status']]} {place}: {_one_line(row['message'])}; {row['advice']}"
    if len(problems) > most:
        yield f"... and {len(problems) - most:,} more in runs/checks.csv"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def write_problems(plan: Plan, problems: pd.DataFrame) -> Path:
    """Write the copies, ``checks.csv`` for a spreadsheet and ``checks.json`` as exact, into ``runs/``."""
    folder = plan.runs_folder
    write_table(folder / "checks.csv", problems)
    text = problems.to_json(orient="records", force_ascii=False, indent=1)
    write_atomically(folder / "checks.json", str(text))
    return folder / "checks.csv"
