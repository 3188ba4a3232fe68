"""Integer programs, solved without a word on the screen."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

from scipy.optimize import milp

_ONE_AT_A_TIME = Lock()  # file descriptor 1 belongs to the whole process


def integer_program(*arguments: Any, **options: Any) -> Any:
    """Solve by `scipy.optimize.milp`; what the solver prints by itself goes nowhere.

    HiGHS 1.12 writes a line of its own to file descriptor 1 whatever its options say: in an
    output that another program reads, it would stand between the results.
    """
    with _ONE_AT_A_TIME, _silence():
        return milp(*arguments, **options)


@contextmanager
def _silence() -> Iterator[None]:
    """Send file descriptor 1 to nowhere, on systems where C's own buffer can be emptied."""
    try:
        kept = os.dup(1) if os.name == "posix" else None
    except OSError:  # there is no standard output
        kept = None
    if kept is None:
        yield
        return
    empty = ctypes.CDLL(None).fflush
    empty(None)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        empty(None)
        os.dup2(kept, 1)
        os.close(nowhere)
        os.close(kept)
