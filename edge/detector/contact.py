"""Evidence that the sensor touches somebody: a heart or a body that moves, heard below 200 Hz.

A sensor in the air hears noise: at its low end too, and at any level and colour, as loud as a device makes it. What it
does not hear are beats. So what counts is by how much the levels of three low bands pulse
(`edge.detector.modulation.pulse_db`), which neither a gain nor the curve of a device changes.

A breath that stopped is told from a sensor that came loose by this (a pause needs the evidence), and a sensor that is
called loose has none of it. Evidence is no proof: a sensor that rubs on cloth pulses, too, which quality looks for
first. Without it nothing is known: a heart may lie below the noise of a device, or under rumble.

The weights are a logistic regression of sound without breath (hearts alone, and chests of four kinds of device and
their simulated variants, whose breath was replaced by their own quiet time) against sensors in the air (`python -m
training.evaluation.sound_quality`). Pure.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.detector.modulation import pulse_db
from edge.detector.quality_statistics import HEART, LOW, TRUNK

WEIGHTS = ((LOW, 1.91), (HEART, 4.74), (TRUNK, 2.21))  # a dB
LIMIT = 18.0


def evidence_of_contact(levels_db: NDArray[np.floating]) -> float:
    """How much there is for a sensor that touches somebody; above 0 it is evidence.

    Args:
        levels_db: (T, bands) levels every 16 ms of 8 s or more, columns as
            `edge.detector.quality_statistics.BANDS_HZ` (`Stretch.levels_db`, joined).

    Returns:
        Natural logarithm of the odds.
    """
    return float(sum(weight * pulse_db(levels_db[:, band].astype(np.float64)) for band, weight in WEIGHTS) - LIMIT)
