"""A high-pass of the samples in front of an analysis: what a stethoscope does below the lungs' sound does not reach it.

Butterworth of order 4 as two second-order sections, in float64, one sample after the other: any cut of the input gives
the same bits. Measured over each recording's own 200 to 400 Hz, other stethoscopes bring 25 to 40 dB more below 100 Hz
than the one that the default model learnt from, and the side lobes of a window carry what lies at 30 Hz into all bands,
so the samples are filtered and not the bands. Not for the quality of the sound, which is judged from raw samples.

Nothing is spliced: at the begin of a stream and behind every invalid sample the filter starts anew, at rest for its
first sample as if that had always been there, and its samples count as invalid until what a wrong start leaves has
decayed by `SETTLE_DB`.

Source: Butterworth 1930; bilinear transform of a section as in Bristow-Johnson's cookbook.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.features.ring import LOUDEST
from edge.kernels import kernel, part

SETTLE_DB = 60.0
# The poles of order 4 lie pi / 8 and 3 pi / 8 off the negative real axis; a pair at angle a has Q = 1 / (2 cos a).
QUALITIES = tuple(0.5 / math.cos(math.pi * k / 8) for k in (1, 3))  # Q of each section, order 4
NEW = -1  # of `unsettled`
REST = 1e-30  # state below is 0, so that no denormal number slows the filter in silence


class HighPassPlan(NamedTuple):
    """Coefficients and state of one stream."""

    sections: NDArray[np.float64]
    """(2, 5) b0, b1, b2, a1, a2 of each section."""
    state: NDArray[np.float64]
    """(2, 2) of each section, transposed direct form II."""
    unsettled: NDArray[np.int64]
    """(1,) samples that are still to count as invalid; `NEW`: the next valid sample starts the filter."""
    settle: int
    """Samples that do after a start."""


def settle_samples(corner_hz: float, rate_hz: int) -> int:
    """Samples until the slowest pole pair, of decay rate 2 pi f sin(pi / 8) a second, has decayed by `SETTLE_DB`."""
    decay = 2 * math.pi * corner_hz * math.sin(math.pi / 8) / rate_hz
    # exp(-decay n) is -20 log10(e) decay n dB, so n = SETTLE_DB ln(10) / (20 decay).
    return math.ceil(SETTLE_DB * math.log(10) / 20 / decay)


def make_high_pass(corner_hz: float, rate_hz: int) -> HighPassPlan:
    """A filter before its first sample."""
    turn = 2 * math.pi * corner_hz / rate_hz
    sections = np.empty((2, 5))
    for section, q in zip(sections, QUALITIES, strict=True):
        alpha, cos = math.sin(turn) / (2 * q), math.cos(turn)
        # b0, b1, b2, a1, a2 of the cookbook's high-pass, before they are divided by a0 = 1 + alpha.
        section[:] = (1 + cos) / 2, -(1 + cos), (1 + cos) / 2, -2 * cos, 1 - alpha
        section /= 1 + alpha
    return HighPassPlan(sections, np.zeros((2, 2)), np.array([NEW], np.int64), settle_samples(corner_hz, rate_hz))


@kernel
def high_pass(
    plan: Any,
    samples: NDArray[np.float32],
    valid: NDArray[np.bool_],
    out: NDArray[np.float32],
    out_valid: NDArray[np.bool_],
) -> None:
    """Filter one block.

    Args:
        plan: a `HighPassPlan` as a plain tuple; its state moves on.
        samples: (N,) full scale 1.0.
        valid: (N,).
        out: (N,) receives the filtered samples, 0 where invalid.
        out_valid: (N,) receives which of them to trust.
    """
    plan = HighPassPlan(*plan)
    sections, unsettled = plan.sections, plan.unsettled[0]
    # In variables, not in the array: each sample waits for the state that the one before it left.
    s1, s2, s3, s4 = plan.state[0, 0], plan.state[0, 1], plan.state[1, 0], plan.state[1, 1]
    for i in range(samples.shape[0]):
        x = np.float64(samples[i])
        if not (valid[i] and abs(x) <= LOUDEST):  # NaN too
            unsettled = NEW
            out[i], out_valid[i] = np.float32(0), False
            continue
        if unsettled == NEW:
            # Rest at a constant x: y = 0, as b0 + b1 + b2 = 0. Then s2 = b2 x, s1 = b1 x + s2 = -b0 x; the next section
            # gets 0.
            s1, s2, s3, s4 = -sections[0, 0] * x, sections[0, 2] * x, 0.0, 0.0
            unsettled = plan.settle
        out_valid[i] = unsettled == 0
        unsettled -= np.int64(unsettled > 0)
        x, s1, s2 = _section(sections[0], s1, s2, x)
        y, s3, s4 = _section(sections[1], s3, s4, x)
        out[i] = np.float32(y) if out_valid[i] else np.float32(0)
    plan.state[0, 0], plan.state[0, 1], plan.state[1, 0], plan.state[1, 1] = s1, s2, s3, s4
    plan.unsettled[0] = unsettled


@part
def _section(section: NDArray[np.float64], first: float, second: float, x: float) -> tuple[float, float, float]:
    """One sample through one section: what comes out, and the state that it leaves."""
    y = section[0] * x + first
    first = section[1] * x - section[3] * y + second
    second = section[2] * x - section[4] * y
    return y, first if abs(first) > REST else 0.0, second if abs(second) > REST else 0.0
