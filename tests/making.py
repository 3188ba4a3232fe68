"""A small company made by hand, for the tests of every room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from typing import Any

import duckdb
import pandas as pd

from planning_kit.data import TABLES, Region, empty_table
from planning_kit.data.derive import derive
from planning_kit.data.fan_out import partition_queries
from planning_kit.data.mapping import KINDS
from planning_kit.data.partitions import typed_table
from planning_kit.plan import Settings

Rows = pd.DataFrame | Sequence[Mapping[str, Any]] | Mapping[str, Sequence[Any]] | str
_AS_GIVEN = {"products", "opportunities", "activities", "assumptions", "events", "evidence"}
_AS_GIVEN |= {"manager_time", "answers", "calendar"}
HOME = "Home"  # the region of people whom no assignment brings into one


def make_settings(**changes: Any) -> Settings:
    """Give the settings of a plan for 2026 that reviews 2025, in euros, rounded to 1."""
    values: dict[str, Any] = {
        "name": "made by hand",
        "currency": "EUR",
        "rounding_unit": 1.0,
        "starts_on": date(2026, 1, 1),
        "ends_on": date(2026, 12, 31),
        "review_starts_on": date(2025, 1, 1),
        "review_ends_on": date(2025, 12, 31),
    }
    return Settings(**{**values, **changes})


def make_table(name: str, rows: Rows | None) -> pd.DataFrame:
    """Make a canonical table out of rows, columns, or text (a header line, then rows, by blanks).

    In text a single ``-`` is an empty cell. Columns that are not given are empty.
    """
    if rows is None:
        return _empty(name).copy()
    if isinstance(rows, str):
        lines = [line.split() for line in rows.strip().splitlines()]
        rows = [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]
        rows = [{k: None if v == "-" else v for k, v in row.items()} for row in rows]
    given = pd.DataFrame(rows).reset_index(drop=True)
    if given.empty:
        return _empty(name).copy()
    names = TABLES[name].names
    table = given.reindex(columns=[*names, *(c for c in given.columns if c not in names)])
    for column in TABLES[name].columns:
        if column.kind == "date":
            table[column.name] = pd.to_datetime(table[column.name]).astype("datetime64[us]")
        elif column.kind == "text":
            known = table[column.name].notna()
            text = table[column.name].astype(object).where(known, None)
            table[column.name] = text.map(str, na_action="ignore").astype("str")
        else:
            table[column.name] = pd.to_numeric(table[column.name]).astype("float64")
    return table


def make_inputs(
    *,
    settings: Settings | None = None,
    region: str = "",
    regions: Sequence[str] | None = None,
    target: float | None = None,
    **tables: Rows,
) -> Region:
    """Make the inputs of a region, or of the company (``""``), by the product's own derivation.

    Tables are given in canonical columns, as a DataFrame, rows, columns, or text. What a plan
    needs and a test leaves out is filled: ``reps`` are everybody whom another table names, people
    without an assignment are at home in the region (``Home`` where none is named), territories
    that are assigned lie in it, and products are those with a line in ``sales``. ``sales`` may
    have ``month`` instead of ``sold_on``; columns of ``reps`` that the derivation makes
    (``carries_goal`` and so on) are taken as given. A missing target is the sales' total.
    """
    settings = settings or make_settings()
    unknown = sorted(set(tables) - set(TABLES))
    assert not unknown, f"no such table: {unknown}"
    made = {name: make_table(name, rows) for name, rows in tables.items() if rows is not None}
    con = _database()
    _complete(made, region or HOME)
    con.execute(";".join(f"DELETE FROM plan.{name}" for name in TABLES))
    filled = [name for name, table in made.items() if len(table)]
    told = {*filled, *(["events"] if "answers" in filled else [])}  # answers become events
    for name in filled:
        _fill(con, name, made[name])
    derive(con, settings)
    queries = partition_queries(con, settings, region or None)
    found = {
        name: _empty(name).copy() if name in _AS_GIVEN - told else typed_table(con, query, name)
        for name, query in queries.items()
    }
    given = [c for c in made["reps"] if c not in TABLES["reps"].names]
    if given:
        told = made["reps"].set_index("rep_id")[given].reindex(found["reps"]["rep_id"])
        found["reps"] = found["reps"].assign(**{c: told[c].to_numpy() for c in given})
    facts: dict[str, Any] = {
        "settings": settings,
        "regions": tuple(regions or sorted(made["territories"]["region"].dropna().unique())),
        "target": float(round(found["sales"]["amount"].sum())) if target is None else target,
    }
    return Region(region, **facts, **found) if region else Region.company(**facts, **found)


def _complete(made: dict[str, pd.DataFrame], home: str) -> None:
    """Add what a plan cannot be without."""
    for name in ("sales", "goals", "proposals", "assignments", "territories", "products"):
        if name not in made:
            made[name] = _empty(name)
    sales = made["sales"]
    if "month" in sales:
        sales["sold_on"] = sales["sold_on"].fillna(pd.to_datetime(sales["month"]))
    if "product_line" in sales and made["products"].empty:
        lines = sales[["product_id", "product_line"]].dropna().drop_duplicates("product_id")
        made["products"] = make_table("products", lines)
    if "reps" not in made:
        named = pd.concat([made[name]["rep_id"] for name in ("sales", "goals", "assignments")])
        made["reps"] = make_table("reps", {"rep_id": sorted(named.dropna().unique())})
    reps = made["reps"]
    placed = reps["rep_id"].isin(made["assignments"]["rep_id"]) | reps["region"].notna()
    reps["region"] = reps["region"].where(placed, home)
    known, held = made["territories"], made["assignments"]["territory_id"].dropna().unique()
    more = [territory for territory in held if territory not in set(known["territory_id"])]
    if more:
        rows = make_table("territories", {"territory_id": more, "region": [home] * len(more)})
        made["territories"] = pd.concat([known, rows], ignore_index=True)


@cache
def _database() -> duckdb.DuckDBPyConnection:
    """Give one scratch database for all tests of this process, with empty canonical tables."""
    con = duckdb.connect(config={"threads": 1})
    con.execute("CREATE SCHEMA plan")
    for name, table in TABLES.items():
        columns = ", ".join(f"{c.name} {KINDS[c.kind]}" for c in table.columns)
        con.execute(f"CREATE TABLE plan.{name} (_file VARCHAR, _row BIGINT, {columns})")
    return con


def _fill(con: duckdb.DuckDBPyConnection, name: str, table: pd.DataFrame) -> None:
    names = TABLES[name].names
    cells = [table[c].astype(object).where(table[c].notna(), None).tolist() for c in names]
    values = ", ".join("unnest(?)" for _ in names)
    con.execute(
        f"INSERT INTO plan.{name} SELECT 'made', row_number() OVER () + 1, * "
        f"FROM (SELECT {values})",
        cells,
    )


@cache
def _empty(name: str) -> pd.DataFrame:
    return empty_table(name)
