"""What stands in place of lost samples: the past mirrored, faded into the mirrored future.

Not a repair: whoever uses it masks it, and the detector, which gets it as invalid, fills short holes again from what
was received (`edge.detector.concealment`). It is there because a hole of zeros is a click, and a click looks like a
crackle: on clean recordings 20 ms of zeros looked like an onset in 73 % of 800 gaps, the last value held in 71 %, the
mirrored past with a cross-fade in 14 % (0.25 % where nothing was lost). Received samples are never touched.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def conceal(past: NDArray[np.float32], future: NDArray[np.float32], count: int, fade: int) -> NDArray[np.float32]:
    """Samples to stand between `past` and `future`.

    Mirrored at its end, the past goes on without a step: the first sample after x[-1] is x[-1] again, then x[-2]. The
    same at the other end, and over the last `fade` samples one passes linearly into the other, so that there is no step
    at all. What is shorter than the hole is mirrored again and again.

    Args:
        past: (P,) what came before, as far back as is known.
        future: (F,) what comes after; may be empty.
        count: how many are missing.
        fade: length of the cross-fade, samples.

    Returns:
        (count,) float32; zeros if nothing is known on either side.
    """
    if not len(past):
        return _mirror(future, count)[::-1].copy()
    out = _mirror(past[::-1], count)
    fade = min(fade, count, len(future))
    if fade:
        weight = (np.arange(1, fade + 1, dtype=np.float32) - np.float32(0.5)) / np.float32(fade)
        out[count - fade :] += weight * (future[:fade][::-1] - out[count - fade :])
    return out


def _mirror(onward: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """`count` samples of `onward`, back and forth."""
    length = len(onward)
    if not length:
        return np.zeros(count, np.float32)
    if count <= length:
        return onward[:count].astype(np.float32)
    # A period is once there and once back: 0 ... n - 1, n - 1 ... 0.
    place = np.arange(count) % (2 * length)
    return onward[np.minimum(place, 2 * length - 1 - place)].astype(np.float32)
