"""Goals of 2024 and 2025, what people proposed then, and what they propose for 2026."""

from __future__ import annotations

import math

from invented import story
from invented.people import Company, Row, Seat, first_day, last_day, month_of
from invented.selling import Credit, ramp
from invented.story import FIRST_YEAR


def seat_goals(company: Company, years: Credit) -> dict[tuple[str, int], list[float]]:
    """Set the yearly goals of every seat, 2024 and 2025; the second ratchets on the first."""
    rng, goals = company.rng(2), {}
    for seat in company.seats:
        first = seat.holder(12) or seat.holder(17)
        skill, fit, slip = company.reps[first].skill, *rng.standard_normal(2)
        expected = seat.yearly_sales * story.MARKET[2024] * skill
        last = expected * story.GOAL_LEVEL_2024 * math.exp(story.GOAL_SPREAD * fit)
        gap = years[first, 2024] - last if stayed(seat, 12, 24) else 0.0
        step = story.RATCHET_OVER * max(gap, 0) - story.RATCHET_UNDER * max(-gap, 0)
        coming = last + story.RATCHET_CONSTANT + step + 2_000 * slip
        goals[seat.territory_id, seat.number] = [last, coming]
    return goals


def stayed(seat: Seat, start: int, end: int) -> bool:
    """Tell whether one person held the seat in every month from start to end."""
    return any(first <= start and last >= end for _, first, last in seat.spells)


def table_goals(company: Company, years: Credit) -> list[Row]:
    """Split the yearly goals by quarter and line; who holds the seat carries its goal."""
    rows = []
    for place, yearly in seat_goals(company, years).items():
        seat = company.seat(place)
        for year, goal in zip((2024, 2025), yearly, strict=True):
            for quarter in range(4):
                first = (year - FIRST_YEAR) * 12 + quarter * 3
                rep_id = seat.holder(first + 2) or seat.holder(first)
                for line, share in goal_shares(place, year, quarter).items():
                    amount: int | str = round(goal * share / 100) * 100
                    if place == story.NO_SENSOR_GOAL and line == "Sensors" and first >= 30:
                        amount = ""
                    rows.append(
                        [first_day(first), last_day(first + 2), rep_id, line, "amount", amount]
                    )
    return sorted(rows, key=lambda row: [str(cell) for cell in row[:4]])


def goal_shares(place: tuple[str, int], year: int, quarter: int) -> dict[str, float]:
    """Split a year's goal: the part of each line in one quarter."""
    lines = dict(story.LINE_SHARES)
    if year == 2025:
        lines["Spectrometers"] += story.NEW_PRODUCT_ASSUMED
        if place == story.NO_SPECTROMETERS:
            lines["Spectrometers"] = 0.0
    season = {line: sum(story.SEASONS[line][quarter * 3 : quarter * 3 + 3]) / 12 for line in lines}
    return {line: share / sum(lines.values()) * season[line] for line, share in lines.items()}


def table_proposals(company: Company, years: Credit) -> list[Row]:
    """Write what everybody in place on 1 January proposed for the year."""
    rng, rows = company.rng(3), []
    for rep in company.reps.values():
        for year in (2024, 2025):
            noise, start = rng.standard_normal(), (year - FIRST_YEAR) * 12
            if not any(seat.holder(start) == rep.rep_id for seat in company.seats):
                continue
            # Somebody who leaves in May proposed for the whole year, not for five months.
            weights = [
                ramp(rep, m)
                * sum(
                    story.LINE_SHARES[line] * factors[m % 12]
                    for line, factors in story.SEASONS.items()
                )
                for m in range(start, start + 12)
            ]
            here = 12 if rep.left_on is None else month_of(rep.left_on.isoformat()) - start + 1
            season = sum(weights[:here]) / sum(weights)
            spread = 0.02 if rep.bias != 1 else story.PROPOSAL_NOISE
            proposed = years[rep.rep_id, year] / season * rep.bias * math.exp(spread * noise)
            rows.append(
                [
                    rep.rep_id,
                    rep.name,
                    f"01.01.{year}",
                    f"31.12.{year}",
                    f"{round(proposed, -3):.2f}".replace(".", ","),
                ]
            )
    return rows + coming_proposals(company, years)


def coming_proposals(company: Company, years: Credit) -> list[Row]:
    """Write what people propose for 2026; one in ten has not answered yet."""
    rng, rows = company.rng(7), []
    for rep in company.reps.values():
        noise, answers = rng.standard_normal(), rng.random() > 0.1
        here = any(seat.holder(24) == seat.holder(35) == rep.rep_id for seat in company.seats)
        if here and answers:
            proposed = years[rep.rep_id, 2025] * 1.03 * rep.bias
            proposed *= math.exp(story.PROPOSAL_NOISE * noise)
            rows.append(
                [
                    rep.rep_id,
                    rep.name,
                    "01.01.2026",
                    "31.12.2026",
                    f"{round(proposed, -3):.2f}".replace(".", ","),
                ]
            )
    return rows
