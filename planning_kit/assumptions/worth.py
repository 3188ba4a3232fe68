"""What the assumptions are worth in money: register, tornado, turnover, chance of the target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from planning_kit.data import Region
from planning_kit.messages import DataError, require_labels
from planning_kit.numbers.statistics import wilson
from planning_kit.outlook import Assumption
from planning_kit.outlook.history import Z80
from planning_kit.outlook.seats import Outlook, look_ahead
from planning_kit.outlook.years import multiple_of, simulate_years, typical_years, year_model
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
    outlook = look_ahead(inputs, scenario)
    rows = []
    for a in outlook.assumptions:
        low, high = outlook.swing(a) if a.moves else (np.nan, np.nan)
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
    held = stated["actual"].between(stated["low"], stated["high"])
    known = stated[["low", "high", "actual"]].notna().all(axis=1)
    words = np.where(known, np.where(held, "yes", "no"), "not known")
    table = stated[["assumption_id", "statement", "driver", "unit"]].assign(
        last_low=stated["low"],
        last_base=stated["base"],
        last_high=stated["high"],
        last_actual=stated["actual"],
        inside=words,
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
    outlook = look_ahead(inputs, scenario)
    model, total = year_model(outlook), float(np.nansum(outlook.base))
    asked = multiple_of(inputs.target if target is None else target, total)
    nobody = np.full(len(model.parts), np.inf)
    rows = []
    for number, a in enumerate(outlook.assumptions):
        if not a.moves:
            continue
        low, high = outlook.swing(a)
        row = [a.assumption_id, a.statement, a.driver, low, high, abs(high - low)]
        row += [outlook.together(number, side) for side in (-1, 1)]
        for held in (-Z80, Z80):
            years = simulate_years(model, nobody, runs, inputs.settings.seed, (number, held))
            row.append((years.totals >= asked).mean() if total > 0 else np.nan)
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
    outlook = look_ahead(inputs, scenario)
    ends: dict[str, dict[str, float]] = {name: {} for name in SCENARIO_SETS}
    for a in outlook.assumptions:
        effect = outlook.swing(a)
        bad, good = (a.low, a.high) if effect[0] <= effect[1] else (a.high, a.low)
        ends["low"][a.assumption_id], ends["high"][a.assumption_id] = bad, good
        ends["stress"][a.assumption_id] = a.base + 2 * (bad - a.base)
    totals = {name: float(np.nansum(outlook.expected(values))) for name, values in ends.items()}
    table = pd.DataFrame({"name": list(totals), "expected": list(totals.values())})
    return table.assign(change=table["expected"] - totals["base"])


def cost_of_turnover_point(inputs: Region, scenario: Scenario) -> float:
    """Give what one more point of yearly turnover costs the region in the plan, plan currency.

    The expected total at the assumed rate less the total at a rate one point higher: vacancy,
    ramp and the loss of handed-over accounts inside the period.
    """
    outlook = look_ahead(inputs, scenario)
    usual = outlook.staffing()
    higher = replace(usual, annual_rate=min(1.0, usual.annual_rate + _POINT))
    lost = outlook.capacity(usual) - outlook.capacity(higher)
    return float(np.nansum(outlook.full * outlook.factors() * lost))


@dataclass(frozen=True)
class ChanceOfTarget:
    """How likely the region's target is, and how many people would reach their goals.

    Attributes
    ----------
    target, expected : float
        Plan currency.
    probability, low, high : float
        Chance that the region reaches its target, with the 95 % range of the simulation itself
        (Wilson); NaN where nothing is expected of anybody.
    share_reaching, share_low, share_high : float
        Share of people who reach their goals: mean and 80 % range over the runs.
    k : float
        Sum of goals over sum of expectations; above 1 the goals are not backed by capacity.
    people : pandas.DataFrame
        rep_id, goal, expected, chance, by rep_id; empty goal: nobody planned one.
    runs, seed : int
        Simulated years, and the seed they were drawn with.
    note : str
        Where the goals come from and what is left out.
    """

    target: float
    expected: float
    probability: float
    low: float
    high: float
    share_reaching: float
    share_low: float
    share_high: float
    k: float
    people: pd.DataFrame
    runs: int
    seed: int
    note: str


def chance_of_target(
    inputs: Region,
    scenario: Scenario,
    target: float | None = None,
    goals: pd.DataFrame | None = None,
    runs: int = 2000,
) -> ChanceOfTarget:
    """Simulate years and count how often the region and its people reach what is asked.

    Every run draws each assumption from its range (two half-normals that meet at the base, low
    and high one in ten), who leaves and when, what hits everybody beyond the register, and every
    person's own chance. Assumptions go together as the scenario's ``[[correlations]]`` say.

    Parameters
    ----------
    target
        Plan currency; None: the region's target.
    goals
        rep_id, goal (rows of a person are summed); None: the target split in proportion to the
        expectations, so that everybody has the same k.
    runs
        Simulated years; the seed is the plan's.

    Raises
    ------
    DataError
        A goal is for somebody who is not in the team.
    """
    if runs < 1:
        raise DataError(f"runs is {runs}; simulate at least one year.")
    target = float(inputs.target if target is None else target)
    return simulate_target(look_ahead(inputs, scenario), target, goals, runs)


def person_years(inputs: Region, scenario: Scenario, runs: int = 2000) -> pd.DataFrame:
    """Describe everybody's coming year by a lognormal that its simulated middle and tenths fit.

    The middle year is better than the expected one: few leave, and who does takes much along. A
    goal at the expected result is therefore reached in more than half of the years.

    Returns
    -------
    pandas.DataFrame
        rep_id, expected (mean, plan currency), middle (reached in half of the years), spread (of
        the logarithm); by rep_id, empty where nothing is expected.
    """
    outlook = look_ahead(inputs, scenario)
    low, middle, high = typical_years(year_model(outlook), runs, inputs.settings.seed)
    expected = outlook.expected_rows().groupby("rep_id")["expected"].sum(min_count=1)
    people = expected.reindex(outlook.tenure.index).rename_axis("rep_id").to_frame()
    known = (people["expected"] > 0).to_numpy() & (low > 0)
    spread = np.log(np.where(known, high, 1.0) / np.where(known, low, 1.0)) / (2 * Z80)
    people["middle"] = (people["expected"] * middle).where(known)
    return people.assign(spread=np.where(known, spread, np.nan)).reset_index()


def simulate_target(
    outlook: Outlook, target: float, goals: pd.DataFrame | None = None, runs: int = 2000
) -> ChanceOfTarget:
    """Do what `chance_of_target` does, from an outlook."""
    rows = outlook.expected_rows()
    expected = rows.groupby("rep_id")["expected"].sum(min_count=1)
    expected = expected.reindex(outlook.tenure.index).rename_axis("rep_id")
    asked, note = _goals(expected, target, goals)
    total, seed = float(expected.sum()), outlook.inputs.settings.seed
    counts = asked.notna().to_numpy() & expected.notna().to_numpy()
    share = np.where(counts, multiple_of(asked.to_numpy(), expected.to_numpy()), np.inf)
    years = simulate_years(year_model(outlook), share, runs, seed)
    shares = years.reached / counts.sum() if counts.any() else np.full(1, np.nan)
    hits = int((years.totals >= multiple_of(target, total)).sum())
    known = bool(expected.notna().any())
    ends = wilson(hits, runs) if known else (np.nan, np.nan)
    people = pd.DataFrame({"goal": asked, "expected": expected})
    people["chance"] = np.where(counts, years.chances, np.nan)
    with_both = expected[counts].sum()
    return ChanceOfTarget(
        target=target,
        expected=total,
        probability=hits / runs if known else np.nan,
        low=min(ends[0], hits / runs),
        high=max(ends[1], hits / runs),
        share_reaching=float(shares.mean()),
        share_low=float(np.quantile(shares, 0.1)),
        share_high=float(np.quantile(shares, 0.9)),
        k=float(asked[counts].sum() / with_both) if with_both > 0 else np.nan,
        people=people.reset_index(),
        runs=runs,
        seed=seed,
        note=note,
    )


def _goals(expected: pd.Series, target: float, goals: pd.DataFrame | None) -> tuple[pd.Series, str]:
    if goals is None:
        total = expected.sum()
        split = expected * (target / total) if total > 0 else expected * np.nan
        return split, "goals: the target in proportion to expectations"
    require_labels(goals["rep_id"], expected.index, "goals: rep_id")
    sums = goals.groupby("rep_id")["goal"].sum(min_count=1)
    return sums.reindex(expected.index), "goals: as given"
