"""Why everybody's suggestion is what it is, as a person would say it at the table."""

from __future__ import annotations

from math import isfinite, isnan, nan
from typing import Any

import pandas as pd

from planning_kit.agreement.state import CLOSED

LOCKED = "locked: stays at the top-down goal"
_NEEDED = (
    *("rep_id", "goal", "proposed", "adjusted", "suggested", "low", "high"),
    *("status", "stays", "held_by"),
)
_PAST = ("periods", "years", "proposed", "actual", "factor")
_ENOUGH = 2  # years from which a person's own past says something


def reasons(
    offers: pd.DataFrame,
    bias: pd.DataFrame | None,
    past_goals: pd.DataFrame | None,
    missing: float,
) -> list[str]:
    """Say in words why everybody's suggestion is what it is.

    Parameters
    ----------
    offers
        By ``rep_id``: ``goal``, ``proposed``, ``adjusted``, ``suggested``, ``low`` and ``high`` (of
        goal and proposal; plan currency), ``status``, ``stays``, ``held_by``.
    bias
        From `planning_kit.review.proposal_bias`; None: nobody proposed before.
    past_goals
        By ``rep_id``: ``years``, ``goal`` and ``actual``; None: not known.
    missing
        What all suggestions lack; below 0: what they have too much. Plan currency.
    """
    told = _joined(offers[list(_NEEDED)], bias, _PAST, "said_")
    told = _joined(told, past_goals, ("years", "goal", "actual"), "set_")
    lack = ""
    if missing:
        lack = f"; even so {abs(missing):,.2f} are {'still to find' if missing > 0 else 'too much'}"
    table: Any = told
    return [_reason(row, lack) for row in table.itertuples(index=False)]


def _joined(
    offers: pd.DataFrame, more: pd.DataFrame | None, names: tuple[str, ...], prefix: str
) -> pd.DataFrame:
    given = pd.DataFrame(columns=["rep_id"]) if more is None else more
    columns = given.set_index("rep_id").reindex(columns=list(names)).reindex(offers["rep_id"])
    return offers.assign(**{f"{prefix}{n}": columns[n].to_numpy("float64") for n in names})


def _reason(row: Any, lack: str) -> str:
    if isnan(row.goal):
        return "nobody planned a goal here"
    if row.stays:
        return f"{row.status}: stays as agreed" if row.status in CLOSED else LOCKED
    parts = [_place(row)]
    if not row.low <= row.suggested <= row.high:
        parts[0] += ", beyond both numbers, to make up for what is agreed with others"
    if row.held_by:
        parts.append(f"held by {row.held_by}")
    if not isnan(row.proposed):
        parts.append(_your_side(row))
    return "; ".join([*parts, _our_side(row)]) + lack


def _place(row: Any) -> str:
    """Say where the suggestion lies."""
    from_goal, from_proposal = row.suggested - row.goal, row.suggested - row.proposed
    if isnan(row.proposed):
        stands = "no proposal yet: the top-down goal stands"
        return f"no proposal yet: {_away(from_goal)} the top-down goal" if from_goal else stands
    if not from_proposal:
        return "your proposal stands"
    if not from_goal:
        return f"the top-down goal stands, {_away(from_proposal)} your proposal"
    return f"{_away(from_proposal)} your proposal and {_away(from_goal)} the top-down goal"


def _away(amount: float) -> str:
    return f"{abs(amount):,.10g} {'above' if amount > 0 else 'below'}"


def _your_side(row: Any) -> str:
    """Say what past proposals of this person were worth."""
    if isnan(row.said_years):
        told = "no past proposals of yours are known: cannot tell how good they are"
    else:
        periods, years = int(row.said_periods), int(row.said_years)
        was = "your last proposal was" if periods == 1 else f"your last {periods} proposals were"
        told = f"{was} {_off(row.said_proposed, row.said_actual)}"
        if years < _ENOUGH:
            told += ": one year, cannot tell how good they are"
    if row.adjusted == row.proposed:
        return told
    factor = row.adjusted / row.proposed if isnan(row.said_factor) else row.said_factor
    whose = "" if row.said_years >= _ENOUGH else " by what the group's were worth"
    return f"{told}, so yours counts as {row.adjusted:,.10g} (times {factor:.2f}{whose})"


def _our_side(row: Any) -> str:
    """Say what past goals of this person were worth."""
    if isnan(row.set_years):
        return "no past goals of yours are known: cannot tell how good ours are"
    years, off = int(row.set_years), _off(row.set_goal, row.set_actual)
    if years < _ENOUGH:
        return (
            f"the goal set for you in the one year known was {off}: cannot tell how good ours are"
        )
    return f"the goals set for you in the last {years} years were {off}"


def _off(said: float, sold: float) -> str:
    share = said / sold - 1 if sold > 0 else nan
    if not isfinite(share):
        return "not followed by any sales"
    if abs(share) < 0.005:
        return "as high as what you sold"
    return f"{abs(share):.0%} {'above' if share > 0 else 'below'} what you sold".replace("%", " %")
