"""Chance: how likely goals are reached, goals of equal chance, and what padding does to both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import norm

from planning_kit.messages import DataError, finding, findings_table
from planning_kit.numbers.units import from_units

PADDING_COLUMNS = ("level", "share", "amount_before", "amount_after", "cumulative_share")
USUAL = (0.60, 0.75)  # share of people who should reach their goal (HBR / ZS, docs/methods)


def _lognormal(cv: pd.Series) -> np.ndarray:
    if (cv < 0).any():
        raise DataError("cv must be 0 or more: it is a standard deviation over an expectation.")
    return np.sqrt(np.log1p(cv.to_numpy(dtype=float) ** 2))


def chance_of_reaching(expected: pd.Series, cv: pd.Series | float, goal: pd.Series) -> pd.Series:
    """Give each person's chance of reaching the goal, with a lognormal result.

    ``s^2 = ln(1 + cv^2)``, chance ``1 - Phi((ln(goal / expected) + s^2 / 2) / s)``.

    Parameters
    ----------
    expected, goal
        Plan currency, by the same labels.
    cv
        Standard deviation of the result over its expectation, by label or one for all.

    Returns
    -------
    pandas.Series
        ``chance`` (0 to 1); empty where one of the three is.

    Examples
    --------
    >>> one = pd.Series([1.0, 1.0])
    >>> chance_of_reaching(one, 0.15, pd.Series([0.9, 1.25])).round(2).tolist()
    [0.74, 0.06]
    """
    spread = cv if isinstance(cv, pd.Series) else pd.Series(float(cv), expected.index)
    table = pd.DataFrame({"expected": expected, "cv": spread, "goal": goal})
    table = table.reindex(expected.index).astype(float)
    s = _lognormal(table["cv"])
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (table["goal"] / table["expected"]).to_numpy()
        chance = norm.sf((np.log(ratio) + s**2 / 2) / s)
    chance = np.where(s == 0, (ratio <= 1).astype(float), chance)
    chance = np.where(table["goal"] <= 0, 1.0, chance)
    chance = np.where(table.isna().any(axis=1), np.nan, chance)
    return pd.Series(chance, expected.index, name="chance")


def chance_team_reaches(
    expected: pd.Series, cv: pd.Series | float, target: float, correlation: float = 0.2
) -> float:
    """Give the chance that a team reaches a target together (normal approximation).

    Parameters
    ----------
    expected, cv
        As for `chance_of_reaching`.
    target
        Plan currency.
    correlation
        Correlation between any two people's results: what the market does to all of them.

    Examples
    --------
    >>> team = pd.Series(1.0, range(8))
    >>> round(chance_team_reaches(team, 0.3, 7.2), 2)
    0.73
    """
    spread = cv if isinstance(cv, pd.Series) else pd.Series(float(cv), expected.index)
    deviation = (expected * spread).dropna()
    square = float((deviation**2).sum())
    variance = (1 - correlation) * square + correlation * float(deviation.sum()) ** 2
    away = float(expected.sum()) - target
    if variance <= 0:
        return float(away >= 0)
    return float(norm.cdf(away / np.sqrt(variance)))


@dataclass(frozen=True)
class EqualChance:
    """Goals with the same chance for everybody.

    Attributes
    ----------
    goals : DataFrame
        ``expected``, ``cv``, ``goal``, ``chance``, ``proportional`` (the total by expectation),
        ``chance_proportional``, ``price`` (goal minus proportional); by label, plan currency.
    chance : float
        The common chance that the total implies.
    findings : DataFrame
        What the chance means.
    """

    goals: pd.DataFrame
    chance: float
    findings: pd.DataFrame


def equal_chance(expected: pd.Series, cv: pd.Series | float, total: float) -> EqualChance:
    """Split a total so that everybody has the same chance of reaching the goal.

    Each goal is the same quantile of its owner's lognormal forecast; the quantile is the one at
    which the goals add up to the total.

    Examples
    --------
    >>> split = equal_chance(pd.Series({"Ann": 100.0, "Bob": 100.0}), 0.2, 200.0)
    >>> split.goals.goal.round(6).tolist(), round(split.chance, 2)
    ([100.0, 100.0], 0.46)
    """
    spread = cv if isinstance(cv, pd.Series) else pd.Series(float(cv), expected.index)
    table = pd.DataFrame({"expected": expected, "cv": spread}).reindex(expected.index).astype(float)
    if table.isna().any(axis=None) or not (table["expected"] > 0).any() or total <= 0:
        raise DataError(
            "equal_chance: every person needs an expectation and a cv, and the total "
            "must be above 0."
        )
    s, mean = _lognormal(table["cv"]), table["expected"].to_numpy()

    def goals_at(z: float) -> np.ndarray:
        return mean * np.exp(s * z - s**2 / 2)

    least, most = goals_at(-38.0).sum(), goals_at(38.0).sum()
    if not least <= total <= most:
        raise DataError(
            f"equal_chance: with these cv the goals can add up to {least:,.10g} to "
            f"{most:,.10g}; the total is {total:,.10g}."
        )
    z = (
        0.0
        if least == most
        else brentq(lambda x: goals_at(x).sum() - total, -38.0, 38.0, xtol=1e-13)
    )
    table["goal"] = goals_at(z)
    table["chance"] = norm.sf(z)
    table["proportional"] = table["expected"] * (total / mean.sum())
    table["chance_proportional"] = chance_of_reaching(expected, spread, table["proportional"])
    table["price"] = table["goal"] - table["proportional"]
    chance = float(norm.sf(z))
    return EqualChance(table, chance, findings_table([share_at_goal(chance, total)]))


def share_at_goal(share: float, total: float) -> dict[str, str]:
    """Say whether the expected share of people at goal is what practice calls healthy."""
    low, high = USUAL
    if low <= share <= high:
        return finding(
            "allocation.share_at_goal",
            "pass",
            "total",
            f"{share:.0%} of the people are expected to reach their goal.",
        )
    word = "fewer" if share < low else "more"
    return finding(
        "allocation.share_at_goal",
        "fail" if share < low else "review",
        "total",
        f"A total of {total:,.10g} implies a chance of {share:.0%} for each person: {word} than "
        f"the {low:.0%} to {high:.0%} that practice asks for.",
        "Change the total, or the capacity behind it; no split of this total changes that.",
    )


def padding_ledger(
    target: float, levels: Mapping[str, float] | Sequence[tuple[str, float]], unit: float = 0.0
) -> pd.DataFrame:
    """Write down what each level adds to the target, from the top down.

    Parameters
    ----------
    target
        Plan currency.
    levels
        Share added by level; 0.05 is 5 %.
    unit
        Amounts are brought to the nearest multiple; 0: not at all.

    Examples
    --------
    >>> padding_ledger(
    ...     100.0, {"region": 0.05, "district": 0.05, "manager": 0.05}
    ... ).cumulative_share.round(4).tolist()
    [0.05, 0.1025, 0.1576]
    """
    rows, before = [], target
    factor = 1.0
    for level, share in dict(levels).items():
        if not 0 <= share < np.inf:
            raise DataError(f"over_assignment of {level!r} is {share!r}; it must be 0 or more.")
        factor *= 1 + share
        after = target * factor
        if unit:
            after = float(from_units(pd.Series([round(after / unit)]), unit).iloc[0])
        rows.append((str(level), float(share), before, after, factor - 1))
        before = after
    return pd.DataFrame(rows, columns=list(PADDING_COLUMNS)).astype(
        {"level": "str"} | {name: "float64" for name in PADDING_COLUMNS[1:]}
    )


def over_assignment_frontier(
    expected: pd.Series,
    cv: pd.Series | float,
    target: float,
    *,
    shares: Sequence[float] = (0.0, 0.05, 0.10, 0.15, 0.20, 0.30, 0.50),
    correlation: float = 0.2,
    own: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Show what over-assignment does: the share of people reaching against the team's chance.

    Goals are in proportion to the expectations and add up to the target times one plus the share.

    Parameters
    ----------
    expected, cv, target, correlation
        As for `chance_team_reaches`.
    shares
        Of over-assignment; 0.05 is 5 % more than the target.
    own
        ``likely`` and ``cv`` of each person's own lognormal year, where that is another than the
        person's part of the team's result (the mean counts leavers); None: the same.

    Returns
    -------
    pandas.DataFrame
        ``over_assignment_share``, ``goals_total``, ``goals_to_expected`` (k; above 1 nobody's
        capacity stands behind the goals), ``share_reaching`` (expected share of people who reach
        their goal), ``chance_of_target`` (the team reaches the target: padding does not change
        it), ``chance_of_goals_total`` (the team reaches the padded sum), ``covered_target`` and
        ``chance_of_covered_target``: the target for which the given goals would be so much over,
        and the team's chance of it; ``status``: review where k is above 1.
    """
    mean, spread = (expected, cv) if own is None else (own["likely"], own["cv"])
    level = float(expected.sum())
    if not level > 0:
        raise DataError("over_assignment_frontier: nobody is expected to sell anything.")
    rows = []
    for share in shares:
        asked = target * (1 + share)
        k = asked / level
        reaching = float(chance_of_reaching(mean, spread, expected * k).mean())
        covered = target / (1 + share)
        rows.append(
            (
                share,
                asked,
                k,
                reaching,
                chance_team_reaches(expected, cv, target, correlation),
                chance_team_reaches(expected, cv, asked, correlation),
                covered,
                chance_team_reaches(expected, cv, covered, correlation),
                "review" if k > 1 else "pass",
            )
        )
    return pd.DataFrame(
        rows,
        columns=[
            "over_assignment_share",
            "goals_total",
            "goals_to_expected",
            "share_reaching",
            "chance_of_target",
            "chance_of_goals_total",
            "covered_target",
            "chance_of_covered_target",
            "status",
        ],
    )
