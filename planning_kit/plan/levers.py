"""What a manager may set, and the defaults with their sources."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from datetime import date

from planning_kit.messages import Written

# In the order in which hours are given out: what cannot be left out comes first.
ACTIVITIES = (
    "promised",
    "admin",
    "own_selling",
    "planning",
    "one_on_one",
    "coaching",
    "field_work",
    "customer_meeting",
    "market_reading",
    "trade_show",
    "industry_meeting",
)
# What is bound to no day and to nobody's month, in the order in which it moves first.
MOVABLE = ("field_work", "customer_meeting", "market_reading", "planning", "admin")
COACHING_SHARES = (0.25, 0.40)
_BASIS = {
    "admin": "{admin_share:.0%} of the hours",
    "own_selling": "{own_selling_share:.0%} of the hours of a manager with a goal",
    "planning": "{planning_hours:g} h a month",
    "one_on_one": "{one_on_one_hours_a_rep:g} h a person and month",
    "coaching": "at least {coaching_hours_a_rep:g} h a person and month, raised to "
    "{coaching_share:.0%} of the hours where these allow it; that more coaching goes with more "
    "attainment is correlational",
    "promised": "promised in the agreements, spread to the day they are due",
    "field_work": "field days a person and quarter: {field_days_a_rep_quarter:g}",
    "customer_meeting": "{customer_meeting_hours:g} h a month",
    "market_reading": "{market_reading_hours:g} h a month",
    "trade_show": "{trade_shows:g} shows a year, {trade_show_days:g} days each",
    "industry_meeting": "{industry_days:g} days a year",
}


@dataclass(frozen=True)
class Move:
    """Hours of an activity that go to another month: an entry of ``[[levers.move]]``.

    Attributes
    ----------
    activity : str
        One of `MOVABLE`.
    month, to : date
        From the month of this day to the month of that one.
    hours : float
        Hours, more than 0; where the month has fewer, those it has.
    manager_id : str
        Whose; empty: every manager's.
    """

    activity: str
    month: date
    to: date
    hours: float
    manager_id: str = ""


@dataclass(frozen=True)
class ManagerLevers:
    """What a manager may set in the section ``[levers]`` of a scenario.

    Defaults with a source: coaching of 3 hours a person and month (above it teams reached about
    107 % of quota, below 2 hours 88-90 %; correlation only, Sales Executive Council, quoted by
    caponipg.com), 25-40 % of the time on coaching (meetrecord.com), 15 % on administration
    (observed, A. Rapp, quoted by healthybusinessbuilder.com.au), 60 % of the people at goal (lower
    end of 60-75 %, Zoltners, Sinha and Lorimer, Harvard Business Review). The others are the
    kit's own starting values.

    Attributes
    ----------
    coaching_hours_a_rep : float
        Least coaching hours a person and month.
    coaching_share : float
        Coaching is raised to this share of the manager's hours where these allow it; the rise
        goes to the middle of the team. 0: never raised.
    coaching_most_hours_a_rep : float
        Nobody's coaching is raised above these hours a month.
    one_on_one_hours_a_rep : float
        Hours of personal talks a person and month.
    field_days_a_rep_quarter, trade_shows, trade_show_days, industry_days : float
        Days in the field a person and quarter; trade shows a year and days each; days of
        industry meetings a year.
    customer_meeting_hours, market_reading_hours, planning_hours : float
        Hours a month.
    admin_share, own_selling_share : float
        Shares of the manager's hours; own selling counts only for managers with a goal.
    leave_share, hours_a_day : float
        Share of working days lost to leave, holidays and illness (of a manager whose leave stands
        in the table ``calendar``, that counts instead); hours of a working day.
    people_at_goal_share : float
        Share of the team that should reach its goal.
    move : tuple of Move
        Hours that go to another month.
    """

    coaching_hours_a_rep: float = 3.0
    coaching_share: float = 0.25
    coaching_most_hours_a_rep: float = 8.0
    one_on_one_hours_a_rep: float = 1.0
    field_days_a_rep_quarter: float = 1.0
    trade_shows: float = 2.0
    trade_show_days: float = 2.0
    industry_days: float = 4.0
    customer_meeting_hours: float = 4.0
    market_reading_hours: float = 4.0
    planning_hours: float = 8.0
    admin_share: float = 0.15
    own_selling_share: float = 0.0
    leave_share: float = 0.12
    hours_a_day: float = 8.0
    people_at_goal_share: float = 0.6
    move: tuple[Move, ...] = ()

    def basis(self, activity: str) -> str:
        """Say in words how the hours of an activity come about."""
        return _BASIS[activity].format(**asdict(self))


def read_levers(section: Written) -> ManagerLevers:
    """Read ``[levers]``; what it does not name keeps its default, and what is wrong is noted there."""
    usual = asdict(ManagerLevers())
    section.keys(usual)
    del usual["move"]
    moves = [_read_move(row) for row in section.rows("move")]
    return ManagerLevers(
        **{
            lever: section.number(lever, value, least=0, most=_most(lever))
            for lever, value in usual.items()
        },
        move=tuple(moves),
    )


def _read_move(row: Written) -> Move:
    row.keys([part.name for part in fields(Move)])
    for key in ("activity", "month", "to", "hours"):
        if key not in row:
            row.fault(f"needs {key}")
    read = Move(
        row.text("activity", MOVABLE[0]),
        row.day("month", date.min).replace(day=1),
        row.day("to", date.max).replace(day=1),
        row.number("hours", 0.0, least=0.25, most=1000.0),
        row.text("manager_id"),
    )
    row.known([read.activity], MOVABLE, " activity")
    if read.month == read.to:
        row.fault(f"month and to are both {read.to:%Y-%m}")
    return read


def _most(lever: str) -> float:
    if lever == "hours_a_day":
        return 24.0
    return 1.0 if lever.endswith("_share") else 1000.0
