"""What is expected of everybody, how sure it is, and what goals do to the chances."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from functools import partial

import pandas as pd

from planning_kit.data import read_table
from planning_kit.outlook import ChanceOfTarget, Outlook, baseline_totals, coming_year
from planning_kit.plan import folder_name
from planning_kit.walk.step import Step

OUTLOOK_TABLES = ("outlook", "assumption_effects", "correlations")  # what an outlook is kept in


def outlook_of(step: Step) -> Outlook:
    """Give what the coming year may bring, from the tables of this run where they are kept.

    The company's is the sum of its regions' draws: the same target and goals have the same chance
    in every notebook. Nothing is drawn twice for one step.
    """
    found: Outlook = step.once("outlook", lambda: _kept_outlook(step))
    return found


def _kept_outlook(step: Step) -> Outlook:
    if step.like is not None and step.like.key("outlook") == step.key("outlook"):
        return outlook_of(step.like)  # another target changes nothing in the draws
    if step.like is not None and not step.is_kept("outlook"):
        found: Outlook = step.shared(step.key("outlook"), lambda: estimated_outlook(step))
        return found
    parts = partial(baseline_totals, step.inputs, step.scenario)
    return replace(_of_tables(step, *(step.table(name) for name in OUTLOOK_TABLES)), parts=parts)


def estimated_outlook(step: Step) -> Outlook:
    """Estimate what the coming year may bring; the company's adds up what its regions keep."""
    found: Outlook = step.once("estimated outlook", lambda: _estimate(step))
    return found


def _estimate(step: Step) -> Outlook:
    if not step.inputs.is_company:
        return coming_year(step.inputs, step.scenario)
    parts = (_tables_of(step, region) for region in step.prepared.regions)
    return Outlook.together(_of_tables(step, *tables) for tables in parts)


def _of_tables(
    step: Step, people: pd.DataFrame, effects: pd.DataFrame, pairs: pd.DataFrame
) -> Outlook:
    settings = step.inputs.settings
    return Outlook(people, effects, pairs, settings.rounding_unit, settings.seed)


def _tables_of(step: Step, region: str) -> list[pd.DataFrame]:
    """Give the tables of a region in the same run; opening a region only to read them is dear."""
    folder = step.folder.parent / folder_name(region)
    paths = [folder / "tables" / f"{name}.csv" for name in OUTLOOK_TABLES]
    in_a_run = (step.folder.parent / "manifest.json").is_file()
    if in_a_run and all(path.is_file() for path in paths):
        return [read_table(path) for path in paths]
    return [step.of_region(region).table(name) for name in OUTLOOK_TABLES]


def chances(step: Step, goals: pd.DataFrame) -> pd.DataFrame:
    """Give everybody's chance of reaching the sum of their goals, see `Outlook.chances`."""
    return outlook_of(step).chances(goals)


def frontier(step: Step) -> pd.DataFrame:
    """Give the frontier of over-assignment for the step's target, see `Outlook.frontier`."""
    return outlook_of(step).frontier(step.inputs.target)


def baseline_months(step: Step) -> pd.DataFrame:
    """Give expected results by month with their range, and what all sold in it the year before."""
    months = outlook_of(step).ranges(["month"])
    back = pd.DateOffset(months=12 * -(-len(months) // 12))
    sold = step.inputs.sales.groupby("month")["amount"].sum()
    return months.assign(last_year=(months["month"] - back).map(sold))


def baseline_people(step: Step) -> pd.DataFrame:
    """Give expected results by person with their range, last year's, and how they came about."""
    groups = step.table("baseline").groupby("rep_id")
    table = groups[["last_year", "last_goal"]].sum(min_count=1).reset_index()
    table = table.merge(outlook_of(step).ranges(["rep_id"]), on="rep_id", how="left")
    texts = groups["filled_by"].agg(lambda texts: "; ".join(sorted(set(texts.dropna()))))
    return table.assign(filled_by=table["rep_id"].map(texts))


def target_range(step: Step) -> pd.DataFrame:
    """Give the region's expected result with its range beside the target, one row."""
    return outlook_of(step).ranges().assign(target=step.inputs.target)


def data_until(step: Step) -> date:
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
            "chance that the region reaches the target": (
                f"{chance.probability:.0%} ({chance.low:.0%} to {chance.high:.0%})"
            ),
            "people who reach their goals": (
                f"{chance.share_reaching:.0%} (eight of ten years: {chance.share_low:.0%} to "
                f"{chance.share_high:.0%})"
            ),
            "goals / expectations": f"{chance.k:.2f}",
            "simulation": f"{chance.runs:,} years, seed {chance.seed}",
            "note": chance.note,
        }
    return pd.DataFrame({"what": list(rows), "value": list(rows.values())})
