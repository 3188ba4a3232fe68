"""The regions' targets as the company sees them: why each is what it is, and what its heads agreed."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from planning_kit.allocation import Allocation, explain_rep
from planning_kit.data import asked_targets
from planning_kit.messages import finding, finding_rows, require_labels, shorten
from planning_kit.numbers.units import from_units
from planning_kit.walk.company import OWN, Agreed, agreed_under, company_asked, company_split
from planning_kit.walk.logged import totals_agreed
from planning_kit.walk.step import Step

_COLUMNS = [
    *("region", "reviewed", "target", "change", "change_share", "agreed_total", "held_by", "reason")
]


def _split(step: Step) -> Allocation | None:
    """Split the company's target as this step's targets were split, once."""
    split: Allocation | None = step.once(
        "company split",
        lambda: company_split(step.plan, step.prepared, step.scenario, _agreed(step)),
    )
    return split


def _all_agreed(step: Step) -> Agreed:
    agreed: Agreed = step.once(
        "agreed totals", lambda: totals_agreed(step.plan, step.folder.parent)
    )
    return agreed


def _agreed(step: Step) -> dict[str, float]:
    return agreed_under(_all_agreed(step), step.scenario.name)


def region_targets(step: Step) -> pd.DataFrame:
    """Set the regions' targets beside their reviewed year, and say what holds each.

    Returns
    -------
    pandas.DataFrame
        ``region``, ``reviewed``, ``target``, ``change`` (plan currency), ``change_share``,
        ``agreed_total`` (empty: not agreed), ``held_by`` (rules and holds; an agreed total
        and a target of the region's own are holds) and ``reason`` (why these are asked for).
    """
    rows, split = step.prepared.facts["regions"], _split(step)
    table = pd.DataFrame({"region": [row["name"] for row in rows]}, dtype="str")
    table["reviewed"] = [float(row["reviewed"]) for row in rows]
    table["target"] = table["region"].map(step.targets).astype("float64")
    table["change"] = table["target"] - table["reviewed"]
    table["change_share"] = (table["change"] / table["reviewed"]).where(table["reviewed"] > 0)
    table["agreed_total"] = table["region"].map(_agreed(step)).astype("float64")
    if split is not None:
        held = dict(split.goals[["region", "held_by"]].to_numpy())
    else:
        held = {name: f"{OWN} {name}" for name in asked_targets(step.plan, step.scenario).regions}
    names = [held.get(region, "") for region in table["region"]]
    why = {rule.name: rule.reason for rule in getattr(step.scenario.company, "all_rules", ())}
    reasons = ["; ".join(why[one] for one in name.split("; ") if one in why) for name in names]
    table["held_by"], table["reason"] = (pd.array(texts, dtype="str") for texts in (names, reasons))
    return table[_COLUMNS]


def chosen_region(step: Step, region: str = "") -> str:
    """Name the region asked for, else the one whose target moves most (ties: the first).

    Raises
    ------
    DataError
        There is no such region; the nearest is named.
    """
    table = region_targets(step)
    if region:
        require_labels([region], table["region"], "region")
        return region
    return str(table["region"].iloc[int(table["change"].abs().argmax())])


def target_steps(step: Step, region: str = "") -> pd.DataFrame:
    """Give the steps from the reviewed year to a region's target; they add up to it exactly.

    Parameters
    ----------
    region
        Whose; empty: see `chosen_region`.

    Returns
    -------
    pandas.DataFrame
        ``region``, ``step``, ``amount`` (plan currency).
    """
    name, split = chosen_region(step, region), _split(step)
    steps = _plain_steps(step, name) if split is None else explain_rep(split, name)
    return steps.assign(region=name)[["region", "step", "amount"]]


def _plain_steps(step: Step, region: str) -> pd.DataFrame:
    """Give the two steps of a target that only the reviewed year, or ``[targets]``, says."""
    row = region_targets(step).set_index("region").loc[region]
    grain = min(step.inputs.settings.rounding_unit, 1.0)
    base, target = (round(row[name] / grain) for name in ("reviewed", "target"))
    words = ["base", "holds" if row["held_by"] else "growth"]
    amounts = [from_units(base, grain), from_units(target - base, grain)]
    return pd.DataFrame({"step": pd.array(words, dtype="str"), "amount": amounts})


def all_target_steps(step: Step) -> pd.DataFrame:
    """Give the steps of every region's target."""
    return pd.concat(
        [target_steps(step, name) for name in step.prepared.regions], ignore_index=True
    )


def target_findings(step: Step) -> Iterator[dict[str, str]]:
    """Say what is odd about the split of the company's target, and what is agreed of it."""
    split, agreed, currency = _split(step), _agreed(step), step.inputs.settings.currency
    if split is not None:
        yield from finding_rows(split.findings)
    asked = company_asked(step.plan, step.prepared, step.scenario)
    unit = step.inputs.settings.rounding_unit
    gap = from_units(round(step.inputs.target / unit) - round(asked / unit), unit)
    if gap:
        rest = "still to find" if gap < 0 else "too much"
        message = (
            f"the regions' totals, {len(agreed)} of {len(step.prepared.regions)} agreed, miss the "
            f"company's target of {asked:,.2f} {currency} by {gap:+,.2f}: {abs(gap):,.2f} "
            f"{currency} {rest}."
        )
        advice = "Reopen a region's total (planning-kit agree reopen region:NAME), or the target."
        yield finding("rollup.totals", "fail", "company", message, advice)
    for scenario, elsewhere in sorted(_all_agreed(step).items()):
        if scenario not in ("", step.scenario.name):
            message = (
                f"{len(elsewhere)} totals were agreed under the scenario {scenario!r}, not under "
                f"{step.scenario.name!r}: {shorten(sorted(elsewhere))}; they count for nothing here."
            )
            advice = "Open that scenario, or offer these: planning-kit agree start --company."
            yield finding("rollup.totals", "review", "company", message, advice)
    if unknown := sorted(set(agreed) - set(step.prepared.regions)):
        message = f"totals are agreed of regions that the plan does not have: {', '.join(unknown)}."
        yield finding("rollup.totals", "review", "company", message, "They count for nothing.")
