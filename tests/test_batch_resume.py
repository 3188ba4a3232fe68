"""Nothing twice, and a run that goes on after anything."""

from __future__ import annotations

import errno
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import ClassVar

import nbformat
import pytest
from click.testing import CliRunner

import planning_kit.run.batch as batch_run
from planning_kit.agreement import Event
from planning_kit.agreement.door import Door
from planning_kit.cli import main
from planning_kit.data import open_inputs, prepare
from planning_kit.messages import UsageError
from planning_kit.plan import SECTIONS, Plan, Scenario, load_plan
from planning_kit.run import BatchOptions, read_manifest, run_plan, unfinished_run
from planning_kit.run.manifest import process_is_gone
from planning_kit.steps import MADE_BY, STEPS
from tests.conftest import ROOT, PlanMaker
from tests.test_batch import WRITE, own_notebook, said

TABLE = """
from pathlib import Path
import time
tables = Path(run_folder, region or "company", "tables")
tables.mkdir(parents=True, exist_ok=True)
time.sleep(0.05)
"""
STEP = TABLE + '(tables / "NAME.csv").write_text("region,n\\n" + region + ",7\\n" * 50)\n'
COMPANY = (
    TABLE.replace("region or ", "")
    + """
parts = sorted(Path(run_folder).glob("*/tables/b.csv"))
(tables / "sums.csv").write_text("".join(p.read_text() for p in parts))
"""
)
RUNNER = [sys.executable, "-m", "planning_kit.cli", "run"]


@pytest.fixture
def plan(make_plan: PlanMaker) -> Plan:
    plan = make_plan()
    own_notebook(plan, "01_first", STEP.replace("NAME", "a"))
    own_notebook(plan, "02_second", STEP.replace("NAME", "b"))
    own_notebook(plan, "08_company", COMPANY)
    return plan


def plain(**more) -> BatchOptions:
    return BatchOptions(**{"jobs": 2, "html": False, "fork": False, **more})


def reasons(run: Path) -> dict[str, str]:
    regions = read_manifest(run)["regions"]
    return {f"{r['region']} {n['name']}": n["reason"] for r in regions for n in r["notebooks"]}


def kernels_of(run: Path) -> list[str]:
    return [n["kernel"] for r in read_manifest(run)["regions"] for n in r["notebooks"]]


def tables_of(run: Path) -> dict[str, bytes]:
    return {str(p.relative_to(run)): p.read_bytes() for p in sorted(run.glob("*/tables/*.csv"))}


def no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_run.Pool, "_start", lambda self: pytest.fail("a process was started"))


def test_a_plan_in_which_nothing_changed_is_not_run_again(plan: Plan, monkeypatch):
    first = run_plan(plan, plain())
    no_process(monkeypatch)
    (plan.runs_folder / "latest").write_text("another run\n")
    assert run_plan(plan, plain()) == first
    assert (plan.runs_folder / "latest").read_text().strip() == first.name
    said = CliRunner().invoke(main, ["run", str(plan.folder), "--no-html"])
    assert f"nothing has changed since run {first.name}" in said.stderr and said.exit_code == 0
    assert [p.name for p in plan.runs_folder.glob("*/manifest.json")] == ["manifest.json"]
    (first / "North" / "tables" / "a.csv").touch()  # perhaps somebody edited it: look closer
    again = run_plan(plan, plain())
    assert again != first and set(kernels_of(again)) == {"taken over"}


def test_parts_of_an_unchanged_plan_are_taken_over_without_a_single_process(plan, monkeypatch):
    first = run_plan(plan, plain(regions=("North", "South")))
    run_plan(plan, plain(regions=("North",)))
    no_process(monkeypatch)
    second = run_plan(plan, plain(regions=("South",)))
    assert second != first and set(kernels_of(second)) == {"taken over"}
    assert set(reasons(second).values()) == {f"unchanged since run {first.name}"}
    expected = {name: c for name, c in tables_of(first).items() if name.startswith("South")}
    assert tables_of(second) == expected and len(expected) == 2
    shutil.rmtree(first)  # a run stands by itself
    for path in second.glob("_whole.json"):
        path.unlink()
    assert set(kernels_of(run_plan(plan, plain(regions=("South",))))) == {"taken over"}


def test_a_changed_notebook_runs_again_and_so_does_what_reads_its_tables(plan: Plan):
    run_plan(plan, plain())
    own_notebook(plan, "02_second", STEP.replace("NAME", "b").replace("7", "8"))
    run = run_plan(plan, plain())
    found = reasons(run)
    assert found["North 01_first"].startswith("unchanged since")
    assert found["North 02_second"].endswith(": notebook")
    assert b"8\n" in tables_of(run)["North/tables/b.csv"]


def test_a_table_that_was_taken_over_is_taken_by_the_steps_after_it(plan: Plan):
    split = (
        "import planning_kit as pk\nstep = pk.open_step('NAME', region=region, "
        "plan_folder=plan_folder, run_folder=run_folder, scenario=scenario)\n"
        "table = step.table('allocation')\n"
    )
    write = split.replace("NAME", "03_target_allocation") + "step.write(allocation=table)"
    read = split.replace("NAME", "04_goal_metrics") + "print(step.origins()['origin'].tolist())"
    own_notebook(plan, "03_target_allocation", write)
    own_notebook(plan, "04_goal_metrics", read)
    run_plan(plan, plain(regions=("North",)))
    own_notebook(plan, "04_goal_metrics", read + "\nprint('again')")
    run = run_plan(plan, plain(regions=("North",)))
    assert reasons(run)["North 03_target_allocation"].startswith("unchanged")
    assert said(run, "North", "04_goal_metrics") == ("['written by 03_target_allocation']\nagain\n")


def test_a_changed_scenario_or_input_or_parameter_is_named(plan: Plan):
    run_plan(plan, plain(regions=("North",)))
    (plan.folder / "scenarios").mkdir()
    (plan.folder / "scenarios" / "base.toml").write_text("[levers]\ncoaching_share = 0.1\n")
    run = run_plan(plan, plain(regions=("North",)))
    assert reasons(run)["North 01_first"].endswith(": scenario")
    run = run_plan(plan, plain(regions=("North",), parameters={"big": 2.0}))
    assert reasons(run)["North 01_first"].endswith(": parameters")
    sales = plan.folder / "data" / "sales.csv"
    sales.write_text(sales.read_text().replace("100", "101"))
    run = run_plan(plan, plain(regions=("North",), parameters={"big": 2.0}))
    assert reasons(run)["North 01_first"].endswith(": inputs")
    Door.open(plan).start({"North": [Event("assign", "ann", "plan", 100)]})
    run = run_plan(plan, plain(regions=("North",), parameters={"big": 2.0}))
    assert reasons(run)["North 01_first"].endswith(": agreement")


def test_a_changed_row_of_one_region_leaves_the_notebooks_of_the_others(sample: Plan):
    own = sample.folder / "notebooks"
    own.mkdir()
    for name in ("00_start_here", "06_manager_goals", "08_company_rollup"):
        book = nbformat.read(str(ROOT / "notebooks" / f"{name}.ipynb"), as_version=4)
        nbformat.write(book, own / f"{name}.ipynb")
    plan = load_plan(sample.folder)
    first = run_plan(plan, plain(fork=True))
    assert read_manifest(first)["status"] == "done"
    time_spent = plan.folder / "data" / "manager_time.csv"
    lines = time_spent.read_text(encoding="utf-8").splitlines()
    boss = lines[-1].split(",")[0]
    hours = lines[-1].split(",")
    hours[3] = str(float(hours[3]) + 1)
    time_spent.write_text("\n".join([*lines[:-1], ",".join(hours)]) + "\n", encoding="utf-8")
    second = run_plan(load_plan(plan.folder), plain(fork=True))
    found = reasons(second)
    again = [name for name, reason in found.items() if not reason.startswith("unchanged")]
    (region,) = {name.split()[0] for name in again if name.endswith("06_manager_goals")}
    assert boss in set(open_inputs(plan, prepare(plan), region).reps["rep_id"])
    assert {f"{r} 00_start_here" for r in prepare(plan).regions} <= set(again)


def test_a_table_that_somebody_edited_is_made_anew(plan: Plan):
    first = run_plan(plan, plain())
    good = tables_of(first)
    (first / "North" / "tables" / "a.csv").write_text("mine\n")
    run = run_plan(plan, plain())
    assert tables_of(run) == good
    assert reasons(run)["North 01_first"].endswith(": its files")
    assert reasons(run)["South 01_first"].startswith("unchanged")


def test_force_runs_everything(plan: Plan):
    run_plan(plan, plain())
    assert set(kernels_of(run_plan(plan, plain(force=True)))) == {"plain"}


def test_what_changed_while_a_notebook_ran_is_of_the_next_run(plan: Plan):
    scenario = plan.folder / "scenarios" / "base.toml"
    scenario.parent.mkdir()
    scenario.write_text('note = "old"\n')
    change = f"Path({str(scenario)!r}).write_text('note = \"new\"')\n"
    own_notebook(plan, "01_first", STEP.replace("NAME", "a") + change)
    first = run_plan(plan, plain(regions=("North",)))
    second = run_plan(plan, plain(regions=("North",)))
    assert reasons(second)["North 01_first"].endswith(": scenario")
    scenario.write_text('note = "old"\n')
    (first / "_whole.json").unlink()
    third = run_plan(plan, plain(regions=("North",)))
    assert reasons(third)["North 01_first"] == f"unchanged since run {first.name}"


class Recording(Scenario):
    """Remembers which sections of a scenario were read, but for digesting or copying them."""

    seen: ClassVar[set[str]] = set()

    def __getattribute__(self, name):
        if name in SECTIONS:
            Recording.seen.add(name)
        return super().__getattribute__(name)

    def digest(self, parts=None):
        return self._unseen(lambda: super(Recording, self).digest(parts))

    def for_region(self, labels):
        return self._unseen(lambda: super(Recording, self).for_region(labels))

    def with_(self, **parts):
        return self._unseen(lambda: super(Recording, self).with_(**parts))

    def _unseen(self, work):
        before = set(Recording.seen)
        try:
            return work()
        finally:
            Recording.seen.intersection_update(before)


@pytest.mark.parametrize("name", [n for n, step in STEPS.items() if step.scenario is not None])
def test_a_notebook_reads_of_a_scenario_what_is_written_down(sample, monkeypatch, name, tmp_path):
    from planning_kit.walk import open_step

    Recording.seen.clear()

    def recording(*words, **places):
        step = open_step(*words, **places)
        for table in ("register", "baseline", "allocation"):  # as in a run, others wrote them
            if MADE_BY[table] < name:
                step.table(table)
        step.scenario = Recording(
            **{f.name: getattr(step.scenario, f.name) for f in fields(Scenario)}
        )
        return step

    monkeypatch.setattr("planning_kit.open_step", recording, raising=False)
    monkeypatch.setenv("PLANNING_CHARTS", "vega")
    book = nbformat.read(str(ROOT / "notebooks" / f"{name}.ipynb"), as_version=4)
    code = [c.source for c in book.cells if c.cell_type == "code"]
    names: dict[str, object] = {}
    exec(code[0], names)
    names.update(region="East", plan_folder=str(sample.folder), run_folder=str(tmp_path / "run"))
    exec("\n".join(code[1:]), names)
    assert Recording.seen - {"name", "targets"} <= set(STEPS[name].scenario)


# --- stopped, killed, full -----------------------------------------------------------------------


@pytest.fixture
def place() -> Iterator[Path]:
    """Give a temporary folder with a short name, for sockets, that must be empty at the end."""
    folder = Path(tempfile.mkdtemp(prefix="t", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def left_over(place: Path) -> list[str]:
    """List the processes that were started with this folder as their temporary one."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes()
        except OSError:
            continue
        if f"TMPDIR={place}\0".encode() in environment:
            found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


def nobody_left(place: Path, seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while left_over(place) and time.monotonic() < end:
        time.sleep(0.05)
    return not left_over(place)


def begin(plan: Plan, place: Path, *words: str, **more) -> subprocess.Popen:
    command = [*RUNNER, str(plan.folder), "--jobs", "2", "--no-html", *words]
    # Whoever starts the tests in the background hands down that Ctrl-C is ignored.
    more.setdefault("preexec_fn", partial(signal.signal, signal.SIGINT, signal.SIG_DFL))
    return subprocess.Popen(
        command,
        env={**os.environ, "TMPDIR": str(place)},
        start_new_session=True,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **more,
    )


def finish(plan: Plan, place: Path, *words: str) -> None:
    with begin(plan, place, *words) as process:
        said = process.communicate(timeout=120)
    assert process.returncode == 0, said


def newest(plan: Plan) -> Path:
    return max(p.parent for p in plan.runs_folder.glob("*/manifest.json"))


def killed_and_resumed(plan: Plan, place: Path, moments: list[float]) -> None:
    expected = tables_of(run_plan(plan, plain(jobs=1)))
    shutil.rmtree(plan.runs_folder)
    words = ["--resume"]
    for moment in moments:
        with begin(plan, place, *words) as process:
            time.sleep(moment)
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
        assert nobody_left(place), left_over(place)
        for manifest in plan.runs_folder.glob("*/manifest.json"):
            content = read_manifest(manifest.parent)
            assert content["status"] in ("done", "running")
            assert content["status"] == "done" or process_is_gone(content)
    finish(plan, place, "--resume")
    run = newest(plan)
    assert read_manifest(run)["status"] == "done"
    assert tables_of(run) == expected and len(expected) == 5
    assert nobody_left(place) and not list(place.glob("pk-*"))
    assert not [p for p in run.rglob(".*") if p.is_file()]


def moments(seed: int, count: int) -> list[float]:
    draw = random.Random(seed)
    return [draw.uniform(0.3, 8.0) for _ in range(count)]


def test_killed_at_random_moments_it_goes_on_to_the_same_tables(plan: Plan, place: Path):
    killed_and_resumed(plan, place, moments(20260101, 3))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_killed_at_fifty_random_moments_it_goes_on_to_the_same_tables(plan, place, seed):
    killed_and_resumed(plan, place, moments(seed, 5))


def test_a_killed_kernel_or_worker_is_one_failed_notebook_at_most(plan: Plan):
    """A worker that ends takes its pool down: the other regions are begun again."""
    worker = (
        "import os, time\nif region == 'North':\n    os.kill(os.getppid(), 9)\n    time.sleep(9)"
    )
    own_notebook(plan, "02_second", STEP.replace("NAME", "b") + worker)
    manifest = read_manifest(run_plan(plan, plain()))
    status = {r["region"]: (r["status"], r["error"]) for r in manifest["regions"]}
    assert status["North"] == ("failed", "its worker process was killed")
    assert status["South"][0] == "done" and manifest["status"] == "failed"


def test_a_failed_notebook_runs_again_with_retry_and_nothing_else_does(plan: Plan):
    wall = plan.folder / "broken"
    wall.touch()
    stop = f"assert region != 'North' or not Path({str(wall)!r}).exists(), 'a wall'\n"
    own_notebook(plan, "02_second", STEP.replace("NAME", "b") + stop)
    first = run_plan(plan, plain())
    assert read_manifest(first)["regions"][0]["error"] == "02_second: a wall"
    assert not (first / "North" / "tables" / "b.csv").exists()  # half done is not done
    wall.unlink()
    found = unfinished_run(plan, failed_only=True)
    assert found is not None and found[0] == first
    again = run_plan(plan, plain(), into=first)
    ran = {name for name, reason in reasons(again).items() if not reason.startswith("unchanged")}
    assert again == first and ran == {"North 02_second", "(company) 08_company"}
    assert read_manifest(again)["status"] == "done" and unfinished_run(plan) is None


def test_a_time_limit_is_of_the_notebook_and_is_told(plan: Plan):
    path = own_notebook(plan, "02_second", "import time\ntime.sleep(1.5)")
    book = nbformat.read(str(path), as_version=4)
    book.cells += [book.cells[-1].copy(), book.cells[-1].copy()]
    for number, cell in enumerate(book.cells):
        cell["id"] = f"c{number}"
    nbformat.write(book, path)
    run = run_plan(plan, plain(regions=("North",), seconds=3))
    assert "took longer than 3 s" in read_manifest(run)["regions"][0]["error"]


def test_ctrl_c_ends_within_five_seconds_and_leaves_nothing(plan: Plan, place: Path):
    own_notebook(plan, "02_second", "import time\ntime.sleep(60)")
    with begin(plan, place) as process:
        running = plan.runs_folder
        while not list(running.glob("*/*/_done.json")):  # the first notebook is done
            assert process.poll() is None
            time.sleep(0.1)
        time.sleep(0.5)
        started = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        said = process.communicate(timeout=20)
        assert time.monotonic() - started < 5
    assert process.returncode == 130, said
    assert "Traceback" not in said[1] and "interrupted" in said[1]
    assert read_manifest(newest(plan))["status"] == "stopped"
    assert nobody_left(place, 2), left_over(place)
    assert not list(place.glob("pk-*"))


def test_a_running_run_is_not_resumed_and_status_knows_a_dead_one(plan: Plan, place: Path):
    own_notebook(plan, "02_second", "import time\ntime.sleep(60)")
    with begin(plan, place) as process:
        while not list(plan.runs_folder.glob("*/manifest.json")):
            assert process.poll() is None
            time.sleep(0.05)
        shown = CliRunner().invoke(main, ["status", str(plan.folder)])
        assert ": running" in shown.stdout and "gone" not in shown.stdout
        with pytest.raises(UsageError, match="still going on"):
            unfinished_run(plan)
        process.kill()
        process.communicate()
    shown = CliRunner().invoke(main, ["status", str(plan.folder)])
    assert f"its process {process.pid} is gone" in shown.stdout
    shown = CliRunner().invoke(main, ["status", str(plan.folder), "--json"])
    assert json.loads(shown.stdout)["process_is_gone"] is True
    manifest = read_manifest(newest(plan))
    assert not process_is_gone({**manifest, "host": "another machine"})
    again = {**manifest, "process": os.getpid()}  # the number was given to another process
    assert process_is_gone(again)
    assert nobody_left(place)


def test_a_disk_that_is_full_for_one_region_fails_that_region(plan: Plan, place: Path):
    big = "(tables / 'big.csv').write_text('x' * 600_000 if region == 'North' else 'x')\n"
    own_notebook(plan, "02_second", STEP.replace("NAME", "b") + big)
    few = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))  # noqa: E731
    with begin(plan, place, preexec_fn=few) as process:
        said = process.communicate(timeout=120)
    assert process.returncode == 1 and "Traceback" not in said[1], said
    manifest = read_manifest(newest(plan))
    status = {r["region"]: r["status"] for r in manifest["regions"]}
    assert status == {"North": "failed", "South": "done", "(company)": "done"}
    assert "File too large" in manifest["regions"][0]["error"]
    finish(plan, place, "--resume")
    assert read_manifest(newest(plan))["status"] == "done"


def test_a_manifest_that_cannot_be_written_for_a_while_is_true_afterwards(plan: Plan, monkeypatch):
    write, calls = batch_run.write_manifest, []

    def full(*words):
        calls.append(words)
        if len(calls) in (2, 3):
            raise OSError(errno.ENOSPC, "No space left on device", "manifest.json")
        write(*words)

    monkeypatch.setattr(batch_run, "write_manifest", full)
    run = run_plan(plan, plain())
    assert read_manifest(run)["status"] == "done" and len(calls) > 3


def test_a_full_disk_is_one_line(plan: Plan, monkeypatch):
    def full(*words):
        raise OSError(errno.ENOSPC, "No space left on device", "manifest.json")

    monkeypatch.setattr(batch_run, "write_manifest", full)
    result = CliRunner().invoke(main, ["run", str(plan.folder)])
    assert result.exit_code == 1 and result.stderr.count("\n") == 1
    assert "No space left on device: manifest.json" in result.stderr


def several_at_once(plan: Plan, place: Path, count: int, at_once: int) -> None:
    waiting, ended = [[str(n)] for n in range(count)], []
    going: list[subprocess.Popen] = []
    while waiting or going:
        while waiting and len(going) < at_once:
            waiting.pop()
            going.append(begin(plan, place, "--force"))
        first = going.pop(0)
        said = first.communicate(timeout=300)
        ended.append((first.returncode, said[1]))
    assert [code for code, _ in ended] == [0] * count, ended
    assert not any("Address already in use" in words for _, words in ended)
    runs = [read_manifest(p.parent) for p in plan.runs_folder.glob("*/manifest.json")]
    assert len(runs) == count and {m["status"] for m in runs} == {"done"}
    folders = [plan.runs_folder / m["run_id"] for m in runs]
    assert len({json.dumps({k: v.decode() for k, v in tables_of(f).items()}) for f in folders}) == 1
    assert nobody_left(place) and not list(place.glob("pk-*"))


@pytest.mark.slow
def test_several_runs_at_once_on_one_plan_do_not_meet(plan: Plan, place: Path):
    several_at_once(plan, place, 3, 3)


@pytest.mark.slow
def test_fifty_runs_do_not_meet(plan: Plan, place: Path):
    several_at_once(plan, place, 50, 8)


def test_resume_refuses_to_run_something_else(plan: Plan):
    result = CliRunner().invoke(main, ["run", str(plan.folder), "--resume", "--region", "North"])
    assert result.exit_code == 2 and "leave out --region" in result.stderr
    assert load_plan(plan.folder) and WRITE
