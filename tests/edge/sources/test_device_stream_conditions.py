"""What the bridge found out, in the words of the edge."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from edge.log import LINES
from edge.sources.device_stream import ConditionLog, device_status_of
from edge.sources.source import DeviceStatus
from firmware_bridge.records import Condition

LOST = Condition("lost", True, False, "no samples for 2 s")
ENDED = Condition("ended", True, False, "the device ended the stream")
RATE = Condition("wrong rate", True, False, "rate 8 Hz: expected 1,000 to 200,000 Hz")


def test_a_condition_that_comes_and_goes_all_the_time_does_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    log = ConditionLog(logging.getLogger("edge.sources.device_stream"))
    with caplog.at_level(logging.WARNING):
        for k in range(100):
            log.log_condition(7, 0, replace(LOST, active=k % 2 == 0))
        log.log_condition(7, 1, LOST)
        log.log_condition(7, -1, RATE)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == LINES + 3
    assert lines[-2:] == [
        'device=0x00000007 stream=1 condition="lost" begins detail="no samples for 2 s"',
        'device=0x00000007 condition="wrong rate" begins detail="rate 8 Hz: expected 1,000 to 200,000 Hz"',
    ]


def test_a_device_that_talks_all_the_time_does_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    log = ConditionLog(logging.getLogger("edge.sources.device_stream"))
    with caplog.at_level(logging.INFO):
        for k in range(1000):
            log.log_text(7, f"mic restarted {k}")
        log.log_text(8, "hello")
    assert len(caplog.messages) == LINES + 2
    assert caplog.messages[-1] == 'device=0x00000008 says="hello"'


def test_the_worst_of_what_lasts_is_told_and_an_end_on_purpose_as_such() -> None:
    assert device_status_of(()) == DeviceStatus("", "")
    assert device_status_of((RATE, LOST)) == DeviceStatus("lost", "device lost (no samples for 2 s)")
    assert device_status_of((RATE, ENDED)) == DeviceStatus("lost", "the device ended the stream")
    assert device_status_of((RATE,)) == DeviceStatus("degraded", f"not measurable: wrong rate ({RATE.detail})")
