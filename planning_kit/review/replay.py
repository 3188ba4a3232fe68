"""Last year's plan again, with what really happened."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from planning_kit.data import Region, cached
from planning_kit.numbers.statistics import wilson
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
SCORE_COLUMNS = (
    "assumptions",
    "inside",
    "inside_share",
    "low_share",
    "high_share",
    "expected_share",
    "pinball_loss",
    "verdict",
)
EXECUTION = "execution"
MOST_CAUSES = 10  # exact Shapley values double the work with each cause
_LEVELS = (0.1, 0.5, 0.9)  # low, base and high of the register, see the table's columns
_RATES = ("market_growth", "price_change", "new_product", "competitor_effect")
_RATIOS = ("working_days", "closing_ratio")
_STAFFING = ("turnover_rate", "time_to_fill", "ramp", "account_loss_share")
_COUNTED = ("time_to_fill", "ramp", "working_days")  # in months and days, never in per cent
_SIDES = {False: "base", True: "actual"}  # as assumed, as it turned out
DRIVERS = (*_RATES, *_RATIOS, *_STAFFING)


def availability(annual_turnover: float, vacancy: float, ramp: tuple[float, ...]) -> float:
    """Give the productive share of a seat: monthly hazard, empty months, then the ramp.

    ``A = sum_t (1-h)^t r(t) / (1/h + v)`` with ``h = 1 - (1-annual)^(1/12)``, summed over all
    months after hiring; ``v`` months empty after somebody left.

    Examples
    --------
    >>> round(availability(0.20, 3.0, (0.0, 0.2, 0.4, 0.6, 0.8)), 3)
    0.897
    >>> availability(0.0, 3.0, ())
    1.0
    """
    if annual_turnover <= 0:
        return 1.0
    hazard = 1 - (1 - min(annual_turnover, 1.0)) ** (1 / 12)
    stays = (1 - hazard) ** np.arange(len(ramp))
    productive = float(np.sum(stays * np.array(ramp))) + (1 - hazard) ** len(ramp) / hazard
    return productive / (1 / hazard + vacancy)


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
    table = stated.assign(inside=_inside(stated), note=notes, effect=np.nan)
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
    ratio = stated["driver"].isin(_RATIOS) & (stated["base"] <= 0)
    notes = notes.mask(ratio, "its base must be above 0 to compare with it")
    if inputs.region and not _competitor_here(inputs):
        competitor = stated["driver"].eq("competitor_effect")
        notes = notes.mask(competitor, "no competitor's entry touched a territory of this region")
    notes = notes.mask(stated["actual"].isna(), "what happened is not known: fill in actual")
    known = ", ".join(DRIVERS)
    notes = notes.mask(
        ~stated["driver"].isin(DRIVERS), f"no formula for its driver; known: {known}"
    )
    many = (notes == "") & ((notes == "").cumsum() > MOST_CAUSES)
    return notes.mask(many, f"only the first {MOST_CAUSES} assumptions are replayed")


def _competitor_here(inputs: Region) -> bool:
    entries = inputs.events[inputs.events["kind"].fillna("").str.contains("compet", case=False)]
    here = entries["territory_id"].isin(inputs.territories["territory_id"])
    return bool((here | entries["territory_id"].isna()).any())


def _model(inputs: Region, causes: pd.DataFrame) -> Callable[[frozenset[int]], float]:
    """Give the product of all factors as a function of which causes are as they turned out."""
    drivers = causes["driver"].tolist()
    percent = causes["unit"].isin(["%", "percent"]) & ~causes["driver"].isin(_COUNTED)
    scale = percent.map({True: 0.01, False: 1.0})
    values = {turned: (causes[name] * scale).tolist() for turned, name in _SIDES.items()}
    turnover = _roster_turnover(inputs)

    def factor(chosen: frozenset[int]) -> float:
        product, staffing = 1.0, {}
        for position, driver in enumerate(drivers):
            value = values[position in chosen][position]
            if driver in _STAFFING:
                staffing[driver] = value
            else:
                product *= value if driver in _RATIOS else 1 + value
        return product * (_staffing(inputs, staffing, turnover) if staffing else 1.0)

    return factor


def _staffing(inputs: Region, values: Mapping[str, float], roster: float) -> float:
    settings = inputs.settings
    vacancy = values.get("time_to_fill", settings.vacancy_months)
    ramp = settings.ramp
    if "ramp" in values:  # the month of full sales, the first being 1: the plan's ramp stretched
        full = max(0, int(np.ceil(values["ramp"])) - 1)
        places = np.arange(full) * (len(ramp) / max(full, 1))
        ramp = tuple(np.interp(places, np.arange(len(ramp) + 1), [*ramp, 1.0]))
    turnover = values.get("turnover_rate", roster)
    lost = values.get("account_loss_share", settings.account_loss_share)
    return availability(turnover, vacancy, ramp) * (1 - turnover * lost)


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


def _inside(stated: pd.DataFrame) -> pd.Series:
    known = stated[["low", "high", "actual"]].notna().all(axis=1)
    within = stated["actual"].between(
        stated[["low", "high"]].min(axis=1), stated[["low", "high"]].max(axis=1)
    )
    return pd.Series(
        np.select([~known, within], ["not known", "yes"], "no"), stated.index, dtype="str"
    )


def range_score(inputs: Region) -> pd.DataFrame:
    """Judge the ranges of last year's assumptions: how many actuals lay inside, and how far off.

    Low and high are meant as one in ten and nine in ten, so 80 % should lie inside. The pinball
    loss (Koenker and Bassett 1978) of low, base and high is averaged and divided by the width of
    each range, so that assumptions in different units count the same; smaller is better.

    Returns
    -------
    DataFrame
        One row: how many ``assumptions`` have all four numbers, how many actuals are ``inside``,
        their share with its Wilson 95 % interval, the ``pinball_loss`` and a ``verdict``: ranges
        too narrow, ranges too wide, ranges fit, or cannot tell.
    """
    stated = inputs.assumptions
    known = stated[stated[["low", "base", "high", "actual"]].notna().all(axis=1)]
    inside = int(_inside(known).eq("yes").sum())
    low, high = wilson(inside, len(known))
    width = (known["high"] - known["low"]).abs()
    losses = [
        np.maximum(q * (known["actual"] - known[c]), (q - 1) * (known["actual"] - known[c]))
        for q, c in zip(_LEVELS, ("low", "base", "high"), strict=True)
    ]
    loss = (sum(losses) / len(_LEVELS) / width.where(width > 0)).mean()
    expected = _LEVELS[2] - _LEVELS[0]
    verdict = "cannot tell"
    if len(known):
        fits = "ranges fit" if high - low < 0.4 else "cannot tell"
        verdict = (
            "ranges too narrow"
            if high < expected
            else ("ranges too wide" if low > expected else fits)
        )
    share = inside / len(known) if len(known) else np.nan
    row = (len(known), inside, share, low, high, expected, loss, verdict)
    return pd.DataFrame([row], columns=list(SCORE_COLUMNS))
