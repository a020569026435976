"""Loops of synthetic breath sound for the beds of the demo: breathing without added sounds, and wheezing.

Cut from the bundled recording, whose sounds are known; pieces are joined in each other so that no cut is heard as a
crackle. Not for training (`training.synthetic` computes such sound) and not for measuring anything.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import soundfile
from numpy.typing import NDArray

from edge.sources.demo import DEMO_AUDIO, DEMO_TRUTH

FADE_S = 0.08  # over which two pieces are joined
MARGIN_S = 0.25  # kept away from sounds that must not be heard
AROUND_S = 0.4  # of breath around a wheeze

Loop = tuple[NDArray[np.int16], int]
"""Samples, 16 bits, and their rate, Hz."""


def breathing() -> Loop:
    """Breath between the sounds of the recording."""
    sounds, length_s = _truth()
    edges = [0.0, *(edge for onset, end, _ in sounds for edge in (onset - MARGIN_S, end + MARGIN_S)), length_s]
    return _joined([(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a > 4 * FADE_S])


def wheezing() -> Loop:
    """Its wheezes, with little breath between them."""
    sounds, length_s = _truth()
    wheezes = [(onset, end) for onset, end, label in sounds if label == "wheeze"]
    return _joined([(max(0.0, onset - AROUND_S), min(length_s, end + AROUND_S)) for onset, end in wheezes])


def _truth() -> tuple[list[tuple[float, float, str]], float]:
    sounds = json.loads(DEMO_TRUTH.read_text())["sounds"]
    info = soundfile.info(str(DEMO_AUDIO))
    return [(each["onset_s"], each["end_s"], each["label"]) for each in sounds], info.frames / info.samplerate


def _joined(spans: Sequence[tuple[float, float]]) -> Loop:
    """The pieces one after the other, the last joined to the first as well.

    Args:
        spans: begin and end of each piece, seconds.
    """
    sound, rate_hz = soundfile.read(str(DEMO_AUDIO), dtype="float32")
    fade = round(FADE_S * rate_hz)
    rise = np.sin(np.linspace(0, np.pi / 2, fade, dtype=np.float32))  # powers of what fades in and out add up to one
    out = np.zeros(sum(round((end - begin) * rate_hz) - fade for begin, end in spans) + fade, np.float32)
    at = 0
    for begin, end in spans:
        first = round(begin * rate_hz)
        piece = sound[first : first + round((end - begin) * rate_hz)].copy()
        piece[:fade] *= rise
        piece[-fade:] *= rise[::-1]
        out[at : at + len(piece)] += piece[: len(out) - at]
        at += len(piece) - fade
    out[:fade] += out[at : at + fade]
    loop = np.clip(out[:at] * 32767, -32768, 32767).astype(np.int16)
    return loop, int(rate_hz)
