"""Deals and activities that lead to sales."""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import timedelta

import numpy as np

from invented import story
from invented.people import LAST_DAY, Company, Row, Seat, first_day, pick, whole, workday
from invented.selling import Credit
from invented.story import MONTHS, PRODUCTS


def table_opportunities(company: Company, months: Credit) -> list[Row]:
    """Draw deals closed in 2024 and 2025, and those still open on the last day of 2025.

    Open ones are drawn like the others, with a close in 2026, and cut off at the last day; so
    the number in process is the rate times the time open, as it is in steady state.
    """
    rng, rows = company.rng(4), []
    for seat in company.seats:
        recent = [months[seat.holder(m), m] for m in range(24, MONTHS) if seat.holder(m)]
        for month in range(12, MONTHS + 8):
            holder = seat.holder(min(month, MONTHS - 1))
            sold = months[holder, month] if month < MONTHS else sum(recent) / len(recent)
            ratio = company.reps[holder].closing_ratio if holder else story.CLOSING_RATIO
            if not holder and month < MONTHS:
                continue
            shown = max(0.0, story.WON_COVERS * sold / (ratio * story.WON_AMOUNT))
            dropped = shown * story.PROSPECTS_DROPPED / (1 - story.PROSPECTS_DROPPED)
            for _ in range(whole(rng, shown)):
                rows.append(opportunity(rng, seat, holder, month, ratio))
            for _ in range(whole(rng, dropped)):
                rows.append(opportunity(rng, seat, holder, month, None))
    rows = sorted((row for row in rows if row[2] <= LAST_DAY), key=lambda row: str(row[2:]))
    return [[f"O{n:05d}", *row] for n, row in enumerate(rows, start=1)]


def opportunity(
    rng: np.random.Generator, seat: Seat, rep_id: str, month: int, ratio: float | None
) -> Row:
    """Draw one deal that closes in a month; a ratio of None: lost before any presentation."""
    won = ratio is not None and rng.random() < ratio
    offered = won or rng.random() < 0.6
    closed = workday(rng, month)
    days = [10 + int(50 * rng.random()), 7 + int(38 * rng.random()), 14 + int(76 * rng.random())]
    proposed = closed - timedelta(days=days[0])
    presented = proposed - timedelta(days=days[1])
    created = (presented if ratio is not None else closed) - timedelta(days=days[2])
    steps: Row = [
        created,
        presented if ratio is not None else "",
        proposed if ratio is not None and offered else "",
        closed,
    ]
    amount = round(story.WON_AMOUNT * math.exp(0.6 * rng.standard_normal() - 0.18), -2)
    steps = ["" if day == "" or (day > LAST_DAY and day != created) else day for day in steps]
    outcome = "open" if closed > LAST_DAY else "won" if won else "lost"
    on_sale = list(PRODUCTS)[: 8 if created.isoformat() < story.NEW_FROM else 9]
    return [rep_id, outcome, *steps, f"{amount:.0f}", pick(rng, on_sale), pick(rng, seat.accounts)]


def table_activities(company: Company, opportunities: list[Row]) -> list[Row]:
    """Count 2025 by rep and month; most prospects never become an opportunity."""
    rng = company.rng(5)
    counts: dict[tuple[str, str, str], int] = defaultdict(int)
    for deal in opportunities:
        for name, day in zip(("prospect", "presentation", "proposal"), deal[3:6], strict=True):
            if day:
                counts[deal[1], day.isoformat()[:7], name] += 1
    rows = []
    for month in range(24, MONTHS):
        holders = sorted(filter(None, (seat.holder(month) for seat in company.seats)))
        for rep_id in holders:
            for name in ("prospect", "presentation", "proposal"):
                count = counts[rep_id, first_day(month).isoformat()[:7], name]
                extra = whole(rng, 6 + 0.8 * count + 2 * rng.random())
                count += extra if name == "prospect" else 0
                rows.append([first_day(month), rep_id, name, count])
    return rows
