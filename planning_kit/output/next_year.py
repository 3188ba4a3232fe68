"""A run's own tables as next year's plan reads them: canonical names and columns, nothing to map."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pandas as pd

from planning_kit.data import TABLES, empty_table
from planning_kit.plan import NOT_KNOWN, Settings
from planning_kit.review.counts import COUNTED

Read = Callable[[str], pd.DataFrame]
_OF_LINES = ("territory_id", "product_line")


def next_year_tables(read: Read, settings: Settings) -> dict[str, pd.DataFrame]:
    """Turn what a run left into canonical tables of last year.

    Parameters
    ----------
    read
        Gives a table of the run, of all its regions together; without rows where none wrote it.
    settings
        The period that was planned.

    Returns
    -------
    dict of str to DataFrame
        goals (every metric: amount, units and margin by territory and product line, what is
        counted by person; by month), proposals and evidence (the last of everybody), assumptions
        (``actual`` is for those who know it by then) and manager_time (hours planned).
    """
    log, state = read("agreement_log"), read("agreement_state")
    said = _last_proposals(log, state)
    start, end = pd.Timestamp(settings.starts_on), pd.Timestamp(settings.ends_on)
    lines = set(read("standing_goals").get("product_line", ()))
    hours = read("manager_hours").rename(columns={"hours": "planned_hours"})
    if len(hours):  # one person's, of every region led
        hours = hours.groupby(list(TABLES["manager_time"].key), as_index=False)[
            ["planned_hours"]
        ].sum()
    found = {
        "goals": _goals(read, start, end),
        "proposals": said.assign(starts_on=start, ends_on=end),
        "evidence": _evidence(said, lines).assign(starts_on=start),
        "assumptions": read("register"),
        "manager_time": hours,
    }
    return {name: _canonical(name, table) for name, table in found.items()}


def _canonical(name: str, table: pd.DataFrame) -> pd.DataFrame:
    table = table.reindex(columns=TABLES[name].names)
    if TABLES[name].key:  # every region keeps the whole register
        table = table.drop_duplicates(list(TABLES[name].key))
    return table.astype(empty_table(name).dtypes.to_dict()).reset_index(drop=True)


def _goals(read: Read, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    cells, people, ratios = (read(name) for name in ("goal_cells", "metric_goals", "ratio_goals"))
    months = [
        table.assign(goal=table[name], metric=name)
        for table, names in ((cells, ("amount", "units", "margin")), (people, COUNTED))
        for name in names
        if name in table
    ]
    company = read("company_metrics")
    if len(company):
        months.append(company.assign(goal=company["metric_goal"]))
    if not months:
        return pd.DataFrame()
    goals = pd.concat(months, ignore_index=True)
    last = (goals["month"] + pd.offsets.MonthEnd(0)).astype("datetime64[us]")
    goals = goals.assign(starts_on=goals["month"], ends_on=last)
    if len(ratios):  # one for the whole plan
        year = ratios.assign(goal=ratios["closing_goal"], metric="closing_ratio")
        year = year[["rep_id", "goal", "metric"]].assign(starts_on=start, ends_on=end)
        goals = pd.concat([goals, year], ignore_index=True)
    for label in _OF_LINES:
        goals[label] = goals[label].where(goals[label] != NOT_KNOWN)
    return goals.dropna(subset="goal")


def _last_proposals(log: pd.DataFrame, state: pd.DataFrame) -> pd.DataFrame:
    """Give the last word of everybody who proposed, by line; whole, where lines are not all of it."""
    if log.empty or state.empty:
        return pd.DataFrame(columns=["rep_id", "product_line", "proposed", "evidence"])
    stands = state.set_index("rep_id")["proposed"].dropna()
    said = log[log["kind"].eq("propose") & log["rep_id"].isin(stands.index)]
    said = said.drop_duplicates(["rep_id", "product_line", "territory_id"], keep="last")
    said = said.assign(proposed=said["amount"].astype(float))
    parts = said.groupby("rep_id")["proposed"].transform("sum")
    adds_up = (parts - said["rep_id"].map(stands)).abs() < 1e-6
    whole = said[~adds_up].drop_duplicates("rep_id", keep="last")
    whole = whole.assign(proposed=whole["rep_id"].map(stands), product_line=None)
    both = pd.concat([said[adds_up], whole])
    keys = ["rep_id", "product_line"]
    groups = both.assign(evidence=both["evidence"].fillna("[]").map(json.loads))
    return groups.groupby(keys, dropna=False, as_index=False)[["proposed", "evidence"]].sum()


def _evidence(said: pd.DataFrame, lines: Sequence[str] | set[str]) -> pd.DataFrame:
    rows = said[["rep_id", "evidence"]].explode("evidence").dropna(subset="evidence")
    told = pd.DataFrame(rows["evidence"].tolist()).assign(rep_id=rows["rep_id"].tolist())
    names = {"account": "account_id", "opportunity": "opportunity_id", "month": "closes_on"}
    told = told.rename(columns=names).reindex(columns=[*TABLES["evidence"].names, "product"])
    of_line = told["product"].isin(lines)
    return told.assign(
        product_line=told["product"].where(of_line),
        product_id=told["product"].mask(of_line),
        closes_on=pd.to_datetime(told["closes_on"], format="%Y-%m"),
    )
