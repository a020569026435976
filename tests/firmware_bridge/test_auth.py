"""Seals: what was not sent by the device, or was sent before, is not authenticated."""

from __future__ import annotations

import hashlib
import hmac
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ConfigError
from firmware_bridge import auth
from firmware_bridge.auth import WINDOW, ReplayCounter, SealAuthenticator
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


def test_a_packet_is_authenticated_once() -> None:
    authenticator = SealAuthenticator({7: KEY})
    assert authenticator.authenticates(sealed(1, 5))
    assert not authenticator.authenticates(sealed(1, 5))
    assert authenticator.counts.replayed == 1


@pytest.mark.parametrize("at", range(36 + 2 - 4))
def test_no_byte_can_be_changed(at: int) -> None:
    body = bytearray(sealed(1, 5))
    body[at] ^= 1
    authenticator = SealAuthenticator({7: KEY, 6: OTHER})
    assert not authenticator.authenticates(with_crc(bytes(body[:-4])))


def test_another_devices_key_another_key_and_no_key_are_not_authenticated() -> None:
    authenticator = SealAuthenticator({7: KEY, 8: OTHER})
    assert not authenticator.authenticates(sealed(1, 1, OTHER))
    assert not authenticator.authenticates(sealed(1, 1, KEY, device=8))
    assert not authenticator.authenticates(sealed(1, 1, KEY, device=9))
    assert (authenticator.counts.wrong_tag, authenticator.counts.no_key) == (2, 1)


def test_a_device_with_a_key_cannot_be_imitated_without_one() -> None:
    authenticator = SealAuthenticator({7: KEY})
    assert not authenticator.authenticates(encode(Packet(7, Log("x"))))
    assert authenticator.authenticates(encode(Packet(8, Log("x"))))
    assert authenticator.counts.unsealed == 1


def test_a_recorded_boot_is_worthless_after_the_next() -> None:
    authenticator = SealAuthenticator({7: KEY})
    assert authenticator.authenticates(sealed(4, 100))
    assert authenticator.authenticates(sealed(5, 0))
    assert not authenticator.authenticates(sealed(4, 101))
    assert authenticator.authenticates(sealed(5, 1))


@given(st.lists(st.integers(0, 300), max_size=200), st.integers(0, 2**32 - 400))
def test_each_number_is_authenticated_at_most_once_and_none_far_behind(numbers: list[int], base: int) -> None:
    authenticator, accepted = SealAuthenticator({7: KEY}), set()
    for number in (base + n for n in numbers):
        may = number not in accepted and number > max(accepted, default=-WINDOW) - WINDOW
        assert authenticator.authenticates(sealed(1, number)) == may
        if may:
            accepted.add(number)


def test_packets_out_of_order_within_the_window_are_all_authenticated() -> None:
    order = list(range(1000))
    chance = random.Random(1)
    for at in range(0, 1000, 50):
        order[at : at + 50] = chance.sample(order[at : at + 50], 50)
    authenticator = SealAuthenticator({7: KEY})
    assert all(authenticator.authenticates(sealed(1, number)) for number in order)


def test_the_window_ends_where_the_page_says() -> None:
    authenticator = SealAuthenticator({7: KEY})
    assert authenticator.authenticates(sealed(1, 100))
    assert not authenticator.authenticates(sealed(1, 100 - WINDOW))
    assert authenticator.authenticates(sealed(1, 101 - WINDOW))


def test_numbers_up_to_the_last_are_authenticated() -> None:
    authenticator = SealAuthenticator({7: KEY})
    assert authenticator.authenticates(sealed(2**32 - 1, 2**32 - 1))
    assert authenticator.authenticates(sealed(2**32 - 1, 2**32 - 2))
    assert not authenticator.authenticates(sealed(0, 0))


def test_what_was_seen_outlives_the_host() -> None:
    first = SealAuthenticator({7: KEY})
    first.authenticates(sealed(3, 50))
    assert first.replay_counters == {7: ReplayCounter(auth.key_id(KEY), 3, 50)}
    second = SealAuthenticator({7: KEY}, first.replay_counters)
    for session, number in ((3, 50), (3, 49), (2, 99)):
        assert not second.authenticates(sealed(session, number))
    assert second.authenticates(sealed(3, 51))
    assert second.authenticates(sealed(4, 0))


def test_a_new_key_begins_anew() -> None:
    authenticator = SealAuthenticator(
        {7: OTHER}, {7: ReplayCounter(auth.key_id(KEY), 9, 9), 8: ReplayCounter(auth.key_id(KEY), 1, 1)}
    )
    assert authenticator.replay_counters == {}
    assert authenticator.authenticates(sealed(1, 0, OTHER))


def test_a_wrong_tag_teaches_the_guard_nothing() -> None:
    authenticator = SealAuthenticator({7: KEY})
    assert not authenticator.authenticates(sealed(99, 99, OTHER))
    assert authenticator.authenticates(sealed(1, 0))


def test_a_command_sent_back_to_its_host_neither_is_authenticated_nor_shuts_out_the_device() -> None:
    authenticator = SealAuthenticator({7: KEY})
    assert authenticator.authenticates(sealed(1, 5))
    assert not authenticator.authenticates(auth.seal(Packet(7, Command((Start(),)), seal=Seal(1, 1_700_000_000)), KEY))
    assert authenticator.authenticates(sealed(1, 6))
    assert authenticator.counts.reflected == 1


def test_keys_are_read_from_hexadecimal_and_bad_ones_explained() -> None:
    assert auth.read_key(KEY.hex(), "link.key") == KEY
    for text in ("", "00" * 15, "00" * 65, "not hexadecimal, though it is long enough"):
        with pytest.raises(ConfigError, match=r"link\.key: expected 32 to 128 hex digits.*openssl rand -hex 32"):
            auth.read_key(text, "link.key")
