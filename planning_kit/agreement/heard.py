"""The first words of a negotiation, out of the tables: what is assigned, what is proposed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from planning_kit.agreement.goals import check_goals
from planning_kit.agreement.log import Event
from planning_kit.agreement.voices import PLANNER
from planning_kit.messages import DataError
from planning_kit.numbers.units import from_units, to_units
from planning_kit.plan import Settings

_PART = ["rep_id", "part"]


def propose_from_table(
    allocation_goals: pd.DataFrame,
    proposals: pd.DataFrame,
    settings: Settings,
    by_product_line: bool = False,
    evidence: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
) -> list[Event]:
    """Turn top-down goals and the proposals table into the first events of the negotiation.

    Everybody with a goal gets an assign event; who proposed for the whole coming period gets a
    propose event, rounded to the rounding unit. A proposal with empty cells, or whose periods do
    not make up the plan's period, is noted with the reason and not taken: a part is not the whole.

    Parameters
    ----------
    allocation_goals
        As for `standing_goals`; people without any goal are left out.
    proposals
        Canonical table; rows outside the coming period and of other people are not looked at.
    settings
        Period and rounding unit.
    by_product_line
        Negotiate each product line on its own, where a person proposed by product line.
    evidence
        By person, see `planning_kit.agreement.told_evidence`; of proposals for the whole goal.
    """
    goals = check_goals(allocation_goals, settings.rounding_unit).dropna(subset="units")
    if by_product_line and "product_line" not in goals:
        raise DataError("allocation goals: negotiating by product line needs product_line.")
    goals["part"] = goals["product_line"] if by_product_line else ""
    parts: pd.DataFrame = goals.groupby(_PART)["units"].sum().reset_index()
    parts["amount"] = from_units(parts["units"], settings.rounding_unit)
    assigned: Any = parts.itertuples()
    heard: Any = _heard(parts, proposals, settings, by_product_line).itertuples()
    return [Event("assign", p.rep_id, PLANNER, p.amount, product_line=p.part) for p in assigned] + [
        Event(
            p.kind,
            p.rep_id,
            PLANNER,
            None if p.kind == "note" else p.amount,
            p.reason,
            () if p.kind == "note" or p.part else (evidence or {}).get(p.rep_id, ()),
            product_line=p.part,
            behalf="" if p.kind == "note" else p.rep_id,
        )
        for p in heard
    ]


def _heard(
    parts: pd.DataFrame, proposals: pd.DataFrame, settings: Settings, by_product_line: bool
) -> pd.DataFrame:
    """Give one row a person (and product line) who answered, with what the table says."""
    heard = _add_up(_coming(parts, proposals, settings, by_product_line))
    wanted = (settings.ends_on - settings.starts_on).days + 1
    known = pd.MultiIndex.from_frame(parts[_PART])
    off = heard["shortest"].where(heard["shortest"] != wanted, heard["longest"])
    speaks = "it speaks for " + off.astype("str") + f" of {wanted} days"
    missing = heard["cells"] - heard["given"]
    empty = missing.astype("str") + " of " + heard["cells"].astype("str") + " cells are empty"
    reason = speaks.where(off != wanted, "")
    reason = reason.mask(heard["beyond"], "a period reaches beyond the plan's")
    reason = reason.mask(heard["lowest"] < 0, "an amount is negative")
    placed = pd.MultiIndex.from_frame(heard[_PART]).isin(known) | (heard["part"] == "")
    reason = reason.where(placed, "no goal is assigned for this product line")
    reason = reason.mask(missing > 0, empty)
    unit = settings.rounding_unit
    heard["amount"] = from_units(to_units(heard["said"], unit), unit)
    uneven = (heard["amount"] - heard["said"]).abs() > 1e-9 * heard["said"].abs().clip(lower=1)
    exact = ", rounded from " + heard["said"].map("{:,.2f}".format).astype("str")
    told = "from the table of proposals" + exact.where(uneven, "")
    heard["kind"] = np.where(reason == "", "propose", "note")
    heard["reason"] = told.where(reason == "", "proposal in the table not taken: " + reason)
    return heard


def _coming(
    parts: pd.DataFrame, proposals: pd.DataFrame, settings: Settings, by_product_line: bool
) -> pd.DataFrame:
    """Give the rows that touch the coming period, with the part of the goal they speak of."""
    start, end = pd.Timestamp(settings.starts_on), pd.Timestamp(settings.ends_on)
    ends_on = proposals["ends_on"].fillna(end)
    rows = proposals.assign(ends_on=ends_on)[(proposals["starts_on"] <= end) & (ends_on >= start)]
    rows = rows[rows["rep_id"].isin(parts["rep_id"])]
    by_line = rows["product_line"].notna().groupby(rows["rep_id"]).transform("all")
    rows["part"] = rows["product_line"].where(by_line & by_product_line, "")
    rows["what"] = rows["product_id"].fillna(rows["product_line"]).fillna("")
    rows["days"] = (rows["ends_on"] - rows["starts_on"]).dt.days + 1
    rows["beyond"] = (rows["starts_on"] < start) | (rows["ends_on"] > end)
    return rows.sort_values([*_PART, "what", "starts_on"])


def _add_up(rows: pd.DataFrame) -> pd.DataFrame:
    days = rows.groupby([*_PART, "what"])["days"].sum().groupby(_PART).agg(["min", "max"])
    heard = rows.groupby(_PART).agg(
        cells=("proposed", "size"),
        given=("proposed", "count"),
        said=("proposed", "sum"),
        lowest=("proposed", "min"),
        beyond=("beyond", "any"),
    )
    heard = heard.assign(shortest=days["min"], longest=days["max"]).reset_index()
    return heard[heard["given"] > 0].reset_index(drop=True)
