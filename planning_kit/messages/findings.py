"""Findings and problems: rows that say what is odd, where, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

PROBLEM_COLUMNS = (
    "status",
    "table",
    "file",
    "row",
    "column",
    "value",
    "rule",
    "message",
    "advice",
)
MORE = "more rows like this"  # ends the message of a problem that stands for many
FINDING_COLUMNS = ("finding_id", "status", "where", "message", "advice")


def finding(
    finding_id: str, status: str, where: str, message: str, advice: str = ""
) -> dict[str, str]:
    """Write down one finding: odd but possible, with its number and what to do.

    Parameters
    ----------
    finding_id
        Stable id that assumptions can cite, for example ``review.fairness.size``.
    status
        ``pass``, ``review`` or ``fail``.
    where
        Table, region, rep or notebook section.
    """
    return dict(zip(FINDING_COLUMNS, (finding_id, status, where, message, advice), strict=True))


def findings_table(rows: list[dict[str, str]]) -> pd.DataFrame:
    """Collect findings in one table, the most serious first, in the order given otherwise."""
    import pandas as pd  # here, so that a command answers before pandas is there

    table = pd.DataFrame(rows, columns=list(FINDING_COLUMNS)).astype("str")
    order = table["status"].map({"fail": 0, "review": 1, "pass": 2})
    return table.iloc[order.argsort(kind="stable")].reset_index(drop=True)


def finding_rows(table: pd.DataFrame) -> list[dict[str, str]]:
    """Take a table of findings apart again, to be collected with others."""
    return [{str(k): str(v) for k, v in row.items()} for row in table.to_dict("records")]
