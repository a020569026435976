"""Stretches of sound as columns of log-mel levels, one column to a score frame: what a live spectrogram is made of.

Not what the model gets, which is levelled for it and may have several windows, nor the scores; and not for drawing. The
front-end is that of `edge.features`, with the bands of the model and the longest of its windows, in dB re full scale.
Column c shows the samples [c * s, (c + 1) * s), s the score hop: per band the highest of the frames that are centred in
it. Frame t is centred at t * hop + window / 2, so these are s / hop frames, with no frame in two columns:

    t from ceil((c * s - window / 2) / hop) to before ceil(((c + 1) * s - window / 2) / hop)

A frame that touches a sample that was not heard is not valid, and a column with such a frame was not heard; sound that
stood in for what was lost (`edge.detector.concealment`) is not in it. Each stretch is made of its own sound alone, so
any cut gives the same columns.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edge.artefact.specs import ChunkSpec
from edge.delivery.mel_message import LOWEST_DB, Bytes, level_bytes
from edge.features import FeatureSpec, FrontEnd, Log, Mel
from edge.features.logmel import mel_edges_hz
from edge.types import Block, Frames


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
        heard: NDArray[np.bool_] = np.asarray(valid.reshape(count, self._frames).all(axis=1))
        return level_bytes(levels_db.reshape(count, self._frames, bands).max(axis=1), heard)

    def _first_frame(self, column: int) -> int:
        """The first frame that is centred in a column, absolute indices."""
        return -(-(2 * column * self.samples - self.spec.ahead_samples) // (2 * self.spec.hop_samples))


def picture_spec(spec: FeatureSpec) -> FeatureSpec:
    """What a picture of a stream shows: log-mel in dB, with the grid of a model's features.

    Of several windows the longest, which separates the harmonics of a wheeze; of a model that hears no mel, one of
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
