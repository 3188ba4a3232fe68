"""Proposals with evidence, counter-proposals, acceptance; the log; the total stays."""

from planning_kit.agreement.heard import propose_from_table
from planning_kit.agreement.log import (
    Event,
    Log,
    append,
    open_log,
    read_events,
    record_events,
    verify,
)
from planning_kit.agreement.meet import counter_offers
from planning_kit.agreement.publish import agreed_goals, agreement_findings, can_publish, still_open
from planning_kit.agreement.state import MOVES, replay
from planning_kit.agreement.store import EVENT_COLUMNS

__all__ = [
    "EVENT_COLUMNS",
    "MOVES",
    "Event",
    "Log",
    "agreed_goals",
    "agreement_findings",
    "append",
    "can_publish",
    "counter_offers",
    "open_log",
    "propose_from_table",
    "read_events",
    "record_events",
    "replay",
    "still_open",
    "verify",
]
