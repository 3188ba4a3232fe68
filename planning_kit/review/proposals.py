"""How good past proposals were, and whether correcting them by the past would have helped."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from planning_kit.data import Region, cached
from planning_kit.numbers.intervals import Z80
from planning_kit.review.fairness import LEAST_PEOPLE
from planning_kit.review.periods import fiscal_year

PROPOSAL_COLUMNS = (
    "rep_id",
    "periods",
    "years",
    "proposed",
    "actual",
    "own_bias",
    "weight",
    "bias",
    "factor",
    "low_factor",
    "high_factor",
    "note",
)
CHECK_COLUMNS = (
    "year",
    "people",
    "raw_error_share",
    "adjusted_error_share",
    "raw_bias_share",
    "adjusted_bias_share",
    "verdict",
)


@cached
def proposal_bias(inputs: Region) -> pd.DataFrame:
    """Measure how far each person's past proposals were from the results, shrunk to the group.

    ``own_bias`` is the mean of ``ln(actual / proposed)``: above 0 the person proposed too little.
    Periods in which somebody was hired or left are not compared. It is drawn to the group's mean
    by ``w = T / (T + s / n)`` with the variance between people
    ``T`` and within a person ``s``. Somebody with fewer than two years gets the group's value.

    Parameters
    ----------
    inputs
        Needs proposals of past periods, and sales in them.

    Returns
    -------
    DataFrame
        ``periods`` and ``years`` compared, ``proposed`` and ``actual`` sums (plan currency),
        ``own_bias``, ``weight``, ``bias``, ``factor`` (a proposal times it is the expected
        result) with an 80 % range, and a ``note`` where history is short. No rows without
        proposals.
    """
    past = _proposed_and_sold(inputs)
    if past.empty:
        return pd.DataFrame(columns=list(PROPOSAL_COLUMNS))
    past["bias"] = np.log(past["actual"] / past["proposed"])
    groups = past.groupby("rep_id")
    table = groups.agg(
        periods=("bias", "size"),
        years=("year", "nunique"),
        proposed=("proposed", "sum"),
        actual=("actual", "sum"),
        own_bias=("bias", "mean"),
    )
    within, between, middle = variances(past, "rep_id")
    enough = table["years"] >= 2
    weight = (between / (between + within / table["periods"])) if between > 0 else 0.0
    table["weight"] = pd.Series(weight, table.index).where(enough, 0.0)
    table["bias"] = table["weight"] * table["own_bias"] + (1 - table["weight"]) * middle
    doubt = np.sqrt((1 - table["weight"]) * between + within)
    half = Z80 * doubt
    table["factor"] = np.exp(table["bias"])
    table["low_factor"], table["high_factor"] = (
        np.exp(table["bias"] - half),
        np.exp(table["bias"] + half),
    )
    note = "fewer than two years of proposals: the group's value"
    table["note"] = pd.Series(np.where(enough, "", note), table.index, dtype="str")
    return table.reset_index()[list(PROPOSAL_COLUMNS)]


@cached
def proposal_check(inputs: Region) -> pd.DataFrame:
    """Leave each year of proposals out, correct it by the other years, and compare the errors.

    The error is the sum of ``|actual - proposal|`` over the sum of the results, of the proposals
    as they were (``raw``) and times the factor that the other years give (``adjusted``). The two
    variances that decide how far somebody is drawn to the group come from all years.

    Returns
    -------
    DataFrame
        One row a year and a last one for all: ``people``, both errors, ``raw_bias_share`` and
        ``adjusted_bias_share`` (sum of results over sum of proposals, less 1) and a ``verdict``:
        better, no better, or cannot tell. No rows where fewer than two years can be compared.
    """
    past = _proposed_and_sold(inputs)
    if past["year"].nunique() < 2:
        return pd.DataFrame(columns=list(CHECK_COLUMNS))
    past["bias"] = np.log(past["actual"] / past["proposed"])
    within, between, _ = variances(past, "rep_id")
    parts = []
    for year, left_out in past.groupby("year"):
        rest = past[past["year"] != year].groupby("rep_id")["bias"].agg(["mean", "size"])
        weight = between / (between + within / rest["size"]) if between > 0 else 0.0 * rest["size"]
        drawn = weight * rest["mean"] + (1 - weight) * rest["mean"].mean()
        bias = left_out["rep_id"].map(drawn).fillna(rest["mean"].mean())
        parts.append(left_out.assign(adjusted=left_out["proposed"] * np.exp(bias)))
    checked = pd.concat(parts)
    rows = [_errors(str(year), part) for year, part in checked.groupby("year")]
    return pd.DataFrame([*rows, _errors("all", checked)], columns=list(CHECK_COLUMNS))


def _errors(year: str, part: pd.DataFrame) -> dict[str, Any]:
    row: dict[str, Any] = {"year": year, "people": part["rep_id"].nunique()}
    total = part["actual"].sum()
    for name, column in (("raw", "proposed"), ("adjusted", "adjusted")):
        row[f"{name}_error_share"] = (part["actual"] - part[column]).abs().sum() / total
        row[f"{name}_bias_share"] = total / part[column].sum() - 1
    better = row["adjusted_error_share"] < row["raw_error_share"]
    enough = row["people"] >= LEAST_PEOPLE
    return row | {"verdict": ("better" if better else "no better") if enough else "cannot tell"}


def _proposed_and_sold(inputs: Region) -> pd.DataFrame:
    """Pair what was proposed for a past period with what was sold of the same products in it."""
    given = inputs.proposals[inputs.proposals["proposed"].notna()].reset_index(drop=True)
    given = given[given["ends_on"] < pd.Timestamp(inputs.settings.starts_on)]
    people = inputs.reps.set_index("rep_id")[["hired_on", "left_on"]].reindex(given["rep_id"])
    late = people["hired_on"].to_numpy() > given["starts_on"].to_numpy()
    given = given[~late & ~(people["left_on"].to_numpy() < given["ends_on"].to_numpy())]
    given = given.assign(row=given.index)
    sales = inputs.sales.rename(columns={"product_id": "sold_id", "product_line": "sold_line"})
    both = given.merge(sales[["rep_id", "month", "sold_id", "sold_line", "amount"]], on="rep_id")
    middle = both["month"] + pd.Timedelta(days=14)
    fits = middle.between(both["starts_on"], both["ends_on"])
    fits &= both["product_id"].isna() | both["product_id"].eq(both["sold_id"])
    fits &= both["product_line"].isna() | both["product_line"].eq(both["sold_line"])
    given["actual"] = both[fits].groupby("row")["amount"].sum().reindex(given["row"]).to_numpy()
    periods = given.groupby(["rep_id", "starts_on"], as_index=False)[["proposed", "actual"]].sum()
    periods["year"] = fiscal_year(periods["starts_on"], inputs.settings)
    return periods[(periods["proposed"] > 0) & (periods["actual"] > 0)].reset_index(drop=True)


def variances(past: pd.DataFrame, key: str) -> tuple[float, float, float]:
    """Give the variance of ``bias`` within and between groups, by moments, and the groups' mean."""
    groups = past.groupby(key)["bias"]
    means, sizes = groups.mean(), groups.size()
    left = past["bias"] - groups.transform("mean")
    free = len(past) - len(means)
    within = float((left**2).sum() / free) if free > 0 else 0.0
    spread = float(means.var(ddof=1)) if len(means) > 1 else 0.0
    between = max(0.0, spread - within * float((1 / sizes).mean()))
    return within, between, float(means.mean())
