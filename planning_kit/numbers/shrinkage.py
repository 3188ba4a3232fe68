"""Thin histories borrow from the team: shrunk ratios and shrunk averages."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, betaln

from planning_kit.numbers.intervals import HIGH, LOW

Numbers = NDArray[np.float64]
# Where the data say nothing about how much people differ, the team's ratio counts like about
# 1 / 0.2 ** 2 - 1 = 24 tries of the person's own.
USUAL_SPREAD = 0.2
_SPREADS = np.geomspace(0.01, 0.9, 60)


def ratio_posterior(won: Numbers, tried: Numbers) -> tuple[Numbers, Numbers]:
    """Pull everybody's ratio towards the team's, thin histories most; say how sure it is.

    Beta-binomial: the people's true ratios lie around the team's pooled ratio m with spread s
    (strength M = 1 / s**2 - 1 tries), a person's ratio is (won + m M) / (tried + M). How much
    people differ is not known, so the answer is an average over 60 values of s, each weighted by
    its likelihood and by a gamma(2) density with its peak at 0.2, which keeps the spread off 0
    and is the idea of Chung, Rabe-Hesketh, Dorie, Gelman and Liu, Psychometrika 78(4), 2013. The
    answer takes in that s and m are uncertain themselves: it is the beta distribution of the same
    mean and variance, ``beta(ratio * tries, (1 - ratio) * tries)``.

    Parameters
    ----------
    won, tried
        Successes and tries a person; fractions are allowed.

    Returns
    -------
    tuple of arrays
        Ratio, and as many tries as it is worth; NaN where nobody at all has tried.

    Examples
    --------
    >>> ratio, tries = ratio_posterior(np.array([30.0, 1.0]), np.array([100.0, 1.0]))
    >>> [round(float(x), 2) for x in ratio], [round(float(x)) for x in tries]
    ([0.3, 0.36], [100, 6])
    """
    won, tried = np.asarray(won, dtype=float), np.asarray(tried, dtype=float)
    if tried.sum() <= 0:
        return np.full(len(won), np.nan), np.full(len(won), np.nan)
    mean = (won.sum() + 0.5) / (tried.sum() + 1.0)
    strength = (1.0 / _SPREADS**2 - 1.0)[:, None]
    weight = spread_weights(won, tried)[:, None]
    after = (won + mean * strength) / (tried + strength)
    effective = (tried**2).sum() / tried.sum() ** 2
    of_mean = mean * (1.0 - mean) * (effective * _SPREADS**2 + 1.0 / tried.sum())[:, None]
    variance = after * (1.0 - after) / (tried + strength + 1.0)
    variance += (strength / (tried + strength)) ** 2 * of_mean
    ratio = (weight * after).sum(axis=0)
    total = (weight * (variance + (after - ratio) ** 2)).sum(axis=0)
    # After one or two tries the parts of the variance add up to more than a ratio can have.
    return ratio, np.maximum(ratio * (1.0 - ratio) / total - 1.0, 1.0)


def shrink_ratio(won: Numbers, tried: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Give the ratio of `ratio_posterior` with the low and high end of its 80 % range.

    Examples
    --------
    >>> ratio, low, high = shrink_ratio(np.array([30.0, 1.0]), np.array([100.0, 1.0]))
    >>> [round(float(x[0]), 2) for x in (low, ratio, high)]
    [0.24, 0.3, 0.36]
    """
    ratio, tries = ratio_posterior(won, tried)
    return ratio, *beta_range(ratio, tries)


def beta_range(ratio: Numbers, tries: Numbers) -> tuple[Numbers, Numbers]:
    """Give the ends of the 80 % range of a ratio that is worth so many tries.

    Examples
    --------
    >>> low, high = beta_range(np.array([0.3]), np.array([100.0]))
    >>> round(float(low[0]), 2), round(float(high[0]), 2)
    (0.24, 0.36)
    """
    a, b = ratio * tries, (1.0 - ratio) * tries
    return betaincinv(a, b, LOW), betaincinv(a, b, HIGH)


def spread_weights(won: Numbers, tried: Numbers) -> Numbers:
    """Weigh the possible spreads of the people's true ratios; the weights add up to 1."""
    mean = (won.sum() + 0.5) / (tried.sum() + 1.0)
    strength = (1.0 / _SPREADS**2 - 1.0)[:, None]
    a, b = mean * strength, (1.0 - mean) * strength
    likelihood = (betaln(won + a, tried - won + b) - betaln(a, b)).sum(axis=1)
    # The second logarithm is the distance between points of the grid.
    score = likelihood + 2.0 * np.log(_SPREADS) - _SPREADS / USUAL_SPREAD
    weight = np.exp(score - score.max())
    return weight / weight.sum()


def mean_posterior(
    total: Numbers, count: Numbers, within: float | None = None
) -> tuple[Numbers, Numbers]:
    """Pull everybody's average towards the team's, thin histories most; say how sure it is.

    weight = between / (between + within / count), where ``between`` is the variance of the
    people's true averages (method of moments) and ``within`` that of single cases. The variance
    of the answer is (1 - weight) * between + (1 - weight)**2 * (within / cases + between / people):
    the person's own place around the team's average, and that average's own uncertainty.

    Parameters
    ----------
    total, count
        Sum of a person's cases and their number.
    within
        Variance of single cases around their person's average; None: as large as the square of
        the team's average, which is usual for deal sizes.

    Returns
    -------
    tuple of arrays
        Average and its variance; NaN where there is no case at all.

    Examples
    --------
    >>> mean, variance = mean_posterior(np.array([1000.0, 0.0]), np.array([10.0, 0.0]))
    >>> mean.tolist(), variance.tolist()
    ([100.0, 100.0], [1000.0, 1000.0])
    """
    total, count = np.asarray(total, dtype=float), np.asarray(count, dtype=float)
    cases = count.sum()
    if cases <= 0:
        return np.full(len(count), np.nan), np.full(len(count), np.nan)
    team = total.sum() / cases
    own = np.divide(total, count, out=np.full(len(count), team), where=count > 0)
    single = team**2 if within is None or not np.isfinite(within) else within
    people = int((count > 0).sum())
    effective = cases - (count**2).sum() / cases
    scatter = (count * (own - team) ** 2).sum() - (people - 1) * single
    between = max(0.0, scatter / effective) if effective > 1e-9 else 0.0
    weight = np.divide(
        between * count,
        between * count + single,
        out=np.zeros(len(count)),
        where=between * count > 0,
    )
    of_team = single / cases + between / people
    variance = (1.0 - weight) * between + (1.0 - weight) ** 2 * of_team
    return weight * own + (1.0 - weight) * team, variance


def shrink_mean(total: Numbers, count: Numbers, within: float | None = None) -> Numbers:
    """Give the average of `mean_posterior` alone.

    Examples
    --------
    >>> shrink_mean(np.array([1000.0, 0.0]), np.array([10.0, 0.0])).tolist()
    [100.0, 100.0]
    """
    return mean_posterior(total, count, within)[0]
