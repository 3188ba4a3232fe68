"""What happened and why."""

from planning_kit.review.attainment import attainment, goal_history, growth
from planning_kit.review.bridges import EFFECTS, MARGIN_EFFECTS, bridge, bridge_steps, goal_bridge
from planning_kit.review.events import event_effects, event_path
from planning_kit.review.factors import capacity, funnel, staffing_bridge, vacancies
from planning_kit.review.fairness import fairness, goal_people, proposal_bias, ratchet_pairs
from planning_kit.review.findings import ReviewLimits, review_findings
from planning_kit.review.places import margins, outside_assignments
from planning_kit.review.replay import assumption_replay, range_score

__all__ = [
    "EFFECTS",
    "MARGIN_EFFECTS",
    "ReviewLimits",
    "assumption_replay",
    "attainment",
    "bridge",
    "bridge_steps",
    "capacity",
    "event_effects",
    "event_path",
    "fairness",
    "funnel",
    "goal_bridge",
    "goal_history",
    "goal_people",
    "growth",
    "margins",
    "outside_assignments",
    "proposal_bias",
    "range_score",
    "ratchet_pairs",
    "review_findings",
    "staffing_bridge",
    "vacancies",
]
