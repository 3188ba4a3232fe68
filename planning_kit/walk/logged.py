"""The agreement log as a run sees it: the lines there were when the run began."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from planning_kit.agreement import last_line, open_log, play_log, read_events
from planning_kit.agreement.state import CLOSED
from planning_kit.data import Prepared, read_tables
from planning_kit.messages import DataError
from planning_kit.plan import REGION_TALK, Plan


def log_end_today(plan: Plan, prepared: Prepared) -> dict[str, Any]:
    """Verify the agreement log and note its last line: what comes later is not of a run begun now.

    Returns
    -------
    dict
        ``lines``, the last ``digest`` and its ``signature`` (empty: the plan key is not here), by
        region (``regions``) the digest of the last line about its people, and the regions' agreed
        ``totals`` by scenario.

    Raises
    ------
    DataError
        The log is out of order.
    """
    log = open_log(plan.agreement_place, plan.settings)
    events = read_events(log)
    people = read_tables(prepared.region_folder(None), ["reps"])["reps"]
    home = events["rep_id"].map(people.set_index("rep_id")["current_region"])
    last = events.groupby(home)["digest"].last()
    digest = "".join(events["digest"].iloc[-1:])
    end = {"digest": digest, "signature": log.seal.signature(digest)}
    of_people = {str(k): v for k, v in last.items()}
    return {"lines": len(events), **end, "regions": of_people, "totals": _totals(events)}


def totals_agreed(plan: Plan, run: Path) -> dict[str, dict[str, float]]:
    """Give the totals that heads of regions agreed, or had decided (plan currency).

    By the scenario whose target was offered, and by region. In a run those of when it began.

    Raises
    ------
    DataError
        The log is out of order.
    """
    noted = _noted(run)
    if noted is not None:
        return dict(noted.get("totals", {}))
    return _totals(read_events(open_log(plan.agreement_place, plan.settings)))


def _totals(events: pd.DataFrame) -> dict[str, dict[str, float]]:
    state = play_log(events[events["rep_id"].str.startswith(REGION_TALK)])
    closed = state[state["status"].isin(CLOSED)]
    totals: dict[str, dict[str, float]] = {}
    regions = closed["rep_id"].str.removeprefix(REGION_TALK)
    for scenario, region, amount in zip(closed["scenario"], regions, closed["agreed"], strict=True):
        totals.setdefault(str(scenario), {})[str(region)] = float(amount)
    return totals


def _noted(run: Path) -> dict[str, Any] | None:
    """Give what the manifest of a run says of the log; None: it is no run."""
    manifest = run / "manifest.json"
    said = json.loads(manifest.read_text(encoding="utf-8")) if manifest.is_file() else {}
    noted: dict[str, Any] | None = said.get("agreement")
    return noted


def log_end(plan: Plan, run: Path) -> dict[str, Any]:
    """Give number (``lines``) and ``digest`` of the last line that counts here.

    In a run that is the line its manifest names, so that all its notebooks see the same talks;
    elsewhere the last one there is.

    Raises
    ------
    DataError
        The log is out of order.
    """
    noted = _noted(run)
    if noted is not None:
        return {name: noted[name] for name in ("lines", "digest")}
    lines, digest = last_line(open_log(plan.agreement_place, plan.settings))
    return {"lines": lines, "digest": digest}


def logged_events(plan: Plan, run: Path) -> pd.DataFrame:
    """Give the lines that count here (see `planning_kit.agreement.read_events`).

    Raises
    ------
    DataError
        The log is out of order, or is not the one that the run began with.
    """
    events = read_events(open_log(plan.agreement_place, plan.settings))
    end = log_end(plan, run)
    known = events[events["sequence"] <= end["lines"]]
    if end["lines"] and known["digest"].iloc[-1:].tolist() != [end["digest"]]:
        raise DataError(
            f"agreement log: line {end['lines']} is not the one that this run began with "
            f"({end['digest']}): another log was put in its place. Put it back, or run again."
        )
    return known


def log_words(end: dict[str, Any]) -> str:
    """Say how far the log goes."""
    if not end["lines"]:
        return "no lines yet"
    return f"{end['lines']:,} lines, the last digest is {end['digest']}"
