"""Which channel of a file stands for all of them, where nobody chose one: a phone writes one microphone twice.

Not for mixing channels: two that differ may be two stethoscopes, and somebody must say which is meant.
"""

from __future__ import annotations

import numpy as np
import soundfile

READ_S = 1.0  # at once
STEP = 2.0**-15  # of 16 bits, full scale = 1.0: a channel with less effective value is silent
DIFFERENCE = 1e-6  # of the power: the rounding of a converter, a dither, or a codec that codes each channel by itself


def one_for_all(file: soundfile.SoundFile) -> int | None:
    """Position of a channel, if no other has other sound; None: they differ, or the file is damaged.

    Args:
        file: at its begin, where it is again afterwards.
    """
    products, count = np.zeros((file.channels, file.channels)), 0  # sums of x_i x_j
    try:
        while len(sound := file.read(max(1, round(READ_S * file.samplerate)), dtype="float64", always_2d=True)):
            heard = np.nan_to_num(sound, posinf=0.0, neginf=0.0)
            products += heard.T @ heard
            count += len(sound)
        file.seek(0)
    except soundfile.LibsndfileError:
        return None
    power = np.diag(products)
    heard_in = np.flatnonzero(power > count * STEP**2)
    if not len(heard_in):
        return 0
    first = int(heard_in[0])
    apart = power + power[first] - 2 * products[first]  # of each channel from that one
    return first if (apart[heard_in] <= max(DIFFERENCE * power[first], count * STEP**2)).all() else None
