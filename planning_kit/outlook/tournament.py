"""Which way of setting an expectation would have been nearest in past years."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import ndtri, stdtrit

from planning_kit.data import Region
from planning_kit.numbers.intervals import HIGH
from planning_kit.outlook.history import PLACE, History, look_up, month_number, read_history
from planning_kit.outlook.misses import PastYear, forecast_again, past_years

TOURNAMENT_COLUMNS = (
    "method",
    "wmape",
    "bias_share",
    "people",
    "years",
    "gain_share",
    "gain_low",
    "recommended",
    "note",
)
LAST_YEAR, GROWN, USED = "last year", "last year plus %", "seasonal model"
METHODS = (LAST_YEAR, GROWN, "run rate", "potential share", "blend", "even split", USED)
_LEAST_YEARS = 2


def method_tournament(inputs: Region) -> pd.DataFrame:
    """Let seven ways of setting expectations forecast past years, with what was known before each.

    Compared are people who held the same place all year. ``last year``: own result of the last
    year. ``last year plus %``: grown by what the whole grew in the year before. ``run rate``: the
    last three months times four. ``potential share``: last year's total by potential of the
    territories. ``blend``: half last year, half potential share (half even split without
    potential). ``even split``: the same for everybody. ``seasonal model``: what `baseline` does,
    and what the plan rests on.

    Returns
    -------
    pandas.DataFrame
        method, wmape (sum of absolute misses over results), bias_share (forecast over results
        less 1), people (forecasts compared), years, gain_share (wmape less than the one of last
        year), gain_low (what it exceeds with nine in ten, at most the worst year's times their
        number: people of one year miss together, so years are clusters, by Student's t; the chance
        is shared out over all methods compared, Bonferroni), recommended, note. At most one method
        is recommended: the nearest of those that beat last year by more than chance. With fewer
        than two past years nothing is recommended. Where last year was nearer than the method the
        plan rests on, its note says so.
    """
    before = pd.Timestamp(inputs.settings.starts_on)
    history = read_history(inputs, before)
    tables = [
        _forecasts(inputs, history, forecast_again(inputs, first, history)).assign(year=first)
        for first in past_years(inputs, before)
    ]
    tables = [table for table in tables if len(table)]
    if not tables:
        note = "no past year with a year of history before it"
        return pd.DataFrame(
            [(m, *[np.nan] * 2, 0, 0, *[np.nan] * 2, False, note) for m in METHODS],
            columns=list(TOURNAMENT_COLUMNS),
        )
    both = pd.concat(tables, ignore_index=True)
    rows = [_score(both, method) for method in METHODS]
    return _with_verdict(pd.DataFrame(rows, columns=list(TOURNAMENT_COLUMNS)))


def _score(both: pd.DataFrame, method: str) -> tuple:
    known = both[both[method].notna()]
    years = known["year"].nunique()
    if known.empty:
        gaps = (np.nan, np.nan, 0, both["year"].nunique(), np.nan, np.nan)
        return (method, *gaps, False, "needs the potential of territories")
    total = known["actual"].abs().sum()
    miss = (known[method] - known["actual"]).abs()
    gain = (known[LAST_YEAR] - known["actual"]).abs() - miss
    people = float(gain.std(ddof=1) * np.sqrt(len(gain))) if len(gain) > 1 else np.nan
    by_year = gain.groupby(known["year"]).sum()
    sure = 1 - (1 - HIGH) / (len(METHODS) - 1)
    least = gain.sum() - ndtri(sure) * people
    if years > 1:
        cluster = by_year.std(ddof=1) * np.sqrt(years)
        least = min(least, gain.sum() - stdtrit(years - 1, sure) * cluster)
    low = float(min(least, by_year.min() * years))
    bias = known[method].sum() / known["actual"].sum() - 1
    shares = (miss.sum() / total, bias, len(known), years, gain.sum() / total, low / total)
    return (method, *shares, False, "")


def _with_verdict(table: pd.DataFrame) -> pd.DataFrame:
    years, wmape = int(table["years"].max()), table.set_index("method")["wmape"]
    enough = table["years"] == max(years, _LEAST_YEARS)
    beats = table[(table["gain_low"] > 0) & (table["method"] != LAST_YEAR) & enough]
    best = beats["wmape"].idxmin() if len(beats) else -1
    words = ""
    if years < _LEAST_YEARS:
        words = f"{years} past year: two are needed to recommend anything"
    elif beats.empty:
        words = "no method beats last year by more than chance"
    note = table["note"].where(table["note"] != "", words)
    nearest = LAST_YEAR if wmape[LAST_YEAR] <= wmape[GROWN] else GROWN
    if wmape[USED] > wmape[nearest]:
        loses = f"{nearest} was nearer: {wmape[nearest]:.1%} off against {wmape[USED]:.1%}; "
        note = note.where(table["method"] != USED, loses + note)
    return table.assign(recommended=table.index == best, note=note.str.removesuffix("; "))


def _forecasts(inputs: Region, history: History, past: PastYear) -> pd.DataFrame:
    people = past.rows.groupby("rep_id")[["expected", "actual"]].sum()
    then = history.until(past.first).only(past.rows[PLACE].drop_duplicates())
    back = month_number(pd.Series([then.last])).iloc[0] - month_number(then.sold["month"])
    own = [_sums(then.sold[(back >= k) & (back < k + 12)], people.index) for k in (0, 12)]
    recent = 4 * _sums(then.sold[back < 3], people.index)
    # Who was not there for the whole last year has no last year to add a percentage to.
    whole = then.held[then.held["month"] > then.last - pd.DateOffset(months=12)]
    months = whole.drop_duplicates(["rep_id", "month"]).groupby("rep_id").size()
    people = people[months.reindex(people.index).eq(12)]
    last = own[0].reindex(people.index)
    growth = float(own[0].sum() / own[1].sum()) if own[1].gt(0).all() and len(own[1]) else 1.0
    total = last.sum() * growth
    even = pd.Series(total / max(1, len(last)), last.index)
    potential = _potential(inputs, past, last.index)
    by_potential = total * potential / potential.sum()
    other = by_potential if by_potential.notna().all() else even
    return pd.DataFrame(
        {
            "actual": people["actual"],
            LAST_YEAR: last,
            GROWN: last * growth,
            "run rate": recent.reindex(people.index),
            "potential share": by_potential,
            "blend": (last * growth + other) / 2,
            "even split": even,
            USED: people["expected"],
        }
    ).reset_index(drop=True)


def _sums(sold: pd.DataFrame, people: pd.Index) -> pd.Series:
    return sold.groupby("rep_id")["amount"].sum().reindex(people).fillna(0.0)


def _potential(inputs: Region, past: PastYear, people: pd.Index) -> pd.Series:
    """Sum the potential of what everybody held; empty where any of it is unknown."""
    of_territory = inputs.territories.set_index("territory_id")["potential"]
    places = past.levels.history.held.groupby(PLACE, as_index=False)["weight"].max()
    held = past.rows[PLACE].drop_duplicates().merge(places, on=PLACE, how="left")
    amount = look_up(held["territory_id"], of_territory) * held["weight"]
    sums = amount.groupby(held["rep_id"]).agg(lambda x: x.sum(skipna=False))
    sums = sums.reindex(people)
    return sums if sums.notna().all() and sums.sum() > 0 else sums * np.nan
