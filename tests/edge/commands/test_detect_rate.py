"""`laennec detect --rate`: JSON lines of the respiratory rate of files, at full speed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from edge.commands.app import app
from edge.sources.file_search import DEMO_AUDIO
from training.synthetic.patient import Patient

KEYS = ["file", "t_s", "breaths_per_min", "measurable", "confidence", "why", "spread"]


def _rates(*arguments: str) -> list[dict]:
    printed = CliRunner().invoke(app, ["detect", "--rate", *arguments])
    assert printed.exit_code == 0, printed.output
    return [json.loads(line) for line in printed.stdout.splitlines()]


def _breathing(path: Path, per_min: float, seconds: float = 40.0) -> str:
    patient = Patient(seconds, 8000, np.random.default_rng(6), per_min)
    soundfile.write(path, patient.record(60.0, 1200.0, -35.0).samples, 8000)
    return str(path)


@pytest.mark.parametrize("per_min", [15.0, 24.0, 36.0])
def test_simulated_breath_has_its_rate(tmp_path: Path, per_min: float) -> None:
    path = _breathing(tmp_path / "bed.wav", per_min)
    rates = _rates(path)
    assert [list(each) for each in rates] == [KEYS] * len(rates)
    assert rates[-1]["breaths_per_min"] == pytest.approx(per_min, rel=0.1)
    assert [each["t_s"] for each in rates[:3]] == [9.984, 14.976, 19.968]


def test_noise_and_silence_have_none_and_say_why(tmp_path: Path) -> None:
    noise = 0.05 * np.random.default_rng(0).normal(size=240_000)
    for name, samples in (("noise", noise), ("silence", np.zeros(240_000))):
        path = tmp_path / f"{name}.wav"
        soundfile.write(path, samples, 8000)
        # Of noise one guess may come before there is enough of it to say that nothing touches a chest
        assert all(each["breaths_per_min"] is None and each["why"] for each in _rates(str(path)) if each["t_s"] > 12)


def test_of_silence_no_reading_is_measurable_as_detect_says(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silence.wav", np.zeros(160_000), 8000)
    rates = _rates(str(tmp_path / "silence.wav"))
    assert [(each["measurable"], each["why"]) for each in rates] == [(0.0, "dead microphone")] * len(rates)
    assert len(rates) == 3
    printed = CliRunner().invoke(app, ["detect", str(tmp_path / "silence.wav")])
    assert "no event in 20.0 s of sound, 0.0 s measurable" in printed.stdout


def _breath(path: str) -> list[dict]:
    printed = CliRunner().invoke(app, ["detect", "--breath", path])
    assert printed.exit_code == 0, printed.output
    return [json.loads(line) for line in printed.stdout.splitlines()]


def test_all_of_a_file_has_the_median_rate_and_shares_of_its_breathing() -> None:
    (whole,) = _breath(str(DEMO_AUDIO))
    reported = [each["breaths_per_min"] for each in _rates(str(DEMO_AUDIO)) if each["breaths_per_min"] is not None]
    assert whole["breaths_per_min"] == pytest.approx(np.median(reported), abs=1.0)
    assert (whole["from_s"], whole["to_s"], whole["why"]) == (0.0, 56.0, "")
    for sounds in whole["sounds"].values():
        for share in sounds.values():
            assert 0 < share["low"] <= share["share"] <= share["high"] <= 1


def test_each_whole_minute_has_a_line_and_what_is_not_known_is_null_with_its_reason(tmp_path: Path) -> None:
    minute, whole = _breath(_breathing(tmp_path / "bed.wav", 24.0, 80.0))  # a made chest is called rubbing
    assert [(each["from_s"], each["to_s"]) for each in (minute, whole)] == [(0.0, 60.0), (0.0, 80.0)]
    for each in (minute, whole):
        assert each["breaths_per_min"] == pytest.approx(24.0, rel=0.1), "rubbing does not hide a rate"
        shares = [share for sounds in each["sounds"].values() for share in sounds.values()]
        assert [(share["share"], share["why"]) for share in shares] == [(None, "too little measured")] * 4


def test_rate_and_breath_together_are_refused() -> None:
    printed = CliRunner().invoke(app, ["detect", "--rate", "--breath", "a.wav"])
    assert "expected one of them" in str(printed.exception)
