"""An archive, scored by many processes: what is open is handed out, what comes back is kept, shards are written.

Not for one recording (`edge.archive.recording`). Only so many recordings are out at once, so memory does not grow with
the archive. A recording that kills its process costs the others nothing: those that were out with it go again one by
one, and the one that kills again is a row with its reason.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

from edge.archive.containers import members
from edge.archive.item import Item
from edge.archive.ledger import Ledger, path_of
from edge.archive.shards import Shards
from edge.archive.worker import Job, Result, Settings, failed, prepare, work
from edge.errors import LaennecError, SourceError

OUT_FOR_EACH = 3  # recordings that are out for each worker: one that is scored, and two that wait
BYTES_OUT = 1 << 29  # of recordings out of containers, in memory
KEPT_TOGETHER = 100  # results in one transaction; a kill makes so many be scored again
WAIT_S = 0.5

KILLS = "its process was killed twice: too large for the memory of this machine, or damaged so that a library fails"


def local_pool(workers: int) -> ProcessPoolExecutor:
    """Processes on this machine."""
    return ProcessPoolExecutor(workers, get_context("spawn"), prepare, (os.getpid(),))


def open_jobs(ledger: Ledger) -> Iterator[Job | Result]:
    """What is to be scored, in the order of the listing; a recording that cannot be had comes as its result."""
    for path, is_container in ledger.open_places():
        if not is_container:
            yield from (Job(name, path) for name in ledger.take_at(path))
            continue
        yield from _jobs_of_container(ledger, path)


def _jobs_of_container(ledger: Ledger, path: bytes) -> Iterator[Job | Result]:
    taken: set[str] = set()  # and not yielded yet: of what is damaged, reading it ends here

    def wanted(item: Item) -> bool:
        if not ledger.take(item.name):
            return False
        taken.add(item.name)
        return True

    damage = "is in its container no more"
    try:
        for item, content in members(path_of(path), wanted):
            taken.discard(item.name)
            if isinstance(content, bytes):
                yield Job(item.name, path, content)
            elif content:
                yield failed(item.name, content)
    except SourceError as error:
        damage = str(error)
    yield from (failed(name, damage) for name in sorted(taken))
    yield from (failed(name, damage) for name in ledger.take_at(path))


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
        self._out: dict[Future[Result], Job] = {}
        self._suspects: deque[Job] = deque()  # were out when a process died
        self._kept = 0
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
        pool, jobs = self._make_pool(), open_jobs(self._ledger)
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
            self._keep()
        if not stop.is_set():
            self._shards.finish()

    def _hand_out(self, pool: Executor, jobs: Iterator[Job | Result], workers: int) -> bool:
        """Fill up what is out, suspects first and alone; whether there may be more."""
        if self._suspects:
            if not self._out:
                self._submit(pool, self._suspects[0])
            return True
        while len(self._out) < workers * OUT_FOR_EACH and self._bytes_out() < BYTES_OUT:
            if (job := next(jobs, None)) is None:
                return False
            if isinstance(job, Result):
                self._put(job)
            else:
                self._submit(pool, job)
        return True

    def _submit(self, pool: Executor, job: Job) -> None:
        try:
            self._out[pool.submit(work, job, self._settings)] = job
        except BrokenProcessPool as error:
            broken: Future[Result] = Future()
            broken.set_exception(error)
            self._out[broken] = job

    def _bytes_out(self) -> int:
        return sum(len(job.content or b"") for job in self._out.values())

    def _collect(self) -> bool:
        """Take what is done; whether the pool is broken."""
        ended, _ = wait(self._out, WAIT_S, FIRST_COMPLETED)
        is_broken = False
        for future in ended:
            job = self._out.pop(future)
            try:
                result = future.result()
            except BrokenProcessPool:
                is_broken = True
                self._died(job)
            except LaennecError:
                raise
            except (OSError, CancelledError) as error:
                why = f"{job.name}: a worker could not go on ({type(error).__name__} {error})"
                raise SourceError(f"{why}; mend that and run again with --resume") from None
            except Exception as error:  # one recording never ends the others
                result = failed(job.name, f"could not be scored ({type(error).__name__}: {error})")
                self._acquit(job, result)
            else:
                self._acquit(job, result)
        return is_broken

    def _acquit(self, job: Job, result: Result) -> None:
        if self._suspects and job is self._suspects[0]:
            self._suspects.popleft()
        self._put(result)

    def _died(self, job: Job) -> None:
        """A process died while this was out: once more alone, or it is what kills."""
        if self._suspects and job is self._suspects[0]:
            self._acquit(job, failed(job.name, KILLS))
        else:
            self._suspects.append(job)

    def _put(self, result: Result) -> None:
        self._ledger.put(result)
        self.done, self._kept = self.done + 1, self._kept + 1
        if self._kept >= KEPT_TOGETHER:
            self._keep()

    def _keep(self) -> None:
        self._kept = 0
        self._ledger.commit()
        self._shards.advance()
