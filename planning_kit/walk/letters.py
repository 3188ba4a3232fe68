"""What the goal letters of a region's people say: the goals that stand now, and where they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import pandas as pd

from planning_kit import review
from planning_kit.agreement import Goals
from planning_kit.data import Prepared, Region
from planning_kit.messages import DataError
from planning_kit.output.letters import Letter
from planning_kit.plan import NOT_KNOWN, Plan
from planning_kit.walk import talks
from planning_kit.walk.first_words import newest_step
from planning_kit.walk.notebook import NotebookStep

SETTLED = ("accepted", "decided")
_ACTIVITIES = ("sales_needed", "presentations", "proposals", "prospects")


@dataclass(frozen=True)
class LetterTables:
    """The tables that the letters of one region are made from, as they stand on one day.

    Attributes
    ----------
    region : Region
        Names, managers, period, currency.
    goals, steps, months : DataFrame
        ``rep_id``, ``goal`` and ``basis``; ``rep_id``, ``step`` and ``amount``; ``rep_id``,
        ``product_line``, ``month`` and ``goal``. Plan currency.
    activities : DataFrame
        By ``rep_id`` what there is of sales_needed, presentations, proposals, prospects.
    ratios : DataFrame
        ``rep_id`` and ``ratio``, won of closed deals.
    status : Series
        Where everybody's talk stands, by id; who is not in it has not begun.
    version, log_digest : str
        Of the goals, and of the last line of the log that is no note.
    as_of : date
        The day of that line; without one the last day of the sales.
    """

    region: Region
    goals: pd.DataFrame
    steps: pd.DataFrame
    months: pd.DataFrame
    activities: pd.DataFrame
    ratios: pd.DataFrame
    status: pd.Series
    version: str
    log_digest: str
    as_of: date

    def unsettled(self) -> dict[str, str]:
        """Say of everybody whose goal is neither agreed nor decided where the talk stands."""
        there = self.goals["rep_id"]
        return {r: s for r, s in zip(there, _status(there, self.status), strict=True) if s}


def step_now(plan: Plan, prepared: Prepared, region: str, scenario: str = "base") -> NotebookStep:
    """Open a region's step as the log is now, whatever it was when the newest run began."""
    newest = newest_step(plan, prepared, region, plan.scenario(scenario))
    folder = plan.runs_folder / "draft" / newest.folder.name
    return replace(newest.under(newest.scenario, newest.inputs.target), folder=folder)


def standing_tables(step: NotebookStep) -> LetterTables:
    """Give the tables of a region as they stand (see `step_now`)."""
    goals, day = _standing(step)
    return LetterTables(
        step.inputs,
        goals.by("rep").dropna(subset="goal"),
        goals.why(),
        goals.by("rep", "product_line", "month"),
        talks.metric_year(step),
        review.closing_ratios(step.inputs),
        talks.negotiation_state(step).set_index("rep_id")["status"],
        goals.version,
        goals.log_digest,
        day,
    )


def _standing(step: NotebookStep) -> tuple[Goals, date]:
    """Give the goals that stand, and the day of the last word about one of them.

    Notes in the log are no such words: they change neither version nor digest, so that a
    signature (which is a note) leaves the letters of the others as they are.
    """
    goals, events = talks.goals_of(step), talks.negotiation_events(step)
    if goals.log_digest:
        last = events[events["kind"] != "note"].iloc[-1]
        goals = replace(goals, log_digest=str(last["digest"]))
        return goals, date.fromisoformat(str(last["time"])[:10])
    sales = next(row for row in step.prepared.facts["coverage"] if row["table"] == "sales")
    return goals, date.fromisoformat(sales["last_day"] or str(step.inputs.settings.starts_on))


def _status(people: pd.Series, status: pd.Series) -> pd.Series:
    """Say where talks stand that are not settled; empty: settled."""
    found = people.map(status).fillna("not started")
    return found.mask(found.isin(SETTLED), "")


def require_version(step: NotebookStep, rep_id: str, digest: str) -> None:
    """Check that a letter that somebody signed is of the goals that stand.

    Raises
    ------
    DataError
        It is of others, or the person's goal is not settled.
    """
    version = _standing(step)[0].version
    if digest != version:
        raise DataError(
            f"{rep_id}: the goals that stand in {step.inputs.name} are of version {version}, "
            f"not {digest!r}: write the letter again and have that one signed."
        )
    state = talks.negotiation_state(step).set_index("rep_id")["status"]
    if status := _status(pd.Series([rep_id]), state).item():
        raise DataError(
            f"{rep_id}: the goal is neither agreed nor decided ({status}); a draft is not signed."
        )


def region_letters(
    tables: LetterTables, promises: Mapping[str, Sequence[str]] | None = None
) -> list[Letter]:
    """Give what everybody's letter says, by id; drafts where a talk is not settled.

    Parameters
    ----------
    tables
        Of one region, standing or frozen.
    promises
        By id what the company promises.
    """
    region, settings, open_talks = tables.region, tables.region.settings, tables.unsettled()
    people = pd.concat([region.managers, region.reps]).drop_duplicates("rep_id", keep="last")
    names = dict(people[["rep_id", "rep_name"]].dropna().to_numpy())
    boss = dict(people[["rep_id", "manager_id"]].dropna().to_numpy())
    steps = {r: rows for r, rows in tables.steps.groupby("rep_id")}
    months = {r: _by_line(rows) for r, rows in tables.months.groupby("rep_id")}
    done = tables.activities.set_index("rep_id")
    done = done[[name for name in _ACTIVITIES if name in done]]
    ratios = tables.ratios.set_index("rep_id")["ratio"].dropna()
    return [
        Letter(
            settings.name,
            settings.currency,
            settings.rounding_unit,
            settings.starts_on,
            settings.ends_on,
            rep_id,
            names.get(rep_id, rep_id),
            str(names.get(boss.get(rep_id, ""), boss.get(rep_id, ""))),
            region.name,
            goal,
            "allocated" if rep_id in open_talks else basis,
            list(steps[rep_id][["step", "amount"]].itertuples(index=False, name=None)),
            months[rep_id],
            tables.version,
            tables.log_digest,
            tables.as_of,
            done.loc[rep_id].dropna().to_dict() if rep_id in done.index else {},
            ratios.get(rep_id),
            (promises or {}).get(rep_id, ()),
            rep_id in open_talks,
        )
        for rep_id, goal, basis in tables.goals[["rep_id", "goal", "basis"]].to_numpy()
    ]


def _by_line(rows: pd.DataFrame) -> dict[str, list[float]]:
    wide = (
        rows.pivot(index="product_line", columns="month", values="goal")
        .dropna(how="all")
        .fillna(0.0)
    )
    return {
        "" if line == NOT_KNOWN else str(line): row.tolist()
        for line, row in zip(wide.index, wide.to_numpy(), strict=True)
    }
