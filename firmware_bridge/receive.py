"""Bytes of all links become sound of all devices: the bridge without threads, sockets and wall clock.

Not for opening links (`links`) and not for the model's rate (`edge.sources`). Pure, on the caller's clock. What comes
out follows from the pieces that went in and their times alone, however often `tick` was called between them, so that a
capture replays bit for bit. Bounded: links, devices and streams have a highest number, and what is refused is counted.
Where every device is accepted, one more takes the place of the one that was silent longest, of those without sound
first; one whose sound arrived within `PROTECTED_NS` keeps its place.

A stream begins once the device's hello has announced its rate; samples before that are dropped and counted, and the
hello is asked for.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from firmware_bridge.assemble import DATAGRAM_WINDOW, NO_REORDERING
from firmware_bridge.clock import ClockModel
from firmware_bridge.deframe import Authenticator, Deframer
from firmware_bridge.devices import Device, Limits
from firmware_bridge.downlink import Downlink
from firmware_bridge.messages import Clock, Command, Hello, HelloRequest, Log, Samples, Telemetry, Time, TimePing, Type
from firmware_bridge.records import END, Condition, Delivery, Item, LinkBytes, Outgoing
from firmware_bridge.report import DeviceReport, Report
from firmware_bridge.streams import ReceptionPolicy, Stream
from firmware_bridge.wire import Packet

MAX_DEVICES = 256
MAX_LINKS = 64
MAX_NAMED = 64  # refused device ids that are remembered, and logged
PROTECTED_NS = 10_000_000_000  # a device whose sound is younger is not evicted
REQUEST_NS = 2_000_000_000  # how often a device that sent no hello is asked for it
PING_NS = 30_000_000_000  # between two measurements of the round-trip time
WHOLE_DEVICE = -1  # stream of what concerns all streams

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """What the operator decides: devices allowed, channels, limits, keys."""

    allowed: frozenset[int] | None = None
    """Device ids that are accepted; None for all."""
    channels: Mapping[tuple[int, int], int] = field(default_factory=dict)
    """Channel to take, from 0, by (device id, stream); 0 where none is given."""
    limits: Limits = field(default_factory=Limits)
    keys: Mapping[int, bytes] = field(default_factory=dict)
    """Secrets of the devices that have one, to seal commands with; what they send goes to the authenticator."""


class _DeviceEntry:
    """A device with its streams and where to find it."""

    def __init__(self, device: Device, downlink: Downlink) -> None:
        self.device = device
        self.streams: dict[int, Stream] = {}
        self.link = self.peer = ""
        self.received_ns = self.unannounced = 0
        self.requested_ns = self.pinged_ns = -PING_NS
        self.ping = -1  # token that is waited for
        self.downlink = downlink
        self.round_trip_ms: float | None = None

    def has_sound_since(self, at_ns: int) -> bool:
        """Whether sound came, and some of it after `at_ns`."""
        return any(stream.has_sound_since(at_ns) for stream in self.streams.values())


class Receiver:
    """Many devices on many links.

    Args:
        settings: choices of the operator.
        authenticator: whether a packet is authentic; one for all links.
        token: makes numbers that nobody guesses, for pings.
        wall_s: seconds since 1970; numbers sealed commands, so that they rise across restarts of this program.
    """

    def __init__(
        self,
        settings: Settings,
        authenticator: Authenticator | None = None,
        token: Callable[[], int] = lambda: secrets.randbits(63),
        wall_s: Callable[[], float] = time.time,
    ) -> None:
        self._settings, self._authenticator, self._token, self._wall_s = settings, authenticator, token, wall_s
        self._deframers: dict[str, Deframer] = {}
        self._entries: dict[int, _DeviceEntry] = {}
        self._refused: dict[int, int] = {}  # the one that sent last is the last
        self._named = 0  # refused devices that were named in the log

    def feed(self, piece: LinkBytes) -> list[Delivery]:
        """Take what a link delivered; what follows from it, in order for each stream."""
        if piece.link == END:
            return self.tick(piece.arrival_ns)
        deframer = self._deframers.get(piece.link)
        if deframer is None:
            if len(self._deframers) >= MAX_LINKS:
                return []
            deframer = self._deframers[piece.link] = Deframer(self._authenticator)
        if not piece.is_stream:
            packets = deframer.push_datagram(piece.content) if piece.content else []
        elif piece.content:
            packets = deframer.push(piece.content)
        else:
            deframer.reset()
            packets = []
        return [delivery for packet in packets for delivery in self._on_packet(packet, piece)]

    def tick(self, now_ns: int) -> list[Delivery]:
        """Check timeouts: packets waited for are given up, silence becomes a condition."""
        return [delivery for entry in self._entries.values() for delivery in self._tick(entry, now_ns)]

    def flush(self) -> list[Delivery]:
        """End of all links: the sound that still waited for overtaken packets."""
        out = []
        for entry in self._entries.values():
            for number, stream in entry.streams.items():
                out += _deliveries(entry, number, entry.received_ns, stream.flush(entry.device.conditions.measurable))
        return out

    def outgoing(self, now_ns: int) -> list[Outgoing]:
        """Commands that are due: asking for a missing hello, and measuring the round-trip time."""
        out: list[Outgoing] = []
        for entry in self._entries.values():
            if entry.device.hello is None and now_ns - entry.requested_ns >= REQUEST_NS:
                entry.requested_ns = now_ns
                out += entry.downlink.command(Command((HelloRequest(),)), entry.link, entry.peer)
            if entry.device.hello is not None and now_ns - entry.pinged_ns >= PING_NS:
                entry.pinged_ns, entry.ping = now_ns, self._token()
                out += entry.downlink.command(Command((TimePing(entry.ping),)), entry.link, entry.peer)
        return out

    def clock(self, device_id: int, stream: int) -> ClockModel | None:
        """The clock of a stream's present epoch; None if the stream is not known."""
        entry = self._entries.get(device_id)
        found = entry.streams.get(stream) if entry else None
        return found.clock if found else None

    def report(self) -> Report:
        """State of all devices and links now."""
        devices = (_report(entry) for _, entry in sorted(self._entries.items()))
        counts = {name: replace(deframer.counts) for name, deframer in self._deframers.items()}
        return Report(tuple(devices), dict(self._refused), counts)

    def _on_packet(self, packet: Packet, piece: LinkBytes) -> Iterable[Delivery]:
        if packet.type >= Type.COMMAND:  # from a host, such as our own command sent back: no device sends that
            return []
        entry = self._entry(packet.device_id, piece.arrival_ns)
        if entry is None:
            return []
        entry.link, entry.peer, entry.received_ns = piece.link, piece.peer, piece.arrival_ns
        if packet.seal is not None:
            entry.downlink.session = packet.seal.session
        stream = entry.streams.get(packet.stream)
        if stream is not None:
            stream.count(packet)
        if isinstance(packet.content, Samples) or packet.type == Type.SAMPLES:
            if stream is None:
                entry.unannounced += 1
                return []
            items = stream.push(packet, piece.arrival_ns, entry.device.conditions.measurable)
            return _deliveries(entry, packet.stream, piece.arrival_ns, items)
        return [*self._tick(entry, piece.arrival_ns), *self._on_other(entry, packet, piece)]

    def _on_other(self, entry: _DeviceEntry, packet: Packet, piece: LinkBytes) -> list[Delivery]:
        """Take a packet that is not sound."""
        content, now_ns = packet.content, piece.arrival_ns
        match content:
            case Hello():
                return self._announce(entry, content, piece)
            case Telemetry():
                stream = entry.streams.get(packet.stream)
                if stream is not None and content.clock is not None:
                    stream.pair(content.clock, packet.boot)
                return _deliveries(entry, WHOLE_DEVICE, now_ns, entry.device.take(content, packet.boot, now_ns))
            case Log():
                return [Delivery(entry.device.device_id, WHOLE_DEVICE, now_ns, content)]
            case Time(token, Clock()) if token == entry.ping:
                entry.round_trip_ms, entry.ping = (now_ns - entry.pinged_ns) / 1e6, -1
        return []

    def _announce(self, entry: _DeviceEntry, hello: Hello, piece: LinkBytes) -> list[Delivery]:
        """A stream that is new, or not what it was, begins."""
        entry.device.hello = hello
        out: list[Delivery] = []
        kind = piece.link.partition(":")[0]
        for info in hello.streams:
            old = entry.streams.get(info.stream)
            if old is not None and old.info == info:
                continue
            items: list[Item | Condition] = []
            if old is not None:
                items += old.flush(entry.device.conditions.measurable)
                items += old.conditions.end("the device says that the stream is another now")
            channel = self._settings.channels.get((entry.device.device_id, info.stream))
            policy = ReceptionPolicy(DATAGRAM_WINDOW if kind == "udp" else NO_REORDERING, kind == "ble", channel)
            stream = entry.streams[info.stream] = Stream(info, policy, self._settings.limits)
            out += _deliveries(entry, info.stream, piece.arrival_ns, items)
            out.append(Delivery(entry.device.device_id, info.stream, piece.arrival_ns, info))
            out += _deliveries(entry, info.stream, piece.arrival_ns, stream.begin())
        return out

    def _tick(self, entry: _DeviceEntry, now_ns: int) -> list[Delivery]:
        measurable, out = entry.device.conditions.measurable, []
        for number, stream in entry.streams.items():
            out += _deliveries(entry, number, now_ns, stream.tick(now_ns, measurable))
        return out

    def _entry(self, device_id: int, now_ns: int) -> _DeviceEntry | None:
        """The device, if it is accepted."""
        entry = self._entries.get(device_id)
        if entry is not None:
            return entry
        allowed = self._settings.allowed
        if allowed is not None and device_id not in allowed:
            self._refuse(device_id, "not in the list of allowed devices")
            return None
        if len(self._entries) >= MAX_DEVICES and not self._evict(now_ns):
            self._refuse(device_id, "too many devices")
            return None
        self._refused.pop(device_id, None)
        downlink = Downlink(device_id, self._settings.keys.get(device_id), self._wall_s)
        entry = self._entries[device_id] = _DeviceEntry(Device(device_id, self._settings.limits), downlink)
        return entry

    def _evict(self, now_ns: int) -> bool:
        """Forget the silent device without sound, or silent longest; whether there was one."""
        idle = [each for each in self._entries.values() if not each.has_sound_since(now_ns - PROTECTED_NS)]
        if not idle:
            return False
        least = min(idle, key=lambda each: (each.has_sound_since(0), each.received_ns))
        del self._entries[least.device.device_id]
        return True

    def _refuse(self, device_id: int, why: str) -> None:
        """Count a packet of a device that is not accepted; the first devices are logged by id."""
        count = self._refused.pop(device_id, 0)
        if not count and self._named < MAX_NAMED:
            self._named += 1
            logger.warning('device=%08x refused cause="%s"', device_id, why)
        if len(self._refused) >= MAX_NAMED:
            del self._refused[next(iter(self._refused))]
        self._refused[device_id] = count + 1


def _deliveries(entry: _DeviceEntry, stream: int, now_ns: int, items: Iterable[Item | Condition]) -> list[Delivery]:
    return [Delivery(entry.device.device_id, stream, now_ns, item) for item in items]


def _report(entry: _DeviceEntry) -> DeviceReport:
    device = entry.device
    return DeviceReport(
        device_id=device.device_id,
        link=entry.link,
        peer=entry.peer,
        hello=device.hello,
        telemetry=device.telemetry,
        received_ns=entry.received_ns,
        unannounced=entry.unannounced,
        round_trip_ms=entry.round_trip_ms,
        streams=tuple(stream.report() for _, stream in sorted(entry.streams.items())),
        conditions=device.conditions.lasting,
    )
