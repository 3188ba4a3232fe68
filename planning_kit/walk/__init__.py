"""One step of the walk: its inputs, the tables of the steps before it, and where it writes."""

from planning_kit.walk.expected import (
    baseline_months,
    baseline_people,
    chance_lines,
    chances,
    data_until,
    frontier,
    outlook_of,
    target_range,
)
from planning_kit.walk.first_words import company_words, first_words, talks_to_reopen
from planning_kit.walk.opening import open_step
from planning_kit.walk.publishing import publish_region
from planning_kit.walk.split import (
    allocation_findings,
    allocation_rules,
    allocation_steps,
    chosen_person,
    objectives,
    relaxed_limits,
    sum_goals,
)
from planning_kit.walk.step import Step
from planning_kit.walk.talks import (
    agreed_table,
    goals_of,
    metric_year,
    negotiation_events,
    offers,
)
from planning_kit.walk.views import data_coverage, monthly_sales

__all__ = [
    "Step",
    "agreed_table",
    "allocation_findings",
    "allocation_rules",
    "allocation_steps",
    "baseline_months",
    "baseline_people",
    "chance_lines",
    "chances",
    "chosen_person",
    "company_words",
    "data_coverage",
    "data_until",
    "first_words",
    "frontier",
    "goals_of",
    "metric_year",
    "monthly_sales",
    "negotiation_events",
    "objectives",
    "offers",
    "open_step",
    "outlook_of",
    "publish_region",
    "relaxed_limits",
    "sum_goals",
    "talks_to_reopen",
    "target_range",
]
