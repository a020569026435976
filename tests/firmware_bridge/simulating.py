"""Runs the simulated device and the real links for tests: what it played, what was heard, what it says it did."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import tempfile
import time
import wave
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.types import Block, Gap
from firmware_bridge.auth import SealAuthenticator
from firmware_bridge.links import TEND_S, Transport, serve
from firmware_bridge.receive import Receiver, Settings
from firmware_bridge.records import Condition, Delivery, Epoch, LinkBytes
from firmware_bridge.sim import build

DEVICE_ID = 0x5E000001
PACKET = 160  # samples, 20 ms at 8 kHz
GRACE_S = 0.3
LONGEST_S = 600.0

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")


@cache
def program() -> Path:
    """The simulated device, built once."""
    return build(Path(tempfile.gettempdir()) / "laennec-sim")


def write_wav(path: Path, values: NDArray[np.int16], rate_hz: int = 8000) -> Path:
    """A WAV of (N,) or (N, C) samples."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if values.ndim == 1 else values.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(values.astype("<i2").tobytes())
    return path


def noise(count: int, seed: int = 1, loudest: int = 9000) -> NDArray[np.int16]:
    """Smooth random sound: (count,) samples."""
    steps = np.random.default_rng(seed).normal(0, 1, count + 16)
    sound = np.convolve(steps, np.hanning(17), "valid")
    return np.round(sound / np.abs(sound).max() * loudest).astype(np.int16)


@dataclass(frozen=True)
class Run:
    """What came of one run."""

    received: list[Delivery]
    """In order of arrival; what concerns whole devices and all streams."""
    tally: dict[str, Any]
    """The device's own account."""
    receiver: Receiver

    def items(self, stream: int = 0, device: int = DEVICE_ID) -> list[Block | Gap | Epoch]:
        """Sound of one stream."""
        mine = (one.item for one in self.received if (one.device_id, one.stream) == (device, stream))
        return [item for item in mine if isinstance(item, (Block, Gap, Epoch))]

    @property
    def conditions(self) -> list[tuple[str, bool]]:
        """Changes, in order."""
        return [(one.item.name, one.item.active) for one in self.received if isinstance(one.item, Condition)]


class Device:
    """The simulated device as a child process."""

    def __init__(self, *arguments: object) -> None:
        """Start it; `place` is the name of its pty."""
        command = [str(program()), *map(str, arguments)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.place = self.process.stdout.readline().strip()

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def tally(self) -> dict[str, Any]:
        """Wait for its end; its account."""
        assert self.process.stdout is not None
        out = self.process.stdout.read()
        assert self.process.wait(LONGEST_S) == 0
        tally: dict[str, Any] = json.loads(out)
        return tally


def listen(
    device: Device,
    links: Sequence[Transport],
    authenticator: SealAuthenticator | None = None,
    keys: Mapping[int, bytes] | None = None,
    is_passed_on: Callable[[], bool] = lambda: True,
    is_enough: Callable[[Receiver], bool] = lambda _: False,
) -> Run:
    """Hear a device until it has ended and the links are gone, or silent for `GRACE_S`.

    Args:
        device: that plays.
        links: that it is heard on.
        authenticator: of what it sends.
        keys: that commands to it are sealed with.
        is_passed_on: whether nothing of what it sent is still on its way to the links.
        is_enough: ends the device before all is played.
    """
    receiver = Receiver(Settings(keys=keys or {}), authenticator)
    received: list[Delivery] = []
    begin_s, is_asked_to_end = time.monotonic(), False
    silent = 0  # looks in a row: any time may lie between two of them

    def feed_items(pieces: list[LinkBytes]) -> None:
        nonlocal silent
        silent = 0
        for piece in pieces:
            received.extend(receiver.feed(piece))

    def tick(now_ns: int) -> None:
        received.extend(receiver.tick(now_ns))
        for link, peer, content in receiver.outgoing(now_ns):
            next(one for one in links if one.name == link).send(content, peer)

    def is_over() -> bool:
        nonlocal silent, is_asked_to_end
        if not is_asked_to_end and is_enough(receiver):  # asked twice, it would end without its account
            is_asked_to_end = True
            device.process.terminate()
        silent = silent + 1 if device.process.poll() is not None and is_passed_on() else 0
        is_gone = silent and not any(link.state.is_open for link in links)  # and its name perhaps another device's
        return bool(is_gone) or silent > GRACE_S / TEND_S or time.monotonic() > begin_s + LONGEST_S

    asyncio.run(serve(links, feed_items, tick, is_over))
    received.extend(receiver.flush())
    return Run(received, device.tally(), receiver)


def check_sound(run: Run, sound: NDArray[np.int16], boot: int = 1, base: int = 0) -> None:
    """The sound of an epoch is what was played, whole, masked exactly where the device says that packets went missing.

    What came too late, because this machine was busy, is masked too: as many packets as the bridge counts as late.

    Args:
        run: what was heard.
        sound: (N,) samples that were played from the epoch's begin on.
        boot: which epoch.
        base: counter of the first sample.
    """
    late = run.receiver.report().devices[0].streams[0].counts.late
    valid = np.ones(len(sound), np.bool_)
    for _device, stream, of_boot, index, n in run.tally["missing"]:
        if stream == 0 and of_boot == boot:
            valid[index - base : index - base + n] = False
    items = run.items()
    begin = next(k for k, item in enumerate(items) if isinstance(item, Epoch) and item.boot == boot)
    at = items[begin].start
    heard_valid = np.zeros(len(sound), np.bool_)
    for item in items[begin + 1 :]:
        if isinstance(item, Epoch):
            break
        assert item.start == at
        at = item.stop
        if isinstance(item, Block):
            places = np.arange(item.start, item.stop)[item.valid] - base
            heard_valid[places] = True
            assert np.array_equal(item.samples[item.valid], sound[places] / np.float32(32768))
    assert not (heard_valid & ~valid).any()
    assert (valid & ~heard_valid).sum() == late * PACKET
