"""A recording is heard at seven levels, with and without the correction."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile

from edge.model.model import load_model
from training.datasets import Recording
from training.evaluation.levels import GAINS_DB, WAYS, hear_again
from training.fine_tuned_run import RELEASED, open_run

DEMO = Path(__file__).parents[3] / "edge" / "sources" / "demo.flac"


def test_a_faint_recording_is_found_in_both_ways_until_the_converter_loses_it(tmp_path: Path) -> None:
    samples, rate_hz = soundfile.read(DEMO, stop=8 * soundfile.info(DEMO).samplerate)
    soundfile.write(tmp_path / "a.wav", 0.1 * samples, rate_hz, subtype="FLOAT")
    recording = Recording(tmp_path / "a.wav", "demo", "CAS", ())
    found = {
        (gain, way): answer
        for gain, way, answer in hear_again(recording, open_run(RELEASED, "final").scorer, load_model())
    }
    assert set(found) == {(gain, way) for gain in GAINS_DB for way in WAYS}
    for way in WAYS:
        assert all(found[gain, way].score > 0.85 for gain in (-20, -10, 0, 10, 20))
        assert found[-40, way].score < 0.1  # the converter has lost it
    as_it_is, levelled = (found[-30, way].score for way in WAYS)
    assert as_it_is != pytest.approx(levelled, abs=1e-3)
    assert not found[0, WAYS[1]].is_normal
