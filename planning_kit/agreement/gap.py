"""What can be done where the goals that stand miss the target: who has room, what else it takes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from planning_kit.agreement.goals import Goals
from planning_kit.agreement.state import CLOSED
from planning_kit.messages.amounts import share_text
from planning_kit.numbers.units import from_units, to_units

GAP_COLUMNS = ("option", "rep_id", "amount", "coverage", "takes", "words")


def gap_options(
    goals: Goals, state: pd.DataFrame, target: float, chances: pd.DataFrame
) -> pd.DataFrame:
    """Say what is missing, who has room by which evidence, and what the two other ways out do.

    Room is what the evidence is worth (probability times amount) beyond the goal that stands. Open
    people come first, with the most room first, then those who accepted and whose evidence covers
    more than their goal. Somebody open without evidence is listed too: nobody can tell.

    Parameters
    ----------
    goals
        The goals that stand.
    state
        From `planning_kit.agreement.play_log`.
    target
        What the goals should add up to, plan currency.
    chances
        By ``plan`` (``stands``: these goals and this target; ``over``: everybody's goal raised
        alike up to the target; ``lower``: what stands is the target): ``target_chance`` and
        ``share_reaching`` (of the people their own goal), from an `planning_kit.outlook.Outlook`.

    Returns
    -------
    pandas.DataFrame
        ``option`` (missing, open, accepted, over-assign, lower the target), ``rep_id``, ``amount``
        (missing; room; what over-assignment adds; the lower target), ``coverage`` (evidence over
        goal or proposal), ``takes`` (how much of what is missing, in this order), ``words``. Plan
        currency. One row where nothing is missing.

    Examples
    --------
    >>> from planning_kit.agreement import standing_goals
    >>> goals = standing_goals(pd.DataFrame({"rep_id": ["ann", "bob"], "goal": [80.0, 200.0]}), 10)
    >>> said = {"rep_id": ["ann", "bob"], "status": "proposed", "proposed": [80.0, 180.0]}
    >>> state = pd.DataFrame(said).assign(agreed=float("nan"), coverage=[1.5, float("nan")])
    >>> odds = {"target_chance": [0.4, 0.4, 0.6], "share_reaching": [0.5, 0.4, 0.5]}
    >>> odds = pd.DataFrame(odds, index=["stands", "over", "lower"])
    >>> gap_options(goals, state, 300, odds)[
    ...     ["option", "rep_id", "amount", "takes"]
    ... ].values.tolist()[:2]
    [['missing', '', 20.0, 0.0], ['open', 'ann', 40.0, 20.0]]
    """
    missing = 0.0 - goals.gap(target)
    if missing <= 0:
        words = f"{-missing:,.10g} more than the target stand" if missing else "nothing is missing"
        rows = [("missing", "", missing, np.nan, 0.0, words)]
        return pd.DataFrame(rows, columns=list(GAP_COLUMNS))
    words = f"the goals that stand add up to {goals.standing():,.10g} of {target:,.10g}"
    head = [("missing", "", missing, np.nan, 0.0, words)]
    rest = [_over(goals, missing, chances), _lower(goals, chances)]
    columns = list(GAP_COLUMNS)
    parts = [pd.DataFrame(head, columns=columns), _people(goals, state, missing)]
    return pd.concat([*parts, pd.DataFrame(rest, columns=columns)], ignore_index=True)


def _people(goals: Goals, state: pd.DataFrame, missing: float) -> pd.DataFrame:
    """List who could take some of it, in the order in which to ask them."""
    people = goals.by("rep")[["rep_id", "goal"]].dropna().merge(state, on="rep_id", how="left")
    people["closed"] = people["status"].isin(CLOSED)
    said = people["agreed"].fillna(people["proposed"])
    room = to_units((people["coverage"] * said - people["goal"]).fillna(0.0), goals.unit)
    has_evidence = people["coverage"].notna()
    people["amount"] = from_units(room.clip(lower=0), goals.unit).where(has_evidence)
    asked = ~people["closed"] | ((people["coverage"] > 1) & (people["amount"] > 0))
    people = people[asked].sort_values(
        ["closed", "amount", "rep_id"], ascending=[True, False, True], ignore_index=True
    )
    before = people["amount"].fillna(0.0).cumsum().shift(fill_value=0.0)
    people["takes"] = people["amount"].fillna(0.0).clip(upper=(missing - before).clip(lower=0.0))
    people["option"] = people["closed"].map({True: "accepted", False: "open"}).astype("str")
    people["words"] = [
        "no evidence: cannot tell how much room there is"
        if cover != cover
        else f"evidence covers {cover:.0%} of what was {'agreed' if closed else 'proposed'}"
        + ("" if room > 0 else ", and is worth no more than the goal")
        for cover, closed, room in people[["coverage", "closed", "amount"]].to_numpy()
    ]
    return people[list(GAP_COLUMNS)]


def _over(goals: Goals, missing: float, chances: pd.DataFrame) -> tuple[object, ...]:
    before, after = chances["share_reaching"]["stands"], chances["share_reaching"]["over"]
    by = missing / goals.standing() if goals.standing() else np.nan
    words = (
        f"everybody's goal {share_text(by)} higher: {share_text(after, 0)} of the people would reach "
        f"it instead of {share_text(before, 0)}; the chance of the target stays "
        f"{share_text(chances['target_chance']['stands'], 0)}"
    )
    return ("over-assign", "", missing, np.nan, missing, words)


def _lower(goals: Goals, chances: pd.DataFrame) -> tuple[object, ...]:
    before, after = chances["target_chance"]["stands"], chances["target_chance"]["lower"]
    words = (
        f"a target of {goals.standing():,.10g}, what stands: the chance of reaching it is "
        f"{share_text(after, 0)} instead of {share_text(before, 0)}"
    )
    return ("lower the target", "", goals.standing(), np.nan, 0.0, words)
