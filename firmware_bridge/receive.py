"""Bytes of all links become sound of all devices: the bridge without its threads, sockets and wall clock.

Not for opening links (`links`) and not for the model's rate (`edge.sources`). Pure, on the caller's clock. What comes
out follows from the chunks that went in and their times alone, however often `tick` was called between them, so that a
capture replays bit for bit. Bounded: links, devices and streams have a highest number, and what is refused is counted.
Where every device is believed, one more takes the place of the one that was silent longest, of those without sound
first; one whose sound was heard within `KEPT_NS` keeps its place.

A stream is heard once the device's hello told its rate; samples before that are dropped and counted, and the hello is
asked for.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from firmware_bridge.assemble import DATAGRAMS, IN_ORDER
from firmware_bridge.clock import ClockModel
from firmware_bridge.deframe import Deframer, Judge
from firmware_bridge.devices import Device, Limits
from firmware_bridge.downlink import Downlink
from firmware_bridge.messages import Clock, Command, Hello, HelloRequest, Log, Samples, Telemetry, Time, TimePing, Type
from firmware_bridge.records import END, Chunk, Condition, Heard, Item, Outgoing
from firmware_bridge.report import DeviceReport, Report
from firmware_bridge.streams import Manner, Stream
from firmware_bridge.wire import Packet

MAX_DEVICES = 256
MAX_LINKS = 64
MAX_NAMED = 64  # refused device ids that are remembered, and told
KEPT_NS = 10_000_000_000
ASK_NS = 2_000_000_000  # how often a device that has not said what it is is asked
PING_NS = 30_000_000_000
WHOLE_DEVICE = -1  # stream of what concerns all streams

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """What the operator chose."""

    allowed: frozenset[int] | None = None
    """Device ids that are heard; None for all."""
    channels: Mapping[tuple[int, int], int] = field(default_factory=dict)
    """Channel to hear, from 0, by (device id, stream); 0 where nothing is said."""
    limits: Limits = field(default_factory=Limits)
    keys: Mapping[int, bytes] = field(default_factory=dict)
    """Secrets of the devices that have one, to seal commands with; what they send the judge judges."""


class _Member:
    """A device with its streams and where to find it."""

    def __init__(self, device: Device, downlink: Downlink) -> None:
        self.device = device
        self.streams: dict[int, Stream] = {}
        self.link = self.peer = ""
        self.heard_ns = self.unannounced = 0
        self.asked_ns = self.pinged_ns = -PING_NS
        self.ping = -1  # token that is waited for
        self.downlink = downlink
        self.round_trip_ms: float | None = None

    def sounds_since(self, at_ns: int) -> bool:
        """Whether sound came, and some of it after `at_ns`."""
        return any(stream.heard_since(at_ns) for stream in self.streams.values())


class Receiver:
    """Many devices on many links.

    Args:
        settings: what the operator chose.
        judge: whether a packet may be believed; one for all links.
        token: makes numbers that nobody guesses, for pings.
        wall_s: seconds since 1970; numbers sealed commands, so that they rise across restarts of this program.
    """

    def __init__(
        self,
        settings: Settings,
        judge: Judge | None = None,
        token: Callable[[], int] = lambda: secrets.randbits(63),
        wall_s: Callable[[], float] = time.time,
    ) -> None:
        """Nothing was heard yet."""
        self._settings, self._judge, self._token, self._wall_s = settings, judge, token, wall_s
        self._deframers: dict[str, Deframer] = {}
        self._members: dict[int, _Member] = {}
        self._refused: dict[int, int] = {}  # the one that was heard last is the last
        self._told = 0  # refused devices that were named in the log

    def feed(self, chunk: Chunk) -> list[Heard]:
        """Take what a link delivered; what follows from it, in order for each stream."""
        if chunk.link == END:
            return self.tick(chunk.arrival_ns)
        deframer = self._deframers.get(chunk.link)
        if deframer is None:
            if len(self._deframers) >= MAX_LINKS:
                return []
            deframer = self._deframers[chunk.link] = Deframer(self._judge)
        if not chunk.is_stream:
            packets = deframer.push_datagram(chunk.content) if chunk.content else []
        elif chunk.content:
            packets = deframer.push(chunk.content)
        else:
            deframer.reset()
            packets = []
        return [heard for packet in packets for heard in self._hear(packet, chunk)]

    def tick(self, now_ns: int) -> list[Heard]:
        """Let time pass: what was waited for is given up, silence becomes a condition."""
        return [heard for member in self._members.values() for heard in self._tick(member, now_ns)]

    def flush(self) -> list[Heard]:
        """End: give what waits."""
        out = []
        for member in self._members.values():
            for number, stream in member.streams.items():
                out += _heard(member, number, member.heard_ns, stream.flush(member.device.conditions.measurable))
        return out

    def outgoing(self, now_ns: int) -> list[Outgoing]:
        """Commands that are due: who a device is that has not said it, and how long the way to it is."""
        out: list[Outgoing] = []
        for member in self._members.values():
            if member.device.hello is None and now_ns - member.asked_ns >= ASK_NS:
                member.asked_ns = now_ns
                out += member.downlink.order(Command((HelloRequest(),)), member.link, member.peer)
            if member.device.hello is not None and now_ns - member.pinged_ns >= PING_NS:
                member.pinged_ns, member.ping = now_ns, self._token()
                out += member.downlink.order(Command((TimePing(member.ping),)), member.link, member.peer)
        return out

    def clock(self, device_id: int, stream: int) -> ClockModel | None:
        """The clock of a stream's present epoch; None if the stream is not known."""
        member = self._members.get(device_id)
        found = member.streams.get(stream) if member else None
        return found.clock if found else None

    def report(self) -> Report:
        """How everything is now."""
        devices = (_report(member) for _, member in sorted(self._members.items()))
        counts = {name: replace(deframer.counts) for name, deframer in self._deframers.items()}
        return Report(tuple(devices), dict(self._refused), counts)

    def _hear(self, packet: Packet, chunk: Chunk) -> Iterable[Heard]:
        if packet.type >= Type.COMMAND:  # from a host, such as our own order sent back: no device says that
            return []
        member = self._member(packet.device_id, chunk.arrival_ns)
        if member is None:
            return []
        member.link, member.peer, member.heard_ns = chunk.link, chunk.peer, chunk.arrival_ns
        if packet.seal is not None:
            member.downlink.session = packet.seal.session
        stream = member.streams.get(packet.stream)
        if stream is not None:
            stream.number(packet)
        if isinstance(packet.content, Samples) or packet.type == Type.SAMPLES:
            if stream is None:
                member.unannounced += 1
                return []
            items = stream.push(packet, chunk.arrival_ns, member.device.conditions.measurable)
            return _heard(member, packet.stream, chunk.arrival_ns, items)
        return [*self._tick(member, chunk.arrival_ns), *self._note(member, packet, chunk)]

    def _note(self, member: _Member, packet: Packet, chunk: Chunk) -> list[Heard]:
        """Take a packet that is not sound."""
        content, now_ns = packet.content, chunk.arrival_ns
        match content:
            case Hello():
                return self._announce(member, content, chunk)
            case Telemetry():
                stream = member.streams.get(packet.stream)
                if stream is not None and content.clock is not None:
                    stream.pair(content.clock, packet.boot)
                return _heard(member, WHOLE_DEVICE, now_ns, member.device.take(content, packet.boot, now_ns))
            case Log():
                return [Heard(member.device.device_id, WHOLE_DEVICE, now_ns, content)]
            case Time(token, Clock()) if token == member.ping:
                member.round_trip_ms, member.ping = (now_ns - member.pinged_ns) / 1e6, -1
        return []

    def _announce(self, member: _Member, hello: Hello, chunk: Chunk) -> list[Heard]:
        """A stream that is new, or not what it was, begins."""
        member.device.hello = hello
        out: list[Heard] = []
        kind = chunk.link.partition(":")[0]
        for info in hello.streams:
            old = member.streams.get(info.stream)
            if old is not None and old.info == info:
                continue
            items: list[Item | Condition] = []
            if old is not None:
                items += old.flush(member.device.conditions.measurable)
                items += old.conditions.end("the device says that the stream is another now")
            channel = self._settings.channels.get((member.device.device_id, info.stream))
            manner = Manner(DATAGRAMS if kind == "udp" else IN_ORDER, kind == "ble", channel)
            stream = member.streams[info.stream] = Stream(info, manner, self._settings.limits)
            out += _heard(member, info.stream, chunk.arrival_ns, items)
            out.append(Heard(member.device.device_id, info.stream, chunk.arrival_ns, info))
            out += _heard(member, info.stream, chunk.arrival_ns, stream.begin())
        return out

    def _tick(self, member: _Member, now_ns: int) -> list[Heard]:
        measurable, out = member.device.conditions.measurable, []
        for number, stream in member.streams.items():
            out += _heard(member, number, now_ns, stream.tick(now_ns, measurable))
        return out

    def _member(self, device_id: int, now_ns: int) -> _Member | None:
        """The device, if it may be heard."""
        member = self._members.get(device_id)
        if member is not None:
            return member
        allowed = self._settings.allowed
        if allowed is not None and device_id not in allowed:
            self._refuse(device_id, "not in the list of allowed devices")
            return None
        if len(self._members) >= MAX_DEVICES and not self._make_room(now_ns):
            self._refuse(device_id, "too many devices")
            return None
        self._refused.pop(device_id, None)
        downlink = Downlink(device_id, self._settings.keys.get(device_id), self._wall_s)
        member = self._members[device_id] = _Member(Device(device_id, self._settings.limits), downlink)
        return member

    def _make_room(self, now_ns: int) -> bool:
        """Forget the device that is missed least; whether there was one."""
        idle = [each for each in self._members.values() if not each.sounds_since(now_ns - KEPT_NS)]
        if not idle:
            return False
        least = min(idle, key=lambda each: (each.sounds_since(0), each.heard_ns))
        del self._members[least.device.device_id]
        return True

    def _refuse(self, device_id: int, why: str) -> None:
        """Count a packet of a device that is not heard; the first devices are named."""
        count = self._refused.pop(device_id, 0)
        if not count and self._told < MAX_NAMED:
            self._told += 1
            logger.warning('device=%08x refused cause="%s"', device_id, why)
        if len(self._refused) >= MAX_NAMED:
            del self._refused[next(iter(self._refused))]
        self._refused[device_id] = count + 1


def _heard(member: _Member, stream: int, now_ns: int, items: Iterable[Item | Condition]) -> list[Heard]:
    return [Heard(member.device.device_id, stream, now_ns, item) for item in items]


def _report(member: _Member) -> DeviceReport:
    device = member.device
    return DeviceReport(
        device_id=device.device_id,
        link=member.link,
        peer=member.peer,
        hello=device.hello,
        telemetry=device.telemetry,
        heard_ns=member.heard_ns,
        unannounced=member.unannounced,
        round_trip_ms=member.round_trip_ms,
        streams=tuple(stream.report() for _, stream in sorted(member.streams.items())),
        conditions=device.conditions.lasting,
    )
