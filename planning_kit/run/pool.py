"""Where regions run: processes of this machine, or any executor the caller has."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from multiprocessing.context import BaseContext
from multiprocessing.util import get_temp_dir

from planning_kit.messages import UsageError
from planning_kit.run.manifest import RunRecord
from planning_kit.run.task import RegionTask
from planning_kit.run.worker import run_region, start_worker

# What a worker imports for its first region.
_NEEDED = [
    "planning_kit.run.worker",
    "planning_kit.run.kernels",
    "planning_kit.output.report",
    "papermill",
    "nbclient",
    "nbconvert",
    "bs4",
    "bleach.css_sanitizer",
    "vl_convert",
]
_SAFE = "PYTHONSAFEPATH"
_LONGEST_FOLDER = 80  # bytes; a Unix socket's path ends at 108


class Pool:
    """Where regions run: the caller's executor, or processes of this machine, made when needed.

    Parameters
    ----------
    given
        The caller's executor; it stays the caller's to end.
    jobs, regions
        Regions at a time (0: one more than cores, so that waiting overlaps); regions there are.
    fork
        Make a template that kernels are forked from.
    stack
        Ends what was made.
    """

    def __init__(
        self, given: Executor | None, jobs: int, regions: int, fork: bool, stack: ExitStack
    ) -> None:
        self.executor, self.is_own = given, given is None
        self.jobs = min(jobs or (os.cpu_count() or 1) + 1, max(1, regions))
        self.fork, self.stack = fork, stack

    def submit(self, task: RegionTask) -> Future[RunRecord]:
        """Hand a region over."""
        if self.executor is None:
            self.executor = self._start()
        with _nothing_from_here() if self.is_own else nullcontext():
            future = self.executor.submit(run_region, task)
        self.stack.callback(future.cancel)  # of Ctrl-C
        return future

    def renew(self) -> None:
        """Take new processes of this machine; an executor that was given is its owner's."""
        if self.is_own:
            self.executor = None

    def _start(self) -> Executor:
        from planning_kit.run.kernels import Private, end_template, private_folder, start_template

        if Private.folder is None:  # else this process has kernels of its own
            self.stack.callback(end_template)
        address = start_template() if self.fork else ""
        path = [place for place in sys.path if place]  # without the working folder
        given = (str(private_folder()), address, dict(os.environ), path)
        with _nothing_from_here():
            pool = ProcessPoolExecutor(
                self.jobs, mp_context=_fresh_processes(), initializer=start_worker, initargs=given
            )
        self.stack.push(lambda kind, error, trace: _end_workers(pool, at_once=kind is not None))
        return pool


@contextmanager
def _nothing_from_here() -> Iterator[None]:
    """Start Python programs that import nothing from the working folder.

    The server of workers, its helpers and a spawned worker are ``python -c`` programs, which look
    into the working folder first, for the standard library too.
    """
    before = os.environ.get(_SAFE)
    os.environ[_SAFE] = "1"
    try:
        yield
    finally:
        del os.environ[_SAFE]
        if before is not None:
            os.environ[_SAFE] = before


def _fresh_processes() -> BaseContext:
    """Give a way to start workers that inherit nothing of the caller.

    A worker forked from the caller would get whatever its threads hold, and papermill then hangs.
    A server that imports what all of them need, and nothing else, can be forked.
    """
    # The server listens on a socket in the folder for temporary files; elsewhere than on Linux
    # system libraries do not stand a fork.
    if sys.platform != "linux" or len(os.fsencode(get_temp_dir())) > _LONGEST_FOLDER:
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_NEEDED)
    return context


def _end_workers(pool: ProcessPoolExecutor, at_once: bool) -> None:
    """End worker processes; at once: killed, their kernels watch them and end too."""
    for worker in list((getattr(pool, "_processes", None) or {}).values()) if at_once else []:
        with suppress(OSError):
            os.kill(worker.pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    pool.shutdown(wait=True, cancel_futures=at_once)


@contextmanager
def dask_executor(scheduler: str) -> Iterator[Executor]:
    """Give an executor on a Dask cluster; plan and runs must lie where all its workers see them.

    Raises
    ------
    UsageError
        ``distributed`` is not installed, or nobody answers at the address.
    """
    try:
        from distributed import Client
    except ImportError:
        raise UsageError("--executor dask needs: pip install 'planning-kit[cluster]'") from None
    try:
        client = Client(scheduler, timeout="10s")
    except (OSError, ValueError) as error:
        raise UsageError(f"no Dask scheduler at {scheduler!r}: {error}") from None
    with client:
        # By default Dask takes equal calls for equal results and would not run a region again.
        yield client.get_executor(pure=False, retries=1)
