"""Who listens to which beds of a node, and what they hear: the command `listen`, topics `sound` and `listening`.

Not for hiding voices (`edge.clips.voice_mute`). Off unless the settings have `listen: true` for the bed; where it was
agreed for this bed, a new patient ends that (`edge.node.patients`). While nobody listens there is no thread, no
sound is kept, and the streams are not followed; with the first listener a thread begins, says who listens, follows the
bed, and ends with the last. What it has no time for, and what the connection does not take at once, is dropped and
counted: neither the scoring nor another message waits for it. Sound is never written anywhere.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from edge.clips.voice_mute import MutedPiece, VoiceMute
from edge.contract.commands import LISTEN, ListenOrder
from edge.contract.fields import Body
from edge.contract.live import LISTENING_EXPIRY_S, MAX_LISTENERS, MOMENT_EXPIRY_S
from edge.delivery.alarm_messages import CommandAddress, address_of
from edge.delivery.dispatch import Dispatch
from edge.delivery.messages import Node
from edge.delivery.mqtt_client import Incoming, Subscription
from edge.log import RateLimitedLog
from edge.node.alarm_inputs import Order, answer_to, refuse
from edge.node.inbox import Item
from edge.node.live_messages import ListenPermit, listening_body, sound_body
from edge.node.observer import StreamObserver
from edge.node.stream import NodeStream
from edge.settings.node import Config
from edge.types import Block
from edge.ward.quotas import Quotas

MOST_BEDS = 4  # at once; 11 kB of sound in a message, two a second: 85 kB/s
WAITING = 128  # blocks of sound; of 4 beds some seconds
ORDERS, ORDERS_S = 30, 60.0  # of one user at the broker: the session's thread answers
MISTAKE = "nobody may listen to this bed; it needs `listen: true` in the settings of the node, and consent (SAFETY.md)"
STOPPED_S = 0.5  # how long the end may take
SWEEP_S = 0.25  # how late a listener's time may end

logger = logging.getLogger(__name__)


class Tap(StreamObserver):
    """Follows one stream while somebody listens; what an observer does is called by the thread that scores.

    Args:
        stream: which.
        rate_hz: of its sound.
        put: takes it and a block, or None where its sound ends; never waits.
    """

    def __init__(self, stream: NodeStream, rate_hz: int, put: Callable[[Tap, Block | None], None]) -> None:
        self.stream, self.mute, self._put = stream, VoiceMute(rate_hz), put
        self.is_over = False
        """Whether another patient lies there now: nothing of it that still waits is played."""

    def begin(self) -> None:
        """Follow from now on; whoever goes through the stream's followers keeps the list of before."""
        self.stream.observers = [*self.stream.observers, self]

    def end(self) -> None:
        """Follow no more."""
        self.stream.observers = [each for each in self.stream.observers if each is not self]

    def on_item(self, item: Item) -> None:
        """Hand a block on."""
        if isinstance(item, Block):
            self._put(self, item)

    def on_end(self) -> None:
        """What follows is another sound."""
        self._put(self, None)

    def on_new_patient(self) -> None:
        """Who listens has no leave of this one."""
        self.is_over = True


@dataclass
class _Bed:
    """One stream that exists, whether anybody may listen to it or not."""

    stream: NodeStream
    mistake: str
    """Why nobody may listen by the settings; empty: people may."""
    people: tuple[ListenPermit, ...] = ()
    published: tuple[ListenPermit, ...] = ()
    """As published last."""
    tap: Tap | None = None


@dataclass
class _Totals:
    sent: int = 0
    muted: int = 0  # samples
    dropped: Counter[str] = field(default_factory=Counter)


class NodeListening:
    """Those who listen to the beds of one node.

    Args:
        config: the settings.
        rate_hz: of all sound.
        node: in whose name it is published.
        dispatch: the way to the broker; not started yet; the receiver of commands is set later.
        monotonic: seconds that never step.
    """

    def __init__(
        self, config: Config, rate_hz: int, node: Node, dispatch: Dispatch, monotonic: Callable[[], float]
    ) -> None:
        self._config, self._rate_hz, self._monotonic = config, rate_hz, monotonic
        self._node, self._dispatch = node, dispatch
        self._beds: dict[str, _Bed] = {}
        self._is_consent_over: Callable[[str], bool] = lambda bed: True
        self._mutex = threading.Lock()
        self._waiting: queue.Queue[tuple[Tap, Block | None] | None] = queue.Queue(WAITING)
        self._totals, self._quotas, self._limited_log = _Totals(), Quotas(ORDERS, ORDERS_S), RateLimitedLog(logger)
        self._is_over = False
        self.thread: threading.Thread | None = None
        """That works; None while nobody listens."""
        dispatch.subscribe(Subscription((node.filter("s", "+", "cmd", LISTEN, "+"),), self._on_request))

    def join(self, streams: Sequence[NodeStream], is_consent_over: Callable[[str], bool]) -> None:
        """Let the streams of the settings be listened to; none has sent sound yet.

        Args:
            streams: all of the settings, in their order.
            is_consent_over: whether the patient of a bed who agreed is gone.
        """
        self._is_consent_over = is_consent_over
        for settings, stream in zip(self._config.streams, streams, strict=True):
            self._beds[stream.id] = _Bed(stream, "" if self._config.may_listen(settings) else MISTAKE)

    @property
    def is_possible(self) -> bool:
        """Whether any bed may be listened to."""
        return any(not bed.mistake for bed in self._beds.values())

    def refusal(self, stream: str) -> str:
        """Why nobody may listen to a bed, for a person; empty: people may."""
        if (bed := self._beds.get(stream)) is None:
            return f"no bed {stream!r} here; there are {', '.join(self._beds)}"
        if not bed.mistake and self._is_consent_over(stream):
            return (
                "the patient who agreed is gone; ask the new one, write when they agreed into the settings of the bed"
                " (`listen: 2026-11-25 14:05`), and start the node again"
            )
        return bed.mistake

    def health(self) -> Body:
        """How many beds are listened to, and what became of the sound since the start."""
        with self._mutex:
            beds, totals, dropped = self._listened_to(), self._totals, dict(self._totals.dropped)
        muted_s = round(totals.muted / self._rate_hz, 1)
        return {"beds": beds, "sent": totals.sent, "muted_s": muted_s, "dropped": dropped}

    def stop(self) -> None:
        """End, and say that nobody listens any more."""
        with self._mutex:
            self._is_over, thread = True, self.thread
            for bed in self._beds.values():
                bed.people = ()
        if thread is not None:
            self._wake()
            thread.join(STOPPED_S)

    def _on_request(self, request: Incoming) -> None:
        """A command; called from the session's thread."""
        address, now_s = address_of(self._node, request.topic), self._monotonic()
        if address is None:
            self._limited_log.log("address", f"listen command=dropped topic={request.topic[:128]!r}; it names nobody")
        elif not self._quotas.take(address.user, now_s):
            refuse(self._node, self._dispatch, Order(address, request), f"at most {ORDERS} commands a minute; wait one")
        else:
            order, carry_out = Order(address, request), partial(self._listen, address)
            answer_to(self._node, self._dispatch, self._limited_log, order, ListenOrder, carry_out)

    def _listen(self, address: CommandAddress, order: ListenOrder) -> None:
        """Let a person listen from now on, or no more.

        Raises:
            ValueError: why that cannot be, for a person.
        """
        if reason := self.refusal(address.stream):
            raise ValueError(reason)
        bed, now_s = self._beds[address.stream], self._monotonic()
        with self._mutex:
            others = tuple(each for each in bed.people if (each.user, each.by) != (address.user, order.by))
            since_s = next((each.since_s for each in bed.people if each not in others), time.time())
            if order.duration_s and not self._is_over:
                if not bed.people and self._listened_to() >= MOST_BEDS:
                    raise ValueError(f"{MOST_BEDS} beds of this node are listened to already; wait a minute")
                if len(others) >= MAX_LISTENERS:
                    raise ValueError(f"{MAX_LISTENERS} people listen to this bed already; wait a minute")
                others += (ListenPermit(address.user, order.by, since_s, now_s + order.duration_s),)
                if self.thread is None:
                    self.thread = threading.Thread(target=self._run, name="listen", daemon=True)
                    self.thread.start()
            bed.people = others
        self._wake()

    def _listened_to(self) -> int:
        return sum(bool(bed.people) for bed in self._beds.values())

    def _wake(self) -> None:
        with suppress(queue.Full):  # then it is awake
            self._waiting.put_nowait(None)

    def _run(self) -> None:
        """While somebody listens."""
        while self._follow():
            with suppress(queue.Empty):
                if (got := self._waiting.get(timeout=SWEEP_S)) is not None:
                    self._on_block(*got)

    def _follow(self) -> bool:
        """Say who listens where that has changed, and follow those beds alone; false, and it ends, if nobody does."""
        now_s = self._monotonic()
        for name, bed in self._beds.items():
            is_over = bed.tap is not None and bed.tap.is_over
            with self._mutex:
                people = () if is_over else tuple(each for each in bed.people if each.until_s > now_s)
                bed.people = people
            if people != bed.published:
                self._publish_listeners(name, bed, people, now_s)
            if people and bed.tap is None:
                bed.tap = Tap(bed.stream, self._rate_hz, self._put)
                bed.tap.begin()
            elif not people and bed.tap is not None:
                bed.tap.end()
                bed.tap = None
        with self._mutex:
            # Who left while the beds were gone through may have been published in this turn: the next one says so.
            if self._listened_to() or any(bed.published for bed in self._beds.values()):
                return True
            self._waiting = queue.Queue(WAITING)  # no sound is kept
            self.thread = None
            return False

    def _put(self, tap: Tap, block: Block | None) -> None:
        """From the thread that scores."""
        try:
            self._waiting.put_nowait((tap, block))
        except queue.Full:
            self._drop("queue full")

    def _drop(self, cause: str) -> None:
        with self._mutex:
            self._totals.dropped[cause] += 1

    def _publish_listeners(self, name: str, bed: _Bed, people: tuple[ListenPermit, ...], now_s: float) -> None:
        """Publish who listens; the log has each begin and end."""
        wall_s, before = time.time(), {(each.user, each.by) for each in bed.published}
        now = {(each.user, each.by) for each in people}
        for what, names in (("begun", now - before), ("ended", before - now)):
            for user, by in sorted(names):
                logger.info('stream=%s listen=%s user=%s by="%s"', name, what, user, by)
        bed.published = people
        body = listening_body(self._node, people, now_s, wall_s)
        self._dispatch.set_state(self._node.topic("s", name, "listening"), body, LISTENING_EXPIRY_S)

    def _on_block(self, tap: Tap, block: Block | None) -> None:
        """Publish what may be heard of a bed by this block; None: its sound has ended."""
        bed = self._beds[tap.stream.id]
        if tap.is_over or tap is not bed.tap or not bed.people:
            return
        try:
            for piece in tap.mute.flush() if block is None else tap.mute.push(block):
                self._publish(tap.stream, piece)
        except Exception:  # nobody else sends sound: this thread must outlive any one block
            logger.exception("listen error")
            tap.mute.reset()
            self._drop("error")

    def _publish(self, stream: NodeStream, piece: MutedPiece) -> None:
        first_s = stream.timeline.wall_s(piece.start)
        body = sound_body(self._node, stream.id, self._rate_hz, piece, (first_s, time.time()))
        topic = self._node.topic("s", stream.id, "sound")
        if cause := self._dispatch.best_effort.publish(topic, body, MOMENT_EXPIRY_S):
            self._drop(cause)
        else:
            self._totals.sent += 1
            self._totals.muted += int(piece.is_speech.sum())
