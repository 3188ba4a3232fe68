"""What stands open: on a day, and on average over a time, deals still open counted."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd

from planning_kit.data import Region, cached
from planning_kit.numbers.shrinkage import shrink_mean

DAYS_A_MONTH = 30.4375
_FIRST = ("created_on", "presented_on", "proposed_on")  # the first day that is recorded at all
_OFFERED = ("proposed_on", "presented_on", "created_on")


def open_deals(inputs: Region, day: date | pd.Timestamp) -> pd.DataFrame:
    """List the deals that stood open at the end of a day.

    A deal stands open from the day it was created (where no deal has one: presented, proposed) to
    the day before it was won or lost. Deals whose days do not tell, or run backwards, are left out.

    Returns
    -------
    DataFrame
        The rows of opportunities, by id.
    """
    spans = _spans(inputs, _FIRST)
    there = pd.Timestamp(day)
    return spans.loc[
        (spans["since"] <= there) & (spans["until"] > there), inputs.opportunities.columns
    ]


@cached
def time_open(inputs: Region, offered: bool = False) -> pd.DataFrame:
    """Add up the time that deals stood open in the reviewed period or since.

    open months / months is how many stand open on average (Little's law without waiting for the
    end of a deal): deals that are still open count for as long as they have been.

    Parameters
    ----------
    inputs
        One region or the company.
    offered
        True: from the proposal on (where no deal has one: presented, created).

    Returns
    -------
    DataFrame
        Indexed by rep_id: months_together (deals x months), began and ended (deals that opened
        and closed in that time), average_open (deals), average_amount (plan currency; deals
        without an amount count nothing). No rows where no deal has its days.
    """
    spans = _spans(inputs, _OFFERED if offered else _FIRST)
    since, until = _window(inputs, spans)
    ended = spans["until"].where(spans["until"] < until, until)
    inside = ended - spans["since"].where(spans["since"] > since, since)
    months = (inside.dt.total_seconds() / 86_400 / DAYS_A_MONTH).clip(lower=0.0)
    table = pd.DataFrame(
        {
            "rep_id": spans["rep_id"],
            "months_together": months,
            "began": spans["since"].between(since, until, inclusive="left").astype(float),
            "ended": spans["until"].between(since, until, inclusive="left").astype(float),
            "average_amount": months * spans["amount"].fillna(0.0),
        }
    )
    sums = table.groupby("rep_id").sum()
    length = max((until - since).days, 1) / DAYS_A_MONTH
    sums["average_amount"] /= length
    return sums.assign(average_open=sums["months_together"] / length)


def expected_open(inputs: Region, months: float = 3.0) -> pd.Series:
    """Say how many deals stand open on average in the months to come, as things go.

    What stands open now moves towards flow x time: with W = deal-months open / deals closed and
    as many deals begun a month as lately, the average over T months is
    ``L + (now - L) W / T (1 - exp(-T / W))``, L = begun a month x W. W is drawn to the team's.

    Returns
    -------
    Series
        Deals by rep_id.
    """
    table, spans = time_open(inputs), _spans(inputs, _FIRST)
    since, until = _window(inputs, spans)
    there = open_deals(inputs, until - pd.Timedelta(days=1)).groupby("rep_id").size()
    now = there.reindex(table.index, fill_value=0.0)
    own = shrink_mean(table["months_together"].to_numpy(), table["ended"].to_numpy())
    stay = pd.Series(np.maximum(own, 1e-9), table.index)
    level = table["began"] / max((until - since).days, 1) * DAYS_A_MONTH * stay
    return level + (now - level) * stay / months * (1.0 - np.exp(-months / stay))


@cached
def _spans(inputs: Region, days: tuple[str, ...]) -> pd.DataFrame:
    deals = inputs.opportunities.sort_values("opportunity_id")
    start = next((day for day in days if deals[day].notna().any()), days[0])
    ended = deals["closed_on"].where(deals["outcome"] != "open", pd.Timestamp.max.floor("D"))
    deals = deals.assign(since=deals[start], until=ended)
    return deals[deals["until"] >= deals["since"]]


def _window(inputs: Region, spans: pd.DataFrame) -> tuple[pd.Timestamp, pd.Timestamp]:
    # What is known ends with the last day anything happened, or where the plan starts.
    settings, ended = inputs.settings, spans["until"].where(spans["outcome"] != "open")
    since, until = pd.Timestamp(settings.review_starts_on), pd.Timestamp(settings.starts_on)
    last = pd.concat([spans["since"], ended]).max() + pd.Timedelta(days=1)
    until = min(until, last) if pd.notna(last) else until
    # Where nothing ended in that time, all that is known counts, as for the ratios.
    lately = ended.between(since, until).any() or spans.empty
    return (since if lately else spans["since"].min()), until
