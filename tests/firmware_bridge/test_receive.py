"""Receiver: many devices on many links, pure; what comes out follows from the pieces alone."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.types import Block, Gap
from firmware_bridge.auth import SealAuthenticator, seal
from firmware_bridge.messages import (
    Clock,
    Command,
    HelloRequest,
    Log,
    Opaque,
    Samples,
    StreamInfo,
    Telemetry,
    Time,
    TimePing,
    Type,
)
from firmware_bridge.receive import MAX_DEVICES, Receiver, Settings
from firmware_bridge.records import Delivery, Epoch, LinkBytes
from firmware_bridge.wire import Packet, Seal, decode
from tests.firmware_bridge.sounding import (
    BLE,
    INFO,
    SECOND_NS,
    SERIAL,
    SOUND,
    UDP,
    N,
    arriving,
    feed,
    hello,
    sound,
)


def blocks(arrived: list[Delivery]) -> list[Block]:
    return [one.item for one in arrived if isinstance(one.item, Block)]


@pytest.mark.parametrize("link", [UDP, SERIAL, BLE])
def test_sound_comes_with_who_it_is_of_and_when_it_was_known(link: str) -> None:
    receiver = Receiver(Settings())
    arrived = feed(receiver, [hello(5, link=link), sound(0, link=link)])
    assert arrived[0] == Delivery(7, 0, 5, INFO)
    assert arrived[1] == Delivery(7, 0, 20_000_000, Epoch(0, 1, "first packet"))
    assert arrived[2][:3] == (7, 0, 20_000_000)
    assert np.array_equal(blocks(arrived)[0].samples, SOUND[0] / np.float32(32768))


def test_a_serial_stream_may_be_cut_anywhere_and_a_reopened_port_forgets_half_a_packet() -> None:
    receiver = Receiver(Settings())
    first, second = hello(link=SERIAL), sound(0, link=SERIAL)
    assert receiver.feed(first._replace(content=first.content[:9])) == []
    assert receiver.feed(first._replace(content=b"")) == []
    halves = [second._replace(content=half) for half in (second.content[:50], second.content[50:])]
    arrived = feed(receiver, [first, *halves])
    assert len(blocks(arrived)) == 1
    assert receiver.report().links[SERIAL].skipped_bytes == 9


def test_sound_before_the_hello_is_counted_and_the_hello_asked_for() -> None:
    receiver = Receiver(Settings())
    assert feed(receiver, [sound(0), sound(1)]) == []
    assert receiver.report().devices[0].unannounced == 2
    (order,) = receiver.outgoing(0)
    assert order[:2] == (UDP, "10.0.0.7:9")
    assert decode(order.content) == Packet(7, Command((HelloRequest(),)))
    assert receiver.outgoing(SECOND_NS) == []  # not again so soon
    assert len(receiver.outgoing(2 * SECOND_NS)) == 1
    assert len(blocks(feed(receiver, [hello(), sound(2)]) + receiver.flush())) == 1


def test_a_later_kind_of_packet_is_not_taken_for_sound() -> None:
    receiver = Receiver(Settings())
    feed(
        receiver, [hello(), arriving(Opaque(5, 0, 160, b"later"), 1), arriving(Opaque(Type.SAMPLES, 2, 160, b"lc3"), 2)]
    )
    assert receiver.report().devices[0].streams[0].counts.packets == 1


def test_sealed_commands_rise_even_within_a_second_and_name_the_session() -> None:
    key = bytes(range(32))
    receiver = Receiver(Settings(keys={7: key}), SealAuthenticator({7: key}), wall_s=lambda: 1000.5)
    feed(receiver, [hello()])
    assert receiver.outgoing(0) == []  # not authenticated, so not known
    packet = decode(sound(0).content)._replace(seal=Seal(9, 4))
    receiver.feed(LinkBytes(0, UDP, "", seal(packet, key)))
    first, second = (receiver.outgoing(at * SECOND_NS)[0].content for at in (0, 2))
    assert [(seal_.session, seal_.number) for seal_ in (decode(first).seal, decode(second).seal)] == [
        (9, 1000),
        (9, 1001),
    ]
    assert seal(decode(first), key) == first


def test_commands_for_a_byte_stream_are_framed() -> None:
    receiver = Receiver(Settings())
    feed(receiver, [sound(0, link=SERIAL)])
    (order,) = receiver.outgoing(0)
    assert order.content.startswith(b"\0")
    assert order.content.endswith(b"\0")
    assert order.content.count(b"\0") == 2


def test_an_order_that_is_sent_back_is_no_device() -> None:
    receiver = Receiver(Settings())
    feed(receiver, [sound(0), hello()])
    before = receiver.report()
    assert feed(receiver, [LinkBytes(9, UDP, "elsewhere", receiver.outgoing(0)[0].content)]) == []
    assert receiver.report().devices == before.devices
    assert feed(Receiver(Settings()), [arriving(Command((HelloRequest(),)), 0)]) == []


def test_an_answered_ping_tells_how_long_the_way_is() -> None:
    receiver = Receiver(Settings(), token=lambda: 99)
    feed(receiver, [hello()])
    (order,) = receiver.outgoing(SECOND_NS)
    assert decode(order.content).content == Command((TimePing(99),))
    feed(receiver, [arriving(Time(98, Clock(0, 0)), SECOND_NS + 1_000_000)])
    assert receiver.report().devices[0].round_trip_ms is None
    feed(receiver, [arriving(Time(99, Clock(0, 0)), SECOND_NS + 4_000_000)])
    assert receiver.report().devices[0].round_trip_ms == 4.0


def test_a_device_that_is_not_allowed_is_counted_and_named_once(caplog: pytest.LogCaptureFixture) -> None:
    receiver = Receiver(Settings(allowed=frozenset({8})))
    with caplog.at_level(logging.WARNING):
        assert feed(receiver, [hello(), sound(0), sound(1)]) == []
    assert receiver.report().refused == {7: 3}
    assert [record.getMessage() for record in caplog.records] == [
        'device=00000007 refused cause="not in the list of allowed devices"'
    ]
    assert blocks(feed(receiver, [hello(device=8), sound(0, device=8)]))


def test_the_number_of_devices_and_of_refused_ids_is_bounded() -> None:
    receiver = Receiver(Settings())
    feed(receiver, (hello(device=k) for k in range(1, MAX_DEVICES + 500)))
    assert len(receiver.report().devices) == MAX_DEVICES
    strict = Receiver(Settings(allowed=frozenset({1})))
    feed(strict, (hello(device=k) for k in range(1, 500)))
    assert list(strict.report().refused) == list(range(436, 500))  # those that were heard last


def test_strangers_shut_out_nobody_who_sends_sound() -> None:
    receiver = Receiver(Settings())
    feed(receiver, [hello(device=1), *(sound(k, device=1) for k in range(50))])
    feed(receiver, (hello(k, device=1000 + k) for k in range(MAX_DEVICES + 50)))
    assert len(blocks(feed(receiver, [hello(device=2), sound(50, device=2)]) + receiver.flush())) == 1
    feed(receiver, (hello(SECOND_NS + k, device=3000 + k) for k in range(MAX_DEVICES + 50)))
    arrived = {device.device_id for device in receiver.report().devices}
    assert {1, 2} <= arrived
    assert len(arrived) == MAX_DEVICES


def test_a_table_full_of_devices_that_send_refuses_one_more_until_one_of_them_is_silent() -> None:
    receiver = Receiver(Settings())
    for device in range(1, MAX_DEVICES + 1):
        feed(receiver, [hello(device=device), sound(0, device * 1_000_000, device=device)])
    feed(receiver, [hello(SECOND_NS, device=9999)])
    assert receiver.report().refused == {9999: 1}
    feed(receiver, [hello(11 * SECOND_NS, device=9999)])
    report = receiver.report()
    assert report.refused == {}
    assert {device.device_id for device in report.devices} == {9999, *range(2, MAX_DEVICES + 1)}


def test_a_replayed_packet_is_not_heard_when_the_device_has_a_key() -> None:
    key = bytes(range(32))
    receiver = Receiver(Settings(), SealAuthenticator({7: key}))
    bodies = [
        seal(decode(one.content)._replace(seal=Seal(1, k)), key) for k, one in enumerate([hello(), sound(0), sound(1)])
    ]
    pieces = [LinkBytes(k, UDP, "", body) for k, body in enumerate(bodies)]
    assert len(blocks(feed(receiver, pieces))) == 2
    assert feed(receiver, pieces) == []
    assert feed(receiver, [sound(2)]) == []  # unsealed
    assert receiver.report().links[UDP].not_authenticated == 4


def test_a_reboot_begins_a_new_clock() -> None:
    receiver = Receiver(Settings())
    feed(receiver, [hello(link=SERIAL)])
    feed(receiver, (sound(k, link=SERIAL) for k in range(600)))
    arrived = feed(receiver, [sound(0, 20 * SECOND_NS, link=SERIAL, boot=2)])
    assert isinstance(arrived[0].item, Epoch)
    clock = receiver.clock(7, 0)
    assert clock is not None
    assert clock.time_ns(N) == 20 * SECOND_NS


def test_a_stream_that_is_another_now_begins_anew() -> None:
    receiver = Receiver(Settings())
    feed(receiver, [hello(), sound(0), hello(1)])
    faster = StreamInfo(0, 16_000_000)
    arrived = feed(receiver, [hello(30_000_000, faster), sound(1)])
    assert arrived[0].item == faster
    assert len([one for one in arrived + receiver.flush() if isinstance(one.item, Epoch)]) == 1


def test_a_log_line_is_handed_on() -> None:
    assert feed(Receiver(Settings()), [arriving(Log("hot", 4), 5)]) == [Delivery(7, -1, 5, Log("hot", 4))]


def test_packets_of_all_kinds_count_for_the_loss_of_their_stream() -> None:
    receiver = Receiver(Settings())
    feed(receiver, [hello(), arriving(Telemetry(), 1, seq=1), arriving(Samples(SOUND), 2, seq=5)])
    feed(receiver, [arriving(Telemetry(), 3, seq=5)])
    stream = receiver.report().devices[0].streams[0]
    assert (stream.received, stream.missing) == (2, 3)  # the hello made the stream known


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_how_often_time_is_told_changes_no_sound(draw: st.DataObject) -> None:
    numbers = draw.draw(st.permutations(range(12)))
    stored = [k for k in numbers if draw.draw(st.booleans())]
    steps = draw.draw(st.lists(st.integers(1, 70), min_size=len(stored), max_size=len(stored)))
    pieces, at = [hello()], 0
    for k, step in zip(stored, steps, strict=True):
        at += step * 1_000_000
        pieces.append(sound(k, at))
        if step % 9 == 0:
            pieces.append(arriving(Telemetry(contact=step % 2), at))
    rarely, often = Receiver(Settings()), Receiver(Settings())
    one = feed(rarely, pieces) + rarely.flush()
    other = []
    for this, after in zip(pieces, [*pieces[1:], pieces[-1]], strict=True):
        other += often.feed(this)
        for now in range(this.arrival_ns, after.arrival_ns, 5_000_000):
            other += often.tick(now)
    other += often.flush()
    required = [h.item for h in one if isinstance(h.item, (Block, Gap, Epoch))]
    found = [h.item for h in other if isinstance(h.item, (Block, Gap, Epoch))]
    assert [(type(item), item.start) for item in found] == [(type(item), item.start) for item in required]
    for mine, theirs in zip(found, required, strict=True):
        if isinstance(mine, Block):
            assert np.array_equal(mine.samples, theirs.samples)
            assert np.array_equal(mine.valid, theirs.valid)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(st.sampled_from([UDP, SERIAL, BLE]), st.binary(max_size=300))))
def test_garbage_is_never_an_error_and_never_sound(pieces: list[tuple[str, bytes]]) -> None:
    receiver = Receiver(Settings())
    arrived = feed(receiver, (LinkBytes(k, link, "", content) for k, (link, content) in enumerate(pieces)))
    assert arrived + receiver.flush() == []
