"""What the register of assumptions is worth: tornado, signposts, findings, last year's scored."""

from planning_kit.assumptions.findings import assumption_findings
from planning_kit.assumptions.signposts import Signposts, signposts
from planning_kit.assumptions.target import judge_target
from planning_kit.assumptions.worth import (
    cost_of_turnover_point,
    last_register,
    register,
    scenario_sets,
    sensitivity,
    unconfirmed,
)

__all__ = [
    "Signposts",
    "assumption_findings",
    "cost_of_turnover_point",
    "judge_target",
    "last_register",
    "register",
    "scenario_sets",
    "sensitivity",
    "signposts",
    "unconfirmed",
]
