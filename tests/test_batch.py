"""A batch: checked before it starts, true afterwards, one bad region never stops the others."""

from __future__ import annotations

import json
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from planning_kit.messages import DataError, UsageError
from planning_kit.plan import Plan, load_plan
from planning_kit.run import (
    BatchOptions,
    check_parameters,
    notebook_parameters,
    read_manifest,
    run_plan,
    status_table,
)
from planning_kit.run.pool import _fresh_processes
from tests.conftest import ROOT, PlanMaker

PARAMETERS = (
    'region: str = ""  # region\nplan_folder: str = ""  # plan\n'
    'run_folder: str = ""  # run\nscenario: str = "base"  # scenario\nbig: float = 1.0  # a number'
)


def own_notebook(plan: Plan, name: str, code: str) -> Path:
    """Put a small notebook of its own into a plan, which `run` uses instead of the kit's."""
    cells = [
        new_markdown_cell("# Small"),
        new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}),
        new_code_cell(code),
    ]
    path = plan.folder / "notebooks" / f"{name}.ipynb"
    path.parent.mkdir(exist_ok=True)
    book = new_notebook(
        cells=cells,
        metadata={"kernelspec": {"name": "python3", "display_name": "p", "language": "python"}},
    )
    nbformat.write(book, path)
    return path


WRITE = """
from pathlib import Path
assert Path(plan_folder, "plan.toml").is_file()
print(repr(region))
"""
STOP_SOUTH = WRITE + 'if region == "South":\n    raise ValueError("South is broken")\n'


@pytest.fixture
def plan(make_plan: PlanMaker) -> Plan:
    plan = make_plan()
    own_notebook(plan, "08_company", WRITE)
    return plan


def said(run: Path, region: str, name: str) -> str:
    book = nbformat.read(run / region / f"{name}.ipynb", as_version=4)
    return "".join(
        o.get("text", "") for c in book.cells if c.cell_type == "code" for o in c.outputs
    )


def test_one_bad_region_never_stops_the_others(plan: Plan):
    own_notebook(plan, "01_small", STOP_SOUTH)
    seen = []
    run = run_plan(plan, BatchOptions(jobs=2), progress=lambda r, done, of: seen.append(r.region))
    manifest = read_manifest(run)
    status = {record["region"]: record["status"] for record in manifest["regions"]}
    assert status == {"North": "done", "South": "failed", "(company)": "done"}
    assert sorted(seen) == ["(company)", "North", "South"]
    south = manifest["regions"][1]
    assert south["error"] == "01_small: South is broken"
    assert (
        "South is broken" in (run / "South" / "01_small.ipynb").read_text()
    )  # kept, with its reason
    assert said(run, "North", "01_small") == "'North'\n"
    assert manifest["status"] == "failed"
    assert not (plan.runs_folder / "latest").exists()  # it names a complete run


def test_a_complete_run_becomes_the_latest_and_has_a_first_page(plan: Plan):
    own_notebook(plan, "01_small", WRITE)
    run = run_plan(plan, BatchOptions(jobs=1))
    assert (plan.runs_folder / "latest").read_text() == f"{run.name}\n"
    page = (run / "index.html").read_text(encoding="utf-8")
    assert 'href="North/01_small.html"' in page and "http" not in page
    table = status_table(read_manifest(run))
    assert table.columns.tolist() == [
        "region",
        "status",
        "target",
        "allocated",
        "gap",
        "reps",
        "seconds",
    ]
    assert {"pandas", "scipy", "python"} <= set(read_manifest(run)["versions"])


def test_leaving_a_notebook_early_is_not_a_success(plan: Plan):
    path = own_notebook(plan, "01_small", "import sys\nsys.exit(0)")
    book = nbformat.read(path, as_version=4)
    book.cells.append(new_code_cell("print('never')"))
    nbformat.write(book, path)
    run = run_plan(plan, BatchOptions(regions=("North",), jobs=1, html=False))
    assert read_manifest(run)["regions"][0]["status"] == "failed"


def test_a_dead_kernel_is_one_failed_region(plan: Plan):
    own_notebook(plan, "01_small", WRITE + 'import os\nif region == "North":\n    os._exit(1)')
    run = run_plan(plan, BatchOptions(jobs=2, html=False))
    status = {r["region"]: r["status"] for r in read_manifest(run)["regions"]}
    assert status["North"] == "failed" and status["South"] == "done"


def test_a_cell_past_its_time_limit_is_one_failed_region(plan: Plan):
    own_notebook(plan, "01_small", WRITE + 'import time\nif region == "North":\n    time.sleep(60)')
    run = run_plan(plan, BatchOptions(jobs=2, html=False, seconds=3))
    status = {r["region"]: r["status"] for r in read_manifest(run)["regions"]}
    assert status["North"] == "failed" and status["South"] == "done"


@pytest.mark.slow
def test_any_executor_will_do(plan: Plan):
    own_notebook(plan, "01_small", WRITE)
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        run = run_plan(plan, BatchOptions(html=False), executor=pool)
        assert pool.submit(int, "7").result() == 7  # it was not ours to shut down
    assert read_manifest(run)["status"] == "done"


def test_two_runs_never_share_a_folder(plan: Plan):
    own_notebook(plan, "01_small", WRITE)
    options = BatchOptions(regions=("North",), jobs=1, html=False, force=True)
    assert run_plan(plan, options) != run_plan(plan, options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"regions": ("Nort",)}, "did you mean 'North'"),
        ({"scenario": "strech"}, "strech"),
        ({"parameters": {"bigg": 2.0}}, "did you mean 'big'"),
        ({"parameters": {"big": "2"}}, "it is a float"),
        ({"parameters": {"big": float("nan")}}, "it is a float"),
    ],
)
def test_what_is_wrong_is_said_before_a_kernel_starts(plan: Plan, options, words):
    own_notebook(plan, "01_small", WRITE)
    with pytest.raises((UsageError, DataError), match=words):
        run_plan(plan, BatchOptions(**options))
    assert not plan.runs_folder.exists() or not list(plan.runs_folder.glob("*/manifest.json"))


def test_bad_inputs_stop_the_run_before_it_starts(make_plan: PlanMaker):
    plan = make_plan(sales="sold_on,rep_id,amount\n2025-01-01,ann,x\n")
    with pytest.raises(DataError, match="text where a number belongs"):
        run_plan(plan)
    assert not list(plan.folder.glob("runs/*/manifest.json"))


@pytest.mark.parametrize("name", ["../up", "O'Brien", "{x}", "a\nb", "北"])
def test_hostile_regions_arrive_unchanged_and_stay_inside_the_run(make_plan, name, tmp_path):
    quoted = '"' + name.replace('"', '""') + '"'
    plan = make_plan(
        territories=f"territory_id,region\nt1,{quoted}\nt2,South\n", reps="rep_id\nann\nbob\n"
    )
    own_notebook(plan, "01_small", WRITE)
    own_notebook(plan, "08_company", WRITE)
    before = {p for p in tmp_path.rglob("*") if plan.folder not in p.parents}
    run = run_plan(plan, BatchOptions(regions=(name,), jobs=1, html=False))
    record = read_manifest(run)["regions"][0]
    assert record["status"] == "done" and record["region"] == name
    assert said(run, record["folder"], "01_small") == repr(name) + "\n"
    assert {p for p in tmp_path.rglob("*") if plan.folder not in p.parents} == before


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    value=st.one_of(st.text(), st.none(), st.integers(), st.floats(), st.binary(), st.just(("a",)))
)
def test_only_texts_pass_where_a_text_is_wanted(value):
    notebook = ROOT / "notebooks" / "01_historical_review.ipynb"
    if type(value) is str:
        check_parameters(notebook, {"region": value})
    else:
        with pytest.raises(UsageError, match="it is a str"):
            check_parameters(notebook, {"region": value})


@pytest.mark.parametrize(
    "cell", ["x = 1", "x: list = []", "x: int = f()", "import os", "x: str | None = None", "x: int"]
)
def test_a_parameters_cell_of_another_shape_is_refused_and_never_run(plan: Plan, cell: str):
    path = own_notebook(plan, "01_small", "")
    book = nbformat.read(path, as_version=4)
    book.cells[1].source = cell
    nbformat.write(book, path)
    with pytest.raises(DataError, match="write each parameter as"):
        notebook_parameters(path)


def test_the_sample_plan_runs_one_region_with_real_kernels(sample: Plan):
    run = run_plan(sample, BatchOptions(regions=("East",), jobs=1))
    manifest = read_manifest(run)
    assert [r["status"] for r in manifest["regions"]] == ["done"], manifest
    east = manifest["regions"][0]
    assert east["gap"] == 0 and east["allocated"] == east["target"] and east["reps"] == 10
    names = {n["name"] for n in east["notebooks"]}
    assert len(names) == 8
    for notebook in east["notebooks"]:
        page = run / "East" / f"{notebook['name']}.html"
        assert page.stat().st_size < 3_000_000
        book = nbformat.read(run / "East" / f"{notebook['name']}.ipynb", as_version=4)
        for cell in book.cells:
            for output in cell.get("outputs", []):
                assert output.get("name") != "stderr", (notebook["name"], output)
    assert json.loads((run / "prepared.json").read_text())["folder"].startswith("../")
    assert load_plan(sample.folder)


@pytest.mark.slow
def test_every_run_has_the_environment_its_caller_has_then(plan: Plan, monkeypatch):
    own_notebook(plan, "01_small", "import os\nprint(os.environ.get('OF_THE_CALLER', 'nothing'))")
    told = []
    for value in ("first", "second"):  # workers of both come from one server
        monkeypatch.setenv("OF_THE_CALLER", value)
        run = run_plan(plan, BatchOptions(jobs=1, html=False, regions=("North",), force=True))
        told.append(said(run, "North", "01_small"))
    monkeypatch.delenv("OF_THE_CALLER")
    run = run_plan(plan, BatchOptions(jobs=1, html=False, regions=("North",), force=True))
    assert [*told, said(run, "North", "01_small")] == ["first\n", "second\n", "nothing\n"]


def test_a_long_name_of_the_temporary_folder_stops_no_run(plan: Plan, monkeypatch):
    monkeypatch.setattr("planning_kit.run.pool.get_temp_dir", lambda: "/tmp/" + "x" * 90)
    assert _fresh_processes().get_start_method() == "spawn"  # a socket has no place there
    own_notebook(plan, "01_small", WRITE)
    run = run_plan(plan, BatchOptions(jobs=1, html=False, regions=("North",)))
    assert read_manifest(run)["status"] == "done"


def test_a_batch_leaves_the_environment_of_its_caller_alone(plan: Plan, monkeypatch):
    """A notebook that starts a batch still shows pictures afterwards."""
    monkeypatch.delenv("PLANNING_CHARTS", raising=False)
    own_notebook(
        plan, "01_small", "import os\nassert os.environ['PLANNING_CHARTS'] == 'vega'\n" + WRITE
    )
    run = run_plan(plan, BatchOptions(regions=("North",), jobs=1, html=False))
    assert read_manifest(run)["status"] == "done"
    run_plan(plan, BatchOptions(regions=("North",), jobs=1, html=False))
    assert "PLANNING_CHARTS" not in os.environ
