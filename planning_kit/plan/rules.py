"""Rules: what a planner may ask of a split, each with its name, and read as a sentence."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import ClassVar, Self

from planning_kit.messages import Written

CELL = "cell"
CELL_COLUMNS = ("rep_id", "territory_id", "product_line", "role", "region")
NOT_KNOWN = "(not known)"  # the label of a cell that has none
# What limits of a plan may be relative to: columns of its cells.
REFERENCES = (
    "base",
    "last_year",
    "last_goal",
    "potential",
    "forecast",
    "expected",
    "run_rate",
    "account_build_up",
    "variance",
    "cv",
)
COMPANY_REFERENCES = ("base", "last_year", "potential")  # of the split of the company's target
Labels = Mapping[str, Collection[str]]  # by column


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What every rule has.

    Attributes
    ----------
    name : str
        The name the planner typed.
    where : mapping of str to tuple of str
        Label column to the labels the rule is about; empty: all cells.
    each : tuple of str
        The rule holds for each group of cells with the same labels in these columns;
        ``("cell",)``: for each cell; empty: for all its cells together.
    priority : int
        1 to 9; when rules cannot all hold, the highest number is kept longest.
    reason : str
        Why it is asked for.
    """

    kind: ClassVar[str] = ""
    name: str
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    each: tuple[str, ...] = ()
    priority: int = 5
    reason: str = ""

    def describe(self) -> str:
        """Say the rule in one line."""
        raise NotImplementedError  # pragma: no cover

    def about(self) -> str:
        """Say which cells the rule is about."""
        cells = ", ".join(f"{k} {' or '.join(v)}" for k, v in self.where.items()) or "all cells"
        if self.each == (CELL,):
            return f"each cell of {cells}" if self.where else "each cell"
        return f"each {' and '.join(self.each)} of {cells}" if self.each else f"{cells} together"

    @property
    def reference(self) -> str:
        """Name the amounts its limits are relative to; empty: they are amounts themselves."""
        return ""

    @property
    def limits(self) -> tuple[float | None, float | None]:
        """Give what each of its groups is held between, plan currency; None: nothing, or a share."""
        return None, None

    def narrowed(self, labels: Labels) -> Self | None:
        """Give the rule for the cells with these labels; None: it is about none of them.

        Examples
        --------
        >>> cap = GroupRange(name="cap", where={"rep_id": ("R1", "R2")}, at_most=5.0)
        >>> cap.narrowed({"rep_id": ["R2", "R3"]}).where, cap.narrowed({"rep_id": ["R3"]})
        ({'rep_id': ('R2',)}, None)
        """
        where = _narrowed(self.where, labels)
        return replace(self, where=where) if all(where.values()) else None


@dataclass(frozen=True, kw_only=True)
class Total(Rule):
    """All goals add up to an amount, plan currency."""

    kind: ClassVar[str] = "total"
    amount: float
    priority: int = 9

    def describe(self) -> str:
        """Say the rule in one line."""
        return f"all goals add up to {self.amount:,.10g}"


@dataclass(frozen=True, kw_only=True)
class GroupRange(Rule):
    """The goals of a group lie in a range, in plan currency or as a share of a reference.

    Attributes
    ----------
    at_least, at_most : float or None
        Limits; plan currency, or a share of the reference where one is named (0.9 is 90 %).
    relative_to : str
        The reference: ``base`` or any column of amounts, for example ``last_goal``; empty: none.
    """

    kind: ClassVar[str] = "range"
    at_least: float | None = None
    at_most: float | None = None
    relative_to: str = ""

    @property
    def reference(self) -> str:
        """Name the amounts its limits are relative to."""
        return self.relative_to

    @property
    def limits(self) -> tuple[float | None, float | None]:
        """Give the range as amounts, unless it is one of shares."""
        return (None, None) if self.relative_to else (self.at_least, self.at_most)

    def describe(self) -> str:
        """Say the rule in one line."""
        return f"{self.about()}: {_range(self.at_least, self.at_most, self.relative_to)}"


@dataclass(frozen=True, kw_only=True)
class MaxChange(Rule):
    """The goals of a group move at most by a share up and down from a reference.

    Attributes
    ----------
    most_up_share, most_down_share : float or None
        0.1 is 10 %; None: no limit on that side.
    """

    kind: ClassVar[str] = "change"
    most_up_share: float | None = None
    most_down_share: float | None = None
    relative_to: str = "base"

    @property
    def reference(self) -> str:
        """Name the amounts it moves from."""
        return self.relative_to

    def describe(self) -> str:
        """Say the rule in one line."""
        sides = [
            f"at most {_percent(share)} {side}"
            for share, side in ((self.most_up_share, "up"), (self.most_down_share, "down"))
            if share is not None
        ]
        return f"{self.about()}: {' and '.join(sides)} from {self.relative_to}"


@dataclass(frozen=True, kw_only=True)
class ShareOfGroup(Rule):
    """Some cells make up a share of a group.

    The group is the cells of ``of`` with the same labels in ``each``; ``where`` says which of them
    are counted.

    Attributes
    ----------
    at_least_share, at_most_share : float or None
        0.3 is 30 % of the group.
    of : mapping of str to tuple of str
        Labels of the whole that the share is taken of; empty: all cells.
    """

    kind: ClassVar[str] = "share"
    at_least_share: float | None = None
    at_most_share: float | None = None
    of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def narrowed(self, labels: Labels) -> Self | None:
        """Give the rule for the cells with these labels, counted and whole alike."""
        near, of = super().narrowed(labels), _narrowed(self.of, labels)
        return replace(near, of=of) if near is not None and all(of.values()) else None

    def describe(self) -> str:
        """Say the rule in one line."""
        part = ", ".join(f"{k} {' or '.join(v)}" for k, v in self.where.items()) or "all cells"
        whole = ", ".join(f"{k} {' or '.join(v)}" for k, v in self.of.items())
        each = f"each {' and '.join(self.each)}" if self.each else "the total"
        limits = [
            f"at {side} {_percent(share)}"
            for side, share in (("least", self.at_least_share), ("most", self.at_most_share))
            if share is not None
        ]
        return f"{part}: {' and '.join(limits)} of {each}{' of ' + whole if whole else ''}"


@dataclass(frozen=True, kw_only=True)
class ZeroOrAtLeast(Rule):
    """A group gets nothing, or an amount worth having (plan currency)."""

    kind: ClassVar[str] = "zero or at least"
    amount: float

    def describe(self) -> str:
        """Say the rule in one line."""
        return f"{self.about()}: 0 or at least {self.amount:,.10g}"


@dataclass(frozen=True, kw_only=True)
class Hold(Rule):
    """Somebody holds the goals of a set of cells until a day, for a reason.

    Attributes
    ----------
    amount : float or None
        Sum the cells are held at, plan currency; None: every cell is held at ``keep``.
    keep : str
        The reference every cell is held at.
    owner : str
        Who holds it.
    expires_on : date
        Last day the hold counts.
    """

    kind: ClassVar[str] = "hold"
    amount: float | None = None
    keep: str = ""
    owner: str = ""
    expires_on: date = date.max
    priority: int = 7

    @property
    def reference(self) -> str:
        """Name the amounts cells are held at."""
        return self.keep

    @property
    def limits(self) -> tuple[float | None, float | None]:
        """Give the amount twice."""
        return self.amount, self.amount

    def describe(self) -> str:
        """Say the rule in one line."""
        at = self.keep if self.amount is None else f"{self.amount:,.10g}"
        return (
            f"{self.about()}: held at {at} by {self.owner} until {self.expires_on} ({self.reason})"
        )


def _narrowed(chosen: Mapping[str, tuple[str, ...]], labels: Labels) -> dict[str, tuple[str, ...]]:
    return {
        column: tuple(name for name in names if name in labels[column])
        if column in labels
        else names
        for column, names in chosen.items()
    }


def unknown_in_rules(
    rules: Iterable[Rule], labels: Labels, references: Collection[str]
) -> list[str]:
    """Name every column, label and reference of rules that nobody knows, with the nearest one.

    Parameters
    ----------
    labels
        Known labels by column.
    references
        Amounts that limits may be relative to.

    Examples
    --------
    >>> unknown_in_rules([MaxChange(name="calm", relative_to="last_gaol")], {}, ["last_goal"])
    ["rule 'calm', relative_to: 1 unknown label: 'last_gaol' (did you mean 'last_goal'?)"]
    """
    found = Written({})
    for rule in rules:
        who = f"{'hold' if isinstance(rule, Hold) else 'rule'} {rule.name!r}"
        for key, chosen in (("where", rule.where), ("of", getattr(rule, "of", {}))):
            found.known(chosen, labels, f"{who}, {key}")
            for column, names in chosen.items():
                if column in labels:
                    found.known(names, labels[column], f"{who}, {key} {column}")
        found.known(rule.each, (CELL,) if CELL in rule.each else labels, f"{who}, each")
        key = "keep" if isinstance(rule, Hold) else "relative_to"
        found.known([rule.reference] if rule.reference else [], references, f"{who}, {key}")
    return found.faults


def _percent(share: float) -> str:
    return f"{share * 100:.6g} %"


def _range(least: float | None, most: float | None, relative_to: str) -> str:
    def say(limit: float) -> str:
        return f"{_percent(limit)} of {relative_to}" if relative_to else f"{limit:,.10g}"

    if least is not None and least == most:
        return f"exactly {say(least)}"
    parts = [] if least is None else [f"at least {say(least)}"]
    return " and ".join(parts + ([] if most is None else [f"at most {say(most)}"]))
