"""Devices: readings become conditions, and only changes are told."""

from __future__ import annotations

import pytest

from firmware_bridge.devices import Device, Limits
from firmware_bridge.messages import Battery, Counters, Hello, Motion, StreamInfo, Telemetry
from firmware_bridge.records import Condition

SECOND_NS = 10**9


def reported(device: Device, telemetry: Telemetry, at_s: float = 0.0, boot: int = 1) -> list[tuple[str, bool]]:
    return [(change.name, change.active) for change in device.take(telemetry, boot, round(at_s * SECOND_NS))]


@pytest.mark.parametrize(
    ("good", "bad", "name", "measurable"),
    [
        (Telemetry(contact=1), Telemetry(contact=0), "no contact", False),
        (Telemetry(motion=Motion(150, 900)), Telemetry(motion=Motion(151, 160)), "motion", False),
        (Telemetry(battery=Battery(percent=11)), Telemetry(battery=Battery(percent=10)), "battery", True),
    ],
)
def test_a_reading_beyond_its_limit_is_a_condition_until_it_is_back(
    good: Telemetry, bad: Telemetry, name: str, measurable: bool
) -> None:
    device = Device(7, Limits())
    assert reported(device, good) == []
    assert reported(device, bad) == [(name, True)]
    assert reported(device, bad) == []
    assert device.conditions.measurable is measurable
    assert [condition.name for condition in device.conditions.lasting] == [name]
    assert reported(device, good) == [(name, False)]
    assert device.conditions.measurable


def test_a_condition_says_what_was_found() -> None:
    (change,) = Device(7, Limits()).take(Telemetry(battery=Battery(percent=8)), 1, 0)
    assert change == Condition("battery", True, True, "battery at 8 %")


def test_a_telemetry_that_leaves_a_reading_out_changes_nothing_about_it() -> None:
    device = Device(7, Limits())
    reported(device, Telemetry(contact=0, skin_celsius=33.0))
    assert reported(device, Telemetry(battery=Battery(percent=50))) == []
    assert not device.conditions.measurable
    assert device.telemetry == Telemetry(contact=0, skin_celsius=33.0, battery=Battery(percent=50))


def test_drops_on_the_device_are_told_until_there_were_none_for_10_s() -> None:
    device = Device(7, Limits())
    assert reported(device, Telemetry(counters=Counters(10, 3, 1)), 0) == []  # of before we listened
    assert reported(device, Telemetry(counters=Counters(20, 4, 1)), 1) == [("overrun", True)]
    assert reported(device, Telemetry(counters=Counters(30, 4, 2)), 2) == []
    assert reported(device, Telemetry(counters=Counters(40, 4, 2)), 11.9) == []
    assert reported(device, Telemetry(counters=Counters(50, 4, 2)), 12) == [("overrun", False)]


def test_a_reboot_that_begins_the_counters_anew_is_no_overrun() -> None:
    device = Device(7, Limits())
    reported(device, Telemetry(counters=Counters(10, 3, 1)), 0)
    assert reported(device, Telemetry(counters=Counters(1, 0, 0)), 1, boot=2) == []


def test_a_device_is_what_its_last_hello_said() -> None:
    device = Device(7, Limits())
    assert device.info(0) is None
    device.hello = Hello((StreamInfo(0, 8_000_000), StreamInfo(3, 50_000)))
    assert device.info(3) == StreamInfo(3, 50_000)
    assert device.info(1) is None
