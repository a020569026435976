"""Whatever follows a stream hears all of it, in the order of the sound, and one that asks for nothing costs nothing."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.detector.sound_check import SoundAssessment
from edge.node.inbox import Item
from edge.node.observer import StreamObserver
from edge.types import Block, Chunk, Event, Gap, Scores
from tests.edge.streaming import RATE_HZ, Driven, Published, Script, configured, samples_of, sound

pytestmark = pytest.mark.usefixtures("patient")


class Diary(StreamObserver):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.published: list[tuple[str, object]] = []

    def on_item(self, item: Item) -> None:
        self.published.append(("hear", item))

    def on_chunk(self, chunk: Chunk, state: NDArray[np.float32]) -> None:
        self.published.append(("state", chunk.start))

    def on_scores(self, scores: Scores, verdict: SoundAssessment) -> None:
        self.published.append(("judge", scores.start + len(scores.valid)))

    def on_events(self, events: Sequence[Event]) -> None:
        self.published += [("find", (event.kind, event.onset)) for event in events]

    def on_end(self) -> None:
        self.published.append(("finish", None))

    def of(self, kind: str) -> list[object]:
        return [value for name, value in self.published if name == kind]


class Indifferent(StreamObserver):
    """Wants to know nothing."""


ITEMS = (sound(4, (1, 2)), Gap(4 * RATE_HZ, 6 * RATE_HZ, "device lost"), sound(3, (1, 2), start=6 * RATE_HZ))


def run(*observers: StreamObserver) -> tuple[Driven, Published]:
    published = Published()
    stream = configured(Script(*ITEMS), published)
    stream.observers += observers
    stream.run(threading.Event())
    assert stream.failure == ""
    return stream, published


def test_an_observer_hears_every_item_every_score_and_every_event_and_then_the_end() -> None:
    diary = Diary()
    _, published = run(diary)
    received = diary.of("hear")
    assert sum(len(item.samples) for item in received if isinstance(item, Block)) == 7 * RATE_HZ
    assert [item for item in received if isinstance(item, Gap)] == [ITEMS[1]]
    reported = [(body["type"], body["sample"]["onset"]) for body in published.events()]
    assert diary.of("find") == reported
    assert len(reported) == 4  # two sounds, each with its onset and its end
    assert diary.published[-1] == ("finish", None)


def test_the_sound_of_a_chunk_is_heard_before_its_state_and_that_before_its_scores() -> None:
    diary = Diary()
    run(diary)
    names = [name for name, _ in diary.published]
    assert names.index("hear") < names.index("state") < names.index("judge") < names.index("find")
    assert diary.of("judge") == sorted(diary.of("judge"))  # type: ignore[type-var]


def test_observers_that_want_nothing_change_nothing_of_what_a_stream_says() -> None:
    (alone, expected), (followed, published) = run(), run(Indifferent(), Indifferent())
    assert samples_of(published.events()) == samples_of(expected.events())
    assert vars(followed.assess().totals) | {"busy_s": 0} == vars(alone.assess().totals) | {"busy_s": 0}
