import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from dataclasses import replace
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planning_kit.agreement import (
    EVENT_COLUMNS,
    Event,
    Voices,
    append,
    last_line,
    log_problems,
    open_log,
    read_events,
    record_events,
    verify,
)
from planning_kit.agreement import log as log_module
from planning_kit.agreement.keys import VARIABLE
from planning_kit.messages import DataError
from tests.making import make_settings

PLAN = make_settings(rounding_unit=100)
ABOVE = ("mia", "zoe")
VOICES = Voices({"ann": ABOVE, "bob": ABOVE, "cy": ABOVE, "mia": ("zoe",), "zoe": ()})
REPO = Path(__file__).parents[1]
EVIDENCE = ({"account": "Ölwerk", "amount": 900, "probability": 0.5, "reason": "renewal"},)
TALK = (
    Event("assign", "ann", "plan", 1000, time="2025-11-01T08:00:00Z"),
    Event("assign", "bob", "plan", 2000, time="2025-11-01T08:00:00Z"),
    Event("propose", "ann", "ann", 800, "two deals", EVIDENCE, time="2025-11-02T08:00:00Z"),
    Event("counter", "ann", "mia", 900, "halfway", time="2025-11-03T08:00:00Z"),
    Event("accept", "ann", "ann", 900, time="2025-11-04T08:00:00Z"),
    Event("escalate", "bob", "bob", reason="territory was cut", time="2025-11-05T08:00:00Z"),
    Event("decide", "bob", "zoe", 1700, "cut agreed", time="2025-11-06T08:00:00Z"),
)


def filled_log(path):
    log = open_log(path, PLAN)
    append(log, TALK, VOICES, "tester")
    return log


def change(path, *statements):
    """Change the file behind the program's back."""
    database = sqlite3.connect(path)
    database.execute("PRAGMA synchronous = OFF")
    with database:
        database.execute("DROP TRIGGER IF EXISTS no_UPDATE")
        database.execute("DROP TRIGGER IF EXISTS no_DELETE")
        database.execute("DROP INDEX IF EXISTS events_about")
        for statement in statements:
            database.execute(*statement) if isinstance(statement, tuple) else database.execute(
                statement
            )
    database.close()


def fault_of(log):
    rows = verify(log)
    assert rows["status"].tolist()[:1] == ["fail"]
    return rows["message"].iloc[0]


def fault_without_key(path):
    """Say what somebody finds who has the log and not its key."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setenv(VARIABLE, folder)
        return fault_of(open_log(path, PLAN))


def test_opening_and_reading_create_no_file(tmp_path):
    log = open_log(tmp_path / "agreement.db", PLAN)
    assert read_events(log).empty
    assert read_events(log).columns.tolist() == list(EVENT_COLUMNS)
    assert verify(log)["status"].tolist() == ["review"]
    assert append(log, [], VOICES) == []
    assert list(tmp_path.iterdir()) == []


def test_a_line_is_signed_as_the_documentation_says():
    header = {
        "format": "4",
        "plan": "made by hand",
        "currency": "EUR",
        "rounding_unit": "100",
        "starts_on": "2026-01-01",
        "ends_on": "2026-12-31",
    }
    line = {
        "sequence": 1,
        "time": "2025-11-01T08:00:00Z",
        "actor": "plan",
        "behalf": "",
        "user": "tester",
        "kind": "assign",
        "rep_id": "ann",
        "product_line": "",
        "territory_id": "",
        "units": 10,
        "amount": "1000",
        "reason": "",
        "evidence": "[]",
        "basis": "",
        "turn": 1,
        "seen": signed(header),
    }
    events = record_events(TALK[:1], PLAN, user="tester")
    content = signed({name: value for name, value in line.items() if name != "sequence"})
    placed = f"{signed(header)} 1 {content}"
    assert events["digest"].tolist() == [hashlib.sha256(placed.encode()).hexdigest()]


def signed(content):
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def placed(line):
    """Digest a line as anybody can who has read the documentation."""
    links = ("sequence", "previous", "digest", "signature")
    content = signed({name: value for name, value in line.items() if name not in links})
    text = f"{line['previous']} {line['sequence']} {content}"
    return {**line, "digest": hashlib.sha256(text.encode()).hexdigest()}


def forged_line(like, **changed):
    """Give the cells of a line that somebody without the key wrote."""
    line = placed({**like, "signature": SIGNATURE, **changed})
    return tuple(line[name] for name in EVENT_COLUMNS)


def test_lines_in_a_file_and_without_a_file_are_the_same(tmp_path):
    log = filled_log(tmp_path / "a.db")
    written, noted = read_events(log), record_events(TALK, PLAN, user="tester")
    assert (written["signature"] != "").all() and (noted["signature"] == "").all()
    pd.testing.assert_frame_equal(
        written.drop(columns="signature"), noted.drop(columns="signature")
    )
    assert verify(log)["status"].tolist() == ["pass"]


@given(st.text(min_size=1), st.text(), st.text(min_size=1))
@settings(max_examples=60, deadline=None)
def test_every_text_comes_back_as_it_was_written(reason, label, name):
    if not (reason.strip() and name.strip()):
        return
    event = Event("note", "ann", name, reason=reason, product_line=label)
    row = record_events([TALK[0], event], PLAN).iloc[1]
    assert row["reason"] == reason.strip()
    assert row["actor"] == name.strip()
    assert row["product_line"] == label if label else pd.isna(row["product_line"])


def test_the_log_of_another_plan_is_refused_with_every_difference(tmp_path):
    filled_log(tmp_path / "a.db")
    other = make_settings(rounding_unit=1000, starts_on=date(2027, 1, 1))
    with pytest.raises(DataError, match=r"rounding_unit is '100' .* '1000'.*; starts_on is"):
        open_log(tmp_path / "a.db", other)


def test_a_log_opened_before_another_plan_wrote_its_first_line_is_refused_too(tmp_path):
    early = open_log(tmp_path / "a.db", make_settings(name="another"))
    filled_log(tmp_path / "a.db")
    with pytest.raises(DataError, match="the log of another plan: plan is 'made by hand'"):
        append(early, TALK, VOICES)


def test_a_file_that_is_no_log_is_refused_and_left_alone(tmp_path):
    (tmp_path / "a.db").write_text("rep_id;goal\n" * 50)
    with pytest.raises(DataError, match="cannot be read: file is not a database"):
        open_log(tmp_path / "a.db", PLAN)
    database = sqlite3.connect(tmp_path / "b.db")
    database.execute("CREATE TABLE invoices (amount)")
    database.close()
    with pytest.raises(DataError, match=r"'b\.db' is a database, but not an agreement log"):
        open_log(tmp_path / "b.db", PLAN)


def test_a_folder_that_is_not_there_says_so(tmp_path):
    with pytest.raises(DataError, match=r"unable to open database file\. See that its folder"):
        append(open_log(tmp_path / "no" / "a.db", PLAN), TALK, VOICES)


def test_the_file_itself_refuses_changes_and_deletions(tmp_path):
    filled_log(tmp_path / "a.db")
    database = sqlite3.connect(tmp_path / "a.db")
    for statement in ("UPDATE events SET amount = '1'", "DELETE FROM events"):
        with pytest.raises(sqlite3.IntegrityError, match="the agreement log only grows"):
            database.execute(statement)
    database.close()


TEMPLATE = {}


@pytest.fixture(scope="module", autouse=True)
def template(tmp_path_factory):
    TEMPLATE["path"] = tmp_path_factory.mktemp("log") / "template.db"
    filled_log(TEMPLATE["path"])


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    return tmp_path_factory.mktemp("copies") / "a.db"


NUMBERS = st.integers(1, len(TALK))
SIGNATURE = f"{'0' * 8}:{'0' * 64}"  # as somebody without the key would write it


@given(NUMBERS, st.sampled_from(EVENT_COLUMNS[1:]))
@settings(max_examples=40, deadline=None)
def test_an_edited_line_is_named(copied, number, column):
    shutil.copy(TEMPLATE["path"], copied)
    change(copied, f"UPDATE events SET {column} = '77' WHERE sequence = {number}")
    message = fault_of(open_log(copied, PLAN))
    if column == "signature":
        assert message.startswith(f"line {number} is not signed with the key of this plan")
        return
    assert message == f"line {number} was changed after it was recorded."
    assert len(open_log(copied, PLAN).read()[1]) == len(TALK)  # for whoever looks into it
    with pytest.raises(DataError, match=f"line {number} was changed after it was recorded"):
        read_events(open_log(copied, PLAN))  # nobody is given a number of such a log


@given(NUMBERS, st.booleans())
@settings(max_examples=30, deadline=None)
def test_a_removed_line_is_named_even_when_the_others_are_numbered_anew(copied, number, anew):
    shutil.copy(TEMPLATE["path"], copied)
    shift = f"UPDATE events SET sequence = sequence - 1 WHERE sequence > {number}"
    change(copied, f"DELETE FROM events WHERE sequence = {number}", *[shift] * anew)
    message = fault_of(open_log(copied, PLAN))
    assert message.startswith(f"line {number} was ")
    assert "removed" in message


@given(NUMBERS, NUMBERS)
@settings(max_examples=30, deadline=None)
def test_exchanged_lines_are_named(copied, first, second):
    if first == second:
        return
    shutil.copy(TEMPLATE["path"], copied)
    swap = "UPDATE events SET sequence = {} WHERE sequence = {}"
    change(copied, swap.format(0, first), swap.format(first, second), swap.format(second, 0))
    assert fault_of(open_log(copied, PLAN)).startswith(f"line {min(first, second)} was recorded as")


@given(NUMBERS)
@settings(max_examples=20, deadline=None)
def test_an_inserted_line_is_named(copied, number):
    """The forger numbers the later lines anew and signs the new one, as any program can."""
    shutil.copy(TEMPLATE["path"], copied)
    before = record_events(TALK, PLAN, user="tester").astype(object).to_dict("records")
    like = {**before[number - 1], "kind": "note", "units": None, "amount": "", "basis": ""}
    like |= {"product_line": "", "territory_id": ""}
    values = forged_line(like, reason="never said")
    shift = [
        f"UPDATE events SET sequence = {k + 1} WHERE sequence = {k}"
        for k in range(len(TALK), number - 1, -1)
    ]
    marks = ", ".join("?" * len(EVENT_COLUMNS))
    change(copied, *shift, (f"INSERT INTO events VALUES ({marks})", values))
    assert fault_of(open_log(copied, PLAN)).startswith(f"line {number} is not signed with the key")
    message = fault_without_key(copied)
    assert message.startswith(f"line {number + 1} was recorded as line {number}: a line before it")
    assert "inserted" in message


@given(st.integers(1, len(TALK) - 1))
@settings(max_examples=6, deadline=None)
def test_a_line_replaced_and_signed_anew_does_not_fit_the_next_one(copied, number):
    shutil.copy(TEMPLATE["path"], copied)
    line = dict(open_log(copied, PLAN).read()[1][number - 1], reason="said otherwise")
    values = (line["reason"], placed(line)["digest"], number)
    change(copied, ("UPDATE events SET reason = ?, digest = ? WHERE sequence = ?", values))
    assert fault_of(open_log(copied, PLAN)).startswith(f"line {number} is not signed with the key")
    expected = f"line {number + 1} does not follow line {number}: one of them was replaced."
    assert fault_without_key(copied) == expected


def test_a_line_added_at_the_end_past_the_program_is_named(copied):
    shutil.copy(TEMPLATE["path"], copied)
    last = open_log(copied, PLAN).read()[1][-1]
    links = dict.fromkeys(("previous", "seen"), last["digest"])
    values = forged_line(last, sequence=8, turn=last["turn"] + 1, reason="never said", **links)
    change(copied, (f"INSERT INTO events VALUES ({', '.join('?' * len(EVENT_COLUMNS))})", values))
    assert fault_of(open_log(copied, PLAN)).startswith("line 8 is not signed with the key")
    assert fault_without_key(copied) == "line 8 was inserted past this program."


def test_a_log_is_verified_once_for_each_state_of_its_file(tmp_path, monkeypatch):
    path = tmp_path / "a.db"
    log = filled_log(path)
    numbers: list[int] = []
    first_fault = log_module.first_fault

    def counted(header, head, lines, *key):
        numbers.append(len(lines))
        return first_fault(header, head, lines, *key)

    monkeypatch.setattr(log_module, "first_fault", counted)
    for _ in range(3):
        assert last_line(open_log(path, PLAN)) == (7, read_events(log)["digest"].iloc[-1])
    assert numbers == [7]
    append(log, Event("note", "ann", "mia", reason="hello"), VOICES)
    assert last_line(log)[0] == len(read_events(open_log(path, PLAN))) == 8
    assert numbers == [7, 8]
    change(path, "UPDATE events SET amount = '5' WHERE sequence = 3")
    with pytest.raises(DataError, match="line 3 was changed"):
        last_line(log)


def test_problems_of_the_log_are_rows_of_the_table_of_problems(tmp_path):
    filled_log(tmp_path / "a.db")
    assert log_problems(tmp_path / "a.db", PLAN) == log_problems(tmp_path / "none.db", PLAN) == []
    change(tmp_path / "a.db", "UPDATE events SET reason = 'x' WHERE sequence = 2")
    (problem,) = log_problems(tmp_path / "a.db", PLAN)
    assert problem["status"] == "fail" and problem["file"] == "a.db"
    assert "line 2 was changed" in problem["message"]
    (other,) = log_problems(tmp_path / "a.db", make_settings(name="another"))
    assert "the log of another plan" in other["message"]


@pytest.mark.parametrize("value", ["5", "", "5 abc", "x y", None, f"{'9' * 5000} abc"])
def test_a_changed_note_of_the_last_line_is_seen(copied, value):
    shutil.copy(TEMPLATE["path"], copied)
    change(copied, ("UPDATE head SET value = ? WHERE item = 'last'", (value,)))
    assert "the note of the last line" in fault_of(open_log(copied, PLAN))


def test_a_log_without_its_head_is_seen(copied):
    shutil.copy(TEMPLATE["path"], copied)
    change(copied, "DELETE FROM head")
    assert "the note of the last line" in fault_of(open_log(copied, PLAN))


def test_a_whole_new_chain_is_seen_by_a_digest_noted_elsewhere(tmp_path):
    noted = filled_log(tmp_path / "a.db").read()[1][4]["digest"]
    forged = open_log(tmp_path / "b.db", PLAN)
    cheaper = [replace(e, amount=700) if e.kind in ("counter", "accept") else e for e in TALK]
    append(forged, cheaper, VOICES)
    assert verify(forged)["status"].tolist() == ["pass"]
    assert verify(forged, [noted])["finding_id"].tolist() == ["agreement.noted"]
    assert verify(open_log(tmp_path / "a.db", PLAN), [noted])["status"].tolist() == ["pass"]


def test_nothing_is_added_to_a_log_out_of_order(copied):
    shutil.copy(TEMPLATE["path"], copied)
    change(copied, "UPDATE events SET amount = '1' WHERE sequence = 3")
    with pytest.raises(DataError, match=r"line 3 was changed.*Nothing is added"):
        append(open_log(copied, PLAN), Event("note", "ann", "mia", reason="hello"), VOICES)


def test_one_refused_event_keeps_the_others_out_and_every_fault_is_said(tmp_path):
    log = filled_log(tmp_path / "a.db")
    wrong = [
        Event("note", "ann", "mia", reason="fine"),
        Event("propose", "ann", "ann", 700),
        Event("counter", "bob", "mia", 850.5, "no"),
    ]
    with pytest.raises(DataError) as error:
        append(log, wrong, VOICES)
    assert "2 of 3 events refused, nothing recorded" in str(error.value)
    assert "ann: propose is not possible, the goal is accepted (by ann)" in str(error.value)
    assert "850.5 is no multiple of 100; the nearest is 900" in str(error.value)
    assert len(read_events(log)) == len(TALK)


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (Event("assign", "cy", "plan", -100), "never negative"),
        (Event("assign", "cy", "plan", float("nan")), "an amount lies between"),
        (Event("assign", "cy", "plan", float("inf")), "an amount lies between"),
        (Event("assign", "cy", "plan", "much"), "write an amount"),
        (Event("assign", " ", "plan", 100), "a name is empty"),
        (Event("note", "ann", "", reason="x"), "a name is empty"),
        (Event("note", "ann", "mia", reason="\ud800"), "cannot be written"),
        (Event("note", "ann", "mia", reason="x", time="2025-12-01"), "with its zone"),
        (Event("note", "ann", "mia", reason="x", time="yesterday"), "with its zone"),
        (Event("note", "ann", "mia", reason="x", time="2025-11-06T07:00:00Z"), "only grows"),
        (Event("note", "ann", "mia", reason="x", evidence=[{"amount": 1}]), "neither account nor"),
        (Event("note", "ann", "mia", reason="x", evidence=[{"acount": 1}]), "mean 'account'"),
        (
            Event(
                "note",
                "ann",
                "m",
                reason="x",
                evidence=[{"account": "A", "amount": 1, "probability": 1.2}],
            ),
            "from 0 to 1",
        ),
        (
            Event("note", "ann", "mia", reason="x", evidence=[{"account": "A", "probability": 1}]),
            "amount is None",
        ),
    ],
)
def test_a_faulty_event_is_refused_in_words(event, message):
    with pytest.raises(DataError, match=message):
        record_events([*TALK, event], PLAN)


def test_amounts_are_exact_text_also_for_cents():
    events = record_events([Event("assign", "ann", "plan", 0.3)], make_settings(rounding_unit=0.01))
    assert events[["units", "amount"]].iloc[0].tolist() == [30, "0.30"]
    large = record_events([Event("assign", "a", "plan", 1e12)], make_settings(rounding_unit=0.01))
    assert large["amount"].tolist() == ["1000000000000.00"]


def test_a_time_with_another_zone_is_kept_in_utc_and_now_never_runs_back():
    events = record_events(
        [
            Event("assign", "a", "p", 1, time="2026-01-05T01:30:00+02:00"),
            Event("note", "a", "p", reason="later"),
        ],
        make_settings(),
        time="2020-01-01T00:00:00Z",
    )
    assert events["time"].tolist() == ["2026-01-04T23:30:00Z"] * 2


WRITER = """
import sys
import tempfile
from tests.making import make_settings
from planning_kit.agreement import Event, Voices, append, open_log
log = open_log({path!r}, make_settings(rounding_unit=100))
print("ready", flush=True); sys.stdin.readline()
for number in range({count}):
    append(log, Event("note", "ann", "{name}", reason=f"{name} {{number}}"), Voices({{"ann": ["x", "y"]}}))
"""


def start(code, **values):
    code = code.format(**values)
    environment = {**os.environ, "PYTHONPATH": str(REPO)}
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )


def test_two_processes_write_at_once_and_no_line_is_lost(tmp_path):
    path, count = tmp_path / "a.db", 25
    log = filled_log(path)
    writers = [start(WRITER, path=str(path), name=name, count=count) for name in ("x", "y")]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0
    events = read_events(log)
    assert verify(log)["status"].tolist() == ["pass"]
    assert len(events) == len(TALK) + 2 * count
    for name in ("x", "y"):
        said = events.loc[events["actor"] == name, "reason"].tolist()
        assert said == [f"{name} {k}" for k in range(count)]


KILLED = """
import os, signal, sys
from tests.making import make_settings
from planning_kit.agreement import Event, Voices, append, open_log
from planning_kit.agreement import store_sqlite
chained = store_sqlite.chained
class Row(dict):
    def __getitem__(self, name):
        if name == "sequence" and dict.__getitem__(self, name) == 900:
            os.kill(os.getpid(), signal.SIGKILL)
        return dict.__getitem__(self, name)
store_sqlite.chained = lambda *words: [Row(line) for line in chained(*words)]
log = open_log({path!r}, make_settings(rounding_unit=100))
append(log, [Event("note", "ann", "x", reason="z" * 9000) for _ in range(1000)], Voices({{"ann": ["x"]}}))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system cannot kill at once")
def test_a_process_killed_in_the_middle_of_an_append_leaves_the_lines_before_it(tmp_path):
    path = tmp_path / "a.db"
    log = filled_log(path)
    before, size = read_events(log), path.stat().st_size
    killed = start(KILLED, path=str(path))
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    # The half-written lines really are on the disk: the reader has to take them back.
    assert (tmp_path / "a.db-journal").exists()
    assert path.stat().st_size > size
    pd.testing.assert_frame_equal(read_events(log), before)
    assert verify(log)["status"].tolist() == ["pass"]
    append(log, Event("note", "ann", "mia", reason="goes on"), VOICES)
    assert len(read_events(log)) == len(TALK) + 1
