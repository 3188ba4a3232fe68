"""The labels a scenario may name, kept with the prepared inputs: every notebook checks them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import duckdb

_COMPANY = {
    "rep_id": "SELECT rep_id FROM made.people",
    "territory_id": "SELECT territory_id FROM plan.territories",
    "product_line": "SELECT product_line FROM plan.products",
    "role": "SELECT role FROM made.people",
    "product_id": "SELECT product_id FROM plan.products UNION SELECT product_id FROM made.sales",
    "assumption_id": "SELECT assumption_id FROM plan.assumptions",
}
_REGION = {
    "rep_id": "SELECT rep_id FROM made.people WHERE carries_goal AND current_region = $region",
    "territory_id": "SELECT territory_id FROM plan.territories WHERE region = $region",
    "role": "SELECT role FROM made.people WHERE carries_goal AND current_region = $region",
}


def labels_of_plan(con: duckdb.DuckDBPyConnection, regions: Iterable[str]) -> dict[str, Any]:
    """List labels by column: ``company`` all of them, ``regions`` those that carry goals there."""
    return {
        "company": _labels(con, _COMPANY),
        "regions": {region: _labels(con, _REGION, {"region": region}) for region in regions},
    }


def _labels(
    con: duckdb.DuckDBPyConnection,
    queries: Mapping[str, str],
    values: Mapping[str, str] | None = None,
) -> dict[str, list[str]]:
    found = {}
    for column, query in queries.items():
        rows = con.execute(
            f"SELECT DISTINCT {column} FROM ({query}) WHERE {column} IS NOT NULL ORDER BY 1", values
        ).fetchall()
        found[column] = [label for (label,) in rows]
    return found
