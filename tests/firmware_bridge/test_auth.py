"""Seals: what was not sent by the device, or was sent before, is not believed."""

from __future__ import annotations

import hashlib
import hmac
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ConfigError
from firmware_bridge import auth
from firmware_bridge.auth import WINDOW, Guard, Seen
from firmware_bridge.messages import Command, Log, Start
from firmware_bridge.wire import Packet, Seal, encode, with_crc

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))


def sealed(session: int, number: int, key: bytes = KEY, device: int = 7) -> bytes:
    """Body of a sealed packet."""
    return auth.seal(Packet(device, Log("x"), seal=Seal(session, number)), key)


def test_the_tag_is_hmac_sha256_of_all_that_is_before_it() -> None:
    body = sealed(1, 2)
    assert body[-12:-4] == hmac.new(KEY, body[:-12], hashlib.sha256).digest()[:8]
    assert body[-20:-12] == bytes((1, 0, 0, 0, 2, 0, 0, 0))


def test_a_packet_is_believed_once() -> None:
    guard = Guard({7: KEY})
    assert guard.believes(sealed(1, 5))
    assert not guard.believes(sealed(1, 5))
    assert guard.counts.replayed == 1


@pytest.mark.parametrize("at", range(36 + 2 - 4))
def test_no_byte_can_be_changed(at: int) -> None:
    body = bytearray(sealed(1, 5))
    body[at] ^= 1
    guard = Guard({7: KEY, 6: OTHER})
    assert not guard.believes(with_crc(bytes(body[:-4])))


def test_another_devices_key_another_key_and_no_key_are_not_believed() -> None:
    guard = Guard({7: KEY, 8: OTHER})
    assert not guard.believes(sealed(1, 1, OTHER))
    assert not guard.believes(sealed(1, 1, KEY, device=8))
    assert not guard.believes(sealed(1, 1, KEY, device=9))
    assert (guard.counts.wrong_tag, guard.counts.no_key) == (2, 1)


def test_a_device_with_a_key_cannot_be_imitated_without_one() -> None:
    guard = Guard({7: KEY})
    assert not guard.believes(encode(Packet(7, Log("x"))))
    assert guard.believes(encode(Packet(8, Log("x"))))
    assert guard.counts.unsealed == 1


def test_a_recorded_boot_is_worthless_after_the_next() -> None:
    guard = Guard({7: KEY})
    assert guard.believes(sealed(4, 100))
    assert guard.believes(sealed(5, 0))
    assert not guard.believes(sealed(4, 101))
    assert guard.believes(sealed(5, 1))


@given(st.lists(st.integers(0, 300), max_size=200), st.integers(0, 2**32 - 400))
def test_each_number_is_believed_at_most_once_and_none_far_behind(numbers: list[int], base: int) -> None:
    guard, believed = Guard({7: KEY}), set()
    for number in (base + n for n in numbers):
        may = number not in believed and number > max(believed, default=-WINDOW) - WINDOW
        assert guard.believes(sealed(1, number)) == may
        if may:
            believed.add(number)


def test_packets_out_of_order_within_the_window_are_all_believed() -> None:
    order = list(range(1000))
    chance = random.Random(1)
    for at in range(0, 1000, 50):
        order[at : at + 50] = chance.sample(order[at : at + 50], 50)
    guard = Guard({7: KEY})
    assert all(guard.believes(sealed(1, number)) for number in order)


def test_the_window_ends_where_the_page_says() -> None:
    guard = Guard({7: KEY})
    assert guard.believes(sealed(1, 100))
    assert not guard.believes(sealed(1, 100 - WINDOW))
    assert guard.believes(sealed(1, 101 - WINDOW))


def test_numbers_up_to_the_last_are_believed() -> None:
    guard = Guard({7: KEY})
    assert guard.believes(sealed(2**32 - 1, 2**32 - 1))
    assert guard.believes(sealed(2**32 - 1, 2**32 - 2))
    assert not guard.believes(sealed(0, 0))


def test_what_was_seen_outlives_the_host() -> None:
    first = Guard({7: KEY})
    first.believes(sealed(3, 50))
    assert first.seen == {7: Seen(auth.key_id(KEY), 3, 50)}
    second = Guard({7: KEY}, first.seen)
    for session, number in ((3, 50), (3, 49), (2, 99)):
        assert not second.believes(sealed(session, number))
    assert second.believes(sealed(3, 51))
    assert second.believes(sealed(4, 0))


def test_a_new_key_begins_anew() -> None:
    guard = Guard({7: OTHER}, {7: Seen(auth.key_id(KEY), 9, 9), 8: Seen(auth.key_id(KEY), 1, 1)})
    assert guard.seen == {}
    assert guard.believes(sealed(1, 0, OTHER))


def test_a_wrong_tag_teaches_the_guard_nothing() -> None:
    guard = Guard({7: KEY})
    assert not guard.believes(sealed(99, 99, OTHER))
    assert guard.believes(sealed(1, 0))


def test_a_command_sent_back_to_its_host_neither_is_believed_nor_shuts_out_the_device() -> None:
    guard = Guard({7: KEY})
    assert guard.believes(sealed(1, 5))
    assert not guard.believes(auth.seal(Packet(7, Command((Start(),)), seal=Seal(1, 1_700_000_000)), KEY))
    assert guard.believes(sealed(1, 6))
    assert guard.counts.reflected == 1


def test_keys_are_read_from_hexadecimal_and_bad_ones_explained() -> None:
    assert auth.read_key(KEY.hex(), "link.key") == KEY
    for text in ("", "00" * 15, "00" * 65, "not hexadecimal, though it is long enough"):
        with pytest.raises(ConfigError, match=r"link\.key: expected 32 to 128 hex digits.*openssl rand -hex 32"):
            auth.read_key(text, "link.key")
