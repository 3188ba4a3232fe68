"""Companies of many shapes, each with the year that came after its plan, and what is true of it.

Nothing here knows the sample company. A world is territories whose demand is a size, a season, a growth
and shocks of their own, of their region and of the company, passing or lasting; people hold them, leave,
are missed for some months and are followed by somebody who has to ramp up; what is sold comes in
orders of uneven size, some of which are sent back. A claim about the kit's numbers is a simulation over
worlds: it says family, seeds and interval.

    >>> world = make_world("steady", seed=1)
    >>> bool(world.inputs().sales["amount"].sum() > 0)
    True
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from planning_kit.data import Region
from planning_kit.plan import Settings
from tests.making import make_inputs, make_settings

PLAN_YEAR = 2026
YEAR = 12  # months
Span = tuple[float, float]  # drawn evenly between both
Rng = np.random.Generator


@dataclass(frozen=True)
class Shape:
    """What worlds of a family are like; a span is drawn anew for each world.

    Attributes
    ----------
    regions, people, lines : pair of int
        How many; people are spread over the regions by chance.
    years : pair of int
        Whole years of history.
    size_spread, line_spread : pair of float
        Standard deviation of log size of territories, and of a territory's lines.
    season : pair of float
        Amplitude of the season, every line with a peak of its own; 0: flat.
    orders : pair of float
        Orders a territory and month, at its usual size.
    order_cv : pair of float
        Coefficient of variation of an order's amount.
    returned : pair of float
        Share of orders that come back a month later.
    growth : pair of float
        Of the whole company a year (0.05 is 5 %).
    own_lasting, own_passing, region_lasting, region_passing, company_lasting, company_passing : pair
        Standard deviation of a year's log shock of territories, regions, company; a lasting one stays.
    lines_in_and_out : pair of int
        Lines that begin or end somewhere in history.
    turnover : pair of float
        Share of people who leave within a year.
    vacancy, ramp : pair of int
        Months without a holder; months until a new holder sells in full.
    event : pair of float
        Change of what the event's territories sell from its month on; 0: there is none.
    event_on : tuple of str
        Where events are: scattered, small, large, clustered.
    ratchet : pair of float
        Share of last year's surplus that goals of the next year take away on top of growth.
    goal_noise : pair of float
        Standard deviation of the log of a goal about what a fair planner would ask.
    goal_level : pair of float
        Goals over what a fair planner would ask.
    sandbaggers : pair of int
        People who propose 20 % below what they will sell.
    break_ : pair of float
        Change of the whole planned year that nobody can foresee.
    """

    regions: Span = (1, 4)
    people: Span = (12, 50)
    lines: Span = (1, 4)
    years: Span = (2, 4)
    size_spread: Span = (0.3, 0.6)
    line_spread: Span = (0.1, 0.4)
    season: Span = (0.0, 0.4)
    orders: Span = (4, 12)
    order_cv: Span = (0.4, 1.0)
    returned: Span = (0.0, 0.03)
    growth: Span = (-0.03, 0.08)
    own_lasting: Span = (0.03, 0.10)
    own_passing: Span = (0.03, 0.12)
    region_lasting: Span = (0.0, 0.03)
    region_passing: Span = (0.0, 0.03)
    company_lasting: Span = (0.0, 0.02)
    company_passing: Span = (0.0, 0.03)
    lines_in_and_out: Span = (0, 0)
    turnover: Span = (0.0, 0.10)
    vacancy: Span = (1, 4)
    ramp: Span = (1, 6)
    event: Span = (0.0, 0.0)
    event_on: tuple[str, ...] = ("scattered", "small", "large", "clustered")
    ratchet: Span = (0.0, 0.0)
    goal_noise: Span = (0.02, 0.10)
    goal_level: Span = (0.95, 1.05)
    sandbaggers: Span = (0, 0)
    break_: Span = (0.0, 0.0)


FAMILIES: dict[str, Shape] = {
    "steady": Shape(season=(0.0, 0.0), turnover=(0.0, 0.0)),
    "seasonal": Shape(season=(0.3, 0.8), lines=(2, 5)),
    "one small team": Shape(regions=(1, 1), people=(5, 12), years=(2, 5)),
    "large": Shape(regions=(4, 6), people=(70, 100), lines=(1, 2), orders=(3, 6), years=(2, 3)),
    "very uneven": Shape(size_spread=(1.0, 1.6), line_spread=(0.6, 1.2)),
    "short history": Shape(years=(1, 2)),
    "long history": Shape(years=(5, 5), people=(12, 30)),
    "thin": Shape(orders=(1.0, 2.0), order_cv=(1.5, 1.5), lines=(1, 2)),
    "many returns": Shape(returned=(0.10, 0.25)),
    "lines in and out": Shape(lines=(3, 6), lines_in_and_out=(1, 3), years=(3, 4)),
    "territory shocks": Shape(own_lasting=(0.2, 0.35), own_passing=(0.15, 0.3)),
    "region shocks": Shape(
        regions=(3, 6), region_lasting=(0.08, 0.15), region_passing=(0.05, 0.12)
    ),
    "company shocks": Shape(
        company_lasting=(0.06, 0.12), company_passing=(0.05, 0.12), years=(3, 5)
    ),
    "growing": Shape(growth=(0.08, 0.20)),
    "turnover 20 %": Shape(turnover=(0.20, 0.20), vacancy=(2, 5), ramp=(3, 8), years=(3, 4)),
    "turnover 30 %": Shape(turnover=(0.30, 0.35), vacancy=(2, 5), ramp=(3, 8), years=(3, 4)),
    "event": Shape(event=(-0.25, -0.05), years=(2, 4), people=(25, 40), regions=(2, 5)),
    "ratchet": Shape(ratchet=(0.4, 0.8), years=(3, 5), people=(30, 60)),
    "sandbaggers": Shape(sandbaggers=(3, 5), people=(40, 70), years=(3, 3)),
    "break": Shape(break_=(-0.15, -0.15)),
}


@dataclass(frozen=True)
class World:
    """A company up to the first day of its plan, and what came after.

    Attributes
    ----------
    family, seed : str, int
        How to make it again.
    tables : dict of str to pandas.DataFrame
        Canonical tables as a plan would have them on its first day.
    actual : pandas.DataFrame
        The planned year: rep_id, territory_id, region, product_line, month, amount.
    drawn : dict of str to float
        What the world's spans came to.
    truth : dict of str to Any
        ``event`` (territories, first month, change), ``sandbaggers`` (ids), ``leavers`` and
        ``person_years`` of history, ``demand`` (territory by month of history and planned year:
        what a settled holder would have sold on average).
    """

    family: str
    seed: int
    tables: Mapping[str, pd.DataFrame]
    actual: pd.DataFrame
    drawn: Mapping[str, float]
    truth: Mapping[str, Any] = field(repr=False)

    @property
    def settings(self) -> Settings:
        """Give the plan's settings: the year before is reviewed."""
        ramp = max(1, int(self.drawn["ramp"]))
        return make_settings(
            name=f"{self.family} {self.seed}",
            starts_on=date(PLAN_YEAR, 1, 1),
            ends_on=date(PLAN_YEAR, 12, 31),
            review_starts_on=date(PLAN_YEAR - 1, 1, 1),
            review_ends_on=date(PLAN_YEAR - 1, 12, 31),
            vacancy_months=float(int(self.drawn["vacancy"])),
            ramp=tuple(month / ramp for month in range(ramp)),
        )

    @property
    def regions(self) -> list[str]:
        """Name the regions."""
        return sorted(self.tables["territories"]["region"].unique())

    def inputs(self, region: str = "", **changes: Any) -> Region:
        """Give the inputs of a region, or of the company, as the kit derives them."""
        told = {"settings": self.settings, **self.tables, **changes}
        return make_inputs(region=region, regions=self.regions, **told)


@dataclass(frozen=True)
class _Seat:
    """Who holds a territory: from month to month (the last one not included)."""

    rep_id: str
    territory: int
    first: int
    last: int
    is_new: bool


def make_world(family: str, seed: int, **changes: Any) -> World:
    """Draw a world; ``changes`` are spans (or single numbers) of its `Shape`.

    Streams are drawn apart, so that a change of one span leaves what others draw as it was.
    """
    shape = FAMILIES[family]
    places = {"family": list(FAMILIES).index(family), "seed": seed}
    streams = iter(np.random.SeedSequence([*places.values()]).spawn(16))
    drawn = _drawn(shape, changes, np.random.default_rng(next(streams)))
    shocks, seats_rng, orders_rng, goals_rng, words_rng, event_rng = (
        np.random.default_rng(next(streams)) for _ in range(6)
    )
    months = int(drawn["years"]) * YEAR + YEAR
    territories = _territories(drawn, shocks)
    demand, event = _demand(drawn, territories, months, shape, shocks, event_rng)
    seats, leavers, person_years = _seats(drawn, len(territories), months, seats_rng)
    sold = _sold(drawn, territories, demand, seats, orders_rng)
    told = _tables(drawn, territories, seats, sold, event, months)
    said = _goals_and_proposals(drawn, seats, sold, months, goals_rng, words_rng)
    truth = {
        "event": event,
        "sandbaggers": said.pop("sandbaggers"),
        "leavers": leavers,
        "person_years": person_years,
        "demand": demand.sum(axis=1),
    }
    actual = sold[sold["at"] >= months - YEAR].assign(
        region=lambda t: territories.region[t["territory"]]
    )
    actual["month"] = _month(actual["at"] - (months - YEAR), PLAN_YEAR)
    columns = ["rep_id", "territory_id", "region", "product_line", "month"]
    actual = actual.groupby(columns, as_index=False)["amount"].sum()
    return World(family, seed, {**told, **said}, actual, drawn, truth)


def _drawn(shape: Shape, changes: Mapping[str, Any], rng: Rng) -> dict[str, float]:
    """Draw every span; those of whole numbers give whole numbers."""
    whole = {"regions", "people", "lines", "years", "lines_in_and_out", "vacancy", "ramp"}
    found = {}
    for one in fields(Shape):
        if one.name == "event_on":
            continue
        told = changes.get(one.name, getattr(shape, one.name))
        low, high = told if isinstance(told, tuple) else (told, told)
        share = rng.random()  # drawn even where nothing is left to chance: streams stay in step
        is_whole = one.name in whole | {"sandbaggers"}
        found[one.name] = low + (
            int(share * (high - low + 1)) if is_whole else share * (high - low)
        )
    return found


@dataclass(frozen=True)
class _Territories:
    """Sizes of territories and lines (a month's usual sales), and where they lie."""

    ids: np.ndarray[Any, Any]
    region: np.ndarray[Any, Any]
    usual: np.ndarray[Any, Any]  # territory by line

    def __len__(self) -> int:
        return len(self.ids)


def _territories(drawn: Mapping[str, float], rng: Rng) -> _Territories:
    count, regions, lines = (int(drawn[name]) for name in ("people", "regions", "lines"))
    ids = np.array([f"t{number:03d}" for number in range(count)])
    # A few regions are large and a few small; each has a territory.
    weights = rng.dirichlet(np.full(regions, 3.0))
    chosen = np.concatenate([np.arange(regions), rng.choice(regions, count - regions, p=weights)])
    names = np.array(["Alder", "Birch", "Cedar", "Elder", "Fir", "Gorse"])[:regions]
    size = 20_000 * np.exp(drawn["size_spread"] * rng.standard_normal(count))
    share = rng.dirichlet(np.full(lines, 2.0))
    mix = share * np.exp(drawn["line_spread"] * rng.standard_normal((count, lines)))
    usual = size[:, None] * mix / mix.sum(axis=1, keepdims=True)
    return _Territories(ids, names[rng.permutation(chosen)], usual)


def _paths(
    rng: Rng, years: int, count: int, lasting: float, passing: float
) -> np.ndarray[Any, Any]:
    """Draw log shocks of every year: lasting ones add up, passing ones go. Year by unit."""
    stays = np.cumsum(lasting * rng.standard_normal((years, count)), axis=0)
    return np.asarray(stays + passing * rng.standard_normal((years, count)))


def _demand(
    drawn: Mapping[str, float],
    territories: _Territories,
    months: int,
    shape: Shape,
    rng: Rng,
    event_rng: Rng,
) -> tuple[np.ndarray[Any, Any], dict[str, Any]]:
    """Give what a settled holder sells on average, territory by line by month; and the event."""
    years, (count, lines) = months // YEAR, territories.usual.shape
    at = np.arange(months)
    peaks = rng.random(lines) * YEAR
    season = 1 + drawn["season"] * np.cos(2 * np.pi * (at[None, :] - peaks[:, None]) / YEAR)
    regions, which = np.unique(territories.region, return_inverse=True)
    log = _paths(rng, years, count, drawn["own_lasting"], drawn["own_passing"])
    of_regions = _paths(rng, years, len(regions), drawn["region_lasting"], drawn["region_passing"])
    of_all = _paths(rng, years, 1, drawn["company_lasting"], drawn["company_passing"])
    log = log + of_regions[:, which] + of_all
    growth = (1 + drawn["growth"]) ** (at / YEAR)
    level = np.exp(log)[at // YEAR].T * growth  # territory by month
    demand = territories.usual[:, :, None] * level[:, None, :] * season[None, :, :]
    for line in rng.permutation(lines)[: min(int(drawn["lines_in_and_out"]), lines - 1)]:
        turn = int(rng.integers(6, months - YEAR - 3))
        is_new = rng.random() < 0.5
        demand[:, line, :turn] *= not is_new
        demand[:, line, turn:] *= is_new
    event: dict[str, Any] = {"territories": [], "first": months, "change": 0.0}
    if drawn["event"]:
        event = _event(drawn, territories, months, shape, event_rng)
        hit = np.isin(territories.ids, event["territories"])
        demand[hit, :, event["first"] :] *= 1 + event["change"]
    demand[:, :, months - YEAR :] *= 1 + drawn["break_"]
    return demand, event


def _event(
    drawn: Mapping[str, float], territories: _Territories, months: int, shape: Shape, rng: Rng
) -> dict[str, Any]:
    """Choose a fifth of the territories, and a month in the reviewed year or the one before."""
    count, kind = max(3, len(territories) // 5), str(rng.choice(shape.event_on))
    by_size = np.argsort(territories.usual.sum(axis=1))
    if kind == "clustered":
        region = rng.choice(np.unique(territories.region))
        chosen = np.flatnonzero(territories.region == region)
    else:
        pool = {
            "scattered": np.arange(len(territories)),
            "small": by_size[: 2 * count],
            "large": by_size[-2 * count :],
        }[kind]
        chosen = rng.choice(pool, count, replace=False)
    latest = months - YEAR
    first = int(rng.integers(max(YEAR, latest - YEAR) - 3, latest - 5))
    ids = sorted(territories.ids[chosen].tolist())
    return {"territories": ids, "first": first, "change": drawn["event"], "on": kind}


def _seats(
    drawn: Mapping[str, float], count: int, months: int, rng: Rng
) -> tuple[list[_Seat], int, float]:
    """Let people hold territories, leave with a steady hazard, and be followed after a vacancy."""
    hazard = -np.log1p(-drawn["turnover"]) / YEAR
    seats, leavers, held, history, number = [], 0, 0, months - YEAR, 0
    for territory in range(count):
        first, is_new = 0, False
        while first < months:
            stay = int(rng.geometric(-np.expm1(-hazard))) if hazard else months
            last = min(months, first + stay)
            seats.append(_Seat(f"p{number:03d}", territory, first, last, is_new))
            number += 1
            leavers += last < history
            held += max(0, min(last, history) - first)
            first, is_new = last + int(drawn["vacancy"]), True
    return seats, leavers, held / YEAR


def _sold(
    drawn: Mapping[str, float],
    territories: _Territories,
    demand: np.ndarray[Any, Any],
    seats: list[_Seat],
    rng: Rng,
) -> pd.DataFrame:
    """Draw the orders: how many by chance, each of uneven size; some come back a month later."""
    count, _, months = demand.shape
    there, holder = np.zeros((count, months)), np.full((count, months), "", dtype=object)
    ramp = int(drawn["ramp"])
    for seat in seats:
        tenure = np.arange(seat.last - seat.first)
        there[seat.territory, seat.first : seat.last] = (
            np.minimum(1.0, (tenure + 1) / (ramp + 1)) if seat.is_new and ramp else 1.0
        )
        holder[seat.territory, seat.first : seat.last] = seat.rep_id
    mean = demand * there[:, None, :]
    typical = territories.usual.sum(axis=1)[:, None, None] / drawn["orders"]
    number = rng.poisson(mean / typical)
    territory, line, at = (
        np.repeat(axis, number.ravel())
        for axis in (index.ravel() for index in np.indices(number.shape))
    )
    cv2 = drawn["order_cv"] ** 2
    amount = typical[territory, 0, 0] * rng.gamma(1 / cv2, cv2, len(territory))
    sold = pd.DataFrame({"territory": territory, "line": line, "at": at, "amount": amount.round(2)})
    back = sold[rng.random(len(sold)) < drawn["returned"]]
    back = back.assign(at=back["at"] + 1, amount=-back["amount"])
    sold = pd.concat([sold, back[back["at"] < months]], ignore_index=True)
    sold["rep_id"] = holder[sold["territory"], sold["at"]]
    sold = sold[(sold["rep_id"] != "") & (sold["amount"] != 0)]
    sold["territory_id"] = territories.ids[sold["territory"]]
    sold["product_line"] = "line " + sold["line"].astype(str)
    sold["day"] = rng.integers(1, 28, len(sold))
    return sold.reset_index(drop=True)


def _month(at: pd.Series[Any] | np.ndarray[Any, Any], year: int) -> pd.DatetimeIndex:
    """Give the first day of months counted from January of a year."""
    months = np.asarray(at) + (year - 1970) * YEAR
    return pd.DatetimeIndex(months.astype("datetime64[M]").astype("datetime64[us]"))


def _tables(
    drawn: Mapping[str, float],
    territories: _Territories,
    seats: list[_Seat],
    sold: pd.DataFrame,
    event: Mapping[str, Any],
    months: int,
) -> dict[str, pd.DataFrame]:
    """Write what a planner has on the first day of the plan."""
    history, begun = months - YEAR, PLAN_YEAR - int(drawn["years"])
    known = [seat for seat in seats if seat.first < history]

    def day(at: int) -> pd.Timestamp:
        return _month(np.array([at]), begun)[0]

    def ended(seat: _Seat) -> pd.Timestamp | None:
        return day(seat.last) - pd.Timedelta(days=1) if seat.last <= history else None

    regions = [territories.region[seat.territory] for seat in known]
    people = {
        "rep_id": [seat.rep_id for seat in known],
        "rep_name": [f"Person {seat.rep_id[1:]}" for seat in known],
        "manager_id": [f"m{region}" for region in regions],
        "role": "seller",
        "hired_on": [day(seat.first) if seat.is_new else None for seat in known],
        "left_on": [ended(seat) for seat in known],
        "region": regions,
    }
    heads = sorted(set(territories.region))
    managers = {"rep_id": [f"m{r}" for r in heads], "region": heads, "role": "manager"}
    assignments = {
        "rep_id": people["rep_id"],
        "territory_id": [territories.ids[seat.territory] for seat in known],
        "starts_on": [day(seat.first) for seat in known],
        "ends_on": [ended(seat) for seat in known],
        "share": 1.0,
    }
    past = sold[sold["at"] < history]
    days = _month(past["at"], begun) + pd.to_timedelta(past["day"] - 1, unit="D")
    sales = past.assign(sold_on=days, product_id=past["product_line"].str[5:].radd("p"))
    lines = sorted({f"line {line}" for line in range(int(drawn["lines"]))})
    potential = territories.usual.sum(axis=1) * YEAR
    tables = {
        "reps": pd.concat([pd.DataFrame(people), pd.DataFrame(managers)], ignore_index=True),
        "territories": pd.DataFrame(
            {
                "territory_id": territories.ids,
                "territory_name": [f"Town {one[1:]}" for one in territories.ids],
                "region": territories.region,
                "potential": (potential * 2).round(-2),
            }
        ),
        "assignments": pd.DataFrame(assignments),
        "products": pd.DataFrame(
            {"product_id": [f"p{one[5:]}" for one in lines], "product_line": lines}
        ),
        "sales": sales[["sold_on", "rep_id", "amount", "territory_id", "product_id"]],
    }
    if event["territories"]:
        hit = {"territory_id": event["territories"], "starts_on": day(event["first"])}
        tables["events"] = pd.DataFrame({"event_id": "e1", "kind": "competitor", **hit})
    return tables


def _goals_and_proposals(
    drawn: Mapping[str, float],
    seats: list[_Seat],
    sold: pd.DataFrame,
    months: int,
    rng: Rng,
    words: Rng,
) -> dict[str, Any]:
    """Set goals of every year after the first, and let people propose for it.

    A fair planner asks for the year before, grown as the company grows. One with a ratchet takes a
    share of what somebody sold beyond the last goal on top of that.
    """
    years, begun = months // YEAR - 1, PLAN_YEAR - int(drawn["years"])
    results = sold.assign(year=sold["at"] // YEAR).groupby(["rep_id", "year"])["amount"].sum()
    grown = 1 + drawn["growth"]
    steady = [seat.rep_id for seat in seats if seat.first == 0 and seat.last >= months]
    crowd = min(int(drawn["sandbaggers"]), len(steady))
    low = sorted(words.permutation(np.array(steady, dtype=object))[:crowd].tolist())
    goals, proposals = [], []
    for seat in seats:
        last_goal = None
        for year in range(1, years):
            if not (seat.first <= (year - 1) * YEAR and seat.last >= (year + 1) * YEAR):
                continue
            noise, luck = rng.standard_normal(), words.standard_normal()
            before, result = (
                max(0.0, results.get((seat.rep_id, y), 0.0)) for y in (year - 1, year)
            )
            surplus = 0.0 if last_goal is None else drawn["ratchet"] * (before - last_goal)
            fair = max(0.0, before * grown + surplus)
            last_goal = fair * drawn["goal_level"] * float(np.exp(drawn["goal_noise"] * noise))
            span = {
                "starts_on": pd.Timestamp(begun + year, 1, 1),
                "ends_on": pd.Timestamp(begun + year, 12, 31),
                "rep_id": seat.rep_id,
            }
            goals.append({**span, "goal": round(last_goal, -2)})
            honest = result * float(np.exp(0.08 * luck))
            proposed = honest * (0.8 if seat.rep_id in low else 1.0)
            proposals.append({**span, "proposed": round(proposed, -2)})
    return {
        "goals": pd.DataFrame(goals, columns=["starts_on", "ends_on", "rep_id", "goal"]),
        "proposals": pd.DataFrame(
            proposals, columns=["starts_on", "ends_on", "rep_id", "proposed"]
        ),
        "sandbaggers": low,
    }
