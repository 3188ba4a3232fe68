"""The largest falls that nothing in the tables explains: asked back, and what people answered."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from planning_kit.data import Region, cached
from planning_kit.review.factors import capacity
from planning_kit.review.periods import two_years, year_windows

QUESTION_COLUMNS = (
    "question_id",
    "question",
    "amount",
    "rep_id",
    "territory_id",
    "product_line",
    "starts_on",
)
QUESTION = "review.question"  # how their ids begin
PLANNER = "plan"  # who speaks without being one of the people
MOST = 3  # questions; who is asked about everything answers nothing
_LEAST = 0.005  # of the reviewed sales: a smaller fall is nobody's question
_FALL = 0.15  # against the same months a year before
_SURE = 4.0  # standard errors of the cell's own ups and downs
_MONTHS = 3  # that a fall lasts at least


@cached
def questions(inputs: Region) -> pd.DataFrame:
    """Ask what happened where sales of a line in a territory fell and nothing says why.

    A cell's months are held against those of the year before times the growth of all sales, and
    times the productive months of its territory over those of the year before: empty seats and
    ramps explain themselves. The fall begins in the month that leaves the largest sum up to the end
    of the year. It is asked about if the sum is worth it, sales fell by 15 % or more from those
    months, and the sum is four standard errors of the cell's own changes from month to month.
    Territories of an event of the plan's own table are left to its measurement. Without territories
    cells are people.

    Returns
    -------
    DataFrame
        At most three rows, the largest fall first: ``question_id`` (an id of a finding),
        ``question``, ``amount`` (below 0, plan currency), ``rep_id`` (who sold most of it),
        ``territory_id``, ``product_line`` and ``starts_on`` (first day of the fall).
    """
    sales = two_years(inputs)
    place = "territory_id" if sales["territory_id"].notna().any() else "rep_id"
    keys = [place, "product_line"] if sales["product_line"].nunique() > 1 else [place]
    sales = sales.dropna(subset=keys)
    before, after = (
        sales[sales["is_review"] == now]
        .pivot_table(index=keys, columns="when", values="amount", aggfunc="sum")
        .fillna(0.0)
        for now in (False, True)
    )
    months = before.columns[before.sum() > 0].intersection(after.columns[after.sum() > 0])
    rows = []
    if len(months) >= 2 * _MONTHS:
        before, after = before[months], after.reindex(index=before.index, fill_value=0.0)[months]
        course = before * (after.sum().sum() / before.sum().sum()) * _seats(inputs, before, keys)
        rows = _falls(inputs, after - course, after, before)
    named = [_asked(inputs, sales, keys, *row) for row in sorted(rows, key=lambda row: row[1])]
    return pd.DataFrame(named[:MOST], columns=list(QUESTION_COLUMNS)).astype(
        {"rep_id": "str", "territory_id": "str", "product_line": "str"}
    )


def _falls(
    inputs: Region, off: pd.DataFrame, after: pd.DataFrame, before: pd.DataFrame
) -> list[tuple[tuple[str, ...], float, float, pd.Timestamp]]:
    """Give cell, amount, share and first month of every fall that nothing explains."""
    count, months = off.shape[1], [pd.Timestamp(str(month)) for month in off.columns]
    to_end, now, was = (
        table.iloc[:, ::-1].cumsum(axis=1).iloc[:, ::-1].to_numpy()
        for table in (off, after, before)
    )
    to_end = to_end[:, : count - _MONTHS + 1]
    noise = np.diff(off.to_numpy(), axis=1).std(axis=1) / np.sqrt(2)
    floor = _LEAST * float(inputs.reviewed_sales()["amount"].abs().sum())
    quiet = _explained(inputs)
    found = []
    for number, cell in enumerate(off.index):
        first = int(to_end[number].argmin())
        lost, change = float(to_end[number, first]), now[number, first] - was[number, first]
        labels = cell if isinstance(cell, tuple) else (cell,)
        sure = -lost >= _SURE * noise[number] * np.sqrt(count - first)
        large = -lost > floor and -change >= _FALL * was[number, first] > 0
        if large and sure and not (quiet.get(labels[0], pd.Timestamp.min) >= months[first]):
            found.append(
                (tuple(map(str, labels)), lost, change / was[number, first], months[first])
            )
    return found


def _seats(inputs: Region, cells: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Give the productive months of a cell's territory over those a year before; 1: not known."""
    same = pd.DataFrame(1.0, cells.index, cells.columns)
    if keys[0] != "territory_id" or not len(inputs.assignments):
        return same
    seats = capacity(inputs).pivot_table(index="territory_id", columns="month", values="productive")
    back, months = pd.DateOffset(months=year_windows(inputs)[2]), pd.DatetimeIndex(cells.columns)
    now, was = (
        seats.reindex(index=cells.index.get_level_values(0), columns=days).to_numpy()
        for days in (months, months - back)
    )
    ratio = now / np.where(was > 0, was, np.nan)
    return same.mask(~np.isnan(ratio), pd.DataFrame(ratio, cells.index, cells.columns))


def _explained(inputs: Region) -> dict[str, pd.Timestamp]:
    """Give for territories of the table's own events the last month that these explain."""
    first, last = inputs.review_months
    events = inputs.events.dropna(subset="territory_id")
    events = events[~events["event_id"].str.startswith("answer.") & (events["starts_on"] <= last)]
    ends = events["ends_on"].fillna(last)
    known = ends[ends >= first].groupby(events["territory_id"]).max()
    return {str(place): pd.Timestamp(str(day)) for place, day in known.items()}


def _asked(
    inputs: Region,
    sales: pd.DataFrame,
    keys: list[str],
    cell: tuple[str, ...],
    lost: float,
    share: float,
    first: pd.Timestamp,
) -> dict[str, object]:
    here = sales[(sales[keys] == list(cell)).all(axis=1)]
    sold = here.groupby("rep_id")["amount"].sum()
    labels = dict(zip(keys, cell, strict=True)) | {"rep_id": sold.idxmax()}
    names = inputs.with_names(pd.DataFrame([labels])).iloc[0]
    of = f"Sales of {cell[1]}" if len(keys) > 1 else "Sales"
    where = f"in {names['territory']}" if "territory_id" in labels else f"of {names['rep']}"
    since = "in the reviewed year" if first == inputs.review_months[0] else f"from {first:%B %Y}"
    return labels | {
        "question_id": f"{QUESTION}.{_short(*cell)}",
        "question": (
            f"{of} {where} fell by {-share:.0%} {since} against the same months a year before, "
            f"{-lost:,.0f} {inputs.settings.currency} below the course of all sales: what happened?"
        ),
        "amount": lost,
        "starts_on": first,
    }


def _short(*labels: str) -> str:
    """Give a name of a cell that stays the same, and that no text takes for an id of the plan."""
    return hashlib.sha256("\x1f".join(labels).encode("utf-8", "surrogatepass")).hexdigest()[:6]


def told_words(inputs: Region) -> dict[str, str]:
    """Give by finding what people answered, each with name and day, in the order of the days."""
    told = inputs.answers.dropna(subset="question_id").sort_values(["answered_on", "answer_id"])
    asked = told["question_id"].str.startswith(QUESTION)
    told = told[asked | told["region"].isna() | told["region"].eq(inputs.name)]
    words: dict[str, list[str]] = {}
    for row in told.to_dict("records"):
        words.setdefault(str(row["question_id"]), []).append(said_by(inputs, row))
    return {key: " ".join(each) for key, each in words.items()}


def said_by(inputs: Region, row: Mapping[Hashable, Any]) -> str:
    """Say who answered what when, in one sentence."""
    speaker = str(row["answered_by"])
    who = "The planner" if speaker == PLANNER else inputs.names.get(speaker, speaker)
    about = [
        str(row[key]) for key in ("rep_id", "territory_id", "product_line") if pd.notna(row[key])
    ]
    place = ", ".join(inputs.names.get(label, label) for label in about)
    of = f" about {place}" if place and pd.isna(row["question_id"]) else ""
    return f"{who} said on {row['answered_on']:%Y-%m-%d}{of}: “{row['answer']}”."


def reported_events(inputs: Region) -> pd.DataFrame:
    """Give the answers that became events, by id of the event."""
    told = inputs.answers[inputs.answers["kind"].eq("event")]
    return told.set_index("answer." + told["answer_id"])


def candidates(inputs: Region) -> pd.DataFrame:
    """List answers that speak of the coming year and that the register may take up.

    Those of the kind assumption, and all that begin in the coming period or after.
    """
    told = inputs.answers
    coming = told["starts_on"] >= pd.Timestamp(inputs.settings.starts_on)
    told = told[told["kind"].eq("assumption") | coming]
    return told.sort_values(["answered_on", "answer_id"], ignore_index=True)
