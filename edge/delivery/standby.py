"""What goes out while the disk stalls: retained state and answers from memory: no alarm waits for a memory card.

Not for what must not be lost, which waits for the disk (`edge.delivery.dispatch`). With QoS 0; the same state comes
again with QoS 1 when the disk answers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from edge.contract.fields import Body
from edge.contract.message import encode
from edge.delivery.retained import RetainedState
from edge.delivery.sender import Answers
from edge.delivery.session import MqttSession
from edge.log import RateLimitedLog

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
            if self._session.publish(topic, encode(body), True, expiry_s, qos=0) is None:
                return  # no broker now
            self._published[topic] = body
        self._answers.publish(self._session, qos=0)
