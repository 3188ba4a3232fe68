"""What is planted, told with the tolerance in which a plain estimate finds it."""

from __future__ import annotations

from typing import Any

from invented import story
from invented.context import turnover, vacancy_months
from invented.people import LAST_DAY, Company, first_day
from invented.selling import demand, ramp
from invented.story import FIRST_YEAR, MONTHS


def capacity_lost(company: Company, year: int) -> dict[str, float]:
    """Tell which share of a region's sales empty and new seats cost in a year."""
    full, lost = dict.fromkeys(story.REGIONS, 0.0), dict.fromkeys(story.REGIONS, 0.0)
    start = (year - FIRST_YEAR) * 12
    for seat in company.seats:
        for month in range(start, start + 12):
            holder = seat.holder(month)
            productive = ramp(company.reps[holder], month) if holder else 0.0
            sales = sum(demand(seat, line, month) for line in story.LINE_SHARES)
            full[seat.region] += sales
            lost[seat.region] += sales * (1 - productive)
    shares = {region: round(lost[region] / full[region], 3) for region in full}
    return shares | {"company": round(sum(lost.values()) / sum(full.values()), 3)}


def people_truths(company: Company) -> dict[str, Any]:
    """Tell what is planted about people."""
    spells = [(seat, *spell) for seat in company.seats for spell in seat.spells]
    successors = [rep for rep in company.reps.values() if rep.hired_month is not None]
    biased = {rep.rep_id: rep.bias for rep in company.reps.values() if rep.bias != 1}
    return {
        "people": {
            "ever": len(company.reps),
            "seats": len(company.seats),
            "namesakes": ["R001", "R041"],
            "signed_for_2026": [r.rep_id for r in successors if r.hired_on > LAST_DAY],
            "open_seats_end_2025": [
                [seat.territory_id, seat.share]
                for seat in company.seats
                if not seat.holder(MONTHS - 1)
            ],
        },
        "turnover": {
            "assumed_2025": story.TURNOVER_ASSUMED,
            "vacancy_months_mean": vacancy_months("2023", "2024", "2025"),
            "vacancy_months_mean_2025": vacancy_months("2025"),
            "vacancy_months_assumed": story.VACANCY_ASSUMED,
            "by_year": {str(y): turnover(company, y) for y in story.MARKET},
            "account_loss_share": 0.0,
        },
        "ramp": {
            "by_month": list(story.RAMP),
            "tolerance": 0.06,
            "hires": [r.rep_id for r in successors if r.hired_on <= LAST_DAY],
        },
        "moves": sorted(
            [rep, seat.territory_id, str(first_day(first))]
            for seat, rep, first, _ in spells
            if str(first_day(first)) in {s[2] for s in story.SWAPS}
        ),
        "proposals": {
            "factor": biased,
            "tolerance": 0.05,
            "others_mean": 1.0,
            "others_mean_tolerance": 0.02,
            "others_spread": story.PROPOSAL_NOISE,
        },
        "closing_ratio": {
            "mean": story.CLOSING_RATIO,
            "share_inside_95_interval": 0.90,
            "by_rep": {
                r.rep_id: r.closing_ratio for r in company.reps.values() if r.hired_on <= LAST_DAY
            },
        },
    }


def all_truths(company: Company, effects: dict[str, float]) -> dict[str, Any]:
    """Tell everything that is planted, with the tolerance in which a plain estimate finds it."""
    return {
        "company": "Alpine Instruments",
        "currency": "EUR",
        "seed": company.seed,
        "competitor": {
            "starts_on": story.COMPETITOR_FROM,
            "effect_share": story.COMPETITOR_EFFECT,
            "tolerance": 0.03,
            "region_missed": "West",
            "territories": list(story.COMPETITOR_TERRITORIES),
        },
        "vacancies": {
            "region_missed": "South",
            "capacity_lost_share": {
                str(year): capacity_lost(company, year) for year in story.MARKET
            },
        },
        "market_growth": {
            "2024": 0.03,
            "2025": 0.02,
            "assumed_2025": story.GROWTH_ASSUMED,
            "tolerance": 0.02,
        },
        "price_cut": {
            "product_id": story.PRICE_CUT_PRODUCT,
            "starts_on": story.PRICE_CUT_FROM,
            "price_ratio": story.PRICE_CUT_FACTOR,
            "tolerance": 0.005,
            "volume_tolerance": 0.04,
        },
        "new_product": {"product_id": story.NEW_PRODUCT, "starts_on": story.NEW_FROM},
        "withdrawn_product": {
            "product_id": story.OLD_PRODUCT,
            "ends_on": story.OLD_UNTIL,
            "replaced_by": story.OLD_SUCCESSOR,
        },
        "unit_cost_level": {str(year): level for year, level in story.COST_LEVEL.items()},
        "seasonality": {
            "by_line": {k: list(v) for k, v in story.SEASONS.items()},
            "tolerance": 0.05,
        },
        "ratchet": {
            "after_over": story.RATCHET_OVER,
            "after_under": story.RATCHET_UNDER,
            "constant": story.RATCHET_CONSTANT,
            "tolerance": 0.03,
        },
        "goal_cells": {
            "zero": {
                "rep_id": company.seat(story.NO_SPECTROMETERS).holder(24),
                "product_line": "Spectrometers",
                "cells": 4,
            },
            "empty": {
                "rep_id": company.seat(story.NO_SENSOR_GOAL).holder(35),
                "product_line": "Sensors",
                "cells": 2,
            },
        },
        "effects_on_company_sales_2025": effects,
        **people_truths(company),
    }
