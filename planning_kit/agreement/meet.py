"""Where both sides can meet: counter-offers that keep the total, every rule and every hold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from planning_kit.agreement.goals import LABELS, agreed_parts, check_goals
from planning_kit.agreement.reasons import reasons
from planning_kit.agreement.state import CLOSED
from planning_kit.allocation import Split, split_exactly
from planning_kit.allocation.exact import BETWEEN, TOTAL
from planning_kit.allocation.limits import NO_NEGATIVE
from planning_kit.messages import finding, findings_table, shorten
from planning_kit.messages.amounts import number_text
from planning_kit.numbers.intervals import deviation
from planning_kit.numbers.units import from_units
from planning_kit.plan import GroupRange, Hold, Rule, Scenario, Settings
from planning_kit.plan.rules import CELL, REFERENCES

OFFER_COLUMNS = (
    "rep_id",
    "goal",
    "proposed",
    "adjusted",
    "gap",
    "suggested",
    "reason",
    "status",
)
LEAST_SPREAD = 0.01  # nobody's past is taken as free of error
MOST_SPREADS = 2  # standard deviations above the calibrated proposal that nobody carries silently
MOST_BEYOND = 0.1  # share beyond both numbers that nobody carries silently
NO_RULES = Scenario()
_LEAST_WEIGHT = 1e-6  # of the largest: who never errs still moves, last of all
_NEAR = 1e-6  # a limit that is a multiple of the unit stays one in spite of binary fractions
# The rules that the talks themselves add, as people read them.
AGREED, STAYS, LIMIT = "agreed goal", "locked goal", "limit"
_OWN = {AGREED, STAYS, LIMIT, BETWEEN, NO_NEGATIVE}
_LAST = 10  # priority above every rule's: what is agreed gives last of all


@dataclass(frozen=True)
class Meeting:
    """Counter-offers, and what is odd about them.

    Attributes
    ----------
    offers : DataFrame
        See `counter_offers`.
    findings : DataFrame
        Which rules and agreed goals cannot hold together, by how much the sum misses, and who
        would carry more than the own past speaks for.
    """

    offers: pd.DataFrame
    findings: pd.DataFrame


def counter_offers(
    allocation_goals: pd.DataFrame,
    state: pd.DataFrame,
    settings: Settings,
    bias: pd.DataFrame | None = None,
    scenario: Scenario = NO_RULES,
    past_goals: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Suggest a goal between proposal and top-down goal for everybody; total and rules stay.

    Least movement from the calibrated proposals: sum of (x - calibrated)² / variance is smallest,
    the sum of all x is the sum of the top-down goals, in whole rounding units, and every rule and
    hold of the scenario is kept, also those over several people or product lines: the engine that
    allocates looks for the suggestions, cell by cell. What is accepted, decided or locked stays.
    Only where that leaves the others no room between their two numbers do they go beyond, within
    the rules; and where even the rules leave no room, the suggestions stand at what the rules
    allow, their sum misses the top-down goals, and the reasons say by how much.

    Parameters
    ----------
    allocation_goals
        As for `standing_goals`, plus, optionally, ``lower`` and ``upper`` (plan currency a cell;
        empty: 0 and none), ``locked`` (true: stays at its goal), and the columns that rules refer
        to.
    state
        From `planning_kit.agreement.play_log`.
    settings
        Rounding unit, and the day from which holds that ended are not kept.
    bias
        What past proposals were worth, from `planning_kit.review.proposal_bias`: a proposal times
        ``factor`` is the expected result, ``low_factor`` to ``high_factor`` its 80 % range.
        People it does not know get the group's mean and the widest range. None: proposals are
        taken as they are, and who moves, moves by the same percentage of the larger number.
    scenario
        Its rules and holds, as far as they speak of these cells.
    past_goals
        By ``rep_id``: ``years``, and ``goal`` and ``actual`` in them (sums, plan currency), for the
        planner's side of the reason. None: not known.

    Returns
    -------
    pandas.DataFrame
        By ``rep_id``: ``goal`` (top down), ``proposed``, ``adjusted``, ``gap`` (proposed less
        goal), ``suggested``, ``reason`` in words, ``status``. Plan currency; empty: nobody said it.

    Examples
    --------
    >>> from datetime import date
    >>> from planning_kit.agreement import Event, play_log, record_events
    >>> year = (date(2026, 1, 1), date(2026, 12, 31), date(2025, 1, 1), date(2025, 12, 31))
    >>> plan = Settings("plan", "EUR", 10.0, *year)
    >>> goals = pd.DataFrame({"rep_id": ["ann", "bob"], "goal": [100.0, 200.0]})
    >>> moves = [Event("assign", "ann", "plan", 100), Event("assign", "bob", "plan", 200)]
    >>> moves += [Event("propose", "ann", "ann", 120), Event("propose", "bob", "bob", 150)]
    >>> cap = GroupRange(name="cap", where={"rep_id": ("ann",)}, at_most=110.0)
    >>> state = play_log(record_events(moves, plan))
    >>> counter_offers(goals, state, plan, scenario=Scenario(rules=(cap,))).suggested.tolist()
    [110.0, 190.0]
    """
    return meet(allocation_goals, state, settings, bias, scenario, past_goals).offers


def meet(
    allocation_goals: pd.DataFrame,
    state: pd.DataFrame,
    settings: Settings,
    bias: pd.DataFrame | None = None,
    scenario: Scenario = NO_RULES,
    past_goals: pd.DataFrame | None = None,
) -> Meeting:
    """Give counter-offers with what is odd about them; everything as for `counter_offers`."""
    goals = check_goals(allocation_goals, settings.rounding_unit)
    people = _people(goals, state, settings, bias)
    people["suggested"], people["held_by"] = people["agreed"].fillna(people["goal"]), ""
    cells = _cells(goals[goals["units"].notna()], people, state, settings.rounding_unit)
    split = None
    if (~people.loc[cells["rep_id"], "stays"]).any():
        split = _split(cells, people, settings, scenario)
        by = split.goals.div(settings.rounding_unit).groupby(cells["rep_id"]).sum().round()
        people["suggested"] = people["suggested"].where(people["stays"], by)
        people["held_by"] = _rules_of(split, cells).reindex(people.index).fillna("")
    offers = people.rename_axis("rep_id").reset_index()
    lacking = int((people["goal"] - people["suggested"]).sum()) if split is not None else 0
    offers["gap"] = offers["proposed"] - offers["goal"]
    for name in ("goal", "proposed", "adjusted", "gap", "suggested", "low", "high", "size"):
        whole = offers[name].astype("float64").round()
        offers[name] = from_units(whole.fillna(0), settings.rounding_unit).where(whole.notna())
    missing = from_units(lacking, settings.rounding_unit)
    offers["reason"] = reasons(offers, bias, past_goals, missing)
    found = [*_carrying(offers, settings.rounding_unit), *_conflict(split, missing)]
    texts = {"rep_id": "str", "reason": "str", "status": "str"}
    return Meeting(offers[list(OFFER_COLUMNS)].astype(texts), findings_table(found))


def _people(
    goals: pd.DataFrame, state: pd.DataFrame, settings: Settings, bias: pd.DataFrame | None
) -> pd.DataFrame:
    """Add up cells to people, in rounding units, and join what was said and what is known."""
    unit = settings.rounding_unit
    locked = (_column(goals, "locked", 0) > 0) | goals["units"].isna()
    cells = goals[["rep_id"]].assign(goal=goals["units"].astype("float64"), locked=locked)
    by = cells.groupby("rep_id")
    people = by[["goal"]].sum(min_count=1).assign(locked=by["locked"].all())
    said = state.set_index("rep_id").reindex(people.index)
    for name in ("proposed", "agreed"):
        people[name] = (said[name] / unit).round()
    people["status"] = said["status"].fillna("not started")
    closed = people["status"].isin(CLOSED) & people["agreed"].notna()
    people["agreed"] = people["agreed"].where(closed & people["goal"].notna())
    people["stays"] = closed | people["locked"]
    past = _past(people.index, bias)
    people["spread"] = past["spread"]
    people["adjusted"] = (people["proposed"] * np.exp(past["bias"])).round()
    people["size"] = people[["goal", "adjusted"]].max(axis=1)
    # Nobody is countered beyond both numbers for what the past makes of a proposal.
    numbers = people[["goal", "proposed"]]
    people["low"], people["high"] = numbers.min(axis=1), numbers.max(axis=1)
    start = people["adjusted"].fillna(people["goal"])
    people["start"] = start.clip(people["low"], people["high"])
    # The error variance; without a past it grows with the goal.
    plain = people["spread"].isna().any()
    people["weight"] = people["size"] if plain else (people["size"] * people["spread"]) ** 2
    return people


def _past(people: pd.Index, bias: pd.DataFrame | None) -> pd.DataFrame:
    """Give bias and standard deviation of ln(result / proposal); no past at all: 0 and empty."""
    if bias is None or bias.empty:
        return pd.DataFrame({"bias": 0.0, "spread": np.nan}, index=people)
    known = bias.set_index("rep_id")[["factor", "low_factor", "high_factor"]].astype("float64")
    logs = np.log(known)
    spread = deviation(logs["low_factor"], logs["high_factor"])
    past = pd.DataFrame({"bias": logs["factor"], "spread": spread.clip(lower=LEAST_SPREAD)})
    middle = {"bias": past["bias"].mean(), "spread": past["spread"].max()}
    return past.reindex(people).fillna(middle)


def _column(goals: pd.DataFrame, name: str, missing: float) -> pd.Series:
    given = goals[name] if name in goals else pd.Series(np.nan, index=goals.index)
    return given.astype("float64").fillna(missing)


def _cells(
    goals: pd.DataFrame, people: pd.DataFrame, state: pd.DataFrame, unit: float
) -> pd.DataFrame:
    """Lay out the cells for the engine: labels, what rules refer to, and what the talks add."""
    kept = [name for name in (*LABELS, "role", "region", *REFERENCES) if name in goals]
    cells = goals[["rep_id", *kept, "goal"]].copy()
    if "base" not in cells:
        cells["base"] = cells["goal"]
    units, by = goals["units"].astype("float64"), goals["rep_id"]
    whole = units.groupby(by).transform("sum")
    even = 1 / units.groupby(by).transform("size")
    cells["share"] = (units / whole).where(whole > 0, even)
    part, agreed = pd.Series(None, goals.index, dtype="object"), pd.Series(np.nan, goals.index)
    for _, name, rows, amount in agreed_parts(goals, unit, state):
        part[rows.index] = name
        agreed[rows.index[0]] = from_units(amount, unit)
    if part.notna().any():
        cells["part"], cells["agreed"] = part, agreed
    locked = (_column(goals, "locked", 0) > 0) & part.isna()
    cells["locked_at"] = cells["goal"].where(locked)
    if {"lower", "upper"} & {*goals}:
        lower = np.ceil(_column(goals, "lower", 0.0) / unit - _NEAR) * unit
        upper = np.floor(_column(goals, "upper", np.inf) / unit + _NEAR) * unit
        # Limits closer together than a rounding unit leave one whole number: the one above them.
        cells["lower"] = lower.where(~locked)
        cells["upper"] = upper.clip(lower=lower).where(~locked)
    return cells


def _of_talks(cells: pd.DataFrame) -> list[Rule]:
    """Give what the talks ask of the split, as rules: they give last."""
    each, last = (CELL,), _LAST
    rules: list[Rule] = []
    if "part" in cells:
        rules.append(Hold(name=AGREED, each=("part",), keep="agreed", priority=last))
    if cells["locked_at"].notna().any():
        rules.append(Hold(name=STAYS, each=each, keep="locked_at", priority=last))
    if "lower" in cells:
        limit = GroupRange(name=LIMIT, each=each, priority=last)
        rules.append(replace(limit, at_least=1.0, relative_to="lower"))
        rules.append(replace(limit, at_most=1.0, relative_to="upper"))
    return rules


def _split(
    cells: pd.DataFrame, people: pd.DataFrame, settings: Settings, scenario: Scenario
) -> Split:
    """Let the engine find the suggestions: between both numbers, else beyond them, else as near."""
    unit, free = settings.rounding_unit, people[~people["stays"] & people["goal"].notna()]
    total = int(people["goal"].sum())
    room = total - int(people["suggested"][people["stays"]].sum())
    ask = partial(
        split_exactly,
        total=from_units(total, unit),
        rounding_unit=unit,
        today=settings.starts_on,
        gave=scenario.relax.allow,
    )
    rules = [*scenario.all_rules, *_of_talks(cells)]
    start = people["start"]
    if room > free["high"].sum():
        start = people["high"]
    elif room < free["low"].sum():
        start = people["low"]
    else:
        between = _started(cells, people, start, unit)
        for name in ("low", "high"):
            number = people[name].where(~people["stays"])
            between[name] = cells["rep_id"].map(number) * unit
        if found := ask(between, rules=rules, between="rep_id"):
            return found
    found = ask(_started(cells, people, start, unit), rules=rules)
    assert found is not None  # nothing had to lie between anything
    return found


def _started(
    cells: pd.DataFrame, people: pd.DataFrame, start: pd.Series, unit: float
) -> pd.DataFrame:
    """Spread everybody's number and its variance over the cells, as the goals are spread."""
    weight = cells["rep_id"].map(people["weight"]) * cells["share"]
    least = _LEAST_WEIGHT * (float(weight.max()) or 1.0)
    return cells.drop(columns="share").assign(
        start=cells["rep_id"].map(start) * cells["share"] * unit, weight=weight.clip(lower=least)
    )


def _rules_of(split: Split, cells: pd.DataFrame) -> pd.Series:
    """Name the scenario's rules that hold something of everybody, by rep_id."""
    texts = split.held_by
    names = {text: [n for n in text.split("; ") if n and n not in _OWN] for text in texts.unique()}
    kept = texts.map({text: shorten(found) for text, found in names.items()})
    there = kept != ""
    return kept[there].set_axis(cells["rep_id"][there]).groupby(level=0).first()


def _carrying(offers: pd.DataFrame, unit: float) -> list[dict[str, str]]:
    """Name the open people who would carry more than their own past, or both numbers, speak for."""
    open_ = offers[~offers["stays"] & offers["suggested"].notna()]
    spoken = (
        open_["adjusted"].fillna(open_["goal"]) + MOST_SPREADS * open_["spread"] * open_["size"]
    )
    over = open_["suggested"] - open_["high"] * (1 + MOST_BEYOND)
    under = open_["low"] * (1 - MOST_BEYOND) - open_["suggested"]
    kinds = (
        (
            "stretch",
            open_["suggested"] - spoken,
            f"more than {MOST_SPREADS} standard deviations above what past results make of the "
            "proposal",
            "Ask what the rest is to come from, or lower the target.",
        ),
        (
            "beyond",
            np.maximum(over, under),
            f"more than {MOST_BEYOND:.0%} beyond both numbers, for what is agreed with others",
            "See who else has room (`gap_options`), or reopen an agreement.",
        ),
    )
    rows = []
    for name, by, words, advice in kinds:
        most = open_.assign(by=by)[by >= unit].sort_values(
            ["by", "rep_id"], ascending=[False, True]
        )
        if len(most):
            named = [
                f"{rep_id}: {number_text(amount, 2 * (unit < 1))}, by {number_text(more, 2 * (unit < 1))}"
                for rep_id, amount, more in most[["rep_id", "suggested", "by"]].to_numpy()
            ]
            lies = "suggestion lies" if len(named) == 1 else "suggestions lie"
            message = f"{len(named)} {lies} {words}: {shorten(named)}."
            rows.append(finding(f"agreement.{name}", "review", "agreement", message, advice))
    return rows


def _conflict(split: Split | None, missing: float) -> list[dict[str, str]]:
    """Name the rules and agreed goals that cannot hold together, and what gave."""
    if split is None or split.conflict.empty:
        return []
    rows = split.conflict[["rule", "group", "limit"]].to_numpy()
    named = [f"{_said(rule, group)} ({limit})" for rule, group, limit in rows]
    gave = [
        f"{_said(rule, group)} by {amount:,.10g}"
        for rule, group, amount in split.gives[["rule", "group", "gives"]].to_numpy()
        if rule != TOTAL
    ]
    rest = "less" if missing > 0 else "more"
    misses = f" The suggestions add up to {abs(missing):,.10g} {rest} than the target." * bool(
        missing
    )
    gives = f" What gives in the suggestions: {_listed(gave)}." if gave else ""
    message = f"These {len(named)} cannot hold together: {_listed(named)}.{misses}{gives}"
    advice = "Reopen an agreement, release a lock or a rule, or change the target."
    return [finding("agreement.conflict", "fail", "agreement", message, advice)]


def _said(rule: str, group: str) -> str:
    if rule == TOTAL:
        return "the target"
    if rule in _OWN:
        return f"the {rule} of {' / '.join(filter(None, group.split(' / ')))!r}"
    return f"the rule {rule!r} for {group!r}" if group else f"the rule {rule!r}"


def _listed(texts: list[str]) -> str:
    return "; ".join(texts[:5]) + (f" and {len(texts) - 5} more" if len(texts) > 5 else "")
