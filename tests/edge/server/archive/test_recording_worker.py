"""What a worker reads: only files, and those that stay as they are; everything else is a row with its reason."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from edge.model.model import Model, load_model
from edge.server.archive import recording as worker
from edge.server.archive.recording import Job, Result, Settings, failed, work
from edge.sources.file_search import DEMO_AUDIO


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model()


def worked(path: Path, model: Model) -> Result:
    return work(Job(path.name, os.fsencode(path)), Settings(None, model.sha256))


def test_a_pipe_is_a_row_with_its_reason_and_is_not_opened(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(_: Path) -> str:  # for real it would wait for ever
        raise AssertionError("the pipe was opened")

    monkeypatch.setattr(worker, "sha256_of", opened)
    os.mkfifo(tmp_path / "p.wav")
    result = worked(tmp_path / "p.wav", model)
    assert result.sound_sha256 == ""
    assert json.loads(result.body)["reason"] == "is a folder, a pipe or a device; give a sound file"


def test_a_file_that_is_still_written_is_no_result(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, score = tmp_path / "a.flac", worker.score
    path.write_bytes(DEMO_AUDIO.read_bytes()[:30_000])

    def grows(*arguments: Any) -> Any:
        path.write_bytes(DEMO_AUDIO.read_bytes())
        return score(*arguments)

    monkeypatch.setattr(worker, "score", grows)
    result = worked(path, model)
    assert result.sound_sha256 == "", "what was hashed is not what was scored"
    assert json.loads(result.body)["reason"].startswith("changed while it was read")


def test_a_file_that_is_called_as_a_microphone_is_a_file(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mic:1.flac").write_bytes(DEMO_AUDIO.read_bytes())
    monkeypatch.chdir(tmp_path)
    assert json.loads(worked(Path("mic:1.flac"), model).body)["status"] == "ok"


def test_a_reason_with_a_name_that_is_no_text_is_text() -> None:
    name = os.fsdecode(b"/data/\xff.tar")
    assert json.loads(failed("a", f"{name}: is damaged").body)["reason"] == r"/data/\xff.tar: is damaged"
