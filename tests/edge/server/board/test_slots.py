"""Who opens many connections loses the oldest of them; everybody else keeps theirs."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.server.board.connections import MAX_CONNECTIONS, MAX_WAITING, Slot, Slots
from edge.server.board.fair_share import host_of, network_of, plain


class Opened:
    """Connections of a board, and which of them were closed."""

    def __init__(self, *proxies: str) -> None:
        self.slots = Slots(proxies)
        self.closed: list[Slot] = []

    def open(self, address: str, port: int = 1) -> Slot | None:
        """One more."""
        slot = self.slots.take((address, port))
        if slot is not None:
            slot.drop = lambda: self.closed.append(slot)
        return slot


def test_of_one_address_the_oldest_connection_that_asks_for_nothing_is_closed() -> None:
    ward = Opened()
    many = [ward.open("10.0.0.1", port) for port in range(MAX_WAITING + 3)]
    assert ward.closed == many[:3]


def test_a_connection_that_is_answered_is_never_closed_and_counts_again_when_it_was() -> None:
    ward = Opened()
    screen = ward.open("10.0.0.1")
    assert screen is not None
    ward.slots.answer(screen)
    for port in range(2 * MAX_CONNECTIONS):
        ward.open("10.0.0.1", port)
    assert screen not in ward.closed
    ward.slots.wait(screen)
    for port in range(MAX_WAITING):
        ward.open("10.0.0.1", port)
    assert screen in ward.closed


def test_a_proxy_of_the_settings_may_bring_many() -> None:
    ward = Opened("10.0.0.0/24")
    assert all(ward.open("10.0.0.5", port) for port in range(MAX_CONNECTIONS))
    assert (ward.closed, ward.open("10.0.0.5")) == ([], None)


def test_where_all_are_taken_the_address_that_has_most_makes_room() -> None:
    ward = Opened()
    nurse = ward.open("10.9.9.9")
    for host in range(MAX_CONNECTIONS // 16):
        for port in range(17 if host == 3 else 16):
            ward.open(f"10.0.0.{host}", port)
    assert nurse not in ward.closed
    assert {slot.client[0] for slot in ward.closed[:1]} == {"10.0.0.3"}
    assert ward.open("10.9.9.8") is not None


def test_where_all_are_answered_the_next_is_refused_until_one_is_over() -> None:
    ward = Opened()
    first = [slot for number in range(MAX_CONNECTIONS) if (slot := ward.open(f"10.0.{number % 256}.1", number))]
    for slot in first:
        ward.slots.answer(slot)
    assert ward.open("10.9.9.9") is None
    ward.slots.free(first[0])
    assert ward.open("10.9.9.9") is not None


@given(
    st.lists(st.tuples(st.sampled_from(["take", "take", "answer", "wait", "free"]), st.integers(0, 99)), max_size=400)
)
def test_whatever_happens_few_of_an_address_wait_and_what_is_answered_stays(steps: list[tuple[str, int]]) -> None:
    ward = Opened()
    opened: list[Slot] = []
    answered: set[Slot] = set()
    for step, which in steps * 3:
        if step == "take":
            slot = ward.open("10.0.0.1")
            assert slot is not None
            opened.append(slot)
            assert len(set(opened) - answered - set(ward.closed)) <= MAX_WAITING
        elif opened:
            slot = opened[which % len(opened)]
            if step == "free":
                opened.remove(slot)
            getattr(ward.slots, step)(slot)
            answered = {*answered, slot} if step == "answer" and slot not in ward.closed else answered - {slot}
        assert not answered & set(ward.closed)


def test_a_flood_is_told_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    ward = Opened()
    for port in range(10_000):
        ward.open("10.0.0.1", port)
    assert [record.message for record in caplog.records] == [
        f"board address=10.0.0.1 has {MAX_WAITING} connections that ask for nothing; its oldest were closed"
    ]


@pytest.mark.parametrize(
    ("address", "shown", "host", "network"),
    [
        ("10.0.0.5", "10.0.0.5", "10.0.0.5/32", "10.0.0.0/24"),
        ("::ffff:10.0.0.5", "10.0.0.5", "10.0.0.5/32", "10.0.0.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2:3::4", "2001:db8:1:2::/64", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::1", "fe80::/64", "fe80::/64"),
        ("somebody", "somebody", "somebody", "somebody"),
    ],
)
def test_an_address_counts_as_its_host_and_its_network(address: str, shown: str, host: str, network: str) -> None:
    assert (plain(address), host_of(address), network_of(address)) == (shown, host, network)
