"""Rules that cannot all hold, whatever the numbers of the people are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from planning_kit.plan.rules import CELL, Hold, Rule


def standing(rules: Iterable[Rule], today: date) -> list[Rule]:
    """Leave out the holds that have expired before a day."""
    return [r for r in rules if not (isinstance(r, Hold) and r.expires_on < today)]


def contradictions(rules: Sequence[Rule], gives_up_to: int = 0) -> list[str]:
    """Name every pair of rules of which one asks for more than the other allows for the same cells.

    Amounts are compared with amounts: a limit that is a share of a reference needs the numbers,
    and is left to the split. Goals are 0 or more, so what is asked of some cells must fit under a
    cap on cells that contain them.

    Parameters
    ----------
    gives_up_to
        Rules up to this priority may give (``[relax]``): a pair with one of them is no fault.

    Examples
    --------
    >>> from planning_kit.plan.rules import GroupRange
    >>> cap = GroupRange(name="cap", where={"rep_id": ("R1",)}, at_most=100.0)
    >>> order = Hold(name="order", where={"rep_id": ("R1",), "line": ("A",)}, amount=120.0)
    >>> contradictions([cap, order])
    ["'order' asks for at least 120, 'cap' allows at most 100 for the same cells; change one of them"]
    """
    asking = [(rule, low) for rule in rules if (low := rule.limits[0]) is not None]
    capping = [(rule, high) for rule in rules if (high := rule.limits[1]) is not None]
    return [
        f"{one.name!r} asks for at least {low:,.10g}, {other.name!r} allows at most {high:,.10g} "
        "for the same cells; change one of them"
        for one, low in asking
        for other, high in capping
        if low > high
        and one is not other
        and min(one.priority, other.priority) > gives_up_to
        and _lies_within(one, other)
    ]


def _lies_within(one: Rule, other: Rule) -> bool:
    """Say whether every group of cells of one rule lies within a single group of the other."""
    if any(
        set(one.where.get(c, ())) - set(names) or c not in one.where
        for c, names in other.where.items()
    ):
        return False
    if one.each == (CELL,):
        return True
    return CELL not in other.each and all(
        column in one.each or len(one.where.get(column, ())) == 1 for column in other.each
    )


def least_together(rules: Iterable[Rule], people: int) -> tuple[float, list[Rule]]:
    """Add up what rules about different cells ask for at least, plan currency.

    Rules that may share cells are not added: the one that asks for most counts.

    Parameters
    ----------
    people
        How many people a rule for each of them is about where it names none.

    Returns
    -------
    tuple of float and list of Rule
        The amount, and the rules that were added.

    Examples
    --------
    >>> holds = [
    ...     Hold(name="a", where={"rep_id": ("R1",)}, amount=60.0),
    ...     Hold(name="b", where={"rep_id": ("R2",)}, amount=50.0),
    ...     Hold(name="c", where={"rep_id": ("R2",), "line": ("A",)}, amount=10.0),
    ... ]
    >>> total, added = least_together(holds, people=2)
    >>> total, [rule.name for rule in added]
    (110.0, ['a', 'b'])
    """
    asked = [(_least(rule, people), rule) for rule in rules if rule.limits[0]]
    added: list[tuple[float, Rule]] = []
    for amount, rule in sorted(asked, key=lambda pair: (-pair[0], pair[1].name)):
        if all(_share_no_cell(rule, other) for _, other in added):
            added.append((amount, rule))
    return sum(amount for amount, _ in added), [rule for _, rule in added]


def _least(rule: Rule, people: int) -> float:
    amount = rule.limits[0] or 0.0
    # Everybody has a cell, but not everybody one of each product line.
    if rule.each == ("rep_id",) and set(rule.where) <= {"rep_id", "region"}:
        return amount * len(rule.where.get("rep_id", range(people)))
    return amount


def _share_no_cell(one: Rule, other: Rule) -> bool:
    return any(
        not set(one.where[column]) & set(other.where[column])
        for column in set(one.where) & set(other.where)
    )
