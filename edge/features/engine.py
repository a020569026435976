"""The kernel of B streams: one call from Python takes their samples and makes the frames they complete.

Not an interface for users (`frontend.py`, `bank.py`): arguments are not checked. The kernel is called through its
compiled entry, not through Numba's dispatcher, and its state is one address (`borrow.py`): to look up the types of
forty arrays at every call and to count their references would take four times as long as to compute a frame.
Everything is inlined into it for the same reason: a state handed to a function is two hundred words on the stack.
Hop by hop on an EPYC 9004 a frame took 4.6 us without all this and takes 1.6 us with it, of which 0.65 us is
arithmetic. The price is 15 s of compiling, once on every machine.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from edge.features.advance import Rows, State, Steps, advance, begin, due
from edge.features.borrow import borrow, content, lend
from edge.features.compress import make_compression
from edge.features.cwt import make_cwt_plan
from edge.features.deltas import make_deltas
from edge.features.gammatone import make_gammatone_plan
from edge.features.logmel import make_mel_plan
from edge.features.parts import Cwt, Mel
from edge.features.spec import FeatureSpec
from edge.inlined import inlined
from edge.ring import NEXT, OPEN, STOP, append, jumps, make_rings

CHUNK = 1024  # samples that a ring takes at once
UNFIT = -(1 << 40)
FARTHEST = 1 << 61  # sample index; beyond, the arithmetic of frames could overflow


class Engine:
    """State and kernel.

    Args:
        spec: what a frame is.
        streams: B.
    """

    def __init__(self, spec: FeatureSpec, streams: int) -> None:
        """Build tables and rings; nothing is heard yet."""
        self.state = _make_state(spec, streams)
        self._lent = lend(self.state)
        self.address = self._lent.address
        self.run = _entry(self._lent.kind)
        """run(address, samples, valid, values, heard): take N samples of every stream, (B * N,), from `state.starts`
        on, and move these on; write the frames from row b * T on into values (B * T, M) and heard (B * T,), and their
        number into `state.frames`. Returns how many in all, or less than 0 for a mistake; then nothing was taken."""
        self.waiting = spec.analysis.waiting_frames(spec.grid)

    def forget(self, stream: int | slice = slice(None)) -> None:
        """Let a stream start anew, anywhere."""
        self.state.rings.marks[stream, OPEN] = 0

    def refusal(self, code: int) -> ValueError:
        """The error for what the kernel refused."""
        if code == UNFIT:
            width = self.state.deltas.gain.size
            return ValueError(
                "expected contiguous float32 samples, as many bool flags, and a contiguous row of "
                f"{width} float32 with a bool for each frame that is due"
            )
        stream = -1 - code
        start, stop = self.state.starts[stream], self.state.rings.marks[stream, STOP]
        if abs(start) > FARTHEST:
            return ValueError(f"stream {stream}: block starts at sample {start}, expected one within 2^61 of 0")
        if start > stop:
            return ValueError(f"stream {stream} jumps from sample {stop} to {start}: flush it first, frames of it wait")
        return ValueError(
            f"stream {stream}: block starts at sample {start}, before the end of what was written, {stop}"
        )

    def __reduce__(self) -> str:
        """A copy would share or lose the memory that the kernel writes to."""
        raise TypeError("a front-end cannot be copied or pickled; build a new one from its spec")


def _make_state(spec: FeatureSpec, streams: int) -> State:
    history, ahead = spec.analysis.reach_samples(spec.grid)
    waiting = spec.analysis.waiting_frames(spec.grid) * spec.hop_samples
    if isinstance(spec.analysis, Mel):
        plan: Any = make_mel_plan(spec, spec.analysis)
    elif isinstance(spec.analysis, Cwt):
        plan = make_cwt_plan(spec, spec.analysis)
    else:
        plan = make_gammatone_plan(spec, spec.analysis, streams)
    return State(
        plan,
        make_rings(streams, history + ahead + waiting + CHUNK),
        make_compression(spec, streams),
        make_deltas(spec, streams),
        Steps(spec.hop_samples, history, ahead, spec.analysis.waiting_frames(spec.grid) + 1),
        starts=np.zeros(streams, np.int64),
        frames=np.zeros((streams, 2), np.int64),
        ending=np.zeros(streams, np.bool_),
    )


@njit(cache=True, nogil=True)
def _run(address, samples, valid, values, heard):  # type: ignore[no-untyped-def]
    state = content(address)
    samples, valid, values, heard = borrow(samples), borrow(valid), borrow(values), borrow(heard)  # type: ignore[no-untyped-call]
    rings, starts, streams = state.rings, state.starts, state.starts.shape[0]
    count, rows, made = samples.shape[0] // streams, values.shape[0] // streams, 0
    if _unfit(samples, valid, values, heard, state.deltas.gain.shape[0]):
        return UNFIT
    for b in range(streams):
        start, stop, opened = starts[b], rings.marks[b, STOP], rings.marks[b, OPEN]
        if abs(start) > FARTHEST or (opened and (start < stop or (start > stop and state.steps.together > 1))):
            return -1 - b
        if due(state, b, starts[b], starts[b] + count) > rows:
            return UNFIT
    for b in range(streams):
        if jumps(rings, b, starts[b]):
            begin(state, b)
        out = Rows(values[b * rows : (b + 1) * rows], heard[b * rows : (b + 1) * rows], state.frames[b])
        out.frames[0], out.frames[1] = rings.marks[b, NEXT], 0
        first, last = b * count, (b + 1) * count
        for piece in range(first, max(last, first + 1), CHUNK):  # once at least: the end of a stream brings no samples
            stop = min(piece + CHUNK, last)
            append(rings, b, samples[piece:stop], valid[piece:stop])
            advance(state, b, state.ending[b] and stop == last, out)
        made += out.frames[1]
        starts[b] += count
    return made


@inlined
def _unfit(samples, valid, values, heard, width):  # type: ignore[no-untyped-def]
    """Whether the arrays are not what the compiled entry, which looks at item sizes only, takes them for."""
    return (
        samples.shape[0] != valid.shape[0]
        or values.shape[0] != heard.shape[0]
        or values.shape[1] != width
        or (samples.shape[0] > 1 and (samples.strides[0] != 4 or valid.strides[0] != 1))
        or (values.shape[0] > 0 and (values.strides[1] != 4 or values.strides[0] != 4 * width or heard.strides[0] != 1))
    )


def _entry(kind: types.Type) -> Any:
    """The compiled entry of the kernel for a kind of state; compiled, or loaded from the cache, when first needed."""
    signature = (
        kind, types.float32[::1], types.boolean[::1], types.float32[:, ::1], types.boolean[::1],
    )  # fmt: skip
    _run.compile(signature)
    return _run.overloads[signature].entry_point
