"""`laennec score`: what it says at its end, and that it is not silent about tables that are not whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.archive import run as run_module
from edge.commands.score import score
from edge.errors import SourceError

pytest.importorskip("pyarrow", reason="pyarrow is not installed")


def test_recordings_without_a_result_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.wav").write_bytes(b"s")
    monkeypatch.setattr(run_module.Run, "go", lambda *_: None)
    with pytest.raises(SourceError, match=r"1 of 1 recordings have no result, .* are not whole; run again with --res"):
        score([str(tmp_path)], tmp_path / "out", workers=1, report=True)
