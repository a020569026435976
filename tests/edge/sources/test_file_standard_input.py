"""A sound file that is piped in."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from edge.errors import SourceError
from edge.sources.file import FileSource
from edge.sources.file_search import DEMO_AUDIO

Piped = Callable[[Path], None]


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch) -> Iterator[Piped]:
    """Puts the content of a file on standard input, through a pipe."""
    with ExitStack() as opened:

        def pipe(path: Path) -> None:
            writer = opened.enter_context(subprocess.Popen(["cat", path], stdout=subprocess.PIPE, text=True))
            monkeypatch.setattr(sys, "stdin", writer.stdout)

        yield pipe


def samples(path: str | Path) -> np.ndarray:
    blocks = FileSource(path, 8000).blocks(threading.Event())
    return np.concatenate([block.samples for block in blocks])  # type: ignore[union-attr]


def test_a_flac_from_a_pipe_gives_the_samples_of_the_file_and_leaves_no_copy(
    piped: Piped, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    piped(DEMO_AUDIO)
    np.testing.assert_array_equal(samples("-"), samples(DEMO_AUDIO))
    assert not list(tmp_path.iterdir())


def test_an_empty_pipe_and_one_without_sound_are_told_in_one_line(piped: Piped, tmp_path: Path) -> None:
    piped(Path("/dev/null"))
    with pytest.raises(SourceError, match=r"^-: standard input is empty \(0 bytes\)"):
        FileSource("-", 8000)
    (tmp_path / "notes").write_text("no sound")
    piped(tmp_path / "notes")
    with pytest.raises(SourceError, match=r"^-: standard input is no sound file; give WAV"):
        FileSource("-", 8000)


def test_a_terminal_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, terminal = pty.openpty()
    with os.fdopen(terminal) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        with pytest.raises(SourceError, match=r"^-: standard input is a terminal; pipe a sound file in"):
            FileSource("-", 8000)
    os.close(ours)


def test_a_closed_standard_input_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(SourceError, match=r"^-: standard input is closed; pipe a sound file in$"):
        FileSource("-", 8000)


def test_a_copy_without_room_says_where(piped: Piped, monkeypatch: pytest.MonkeyPatch) -> None:
    piped(DEMO_AUDIO)
    monkeypatch.setattr("edge.sources.file.NamedTemporaryFile", lambda **_: Path("/dev/full").open("wb"))  # noqa: SIM115 - closed by the code under test
    with pytest.raises(SourceError, match=r"cannot be copied to .* \(No space left on device\); make room there"):
        FileSource("-", 8000)


def test_a_pipe_that_is_named_as_a_file_is_refused_with_the_way_to_read_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SourceError, match=r"pipe: is a pipe or device; give a sound file, or - to read standard"):
        FileSource(tmp_path / "pipe", 8000)
