"""Small-sample statistics: intervals and permutation tests with a seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from scipy.stats import norm, rankdata

from planning_kit.numbers.intervals import HIGH, LOW, RANGE_SHARE

SHUFFLES = 4999
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


def wilson(hits: int, count: int, level: float = 0.95) -> tuple[float, float]:
    """Give the Wilson score interval of a share; empty (NaN) without any case.

    Examples
    --------
    >>> [round(x, 2) for x in wilson(24, 40)]
    [0.45, 0.74]
    """
    if count == 0:
        return float("nan"), float("nan")
    z = float(norm.ppf(0.5 + level / 2))
    share, spread = hits / count, z * z / count
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * np.sqrt(share * (1 - share) / count + spread / (4 * count))
    return float(max(0.0, middle - half)), float(min(1.0, middle + half))


def robust_z(values: pd.Series, by: list[pd.Series]) -> tuple[pd.Series, pd.Series]:
    """Give the median of each group, and each value's distance from it in robust deviations.

    The scale is 1.4826 times the median absolute deviation; where more than half of a group are
    alike, 1.2533 times the mean absolute deviation (Iglewicz and Hoaglin 1993). A group without
    any spread has no distances.

    Examples
    --------
    >>> amounts = pd.Series([1.0, 2.0, 3.0, 9.0])
    >>> robust_z(amounts, [pd.Series("a", amounts.index)])[1].round(2).tolist()
    [-1.01, -0.34, 0.34, 4.38]
    """
    middle = values.groupby(by).transform("median")
    off = (values - middle).abs()
    groups = off.groupby(by)
    scale = 1.4826 * groups.transform("median")
    scale = scale.where(scale > 0, 1.2533 * groups.transform("mean"))
    return middle, (values - middle) / scale.where(scale > 0)


def spearman(first: np.ndarray, second: np.ndarray) -> float:
    """Give the rank correlation; NaN where one of the two does not vary."""
    a, b = rankdata(first), rankdata(second)
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def correlation_interval(r: float, count: int, level: float = 0.95) -> tuple[float, float]:
    """Give Fisher's interval of a rank correlation, with the wider error of ranks.

    The standard error of ``atanh r`` is ``sqrt((1 + r^2 / 2) / (n - 3))`` (Bonett and Wright 2000).
    """
    if np.isnan(r) or count < 4:
        return float("nan"), float("nan")
    z = float(norm.ppf(0.5 + level / 2)) * np.sqrt((1 + r * r / 2) / (count - 3))
    middle = np.arctanh(np.clip(r, -0.999999, 0.999999))
    return float(np.tanh(middle - z)), float(np.tanh(middle + z))


def permutation_p(
    statistic: Callable[[np.ndarray], np.ndarray],
    values: np.ndarray,
    seed: int,
    shuffles: int = SHUFFLES,
) -> float:
    """Give the chance of a statistic at least as large when the values are shuffled.

    Parameters
    ----------
    statistic
        Takes rows of shuffled values (shuffles x people), gives one number a row; large is odd.
    values
        What is shuffled; sort by label first, so that the order of rows changes nothing.
    seed
        Seed of the shuffles.
    """
    rng = np.random.default_rng(seed)
    shuffled = rng.permuted(np.tile(values, (shuffles, 1)), axis=1)
    seen = statistic(values[None, :])[0]
    return float((1 + np.sum(statistic(shuffled) >= seen - 1e-12)) / (shuffles + 1))


def holm(chances: Mapping[str, float]) -> dict[str, float]:
    """Adjust the p values of several tests (Holm 1979); a missing one is not counted.

    Examples
    --------
    >>> holm({"size": 0.01, "tenure": 0.04, "potential": float("nan")})
    {'size': 0.02, 'tenure': 0.04, 'potential': nan}
    """
    known = sorted((p, name) for name, p in chances.items() if not np.isnan(p))
    adjusted, worst = dict(chances), 0.0
    for position, (p, name) in enumerate(known):
        worst = max(worst, min(1.0, p * (len(known) - position)))
        adjusted[name] = worst
    return adjusted


def held_inside(stated: pd.DataFrame) -> pd.Series:
    """Say of every stated range whether it held what happened: yes, no, not known.

    Parameters
    ----------
    stated
        ``low``, ``high`` and ``actual``, in any unit; either end may be the larger one.
    """
    known = stated[["low", "high", "actual"]].notna().all(axis=1)
    ends = stated[["low", "high"]]
    within = stated["actual"].between(ends.min(axis=1), ends.max(axis=1))
    return pd.Series(
        np.select([~known, within], ["not known", "yes"], "no"), stated.index, dtype="str"
    )


def score_ranges(stated: pd.DataFrame) -> pd.DataFrame:
    """Judge stated ranges: how many actuals lay inside, and how far off.

    Low and high are meant as one in ten and nine in ten, so 80 % should lie inside. The pinball
    loss (Koenker and Bassett 1978) of low, base and high is averaged and divided by the width of
    each range, so that assumptions in different units count the same; smaller is better.

    Parameters
    ----------
    stated
        ``low``, ``base``, ``high`` and ``actual`` of every range.

    Returns
    -------
    DataFrame
        One row: how many ``assumptions`` have all four numbers, how many actuals are ``inside``,
        their share with its Wilson 95 % interval, the ``pinball_loss`` and a ``verdict``: ranges
        too narrow, ranges too wide, ranges fit, or cannot tell.
    """
    known = stated[stated[["low", "base", "high", "actual"]].notna().all(axis=1)]
    inside = int(held_inside(known).eq("yes").sum())
    low, high = wilson(inside, len(known))
    width = (known["high"] - known["low"]).abs()
    losses = [
        np.maximum(q * (known["actual"] - known[c]), (q - 1) * (known["actual"] - known[c]))
        for q, c in ((LOW, "low"), (0.5, "base"), (HIGH, "high"))
    ]
    loss = (sum(losses) / len(losses) / width.where(width > 0)).mean()
    verdict = "cannot tell"
    if len(known):
        fits = "ranges fit" if high - low < 0.4 else "cannot tell"
        verdict = (
            "ranges too narrow"
            if high < RANGE_SHARE
            else ("ranges too wide" if low > RANGE_SHARE else fits)
        )
    share = inside / len(known) if len(known) else np.nan
    row = (len(known), inside, share, low, high, RANGE_SHARE, loss, verdict)
    return pd.DataFrame([row], columns=list(SCORE_COLUMNS))
