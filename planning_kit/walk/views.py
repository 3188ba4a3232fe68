"""The tables a notebook shows that need more than one room."""

from __future__ import annotations

from datetime import date, timedelta

import pandas as pd

from planning_kit.allocation import compare_objectives, over_assignment_frontier
from planning_kit.allocation.explain import RULE_COLUMNS
from planning_kit.assumptions import ChanceOfTarget
from planning_kit.plan import Inputs
from planning_kit.tables import finding, findings_table, require_labels
from planning_kit.walk.producers import (
    chances,
    common_cause,
    nobody_finding,
    own_years,
    scenario_here,
    solved_cells,
)
from planning_kit.walk.step import Step

_FEEDS = {
    "reps": "everything: who carries a goal",
    "territories": "everything: which region a sale belongs to",
    "assignments": "everything: who held what when",
    "sales": "results, growth, season, baseline",
    "products": "product lines, price and mix, margin",
    "goals": "attainment, fairness, ratchet",
    "proposals": "agreement, how good past proposals were",
    "opportunities": "closing ratios, pipeline, cycle",
    "activities": "presentations and prospects a sale needs",
    "assumptions": "last year's register and its replay",
    "events": "effects of competitors and price changes",
    "manager_time": "planned and spent hours of managers",
}


def data_coverage(step: Step) -> pd.DataFrame:
    """Say of every table what the plan has of it, and what it feeds.

    Returns
    -------
    pandas.DataFrame
        ``table``, ``rows``, ``first_day``, ``last_day``, ``feeds``, ``empty_columns``, ``unread``
        (columns of the extract that nothing reads).
    """
    facts = step.prepared.facts
    rows = []
    for entry in facts["coverage"]:
        name = entry["table"]
        unread = facts["unused"].get(name, [])
        rows.append({
            "table": name, "rows": entry["rows"], "first_day": entry["first_day"] or "",
            "last_day": entry["last_day"] or "",
            "feeds": _FEEDS[name] if entry["rows"] else f"not there; closes: {_FEEDS[name]}",
            "empty_columns": ", ".join(entry["empty_columns"]) if entry["rows"] else "",
            "unread": ", ".join(unread),
        })  # fmt: skip
    return pd.DataFrame(rows)


def monthly_sales(inputs: Inputs) -> pd.DataFrame:
    """Sum the region's sales by month, plan currency."""
    return inputs.sales.groupby("month")[["amount"]].sum(min_count=1).reset_index()


def baseline_months(step: Step) -> pd.DataFrame:
    """Give expected results by month with their range, and last year's."""
    months = step.ranges("month")
    last = step.table("baseline").groupby("month")["last_year"].sum(min_count=1)
    return months.assign(last_year=months["month"].map(last))


def baseline_people(step: Step) -> pd.DataFrame:
    """Give expected results by person with their range, last year's, and how they came about."""
    groups = step.table("baseline").groupby("rep_id")
    table = groups[["last_year", "last_goal"]].sum(min_count=1).reset_index()
    table = table.merge(step.ranges("rep_id"), on="rep_id", how="left")
    texts = groups["filled_by"].agg(lambda texts: "; ".join(sorted(set(texts.dropna()))))
    return table.assign(filled_by=table["rep_id"].map(texts))


def target_range(step: Step) -> pd.DataFrame:
    """Give the region's expected result with its range beside the target, one row."""
    total = step.ranges()
    if total.empty:
        total = pd.DataFrame(
            {"expected": [float("nan")], "low": float("nan"), "high": float("nan")}
        )
    return total.assign(target=step.inputs.target)


def known_day(step: Step) -> date:
    """Give the day before which results are known: after the last sale, at least the plan's first."""
    sales = next(row for row in step.prepared.facts["coverage"] if row["table"] == "sales")
    last, start = sales["last_day"], step.inputs.settings.starts_on
    return max(start, date.fromisoformat(last) + timedelta(days=1)) if last else start


def chance_lines(chance: ChanceOfTarget, currency: str) -> pd.DataFrame:
    """Write the chance of the target as lines to read."""
    if chance.probability != chance.probability:
        rows = {
            "target": f"{chance.target:,.0f} {currency}",
            "chance": "cannot tell: " + chance.note,
        }
    else:
        rows = {
            "target": f"{chance.target:,.0f} {currency}",
            "expected": f"{chance.expected:,.0f} {currency}",
            "chance that the region reaches the target":
                f"{chance.probability:.0%} ({chance.low:.0%} to {chance.high:.0%})",
            "people who reach their goals":
                f"{chance.share_reaching:.0%} (eight of ten years: {chance.share_low:.0%} to "
                f"{chance.share_high:.0%})",
            "goals / expectations": f"{chance.k:.2f}",
            "simulation": f"{chance.runs:,} years, seed {chance.seed}",
            "note": chance.note,
        }  # fmt: skip
    return pd.DataFrame({"what": list(rows), "value": list(rows.values())})


def sum_goals(goals: pd.DataFrame, label: str) -> pd.DataFrame:
    """Sum goals and bases by a label: ``last`` columns are in the cells, not here.

    Returns
    -------
    pandas.DataFrame
        The label, ``base``, ``goal``, ``change_share`` and ``held_by`` (rules that hold a cell).
    """
    groups = goals.groupby(label)
    table = groups[["base", "goal"]].sum(min_count=1)
    table["change_share"] = (table["goal"] / table["base"] - 1).where(table["base"] > 0)
    table["held_by"] = groups["held_by"].agg(
        lambda texts: ", ".join(sorted({text for text in texts if isinstance(text, str) and text}))
    )
    return table.reset_index()


def allocation_rules(step: Step) -> pd.DataFrame:
    """Give the table of rules, those that hold something first; empty where nobody carries a goal."""
    allocation = step.allocation()
    if allocation is None:
        return pd.DataFrame(columns=list(RULE_COLUMNS))
    rules = allocation.rules
    return rules.sort_values(
        "binding", key=lambda side: side.eq(""), kind="stable", ignore_index=True
    )


def allocation_steps(step: Step) -> pd.DataFrame:
    """Give the steps of every person's goal (they add up to it exactly)."""
    allocation = step.allocation()
    if allocation is None:
        return pd.DataFrame(columns=["rep_id", "step", "amount"])
    return allocation.steps


def what_gave(step: Step) -> pd.DataFrame:
    """List limits that gave (``[relax]``) and what levels add (``[over_assignment]``).

    Returns
    -------
    pandas.DataFrame
        ``what`` (rule or level), ``group``, ``asked``, ``by`` and ``becomes`` (plan currency).
    """
    allocation = step.allocation()
    names = ["what", "group", "asked", "by", "becomes"]
    if allocation is None:
        return pd.DataFrame(columns=names)
    padding = allocation.padding
    limits = allocation.relaxed.rename(columns={"rule": "what", "gives": "by"})
    levels = pd.DataFrame({
        "what": padding["level"], "group": "over-assignment", "asked": padding["amount_before"],
        "by": padding["amount_after"] - padding["amount_before"], "becomes": padding["amount_after"],
    })  # fmt: skip
    return pd.concat([part[names] for part in (limits, levels) if len(part)] or [levels])


def chosen_person(step: Step, rep_id: str = "") -> str:
    """Name the person asked for, else the one whose goal moved most (ties: the first id).

    Raises
    ------
    DataError
        Nobody of that id has a goal here; the nearest id is named.
    """
    people = sum_goals(step.table("allocation"), "rep_id")
    if rep_id:
        require_labels([rep_id], people["rep_id"], "rep")
        return rep_id
    moves = (people["goal"] - people["base"]).abs()
    return str(people["rep_id"].iloc[int(moves.argmax())]) if moves.notna().any() else ""


def frontier(step: Step) -> pd.DataFrame:
    """Give the frontier of over-assignment: share of people reaching against the team's chance.

    Returns
    -------
    pandas.DataFrame
        ``over_assignment`` (1.0 is none), ``share_reaching``, ``team_chance``.
    """
    people = chances(step, step.table("allocation")).dropna(subset=["expected", "cv"])
    names = ["over_assignment", "share_reaching", "team_chance"]
    if people.empty or not people["expected"].sum() > 0 or not step.inputs.target > 0:
        return pd.DataFrame(columns=names, dtype="float64")
    table = over_assignment_frontier(
        people["expected"],
        people["cv"],
        step.inputs.target,
        correlation=common_cause(step, people),
        own=own_years(step).reindex(people["rep_id"]).set_axis(people.index),
    )
    return pd.DataFrame(
        {
            "over_assignment": 1 + table["over_assignment_share"],
            "share_reaching": table["share_reaching"],
            "team_chance": table["chance_of_target"],
        }
    )


def objectives(step: Step) -> pd.DataFrame:
    """Split with every objective and show the price of each against the proportional split."""
    if step.cells().empty:
        return pd.DataFrame(columns=["objective"])
    settings = step.inputs.settings
    return compare_objectives(
        solved_cells(step),
        step.inputs.target,
        scenario_here(step),
        rounding_unit=settings.rounding_unit,
        today=settings.starts_on,
    )


def allocation_findings(step: Step) -> pd.DataFrame:
    """Give what is odd about the split."""
    allocation = step.allocation()
    if allocation is None:
        return nobody_finding(step) if step.inputs.target else findings_table([])
    found = findings_table(_chance_findings(step))
    return pd.concat([found, allocation.findings], ignore_index=True)


def _chance_findings(step: Step) -> list[dict[str, str]]:
    """Judge whether the goals can be reached by most, before anybody is asked to carry them."""
    likely = chances(step, step.table("allocation"))["chance"].dropna()
    where = step.inputs.region or "company"
    if likely.empty:
        return []
    above, mean = int((likely >= 0.5).sum()), float(likely.mean())
    message = (
        f"{above} of {len(likely)} people are more likely to reach their goal than to miss it; "
        f"the average chance is {mean:.0%}."
    )
    if mean >= 0.5:
        return [finding("allocation.chance", "pass", where, message)]
    advice = (
        "Lower the target, or show what will bring the difference; usual is 60 to 75 % at goal."
    )
    return [finding("allocation.chance", "fail", where, message, advice)]


def metric_year(goals: pd.DataFrame) -> pd.DataFrame:
    """Sum metric goals over the year by person."""
    columns = ["amount", "margin", "sales_needed", "presentations", "proposals", "prospects",
               "hours_needed", "hours_available"]  # fmt: skip
    there = [c for c in columns if c in goals]
    keys = [c for c in ("rep", "rep_id") if c in goals]
    return goals.groupby(keys, as_index=False)[there].sum(min_count=1)
