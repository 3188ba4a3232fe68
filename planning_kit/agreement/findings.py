"""What stands between a negotiation and goals that can be published."""

from __future__ import annotations

import pandas as pd

from planning_kit.agreement.evidence import LEAST_COVERAGE
from planning_kit.agreement.goals import Goals
from planning_kit.agreement.reasons import LOCKED
from planning_kit.agreement.state import CLOSED
from planning_kit.messages import finding, findings_table, shorten
from planning_kit.numbers.units import from_units, to_units

_NO_ROOM = "Reopen an agreement, release a lock or a limit, or change the target."
SETTLED = ("accepted", "escalated", "decided")


def still_open(state: pd.DataFrame, people: pd.Series | None = None) -> list[str]:
    """Name everybody who has neither accepted nor been escalated or decided.

    Parameters
    ----------
    state
        From `planning_kit.agreement.play_log`.
    people
        Ids that have to be through; those the state does not know are open. None: all of the
        state.
    """
    settled = set(state.loc[state["status"].isin(SETTLED), "rep_id"])
    return sorted(set(state["rep_id"] if people is None else people.dropna()) - settled)


def agreement_findings(
    state: pd.DataFrame,
    goals: Goals,
    events: pd.DataFrame | None = None,
    offers: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Say who is open, which goals stand on thin evidence, and what the total lacks.

    Parameters
    ----------
    state
        From `planning_kit.agreement.play_log`.
    goals
        The goals that stand with that state.
    events
        Lines of the log; with them, notes on open goals are listed too.
    offers
        From `planning_kit.agreement.counter_offers`; with them, it is said where the open people
        cannot take in what is missing.

    Returns
    -------
    pandas.DataFrame
        Findings.
    """
    people = pd.Series(goals.people(), dtype="str")
    known = state[state["rep_id"].isin(people)].set_index("rep_id")
    waiting = still_open(state, people)
    rows = _total_findings(goals, waiting, offers)
    count = len(people)
    if waiting:
        message = f"{len(waiting)} of {count} people are still open: {shorten(waiting)}."
        rows.append(
            _row("open", "review", message, "Accept, counter or escalate before publishing.")
        )
    else:
        rows.append(_row("open", "pass", f"all {count} people accepted, or were escalated."))
    if count and not known["proposed"].notna().any():
        message = "nobody has proposed a goal for the coming period: the top-down goals stand."
        advice = "Needed: forms read back, or the table `proposals` with rows inside the period."
        rows.append(_row("proposals", "review", message, advice))
    if goals.off_hold:
        many = len(goals.off_hold)
        message = (
            f"the agreed goals of {many} {'person' if many == 1 else 'people'} leave no room for "
            f"held cells, which moved with the others: {shorten(goals.off_hold)}."
        )
        rows.append(_row("hold", "review", message, "Release the hold, or reopen the agreement."))
    rows += _evidence_findings(known)
    if len(held := known.index[known["status"] == "escalated"]):
        message = f"{len(held)} goals wait for a decision: {shorten(held)}; top-down goals stand."
        rows.append(_row("escalated", "review", message, "Decide them, with a reason."))
    if events is not None:
        rows += _note_findings(events, set(waiting))
    return findings_table(rows)


def _row(name: str, status: str, message: str, advice: str = "") -> dict[str, str]:
    return finding(f"agreement.{name}", status, "agreement", message, advice)


def _total_findings(
    goals: Goals, waiting: list[str], offers: pd.DataFrame | None
) -> list[dict[str, str]]:
    target = goals.allocated()
    room = [] if offers is None else _room_findings(offers, goals.unit)
    if not (gap := goals.gap(target)):
        message = f"the goals that stand add up to the target {target:,.2f}."
        return [_row("total", "pass", message), *room]
    side, rest = ("more", "too much") if gap > 0 else ("less", "still to find")
    message = (
        f"the goals that stand add up to {abs(gap):,.2f} {side} than the target {target:,.2f}: "
        f"that much is {rest}."
    )
    advice = "Counter-offers to the open people take this in; or reopen a goal, or the target."
    status = "review" if waiting else "fail"
    return [_row("total", status, message, advice if waiting and not room else _NO_ROOM), *room]


def _room_findings(offers: pd.DataFrame, unit: float) -> list[dict[str, str]]:
    """Say where goals that stay leave the others more, or less, than they can carry."""
    offers = offers[offers["goal"].notna()]
    stays = offers["status"].isin(CLOSED) | offers["reason"].eq(LOCKED)
    units = {name: to_units(offers[name], unit) for name in ("goal", "suggested")}
    left = int(units["goal"].sum() - units["suggested"][stays].sum())
    carried = int(units["suggested"][~stays].sum())
    if left == carried or stays.all():
        return []
    amounts = [from_units(amount, unit) for amount in (left, carried, abs(left - carried))]
    side, rest = ("most", "still to find") if left > carried else ("least", "too much")
    message = (
        f"{stays.sum()} people whose goals stay ({shorten(offers['rep_id'][stays])}) leave "
        f"{amounts[0]:,.2f} for the other {(~stays).sum()}, who carry {amounts[1]:,.2f} at {side}: "
        f"{amounts[2]:,.2f} {rest}."
    )
    return [_row("room", "fail", message, _NO_ROOM)]


def _evidence_findings(known: pd.DataFrame) -> list[dict[str, str]]:
    proposed = known[known["proposed"] > 0]
    rows = []
    if len(bare := proposed.index[proposed["coverage"].isna()]):
        message = f"{len(bare)} of {len(proposed)} proposals have no evidence: {shorten(bare)}."
        rows.append(
            _row("evidence", "review", message, "Ask for accounts, amounts, probabilities.")
        )
    thin = proposed.index[proposed["coverage"] < LEAST_COVERAGE]
    if len(thin):
        named = [f"{r} {proposed.loc[r, 'coverage']:.0%}" for r in thin]
        message = (
            f"the evidence of {len(thin)} people covers less than {LEAST_COVERAGE:.0%} of the "
            f"goal: {shorten(named)}."
        )
        rows.append(
            _row("evidence_coverage", "review", message, "Ask where the rest is to come from.")
        )
    return rows


def _note_findings(events: pd.DataFrame, waiting: set[str]) -> list[dict[str, str]]:
    notes = events[(events["kind"] == "note") & events["rep_id"].isin(waiting)]
    if notes.empty:
        return []
    named = [f"{n.rep_id}: {n.reason}" for n in notes.sort_values("sequence").itertuples()]
    message = f"{len(named)} notes on open goals: {shorten(named)}."
    return [_row("notes", "review", message, "Read them with the person.")]
