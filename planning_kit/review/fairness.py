"""Fairness of the goals, and how good the proposals were."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm, rankdata

from planning_kit.plan import Inputs, add_months
from planning_kit.review.attainment import attainment
from planning_kit.review.periods import (
    dated_sales,
    fiscal_year,
    goal_spans,
    main_metric,
    team_of,
    year_windows,
)
from planning_kit.review.statistics import (
    correlation_interval,
    holm,
    permutation_p,
    spearman,
    wilson,
)

FAIRNESS_COLUMNS = ("test", "question", "value", "low", "high", "people", "p", "p_holm", "verdict",
                    "note")  # fmt: skip
PROPOSAL_COLUMNS = ("rep_id", "periods", "years", "proposed", "actual", "own_bias", "weight",
                    "bias", "factor", "low_factor", "high_factor", "note")  # fmt: skip
USUAL_SHARE = (0.60, 0.75)  # of people reach their goal (Harvard Business Review / ZS)
LEAST_PEOPLE = 8  # below it a rank correlation of 0.7 is within chance
MATERIAL = 0.5  # a rank correlation that matters; "fair" needs an interval inside it
ALARM = 0.05
_NEAR = 0.20  # a goal counts as accurate within this share of the result
_TESTS = {
    "size": "Do big territories reach their goals more, or less?",
    "potential": "Does market potential decide who reaches the goal?",
    "tenure": "Does time in the company decide?",
    "manager": "Does the team decide?",
    "ratchet": "Are goals raised more after a good year than lowered after a bad one?",
}


def fairness(inputs: Inputs) -> pd.DataFrame:
    """Test if the reviewed goals were equally hard for everybody, with honest small samples.

    - ``share_at_goal``: share of people who reached the goal with its Wilson 95 % interval,
      against the usual 60 to 75 % (HBR / ZS).
    - ``near_goal``: share of people within 20 % of their goal.
    - ``size``, ``potential``, ``tenure``: rank correlation of attainment with last year's sales
      and the market potential of the territories held, and with months since hiring; p by
      permutation, all tests together adjusted by Holm (1979).
    - ``manager``: spread of mean ranks between teams, p by permutation; ``value`` is the share
      of the ranks' variance that lies between teams.
    - ``ratchet``: ``dQ = a + up x over - down x under`` from one year's goal to the next (Leone,
      Misra and Zimmerman), weighted by 1 / goal squared, since a large goal moves by more;
      ``value`` is ``up - down``, p by permuting the residuals of the model with one slope. Only
      people who kept their territories through both years.

    Parameters
    ----------
    inputs
        A region or the company; the company has more people and can tell more.

    Returns
    -------
    DataFrame
        One row a ``test`` with ``value``, interval, ``people``, ``p``, ``p_holm`` and ``verdict``:
        ``biased`` (adjusted p below 0.05, or the share outside the usual range with its whole
        interval), ``fair`` (no sign of it, and the interval excludes a correlation of 0.5) or
        ``cannot tell``.
    """
    people = goal_people(inputs)
    rows = [_share_at_goal(people), _near_goal(people)]
    tests = {
        name: _dependence(people, name, inputs.settings.seed)
        for name in _TESTS
        if name != "ratchet"
    }
    tests["ratchet"] = _ratchet(inputs)
    adjusted = holm({name: row["p"] for name, row in tests.items()})
    for name, row in tests.items():
        row |= {"test": name, "question": _TESTS[name], "p_holm": adjusted[name]}
        rows.append(row | _judge(row))
    return pd.DataFrame(rows, columns=list(FAIRNESS_COLUMNS)).astype({"note": "str"})


def goal_people(inputs: Inputs) -> pd.DataFrame:
    """List everybody with a goal in the reviewed year, with what fairness is tested against.

    Returns
    -------
    DataFrame
        ``rep_id``, ``goal``, ``actual``, ``attainment``, ``size`` (last year's sales of the
        territories held in the middle of the review, by share; without one the own), ``potential``
        (plan currency a year), ``tenure`` (months since hiring at the middle of the review),
        ``manager``.
    """
    rows = attainment(inputs, ("rep_id",), metric=main_metric(inputs))
    people = rows.loc[rows["goal"] > 0, ["rep_id", "goal", "actual", "attainment"]]
    first, last, back = year_windows(inputs.settings)
    middle = first + (last + pd.offsets.MonthEnd(0) - first) / 2
    months = inputs.sales["month"]
    begins, ends = (pd.Timestamp(add_months(day.date(), -back)) for day in (first, last))
    earlier = inputs.sales[months.between(begins, ends)]
    held = inputs.assignments
    held = held[~(held["starts_on"] > middle) & ~(held["ends_on"] < middle)]
    held = held.merge(
        inputs.territories[["territory_id", "potential"]], on="territory_id", how="left"
    )
    sold = earlier.groupby("territory_id")["amount"].sum()
    share = held["share"].fillna(1.0)
    held = held.assign(
        potential=held["potential"] * share, size=held["territory_id"].map(sold) * share
    )
    sums = held.groupby("rep_id")[["size", "potential"]].sum(min_count=1)
    people = people.merge(sums.reset_index(), on="rep_id", how="left")
    own = people["rep_id"].map(earlier.groupby("rep_id")["amount"].sum())
    hired = inputs.reps.set_index("rep_id")["hired_on"].reindex(people["rep_id"]).to_numpy()
    return people.assign(
        size=people["size"].fillna(own),
        tenure=(middle - pd.Series(hired, people.index)).dt.days / 30.4375,
        manager=people["rep_id"].map(team_of(inputs)).astype("str"),
    ).sort_values("rep_id", ignore_index=True)


def _share_at_goal(people: pd.DataFrame) -> dict[str, Any]:
    reached, count = int((people["attainment"] >= 1).sum()), len(people)
    low, high = wilson(reached, count)
    least, most = USUAL_SHARE
    share = reached / count if count else np.nan
    verdict, note = "cannot tell", f"the usual range is {least:.0%} to {most:.0%}"
    if count and (high < least or low > most):
        verdict = "biased"
    elif count >= 20 and least <= share <= most:
        verdict = "fair"
    return {"test": "share_at_goal", "question": "How many reached their goal?", "value": share,
            "low": low, "high": high, "people": count, "p": np.nan, "p_holm": np.nan,
            "verdict": verdict, "note": note}  # fmt: skip


def _near_goal(people: pd.DataFrame) -> dict[str, Any]:
    near, count = int((people["attainment"] - 1).abs().le(_NEAR).sum()), len(people)
    low, high = wilson(near, count)
    miss = (people["attainment"] - 1).abs().median()
    note = f"half of the goals were off by more than {miss:.0%}" if count else ""
    return {"test": "near_goal", "question": "How many goals were within 20 % of the result?",
            "value": near / count if count else np.nan, "low": low, "high": high, "people": count,
            "p": np.nan, "p_holm": np.nan, "verdict": "", "note": note}  # fmt: skip


def _dependence(people: pd.DataFrame, name: str, seed: int) -> dict[str, Any]:
    known = people.dropna(subset=[name, "attainment"])
    count = len(known)
    row: dict[str, Any] = dict.fromkeys(("value", "low", "high", "p"), np.nan) | {"people": count}
    if count < LEAST_PEOPLE:
        return row | {
            "note": f"{count} people with a goal and a known {name}; {LEAST_PEOPLE} are needed"
        }
    if known["attainment"].nunique() == 1 or known[name].nunique() == 1:
        return row | {"note": f"attainment or {name} is the same for everybody"}
    ranks = rankdata(known["attainment"])
    if name == "manager":
        return row | _between_teams(known["manager"], ranks, seed)
    other = rankdata(known[name])
    centred = (other - other.mean()) / (np.linalg.norm(other - other.mean()))
    p = permutation_p(lambda rows: np.abs((rows - ranks.mean()) @ centred), ranks, seed)
    r = spearman(known["attainment"].to_numpy(), known[name].to_numpy())
    low, high = correlation_interval(r, count)
    return row | {"value": r, "low": low, "high": high, "p": p, "note": ""}


def _between_teams(teams: pd.Series, ranks: np.ndarray, seed: int) -> dict[str, Any]:
    sizes = teams.value_counts()
    if len(sizes) < 2 or sizes.iloc[1] < 3:
        return {"note": "fewer than two teams of three people"}
    marks = pd.get_dummies(teams).to_numpy(dtype=float)
    total = np.sum((ranks - ranks.mean()) ** 2)

    def between(rows: np.ndarray) -> np.ndarray:
        means = (rows @ marks) / marks.sum(axis=0)
        return ((means - ranks.mean()) ** 2) @ marks.sum(axis=0) / total

    return {"value": float(between(ranks[None, :])[0]), "p": permutation_p(between, ranks, seed),
            "note": ""}  # fmt: skip


def _judge(row: dict[str, Any]) -> dict[str, str]:
    p, low, high = (float(row[c]) for c in ("p_holm", "low", "high"))
    if p < ALARM:
        return {"verdict": "biased"}
    if np.isnan(p) or np.isnan(low) or low < -MATERIAL or high > MATERIAL:
        note = str(row.get("note") or "no sign of it, but too few people to rule it out")
        return {"verdict": "cannot tell", "note": note}
    return {"verdict": "fair"}


def yearly_goals(inputs: Inputs) -> pd.DataFrame:
    """Give goal and result of each person and fiscal year, with the days its goals cover."""
    goals = goal_spans(inputs, main_metric(inputs))
    sales = dated_sales(inputs, goals)
    goals = goals[goals["goal"].notna()]
    days = goals.drop_duplicates(["rep_id", "starts_on"]).groupby(["rep_id", "year"])["days"].sum()
    table = goals.groupby(["rep_id", "year"])[["goal"]].sum().join(days)
    column = {"units": "units"}.get(main_metric(inputs), "amount")
    actual = sales[sales["goal_period"].notna()].groupby(["rep_id", "year"])[column].sum()
    return table.join(actual.rename("actual")).fillna({"actual": 0.0}).reset_index()


def ratchet_pairs(inputs: Inputs) -> pd.DataFrame:
    """Pair the goal and result of a year with the next goal of the person, as shares of the goal.

    Only pairs of years whose goals cover about the same number of days, and in which the person
    took over or gave away no territory, are kept.
    """
    years = yearly_goals(inputs)
    later = years.assign(year=years["year"] - 1)[["rep_id", "year", "goal", "days"]]
    pairs = years[years["goal"] > 0].merge(later, on=["rep_id", "year"], suffixes=("", "_next"))
    pairs = pairs[(pairs["days_next"] / pairs["days"]).between(0.9, 1.1)]
    pairs = pairs[~_moved(inputs, pairs)]
    gap = pairs["actual"] / pairs["goal"] - 1
    return pairs.assign(
        change=pairs["goal_next"] / pairs["goal"] - 1,
        over=gap.clip(lower=0),
        under=(-gap).clip(lower=0),
    ).sort_values(["rep_id", "year"], ignore_index=True)


def _moved(inputs: Inputs, pairs: pd.DataFrame) -> pd.Series:
    """Say whose territories changed between the first day of a year and the end of the next."""
    first_month = inputs.settings.starts_on.month
    held = inputs.assignments.merge(pairs.reset_index()[["index", "rep_id", "year"]], on="rep_id")
    parts = {"year": held["year"], "month": first_month, "day": 1}
    begins = pd.to_datetime(pd.DataFrame(parts, index=held.index))
    ends = begins + pd.DateOffset(years=2)
    changes = held["starts_on"].gt(begins) & held["starts_on"].lt(ends)
    changes |= held["ends_on"].ge(begins) & held["ends_on"].lt(ends - pd.Timedelta(days=1))
    return pd.Series(pairs.index.isin(held.loc[changes, "index"]), pairs.index)


def _ratchet(inputs: Inputs) -> dict[str, Any]:
    pairs = ratchet_pairs(inputs)
    count = len(pairs)
    row: dict[str, Any] = dict.fromkeys(("value", "low", "high", "p"), np.nan) | {"people": count}
    sides = int(min((pairs["over"] > 0).sum(), (pairs["under"] > 0).sum()))
    if count < 2 * LEAST_PEOPLE or sides < 4:
        return row | {"note": f"{count} pairs of years, {sides} on the rarer side of the goal; "
                              f"{2 * LEAST_PEOPLE} and 4 are needed"}  # fmt: skip
    over, under, change = (pairs[c].to_numpy() for c in ("over", "under", "change"))
    constant = (pairs["goal"].mean() / pairs["goal"]).to_numpy()
    one = np.stack([constant, over - under], axis=1)
    both = np.stack([constant, over, -under], axis=1)
    weights = np.linalg.pinv(both)
    up_down = weights[1] - weights[2]
    fitted = one @ np.linalg.lstsq(one, change, rcond=None)[0]
    p = permutation_p(
        lambda rows: np.abs((fitted + rows) @ up_down), change - fitted, inputs.settings.seed
    )
    slopes = weights @ change
    left = change - both @ slopes
    leverage = np.einsum("ij,ji->i", both, weights)
    error = np.sqrt(np.sum((up_down * left / (1 - leverage.clip(max=0.99))) ** 2))
    value, half = float(slopes[1] - slopes[2]), float(norm.ppf(0.975) * error)
    note = f"raised by {slopes[1]:.2f} of what was over, lowered by {slopes[2]:.2f} of what lacked"
    return row | {"value": value, "low": value - half, "high": value + half, "p": p, "note": note}


def proposal_bias(inputs: Inputs) -> pd.DataFrame:
    """Measure how far each person's past proposals were from the results, shrunk to the group.

    ``own_bias`` is the mean of ``ln(actual / proposed)``: above 0 the person proposed too little.
    Periods in which somebody was hired or left are not compared. It is drawn to the group's mean
    by ``w = T / (T + s / n)`` with the variance between people
    ``T`` and within a person ``s``. Somebody with fewer than two years gets the group's value.

    Parameters
    ----------
    inputs
        Needs proposals of past periods, and sales in them.

    Returns
    -------
    DataFrame
        ``periods`` and ``years`` compared, ``proposed`` and ``actual`` sums (plan currency),
        ``own_bias``, ``weight``, ``bias``, ``factor`` (a proposal times it is the expected
        result) with an 80 % range, and a ``note`` where history is short. No rows without
        proposals.
    """
    past = _proposed_and_sold(inputs)
    if past.empty:
        return pd.DataFrame(columns=list(PROPOSAL_COLUMNS))
    past["bias"] = np.log(past["actual"] / past["proposed"])
    groups = past.groupby("rep_id")
    table = groups.agg(periods=("bias", "size"), years=("year", "nunique"),
                       proposed=("proposed", "sum"), actual=("actual", "sum"),
                       own_bias=("bias", "mean"))  # fmt: skip
    within, between, middle = _variances(past, table)
    enough = table["years"] >= 2
    weight = (between / (between + within / table["periods"])) if between > 0 else 0.0
    table["weight"] = pd.Series(weight, table.index).where(enough, 0.0)
    table["bias"] = table["weight"] * table["own_bias"] + (1 - table["weight"]) * middle
    doubt = np.sqrt((1 - table["weight"]) * between + within)
    half = norm.ppf(0.9) * doubt
    table["factor"] = np.exp(table["bias"])
    table["low_factor"], table["high_factor"] = (
        np.exp(table["bias"] - half),
        np.exp(table["bias"] + half),
    )
    note = "fewer than two years of proposals: the group's value"
    table["note"] = pd.Series(np.where(enough, "", note), table.index, dtype="str")
    return table.reset_index()[list(PROPOSAL_COLUMNS)]


def _proposed_and_sold(inputs: Inputs) -> pd.DataFrame:
    """Pair what was proposed for a past period with what was sold of the same products in it."""
    given = inputs.proposals[inputs.proposals["proposed"].notna()].reset_index(drop=True)
    given = given[given["ends_on"] < pd.Timestamp(inputs.settings.starts_on)]
    people = inputs.reps.set_index("rep_id")[["hired_on", "left_on"]].reindex(given["rep_id"])
    late = people["hired_on"].to_numpy() > given["starts_on"].to_numpy()
    given = given[~late & ~(people["left_on"].to_numpy() < given["ends_on"].to_numpy())]
    given = given.assign(row=given.index)
    sales = inputs.sales.rename(columns={"product_id": "sold_id", "product_line": "sold_line"})
    both = given.merge(sales[["rep_id", "month", "sold_id", "sold_line", "amount"]], on="rep_id")
    middle = both["month"] + pd.Timedelta(days=14)
    fits = middle.between(both["starts_on"], both["ends_on"])
    fits &= both["product_id"].isna() | both["product_id"].eq(both["sold_id"])
    fits &= both["product_line"].isna() | both["product_line"].eq(both["sold_line"])
    given["actual"] = both[fits].groupby("row")["amount"].sum().reindex(given["row"]).to_numpy()
    periods = given.groupby(["rep_id", "starts_on"], as_index=False)[["proposed", "actual"]].sum()
    periods["year"] = fiscal_year(periods["starts_on"], inputs.settings)
    return periods[(periods["proposed"] > 0) & (periods["actual"] > 0)].reset_index(drop=True)


def _variances(past: pd.DataFrame, table: pd.DataFrame) -> tuple[float, float, float]:
    """Give the variance within and between people, by moments, and the group's mean."""
    left = past["bias"] - past.groupby("rep_id")["bias"].transform("mean")
    free = len(past) - len(table)
    within = float((left**2).sum() / free) if free > 0 else 0.0
    middle = float(table["own_bias"].mean())
    spread = float(table["own_bias"].var(ddof=1)) if len(table) > 1 else 0.0
    return within, max(0.0, spread - within * float((1 / table["periods"]).mean())), middle
