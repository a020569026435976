"""The child process that owns PortAudio: records go out through a pipe (`edge.sources.capture_pipe`).

    python -m edge.sources.capture --list
    python -m edge.sources.capture [--device NAME] [--channel N] [--rate HZ]

A process of its own, because PortAudio looks for devices once, when it is loaded, and may hang in a driver whose device
was pulled out: the parent kills the child and starts another. Not for resampling, gaps or retries: those are the
parent's. Invariant: nothing but records reaches the pipe, whatever the libraries print; a buffer that does not fit the
queue is dropped whole, and the index of the next one shows it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import queue
import sys
import time
from array import array
from dataclasses import replace
from typing import Any, NoReturn

from edge.errors import ConfigError, SourceError
from edge.sources.capture_pipe import Device, Kind, Record, choose, to_json
from edge.sources.source import check_channel

BUFFER_S = 0.05  # PortAudio calls back this often
QUEUE_S = 10.0  # sound that may wait for the parent
DEAD_S = 2.0  # without a callback for so long, the device is gone
HEARTBEAT_S = 0.5  # how often a silent pipe is tried, to notice a parent that died
MISSING = (
    "PyAudio is not installed; sudo apt install gcc python3-dev portaudio19-dev, then: "
    f"{sys.executable} -m pip install pyaudio"
)


class Recorder:
    """Takes buffers from PortAudio's thread, gives records to the one that writes."""

    def __init__(self, channels: int, position: int) -> None:
        """Keep channel `position` (from 0) of `channels` interleaved ones."""
        self._channels, self._position = channels, position
        self._first = 0
        self.records: queue.Queue[Record] = queue.Queue(round(QUEUE_S / BUFFER_S))
        self.called_s = time.monotonic()

    def push(self, frames: bytes, count: int, overflow: bool) -> None:
        """Called by PortAudio with `count` samples of each channel, float32."""
        self.called_s = time.monotonic()
        if self._channels > 1:
            frames = array("f", frames)[self._position :: self._channels].tobytes()
        with contextlib.suppress(queue.Full):  # the parent is too slow; it sees the jump of the index
            self.records.put_nowait(Record(Kind.AUDIO, frames, self._first, time.monotonic_ns(), overflow))
        self._first += count


def find_devices(audio: Any) -> list[Device]:
    """All devices with an input, as PortAudio numbers them."""
    try:
        default = int(audio.get_default_input_device_info()["index"])
    except OSError:
        default = -1
    found = []
    for index in range(audio.get_device_count()):
        info = audio.get_device_info_by_index(index)
        if info["maxInputChannels"] > 0:
            rate_hz, name = round(info["defaultSampleRate"]), str(info["name"])
            found.append(Device(index, name, int(info["maxInputChannels"]), rate_hz, index == default))
    return found


def record(options: argparse.Namespace, pipe: int) -> NoReturn:
    """Open a device and write what it gives, until it fails or the parent is gone.

    Args:
        options: device, channel, rate_hz (0 for the one that the device prefers).
        pipe: file descriptor to write to.

    Raises:
        ConfigError: if PyAudio or the channel is missing.
        SourceError: if the device is missing, refuses, or stops.
    """
    pyaudio, audio = _portaudio()
    device = choose(find_devices(audio), options.device)
    device = replace(device, rate_hz=options.rate or device.rate_hz)
    channels = 1 if options.channel is None else device.channels
    recorder = Recorder(channels, check_channel(options.channel, channels, f"mic:{device.name}"))

    def on_buffer(frames: bytes, count: int, _time: Any, status: int) -> tuple[None, int]:
        recorder.push(frames, count, bool(status & pyaudio.paInputOverflow))
        return None, pyaudio.paContinue

    try:
        stream = audio.open(
            rate=device.rate_hz,
            channels=channels,
            format=pyaudio.paFloat32,
            input=True,
            input_device_index=device.index,
            frames_per_buffer=max(1, round(BUFFER_S * device.rate_hz)),
            stream_callback=on_buffer,
        )
    except (OSError, ValueError) as error:
        raise _refusal(device, options.channel, error) from error
    _write(pipe, Record(Kind.HELLO, to_json([device])))
    while stream.is_active() and time.monotonic() - recorder.called_s < DEAD_S:
        try:
            _write(pipe, recorder.records.get(timeout=HEARTBEAT_S))
        except queue.Empty:
            _write(pipe, Record(Kind.HEARTBEAT))
    raise SourceError(f"mic:{device.name}: gives no sound any more; was it unplugged?")


def _refusal(device: Device, channel: int | None, error: Exception) -> SourceError:
    """Why a device does not open, and what to try; a stereo device may refuse to record one channel."""
    hint = "" if device.channels == 1 or channel else f", or choose one, channel 1 to {device.channels}"
    return SourceError(
        f"mic:{device.name}: cannot be opened at {device.rate_hz} Hz ({error}); close other programs that use it{hint}"
    )


def main(arguments: list[str]) -> None:
    """Run as a child; ends the process without asking PortAudio, which may hang."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--device", default="")
    parser.add_argument("--channel", type=int)
    parser.add_argument("--rate", type=int, default=0)
    options = parser.parse_args(arguments)
    pipe = os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (1, 2):  # ALSA and JACK print to both
        os.dup2(nowhere, descriptor)
    try:
        _write(pipe, _answer(options, pipe))
    except BrokenPipeError:
        pass  # the parent is gone
    finally:
        os._exit(0)


def _answer(options: argparse.Namespace, pipe: int) -> Record:
    """Carry the command out; the last record, which says how it ended."""
    try:
        if options.list:
            return Record(Kind.DEVICES, to_json(find_devices(_portaudio()[1])))
        record(options, pipe)
    except BrokenPipeError:
        raise
    except ConfigError as error:
        return Record(Kind.CONFIG_ERROR, str(error).encode())
    except SourceError as error:
        return Record(Kind.SOURCE_ERROR, str(error).encode())
    except Exception as error:
        return Record(Kind.SOURCE_ERROR, f"the audio system failed: {error!r}".encode())


def _portaudio() -> tuple[Any, Any]:
    """The module and an instance of it."""
    os.environ["JACK_NO_START_SERVER"] = "1"  # asking JACK must not start it
    try:
        import pyaudio
    except ImportError as error:
        raise ConfigError(MISSING) from error
    return pyaudio, pyaudio.PyAudio()


def _write(pipe: int, record: Record) -> None:
    rest = memoryview(record.to_bytes())
    while rest:
        rest = rest[os.write(pipe, rest) :]


if __name__ == "__main__":
    main(sys.argv[1:])
