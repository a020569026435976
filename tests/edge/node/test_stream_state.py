"""What a stream says of itself: its state, since when, its totals; on a clock that tests move."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from numpy.typing import NDArray

import edge.node.engine
import edge.node.stream
from edge.errors import SourceError
from edge.node.stream_status import State, StreamTotals
from edge.settings.node import Stream
from edge.sources.source import DeviceStatus
from edge.types import Block, Chunk, Gap
from tests.edge.fakes import Answer, LoudnessModel
from tests.edge.streaming import (
    RATE_HZ,
    Device,
    Driven,
    Published,
    Script,
    configured,
    samples_of,
    sound,
)


class Time:
    """A clock that tests move, in place of the module `time`."""

    now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s

    def time(self) -> float:
        return 1.8e9 + self.now_s

    def perf_counter(self) -> float:
        self.now_s += 0.25  # each reading: what lies between two of them took a quarter of a second
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Time:
    moved = Time()
    monkeypatch.setattr(edge.node.stream, "time", moved)
    monkeypatch.setattr(edge.node.engine, "time", moved)
    return moved


LITTLE = ("degraded", "little of the sound can be measured")


def test_totals_are_one_line_and_add_up() -> None:
    line = "received 2.0 s, measurable 1.9 s, 1 event, real-time factor 0.250 (computing time per second of sound)"
    assert str(StreamTotals(received_s=2.04, measurable_s=1.9, events=1, busy_s=0.51)) == line
    nothing = "received 0.0 s, measurable 0.0 s, 0 events, real-time factor 0.000 (computing time per second of sound)"
    assert str(StreamTotals()) == nothing
    assert StreamTotals(1, 2, 3, 4, 5, 6) + StreamTotals(10, 20, 30, 40, 50, 60) == StreamTotals(11, 22, 33, 44, 55, 66)


def test_the_tally_counts_blocks_gaps_events_and_computing_time(clock: Time) -> None:
    stream = configured(
        Script(sound(1.0, (0.2, 0.8)), Gap(8000, 8800, "overflow"), Gap(8800, 9600, "overflow")), Published()
    )
    assert stream.assess().totals == StreamTotals()
    stream.run(threading.Event())
    # Timed for a quarter of a second each: the block, the answers to six chunks, two gaps and the end.
    # Frames 0 to 123 are heard: 24 score frames
    assert stream.assess().totals == StreamTotals(1.0, pytest.approx(24 * 0.04), pytest.approx(0.2), 2, 1, 10 * 0.25)


def test_a_stream_is_lost_when_more_than_5_s_brought_nothing(clock: Time) -> None:
    stream = configured(
        Script(sound(1.0), then=lambda: states.extend(state_at(s) for s in (0.0, 5.0, 5.5))), Published()
    )
    states: list[tuple[str, str]] = []

    def state_at(silent_s: float) -> tuple[str, str]:
        clock.now_s = heard_at_s[-1] + silent_s
        return stream.assess().state.name, stream.assess().state.reason

    heard_at_s: list[float] = []
    arrive = stream.arrive
    stream.arrive = lambda item: (heard_at_s.append(clock.now_s), arrive(item))[1]  # type: ignore[method-assign]
    assert stream.assess().state.name == "unknown"
    clock.now_s += 5.0
    assert (stream.assess().state.name, stream.assess().state.reason) == ("unknown", "")
    clock.now_s += 0.5
    assert (stream.assess().state.name, stream.assess().state.reason) == ("lost", "no sound arrives")
    stream.run(threading.Event())
    assert states == [("ok", ""), ("ok", ""), ("lost", "no sound arrives")]


def test_the_state_says_since_when_it_is_so(clock: Time) -> None:
    stream = configured(Script(), Published())
    clock.now_s += 1.0
    assert stream.assess().state == State("unknown", "", 1.8e9 + 1000.0)
    clock.now_s += 2.0
    assert stream.assess().state.since_s == 1.8e9 + 1000.0
    clock.now_s += 3.0
    assert stream.assess().state == State("lost", "no sound arrives", 1.8e9 + 1006.0)
    clock.now_s += 100.0
    assert stream.assess().state.since_s == 1.8e9 + 1006.0


def test_the_trouble_of_a_device_is_the_state_of_its_stream(clock: Time) -> None:
    source = Device(
        sound(1.0), then=lambda: reported.append((stream.assess().state.name, stream.assess().state.reason))
    )
    source.ill = DeviceStatus("degraded", "not measurable: no contact")
    reported: list[tuple[str, str]] = []
    stream = configured(source, Published())
    assert stream.assess().state.name == "unknown"  # nothing was heard yet
    stream.run(threading.Event())
    assert reported == [("degraded", "not measurable: no contact")]
    waiting = configured(source, Published())
    clock.now_s += 6.0
    assert (waiting.assess().state.name, waiting.assess().state.reason) == ("lost", "not measurable: no contact")


@pytest.mark.parametrize(
    ("received_s", "good_s", "state"),
    [(4.75, 0.0, ("ok", "")), (5.0, 0.0, LITTLE), (6.0, 0.0, LITTLE), (6.0, 2.5, LITTLE), (6.0, 3.5, ("ok", ""))],
)
def test_less_than_5_s_are_not_judged_and_half_of_more_must_be_measurable(
    received_s: float, good_s: float, state: tuple[str, str]
) -> None:
    blocks = [sound(0.25, start=i * RATE_HZ // 4) for i in range(round(received_s * 4) + 1)]  # judged from the first on
    for block in blocks[round(good_s * 4) + 1 :]:
        block.valid[:] = False
    reported: list[State] = []
    stream = configured(Script(*blocks, then=lambda: reported.append(stream.assess().state)), Published())
    stream.run(threading.Event())
    assert [(one.name, one.reason) for one in reported] == [state]


def test_in_its_first_block_a_stream_is_ok(monkeypatch: pytest.MonkeyPatch) -> None:
    reported, score = [], LoudnessModel.score

    def asks(self: LoudnessModel, chunk: Chunk, state: NDArray[np.float32]) -> Answer:
        reported.append(stream.assess().state.name)
        return score(self, chunk, state)

    monkeypatch.setattr(LoudnessModel, "score", asks)
    stream = configured(Script(sound(1.0)), Published())
    stream.run(threading.Event())
    assert reported[0] == "ok"


@pytest.mark.parametrize(
    ("source", "pace", "live"),
    [
        ("a.flac", False, False),
        ("a.flac", True, True),
        ("mic", False, True),
        ("mic:USB", False, True),
        ("link:0x1a2b3c4d", True, True),
        ("mice.flac", False, False),
    ],
)
def test_microphones_devices_and_files_in_real_time_are_live(
    monkeypatch: pytest.MonkeyPatch, source: str, pace: bool, live: bool
) -> None:
    made: list[tuple[int, object]] = []
    monkeypatch.setattr(
        edge.node.stream, "Timeline", lambda rate_hz, is_live, recorded_s: made.append((rate_hz, is_live))
    )
    stream = Stream(id="bed1", source=source, pace=pace)
    Driven(stream, Script(), Published())
    assert made == [(8000, live)]


def test_a_silence_of_more_than_5_s_is_a_new_beginning_once(clock: Time) -> None:
    published = Published()
    stream = configured(Script(), published, thresholds={"wheeze": 0.895})
    stream.feed(sound(1.0, (0.2, 0.5)))
    assert [body["type"] for body in published.events()] == ["onset", "end"]
    clock.now_s += 60.0
    stream.look()
    stream.look()
    stream.feed(sound(2.0, (0.0, 2.0), start=3 * RATE_HZ))
    assert samples_of(published.events())[2] == ("onset", 3 * RATE_HZ, None)  # less care than behind a gap


def test_a_sound_just_before_a_device_vanishes_is_told_after_5_s_of_silence(clock: Time) -> None:
    published = Published()
    stream = configured(Script(), published)
    stream.feed(sound(1.0, (0.86, 1.0)))
    assert published.events() == []
    clock.now_s += 6.0
    stream.look()
    assert [body["type"] for body in published.events()] == ["onset", "end"]


def test_what_came_and_completed_no_chunk_is_decided_before_a_silence_of_5_s_counts(clock: Time) -> None:
    published = Published()
    stream = configured(Script(), published)
    stream.feed(sound(0.86))
    stream.arrive(sound(0.14, (0.0, 0.14), start=round(0.86 * RATE_HZ)))
    clock.now_s += 6.0
    stream.look()
    assert [body["type"] for body in published.events()] == ["onset", "end"]
    assert stream.assess().totals.received_s == 1.0


def test_a_failed_stream_says_why_and_only_an_error_of_the_program_calls_for_a_restart(
    lines: pytest.LogCaptureFixture,
) -> None:
    def unplugged() -> None:
        raise SourceError("mic: unplugged")

    def bug() -> None:
        raise ZeroDivisionError("oh")

    reported = "stream=bed1 failed: mic: unplugged", "stream=bed1 failed by an internal error"
    for error, failure, is_broken, line in (
        (unplugged, "mic: unplugged", False, reported[0]),
        (bug, "internal error: Zero", True, reported[1]),
    ):
        source = Script(sound(1.0), then=error)
        stream = configured(source, Published())
        assert (stream.failure, stream.is_broken) == ("", False)
        lines.clear()
        stream.run(threading.Event())
        assert stream.failure.startswith(failure)
        assert lines.messages == [line]
        assert (stream.is_broken, source.closed, stream.assess().state.name) == (is_broken, True, "lost")
        assert stream.assess().state.reason == stream.failure


def test_a_source_that_falls_silent_ends_its_event_after_5_s_and_no_sooner(clock: Time) -> None:
    published = Published()
    stream = configured(Script(), published)
    stream.feed(sound(2.0, (1.0, 2.0)))
    heard_at_s = stream._arrived_at_s
    assert heard_at_s is not None
    clock.now_s = heard_at_s + 4.5  # looking moves the clock by half a second
    stream.look()
    assert [body["type"] for body in published.events()] == ["onset"]
    clock.now_s = heard_at_s + 5.5
    stream.look()
    assert [body["type"] for body in published.events()] == ["onset", "end"]
    stream.feed(sound(2.0, (0.0, 1.0), start=9 * RATE_HZ))
    assert samples_of(published.events())[2] == ("onset", 9 * RATE_HZ, None)


def level(rms_db: float, seconds: float, start_s: float) -> list[Block]:
    """A square wave in blocks of a quarter of a second."""
    length = RATE_HZ // 4
    samples = np.resize(np.array([1, -1], np.float32), length) * np.float32(10 ** (rms_db / 20))
    starts = [round(start_s * RATE_HZ) + i * length for i in range(round(seconds * 4))]
    return [Block(start, samples.copy(), np.ones(length, np.bool_)) for start in starts]


UNPLUGGED = ("degraded", "almost no sound (below -90 dBFS): check the plug, the mute switch and the gain")


@pytest.mark.parametrize(
    ("rms_db", "seconds", "state"),
    [(-np.inf, 25, UNPLUGGED), (-91, 10.25, UNPLUGGED), (-91, 10, ("ok", "")), (-89, 25, ("ok", ""))],
)
def test_10_s_of_almost_no_sound_are_no_normal_bed(rms_db: float, seconds: float, state: tuple[str, str]) -> None:
    stream = configured(Script(), Published())
    for block in level(rms_db, seconds, 0.0):  # the level is judged from the second block on
        stream.feed(block)
    assert (stream.assess().state.name, stream.assess().state.reason) == state


def test_sound_that_returns_is_ok_at_once_and_silence_counts_from_its_last_moment() -> None:
    stream = configured(Script(), Published())

    def state_after(*blocks: Block) -> str:
        for block in blocks:
            stream.feed(block)
        return stream.assess().state.name

    assert state_after(*level(-40, 600, 0)) == "ok"
    assert state_after(*level(-95, 9.75, 600)) == "ok"
    assert state_after(*level(-95, 0.25, 609.75)) == "degraded"
    assert state_after(*level(-60, 0.25, 610)) == "ok"
    assert state_after(*level(-95, 9.75, 610.25)) == "ok"
    assert state_after(*level(-95, 0.25, 620)) == "degraded"


def test_what_is_no_valid_sound_does_not_make_a_silent_input_loud() -> None:
    stream = configured(Script(), Published())
    for index, block in enumerate(level(-np.inf, 25, 0)):
        if index % 20 == 0:  # a burst that the source calls untrustworthy, such as a click of the plug
            block.samples[:100], block.valid[:100] = 0.5, False
            block.samples[200] = np.nan  # a file may hold such a thing
        stream.feed(block)
    assert (stream.assess().state.name, stream.assess().state.reason) == UNPLUGGED


def test_a_good_night_does_not_hide_that_little_can_be_measured_now() -> None:
    stream = configured(Script(), Published())
    for block in level(-40, 30, 0):
        stream.feed(block)
    assert stream.assess().state.name == "ok"
    for block in level(-40, 7, 30):
        block.valid[:] = False
        stream.feed(block)
    assert (stream.assess().state.name, stream.assess().state.reason) == LITTLE
