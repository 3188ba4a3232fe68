"""From a goal to activity, closing ratio, pipeline, product, territory, margin, by month."""

from planning_kit.metrics.findings import metrics_findings
from planning_kit.metrics.goals import (
    METRIC_COLUMNS,
    ActivityOptions,
    deal_share,
    metric_goals,
    pipeline_start,
)
from planning_kit.metrics.latitude import break_even_volume, price_dispersion, price_latitude
from planning_kit.metrics.rates import closing_ratios, funnel_rates
from planning_kit.metrics.splits import (
    margin_goals,
    product_goals,
    territory_goals,
    units_goals,
)
from planning_kit.metrics.tries import safe_tries

__all__ = [
    "METRIC_COLUMNS",
    "ActivityOptions",
    "break_even_volume",
    "closing_ratios",
    "deal_share",
    "funnel_rates",
    "margin_goals",
    "metric_goals",
    "metrics_findings",
    "pipeline_start",
    "price_dispersion",
    "price_latitude",
    "product_goals",
    "safe_tries",
    "territory_goals",
    "units_goals",
]
