"""New products of the coming period: ``[metrics.launch.<product id>]`` of a scenario."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from planning_kit.messages import Written
from planning_kit.messages.written import is_number


@dataclass(frozen=True)
class Launch:
    """How much of its product line's goal a new product is to bring, month by month.

    Attributes
    ----------
    starts_on : date or None
        Day it is launched; None: with the plan.
    share : float
        Part of the line's goal once it is established, 0 to 1.
    curve : tuple of float
        Part of that share in the month of the launch, the next, and so on; the last one stays.
    price : float or None
        Price of a unit, plan currency; None: its list price.
    """

    starts_on: date | None = None
    share: float = 0.0
    curve: tuple[float, ...] = (1.0,)
    price: float | None = None


def read_launches(section: Written) -> Mapping[str, Launch]:
    """Read the launches by product; what is wrong is noted there."""
    found = {}
    for product_id in section.values:
        row = section.section(product_id, tuple(Launch.__dataclass_fields__))
        curve = row.values.get("curve", [1.0])
        told = isinstance(curve, list) and all(is_number(x) and 0 <= x <= 1 for x in curve)
        if not told or not curve:
            row.fault("curve: write a list of numbers from 0 to 1, like [0.2, 0.5, 1.0]")
            curve = [1.0]
        if "share" not in row:
            row.fault("share is missing; write the part of its line's goal, like 0.1")
        found[product_id] = Launch(
            starts_on=row.day("starts_on"),
            share=row.number("share", 0.0, least=0, most=1),
            curve=tuple(map(float, curve)),
            price=row.number("price", least=0),
        )
    return found
