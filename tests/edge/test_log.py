"""A lasting condition is told once a minute, with a count."""

from __future__ import annotations

import logging

import pytest

from edge.log import REPEAT_S, RateLimitedLog, fold_libraries


def test_a_condition_is_told_once_then_each_minute_with_a_count(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    repeats = RateLimitedLog(logging.getLogger("told"), lambda: now)
    for second in range(int(REPEAT_S) + 1):
        now = float(second)
        repeats.log("refused", "broker=refused")
    assert [record.message for record in caplog.records] == ["broker=refused", "broker=refused times=60"]


def test_conditions_are_told_apart_and_again_after_they_were_over(caplog: pytest.LogCaptureFixture) -> None:
    repeats = RateLimitedLog(logging.getLogger("told"), lambda: 0.0)
    repeats.log("a", "a")
    repeats.log("b", "b")
    assert repeats.clear("a")
    assert not repeats.clear("a")
    repeats.log("a", "a")
    repeats.log("b", "b")
    assert [record.message for record in caplog.records] == ["a", "b", "a"]


def test_what_a_library_repeats_is_told_once_with_where_it_was_raised(caplog: pytest.LogCaptureFixture) -> None:
    library = logging.getLogger("library_under_test")
    fold_libraries("library_under_test")
    for number in range(1000):
        library.error("no room for %d\npending: <Task-%d>", 1, number)
        try:
            int("x")
        except ValueError:
            library.exception("in the application\n")
    lines = [record.message for record in caplog.records]
    assert lines[0] == 'library=library_under_test said="no room for 1"'
    assert lines[1].startswith('library=library_under_test said="in the application" error="ValueError(')
    assert "test_log.py:" in lines[1]
    assert len(lines) == 2
