"""Published goals: frozen tables with a digest; whatever changes later is a new version."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from planning_kit.agreement.goals import Goals
from planning_kit.agreement.log import open_log, read_events, verify
from planning_kit.agreement.state import PUBLISH
from planning_kit.data import read_table, write_table
from planning_kit.messages import finding, findings_table
from planning_kit.numbers.units import from_units, to_units
from planning_kit.plan import NOT_KNOWN, Plan, folder_name, write_atomically

TABLES = ("goals", "steps", "people")  # the first two are digested: what counts
CHANGE_COLUMNS = ("rep_id", "was", "goal", "difference", "by", "on", "why")


@dataclass(frozen=True)
class Version:
    """One version of a region's published goals.

    Attributes
    ----------
    region : str
    number : int
        From 1 up.
    digest : str
        Of its tables' bytes; it stands in the log and on the letters.
    folder : Path
        Where its tables are: ``goals`` (by month, as the canonical table of that name, so that
        next year's plan can read it), ``steps`` (they add up to each person's goal), ``people``
        (who agreed when, by what word) and ``changes`` since the version before.
    line : int
        Its line in the log; 0: not in the log yet.
    """

    region: str
    number: int
    digest: str
    folder: Path
    line: int = 0

    @property
    def facts(self) -> dict[str, str]:
        """Give what names it, as in the log."""
        return {"region": self.region, "version": str(self.number), "digest": self.digest}

    def table(self, name: str) -> pd.DataFrame:
        """Read one of its tables."""
        return read_table(self.folder / f"{name}.csv")


def versions_of(events: pd.DataFrame, folder: Path) -> list[Version]:
    """List what was published, in order.

    Parameters
    ----------
    events
        Lines of the log.
    folder
        The plan's folder of published goals.
    """
    found = []
    for line in events[events["kind"] == PUBLISH].to_dict("records"):
        said = json.loads(line["basis"])
        place = _place(folder, said["region"], int(said["version"]))
        found.append(
            Version(said["region"], int(said["version"]), said["digest"], place, line["sequence"])
        )
    return found


def freeze(folder: Path, region: str, number: int, goals: Goals, people: pd.DataFrame) -> Version:
    """Write the tables of a version, whole or not at all; what stands there unsaid is replaced.

    Parameters
    ----------
    folder
        The plan's folder of published goals.
    region, number
        Which version it becomes.
    goals
        The goals that stand.
    people
        By ``rep_id`` the last word about each (``status``, ``last_by``, ``last_at``).
    """
    place = _place(folder, region, number)
    draft = place.with_name(f".{place.name}")
    for left in (draft, place):
        shutil.rmtree(left, ignore_errors=True)
    for name, table in zip(TABLES, (_canonical(goals), goals.why(), people), strict=True):
        write_table(draft / f"{name}.csv", table)
    draft.rename(place)
    return Version(region, number, digest_of(place), place)


def describe(version: Version, facts: Mapping[str, Any], changes: pd.DataFrame) -> None:
    """Write beside the tables what a reader without the log needs, and what has changed."""
    write_table(version.folder / "changes.csv", changes)
    text = json.dumps(dict(facts), ensure_ascii=False, indent=1)
    write_atomically(version.folder / "version.json", text)


def digest_of(folder: Path) -> str:
    """Digest the frozen goals and steps as they lie there; empty: one is missing."""
    try:
        parts = [(folder / f"{name}.csv").read_bytes() for name in TABLES[:2]]
    except OSError:
        return ""
    whole = b"".join(hashlib.sha256(part).digest() for part in parts)
    return hashlib.sha256(whole).hexdigest()[:16]


def changes_between(
    before: pd.DataFrame | None, after: pd.DataFrame, events: pd.DataFrame, unit: float
) -> pd.DataFrame:
    """Say whose goal is another one, by how much, and who said why.

    Parameters
    ----------
    before, after
        ``rep_id`` and ``goal`` of two versions, any cells; None: there was none before.
    events
        Lines of the log: the last word about a person says by whom, when and why.
    unit
        Rounding unit, plan currency.

    Returns
    -------
    pandas.DataFrame
        ``rep_id``, ``was``, ``goal``, ``difference`` (plan currency; empty: no goal), ``by``,
        ``on``, ``why``.
    """
    if before is None:
        return pd.DataFrame(columns=list(CHANGE_COLUMNS))
    sums = {
        name: table.assign(goal=to_units(table["goal"], unit)).groupby("rep_id")["goal"].sum()
        for name, table in (("was", before), ("goal", after))
    }
    both = pd.DataFrame(sums)
    moved = both[both["was"].ne(both["goal"])].sort_index()
    moved["difference"] = moved["goal"].fillna(0) - moved["was"].fillna(0)
    for name in ("was", "goal", "difference"):
        moved[name] = from_units(moved[name].fillna(0), unit).where(moved[name].notna())
    words = events[events["kind"].isin(["accept", "decide", "assign"])]
    last = words.drop_duplicates("rep_id", keep="last").set_index("rep_id")
    last = last.reindex(moved.index)
    speaker = last["behalf"].where(last["behalf"].fillna("") != "", last["actor"])
    said = moved.assign(by=speaker, on=last["time"].str[:10], why=_reasons(events, moved.index))
    return said.rename_axis("rep_id").reset_index()[list(CHANGE_COLUMNS)]


def _reasons(events: pd.DataFrame, people: Iterable[str]) -> list[str]:
    """Give the last reason that was said about each, other than notes."""
    spoken = events[(events["reason"].fillna("") != "") & ~events["kind"].isin(["note", "promise"])]
    last = spoken.drop_duplicates("rep_id", keep="last").set_index("rep_id")["reason"]
    return [str(last.get(rep_id, "")) for rep_id in people]


def version_findings(versions: Iterable[Version]) -> list[dict[str, str]]:
    """Compare every published version with its digest in the log."""
    rows = []
    for version in versions:
        if (found := digest_of(version.folder)) == version.digest:
            continue
        what = "is not there" if not found else "was changed after it was published"
        message = f"version {version.number} of {version.region} {what} ({version.folder.name})."
        advice = f"Put back the tables whose digest is {version.digest}."
        rows.append(finding("agreement.published", "fail", version.region, message, advice))
    return rows


def check_all(plan: Plan, noted: Iterable[str] = (), new_key: bool = False) -> pd.DataFrame:
    """Check the log, its signatures, and every version of published goals.

    Parameters
    ----------
    plan
        Whose.
    noted
        Digests noted elsewhere; those in the manifests of the plan's runs are looked for too.
    new_key
        Sign with a new key from now on, where nothing fails.

    Returns
    -------
    pandas.DataFrame
        Findings.
    """
    log = open_log(plan.agreement_place, plan.settings)
    found = verify(log, {*noted, *_noted_in_runs(plan.runs_folder)})
    if (found["status"] == "fail").any():
        return found
    rows = version_findings(versions_of(read_events(log), plan.published_folder))
    if rows:
        return pd.concat([findings_table(rows), found], ignore_index=True)
    if new_key:
        log.seal.renew()
    return found


def _noted_in_runs(folder: Path) -> set[str]:
    digests = set()
    for manifest in folder.glob("*/manifest.json"):
        try:
            said = json.loads(manifest.read_text(encoding="utf-8"))
            digests.add(str(said["agreement"]["digest"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # an unreadable run says nothing about the log
    return digests - {""}


def _place(folder: Path, region: str, number: int) -> Path:
    return folder / folder_name(region) / f"v{number}"


def _canonical(goals: Goals) -> pd.DataFrame:
    """Give the goals by month as the canonical table ``goals``, with what they rest on."""
    table = goals.table
    table["starts_on"] = table["month"]
    table["ends_on"] = (table["month"] + pd.offsets.MonthEnd(0)).astype("datetime64[us]")
    for name in ("territory_id", "product_line"):
        if name in table:
            table[name] = table[name].where(table[name] != NOT_KNOWN)
    labels = [name for name in goals.labels if name != "rep_id"]
    order = ["starts_on", "ends_on", "rep_id", "goal", *labels, "allocated", "agreed", "basis"]
    return table[order]
