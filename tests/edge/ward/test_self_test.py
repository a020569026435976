"""Every self-test comes to a verdict, on a clock that only counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.ward.self_test import FIRST_S, LATE_S, NOT_BACK, NOT_BEGUN, NOT_DETECTED, SelfTestResult, SelfTests

ONSET_S = 5.0
HOUR_S = 3600.0


def begun(now_s: float = 300.0) -> SelfTests:
    """A test that began at `now_s`: its sound begins 5 s later."""
    tests = SelfTests(HOUR_S, ONSET_S, 0.0)
    assert tests.begin(now_s)
    return tests


def test_the_first_test_is_due_after_five_minutes_and_the_next_an_hour_later() -> None:
    tests = SelfTests(HOUR_S, ONSET_S, 0.0)
    assert not tests.begin(FIRST_S - 0.1)
    assert tests.begin(FIRST_S)
    tests.decided("a")
    tests.returned("a", FIRST_S + 7)
    assert not tests.begin(FIRST_S + HOUR_S - 0.1)
    assert tests.begin(FIRST_S + HOUR_S)


def test_tests_that_are_closer_to_each_other_begin_sooner() -> None:
    assert SelfTests(20.0, ONSET_S, 0.0).begin(20.0)


def test_an_event_that_is_back_two_seconds_after_its_sound_began_passes() -> None:
    tests = begun(300.0)
    tests.decided("a")
    tests.returned("a", 307.0)
    assert tests.last == SelfTestResult(True, 307.0, 2.0)
    assert (tests.runs, tests.missed) == (1, 0)


def test_an_event_that_is_not_of_the_sound_passes_nothing() -> None:
    tests = begun()
    tests.decided("a")
    tests.returned("forged", 307.0)
    assert tests.last is None


@pytest.mark.parametrize(
    ("steps", "reason"), [((), NOT_BEGUN), (("begin",), NOT_DETECTED), (("begin", "decided"), NOT_BACK)]
)
def test_the_reason_says_how_far_a_test_came(steps: tuple[str, ...], reason: str) -> None:
    tests = SelfTests(HOUR_S, ONSET_S, 0.0)
    if "begin" in steps:
        tests.begin(300.0)
    if "decided" in steps:
        tests.decided("a")
    tests.look(300.0 + ONSET_S + LATE_S)
    assert tests.last is None, "not late yet"
    tests.look(300.1 + ONSET_S + LATE_S)
    assert tests.last == SelfTestResult(False, 300.1 + ONSET_S + LATE_S, None, reason)
    assert (tests.runs, tests.missed) == (1, 1)


def test_what_comes_back_late_is_missed_though_nobody_looked_meanwhile() -> None:
    tests = begun(300.0)
    tests.decided("a")
    tests.returned("a", 300.0 + ONSET_S + LATE_S + 1)
    assert tests.last is not None
    assert tests.last.reason == NOT_BACK


def test_what_comes_back_from_an_earlier_test_does_not_pass_the_next() -> None:
    tests = begun(300.0)
    tests.decided("a")
    tests.look(320.0)
    assert tests.begin(300.0 + HOUR_S)
    tests.returned("a", 301.0 + HOUR_S)
    assert tests.last is not None
    assert not tests.last.passed


def test_after_a_miss_the_next_that_is_found_passes() -> None:
    tests = begun(300.0)
    tests.look(320.0)
    tests.begin(300.0 + HOUR_S)
    tests.decided("b")
    tests.returned("b", 306.0 + HOUR_S)
    assert tests.last == SelfTestResult(True, 306.0 + HOUR_S, 1.0)
    assert (tests.runs, tests.missed) == (2, 1)


@given(
    every_s=st.floats(20, 10_000),
    steps=st.lists(st.tuples(st.floats(0, 3000), st.sampled_from(["begin", "decided", "returned"])), max_size=60),
)
def test_whatever_happens_every_test_that_was_due_has_a_verdict_soon(
    every_s: float, steps: list[tuple[float, str]]
) -> None:
    tests, now_s = SelfTests(every_s, ONSET_S, 0.0), 0.0
    for wait_s, step in steps:
        until_s = now_s + wait_s
        while now_s < until_s:  # somebody looks every second
            now_s = min(now_s + 1, until_s)
            tests.look(now_s)
        if step == "begin":
            tests.begin(now_s)
        elif step == "decided":
            tests.decided("a")
        else:
            tests.returned("a", now_s)
    longest_s = every_s + ONSET_S + LATE_S + 1  # between two verdicts
    assert tests.runs >= int(now_s / longest_s) - (now_s < min(FIRST_S, every_s))
    assert 0 <= tests.missed <= tests.runs
