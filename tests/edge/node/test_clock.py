"""Sample indices become wall times at the exit only."""

from __future__ import annotations

import ctypes
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.contract.fields import rfc3339
from edge.delivery.messages import ClockReading
from edge.node.clock import STA_NANO, TIME_ERROR, Timeline, is_synchronised, reading_of

RATE_HZ = 8000
DAY_S = 86_400.0


class Clocks:
    """A monotonic and a wall clock that tests move."""

    def __init__(self) -> None:
        self.monotonic_s, self.wall_s = 100.0, 1.8e9

    def go(self, seconds: float) -> None:
        self.monotonic_s += seconds
        self.wall_s += seconds

    def line(self, live: bool = True) -> Timeline:
        return Timeline(RATE_HZ, live, lambda: self.monotonic_s, lambda: self.wall_s)


@given(st.lists(st.floats(0, 0.4), min_size=1, max_size=50), st.sampled_from([0, 2**31 - 4000, 2**32 - 4000]))
def test_late_arrivals_move_a_sample_by_no_more_than_the_least_delay(delays_s: list[float], first: int) -> None:
    clocks = Clocks()
    line, zero_s = clocks.line(), clocks.wall_s - first / RATE_HZ
    for number, delay_s in enumerate(delays_s):
        stop = first + (number + 1) * RATE_HZ // 2
        clocks.go(zero_s + stop / RATE_HZ + delay_s - clocks.wall_s)
        line.arrived(stop)
    assert line.wall_s(first) == pytest.approx(zero_s + first / RATE_HZ + min(delays_s), abs=1e-4)


def test_a_step_of_the_wall_clock_moves_the_exit_at_once() -> None:
    clocks = Clocks()
    line = clocks.line()
    line.arrived(0)
    before_s = line.wall_s(RATE_HZ)
    clocks.wall_s += 3600
    assert line.wall_s(RATE_HZ) == pytest.approx(before_s + 3600, abs=1e-4)


def test_a_sensor_that_drifts_for_a_day_is_followed() -> None:
    clocks, drift = Clocks(), 100e-6  # 100 ppm slow: 8.6 s in a day
    line = clocks.line()
    for minute in range(1440):
        line.arrived(round(minute * 60 * RATE_HZ * (1 - drift)))
        clocks.go(60)
    newest = round(1439 * 60 * RATE_HZ * (1 - drift))
    assert line.wall_s(newest) == pytest.approx(clocks.wall_s - 60, abs=0.02)


def test_a_file_read_fast_keeps_the_line_of_its_first_block() -> None:
    clocks = Clocks()
    line = clocks.line(live=False)
    line.arrived(RATE_HZ)
    for second in range(2, 100):
        line.arrived(second * RATE_HZ)
    assert line.wall_s(50 * RATE_HZ) - line.wall_s(0) == pytest.approx(50, abs=1e-4)
    assert line.wall_s(RATE_HZ) == pytest.approx(clocks.wall_s, abs=1e-4)


def test_wall_times_are_written_in_utc_with_milliseconds() -> None:
    assert rfc3339(0.0) == "1970-01-01T00:00:00.000Z"
    assert rfc3339(1.8e9 + 0.5125) == "2027-01-15T08:00:00.512Z"


def test_the_best_arrival_of_the_last_stretch_still_counts_and_that_of_the_one_before_no_more() -> None:
    clocks = Clocks()
    line, begin_s = clocks.line(), clocks.wall_s

    def hear_late(at_s: float, late_s: float) -> float:
        """Sound up to `at_s` arrives `late_s` late; returns how late sample 0 is thought to be."""
        clocks.go(begin_s + at_s + late_s - clocks.wall_s)
        line.arrived(round(at_s * RATE_HZ))
        return line.wall_s(0) - begin_s

    assert hear_late(0.0, 0.25) == pytest.approx(0.25, abs=1e-4)  # the first segment ends at 0.25 + 60
    assert hear_late(50.0, 0.0) == pytest.approx(0.0, abs=1e-4)
    assert hear_late(59.75, 0.5) == pytest.approx(0.0, abs=1e-4)  # at 60.25 begins the second; 0 was the best before
    assert hear_late(111.0, 0.125) == pytest.approx(0.0, abs=1e-4)
    assert hear_late(119.75, 0.5) == pytest.approx(0.125, abs=1e-4)  # at 120.25 the third; .125 was the best before
    assert hear_late(181.0, 0.375) == pytest.approx(0.375, abs=1e-4)  # the fourth: .5 and .375


def test_before_anything_was_heard_every_sample_is_now() -> None:
    clocks = Clocks()
    assert clocks.line().wall_s(5 * RATE_HZ) == clocks.wall_s


def test_a_source_that_knows_when_it_recorded_is_asked_first() -> None:
    clocks, known = Clocks(), {0: 0.0, RATE_HZ: 90.0}
    line = Timeline(RATE_HZ, True, lambda: clocks.monotonic_s, lambda: clocks.wall_s, known.get)
    line.arrived(RATE_HZ)  # arrives at 100 s of the monotonic clock, so sample 0 is thought to be of 99
    assert line.wall_s(RATE_HZ) == 1.8e9 - 10  # recorded at 90
    assert line.wall_s(0) == 1.8e9 - 100  # recorded at 0
    assert line.wall_s(2 * RATE_HZ) == pytest.approx(1.8e9 + 1, abs=1e-4)  # the source does not know this one


def test_a_file_read_fast_is_placed_by_its_first_block_even_if_later_ones_seem_quicker() -> None:
    clocks = Clocks()
    line = clocks.line(live=False)
    line.arrived(RATE_HZ)  # sample 0 was a second ago
    clocks.go(100)
    line.arrived(200 * RATE_HZ)  # by this block alone it would be 200 s ago
    assert line.wall_s(0) == pytest.approx(1.8e9 - 1, abs=1e-4)


def test_whether_the_clock_is_synchronised_is_what_the_kernel_says() -> None:
    libc = ctypes.CDLL(None)
    state = int(libc.ntp_gettime(ctypes.create_string_buffer(256)))  # another call for the same state: 5 is TIME_ERROR
    assert is_synchronised() is (None if state < 0 else state != 5)


@pytest.mark.parametrize(("state", "answered"), [(0, True), (1, True), (4, True), (5, False), (-1, None)])
def test_a_kernel_in_error_is_not_synchronised_and_one_that_refuses_is_not_known(
    monkeypatch: pytest.MonkeyPatch, state: int, answered: bool | None
) -> None:
    class Libc:
        def adjtimex(self, timex: ctypes.Array[ctypes.c_char]) -> int:
            assert not any(timex.raw)  # modes 0: only asks
            assert len(timex) >= 208
            return state

    monkeypatch.setattr("edge.node.clock.c_library", Libc)
    assert is_synchronised() is answered


@pytest.mark.parametrize("error", [OSError, AttributeError])
def test_where_the_kernel_cannot_be_asked_it_is_not_known(monkeypatch: pytest.MonkeyPatch, error: type) -> None:
    def fails() -> None:
        raise error

    monkeypatch.setattr("edge.node.clock.c_library", fails)
    assert is_synchronised() is None


def timex(offset: int, worst_us: int, status: int) -> bytes:
    """As adjtimex(2) fills it on 64-bit Linux: modes, offset, freq, maxerror, esterror, status."""
    return struct.pack("=i4xqqqqi", 0, offset, 0, worst_us, 0, status).ljust(208, b"\0")


def test_how_far_off_the_clock_is_comes_from_the_kernel_in_its_unit() -> None:
    assert reading_of(0, timex(-1_300_500, 12_000, STA_NANO)) == ClockReading(True, -1.3, 12.0)
    assert reading_of(0, timex(-1300, 12_000, 0)) == ClockReading(True, -1.3, 12.0)
    assert reading_of(1, timex(2, 500, 0)) == ClockReading(True, 0.002, 0.5)  # a leap second is due


def test_of_a_clock_that_follows_nothing_no_offset_is_told() -> None:
    assert reading_of(TIME_ERROR, timex(7, 16_000_000, 64)) == ClockReading(False, None, None)
    assert reading_of(-1, timex(0, 0, 0)) == ClockReading(None, None, None)


def test_the_moment_of_a_sample_is_monotonic_and_unknown_before_the_first_arrival() -> None:
    clocks = Clocks()
    line = clocks.line()
    before = line.recorded_s(5)
    line.arrived(RATE_HZ)  # at 100 s
    clocks.wall_s += 3600
    assert (before, line.recorded_s(0), line.recorded_s(RATE_HZ)) == (None, 99.0, 100.0)
