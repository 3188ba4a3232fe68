"""What a metric's formula came to in the reviewed period, person by person."""

from __future__ import annotations

import numpy as np
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
    sums = {one: _sums(inputs, one).reindex(people) for one in formula.aggregates}
    for one, values in sums.items():
        if values.notna().any():
            sums[one] = values.fillna(0.0)
    value = formula.value(sums)
    of_all = formula.value({one: values.sum(min_count=1) for one, values in sums.items()})
    table = pd.DataFrame({"value": value, "of_all": of_all}, index=people, dtype="float64")
    return table.replace([np.inf, -np.inf], np.nan)


def _sums(inputs: Region, one: Aggregate) -> pd.Series:
    rows: pd.DataFrame = getattr(inputs, one.table)
    rows = rows[inputs.in_review(rows[one.on])]
    for column, wanted in one.filters:
        rows = rows[rows[column].str.strip().str.casefold() == wanted.strip().casefold()]
    column = one.column or ("lines" if one.table == "sales" else "")
    counted = rows[column] if column else pd.Series(1.0, rows.index)
    return counted.groupby(rows["rep_id"]).sum(min_count=1)
