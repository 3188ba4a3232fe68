"""What the notebooks of one region read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from planning_kit.data.schema import TABLES
from planning_kit.plan import Settings


@dataclass(frozen=True, eq=False)  # by identity: tables are not compared, and it can be a key
class Region:
    """The prepared tables of one region (or, with ``region=""``, of the whole company).

    Every table has the columns of `planning_kit.data.TABLES`; one that the plan does not have
    is there without rows. Differences from the canonical tables:

    - ``sales`` is summed by ``month`` (first day), ``goal_period`` (first day of the person's goal
      period that holds the sale; empty: no goal covers it), ``rep_id``, ``territory_id``,
      ``product_id``; ``product_line`` is filled from the products; ``amount``, ``cost`` and
      ``units`` carry the credit share; ``lines`` counts the rows behind it.
    - ``goals`` and ``proposals`` always have ``ends_on``; ``goals.metric`` is never empty.
    - ``reps`` has ``current_region`` (on the first day of the plan; empty: none any more),
      ``is_active`` (works in this region when the plan starts, or is hired into it later) and
      ``carries_goal`` (active, and not only a manager of others).

    A sale belongs to the region of the person who sold it on that day, so every cut of a region
    adds up to the same total and the regions add up to the company.

    Attributes
    ----------
    region : str
        Name of the region.
    settings : Settings
        The plan's settings.
    regions : tuple of str
        All regions of the plan, in their order.
    target : float
        The region's target (or the company's), plan currency, a multiple of the rounding unit.
    folder : Path or None
        Where the partition was read from (for reading single sales lines).
    """

    region: str
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
    manager_time: pd.DataFrame
    folder: Path | None = field(default=None, compare=False)

    def team(self) -> pd.DataFrame:
        """List the people of the region who carry a goal in the coming period, by id."""
        reps = self.reps
        return reps[reps["carries_goal"].astype(bool)].sort_values("rep_id", ignore_index=True)

    def missing(self, *names: str) -> list[str]:
        """Name those of the given tables that have no rows."""
        return [name for name in names if getattr(self, TABLES[name].name).empty]

    def with_names(self, table: pd.DataFrame) -> pd.DataFrame:
        """Put readable names before the ids: ``rep``, ``territory``, ``product``.

        A name that two ids share is followed by the id, so that no chart adds two people up.
        """
        named = table.copy()
        for number, (label, source, key, name) in enumerate(
            (
                ("rep", self.reps, "rep_id", "rep_name"),
                ("manager", self.reps, "manager_id", "rep_name"),
                ("territory", self.territories, "territory_id", "territory_name"),
                ("product", self.products, "product_id", "product_name"),
            )
        ):
            if key not in table or label in table:
                continue
            ids = "rep_id" if key == "manager_id" else key
            names = _unique_names(source.set_index(ids)[name])
            readable = table[key].map(names).astype("str").fillna(table[key].astype("str"))
            named.insert(min(number, named.shape[1]), label, readable)
        return named


def _unique_names(names: pd.Series) -> pd.Series:
    shown = names.astype("str").fillna(names.index.to_series().astype("str"))
    twice = shown.duplicated(keep=False)
    return shown.where(~twice, shown + " (" + names.index.to_series() + ")")
