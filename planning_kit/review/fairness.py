"""Fairness of the goals."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binom, norm, rankdata, t

from planning_kit.data import Region, cached
from planning_kit.numbers.statistics import (
    correlation_interval,
    holm,
    permutation_p,
    spearman,
    wilson,
)
from planning_kit.plan import add_months, months_between
from planning_kit.review.attainment import attainment
from planning_kit.review.periods import dated_sales, goal_spans, main_metric, team_of, year_windows

FAIRNESS_COLUMNS = (
    "test",
    "question",
    "value",
    "low",
    "high",
    "people",
    "p",
    "p_holm",
    "verdict",
    "note",
)
LEVEL_COLUMNS = ("what", "level", "share_at_goal", "low", "high", "people", "verdict")
USUAL_SHARE = (0.60, 0.75)  # of people reach their goal (Harvard Business Review / ZS)
LEAST_PEOPLE = 8  # below it a rank correlation of 0.7 is within chance
_COMING = "coming target, results as in the review"
# "fair" needs an interval inside it. A rank correlation of 0.3 puts 6 instead of 5 of 10 large
# territories in the better half; slopes 0.3 apart move a goal by 3 % after a year 10 % off.
MATERIAL = 0.3
OFF_LEVEL = 0.10  # a level of goals this far from the typical result matters
ALARM = 0.05
_NEAR = 0.20  # a goal counts as accurate within this share of the result
_LEVEL = "share_at_goal"
_TESTS = {
    _LEVEL: "How many reached their goal?",
    "size": "Do big territories reach their goals more, or less?",
    "potential": "Does market potential decide who reaches the goal?",
    "tenure": "Does time in the company decide?",
    "manager": "Does the team decide?",
    "buckets": "Are the smallest or the largest territories out of line?",
    "ratchet": "Are goals raised more after a good year than lowered after a bad one?",
}
BUCKETS = {"smallest 20 %": 0.2, "middle 60 %": 0.8, "largest 20 %": 1.0}


@partial(cached, asks_target=True)
def fairness(inputs: Region) -> pd.DataFrame:
    """Test if the reviewed goals were equally hard for everybody, with honest small samples.

    - ``share_at_goal``: share of people who reached the goal with its Wilson 95 % interval. Its p
      is a sign test of the level: did fewer than half reach even a goal 10 % lower, or more than
      half even one 10 % higher? The usual share is 60 to 75 % (HBR / ZS).
    - ``near_goal``: share of people within 20 % of their goal.
    - ``size``, ``potential``, ``tenure``: rank correlation of attainment with size and market
      potential of the territories held (see `goal_people`), and with months since hiring; p by
      permuting the normal scores of attainment's ranks (van der Waerden 1952).
    - ``manager``: spread of mean ranks between teams, p by permutation; ``value`` is the share
      of the ranks' variance that lies between teams.
    - ``buckets``: the outer fifths by size, see `size_buckets`; ``value`` is how far the mean rank
      of the bucket furthest out lies from the middle, in its standard errors.
    - ``ratchet``: ``dQ = a + g Q + up x over - down x under`` from one year's goal to the next
      (Leone, Misra and Zimmerman, with growth ``g`` of each year, else a company that grows looks
      biased), weighted by 1 / goal squared, since a large goal moves by more; ``value`` is
      ``up - down``, p by permuting the residuals of the model with one slope. Only people who
      kept their territories through both years.

    Parameters
    ----------
    inputs
        A region or the company; the company has more people and can tell more.

    Returns
    -------
    DataFrame
        One row a ``test`` with ``value``, interval, ``people``, ``p``, ``p_holm`` (all tests are
        one family, Holm 1979) and ``verdict``: ``biased`` (adjusted p below 0.05), ``fair`` (the
        interval excludes a correlation, or a difference of slopes, of 0.3) or ``cannot tell``. The
        level is ``too high``, ``too low`` or ``fair`` (within 10 %). Teams that ``differ`` may do
        so by goals, by market or by manager, which one year cannot tell apart; nothing is said
        where each team is a region of its own.
    """
    people = goal_people(inputs)
    seed = inputs.settings.seed
    tests: dict[str, dict[str, Any]] = {_LEVEL: _share_at_goal(inputs)}
    for name in ("size", "potential", "tenure", "manager", "buckets"):
        tests[name] = _dependence(people, name, seed)
    for name in ("size", "buckets"):
        if pd.notna(tests[name]["p"]) and (note := _coupled(inputs, people)):
            tests[name] |= {"p": np.nan, "low": np.nan, "high": np.nan, "note": note}
    if pd.notna(tests["manager"]["p"]) and (note := _are_regions(inputs, people)):
        tests["manager"] |= {"p": np.nan, "note": note}
    tests["ratchet"] = _ratchet(inputs)
    adjusted = holm({name: row["p"] for name, row in tests.items()})
    rows = []
    for name, row in tests.items():
        row |= {"test": name, "question": _TESTS[name], "p_holm": adjusted[name]}
        rows.append(row | (_judge_level(inputs, row) if name == _LEVEL else _judge(row)))
    rows.insert(1, _near_goal(people))
    return pd.DataFrame(rows, columns=list(FAIRNESS_COLUMNS)).astype({"note": "str"})


@cached
def goal_people(inputs: Region) -> pd.DataFrame:
    """List everybody with a goal in the reviewed year, with what fairness is tested against.

    Returns
    -------
    DataFrame
        ``rep_id``, ``goal``, ``actual``, ``attainment``, ``size`` (sales of the territories held in
        the middle of the review, by share; without one the own; of the year before last, or of last
        year where the data begin with it: goals are often made from last year's sales, and luck
        that is in both moves attainment against size), ``potential`` (plan currency a year),
        ``tenure`` (months since hiring at the middle of the review), ``manager``.
    """
    rows = attainment(inputs, ("rep_id",), metric=main_metric(inputs))
    people = rows.loc[rows["goal"] > 0, ["rep_id", "goal", "actual", "attainment"]]
    first, last, back = year_windows(inputs)
    middle = first + (last + pd.offsets.MonthEnd(0) - first) / 2
    earlier = _sold_before(inputs, 2 * back if _is_older_known(inputs) else back)
    held = inputs.held_on(middle).merge(
        inputs.territories[["territory_id", "potential"]], on="territory_id", how="left"
    )
    sold = earlier.groupby("territory_id")["amount"].sum()
    share = held["share"]
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


def _sold_before(inputs: Region, back: int) -> pd.DataFrame:
    first, last, _ = year_windows(inputs)
    begins, ends = (pd.Timestamp(add_months(day.date(), -back)) for day in (first, last))
    return inputs.sales[inputs.sales["month"].between(begins, ends)]


def _is_older_known(inputs: Region) -> bool:
    """Say if the sales reach back to the whole year before last year."""
    first, _, back = year_windows(inputs)
    begins = pd.Timestamp(add_months(first.date(), -2 * back))
    return len(inputs.sales) > 0 and inputs.sales["month"].min() <= begins


def _coupled(inputs: Region, people: pd.DataFrame) -> str:
    """Say why size cannot be tested: nothing measures it but the sales that made the goals.

    Of what last year's sales lie above the results, the part that lies in the goals too is 0
    where goals do not follow last year's luck and 1 where they are those sales.
    """
    if _is_older_known(inputs):
        return ""
    last = _sold_before(inputs, year_windows(inputs)[2]).groupby("rep_id")["amount"].sum()
    known = people.assign(last=people["rep_id"].map(last))[["goal", "actual", "last"]]
    logs = np.log(known[(known > 0).all(axis=1)])
    above = logs["last"] - logs["actual"]
    if len(logs) < 3 or above.var() == 0:
        return ""
    follows = (logs["goal"] - logs["actual"]).cov(above) / above.var()
    return (
        "goals follow last year's sales, the only measure of size here: what was luck in them "
        "moves attainment against size"
        if follows > 0.5
        else ""
    )


def goal_level(inputs: Region) -> pd.DataFrame:
    """Say what share of people a level of goals lets reach theirs, against the usual range.

    The reviewed results are held against the reviewed goals times a level: 1.0 is the year as it
    was, the coming target is its ratio to the reviewed goals (brought to the same months), as if
    everybody's goal moved in proportion and results stayed as they were.

    Returns
    -------
    DataFrame
        ``level`` (of the reviewed goals), ``share_at_goal`` with its Wilson 95 % interval, the
        number of ``people``, ``verdict`` against 60 to 75 %: of the reviewed year, of the coming
        target, and the levels at which 60 and 75 % would have reached their goal.
    """
    rates = goal_people(inputs)["attainment"]
    plan = inputs.settings
    reviewed = attainment(inputs, ())["goal"].sum()
    months = months_between(plan.starts_on, plan.ends_on) / months_between(
        plan.review_starts_on, plan.review_ends_on
    )
    rows = [_at_level("reviewed year", 1.0, rates)]
    if reviewed > 0:
        level = inputs.target / (reviewed * months)
        rows.append(_at_level(_COMING, level, rates))
    for wanted in USUAL_SHARE if len(rates) >= LEAST_PEOPLE else ():
        level = float(rates.quantile(1 - wanted, interpolation="lower"))
        rows.append(_at_level(f"level that lets {wanted:.0%} reach it", level, rates))
    return pd.DataFrame(rows, columns=list(LEVEL_COLUMNS))


def _at_level(what: str, level: float, rates: pd.Series) -> dict[str, Any]:
    reached, count = int((rates >= level).sum()), len(rates)
    low, high = wilson(reached, count)
    least, most = USUAL_SHARE
    share = reached / count if count else np.nan
    fits = "in the usual range" if count >= 20 and least <= share <= most else "cannot tell"
    verdict = "below the usual range" if high < least else fits
    verdict = "above the usual range" if low > most else verdict
    return dict(zip(LEVEL_COLUMNS, (what, level, share, low, high, count, verdict), strict=True))


def _share_at_goal(inputs: Region) -> dict[str, Any]:
    rows = goal_level(inputs).to_dict("records")
    now, note = rows[0], f"the usual range is {USUAL_SHARE[0]:.0%} to {USUAL_SHARE[1]:.0%}"
    if now["people"] and len(rows) > 1 and rows[1]["what"] == _COMING:
        note += f"; the coming target lets {rows[1]['share_at_goal']:.0%} reach theirs if "
        note += "results stay as they were"
    chances = _level_chances(goal_people(inputs)["attainment"])
    return {
        "note": note,
        "value": now["share_at_goal"],
        "low": now["low"],
        "high": now["high"],
        "people": now["people"],
        "p": min(1.0, 2 * min(chances[:2])) if now["people"] else np.nan,
        "chances": chances,
    }


def _level_chances(rates: pd.Series) -> tuple[float, float, float, float]:
    """Give four chances, if half of the people were above.

    Of as few above a goal 10 % lower, as many above one 10 % higher (it is off); of as many above
    the lower, as few above the higher one (it is not).
    """
    count = len(rates)
    easy, hard = (int((rates >= 1 + off).sum()) for off in (-OFF_LEVEL, OFF_LEVEL))
    few, many = binom.cdf(easy, count, 0.5), binom.sf(hard - 1, count, 0.5)
    return few, many, binom.sf(easy - 1, count, 0.5), binom.cdf(hard, count, 0.5)


def _judge_level(inputs: Region, row: dict[str, Any]) -> dict[str, str]:
    """Call the goals too high or too low where every year known says so, else the year was odd."""
    few, many, above, below = row.pop("chances")
    if float(row["p_holm"]) < ALARM:
        rates = _level_of_years(inputs)
        verdict, otherwise = ("too high", rates >= 1) if few < many else ("too low", rates <= 1)
        if not otherwise.any():
            return {"verdict": verdict}
        told = ", ".join(f"{rate:.0%} in {year}" for year, rate in rates[otherwise].items())
        note = f"{row['note']}; not so in other years ({told} of all goals)"
        return {"verdict": "cannot tell", "note": note}
    is_fair = row["people"] >= LEAST_PEOPLE and max(above, below) < ALARM / 2
    return {"verdict": "fair" if is_fair else "cannot tell"}


def _level_of_years(inputs: Region) -> pd.Series:
    """Give results over goals of each whole year with sales up to the reviewed one."""
    years = yearly_goals(inputs).groupby("year")[["goal", "actual"]].sum()
    month, sold = inputs.settings.starts_on.month, inputs.sales["month"]
    begins = [pd.Timestamp(int(year), month, 1) for year in years.index]
    known = np.array([sold.min() <= day <= inputs.review_months[1] for day in begins], dtype=bool)
    return (years["actual"] / years["goal"])[known & (years["goal"] > 0)]


def _near_goal(people: pd.DataFrame) -> dict[str, Any]:
    near, count = int((people["attainment"] - 1).abs().le(_NEAR).sum()), len(people)
    low, high = wilson(near, count)
    miss = (people["attainment"] - 1).abs().median()
    note = f"half of the goals were off by more than {miss:.0%}" if count else ""
    return {
        "test": "near_goal",
        "question": "How many goals were within 20 % of the result?",
        "value": near / count if count else np.nan,
        "low": low,
        "high": high,
        "people": count,
        "p": np.nan,
        "p_holm": np.nan,
        "verdict": "",
        "note": note,
    }


def _are_regions(inputs: Region, people: pd.DataFrame) -> str:
    """Say why teams cannot be compared: each is a region, whose market moved by itself."""
    reps = inputs.reps.drop_duplicates("rep_id").set_index("rep_id")
    home = reps["current_region"].fillna(reps["region"])
    pairs = people.assign(region=people["rep_id"].map(home))[["manager", "region"]].dropna()
    pairs = pairs.drop_duplicates()
    twice = pairs["manager"].duplicated().any() or pairs["region"].duplicated().any()
    alone = len(pairs) > 1 and not twice
    return (
        "each team is a region of its own: goals, market and manager cannot be told apart"
        if alone
        else ""
    )


def _dependence(people: pd.DataFrame, name: str, seed: int) -> dict[str, Any]:
    what = "size" if name == "buckets" else name
    known = people.dropna(subset=[what, "attainment"])
    count = len(known)
    row: dict[str, Any] = dict.fromkeys(("value", "low", "high", "p"), np.nan) | {"people": count}
    if count < LEAST_PEOPLE and name != "buckets":
        return row | {
            "note": f"{count} people with a goal and a known {name}; {LEAST_PEOPLE} are needed"
        }
    if name == "buckets":
        known = known.assign(buckets=size_bucket(known))
    if known["attainment"].nunique() == 1 or known[what].nunique() == 1:
        return row | {"note": f"attainment or {what} is the same for everybody"}
    ranks = rankdata(known["attainment"])
    if name in ("manager", "buckets"):
        test = _between_teams if name == "manager" else _furthest_bucket
        return row | test(known[name], ranks, seed)
    other = rankdata(known[name])
    centred = (other - other.mean()) / (np.linalg.norm(other - other.mean()))
    scores = norm.ppf(ranks / (count + 1))  # finds a bias somewhat more often than plain ranks
    p = permutation_p(lambda rows: np.abs(rows @ centred), scores, seed)
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

    return {
        "value": float(between(ranks[None, :])[0]),
        "p": permutation_p(between, ranks, seed),
        "note": "",
    }


def size_bucket(people: pd.DataFrame) -> pd.Series:
    """Give the number of everybody's bucket: 0 the smallest, 1 the middle, 2 the largest."""
    ends = np.round(len(people) * np.array(list(BUCKETS.values()))).astype(int)
    order = people.sort_values(["size", "rep_id"]).index
    return pd.Series(np.searchsorted(ends, np.arange(len(people)), side="right"), order)


def _furthest_bucket(buckets: pd.Series, ranks: np.ndarray, seed: int) -> dict[str, Any]:
    sizes = np.bincount(buckets, minlength=len(BUCKETS))
    if sizes.min() < 4:
        return {"note": "fewer than four people in an outer bucket"}
    marks = pd.get_dummies(buckets).to_numpy(dtype=float)
    error = np.sqrt((len(ranks) - sizes) / sizes * ranks.var() / (len(ranks) - 1))

    def furthest(rows: np.ndarray) -> np.ndarray:
        return (np.abs(rows @ marks / sizes - ranks.mean()) / error).max(axis=1)

    value = float(furthest(ranks[None, :])[0])
    return {"value": value, "p": permutation_p(furthest, ranks, seed), "note": ""}


def _judge(row: dict[str, Any]) -> dict[str, str]:
    p, low, high = (float(row[c]) for c in ("p_holm", "low", "high"))
    if p < ALARM:
        return {"verdict": "teams differ" if row["test"] == "manager" else "biased"}
    if np.isnan(p) or np.isnan(low) or low < -MATERIAL or high > MATERIAL:
        note = f"no sign of it, but too few people to rule out a difference of {MATERIAL:g}"
        note = note if not np.isnan(low) else "no sign of it, which does not rule it out"
        return {"verdict": "cannot tell", "note": str(row.get("note") or note)}
    return {"verdict": "fair"}


def yearly_goals(inputs: Region) -> pd.DataFrame:
    """Give goal and result of each person and fiscal year, with the days its goals cover."""
    goals = goal_spans(inputs, main_metric(inputs))
    sales = dated_sales(inputs, main_metric(inputs))
    goals = goals[goals["goal"].notna()]
    days = goals.drop_duplicates(["rep_id", "starts_on"]).groupby(["rep_id", "year"])["days"].sum()
    table = goals.groupby(["rep_id", "year"])[["goal"]].sum().join(days)
    column = {"units": "units"}.get(main_metric(inputs), "amount")
    actual = sales[sales["goal_period"].notna()].groupby(["rep_id", "year"])[column].sum()
    return table.join(actual.rename("actual")).fillna({"actual": 0.0}).reset_index()


def ratchet_pairs(inputs: Region) -> pd.DataFrame:
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


def _moved(inputs: Region, pairs: pd.DataFrame) -> pd.Series:
    """Say whose territories changed between the first day of a year and the end of the next."""
    first_month = inputs.settings.starts_on.month
    held = inputs.assignments.merge(pairs.reset_index()[["index", "rep_id", "year"]], on="rep_id")
    parts = {"year": held["year"], "month": first_month, "day": 1}
    begins = pd.to_datetime(pd.DataFrame(parts, index=held.index))
    ends = begins + pd.DateOffset(years=2)
    changes = held["starts_on"].gt(begins) & held["starts_on"].lt(ends)
    changes |= held["ends_on"].ge(begins) & held["ends_on"].lt(ends - pd.Timedelta(days=1))
    return pd.Series(pairs.index.isin(held.loc[changes, "index"]), pairs.index)


def _ratchet(inputs: Region) -> dict[str, Any]:
    pairs = ratchet_pairs(inputs)
    count = len(pairs)
    row: dict[str, Any] = dict.fromkeys(("value", "low", "high", "p"), np.nan) | {"people": count}
    sides = int(min((pairs["over"] > 0).sum(), (pairs["under"] > 0).sum()))
    if count < 2 * LEAST_PEOPLE or sides < 4:
        return row | {
            "note": f"{count} pairs of years, {sides} on the rarer side of the goal; "
            f"{2 * LEAST_PEOPLE} and 4 are needed"
        }
    over, under, change = (pairs[c].to_numpy() for c in ("over", "under", "change"))
    growth = pd.get_dummies(pairs["year"]).to_numpy(dtype=float)
    known = np.column_stack([pairs["goal"].mean() / pairs["goal"], growth])
    one, both = np.column_stack([known, over - under]), np.column_stack([known, over, -under])
    slopes = np.linalg.lstsq(both, change, rcond=None)[0][-2:]
    left = change - one @ np.linalg.lstsq(one, change, rcond=None)[0]
    p = permutation_p(
        lambda rows: np.abs(np.divide(*_slope_gap(both, rows))), left, inputs.settings.seed
    )
    gap, error = _slope_gap(both, change[None, :])
    value, free = float(gap[0]), count - both.shape[1]
    half = float(t.ppf(0.975, free) * error[0])
    note = f"raised by {slopes[0]:.2f} of what was over, lowered by {slopes[1]:.2f} of what lacked"
    return row | {"value": value, "low": value - half, "high": value + half, "p": p, "note": note}


def _slope_gap(causes: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the last slope but one less the last, with its HC3 error, of every row.

    Shuffles are compared by the ratio of both, which holds where people with a large gap also
    have more uneven goals (DiCiccio and Romano 2017).
    """
    weights = np.linalg.pinv(causes)
    turn = weights[-2] - weights[-1]
    leverage = np.einsum("ij,ji->i", causes, weights).clip(max=0.99)
    left = rows - (rows @ weights.T) @ causes.T
    error = np.sqrt((left**2) @ (turn / (1 - leverage)) ** 2)
    return rows @ turn, np.maximum(error, 1e-9)
