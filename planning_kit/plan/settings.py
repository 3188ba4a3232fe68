"""The settings of a plan, as written in `plan.toml`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from zoneinfo import available_timezones

from planning_kit.messages import Written
from planning_kit.plan.calendar import add_months, months_between
from planning_kit.plan.metrics import Metric, read_metrics

REGION_TALK = "region:"  # before a region's name: the talk about its total, in the agreement log


@dataclass(frozen=True)
class Targets:
    """What the company asks for in the coming period, plan currency.

    Attributes
    ----------
    company : float or None
        Company target; None: the regions' targets, or growth, say it.
    regions : mapping of str to float
        Targets given for single regions.
    growth_share : float
        Growth on the reviewed year where neither is given; 0.05 is 5 %.
    """

    company: float | None = None
    regions: Mapping[str, float] = field(default_factory=dict)
    growth_share: float = 0.05

    def with_region(self, name: str, amount: float, all_regions: Collection[str]) -> Targets:
        """Give the targets with another one for a region (``""``: for the company).

        What the company asks for stays, and the others carry the difference; where none of them
        is left to carry it, the regions' targets add up to the company's.

        Examples
        --------
        >>> asked = Targets(company=100.0, regions={"South": 40.0})
        >>> asked.with_region("North", 70.0, ["North", "South", "West"]).company
        100.0
        >>> asked.with_region("North", 70.0, ["North", "South"]).company is None
        True
        """
        if not name:
            return replace(self, company=amount)
        regions = {**self.regions, name: amount}
        free = set(all_regions) - set(regions)
        return replace(self, regions=regions, company=self.company if free else None)


@dataclass(frozen=True)
class Settings:
    """What every step of the walk needs to know about the plan.

    Attributes
    ----------
    name, currency : str
        Name of the plan; currency of every amount.
    rounding_unit : float
        Published goals are whole multiples of it, plan currency.
    starts_on, ends_on : date
        The coming period: whole calendar months.
    review_starts_on, review_ends_on : date
        The reviewed period; by default the twelve months before.
    targets : Targets
        What the company asks for.
    seed : int
        Seed of every simulation.
    max_lost_share : float
        A plan whose joins would lose more than this share of the sales amount stops.
    history_years : int
        Sales older than this many years before the plan are refused as mistyped dates.
    hours_a_month, selling_share : float
        Working hours of a person a month, and the share of them spent selling.
    vacancy_months : float
        Months a seat stays empty after somebody leaves.
    ramp : tuple of float
        Productivity of a new hire by month, until 1.0 (full).
    account_loss_share : float
        Share of a leaver's yearly sales lost by the hand-over.
    time_zone : str
        Of the managers' calendars, for example Europe/Berlin; empty: the clock of whoever opens them.
    agreement_database : str
        Environment variable with the address of the PostgreSQL database that keeps the agreement
        log; empty: the file ``agreement.db`` of the plan folder does.
    metrics : tuple of Metric
        What a company asks for beyond the kit's own metrics.
    """

    name: str
    currency: str
    rounding_unit: float
    starts_on: date
    ends_on: date
    review_starts_on: date
    review_ends_on: date
    targets: Targets = field(default_factory=Targets)
    seed: int = 1
    max_lost_share: float = 0.01
    history_years: int = 10
    hours_a_month: float = 160.0
    selling_share: float = 0.6
    vacancy_months: float = 3.0
    ramp: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.8)
    account_loss_share: float = 0.15
    time_zone: str = ""
    agreement_database: str = ""
    metrics: tuple[Metric, ...] = ()


_PLAN_KEYS = (
    "name",
    "currency",
    "rounding_unit",
    "starts_on",
    "ends_on",
    "review_starts_on",
    "review_ends_on",
    "seed",
    "time_zone",
)
_CHECK_KEYS = ("max_lost_share", "history_years")
_PEOPLE_KEYS = ("hours_a_month", "selling_share", "vacancy_months", "ramp", "account_loss_share")
_TARGET_KEYS = ("company", "regions", "growth_share")


def read_settings(written: Written) -> Settings:
    """Read the settings out of the content of a `plan.toml`; what is wrong is noted there."""
    plan = written.section("plan", _PLAN_KEYS)
    for key in ("name", "currency", "starts_on"):
        if key not in plan:
            plan.fault(f"needs {key}")
    starts = plan.day("starts_on", date(2000, 1, 1))
    ends = plan.day("ends_on", add_months(starts, 12) - timedelta(days=1))
    if starts.day != 1 or (ends + timedelta(days=1)).day != 1:
        written.fault(
            f"the plan runs {starts} to {ends}; it must start on the first and end on the last "
            "day of a month"
        )
    if not 1 <= months_between(starts, ends) <= 36:
        written.fault(f"the plan runs {starts} to {ends}; it must cover 1 to 36 months")
    months = max(1, months_between(starts, ends))
    review_ends = plan.day("review_ends_on", starts - timedelta(days=1))
    review_starts = plan.day("review_starts_on", add_months(starts, -max(12, months)))
    if not review_starts <= review_ends < starts:
        written.fault(
            f"the reviewed period {review_starts} to {review_ends} must end before {starts}"
        )
    unit = plan.number("rounding_unit", 1.0, least=0.01, most=1e9)
    if unit < 1 and abs(1 / unit - round(1 / unit)) > 1e-9:
        plan.fault(f"rounding_unit is {unit:g}; below 1 it must divide 1, like 0.01")
    checks = written.section("checks", _CHECK_KEYS)
    people = written.section("people", _PEOPLE_KEYS)

    def number(section: Written, key: str, least: float, most: float) -> float:
        default: float = getattr(Settings, key)
        return section.number(key, default, least=least, most=most)

    return Settings(
        name=plan.text("name"),
        currency=plan.text("currency"),
        rounding_unit=unit,
        starts_on=starts,
        ends_on=ends,
        review_starts_on=review_starts,
        review_ends_on=review_ends,
        targets=read_targets(written),
        seed=int(number(plan, "seed", 0, 2**32 - 1)),
        max_lost_share=number(checks, "max_lost_share", 0, 1),
        history_years=int(number(checks, "history_years", 1, 100)),
        hours_a_month=number(people, "hours_a_month", 1, 744),
        selling_share=number(people, "selling_share", 0, 1),
        vacancy_months=number(people, "vacancy_months", 0, 60),
        ramp=_read_ramp(people),
        account_loss_share=number(people, "account_loss_share", 0, 1),
        time_zone=_read_time_zone(plan),
        agreement_database=written.section("agreement", ("database",)).text("database"),
        metrics=read_metrics(written),
    )


def _read_time_zone(plan: Written) -> str:
    zone = plan.text("time_zone")
    if zone:
        plan.known([zone], available_timezones(), " time_zone")
    return zone


def _read_ramp(people: Written) -> tuple[float, ...]:
    ramp = people.values.get("ramp", Settings.ramp)
    steps = ramp if isinstance(ramp, list | tuple) else [ramp]
    named = {f"ramp, month {number},": step for number, step in enumerate(steps, 1)}
    months = Written(named, people.where, people.faults)
    return tuple(months.number(name, 0.0, least=0, most=1) for name in named)


def read_targets(written: Written) -> Targets:
    """Read the section ``[targets]`` of a plan or of a scenario; what is wrong is noted there."""
    section = written.section("targets", _TARGET_KEYS)
    regions = section.section("regions")
    return Targets(
        company=section.number("company", least=0, most=1e15),
        regions={n: regions.number(n, 0.0, least=0, most=1e15) for n in regions.values},
        growth_share=section.number("growth_share", Targets.growth_share, least=-1, most=10),
    )
