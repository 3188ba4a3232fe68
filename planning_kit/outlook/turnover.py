"""How often people leave and how fast new ones get going, counted in the roster."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import chi2, gamma
from scipy.stats import t as student

from planning_kit.data import Region, cached
from planning_kit.messages import DataError, shorten
from planning_kit.numbers.intervals import HIGH, LOW
from planning_kit.numbers.staffing import ramp_at, yearly_share
from planning_kit.outlook.history import PLACE
from planning_kit.outlook.levels import Levels
from planning_kit.plan import add_months

TURNOVER_COLUMNS = ("scope", "name", "exposure_years", "leavers", "rate", "low", "high", "note")
RAMP_COLUMNS = ("month", "share", "low", "high", "stated", "people")
_YEAR_DAYS = 365.25
_LEAST_FULL_YEARS = 0.15  # of a hire past the ramp, to know the full level


@dataclass(frozen=True)
class _Group:
    """Mean and strength (person-years) that a small team borrows, and all person-years."""

    rate: float
    years: float
    whole: float


@cached
def turnover(inputs: Region) -> pd.DataFrame:
    """Count who left against the years people worked, with 80 % ranges.

    Counted are people who sell (have sales, a territory or a goal), from the first month with
    sales up to the plan; nobody who left before stands in such a roster. The range is the exact
    one of a Poisson count (Garwood 1936) over the years at risk. Teams, roles and tenures of the
    company's inputs borrow from the company (gamma prior; its strength from the spread between
    them). The inputs of one region do not hold the company: they get the wide range and say so.

    Returns
    -------
    pandas.DataFrame
        scope (company, region, role, tenure, year), name, exposure_years, leavers, rate, low and
        high (share of people who leave within a year, ``1 - exp(-leavers / years)``), note. Rows
        of a year are counts, nothing borrowed.

    Raises
    ------
    DataError
        Somebody left before being hired.
    """
    people = _sellers(inputs)
    first, last = _window(inputs)
    whole_scope, whole_name = (
        ("company", inputs.name) if inputs.is_company else ("region", inputs.name)
    )
    at_risk = _at_risk(people, first, last)
    whole = (float(at_risk["years"].sum()), float(at_risk["left"].sum()))
    note = "" if inputs.is_company else "nothing to borrow from: this is all there is"
    rows = [_row(whole_scope, whole_name, *whole, None, note)]
    cuts = [("region", "home"), ("role", "role")] if inputs.is_company else [("role", "role")]
    for scope, column in cuts:
        rows += _cut(scope, at_risk.groupby(column)[["years", "left"]].sum(), whole)
    rows += _cut("tenure", _by_tenure(people, first, last), whole)
    for start, end in _years(first, last):
        part = _at_risk(people, start, end)
        name = f"{start:%Y-%m} to {end:%Y-%m}"
        rows.append(_row("year", name, part["years"].sum(), part["left"].sum(), None, ""))
    return pd.DataFrame(rows, columns=list(TURNOVER_COLUMNS))


def left_between(inputs: Region, today: pd.Timestamp) -> tuple[float, float, float, str]:
    """Give the share leaving a year since the plan's start, its 80 % range, and the count."""
    first, last = pd.Timestamp(inputs.settings.starts_on), today - pd.Timedelta(days=1)
    part = _at_risk(_sellers(inputs), first, last)
    row = _row("year", "so far", part["years"].sum(), part["left"].sum(), None, "")
    return row[4], row[5], row[6], f"{row[3]} left in {row[2]:.1f} years of work" if row[2] else ""


def _years(first: pd.Timestamp, last: pd.Timestamp) -> list[tuple[pd.Timestamp, pd.Timestamp]]:
    """Count twelve months at a time back from the last day."""
    years, after = [], last + pd.Timedelta(days=1)
    while after > first and first < last:
        start = pd.Timestamp(add_months(after.date(), -12))
        years.append((max(first, start), after - pd.Timedelta(days=1)))
        after = start
    return years[::-1]


def _window(inputs: Region) -> tuple[pd.Timestamp, pd.Timestamp]:
    last = pd.Timestamp(inputs.settings.starts_on) - pd.Timedelta(days=1)
    months = inputs.sales["month"]
    starts = months.min() if len(months) else inputs.assignments["starts_on"].min()
    return (last, last) if pd.isna(starts) or starts > last else (starts, last)


def _sellers(inputs: Region) -> pd.DataFrame:
    people = inputs.reps
    backwards = people[people["left_on"] < people["hired_on"]]
    if len(backwards):
        one = backwards.iloc[0]
        raise DataError(
            f"reps: {len(backwards)} left before being hired: {shorten(backwards['rep_id'])} "
            f"({one['rep_id']!r}: hired {one['hired_on']:%Y-%m-%d}, "
            f"left {one['left_on']:%Y-%m-%d}); correct the dates."
        )
    sells = pd.concat(
        [inputs.sales["rep_id"], inputs.assignments["rep_id"], inputs.goals["rep_id"]]
    )
    people = people[people["rep_id"].isin(sells)]
    home = people["current_region"].fillna(people["region"]).fillna("(no region)")
    return people.assign(home=home, role=people["role"].fillna("(no role)"))


def _at_risk(people: pd.DataFrame, first: pd.Timestamp, last: pd.Timestamp) -> pd.DataFrame:
    hired, left = people["hired_on"].fillna(first), people["left_on"].fillna(last)
    begin, end = hired.where(hired > first, first), left.where(left < last, last)
    years = ((end - begin).dt.days + 1).clip(lower=0) / _YEAR_DAYS
    if first >= last:
        years = years * 0.0
    return people.assign(years=years, left=people["left_on"].between(first, last).astype(float))


def _by_tenure(people: pd.DataFrame, first: pd.Timestamp, last: pd.Timestamp) -> pd.DataFrame:
    """Split years at risk and leavers at the first anniversary; hiring has to be known."""
    known = people[people["hired_on"].notna()]
    turn = known["hired_on"] + pd.DateOffset(years=1)
    until = np.minimum(known["left_on"].fillna(last), turn)
    early = _at_risk(known.assign(left_on=until), first, last)
    whole = _at_risk(known, first, last)
    young = (whole["left"] > 0) & (known["left_on"] <= turn)
    years, left = early["years"].sum(), float(young.sum())
    names = ["first year", "later"]
    rest = (whole["years"].sum() - years, whole["left"].sum() - left)
    return pd.DataFrame({"years": [years, rest[0]], "left": [left, rest[1]]}, index=names)


def _cut(scope: str, parts: pd.DataFrame, whole: tuple[float, float]) -> list[tuple]:
    parts = parts[parts["years"] > 0].sort_index(key=lambda names: names.astype("str"))
    if len(parts) < 2:
        return []
    prior = _borrowed(parts, whole)
    return [
        _row(scope, str(name), part["years"], part["left"], prior, "")
        for name, part in parts.iterrows()
    ]


def _borrowed(parts: pd.DataFrame, whole: tuple[float, float]) -> _Group | None:
    """Find how much the parts differ beyond chance (moments of a gamma-Poisson)."""
    years, left = whole
    if years <= 0 or left <= 0:
        return None
    rate, at_risk = left / years, parts["years"]
    off = (at_risk * (parts["left"] / at_risk - rate) ** 2).sum() - (len(parts) - 1) * rate
    between = max(0.0, float(off / (at_risk.sum() - (at_risk**2).sum() / at_risk.sum())))
    return _Group(rate, rate / between if between > 0 else years, years)


def _row(
    scope: str, name: str, years: float, left: float, prior: _Group | None, note: str
) -> tuple:
    if years <= 0:
        return scope, name, 0.0, int(left), np.nan, np.nan, np.nan, "nobody at risk: no rate"
    if prior is None:
        low = chi2.ppf(LOW, 2 * left) / 2 / years if left else 0.0
        high = chi2.ppf(HIGH, 2 * left + 2) / 2 / years
        rate = left / years
    else:
        # The part is in the whole: it lends what the others know, so nothing counts twice.
        lent = max(0.0, min(prior.years, prior.whole - years))
        shape, scale = left + lent * prior.rate, 1 / (years + lent)
        rate = shape * scale
        low, high = gamma.ppf([LOW, HIGH], shape, scale=scale)
        own = years / (years + lent)
        shares = yearly_share(np.array([left / years, prior.rate]))
        note = f"own rate {shares[0]:.1%} counts {own:.0%}, everybody's {shares[1]:.1%} the rest"
    if left < 5 and prior is None:
        note = "; ".join(x for x in (note, f"{left:.0f} leavers say little") if x)
    shares = yearly_share(np.array([rate, low, high])).tolist()
    return scope, name, float(years), int(left), *shares, note


def ramp_estimate(inputs: Region, levels: Levels) -> pd.DataFrame:
    """Measure how fast past hires reached their own full level.

    Sales of a month after hiring over what the same seat sells in such a month at full ramp (own
    months after the stated ramp), summed over hires; the range follows from how hires differ, and
    from the error of the season that they share.

    Returns
    -------
    pandas.DataFrame
        month (1 is the first), share, low, high (80 %), stated, people. Empty without hires who
        are past their ramp.
    """
    steps = len(inputs.settings.ramp)
    cells = levels.cells.merge(inputs.reps[["rep_id", "hired_on"]], on="rep_id")
    # A roster that begins with the data shows everybody as hired then; and of a month in which
    # somebody was there for a few days only, the sales say little.
    late = cells["hired_on"] >= levels.history.first + pd.DateOffset(months=1)
    cells = cells[late & (cells["weight"] >= 0.5 * cells["share"])].copy()
    usual = cells["exposure"] / cells["ramp"].where(cells["ramp"] > 0)
    base = cells["season"].where(usual.isna(), usual)
    full = cells[cells["tenure"] >= steps].groupby(PLACE)[["amount", "exposure"]].sum()
    full = full[(full["exposure"] >= _LEAST_FULL_YEARS) & (full["amount"] > 0)]
    level = (full["amount"] / full["exposure"]).rename("level").reset_index()
    early = cells.assign(base=base)[cells["tenure"].between(0, steps)].merge(level, on=PLACE)
    early["usual"] = early["level"] * early["base"]
    shared = (levels.season.groupby("product_line")["error"].mean() * levels.mix).sum()
    rows = []
    for month in range(steps + 1):
        part = early[(early["tenure"] == month) & (early["usual"] > 0)]
        if part.empty:
            continue
        share = part["amount"].sum() / part["usual"].sum()
        off = part["amount"] - share * part["usual"]
        n = len(part)
        error = np.sqrt((off**2).sum() * n / (n - 1)) / part["usual"].sum() if n > 1 else np.nan
        error = np.hypot(error, share * shared)
        wide = error * float(student.ppf(HIGH, n - 1)) if n > 1 else np.nan
        stated = float(ramp_at(inputs.settings.ramp, np.array([month]))[0])
        low = float(np.maximum(0.0, share - wide))
        rows.append((month + 1, share, low, share + wide, stated, n))
    return pd.DataFrame(rows, columns=list(RAMP_COLUMNS))
