"""People, territories and the calendar they work in."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, TypeVar

import numpy as np

from invented import story
from invented.story import FIRST_YEAR, MONTHS

Row = list[Any]
Choice = TypeVar("Choice")
FOREVER = 99  # a month after every other
LAST_DAY = date(2025, 12, 31)


@dataclass
class Seat:
    """One share of one territory; people come and go, the seat and its goal stay."""

    territory_id: str
    region: str
    number: int
    share: float
    yearly_sales: float  # EUR, 2023, held all year by an average person
    accounts: list[str]
    spells: list[tuple[str, int, int]] = field(default_factory=list)  # rep_id, first, last month

    def holder(self, month: int) -> str:
        """Name the rep who holds the seat in a month; empty while it is vacant."""
        return next((rep for rep, first, last in self.spells if first <= month <= last), "")


@dataclass
class Rep:
    """A person; the fields from skill on are planted and stand in no extract."""

    rep_id: str
    name: str
    region: str
    hired_on: date
    hired_month: int | None  # None: before the history starts, so past the ramp
    skill: float
    discount: float
    closing_ratio: float
    left_on: date | None = None
    bias: float = 1.0


@dataclass
class Company:
    """Everything the tables are drawn from."""

    seed: int
    territories: list[Row]
    seats: list[Seat]
    reps: dict[str, Rep]

    def rng(self, table: int) -> np.random.Generator:
        """Give each table its own stream, so that one can change without the others."""
        return np.random.Generator(np.random.PCG64([self.seed, table]))

    def seat(self, place: tuple[str, int]) -> Seat:
        """Find a seat by territory and number."""
        return next(seat for seat in self.seats if (seat.territory_id, seat.number) == place)


def first_day(month: int) -> date:
    """Return the first day of a counted month (0 = 2023-01)."""
    return date(FIRST_YEAR + month // 12, month % 12 + 1, 1)


def last_day(month: int) -> date:
    """Return the last day of a counted month."""
    return first_day(month + 1) - timedelta(days=1)


def month_of(day: str) -> int:
    """Count the month of an ISO date or year-month."""
    return (int(day[:4]) - FIRST_YEAR) * 12 + int(day[5:7]) - 1


def pick(rng: np.random.Generator, choices: list[Choice]) -> Choice:
    """Pick one of a list by one uniform draw."""
    return choices[int(rng.random() * len(choices))]


def workday(rng: np.random.Generator, month: int) -> date:
    """Pick a day of a month, Monday to Friday."""
    days = (first_day(month) + timedelta(days=n) for n in range(last_day(month).day))
    return pick(rng, [day for day in days if day.weekday() < 5])


def whole(rng: np.random.Generator, expected: float) -> int:
    """Round to one of the two neighbours so that the mean stays what is expected."""
    return math.floor(expected + rng.random())


def make_company(seed: int) -> Company:
    """Draw territories, seats and everybody who ever held one."""
    company = Company(seed, [], [], {})
    rng = company.rng(0)
    names = [(region, name) for region, text in story.REGIONS.items() for name in text.split()]
    for index, (region, name) in enumerate(names):
        territory, count = f"T{index + 1:02d}", story.SEATS[index]
        yearly = count * story.SALES_PER_SEAT * math.exp(0.12 * rng.standard_normal())
        potential = yearly * story.POTENTIAL_PER_SALES * math.exp(0.12 * rng.standard_normal())
        company.territories.append([territory, name, region, round(potential / 10_000) * 10_000])
        for number, share in enumerate(story.SEAT_SHARES[count][index % 2], start=1):
            start = len(company.seats) * story.ACCOUNTS_PER_SEAT
            accounts = [f"A{start + n + 1:04d}" for n in range(story.ACCOUNTS_PER_SEAT)]
            company.seats.append(Seat(territory, region, number, share, yearly * share, accounts))
    seat_people(company, rng)
    return company


def seat_people(company: Company, rng: np.random.Generator) -> None:
    """Fill every seat: first holders, leavers and their successors, swaps of two people."""
    for seat in company.seats:
        seat.spells.append((hire(company, rng, seat.region, None).rep_id, 0, FOREVER))
    for territory, number, text, vacant in story.LEAVERS:
        seat, last = company.seat((territory, number)), month_of(text)
        rep_id, first, _ = seat.spells.pop()
        seat.spells.append((rep_id, first, last))
        company.reps[rep_id].left_on = last_day(last)
        start = last + vacant + 1
        if start < MONTHS or territory in story.SIGNED:
            seat.spells.append((hire(company, rng, seat.region, start).rep_id, start, FOREVER))
    for here, there, day in story.SWAPS:
        one, two, month = company.seat(here), company.seat(there), month_of(day)
        (left, left_first, left_end), (right, right_first, right_end) = (
            one.spells.pop(),
            two.spells.pop(),
        )
        one.spells += [(left, left_first, month - 1), (right, month, right_end)]
        two.spells += [(right, right_first, month - 1), (left, month, left_end)]
    for place in (*story.SANDBAGGERS, story.OPTIMIST):
        factor = story.OPTIMIST_FACTOR if place == story.OPTIMIST else story.SANDBAG_FACTOR
        company.reps[company.seat(place).holder(0)].bias = factor


def hire(company: Company, rng: np.random.Generator, region: str, month: int | None) -> Rep:
    """Invent the next person; the 41st is a namesake of the first, so that joins stay by id."""
    number, first_names = len(company.reps), story.FIRST_NAMES.split()
    long_ago = date(2009 + int(rng.random() * 14), 1 + int(rng.random() * 12), 1)
    skill, discount, closing = (float(draw) for draw in rng.standard_normal(3))
    last_name = story.LAST_NAMES.split()[0 if number == 40 else number]
    rep = Rep(
        rep_id=f"R{number + 1:03d}",
        name=f"{first_names[number % len(first_names)]} {last_name}",
        region=region,
        hired_on=long_ago if month is None else first_day(month),
        hired_month=month,
        skill=math.exp(0.10 * skill),
        discount=story.DISCOUNT + 0.015 * discount,
        closing_ratio=round(
            story.CLOSING_RATIO + story.CLOSING_SPREAD * max(-2, min(2, closing)), 3
        ),
    )
    company.reps[rep.rep_id] = rep
    return rep


def table_reps(company: Company) -> list[Row]:
    """List the head of sales, six managers and everybody who ever sold."""
    rows: list[Row] = [["H01", "Elisabeth Brandauer", "", "head of sales", "2011-03-01", "", ""]]
    for number, (region, name) in enumerate(zip(story.REGIONS, story.MANAGERS, strict=True), 1):
        hired_on = f"{2011 + number}-{number + 1:02d}-01"
        rows.append([f"M{number:02d}", name, "H01", "manager", hired_on, "", region])
    manager = {row[6]: row[0] for row in rows}
    for rep in company.reps.values():
        rows.append(
            [
                rep.rep_id,
                rep.name,
                manager[rep.region],
                "rep",
                rep.hired_on,
                rep.left_on or "",
                rep.region,
            ]
        )
    return rows


def table_assignments(company: Company) -> list[Row]:
    """List who held which share of a territory from when to when; empty end: still does."""
    rows = []
    for seat in company.seats:
        for rep_id, first, last in seat.spells:
            end = last_day(last) if last < FOREVER else ""
            rows.append([rep_id, seat.territory_id, first_day(first), end, f"{seat.share:.2f}"])
    return sorted(rows, key=lambda row: (row[0], row[2]))
