"""How high goals were against results over all years with goals: the first thing to know."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from planning_kit.data import Region, cached
from planning_kit.review.attainment import attainment
from planning_kit.review.periods import first_of_month, goal_spans, main_metric

FEW = 4  # people; fewer say nothing about the goals
FAR = 0.10  # a person or a company this far from its goals is far off
NEAR = 0.05  # a level this near to the goals is right
ONE_SIDED = 0.75  # share of people on one side from where on the goals were off, not people


@dataclass(frozen=True)
class Level:
    """Results over goals, of everybody who had a goal, over all years with goals and sales.

    Attributes
    ----------
    goal, actual : float
        Sums, unit of the goals.
    years : dict of str to float
        Attainment by fiscal year (``2025``, or ``2024/25``).
    people : pandas.Series
        Attainment of each person over these years, by rep_id.
    """

    goal: float
    actual: float
    years: dict[str, float]
    people: pd.Series

    @property
    def share(self) -> float:
        """Give the attainment of the whole; 1.0 is the goal."""
        return self.actual / self.goal

    @property
    def beside(self) -> int:
        """Count the people on the same side of their goals as the whole."""
        reached = self.people.round(9) >= 1  # sums of cents are not exact
        return int((reached if self.share >= 1 else ~reached).sum())

    @property
    def far(self) -> int:
        """Count those of them who are off by more than a tenth."""
        off = self.people - 1
        return int(((off > FAR) if self.share >= 1 else (off < -FAR)).sum())

    @property
    def verdict(self) -> str:
        """Say if goals were right, too low or too high; ``""`` where people differ or are few."""
        if abs(self.share - 1) <= NEAR:
            return "right"
        if len(self.people) < FEW or self.beside < ONE_SIDED * len(self.people):
            return ""
        return "too low" if self.share > 1 else "too high"

    @property
    def status(self) -> str:
        """Give the status of a finding: a level far off is never a pass, also above the goals."""
        off = abs(self.share - 1)
        if off <= NEAR:
            return "pass"
        return "fail" if self.verdict and off > FAR else "review"

    @property
    def over(self) -> str:
        """Name the time in words."""
        if len(self.years) == 1:
            return f"in {next(iter(self.years))}, the only year with goals"
        return f"over {len(self.years)} years"

    @property
    def counted(self) -> str:
        """Count the people on the side of the whole, and how far they were."""
        side = "at or above their goals" if self.share >= 1 else "below their goals"
        count = len(self.people)
        everybody = {1: "the only person", 2: "both people"}.get(count, f"all {count} people")
        who = everybody if self.beside == count else f"{self.beside} of {count} people"
        return f"{who} {side}, {self.far} by more than {FAR:.0%}"


@cached
def goal_level_of_years(inputs: Region) -> Level | None:
    """Hold the results of everybody with a goal against the goals, over all years with both.

    Goals that lie before the first sale or after the reviewed period are left out: nothing could
    be known of them.

    Returns
    -------
    Level or None
        None without a goal above 0.
    """
    metric = main_metric(inputs)
    spans = goal_spans(inputs, metric)
    inside = spans["middle"] < inputs.review_months[1] + pd.DateOffset(months=1)
    inside &= first_of_month(spans["middle"]) >= inputs.sales["month"].min()
    years = spans[inside].drop_duplicates(["rep_id", "starts_on"])[["rep_id", "starts_on", "year"]]
    rows = attainment(inputs, ("goal_period", "rep_id"), metric=metric, years="all")
    rows = rows[rows["goal"].notna()].merge(
        years.rename(columns={"starts_on": "goal_period"}), on=["goal_period", "rep_id"]
    )
    people = rows.groupby("rep_id")[["goal", "actual"]].sum()
    people = people[people["goal"] > 0]
    rows = rows[rows["rep_id"].isin(people.index)]
    sums = rows.groupby("year")[["goal", "actual"]].sum()
    sums = sums[sums["goal"] > 0]
    if sums.empty:
        return None
    january = inputs.settings.starts_on.month == 1
    named = {
        str(row["year"]) if january else f"{row['year']}/{(row['year'] + 1) % 100:02d}": float(
            row["actual"] / row["goal"]
        )
        for row in sums.reset_index().to_dict("records")
    }
    goal, actual = (float(sums[name].sum()) for name in ("goal", "actual"))
    return Level(goal, actual, named, people["actual"] / people["goal"])


def level_words(level: Level) -> str:
    """Say the level in one sentence: what it says of the goals, how sure, in which years."""
    head = {
        "right": "Goals and results were on one level",
        "too low": "Goals were too low",
        "too high": "Goals were too high",
    }.get(level.verdict, f"Results were {'above' if level.share > 1 else 'below'} the goals")
    each = ", ".join(f"{year}: {share:.0%}" for year, share in list(level.years.items())[-5:])
    years = f" ({each})" if len(level.years) > 1 else ""
    middle = float(np.median(level.people))
    text = (
        f"{head}: {level.share:.0%} of target {level.over}{years}; {level.counted}, the person in "
        f"the middle came to {middle:.0%}."
    )
    if level.verdict or abs(level.share - 1) <= FAR:
        return text
    if len(level.people) < FEW:
        return f"{text} With so few it cannot be told if goals or people were off."
    return f"{text} Not everybody went along: look at people before the level of all goals."
