"""Walk a plan inside this process: the notebooks' own cells, without the cost of kernels."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import nbformat

from planning_kit.data import read_table
from planning_kit.plan import Plan, folder_name
from tests.conftest import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def run_cells(notebook: Path, **parameters: Any) -> dict[str, Any]:
    """Run the code cells of a notebook with parameters; show every last expression as text."""
    names: dict[str, Any] = {}
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type != "code":
            continue
        tree = ast.parse(cell.source)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, cell.id, "exec"), names)
        if last is not None:
            shown = eval(compile(ast.Expression(last.value), cell.id, "eval"), names)
            if hasattr(shown, "to_dict") and not hasattr(shown, "columns"):
                shown.to_dict()  # a chart that cannot be drawn fails here
            elif hasattr(shown, "_repr_html_"):
                assert shown._repr_html_() and repr(shown)
        if "parameters" in cell.metadata.get("tags", []):
            names.update(parameters)
    return names


def walk(plan: Plan, run: Path, regions: list[str], upto: int = 8, **parameters: Any) -> None:
    """Run the notebooks of some regions, and the company's where ``upto`` is 8."""
    common = {"plan_folder": str(plan.folder), "run_folder": str(run), **parameters}
    for region in regions:
        for notebook in NOTEBOOKS[: min(upto + 1, 8)]:
            run_cells(notebook, region=region, **common)
    if upto == 8:
        run_cells(NOTEBOOKS[8], **common)


def table(run: Path, region: str, name: str):
    """Read a table that a walk wrote."""
    return read_table(
        run / (folder_name(region) if region else "company") / "tables" / f"{name}.csv"
    )
