"""Where both sides can meet: counter-offers that keep the total."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from planning_kit.agreement.goals import check_goals
from planning_kit.agreement.state import CLOSED
from planning_kit.numbers.intervals import deviation
from planning_kit.numbers.movement import least_movement
from planning_kit.numbers.units import from_units
from planning_kit.plan import Settings

OFFER_COLUMNS = (
    "rep_id",
    "goal",
    "proposed",
    "adjusted",
    "gap",
    "suggested",
    "reason",
    "status",
)
LOCKED = "locked: stays at the top-down goal"
LEAST_SPREAD = 0.01  # nobody's past is taken as free of error


def counter_offers(
    allocation_goals: pd.DataFrame,
    state: pd.DataFrame,
    settings: Settings,
    bias: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Suggest a goal between proposal and top-down goal for everybody; the total stays.

    Least movement from the calibrated proposals: sum of (x - calibrated)² / variance is smallest,
    the sum of all x is the sum of the top-down goals, in whole rounding units. What is accepted,
    decided or locked stays. Only where that leaves the others no room between their two numbers
    do they go beyond, within their limits; and where even their limits leave no room, the
    suggestions stand at the limits, their sum misses the top-down goals, and the reasons say by
    how much.

    Parameters
    ----------
    allocation_goals
        As for `standing_goals`, plus, optionally, ``lower`` and ``upper`` (plan currency a cell;
        empty: 0 and none) and ``locked`` (true: stays at its goal).
    state
        From `planning_kit.agreement.play_log`.
    settings
        Rounding unit.
    bias
        What past proposals were worth, from `planning_kit.review.proposal_bias`: a proposal times
        ``factor`` is the expected result, ``low_factor`` to ``high_factor`` its 80 % range.
        People it does not know get the group's mean and the widest range. None: proposals are
        taken as they are, and who moves, moves by the same percentage of the larger number.

    Returns
    -------
    pandas.DataFrame
        By ``rep_id``: ``goal`` (top down), ``proposed``, ``adjusted``, ``gap`` (proposed less
        goal), ``suggested``, ``reason`` in words, ``status``. Plan currency; empty: nobody said it.
    """
    people = _people(check_goals(allocation_goals, settings.rounding_unit), state, settings, bias)
    planned = people[people["goal"].notna()]
    people["suggested"], people["reason"] = np.nan, "nobody planned a goal here"
    solved = _suggest(planned.astype({"goal": "int64"}), settings.rounding_unit)
    people.loc[planned.index, ["suggested", "reason"]] = solved
    people["gap"] = people["proposed"] - people["goal"]
    for name in ("goal", "proposed", "adjusted", "gap", "suggested"):
        whole = people[name].astype("float64")
        people[name] = from_units(whole.fillna(0), settings.rounding_unit).where(whole.notna())
    texts = {"rep_id": "str", "reason": "str", "status": "str"}
    return people.reset_index()[list(OFFER_COLUMNS)].astype(texts)


def _people(
    goals: pd.DataFrame, state: pd.DataFrame, settings: Settings, bias: pd.DataFrame | None
) -> pd.DataFrame:
    """Add up cells to people, in rounding units, and join what was said and what is known."""
    unit = settings.rounding_unit
    locked = (_column(goals, "locked", 0) > 0) | goals["units"].isna()
    cells = goals[["rep_id"]].assign(goal=goals["units"], locked=locked)
    near = 1e-6  # a limit that is a multiple of the unit stays one in spite of binary fractions
    lower, upper = _column(goals, "lower", 0.0) / unit, _column(goals, "upper", np.inf) / unit
    fixed = goals["units"].astype("float64").fillna(0)
    cells["lower"] = np.ceil(lower - near).where(~cells["locked"], fixed)
    cells["upper"] = np.floor(upper + near).where(~cells["locked"], fixed)
    # Limits closer together than a rounding unit leave one whole number: the one above them.
    cells["upper"] = cells["upper"].clip(lower=cells["lower"])
    by = cells.groupby("rep_id")
    people = by[["lower", "upper"]].sum().assign(locked=by["locked"].all())
    people["goal"] = by["goal"].sum(min_count=1)
    said = state.set_index("rep_id").reindex(people.index)
    for name in ("proposed", "agreed"):
        people[name] = (said[name] / unit).round()
    people["status"] = said["status"].fillna("not started")
    past = _past(people.index, bias)
    people["spread"] = past["spread"]
    people["adjusted"] = (people["proposed"] * np.exp(past["bias"])).round()
    return people


def _past(people: pd.Index, bias: pd.DataFrame | None) -> pd.DataFrame:
    """Give bias and standard deviation of ln(result / proposal); no past at all: 0 and empty."""
    if bias is None or bias.empty:
        return pd.DataFrame({"bias": 0.0, "spread": np.nan}, index=people)
    known = bias.set_index("rep_id")[["factor", "low_factor", "high_factor"]].astype("float64")
    logs = np.log(known)
    spread = deviation(logs["low_factor"], logs["high_factor"])
    past = pd.DataFrame({"bias": logs["factor"], "spread": spread.clip(lower=LEAST_SPREAD)})
    middle = {"bias": past["bias"].mean(), "spread": past["spread"].max()}
    return past.reindex(people).fillna(middle)


def _column(goals: pd.DataFrame, name: str, missing: float) -> pd.Series:
    given = goals[name] if name in goals else pd.Series(np.nan, index=goals.index)
    return given.astype("float64").fillna(missing)


def _suggest(people: pd.DataFrame, unit: float) -> pd.DataFrame:
    """Find the suggested goals, in rounding units, with their reasons."""
    closed = people["status"].isin(CLOSED) & people["agreed"].notna()
    stays = closed | people["locked"]
    suggested = people["goal"].where(~closed, people["agreed"]).astype("int64")
    reason = pd.Series(LOCKED, index=people.index)
    reason[closed] = people["status"][closed] + ": stays as agreed"
    room = int(people["goal"].sum() - suggested[stays].sum())
    free = people[~stays]
    box = _box(free, room)
    within = min(max(room, int(box["lower"].sum())), int(box["upper"].sum()))
    box["weight"] = _weights(free)
    box["found"] = least_movement(box["start"], box["weight"], box["lower"], box["upper"], within)
    suggested[free.index] = box["found"]
    reason[free.index] = np.array(_reasons(free, box, (room - within) * unit, unit), dtype=object)
    return pd.DataFrame({"suggested": suggested, "reason": reason})


def _box(free: pd.DataFrame, room: int) -> pd.DataFrame:
    """Give everybody the range between both numbers, or beyond them where that cannot be."""
    lower = free["lower"].clip(lower=0)
    upper = free["upper"].clip(upper=max(room, np.nanmax([0, *free["goal"], *free["proposed"]])))
    goal = free["goal"].clip(lower, upper)
    said = free["proposed"].fillna(free["goal"]).clip(lower, upper)
    low, high = np.minimum(goal, said), np.maximum(goal, said)
    # Nobody is countered beyond both numbers for what the past makes of a proposal.
    start = free["adjusted"].fillna(free["goal"]).clip(low, high)
    box = {"start": start, "lower": low, "upper": high}
    if room > high.sum():
        box = {"start": high, "lower": high, "upper": upper}
    elif room < low.sum():
        box = {"start": low, "lower": lower, "upper": low}
    beyond = room > high.sum() or room < low.sum()
    return pd.DataFrame(box, index=free.index).astype("int64").assign(beyond=beyond)


def _weights(free: pd.DataFrame) -> pd.Series:
    """Give the error variance of everybody's number; without a past it grows with the goal."""
    size = free[["goal", "adjusted"]].max(axis=1).astype("float64")
    return size if free["spread"].isna().any() else (size * free["spread"]) ** 2


def _reasons(free: pd.DataFrame, box: pd.DataFrame, lacking: float, unit: float) -> list[str]:
    """Say in words why everybody's suggestion is what it is."""
    rest = "still to find" if lacking > 0 else "too much"
    lack = f"; even so {abs(lacking):,.2f} are {rest}" if lacking else ""
    moving = (box["found"] > box["lower"]) & (box["found"] < box["upper"])
    share = box["weight"] / (box.loc[moving, "weight"].sum() or 1.0)
    rows = box.assign(moving=moving, share=share, moved=(box["found"] - box["start"]) * unit)
    words = []
    table: Any = rows.join(free[["goal", "proposed"]])
    for row in table.itertuples():
        edges = {row.goal: "the top-down goal", row.proposed: "the proposal"}
        edge = edges.get(row.found, "the limit")
        why = f"because your share of the uncertainty is {row.share:.0%}"
        if not row.moving:
            why = f"{'up' if row.moved > 0 else 'down'} to {edge}"
        if row.beyond:
            why = f"beyond both numbers, to make up for what is agreed with others, {why}"
        elif row.start != row.proposed:
            why = f"from what past results make of the proposal, {why}"
        words.append((f"moved {row.moved:+,.10g} {why}" if row.moved else _stands(row)) + lack)
    return words


def _stands(row: Any) -> str:
    if pd.isna(row.proposed):
        return "no proposal: the top-down goal stands"
    if row.found == row.proposed:
        return "the proposal stands"
    if row.found == row.goal:
        return "past results lift or lower the proposal to the top-down goal"
    return "stands at what past results make of the proposal"
