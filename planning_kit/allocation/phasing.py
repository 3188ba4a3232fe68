"""Phase goals over months by a seasonal profile, so that every sum stays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from planning_kit.allocation.cells import Array, Codes, label_columns
from planning_kit.messages import DataError, require_labels, shorten
from planning_kit.numbers.rounding import round_chain, round_chains, whole_range
from planning_kit.numbers.units import from_units


def phase(
    goals: pd.DataFrame, profile: pd.DataFrame, unit: float, *, by: str = "rep_id"
) -> pd.DataFrame:
    """Phase goals over the months of a profile, exact to the unit.

    Every goal keeps its sum over the months. The months of each ``by`` (by default each person's
    months), and the months of all, move by less than one unit from what the profile asks for.

    Parameters
    ----------
    goals
        Label columns and ``goal`` (plan currency, whole units; empty: nobody planned it, every
        month stays empty; 0: every month is 0).
    profile
        Long: ``month``, ``share`` and any label columns of the goals that the season depends on
        (for example ``product_line``); or wide: those label columns and one column a month.
        Shares of one profile need not add to 1.
    unit
        Rounding unit, plan currency.
    by
        Label column whose months are kept, if the goals have it.

    Returns
    -------
    pandas.DataFrame
        The label columns, ``month``, ``goal``; goals in the order given, months in order.

    Raises
    ------
    DataError
        A goal is not a multiple of the unit or finds no profile; a share is below 0 or all are 0.

    Examples
    --------
    >>> goals = pd.DataFrame({"rep_id": ["Ann"], "goal": [3.0]})
    >>> profile = pd.DataFrame({"Q1": [0.17], "Q2": [0.23], "Q3": [0.3], "Q4": [0.3]})
    >>> phase(goals, profile, 1).goal.tolist()
    [0.0, 1.0, 1.0, 1.0]
    """
    labels = label_columns(goals)
    keys, months, shares = _read_profile(profile, labels)
    row = _match(goals, labels, keys)
    count = len(months)
    amounts = goals["goal"].to_numpy(dtype=float)
    planned = np.flatnonzero(~np.isnan(amounts))
    order = (
        planned[
            np.lexsort(
                [goals[c].astype(str).to_numpy(dtype=object)[planned] for c in reversed(labels)]
            )
        ]
        if labels
        else planned
    )
    whole = _whole_goals(goals, labels, amounts[order], unit)
    exact = (whole[:, None] * shares[row[order]]).ravel()
    kept = _by_month(goals, by, order, count)
    units = np.full((len(goals), count), np.nan)
    units[order] = _round_months(exact, whole, kept, count).reshape(len(order), count)
    table = goals[labels].loc[goals.index.repeat(count)].reset_index(drop=True)
    table["month"] = np.tile(np.asarray(months, dtype=object), len(goals))
    table["month"] = table["month"].infer_objects()
    flat = units.ravel()
    known = ~np.isnan(flat)
    flat[known] = from_units(flat[known], unit)
    table["goal"] = flat
    return table


def _read_profile(
    profile: pd.DataFrame, labels: list[str]
) -> tuple[pd.DataFrame, list[Any], Array]:
    keys = [name for name in profile.columns if name in labels and name != "month"]
    if "month" in profile and "share" in profile:
        stray = [name for name in profile.columns if name not in (*keys, "month", "share")]
        require_labels(stray, labels, "phase: columns of the profile")
        if profile.duplicated([*keys, "month"]).any():
            raise DataError("phase: the profile has a month more than once.")
        wide = (
            profile.assign(_all=0)
            .pivot(index=[*keys, "_all"], columns="month", values="share")
            .reset_index()
            .drop(columns="_all")
        )
    else:
        wide = profile
    months = [name for name in wide.columns if name not in keys]
    shares = wide[months].to_numpy(dtype=float)
    shares = np.where(np.isnan(shares), 0.0, shares)
    sums = shares.sum(axis=1, keepdims=True)
    if not len(months) or (shares < 0).any() or not np.isfinite(sums).all() or (sums <= 0).any():
        raise DataError("phase: every profile needs shares of 0 or more that are not all 0.")
    return wide[keys].reset_index(drop=True), months, shares / sums


def _match(goals: pd.DataFrame, labels: list[str], keys: pd.DataFrame) -> Codes:
    names = list(keys.columns)
    if not names:
        if len(keys) != 1:
            raise DataError("phase: the profile has several rows but no label column of the goals.")
        return np.zeros(len(goals), dtype=np.int64)
    known = keys.astype(str).assign(_row=np.arange(len(keys)))
    if known.duplicated(names).any():
        raise DataError(f"phase: more than one profile for the same {' / '.join(names)}.")
    row = goals[names].astype(str).merge(known, on=names, how="left")["_row"].to_numpy()
    if np.isnan(row).any():
        missing = goals.loc[np.isnan(row), names].astype(str).agg(" / ".join, axis=1).unique()
        raise DataError(
            f"phase: no profile for {len(missing)} {' / '.join(names)}: {shorten(missing)}."
        )
    return row.astype(np.int64)


def _whole_goals(goals: pd.DataFrame, labels: list[str], amounts: Array, unit: float) -> Codes:
    low, high = whole_range(amounts / unit)
    if (low != high).any():
        raise DataError(
            f"phase: {int((low != high).sum())} goals are not a multiple of "
            f"{unit:,.10g}; round them first."
        )
    return low


def _by_month(goals: pd.DataFrame, by: str, order: Codes, count: int) -> Codes | None:
    """Give each cell the number of its person and month; None where every person has one goal."""
    if by not in goals:
        return None
    person = pd.factorize(goals[by].astype(str).to_numpy(dtype=object)[order], sort=True)[0]
    if len(np.unique(person)) == len(person):
        return None
    return (
        np.tile(np.arange(count), len(order)) * (person.max() + 1) + np.repeat(person, count)
    ).astype(np.int64)


def _round_months(exact: Array, whole: Codes, kept: Codes | None, count: int) -> Codes:
    goal = np.repeat(np.arange(len(whole)), count)
    month = np.tile(np.arange(count), len(whole)).astype(np.int64)
    other = [month] if kept is None else [month, kept]
    found = round_chains(exact, [goal], other, int(whole.sum()))
    return round_chain(exact, [goal], int(whole.sum())) if found is None else found
