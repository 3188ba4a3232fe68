"""Who held what in which month, what was sold there, and the season in it.

Inside this room a missing territory or product line is the empty text.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from planning_kit.data import Region, cached
from planning_kit.numbers.staffing import ramp_at

PLACE = ["rep_id", "territory_id"]
HALF_LIFE_YEARS = 1.0  # a result a year older counts half for the level (a choice, not a finding)
_LEAST_MONTHS_SINCE = 3  # of a lasting event, before the time ahead of it is left out
_QUIET = 3  # months without a sale, at least, before a line is taken to have ended or not begun
_BY_CHANCE = 0.01  # that a line that is sold would be quiet for so long
_LONG_AGO = pd.Timestamp("1900-01-01")
_FAR_AHEAD = pd.Timestamp("2200-01-01")


@dataclass(frozen=True)
class History:
    """The months before a day, as the estimates use them.

    Attributes
    ----------
    sold : pandas.DataFrame
        rep_id, territory_id, product_line, month, amount (plan currency): every sale under the
        place its seller held that month.
    held : pandas.DataFrame
        rep_id, territory_id, month, weight (share of the territory times share of the month),
        tenure (months since hiring), ramp.
    first, last : pandas.Timestamp
        First and last month with sales.
    """

    sold: pd.DataFrame
    held: pd.DataFrame
    first: pd.Timestamp
    last: pd.Timestamp

    def only(self, places: pd.DataFrame) -> History:
        """Give the part of some places (rep_id, territory_id)."""
        sold, held = (table.merge(places, on=PLACE) for table in (self.sold, self.held))
        return History(sold, held, self.first, self.last)

    def until(self, before: pd.Timestamp) -> History:
        """Give the part before an earlier day, as it was known then."""
        sold, held = (t[t["month"] < before].reset_index(drop=True) for t in (self.sold, self.held))
        last = sold["month"].max() if len(sold) else self.first - pd.DateOffset(months=1)
        return History(sold, held[held["month"] <= last], self.first, last)


def months_from(first: pd.Timestamp, months: int) -> pd.DatetimeIndex:
    """List month starts."""
    return pd.date_range(first, periods=months, freq="MS", unit="us")


def look_up(labels: pd.Series, values: pd.Series) -> pd.Series:
    """Give the value of every label, empty where it has none; also for no labels or values."""
    return values.reindex(labels).set_axis(labels.index)


def month_number(days: pd.Series) -> pd.Series:
    """Count months, so that differences are whole months."""
    return days.dt.year * 12 + days.dt.month


def plan_months(inputs: Region) -> pd.DatetimeIndex:
    """List the months of the coming period."""
    first, last = pd.Timestamp(inputs.settings.starts_on), pd.Timestamp(inputs.settings.ends_on)
    return months_from(first, (last.year - first.year) * 12 + last.month - first.month + 1)


def held_months(inputs: Region, months: pd.DatetimeIndex) -> pd.DataFrame:
    """List who holds which part of which territory in which month.

    Somebody whose assignment and hiring have no date is there from the first own sale on.
    """
    people = inputs.reps[["rep_id", "hired_on", "left_on"]]
    given = inputs.assignments.merge(people, on="rep_id", how="left")
    first_sale = look_up(given["rep_id"], inputs.sales.groupby("rep_id")["month"].min())
    begin = given[["starts_on", "hired_on"]].max(axis=1).fillna(first_sale).fillna(_LONG_AGO)
    end = given[["ends_on", "left_on"]].min(axis=1).fillna(_FAR_AHEAD)
    share = given["share"].fillna(1.0)
    rows = given[[*PLACE, "hired_on"]].assign(begin=begin, end=end, share=share)
    rows = rows.merge(pd.DataFrame({"month": months}), how="cross")
    rows["weight"] = rows["share"] * _present(rows["month"], rows["begin"], rows["end"])
    rows = rows[rows["weight"] > 0].assign(tenure=_tenure(rows))
    by = rows.groupby([*PLACE, "month"], as_index=False)
    return by.agg(weight=("weight", "sum"), tenure=("tenure", "min"))


def _present(month: pd.Series, begin: pd.Series, end: pd.Series) -> pd.Series:
    last_day = month + pd.offsets.MonthEnd(0)
    span = np.minimum(last_day, end) - np.maximum(month, begin)
    days = span / pd.Timedelta(days=1) + 1
    return days.clip(lower=0) / last_day.dt.day


def _tenure(rows: pd.DataFrame) -> pd.Series:
    months = month_number(rows["month"]) - month_number(rows["hired_on"].fillna(_LONG_AGO))
    return months.astype("int64")


def own_books(
    inputs: Region, held: pd.DataFrame, people: pd.Series, months: pd.DatetimeIndex
) -> pd.DataFrame:
    """List the months in which people work without any territory.

    ``people``: first month of everybody concerned, by rep_id.
    """
    begin = people.rename("begin").rename_axis("rep_id").reset_index()
    rows = begin.merge(inputs.reps[["rep_id", "hired_on", "left_on"]], on="rep_id", how="left")
    rows = rows.merge(pd.DataFrame({"month": months}), how="cross")
    begin_on, end_on = rows[["begin", "hired_on"]].max(axis=1), rows["left_on"].fillna(_FAR_AHEAD)
    rows["weight"] = _present(rows["month"], begin_on.fillna(_LONG_AGO), end_on)
    keys = ["rep_id", "month"]
    busy = pd.MultiIndex.from_frame(held[keys])
    rows = rows[(rows["weight"] > 0) & ~pd.MultiIndex.from_frame(rows[keys]).isin(busy)]
    rows = rows.assign(territory_id="", tenure=_tenure(rows))
    return rows[[*PLACE, "month", "weight", "tenure"]]


@partial(cached, depends_on=1)
def read_history(inputs: Region, before: pd.Timestamp) -> History:
    """Put every sale before a day under the place its seller held that month.

    A sale outside of the seller's own territories counts in the largest of them; one of somebody
    who held none counts in the seller's own book (territory empty).
    """
    sales = inputs.sales[inputs.sales["month"] < before]
    sales = sales.fillna({"territory_id": "", "product_line": ""})
    keys = [*PLACE, "product_line", "month"]
    sold = sales.groupby(keys)["amount"].sum().reset_index()
    first = sold["month"].min() if len(sold) else before
    last = sold["month"].max() if len(sold) else before - pd.DateOffset(months=1)
    count = (last.year - first.year) * 12 + last.month - first.month + 1
    months = months_from(first, max(0, count))
    held = held_months(inputs, months)
    sold["territory_id"] = _place_of_sale(sold, held)
    sold = sold.groupby(keys)["amount"].sum().reset_index()
    book = sold[sold["territory_id"] == ""].groupby("rep_id")["month"].min()
    books = own_books(inputs, held, book, months)
    held = pd.concat([held, books], ignore_index=True) if len(books) else held
    # A roster that begins with the data shows everybody as hired then; they are no new hires.
    hired = month_number(held["month"]) - held["tenure"]
    ramped = hired <= first.year * 12 + first.month
    held["ramp"] = np.where(ramped, 1.0, ramp_at(inputs.settings.ramp, held["tenure"].to_numpy()))
    return History(sold, held, first, last)


def _place_of_sale(sold: pd.DataFrame, held: pd.DataFrame) -> pd.Series:
    keys = [*PLACE, "month"]
    largest = held.sort_values(["weight", "territory_id"], ascending=[False, True], kind="stable")
    largest = largest.drop_duplicates(["rep_id", "month"])[keys]
    main = sold[["rep_id", "month"]].merge(largest, on=["rep_id", "month"], how="left")
    here = pd.MultiIndex.from_frame(sold[keys]).isin(pd.MultiIndex.from_frame(held[keys]))
    elsewhere = main["territory_id"].fillna("").set_axis(sold.index)
    return sold["territory_id"].where(here, elsewhere).astype("str")


def lasting_events(inputs: Region, before: pd.Timestamp) -> pd.Series:
    """Give, by territory, the first full month after the latest lasting event that hit it alone.

    Results from before say little about the level after it. Events of all territories move every
    level alike and are left in.
    """
    events = inputs.events[inputs.events["territory_id"].notna()]
    lasting = events[(events["starts_on"] < before) & ~(events["ends_on"] < before)]
    after = lasting["starts_on"] + pd.offsets.MonthBegin(0)
    enough = after <= before - pd.DateOffset(months=_LEAST_MONTHS_SINCE)
    return after[enough].groupby(lasting["territory_id"][enough]).max()


def line_spans(history: History) -> pd.DataFrame:
    """Find product lines that began or ended within the months seen.

    A line has ended (or not begun) if it was quiet for three months or more that end (or begin)
    the history, if a line sold as often as it was in between would be that quiet by chance in
    fewer than 1 of 100 cases, and if it was sold in those months of the year before (or after).

    Returns
    -------
    pandas.DataFrame
        By product_line: first and last (month number in which it was sold; the history's where
        nothing says that it began or ended).
    """
    number = month_number(history.sold["month"])
    sold = history.sold.assign(at=number)[history.sold["amount"] > 0]
    begin, end = (day.year * 12 + day.month for day in (history.first, history.last))
    rows = {}
    for line, months in sold.groupby("product_line")["at"].unique().items():
        active = set(months.tolist())
        first, last = min(active), max(active)
        often = min(len(active) / (last - first + 1), len(active) / (len(active) + 1))
        quiet = [
            (first - begin, range(begin + 12, first + 12)),
            (end - last, range(last - 11, end - 11)),
        ]
        is_known = [
            length >= _QUIET
            and (1 - often) ** length < _BY_CHANCE
            and len(active.intersection(a_year_off)) >= _QUIET
            for length, a_year_off in quiet
        ]
        rows[line] = (first if is_known[0] else begin, last if is_known[1] else end)
    every = pd.Index(sorted(history.sold["product_line"].unique()), name="product_line")
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["first", "last"], dtype="float64")
    return (
        table.reindex(every)
        .fillna({"first": begin, "last": end})
        .assign(ended=lambda t: t["last"] < end)
    )


def season_factors(inputs: Region, history: History) -> pd.DataFrame:
    """Estimate the season of every product line from all whole years before.

    The share of a month in its year, per productive seat, is averaged over the years. A line is
    drawn towards all lines together, and these towards an even year, by the share of its spread
    that chance explains (James-Stein). Chance is what the years differ by; where there is only one
    year, what as many sales of that size would vary by.

    Returns
    -------
    pandas.DataFrame
        product_line, month_of_year, factor (mean 1), error (its standard error).
    """
    equal, even, spans = _equal_sales(inputs, history), np.ones(12), line_spans(history)
    total, years = even, dict[str, np.ndarray]()
    keys = [*PLACE, "month"]
    amount = history.sold.groupby(keys)["amount"].sum().rename("amount").reset_index()
    held = history.held.merge(amount, on=keys, how="left").fillna({"amount": 0.0})
    held["seat"] = held.groupby(PLACE).ngroup()
    for _ in range(2):  # the second time, seats that were held for part of a year are sized right
        years, every = _years_of_factors(history, _staffed(held, total), spans)
        total, _ = _drawn(every, even, sum(equal.values()))
    rows = []
    for line in sorted(history.sold["product_line"].unique()):
        mine = years.get(line, np.empty((0, 12)))
        factor, error = _drawn(mine, total, equal.get(line, 0.0))
        errors = error * np.sqrt(np.maximum(factor, 0.0))  # large months vary more
        rows += [(line, month + 1, factor[month], errors[month]) for month in range(12)]
    columns = {"product_line": "str", "month_of_year": "int64"}
    columns |= {"factor": "float64", "error": "float64"}
    return pd.DataFrame(rows, columns=list(columns)).astype(columns)


def _equal_sales(inputs: Region, history: History) -> dict[str, float]:
    """Count by line how many equal sales the months are worth: (sum a)^2 / sum a^2."""
    sales = inputs.sales[inputs.sales["month"] <= history.last].fillna({"product_line": ""})
    square = sales["amount"] ** 2 / sales["lines"].clip(lower=1)
    sums = sales.groupby("product_line")["amount"].sum() ** 2
    counts = (sums / square.groupby(sales["product_line"]).sum()).dropna()
    return {str(line): float(count) for line, count in counts.items()}


def _years_of_factors(
    history: History, staffed: pd.Series, spans: pd.DataFrame
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Give a row of twelve factors for every whole year with sales: of every line, and of all.

    A year in which a line began or ended says nothing about its season.
    """
    last = history.last.year * 12 + history.last.month
    table = history.sold.assign(at=month_number(history.sold["month"]))
    table["back"] = (last - table["at"]) // 12
    table = table[table["back"] < (last - history.first.year * 12 - history.first.month + 1) // 12]
    # Nobody productive in a month that sold: returns or a late booking; take it as it is.
    seats = look_up(table["month"], staffed.where(staffed > 0)).fillna(1.0)
    table["per_seat"] = table["amount"] / seats
    first, until = (look_up(table["product_line"], spans[end]) for end in ("first", "last"))
    whole = (first <= last - 12 * table["back"] - 11) & (until >= last - 12 * table["back"])
    lines = {str(line): _factors(part) for line, part in table[whole].groupby("product_line")}
    return lines, _factors(table[whole])


def _factors(table: pd.DataFrame) -> np.ndarray:
    by = [table["back"], table["month"].dt.month]
    cells = table["per_seat"].groupby(by).sum().clip(lower=0.0).unstack(fill_value=0)
    years = cells.reindex(columns=range(1, 13), fill_value=0.0).to_numpy(float)
    years = years[years.sum(axis=1) > 0]
    return np.asarray(12 * years / years.sum(axis=1, keepdims=True))


def _staffed(held: pd.DataFrame, season: np.ndarray) -> pd.Series:
    """Give by month what the staff in place would sell in an even year; 1 is the mean month.

    Seats count by their size, so that a small one that is filled moves the season little.
    """
    full = held["weight"] * held["ramp"]
    usual = full * season[held["month"].dt.month.to_numpy() - 1]
    sums = usual.groupby(held["seat"]).transform("sum")
    sold = held["amount"].groupby(held["seat"]).transform("sum")
    size = (sold / sums.where(sums > 0)).clip(lower=0.0)
    staffed = (full * size).groupby(held["month"]).sum()
    mean = staffed.mean()
    return staffed / mean if mean > 0 else staffed


def _drawn(years: np.ndarray, towards: np.ndarray, equal: float) -> tuple[np.ndarray, float]:
    """Draw factors towards others; give them with their standard error."""
    if len(years) == 0:
        return towards, 0.0
    raw = years.mean(axis=0)
    if len(years) > 1:
        noise = float(((years - raw) ** 2).sum() / 12 / (len(years) - 1) / len(years))
    else:
        noise = 12 / equal if equal > 0 else np.inf
    spread = float(((raw - towards) ** 2).mean())
    kept = max(0.0, 1 - noise / spread) if spread > noise else 0.0
    # What is drawn away is not known better for it: half of the error stays at least.
    error = np.sqrt(noise) * max(np.sqrt(kept), 0.5) if np.isfinite(noise) else 0.0
    return towards + kept * (raw - towards), float(error)
