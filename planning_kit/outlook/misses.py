"""How far results fall from what was expected, measured on past years."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from planning_kit.data import Region, cached
from planning_kit.numbers.intervals import HIGH, RANGE_SHARE, Z50, Z80
from planning_kit.numbers.staffing import ramp_at
from planning_kit.outlook.history import (
    PLACE,
    History,
    held_months,
    look_up,
    month_number,
    months_from,
    own_books,
)
from planning_kit.outlook.levels import USUAL, Levels, estimate_levels
from planning_kit.outlook.seats import ROW, Seats, full_rows

_LEAST_MONTHS = 12  # of history before a year that is forecast again
_FAR_OFF = (0.05, 20.0)  # results over expectation beyond which a miss says no more
_EVEN_ORDERS = 50.0  # orders of a chunk's size: so many small ones vary as evenly as can be told


@dataclass(frozen=True)
class Misses:
    """How results vary about expectations.

    Sales come in orders. A result with expectation ``m`` consists of ``m / order`` of them on
    average (Poisson), of uneven size, so that it varies by ``chunk * m`` and is nothing at all in
    ``exp(-m / order)`` of cases (Tweedie's compound Poisson-gamma, Jorgensen 1987). What falls
    into another month than expected evens out over a year. A person's year and the whole region's
    year are lognormal on top of that.

    Attributes
    ----------
    orders : pandas.DataFrame
        By product line, plan currency: order (usual size), chunk (of a month), chunk_year.
    sizes : pandas.Series
        By rep_id: size of the person's orders over the usual ones of the same lines.
    person, common : float
        Spread of the logarithm of a person's and of the whole region's year, made wider where few
        errors could be measured (Student).
    doubt : float
        Standard error of everybody's level, over it, where no past year says how levels hold.
    years : int
        Past years that were forecast again; 0: the spreads are usual ones, not measured.
    """

    orders: pd.DataFrame
    sizes: pd.Series
    person: float
    common: float
    doubt: float
    years: int

    def of_rows(self, rows: pd.DataFrame, year: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
        """Give order and chunk behind every row, for sums over that part of a year."""
        size = look_up(rows["rep_id"], self.sizes).fillna(1.0).to_numpy()
        order, month, whole = self.orders.reindex(rows["product_line"]).fillna(0.0).to_numpy().T
        chunk = month + year * (whole - month)
        return np.minimum(order, chunk) * size, chunk * size


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
    new = (
        month_number(rows["month"]) - rows["tenure"]
        > levels.history.first.year * 12 + levels.history.first.month
    )
    there = np.where(new, ramp_at(inputs.settings.ramp, rows["tenure"].to_numpy()), 1.0)
    rows["expected"] = rows["full"] * rows["weight"] * there * max(0.0, 1 + levels.trend[0])
    return PastYear(first, _beside_actual(rows, history.sold), levels)


def _beside_actual(rows: pd.DataFrame, sold: pd.DataFrame) -> pd.DataFrame:
    actual = sold.rename(columns={"amount": "actual"})
    rows = rows.merge(actual, on=ROW, how="left").fillna({"actual": 0.0, "doubt": 0.0})
    return rows[[*ROW, "expected", "doubt", "actual"]]


@partial(cached, depends_on=1)
def measure_misses(inputs: Region, before: pd.Timestamp, levels: Levels) -> Misses:
    """Measure misses on every past year that can be forecast again."""
    years = past_years(inputs, before)
    again = [forecast_again(inputs, first, levels.history) for first in years]
    return misses_of([r for r in again if r.rows["expected"].sum() > 0], inputs, levels)


def _without(past: PastYear, ended: pd.Index) -> PastYear:
    """Leave out lines that have ended: like for like, as those that began are left out."""
    kept = past.rows[~past.rows["product_line"].isin(ended)]
    return replace(past, rows=kept) if kept["expected"].sum() > 0 else past


def misses_of(again: Sequence[PastYear], inputs: Region, levels: Levels) -> Misses:
    """Split past misses into orders, people and what hit everybody."""
    recent, sizes = fitted_months(inputs, levels), levels.orders.scales
    ended = levels.mix.index[levels.mix == 0]
    again = [_without(past, ended) for past in again]
    sales = levels.orders.sizes.reindex(levels.mix.index).fillna(0.0)
    ratios = [float(past.rows["actual"].sum() / past.rows["expected"].sum()) for past in again]
    years = [
        past.rows.assign(expected=past.rows["expected"] * ratio, year=year)
        for year, (past, ratio) in enumerate(zip(again, ratios, strict=True))
        if ratio > 0
    ]
    seen = pd.concat(years, ignore_index=True) if years else recent[recent["year"] == 0]
    size = look_up(seen["rep_id"], sizes).fillna(1.0)
    person = USUAL.person
    for _ in range(2):  # what whole people miss is known better the second time
        chunk = _chunks(seen, size, person, sales)
        people = _people(seen, size, chunk.clip(upper=sales))
        person = _person_spread(people) if years else USUAL.alone
    logs = np.log([ratio for ratio in ratios if ratio > 0])
    of_people = people["expected"] ** 2 * (person**2 + people["noise"])
    by = people.index.get_level_values("year")
    chance = of_people.groupby(by).sum() / people["expected"].groupby(by).sum() ** 2
    square = max(0.0, float((logs**2 - chance.to_numpy()).sum())) if years else 0.0
    free = USUAL.years + len(years)
    common = float(np.sqrt((USUAL.years * USUAL.common**2 + square) / free))
    common = common if years else float(np.hypot(common, levels.trend[1]))
    free_people = USUAL.people + (max(0, len(people) - len(years)) if years else 0)
    orders = _order_sizes(recent, sizes, chunk).assign(chunk_year=chunk.clip(upper=sales))
    doubt = 0.0 if years else _drift(seen, size, chunk.clip(upper=sales))
    wide = person * _widened(free_people), common * _widened(free)
    return Misses(orders, sizes, *wide, doubt, len(years))


def _widened(free: float) -> float:
    """Give what a normal's 80 % range is widened by, for a spread from so few errors (Student)."""
    return float(stdtrit(free, HIGH) / Z80)


def fitted_months(inputs: Region, levels: Levels) -> pd.DataFrame:
    """Give the last two years as the levels have them, each at its own total, beside the results."""
    history = levels.history
    held = history.held[history.held["month"] > history.last - pd.DateOffset(months=24)]
    now = held[held["month"] == history.last]
    rows = full_rows(levels, held.assign(kept=""), now)
    rows = rows.merge(held[[*PLACE, "month", "ramp"]], on=[*PLACE, "month"])
    rows["expected"] = rows["full"] * rows["weight"] * rows["ramp"]
    rows = _beside_actual(rows, history.sold)
    rows["year"] = (rows["month"] <= history.last - pd.DateOffset(months=12)).astype("int64")
    sums = rows.groupby("year")[["actual", "expected"]].transform("sum")
    rows["expected"] *= (sums["actual"] / sums["expected"].where(sums["expected"] > 0)).clip(
        lower=0
    )
    return rows


def _chunks(seen: pd.DataFrame, size: pd.Series, person: float, sales: pd.Series) -> pd.Series:
    """Give by line what results vary by, over expectation: misses less those of whole people."""
    expected = seen["expected"]
    square = (seen["actual"] - expected) ** 2 - (person * expected) ** 2
    by = seen["product_line"]
    sums = expected.groupby(by).sum()
    rough = (square / size).groupby(by).sum() / sums.where(sums > 0)
    return rough.clip(lower=0.0).combine_first(sales)


def _people(seen: pd.DataFrame, size: pd.Series, chunk: pd.Series) -> pd.DataFrame:
    """Sum by year and person: expected, actual, and noise (variance of orders and doubt, relative)."""
    chance = seen["expected"] * size * look_up(seen["product_line"], chunk).fillna(0.0)
    parts = seen.assign(chance=chance, unsure=seen["doubt"] * seen["expected"])
    sums = parts.groupby(["year", "rep_id"])[["expected", "actual", "chance", "unsure"]].sum()
    sums = sums[sums["expected"] > 0]
    return sums.assign(noise=(sums["chance"] + sums["unsure"] ** 2) / sums["expected"] ** 2)


def _person_spread(people: pd.DataFrame) -> float:
    """Find the spread of a person's year with which five and eight in ten past misses are inside.

    Ranks, because a few people far off say little about the others; ``ceil((n + 1) share)`` as of a
    conformal range. Few misses: the root mean square of them.
    """
    count, years = len(people), people.index.get_level_values("year").nunique()
    ratio = (people["actual"] / people["expected"]).clip(*_FAR_OFF).to_numpy()
    miss = np.abs(np.log(ratio)) * np.sqrt(count / max(1, count - years))
    noise = people["noise"].to_numpy()
    ranks = [int(np.ceil(share * (count + 1))) for share in (0.5, RANGE_SHARE)]
    if ranks[-1] >= count:
        measured = float((miss**2 - noise).mean()) if count else 0.0
    else:
        off = zip(ranks, (Z50, Z80), strict=True)
        measured = float(np.mean([np.sort((miss / z) ** 2 - noise)[rank - 1] for rank, z in off]))
    free = max(0, count - years)  # expectations are brought to the total of their year
    square = USUAL.people * USUAL.person**2 + free * max(0.0, measured)
    return float(np.sqrt(square / (USUAL.people + free)))


def _drift(seen: pd.DataFrame, size: pd.Series, chunk: pd.Series) -> float:
    """Guess how far levels move within a year from how the halves of the only year differ.

    Drawn towards the usual drift. Of less than a year, the level of all months is that unsure.
    """
    months = seen["month"].nunique()
    if months < _LEAST_MONTHS:
        return min(USUAL.most_drift, USUAL.drift * float(np.sqrt(_LEAST_MONTHS / max(1, months))))
    chance = seen["expected"] * size * look_up(seen["product_line"], chunk).fillna(0.0)
    half = seen["month"] > seen["month"].max() - pd.DateOffset(months=6)
    names = ["expected", "actual", "chance"]
    sums = seen.assign(chance=chance).groupby(["rep_id", half])[names].sum().unstack(fill_value=0.0)
    parts = [sums[name].to_numpy(float) for name in names]
    m, came, varies = (part[(parts[0] > 0).all(axis=1)] for part in parts)
    before, after = np.clip(came / m, *_FAR_OFF).T
    change, noise = np.log(after / before), (varies / m**2).sum(axis=1)
    count = len(change)
    square = float(((change - np.median(change)) ** 2 - noise).mean()) if count > 1 else 0.0
    moved = (USUAL.people * USUAL.drift**2 + count * max(0.0, square)) / (USUAL.people + count)
    return min(USUAL.most_drift, float(np.sqrt(moved)))


def _order_sizes(recent: pd.DataFrame, sizes: pd.Series, chunk: pd.Series) -> pd.DataFrame:
    """Find by line the size of an order with which as many months hold nothing as did.

    ``sum exp(-m / order)`` over months with expectation ``m`` is the number of months without a
    sale; solved by halving. No order is larger than the chunk: who never sells a line leaves more
    empty months than orders can explain.
    """
    recent = recent[recent["expected"] > 0]
    size = look_up(recent["rep_id"], sizes).fillna(1.0)
    scaled, orders = recent["expected"] / size, {}
    for line, most in chunk.items():
        mine = (recent["product_line"] == line).to_numpy()
        months, nothing = scaled[mine].to_numpy(), int((recent["actual"][mine] <= 0).sum())
        low, high = most / _EVEN_ORDERS, most
        for _ in range(40 if nothing and most > 0 else 0):
            middle = np.sqrt(low * high)
            is_few = np.exp(-months / middle).sum() < nothing
            low, high = (middle, high) if is_few else (low, middle)
        orders[line] = (low, most)
    return pd.DataFrame.from_dict(
        orders, orient="index", columns=["order", "chunk"], dtype="float64"
    )


def misses_ahead(seats: Seats) -> Misses:
    """Measure misses on the years before the plan."""
    return measure_misses(seats.inputs, pd.Timestamp(seats.inputs.settings.starts_on), seats.levels)
