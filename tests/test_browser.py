"""What a planner sees in a browser: notebooks, the panel and reports, without a network."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from planning_kit.output.cards import Card, show_cards
from planning_kit.output.charts.renderer import SPEC_TYPE
from planning_kit.output.report import export_html
from planning_kit.plan.new import new_plan

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = pytest.mark.browser

SECONDS = 120
TOKEN = "only-for-this-test"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--disable-dev-shm-usage",
]
# A canvas that nothing was drawn on has one colour.
COLOURS = """canvas => {
  const bytes = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  return new Set(new Uint32Array(bytes.buffer)).size;
}"""


@dataclass
class Window:
    """A page of a browser, and every address it asked for that is not on this machine."""

    page: Any
    outside: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("no Chromium is installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def window(chromium: Any) -> Iterator[Window]:
    """Open a page that reaches this machine only; whatever else it asks for fails the test."""
    context = chromium.new_context(
        viewport={"width": 1280, "height": 900}, service_workers="block", locale="en-US"
    )
    opened = Window(context.new_page())

    def answer(route: Any) -> None:
        if is_local(route.request.url):
            route.continue_()
        else:
            opened.outside.append(route.request.url)
            route.abort()

    context.route("**/*", answer)
    opened.page.on("websocket", lambda ws: is_local(ws.url) or opened.outside.append(ws.url))
    opened.page.set_default_timeout(SECONDS * 1000)
    playwright.expect.set_options(timeout=SECONDS * 1000)
    yield opened
    context.close()
    assert opened.outside == []


def is_local(address: str) -> bool:
    return bool(re.match(r"(https?|wss?)://127\.0\.0\.1[:/]|(file|data|blob|about):", address))


# --- cards ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [420, 1280])
def test_cards_wrap_and_no_text_is_cut_off(window: Window, width: int):
    line = [Card("target", "115,891,600.25 EUR", "a note"), Card("chance", "57 %")] * 2
    line.append(Card("what to do", "Read the findings below one after the other. " * 4))
    window.page.set_viewport_size({"width": width, "height": 600})
    window.page.set_content(show_cards(line, "North")._repr_html_())
    assert window.page.evaluate("document.documentElement.scrollWidth") <= width
    cut = "texts => texts.filter(t => t.scrollWidth > t.clientWidth).length"
    assert window.page.locator("[role=listitem] p").evaluate_all(cut) == 0


# --- JupyterLab ----------------------------------------------------------------------------------


@dataclass
class Lab:
    """A JupyterLab of its own over a copy of the sample plan."""

    folder: Path
    address: str

    def notebook(self, name: str) -> Any:
        return json.loads((self.folder / "notebooks" / f"{name}.ipynb").read_text("utf-8"))

    def open(self, page: Any, name: str) -> None:
        page.goto(f"{self.address}/lab/tree/notebooks/{name}.ipynb?token={TOKEN}&reset")
        page.get_by_text("| Idle").wait_for()  # before that, controls may never be shown

    def run_all(self, page: Any, name: str) -> Any:
        """Run all cells of the open notebook from the menu; give it as it is saved then."""
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_text("Restart Kernel and Run All Cells").click()
        page.locator(".jp-Dialog button.jp-mod-accept").click()

        def everything_has_run() -> bool:
            page.wait_for_timeout(500)
            page.keyboard.press("Control+s")
            cells = code_cells(self.notebook(name))  # a save may fall between output and number
            stopped = [o for c in cells for o in c["outputs"] if o["output_type"] == "error"]
            finished = all(c["execution_count"] for c in cells) and cells[-1]["outputs"]
            return bool(finished or stopped)

        wait_for(everything_has_run, f"the last cell of {name} to run")
        page.get_by_text("| Idle").wait_for()
        return self.notebook(name)


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def wait_for(done: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + SECONDS
    while not done():
        assert time.monotonic() < end, f"waited {SECONDS} seconds for {what}"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def lab(chromium: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    home = tmp_path_factory.mktemp("lab")
    sample_without_results(home / "plan")
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--no-browser",
        "--ip=127.0.0.1",
        f"--port={port}",
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={TOKEN}",
        f"--ServerApp.root_dir={home / 'plan'}",
        "--allow-root",
    ]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            env=settings_of_its_own(home),
            cwd=home / "plan",
            start_new_session=True,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(lambda: answers(address, process, home / "log"), "JupyterLab to start")
        yield Lab(home / "plan", address)
    finally:
        stop(process)


def sample_without_results(folder: Path) -> None:
    """Copy the sample plan; notebooks may come with results, which a test must not see."""
    new_plan(folder, sample=True)
    for path in (folder / "notebooks").glob("*.ipynb"):
        notebook = json.loads(path.read_text("utf-8"))
        for cell in code_cells(notebook):
            cell.update(outputs=[], execution_count=None)
        path.write_text(json.dumps(notebook), "utf-8")


def settings_of_its_own(home: Path) -> dict[str, str]:
    """Keep the tester's own settings out, and the question about news off the screen."""
    folder = home / "config" / "labconfig"
    folder.mkdir(parents=True)
    news = {"@jupyterlab/apputils-extension:announcements": True}
    (folder / "page_config.json").write_text(json.dumps({"disabledExtensions": news}))
    kept = {k: v for k, v in os.environ.items() if not k.startswith("JUPYTER")}
    return {
        **kept,
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "share"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "IPYTHONDIR": str(home / "ipython"),
    }


def answers(address: str, process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, log.read_text(errors="replace")[-2000:]
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        direct.open(f"{address}/api/status?token={TOKEN}", timeout=10).close()
    except (urllib.error.URLError, OSError):
        return False
    return True


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()  # it ends its kernels and then itself
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def assert_everything_ran(notebook: Any) -> None:
    cells = code_cells(notebook)
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert [o for o in outputs if o["output_type"] == "error"] == []
    assert [o for o in outputs if o.get("name") == "stderr"] == []
    assert [c["execution_count"] for c in cells] == list(range(1, len(cells) + 1))


def assert_a_chart_is_drawn(page: Any) -> None:
    chart = page.locator(".jp-OutputArea canvas").first
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box["width"] > 200 and box["height"] > 100
    assert chart.evaluate(COLOURS) > 5


def test_the_first_notebook_runs_in_jupyterlab_from_the_menu(lab: Lab, window: Window):
    lab.open(window.page, "00_start_here")
    notebook = lab.run_all(window.page, "00_start_here")
    assert_everything_ran(notebook)
    last = window.page.locator(".jp-Notebook .jp-Cell").last.locator(".jp-OutputArea table")
    playwright.expect(last).to_contain_text("tables/checks.csv")
    playwright.expect(last).to_be_visible()
    assert_a_chart_is_drawn(window.page)
    assert list((lab.folder / "runs" / "draft").rglob("checks.csv"))


# --- reports -------------------------------------------------------------------------------------


def executed(folder: Path, name: str) -> Path:
    """Run a notebook of the sample plan in a process of its own: a browser holds this one."""
    sample_without_results(folder / "plan")
    notebooks = folder / "plan" / "notebooks"
    subprocess.run(
        [
            sys.executable,
            "-m",
            "nbconvert",
            "--to",
            "notebook",
            "--execute",
            "--inplace",
            str(notebooks / f"{name}.ipynb"),
        ],
        check=True,
        capture_output=True,
        timeout=SECONDS * 2,
        cwd=notebooks,
        env=settings_of_its_own(folder),
    )
    return notebooks / f"{name}.ipynb"


def test_a_report_opened_from_disk_shows_all_its_charts_and_asks_for_nothing(
    window: Window, tmp_path: Path
):
    notebook = executed(tmp_path, "01_historical_review")
    report = export_html(notebook, tmp_path / "report.html")
    outputs = [o for c in code_cells(json.loads(notebook.read_text("utf-8"))) for o in c["outputs"]]
    charts = [o["data"]["text/plain"] for o in outputs if SPEC_TYPE in o.get("data", {})]
    assert len(charts) >= 3
    asked: list[str] = []
    window.page.on("request", lambda request: asked.append(request.url))
    window.page.goto(report.as_uri())
    window.page.wait_for_load_state("networkidle")
    assert [url for url in asked if not url.startswith("data:")] == [report.as_uri()]
    pictures = window.page.locator("main img")
    words = pictures.evaluate_all("images => images.map(image => image.alt)")
    assert words == ["".join(text) for text in charts]
    sizes = pictures.evaluate_all("images => images.map(i => [i.naturalWidth, i.clientHeight])")
    assert all(width > 200 and height > 50 for width, height in sizes)
    wide = window.page.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert not wide, "the page is wider than the window"
