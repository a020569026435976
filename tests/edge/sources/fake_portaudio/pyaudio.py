"""A stand-in for PyAudio: two devices, and streams that behave as FAKE_PYAUDIO says.

`chatty` prints on both standard streams, as ALSA and JACK do; `unplugged` stops after some buffers; `refuses` does not
open; `none` has no device; `crashes` fails while it looks for devices.
"""

from __future__ import annotations

import os
import threading
import time
from array import array
from collections.abc import Callable
from typing import Any

paFloat32, paContinue, paInputOverflow = 1, 0, 2  # noqa: N816 - the names of PyAudio
MOOD = os.environ.get("FAKE_PYAUDIO", "")
DEVICES = [
    {"index": 0, "name": "Speaker", "maxInputChannels": 0, "defaultSampleRate": 48000.0},
    {"index": 1, "name": "Built-in", "maxInputChannels": 2, "defaultSampleRate": 44100.0},
    {"index": 2, "name": "Steth Pro", "maxInputChannels": 1, "defaultSampleRate": 16000.0},
]


class Stream:
    """Calls back with a ramp in each channel: sample k of channel c is k / 2^20 + c."""

    def __init__(self, channels: int, count: int, received: Callable[..., Any]) -> None:
        self._arguments = channels, count, received
        self._active = True
        threading.Thread(target=self._run, daemon=True).start()

    def is_active(self) -> bool:
        return self._active

    def _run(self) -> None:
        channels, count, received = self._arguments
        for turn in range(8 if MOOD == "unplugged" else 10_000):
            ramp = [(turn * count + k) / 2**20 + c for k in range(count) for c in range(channels)]
            received(array("f", ramp).tobytes(), count, {}, 0)
            time.sleep(0.005)
        self._active = False


class PyAudio:
    """What the capture program uses of it."""

    def __init__(self) -> None:
        if MOOD == "chatty":
            os.write(1, b"jack server is not running or cannot be started\n")
            os.write(2, b"ALSA lib confmisc.c:767:(parse_card) cannot find card '0'\n")

    def get_device_count(self) -> int:
        if MOOD == "crashes":
            raise RuntimeError("PortAudio not initialized")
        return 0 if MOOD == "none" else len(DEVICES)

    def get_device_info_by_index(self, index: int) -> dict[str, Any]:
        return DEVICES[index]

    def get_default_input_device_info(self) -> dict[str, Any]:
        if MOOD == "none":
            raise OSError("No Default Input Device Available")
        return DEVICES[1]

    def open(self, channels: int, frames_per_buffer: int, stream_callback: Callable[..., Any], **_: Any) -> Stream:
        if MOOD == "refuses":
            raise OSError(-9998, "Invalid number of channels")
        return Stream(channels, frames_per_buffer, stream_callback)
