"""What room in prices is worth: break-even volume, and how far people's prices lie apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from planning_kit.data import Region

PRICE_CHANGES = (-0.10, -0.05, -0.02, 0.02, 0.05, 0.10)
LATITUDE_COLUMNS = (
    "product_line",
    "margin_share",
    "price_change_share",
    "volume_change_share",
    "note",
)
DISPERSION_COLUMNS = ("rep_id", "units", "amount", "at_team_prices", "price_ratio", "price_effect")


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


def price_dispersion(inputs: Region) -> pd.DataFrame:
    """Compare everybody's realised prices with the team's for the same products.

    Mix does not count: each product a person sold is priced once as sold and once at the average
    of everybody in the reviewed period.

    Returns
    -------
    DataFrame
        rep_id, units, amount, at_team_prices (the same units at the team's average price of the
        product), price_ratio (amount / at_team_prices) and price_effect (the difference, plan
        currency). Only sales with units and product; rows by rep_id.
    """
    sales = inputs.reviewed_sales().dropna(subset=["units", "product_id"])
    sales = sales[(sales["units"] > 0) & (sales["amount"] > 0)]
    sums = sales.groupby("product_id")[["amount", "units"]].sum()
    price = sales["product_id"].map(sums["amount"] / sums["units"]).astype(float)
    priced = sales.assign(at_team_prices=sales["units"] * price)
    columns = ["units", "amount", "at_team_prices"]
    table = priced.groupby("rep_id")[columns].sum().reset_index()
    table["price_ratio"] = table["amount"] / table["at_team_prices"]
    table["price_effect"] = table["amount"] - table["at_team_prices"]
    return table[list(DISPERSION_COLUMNS)]
