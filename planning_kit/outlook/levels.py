"""What a full seat sells in a year: own results, the seat's history, the group, by credibility."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from planning_kit.data import Region, cached
from planning_kit.outlook.history import (
    HALF_LIFE_YEARS,
    PLACE,
    History,
    lasting_events,
    line_spans,
    look_up,
    month_number,
    read_history,
    season_factors,
)
from planning_kit.outlook.order_sizes import OrderSizes, order_sizes

_SAME_SHARE = 0.005  # two parts of a territory this near in size are the same seat
_ENOUGH_YEARS = 0.75  # of results without any sale, to expect none
_ROUNDS = 4  # what a seat sells and how much chance goes with it say each other
_LEAST_YEARS = 0.25  # of results on both sides, for a seat to tell about growth
_WORTH = (0.02, 10.0)  # years of own sales that everybody's mix of lines is worth, within these
_USUAL_WORTH = 1.0  # where nothing tells
USUAL_GROWTH = (
    0.1  # a year, of companies before their own figures are seen: two in three lie within
)


@dataclass(frozen=True)
class Usual:
    """How years differ where few could be measured, and how many measured ones that is worth.

    A choice, not a finding: results of people vary more from year to year than results of regions.

    Attributes
    ----------
    common, person : float
        Spread of the logarithm of a region's and of a person's year about its expectation.
    alone : float
        The same of a person where no past year could be forecast at all.
    drift, most_drift : float
        How far levels move within the only year, and the most they are taken to.
    years, people : float
        Weight in yearly errors of a region, and of persons.
    """

    common: float = 0.06
    person: float = 0.15
    alone: float = 0.2
    drift: float = 0.15
    most_drift: float = 0.5
    years: float = 2.0
    people: float = 8.0


USUAL = Usual()


@dataclass(frozen=True)
class Levels:
    """Everything estimated from the months before a day.

    Attributes
    ----------
    history : History
    season : pandas.DataFrame
        product_line, month_of_year, factor.
    mix : pandas.Series
        Share of every product line in a usual year, all seats together; 0: it has ended.
    unseen : pandas.Series
        By product line: months that count over those of them in which it was offered.
    cells : pandas.DataFrame
        rep_id, territory_id, month, amount, exposure (seat-years at the level of the last twelve
        months, so that amount / exposure is a yearly level), counted (weight of the month for
        the level, 0 before a lasting event), weight.
    places : pandas.DataFrame
        rep_id, territory_id, share, sold, exposure, months, level (yearly, full seat),
        scale (of the holder's orders, see `OrderSizes`).
    orders : OrderSizes
    within, between : float
        Chance of one seat-year (as a share, see `_variances`), and variance between seats.
    group : float
        Mean yearly level of a seat; NaN without any sales.
    growth : tuple of float
        Like-for-like growth from year to year, the latest first.
    """

    history: History
    season: pd.DataFrame
    mix: pd.Series
    unseen: pd.Series
    cells: pd.DataFrame
    places: pd.DataFrame
    orders: OrderSizes
    within: float
    between: float
    group: float
    growth: tuple[float, ...]

    @property
    def trend(self) -> tuple[float, float]:
        """Growth a year that the data supports, and its standard error.

        The mean of the yearly changes is drawn towards 0: companies grow by about ``USUAL_GROWTH``
        a year or less, and few changes, or changes that differ, say little against that. A single
        large one says next to nothing: it counts as spread, too.
        """
        changes, kept, mean = np.log1p(np.array(self.growth)), 0.0, 0.0
        if count := len(changes):
            mean = float(changes.mean())
            square = float(((changes - mean) ** 2).sum()) + mean**2
            one = (USUAL.years * USUAL.common**2 + square) / (USUAL.years + count)
            kept = count * USUAL_GROWTH**2 / (count * USUAL_GROWTH**2 + one)
        return float(np.expm1(kept * mean)), USUAL_GROWTH * float(np.sqrt(1 - kept))

    def credible(self, seats: pd.DataFrame) -> pd.Series:
        """Give the weight of seats' own results against the group's (Buehlmann).

        ``seats``: level, exposure, scale, as in ``places``.
        """
        return _credible(seats, self.within, self.between, self.group)


@partial(cached, depends_on=1)
def estimate_levels(inputs: Region, before: pd.Timestamp, history: History | None = None) -> Levels:
    """Estimate levels, seasons and growth from the months before a day.

    ``history``: one that was read up to a later day, to save reading it again.
    """
    history = read_history(inputs, before) if history is None else history.until(before)
    season = season_factors(inputs, history)
    spans = line_spans(history)
    mix = _mix(history, spans)
    cells = _cells(inputs, history, _total_season(season, mix), before, spans, mix)
    growth = _growth(cells)
    # Index of a year's level against the last twelve months.
    index = np.append(1.0, 1 / np.cumprod([max(0.1, 1 + g) for g in growth]))
    years = cells["back"].clip(upper=len(index) - 1)
    cells["exposure"] = cells["season"] * cells["ramp"] * index[years]
    cells["counted"] = 0.5 ** (cells["back"] / HALF_LIFE_YEARS) * cells["is_alike"]
    orders = order_sizes(inputs, history.last)
    places = _places(cells)
    places["scale"] = look_up(places["rep_id"], orders.scales).fillna(1.0)
    within, between, group = _variances(cells, places)
    unseen = _unseen(cells, spans)
    return Levels(
        history, season, mix, unseen, cells, places, orders, within, between, group, growth
    )


def _unseen(cells: pd.DataFrame, spans: pd.DataFrame) -> pd.Series:
    counted = cells["counted"].groupby(month_number(cells["month"])).sum()
    since = [counted[counted.index >= first].sum() for first in spans["first"]]
    whole = pd.Series(counted.sum(), spans.index, dtype="float64")
    return (whole / pd.Series(since, spans.index, dtype="float64").replace(0.0, np.nan)).fillna(1.0)


def _mix(history: History, spans: pd.DataFrame) -> pd.Series:
    """Give the share of every line in a usual year of lines as they are sold now.

    Lines are added in the order of their start, each against those that were there by then, so
    that one that began is no growth of the others.
    """
    first, last = history.first, history.last
    end = last.year * 12 + last.month
    months = end - (first.year * 12 + first.month) + 1
    whole = 12 * (months // 12) or months  # parts of a year would favour a line by its season
    at = month_number(history.sold["month"])
    recent = history.sold.assign(at=at)[end - at < min(whole, 24)]
    living = spans[~spans["ended"].astype(bool)]
    begun = look_up(recent["product_line"], living["first"])
    mix = pd.Series(0.0, spans.index)
    for begin in sorted(living["first"].unique()):
        since = recent[(recent["at"] >= begin) & (begun <= begin)]
        sums = since.groupby("product_line")["amount"].sum().clip(lower=0.0)
        sums = sums.reindex(spans.index, fill_value=0.0)
        new = sums.where(spans["first"] == begin, 0.0)
        part = new.sum() / sums.sum() if sums.sum() > 0 else 0.0
        mix = mix * (1 - part) + (new / new.sum() * part if new.sum() > 0 else 0.0)
    return mix / mix.sum() if mix.sum() > 0 else mix + 1 / max(1, len(mix))


def _total_season(season: pd.DataFrame, mix: pd.Series) -> pd.Series:
    weighted = season["factor"] * look_up(season["product_line"], mix)
    return weighted.groupby(season["month_of_year"]).sum() / 12


def _cells(
    inputs: Region,
    history: History,
    season: pd.Series,
    before: pd.Timestamp,
    spans: pd.DataFrame,
    mix: pd.Series,
) -> pd.DataFrame:
    keys = [*PLACE, "month"]
    living = history.sold[~look_up(history.sold["product_line"], spans["ended"]).astype(bool)]
    amount = living.groupby(keys, as_index=False)["amount"].sum()
    cells = history.held.merge(amount, on=keys, how="left").fillna({"amount": 0.0})
    # A seat is measured in itself: its own usual weight is one seat.
    share = cells.groupby(PLACE)["weight"].transform("max")
    of_year = look_up(cells["month"].dt.month, season).fillna(1 / 12)
    begun = mix.groupby(spans["first"]).sum().sort_index().cumsum()
    months = month_number(cells["month"])
    offered = (
        1.0
        if begun.empty
        else begun.to_numpy()[np.maximum(0, begun.index.searchsorted(months, side="right") - 1)]
    )
    events = lasting_events(inputs, before)
    since = look_up(cells["territory_id"], events)
    last = history.last.year * 12 + history.last.month
    return cells.assign(
        share=share,
        season=of_year * offered * cells["weight"] / share,
        back=((last - month_number(cells["month"])) // 12).astype("int64"),
        is_alike=(~(cells["month"] < since)).astype(float),
    )


def _growth(cells: pd.DataFrame) -> tuple[float, ...]:
    """Compare seats with themselves, year to year, the latest first."""
    hit = cells.groupby("territory_id")["is_alike"].transform("min") == 0
    alike = cells[~hit] if not hit.all() else cells
    exposure = alike["season"] * alike["ramp"]
    by = [alike["rep_id"], alike["territory_id"], alike["back"]]
    sold = alike["amount"].groupby(by).sum().unstack()
    years = exposure.groupby(by).sum().unstack()
    changes = []
    for back in range(int(cells["back"].max()) if len(cells) else 0):
        if back not in sold or back + 1 not in sold:
            break
        both = (years[back] >= _LEAST_YEARS) & (years[back + 1] >= _LEAST_YEARS)
        weight = years[[back, back + 1]].min(axis=1)[both]
        new = (weight * sold[back][both] / years[back][both]).sum()
        old = (weight * sold[back + 1][both] / years[back + 1][both]).sum()
        if not both.any() or old <= 0 or new <= 0:
            break
        changes.append(float(new / old - 1))
    return tuple(changes)


def _places(cells: pd.DataFrame) -> pd.DataFrame:
    counted = cells.assign(
        sold=cells["amount"] * cells["counted"],
        exposure=cells["exposure"] * cells["counted"],
        is_counted=(cells["exposure"] * cells["counted"] > 0).astype("int64"),
    )
    places = counted.groupby(PLACE, as_index=False).agg(
        share=("share", "max"),
        sold=("sold", "sum"),
        exposure=("exposure", "sum"),
        months=("is_counted", "sum"),
    )
    known = places["exposure"] > 0
    level = (places["sold"] / places["exposure"].where(known)).clip(lower=0.0)
    return places.assign(level=level)


def _credible(seats: pd.DataFrame, within: float, between: float, group: float) -> pd.Series:
    exposure = seats["exposure"].fillna(0.0)
    if within == 0.0:  # no chance in them: results, where there are any, say it all
        return (exposure > 0).astype(float)
    own = exposure * between
    chance = within * group * seats["scale"].fillna(1.0)
    size, level = pd.Series(group, seats.index), seats["level"].fillna(0.0)
    for _ in range(_ROUNDS):
        weight = own / (own + chance * size)
        size = weight * level + (1 - weight) * group
    return weight


def _variances(cells: pd.DataFrame, places: pd.DataFrame) -> tuple[float, float, float]:
    """Estimate chance, spread between seats and their mean (Buehlmann-Straub, by moments).

    Chance goes with how much a seat sells, in orders how large: small seats of small orders vary
    little. How much that is follows from the estimate itself, not from what chance made of it.
    The mean is the one with which everybody's levels add up to what was sold.
    """
    known = places[places["exposure"] > 0]
    if known.empty:
        return 0.0, 0.0, np.nan
    years, level = (known[name].to_numpy(float) for name in ("exposure", "level"))
    total = years.sum()
    group = float((years * level).sum() / total)
    even = float(total - (years**2).sum() / total)
    if len(known) == 1 or group <= 0 or even <= 0:
        return 0.0, 0.0, group  # nobody to be drawn to
    months = cells.merge(known[[*PLACE, "level"]].assign(seat=range(len(known))), on=PLACE)
    exposure = months["exposure"] * months["counted"]
    months, exposure = months[exposure > 0], exposure[exposure > 0]
    square = exposure * (months["amount"] / months["exposure"] - months["level"]) ** 2
    by_seat = np.bincount(months["seat"], square, len(known))
    free = len(months) - len(known)
    within, between, size = 0.0, 0.0, np.full(len(known), group)
    for _ in range(_ROUNDS if free > 0 else 0):
        goes_with = group * known["scale"].to_numpy() * size
        within = float((by_seat / goes_with).sum() / free)
        chance = within * goes_with * (1 - years / total)
        between = max(0.0, float((years * (level - group) ** 2 - chance).sum() / even))
        weight = _credible(known, within, between, group).to_numpy()
        size = weight * level + (1 - weight) * group
        left = years * (1 - weight)
    mean = float((left * level).sum() / left.sum()) if free > 0 and left.sum() > 0 else group
    return within, between, mean


def levels_of(levels: Levels, wanted: pd.DataFrame, going_on: pd.DataFrame) -> pd.DataFrame:
    """Give the yearly level of seats, and what it rests on.

    Own results count as far as they are credible; the rest comes from those who held the same
    part of the territory before, and from the group's mean.

    Parameters
    ----------
    levels
        What `estimate_levels` made.
    wanted
        rep_id, territory_id, share.
    going_on
        rep_id, territory_id of everybody who holds something when the period starts; what they
        sold is no former holder's.

    Returns
    -------
    pandas.DataFrame
        ``wanted`` with level (plan currency a year, the whole seat), filled_by, and doubt
        (standard error of a level that rests on others' results, over the level).
    """
    own = wanted.merge(
        levels.places[[*PLACE, "level", "exposure", "months", "scale", "share"]],
        on=PLACE,
        how="left",
        suffixes=("", "_then"),
    )
    seat = _seat_history(levels, wanted, going_on)
    own_z = levels.credible(own)
    # Nothing at all in most of a year is no chance: such a person does not sell.
    sold = levels.history.sold
    sellers = pd.MultiIndex.from_frame(sold.loc[sold["amount"] > 0, PLACE])
    never = ~pd.MultiIndex.from_frame(own[PLACE]).isin(sellers)
    own_z = own_z.mask(never & (own["exposure"] >= _ENOUGH_YEARS), 1.0)
    seat_z = levels.credible(seat)
    own_level = (own["level"] * own["share"] / own["share_then"]).fillna(0.0)
    before = seat_z * seat["level"] + (1 - seat_z) * levels.group
    blended = own_z * own_level + (1 - own_z) * before
    seat_part, group_part = (1 - own_z) * seat_z, (1 - own_z) * (1 - seat_z)
    words = [
        _filled_by(*row)
        for row in zip(
            own["months"].fillna(0), seat["months"], own_z, seat_part, group_part, strict=True
        )
    ]
    unknown = np.isnan(levels.group)
    return wanted.assign(
        level=np.nan if unknown else blended,
        filled_by="nothing to go by: no sales" if unknown else words,
        doubt=np.sqrt(levels.between * (1 - own_z) * (1 - seat_z)) / blended.where(blended > 0),
    )


def _seat_history(levels: Levels, wanted: pd.DataFrame, going_on: pd.DataFrame) -> pd.DataFrame:
    """Sum the results of former holders of the same part of the territory."""
    keys = wanted[[*PLACE, "share"]].assign(row=range(len(wanted)))
    keys = keys[keys["territory_id"] != ""]
    places = levels.places[levels.places["exposure"] > 0]
    both = keys.merge(places, on="territory_id", suffixes=("", "_then"))
    holds = pd.MultiIndex.from_frame(going_on[PLACE])
    then = pd.MultiIndex.from_arrays([both["rep_id_then"], both["territory_id"]])
    both = both[(both["rep_id"] != both["rep_id_then"]) & ~then.isin(holds)]
    near = (both["share"] - both["share_then"]).abs() < _SAME_SHARE
    both = both[near | ~near.groupby(both["row"]).transform("any")]
    scaled = both["sold"] * both["share"] / both["share_then"]
    sums = (
        pd.DataFrame(
            {
                "row": both["row"],
                "sold": scaled,
                "exposure": both["exposure"],
                "months": both["months"],
                "scale": both["scale"] * both["exposure"],
            }
        )
        .groupby("row")
        .sum()
    )
    sums = sums.reindex(range(len(wanted)), fill_value=0.0)
    level = (sums["sold"] / sums["exposure"].where(sums["exposure"] > 0)).clip(lower=0).fillna(0.0)
    scale = sums["scale"] / sums["exposure"].where(sums["exposure"] > 0)
    return sums.assign(level=level, scale=scale).set_axis(wanted.index)


def _filled_by(own_months: float, seat_months: float, own: float, seat: float, group: float) -> str:
    parts = []
    if own >= 0.005:
        parts.append(f"own results of {own_months:.0f} months ({own:.0%})")
    if seat >= 0.005:
        parts.append(f"the seat's results under others, {seat_months:.0f} months ({seat:.0%})")
    if group >= 0.005:
        parts.append(f"the group's mean per seat ({group:.0%})")
    return ", ".join(parts)


def line_shares(levels: Levels, wanted: pd.DataFrame) -> pd.DataFrame:
    """Split seats by product line: own sales, and everybody's mix for so many years as it is worth.

    Returns
    -------
    pandas.DataFrame
        One row a row of ``wanted``, one column a product line; rows add up to 1.
    """
    sold, season = levels.history.sold, levels.season
    sold = sold.merge(levels.cells[[*PLACE, "month", "counted"]], on=[*PLACE, "month"], how="left")
    total = _total_season(season, levels.mix)
    factor = season.set_index(["product_line", "month_of_year"])["factor"] / 12
    at = pd.MultiIndex.from_arrays([sold["product_line"], sold["month"].dt.month])
    of_line = np.maximum(factor.reindex(at).to_numpy(), 0.02)
    share = look_up(sold["month"].dt.month, total) / of_line
    even = sold["amount"] * sold["counted"].fillna(0.0) * share
    half = month_number(sold["month"]) % 2
    by = [half, *(sold[name] for name in [*PLACE, "product_line"])]
    halves = even.groupby(by).sum().unstack()
    halves = halves.reindex(columns=levels.mix.index).fillna(0.0).clip(lower=0.0)
    halves *= (levels.mix > 0).astype(float) * levels.unseen
    own = halves.groupby(PLACE).sum()
    years = levels.places.set_index(PLACE)["exposure"]
    worth = _worth_of_the_mix(halves, years, levels.mix)
    own = own.reindex(pd.MultiIndex.from_frame(wanted[PLACE])).fillna(0.0).to_numpy()
    mix, level = levels.mix.to_numpy()[None, :], wanted["level"].to_numpy(float)[:, None]
    sums = own + worth * np.nan_to_num(level) * mix
    whole = sums.sum(axis=1, keepdims=True)
    shares = np.where(whole > 0, sums / np.where(whole > 0, whole, 1.0), mix)
    return pd.DataFrame(shares, index=wanted.index, columns=levels.mix.index)


def _worth_of_the_mix(halves: pd.DataFrame, years: pd.Series, mix: pd.Series) -> float:
    """Find how many years of own sales everybody's mix is worth (Buehlmann, by moments).

    What a seat's shares of even and of odd months differ by is chance; what is left of how seats
    differ from everybody is their own.
    """
    whole = halves.sum(axis=1)
    both = halves.groupby(PLACE).sum()[(whole > 0).groupby(PLACE).sum() == 2]
    exposure = years.reindex(both.index).to_numpy()
    shares = halves.div(whole.where(whole > 0), axis=0)
    even, odd = (
        shares[shares.index.get_level_values(0) == half].droplevel(0).reindex(both.index)
        for half in (0, 1)
    )
    chance = ((even - odd) ** 2).sum(axis=1).to_numpy() / 4
    off = ((both.div(both.sum(axis=1), axis=0) - mix) ** 2).sum(axis=1).to_numpy()
    of_a_year = float((exposure**2 * chance).sum())
    own = float((exposure * (off - chance)).sum())
    if not of_a_year > 0:
        return _USUAL_WORTH
    return float(np.clip(of_a_year / max(own, 1e-300), *_WORTH))
