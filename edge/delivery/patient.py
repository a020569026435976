"""Work on a disk that may not answer: a thread of its own does it, and nobody waits for it longer than `STALLED_S`.

Not for what is done then. A card that stalls keeps whoever writes to it for as long as it likes; an alarm must not wait
for that. What does not come back in time raises `StalledError`, as a disk that refuses raises OSError, and so does all
that is asked for while it has not come back; it may still be done later. The thread begins with the first work.
"""

from __future__ import annotations

import errno
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotBackError
from typing import Any, TypeVar

STALLED_S = 1.0

Result = TypeVar("Result")


class StalledError(OSError):
    """The disk has not answered in time."""

    def __init__(self) -> None:
        super().__init__(errno.ETIMEDOUT, f"the disk has not answered for {STALLED_S:g} s")


class PatientDisk:
    """Does one thing after the other for one caller."""

    def __init__(self, name: str) -> None:
        """Touch nothing yet; `name` is that of the thread."""
        self._name = name
        self._work: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._last: Future[Any] | None = None

    def do(self, work: Callable[[], Result]) -> Result:
        """What `work` gives.

        Raises:
            StalledError: it is not back in time, or what was asked for before is not.
        """
        if self._last is not None and not self._last.done():
            raise StalledError
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        future: Future[Result] = Future()
        self._last = future
        self._work.put((future, work))
        try:
            return future.result(STALLED_S)
        except NotBackError:
            if future.done():  # the work itself raised one
                raise
            raise StalledError from None

    def close(self) -> None:
        """End the thread; one that is held up by its disk is left behind."""
        if self._thread is not None:
            self._work.put((Future(), _leave))
            self._thread.join(STALLED_S)

    def _run(self) -> None:
        while True:
            future, work = self._work.get()
            if work is _leave:
                return
            try:
                future.set_result(work())
            except BaseException as error:
                future.set_exception(error)


def _leave() -> None:
    """Stands for the end of the thread."""
