"""The parameters of a notebook, checked before a kernel starts."""

from __future__ import annotations

import ast
import json
import keyword
import math
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from planning_kit.messages import DataError, UsageError, require_labels

_KINDS = {"str": str, "int": int, "float": float, "bool": bool}


class Cell(NamedTuple):
    """What a cell says, without its outputs."""

    kind: str
    source: str
    tags: tuple[str, ...]


def read_cells(notebook: Path) -> tuple[Cell, ...]:
    """Read the cells of a notebook.

    Raises
    ------
    DataError
        It cannot be read.
    """
    try:
        return _read_cells(notebook, notebook.stat().st_mtime_ns)
    except Exception as error:
        raise DataError(f"{notebook.name}: not a notebook: {error}.") from None


@lru_cache(maxsize=64)  # every region asks again
def _read_cells(notebook: Path, changed_at: int) -> tuple[Cell, ...]:
    content = json.loads(notebook.read_text(encoding="utf-8"))
    if content.get("nbformat") != 4:
        import nbformat  # a second of imports

        content = nbformat.read(notebook, as_version=4)
    return tuple(
        Cell(
            str(cell["cell_type"]),
            "".join(cell["source"]),
            tuple(map(str, cell.get("metadata", {}).get("tags", ()))),
        )
        for cell in content["cells"]
    )


def notebook_parameters(notebook: Path) -> dict[str, tuple[str, Any]]:
    """Read names, types and defaults out of a notebook's one parameters cell.

    The cell is parsed, never run: ``name: type = literal`` with a type out of str, int, float,
    bool (see house rules of the notebooks; papermill's own inspection drops lines it cannot read).

    Raises
    ------
    DataError
        The notebook cannot be read, or its parameters cell has something else in it.
    """
    tagged = [cell.source for cell in read_cells(notebook) if "parameters" in cell.tags]
    if len(tagged) != 1:
        raise DataError(f"{notebook.name}: needs exactly one cell tagged 'parameters'.")
    found: dict[str, tuple[str, Any]] = {}
    try:
        for line in ast.parse(tagged[0]).body:
            assert isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)
            assert isinstance(line.annotation, ast.Name) and line.annotation.id in _KINDS
            assert line.value is not None
            found[line.target.id] = (line.annotation.id, ast.literal_eval(line.value))
    except (AssertionError, SyntaxError, ValueError):
        raise DataError(
            f"{notebook.name}: write each parameter as name: type = value, with a type out of "
            f"{', '.join(_KINDS)}."
        ) from None
    return found


def check_parameters(notebook: Path, parameters: Mapping[str, Any]) -> None:
    """Check parameters against the parameters cell of a notebook: papermill would only log.

    Raises
    ------
    UsageError
        Naming every parameter that the notebook does not have or that has the wrong type.
    """
    known = notebook_parameters(notebook)
    faults = []
    try:
        require_labels(parameters, known, f"parameters of {notebook.name}")
    except DataError as error:
        faults.append(str(error))
    for name, value in parameters.items():
        if not name.isidentifier() or keyword.iskeyword(name):
            faults.append(f"{name!r} cannot be the name of a parameter.")
        elif name in known and not _fits(value, known[name][0]):
            kind = known[name][0]
            faults.append(
                f"parameter {name} is {value!r} ({type(value).__name__}); it is a {kind}."
            )
    if faults:
        raise UsageError(" ".join(faults))


def _fits(value: Any, kind: str) -> bool:
    if type(value) is float and not math.isfinite(value):
        return False
    if kind == "float":
        return type(value) in (int, float)
    return type(value) is _KINDS[kind]


def read_value(notebook: Path, name: str, text: str) -> Any:
    """Turn the text of a command line into the type the notebook's parameter has.

    Raises
    ------
    UsageError
        The text does not fit the type.
    """
    kind = notebook_parameters(notebook).get(name, ("str", ""))[0]
    try:
        if kind == "bool":
            return {"true": True, "yes": True, "false": False, "no": False}[text.strip().lower()]
        return _KINDS[kind](text)
    except (ValueError, KeyError):
        raise UsageError(f"parameter {name} is {text!r}; it is a {kind}.") from None
