"""Scenarios: named what-ifs in files. The file is the truth; widgets are views of it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from planning_kit.messages import DataError, require_labels

SECTIONS = (
    "name",
    "note",
    "targets",
    "levers",
    "objective",
    "base",
    "rules",
    "holds",
    "assumptions",
    "correlations",
    "over_assignment",
    "relax",
    "review",
)


@dataclass(frozen=True, eq=False)  # by identity, so that it can be a key
class Scenario:
    """One scenario file as written: the rooms that use a section check what stands in it.

    Attributes
    ----------
    name : str
        Name of the file without ``.toml``.
    content : mapping
        The parsed file.
    path : Path or None
        Where it stands; None for the empty scenario.
    """

    name: str
    content: Mapping[str, Any] = field(default_factory=dict)
    path: Path | None = None

    def section(self, name: str, known: tuple[str, ...] = ()) -> Mapping[str, Any]:
        """Give a section, empty where it is absent; with ``known`` its keys are checked.

        Raises
        ------
        DataError
            The section is not a table, or has a key nobody knows (named with the nearest one).
        """
        section = self.content.get(name, {})
        if not isinstance(section, Mapping):
            raise DataError(
                f"scenario {self.name!r}: [{name}] must be a section with named values."
            )
        if known:
            require_labels(section, known, f"scenario {self.name!r}, [{name}]")
        return section

    def rows(self, name: str) -> list[Mapping[str, Any]]:
        """Give the entries of a repeated section (``[[rules]]``, ``[[holds]]``)."""
        rows = self.content.get(name, [])
        if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
            raise DataError(f"scenario {self.name!r}: write {name} as [[{name}]] entries.")
        return rows


def load_scenario(path: Path) -> Scenario:
    """Read a scenario file.

    Raises
    ------
    DataError
        The file is missing, is not TOML, or has a section nobody knows.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        known = sorted(p.stem for p in path.parent.glob("*.toml"))
        require_labels([path.stem], known, f"scenarios in {path.parent.name}/")
        raise
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path.name}: not a TOML file: {error}.") from None
    require_labels(content, SECTIONS, path.name)
    return Scenario(path.stem, content, path)
