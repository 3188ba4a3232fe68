"""Draws of coming years: the register, what hits everybody, who leaves when, everybody's luck.

Every draw comes from a stream of its own, seeded by what it is about. Draw *i* is therefore the
same world in every region, whoever else is in the tables and in whatever order.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from planning_kit.numbers.intervals import Z80
from planning_kit.numbers.lognormal import log_spread

DIGITS = 9  # of numbers of orders: the last bits of amounts decide on no order
_EVEN = 1e-3  # relative spread of orders that are all alike
_SAME = 1e-9  # rounding of a sum of products of correlations


@dataclass(frozen=True)
class YearModel:
    """What the years of some people are drawn from; results are multiples of expectations.

    Attributes
    ----------
    people, assumptions : tuple of str
        Their ids, in the order of the arrays.
    low, high : numpy.ndarray
        What every assumption's ends change, one row an assumption, one column a person (0.1 is
        10 % more).
    correlation : numpy.ndarray
        Between the draws of the assumptions.
    common, own : numpy.ndarray
        Coefficients of variation, by person: of everybody together beyond the register; of the
        person's own luck.
    doubt : numpy.ndarray
        Standard error of what is expected of a person, over it.
    orders, order_cv : numpy.ndarray
        Orders that the expected year consists of, and how uneven they are, by person.
    stay : numpy.ndarray
        Chance to stay a month longer, by person.
    start : numpy.ndarray
        Month of the plan in which everybody begins.
    years : numpy.ndarray
        The seat's year when its holder's last month is the given one (columns); in the last
        column nobody leaves.
    """

    people: tuple[str, ...]
    assumptions: tuple[str, ...]
    low: np.ndarray
    high: np.ndarray
    correlation: np.ndarray
    common: np.ndarray
    own: np.ndarray
    doubt: np.ndarray
    orders: np.ndarray
    order_cv: np.ndarray
    stay: np.ndarray
    start: np.ndarray
    years: np.ndarray


def stream(seed: int, *about: str) -> np.random.Generator:
    """Give the random numbers of one thing; those of others change nothing in them."""
    words = json.dumps([seed, *about]).encode()
    return np.random.default_rng(int.from_bytes(hashlib.blake2b(words, digest_size=16).digest()))


@lru_cache(maxsize=2048)
def _drawn(seed: int, about: str, name: str, runs: int) -> np.ndarray:
    """Draw what every register leaves as it is: normals, or for leaving even ones."""
    random = stream(seed, about, name)
    drawn = random.random(runs) if about == "leaving" else random.standard_normal(runs)
    drawn.flags.writeable = False
    return drawn


@dataclass(frozen=True)
class World:
    """What is drawn once for every simulated year, whatever part of it is asked for.

    Attributes
    ----------
    luck : numpy.ndarray
        Of every person (rows) times how far the expectation is off, mean 1.
    leaving : numpy.ndarray
        Column of `YearModel.years` of every person: when the holder leaves.
    """

    luck: np.ndarray
    leaving: np.ndarray


def draw_people(model: YearModel, runs: int, seed: int) -> World:
    """Draw everybody's luck, how far off what is expected of them is, and who leaves when.

    Luck is lognormal: results multiply. An estimate is off as often to either side (normal).
    """
    luck = np.empty((len(model.people), runs))
    leaving, months = np.empty(luck.shape, dtype=np.int16), model.years.shape[1] - 1
    for row, name in enumerate(model.people):
        spread = log_spread(model.own[row])
        luck[row] = np.exp(spread * _drawn(seed, "luck", name, runs) - spread**2 / 2)
        off = _drawn(seed, "doubt", name, runs) if model.doubt[row] else 0.0
        luck[row] *= np.maximum(0.0, 1 + model.doubt[row] * off)
        gone_by = 1 - model.stay[row] ** np.arange(1, months - model.start[row] + 1)
        when = np.searchsorted(gone_by, _drawn(seed, "leaving", name, runs), side="right")
        leaving[row] = model.start[row] + when
    return World(luck, leaving)


def orders_of(
    amounts: np.ndarray, orders: np.ndarray, cv: np.ndarray, seed: int, *about: str
) -> np.ndarray:
    """Let amounts come in orders: as many as chance has it, of uneven size, also none at all.

    Compound Poisson-gamma (Jorgensen 1987): the mean stays, the variance is
    ``amount * (1 + cv^2) / orders``.

    Parameters
    ----------
    amounts
        Over the expectation, one column (or number) a simulated year; those of fewer years are
        the first of more.
    orders, cv
        What an amount of 1 consists of on average (without end: amounts are sure), and how uneven
        they are; they go with the amounts as numpy has it.
    seed, about
        As of `stream`.
    """
    varies = np.isfinite(orders)
    count, uneven = np.where(varies, orders, 1.0), np.maximum(cv, _EVEN) ** 2
    mean = np.round(count * amounts, DIGITS).T
    number = stream(seed, "orders", *about).poisson(mean)
    sold = stream(seed, "sizes", *about).standard_gamma(number / uneven.T).T * (uneven / count)
    return np.asarray(np.where(varies, sold, amounts))


def own_years(model: YearModel, world: World, seed: int) -> np.ndarray:
    """Draw everybody's year without register and common shock; one row a person.

    Within a year only the month of leaving matters for the months, so one draw of it and one of
    the person's luck stand for twelve months exactly.
    """
    drawn = np.empty_like(world.luck)
    for row, name in enumerate(model.people):
        year = model.years[row, world.leaving[row]]
        drawn[row] = orders_of(year, model.orders[row], model.order_cv[row], seed, name)
    return drawn * world.luck


def shocks(model: YearModel, runs: int, seed: int) -> dict[float, np.ndarray]:
    """Draw what hits everybody beyond the register, by its coefficient of variation; mean 1."""
    shock = stream(seed, "everybody").standard_normal(runs)
    spreads = {common: log_spread(common) for common in set(model.common.tolist())}
    return {c: np.exp(spread * shock - spread**2 / 2) for c, spread in spreads.items()}


def with_world(
    model: YearModel,
    own: np.ndarray,
    amounts: np.ndarray,
    seed: int,
    at: tuple[int, float] | None = None,
) -> np.ndarray:
    """Give the results themselves: own years times what hits everybody and what the register does.

    Assumptions are drawn as two half-normals that meet at the base, low and high one in ten.
    Every person's numbers are worked out alone and in one order, so that a company's are those of
    its regions to the last bit.

    Parameters
    ----------
    own
        See `own_years`.
    amounts
        Expected results by person. Results are whole multiples of 1: sums of them are exact.
    at
        An assumption by number, and the standard deviations it is held at; those that go with it
        follow. The other draws are the same as without.
    """
    runs = own.shape[1]
    sides, shared = draw_sides(model, runs, seed, at), shocks(model, runs, seed)
    alike = {
        number: effect(low[0], high[0], side)
        for number, (low, high, side) in enumerate(zip(model.low, model.high, sides, strict=True))
        if len(low) and (low == low[0]).all() and (high == high[0]).all()
    }
    results = np.empty_like(own)
    for row, common in enumerate(model.common.tolist()):
        result = np.multiply(own[row], shared[common], out=results[row])
        for number, side in enumerate(sides):
            low, high = model.low[number, row], model.high[number, row]
            if low or high:
                result *= alike[number] if number in alike else effect(low, high, side)
        result *= amounts[row]
        np.rint(result, out=result)
    return results


def effect(low: float, high: float, side: np.ndarray) -> np.ndarray:
    """Give what an assumption whose ends change so much does to every simulated year."""
    return np.maximum(0.0, 1 + low * side[0] + high * side[1])


def draw_sides(
    model: YearModel, runs: int, seed: int, at: tuple[int, float] | None = None
) -> np.ndarray:
    """Draw how far every assumption is towards its low and its high end; 1 is the end itself."""
    alone = [stream(seed, "assumption", name).standard_normal(runs) for name in model.assumptions]
    draws = np.zeros((len(alone), runs))
    for draw, weights in zip(draws, _root(model.correlation), strict=True):
        for weight, part in zip(weights, alone, strict=True):
            draw += weight * part
    if at is not None:
        number, held = at
        draws += model.correlation[:, [number]] * (held - draws[number])
    return np.stack([np.maximum(-draws, 0.0), np.maximum(draws, 0.0)], axis=1) / Z80


def _root(correlation: np.ndarray) -> list[list[float]]:
    """Give the lower triangular root (Cholesky), also where some draws follow from others.

    Written out, because a library's may differ in signs and last digits between machines.
    """
    size = len(correlation)
    root = [[0.0] * size for _ in range(size)]
    for row in range(size):
        for column in range(row + 1):
            known = sum(root[row][k] * root[column][k] for k in range(column))
            rest = float(correlation[row, column]) - known
            if row == column:
                root[row][row] = rest**0.5 if rest > _SAME else 0.0
            elif root[column][column]:
                root[row][column] = rest / root[column][column]
    return root
