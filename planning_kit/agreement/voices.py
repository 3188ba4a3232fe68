"""Who may speak in the talk about a goal: the person, the own manager, whoever stands above both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from planning_kit.messages import DataError, require_labels

PLANNER = "plan"  # speaks for the plan: assigns, and stands in where a chain ends
_OF_THE_PERSON = ("propose",)
_OF_THE_MANAGER = ("counter",)


@dataclass(frozen=True)
class Voices:
    """The people of a plan, and who stands above each.

    Attributes
    ----------
    above : mapping of str to sequence of str
        By id of a person the ids of the managers, the own one first, up to the top.
    speaker : mapping of str to str
        Who speaks for what is no person: by the id of a region's talk its head, see `head_of`.

    Examples
    --------
    >>> voices = Voices({"ann": ["mia", "zoe"], "mia": ["zoe"], "zoe": []})
    >>> voices.manager("ann"), voices.deciders("ann"), voices.manager("zoe")
    ('mia', ['zoe'], 'plan')
    >>> voices.require("counter", "ann", "zoe")
    Traceback (most recent call last):
    ...
    planning_kit.messages.errors.DataError: ann: zoe may not counter; mia may (the own manager).
    """

    above: Mapping[str, Sequence[str]]
    speaker: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def everybody(self) -> set[str]:
        """Name everybody who may speak about anybody."""
        people = self.above.keys() - self.speaker.keys()
        return {PLANNER, *people, *(name for up in self.above.values() for name in up)}

    def person(self, rep_id: str) -> str:
        """Name who speaks for an id: the person, or the head of the region."""
        return self.speaker.get(rep_id, rep_id)

    def manager(self, rep_id: str) -> str:
        """Name the own manager; the planner where the chain does not know one."""
        return next(iter(self.above.get(rep_id, ())), PLANNER)

    def deciders(self, rep_id: str) -> list[str]:
        """Name who stands above person and manager; the planner where nobody does."""
        return list(self.above.get(rep_id, ())[1:]) or [PLANNER]

    def require(
        self, kind: str, rep_id: str, actor: str, behalf: str = "", reason: str = ""
    ) -> None:
        """Check that somebody may make a move about a person's goal.

        Parameters
        ----------
        kind
            The move, see `planning_kit.agreement.MOVES`. Whose number somebody may accept depends
            on the talk: `may_accept`.
        rep_id
            Whose goal it is about.
        actor, behalf
            Who speaks, and in whose name; empty: the own.
        reason
            Needed where somebody speaks for somebody else.

        Raises
        ------
        DataError
            Nobody knows the id (the nearest is named), or the move is somebody else's.
        """
        require_labels([rep_id], self.above, "people of this plan")
        names = [name for name in (actor, behalf) if name]
        require_labels(names, self.everybody, f"{rep_id}: who speaks")
        if behalf and behalf != actor:
            self._require_stand_in(rep_id, actor, behalf, reason)
        who, (allowed, words) = behalf or actor, self._allowed(kind, rep_id)
        if who not in allowed:
            others = " or ".join(dict.fromkeys(allowed))
            raise DataError(f"{rep_id}: {who} may not {kind}; {others} may ({words}).")

    def may_accept(self, rep_id: str, who: str) -> list[str]:
        """Give the words somebody may accept: the person the planner's, the manager the proposal."""
        if who == self.person(rep_id):
            return ["countered", "assigned"]
        return ["proposed"] if who == self.manager(rep_id) else []

    def speakers(self, kind: str, rep_id: str) -> list[str]:
        """Name who may make a move about a person's goal, the nearest to the person first."""
        return list(dict.fromkeys(self._allowed(kind, rep_id)[0]))

    def _allowed(self, kind: str, rep_id: str) -> tuple[list[str], str]:
        chain = [*self.above.get(rep_id, ()), PLANNER]
        manager, person = self.manager(rep_id), self.person(rep_id)
        if kind in _OF_THE_PERSON:
            return [person], "the person" if person == rep_id else "the head of the region"
        if kind in _OF_THE_MANAGER:
            return [manager], "the own manager"
        if kind == "decide":
            return self.deciders(rep_id), "who stands above both"
        if kind == "assign":
            return chain, "the planner and the managers above"
        if kind == "note":
            return [person, *chain], "the person and everybody above"
        if kind == "promise":
            return chain, "the planner and the managers above"
        return [person, manager], "the person and the own manager"

    def require_publisher(
        self, people: Iterable[str], actor: str, behalf: str = "", reason: str = ""
    ) -> None:
        """Check that somebody may publish the goals of some people: the planner, or above them all.

        Raises
        ------
        DataError
            As in `require`.
        """
        everybody = list(people)
        require_labels([name for name in (actor, behalf) if name], self.everybody, "who publishes")
        above = [set(self.above.get(rep_id, ())) for rep_id in everybody]
        allowed = {PLANNER, *(set.intersection(*above) if above else ())}
        if behalf and behalf != actor:
            self._require_stand_in("publish", actor, behalf, reason)
        if (behalf or actor) not in allowed:
            raise DataError(
                f"publish: {behalf or actor} may not; {' or '.join(sorted(allowed))} may (the "
                "planner and who stands above everybody)."
            )

    def _require_stand_in(self, rep_id: str, actor: str, behalf: str, reason: str) -> None:
        above = [*self.above.get(behalf, ()), PLANNER]
        if actor not in above:
            raise DataError(
                f"{rep_id}: {actor} may not speak for {behalf}; {' or '.join(above)} may."
            )
        if not reason.strip():
            raise DataError(f"{rep_id}: {actor} speaks for {behalf}: that needs a reason in words.")


def head_of(people: Iterable[str], above: Mapping[str, Sequence[str]]) -> str:
    """Name the head of some people: the nearest who stands above all others; else the planner.

    Examples
    --------
    >>> above = {"ann": ["mia", "zoe"], "bob": ["max", "zoe"], "mia": ["zoe"]}
    >>> head_of(["ann", "bob"], above), head_of(["ann", "mia"], above), head_of([], above)
    ('zoe', 'mia', 'plan')
    """
    everybody = sorted(people)
    for name in [n for first in everybody[:1] for n in (first, *above.get(first, ()))]:
        others = [rep_id for rep_id in everybody if rep_id != name]
        if others and all(name in above.get(rep_id, ()) for rep_id in others):
            return name
    return PLANNER
