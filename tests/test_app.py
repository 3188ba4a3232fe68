"""The page without code: who gets in, what somebody sees, what a page can ask of its kernel."""
# ruff: noqa: F811

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner

from planning_kit.agreement.door import Door
from planning_kit.cli import main
from planning_kit.messages import DataError
from planning_kit.plan import load_plan
from planning_kit.walk import first_words
from tests.conftest import PlanMaker
from tests.servers import free_port

pytest.importorskip("voila", reason="the extra [app] is not installed")
pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from playwright.sync_api import expect

from planning_kit.cli.app_server import Page
from tests.proxies import Proxy
from tests.test_browser import Window, chromium, stop, wait_for, window  # noqa: F401

pytestmark = pytest.mark.browser

USERS = """
[targets.regions]
North = 2000
South = 7770

[app.users]
"mia@example.org" = ["North"]
zoe = ["*"]
"""


def company(folder: Path, users: bool) -> Path:
    """Write a plan of two regions; bob of North has proposed 850 of the 1,000 he was offered."""
    people = {"ann": "t1", "bob": "t1", "carl": "t3"}
    plan = PlanMaker(folder)(
        extra=USERS if users else USERS.partition("[app")[0],
        reps="rep_id,rep_name,manager_id,region\nann,Ann,mia,\nbob,Bob B.,mia,\ncarl,Carl,sue,\n"
        "mia,Mia,zoe,North\nsue,Sue,zoe,South\nzoe,Zoe,,North\n",
        assignments="rep_id,territory_id,starts_on\n"
        + "".join(f"{who},{place},2023-01-01\n" for who, place in people.items()),
        territories="territory_id,region\nt1,North\nt3,South\n",
        sales="sold_on,rep_id,amount,product_id\n"
        + "".join(
            f"{year}-{month:02}-15,{who},{70 + 10 * (month % 2)},p1\n"
            for year in (2023, 2024, 2025)
            for who in people
            for month in range(1, 13)
        ),
        goals="starts_on,ends_on,rep_id,goal\n"
        + "".join(f"2025-01-01,2025-12-31,{who},1000\n" for who in people),
        proposals="starts_on,ends_on,rep_id,proposed\n2026-01-01,2026-12-31,bob,850\n",
    )
    door = Door.open(plan)
    door.start(first_words(plan, door.prepared))
    return plan.folder


@dataclass
class App:
    """A running app."""

    folder: Path
    process: subprocess.Popen[str]
    said: str

    @property
    def link(self) -> str:
        return re.search(r"http\S+", self.said)[0]

    @property
    def address(self) -> str:
        return self.link.partition("?")[0]

    @property
    def port(self) -> int:
        return int(re.search(r":(\d+)/", self.link)[1])

    @property
    def key(self) -> str:
        return re.search(r"token[= ](\w+)", self.said)[1]


@contextmanager
def started(folder: Path, port: int, *options: str) -> Iterator[App]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("JUPYTER")}
    command = [sys.executable, "-P", "-m", "planning_kit.cli", "app", str(folder), "--no-browser"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, f"--port={port}", *options],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=folder,
            env={**kept, "JUPYTER_CONFIG_DIR": str(folder / "config")},
            start_new_session=True,
        )
    with process.stdout:
        try:
            said = process.stdout.readline()
            assert "http" in said, (folder / "log").read_text(errors="replace")
            yield App(folder, process, said)
        finally:
            stop(process)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = company(tmp_path_factory.mktemp("app") / "plan", users=False)
    # What lies in the folder is no program for the server to run.
    (folder / "voila.py").write_text("open('was_run', 'w')")
    with started(folder, free_port()) as opened:
        yield opened


@pytest.fixture(scope="module")
def proxy(app: App, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    folder = company(tmp_path_factory.mktemp("mapped") / "plan", users=True)
    options = ("--base-url", "goals", "--user-header", "X-Forwarded-User")
    with started(folder, app.port, *options) as opened:
        passing = Proxy(opened.port, opened.key)
        passing.start()
        yield passing


def get(url: str, **headers: str) -> tuple[int, str]:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with direct.open(urllib.request.Request(url, headers=names), timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def opened(window: Window, link: str) -> Any:
    """Open the page and wait until its controls are there."""
    window.page.goto(link)
    window.page.locator(".planning-kit-app .jupyter-widgets").first.wait_for()
    return window.page


# --- who gets in ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", "?token=wrong", "voila/render/x", "api/kernels/1-1-1-1-1"])
def test_without_the_key_nobody_gets_in(app: App, path: str):
    status, page = get(app.address + path)
    assert status == 403 and "2,000" not in page


def test_what_lies_in_the_folder_is_neither_run_nor_served(app: App):
    assert not (app.folder / "was_run").exists()
    for path in ("voila/files/app.ipynb", "voila/files/style.css", "voila/files/../plan.toml"):
        assert get(f"{app.address}{path}?token={app.key}")[0] in (403, 404)


def test_a_region_nobody_knows_is_named_with_the_nearest_one(app: App):
    status, page = get(f"{app.link}&region=Nort")
    assert status == 403 and "did you mean &#39;North&#39;" in page


# --- the page ------------------------------------------------------------------------------------


def test_the_answer_stands_before_anything_else_does(app: App, window: Window):
    page = window.page
    page.route("**/voila.js*", lambda route: route.abort())  # as if nothing more ever came
    # Neither template nor theme are for the page to choose.
    tried = "&template=reveal&theme=<script>document.title='x'</script>"
    page.goto(app.link + tried, wait_until="commit")
    expect(page.locator("#loading")).to_have_text("computing…")
    answer = page.get_by_role("listitem").filter(has_text="target").first
    expect(answer).to_contain_text("2,000 EUR")
    expect(answer).to_be_in_viewport()
    assert answer.bounding_box()["y"] < 200
    assert "token" not in page.url and page.title() == "Small"


def target(page: Any) -> Any:
    """Find the first card of the panel."""
    return page.locator(".pk-card-value").first


def test_numbers_move_and_talks_follow_the_region(app: App, window: Window):
    # A header that anybody can send is no login.
    window.page.set_extra_http_headers({"X-Forwarded-User": "zoe", "Remote-User": "zoe"})
    page = opened(window, app.link)
    expect(target(page)).to_have_text("2,000 EUR")
    expect(page.locator("#first")).to_be_hidden()
    page.get_by_label("change of the target (%), slider").press("ArrowRight")
    expect(target(page)).to_have_text("2,020 EUR")

    page.get_by_role("tab", name="One to one").click()
    person = page.get_by_label("person", exact=True)
    expect(person).to_have_value("Bob B.")
    for heading in ("What was said", "What each step towards the other does", "Promises"):
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
    page.get_by_role("button", name="note").click()
    page.get_by_label("reason", exact=True).fill("calls back")
    page.get_by_role("button", name="Record").click()
    expect(page.get_by_role("status").last).to_contain_text("recorded: Bob B.: note")
    line = Door.open(load_plan(app.folder)).lines("bob").iloc[-1]
    assert line["reason"] == "calls back" and line["user"] != "zoe"
    page.get_by_label("region", exact=True).select_option("South")
    expect(person).to_have_value("Carl")
    page.get_by_role("tab", name="What if").click()
    expect(target(page)).to_have_text("7,770 EUR")


def test_nothing_serious_stands_in_anybodys_way(app: App, window: Window):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not there")
    window.page.set_viewport_size({"width": 420, "height": 900})
    page, serious = opened(window, app.link), []
    for tab in ("What if", "One to one"):
        page.get_by_role("tab", name=tab).click()
        page.locator(".planning-kit-app table >> visible=true").first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 420
        page.mouse.wheel(0, 5000)  # to the end of the page
        expect(
            page.locator(".planning-kit-app td:first-child >> visible=true").last
        ).to_be_in_viewport()
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert (int(re.search(r"\d+", colour)[0]) < 128) == (scheme == "dark")
            found = axe.Axe().run(page).response["violations"]
            bad = [v for v in found if v["impact"] in ("serious", "critical")]
            serious += [(tab, scheme, v["id"], [n["html"] for n in v["nodes"]]) for v in bad]
    assert serious == []


# --- a page cannot run code ----------------------------------------------------------------------


def asked(app: App, kernel: str, wanted: list[tuple[str, str, Any]], protocol: str) -> set[str]:
    """Say what a kernel answers somebody who has the key and speaks its protocol."""
    import websockets

    place = app.address.replace("http", "ws", 1)
    url = f"{place}api/kernels/{kernel}/channels?session_id=x&token={app.key}"

    async def talk() -> set[str]:
        kinds = [protocol] if protocol else None
        async with websockets.connect(url, subprotocols=kinds, max_size=None, proxy=None) as line:
            assert (line.subprotocol or "") == protocol
            for channel, kind, content in wanted:
                about = {"msg_id": uuid.uuid4().hex, "msg_type": kind, "session": "x"}
                about |= {"username": "", "version": "5.4", "date": ""}
                await line.send((_binary if protocol else _text)(channel, about, content))
            heard: set[str] = set()
            while "kernel_info_reply" not in heard:
                heard.add(_kind(await asyncio.wait_for(line.recv(), 20)))
            return heard

    with ThreadPoolExecutor(1) as other:  # in this thread the browser's loop runs
        return other.submit(lambda: asyncio.run(talk())).result()


def _text(channel: str, about: dict[str, str], content: dict[str, Any]) -> str:
    rest = {"parent_header": {}, "metadata": {}, "content": content, "buffers": []}
    return json.dumps({"channel": channel, "header": about, **rest})


def _binary(channel: str, about: dict[str, str], content: dict[str, Any]) -> bytes:
    parts = [channel.encode(), *(json.dumps(x).encode() for x in (about, {}, {}, content))]
    places = [8 * (len(parts) + 2)]
    for part in parts:
        places.append(places[-1] + len(part))
    return b"".join(n.to_bytes(8, "little") for n in [len(places), *places]) + b"".join(parts)


def _kind(message: str | bytes) -> str:
    if isinstance(message, str):
        return json.loads(message)["header"]["msg_type"]
    places = [int.from_bytes(message[8 * n : 8 * n + 8], "little") for n in range(1, 5)]
    return json.loads(message[places[1] : places[2]])["msg_type"]


def test_a_kernel_runs_no_code_for_whoever_has_the_key(app: App, tmp_path: Path):
    code = {"code": f"open({str(tmp_path / 'made')!r}, 'w')", "silent": False}
    code |= {"user_expressions": {}, "store_history": False, "allow_stdin": False}
    place = {"code": "plan_folder", "cursor_pos": 4, "detail_level": 0}
    debug = {"type": "request", "seq": 1, "command": "evaluate", "arguments": {}}
    wanted = [
        ("shell", "execute_request", code),
        ("control", "execute_request", code),
        ("shell", "complete_request", place),
        ("shell", "inspect_request", place),
        ("shell", "history_request", {"hist_access_type": "tail", "n": 9}),
        ("control", "debug_request", debug),
        ("control", "create_subshell_request", {}),
        ("stdin", "input_reply", {"value": "x"}),
        ("shell", "kernel_info_request", {}),
    ]
    kernel = re.search(r'"kernelId": "([\w-]+)"', get(app.link)[1])[1]
    for protocol in ("", "v1.kernel.websocket.jupyter.org"):
        assert asked(app, kernel, wanted, protocol) <= {"kernel_info_reply", "status"}
    assert not (tmp_path / "made").exists()


# --- regions by user -----------------------------------------------------------------------------


def test_a_user_sees_the_regions_the_plan_names_and_no_others(proxy: Proxy, window: Window):
    proxy.user = "mia@example.org"
    address = f"http://127.0.0.1:{proxy.port}/goals/"
    for region in ("South", "Sout", "company", "*"):
        status, page = get(f"{address}?region={region}")
        assert status == 403 and "South" not in page.replace(f"&#39;{region}&#39;", "")
        assert "7,770" not in page
    page = opened(window, address)  # a socket through the proxy, below the base url
    assert "7,770" not in page.content() and "South" not in page.content()
    assert [cookie for cookie in page.context.cookies() if "user" in cookie["name"]] == []
    expect(page.get_by_label("region", exact=True)).to_have_count(0)
    page.get_by_label("change of the target (%), slider").press("ArrowRight")
    expect(target(page)).to_have_text("2,020 EUR")
    page.get_by_role("tab", name="One to one").click()
    expect(page.get_by_label("person", exact=True).locator("option")).to_have_text(
        ["Ann", "Bob B."]
    )


def test_whoever_has_no_region_is_told_so(proxy: Proxy):
    for user in ("eve", "", "mia@example.org,zoe", "ZOE"):
        proxy.user = user
        status, page = get(f"http://127.0.0.1:{proxy.port}/goals/")
        assert status == 403 and "2,000" not in page
        assert ("may see no region" in page and "[app.users]" in page) == bool(user)


def test_a_name_counts_only_with_the_key_that_the_proxy_adds(proxy: Proxy):
    address, key = f"http://127.0.0.1:{proxy.target}/goals/", f"token {proxy.key}"
    assert get(address, X_Forwarded_User="zoe")[0] == 403
    assert get(address, Authorization=key)[0] == 403
    assert get(f"{address}?token={proxy.key}", X_Forwarded_User="zoe")[0] == 403
    assert get(address, X_Forwarded_User="nobody", Authorization=key)[0] == 403
    proxy.user = "mia@example.org"  # whatever the browser says of itself
    passed = f"http://127.0.0.1:{proxy.port}/goals/?region=South"
    assert get(passed, X_Forwarded_User="zoe")[0] == 403


def test_the_next_port_is_taken_where_one_is_taken(app: App, proxy: Proxy):
    assert 0 < proxy.target - app.port < 10


def test_of_a_hub_the_owner_of_the_server_is_the_user(make_plan: PlanMaker, monkeypatch):
    plan = make_plan(extra=USERS)
    page = Page(plan, ["North", "South"], "base", "", "", "")
    monkeypatch.setenv("JUPYTERHUB_USER", "mia@example.org")
    assert plan.regions_of(page.user(None), page.regions) == ["North"]
    monkeypatch.delenv("JUPYTERHUB_USER")
    assert plan.regions_of(page.user(None), page.regions) == []
    assert plan.regions_of("zoe", page.regions) == ["North", "South"]


# --- the command ---------------------------------------------------------------------------------


def test_a_region_in_the_mapping_that_nobody_knows_is_named(make_plan: PlanMaker):
    users = '[app.users]\nmia = ["North", "Sout"]\nzoe = "North"\n'
    with pytest.raises(DataError, match=r"\[app.users\] zoe must be a list"):
        make_plan(extra=users)
    plan = make_plan(extra=users.replace('"North"\n', '["*"]\n'))
    said = CliRunner().invoke(main, ["app", str(plan.folder), "--no-browser"]).stderr
    assert "[app.users] 'mia': 1 unknown label: 'Sout' (did you mean 'South'?)" in said
    found = CliRunner().invoke(main, ["check", str(plan.folder)])
    assert "did you mean 'South'?" in found.stdout and found.exit_code == 3


@pytest.mark.parametrize("option", ["--region=Nort", "--scenario=none", "--run=none"])
def test_what_is_not_there_is_said_before_a_server_starts(make_plan: PlanMaker, option: str):
    result = CliRunner().invoke(main, ["app", str(make_plan().folder), "--no-browser", option])
    assert result.exit_code in (2, 3) and result.stdout == ""
    assert len(result.stderr.splitlines()) == 1


def test_without_voila_one_line_says_how_to_get_it(make_plan: PlanMaker, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = CliRunner().invoke(main, ["app", str(make_plan().folder)])
    assert result.exit_code == 2 and "pip install 'planning-kit[app]'" in result.stderr


def test_the_kernels_end_with_the_server(app: App):  # the last test that needs it
    assert "2,000 EUR" in get(app.link)[1]
    family = psutil.Process(app.process.pid).children(recursive=True)
    assert len(family) >= 2  # the template and a kernel
    app.process.send_signal(signal.SIGINT)  # Ctrl+C
    assert app.process.wait(90) == 0
    wait_for(lambda: not any(map(psutil.Process.is_running, family)), "the kernels to end")
