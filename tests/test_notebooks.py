"""The committed notebooks: thin, parameterized, and running in every way people run them."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from planning_kit.run import notebook_parameters
from tests.conftest import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
STEMS = [path.stem for path in NOTEBOOKS]
REGION = {"region", "plan_folder", "run_folder", "scenario"}


def cells(path: Path, kind: str = "code"):
    return [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == kind]


def test_there_are_nine_in_the_order_of_the_walk():
    assert [stem[:2] for stem in STEMS] == [f"{n:02}" for n in range(9)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=STEMS)
def test_a_notebook_only_calls_the_kit(path: Path):
    for cell in cells(path):
        lines = [line for line in cell.source.splitlines() if line.strip()]
        assert len(lines) <= 12 or cell.id == "write", cell.id
        banned = (ast.FunctionDef, ast.ClassDef, ast.For, ast.While, ast.Try, ast.Lambda)
        assert not [n for n in ast.walk(ast.parse(cell.source)) if isinstance(n, banned)], cell.id
        assert not re.search(r"^\s*[!%]|;\s*$|https?://|sys\.path", cell.source, re.M), cell.id


@pytest.mark.parametrize("path", NOTEBOOKS, ids=STEMS)
def test_its_one_parameters_cell_has_types_defaults_and_help(path: Path):
    tagged = [c for c in cells(path) if "parameters" in c.metadata.get("tags", [])]
    assert len(tagged) == 1
    for line in tagged[0].source.splitlines():
        assert re.fullmatch(r"\w+: (str|int|float|bool) = [^=|#]+  # .+", line), line
    wanted = REGION - {"region"} if path.stem.startswith("08") else REGION
    assert wanted <= set(notebook_parameters(path))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=STEMS)
def test_it_opens_with_title_purpose_and_what_to_look_at(path: Path):
    first = nbformat.read(path, as_version=4).cells[0]
    assert first.cell_type == "markdown" and first.source.startswith("# ")
    assert "**Purpose.**" in first.source and "**Look at**" in first.source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=STEMS)
def test_its_committed_outputs_are_whole_clean_and_small(path: Path):
    assert path.stat().st_size < 1_500_000
    book = nbformat.read(path, as_version=4)
    assert book.metadata.kernelspec.name == "python3"
    assert len({cell.id for cell in book.cells}) == len(book.cells)
    for cell in cells(path):
        assert cell.execution_count, f"{cell.id} was not run; make notebooks"
        for output in cell.outputs:
            assert output.output_type != "error" and output.get("name") != "stderr", cell.id
            text = str(output)
            assert str(ROOT) not in text and "/home/" not in text, cell.id
    assert any("step.write(" in c.source for c in cells(path))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=STEMS)
def test_every_chart_has_a_picture_words_and_a_drawing(path: Path):
    for cell in cells(path):
        for output in cell.outputs:
            if "application/vnd.vegalite.v5+json" in output.get("data", {}):
                assert "image/png" in output.data
                assert re.match(r"Chart: .+\. .+", output.data["text/plain"]), cell.id


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess:
    env = {**os.environ, "PLANNING_CHARTS": "vega", "PYTHONWARNINGS": "error::UserWarning"}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=env, timeout=300)


def test_plain_papermill_runs_one_from_any_folder(tmp_path: Path, sample):
    notebook = ROOT / "notebooks" / "03_target_allocation.ipynb"
    given = {"region": "West", "plan_folder": sample.folder, "run_folder": tmp_path / "run"}
    command = [sys.executable, "-m", "papermill", str(notebook), "out.ipynb"]
    command += [word for name, text in given.items() for word in ("-r", name, str(text))]
    done = run(command, tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "West" / "tables" / "allocation.csv").is_file()
    out = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    said = [
        o
        for c in out.cells
        if c.cell_type == "code"
        for o in c.outputs
        if o.get("name") == "stderr"
    ]
    assert not said, "no warnings"


@pytest.mark.slow
def test_jupyter_execute_runs_one_where_it_stands(tmp_path: Path, sample):
    target = sample.folder / "04_goal_metrics.ipynb"
    target.write_bytes((ROOT / "notebooks" / "04_goal_metrics.ipynb").read_bytes())
    done = run(
        [sys.executable, "-m", "jupyter", "execute", "--inplace", target.name], sample.folder
    )
    assert done.returncode == 0, done.stderr
    assert (sample.folder / "runs" / "draft" / "North" / "tables" / "metric_goals.csv").is_file()


def test_a_bad_parameter_gives_one_line_and_no_stack(tmp_path: Path, sample):
    notebook = ROOT / "notebooks" / "00_start_here.ipynb"
    command = [
        sys.executable,
        "-m",
        "papermill",
        str(notebook),
        "out.ipynb",
        "-r",
        "region",
        "Wets",
        "-r",
        "plan_folder",
        str(sample.folder),
    ]
    assert run(command, tmp_path).returncode == 1
    out = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    errors = [
        o for c in out.cells if c.cell_type == "code" for o in c.outputs if o.output_type == "error"
    ]
    assert errors[0].evalue == "region: 1 unknown label: 'Wets' (did you mean 'West'?)."
    assert len(errors[0].traceback) == 1
