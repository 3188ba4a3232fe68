"""Forked kernels: the same results as plain ones, nothing left behind, plain where they fail."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import nbformat
import pytest
from jupyter_client.provisioning import KernelProvisionerFactory

from planning_kit.plan import Plan
from planning_kit.run import BatchOptions, kernels, read_manifest, run_plan, template
from tests.conftest import ROOT, PlanMaker
from tests.test_batch import WRITE, own_notebook, said

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks kernels")


@pytest.fixture(scope="module")
def own_template() -> Iterator[None]:
    """Share one template process among the tests of this module."""
    kernels.start_template()
    yield
    kernels.end_template()


def run_cells(manager: type, *cells: str, env: dict[str, str] | None = None) -> str:
    """Run cells in one kernel and give what they print."""

    async def run() -> str:
        kernel = manager(kernel_name="python3")
        await kernel.start_kernel(env={**os.environ, **(env or {})})
        client = kernel.client()
        client.start_channels()
        said = []
        try:
            await client.wait_for_ready(timeout=60)
            for cell in cells:
                await client.execute_interactive(
                    cell,
                    timeout=60,
                    output_hook=lambda m: said.append(m["content"].get("text", "")),
                )
        finally:
            client.stop_channels()
            await kernel.shutdown_kernel(now=True)
        return "".join(said)

    return asyncio.run(run())


def is_there(number: int) -> bool:
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_until(true, seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.05)
    return False


def test_a_forked_kernel_starts_with_the_libraries_and_leaves_nothing(own_template):
    cell = (
        "import sys, os; print('scipy.optimize' in sys.modules, __name__, os.getcwd(), "
        "os.getpgid(0) == os.getpid(), os.environ['SAID'])"
    )
    text = run_cells(kernels.ForkedKernelManager, cell, env={"SAID": "here"})
    assert text == f"True __main__ {os.getcwd()} True here\n"
    assert kernels.Private.last_start == "forked"
    folder = kernels.private_folder()
    assert {path.name for path in folder.iterdir()} == {"lock", Path(kernels.Private.address).name}


def test_two_forked_kernels_draw_other_numbers(own_template):
    cell = "import numpy, random; print(numpy.random.rand(), random.random())"
    drawn = {run_cells(kernels.ForkedKernelManager, cell) for _ in range(2)}
    assert len(drawn) == 2


def test_what_only_a_new_process_reads_gives_a_plain_kernel_and_says_why(own_template):
    cell = "import sys; print('scipy.optimize' in sys.modules)"
    text = run_cells(kernels.ForkedKernelManager, cell, env={"PYTHONHASHSEED": "7"})
    assert text == "False\n"
    assert kernels.Private.last_start.startswith("plain: ") and "PYTHONHASHSEED" in (
        kernels.Private.last_start
    )


def test_a_forked_kernel_can_be_interrupted_and_started_again(own_template):
    async def run() -> list[str]:
        kernel = kernels.ForkedKernelManager(kernel_name="python3")
        await kernel.start_kernel()
        client = kernel.client()
        client.start_channels()
        await client.wait_for_ready(timeout=60)
        asked = client.execute("import time; time.sleep(60)")
        await asyncio.sleep(0.5)
        await kernel.interrupt_kernel()
        reply = await client.get_shell_msg(timeout=10)
        assert reply["parent_header"]["msg_id"] == asked
        first = kernel.provisioner.pid
        await kernel.restart_kernel(now=True)
        await client.wait_for_ready(timeout=60)
        states = [reply["content"].get("ename", ""), str(kernel.provisioner.pid != first)]
        client.stop_channels()
        await kernel.shutdown_kernel(now=True)
        return [*states, str(await kernel.is_alive())]

    assert asyncio.run(run()) == ["KeyboardInterrupt", "True", "False"]


def test_the_entry_point_leads_to_the_provisioner(own_template, monkeypatch):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    group = "jupyter_client.kernel_provisioners"
    ((name, value),) = project["entry-points"][group].items()
    factory = KernelProvisionerFactory.instance()
    monkeypatch.setitem(factory.provisioners, name, EntryPoint(name, value, group))
    monkeypatch.setattr(factory, "default_provisioner_name", name)
    cell = "import sys; print('scipy.optimize' in sys.modules)"
    assert run_cells(kernels.PrivateKernelManager, cell) == "True\n"


def test_a_template_with_a_second_thread_forks_nothing():
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        with pytest.raises(RuntimeError, match="threads"):
            template._refuse_unfit({"env": {}}, {})
    finally:
        stop.set()
        thread.join()


OWNER = """
import asyncio, sys
from planning_kit.run import kernels
async def run():
    kernel = kernels.ForkedKernelManager(kernel_name="python3")
    await kernel.start_kernel()
    print(kernel.provisioner.pid, kernels.Private.template.process.pid, kernels.private_folder(),
          flush=True)
    await asyncio.sleep(60)
asyncio.run(run())
"""


def test_kernel_template_and_folder_end_with_a_killed_owner():
    with subprocess.Popen(
        [sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        kernel, forker, folder = owner.stdout.readline().split()
        assert is_there(int(kernel)) and is_there(int(forker)) and Path(folder).is_dir()
        owner.kill()
    assert wait_until(lambda: not is_there(int(kernel)) and not is_there(int(forker)))
    assert wait_until(lambda: not Path(folder).exists())


def test_a_folder_that_a_dead_process_left_is_swept_and_a_living_one_is_not(tmp_path):
    for name in ("pk-dead", "pk-alive", "pk-other"):
        (tmp_path / name).mkdir()
    for name in ("pk-dead", "pk-alive"):
        (tmp_path / name / "lock").touch()
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom planning_kit.run import kernels\n"
        "kernels._hold_lock(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "pk-alive")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        kernels._sweep(tmp_path)
        holder.kill()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["pk-alive", "pk-other"]


def kinds(run: Path) -> list[str]:
    regions = read_manifest(run)["regions"]
    return [n["kernel"] for record in regions for n in record["notebooks"]]


def test_a_template_that_dies_in_the_middle_costs_nothing_but_time(make_plan: PlanMaker):
    plan = make_plan()
    own_notebook(plan, "01_small", WRITE + "import os, signal\nos.kill(os.getppid(), 9)")
    own_notebook(plan, "02_small", WRITE)
    own_notebook(plan, "08_company", WRITE)
    run = run_plan(plan, BatchOptions(jobs=1, html=False, regions=("North",)))
    assert read_manifest(run)["status"] == "done"
    assert kinds(run)[0] == "forked" and kinds(run)[1].startswith("plain: ")
    assert said(run, "North", "02_small") == "'North'\n"


def cleaned(run: Path, region: str) -> dict[str, list]:
    """Give all outputs of a region's notebooks, but for random ids and the run's name."""
    found = {}
    for path in sorted((run / region).glob("*.ipynb")):
        cells = nbformat.read(str(path), as_version=4).cells
        outputs = [cell.get("outputs", []) for cell in cells]
        for output in (o for many in outputs for o in many):
            widget = output.get("data", {}).get("application/vnd.jupyter.widget-view+json", {})
            widget.pop("model_id", None)
        found[path.stem] = json.loads(json.dumps(outputs).replace(run.name, "RUN"))
    return found


def assert_same(plan: Plan, region: str) -> None:
    options = {"regions": (region,), "jobs": 1, "html": False, "force": True}
    forked = run_plan(plan, BatchOptions(**options))
    plain = run_plan(plan, BatchOptions(**options, fork=False))
    assert set(kinds(forked)) == {"forked"} and set(kinds(plain)) == {"plain"}
    ours, others = cleaned(forked, region), cleaned(plain, region)
    assert ours.keys() == others.keys()
    for name, cells in ours.items():
        for number, (one, other) in enumerate(zip(cells, others[name], strict=True)):
            assert one == other, (name, number)
    tables = sorted(p.name for p in (forked / region / "tables").glob("*.csv"))
    assert tables
    for name in tables:
        both = [(run / region / "tables" / name).read_bytes() for run in (forked, plain)]
        assert both[0] == both[1], name


def test_forked_and_plain_kernels_give_the_same(sample: Plan):
    own = sample.folder / "notebooks"
    own.mkdir()
    for name in ("06_manager_goals", "08_company_rollup"):
        shutil.copy(ROOT / "notebooks" / f"{name}.ipynb", own)
    assert_same(sample, "East")


@pytest.mark.slow
def test_forked_and_plain_kernels_give_the_same_in_every_notebook(sample: Plan):
    assert_same(sample, "East")


def asked_for(*arguments: str) -> dict:
    env = {**os.environ, **dict.fromkeys(kernels.ONE_THREAD, "1")}
    return {"env": env, "cwd": "/", "program": "x", "arguments": [*arguments]}


def test_a_kernel_that_ends_before_it_listens_is_an_error(own_template):
    with pytest.raises(OSError, match="ended before it listened"):
        kernels.ForkedKernel(kernels.start_template(), asked_for("--version"))


def test_signals_to_a_kernel_that_is_gone_do_nothing(own_template):
    place = kernels.private_folder() / "k.json"
    kernel = kernels.ForkedKernel(
        kernels.start_template(), asked_for("-f", str(place), "--transport=ipc")
    )
    kernel.kill()
    assert wait_until(lambda: kernel.poll() is not None)
    kernel.send_signal(signal.SIGINT)
    kernel.terminate()
    kernel.wait()
    kernel.kill()
