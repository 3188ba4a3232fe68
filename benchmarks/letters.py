"""Goal letters: processor seconds and memory of five hundred, against a compiler a letter.

Run with ``python -m benchmarks.letters``. The letters of 500 invented people, with five product lines
each, are printed by one press (fonts and compiler shared); the peer is what the first page of
typst's Python documentation does, one `typst.compile` a letter with the same template, data and
fonts. Both have to give the same bytes. Each prints in a process of its own, whose memory is read.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from statistics import median

from benchmarks.harness import Row, show, versions, write_results
from planning_kit.output.letters import Letter, Press, Words, page
from planning_kit.plan import bundled

LINES = ("Balances", "Microscopes", "Sensors", "Service", "Spectrometers")
LIMIT_SECONDS, LIMIT_MB = 10.0, 150
Print = Callable[[Letter], bytes]


def make_letters(count: int, seed: int = 7) -> list[Letter]:
    """Draw the letters."""
    draw = random.Random(seed)
    letters = []
    for number in range(count):
        months = {line: [100.0 * draw.randrange(50, 900) for _ in range(12)] for line in LINES}
        goal = sum(map(sum, months.values()))
        growth, talk = (100.0 * draw.randrange(-300, 900) for _ in range(2))
        letter = Letter(
            plan="Alpine Instruments",
            currency="EUR",
            unit=100.0,
            starts_on=date(2026, 1, 1),
            ends_on=date(2026, 12, 31),
            rep_id=f"R{number:03d}",
            person=f"Person Number {number}",
            manager=f"Manager {number % 50}",
            region=f"Region {number % 50}",
            goal=goal,
            basis="agreed",
            steps=[("base", goal - growth - talk), ("growth", growth), ("agreement", talk)],
            months=months,
            version=f"{draw.getrandbits(64):016x}",
            log_digest=f"{draw.getrandbits(256):064x}",
            as_of=date(2025, 12, 14),
            activities={"presentations": float(draw.randrange(40, 200))},
            closing_ratio=draw.random(),
        )
        letters.append(letter)
    return letters


def by_one_press() -> Print:
    """Share fonts and compiler."""
    return Press(Words.read("en")).print


def by_a_compiler_each() -> Print:
    """Compile each letter by itself."""
    import typst

    place, words = bundled("templates") / "letter", Words.read("en")

    def compile_one(letter: Letter) -> bytes:
        return typst.compile(
            str(place / "letter.typ"),
            root=str(place),
            font_paths=[str(place / "fonts")],
            ignore_system_fonts=True,
            sys_inputs={"letter": json.dumps(page(letter, words))},
        )

    return compile_one


def measure(way: Callable[[], Print], count: int) -> tuple[float, float, str]:
    """Give processor seconds, most MB of this process, and a digest of all letters."""
    letters, digest, started = make_letters(count), hashlib.sha256(), time.process_time()
    printed = way()
    for letter in letters:
        digest.update(printed(letter))
    spent = time.process_time() - started
    facts = Path("/proc/self/status").read_text(encoding="ascii")
    return spent, int(facts.split("VmHWM:")[1].split()[0]) / 1024, digest.hexdigest()


def alone(way: Callable[[], Print], count: int) -> tuple[float, float, str]:
    """Measure in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measure, way, count).result()


def main() -> None:
    """Run the benchmark and write its results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--letters", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    turns = [
        (alone(by_one_press, asked.letters), alone(by_a_compiler_each, asked.letters))
        for _ in range(asked.rounds)
    ]
    ours, peer = (median(turn[side][0] for turn in turns) for side in (0, 1))
    peak = max(turn[0][1] for turn in turns)
    same = len({result[2] for turn in turns for result in turn}) == 1
    kept = "below the limit" if ours <= LIMIT_SECONDS and peak <= LIMIT_MB else "over the limit"
    row = Row(
        "letters",
        f"{asked.letters} letters, processor",
        ours,
        "typst.compile a letter",
        peer,
        median(theirs[0] / own[0] for own, theirs in turns),
        peak,
        f"{'same bytes' if same else 'OTHER BYTES'}; peak {peak:.0f} MB; {kept}",
        versions("typst", "pandas"),
    )
    write_results("letters", [show(row)])


if __name__ == "__main__":
    main()
