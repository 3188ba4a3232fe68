"""Lines that were confirmed stay, in order, however many write, die or forge."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from planning_kit.agreement import Event, Voices, append, open_log, read_events, verify
from planning_kit.agreement.chain import content_of, digest_of, end_of, start_of
from planning_kit.agreement.keys import VARIABLE, Seal
from planning_kit.agreement.log import Log
from planning_kit.agreement.store import EVENT_COLUMNS, Overtaken
from planning_kit.agreement.store_postgres import PostgresStore
from planning_kit.messages import DataError
from tests.making import make_settings
from tests.servers import Server, started_server

PLAN = make_settings(rounding_unit=100)
PEOPLE = [f"r{number}" for number in range(8)]
VOICES = Voices({**dict.fromkeys(PEOPLE, ("mia", "zoe")), "mia": ("zoe",), "zoe": ()})
REPO = Path(__file__).parents[1]
ASSIGNED = [Event("assign", rep_id, "plan", 1000) for rep_id in PEOPLE]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with started_server() as started:
        yield started


@pytest.fixture(params=["a file", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give a place for a log: a file, and a schema of its own in a database."""
    if request.param == "a file":
        return str(tmp_path / "a.db")
    started: Server = request.getfixturevalue("server")
    schema = f"plan_{random.Random(str(tmp_path)).getrandbits(40):x}"
    started.run(f"CREATE SCHEMA {schema}")
    return f"{started.url}?options=-csearch_path%3D{schema}"


def begun(place: str) -> Log:
    log = open_log(place, PLAN)
    append(log, ASSIGNED, VOICES)
    return log


# --- who writes at once, and who dies ----------------------------------------------------------

WRITER = """
import sys
from tests.making import make_settings
from planning_kit.agreement import Event, Voices, append, open_log
place, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
log = open_log(place, make_settings(rounding_unit=100))
voices = Voices({f"r{number}": ("mia",) for number in range(8)})
print("ready", flush=True); sys.stdin.readline()
for number in range(count):
    append(log, Event("note", name, "mia", reason=f"{number}"), voices)
    print(number, flush=True)
"""


def started(place: str, name: str, count: int) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", WRITER, place, name, str(count)]
    environment = {**os.environ, "PYTHONPATH": str(REPO)}
    pipe = subprocess.PIPE
    process = subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, env=environment)
    assert process.stdout and process.stdout.readline() == "ready\n"
    return process


def let_write(*writers: subprocess.Popen[str]) -> None:
    for writer in writers:
        assert writer.stdin
        writer.stdin.write("go\n")
        writer.stdin.flush()


def write_together(place: str, writers: int, count: int) -> None:
    log = begun(place)
    processes = [started(place, name, count) for name in PEOPLE[:writers]]
    let_write(*processes)
    for process in processes:
        process.communicate(timeout=600)
        assert process.returncode == 0
    events = read_events(log)
    assert verify(log)["status"].tolist() == ["pass"]
    assert len(events) == len(ASSIGNED) + writers * count
    for name in PEOPLE[:writers]:
        said = events.loc[(events["rep_id"] == name) & (events["kind"] == "note"), "reason"]
        assert said.tolist() == [str(number) for number in range(count)]


def test_whoever_writes_at_once_loses_no_line_and_keeps_the_order(place: str):
    write_together(place, writers=3, count=20)


@pytest.mark.slow
def test_eight_write_a_thousand_lines_each(place: str):
    write_together(place, writers=8, count=1000)


def test_who_knows_an_older_word_looks_again(place: str):
    log, other = begun(place), open_log(place, PLAN)
    append(log, Event("note", "r1", "mia", reason="how is it?"), VOICES)
    append(other, Event("propose", "r1", "r1", 800), VOICES)
    append(log, Event("counter", "r1", "mia", 900, "half way"), VOICES)  # possible only now
    append(other, Event("accept", "r1", "r1", 900), VOICES)
    with pytest.raises(DataError, match="counter is not possible, the goal is accepted"):
        append(log, Event("counter", "r1", "mia", 1000, "no"), VOICES)
    events = read_events(log)
    assert events.loc[events["rep_id"] == "r1", "turn"].tolist() == [1, 2, 3, 4, 5]
    assert verify(log)["status"].tolist() == ["pass"]


def test_of_two_who_answer_the_same_word_one_is_heard_and_the_other_looks_again(place: str):
    log, other = begun(place), open_log(place, PLAN)
    late = Event("propose", "r1", "r1", 900)
    assert not log.hear(["r1"])  # it wrote the goal itself
    drafts = log.drafts([late], ["r1"], VOICES, "r1")
    append(other, Event("propose", "r1", "r1", 800), VOICES)
    with pytest.raises(Overtaken):
        log.add(*drafts)
    assert len(read_events(log)) == len(ASSIGNED) + 1
    (line,) = append(log, Event("note", "r2", "mia", reason="nobody came in between"), VOICES)
    assert line["sequence"] == len(ASSIGNED) + 2 and verify(log)["status"].tolist() == ["pass"]


def test_a_line_names_what_its_writer_had_seen_though_others_came_in_between(place: str):
    log, other = begun(place), open_log(place, PLAN)
    (seen,) = append(log, Event("note", "r1", "mia", reason="one"), VOICES)
    append(other, Event("note", "r2", "mia", reason="two"), VOICES)
    (line,) = append(log, Event("note", "r1", "mia", reason="three"), VOICES)
    assert line["seen"] == seen["digest"] != line["previous"]
    kept = read_events(log).astype(object).to_dict("records")[-1]
    assert (kept["digest"], kept["previous"]) == (line["digest"], line["previous"])


def test_nothing_comes_in_the_place_of_a_log_that_was_deleted_while_it_was_known(tmp_path: Path):
    path = tmp_path / "a.db"
    log = begun(str(path))
    path.unlink()
    with pytest.raises(DataError, match="line 1 was removed: 8 lines are noted"):
        append(log, Event("note", "r1", "mia", reason="hello"), VOICES)
    assert not path.exists()


def kill_at(place: str, seconds: float) -> None:
    """Kill a writer somewhere, and look at what it left."""
    log = open_log(place, PLAN)
    before = len(read_events(log))
    writer = started(place, "r0", 10_000)
    let_write(writer)
    time.sleep(seconds)
    writer.send_signal(signal.SIGKILL)
    said, _ = writer.communicate(timeout=60)
    confirmed = len([line for line in said.splitlines() if line.strip()])
    kept = len(read_events(log)) - before
    assert confirmed <= kept <= confirmed + 1  # the last one may be written and not yet confirmed
    assert verify(log)["status"].tolist() == ["pass"]
    append(log, Event("note", "r1", "mia", reason="goes on"), VOICES)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system cannot kill at once")
@pytest.mark.parametrize("moments", [3, pytest.param(50, marks=pytest.mark.slow)])
def test_a_killed_writer_leaves_every_line_it_confirmed(place: str, moments: int):
    begun(place)
    chosen = random.Random(7)
    for _ in range(moments):
        kill_at(place, chosen.uniform(0.0, 0.3))


FULL = """
import resource, signal, sys
from tests.making import make_settings
from planning_kit.agreement import Event, Voices, append, open_log
from planning_kit.messages import DataError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
log = open_log(sys.argv[1], make_settings(rounding_unit=100))
voices = Voices({"r0": ("mia",)})
append(log, Event("note", "r0", "mia", reason="before"), voices)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
done = 0
try:
    for number in range(1000):
        append(log, Event("note", "r0", "mia", reason="x" * 900), voices)
        done += 1
except DataError as error:
    print(done, error)
"""


@pytest.mark.skipif(os.name != "posix", reason="this system has no limit for the size of files")
def test_a_full_disk_is_named_and_keeps_every_line_before_it(tmp_path: Path):
    place = tmp_path / "a.db"
    log = begun(str(place))
    words = [sys.executable, "-c", FULL, str(place), str(place.stat().st_size + 60_000)]
    environment = {**os.environ, "PYTHONPATH": str(REPO)}
    said = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=120)
    done, _, message = said.stdout.partition(" ")
    assert "agreement log 'a.db': " in message and "has room" in message, said.stderr
    assert len(read_events(log)) == len(ASSIGNED) + 1 + int(done) > len(ASSIGNED) + 5
    append(log, Event("note", "r0", "mia", reason="after"), VOICES)
    assert verify(log)["status"].tolist() == ["pass"]


# --- who forges --------------------------------------------------------------------------------


def own_digest(line: dict[str, Any]) -> str:
    return digest_of(line["previous"], line["sequence"], content_of(line))


class Forger:
    """Somebody who may write the file but does not have the key."""

    def __init__(self, path: Path, seed: int) -> None:
        self.path, self.chosen = path, random.Random(seed)
        with closing(sqlite3.connect(path)) as database:
            rows = database.execute(f"SELECT {', '.join(EVENT_COLUMNS)} FROM events")
            self.lines = [dict(zip(EVENT_COLUMNS, row, strict=True)) for row in rows]
            self.head = dict(database.execute("SELECT item, value FROM head"))

    def any_line(self) -> dict[str, Any]:
        return self.chosen.choice(self.lines)

    def chain_anew(self) -> None:
        """Number and digest all lines anew, as anybody can who has read the documentation."""
        previous, turns = self.first, dict[str, int]()
        digests: dict[str, str] = {previous: previous}
        for number, line in enumerate(self.lines, 1):
            turns[line["rep_id"]] = turn = turns.get(line["rep_id"], 0) + 1
            was = line["digest"]
            line.update(sequence=number, previous=previous, turn=turn)
            line["seen"] = digests.get(line["seen"], previous)
            line["digest"] = digests[was] = previous = own_digest(line)
        self.head_anew()

    @property
    def first(self) -> str:
        return start_of({k: v for k, v in self.head.items() if k != "last"})

    def head_anew(self) -> None:
        self.head |= end_of(self.lines[-1]) if self.lines else {"last": "0 "}

    def save(self) -> None:
        with closing(sqlite3.connect(self.path)) as database, database:
            database.execute("DROP TRIGGER no_UPDATE")
            database.execute("DROP TRIGGER no_DELETE")
            database.execute("DROP INDEX events_about")
            database.execute("DELETE FROM events")
            database.execute("DELETE FROM head")
            marks = ", ".join("?" * len(EVENT_COLUMNS))
            rows = [[line[name] for name in EVENT_COLUMNS] for line in self.lines]
            database.executemany(f"INSERT INTO events VALUES ({marks})", rows)
            database.executemany("INSERT INTO head VALUES (?, ?)", self.head.items())


def edits(column: str, value: Any) -> Callable[[Forger], None]:
    return lambda f: f.any_line().update({column: value})


def edits_and_chains(column: str, value: Any) -> Callable[[Forger], None]:
    def forge(f: Forger) -> None:
        f.any_line()[column] = value
        f.chain_anew()

    return forge


def removes(f: Forger) -> None:
    f.lines.remove(f.any_line())


def repeats(f: Forger) -> None:
    """Say once more what was said and signed: a word replayed at the end."""
    last, line = f.lines[-1], dict(f.any_line())
    f.lines.append(line)
    line.update(sequence=last["sequence"] + 1, previous=last["digest"])
    line["digest"] = own_digest(line)
    f.head_anew()


def removes_the_last_word_of_a_talk(f: Forger) -> None:
    """No later word of that talk misses it, and the chain behind it is anew: others saw it."""
    last = {line["rep_id"]: line for line in f.lines[:-1]}
    f.lines.remove(f.chosen.choice([*last.values()]))
    previous = f.first
    for number, line in enumerate(f.lines, 1):
        line.update(sequence=number, previous=previous)
        line["digest"] = previous = own_digest(line)
    f.head_anew()


def removes_and_chains(f: Forger) -> None:
    removes(f)
    f.chain_anew()


def cuts_the_end(f: Forger) -> None:
    del f.lines[-f.chosen.randint(1, len(f.lines) - 1) :]
    f.head_anew()


def cuts_everything(f: Forger) -> None:
    f.lines, f.head = [], {}


def swaps(f: Forger) -> None:
    one, other = f.chosen.sample(range(len(f.lines)), 2)
    f.lines[one], f.lines[other] = f.lines[other], f.lines[one]
    f.lines[one]["sequence"], f.lines[other]["sequence"] = one + 1, other + 1


def swaps_and_chains(f: Forger) -> None:
    swaps(f)
    f.chain_anew()


def copies(f: Forger, at: int | None = None) -> dict[str, Any]:
    line = dict(f.any_line(), reason="never said", turn=1_000)
    f.lines.insert(f.chosen.randint(0, len(f.lines)) if at is None else at, line)
    return line


def inserts_and_chains(f: Forger) -> None:
    copies(f)
    f.chain_anew()


def appends(f: Forger) -> None:
    last, line = f.lines[-1], copies(f, len(f.lines))
    line.update(sequence=last["sequence"] + 1, previous=last["digest"])
    line["digest"] = own_digest(line)
    f.head_anew()


def appends_with_an_old_signature(f: Forger) -> None:
    appends(f)
    f.lines[-1]["signature"] = f.lines[0]["signature"]


def appends_with_an_own_key(f: Forger) -> None:
    from planning_kit.agreement.keys import sign

    appends(f)
    f.lines[-1]["signature"] = sign({"ffffffff": b"own"}, content_of(f.lines[-1]))


def writes_all_anew_with_an_own_key(f: Forger) -> None:
    from planning_kit.agreement.keys import sign

    f.any_line()["reason"] = "never said"
    f.chain_anew()
    for line in f.lines:
        line["signature"] = sign({"ffffffff": b"own"}, content_of(line))


def swaps_signatures(f: Forger) -> None:
    one, other = f.chosen.sample(f.lines, 2)
    one["signature"], other["signature"] = other["signature"], one["signature"]


def notes_another_end(f: Forger) -> None:
    f.head["last"] = f"{len(f.lines)} {f.lines[0]['digest']}"


def renames_the_plan(f: Forger) -> None:
    f.head["plan"] = "another"


def loses_the_head(f: Forger) -> None:
    f.head = {}


KINDS: dict[str, Callable[[Forger], None]] = {
    "another amount": edits("amount", "700"),
    "other units": edits("units", 7),
    "another speaker": edits("actor", "zoe"),
    "another user": edits("user", "somebody"),
    "another time": edits("time", "2020-01-01T00:00:00Z"),
    "another kind": edits("kind", "withdraw"),
    "another reason": edits("reason", "never said"),
    "another digest": edits("digest", "0" * 64),
    "another signature": edits("signature", f"{'0' * 8}:{'0' * 64}"),
    "no signature": edits("signature", None),
    "an edited line, chained anew": edits_and_chains("amount", "700"),
    "other names, chained anew": edits_and_chains("behalf", "zoe"),
    "a removed line": removes,
    "a removed line, chained anew": removes_and_chains,
    "a last word removed, the chain closed": removes_the_last_word_of_a_talk,
    "a signed word said again": repeats,
    "the end cut off": cuts_the_end,
    "everything cut off": cuts_everything,
    "two lines exchanged": swaps,
    "two lines exchanged, chained anew": swaps_and_chains,
    "an inserted line, chained anew": inserts_and_chains,
    "a line added past the program": appends,
    "a line added with an old signature": appends_with_an_old_signature,
    "a line added with an own key": appends_with_an_own_key,
    "all written anew with an own key": writes_all_anew_with_an_own_key,
    "signatures exchanged": swaps_signatures,
    "another end noted": notes_another_end,
    "another plan": renames_the_plan,
    "no head": loses_the_head,
}


def talk_of(path: Path) -> Log:
    log = begun(str(path))
    for number, rep_id in enumerate(PEOPLE):
        append(log, Event("propose", rep_id, rep_id, 800 + 100 * number, f"why {number}"), VOICES)
    return log


def found_in(path: Path) -> bool:
    """Say whether verifying names something and nobody is given a number."""
    try:
        statuses = verify(open_log(path, PLAN))["status"].tolist()
        with pytest.raises(DataError):
            read_events(open_log(path, PLAN))
    except DataError:
        return True  # not even opened
    return "fail" in statuses


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seeds", [2, pytest.param(12, marks=pytest.mark.slow)])
def test_whoever_holds_the_key_finds_every_manipulation(tmp_path: Path, kind: str, seeds: int):
    path = tmp_path / "a.db"
    talk_of(path)
    sound = path.read_bytes()
    for seed in range(seeds):
        path.write_bytes(sound)
        forger = Forger(path, seed)
        before = json.dumps([forger.lines, forger.head])
        KINDS[kind](forger)
        if json.dumps([forger.lines, forger.head]) == before:
            continue  # for example, the value was there already
        forger.save()
        assert found_in(path), (kind, seed)
    path.write_bytes(sound)
    assert not found_in_sound(path)


@pytest.mark.parametrize(
    ("forge", "said"),
    [
        (removes_the_last_word_of_a_talk, "said after a line that is gone"),
        (repeats, "a word was removed or said twice"),
        (
            swaps_and_chains,
            "a word was removed or said twice|said after a line that is gone|forged",
        ),
        (inserts_and_chains, "it was forged"),
    ],
)
def test_with_the_key_but_without_the_note_beside_it_the_lines_betray_it(
    tmp_path: Path, forge: Callable[[Forger], None], said: str
):
    path = tmp_path / "a.db"
    talk_of(path).seal.note_file.unlink()
    sound = path.read_bytes()
    for seed in range(8):
        path.write_bytes(sound)
        forger = Forger(path, seed)
        forge(forger)
        forger.save()
        assert re.search(said, verify(open_log(path, PLAN))["message"].iloc[0]), seed


def test_a_signature_of_any_letters_is_a_forged_one(tmp_path: Path):
    path = tmp_path / "a.db"
    (key,) = talk_of(path).seal.keys()
    forger = Forger(path, 0)
    forger.lines[2]["signature"] = f"{key}:\u00e9\u4e00"
    forger.save()
    assert "line 3 is not signed" in verify(open_log(path, PLAN))["message"].iloc[0]


def found_in_sound(path: Path) -> bool:
    return verify(open_log(path, PLAN))["status"].tolist() != ["pass"]


def test_an_older_copy_in_place_of_the_log_is_found_and_not_written_to(tmp_path: Path):
    path = tmp_path / "a.db"
    log = talk_of(path)
    older = path.read_bytes()
    append(log, Event("note", "r1", "mia", reason="later"), VOICES)
    path.write_bytes(older)
    (row,) = verify(open_log(path, PLAN)).itertuples()
    assert row.status == "fail" and "17 lines are noted beside the plan key" in row.message
    with pytest.raises(DataError, match=r"line 17 was removed.*Nothing is added"):
        append(open_log(path, PLAN), Event("note", "r1", "mia", reason="again"), VOICES)


def test_a_log_that_was_deleted_is_not_begun_anew_without_a_word(tmp_path: Path):
    path = tmp_path / "a.db"
    talk_of(path)
    path.unlink()
    with pytest.raises(DataError, match="line 1 was removed: 16 lines are noted"):
        begun(str(path))


def test_a_changed_note_beside_the_key_is_seen(tmp_path: Path):
    log = talk_of(tmp_path / "a.db")
    note = log.seal.note_file
    number, digest, signature = note.read_text().split()
    assert int(number) == 16
    for changed in ("{", f"3 {digest} {signature}", f"16 {'0' * 64} {signature}", "", "0 x y"):
        note.write_text(changed)
        assert verify(log)["status"].tolist() == ["fail"]


# --- who holds the key ---------------------------------------------------------------------------


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder of keys of its own."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "keys"))
    return tmp_path / "keys"


def test_key_and_note_are_for_their_owner_only_and_not_in_the_log(tmp_path: Path, keys: Path):
    log = talk_of(tmp_path / "a.db")
    files = sorted(keys.iterdir(), key=lambda path: path.suffix)
    assert [path.suffix for path in files] == [".key", ".note"]
    if os.name == "posix":
        assert [path.stat().st_mode & 0o777 for path in files] == [0o600, 0o600]
        assert keys.stat().st_mode & 0o077 == 0
        log.seal.key_file.chmod(0o644)
        assert "other users" in " ".join(verify(log)["message"])
    (secret,) = [line.split()[1] for line in log.seal.key_file.read_text().splitlines()]
    kept = (tmp_path / "a.db").read_bytes()
    assert secret.encode() not in kept and bytes.fromhex(secret) not in kept


def test_without_the_key_the_log_is_read_and_not_written(tmp_path: Path, keys: Path):
    log = talk_of(tmp_path / "a.db")
    keys.rename(tmp_path / "elsewhere")
    assert len(read_events(log)) == 16
    found = verify(log)
    assert sorted(found["status"]) == ["pass", "review"]
    assert "signatures were not checked" in " ".join(found["message"])
    with pytest.raises(DataError, match="the key of this plan is not on this machine: put its"):
        append(log, Event("note", "r1", "mia", reason="hello"), VOICES)


def test_a_new_key_signs_from_now_on_and_the_old_one_still_checks(tmp_path: Path, keys: Path):
    log = talk_of(tmp_path / "a.db")
    log.seal.renew()
    append(log, Event("note", "r1", "mia", reason="hello"), VOICES)
    signed_with = [s.partition(":")[0] for s in read_events(log)["signature"]]
    assert len(set(signed_with[:-1])) == 1 and signed_with[-1] not in signed_with[:-1]
    assert verify(log)["status"].tolist() == ["pass"]
    lines = log.seal.key_file.read_text().splitlines()
    log.seal.key_file.write_text(lines[1] + "\n")  # somebody threw the old key away
    assert "line 1 is not signed" in verify(log)["message"].iloc[0]


def test_a_note_that_cannot_be_written_is_said_and_the_line_stays(tmp_path: Path, keys: Path):
    log = talk_of(tmp_path / "a.db")
    note = log.seal.note_file
    note.unlink()
    note.mkdir()
    with pytest.raises(
        DataError, match="line 17 was added, and its note beside the plan key could"
    ):
        append(log, Event("note", "r1", "mia", reason="hello"), VOICES)
    note.rmdir()
    assert len(read_events(log)) == 17


def test_a_damaged_key_is_named(tmp_path: Path, keys: Path):
    log = talk_of(tmp_path / "a.db")
    for text, why in (("zz", "cannot be read"), ("0 00\n", "was changed"), ("\xff", "cannot be")):
        log.seal.key_file.write_text(text)
        with pytest.raises(DataError, match=why):
            verify(log)


def test_two_who_begin_at_once_have_one_key(tmp_path: Path, keys: Path):
    seals = [Seal(tmp_path / "x.key", tmp_path / "x.note") for _ in range(2)]
    assert [bool(seal.keys()) for seal in seals] == [False, False]
    seals[0].renew()
    known = seals[0].keys()
    from planning_kit.agreement import keys as module

    module._begin(tmp_path / "x.key", "theirs")  # as the one who saw no key either
    assert seals[1].keys() == known
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.key"]


# --- PostgreSQL ----------------------------------------------------------------------------------


def test_a_log_in_postgresql_tells_what_a_log_in_a_file_tells(tmp_path: Path, place: str):
    log = talk_of(Path(place)) if "://" not in place else begun(place)
    assert verify(log)["status"].tolist() == ["pass"]
    assert read_events(log)["kind"].tolist()[:8] == ["assign"] * 8
    other = make_settings(rounding_unit=1000)
    with pytest.raises(DataError, match="the log of another plan"):
        open_log(place, other)


def test_postgresql_names_a_changed_line_and_refuses_to_change_one(server: Server):
    server.run("CREATE SCHEMA forged")
    log = begun(f"{server.url}?options=-csearch_path%3Dforged")
    with pytest.raises(Exception, match="the agreement log only grows"):
        server.run("UPDATE forged.agreement_events SET amount = '7'")
    assert len(read_events(log)) == 8
    server.run(
        "ALTER TABLE forged.agreement_events DISABLE TRIGGER ALL",
        "UPDATE forged.agreement_events SET amount = '7' WHERE sequence = 3",
    )
    with pytest.raises(DataError, match="line 3 was changed after it was recorded"):
        read_events(log)


def test_a_password_is_in_no_message(server: Server, tmp_path: Path):
    store = PostgresStore("postgresql://me:Se-cr3t.Word@127.0.0.1:1/none")
    with pytest.raises(DataError) as caught:
        store.read()
    assert "Se-cr3t" not in str(caught.value) + repr(store) + store.place
    with pytest.raises(DataError, match=r"mysql:// is not kept; write postgresql://"):
        open_log("mysql://me:Se-cr3t.Word@host/x", PLAN)


def test_a_connection_that_the_server_closed_is_opened_again(server: Server):
    server.run("CREATE SCHEMA closing")
    log = begun(f"{server.url}?options=-csearch_path%3Dclosing")
    server.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
        "AND datname = current_database()"
    )
    with pytest.raises(DataError, match="agreement log in the database: "):
        append(log, Event("note", "r1", "mia", reason="hello"), VOICES)
    append(log, Event("note", "r1", "mia", reason="hello"), VOICES)
    assert len(read_events(log)) == 9
