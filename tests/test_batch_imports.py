"""Nothing that lies where the command is called, or in a plan, is imported; installed code alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from planning_kit.plan import Plan
from planning_kit.run import read_manifest
from tests.conftest import ROOT, PlanMaker
from tests.test_batch import WRITE, own_notebook

# What the command, its helpers, workers, the template and kernels import at some time, or might.
TRAPS = (
    "papermill pandas json planning_kit sitecustomize usercustomize multiprocessing signal "
    "threading tempfile socket resource base64 psutil duckdb nbformat nbclient nbconvert bs4 "
    "jupyter_client jupyter_config ipykernel ipykernel_launcher IPython ipython_config "
    "ipython_kernel_config colorsys fsspec distributed"
).split()
SCRIPT = """
import sys
from planning_kit.cli import main
if __name__ == "__main__":
    sys.exit(main())
"""
CELL = """
import colorsys, json, pandas
try:
    import my_helper
except ModuleNotFoundError:
    pass
else:
    raise AssertionError("a file of a folder was imported")
"""


@pytest.fixture
def seen(tmp_path: Path) -> Path:
    """Give the folder in which every trap that is imported leaves a file."""
    (tmp_path / "seen").mkdir()
    return tmp_path / "seen"


def set_traps(folder: Path, seen: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in (*TRAPS, "my_helper"):
        mark = str(seen / f"{name} of {folder.name}")
        (folder / f"{name}.py").write_text(f"import os\nos.close(os.open({mark!r}, os.O_CREAT))\n")


def command(where: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Call the command as its script does, from a folder."""
    script = where.parent / "bin" / "planning-kit"
    script.parent.mkdir(exist_ok=True)
    script.write_text(SCRIPT)
    return subprocess.run(
        [sys.executable, str(script), *words],
        cwd=where,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture
def plan(make_plan: PlanMaker, seen: Path) -> Plan:
    plan = make_plan()
    own_notebook(plan, "01_small", CELL + WRITE)
    own_notebook(plan, "08_company", WRITE)
    for folder in (plan.folder, plan.folder / "data", plan.folder / "notebooks"):
        set_traps(folder, seen)
    return plan


@pytest.mark.parametrize("kernels", ["forked", pytest.param("plain", marks=pytest.mark.slow)])
def test_a_run_imports_nothing_of_the_folders_it_is_called_from_and_works_on(
    plan: Plan, seen: Path, tmp_path: Path, kernels: str
):
    set_traps(tmp_path / "here", seen)
    words = ["--jobs", "1", *(["--plain-kernels"] if kernels == "plain" else [])]
    result = command(tmp_path / "here", "run", str(plan.folder), *words)
    assert list(seen.iterdir()) == [] and result.returncode == 0, result.stderr
    ((manifest,),) = [list(plan.runs_folder.glob("*/manifest.json"))]
    regions = read_manifest(manifest.parent)["regions"]
    assert {n["kernel"] for record in regions for n in record["notebooks"]} == {kernels}


def test_checking_and_refreshing_import_nothing_of_the_folder_they_are_called_from(
    plan: Plan, seen: Path, tmp_path: Path
):
    here = tmp_path / "here"
    own = plan.folder / "notebooks"
    book = nbformat.read(own / "01_small.ipynb", as_version=4)
    book.cells[-1].source = CELL
    set_traps(here, seen)
    nbformat.write(book, here / "01_small.ipynb")
    results = [
        command(here, "check", str(plan.folder)),
        command(here, "notebooks", "refresh", "--folder", "."),
        command(own, "status", str(plan.folder)),
    ]
    assert list(seen.iterdir()) == []
    assert [r.returncode for r in results] == [0, 0, 2], [r.stderr for r in results]
