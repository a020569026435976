"""Messages of the moment, QoS 0: they go at once or not at all, and never in such numbers that others wait for them.

Not for what must arrive (`edge.delivery.dispatch`). A message counts as on its way until the network has taken all of
it; while `MOST` are, the connection is too slow for more.
"""

from __future__ import annotations

import threading

from edge.contract.fields import Body
from edge.contract.message import encode
from edge.delivery.mqtt import MqttSession

MOST = 16  # on their way at once; of pictures, 2 kB each, so 32 kB at most lie before an event

NO_BROKER, SLOW_BROKER = "no broker", "slow broker"


class Passing:
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
