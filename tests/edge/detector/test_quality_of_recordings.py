"""Real sound: much of what people called poor is found where few others are; every device is measurable; voices."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from edge.detector.quality import LEAST, SEGMENTS, fault_of
from edge.detector.quality_measures import SegmentMeter
from edge.types import Fault
from tests.edge.chests import shelf
from training.datasets.files import read_sound

METER = SegmentMeter(8000)


def _fault(samples: NDArray[np.float32]) -> Fault | None:
    whole = len(samples) // METER.samples
    parts = np.split(samples[: whole * METER.samples], max(whole, 1))[-SEGMENTS:]
    return fault_of([METER.measure(part) for part in parts]) if whole >= LEAST else None


def _chests(real_data: Path, is_poor: bool, every: int) -> Iterator[Fault | None]:
    of_kind = []
    for path in sorted((real_data / "sprsound" / "train").glob("*.json")):
        label = json.loads(path.read_text())["record_annotation"]
        of_kind += [path] if (label == "Poor Quality") is is_poor else []
    for path in of_kind[::every]:
        yield _fault(soundfile.read(path.with_suffix(".flac"), dtype="float32")[0])


def _joined(folder: Path, seconds: int) -> NDArray[np.float32]:
    """Clips end to end."""
    clips = [soundfile.read(path, dtype="float32")[0] for path in sorted(folder.glob("*.flac"))[:300]]
    joined = np.concatenate(clips)[: seconds * 8000]
    assert len(joined) == seconds * 8000
    return joined


def test_four_in_ten_of_poor_quality_are_found_where_one_in_forty_of_the_others_is_called_so(real_data: Path) -> None:
    poor = [fault is not None for fault in _chests(real_data, is_poor=True, every=1)]
    others = [fault is not None for fault in _chests(real_data, is_poor=False, every=3)]
    assert np.mean(poor) >= 0.4
    assert np.mean(others) <= 0.03


def test_chests_are_measurable_by_every_stethoscope_and_with_any_low_shelf(real_data: Path) -> None:
    """Nine in ten at least, of the devices of ICBHI and of a manikin at -51 dBFS; one verdict on each recording."""
    icbhi = [*real_data.glob("icbhi/ICBHI_final_database/*.wav"), *real_data.glob("other_devices/icbhi_more/*.wav")]
    manikin = sorted(real_data.glob("other_devices/hls_cmds/lung/*.wav"))[::3]
    for paths, least in ((icbhi, 14), (manikin, 17)):
        for low_db in (0.0, 20.0):
            valid = [shelf(read_sound(path, 8000), 90, low_db) for path in paths]
            found = [_fault(sound * np.float32(min(1.0, 0.9 / np.abs(sound).max()))) for sound in valid]
            assert len(found) >= least
            assert found.count(None) >= 0.9 * len(found), Counter(found)


def test_no_chest_is_called_a_voice_a_hum_or_a_tone(real_data: Path) -> None:
    found = {*_chests(real_data, is_poor=False, every=5), *_chests(real_data, is_poor=True, every=2)}
    assert found <= {None, "no contact", "rubbing"}


def test_what_mp3_leaves_out_of_a_chest_is_no_voice(real_data: Path, tmp_path: Path) -> None:
    chests = [p for p in sorted((real_data / "sprsound" / "train").glob("*.flac")) if soundfile.info(p).duration >= 8]
    found = []
    for path in chests[::60]:
        sound = soxr.resample(soundfile.read(path, dtype="float32")[0], 8000, 44100)
        soundfile.write(tmp_path / "a.mp3", sound, 44100)
        found.append(_fault(read_sound(tmp_path / "a.mp3", 8000)))
    assert len(found) >= 20
    assert "speech" not in found


def test_speech_and_cries_are_voices(real_data: Path) -> None:
    for kind, least in (("speech", 0.7), ("infant_cry", 0.7)):
        sound = _joined(real_data / "negatives" / kind, 96)
        found = [_fault(part) for part in np.split(sound, 6)]
        assert sum(fault == "speech" for fault in found) >= least * len(found), kind
        assert found.count(None) <= 1, kind
