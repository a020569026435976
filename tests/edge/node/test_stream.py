"""One stream: what it says, and how it ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

import edge.node.stream
from edge.delivery.messages import Message
from edge.errors import ModelError
from edge.node.stream_status import StreamTotals
from edge.types import Block, Chunk, Gap
from tests.conftest import HANGS_S
from tests.edge.conftest import wait_for
from tests.edge.fakes import Answer, Bursts, LoudnessModel
from tests.edge.streaming import (
    Published,
    Script,
    worker,
)


def test_each_onset_is_followed_by_its_end_with_the_same_id_and_onset() -> None:
    published = Published()
    worker(Bursts(5, pace=False), published).run(threading.Event())
    events = published.events()
    assert [body["type"] for body in events] == ["onset", "end"] * 5
    for onset, end in zip(events[::2], events[1::2], strict=True):
        assert onset["id"] == end["id"]
        assert (onset["rev"], end["rev"]) == (1, 2)
        assert onset["time"]["onset"] == end["time"]["onset"] < end["time"]["end"]
        assert onset["sample"]["onset"] == end["sample"]["onset"] < end["sample"]["end"]
    assert len({body["id"] for body in events}) == 5


def test_a_stop_in_the_middle_of_a_sound_closes_its_event() -> None:
    published, stop, source = Published(), threading.Event(), Bursts(1000, pace=False)
    stream = worker(source, published)
    send = published.send

    def stop_at_third_onset(message: Message) -> None:
        send(message)
        if len([body for body in published.events() if body["type"] == "onset"]) == 3:
            stop.set()

    published.send = stop_at_third_onset  # type: ignore[method-assign]
    stream.run(stop)
    assert [body["type"] for body in published.events()] == ["onset", "end"] * 3
    assert source.closed
    assert (stream.assess().state.name, stream.assess().state.reason) == ("disabled", "stopped")


def test_a_file_that_ended_before_the_stop_still_says_so() -> None:
    stop = threading.Event()
    stream = worker(Bursts(1, pace=False), Published())
    stream.run(stop)
    stop.set()
    stream.close()
    assert stream.assess().state.reason == "end of source"


def test_a_stream_that_is_closed_while_its_source_hangs_was_stopped() -> None:
    stream = worker(Bursts(1, pace=False), Published())
    stream.close()
    assert (stream.assess().state.name, stream.assess().state.reason) == ("disabled", "stopped")


def test_a_gap_is_told_with_its_cause_and_ends_what_was_open() -> None:
    published = Published()
    stream = worker(Bursts(3, pace=False, gap_at_s=1.3), published)
    stream.run(threading.Event())
    (gap,) = [message.body for message in published if message.topic.endswith("/gap")]
    assert (gap["cause"], gap["ms"], gap["from_sample"]) == ("device lost", 100, 10400)
    assert stream.assess().totals.gaps == 1
    assert stream.assess().totals.lost_s == pytest.approx(0.1)
    assert "gap" in {body.get("end_reason") for body in published.events()}


class Ended(Bursts):
    """The device ends its stream on purpose in the middle of a burst and sends no more."""

    def blocks(self, stop: threading.Event) -> Iterator[Block | Gap]:
        for item in super().blocks(stop):
            yield item
            if item.stop >= 1.3 * LoudnessModel.rate_hz:
                yield Gap(item.stop, item.stop, "ended by the device", restart=True)
                stop.wait(HANGS_S)
                return


def test_an_end_without_a_gap_closes_what_was_open_at_once() -> None:
    published, stop = Published(), threading.Event()
    stream = worker(Ended(3, pace=False), published)
    thread = threading.Thread(target=stream.run, args=(stop,))
    thread.start()
    wait_for(lambda: len(published.events()) >= 4, "the end of what was open")
    assert [body["type"] for body in published.events()] == ["onset", "end"] * 2
    assert not [message for message in published if message.topic.endswith("/gap")]
    assert stream.assess().totals.gaps == 0
    stop.set()
    thread.join()


def test_a_gpu_that_fails_closes_what_is_open_and_calls_for_a_restart(
    monkeypatch: pytest.MonkeyPatch, lines: pytest.LogCaptureFixture
) -> None:
    published, source, score = Published(), Bursts(5, pace=False), LoudnessModel.score

    def fails(self: LoudnessModel, chunk: Chunk, state: NDArray[np.float32]) -> Answer:
        if published.events():
            raise ModelError("error 719")
        return score(self, chunk, state)

    monkeypatch.setattr(LoudnessModel, "score", fails)
    stream = worker(source, published)
    stream.run(threading.Event())
    assert [body["type"] for body in published.events()] == ["onset", "end"]
    assert (stream.failure, stream.is_broken, source.closed) == ("error 719", True, True)
    assert lines.messages == ["stream=bed1 failed: error 719"]


def test_a_bug_in_one_stream_closes_its_events_and_is_told() -> None:
    published = Published()
    stream = worker(Bursts(5, pace=False, fail_after_s=1.4), published)
    stream.run(threading.Event())
    assert "the source has a bug" in stream.failure
    assert stream.assess().state.name == "lost"
    assert [body["type"] for body in published.events()] == ["onset", "end"] * 2


def test_the_tally_counts_sound_not_time() -> None:
    stream = worker(Bursts(5, pace=False), Published())
    stream.run(threading.Event())
    totals = stream.assess().totals
    assert totals.received_s == pytest.approx(5.0)
    assert 4.9 < totals.measurable_s <= 5.0
    assert totals.events == 5
    assert str(totals).startswith("received 5.0 s, measurable ")
    assert "5 events, real-time factor" in str(totals)
    assert totals + StreamTotals(received_s=1, events=1) == StreamTotals(
        6.0, totals.measurable_s, 0.0, 0, 6, totals.busy_s
    )


def test_sound_that_was_concealed_is_counted_and_stays_lost() -> None:
    rng = np.random.default_rng(0)
    noise = [rng.normal(0, 0.1, count).astype(np.float32) for count in (8000, 8000)]
    blocks = [Block(start, x, np.ones(len(x), np.bool_)) for start, x in zip((0, 8160), noise, strict=True)]
    stream = worker(Script(blocks[0], Gap(8000, 8160, "lost"), blocks[1]), Published())
    stream.run(threading.Event())
    totals = stream.assess().totals
    assert (totals.received_s, totals.lost_s, totals.concealed_s) == (2.0, 0.02, 0.02)
    assert totals.measurable_s > 1.9


def test_a_source_that_gives_nothing_is_lost_not_normal(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = worker(Bursts(5, pace=False), Published())
    assert stream.assess().state.name == "unknown"
    monkeypatch.setattr(edge.node.stream, "STALL_S", -1.0)
    assert (stream.assess().state.name, stream.assess().state.reason) == ("lost", "no sound arrives")


def test_a_source_that_falls_silent_in_mid_sound_closes_its_event(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hangs(Bursts):
        def blocks(self, stop: threading.Event) -> Iterator[Block | Gap]:
            for item in super().blocks(stop):
                yield item
                if item.stop == 20_000:  # the third burst, as far as it goes
                    hanging.set()
                    resume.wait(HANGS_S)

    hanging, resume, published = threading.Event(), threading.Event(), Published()
    stream = worker(Hangs(4, pace=False), published)
    monkeypatch.setattr(edge.node.stream, "STALL_S", 1e9)
    thread = threading.Thread(target=stream.run, args=(threading.Event(),))
    thread.start()
    assert hanging.wait(HANGS_S)
    stream.look()
    before = [body["type"] for body in published.events()]
    monkeypatch.setattr(edge.node.stream, "STALL_S", -1.0)
    stream.look()
    stream.look()
    assert before[-1] == "onset"
    assert [body["type"] for body in published.events()] == [*before, "end"]
    resume.set()
    thread.join(HANGS_S)
    assert [body["type"] for body in published.events()] == ["onset", "end"] * (len(published.events()) // 2)
    assert published.events()[-1]["sample"]["onset"] == pytest.approx(8000 * 3, abs=800)


def test_the_state_tells_since_when() -> None:
    stream = worker(Bursts(1, pace=False), Published())
    stream.run(threading.Event())
    first = stream.assess().state
    assert (first.name, first.reason) == ("disabled", "end of source")
    assert stream.assess().state == first


class Blocks(Bursts):
    """Stands for a source whose sound is there but cannot be judged from `bad_from_s` on; never ends by itself."""

    def __init__(self, seconds: float, bad_from_s: float) -> None:
        super().__init__(seconds, pace=False)
        self.bad_from_s = bad_from_s
        self.given = threading.Event()

    def blocks(self, stop: threading.Event) -> Iterator[Block | Gap]:
        for item in super().blocks(stop):
            assert isinstance(item, Block)
            bad = item.start >= self.bad_from_s * LoudnessModel.rate_hz
            yield Block(item.start, item.samples, item.valid & (not bad))
        self.given.set()
        stop.wait(HANGS_S)


@pytest.mark.parametrize(("bad_from_s", "state"), [(0.0, "degraded"), (20.0, "degraded"), (99.0, "ok")])
def test_sound_that_cannot_be_judged_is_not_called_ok(
    monkeypatch: pytest.MonkeyPatch, bad_from_s: float, state: str
) -> None:
    monkeypatch.setattr(edge.node.stream, "STALL_S", 1e9)  # a machine that is slow is no source that is silent
    source, stop = Blocks(32, bad_from_s), threading.Event()
    stream = worker(source, Published())
    thread = threading.Thread(target=stream.run, args=(stop,))
    thread.start()
    try:
        assert source.given.wait(HANGS_S)
        assert stream.assess().state.name == state
    finally:
        stop.set()
        thread.join()
