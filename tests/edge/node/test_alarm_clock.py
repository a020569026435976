"""The clock of the alarms: forward only, over steps of the wall clock and restarts."""

from __future__ import annotations

from edge.node.alarms import AlarmClock
from tests.edge.dispatching import Time


def test_a_step_of_the_wall_clock_changes_no_duration_and_moments_are_told_as_it_is_set_now() -> None:
    wall_s, monotonic = [1.8e9], Time()
    clock = AlarmClock(0.0, monotonic, lambda: wall_s[0])
    begin_s = clock.now_s()
    for step_s in (3600.0, -7200.0):
        monotonic.now_s += 10
        wall_s[0] += 10 + step_s
    assert clock.now_s() - begin_s == 20.0
    assert clock.wall_s(begin_s) == wall_s[0] - 20.0


def test_after_a_restart_it_goes_on_from_the_log_where_the_wall_clock_is_behind() -> None:
    assert AlarmClock(2e9, Time(), lambda: 1.8e9).now_s() == 2e9
    assert AlarmClock(1.7e9, Time(), lambda: 1.8e9).now_s() == 1.8e9
