"""Which chunks are scored next, and which streams are shed when the box is too slow. Pure, on its caller's clock.

Next are the chunks with the earliest deadlines, of at most 16 streams in one call. A stream has at most one chunk
here, the next of its own, so that chunks of a stream stay in order. A deadline never moves, so none waits for ever:
later chunks have later ones.

Source: earliest deadline first (C. L. Liu, J. W. Layland, 1973).

Shed are whole segments of some streams, in a stated order (`edge.node.inbox` does it). While the sound that waits takes
longer than `MOST_WORK_S` to compute, streams rest, one after the other: a stream that rests loses what waits and what
comes in the next `SHED_S`, as a gap. First those of low priority, then normal, then high; of one priority those that
were scored for longest. No stream is silenced: one that has rested is scored for `SCORED_S` before it rests again,
unless all others rest or have just rested. Where those that are scored load the box to less than `MOST_LOAD`, it was
only a pause, and what waits is soon done: then twice as much may wait.

Long segments, because the model needs seconds of unbroken sound: half of each chunk would be worth nothing.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence

from edge.model.model import MAX_BATCH

COMPANIONS_S = 0.01  # the longest that a chunk waits for others, of the same reading: alone it costs 1.25 times as much


class Scheduler:
    """The chunks that are ready, of all streams.

    Args:
        streams: how many there are; a batch is full when all of them are in it.
    """

    def __init__(self, streams: int) -> None:
        self._full = max(1, min(MAX_BATCH, streams))
        self._ready: dict[int, float] = {}  # stream -> since when its chunk is here, seconds
        self._order: list[tuple[float, int]] = []  # heap of (deadline, stream)

    def __len__(self) -> int:
        """Chunks that are ready."""
        return len(self._ready)

    def __contains__(self, stream: int) -> bool:
        """Whether a chunk of the stream is here."""
        return stream in self._ready

    def add(self, stream: int, deadline_s: float, now_s: float) -> None:
        """The next chunk of a stream is ready.

        Args:
            stream: its number.
            deadline_s: by when it should be decided.
            now_s: the time.

        Raises:
            ValueError: if a chunk of the stream is here already.
        """
        if stream in self._ready:
            raise ValueError(f"a chunk of stream {stream} is ready already")
        self._ready[stream] = now_s
        heapq.heappush(self._order, (deadline_s, stream))

    def wait_s(self, now_s: float) -> float | None:
        """For how long the next batch waits for companions, seconds; 0: it is due; None: nothing is ready."""
        if not self._ready:
            return None
        if len(self._ready) >= self._full:
            return 0.0
        return max(0.0, min(self._ready.values()) + COMPANIONS_S - now_s)

    def batch(self, now_s: float) -> list[int]:
        """The streams whose chunks are to be scored now, earliest deadline first; none while they wait for others."""
        if self.wait_s(now_s) != 0:
            return []
        chosen = [heapq.heappop(self._order)[1] for _ in range(min(self._full, len(self._ready)))]
        for stream in chosen:
            del self._ready[stream]
        return chosen


COST_S = 5.0  # of the newest batches: a burst of events, or another program for a moment, is not what chunks cost


class ChunkCost:
    """Computing time of a chunk with all that belongs to it, seconds, by the newest batches of any size."""

    def __init__(self) -> None:
        self._at_s: float | None = None  # of the last batch
        self._spent_s = self._chunks = self._known_s = 0.0

    @property
    def seconds(self) -> float:
        """0 until it is known: the first batches of a node take longer than all others."""
        return self._spent_s / self._chunks if self._known_s >= COST_S else 0.0

    def add(self, now_s: float, spent_s: float, chunks: int) -> None:
        """A batch is scored.

        Args:
            now_s: the time, seconds.
            spent_s: what it took, with all that was done since the batch before it.
            chunks: how many there were, 1 or more.
        """
        passed_s = 0.0 if self._at_s is None else now_s - self._at_s
        kept = math.exp(-passed_s / COST_S)
        # Both are summed: the mean of what each batch says of its chunks is that of the small ones, which cost most.
        self._spent_s, self._chunks = kept * self._spent_s + spent_s, kept * self._chunks + chunks
        self._at_s, self._known_s = now_s, self._known_s + passed_s


MOST_WORK_S = 0.6  # with the 1.1 s of chunk and lookahead of `light`, streams are then 1.7 s behind
MOST_LOAD = 0.85  # share of the time
SHED_S = 5.0
SCORED_S = 5.0
PRIORITIES = ("low", "normal", "high")  # in this order streams rest


class Shedding:
    """Chooses the streams that rest.

    Args:
        priorities: of each stream, one of `PRIORITIES`.
    """

    def __init__(self, priorities: Sequence[str]) -> None:
        self._ranks = [PRIORITIES.index(priority) for priority in priorities]
        self._shed_until_s = [-float("inf")] * len(self._ranks)

    def shed(self, now_s: float, work_s: Sequence[float], load: float) -> list[int]:
        """The streams that are to rest from now on.

        Args:
            now_s: the time, seconds.
            work_s: for each stream, how long the sound of it that waits takes to compute, seconds.
            load: computing time for a second of sound of one stream, seconds.
        """
        left_s, chosen = sum(work_s), list[int]()
        if left_s <= MOST_WORK_S:
            return chosen
        scored = [stream for stream in range(len(work_s)) if now_s >= self._shed_until_s[stream]]
        waiting = [stream for stream in scored if work_s[stream]]  # a file at full speed has none, and loses nothing
        for stream in sorted(waiting, key=lambda stream: self._order(stream, now_s)):
            # Those that go on being scored, after the ones that were chosen so far rest.
            is_pause = (len(scored) - len(chosen)) * load <= MOST_LOAD
            if left_s <= (2 * MOST_WORK_S if is_pause else MOST_WORK_S):
                break
            left_s -= work_s[stream]
            self._shed_until_s[stream] = now_s + SHED_S
            chosen.append(stream)
        return chosen

    def _order(self, stream: int, now_s: float) -> tuple[bool, int, float]:
        shed_until_s = self._shed_until_s[stream]
        is_just_back = now_s - shed_until_s < SCORED_S
        return is_just_back, 0 if is_just_back else self._ranks[stream], shed_until_s
