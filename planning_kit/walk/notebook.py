"""A step as a notebook asks it: every question of the walk, and every table it leaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from planning_kit import agreement, assumptions, manager, metrics, outlook, review
from planning_kit.data import Region
from planning_kit.messages import UsageError, finding_rows, findings_table, shorten
from planning_kit.messages.amounts import money_text
from planning_kit.output.cards import Cards, finding_card, show_cards
from planning_kit.output.charts.choose import chart_for
from planning_kit.output.shown import Shown, show_table
from planning_kit.steps import STEPS
from planning_kit.walk import (
    expected,
    one_on_one,
    resting,
    split,
    talks,
    to_date,
    told,
    totals,
    views,
    what_if,
)
from planning_kit.walk.answers import CARDS, manager_plan_of, rollup_of
from planning_kit.walk.asking import of_plan, of_region, of_step
from planning_kit.walk.rollup import write_files
from planning_kit.walk.step import Step


class NotebookStep(Step):
    """One notebook, opened for one region (or the company), with every question of the walk.

    A question is asked of this step's region and scenario, and worked out once. Tables come with
    readable names beside the ids.

    Examples
    --------
    >>> import planning_kit as pk
    >>> step = pk.open_step("01_historical_review", "East")
    >>> step.attainment(by="rep").columns[:3].tolist()
    ['rep', 'rep_id', 'goal']
    """

    # what there is
    coverage = of_step(views.data_coverage)
    team = of_region(views.team)
    monthly_sales = of_region(views.monthly_sales)
    # what happened, and why
    goal_history = of_region(review.goal_history)
    attainment = of_region(review.attainment)
    metric_attainment = of_region(review.metric_attainment)
    growth = of_region(review.growth)
    margins = of_region(review.margins)
    unusual_deals = of_region(review.unusual_deals)
    bridge = of_region(review.bridge)
    goal_bridge = of_region(review.goal_bridge)
    staffing_bridge = of_region(review.staffing_bridge)
    market_bridge = of_region(review.market_bridge)
    funnel = of_region(review.funnel)
    questions = of_region(review.questions)
    answers = of_region(views.answers)
    event_effects = of_region(review.event_effects)
    event_path = of_region(review.event_path)
    assumption_replay = of_region(review.assumption_replay)
    fairness = of_region(review.fairness)
    goal_level = of_region(review.goal_level)
    size_buckets = of_region(review.size_buckets)
    manager_effects = of_region(review.manager_effects)
    goal_outliers = of_region(review.goal_outliers)
    proposal_bias = of_region(review.proposal_bias)
    proposal_check = of_region(review.proposal_check)
    # what the coming year may bring
    last_register = of_plan(assumptions.last_register)
    turnover = of_region(outlook.turnover)
    baseline_months = of_step(expected.baseline_months)
    baseline_people = of_step(expected.baseline_people)
    target_range = of_step(expected.target_range)
    sensitivity = of_plan(assumptions.sensitivity)
    scenario_sets = of_plan(assumptions.scenario_sets)
    method_tournament = of_region(outlook.method_tournament)
    range_coverage = of_region(outlook.interval_coverage)
    calibration = of_region(outlook.measured_calibration)
    capacity = of_plan(outlook.capacity)
    # the split
    allocation_rules = of_step(split.allocation_rules)
    bases = of_step(split.bases)
    relaxed_limits = of_step(split.relaxed_limits)
    frontier = of_step(expected.frontier)
    objectives = of_step(split.objectives)
    objectives_side_by_side = of_step(split.objectives_side_by_side)
    allocation_steps = of_step(split.allocation_steps)
    # what goals mean
    closing_ratios = of_region(review.closing_ratios)
    funnel_rates = of_region(review.funnel_rates)
    ratio_goals = of_step(talks.ratio_goals)
    metric_year = of_step(talks.metric_year)
    company_metrics = of_step(talks.company_metrics_year)
    person_months = of_step(talks.person_months)
    to_date = of_step(to_date.to_date)
    price_latitude = of_region(review.price_latitude)
    price_goals = of_region(metrics.price_goals)
    # the talks
    offers = of_step(talks.offers)
    gap_options = of_step(talks.gap_options)
    doubts = of_step(resting.doubts)
    talk_state = of_step(one_on_one.talk_state)
    talk_numbers = of_step(one_on_one.talk_numbers)
    talk_way = of_step(one_on_one.talk_way)
    talk_history = of_step(one_on_one.talk_history)
    talk_proposals = of_step(one_on_one.talk_proposals)
    talk_evidence = of_step(one_on_one.talk_evidence)
    talk_promises = of_step(one_on_one.talk_promises)
    talk_record = of_step(one_on_one.talk_record)
    talk_bonus = of_step(one_on_one.talk_bonus)
    # what if
    scenarios = of_step(what_if.compare_scenarios)
    what_if = of_step(what_if.what_if)
    # the company's target over its regions
    region_targets = of_step(totals.region_targets)
    target_steps = of_step(totals.target_steps)
    # the manager's own
    time_review = of_region(manager.time_review)
    time_by_month = of_region(manager.time_by_month)

    def make(self, name: str) -> pd.DataFrame:
        """Compute a table of the walk.

        Raises
        ------
        UsageError
            No step makes a table of that name.
        """
        if name not in TABLES:
            raise UsageError(f"no step makes a table {name!r}; there are {shorten(TABLES, 20)}.")
        return TABLES[name](self)

    def answer(self) -> Cards:
        """Give the answer of this step in one line: what was asked, what is, what to do."""
        number = STEPS[self.notebook].number
        found = self.findings() if number in _FINDINGS else self.prepared.problems
        return show_cards([*CARDS[number](self), finding_card(found, self.inputs)])

    def show(self, table: Any, columns: str = "", **options: Any) -> Shown:
        """Show a table with names instead of ids and amounts in the plan's currency.

        Parameters
        ----------
        table
            Any table of the kit.
        columns
            Columns to show, in order, with blanks between them; by default all.
        options
            ``caption`` and ``most`` (rows), see `planning_kit.output.shown.show_table`.
        """
        return show_table(table, columns, region=self.inputs, **options)

    def chart(self, table: pd.DataFrame, title: str = "", **options: Any) -> Any:
        """Draw a table as the chart its columns ask for.

        Parameters
        ----------
        table
            Any table of the kit.
        title
            What the chart shows.
        options
            ``kind``, ``columns``, ``beside``, see `planning_kit.output.charts.choose.chart_for`.
        """
        return chart_for(table, region=self.inputs, title=title, **options)

    def allocate(self) -> agreement.Goals:
        """Split the target by the rules of the scenario; what people agreed or had decided stands.

        Raises
        ------
        RulesConflictError
            The rules cannot all hold: which, and by how much each must give.
        """
        return talks.goals_of(self)

    def goals(self) -> agreement.Goals:
        """Give the goals that stand: agreed or decided, else allocated."""
        return talks.goals_of(self)

    def outlook(self) -> outlook.Outlook:
        """Give what the coming year may bring, see `planning_kit.outlook.Outlook`."""
        return expected.outlook_of(self)

    def chances(self) -> pd.DataFrame:
        """Give everybody's chance of reaching the allocated goal, with names."""
        allocated = self.table("allocation")
        return self.inputs.with_names(expected.chances(self, allocated))

    def chance_of_target(self) -> pd.DataFrame:
        """Say how likely the target is, as lines to read."""
        chance = self.outlook().chance(self.inputs.target)
        return expected.chance_lines(chance, self.inputs.settings.currency)

    def turnover_cost(self) -> str:
        """Say what one more point of turnover costs a year."""
        cost = assumptions.cost_of_turnover_point(self.inputs, self.scenario)
        amount = money_text(cost, self.inputs.settings.currency)
        return f"One point of turnover costs about {amount} a year."

    def chosen_person(self, rep_id: str = "") -> str:
        """Name the person asked for, else the one whose goal moved most."""
        return split.chosen_person(self, rep_id)

    def chosen_region(self, region: str = "") -> str:
        """Name the region asked for, else the one whose target moves most."""
        return totals.chosen_region(self, region)

    def whose_talk(self, rep_id: str = "") -> str:
        """Name the person asked for, else the one whose proposal is farthest from the offered goal."""
        return one_on_one.whose_talk(self, rep_id)

    def name_of(self, rep_id: str) -> str:
        """Give the readable name of a person."""
        return ", ".join(self.inputs.with_names(pd.DataFrame({"rep_id": [rep_id]}))["rep"])

    def findings(self) -> pd.DataFrame:
        """Give what is odd in this step's numbers, the most serious first."""
        return self.once("findings", lambda: _FINDINGS[STEPS[self.notebook].number](self))

    def write_company_files(self) -> list[Path]:
        """Write the workbook and the star schema into the company's folder of the run."""
        return write_files(self, rollup_of(self))

    def signposts(self) -> assumptions.Signposts:
        """Compare the year so far with what was assumed and expected."""
        return self.once(
            "signposts",
            lambda: assumptions.signposts(self.inputs, self.scenario, expected.data_until(self)),
        )

    def write(self, *goals: agreement.Goals, **tables: pd.DataFrame) -> pd.DataFrame:
        """Write the tables of this step and list them.

        Parameters
        ----------
        goals
            Those of `allocate`, for the reader: they are among the step's tables anyway.
        tables
            By name, in place of what the step would write itself, or besides.
        """
        record = STEPS.get(self.notebook)
        own = [n for n in record.tables if n in TABLES and n not in tables] if record else []
        return super().write(**{name: self.table(name) for name in own}, **tables)


def _review_findings(step: NotebookStep) -> pd.DataFrame:
    found = review.review_findings(step.inputs, excluded=step.exclusions())
    return found.assign(see=review.where_to_look(found))


def _assumption_findings(step: NotebookStep) -> pd.DataFrame:
    found = assumptions.assumption_findings(
        step.inputs,
        step.scenario,
        today=expected.data_until(step),
        known=_citable,
    )
    seats = step.table("baseline").groupby("rep_id")["expected"].sum()
    quiet = split.quiet_findings(step, seats, "are expected to bring")
    more = told.candidate_findings(step)
    return findings_table([*quiet, *finding_rows(found), *more]) if quiet or more else found


def _citable(inputs: Region) -> pd.DataFrame:
    """Give what evidence may cite by id: findings of the review, and what people said."""
    said = pd.DataFrame({"finding_id": "answer." + inputs.answers["answer_id"]})
    return pd.concat([review.review_findings(inputs)[["finding_id"]], said])


def _agreement_findings(step: NotebookStep) -> pd.DataFrame:
    found = agreement.agreement_findings(
        talks.negotiation_state(step),
        talks.goals_of(step),
        talks.negotiation_events(step),
        step.offers(),
    )
    more = [
        *resting.tied_findings(step),
        *resting.other_scenario_findings(step),
        *resting.doubt_findings(step),
        *resting.resting_findings(step, talks_begun=True),
    ]
    parts = [found, talks.meeting(step).findings, *([findings_table(more)] if more else [])]
    return pd.concat(parts, ignore_index=True)


def _allocation_findings(step: NotebookStep) -> pd.DataFrame:
    found, more = split.allocation_findings(step), resting.resting_findings(step)
    return findings_table([*finding_rows(found), *more]) if more else found


def _metric_findings(step: NotebookStep) -> pd.DataFrame:
    found = metrics.metrics_findings(step.inputs, talks.activity_goals(step), step.scenario.metrics)
    more = [*metrics.launch_findings(talks.goal_cells(step), step.scenario.metrics.launch)]
    return findings_table([*finding_rows(found), *more]) if more else found


_FINDINGS: Mapping[str, Callable[[NotebookStep], pd.DataFrame]] = {
    "01": _review_findings,
    "02": _assumption_findings,
    "03": _allocation_findings,
    "04": _metric_findings,
    "05": _agreement_findings,
    "06": lambda step: manager_plan_of(step).findings,
    "07": split.allocation_findings,
    "08": lambda step: rollup_of(step).findings,
}
# How every table of the walk is made. Those that later steps read come without names.
TABLES: Mapping[str, Callable[[NotebookStep], pd.DataFrame]] = {
    "checks": lambda step: step.prepared.problems,
    "coverage": lambda step: step.coverage(),
    "attainment": lambda step: step.attainment(by="rep"),
    "metric_attainment": lambda step: step.metric_attainment(),
    "attainment_product": lambda step: step.attainment(by="product_line"),
    "attainment_territory": lambda step: step.attainment(by="territory"),
    "attainment_rep_product": lambda step: step.attainment(by=["rep", "product_line"]),
    "goal_history": lambda step: step.goal_history(),
    "growth": lambda step: step.growth(by="product_line"),
    "bridge": lambda step: step.bridge(),
    "bridge_product": lambda step: step.bridge(by="product_line"),
    "staffing": lambda step: step.staffing_bridge(),
    "funnel": lambda step: step.funnel(),
    "market": lambda step: step.market_bridge(),
    "event_effects": lambda step: step.event_effects(),
    "assumption_replay": lambda step: step.assumption_replay(),
    "fairness": lambda step: step.fairness(),
    "goal_level": lambda step: step.goal_level(),
    "size_buckets": lambda step: step.size_buckets(),
    "manager_effects": lambda step: step.manager_effects(),
    "goal_outliers": lambda step: step.goal_outliers(),
    "proposal_bias": lambda step: step.proposal_bias(),
    "proposal_check": lambda step: step.proposal_check(),
    "margins": lambda step: step.margins(by="product_line"),
    "goal_bridge": lambda step: step.goal_bridge(),
    "goal_bridge_rep": lambda step: step.goal_bridge(by="rep"),
    "unusual_deals": lambda step: step.unusual_deals(),
    "excluded_deals": lambda step: step.exclusions().table,
    "review_totals": lambda step: step.exclusions().totals,
    "questions": lambda step: step.questions(),
    "answers": lambda step: step.answers(),
    "review_findings": lambda step: step.findings().drop(columns="see"),
    "register": lambda step: assumptions.register(step.inputs, step.scenario),
    "baseline": lambda step: outlook.baseline(step.inputs, step.scenario),
    "outlook": lambda step: expected.estimated_outlook(step).table(),
    "assumption_effects": lambda step: expected.estimated_outlook(step).effects,
    "correlations": lambda step: expected.estimated_outlook(step).correlations,
    "cells": split.allocation_cells,
    "last_register": lambda step: step.last_register(),
    "turnover": lambda step: step.turnover(),
    "capacity": lambda step: outlook.capacity(step.inputs, step.scenario),
    "sensitivity": lambda step: step.sensitivity(),
    "tournament": lambda step: step.method_tournament(),
    "range_coverage": lambda step: step.range_coverage(),
    "calibration": lambda step: step.calibration(),
    "signposts": lambda step: step.signposts().assumptions,
    "assumption_findings": lambda step: step.findings(),
    "allocation": split.allocation_table,
    "allocation_steps": lambda step: step.allocation_steps(),
    "binding_rules": lambda step: step.allocation_rules(),
    "chances": lambda step: step.chances(),
    "frontier": lambda step: step.frontier(),
    "objectives": lambda step: step.objectives(),
    "allocation_findings": lambda step: step.findings(),
    "monthly_goals": talks.monthly_goals_table,
    "standing_goals": lambda step: talks.goals_of(step).table,
    "metric_goals": talks.metric_goals,
    "ratio_goals": talks.ratio_goals,
    "closing_ratios": lambda step: step.closing_ratios(),
    "funnel_rates": lambda step: step.funnel_rates(),
    "pipeline_start": lambda step: step.inputs.with_names(
        metrics.pipeline_start(step.inputs, talks.metric_goals(step))
    ),
    "product_goals": lambda step: metrics.product_goals(talks.goals_of(step).table, step.inputs),
    "territory_goals": lambda step: metrics.territory_goals(
        talks.goals_of(step).table, step.inputs
    ),
    "company_metrics": talks.company_metrics,
    "goal_cells": talks.goal_cells,
    "to_date": lambda step: step.to_date(),
    "price_goals": lambda step: step.price_goals(),
    "metrics_findings": lambda step: step.findings(),
    "agreed": talks.agreed_table,
    "offers": lambda step: step.offers(),
    "agreement_state": lambda step: step.inputs.with_names(talks.negotiation_state(step)),
    "agreement_findings": lambda step: step.findings(),
    "agreement_log": talks.negotiation_events,
    "promises": talks.promises,
    "doubts": resting.doubts,
    "manager_goals": lambda step: manager_plan_of(step).goals,
    "manager_hours": lambda step: manager_plan_of(step).hours,
    "coaching": lambda step: manager_plan_of(step).coaching,
    "manager_capacity": lambda step: manager_plan_of(step).capacity,
    "manager_time_review": lambda step: step.time_review(),
    "manager_findings": lambda step: manager_plan_of(step).findings,
    "what_if": lambda step: step.inputs.with_names(step.what_if().people),
    "scenarios": lambda step: step.scenarios(),
    "region_targets": totals.region_targets,
    "region_target_steps": totals.all_target_steps,
    "regions": lambda step: rollup_of(step).regions,
    "company_goals": lambda step: rollup_of(step).goals,
    "sums": lambda step: rollup_of(step).sums,
    "rollup_findings": lambda step: rollup_of(step).findings,
    "company_fairness": lambda step: step.fairness(),
}
