"""Live spectrograms: a stream's newest sound and scores, cut into tiles of log-mel columns, one to a score frame.

Not what the model gets, which is levelled for it and may have several windows, nor the scores; and not for drawing. The
front-end is that of `edge.features`, with the bands of the model and the longest of its windows, in dB re full scale.
Column c shows the samples [c * s, (c + 1) * s), s the score hop: per band the highest of the frames that are centred in
it. Frame t is centred at t * hop + window / 2, so these are s / hop frames, with no frame in two columns:

    t from ceil((c * s - window / 2) / hop) to before ceil(((c + 1) * s - window / 2) / hop)

A frame that touches a lost sample is not valid, nor is a column with such a frame; sound that
stood in for what was lost (`edge.detector.concealment`) is not in it. Each segment is made of its own sound alone, so
any cut gives the same columns.

Pictures are made in a thread of its own (`edge.node.live_view`). Called by the thread that scores, this keeps what it
is given, copies and computes nothing, and hands a segment of `SEGMENT_S` or more on with the chunk that completes it,
or with as much sound where none of it is valid. While nobody looks, a look at the clock is all that it costs. A segment
begins with the first sound that came while somebody looked, and none has a column twice.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edge.detector.sound_check import SoundAssessment
from edge.features import FeatureSpec, FrontEnd, Log, Mel
from edge.features.logmel import mel_edges_hz
from edge.model.specs import ChunkSpec
from edge.node.inbox import Item
from edge.node.live_messages import LOWEST_DB, Bytes, MelScale, level_bytes
from edge.node.observer import StreamObserver
from edge.types import Block, Chunk, Event, Frames, Scores


class MelColumns:
    """Of the streams of one model; one thread makes columns, any may ask where they lie.

    Args:
        spec: of the model's features.
        chunk: of its chunks.
    """

    def __init__(self, spec: FeatureSpec, chunk: ChunkSpec) -> None:
        self.spec = picture_spec(spec)
        self.chunk, self._frames = chunk, chunk.score_frames
        self.samples = spec.hop_samples * chunk.score_frames
        """Samples of a column."""
        edges_hz = mel_edges_hz(self.spec)
        self.lowest_hz, self.highest_hz = float(edges_hz[1]), float(edges_hz[-2])
        """Centres of the lowest and of the highest band."""

    @cached_property
    def _front_end(self) -> FrontEnd:
        return FrontEnd(self.spec)

    def first_sample(self, column: int) -> int:
        """Absolute index of the first sample that a column or one behind it is made of; of the window, not shown."""
        return self._first_frame(column) * self.spec.hop_samples

    def column_after(self, sample: int) -> int:
        """The first column that is made of no sound before a sample, absolute indices."""
        # A column's first frame begins half a window before it, at the earliest: c samples - ahead / 2 >= sample,
        # doubled.
        return -(-(2 * sample + self.spec.ahead_samples) // (2 * self.samples))

    def of(self, blocks: Iterable[Block], first: int, count: int) -> Bytes:
        """(T, M) bytes of some columns.

        Args:
            blocks: the sound that there is, in order; what lies outside of the columns is passed over.
            first: absolute index of the first column.
            count: T.
        """
        begin, bands = self._first_frame(first), self.spec.bands
        levels_db = np.full((count * self._frames, bands), LOWEST_DB, np.float32)
        valid = np.zeros(len(levels_db), np.bool_)
        stop = self.first_sample(first + count) - self.spec.hop_samples + self.spec.ahead_samples
        self._front_end.reset()
        for block in blocks:
            part = slice(max(begin * self.spec.hop_samples - block.start, 0), max(stop - block.start, 0))
            if len(block.samples[part]):
                for frames in self._front_end.push(
                    Block(block.start + part.start, block.samples[part], block.valid[part])
                ):
                    _place(frames, begin, levels_db, valid)
        is_valid: NDArray[np.bool_] = np.asarray(valid.reshape(count, self._frames).all(axis=1))
        return level_bytes(levels_db.reshape(count, self._frames, bands).max(axis=1), is_valid)

    def _first_frame(self, column: int) -> int:
        """The first frame that is centred in a column, absolute indices."""
        # t hop + ahead / 2 >= column samples; doubled, for half a window may be no whole number.
        return -(-(2 * column * self.samples - self.spec.ahead_samples) // (2 * self.spec.hop_samples))


def picture_spec(spec: FeatureSpec) -> FeatureSpec:
    """What a picture of a stream shows: log-mel in dB, with the grid of a model's features.

    Of several windows the longest, which separates the harmonics of a wheeze; of a model without mel, one of
    50 ms.
    """
    if isinstance(spec.analysis, Mel):
        span, fft_size = max(spec.analysis.windows_samples), spec.analysis.fft_size
    else:
        span = spec.rate_hz // 20
        fft_size = 1 << (span - 1).bit_length()
    return FeatureSpec(
        spec.rate_hz,
        spec.hop_samples,
        min(spec.bands, fft_size // 2),
        spec.low_hz,
        spec.high_hz,
        Mel(windows_samples=(span,), fft_size=fft_size),
        Log(floor=LOWEST_DB),
    )


def _place(frames: Frames, begin: int, levels_db: NDArray[np.float32], valid: NDArray[np.bool_]) -> None:
    """Put frames where they belong in arrays that begin at frame `begin`; those before or behind are passed over."""
    skipped, at = max(begin - frames.start, 0), max(frames.start - begin, 0)
    count = min(len(frames.valid) - skipped, len(valid) - at)
    if count > 0:
        levels_db[at : at + count] = frames.values[skipped : skipped + count]
        valid[at : at + count] = frames.valid[skipped : skipped + count]


SEGMENT_S = 0.48  # shorter ones are more messages and more drawing than anybody sees
STORED_S = 20.0  # of sound; scores come 6 s behind the newest at most, with what may wait


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment of one stream that was decided."""

    bed: StreamMel
    """Whose."""
    first: int
    """Absolute index of its first column, which is that of its first score frame."""
    columns: int
    """T."""
    first_s: float
    """When its first sample was recorded, seconds since 1970."""
    blocks: tuple[Block, ...]
    """The sound of its columns, and more."""
    scores: tuple[Scores, ...]
    """Of its score frames, as far as there are any."""


class StreamMel(StreamObserver):
    """One stream; `until_s` may be set by any thread.

    Args:
        stream: its id.
        scale: what its columns and scores mean.
        columns: where columns lie.
        wall_s: when a sample was recorded.
        put: takes a segment; never waits.
        monotonic: seconds that never step.
    """

    def __init__(
        self,
        stream: str,
        scale: MelScale,
        columns: MelColumns,
        wall_s: Callable[[int], float],
        put: Callable[[Segment], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.id, self.scale = stream, scale
        self.until_s = -math.inf
        """Until when somebody looks, monotonic seconds."""
        self._columns, self._chunk, self._wall_s, self._put = columns, columns.chunk, wall_s, put
        self._monotonic = monotonic
        self._most = round(STORED_S * scale.rate_hz)
        self._least = max(
            columns.chunk.scores, round(SEGMENT_S * scale.rate_hz / columns.samples)
        )  # columns of a segment
        self._blocks: deque[Block] = deque()
        self._stored = 0  # samples in them
        self._end = 0  # absolute index one past the newest sample
        self._sent: int | None = None  # column before which none is handed on any more; None: no sound came
        self._span: tuple[int, int] | None = None  # columns that are handed on next: first, one past the last
        self._is_scored = self._is_in_chunk = False  # whether chunks decide that; whether one is being decided
        self._scores: list[Scores] = []

    @property
    def is_looked_at(self) -> bool:
        """Whether somebody looks now."""
        return self._monotonic() < self.until_s

    def on_item(self, item: Item) -> None:
        """Keep a block."""
        if not self._is_on() or not isinstance(item, Block):
            return
        if self._sent is None:
            self._sent = self._columns.column_after(item.start)
        self._blocks.append(item)
        self._end = item.stop
        self._stored += len(item.samples)
        while self._stored > self._most and len(self._blocks) > 1:
            self._drop_oldest()
            self._sent = max(self._sent, self._columns.column_after(self._blocks[0].start))

    def on_chunk(self, chunk: Chunk, state: NDArray[np.float32]) -> None:
        """The next scores are of the frames that this chunk decides."""
        if not self._is_on():
            return
        count = self._chunk.scores
        first = (chunk.start - self._chunk.lookahead_frames) // self._chunk.score_frames
        if self._is_scored and self._span is not None and self._span[1] == first:
            self._span = self._span[0], first + count
        else:
            self._hand_over()
            sent = first if self._sent is None else self._sent
            self._span = (
                max(min(sent, first), first - 2 * self._least),
                first + count,
            )  # with what was passed over before
        self._is_scored = self._is_in_chunk = True

    def on_scores(self, scores: Scores, verdict: SoundAssessment) -> None:
        """Keep the scores of the chunk, or the time in which nothing was valid."""
        if not self._is_on():
            return
        if self._is_in_chunk:
            self._scores.append(scores)
            return
        if self._is_scored:
            self._hand_over()
        stop = scores.start + len(scores.valid)
        first = scores.start if self._span is None else self._span[0]
        self._span = max(first, stop - self._least), stop
        if stop - first >= self._least:
            self._hand_over()

    def on_events(self, events: Sequence[Event]) -> None:
        """The chunk is decided."""
        self._is_in_chunk = False
        if (
            self._is_on()
            and self._is_scored
            and self._span is not None
            and self._span[1] - self._span[0] >= self._least
        ):
            self._hand_over()

    def on_end(self) -> None:
        """What follows is another sound."""
        if self._is_on() and self._is_scored:
            self._hand_over()
        self._forget()

    def _is_on(self) -> bool:
        is_on = self.is_looked_at
        if not is_on and self._sent is not None:
            self._forget()
        return is_on

    def _forget(self) -> None:
        self._blocks.clear()
        self._stored, self._sent = 0, None
        self._begin_next()

    def _begin_next(self) -> None:
        self._span, self._scores = None, []
        self._is_scored = self._is_in_chunk = False

    def _drop_oldest(self) -> None:
        self._stored -= len(self._blocks.popleft().samples)

    def _hand_over(self) -> None:
        """Let a picture be made of the columns that are complete."""
        span, scores = self._span, tuple(self._scores)
        self._begin_next()
        if span is None or self._sent is None:
            return
        first, stop = max(span[0], self._sent), min(span[1], self._end // self._columns.samples)
        if first >= stop:
            return
        begin_s = self._wall_s(first * self._columns.samples)
        self._put(Segment(self, first, stop - first, begin_s, tuple(self._blocks), scores))
        self._sent = stop
        while self._blocks and self._blocks[0].stop <= self._columns.first_sample(stop):
            self._drop_oldest()
