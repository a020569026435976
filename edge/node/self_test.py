"""The node tests itself: the bundled synthetic wheeze on a virtual bed, through the model to the broker and back.

Not for the verdict (`edge.ward.self_test`), and not a measure of accuracy. The virtual bed is a stream like any other
to the threads that read and score, left out before any other; its events are marked `self_test` and always of mode
`Test`. It is in no count of the node's streams and has no status, trend, alarm or place in the history of the ward.

`SelfMonitoring` holds what watches a running node: self-test and metrics, where the settings have them. What fails
there is logged, and the beds go on as before.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edge.contract.fields import SELF_TEST_STREAM, Body, rfc3339
from edge.delivery.dispatch import Dispatch
from edge.delivery.messages import Message, Node
from edge.delivery.mqtt_client import Incoming, Subscription
from edge.errors import LaennecError
from edge.model.model import Model
from edge.node.health import Reports
from edge.node.stream import NodeStream
from edge.node.stream_status import StreamView
from edge.settings.node import Config, Stream
from edge.sources.file import FileSource
from edge.sources.file_search import DEMO_AUDIO, DEMO_TRUTH
from edge.sources.source import Wait
from edge.types import Block, Gap
from edge.ward.self_test import SelfTests

if TYPE_CHECKING:
    from edge.node.metrics import MetricsServer

LABEL = "wheeze"
BLOCK_S = 0.1  # of sound that comes at once, as from a file
IDLE_S = 0.1  # how soon the virtual bed notices that a test is due, or that all beds have ended
AFTER_S = 3.0  # of breath without a wheeze that follows it
NEAR_S = 0.5  # how far an event may begin from the sound that it is of
LONGEST = 65_536  # bytes of a message that comes back; ours has less than 4 kB

logger = logging.getLogger(__name__)


class SelfTest:
    """The tests of one node; a source, and a sink of messages, of a stream of its own."""

    name = SELF_TEST_STREAM

    def __init__(
        self, every_s: float, model: Model, node: Node, dispatch: Dispatch, beds: Sequence[StreamView]
    ) -> None:
        """Prepare the virtual bed, and subscribe to its events.

        Args:
            every_s: from one test to the next, seconds.
            model: the one that scores the beds; it must have the group of `LABEL` (`can_test`).
            node: in whose name it speaks.
            dispatch: the way to the broker; not started yet.
            beds: the streams of the settings; when all of them have ended, so does this.
        """
        self._sound, onset_s = _wheeze(model.rate_hz)
        self._rate_hz, self._onset = model.rate_hz, round(onset_s * model.rate_hz)
        self._dispatch, self._beds = dispatch, beds
        self._mutex = threading.Lock()  # readers, scoring, MQTT and the service come here
        self._tests = SelfTests(every_s, onset_s, time.monotonic())
        self._logged = 0  # verdicts that are in the log
        self._first_s: float | None = None  # when the first test began, monotonic seconds
        self._start = self._next_start = (
            0  # absolute index at which the sound of the last test began, and the next will
        )
        settings = Stream.model_construct(
            id=SELF_TEST_STREAM, source=SELF_TEST_STREAM, classes=_labels(model), outside="ignore"
        )  # not validated: its id is not for others
        self.stream = NodeStream(settings, self, model, replace(node, mode="Test"), self)
        self._topic = node.topic("s", SELF_TEST_STREAM, "event")
        dispatch.subscribe(Subscription((self._topic,), self._on_returned))

    def tick(self) -> None:
        """Give up a test that is late, and log what came out; call it every second or so."""
        with self._mutex:
            self._tests.look(time.monotonic())
            last, runs = self._tests.last, self._tests.runs
        if last is None or runs == self._logged:
            return
        self._logged = runs
        if last.passed:
            logger.info("self_test=passed latency_s=%.2f", last.latency_s)
        else:
            logger.error('self_test=missed reason="%s"', self._reason(last.reason))

    @property
    def has_missed(self) -> bool | None:
        """Whether the last test was missed; None before the first."""
        last = self._tests.last
        return None if last is None else not last.passed

    def body(self) -> Body:
        """For the health of the node."""
        with self._mutex:
            last, runs, missed = self._tests.last, self._tests.runs, self._tests.missed
        at_s = None if last is None else time.time() - time.monotonic() + last.at_s
        latency_s = None if last is None or last.latency_s is None else round(last.latency_s, 2)
        return {
            "runs": runs,
            "missed": missed,
            "passed": None if last is None else last.passed,
            "at": None if at_s is None else rfc3339(at_s),
            "latency_s": latency_s,
            "reason": "" if last is None else self._reason(last.reason),
        }

    def blocks(self, stop: threading.Event) -> Iterator[Block | Gap | Wait]:
        """The sound of each test in real time, and nothing between them, see `edge.sources.source.Source`."""
        while not stop.is_set() and not self._is_over():
            with self._mutex:
                is_due = self._tests.begin(time.monotonic())
            if is_due:
                yield from self._play(stop)
            else:
                yield Wait(IDLE_S)

    def close(self) -> None:
        """Nothing to release."""

    def send(self, message: Message) -> None:
        """Pass on the events of the virtual bed, marked; its gaps are of no use to anybody."""
        if message.event is None:
            return
        if abs(message.body["sample"]["onset"] - self._start - self._onset) <= NEAR_S * self._rate_hz:
            with self._mutex:
                self._tests.decided(message.event[0])
        self._dispatch.send(message.with_fields(self_test=True))

    def _is_over(self) -> bool:
        return all(bed.status.is_closed for bed in self._beds)

    def _play(self, stop: threading.Event) -> Iterator[Block | Gap | Wait]:
        begin_s, length, before = time.monotonic(), round(BLOCK_S * self._rate_hz), self._next_start
        self._first_s = begin_s if self._first_s is None else self._first_s
        # Time between two tests counts as lost sound, or events would be said to be older by it.
        self._start = start = max(before, round((begin_s - self._first_s) * self._rate_hz))
        yield Gap(before, start, SELF_TEST_STREAM, restart=True)  # no chunk reaches over two tests
        for first in range(0, len(self._sound), length):
            samples = self._sound[first : first + length]
            stop_s = begin_s + (first + len(samples)) / self._rate_hz
            while not stop.is_set() and (early_s := stop_s - time.monotonic()) > 0:
                yield Wait(early_s)
            if stop.is_set() or self._is_over():
                return
            yield Block(start + first, samples, np.ones(len(samples), np.bool_))
        self._next_start = start + len(self._sound)

    def _on_returned(self, request: Incoming) -> None:
        """What the broker gave back; anybody may write there, so it is only looked at."""
        try:
            body = json.loads(request.payload[:LONGEST])
        except (ValueError, RecursionError):
            return
        if isinstance(body, dict) and isinstance(ident := body.get("id"), str):
            with self._mutex:
                self._tests.returned(ident, time.monotonic())

    def _reason(self, reason: str) -> str:
        """With what the stream itself says, where that is more exact."""
        failure = self.stream.status.failure
        return f"{reason}; {failure}" if reason and failure else reason


def can_test(model: Model) -> bool:
    """Whether the model has events for the bundled sound."""
    return bool(_labels(model))


def _labels(model: Model) -> tuple[str, ...]:
    """Event classes of the group of `LABEL`: a rhonchus in its place is as good."""
    return tuple(label for group in model.groups if LABEL in group.classes for label in group.classes)


def _wheeze(rate_hz: int) -> tuple[NDArray[np.float32], float]:
    """The bundled recording until its first wheeze is over, (N,), and the second at which that begins."""
    sounds = json.loads(DEMO_TRUTH.read_text())["sounds"]
    wheeze = next(each for each in sounds if each["label"] == LABEL)
    source, left = FileSource(DEMO_AUDIO, rate_hz), round((wheeze["end_s"] + AFTER_S) * rate_hz)
    parts: list[NDArray[np.float32]] = []
    try:
        for item in source.blocks(threading.Event()):
            if isinstance(item, Block):
                parts.append(item.samples[:left])
                left -= len(parts[-1])
            if not left:
                break
    finally:
        source.close()
    return np.concatenate(parts), float(wheeze["onset_s"])


class SelfMonitoring:
    """Self-test and metrics of one node; `start` and `stop` once each."""

    def __init__(
        self, config: Config, model: Model, node: Node, dispatch: Dispatch, beds: Sequence[StreamView]
    ) -> None:
        """Prepare what the settings want; nothing listens yet.

        Args:
            config: the settings.
            model: that scores the beds.
            node: who speaks.
            dispatch: the way to the broker; not started yet.
            beds: the streams of the settings.
        """
        self._settings = config.metrics
        self._metrics: MetricsServer | None = None
        self.tests: list[SelfTest] = []
        """Virtual beds, which are to be read and scored beside the others: none or one."""
        if config.self_test.every_s and (test := _self_test(config.self_test.every_s, model, node, dispatch, beds)):
            self.tests.append(test)

    def start(self, reports: Callable[[], Reports]) -> None:
        """Answer Prometheus from now on.

        Args:
            reports: what the node says of itself now; called from another thread.
        """
        if self._settings.port is None:
            return
        from edge.node.metrics import MetricsServer  # half a second, for those who want it

        self._metrics = MetricsServer(self._settings, reports)
        self._metrics.start()

    def tick(self) -> None:
        """Look how the test goes; call it every second or so."""
        for test in self.tests:
            test.tick()

    def stop(self) -> None:
        """Listen no more."""
        if self._metrics is not None:
            self._metrics.stop()

    @property
    def has_missed(self) -> bool | None:
        """Whether the last self-test was missed; None if there was none."""
        return self.tests[0].has_missed if self.tests else None

    def complete(self, health: Body) -> Body:
        """The health of a node, with what is known here."""
        checks = health["checks"]
        if self._metrics is not None:
            checks["metrics"] = "ok" if self._metrics.is_healthy else "crit"
        for test in self.tests:
            health["self_test"] = test.body()
        if self.has_missed is not None:
            checks["self_test"] = "crit" if self.has_missed else "ok"
        return health


def _self_test(
    every_s: float, model: Model, node: Node, dispatch: Dispatch, beds: Sequence[StreamView]
) -> SelfTest | None:
    if not can_test(model):
        logger.warning("self_test=off; the model has no class %s, which the bundled sound is of", LABEL)
        return None
    try:
        return SelfTest(every_s, model, node, dispatch, beds)
    except LaennecError as error:
        logger.error('self_test=off reason="%s"; install again', error)
        return None
