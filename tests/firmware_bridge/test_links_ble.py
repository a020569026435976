"""BLE without a radio: a wearable and the adapter in one process, over Bumble's LocalLink."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Literal

import numpy as np
import pytest

pytest.importorskip("bumble", reason="bumble needs Python 3.11")
pytest.importorskip("bleak")

from edge.types import Block
from firmware_bridge.links import ble
from firmware_bridge.links.ble import MAX_PENDING, BleOptions, BleTransport
from firmware_bridge.messages import Codec, Command, Hello, HelloRequest, Samples, StreamInfo
from firmware_bridge.receive import Receiver, Settings
from firmware_bridge.records import LinkBytes
from firmware_bridge.wire import Packet, decode, encode
from tests.firmware_bridge.bumble_backend import WEARABLE, Air

DEVICE = 0x5E000001


def run(scenario: Callable[[Air, BleTransport], Awaitable[None]], notify: Literal["start", "acquire"] = "start") -> Air:
    """Play a scenario with a powered wearable and a link that is not yet tended."""

    async def play() -> Air:
        air = Air()
        await air.power_on()
        link = BleTransport(WEARABLE, BleOptions(notify, retry_s=(0.01, 0.05), backend=air.backend()))
        try:
            await asyncio.wait_for(scenario(air, link), 300)
        finally:
            link.close()
            await asyncio.sleep(0.05)
        return air

    return asyncio.run(play())


async def tended(link: BleTransport, until: Callable[[list[LinkBytes]], bool]) -> list[LinkBytes]:
    """What arrives, tended as the loop of the links does it."""
    pieces: list[LinkBytes] = []
    while not until(pieces):
        pieces += [piece for piece in link.tend(time.monotonic_ns()) if piece.content]  # empty: connected, or gone
        await asyncio.sleep(0.005)
    return pieces


def is_open(link: BleTransport) -> Callable[[list[LinkBytes]], bool]:
    return lambda _: link.state.is_open


def test_each_notification_is_a_piece_in_order_with_its_time() -> None:
    async def scenario(air: Air, link: BleTransport) -> None:
        before_ns = time.monotonic_ns()
        await tended(link, is_open(link))
        bodies = [bytes([k % 256]) * 240 for k in range(300)]
        for body in bodies:
            await air.send(body)
        pieces = await tended(link, lambda got: len(got) >= 300)
        assert [piece.content for piece in pieces] == bodies
        assert {(piece.link, piece.peer, piece.is_stream) for piece in pieces} == {(f"ble:{WEARABLE}", "", False)}
        times = [piece.arrival_ns for piece in pieces]
        assert before_ns < times[0] <= times[-1] < time.monotonic_ns()
        assert times == sorted(times)
        assert link.state.received_bytes == 300 * 240

    run(scenario)


def test_packets_over_ble_become_sound_sample_by_sample() -> None:
    values = (1000 * np.sin(np.arange(50 * 160) / 9)).astype(np.int16).reshape(50, 1, 160)

    async def scenario(air: Air, link: BleTransport) -> None:
        await tended(link, is_open(link))
        await air.send(encode(Packet(DEVICE, Hello((StreamInfo(0, 8_000_000),)), boot=1)))
        for k, each in enumerate(values):
            body = encode(Packet(DEVICE, Samples(each, Codec.RICE), seq=k, sample_index=160 * k, boot=1))
            assert len(body) <= 244  # one notification at MTU 247
            await air.send(body)
        receiver = Receiver(Settings(frozenset({DEVICE})))
        received = [item for piece in await tended(link, lambda got: len(got) >= 51) for item in receiver.feed(piece)]
        sound = np.concatenate([each.item.samples for each in received if isinstance(each.item, Block)])
        np.testing.assert_array_equal(sound, values.ravel() / np.float32(32768))

    run(scenario)


def test_what_is_sent_before_anyone_subscribed_is_lost_and_nothing_else_is() -> None:
    async def scenario(air: Air, link: BleTransport) -> None:
        await air.send(b"too early")
        await tended(link, is_open(link))
        await air.send(b"in time")
        pieces = await tended(link, bool)
        assert [piece.content for piece in pieces] == [b"in time"]

    run(scenario)


def test_a_connection_that_ends_is_made_again_and_both_are_told() -> None:
    async def scenario(air: Air, link: BleTransport) -> None:
        await tended(link, is_open(link))
        await air.drop()
        await tended(link, lambda _: not link.state.is_open)
        assert link.state.reason == "connection lost"
        await tended(link, is_open(link))
        await air.send(b"again")
        pieces = await tended(link, lambda got: any(piece.content for piece in got))
        assert pieces[-1].content == b"again"
        assert (link.state.opened, link.state.reason) == (2, "")

    run(scenario)


def test_a_wearable_that_is_away_is_waited_for_and_the_reason_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ble, "CONNECT_S", 0.3)

    async def scenario(air: Air, link: BleTransport) -> None:
        await air.wearable.stop_advertising()
        await tended(link, lambda _: link.state.reason not in ("", "not yet connected"))
        assert not link.state.is_open
        assert not link.send(b"nobody hears it")

    run(scenario)


def test_a_command_reaches_the_wearable() -> None:
    async def scenario(air: Air, link: BleTransport) -> None:
        await tended(link, is_open(link))
        assert link.send(encode(Packet(DEVICE, Command((HelloRequest(),)))))
        await tended(link, lambda _: bool(air.commands))

    (body,) = run(scenario).commands
    assert decode(body).content == Command((HelloRequest(),))


@pytest.mark.parametrize("notify", ["start", "acquire"])
def test_the_way_to_notify_is_the_operators(notify: Literal["start", "acquire"]) -> None:
    requested: list[object] = []

    async def scenario(air: Air, link: BleTransport) -> None:
        await tended(link, is_open(link))
        requested.extend(link._options.backend.notify_args)

    run(scenario, notify)
    assert requested == [{"use_start_notify": notify == "start"}]


def test_a_loop_that_stands_still_costs_the_oldest_and_counts_them() -> None:
    async def scenario(air: Air, link: BleTransport) -> None:
        await tended(link, is_open(link))
        link.receive()
        for k in range(MAX_PENDING + 40):
            link._on_notification(k.to_bytes(2, "little"))
        pieces = link.receive()
        assert len(pieces) == MAX_PENDING
        assert (int.from_bytes(pieces[0].content, "little"), link.state.dropped) == (40, 40)

    run(scenario)
