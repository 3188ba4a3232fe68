"""Last year's assumptions, outside events, the managers' hours."""

from __future__ import annotations

from invented import story
from invented.people import Company, Row, first_day
from invented.story import FIRST_YEAR, MONTHS


def company_effects(sales: list[Row]) -> dict[str, float]:
    """Measure what the planted events were worth: shares of the company's 2025 sales."""
    total = price = fresh = hit = 0.0
    for sale in sales:
        if sale[0].year != 2025:
            continue
        amount = float(sale[6]) * float(sale[8])
        total += amount
        price += amount * (1 - 1 / story.PRICE_CUT_FACTOR) * (sale[3] == story.PRICE_CUT_PRODUCT)
        fresh += amount * (sale[3] == story.NEW_PRODUCT)
        late = sale[0].isoformat() >= story.COMPETITOR_FROM
        hit += amount * (late and sale[2] in story.COMPETITOR_TERRITORIES)
    lost = hit * (1 - 1 / (1 + story.COMPETITOR_EFFECT))
    usual = total - price - fresh - lost
    worth = {"price_change": price, "new_product": fresh, "competitor_effect": lost}
    return {name: round(value / usual, 4) for name, value in worth.items()}


def closing_ratio(opportunities: list[Row], year: int) -> float:
    """Return deals won over deals presented, closed in a year."""
    shown = [deal for deal in opportunities if deal[4] and deal[2] != "open"]
    won = [deal[2] == "won" for deal in shown if deal[6].year == year]
    return round(sum(won) / len(won), 3)


def turnover(company: Company, year: int) -> dict[str, float]:
    """Count leavers of a year against the average number of people in place."""
    start = (year - FIRST_YEAR) * 12
    leavers = sum(text.startswith(str(year)) for _, _, text, _ in story.LEAVERS)
    held = sum(seat.holder(m) != "" for seat in company.seats for m in range(start, start + 12))
    return {
        "leavers": leavers,
        "average_people": round(held / 12, 2),
        "rate": round(leavers * 12 / held, 4),
    }


def vacancy_months(*years: str) -> float:
    """Return the mean months that seats left in these years stood empty; open ones not counted."""
    filled = [
        months
        for territory, _, left, months in story.LEAVERS
        if left[:4] in years and (left < story.LAST_FILLED or territory in story.SIGNED)
    ]
    return round(sum(filled) / len(filled), 2)


def table_assumptions(
    company: Company, effects: dict[str, float], opportunities: list[Row]
) -> list[Row]:
    """Write last year's register: what the plan for 2025 took for granted, and what happened."""
    growth = round(story.MARKET[2025] / story.MARKET[2024] - 1, 4)
    staff = turnover(company, 2025)["rate"]
    before, after = closing_ratio(opportunities, 2024), closing_ratio(opportunities, 2025)
    return [
        [
            "A01",
            "The market grows",
            0,
            story.GROWTH_ASSUMED,
            0.05,
            growth,
            "share",
            "Elisabeth Brandauer",
            "association of laboratory suppliers, autumn survey",
            "2025-06-30",
            "market_growth",
        ],
        [
            "A02",
            "One seller in twenty leaves within the year",
            0.03,
            story.TURNOVER_ASSUMED,
            0.09,
            staff,
            "share",
            "Petra Lang, HR",
            "exits of 2023 and 2024",
            "2025-03-31",
            "turnover_rate",
        ],
        [
            "A03",
            "An empty seat is filled after two months",
            1.5,
            story.VACANCY_ASSUMED,
            4,
            round(vacancy_months("2025"), 1),
            "months",
            "Petra Lang, HR",
            "recruiter's offer",
            "2025-03-31",
            "time_to_fill",
        ],
        [
            "A04",
            "A new seller reaches full sales in the month of this number",
            3,
            4,
            6,
            len(story.RAMP),
            "months",
            "Birgit Falk",
            "judgement of the managers",
            "2025-06-30",
            "ramp",
        ],
        [
            "A05",
            "Realised prices hold (effect on company sales)",
            -0.02,
            0,
            0.01,
            effects["price_change"],
            "share",
            "Carla Ferrari",
            "price list 2025",
            "2025-03-31",
            "price_change",
        ],
        [
            "A06",
            "No competitor enters (effect on company sales)",
            -0.03,
            0,
            0,
            effects["competitor_effect"],
            "share",
            "Joachim Reuter",
            "rumours at the autumn fair",
            "2025-05-31",
            "competitor_effect",
        ],
        [
            "A07",
            "The portable spectrometer adds sales (effect on company sales)",
            0,
            story.NEW_PRODUCT_ASSUMED,
            0.04,
            effects["new_product"],
            "share",
            "Maud Lefèvre",
            "orders from the pilot customers",
            "2025-06-30",
            "new_product",
        ],
        [
            "A08",
            "Deals won of deals presented stay as they are",
            round(before - 0.02, 3),
            before,
            round(before + 0.02, 3),
            after,
            "share",
            "Gunnar Ek",
            "deals closed in 2024",
            "2025-09-30",
            "closing_ratio",
        ],
        [
            "A09",
            "Working days in the year",
            248,
            250,
            252,
            250,
            "days",
            "Petra Lang, HR",
            "calendar of the head office",
            "2025-01-31",
            "working_days",
        ],
    ]


def table_events() -> list[Row]:
    """List what came from outside; an empty territory means all of them."""
    entry = "Labcraft opens a branch with a cheaper microscope and balance range"
    rows: list[Row] = [
        ["E1", "competitor entry", territory, story.COMPETITOR_FROM, "", entry]
        for territory in story.COMPETITOR_TERRITORIES
    ]
    rows += [
        [
            "E2",
            "price change",
            "",
            story.PRICE_CUT_FROM,
            "",
            "Microscope M20 (P05) sells 8 % below its price of 2024; list price unchanged",
        ],
        ["E3", "product launch", "", story.NEW_FROM, "", "Spectrometer S50 Portable (P09)"],
        ["E4", "product withdrawal", "", "2025-01-01", "", "Sensor Kit K0 (P12), replaced by K1"],
        ["E5", "trade fair", "T06", "2025-09-16", "2025-09-19", "Laboratory fair in Munich"],
    ]
    return rows


def table_manager_time(company: Company) -> list[Row]:
    """Write hours of 2025; the last manager has not handed in December (empty, not zero)."""
    rng, rows = company.rng(6), []
    for number, region in enumerate(story.REGIONS):
        team = sum(seat.region == region for seat in company.seats)
        for month in range(24, MONTHS):
            of_year = month % 12 + 1
            planned = {
                "coaching": 3 * team,
                "one_on_one": team,
                "field_work": 24,
                "trade_show": 16 * (of_year in (3, 9)),
                "industry_meeting": 8 * (of_year in (2, 5, 10)),
                "reading": 6,
                "admin": 36,
            }
            for activity, hours in planned.items():
                part = {"coaching": story.COACHING_DONE[number], "reading": 0.6}.get(activity, 1.0)
                part += 0.45 * (activity == "admin" and region == "South")  # hiring takes hours
                spent = round(2 * hours * part * (1 + 0.1 * rng.standard_normal())) / 2
                late = number == len(story.REGIONS) - 1 and of_year == 12
                rows.append(
                    [
                        f"M{number + 1:02d}",
                        activity,
                        first_day(month),
                        hours,
                        "" if late else f"{spent:g}",
                    ]
                )
    return rows
