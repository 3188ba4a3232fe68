"""Eight writers of the log at once against bare committed inserts, one line at 7,000; suggestions.

Run with ``python -m benchmarks.agreement``. Each of eight processes writes lines one by one, every one
committed, into one log: checked, chained, signed. The peer is eight processes that insert as many
rows with the same columns, keys and size, one a transaction, into one table of the same database:
what no log can do without. Both in turns; afterwards the log has to hold every line in its
writer's order.
PostgreSQL is started for the run where it is installed, with the durability it has by default.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.harness import Row, show, versions, write_results
from planning_kit.agreement import (
    Event,
    Voices,
    append,
    counter_offers,
    open_log,
    play_log,
    read_events,
    record_events,
    verify,
)
from planning_kit.agreement.keys import VARIABLE
from planning_kit.agreement.log import login
from planning_kit.agreement.store import EVENT_COLUMNS, LOCK_SECONDS, columns
from planning_kit.plan import GroupRange, MaxChange, Scenario
from tests.making import make_settings
from tests.servers import started_server

PLAN = make_settings(rounding_unit=100)
WRITERS, COUNT = 8, 1000
PEOPLE = [f"R{number:03d}" for number in range(WRITERS)]
VOICES = Voices({**dict.fromkeys(PEOPLE, ("mia", "zoe")), "mia": ("zoe",), "zoe": ()})
BARE = (
    f"CREATE TABLE bare ({columns('BIGINT')})",
    "CREATE UNIQUE INDEX bare_about ON bare (rep_id, turn)",
)
INSERT = f"INSERT INTO bare VALUES ({', '.join(['%s'] * len(EVENT_COLUMNS))})"


def write_lines(place: str, name: str, count: int, ready: Any, go: Any, done: Any) -> None:
    """Write lines of one person, as an app would."""
    log = open_log(place, PLAN)
    log.read()
    ready.release()
    go.wait()
    try:
        for number in range(count):
            append(log, Event("note", name, "mia", reason=str(number)), VOICES)
    finally:
        done.release()


def rows_of(name: str, count: int) -> list[list[Any]]:
    """Give rows as long as those of the log, with other keys in each."""
    events = [Event("assign", name, "plan", 100), Event("note", name, "mia", reason="999")]
    line = record_events(events, PLAN, user=login()).astype(object).fillna("").iloc[1].to_dict()
    line |= {"units": None, "signature": "x" * 73}
    first = PEOPLE.index(name) * count
    keys = ({"sequence": first + k, "turn": k} for k in range(count))
    return [[(line | key)[column] for column in EVENT_COLUMNS] for key in keys]


def insert_rows(place: str, name: str, count: int, ready: Any, go: Any, done: Any) -> None:
    """Insert bare rows, each in a transaction."""
    rows = rows_of(name, count)
    if "://" in place:
        import psycopg

        with psycopg.connect(place.replace("+psycopg", ""), autocommit=True) as server:
            ready.release()
            go.wait()
            for row in rows:
                server.execute(INSERT, row)
            done.release()
        return
    with closing(sqlite3.connect(place, timeout=LOCK_SECONDS, isolation_level=None)) as file:
        ready.release()
        go.wait()
        for row in rows:
            file.execute("BEGIN IMMEDIATE")
            file.execute(INSERT.replace("%s", "?"), row)
            file.execute("COMMIT")
        done.release()


def together(work: Any, place: str, count: int) -> float:
    """Let all writers go at once, and give the seconds until the last one wrote its last line."""
    context = get_context("spawn")
    ready, go, done = context.Semaphore(0), context.Event(), context.Semaphore(0)
    asked = [(place, name, count, ready, go, done) for name in PEOPLE]
    writers = [context.Process(target=work, args=words) for words in asked]
    for writer in writers:
        writer.start()
    for _ in writers:
        ready.acquire()
    begun = time.perf_counter()
    go.set()
    for _ in writers:
        done.acquire()
    seconds = time.perf_counter() - begun
    for writer in writers:
        writer.join()
    if any(writer.exitcode for writer in writers):
        raise RuntimeError(f"{work.__name__}: a writer failed")
    return seconds


def lost(place: str, count: int) -> int:
    """Count lines that are not there in their writer's order; -1: the chain does not hold."""
    log = open_log(place, PLAN)
    if verify(log)["status"].tolist() != ["pass"]:
        return -1
    notes = read_events(log).query("kind == 'note'")
    said = {name: rows["reason"].tolist() for name, rows in notes.groupby("rep_id")}
    wanted = [str(number) for number in range(count)]
    return sum(count - sum(a == b for a, b in zip(said[n], wanted, strict=True)) for n in PEOPLE)


@contextmanager
def places(kind: str, rounds: int) -> Iterator[list[tuple[str, str]]]:
    """Give a place for a log and one for bare rows, for every round."""
    with tempfile.TemporaryDirectory() as folder:
        if kind == "SQLite":
            found = [(f"{folder}/{k}.db", f"{folder}/bare{k}.db") for k in range(rounds)]
            for _, bare in found:
                with closing(sqlite3.connect(bare)) as file, file:
                    for statement in BARE:
                        file.execute(statement.replace("BIGINT", "INTEGER"))
            yield found
            return
        with started_server(durable=True) as server:
            names = [f"{server.url}?options=-csearch_path%3Dround{k}" for k in range(rounds)]
            for k in range(rounds):
                server.run(f"CREATE SCHEMA round{k}", f"SET search_path = round{k}", *BARE)
            yield list(zip(names, names, strict=True))


def writers_at_once(kind: str, count: int, rounds: int) -> Row:
    """Measure one database."""
    ours, peer, missing = [], [], []
    with places(kind, rounds) as found:
        for log_place, bare_place in found:
            append(
                open_log(log_place, PLAN), [Event("assign", n, "plan", 100) for n in PEOPLE], VOICES
            )
            peer.append(together(insert_rows, bare_place, count))
            ours.append(together(write_lines, log_place, count))
            missing.append(lost(log_place, count))
    ratio = median(theirs / own for own, theirs in zip(ours, peer, strict=True))
    return Row(
        "writers at once",
        f"{WRITERS} x {count:,} lines, {kind}",
        median(ours),
        "bare committed inserts",
        median(peer),
        ratio,
        None,
        f"{sum(missing)} lines lost; {1 / ratio:.2f} times the bare inserts",
        versions("psycopg"),
    )


def one_line(lines: int, rounds: int) -> Row:
    """Measure the processor's time of one line in a log of many, opened anew each time."""
    people = [f"P{number:03d}" for number in range(500)]
    voices = Voices(dict.fromkeys(people, ("mia",)))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "a.db"
        log = open_log(place, PLAN)
        append(log, [Event("assign", name, "plan", 100) for name in people], voices)
        notes = [Event("note", name, "mia", reason="said so") for name in people]
        append(log, notes * (lines // len(people) - 1), voices)
        spent = []
        for number in range(rounds * 10):
            begun = time.process_time()
            append(open_log(place, PLAN), Event("note", people[number], "mia", reason="x"), voices)
            spent.append(time.process_time() - begun)
        begun = time.process_time()
        read_events(open_log(place, PLAN))
        whole = time.process_time() - begun
    return Row(
        "one line",
        f"at {lines:,} lines, processor",
        median(spent),
        "reading the whole log",
        whole,
        whole / median(spent),
        None,
        "below 10 ms" if median(spent) < 0.01 else "ABOVE 10 ms",
        versions("pandas"),
    )


def suggestions(people: int, rounds: int) -> Row:
    """Measure counter-offers for many open people under rules, checked by what they have to keep."""
    draw, names = np.random.default_rng(1), [f"r{k:04}" for k in range(people)]
    cells = [(name, f"p{line}") for k, name in enumerate(names) for line in range(1 + k % 3)]
    goals = pd.DataFrame(cells, columns=["rep_id", "product_line"])
    goals["goal"] = draw.integers(50, 500, len(goals)) * 1000.0
    sums = goals.groupby("rep_id")["goal"].sum()
    most = float(goals.groupby("product_line")["goal"].sum()["p1"])
    rules = (
        GroupRange(name="line", where={"product_line": ("p1",)}, at_most=most),
        MaxChange(name="calm", each=("rep_id",), most_up_share=0.2, most_down_share=0.5),
    )
    said = (sums * draw.uniform(0.7, 1.1, people) / 1000).round() * 1000
    moves = [Event("assign", name, "plan", sums[name]) for name in names]
    moves += [Event("propose", name, name, said[name]) for name in names]
    factor, width = draw.uniform(0.9, 1.1, people), draw.uniform(0.05, 0.3, people)
    ends = {"low_factor": factor * (1 - width), "high_factor": factor * (1 + width)}
    bias = pd.DataFrame({"rep_id": names, "periods": 4, "years": 2, "factor": factor, **ends})
    plan = make_settings(rounding_unit=1000)
    state, scenario, spent = play_log(record_events(moves, plan)), Scenario(rules=rules), []
    for _ in range(3 * rounds):
        begun = time.process_time()
        table = counter_offers(goals, state, plan, bias, scenario)
        spent.append(time.process_time() - begun)
    exact = table["suggested"].sum() == goals["goal"].sum()
    limit = "below 100 ms" if median(spent) < 0.1 else "ABOVE 100 ms"
    return Row(
        "suggestions",
        f"{people:,} open people, {len(goals):,} cells, rules, processor",
        median(spent),
        "",
        None,
        None,
        None,
        f"{'the sum is exact' if exact else 'THE SUM IS NOT EXACT'}; {limit}",
        versions("pandas", "scipy"),
    )


def main() -> None:
    """Run the benchmark and write its results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT, help="lines of each writer")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as keys:
        os.environ[VARIABLE] = keys
        rows = [
            one_line(7_000, asked.rounds),
            suggestions(2_000, asked.rounds),
            *(
                writers_at_once(kind, asked.count, asked.rounds)
                for kind in ("SQLite", "PostgreSQL")
            ),
        ]
    write_results("agreement", [show(row) for row in rows])


if __name__ == "__main__":
    main()
