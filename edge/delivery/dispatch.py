"""Everything that a node publishes goes through here: inbox -> outbox on disk -> broker, from one thread.

Whoever has a message goes on at once; this thread writes it to the disk, publishes it, and takes it off the disk when
the broker has it. After a (re)connection: status, retained state, live messages, then the backlog, oldest first and at
a bounded rate, marked `late`; those of one event in order (`edge.delivery.sender`). Where they lag, no updates go.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence

from edge.contract.fields import Body
from edge.contract.message import encode
from edge.contract.status import STATUS_EXPIRY_S, NodeState
from edge.delivery.disk import STALLED_S
from edge.delivery.entries import RecordsStatus
from edge.delivery.latency import BEHIND_S, DeliveryLag, StageTimes, with_sending
from edge.delivery.message_inbox import GapLimit, MessageInbox, WritePace
from edge.delivery.messages import Message, Node, finish, status_body
from edge.delivery.minutes import Minute
from edge.delivery.mqtt_client import Subscription
from edge.delivery.outbox import Outbox
from edge.delivery.retained import RetainedState
from edge.delivery.sender import InFlight, Refusals, next_messages, next_states
from edge.delivery.session import Acknowledged, Connected, Disconnected, MqttSession, Signal
from edge.delivery.unstored import Answers, BestEffort, Standby
from edge.log import RateLimitedLog
from edge.settings.broker import Mqtt
from edge.ward.alarm_records import Record

INBOX_MESSAGES = 1024  # one bed makes a few in a minute; this is room for a disk that stalls
DELETE_S = 1.0  # without a write, after which what the broker has leaves the disk by itself
TIDY_S = 30.0  # how often the outbox drops what is too old and tries a disk that refused
BEHIND_TIDY_S = 10.0  # the same, while it has not taken what alarms did
RETRY_S = 30.0  # a message that the broker refused is tried again after this long
MINUTES_S = 10.0  # after which minutes are written, though nothing else is
STOPPED_S = 0.5  # how long `stopped` may wait for its acknowledgement

Clock = Callable[[], float]  # gives seconds

logger = logging.getLogger(__name__)


class Dispatch:
    """Store and forward for one node."""

    def __init__(
        self, outbox: Outbox, node: Node, settings: Mqtt, monotonic: Clock = time.monotonic, wall: Clock = time.time
    ) -> None:
        """Prepare; nothing is connected before `start`.

        Raises:
            ConfigError: the password or a certificate cannot be read.
        """
        self._outbox, self._node, self._settings = outbox, node, settings
        self._monotonic, self._wall = monotonic, wall
        self._inbox, self._answers = MessageInbox(INBOX_MESSAGES), Answers()
        self._signals: queue.SimpleQueue[Signal] = queue.SimpleQueue()
        self._wake, self._stopping = threading.Event(), threading.Event()  # there is something to do; it is the last
        self._mutex, self._state = threading.Lock(), RetainedState()
        self.dropped = 0  # messages lost because the inbox was full, or what is on the disk names no topic
        self._limited_log, self._gap_limit = RateLimitedLog(logger), GapLimit()
        self.stages = StageTimes()  # of the events that this process decided and sent
        self._in_flight, self.lag, self.refusals = InFlight(), DeliveryLag(), Refusals()
        outbox.number_for(node.topic())
        self._first, self._changes = list[int](), outbox.changes
        self._tidied_s, self._status_s, self._pace, self._pause_s = monotonic(), monotonic(), WritePace(), 0.0
        self._is_draining = False
        self._session = MqttSession(settings, node.client_id, self._will, self._on_signal)
        self.best_effort = BestEffort(self._session)
        self.unaccepted: Callable[[], tuple[str, str]] = lambda: self._session.unaccepted
        self.tidied: Callable[[], None] = lambda: None  # is called by this thread, so it may wait for the disk
        self._stepping_s: float | None = None  # since when a step has not come back, which is a disk's doing
        self.records = RecordsStatus()  # to be read from any thread
        self.on_answer: Callable[[], None] = lambda: None  # called by this thread when that is another one
        self._thread = threading.Thread(target=self._run, name="disk", daemon=True)
        self._works: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.standby = Standby(self._session, self._state, self._answers, lambda: self.is_stalled)

    def start(self) -> None:
        """Begin to connect and to deliver what earlier processes left on disk."""
        self._session.start()
        self._thread.start()

    def send(self, message: Message) -> None:
        """Publish something that must not be lost. Never waits; a full inbox drops the least important, and counts."""
        if self._inbox.put(message) is not None:
            self._drop("the disk has stalled")
        self._wake.set()

    def record(self, records: Sequence[Record], messages: Sequence[Message]) -> int:
        """Write what alarms did to the disk, with its messages, in one piece. Never waits.

        Returns:
            A ticket: the disk has it when `records.recorded` has reached it.
        """
        ticket, dropped = self._inbox.record(records, messages)
        for _ in dropped:
            self._drop("the disk has stalled")
        self._wake.set()
        return ticket

    def remember(self, minutes: Sequence[Minute]) -> None:
        """Write minutes of the burden with what is written next. Never waits."""
        if lost := self._inbox.remember(minutes):
            self._limited_log.log("minutes", f"minutes dropped={lost}; the disk has stalled", logging.ERROR)

    def do(self, work: Callable[[], None]) -> None:
        """Let the thread that may wait for a disk do something before it writes what comes after. Never waits."""
        self._works.put(work)
        self._wake.set()

    def send_first(self, seqs: Iterable[int]) -> None:
        """Let these messages, which are in the outbox, go before all others; call it before `start`."""
        self._first = list(seqs)

    def set_state(self, topic: str, body: Body | None, expiry_s: int | None = None) -> None:
        """Publish a retained value (None: remove it): the last of a topic counts, and goes out in each connection."""
        self._state.set(topic, body, expiry_s)
        self._wake.set()

    def subscribe(self, subscription: Subscription) -> None:
        """Subscribe in every connection, beside what was asked for before; call it before `start`."""
        first = self._session.subscription
        self._session.subscription = subscription if first is None else first.beside(subscription)

    def answer(self, topic: str, body: Body, expiry_s: int, correlation: bytes = b"") -> None:
        """Publish what somebody waits for now; it is lost where the connection is gone, and they ask again."""
        self._answers.put(topic, encode(body), expiry_s, correlation)
        self._wake.set()

    @property
    def is_stalled(self) -> bool:
        """Whether the disk has not answered for `STALLED_S`: nothing is stored, retained state goes out from memory."""
        since_s = self._stepping_s
        return since_s is not None and self._monotonic() - since_s > STALLED_S

    @property
    def is_connected(self) -> bool:
        """Whether the broker takes messages now."""
        return self._in_flight.session != ""

    @property
    def client_id_conflict(self) -> str:
        """What suggests another client with this node's name at the broker; empty if nothing does."""
        return self._session.client_id_conflict

    def drain(self, timeout_s: float) -> int:
        """Wait until everything was delivered, at most `timeout_s`; how many still wait then, on disk."""
        deadline_s, self._is_draining = self._monotonic() + timeout_s, True
        self._wake.set()
        while (left := len(self._inbox) + self._outbox.status.waiting) and self._monotonic() < deadline_s:
            time.sleep(0.02)
        return left

    def stop(self) -> None:
        """Write what is in the inbox to disk, publish `stopped` if connected, and end, within about two seconds."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(2 * STOPPED_S)
        self._session.stop()

    def _drop(self, why: str) -> None:
        with self._mutex:
            self.dropped += 1
        self._limited_log.log(f"dropped: {why}", f"dispatch dropped={self.dropped}; {why}", logging.ERROR)

    def _will(self, session: str) -> tuple[str, bytes]:
        return self._node.topic("status"), encode(status_body(self._node, "offline", session, self._wall()))

    def _on_signal(self, signal: Signal) -> None:
        self._signals.put(signal)
        self._wake.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(min(self._pause_s or 1.0, 0.1 if self._in_flight.has_backlog else 1.0))
            self._wake.clear()
            self._stepping_s = self._monotonic()
            try:
                self._step()
            except Exception:  # nothing else delivers: this thread must outlive any one message
                logger.exception("dispatch error; going on in 1 s")
                self._stopping.wait(1.0)
            finally:
                self._stepping_s = None
        self._step()
        if rests := self._gap_limit.flush():
            self._outbox.put(rests)
        self._publish_stopped()

    def _step(self) -> None:
        while not self._works.empty():
            self._works.get()()
        # Written before it is sent: after a death between the two its `seq` would be given to another message.
        self._persist()
        self._on_signals()
        for mid in self._answers.publish(self._session):
            self._in_flight.record(mid, None, self._monotonic())
        if self._in_flight.session:
            if self._monotonic() - self._status_s > STATUS_EXPIRY_S / 3:
                self._publish_status("online")
            self._publish_state()
            self._publish_messages()
            self._check_timeouts()
        now_s, is_behind = self._monotonic(), self.records.recorded < self.records.answered
        self.lag.publish(now_s)
        if now_s - self._pace.written_s > DELETE_S:
            self._outbox.delete_acknowledged()
        if now_s - self._tidied_s > (BEHIND_TIDY_S if is_behind else TIDY_S):
            self._tidied_s = now_s
            self._outbox.tidy()
            self._answer(self.records.answered)
            self.tidied()

    def _persist(self) -> None:
        """Inbox to disk, one transaction when it may be; what the broker has leaves the disk with it."""
        now_s, is_last = self._monotonic(), self._stopping.is_set()
        is_urgent = is_last or self._is_draining or self._inbox.is_urgent
        self._pause_s = self._pace.wait_s(now_s, is_urgent) if len(self._inbox) or is_urgent else 0.0
        if self._pause_s and not is_last:
            return
        taken = self._inbox.take(is_last or now_s - self._pace.written_s > MINUTES_S)
        passed = self._gap_limit.push(taken.messages, self._monotonic())
        if passed or len(taken.rows):
            is_on_disk, now_s = self._outbox.put(passed, taken.rows), self._monotonic()
            self._pace.write(now_s)
            self._answer(taken.ticket)
            for seq, each in enumerate(passed, self._outbox.last_seq - len(passed) + 1):
                if each.event is not None and each.decided_s is not None:
                    self.stages.stored(each.event, each.decided_s, now_s, is_on_disk)
                    if self._in_flight.session:
                        self.lag.stored(seq, each)

    def _answer(self, ticket: int) -> None:
        """The disk has taken what alarms did up to here, or refused it: then memory holds it."""
        recorded = self.records.recorded if self._outbox.status.records_in_memory else ticket
        if (now := RecordsStatus(recorded, ticket)) != self.records:
            self.records = now
            self.on_answer()

    def _on_signals(self) -> None:
        """Connections, their ends and acknowledgements that the MQTT session reported since the last step."""
        delivered: list[int] = []
        while not self._signals.empty():
            signal = self._signals.get()
            if isinstance(signal, Connected):
                backlog_end, now_s = self._outbox.last_seq, self._monotonic()
                self._in_flight = InFlight(signal.session, signal.receive_maximum, backlog_end, now_s)
                self._in_flight.make_due(self._first)
                self.refusals.clear()
                self._state.forget_published()
                self._publish_status("online")
            elif isinstance(signal, Disconnected):
                self._in_flight = InFlight()
                self.best_effort.forget()
                self.lag.forget()
            # Packet identifiers begin anew in each connection: one of an earlier connection would name another message.
            elif signal.session == self._in_flight.session:
                delivered += self._on_acknowledged(signal)
        if delivered:  # in one transaction: each waits for the disk
            self._outbox.ack(delivered)
        self._in_flight.release_held(*delivered)

    def _on_acknowledged(self, signal: Acknowledged) -> list[int]:
        """What the broker has by this."""
        self.best_effort.written(signal.mid)
        seq, _ = self._in_flight.unacknowledged.pop(signal.mid, (None, 0.0))
        if seq is None:
            return []
        self.refusals.record(seq, signal.refusal)
        if not signal.refusal:
            self.lag.acknowledged(seq, self._monotonic())
            return [seq]
        line = f'mqtt message=refused reason="{signal.refusal}" seq={seq}; tried again in {RETRY_S:.0f} s'
        self._limited_log.log("refused", line)
        if self._in_flight.has_backlog or not self._in_flight.retry_s:
            self._in_flight.retry_s = self._monotonic() + RETRY_S
        return []

    def _publish_status(self, state: NodeState) -> int | None:
        body = status_body(self._node, state, self._in_flight.session, self._wall())
        self._status_s, expiry_s = self._monotonic(), STATUS_EXPIRY_S if state == "online" else None
        mid = self._session.publish(self._node.topic("status"), encode(body), True, expiry_s)
        self._in_flight.record(mid, None, self._monotonic())
        return mid

    def _publish_state(self) -> None:
        """Retained values that the broker does not have yet."""
        in_flight, now_s = self._in_flight, self._monotonic()
        quota = in_flight.state_quota(self.lag.status.lag_s > BEHIND_S)
        for topic, body, expiry_s in self._state.take(lambda topics: next_states(topics, quota)):
            payload = b"" if body is None else encode(body)  # empty: the broker forgets what it retained
            in_flight.record(self._session.publish(topic, payload, True, expiry_s), None, now_s)

    def _publish_messages(self) -> None:
        """What waits in the outbox, as far as it may go now."""
        in_flight, now_s = self._in_flight, self._monotonic()
        if self._changes != self._outbox.changes:  # what holds a message back may be gone, or readable again
            self._changes = self._outbox.changes
            in_flight.retry_s = now_s
            self.lag.dropped(self._outbox.gone(self.lag.followed))
        for entry in next_messages(in_flight, self._outbox, now_s):
            if entry.body.get("type") == "update" and self.lag.is_late(entry.seq, now_s, BEHIND_S):
                self._outbox.leave_out(entry.seq)
                self._give_up(entry.seq)
                continue
            body = with_sending(entry.body, self.stages.sending(entry.event, self._monotonic()))
            is_late = entry.seq <= in_flight.backlog_end or self.lag.is_late(entry.seq, now_s)
            topic = self._node.current_topic(entry.topic, entry.body.get("stream", ""))
            if topic is None:  # of a damaged disk; the broker would end the connection
                self._drop("a message on the disk has no topic of the contract")
                self._outbox.ack([entry.seq])
                self._give_up(entry.seq)
                continue
            mid = self._session.publish(topic, finish(body, is_late, self._wall()), False, entry.expiry_s)
            in_flight.record(mid, entry.seq, now_s)
            if mid is not None:
                self.stages.sent(entry.event, body)
                self.lag.sent(entry.seq, body, self._monotonic())

    def _give_up(self, seq: int) -> None:
        """A message that has left the outbox is not sent; what waits for it goes in the next step."""
        self._changes = self._outbox.changes
        self.lag.dropped([seq])
        self._in_flight.release_held(seq)
        self._wake.set()

    def _check_timeouts(self) -> None:
        in_flight, now_s = self._in_flight, self._monotonic()
        if in_flight.oldest_s(now_s) > self._settings.ack_timeout_s:
            number = len(in_flight.unacknowledged)
            self._limited_log.log("unacknowledged", f"mqtt unacknowledged={number}; connecting again")
            self._in_flight = InFlight()
            self._session.disconnect()
        elif in_flight.retry_s and now_s >= in_flight.retry_s and not in_flight.has_backlog:  # else the rest never goes
            self.refusals.clear()
            in_flight.requeue()

    def _publish_stopped(self) -> None:
        mid = self._publish_status("stopped") if self._in_flight.session else None
        deadline_s = self._monotonic() + STOPPED_S
        while mid in self._in_flight.unacknowledged and self._monotonic() < deadline_s:
            self._wake.wait(0.05)
            self._wake.clear()
            self._on_signals()
