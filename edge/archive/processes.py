"""Processes on this machine that score. Not for a cluster (`edge.archive.cluster`).

Results come back as files. Through the pool's pipe only the name of one goes, in a single write: a process that is
killed inside of a longer one leaves a part of a message, and whoever reads waits for the rest for ever.
"""

from __future__ import annotations

import json
import os
import shutil
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import mkdtemp, mkstemp
from typing import Any

from edge.archive.worker import Result, prepare


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
    """A pool of processes. When one of them dies the pool is broken, and ends the others."""

    def __init__(self, workers: int) -> None:
        super().__init__(workers, get_context("spawn"), prepare, (os.getpid(),))
        self._results = mkdtemp(prefix="laennec-results-")
        weakref.finalize(self, shutil.rmtree, self._results, ignore_errors=True)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """As that of `ProcessPoolExecutor`, of a function that gives a `Result`; the future gives a `StoredResult`."""
        return super().submit(_stored, self._results, fn, *args, **kwargs)


def _stored(folder: str, fn: Callable[..., Result], *args: Any, **kwargs: Any) -> StoredResult:
    """In a process of the pool: a result in a file that is whole."""
    content = json.dumps(asdict(fn(*args, **kwargs))).encode()
    number, path = mkstemp(dir=folder)
    with open(number, "wb") as file:
        file.write(content)
    return StoredResult(path)
