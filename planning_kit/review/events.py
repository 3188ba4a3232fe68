"""What an event did to the territories it touched, against those it did not touch."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, islice
from math import comb
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm, t

from planning_kit.data import Region, cached
from planning_kit.plan import add_months
from planning_kit.review.factors import capacity
from planning_kit.review.periods import year_windows

EVENT_COLUMNS = (
    "event_id",
    "kind",
    "starts_on",
    "months",
    "affected",
    "unaffected",
    "effect_share",
    "low_share",
    "high_share",
    "p",
    "effect_amount",
    "pre_trend_share",
    "pre_trend_p",
    "adjusted_share",
    "verdict",
    "note",
)
PATH_COLUMNS = (
    "event_id",
    "month",
    "months_after",
    "affected_share",
    "unaffected_share",
    "difference_share",
)
LEVEL = 0.9
SHUFFLES = 4999
LEAST_ARRANGEMENTS = 40  # fewer ways to choose the touched territories give no interval
NO_EFFECT = 0.05  # an interval inside this share of sales counts as no effect


@dataclass(frozen=True)
class _Study:
    """One event: its months, and which territories it touched, or why it cannot be studied."""

    event_id: str
    kind: str
    starts_on: pd.Timestamp
    months: tuple[pd.Timestamp, ...]
    touched: frozenset[str]
    compared: frozenset[str]


@cached
def event_effects(inputs: Region) -> pd.DataFrame:
    """Measure events by the change of touched territories against that of all others.

    Difference in differences: the log change of each territory's sales from the same months a
    year before, averaged over the touched territories, minus the average of those that no event
    touched. Where the roster is known, sales are taken per productive month of the territory, so
    that an empty seat does not pass as the event (``adjusted_share`` is how much that moved the
    effect). The 90 % interval comes from placebos: what the difference would be if other
    territories had been called touched. The same a year earlier is the pre-trend.

    Parameters
    ----------
    inputs
        A region or the company; needs events, and sales with territories. In one region few
        territories are compared: the company's result is the firmer one.

    Returns
    -------
    DataFrame
        One row an event: ``effect_share`` (-0.12 is 12 % less), its interval, ``p`` of the
        placebo test, ``effect_amount`` (sales lost or won by it in its months, plan currency) and
        a ``verdict``: lost sales, gained sales, no effect seen, or cannot tell, with a ``note``
        why. No rows without events.
    """
    seats = capacity(inputs) if len(inputs.assignments) and len(inputs.events) else None
    rows = [_measure(inputs, study, seats) for study in _studies(inputs)]
    return pd.DataFrame(rows, columns=list(EVENT_COLUMNS))


def _studies(inputs: Region) -> list[_Study]:
    events = inputs.events.sort_values(["event_id", "starts_on"])
    known = set(inputs.sales["territory_id"].dropna())
    studies = []
    for event_id, rows in events.groupby("event_id", sort=True):
        everywhere = rows["territory_id"].isna().any()
        touched = known if everywhere else known & set(rows["territory_id"])
        months = _months(inputs, rows["starts_on"].min(), rows["ends_on"].max(skipna=False))
        others = events[events["event_id"] != event_id]
        clash = _clashing(others, months)
        kind = rows["kind"].dropna()
        name = str(kind.iloc[0]) if len(kind) else ""
        groups = frozenset(touched), frozenset(known - touched - clash)
        studies.append(_Study(str(event_id), name, rows["starts_on"].min(), months, *groups))
    return studies


def _months(
    inputs: Region, starts_on: pd.Timestamp, ends_on: pd.Timestamp
) -> tuple[pd.Timestamp, ...]:
    """Give the whole months of the event inside the data up to the review's end, at most twelve."""
    first = starts_on if starts_on.day == 1 else starts_on + pd.offsets.MonthBegin(1)
    last = year_windows(inputs)[1]
    if pd.notna(ends_on):
        last = min(last, ends_on + pd.Timedelta(days=1) - pd.offsets.MonthBegin(1))
    months = pd.date_range(first.normalize(), last, freq="MS")
    return tuple(months[:12])


def _clashing(others: pd.DataFrame, months: tuple[pd.Timestamp, ...]) -> set[str]:
    """Name the territories that another event touched in the compared months."""
    if not months or others.empty:
        return set()
    begins = months[0] - pd.DateOffset(months=12)
    later = others["ends_on"].isna() | (others["ends_on"] >= begins)
    near = others[later & (others["starts_on"] <= months[-1] + pd.offsets.MonthEnd(0))]
    return set(near["territory_id"].dropna())


def _changes(inputs: Region, study: _Study, back: int, seats: pd.DataFrame | None) -> pd.Series:
    """Give each territory's log change from the same months a year before."""
    levels = []
    for shift in (back + 12, back):
        months = [pd.Timestamp(add_months(m.date(), -shift)) for m in study.months]
        sales = inputs.sales[inputs.sales["month"].isin(months)]
        level = sales.groupby("territory_id")["amount"].sum()
        if seats is not None:
            held = seats[seats["month"].isin(months)]
            productive = held.groupby("territory_id")["productive"].sum()
            level = level / productive.reindex(level.index).fillna(float(len(months)))
        levels.append(level.replace([np.inf], np.nan))
    before, after = levels
    both = before.index.intersection(after.index)
    both = both[(before[both] > 0) & (after[both] > 0)].sort_values()
    return np.log(after[both]) - np.log(before[both])


def _measure(inputs: Region, study: _Study, seats: pd.DataFrame | None) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(EVENT_COLUMNS, np.nan)
    row |= {
        "event_id": study.event_id,
        "kind": study.kind,
        "starts_on": study.starts_on,
        "months": len(study.months),
        "verdict": "cannot tell",
    }
    changes = _changes(inputs, study, 0, seats) if study.months else pd.Series(dtype=float)
    touched = changes.index.isin(list(study.touched))
    kept = touched | changes.index.isin(list(study.compared))
    changes, touched = changes[kept], touched[kept]
    row |= {"affected": int(touched.sum()), "unaffected": int((~touched).sum())}
    row["note"] = _too_little(study, changes, touched)
    if row["note"]:
        return row
    effect, low, high, p = _compare(changes.to_numpy(), touched, inputs.settings.seed)
    plain = _changes(inputs, study, 0, None).reindex(changes.index)
    moved = np.expm1(effect) - np.expm1(plain[touched].mean() - plain[~touched].mean())
    row |= {
        "effect_share": np.expm1(effect),
        "low_share": np.expm1(low),
        "p": p,
        "high_share": np.expm1(high),
        "adjusted_share": moved,
    }
    sales = inputs.sales
    here = sales["month"].isin(study.months) & sales["territory_id"].isin(study.touched)
    row["effect_amount"] = float(sales.loc[here, "amount"].sum() * (1 - np.exp(-effect)))
    row |= _pre_trend(inputs, study, seats)
    return row | _verdict(row)


def _too_little(study: _Study, changes: pd.Series, touched: np.ndarray) -> str:
    if not study.months:
        return "it has no whole month before the end of the reviewed period"
    if not study.touched:
        return "it touched no territory with sales here"
    if not study.compared:
        return "it touches all territories: nothing is left to compare with"
    ways = comb(len(changes), int(touched.sum()))
    if not touched.any() or touched.all() or ways < LEAST_ARRANGEMENTS:
        counts = f"{int(touched.sum())} touched and {int((~touched).sum())} other territories"
        return f"{counts} with sales in both years are too few to compare"
    return ""


def _compare(
    changes: np.ndarray, touched: np.ndarray, seed: int
) -> tuple[float, float, float, float]:
    """Give effect, interval and p by calling other territories touched.

    The interval uses what is left after each group's own mean; two means were estimated, which
    the shuffled residuals do not know, hence the two corrections.
    """
    count, few = len(changes), int(touched.sum())
    marks = _arrangements(count, few, seed)
    effect = changes[touched].mean() - changes[~touched].mean()
    left = changes - np.where(touched, changes[touched].mean(), changes[~touched].mean())
    placebo = _differences(marks, left)
    widen = np.sqrt((count - 1) / (count - 2)) * t.ppf(0.95, count - 2) / norm.ppf(0.95)
    half = float(np.quantile(np.abs(placebo), LEVEL)) * widen
    chance = float(np.mean(np.abs(_differences(marks, changes)) >= abs(effect) - 1e-12))
    return float(effect), float(effect - half), float(effect + half), chance


def _arrangements(count: int, few: int, seed: int) -> np.ndarray:
    """Give rows that mark which territories are called touched: all ways, or many at random."""
    if comb(count, few) <= SHUFFLES:
        chosen = np.array(list(islice(combinations(range(count), few), SHUFFLES)))
        marks = np.zeros((len(chosen), count), dtype=bool)
        np.put_along_axis(marks, chosen, True, axis=1)
        return marks
    first = np.arange(count) < few
    return np.random.default_rng(seed).permuted(np.tile(first, (SHUFFLES, 1)), axis=1)


def _differences(marks: np.ndarray, changes: np.ndarray) -> np.ndarray:
    few = marks.sum(axis=1)
    inside = marks @ changes
    return inside / few - (changes.sum() - inside) / (len(changes) - few)


def _pre_trend(inputs: Region, study: _Study, seats: pd.DataFrame | None) -> dict[str, float]:
    changes = _changes(inputs, study, 12, seats)
    touched = changes.index.isin(list(study.touched))
    kept = touched | changes.index.isin(list(study.compared))
    changes, touched = changes[kept], touched[kept]
    if _too_little(study, changes, touched):
        return {}
    effect, _, _, p = _compare(changes.to_numpy(), touched, inputs.settings.seed)
    return {"pre_trend_share": float(np.expm1(effect)), "pre_trend_p": p}


def _verdict(row: dict[str, Any]) -> dict[str, str]:
    low, high = float(row["low_share"]), float(row["high_share"])
    if float(row["pre_trend_p"]) < 1 - LEVEL:
        text = f"the territories moved apart by {float(row['pre_trend_share']):+.1%} a year earlier"
        return {"verdict": "cannot tell", "note": text}
    if high < 0 or low > 0:
        return {"verdict": "lost sales" if high < 0 else "gained sales"}
    if low > -NO_EFFECT and high < NO_EFFECT:
        return {"verdict": "no effect seen"}
    return {
        "verdict": "cannot tell",
        "note": f"the interval reaches from {low:+.1%} to {high:+.1%}",
    }


def event_path(inputs: Region) -> pd.DataFrame:
    """Show month by month how touched and other territories changed from a year before.

    Returns
    -------
    DataFrame
        For each event twelve months before its start and its months: the change of both groups'
        sales from the same month a year before, and the difference, as shares. Months without
        sales a year before are left out.
    """
    sold = inputs.sales.pivot_table(
        index="month", columns="territory_id", values="amount", aggfunc="sum"
    )
    studies = _studies(inputs)
    if not studies or sold.empty:
        return pd.DataFrame(columns=list(PATH_COLUMNS))
    sold = sold.reindex(pd.date_range(sold.index.min(), sold.index.max(), freq="MS"))
    last = year_windows(inputs)[1]
    return pd.concat([_path(sold, study, last) for study in studies], ignore_index=True)


def _path(sold: pd.DataFrame, study: _Study, last: pd.Timestamp) -> pd.DataFrame:
    start = study.starts_on.to_period("M").to_timestamp()
    months = pd.date_range(start - pd.DateOffset(months=12), periods=24, freq="MS")
    months = months[months <= last]
    path = pd.DataFrame({"event_id": study.event_id, "month": months})
    path["months_after"] = range(-12, len(months) - 12)
    for name, group in (("affected", study.touched), ("unaffected", study.compared)):
        total = sold[sorted(group)].sum(axis=1, min_count=1)
        change = total / total.shift(12).where(total.shift(12) > 0) - 1
        path[f"{name}_share"] = change.reindex(months).to_numpy()
    path["difference_share"] = (1 + path["affected_share"]) / (1 + path["unaffected_share"]) - 1
    return path.dropna(ignore_index=True)
