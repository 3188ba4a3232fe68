"""What every seat would sell in the coming months, and how the register's drivers change it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import pandas as pd

from planning_kit.data import Region, cached
from planning_kit.numbers.intervals import Z80
from planning_kit.numbers.staffing import Staffing
from planning_kit.outlook.history import (
    PLACE,
    held_months,
    month_number,
    own_books,
    plan_months,
)
from planning_kit.outlook.levels import Levels, estimate_levels, levels_of, line_shares
from planning_kit.outlook.register import Assumption, read_assumptions, read_correlations
from planning_kit.outlook.turnover import turnover
from planning_kit.plan import Scenario

ROW = [*PLACE, "product_line", "month"]
_LONG_HERE = 1200  # months of tenure of somebody whose hiring has no date


@dataclass(frozen=True)
class Seats:
    """The coming months at full capacity, and everything the drivers need.

    Attributes
    ----------
    inputs : Region
    levels : Levels
        What history says.
    assumptions : tuple of Assumption
    rows : pandas.DataFrame
        rep_id, territory_id, product_line, month, full (plan currency: a full seat at the level
        of the last twelve months), weight (part of the seat's usual share held), doubt (standard
        error of ``full`` where it rests on others' results, over it), filled_by.
    tenure : pandas.Series
        Months since hiring in the first month, by rep_id; negative: hired so much later.
    correlation : numpy.ndarray
        Between the assumptions, in their order.
    """

    inputs: Region
    levels: Levels
    assumptions: tuple[Assumption, ...]
    rows: pd.DataFrame
    tenure: pd.Series
    correlation: np.ndarray

    @property
    def months(self) -> pd.DatetimeIndex:
        """Months of the plan."""
        return plan_months(self.inputs)

    @cached_property
    def years_ahead(self) -> float:
        """Years from the middle of the last twelve months of sales to the middle of the plan."""
        first, last = self.months[0], self.levels.history.last
        gap = (first.year - last.year) * 12 + first.month - last.month
        return (gap - 1 + (12 + len(self.months)) / 2) / 12

    @cached_property
    def counted(self) -> tuple[float, float, float]:
        """Turnover of the roster with its range, where the register is silent; 0 where unknown."""
        whole = turnover(self.inputs).iloc[0]
        parts = np.clip(np.nan_to_num(whole[["rate", "low", "high"]].astype(float)), 0, 1)
        return float(parts[0]), float(parts[1]), float(parts[2])

    @cached_property
    def scopes(self) -> dict[str, np.ndarray]:
        """Say for every assumption which rows it touches."""
        return {a.assumption_id: self._touches(a) for a in self.assumptions}

    def _touches(self, assumption: Assumption) -> np.ndarray:
        here = np.ones(len(self.rows), dtype=bool)
        if assumption.territories:
            here &= self.rows["territory_id"].isin(assumption.territories).to_numpy()
        if assumption.product_line:
            here &= (self.rows["product_line"] == assumption.product_line).to_numpy()
        return here

    def values(self, changed: Mapping[str, float] | None = None) -> dict[str, float]:
        """Give the value of every assumption: base, or what is changed."""
        return {a.assumption_id: a.base for a in self.assumptions} | dict(changed or {})

    def staffing(self, changed: Mapping[str, float] | None = None) -> Staffing:
        """Give the staff assumptions; the roster and the plan stand in for what is not assumed."""
        values, settings = self.values(changed), self.inputs.settings
        assumed = {a.driver: values[a.assumption_id] for a in self.assumptions}
        people = (settings.vacancy_months, settings.ramp, settings.account_loss_share)
        return Staffing(self.counted[0], *people).assuming(assumed)

    def capacity(self, staffing: Staffing) -> np.ndarray:
        """Give the expected capacity of the seat behind every row, its weight left out."""
        paths = staffing.expected(self.tenure.to_numpy(), len(self.months))
        return paths[self.at]

    @cached_property
    def at(self) -> tuple[np.ndarray, np.ndarray]:
        """Person and month of every row, by number."""
        person = self.tenure.index.get_indexer(pd.Index(self.rows["rep_id"]))
        return person, self.months.get_indexer(pd.Index(self.rows["month"]))

    @cached_property
    def full(self) -> np.ndarray:
        """Full seats, the part of the month somebody holds them."""
        return self.rows["full"].to_numpy() * self.rows["weight"].to_numpy()

    @cached_property
    def base(self) -> np.ndarray:
        """Expected result of every row with every assumption at its base."""
        return self.expected()

    def expected(self, changed: Mapping[str, float] | None = None) -> np.ndarray:
        """Give the expected result of every row, plan currency."""
        return self.full * self.capacity(self.staffing(changed)) * self.factors(changed)

    def expected_rows(self) -> pd.DataFrame:
        """Give the rows with expected (plan currency) and capacity_share."""
        capacity = self.capacity(self.staffing()) * self.rows["weight"].to_numpy()
        return self.rows.assign(expected=self.base, capacity_share=capacity)

    def swing(self, assumption: Assumption) -> tuple[float, float]:
        """Give what the low and the high value do to the expected total, plan currency."""
        low, high = (
            float(np.nansum(self.expected({assumption.assumption_id: value}) - self.base))
            for value in (assumption.low, assumption.high)
        )
        return low, high

    @cached_property
    def spread(self) -> float:
        """Coefficient of variation of the total that the register's ranges mean."""
        total = float(np.nansum(self.base))
        swings = np.array([high - low for low, high in map(self.swing, self.assumptions)])
        square = max(0.0, float(swings @ self.correlation @ swings)) if len(swings) else 0.0
        return float(np.sqrt(square) / (2 * Z80 * total)) if total else 0.0

    def together(self, number: int, side: int) -> float:
        """Give what an end (-1 low, 1 high) does to the total, the others moved as they go with it."""
        moved = {}
        for other, part in zip(self.assumptions, side * self.correlation[number], strict=True):
            end = other.high if part > 0 else other.low
            moved[other.assumption_id] = other.base + abs(part) * (end - other.base)
        return float(np.nansum(self.expected(moved) - self.base))

    def factors(self, changed: Mapping[str, float] | None = None) -> np.ndarray:
        """Multiply what the change and ratio drivers do to every row."""
        values, factors = self.values(changed), np.ones(len(self.rows))
        has_growth = np.zeros(len(self.rows), dtype=bool)
        for assumption in self.assumptions:
            here, value = self.scopes[assumption.assumption_id], values[assumption.assumption_id]
            if assumption.driver == "market_growth":
                has_growth |= here
                factors[here] *= max(0.0, 1 + value) ** self.years_ahead
            elif assumption.moves == "change":
                factors[here] *= max(0.0, 1 + value)
            elif assumption.moves == "ratio":
                factors[here] *= max(0.0, value) / assumption.reference
        trend = self.levels.trend[0]
        factors[~has_growth] *= max(0.0, 1 + trend) ** self.years_ahead
        return factors


@lru_cache(maxsize=4)  # a notebook asks for the same outlook a dozen times
def look_ahead(inputs: Region, scenario: Scenario) -> Seats:
    """Read the register (see `read_assumptions`) and estimate what it is applied to."""
    assumptions = read_assumptions(inputs, scenario)
    levels, rows, tenure = _seats_held(inputs)
    return Seats(
        inputs, levels, assumptions, rows, tenure, read_correlations(scenario, assumptions)
    )


def _held(inputs: Region) -> tuple[Levels, pd.DataFrame, pd.Series]:
    """Give what no assumption changes: levels, rows and tenure of `Seats`."""
    first = pd.Timestamp(inputs.settings.starts_on)
    levels = estimate_levels(inputs, first)
    months = plan_months(inputs)
    team = pd.Index(inputs.team()["rep_id"])
    every = held_months(inputs, months)
    held = coming_places(inputs, levels, team, every)
    rows = full_rows(levels, held, every[every["month"] == first])
    hired = inputs.reps.drop_duplicates("rep_id").set_index("rep_id")["hired_on"].reindex(team)
    tenure = (first.year * 12 + first.month - month_number(hired)).fillna(_LONG_HERE)
    begin = levels.history.first  # a roster that begins with the data shows no new hires
    tenure = tenure.mask(month_number(hired) <= begin.year * 12 + begin.month, _LONG_HERE)
    return levels, rows, tenure.astype("int64")


_seats_held = cached(_held)


def coming_places(
    inputs: Region, levels: Levels, team: pd.Index, every: pd.DataFrame
) -> pd.DataFrame:
    """List what the team holds in every month of the plan.

    Somebody without any territory keeps the last one while nobody else has it, and works an own
    book otherwise.
    """
    months = plan_months(inputs)
    held = every[every["rep_id"].isin(team)].assign(kept="")
    without = team.difference(pd.Index(held["rep_id"]))
    held = pd.concat([held, _kept(levels, every, without, months)], ignore_index=True)
    without = without.difference(pd.Index(held["rep_id"]))
    books = own_books(inputs, held, pd.Series(months[0], index=without), months)
    held = pd.concat([held, books.assign(kept="")], ignore_index=True) if len(books) else held
    return held.sort_values([*PLACE, "month"], ignore_index=True)


def _kept(
    levels: Levels, every: pd.DataFrame, people: pd.Index, months: pd.DatetimeIndex
) -> pd.DataFrame:
    last = levels.history.held
    last = last[(last["month"] == levels.history.last) & last["rep_id"].isin(people)]
    last = last[(last["territory_id"] != "") & ~last["territory_id"].isin(every["territory_id"])]
    kept = last[[*PLACE, "weight"]].merge(pd.DataFrame({"month": months}), how="cross")
    words = "the assignment ended before the plan and nobody else has it"
    return kept.assign(tenure=0, kept=words)[[*every.columns, "kept"]]


def full_rows(levels: Levels, held: pd.DataFrame, going_on: pd.DataFrame) -> pd.DataFrame:
    """Spread the yearly level of every held place over lines and months.

    ``going_on``: what anybody holds in the first month, see `levels_of`.
    """
    places = held.groupby(PLACE, as_index=False).agg(share=("weight", "max"), kept=("kept", "max"))
    places = levels_of(levels, places, going_on)
    lines = line_shares(levels, places)
    if lines.shape[1] == 0:  # no sales at all: keep a row a place and month
        lines = pd.DataFrame({"": 1.0}, index=places.index)
    wide = pd.concat([places, lines], axis=1)
    long = wide.melt(id_vars=list(places.columns), var_name="product_line", value_name="line_share")
    season = levels.season.rename(columns={"month_of_year": "moy"}).drop(columns="error")
    rows = held[[*PLACE, "month", "weight"]].merge(long, on=PLACE)
    rows["moy"] = rows["month"].dt.month
    rows = rows.merge(season, on=["product_line", "moy"], how="left")
    rows["full"] = rows["level"] * rows["line_share"] * rows["factor"].fillna(1.0) / 12
    rows["weight"] = rows["weight"] / rows["share"]
    rows["filled_by"] = rows["filled_by"] + ("; " + rows["kept"]).where(rows["kept"] != "", "")
    rows["product_line"] = rows["product_line"].astype("str")
    columns = [*ROW, "full", "weight", "doubt", "filled_by"]
    return rows[columns].sort_values(ROW, ignore_index=True)
