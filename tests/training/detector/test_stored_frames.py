"""Frames of recordings and events: of the one front-end, kept on disk, made again when a sound was edited."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.features import FeatureSpec, FrontEnd
from training.datasets import Annotation, Recording
from training.detector import training_data as stored_frames
from training.detector.sets import synthetic_patients
from training.detector.training_data import event_frames, recording_frames
from training.frames import FrameStore, extract

RATE_HZ = 8000
SPEC = FeatureSpec(rate_hz=RATE_HZ, offset=(-60.0,), scale=(20.0,))
EVENTS = (Annotation(0.25, 0.75, ("wheeze",)), Annotation(1.0, 1.5, ()))


def _recordings(folder: Path, count: int) -> list[Recording]:
    """A tone of two seconds each, with two events."""
    folder.mkdir(exist_ok=True)
    for i in range(count):
        tone = 0.1 * np.sin(2 * np.pi * (200 + 100 * i) * np.arange(2 * RATE_HZ) / RATE_HZ)
        soundfile.write(folder / f"{i}.wav", tone, RATE_HZ, subtype="PCM_16")
    return [Recording(folder / f"{i}.wav", f"p{i}", "CAS", EVENTS) for i in range(count)]


def test_frames_are_those_of_the_front_end_at_the_first_and_at_the_second_time(tmp_path: Path) -> None:
    recordings = _recordings(tmp_path, 2)
    for _ in range(2):
        for recording, frames in zip(recordings, recording_frames(recordings, SPEC, tmp_path / "cache"), strict=True):
            samples, _ = soundfile.read(recording.path, dtype="float32")
            np.testing.assert_array_equal(frames, extract(samples, FrontEnd(SPEC)).astype(np.float16))


def test_an_event_is_a_sound_of_its_own(tmp_path: Path) -> None:
    recordings = _recordings(tmp_path, 2)
    found = event_frames(recordings, SPEC, tmp_path / "cache")
    samples, _ = soundfile.read(recordings[1].path, dtype="float32")
    assert [len(events) for events in found] == [2, 2]
    np.testing.assert_array_equal(found[1][0], extract(samples[2000:6000], FrontEnd(SPEC)).astype(np.float16))


def test_a_sound_that_was_edited_in_its_place_is_heard_again(tmp_path: Path) -> None:
    recordings, cache = _recordings(tmp_path, 1), tmp_path / "cache"
    before = recording_frames(recordings, SPEC, cache)[0], event_frames(recordings, SPEC, cache)[0][0]
    size = recordings[0].path.stat().st_size
    samples, _ = soundfile.read(recordings[0].path)
    soundfile.write(recordings[0].path, 0.1 * samples, RATE_HZ, subtype="PCM_16")
    after = recording_frames(recordings, SPEC, cache)[0], event_frames(recordings, SPEC, cache)[0][0]
    assert recordings[0].path.stat().st_size == size
    assert not np.array_equal(before[0], after[0])
    assert not np.array_equal(before[1], after[1])


def test_what_is_kept_is_not_computed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recordings = [*_recordings(tmp_path, 1), *synthetic_patients(1)]
    first = recording_frames(recordings, SPEC, tmp_path / "cache")
    monkeypatch.delattr(stored_frames, "extract")
    again = recording_frames(recordings, SPEC, tmp_path / "cache")
    assert [len(frames) for frames in again] == [len(frames) for frames in first]
    np.testing.assert_array_equal(again[1], first[1])


def test_another_program_that_makes_synthetic_sound_has_another_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording_frames(synthetic_patients(1), SPEC, tmp_path)
    monkeypatch.setattr(stored_frames, "generator_hash", lambda: "another")
    recording_frames(synthetic_patients(1), SPEC, tmp_path)
    assert len([path for path in tmp_path.glob("recordings-*") if path.is_dir()]) == 2


def test_a_store_gives_the_frames_of_each_sound_and_nothing_beside_it() -> None:
    rng = np.random.default_rng(0)
    sounds = [rng.normal(size=(length, 3)).astype(np.float16) for length in (4, 0, 7)]
    store = FrameStore.of(sounds, 3)
    assert store.lengths.tolist() == [4, 0, 7]
    for one, other, last in zip(store, sounds, (store[-3], store[-2], store[-1]), strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(last, other)
    np.testing.assert_array_equal(store[1:][1], sounds[2])
    assert len(FrameStore.of([], 3)) == 0
    with pytest.raises(IndexError, match="sound 3 of 3"):
        store[3]
