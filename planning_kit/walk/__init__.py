"""One step of the walk: its inputs, the tables of the steps before it, and where it writes."""

from planning_kit.plan import read_table, write_table
from planning_kit.walk.producers import chances, common_cause, negotiation_events, offers
from planning_kit.walk.step import Step, open_step
from planning_kit.walk.views import (
    allocation_findings,
    allocation_rules,
    allocation_steps,
    baseline_months,
    baseline_people,
    chance_lines,
    chosen_person,
    data_coverage,
    frontier,
    known_day,
    metric_year,
    monthly_sales,
    objectives,
    sum_goals,
    target_range,
    what_gave,
)

__all__ = [
    "Step",
    "allocation_findings",
    "allocation_rules",
    "allocation_steps",
    "baseline_months",
    "baseline_people",
    "chance_lines",
    "chances",
    "chosen_person",
    "common_cause",
    "data_coverage",
    "frontier",
    "known_day",
    "metric_year",
    "monthly_sales",
    "negotiation_events",
    "objectives",
    "offers",
    "open_step",
    "read_table",
    "sum_goals",
    "target_range",
    "what_gave",
    "write_table",
]
