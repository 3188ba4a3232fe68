"""A batch of regions against papermill's command line and papermill's Python functions.

Run with ``python -m benchmarks.batch`` (an hour on two cores: the peers are slow), or smaller with
``--regions 6 --sample 2``. The company is made of the sample plan's region East, 10 people, once
for every region with other names and amounts: 50 regions are 500 people. Each contestant runs the
seven notebooks 01 to 07 of every region, the peers two regions at a time, and makes a page of HTML of each;
ours runs the company's roll-up as well. Peers run a sample of the regions and are scaled.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.harness import Row, show, versions, write_results
from planning_kit.plan import bundled
from planning_kit.run import read_manifest

JOBS = 2  # regions at a time, of the peers; ours takes its own default, one more than cores
LIKE = "East"
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
IDS = ("rep_id", "manager_id", "territory_id", "account_id", "opportunity_id", "event_id")
AMOUNTS = ("amount", "cost", "goal", "proposed", "potential")
PACKAGES = ("pandas", "numpy", "scipy", "altair", "papermill", "nbconvert", "ipykernel")


# --- the company -------------------------------------------------------------------------------


def make_company(folder: Path, regions: int, seed: int = 1) -> list[str]:
    """Write a plan whose every region is like the sample's East; give the regions' names."""
    tables, random = _one_region(), np.random.default_rng(seed)
    names = [f"R{number:03d}" for number in range(1, regions + 1)]
    shared = {name: tables.pop(name) for name in ("products", "assumptions")}
    (folder / "data").mkdir(parents=True)
    for name, table in tables.items():
        parts = [_renamed(table, region, random.uniform(0.8, 1.25)) for region in names]
        pd.concat(parts).to_csv(folder / "data" / f"{name}.csv", index=False)
    for name, table in shared.items():
        table.to_csv(folder / "data" / f"{name}.csv", index=False)
    sections = [f'[sources.{name}]\nfile = "data/{name}.csv"\n' for name in [*tables, *shared]]
    head = (
        '[plan]\nname = "Benchmark"\ncurrency = "EUR"\nrounding_unit = 100\n'
        "starts_on = 2026-01-01\n\n[targets]\ngrowth_share = 0.05\n\n"
    )
    (folder / "plan.toml").write_text(head + "\n".join(sections), encoding="utf-8")
    (folder / "notebooks").mkdir()
    for path in bundled("notebooks").glob("0[1-8]_*.ipynb"):
        shutil.copy(path, folder / "notebooks")
    shutil.copytree(bundled("data_samples") / "scenarios", folder / "scenarios")
    for path in (folder / "scenarios").glob("*.toml"):
        path.write_text("", encoding="utf-8")  # the sample's rules name the sample's people
    return names


def _one_region() -> dict[str, pd.DataFrame]:
    data = bundled("data_samples") / "data"
    tables = {
        path.stem: pd.read_csv(path) for path in data.glob("*.csv") if path.stem != "proposals"
    }
    places = pd.read_excel(data / "territories.xlsx", engine="openpyxl")
    places.columns = [str(c).strip().lower().replace(" ", "_") for c in places.columns]
    here = places[places["region"] == LIKE]
    tables["territories"] = here
    held = tables["assignments"]
    tables["assignments"] = held[held["territory_id"].isin(here["territory_id"])]
    people = set(tables["assignments"]["rep_id"])
    reps = tables["reps"]
    people |= set(reps.loc[reps["rep_id"].isin(people), "manager_id"].dropna())
    for name in ("reps", "sales", "goals", "opportunities", "activities"):
        tables[name] = tables[name][tables[name]["rep_id"].isin(people)]
    time_spent = tables["manager_time"]
    tables["manager_time"] = time_spent[time_spent["manager_id"].isin(people)]
    sold = tables["sales"]
    tables["sales"] = sold[sold["territory_id"].isin(here["territory_id"])]
    events = tables["events"]
    tables["events"] = events[events["territory_id"].isin(here["territory_id"])]
    bosses = tables["reps"]["manager_id"]
    bosses = bosses.where(bosses.isin(people))
    tables["reps"] = tables["reps"].assign(region=LIKE, manager_id=bosses)
    return tables


def _renamed(table: pd.DataFrame, region: str, factor: float) -> pd.DataFrame:
    changed = table.copy()
    for name in (n for n in IDS if n in changed):
        changed[name] = changed[name].where(changed[name].isna(), changed[name] + f"-{region}")
    for name in (n for n in AMOUNTS if n in changed):
        changed[name] = (changed[name] * factor).round(2)
    return changed.assign(region=region) if "region" in changed else changed


# --- the contestants -----------------------------------------------------------------------------


class Memory:
    """Watches what all processes of a tree hold together (proportional set size), in MB."""

    def __init__(self) -> None:
        self.peak, self.series, self.ended = 0.0, [], threading.Event()

    @contextmanager
    def watching(self, process: subprocess.Popen) -> Iterator[None]:
        """Look twice a second."""
        thread = threading.Thread(target=self._watch, args=(process.pid,))
        thread.start()
        yield
        self.ended.set()
        thread.join()

    def _watch(self, number: int) -> None:
        import psutil

        while not self.ended.wait(0.5):
            total = 0
            try:
                tree = [psutil.Process(number)]
                tree += tree[0].children(recursive=True)
            except psutil.Error:
                continue
            for process in tree:
                try:
                    total += process.memory_full_info().pss
                except psutil.Error:
                    continue
            self.series.append(total / 2**20)
            self.peak = max(self.series)


def ours(plan: Path, *words: str) -> tuple[float, float, Path]:
    """Run the batch; give seconds, peak MB and the folder of the run."""
    command = [sys.executable, "-m", "planning_kit.cli", "run", str(plan)]
    memory, start = Memory(), time.perf_counter()
    process = subprocess.Popen([*command, "--quiet", *words])
    with memory.watching(process):
        process.wait()
    taken = time.perf_counter() - start
    if process.returncode:
        raise SystemExit("our own run failed; see its output above")
    if len(memory.series) > 20:
        half = len(memory.series) // 2
        first, last = (float(np.median(s)) for s in (memory.series[5:half], memory.series[half:]))
        print(f"memory: {first:.0f} MB in the first half of the run, {last:.0f} MB in the second")
    return taken, memory.peak, max((plan / "runs").glob("*/manifest.json")).parent


def command_line(plan: Path, regions: list[str], out: Path) -> float:
    """Run papermill and nbconvert as commands, two regions at a time with xargs."""
    bin_folder = Path(sys.executable).parent
    lines = ["set -e", 'mkdir -p "$2/$1"']
    for path in sorted((plan / "notebooks").glob("0[1-7]_*.ipynb")):
        made = f'"$2/$1/{path.name}"'
        lines.append(
            f"{bin_folder}/papermill --no-progress-bar {shlex.quote(str(path))} {made} -r region "
            f'"$1" -p plan_folder {shlex.quote(str(plan))} -p run_folder "$2" >/dev/null 2>&1'
        )
        lines.append(f"{bin_folder}/jupyter nbconvert --to html {made} >/dev/null 2>&1")
    script = out / "region.sh"
    out.mkdir(parents=True)
    script.write_text("\n".join(lines) + "\n")
    start = time.perf_counter()
    subprocess.run(
        ["xargs", "-P", str(JOBS), "-I{}", "sh", str(script), "{}", str(out)],
        input="\n".join(regions) + "\n",
        text=True,
        check=True,
        env={**os.environ, **ONE_THREAD},
    )
    return time.perf_counter() - start


def _papermill_region(plan: str, region: str, out: str) -> None:
    import papermill
    from nbconvert import HTMLExporter

    os.environ.update(ONE_THREAD)
    Path(out, region).mkdir(parents=True, exist_ok=True)
    for path in sorted(Path(plan, "notebooks").glob("0[1-7]_*.ipynb")):
        made = Path(out, region, path.name)
        given = {"region": region, "plan_folder": plan, "run_folder": out}
        papermill.execute_notebook(str(path), str(made), given, progress_bar=False)
        page, _ = HTMLExporter().from_filename(str(made))
        made.with_suffix(".html").write_text(page, encoding="utf-8")


def python_functions(plan: Path, regions: list[str], out: Path) -> float:
    """Run papermill and nbconvert as functions in two processes."""
    start = time.perf_counter()
    with ProcessPoolExecutor(JOBS, mp_context=get_context("spawn")) as pool:
        jobs = [pool.submit(_papermill_region, str(plan), region, str(out)) for region in regions]
        for job in jobs:
            job.result()
    return time.perf_counter() - start


# --- the comparison ------------------------------------------------------------------------------


def same_tables(run: Path, other: Path, regions: list[str]) -> str:
    """Say whether a peer wrote the same tables, byte by byte."""
    for region in regions:
        for path in sorted((run / region / "tables").glob("*.csv")):
            theirs = other / region / "tables" / path.name
            if not theirs.is_file() or theirs.read_bytes() != path.read_bytes():
                return f"{region}/{path.name} differs"
    return "same tables"


def show_phases(run: Path) -> None:
    """Print the mean seconds of each notebook."""
    parts = [n for record in read_manifest(run)["regions"] for n in record["notebooks"]]
    means = pd.DataFrame(parts).groupby("name")["seconds"].mean()
    print(
        "seconds a notebook, report included: "
        + ", ".join(f"{name} {mean:.2f}" for name, mean in means.items())
    )


def main() -> None:
    """Measure, print the table, write it down."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--regions", type=int, default=50)
    parser.add_argument("--sample", type=int, default=4, help="regions that the peers run")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        plan = Path(scratch) / "plan"
        regions = make_company(plan, asked.regions)
        sample = regions[: min(asked.sample, len(regions))]
        size, scale = f"{len(regions)} regions x 7", len(regions) / len(sample)
        seconds, peak, run = ours(plan)
        show_phases(run)
        rows = []
        peers = {"papermill xargs -P 2": command_line, "papermill functions": python_functions}
        for name, contestant in peers.items():
            out = Path(scratch) / contestant.__name__
            theirs = contestant(plan, sample, out) * scale
            agreement = same_tables(run, out, sample)
            if len(sample) < len(regions):
                agreement += f"; {len(sample)} regions scaled"
            rows.append(
                Row(
                    "batch",
                    size,
                    seconds,
                    name,
                    theirs,
                    theirs / seconds,
                    peak,
                    agreement,
                    versions(*PACKAGES),
                )
            )
        again = min(ours(plan)[0] for _ in range(3))
        rows.append(
            Row(
                "unchanged",
                size,
                again,
                "limit 1 s",
                None,
                None,
                None,
                "the whole command",
                versions(*PACKAGES),
            )
        )
        for row in rows:
            show(row)
        write_results("batch", rows)


if __name__ == "__main__":
    main()
