"""What is expected of everybody, how sure it is, and what goals do to the chances."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd

from planning_kit import assumptions, outlook
from planning_kit.allocation import chance_of_reaching, over_assignment_frontier
from planning_kit.assumptions import ChanceOfTarget
from planning_kit.walk.step import Step

_USUAL_CORRELATION = 0.2  # between two people of a team, where nothing tells it
EIGHT_OF_TEN = 1.2815515655446004  # standard deviations to each side that hold 80 %


def outlook_table(step: Step) -> pd.DataFrame:
    """Give what to expect of everybody, and of the whole region.

    Returns
    -------
    pandas.DataFrame
        ``rep_id`` (empty: the whole region), ``expected``, ``low``, ``high`` (80 % range),
        ``middle`` (the year that half of the years reach) and ``spread`` (of its logarithm; both
        of people only); plan currency.
    """
    parts = [outlook.baseline_totals(step.inputs, step.scenario, by) for by in (["rep_id"], [])]
    years = assumptions.person_years(step.inputs, step.scenario)[["rep_id", "middle", "spread"]]
    people = parts[0].merge(years, on="rep_id", how="outer")
    whole = parts[1].assign(rep_id=pd.Series(pd.NA, parts[1].index, dtype="str"))
    numbers = ["expected", "low", "high", "middle", "spread"]
    rows = pd.concat([people, whole], ignore_index=True).reindex(columns=["rep_id", *numbers])
    return rows.astype({"rep_id": "str", **dict.fromkeys(numbers, "float64")})


def own_years(step: Step) -> pd.DataFrame:
    """Give the lognormal of everybody's own year by rep_id: ``likely`` (its mean), ``cv``, ``over``.

    The mean lies above the expected result (``over``, as a multiple): those who leave are not in
    it, as they do not make the usual year worse.
    """
    years = step.years().set_index("rep_id")
    square = years["spread"] ** 2
    likely = years["middle"] * np.exp(square / 2)
    over = likely / years["expected"].where(years["expected"] > 0)
    return pd.DataFrame({"likely": likely, "cv": np.sqrt(np.expm1(square)), "over": over})


def chances(step: Step, goals: pd.DataFrame) -> pd.DataFrame:
    """Give everybody's chance of reaching the sum of their goals.

    Returns
    -------
    pandas.DataFrame
        ``rep_id``, ``goal``, ``expected`` and ``cv`` (the person's part of the region's result),
        ``middle`` (the year that half of the years reach) and ``chance``; one row a person.
    """
    people = step.ranges("rep_id").set_index("rep_id")
    sums = goals.groupby("rep_id")["goal"].sum(min_count=1)
    people = people.reindex(sums.index.union(people.index)).assign(goal=sums)
    deviation = (people["high"] - people["low"]) / (2 * EIGHT_OF_TEN)
    people["cv"] = (deviation / people["expected"]).where(people["expected"] > 0)
    people["middle"] = step.years().set_index("rep_id")["middle"]
    own = own_years(step).reindex(people.index)
    people["chance"] = chance_of_reaching(own["likely"], own["cv"], people["goal"])
    return people.reset_index()[["rep_id", "goal", "expected", "cv", "middle", "chance"]]


def common_cause(step: Step, people: pd.DataFrame) -> float:
    """Give the correlation between people's results that the ranges of the baseline imply.

    With people's standard deviations ``s`` and the region's ``S``: the ``r`` for which
    ``S^2 = (1 - r) sum s^2 + r (sum s)^2``, between 0 and 1; 0.2 where it cannot be told.

    Parameters
    ----------
    people
        ``expected`` and ``cv`` of everybody, from `chances`.
    """
    total = step.ranges()
    each = (people["expected"] * people["cv"]).dropna()
    apart, together = float((each**2).sum()), float(each.sum()) ** 2
    if total.empty or len(each) < 2 or not together > apart:
        return _USUAL_CORRELATION
    whole = float(total["high"].iloc[0] - total["low"].iloc[0]) / (2 * EIGHT_OF_TEN)
    return min(1.0, max(0.0, (whole**2 - apart) / (together - apart)))


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
