"""The catalogue of the walk: one record a notebook. Names of notebooks stand here and nowhere else.

What a run takes over from an earlier one, which table is whose, where a finding is shown, the
pages of the reference and the roll-up follow from these records: a new notebook is one record and
one file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class WalkStep:
    """One notebook of the walk.

    Attributes
    ----------
    name : str
        File name of the notebook without its ending.
    title, asks : str
        What it is called, and the question it answers.
    needs : tuple of str
        Canonical tables it looks at besides people, territories, assignments and sales.
    reads : tuple of str
        Kept tables of other steps.
    keeps : tuple of str
        Its tables that other steps read.
    writes : tuple of str
        Its further tables.
    files : tuple of str
        What it leaves besides tables.
    scenario : tuple of str or None
        Sections of the scenario it looks at besides ``targets``; None: all of every scenario.
    kept_from : tuple of str or None
        Sections that its kept tables are made from; None: all of its scenario, and the target.
    whole_plan : bool
        It looks at more of the inputs than its region's partition.
    of_company : bool
        It runs once, for the company, after all regions.
    reads_agreement : bool
        It reads the agreement log.
    look : mapping of str to str
        Kind of a finding (the second word of its id) to the heading that shows where it comes from.
    """

    name: str
    title: str
    asks: str
    needs: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    keeps: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    scenario: tuple[str, ...] | None = ()
    kept_from: tuple[str, ...] | None = ()
    whole_plan: bool = False
    of_company: bool = False
    reads_agreement: bool = False
    look: Mapping[str, str] = field(default_factory=dict)

    @property
    def number(self) -> str:
        """Its place in the walk, two digits."""
        return self.name[:2]

    @property
    def tables(self) -> tuple[str, ...]:
        """Every table it leaves."""
        return (*self.keeps, *self.writes)


_SPLIT = (  # what a split looks at, and what is expected under it
    *("objective", "base", "rules", "holds", "over_assignment", "relax"),
    *("review", "assumptions", "correlations", "levers"),
)
_ALL = (
    WalkStep(
        "00_start_here",
        "Start here",
        "Is my data good enough, and for what?",
        needs=(
            "goals",
            "products",
            "proposals",
            "opportunities",
            "activities",
            "assumptions",
            "events",
        ),
        writes=("checks", "coverage"),
        scenario=("review",),
        whole_plan=True,
    ),
    WalkStep(
        "01_historical_review",
        "Historical review",
        "What happened last year, and why?",
        needs=(
            "goals",
            "products",
            "proposals",
            "opportunities",
            "activities",
            "assumptions",
            "events",
            "answers",
        ),
        writes=(
            *(
                "attainment",
                "metric_attainment",
                "attainment_product",
                "attainment_territory",
                "attainment_rep_product",
            ),
            *("goal_history", "growth", "bridge", "bridge_product", "staffing", "funnel", "market"),
            *("event_effects", "assumption_replay", "fairness", "goal_level", "size_buckets"),
            *("manager_effects", "goal_outliers", "proposal_bias", "proposal_check", "margins"),
            *("goal_bridge", "goal_bridge_rep", "unusual_deals", "excluded_deals"),
            *("review_totals", "review_findings", "questions", "answers"),
        ),
        scenario=("review",),
        look={
            "result": "Why: from the goals to the results",
            "question": "What happened there?",
            "notes": "What happened there?",
            "level": "Goals and results over time",
            "shrinking_line": "By product line, and by person and product line",
            "falling_margin": "By product line, and by person and product line",
            "ended_seller": "By person",
            "without_goal": "By person",
            "without_sales": "By person",
            "taken_over": "By territory",
            "moved_accounts": "By person",
            "new_units": "Growth on the year before",
            "late_start": "Growth on the year before",
            "only_returns": "Goals and results over time",
            "below_cost": "By product line, and by person and product line",
            "outside_territory": "By territory",
            "territory_taken": "By territory",
            "event": "Events",
            "vacancy": "Why: people",
            "price": "Why: from the year before to the reviewed year",
            "fairness": "Were the goals fair?",
            "goals_out_of_line": "Were the goals fair?",
            "assumption": "Last year's assumptions",
            "assumptions": "Last year's assumptions",
            "ranges": "Last year's assumptions",
            "proposals": "How good were the proposals?",
            "unusual_deals": "Unusual deals, and what was taken out",
            "excluded": "Unusual deals, and what was taken out",
        },
    ),
    WalkStep(
        "02_assumptions",
        "Assumptions",
        "What do we assume, how sure are we, what is it worth?",
        needs=("assumptions", "goals", "products"),
        keeps=(
            *("register", "baseline", "outlook", "assumption_effects", "correlations", "cells"),
        ),
        writes=(
            *("last_register", "turnover", "capacity", "sensitivity", "tournament"),
            *("range_coverage", "calibration", "signposts", "assumption_findings"),
        ),
        scenario=("review", "assumptions", "correlations"),
        kept_from=("review", "assumptions", "correlations"),
    ),
    WalkStep(
        "03_target_allocation",
        "Target allocation",
        "Who carries how much, under which rules?",
        reads=("register", "baseline", "outlook", "assumption_effects", "correlations", "cells"),
        keeps=("allocation", "allocation_steps", "monthly_goals"),
        kept_from=None,
        writes=("binding_rules", "chances", "frontier", "objectives", "allocation_findings"),
        scenario=_SPLIT,
    ),
    WalkStep(
        "04_goal_metrics",
        "Goal metrics",
        "What does each goal mean in activity, month by month?",
        needs=("opportunities", "activities", "products"),
        reads=("allocation", "monthly_goals"),
        writes=(
            *("standing_goals", "metric_goals", "ratio_goals", "closing_ratios", "funnel_rates"),
            *("pipeline_start", "product_goals", "territory_goals", "goal_cells"),
            *("price_goals", "company_metrics", "to_date", "metrics_findings"),
        ),
        scenario=("review", "metrics", "assumptions", "correlations"),
        reads_agreement=True,
    ),
    WalkStep(
        "05_joint_agreement",
        "Joint agreement",
        "What do people propose, where do we meet?",
        needs=("proposals", "goals"),
        reads=(
            *("allocation", "register", "cells", "baseline"),
            *("outlook", "assumption_effects", "correlations"),
        ),
        keeps=("agreed",),
        kept_from=("name",),
        writes=(
            *("offers", "agreement_state", "agreement_log", "promises", "doubts"),
            "agreement_findings",
        ),
        scenario=_SPLIT,
        reads_agreement=True,
    ),
    WalkStep(
        "06_manager_goals",
        "The manager's own goals",
        "How do I spend my own hours?",
        needs=("goals", "manager_time", "calendar"),
        keeps=("manager_capacity",),
        kept_from=("review", "levers"),
        reads_agreement=True,
        writes=(
            *("manager_goals", "manager_hours", "coaching"),
            *("manager_time_review", "manager_findings"),
        ),
        scenario=("review", "levers"),
    ),
    WalkStep(
        "07_what_if",
        "What if",
        "What if?",
        reads=(
            *("allocation", "outlook", "assumption_effects", "correlations"),
            *("cells", "baseline"),
        ),
        writes=("what_if", "scenarios"),
        scenario=None,
        whole_plan=True,
        reads_agreement=True,
    ),
    WalkStep(
        "08_company_rollup",
        "Company roll-up",
        "Does it all add up?",
        needs=("goals",),
        reads=("allocation", "agreed", "manager_capacity"),
        writes=(
            *("region_targets", "region_target_steps", "regions", "company_goals", "sums"),
            *("rollup_findings", "company_fairness"),
        ),
        files=("company_goals.xlsx", "star/"),
        scenario=None,
        whole_plan=True,
        of_company=True,
        reads_agreement=True,
    ),
)
STEPS: Mapping[str, WalkStep] = {step.name: step for step in _ALL}
MADE_BY: Mapping[str, str] = {table: step.name for step in _ALL for table in step.keeps}
COMPANY_STEP = next(step for step in _ALL if step.of_company)


def step_of(number: str) -> WalkStep:
    """Give the record of a notebook by its place in the walk.

    Examples
    --------
    >>> step_of("03").title
    'Target allocation'
    """
    return next(step for step in _ALL if step.number == number)
