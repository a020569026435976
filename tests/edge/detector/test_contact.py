"""A heart is evidence of contact, on any device at any level; noise of any colour is none, nor a room that drifts."""

from __future__ import annotations

import numpy as np
import pytest

from edge.detector.quality_measures import Movement, SegmentMeter, evidence_of_contact
from tests.edge.chests import RATE_HZ, TIME_S, Sound, chest, heart, shelf
from tests.edge.knowing import noise

METER = SegmentMeter(RATE_HZ)


def _evidence(samples: Sound, seconds: int = 16) -> float:
    parts = np.split(samples[: seconds * RATE_HZ].astype(np.float32), seconds // 2)
    return evidence_of_contact(Movement(np.concatenate([METER.measure(part).levels_db for part in parts])))


@pytest.mark.parametrize("beats_a_minute", [45.0, 84.0, 150.0])
@pytest.mark.parametrize("gain", [1.0, 0.01])
def test_a_heart_over_noise_is_evidence_and_a_gain_changes_nothing(beats_a_minute: float, gain: float) -> None:
    recorded = 10 * heart(beats_a_minute) + noise(-60.0, 24.0)
    assert _evidence(np.float32(gain) * recorded) > 0
    assert _evidence(np.float32(gain) * recorded) == pytest.approx(_evidence(recorded), rel=0.1)


def test_the_heart_of_a_chest_is_evidence_within_8_s() -> None:
    assert _evidence(chest() + 10 * heart(), 8) > 0


@pytest.mark.parametrize("low_db", [-5.0, 0.0, 40.0])
@pytest.mark.parametrize("level_db", [-80.0, -30.0])
def test_noise_is_none_whatever_a_device_makes_of_it(low_db: float, level_db: float) -> None:
    found = [_evidence(shelf(noise(level_db, 24.0, seed), 90, low_db)) for seed in range(10)]
    assert max(found) < 0


def test_a_room_that_grows_louder_and_quieter_is_none() -> None:
    drift = 10 ** (3 * np.sin(2 * np.pi * 0.2 * TIME_S) / 20)
    assert _evidence((noise(-40.0, 24.0) * drift).astype(np.float32)) < 0
