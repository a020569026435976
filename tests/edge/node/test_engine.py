"""Many streams, a few threads: what fails or hangs in one stays there. Real threads, a model that scores loudness."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.errors import ModelError, SourceError
from edge.node.engine import Engine, phase_of
from edge.node.inbox import OVERLOAD, End
from edge.node.readers import MOST_STUCK, THREADS, ReaderPool, Reading
from edge.node.stream import ModelAnswer, NodeStream
from edge.node.stream_status import State
from edge.settings.node import Stream
from edge.sources.source import Wait
from edge.types import Block, Chunk, Gap
from tests.edge.conftest import wait_for
from tests.edge.fakes import Answer, Bursts, LoudnessModel
from tests.edge.streaming import NODE, Published, made_ready

pytestmark = pytest.mark.usefixtures("patient")

PATIENCE_S = 60.0


class Ward:
    """Streams of some sources with their engine and readers, as in a node, and what each says."""

    def __init__(self, *sources: Bursts, model: LoudnessModel | None = None) -> None:
        made_ready()
        self.model, self.stop = model or LoudnessModel(), threading.Event()
        self.published = [Published() for _ in sources]
        self.streams = [
            NodeStream(
                Stream(id=f"bed{number}", source="bursts", pace=source.pace),
                source,
                self.model,
                NODE,
                expected_text,  # type: ignore[arg-type]
                phase_of(number, self.model.chunk),
            )
            for number, (source, expected_text) in enumerate(zip(sources, self.published, strict=True))
        ]
        self.engine = Engine(self.model, self.streams, ["normal"] * len(sources))  # type: ignore[arg-type]
        wakes = [partial(self.engine.wake, number) for number in range(len(sources))]
        readings = [
            Reading(*each, self.stop, wake)  # type: ignore[arg-type]
            for *each, wake in zip(sources, self.streams, wakes, strict=True)
        ]
        self.readers = ReaderPool(readings, self.streams)

    def start(self) -> None:
        self.engine.start()
        self.readers.start()

    def run(self) -> None:
        """To the end of all sources."""
        self.start()
        wait_for(lambda: not self.engine.is_alive(), "the end of all streams")
        self.readers.join(PATIENCE_S)

    def events(self, number: int) -> list[str]:
        return [body["type"] for body in self.published[number].events()]


class Hangs(Bursts):
    """Gives its sound and then does not return until it is released."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds, pace=False)
        self.released = threading.Event()

    def blocks(self, stop: threading.Event) -> Iterator[Block | Gap | Wait]:
        yield from super().blocks(stop)
        self.released.wait(PATIENCE_S)


def test_forty_streams_find_what_each_would_find_alone_with_a_few_threads() -> None:
    alone, ward, before = Ward(Bursts(5, pace=False)), Ward(*(Bursts(5, pace=False) for _ in range(40))), 0
    alone.run()
    before = threading.active_count()
    ward.start()
    assert threading.active_count() <= before + THREADS + 1
    wait_for(lambda: not ward.engine.is_alive(), "the end of all streams")
    expected = [(body["type"], body["sample"]) for body in alone.published[0].events()]
    assert len(expected) == 10
    assert all(
        [(body["type"], body["sample"]) for body in expected_text.events()] == expected
        for expected_text in ward.published
    )


def test_a_source_that_fails_ends_its_stream_alone() -> None:
    class Unplugged(Bursts):
        def blocks(self, stop: threading.Event) -> Iterator[Block | Gap | Wait]:
            yield from super().blocks(stop)
            raise SourceError("unplugged")

    bad = [Bursts(5, pace=False, fail_after_s=1.4), Unplugged(1.4, pace=False)]
    ward = Ward(Bursts(5, pace=False), *bad, Bursts(5, pace=False))
    ward.run()
    assert [ward.events(number) for number in range(4)] == [["onset", "end"] * count for count in (5, 2, 2, 5)]
    assert [(stream.failure[:16], stream.is_broken) for stream in ward.streams] == [
        ("", False),
        ("internal error: ", True),
        ("unplugged", False),
        ("", False),
    ]
    assert all(source.closed for source in bad)


def test_sources_that_hang_are_replaced_and_do_not_hold_up_the_others() -> None:
    hanging = [Hangs(1.4) for _ in range(THREADS + 2)]
    ward = Ward(*hanging, *(Bursts(30, pace=False) for _ in range(3)))
    ward.start()
    ended = ward.streams[-3:]

    def others_ended() -> bool:
        ward.readers.replace_hung()
        return all(stream.is_closed for stream in ended)

    wait_for(others_ended, "the streams that do not hang")
    assert [len(ward.events(-number)) for number in (1, 2, 3)] == [60, 60, 60]
    stuck = [ward.readers.stuck_s(number) for number in range(len(hanging))]
    assert min(stuck) > 0
    assert len([each for each in threading.enumerate() if each.name == "read"]) <= THREADS + MOST_STUCK
    for source in hanging:
        source.released.set()
    wait_for(lambda: not ward.engine.is_alive(), "the end of all streams")
    assert all(ward.events(number) == ["onset", "end"] * 2 for number in range(len(hanging)))


def test_a_batch_that_fails_is_scored_one_by_one_and_the_stream_that_fails_ends_alone(
    lines: pytest.LogCaptureFixture,
) -> None:
    class Picky(LoudnessModel):
        """Refuses what is much too loud, and every batch that holds it."""

        def score(self, chunk: Chunk, state: NDArray[np.float32]) -> Answer:
            if chunk.values.max() > 2.2:
                raise ModelError("error 719")
            return super().score(chunk, state)

        def score_many(self, chunks: Sequence[Chunk], states: Sequence[NDArray[np.float32]]) -> list[Answer]:
            return [self.score(chunk, state) for chunk, state in zip(chunks, states, strict=True)]

    class Loud(Bursts):
        def blocks(self, stop: threading.Event) -> Iterator[Block | Gap | Wait]:
            for item in super().blocks(stop):
                if isinstance(item, Block) and item.start > 2.1 * LoudnessModel.rate_hz:
                    item.samples[:] *= 20
                yield item

    ward = Ward(Bursts(5, pace=False), Loud(5, pace=False), Bursts(5, pace=False), model=Picky())
    ward.run()
    assert [stream.failure for stream in ward.streams] == ["", "error 719", ""]
    assert [len(ward.events(number)) for number in (0, 2)] == [10, 10]
    assert ward.events(1)[-1] == "end"
    assert "stream=bed1 failed: error 719" in lines.messages


def test_a_stream_that_fails_while_its_chunk_waits_leaves_the_others_their_own_scores() -> None:
    ward = Ward(*(Bursts(3, pace=False) for _ in range(3)))
    for number, stream in enumerate(ward.streams):
        for item in Bursts(3, pace=False).blocks(ward.stop):
            assert not isinstance(item, Wait)
            stream.arrive(item)
        stream.arrive(End())
        ward.engine.wake(number)
    ward.engine._collect(0.0)
    assert all(stream.pending is not None for stream in ward.streams), "all three wait for their turn"
    ward.streams[0].fail(RuntimeError("its device cannot say how it is"))
    while not all(stream.is_closed for stream in ward.streams):
        ward.engine.turn()
    assert [each.failure for each in ward.streams] == [
        "internal error: RuntimeError('its device cannot say how it is')",
        "",
        "",
    ]
    assert [ward.events(number) for number in range(3)] == [[], ["onset", "end"] * 3, ["onset", "end"] * 3]


def test_sound_that_is_no_number_stays_in_its_stream() -> None:
    class NotANumber(Bursts):
        def blocks(self, stop: threading.Event) -> Iterator[Block | Gap | Wait]:
            for item in super().blocks(stop):
                if isinstance(item, Block):
                    item.samples[:] = np.nan
                yield item

    ward = Ward(Bursts(5, pace=False), NotANumber(5, pace=False))
    ward.run()
    assert (ward.events(0), ward.events(1)) == (["onset", "end"] * 5, [])
    assert [stream.failure for stream in ward.streams] == ["", ""]
    assert ward.streams[1].status.totals.measurable_s == 0.0


def test_streams_that_are_stopped_close_their_events_and_say_so_though_a_source_hangs() -> None:
    hanging = Hangs(1.5)
    ward = Ward(hanging, Bursts(1000, pace=True))
    ward.start()
    wait_for(lambda: len(ward.events(0)) == 3 and ward.events(1)[-1:] == ["onset"], "open events")
    ward.stop.set()
    ward.readers.finish()
    ward.readers.join(0.1)
    assert ward.engine.end(PATIENCE_S)
    assert [ward.events(number)[-1] for number in (0, 1)] == ["end", "end"]
    assert [(each.status.state.name, each.status.state.reason) for each in ward.streams] == [
        ("disabled", "stopped")
    ] * 2
    hanging.released.set()


def test_a_stream_that_rests_closes_what_is_open_tells_a_gap_and_is_heard_again() -> None:
    class Calm(Bursts):
        def blocks(self, stop: threading.Event) -> Iterator[Block | Gap | Wait]:
            for item in super().blocks(stop):
                if isinstance(item, Block) and item.start == 20_000:
                    yield Wait(0.1)
                    wait_for(lambda: ward.streams[0]._offered == 20_000, "all sound before it to be taken")
                    wait_for(lambda: len(ward.published[0].events()) == 5, "the third burst")
                    ward.streams[0].shed(3.0)
                    ward.engine.wake(0)
                    wait_for(lambda: len(ward.published[0].events()) == 6, "its end, though nothing more comes")
                yield item

    ward = Ward(Calm(8, pace=False))
    ward.run()
    assert ward.events(0) == ["onset", "end"] * 5
    (gap,) = [message.body for message in ward.published[0] if message.topic.endswith("/gap")]
    assert (gap["cause"], gap["ms"], gap["from_sample"]) == (OVERLOAD, 3000, 20_000)
    totals = ward.streams[0].status.totals
    assert (totals.left_out_s, totals.lost_s, totals.received_s) == (3.0, 3.0, 5.0)
    assert "overload left out 3.0 s" in str(totals)


def test_a_stream_says_how_far_it_is_behind_and_stops_saying_so_when_it_has_caught_up() -> None:
    class SlowOnce(LoudnessModel):
        is_slow = True

        def score(self, chunk: Chunk, state: NDArray[np.float32]) -> Answer:
            if self.is_slow and chunk.start > self.rate_hz / self.spec.hop_samples:
                wait_for(lambda: ward.streams[0].inbox.waiting > 2.6 * self.rate_hz, "sound that waits")
                self.is_slow = False
            return super().score(chunk, state)

    ward, reported = Ward(Bursts(1000, pace=True), model=SlowOnce()), list[State]()
    (stream,) = ward.streams
    assess = stream.assess
    stream.assess = lambda: (status := assess(), reported.append(status.state))[0]  # type: ignore[method-assign]
    ward.start()
    wait_for(lambda: any(state.reason.startswith("behind") for state in reported), "a lag that is told")
    late = next(state for state in reported if state.reason.startswith("behind"))
    behind = re.fullmatch(r"behind by (\d+) s", late.reason)
    assert behind is not None
    assert (late.name, int(behind[1]) >= 2) == ("degraded", True)
    wait_for(lambda: stream.status.lag_s < 1.0, "the end of the lag")
    wait_for(lambda: not stream.status.state.reason.startswith("behind"), "a state that does not tell of it")
    ward.stop.set()
    ward.readers.finish()
    assert ward.engine.end(PATIENCE_S)


@pytest.mark.parametrize(("pace", "share"), [(True, 0.1), (False, 1.0)])
def test_a_source_in_real_time_that_computes_all_the_time_is_read_a_tenth_of_the_time(pace: bool, share: float) -> None:
    class Spins(Bursts):
        def blocks(self, stop: threading.Event) -> Iterator[Block | Gap | Wait]:
            until_s = time.thread_time() + 0.02
            while time.thread_time() < until_s:
                pass
            yield Wait(0.001)

    source = Spins(1, pace=pace)
    ward = Ward(source)
    wait_s = Reading(source, ward.streams[0], ward.stop, lambda: None).read()  # type: ignore[arg-type]
    assert wait_s is not None
    assert (wait_s >= 0.02 / share) is pace


def test_no_chunk_waits_for_a_stream_that_has_no_sound_most_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.node.scheduling.COMPANIONS_S", PATIENCE_S)  # however long this test takes
    scored = {}
    for idle in (0, 1):
        ward = Ward(Bursts(0, pace=False), Bursts(0, pace=False))
        engine = Engine(ward.model, ward.streams, ["normal", "low"], idle)  # type: ignore[arg-type]
        samples = np.zeros(LoudnessModel.rate_hz, np.float32)
        ward.streams[0].arrive(Block(0, samples, np.ones(len(samples), np.bool_)))
        engine.wake(0)
        scored[idle] = engine.turn(0.0)
    assert scored == {0: 0, 1: 1}


@pytest.mark.parametrize(("is_valid", "chunks"), [(True, 2), (False, 0)])
def test_sound_that_waits_is_work_unless_no_chunk_is_made_of_it(is_valid: bool, chunks: int) -> None:
    ward = Ward(Bursts(1, pace=True))
    (stream,), engine, length = ward.streams, ward.engine, 8000
    for now_s in (0.0, 9.0):
        engine._cost.add(now_s, 0.25, 1)
    for second in range(60):
        stream.arrive(Block(second * length, np.zeros(length, np.float32), np.full(length, is_valid)))
        stream.advance()
        while stream.pending is not None:
            stream.advance(ModelAnswer(*ward.model.score(*stream.pending), 0.0))
    assert engine._work_s(0) == 0
    chunk = ward.model.chunk.chunk_frames * ward.model.spec.hop_samples
    for number in range(2):  # the second one waits until the first is scored, where chunks are made of them
        stream.arrive(Block(60 * length + number * chunk, np.zeros(chunk, np.float32), np.full(chunk, is_valid)))
        engine._advance(0)
    assert engine._work_s(0) == pytest.approx(chunks * 0.25)
