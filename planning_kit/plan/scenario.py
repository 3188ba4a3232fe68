"""Scenarios: named what-ifs in files. The file is the truth; widgets are views of it."""

from __future__ import annotations

import hashlib
import json
import math
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from planning_kit.messages import DataError, Written, require_labels, stop_on_faults
from planning_kit.numbers.units import from_units
from planning_kit.plan.exclusions import Exclusion, read_exclusions
from planning_kit.plan.levers import ManagerLevers, read_levers
from planning_kit.plan.metric_options import MetricOptions, read_metric_options
from planning_kit.plan.register import (
    AssumptionEntry,
    Correlation,
    read_correlations,
    read_register,
    register_faults,
)
from planning_kit.plan.rule_reading import read_hold, read_rule
from planning_kit.plan.rules import GroupRange, Hold, Labels, MaxChange, Rule, ZeroOrAtLeast
from planning_kit.plan.settings import Targets, read_targets
from planning_kit.plan.toml import to_toml

OBJECTIVES = ("least_movement", "fewest_changes", "fairest_stretch", "equal_chance")
WEIGHTS = ("base", "variance", "even")
NAMED_BASES = ("last_year", "run_rate", "fair_share", "forecast", "account_build_up", "even")
COMPANY_BASES = ("last_year", "potential", "even")  # of the split of the company's target
COMPANY_SECTIONS = ("objective", "base", "rules", "holds", "relax")
METRIC_KEYS = tuple(part.name for part in fields(MetricOptions))
FILLS = ("potential", "peers", "none")
SECTIONS = (
    "name",
    "note",
    "targets",
    "company",
    "levers",
    "metrics",
    "objective",
    "base",
    "rules",
    "holds",
    "assumptions",
    "correlations",
    "over_assignment",
    "relax",
    "review",
)


@dataclass(frozen=True)
class Objective:
    """What a split comes near to.

    Attributes
    ----------
    kind : str
        One of `OBJECTIVES`.
    weights : str
        What weighs a movement, one of `WEIGHTS`; empty: not said.
    chances : mapping of str to float
        For equal chance: chances given by role, 0 to 1.
    """

    kind: str = OBJECTIVES[0]
    weights: str = ""
    chances: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Base:
    """Where everybody starts: weights of named bases to blend (none: as expected), and the fill.

    The bases are brought to the level of the first one, so their order counts.
    """

    blend: Mapping[str, float] = field(default_factory=dict)
    fill: str = ""


@dataclass(frozen=True)
class Relax:
    """Whether rules may give when they cannot all hold, and up to which priority."""

    allow: bool = False
    up_to_priority: int = 6


@dataclass(frozen=True, eq=False)
class Scenario:
    """One scenario, parsed: what stands in its file, with the defaults of what does not.

    Scenarios that would be written alike are equal. Whether labels are known is checked by
    `planning_kit.data.check_scenario`, which knows the tables.

    Attributes
    ----------
    name : str
        Name of the file without ``.toml``.
    title, note : str
        ``name`` and ``note`` in the file: texts for people.
    targets : Targets or None
        What is asked for; None: what the plan says.
    company : Scenario or None
        How the company's target is split over the regions: objective, base, rules, holds and relax
        of that split; None: by the reviewed year.
    objective, base, relax
        See `Objective`, `Base`, `Relax`.
    rules, holds : tuple of Rule
        What goals must keep, in the order written.
    assumptions : mapping of str to AssumptionEntry
        The register by id; empty: last year's is taken over.
    correlations : tuple of Correlation
        Assumptions that move together.
    over_assignment : mapping of str to float
        Share that each level adds, from the top down; 0.05 is 5 %.
    levers : ManagerLevers
        What a manager may set.
    metrics : MetricOptions
        What is set for activity goals.
    review : tuple of Exclusion
        What is taken out of the review.
    path : Path or None
        Where it stands; None: in no file.

    Examples
    --------
    >>> calm = Scenario.parse("calm", {"rules": [{"name": "r", "each": "rep_id", "at_most": 90}]})
    >>> calm.rules[0].describe()
    'each rep_id of all cells: at most 90'
    """

    name: str = "none"
    title: str = ""
    note: str = ""
    targets: Targets | None = None
    company: Scenario | None = None
    levers: ManagerLevers = field(default_factory=ManagerLevers)
    metrics: MetricOptions = field(default_factory=MetricOptions)
    objective: Objective = Objective()
    base: Base = Base()
    rules: tuple[Rule, ...] = ()
    holds: tuple[Hold, ...] = ()
    assumptions: Mapping[str, AssumptionEntry] = field(default_factory=dict)
    correlations: tuple[Correlation, ...] = ()
    over_assignment: Mapping[str, float] = field(default_factory=dict)
    relax: Relax = Relax()
    review: tuple[Exclusion, ...] = ()
    path: Path | None = None

    @classmethod
    def parse(cls, name: str, content: Mapping[str, Any], path: Path | None = None) -> Scenario:
        """Read the content of a scenario file.

        Raises
        ------
        DataError
            With every fault of the file that shows without the plan's tables: sections and keys
            nobody knows (with the nearest known one), values of the wrong type or out of range,
            rules that ask for nothing or for two things, names that stand twice, assumptions and
            correlations that contradict each other.
        """
        read, faults = cls.read(name, content, path)
        stop_on_faults(faults, f"scenario {name!r}")
        return read

    @classmethod
    def read(
        cls, name: str, content: Mapping[str, Any], path: Path | None = None
    ) -> tuple[Scenario, list[str]]:
        """Read what can be read of the content of a file, and name every fault, see `parse`."""
        written = Written(content)
        written.keys(SECTIONS)
        rules, holds = _read_rules(written)
        review = written.section("review", ("exclude",))
        padding = written.section("over_assignment")
        read = cls(
            name=name,
            title=written.text("name"),
            note=written.text("note"),
            targets=read_targets(written) if "targets" in written else None,
            company=_read_company(written.section("company")),
            levers=read_levers(written.section("levers")),
            metrics=read_metric_options(written.section("metrics", METRIC_KEYS)),
            objective=_read_objective(written.section("objective", ("kind", "weights", "chances"))),
            base=_read_base(written.section("base", ("blend", "fill"))),
            rules=rules,
            holds=holds,
            assumptions=read_register(written.section("assumptions")),
            correlations=read_correlations(written.rows("correlations", "correlation")),
            over_assignment={k: padding.number(k, 0.0, least=0, most=5) for k in padding.values},
            relax=_read_relax(written.section("relax", ("allow", "up_to_priority"))),
            review=read_exclusions(review),
            path=path,
        )
        return read, [*written.faults, *read._faults_together()]

    def _faults_together(self) -> list[str]:
        names = [rule.name for rule in self.all_rules]
        double = sorted(name for name, count in Counter(names).items() if count > 1)
        faults = [f"names used twice: {', '.join(map(repr, double))}"] if double else []
        if self.company is not None:
            faults += [f"[company] {fault}" for fault in self.company._faults_together()]
        return faults + register_faults(self.assumptions, self.correlations)

    @property
    def all_rules(self) -> tuple[Rule, ...]:
        """Give rules and holds, in the order written."""
        return (*self.rules, *self.holds)

    def for_region(self, labels: Labels) -> Scenario:
        """Give what speaks of one region: one file serves all of them.

        Rules and holds about people or territories of other regions are left out, and so are
        chances of roles nobody has here. People understand "everybody by the same per cent":
        movements weigh by the base unless the scenario says other weights.

        Parameters
        ----------
        labels
            Labels of the region's cells by column.
        """
        rules = [near for rule in self.rules if (near := rule.narrowed(labels)) is not None]
        holds = [near for hold in self.holds if (near := hold.narrowed(labels)) is not None]
        aim = self.objective
        chances = {role: x for role, x in aim.chances.items() if role in labels.get("role", ())}
        aim = replace(aim, weights=aim.weights or WEIGHTS[0], chances=chances)
        return replace(self, rules=tuple(rules), holds=tuple(holds), objective=aim)

    def with_(self, *, rule: Rule | None = None, **parts: Any) -> Scenario:
        """Change it: every what-if, form and comparison does it here.

        Parameters
        ----------
        rule
            A rule or hold to add, in the place of one of the same name.
        **parts
            New values of the attributes. Correlations of assumptions that are gone go too.

        Raises
        ------
        DataError
            The parts do not go together, for example two assumptions about one driver.

        Examples
        --------
        >>> cap = GroupRange(name="cap", each=("rep_id",), at_most=90.0)
        >>> Scenario("base").with_(rule=cap, note="calm").rules[0].at_most
        90.0
        """
        require_labels(parts, [part.name for part in fields(self)], "parts of a scenario")
        if rule is not None:
            key = "holds" if isinstance(rule, Hold) else "rules"
            others = [other for other in getattr(self, key) if other.name != rule.name]
            parts = {key: (*others, rule), **parts}
        if "assumptions" in parts:
            known = set(parts["assumptions"])
            kept = tuple(one for one in self.correlations if set(one.between) <= known)
            parts = {"correlations": kept, **parts}
        changed = replace(self, **{"path": None, **parts})
        stop_on_faults(changed._faults_together(), f"scenario {changed.name!r}")
        return changed

    def street_target(self, target: float, unit: float) -> float:
        """Give what all goals add up to: the target and what every level adds, to the unit.

        Examples
        --------
        >>> Scenario("base", over_assignment={"region": 0.02, "manager": 0.01}).street_target(
        ...     1000, 1
        ... )
        1030.0
        """
        padded = target * math.prod(1 + share for share in self.over_assignment.values())
        return from_units(round(padded / unit), unit)

    def digest(self, parts: Iterable[str] | None = None) -> str:
        """Digest some of its sections (as a file names them; None: all, and its name).

        Two scenarios have the same digest of a section when they say the same in it, in whatever
        words: a default that is written out changes nothing.

        Examples
        --------
        >>> calm = Scenario("calm", note="a")
        >>> calm.digest(["rules"]) == Scenario("base").digest(["rules"])
        True
        """
        wanted = set(SECTIONS if parts is None else parts)
        require_labels(wanted, SECTIONS, "sections of a scenario")
        said = {part: self._content.get(part) for part in SECTIONS if part in wanted}
        who = self.name if "name" in said else ""
        text = json.dumps([who, said], default=str)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    def to_toml(self) -> str:
        """Write it as the text of a scenario file; what is as by default is left out."""
        return to_toml(self._content)

    @cached_property
    def _content(self) -> dict[str, Any]:
        read = {part.name: getattr(self, part.name) for part in fields(self)}
        content = read | {
            "name": self.title,
            "targets": self.targets
            and {"growth_share": self.targets.growth_share, **_said(self.targets)},
            "company": self.company and self.company._content,
            "rules": [_rule_said(rule) for rule in self.rules],
            "holds": [_rule_said(hold) for hold in self.holds],
            "assumptions": {name: _said(entry) for name, entry in self.assumptions.items()},
            "correlations": [_said(one) for one in self.correlations],
            "review": self.review and {"exclude": [_said(entry) for entry in self.review]},
        }
        for part in ("levers", "metrics", "objective", "base", "relax"):
            content[part] = _said(content[part])
        if self.levers.move:
            content["levers"]["move"] = [_said(one) for one in self.levers.move]
        if self.metrics.launch:
            content["metrics"]["launch"] = {k: _said(one) for k, one in self.metrics.launch.items()}
        return {part: content[part] for part in SECTIONS if content[part]}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scenario) and (self is other or self.digest() == other.digest())

    def __hash__(self) -> int:
        return hash(self.digest())


def _read_rules(written: Written, of: str = "") -> tuple[tuple[Rule, ...], tuple[Hold, ...]]:
    rules = [read_rule(row) for row in written.rows("rules", f"{of}rule")]
    holds = [read_hold(row) for row in written.rows("holds", f"{of}hold")]
    return (
        tuple(rule for rule in rules if rule is not None),
        tuple(hold for hold in holds if hold is not None),
    )


def _read_company(section: Written) -> Scenario | None:
    """Read how the company's target is split over the regions; None where nothing is said."""
    section.keys(COMPANY_SECTIONS)
    rules, holds = _read_rules(section, "company ")
    for rule in rules:
        if not rule.reason:
            section.fault(f"rule {rule.name!r}: reason is missing; say why")
    read = Scenario(
        name="[company]",
        objective=_read_objective(
            section.section("objective", ("kind", "weights")), of_people=False
        ),
        base=_read_base(section.section("base", ("blend",)), COMPANY_BASES),
        rules=rules,
        holds=holds,
        relax=_read_relax(section.section("relax", ("allow", "up_to_priority"))),
    )
    return read if read._content else None


def _read_objective(section: Written, of_people: bool = True) -> Objective:
    kind, weights = section.text("kind", OBJECTIVES[0]), section.text("weights")
    known = [name for name in OBJECTIVES if of_people or name != "equal_chance"]
    section.known([kind], known, " kind")
    known = [name for name in WEIGHTS if of_people or name != "variance"]
    section.known([weights] if weights else [], known, " weights")
    chances = section.section("chances", example="{ role = 0.6 }")
    given = {role: chances.number(role, 0.5, least=0.001, most=0.999) for role in chances.values}
    return Objective(kind, weights, given)


def _read_base(section: Written, bases: tuple[str, ...] = NAMED_BASES) -> Base:
    fill = section.text("fill")
    blend = section.section("blend", bases, "{ last_year = 0.6, even = 0.4 }")
    section.known([fill] if fill else [], FILLS, " fill")
    weights = {name: blend.number(name, 0.0, least=0) for name in blend.values}
    if weights and not any(weights.values()):
        section.fault(f"blend: weights must be 0 or more and not all 0, got {dict(blend.values)}")
    return Base(weights, fill)


def _read_relax(section: Written) -> Relax:
    most = section.number("up_to_priority", Relax.up_to_priority, least=1, most=8)
    return Relax(section.flag("allow"), int(most))


def _said(part: Any) -> dict[str, Any]:
    """Give what a part says beyond its defaults, as plain values."""
    values = {entry.name: (getattr(part, entry.name), entry.default) for entry in fields(part)}
    return {
        name: value
        for name, (value, default) in values.items()
        if value != default and value not in ("", (), {})
    }


def _rule_said(rule: Rule) -> dict[str, Any]:
    said = _said(rule)
    if isinstance(rule, MaxChange | ZeroOrAtLeast):  # nothing written would be each cell
        said["each"] = rule.each
    if isinstance(rule, GroupRange) and rule.at_least is not None and rule.at_least == rule.at_most:
        said["exactly"] = said.pop("at_least")
        del said["at_most"]
    if isinstance(rule, ZeroOrAtLeast):
        said["zero_or_at_least"] = said.pop("amount")
    if isinstance(rule, Hold):
        said["expires_on"] = rule.expires_on
    return said


def load_scenario(path: Path) -> Scenario:
    """Read a scenario file.

    Raises
    ------
    DataError
        The file is missing, is not TOML, or has faults: all of them (see `Scenario.parse`).
    """
    return Scenario.parse(path.stem, scenario_content(path), path)


def scenario_content(path: Path) -> dict[str, Any]:
    """Give the sections of a scenario file as they stand there.

    Raises
    ------
    DataError
        The file is missing (the nearest one is named) or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        known = sorted(p.stem for p in path.parent.glob("*.toml"))
        require_labels([path.stem], known, f"scenarios in {path.parent.name}/")
        raise
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path.name}: not a TOML file: {error}.") from None
