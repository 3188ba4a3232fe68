"""What a goal can be in: the kit's own metrics, and those a company adds in `plan.toml`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from planning_kit.messages import Written
from planning_kit.plan.formulas import Formula, read_formula

UNITS = ("count", "amount", "share", "number")
_KEYS = ("title", "unit", "formula", "owner", "change", "grain")


@dataclass(frozen=True)
class Metric:
    """One thing that is asked of a person.

    Attributes
    ----------
    name, title : str
        As in the column ``metric`` of goals; as people read it.
    unit : str
        count (whole), amount (plan currency), share (1.0 is 100 %) or number.
    grain : str
        Of what a goal is set: rep and month.
    goal : str
        How the goal follows, in words or over columns of the results.
    formula : str
        How it is measured: `planning_kit.plan.formulas`; empty: as ``measured`` says.
    measured : str
        The same in words, where no single formula says it (`planning_kit.review.counts`).
    owner : str
        Who answers for the definition.
    change : float
        What is asked beyond last year's value; 0.1 is 10 % more.
    """

    name: str
    title: str
    unit: str
    grain: str
    goal: str
    formula: str
    measured: str = ""
    owner: str = "planning kit"
    change: float = 0.0

    @cached_property
    def measure(self) -> Formula:
        """The formula, read."""
        return read_formula(self.formula)

    @property
    def sources(self) -> list[str]:
        """The canonical columns it is measured by."""
        if not self.formula:
            return []
        return [name.replace("sales.month", "sales.sold_on") for name in self.measure.columns]


_MONTH = "rep and month"
_OWN = (
    Metric("amount", "Sales", "amount", _MONTH, "the goal that stands", "sum(sales.amount)"),
    Metric("units", "Units", "count", _MONTH, "goal / realised price, by line", "sum(sales.units)"),
    Metric(
        "margin",
        "Margin",
        "amount",
        _MONTH,
        "goal x margin share, by line",
        "",
        "amount less cost; unit cost of the product where a sale has none",
    ),
    Metric(
        "sales_needed",
        "Sales needed",
        "count",
        _MONTH,
        "goal x deal share / average sale",
        "",
        "deals won, on the day they closed",
    ),
    Metric(
        "presentations",
        "Presentations",
        "count",
        _MONTH,
        "so many that the goal is reached with the chance asked",
        "",
        "activities of that name; where nobody counts them, presented_on of deals",
    ),
    Metric(
        "proposals",
        "Proposals",
        "count",
        _MONTH,
        "presentations x proposals per presentation",
        "",
        "activities of that name; where nobody counts them, proposed_on of deals",
    ),
    Metric(
        "prospects",
        "Prospects",
        "count",
        _MONTH,
        "presentations / presentations per prospect",
        "",
        "activities of that name",
    ),
    Metric(
        "closing_ratio",
        "Closing ratio",
        "share",
        "rep and year",
        "sales / presentations",
        "",
        "deals won over deals presented; few have that day: over presentations, else over all closed",
    ),
    Metric(
        "pipeline_amount",
        "Pipeline",
        "amount",
        _MONTH,
        "what closes next x coverage",
        "",
        "open deals on the first day",
    ),
    Metric(
        "open_proposals",
        "Open proposals",
        "count",
        _MONTH,
        "proposals x months open",
        "",
        "on the last day",
    ),
)
OWN_METRICS = {metric.name: metric for metric in _OWN}


def read_metrics(written: Written) -> tuple[Metric, ...]:
    """Read the metrics a company adds, ``[metrics.NAME]`` of `plan.toml`; faults are noted there."""
    sections = written.section("metrics")
    found = []
    for name in sections.values:
        one = sections.section(name, _KEYS)
        if name in OWN_METRICS:
            one.fault("is a metric of the kit; choose another name")
        if not name.isidentifier() or not name.islower():
            one.fault("needs a name of small letters, digits and _")
        metric = Metric(
            name=name,
            title=one.text("title") or name.replace("_", " ").capitalize(),
            unit=one.text("unit", "count"),
            grain=one.text("grain", _MONTH),
            goal="last year's, as the goal that stands grows",
            formula=one.text("formula"),
            owner=one.text("owner"),
            change=one.number("change", 0.0, least=-1, most=10),
        )
        one.known([metric.unit], UNITS, " unit")
        try:
            metric.measure  # noqa: B018
        except ValueError as error:
            one.fault(f"formula: {error}")
        else:
            found.append(metric)
    return tuple(found)
