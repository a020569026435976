"""A bridge with a device on a pty, and somebody who listens."""

from __future__ import annotations

import os
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from edge.settings.link import LinkSettings
from edge.settings.node import parse_config
from edge.sources.bridge import Bridge
from edge.sources.device_stream import LinkSource
from edge.sources.opening import open_source
from edge.sources.source import read_source
from edge.types import Block, Gap
from firmware_bridge import cobs
from firmware_bridge.messages import Hello, Samples, StreamInfo
from firmware_bridge.wire import Packet, encode
from tests.edge.conftest import PATIENCE_S

DEVICE, KEY = 0x1A2B3C4D, bytes(range(32))
HELLO = Hello((StreamInfo(0, 8_000_000, n_samples=160),), firmware="1.2.3")
N = 160


def settings(**link: object) -> LinkSettings:
    tree = {
        "streams": [{"id": "bed1", "source": "link:chest"}],
        "link": {"devices": [{"id": DEVICE, "name": "chest"}], **link},
    }
    section = parse_config(tree, "test").link
    assert section is not None
    return section


def sound(k: int, flags: int = 0, boot: int = 1, device: int = DEVICE) -> Packet:
    """Packet k of a device that counts on and on."""
    values = np.full((1, N), 1000 + k % 7, np.int16)
    return Packet(device, Samples(values), 0, flags, k & 0xFFFF, k * N, boot)


def hello(device: int = DEVICE) -> Packet:
    return Packet(device, HELLO, boot=1)


class Received:
    """A stream that is listened to in a thread of its own."""

    def __init__(self, source: LinkSource) -> None:
        self.source = source
        self.items: list[Block | Gap] = []
        self.error: Exception | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        try:
            self.items.extend(read_source(self.source, self._stop))
        except RuntimeError as error:
            self.error = error

    def samples(self) -> int:
        return sum(len(item.samples) for item in list(self.items) if isinstance(item, Block))

    def valid(self) -> list[set[bool]]:
        """What the samples of each packet are marked as, however many packets came as one block."""
        blocks = [item.valid for item in self.items if isinstance(item, Block)]
        return [set(part.tolist()) for part in np.concatenate(blocks).reshape(-1, N)]

    @property
    def is_over(self) -> bool:
        """Whether the source has ended by itself."""
        return not self._thread.is_alive()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(PATIENCE_S)
        self.source.close()


def wait_for(condition: Callable[[], object], what: str) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s, f"waited {PATIENCE_S:.0f} s for {what}"
        time.sleep(0.01)


@contextmanager
def listening(bridge: Bridge, text: str = "link:chest") -> Iterator[Received]:
    source = open_source(text, 8000, bridge=bridge)
    assert isinstance(source, LinkSource)
    received = Received(source)
    try:
        yield received
    finally:
        received.close()


class Port:
    """A pty; what is written on its master arrives at the bridge."""

    def __init__(self) -> None:
        self.master, slave = os.openpty()
        tty.setraw(slave)
        self.name = os.ttyname(slave)
        os.close(slave)

    def send(self, packet: Packet) -> None:
        os.write(self.master, cobs.encode(encode(packet)) + b"\0")
