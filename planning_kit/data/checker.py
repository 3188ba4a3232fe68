"""Collect problems: what the plan allows, and one row for every cell that is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb

from planning_kit.messages import MORE, PROBLEM_COLUMNS

MOST_ROWS = 50


@dataclass(frozen=True)
class CheckLimits:
    """What the plan allows.

    Attributes
    ----------
    first_day, last_day : date
        Dates of facts outside are mistyped.
    starts_on : date
        First day of the plan.
    max_lost_share : float
        Largest share of the sales amount that unknown labels may cost.
    regions : tuple of str
        Regions the plan lists; empty: those of the territories.
    """

    first_day: date
    last_day: date
    starts_on: date
    max_lost_share: float = 0.01
    regions: tuple[str, ...] = ()


class Checker:
    """Collects problems of the tables in schema ``plan`` of a DuckDB connection."""

    def __init__(self, con: duckdb.DuckDBPyConnection, limits: CheckLimits) -> None:
        self.con = con
        self.limits = limits
        self.rows: list[dict[str, Any]] = []

    def add(
        self,
        table: str,
        column: str,
        rule: str,
        message: str,
        advice: str,
        *,
        status: str = "fail",
        cell: Sequence[Any] = ("", None, ""),
    ) -> None:
        """Write down one problem; ``cell`` is file, row and value."""
        file, row, value = cell
        self.rows.append(
            dict(
                zip(
                    PROBLEM_COLUMNS,
                    (
                        status,
                        table,
                        file or "",
                        row,
                        column,
                        "" if value is None else str(value),
                        rule,
                        message,
                        advice,
                    ),
                    strict=True,
                )
            )
        )

    def where(
        self,
        table: str,
        column: str,
        condition: str,
        rule: str,
        message: str,
        advice: str,
        *,
        status: str = "fail",
        source: str = "",
    ) -> None:
        """Write down every row that meets an SQL condition; ``{value}`` stands for the cell."""
        value = f"CAST({column} AS VARCHAR)" if column else "''"
        found = self.con.execute(
            f"SELECT _file, _row, {value}, count(*) OVER () FROM {source or f'plan.{table}'} "
            f"WHERE {condition} ORDER BY _file, _row LIMIT {MOST_ROWS}"
        ).fetchall()
        for file, row, cell, _ in found:
            shown = _plain(cell)
            self.add(
                table,
                column,
                rule,
                message.format(value=shown),
                advice,
                status=status,
                cell=(file, row, shown),
            )
        if found and found[0][3] > len(found):
            self.add(
                table,
                column,
                rule,
                f"{found[0][3] - len(found):,} {MORE}",
                advice,
                status=status,
                cell=(found[0][0], None, ""),
            )

    def one(self, query: str) -> tuple[Any, ...]:
        """Give the only row of a query."""
        return self.con.execute(query).fetchone() or ()


def _plain(cell: str | None) -> str | None:
    """Show 1200.500000 as 1200.5."""
    if cell and "." in cell and cell.replace(".", "").replace("-", "").isdigit():
        return cell.rstrip("0").rstrip(".")
    return cell
