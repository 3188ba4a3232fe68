"""One person's talk: its numbers, what each step towards the other does, and what was said."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from planning_kit import review
from planning_kit.agreement import PLANNER
from planning_kit.agreement.bonus import best_forecast, bonus_grid
from planning_kit.agreement.state import CLOSED, WHOLE
from planning_kit.numbers.units import from_units, to_units
from planning_kit.output.talk_paper import TalkSheet
from planning_kit.review.periods import fiscal_year
from planning_kit.walk.expected import outlook_of
from planning_kit.walk.split import chosen_person
from planning_kit.walk.step import Step
from planning_kit.walk.talks import (
    goals_of,
    negotiation_events,
    negotiation_state,
    offers,
    promises,
)

WAY = (0.0, 0.25, 0.5, 0.75, 1.0)  # from the proposal to the offered goal
_SAID = ["offered_goal", "proposal", "counter_offer", "agreed"]
_EVIDENCE = ("account", "product", "amount", "probability", "reason")


def whose_talk(step: Step, rep_id: str = "") -> str:
    """Name the person asked for, else the one whose proposal is farthest from the offered goal.

    Raises
    ------
    DataError
        Nobody of that id has a goal here; the nearest id is named.
    """
    people = offers(step)
    gaps = people["gap"].abs()
    if rep_id or not gaps.notna().any():
        return chosen_person(step, rep_id)
    return str(people["rep_id"].iloc[int(gaps.argmax())])


def names_of_people(step: Step) -> dict[str, str]:
    """Give the name of everybody who may speak here, by id."""
    above = step.inputs.managers.dropna(subset="rep_name")
    bosses = dict(above[["rep_id", "rep_name"]].to_numpy().tolist())
    return {**bosses, **step.inputs.names, PLANNER: "the planner"}


def _of(table: pd.DataFrame, rep_id: str) -> pd.DataFrame:
    return table[table["rep_id"] == rep_id].reset_index(drop=True)


def talk_state(step: Step, rep_id: str) -> pd.DataFrame:
    """Say where a person's talk stands, in one line (see `planning_kit.agreement.play_log`)."""
    table, names = _of(negotiation_state(step), rep_id), names_of_people(step)
    return table.assign(last_by=table["last_by"].map(lambda who: names.get(who, who)).astype("str"))


def talk_numbers(step: Step, rep_id: str) -> pd.DataFrame:
    """Put every number of a person's talk side by side, with the likely range of the year.

    Returns
    -------
    pandas.DataFrame
        ``rep_id``, ``what`` (last_result, last_goal, offered_goal, proposal, counter_offer,
        suggestion while the talk is open, agreed or decided), ``amount``, the person's ``chance``
        of reaching it, and in every row ``expected``, ``low`` and ``high`` (80 % range). Plan
        currency; numbers that nobody said are left out.
    """
    said, offer = (_of(table, rep_id) for table in (negotiation_state(step), offers(step)))
    past = _of(step.table("baseline"), rep_id)[["last_year", "last_goal"]].sum(min_count=1)
    words = dict(zip(("assigned", "proposed", "countered", "agreed"), _SAID, strict=True))
    numbers = {"last_result": past["last_year"], "last_goal": past["last_goal"]}
    numbers |= {name: _only(said, column) for column, name in words.items()}
    if not said["status"].isin(CLOSED).any():
        numbers["suggestion"] = _only(offer, "suggested")
    elif (said["status"] == "decided").any():
        numbers["decided"] = numbers.pop("agreed")
    table = pd.DataFrame({"what": list(numbers), "amount": list(numbers.values())})
    table = table.astype({"what": "str", "amount": "float64"}).dropna(ignore_index=True)
    table.insert(0, "rep_id", rep_id)
    table["chance"] = _chances(step, rep_id, table["amount"])
    ends = _of(outlook_of(step).ranges(["rep_id"]), rep_id)
    return table.assign(**{name: _only(ends, name) for name in ("expected", "low", "high")})


def _only(table: pd.DataFrame, column: str) -> float:
    return float(table[column].iloc[0]) if len(table) else float("nan")


def _chances(step: Step, rep_id: str, amounts: pd.Series) -> list[float]:
    """Give a person's chance of reaching each amount."""
    asked = (pd.DataFrame({"rep_id": [rep_id], "goal": [amount]}) for amount in amounts)
    return [_only(_of(outlook_of(step).chances(goal), rep_id), "chance") for goal in asked]


def talk_way(step: Step, rep_id: str) -> pd.DataFrame:
    """Say what each step from the proposal towards the offered goal does.

    The region's chance of its target does not depend on who carries it; what moves is what is
    left for the others.

    Returns
    -------
    pandas.DataFrame
        ``way_share`` (0 is the proposal, 1.0 the offered goal), ``amount``, ``chance``,
        ``others_left`` (what is asked, less this amount and what is closed with others),
        ``others_change`` (that over the goals that stand of the others whose talks are open, less
        1; empty: there is nobody) and ``goals_gap`` (all goals that stand, with this amount, less
        what is asked). Plan currency, whole rounding units; no rows without a proposal.
    """
    said, unit = _of(negotiation_state(step), rep_id), step.inputs.settings.rounding_unit
    ends = said[["proposed", "assigned"]].dropna()
    shares = WAY if len(ends) else ()
    # Python rounds a half to the even unit, as to_units does.
    start, end = to_units(ends.iloc[0], unit) if len(ends) else (0, 0)
    units = pd.Series([round(start + share * (end - start)) for share in shares], dtype="int64")
    stand = goals_of(step).by("rep").dropna(subset="goal").set_index("rep_id")["goal"]
    others = to_units(stand.drop(rep_id, errors="ignore"), unit)
    state = negotiation_state(step)
    closed = others.index.isin(state.loc[state["status"].isin(CLOSED), "rep_id"])
    still_open, asked = int(others[~closed].sum()), round(step.street_target / unit)
    left = asked - int(others[closed].sum()) - units
    amounts = from_units(units, unit)
    return pd.DataFrame(
        {
            "way_share": list(shares),
            "amount": amounts,
            "chance": _chances(step, rep_id, amounts),
            "others_left": from_units(left, unit),
            "others_change": left / still_open - 1 if still_open else np.nan,
            "goals_gap": from_units(units + int(others.sum()) - asked, unit),
        }
    )


def talk_history(step: Step, rep_id: str) -> pd.DataFrame:
    """Give a person's goals and results of past years (see `planning_kit.review.attainment`).

    Returns
    -------
    pandas.DataFrame
        ``year``, ``goal`` and ``actual`` of the goal periods that began in it, ``attainment``.
    """
    rows = review.attainment(step.inputs, ("goal_period", "rep_id"), years="all")
    rows = _of(rows[rows["goal"].notna() & rows["goal_period"].notna()], rep_id)
    rows["year"] = fiscal_year(rows["goal_period"], step.inputs.settings)
    years = rows.groupby("year", as_index=False)[["goal", "actual"]].sum()
    return years.assign(attainment=(years["actual"] / years["goal"]).where(years["goal"] > 0))


def talk_proposals(step: Step, rep_id: str) -> pd.DataFrame:
    """Say how good the person's past proposals were (see `planning_kit.review.proposal_bias`)."""
    return _of(review.proposal_bias(step.inputs), rep_id)


def talk_evidence(step: Step, rep_id: str) -> pd.DataFrame:
    """List the evidence behind the proposal that stands.

    Returns
    -------
    pandas.DataFrame
        ``account``, ``product``, ``amount`` (plan currency), ``probability``, ``backed`` (the one
        times the other) and ``reason``.
    """
    cells: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for line in _lines(step, rep_id):
        cell = line["product_line"], line["territory_id"]
        if line["kind"] == "assign" or (line["kind"] == "propose" and cell == WHOLE):
            cells.clear()
        if line["kind"] == "propose":
            cells.pop(WHOLE, None)
            cells[cell] = json.loads(line["evidence"] or "[]")
    if not _of(negotiation_state(step), rep_id)["proposed"].notna().any():
        cells.clear()  # it was withdrawn
    rows = [row for given in cells.values() for row in given]
    table = pd.DataFrame(rows).reindex(columns=list(_EVIDENCE))
    table = table.astype({"amount": "float64", "probability": "float64"})
    texts = {n: table[n].fillna("").astype("str") for n in ("account", "product", "reason")}
    texts["product"] = texts["product"].map(lambda name: step.inputs.names.get(name, name))
    table.insert(4, "backed", table["amount"] * table["probability"])
    return table.assign(**texts)


def _lines(step: Step, rep_id: str) -> list[dict[Any, Any]]:
    """Give the lines of the log about a person; what is empty is an empty text."""
    lines = _of(negotiation_events(step), rep_id)
    texts = ["actor", "behalf", "product_line", "territory_id", "reason", "evidence"]
    return lines.assign(**{name: lines[name].fillna("") for name in texts}).to_dict("records")


def talk_promises(step: Step, rep_id: str = "") -> pd.DataFrame:
    """List what was promised to a person (empty: to everybody), with names."""
    table, names = promises(step), names_of_people(step)
    table = _of(table, rep_id) if rep_id else table
    named = {n: table[n].map(lambda who: names.get(who, who)) for n in ("owner", "said_by")}
    return table.assign(**named)


def talk_record(step: Step, rep_id: str) -> pd.DataFrame:
    """Give what was said in a person's talk, line by line, the newest last.

    Returns
    -------
    pandas.DataFrame
        ``time`` (UTC, to the minute), ``speaker`` (in words, with the one who spoke for
        somebody), ``move``, ``amount`` (plan currency; empty: the move carries none), ``reason``.
    """
    names = names_of_people(step)
    rows: list[tuple[Any, ...]] = []
    for line in _lines(step, rep_id):
        actor, behalf = (names.get(line[key], line[key]) for key in ("actor", "behalf"))
        part = " / ".join(filter(None, (line["product_line"], line["territory_id"])))
        move = line["kind"] if line["kind"] != "assign" else "reopen" if rows else "offer"
        speaker = f"{behalf} (said by {actor})" if behalf and behalf != actor else actor
        time = str(line["time"]).replace("T", " ")[:16]
        amount = pd.to_numeric(line["amount"], errors="coerce")
        rows.append((time, speaker, f"{move} ({part})" if part else move, amount, line["reason"]))
    table = pd.DataFrame(rows, columns=["time", "speaker", "move", "amount", "reason"])
    return table.astype({"amount": "float64"})


def talk_bonus(step: Step, rep_id: str, shown: bool = True) -> pd.DataFrame:
    """Say what forecasts would pay this person under a grid that rewards honest ones.

    Parameters
    ----------
    rep_id
        Whose goal is the quota.
    shown
        False: only a line that says how to ask for it.

    Returns
    -------
    pandas.DataFrame
        See `planning_kit.agreement.bonus.bonus_grid`.
    """
    if not shown:
        return pd.DataFrame({"what": ["bonus grid"], "value": ["set the parameter bonus to True"]})
    numbers = talk_numbers(step, rep_id)
    known = numbers.set_index("what")["amount"]
    quota, years = float(known.get("offered_goal", 0.0)), outlook_of(step).year_of(rep_id)
    forecasts = {"proposal": float(known.get("proposal", np.nan))}
    if len(years):
        low, high = numbers[["low", "high"]].iloc[0]
        middle = best_forecast(years, step.inputs.settings.rounding_unit)
        forecasts |= {"low end of the range": low, "median: pays best": middle}
        forecasts |= {"high end of the range": high}
    return bonus_grid(quota, forecasts if quota > 0 else {}, years)


def talk_sheet(step: Step, rep_id: str) -> TalkSheet:
    """Give what the page for a person's talk says."""
    settings, state, record = (
        step.inputs.settings,
        talk_state(step, rep_id),
        talk_record(step, rep_id),
    )
    names, above = names_of_people(step), step.inputs.managers_above(rep_id)[:1]
    return TalkSheet(
        settings.name,
        settings.currency,
        settings.rounding_unit,
        settings.starts_on,
        settings.ends_on,
        date.fromisoformat(record["time"].iloc[-1][:10]) if len(record) else settings.starts_on,
        rep_id,
        names.get(rep_id, rep_id),
        "".join(names.get(who, who) for who in above),
        step.inputs.name,
        "".join(state["status"]) or "not started",
        _only(state, "coverage"),
        talk_numbers(step, rep_id),
        talk_way(step, rep_id),
        talk_evidence(step, rep_id),
        talk_promises(step, rep_id),
        record,
    )
