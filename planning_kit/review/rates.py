"""What people's own history says: closing ratio, average sale, rates between steps, time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from planning_kit.data import Region, cached
from planning_kit.messages import DataError, require_labels
from planning_kit.numbers.shrinkage import (
    Numbers,
    beta_range,
    mean_posterior,
    ratio_posterior,
    shrink_mean,
    shrink_ratio,
)
from planning_kit.review.pipeline import DAYS_A_MONTH, time_open

THIN_DEALS = 20  # below this the team weighs about as much as the person's own deals
MORE_DONE = 1.1  # a step may be counted this much more often than the step before it
STEPS = ("prospect", "presentation", "proposal")
_DATED_BY = {"presentation": "presented_on", "proposal": "proposed_on"}
RATIO_COLUMNS = (
    "closed",
    "won",
    "ratio_raw",
    "ratio",
    "low",
    "high",
    "ratio_worth",
    "presentations",
    "won_presented",
    "won_per_presentation",
    "presentation_low",
    "presentation_high",
    "presentation_worth",
    "presentation_basis",
    "note",
)
FUNNEL_COLUMNS = (
    "rep_id",
    "won",
    "average_sale",
    "average_sale_cv",
    "sale_cv",
    "sale_basis",
    "prospect_to_presentation",
    "presentation_to_proposal",
    "prospect_months",
    "cycle_months",
    "cycle_months_median",
    "proposal_months",
    "months_open",
    "win_rate_by_value",
    "missing",
)
_CUTS = ("rep_id", "product_id", "product_line")


@cached
def closing_ratios(inputs: Region, by: Sequence[str] = ("rep_id",)) -> pd.DataFrame:
    """Measure how many closed deals are won, with thin histories pulled towards the team's.

    The ratio is won / (won + lost) of the deals closed in the reviewed period or since, before
    the plan starts; a closed deal without a day counts, and where no closed deal lies in that
    time all do. `planning_kit.numbers.shrinkage` has the formula (beta-binomial).

    Parameters
    ----------
    inputs
        One region or the company; reads opportunities, and activities for the presentations.
    by
        What a row is: any of rep_id, product_id, product_line.

    Returns
    -------
    DataFrame
        One row a label, everybody of the team included when by people: closed, won (deals),
        ratio_raw (own history alone), ratio (shrunk), low, high (80 % range), ratio_worth (as
        many deals as the ratio is worth), presentations, won_presented (sales that came out of
        them), won_per_presentation (shrunk; empty where no presentations are known) with
        presentation_low, presentation_high (80 % range) and presentation_worth,
        presentation_basis (deals or activities) and note.

    Raises
    ------
    DataError
        `by` names something else.
    """
    keys = list(by)
    require_labels(keys, _CUTS, "closing_ratios: by")
    if not keys:
        raise DataError(f"closing_ratios: by is empty; give one or more of {', '.join(_CUTS)}.")
    deals = closed_deals(inputs)
    counts = deals.groupby(keys).agg(closed=("is_won", "size"), won=("is_won", "sum"))
    counts = _with_team(counts.astype(float), inputs, keys)
    table = counts.reset_index().assign(ratio_raw=lambda t: t["won"] / t["closed"])
    ratio, worth = ratio_posterior(counts["won"].to_numpy(), counts["closed"].to_numpy())
    low, high = beta_range(ratio, worth)
    table = table.assign(ratio=ratio, low=low, high=high, ratio_worth=worth)
    presented = _presentations(inputs, deals, counts.index, keys)
    table = table.merge(presented, left_on=keys, right_index=True, how="left")
    every, won = table["closed"].sum(), table["won"].sum()
    notes = [_note(closed, every, won) for closed in table["closed"]]
    table["note"] = pd.Series(notes, table.index, dtype="str")
    return table[[*keys, *RATIO_COLUMNS]]


def _with_team(counts: pd.DataFrame, inputs: Region, keys: list[str]) -> pd.DataFrame:
    if keys == ["rep_id"]:
        team = pd.Index(inputs.team()["rep_id"], name="rep_id")
        counts = counts.reindex(counts.index.union(team).rename("rep_id"), fill_value=0.0)
    return counts.sort_index()


def _note(closed: float, every: float, won: float) -> str:
    if won == 0:
        return f"no {'won' if every else 'closed'} deals at all: the ratio cannot be told"
    if closed == 0:
        return "no closed deals: the team's ratio"
    if closed < THIN_DEALS:
        return f"only {closed:.0f} closed deals: pulled towards the team's ratio"
    return ""


@cached
def closed_deals(inputs: Region) -> pd.DataFrame:
    """List the won and lost deals that ratios are measured on, with ``is_won``, by id."""
    deals = inputs.opportunities
    deals = deals[deals["outcome"].isin(["won", "lost"])].sort_values("opportunity_id")
    lately = _lately(inputs, deals["closed_on"])
    if lately.any():
        deals = deals[lately | deals["closed_on"].isna()]
    return deals.assign(
        is_won=deals["outcome"].eq("won").astype(float),
        product_line=inputs.line_of(deals["product_id"]),
    ).reset_index(drop=True)


@cached
def count_steps(inputs: Region) -> pd.DataFrame:
    """Count prospects, presentations and proposals by person, reviewed period or since.

    See `step_rows`.

    Returns
    -------
    DataFrame
        Indexed by rep_id; one column a step, empty where nothing was recorded for anybody.
    """
    people = pd.Index(sorted(_people(inputs)), name="rep_id")
    table = pd.DataFrame(index=people)
    for step in STEPS:
        rows = step_rows(inputs, step)
        counted = rows[_lately(inputs, rows["day"])].groupby("rep_id")["count"].sum()
        table[step] = counted.reindex(people, fill_value=0.0 if len(counted) else np.nan)
    return table.astype(float)


def step_rows(inputs: Region, step: str) -> pd.DataFrame:
    """List what was done of a step of the funnel, ever.

    An activity belongs to a step when its name starts with the step's name. Where nobody counted
    it in the reviewed period or since, the days of the deals say when it was done.

    Returns
    -------
    DataFrame
        rep_id, day, count.
    """
    done = inputs.activities
    done = done[done["activity"].str.strip().str.casefold().str.startswith(step).fillna(False)]
    counted = done.rename(columns={"done_on": "day"})[["rep_id", "day", "count"]]
    if step not in _DATED_BY or _lately(inputs, counted["day"]).any():
        return counted
    dated = inputs.opportunities.rename(columns={_DATED_BY[step]: "day"})
    dated = dated[["rep_id", "day"]].dropna(subset="day").assign(count=1.0)
    return dated if _lately(inputs, dated["day"]).any() else counted


def _lately(inputs: Region, day: pd.Series) -> pd.Series:
    settings = inputs.settings
    since, until = pd.Timestamp(settings.review_starts_on), pd.Timestamp(settings.starts_on)
    return (day >= since) & (day < until)


def activity_done(inputs: Region) -> pd.DataFrame:
    """Give `count_steps`, a closed deal for a presentation where none are recorded."""
    steps = count_steps(inputs)
    if steps["presentation"].isna().all() and len(inputs.opportunities):
        closed = closed_deals(inputs).groupby("rep_id").size()
        steps["presentation"] = closed.reindex(steps.index, fill_value=0).astype(float)
    return steps


def _people(inputs: Region) -> set[str]:
    tables = (inputs.team(), inputs.opportunities, inputs.activities)
    return {rep for table in tables for rep in table["rep_id"].dropna()}


def _presentations(
    inputs: Region, deals: pd.DataFrame, labels: pd.Index, keys: list[str]
) -> pd.DataFrame:
    # Deals that were presented and closed are one cohort; counted activities are only a flow of
    # the same months, so they come second.
    presented = deals[deals["presented_on"].notna()]
    table = pd.DataFrame({"presentations": np.nan, "won_presented": np.nan}, index=labels)
    basis = ""
    if len(presented) >= max(1.0, 0.5 * len(deals)):
        basis = "deals"
        tried = presented.groupby(keys)["is_won"].agg(["size", "sum"])
        tried = tried.reindex(labels, fill_value=0.0)
        table["presentations"], table["won_presented"] = tried["size"], tried["sum"]
    elif keys == ["rep_id"] and count_steps(inputs)["presentation"].sum() > 0:
        basis = "activities"
        table["presentations"] = count_steps(inputs)["presentation"].reindex(labels).fillna(0.0)
        won = deals.groupby("rep_id")["is_won"].sum().reindex(labels, fill_value=0.0)
        table["won_presented"] = won
    rate, worth = _share_of(table["won_presented"], table["presentations"])
    low, high = beta_range(rate, worth)
    return table.assign(
        won_per_presentation=rate,
        presentation_low=low,
        presentation_high=high,
        presentation_worth=worth,
        presentation_basis=basis,
    )


def _share_of(done: pd.Series, tried: pd.Series) -> tuple[Numbers, Numbers]:
    # More outcomes than tries: somebody did not record the tries. Such a person tells nothing
    # about the rate; when it is the whole team, nobody does. A little more is only timing.
    told = (tried > 0) & (done <= MORE_DONE * tried)
    if not told.any() or done.sum() > MORE_DONE * tried.sum():
        unknown = np.full(len(done), np.nan)
        return unknown, unknown
    known = tried.where(told, 0.0).to_numpy(dtype=float)
    return ratio_posterior(np.minimum(done.fillna(0.0).to_numpy(dtype=float), known), known)


@cached
def funnel_rates(inputs: Region) -> pd.DataFrame:
    """Measure the steps of the funnel per person, each pulled towards the team where thin.

    Returns
    -------
    DataFrame
        One row a person of the team: won (deals), average_sale (plan currency; of won deals, or
        where these have no amounts of sales lines, see sale_basis) with average_sale_cv (how
        unsure it is, share of it) and sale_cv (how single sales differ, share of it),
        prospect_to_presentation and presentation_to_proposal (shares), prospect_months (first
        contact to the win), cycle_months and cycle_months_median (presentation, or where unknown
        first contact, to the win), proposal_months (deal-months open since the proposal, or what
        is known before it, / proposals begun) and months_open (deal-months open / deals closed;
        both count deals still open, see `planning_kit.review.pipeline.time_open`),
        win_rate_by_value (won amount / closed amount; empty where nothing was won) and missing
        (what could not be told).
    """
    team = pd.Index(inputs.team()["rep_id"], name="rep_id")
    deals = closed_deals(inputs)
    won = deals[deals["is_won"] > 0]
    steps = count_steps(inputs)
    table = pd.DataFrame(index=team)
    table["won"] = won.groupby("rep_id").size().reindex(team, fill_value=0).astype(float)
    table = table.join(_average_sale(inputs, won, team))
    table["prospect_to_presentation"] = _step_rate(steps, "presentation", "prospect", team)
    table["presentation_to_proposal"] = _step_rate(steps, "proposal", "presentation", team)
    table["prospect_months"] = _shrunk_months(_months(won, ["created_on"]), won, team)
    cycle = _months(won, ["presented_on", "created_on"])
    table["cycle_months"] = _shrunk_months(cycle, won, team)
    table["cycle_months_median"] = cycle.groupby(won["rep_id"]).median().reindex(team)
    for name, flow in (("proposal_months", "began"), ("months_open", "ended")):
        stood = time_open(inputs, offered=flow == "began")
        stood = stood.reindex(_everybody(stood.index.to_series(), team), fill_value=0.0)
        months = shrink_mean(stood["months_together"].to_numpy(), stood[flow].to_numpy())
        table[name] = pd.Series(months, stood.index).reindex(team)
    table["win_rate_by_value"] = _win_rate_by_value(deals, team)
    table["missing"] = _missing(table)
    return table.reset_index()[list(FUNNEL_COLUMNS)]


def _everybody(people: pd.Series, team: pd.Index) -> pd.Index:
    # Leavers' deals say as much about the team's average as anybody's.
    return team.union(pd.Index(people.dropna().unique())).sort_values()


def _average_sale(inputs: Region, won: pd.DataFrame, team: pd.Index) -> pd.DataFrame:
    sized = won[won["amount"] > 0]
    if len(sized):
        everybody = _everybody(sized["rep_id"], team)
        mean, variance, within = _mean_of(sized["amount"], sized["rep_id"], everybody)
        basis = "won deals"
    else:
        by_rep = inputs.reviewed_sales().groupby("rep_id")[["amount", "lines"]].sum()
        everybody = _everybody(by_rep.index.to_series(), team)
        by_rep = by_rep.reindex(everybody, fill_value=0.0)
        mean, variance = mean_posterior(by_rep["amount"].to_numpy(), by_rep["lines"].to_numpy())
        mean, within = np.where(mean > 0, mean, np.nan), None
        basis = "sales lines" if (mean > 0).any() else ""
    # Single sales spread as much as they are large where too few tell (`mean_posterior`).
    single = np.full(len(mean), 1.0) if within is None else np.sqrt(within) / mean
    columns = {"average_sale": mean, "average_sale_cv": np.sqrt(variance) / mean, "sale_cv": single}
    return pd.DataFrame(columns, everybody).reindex(team).assign(sale_basis=basis)


def _mean_of(
    values: pd.Series, people: pd.Series, labels: pd.Index
) -> tuple[Numbers, Numbers, float | None]:
    grouped = values.groupby(people)
    own = grouped.agg(["sum", "size"]).reindex(labels, fill_value=0.0)
    spread = ((values - grouped.transform("mean")) ** 2).sum()
    freedom = len(values) - int((own["size"] > 0).sum())
    within = float(spread / freedom) if freedom >= 5 else None
    return *mean_posterior(own["sum"].to_numpy(), own["size"].to_numpy(), within), within


def _step_rate(steps: pd.DataFrame, done: str, tried: str, team: pd.Index) -> pd.Series:
    return pd.Series(_share_of(steps[done], steps[tried])[0], steps.index).reindex(team)


def _months(deals: pd.DataFrame, days: list[str]) -> pd.Series:
    # The first day that is recorded at all, and only the deals that have it: a deal without a
    # proposal stands open longer than a proposal does.
    recorded = [day for day in days if deals[day].notna().any()]
    start = deals[recorded[0] if recorded else days[0]]
    months = (deals["closed_on"] - start).dt.total_seconds() / 86_400 / DAYS_A_MONTH
    return months.where(months >= 0)


def closing_times(inputs: Region) -> Numbers:
    """List the months from presentation (where unknown first contact) to the win, ascending."""
    deals = closed_deals(inputs)
    months = _months(deals[deals["is_won"] > 0], ["presented_on", "created_on"]).dropna()
    return np.sort(months.to_numpy(dtype=float))


def _shrunk_months(months: pd.Series, deals: pd.DataFrame, team: pd.Index) -> pd.Series:
    known = months.dropna()
    people = deals.loc[known.index, "rep_id"]
    everybody = _everybody(people, team)
    return pd.Series(_mean_of(known, people, everybody)[0], everybody).reindex(team)


def _win_rate_by_value(deals: pd.DataFrame, team: pd.Index) -> pd.Series:
    # Systems that write 0 for a lost deal would make every rate 1; such values say nothing.
    sized = deals[deals["amount"] > 0]
    lost = deals["is_won"] == 0
    told = sized["is_won"].sum() > 0 and (sized["is_won"] == 0).sum() >= 0.5 * lost.sum()
    if not told:
        return pd.Series(np.nan, team)
    everybody = _everybody(sized["rep_id"], team)
    amount = sized["amount"] / sized["amount"].mean()
    sums = (
        pd.DataFrame({"all": amount, "won": amount * sized["is_won"], "squares": amount**2})
        .groupby(sized["rep_id"])
        .sum()
        .reindex(everybody, fill_value=0.0)
    )
    # Kish: unequal deals carry as much knowledge as this many equal ones.
    deals_worth = (sums["all"] ** 2 / sums["squares"]).fillna(0.0)
    share = (sums["won"] / sums["all"]).fillna(0.0)
    rate = shrink_ratio((share * deals_worth).to_numpy(), deals_worth.to_numpy())[0]
    return pd.Series(rate, everybody).reindex(team)


def _missing(table: pd.DataFrame) -> pd.Series:
    words = {
        "average_sale": "average sale",
        "prospect_to_presentation": "prospects per presentation",
        "presentation_to_proposal": "proposals per presentation",
        "cycle_months": "months to close",
        "months_open": "months a deal stays open",
        "win_rate_by_value": "win rate by value",
    }
    lacks = table[list(words)].isna().rename(columns=words)
    texts = [", ".join(lacks.columns[row]) for row in lacks.to_numpy(dtype=bool)]
    return pd.Series(texts, table.index, dtype="str")
