"""`laennec spectrogram` as it is typed: what it draws, and one line for every mistake."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.errors import ConfigError, SourceError
from edge.features import FRONT_ENDS, FeatureSpec, Mel
from edge.pictures.spectrogram import named_front_end, picture_options
from edge.sources.file_search import DEMO_AUDIO
from tests.edge.pictures.test_spectrogram import noise, see, written


def test_mistakes_are_one_line_that_says_what_to_do(tmp_path: Path, mistake: Callable[..., str]) -> None:
    out, short = tmp_path / "out.png", written(tmp_path / "short.wav", noise(0.02))
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "old.json").write_text('{"schema": "laennec.features/1"}')

    def refused(*arguments: object, file: Path = DEMO_AUDIO, to: Path = out, front_end: object = "log-mel") -> str:
        line = mistake("spectrogram", file, "-o", to, "--frontend", front_end, *arguments)
        assert not out.exists()
        return line

    assert "none.wav: cannot be opened" in refused(file=tmp_path / "none.wav")
    assert "is no sound file that can be read" in refused(file=tmp_path / "bad.wav")
    assert "log-mel, pcen, gammatone, morlet, morse, hear" in refused(front_end="mfcc")
    assert "is not JSON" in refused(front_end=tmp_path / "bad.json")
    assert "cannot be opened" in refused(front_end=tmp_path / "none.json")
    assert "expected schema laennec.features/2" in refused(front_end=tmp_path / "old.json")
    assert "there is no folder" in refused(to=tmp_path / "none" / "out.png")
    assert "cannot be written" in refused(to=Path("/proc/out.png"))
    assert "cannot draw '.xyz'; end it with" in refused(to=tmp_path / "out.xyz")
    assert "ends at 56.00 s" in refused("--from", "60")
    assert "must be greater than --from 5" in refused("--from", "5", "--to", "4")
    assert "seconds from the begin" in refused("--from", "nan")
    assert "0.020 s of sound are shorter than the first frame of log-mel, 0.050 s" in refused(file=short)
    assert "no channel 3" in refused("--channel", "3")
    assert "none.onnx" in refused("--events", "--model", tmp_path / "none.onnx")


def test_a_feature_spec_may_be_a_file_spaced_as_one_likes(tmp_path: Path) -> None:
    spec = FeatureSpec(analysis=Mel(windows_samples=(256, 64)))
    (tmp_path / "mine.json").write_text(json.dumps(json.loads(spec.to_json()), indent=2) + "\n")
    assert named_front_end(str(tmp_path / "mine.json")) == spec
    assert picture_options(DEMO_AUDIO, str(tmp_path / "mine.json"), None, None, (0.0, None)).name == "mine.json"


def test_of_a_file_cut_short_what_was_heard_is_seen(tmp_path: Path) -> None:
    whole = DEMO_AUDIO.read_bytes()
    (tmp_path / "cut.flac").write_bytes(whole[: len(whole) * 55 // 100])
    picture = see(tmp_path / "cut.flac", FRONT_ENDS["log-mel"])
    assert isinstance(picture.broken, SourceError)
    assert picture.to_s == pytest.approx(56.0, abs=0.01)
    assert 25 < picture.times_s[-1] < 35


def test_too_many_panels_are_refused() -> None:
    spec = FeatureSpec(analysis=Mel(windows_samples=tuple(range(100, 113))))
    with pytest.raises(ConfigError, match="13 panels"):
        see(DEMO_AUDIO, spec)


# The command.
