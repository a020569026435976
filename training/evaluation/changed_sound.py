"""Changes of a recording that should not change what is heard in it: it begins a little later, or a link loses some.

Pure: samples in, samples and their validity out. Not for training, which draws harder losses of all sizes
(`training.detector.packet_loss`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
Valid = NDArray[np.bool_]

LATER_S = (0.004, 0.24)  # a recording begins so much later: at least 32 samples at 8 kHz, up to half a chunk
LATER_TIMES = 16
PACKET_S = 0.02


@dataclass(frozen=True, slots=True)
class Changed:
    """A recording to be heard again."""

    change: str
    """What was changed, in words."""
    samples: Samples
    """(N,)."""
    valid: Valid
    """(N,) false where samples were lost."""
    later: int = 0
    """Samples that were left out at the begin."""


def changes(samples: Samples, rate_hz: int, rng: np.random.Generator) -> list[Changed]:
    """A recording begun later, several times, and with the losses of four links.

    Args:
        samples: (N,) of a whole recording.
        rate_hz: Hz.
        rng: how much later, and which samples are lost, is drawn from it.
    """
    shortest, longest = (round(seconds * rate_hz) for seconds in LATER_S)
    found = [
        Changed("begun later", samples[later:], np.ones(len(samples) - later, np.bool_), later)
        for later in sorted(rng.integers(shortest, longest + 1, LATER_TIMES).tolist())
        if later < len(samples)
    ]
    count, packet = len(samples), round(PACKET_S * rate_hz)
    lost = {
        "1 % of packets lost": _packets(count, packet, 0.01, rng),
        "5 % of packets lost": _packets(count, packet, 0.05, rng),
        "20 ms lost each second": _regularly(count, rate_hz, packet, rng),
        "link up 1 s, down 0.3 s": _regularly(count, round(1.3 * rate_hz), round(0.3 * rate_hz), rng),
    }
    return found + [Changed(change, samples, ~gone) for change, gone in lost.items()]


def _packets(count: int, packet: int, share: float, rng: np.random.Generator) -> Valid:
    """(count,) samples of packets that were lost one by one."""
    return np.repeat(rng.random(-(-count // packet)) < share, packet)[:count]


def _regularly(count: int, period: int, lost: int, rng: np.random.Generator) -> Valid:
    """(count,) samples lost at the end of each period; where the first ends is drawn."""
    return (np.arange(count) + rng.integers(period)) % period >= period - lost
