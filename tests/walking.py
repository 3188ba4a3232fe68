"""Walk a plan inside this process: the notebooks' own cells, without the cost of kernels."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import altair as alt
import nbformat

from planning_kit.data import read_table
from planning_kit.plan import Plan, folder_name
from tests.conftest import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def run_cells(notebook: Path, shown: list[Any] | None = None, **parameters: Any) -> dict[str, Any]:
    """Run the code cells of a notebook with parameters; show every last expression as text.

    What is shown is added to ``shown``.
    """
    names: dict[str, Any] = {}
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type != "code":
            continue
        tree = ast.parse(cell.source)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, cell.id, "exec"), names)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), cell.id, "eval"), names)
            if isinstance(value, alt.TopLevelMixin):
                value.to_dict()  # a chart that cannot be drawn fails here
            elif hasattr(value, "_repr_html_"):
                assert value._repr_html_() and repr(value)
            if shown is not None:
                shown.append(value)
        if "parameters" in cell.metadata.get("tags", []):
            names.update(parameters)
    return names


def walk(
    plan: Plan,
    run: Path,
    regions: list[str],
    upto: int = 8,
    shown: list[Any] | None = None,
    **parameters: Any,
) -> None:
    """Run the notebooks of some regions, and the company's where ``upto`` is 8."""
    common = {"plan_folder": str(plan.folder), "run_folder": str(run), **parameters}
    for region in regions:
        for notebook in NOTEBOOKS[: min(upto + 1, 8)]:
            run_cells(notebook, shown, region=region, **common)
    if upto == 8:
        run_cells(NOTEBOOKS[8], shown, **common)


def table(run: Path, region: str, name: str):
    """Read a table that a walk wrote."""
    return read_table(
        run / (folder_name(region) if region else "company") / "tables" / f"{name}.csv"
    )
