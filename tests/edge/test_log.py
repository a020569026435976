"""A lasting condition is told once a minute, with a count."""

from __future__ import annotations

import logging

import pytest

from edge.log import REPEAT_S, RateLimitedLog


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
