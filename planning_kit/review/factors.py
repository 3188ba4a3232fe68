"""Differences explained by factors that multiply: exact, no residual, order does not matter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from math import factorial

import numpy as np
import pandas as pd

from planning_kit.data import Region, cached
from planning_kit.numbers.staffing import ramp_at
from planning_kit.plan import add_months
from planning_kit.review.periods import check_by, team_of, year_windows

FUNNEL_CUTS = ("rep_id", "manager_id", "product_id", "product_line")
FUNNEL_EFFECTS = ("presentations", "closing_ratio", "average_sale", "other")
FUNNEL_COLUMNS = (
    "before",
    "after",
    "difference",
    *FUNNEL_EFFECTS,
    "presentations_before",
    "presentations_after",
    "won_before",
    "won_after",
    "counted",
)


def logarithmic_mean(after: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Give ``(a - b) / (ln a - ln b)`` of positive numbers; where they are equal, the number.

    Examples
    --------
    >>> logarithmic_mean(np.array([2.0, 4.0]), np.array([2.0, 1.0])).round(4).tolist()
    [2.0, 2.164]
    """
    ratio = np.log(after) - np.log(before)
    near = np.abs(ratio) < 1e-9
    return np.where(near, (after + before) / 2, (after - before) / np.where(near, 1.0, ratio))


def shapley(value: Callable[[frozenset[int]], np.ndarray | float], count: int) -> list[np.ndarray]:
    """Share a difference over its causes: the mean of what each adds, over all orders.

    Parameters
    ----------
    value
        Gives the result when the numbered causes are as they turned out, the others as before.
    count
        How many causes; the work doubles with each.

    Examples
    --------
    >>> both = {0: 1.0, 1: 2.0}
    >>> [float(x) for x in shapley(lambda s: sum(both[i] for i in s), 2)]
    [1.0, 2.0]
    """
    sets = [frozenset(c) for n in range(count + 1) for c in combinations(range(count), n)]
    known = {chosen: np.asarray(value(chosen), dtype=float) for chosen in sets}
    effects = []
    for cause in range(count):
        without = [chosen for chosen in sets if cause not in chosen]
        weights = [
            factorial(len(s)) * factorial(count - len(s) - 1) / factorial(count) for s in without
        ]
        gains = [known[s | {cause}] - known[s] for s in without]
        effects.append(np.asarray(sum(w * g for w, g in zip(weights, gains, strict=True))))
    return effects


def factor_effects(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Split the change of a product of factors (rows x factors) over the factors.

    Logarithmic mean (LMDI-I, Ang 2005) where every factor is above 0 in both years, else Shapley;
    either way the effects of a row add up to its difference.

    Examples
    --------
    >>> factor_effects(np.array([[10.0, 0.5]]), np.array([[20.0, 0.5]])).round(9).tolist()
    [[5.0, 0.0]]
    """
    count = before.shape[1]
    shared = shapley(
        lambda s: np.prod([after[:, i] if i in s else before[:, i] for i in range(count)], axis=0),
        count,
    )
    effects = np.stack(shared, axis=1) if len(before) else before.copy()
    positive = ((before > 0) & (after > 0)).all(axis=1)
    if positive.any():
        old, new = before[positive], after[positive]
        mean = logarithmic_mean(new.prod(axis=1), old.prod(axis=1))
        effects[positive] = mean[:, None] * (np.log(new) - np.log(old))
    return effects


def chain_effects(
    before: pd.DataFrame, after: pd.DataFrame, names: Sequence[str]
) -> tuple[pd.DataFrame, list[np.ndarray]]:
    """Explain the change of the last column by the first and each column's ratio to the one left.

    A ratio that one year does not have is the other year's. Rows with something out of nothing
    (sales without a market, wins without a presentation) have no ratio: they are ``other``.

    Both years have the same rows and columns, for example presentations, won deals, amount;
    ``names`` are of the first column and of every ratio. Gives the effects by row, which add to
    the change, and the factors before and after (rows x factors).
    """
    years = [before.to_numpy(dtype=float), after.to_numpy(dtype=float)]
    odd = np.zeros(len(before), dtype=bool)
    for year in years:
        odd |= ((year[:, :-1] == 0) & (year[:, 1:] != 0)).any(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        own = [np.where(year[:, :-1] != 0, year[:, 1:] / year[:, :-1], np.nan) for year in years]
    ratios = [
        np.nan_to_num(np.where(np.isnan(a), b, a)) for a, b in ((own[0], own[1]), (own[1], own[0]))
    ]
    factors = [np.hstack([year[:, :1], ratio]) for year, ratio in zip(years, ratios, strict=True)]
    effects = np.where(odd[:, None], 0.0, factor_effects(*factors))
    table = pd.DataFrame(effects, before.index, list(names))
    change = years[1][:, -1] - years[0][:, -1]
    return table.assign(other=np.where(odd, change, 0.0)), factors


def funnel(inputs: Region, by: Sequence[str] = ()) -> pd.DataFrame:
    """Explain the change of won deals by presentations, closing ratio and average sale.

    Deals count when they are won, presentations when they are held, so the closing ratio is the
    year's won deals over the year's presentations. Effects are computed for every person (and
    product, when cut by it) and summed upward. Without presentation days the opportunities
    opened are counted instead (``counted`` says which). Wins of somebody with no presentation
    in that year are ``other``.

    Parameters
    ----------
    inputs
        A region or the company.
    by
        Any of rep_id, manager_id, product_id, product_line; ``()`` is the total.

    Returns
    -------
    DataFrame
        Won amounts ``before`` and ``after`` in plan currency, ``difference`` and its four
        effects, the counts behind them. No rows without opportunities.

    Raises
    ------
    DataError
        A cut is not known.
    """
    cuts = check_by(by, FUNNEL_CUTS)
    deals = inputs.opportunities
    deals = deals.assign(product_line=inputs.line_of(deals["product_id"]))
    shown = "presented_on" if deals["presented_on"].notna().any() else "created_on"
    leaf = ["rep_id", *(c for c in cuts if c.startswith("product"))]
    years = [_funnel_year(inputs, deals, shown, leaf, back) for back in (True, False)]
    index = years[0].index.union(years[1].index)
    old, new = (year.reindex(index, fill_value=0.0) for year in years)
    table, _ = chain_effects(old, new, FUNNEL_EFFECTS[:-1])
    table = table.assign(before=old["amount"], after=new["amount"])
    table["difference"] = table["after"] - table["before"]
    for column in ("presentations", "won"):
        table[f"{column}_before"], table[f"{column}_after"] = old[column], new[column]
    table = table.reset_index().assign(everything=0)
    if "manager_id" in cuts:
        table["manager_id"] = table["rep_id"].map(team_of(inputs)).astype("str")
    numbers = [c for c in FUNNEL_COLUMNS if c != "counted"]
    table = table.groupby(cuts or ["everything"], dropna=False)[numbers].sum().reset_index()
    counted = "presentations" if shown == "presented_on" else "opportunities opened"
    return table.assign(counted=pd.Series(counted, table.index, dtype="str"))[
        [*cuts, *FUNNEL_COLUMNS]
    ]


def _funnel_year(
    inputs: Region, deals: pd.DataFrame, shown: str, leaf: list[str], earlier: bool
) -> pd.DataFrame:
    first, last, back = year_windows(inputs)
    shift = pd.DateOffset(months=back if earlier else 0)
    first, last = first - shift, last + pd.offsets.MonthEnd(0)
    last = last - shift + pd.offsets.MonthEnd(0)
    held = deals[deals[shown].between(first, last)].groupby(leaf, dropna=False).size()
    won = deals[deals["outcome"].eq("won") & deals["closed_on"].between(first, last)]
    amounts = won.dropna(subset="amount").groupby(leaf, dropna=False)["amount"]
    year = pd.DataFrame({"presentations": held, "won": amounts.size(), "amount": amounts.sum()})
    return year.astype("float64").fillna(0.0)


def capacity(inputs: Region) -> pd.DataFrame:
    """Give for every territory and month of the data how much of it was staffed and productive.

    Parameters
    ----------
    inputs
        Needs assignments; hiring and leaving days and `Settings.ramp` give the ramp.

    Returns
    -------
    DataFrame
        ``territory_id``, ``month``, ``seats`` (1.0 is one whole territory; the most that was ever
        assigned where shares add to more), ``staffed`` (assigned to somebody employed) and
        ``productive`` (staffed, times the ramp of the people by their months since hiring).
    """
    months = inputs.sales["month"]
    first, last, back = year_windows(inputs)
    start = min(months.min(), first) if len(months) else first
    span = pd.date_range(min(start, pd.Timestamp(add_months(first.date(), -back))), last, freq="MS")
    people = inputs.reps[["rep_id", "hired_on", "left_on"]]
    rows = inputs.assignments.merge(people, on="rep_id", how="left")
    rows = rows.merge(pd.DataFrame({"month": span.astype("datetime64[us]")}), how="cross")
    month_end = (rows["month"] + pd.offsets.MonthEnd(0)).astype("datetime64[us]")
    begins = rows[["month", "starts_on", "hired_on"]].max(axis=1)
    ends = rows[["ends_on", "left_on"]].min(axis=1).fillna(month_end).clip(upper=month_end)
    part = ((ends - begins).dt.days + 1).clip(lower=0) / month_end.dt.day
    age = (rows["month"].dt.year - rows["hired_on"].dt.year) * 12
    age = age + rows["month"].dt.month - rows["hired_on"].dt.month
    rows["staffed"] = part * rows["share"].fillna(1.0)
    rows["productive"] = rows["staffed"] * ramp_at(
        inputs.settings.ramp, age.fillna(np.inf).to_numpy()
    )
    table = rows.groupby(["territory_id", "month"], as_index=False)[["staffed", "productive"]].sum()
    table["seats"] = table.groupby("territory_id")["staffed"].transform("max").clip(lower=1.0)
    return table[["territory_id", "month", "seats", "staffed", "productive"]]


def staffing_bridge(inputs: Region) -> pd.DataFrame:
    """Explain the change of sales by seats, vacancies, ramp and sales per productive month.

    Returns
    -------
    DataFrame
        One row a ``factor`` with its value ``before`` and ``after`` and its ``effect`` in plan
        currency; the effects add to the change of sales. No rows without assignments.
    """
    columns = ["factor", "meaning", "before", "after", "effect"]
    sums = ["seats", "staffed", "productive"]
    table = capacity(inputs) if len(inputs.assignments) else pd.DataFrame()
    if table.empty or inputs.sales.empty:
        return pd.DataFrame(columns=columns)
    first, last, back = year_windows(inputs)
    years = []
    for shift in (back, 0):
        begins, ends = (pd.Timestamp(add_months(m.date(), -shift)) for m in (first, last))
        year = table.loc[table["month"].between(begins, ends), sums].sum().to_frame().T
        sales = inputs.sales.loc[inputs.sales["month"].between(begins, ends), "amount"].sum()
        years.append(year.assign(sales=sales))
    effects, factors = chain_effects(
        years[0], years[1], ["seats", "vacancy", "ramp", "productivity"]
    )
    meaning = [
        "months of territories",
        "share of them staffed",
        "productive share of the staffed",
        "sales per productive month",
        "sales without anybody productive",
    ]
    values = [[*year[0], np.nan] for year in factors]
    rows = zip(effects, meaning, *values, effects.iloc[0], strict=True)
    bridge = pd.DataFrame(rows, columns=columns)
    return bridge[(bridge["factor"] != "other") | (bridge["effect"] != 0)]


@cached
def vacancies(inputs: Region) -> pd.DataFrame:
    """List territories that stood partly empty in the reviewed year, with what it may have cost.

    Returns
    -------
    DataFrame
        ``territory_id``, ``vacant_months`` and ``ramp_months`` (months of one whole territory
        without anybody, and lost to the ramp of new people) and ``lost_amount``: those months
        times the territory's own sales per productive month, plan currency, an estimate.
    """
    columns = ["territory_id", "vacant_months", "ramp_months", "lost_amount"]
    if inputs.assignments.empty:
        return pd.DataFrame(columns=columns)
    first, last, _ = year_windows(inputs)
    table = capacity(inputs)
    table = (
        table[table["month"].between(first, last)].groupby("territory_id").sum(numeric_only=True)
    )
    sales = inputs.sales[inputs.sales["month"].between(first, last)]
    sold = sales.groupby("territory_id")["amount"].sum().reindex(table.index)
    table["vacant_months"] = (table["seats"] - table["staffed"]).clip(lower=0.0)
    table["ramp_months"] = table["staffed"] - table["productive"]
    rate = sold / table["productive"].where(table["productive"] > 0)
    table["lost_amount"] = (table["vacant_months"] + table["ramp_months"]) * rate
    table = table[(table["vacant_months"] + table["ramp_months"]) > 1e-9].reset_index()
    return table.sort_values(
        ["lost_amount", "territory_id"], ascending=[False, True], ignore_index=True
    )[columns]
