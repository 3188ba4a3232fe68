"""What turnover costs in selling capacity: closed form, month by month, and simulated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from planning_kit.messages import DataError

_CYCLES_AT_ONCE = 1_000_000  # keeps a simulation of any length below 100 MB


@dataclass(frozen=True)
class SimulatedAvailability:
    """Availability found by drawing careers.

    Attributes
    ----------
    mean : float
        Productive share of a seat's months.
    standard_error : float
        Of the mean.
    years : int
        Years of one seat that were drawn.
    seed : int
        Seed of the draws.
    """

    mean: float
    standard_error: float
    years: int
    seed: int


def yearly_share(rate: np.ndarray | float) -> np.ndarray:
    """Give the share of people who leave within a year, for so many leavers per year of work.

    Who leaves is no longer at risk, so that the share ``1 - exp(-rate)`` lies below the rate.

    Examples
    --------
    >>> round(float(yearly_share(8 / 40)), 4)
    0.1813
    """
    return -np.expm1(-np.asarray(rate, dtype=float))


def monthly_hazard(annual_rate: float) -> float:
    """Give the chance to leave in a month that makes up the share who leave within a year.

    Examples
    --------
    >>> round(monthly_hazard(0.2), 4)
    0.0184
    """
    return float(1.0 - (1.0 - annual_rate) ** (1 / 12))


def availability(annual_rate: float, vacancy_months: float, ramp: Sequence[float]) -> float:
    """Give the share of a seat's full capacity that is there in the long run.

    A holder leaves with the same chance every month, the seat is empty for a while, the
    successor ramps up. With hazard ``h`` a month, vacancy ``v`` months and productivity ``r(t)``
    in month ``t`` after hiring: ``sum (1 - h)^t r(t) / (1 / h + v)``, the productive months of a
    career over its length with the vacancy (renewal-reward theorem).

    Parameters
    ----------
    annual_rate
        Share of people who leave within a year, 0 to 1.
    vacancy_months
        Months a seat stays empty.
    ramp
        Productivity by month after hiring, as shares; full (1.0) after the last one.

    Raises
    ------
    DataError
        Naming every value that is out of range.

    Examples
    --------
    >>> round(availability(0.20, 3, (0.0, 0.2, 0.4, 0.6, 0.8)), 3)
    0.897
    """
    steps = _checked(annual_rate, vacancy_months, ramp)
    hazard = monthly_hazard(annual_rate)
    if hazard == 0.0:
        return 1.0
    stay = 1.0 - hazard
    productive = (stay ** np.arange(len(steps)) * steps).sum() + stay ** len(steps) / hazard
    return float(productive / (1 / hazard + vacancy_months))


def simulate_availability(
    annual_rate: float, vacancy_months: float, ramp: Sequence[float], *, seed: int, years: int
) -> SimulatedAvailability:
    """Draw careers in a seat one after the other and measure its availability.

    The number of careers is what the years usually hold; mean and standard error are those of a
    ratio (productive months over all months).

    Parameters
    ----------
    annual_rate, vacancy_months, ramp
        As in `availability`.
    seed
        Seed of the draws; the same seed gives the same answer.
    years
        Years of one seat; 10 years of 2,000 seats are 20,000.
    """
    steps = _checked(annual_rate, vacancy_months, ramp)
    if years < 1:
        raise DataError(f"years is {years}; draw at least one year.")
    hazard = monthly_hazard(annual_rate)
    if hazard == 0.0:
        return SimulatedAvailability(1.0, 0.0, years, seed)
    cycle = 1 / hazard + vacancy_months
    sums = _career_sums(hazard, vacancy_months, steps, max(2, round(years * 12 / cycle)), seed)
    n, productive, length, both, productive2, length2 = sums
    mean = productive / length
    spread = (productive2 - 2 * mean * both + mean**2 * length2) / (n - 1)
    error = np.sqrt(max(0.0, spread) / n) / (length / n)
    return SimulatedAvailability(float(mean), float(error), years, seed)


def _career_sums(
    hazard: float, vacancy: float, steps: np.ndarray, careers: int, seed: int
) -> np.ndarray:
    rng = np.random.default_rng(seed)
    total = np.zeros(6)
    until = np.concatenate([[0.0], np.cumsum(steps)])  # productive months up to a tenure
    for left in range(careers, 0, -_CYCLES_AT_ONCE):
        count = min(left, _CYCLES_AT_ONCE)
        months = rng.geometric(hazard, count).astype(float)
        ramped = np.minimum(months, len(steps)).astype(np.int64)
        productive, length = until[ramped] + months - ramped, months + vacancy
        total += [
            count,
            productive.sum(),
            length.sum(),
            (productive * length).sum(),
            (productive**2).sum(),
            (length**2).sum(),
        ]
    return total


def _checked(annual_rate: float, vacancy_months: float, ramp: Sequence[float]) -> np.ndarray:
    steps = np.asarray(list(ramp), dtype=float)
    faults = []
    if not 0.0 <= annual_rate <= 1.0:
        faults.append(f"the annual rate is {annual_rate:g}; a share of people is 0 to 1")
    if not 0.0 <= vacancy_months < np.inf:
        faults.append(f"the vacancy is {vacancy_months:g} months; it cannot be negative or endless")
    if not ((steps >= 0) & (steps <= 1)).all():
        faults.append("the ramp has a step outside 0 to 1; write shares of full productivity")
    if faults:
        raise DataError("availability: " + "; ".join(faults) + ".")
    return steps


def ramp_at(ramp: Sequence[float], tenure: np.ndarray) -> np.ndarray:
    """Give the productivity of people by months since hiring; before hiring it is 0."""
    steps = np.append(np.asarray(list(ramp), dtype=float), 1.0)
    months = np.clip(np.asarray(tenure, dtype=float), 0, len(steps) - 1).astype(np.int64)
    return np.where(np.asarray(tenure) < 0, 0.0, steps[months])


def stretched_ramp(ramp: Sequence[float], full_in_month: float) -> tuple[float, ...]:
    """Stretch a ramp so that full productivity is reached in another month (the first is 1).

    Examples
    --------
    >>> stretched_ramp((0.0, 0.5), 5)
    (0.0, 0.25, 0.5, 0.75)
    """
    steps = np.append(np.asarray(list(ramp), dtype=float), 1.0)
    last = full_in_month - 1.0
    if last <= 0 or len(steps) == 1:
        return ()
    at = np.arange(int(np.ceil(last))) * (len(steps) - 1) / last
    return tuple(float(x) for x in np.interp(at, np.arange(len(steps)), steps))


@dataclass(frozen=True)
class Staffing:
    """The staff assumptions: annual rate, months to fill a seat, ramp, loss of a hand-over."""

    annual_rate: float
    vacancy_months: float
    ramp: tuple[float, ...]
    account_loss_share: float = 0.0

    def assuming(self, values: Mapping[str, float]) -> Staffing:
        """Put assumed values, by driver, in the place of these; what cannot be is cut off.

        The ramp is stretched, so that its last step is reached in the assumed month.

        Examples
        --------
        >>> Staffing(0.1, 3.0, (0.0, 0.5)).assuming({"turnover_rate": 0.2, "ramp": 2})
        Staffing(annual_rate=0.2, vacancy_months=3.0, ramp=(0.0,), account_loss_share=0.0)
        """
        full_in = values.get("ramp")
        return Staffing(
            min(1.0, max(0.0, values.get("turnover_rate", self.annual_rate))),
            max(0.0, values.get("time_to_fill", self.vacancy_months)),
            self.ramp if full_in is None else stretched_ramp(self.ramp, full_in),
            min(1.0, max(0.0, values.get("account_loss_share", self.account_loss_share))),
        )

    def lasting_share(self) -> float:
        """Give the share of a full seat's sales in the long run: `availability`, less hand-overs."""
        there = availability(self.annual_rate, self.vacancy_months, self.ramp)
        return there * (1 - self.annual_rate * self.account_loss_share)

    def after_leaving(self, months: int) -> np.ndarray:
        """Give a seat's expected capacity in the months after its holder left."""
        _, successor = self._paths(months)
        whole, part = int(self.vacancy_months), self.vacancy_months % 1
        padded = np.concatenate([np.zeros(whole + 1), successor])
        later = (1 - part) * padded[1 : months + 1] + part * padded[:months]
        return (1 - self.account_loss_share) * later

    def expected(self, tenure: np.ndarray, months: int) -> np.ndarray:
        """Give the expected capacity of seats by month; the holder is there in the first one.

        Parameters
        ----------
        tenure
            Months since hiring in the first month, one a seat; negative: hired so much later.
        months
            How many months.

        Returns
        -------
        numpy.ndarray
            One row a seat, one column a month; shares of a full seat.
        """
        replaced, _ = self._paths(months)
        start = np.maximum(-np.asarray(tenure, dtype=np.int64), 0)[:, None]
        there = np.arange(months)[None, :] - start  # months since the holder is there
        stays = (1 - monthly_hazard(self.annual_rate)) ** np.maximum(there, 0)
        own = ramp_at(self.ramp, np.asarray(tenure)[:, None] + np.arange(months)[None, :])
        return np.where(there < 0, 0.0, stays * own + replaced[np.maximum(there, 0)])

    def _paths(self, months: int) -> tuple[np.ndarray, np.ndarray]:
        """Give what successors bring, for a holder there in month 0 and for a hire of month 0."""
        hazard = monthly_hazard(self.annual_rate)
        stay, own = (1 - hazard) ** np.arange(months), ramp_at(self.ramp, np.arange(months))
        whole, part = int(self.vacancy_months), self.vacancy_months % 1
        replaced, hired = np.zeros(months), np.zeros(months)
        after = np.zeros(months)  # capacity k months after somebody left
        for month in range(months):
            replaced[month] = hazard * (stay[:month] * after[:month][::-1]).sum()
            hired[month] = stay[month] * own[month] + replaced[month]
            # A vacancy of 2.5 months: half of the successors start after 2, half after 3 months.
            for extra, weight in ((0, 1 - part), (1, part)):
                if month + whole + extra < months:
                    kept = 1 - self.account_loss_share
                    after[month + whole + extra] += weight * kept * hired[month]
        return replaced, hired
