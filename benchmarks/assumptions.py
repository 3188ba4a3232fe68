"""Simulated years of a large company against plain numpy on the same random numbers.

Run with ``python -m benchmarks.assumptions``. The peer draws the very same numbers: once only
that, as the least any simulation has to do, and once it goes on with all years at a time, as one
writes it down at first. The inputs of the whole call are a company made here.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.harness import (
    Row,
    peak_mb,
    seconds,
    show,
    take_turns,
    versions,
    write_results,
)
from planning_kit.data import TABLES, Region, empty_table
from planning_kit.numbers.intervals import Z80
from planning_kit.outlook import coming_year
from planning_kit.outlook.years import YearModel, stream
from planning_kit.plan import Scenario, Settings

RUNS, PEOPLE, MONTHS, SEED = 10_000, 2_000, 12, 1
REGISTER = {
    "market": {"driver": "market_growth", "low": 0.0, "base": 0.02, "high": 0.04},
    "price": {"driver": "price_change", "low": -0.01, "base": 0.01, "high": 0.02},
    "rival": {
        "driver": "competitor_effect",
        "low": -0.06,
        "base": -0.02,
        "high": 0.0,
        "territories": [f"T{n:03d}" for n in range(0, 200, 5)],
    },
    "people": {"driver": "turnover_rate", "low": 0.06, "base": 0.1, "high": 0.15},
    "fill": {"driver": "time_to_fill", "low": 2, "base": 3, "high": 5},
    "ramp": {"driver": "ramp", "low": 4, "base": 6, "high": 8},
}
CORRELATIONS = [{"between": ["market", "price"], "coefficient": 0.5}]


def company(people: int) -> Region:
    """Make people in 200 territories who sold for two years; one in ten was hired lately."""
    random = np.random.default_rng(SEED)
    reps = pd.DataFrame({"rep_id": [f"R{n:05d}" for n in range(people)]}, dtype="str")
    level = random.lognormal(8, 0.5, people)
    months = pd.date_range("2024-01-01", periods=24, freq="MS", unit="us")
    sales = reps.assign(level=level).merge(pd.DataFrame({"month": months}), how="cross")
    sales["amount"] = sales["level"] * random.lognormal(0, 0.3, len(sales))
    sales = sales.assign(
        goal_period=pd.NaT,
        territory_id=np.nan,
        product_id=np.nan,
        product_line=np.nan,
        units=np.nan,
        cost=np.nan,
        lines=1,
    )
    sales = sales.astype(
        {
            "territory_id": "str",
            "product_id": "str",
            "product_line": "str",
            "goal_period": "datetime64[us]",
        }
    )
    hired = pd.Series(pd.Timestamp("2015-01-01"), reps.index).astype("datetime64[us]")
    hired[random.random(people) < 0.1] = pd.Timestamp("2025-09-01")
    tables = {name: empty_table(name) for name in TABLES if name != "sales"}
    told = reps.assign(hired_on=hired, current_region="", is_active=True, carries_goal=True)
    tables["reps"] = told.reindex(columns=[*tables["reps"].columns, *told.columns[2:]]).astype(
        tables["reps"].dtypes.to_dict()
    )
    places = [f"T{n % 200:03d}" for n in range(people)]
    held = reps.assign(territory_id=places, share=1 / (people / 200))
    tables["assignments"] = held.reindex(columns=tables["assignments"].columns).astype(
        tables["assignments"].dtypes.to_dict()
    )
    lands = pd.DataFrame({"territory_id": sorted(set(places))})
    tables["territories"] = lands.reindex(columns=tables["territories"].columns).astype(
        tables["territories"].dtypes.to_dict()
    )
    settings = Settings(
        "bench",
        "EUR",
        1.0,
        date(2026, 1, 1),
        date(2026, 12, 31),
        date(2025, 1, 1),
        date(2025, 12, 31),
    )
    return Region("", settings, (), float(12.5 * level.sum()), sales=sales, **tables)


def draw_only(model: YearModel, runs: int) -> tuple[np.ndarray, ...]:
    """Draw what a simulation needs, and nothing else."""
    return (
        np.array([stream(SEED, "assumption", n).standard_normal(runs) for n in model.assumptions]),
        stream(SEED, "everybody").standard_normal(runs),
        np.array([stream(SEED, "luck", n).standard_normal(runs) for n in model.people]),
        np.array([stream(SEED, "leaving", n).random(runs) for n in model.people]),
    )


def plain(model: YearModel, goals: np.ndarray, runs: int) -> tuple[np.ndarray, np.ndarray]:
    """Simulate as one writes it down at first; totals and chances of goals at the expectation."""
    z, of_all, chance, luck = draw_only(model, runs)
    z = np.linalg.cholesky(model.correlation) @ z / Z80
    spread = np.sqrt(np.log1p(model.own**2))[:, None]
    results = np.exp(spread * chance - spread**2 / 2)
    spread = np.sqrt(np.log1p(model.common**2))[:, None]
    results = results * np.exp(spread * of_all - spread**2 / 2)
    for low, high, draw in zip(model.low, model.high, z, strict=True):
        ends = np.outer(low, np.maximum(-draw, 0)) + np.outer(high, np.maximum(draw, 0))
        results = results * np.maximum(0, 1 + ends)
    served = np.floor(np.log1p(-luck) / np.log(model.stay)[:, None]).astype(int)
    last = np.minimum(model.start[:, None] + served, MONTHS)
    results = results * np.take_along_axis(model.years, last, axis=1) * goals[:, None]
    return results.sum(axis=0), (results >= 1.05 * goals[:, None]).mean(axis=1)


def in_one_process(call: Callable[[], Any]) -> tuple[float, float]:
    """Give the wall time and the processor's time of a call."""
    before, start = time.process_time(), time.perf_counter()
    call()
    return time.perf_counter() - start, time.process_time() - before


def main() -> None:
    """Run everything and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    inputs = company(PEOPLE)
    plan = Scenario.parse("bench", {"assumptions": REGISTER, "correlations": CORRELATIONS})
    outlook = coming_year(inputs, plan, RUNS)
    model, expected = outlook.model, outlook.expected.to_numpy()
    goals = pd.DataFrame({"rep_id": model.people, "goal": 1.05 * expected})
    size = f"{RUNS} x {PEOPLE} people x {MONTHS}"

    def ours() -> Any:
        fresh = replace(outlook)
        return fresh.draws.sum(axis=0) / 1000, fresh.chance(inputs.target, goals).people["chance"]

    times = sorted(in_one_process(ours) for _ in range(rounds))
    wall, spent = times[len(times) // 2]
    peak = peak_mb(ours)
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    mine, (totals, chances) = ours(), plain(model, expected, RUNS)
    off = np.abs(mine[0] / totals - 1).max(), np.abs(mine[1] - chances).max()
    seen = versions("numpy", "scipy", "pandas")
    rows = [
        Row(
            "simulated years",
            size,
            wall,
            "limit 2 s, 1 GB",
            None,
            None,
            peak,
            f"{spent:.2f} s of processors, process at most {held:.0f} MB",
            seen,
        )
    ]
    for name, peer in (
        ("numpy, only drawing", lambda: draw_only(model, RUNS)),
        ("numpy, all at once", lambda: plain(model, expected, RUNS)),
    ):
        mine, theirs, ratio = take_turns(ours, peer, rounds)
        rows.append(
            Row(
                "simulated years",
                size,
                mine,
                name,
                theirs,
                ratio,
                peak,
                f"totals to {off[0]:.0e}, chances to {off[1]:.0e}; peer's peak "
                f"{peak_mb(peer):.0f} MB",
                seen,
            )
        )
    whole = sorted(
        seconds(lambda: coming_year(replace(inputs), plan, RUNS).chance(inputs.target))
        for _ in range(3)
    )[1]
    rows.append(
        Row(
            "chance of the target",
            size,
            whole,
            "from the sales on",
            None,
            None,
            None,
            "",
            seen,
        )
    )
    write_results("assumptions", [show(row) for row in rows])


if __name__ == "__main__":
    main()
