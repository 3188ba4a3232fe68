"""From a goal to activity, closing ratio, pipeline, product, territory, margin, by month."""

from planning_kit.metrics.cells import goal_cells, launch_findings
from planning_kit.metrics.company import company_metrics
from planning_kit.metrics.findings import metrics_findings
from planning_kit.metrics.goals import (
    METRIC_COLUMNS,
    ActivityGoals,
    activity_goals,
    deal_share,
    metric_goals,
    pipeline_start,
    ratio_goals,
)
from planning_kit.metrics.prices import price_goals
from planning_kit.metrics.splits import product_goals, territory_goals

__all__ = [
    "METRIC_COLUMNS",
    "ActivityGoals",
    "activity_goals",
    "company_metrics",
    "deal_share",
    "goal_cells",
    "launch_findings",
    "metric_goals",
    "metrics_findings",
    "pipeline_start",
    "price_goals",
    "product_goals",
    "ratio_goals",
    "territory_goals",
]
