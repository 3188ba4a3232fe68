"""What was sold: demand, sale lines, returns and shared deals."""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import timedelta

import numpy as np

from invented import story
from invented.people import (
    FOREVER,
    LAST_DAY,
    Company,
    Rep,
    Row,
    Seat,
    month_of,
    pick,
    whole,
    workday,
)
from invented.story import FIRST_YEAR, MONTHS, PRODUCTS

Credit = dict[tuple[str, int], float]  # EUR by rep and month, or by rep and year


def product_shares(line: str, month: int) -> dict[str, float]:
    """Split a line's demand over its products in a month; a new product comes on top."""
    shares = {product: row[4] for product, row in PRODUCTS.items() if row[1] == line}
    if story.OLD_PRODUCT in shares and month > month_of(story.OLD_UNTIL):
        shares[story.OLD_SUCCESSOR] += shares.pop(story.OLD_PRODUCT)
    if story.NEW_PRODUCT in shares:
        months_out = max(0, month - month_of(story.NEW_FROM) + 1)
        shares[story.NEW_PRODUCT] = story.NEW_SHARE * min(1.0, months_out / 4)
    return shares


def demand(seat: Seat, line: str, month: int) -> float:
    """Return a month's sales of a line at usual prices, the seat held by an average person."""
    hit = seat.territory_id in story.COMPETITOR_TERRITORIES
    effect = story.COMPETITOR_EFFECT if hit and month >= month_of(story.COMPETITOR_FROM) else 0.0
    level = story.LINE_SHARES[line] * story.SEASONS[line][month % 12] / 12
    return seat.yearly_sales * level * story.MARKET[FIRST_YEAR + month // 12] * (1 + effect)


def ramp(rep: Rep, month: int) -> float:
    """Return the share of full sales a person reaches in a month."""
    tenure = FOREVER if rep.hired_month is None else month - rep.hired_month
    return story.RAMP[min(tenure, len(story.RAMP) - 1)]


def table_sales(company: Company) -> list[Row]:
    """Draw sale lines; some are shared with a colleague, some come back."""
    rng, rows = company.rng(1), []
    for seat in company.seats:
        luck = np.exp(story.LUCK_OF_YEAR * rng.standard_normal(3))
        for month in range(MONTHS):
            strength = luck[month // 12] * math.exp(story.LUCK_OF_MONTH * rng.standard_normal())
            if seat.holder(month):
                rep = company.reps[seat.holder(month)]
                rows += sell_month(rng, seat, rep, month, strength * rep.skill * ramp(rep, month))
    rows += returned(company, rng, rows)
    return sorted(share_deals(company, rng, rows), key=lambda row: [str(cell) for cell in row])


def sell_month(
    rng: np.random.Generator, seat: Seat, rep: Rep, month: int, strength: float
) -> list[Row]:
    """Draw the sale lines of one seat in one month."""
    rows = []
    for line in story.LINE_SHARES:
        for product, share in product_shares(line, month).items():
            expected = demand(seat, line, month) * share * strength
            usual_price = PRODUCTS[product][2] * (1 - story.DISCOUNT)
            left = whole(rng, expected / usual_price)
            while left > 0:
                units = min(left, 1 + int(2 * (story.TYPICAL_UNITS[line] - 0.5) * rng.random()))
                rows.append(sale_line(rng, seat, rep, month, product, units))
                left -= units
    return rows


def sale_line(
    rng: np.random.Generator, seat: Seat, rep: Rep, month: int, product: str, units: int
) -> Row:
    """Draw day, customer and price of one sale; large customers come first in the list."""
    _, _, list_price, unit_cost, _ = PRODUCTS[product]
    cut = product == story.PRICE_CUT_PRODUCT and month >= month_of(story.PRICE_CUT_FROM)
    discount = rep.discount + 0.02 * rng.standard_normal()
    price = round(list_price * (1 - discount) * (story.PRICE_CUT_FACTOR if cut else 1), 2)
    account = seat.accounts[int(len(seat.accounts) * rng.random() ** 2)]
    cost = units * unit_cost * story.COST_LEVEL[FIRST_YEAR + month // 12]
    return [
        workday(rng, month),
        rep.rep_id,
        seat.territory_id,
        product,
        account,
        units,
        f"{units * price:.2f}",
        f"{cost:.2f}",
        "1",
    ]


def returned(company: Company, rng: np.random.Generator, sales: list[Row]) -> list[Row]:
    """Draw about 0.7 % of the lines to come back 10 to 40 days later, against the same rep."""
    rows = []
    for sale in sales:
        if rng.random() >= 0.007:
            continue
        back_on = sale[0] + timedelta(days=10 + int(30 * rng.random()))
        left_on = company.reps[sale[1]].left_on
        moved = any(back_on.isoformat() >= day > str(sale[0]) for _, _, day in story.SWAPS)
        if back_on <= min(left_on or LAST_DAY, LAST_DAY) and not moved:
            rows.append([back_on, *sale[1:5], -sale[5], f"-{sale[6]}", f"-{sale[7]}", "1"])
    return rows


def share_deals(company: Company, rng: np.random.Generator, sales: list[Row]) -> list[Row]:
    """Write about 0.6 % of the lines twice, half the credit each, with a colleague nearby."""
    rows = []
    for sale in sales:
        month = month_of(sale[0].isoformat())
        near = [seat.holder(month) for seat in company.seats if seat.territory_id == sale[2]]
        # Nobody shares a deal in the first month: a new hire sells nothing yet.
        near = [rep_id for rep_id in near if rep_id not in ("", sale[1])]
        near = [rep_id for rep_id in near if ramp(company.reps[rep_id], month) > 0]
        if near and sale[5] > 0 and rng.random() < 0.006:
            rows += [[*sale[:8], "0.5"], [sale[0], pick(rng, near), *sale[2:8], "0.5"]]
        else:
            rows.append(sale)
    return rows


def credited(sales: list[Row]) -> tuple[Credit, Credit]:
    """Sum what was credited by rep and month, and by rep and year (EUR)."""
    months: Credit = defaultdict(float)
    years: Credit = defaultdict(float)
    for sale in sales:
        amount = float(sale[6]) * float(sale[8])
        months[sale[1], month_of(sale[0].isoformat())] += amount
        years[sale[1], sale[0].year] += amount
    return months, years
