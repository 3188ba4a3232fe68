"""What a metric's formula came to in the reviewed period, person by person."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from planning_kit.data import Region
from planning_kit.plan.formulas import Aggregate, Formula


def measure(inputs: Region, formula: Formula) -> pd.DataFrame:
    """Measure a formula over the reviewed period.

    A ratio is one of sums, never a mean of ratios. Whoever has no rows in a table that has some
    counts 0 there; where a table has no rows at all, nothing is known.

    Returns
    -------
    pandas.DataFrame
        By rep_id, everybody in the roster: value, and of_all (the same for all of them
        together), in the formula's unit; empty where it divides by nothing.
    """
    people = pd.Index(sorted(inputs.reps["rep_id"].unique()), name="rep_id")
    top, over = (_sums(inputs, terms, people) for terms in (formula.top, formula.over))
    table = pd.DataFrame({"value": top, "of_all": top.sum(min_count=1)}, dtype="float64")
    if formula.is_ratio:
        below = pd.DataFrame({"value": over, "of_all": over.sum(min_count=1)})
        table = table / below.where(below != 0)
    return table


def _sums(inputs: Region, terms: Mapping[Aggregate, float], people: pd.Index) -> pd.Series:
    sums = pd.Series(0.0, people)
    for one, factor in terms.items():
        rows = counted_rows(inputs, one)
        rows = rows[inputs.in_review(rows["day"])]
        values = rows.groupby("rep_id")["value"].sum(min_count=1).reindex(people)
        sums += factor * (values.fillna(0.0) if values.notna().any() else values)
    return sums


def counted_rows(inputs: Region, one: Aggregate) -> pd.DataFrame:
    """List what a sum or count of a formula is made of: rep_id, day, value."""
    rows: pd.DataFrame = getattr(inputs, one.table)
    for column, wanted in one.filters:
        rows = rows[rows[column].str.strip().str.casefold() == wanted.strip().casefold()]
    column = one.column or ("lines" if one.table == "sales" else "")
    value = rows[column].astype(float) if column else 1.0
    return pd.DataFrame({"rep_id": rows["rep_id"], "day": rows[one.on], "value": value})
