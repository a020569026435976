"""Who looks at which beds of a node, and the one thread that makes pictures of those: the command `look`, topic `mel`.

Not for what is stored of a stream (`edge.node.spectrogram_tiles`). Log-mel columns are made from sound, so they are off
unless the settings have `look: true`. While nobody looks, there is no thread, and no sound is stored. What has no time,
and what the connection does not take at once, is dropped and counted: neither the scoring nor another message waits.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

import numpy as np

from edge.contract.commands import LOOK, LiveViewOrder
from edge.contract.fields import Body
from edge.contract.live import MOMENT_EXPIRY_S
from edge.delivery.alarm_messages import CommandAddress, address_of
from edge.delivery.dispatch import Dispatch
from edge.delivery.messages import Node
from edge.delivery.mqtt_client import Incoming, Subscription
from edge.detector.class_rules import EventOptions
from edge.log import RateLimitedLog
from edge.model.model import Model
from edge.node.alarm_inputs import Order, answer_to, refuse
from edge.node.live_messages import Bytes, MelScale, MelTile, mel_body, mel_topic, score_bytes
from edge.node.spectrogram_tiles import MelColumns, Segment, StreamMel
from edge.node.stream import NodeStream
from edge.settings.node import Stream

MOST_BEDS = 8  # at once; 28 kB/s
MOST_USERS = 16  # of one bed; a board looks for all its viewers at once
WAITING = 32  # segments and commands; of 8 beds two seconds
STOPPED_S = 0.5  # how long the end may take
IDLE_S = 1.0  # how soon the thread ends when nobody looks any more

logger = logging.getLogger(__name__)


class LiveViews:
    """The looks at the beds of one node; commands are taken from the first connection on.

    Args:
        is_on: whether the settings have `look: true`.
        model: the loaded artefact.
        node: in whose name pictures are published.
        dispatch: the way to the broker; not started yet; the receiver of commands is set later.
        monotonic: seconds that never step.
    """

    def __init__(
        self,
        is_on: bool,
        model: Model,
        node: Node,
        dispatch: Dispatch,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._is_on, self._model, self._node, self._dispatch = is_on, model, node, dispatch
        self._columns = MelColumns(model.spec, model.chunk)
        self._beds: dict[str, StreamMel] = {}
        self._users: dict[str, dict[str, float]] = {}  # of each bed: until when each looks, monotonic seconds
        self._waiting: queue.Queue[Segment | Order | None] = queue.Queue(WAITING)
        self._counts: Counter[str] = Counter()
        self._sent = 0
        self._mutex = threading.Lock()
        self._limited_log = RateLimitedLog(logger)
        self._thread: threading.Thread | None = None  # while somebody looks
        dispatch.subscribe(Subscription((node.filter("s", "+", "cmd", LOOK, "+"),), self._on_request))

    def join(self, settings: Sequence[Stream], streams: Sequence[NodeStream]) -> None:
        """Let the streams of these settings be looked at; none has sent sound yet."""
        for each, stream in zip(settings, streams, strict=True):
            scale = self._scale(each, stream)
            bed = StreamMel(stream.id, scale, self._columns, stream.timeline.wall_s, self._put, self._monotonic)
            self._beds[stream.id] = bed
            if self._is_on:
                stream.observers.append(bed)

    def _scale(self, settings: Stream, stream: NodeStream) -> MelScale:
        every = EventOptions.of(settings).thresholds_in_force(self._model, stream.adaptation)
        classes, columns = settings.classes or self._model.event_classes, self._columns
        return MelScale(
            self._model.rate_hz,
            columns.samples,
            columns.lowest_hz,
            columns.highest_hz,
            classes,
            {name: every[name] for name in classes},
        )

    def stop(self) -> None:
        """End, when what waits is made."""
        if (thread := self._thread) is not None:
            with suppress(queue.Full):
                self._waiting.put(None, timeout=STOPPED_S)
                thread.join(STOPPED_S)

    def health(self) -> Body:
        """How many beds are looked at, and what became of the pictures since the start."""
        with self._mutex:
            dropped = dict(self._counts)
        return {"beds": self._looked_at(), "sent": self._sent, "dropped": dropped}

    def _looked_at(self) -> int:
        return sum(bed.is_looked_at for bed in self._beds.values())

    def _put(self, item: Segment | Order) -> None:
        try:
            self._waiting.put_nowait(item)
            self._begin()
        except queue.Full:
            self._drop("queue full")
            if isinstance(item, Order):
                refuse(self._node, self._dispatch, item, f"{WAITING} commands and pictures wait already; try again")

    def _begin(self) -> None:
        """Let there be a thread."""
        with self._mutex:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="looks", daemon=True)
                self._thread.start()

    def _drop(self, cause: str) -> None:
        with self._mutex:
            self._counts[cause] += 1

    def _on_request(self, request: Incoming) -> None:
        address = address_of(self._node, request.topic)
        if address is None:
            self._limited_log.log("address", f"look command=dropped topic={request.topic[:128]!r}; it names nobody")
        elif self._is_on:
            self._put(Order(address, request))
        else:
            self._answer(Order(address, request))

    def _next(self) -> Segment | Order | None:
        """What is to be made; None when nobody looks, and at the end."""
        while True:
            with suppress(queue.Empty):
                return self._waiting.get(timeout=IDLE_S)
            with self._mutex:
                if not self._looked_at() and self._waiting.empty():
                    self._thread = None
                    return None

    def _run(self) -> None:
        while (item := self._next()) is not None:
            try:
                if isinstance(item, Order):
                    self._answer(item)
                else:
                    self._publish(item)
            except Exception:  # nobody else makes pictures: this thread must outlive any one
                logger.exception("look error")
                self._drop("error")

    def _publish(self, segment: Segment) -> None:
        bed = segment.bed
        mel = self._columns.of(segment.blocks, segment.first, segment.columns)
        first = segment.first * self._columns.samples
        tile = MelTile(first, segment.first_s, mel, self._scores(segment))
        body = mel_body(self._node, bed.id, bed.scale, tile, time.time())
        if cause := self._dispatch.best_effort.publish(mel_topic(self._node, bed.id), body, MOMENT_EXPIRY_S):
            self._drop(cause)
        else:
            self._sent += 1

    def _scores(self, segment: Segment) -> Bytes:
        """(T, C) scores of a segment, of the classes that become events."""
        places = [self._model.classes.index(name) for name in segment.bed.scale.classes]
        scores = np.zeros((segment.columns, len(places)), np.uint8)
        for part in segment.scores:
            made, at = score_bytes(part.values[:, places], part.valid), part.start - segment.first
            made = made[max(-at, 0) : segment.columns - at]
            scores[max(at, 0) : max(at, 0) + len(made)] = made
        return scores

    def _answer(self, received: Order) -> None:
        """Carry out a command and say so."""
        carry_out = partial(self._look, received.address)
        answer_to(self._node, self._dispatch, self._limited_log, received, LiveViewOrder, carry_out)

    def _look(self, address: CommandAddress, order: LiveViewOrder) -> None:
        """Let a user look from now on, or no more.

        Raises:
            ValueError: why that cannot be, for a person.
        """
        if not self._is_on:
            raise ValueError("nobody may look at beds here; it needs `look: true` in the settings of the node")
        if (bed := self._beds.get(address.stream)) is None:
            raise ValueError(f"no bed {address.stream!r} here; there are {', '.join(self._beds)}")
        now_s = self._monotonic()
        before = self._users.get(address.stream, {})
        users = {user: until_s for user, until_s in before.items() if until_s > now_s and user != address.user}
        if order.duration_s:
            if not bed.is_looked_at and self._looked_at() >= MOST_BEDS:
                raise ValueError(f"{MOST_BEDS} beds of this node are looked at already; stop looking at one of them")
            if len(users) >= MOST_USERS:
                raise ValueError(f"{MOST_USERS} users look at this bed already; ask again in a minute")
            users[address.user] = now_s + order.duration_s
        self._users[address.stream] = users
        bed.until_s = max(users.values(), default=now_s)
