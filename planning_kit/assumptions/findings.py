"""What is odd about the assumptions, with its number and what to do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import numpy as np
import pandas as pd

from planning_kit.assumptions.signposts import about_signposts, signposts
from planning_kit.assumptions.target import judge_target
from planning_kit.data import Region
from planning_kit.messages import finding, findings_table, shorten
from planning_kit.outlook import ChanceOfTarget, coming_year, turnover
from planning_kit.outlook.baseline import unheld_parts
from planning_kit.outlook.register import CARRIED, FINDING_ID
from planning_kit.outlook.seats import Seats, look_ahead
from planning_kit.outlook.turnover import ramp_estimate
from planning_kit.plan import DRIVERS, Scenario

_FEW_LEAVERS = 5


def assumption_findings(
    inputs: Region,
    scenario: Scenario,
    goals: pd.DataFrame | None = None,
    today: date | None = None,
    known: Callable[[Region], pd.DataFrame] | None = None,
) -> pd.DataFrame:
    """List what is odd about the assumptions and what follows from them.

    Parameters
    ----------
    inputs, scenario
        The region and its scenario.
    goals
        rep_id, goal; None: the target in proportion to expectations.
    today
        Day on which a check is overdue; None: as in `signposts`.
    known
        Gives the findings of inputs that evidence may cite by id, asked only if any does; None:
        what it cites is not checked.

    Returns
    -------
    pandas.DataFrame
        Findings; ``fail`` where the target implies that people miss their goals more often than not.
    """
    seats = look_ahead(inputs, scenario)
    seen = signposts(inputs, scenario, today)
    rows = [
        *_about_target(inputs, coming_year(inputs, scenario).chance(inputs.target, goals)),
        *_about_register(seats),
        *_about_care(seats, seen.today),
        *_about_evidence(seats, known),
        *about_signposts(seen, inputs.settings.currency),
        *_about_people(seats),
        *_about_ramp(seats),
        *_about_sales(seats),
        *_about_guesses(seats),
        *_about_territories(seats),
    ]
    return findings_table(rows)


def _about_register(seats: Seats) -> list[dict[str, str]]:
    register, rows, where = seats.assumptions, [], "assumptions"
    if not register:
        rows.append(
            finding(
                "assumptions.none",
                "review",
                where,
                "the scenario has no assumptions and there is no "
                "table of last year's to start from",
                "write [assumptions.<id>] sections",
            )
        )
    carried = [a.assumption_id for a in register if a.status == CARRIED]
    if carried:
        rows.append(
            finding(
                "assumptions.carried_over",
                "review",
                where,
                f"{len(carried)} assumptions are last year's, not yet confirmed: {shorten(carried)}",
                "confirm or change them in the scenario, [assumptions.<id>]",
            )
        )
    idle = [a.assumption_id for a in register if not a.moves]
    if idle:
        rows.append(
            finding(
                "assumptions.moves_nothing",
                "review",
                where,
                f"{shorten(idle)}: no driver the plan knows, or values that do not fit it; they move "
                "nothing",
                f"use one of {', '.join(DRIVERS)} in its unit",
            )
        )
    nowhere = [a for a in register if a.moves and not seats.scopes[a.assumption_id].any()]
    for a in nowhere if len(seats.rows) else []:
        named = shorten([label for label in (*a.territories, a.product_line) if label])
        # A company's scenario names territories of every region; only the company's tables know
        # that a name is nobody's.
        elsewhere = not seats.inputs.is_company and a.territories
        rows.append(
            finding(
                f"assumptions.{a.assumption_id}.nowhere",
                "pass" if elsewhere else "review",
                where,
                f"{a.assumption_id} ({a.driver}) names {named}, which nobody here sells in: it is "
                "worth nothing here",
                "" if elsewhere else "check the ids",
            )
        )
    return rows


def _about_care(seats: Seats, day: pd.Timestamp) -> list[dict[str, str]]:
    register, rows, where = seats.assumptions, [], "assumptions"
    for name, missing in (
        ("owner", [a for a in register if not a.owner]),
        ("evidence", [a for a in register if not a.evidence]),
    ):
        if missing:
            ids = shorten([a.assumption_id for a in missing])
            rows.append(
                finding(
                    f"assumptions.no_{name}",
                    "review",
                    where,
                    f"{len(missing)} without {name}: {ids}",
                    f"name the {name}",
                )
            )
    late = [a for a in register if a.check_on is not None and a.check_on < day]
    late = [a for a in late if a.status != CARRIED]  # last year's days are all behind us
    if late:
        rows.append(
            finding(
                "assumptions.overdue",
                "review",
                where,
                f"{len(late)} checks are overdue on {day:%Y-%m-%d}: "
                + shorten([f"{a.assumption_id} ({a.check_on:%Y-%m-%d})" for a in late]),
                "look again and set the next day",
            )
        )
    return rows


def _about_evidence(
    seats: Seats, known: Callable[[Region], pd.DataFrame] | None
) -> list[dict[str, str]]:
    """Name what is cited and not there; a region may cite what was found in another one."""
    cited = [a for a in seats.assumptions if FINDING_ID.fullmatch(a.evidence)]
    if known is None or not cited:
        return []
    there = set(known(seats.inputs)["finding_id"])
    lost = [a for a in cited if a.evidence not in there]
    ids = shorten([f"{a.assumption_id} ({a.evidence})" for a in lost])
    status = "fail" if seats.inputs.is_company else "review"
    return (
        [
            finding(
                "assumptions.evidence.unknown",
                status,
                "assumptions",
                f"evidence cites findings that are not here: {ids}",
                "correct the id, or write what it rests on in words",
            )
        ]
        if lost
        else []
    )


def _about_people(seats: Seats) -> list[dict[str, str]]:
    inputs, rows = seats.inputs, []
    whole = turnover(inputs).iloc[0]
    assumed = next((a for a in seats.assumptions if a.driver == "turnover_rate"), None)
    counted = (
        f"{whole['leavers']} left in {whole['exposure_years']:.1f} years of work: "
        f"{whole['rate']:.1%} a year, "
        f"80 % range {whole['low']:.1%} to {whole['high']:.1%}"
    )
    if np.isnan(whole["rate"]):
        rows.append(
            finding(
                "assumptions.turnover.unknown",
                "review",
                "reps",
                "nobody can be counted at risk of leaving: turnover is taken as 0"
                if assumed is None
                else "the roster cannot check the assumed turnover",
                "give hired_on and left_on in reps",
            )
        )
    elif assumed is None:
        rows.append(
            finding(
                "assumptions.turnover.counted",
                "review",
                "reps",
                f"no assumption on turnover; taken from the roster: {counted}",
                "write an assumption with driver turnover_rate",
            )
        )
    elif not whole["low"] <= assumed.base <= whole["high"]:
        rows.append(
            finding(
                "assumptions.turnover.differs",
                "review",
                "reps",
                f"{assumed.assumption_id} assumes {assumed.base:.1%}; {counted}",
                "say in the evidence why it will differ",
            )
        )
    if not np.isnan(whole["rate"]) and whole["leavers"] < _FEW_LEAVERS and not inputs.is_company:
        rows.append(
            finding(
                "assumptions.turnover.few",
                "review",
                "reps",
                f"{counted}; a rate from so few says little",
                "rest on the company's rate",
            )
        )
    return rows


def _about_ramp(seats: Seats) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = []
    ramp = ramp_estimate(seats.inputs, seats.levels)
    off = ramp[(ramp["stated"] < ramp["low"]) | (ramp["stated"] > ramp["high"])]
    if len(off) >= max(2, len(ramp) / 2):
        seen = ", ".join(
            f"month {r.month}: {r.share:.0%} (stated {r.stated:.0%})" for r in off.itertuples()
        )
        rows.append(
            finding(
                "assumptions.ramp.differs",
                "review",
                "plan.toml, [people] ramp",
                f"{int(ramp['people'].max())} past hires ramped otherwise; {seen}",
                "change ramp, or say why the next ones differ",
            )
        )
    return rows


def _about_sales(seats: Seats) -> list[dict[str, str]]:
    inputs, levels, rows = seats.inputs, seats.levels, []
    months = inputs.sales["month"].nunique()
    if not len(inputs.sales):
        return [
            finding(
                "assumptions.sales.none",
                "review",
                "sales",
                "no sales: nothing can be expected of anybody",
                "give past sales",
            )
        ]
    if months < 12:
        rows.append(
            finding(
                "assumptions.season.unknown",
                "review",
                "sales",
                f"{months} months of sales: no season can be seen, months are even",
                "give at least one whole year",
            )
        )
    if not any(a.driver == "market_growth" for a in seats.assumptions):
        trend, error = levels.trend
        seen = ", ".join(f"{g:+.1%}" for g in levels.growth) or "none known"
        rows.append(
            finding(
                "assumptions.growth.from_trend",
                "review",
                "assumptions",
                f"no assumption on market growth; trend {trend:+.1%} a year is used "
                f"(past changes, latest first: {seen}; error {error:.1%})",
                "write an assumption with driver market_growth",
            )
        )
    hired = inputs.sales.merge(inputs.reps[["rep_id", "hired_on"]], on="rep_id")
    first_day = hired["hired_on"] - pd.to_timedelta(hired["hired_on"].dt.day - 1, unit="D")
    early = hired[hired["month"] < first_day]
    if len(early):
        rows.append(
            finding(
                "assumptions.sales.before_hire",
                "review",
                "sales",
                f"{early['amount'].sum():,.0f} {inputs.settings.currency} sold before "
                f"the month of hiring by {shorten(sorted(early['rep_id'].unique()))}",
                "check hired_on, or who made these sales",
            )
        )
    return rows


def _about_guesses(seats: Seats) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = []
    guessed = seats.rows[seats.rows["filled_by"].str.startswith(("the group", "nothing"))]
    if len(guessed):
        who = sorted(guessed["rep_id"].unique())
        rows.append(
            finding(
                "assumptions.baseline.no_history",
                "review",
                "baseline",
                f"{len(who)} without any history of their own or of the seat: {shorten(who)}",
                "enter what is known of their accounts as a proposal",
            )
        )
    return rows


def _about_territories(seats: Seats) -> list[dict[str, str]]:
    gaps, inputs = unheld_parts(seats), seats.inputs
    if gaps.empty:
        return []
    parts = [f"{r.territory_id} ({r.share:.0%})" for r in gaps.itertuples()]
    known = gaps["amount"].sum(min_count=1)
    amount = "an unknown amount" if np.isnan(known) else f"{known:,.0f} {inputs.settings.currency}"
    return [
        finding(
            "assumptions.territories.unheld",
            "review",
            "assignments",
            f"parts of {len(gaps)} territories are held by nobody: {shorten(parts)}; they "
            f"would sell {amount} in the plan, which is in nobody's expectation",
            "assign them, or plan the vacancy and lower the target",
        )
    ]


def _about_target(inputs: Region, chance: ChanceOfTarget) -> list[dict[str, str]]:
    judged = judge_target(inputs, chance, chance.people["chance"])
    if judged is None:
        return []
    status, message, advice = judged
    name = "assumptions.target.too_high" if status == "fail" else "assumptions.target.chance"
    rows = [finding(name, status, "target", message, advice)]
    if chance.k > 1:
        rows.append(
            finding(
                "assumptions.target.not_backed",
                "review",
                "target",
                f"goals add up to {chance.k:.3f} times the expectations: the part "
                "above 1 is wish, not capacity",
                "take it out, or name what will bring it",
            )
        )
    return rows
