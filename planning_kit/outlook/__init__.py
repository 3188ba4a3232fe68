"""What the coming year may bring: history, levels, turnover, ranges, the draws of everybody's year."""

from planning_kit.outlook.baseline import (
    baseline,
    baseline_totals,
    capacity,
    expected_rows,
    seasonal_profile,
    unheld_territories,
)
from planning_kit.outlook.bases import other_bases
from planning_kit.outlook.outlook import ChanceOfTarget, Outlook, coming_year, rest_of_year
from planning_kit.outlook.ranges import interval_coverage, measured_calibration
from planning_kit.outlook.register import Assumption, read_assumptions
from planning_kit.outlook.tournament import method_tournament
from planning_kit.outlook.turnover import turnover

__all__ = [
    "Assumption",
    "ChanceOfTarget",
    "Outlook",
    "baseline",
    "baseline_totals",
    "capacity",
    "coming_year",
    "expected_rows",
    "interval_coverage",
    "measured_calibration",
    "method_tournament",
    "other_bases",
    "read_assumptions",
    "rest_of_year",
    "seasonal_profile",
    "turnover",
    "unheld_territories",
]
