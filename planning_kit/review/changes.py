"""What a reader would see in the tables and the review says by itself.

One function an observation; each gives rows with ``who``, ``amount`` (plan currency at stake) and
``text``, the largest first, and no rows where chance alone would make the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t, ttest_ind

from planning_kit.data import Region, cached
from planning_kit.review.attainment import attainment
from planning_kit.review.periods import (
    dated_sales,
    goal_spans,
    main_metric,
    two_years,
    year_windows,
)

CHANGE_COLUMNS = ("who", "amount", "text")
_LEAST_MONTHS = 6  # that two years must have in common
_QUIET = 3  # months without a sale; fewer are no end and no beginning
_NO_CHANCE = 0.01  # of one false end or beginning among everybody looked at
_WRONG = 0.01  # of one false fall among all lines
_FALL = 0.05  # of a line's sales; a smaller one is no news
_POINT = 0.01  # of margin
_LATE = 0.05  # chance that a history which begins later is only quiet at its beginning
_GAP = 6  # months an empty seat may last between two holders


def _rows(rows: list[tuple[str, float, str]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=list(CHANGE_COLUMNS)).astype({"amount": "float64"})
    order = table["amount"].abs().sort_values(ascending=False, kind="stable").index
    return table.loc[order].reset_index(drop=True)


def _month(day: Any) -> str:
    return f"{day:%B %Y}"


def _money(inputs: Region, amount: float) -> str:
    return f"{amount:,.0f} {inputs.settings.currency}"


def _apart(first: pd.Timestamp, last: pd.Timestamp) -> int:
    return 12 * (last.year - first.year) + last.month - first.month


def _number(months: pd.Series) -> pd.Series:
    return 12 * months.dt.year + months.dt.month


def _spans(sales: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Say from when to when each unit sold, and if silence before and after is no accident.

    A unit that sells in a share q of its months is silent for k months by chance with (1 - q)^k;
    the chance for all units together has to be small.
    """
    sold = sales[sales["amount"] > 0].dropna(subset=by)
    spans = sold.groupby(by)["month"].agg(["min", "max", "nunique"])
    spans = spans.set_axis(["first", "last", "months"], axis=1).reset_index()
    first, last, known = _number(spans["first"]), _number(spans["last"]), _number(sold["month"])
    empty = 1 - spans["months"] / (last - first + 2)
    for name, quiet in (("begun", first - known.min()), ("ended", known.max() - last)):
        spans[name] = (quiet >= _QUIET) & (empty**quiet * len(spans) < _NO_CHANCE)
        spans[f"quiet_{name}"] = quiet
    return spans


@cached
def shrinking_lines(inputs: Region) -> pd.DataFrame:
    """Find product lines that fell while all others together grew.

    Months that both years have are compared. The line's share of the month's sales has to fall by
    more than its own ups and downs make (paired t, 1 % over all lines).
    """
    cells = two_years(inputs).dropna(subset="product_line")
    before, after = (
        cells[cells["is_review"] == now]
        .pivot_table(index="when", columns="product_line", values="amount", aggfunc="sum")
        .reindex(columns=sorted(cells["product_line"].unique()))
        .fillna(0.0)
        for now in (False, True)
    )
    both = before.index[before.sum(axis=1) > 0].intersection(after.index[after.sum(axis=1) > 0])
    if len(both) < _LEAST_MONTHS or before.shape[1] < 2:
        return _rows([])
    before, after = before.loc[both], after.loc[both]
    moved = after.div(after.sum(axis=1), axis=0) - before.div(before.sum(axis=1), axis=0)
    error = moved.std() / np.sqrt(len(both))
    chance = t.cdf(moved.mean() / error.where(error > 0, 1e-12), len(both) - 1)
    was, now = before.sum(), after.sum()
    others_was, others_now = was.sum() - was, now.sum() - now
    hit = (was > 0) & (now < (1 - _FALL) * was) & (others_was > 0) & (others_now > others_was)
    rows = []
    for line in hit.index[hit & (chance < _WRONG / len(hit))]:
        ended = cells.loc[(cells["product_line"] == line) & (cells["amount"] > 0), "month"].max()
        text = (
            f"{line} fell by {1 - now[line] / was[line]:.0%}, from {was[line]:,.0f} to "
            f"{_money(inputs, now[line])}"
        )
        if now[line] <= 0:
            text = f"{line} sold nothing after {_month(ended)} ({was[line]:,.0f} the year before)"
        text += f", while all other lines together grew by {others_now[line] / others_was[line] - 1:.0%}"
        rows.append((str(line), float(now[line] - was[line]), text))
    return _rows(rows)


@cached
def falling_margin(inputs: Region) -> pd.DataFrame:
    """Say if the margin fell year by year up to the reviewed one, and where most of it was lost.

    Years are counted back from the end of the reviewed period. The monthly margins of the first
    and the last year have to differ by more than chance (Welch, 1 %).
    """
    _, last, back = year_windows(inputs)
    sales = inputs.sales[inputs.sales["month"] <= last]
    ago = (12 * last.year + last.month - _number(sales["month"])) // back
    sales = sales.assign(ago=ago, margin=sales["amount"] - sales["cost"])
    years = sales.groupby("ago").agg(
        amount=("amount", "sum"), margin=("margin", "sum"), months=("month", "nunique")
    )
    unknown = sales[sales["cost"].isna() & (sales["amount"] != 0)]["ago"]
    years = years[(years["amount"] > 0) & (years["months"] >= _LEAST_MONTHS)]
    years = years[~years.index.isin(unknown)]
    share = (years["margin"] / years["amount"]).sort_index()
    falls = 0
    while falls + 1 in share.index and falls in share.index and share[falls + 1] > share[falls]:
        falls += 1
    if not falls or share[falls] - share[0] < _POINT:
        return _rows([])
    cells = sales.groupby(["ago", "month"], as_index=False)[["amount", "margin"]].sum()
    cells = cells[cells["amount"] > 0].assign(share=cells["margin"] / cells["amount"])
    months = [cells.loc[cells["ago"] == ago, "share"] for ago in (0, falls)]
    if not ttest_ind(*months, equal_var=False).pvalue < _WRONG:
        return _rows([])
    lost = float((share[0] - share[falls]) * years.loc[0, "amount"])
    run = [f"{share[k]:.1%}" for k in range(falls, -1, -1)]
    how = f"year by year, {', '.join(run)}" if falls > 1 else f"from {run[0]} to {run[1]}"
    text = (
        f"The margin fell {how} of sales, years to {_month(last)}: at the margin of "
        f"{'the first of them' if falls > 1 else 'the year before'} the last year would have "
        f"brought {_money(inputs, -lost)} more{_most_lost(sales, falls)}"
    )
    return _rows([("", lost, text)])


def _most_lost(sales: pd.DataFrame, falls: int) -> str:
    lines = sales.groupby(["ago", "product_line"])[["amount", "margin"]].sum()
    if not {0, falls} <= set(lines.index.unique(0)):
        return ""
    was, now = lines.loc[falls], lines.loc[0]
    moved = (now["margin"] / now["amount"] - was["margin"] / was["amount"]) * now["amount"]
    moved = moved[(was["amount"] > 0) & (now["amount"] > 0)]
    if len(now) < 2 or moved.empty or moved.min() >= 0:
        return ""
    line = moved.idxmin()
    shares = [(table["margin"] / table["amount"]).to_dict()[line] for table in (was, now)]
    return f"; most of it in {line} ({shares[0]:.1%} to {shares[1]:.1%})"


@cached
def ended_sellers(inputs: Region) -> pd.DataFrame:
    """Find people whose sales ended months ago and who still carry a goal.

    The goal is one of the reviewed time after the last sale, or that of the coming period. Returns
    are no sales.
    """
    spans = _spans(inputs.sales, ["rep_id"])
    spans = spans[spans["ended"]].merge(
        inputs.reps[["rep_id", "left_on", "carries_goal"]], on="rep_id", how="left"
    )
    goals = goal_spans(inputs, main_metric(inputs))
    goals = goals[goals["reviewed"] & (goals["goal"] > 0)]
    end = inputs.review_months[1] + pd.offsets.MonthEnd(0)
    rows = []
    for row in inputs.with_names(spans).to_dict("records"):
        quiet = row["last"] + pd.offsets.MonthBegin(1)
        own = goals[(goals["rep_id"] == row["rep_id"]) & (goals["ends_on"] > quiet)]
        days = (own["ends_on"] - own["starts_on"]).dt.days + 1
        after = (own["ends_on"].clip(upper=end) - own["starts_on"].clip(lower=quiet)).dt.days + 1
        asked = float((own["goal"] * (after / days).clip(0, 1)).sum())
        if not (asked > 0 or row["carries_goal"]):
            continue
        sold = inputs.sales[(inputs.sales["rep_id"] == row["rep_id"])]
        year = sold[
            (sold["month"] > row["last"] - pd.DateOffset(months=12)) & (sold["month"] < quiet)
        ]
        rate = float(year["amount"].sum()) / 12
        carried = [f"carried {asked:,.0f} of goals for that time"] if asked > 0 else []
        carried += ["stands in the team of the coming year"] if row["carries_goal"] else []
        left = f" (left on {row['left_on']:%Y-%m-%d})" if pd.notna(row["left_on"]) else ""
        text = (
            f"{row['rep']}{left} has sold nothing since {_month(row['last'])}, {row['quiet_ended']} months, "
            f"after {_money(inputs, 12 * rate)} in the twelve months before, and "
            f"{' and '.join(carried)}"
        )
        missed = 0.0 if left else rate * row["quiet_ended"]
        rows.append((str(row["rep_id"]), max(missed, asked), text))
    return _rows(rows)


@cached
def taken_over(inputs: Region) -> pd.DataFrame:
    """Find sales of a territory that went from one person to another in the two compared years.

    One's sales there ended and the other's began, at most half a year later. The amount is the
    smaller of what the one sold in the last and the other in the first twelve months.
    """
    first, _, back = year_windows(inputs)
    sales = inputs.sales.dropna(subset="territory_id")
    spans = _spans(sales, ["territory_id", "rep_id"])
    begun = spans[spans["begun"] & (spans["first"] > first - pd.DateOffset(months=back))]
    ended = spans[spans["ended"] & spans["territory_id"].isin(begun["territory_id"])]
    pairs = ended.merge(begun, on="territory_id", suffixes=("_before", "_after"))
    wait = _number(pairs["first_after"]) - _number(pairs["last_before"])
    pairs = pairs[(pairs["rep_id_before"] != pairs["rep_id_after"]) & wait.between(0, _GAP)]
    pairs = pairs.sort_values("first_after").drop_duplicates(["territory_id", "rep_id_before"])
    rows = []
    for row in pairs.to_dict("records"):
        here = sales[sales["territory_id"] == row["territory_id"]]
        year = pd.DateOffset(months=12)
        old = here[
            (here["rep_id"] == row["rep_id_before"]) & (here["month"] > row["last_before"] - year)
        ]
        new = here[
            (here["rep_id"] == row["rep_id_after"]) & (here["month"] < row["first_after"] + year)
        ]
        sums = float(old["amount"].sum()), float(new["amount"].sum())
        ids = {"territory_id": [row["territory_id"]], "rep_id": [row["rep_id_after"]]}
        names = inputs.with_names(pd.DataFrame(ids)).iloc[0]
        who = inputs.with_names(pd.DataFrame({"rep_id": [row["rep_id_before"]]}))["rep"].iloc[0]
        months = min(12, _apart(row["first_after"], sales["month"].max()) + 1)
        text = (
            f"{names['rep']} has sold in {names['territory']} since {_month(row['first_after'])} "
            f"({sums[1]:,.0f} in the first {months} months) what was {who}'s until "
            f"{_month(row['last_before'])} ({sums[0]:,.0f} in the twelve months before)"
        )
        rows.append((str(row["rep_id_after"]), max(0.0, min(sums)), text))
    return _rows(rows)


@cached
def moved_accounts(inputs: Region) -> pd.DataFrame:
    """Find customers that bought of one person in the year before and of another in the last one.

    Pairs of people whose territory changed hands are left to `taken_over`.
    """
    accounts = inputs.accounts[inputs.accounts["years_back"].isin([1, 2])]
    sums = accounts.groupby(["years_back", "account_id", "rep_id"])["amount"].sum().reset_index()
    whole = sums.groupby(["years_back", "account_id"])["amount"].transform("sum")
    only = sums[(sums["amount"] > 0.9 * whole) & (sums["amount"] > 0)]
    before, after = (only[only["years_back"] == back] for back in (2, 1))
    pairs = before.merge(after, on="account_id", suffixes=("_before", "_after"))
    pairs = pairs[pairs["rep_id_before"] != pairs["rep_id_after"]]
    totals = pairs.groupby(["rep_id_before", "rep_id_after"]).agg(
        before=("amount_before", "sum"), after=("amount_after", "sum"), count=("account_id", "size")
    )
    seen = set(taken_over(inputs)["who"])
    rows = []
    for row in totals[totals["count"] > 1].reset_index().to_dict("records"):
        if row["rep_id_after"] in seen:
            continue
        ids = pd.DataFrame({"rep_id": [row["rep_id_before"], row["rep_id_after"]]})
        old, new = inputs.with_names(ids)["rep"]
        text = (
            f"{row['count']} customers went from {old} ({row['before']:,.0f} in the year before) to "
            f"{new} ({_money(inputs, row['after'])})"
        )
        rows.append((str(row["rep_id_after"]), float(row["after"]), text))
    return _rows(rows)


def _team_goals(inputs: Region) -> set[str]:
    """Name the leaders whose reviewed goals are those of a team: they sell nothing themselves."""
    goals = goal_spans(inputs, main_metric(inputs))
    asked = set(goals.loc[goals["reviewed"] & (goals["goal"] > 0), "rep_id"])
    return (asked & set(inputs.reps["manager_id"].dropna())) - set(inputs.sales["rep_id"])


@cached
def sales_without_goals(inputs: Region) -> pd.DataFrame:
    """List reviewed sales of people who had no goal for that time, unit of the goals.

    Whose leader carries the goal of the team has one there.
    """
    metric = main_metric(inputs)
    table = attainment(inputs, ("goal_period", "rep_id"), metric=metric)
    if not table["goal"].notna().any():
        return _rows([])
    team = inputs.reps.loc[inputs.reps["manager_id"].isin(_team_goals(inputs)), "rep_id"]
    table = table[table["goal"].isna() & (table["actual"] > 0) & ~table["rep_id"].isin(team)]
    sales = dated_sales(inputs, metric)
    sales = sales[sales["reviewed"]].merge(table[["goal_period", "rep_id"]])
    spans = sales[sales["amount"] > 0].groupby("rep_id")["month"].agg(["min", "max"])
    people = table.groupby("rep_id", as_index=False)["actual"].sum().join(spans, on="rep_id")
    rows = []
    for row in inputs.with_names(people).to_dict("records"):
        span = "" if pd.isna(row["min"]) else f" ({_span(row['min'], row['max'])})"
        rows.append(
            (str(row["rep_id"]), float(row["actual"]), f"{row['rep']} {row['actual']:,.0f}{span}")
        )
    return _rows(rows)


@cached
def goals_without_sales(inputs: Region) -> pd.DataFrame:
    """List reviewed goals of people, by line where goals have lines, that nothing was sold for.

    The goals of whole teams, carried by leaders, are left out.
    """
    metric = main_metric(inputs)
    cuts = ["rep_id"]
    goals = inputs.goals[inputs.goals["metric"] == metric]
    if len(goals) and goals["product_line"].notna().all():
        cuts.append("product_line")
    table = attainment(inputs, cuts, metric=metric)
    table = table[(table["status"] == "no sales") & ~table["rep_id"].isin(_team_goals(inputs))]
    table = inputs.with_names(table)
    rows = []
    for row in table.to_dict("records"):
        line = f" in {row['product_line']}" if len(cuts) > 1 else ""
        rows.append(
            (str(row["rep_id"]), float(row["goal"]), f"{row['rep']}{line} {row['goal']:,.0f}")
        )
    return _rows(rows)


def _span(first: Any, last: Any) -> str:
    return _month(first) if first == last else f"{_month(first)} to {_month(last)}"


@cached
def begun_units(inputs: Region) -> pd.DataFrame:
    """List territories and lines that did not sell yet in the same months a year before.

    ``amount`` is what they brought in those months; without it and the same months of the year
    before, what is left is the growth of what was there already.
    """
    sales = two_years(inputs)
    back = pd.DateOffset(months=year_windows(inputs)[2])
    named = inputs.with_names(sales)
    rows = []
    for cut, shown in (("territory_id", "territory"), ("product_line", "product_line")):
        spans = _spans(inputs.sales, [cut])
        for unit, first in spans.loc[spans["begun"], [cut, "first"]].itertuples(index=False):
            new = sales["is_review"] & (sales[cut] == unit) & (sales["month"] - back < first)
            if sales.loc[new, "amount"].sum() > 0:
                amount = float(sales.loc[new, "amount"].sum())
                label = named.loc[new, shown].iloc[0]
                text = f"{label} (since {_month(first)}, {amount:,.0f})"
                rows.append((f"{cut} {unit}", amount, text))
    return _rows(rows)


def growth_without(inputs: Region, units: pd.DataFrame) -> float:
    """Give the growth on the year before without what `begun_units` brought; NaN: no year before.

    A sale of a new line in a new territory is taken out once.
    """
    sales = two_years(inputs)
    back = pd.DateOffset(months=year_windows(inputs)[2])
    new = pd.Series(False, sales.index)
    for cut in ("territory_id", "product_line"):
        first = inputs.sales[inputs.sales["amount"] > 0].groupby(cut)["month"].min()
        begins = first.reindex(sales[cut]).set_axis(sales.index)
        begins = begins.where((f"{cut} " + sales[cut]).isin(units["who"]))
        new |= sales["is_review"] & (sales["month"] - back < begins)
    before = float(sales.loc[~sales["is_review"], "amount"].sum())
    after = float(sales.loc[sales["is_review"] & ~new, "amount"].sum())
    return after / before - 1 if before > 0 else float("nan")


@cached
def late_start(inputs: Region) -> pd.DataFrame:
    """Say if history starts within a year, and which comparison that spoils."""
    begin, last, back = year_windows(inputs)
    sold = inputs.sales[(inputs.sales["amount"] > 0) & (inputs.sales["month"] <= last)]
    if sold.empty:
        return _rows([])
    first, months = sold["month"].min(), sold["month"].nunique()
    while first < begin:
        begin -= pd.DateOffset(months=back)
    late, reviewed = _apart(begin, first), inputs.review_months[0]
    if not late or (1 - months / (_apart(first, last) + 2)) ** late > _LATE:
        return _rows([])
    there = back - late
    what = f"Sales are known from {_month(first)} on, in the middle of a year: "
    if begin == reviewed:
        what += (
            f"the reviewed year has {there} of {back} months and no year before it; season, growth "
            "and yearly amounts cannot be known from it"
        )
    elif begin + pd.DateOffset(months=back) == reviewed:
        what += (
            f"the year before has {there} of {back} months; growth on it counts months that are "
            "missing as growth, the same months of both years are comparable"
        )
    else:
        ends = begin + pd.DateOffset(months=back - 1)
        what += (
            f"the year to {_month(ends)} has {there} of {back} months; leave it out where years "
            "are compared"
        )
    year = sold["month"] < begin + pd.DateOffset(months=back)
    near = begin + pd.DateOffset(months=back) >= reviewed
    return _rows([("", float(sold.loc[year, "amount"].sum()) if near else 0.0, what)])


@cached
def months_of_returns(inputs: Region) -> pd.DataFrame:
    """List months from the review on that hold returns and nothing else."""
    sales = inputs.sales[inputs.sales["month"] >= inputs.review_months[0]]
    last_sale = inputs.sales.loc[inputs.sales["amount"] > 0, "month"].max()
    rows = []
    for month, cells in sales.groupby("month"):
        if (cells["amount"] > 0).any() or not (cells["amount"] < 0).any():
            continue
        people = inputs.with_names(cells[cells["amount"] < 0])["rep"].unique()
        names = ", ".join(people[:3]) + (f" and {len(people) - 3} more" if len(people) > 3 else "")
        amount = float(cells["amount"].sum())
        text = f"{_month(month)} holds nothing but returns ({_money(inputs, amount)}, {names})"
        if month > last_sale:
            text += f": sales are known until {_month(last_sale)}, the time after has not begun"
        rows.append((f"{month:%Y-%m}", amount, text))
    return _rows(rows)
