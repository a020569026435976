"""PROTOCOL.md, "What the host does with it": each rule as the code has it, with the numbers of the page."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from edge.settings.link import SerialPort
from edge.sources import device_stream as link_source
from edge.sources.link_opening import limits_of
from edge.types import Block, Gap
from firmware_bridge import assemble, clock, receive, streams
from firmware_bridge.messages import (
    Clock,
    Command,
    Counters,
    HelloRequest,
    Motion,
    Samples,
    StreamInfo,
    Telemetry,
    Time,
    TimePing,
)
from firmware_bridge.receive import Receiver, Settings
from firmware_bridge.records import Delivery, Epoch, LinkBytes
from firmware_bridge.wire import CLIPPED, LOST_BEFORE, NO_CONTACT, Packet, decode
from tests.firmware_bridge.sounding import (
    SECOND_NS,
    SERIAL,
    SOUND,
    UDP,
    N,
    arriving,
    changes,
    delivered,
    feed,
    hello,
    sound,
)

PAGE = (Path(__file__).parents[2] / "firmware_bridge" / "PROTOCOL.md").read_text()
RULES = re.sub(r"\s+", " ", PAGE[PAGE.index("\n## What the host does with it") : PAGE.index("\n## Versions")])


def blocks(arrived: list[Delivery]) -> list[Block]:
    return [one.item for one in arrived if isinstance(one.item, Block)]


def piece(start: int, n: int, flags: int = 0, link: str = SERIAL, at_ns: int = 0) -> LinkBytes:
    """A packet of n samples that begins anywhere; sample k of the stream has the value k % N of SOUND."""
    values = SOUND[:, np.arange(start, start + n) % N]
    return delivered(Packet(7, Samples(values), 0, flags, 0, start, 1), at_ns, link)


def test_the_numbers_of_the_section_are_those_of_the_code() -> None:
    low, high = streams.SOUND_HZ
    choppy = limits_of(None).choppy_share
    for expected in (
        f"must be {low:,} to {high:,} Hz",
        f"counted, {streams.READINGS_HZ[0]} to {streams.READINGS_HZ[1]:,} Hz",
        f"more than {clock.WRONG_PPM:g} ppm and by more than {clock.DELAY_CHANGE_S * 1e3:g} ms",
        f"Up to {clock.FAR_PPM / 1e4:g} % wrong",
        f"{clock.SETTLED_S:g} s or later",
        f"{link_source.MEASURING_S:g} s at most",
        f"until more than {assemble.DATAGRAM_WINDOW.packets} wait or the oldest has waited for "
        f"{assemble.DATAGRAM_WINDOW.wait_ns // 10**6} ms",
        f"Up to {assemble.CONCEALED_S * 1e3:g} ms are concealed",
        f"Up to {assemble.STALE_S:g} s behind",
        f"until {assemble.RESTART_S:g} s of such samples",
        f"More than {limits_of(None).stray_packets} such packets in {limits_of(None).choppy_s:g} s",
        f"none of the last {assemble.BOOTS}",
        f"more than {limits_of(None).motion_rms_mg} mg rms",
        f'for {limits_of(None).lost_s:g} s is "lost"',
        f"more than {100 * choppy:g} % of the last",
        f"until it is {50 * choppy:g} %",
        f"opened with {SerialPort(port='x').baud} bit/s",
        f"{receive.MAX_DEVICES} devices",
        f"heard within {receive.PROTECTED_NS // 10**9} s",
        f"every {receive.REQUEST_NS // 10**9} s until there is one",
        f"every {receive.PING_NS // 10**9} s, to measure",
    ):
        assert expected in RULES, expected


def test_a_stream_that_no_hello_told_of_is_dropped_and_one_that_is_named_no_more_goes_on() -> None:
    receiver = Receiver(Settings())
    feed(receiver, [hello(0, StreamInfo(1, 8_000_000), link=SERIAL), sound(0, link=SERIAL)])
    assert receiver.report().devices[0].unannounced == 1
    feed(receiver, [hello(link=SERIAL), sound(1, link=SERIAL)])
    assert [stream.info.stream for stream in receiver.report().devices[0].streams] == [0, 1]


def test_a_byte_stream_waits_for_nothing_and_udp_for_three_packets() -> None:
    for link, received in ((SERIAL, 4), (UDP, 5)):
        receiver = Receiver(Settings())
        feed(receiver, [hello(link=link)])
        arrived = feed(receiver, (sound(k, k * 1_000_000, link=link) for k in (0, 2, 3, 1, 4)))
        assert sum(block.valid.all() for block in blocks(arrived + receiver.flush())) == received


@pytest.mark.parametrize("flag", [CLIPPED, NO_CONTACT])
def test_flags_20_and_40_mask_the_packet(flag: int) -> None:
    arrived = feed(Receiver(Settings()), [hello(link=SERIAL), sound(0, link=SERIAL, flags=flag)])
    assert not blocks(arrived)[0].valid.any()


def test_flag_10_without_a_jump_masks_the_first_sample() -> None:
    receiver = Receiver(Settings())
    arrived = feed(receiver, [hello(link=SERIAL), sound(0, link=SERIAL), sound(1, link=SERIAL, flags=LOST_BEFORE)])
    assert list(np.flatnonzero(~blocks(arrived)[1].valid)) == [0]
    arrived = feed(receiver, [sound(3, link=SERIAL, flags=LOST_BEFORE)])
    assert [int(np.count_nonzero(~block.valid)) for block in blocks(arrived)] == [N, 0]


def test_what_was_handed_on_stays_and_of_what_waits_the_newer_wins() -> None:
    receiver = Receiver(Settings())
    arrived = feed(receiver, [hello(link=SERIAL), piece(0, 100), piece(60, 100)])
    assert [(block.start, block.stop) for block in blocks(arrived)] == [(0, 100), (100, 160)]
    assert list(np.flatnonzero(~blocks(arrived)[1].valid)) == [0]
    receiver = Receiver(Settings())
    feed(receiver, [hello(), piece(0, 10, link=UDP), piece(40, 60, link=UDP), piece(60, 60, link=UDP)])
    last = blocks(receiver.flush())[-2:]
    assert [(block.start, block.stop) for block in last] == [(40, 60), (60, 120)]
    assert [int(np.count_nonzero(~block.valid)) for block in last] == [0, 1]


def test_what_begins_a_stream_anew_and_what_does_not() -> None:
    receiver = Receiver(Settings())
    arrived = feed(receiver, [hello(link=SERIAL), *(sound(k, link=SERIAL) for k in range(300))])
    arrived += feed(receiver, [sound(10**6, link=SERIAL)])  # a pause of hours
    assert [one.item for one in arrived if isinstance(one.item, (Epoch, Gap))] == [
        Epoch(0, 1, "first packet"),
        Gap(300 * N, 10**6 * N, "packets lost"),
    ]
    back = feed(receiver, (sound(k, link=SERIAL) for k in range(49)))
    assert [one.item for one in back if isinstance(one.item, (Epoch, Block))] == []
    (epoch, *_) = [one.item for one in feed(receiver, [sound(49, link=SERIAL)]) if isinstance(one.item, (Epoch, Block))]
    assert epoch == Epoch(49 * N, 1, "counter went back")


def test_motion_of_more_than_150_mg_masks_until_a_telemetry_says_otherwise() -> None:
    receiver = Receiver(Settings())
    arrived = feed(receiver, [hello(link=SERIAL)])
    for k, motion in enumerate((150, 151, 150)):
        arrived += feed(
            receiver, [arriving(Telemetry(motion=Motion(motion, 900)), k, link=SERIAL), sound(k, link=SERIAL)]
        )
    assert [bool(block.valid.all()) for block in blocks(arrived)] == [True, False, True]


def test_the_host_sends_two_orders_and_of_a_time_answer_takes_the_token() -> None:
    receiver = Receiver(Settings(), token=lambda: 5)
    feed(receiver, [sound(0)])
    sent = [decode(order.content).content for at in range(0, 100) for order in receiver.outgoing(at * SECOND_NS)]
    feed(receiver, [hello(100 * SECOND_NS)])
    sent += [decode(order.content).content for at in range(100, 200) for order in receiver.outgoing(at * SECOND_NS)]
    assert set(sent) == {Command((HelloRequest(),)), Command((TimePing(5),))}
    answer = delivered(Packet(7, Time(5, Clock(2**60, 12345)), 3, boot=1), 201 * SECOND_NS, UDP)
    feed(receiver, [answer])
    assert receiver.report().devices[0].round_trip_ms is not None


def test_counters_of_the_device_that_move_are_an_overrun() -> None:
    receiver = Receiver(Settings())
    arrived = feed(receiver, (arriving(Telemetry(counters=Counters(50 * k, 2, 0)), k * SECOND_NS) for k in range(3)))
    assert changes(arrived) == []
    assert changes(feed(receiver, [arriving(Telemetry(counters=Counters(200, 3, 0)), 4 * SECOND_NS)])) == [
        ("overrun", True)
    ]
