"""One function, one chart; the only room that imports altair."""

from planning_kit.charts._renderer import enable
from planning_kit.charts._table import Shown, show
from planning_kit.charts._theme import describe
from planning_kit.charts.causes import chart_buckets, chart_effects, chart_event_path, chart_years
from planning_kit.charts.goals import (
    chart_agreement,
    chart_allocation,
    chart_chances,
    chart_frontier,
    chart_hours,
    chart_months,
    chart_regions,
    chart_targets,
)
from planning_kit.charts.history import (
    chart_attainment,
    chart_baseline,
    chart_goal_history,
    chart_heat,
    chart_steps,
    chart_swings,
)

__all__ = [
    "Shown",
    "chart_agreement",
    "chart_allocation",
    "chart_attainment",
    "chart_baseline",
    "chart_buckets",
    "chart_chances",
    "chart_effects",
    "chart_event_path",
    "chart_frontier",
    "chart_goal_history",
    "chart_heat",
    "chart_hours",
    "chart_months",
    "chart_regions",
    "chart_steps",
    "chart_swings",
    "chart_targets",
    "chart_years",
    "describe",
    "enable",
    "show",
]
