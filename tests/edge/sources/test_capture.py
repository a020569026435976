"""The capture program as a real child process: with a stand-in for PyAudio, and with PyAudio on ALSA's null device."""

from __future__ import annotations

import logging
import threading
from array import array
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from edge.errors import ConfigError, SourceError
from edge.sources.capture import Recorder
from edge.sources.capture_pipe import Device
from edge.sources.microphone import Microphone, Timeouts, list_devices
from edge.sources.source import read_source
from edge.types import Block

PATIENT = Timeouts(open_s=60.0, silent_s=60.0, retry_s=(0.01,))
BUILT_IN, STETHOSCOPE = Device(1, "Built-in", 2, 44100, True), Device(2, "Steth Pro", 1, 16000)


@pytest.fixture
def portaudio(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Sets the mood of the stand-in that the child imports instead of PyAudio."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).with_name("fake_portaudio")))
    return lambda mood: monkeypatch.setenv("FAKE_PYAUDIO", mood)


def some(source: Microphone, count: int) -> list[Block]:
    """The first blocks of a source, which is closed then."""
    blocks = list(islice(read_source(source, threading.Event()), count))
    source.close()
    return blocks


@pytest.mark.parametrize("mood", ["", "chatty"])
def test_devices_with_an_input_are_listed_whatever_the_libraries_print(
    portaudio: Callable[[str], None], mood: str, capfd: pytest.CaptureFixture[str]
) -> None:
    portaudio(mood)
    assert list_devices(timeout_s=60.0) == [BUILT_IN, STETHOSCOPE]
    assert capfd.readouterr() == ("", "")


def test_sound_comes_through_the_real_child(portaudio: Callable[[str], None]) -> None:
    portaudio("chatty")
    first, *_ = some(Microphone("steth", 16000, timeouts=PATIENT), 1)
    np.testing.assert_array_equal(first.samples, np.arange(800, dtype=np.float32) / 2**20)
    assert first.start == 0


def test_the_chosen_channel_of_two_is_heard(portaudio: Callable[[str], None]) -> None:
    portaudio("")
    first, *_ = some(Microphone("1", 44100, channel=2, timeouts=PATIENT), 1)
    np.testing.assert_allclose(first.samples, 1.0 + np.arange(len(first.samples)) / 2**20)


def test_the_rate_of_the_device_becomes_the_rate_of_the_model(portaudio: Callable[[str], None]) -> None:
    portaudio("")
    blocks = some(Microphone("steth", 8000, timeouts=PATIENT), 5)
    samples = np.concatenate([block.samples for block in blocks])
    expected = np.arange(len(samples)) * 2 / 2**20
    assert np.abs(samples - expected)[200:].max() < 1e-5


def test_a_device_that_stops_is_opened_again(
    portaudio: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    portaudio("unplugged")
    with caplog.at_level(logging.INFO, logger="edge.sources.microphone"):
        some(Microphone("steth", 16000, timeouts=PATIENT), 12)
    assert "gives no sound any more; was it unplugged?" in caplog.text


@pytest.mark.parametrize(
    ("mood", "device", "channel", "error", "line"),
    [
        ("", "Foo", None, SourceError, "mic:Foo: no such device; there are: 1 = Built-in, 2 = Steth Pro"),
        ("none", "", None, SourceError, "this machine has no microphone"),
        ("refuses", "1", None, SourceError, "cannot be opened at 44100 Hz .* or choose one, channel 1 to 2"),
        ("crashes", "", None, SourceError, "the audio system failed: RuntimeError"),
        ("", "1", 3, ConfigError, "mic:Built-in: no channel 3; channels are counted from 1 to 2"),
    ],
)
def test_each_mistake_is_one_line(
    portaudio: Callable[[str], None], mood: str, device: str, channel: int | None, error: type[Exception], line: str
) -> None:
    portaudio(mood)
    with pytest.raises(error, match=line):
        Microphone(device, 8000, channel, PATIENT)


def test_without_pyaudio_the_repair_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyaudio.py").write_text("raise ImportError('no such thing')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(ConfigError, match=r"PyAudio is not installed; .*portaudio19-dev.*pip install pyaudio"):
        list_devices(timeout_s=60.0)


def test_a_parent_that_sleeps_costs_whole_buffers_and_the_index_tells() -> None:
    recorder = Recorder(channels=1, position=0)
    buffer = array("f", [0.5] * 10).tobytes()
    most = recorder.records.maxsize
    for _ in range(most + 3):
        recorder.push(buffer, 10, overflow=False)
    for _ in range(most):
        recorder.records.get_nowait()
    recorder.push(buffer, 10, overflow=True)
    record = recorder.records.get_nowait()
    assert record.first == (most + 3) * 10
    assert record.overflow
