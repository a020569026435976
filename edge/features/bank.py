"""B streams through one front-end in one call: sound in, frames out, each stream at its own place.

Any cut of the sound into blocks gives the same bits. Not for threads: a bank and its workspace belong to one of them
(the kernel releases the GIL, so banks of different threads run at once). `feed` allocates nothing: it writes into the
caller's arrays.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.features.engine import Engine
from edge.features.spec import FeatureSpec
from edge.ring import STOP


class Batch(NamedTuple):
    """Frames of B streams."""

    start: NDArray[np.int64]
    """(B,) absolute index of the first frame of each stream."""
    frames: NDArray[np.int64]
    """(B,) how many frames there are; the rows behind them mean nothing."""
    values: NDArray[np.float32]
    """(B, T, M) in the unit of the feature spec."""
    valid: NDArray[np.bool_]
    """(B, T) false where a frame touches an invalid sample."""


class Bank:
    """The front-end of B streams that are heard together.

    Args:
        spec: what a frame is.
        streams: B.
    """

    def __init__(self, spec: FeatureSpec, streams: int) -> None:
        """Build tables and rings; frames start with the first samples."""
        self.spec = spec
        self.streams = streams
        self._engine = Engine(spec, streams)

    def room(self, samples: int) -> int:
        """Rows that each stream needs for the frames of `samples` samples."""
        return samples // self.spec.hop_samples + 1 + self._engine.waiting

    def empty(self, samples: int) -> Batch:
        """Arrays for `feed`, with room for the frames of `samples` samples of every stream."""
        rows, counts = self.room(samples), np.zeros((2, self.streams), np.int64)
        values = np.empty((self.streams, rows, self.spec.width), np.float32)
        return Batch(counts[0], counts[1], values, np.empty((self.streams, rows), np.bool_))

    def feed(
        self, starts: NDArray[np.int64], samples: NDArray[np.float32], valid: NDArray[np.bool_], batch: Batch
    ) -> None:
        """Take N samples of every stream; write the frames they complete.

        Args:
            starts: (B,) absolute index of the first sample of each stream.
            samples: (B, N) contiguous.
            valid: (B, N) false where a sample was lost or cannot be trusted; contiguous.
            batch: receives the frames; from `empty(N)`.

        Raises:
            ValueError: if a shape or type is another, or a block overlaps an earlier one of its stream; then nothing
                was taken.
        """
        streams, count = self.streams, samples.shape[-1]
        shape = (streams, max(batch.values.shape[1], self.room(count)), self.spec.width)
        _require("starts", starts, np.int64, (streams,))
        _require("samples", samples, np.float32, (streams, count))
        _require("valid", valid, np.bool_, (streams, count))
        _require("batch.values", batch.values, np.float32, shape)
        _require("batch.valid", batch.valid, np.bool_, shape[:2])
        self._engine.state.starts[:] = starts
        self._run(samples.reshape(-1), valid.reshape(-1), batch)

    def push(self, starts: NDArray[np.int64], samples: NDArray[np.float32], valid: NDArray[np.bool_]) -> Batch:
        """Take N samples of every stream; return the frames they complete, in new arrays; as `feed`."""
        batch = self.empty(samples.shape[-1])
        self.feed(starts, samples, valid, batch)
        return batch

    def flush(self) -> Batch:
        """End of all streams: the frames that waited for a block to fill up; one that lacks samples is never made."""
        engine, batch = self._engine, self.empty(0)
        engine.state.starts[:] = engine.state.rings.marks[:, STOP]
        engine.state.ending[0] = True
        try:
            self._run(np.zeros(0, np.float32), np.zeros(0, np.bool_), batch)
        finally:
            engine.state.ending[0] = False
        self.reset()
        return batch

    def reset(self, stream: int | None = None) -> None:
        """Forget everything of one stream, or of all; it may go on anywhere."""
        self._engine.forget(slice(None) if stream is None else stream)

    def _run(self, samples: NDArray[np.float32], valid: NDArray[np.bool_], batch: Batch) -> None:
        engine = self._engine
        values = batch.values.reshape(-1, self.spec.width)
        made = engine.run(engine.address, samples, valid, values, batch.valid.reshape(-1))
        if made < 0:
            raise engine.refusal(made)
        batch.start[:], batch.frames[:] = engine.state.frames[:, 0], engine.state.frames[:, 1]


def _require(name: str, array: NDArray[np.generic], dtype: type[np.generic], shape: tuple[int, ...]) -> None:
    if array.dtype != dtype or array.shape != shape or not array.flags.c_contiguous:
        raise ValueError(f"{name}: expected contiguous {dtype.__name__} {shape}, found {array.dtype} {array.shape}")
