"""A few threads that read the sources of all streams, each when its sound is due.

Not for what becomes of the sound (`edge.node.stream`). A source gives a `Wait` where nothing has come yet, so one
thread reads hundreds of them, all that are due within `TOGETHER_S` at one waking. Where it does not return from one for
`WATCH_S`, the next thread reads the others; after `STUCK_S` another one is started in its place, and so many as
`MOST_STUCK` may hang. A source in real time is not read before the block that completes the next chunk can have come,
and one that computes all the time less often still. However it fails, its stream alone ends.
"""

from __future__ import annotations

import heapq
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from edge.errors import LaennecError
from edge.node.inbox import End
from edge.node.stream import NodeStream
from edge.sources.source import Source, Wait
from edge.types import Block, Gap

THREADS = 2  # one reads, and the other goes on where that one hangs; another one comes after `STUCK_S`
TOGETHER_S = 0.06  # sources in real time are read at multiples of it, and the chunks that are complete then go together
WATCH_S = 0.03  # how late a source may be before another thread reads
STUCK_S = 0.5
MOST_STUCK = 16
TURN_S = 0.05  # how long one source is read before others have their turn
MOST_LOAD = 0.1  # share of the time that the source of one stream in real time may compute; a file takes 0.001
FULL_S = 0.005  # a file at full speed looks so often whether there is room again

logger = logging.getLogger(__name__)


class Reading:
    """One source that is read.

    Args:
        source: where the sound comes from; closed at its end.
        stream: which takes it.
        stop: ends the reading.
        wake: called when the stream should be looked at.
    """

    def __init__(self, source: Source, stream: NodeStream, stop: threading.Event, wake: Callable[[], None]) -> None:
        self._source, self._stream, self._stop, self._wake = source, stream, stop, wake
        self._items: Iterator[Block | Gap | Wait] | None = None

    def read(self) -> float | None:
        """Read what there is; seconds until there may be more, None after the end. Raises nothing."""
        # Of this thread's computing, for waiting costs nobody anything. After c seconds a rest of c / MOST_LOAD.
        begin_s = time.thread_time()
        try:
            wait_s, end = self._read(), End(is_stopped=self._stop.is_set())
            if wait_s is not None:
                pause_s = (time.thread_time() - begin_s) / MOST_LOAD if self._stream.is_live else 0.0
                return max(wait_s, pause_s)
        except LaennecError as error:
            logger.error("stream=%s failed: %s", self._stream.id, error)
            end = End(str(error))
        except Exception as error:  # one bed must not take the others with it
            logger.exception("stream=%s failed by an internal error", self._stream.id)
            end = End(f"internal error: {error!r}", is_broken=True)
        self._stream.arrive(end)
        self._wake()
        self._source.close()
        return None

    def _read(self) -> float | None:
        if self._items is None:
            self._items = self._source.blocks(self._stop)
        until_s = time.monotonic() + TURN_S
        while not self._stream.inbox.is_over:
            if self._stream.inbox.is_full and not self._stream.is_live:
                return FULL_S
            item = next(self._items, None)
            if item is None:
                return None
            if isinstance(item, Wait):
                return item.seconds
            if self._stream.arrive(item):
                self._wake()
            if time.monotonic() >= until_s:
                return 0.0
        return None


class ReaderPool:
    """The threads, and when each source is due.

    Args:
        readings: of all sources.
        streams: of the same; their `due_s` is kept up to date.
    """

    def __init__(self, readings: Sequence[Reading], streams: Sequence[NodeStream]) -> None:
        """No thread runs before `start`."""
        self._readings, self._streams = readings, streams
        self._due: list[tuple[float, int]] = []  # heap of (when, number) of the sources that nobody reads now
        self._began_s: dict[int, float] = {}  # number of a source that is being read -> since when
        self._changed = threading.Condition()
        self._reader: int | None = None  # the thread that reads; the others are there for when it hangs
        self._watcher: int | None = None  # the one of them that looks whether it does
        self._drains = False
        self._threads: list[threading.Thread] = []
        self._running = 0

    def start(self) -> None:
        """Begin to read all sources."""
        now_s = time.monotonic()
        self._due = [(now_s, number) for number in range(len(self._readings))]
        for _ in range(min(THREADS, len(self._readings))):
            self._start_thread()

    def finish(self) -> None:
        """Read every source at once, as `stop` was set: so each comes to its end."""
        with self._changed:
            self._drains = True
            self._changed.notify_all()

    def join(self, timeout_s: float) -> None:
        """Wait until all sources have come to their ends."""
        until_s = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, until_s - time.monotonic()))

    def stuck_s(self, number: int) -> float:
        """For how long a source has not returned, seconds."""
        began_s = self._began_s.get(number)
        return 0.0 if began_s is None else time.monotonic() - began_s

    def replace_hung(self) -> None:
        """Start a thread in place of each that hangs in a source; call it every quarter of a second or so."""
        with self._changed:
            missing = self._wanted() - self._running
        for _ in range(missing):
            self._start_thread()

    def _wanted(self) -> int:
        stuck = sum(self.stuck_s(number) > STUCK_S for number in self._began_s)
        return min(THREADS + min(stuck, MOST_STUCK), len(self._due) + len(self._began_s))

    def _start_thread(self) -> None:
        with self._changed:
            self._running += 1
        thread = threading.Thread(target=self._run, name="read", daemon=True)
        self._threads = [each for each in self._threads if each.is_alive()] + [thread]
        thread.start()

    def _run(self) -> None:
        while (number := self._take()) is not None:
            wait_s = self._readings[number].read()
            with self._changed:
                del self._began_s[number]
                due_s = None if wait_s is None else self._due_s(number, wait_s)
                self._streams[number].due_s = due_s
                if due_s is not None:
                    heapq.heappush(self._due, (due_s, number))
                if due_s is None or (self._reader != threading.get_ident() and self._due[0][1] == number):
                    self._changed.notify_all()  # whoever waits for the first waits for another, or for nothing

    def _due_s(self, number: int, wait_s: float) -> float:
        """When a source is to be read again that has nothing for so long, monotonic seconds."""
        stream, now_s = self._streams[number], time.monotonic()
        if not wait_s or not stream.is_live:
            return now_s + wait_s
        return math.ceil((now_s + wait_s + stream.missing_s) / TOGETHER_S) * TOGETHER_S

    def _take(self) -> int | None:
        """The source to be read now, once it is due; None: this thread is not needed any more."""
        me = threading.get_ident()
        with self._changed:
            while self._running <= self._wanted():
                wait_s = self._wait_s(me)
                if wait_s is not None and wait_s <= 0:
                    if self._reader != me:
                        # In place of the one that hangs; that is one of the others when it comes back.
                        self._reader = me
                        self._changed.notify()  # another one looks from now on
                    _, number = heapq.heappop(self._due)
                    self._began_s[number] = time.monotonic()
                    return number
                self._wait(me, wait_s)
            self._running -= 1
            self._reader = None if self._reader == me else self._reader
            self._changed.notify_all()
            return None

    def _wait_s(self, me: int) -> float | None:
        """How long a thread has nothing to do, seconds; None: until it is woken."""
        if not self._due or self._drains:
            return 0.0 if self._due else None
        # Another thread takes what the reader should have taken WATCH_S ago; one that looks for that is enough.
        late_s = 0.0 if self._reader in (None, me) else WATCH_S
        if late_s and self._watcher not in (None, me):
            return None
        return self._due[0][0] + late_s - time.monotonic()

    def _wait(self, me: int, wait_s: float | None) -> None:
        if self._reader is None and wait_s is not None:
            self._reader = me
        is_watcher = self._reader != me and wait_s is not None
        self._watcher = me if is_watcher else self._watcher
        try:
            self._changed.wait(wait_s)
        finally:
            self._watcher = None if is_watcher else self._watcher
