"""A second model beside the live one: it scores the same beds, and what the two find is compared and counted.

Not a detector: nothing of it becomes an event, an alarm, a burden or a clip. It is scored by the thread of the live
model, in the time in which no chunk of a bed is due; so it is what is left out first when a box has too little time,
and counts what it was not given. However it fails, it alone ends: by an error on one bed for that bed, and for all if
its calls take so long that the beds would wait for it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from edge.contract.fields import LONGEST_ID, Body
from edge.contract.stream_status import Agreement, Compared, ShadowMessage
from edge.delivery.messages import Message, Node
from edge.errors import ConfigError, LaennecError, ModelError
from edge.model.model import Model
from edge.model.runtime import open_model
from edge.node.engine import Engine
from edge.node.inbox import OVERLOAD, Item
from edge.node.observer import StreamObserver
from edge.node.stream import NodeStream
from edge.node.stream_status import StreamTotals
from edge.settings.node import Config, Stream, check_classes
from edge.sources.source import Source
from edge.types import Block, Event
from edge.ward.model_comparison import ModelComparison, Side

SLOW_S = 0.5  # a call that takes longer makes beds wait for longer than a chunk of the bundled `light`
MOST_SLOW = 3  # in a row; one may be the machine's
COMPARE_S = 1.0  # between two comparisons
FOREVER = 1 << 62

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ShadowStatus:
    """What the two models made of a bed since the start."""

    counts: Mapping[str, Body]
    """Events by group, as published."""
    totals: StreamTotals = field(default_factory=StreamTotals)
    """Of the other model."""
    failure: str = ""
    """Why that ended; empty if it did not."""


class ShadowBed(StreamObserver):
    """One bed as both models score it; it follows its live stream, and is the sink of the other."""

    def __init__(self, live: NodeStream, settings: Stream, source: Source, models: tuple[Model, Model], node: Node):
        """No sound came yet.

        Args:
            live: its stream.
            settings: of the stream.
            source: of the stream; only its vital signs are asked for.
            models: the live one, and the one that is compared with it.
            node: in whose name the streams speak.
        """
        self.id, (self._model, self._other) = live.id, models
        name = f"shadow-{live.id}"[:LONGEST_ID]  # of the log, and of messages that go no further than here
        own = settings.model_copy(update={"id": name, "adaptation": None})
        self._live = live
        self.stream = NodeStream(own, source, self._other, node, self)
        self.stream.observers.append(_Finder(self, self._other))
        self._groups = _groups(self._model)
        self._compared = ModelComparison({*self._groups.values(), *_groups(self._other).values()}, self._model.rate_hz)
        self._received = 0  # absolute index one past the newest sample of the bed
        live.observers.append(self)
        self.has_news = False
        """Whether something came that its engine does not know of."""
        self._publish()

    def on_item(self, item: Item) -> None:
        """What the live stream takes goes to the other as well."""
        self._guard(lambda: self._on_audio(item))

    def _on_audio(self, item: Item) -> None:
        if isinstance(item, Block):
            if item.start < self._received:
                self._compared.forget()  # a device began anew
            self._received = item.stop
        if not self.stream.is_closed:
            self.stream.arrive(item)
            self.has_news = True

    def on_events(self, events: Sequence[Event]) -> None:
        """Events of the live model."""
        self._guard(lambda: self.record("live", events, self._groups))

    def _guard(self, work: Callable[[], None]) -> None:
        """An error where the two meet is the other's alone."""
        try:
            work()
        except Exception as error:
            self.stream.fail(error)

    def record(self, side: Side, events: Sequence[Event], groups: dict[str, str]) -> None:
        """Events of either."""
        for event in events:
            if event.kind == "onset":
                self._compared.onset(side, groups[event.label], event.onset)
            elif event.kind == "end" and event.end is not None:
                self._compared.end(side, groups[event.label], event.onset, event.end)

    def send(self, message: Message) -> None:
        """Of what the other stream says, only what it was not given matters, and is published by nobody."""
        if message.body.get("cause") == OVERLOAD:
            self._compared.left_out(message.body["from_sample"], message.body["to_sample"])

    def compare(self) -> None:
        """Compare what both have decided; where the other ended, nothing more is compared."""
        if self.stream.is_closed:
            self._compared.left_out(self.stream.decided, FOREVER)
            self._compared.compare(self._live.decided)
        else:
            self._compared.compare(min(self._live.decided, self.stream.decided))
        self._publish()

    def _publish(self) -> None:
        """Say how it is, for the threads that publish it."""
        counts = {name: asdict(each) for name, each in self._compared.counts.items()}
        self.status = ShadowStatus(counts, self.stream.assess().totals, self.stream.failure)

    def end(self, error: Exception) -> None:
        """The other model scores no more."""
        self.stream.fail(error)
        self.status = replace(self.status, failure=self.stream.failure)

    def body(self, node: Node, wall_s: float) -> Body:
        """What the two made of the bed since the start."""
        status, totals = self.status, self.status.totals
        models = (Compared.model_construct(id=each.id, sha256=each.sha256) for each in (self._model, self._other))
        live, shadow = models
        return ShadowMessage.model_construct(
            ts=wall_s,
            boot_id=node.boot_id,
            stream=self.id,
            live=live,
            shadow=shadow,
            groups={name: Agreement.model_construct(**counts) for name, counts in status.counts.items()},
            heard_s=round(totals.received_s, 2),
            measurable_s=round(totals.measurable_s, 2),
            left_out_s=round(totals.left_out_s, 2),
            failure=status.failure,
            rtf=round(totals.busy_s / totals.received_s, 4) if totals.received_s else None,
        ).body()


class _Finder(StreamObserver):
    """Follows the other stream: its events."""

    def __init__(self, bed: ShadowBed, model: Model) -> None:
        self._bed = bed
        self._groups = _groups(model)

    def on_events(self, events: Sequence[Event]) -> None:
        self._bed.record("shadow", events, self._groups)


class Shadow:
    """The second model on all beds of a node: work for the spare time of the engine."""

    def __init__(self, beds: Sequence[ShadowBed], model: Model, priorities: Sequence[str]) -> None:
        """Prepare an engine that has no thread of its own.

        Args:
            beds: all of them.
            model: that is compared with the live one.
            priorities: of the beds, as in `edge.node.scheduling`.
        """
        self.beds = beds
        self._by_id = {bed.id: bed for bed in beds}
        self._engine = Engine(model, [bed.stream for bed in beds], priorities)
        self._slow = 0
        self._is_over = False
        self._compared_s = time.monotonic()

    def body(self, stream: str, node: Node, wall_s: float) -> Body:
        """What the two models made of one bed."""
        return self._by_id[stream].body(node, wall_s)

    def bodies(self, node: Node, wall_s: float) -> dict[str, Body]:
        """The same of all beds."""
        return {stream: bed.body(node, wall_s) for stream, bed in self._by_id.items()}

    def is_due(self) -> bool:
        """Whether a turn has something to do."""
        return not self._is_over and (any(bed.has_news for bed in self.beds) or self._engine.is_due())

    def turn(self) -> None:
        """Score one batch, if one is due; raises nothing."""
        if self._is_over:
            return
        begin_s = time.monotonic()
        for number, bed in enumerate(self.beds):
            if bed.has_news:
                bed.has_news = False
                self._engine.wake(number)
        try:
            scored = self._engine.turn(0.0)
            self._compare(begin_s)
        except Exception as error:  # whatever it is, the beds of the live model are scored
            return self._end(error)
        if scored:
            self._record_cost(time.monotonic() - begin_s)

    def _record_cost(self, took_s: float) -> None:
        self._slow = self._slow + 1 if took_s > SLOW_S else 0
        if self._slow >= MOST_SLOW:
            self._end(ModelError(f"a call takes {took_s:.2f} s, for which the beds would wait; it scores no more"))

    def _compare(self, now_s: float) -> None:
        if now_s - self._compared_s >= COMPARE_S:
            self._compared_s = now_s
            for bed in self.beds:
                bed.compare()

    def _end(self, error: Exception) -> None:
        self._is_over = True
        for bed in self.beds:
            bed.end(error)


def _groups(model: Model) -> dict[str, str]:
    """Name of the group of each class that becomes events."""
    return {label: group.name for group in model.groups for label in group.classes}


def load_shadow(config: Config, live: Model) -> Model | None:
    """The second model of the settings; None if there is none.

    Raises:
        LaennecError: it cannot be loaded, or has other inputs or classes than the live one.
    """
    if config.shadow is None:
        return None
    model = open_model(config.shadow, config.runtime)
    if model.rate_hz != live.rate_hz:
        raise ConfigError(f"expected a model for {live.rate_hz} Hz, as the live one, found {model.rate_hz} Hz")
    check_classes(config, model)
    return model


def open_shadow(config: Config, live: Model) -> Model | None:
    """The same, where a mistake is one line in the log: the beds do not depend on it."""
    try:
        model = load_shadow(config, live)
    except LaennecError as error:
        logger.error('shadow=off reason="%s"; the live model works alone', error)
        return None
    if model is not None and any(stream.adaptation is not None for stream in config.streams):
        logger.warning("shadow=unadapted; adaptations are of the live model, the other scores the beds as they are")
    return model


def make_shadow(
    config: Config, models: tuple[Model, Model], node: Node, streams: Sequence[NodeStream], sources: Sequence[Source]
) -> Shadow:
    """The second model on the beds of a node, whose live streams it follows from now on."""
    each = zip(streams, config.streams, sources, strict=True)
    beds = [ShadowBed(stream, settings, source, models, node) for stream, settings, source in each]
    return Shadow(beds, models[1], [settings.priority for settings in config.streams])
