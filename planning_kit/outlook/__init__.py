"""What the coming year may bring: history, levels, turnover, ranges, simulated years."""

from planning_kit.outlook.baseline import (
    baseline,
    baseline_totals,
    capacity,
    seasonal_profile,
    unheld_territories,
)
from planning_kit.outlook.bases import other_bases
from planning_kit.outlook.ranges import measured_calibration, measured_coverage
from planning_kit.outlook.register import Assumption, read_assumptions
from planning_kit.outlook.tournament import method_tournament
from planning_kit.outlook.turnover import turnover

__all__ = [
    "Assumption",
    "baseline",
    "baseline_totals",
    "capacity",
    "measured_calibration",
    "measured_coverage",
    "method_tournament",
    "other_bases",
    "read_assumptions",
    "seasonal_profile",
    "turnover",
    "unheld_territories",
]
