"""The negotiation as commands and apps see it: begin it, make a move, see where it stands."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import pandas as pd

from planning_kit.agreement.log import Event, Log, append, open_log, read_events
from planning_kit.agreement.state import play_log
from planning_kit.agreement.voices import Voices
from planning_kit.data import Prepared, prepare, read_tables
from planning_kit.data.region import managers_above
from planning_kit.messages import require_labels
from planning_kit.plan import Plan


@dataclass(frozen=True)
class Door:
    """The negotiation of one plan, as commands and apps see it."""

    plan: Plan
    prepared: Prepared
    log: Log
    people: pd.DataFrame

    @classmethod
    def open(cls, plan: Plan) -> Self:
        """Open the log of a plan, and who is who in it.

        Raises
        ------
        DataError
            The inputs cannot be used, or the log is out of order or another plan's.
        """
        prepared = prepare(plan)
        people = read_tables(prepared.region_folder(None), ["reps"])["reps"]
        log = open_log(plan.agreement_file, plan.settings)
        return cls(plan, prepared, log, people)

    @property
    def voices(self) -> Voices:
        """Say who may speak about whom."""
        boss = dict(self.people[["rep_id", "manager_id"]].dropna().to_numpy())
        return Voices({rep_id: managers_above(rep_id, boss) for rep_id in self.people["rep_id"]})

    def start(self, offered: Mapping[str, Sequence[Event]]) -> pd.DataFrame:
        """Put first words into the log, once.

        People who are in the log already keep what was said; what has changed under their talk
        since is named.

        Parameters
        ----------
        offered
            By region the assigned goals and the proposals of the table, see
            `planning_kit.walk.first_words`.

        Returns
        -------
        pandas.DataFrame
            ``region``, ``rep_id``, ``what`` (added, unchanged, or what is not as it was) and
            ``amount`` (plan currency).

        Raises
        ------
        DataError
            A move is not possible; nothing is written then.
        """
        known = read_events(self.log)
        rows: list[dict[str, Any]] = []
        events: list[Event] = []
        there = set(known["rep_id"])
        for region, words in offered.items():
            fresh = [event for event in words if event.rep_id not in there]
            events += fresh
            rows += [_row(region, e, "added") for e in fresh if e.kind == "assign"]
            rows += _differences(region, [e for e in words if e.rep_id in there], known)
        append(self.log, events, self.voices)
        return pd.DataFrame(rows, columns=["region", "rep_id", "what", "amount"])

    def say(self, event: Event, user: str = "") -> pd.DataFrame:
        """Make one move, and give where that person's talk stands then (see `play_log`).

        Raises
        ------
        DataError
            The move is not possible, or not that person's to make; the message says what is.
        """
        append(self.log, event, self.voices, user)
        return self.stand(event.rep_id)

    def stand(self, of: str = "") -> pd.DataFrame:
        """Say where everybody stands: in the company, in a region, or one person."""
        state = play_log(read_events(self.log))
        home = self.people.set_index("rep_id")["current_region"]
        state.insert(0, "region", state["rep_id"].map(home).astype("str"))
        state.insert(1, "rep", state["rep_id"].map(self.people.set_index("rep_id")["rep_name"]))
        if not of:
            return state
        people = state["rep_id"].tolist()
        require_labels([of], [*self.prepared.regions, *people], "regions and people in the log")
        return state[(state["region"] == of) | (state["rep_id"] == of)].reset_index(drop=True)

    def assigned(self, rep_id: str) -> float:
        """Give the number that was last assigned to a person, plan currency."""
        return float(self.stand(rep_id)["assigned"].iloc[0])

    def lines(self, rep_id: str) -> pd.DataFrame:
        """Give what was said about one person's goal, line by line."""
        events = read_events(self.log)
        return events[events["rep_id"] == rep_id].reset_index(drop=True)


def _row(region: str, event: Event, what: str) -> dict[str, Any]:
    return {"region": region, "rep_id": event.rep_id, "what": what, "amount": event.amount}


def _differences(
    region: str, offered: Iterable[Event], known: pd.DataFrame
) -> list[dict[str, Any]]:
    """Say under what else people negotiate, and which proposals of the table the log lacks."""
    assigned = known[known["kind"] == "assign"].drop_duplicates("rep_id", keep="last")
    bases = dict(zip(assigned["rep_id"], assigned["basis"], strict=True))
    said = known[known["kind"] == "propose"]
    proposals = {(rep, float(amount)) for rep, amount in said[["rep_id", "amount"]].to_numpy()}
    rows = []
    for event in offered:
        if event.kind == "assign":
            was = json.loads(bases[event.rep_id] or "{}")
            words = [
                f"the {name} was {was[name]}, now {value}"
                if name != "allocation"
                else "another allocation"
                for name, value in event.basis.items()
                if was and was.get(name) != value
            ]
            rows.append(_row(region, event, "; ".join(words) or "unchanged"))
        elif event.kind == "propose" and (event.rep_id, float(event.amount or 0)) not in proposals:
            rows.append(_row(region, event, "proposal of the table that is not in the log"))
    return rows
