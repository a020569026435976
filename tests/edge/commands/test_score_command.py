"""`laennec score`: what it says at its end, and that it is not silent about tables that are not whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.commands.score import progress, score
from edge.errors import SourceError
from edge.server.archive import run as run_module

pytest.importorskip("pyarrow", reason="pyarrow is not installed")


def test_recordings_without_a_result_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.wav").write_bytes(b"s")
    monkeypatch.setattr(run_module.Run, "go", lambda *_: None)
    with pytest.raises(SourceError, match=r"1 of 1 recordings have no result, .* are not whole; run again with --res"):
        score([str(tmp_path)], tmp_path / "out", workers=1)


def test_the_command_says_how_many_recordings_it_forgets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.wav", "b.wav", "c.wav"):
        (tmp_path / name).write_bytes(b"s")
    monkeypatch.setattr(run_module.Run, "go", lambda *_: None)
    with pytest.raises(SourceError, match="3 of 3 recordings"):
        score([str(tmp_path)], tmp_path / "out", workers=1)
    assert "forgotten" not in capsys.readouterr().err
    with pytest.raises(SourceError, match="1 of 1 recordings"):
        score([str(tmp_path / "a.wav")], tmp_path / "out", workers=1, resume=True)
    output = capsys.readouterr().err.splitlines()
    assert output == ["2 recordings of an earlier run are not in this archive; they are forgotten"]


def test_progress_tells_the_rate_of_this_run_and_the_time_to_go() -> None:
    assert progress(1000, 400, 100, 50.0) == "500 of 1000 recordings, 2.0 a second, 0 h 04 min 10 s to go"
    assert progress(100_000, 0, 10, 1.0) == "10 of 100000 recordings, 10.0 a second, 2 h 46 min 39 s to go"
    assert progress(10, 0, 0, 0.0) == "0 of 10 recordings, 0.0 a second, - to go"
