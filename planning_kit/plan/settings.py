"""The settings of a plan, as written in `plan.toml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from planning_kit.messages import DataError, require_labels
from planning_kit.plan.calendar import add_months, months_between


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


_PLAN_KEYS = (
    "name",
    "currency",
    "rounding_unit",
    "starts_on",
    "ends_on",
    "review_starts_on",
    "review_ends_on",
    "seed",
)
_CHECK_KEYS = ("max_lost_share", "history_years")
_PEOPLE_KEYS = ("hours_a_month", "selling_share", "vacancy_months", "ramp", "account_loss_share")
_TARGET_KEYS = ("company", "regions", "growth_share")


def _number(faults: list[str], where: str, value: Any, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        faults.append(f"{where} is {value!r}; write a number without quotes")
        return least
    if not least <= value <= most:
        faults.append(f"{where} is {value:g}; it must be between {least:g} and {most:g}")
    return float(value)


def _day(faults: list[str], where: str, value: Any) -> date:
    if isinstance(value, date) and type(value) is date:
        return value
    faults.append(f"{where} is {value!r}; write a day without quotes, for example 2026-01-01")
    return date(2000, 1, 1)


def _section(
    faults: list[str], content: Mapping[str, Any], name: str, known: tuple[str, ...]
) -> Mapping[str, Any]:
    section = content.get(name, {})
    if not isinstance(section, Mapping):
        faults.append(f"[{name}] is not a section")
        return {}
    try:
        require_labels(section, known, f"[{name}]")
    except DataError as error:
        faults.append(str(error).rstrip("."))
    return section


def read_settings(content: Mapping[str, Any]) -> Settings:
    """Read the settings out of the content of a `plan.toml`, all faults at once.

    Raises
    ------
    DataError
        Naming every setting that is missing, unknown, of the wrong type or out of range.
    """
    faults: list[str] = []
    plan = _section(faults, content, "plan", _PLAN_KEYS)
    for key in ("name", "currency", "starts_on"):
        if key not in plan:
            faults.append(f"[plan] needs {key}")
    starts = _day(faults, "[plan] starts_on", plan.get("starts_on", date(2000, 1, 1)))
    ends = _day(
        faults, "[plan] ends_on", plan.get("ends_on", add_months(starts, 12) - timedelta(days=1))
    )
    if starts.day != 1 or (ends + timedelta(days=1)).day != 1:
        faults.append(
            f"the plan runs {starts} to {ends}; it must start on the first and end on the last "
            "day of a month"
        )
    if not 1 <= months_between(starts, ends) <= 36:
        faults.append(f"the plan runs {starts} to {ends}; it must cover 1 to 36 months")
    months = max(1, months_between(starts, ends))
    review_ends = _day(
        faults, "[plan] review_ends_on", plan.get("review_ends_on", starts - timedelta(days=1))
    )
    review_starts = _day(
        faults,
        "[plan] review_starts_on",
        plan.get("review_starts_on", add_months(starts, -max(12, months))),
    )
    if not review_starts <= review_ends < starts:
        faults.append(
            f"the reviewed period {review_starts} to {review_ends} must end before {starts}"
        )
    checks = _section(faults, content, "checks", _CHECK_KEYS)
    people = _section(faults, content, "people", _PEOPLE_KEYS)
    targets = _read_targets(faults, content)
    ramp = people.get("ramp", Settings.ramp)
    settings = Settings(
        name=str(plan.get("name", "")),
        currency=str(plan.get("currency", "")),
        rounding_unit=_number(
            faults, "[plan] rounding_unit", plan.get("rounding_unit", 1), 0.01, 1e9
        ),
        starts_on=starts,
        ends_on=ends,
        review_starts_on=review_starts,
        review_ends_on=review_ends,
        targets=targets,
        seed=int(_number(faults, "[plan] seed", plan.get("seed", 1), 0, 2**32 - 1)),
        max_lost_share=_number(
            faults,
            "[checks] max_lost_share",
            checks.get("max_lost_share", Settings.max_lost_share),
            0,
            1,
        ),
        history_years=int(
            _number(
                faults,
                "[checks] history_years",
                checks.get("history_years", Settings.history_years),
                1,
                100,
            )
        ),
        hours_a_month=_number(
            faults,
            "[people] hours_a_month",
            people.get("hours_a_month", Settings.hours_a_month),
            1,
            744,
        ),
        selling_share=_number(
            faults,
            "[people] selling_share",
            people.get("selling_share", Settings.selling_share),
            0,
            1,
        ),
        vacancy_months=_number(
            faults,
            "[people] vacancy_months",
            people.get("vacancy_months", Settings.vacancy_months),
            0,
            60,
        ),
        ramp=tuple(
            _number(faults, "[people] ramp", step, 0, 1)
            for step in (ramp if isinstance(ramp, list | tuple) else [ramp])
        ),
        account_loss_share=_number(
            faults,
            "[people] account_loss_share",
            people.get("account_loss_share", Settings.account_loss_share),
            0,
            1,
        ),
    )
    unit = settings.rounding_unit
    if unit < 1 and abs(1 / unit - round(1 / unit)) > 1e-9:
        faults.append(f"[plan] rounding_unit is {unit:g}; below 1 it must divide 1, like 0.01")
    if faults:
        raise DataError("plan.toml: " + "; ".join(faults) + ".")
    return settings


def read_targets(content: Mapping[str, Any], where: str) -> Targets:
    """Read the ``[targets]`` section of a scenario.

    Raises
    ------
    DataError
        Naming every fault.
    """
    faults: list[str] = []
    targets = _read_targets(faults, content)
    if faults:
        raise DataError(f"{where}: " + "; ".join(faults) + ".")
    return targets


def _read_targets(faults: list[str], content: Mapping[str, Any]) -> Targets:
    section = _section(faults, content, "targets", _TARGET_KEYS)
    company = section.get("company")
    regions = section.get("regions", {})
    if not isinstance(regions, Mapping):
        faults.append("[targets] regions must be a section, [targets.regions]")
        regions = {}
    if company is not None:
        company = _number(faults, "[targets] company", company, 0, 1e15)
    return Targets(
        company=company,
        regions={
            str(name): _number(faults, f"[targets.regions] {name}", value, 0, 1e15)
            for name, value in regions.items()
        },
        growth_share=_number(
            faults, "[targets] growth_share", section.get("growth_share", 0.05), -1, 10
        ),
    )
