"""Which chunks the model hears next: those with the earliest deadlines, of at most 16 streams in one call.

Pure, on its caller's clock; not for threads, sound or what is left out under overload (`edge.node.shedding`).
A stream has at most one chunk here, the next of its own, so that chunks of a stream stay in order. A deadline never
moves, so none waits for ever: later chunks have later ones.

Source: earliest deadline first (C. L. Liu, J. W. Layland, 1973).
"""

from __future__ import annotations

import heapq

from edge.artefact.model import MAX_BATCH

COMPANIONS_S = 0.02  # the longest that a chunk waits for others; under load batches form by themselves


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
