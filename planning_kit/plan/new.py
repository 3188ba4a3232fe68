"""Write a new plan folder."""

from __future__ import annotations

import shutil
from pathlib import Path

from planning_kit.messages import UsageError
from planning_kit.plan.folder import bundled


def new_plan(folder: Path, *, sample: bool = False) -> list[str]:
    """Write a commented plan folder, or a copy of the sample plan, with its own notebooks.

    Returns
    -------
    list of str
        What was written and what to do next, one line each.

    Raises
    ------
    UsageError
        The folder has something in it: nothing that exists is overwritten.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{str(folder)!r} is not empty; name a new folder.")
    source = bundled("data_samples") if sample else bundled("templates") / "plan"
    ignore = shutil.ignore_patterns(
        "runs", ".prepared", "__pycache__", "*.py", "dirty", ".ipynb*", "invented", "truth.json"
    )
    shutil.copytree(source, folder, ignore=ignore, dirs_exist_ok=True)
    notebooks = folder / "notebooks"
    notebooks.mkdir()
    for path in sorted(bundled("notebooks").glob("*.ipynb")):
        shutil.copyfile(path, notebooks / path.name)
    lines = [f"{folder!s}: {'the sample plan' if sample else 'a new plan'}"]
    if not sample:
        lines.append("1. put your extracts into data/ and say in plan.toml which columns they have")
    lines.append(f"{'1' if sample else '2'}. planning-kit check {folder}")
    lines.append(f"{'2' if sample else '3'}. planning-kit run {folder}")
    return lines
