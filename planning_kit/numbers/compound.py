"""How many tries reach an amount, where ratio, number of sales and size of a sale all vary."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import betainc, betaincinv, gammaincc

from planning_kit.messages import DataError
from planning_kit.numbers.shrinkage import Numbers

_PLACES = (np.arange(25) + 0.5) / 25  # ratios looked at: each stands for 4 % of what it may be
_CERTAIN = 1e9  # a ratio worth more tries than these is taken as known
_UNSURE = 0.3  # an average sale is not taken as less sure than this: one huge deal would rule all
_ALIKE = 1e-9  # a spread below this is none


@dataclass(frozen=True)
class Odds:
    """What is known about a person's tries, one entry a person.

    Attributes
    ----------
    ratio, ratio_tries : array of float
        Sales a try, and as many tries as it is worth (`ratio_posterior`; infinite: it is known).
    size_cv : array of float
        Standard deviation over mean of the size of single sales.
    mean_cv : array of float
        Standard deviation over mean of what the average sale may truly be; at most 0.3 counts.
    late : array of float
        Share of the tries that are decided after the period, in whose place as many from before it
        are decided in it.
    """

    ratio: Numbers
    ratio_tries: Numbers
    size_cv: Numbers
    mean_cv: Numbers
    late: Numbers | float = 0.0

    def chance(self, tries: Numbers, sales: Numbers) -> Numbers:
        """Give the chance that tries reach an amount.

        Given the ratio p, the amount of n tries has the mean n p and, of single sales, the
        relative variance (cv**2 + 1 - p (1 - late)**2) / (n p) (a compound binomial, whose tries
        that fall out at the end and in at the start are Poisson); with the uncertain average sale
        it is taken as a gamma variable of the same mean and variance. The chance is the average
        over 25 ratios of equal weight out of the beta distribution. Where every sale is of the same
        size it is the binomial chance of that many whole sales.

        Parameters
        ----------
        tries
            Number of tries.
        sales
            Amount to reach, in average sales.

        Returns
        -------
        array of float
            0 to 1; empty where something is not known.

        Examples
        --------
        >>> known = Odds(*(np.array([x]) for x in (0.25, np.inf, 0.0, 0.0)))
        >>> known.chance(np.array([262.0]), np.array([60.0])).round(2).tolist()
        [0.8]
        """
        return _chance(np.asarray(tries, float), np.asarray(sales, float), self, self._ratios())

    def safe(self, sales: Numbers, chance: float = 0.8) -> Numbers:
        """Find the smallest whole number of tries that reaches an amount with a chance.

        Parameters
        ----------
        sales
            Amount to reach, in average sales; empty stays empty.
        chance
            Between 0 and 1.

        Raises
        ------
        DataError
            The chance is out of range.

        Examples
        --------
        >>> thin = Odds(*(np.array([x]) for x in (0.25, 60.0, 1.0, 0.1)))
        >>> thin.safe(np.array([60.0])).tolist()
        [318.0]
        """
        if not 0.0 < chance < 1.0:
            raise DataError(f"chance is {chance:g}; it must lie between 0 and 1.")
        wanted, ratios = np.asarray(sales, dtype=float), self._ratios()
        with np.errstate(divide="ignore", invalid="ignore"):
            high = np.ceil(wanted / self.ratio)
        known = np.isfinite(high) & np.isfinite(self.size_cv) & np.isfinite(self.mean_cv)
        high = np.where(known & (wanted > 0), np.maximum(high, 1.0), 0.0)
        low = np.zeros(len(high))

        def enough(tries: Numbers) -> Numbers:
            return (high == 0) | (_chance(tries, wanted, self, ratios) >= chance)

        while not (reached := enough(high)).all():
            low, high = np.where(reached, low, high), np.where(reached, high, 2.0 * high)
        while (high - low > 1.0).any():
            middle = np.floor((low + high) / 2.0)
            reached = enough(middle)
            low, high = np.where(reached, low, middle), np.where(reached, middle, high)
        return np.where(known, high, np.nan)

    def _ratios(self) -> Numbers:
        worth = np.minimum(self.ratio_tries, _CERTAIN)[:, None]
        ratio = self.ratio[:, None]
        drawn = betaincinv(ratio * worth, (1.0 - ratio) * worth, _PLACES[None, :])
        return np.where(worth < _CERTAIN, drawn, ratio)


def _chance(tries: Numbers, sales: Numbers, odds: Odds, ratios: Numbers) -> Numbers:
    won = tries[:, None] * ratios
    stayed = (1.0 - np.broadcast_to(odds.late, tries.shape)[:, None]) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        single = (odds.size_cv[:, None] ** 2 + 1.0 - ratios * stayed) / won
        unsure = np.minimum(odds.mean_cv[:, None], _UNSURE)
        shape = 1.0 / np.maximum((1.0 + single) * (1.0 + unsure**2) - 1.0, 1e-12)
        reached = gammaincc(shape, shape * sales[:, None] / won)
    if (alike := odds.size_cv < _ALIKE).any():
        whole, made = np.ceil(sales[alike] - _ALIKE)[:, None], tries[alike][:, None]
        binomial = betainc(whole, np.maximum(made - whole, 0.0) + 1.0, ratios[alike])
        reached[alike] = np.where(made >= whole, binomial, 0.0)
    reached = np.where(won > 0, reached, np.where(np.isnan(won), np.nan, 0.0))
    return np.where(sales <= 0, 1.0, reached.mean(axis=1))
