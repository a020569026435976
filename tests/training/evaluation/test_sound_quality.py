"""A discriminant's limit is the share it promises; faults and devices are what they say; nobody judges himself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.detector.quality import LEAST, fault_of
from edge.detector.quality_measures import SegmentMeter
from edge.errors import ConfigError
from tests.edge.chests import chest, voice
from training.datasets import Recording
from training.evaluation.sound_faults import AIR, FAULTS, LOW, heard_by, rms, with_fault
from training.evaluation.sound_quality import fit, half_of, interval, pieces_of, report, stretches_of

METER = SegmentMeter(8000)
CHEST = chest()[: 16 * 8000]
WANTED = (
    {
        "clipped": "clipping",
        "dead": "dead microphone",
        "hum": "mains hum",
        "voice": "speech",
        "pause of breath": None,
        "rubbing on chest": "rubbing",
        "rubbing in air": "rubbing",
    }
    | dict.fromkeys(AIR, "no contact")
    | dict.fromkeys(LOW, None)
)


def test_what_tells_the_poor_from_the_others_gets_the_weight_and_two_in_a_hundred_others_are_called() -> None:
    rng = np.random.default_rng(0)
    is_poor = np.arange(2000) % 10 == 0
    found = rng.normal(0, 1, (2000, 5)) + is_poor[:, None] * np.array([4.0, 0, 0, 0, 0])
    weights, limit = fit(found, is_poor, 0.02)
    assert weights[0] > 5 * np.abs(weights[1:]).max()
    assert (found[~is_poor] @ weights > limit).mean() == pytest.approx(0.02, abs=0.001)
    assert (found[is_poor] @ weights > limit).mean() > 0.9


@pytest.mark.parametrize("name", sorted(WANTED))
@pytest.mark.parametrize("device", [None, 3])
def test_a_computed_chest_with_a_fault_is_called_by_its_name_by_any_device(name: str, device: int | None) -> None:
    hears = (lambda sound: sound) if device is None else heard_by(np.random.default_rng(device))
    scored = with_fault((hears(CHEST), hears, [voice()[:4000]]), name, np.random.default_rng(1))
    assert len(scored) == len(CHEST)
    assert fault_of(stretches_of(scored, METER)) == WANTED[name]


def test_every_fault_is_finite_and_none_but_clipping_reaches_full_scale() -> None:
    for name in FAULTS:
        scored = with_fault((CHEST, lambda sound: sound, [voice()[:4000]]), name, np.random.default_rng(2))
        assert np.isfinite(scored).all()
        assert bool(np.abs(scored).max() > 0.95) is (name == "clipped"), name


def test_a_device_is_a_curve_that_a_fixed_seed_repeats() -> None:
    one, same, other = (heard_by(np.random.default_rng(seed))(CHEST) for seed in (1, 1, 2))
    assert (one == same).all()
    assert abs(20 * np.log10(rms(one, (30, 60)) / rms(other, (30, 60)))) > 3


def test_an_interval_is_over_patients_who_are_drawn_with_all_that_they_have() -> None:
    share, low, high = interval([("a", True)] * 90 + [("b", False)] * 10)
    assert (share, low, high) == (0.9, 0.0, 1.0)
    assert {half_of(f"p{number}") for number in range(20)} == {0, 1}


def test_stretches_are_whole_and_too_few_are_none(tmp_path: Path) -> None:
    assert len(stretches_of(np.zeros(5 * METER.samples - 1, np.float32), METER)) == 4
    assert stretches_of(np.zeros(LEAST * METER.samples - 1, np.float32), METER) == ()
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(3 * METER.samples), 8000)
    clips = [Recording(path, "a", "", (), is_negative=True)] * 6
    assert [len(piece) for piece in pieces_of(clips, METER)] == [8, 8]


def test_without_sprsound_there_is_nothing_to_choose_a_limit_on(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no recording of SPRSound"):
        next(report([], tmp_path))
