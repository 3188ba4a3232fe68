"""Kernels of a batch: forked from a template where that works, on private sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import queue
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from importlib.util import find_spec
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any, ClassVar

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from traitlets import DottedObjectName, Type

if sys.platform != "win32":
    import fcntl

log = logging.getLogger("planning_kit.kernels")

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_LONGEST_FOLDER = 60  # bytes; a Unix socket's path ends at 104 or 108
_SECONDS_TO_START = 60.0
_ENDED = -signal.SIGTERM  # how it ended is known to the template alone


# --- the private folder ----------------------------------------------------------------------


class Private:
    """The private folder of this process, its template, and how its last kernel was started."""

    folder: Path | None = None
    template: Template | None = None
    address = ""  # of the template that kernels are forked from
    refused = "" if sys.platform == "linux" else f"{sys.platform} has no safe fork"
    last_start = ""  # "forked", or "plain: " and why


def private_folder() -> Path:
    """Give a short folder that only this user can read; it ends with this process.

    One that a killed process left is thrown away by the next that makes one: whoever lives
    holds a lock in its own.
    """
    if Private.folder is None or not Private.folder.is_dir():
        place = tempfile.gettempdir()
        if len(os.fsencode(place)) > _LONGEST_FOLDER - 12 and os.path.isdir("/tmp"):
            place = "/tmp"
        _sweep(Path(place))
        Private.folder = Path(tempfile.mkdtemp(prefix="pk-", dir=place))
        _hold_lock(Private.folder)
        Finalize(None, end_template, exitpriority=10)  # also runs in a worker of a pool
    return Private.folder


def _hold_lock(folder: Path) -> int | None:
    """Lock a folder for as long as this process lives; None where another one holds it."""
    if sys.platform == "win32":
        return None
    handle = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def _sweep(place: Path) -> None:
    for folder in place.glob("pk-*"):
        with contextlib.suppress(OSError):  # somebody else's, or being thrown away
            if (folder / "lock").is_file():
                handle = _hold_lock(folder)
                if handle is not None:
                    shutil.rmtree(folder, ignore_errors=True)
                    os.close(handle)


def end_template() -> None:
    """End this process's template with its kernels, and throw the private folder away."""
    template, folder = Private.template, Private.folder
    Private.template, Private.folder, Private.address = None, None, ""
    if template is not None:
        template.end()
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)


# --- the template, from outside --------------------------------------------------------------


class Template:
    """A template process (see `planning_kit.run.template`) and the way to ask it for kernels."""

    def __init__(self, folder: Path) -> None:
        self.address = str(folder / f"t{os.urandom(3).hex()}")
        environment = {**os.environ, **{name: "1" for name in ONE_THREAD}}
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.address)
            listener.listen(64)
            handle = listener.fileno()
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-Xfrozen_modules=off",
                    "-P",
                    "-m",
                    "planning_kit.run.template",
                    str(handle),
                    str(folder),
                ],
                stdin=subprocess.PIPE,
                pass_fds=[handle],
                env=environment,
                start_new_session=True,
                cwd="/",
            )

    def end(self) -> None:
        """Let it end its kernels and itself."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(3)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start_template() -> str:
    """Give the address of this process's template, started if need be; empty where none can be."""
    if Private.template is not None and Private.template.process.poll() is not None:
        Private.template.end()  # somebody killed it
        Private.template, Private.address = None, ""
    if Private.template is None and not Private.refused:
        try:
            os.close(os.pidfd_open(os.getpid()))  # an old or a caged Linux cannot
            Private.template = Template(private_folder())
            Private.address = Private.template.address
        except OSError as error:
            Private.refused = f"no template process: {error}"
    return Private.address


class ForkedKernel:
    """A kernel that is another process's child, to be used like a `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def __init__(self, address: str, asked: dict[str, Any]) -> None:
        self.line = socket.socket(socket.AF_UNIX)
        try:
            self.line.settimeout(_SECONDS_TO_START)
            self.line.connect(address)
            self.line.sendall(json.dumps(asked).encode() + b"\n")
            answer, handles, *_ = socket.recv_fds(self.line, 4096, 1)
            if not handles:
                words = answer.decode(errors="replace").removeprefix("- ")
                raise OSError(words or "the template process ended")
            if not answer.endswith(b"!") and self.line.recv(1) != b"!":
                os.close(handles[0])
                raise OSError("the kernel ended before it listened")
            self.line.settimeout(None)
        except OSError:
            self.line.close()
            raise
        self.pid = int(answer.removesuffix(b"!").split()[1])
        self.handle: int | None = handles[0]

    def poll(self) -> int | None:
        """Say whether it has ended; None while it lives."""
        if self.handle is None:
            return _ENDED
        poller = select.poll()
        poller.register(self.handle, select.POLLIN)
        return _ENDED if poller.poll(0) else None

    def wait(self) -> int:
        """Wait for its end and let go of it."""
        if self.handle is not None:
            select.select([self.handle], [], [])
            os.close(self.handle)
            self.handle = None
            self.line.close()
        return _ENDED

    def send_signal(self, number: int) -> None:
        """Send a signal; nothing happens to a kernel that is gone."""
        if self.handle is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.handle, number)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)


# --- what jupyter_client asks for ------------------------------------------------------------


class ForkProvisioner(LocalProvisioner):
    """Starts Python kernels by forking them from a template that has the libraries imported.

    Where that cannot be done the kernel is started as always, and the log says why. Any Jupyter
    program can use it: its entry point is ``planning-kit-fork`` (see "Run regions").
    """

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Fork the kernel; else start it as a program of its own."""
        try:
            asked = _request(cmd, kwargs)
            address = Private.address or start_template()
            if not address:
                raise ValueError(Private.refused)
            kernel = await asyncio.to_thread(ForkedKernel, address, asked)
        except (OSError, ValueError) as error:
            Private.last_start = f"plain: {error}"
            log.warning("kernel started without the template: %s", error)
            return await super().launch_kernel(cmd, **kwargs)
        Private.last_start = "forked"
        self.process: Any = kernel
        self.pid = self.pgid = kernel.pid
        self.cwd = kwargs.get("cwd", Path.cwd())
        return self.connection_info

    async def wait(self) -> int | None:
        """Wait for the end of the kernel, which takes milliseconds."""
        while self.has_process and await self.poll() is None:
            await asyncio.sleep(0.005)
        return await super().wait()


def _request(cmd: list[str], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Say what a forked kernel has to be; ValueError where only a program of its own can be it."""
    if "ipykernel_launcher" not in cmd or cmd[cmd.index("ipykernel_launcher") - 1] != "-m":
        raise ValueError("it is no Python kernel")
    if os.path.realpath(cmd[0]) != os.path.realpath(sys.executable):
        raise ValueError("it is a kernel of another Python")
    environment = {**kwargs.get("env", os.environ)}
    for name in ONE_THREAD:
        environment[name] = "1"
    place, found = cmd.index("ipykernel_launcher"), find_spec("ipykernel_launcher")
    return {
        "program": found.origin if found else cmd[place],
        "arguments": cmd[place + 1 :],
        "env": environment,
        "cwd": str(kwargs.get("cwd") or Path.cwd()),
    }


class EagerClient(AsyncKernelClient):
    """Is ready as soon as the kernel is.

    Jupyter's client listens for another 0.2 s to be sure that nothing is left to hear. All of a
    kernel's news come in order: once it said that it is done with our question, nothing is.
    """

    async def _async_wait_for_ready(self, timeout: float | None = None) -> None:
        end = time.monotonic() + (timeout or _SECONDS_TO_START)
        while time.monotonic() < end:
            if not await self.is_alive():
                raise RuntimeError("Kernel died before replying to kernel_info")
            with contextlib.suppress(queue.Empty):
                if await self._answers(self.kernel_info()):
                    return
        raise RuntimeError(f"Kernel didn't respond in {timeout or _SECONDS_TO_START:.0f} seconds")

    async def _answers(self, question: str) -> bool:
        """Wait for the answer, and for the news that the kernel is done with the question."""
        reply = await self.get_shell_msg(timeout=1)
        while reply["parent_header"].get("msg_id") != question:
            reply = await self.get_shell_msg(timeout=1)
        self._handle_kernel_info_reply(reply)
        while True:  # a kernel that nobody hears yet is asked again
            news = await self.get_iopub_msg(timeout=0.05)
            is_ours = news["parent_header"].get("msg_id") == question
            if is_ours and news["content"].get("execution_state") == "idle":
                return True

    wait_for_ready = _async_wait_for_ready


class PrivateKernelManager(AsyncKernelManager):
    """Starts each kernel on Unix sockets in a private folder, where the system has them.

    Kernels of several processes that choose network ports take one another's (papermill issue
    511), and whoever is on the machine could listen. Elsewhere ports are used as usual.
    """

    forking = False
    environment: ClassVar[dict[str, str]] = {}  # of the kernels, where nobody says otherwise
    client_class = DottedObjectName(f"{__name__}.EagerClient")
    client_factory = Type(klass=EagerClient)

    def __init__(self, **kwargs: Any) -> None:
        self._connection: Path | None = None
        folder = private_folder() if sys.platform != "win32" else None
        if folder is not None and len(os.fsencode(folder)) <= _LONGEST_FOLDER:
            self._connection = folder / f"k{uuid.uuid4().hex[:8]}.json"
            kwargs = {**kwargs, "transport": "ipc", "connection_file": str(self._connection)}
        super().__init__(**kwargs)

    async def _async_pre_start_kernel(self, **kwargs: Any) -> Any:
        if self.forking and self.provisioner is None:
            self.kernel_id = self.kernel_id or kwargs.get("kernel_id") or str(uuid.uuid4())
            self.provisioner = ForkProvisioner(
                kernel_id=self.kernel_id, kernel_spec=self.kernel_spec, parent=self
            )
        else:
            Private.last_start = "plain"
        environment = {**self.environment, **(kwargs.pop("env", None) or os.environ)}
        return await super()._async_pre_start_kernel(env=environment, **kwargs)

    pre_start_kernel = _async_pre_start_kernel

    def format_kernel_cmd(self, extra_arguments: list[str] | None = None) -> list[str]:
        """Start it so that it imports nothing from the folder it works in."""
        stay_out = "--InteractiveShellApp.ignore_cwd=True"
        command: list[str] = super().format_kernel_cmd([*(extra_arguments or []), stay_out])
        return [command[0], "-P", *command[1:]]

    async def _async_cleanup_resources(self, restart: bool = False) -> None:
        await super()._async_cleanup_resources(restart=restart)
        if self._connection is not None and not restart:
            for path in self._connection.parent.glob(f"{self._connection.stem}*"):
                path.unlink(missing_ok=True)

    cleanup_resources = _async_cleanup_resources


class BatchKernelManager(PrivateKernelManager):
    """The same for a batch: the report draws its pictures itself, a kernel need not as well."""

    environment: ClassVar[dict[str, str]] = {"PLANNING_CHARTS": "vega"}


class ForkedKernelManager(BatchKernelManager):
    """The same, with kernels forked from a template wherever that works."""

    forking = True
