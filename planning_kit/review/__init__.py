"""What happened and why."""

from planning_kit.review.accounts import recurring_accounts
from planning_kit.review.attainment import attainment, goal_history, growth, metric_attainment
from planning_kit.review.bridges import EFFECTS, MARGIN_EFFECTS, bridge, bridge_steps, goal_bridge
from planning_kit.review.deals import Exclusions, exclude_deals, unusual_deals
from planning_kit.review.events import event_effects, event_path
from planning_kit.review.factors import capacity, funnel, staffing_bridge, vacancies
from planning_kit.review.fairness import fairness, goal_level, goal_people, ratchet_pairs
from planning_kit.review.findings import ReviewLimits, review_findings, where_to_look
from planning_kit.review.level import Level, goal_level_of_years
from planning_kit.review.market import MARKET_EFFECTS, market_bridge
from planning_kit.review.places import margins, outside_assignments
from planning_kit.review.prices import break_even_volume, price_dispersion, price_latitude
from planning_kit.review.proposals import proposal_bias, proposal_check
from planning_kit.review.questions import candidates, questions
from planning_kit.review.rates import closing_ratios, funnel_rates
from planning_kit.review.replay import assumption_replay
from planning_kit.review.standing import goal_outliers, manager_effects, size_buckets

__all__ = [
    "EFFECTS",
    "MARGIN_EFFECTS",
    "MARKET_EFFECTS",
    "Exclusions",
    "Level",
    "ReviewLimits",
    "assumption_replay",
    "attainment",
    "break_even_volume",
    "bridge",
    "bridge_steps",
    "candidates",
    "capacity",
    "closing_ratios",
    "event_effects",
    "event_path",
    "exclude_deals",
    "fairness",
    "funnel",
    "funnel_rates",
    "goal_bridge",
    "goal_history",
    "goal_level",
    "goal_level_of_years",
    "goal_outliers",
    "goal_people",
    "growth",
    "manager_effects",
    "margins",
    "market_bridge",
    "metric_attainment",
    "outside_assignments",
    "price_dispersion",
    "price_latitude",
    "proposal_bias",
    "proposal_check",
    "questions",
    "ratchet_pairs",
    "recurring_accounts",
    "review_findings",
    "size_buckets",
    "staffing_bridge",
    "unusual_deals",
    "vacancies",
    "where_to_look",
]
