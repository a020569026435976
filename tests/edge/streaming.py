"""Streams of sound that is made by hand, and what they say."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cache
from typing import Any

import numpy as np

from edge.delivery.messages import Message, Node
from edge.detector.warm import warm_up
from edge.node.engine import Engine
from edge.node.readers import Reading
from edge.node.stream import NodeStream
from edge.settings.node import Stream
from edge.sources.source import DeviceStatus, Vitals
from edge.types import Block, Gap
from tests.edge.fakes import LOUD, Bursts, LoudnessModel

NODE = Node("laennec/v1", "ward", "node", "Test", "0badcafe", "0123abcd")
RATE_HZ = LoudnessModel.rate_hz
made_ready = cache(warm_up)
"""As in a node: compiling takes seconds, in which a stream would pass for silent, or a machine for overloaded."""


class Published(list[Message]):
    """A message sink that keeps what is sent."""

    def send(self, message: Message) -> None:
        self.append(message)

    def events(self) -> list[dict[str, Any]]:
        return [message.body for message in self if message.topic.endswith("/event")]


class Driven(NodeStream):
    """A stream and its engine without a thread: each item is decided before the next is read."""

    def __init__(
        self, settings: Stream, source: Bursts, published: Published, model: LoudnessModel | None = None
    ) -> None:
        made_ready()
        model = model or LoudnessModel()
        super().__init__(settings, source, model, NODE, published)  # type: ignore[arg-type]
        self._source, self._engine = source, Engine(model, [self], ["normal"])  # type: ignore[arg-type]

    def feed(self, *items: Block | Gap) -> None:
        for item in items:
            self.arrive(item)
            self.settle()

    def settle(self) -> None:
        """Decide what can be decided."""
        self._engine.wake(0)
        self._engine.turn()
        while self.pending is not None:
            self._engine.turn()

    def run(self, stop: threading.Event) -> None:
        """Read the source to its end."""
        reading = Reading(self._source, self, stop, self.settle)  # type: ignore[arg-type]
        while reading.read() is not None:
            pass
        assert self.is_closed

    def close(self) -> None:
        self.stop()
        self.settle()

    def look(self) -> None:
        """What the engine does every second."""
        self.check_silence()
        self.settle()


def worker(source: Bursts, published: Published) -> Driven:
    return Driven(Stream(id="bed1", source="bursts", pace=False), source, published)


class Script(Bursts):
    """Stands for a source that gives these items and then calls `then`, if there is one."""

    def __init__(self, *items: Block | Gap, then: Callable[[], None] | None = None) -> None:
        super().__init__(0, pace=False)
        self.items, self.then = items, then

    def blocks(self, stop: threading.Event) -> Iterator[Block | Gap]:
        yield from self.items
        if self.then is not None:
            self.then()


class Device(Script):
    """Stands for a device whose trouble and clock are known."""

    device = "0x1a2b3c4d"
    ill = DeviceStatus("", "")

    def recorded_s(self, index: int) -> float | None:
        """Ten seconds ago, all of it."""
        return time.monotonic() - 10.0

    def device_status(self) -> DeviceStatus:
        return self.ill

    def vitals(self) -> Vitals:
        return Vitals(self.device, True)


def sound(seconds: float, *loud: tuple[float, float], start: int = 0) -> Block:
    """Silence with noise between the given seconds."""
    noise = np.random.default_rng(1).standard_normal(round(seconds * RATE_HZ))
    at_s = np.arange(len(noise)) / RATE_HZ
    samples = np.where(np.any([(at_s >= a) & (at_s < b) for a, b in loud], axis=0), LOUD * noise, 0)
    return Block(start, samples.astype(np.float32), np.ones(len(noise), np.bool_))


def configured(source: Script, published: Published, **settings: Any) -> Driven:
    return Driven(Stream(id="bed1", source="script", pace=False, **settings), source, published)


def spoken(*items: Block | Gap, **settings: Any) -> list[dict[str, Any]]:
    """The events of a stream of these items."""
    published = Published()
    stream = configured(Script(*items), published, **settings)
    stream.run(threading.Event())
    assert stream.failure == ""
    return published.events()


def samples_of(events: list[dict[str, Any]]) -> list[tuple[str, int, int | None]]:
    return [(body["type"], body["sample"]["onset"], body["sample"]["end"]) for body in events]


def clock_s(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
