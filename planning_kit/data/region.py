"""What the notebooks of one region read, and the facts that follow from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any, Self

import pandas as pd

from planning_kit.data.schema import TABLES, empty_table
from planning_kit.plan import COMPANY, Settings

_MANAGERS = ("rep_id", "rep_name", "manager_id")
_ELSEWHERE = {
    "manager_id": "str",
    "region": "str",
    "month": "datetime64[us]",
    "people": "int64",
    "sells": "bool",
}
_ACCOUNTS = {
    "rep_id": "str",
    "account_id": "str",
    "years_back": "int64",
    "amount": "float64",
    "months": "int64",
    "product_line": "str",
}


def _nobody_above() -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(dtype="str") for name in _MANAGERS})


def _no_accounts() -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in _ACCOUNTS.items()})


def _no_days() -> pd.DataFrame:
    return empty_table("calendar")


def _nobody_elsewhere() -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in _ELSEWHERE.items()})


@dataclass(frozen=True, eq=False)  # by identity: tables are not compared, and it can be a key
class Region:
    """The prepared tables of one region or of the company, and what follows from them.

    Every canonical table has the columns of `planning_kit.data.TABLES`; one that the plan does not
    have is there without rows. Differences from the canonical tables:

    - ``sales`` is summed by ``month`` (first day), ``goal_period`` (first day of the person's goal
      period that holds the sale; empty: no goal covers it), ``rep_id``, ``territory_id``,
      ``product_id``; ``product_line`` is filled from the products; ``amount``, ``cost`` and
      ``units`` carry the credit share; ``lines`` counts the rows behind it.
    - ``events`` also has what people reported with a place and a day (``answer.<answer_id>``).
    - ``goals`` and ``proposals`` always have ``ends_on``; ``goals.metric`` is never empty.
    - ``reps`` has ``current_region`` (on the first day of the plan; empty: none any more),
      ``is_active`` (works in this region when the plan starts, or is hired into it later),
      ``carries_goal`` (active, and not only a manager of others) and ``quiet_months`` (without
      sales, of people without an assignment in the plan; empty: fewer than three).

    A sale belongs to the region of the person who sold it on that day, so every cut of a region
    adds up to the same total and the regions add up to the company.

    Attributes
    ----------
    name : str
        Name of the region, or ``company``.
    settings : Settings
        The plan's settings.
    regions : tuple of str
        All regions of the plan, in their order.
    target : float
        The region's target (or the company's), plan currency, a multiple of the rounding unit.
    managers : DataFrame
        Everybody above somebody of the region, up to the top: rep_id, rep_name, manager_id.
    leads_elsewhere : DataFrame
        Whom managers of the region lead in others: manager_id, region (empty: in none), month of
        the plan, people, and sells (the manager carries an own goal there). No rows for the
        company: it sees everybody.
    accounts : DataFrame
        What accounts bought of a person by year: rep_id, account_id, years_back (1: the twelve
        months up to the reviewed period's last), amount, months (in which they bought) and
        product_line (where it was one only).
    is_company : bool
        These are the tables of the whole company.
    """

    name: str
    settings: Settings
    regions: tuple[str, ...]
    target: float
    reps: pd.DataFrame
    territories: pd.DataFrame
    assignments: pd.DataFrame
    products: pd.DataFrame
    sales: pd.DataFrame
    goals: pd.DataFrame
    proposals: pd.DataFrame
    opportunities: pd.DataFrame
    activities: pd.DataFrame
    assumptions: pd.DataFrame
    events: pd.DataFrame
    evidence: pd.DataFrame
    answers: pd.DataFrame
    manager_time: pd.DataFrame
    calendar: pd.DataFrame = field(default_factory=_no_days)
    managers: pd.DataFrame = field(default_factory=_nobody_above)
    leads_elsewhere: pd.DataFrame = field(default_factory=_nobody_elsewhere)
    accounts: pd.DataFrame = field(default_factory=_no_accounts)
    is_company: bool = False

    @classmethod
    def company(cls, **tables: Any) -> Self:
        """Make the whole company out of its settings, regions, target and tables."""
        return cls(name=COMPANY, is_company=True, **tables)

    def team(self) -> pd.DataFrame:
        """List the people of the region who carry a goal in the coming period, by id."""
        reps = self.reps
        return reps[reps["carries_goal"].astype(bool)].sort_values("rep_id", ignore_index=True)

    def held_on(self, day: date | pd.Timestamp) -> pd.DataFrame:
        """Say who holds what on a day: ``rep_id``, ``territory_id`` and ``share`` (1.0 is all)."""
        there, held = pd.Timestamp(day), self.assignments
        held = held[~(held["starts_on"] > there) & ~(held["ends_on"] < there)]
        return held.groupby(["rep_id", "territory_id"])["share"].sum().reset_index()

    def managers_above(self, rep_id: str) -> list[str]:
        """Name the managers of a person, the own one first, up to the top of the company."""
        return managers_above(rep_id, self._boss)

    @cached_property
    def _boss(self) -> dict[str, str]:
        both = pd.concat([self.managers, self.reps])[["rep_id", "manager_id"]].dropna()
        return dict(zip(both["rep_id"], both["manager_id"], strict=True))

    def line_of(self, product_ids: pd.Series) -> pd.Series:
        """Give the product line of every product; empty where the products do not say."""
        return product_ids.map(self._line).astype("str")

    @cached_property
    def _line(self) -> pd.Series:
        products = self.products.drop_duplicates("product_id")
        return products.set_index("product_id")["product_line"]

    @property
    def review_months(self) -> tuple[pd.Timestamp, pd.Timestamp]:
        """First and last month of the reviewed period, each by its first day."""
        first, last = review_months(self.settings)
        return pd.Timestamp(first), pd.Timestamp(last)

    def in_review(self, days: pd.Series) -> pd.Series:
        """Say which days lie in the reviewed period; its months count whole.

        Sales are known by month and goals by their middle day (`middle_day`), so a period that
        begins or ends within a month would else hold the goal of a month and not its sales.
        """
        first, last = self.review_months
        return (days >= first) & (days < last + pd.DateOffset(months=1))

    def reviewed_sales(self) -> pd.DataFrame:
        """List the sales of the months of the reviewed period."""
        return self.sales[self.in_review(self.sales["month"])]

    def missing(self, *names: str) -> list[str]:
        """Name those of the given tables that have no rows."""
        return [name for name in names if getattr(self, TABLES[name].name).empty]

    def with_names(self, table: pd.DataFrame) -> pd.DataFrame:
        """Put readable names before the ids: ``rep``, ``territory``, ``product``.

        A name that two ids share is followed by the id, so that no chart adds two people up.
        """
        named = table.copy()
        for number, label in enumerate(("rep", "manager", "territory", "product")):
            key = f"{label}_id"
            if key not in table or label in table:
                continue
            names = self._names["rep" if label == "manager" else label]
            readable = table[key].map(names).astype("str").fillna(table[key].astype("str"))
            named.insert(min(number, named.shape[1]), label, readable)
        return named

    @cached_property
    def names(self) -> Mapping[str, str]:
        """Name of every id that is the id of one thing only, as `with_names` says it."""
        pairs = [pair for names in self._names.values() for pair in names.items()]
        things = [key for key, _ in pairs]
        counts = Counter([*things, *self.events["event_id"], *self.assumptions["assumption_id"]])
        return {str(key): str(name) for key, name in pairs if counts[key] == 1}

    @cached_property
    def _names(self) -> dict[str, pd.Series]:
        people = pd.concat([self.reps, self.managers])[["rep_id", "rep_name"]]
        return {
            label: _unique_names(table.set_index(f"{label}_id")[f"{label}_name"])
            for label, table in (
                ("rep", people.drop_duplicates("rep_id")),
                ("territory", self.territories),
                ("product", self.products),
            )
        }


def managers_above(rep_id: str, boss: Mapping[str, str]) -> list[str]:
    """Follow the managers of a person up; a circle ends before it comes back to somebody.

    Examples
    --------
    >>> managers_above("ann", {"ann": "mia", "mia": "zoe", "zoe": "ann"})
    ['mia', 'zoe']
    """
    chain: list[str] = []
    above = boss.get(rep_id)
    while above is not None and above not in (*chain, rep_id):
        chain.append(above)
        above = boss.get(above)
    return chain


def review_months(settings: Settings) -> tuple[date, date]:
    """Give first and last month of the reviewed period, each by its first day."""
    return settings.review_starts_on.replace(day=1), settings.review_ends_on.replace(day=1)


def middle_day(periods: pd.DataFrame) -> pd.Series:
    """Give the middle day of every period (``starts_on`` to ``ends_on``): where a goal counts."""
    days = (periods["ends_on"] - periods["starts_on"]).dt.days + 1
    return periods["starts_on"] + pd.to_timedelta(days // 2, unit="D").astype("timedelta64[us]")


def _unique_names(names: pd.Series) -> pd.Series:
    shown = names.astype("str").fillna(names.index.to_series().astype("str"))
    twice = shown.duplicated(keep=False)
    return shown.where(~twice, shown + " (" + names.index.to_series() + ")")
