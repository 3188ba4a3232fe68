"""The rooms of the package: an import goes only upwards."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "planning_kit"
ROOMS = (
    "errors tables plan sources review assumptions allocation metrics agreement manager charts "
    "walk report exports batch widgets cli"
).split()
RANK = {name: rank for rank, name in enumerate(ROOMS)}
MODULES = sorted(p for p in PACKAGE.rglob("*.py") if "_bundled" not in p.parts)


def room_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


def imports(path: Path) -> list[tuple[str, str]]:
    """List (room, imported module) for every import anywhere in a module."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            if node.module == "planning_kit":
                names = [f"planning_kit.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        found += [(room_of(path), name) for name in names]
    return found


def test_every_room_stands_in_the_list():
    there = {p.stem if p.suffix else p.name for p in PACKAGE.iterdir() if p.name[0] not in "_."}
    assert there - {"py"} == set(ROOMS)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_imports_only_what_comes_before_it(path: Path):
    for room, name in imports(path):
        parts = name.split(".")
        if parts[0] == "planning_kit" and len(parts) > 1 and parts[1] in RANK and room in RANK:
            assert RANK[parts[1]] <= RANK[room], f"{room} imports {name}"


@pytest.mark.parametrize(
    ("library", "rooms"),
    [("altair", {"charts"}), ("papermill", {"batch"}), ("ipywidgets", {"widgets"})],
)
def test_one_room_alone_imports_a_library(library: str, rooms: set[str]):
    users = {
        room for path in MODULES for room, name in imports(path) if name.split(".")[0] == library
    }
    assert users == rooms


def test_importing_the_package_loads_no_heavy_library():
    import subprocess
    import sys

    heavy = "('pandas', 'altair', 'papermill')"
    code = f"import sys, planning_kit.cli; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_every_public_name_is_there():
    import planning_kit

    for name in planning_kit.__all__:
        assert getattr(planning_kit, name) is not None
