"""What the assumptions are worth in money: register, tornado, turnover, chance of the target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.special import ndtr

from planning_kit.assumptions.baseline import misses_with_register
from planning_kit.assumptions.history import Z80, look_up
from planning_kit.assumptions.outlook import Outlook, look_ahead
from planning_kit.errors import DataError
from planning_kit.plan import Inputs, Scenario
from planning_kit.tables import require_labels

REGISTER_COLUMNS = ("assumption_id", "statement", "driver", "low", "base", "high", "unit", "owner",
                    "evidence", "check_on", "territories", "product_line", "status", "last_base",
                    "last_actual", "value_low", "value_high")  # fmt: skip
SENSITIVITY_COLUMNS = ("assumption_id", "statement", "driver", "effect_low", "effect_high", "swing",
                       "check_first")  # fmt: skip
SCENARIO_SETS = ("low", "base", "high", "stress")
_POINT = 0.01


def register(
    inputs: Inputs, scenario: Scenario, findings: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Give the register of assumptions with last year's beside it and its worth in money.

    Assumptions stand in the scenario file as ``[assumptions.<id>]`` with statement, driver, low,
    base, high, unit, owner, evidence, check_on, territories, product_line. A scenario without
    any starts from last year's table, marked "carried over, not yet confirmed".

    Parameters
    ----------
    inputs, scenario
        The region and its scenario.
    findings
        Findings whose ids the evidence may cite; given, an id that is not among them is refused.

    Returns
    -------
    pandas.DataFrame
        One row an assumption, by id. low, base, high in ``unit``; value_low and value_high are
        the change of the region's expected total when the assumption is at that end instead of
        its base, plan currency; last_base and last_actual are last year's.

    Raises
    ------
    DataError
        Unknown drivers, territories, product lines or cited findings, ranges in the wrong order,
        values missing or out of range: all of them named.
    """
    outlook = look_ahead(inputs, scenario, findings)
    rows = []
    for a in outlook.assumptions:
        low, high = outlook.swing(a) if a.moves else (np.nan, np.nan)
        day = pd.NaT if a.check_on is None else a.check_on
        rows.append((a.assumption_id, a.statement, a.driver, a.low, a.base, a.high, a.unit, a.owner,
                     a.evidence, day, ", ".join(a.territories), a.product_line, a.status,
                     a.last_base, a.last_actual, low, high))  # fmt: skip
    table = pd.DataFrame(rows, columns=list(REGISTER_COLUMNS))
    return table.astype({"check_on": "datetime64[us]"})


def sensitivity(inputs: Inputs, scenario: Scenario) -> pd.DataFrame:
    """Rank the assumptions by what their range means for the region's expected total (tornado).

    Returns
    -------
    pandas.DataFrame
        assumption_id, statement, driver, effect_low and effect_high (change of the total at the
        low and the high end, plan currency), swing (their distance, the largest first),
        check_first (the two largest).
    """
    outlook = look_ahead(inputs, scenario)
    rows = []
    for a in outlook.assumptions:
        if a.moves:
            low, high = outlook.swing(a)
            rows.append((a.assumption_id, a.statement, a.driver, low, high, abs(high - low), False))
    table = pd.DataFrame(rows, columns=list(SENSITIVITY_COLUMNS))
    table = table.sort_values(
        ["swing", "assumption_id"], ascending=[False, True], ignore_index=True
    )
    return table.assign(check_first=(table.index < 2) & (table["swing"] > 0))


def scenario_sets(inputs: Inputs, scenario: Scenario) -> pd.DataFrame:
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


def cost_of_turnover_point(inputs: Inputs, scenario: Scenario) -> float:
    """Give what one more point of yearly turnover costs the region in the plan, plan currency.

    The expected total at the assumed rate less the total at a rate one point higher: vacancy,
    ramp and the loss of handed-over accounts inside the period.
    """
    outlook = look_ahead(inputs, scenario)
    usual = outlook.staffing()
    higher = replace(usual, annual_rate=min(1.0, usual.annual_rate + _POINT))
    lost = outlook.capacity(usual) - outlook.capacity(higher)
    return float(np.nansum(outlook.full * outlook.factors() * lost))


def chance_of_goal(goal_over_expected: float, variation: float) -> float:
    """Give the chance to reach a goal, results lognormal about their expectation.

    ``s^2 = ln(1 + variation^2)``, ``P = 1 - Phi((ln k + s^2 / 2) / s)``.

    Parameters
    ----------
    goal_over_expected
        k, goal over expectation.
    variation
        Coefficient of variation of the result.

    Examples
    --------
    >>> round(chance_of_goal(1.10, 0.25), 2)
    0.3
    """
    if variation <= 0 or goal_over_expected <= 0:
        return float(goal_over_expected <= 1)
    spread = np.sqrt(np.log1p(variation**2))
    return float(1 - ndtr((np.log(goal_over_expected) + spread**2 / 2) / spread))


def padding_ledger(layers: Mapping[str, float]) -> pd.DataFrame:
    """Show what the paddings of several levels add up to.

    Parameters
    ----------
    layers
        Padding of every level on the one above, from the top; 0.05 is 5 %.

    Returns
    -------
    pandas.DataFrame
        layer, padding_share, cumulative_share.

    Examples
    --------
    >>> ledger = padding_ledger({"company": 0.05, "region": 0.05, "manager": 0.05})
    >>> round(float(ledger["cumulative_share"].iloc[-1]), 4)
    0.1576
    """
    table = pd.DataFrame(
        {"layer": list(layers), "padding_share": [float(x) for x in layers.values()]}
    )
    return table.assign(cumulative_share=(1 + table["padding_share"]).cumprod() - 1)


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
    inputs: Inputs,
    scenario: Scenario,
    target: float | None = None,
    goals: pd.DataFrame | None = None,
    runs: int = 2000,
) -> ChanceOfTarget:
    """Simulate years and count how often the region and its people reach what is asked.

    Every run draws each assumption from its range (two half-normals that meet at the base, low
    and high one in ten), who leaves and when, what hits everybody beyond the register, and every
    person's own chance. Assumptions are drawn independently of each other.

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


def simulate_target(
    outlook: Outlook, target: float, goals: pd.DataFrame | None = None, runs: int = 2000
) -> ChanceOfTarget:
    """Do what `chance_of_target` does, from an outlook."""
    rows = outlook.expected_rows()
    expected = rows.groupby("rep_id")["expected"].sum(min_count=1)
    expected = expected.reindex(outlook.tenure.index).rename_axis("rep_id")
    asked, note = _goals(expected, target, goals)
    seed = outlook.inputs.settings.seed
    results = _simulate(outlook, rows, expected.fillna(0.0), runs, seed)
    reached = results >= asked.to_numpy()[None, :]
    counts = asked.notna().to_numpy() & expected.notna().to_numpy()
    known = bool(expected.notna().any())
    shares = reached[:, counts].mean(axis=1) if counts.any() else np.full(1, np.nan)
    hits = int((results.sum(axis=1) >= target).sum())
    low, high = _wilson(hits, runs) if known else (np.nan, np.nan)
    people = pd.DataFrame({"goal": asked, "expected": expected})
    people["chance"] = np.where(counts, reached.mean(axis=0), np.nan)
    total = float(expected.sum())
    with_both = expected[counts].sum()
    return ChanceOfTarget(
        target=target, expected=total, probability=hits / runs if known else np.nan, low=low,
        high=high, share_reaching=float(shares.mean()), share_low=float(np.quantile(shares, 0.1)),
        share_high=float(np.quantile(shares, 0.9)),
        k=float(asked[counts].sum() / with_both) if with_both > 0 else np.nan,
        people=people.reset_index(), runs=runs, seed=seed, note=note,
    )  # fmt: skip


def _goals(expected: pd.Series, target: float, goals: pd.DataFrame | None) -> tuple[pd.Series, str]:
    if goals is None:
        total = expected.sum()
        split = expected * (target / total) if total > 0 else expected * np.nan
        return split, "goals: the target in proportion to expectations"
    require_labels(goals["rep_id"], expected.index, "goals: rep_id")
    sums = goals.groupby("rep_id")["goal"].sum(min_count=1)
    return sums.reindex(expected.index), "goals: as given"


def _wilson(hits: int, runs: int) -> tuple[float, float]:
    z, p = 1.959963984540054, hits / runs
    middle = (p + z**2 / (2 * runs)) / (1 + z**2 / runs)
    half = z * np.sqrt(p * (1 - p) / runs + z**2 / (4 * runs**2)) / (1 + z**2 / runs)
    return min(p, max(0.0, float(middle - half))), max(p, min(1.0, float(middle + half)))


def _simulate(
    outlook: Outlook, rows: pd.DataFrame, expected: pd.Series, runs: int, seed: int
) -> np.ndarray:
    """Draw the yearly result of everybody, one row a run, in the order of ``expected``."""
    rng = np.random.default_rng(seed)
    misses = misses_with_register(outlook)
    extra = np.sqrt(max(0.0, misses.common**2 - outlook.spread**2))
    common = _register_draws(outlook, expected, rng, runs)
    common *= _lognormal(rng.standard_normal((runs, 1)), extra)
    lumps = (rows["expected"] * look_up(rows["product_line"], misses.lumps).fillna(0.0)).groupby(
        rows["rep_id"]).sum().reindex(expected.index).fillna(0.0).to_numpy()  # fmt: skip
    mean = expected.to_numpy()
    chance = lumps / np.where(mean > 0, mean, 1.0) ** 2
    own = np.sqrt(np.where(mean > 0, chance + misses.person**2, 0.0))
    results = mean[None, :] * common * _leaving(outlook, rows, rng, runs)
    return results * _lognormal(rng.standard_normal((runs, len(mean))), own[None, :])


def _lognormal(draws: np.ndarray, variation: float | np.ndarray) -> np.ndarray:
    spread = np.sqrt(np.log1p(np.asarray(variation) ** 2))
    return np.exp(spread * draws - spread**2 / 2)


def _register_draws(
    outlook: Outlook, expected: pd.Series, rng: np.random.Generator, runs: int
) -> np.ndarray:
    """Multiply what every drawn assumption does to every person."""
    factor = np.ones((runs, len(expected)))
    rep = outlook.at[0]
    mean = expected.to_numpy()
    for a in outlook.assumptions:
        draws = rng.standard_normal(runs) / Z80
        for value, side in ((a.low, np.maximum(-draws, 0)), (a.high, np.maximum(draws, 0))):
            moved = np.bincount(rep, np.nan_to_num(outlook.expected({a.assumption_id: value})),
                                minlength=len(mean))  # fmt: skip
            effect = np.where(mean > 0, moved / np.where(mean > 0, mean, 1.0) - 1, 0.0)
            factor *= np.maximum(0.0, 1 + side[:, None] * effect[None, :])
    return factor


def _leaving(
    outlook: Outlook, rows: pd.DataFrame, rng: np.random.Generator, runs: int
) -> np.ndarray:
    """Draw who leaves when; the seat's year over its expected year, so that its mean is 1."""
    staffing, months = outlook.staffing(), len(outlook.months)
    people = outlook.tenure.index
    stay = (1 - staffing.annual_rate) ** (1 / 12)
    full = np.zeros((len(people), months))
    np.add.at(full, outlook.at, np.nan_to_num(outlook.full * outlook.factors()))
    never = replace(staffing, annual_rate=0.0)
    own = never.expected(outlook.tenure.to_numpy(), months)
    after = staffing.after_leaving(months)
    start = np.maximum(0, -outlook.tenure.to_numpy())
    # What the year brings when the holder's last month is the given one; the last: nobody leaves.
    year = np.empty((len(people), months + 1))
    year[:, months] = (full * own).sum(axis=1)
    for last in range(months):
        later = np.concatenate([np.zeros(last + 1), after])[:months]
        path = np.where(np.arange(months) <= last, own, later[None, :])
        year[:, last] = (full * path).sum(axis=1)
    served = np.full((runs, len(people)), 2.0 * months) if stay == 1 else (
        rng.geometric(max(1 - stay, 1e-12), (runs, len(people))) - 1.0)  # fmt: skip
    last_month = np.minimum(served + start[None, :], months).astype(np.int64)
    drawn = year[np.arange(len(people))[None, :], last_month]
    usual = rows.groupby("rep_id")["expected"].sum().reindex(people).fillna(0.0).to_numpy()
    return np.where(usual > 0, drawn / np.where(usual > 0, usual, 1.0), 1.0)
