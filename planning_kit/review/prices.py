"""What room in prices is worth: break-even volume, and how far people's prices lie apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from planning_kit.data import Region
from planning_kit.numbers.intervals import HIGH

PRICE_CHANGES = (-0.10, -0.05, -0.02, 0.02, 0.05, 0.10)
LATITUDE_COLUMNS = (
    "product_line",
    "margin_share",
    "price_change_share",
    "volume_change_share",
    "note",
)
DISPERSION_COLUMNS = (
    *("units", "amount", "at_team_prices", "price_ratio", "low", "high", "price_effect"),
    "list_ratio",
)
LEAST_LINES = 5  # sales of a line, below which a person's own price and margin tell nothing


def costed_sales(inputs: Region) -> pd.DataFrame:
    """List the reviewed sales whose cost is known, from the line or else from the unit cost."""
    return with_costs(inputs, inputs.reviewed_sales()).dropna(subset="cost")


def with_costs(inputs: Region, sales: pd.DataFrame) -> pd.DataFrame:
    """Fill the cost of sales where it is empty: units times the product's unit cost."""
    products = inputs.products.drop_duplicates("product_id").set_index("product_id")
    by_product = sales["units"] * sales["product_id"].map(products["unit_cost"])
    return sales.assign(cost=sales["cost"].fillna(by_product))


def break_even_volume(price_change_share: Any, margin_share: Any) -> Any:
    """Tell how much more must be sold so that a price change leaves the margin as it was.

    -dP / (CM + dP), with dP the price change and CM the contribution margin, both as shares of
    the price before the change. Empty where the new price leaves no margin: no volume makes up.

    Examples
    --------
    >>> break_even_volume(-0.05, 0.25)
    0.25
    >>> round(break_even_volume(0.05, 0.25), 4)
    -0.1667
    """
    change, margin = np.broadcast_arrays(
        np.asarray(price_change_share, dtype=float), np.asarray(margin_share, dtype=float)
    )
    left = margin + change
    volume = np.divide(-change, left, out=np.full(left.shape, np.nan), where=left > 1e-12)
    return volume if volume.ndim else float(volume)


def price_latitude(inputs: Region, price_changes: Sequence[float] = PRICE_CHANGES) -> pd.DataFrame:
    """Show per product line what volume would make up for a price change.

    Returns
    -------
    DataFrame
        product_line, margin_share (reviewed period), price_change_share, volume_change_share
        (0.25: a quarter more must be sold) and note. Without costs there are no rows.
    """
    costed = costed_sales(inputs).dropna(subset="product_line")
    sums = costed.groupby("product_line")[["amount", "cost"]].sum()
    sums = sums[sums["amount"] > 0]
    lines = (1.0 - sums["cost"] / sums["amount"]).rename("margin_share").reset_index()
    changes = pd.DataFrame({"price_change_share": np.asarray(price_changes, dtype=float)})
    table = lines.merge(changes, how="cross")
    table["volume_change_share"] = break_even_volume(
        table["price_change_share"], table["margin_share"]
    )
    no_way = table["volume_change_share"].isna()
    table["note"] = np.where(
        no_way, "the new price is at or below cost: no volume makes up for it", ""
    )
    return table[list(LATITUDE_COLUMNS)]


def price_dispersion(inputs: Region, by: Sequence[str] = ("rep_id",)) -> pd.DataFrame:
    """Compare everybody's realised prices with the team's for the same products, and with list.

    Mix does not count: each product a person sold is priced once as sold and once at the average
    of everybody in the reviewed period.

    Parameters
    ----------
    inputs
        One region or the company.
    by
        rep_id, product_line or both.

    Returns
    -------
    DataFrame
        The cuts, units, amount, at_team_prices (the same units at the team's average price of the
        product), price_ratio (amount / at_team_prices) with low and high (80 % range of what
        other months would give, by how much the person's own differ; empty below five sales) and
        price_effect (the difference, plan currency), list_ratio (amount / units at list prices, of
        products that have one). Only sales with units and product; rows by the cuts.
    """
    sales = inputs.reviewed_sales().dropna(subset=["units", "product_id"])
    sales = sales[(sales["units"] > 0) & (sales["amount"] > 0)]
    sums = sales.groupby("product_id")[["amount", "units"]].sum()
    listed = inputs.products.drop_duplicates("product_id").set_index("product_id")["list_price"]
    team, list_ = (
        sales["units"] * sales["product_id"].map(price).astype(float)
        for price in (sums["amount"] / sums["units"], listed.where(listed > 0))
    )
    keys = list(by)
    columns = ["units", "amount", "at_team_prices", "at_list", "of_list"]
    priced = sales.assign(
        at_team_prices=team, at_list=list_, of_list=sales["amount"].where(list_ > 0)
    )
    groups = priced.groupby(keys)
    table = groups[columns].sum()
    table["price_ratio"] = table["amount"] / table["at_team_prices"]
    table["price_effect"] = table["amount"] - table["at_team_prices"]
    table["list_ratio"] = (table["of_list"] / table["at_list"]).where(table["at_list"] > 0)
    # The ratio of two sums (Cochran, Sampling Techniques, 1977, 6.3); every sale is compared with
    # the others, so that a large one does not hide behind itself (jackknife).
    weight = groups["at_team_prices"].transform("sum")
    off = priced["amount"] - priced["at_team_prices"] * groups["amount"].transform("sum") / weight
    off /= 1 - (priced["at_team_prices"] / weight).clip(upper=0.99)
    square, count = (off**2).groupby([priced[key] for key in keys]).sum(), groups.size()
    error = np.sqrt(square).where(count >= LEAST_LINES) / table["at_team_prices"]
    error *= stdtrit(count - 1, HIGH)
    table["low"], table["high"] = table["price_ratio"] - error, table["price_ratio"] + error
    return table.reset_index()[[*keys, *DISPERSION_COLUMNS]]
