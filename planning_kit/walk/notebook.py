"""A step as a notebook asks it: every question of the walk, and every table it leaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from planning_kit import agreement, assumptions, manager, metrics, outlook, review
from planning_kit.messages import UsageError, shorten
from planning_kit.output.charts import Shown, show
from planning_kit.steps import STEPS
from planning_kit.walk import expected, split, talks, views
from planning_kit.walk.asking import of_plan, of_region, of_step
from planning_kit.walk.rollup import Rollup, roll_up
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
    growth = of_region(review.growth)
    margins = of_region(review.margins)
    unusual_deals = of_region(review.unusual_deals)
    bridge = of_region(review.bridge)
    goal_bridge = of_region(review.goal_bridge)
    staffing_bridge = of_region(review.staffing_bridge)
    market_bridge = of_region(review.market_bridge)
    funnel = of_region(review.funnel)
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
    turnover_point = of_plan(assumptions.cost_of_turnover_point)
    baseline_months = of_step(expected.baseline_months)
    baseline_people = of_step(expected.baseline_people)
    target_range = of_step(expected.target_range)
    sensitivity = of_plan(assumptions.sensitivity)
    scenario_sets = of_plan(assumptions.scenario_sets)
    method_tournament = of_region(outlook.method_tournament)
    range_coverage = of_region(outlook.measured_coverage)
    calibration = of_region(outlook.measured_calibration)
    capacity = of_plan(outlook.capacity)
    # the split
    allocation_rules = of_step(split.allocation_rules)
    relaxed_limits = of_step(split.what_gave)
    chances = of_step(expected.chances)
    frontier = of_step(expected.frontier)
    objectives = of_step(split.objectives)
    allocation_steps = of_step(split.allocation_steps)
    # what goals mean
    closing_ratios = of_region(review.closing_ratios)
    funnel_rates = of_region(review.funnel_rates)
    price_latitude = of_region(review.price_latitude)
    # the talks
    offers = of_step(talks.offers)
    # the manager's own
    time_review = of_region(manager.time_review)

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

    def show(self, table: Any, columns: str = "", **options: Any) -> Shown:
        """Show a table with names instead of ids and amounts in the plan's currency."""
        shown = self.inputs.with_names(table) if isinstance(table, pd.DataFrame) else table
        return show(shown, columns, **{"unit": self.inputs.settings.currency, **options})

    def findings(self) -> pd.DataFrame:
        """Give what is odd in this step's numbers, the most serious first."""
        return self.once("findings", lambda: _FINDINGS[STEPS[self.notebook].number](self))

    def rollup(self) -> Rollup:
        """Add up the goals of all regions (see `planning_kit.walk.rollup.roll_up`)."""
        return self.once("rollup", lambda: roll_up(self))

    def manager_plan(self) -> manager.ManagerPlan:
        """Set the managers' goals against their hours (see `planning_kit.manager.manager_plan`)."""
        return self.once("manager_plan", lambda: manager.manager_plan(self.inputs, self.scenario))

    def signposts(self) -> assumptions.Signposts:
        """Compare the year so far with what was assumed and expected."""
        return self.once(
            "signposts",
            lambda: assumptions.signposts(self.inputs, self.scenario, expected.known_day(self)),
        )

    def write(self, **tables: pd.DataFrame) -> pd.DataFrame:
        """Write the tables of this step and list them.

        Parameters
        ----------
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
    return assumptions.assumption_findings(
        step.inputs,
        step.scenario,
        today=expected.known_day(step),
        known=review.review_findings,  # evidence may cite them by id
    )


def _agreement_findings(step: NotebookStep) -> pd.DataFrame:
    events = talks.negotiation_events(step)
    return agreement.agreement_findings(agreement.replay(events), step.table("agreed"), events)


_FINDINGS: Mapping[str, Callable[[NotebookStep], pd.DataFrame]] = {
    "01": _review_findings,
    "02": _assumption_findings,
    "03": split.allocation_findings,
    "04": lambda step: metrics.metrics_findings(step.inputs, step.table("metric_goals")),
    "05": _agreement_findings,
    "06": lambda step: step.manager_plan().findings,
    "08": lambda step: step.rollup().findings,
}
# How every table of the walk is made. Those that later steps read come without names.
TABLES: Mapping[str, Callable[[NotebookStep], pd.DataFrame]] = {
    "checks": lambda step: step.prepared.problems,
    "coverage": lambda step: step.coverage(),
    "attainment": lambda step: step.attainment(by="rep"),
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
    "review_findings": lambda step: step.findings().drop(columns="see"),
    "register": lambda step: assumptions.register(step.inputs, step.scenario),
    "baseline": lambda step: outlook.baseline(step.inputs, step.scenario),
    "outlook": expected.outlook_table,
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
    "chances": lambda step: step.chances(step.table("allocation")),
    "frontier": lambda step: step.frontier(),
    "objectives": lambda step: step.objectives(),
    "allocation_findings": lambda step: step.findings(),
    "monthly_goals": talks.monthly_goals_table,
    "metric_goals": talks.metric_goals_table,
    "closing_ratios": lambda step: step.closing_ratios(),
    "funnel_rates": lambda step: step.funnel_rates(),
    "pipeline_start": lambda step: step.inputs.with_names(
        metrics.pipeline_start(step.inputs, step.table("metric_goals"))
    ),
    "product_goals": lambda step: metrics.product_goals(step.table("monthly_goals"), step.inputs),
    "territory_goals": lambda step: metrics.territory_goals(
        step.table("monthly_goals"), step.inputs
    ),
    "margin_goals": lambda step: metrics.margin_goals(step.inputs, step.table("monthly_goals")),
    "units_goals": lambda step: metrics.units_goals(step.inputs, step.table("monthly_goals")),
    "metrics_findings": lambda step: step.findings(),
    "agreed": talks.agreed_table,
    "offers": lambda step: step.offers(),
    "agreement_state": lambda step: step.inputs.with_names(
        agreement.replay(talks.negotiation_events(step))
    ),
    "agreement_log": talks.negotiation_events,
    "manager_goals": lambda step: step.manager_plan().goals,
    "manager_hours": lambda step: step.manager_plan().hours,
    "coaching": lambda step: step.manager_plan().coaching,
    "manager_capacity": lambda step: step.manager_plan().capacity,
    "manager_time_review": lambda step: step.time_review(),
    "manager_findings": lambda step: step.manager_plan().findings,
    "regions": lambda step: step.rollup().regions,
    "company_goals": lambda step: step.rollup().goals,
    "sums": lambda step: step.rollup().sums,
    "rollup_findings": lambda step: step.rollup().findings,
    "company_fairness": lambda step: step.fairness(),
}
