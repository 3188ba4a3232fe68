"""What we assume, who said it, how sure; capacity and baseline that follow from it."""

from planning_kit.assumptions.findings import assumption_findings
from planning_kit.assumptions.signposts import Signposts, signposts
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
    "ChanceOfTarget",
    "Signposts",
    "assumption_findings",
    "chance_of_target",
    "cost_of_turnover_point",
    "last_register",
    "person_years",
    "register",
    "scenario_sets",
    "sensitivity",
    "signposts",
]
