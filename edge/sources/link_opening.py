"""Opens what the section `link` of the settings names: links, keys, a receiver, and the counters against replay.

Not for reading the links (`edge.sources.bridge`, `edge.commands.link_watch`). How far the authenticated packets of each
device had got lies on disk: without that file, whoever recorded packets could play them to a program that has just been
started. One that cannot be read counts as none, with a log line: the stream goes on, and the first authenticated packet
is accepted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from edge.errors import ConfigError, LaennecError
from edge.files import StateFile
from edge.settings.link import LinkSettings
from firmware_bridge import cobs
from firmware_bridge import links as link_loop
from firmware_bridge.auth import ReplayCounter, SealAuthenticator, read_key
from firmware_bridge.deframe import Deframer
from firmware_bridge.devices import Limits
from firmware_bridge.links.ble import BleOptions, BleTransport
from firmware_bridge.links.replay import Replay
from firmware_bridge.links.serial import Serial
from firmware_bridge.links.udp import Udp
from firmware_bridge.messages import Codec, Samples
from firmware_bridge.receive import Receiver, Settings
from firmware_bridge.records import LinkBytes
from firmware_bridge.wire import Packet, encode

INTERVAL_NS = 5_000_000_000  # between writes, unless a session begins


class ReplayCounters:
    """One small JSON file: key id, session and highest packet number by device id.

    Args:
        path: the file; None stores nothing.
    """

    def __init__(self, path: Path | None) -> None:
        effects = "replays are detected from now on", "after a restart old packets may be accepted"
        self._file: StateFile[dict[int, ReplayCounter]] | None = None
        if path is not None:
            self._file = StateFile(path, "link replay_counters", _counters, effects, is_durable=False)
        self._stored: Mapping[int, ReplayCounter] = {}
        self._stored_ns = 0

    def read(self) -> dict[int, ReplayCounter]:
        """What was stored, by device id; empty if there is nothing that can be read."""
        return {} if self._file is None else self._file.read() or {}

    def update(self, seen: Mapping[int, ReplayCounter], now_ns: int) -> None:
        """Write every `INTERVAL_NS`, and at once when a device begins a session.

        Args:
            seen: how far each device got, by id.
            now_ns: monotonic time.
        """
        sessions = {device: each.session for device, each in seen.items()}
        is_new = sessions != {device: each.session for device, each in self._stored.items()}
        if is_new or (now_ns - self._stored_ns >= INTERVAL_NS and seen != self._stored):
            self._stored_ns = now_ns
            self.write(seen)

    def write(self, seen: Mapping[int, ReplayCounter]) -> None:
        """Write now, if anything changed; a disk that fails is logged and does not stop the sound."""
        if self._file is not None and seen != self._stored:
            self._stored = dict(seen)
            self._file.write(json.dumps({f"{device:08x}": list(each) for device, each in seen.items()}).encode())


def _counters(content: bytes) -> dict[int, ReplayCounter]:
    try:
        tree = json.loads(content).items()
        return {int(device, 16): ReplayCounter(str(k), int(s), int(n)) for device, (k, s, n) in tree}
    except (TypeError, AttributeError) as error:
        raise ValueError(f"expected counters by device: {error}") from None


MAX_KEY_FILE = 4096  # bytes
CHOPPY_SHARE = 0.02  # with 1 % lost the detector misses a quarter of its events, with 5 % three quarters


class RetimedReplay:
    """A capture replayed with arrival times of now, as a device's are; with those of the recording it would be late.

    Args:
        capture: gives the pieces at the pace at which they were recorded.
    """

    def __init__(self, capture: Replay) -> None:
        self.name = capture.name
        self._capture = capture
        self._shift_ns: int | None = None

    def fileno(self) -> int | None:
        """None: there is no file descriptor to wait for, only time."""
        return None

    def receive(self) -> list[LinkBytes]:
        """Always empty; `tend` gives what is due."""
        return []

    @property
    def is_drained(self) -> bool:
        """Always true: nothing waits unread, as in the buffer of a port."""
        return True

    @property
    def is_over(self) -> bool:
        """Whether every piece was given."""
        return self._capture.is_over

    def tend(self, now_ns: int) -> list[LinkBytes]:
        """The pieces that are due, at the time that they are due."""
        pieces = self._capture.tend(now_ns)
        if pieces and self._shift_ns is None:
            self._shift_ns = now_ns - pieces[0].arrival_ns
        return [piece._replace(arrival_ns=piece.arrival_ns + (self._shift_ns or 0)) for piece in pieces]

    def send(self, content: bytes, peer: str = "") -> bool:
        """Refused: there is no device that would receive it."""
        return False

    @property
    def state(self) -> link_loop.TransportState:
        """Open until the end of the file."""
        return self._capture.state

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._capture.close()


def limits_of(settings: LinkSettings | None) -> Limits:
    """Limits beyond which a device has a condition; None stands for settings without a section `link`."""
    corrects = settings is None or settings.rate_error == "resample"
    return Limits(choppy_share=CHOPPY_SHARE, corrects_rate=corrects)


def open_receiver(settings: LinkSettings) -> Receiver:
    """A receiver without streams of the edge, for watching links; it accepts every device if none is listed.

    Raises:
        ConfigError: a key cannot be read.
    """
    allowed = frozenset(device.id for device in settings.devices) or None
    keys = read_keys(settings)
    return Receiver(Settings(allowed, limits=limits_of(settings), keys=keys), SealAuthenticator(keys))


def open_links(settings: LinkSettings) -> list[link_loop.Transport]:
    """The links of the settings; a port or device that is not there is retried.

    Raises:
        ConfigError: bleak is missing, or a port is written wrongly.
        SourceError: a port is used by another program, the UDP address is not available, or the capture cannot be read.
    """
    links: list[link_loop.Transport] = []
    try:
        for link in _links(settings):
            links.append(link)  # those before one that is refused are closed
    except LaennecError:
        for link in links:
            link.close()
        raise
    return links


def _links(settings: LinkSettings) -> Iterator[link_loop.Transport]:
    """Each link when it is open."""
    for port in settings.serial:
        yield Serial(port.port, port.baud)
    if settings.udp is not None:
        yield Udp(str(settings.udp.bind), settings.udp.port)
    for ble in settings.ble:
        yield BleTransport(ble.address, BleOptions(ble.notify))
    if settings.capture is not None:
        yield RetimedReplay(Replay(settings.capture))


def warm_up() -> None:
    """Compile the decoders' kernels before the first packet comes."""
    packet = Packet(1, Samples(np.zeros((1, 32), np.int16), Codec.RICE))
    Deframer().push(cobs.encode(encode(packet)) + b"\0")


def read_keys(settings: LinkSettings) -> dict[int, bytes]:
    """Secret keys of the devices that have one, by id.

    Raises:
        ConfigError: a file cannot be read or holds no key.
    """
    return {device.id: _key(device.key_file) for device in settings.devices if device.key_file is not None}


def _key(path: Path) -> bytes:
    try:
        with path.expanduser().open("rb") as file:
            text = file.read(MAX_KEY_FILE).decode("ascii", "replace").strip()
    except (OSError, RuntimeError) as error:
        raise ConfigError(f"link.devices: key_file {path} cannot be read: {error}") from None
    return read_key(text, f"link.devices: key_file {path}")
