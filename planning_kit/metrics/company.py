"""Goals in the metrics that a company added, from what they came to in the reviewed period."""

from __future__ import annotations

import numpy as np
import pandas as pd

from planning_kit.data import Region
from planning_kit.metrics.splits import check_goals
from planning_kit.numbers.rounding import split_rows
from planning_kit.numbers.units import from_units
from planning_kit.plan.metrics import Metric
from planning_kit.review.measured import measure

COMPANY_METRIC_COLUMNS = (
    *("rep_id", "metric", "metric_title", "unit", "month"),
    *("metric_goal", "metric_last"),
)


def company_metrics(inputs: Region, goals: pd.DataFrame) -> pd.DataFrame:
    """Give everybody's goals in the metrics of ``[metrics]`` of `plan.toml`.

    What grows with sales is asked as often per amount as in the reviewed period, ratios as they
    were; both times 1 + the change asked. Somebody without sales (a sum) or without the cases a
    ratio needs works at everybody's. Counts are whole and amounts in rounding units; months of
    sums add up to the year.

    Parameters
    ----------
    goals
        rep_id, month, goal (plan currency; empty: nobody planned it).

    Returns
    -------
    pandas.DataFrame
        rep_id, metric, metric_title, unit, month, metric_goal, metric_last (of the reviewed
        period; empty for somebody who sold nothing in it); empty where nothing tells.
    """
    checked = check_goals(goals, inputs)
    amount = checked.groupby(["rep_id", "month"])["goal"].sum(min_count=1).unstack()
    parts = [_goals(inputs, metric, amount) for metric in inputs.settings.metrics]
    if not parts or amount.empty:
        kinds = dict.fromkeys(COMPANY_METRIC_COLUMNS, "str") | {"month": "datetime64[us]"}
        kinds |= {"metric_goal": "float64", "metric_last": "float64"}
        return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in kinds.items()})
    table = pd.concat(parts).sort_values(["metric", "rep_id", "month"], ignore_index=True)
    return table[list(COMPANY_METRIC_COLUMNS)]


def _goals(inputs: Region, metric: Metric, amount: pd.DataFrame) -> pd.DataFrame:
    sold = inputs.reviewed_sales().groupby("rep_id")["amount"].sum()
    known = measure(inputs, metric.measure).reindex(amount.index)
    known.loc[~known.index.isin(sold.index) & known["value"].eq(0), "value"] = np.nan  # not here
    last, of_all = known["value"].to_numpy(), known["of_all"].to_numpy()
    grid, ask = amount.to_numpy(dtype=float), 1 + metric.change
    if metric.measure.is_ratio:
        cells = np.broadcast_to((np.where(np.isnan(last), of_all, last) * ask)[:, None], grid.shape)
    else:
        own = sold.reindex(amount.index).to_numpy(dtype=float)
        rate = np.where(own > 0, last, np.nan) / own
        rate = np.where(np.isnan(rate), of_all / max(float(sold.sum()), 1e-300), rate) * ask
        cells = grid * rate[:, None]
        if metric.unit in ("count", "amount"):
            step = 1.0 if metric.unit == "count" else inputs.settings.rounding_unit
            weights = np.nan_to_num(cells).clip(min=0.0)
            whole = np.where(np.isnan(rate), np.nan, np.round(np.nansum(cells, axis=1) / step))
            cells = from_units(split_rows(weights, whole), step)
    cells = np.where(np.isnan(grid), np.nan, cells)
    rows = pd.MultiIndex.from_product([amount.index, amount.columns], names=["rep_id", "month"])
    table = pd.DataFrame({"metric_goal": cells.ravel()}, index=rows).reset_index()
    table["metric_last"] = table["rep_id"].map(known["value"])
    unit = inputs.settings.currency if metric.unit == "amount" else metric.unit
    return table.assign(metric=metric.name, metric_title=metric.title, unit=unit)
