"""The review of one region of a large company: time and memory after preparation.

Run with ``python -m benchmarks.review``. A company of 500 sellers in 50 regions with five million
sales lines of three years is drawn into a temporary folder and prepared once; then every table of
the notebook ``01_historical_review`` is computed for one region. Preparation is shown beside it.
Processor seconds stand beside seconds by the clock, which other programs disturb.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from benchmarks.harness import Row, peak_mb, show, versions, write_results
from planning_kit import review
from planning_kit.data import Region, open_inputs, prepare
from planning_kit.plan import Plan, load_plan

REGION = "R07"
REPS, REGIONS, PRODUCTS = 500, 50, 40
LIMIT_SECONDS, LIMIT_MB = 2.0, 1024
_TOML = 'regions = []\n[plan]\nname = "large"\ncurrency = "EUR"\nstarts_on = 2026-01-01\n'
_TABLES = {
    "territories": "SELECT 'T' || i AS territory_id, 'Place ' || i AS territory_name, "
    f"printf('R%02d', i % {REGIONS}) AS region, 2e7 + 1e4 * i AS potential FROM range({REPS}) t(i)",
    "reps": "SELECT 'S' || i AS rep_id, 'Seller ' || i AS rep_name, 'M' || (i % 50) AS manager_id, "
    "'seller' AS role, DATE '2015-01-01' + CAST(i * 7 % 3000 AS INTEGER) AS hired_on, "
    "NULL::DATE AS left_on, NULL::VARCHAR AS region FROM range({reps}) t(i) UNION ALL "
    "SELECT 'M' || i, 'Manager ' || i, NULL, 'manager', DATE '2012-01-01', NULL, "
    f"printf('R%02d', i) FROM range({REGIONS}) t(i)".replace("{reps}", str(REPS)),
    "assignments": "SELECT 'S' || i AS rep_id, 'T' || i AS territory_id, NULL::DATE AS starts_on, "
    f"NULL::DATE AS ends_on, 1.0 AS share FROM range({REPS}) t(i)",
    "products": "SELECT 'P' || i AS product_id, 'Product ' || i AS product_name, "
    "'Line ' || (i % 6) AS product_line, 50.0 + i AS list_price, 30.0 + i / 2 AS unit_cost "
    f"FROM range({PRODUCTS}) t(i)",
    "sales": "SELECT DATE '2023-01-01' + CAST(floor(random() * 1096) AS INTEGER) AS sold_on, "
    f"'S' || s AS rep_id, 'T' || s AS territory_id, 'P' || p AS product_id, 'A' || "
    "CAST(floor(random() * 50000) AS INTEGER) AS account_id, u AS units, "
    "round(u * (45.0 + p) * (0.9 + 0.2 * random()), 2) AS amount, u * (30.0 + p / 2) AS cost "
    f"FROM (SELECT CAST(floor(random() * {REPS}) AS INTEGER) AS s, "
    f"CAST(floor(random() * {PRODUCTS}) AS INTEGER) AS p, 1 + CAST(floor(random() * 5) AS INTEGER) "
    "AS u FROM range({lines}))",
    "goals": "SELECT DATE '2024-01-01' + to_months(CAST(3 * q AS INTEGER)) AS starts_on, "
    "'S' || i AS rep_id, 'Line ' || l AS product_line, 50000.0 + 100 * i AS goal "
    f"FROM range({REPS}) t(i), range(8) u(q), range(6) v(l)",
    "proposals": "SELECT DATE '2024-01-01' + to_months(CAST(12 * y AS INTEGER)) AS starts_on, "
    f"'S' || i AS rep_id, 1e6 + 900.0 * i AS proposed FROM range({REPS}) t(i), range(2) u(y)",
    "opportunities": "SELECT 'O' || i AS opportunity_id, 'S' || (i % {reps}) AS rep_id, CASE i % 4 "
    "WHEN 0 THEN 'won' ELSE 'lost' END AS outcome, d AS created_on, d + 20 AS presented_on, "
    "d + 60 AS closed_on, round(exp(9 + random()), 2) AS amount, 'P' || (i % 40) AS product_id "
    "FROM (SELECT i, DATE '2024-01-01' + CAST(i % 660 AS INTEGER) AS d "
    "FROM range(200000) t(i))".replace("{reps}", str(REPS)),
    "events": "SELECT 'E1' AS event_id, 'competitor entry' AS kind, 'T' || (7 + 50 * i) AS "
    "territory_id, DATE '2025-04-01' AS starts_on FROM range(4) t(i)",
    "assumptions": "SELECT 'A1' AS assumption_id, 'market' AS statement, 0.0 AS low, 0.03 AS base, "
    "0.05 AS high, 0.02 AS actual, 'market_growth' AS driver",
}


def make_plan(folder: Path, lines: int) -> Plan:
    """Draw the company: everything a review reads, as Parquet files."""
    toml = _TOML.replace("[]", str([f"R{n:02d}" for n in range(REGIONS)]).replace("'", '"'))
    with duckdb.connect() as con:
        con.execute("SET threads = 1; SELECT setseed(0.4)")
        for name, query in _TABLES.items():
            path = folder / f"{name}.parquet"
            con.execute(f"COPY ({query.replace('{lines}', str(lines))}) TO '{path}'")
            toml += f'[sources.{name}]\nfile = "{path.name}"\n'
    (folder / "plan.toml").write_text(toml, encoding="utf-8")
    return load_plan(folder)


SECTIONS: dict[str, Callable[[Region], Any]] = {
    "findings": review.review_findings,
    "attainment": lambda i: [
        review.attainment(i, by)
        for by in (("rep_id",), ("product_line",), ("territory_id",), ("rep_id", "product_line"))
    ],
    "history and growth": lambda i: (review.goal_history(i), review.growth(i, ("product_line",))),
    "bridges": lambda i: [
        make(i, by)
        for make in (review.bridge, review.goal_bridge)
        for by in ((), ("rep_id", "territory_id", "product_id"))
    ],
    "market and staffing": lambda i: (review.market_bridge(i), review.staffing_bridge(i)),
    "funnel": review.funnel,
    "events": lambda i: (review.event_effects(i), review.event_path(i)),
    "replay": review.assumption_replay,
    "fairness": lambda i: (review.fairness(i), review.goal_level(i), review.size_buckets(i)),
    "goals and teams": lambda i: (review.goal_outliers(i), review.manager_effects(i)),
    "proposals": lambda i: (review.proposal_bias(i), review.proposal_check(i)),
    "unusual deals": review.unusual_deals,
}


def review_region(inputs: Region) -> None:
    """Compute every table of the review of a region."""
    for section in SECTIONS.values():
        section(inputs)


def timed(call: Callable[[], Any]) -> tuple[Any, float, float]:
    """Give what a call gives, its seconds by the clock and its processor seconds."""
    clock, processor = time.perf_counter(), time.process_time()
    made = call()
    return made, time.perf_counter() - clock, time.process_time() - processor


def measure(plan: Plan, size: str) -> list[Row]:
    """Measure preparation, opening and review."""
    rows = []
    prepared, clock, processor = timed(lambda: prepare(plan))
    rows.append(_row("preparation", size, clock, processor, None))
    inputs, clock, processor = timed(lambda: open_inputs(plan, prepared, REGION))
    rows.append(_row("opening the region", size, clock, processor, None))
    review_region(inputs)  # the first call of a library is not what a planner waits for twice
    inputs = open_inputs(plan, prepared, REGION)  # nothing is remembered of these tables
    for name, section in SECTIONS.items():
        _, clock, processor = timed(lambda section=section: section(inputs))
        rows.append(_row(f"- {name}", size, clock, processor, None))
    fresh = [open_inputs(plan, prepared, REGION) for _ in range(3)]
    runs = [timed(lambda given=given: review_region(given))[1:] for given in fresh]
    clock, processor = sorted(runs)[1]
    peak = peak_mb(lambda: review_region(open_inputs(plan, prepared, REGION)))
    rows.append(_row("review of one region", size, clock, processor, peak))
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        whole = pool.submit(_review_alone, plan.folder).result()
    print(f"most memory of a process that opens and reviews one region: {whole:,.0f} MB")
    return rows


def _review_alone(folder: Path) -> float:
    plan = load_plan(str(folder))
    review_region(open_inputs(plan, prepare(plan), REGION))
    facts = Path("/proc/self/status").read_text(encoding="ascii")  # ru_maxrss is the parent's too
    return int(facts.split("VmHWM:")[1].split()[0]) / 1024


def _row(case: str, size: str, clock: float, processor: float, peak: float | None) -> Row:
    kept = (
        ""
        if peak is None
        else f"peak {peak:.0f} MB; "
        + ("below the limit" if processor < LIMIT_SECONDS and peak < LIMIT_MB else "over the limit")
    )
    return show(
        Row(
            case,
            size,
            clock,
            "processor seconds",
            processor,
            None,
            peak,
            kept,
            versions("pandas", "numpy", "duckdb"),
        )
    )


def main() -> None:
    """Run the benchmark and write its results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=5_000_000)
    lines = parser.parse_args().lines
    with TemporaryDirectory() as folder:
        size = f"{lines:,} lines, {REPS} sellers"
        rows = measure(make_plan(Path(folder), lines), size)
    write_results("review", rows)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"most memory of the process, preparation included: {most:,.0f} MB")


if __name__ == "__main__":
    main()
