"""What the goal letters of a region's people say: the goals that stand now, and where they come from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pandas as pd

from planning_kit import review
from planning_kit.agreement import Goals
from planning_kit.agreement.state import CLOSED
from planning_kit.data import Region
from planning_kit.messages import DataError
from planning_kit.output.letters import Letter
from planning_kit.plan import NOT_KNOWN
from planning_kit.walk import talks
from planning_kit.walk.notebook import NotebookStep

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
    versions : Series
        Digest of everybody's numbers, by id.
    promises : DataFrame
        ``rep_id``, ``promise`` and ``until``.
    log_digest : str
        Of the last move in the log.
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
    versions: pd.Series
    promises: pd.DataFrame
    log_digest: str
    as_of: date

    def unsettled(self) -> dict[str, str]:
        """Say of everybody whose goal is neither agreed nor decided where the talk stands."""
        there = self.goals["rep_id"]
        return {r: s for r, s in zip(there, _status(there, self.status), strict=True) if s}


def standing_tables(step: NotebookStep) -> LetterTables:
    """Give the tables of a region as they stand (see `planning_kit.walk.first_words.step_today`)."""
    goals = talks.goals_of(step)
    return LetterTables(
        step.inputs,
        goals.by("rep").dropna(subset="goal"),
        goals.why(),
        goals.by("rep", "product_line", "month"),
        talks.metric_year(step),
        review.closing_ratios(step.inputs),
        talks.negotiation_state(step).set_index("rep_id")["status"],
        pd.Series({rep_id: goals.version_of(rep_id) for rep_id in goals.people()}, dtype="str"),
        talks.promises(step),
        goals.log_digest,
        last_day(step, goals),
    )


def last_day(step: NotebookStep, goals: Goals) -> date:
    """Give the day of the last move, or of the last sale where nobody has talked yet."""
    if goals.log_digest:
        events = talks.negotiation_events(step)
        last = events.loc[events["digest"] == goals.log_digest, "time"]
        return date.fromisoformat(str(last.item())[:10])
    sales = next(row for row in step.prepared.facts["coverage"] if row["table"] == "sales")
    return date.fromisoformat(sales["last_day"] or str(step.inputs.settings.starts_on))


def _status(people: pd.Series, status: pd.Series) -> pd.Series:
    """Say where talks stand that are not settled; empty: settled."""
    found = people.map(status).fillna("not started")
    return found.mask(found.isin(CLOSED), "")


def require_version(step: NotebookStep, rep_id: str, digest: str) -> None:
    """Check that a letter that somebody signed is of the goal that stands.

    Raises
    ------
    DataError
        It is of another one.
    """
    version = talks.goals_of(step).version_of(rep_id)
    if digest != version:
        raise DataError(
            f"{rep_id}: the goal that stands is of version {version}, not {digest!r}: write the "
            "letter again and have that one signed."
        )


def region_letters(tables: LetterTables) -> list[Letter]:
    """Give what everybody's letter says, by id; drafts where a talk is not settled."""
    region, settings, open_talks = tables.region, tables.region.settings, tables.unsettled()
    people = pd.concat([region.managers, region.reps]).drop_duplicates("rep_id", keep="last")
    names = dict(people[["rep_id", "rep_name"]].dropna().to_numpy())
    boss = dict(people[["rep_id", "manager_id"]].dropna().to_numpy())
    steps = {r: rows for r, rows in tables.steps.groupby("rep_id")}
    months = {r: _by_line(rows) for r, rows in tables.months.groupby("rep_id")}
    done = tables.activities.set_index("rep_id")
    done = done[[name for name in _ACTIVITIES if name in done]]
    ratios = tables.ratios.set_index("rep_id")["ratio"].dropna()
    promised = tables.promises.assign(until=tables.promises["until"].dt.date)
    promises = {
        rep_id: list(rows[["promise", "until"]].itertuples(index=False, name=None))
        for rep_id, rows in promised.groupby("rep_id")
    }
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
            tables.versions[rep_id],
            tables.log_digest,
            tables.as_of,
            done.loc[rep_id].dropna().to_dict() if rep_id in done.index else {},
            ratios.get(rep_id),
            promises.get(rep_id, ()),
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
