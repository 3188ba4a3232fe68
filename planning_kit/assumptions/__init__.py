"""What we assume, who said it, how sure; capacity and baseline that follow from it."""

from planning_kit.assumptions.availability import (
    SimulatedAvailability,
    availability,
    simulate_availability,
)
from planning_kit.assumptions.baseline import (
    baseline,
    baseline_totals,
    capacity,
    seasonal_profile,
    unheld_territories,
)
from planning_kit.assumptions.bases import other_bases
from planning_kit.assumptions.drivers import DRIVERS, Driver
from planning_kit.assumptions.findings import assumption_findings
from planning_kit.assumptions.ranges import measured_calibration, measured_coverage
from planning_kit.assumptions.reading import Assumption, read_assumptions
from planning_kit.assumptions.signposts import Signposts, signposts
from planning_kit.assumptions.tournament import method_tournament
from planning_kit.assumptions.turnover import turnover
from planning_kit.assumptions.worth import (
    ChanceOfTarget,
    chance_of_target,
    cost_of_turnover_point,
    last_register,
    person_years,
    register,
    scenario_sets,
    sensitivity,
)

__all__ = [
    "DRIVERS",
    "Assumption",
    "ChanceOfTarget",
    "Driver",
    "Signposts",
    "SimulatedAvailability",
    "assumption_findings",
    "availability",
    "baseline",
    "baseline_totals",
    "capacity",
    "chance_of_target",
    "cost_of_turnover_point",
    "last_register",
    "measured_calibration",
    "measured_coverage",
    "method_tournament",
    "other_bases",
    "person_years",
    "read_assumptions",
    "register",
    "scenario_sets",
    "seasonal_profile",
    "sensitivity",
    "signposts",
    "simulate_availability",
    "turnover",
    "unheld_territories",
]
