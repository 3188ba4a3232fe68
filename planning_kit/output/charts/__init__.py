"""Charts, one look everywhere."""

from planning_kit.output.charts.causes import (
    chart_buckets,
    chart_effects,
    chart_event_path,
    chart_years,
)
from planning_kit.output.charts.choose import chart_for
from planning_kit.output.charts.goals import (
    chart_agreement,
    chart_allocation,
    chart_chances,
    chart_frontier,
    chart_hours,
    chart_months,
    chart_regions,
    chart_talk,
    chart_targets,
)
from planning_kit.output.charts.history import (
    chart_attainment,
    chart_baseline,
    chart_goal_history,
    chart_heat,
    chart_steps,
    chart_swings,
)
from planning_kit.output.charts.renderer import enable
from planning_kit.output.charts.theme import describe

__all__ = [
    "chart_agreement",
    "chart_allocation",
    "chart_attainment",
    "chart_baseline",
    "chart_buckets",
    "chart_chances",
    "chart_effects",
    "chart_event_path",
    "chart_for",
    "chart_frontier",
    "chart_goal_history",
    "chart_heat",
    "chart_hours",
    "chart_months",
    "chart_regions",
    "chart_steps",
    "chart_swings",
    "chart_talk",
    "chart_targets",
    "chart_years",
    "describe",
    "enable",
]
