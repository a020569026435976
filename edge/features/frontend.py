"""The front-end of one stream: blocks in, frames out, any cut of the input gives the same bits; its kernels made ready.

Frame t touches the samples [t * hop - history, t * hop + ahead), t absolute (beyond them a recursive filter has decayed
by its `settle_db`, and a wavelet by 80 dB); it is valid when all of them are (else its values are zeros), and a jump in
the block index skips the frames that touch the missing ones. Not for chunks of frames (`edge.detector.chunks`),
resampling (`edge.sources`) or the arithmetic of an analysis (`logmel.py`, `gammatone.py`, `wavelet.py`).

Kernels are compiled when first called, or loaded from a cache. They are handed plain tuples, whose members they name
themselves: to look up the type of a named tuple takes Numba half a microsecond more at every call.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.features.gammatone import gammatone_energies, make_gammatone_plan
from edge.features.high_pass import NEW, HighPassPlan, high_pass, make_high_pass
from edge.features.levels import Compression, Deltas
from edge.features.logmel import make_mel_plan, mel_energies
from edge.features.parts import Cwt, Gammatone, Mel
from edge.features.ring import NAN, make_ring
from edge.features.spec import FeatureSpec
from edge.features.wavelet import cwt_energies, make_cwt_plan
from edge.types import Block, Frames

FARTHEST = 1 << 61  # sample index; beyond, the arithmetic of frames could overflow
KERNELS: dict[type, Any] = {Mel: mel_energies, Gammatone: gammatone_energies, Cwt: cwt_energies}
PLANS: dict[type, Any] = {Mel: make_mel_plan, Gammatone: make_gammatone_plan, Cwt: make_cwt_plan}
_FLOAT, _BOOL = np.dtype(np.float32), np.dtype(np.bool_)


class FrontEnd:
    """The front-end of one stream.

    Args:
        spec: what a frame is.
    """

    def __init__(self, spec: FeatureSpec) -> None:
        self.spec = spec
        kind, grid = spec.analysis, spec.grid
        self._hop, self._levels = spec.hop_samples, spec.levels
        self._history, self._ahead = kind.reach_samples(grid)
        self._together = kind.waiting_frames(grid) + 1  # frames whose levels are made at once
        self._hidden = self._history if isinstance(kind, Gammatone) else 0  # a recursive filter settles unseen
        self._ring = make_ring(self._history + self._ahead + self._together * self._hop)
        self._plan = _plain(PLANS[type(kind)](spec, kind, self._ring))
        self._high_pass: HighPassPlan | None = None
        if spec.high_pass_hz:
            self._high_pass = make_high_pass(spec.high_pass_hz, spec.rate_hz)
        self._kernel = KERNELS[type(kind)]
        self._compression, self._deltas = Compression(spec), Deltas(spec) if spec.deltas else None
        self._stop: int | None = None  # one past the last sample taken; None before the first
        self._next = 0  # index of the next frame of the analysis
        self._shown = 0  # index of the first that is shown

    def push(self, block: Block) -> list[Frames]:
        """Take one block of any length; return the frames it completes.

        Raises:
            ValueError: if the block overlaps an earlier one, or its arrays are not two rows of one length; then nothing
                was taken.
        """
        start, samples, valid = block
        if samples.dtype is not _FLOAT or not samples.flags.carray:  # Numba compiles anew for another type or layout
            samples = np.array(samples, _FLOAT)
        if valid.dtype is not _BOOL or not valid.flags.carray:
            valid = np.array(valid, _BOOL)
        if samples.ndim != 1 or samples.shape != valid.shape:
            raise ValueError(
                f"block of {samples.shape} samples with {valid.shape} flags, expected two rows of one length"
            )
        out = self._jump(start) if start != self._stop else []
        assert self._stop is not None
        if self._high_pass is not None:
            passed, settled = np.empty_like(samples), np.empty_like(valid)
            high_pass(_plain(self._high_pass), samples, valid, passed, settled)
            samples, valid = passed, settled
        stop = self._stop + len(samples)
        complete = (stop - self._ahead) // self._hop + 1  # one past the last frame that has all its samples
        # In groups on a grid of absolute frames, so that no cut of the sound moves them.
        out += self._make(samples, valid, complete - complete % self._together)
        self._stop = stop
        return out

    def flush(self) -> list[Frames]:
        """End of stream: the frames that waited for a block to fill up. A frame that lacks samples is never made."""
        out = self._end()
        self.reset()
        return out

    def reset(self) -> None:
        """Forget everything, as a new object."""
        self._stop = None

    def _make(self, samples: NDArray[np.float32], valid: NDArray[np.bool_], stop: int) -> list[Frames]:
        """Take samples; make the frames up to index `stop`."""
        first, count = self._next, stop - self._next if stop > self._next else 0
        values, frames_valid = np.empty((count, self._levels), _FLOAT), np.empty(count, _BOOL)
        self._kernel(self._plan, (self._stop, samples, valid), first, values, frames_valid)
        self._next = first + count
        if first < self._shown:
            values, frames_valid, first = (
                values[self._shown - first :],
                frames_valid[self._shown - first :],
                self._shown,
            )
        if not len(frames_valid):
            return []
        self._compression.apply(values, frames_valid)
        frames = Frames(first, values, frames_valid)
        return self._deltas.push(frames) if self._deltas else [frames]

    def _jump(self, start: int) -> list[Frames]:
        """What is still to be made of the samples before a jump; the stream goes on at `start`."""
        start = operator.index(start)
        if abs(start) > FARTHEST:
            raise ValueError(f"block starts at sample {start}, expected one within 2^61 of 0")
        if self._stop is not None and start < self._stop:
            raise ValueError(f"block starts at sample {start}, before the end of what was written, {self._stop}")
        out = self._end()
        self._ring[:] = NAN
        if self._high_pass is not None:
            self._high_pass.unsettled[0] = NEW
        self._compression.reset()
        if self._deltas:
            self._deltas.reset()
        self._stop = start
        settling = 0 if self._high_pass is None else self._high_pass.settle
        self._shown = -(-(start + settling + self._history) // self._hop)
        self._next = self._shown - self._hidden // self._hop
        return out

    def _end(self) -> list[Frames]:
        """Make the frames that wait for others, with silence for those."""
        if self._stop is None or self._together == 1:
            return []
        silence = np.zeros((self._together - 1) * self._hop, _FLOAT)
        return self._make(silence, np.zeros(len(silence), _BOOL), (self._stop - self._ahead) // self._hop + 1)


def _plain(plan: Any) -> Any:
    """A named tuple as a plain one, its members too."""
    return tuple(_plain(member) for member in plan) if isinstance(plan, tuple) else plan
