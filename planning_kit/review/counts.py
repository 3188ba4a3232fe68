"""Results that sales do not tell: activities, deals, closing ratios and pipeline, by person."""

from __future__ import annotations

import pandas as pd

from planning_kit.data import Region
from planning_kit.plan.formulas import Formula
from planning_kit.review.measured import counted_rows
from planning_kit.review.periods import first_of_month, goal_spans
from planning_kit.review.rates import STEPS, step_rows

RATIOS = ("closing_ratio",)
LEVELS = ("open_proposals", "pipeline_amount")
_STEP_OF = {f"{step}s": step for step in STEPS}
COUNTED = (*_STEP_OF, "sales_needed", *RATIOS, *LEVELS)
COUNTED_CUTS = ("rep_id", "manager_id", "quarter", "month", "goal_period")


def kind_of(inputs: Region, metric: str) -> str:
    """Say how a metric adds up: ratio, level, or count."""
    company = _of_company(inputs).get(metric)
    if metric in RATIOS or (company is not None and company.is_ratio):
        return "ratio"
    return "level" if metric in LEVELS else "count"


def countable(inputs: Region) -> list[str]:
    """Name what `counted_results` knows: `COUNTED`, and the metrics that the company added."""
    return [*COUNTED, *_of_company(inputs)]


def _of_company(inputs: Region) -> dict[str, Formula]:
    return {metric.name: metric.measure for metric in inputs.settings.metrics}


def counted_results(inputs: Region, metric: str) -> pd.DataFrame:
    """Count what activities and opportunities tell of a metric, dated as sales are.

    - prospects, presentations, proposals: activities whose name starts with the step's; where
      nobody counts them, the days of the deals.
    - sales_needed: deals won.
    - closing_ratio: deals won over deals presented, in the month they close; where most closed
      deals have no presentation day, over the presentations counted, else over all that closed.
    - a metric of the company: what its formula is made of.
    - pipeline_amount and open_proposals: what stands open on the first day of a goal's period,
      and the proposals in process on its last.

    Parameters
    ----------
    inputs
        One region or the company.
    metric
        One of `countable`.

    Returns
    -------
    DataFrame
        rep_id, month, goal_period, middle, days and reviewed (as of
        `planning_kit.review.periods.dated_sales`), actual and ``of``, which a ratio is over (1
        elsewhere).
    """
    spans = goal_spans(inputs, metric)
    if metric in LEVELS:
        found = _levels(inputs, metric, spans)
    elif metric in RATIOS:
        found = _ratio(inputs)
    elif metric in _of_company(inputs):
        found = _formula(inputs, _of_company(inputs)[metric])
    elif metric in _STEP_OF:
        found = _steps(inputs, _STEP_OF[metric])
    else:
        found = _deals(inputs, "won")
    rows = found.dropna(subset=["rep_id", "day"]).reset_index(drop=True)
    rows = rows.groupby(["rep_id", "day"], as_index=False)[["actual", "of"]].sum()
    held = rows[["rep_id", "day"]].reset_index(names="row")
    held = held.merge(spans[["rep_id", "starts_on", "ends_on", "middle", "days"]], on="rep_id")
    held = held[held["day"].between(held["starts_on"], held["ends_on"])]
    held = held.sort_values("days", kind="stable").drop_duplicates("row").set_index("row")
    held = held.reindex(rows.index)
    month = first_of_month(rows["day"])
    middle = held["middle"].fillna(month)
    return rows.drop(columns="day").assign(
        month=month,
        goal_period=held["starts_on"],
        middle=middle,
        days=held["days"],
        reviewed=inputs.in_review(middle),
    )


def _dated(rows: pd.DataFrame, day: pd.Series, actual: pd.Series | float = 1.0) -> pd.DataFrame:
    return pd.DataFrame({"rep_id": rows["rep_id"], "day": day, "actual": actual, "of": 1.0})


def _formula(inputs: Region, formula: Formula) -> pd.DataFrame:
    parts = []
    for terms, side in ((formula.top, "actual"), (formula.over, "of")):
        for one, factor in terms.items():
            rows = counted_rows(inputs, one)
            row = _dated(rows, rows["day"], 0.0)
            row["of"] = 0.0 if formula.is_ratio else 1.0
            parts.append(row.assign(**{side: rows["value"] * factor}))
    return pd.concat(parts, ignore_index=True)


def _steps(inputs: Region, step: str) -> pd.DataFrame:
    rows = step_rows(inputs, step)
    return _dated(rows, rows["day"], rows["count"])


def _deals(inputs: Region, *outcomes: str) -> pd.DataFrame:
    deals = inputs.opportunities
    deals = deals[deals["outcome"].isin(outcomes)]
    return _dated(deals, deals["closed_on"], deals["outcome"].eq("won").astype(float))


def _ratio(inputs: Region) -> pd.DataFrame:
    closed = _deals(inputs, "won", "lost")
    presented = inputs.opportunities.loc[closed.index, "presented_on"].notna()
    if presented.mean() >= 0.5:
        return closed[presented]
    tried = _steps(inputs, "presentation")
    if tried["actual"].sum() > 0:
        return pd.concat([closed.assign(of=0.0), tried.assign(of=tried["actual"], actual=0.0)])
    return closed


def _levels(inputs: Region, metric: str, spans: pd.DataFrame) -> pd.DataFrame:
    deals = inputs.opportunities
    if deals.empty:
        return _dated(deals, deals["closed_on"])
    of_proposals = metric == "open_proposals"
    day = spans["ends_on" if of_proposals else "starts_on"]
    begun = deals["created_on"].fillna(deals["presented_on"]).fillna(deals["proposed_on"])
    deals = deals.assign(begun=deals["proposed_on"] if of_proposals else begun)
    points = pd.DataFrame({"rep_id": spans["rep_id"], "day": day}).drop_duplicates()
    near = points.merge(deals[["rep_id", "begun", "outcome", "closed_on", "amount"]], how="left")
    ended = near["outcome"].ne("open") & ~(near["closed_on"] > near["day"])
    is_open = (near["begun"] <= near["day"]) & ~ended
    return _dated(near, near["day"], is_open * (1.0 if of_proposals else near["amount"].fillna(0)))
