"""The goals that stand: what was agreed or decided, else what was allocated."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

import numpy as np
import pandas as pd

from planning_kit.allocation import phase
from planning_kit.messages import DataError, require_labels, shorten
from planning_kit.numbers.rounding import split_units
from planning_kit.numbers.units import from_units, to_units

LABELS = ("territory_id", "product_line", "product_id", "account_id")
_IDS = {"rep": "rep_id", "territory": "territory_id", "product": "product_id"}
_BASIS = {"accepted": "agreed", "decided": "decided"}  # status of a talk: what its number rests on
_AMOUNTS = ["goal", "allocated", "agreed"]


def _no_table(name: str) -> pd.DataFrame:
    raise DataError(f"these goals were made without the table {name!r}.")


@dataclass(frozen=True, eq=False)
class Goals:
    """The goals that stand, cell by cell; made by `standing_goals`.

    Attributes
    ----------
    cells : DataFrame
        One row a cell: ``rep_id`` and the labels there are (``territory_id``, ``product_line``,
        …), ``region``, ``base`` and ``held_by`` where the allocation gives them; ``allocated``;
        ``goal``, the number that stands; ``agreed``, empty where nobody agreed (what was decided
        is not agreed); ``basis`` (allocated, agreed, decided; empty: nobody planned a goal). Plan
        currency, whole rounding units.
    unit : float
        Rounding unit, plan currency.
    log_digest : str
        Digest of the log's last move about these goals; empty: it has none.
    tables : callable
        Gives the tables ``monthly_goals`` and ``allocation_steps`` by name, for `table` and `why`.
    off_hold : tuple of str
        People whose number moves a cell that a rule holds at one amount: without it there is no
        room for the number.
    """

    cells: pd.DataFrame
    unit: float
    log_digest: str = ""
    tables: Callable[[str], pd.DataFrame] = _no_table
    off_hold: tuple[str, ...] = ()

    @property
    def labels(self) -> list[str]:
        """Name the columns that tell cells apart."""
        return [name for name in ("rep_id", *LABELS) if name in self.cells]

    @cached_property
    def version(self) -> str:
        """Digest of what made these goals: every cell's numbers, and the log's last line."""
        units = [_units(self.cells[name], self.unit) for name in ("allocated", "goal")]
        rows = zip(*(self.cells[name] for name in self.labels), *units, strict=True)
        text = json.dumps([self.log_digest, self.unit, *rows], default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def version_of(self, rep_id: str) -> str:
        """Digest of one person's numbers, cell by cell: whatever others say leaves it as it is."""
        own = self.cells[self.cells["rep_id"] == rep_id]
        rows = zip(*(own[n] for n in self.labels), _units(own["goal"], self.unit), strict=True)
        text = json.dumps([self.unit, *rows], default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def table(self) -> pd.DataFrame:
        """The cells by month: the labels, ``month``, and the columns of `cells` but base and rules.

        Whoever stands at the allocated goals has the months that were allocated. The others'
        months follow the season of the allocated goals of the same product line, person by
        person, so that nobody's months move when somebody else agrees. Months add up exactly.
        """
        return self._months.copy(deep=False)

    @cached_property
    def _months(self) -> pd.DataFrame:
        monthly = self.tables("monthly_goals")[[*self.labels, "month", "goal"]]
        by_cell = self.cells.drop(columns=["base", "held_by", *_AMOUNTS], errors="ignore")
        planned = self.cells[["goal", "allocated"]].notna().nunique(axis=1) == 1
        moved = self.cells["rep_id"][(self._moved != 0) | ~planned].unique()
        parts, season = [monthly[~monthly["rep_id"].isin(moved)]], _season(monthly)
        for rep_id in moved:
            own = self.cells.loc[self.cells["rep_id"] == rep_id, [*self.labels, "goal"]]
            parts.append(phase(own, season, self.unit))
        keys = [*self.labels, "month"]
        stands = pd.concat(parts, ignore_index=True)
        table = monthly.rename(columns={"goal": "allocated"}).merge(stands, on=keys)
        table = table.merge(by_cell, on=self.labels).sort_values(keys, ignore_index=True)
        table["agreed"] = table["goal"].where(table["basis"] == "agreed")
        if int(_units(table["goal"], self.unit).sum()) != self._sum("goal"):
            raise DataError("monthly_goals is not of this allocation: run notebook 03 again.")
        order = [*keys, *(["region"] if "region" in table else []), *_AMOUNTS, "basis"]
        return table[order]

    @cached_property
    def _moved(self) -> pd.Series:
        """By how many units every cell stands off what was allocated."""
        goal, allocated = (_units(self.cells[name], self.unit) for name in ("goal", "allocated"))
        return (goal.fillna(0) - allocated.fillna(0)).rename("units")

    def by(self, cut: str, *more: str) -> pd.DataFrame:
        """Add up along one or several cuts, in whole rounding units.

        Parameters
        ----------
        cut, more
            rep, territory, product_line, region, month, or the name of a label column.

        Returns
        -------
        pandas.DataFrame
            The label columns; ``base``, ``goal``, ``change_share`` (goal / base - 1) and
            ``held_by`` (rules that hold a cell) where the allocation gives them and not by month;
            ``allocated``, ``agreed`` (empty where nobody agreed) and ``basis``.
        """
        names = [_IDS.get(name, name) for name in (cut, *more)]
        known = [*self.labels, "month", *(["region"] if "region" in self.cells else [])]
        require_labels(names, known, "goals by")
        rows = self._months if "month" in names else self.cells
        groups = rows.assign(**{n: _units(rows[n], self.unit) for n in _AMOUNTS}).groupby(names)
        sums = groups[_AMOUNTS].sum(min_count=1)
        table = pd.DataFrame({name: _amounts(sums[name], self.unit) for name in _AMOUNTS})
        if "base" in rows:
            table.insert(0, "base", groups["base"].sum(min_count=1))
            change = (table["goal"] / table["base"] - 1).where(table["base"] > 0)
            table.insert(2, "change_share", change)
        if "held_by" in rows:
            table.insert(3, "held_by", groups["held_by"].agg(_together))
        table["basis"] = groups["basis"].agg(_together)
        return table.reset_index()

    def of_people(self, people: pd.Index) -> pd.Series:
        """Give everybody's goal that stands, exactly, by rep_id; empty: nobody planned one."""
        at, units = people.get_indexer(pd.Index(self.cells["rep_id"])), self._numbers["goal"]
        there = (at >= 0) & ~np.isnan(units)
        sums = np.bincount(at[there], units[there], len(people))
        count = np.bincount(at[there], minlength=len(people))
        amounts = np.where(count > 0, from_units(np.rint(sums), self.unit), np.nan)
        return pd.Series(amounts, people)

    def held_by(self, people: pd.Index) -> list[str]:
        """Name the rules that hold a cell of everybody, in the order given."""
        held = self.cells.loc[self.cells["held_by"] != "", ["rep_id", "held_by"]]
        named: dict[str, set[str]] = {}
        for person, rules in held.drop_duplicates().to_numpy():
            if isinstance(rules, str):  # a table that was read has no empty texts
                named.setdefault(person, set()).add(rules)
        return [", ".join(sorted(named.get(person, ()))) for person in people]

    def why(self, rep_id: str = "") -> pd.DataFrame:
        """Give the steps of one person's goal (empty: everybody's); they add up to it exactly.

        Those of the allocation, and ``agreement`` where another number stands.

        Returns
        -------
        pandas.DataFrame
            ``rep_id``, ``step``, ``amount`` (plan currency).

        Raises
        ------
        DataError
            Nobody of that id has a goal; the nearest id is named.
        """
        steps = self.tables("allocation_steps")[["rep_id", "step", "amount"]]
        moved = self._moved.groupby(self.cells["rep_id"]).sum()
        moved = moved[moved != 0]
        more = from_units(moved, self.unit).rename("amount").reset_index().assign(step="agreement")
        both = pd.concat([steps, more[steps.columns]]).sort_values("rep_id", kind="stable")
        if rep_id:
            require_labels([rep_id], both["rep_id"], "rep")
            both = both[both["rep_id"] == rep_id]
        return both.reset_index(drop=True)

    def allocated(self) -> float:
        """Add up what was allocated."""
        return self._amount(self._sum("allocated"))

    def standing(self) -> float:
        """Add up the goals that stand."""
        return self._amount(self._sum("goal"))

    def agreed(self) -> float:
        """Add up what was agreed; empty (not a number) where nobody agreed."""
        return self._amount(self._sum("agreed")) if self.people("agreed") else float("nan")

    def gap(self, target: float) -> float:
        """Give the goals that stand less a target, exactly; below 0: that much is still to find."""
        wanted = int(to_units(pd.Series([target]), self.unit).iloc[0])
        return self._amount(self._sum("goal") - wanted)

    def people(self, basis: str = "") -> list[str]:
        """List who has a goal, or a goal (or part of it) on one basis, by id."""
        there = self.cells["goal"].notna()
        if basis:
            there &= self.cells["basis"] == basis
        return sorted(self.cells.loc[there, "rep_id"].unique())

    @cached_property
    def _numbers(self) -> dict[str, np.ndarray]:
        """Amounts of the cells in whole units; NaN where they are empty."""
        return {name: np.rint(self.cells[name].to_numpy(float) / self.unit) for name in _AMOUNTS}

    def _sum(self, name: str) -> int:
        return int(np.nansum(self._numbers[name]))

    def _amount(self, units: int) -> float:
        return from_units(units, self.unit)


def standing_goals(
    allocation: pd.DataFrame,
    unit: float,
    state: pd.DataFrame | None = None,
    *,
    log_digest: str = "",
    tables: Callable[[str], pd.DataFrame] = _no_table,
) -> Goals:
    """Lay what was agreed or decided over the allocated goals, cell by cell.

    A person's number is spread over the person's cells as the allocated goals are spread (within
    the part, where it was agreed by part), in whole rounding units, largest remainder first. A
    cell that a rule holds at one amount (``lower`` equals ``upper``) stays and the others take the
    difference; where they cannot, within their own limits, all cells move alike and
    `Goals.off_hold` names the person.

    Parameters
    ----------
    allocation
        ``rep_id``, ``goal`` (plan currency; empty: nobody planned it), any labels, ``lower`` and
        ``upper`` (limits of a cell, plan currency), and whatever else of the table ``allocation``
        is there.
    unit
        Rounding unit, plan currency.
    state
        From `planning_kit.agreement.play_log`; people of other regions in it are not looked at.
        None: nobody has talked yet.
    log_digest, tables
        See `Goals`.

    Raises
    ------
    DataError
        The goals are not in order, or a part was agreed that they do not have.

    Examples
    --------
    >>> allocation = pd.DataFrame({"rep_id": ["ann", "bob"], "goal": [100.0, 200.0]})
    >>> goals = standing_goals(allocation, 10)
    >>> goals.standing(), goals.gap(310), goals.people("agreed")
    (300.0, -10.0, [])
    """
    goals = check_goals(allocation, unit)
    units = goals["units"].to_numpy(float, na_value=np.nan)
    settled = np.full(len(goals), np.nan)
    basis = pd.Series("allocated", goals.index, dtype="str").where(~np.isnan(units))
    off_hold = []
    for status, _, part, whole in agreed_parts(goals, unit, state):
        spread, kept = _spread(whole, part, unit)
        settled[part.index] = spread.to_numpy(float, na_value=np.nan)
        basis[part.index] = _BASIS[status]
        if not kept:
            off_hold.append(str(part["rep_id"].iloc[0]))
    columns = ["rep_id", *LABELS, "region", "base", "held_by"]
    cells = goals[[name for name in columns if name in goals]].assign(
        allocated=_whole(units, unit),
        goal=_whole(np.where(np.isnan(settled), units, settled), unit),
        agreed=_whole(np.where(basis == "agreed", settled, np.nan), unit),
        basis=basis,
    )
    return Goals(cells, unit, log_digest, tables, tuple(sorted(set(off_hold))))


def check_goals(allocation: pd.DataFrame, unit: float) -> pd.DataFrame:
    """Check allocated goals and give them sorted by label, with whole ``units``.

    Raises
    ------
    DataError
        A column is missing, a cell stands twice, a goal is negative or no multiple of ``unit``.
    """
    if missing := [name for name in ("rep_id", "goal") if name not in allocation]:
        raise DataError(f"allocation goals: no column {shorten(missing)}.")
    keys = ["rep_id", *(name for name in LABELS if name in allocation)]
    goals = allocation.sort_values(keys, ignore_index=True)
    amounts = goals["goal"].to_numpy(float)
    whole = np.rint(amounts / unit)
    off = np.abs(_whole(whole, unit) - amounts) > unit * 1e-6
    reps = goals["rep_id"]
    twice, below, uneven = reps[goals.duplicated(keys)], reps[amounts < 0], reps[off]
    faults = [
        f"{len(rows)} rows {what}: {shorten(rows.unique())}"
        for rows, what in (
            (twice, f"name the same {', '.join(keys)} again"),
            (below, "are negative"),
            (uneven, f"are no multiple of {unit:g}"),
        )
        if len(rows)
    ]
    if faults:
        raise DataError(f"allocation goals: {'; '.join(faults)}.")
    return goals.assign(units=pd.array(whole, dtype="Int64"))


def agreed_parts(
    goals: pd.DataFrame, unit: float, state: pd.DataFrame | None
) -> Iterator[tuple[str, str, pd.DataFrame, int]]:
    """Give every number that was agreed or decided: status, name of the part, its cells, its units.

    Raises
    ------
    DataError
        A part was agreed that nobody has a goal for.
    """
    if state is None:
        return
    here = state["rep_id"].isin(goals["rep_id"]) & state["status"].isin(_BASIS)
    rows_of = goals.groupby("rep_id").indices if here.any() else {}
    for rep_id, status, said in state.loc[here, ["rep_id", "status", "agreed_cells"]].to_numpy():
        rows = goals.iloc[rows_of[rep_id]]
        for line, territory, amount in json.loads(said):
            part = _part(rows, {"product_line": line, "territory_id": territory})
            name = " / ".join(filter(None, (rep_id, line, territory)))
            yield status, name, part, int(Decimal(amount) / Decimal(f"{unit:.12g}"))


def _spread(whole: int, part: pd.DataFrame, unit: float) -> tuple[pd.Series, bool]:
    """Spread a number over cells; False: a held cell had to move for it."""
    alike = split_units(whole, part["units"])
    if not {"lower", "upper"} <= {*part}:
        return alike, True
    low, high = part["lower"].fillna(-np.inf) / unit, part["upper"].fillna(np.inf) / unit
    held = (low == high) & part["units"].notna()
    free = part["units"][~held]
    if not held.any() or (alike == part["units"])[held].all():
        return alike, True
    rest = whole - int(part["units"][held].sum())
    if free.isna().all() or rest < 0:
        return alike, False
    spread = split_units(rest, free)
    near = 1e-6  # a limit that is a multiple of the unit stays one in spite of binary fractions
    within = (spread >= low[~held] - near) & (spread <= high[~held] + near)
    if not within.all():
        return alike, False
    return part["units"].where(held, spread), True


def _part(rows: pd.DataFrame, labels: dict[str, str]) -> pd.DataFrame:
    part = rows
    for name, label in labels.items():
        if label:
            part = part[part[name] == label] if name in part else part[:0]
    if part.empty:
        named = " / ".join(filter(None, labels.values()))
        raise DataError(f"{rows['rep_id'].iloc[0]}: agreed for {named!r}, which has no goal cell.")
    return part


def _season(monthly: pd.DataFrame) -> pd.DataFrame:
    """Give every line's allocated goals by month as a profile; a line of zeros has everybody's."""
    keys = [name for name in ("product_line", "month") if name in monthly]
    season = monthly.groupby(keys, as_index=False)[["goal"]].sum()
    all_lines = monthly.groupby("month")["goal"].sum()
    if not all_lines.sum() > 0:
        all_lines[:] = 1.0  # nobody is asked for anything: even months
    of_line = season.groupby(keys[:-1] or "month")["goal"].transform("sum")
    season["goal"] = season["goal"].where(of_line > 0, season["month"].map(all_lines))
    return season.rename(columns={"goal": "share"})


def _units(amounts: pd.Series, unit: float) -> pd.Series:
    return to_units(amounts.dropna(), unit).astype("Int64").reindex(amounts.index)


def _amounts(units: pd.Series, unit: float) -> pd.Series:
    return from_units(units.fillna(0), unit).where(units.notna())


def _whole(units: np.ndarray, unit: float) -> np.ndarray:
    """Turn whole units into amounts; an empty cell stays empty."""
    return np.where(np.isnan(units), np.nan, from_units(np.nan_to_num(units), unit))


def _together(texts: pd.Series) -> str:
    return ", ".join(sorted({text for text in texts if isinstance(text, str) and text}))
