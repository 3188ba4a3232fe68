"""The negotiation as commands and apps see it: begin it, make a move, see where it stands."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import pandas as pd

from planning_kit.agreement.goals import Goals
from planning_kit.agreement.log import Event, Log, append, last_line, open_log, read_events
from planning_kit.agreement.publish import (
    Version,
    changes_between,
    describe,
    freeze,
    versions_of,
)
from planning_kit.agreement.state import CLOSED, PUBLISH, TIED_TO, play_log
from planning_kit.agreement.voices import Voices, head_of
from planning_kit.data import Prepared, prepare, read_tables
from planning_kit.data.region import managers_above
from planning_kit.messages import DataError, require_labels, shorten
from planning_kit.plan import COMPANY, REGION_TALK, Plan


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
        log = open_log(plan.agreement_place, plan.settings)
        return cls(plan, prepared, log, people)

    @property
    def voices(self) -> Voices:
        """Say who may speak about whom, and who about the total of a region."""
        boss = dict(self.people[["rep_id", "manager_id"]].dropna().to_numpy())
        above = {rep_id: managers_above(rep_id, boss) for rep_id in self.people["rep_id"]}
        carry = self.people[self.people["carries_goal"]]
        heads = {}
        for region in self.prepared.regions:
            team = carry.loc[carry["current_region"] == region, "rep_id"]
            heads[REGION_TALK + region] = head = head_of(team, above)
            above[REGION_TALK + region] = managers_above(head, boss)
        return Voices(above, heads)

    def start(
        self, offered: Mapping[str, Sequence[Event]], reopened: Sequence[Event] = ()
    ) -> pd.DataFrame:
        """Put first words into the log, once.

        People who are in the log already keep what was said; what has changed under their talk
        since is named.

        Parameters
        ----------
        offered
            By region the assigned goals and the proposals of the table, see
            `planning_kit.walk.first_words`.
        reopened
            Goals to be negotiated anew, because what they were tied to no longer holds.

        Returns
        -------
        pandas.DataFrame
            ``region``, ``rep_id``, ``what`` (added, unchanged, reopened, or what is not as it was) and
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
        home = self.people.set_index("rep_id")["current_region"]
        rows += [_row(home[e.rep_id], e, f"reopened: {e.reason}") for e in reopened]
        append(self.log, [*events, *reopened], self.voices)
        return pd.DataFrame(rows, columns=["region", "rep_id", "what", "amount"])

    def say(self, event: Event, user: str = "") -> pd.DataFrame:
        """Make one move, and give where that person's talk stands then (see `play_log`).

        Raises
        ------
        DataError
            The move is not possible, or not that person's to make; the message says what is.
        """
        if event.kind == "promise":
            require_labels([event.basis.get("owner", "")], self.voices.everybody, "owner")
        if event.basis.get(TIED_TO):
            require_labels([event.basis[TIED_TO]], self.assumptions(), "assumption")
        append(self.log, event, self.voices, user)
        return self.stand(event.rep_id)

    def assumptions(self) -> list[str]:
        """Name the assumptions an agreement may be tied to: of the tables and the base scenario."""
        known = read_tables(self.prepared.region_folder(None), ["assumptions"])["assumptions"]
        return sorted({*known["assumption_id"], *self.plan.scenario("base").assumptions})

    def stand(self, of: str = "") -> pd.DataFrame:
        """Say where everybody stands: in the company, in a region, or one person."""
        state = play_log(read_events(self.log))
        people = self.people.set_index("rep_id")
        is_total = state["rep_id"].str.startswith(REGION_TALK)
        home = state["rep_id"].map(people["current_region"]).astype("str").mask(is_total, COMPANY)
        names = state["rep_id"].map(people["rep_name"]).astype("str")
        total_of = state["rep_id"].str.removeprefix(REGION_TALK)
        state.insert(0, "region", home)
        state.insert(1, "rep", names.mask(is_total, total_of))
        if not of:
            return state
        known = [*self.prepared.regions, *state["rep_id"]]
        require_labels([of], known, "regions and people in the log")
        here = (home == of) & ~is_total | (state["rep_id"] == of)
        return state[here].reset_index(drop=True)

    def versions(self, region: str) -> list[Version]:
        """List what was published of a region, in order."""
        known = versions_of(read_events(self.log), self.plan.published_folder)
        return [version for version in known if version.region == region]

    def publish(self, region: str, goals: Goals, target: float, event: Event) -> pd.DataFrame:
        """Freeze the goals of a region: everybody accepted, or it was decided.

        Parameters
        ----------
        region, goals, target
            What stands, and what all goals were to add up to (plan currency).
        event
            Who publishes (``actor``, ``behalf``) and why: a gap to the target, and every version
            but the first, needs a reason, which is signed like every line.

        Returns
        -------
        pandas.DataFrame
            What has changed since the version before, see
            `planning_kit.agreement.publish.changes_between`.

        Raises
        ------
        DataError
            Somebody is not through, a reason is missing, it is not that person's to publish, or
            nothing has changed since the last version.
        """
        self.voices.require_publisher(goals.people(), event.actor, event.behalf, event.reason)
        events, state, earlier = read_events(self.log), self.stand(), self.versions(region)
        _require_through(region, goals, state)
        _require_reason(region, goals.gap(target), earlier, event.reason)
        known = state[state["rep_id"].isin(goals.people())]
        words = known[["rep_id", "rep", "status", "last_by", "last_at"]].reset_index(drop=True)
        folder = self.plan.published_folder
        version = freeze(folder, region, len(earlier) + 1, goals, words)
        try:
            if earlier and earlier[-1].digest == version.digest:
                raise DataError(
                    f"{region}: nothing has changed since version {earlier[-1].number}."
                )
            before = earlier[-1].table("goals") if earlier else None
            changes = changes_between(before, version.table("goals"), events, goals.unit)
            facts = version.facts | _sums(goals, target)
            by = {"by": event.behalf or event.actor, "why": event.reason}
            describe(version, {**facts, **by, "log": last_line(self.log)[1]}, changes)
            append(self.log, replace(event, kind=PUBLISH, rep_id="", basis=facts), self.voices)
        except BaseException:
            shutil.rmtree(version.folder)
            raise
        return changes

    def assigned(self, rep_id: str) -> float:
        """Give the number that was last assigned to a person, plan currency."""
        return float(self.stand(rep_id)["assigned"].iloc[0])

    def lines(self, rep_id: str) -> pd.DataFrame:
        """Give what was said about one person's goal, line by line."""
        events = read_events(self.log)
        return events[events["rep_id"] == rep_id].reset_index(drop=True)


def _require_through(region: str, goals: Goals, state: pd.DataFrame) -> None:
    """Stop where somebody has neither accepted nor had the goal decided."""
    through = set(state.loc[state["status"].isin(CLOSED), "rep_id"])
    if waiting := [rep_id for rep_id in goals.people() if rep_id not in through]:
        raise DataError(
            f"{region} cannot be published: {len(waiting)} of {len(goals.people())} people have not "
            f"accepted, and nothing was decided for them: {shorten(waiting)}."
        )


def _require_reason(region: str, gap: float, earlier: Sequence[Version], reason: str) -> None:
    """Stop where what is published needs a reason that is not there."""
    if reason.strip():
        return
    if gap:
        side = "above" if gap > 0 else "below"
        raise DataError(
            f"{region}: the goals that stand are {abs(gap):,.10g} {side} what is asked for; to publish "
            "them so needs a reason in words."
        )
    if earlier:
        raise DataError(
            f"{region}: version {earlier[-1].number} is published; another one needs a reason in words."
        )


def _sums(goals: Goals, target: float) -> dict[str, str]:
    return {"goals": f"{goals.standing():.12g}", "gap": f"{goals.gap(target):.12g}"}


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
                if was and name != "kit" and was.get(name) != value
            ]
            rows.append(_row(region, event, "; ".join(words) or "unchanged"))
        elif event.kind == "propose" and (event.rep_id, float(event.amount or 0)) not in proposals:
            rows.append(_row(region, event, "proposal of the table that is not in the log"))
    return rows
