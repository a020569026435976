"""When sound had come, and how long a decision took: by hand on a clock that the test moves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.delivery.messages import Latency
from edge.node.clock import Timeline
from edge.node.stream_events import Arrivals, StreamLatency
from edge.types import Chunk, Event, Gap
from tests.edge.dispatching import Time
from tests.edge.fakes import LoudnessModel
from tests.edge.streaming import RATE_HZ, sound, spoken


def test_sound_is_complete_when_the_block_with_its_last_sample_came() -> None:
    clock = Time()
    arrivals = Arrivals(clock)
    for start in (0, 800, 1600):
        arrivals.record(sound(0.1, start=start))
        clock.now_s += 1.0
    assert [arrivals.complete_s(stop) for stop in (1, 800, 801, 1600, 2400, 2401)] == [100, 100, 101, 101, 102, None]


def test_a_device_that_counts_anew_has_new_arrivals_once_that_is_decided() -> None:
    clock = Time()
    arrivals = Arrivals(clock)
    arrivals.record(sound(0.1, start=80_000))
    arrivals.record(Gap(0, 0, "device restarted", restart=True))
    clock.now_s = 200.0
    arrivals.record(sound(0.1))
    before = [arrivals.complete_s(stop) for stop in (80_800, 80_801)]
    arrivals.begin_anew()
    assert (before, arrivals.complete_s(800)) == ([100.0, None], 200.0)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=20), st.lists(st.integers(1, 100), max_size=10))
def test_whatever_the_blocks_the_first_that_reaches_a_sample_tells_when_it_came(
    lengths: list[int], requested: list[int]
) -> None:
    clock, stop, stops = Time(), 0, []
    arrivals = Arrivals(clock)
    for length in lengths:
        arrivals.record(sound(length / RATE_HZ, start=stop))
        stop += length
        stops.append((stop, clock.now_s))
        clock.now_s += 1.0
    for each in sorted(requested):
        expected = next((at_s for end, at_s in stops if end >= each), None)
        assert arrivals.complete_s(each) == expected


def decided(is_live: bool) -> Latency:
    """A sound of 1000 samples from 500 on is over: known with sample 2400, which came 0.1 s after it was recorded."""
    clock = Time()
    timeline = Timeline(RATE_HZ, is_live, monotonic=clock, recorded_s=lambda index: 99.9 + (index - 2400) / RATE_HZ)
    latency = StreamLatency(LoudnessModel(), timeline, is_live)  # type: ignore[arg-type]
    latency.arrivals = Arrivals(clock)
    latency.arrivals.record(sound(0.3))
    latency.decided(2400, 2400)
    return latency.of(Event("end", "wheeze", 500, 1500, 0.9, 0.8, 0.5, "quiet"))


def test_an_end_took_the_quiet_after_it_then_its_way_here_and_then_its_turn() -> None:
    latency = decided(is_live=True)
    assert latency.sound_s == 900 / RATE_HZ
    assert latency.window_s is not None
    assert round(latency.window_s, 6) == 0.1
    assert latency.scored_s == latency.decided_s - 100.0


def test_a_file_at_full_speed_has_no_moment_at_which_it_was_recorded() -> None:
    latency = decided(is_live=False)
    assert (latency.sound_s, latency.window_s, latency.scored_s) == (900 / RATE_HZ, None, latency.decided_s - 100.0)


def test_a_decision_needs_no_sound_that_never_came() -> None:
    latency = StreamLatency(LoudnessModel(), Timeline(RATE_HZ, live=True), is_live=True)  # type: ignore[arg-type]
    latency.decided(9000, 2400)
    onset = latency.of(Event("onset", "wheeze", 1600, None, 0.9, 0.8, 0.5, ""))
    latency.decided(None, 2400)
    assert onset.sound_s == latency.of(Event("onset", "wheeze", 1600, None, 0.9, 0.8, 0.5, "")).sound_s == 0.1


def test_the_last_sample_of_a_chunk_is_that_of_its_last_frame() -> None:
    model = LoudnessModel()
    latency = StreamLatency(model, Timeline(RATE_HZ, live=True), is_live=True)  # type: ignore[arg-type]
    nothing = model.new_state()
    chunk = Chunk(50, nothing, nothing, nothing)  # type: ignore[arg-type]
    assert latency.last_sample(chunk) == 74 * 64 + model.spec.ahead_samples


def test_every_event_of_a_stream_says_how_long_its_sound_took() -> None:
    onset, end = spoken(sound(3.0, (1.0, 2.0)))
    took = [body["latency_ms"]["sound"] for body in (onset, end)]
    assert all(100 < each < 700 for each in took)  # confirmed after .12 s, quiet for .12 s; lookahead .08, chunk .2
    assert [body["latency_ms"]["window"] for body in (onset, end)] == [None, None]
    assert all(body["latency_ms"]["scored"] >= 0 for body in (onset, end))


def test_the_same_sound_takes_as_long_whatever_blocks_it_comes_in() -> None:
    whole = sound(3.0, (1.0, 2.0))
    cuts = range(0, len(whole.samples), 801)
    pieces = [whole._replace(start=a, samples=whole.samples[a : a + 801], valid=whole.valid[a : a + 801]) for a in cuts]
    took = [[body["latency_ms"]["sound"] for body in spoken(*items)] for items in ([whole], pieces)]
    assert took[0] == took[1]


def test_chunks_of_live_sound_are_counted_and_neither_a_file_at_full_speed_nor_the_end() -> None:
    counts = []
    for is_live in (True, False):
        latency = StreamLatency(LoudnessModel(), Timeline(RATE_HZ, is_live), is_live)  # type: ignore[arg-type]
        latency.arrivals.record(sound(0.3))
        latency.decided(2400, 2400)
        latency.decided(None, 2400)
        counts.append(latency.chunks.within()[-1])
    assert counts == [1, 0]
