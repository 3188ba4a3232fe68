"""Simulated years: draws of the register, who leaves when, and every person's own chance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from planning_kit.outlook.baseline import misses_with_register
from planning_kit.outlook.history import Z80, look_up
from planning_kit.outlook.seats import Outlook

_CELLS = 1 << 18  # people times years drawn at once: stays in the processor's cache
_ROUNDING = 1e-6  # results are kept in seven digits; a goal met to the last one is met


@dataclass(frozen=True)
class YearModel:
    """What the years of some people are drawn from; results are multiples of expectations.

    Attributes
    ----------
    parts : numpy.ndarray
        Everybody's share of the expected total.
    low, high : numpy.ndarray
        What every assumption's ends change, one row an assumption, one column a person (0.1 is
        10 % more).
    correlation : numpy.ndarray
        Between the draws of the assumptions.
    common, own : float, numpy.ndarray
        Coefficients of variation: of everybody together beyond the register; of every person.
    stay : float
        Chance to stay a month longer.
    start : numpy.ndarray
        Month of the plan in which everybody begins.
    years : numpy.ndarray
        The seat's year when its holder's last month is the given one (columns); in the last
        column nobody leaves.
    """

    parts: np.ndarray
    low: np.ndarray
    high: np.ndarray
    correlation: np.ndarray
    common: float
    own: np.ndarray
    stay: float
    start: np.ndarray
    years: np.ndarray


@dataclass(frozen=True)
class Years:
    """What came out.

    Attributes
    ----------
    totals, reached : numpy.ndarray
        Total over the expected one, and how many people reached their goals; by run.
    chances : numpy.ndarray
        How often everybody did.
    """

    totals: np.ndarray
    reached: np.ndarray
    chances: np.ndarray


def simulate_years(
    model: YearModel, asked: np.ndarray, runs: int, seed: int, at: tuple[int, float] | None = None
) -> Years:
    """Draw years and count who reaches what is asked.

    Within a year only the month of leaving matters for the months, so one draw of it and one of
    the person's chance stand for twelve months exactly. Assumptions are drawn as two half-normals
    that meet at the base, low and high one in ten; results of people are lognormal.

    Parameters
    ----------
    asked
        Goal by person, see `multiple_of`.
    at
        An assumption by number, and the standard deviations it is held at; those that go with it
        follow. The other draws are the same as without.
    """
    totals, reached = np.empty(runs), np.empty(runs)
    chances = np.zeros(len(model.parts))
    parts, least = model.parts.astype(np.float32), asked.astype(np.float32)
    done = 0
    for drawn in year_blocks(model, runs, seed, at):
        rows, hit = slice(done, done + len(drawn)), drawn >= least
        totals[rows], reached[rows] = drawn @ parts, np.count_nonzero(hit, axis=1)
        chances += np.count_nonzero(hit, axis=0)
        done += len(drawn)
    return Years(totals, reached, chances / runs)


def typical_years(model: YearModel, runs: int, seed: int) -> np.ndarray:
    """Give the years that one, five and nine in ten stay below, for everybody; as multiples."""
    drawn = np.concatenate(list(year_blocks(model, runs, seed)))
    tenths = [(runs - 1) * part // 10 for part in (1, 5, 9)]
    return np.partition(drawn, tenths, axis=0)[tenths]


def multiple_of(goal: np.ndarray | float, expected: np.ndarray | float) -> np.ndarray:
    """Give goals as multiples of expectations; infinite, never reached, where nothing is expected.

    They are taken a hair lower: drawn results have seven digits.
    """
    over = np.where(np.asarray(expected) > 0, expected, 1.0)
    some = np.where(np.asarray(goal) > 0, np.inf, 0.0)
    return np.where(np.asarray(expected) > 0, np.asarray(goal) / over * (1 - _ROUNDING), some)


def year_blocks(
    model: YearModel, runs: int, seed: int, at: tuple[int, float] | None = None
) -> Iterator[np.ndarray]:
    """Draw the results themselves, some years at a time: a row a year, a column a person."""
    # A stream each, so that neither the size of a block nor what is held changes other draws.
    of_register, of_all, of_chance, of_leaving = np.random.default_rng(seed).spawn(4)
    sides = _sides(model, of_register, runs, at)
    spread = float(np.sqrt(np.log1p(model.common**2)))
    shared = np.exp(spread * of_all.standard_normal((runs, 1)) - spread**2 / 2)
    effects = np.stack([model.low, model.high], axis=1).astype(np.float32)
    alike = (effects == effects[..., :1]).all(axis=(1, 2)) & bool(len(model.parts))
    for number in np.flatnonzero(alike):
        shared *= np.maximum(0.0, 1 + sides[:, number] @ effects[number, :, :1])
    size, people = max(1, _CELLS // max(1, len(model.parts))), len(model.parts)
    own = np.sqrt(np.log1p(model.own**2)).astype(np.float32)
    for first in range(0, runs, size):
        rows = slice(first, min(runs, first + size))
        drawn = of_chance.standard_normal((rows.stop - first, people), dtype=np.float32)
        drawn *= own
        drawn -= own**2 / 2
        np.exp(drawn, out=drawn)
        _leave(model, of_leaving, drawn)
        for number in np.flatnonzero(~alike):
            factor = sides[rows, number].astype(np.float32) @ effects[number]
            factor += 1
            drawn *= np.maximum(factor, 0, out=factor)
        drawn *= shared[rows].astype(np.float32)
        yield drawn


def _sides(
    model: YearModel, rng: np.random.Generator, runs: int, at: tuple[int, float] | None
) -> np.ndarray:
    """Draw how far every assumption is towards its low and its high end; 1 is the end itself."""
    value, vector = np.linalg.eigh(model.correlation)
    root = vector * np.sqrt(np.maximum(value, 0.0))
    draws = rng.standard_normal((runs, len(root))) @ root.T
    if at is not None:
        number, held = at
        draws += (held - draws[:, [number]]) * model.correlation[number]
    return np.stack([np.maximum(-draws, 0.0), np.maximum(draws, 0.0)], axis=2) / Z80


def _leave(model: YearModel, rng: np.random.Generator, drawn: np.ndarray) -> None:
    """Give everybody the year of staying, and those who leave the year of their last month."""
    months = model.years.shape[1] - 1
    years = model.years.astype(np.float32)
    leaves = (1 - model.stay ** (months - model.start)).astype(np.float32)
    luck = rng.random(drawn.shape, dtype=np.float32)
    cell = np.flatnonzero(luck < leaves)
    person = cell % max(1, drawn.shape[1])
    with np.errstate(divide="ignore"):
        later = np.log1p(-luck.ravel()[cell].astype(float)) / np.log(max(model.stay, 1e-300))
    last = np.minimum(model.start[person] + later.astype(np.int64), months)
    chance = drawn.ravel()[cell]
    drawn *= years[:, months]
    drawn.ravel()[cell] = chance * years[person, last]


def year_model(outlook: Outlook) -> YearModel:
    """Find what the years of an outlook are drawn from; people in the order of its tenure."""
    rows, people, register = outlook.expected_rows(), outlook.tenure.index, outlook.assumptions
    mean = _by_person(outlook, outlook.base)
    over = np.where(mean > 0, mean, 1.0)
    low, high = np.zeros((2, len(register), len(people)))
    for number, a in enumerate(register):
        for end, value in ((low, a.low), (high, a.high)):
            moved = _by_person(outlook, outlook.expected({a.assumption_id: value}))
            end[number] = np.where(mean > 0, moved / over - 1, 0.0)
    misses = misses_with_register(outlook)
    lump = look_up(rows["product_line"], misses.lumps).fillna(0.0).to_numpy()
    chance = _by_person(outlook, outlook.base * lump) / over**2
    total = mean.sum()
    return YearModel(
        parts=mean / total if total > 0 else mean,
        low=low,
        high=high,
        correlation=outlook.correlation,
        common=float(np.sqrt(max(0.0, misses.common**2 - outlook.spread**2))),
        own=np.sqrt(np.where(mean > 0, chance + misses.person**2, 0.0)),
        stay=(1 - outlook.staffing().annual_rate) ** (1 / 12),
        start=np.minimum(np.maximum(0, -outlook.tenure.to_numpy()), len(outlook.months)),
        years=_years(outlook, mean),
    )


def _by_person(outlook: Outlook, amounts: np.ndarray) -> np.ndarray:
    return np.bincount(outlook.at[0], np.nan_to_num(amounts), minlength=len(outlook.tenure))


def _years(outlook: Outlook, mean: np.ndarray) -> np.ndarray:
    """Give the seat's year over its expectation by the last month of its holder."""
    staffing, months = outlook.staffing(), len(outlook.months)
    full = np.zeros((len(outlook.tenure), months))
    np.add.at(full, outlook.at, np.nan_to_num(outlook.full * outlook.factors()))
    own = replace(staffing, annual_rate=0.0).expected(outlook.tenure.to_numpy(), months)
    after = staffing.after_leaving(months)
    year = np.empty((len(full), months + 1))
    year[:, months] = (full * own).sum(axis=1)
    for last in range(months):
        later = np.concatenate([np.zeros(last + 1), after])[:months]
        path = np.where(np.arange(months) <= last, own, later[None, :])
        year[:, last] = (full * path).sum(axis=1)
    return np.where(mean[:, None] > 0, year / np.where(mean > 0, mean, 1.0)[:, None], 1.0)
