"""What the assumptions are worth in money: register, tornado, turnover; last year's scored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from planning_kit.data import Region
from planning_kit.numbers.statistics import held_inside
from planning_kit.outlook import Assumption, coming_year
from planning_kit.outlook.register import CARRIED
from planning_kit.outlook.seats import look_ahead
from planning_kit.plan import DRIVERS, Scenario
from planning_kit.plan.drivers import scale_to_unit

REGISTER_COLUMNS = (
    "assumption_id",
    "statement",
    "driver",
    "low",
    "base",
    "high",
    "unit",
    "owner",
    "evidence",
    "check_on",
    "territories",
    "product_line",
    "status",
    "last_base",
    "last_actual",
    "value_low",
    "value_high",
)
SENSITIVITY_COLUMNS = (
    "assumption_id",
    "statement",
    "driver",
    "effect_low",
    "effect_high",
    "swing",
    "together_low",
    "together_high",
    "chance_low",
    "chance_high",
    "check_first",
)
SCENARIO_SETS = ("low", "base", "high", "stress")
_POINT = 0.01


def unconfirmed(register: pd.DataFrame) -> list[str]:
    """Name the assumptions that nobody answers for: taken over from last year, or without an owner.

    Parameters
    ----------
    register
        From `register`.
    """
    open_ones = register["status"].eq(CARRIED) | register["owner"].fillna("").eq("")
    return register.loc[open_ones, "assumption_id"].tolist()


def register(inputs: Region, scenario: Scenario) -> pd.DataFrame:
    """Give the register of assumptions with last year's beside it and its worth in money.

    Assumptions stand in the scenario file as ``[assumptions.<id>]`` with statement, driver, low,
    base, high, unit, owner, evidence, check_on, territories, product_line. A scenario without
    any starts from last year's table, marked "carried over, not yet confirmed".

    Returns
    -------
    pandas.DataFrame
        One row an assumption, by id. low, base, high in ``unit``; value_low and value_high are
        the change of the region's expected total when the assumption is at that end instead of
        its base, plan currency; last_base and last_actual are last year's.

    Raises
    ------
    DataError
        Unknown drivers, territories or product lines, ranges in the wrong order, values missing or
        out of range: all of them named.
    """
    seats = look_ahead(inputs, scenario)
    rows = []
    for a in seats.assumptions:
        low, high = seats.swing(a) if a.moves else (np.nan, np.nan)
        day = pd.NaT if a.check_on is None else a.check_on
        rows.append(
            (
                a.assumption_id,
                a.statement,
                a.driver,
                a.low,
                a.base,
                a.high,
                a.unit,
                a.owner,
                a.evidence,
                day,
                ", ".join(a.territories),
                a.product_line,
                a.status,
                a.last_base,
                a.last_actual,
                low,
                high,
            )
        )
    table = pd.DataFrame(rows, columns=list(REGISTER_COLUMNS))
    return table.astype({"check_on": "datetime64[us]"})


def last_register(inputs: Region, scenario: Scenario) -> pd.DataFrame:
    """Score last year's assumptions, with this year's beside them.

    Returns
    -------
    pandas.DataFrame
        assumption_id, statement, driver, unit, last_low, last_base, last_high, last_actual, inside
        (yes, no, not known: did the range hold what happened), error (actual less base), then
        this_id, low, base, high of this year's assumption of the same id, else driver; values in
        ``unit``. By id; the share of yes over many assumptions is 80 % where ranges are honest.
    """
    stated = inputs.assumptions.sort_values("assumption_id", kind="stable", ignore_index=True)
    table = stated[["assumption_id", "statement", "driver", "unit"]].assign(
        last_low=stated["low"],
        last_base=stated["base"],
        last_high=stated["high"],
        last_actual=stated["actual"],
        inside=held_inside(stated),
        error=stated["actual"] - stated["base"],
    )
    register = look_ahead(inputs, scenario).assumptions
    rows = [_this_year(row, register) for row in stated.to_dict("records")]
    now = pd.DataFrame(rows, columns=["this_id", "low", "base", "high"], index=table.index)
    return pd.concat([table, now.astype({"this_id": "str"})], axis=1)


def _this_year(row: Mapping, register: tuple[Assumption, ...]) -> tuple:
    alike = [a for a in register if a.driver == row["driver"]]
    same = [a for a in alike if a.assumption_id == row["assumption_id"]] or alike
    driver, unit = DRIVERS.get(str(row["driver"])), row["unit"]
    scale = scale_to_unit(unit if isinstance(unit, str) else "", driver) if driver else None
    if len(same) != 1 or scale is None:
        return (np.nan,) * 4
    one = same[0]
    return one.assumption_id, one.low / scale, one.base / scale, one.high / scale


def sensitivity(
    inputs: Region, scenario: Scenario, target: float | None = None, runs: int = 2000
) -> pd.DataFrame:
    """Rank the assumptions by what their range means for the region's expected total (tornado).

    Parameters
    ----------
    target
        Plan currency; None: the region's target.
    runs
        Simulated years behind the chances, the same years for every assumption.

    Returns
    -------
    pandas.DataFrame
        assumption_id, statement, driver, effect_low and effect_high (change of the total at the
        low and the high end, plan currency), swing (their distance, the largest first),
        together_low and together_high (the same with the assumptions that go with it moved as
        far as their correlation says), chance_low and chance_high (of reaching the target, this
        assumption at its end, the others drawn; empty: nothing is expected), check_first (the
        two whose range moves the chance most, in whole points; then the total, together).
    """
    seats, outlook = look_ahead(inputs, scenario), coming_year(inputs, scenario, runs)
    asked = inputs.target if target is None else target
    rows = []
    for number, a in enumerate(seats.assumptions):
        if not a.moves:
            continue
        low, high = seats.swing(a)
        row = [a.assumption_id, a.statement, a.driver, low, high, abs(high - low)]
        row += [seats.together(number, end) for end in (-1, 1)]
        row += [outlook.chance_if(asked, a.assumption_id, end) for end in (-1, 1)]
        rows.append((*row, False))
    table = pd.DataFrame(rows, columns=list(SENSITIVITY_COLUMNS))
    by = ["swing", "assumption_id"]
    table = table.sort_values(by, ascending=[False, True], ignore_index=True)
    rank = pd.DataFrame(
        {
            "chance": (table["chance_high"] - table["chance_low"]).abs().fillna(0.0).round(2),
            "total": (table["together_high"] - table["together_low"]).abs(),
        }
    )
    first = rank.sort_values(["chance", "total"], ascending=False, kind="stable").index[:2]
    return table.assign(check_first=table.index.isin(first) & (rank["total"] > 0))


def scenario_sets(inputs: Region, scenario: Scenario) -> pd.DataFrame:
    """Give the region's expected total with every assumption at one end.

    ``low`` and ``high`` put every assumption at the end that hurts or helps sales; ``stress`` goes
    twice as far as low. All at their bad end together is rarer than one in ten.

    Returns
    -------
    pandas.DataFrame
        name, expected (plan currency), change (against base).
    """
    seats = look_ahead(inputs, scenario)
    ends: dict[str, dict[str, float]] = {name: {} for name in SCENARIO_SETS}
    for a in seats.assumptions:
        effect = seats.swing(a)
        bad, good = (a.low, a.high) if effect[0] <= effect[1] else (a.high, a.low)
        ends["low"][a.assumption_id], ends["high"][a.assumption_id] = bad, good
        ends["stress"][a.assumption_id] = a.base + 2 * (bad - a.base)
    totals = {name: float(np.nansum(seats.expected(values))) for name, values in ends.items()}
    table = pd.DataFrame({"name": list(totals), "expected": list(totals.values())})
    return table.assign(change=table["expected"] - totals["base"])


def cost_of_turnover_point(inputs: Region, scenario: Scenario) -> float:
    """Give what one more point of yearly turnover costs the region in the plan, plan currency.

    The expected total at the assumed rate less the total at a rate one point higher: vacancy,
    ramp and the loss of handed-over accounts inside the period.
    """
    seats = look_ahead(inputs, scenario)
    usual = seats.staffing()
    higher = replace(usual, annual_rate=min(1.0, usual.annual_rate + _POINT))
    lost = seats.capacity(usual) - seats.capacity(higher)
    return float(np.nansum(seats.full * seats.factors() * lost))
