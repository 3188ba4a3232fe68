"""A small company made by hand, for the tests of every room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from planning_kit.data import TABLES, Region, empty_table
from planning_kit.plan import Settings, add_months

Rows = pd.DataFrame | Sequence[Mapping[str, Any]] | Mapping[str, Sequence[Any]] | str
SALES_KEYS = ["month", "goal_period", "rep_id", "territory_id", "product_id", "product_line"]


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
    empty = empty_table(name)
    if rows is None:
        return empty
    if isinstance(rows, str):
        lines = [line.split() for line in rows.strip().splitlines()]
        rows = [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]
        rows = [{k: None if v == "-" else v for k, v in row.items()} for row in rows]
    given = pd.DataFrame(rows).reset_index(drop=True)
    if given.empty:
        return empty
    extra = [c for c in given.columns if c not in empty.columns]
    table = given.reindex(columns=[*empty.columns, *extra])
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
    """Make the inputs of a region, or of the company, as the reader would prepare them.

    Tables are given in canonical columns, as a DataFrame, rows, columns, or text. ``sales`` may
    be single sales (``sold_on``) or already have ``month``; it is summed here, gets
    ``goal_period`` from the goals and ``product_line`` from the products. ``reps`` left out are
    everybody named in another table. A missing target is the goals' or sales' total of 2025.
    """
    settings = settings or make_settings()
    unknown = sorted(set(tables) - set(TABLES))
    assert not unknown, f"no such table: {unknown}"
    made = {name: make_table(name, tables.get(name)) for name in TABLES if name != "sales"}
    made["goals"] = _with_ends(made["goals"], settings)
    made["goals"]["metric"] = made["goals"]["metric"].fillna("amount").astype("str")
    made["proposals"] = _with_ends(made["proposals"], settings)
    sales = _summed_sales(tables.get("sales"), made)
    if tables.get("reps") is None:
        named = pd.concat([sales["rep_id"], made["goals"]["rep_id"], made["assignments"]["rep_id"]])
        made["reps"] = make_table("reps", {"rep_id": sorted(named.dropna().unique())})
    made["reps"] = _with_activity(made["reps"], made, settings)
    if regions is None:
        regions = sorted(made["territories"]["region"].dropna().unique())
    if target is None:
        target = float(round(sales["amount"].sum()))
    return Region(
        region=region, settings=settings, regions=tuple(regions), target=target, sales=sales, **made
    )


def _with_ends(periods: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    starts = periods[["rep_id", "starts_on"]].drop_duplicates().sort_values(["rep_id", "starts_on"])
    starts["next_on"] = starts.groupby("rep_id")["starts_on"].shift(-1) - pd.Timedelta(days=1)
    periods = periods.merge(starts, on=["rep_id", "starts_on"], how="left")
    year_end = periods["starts_on"].map(
        lambda day: pd.Timestamp(add_months(day.date(), 12) - timedelta(days=1)), na_action="ignore"
    )
    year_end = pd.to_datetime(year_end).astype("datetime64[us]")
    year_end = year_end.clip(upper=pd.Timestamp(settings.review_ends_on))
    filled = periods["ends_on"].fillna(periods["next_on"]).fillna(year_end)
    return periods.assign(ends_on=filled.astype("datetime64[us]")).drop(columns="next_on")


def _summed_sales(rows: Rows | None, made: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    lines = make_table("sales", rows)
    if "month" in lines:
        month = pd.to_datetime(lines["month"]).astype("datetime64[us]")
        lines["sold_on"] = lines["sold_on"].fillna(month)
    share = lines["credit_share"].fillna(1.0)
    for column in ("amount", "units", "cost"):
        lines[column] = lines[column] * share
    lines["month"] = lines["sold_on"].dt.to_period("M").dt.to_timestamp().astype("datetime64[us]")
    goals = made["goals"][["rep_id", "starts_on", "ends_on"]].drop_duplicates()
    if "goal_period" not in lines:
        held = lines.reset_index()[["index", "rep_id", "sold_on"]].merge(goals, on="rep_id")
        held = held[held["sold_on"].between(held["starts_on"], held["ends_on"])]
        lines["goal_period"] = held.groupby("index")["starts_on"].max().reindex(lines.index)
    lines["goal_period"] = pd.to_datetime(lines["goal_period"]).astype("datetime64[us]")
    lines_of = made["products"].set_index("product_id")["product_line"]
    if "product_line" not in lines:
        lines["product_line"] = lines["product_id"].map(lines_of).astype("str")
    lines["lines"] = 1
    known = ["amount", "units", "cost"]
    by = lines.groupby(SALES_KEYS, dropna=False)
    summed = by[known].sum(min_count=1).join(by["lines"].sum()).reset_index()
    return summed.astype({c: "float64" for c in known})


def _with_activity(
    reps: pd.DataFrame, made: Mapping[str, pd.DataFrame], settings: Settings
) -> pd.DataFrame:
    first_day = pd.Timestamp(settings.starts_on)
    given = made["assignments"]
    on_day = given[~(given["starts_on"] > first_day) & ~(given["ends_on"] < first_day)].merge(
        made["territories"][["territory_id", "region"]], on="territory_id"
    )
    region_of = on_day.groupby("rep_id")["region"].min()
    reps = reps.copy()
    if "current_region" not in reps:
        found = reps["rep_id"].map(region_of).astype("str")
        reps["current_region"] = found.fillna(reps["region"])
    if "is_active" not in reps:
        reps["is_active"] = ~(reps["left_on"] < first_day)
    if "carries_goal" not in reps:
        leads = reps["rep_id"].isin(reps["manager_id"].dropna())
        sells = reps["rep_id"].isin(given["rep_id"])
        reps["carries_goal"] = np.asarray(reps["is_active"] & ~(leads & ~sells), dtype=bool)
    return reps
