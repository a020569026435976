"""Sample indices become wall times at the exit only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.clock import Timeline, is_synchronised, rfc3339

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
        line.heard(stop)
    assert line.wall_s(first) == pytest.approx(zero_s + first / RATE_HZ + min(delays_s), abs=1e-4)


def test_a_step_of_the_wall_clock_moves_the_exit_at_once() -> None:
    clocks = Clocks()
    line = clocks.line()
    line.heard(0)
    before_s = line.wall_s(RATE_HZ)
    clocks.wall_s += 3600
    assert line.wall_s(RATE_HZ) == pytest.approx(before_s + 3600, abs=1e-4)


def test_a_sensor_that_drifts_for_a_day_is_followed() -> None:
    clocks, drift = Clocks(), 100e-6  # 100 ppm slow: 8.6 s in a day
    line = clocks.line()
    for minute in range(1440):
        line.heard(round(minute * 60 * RATE_HZ * (1 - drift)))
        clocks.go(60)
    newest = round(1439 * 60 * RATE_HZ * (1 - drift))
    assert line.wall_s(newest) == pytest.approx(clocks.wall_s - 60, abs=0.02)


def test_a_file_read_fast_keeps_the_line_of_its_first_block() -> None:
    clocks = Clocks()
    line = clocks.line(live=False)
    line.heard(RATE_HZ)
    for second in range(2, 100):
        line.heard(second * RATE_HZ)
    assert line.wall_s(50 * RATE_HZ) - line.wall_s(0) == pytest.approx(50, abs=1e-4)
    assert line.wall_s(RATE_HZ) == pytest.approx(clocks.wall_s, abs=1e-4)


def test_wall_times_are_written_in_utc_with_milliseconds() -> None:
    assert rfc3339(0.0) == "1970-01-01T00:00:00.000Z"
    assert rfc3339(1.8e9 + 0.5125) == "2027-01-15T08:00:00.512Z"


def test_the_kernel_is_asked_whether_the_clock_is_synchronised() -> None:
    assert is_synchronised() in (True, False, None)
