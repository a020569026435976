"""Processes on this machine that score, and how they ended. Not for a cluster (`edge.archive.cluster`).

A signal says who ended a process: SIGSEGV and its like come of what the process did itself; SIGKILL and SIGTERM come
from outside, from a person or because memory ran out, and say nothing about the recording.

Results come back as files. Through the pool's pipe only the name of one goes, in a single write: a process that is
killed inside of a longer one leaves a part of a message, and whoever reads waits for the rest for ever.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import active_children, get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import mkdtemp, mkstemp
from typing import Any

from edge.archive.worker import Result, prepare

OF_ITSELF = tuple(
    -number for number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL)
)  # exit codes
LOOK_S = 0.01
ENDS_S = 10.0  # a broken pool terminates its processes, which takes no time worth telling


@dataclass(frozen=True, slots=True)
class StoredResult:
    """A result in a file."""

    path: str

    def take(self) -> Result:
        """The result; the file is removed.

        Raises:
            OSError: the file is gone.
        """
        path = Path(self.path)
        result = Result(**json.loads(path.read_bytes()))
        path.unlink()
        return result


class LocalPool(ProcessPoolExecutor):
    """A pool that knows its processes. When one of them dies the pool is broken, and ends the others."""

    def __init__(self, workers: int) -> None:
        """Processes are started when there is work for them."""
        super().__init__(workers, get_context("spawn"), prepare, (os.getpid(),))
        self._seen: set[BaseProcess] = set()
        self._results = mkdtemp(prefix="laennec-results-")
        weakref.finalize(self, shutil.rmtree, self._results, ignore_errors=True)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """As that of `ProcessPoolExecutor`, of a function that gives a `Result`; the future gives a `StoredResult`."""
        future = super().submit(_stored, self._results, fn, *args, **kwargs)
        self._seen.update(active_children())
        return future

    def has_crashed(self) -> bool:
        """Whether a process of a pool that is broken ended of itself, not from outside."""
        return any(code in OF_ITSELF for code in map(_exit_code, self._seen))


def _stored(folder: str, fn: Callable[..., Result], *args: Any, **kwargs: Any) -> StoredResult:
    """In a process of the pool: a result in a file that is whole."""
    content = json.dumps(asdict(fn(*args, **kwargs))).encode()
    number, path = mkstemp(dir=folder)
    with open(number, "wb") as file:
        file.write(content)
    return StoredResult(path)


def _exit_code(process: BaseProcess) -> int | None:
    """How a process ended; the pool's own thread may have asked the system, and not have noted the answer yet."""
    until_s = time.monotonic() + ENDS_S
    process.join(ENDS_S)
    while process.exitcode is None and time.monotonic() < until_s:
        time.sleep(LOOK_S)
    return process.exitcode
