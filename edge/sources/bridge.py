"""Joins `firmware_bridge` to the edge: one thread reads all links, every stream gets its sound through a mailbox.

Not for packets, gaps, clocks or conditions (`firmware_bridge`), and not for the model's rate (`edge.sources.linked`).
The thread only moves bytes and fills mailboxes; it never waits for a stream: one that is too slow loses
its own sound and nobody else's. The replay counters of sealed packets are kept on disk, so that a restart of this
program accepts no replay.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from edge.errors import ConfigError
from edge.settings.link import LinkSettings, shown_id
from edge.sources.link_opening import limits_of, open_links, read_keys, warm_up
from edge.sources.linked import LinkSource, Manner
from edge.sources.mailbox import Count, End
from edge.sources.monitored import ConditionLog, trouble_of, vitals_of
from edge.sources.replay_counters import SeenFile
from edge.sources.vitals import Trouble
from edge.types import Block, Gap
from firmware_bridge import links as link_loop
from firmware_bridge.auth import SealAuthenticator
from firmware_bridge.messages import Log, StreamInfo
from firmware_bridge.receive import Receiver, Settings
from firmware_bridge.records import Chunk, Condition, Delivery, Epoch
from firmware_bridge.report import DeviceReport, Report

TELL_NS = 500_000_000  # how often conditions and readings are handed to the streams
END_S = 2.0

Place = tuple[int, int]  # device id, stream
logger = logging.getLogger(__name__)


class Bridge:
    """All links of this machine.

    Args:
        settings: the section `link`.
        links: what is read.
        rate_hz: rate of the model, Hz.
        keys: secrets of the devices that have one.
        seen: where their replay counters are kept.
    """

    def __init__(
        self,
        settings: LinkSettings,
        links: Sequence[link_loop.Transport],
        rate_hz: int,
        keys: Mapping[int, bytes],
        seen: SeenFile,
    ) -> None:
        """Nothing is read before a source is listened to."""
        self._settings, self._links = settings, {link.name: link for link in links}
        self._keys, self._authenticator, self._seen = keys, SealAuthenticator(keys, seen.read()), seen
        self._manner = Manner(rate_hz, settings.rate_error)
        self._sources: dict[Place, LinkSource] = {}
        self._channels: dict[Place, int] = {}
        self._infos: dict[Place, StreamInfo] = {}
        self._counts: dict[Place, Count] = {}
        self._told_ns = 0
        self._log = ConditionLog(logger)
        self._thread: threading.Thread | None = None
        self._mutex = threading.Lock()  # of starting and leaving
        self._over = threading.Event()
        self._wanted = 0
        self._error: Exception | None = None

    def source(self, text: str, channel: int | None = None) -> LinkSource:
        """The source that a stream names; to be asked for before any of them is listened to.

        Raises:
            ConfigError: no such device or channel, or two streams want the same one.
        """
        place = self._settings.place(text)
        if place in self._sources:
            raise ConfigError(f"{text}: two streams want it; a stream of a device can be heard once")
        source = LinkSource(text, shown_id(place[0]), self._manner, self)
        self._sources[place], self._channels[place] = source, (channel or 1) - 1
        self._wanted += 1
        return source

    def start(self) -> None:
        """Begin to read all links; later calls do nothing."""
        with self._mutex:
            if self._thread is None and not self._over.is_set():
                allowed = frozenset(device.id for device in self._settings.devices)
                receiver = Receiver(
                    Settings(allowed, self._channels, limits_of(self._settings), self._keys), self._authenticator
                )
                self._thread = threading.Thread(target=self._run, args=(receiver,), name="links", daemon=True)
                self._thread.start()

    def check(self) -> None:
        """Whether the links are still read.

        Raises:
            RuntimeError: the thread died of an error of this program.
        """
        if self._error is not None:
            raise RuntimeError(f"the thread of the links died: {self._error!r}") from self._error

    def leave(self) -> None:
        """One source less wants sound; the last one ends the thread."""
        with self._mutex:
            self._wanted -= 1
            if self._wanted:
                return
            self._over.set()
        if self._thread is None:
            for link in self._links.values():
                link.close()
        else:
            self._thread.join(END_S)

    def _run(self, receiver: Receiver) -> None:
        try:
            asyncio.run(
                link_loop.serve(
                    tuple(self._links.values()),
                    lambda chunks: self._hear(receiver, chunks),
                    lambda now_ns: self._tick(receiver, now_ns),
                    self._over.is_set,
                )
            )
            self._deliver(receiver.flush())
        except Exception as error:  # told by every stream; the service ends and is started anew
            logger.exception("links failed by an internal error")
            self._error = error
        finally:
            self._seen.keep(self._authenticator.replay_counters)

    def _hear(self, receiver: Receiver, chunks: Sequence[Chunk]) -> None:
        for chunk in chunks:
            self._deliver(receiver.feed(chunk))

    def _tick(self, receiver: Receiver, now_ns: int) -> None:
        self._deliver(receiver.tick(now_ns))
        for order in receiver.outgoing(now_ns):
            link = self._links.get(order.link)
            if link is not None:
                link.send(order.content, order.peer)
        for place, count in self._counts.items():
            if (clock := receiver.clock(*place)) is not None:
                count.clock = clock.state
        if now_ns - self._told_ns >= TELL_NS:
            self._told_ns = now_ns
            self._tell(receiver)
            self._seen.note(self._authenticator.replay_counters, now_ns)

    def _deliver(self, heard: Sequence[Delivery]) -> None:
        for device_id, stream, _, item in heard:
            place = (device_id, stream)
            source = self._sources.get(place)
            if isinstance(item, Condition):
                self._log.tell(device_id, stream, item)
                self._told_ns = 0  # the streams are told at the next tick
                if item.name == "ended" and item.active and source is not None:
                    self._end(place, source)
            elif isinstance(item, Log):
                self._log.says(device_id, item.text)
            elif isinstance(item, StreamInfo):
                self._infos[place] = item
                if (old := self._counts.pop(place, None)) is not None:
                    old.is_over = True  # and keeps the clock that it had
            elif source is not None:
                self._post(place, source, item)

    def _post(self, place: Place, source: LinkSource, item: Block | Gap | Epoch) -> None:
        if not isinstance(item, Epoch):
            source.mailbox.put(item)
            return
        if item.clock is None:
            return
        if place in self._counts:
            self._counts[place].is_over = True
        count = Count(item.start, item.cause, self._infos[place].rate_mhz / 1000, item.clock)
        self._counts[place] = count
        source.mailbox.put(count)

    def _end(self, place: Place, source: LinkSource) -> None:
        """The device ended a stream: what is held back of it goes on, and what is open is closed."""
        if place in self._counts:
            self._counts[place].is_over = True
        source.mailbox.put(End())

    def _tell(self, receiver: Receiver) -> None:
        report = receiver.report()
        devices = {device.device_id: device for device in report.devices}
        for (device_id, number), source in self._sources.items():
            device = devices.get(device_id)
            stream = next((each for each in device.streams if each.info.stream == number), None) if device else None
            conditions = (*(device.conditions if device else ()), *(stream.conditions if stream else ()))
            trouble = trouble_of(conditions) if stream else Trouble("lost", self._why_silent(device, report))
            source.tell(trouble, vitals_of(source.device, conditions, device, stream))

    def _why_silent(self, device: DeviceReport | None, report: Report) -> str:
        """Why a device was never heard."""
        if device is not None:
            if device.hello is not None:
                why = "; it has no such stream"
            else:
                why = "; malformed packets came on its link" if report.links[device.link].malformed else ""
            return f"packets arrive, but no hello that tells of this stream{why}"
        closed = [f"{name}: {link.state.reason}" for name, link in self._links.items() if not link.state.is_open]
        return "no packet of this device yet" + (f" ({'; '.join(closed)})" if closed else "")


def open_bridge(settings: LinkSettings, rate_hz: int, memory: Path) -> Bridge:
    """Open all links of the settings.

    Args:
        settings: the section `link`.
        rate_hz: rate of the model, Hz.
        memory: file of the replay counters.

    Raises:
        ConfigError: a key cannot be read, or bleak is missing.
        SourceError: a link cannot be had.
    """
    warm_up()
    keys = read_keys(settings)
    seen = SeenFile(memory if keys else None)
    return Bridge(settings, open_links(settings), rate_hz, keys, seen)
