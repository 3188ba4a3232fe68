"""The template process: imports once what every kernel needs, then forks kernels.

Started by `planning_kit.run.kernels`, never imported by it. It has one thread, no event loop,
no kernel sockets and no database connection: a fork copies none of them safely. It answers one
request after the other on a listening Unix socket in a private folder, and ends with its owner,
whose end of its standard input then closes. A kernel ends with whoever asked for it: each keeps
the line it was asked over open and watches it.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import select
import shutil
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any, NoReturn

# Beside the kit: what a kernel imports, and what the first table, chart and file import.
_LIBRARIES = """
numpy pandas pandas.io.formats.style pandas.io.formats.csvs pandas.core.reshape.reshape
scipy.optimize scipy.stats altair narwhals._pandas_like.namespace narwhals._interchange.dataframe
narwhals.stable.v1._namespace ipywidgets duckdb xlsxwriter ipykernel.kernelapp ipykernel.ipkernel
ipykernel.zmqshell ipykernel.debugger
""".split()
_START_ONLY = ("PYTHON", "LD_", "OMP_", "OPENBLAS_", "MKL_")  # read once, when a process starts
_SECONDS_TO_ASK = 10.0


def main() -> None:
    """Import, then fork a kernel for every request until the owner is gone."""
    listener = socket.socket(fileno=int(sys.argv[1]))
    folder = Path(sys.argv[2])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the owner's business
    environment = dict(os.environ)
    _import_all()
    gc.collect()
    gc.freeze()  # the collector of a kernel then leaves the shared pages alone
    asked = _serve(listener, environment)
    if asked is None:  # the owner is gone, and cannot tidy up
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(0)  # libraries that tidy up after themselves would complain of the frozen pages
    _become_kernel(*asked)


def _import_all() -> None:
    import planning_kit

    rooms = {m.name: f"planning_kit.{m.name}" for m in pkgutil.iter_modules(planning_kit.__path__)}
    for room in ("cli", "run", "widgets"):  # a widget made here would belong to no kernel
        del rooms[room]
    paths = [getattr(importlib.import_module(name), "__path__", []) for name in rooms.values()]
    inner = [
        module.name
        for name, path in zip(rooms.values(), paths, strict=True)
        for module in pkgutil.walk_packages(path, f"{name}.")
    ]
    for name in [*_LIBRARIES, *inner]:
        with contextlib.suppress(ImportError):  # what is optional is imported by whoever has it
            importlib.import_module(name)


def _serve(
    listener: socket.socket, environment: dict[str, str]
) -> tuple[socket.socket, dict[str, Any]] | None:
    """Fork for every request; give the request in the kernel, None in the template at its end."""
    kernels: dict[int, int] = {}  # descriptor of the process: its number
    while True:
        ready = select.select([listener, sys.stdin, *kernels], [], [])[0]
        for ended in kernels.keys() & set(ready):
            os.waitid(os.P_PIDFD, ended, os.WEXITED)
            os.close(ended)
            del kernels[ended]
        if sys.stdin in ready:
            _end(kernels)
            return None
        if listener not in ready:
            continue
        line, _ = listener.accept()
        try:
            asked = _read(line)
            _refuse_unfit(asked, environment)
            kernel = os.fork()
        except (OSError, ValueError, RuntimeError) as error:
            with contextlib.suppress(OSError):
                line.sendall(f"- {error}".encode())
            line.close()
            continue
        if kernel == 0:
            listener.close()
            for other in kernels:
                os.close(other)
            return line, asked
        kernels[os.pidfd_open(kernel)] = kernel
        line.close()


def _read(line: socket.socket) -> dict[str, Any]:
    line.settimeout(_SECONDS_TO_ASK)
    with line.makefile("rb") as file:
        content = file.readline()
    line.settimeout(None)
    found: dict[str, Any] = json.loads(content)
    return found


def _refuse_unfit(asked: dict[str, Any], environment: dict[str, str]) -> None:
    threads = max(threading.active_count(), len(os.listdir("/proc/self/task")))
    if threads != 1:
        raise RuntimeError(f"the template has {threads} threads")
    both = {*environment, *asked["env"]}
    for name in sorted(n for n in both if n.startswith(_START_ONLY)):
        if asked["env"].get(name) != environment.get(name):
            raise RuntimeError(f"the kernel wants another {name} than the template has")


def _end(kernels: dict[int, int]) -> None:
    for kernel in kernels.values():
        with contextlib.suppress(OSError):
            os.killpg(kernel, signal.SIGKILL)
    for descriptor in kernels:
        os.waitid(os.P_PIDFD, descriptor, os.WEXITED)


def _become_kernel(line: socket.socket, asked: dict[str, Any]) -> None:
    import numpy as np

    os.setsid()  # a group of its own: an interrupt reaches what the notebook started, and no more
    signal.signal(signal.SIGINT, signal.default_int_handler)
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    time.tzset()
    np.random.seed()
    socket.send_fds(line, [f"+ {os.getpid()}".encode()], [os.pidfd_open(os.getpid())])
    threading.Thread(target=_watch, args=(line,), daemon=True).start()
    from ipykernel.kernelapp import IPKernelApp

    atexit.register(gc.unfreeze)  # at the end libraries would call what is frozen a leak
    sys.argv = [asked["program"], *asked["arguments"]]
    app = IPKernelApp.instance(parent_handle=1)
    app.initialize(asked["arguments"])
    line.sendall(b"!")  # whoever connects before it listens tries again a tenth of a second later
    app.start()


def _watch(line: socket.socket) -> NoReturn:
    """End this kernel, and what it started, as soon as nobody holds its line any more."""
    with contextlib.suppress(OSError):
        line.recv(1)
    os.killpg(0, signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    main()
