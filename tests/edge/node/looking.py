"""A bed that somebody looks at, without a broker: what its looks publish, as numbers."""

from __future__ import annotations

import json
import threading
from base64 import b64decode
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.api.detect import detect_file
from edge.api.detector import Detector
from edge.contract.fields import Body
from edge.contract.message import encode
from edge.delivery.mqtt_client import Incoming, Subscription
from edge.model.model import Model
from edge.node.live_view import LiveViews
from edge.node.spectrogram_tiles import MelColumns
from edge.settings.node import Stream
from edge.sources.file_search import DEMO_AUDIO
from edge.sources.opening import open_source
from edge.types import Block, Gap, Scores
from tests.edge.conftest import SCHEMAS
from tests.edge.fakes import LoudnessModel
from tests.edge.streaming import NODE, Driven, Published, Script

TOPIC = "laennec/v1/ward/node/s/{}/cmd/look/{}"


class Desk:
    """Stands for `Dispatch`: keeps what is published and answered; refuses what it is told to."""

    def __init__(self) -> None:
        self.sent: list[Body] = []
        self.answers: list[Body] = []
        self.states: list[Body] = []
        self.refusal = ""
        self.subscription: Subscription | None = None
        self.best_effort = self

    def subscribe(self, subscription: Subscription) -> None:
        self.subscription = subscription

    def answer(self, topic: str, body: Body, expiry_s: int, correlation: bytes = b"") -> None:
        SCHEMAS["laennec.result/1"].validate(body)
        self.answers.append({**body, "topic": topic, "expiry_s": expiry_s, "correlation": correlation})

    def set_state(self, topic: str, body: Body, expiry_s: int) -> None:
        SCHEMAS[body["schema"]].validate(json.loads(encode(body)))
        self.states.append({**body, "topic": topic, "expiry_s": expiry_s})

    def publish(self, topic: str, body: Body, expiry_s: int, correlation: bytes = b"", most: int = 16) -> str:
        if body["schema"] == "laennec.result/1":
            self.answer(topic, body, expiry_s, correlation)
            return ""
        SCHEMAS[body["schema"]].validate(body)
        if not self.refusal:
            self.sent.append({**body, "topic": topic, "expiry_s": expiry_s})
        return self.refusal


class Looking:
    """Some beds of one node, and who looks at them; the thread of the looks works only in `settle`."""

    now_s = 1000.0

    def __init__(self, model: Any = None, is_on: bool = True, beds: int = 1, **settings: Any) -> None:
        self.model = model or LoudnessModel()
        self.desk = Desk()
        self.live_views = LiveViews(is_on, self.model, NODE, self.desk, lambda: self.now_s)  # type: ignore[arg-type]
        self.live_views._begin = lambda: None  # type: ignore[method-assign]
        own = [Stream(id=f"bed{k + 1}", source="script", pace=False, **settings) for k in range(beds)]
        self.streams = [Driven(each, Script(), Published(), self.model) for each in own]
        self.live_views.join(own, self.streams)

    def order(self, stream: str = "bed1", user: str = "board", **body: Any) -> Body:
        """Give the command; its answer."""
        payload = json.dumps({"id": "l1", "by": "a board", **body}).encode()
        assert self.desk.subscription is not None
        self.desk.subscription.on_message(Incoming(TOPIC.format(stream, user), payload, correlation=b"c"))
        self.settle()
        return self.desk.answers[-1]

    def settle(self) -> None:
        """Let the thread of the looks work until nothing waits."""
        self.live_views._waiting.put(None)
        self.live_views._run()

    def feed(self, *items: Block | Gap) -> None:
        """Sound for the first bed."""
        for item in items:
            self.streams[0].feed(item)
            self.settle()

    def close(self) -> None:
        self.streams[0].close()
        self.settle()


def mel_of(body: Body) -> NDArray[np.uint8]:
    return np.frombuffer(b64decode(body["mel"]), np.uint8).reshape(body["columns"], body["bands"])


def scores_of(body: Body) -> NDArray[np.uint8]:
    return np.frombuffer(b64decode(body["scores"]), np.uint8).reshape(body["columns"], len(body["classes"]))


def joined(tiles: Sequence[Body]) -> tuple[int, NDArray[np.uint8], NDArray[np.uint8]]:
    """First column, (T, M) and (T, C) of tiles that follow each other without a hole."""
    size = tiles[0]["sample"]["column"]
    for before, after in pairwise(tiles):
        assert after["sample"]["first"] == before["sample"]["first"] + before["columns"] * size
    first = tiles[0]["sample"]["first"]
    assert first % size == 0
    return first // size, np.concatenate([mel_of(b) for b in tiles]), np.concatenate([scores_of(b) for b in tiles])


def demo_sound() -> Block:
    """The demonstration, whole."""
    items = open_source(str(DEMO_AUDIO), 8000, None, False).blocks(threading.Event())
    samples = np.concatenate([item.samples for item in items if isinstance(item, Block)])
    return Block(0, samples, np.ones(len(samples), np.bool_))


def assert_shows_the_demo(tiles: Sequence[Body], model: Model) -> None:
    """Levels are those of its sound, scores those that `laennec detect --scores` gives."""
    first, mel, scores = joined(tiles)
    assert (mel == MelColumns(model.spec, model.chunk).of([demo_sound()], first, len(mel))).all()
    assert mel.min() > 0
    found = [item.values for item in detect_file(DEMO_AUDIO, Detector(model)) if isinstance(item, Scores)]
    columns = [model.classes.index(name) for name in model.event_classes]
    offline = np.concatenate(found)[first : first + len(scores), columns]
    off = np.abs((scores.astype(float) - 1) / 254 - offline)
    assert off.max() <= 0.5 / 254 + 1e-4
    assert scores.max() > 200, "and there is something to compare"
