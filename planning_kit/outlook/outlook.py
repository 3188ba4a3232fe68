"""What the coming year may bring: draws of everybody's year, and every chance that follows from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property, lru_cache, partial

import numpy as np
import pandas as pd
from scipy.special import ndtri

from planning_kit.data import Region
from planning_kit.messages import DataError, require_labels
from planning_kit.numbers.intervals import HIGH, LOW, Z80, deviation
from planning_kit.numbers.lognormal import cv_of_log
from planning_kit.numbers.staffing import monthly_hazard
from planning_kit.numbers.statistics import wilson
from planning_kit.outlook.misses import misses_ahead
from planning_kit.outlook.ranges import Parts, order_numbers, part_ranges, range80, share_of_year
from planning_kit.outlook.seats import ROW, Seats, look_ahead
from planning_kit.outlook.years import World, YearModel, draw_people, own_years, with_world
from planning_kit.plan import Scenario, months_between

RUNS = 2000
SHARES = (0.0, 0.05, 0.10, 0.15, 0.20, 0.30, 0.50)  # of over-assignment
PEOPLE_COLUMNS = ("rep_id", "expected", "low", "high", "middle", "spread")
MODEL_COLUMNS = (
    "own_cv",
    "expected_error",
    "orders",
    "order_cv",
    "common_cv",
    "stays_month",
    "starts_in",
)
EFFECT_COLUMNS = ("assumption_id", "rep_id", "low", "high")
PAIR_COLUMNS = ("assumption_id", "other_id", "coefficient")
FRONTIER_COLUMNS = (
    "over_assignment",
    "goals_total",
    "k",
    "share_reaching",
    "team_chance",
    "goals_chance",
    "covered_chance",
    "covered_target",
    "status",
)
FRONTIER_TYPES = {**dict.fromkeys(FRONTIER_COLUMNS, "float64"), "status": "str"}
_GRAIN = 1000  # draws are whole thousandths of the rounding unit: sums are exact, in any order
_STAYS = "all_year"
_LEAVES = "until_"


@dataclass(frozen=True)
class ChanceOfTarget:
    """How likely a target is, and how many people would reach their goals.

    Attributes
    ----------
    target, expected : float
        Plan currency.
    probability, low, high : float
        Chance that the people together reach the target, with the 95 % range of the simulation
        itself (Wilson); NaN where nothing is expected of anybody.
    share_reaching, share_low, share_high : float
        Share of people who reach their goals: mean and 80 % range over the runs.
    k : float
        Sum of goals over sum of expectations; above 1 the goals are not backed by capacity.
    people : pandas.DataFrame
        rep_id, goal, expected, chance, by rep_id; empty goal: nobody planned one.
    runs, seed : int
        Simulated years, and the seed they were drawn with.
    is_measured : bool
        How years differ was measured on past ones; else usual spreads stand in, and the chance
        carries no verdict.
    note : str
        Where the goals come from.
    """

    target: float
    expected: float
    probability: float
    low: float
    high: float
    share_reaching: float
    share_low: float
    share_high: float
    k: float
    people: pd.DataFrame
    runs: int
    seed: int
    is_measured: bool
    note: str


@dataclass(frozen=True, eq=False)
class Outlook:
    """Draws of everybody's coming year, and what is asked of them.

    Draw *i* is the same world in every region: what belongs to an assumption, to everybody, or to
    a person is seeded by its id. The draws of regions therefore add up to the company's, and the
    same target and goals have the same chance wherever they are asked.

    Attributes
    ----------
    people : pandas.DataFrame
        A row a person, by rep_id; others are left out: expected (plan currency); own_cv (relative
        spread of the person's own luck), expected_error (of the expectation, over it), orders (that
        the expected year consists of; empty: it does not vary) and order_cv (how uneven they are),
        common_cv (of what hits everybody beyond the register), stays_month (chance to stay a month
        longer), starts_in (month of the plan, 0 is the first), past_years (on which spreads were
        measured; 0: usual ones stand in); until_01, until_02, ... and all_year: the seat's year
        over its expectation when its holder's last month is that one.
    effects : pandas.DataFrame
        assumption_id, rep_id, low, high: what the assumption's ends change in the person's year
        (0.1 is 10 % more). Pairs that are not there change nothing.
    correlations : pandas.DataFrame
        assumption_id, other_id, coefficient; pairs that are not there are independent.
    unit : float
        Rounding unit of goals, plan currency.
    seed, runs : int
        Of the draws.
    parts : callable, optional
        Gives expected results with their 80 % range by other cuts than people.
    """

    people: pd.DataFrame
    effects: pd.DataFrame
    correlations: pd.DataFrame
    unit: float
    seed: int
    runs: int = RUNS
    parts: Callable[..., pd.DataFrame] | None = None

    @classmethod
    def together(cls, outlooks: Iterable[Outlook]) -> Outlook:
        """Add the draws of several regions up, to the company's."""
        every = list(outlooks)
        if len(every) == 1:
            return every[0]
        people = pd.concat([o._known for o in every], ignore_index=True)
        effects = pd.concat([o.effects for o in every], ignore_index=True)
        pairs = pd.concat([o.correlations for o in every], ignore_index=True).drop_duplicates()
        people = people.sort_values("rep_id", ignore_index=True)
        return replace(every[0], people=people, effects=effects, correlations=pairs, parts=None)

    @cached_property
    def _known(self) -> pd.DataFrame:
        """The rows of people."""
        return self.people[self.people["rep_id"].notna()].reset_index(drop=True)

    @cached_property
    def expected(self) -> pd.Series:
        """Expected results by rep_id, plan currency; empty where there is nothing to go by."""
        return self._known.set_index("rep_id")["expected"]

    @property
    def is_measured(self) -> bool:
        """Say if past years could be forecast again everywhere, to see how far they fell."""
        return len(self._known) > 0 and bool((self._known["past_years"] > 0).all())

    @cached_property
    def model(self) -> YearModel:
        """What the draws are made from."""
        people, ids = self._known, pd.Index(self._known["rep_id"])
        pairs = self.correlations
        names = sorted(
            {*self.effects["assumption_id"], *pairs["assumption_id"], *pairs["other_id"]}
        )
        at = pd.Index(names)
        low, high = np.zeros((2, len(names), len(people)))
        cell = (
            at.get_indexer(self.effects["assumption_id"]),
            ids.get_indexer(self.effects["rep_id"]),
        )
        low[cell], high[cell] = self.effects["low"], self.effects["high"]
        correlation = np.eye(len(names))
        a, b = at.get_indexer(pairs["assumption_id"]), at.get_indexer(pairs["other_id"])
        correlation[a, b] = correlation[b, a] = pairs["coefficient"]
        columns = (people[c].to_numpy(float) for c in MODEL_COLUMNS)
        own, doubt, orders, order_cv, common, stay, start = columns
        months = [c for c in people.columns if str(c).startswith(_LEAVES)]
        years = people[[*months, _STAYS]].to_numpy(float)
        start = start.astype(np.int64)
        orders = np.where(np.isnan(orders), np.inf, orders)  # a file has no cell without end
        register = (tuple(ids), tuple(names), low, high, correlation)
        return YearModel(*register, common, own, doubt, orders, order_cv, stay, start, years)

    @cached_property
    def world(self) -> World:
        """Everybody's luck, and who leaves when."""
        return draw_people(self.model, self.runs, self.seed)

    @cached_property
    def _own(self) -> np.ndarray:
        return own_years(self.model, self.world, self.seed)

    def _drawn(self, at: tuple[int, float] | None = None) -> np.ndarray:
        amounts = self.expected.fillna(0.0).to_numpy() / self.unit * _GRAIN
        return with_world(self.model, self._own, amounts, self.seed, at)

    @cached_property
    def draws(self) -> np.ndarray:
        """Everybody's results, a row a person in the order of rep_id, a column a simulated year.

        In thousandths of the rounding unit.
        """
        return self._drawn()

    @cached_property
    def _totals(self) -> np.ndarray:
        return self.draws.sum(axis=0)

    # --- what is expected ---------------------------------------------------------------------

    def ranges(self, by: Sequence[str] = ()) -> pd.DataFrame:
        """Give expected results with their 80 % range by a cut; none: all together.

        Returns
        -------
        pandas.DataFrame
            The cut, expected, low, high (plan currency).
        """
        if by and tuple(by) != ("rep_id",):
            if self.parts is None:
                raise DataError(f"ranges by {', '.join(by)} are known of single regions only.")
            return self.parts(by)
        known = self.expected.notna().to_numpy()
        if by:
            table, drawn = self.expected[known].reset_index(), self.draws[known]
        else:
            table = pd.DataFrame({"expected": [self.expected.sum(min_count=1)]})
            drawn = self._totals[None, :]
        low, high = range80(table["expected"].to_numpy() / self.unit * _GRAIN, drawn)
        return table.assign(low=low / _GRAIN * self.unit, high=high / _GRAIN * self.unit)

    def years(self) -> pd.DataFrame:
        """Describe everybody's coming year by a lognormal that its drawn middle and tenths fit.

        The middle of the years is not their mean: luck multiplies and puts it below, leaving, which
        is rare and takes much along, above.

        Returns
        -------
        pandas.DataFrame
            rep_id, expected (mean, plan currency), middle (reached in half of the years), spread
            (of the logarithm); by rep_id, empty where nothing is expected.
        """
        tenths = [(self.runs - 1) * part // 10 for part in (1, 5, 9)]
        low, middle, high = np.partition(self.draws, tenths, axis=1)[:, tenths].T
        known = (self.expected > 0).to_numpy() & (low > 0)
        logs = [np.log(np.where(known, end, 1.0)) for end in (low, high)]
        return self._known[["rep_id", "expected"]].assign(
            middle=np.where(known, middle / _GRAIN * self.unit, np.nan),
            spread=np.where(known, deviation(*logs), np.nan),
        )

    def year_of(self, rep_id: str) -> np.ndarray:
        """Give one person's results in the simulated years, plan currency; none: nothing is expected."""
        if rep_id not in self.expected.index or not self.expected[rep_id] > 0:
            return np.empty(0)
        return self.draws[self.expected.index.get_loc(rep_id)] / _GRAIN * self.unit

    def amounts(self, chance: np.ndarray) -> np.ndarray:
        """Give the results that everybody reaches with a chance (one a person), plan currency."""
        at = np.rint((1 - chance) * (self.runs - 1)).astype(np.int64)
        return np.take_along_axis(self._sorted, at[:, None], axis=1)[:, 0] / _GRAIN * self.unit

    @cached_property
    def _sorted(self) -> np.ndarray:
        return np.sort(self.draws, axis=1)

    def lognormals(self, total: float, given: pd.Series) -> pd.DataFrame:
        """Give a lognormal of everybody's year that is right where goals of equal chance lie.

        The chance is the one at which everybody's drawn results add up to a total; the spread is
        that of the draws 10 points to either side of it.

        Parameters
        ----------
        total
            Plan currency.
        given
            Chances by rep_id of those who have one of their own; others follow from the total.

        Returns
        -------
        pandas.DataFrame
            By rep_id: likely (mean, plan currency) and cv; empty where the draws have no spread.
        """
        chance = np.array(given.reindex(self.expected.index), dtype=float)
        free, low, high = np.isnan(chance), 0.001, 0.999
        for _ in range(20):  # halving: the sum falls as the chance grows
            chance[free] = middle = (low + high) / 2
            enough = self.amounts(chance).sum() >= total
            low, high = (middle, high) if enough else (low, middle)
        below, above = np.maximum(chance - 0.1, 0.01), np.minimum(chance + 0.1, 0.99)
        ends = np.stack([self.amounts(above), self.amounts(chance), self.amounts(below)])
        logs = np.log(np.where((ends > 0).all(axis=0), ends, np.nan))
        spread = (logs[2] - logs[0]) / (ndtri(1 - below) - ndtri(1 - above))
        likely = np.exp(logs[1] - spread * ndtri(1 - chance) + spread**2 / 2)
        fit = {"likely": likely, "cv": np.sqrt(np.expm1(spread**2))}
        return pd.DataFrame(fit, self.expected.index)

    def table(self) -> pd.DataFrame:
        """Give the table to keep: ``people`` with the middle and the spread of their years."""
        years = self.years()[["rep_id", "middle", "spread"]]
        whole = self.ranges().assign(rep_id=np.nan)
        people = self._known.drop(columns=["low", "high", "middle", "spread"], errors="ignore")
        ends = self.ranges(["rep_id"])[["rep_id", "low", "high"]]
        people = people.merge(years, on="rep_id").merge(ends, on="rep_id", how="left")
        rows = pd.concat([people, whole.astype({"rep_id": "str"})])
        rest = [c for c in people if c not in PEOPLE_COLUMNS]
        rows = rows.reindex(columns=[*PEOPLE_COLUMNS, *rest]).reset_index(drop=True)
        return rows.astype({"rep_id": "str", **dict.fromkeys(rows.columns[1:], "float64")})

    # --- chances ------------------------------------------------------------------------------

    def _asked(self, goals: pd.DataFrame) -> pd.Series:
        """Sum the goals of everybody, by rep_id; empty: nobody planned one."""
        sums = goals.groupby("rep_id")["goal"].sum(min_count=1)
        return sums.reindex(self.expected.index)

    def _in_proportion(self, target: float) -> pd.Series:
        total = self.expected.sum()
        return self.expected * (target / total if total > 0 else np.nan)

    def _reached(self, asked: pd.Series) -> np.ndarray:
        """Say who of those with a goal and an expectation reaches it, in every year."""
        counts = (asked.notna() & self.expected.notna()).to_numpy()
        least = np.rint(asked.to_numpy()[counts] / self.unit * _GRAIN)
        return self.draws[counts] >= least[:, None]

    def _each(self, asked: pd.Series) -> pd.Series:
        """Give everybody's chance, by rep_id; empty without a goal or an expectation."""
        chance = pd.Series(np.nan, self.expected.index)
        chance[asked.notna() & self.expected.notna()] = self._reached(asked).mean(axis=1)
        return chance

    def likely(self, target: float, totals: np.ndarray | None = None) -> float:
        """Give the share of years in which the total reaches a target; NaN: nothing is expected."""
        totals = self._totals if totals is None else totals
        is_known = self.expected.notna().any()
        return (
            float((totals >= np.rint(target / self.unit * _GRAIN)).mean()) if is_known else np.nan
        )

    def each(self, goals: pd.Series) -> pd.Series:
        """Give everybody's chance of reaching a goal, both by rep_id; empty: no goal, or nothing known."""
        return self._each(goals.reindex(self.expected.index))

    @cached_property
    def whole(self) -> tuple[float, float, float]:
        """What is expected of all together, with its 80 % range (plan currency)."""
        expected, low, high = self.ranges().to_numpy()[0].tolist()
        return expected, low, high

    def chance(self, target: float, goals: pd.DataFrame | None = None) -> ChanceOfTarget:
        """Count how often all together reach a target, and how many of them their goals.

        Parameters
        ----------
        target
            Plan currency.
        goals
            rep_id, goal (rows of a person are summed); None: the target split in proportion to
            the expectations, so that everybody has the same k.

        Raises
        ------
        DataError
            A goal is for somebody who is not in the team.
        """
        if goals is not None:
            require_labels(goals["rep_id"], self.expected.index, "goals: rep_id")
        asked = self._in_proportion(target) if goals is None else self._asked(goals)
        likely, share = self.likely(target), self.share_reaching(asked)
        low, high = (
            wilson(round(likely * self.runs), self.runs) if likely == likely else (np.nan,) * 2
        )
        both = asked.notna() & self.expected.notna()
        people = {"goal": asked, "expected": self.expected, "chance": self._each(asked)}
        backed = self.expected[both].sum()
        return ChanceOfTarget(
            target=float(target),
            expected=float(self.expected.sum()),
            probability=likely,
            low=min(low, likely),
            high=max(high, likely),
            share_reaching=share[0],
            share_low=share[1],
            share_high=share[2],
            k=float(asked[both].sum() / backed) if backed > 0 else np.nan,
            people=pd.DataFrame(people).reset_index(),
            runs=self.runs,
            seed=self.seed,
            is_measured=self.is_measured,
            note="goals: the target in proportion to expectations"
            if goals is None
            else "goals: as given",
        )

    def chance_if(self, target: float, assumption_id: str, end: int) -> float:
        """Give the chance of a target with one assumption at its low (-1) or high (1) end.

        The others are drawn as they go with it.
        """
        if assumption_id not in self.model.assumptions:  # it moves nothing here
            return self.likely(target)
        number = self.model.assumptions.index(assumption_id)
        return self.likely(target, self._drawn((number, end * Z80)).sum(axis=0))

    def chances(self, goals: pd.DataFrame) -> pd.DataFrame:
        """Give everybody's chance of reaching the sum of their goals.

        Returns
        -------
        pandas.DataFrame
            rep_id, goal, expected and cv (the person's part of the region's result), middle (the
            year that half of the years reach), chance; everybody with a goal or an expectation.
        """
        people = self.ranges(["rep_id"]).set_index("rep_id").reindex(self.expected.index)
        people["middle"] = self.years().set_index("rep_id")["middle"]
        people["chance"] = self._each(self._asked(goals))
        people["cv"] = deviation(people["low"], people["high"]) / people["expected"]
        people["cv"] = people["cv"].where(people["expected"] > 0)
        sums = goals.groupby("rep_id")["goal"].sum(min_count=1)
        there = sums.index.union(people.index[people["expected"].notna()])
        table = people.reindex(there).assign(goal=sums).rename_axis("rep_id").reset_index()
        return table[["rep_id", "goal", "expected", "cv", "middle", "chance"]]

    def share_reaching(self, goals: pd.Series) -> tuple[float, float, float]:
        """Give the share of people who reach their goals (by rep_id): mean and 80 % range."""
        reached = self._reached(goals.reindex(self.expected.index))
        if not len(reached):
            return np.nan, np.nan, np.nan
        shares = reached.mean(axis=0)
        low, high = np.quantile(shares, [LOW, HIGH])
        return float(reached.mean()), float(low), float(high)

    def frontier(self, target: float, shares: Sequence[float] = SHARES) -> pd.DataFrame:
        """Show what over-assignment does: the share of people reaching against the team's chance.

        Goals are in proportion to the expectations and add up to the target times one plus the
        share.

        Returns
        -------
        pandas.DataFrame
            over_assignment (1.05 is 5 % over the target), goals_total, k (over the expectations;
            above 1 nobody's capacity stands behind the goals), share_reaching (of the people),
            team_chance (all together reach the target: padding does not change it),
            goals_chance (they reach the padded sum), covered_target (the target for which the
            given goals would be so much over) and covered_chance, status: review where k is above
            1. No rows where nothing is expected or asked.
        """
        level, rows = float(self.expected.sum()), []
        for share in shares if level > 0 and target > 0 else ():
            asked, covered = target * (1 + share), target / (1 + share)
            reaching = self.share_reaching(self._in_proportion(asked))[0]
            chances = [self.likely(amount) for amount in (target, asked, covered)]
            status = "review" if asked > level else "pass"
            rows.append((1 + share, asked, asked / level, reaching, *chances, covered, status))
        return pd.DataFrame(rows, columns=list(FRONTIER_COLUMNS)).astype(FRONTIER_TYPES)


@lru_cache(maxsize=4)  # a notebook asks for the same year a dozen times
def coming_year(inputs: Region, scenario: Scenario, runs: int = RUNS) -> Outlook:
    """Estimate what the coming year may bring to everybody who carries a goal.

    Every simulated year draws each assumption from its range (two half-normals that meet at the
    base, low and high one in ten), who leaves and when, what hits everybody beyond the register,
    and every person's own luck. Assumptions go together as the scenario's ``[[correlations]]``
    say.

    Parameters
    ----------
    inputs
        One region, or the company.
    scenario
        Its ``[assumptions]`` and ``[[correlations]]``.
    runs
        Simulated years; the seed is the plan's.

    Raises
    ------
    DataError
        The register is wrong, every fault is named; or there are no runs.
    """
    if runs < 1:
        raise DataError(f"runs is {runs}; simulate at least one year.")
    seats, settings = look_ahead(inputs, scenario), inputs.settings
    mean = _by_person(seats, seats.base)
    tables = (_people(seats, mean), _effects(seats, mean), _pairs(seats))
    outlook = Outlook(*tables, settings.rounding_unit, settings.seed, runs)
    return replace(outlook, parts=partial(_ranges_by, seats, outlook))


def rest_of_year(inputs: Region, scenario: Scenario, since: date, runs: int = RUNS) -> Outlook:
    """Estimate what the rest of the year may bring, from a day of the plan on.

    What is expected of the months left (of the running one its days), and what may hit them, is
    that of `coming_year`; whoever is there on the day has not left before it. Results so far
    change nothing in what is expected of the rest.

    Parameters
    ----------
    inputs, scenario, runs
        As of `coming_year`.
    since
        First day of which nothing is known.
    """
    seats, settings, day = look_ahead(inputs, scenario), inputs.settings, pd.Timestamp(since)
    left = (seats.rows["month"] + pd.offsets.MonthBegin(1) - day).dt.days
    days = seats.rows["month"].dt.days_in_month
    part = (left / days).clip(0.0, 1.0)
    rows = seats.rows.assign(weight=seats.rows["weight"] * part)[part > 0]
    rest = replace(seats, rows=rows.reset_index(drop=True))
    mean = _by_person(rest, rest.base)
    people = _people(rest, mean)
    gone = months_between(settings.starts_on, since) - 1
    people["starts_in"] = people["starts_in"].clip(lower=float(gone))
    return Outlook(
        people, _effects(rest, mean), _pairs(rest), settings.rounding_unit, settings.seed, runs
    )


def _by_person(seats: Seats, amounts: np.ndarray) -> np.ndarray:
    return np.bincount(seats.at[0], np.nan_to_num(amounts), minlength=len(seats.tenure))


def _over(amounts: np.ndarray, mean: np.ndarray, otherwise: float) -> np.ndarray:
    """Give amounts over people's expectations; another number where nothing is expected."""
    over = mean if amounts.ndim == 1 else mean[:, None]
    return np.where(over > 0, amounts / np.where(over > 0, over, 1.0), otherwise)


def _people(seats: Seats, mean: np.ndarray) -> pd.DataFrame:
    rows, misses, who = seats.rows, misses_ahead(seats), seats.at[0]
    kinds = misses.of_rows(rows, share_of_year(rows, ["rep_id"]))
    orders, uneven = order_numbers(seats.base, *kinds, who, len(mean))
    doubt = _over(_by_person(seats, seats.base * rows["doubt"].to_numpy()), mean, 0.0)
    start = np.minimum(np.maximum(0, -seats.tenure.to_numpy()), len(seats.months))
    years = _over(_years(seats, who, len(mean)), mean, 1.0)
    names = [f"{_LEAVES}{month:02d}" for month in range(1, years.shape[1])]
    is_known = rows["full"].notna().groupby(rows["rep_id"]).any().reindex(seats.tenure.index)
    people = pd.DataFrame(
        {
            "rep_id": seats.tenure.index,
            "expected": np.where(is_known.eq(True), mean, np.nan),
            "own_cv": np.where(mean > 0, cv_of_log(misses.person), 0.0),
            "expected_error": np.where(mean > 0, np.hypot(misses.doubt, doubt), 0.0),
            "orders": np.where(np.isinf(orders), np.nan, orders),
            "order_cv": uneven,
            "common_cv": float(
                np.sqrt(max(0.0, float(cv_of_log(misses.common)) ** 2 - seats.spread**2))
            ),
            "stays_month": 1 - monthly_hazard(seats.staffing().annual_rate),
            "starts_in": start.astype(float),
            "past_years": float(misses.years),
            **dict(zip([*names, _STAYS], years.T, strict=True)),
        }
    )
    return people.astype({"rep_id": "str"}).sort_values("rep_id", ignore_index=True)


def _ranges_by(
    seats: Seats, outlook: Outlook, by: Sequence[str], until: pd.Timestamp | None = None
) -> pd.DataFrame:
    """Give expected results with their 80 % range by any cut; ``until``: of the months before."""
    require_labels(by, ROW, "by")
    rows = seats.rows.assign(person=seats.at[0])
    here = rows["full"].notna().to_numpy(copy=True)
    if until is not None:
        here &= (rows["month"] < until).to_numpy()
    keys = [*dict.fromkeys([*by, "person"])]
    number = np.full(len(rows), -1)
    number[here] = rows[here].groupby(keys, sort=True).ngroup()
    heads = rows.assign(part=number)[here].drop_duplicates("part").sort_values("part")
    count = len(heads)

    def sums(amounts: np.ndarray) -> np.ndarray:
        return np.bincount(number[here], np.nan_to_num(amounts)[here], count)

    mean, model = sums(seats.base), outlook.model
    known = {a.assumption_id: a for a in seats.assumptions}
    effects = np.zeros((2, len(model.assumptions), count))
    for number_of, name in enumerate(model.assumptions):
        for side, end in enumerate((known[name].low, known[name].high)):
            effects[side, number_of] = _over(sums(seats.expected({name: end})), mean, 1.0) - 1
    order, chunk = misses_ahead(seats).of_rows(rows, share_of_year(rows[here], by))
    people = pd.Index(model.people).get_indexer(seats.tenure.index)
    parts = Parts(
        heads[list(by)].reset_index(drop=True),
        people[heads["person"].to_numpy()],
        mean,
        _over(_years(seats, number, count), mean, 1.0),
        *order_numbers(seats.base[here], order[here], chunk[here], number[here], count),
        *effects,
    )
    return part_ranges(parts, model, outlook.world, outlook.seed)


def _effects(seats: Seats, mean: np.ndarray) -> pd.DataFrame:
    """Say what the ends of every assumption change in everybody's year."""
    found = []
    for a in seats.assumptions:
        ends = [_by_person(seats, seats.expected({a.assumption_id: x})) for x in (a.low, a.high)]
        low, high = (_over(end, mean, 1.0) - 1 for end in ends)
        table = pd.DataFrame({"rep_id": seats.tenure.index, "low": low, "high": high})
        table.insert(0, "assumption_id", a.assumption_id)
        found.append(table[(low != 0) | (high != 0)])
    table = pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=EFFECT_COLUMNS)
    return table.astype(
        dict(zip(EFFECT_COLUMNS, ("str", "str", "float64", "float64"), strict=True))
    )


def _pairs(seats: Seats) -> pd.DataFrame:
    names = [a.assumption_id for a in seats.assumptions]
    pairs = zip(*np.nonzero(np.triu(seats.correlation, 1)), strict=True)
    rows = [(names[a], names[b], seats.correlation[a, b]) for a, b in pairs]
    table = pd.DataFrame(rows, columns=list(PAIR_COLUMNS))
    return table.astype(dict(zip(PAIR_COLUMNS, ("str", "str", "float64"), strict=True)))


def _years(seats: Seats, part: np.ndarray, count: int) -> np.ndarray:
    """Sum rows by part, at full length, for every last month of the holder; -1 is in no part.

    Returns
    -------
    numpy.ndarray
        One row a part, one column a last month of the holder; in the last one nobody leaves.
    """
    staffing, months = seats.staffing(), len(seats.months)
    tenure = seats.tenure.to_numpy()
    own = replace(staffing, annual_rate=0.0).expected(tenure, months)
    after = staffing.after_leaving(months)
    here = part >= 0
    (who, when), full = (
        (at[here] for at in seats.at),
        np.nan_to_num(seats.full * seats.factors())[here],
    )
    year = np.empty((count, months + 1))
    for last in range(months + 1):
        later = np.concatenate([np.zeros(last + 1), after])[:months]
        path = np.where(when <= last, own[who, when], later[when])
        year[:, last] = np.bincount(part[here], full * path, count)
    return year
