"""Refresh the outputs of the committed notebooks: the sample plan's, and the same every time."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from planning_kit.output.report import without_widgets
from planning_kit.plan import bundled, write_atomically
from planning_kit.run.kernels import PrivateKernelManager

# What a run leaves in a notebook that says when and where it ran, and nothing else.
_KEPT_METADATA = ("kernelspec", "language_info", "title")


def refresh_notebooks(folder: Path | None = None) -> Iterator[str]:
    """Run every notebook as it stands and write it back with its outputs.

    Parameters
    ----------
    folder
        Folder of the notebooks; by default those that come with the kit.

    Yields
    ------
    str
        One line a notebook.
    """
    chosen = folder or bundled("notebooks")
    for path in sorted(chosen.glob("[0-9][0-9]_*.ipynb")):
        content = nbformat.read(path, as_version=4)
        with tempfile.TemporaryDirectory() as scratch:
            client = NotebookClient(
                content,
                timeout=600,
                kernel_name="python3",
                kernel_manager_class=PrivateKernelManager,
                resources={"metadata": {"path": str(chosen) if not folder else scratch}},
                store_widget_state=False,
                record_timing=False,
                coalesce_streams=True,
            )
            client.execute()
        _strip(content)
        write_atomically(path, without_widgets(nbformat.writes(content)) + "\n")
        yield f"{path.name}: {path.stat().st_size // 1024} KB"


def _strip(content: nbformat.NotebookNode) -> None:
    for name in list(content.metadata):
        if name not in _KEPT_METADATA:
            del content.metadata[name]
    content.metadata.get("language_info", {}).pop("version", None)
    for cell in content.cells:
        cell.metadata.pop("execution", None)
