"""Receiver: what a hello says of the rate is not accepted before it can be, and never where it cannot."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.types import Block
from firmware_bridge.devices import Limits
from firmware_bridge.messages import Kind, StreamInfo
from firmware_bridge.receive import Receiver, Settings
from firmware_bridge.records import Delivery, Epoch
from tests.firmware_bridge.sounding import (
    BLE,
    INFO,
    SECOND_NS,
    SERIAL,
    UDP,
    N,
    changes,
    conditions,
    feed,
    hello,
    sound,
)

ANSWERED = "rate {} Hz: expected 1,000 to 200,000 Hz; rate_mhz is in millihertz"


def blocks(received: list[Delivery]) -> list[Block]:
    return [one.item for one in received if isinstance(one.item, Block)]


@pytest.mark.parametrize(
    ("rate_mhz", "shown"),
    [(1, "0.001"), (499, "0.499"), (8000, "8"), (999_999, "999.999"), (2**32 - 1, "4,294,967.295")],
)
@pytest.mark.parametrize("link", [UDP, SERIAL, BLE])
def test_a_rate_that_cannot_be_is_refused_until_the_hello_is_right(rate_mhz: int, shown: str, link: str) -> None:
    receiver = Receiver(Settings())
    received = feed(receiver, [hello(0, StreamInfo(0, rate_mhz), link=link)])
    received += feed(receiver, (sound(k, link=link) for k in range(100)))
    received += feed(receiver, [hello(2 * SECOND_NS, StreamInfo(0, rate_mhz), link=link)])
    assert conditions(received) == [("wrong rate", True, False)]
    assert blocks(received) == []
    (condition,) = receiver.report().devices[0].streams[0].conditions
    assert condition.detail == ANSWERED.format(shown)
    received = feed(receiver, [hello(2 * SECOND_NS, INFO, link=link)])
    received += feed(receiver, (sound(k, link=link) for k in range(100, 200))) + receiver.flush()
    assert conditions(received) == [("wrong rate", False, False)]
    assert len(blocks(received)) == 100


def test_a_refused_stream_is_lost_when_its_device_falls_silent_and_the_others_go_on() -> None:
    receiver = Receiver(Settings())
    feed(receiver, [hello(0, StreamInfo(0, 8000), link=SERIAL), hello(0, device=8, link=SERIAL)])
    received = feed(receiver, (sound(k, link=SERIAL) for k in range(10)))
    received += feed(receiver, (sound(k, link=SERIAL, device=8) for k in range(10)))
    assert {one.device_id for one in received} == {8}
    silent = receiver.tick(9 * SECOND_NS)
    assert {one.device_id for one in silent} == {7, 8}
    assert changes(silent) == [("lost", True)] * 2


def test_readings_of_a_slow_sensor_are_counted_unless_somebody_wants_to_hear_them() -> None:
    imu = StreamInfo(0, 104_000, Kind.IMU)
    assert conditions(feed(Receiver(Settings()), [hello(0, imu)])) == []
    assert conditions(feed(Receiver(Settings(channels={(7, 0): 0})), [hello(0, imu)])) == [("wrong rate", True, False)]


@pytest.mark.parametrize("declared_hz", [1000, 4000, 7500, 16_000, 200_000])
def test_a_rate_that_is_grossly_wrong_is_known_within_a_second_and_stays_wrong(declared_hz: int) -> None:
    receiver = Receiver(Settings())
    feed(receiver, [hello(0, StreamInfo(0, declared_hz * 1000), link=SERIAL)])
    received = feed(receiver, (sound(k, link=SERIAL) for k in range(53)))
    assert conditions(received) == [("wrong rate", True, False)]
    received = feed(receiver, (sound(k, link=SERIAL) for k in range(53, 1000)))
    assert [change for change in conditions(received) if change[0] == "wrong rate"] == []
    (condition,) = [c for c in receiver.report().devices[0].streams[0].conditions if c.name == "wrong rate"]
    assert condition.detail == (
        f"measured 8000.0 Hz, declared {declared_hz} Hz: more than 5 % apart; "
        "the hello must say the real rate, in millihertz"
    )


def test_a_rate_that_is_refused_instead_of_corrected_is_not_measurable() -> None:
    receiver = Receiver(Settings(limits=Limits(corrects_rate=False)))
    feed(receiver, [hello(0, StreamInfo(0, 7_900_000), link=SERIAL)])
    received = feed(receiver, (sound(k, link=SERIAL) for k in range(600)))
    assert conditions(received) == [("wrong rate", True, False)]


def test_after_a_reboot_a_wrong_rate_stays_told() -> None:
    receiver = Receiver(Settings())
    feed(receiver, [hello(0, StreamInfo(0, 16_000_000), link=SERIAL)])
    received = feed(receiver, (sound(k, link=SERIAL) for k in range(100)))
    received += feed(receiver, (sound(k, (100 + k) * 20_000_000, link=SERIAL, boot=2) for k in range(200)))
    assert [change for change in changes(received) if change[0] == "wrong rate"] == [("wrong rate", True)]


@settings(deadline=None, max_examples=150)
@given(
    st.integers(1, 2**32 - 1) | st.integers(1, 3000) | st.integers(990_000, 1_010_000),
    st.integers(1, 8),
    st.integers(0, 255),
    st.integers(0, 65535),
    st.integers(0, 255),
    st.sampled_from([UDP, SERIAL, BLE]),
    st.sampled_from([{}, {(7, 0): 0}, {(7, 0): 3}]),
)
@example(1000, 1, 0, 0, 0, SERIAL, {(7, 0): 0})
def test_no_hello_harms(
    rate_mhz: int, channels: int, codecs: int, n: int, kind: int, link: str, required: dict[tuple[int, int], int]
) -> None:
    receiver = Receiver(Settings(channels=required))
    tracemalloc.start()
    received = feed(receiver, [hello(0, StreamInfo(0, rate_mhz, kind, channels, codecs, n), link=link)])
    for k in (*range(20), *range(30, 60), *range(200, 210)):
        received += feed(receiver, [sound(k, link=link)])
    received += receiver.tick(100 * SECOND_NS) + receiver.flush()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 4_000_000  # bytes
    assert receiver.report().devices[0].streams[0].info.rate_mhz == rate_mhz
    if not 1_000_000 <= rate_mhz <= 200_000_000 and (required or kind not in (Kind.IMU, Kind.PPG)):
        assert blocks(received) == []


def test_an_epoch_has_its_own_clock_however_long_its_first_packet_waited() -> None:
    """Of the clock that the stream has by then, the pause between two counts came out as the uptime of this machine."""
    up_ns = 3600 * SECOND_NS
    receiver = Receiver(Settings())
    received = feed(receiver, [hello(up_ns)])
    received += feed(receiver, [sound(100, up_ns)])  # waits: those before it may still come
    received += receiver.tick(up_ns + 100_000_000)
    received += feed(receiver, [sound(500, up_ns + SECOND_NS, boot=2)])  # waits, and ends unheard of the first clock
    received += feed(receiver, [hello(up_ns + SECOND_NS + 1, StreamInfo(0, 8_001_000))])
    received += feed(receiver, [sound(900, up_ns + 2 * SECOND_NS, boot=3), sound(0, up_ns + 3 * SECOND_NS, boot=4)])
    epochs = [one.item for one in received if isinstance(one.item, Epoch)]
    assert [epoch.start // N for epoch in epochs] == [100, 500, 900, 0]
    for epoch, at_ns, rate_hz in zip(epochs, (0, 1, 2, 3), (8000, 8000, 8001, 8001), strict=True):
        assert epoch.clock is not None
        taken_ns = epoch.clock.zero_ns + (epoch.start + N) / epoch.clock.rate_hz * 1e9
        assert taken_ns == pytest.approx(up_ns + at_ns * SECOND_NS, abs=1000)
        assert epoch.clock.rate_hz == pytest.approx(rate_hz)
