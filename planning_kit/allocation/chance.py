"""Goals of equal chance, and what each level adds to a target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import norm

from planning_kit.messages import DataError, finding, findings_table
from planning_kit.numbers.lognormal import chance_of_reaching, log_spread
from planning_kit.numbers.units import from_units

PADDING_COLUMNS = ("level", "share", "amount_before", "amount_after", "cumulative_share")
USUAL = (0.60, 0.75)  # share of people who should reach their goal (HBR / ZS, docs/methods)


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
    s, mean = log_spread(table["cv"].to_numpy()), table["expected"].to_numpy()

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
            after = from_units(round(after / unit), unit)
        rows.append((str(level), float(share), before, after, factor - 1))
        before = after
    return pd.DataFrame(rows, columns=list(PADDING_COLUMNS)).astype(
        {"level": "str"} | {name: "float64" for name in PADDING_COLUMNS[1:]}
    )
