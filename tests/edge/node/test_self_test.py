"""The virtual bed of the self-test: what it plays, marks and believes. Verdicts are in the tests of `edge.ward`."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from edge.delivery.dispatch import Dispatch
from edge.delivery.messages import Message, Node
from edge.delivery.mqtt_client import Incoming
from edge.delivery.outbox import Outbox
from edge.node import self_test
from edge.node.self_test import SelfTest, can_test
from edge.settings.broker import Mqtt
from edge.sources.file_search import DEMO_TRUTH
from edge.sources.source import Wait
from edge.types import Block, Gap
from edge.ward.self_test import NOT_BEGUN
from tests.edge.fakes import LoudnessModel
from tests.edge.small_graph import small_model

NODE = Node("laennec/v1", "ward", "node", "Operational", "0badcafe", "0123abcd")
RATE_HZ = LoudnessModel.rate_hz


class Sent(Dispatch):
    """Keeps what is sent."""

    def __init__(self, folder: Path) -> None:
        super().__init__(Outbox(folder / "outbox.db", 1, 1), NODE, Mqtt())
        self.sent: list[Message] = []

    def send(self, message: Message) -> None:
        self.sent.append(message)


@pytest.fixture
def dispatch(tmp_path: Path) -> Any:
    sent = Sent(tmp_path)
    yield sent
    sent._outbox.close()


@pytest.fixture
def tested(dispatch: Sent) -> SelfTest:
    """A node that is due to test itself."""
    made = SelfTest(20.0, LoudnessModel(), NODE, dispatch, [])  # type: ignore[arg-type]
    made._beds = [made.stream]  # one bed that is open
    made._tests._due_s = time.monotonic()
    return made


def played(tested: SelfTest, monkeypatch: pytest.MonkeyPatch) -> list[Block | Gap]:
    """One test, as fast as it can be played."""
    monkeypatch.setattr(tested, "_rate_hz", RATE_HZ)
    items: list[Block | Gap] = []
    clock_s = [time.monotonic()]
    monkeypatch.setattr(self_test.time, "monotonic", lambda: clock_s[0])
    for item in tested.blocks(threading.Event()):
        if isinstance(item, Wait):
            if items and item.seconds == self_test.IDLE_S:
                return items
            clock_s[0] += item.seconds
        else:
            items.append(item)
    raise AssertionError("the virtual bed ended")


def event(onset: int, ident: str = "01ABC") -> Message:
    body = {"id": ident, "mode": "Test", "sample": {"onset": onset, "end": None}}
    return Message("laennec/v1/ward/node/s/self-test/event", body, 60, (ident, 1))


def test_a_test_is_the_bundled_sound_with_its_wheeze_and_nothing_of_the_test_before(
    tested: SelfTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    gap, *blocks = played(tested, monkeypatch)
    wheeze = json.loads(DEMO_TRUTH.read_text())["sounds"][0]
    assert isinstance(gap, Gap)
    assert (gap.start, gap.stop, gap.restart) == (0, 0, True)
    assert sum(len(block.samples) for block in blocks if isinstance(block, Block)) == round(
        (wheeze["end_s"] + self_test.AFTER_S) * RATE_HZ
    )
    assert tested._onset == round(wheeze["onset_s"] * RATE_HZ)


def test_the_second_test_goes_on_where_the_first_ended(tested: SelfTest, monkeypatch: pytest.MonkeyPatch) -> None:
    first = played(tested, monkeypatch)
    tested._tests._is_begun, tested._tests._due_s = False, 0.0
    second = played(tested, monkeypatch)
    assert second[0].start == first[-1].stop


def test_an_event_of_a_later_test_is_as_old_as_its_sound_and_not_as_the_time_between_two_tests(
    tested: SelfTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = played(tested, monkeypatch)
    tested._tests._is_begun, tested._tests._due_s = False, 0.0
    began_s = self_test.time.monotonic() - first[-1].stop / RATE_HZ
    monkeypatch.undo()
    monkeypatch.setattr(time, "monotonic", lambda real=time.monotonic: real() + 3600)
    gap, *blocks = played(tested, monkeypatch)
    assert (gap.start, gap.stop) == (first[-1].stop, blocks[0].start)
    assert blocks[-1].stop / RATE_HZ == pytest.approx(self_test.time.monotonic() - began_s, abs=0.1)


def test_its_events_are_marked_and_those_of_the_wheeze_alone_pass_the_test(tested: SelfTest, dispatch: Sent) -> None:
    tested._tests.begin(time.monotonic())
    tested.send(event(tested._onset + RATE_HZ, "01ELSE"))
    tested._on_returned(Incoming("", b'{"id": "01ELSE"}'))
    assert tested.has_missed is None, "an event a second away is another sound"
    tested.send(event(tested._onset + RATE_HZ // 4))
    tested._on_returned(Incoming("", b'{"id": "01ABC"}'))
    assert tested.has_missed is False
    assert [message.body["self_test"] for message in dispatch.sent] == [True, True]


@pytest.mark.parametrize("payload", [b"", b"\xff", b"[]", b"3", b'{"id": 5}', b'{"id": "x"}', b"[" * 100_000])
def test_whatever_anybody_writes_to_its_topic_is_looked_at_and_no_more(tested: SelfTest, payload: bytes) -> None:
    tested._tests.begin(time.monotonic())
    tested.send(event(tested._onset))
    tested._on_returned(Incoming("", payload))
    assert tested.has_missed is None


def test_its_gaps_are_told_to_nobody(tested: SelfTest, dispatch: Sent) -> None:
    tested.send(Message("laennec/v1/ward/node/s/self-test/gap", {"cause": "overload"}, 60))
    assert dispatch.sent == []


def test_it_ends_with_the_last_bed(tested: SelfTest) -> None:
    tested.stream.is_closed = True
    tested.stream.assess()
    assert list(tested.blocks(threading.Event())) == []


def test_a_miss_says_what_the_stream_says_and_is_one_line_in_the_log(
    tested: SelfTest, lines: pytest.LogCaptureFixture
) -> None:
    tested.stream.failure = "its scoring failed"
    tested.stream.assess()
    tested._tests._due_s = time.monotonic() - 100
    tested.tick()
    tested.tick()
    assert tested.body()["reason"] == f"{NOT_BEGUN}; its scoring failed"
    (record,) = lines.records
    assert record.getMessage() == f'self_test=missed reason="{NOT_BEGUN}; its scoring failed"'


def test_a_model_without_the_class_of_the_sound_cannot_be_tested_so() -> None:
    class Crackles(LoudnessModel):
        groups = LoudnessModel.groups[1:]

    assert can_test(small_model())
    assert not can_test(Crackles())  # type: ignore[arg-type]
