"""What an event did to the territories it touched, against those it did not touch."""

from __future__ import annotations

from dataclasses import dataclass
from math import comb
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t

from planning_kit.data import Region, cached
from planning_kit.numbers.statistics import permutation_p
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
    year before, touched territories against those that no event touched. A region has good and
    bad years of its own: the more so, the more a territory is compared inside its region only (a
    random effect); an event that touches whole regions is compared between regions, one number
    each. Where the roster is known, sales are taken per productive month of the territory, so
    that an empty seat does not pass as the event (``adjusted_share`` is how much that moved the
    effect). Touched territories may move more unevenly than others: the 90 % interval is
    Student's with the error and degrees of freedom of Bell and McCaffrey (2002) for two
    variances, without regions about Welch's. ``p`` shuffles what is left without the event. The
    same a year earlier is the pre-trend.

    Parameters
    ----------
    inputs
        A region or the company; needs events, and sales with territories. In one region few
        territories are compared: the company's result is the firmer one.

    Returns
    -------
    DataFrame
        One row an event: the territories compared (``affected``, ``unaffected``),
        ``effect_share`` (-0.12: the typical touched territory sold 12 % less), its interval, ``p``
        of the placebo test, ``effect_amount`` (this share applied to what the affected sold in its
        months: sales lost or won by it, plan currency) and a ``verdict``: lost sales, gained
        sales, no effect seen, or cannot tell, with a ``note`` why. No rows without events.
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
    table = _sides(inputs, study, 0, seats)
    row["affected"] = int(table["touched"].sum())
    row["unaffected"] = len(table) - row["affected"]
    units = _units(table)
    row["note"] = _too_little(study, table, units)
    if row["note"]:
        return row
    effect, low, high, p = _compare(units, inputs.settings.seed)
    plain = _changes(inputs, study, 0, None).reindex(table.index)
    moved = np.expm1(effect) - np.expm1(_effect(_units(table.assign(change=plain))))
    row |= {
        "effect_share": np.expm1(effect),
        "low_share": np.expm1(low),
        "p": p,
        "high_share": np.expm1(high),
        "adjusted_share": moved,
    }
    sales, affected = inputs.sales, table.index[table["touched"]]
    here = sales["month"].isin(study.months) & sales["territory_id"].isin(affected)
    row["effect_amount"] = float(sales.loc[here, "amount"].sum() * (1 - np.exp(-effect)))
    row |= _pre_trend(inputs, study, seats)
    verdict = _verdict(row)
    left_out = len(study.touched) - row["affected"]
    said = f"{left_out} touched territories could not be compared" if left_out else ""
    row["note"] = "; ".join(note for note in (verdict.pop("note", ""), said) if note)
    return row | verdict


def _sides(inputs: Region, study: _Study, back: int, seats: pd.DataFrame | None) -> pd.DataFrame:
    """Give change, side (``touched``) and region of the territories to compare."""
    changes = _changes(inputs, study, back, seats) if study.months else pd.Series(dtype=float)
    changes = changes[changes.index.isin(list(study.touched | study.compared))]
    region = inputs.territories.drop_duplicates("territory_id").set_index("territory_id")["region"]
    table = pd.DataFrame({"change": changes, "touched": changes.index.isin(list(study.touched))})
    return table.assign(region=region.reindex(changes.index).fillna("").astype("str"))


def _units(table: pd.DataFrame) -> pd.DataFrame:
    """Give what is compared: territories, or regions where each is touched wholly or not at all."""
    sides = table.groupby("region")["touched"].nunique()
    if len(sides) < 2 or (sides > 1).any():
        return table
    means = table.groupby("region")[["change", "touched"]].mean()
    return means.reset_index(drop=True).assign(region="")


def _too_little(study: _Study, table: pd.DataFrame, units: pd.DataFrame) -> str:
    if not study.months:
        return "it has no whole month before the end of the reviewed period"
    if not study.touched:
        return "it touched no territory with sales here"
    if not study.compared:
        return "it touches all territories: nothing is left to compare with"
    few, count = int(units["touched"].sum()), len(units)
    least = 2 if units["region"].nunique() < 2 else units["region"].nunique() + 3
    enough = 2 <= few <= count - 2 and comb(count, few) >= LEAST_ARRANGEMENTS and count >= least
    if enough and _leverage(_design(units)[1]).max() < 1 - 1e-9:
        return ""
    if len(table) > count:
        return (
            f"it touched whole regions, {few} of {count}: too few to tell it from what regions do "
            "by themselves"
        )
    counts = f"{few} touched and {count - few} other territories"
    return f"{counts} with sales in both years are too few to compare"


def _design(units: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Give changes and causes, the event last, so that what regions share is taken off.

    Three regions or more: a part of each region's mean is taken off, by how much more regions
    differ than their territories explain (random effect, Swamy and Arora 1972). Two: the whole
    mean.
    """
    change = units["change"].to_numpy()
    mark = units["touched"].to_numpy(dtype=float)
    marks = pd.get_dummies(units["region"]).to_numpy(dtype=float)
    sizes = marks.sum(axis=0)
    if len(sizes) < 3:
        return change, np.column_stack([marks, mark])
    means = [marks.T @ values / sizes for values in (change, mark)]
    inside, here = change - marks @ means[0], mark - marks @ means[1]
    weight = np.sum(here**2)
    effect = here @ inside / weight
    free = len(change) - len(sizes) - 1
    noise = max(np.sum((inside - effect * here) ** 2) / free, 1e-18)
    rest = means[0] - effect * means[1]
    rest, share = (x - np.average(x, weights=sizes) for x in (rest, means[1]))
    free = len(sizes) - 1
    between = np.sum(sizes * rest**2) - noise * (free + np.sum(sizes * share**2) / weight)
    between = max(0.0, between / (sizes.sum() - np.sum(sizes**2) / sizes.sum()))
    kept = 1 / np.sqrt(1 + sizes * between / noise)
    off = [marks @ ((1 - kept) * mean) for mean in means]
    return change - off[0], np.column_stack([marks @ kept, mark - off[1]])


def _leverage(causes: np.ndarray) -> np.ndarray:
    return np.asarray(np.einsum("ij,ji->i", causes, np.linalg.pinv(causes)))


def _compare(units: pd.DataFrame, seed: int) -> tuple[float, float, float, float]:
    """Give effect, interval and p; see `event_effects`."""
    change, causes = _design(units)
    weights = np.linalg.pinv(causes)
    left_over = np.eye(len(change)) - causes @ weights
    turn = weights[-1] / np.sqrt(1 - _leverage(causes))

    def measured(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        error = np.sqrt((rows @ left_over) ** 2 @ turn**2)
        return rows @ weights[-1], np.maximum(error, 1e-9)

    effect, error = (float(x[0]) for x in measured(change[None, :]))
    # The squared error is a sum of chi squares: as many degrees of freedom as its mean and
    # variance have, if all units are alike uneven or by their sides, whichever are fewer.
    uneven = pd.Series((left_over @ change) ** 2 / (1 - _leverage(causes)))
    sides = uneven.groupby(units["touched"].to_numpy() > 0).transform("mean").to_numpy()
    spread = turn[:, None] * left_over * turn
    alike, by_side = (spread * each for each in (1.0, np.maximum(sides, 1e-18)))
    free = min(np.trace(one) ** 2 / np.sum(one * one.T) for one in (alike, by_side))
    half = float(t.ppf(0.5 + LEVEL / 2, free)) * error
    usual = causes[:, :-1]
    without = change - usual @ np.linalg.lstsq(usual, change, rcond=None)[0]
    p = permutation_p(lambda rows: np.abs(np.divide(*measured(rows))), without, seed)
    return effect, effect - half, effect + half, p


def _effect(units: pd.DataFrame) -> float:
    change, causes = _design(units)
    return float(np.linalg.pinv(causes)[-1] @ change)


def _pre_trend(inputs: Region, study: _Study, seats: pd.DataFrame | None) -> dict[str, float]:
    table = _sides(inputs, study, 12, seats)
    units = _units(table)
    if _too_little(study, table, units):
        return {}
    effect, _, _, p = _compare(units, inputs.settings.seed)
    return {"pre_trend_share": float(np.expm1(effect)), "pre_trend_p": p}


def _verdict(row: dict[str, Any]) -> dict[str, str]:
    low, high = float(row["low_share"]), float(row["high_share"])
    if float(row["pre_trend_p"]) < 1 - LEVEL:
        text = f"the territories moved apart by {float(row['pre_trend_share']):+.1%} a year earlier"
        return {"verdict": "cannot tell", "note": text}
    untested = "sales begin too late to see if these territories moved apart before"
    note = untested if pd.isna(row["pre_trend_p"]) else ""
    if high < 0 or low > 0:
        return {"verdict": "lost sales" if high < 0 else "gained sales", "note": note}
    if low > -NO_EFFECT and high < NO_EFFECT:
        return {"verdict": "no effect seen", "note": note}
    note = f"; {note}" if note else ""
    return {
        "verdict": "cannot tell",
        "note": f"the interval reaches from {low:+.1%} to {high:+.1%}{note}",
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
