"""The split of a target: its cells, its rules, its goals."""

from __future__ import annotations

import numpy as np
import pandas as pd

from planning_kit import outlook
from planning_kit.allocation import (
    Allocation,
    RulesConflictError,
    allocate,
    compare_objectives,
)
from planning_kit.allocation.explain import RULE_COLUMNS
from planning_kit.assumptions import judge_target
from planning_kit.messages import finding, finding_rows, findings_table, require_labels
from planning_kit.messages.amounts import money_text, number_text
from planning_kit.numbers.intervals import deviation
from planning_kit.output.shown import named_text
from planning_kit.plan import CELL_COLUMNS, NOT_KNOWN, Scenario
from planning_kit.walk.expected import chances, outlook_of
from planning_kit.walk.step import Step

CELL_LABELS = ["rep_id", "territory_id", "product_line"]
CELL_AMOUNTS = [
    "base",
    "last_year",
    "last_goal",
    "potential",
    "forecast",
    "run_rate",
    "account_build_up",
    "variance",
    "cv",
]
_NAMED = 5  # people whom a finding names
_BASES = ["last_year", "run_rate", "account_build_up", "potential", "forecast", "base"]


def allocation_cells(step: Step) -> pd.DataFrame:
    """Make the cells that carry a goal: person x territory x product line, with their base.

    Returns
    -------
    pandas.DataFrame
        ``rep_id``, ``territory_id``, ``product_line`` (never empty), ``role``, ``base`` and
        ``forecast`` (expected result), ``last_year``, ``last_goal``, ``potential`` (the person's
        part of the territory's, by the region's mix of lines), ``run_rate`` and
        ``account_build_up`` (see `planning_kit.outlook.other_bases`), ``variance`` of the
        base, ``cv`` of the person's own year (so that equal chance is one of the person, not of
        the cell), ``base_from`` (what it rests on).
        People who carry a goal and have no base at all are there with an empty one.
    """
    baseline = labelled(step.table("baseline"))
    groups = baseline.groupby(CELL_LABELS)
    cells = groups[["expected", "last_year", "last_goal"]].sum(min_count=1)
    ranges = labelled(outlook_of(step).ranges(CELL_LABELS)).set_index(CELL_LABELS)
    cells["deviation"] = deviation(ranges["low"], ranges["high"])
    cells["base_from"] = groups["filled_by"].first()
    cells = cells.rename(columns={"expected": "base"}).reset_index()
    team = step.inputs.team()
    absent = team.loc[~team["rep_id"].isin(cells["rep_id"]), ["rep_id"]]
    absent = absent.assign(
        territory_id=NOT_KNOWN, product_line=NOT_KNOWN, base_from="nothing known"
    )
    cells = pd.concat([cells, absent], ignore_index=True)
    others = labelled(outlook.other_bases(step.inputs, step.scenario))
    cells = cells.merge(others, on=CELL_LABELS, how="left")
    cells["potential"] = _potential(step, cells)
    cells["role"] = cells["rep_id"].map(team.set_index("rep_id")["role"]).fillna(NOT_KNOWN)
    cells["variance"] = cells["deviation"] ** 2
    spread = outlook_of(step).years().set_index("rep_id")["spread"]
    cells["cv"] = np.sqrt(np.expm1(cells["rep_id"].map(spread).astype("float64") ** 2))
    cells["forecast"] = cells["base"]
    order = [*CELL_LABELS, "role", *CELL_AMOUNTS, "base_from"]
    return cells[order].sort_values(CELL_LABELS, ignore_index=True)


def _potential(step: Step, cells: pd.DataFrame) -> pd.Series:
    inputs, place = step.inputs, ["rep_id", "territory_id"]
    held = inputs.held_on(inputs.settings.starts_on).set_index(place)["share"]
    places = cells.join(held.rename("part"), on=place)
    market = places["territory_id"].map(inputs.territories.set_index("territory_id")["potential"])
    mix = cells.groupby("product_line")["base"].sum()
    whole = float(mix.sum())
    line = places["product_line"].map(mix / whole) if whole else float("nan")
    return (market * places["part"] * line).astype("float64")


def labelled(table: pd.DataFrame) -> pd.DataFrame:
    """Write out what is not known, so that a cell without a label is a cell like any other."""
    there = [name for name in CELL_LABELS if name in table]
    return table.assign(**{name: table[name].fillna(NOT_KNOWN) for name in there})


def solved_cells(step: Step) -> pd.DataFrame:
    """Give the cells as the engine takes them: labels, base, and what rules may refer to."""
    cells: pd.DataFrame = step.once("solved cells", lambda: _solved_cells(step))
    return cells


def _solved_cells(step: Step) -> pd.DataFrame:
    cells = plain_cells(step)
    # Chances are those of the person's drawn year, whatever base the scenario blends.
    fit = _years_of_equal_chance(step, cells)
    over = cells["rep_id"].map(fit["likely"] / outlook_of(step).expected).fillna(1.0)
    cells = cells.assign(expected=cells["forecast"] * over)
    if "cv" in cells or fit["cv"].notna().any():
        cells["cv"] = cells["rep_id"].map(fit["cv"]).fillna(cells.get("cv", np.nan))
    return cells


def plain_cells(step: Step) -> pd.DataFrame:
    """Give these cells without what only goals of equal chance need, the same for every target."""
    cells: pd.DataFrame = step.once("plain cells", lambda: _plain_cells(step))
    return cells


def _plain_cells(step: Step) -> pd.DataFrame:
    if step.like is not None and step.like.key("cells") == step.key("cells"):
        return plain_cells(step.like)
    if step.like is not None and not _asks_ranges(step) and not step.is_kept("cells"):
        like = plain_cells(step.like)
        anew: pd.DataFrame = step.shared(
            ("plain cells", step.key("cells")), lambda: _expected_anew(step, like)
        )
        return anew
    cells = step.table("cells").drop(columns=["base_from"])
    optional = ("variance", "cv", "run_rate", "account_build_up")
    unknown = [name for name in optional if cells[name].isna().all()]
    cells = cells.drop(columns=unknown)  # without any history no spread is known
    return cells.assign(region=NOT_KNOWN if step.inputs.is_company else step.inputs.name)


def _asks_ranges(step: Step) -> bool:
    """Say if the split needs how sure every cell is, or other results than the like step's."""
    scenario, like = step.scenario, step.like
    asked = {rule.reference for rule in scenario.all_rules} & {"variance", "cv"}
    by_range = scenario.objective.weights == "variance" or scenario.objective.kind == "equal_chance"
    return bool(asked) or by_range or like is None or scenario.review != like.scenario.review


def _expected_anew(step: Step, cells: pd.DataFrame) -> pd.DataFrame:
    """Give the same cells under other assumptions: what is expected in them is another."""
    rows = labelled(outlook.expected_rows(step.inputs, step.scenario))
    sums = rows.groupby(CELL_LABELS)["expected"].sum(min_count=1)
    base = sums.reindex(pd.MultiIndex.from_frame(cells[CELL_LABELS])).to_numpy()
    cells = cells.drop(columns=["variance", "cv"], errors="ignore")
    cells = cells.assign(base=base, forecast=base)
    return cells.assign(potential=_potential(step, cells))


def _cells_of_split(step: Step) -> pd.DataFrame:
    """Give the cells with what this scenario asks of them, and no more."""
    scenario = step.scenario
    asked = {rule.reference for rule in scenario.all_rules} & {"expected", "cv"}
    is_fitted = asked or scenario.objective.kind == "equal_chance"
    return solved_cells(step) if is_fitted else plain_cells(step)


def _years_of_equal_chance(step: Step, cells: pd.DataFrame) -> pd.DataFrame:
    role = cells.drop_duplicates("rep_id").set_index("rep_id")["role"]
    given = role.map(step.scenario.objective.chances).astype("float64")
    return outlook_of(step).lognormals(step.inputs.target, given)


def scenario_here(step: Step) -> Scenario:
    """Give the scenario with what speaks of this region, see `planning_kit.plan.Scenario.for_region`."""
    return step.scenario.for_region(_labels(step))


def _labels(step: Step) -> dict[str, set[str]]:
    if step.like is not None and step.like.key("cells") == step.key("cells"):
        return _labels(step.like)
    cells = plain_cells(step)
    labels: dict[str, set[str]] = step.once(
        "labels", lambda: {name: set(cells[name].unique()) for name in CELL_COLUMNS}
    )
    return labels


def allocate_region(step: Step) -> Allocation | None:
    """Split the region's target over its cells by the rules of the scenario; None: no people."""
    allocation: Allocation | None = step.once("split", lambda: _allocate(step))
    return allocation


def _allocate(step: Step) -> Allocation | None:
    if plain_cells(step).empty:
        return None
    try:
        return allocate(
            _cells_of_split(step),
            step.inputs.target,
            scenario_here(step),
            rounding_unit=step.inputs.settings.rounding_unit,
            today=step.inputs.settings.starts_on,
        )
    except RulesConflictError as error:
        raise error.saying(named_text(str(error), step.inputs)) from None


def allocation_table(step: Step) -> pd.DataFrame:
    """Give the allocated goals; without people an empty table with its columns."""
    allocation = allocate_region(step)
    if allocation is None:
        numbers = ["base", "goal", "exact", "lower", "upper", "change_share"]
        names = [*CELL_LABELS, "role", "region", "filled_by", "held_by", *numbers]
        return pd.DataFrame({n: pd.Series(dtype="float64") for n in names}).astype(
            {n: "str" for n in [*CELL_LABELS, "role", "region", "filled_by", "held_by"]}
        )
    return allocation.goals


def allocation_rules(step: Step) -> pd.DataFrame:
    """Give the table of rules, those that hold something first; empty where nobody carries a goal."""
    allocation = allocate_region(step)
    if allocation is None:
        return pd.DataFrame(columns=list(RULE_COLUMNS))
    rules = allocation.rules
    return rules.sort_values(
        "binding", key=lambda side: side.eq(""), kind="stable", ignore_index=True
    )


def allocation_steps(step: Step) -> pd.DataFrame:
    """Give the steps of every person's goal (they add up to it exactly)."""
    allocation = allocate_region(step)
    if allocation is None:
        return pd.DataFrame(columns=["rep_id", "step", "amount"])
    return allocation.steps


def relaxed_limits(step: Step) -> pd.DataFrame:
    """List limits that gave (``[relax]``) and what levels add (``[over_assignment]``).

    Returns
    -------
    pandas.DataFrame
        ``what`` (rule or level), ``group``, ``asked``, ``by`` and ``becomes`` (plan currency).
    """
    allocation = allocate_region(step)
    names = ["what", "group", "asked", "by", "becomes"]
    if allocation is None:
        return pd.DataFrame(columns=names)
    padding = allocation.padding
    limits = allocation.relaxed.rename(columns={"rule": "what", "gives": "by"})
    levels = pd.DataFrame(
        {
            "what": padding["level"],
            "group": "over-assignment",
            "asked": padding["amount_before"],
            "by": padding["amount_after"] - padding["amount_before"],
            "becomes": padding["amount_after"],
        }
    )
    return pd.concat([part[names] for part in (limits, levels) if len(part)] or [levels])


def objectives(step: Step) -> pd.DataFrame:
    """Split with every objective and show the price of each against the proportional split."""
    table: pd.DataFrame = step.once("objectives", lambda: _compare_objectives(step))
    return table


def _compare_objectives(step: Step) -> pd.DataFrame:
    if step.table("cells").empty:
        return pd.DataFrame(columns=["objective"])
    settings = step.inputs.settings
    return compare_objectives(
        solved_cells(step),
        step.inputs.target,
        scenario_here(step),
        rounding_unit=settings.rounding_unit,
        today=settings.starts_on,
    )


def sum_goals(goals: pd.DataFrame, label: str) -> pd.DataFrame:
    """Sum goals and bases by a label: ``last`` columns are in the cells, not here.

    Returns
    -------
    pandas.DataFrame
        The label, ``base``, ``goal``, ``change_share`` and ``held_by`` (rules that hold a cell).
    """
    groups = goals.groupby(label)
    table = groups[["base", "goal"]].sum(min_count=1)
    table["change_share"] = (table["goal"] / table["base"] - 1).where(table["base"] > 0)
    table["held_by"] = groups["held_by"].agg(
        lambda texts: ", ".join(sorted({text for text in texts if isinstance(text, str) and text}))
    )
    return table.reset_index()


def chosen_person(step: Step, rep_id: str = "") -> str:
    """Name the person asked for, else the one whose goal moved most (ties: the first id).

    Raises
    ------
    DataError
        Nobody of that id has a goal here; the nearest id is named.
    """
    people = sum_goals(step.table("allocation"), "rep_id")
    if rep_id:
        require_labels([rep_id], people["rep_id"], "rep")
        return rep_id
    moves = (people["goal"] - people["base"]).abs()
    return str(people["rep_id"].iloc[int(moves.argmax())]) if moves.notna().any() else ""


def nobody_finding(step: Step) -> pd.DataFrame:
    """Say that a region with a target has nobody to carry it."""
    return findings_table(
        [
            finding(
                "allocation.nobody",
                "fail",
                step.inputs.name,
                f"the target of {step.inputs.target:,.0f} {step.inputs.settings.currency} has nobody to "
                "carry it: no active person of this region carries a goal.",
                "Assign people to the region's territories, or set its target to 0.",
            )
        ]
    )


def allocation_findings(step: Step) -> pd.DataFrame:
    """Give what is odd about the split."""
    allocation = allocate_region(step)
    if allocation is None:
        return nobody_finding(step) if step.inputs.target else findings_table([])
    goals = allocation.goals.groupby("rep_id")["goal"].sum()
    found = [*quiet_findings(step, goals, "carry goals of"), *_chance_findings(step)]
    return findings_table([*found, *finding_rows(allocation.findings)])


def quiet_findings(step: Step, amounts: pd.Series, carry: str) -> list[dict[str, str]]:
    """Name who may have left without a word and still counts, the largest amounts first.

    Parameters
    ----------
    amounts
        By rep_id, plan currency: what each counts with.
    carry
        How the amounts are named, for example ``carry goals of``.
    """
    team, settings = step.inputs.team().set_index("rep_id"), step.inputs.settings
    months = team["quiet_months"].dropna()
    money = amounts.reindex(months.index).fillna(0.0).sort_values(ascending=False, kind="stable")
    if money.empty:
        return []
    counted = zip(money.index, money, months.reindex(money.index), strict=True)
    who = [
        f"{rep!r} ({number_text(amount)}, nothing sold for {quiet:.0f} months)"
        for rep, amount, quiet in counted
    ]
    total = money_text(float(money.sum()), settings.currency, settings.rounding_unit)
    message = (
        f"{len(who)} without an assignment in the plan and without sales of late {carry} {total}: "
        f"{'; '.join(who[:_NAMED])}{f' and {len(who) - _NAMED} more' if len(who) > _NAMED else ''}"
    )
    advice = (
        "Whoever left needs left_on in reps, and the others carry it; whoever stays, a territory."
    )
    return [finding("allocation.quiet", "review", step.inputs.name, message, advice)]


def _chance_findings(step: Step) -> list[dict[str, str]]:
    """Judge whether the target and the goals can be reached, before anybody is asked to carry them."""
    likely = chances(step, step.table("allocation"))["chance"]
    judged = judge_target(step.inputs, outlook_of(step).chance(step.inputs.target), likely)
    return (
        [finding("allocation.chance", judged[0], step.inputs.name, *judged[1:])] if judged else []
    )


def bases(step: Step) -> pd.DataFrame:
    """Sum the bases that a scenario can blend, by person; empty: nothing is known of it."""
    return step.table("cells").groupby("rep_id", as_index=False)[_BASES].sum(min_count=1)


def objectives_side_by_side(step: Step) -> pd.DataFrame:
    """Set the objectives side by side: a row a measure, a column an objective."""
    turned = objectives(step).set_index("objective").T.rename_axis("measure").reset_index()
    return turned.assign(measure=turned["measure"].str.replace("price_", "price, "))
