"""What is in flight in one connection to the broker: pure bookkeeping, no clock and no I/O of its own.

Not for storing or sending, and not for what goes next (`edge.delivery.send_order`). Messages up to `backlog_end` were
decided before the connection was up: the backlog, which goes oldest first and at a bounded rate; after it come live
messages, which go at once. A message that must not overtake another is held behind it and becomes due when the broker
has acknowledged that one.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable

BACKLOG_PER_S = 100.0  # an hour of 20 busy beds in a minute, without drowning a consumer


class InFlight:
    """One connection; without a session name, none."""

    def __init__(self, session: str = "", receive_maximum: int = 0, backlog_end: int = 0, now_s: float = 0.0) -> None:
        """Begin with nothing sent.

        Args:
            session: name of the connection.
            receive_maximum: how many messages may be unacknowledged at once (MQTT 5, 4.9).
            backlog_end: `seq` of the newest message of the backlog.
            now_s: monotonic seconds.
        """
        self.session = session
        self.backlog_end = backlog_end
        self.last_live = backlog_end
        """Greatest `seq` of the live messages whose turn has come."""
        self.last_backlog = 0
        """The same of the backlog."""
        self.has_backlog = backlog_end > 0
        self.retry_s = 0.0
        """When to send refused messages again, monotonic seconds; 0 for never."""
        self.unacknowledged: dict[int, tuple[int | None, float]] = {}
        """Packet identifier -> (`seq`, or None for retained state; when it was sent, monotonic seconds)."""
        self.due: list[int] = []
        """`seq` of messages that go before all others, in order."""
        self._held: dict[int, list[int]] = {}  # `seq` of one that must be acknowledged first -> those held behind it
        self._receive_maximum = receive_maximum
        self._tokens = 0.0
        self._tokens_s = now_s

    @property
    def send_quota(self) -> int:
        """How many more messages may be sent before an acknowledgement comes (MQTT 5, 4.9)."""
        return max(0, self._receive_maximum - len(self.unacknowledged))  # status and answers go without asking

    def record(self, mid: int | None, seq: int | None, now_s: float) -> None:
        """A message was sent as packet `mid`; None means that it was not, for the connection is gone."""
        if mid is not None:
            self.unacknowledged[mid] = (seq, now_s)

    def contains(self, seq: int) -> bool:
        """Whether message `seq` was sent and not yet acknowledged."""
        return any(seq == other for other, _ in self.unacknowledged.values())

    def hold(self, seq: int, behind: int) -> None:
        """Message `seq` waits until the broker has the message `behind`."""
        self._held.setdefault(behind, []).append(seq)

    def release_held(self, seq: int) -> None:
        """The broker has message `seq`: what was held behind it is due."""
        self.make_due(self._held.pop(seq, ()))

    def make_due(self, seqs: Iterable[int]) -> None:
        """Let these go before all others."""
        for seq in seqs:
            insort(self.due, seq)

    def oldest_s(self, now_s: float) -> float:
        """How long the oldest unacknowledged message has been in flight, seconds."""
        return now_s - min((sent_s for _, sent_s in self.unacknowledged.values()), default=now_s)

    def backlog_tokens(self, now_s: float) -> int:
        """How many messages of the backlog may go now: a token bucket filled at `BACKLOG_PER_S`, for 1 s at most."""
        self._tokens = min(BACKLOG_PER_S, self._tokens + (now_s - self._tokens_s) * BACKLOG_PER_S)
        self._tokens_s = now_s
        return int(self._tokens)

    def consume_tokens(self, number: int) -> None:
        """So many messages of the backlog went."""
        self._tokens -= number

    def requeue(self) -> None:
        """Everything sent so far that still waits becomes backlog, as after refusals."""
        self.retry_s, self.backlog_end, self.last_backlog, self.has_backlog = 0.0, self.last_live, 0, True
        self.due.clear()
        self._held.clear()
