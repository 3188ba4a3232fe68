"""80 % ranges of any part of the year, from the draws that everything else is asked from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from planning_kit.data import Region
from planning_kit.numbers.intervals import HIGH, LOW, RANGE_SHARE
from planning_kit.numbers.lognormal import cv_of_log
from planning_kit.numbers.statistics import wilson
from planning_kit.outlook.history import PLACE, History, month_number, read_history
from planning_kit.outlook.misses import (
    Misses,
    PastYear,
    forecast_again,
    measure_misses,
    past_years,
)
from planning_kit.outlook.years import (
    DIGITS,
    World,
    YearModel,
    draw_people,
    draw_sides,
    effect,
    orders_of,
    shocks,
    stream,
)

INTERVAL_COVERAGE_COLUMNS = ("year", "cut", "cells", "inside", "share", "score", "note")
CALIBRATION_COLUMNS = ("cut", "chance", "goals", "reached", "share", "low", "high")
_UNMEASURED = "no earlier year to measure misses on: usual spreads stand in"
_PAST_RUNS = 1000
_DRAWS, _LEAST_RUNS = 2_000_000, 200  # of parts, all together; of each
_LEAST_CHANGES = 9  # of people's years, to know what nine in ten stay below
_SURE = 1e9  # orders: so many do not vary
_NOTHING = 0.01  # of the expectation: a result of so little is none


@dataclass(frozen=True)
class Parts:
    """Parts of people's years, one row a person and label.

    Attributes
    ----------
    labels : pandas.DataFrame
        The cut; a row a part.
    person : numpy.ndarray
        Row of the model behind every part.
    expected : numpy.ndarray
        Plan currency.
    years : numpy.ndarray
        The part over its expectation when the holder's last month is the given one, as
        `YearModel.years`.
    orders, order_cv : numpy.ndarray
        As in the model.
    low, high : numpy.ndarray
        What the assumptions' ends change, one row an assumption.
    """

    labels: pd.DataFrame
    person: np.ndarray
    expected: np.ndarray
    years: np.ndarray
    orders: np.ndarray
    order_cv: np.ndarray
    low: np.ndarray
    high: np.ndarray


def order_numbers(
    amounts: np.ndarray, order: np.ndarray, chunk: np.ndarray, part: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Count the orders behind sums of rows, and how uneven they are.

    Parameters
    ----------
    amounts, order, chunk
        By row, plan currency; see `Misses`.
    part
        Number of the sum that every row belongs to.
    count
        How many sums.

    Returns
    -------
    tuple of numpy.ndarray
        Orders (without end where the amounts are sure) and their coefficient of variation.
    """
    amounts = np.nan_to_num(np.maximum(amounts, 0.0))
    known = order > 0
    number = np.bincount(part, np.where(known, amounts / np.where(known, order, 1.0), 0.0), count)
    square = np.bincount(part, amounts * np.where(known, chunk, 0.0), count)
    sums = np.bincount(part, amounts, count)
    varies = (number > 0) & (number < _SURE) & (square > 0)
    uneven = np.where(varies, square * number / np.where(varies, sums, 1.0) ** 2 - 1, 0.0)
    number = np.where(varies, np.round(number, DIGITS), np.inf)
    return number, np.round(np.sqrt(np.maximum(0.0, uneven)), DIGITS)


def draw_parts(
    parts: Parts, model: YearModel, world: World, seed: int
) -> tuple[pd.DataFrame, np.ndarray]:
    """Draw every label of a cut.

    Who leaves, everybody's luck, what hits everybody and the register are those of the whole
    years, of fewer years where there are many parts; how the orders fall is drawn for every part
    alone.

    Returns
    -------
    tuple of pandas.DataFrame and numpy.ndarray
        The cut with expected; the results, a row a label, a column a simulated year (plan currency).
    """
    runs = min(world.luck.shape[1], max(_LEAST_RUNS, _DRAWS // max(1, len(parts.person))))
    shared, sides = shocks(model, runs, seed), draw_sides(model, runs, seed)
    keys = list(parts.labels.columns)
    label = parts.labels.groupby(keys).ngroup().to_numpy() if keys else np.zeros_like(parts.person)
    heads = parts.labels.iloc[np.unique(label, return_index=True)[1]].reset_index(drop=True)
    expected = np.bincount(label, parts.expected)
    results = np.zeros((len(expected), runs))
    for who in np.unique(parts.person).tolist():
        rows = np.flatnonzero(parts.person == who)
        name, common = model.people[who], float(model.common[who])
        years = parts.years[rows][:, world.leaving[who, :runs]]
        years = orders_of(
            years, parts.orders[rows, None], parts.order_cv[rows, None], seed, *keys, name
        )
        years = years * (world.luck[who, :runs] * shared[common]) * parts.expected[rows, None]
        for low, high, side in zip(parts.low[:, rows], parts.high[:, rows], sides, strict=True):
            if low.any() or high.any():
                years *= effect(low[:, None], high[:, None], side)
        results[label[rows]] += years  # a person has one part of a label
    return heads.assign(expected=expected), results


def range80(expected: np.ndarray, drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the 80 % ranges of draws (a row each); they hold the expectations.

    One draw in ten lies below, one in ten above. A low end of less than 1 % of the expectation is
    nothing: there the range begins at 0, and half of the draws that are nothing count as inside
    (mid-P, Lancaster 1961), so that the upper end lies a little lower where nothing is rare.
    """
    last, least = drawn.shape[1] - 1, _NOTHING * expected
    ends = [round(last * share) for share in (LOW, HIGH)]
    low, high = np.partition(drawn, ends, axis=1)[:, ends].T
    if (begins := low < least).any():
        some = np.sort(drawn[begins], axis=1)
        nothing = (some < least[begins, None]).mean(axis=1)
        at = np.rint(last * np.minimum(RANGE_SHARE + nothing / 2, HIGH)).astype(np.int64)
        high[begins] = np.take_along_axis(some, at[:, None], axis=1)[:, 0]
    low = np.where(begins, 0.0, low)
    return np.minimum(low, expected), np.maximum(high, expected)


def part_ranges(parts: Parts, model: YearModel, world: World, seed: int) -> pd.DataFrame:
    """Give expected results with their 80 % range by a cut: the labels, expected, low, high."""
    table, drawn = draw_parts(parts, model, world, seed)
    low, high = range80(table["expected"].to_numpy(), drawn)
    return table.assign(low=low, high=high)


# --- how the ranges held in past years --------------------------------------------------------


def interval_coverage(inputs: Region) -> pd.DataFrame:
    """Count how often the 80 % ranges held in past years, with what was known before them.

    The misses a range rests on come from the years before the tested one, so the first year that
    can be tested with measured ones needs three years of sales. The people compared stayed where
    they were; lines that began in the tested year are left out. Beside
    the ranges of people's years stand those anybody could make without a model: last year's result
    times what eight in ten of all people grew by from year to year (see `growth_ranges`), for the
    people who were there for a whole year before.

    Returns
    -------
    pandas.DataFrame
        year (first month), cut (rep and year; the same people by growth alone; rep, line and
        month), cells, inside, share, score (width plus ten times what lies outside, over results;
        Winkler 1972: the smaller the better), note.
    """
    before = pd.Timestamp(inputs.settings.starts_on)
    history, rows = read_history(inputs, before), []
    for past, misses in _held_out(inputs):
        note = "" if misses.years else _UNMEASURED
        people = _ranges_again(past, ["rep_id"], misses)
        steady = history.until(past.first).only(past.rows[PLACE].drop_duplicates())
        simple = growth_ranges(steady).reindex(people.index)
        cuts = {
            "rep and year": people,
            "rep and year, by growth alone": people.assign(**simple).dropna(),
            "rep, line and month": _ranges_again(past, ["rep_id", "product_line", "month"], misses),
        }
        for cut, cells in cuts.items():
            inside, count = int(_inside(cells).sum()), len(cells)
            share = inside / count if count else np.nan
            rows.append((past.first, cut, count, inside, share, winkler(cells), note))
    return pd.DataFrame(rows, columns=list(INTERVAL_COVERAGE_COLUMNS))


def _inside(cells: pd.DataFrame) -> pd.Series:
    return cells["actual"].between(cells["low"], cells["high"])


def winkler(cells: pd.DataFrame) -> float:
    """Score 80 % ranges (low, high) of results (actual): Winkler 1972, over the results."""
    beyond = (cells["low"] - cells["actual"]).clip(lower=0)
    beyond += (cells["actual"] - cells["high"]).clip(lower=0)
    total = float(cells["actual"].abs().sum())
    score = (cells["high"] - cells["low"] + 2 / (1 - RANGE_SHARE) * beyond).sum()
    return float(score) / total if total > 0 else np.nan


def growth_ranges(history: History) -> pd.DataFrame:
    """Give ranges without a model: last year's result times what people grow by (conformal).

    All yearly changes of the logarithm, of people who were there for both years, are put in one
    order; the ends are those of rank ``ceil((n + 1) q)``. Fewer than nine give no range.

    Returns
    -------
    pandas.DataFrame
        By rep_id: low, high (plan currency).
    """
    last = history.last.year * 12 + history.last.month
    held = history.held.drop_duplicates(["rep_id", "month"])
    by = [held["rep_id"], (last - month_number(held["month"])) // 12]
    whole = held.groupby(by).size().unstack(fill_value=0) == 12
    by = [history.sold["rep_id"], (last - month_number(history.sold["month"])) // 12]
    sums = history.sold.groupby(by)["amount"].sum().unstack()
    sums = sums.reindex(index=whole.index, columns=whole.columns)
    logs = sums.where(whole & (sums > 0)).map(np.log)
    changes = (logs - logs.shift(-1, axis=1)).to_numpy()
    changes = np.sort(changes[np.isfinite(changes)])
    if len(changes) < _LEAST_CHANGES:
        return pd.DataFrame(columns=["low", "high"], dtype="float64")
    rank = int(np.ceil((len(changes) + 1) * HIGH))
    year = np.exp(logs[0].dropna())
    return pd.DataFrame(
        {"low": year * np.exp(changes[-rank]), "high": year * np.exp(changes[rank - 1])}
    )


def _ranges_again(past: PastYear, by: Sequence[str], misses: Misses) -> pd.DataFrame:
    table, drawn = _drawn_again(past.rows, by, misses)
    low, high = range80(table["expected"].to_numpy(), drawn)
    return table.assign(low=low, high=high).set_index(list(by))


def _held_out(inputs: Region) -> Iterator[tuple[PastYear, Misses]]:
    """Forecast past years again, each with the misses of the years before it."""
    before = pd.Timestamp(inputs.settings.starts_on)
    history = read_history(inputs, before)
    for first in past_years(inputs, before):
        past = forecast_again(inputs, first, history)
        yield past, measure_misses(inputs, first, past.levels)


def share_of_year(rows: pd.DataFrame, by: Sequence[str]) -> float:
    """Give the part of a year that one part of a cut spans."""
    months = rows.groupby("quarter")["month"] if "quarter" in by else rows["month"]
    count = 1 if "month" in by else np.max(months.nunique())
    return min(1.0, float(count) / 12)


def _drawn_again(
    rows: pd.DataFrame, by: Sequence[str], misses: Misses
) -> tuple[pd.DataFrame, np.ndarray]:
    """Draw past years in which nobody left: the cut with expected and actual, and the draws."""
    rows = rows[rows["expected"].notna()]
    people = pd.Index(sorted(rows["rep_id"].unique()))
    order, chunk = misses.of_rows(rows, share_of_year(rows, by))
    amounts, person = rows["expected"].to_numpy(), people.get_indexer(pd.Index(rows["rep_id"]))
    unsure = np.bincount(person, amounts * rows["doubt"].to_numpy(), len(people))
    doubt = unsure / np.maximum(np.bincount(person, amounts, len(people)), 1e-300)
    once, nothing = np.ones(len(people)), np.zeros((0, len(people)))
    model = YearModel(
        people=tuple(people),
        assumptions=(),
        low=nothing,
        high=nothing,
        correlation=np.eye(0),
        common=once * cv_of_log(misses.common),
        own=once * cv_of_log(misses.person),
        doubt=np.hypot(misses.doubt, doubt),
        orders=once,
        order_cv=once,
        stay=once,
        start=np.zeros(len(people), dtype=np.int64),
        years=once[:, None],
    )
    part = rows.groupby(list(by), sort=True).ngroup().to_numpy()
    labels = rows.assign(person=person).groupby(list(by), sort=True)
    size = labels.ngroups
    sums = labels[["expected", "actual"]].sum()
    numbers = order_numbers(amounts, order, chunk, part, size)
    heads = (
        rows[list(by)].assign(person=person, part=part).drop_duplicates("part").sort_values("part")
    )
    parts = Parts(
        heads[list(by)].reset_index(drop=True),
        heads["person"].to_numpy(),
        sums["expected"].to_numpy(),
        np.ones((size, 1)),
        *numbers,
        np.zeros((0, size)),
        np.zeros((0, size)),
    )
    table, drawn = draw_parts(parts, model, draw_people(model, _PAST_RUNS, 0), 0)
    return table.assign(actual=sums["actual"].to_numpy()), drawn


def _ranks_again(rows: pd.DataFrame, by: Sequence[str], misses: Misses, about: str) -> np.ndarray:
    known, drawn = _drawn_again(rows, by, misses)
    asked = (known["expected"] > 0).to_numpy()  # a goal of nothing is none
    return ranks(known["actual"].to_numpy()[asked], drawn[asked], about)


def ranks(actual: np.ndarray, drawn: np.ndarray, about: str) -> np.ndarray:
    """Give the chance of less than came, by the draws; ties, as of nothing, are broken by lot."""
    lot = stream(0, "ties", about).random(len(actual))
    same = (drawn == actual[:, None]).mean(axis=1)
    return np.asarray((drawn < actual[:, None]).mean(axis=1) + lot * same)


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
    found: dict[str, list[float]] = {"rep and year": [], "rep and quarter": []}
    for past, misses in _held_out(inputs):
        if misses.years:
            since = month_number(past.rows["month"]) - past.first.year * 12 - past.first.month
            rows = past.rows.assign(quarter=since // 3)
            for cut, by in zip(found, (["rep_id"], ["rep_id", "quarter"]), strict=True):
                found[cut] += _ranks_again(rows, by, misses, cut).tolist()
    table = []
    for cut, found_ranks in found.items():
        for chance in np.arange(1, 10) / 10:
            hits, n = int((np.array(found_ranks) >= 1 - chance).sum()), len(found_ranks)
            table.append((cut, chance, n, hits, hits / n if n else np.nan, *wilson(hits, n)))
    return pd.DataFrame(table, columns=list(CALIBRATION_COLUMNS))
