"""Messages that never wait in the outbox: those of the moment, answers, and retained state while the disk stalls.

Not for what must not be lost, which is on the disk before it is sent (`edge.delivery.dispatch`).

`BestEffort` is for pictures and sound, QoS 0: they go at once or not at all, and never in such numbers that others
wait for them. A message counts as on its way until the network has taken all of it; while `MOST` are, the connection is
too slow for more. `Answers` wait for the next thread that publishes. `Standby` publishes answers and retained state, so
alarms too, while the disk stalls, for no alarm waits for a memory card; with QoS 0: the same state comes again with
QoS 1 when the disk answers.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from contextlib import suppress

from edge.contract.fields import Body
from edge.contract.message import encode
from edge.delivery.retained import RetainedState
from edge.delivery.session import MqttSession
from edge.log import RateLimitedLog

MOST = 16  # on their way at once; of pictures, 2 kB each, so 32 kB at most lie before an event

NO_BROKER, SLOW_BROKER = "no broker", "slow broker"


class BestEffort:
    """What passes through one session, from any thread.

    Args:
        session: the connection to the broker.
    """

    def __init__(self, session: MqttSession) -> None:
        self._session, self._mutex = session, threading.Lock()
        self._on_its_way: set[int] = set()  # packet identifiers

    def publish(self, topic: str, body: Body, expiry_s: int, correlation: bytes = b"", most: int = MOST) -> str:
        """Publish one message without waiting; why it was dropped, empty if it went.

        Args:
            topic: where to.
            body: what.
            expiry_s: how long the broker may keep it, seconds.
            correlation: what an answer gives back (MQTT 5).
            most: messages that may be on their way with it.
        """
        payload = encode(body)
        with self._mutex:  # `written` is not before the packet is noted
            if len(self._on_its_way) >= most:
                return SLOW_BROKER
            mid = self._session.publish(topic, payload, expiry_s=expiry_s, correlation=correlation, qos=0)
            if mid is None:
                return NO_BROKER
            self._on_its_way.add(mid)
        return ""

    def written(self, mid: int) -> None:
        """The network has taken this packet; one that is not of here is nothing."""
        with self._mutex:
            self._on_its_way.discard(mid)

    def forget(self) -> None:
        """The connection is gone, and with it what was on its way."""
        with self._mutex:
            self._on_its_way.clear()


class Answers:
    """What somebody waits for now, on its way to one thread or the other that publishes."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[tuple[str, bytes, int, bytes]] = queue.SimpleQueue()

    def put(self, topic: str, payload: bytes, expiry_s: int, correlation: bytes) -> None:
        """Take one; as `MqttSession.publish`."""
        self._waiting.put((topic, payload, expiry_s, correlation))

    def publish(self, session: MqttSession, qos: int = 1) -> list[int | None]:
        """Publish all that wait; the packet identifier of each, None where there is no broker."""
        mids = []
        with suppress(queue.Empty):
            while True:
                topic, payload, expiry_s, correlation = self._waiting.get_nowait()
                mids.append(session.publish(topic, payload, False, expiry_s, correlation, qos))
        return mids


logger = logging.getLogger(__name__)


class Standby:
    """Publishes in place of the thread that waits for the disk, and from another one."""

    def __init__(
        self, session: MqttSession, state: RetainedState, answers: Answers, is_stalled: Callable[[], bool]
    ) -> None:
        self._session, self._state, self._answers, self._is_stalled = session, state, answers, is_stalled
        self._published: dict[str, Body] = {}  # in this stall, by topic
        self._limited_log = RateLimitedLog(logger)

    def tick(self) -> None:
        """Publish what is new, if the disk stalls; to be called some times in `edge.delivery.disk.STALLED_S`."""
        if self._is_stalled():
            self._limited_log.log("stalled", "outbox disk=stalled; alarms go out from memory", logging.ERROR)
            self._publish()
        elif self._published:
            self._published.clear()
            self._limited_log.clear("stalled")

    def _publish(self) -> None:
        for topic, body, expiry_s in self._state.unpublished():
            if body is None or self._published.get(topic) is body:
                continue
            # QoS 0, for the thread that takes acknowledgements waits for the disk. To it these values remain
            # unpublished: it sends the last of them again.
            if self._session.publish(topic, encode(body), True, expiry_s, qos=0) is None:
                return  # no broker now
            self._published[topic] = body
        self._answers.publish(self._session, qos=0)
