"""`laennec adapt` as it is typed: a device is measured, kept, shown, used, and refused where it does not belong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import firwin2, lfilter

from tests.edge.wards import ward
from tests.system.edge.test_main import laennec
from training.synthetic.scene import scene

RATE_HZ = 8000
BRIGHT = firwin2(513, np.array([0, 250, 600, 4000]) / 4000, 10 ** (np.array([0, 0, 25, 25]) / 20))


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven synthetic patients of 12 s through a microphone with 25 dB more above 600 Hz, and noise of its own."""
    folder = tmp_path_factory.mktemp("mine")
    for seed in range(7):
        samples, _ = scene(seed, 12.0, RATE_HZ)
        hiss = 3e-4 * np.random.default_rng(seed).standard_normal(len(samples))
        soundfile.write(folder / f"{seed}.flac", 0.1 * lfilter(BRIGHT, 1, samples + hiss), RATE_HZ)
    return folder


@pytest.fixture(scope="module")
def adapted(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the command keeps."""
    out = tmp_path_factory.mktemp("kept") / "mine.adaptation"
    result = laennec("adapt", "--recordings", recordings, "--device", "bright one", "-o", out)
    assert (result.returncode, result.stderr) == (0, "")
    assert "adaptation: bright one, made " in result.stdout
    assert f"laennec detect --adaptation {out} FILE" in result.stdout
    return out


def test_it_brings_the_device_nearer_and_lowers_what_it_has_more_of(adapted: Path) -> None:
    fields = json.loads(adapted.read_text())
    before, after = fields["outside_db"]
    assert after < before / 2
    assert fields["equaliser_db"][-1] < -5
    assert (fields["recordings"], fields["measured_s"]) == (7, pytest.approx(84, abs=2))


def test_the_model_shows_it_and_detect_hears_with_it(adapted: Path, recordings: Path) -> None:
    shown = laennec("model", "--adaptation", adapted)
    assert "adaptation: bright one" in shown.stdout
    usual, with_it = (laennec("detect", recordings / "0.flac", *more) for more in ((), ("--adaptation", adapted)))
    assert "spectrum outside what the model knows" in usual.stdout
    assert with_it.returncode == 0
    assert "spectrum outside" not in with_it.stdout


def test_a_run_tells_its_adaptation_and_the_doctor_checks_it(adapted: Path, tmp_path: Path, recordings: Path) -> None:
    streams = [{"id": "bed1", "source": str(recordings / "0.flac"), "adaptation": str(adapted), "pace": False}]
    good = laennec("doctor", "--config", ward(tmp_path, streams=streams))
    assert "adaptation bed1" in good.stdout
    assert "bright one, made " in good.stdout
    broken = tmp_path / "broken.adaptation"
    broken.write_text(adapted.read_text().replace("bright", "Bright"))
    config = ward(tmp_path, streams=[{**streams[0], "adaptation": str(broken)}])
    bad, refused = laennec("doctor", "--config", config), laennec("run", "--config", config)
    assert f"adaptation {broken}: damaged" in bad.stdout
    assert bad.returncode == 1
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1].startswith(f"laennec: adaptation {broken}: damaged: its seal does not fit")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--recordings", "{none}"), "is no folder; give one with sound files of the device"),
        (("--recordings", "{few}"), "found 12 s of measurable sound in 1 files, expected 60 s or more"),
        (("--recordings", "{mine}", "-o", "{none}/x"), "cannot be written"),
    ],
)
def test_a_mistake_is_one_line(arguments: tuple[str, ...], message: str, recordings: Path, tmp_path: Path) -> None:
    few = tmp_path / "few"
    few.mkdir()
    (few / "a.flac").write_bytes((recordings / "0.flac").read_bytes())
    places = {"none": tmp_path / "none", "few": few, "mine": recordings}
    result = laennec("adapt", *(each.format(**places) for each in arguments))
    assert (result.returncode, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 1
    assert message in result.stderr
