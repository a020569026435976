"""The only way out of the node: inbox -> outbox on disk -> broker, from one thread.

Not for making messages. Whoever has something to say calls `send` or `state` and goes on at once; this thread writes it
to the disk, then to the wire, and takes it off the disk when the broker has acknowledged it. After a (re)connection the
order is: status, retained state, live messages, then the backlog, oldest first and at a bounded rate, marked `late`.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable

from edge.config import Mqtt
from edge.flight import Flight
from edge.log import Repeats
from edge.messages import Body, Message, Node, encode, finish, status_body
from edge.mqtt import Acked, Down, Link, Signal, Up
from edge.outbox import Outbox
from edge.store import Entry

INBOX_MESSAGES = 1024  # one bed makes a few in a minute; this is room for a disk that stalls
TIDY_S = 30.0
RETRY_S = 30.0  # a message that the broker refused is tried again after this long
GOODBYE_S = 0.5  # how long `stopped` may wait for its acknowledgement
NO_END = 1 << 62

logger = logging.getLogger(__name__)


class Dispatch:
    """Store and forward for one node."""

    def __init__(
        self, outbox: Outbox, node: Node, settings: Mqtt,
        monotonic: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        """Prepare; nothing is connected before `start`.

        Raises:
            ConfigError: the password or a certificate cannot be read.
        """
        self._outbox, self._node, self._settings = outbox, node, settings
        self._monotonic, self._wall = monotonic, wall
        self._inbox: queue.Queue[Message] = queue.Queue(INBOX_MESSAGES)
        self._signals: queue.SimpleQueue[Signal] = queue.SimpleQueue()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._mutex = threading.Lock()
        self._dropped = 0
        self._state: dict[str, tuple[Body, int | None]] = {}
        self._unsaid: set[str] = set()
        self._repeats = Repeats(logger)
        self._flight = Flight()
        self._tidied_s = monotonic()
        self._link = Link(settings, f"laennec-{node.node}", self._will, self._signal)
        self._thread = threading.Thread(target=self._run, name="dispatch", daemon=True)

    def start(self) -> None:
        """Begin to connect and to deliver what earlier processes left on disk."""
        self._link.start()
        self._thread.start()

    def send(self, message: Message) -> None:
        """Say something that must not be lost. Never waits; a full inbox drops it and counts."""
        try:
            self._inbox.put_nowait(message)
        except queue.Full:
            with self._mutex:
                self._dropped += 1
            self._repeats.tell("inbox", f"dispatch dropped={self._dropped}; the disk has stalled", logging.ERROR)
        self._wake.set()

    def state(self, topic: str, body: Body, expiry_s: int | None = None) -> None:
        """Say how something is (retained): only the last value counts, and it is said again after a reconnection."""
        with self._mutex:
            self._state[topic] = (body, expiry_s)
            self._unsaid.add(topic)
        self._wake.set()

    @property
    def dropped(self) -> int:
        """Messages lost because the inbox was full."""
        return self._dropped

    @property
    def is_connected(self) -> bool:
        """Whether the broker takes messages now."""
        return self._flight.session != ""

    def drain(self, timeout_s: float) -> int:
        """Wait until everything was delivered, at most `timeout_s`.

        Returns:
            How many messages still wait (on disk, for the next start).
        """
        deadline_s = self._monotonic() + timeout_s
        while (left := self._inbox.qsize() + self._outbox.counts().waiting) and self._monotonic() < deadline_s:
            time.sleep(0.02)
        return left

    def stop(self) -> None:
        """Write what is in the inbox to disk, say `stopped` if connected, and end, within about two seconds."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(2 * GOODBYE_S)
        self._link.stop()

    def _will(self, session: str) -> tuple[str, bytes]:
        return self._node.topic("status"), encode(status_body(self._node, "offline", session, self._wall()))

    def _signal(self, signal: Signal) -> None:
        self._signals.put(signal)
        self._wake.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(0.1 if self._flight.has_backlog else 1.0)
            self._wake.clear()
            try:
                self._step()
            except Exception:  # this thread is the only way out: it must outlive any one message
                logger.exception("dispatch error; going on in 1 s")
                self._stopping.wait(1.0)
        self._step()
        self._goodbye()

    def _step(self) -> None:
        self._keep()
        self._hear()
        if self._flight.session:
            self._say()
            self._watch()
        if self._monotonic() - self._tidied_s > TIDY_S:
            self._tidied_s = self._monotonic()
            self._outbox.tidy()

    def _keep(self) -> None:
        """Inbox to disk, in one transaction."""
        batch: list[Message] = []
        while len(batch) < INBOX_MESSAGES:
            try:
                batch.append(self._inbox.get_nowait())
            except queue.Empty:
                break
        if batch:
            self._outbox.put(batch)

    def _hear(self) -> None:
        while not self._signals.empty():
            signal = self._signals.get()
            if isinstance(signal, Up):
                self._flight = Flight(signal.session, signal.in_flight, self._outbox.last_seq, self._monotonic())
                with self._mutex:
                    self._unsaid = set(self._state)
                self._say_status("online")
            elif isinstance(signal, Down):
                self._flight = Flight()
            elif signal.session == self._flight.session:
                self._answered(signal)

    def _answered(self, signal: Acked) -> None:
        seq, _ = self._flight.sent.pop(signal.mid, (None, 0.0))
        if seq is None:
            return
        if not signal.refusal:
            self._outbox.ack([seq])
            return
        line = f'mqtt message=refused reason="{signal.refusal}" seq={seq}; tried again in {RETRY_S:.0f} s'
        self._repeats.tell("refused", line)
        self._flight.retry_s = self._flight.retry_s or self._monotonic() + RETRY_S

    def _say_status(self, state: str) -> int | None:
        body = status_body(self._node, state, self._flight.session, self._wall())
        mid = self._link.publish(self._node.topic("status"), encode(body), retain=True)
        self._flight.note(mid, None, self._monotonic())
        return mid

    def _say(self) -> None:
        flight, now = self._flight, self._monotonic()
        with self._mutex:
            unsaid = [(topic, *self._state[topic]) for topic in sorted(self._unsaid)[: flight.room]]
            self._unsaid -= {topic for topic, _, _ in unsaid}
        for topic, body, expiry_s in unsaid:
            flight.note(self._link.publish(topic, encode(body), True, expiry_s), None, now)
        if flight.live_from < self._outbox.last_seq and flight.room > 0:
            for entry in self._outbox.waiting(flight.live_from, NO_END, flight.room):
                flight.live_from = entry.seq
                self._publish(entry, late=False)
        allowed = min(flight.room, flight.allowance(now))
        if flight.has_backlog and allowed > 0:
            entries = self._outbox.waiting(flight.backlog_from, flight.mark, allowed)
            flight.has_backlog = len(entries) == allowed
            for entry in entries:
                flight.backlog_from = entry.seq
                self._publish(entry, late=True)
            flight.spent(len(entries))

    def _publish(self, entry: Entry, late: bool) -> None:
        if not self._flight.is_under_way(entry.seq):
            payload = finish(entry.body, late, self._wall())
            mid = self._link.publish(entry.topic, payload, False, entry.expiry_s)
            self._flight.note(mid, entry.seq, self._monotonic())

    def _watch(self) -> None:
        flight, now = self._flight, self._monotonic()
        if flight.oldest_s(now) > self._settings.ack_timeout_s:
            self._repeats.tell("unacknowledged", f"mqtt unacknowledged={len(flight.sent)}; connecting again")
            self._flight = Flight()
            self._link.drop()
        elif flight.retry_s and now > flight.retry_s:
            flight.start_again()

    def _goodbye(self) -> None:
        if not self._flight.session:
            return
        mid = self._say_status("stopped")
        deadline_s = self._monotonic() + GOODBYE_S
        while mid in self._flight.sent and self._monotonic() < deadline_s:
            self._wake.wait(0.05)
            self._wake.clear()
            self._hear()
