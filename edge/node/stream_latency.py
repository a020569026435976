"""How long the events of a stream took until they were decided: in sound, to the window, to the scores.

Not for what comes after (`edge.delivery.latency`), and not for wall time (`edge.node.clock`): durations are those of
samples and of the monotonic clock. The thread that reads notes what arrives, the one that scores asks; between them
lies a bounded deque, which is safe without a lock: one side appends, the other takes.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from edge.artefact.model import Model
from edge.delivery.latency import LatencyCounts
from edge.delivery.messages import Latency
from edge.node.clock import Timeline
from edge.types import Block, Chunk, Event, Gap

MOST = 4096  # blocks that may wait; of older ones it is not known when they came
ANEW = -1  # stands for the index where a device begins to count anew


class Arrivals:
    """When the sound of a stream had come, by sample index."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._blocks: deque[tuple[int, float]] = deque(maxlen=MOST)  # one past its last sample; seconds

    def note(self, item: object) -> None:
        """Something came: a block, a gap, or something else that does not matter."""
        if isinstance(item, Block):
            self._blocks.append((item.stop, self._monotonic()))
        elif isinstance(item, Gap) and item.restart:
            self._blocks.append((ANEW, 0.0))

    def begin_anew(self) -> None:
        """All up to the next place where a device began to count anew is past."""
        while self._blocks and self._blocks.popleft()[0] != ANEW:
            pass

    def complete_s(self, stop: int) -> float | None:
        """When all samples before index `stop` had come, monotonic seconds; None if that is not known.

        Asked in the order of the samples: what came before is forgotten.
        """
        while self._blocks and ANEW < self._blocks[0][0] < stop:
            self._blocks.popleft()
        return self._blocks[0][1] if self._blocks and self._blocks[0][0] >= stop else None


class StreamLatency:
    """Of one stream.

    Args:
        model: that decides.
        timeline: when each sample was recorded.
        is_live: whether the sound comes in real time; a file at full speed has no such moment.
    """

    def __init__(self, model: Model, timeline: Timeline, is_live: bool) -> None:
        self.arrivals = Arrivals()
        self.chunks = LatencyCounts()
        """Of the chunks of live sound: from the arrival of the last sample that one needs to its decision."""
        self._rate_hz, self._spec, self._chunk_frames = model.rate_hz, model.spec, model.chunk.chunk_frames
        self.timeline, self._is_live = timeline, is_live
        self._needed = 0
        self._window_s: float | None = None
        self._scored_s: float | None = None
        self._decided_s = 0.0

    def last_sample(self, chunk: Chunk) -> int:
        """Absolute index one past the last sample that a chunk needs."""
        return (chunk.start + self._chunk_frames - 1) * self._spec.hop_samples + self._spec.ahead_samples

    def decided(self, needed: int | None, offered: int) -> None:
        """Something was decided now.

        Args:
            needed: absolute index one past the last sample that this needed; None: all that there is.
            offered: the same of what there is.
        """
        is_chunk, needed = needed is not None, offered if needed is None else min(needed, offered)
        self._needed, self._decided_s = needed, time.monotonic()
        complete_s = self.arrivals.complete_s(needed)
        recorded_s = self.timeline.recorded_s(needed) if self._is_live else None
        self._window_s = None if complete_s is None or recorded_s is None else complete_s - recorded_s
        self._scored_s = None if complete_s is None else self._decided_s - complete_s
        if is_chunk and self._is_live and self._scored_s is not None:
            self.chunks.push(self._scored_s)

    def of(self, event: Event) -> Latency:
        """What an event took that was decided then."""
        told = event.onset if event.end is None else event.end
        return Latency(max(0, self._needed - told) / self._rate_hz, self._window_s, self._scored_s, self._decided_s)
