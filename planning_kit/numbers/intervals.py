"""The 80 % range, written once: one in ten lies below its low end, one in ten above its high end."""

from __future__ import annotations

from typing import Any

RANGE_SHARE = 0.8
LOW, HIGH = 0.1, 0.9  # the shares that lie below the two ends
Z80 = 1.2815515655446004  # standard deviations of a normal from its middle to either end
Z50 = 0.6744897501960817  # the same, of the range that holds half


def deviation(low: Any, high: Any) -> Any:
    """Give the standard deviation of the normal that has this 80 % range.

    Examples
    --------
    >>> round(deviation(-Z80, Z80), 12)
    1.0
    """
    return (high - low) / (2 * Z80)
