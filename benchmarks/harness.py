"""What every benchmark does: take turns, take medians, check agreement, write down."""

from __future__ import annotations

import json
import platform
import statistics
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Row:
    """One comparison: the case, its size, both times in seconds, and whether they agree."""

    case: str
    size: str
    ours_seconds: float
    peer: str
    peer_seconds: float | None
    ratio: float | None
    ours_peak_mb: float | None
    agreement: str
    versions: dict[str, str]


def seconds(call: Callable[[], Any]) -> float:
    """Time one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def take_turns(
    ours: Callable[[], Any], peer: Callable[[], Any], rounds: int = 5
) -> tuple[float, float, float]:
    """Run both alternately; give both medians and the median of the ratios peer to ours."""
    pairs = [(seconds(ours), seconds(peer)) for _ in range(rounds)]
    return (
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
        statistics.median(b / a for a, b in pairs),
    )


def peak_mb(call: Callable[[], Any]) -> float:
    """Give the most memory a call holds at once beyond what was there, in a run of its own."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


def versions(*packages: str) -> dict[str, str]:
    """Give the versions of Python and of packages; those that are missing are left out."""
    found = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def show(row: Row) -> Row:
    """Print one comparison as soon as it is there."""
    theirs = "" if row.peer_seconds is None else f"{row.peer_seconds:10.4f} s"
    ratio = "" if row.ratio is None else f"{row.ratio:8.1f} x"
    print(
        f"{row.case:22} {row.size:26} {row.ours_seconds:9.4f} s  {row.peer:24} {theirs:>12} "
        f"{ratio:>10}  {row.agreement}",
        flush=True,
    )
    return row


def write_results(name: str, rows: Sequence[Row]) -> Path:
    """Write ``results/<name>.json``."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")
    return path
