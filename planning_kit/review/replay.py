"""Last year's plan again, with what really happened."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from planning_kit.data import Region, cached
from planning_kit.numbers.staffing import Staffing
from planning_kit.numbers.statistics import held_inside
from planning_kit.plan import DRIVERS
from planning_kit.plan.drivers import scale_to_unit
from planning_kit.review.attainment import attainment, growth
from planning_kit.review.factors import shapley

REPLAY_COLUMNS = (
    "assumption_id",
    "statement",
    "driver",
    "unit",
    "low",
    "base",
    "high",
    "actual",
    "inside",
    "effect",
    "note",
)
EXECUTION = "execution"
MOST_CAUSES = 10  # exact Shapley values double the work with each cause
_SIDES = {False: "base", True: "actual"}  # as assumed, as it turned out


@cached
def assumption_replay(inputs: Region) -> pd.DataFrame:
    """Recompute last year's plan with what really happened; what remains is execution.

    The plan is taken as a product: base x (1 + market growth) x (1 + price change) x (1 + new
    product) x (1 + competitor effect) x working days x closing ratio x availability of seats
    (turnover, time to fill, ramp) x (1 - turnover x accounts lost). Every value counts for the
    sales of all of ``inputs``; a staff value nobody assumed is the plan's setting, turnover that
    of the roster. The result with the assumed values is the goal (without goals: the year before
    times the assumed factors). Each effect is the cause's Shapley value over all causes, so that
    no order is preferred, and effects plus execution are the gap.

    Parameters
    ----------
    inputs
        Needs assumptions with ``driver``, ``base`` and ``actual``; goals in plan currency.

    Returns
    -------
    DataFrame
        The assumptions with ``inside`` (yes, no, not known: is the actual between low and high),
        ``effect`` in plan currency (empty where it has no formula or no actual; ``note`` says
        why) and a last row ``execution`` with the remainder. No rows without assumptions.
    """
    stated = inputs.assumptions.sort_values("assumption_id", ignore_index=True)
    if stated.empty:
        return pd.DataFrame(columns=list(REPLAY_COLUMNS))
    notes = _why_not(inputs, stated)
    causes = stated[notes == ""]
    plan, actual, basis = _plan_and_actual(inputs, causes)
    factor = _model(inputs, causes)
    scale = plan / factor(frozenset()) if factor(frozenset()) else np.nan
    effects = shapley(lambda chosen: scale * factor(chosen), len(causes)) if len(causes) else []
    table = stated.assign(inside=held_inside(stated), note=notes, effect=np.nan)
    table.loc[causes.index, "effect"] = [float(effect) for effect in effects]
    rest = actual - plan - table["effect"].sum()
    last = {
        "assumption_id": EXECUTION,
        "effect": rest,
        "note": basis,
        "inside": "",
        "statement": "what the replayed assumptions do not explain",
    }
    table = pd.concat([table, pd.DataFrame([last])], ignore_index=True)
    return table[list(REPLAY_COLUMNS)].astype({"inside": "str", "note": "str"})


def _plan_and_actual(inputs: Region, causes: pd.DataFrame) -> tuple[float, float, str]:
    total = attainment(inputs, ())
    if len(total) and total["goal"].notna().all() and total["goal"].iloc[0] > 0:
        text = "actual minus goal minus the effects above"
        return float(total["goal"].iloc[0]), float(total["actual"].iloc[0]), text
    years = growth(inputs, ())[["previous", "review"]].fillna(0.0)
    before, after = years.iloc[0] if len(years) else (0.0, 0.0)
    text = "no goals: the plan is the year before times the assumed factors"
    return float(before) * _model(inputs, causes)(frozenset()), float(after), text


def _why_not(inputs: Region, stated: pd.DataFrame) -> pd.Series:
    """Say of every assumption why it is not replayed; empty where it is."""
    notes = pd.Series("", stated.index, dtype="str")
    drivers = [DRIVERS.get(name) for name in stated["driver"]]
    is_ratio = pd.Series([d is not None and d.moves == "ratio" for d in drivers], stated.index)
    ratio = is_ratio & (stated["base"] <= 0)
    notes = notes.mask(ratio, "its base must be above 0 to compare with it")
    if not inputs.is_company and not _competitor_here(inputs):
        competitor = stated["driver"].eq("competitor_effect")
        notes = notes.mask(competitor, "no competitor's entry touched a territory of this region")
    units = pd.Series([f"its unit must be {d.unit}" if d else "" for d in drivers], stated.index)
    notes = notes.mask(unit_scales(stated).isna(), units)
    notes = notes.mask(stated["actual"].isna(), "what happened is not known: fill in actual")
    known = ", ".join(DRIVERS)
    notes = notes.mask(units.eq(""), f"no formula for its driver; known: {known}")
    many = (notes == "") & ((notes == "").cumsum() > MOST_CAUSES)
    return notes.mask(many, f"only the first {MOST_CAUSES} assumptions are replayed")


def unit_scales(stated: pd.DataFrame) -> pd.Series:
    """Give the factor from every written unit to the driver's; empty where they do not fit."""
    pairs = zip(stated["unit"].fillna(""), stated["driver"], strict=True)
    found = [
        scale_to_unit(unit, DRIVERS[name]) if name in DRIVERS else None for unit, name in pairs
    ]
    return pd.Series(found, stated.index, dtype="float64")


def _competitor_here(inputs: Region) -> bool:
    entries = inputs.events[inputs.events["kind"].fillna("").str.contains("compet", case=False)]
    here = entries["territory_id"].isin(inputs.territories["territory_id"])
    return bool((here | entries["territory_id"].isna()).any())


def _model(inputs: Region, causes: pd.DataFrame) -> Callable[[frozenset[int]], float]:
    """Give the product of all factors as a function of which causes are as they turned out."""
    drivers, scale, settings = causes["driver"].tolist(), unit_scales(causes), inputs.settings
    values = {turned: (causes[name] * scale).tolist() for turned, name in _SIDES.items()}
    people = (settings.vacancy_months, settings.ramp, settings.account_loss_share)
    usual = Staffing(_roster_turnover(inputs), *people)

    def factor(chosen: frozenset[int]) -> float:
        product, staff = 1.0, {}
        for position, driver in enumerate(drivers):
            value = values[position in chosen][position]
            if DRIVERS[driver].moves == "staff":
                staff[driver] = value
            else:
                product *= value if DRIVERS[driver].moves == "ratio" else 1 + value
        return product * (usual.assuming(staff).lasting_share() if staff else 1.0)

    return factor


def _roster_turnover(inputs: Region) -> float:
    """Give leavers of the reviewed period over the people at its start, as a yearly rate."""
    first, last = (
        pd.Timestamp(day)
        for day in (inputs.settings.review_starts_on, inputs.settings.review_ends_on)
    )
    reps = inputs.reps
    there = ~(reps["hired_on"] > first) & ~(reps["left_on"] < first)
    left = there & reps["left_on"].between(first, last)
    years = ((last - first).days + 1) / 365.25
    return float(min(1.0, left.sum() / there.sum() / years)) if there.any() else 0.0
