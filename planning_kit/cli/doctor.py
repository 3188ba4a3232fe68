"""Look at the installation: what is there, what is missing, what each thing is for."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from importlib import metadata
from pathlib import Path

_NEEDED = (
    "pandas",
    "numpy",
    "scipy",
    "duckdb",
    "altair",
    "vl-convert-python",
    "ipywidgets",
    "jupyterlab",
    "papermill",
    "nbconvert",
    "ipykernel",
    "XlsxWriter",
    "openpyxl",
    "python-calamine",
)
_OPTIONAL = {
    "sqlalchemy": "reading databases",
    "voila": "sharing the what-if panel without code",
    "distributed": "runs on several machines",
    "fsspec": "a plan behind a URL",
    "typst": "letters as PDF",
    "nbval": "testing notebooks",
}
_PROGRAMS = {"chromium": "PDF of a report", "postgres": "testing databases"}


def examine() -> list[dict[str, str]]:
    """Examine the installation; status is good, missing (needed) or absent (optional)."""
    rows = [
        _row(
            "good" if sys.version_info >= (3, 11) else "missing",
            "Python",
            f"{platform.python_version()}; 3.11 or newer is needed",
        )
    ]
    for name in _NEEDED:
        version = _version(name)
        rows.append(_row("good" if version else "missing", name, version or "pip install " + name))
    for name, use in _OPTIONAL.items():
        version = _version(name)
        rows.append(_row("good" if version else "absent", name, f"{version or 'not there'}; {use}"))
    for name, use in _PROGRAMS.items():
        found = shutil.which(name)
        rows.append(_row("good" if found else "absent", name, f"{found or 'not there'}; {use}"))
    rows.append(_kernel())
    for place, folder in (
        ("working folder", Path.cwd()),
        ("temporary folder", Path(tempfile.gettempdir())),
    ):
        good = os.access(folder, os.W_OK)
        rows.append(
            _row("good" if good else "missing", place, "can be written" if good else "cannot")
        )
    return rows


def _row(status: str, what: str, detail: str) -> dict[str, str]:
    return {"status": status, "what": what, "detail": detail}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _kernel() -> dict[str, str]:
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        spec = KernelSpecManager().get_kernel_spec("python3")
    except NoSuchKernel:
        return _row("missing", "kernel python3", "python -m ipykernel install --sys-prefix")
    return _row("good", "kernel python3", spec.display_name)
