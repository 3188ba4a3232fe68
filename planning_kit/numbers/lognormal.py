"""Results that vary in proportion to their size: a lognormal by its mean and its relative spread."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import ndtr

from planning_kit.messages import DataError


def log_spread(cv: np.ndarray | float) -> np.ndarray:
    """Give the standard deviation of the logarithm: ``s^2 = ln(1 + cv^2)``.

    Raises
    ------
    DataError
        A ``cv`` (standard deviation over mean) is below 0.
    """
    values = np.asarray(cv, dtype=float)
    if (values < 0).any():
        raise DataError("cv must be 0 or more: it is a standard deviation over an expectation.")
    return np.sqrt(np.log1p(values**2))


def cv_of_log(spread: np.ndarray | float) -> np.ndarray:
    """Give the standard deviation over the mean, for one of the logarithm; undoes `log_spread`."""
    return np.sqrt(np.expm1(np.asarray(spread, dtype=float) ** 2))


def chance_of_reaching(expected: pd.Series, cv: pd.Series | float, goal: pd.Series) -> pd.Series:
    """Give the chance that a lognormal result reaches a goal.

    ``s^2 = ln(1 + cv^2)``, chance ``1 - Phi((ln(goal / expected) + s^2 / 2) / s)``.

    Parameters
    ----------
    expected, goal
        Mean result and goal, by the same labels.
    cv
        Standard deviation of the result over its mean, by label or one for all.

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
    s = log_spread(table["cv"].to_numpy())
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (table["goal"] / table["expected"]).to_numpy()
        chance = ndtr(-(np.log(ratio) + s**2 / 2) / s)
    chance = np.where(s == 0, (ratio <= 1).astype(float), chance)
    chance = np.where(table["goal"] <= 0, 1.0, chance)
    chance = np.where(table.isna().any(axis=1), np.nan, chance)
    return pd.Series(chance, expected.index, name="chance")
