"""An archive, scored by many processes here or on a Dask cluster.

What is open is handed out, what comes back is stored. Not for one recording (`edge.server.archive.recording`). Only so
many recordings are out at once, so memory does not grow with the archive. A process that dies costs no recording
anything: those that were out go again one by one. Only one whose process dies again and again while it is alone is a
row with its reason.

Results come back as files. Through the pool's pipe only the name of one goes, in a single write: a process that is
killed inside of a longer one leaves a part of a message, and whoever reads waits for the rest for ever. A worker of a
cluster needs Laennec of this version, the archive and the model under the same paths.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import weakref
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import starmap
from multiprocessing import get_context
from pathlib import Path
from tempfile import mkdtemp, mkstemp
from typing import Any

from edge.errors import LaennecError, SourceError
from edge.server.archive.ledger import Ledger
from edge.server.archive.recording import Job, Result, Settings, failed, prepare, work
from edge.server.archive.shards import Shards


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


CONNECT_S = 10


@contextmanager
def cluster(address: str) -> Iterator[tuple[Executor, int]]:
    """An executor on all workers of a scheduler, and how many threads they have together.

    Args:
        address: as `tcp://host:8786`.

    Raises:
        ImportError: Dask is not installed.
        SourceError: there is no such scheduler, or it has no worker.
    """
    from distributed import Client  # an extra

    try:
        client = Client(address, timeout=CONNECT_S)
    except (OSError, ValueError) as error:
        raise SourceError(f"--scheduler {address}: cannot be reached ({error}); run  dask scheduler  there") from None
    with client:
        threads = sum(client.nthreads().values())
        if not threads:
            raise SourceError(f"--scheduler {address}: has no worker; run  dask worker {address} --nthreads 1")
        yield client.get_executor(pure=False), threads


OUT_FOR_EACH = 3  # recordings that are out for each worker: one that is scored, and two that wait
STORED_TOGETHER = 100  # results in one transaction; a kill makes so many be scored again
WAIT_S = 0.5

ENDS_S = 10.0  # a broken pool ends its processes, which takes no time worth telling
MOST_DEATHS = 3  # of its process, of a recording that is scored alone; one may be a person's

KILLED = "its process died each time: too large for the memory of this machine, or damaged so that a library fails"
KILLED_WORKER = "KilledWorker"  # what Dask says when several workers died with a recording; with addresses


class Run:
    """One run over what is open; `go` once."""

    def __init__(self, ledger: Ledger, shards: Shards, settings: Settings, pool: Callable[[], Executor]) -> None:
        """Nothing is scored yet.

        Args:
            ledger: what is open, and where results go.
            shards: written when they are complete.
            settings: of all recordings.
            pool: makes an executor, and another after one has broken.
        """
        self._ledger, self._shards, self._settings, self._make_pool = ledger, shards, settings, pool
        self._out: dict[Future[Result | StoredResult], Job] = {}
        self._suspects: deque[Job] = deque()  # were out when a process died
        self._deaths: Counter[str] = Counter()  # by name, while it was the only one out
        self._stored = 0
        self.done = 0
        """Recordings that got a result in this run."""

    def go(self, workers: int, stop: threading.Event, tick: Callable[[], None]) -> None:
        """Score until nothing is open or `stop` is set.

        Args:
            workers: how many recordings are scored at once.
            stop: ends it; what is out is not waited for.
            tick: called about twice a second.

        Raises:
            LaennecError: a worker has another model, the cluster is gone, or a disk takes nothing.
        """
        pool, jobs = self._make_pool(), starmap(Job, self._ledger.open_items())
        try:
            is_more = True
            while (is_more or self._out or self._suspects) and not stop.is_set():
                is_more = self._hand_out(pool, jobs, workers) if is_more or self._suspects else False
                if self._collect():
                    pool.shutdown(wait=False)
                    pool = self._make_pool()
                tick()
        finally:
            for future in self._out:
                future.cancel()
            pool.shutdown(wait=False)
            self._store()
        if not stop.is_set():
            self._shards.finish()

    def _hand_out(self, pool: Executor, jobs: Iterator[Job], workers: int) -> bool:
        """Fill up what is out, suspects first and alone; whether there may be more."""
        if self._suspects:
            if not self._out:
                self._submit(pool, self._suspects[0])
            return True
        while len(self._out) < workers * OUT_FOR_EACH:
            if (job := next(jobs, None)) is None:
                return False
            self._submit(pool, job)
        return True

    def _submit(self, pool: Executor, job: Job) -> None:
        try:
            self._out[pool.submit(work, job, self._settings)] = job
        except BrokenProcessPool as error:
            broken: Future[Result | StoredResult] = Future()
            broken.set_exception(error)
            self._out[broken] = job

    def _collect(self) -> bool:
        """Take what is done; whether the pool is broken."""
        ended, _ = wait(self._out, WAIT_S, FIRST_COMPLETED)
        died = self._take(ended)
        if not died:
            return False
        died += self._take(wait(self._out, ENDS_S).done)  # a pool that is broken fails all that is out
        for job in died:
            self._died(job)
        return True

    def _take(self, ended: Iterable[Future[Result | StoredResult]]) -> list[Job]:
        """Keep what came out; those whose process died."""
        died = []
        for future in ended:
            job = self._out.pop(future)
            try:
                done = future.result()
                result = done.take() if isinstance(done, StoredResult) else done
            except BrokenProcessPool:
                died.append(job)
            except MemoryError:  # the others took it, perhaps
                self._died(job)
            except LaennecError:
                raise
            except (OSError, CancelledError) as error:
                why = f"{job.name}: a worker could not go on ({type(error).__name__} {error})"
                raise SourceError(f"{why}; mend that and run again with --resume") from None
            except Exception as error:  # one recording never ends the others
                is_killed = type(error).__name__ == KILLED_WORKER
                why = KILLED if is_killed else f"could not be scored ({type(error).__name__}: {error})"
                self._acquit(job, failed(job.name, why))
            else:
                self._acquit(job, result)
        return died

    def _acquit(self, job: Job, result: Result) -> None:
        if self._suspects and job is self._suspects[0]:
            self._suspects.popleft()
        self._put(result)

    def _died(self, job: Job) -> None:
        """A process died while this was out: it goes again, alone, unless it was alone often enough."""
        if self._suspects and job is self._suspects[0]:
            self._deaths[job.name] += 1
            if self._deaths[job.name] >= MOST_DEATHS:
                self._acquit(job, failed(job.name, KILLED))
                return
            self._suspects.popleft()
        self._suspects.append(job)

    def _put(self, result: Result) -> None:
        self._ledger.put(result)
        self.done, self._stored = self.done + 1, self._stored + 1
        if self._stored >= STORED_TOGETHER:
            self._store()

    def _store(self) -> None:
        self._stored = 0
        self._ledger.commit()
        self._shards.advance()
