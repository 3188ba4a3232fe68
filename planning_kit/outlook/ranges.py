"""How far results fall from what was expected, measured on past years."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from scipy.special import gammainc, gammaincinv

from planning_kit.data import Region, cached
from planning_kit.numbers.intervals import HIGH, LOW
from planning_kit.numbers.staffing import ramp_at
from planning_kit.numbers.statistics import wilson
from planning_kit.outlook.history import (
    PLACE,
    History,
    held_months,
    look_up,
    months_from,
    own_books,
    read_history,
)
from planning_kit.outlook.levels import Levels, estimate_levels
from planning_kit.outlook.seats import ROW, full_rows

INTERVAL_COVERAGE_COLUMNS = ("year", "cut", "cells", "inside", "share", "note")
CALIBRATION_COLUMNS = ("cut", "chance", "goals", "reached", "share", "low", "high")
_UNMEASURED = "no earlier year to measure misses on: ranges from seats' spread"
_LEAST_MONTHS = 12  # of history before a year that is forecast again


@dataclass(frozen=True)
class Misses:
    """How results vary about expectations.

    A result with expectation ``m`` of one person has the variance ``deal_size * m + person^2 m^2``;
    a region has ``common^2 m^2`` on top, which does not average out.

    Attributes
    ----------
    deal_sizes : pandas.Series
        Size of a typical chunk of sales by product line, plan currency.
    person, common : float
        Coefficients of variation of a person's and of the whole region's year.
    years : int
        Past years that were forecast again; 0: nothing could be measured.
    """

    deal_sizes: pd.Series
    person: float
    common: float
    years: int


@dataclass(frozen=True)
class PastYear:
    """A past year forecast from what was known before it: rows with expected and actual."""

    first: pd.Timestamp
    rows: pd.DataFrame
    levels: Levels


def past_years(inputs: Region, before: pd.Timestamp) -> list[pd.Timestamp]:
    """List the starts of past years that have a year of history before them, the latest first."""
    months = inputs.sales.loc[inputs.sales["month"] < before, "month"]
    if months.empty:
        return []
    starts, end = [], months.max() + pd.DateOffset(months=1)
    while end - pd.DateOffset(months=12 + _LEAST_MONTHS) >= months.min():
        end -= pd.DateOffset(months=12)
        starts.append(pd.Timestamp(end))
    return starts


@partial(cached, depends_on=1)
def forecast_again(inputs: Region, first: pd.Timestamp, history: History) -> PastYear:
    """Forecast a past year for everybody who held the same place all year.

    Turnover is left out on both sides: the people compared stayed.
    """
    levels = estimate_levels(inputs, first, history)
    months = months_from(first, 12)
    held = held_months(inputs, months)
    steady = held.groupby(PLACE)["weight"].agg(["size", "min", "max"])
    steady = steady[(steady["size"] == 12) & (steady["max"] - steady["min"] < 1e-9)]
    places = pd.MultiIndex.from_frame(held[PLACE])
    mine = held[places.isin(steady.index)]
    last = levels.history.held
    last = last[(last["month"] == levels.history.last) & (last["territory_id"] == "")]
    free = pd.Index(last["rep_id"].unique()).difference(held["rep_id"])
    books = own_books(inputs, held, pd.Series(first, index=free), months)
    mine = pd.concat([mine, books], ignore_index=True) if len(books) else mine
    rows = full_rows(levels, mine.assign(kept=""), held[held["month"] == first])
    tenure = mine[[*PLACE, "month", "tenure"]]
    rows = rows.merge(tenure, on=[*PLACE, "month"], how="left")
    there = ramp_at(inputs.settings.ramp, rows["tenure"].to_numpy())
    rows["expected"] = rows["full"] * rows["weight"] * there * max(0.0, 1 + levels.trend[0])
    actual = history.sold[history.sold["month"].isin(months)].rename(columns={"amount": "actual"})
    rows = rows.merge(actual, on=ROW, how="left").fillna({"actual": 0.0})
    return PastYear(first, rows[[*ROW, "expected", "actual"]], levels)


@partial(cached, depends_on=1)
def measure_misses(inputs: Region, before: pd.Timestamp, levels: Levels) -> Misses:
    """Measure misses on every past year that can be forecast again."""
    years = past_years(inputs, before)
    again = [forecast_again(inputs, first, levels.history) for first in years]
    return misses_of([r for r in again if r.rows["expected"].sum() > 0], inputs, levels)


def misses_of(again: Sequence[PastYear], inputs: Region, levels: Levels) -> Misses:
    """Split past misses into chunks of sales, people and what hit everybody (by moments)."""
    deal_sizes = sale_sizes(inputs, levels)
    if not again:
        # Nobody knows how years differ; how seats differ stands in for it.
        spread = np.sqrt(levels.between) / levels.group if levels.group else 0.0
        return Misses(deal_sizes, 0.0 if np.isnan(spread) else float(spread), 0.0, 0)
    ratios = [float(r.rows["actual"].sum() / r.rows["expected"].sum()) for r in again]
    scaled = pd.concat(
        [
            r.rows.assign(expected=r.rows["expected"] * c)
            for r, c in zip(again, ratios, strict=True)
        ],
        keys=range(len(again)),
        names=["year"],
    ).reset_index("year")
    square = (scaled["actual"] - scaled["expected"]) ** 2
    by_line = scaled["product_line"]
    rough = square.groupby(by_line).sum() / scaled["expected"].groupby(by_line).sum()
    deal_sizes = rough.replace([np.inf, -np.inf], np.nan).combine_first(deal_sizes)
    people = scaled.assign(chance=scaled["expected"] * look_up(by_line, deal_sizes).fillna(0.0))
    people = people.groupby(["year", "rep_id"])[["expected", "actual", "chance"]].sum()
    count = people.groupby("year").size()
    free = count.sum() / max(1, count.sum() - len(count))
    off = (people["actual"] - people["expected"]) ** 2 * free - people["chance"]
    person = float(np.sqrt(max(0.0, off.sum() / (people["expected"] ** 2).sum())))
    common = float(np.sqrt(np.mean([(c - 1) ** 2 for c in ratios])))
    return Misses(deal_sizes, person, common, len(again))


def sale_sizes(inputs: Region, levels: Levels) -> pd.Series:
    """Give the size of a typical sale by line, weighted by amount: sum a^2 / sum a."""
    sales = inputs.sales[inputs.sales["month"] <= levels.history.last].fillna({"product_line": ""})
    square = sales["amount"] ** 2 / sales["lines"].clip(lower=1)
    sums = sales.groupby("product_line")["amount"].sum()
    sizes = square.groupby(sales["product_line"]).sum() / sums.where(sums > 0)
    return sizes.reindex(levels.mix.index).fillna(0.0)


def range80(expected: np.ndarray, variance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the 80 % range of a gamma distribution; it holds the expectation.

    Where chance is so large that the mean lies above nine of ten results, the upper end is the
    mean.
    """
    mean = np.maximum(np.nan_to_num(expected), 0.0)
    sure = (variance <= 0) | (mean <= 0)
    spread = np.where(sure, 1.0, variance)
    shape = np.where(sure, 1.0, mean**2 / spread)
    scale = np.where(sure, 0.0, spread / np.where(mean > 0, mean, 1.0))
    low = np.where(sure, expected, gammaincinv(shape, LOW) * scale)
    high = np.where(sure, expected, gammaincinv(shape, HIGH) * scale)
    low, high = np.minimum(low, expected), np.maximum(high, expected)
    return np.where(np.isnan(expected), np.nan, low), np.where(np.isnan(expected), np.nan, high)


def total_ranges(rows: pd.DataFrame, by: Sequence[str], misses: Misses) -> pd.DataFrame:
    """Sum expected rows over a cut and give each sum its 80 % range.

    Ranges of parts never add up to the range of their sum: chance averages out over people, what
    hits everybody does not.
    """
    totals = total_variances(rows, by, misses)
    variance = np.nan_to_num(totals["variance"].to_numpy(float))
    low, high = range80(totals["expected"].to_numpy(float), variance)
    return totals[[*by, "expected"]].assign(low=low, high=high)


def total_variances(rows: pd.DataFrame, by: Sequence[str], misses: Misses) -> pd.DataFrame:
    """Sum expected rows over a cut: the cut, expected, variance."""
    chance = rows["expected"] * look_up(rows["product_line"], misses.deal_sizes).fillna(0.0)
    parts = rows.assign(chance=chance)[[*dict.fromkeys([*by, "rep_id"]), "expected", "chance"]]
    people = parts.groupby([*dict.fromkeys([*by, "rep_id"])], as_index=False).sum(min_count=1)
    people["own"] = (misses.person * people["expected"]) ** 2
    sums = people[[*by, "expected", "chance", "own"]]
    totals = (
        sums.groupby(list(by), as_index=False).sum(min_count=1)
        if by
        else (sums.sum(min_count=1).to_frame().T)
    )
    variance = totals["chance"] + totals["own"] + (misses.common * totals["expected"]) ** 2
    return totals[[*by, "expected"]].assign(variance=variance)


def interval_coverage(inputs: Region) -> pd.DataFrame:
    """Count how often the 80 % ranges held in past years, with what was known before them.

    The misses a range rests on come from the years before the tested one, so the first year that
    can be tested needs three years of sales.

    Returns
    -------
    pandas.DataFrame
        year (first month), cut (rep and year; rep, line and month), cells, inside, share, note.
    """
    rows: list[tuple] = []
    for past, misses in _held_out(inputs):
        note = "" if misses.years else _UNMEASURED
        for name, by in (
            ("rep and year", ["rep_id"]),
            ("rep, line and month", ["rep_id", "product_line", "month"]),
        ):
            held = past.rows.groupby(by)["actual"].sum().reset_index()
            both = total_ranges(past.rows, by, misses).merge(held, on=by)
            inside = int(both["actual"].between(both["low"], both["high"]).sum())
            share = inside / len(both) if len(both) else np.nan
            rows.append((past.first, name, len(both), inside, share, note))
    return pd.DataFrame(rows, columns=list(INTERVAL_COVERAGE_COLUMNS))


def _held_out(inputs: Region) -> Iterator[tuple[PastYear, Misses]]:
    """Forecast past years again, each with the misses of the years before it."""
    before = pd.Timestamp(inputs.settings.starts_on)
    history = read_history(inputs, before)
    for first in past_years(inputs, before):
        past = forecast_again(inputs, first, history)
        yield past, measure_misses(inputs, first, past.levels)


def measured_calibration(inputs: Region) -> pd.DataFrame:
    """Count in past years how often goals of a given chance were reached.

    A goal is the amount that a person reaches with chance p by what was known before the year.

    Returns
    -------
    pandas.DataFrame
        cut (rep and year; rep and quarter), chance (0.1 to 0.9), goals, reached, share, low, high
        (95 % range of the share: Wilson, as if people were independent; what hits all of them in
        a year makes it wider). Years that have an earlier one to measure misses on.
    """
    found: dict[str, list[np.ndarray]] = {"rep and year": [], "rep and quarter": []}
    for past, misses in _held_out(inputs):
        if misses.years:
            rows = past.rows.assign(quarter=past.rows["month"].dt.quarter)
            for cut, by in zip(found, (["rep_id"], ["rep_id", "quarter"]), strict=True):
                found[cut].append(_ranks(rows, by, misses))
    table = []
    for cut, parts in found.items():
        ranks = np.concatenate([np.empty(0), *parts])
        for chance in np.arange(1, 10) / 10:
            hits, n = int((ranks >= 1 - chance).sum()), len(ranks)
            table.append((cut, chance, n, hits, hits / n if n else np.nan, *wilson(hits, n)))
    return pd.DataFrame(table, columns=list(CALIBRATION_COLUMNS))


def _ranks(rows: pd.DataFrame, by: Sequence[str], misses: Misses) -> np.ndarray:
    """Give the chance of a result below the actual one, by the gamma of the ranges."""
    held = rows.groupby(list(by))["actual"].sum().reset_index()
    both = total_variances(rows, by, misses).merge(held, on=by)
    both = both[(both["expected"] > 0) & (both["variance"] > 0)]
    scale = both["variance"] / both["expected"]
    ranks = gammainc(both["expected"] / scale, both["actual"].clip(lower=0.0) / scale)
    return np.asarray(ranks)
