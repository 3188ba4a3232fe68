"""Time the what-if panel in a browser: from the release of a lever to what is seen.

    python -m benchmarks.whatif_page [--rounds 30]

Chromium (headless) in JupyterLab and in `planning-kit app`, the sample region West and a company of
500 people x 5 product lines, after the tables of 02 and 03 were written. By the clock, on this
machine: medians, the 95th percentile beside them.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

from benchmarks.harness import Row, show, versions, write_results
from benchmarks.whatif import after_the_walk, make_company
from planning_kit.plan.new import new_plan

TOKEN = "bench"
WORDS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
# Releases the slider of the target `rounds` times; gives how long strip and grid, and the picture,
# took to show the new answer (ms, to the frame after).
RELEASES = """async (rounds) => {
  const box = document.querySelector(".pk-what-if"), picture = box.querySelector(".pk-picture");
  const slider = [...box.querySelectorAll("input[type=range]")].find((one) =>
    one.ariaLabel.startsWith("change of the target"));
  const seen = (host, name) => new Promise((done) => {
    const watch = new MutationObserver(() => {
      watch.disconnect();
      requestAnimationFrame(() => done(performance.now()));
    });
    watch.observe(host, { attributeFilter: [name] });
  });
  const found = [];
  for (let round = 0; round < rounds; round += 1) {
    const both = [seen(box, "data-digest"), seen(picture, "data-drawn")];
    slider.value = -0.01 * ((3 * round) % 29); // never twice the same
    const start = performance.now();
    slider.dispatchEvent(new Event("change"));
    found.push((await Promise.all(both)).map((end) => end - start));
    await new Promise((done) => setTimeout(done, 120));
  }
  return found;
}"""
# A hundred moves in two seconds; gives how long after the last all of it has settled (ms).
MOVES = """async () => {
  const box = document.querySelector(".pk-what-if"), picture = box.querySelector(".pk-picture");
  const slider = [...box.querySelectorAll("input[type=range]")].find((one) =>
    one.ariaLabel.startsWith("change of the target"));
  for (let move = 0; move < 100; move += 1) {
    slider.value = -0.01 * (1 + (move % 20));
    slider.dispatchEvent(new Event("input"));
    await new Promise((done) => setTimeout(done, 20));
  }
  const start = performance.now();
  slider.dispatchEvent(new Event("change"));
  while (box.ariaBusy !== "false" || picture.dataset.drawn !== box.dataset.digest) {
    await new Promise((done) => setTimeout(done, 2));
  }
  return performance.now() - start;
}"""
# Pastes a goal for everybody; gives how long it takes to the new answer (ms).
PASTE = """async (text) => {
  const box = document.querySelector(".pk-what-if");
  const heads = [...box.querySelectorAll("[role=grid] thead th")];
  const at = heads.findIndex((head) => head.textContent.startsWith("goal"));
  const cell = box.querySelector("[role=grid] tbody tr:not(.pk-space)").cells[at];
  cell.dispatchEvent(new MouseEvent("mousedown", { bubbles: true, button: 0 }));
  const data = new DataTransfer();
  data.setData("text/plain", text);
  const before = box.dataset.digest, start = performance.now();
  cell.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
  while (box.ariaBusy !== "false" || box.dataset.digest === before) {
    await new Promise((done) => setTimeout(done, 2));
  }
  return performance.now() - start;
}"""


def free_port() -> int:
    """Give a port that nobody listens on."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


@contextmanager
def served(command: list[str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a server until the end of the block."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("JUPYTER")}
    env = {**kept, "JUPYTER_CONFIG_DIR": str(folder / ".config"), "JUPYTER_TOKEN": TOKEN}
    with (folder / ".log").open("w") as log:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=folder, env=env
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=60)


def in_lab(page: Page, folder: Path, region: str) -> Iterator[None]:
    """Open 07 in JupyterLab and run it."""
    path = folder / "notebooks" / "07_what_if.ipynb"
    notebook = json.loads(path.read_text("utf-8"))
    for cell in notebook["cells"]:
        if "parameters" in cell["metadata"].get("tags", []):
            cell["source"] = [*cell["source"], f"\nregion = '{region}'"]
    path.write_text(json.dumps(notebook), "utf-8")
    port = free_port()
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    options = [f"--port={port}", f"--IdentityProvider.token={TOKEN}"]
    with served([*command, *options, f"--ServerApp.root_dir={folder}"], folder):
        link = f"http://127.0.0.1:{port}/lab/tree/notebooks/07_what_if.ipynb?token={TOKEN}&reset"
        for _ in range(200):
            with socket.socket() as there:
                if there.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.2)
        page.goto(link)
        page.get_by_text("| Idle").wait_for()
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_text("Run All Cells", exact=True).click()
        yield


def in_app(page: Page, folder: Path, region: str) -> Iterator[None]:
    """Open the page of `planning-kit app`."""
    command = [sys.executable, "-m", "planning_kit.cli", "app", str(folder), "--no-browser"]
    with served([*command, f"--region={region}", f"--port={free_port()}"], folder) as process:
        assert process.stdout is not None
        link = re.search(r"http\S+", process.stdout.readline())
        assert link is not None
        page.goto(link[0].split("?")[0] + f"?token={TOKEN}")
        yield


def measure(page: Page, where: str, size: str, rounds: int, pasted: str) -> list[Row]:
    """Time what somebody does on an open page."""
    page.locator(".pk-what-if").scroll_into_view_if_needed()
    page.get_by_role("button", name="Reset", exact=True).click()  # what the place before left
    page.locator(".pk-picture[data-drawn]").wait_for()
    page.wait_for_timeout(3000)
    page.evaluate(RELEASES, 3)
    found = np.array(page.evaluate(RELEASES, rounds)) / 1000
    took = {
        f"{where}: release to strip and grid": list(found[:, 0]),
        f"{where}: release to picture": list(found[:, 1]),
        f"{where}: last of 100 moves": [page.evaluate(MOVES) / 1000 for _ in range(5)],
    }
    page.get_by_role("button", name="Reset", exact=True).click()
    page.wait_for_timeout(2000)
    took[f"{where}: paste of all goals"] = [page.evaluate(PASTE, pasted) / 1000]
    return [show(_row(case, size, times)) for case, times in took.items()]


def _row(case: str, size: str, times: list[float]) -> Row:
    most = float(np.quantile(times, 0.95))
    said = f"95th percentile {most:.3f} s of {len(times)}"
    median = statistics.median(times)
    return Row(case, size, median, "none", None, None, None, said, versions("jupyterlab", "voila"))


def main() -> None:
    """Time both companies in both places."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    asked = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as place, sync_playwright() as driver:
        sample, large = Path(place) / "sample", Path(place) / "large"
        new_plan(sample, sample=True)
        make_company(large, 500)
        shutil.copytree(sample / "notebooks", large / "notebooks")
        program = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = driver.chromium.launch(executable_path=program, args=WORDS)
        for folder, region in ((sample, "West"), (large, "North")):
            step = after_the_walk(str(folder), region, "")
            goals = step.table("allocation").groupby("rep_id")["goal"].sum()
            moved = goals.to_numpy() + 100 * np.where(np.arange(len(goals)) % 2, 1, -1)
            pasted = "\n".join(f"{goal:.0f}" for goal in moved[:-1])
            for where, opened in (("Lab", in_lab), ("app", in_app)):
                page = browser.new_page(viewport={"width": 1280, "height": 1000})
                page.set_default_timeout(120_000)
                for _ in opened(page, folder, region):
                    rows += measure(page, where, f"{len(goals)} people", asked.rounds, pasted)
                page.close()
        browser.close()
    write_results("whatif_page", rows)


if __name__ == "__main__":
    main()
