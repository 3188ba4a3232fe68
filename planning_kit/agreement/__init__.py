"""Proposals with evidence, counter-proposals, acceptance; the log; the goals that stand."""

from planning_kit.agreement.evidence import evidence_problems, suggested_evidence, told_evidence
from planning_kit.agreement.findings import agreement_findings, still_open
from planning_kit.agreement.gap import gap_options
from planning_kit.agreement.goals import Goals, standing_goals
from planning_kit.agreement.heard import propose_from_table
from planning_kit.agreement.log import (
    Event,
    Log,
    append,
    last_line,
    log_problems,
    open_log,
    read_events,
    record_events,
    verify,
)
from planning_kit.agreement.meet import Meeting, counter_offers, meet
from planning_kit.agreement.state import MOVES, play_log
from planning_kit.agreement.store import EVENT_COLUMNS
from planning_kit.agreement.voices import PLANNER, Voices

__all__ = [
    "EVENT_COLUMNS",
    "MOVES",
    "PLANNER",
    "Event",
    "Goals",
    "Log",
    "Meeting",
    "Voices",
    "agreement_findings",
    "append",
    "counter_offers",
    "evidence_problems",
    "gap_options",
    "last_line",
    "log_problems",
    "meet",
    "open_log",
    "play_log",
    "propose_from_table",
    "read_events",
    "record_events",
    "standing_goals",
    "still_open",
    "suggested_evidence",
    "told_evidence",
    "verify",
]
