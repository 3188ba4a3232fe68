"""What a manager may set, and the defaults with their sources."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from planning_kit.messages import Written

# In the order in which hours are given out: what cannot be left out comes first.
ACTIVITIES = (
    "admin",
    "own_selling",
    "planning",
    "one_on_one",
    "coaching",
    "promised",
    "field_work",
    "market_reading",
    "trade_show",
    "industry_meeting",
)
COACHING_SHARES = (0.25, 0.40)
_BASIS = {
    "admin": "{admin_share:.0%} of the hours",
    "own_selling": "{own_selling_share:.0%} of the hours of a manager with a goal",
    "planning": "{planning_hours:g} h a month",
    "one_on_one": "{one_on_one_hours_a_rep:g} h a person and month",
    "coaching": "at least {coaching_hours_a_rep:g} h a person and month, raised to "
    "{coaching_share:.0%} of the hours where these allow it",
    "promised": "promised in the agreements, spread to the day they are due",
    "field_work": "field days a person and quarter: {field_days_a_rep_quarter:g}",
    "market_reading": "{market_reading_hours:g} h a month",
    "trade_show": "{trade_shows:g} shows a year, {trade_show_days:g} days each",
    "industry_meeting": "{industry_days:g} days a year",
}


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
    market_reading_hours, planning_hours : float
        Hours a month.
    admin_share, own_selling_share : float
        Shares of the manager's hours; own selling counts only for managers with a goal.
    leave_share, hours_a_day : float
        Share of working days lost to leave, holidays and illness; hours of a working day.
    people_at_goal_share : float
        Share of the team that should reach its goal.
    """

    coaching_hours_a_rep: float = 3.0
    coaching_share: float = 0.25
    coaching_most_hours_a_rep: float = 8.0
    one_on_one_hours_a_rep: float = 1.0
    field_days_a_rep_quarter: float = 1.0
    trade_shows: float = 2.0
    trade_show_days: float = 2.0
    industry_days: float = 4.0
    market_reading_hours: float = 4.0
    planning_hours: float = 8.0
    admin_share: float = 0.15
    own_selling_share: float = 0.0
    leave_share: float = 0.12
    hours_a_day: float = 8.0
    people_at_goal_share: float = 0.6

    def basis(self, activity: str) -> str:
        """Say in words how the hours of an activity come about."""
        return _BASIS[activity].format(**asdict(self))


def read_levers(section: Written) -> ManagerLevers:
    """Read ``[levers]``; what it does not name keeps its default, and what is wrong is noted there."""
    usual = asdict(ManagerLevers())
    section.keys(usual)
    return ManagerLevers(
        **{
            lever: section.number(lever, value, least=0, most=_most(lever))
            for lever, value in usual.items()
        }
    )


def _most(lever: str) -> float:
    if lever == "hours_a_day":
        return 24.0
    return 1.0 if lever.endswith("_share") else 1000.0
