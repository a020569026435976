"""Joins `firmware_bridge` to the edge: one thread reads all links, every stream gets its sound through a queue.

Not for packets, gaps, clocks or conditions (`firmware_bridge`), and not for the model's rate
(`edge.sources.device_stream`). The thread only moves bytes and fills queues; it never waits for a stream: one that is
too slow loses its own sound and nobody else's. How far authenticated packets had got is on disk, so that a restart of
this program accepts no replay.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from edge.errors import ConfigError
from edge.settings.link import LinkSettings, format_device_id
from edge.sources.block_queue import DeviceEpoch, StreamEnd
from edge.sources.device_stream import ConditionLog, LinkPolicy, LinkSource, device_status_of, vitals_of
from edge.sources.link_opening import ReplayCounters, RetimedReplay, limits_of, open_links, read_keys, warm_up
from edge.sources.source import DeviceStatus
from edge.types import Block, Gap
from firmware_bridge import links as link_loop
from firmware_bridge.auth import SealAuthenticator
from firmware_bridge.messages import Log, StreamInfo
from firmware_bridge.receive import Receiver, Settings
from firmware_bridge.records import Condition, Delivery, Epoch, LinkBytes
from firmware_bridge.report import DeviceReport, Report

UPDATE_NS = 500_000_000  # how often conditions and readings are handed to the streams
JOIN_S = 2.0  # the longest that the last stream waits for the thread to end

StreamKey = tuple[int, int]  # device id, number of its stream
logger = logging.getLogger(__name__)


class Bridge:
    """All links of this machine.

    Args:
        settings: the section `link`.
        links: what is read.
        rate_hz: rate of the model, Hz.
        keys: secrets of the devices that have one.
        counters: where it is stored how far their packets had got.
    """

    def __init__(
        self,
        settings: LinkSettings,
        links: Sequence[link_loop.Transport],
        rate_hz: int,
        keys: Mapping[int, bytes],
        counters: ReplayCounters,
    ) -> None:
        self._settings, self._links = settings, {link.name: link for link in links}
        self._keys, self._authenticator, self._counters = keys, SealAuthenticator(keys, counters.read()), counters
        self._policy = LinkPolicy(rate_hz, settings.rate_error)
        self._sources: dict[StreamKey, LinkSource] = {}
        self._channels: dict[StreamKey, int] = {}
        self._infos: dict[StreamKey, StreamInfo] = {}
        self._epochs: dict[StreamKey, DeviceEpoch] = {}
        self._updated_ns = 0
        self._log = ConditionLog(logger)
        self._thread: threading.Thread | None = None
        self._mutex = threading.Lock()  # of `start` and `leave`
        self._over = threading.Event()
        self._open_sources = 0
        self._error: Exception | None = None

    def source(self, text: str, channel: int | None = None) -> LinkSource:
        """The source that a stream names; all are asked for before the first one is started.

        Raises:
            ConfigError: no such device or channel, or two streams want the same one.
        """
        key = self._settings.stream_key(text)
        if key in self._sources:
            raise ConfigError(f"{text}: two streams name it; a stream of a device can be used once")
        source = LinkSource(text, format_device_id(key[0]), self._policy, self)
        self._sources[key], self._channels[key] = source, (channel or 1) - 1
        self._open_sources += 1
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
        """One source has closed; the last one ends the thread."""
        with self._mutex:
            self._open_sources -= 1
            if self._open_sources:
                return
            self._over.set()
        if self._thread is None:
            for link in self._links.values():
                link.close()
        else:
            self._thread.join(JOIN_S)

    def _run(self, receiver: Receiver) -> None:
        try:
            asyncio.run(
                link_loop.serve(
                    tuple(self._links.values()),
                    lambda pieces: self._receive(receiver, pieces),
                    lambda now_ns: self._tick(receiver, now_ns),
                    lambda: self._over.is_set() or self._is_played(),
                )
            )
            self._deliver(receiver.flush())
            for source in self._sources.values():
                source.end()
        except Exception as error:  # every stream reports it; the service ends and is restarted
            logger.exception("links failed by an internal error")
            self._error = error
        finally:
            self._counters.write(self._authenticator.replay_counters)

    def _is_played(self) -> bool:
        """Whether nothing will come any more: every link is a capture, and at its end."""
        return all(isinstance(link, RetimedReplay) and link.is_over for link in self._links.values())

    def _receive(self, receiver: Receiver, pieces: Sequence[LinkBytes]) -> None:
        for piece in pieces:
            self._deliver(receiver.feed(piece))

    def _tick(self, receiver: Receiver, now_ns: int) -> None:
        self._deliver(receiver.tick(now_ns))
        for order in receiver.outgoing(now_ns):
            link = self._links.get(order.link)
            if link is not None:
                link.send(order.content, order.peer)
        for key, epoch in self._epochs.items():
            if (clock := receiver.clock(*key)) is not None:
                epoch.clock = clock.state
        if now_ns - self._updated_ns >= UPDATE_NS:
            self._updated_ns = now_ns
            self._update_sources(receiver)
            self._counters.update(self._authenticator.replay_counters, now_ns)

    def _deliver(self, deliveries: Sequence[Delivery]) -> None:
        for device_id, stream, _, item in deliveries:
            key = (device_id, stream)
            source = self._sources.get(key)
            if isinstance(item, Condition):
                self._log.log_condition(device_id, stream, item)
                self._updated_ns = 0  # the streams get it at the next tick
                if item.name == "ended" and item.active and source is not None:
                    self._end(key, source)
            elif isinstance(item, Log):
                self._log.log_text(device_id, item.text)
            elif isinstance(item, StreamInfo):
                self._infos[key] = item
                if (old := self._epochs.pop(key, None)) is not None:
                    old.is_over = True  # and keeps the clock that it had
            elif source is not None:
                self._post(key, source, item)

    def _post(self, key: StreamKey, source: LinkSource, item: Block | Gap | Epoch) -> None:
        if not isinstance(item, Epoch):
            source.queue.put(item)
            return
        if item.clock is None:
            return
        if key in self._epochs:
            self._epochs[key].is_over = True
        epoch = DeviceEpoch(item.start, item.cause, self._infos[key].rate_mhz / 1000, item.clock)
        self._epochs[key] = epoch
        source.queue.put(epoch)

    def _end(self, key: StreamKey, source: LinkSource) -> None:
        """The device ended a stream on purpose: its source flushes what it holds and closes its events."""
        if key in self._epochs:
            self._epochs[key].is_over = True
        source.queue.put(StreamEnd())

    def _update_sources(self, receiver: Receiver) -> None:
        report = receiver.report()
        devices = {device.device_id: device for device in report.devices}
        for (device_id, number), source in self._sources.items():
            device = devices.get(device_id)
            stream = next((each for each in device.streams if each.info.stream == number), None) if device else None
            conditions = (*(device.conditions if device else ()), *(stream.conditions if stream else ()))
            status = device_status_of(conditions) if stream else DeviceStatus("lost", self._why_silent(device, report))
            source.update(status, vitals_of(source.device, conditions, device, stream))

    def _why_silent(self, device: DeviceReport | None, report: Report) -> str:
        """Why no sample of a stream has come yet, for the operator.

        Args:
            device: its report; None before its first packet.
            report: of all links and devices.
        """
        if device is not None:
            if device.hello is not None:
                why = "; it has no such stream"
            else:
                why = "; malformed packets came on its link" if report.links[device.link].malformed else ""
            return f"packets arrive, but no hello that announces this stream{why}"
        closed = [f"{name}: {link.state.reason}" for name, link in self._links.items() if not link.state.is_open]
        return "no packet of this device yet" + (f" ({'; '.join(closed)})" if closed else "")


def open_bridge(settings: LinkSettings, rate_hz: int, counters: Path) -> Bridge:
    """Open all links that the settings name.

    Args:
        settings: the section `link`.
        rate_hz: rate of the model, Hz.
        counters: file that stores how far authenticated packets had got.

    Raises:
        ConfigError: a key cannot be read, or bleak is missing.
        SourceError: a link cannot be had.
    """
    warm_up()
    keys = read_keys(settings)
    stored = ReplayCounters(counters if keys else None)
    return Bridge(settings, open_links(settings), rate_hz, keys, stored)
