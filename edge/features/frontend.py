"""The front-end of one stream: blocks in, frames out, any cut of the input gives the same bits.

Frame t touches the samples [t * hop - history, t * hop + ahead), t absolute (beyond them a recursive filter has decayed
by `settle_db`, and a wavelet by 80 dB); it is valid when all of them are (else its values are zeros), and a jump in the
block index skips the frames that touch the missing ones. Not for windows of frames (`edge.windows`), resampling
(`edge.sources`) or many streams at once (`bank.py`).
"""

from __future__ import annotations

import operator

import numpy as np
from numpy.typing import NDArray

from edge.features.engine import FARTHEST, Engine
from edge.features.spec import FeatureSpec
from edge.types import Block, Frames

_FLOAT, _BOOL = np.dtype(np.float32), np.dtype(np.bool_)


class FrontEnd:
    """The front-end of one stream.

    Args:
        spec: what a frame is.
    """

    def __init__(self, spec: FeatureSpec) -> None:
        """Build tables and the ring; frames start with the first block."""
        self.spec = spec
        self._engine = Engine(spec, 1)
        self._run, self._address = self._engine.run, self._engine.address
        self._hop, self._width = spec.hop_samples, spec.width
        self._reach = spec.analysis.reach_samples(spec.grid)[1]  # samples from t * hop on that make a frame's levels
        self._together = self._engine.waiting + 1  # frames whose levels are made at once
        self._lag = spec.deltas * spec.delta_frames  # frames of levels that must follow a frame
        self._stop: int | None = None  # one past the last sample taken; None before the first
        self._values: NDArray[np.float32] | None = None  # the caller's arrays, once they were checked
        self._heard: NDArray[np.bool_] | None = None
        self._next = 0  # index of the next frame
        self._mark = 0  # one hop before the sample at which the next frame is made, unless it waits for others

    def push(self, block: Block) -> list[Frames]:
        """Take one block of any length; return the frames it completes.

        Raises:
            ValueError: if the block overlaps an earlier one, or its arrays are not two rows of one length; then nothing
                was taken.
        """
        start, samples, valid = block
        if samples.dtype is not _FLOAT or valid.dtype is not _BOOL:
            samples, valid = samples.astype(_FLOAT), valid.astype(_BOOL)
        count = len(samples)
        if len(valid) != count or samples.ndim != 1 or valid.ndim != 1:
            raise ValueError(
                f"block of {samples.shape} samples with {valid.shape} flags, expected two rows of one length"
            )
        out = self._jump(start) if start != self._stop else []
        stop = self._stop = self._stop + count  # type: ignore[operator]
        due = (stop - self._mark) // self._hop
        if due <= 0 or self._together > 1:
            due = self._due(stop)
        values, heard = np.empty((due, self._width), _FLOAT), np.empty(due, _BOOL)
        if self._run(self._address, samples, valid, values, heard) < 0:
            self._run_copy(samples, valid, values, heard)
        if due:
            out.append(Frames(self._next, values, heard))
            self._next += due
            self._mark += due * self._hop
        return out

    def feed(
        self,
        start: int,
        samples: NDArray[np.float32],
        valid: NDArray[np.bool_],
        values: NDArray[np.float32],
        heard: NDArray[np.bool_],
    ) -> int:
        """Take the samples that follow; write the frames they complete into arrays that the caller keeps.

        `push` without allocation, for sound without jumps: two thirds of its time for one hop.

        Args:
            start: absolute index of the first sample; what was taken before ends there.
            samples: (N,) contiguous float32.
            valid: (N,) contiguous bool.
            values: (T, M) contiguous float32, T at least `room(N)`; receives the frames from row 0 on.
            heard: (T,) contiguous bool; receives their validity.

        Returns:
            How many there are; the last of them has the index `next_frame - 1`.

        Raises:
            ValueError: if the samples do not follow, or an array has another kind or shape; then nothing was taken.
        """
        if samples.dtype is not _FLOAT or valid.dtype is not _BOOL or samples.ndim != 1 or valid.ndim != 1:
            _require_rows(samples, valid)
        if values is not self._values or heard is not self._heard:
            self._keep(values, heard)
        if start != self._stop:
            self._begin_feed(start)
        made: int = self._run(self._address, samples, valid, values, heard)
        if made < 0:
            raise self._engine.refusal(made)
        self._stop += len(samples)  # type: ignore[operator]
        self._next += made
        self._mark += made * self._hop
        return made

    @property
    def next_frame(self) -> int:
        """Index of the frame that will be made next."""
        return self._next

    def room(self, samples: int) -> int:
        """Rows that `feed` may need for the frames of the next `samples` samples."""
        return samples // self._hop + self._together

    def _due(self, stop: int) -> int:
        """Frames that will be made when the samples up to `stop` have come."""
        due = (stop - self._mark) // self._hop
        if self._together > 1:
            due -= (due + self._next + self._lag) % self._together
        return due if due > 0 else 0

    def flush(self) -> list[Frames]:
        """End of stream: the frames that waited for a block to fill up. A frame that lacks samples is never made."""
        out = self._end()
        self.reset()
        return out

    def reset(self) -> None:
        """Forget everything, as a new object."""
        self._engine.forget()
        self._stop = None

    def _keep(self, values: NDArray[np.float32], heard: NDArray[np.bool_]) -> None:
        """Check the kinds of the caller's arrays when they are new; their shapes are looked at every time."""
        kinds = values.dtype == _FLOAT and heard.dtype == _BOOL and values.ndim == 2 and heard.ndim == 1
        if not kinds or not values.flags.writeable or not heard.flags.writeable:
            raise ValueError(
                f"expected writeable (T, M) float32 and (T,) bool, found {values.dtype} {values.shape} and "
                f"{heard.dtype} {heard.shape}"
            )
        self._values, self._heard = values, heard

    def _begin_feed(self, start: int) -> None:
        if self._stop is not None:
            raise ValueError(f"expected samples from {self._stop} on, found {start}; after a jump, push")
        self._jump(start)

    def _run_copy(
        self,
        samples: NDArray[np.float32],
        valid: NDArray[np.bool_],
        values: NDArray[np.float32],
        heard: NDArray[np.bool_],
    ) -> None:
        """Take a block whose arrays are not contiguous."""
        made = self._run(self._address, samples.copy(), valid.copy(), values, heard)
        if made < 0:
            raise self._engine.refusal(made)

    def _jump(self, start: int) -> list[Frames]:
        """What is still to be made of the samples before a jump; the stream goes on at `start`."""
        start = operator.index(start)
        if abs(start) > FARTHEST:
            raise ValueError(f"block starts at sample {start}, expected one within 2^61 of 0")
        if self._stop is not None and start < self._stop:
            raise ValueError(f"block starts at sample {start}, before the end of what was written, {self._stop}")
        out = self._end()
        self._engine.forget()
        self._stop = start
        self._next = -(-(start + self.spec.history_samples) // self._hop)
        self._mark = (self._next + self._lag - 1) * self._hop + self._reach
        self._engine.state.starts[0] = start
        return out

    def _end(self) -> list[Frames]:
        if self._stop is None or self._together == 1:
            return []
        due = max(0, (self._stop - self._mark) // self._hop)
        frames = Frames(self._next, np.empty((due, self._width), np.float32), np.empty(due, np.bool_))
        ending = self._engine.state.ending
        ending[0] = True
        made = self._run(self._address, np.zeros(0, np.float32), np.zeros(0, np.bool_), frames.values, frames.valid)
        ending[0] = False
        assert made == due, "the kernel and this class count frames alike"
        return [frames] if due else []

    def __reduce__(self) -> str:
        """Refused: the kernel's memory cannot be copied."""
        return self._engine.__reduce__()


def _require_rows(samples: NDArray[np.generic], valid: NDArray[np.generic]) -> None:
    kinds = samples.dtype == _FLOAT and valid.dtype == _BOOL
    if not kinds or samples.ndim != 1 or valid.ndim != 1:
        raise ValueError(
            f"expected (N,) float32 samples and (N,) bool flags, found {samples.dtype} {samples.shape} and "
            f"{valid.dtype} {valid.shape}"
        )
