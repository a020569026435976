"""Processes on this machine that score, and how they ended. Not for a cluster (`edge.archive.cluster`).

A signal says who ended a process: SIGSEGV and its like come of what the process did itself; SIGKILL and SIGTERM come
from outside, from a person or because memory ran out, and say nothing about the recording.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import active_children, get_context
from multiprocessing.process import BaseProcess
from typing import ParamSpec, TypeVar

from edge.archive.worker import prepare

OF_ITSELF = tuple(
    -number for number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL)
)  # exit codes
LOOK_S = 0.01
ENDS_S = 10.0  # a broken pool terminates its processes, which takes no time worth telling

P = ParamSpec("P")
T = TypeVar("T")


class LocalPool(ProcessPoolExecutor):
    """A pool that knows its processes. When one of them dies the pool is broken, and ends the others."""

    def __init__(self, workers: int) -> None:
        """Processes are started when there is work for them."""
        super().__init__(workers, get_context("spawn"), prepare, (os.getpid(),))
        self._seen: set[BaseProcess] = set()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """As that of `ProcessPoolExecutor`."""
        future = super().submit(fn, *args, **kwargs)
        self._seen.update(active_children())
        return future

    def has_crashed(self) -> bool:
        """Whether a process of a pool that is broken ended of itself, not from outside."""
        return any(code in OF_ITSELF for code in map(_exit_code, self._seen))


def _exit_code(process: BaseProcess) -> int | None:
    """How a process ended; the pool's own thread may have asked the system, and not have noted the answer yet."""
    until_s = time.monotonic() + ENDS_S
    process.join(ENDS_S)
    while process.exitcode is None and time.monotonic() < until_s:
        time.sleep(LOOK_S)
    return process.exitcode
