"""The only way out of the node: inbox -> outbox on disk -> broker, from one thread.

Not for making messages. Whoever has something to say calls `send` or `state` and goes on at once; this thread writes it
to the disk, then to the wire, and takes it off the disk when the broker has acknowledged it. After a (re)connection the
order is: status, retained state, live messages, then the backlog, oldest first and at a bounded rate, marked `late`;
but the messages of one event keep their order (`edge.delivery.send_order`).
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable

from edge.delivery.in_flight import Flight
from edge.delivery.messages import STATUS_EXPIRY_S, Body, Message, Node, encode, finish, status_body
from edge.delivery.mqtt import Acked, Down, Link, Signal, Up
from edge.delivery.outbox import Outbox
from edge.delivery.refusals import Refusals
from edge.delivery.send_order import next_messages
from edge.log import Repeats
from edge.settings.config import Mqtt

INBOX_MESSAGES = 1024  # one bed makes a few in a minute; this is room for a disk that stalls
TIDY_S = 30.0
RETRY_S = 30.0  # a message that the broker refused is tried again after this long
GOODBYE_S = 0.5  # how long `stopped` may wait for its acknowledgement

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
        self._first: list[int] = []
        self._changes = outbox.changes
        self.refusals = Refusals()
        self._tidied_s = self._status_s = monotonic()
        self._link = Link(settings, node.client_id, self._will, self._signal)
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

    def send_first(self, seqs: Iterable[int]) -> None:
        """Let these messages, which are in the outbox, go before all others; call it before `start`."""
        self._first = list(seqs)

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

    @property
    def rival(self) -> str:
        """What speaks for another client with this node's name at the broker; empty if nothing does."""
        return self._link.rival

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
            if self._monotonic() - self._status_s > STATUS_EXPIRY_S / 3:
                self._say_status("online")
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
                self._flight.make_due(self._first)
                self.refusals.start_again()
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
        self.refusals.note(seq, signal.refusal)
        if not signal.refusal:
            self._outbox.ack([seq])
            self._flight.arrived(seq)
            return
        line = f'mqtt message=refused reason="{signal.refusal}" seq={seq}; tried again in {RETRY_S:.0f} s'
        self._repeats.tell("refused", line)
        if self._flight.has_backlog or not self._flight.retry_s:
            self._flight.retry_s = self._monotonic() + RETRY_S

    def _say_status(self, state: str) -> int | None:
        body = status_body(self._node, state, self._flight.session, self._wall())
        self._status_s, expiry_s = self._monotonic(), STATUS_EXPIRY_S if state == "online" else None
        mid = self._link.publish(self._node.topic("status"), encode(body), True, expiry_s)
        self._flight.note(mid, None, self._monotonic())
        return mid

    def _say(self) -> None:
        flight, now = self._flight, self._monotonic()
        with self._mutex:
            unsaid = [(topic, *self._state[topic]) for topic in sorted(self._unsaid)[: flight.room]]
            self._unsaid -= {topic for topic, _, _ in unsaid}
        for topic, body, expiry_s in unsaid:
            flight.note(self._link.publish(topic, encode(body), True, expiry_s), None, now)
        if self._changes != self._outbox.changes:  # what holds a message back may be gone, or readable again
            self._changes = self._outbox.changes
            flight.retry_s = now
        for entry in next_messages(flight, self._outbox, now):
            payload = finish(entry.body, entry.seq <= flight.mark, self._wall())
            mid = self._link.publish(self._node.present(entry.topic), payload, False, entry.expiry_s)
            flight.note(mid, entry.seq, now)

    def _watch(self) -> None:
        flight, now = self._flight, self._monotonic()
        if flight.oldest_s(now) > self._settings.ack_timeout_s:
            self._repeats.tell("unacknowledged", f"mqtt unacknowledged={len(flight.sent)}; connecting again")
            self._flight = Flight()
            self._link.drop()
        elif flight.retry_s and now >= flight.retry_s and not flight.has_backlog:  # else the rest never goes
            self.refusals.start_again()
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
