"""The chart of a table, chosen by its columns; currency and names come from the region."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import altair as alt
import pandas as pd

from planning_kit.data import Region
from planning_kit.messages import DataError, require_labels, shorten
from planning_kit.output.charts.causes import (
    chart_buckets,
    chart_effects,
    chart_event_path,
    chart_years,
)
from planning_kit.output.charts.goals import (
    chart_agreement,
    chart_allocation,
    chart_chances,
    chart_frontier,
    chart_hours,
    chart_months,
    chart_regions,
    chart_talk,
    chart_targets,
    chart_to_date,
)
from planning_kit.output.charts.history import (
    chart_attainment,
    chart_baseline,
    chart_goal_history,
    chart_heat,
    chart_steps,
    chart_swings,
)
from planning_kit.output.columns import explained, heading
from planning_kit.review import bridge_steps
from planning_kit.review.periods import main_metric

AnyChart = alt.Chart | alt.LayerChart | alt.FacetChart
_LABELS = ("rep", "territory", "product_line", "product", "manager", "region")
_LABEL = "a name"  # stands for one of them among the columns that a chart needs


@dataclass(frozen=True)
class _Drawn:
    """A table to draw, and what the region knows of it."""

    table: pd.DataFrame
    columns: tuple[str, ...]
    region: Region
    title: str
    beside: tuple[pd.DataFrame, ...]

    @property
    def unit(self) -> str:
        return self.region.settings.currency

    @property
    def labels(self) -> list[str]:
        return [name for name in _LABELS if name in self.table]

    @property
    def label(self) -> str:
        return self.labels[0]

    def titled(self, title: str) -> str:
        return self.title or title

    def by_label(self, title: str) -> str:
        """Give the title with what it is by."""
        return self.titled(f"{title} by {heading(self.label, explained([self.label])[self.label])}")

    def sums(self, *amounts: str) -> pd.DataFrame:
        """Sum amounts by the label: a table of cells becomes one of people."""
        groups = self.table.groupby(self.label, as_index=False, sort=False)
        return groups[list(amounts)].sum(min_count=1)


def _steps(drawn: _Drawn) -> AnyChart:
    whose = list(drawn.table["rep"].unique()) if "rep" in drawn.table else []
    if len(whose) > 1:
        raise DataError(
            f"the steps are those of {len(whose)} people ({shorten(whose)}); choose one of them."
        )
    title = f"The goal of {whose[0]}" if len(whose) else "Step by step"
    return chart_steps(drawn.table, drawn.titled(title), drawn.unit)


def _bridge(drawn: _Drawn) -> AnyChart:
    of_goals = "rests_on_split_share" in drawn.table
    title = "From the goals to the results" if of_goals else "From the year before to the review"
    return chart_steps(bridge_steps(drawn.table), drawn.titled(title), drawn.unit)


def _goal_history(drawn: _Drawn) -> AnyChart:
    unit = "units" if main_metric(drawn.region) == "units" else drawn.unit
    return chart_goal_history(drawn.table, drawn.titled("Goals and results"), unit)


def _event_path(drawn: _Drawn) -> AnyChart:
    table, title = drawn.table, "Before and after the event"
    if "event_id" in table and len(table):
        first = table["event_id"].min()
        table, title = table[table["event_id"] == first], f"Before and after event {first}"
    return chart_event_path(table, drawn.titled(title))


def _agreement(drawn: _Drawn) -> AnyChart:
    table = drawn.sums("goal", "proposed", "suggested").rename(columns={"suggested": "agreed"})
    title = drawn.titled("Top down, proposed, suggested")
    return chart_agreement(table, drawn.label, title, drawn.unit)


def _baseline(drawn: _Drawn) -> AnyChart:
    months = drawn.table["month"]
    if months.duplicated().any():
        raise DataError(
            f"{len(months)} rows have {months.nunique()} months, and ranges do not add up: give "
            "expected results with one row a month."
        )
    return chart_baseline(drawn.table, drawn.titled("Expected results by month"), drawn.unit)


def _heat(drawn: _Drawn) -> AnyChart:
    row, column = drawn.labels[:2]
    known = explained(drawn.table.columns)
    title = f"Attainment by {known[row].heading} and {known[column].heading}"
    margins = [drawn.region.with_names(table) for table in drawn.beside]
    return chart_heat(
        drawn.table, row, column, "attainment", drawn.titled(title), totals=tuple(margins)
    )


def _hours(drawn: _Drawn) -> AnyChart:
    capacity = drawn.beside[0] if drawn.beside else None
    return chart_hours(drawn.table, capacity, drawn.titled("Hours by month"))


def _hours_spent(drawn: _Drawn) -> AnyChart:
    spent = drawn.table.rename(columns={"actual_hours": "hours"})
    return chart_hours(spent, drawn.table, drawn.titled("Hours spent by month"))


def _months(drawn: _Drawn) -> AnyChart:
    known = explained(drawn.table.columns)
    usual = [name for name in ("goal", "amount") if name in drawn.table][:1]
    names = drawn.columns or usual or [n for n, c in known.items() if c.kind == "count"]
    require_labels(names, drawn.table.columns, "columns")
    titles = {name: heading(name, known.get(name)) for name in names}
    kinds = {known[name].kind if name in known else "number" for name in names}
    if len(kinds) != 1:
        raise DataError(
            f"{shorten(names)} are {' and '.join(sorted(kinds)) or 'nothing'}: name columns of one "
            "kind, they share an axis."
        )
    kind = kinds.pop()
    axis = drawn.unit if kind == "money" else kind
    title = drawn.titled(f"{', '.join(titles.values()).capitalize()} by month")
    return chart_months(drawn.table, titles, title, axis)


@dataclass(frozen=True)
class _Kind:
    """What a chart needs of a table (`_LABEL` once or twice among it), and how it is drawn."""

    needs: tuple[str, ...]
    draw: Callable[[_Drawn], AnyChart]

    def lacks(self, drawn: _Drawn) -> list[str]:
        """Name what the table lacks for it."""
        labels = self.needs.count(_LABEL)
        lacking = [name for name in self.needs if name not in (*drawn.table.columns, _LABEL)]
        return lacking + [_LABEL] * max(0, labels - len(drawn.labels))


# The first that a table has everything for is drawn, so the more special stand first.
_KINDS: Mapping[str, _Kind] = {
    "steps": _Kind(("step", "amount"), _steps),
    "bridge": _Kind(("before", "after", "price", "volume", "mix"), _bridge),
    "goal_history": _Kind(
        ("goal_period", "goal", "actual", "attainment", "without_goal"), _goal_history
    ),
    "event_path": _Kind(("months_after", "affected_share", "unaffected_share"), _event_path),
    "effects": _Kind(
        ("event_id", "kind", "effect_share", "low_share", "high_share"),
        lambda d: chart_effects(d.table, d.titled("What events did to sales")),
    ),
    "swings": _Kind(
        ("assumption_id", "effect_low", "effect_high", "swing"),
        lambda d: chart_swings(
            d.table, d.titled("From low to high: what each assumption moves"), d.unit
        ),
    ),
    "frontier": _Kind(
        ("over_assignment", "share_reaching", "team_chance"),
        lambda d: chart_frontier(d.table, d.titled("Asking for more than the target")),
    ),
    "buckets": _Kind(
        ("bucket", "people", "least", "low", "median", "high", "most", "verdict"),
        lambda d: chart_buckets(d.table, d.titled("Attainment by size of territory")),
    ),
    "talk": _Kind(
        ("what", "amount", "chance", "expected", "low", "high"),
        lambda d: chart_talk(d.table, d.titled("The numbers of the talk"), d.unit),
    ),
    "to_date": _Kind(
        (_LABEL, "goal", "due", "actual", "low", "high"),
        lambda d: chart_to_date(d.table, d.label, d.titled("The year so far")),
    ),
    "targets": _Kind(
        ("expected", "low", "high", "target"),
        lambda d: chart_targets(d.table, d.titled("Target and expected result"), d.unit),
    ),
    "regions": _Kind(
        ("region", "reviewed", "allocated", "target"),
        lambda d: chart_regions(
            d.table[d.table["region"] != "company"],
            d.titled("Reviewed year and goals by region"),
            d.unit,
        ),
    ),
    "years": _Kind(
        (_LABEL, "month", "review", "previous"),
        lambda d: chart_years(d.table, d.label, d.by_label("Sales by month and"), d.unit),
    ),
    "baseline": _Kind(("month", "expected", "low", "high", "last_year"), _baseline),
    "hours": _Kind(("month", "activity", "hours"), _hours),
    "hours_spent": _Kind(("month", "activity", "planned_hours", "actual_hours"), _hours_spent),
    "heat": _Kind((_LABEL, _LABEL, "attainment"), _heat),
    "attainment": _Kind(
        (_LABEL, "attainment", "goal", "actual"),
        lambda d: chart_attainment(d.table, d.label, d.by_label("Attainment"), d.unit),
    ),
    "agreement": _Kind((_LABEL, "goal", "proposed", "suggested"), _agreement),
    "months": _Kind(("month",), _months),
    "allocation": _Kind(
        (_LABEL, "base", "goal"),
        lambda d: chart_allocation(
            d.sums("base", "goal"), d.label, d.by_label("Goal and starting point"), d.unit
        ),
    ),
    "chances": _Kind(
        (_LABEL, "chance"),
        lambda d: chart_chances(d.table, d.label, d.titled("Chance of reaching the goal")),
    ),
}


def chart_for(
    table: pd.DataFrame,
    columns: Sequence[str] | str = "",
    *,
    region: Region,
    title: str = "",
    kind: str = "",
    beside: Sequence[pd.DataFrame] = (),
) -> AnyChart:
    """Draw a table as the chart its columns ask for.

    Parameters
    ----------
    table
        Any result table; ids are replaced by names.
    columns
        What to draw by month, where a table has several such columns of one kind.
    region
        Gives names and currency.
    title
        What the chart shows; without it the usual title.
    kind
        Chooses the chart where a table would do for several: steps, bridge, goal_history,
        event_path, effects, swings, frontier, buckets, talk, to_date, targets, regions, years,
        baseline, hours, hours_spent, heat, attainment, agreement, months, allocation or chances.
    beside
        Tables that belong to it: the hours there are beside the hours planned, the margins of a
        map.

    Raises
    ------
    DataError
        No chart can be drawn from these columns, or the named one cannot; says what it needs.
    """
    names = tuple(columns.split() if isinstance(columns, str) else columns)
    drawn = _Drawn(region.with_names(table), names, region, title, tuple(beside))
    if kind:
        require_labels([kind], _KINDS, "kind")
        lacking = _KINDS[kind].lacks(drawn)
        if lacking:
            raise DataError(f"a chart of kind {kind!r} needs {', '.join(lacking)} as well.")
        return _KINDS[kind].draw(drawn)
    fitting = next((known for known in _KINDS.values() if not known.lacks(drawn)), None)
    if fitting is None:
        each = "; ".join(f"{name} ({', '.join(known.needs)})" for name, known in _KINDS.items())
        raise DataError(
            f"no chart is known for the columns {shorten(table.columns, 12)}. Known, with the "
            f"columns they need ({_LABEL}: {', '.join(_LABELS)} or an id of one): {each}."
        )
    return fitting.draw(drawn)
