"""The review in findings: what matters most first, each with its number and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from planning_kit.data import Region
from planning_kit.messages import finding, findings_table
from planning_kit.numbers.statistics import score_ranges
from planning_kit.review.attainment import attainment, goal_history, growth
from planning_kit.review.bridges import bridge
from planning_kit.review.changes import (
    begun_units,
    ended_sellers,
    falling_margin,
    goals_without_sales,
    growth_without,
    late_start,
    months_of_returns,
    moved_accounts,
    sales_without_goals,
    shrinking_lines,
    taken_over,
)
from planning_kit.review.deals import Exclusions, unusual_deals
from planning_kit.review.events import event_effects
from planning_kit.review.factors import vacancies
from planning_kit.review.fairness import fairness
from planning_kit.review.level import goal_level_of_years, level_words
from planning_kit.review.periods import main_metric, repeated_goals
from planning_kit.review.places import margins, outside_assignments
from planning_kit.review.proposals import proposal_bias, proposal_check
from planning_kit.review.questions import questions, reported_events, said_by, told_words
from planning_kit.review.replay import EXECUTION, assumption_replay
from planning_kit.review.standing import goal_outliers
from planning_kit.steps import step_of

_NEEDS = {
    "goals": "goals against results, fairness and the replay of assumptions",
    "products": "product lines in every cut and bridge",
    "opportunities": "the funnel: presentations, closing ratio, average sale",
    "assumptions": "the replay of last year's assumptions",
    "events": "the effect of competitors and price changes",
    "proposals": "how far past proposals were from the results",
    "assignments": "vacancies, and goals by territory",
}
# Where the notebook shows what a finding rests on: its headings, by the finding's second word.
_FIRST = 1e18  # what the planner took out stands above every cause
_MANY_OUTLIERS = 0.2
_Found = Iterator[tuple[float, dict[str, str]]]


@dataclass(frozen=True)
class ReviewLimits:
    """From where on something is worth a finding.

    Attributes
    ----------
    missed, exceeded : float
        Attainment below which the result fails, and above which it is no good planning either.
    alike_spread : float
        Largest spread of attainment between goal periods that counts as the same share.
    alike_reached : float
        Largest share of goals reached in those periods.
    material_share : float
        Share of the reviewed sales from where on an amount is worth a line.
    proposal_off : float
        How far proposals may be from results, as a share.
    """

    missed: float = 0.95
    exceeded: float = 1.05
    alike_spread: float = 0.12
    alike_reached: float = 0.20
    material_share: float = 0.003
    proposal_off: float = 0.10


def review_findings(
    inputs: Region, limits: ReviewLimits | None = None, excluded: Exclusions | None = None
) -> pd.DataFrame:
    """Say what mattered most in the reviewed year, the most serious first.

    Parameters
    ----------
    inputs
        A region or the company.
    limits
        From where on something is worth a finding.
    excluded
        What the planner took out of ``inputs``; it is said with its amount.

    Returns
    -------
    DataFrame
        Findings (`planning_kit.messages.FINDING_COLUMNS`): the level of all goals first, the
        result second, then failures, within a status the larger amount at stake first; tables the
        review lacks at the end.
    """
    if inputs.sales.empty:
        row = finding(
            "review.no_sales",
            "fail",
            "sales",
            "There are no sales to review.",
            "Check the source of the sales and the period.",
        )
        return findings_table([row, *_missing_tables(inputs)])
    limits = limits or ReviewLimits()
    found = [entry for look in _LOOKS for entry in look(inputs, limits)]
    found += _excluded(inputs, excluded) if excluded is not None else ()
    found.sort(key=lambda entry: (-abs(entry[0]), entry[1]["finding_id"]))
    first = [*_level(inputs, limits), *_result(inputs, limits)]
    rest = findings_table([row for _, row in found] + _missing_tables(inputs))
    table = pd.concat([*(findings_table([row]) for row in first), rest], ignore_index=True)
    told = table["finding_id"].map(told_words(inputs)).astype("str")
    return table.assign(
        message=(table["message"] + " " + told).where(told.notna(), table["message"])
    )


def where_to_look(findings: pd.DataFrame) -> pd.Series:
    """Name the heading of the review that shows each finding; empty where there is none."""
    kinds = findings["finding_id"].str.split(".").str[1]
    return kinds.map(step_of("01").look).fillna("").astype("str")


def _money(inputs: Region, amount: float) -> str:
    return f"{amount:,.0f} {inputs.settings.currency}"


def _listed(names: Iterable[object], most: int = 5, between: str = ", ") -> str:
    known = [str(name) for name in names]
    more = f" and {len(known) - most} more" if len(known) > most else ""
    return between.join(known[:most]) + more


def _each(inputs: Region, table: pd.DataFrame, text: str) -> str:
    return _listed(text.format_map(row) for row in inputs.with_names(table).to_dict("records"))


def _material(inputs: Region, limits: ReviewLimits) -> float:
    return limits.material_share * float(inputs.reviewed_sales()["amount"].abs().sum())


def _moved(inputs: Region) -> str:
    years = growth(inputs, ())
    if years.empty or pd.isna(years["growth_share"].iloc[0]):
        return "There is no year before to compare with."
    row = years.iloc[0]
    like = row["like_for_like_share"]
    text = f"Sales moved {row['growth_share']:+.1%} on the year before"
    text += f" ({like:+.1%} like for like)." if pd.notna(like) else "."
    return text + (f" {row['note'].capitalize()}." if row["note"] else "")


def _result(inputs: Region, limits: ReviewLimits) -> Iterator[dict[str, str]]:
    metric = main_metric(inputs)
    total = attainment(inputs, (), metric=metric)
    place = inputs.name
    if total.empty or not total["goal"].iloc[0] > 0:
        text = f"Nobody had a goal above 0 in the reviewed year. {_moved(inputs)}"
        advice = "Give the goals of the reviewed year to see who reached what."
        yield finding("review.result", "review", place, text, advice)
        return
    people = attainment(inputs, ("rep_id",), metric=metric)
    people = people[people["goal"] > 0]
    row = total.iloc[0]
    unit = "units" if metric == "units" else inputs.settings.currency
    text = (
        f"Result {row['actual']:,.0f} of a goal of {row['goal']:,.0f} {unit}: "
        f"{row['attainment']:.1%}, {row['gap']:+,.0f}{_unasked(inputs, unit)}; "
        f"{(people['status'] == 'reached').sum()} of {len(people)} people reached their goal. "
        f"{_moved(inputs)}"
    )
    status = "fail" if row["attainment"] < limits.missed else "review"
    status = "pass" if row["gap"] >= 0 and row["attainment"] <= limits.exceeded else status
    yield finding("review.result", status, place, text, "Read the causes below.")


def _unasked(inputs: Region, unit: str) -> str:
    """Say what of the reviewed result came from people who had no goal then, if any."""
    history = goal_history(inputs)
    sums = history.loc[history["reviewed"].astype(bool), ["goal", "actual", "without_goal"]].sum()
    if round(sums["without_goal"], 2) == 0:
        return ""
    level = sums["actual"] / sums["goal"]
    return (
        f" ({sums['without_goal']:,.0f} {unit} of it from people without a goal then; those with "
        f"one came to {level:.1%})"
    )


def _level(inputs: Region, limits: ReviewLimits) -> list[dict[str, str]]:
    """Say first how high all goals were, whatever the status: everything else rests on it."""
    level = goal_level_of_years(inputs)
    if level is None:
        return []
    text, advice = level_words(level), ""
    history = goal_history(inputs)
    history = history[history["attainment"].notna() & (history["people"] > 0)]
    reached, people = int(history["reached"].sum()), int(history["people"].sum())
    low, high = history["attainment"].min(), history["attainment"].max()
    alike = len(history) >= 3 and high - low <= limits.alike_spread
    if level.verdict == "too high" and alike and reached <= limits.alike_reached * people:
        text += (
            f" Missed by a similar share every time, {low:.0%} to {high:.0%} in all {len(history)} "
            f"goal periods, {reached} of {people} goals reached: set too high, not executed badly."
        )
    if level.verdict in ("too low", "too high"):
        advice = (
            f"Set goals near {level.share:.0%} of the level used so far, or say what will change."
        )
    elif level.status != "pass":
        advice = "Ask whether the goals or the people were off before setting new ones."
    return [finding("review.level", level.status, "goals", text, advice)]


def _below_cost(inputs: Region, limits: ReviewLimits) -> _Found:
    floor = _material(inputs, limits)
    for cut, what in (("product_line", "Product lines"), ("product_id", "Products")):
        table = margins(inputs, (cut,)).dropna(subset=[cut, "margin"])
        bad = table[(table["margin"] < 0) & (table["amount"] > floor)].sort_values(["margin", cut])
        if bad.empty:
            continue
        shown = "product" if cut == "product_id" else cut
        each = _each(inputs, bad, f"{{{shown}}} ({{margin_share:.1%}})")
        lost = float(bad["margin"].sum())
        text = (
            f"{what} sold below cost in the reviewed year: {each}; together "
            f"{_money(inputs, lost)} on sales of {_money(inputs, bad['amount'].sum())}."
        )
        advice = "Check prices, discounts and cost before asking for more of it in goals."
        weight = lost if cut == "product_line" else lost / 2  # the lines say it first
        yield weight, finding(f"review.below_cost.{cut}", "fail", "products", text, advice)


def _outside(inputs: Region, limits: ReviewLimits) -> _Found:
    table = outside_assignments(inputs) if len(inputs.assignments) else pd.DataFrame()
    if table.empty:
        return
    table = inputs.with_names(table)
    taken = table[table["assigned_until"].notna() & (table["months"] >= 3)]
    for row in taken[taken["amount"] > _material(inputs, limits)].to_dict("records"):
        text = (
            f"{row['rep']} sold {_money(inputs, row['amount'])} in territory "
            f"{row['territory']} in {row['months']} months of the reviewed year "
            f"({row['amount_share']:.0%} of own sales), though the assignment ended on "
            f"{row['assigned_until']:%Y-%m-%d}."
        )
        advice = "Assign the territory again, or hand its customers and its goal to who holds it."
        where = f"assignments {row['rep_id']}"
        key = f"review.territory_taken.{row['rep_id']}.{row['territory_id']}"
        yield row["amount"], finding(key, "review", where, text, advice)
    amount = float(table["amount"].sum())
    if amount > _material(inputs, limits):
        people = table.groupby("rep")["amount"].sum().sort_values(ascending=False, kind="stable")
        text = (
            f"{_money(inputs, amount)} were sold in months in which the seller did not hold the "
            f"territory, by {len(people)}: {_listed(people.index)}."
        )
        advice = "Correct the assignments, or goals by territory will not fit the results."
        yield amount, finding("review.outside_territory", "review", "assignments", text, advice)


def _events(inputs: Region, limits: ReviewLimits) -> _Found:
    reported = reported_events(inputs)
    asked = reported.index[reported["question_id"].notna()]
    for row in event_effects(inputs).to_dict("records"):
        key, where = f"review.event.{row['event_id']}", f"events {row['event_id']}"
        kind = row["kind"] or "event"
        if row["event_id"] in reported.index:
            kind = f"reported event “{reported.loc[row['event_id'], 'answer']}”"
        if not inputs.is_company and not row["affected"] and row["months"]:
            continue  # it was elsewhere
        if pd.isna(row["effect_share"]):
            text = f"What the {kind} did cannot be told: {row['note']}."
            advice = "Nothing to compare with: judge it by prices and products in the bridges."
            if not inputs.is_company and row["unaffected"]:
                advice = "See the company's review, which has more territories to compare."
            yield 0.0, finding(key, "review", where, text, advice)
            continue
        text = (
            f"The {kind} moved sales of {row['affected']} territories by "
            f"{row['effect_share']:+.1%} (90 % interval {row['low_share']:+.1%} to "
            f"{row['high_share']:+.1%}), about {_money(inputs, row['effect_amount'])} in "
            f"{row['months']} months: {row['verdict']}{'; ' if row['note'] else ''}{row['note']}."
        )
        if row["event_id"] in asked:
            text += " It was asked about because sales moved there: the range is too narrow."
        status = "fail" if row["verdict"] == "lost sales" else "review"
        weight = row["effect_amount"] if row["verdict"] != "cannot tell" else 0.0
        advice = f"Take it into the coming year's assumptions, with {key} as evidence."
        yield weight, finding(key, status, where, text, advice)


def _vacancy(inputs: Region, limits: ReviewLimits) -> _Found:
    table = vacancies(inputs)
    lost = float(table["lost_amount"].sum()) if len(table) else 0.0
    if lost <= _material(inputs, limits):
        return
    text = (
        f"Territories stood empty for {table['vacant_months'].sum():.1f} months of a whole "
        f"territory, and the ramp of new people took {table['ramp_months'].sum():.1f} more: about "
        f"{_money(inputs, lost)} at their own sales per productive month, most in "
        f"{_listed(inputs.with_names(table)['territory'].head(3))}."
    )
    advice = "Plan vacancy and ramp into the goals; fill the seats of large territories first."
    yield lost, finding("review.vacancy", "review", "assignments", text, advice)


def _price(inputs: Region, limits: ReviewLimits) -> _Found:
    table = inputs.with_names(bridge(inputs, ("product_id",)).dropna(subset="product_id"))
    for row in table[table["price"] < -_material(inputs, limits)].to_dict("records"):
        share = row["price"] / (row["after"] - row["price"])
        text = (
            f"Prices of {row['product']} were {share:+.1%} against the year before: "
            f"{_money(inputs, row['price'])} at this year's units; its sales moved "
            f"{_money(inputs, row['difference'])}."
        )
        advice = "Check whether the lower price won volume; assume the present price in the plan."
        key, where = f"review.price.{row['product_id']}", f"products {row['product_id']}"
        yield row["price"], finding(key, "review", where, text, advice)


def _fair(inputs: Region, limits: ReviewLimits) -> _Found:
    for row in fairness(inputs).to_dict("records"):
        # How many reached their goal is said first, of all years (`review.level`).
        if not row["verdict"] or not row["people"] or row["test"] == "share_at_goal":
            continue
        text = f"{row['question']} "
        text += f"{row['value']:.2f}" if pd.notna(row["value"]) else ""
        text += f" ({row['low']:.2f} to {row['high']:.2f})" if pd.notna(row["low"]) else ""
        text += f", adjusted p {row['p_holm']:.3f}" if pd.notna(row["p_holm"]) else ""
        text += f", {row['people']} cases: {row['verdict']}."
        text += f" {row['note'].capitalize()}." if row["note"] else ""
        status = {"biased": "fail", "fair": "pass"}.get(row["verdict"], "review")
        advice = "Change how goals are set before setting new ones." if status == "fail" else ""
        if row["verdict"] == "teams differ":
            advice = "Ask what differed: the goals, the market or the team. One year cannot tell."
        key = f"review.fairness.{row['test']}"
        yield 0.0, finding(key, status, "goals", text.replace(" ,", ""), advice)


def _assumed(inputs: Region, limits: ReviewLimits) -> _Found:
    table = assumption_replay(inputs)
    known = table[table["effect"].notna() & (table["assumption_id"] != EXECUTION)]
    known = known.sort_values("effect", key=lambda effect: -effect.abs(), kind="stable")
    for row in known[known["inside"] == "no"].to_dict("records"):
        text = (
            f"Assumed {row['base']:g}, was {row['actual']:g}, outside the stated range of "
            f"{row['low']:g} to {row['high']:g} ({row['statement']}): worth "
            f"{_money(inputs, row['effect'])} against the plan."
        )
        advice = "Assume a value and a range nearer to what happened."
        key = f"review.assumption.{row['assumption_id']}"
        yield row["effect"], finding(key, "review", "assumptions", text, advice)
    if known["effect"].abs().sum() > _material(inputs, limits):
        each = [
            f"{k} {_money(inputs, e)}" for k, e in known[["assumption_id", "effect"]].to_numpy()
        ]
        rest = float(table["effect"].iloc[-1])
        total = float(known["effect"].sum())
        text = (
            f"Against the plan, last year's assumptions were worth {_money(inputs, total)} "
            f"({_listed(each)}); execution and all else {_money(inputs, rest)}."
        )
        advice = "Start the coming year's register from what happened."
        yield total, finding("review.assumptions", "review", "assumptions", text, advice)
    score = score_ranges(inputs.assumptions).iloc[0]
    if score["verdict"] in ("ranges too narrow", "ranges too wide"):
        text = (
            f"{score['inside']} of {score['assumptions']} actuals lay inside the stated ranges, "
            f"{score['expected_share']:.0%} should: {score['verdict']}."
        )
        advice = "Ask each owner for the one-in-ten low and high."
        yield 0.0, finding("review.ranges", "review", "assumptions", text, advice)


def _excluded(inputs: Region, excluded: Exclusions) -> _Found:
    taken = excluded.table[excluded.table["excluded_amount"] != 0]
    if len(taken):
        each = _each(inputs, taken, "{rep} {month:%Y-%m} ({reason}, {owner})")
        total = excluded.totals.iloc[0]
        text = (
            f"Taken out by the planner: {_money(inputs, taken['excluded_amount'].sum())}: {each}. "
            f"Sales of the reviewed year are {_money(inputs, total['counted'])} without it, "
            f"{_money(inputs, total['booked'])} as booked."
        )
        advice = "Read every figure here without it; the entries stand in the scenario."
        yield _FIRST, finding("review.excluded", "review", "sales", text, advice)


def _unusual(inputs: Region, limits: ReviewLimits) -> _Found:
    table = unusual_deals(inputs)
    table = table[table["amount"].abs() > _material(inputs, limits)]
    if len(table):
        each = _each(inputs, table, "{rep} {month:%Y-%m} {amount:,.0f} ({reason})")
        amount = float(table["amount"].sum())
        text = f"{len(table)} unusual deals, {_money(inputs, amount)}: {each}."
        advice = "Will it come again? If not, take it out with a reason in [[review.exclude]]."
        yield amount, finding("review.unusual_deals", "review", "sales", text, advice)


def _out_of_line(inputs: Region, limits: ReviewLimits) -> _Found:
    table = goal_outliers(inputs)
    bad = table[table["verdict"].isin(["too high", "too low"])]
    if len(bad):
        each = _each(
            inputs,
            bad,
            "{rep} {verdict} ({to_result_share:+.0%} on last year's result, "
            "{to_goal_share:+.0%} on last year's goal)",
        )
        text = f"{len(bad)} of {len(table)} goals were out of line with both: {each}."
        many = len(bad) > _MANY_OUTLIERS * len(table)
        advice = "So many: the method is wrong." if many else "Set the next goals of these by hand."
        yield 0.0, finding("review.goals_out_of_line", "review", "goals", text, advice)


def _proposed(inputs: Region, limits: ReviewLimits) -> _Found:
    table = proposal_bias(inputs)
    named = table["verdict"].isin(["too low", "too high"])
    named &= table["own_bias"].abs() > np.log1p(limits.proposal_off)
    off = table[named].sort_values(["bias", "rep_id"])
    if off.empty:
        return
    each = _each(
        inputs,
        off.assign(times=np.exp(off["own_bias"])),
        "{rep} {verdict} (results were {times:.2f} times it, {factor:.2f} expected next time)",
    )
    text = f"Past proposals of {len(off)} people were off by more than "
    text += f"{limits.proposal_off:.0%}, year after year: {each}."
    check = proposal_check(inputs)
    if len(check):
        last = check.iloc[-1]
        text += (
            f" Correcting each year by the others moves the error from "
            f"{last['raw_error_share']:.1%} to {last['adjusted_error_share']:.1%}."
        )
    advice = "Show each person the factor beside the next proposal."
    yield 0.0, finding("review.proposals", "review", "proposals", text, advice)


def _repeated(inputs: Region, limits: ReviewLimits) -> _Found:
    count = int(repeated_goals(inputs, inputs.goals.reset_index(drop=True)).sum())
    if count:
        text = f"{count} goals of leaders repeat the sum of their team's goals and were left out."
        advice = "Nothing to do, unless a leader had a goal of the own: then correct its amount."
        yield 0.0, finding("review.repeated_goals", "review", "goals", text, advice)


def _changes(inputs: Region, limits: ReviewLimits) -> _Found:
    in_units = main_metric(inputs) == "units"
    for kind, (look, head, advice) in _OBSERVED.items():
        table, units = look(inputs), in_units and kind in _OF_GOALS
        floor = _material(inputs, limits)
        if units:
            floor = limits.material_share * float(inputs.reviewed_sales()["units"].abs().sum())
        table = table[(table["amount"].abs() > floor) | (kind in _ANY_AMOUNT)]
        if table.empty:
            continue
        amount, each = float(table["amount"].sum()), _listed(table["text"], between="; ")
        text = head.format(
            amount=f"{abs(amount):,.0f} {'units' if units else inputs.settings.currency}",
            count=len(table),
            each=each[0].upper() + each[1:] if head.startswith("{each}") else each,
        )
        row = finding(f"review.{kind}", "review", inputs.name, text, advice)
        yield 0.0 if units else amount, row


def _questions(inputs: Region, limits: ReviewLimits) -> _Found:
    told = told_words(inputs)
    for row in questions(inputs).to_dict("records"):
        key = row["question_id"]
        advice = f'Answer it: planning-kit answer "..." --to {key} --as ID'
        where = " ".join(str(row[name]) for name in _PLACES if pd.notna(row[name]))
        status, advice = ("pass", "") if key in told else ("review", advice)
        yield row["amount"], finding(key, status, where, row["question"], advice)


def _notes(inputs: Region, limits: ReviewLimits) -> _Found:
    """Show the newest of what people said without being asked."""
    notes = inputs.answers[inputs.answers["question_id"].isna()]
    notes = notes.sort_values(["answered_on", "answer_id"], ascending=False)
    if len(notes):
        each = _listed((said_by(inputs, row) for row in notes.to_dict("records")), between=" ")
        text = f"{len(notes)} notes of people: {each}"
        yield 0.0, finding("review.notes", "pass", "answers", text)


def _new_units(inputs: Region, limits: ReviewLimits) -> _Found:
    units = begun_units(inputs)
    units = units[units["amount"] > _material(inputs, limits)]
    without = growth_without(inputs, units) if len(units) else float("nan")
    if np.isnan(without):
        return
    amount, total = float(units["amount"].sum()), growth(inputs, ())["growth_share"].iloc[0]
    text = (
        f"New against the year before: {_listed(units['text'])}, {_money(inputs, amount)} in months "
        f"without them a year earlier; without that sales moved {without:+.1%} instead of {total:+.1%}."
    )
    advice = "Set goals on what was there before, and goals of what is new by hand."
    yield amount, finding("review.new_units", "review", inputs.name, text, advice)


def _missing_tables(inputs: Region) -> list[dict[str, str]]:
    rows = []
    for name in inputs.missing(*_NEEDS):
        text = f"There is no table {name}; left out: {_NEEDS[name]}."
        advice = f"Add a source for {name} to open this part."
        rows.append(finding(f"review.missing.{name}", "review", name, text, advice))
    return rows


# What is seen, how it is said, what to do.
_OBSERVED: dict[str, tuple[Callable[[Region], pd.DataFrame], str, str]] = {
    "shrinking_line": (
        shrinking_lines,
        "{each}.",
        "Ask what happened to it before its goal follows the growth of all.",
    ),
    "falling_margin": (
        falling_margin,
        "{each}.",
        "See prices, discounts and cost; goals in margin say it to everybody.",
    ),
    "ended_seller": (
        ended_sellers,
        "{each}.",
        "Say when they left, or who has their customers, before goals are split.",
    ),
    "taken_over": (
        taken_over,
        "Sales went from one person to another, {amount} a year: {each}.",
        "Read the growth of these people with it: it is the territory's, not theirs.",
    ),
    "moved_accounts": (
        moved_accounts,
        "Customers went from one person to another: {each}.",
        "Read the growth of these people with it: it came with the customers.",
    ),
    "without_goal": (
        sales_without_goals,
        "{amount} were sold by {count} without a goal for that time: {each}.",
        "Give them goals, or say that theirs are elsewhere.",
    ),
    "without_sales": (
        goals_without_sales,
        "Goals of {amount} had no sales at all: {each}.",
        "Check if they left, sell under another id, or never began.",
    ),
    "late_start": (late_start, "{each}.", "Compare like months, or add the earlier sales."),
    "only_returns": (
        months_of_returns,
        "{each}.",
        "Count no such month as one of the year; check that its sales were exported.",
    ),
}
_PLACES = ("territory_id", "product_line", "rep_id")
_ANY_AMOUNT = ("late_start", "only_returns")
_OF_GOALS = ("without_goal", "without_sales")
_LOOKS: tuple[Callable[[Region, ReviewLimits], _Found], ...] = (
    _below_cost,
    _outside,
    _events,
    _vacancy,
    _price,
    _fair,
    _assumed,
    _proposed,
    _repeated,
    _unusual,
    _out_of_line,
    _changes,
    _new_units,
    _questions,
    _notes,
)
