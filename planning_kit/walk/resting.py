"""What the goals rest on: assumptions nobody has confirmed, and agreements tied to a breached one."""

from __future__ import annotations

import json

import pandas as pd

from planning_kit import assumptions
from planning_kit.agreement import PLANNER, Event
from planning_kit.agreement.state import CLOSED
from planning_kit.messages import finding, shorten
from planning_kit.messages.amounts import money_text
from planning_kit.walk.expected import data_until
from planning_kit.walk.step import Step
from planning_kit.walk.talks import negotiation_events, negotiation_state

BREACHED = ("below", "above")


def resting_findings(step: Step, talks_begun: bool = False) -> list[dict[str, str]]:
    """Name the assumptions that nobody has confirmed: goals are offered on them all the same.

    Parameters
    ----------
    step
        Of the allocation or of the agreement.
    talks_begun
        Goals are negotiated already: then who has no owner is named too.
    """
    register, where = step.table("register"), step.inputs.name
    if step.table("allocation").empty:
        return []
    if register.empty:
        message = "the goals rest on no assumption that anybody wrote down."
        advice = "Write [assumptions.<id>] sections into the scenario, each with an owner."
        return [finding("allocation.assumptions", "review", where, message, advice)]
    open_ones = assumptions.unconfirmed(register)
    known = dict(register[["assumption_id", "owner"]].fillna("").to_numpy())
    rows = []
    if open_ones:
        worth = register.set_index("assumption_id").loc[open_ones, ["value_low", "value_high"]]
        swing = (worth.max(axis=1) - worth.min(axis=1)).sum()
        message = (
            f"the goals rest on {len(register)} assumptions, and nobody has confirmed "
            f"{len(open_ones)}: {shorten(open_ones)}; they are worth "
            f"{money_text(swing, step.inputs.settings.currency)} from end to end."
        )
        advice = "Confirm or change them in the scenario, [assumptions.<id>], with an owner."
        rows.append(finding("allocation.assumptions", "review", where, message, advice))
    orphans = [name for name, owner in known.items() if not owner]
    if talks_begun and orphans:
        message = (
            f"goals were offered while {len(orphans)} of {len(register)} assumptions have no owner: "
            f"{shorten(orphans)}."
        )
        advice = "Name their owners before people are asked to accept what rests on them."
        rows.append(finding("agreement.before_register", "review", where, message, advice))
    return rows


def doubts(step: Step) -> pd.DataFrame:
    """List what people doubt of the assumptions: candidates of the register, with whose they are.

    Returns
    -------
    pandas.DataFrame
        ``rep_id``, ``assumption_id``, ``doubt``; of each person and assumption the last word.
    """
    lines = negotiation_events(step)
    notes = lines[lines["kind"].eq("note") & lines["basis"].str.contains('"doubt"', regex=False)]
    said = [json.loads(basis) for basis in notes["basis"]]
    table = pd.DataFrame(
        {
            "rep_id": notes["rep_id"].tolist(),
            "assumption_id": [basis["assumption"] for basis in said],
            "doubt": [basis["doubt"] for basis in said],
        },
        dtype="str",
    )
    return table.drop_duplicates(["rep_id", "assumption_id"], keep="last", ignore_index=True)


def doubt_findings(step: Step) -> list[dict[str, str]]:
    """Say which assumptions people doubt whose goals rest on them."""
    rows = []
    for name, people in doubts(step).groupby("assumption_id")["rep_id"]:
        message = f"{len(people)} people doubt the assumption {name!r}: {shorten(people)}."
        advice = "Talk with its owner; confirm it or change it in the scenario."
        rows.append(finding("agreement.doubt", "review", step.inputs.name, message, advice))
    return rows


def breached_ties(step: Step) -> pd.DataFrame:
    """List the agreements whose assumption no longer holds.

    Returns
    -------
    pandas.DataFrame
        ``rep_id``, ``assigned`` (plan currency), ``assumption_id`` and ``why`` in words.
    """
    state = negotiation_state(step)
    tied = state[state["status"].isin(CLOSED) & state["tied_to"].ne("")]
    if tied.empty:
        return pd.DataFrame(columns=["rep_id", "assigned", "assumption_id", "why"])
    signs = assumptions.signposts(step.inputs, step.scenario, data_until(step)).assumptions
    signs = signs[signs["state"].isin(BREACHED)].set_index("assumption_id")
    gone = tied[tied["tied_to"].isin(signs.index)]
    why = [
        f"assumption {name} is breached: {signs.loc[name, 'actual']:g}, assumed "
        f"{signs.loc[name, 'low']:g} to {signs.loc[name, 'high']:g} ({signs.loc[name, 'statement']})"
        for name in gone["tied_to"]
    ]
    table = gone.rename(columns={"tied_to": "assumption_id"}).assign(why=why)
    return table[["rep_id", "assigned", "assumption_id", "why"]].reset_index(drop=True)


def tied_findings(step: Step) -> list[dict[str, str]]:
    """Say which agreements have to be opened again."""
    advice = "planning-kit agree start opens the talk again."
    return [
        finding("agreement.tied", "fail", row["rep_id"], f"{row['rep_id']}: {row['why']}.", advice)
        for row in breached_ties(step).to_dict("records")
    ]


def other_scenario_findings(step: Step) -> list[dict[str, str]]:
    """Say who agreed under another scenario: that is said here and not mixed in."""
    state = negotiation_state(step)
    apart = state[state["status"].isin(CLOSED) & ~state["scenario"].isin(["", step.scenario.name])]
    rows = []
    for name, people in apart.groupby("scenario")["rep_id"]:
        message = (
            f"{len(people)} goals were agreed or decided under the scenario {name!r}, not under "
            f"{step.scenario.name!r}: {shorten(people)}; the allocated goals stand here."
        )
        advice = (
            f"Open scenario {name!r} for them, or offer these goals: planning-kit agree reopen."
        )
        rows.append(finding("agreement.scenario", "review", step.inputs.name, message, advice))
    return rows


def reopening_events(step: Step) -> list[Event]:
    """Give the events that open those talks again, with the goal that was assigned last."""
    return [
        Event("assign", row["rep_id"], PLANNER, row["assigned"], row["why"])
        for row in breached_ties(step).to_dict("records")
    ]
