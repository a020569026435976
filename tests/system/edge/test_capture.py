"""The capture program as a real child process: with a stand-in for PyAudio, and with PyAudio on ALSA's null device."""

from __future__ import annotations

import importlib.util
import threading
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from edge.sources.microphone import list_devices
from edge.sources.opening import open_source
from edge.sources.source import read_source
from edge.types import Block

ALSA_DEFAULTS = Path("/usr/share/alsa/alsa.conf")


def test_the_real_pyaudio_hears_alsas_null_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("pyaudio") is None or not ALSA_DEFAULTS.exists():
        pytest.skip("needs PyAudio and the ALSA library")
    (tmp_path / "sound.raw").write_bytes(np.full(100_000, 0.25, "<f4").tobytes())
    (tmp_path / "alsa.conf").write_text(
        ALSA_DEFAULTS.read_text()
        + f'\npcm.steth {{ type file slave.pcm "null" file "/dev/null" infile "{tmp_path}/sound.raw" format "raw"'
        + ' hint { show on description "Laennec" } }'
    )
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(tmp_path / "alsa.conf"))
    assert "steth" in [device.name for device in list_devices()]
    source = open_source("mic:steth", 8000)  # the null device knows no time: buffers come as fast as they go
    second, third = islice((item for item in read_source(source, threading.Event()) if isinstance(item, Block)), 1, 3)
    source.close()
    assert third.start == second.stop
    np.testing.assert_allclose(second.samples, 0.25, atol=1e-4)
    assert second.valid.all()
