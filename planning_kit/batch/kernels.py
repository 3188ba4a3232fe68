"""Kernels of a batch: on private sockets instead of network ports."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Any

from jupyter_client.manager import AsyncKernelManager

_LONGEST_SOCKET = 90  # bytes; a Unix socket's path ends at 104 or 108


class PrivateKernelManager(AsyncKernelManager):
    """Starts each kernel on Unix sockets in a folder of its own, where the system has them.

    Kernels of several processes that choose network ports take one another's (papermill issue
    511), and whoever is on the machine could listen. Elsewhere ports are used as usual.
    """

    def __init__(self, **kwargs: Any) -> None:
        self._private = _private_folder()
        if self._private is not None:
            name = self._private / f"k{uuid.uuid4().hex[:8]}.json"
            kwargs = {**kwargs, "transport": "ipc", "connection_file": str(name)}
        super().__init__(**kwargs)

    async def _async_cleanup_resources(self, restart: bool = False) -> None:
        await super()._async_cleanup_resources(restart=restart)
        if self._private is not None and not restart:
            shutil.rmtree(self._private, ignore_errors=True)

    cleanup_resources = _async_cleanup_resources


def _private_folder() -> Path | None:
    if sys.platform == "win32":
        return None
    folder = Path(tempfile.mkdtemp(prefix="pk-"))
    if len(os.fsencode(folder)) > _LONGEST_SOCKET - 30:
        folder.rmdir()
        return None
    return folder
