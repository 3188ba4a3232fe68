"""What a planner may set for activity goals, and the kit's own starting values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from planning_kit.messages import Written
from planning_kit.plan.launches import Launch, read_launches

# Working hours one of each takes, with preparation and travel: no study stands behind them.
USUAL_HOURS = {"prospect": 0.5, "presentation": 2.5, "proposal": 3.0}
STAGES = (
    "prospect_to_presentation",
    "presentation_to_proposal",
    "presentation_to_sale",
    "win_rate_by_value",
)


@dataclass(frozen=True)
class MetricOptions:
    """What a planner may set in the section ``[metrics]`` of a scenario.

    Attributes
    ----------
    chance : float
        Wished chance that the activity reaches the goal amount.
    prospect_hours, presentation_hours, proposal_hours : float or None
        Working hours one of each takes; None: learned from what was done, or `USUAL_HOURS`.
    deal_share : float or None
        Share of a goal that has to come out of deals (the rest is repeat business that no deal
        stands for); None: measured on the reviewed period.
    ratio_lift : float
        Rise of everybody's closing ratio that is asked for; 0.1 is ten per cent more sales a
        presentation.
    rates : mapping of str to float
        Stated rates by stage, see `STAGES`: they hold for everybody, as certain.
    launch : mapping of str to Launch
        New products by id, and what they are to bring of their line's goal.
    """

    chance: float = 0.8
    prospect_hours: float | None = None
    presentation_hours: float | None = None
    proposal_hours: float | None = None
    deal_share: float | None = None
    ratio_lift: float = 0.0
    rates: Mapping[str, float] = field(default_factory=dict)
    launch: Mapping[str, Launch] = field(default_factory=dict)


def read_metric_options(section: Written) -> MetricOptions:
    """Read ``[metrics]``; what is wrong is noted there."""
    stated = {
        f"{step}_hours": section.number(f"{step}_hours", least=0, most=1000) for step in USUAL_HOURS
    }
    rates = section.section("rates", STAGES, "{ presentation_to_sale = 0.25 }")
    return MetricOptions(
        chance=section.number("chance", MetricOptions.chance, least=0.05, most=0.99),
        **stated,
        deal_share=section.number("deal_share", least=0, most=1),
        ratio_lift=section.number("ratio_lift", 0.0, least=-0.9, most=9),
        rates={stage: rates.number(stage, 1.0, least=0.001, most=1) for stage in rates.values},
        launch=read_launches(section.section("launch")),
    )
