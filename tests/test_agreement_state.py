import io
import itertools
import json
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import settings as limits
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from planning_kit.agreement import (
    MOVES,
    Event,
    Log,
    Voices,
    append,
    open_log,
    play_log,
    read_events,
    record_events,
    still_open,
    verify,
)
from planning_kit.agreement.chain import chained, end_of
from planning_kit.agreement.promises import promise_basis
from planning_kit.agreement.store import Kept
from planning_kit.messages import DataError
from tests.making import make_settings

PLAN = make_settings(rounding_unit=100)
DEALS = (
    {"account": "Oak", "amount": 500, "probability": 0.8, "reason": "renewal"},
    {"product": "GTX", "amount": 400, "probability": 0.5},
)


def played(*events, until=None):
    return play_log(record_events(events, PLAN), until).set_index("rep_id")


ASSIGN = Event("assign", "ann", "plan", 1000, time="2025-11-01T08:00:00Z")
PROPOSE = Event("propose", "ann", "ann", 800, evidence=DEALS, time="2025-11-02T08:00:00Z")
COUNTER = Event("counter", "ann", "mia", 900, "halfway", time="2025-11-03T08:00:00Z")
ACCEPT = Event("accept", "ann", "ann", 900, time="2025-11-04T08:00:00Z")
REOPEN = Event("assign", "ann", "mia", 1200, "took over a territory", time="2026-07-01T08:00:00Z")


def test_a_talk_from_the_first_number_to_the_agreed_one():
    row = played(ASSIGN, PROPOSE, COUNTER, ACCEPT).loc["ann"]
    assert row[["assigned", "proposed", "countered", "agreed"]].tolist() == [1000, 800, 900, 900]
    assert row[["status", "rounds", "last_kind", "last_by"]].tolist() == [
        "accepted",
        1,
        "accept",
        "ann",
    ]
    assert row["last_at"] == "2025-11-04T08:00:00Z"
    assert json.loads(row["agreed_cells"]) == [["", "", "900"]]


def test_coverage_is_probability_times_amount_over_the_proposal_then_over_the_agreed_goal():
    # 500 x 0.8 + 400 x 0.5 = 600
    assert played(ASSIGN, PROPOSE).loc["ann", "coverage"] == pytest.approx(600 / 800)
    agreed = played(ASSIGN, PROPOSE, COUNTER, ACCEPT)
    assert agreed.loc["ann", "coverage"] == pytest.approx(600 / 900)


def test_no_evidence_is_not_the_same_as_evidence_of_nothing():
    bare = Event("propose", "ann", "ann", 800)
    hollow = [{"account": "Oak", "amount": 0, "probability": 1}]
    nothing = Event("propose", "ann", "ann", 800, evidence=hollow)
    assert pd.isna(played(ASSIGN, bare).loc["ann", "coverage"])
    assert played(ASSIGN, nothing).loc["ann", "coverage"] == 0
    assert pd.isna(played(ASSIGN, PROPOSE, bare).loc["ann", "coverage"])


def test_zero_is_a_goal_and_empty_is_not():
    row = played(Event("assign", "ann", "plan", 0), Event("propose", "ann", "ann", 0)).loc["ann"]
    assert row["assigned"] == 0
    assert row["proposed"] == 0
    assert pd.isna(row["countered"])


@pytest.mark.parametrize(
    ("until", "status"),
    [
        ("2025-11-01", "not started"),
        ("2025-11-02T07:59:59Z", "not started"),
        ("2025-11-02T09:00:00+01:00", "proposed"),
        ("2025-11-03", "countered"),
        ("2026-01-01", "accepted"),
        ("2026-12-31", "not started"),
    ],
)
def test_the_state_of_any_past_moment_can_be_had_back(until, status):
    talk = (ASSIGN, PROPOSE, COUNTER, ACCEPT, REOPEN)
    assert played(*talk, until=until).loc["ann", "status"] == status


def test_before_the_first_line_there_is_an_empty_state_with_the_same_columns():
    before = play_log(record_events([ASSIGN], PLAN), "2025-10-31")
    after = play_log(record_events([ASSIGN], PLAN))
    assert before.empty
    assert before.dtypes.equals(after.dtypes)


def test_reopening_keeps_the_earlier_agreement_in_the_log_only():
    row = played(ASSIGN, PROPOSE, COUNTER, ACCEPT, REOPEN).loc["ann"]
    assert row["assigned"] == 1200
    assert row[["proposed", "countered", "agreed"]].isna().all()
    with pytest.raises(DataError, match="assign needs a reason"):
        played(ASSIGN, PROPOSE, COUNTER, ACCEPT, Event("assign", "ann", "mia", 1200))


def test_a_person_may_accept_the_assigned_number_at_once():
    row = played(ASSIGN, Event("accept", "ann", "ann", 1000)).loc["ann"]
    assert row[["agreed", "status", "rounds"]].tolist() == [1000, "accepted", 0]


def test_a_note_is_no_word_in_the_negotiation():
    said = played(ASSIGN, PROPOSE)
    noted = played(ASSIGN, PROPOSE, Event("note", "ann", "mia", reason="call on Monday"))
    pd.testing.assert_frame_equal(said, noted)


@pytest.mark.parametrize(
    ("talk", "message"),
    [
        ([PROPOSE], "ann: propose is not possible, no goal was assigned yet; begin"),
        (
            [ASSIGN, Event("propose", "anne", "ann", 100)],
            "anne: propose is not possible, no goal was assigned yet",
        ),
        (
            [ASSIGN, COUNTER],
            "counter is not possible, the goal is not started .by plan.. "
            "Possible now: assign, propose, accept, escalate, note",
        ),
        ([ASSIGN, PROPOSE, Event("counter", "ann", "mia", 900)], "counter needs a reason"),
        ([ASSIGN, PROPOSE, Event("counter", "ann", "mia", None, "more")], "needs an amount"),
        ([ASSIGN, Event("escalate", "ann", "ann", 900, "no")], "escalate carries no amount"),
        ([ASSIGN, Event("escalate", "ann", "ann")], "escalate needs a reason"),
        ([ASSIGN, Event("note", "ann", "ann", reason="  ")], "note needs a reason"),
        (
            [ASSIGN, PROPOSE, Event("accept", "ann", "mia", 900)],
            "was offered by nobody. On the table: assigned 1,000 .by plan., proposed 800 .by ann.",
        ),
        (
            [ASSIGN, PROPOSE, COUNTER, Event("accept", "ann", "ann", 1000)],
            "offered by nobody. On the table: countered 900",
        ),
        ([ASSIGN, PROPOSE, Event("accept", "ann", "ann", 800)], "own number, the other side"),
        (
            [ASSIGN, PROPOSE, COUNTER, ACCEPT, Event("propose", "ann", "ann", 700)],
            "accepted .by ann.. Possible now: assign, sign, note, promise; assign with a reason reopens",
        ),
        ([ASSIGN, Event("decide", "ann", "mia", 900, "so be it")], "decide is not possible"),
        ([ASSIGN, Event("agree", "ann", "mia", 900)], "kind of event: 1 unknown label: 'agree'"),
    ],
)
def test_a_move_that_is_not_possible_says_what_is(talk, message):
    with pytest.raises(DataError, match=message):
        record_events([*talk[:-1], replace(talk[-1], time="")], PLAN)


PARTS = (
    Event("assign", "ann", "plan", 600, product_line="GTX"),
    Event("assign", "ann", "plan", 400, product_line="MG"),
)


def test_a_move_about_one_product_line_leaves_the_others_as_they_were():
    gtx = Event("propose", "ann", "ann", 400, product_line="GTX", evidence=DEALS)
    assert played(*PARTS).loc["ann", "assigned"] == 1000
    assert played(*PARTS, gtx).loc["ann", "proposed"] == 800  # 400 and the 400 of MG
    two = (*PARTS, gtx, Event("propose", "ann", "ann", 300, product_line="MG"))
    assert played(*two).loc["ann", ["proposed", "rounds"]].tolist() == [700, 1]
    counter = Event("counter", "ann", "mia", 500, "halfway", product_line="GTX")
    agreed = played(*two, counter, Event("accept", "ann", "ann", 800)).loc["ann"]
    assert json.loads(agreed["agreed_cells"]) == [["GTX", "", "500"], ["MG", "", "300"]]
    assert agreed["coverage"] == pytest.approx(600 / 800)


def test_a_part_nobody_assigned_is_refused_with_the_nearest_one():
    wrong = Event("propose", "ann", "ann", 500, product_line="GTXX")
    with pytest.raises(DataError, match=r"part of the goal: 1 unknown label: 'GTXX' .*'GTX'"):
        played(*PARTS, wrong)
    with pytest.raises(DataError, match="Known: 'the whole goal'"):
        played(ASSIGN, Event("propose", "ann", "ann", 500, product_line="MG"))
    with pytest.raises(DataError, match="escalate is about the whole goal"):
        played(*PARTS, Event("escalate", "ann", "ann", None, "no", product_line="GTX"))


def test_publishing_waits_for_everybody():
    bob = Event("assign", "bob", "plan", 500)
    state = play_log(record_events([ASSIGN, bob, Event("accept", "ann", "ann", 1000)], PLAN))
    assert still_open(state) == ["bob"]
    assert still_open(state, pd.Series(["ann", "cy"])) == ["cy"]
    stuck = [
        ASSIGN,
        bob,
        Event("accept", "ann", "ann", 1000),
        Event("escalate", "bob", "bob", reason="territory was cut"),
    ]
    assert still_open(play_log(record_events(stuck, PLAN))) == []


PLACES = itertools.count()


class MemoryStore:
    """A place for lines without a file, as a team's database would be one."""

    def __init__(self):
        self.notes, self.lines = {}, []
        self.place = f"memory {id(self)} {next(PLACES)}"

    def state(self):
        return len(self.lines)

    def head(self):
        return dict(self.notes)

    def read(self):
        return dict(self.notes), list(self.lines)

    def look(self, number, people):
        wanted = [
            line
            for line in self.lines
            if line["sequence"] in (number, len(self.lines)) or line["rep_id"] in people
        ]
        return Kept(dict(self.notes), {line["sequence"]: line for line in wanted})

    def add(self, header, seen_at, drafts):
        last = self.lines[-1] if self.lines else {"sequence": 0, "digest": drafts[0][1]["seen"]}
        added = chained(drafts, (last["sequence"], last["digest"]))
        self.notes |= {**header, **end_of(added[-1])}
        self.lines = self.lines + added
        return added


PEOPLE = st.sampled_from(["ann", "bob"])
ACTORS = st.sampled_from(["ann", "bob", "mia", "plan"])
VOICES = Voices({"ann": ["mia"], "bob": ["mia"], "mia": []})
AMOUNTS = st.sampled_from([None, 0, 100, 200])
REASONS = st.sampled_from(["", "because"])


class Negotiation(RuleBasedStateMachine):
    """Any moves in any order: the possible ones are kept, the others change nothing."""

    @initialize()
    def begin(self):
        self.log = Log(MemoryStore(), open_log("unused.db", PLAN).header)
        first = [Event("assign", "ann", "plan", 200), Event("assign", "bob", "plan", 100)]
        append(self.log, first, VOICES)
        self.words = {"ann": {"assigned": (200, "plan")}, "bob": {"assigned": (100, "plan")}}
        self.escalated_by = {}

    @rule(
        kind=st.sampled_from(sorted({k for kinds in MOVES.values() for k in kinds})),
        rep_id=PEOPLE,
        actor=ACTORS,
        amount=AMOUNTS,
        reason=REASONS,
    )
    def move(self, kind, rep_id, actor, amount, reason):
        before = self.state()
        possible = self.allowed(kind, before.loc[rep_id], actor, amount, reason)
        try:
            basis = promise_basis("mia", "2026-03-31", 4) if kind == "promise" else {}
            append(self.log, Event(kind, rep_id, actor, amount, reason, basis=basis), VOICES)
        except DataError:
            pd.testing.assert_frame_equal(before, self.state())
            assert not possible
            return
        assert possible
        self.remember(kind, rep_id, actor, amount, before.loc[rep_id, "status"])
        others = before.index != rep_id
        pd.testing.assert_frame_equal(before[others], self.state()[others])

    def allowed(self, kind, row, actor, amount, reason):
        """Tell whether a move is possible: the rules written a second time, in another way."""
        person, words = row.name, self.words[row.name]
        talking = row["status"] in ("not started", "proposed", "countered")
        speakers = {
            "note": {person, "mia", "plan"},
            "promise": {"mia", "plan"},
            "sign": {person, "mia"},
            "assign": {"mia", "plan"},
            "escalate": {person, "mia"},
            "withdraw": {person, "mia"},
            "accept": {person, "mia"},
            "propose": {person},
            "counter": {"mia"},
            "decide": {"plan"},
        }
        if actor not in speakers[kind] or (amount is None) != (
            kind in ("note", "promise", "sign", "escalate", "withdraw")
        ):
            return False
        if kind in ("note", "promise", "escalate"):
            return reason != "" and (talking or kind != "escalate")
        if kind == "sign":
            return row["status"] in ("accepted", "decided")
        if kind in ("counter", "decide") and not reason:
            return False
        if kind == "assign":
            return row["status"] == "not started" or reason != ""
        if kind == "withdraw":
            last = words.get(row["status"], (0, self.escalated_by.get(person)))[1]
            return row["status"] in ("proposed", "countered", "escalated") and last == actor
        if kind == "accept":
            planner = words.get("countered", words["assigned"])
            offered = planner if actor == person else words.get("proposed", (None, ""))
            return (talking or row["status"] == "escalated") and offered[0] == amount
        needed = {
            "propose": ("not started", "proposed", "countered"),
            "decide": ("escalated",),
            "counter": ("proposed", "countered"),
        }[kind]
        return row["status"] in needed

    def remember(self, kind, rep_id, actor, amount, status):
        words = self.words[rep_id]
        if kind == "assign":
            words.clear()
        if kind in ("assign", "propose", "counter"):
            word = {"assign": "assigned", "propose": "proposed", "counter": "countered"}[kind]
            words[word] = (amount, actor)
        if kind == "escalate":
            self.escalated_by[rep_id] = actor
        if kind == "withdraw" and status != "escalated":
            del words[status]

    def state(self):
        return play_log(read_events(self.log)).set_index("rep_id")

    def teardown(self):
        """Replaying gives the same bytes; a number is agreed exactly when the talk is closed."""
        events = read_events(self.log)
        state = play_log(events)
        bytes_ = state.to_csv().encode()
        assert play_log(events.sample(frac=1, random_state=1)).to_csv().encode() == bytes_
        read_back = pd.read_csv(io.StringIO(events.to_csv(index=False)), dtype="str")
        read_back["sequence"] = read_back["sequence"].astype("int64")
        assert play_log(read_back).to_csv().encode() == bytes_
        assert verify(self.log)["status"].tolist() == ["pass"]
        closed = state["status"].isin(["accepted", "decided"])
        assert (closed == state["agreed"].notna()).all()


TestNegotiation = Negotiation.TestCase
TestNegotiation.settings = limits(max_examples=8, stateful_step_count=12, deadline=None)


@pytest.mark.slow
class TestManyNegotiations(Negotiation.TestCase):
    settings = limits(max_examples=60, stateful_step_count=30, deadline=None)
