"""What an assumption can move, with a closed formula each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Driver:
    """One thing an assumption moves.

    Attributes
    ----------
    name : str
        As written in the register.
    unit : str
        share (0.02 is 2 %), months or days.
    least, most : float
        Values it can have.
    moves : str
        ``change`` of sales (factor ``1 + value``), ``ratio`` to last year's value (factor
        ``value / last``), or ``staff`` (through the capacity of seats).
    formula : str
        What is done with it.
    repeats : bool
        Whether last year's actual is a proposal for the coming period. An event that happened
        is in last year's results already; its repetition would be a new event.
    """

    name: str
    unit: str
    least: float
    most: float
    moves: str
    formula: str
    repeats: bool = True


_ALL = (
    Driver(
        "market_growth",
        "share",
        -1,
        10,
        "change",
        "sales x (1 + value)^(years from the last twelve months to the plan)",
    ),
    Driver(
        "price_change",
        "share",
        -1,
        10,
        "change",
        "sales x (1 + value); what volume does in answer is an assumption of its own",
        False,
    ),
    Driver(
        "competitor_effect",
        "share",
        -1,
        10,
        "change",
        "sales of the named territories x (1 + value)",
        False,
    ),
    Driver("new_product", "share", -1, 10, "change", "sales x (1 + value)", False),
    Driver("turnover_rate", "share", 0, 1, "staff", "expected capacity of every seat by month"),
    Driver("time_to_fill", "months", 0, 60, "staff", "months a seat is empty after somebody left"),
    Driver(
        "ramp",
        "months",
        1,
        60,
        "staff",
        "month in which a hire reaches full sales; the plan's ramp is stretched to it",
    ),
    Driver(
        "account_loss_share",
        "share",
        0,
        1,
        "staff",
        "share of a leaver's sales that the hand-over of the accounts loses",
    ),
    Driver("working_days", "days", 1, 1200, "ratio", "sales x value / last year's working days"),
    Driver("closing_ratio", "share", 0, 1, "ratio", "sales x value / last year's closing ratio"),
)
DRIVERS: Mapping[str, Driver] = {driver.name: driver for driver in _ALL}
_PERCENT = ("%", "percent")


def scale_to_unit(unit: str, driver: Driver) -> float | None:
    """Give the factor from a written unit to the driver's; None where they do not fit.

    Examples
    --------
    >>> scale_to_unit("%", DRIVERS["market_growth"]), scale_to_unit("days", DRIVERS["ramp"])
    (0.01, None)
    """
    written = unit.strip().casefold()
    if written in ("", driver.unit):
        return 1.0
    return 0.01 if driver.unit == "share" and written in _PERCENT else None
