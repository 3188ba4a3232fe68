"""How good past proposals were, and whether correcting them by the past would have helped."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control, kurtosis, t

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
    "p",
    "p_bh",
    "verdict",
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


FALSE_SHARE = 0.10  # of the people named, on average
SOMEBODY = 0.03  # companies in which nobody has a habit and somebody is named all the same
LEAST_NOISE = 0.01  # nobody knows a year's result better


@cached
def proposal_bias(inputs: Region) -> pd.DataFrame:
    """Measure how far each person's past proposals were from the results, shrunk to the group.

    ``own_bias`` is the mean of ``ln(actual / proposed)``: above 0 the person proposed too little.
    Periods in which somebody was hired or left are not compared. It is drawn to the group's mean
    by ``w = T / (T + s / n)`` with the variance between people
    ``T`` and within a person ``s``. Somebody with fewer than two years gets the group's value.

    Shrinking is right for correcting and wrong for finding: who proposes too low is found by the
    own bias of two or more years, see `_detected`.

    Parameters
    ----------
    inputs
        Needs proposals of past periods, and sales in them.

    Returns
    -------
    DataFrame
        ``periods`` and ``years`` compared, ``proposed`` and ``actual`` sums (plan currency),
        ``own_bias``, ``weight``, ``bias``, ``factor`` (a proposal times it is the expected
        result) with an 80 % range, ``p`` of the own bias, ``p_bh`` (for everybody together,
        Benjamini and Hochberg 1995) and ``verdict``: too low, too high, no sign, or cannot tell
        (fewer than two years, or than eight such people), and a ``note`` where history is short.
        No rows without proposals.
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
    return table.join(_detected(past)).reset_index()[list(PROPOSAL_COLUMNS)]


def _detected(past: pd.DataFrame) -> pd.DataFrame:
    """Find who proposes too low or too high by the mean of the own years, ``ln(actual / proposed)``.

    What a year did to everybody is taken off, see `_surprise`; a surprise that was alike in all
    years is a habit and stays.
    The noise of a year is pooled, since two years do not tell whose proposals are uneven; where
    residuals are too peaked for one noise, Student's t with their kurtosis takes its place.
    """
    sums = past.groupby(["rep_id", "year"])[["actual", "proposed"]].sum()
    bias = pd.Series(np.log(sums["actual"] / sums["proposed"]))
    years = bias.groupby("year")
    middles, shared = years.median(), years.agg(_surprise)
    error = max(middles.std() / np.sqrt(len(middles)), 1e-9)
    if t.sf(abs(middles.mean()) / error, len(middles) - 1) < 0.025:
        shared *= 0.0
    off = bias - bias.index.get_level_values("year").map(shared.to_dict())
    means, counts = off.groupby("rep_id").mean(), off.groupby("rep_id").size()
    table = pd.DataFrame({"p": np.nan, "p_bh": np.nan, "verdict": "cannot tell"}, means.index)
    known = means.index[counts >= 2]
    if len(known) < LEAST_PEOPLE:
        return table
    left = (off - off.groupby("rep_id").transform("mean"))[off.index.isin(known, level="rep_id")]
    free = float(len(left) - len(known))
    noise = max(np.sqrt((left**2).sum() / free), LEAST_NOISE)
    peak = kurtosis(left) if left.abs().max() > LEAST_NOISE else 0.0
    if peak > 2 * np.sqrt(24 / len(known)):
        free = min(free, 4 + 6 / float(peak))
        noise *= np.sqrt((free - 2) / free)
    error = noise / np.sqrt(counts[known])
    table.loc[known, "p"] = 2 * t.sf(means[known].abs() / error, free)
    table.loc[known, "p_bh"] = false_discovery_control(table.loc[known, "p"])
    found = table["p_bh"].lt(FALSE_SHARE) & (table["p_bh"].min() < SOMEBODY)
    sides = [found & (means > 0), found & (means < 0), table["p"].notna()]
    return table.assign(verdict=np.select(sides, ["too low", "too high", "no sign"], "cannot tell"))


def _surprise(bias: pd.Series) -> float:
    """Give what a year did to everybody: the middle of the densest half, 0 where it holds 0.

    Up to half of the people may propose too low without moving it.
    """
    ordered, half = np.sort(bias), len(bias) // 2
    start = int(np.argmin(ordered[half:] - ordered[: len(bias) - half]))
    densest = ordered[start : start + half + 1]
    return 0.0 if densest[0] <= 0 <= densest[-1] else float(np.median(densest))


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
