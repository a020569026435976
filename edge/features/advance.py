"""Make the frames whose samples have all come: one stream, one of the three analyses, no samples taken in.

Not for the rings (`edge.ring`) nor for the arithmetic of an analysis. The invariant: frame t is made exactly once,
after sample t * hop + ahead - 1 was written, from samples [t * hop - history, t * hop + ahead) and from nothing beyond
a jump.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba.extending import overload
from numpy.typing import NDArray

from edge.features.compress import Compression, compress
from edge.features.cwt import CwtPlan, cwt_energies
from edge.features.deltas import Deltas, push_deltas
from edge.features.gammatone import GammatonePlan, gammatone_energies, gammatone_rest
from edge.features.logmel import MelPlan, mel_energies
from edge.inlined import OPTIONS, inlined
from edge.ring import NEXT, OPEN, START, STOP, Rings, heard, stretch


class Steps(NamedTuple):
    """Where the frames of the analysis lie: frame t touches [t * hop - history, t * hop + ahead)."""

    hop: int
    history: int
    ahead: int
    together: int
    """Frames whose levels are made at once, on a grid of absolute frames."""


class Rows(NamedTuple):
    """Where the frames of one stream go."""

    values: NDArray[np.float32]
    """(T, M) frames."""
    heard: NDArray[np.bool_]
    """(T,) their validity."""
    frames: NDArray[np.int64]
    """(2,) index of the first frame made in this call, and how many."""


class State(NamedTuple):
    """Everything that moves on with the streams of a bank."""

    plan: MelPlan | GammatonePlan | CwtPlan
    rings: Rings
    compression: Compression
    deltas: Deltas
    steps: Steps
    starts: NDArray[np.int64]
    """(B,) for the next call: absolute index of the first sample of each stream."""
    frames: NDArray[np.int64]
    """(B, 2) after a call: index of the first frame made, and how many."""
    ending: NDArray[np.bool_]
    """(B,) for the next call: nothing follows in that stream."""


def advance(state: State, b: int, ending: bool, rows: Rows) -> None:
    """Make the frames of stream b that can be made.

    Args:
        state: of the bank.
        b: the stream.
        ending: nothing follows, so that what waits for a block to fill up is made without waiting.
        rows: receives the frames.
    """
    raise NotImplementedError("a kernel: called from compiled code only")


@overload(advance, jit_options=OPTIONS)
def _advance_by_plan(state, b, ending, rows):  # type: ignore[no-untyped-def]
    plan = state.types[0].instance_class
    return {MelPlan: _advance_mel, GammatonePlan: _advance_gammatone, CwtPlan: _advance_cwt}[plan]


def begin(state: State, b: int) -> None:
    """Start stream b anew where its ring starts."""
    raise NotImplementedError("a kernel: called from compiled code only")


@overload(begin, jit_options=OPTIONS)
def _begin_by_plan(state, b):  # type: ignore[no-untyped-def]
    return _begin_at_rest if state.types[0].instance_class is GammatonePlan else _begin_with_history


def _begin_with_history(state, b):  # type: ignore[no-untyped-def]
    marks = state.rings.marks[b]
    marks[NEXT] = -(-(marks[START] + state.steps.history) // state.steps.hop)
    state.compression.started[b] = False
    state.deltas.runs[b, 1:] = 0


def _begin_at_rest(state, b):  # type: ignore[no-untyped-def]
    """A recursive filter hears every hop from the first whole one on; its first frames are not shown."""
    marks = state.rings.marks[b]
    marks[NEXT] = -(-marks[START] // state.steps.hop)
    state.compression.started[b] = False
    state.deltas.runs[b, 1:] = 0
    gammatone_rest(state.plan, b)


def _advance_mel(state, b, ending, rows):  # type: ignore[no-untyped-def]
    plan, rings, steps = state.plan, state.rings, state.steps
    t, span = rings.marks[b, NEXT], plan.tapers.shape[1]
    while t * steps.hop + steps.ahead <= rings.marks[b, STOP]:
        valid = heard(rings, b, t * steps.hop, t * steps.hop + steps.ahead)
        row = target(state.deltas, rows)
        if valid:
            mel_energies(plan, stretch(rings, b, t * steps.hop, span), row)
        emit(state.compression, state.deltas, b, t, valid, row, rows)
        t += 1
    rings.marks[b, NEXT] = t


def _advance_gammatone(state, b, ending, rows):  # type: ignore[no-untyped-def]
    plan, rings, steps = state.plan, state.rings, state.steps
    t = rings.marks[b, NEXT]
    while (t + 1) * steps.hop <= rings.marks[b, STOP]:
        start, stop = t * steps.hop, (t + 1) * steps.hop
        shown = start - steps.history >= rings.marks[b, START]
        row = target(state.deltas, rows) if shown else state.deltas.scratch
        if heard(rings, b, start, stop):
            gammatone_energies(plan, b, stretch(rings, b, start, steps.hop), row)
        else:
            gammatone_rest(plan, b)
        if shown:
            emit(state.compression, state.deltas, b, t, heard(rings, b, start - steps.history, stop), row, rows)
        t += 1
    rings.marks[b, NEXT] = t


def _advance_cwt(state, b, ending, rows):  # type: ignore[no-untyped-def]
    plan, rings, steps = state.plan, state.rings, state.steps
    t, made = rings.marks[b, NEXT], plan.energies.shape[0]
    while True:
        first = t // made * made  # of the block
        ready = min(first + made, (rings.marks[b, STOP] - steps.ahead) // steps.hop + 1)
        if ready <= t or (ready < first + made and not ending):
            break
        _load_block(plan.block, rings, b, first * steps.hop - steps.history)
        cwt_energies(plan)
        while t < ready:
            row = target(state.deltas, rows)
            for m in range(row.shape[0]):
                row[m] = plan.energies[t - first, m]
            valid = heard(rings, b, t * steps.hop - steps.history, t * steps.hop + steps.ahead)
            emit(state.compression, state.deltas, b, t, valid, row, rows)
            t += 1
    rings.marks[b, NEXT] = t


@inlined  # type: ignore[untyped-decorator]
def _load_block(block: NDArray[np.float32], rings: Rings, b: int, start: int) -> None:
    """Samples from `start` on; those before the last jump, and those still to come, read 0."""
    low = max(start, rings.marks[b, START])
    high = min(start + block.shape[0], rings.marks[b, STOP])
    block[:] = np.float32(0)
    held = stretch(rings, b, low, high - low)
    for i in range(high - low):
        block[low - start + i] = held[i]


@inlined  # type: ignore[untyped-decorator]
def due(state: State, b: int, start: int, stop: int) -> int:
    """Frames of stream b that will be made when the samples [start, stop) have come."""
    marks, steps, reach = state.rings.marks[b], state.steps, state.deltas.taps.shape[1] // 2
    goes_on = marks[OPEN] and marks[STOP] == start
    shown = -(-((marks[START] if goes_on else start) + steps.history) // steps.hop)  # the first with all its history
    done = max(marks[NEXT], shown + 2 * reach) if goes_on else shown + 2 * reach
    complete = (stop - steps.ahead) // steps.hop + 1
    if not state.ending[b]:
        complete = complete // steps.together * steps.together
    count: int = max(0, complete - done)
    return count


@inlined  # type: ignore[untyped-decorator]
def target(deltas: Deltas, rows: Rows) -> NDArray[np.float32]:
    """Where the levels of the next frame are to be computed: in its row, unless deltas are still to be added."""
    return rows.values[rows.frames[1]] if deltas.taps.shape[0] == 1 else deltas.scratch


@inlined  # type: ignore[untyped-decorator]
def emit(how: Compression, deltas: Deltas, b: int, t: int, valid: bool, row: NDArray[np.float32], rows: Rows) -> None:
    """Turn the energies in `row` into frame t of stream b."""
    made = rows.frames[1]
    compress(how, b, row, valid)
    reach = deltas.taps.shape[1] // 2
    if reach:
        verdict = push_deltas(deltas, b, t, valid, rows.values, made)
        if verdict < 0:
            return
        valid = verdict > 0
    if made == 0:
        rows.frames[0] = t - reach
    rows.heard[made] = valid
    rows.frames[1] = made + 1
