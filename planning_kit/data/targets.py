"""The regions' targets: what the company asks for, split exactly."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

import pandas as pd

from planning_kit.messages import Written, stop_on_faults
from planning_kit.numbers.rounding import split_units
from planning_kit.numbers.units import from_units
from planning_kit.plan import Settings, Targets


def region_targets(
    settings: Settings, targets: Targets, reviewed: Mapping[str, float]
) -> dict[str, float]:
    """Give every region its target in whole rounding units.

    Regions with a target of their own keep it. What is left of the company's target goes to the
    others in proportion to their reviewed year (evenly where nobody sold), by largest remainder.
    Without a company target the others grow by the plan's growth.

    Parameters
    ----------
    settings
        For the rounding unit and the currency.
    targets
        What the plan or the scenario says.
    reviewed
        Result of every region in the reviewed year, plan currency.

    Raises
    ------
    DataError
        A region nobody knows, an amount that is not a whole number of rounding units, or
        regions that ask for more (or less) than the company.

    Examples
    --------
    >>> from datetime import date
    >>> plan = Settings(
    ...     "p",
    ...     "EUR",
    ...     10,
    ...     date(2026, 1, 1),
    ...     date(2026, 12, 31),
    ...     date(2025, 1, 1),
    ...     date(2025, 12, 31),
    ... )
    >>> region_targets(plan, Targets(company=100.0), {"North": 2.0, "South": 1.0})
    {'North': 70.0, 'South': 30.0}
    """
    stop_on_faults(target_faults(settings, targets, reviewed), "targets")
    unit = settings.rounding_unit
    units = {name: round(value / unit) for name, value in targets.regions.items()}
    others = [name for name in reviewed if name not in units]
    if targets.company is None:
        units |= {n: max(0, round(reviewed[n] * (1 + targets.growth_share) / unit)) for n in others}
    else:
        left = round(targets.company / unit) - sum(units.values())
        sold = pd.Series({name: reviewed[name] for name in sorted(others)}, dtype=float)
        units |= dict(zip(sold.index, split_units(left, sold.clip(lower=0.0)), strict=True))
    return {name: from_units(int(units[name]), unit) for name in reviewed}


def target_faults(settings: Settings, targets: Targets, regions: Collection[str]) -> list[str]:
    """Name what is wrong with targets: unknown regions, broken units, sums that do not meet."""
    unit, found = settings.rounding_unit, Written({})
    found.known(targets.regions, regions, "[targets.regions]")
    given = {f"target of {name}": value for name, value in targets.regions.items()}
    if targets.company is not None:
        given["company target"] = targets.company
    for what, value in given.items():
        count = round(value / unit)
        if not math.isclose(count * unit, value, rel_tol=1e-12, abs_tol=1e-9):
            found.fault(
                f"[targets]: the {what} is {value:,.2f}, not a multiple of the rounding unit "
                f"{unit:g}; write {from_units(count, unit):,.2f}"
            )
    if targets.company is None or found.faults:
        return found.faults
    left = round(targets.company / unit) - sum(round(x / unit) for x in targets.regions.values())
    if left < 0 or (left and not set(regions) - set(targets.regions)):
        found.fault(
            f"[targets]: the regions ask for {abs(left) * unit:,.2f} {settings.currency} "
            f"{'more' if left < 0 else 'less'} than the company; change the company target or a "
            "region's"
        )
    return found.faults
