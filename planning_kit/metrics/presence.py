"""Who is there when: shares of months, selling hours, and the hours an activity takes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from planning_kit.data import Region, days_off, working_days
from planning_kit.numbers.phasing import shift_earlier
from planning_kit.numbers.rounding import split_rows
from planning_kit.numbers.shrinkage import Numbers
from planning_kit.numbers.staffing import ramp_at
from planning_kit.plan import USUAL_HOURS, MetricOptions
from planning_kit.review.rates import activity_done

_STATED = "stated in [metrics], else the kit's starting values"
TYPICAL = 0.9  # of ten people nine did no more than their hours allowed


def selling_days(inputs: Region, people: pd.Index, months: pd.DatetimeIndex) -> Numbers:
    """Count the days everybody works in every month: none before hiring, on leave, after leaving."""
    return np.maximum(_days_there(inputs, people, months) - days_off(inputs, people, months), 0.0)


def _days_there(inputs: Region, people: pd.Index, months: pd.DatetimeIndex) -> Numbers:
    reps = inputs.reps.drop_duplicates("rep_id").set_index("rep_id").reindex(people)
    return working_days(months, reps["hired_on"], reps["left_on"])


def selling_hours(inputs: Region, people: pd.Index, months: pd.DatetimeIndex) -> Numbers:
    """Give everybody's selling hours by month.

    ``hours_a_month x selling_share`` of the settings is an average month without days off; a month
    has them by its working days, a person by the days there less holidays and leave of the table
    ``calendar`` and, new here, by the plan's ramp.
    """
    settings = inputs.settings
    usual = working_days(months).mean()
    reps = inputs.reps.drop_duplicates("rep_id").set_index("rep_id").reindex(people)
    hired = pd.to_datetime(reps["hired_on"]).fillna(pd.Timestamp("1900-01-01"))
    month = months.year.to_numpy() * 12 + months.month.to_numpy()
    tenure = month[None, :] - (hired.dt.year * 12 + hired.dt.month).to_numpy()[:, None]
    days = selling_days(inputs, people, months) * ramp_at(settings.ramp, tenure)
    return settings.hours_a_month * settings.selling_share * days / usual


@dataclass(frozen=True)
class Presence:
    """Who is there in the months of a plan, and in as many before it.

    Attributes
    ----------
    days : array of float
        Days that people work, people x months of the plan.
    employed, before : array of bool
        Whether they are there at all, on leave or not, in the plan and before it.
    steady : array of bool
        Who is there from before the plan to its end: their last months work for the next.
    """

    days: Numbers
    employed: npt.NDArray[np.bool_]
    before: npt.NDArray[np.bool_]
    steady: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, inputs: Region, amount: pd.DataFrame) -> Presence:
        """Take it from the days of hiring and leaving; ``amount`` is people x months."""
        months = pd.DatetimeIndex(amount.columns)
        early = pd.date_range(end=months[0], periods=len(months) + 1, freq="MS", unit="us")[:-1]
        there = _days_there(inputs, amount.index, pd.DatetimeIndex(early.append(months))) > 0
        before, employed = there[:, : len(months)], there[:, len(months) :]
        days = selling_days(inputs, amount.index, months)
        return cls(days, employed, before, before[:, -1] & employed[:, -1])

    def place(self, amounts: Numbers, months: Numbers) -> Numbers:
        """Move amounts earlier by the months their deals take, into months the person is there.

        What falls into a month of leave goes to the month before it, else to the next.

        Returns
        -------
        array of float
            Shares of the whole, people x months. They add up to 1, less what has no place: before
            hiring, after leaving, or before the plan of somebody who is gone when it ends.
        """
        amounts = np.nan_to_num(amounts)
        whole, count = amounts.sum(axis=1, keepdims=True), amounts.shape[1]
        wide = np.hstack([np.zeros_like(amounts), amounts])
        moved = shift_earlier(wide, np.minimum(months, count))
        early = moved[:, :count] * (self.before & self.steady[:, None])
        inside = (moved[:, count:] + early) * self.employed
        for row, month in np.argwhere(self.employed & (self.days <= 0)):
            works = np.flatnonzero(self.days[row] > 0)
            if len(works):
                inside[row, works[max(np.searchsorted(works, month) - 1, 0)]] += inside[row, month]
            inside[row, month] = 0.0
        return np.divide(inside, whole, out=np.zeros_like(inside), where=whole > 0)

    def split(self, amounts: Numbers, months: Numbers, total: Numbers) -> Numbers:
        """Split whole numbers over the months as `place` says; what has no place is left out."""
        shares = self.place(amounts, months)
        return split_rows(shares, np.round(total * shares.sum(axis=1)))

    def late(self, shares: Numbers, months: Numbers, times: Numbers) -> Numbers:
        """Give the share of the placed activity whose deals close only after the plan.

        ``times`` are months to the win of all deals, ascending: everybody's spread around the own
        mean (``months``) in the same proportion. What works for the next plan anyway, at the end
        of this one, is not counted.
        """
        count = shares.shape[1]
        left = count - np.arange(count) - 0.5
        mean = times.mean() if len(times) else 0.0
        if mean <= 0:
            return np.zeros(len(shares))
        limit = left[None, :] / np.maximum(months, 1e-9)[:, None] * mean
        after = 1.0 - np.searchsorted(times, limit, side="right") / len(times)
        own = shares * (left[None, :] >= months[:, None])
        return (own * after).sum(axis=1) / np.maximum(own.sum(axis=1), 1e-12)


@dataclass(frozen=True)
class ActivityHours:
    """Hours one of each activity takes, and where they come from.

    Attributes
    ----------
    hours : mapping of str to float
        By step of the funnel: stated, else the kit's starting values.
    stated : bool
        A planner wrote some of them.
    load : Series
        Hours that the recorded activity would have taken, over the selling hours of that time; by
        person of whom activity is known.
    """

    hours: dict[str, float]
    stated: bool
    load: pd.Series

    def pace(self, people: pd.Index) -> pd.Series:
        """Say how many times faster than at these hours everybody works, at least.

        Starting values are not believed where the activity recorded would not have fitted into the
        selling hours: of nine in ten people, or of the person. Stated ones are.
        """
        if self.stated:
            return pd.Series(1.0, people)
        return self.load.reindex(people).fillna(self._usual).clip(lower=self._usual)

    @cached_property
    def _usual(self) -> float:
        return float(self.load.clip(lower=1.0).quantile(TYPICAL)) if len(self.load) else 1.0

    def describe(self, rep_id: str = "") -> str:
        """Say the hours of a person (of those without a history: empty), and whose they are.

        Examples
        --------
        >>> ActivityHours({"presentation": 2.5}, False, pd.Series({"a": 2.0}).iloc[:0]).describe()
        "at 2.5 h a presentation (the kit's starting values)"
        """
        pace = 1.0 if self.stated else max(float(self.load.get(rep_id, 0.0)), self._usual)
        each = ", ".join(f"{hours / pace:.2g} h a {step}" for step, hours in self.hours.items())
        usual = "learned from last period's activity" if pace > 1 else "the kit's starting values"
        return f"at {each} ({_STATED if self.stated else usual})"


def activity_hours(inputs: Region, options: MetricOptions) -> ActivityHours:
    """Find the hours an activity takes, and what last period's would have taken at these."""
    done, settings = activity_done(inputs), inputs.settings
    stated = {step: getattr(options, f"{step}_hours") for step in USUAL_HOURS}
    hours = {step: USUAL_HOURS[step] if own is None else own for step, own in stated.items()}
    first = pd.Timestamp(settings.review_starts_on).to_period("M").start_time
    last = pd.Timestamp(settings.starts_on) - pd.Timedelta(days=1)
    months = pd.date_range(first, last, freq="MS", unit="us")
    there = pd.Series(selling_hours(inputs, done.index, months).sum(axis=1), done.index)
    taken = sum(done[step].fillna(0.0) * each for step, each in hours.items())
    load = (taken / there)[(taken > 0) & (there > 0)]
    return ActivityHours(hours, any(own is not None for own in stated.values()), load)
