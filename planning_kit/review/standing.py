"""Were the goals right for small and large territories, for every team and for each person."""

from __future__ import annotations

import numpy as np
import pandas as pd

from planning_kit.data import Region, cached
from planning_kit.numbers.intervals import Z80
from planning_kit.numbers.statistics import robust_z
from planning_kit.review.fairness import (
    BUCKETS,
    LEAST_PEOPLE,
    fairness,
    goal_people,
    size_bucket,
    yearly_goals,
)
from planning_kit.review.periods import fiscal_year
from planning_kit.review.proposals import variances

BUCKET_COLUMNS = (
    "bucket",
    "people",
    "size_from",
    "size_to",
    "least",
    "low",
    "median",
    "high",
    "most",
    "reached_share",
    "p",
    "verdict",
    "note",
)
TEAM_COLUMNS = (
    "manager_id",
    "people",
    "own_share",
    "weight",
    "effect_share",
    "low_share",
    "high_share",
    "verdict",
)
GOAL_COLUMNS = (
    "rep_id",
    "goal",
    "last_result",
    "last_goal",
    "to_result_share",
    "to_goal_share",
    "z_result",
    "z_goal",
    "verdict",
)
OUT_OF_LINE = 2.5  # robust deviations from the median, on both comparisons
WORTH_A_LOOK = 0.10  # and at least this far from the usual rise on both


def size_buckets(inputs: Region) -> pd.DataFrame:
    """Show attainment of the smallest 20 %, the middle 60 % and the largest 20 % of territories.

    This finds what a correlation does not: small and large both out of line. Size is as in
    `goal_people`. The test permutes attainment and takes the bucket whose mean rank lies
    furthest out; it is the row ``buckets`` of `fairness`.

    Returns
    -------
    DataFrame
        Each bucket's ``people``, sizes (plan currency), attainment (``least``, ``low`` quartile,
        ``median``, ``high`` quartile, ``most``), ``reached_share``, and of all three together
        ``p`` (adjusted for all tests), ``verdict`` and ``note`` as in `fairness`. No rows with
        fewer than five people.
    """
    people = goal_people(inputs).dropna(subset=["size", "attainment"])
    if len(people) < 5:
        return pd.DataFrame(columns=list(BUCKET_COLUMNS))
    people = people.assign(bucket=size_bucket(people))
    groups = people.groupby("bucket")
    table = (
        groups["size"]
        .agg(["size", "min", "max"])
        .set_axis(["people", "size_from", "size_to"], axis=1)
    )
    for name, share in zip(BUCKET_COLUMNS[4:9], (0, 0.25, 0.5, 0.75, 1), strict=True):
        table[name] = groups["attainment"].quantile(share)
    table["reached_share"] = (people["attainment"] >= 1).groupby(people["bucket"]).mean()
    row = fairness(inputs).set_index("test").loc["buckets"]
    table = table.assign(
        bucket=list(BUCKETS), p=row["p_holm"], verdict=row["verdict"], note=row["note"]
    )
    return table.reset_index(drop=True)[list(BUCKET_COLUMNS)]


def manager_effects(inputs: Region) -> pd.DataFrame:
    """Estimate how far each team's attainment lies from the others', shrunk where teams are small.

    ``own_share`` is the team's mean log attainment against the mean of all teams; it is drawn to
    0 by ``w = T / (T + s / n)`` with the variance between teams ``T`` and within a team ``s``
    (by moments), so that two lucky people are not an effect of their manager.

    Returns
    -------
    DataFrame
        ``people`` with goal and result, ``own_share``, ``weight``, ``effect_share`` with an 80 %
        range (0.05: 5 % above the other teams) and ``verdict``: above or below (its range, where
        `fairness` says that teams differ), or cannot tell. No rows with fewer than two teams.
    """
    people = goal_people(inputs)
    people = people[(people["actual"] > 0) & people["manager"].notna()]
    people = people.assign(bias=np.log(people["attainment"]), manager_id=people["manager"])
    groups = people.groupby("manager_id")
    table = groups.agg(own_bias=("bias", "mean"), periods=("bias", "size"))
    if len(table) < 2:
        return pd.DataFrame(columns=list(TEAM_COLUMNS))
    within, between, middle = variances(people, "manager_id")
    weight = between / (between + within / table["periods"]) if between > 0 else 0.0
    table["weight"] = pd.Series(weight, table.index)
    off = table["own_bias"] - middle
    half = Z80 * np.sqrt((1 - table["weight"]) * between)
    effect = table["weight"] * off
    table = table.assign(
        people=table["periods"],
        own_share=np.expm1(off),
        effect_share=np.expm1(effect),
        low_share=np.expm1(effect - half),
        high_share=np.expm1(effect + half),
    ).reset_index()
    differ = bool(fairness(inputs)["verdict"].eq("teams differ").any())
    sides = [differ & (table["low_share"] > 0), differ & (table["high_share"] < 0)]
    return table.assign(verdict=np.select(sides, ["above", "below"], "cannot tell"))[
        list(TEAM_COLUMNS)
    ]


@cached
def goal_outliers(inputs: Region) -> pd.DataFrame:
    """Find reviewed goals out of line against both last year's result and last year's goal.

    The log of goal over the person's result of the year before, and over the goal of the year
    before, is compared with everybody's median; out of line is who lies more than 2.5 robust
    deviations and 10 % away on the same side of both. Only people whose goals cover about the
    same days in both years. Many outliers say that the method is wrong, not the people.

    Returns
    -------
    DataFrame
        ``goal``, ``last_result`` and ``last_goal`` (unit of the goals), both rises as shares,
        their robust distances, and ``verdict`` (too high, too low, in line, cannot tell), the
        furthest first. No rows without goals of two years.
    """
    years = yearly_goals(inputs)
    reviewed = fiscal_year(
        pd.Series([pd.Timestamp(inputs.settings.review_ends_on)]), inputs.settings
    ).iloc[0]
    now = years.loc[years["year"] == reviewed, ["rep_id", "goal", "days"]]
    last = years[years["year"] == reviewed - 1].rename(columns={"actual": "last_result"})
    pairs = now.merge(last, on="rep_id", suffixes=("", "_last"))
    pairs = pairs.rename(columns={"goal_last": "last_goal"})
    pairs = pairs[(pairs[["goal", "last_goal", "last_result"]] > 0).all(axis=1)]
    pairs = pairs[(pairs["days"] / pairs["days_last"]).between(0.9, 1.1)]
    same = [pd.Series("all", pairs.index)]
    high = low = pd.Series(True, pairs.index)
    for name in ("result", "goal"):
        rise = np.log(pairs["goal"] / pairs[f"last_{name}"])
        middle, z = robust_z(rise, same)
        pairs[f"to_{name}_share"], pairs[f"z_{name}"] = np.expm1(rise), z.fillna(0.0)
        far = (rise - middle).abs() >= np.log1p(WORTH_A_LOOK)
        high, low = high & far & (z >= OUT_OF_LINE), low & far & (z <= -OUT_OF_LINE)
    verdict = np.select([high, low], ["too high", "too low"], "in line")
    pairs["verdict"] = verdict if len(pairs) >= LEAST_PEOPLE else "cannot tell"
    order = pairs[["z_result", "z_goal"]].abs().min(axis=1)
    pairs = pairs.assign(order=-order).sort_values(["order", "rep_id"], ignore_index=True)
    return pairs[list(GOAL_COLUMNS)]
