"""The one thread that scores: sound of all streams in, chunks of several streams to the model at once, events out.

Not for reading sources (`edge.node.readers`), for which chunks go first (`edge.node.scheduling`) or for what is left
out when there is too much (`edge.node.scheduling`). One thread, because the model takes nine tenths of the work and a
batch of streams costs less than each alone; what fails in one stream ends that stream alone.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Protocol

from edge.model.model import Model
from edge.model.specs import ChunkSpec
from edge.node.scheduling import SHED_S, ChunkCost, Scheduler, Shedding
from edge.node.stream import ModelAnswer, NodeStream

IDLE_S = 0.2  # the longest wait, so that a hang differs from rest
ASSESS_S = 0.25  # how often streams say how they are that had no chunk for `FRESH_S`; others do after each chunk
FRESH_S = 0.5
CHECK_S = 1.0  # how often silent sources are looked for
COUNT_S = 0.1  # how often the work that waits is counted
GOLDEN = 0.6180339887498949  # its multiples, modulo 1, are spread evenly however many there are

logger = logging.getLogger(__name__)


class BackgroundTask(Protocol):
    """Work for the time in which no chunk of a bed is due; it must neither wait nor fail."""

    def is_due(self) -> bool:
        """Whether there is any."""

    def turn(self) -> None:
        """Do a little of it, as little as a batch of chunks."""


def phase_of(number: int, spec: ChunkSpec) -> int:
    """Frames by which the chunks of a stream are shifted, so that those of all are not complete at once.

    Args:
        number: of the stream, from 0; that is not shifted, as in `laennec detect`.
        spec: of the chunks.
    """
    steps = spec.chunk_frames // spec.score_frames
    return int(number * GOLDEN % 1.0 * steps) * spec.score_frames


class Engine:
    """The thread that scores.

    Args:
        model: the loaded artefact.
        streams: all of them.
        priorities: of each, as in `edge.node.scheduling`.
        idle: how many of them have no sound most of the time, so that no chunk waits for theirs.
    """

    def __init__(self, model: Model, streams: Sequence[NodeStream], priorities: Sequence[str], idle: int = 0) -> None:
        self._model, self._streams = model, streams
        self._chunk_samples = model.chunk.chunk_frames * model.spec.hop_samples
        self._chunk_s = self._chunk_samples / model.rate_hz
        self._scheduler, self._shedding = Scheduler(len(streams) - idle), Shedding(priorities)
        self._arrivals: queue.SimpleQueue[int] = queue.SimpleQueue()  # numbers of streams to be looked at
        self._cost = ChunkCost()
        self._spent_s = 0.0  # computing time since the last batch
        self._moved_s = self._checked_s = self._counted_s = self._assessed_s = time.monotonic()
        self.spare: BackgroundTask | None = None  # to be set before `start`
        self._is_ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="score", daemon=True)

    def start(self) -> None:
        """Begin to score."""
        self._assess(range(len(self._streams)))  # whoever reads it from now on finds that it is new
        self._thread.start()

    def wake(self, number: int) -> None:
        """Something came for a stream."""
        self._arrivals.put(number)

    def end(self, timeout_s: float) -> bool:
        """End the streams that are still open; whether all of them were within the time."""
        self._is_ending.set()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def is_alive(self) -> bool:
        """Whether any stream is open."""
        return self._thread.is_alive()

    def stalled_s(self) -> float:
        """For how long the thread has not moved, seconds."""
        return time.monotonic() - self._moved_s if self._thread.is_alive() else 0.0

    def is_due(self) -> bool:
        """Whether a turn has something to do at once."""
        return not self._arrivals.empty() or self._scheduler.wait_s(time.monotonic()) == 0

    def turn(self, most_s: float = IDLE_S) -> int:
        """Wait until something is to be done, `most_s` at most, and do it; how many chunks were scored."""
        begin_s = self._collect(0.0 if self.spare is not None and self.spare.is_due() else most_s)
        self._moved_s = time.monotonic()
        self._shed()
        batch = self._scheduler.batch(self._moved_s)
        self._score(batch)
        self._spent_s += time.monotonic() - begin_s
        if batch:
            self._cost.add(self._moved_s, self._spent_s, len(batch))
            self._spent_s = 0.0
        if self._moved_s - self._checked_s >= CHECK_S:
            self._checked_s = self._moved_s
            for number, stream in enumerate(self._streams):
                if stream.check_silence():
                    self._advance(number)
        self._assess(batch)
        if self._moved_s - self._assessed_s >= ASSESS_S:
            self._assessed_s = self._moved_s
            old_s = self._moved_s - FRESH_S
            self._assess(n for n, stream in enumerate(self._streams) if stream.status.made_s <= old_s)
        if not batch and self.spare is not None:
            self.spare.turn()
        return len(batch)

    def _run(self) -> None:
        while not self._is_ending.is_set() and not self._all_closed():
            self.turn()
        for number, stream in enumerate(self._streams):
            stream.stop()
            self._arrivals.put(number)
        while not self._all_closed():
            self.turn()
        self._assess(range(len(self._streams)))

    def _assess(self, numbers: Iterable[int]) -> None:
        """Let these streams say how they are; of one that has ended, once more."""
        for stream in (self._streams[number] for number in numbers):
            if not stream.status.is_closed:
                try:
                    stream.assess()
                except Exception as error:  # a source that cannot say how its device is, say
                    stream.fail(error)

    def _all_closed(self) -> bool:
        return all(stream.is_closed for stream in self._streams)

    def _collect(self, most_s: float) -> float:
        """Take what has come, after waiting for it if nothing is due; when the waiting was over."""
        # Woken by the first arrival or by the first chunk that is due; then all that has come is taken at once.
        wait_s = self._scheduler.wait_s(time.monotonic())
        numbers = set()
        with suppress(queue.Empty):
            numbers.add(self._arrivals.get(timeout=most_s if wait_s is None else min(wait_s, most_s)))
        woken_s = time.monotonic()
        with suppress(queue.Empty):
            while numbers:
                numbers.add(self._arrivals.get_nowait())
        for number in numbers:
            self._advance(number)
        return woken_s

    def _advance(self, number: int, answer: ModelAnswer | None = None) -> None:
        """Let a stream go on, with what came for it or the answer to its chunk; its next chunk waits for its turn."""
        stream = self._streams[number]
        if number in self._scheduler or stream.is_closed:
            return
        try:
            stream.advance(answer)
        except Exception as error:  # one bed must not take the others with it
            stream.fail(error)
        if stream.pending is not None:
            self._scheduler.add(number, stream.deadline_s(), time.monotonic())

    def _score(self, numbers: Sequence[int]) -> None:
        """Score a chunk of each of these streams, in one call; if that fails, one by one."""
        pending = {number: pair for number in numbers if (pair := self._streams[number].pending) is not None}
        if not pending:
            return  # what failed since then has none
        begin_s = time.monotonic()
        chunks, states = [chunk for chunk, _ in pending.values()], [state for _, state in pending.values()]
        try:
            answers = self._model.score_many(chunks, states) if len(chunks) > 1 else []
        except Exception:
            logger.warning("a batch failed streams=%d; they are scored one by one", len(chunks))
            answers = []
        busy_s = (time.monotonic() - begin_s) / len(pending)
        for at, number in enumerate(pending):
            try:
                scores, state = answers[at] if answers else self._model.score(chunks[at], states[at])
            except Exception as error:  # one bed must not take the others with it
                self._streams[number].fail(error)
                continue
            self._advance(number, ModelAnswer(scores, state, busy_s))

    def _shed(self) -> None:
        """Where too much waits, let streams rest."""
        if self._moved_s - self._counted_s < COUNT_S:
            return
        self._counted_s = self._moved_s
        work_s = [self._work_s(number) for number in range(len(self._streams))]
        for number in self._shedding.shed(self._moved_s, work_s, self._cost.seconds / self._chunk_s):
            self._streams[number].shed(SHED_S)
            self._advance(number)

    def _work_s(self, number: int) -> float:
        """How long the sound of a stream that waits takes to compute; 0 for a file at full speed, which can wait."""
        stream = self._streams[number]
        if number not in self._scheduler or not stream.is_live:  # without a chunk that is ready, too little waits
            return 0.0
        return (1 + stream.inbox.waiting // self._chunk_samples) * self._cost.seconds
