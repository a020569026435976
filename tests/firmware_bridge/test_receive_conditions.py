"""Receiver: when a stream is lost, choppy, off the skin, of a wrong rate or of two devices."""

from __future__ import annotations

import pytest

from edge.types import Block
from firmware_bridge.messages import (
    Clock,
    Telemetry,
)
from firmware_bridge.receive import Receiver, Settings
from firmware_bridge.records import Delivery, Epoch
from firmware_bridge.wire import CLIPPED, LAST, NO_CONTACT
from tests.firmware_bridge.sounding import (
    BLE,
    SECOND_NS,
    SERIAL,
    N,
    arriving,
    changes,
    conditions,
    feed,
    hello,
    sound,
)


def blocks(received: list[Delivery]) -> list[Block]:
    return [one.item for one in received if isinstance(one.item, Block)]


def test_silence_of_2_s_is_lost_and_sound_ends_it() -> None:
    receiver = Receiver(Settings())
    feed(receiver, [hello(), sound(0, SECOND_NS)])
    assert changes(receiver.tick(3 * SECOND_NS)) == []
    assert changes(receiver.tick(3 * SECOND_NS + 1)) == [("lost", True)]
    assert changes(receiver.tick(9 * SECOND_NS)) == []
    (condition,) = receiver.report().devices[0].streams[0].conditions
    assert not condition.measurable
    assert changes(feed(receiver, [sound(500)])) == [("lost", False)]


def _seconds(receiver: Receiver, first: int, last: int, every: int) -> list[tuple[str, bool]]:
    """Feed the packets [first, last), every n-th of them lost."""
    return changes(feed(receiver, (sound(k, link=SERIAL) for k in range(first, last) if k % every)))


def test_more_than_5_percent_lost_in_10_s_is_choppy_until_half_of_it_is() -> None:
    receiver = Receiver(Settings())
    feed(receiver, [hello(link=SERIAL)])
    assert _seconds(receiver, 0, 1500, 25) == []
    assert _seconds(receiver, 1500, 2600, 15) == [("choppy", True)]
    (choppy,) = receiver.report().devices[0].streams[0].conditions
    assert not choppy.measurable
    assert _seconds(receiver, 2600, 4000, 25) == []
    (choppy,) = receiver.report().devices[0].streams[0].conditions
    assert choppy.detail.startswith(("3.", "4."))  # as it is now, not as it began
    stream = receiver.report().devices[0].streams[0]
    assert stream.loss == pytest.approx((60 + 73 + 56) / 4000, abs=0.001)
    assert stream.lost_share == pytest.approx(0.04, abs=0.005)
    assert _seconds(receiver, 4000, 5400, 50) == [("choppy", False)]
    assert _seconds(receiver, 5400, 6800, 25) == []


def test_one_bad_second_at_the_start_is_not_choppy() -> None:
    receiver = Receiver(Settings())
    feed(receiver, [hello(link=SERIAL)])
    lost = {3, 10, 17, 40, 41}
    assert changes(feed(receiver, (sound(k, link=SERIAL) for k in range(600) if k not in lost))) == []


def test_no_contact_by_telemetry_masks_what_is_sound_by_itself() -> None:
    receiver = Receiver(Settings())
    received = feed(receiver, [hello(), sound(0), arriving(Telemetry(contact=0), 30_000_000), sound(1)])
    received += feed(receiver, [arriving(Telemetry(contact=200), 50_000_000), sound(2)])
    assert [bool(block.valid.all()) for block in blocks(received)] == [True, False, True]
    assert not blocks(received)[1].valid.any()
    assert [
        (one.stream, *change)
        for one, change in zip([h for h in received if changes([h])], changes(received), strict=True)
    ] == [(-1, "no contact", True), (-1, "no contact", False)]
    assert receiver.report().devices[0].streams[0].masked_share > 0.3


def test_sound_whose_time_had_come_before_a_reading_is_not_masked_by_it() -> None:
    receiver = Receiver(Settings())
    received = feed(receiver, [hello(), sound(0), sound(2), arriving(Telemetry(contact=0), 200_000_000), sound(3)])
    assert [bool(block.valid.all()) for block in blocks(received)] == [True, False, True, False]


def test_flags_of_samples_become_masks_and_conditions() -> None:
    receiver = Receiver(Settings())
    marked = [sound(k, flags=flags) for k, flags in enumerate((0, NO_CONTACT, CLIPPED, LAST))]
    received = feed(receiver, [hello(), *marked])
    assert [bool(block.valid.all()) for block in blocks(received)] == [True, False, False, True]
    assert changes(received) == [("no contact", True), ("no contact", False), ("ended", True)]


def test_one_id_on_two_devices_is_told_and_does_not_shred_the_sound() -> None:
    receiver = Receiver(Settings())
    received = feed(receiver, [hello(link=SERIAL)])
    for k in range(200):
        other = sound(k + 9000, (k + 1) * 20_000_000, link=SERIAL, boot=2)
        received += feed(receiver, [sound(k, link=SERIAL, boot=1), other])
    assert len([one for one in received if isinstance(one.item, Epoch)]) == 2
    assert changes(received) == [("two devices", True)]


def test_a_wrong_rate_is_told() -> None:
    receiver = Receiver(Settings())
    received = feed(receiver, [hello(link=SERIAL)])
    received += feed(receiver, (sound(k, round((k + 1) * 20_000_000 * 8000 / 8063), link=SERIAL) for k in range(520)))
    assert {name for name, _, _ in conditions(received)} == {"wrong rate"}
    assert conditions(received)[-1] == ("wrong rate", True, True)  # known, and corrected
    clock = receiver.clock(7, 0)
    assert clock is not None
    assert clock.state.rate_hz == pytest.approx(8063, abs=0.1)
    assert receiver.clock(7, 1) is None
    assert receiver.clock(8, 0) is None


def test_over_ble_the_rate_comes_from_telemetry() -> None:
    receiver = Receiver(Settings())
    feed(receiver, [hello(link=BLE)])
    for k in range(600):
        feed(receiver, [sound(k, link=BLE)])
        if k % 50 == 49:
            at = (k + 1) * 20_000_000
            clock = Clock(round(at / 1000 * 8000 / 8063), (k + 1) * N)
            feed(receiver, [arriving(Telemetry(clock=clock), at, link=BLE)])
    state = receiver.report().devices[0].streams[0].clock
    assert state.rate_hz == pytest.approx(8063, abs=0.1)


def test_a_stream_that_its_device_ends_is_ended_not_lost_and_begins_again_with_the_next_sound() -> None:
    receiver = Receiver(Settings())
    received = feed(receiver, [hello(), *(sound(k) for k in range(4)), sound(5, flags=LAST)])
    assert changes(received) == []  # packet 4 may still come
    received += feed(receiver, [sound(4, 125_000_000), sound(5, 126_000_000, flags=LAST)])
    assert changes(received) == [("ended", True)]
    assert all(block.valid.all() for block in blocks(received))
    assert len(blocks(received)) == 6
    assert changes(receiver.tick(60 * SECOND_NS)) == []
    (condition,) = receiver.report().devices[0].streams[0].conditions
    assert (condition.detail, condition.measurable) == ("the device ended the stream", False)
    received = feed(receiver, [sound(5, 60 * SECOND_NS, flags=LAST), sound(3000, 60 * SECOND_NS)])
    received += receiver.tick(61 * SECOND_NS)
    assert [one.item for one in received if isinstance(one.item, Epoch)] == [Epoch(3000 * N, 1, "started again")]
    assert changes(received) == [("ended", False)]
    assert len(blocks(received)) == 1


def test_a_boot_that_comes_before_the_last_packet_was_given_is_not_ended() -> None:
    receiver = Receiver(Settings())
    received = feed(receiver, [hello(), sound(0), sound(2, flags=LAST), sound(0, 61_000_000, boot=2)])
    received += feed(receiver, [sound(1, 80_000_000, boot=2)])
    assert changes(received) == []
    assert [one.item for one in received if isinstance(one.item, Epoch)][1:] == [Epoch(0, 2, "device restarted")]


def test_what_waits_when_the_last_packet_comes_is_given() -> None:
    receiver = Receiver(Settings())
    received = feed(receiver, [hello(), sound(0), sound(2, flags=LAST)])
    assert len(blocks(received)) == 1
    received = receiver.tick(200_000_000)
    assert [bool(block.valid.all()) for block in blocks(received)] == [False, True]
    assert changes(received) == [("ended", True)]
