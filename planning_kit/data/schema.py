"""What every canonical table holds; the data dictionary is written from here."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

_DTYPES = {
    "text": "str",
    "date": "datetime64[us]",
    "amount": "float64",
    "number": "float64",
    "share": "float64",
}


@dataclass(frozen=True)
class Column:
    """One column of a canonical table.

    Attributes
    ----------
    name : str
        Name in the kit.
    meaning : str
        One line, with the unit of a number.
    kind : str
        text, date, amount (plan currency, six decimals kept), number or share (1.0 is 100 %).
    needed : str
        ``"cell"``: the column must be there and no cell may be empty; ``"column"``: the column
        must be there, an empty cell means that nobody has said; ``""``: optional.
    refers_to : str
        ``table.column`` whose values are the known labels, or several with blanks between them,
        or empty.
    choices : tuple of str
        The only values allowed, or empty.
    """

    name: str
    meaning: str
    kind: str = "text"
    needed: str = ""
    refers_to: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """One canonical table: its columns in order and the columns that name a row."""

    name: str
    meaning: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    required: bool = False

    @property
    def names(self) -> list[str]:
        """Column names in order."""
        return [column.name for column in self.columns]

    def column(self, name: str) -> Column:
        """Give the column of that name."""
        return next(column for column in self.columns if column.name == name)


def _rep(needed: str = "cell") -> Column:
    return Column("rep_id", "who sold", needed=needed, refers_to="reps.rep_id")


_PRODUCT = Column("product_id", "product", refers_to="products.product_id")
_LINE = Column("product_line", "product line", refers_to="products.product_line")
_TERRITORY = Column("territory_id", "territory", refers_to="territories.territory_id")
_ACCOUNT = Column("account_id", "customer account")


def _date(name: str, meaning: str, needed: str = "") -> Column:
    return Column(name, meaning, "date", needed)


_ALL = (
    Table(
        "reps",
        "Everybody who sells or leads sellers, now or in the years of the data.",
        (
            Column("rep_id", "id of the person", needed="cell"),
            Column("rep_name", "name as the person wants to read it"),
            Column("manager_id", "id of the manager", refers_to="reps.rep_id"),
            Column("role", "role, for example hunter, account manager, manager"),
            _date("hired_on", "first working day"),
            _date("left_on", "last working day; empty: still here"),
            Column("region", "home region where no assignment gives one"),
        ),
        key=("rep_id",),
        required=True,
    ),
    Table(
        "territories",
        "The parts of the market that are given to people.",
        (
            Column("territory_id", "id of the territory", needed="cell"),
            Column("territory_name", "name"),
            Column("region", "region the territory belongs to", needed="cell"),
            Column("potential", "market, plan currency a year", "amount"),
        ),
        key=("territory_id",),
        required=True,
    ),
    Table(
        "assignments",
        "Who has which territory from when to when.",
        (
            Column("rep_id", "person", needed="cell", refers_to="reps.rep_id"),
            Column(
                "territory_id", "territory", needed="cell", refers_to="territories.territory_id"
            ),
            _date("starts_on", "first day; empty: from the beginning of the data"),
            _date("ends_on", "last day; empty: still assigned"),
            Column(
                "share",
                "share of the territory, 1.0 is all; empty: equal parts of what is left",
                "share",
            ),
        ),
        key=("rep_id", "territory_id", "starts_on"),
        required=True,
    ),
    Table(
        "products",
        "What is sold.",
        (
            Column("product_id", "id of the product", needed="cell"),
            Column("product_name", "name"),
            Column("product_line", "line or category"),
            Column("list_price", "list price of one unit, plan currency", "amount"),
            Column("unit_cost", "cost of one unit, plan currency", "amount"),
        ),
        key=("product_id",),
    ),
    Table(
        "sales",
        "What was sold, one row a line; returns are negative.",
        (
            _date("sold_on", "day of the sale", "cell"),
            _rep(),
            Column("amount", "revenue of the line, plan currency", "amount", "cell"),
            _TERRITORY,
            _PRODUCT,
            _ACCOUNT,
            Column("units", "units sold", "number"),
            Column("cost", "cost of the line, plan currency", "amount"),
            Column("credit_share", "share of the line credited to this person; empty: 1", "share"),
        ),
        required=True,
    ),
    Table(
        "goals",
        "What was asked for in past periods. An empty goal: nobody planned it. 0: none expected.",
        (
            _date("starts_on", "first day of the goal's period", "cell"),
            _date(
                "ends_on",
                "last day; empty: as long as most, at the longest until the same person's next start",
            ),
            _rep(),
            Column("goal", "the goal, plan currency or the unit of the metric", "amount", "column"),
            Column("metric", "amount (default), units, margin, presentations, ..."),
            _TERRITORY,
            _PRODUCT,
            _LINE,
            _ACCOUNT,
        ),
        key=(
            "starts_on",
            "rep_id",
            "metric",
            "territory_id",
            "product_id",
            "product_line",
            "account_id",
        ),
    ),
    Table(
        "proposals",
        "What people proposed for past periods.",
        (
            _date("starts_on", "first day of the period", "cell"),
            _date(
                "ends_on",
                "last day; empty: as long as most, at the longest until the same person's next start",
            ),
            _rep(),
            Column("proposed", "proposed goal, plan currency", "amount", "column"),
            _PRODUCT,
            _LINE,
        ),
        key=("starts_on", "rep_id", "product_id", "product_line"),
    ),
    Table(
        "opportunities",
        "Deals: won, lost or open.",
        (
            Column("opportunity_id", "id of the opportunity", needed="cell"),
            Column("outcome", "won, lost or open", needed="cell", choices=("won", "lost", "open")),
            Column("rep_id", "owner; empty: nobody owns it yet", refers_to="reps.rep_id"),
            _date("created_on", "day it was opened"),
            _date("presented_on", "day of the presentation"),
            _date("proposed_on", "day of the written proposal"),
            _date("closed_on", "day it was won or lost"),
            Column("amount", "value, plan currency", "amount"),
            _PRODUCT,
            _ACCOUNT,
        ),
        key=("opportunity_id",),
    ),
    Table(
        "activities",
        "What people did, counted by day, week or month.",
        (
            _date("done_on", "day, or first day of the week or month counted", "cell"),
            _rep(),
            Column("activity", "prospect, presentation, proposal, ...", needed="cell"),
            Column("count", "how many", "number", "cell"),
        ),
        key=("done_on", "rep_id", "activity"),
    ),
    Table(
        "assumptions",
        "What last year's plan assumed, and what happened.",
        (
            Column("assumption_id", "id of the assumption", needed="cell"),
            Column("statement", "the assumption in a sentence", needed="cell"),
            Column("low", "pessimistic value (one in ten is lower), in its unit", "number"),
            Column("base", "expected value, in its unit", "number", "cell"),
            Column("high", "optimistic value (one in ten is higher), in its unit", "number"),
            Column("actual", "what happened, in its unit; empty: not known", "number"),
            Column("unit", "unit of the numbers, for example share, months"),
            Column("owner", "who answers for it"),
            Column("evidence", "what it rests on, or the id of a finding"),
            _date("check_on", "when to look again"),
            Column("driver", "what it moves, for example market_growth, turnover_rate"),
        ),
        key=("assumption_id",),
    ),
    Table(
        "events",
        "What happened to territories from outside: a competitor's entry, a price change.",
        (
            Column("event_id", "id of the event", needed="cell"),
            Column("kind", "competitor entry, price change, ..."),
            Column(
                "territory_id",
                "territory it touched; empty: all",
                refers_to="territories.territory_id",
            ),
            _date("starts_on", "first day", "cell"),
            _date("ends_on", "last day; empty: goes on"),
            Column("note", "what happened"),
        ),
        key=("event_id", "territory_id"),
    ),
    Table(
        "evidence",
        "What stands behind people's proposals: deals and customers, and how sure they are.",
        (
            _rep(),
            _date("starts_on", "first day of the period it speaks of", "cell"),
            Column("amount", "value, plan currency", "amount", "cell"),
            Column("probability", "chance that it comes; empty: the own closing ratio", "share"),
            Column(
                "account_id",
                "customer account",
                refers_to="sales.account_id opportunities.account_id",
            ),
            _PRODUCT,
            _LINE,
            Column("opportunity_id", "open deal", refers_to="opportunities.opportunity_id"),
            _date("closes_on", "day it is likely to close"),
            Column("reason", "why, in words"),
        ),
    ),
    Table(
        "answers",
        "What people answered when the review asked, and notes from the field.",
        (
            Column("answer_id", "id of the answer; events and evidence name it", needed="cell"),
            Column("question_id", "finding it answers; empty: a note nobody asked for"),
            Column("question", "what was asked, as it stood then"),
            Column("answer", "the answer, in one line", needed="cell"),
            Column("answered_by", "id of who says so, or plan", needed="cell"),
            _date("answered_on", "day it was said", "cell"),
            Column(
                "kind",
                "note, event (measured from its day on), assumption (candidate of the register)",
                needed="cell",
                choices=("note", "event", "assumption"),
            ),
            Column("region", "region whose finding it answers; empty: that of person or territory"),
            Column("rep_id", "person it is about", refers_to="reps.rep_id"),
            _TERRITORY,
            _LINE,
            _date("starts_on", "day it began or will begin"),
        ),
        key=("answer_id",),
    ),
    Table(
        "manager_time",
        "How managers planned and spent their own hours.",
        (
            Column("manager_id", "manager", needed="cell", refers_to="reps.rep_id"),
            Column("activity", "coaching, field_work, trade_show, ...", needed="cell"),
            _date("month", "first day of the month"),
            Column("planned_hours", "hours planned", "number"),
            Column("actual_hours", "hours spent", "number"),
        ),
        key=("manager_id", "activity", "month"),
    ),
    Table(
        "calendar",
        "Days that are not like others: of a person, of a region, or (neither is named) of everybody.",
        (
            _date("day", "the day", "cell"),
            Column(
                "kind",
                "holiday, leave, meeting (of the industry) or trade show",
                needed="cell",
                choices=("holiday", "leave", "meeting", "trade show"),
            ),
            Column("rep_id", "whose day it is", refers_to="reps.rep_id"),
            Column("manager_id", "whose day it is, for a manager", refers_to="reps.rep_id"),
            Column("region", "home region whose people it concerns"),
            Column("hours", "hours that it takes; empty: the whole day", "number"),
        ),
    ),
)
TABLES: dict[str, Table] = {table.name: table for table in _ALL}


def empty_table(name: str) -> pd.DataFrame:
    """Give the canonical table without rows: every column with its type.

    Examples
    --------
    >>> empty_table("events").columns.tolist()
    ['event_id', 'kind', 'territory_id', 'starts_on', 'ends_on', 'note']
    """
    return pd.DataFrame({c: pd.Series(dtype=kind) for c, kind in column_types(name).items()})


def column_types(name: str) -> dict[str, str]:
    """Give the pandas type of each column of a canonical table.

    Examples
    --------
    >>> column_types("events")["starts_on"]
    'datetime64[us]'
    """
    return {c.name: _DTYPES[c.kind] for c in TABLES[name].columns}
