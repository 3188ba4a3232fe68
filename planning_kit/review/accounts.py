"""Customers that keep buying, and how many of them do."""

from __future__ import annotations

import numpy as np
import pandas as pd

from planning_kit.data import Region
from planning_kit.numbers.shrinkage import shrink_ratio

MOST_MONTHS = 7  # of a year: a customer that buys in so many of them buys all the time
_WHO = ["rep_id", "account_id"]


def recurring_accounts(inputs: Region) -> pd.DataFrame:
    """List the customers that bought in each of the last two years, or in most months of the last.

    The retention is measured one year back: of the customers that were recurring then, the share
    that bought again in the last year, from whomever; by person, thin histories pulled towards the
    team's (`planning_kit.numbers.shrinkage`).

    Returns
    -------
    DataFrame
        By person and account: ``amount`` (of the last year, plan currency), ``months`` in which
        they bought, ``product_line`` (where it was one only) and ``retention`` (0 to 1; empty
        where a year is all there is).
    """
    now, before = _recurring(inputs.accounts, 1), _recurring(inputs.accounts, 2)
    bought = inputs.accounts["years_back"].eq(1) & (inputs.accounts["amount"] > 0)
    again = before["account_id"].isin(inputs.accounts.loc[bought, "account_id"])
    tried = again.groupby(before["rep_id"]).agg(["sum", "size"])
    people = tried.index.union(pd.Index(now["rep_id"].unique()))
    tried = tried.reindex(people, fill_value=0).astype(float)
    kept = shrink_ratio(tried["sum"].to_numpy(), tried["size"].to_numpy())[0]
    rate = pd.Series(kept if len(kept) else np.nan, people, dtype="float64")
    return now.assign(retention=now["rep_id"].map(rate).astype("float64"))


def _recurring(accounts: pd.DataFrame, back: int) -> pd.DataFrame:
    year = accounts[accounts["years_back"].eq(back) & (accounts["amount"] > 0)]
    earlier = accounts[accounts["years_back"].eq(back + 1) & (accounts["amount"] > 0)]
    there = pd.MultiIndex.from_frame(year[_WHO]).isin(pd.MultiIndex.from_frame(earlier[_WHO]))
    year = year[there | (year["months"] >= MOST_MONTHS)]
    return year[[*_WHO, "amount", "months", "product_line"]].reset_index(drop=True)
