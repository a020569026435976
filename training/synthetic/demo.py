"""How the bundled demonstration was computed (`edge.sources.file_search` names its files).

Not evidence: a detector that hears these sounds has only shown that it is plugged in. Invariant: the seed decides
everything, so the bundled files can be made again.
"""

from __future__ import annotations

import json

import numpy as np
import soundfile

from edge.sources.file_search import DEMO_AUDIO, DEMO_TRUTH
from training.synthetic.breath import shaped_noise
from training.synthetic.disturbances import heart_sound
from training.synthetic.patient import Patient, Recording

DEMO_SEED = 1816  # the year of the first stethoscope


def demo_recording() -> tuple[Recording, str]:
    """The bundled demonstration: 56 s of calm breathing with four wheezes and four crackling breaths, well apart.

    Its levels are in the middle of what the scenes draw, where a detector that was trained on recordings alone hears
    the sounds as it hears real ones; louder is not clearer, but sounds like a voice.

    Returns:
        The recording, and the truth about it as JSON: its rate, the adventitious sounds and every crackle.
    """
    patient = Patient(56.0, 8000.0, np.random.default_rng(DEMO_SEED), cycles_per_min=18.0)
    breaths = {inward: [p for p, inspiration in patient.phases if inspiration is inward] for inward in (True, False)}
    for index, f0_hz in ((1, 240.0), (5, 320.0), (9, 200.0), (13, 280.0)):
        patient.add_tone("wheeze", breaths[False][index], 15.0, f0_hz)
    for index in (3, 7, 11, 15):
        patient.add_crackles("fine_crackle", breaths[True][index], True, 20.0)
    room = shaped_noise(len(patient.samples), 8000.0, patient.rng, lambda hz: 1.0 / (1.0 + (hz / 150.0) ** 2))
    patient.samples += np.float32(0.3) * room
    patient.add(heart_sound(56.0, 8000.0, patient.rng, 72.0), 0.0, 4.0)
    recording = patient.record(low_hz=70.0, high_hz=500.0, rms_db=-47.0)
    truth = {
        "synthetic": True,
        "seed": DEMO_SEED,
        "rate_hz": recording.rate_hz,
        "sounds": [
            {"label": sound.label, "onset_s": round(sound.onset_s, 4), "end_s": round(sound.end_s, 4)}
            for sound in recording.sounds
            if sound.label != "breath"
        ],
        "crackle_s": [round(at_s, 6) for at_s in recording.crackle_s],
    }
    return recording, json.dumps(truth, indent=1) + "\n"


def write_demo() -> None:
    """Write the recording and its truth to where the device has them."""
    recording, truth = demo_recording()
    soundfile.write(DEMO_AUDIO, recording.samples, round(recording.rate_hz), subtype="PCM_16")
    DEMO_TRUTH.write_text(truth)
