"""The year so far: standing goals phased to the day, results, and the chance of finishing."""

from __future__ import annotations

import pandas as pd

from planning_kit.outlook import rest_of_year
from planning_kit.walk.expected import data_until
from planning_kit.walk.step import Step
from planning_kit.walk.talks import goals_of

TO_DATE_COLUMNS = (
    *("rep_id", "until", "goal", "due", "actual", "gap", "to_go"),
    *("expected", "low", "high", "chance"),
)


def to_date(step: Step) -> pd.DataFrame:
    """Say of everybody what of the goal is due, what came, and how likely the rest is.

    Goals are phased by month, within the running month by its days. The chance is that of what is
    still to go, among draws of the months left (`planning_kit.outlook.rest_of_year`).

    Returns
    -------
    pandas.DataFrame
        rep_id, until (first day without results), goal (standing, of the year), due (the part of
        it up to that day), actual (sold in the plan so far), gap (actual less due), to_go (goal
        less actual), expected (of the whole year: sold and still expected) with low and high (80 %
        range), chance of reaching the goal; by rep_id. No rows before the plan has results.
    """
    table: pd.DataFrame = step.once("to_date", lambda: _to_date(step))
    return table


def _to_date(step: Step) -> pd.DataFrame:
    settings, day = step.inputs.settings, data_until(step)
    if day <= settings.starts_on:
        return pd.DataFrame(columns=list(TO_DATE_COLUMNS))
    until, sales = pd.Timestamp(day), step.inputs.sales
    goals = goals_of(step).by("rep", "month").dropna(subset="goal")
    past = ((until - goals["month"]).dt.days / goals["month"].dt.days_in_month).clip(0.0, 1.0)
    sums = goals.assign(due=goals["goal"] * past).groupby("rep_id")[["goal", "due"]].sum()
    period = sales["month"].between(
        pd.Timestamp(settings.starts_on), pd.Timestamp(settings.ends_on)
    )
    sold = sales[period].groupby("rep_id")["amount"].sum()
    table = sums.assign(until=until, actual=sold.reindex(sums.index).fillna(0.0))
    table["gap"], table["to_go"] = table["actual"] - table["due"], table["goal"] - table["actual"]
    rest = rest_of_year(step.inputs, step.scenario, day)
    still = table["to_go"].rename("goal").reset_index()
    ahead = rest.ranges(["rep_id"]).set_index("rep_id").reindex(table.index).fillna(0.0)
    for name in ("expected", "low", "high"):
        table[name] = table["actual"] + ahead[name]
    chance = rest.chances(still).set_index("rep_id")["chance"].reindex(table.index)
    over = table["to_go"] <= 0
    table["chance"] = chance.fillna(over.astype(float))
    return table.reset_index()[list(TO_DATE_COLUMNS)]
