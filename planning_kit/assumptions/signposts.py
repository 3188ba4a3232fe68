"""Signposts in the year: which assumptions no longer hold, and whose goals rest on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from scipy.stats import binom

from planning_kit.data import Region
from planning_kit.messages import finding, shorten
from planning_kit.numbers.intervals import RANGE_SHARE
from planning_kit.outlook import Assumption, coming_year
from planning_kit.outlook.baseline import row_place
from planning_kit.outlook.history import PLACE
from planning_kit.outlook.register import CARRIED
from planning_kit.outlook.seats import Seats, look_ahead
from planning_kit.outlook.turnover import left_between
from planning_kit.plan import Scenario

SIGNPOST_COLUMNS = (
    "assumption_id",
    "statement",
    "driver",
    "low",
    "base",
    "high",
    "actual",
    "unit",
    "state",
    "check_on",
    "is_overdue",
    "effect",
    "people",
    "rep_ids",
    "territory_ids",
    "note",
)
RESULT_COLUMNS = ("cut", "label", "expected", "low", "high", "actual", "state")
GOAL_COLUMNS = (*PLACE, "breached", "expected", "effect")
_OUTSIDE = ("below", "above")
_LEAST_PEOPLE = 5


@dataclass(frozen=True)
class Signposts:
    """What is known of the plan's year so far.

    Attributes
    ----------
    today : pandas.Timestamp
        Months that ended before this day are known.
    assumptions : pandas.DataFrame
        assumption_id, statement, driver, low, base, high, actual, unit, state (inside, below,
        above, cannot tell, not known), check_on, is_overdue, effect (change of the year's expected
        total if the actual holds, plan currency), people, rep_ids, territory_ids (whose goals rest
        on it), note.
    results : pandas.DataFrame
        cut (region, territory, person), label, expected, low, high (80 % range of the months that
        are known), actual (plan currency), state. No rows before the first month is over.
    goals : pandas.DataFrame
        rep_id, territory_id of every goal that rests on a breached assumption, breached (their
        ids), expected (of the year), effect (change of it, plan currency).
    sold_by_others : float
        Sales of people of whom nothing is expected; in no row of ``results``.
    """

    today: pd.Timestamp
    assumptions: pd.DataFrame
    results: pd.DataFrame
    goals: pd.DataFrame
    sold_by_others: float


def signposts(inputs: Region, scenario: Scenario, today: date | None = None) -> Signposts:
    """Compare the year so far with what was assumed and expected.

    An assumption is breached when its ``actual`` in the scenario lies outside of low to high.
    Turnover without one is counted in the roster since the start of the plan, and is breached when
    the whole 80 % range of the count lies outside; sales in the plan's months are compared with
    the range of what was expected of the same months.

    Parameters
    ----------
    today
        Sales of all months that ended before it are complete; None: the day after the last month
        with sales in the plan, else the first day of the plan.
    """
    seats = look_ahead(inputs, scenario)
    first, months = pd.Timestamp(seats.inputs.settings.starts_on), seats.months
    sold = seats.inputs.sales
    sold = sold[sold["month"].isin(months)]
    last = sold["month"].max() if len(sold) else first - pd.DateOffset(months=1)
    day = pd.Timestamp(last + pd.DateOffset(months=1) if today is None else today)
    known = months[months + pd.DateOffset(months=1) <= day]
    sold = sold[sold["month"].isin(known)]
    ours = sold["rep_id"].isin(seats.rows["rep_id"])
    table = pd.DataFrame(
        [_signpost(seats, a, day) for a in seats.assumptions], columns=list(SIGNPOST_COLUMNS)
    ).astype({"check_on": "datetime64[us]", "is_overdue": bool})
    parts = coming_year(inputs, scenario).parts
    results = _results(seats, parts, sold[ours], known)
    return Signposts(day, table, results, _goals(seats, table), float(sold["amount"][~ours].sum()))


def _signpost(seats: Seats, a: Assumption, day: pd.Timestamp) -> tuple:
    actual, low, high, note = a.actual, a.actual, a.actual, ""
    if np.isnan(actual) and a.driver == "turnover_rate":
        actual, low, high, note = left_between(seats.inputs, day)
    state = (
        "not known"
        if np.isnan(actual)
        else "below"
        if high < a.low
        else "above"
        if low > a.high
        else "inside"
        if a.low <= actual <= a.high
        else "cannot tell"
    )
    here = seats.rows[seats.scopes[a.assumption_id]] if a.moves else seats.rows.iloc[:0]
    people, places = (sorted(set(here[c]) - {""}) for c in PLACE)
    effect = np.nan
    if a.moves and state not in ("not known", "cannot tell"):
        effect = float(np.nansum(seats.expected({a.assumption_id: actual}) - seats.base))
    late = a.check_on is not None and a.check_on < day and a.status != CARRIED
    return (
        a.assumption_id,
        a.statement,
        a.driver,
        a.low,
        a.base,
        a.high,
        actual,
        a.unit,
        state,
        pd.NaT if a.check_on is None else a.check_on,
        late,
        effect,
        len(people),
        ", ".join(people),
        ", ".join(places),
        note,
    )


def _results(
    seats: Seats,
    ranges: Callable[..., pd.DataFrame] | None,
    sold: pd.DataFrame,
    known: pd.DatetimeIndex,
) -> pd.DataFrame:
    if ranges is None or known.empty or seats.rows.empty:
        return pd.DataFrame(columns=list(RESULT_COLUMNS))
    sold = sold.assign(territory_id=sold["territory_id"].fillna(""))
    sold = sold.assign(territory_id=row_place(sold, seats.rows))
    parts, after = [], known[-1] + pd.DateOffset(months=1)
    for cut, by in (("region", []), ("territory", ["territory_id"]), ("person", ["rep_id"])):
        part = ranges(by, until=after)
        name = pd.Series(seats.inputs.name, part.index)
        part["label"] = part[by[0]] if by else name
        sums = (
            sold.groupby(by)["amount"].sum() if by else pd.Series({name[0]: sold["amount"].sum()})
        )
        part["actual"] = part["label"].map(sums).fillna(0.0)
        parts.append(part.assign(cut=cut))
    table = pd.concat(parts, ignore_index=True)
    table = table[(table["label"] != "") & table["expected"].notna()]
    below, above = table["actual"] < table["low"], table["actual"] > table["high"]
    state = np.select([below, above], _OUTSIDE, "inside")
    return table.assign(state=state)[list(RESULT_COLUMNS)].reset_index(drop=True)


def _goals(seats: Seats, table: pd.DataFrame) -> pd.DataFrame:
    """Sum by person and place what the breached assumptions change, all of them together."""
    breached = table[table["state"].isin(_OUTSIDE) & (table["people"] > 0)]
    names = pd.Series("", seats.rows.index)
    for name in breached["assumption_id"]:
        here = seats.scopes[name]
        names = names.mask(here, (names + ", " + name).str.removeprefix(", "))
    actual = dict(zip(breached["assumption_id"], breached["actual"], strict=True))
    moved = seats.expected(actual) - seats.base
    rows = seats.rows[PLACE].assign(breached=names, expected=seats.base, effect=moved)
    rows = rows[names != ""]
    goals = rows.groupby(PLACE, as_index=False).agg(
        breached=("breached", "max"), expected=("expected", "sum"), effect=("effect", "sum")
    )
    return goals[list(GOAL_COLUMNS)]


def about_signposts(seen: Signposts, currency: str) -> list[dict[str, str]]:
    """Say what is breached, in findings."""
    rows = []
    for a in seen.assumptions[seen.assumptions["state"].isin(_OUTSIDE)].to_dict("records"):
        who = shorten(a["rep_ids"].split(", ")) if a["people"] else "nobody here"
        effect = (
            ""
            if np.isnan(a["effect"])
            else (f"; if it stays so the year's result changes by {a['effect']:+,.0f} {currency}")
        )
        rows.append(
            finding(
                f"assumptions.{a['assumption_id']}.breached",
                "review",
                "signposts",
                f"{a['assumption_id']} ({a['driver']}) was assumed at {a['low']:g} to {a['high']:g} "
                f"{a['unit']} and is {a['actual']:.4g}, {a['state']} that; it touches {a['people']} "
                f"people's goals: {who}{effect}",
                "decide with the owner: change the assumption, or the goals that rest on it",
            )
        )
    others = f"; people of whom nothing is expected sold {seen.sold_by_others:,.0f} more"
    whole = seen.results[seen.results["cut"] == "region"]
    for r in whole[whole["state"].isin(_OUTSIDE)].to_dict("records"):
        rows.append(
            finding(
                f"assumptions.results.{r['state']}",
                "review",
                "signposts",
                f"{r['label']} sold {r['actual']:,.0f} {currency} before {seen.today:%Y-%m-%d}, "
                f"{r['state']} the range of {r['low']:,.0f} to {r['high']:,.0f} that holds eight of ten"
                + (others if seen.sold_by_others else ""),
                "find out which assumption does not hold",
            )
        )
    return [*rows, *_about_people(seen.results[seen.results["cut"] == "person"])]


def _about_people(people: pd.DataFrame) -> list[dict[str, str]]:
    outside = people[people["state"].isin(_OUTSIDE)]
    most = int(binom.ppf(0.95, len(people), 1 - RANGE_SHARE)) if len(people) else 0
    if outside.empty or len(people) < _LEAST_PEOPLE:  # too few to tell luck from more
        return []
    below = outside.loc[outside["state"] == "below", "label"]
    many = len(outside) > most
    return [
        finding(
            "assumptions.results.people",
            "review" if many else "pass",
            "signposts",
            f"{len(outside)} of {len(people)} people are outside the ranges of their results so far, "
            f"{len(below)} of them below; up to {most} can be luck",
            f"look first at {shorten(below)}" if many and len(below) else "",
        )
    ]
