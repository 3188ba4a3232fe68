"""From what was agreed to the goals that are published, cell by cell and exactly."""

from __future__ import annotations

import json
from decimal import Decimal

import pandas as pd

from planning_kit.messages import DataError, finding, findings_table, shorten
from planning_kit.numbers.movement import split_units
from planning_kit.numbers.units import from_units, to_units

LABELS = ("territory_id", "product_line", "product_id", "account_id", "month")
LEAST_COVERAGE = 0.8  # share of a goal that evidence has to reach, else it is flagged
SETTLED = ("accepted", "escalated", "decided")


def check_goals(allocation_goals: pd.DataFrame, unit: float) -> pd.DataFrame:
    """Check top-down goals and give them sorted by label, with whole ``units``.

    Raises
    ------
    DataError
        A column is missing, a cell stands twice, a goal is negative or no multiple of ``unit``.
    """
    if missing := [name for name in ("rep_id", "goal") if name not in allocation_goals]:
        raise DataError(f"allocation goals: no column {shorten(missing)}.")
    keys = ["rep_id", *(name for name in LABELS if name in allocation_goals)]
    goals = allocation_goals.sort_values(keys, ignore_index=True)
    known = goals["goal"].dropna()
    units = to_units(known, unit)
    twice = goals.loc[goals.duplicated(keys), "rep_id"]
    below = goals.loc[known.index[known < 0], "rep_id"]
    uneven = goals.loc[known.index[(from_units(units, unit) - known).abs() > unit * 1e-6], "rep_id"]
    faults = [
        f"{len(rows)} rows {what}: {shorten(rows.unique())}"
        for rows, what in (
            (twice, f"name the same {', '.join(keys)} again"),
            (below, "are negative"),
            (uneven, f"are no multiple of {unit:g}"),
        )
        if len(rows)
    ]
    if faults:
        raise DataError(f"allocation goals: {'; '.join(faults)}.")
    return goals.assign(units=units.astype("Int64"))


def agreed_goals(allocation_goals: pd.DataFrame, state: pd.DataFrame, unit: float) -> pd.DataFrame:
    """Spread every agreed number over the person's cells as the top-down goals are spread.

    Parameters
    ----------
    allocation_goals
        ``rep_id``, ``goal`` (plan currency; empty: nobody planned it) and any of the labels
        territory_id, product_line, product_id, account_id, month.
    state
        From `planning_kit.agreement.replay`; people of other regions in it are not looked at.
    unit
        Rounding unit, plan currency.

    Returns
    -------
    pandas.DataFrame
        ``rep_id`` and the labels, sorted; ``top_down``; ``goal``: the number that stands, which
        is the agreed one, or the top-down one while nothing is agreed; ``agreed`` (empty while
        nothing is); ``difference``: goal less top-down, whose sum is what the region is away
        from its target; ``status``. Plan currency, whole multiples of ``unit``.

    Raises
    ------
    DataError
        The goals are not in order, or a part was agreed that they do not have.
    """
    goals = check_goals(allocation_goals, unit)
    found = state.set_index("rep_id").reindex(goals["rep_id"].unique())
    cells = found.loc[found["agreed"].notna(), "agreed_cells"]
    agreed = pd.Series(pd.NA, index=goals.index, dtype="Int64")
    for rep_id, rows in goals[goals["rep_id"].isin(cells.index)].groupby("rep_id"):
        for line, territory, amount in json.loads(cells[rep_id]):
            part = _part(rows, {"product_line": line, "territory_id": territory})
            whole = int(Decimal(amount) / Decimal(f"{unit:.12g}"))
            agreed[part.index] = split_units(whole, part["units"])
    labels = [name for name in goals.columns if name in ("rep_id", *LABELS)]
    result = goals[labels].assign(top_down=_amounts(goals["units"], unit))
    result["goal"] = _amounts(agreed.fillna(goals["units"]), unit)
    result["agreed"] = _amounts(agreed, unit)
    difference = agreed.fillna(goals["units"]) - goals["units"].fillna(0)
    result["difference"] = _amounts(difference, unit)
    result["status"] = goals["rep_id"].map(found["status"].fillna("not started")).astype("str")
    return result


def _part(rows: pd.DataFrame, labels: dict[str, str]) -> pd.DataFrame:
    part = rows
    for name, label in labels.items():
        if label:
            part = part[part[name] == label] if name in part else part[:0]
    if part.empty:
        named = " / ".join(filter(None, labels.values()))
        raise DataError(f"{rows['rep_id'].iloc[0]}: agreed for {named!r}, which has no goal cell.")
    return part


def _amounts(units: pd.Series, unit: float) -> pd.Series:
    return from_units(units.fillna(0), unit).where(units.notna())


def still_open(state: pd.DataFrame, people: pd.Series | None = None) -> list[str]:
    """Name everybody who has neither accepted nor been escalated or decided.

    Parameters
    ----------
    state
        From `planning_kit.agreement.replay`.
    people
        Ids that have to be through; those the state does not know are open. None: all of the
        state.
    """
    settled = set(state.loc[state["status"].isin(SETTLED), "rep_id"])
    return sorted(set(state["rep_id"] if people is None else people.dropna()) - settled)


def can_publish(state: pd.DataFrame, people: pd.Series | None = None) -> bool:
    """Tell whether everybody has accepted, or is escalated or decided (see `still_open`)."""
    return not still_open(state, people)


def agreement_findings(
    state: pd.DataFrame, agreed: pd.DataFrame, events: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Say who is open, which goals stand on thin evidence, and what the total lacks.

    Parameters
    ----------
    state, agreed
        From `planning_kit.agreement.replay` and `agreed_goals`.
    events
        Lines of the log; with them, notes on open goals are listed too.

    Returns
    -------
    pandas.DataFrame
        Findings.
    """
    people = agreed.loc[agreed["top_down"].notna() | agreed["agreed"].notna(), "rep_id"]
    known = state[state["rep_id"].isin(people)].set_index("rep_id")
    waiting = still_open(state, people)
    rows = [_total_finding(agreed, bool(waiting))]
    count = people.nunique()
    if waiting:
        message = f"{len(waiting)} of {count} people are still open: {shorten(waiting)}."
        rows.append(
            _row("open", "review", message, "Accept, counter or escalate before publishing.")
        )
    else:
        rows.append(_row("open", "pass", f"all {count} people accepted, or are escalated."))
    if count and not known["proposed"].notna().any():
        message = "nobody has proposed a goal for the coming period: the top-down goals stand."
        advice = "Needed: forms read back, or the table `proposals` with rows inside the period."
        rows.append(_row("proposals", "review", message, advice))
    rows += _evidence_findings(known)
    if len(held := known.index[known["status"] == "escalated"]):
        message = f"{len(held)} goals wait for a decision: {shorten(held)}; top-down goals stand."
        rows.append(_row("escalated", "review", message, "Decide them, with a reason."))
    if events is not None:
        rows += _note_findings(events, set(waiting))
    return findings_table(rows)


def _row(name: str, status: str, message: str, advice: str = "") -> dict[str, str]:
    return finding(f"agreement.{name}", status, "agreement", message, advice)


def _total_finding(agreed: pd.DataFrame, waiting: bool) -> dict[str, str]:
    target, gap = agreed["top_down"].sum(), agreed["difference"].sum()
    if abs(gap) < 1e-9 * max(1.0, target):
        return _row("total", "pass", f"the goals that stand add up to the target {target:,.2f}.")
    side = "more" if gap > 0 else "less"
    message = (
        f"the goals that stand add up to {abs(gap):,.2f} {side} than the target {target:,.2f}."
    )
    advice = "Counter-offers to the open people take this in; or reopen a goal, or the target."
    return _row("total", "review" if waiting else "fail", message, advice)


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
        rows.append(_row("coverage", "review", message, "Ask where the rest is to come from."))
    return rows


def _note_findings(events: pd.DataFrame, waiting: set[str]) -> list[dict[str, str]]:
    notes = events[(events["kind"] == "note") & events["rep_id"].isin(waiting)]
    if notes.empty:
        return []
    named = [f"{n.rep_id}: {n.reason}" for n in notes.sort_values("sequence").itertuples()]
    message = f"{len(named)} notes on open goals: {shorten(named)}."
    return [_row("notes", "review", message, "Read them with the person.")]
