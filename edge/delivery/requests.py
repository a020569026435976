"""Messages that come from the broker: what the node subscribes to, and each message as a plain record.

Not for what they mean (`edge.node.alarm_service`, `edge.board`). To a node a retained message is no order: that is of
the moment, and one that is stored would be carried out again at each connection, so it is dropped. In 3.1.1 its first
copy cannot be told from another. Whoever reads states (`Listening.stored`) gets what the broker has stored, marked so.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import paho.mqtt.client as paho
from paho.mqtt.subscribeoptions import SubscribeOptions

FRESH_ONLY = SubscribeOptions(
    qos=1, retainAsPublished=True, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND
)  # the broker keeps the mark of a retained message, and sends none that it had before

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """One message that asks for something."""

    topic: str
    payload: bytes
    response_topic: str | None = None
    """Where the sender wants the answer (MQTT 5)."""
    correlation: bytes = b""
    """What the sender wants back with the answer (MQTT 5)."""
    stored: bool = False
    """Whether the broker had stored it before this connection; it may be old."""


@dataclass(frozen=True)
class Listening:
    """What a session subscribes to in each of its connections."""

    filters: tuple[str, ...]
    on_request: Callable[[Request], None]
    """Called from the session's thread; must not wait."""
    stored: bool = False
    """Whether messages that the broker has stored are wanted: of states, never of orders."""

    def beside(self, other: Listening) -> Listening:
        """Both as one; a message goes to the one whose filters it matches, to this first.

        A filter that another one covers is not subscribed to: the broker would send its messages twice.
        """

        def route(request: Request) -> None:
            own = any(paho.topic_matches_sub(each, request.topic) for each in self.filters)
            (self if own else other).on_request(request)

        both = self.filters + other.filters
        covered = [each for each in both if any(paho.topic_matches_sub(wide, each) for wide in both if wide != each)]
        return Listening(tuple(each for each in both if each not in covered), route)

    def subscribe(self, client: paho.Client) -> None:
        """Subscribe on a connection that the broker has accepted."""
        client.on_message = lambda _c, _u, message: self._on_message(message)
        client.on_subscribe = lambda _c, _u, _m, reasons, _p: self._on_subscribed([each.value for each in reasons])
        if client.protocol == paho.MQTTv5 and not self.stored:
            client.subscribe([(each, FRESH_ONLY) for each in self.filters])
        else:
            client.subscribe([(each, 1) for each in self.filters])

    def _on_subscribed(self, reasons: list[int]) -> None:
        if any(reason >= 0x80 for reason in reasons):
            logger.warning(
                "mqtt subscription=refused; what others say does not come here: may this user read these topics?"
            )

    def _on_message(self, message: paho.MQTTMessage) -> None:
        if message.retain and not self.stored:
            logger.warning("mqtt command=retained topic=%s; it is not carried out", message.topic[:128])
            return
        wanted = getattr(message.properties, "ResponseTopic", None)
        correlation = getattr(message.properties, "CorrelationData", b"")
        self.on_request(Request(message.topic, bytes(message.payload), wanted, correlation, message.retain))
