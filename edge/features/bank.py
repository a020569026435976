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
from edge.ring import OPEN, STOP


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
        if streams < 1:
            raise ValueError(f"streams: expected 1 or more, found {streams}")
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
            ValueError: if a shape or type is another, a block overlaps an earlier one of its stream, or a stream jumps
                whose frames are made in blocks (wavelets) and was not flushed; then nothing was taken.
        """
        streams, count = self.streams, samples.shape[-1]
        shape = (streams, max(batch.values.shape[1], self.room(count)), self.spec.width)
        _require("starts", starts, np.int64, (streams,))
        _require("samples", samples, np.float32, (streams, count))
        _require("valid", valid, np.bool_, (streams, count))
        _require("batch.values", batch.values, np.float32, shape, written=True)
        _require("batch.valid", batch.valid, np.bool_, shape[:2], written=True)
        _require("batch.start", batch.start, np.int64, (streams,), written=True)
        _require("batch.frames", batch.frames, np.int64, (streams,), written=True)
        self._engine.state.starts[:] = starts
        self._run(samples.reshape(-1), valid.reshape(-1), batch)

    def push(self, starts: NDArray[np.int64], samples: NDArray[np.float32], valid: NDArray[np.bool_]) -> Batch:
        """Take N samples of every stream; return the frames they complete, in new arrays; as `feed`."""
        batch = self.empty(samples.shape[-1])
        self.feed(starts, samples, valid, batch)
        return batch

    def flush(self, stream: int | None = None) -> Batch:
        """End of one stream, or of all: the frames that waited for a block to fill up; what was heard is forgotten.

        A frame that lacks samples is never made.
        """
        state, batch = self._engine.state, self.empty(0)
        opened, ended = state.rings.marks[:, OPEN].copy(), slice(None) if stream is None else stream
        state.starts[:] = state.rings.marks[:, STOP]
        state.ending[ended] = True
        try:
            self._run(np.zeros(0, np.float32), np.zeros(0, np.bool_), batch)
        finally:
            state.ending[:] = False
            state.rings.marks[:, OPEN] = opened
            self.reset(stream)
        return batch

    def reset(self, stream: int | None = None) -> None:
        """Forget everything of one stream, or of all; it may go on anywhere."""
        self._engine.forget(slice(None) if stream is None else stream)

    def __reduce__(self) -> str:
        """Refused: the kernel's memory cannot be copied."""
        return self._engine.__reduce__()

    def _run(self, samples: NDArray[np.float32], valid: NDArray[np.bool_], batch: Batch) -> None:
        engine = self._engine
        values = batch.values.reshape(-1, self.spec.width)
        made = engine.run(engine.address, samples, valid, values, batch.valid.reshape(-1))
        if made < 0:
            raise engine.refusal(made)
        batch.start[:], batch.frames[:] = engine.state.frames[:, 0], engine.state.frames[:, 1]


def _require(
    name: str, array: NDArray[np.generic], dtype: type[np.generic], shape: tuple[int, ...], written: bool = False
) -> None:
    fits = array.dtype == dtype and array.shape == shape and array.flags.c_contiguous
    if not fits or (written and not array.flags.writeable):
        kind = "writeable contiguous" if written else "contiguous"
        raise ValueError(f"{name}: expected {kind} {dtype.__name__} {shape}, found {array.dtype} {array.shape}")
