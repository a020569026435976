"""Synthetic recordings: a random patient in a random ward.

For tests and training. Not evidence: a detector that hears these has only shown that it is plugged in. Levels, spectra
and noise resemble SPRSound (Zhang et al. 2022): -54 to -35 dBFS rms, breath that falls by 45 dB between 200 and 800 Hz,
tones 9-22 dB above it, crackles with peaks 10-26 dB over its rms.

Invariant: the seed decides everything.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.synthetic.breath import Label, Samples, Sound, shaped_noise
from training.synthetic.disturbances import babble, heart_sound, hum, knock, rubbing
from training.synthetic.patient import Patient

ADVENTITIOUS: tuple[Label, ...] = ("wheeze", "fine_crackle", "coarse_crackle", "rhonchus", "stridor")
HOW_OFTEN = (0.35, 0.33, 0.13, 0.13, 0.06)  # part of the ailing patients; rhonchi and stridor are rare in the field too


def scene(
    seed: int | np.random.Generator,
    duration_s: float = 10.0,
    rate_hz: float = 8000.0,
    labels: Sequence[Label] | None = None,
    distractors: bool = True,
) -> tuple[Samples, list[Sound]]:
    """A random patient in a random ward, through a random stethoscope.

    Args:
        seed: decides everything.
        duration_s: length, s.
        rate_hz: sampling rate, Hz.
        labels: adventitious sounds to hear; None draws none to two of them, an empty list gives normal breathing.
        distractors: whether rubbing, knocks, hum and voices may disturb.

    Returns:
        (N,) samples, full scale = 1.0; and every sound in it, breath phases among them.
    """
    rng = np.random.default_rng(seed)
    patient = Patient(duration_s, rate_hz, rng)
    for label in _draw_labels(rng) if labels is None else labels:
        _ail(patient, label)
    _surround(patient, distractors)
    high_hz = 420.0 * (2500.0 / 420.0) ** (rng.uniform() ** 2.5)  # most devices cut low, as SPRSound's does
    recording = patient.record(rng.uniform(20.0, 100.0), high_hz, rng.uniform(-56.0, -34.0))
    return recording.samples, list(recording.sounds)


def _draw_labels(rng: np.random.Generator) -> list[Label]:
    """What ails a random patient: nothing in three of ten, two things in a quarter of the rest."""
    if rng.uniform() < 0.3:
        return []
    count = 1 + int(rng.uniform() < 0.25)
    drawn = rng.choice(len(ADVENTITIOUS), size=count, replace=False, p=HOW_OFTEN)
    return [ADVENTITIOUS[int(index)] for index in drawn]


def _ail(patient: Patient, label: Label) -> None:
    """Put one kind of sound into some of the phases in which it occurs."""
    rng = patient.rng
    inward = {"stridor": 1.0, "fine_crackle": 0.95, "coarse_crackle": 0.6, "rhonchus": 0.3, "wheeze": 0.2}[label]
    inspirations = rng.uniform() < inward
    share = rng.uniform(0.4, 1.0)
    above_db = rng.uniform(9.0, 22.0) + 5.0 * inspirations  # louder where the breath is
    crackle_db = rng.uniform(10.0, 26.0)
    for phase, inspiration in patient.phases:
        if inspiration != inspirations or phase.end_s - phase.onset_s < 0.25 or rng.uniform() > share:
            continue
        if label in ("fine_crackle", "coarse_crackle"):
            patient.add_crackles(label, phase, inspiration, crackle_db + rng.normal(0.0, 2.0))
        else:
            patient.add_tone(label, phase, above_db + rng.normal(0.0, 3.0))


def _surround(patient: Patient, distractors: bool) -> None:
    """Heart and room, and sometimes what else happens in a ward."""
    rng, length_s, rate_hz = patient.rng, patient.duration_s, patient.rate_hz
    slope = rng.uniform(1.0, 2.5)
    room = shaped_noise(len(patient.samples), rate_hz, rng, lambda hz: 1.0 / (1.0 + (hz / 150.0) ** slope))
    patient.samples += np.float32(10.0 ** (-rng.uniform(3.0, 20.0) / 20.0)) * room
    patient.add(heart_sound(length_s, rate_hz, rng), 0.0, rng.uniform(-8.0, 18.0))
    for _ in range(rng.poisson(rng.uniform(0.0, 0.6) * length_s)):
        tick = knock(rate_hz, rng, rng.uniform(0.002, 0.008))
        patient.add(tick, rng.uniform(0.0, length_s), rng.uniform(-10.0, 14.0))
    if not distractors:
        return
    if rng.uniform() < 0.15:
        patient.add(hum(length_s, rate_hz, rng), 0.0, rng.uniform(-20.0, 5.0))
    if rng.uniform() < 0.3:
        patient.add(knock(rate_hz, rng), rng.uniform(0.0, 0.3), rng.uniform(15.0, 40.0))
    for _ in range(rng.poisson(0.15 * length_s / 10.0)):
        patient.add(knock(rate_hz, rng), rng.uniform(0.0, length_s), rng.uniform(10.0, 35.0))
    for _ in range(rng.poisson(0.4 * length_s / 10.0)):
        rub = rubbing(rng.uniform(0.2, 1.5), rate_hz, rng)
        patient.add(rub, rng.uniform(-0.5, length_s), rng.uniform(5.0, 30.0))
    for _ in range(rng.poisson(0.2 * length_s / 10.0)):
        voice = babble(rng.uniform(0.3, 1.5), rate_hz, rng)
        patient.add(voice, rng.uniform(-0.5, length_s), rng.uniform(-5.0, 20.0))
