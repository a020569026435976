"""Gammatone envelopes: order-4 complex one-pole cascades on ERB-spaced centres, their mean over each hop.

Not for levels (`levels.py`) nor for which frames are due (`frontend.py`). Causal and recursive: frame t is made when
its hop [t * hop, (t + 1) * hop) is there. After a start or gap the filters start from rest, at the boundary of a hop,
and the frames until they have settled are not valid.

**The filter.** z_k[n] = p z_k[n-1] + (1 - a) z_{k-1}[n], k = 1..4, z_0 = 2 x, p = a exp(i w), a = exp(-2 pi B / rate),
the all-pole gammatone filter of Hohmann 2002; a full-scale sine at the centre has an envelope |z_4| of 1.

**Its arithmetic.** The envelope does not know the phase, so the filter may run in a frame that turns with its centre:
y_k[n] = z_k[n] exp(-i w n) obeys the same recursion with the real pole a,

    y_k[n] = a y_k[n-1] + (1 - a) y_{k-1}[n],        y_0[n] = 2 x[n] exp(-i w n)

which halves the work: 2 products for y_0 and 4 stages of 4 operations (the four factors 1 - a are taken out and put
into y_0). Counting n from the start of a piece of a hop keeps the tables short and every hop alike (the state turns by
exp(i w length) from piece to piece). With modulus and mean it is 23 operations for a sample and band: 147 thousand for
a hop of 100 samples and 64 bands, ten times those of a log-mel frame, and no shortcut keeps every sample's envelope.
That it takes three times as long, not ten, is because nothing here is shuffled: 64 bands are 8 vectors side by side.
Source: Slaney, An efficient implementation of the Patterson-Holdsworth auditory filter bank, 1993; Hohmann, Frequency
analysis and synthesis using a gammatone filterbank, Acta Acustica 88, 2002; Glasberg & Moore 1990 (ERB).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from edge.features.parts import EAR_MIN_HZ, EAR_Q, Gammatone
from edge.features.ring import Bools, Floats, all_valid, append, segment
from edge.features.spec import FeatureSpec
from edge.kernels import kernel

LANES = 64  # bands side by side; a fixed number lets LLVM see that nothing overlaps, and vectorise
PIECE = 64  # samples of a hop that share a table; states that have died away are set to 0 after each
DEAD = 1e-18  # amplitude; far below any level, far above the denormal numbers: a piece cannot decay from here to there


class GammatonePlan(NamedTuple):
    """A filter bank of one stream: what the kernel reads, its state, and its ring. G groups of 64 bands."""

    ring: Floats
    hop: int  # samples
    history: int  # samples until the filters have settled
    pole: Floats  # (G, 64) a
    table: Floats  # (G, piece * 128) for each sample 2 (1 - a)^4 exp(-i w n): real parts, imaginary parts
    turn: Floats  # (G, 2 * 128) exp(i w length) of a whole piece and of the last: real, imaginary parts
    dead: Floats  # (G, 4 * 64) modulus of y_1 .. y_4 below which there is nothing: they wait for 1 - a
    state: Floats  # (G, 9 * 64) real parts of y_1 .. y_4, imaginary parts, sum of the envelope


def make_gammatone_plan(spec: FeatureSpec, gammatone: Gammatone, ring: Floats) -> GammatonePlan:
    """Tables of an analysis, and filters at rest."""
    centre_hz = gammatone_centres_hz(spec)
    width_hz = gammatone.bandwidth * (centre_hz / EAR_Q + EAR_MIN_HZ)
    groups = -(-spec.bands // LANES)
    pole, omega = np.zeros(groups * LANES, np.float32), np.zeros(groups * LANES)  # lanes without a band stay at rest
    pole[: spec.bands] = np.exp(-2 * np.pi * width_hz / spec.rate_hz)
    omega[: spec.bands] = 2 * np.pi * centre_hz / spec.rate_hz
    gain = np.where(pole > 0, 2 * (1 - pole.astype(np.float64)) ** 4, 0)
    table = gain * np.exp(-1j * np.outer(np.arange(min(PIECE, spec.hop_samples)), omega))
    # The last piece of a hop has 1 to PIECE samples.
    lengths = np.array([PIECE, (spec.hop_samples - 1) % PIECE + 1])
    turn = np.exp(1j * np.outer(lengths, omega))
    dead = np.array([DEAD * (1 - pole.astype(np.float64)) ** (4 - k) for k in (1, 2, 3, 4)]).reshape(4, groups, LANES)
    dead = np.maximum(dead, 1e-36).transpose(1, 0, 2).reshape(groups, -1).astype(np.float32)
    return GammatonePlan(
        ring,
        spec.hop_samples,
        gammatone.reach_samples(spec.grid)[0],
        pole.reshape(groups, LANES),
        _grouped(table),
        _grouped(turn),
        dead,
        np.zeros((groups, 9 * LANES), np.float32),
    )


def _grouped(table: NDArray[np.complex128]) -> Floats:
    """(G, rows * 128) float32 from (rows, G * 64) complex: row after row, 64 real parts and 64 imaginary parts."""
    parts = np.stack([table.real, table.imag], axis=1).reshape(len(table), 2, -1, LANES)
    return np.ascontiguousarray(parts.transpose(2, 0, 1, 3).reshape(parts.shape[2], -1), np.float32)


def gammatone_centres_hz(spec: FeatureSpec) -> NDArray[np.float64]:
    """(M,) centres from low_hz to high_hz, equally spaced on the ERB-rate scale."""
    corner = EAR_Q * EAR_MIN_HZ
    return np.exp(np.linspace(np.log(spec.low_hz + corner), np.log(spec.high_hz + corner), spec.bands)) - corner


@kernel
def gammatone_energies(
    plan: GammatonePlan,
    block: tuple[int, Floats, Bools],
    first: int,
    energies: Floats,
    valid: Bools,
) -> None:
    """Energies of the hops that a block completes.

    Args:
        plan: the filter bank; its state and its ring move on.
        block: start, samples, valid.
        first: index of the first hop, which follows the last one made.
        energies: (T, M) receives the square of the mean envelope.
        valid: (T,) receives whether all samples of a hop and its history are valid.
    """
    plan = GammatonePlan(*plan)
    ring, hop, written = plan.ring, plan.hop, block[0]
    for t in range(energies.shape[0]):
        start, stop = (first + t) * hop, (first + t + 1) * hop
        written = append(ring, block, written, stop)
        samples = segment(ring, start, stop)
        valid[t] = all_valid(segment(ring, start - plan.history, stop))
        if not valid[t] and not all_valid(segment(ring, start - hop, start)):
            plan.state[:] = np.float32(0)  # from rest
        if valid[t] or all_valid(samples):
            _hop(plan, samples, energies[t])
    append(ring, block, written, block[0] + block[1].shape[0])


@njit
def _hop(plan: GammatonePlan, samples: Floats, energies: Floats) -> None:
    """Filter one hop of samples by all bands; the energy of a band is the square of its mean envelope."""
    hop = np.float32(samples.shape[0])
    for g in range(plan.pole.shape[0]):
        state = plan.state[g]
        _filter(plan.pole[g], plan.table[g], plan.turn[g], plan.dead[g], state, samples)
        for m in range(min(LANES, energies.shape[0] - g * LANES)):
            mean = state[8 * LANES + m] / hop
            energies[g * LANES + m] = mean * mean


@njit
def _filter(pole: Floats, table: Floats, turn: Floats, dead: Floats, state: Floats, samples: Floats) -> None:
    """One hop through the bands of a group."""
    hop = samples.shape[0]
    state[8 * LANES :] = np.float32(0)
    for first in range(0, hop, PIECE):
        count = min(PIECE, hop - first)
        fours = count // 4 * 4
        for i in range(0, fours, 4):
            _four_samples(pole, table[2 * LANES * i :], state, samples[first + i :])
        for i in range(fours, count):
            _one_sample(pole, table[2 * LANES * i :], state, samples[first + i])
        _turn(state, turn[0 if count == PIECE else 2 * LANES :], dead)


@njit
def _stages(p: Any, x: Any, c: Any, s: Any, y: Any) -> Any:
    """One sample through the four stages of one band; y is (real parts, imaginary parts) of the state."""
    r1, i1 = p * y[0] + x * c, p * y[4] + x * s
    r2, i2 = p * y[1] + r1, p * y[5] + i1
    r3, i3 = p * y[2] + r2, p * y[6] + i2
    r4, i4 = p * y[3] + r3, p * y[7] + i3
    return r1, r2, r3, r4, i1, i2, i3, i4


@njit
def _four_samples(pole: Floats, t: Floats, state: Floats, x: Floats) -> None:
    """Four samples at once, so that the state is read and written once for them."""
    x0, x1, x2, x3 = x[0], x[1], x[2], x[3]
    for m in range(LANES):
        p, envelope = pole[m], state[8 * LANES + m]
        y = (
            state[m],
            state[LANES + m],
            state[2 * LANES + m],
            state[3 * LANES + m],
            state[4 * LANES + m],
            state[5 * LANES + m],
            state[6 * LANES + m],
            state[7 * LANES + m],
        )
        y = _stages(p, x0, t[m], t[LANES + m], y)
        envelope += np.sqrt(y[3] * y[3] + y[7] * y[7])
        y = _stages(p, x1, t[2 * LANES + m], t[3 * LANES + m], y)
        envelope += np.sqrt(y[3] * y[3] + y[7] * y[7])
        y = _stages(p, x2, t[4 * LANES + m], t[5 * LANES + m], y)
        envelope += np.sqrt(y[3] * y[3] + y[7] * y[7])
        y = _stages(p, x3, t[6 * LANES + m], t[7 * LANES + m], y)
        state[8 * LANES + m] = envelope + np.sqrt(y[3] * y[3] + y[7] * y[7])
        state[m], state[LANES + m], state[2 * LANES + m], state[3 * LANES + m] = y[0], y[1], y[2], y[3]
        state[4 * LANES + m], state[5 * LANES + m], state[6 * LANES + m], state[7 * LANES + m] = y[4], y[5], y[6], y[7]


@njit
def _one_sample(pole: Floats, t: Floats, state: Floats, x: np.float32) -> None:
    for m in range(LANES):
        y = (
            state[m],
            state[LANES + m],
            state[2 * LANES + m],
            state[3 * LANES + m],
            state[4 * LANES + m],
            state[5 * LANES + m],
            state[6 * LANES + m],
            state[7 * LANES + m],
        )
        y = _stages(pole[m], x, t[m], t[LANES + m], y)
        state[8 * LANES + m] += np.sqrt(y[3] * y[3] + y[7] * y[7])
        state[m], state[LANES + m], state[2 * LANES + m], state[3 * LANES + m] = y[0], y[1], y[2], y[3]
        state[4 * LANES + m], state[5 * LANES + m], state[6 * LANES + m], state[7 * LANES + m] = y[4], y[5], y[6], y[7]


@njit
def _turn(state: Floats, turn: Floats, dead: Floats) -> None:
    """Let the next piece count its samples from 0 again; end what has died away."""
    for k in range(4):
        for m in range(LANES):
            re, im = state[k * LANES + m], state[(4 + k) * LANES + m]
            cos, sin = turn[m], turn[LANES + m]
            x, y = re * cos - im * sin, re * sin + im * cos
            least = dead[k * LANES + m]
            state[k * LANES + m] = x if abs(x) > least else np.float32(0)
            state[(4 + k) * LANES + m] = y if abs(y) > least else np.float32(0)
