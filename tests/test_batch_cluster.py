"""A batch on another executor: a Dask cluster of separate processes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from planning_kit.cli import main
from planning_kit.messages import UsageError
from planning_kit.run import BatchOptions, read_manifest, run_plan
from planning_kit.run.pool import dask_executor
from tests.conftest import PlanMaker
from tests.test_batch import WRITE, own_notebook

distributed = pytest.importorskip("distributed", reason="distributed is not installed")
pytestmark = pytest.mark.filterwarnings("default")  # Dask's own, of ports and event loops


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    with (
        warnings.catch_warnings(),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
    ):
        yield cluster.scheduler_address


def test_a_killed_worker_costs_its_notebook_alone(make_plan: PlanMaker, scheduler: str):
    plan = make_plan()
    mark = plan.folder / "killed"
    kill = (
        f"import os\nif region == 'North' and not Path({str(mark)!r}).exists():\n"
        f"    Path({str(mark)!r}).touch()\n    os.kill(os.getppid(), 9)\n"
        "    import time; time.sleep(30)"
    )
    count = f"\nwith open(Path({str(plan.folder)!r}, 'count'), 'a') as f: f.write(region + ' ')\n"
    own_notebook(plan, "01_first", WRITE + count)
    own_notebook(plan, "02_second", WRITE + kill)
    own_notebook(plan, "08_company", WRITE)
    with dask_executor(scheduler) as executor:
        run = run_plan(plan, BatchOptions(html=False, fork=False), executor=executor)
    manifest = read_manifest(run)
    assert {r["region"]: r["status"] for r in manifest["regions"]} == {
        "North": "done",
        "South": "done",
        "(company)": "done",
    }
    assert mark.exists() and sorted((plan.folder / "count").read_text().split()) == [
        "North",
        "South",
    ]


def test_the_command_runs_on_a_cluster_with_forked_kernels(make_plan: PlanMaker, scheduler: str):
    plan = make_plan()
    own_notebook(plan, "01_first", WRITE)
    own_notebook(plan, "08_company", WRITE)
    words = ["--executor", "dask", "--scheduler", scheduler, "--no-html"]
    result = CliRunner().invoke(main, ["run", str(plan.folder), *words])
    assert result.exit_code == 0, result.output
    ((folder,),) = [list(plan.runs_folder.glob("*/manifest.json"))]
    regions = read_manifest(folder.parent)["regions"]
    assert {n["kernel"] for r in regions for n in r["notebooks"]} == {"forked"}


def test_a_cluster_that_is_not_there_is_named():
    with pytest.raises(UsageError, match="no Dask scheduler"), dask_executor("tcp://127.0.0.1:9"):
        pass
