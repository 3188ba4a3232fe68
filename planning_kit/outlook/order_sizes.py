"""How large the sales are that results consist of, by product line and by person."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from planning_kit.data import Region
from planning_kit.outlook.history import look_up

_CHANCE = 3.0  # variance of the logarithm of a typical sale's size, known from a single one


class OrderSizes(NamedTuple):
    """Sizes of sales.

    Attributes
    ----------
    sizes : pandas.Series
        By product line: size of a typical sale, weighted by amount (sum a^2 / sum a), plan currency.
    scales : pandas.Series
        By rep_id: how large the person's sales are against the usual ones of the same lines.
    """

    sizes: pd.Series
    scales: pd.Series


def order_sizes(inputs: Region, last: pd.Timestamp) -> OrderSizes:
    """Measure sizes of sales up to a month; few sales of a person are drawn towards the usual."""
    sales = inputs.sales[inputs.sales["month"] <= last].fillna({"product_line": ""})
    sales = sales.assign(square=sales["amount"] ** 2 / sales["lines"].clip(lower=1))
    sums = sales.groupby("product_line")[["amount", "square"]].sum()
    sizes = (sums["square"] / sums["amount"].where(sums["amount"] > 0)).fillna(0.0)
    usual = sales["amount"].clip(lower=0.0) * look_up(sales["product_line"], sizes)
    sums = sales.assign(usual=usual).groupby("rep_id")[["square", "usual", "lines"]].sum()
    seen = (sums["square"] > 0) & (sums["usual"] > 0)
    log = np.log((sums["square"] / sums["usual"]).where(seen, 1.0))
    lines = sums["lines"].where(seen, 0.0)
    own = max(0.0, float((lines * log**2 - _CHANCE).sum())) / max(1.0, float(lines.sum()))
    return OrderSizes(sizes, np.exp(log * lines * own / (lines * own + _CHANCE)))
