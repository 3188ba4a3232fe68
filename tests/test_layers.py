"""The rooms of the package and its files: an import goes only upwards, and never in a circle."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "planning_kit"
ROOMS = (
    "messages numbers steps plan data review outlook assumptions allocation agreement metrics "
    "manager output walk run widgets cli"
).split()
RANK = {name: rank for rank, name in enumerate(ROOMS)}
MODULES = sorted(p for p in PACKAGE.rglob("*.py") if "_bundled" not in p.parts)


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {name_of(path): path for path in MODULES}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports(path: Path) -> set[str]:
    """Name the modules that a file imports: late and type-only imports count like any other."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {
                f"{node.module}.{a.name}" if f"{node.module}.{a.name}" in NAMES else node.module
                for a in node.names
            }
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def test_every_room_stands_in_the_list():
    there = {p.stem if p.suffix else p.name for p in PACKAGE.iterdir() if p.name[0] not in "_."}
    assert there - {"py"} == set(ROOMS)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_file_imports_only_from_rooms_above_its_own(path: Path):
    room = room_of(path)
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "planning_kit" and len(parts) > 1 and parts[1] in RANK and room in RANK:
            assert RANK[parts[1]] <= RANK[room], f"{room} imports {name}"


def test_no_two_files_import_each_other():
    # The package's own index loads rooms when they are first asked for.
    graph = {
        name: imports(path) & set(NAMES) - {name, "planning_kit"} for name, path in NAMES.items()
    }

    def reached(start: str) -> set[str]:
        seen, left = set(), list(graph[start])
        while left:
            name = left.pop()
            if name not in seen:
                seen.add(name)
                left += graph[name]
        return seen

    assert [name for name in graph if name in reached(name)] == []


@pytest.mark.parametrize(
    ("library", "rooms"),
    [
        ("altair", {"output"}),
        ("icalendar", {"output"}),
        ("typst", {"output"}),
        ("xlsxwriter", {"output"}),
        ("papermill", {"run"}),
        ("ipywidgets", {"widgets"}),
    ],
)
def test_one_room_alone_imports_a_library(library: str, rooms: set[str]):
    users = {room_of(p) for p in MODULES for name in imports(p) if name.split(".")[0] == library}
    assert users == rooms


def test_importing_the_package_loads_no_heavy_library():
    heavy = "('pandas', 'altair', 'papermill')"
    code = f"import sys, planning_kit.cli; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_every_public_name_is_there():
    import planning_kit

    for name in planning_kit.__all__:
        assert getattr(planning_kit, name) is not None
