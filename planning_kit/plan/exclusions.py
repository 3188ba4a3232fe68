"""What a planner takes out of the review: ``[[review.exclude]]``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from planning_kit.messages import Written


@dataclass(frozen=True, kw_only=True)
class Exclusion:
    """A won deal, or sales of a person's month, that will not come again.

    Attributes
    ----------
    opportunity_id : str
        The deal; empty: it is a person's month.
    rep_id, product_id : str
        Whose sales, and of what; an empty product: of all.
    month : date or None
        First day of the month.
    amount : float or None
        Plan currency; None: all of the month.
    owner, reason : str
        Who decided it, and why.
    """

    opportunity_id: str = ""
    rep_id: str = ""
    product_id: str = ""
    month: date | None = None
    amount: float | None = None
    owner: str = ""
    reason: str = ""


_KEYS = tuple(Exclusion.__dataclass_fields__)


def read_exclusions(section: Written) -> tuple[Exclusion, ...]:
    """Read the entries of ``[review]``; what is wrong is noted there."""
    read = [_read_exclusion(row) for row in section.rows("exclude")]
    return tuple(sorted(read, key=lambda entry: [str(getattr(entry, key) or "") for key in _KEYS]))


def _read_exclusion(row: Written) -> Exclusion:
    row.keys(_KEYS)
    day, amount = row.day("month"), row.number("amount")
    for key in ("owner", "reason"):
        if not row.text(key):
            row.fault(f"needs {key}")
    if ("opportunity_id" in row) == ("rep_id" in row and "month" in row):
        row.fault("name an opportunity_id, or rep_id and month")
    if amount is not None and amount <= 0:
        row.fault(f"amount is {amount:g}; write a number above 0")
    return Exclusion(
        opportunity_id=str(row.values.get("opportunity_id", "")),
        rep_id=str(row.values.get("rep_id", "")),
        product_id=str(row.values.get("product_id", "")),
        month=None if day is None else day.replace(day=1),
        amount=amount,
        owner=row.text("owner"),
        reason=row.text("reason"),
    )
