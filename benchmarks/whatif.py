"""Time a what-if: CPU from an act to its new answer, as the panel asks for it.

    python benchmarks/whatif.py [--rounds 30]

The sample region West and a company of 500 people x 5 product lines x 12 months, after the tables
of 02 and 03 were written. Medians of CPU time, every act with another value; conflicts with their ways
out once for each. The browser's time comes on top.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.harness import Row, show, versions, write_results
from planning_kit.plan import Scenario
from planning_kit.walk import Step, open_step
from planning_kit.walk.levers import LEVERS
from planning_kit.walk.what_if import ask, edit

TOML = '[plan]\nname = "Large"\ncurrency = "EUR"\nrounding_unit = 100\nstarts_on = 2026-01-01\n'
LINES, YEARS = 5, 4
ACTS = {"target_change": 0.001, "over_assignment": 0.001, "most_up": 0.3, "market": 0.001}
ACTS |= {"turnover": 0.05, "price": 0.001}
ASSUMED = (
    ("market", "growth", -0.02, 0.02, 0.05, 0.03, "market_growth"),
    ("leave", "turnover", 0.05, 0.1, 0.2, 0.12, "turnover_rate"),
    ("price", "price", -0.01, 0.01, 0.03, 0.0, "price_change"),
)


def make_company(folder: Path, people: int) -> None:
    """Write a plan of one region: everybody sells every line in every month of four years."""
    draw, reps = np.random.default_rng(1), [f"R{number:03d}" for number in range(people)]
    who, line, month = (
        part.ravel()
        for part in np.meshgrid(range(people), range(LINES), range(12 * YEARS), indexing="ij")
    )
    level = draw.lognormal(9, 0.5, (people, LINES, 1))
    amounts = level * draw.lognormal(0, 0.3, (people, LINES, 12 * YEARS))
    days = pd.date_range("2022-01-01", periods=12 * YEARS, freq="MS").strftime("%Y-%m-15")
    places = [f"T{number:03d}" for number in range(people)]
    sold = {
        "sold_on": days[month],
        "rep_id": np.array(reps)[who],
        "amount": amounts.ravel().round(2),
    }
    sold |= {
        "territory_id": np.array(places)[who],
        "product_id": np.char.add("p", line.astype(str)),
    }
    names = ["assumption_id", "statement", "low", "base", "high", "actual", "driver"]
    tables = {
        "reps": {"rep_id": reps, "rep_name": [f"Name {rep}" for rep in reps], "region": "North"},
        "territories": {"territory_id": places, "region": "North", "potential": 1e6},
        "assignments": {"rep_id": reps, "territory_id": places, "starts_on": "2022-01-01"},
        "products": {
            "product_id": [f"p{number}" for number in range(LINES)],
            "product_line": [f"Line {number}" for number in range(LINES)],
        },
        "sales": sold,
        "assumptions": dict(zip(names, zip(*ASSUMED, strict=True), strict=True)),
    }
    (folder / "data").mkdir(parents=True)
    (folder / "scenarios").mkdir()
    text = TOML
    for name, columns in tables.items():
        pd.DataFrame(columns).to_csv(folder / "data" / f"{name}.csv", index=False)
        text += f'[sources.{name}]\nfile = "data/{name}.csv"\n'
    (folder / "plan.toml").write_text(text, encoding="utf-8")


def after_the_walk(plan: str, region: str, run: str) -> Step:
    """Open notebook 07 where 02 and 03 have written what it reads."""
    for notebook, tables in (
        ("02_assumptions", ("register", "baseline", "outlook", "assumption_effects")),
        ("03_target_allocation", ("allocation", "allocation_steps", "monthly_goals")),
    ):
        step = open_step(notebook, region, plan, run)
        more = ("correlations", "cells") if notebook.startswith("02") else ()
        step.write(**{name: step.table(name) for name in (*tables, *more)})
    return open_step("07_what_if", region, plan, run)


def cpu(call: Callable[[], Any]) -> float:
    """Time one call, CPU of this process."""
    start = time.process_time()
    call()
    return time.process_time() - start


def rows_of(step: Step, rounds: int) -> list[Row]:
    """Time the acts of one company."""
    people = ask(step, step.scenario).people
    size, rows = f"{len(people)} people", []

    def row(case: str, took: list[float]) -> None:
        median = statistics.median(took)
        agreement = f"slowest {max(took):.3f} s"
        row = Row(
            case, size, median, "none", None, None, None, agreement, versions("numpy", "pandas")
        )
        rows.append(show(row))

    def scenarios(key: str) -> list[Scenario]:
        by = 0.0001 * np.arange(rounds + 1)
        return [LEVERS[key].write(step, step.scenario, float(ACTS[key] + x)) for x in by]

    for key in ACTS:
        first, *others = scenarios(key)
        took = cpu(lambda first=first: ask(step, first))  # what is read once for all
        row(f"first move: {key}", [took])
        row(key, [cpu(lambda one=one: ask(step, one)) for one in others])
    who, unit = people["rep_id"].iloc[0], step.inputs.settings.rounding_unit
    goal = float(people["goal"].iloc[0])
    took = []
    for number in range(1, rounds + 1):
        held = edit(step, step.scenario, who, "goal", goal - number * unit)
        took.append(cpu(lambda held=held: ask(step, held)))
    row("hold", took)
    up = LEVERS["target_change"].write(step, step.scenario, 0.3)
    capped = LEVERS["most_up"].write(step, up, 0.01)
    row("conflict: every cell", [cpu(lambda: ask(step, capped))])
    cap = LEVERS["most_up"].write(step, step.scenario, 0.5)
    held = edit(step, cap, who, "goal", round(4 * goal / unit) * unit)
    row("conflict: one hold", [cpu(lambda: ask(step, held))])
    return rows


def main() -> None:
    """Time both companies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--people", type=int, default=500)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make_company(folder / "large", asked.people)
        rows = rows_of(after_the_walk("", "West", str(folder / "run")), asked.rounds)
        large = after_the_walk(str(folder / "large"), "North", str(folder / "run_large"))
        write_results("whatif", [*rows, *rows_of(large, asked.rounds)])


if __name__ == "__main__":
    main()
