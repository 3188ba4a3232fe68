"""Price goals: where people have latitude, what their prices are to be, and what a cut would cost."""

from __future__ import annotations

import numpy as np
import pandas as pd

from planning_kit.data import Region
from planning_kit.review.prices import break_even_volume, costed_sales, price_dispersion

PRICE_COLUMNS = (
    *("rep_id", "product_line", "amount", "own_part", "team_part", "list_ratio"),
    *("price_ratio", "low", "high", "price_goal", "price_verdict"),
    *("margin_share", "floor_share", "cut_volume_share", "price_basis"),
)
PRICE_CUT = -0.05


def price_goals(inputs: Region) -> pd.DataFrame:
    """Set everybody's price goal by product line, against the team's prices and list.

    Whoever sells below the team's prices by more than chance is to come up to them, and nobody
    sells below cost; everybody else holds the own price. With a cost the goal is one of margin;
    without, of price alone.

    Returns
    -------
    DataFrame
        Of the team: rep_id, product_line, amount (reviewed period), own_part and team_part (the
        line's part of the person's and of the team's sales: the mix), list_ratio (realised / list
        price), price_ratio with low and high (over the team's prices of the same products, 80 %
        range),
        price_goal (over the team's prices; empty: cannot tell), price_verdict, margin_share and
        floor_share (part of today's price at which nothing is left), cut_volume_share (0.25: a
        quarter more must be sold to make up for a price 5 % lower; empty: no volume does) and
        price_basis (margin, or price realisation where no cost is known).
    """
    table = price_dispersion(inputs, ("rep_id", "product_line"))
    costed = costed_sales(inputs).groupby(["rep_id", "product_line"])[["amount", "cost"]].sum()
    share = (1.0 - costed["cost"] / costed["amount"]).where(costed["amount"] > 0)
    table = table.merge(share.rename("margin_share").reset_index(), how="left")
    whole = table["amount"].sum()
    table["own_part"] = table["amount"] / table.groupby("rep_id")["amount"].transform("sum")
    table["team_part"] = table.groupby("product_line")["amount"].transform("sum") / whole
    table = table[table["rep_id"].isin(inputs.team()["rep_id"])].reset_index(drop=True)
    few, below = table["high"].isna(), table["high"] < 1.0
    table["floor_share"] = 1.0 - table["margin_share"]
    floor, held = table["price_ratio"] * table["floor_share"], table["price_ratio"].mask(below, 1.0)
    lossy = floor > held
    table["price_goal"] = held.mask(lossy, floor).mask(few)
    table["price_verdict"] = np.select(
        [few, lossy, below],
        ["cannot tell: too few sales", "below cost: up to it", "below the team: up to its prices"],
        "hold",
    )
    known = table["margin_share"].notna()
    table["cut_volume_share"] = break_even_volume(PRICE_CUT, table["margin_share"])
    table["price_basis"] = np.where(known, "margin", "price realisation")
    return table[list(PRICE_COLUMNS)]
