"""The kernel of B streams: one call from Python takes their samples and makes the frames they complete.

Not an interface for users (`frontend.py`, `bank.py`): arguments are not checked. The kernel is called through its compiled
entry, not through Numba's dispatcher, and its state is one Numba structure of borrowed arrays (`borrow.py`): to look up the
types of thirty arrays at every call and to count their references would take four times as long as to compute a frame.
Everything is inlined into it for the same reason: a state handed to a function is two hundred words on the stack.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, typeof, types

from edge.features.advance import Rows, State, Steps, advance, begin
from edge.features.borrow import borrow, content, structure
from edge.features.compress import make_compression
from edge.features.cwt import make_cwt_plan
from edge.features.deltas import make_deltas
from edge.features.gammatone import make_gammatone_plan
from edge.features.logmel import make_mel_plan
from edge.features.parts import Cwt, Mel
from edge.features.spec import FeatureSpec
from edge.ring import NEXT, OPEN, STOP, append, jumps, make_rings, overlapping

CHUNK = 1024  # samples that a ring takes at once


class Engine:
    """State and kernel.

    Args:
        spec: what a frame is.
        streams: B.
    """

    def __init__(self, spec: FeatureSpec, streams: int) -> None:
        """Build tables and rings; nothing is heard yet."""
        self.state = _make_state(spec, streams)
        self.structure = structure(self.state)
        self.run = _entry(self.structure)
        """run(structure, samples, valid, values, heard): take `state.starts` and N samples of every stream, (B * N,), write
        their frames from row b * T on into values (B * T, M) and heard (B * T,), and their number into `state.frames`.
        Returns -1, or the stream whose block overlaps an earlier one; then nothing was taken."""
        self.waiting = spec.analysis.waiting_frames(spec.grid)

    def forget(self, stream: int | slice = slice(None)) -> None:
        """Let a stream start anew, anywhere."""
        self.state.rings.marks[stream, OPEN] = 0

    def refusal(self, stream: int) -> ValueError:
        """The error for what the kernel refused."""
        start, stop = self.state.starts[stream], self.state.rings.marks[stream, STOP]
        return ValueError(
            f"stream {stream}: block starts at sample {start}, before the end of what was written, {stop}"
        )


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
        Steps(spec.hop_samples, history, ahead),
        starts=np.zeros(streams, np.int64),
        frames=np.zeros((streams, 2), np.int64),
        ending=np.zeros(1, np.bool_),
    )


@njit(cache=True, nogil=True)
def _run(structure, samples, valid, values, heard):  # type: ignore[no-untyped-def]
    state = content(structure)
    samples, valid, values, heard = borrow(samples), borrow(valid), borrow(values), borrow(heard)
    rings, starts, streams = state.rings, state.starts, state.starts.shape[0]
    refused = overlapping(rings, starts)
    if refused >= 0:
        return refused
    count, rows = samples.shape[0] // streams, values.shape[0] // streams
    for b in range(streams):
        if jumps(rings, b, starts[b]):
            begin(state, b)
        out = Rows(values[b * rows : (b + 1) * rows], heard[b * rows : (b + 1) * rows], state.frames[b])
        out.frames[0], out.frames[1] = rings.marks[b, NEXT], 0
        first, last = b * count, (b + 1) * count
        for piece in range(first, max(last, first + 1), CHUNK):  # once at least: the end of a stream brings no samples
            stop = min(piece + CHUNK, last)
            append(rings, b, samples[piece:stop], valid[piece:stop])
            advance(state, b, state.ending[0] and stop == last, out)
    return -1


def _entry(structure: Any) -> Any:
    """The compiled entry of the kernel for a kind of state; compiled, or loaded from the cache, when first needed."""
    signature = (
        typeof(structure), types.float32[::1], types.boolean[::1], types.float32[:, ::1], types.boolean[::1],
    )  # fmt: skip
    _run.compile(signature)
    return _run.overloads[signature].entry_point
