"""What is under way in one connection to the broker: pure bookkeeping, no clock and no I/O of its own.

Not for storing or sending, and not for what goes next (`edge.delivery.send_order`). Messages up to `mark` were decided
before the connection was up: the backlog, which goes oldest first and at a bounded rate; after it come live messages,
which go at once. A message that must not overtake another is held behind it and becomes due when the broker has that
one.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable

BACKLOG_PER_S = 100.0  # an hour of 20 busy beds in a minute, without drowning a consumer


class Flight:
    """One connection; without a session name, none."""

    def __init__(self, session: str = "", limit: int = 0, mark: int = 0, now_s: float = 0.0) -> None:
        """Begin with nothing sent.

        Args:
            session: name of the connection.
            limit: how many messages may be unacknowledged at once.
            mark: `seq` of the newest message of the backlog.
            now_s: monotonic seconds.
        """
        self.session = session
        self.mark = mark
        self.live_from = mark
        """Greatest `seq` of the live messages whose turn has come."""
        self.backlog_from = 0
        """The same of the backlog."""
        self.has_backlog = mark > 0
        self.retry_s = 0.0
        """When to send refused messages again, monotonic seconds; 0 for never."""
        self.sent: dict[int, tuple[int | None, float]] = {}
        """Unacknowledged: number of the packet -> (`seq`, or None for state; when it was sent)."""
        self.due: list[int] = []
        """`seq` of messages that go before all others, in order."""
        self._held: dict[int, list[int]] = {}  # `seq` of one that must arrive first -> those that wait for it
        self._limit = limit
        self._tokens = 0.0
        self._tokens_s = now_s

    @property
    def room(self) -> int:
        """How many more messages may be sent before an acknowledgement comes."""
        return self._limit - len(self.sent)

    def note(self, mid: int | None, seq: int | None, now_s: float) -> None:
        """A message was sent as packet `mid`; None means that it was not, for the connection is gone."""
        if mid is not None:
            self.sent[mid] = (seq, now_s)

    def is_under_way(self, seq: int) -> bool:
        """Whether message `seq` was sent and not yet acknowledged."""
        return any(seq == other for other, _ in self.sent.values())

    def hold(self, seq: int, behind: int) -> None:
        """Message `seq` waits until the broker has the message `behind`."""
        self._held.setdefault(behind, []).append(seq)

    def arrived(self, seq: int) -> None:
        """The broker has message `seq`: what was held behind it is due."""
        self.make_due(self._held.pop(seq, ()))

    def make_due(self, seqs: Iterable[int]) -> None:
        """Let these go before all others."""
        for seq in seqs:
            insort(self.due, seq)

    def oldest_s(self, now_s: float) -> float:
        """How long the oldest unacknowledged message has been under way, seconds."""
        return now_s - min((sent_s for _, sent_s in self.sent.values()), default=now_s)

    def allowance(self, now_s: float) -> int:
        """How many messages of the backlog may go now: a bucket that fills at `BACKLOG_PER_S`, for 1 s at most."""
        self._tokens = min(BACKLOG_PER_S, self._tokens + (now_s - self._tokens_s) * BACKLOG_PER_S)
        self._tokens_s = now_s
        return int(self._tokens)

    def spent(self, number: int) -> None:
        """So many messages of the backlog went."""
        self._tokens -= number

    def start_again(self) -> None:
        """Everything sent so far that still waits becomes backlog, as after refusals."""
        self.retry_s, self.mark, self.backlog_from, self.has_backlog = 0.0, self.live_from, 0, True
        self.due.clear()
        self._held.clear()
