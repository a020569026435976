"""Turns go by networks and hosts, so who asks often waits behind himself."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from edge.server.board.fair_share import KNOWN, MAX_WAITING, BusyError, FairQueue
from tests.conftest import HANGS_S

Order = list[tuple[str, str]]


async def order_of(requested: Order) -> tuple[Order, Order]:
    """In which order those got their turns who asked while one lasted, and who was refused."""
    queue, turns, refused = FairQueue(), Order(), Order()
    going, at_work = asyncio.Event(), 0

    async def request(network: str, host: str) -> None:
        nonlocal at_work
        try:
            async with queue.turn(network, host):
                at_work += 1
                assert at_work == 1
                turns.append((network, host))
                await asyncio.sleep(0)
                at_work -= 1
        except BusyError:
            refused.append((network, host))

    async def first() -> None:
        async with queue.turn("first", "first"):
            await going.wait()

    tasks = [asyncio.create_task(first()), *(asyncio.create_task(request(*each)) for each in requested)]
    await asyncio.sleep(0.01)
    going.set()
    await asyncio.gather(*tasks)
    async with queue.turn("last", "last"):
        assert at_work == 0
    return turns, refused


def test_another_network_waits_for_one_turn_of_a_network_that_asks_often() -> None:
    turns, _ = asyncio.run(order_of([("a", str(host)) for host in range(30)] + [("b", "nurse")]))
    assert turns.index(("b", "nurse")) == 1


def test_a_host_waits_for_one_turn_of_each_host_of_its_network() -> None:
    turns, _ = asyncio.run(order_of([("a", "one")] * 10 + [("a", "two")] * 10 + [("a", "nurse")]))
    assert turns.index(("a", "nurse")) == 2


def test_where_too_many_wait_whoever_has_most_is_refused() -> None:
    flood = [("a", str(number % 6)) for number in range(3 * MAX_WAITING)]
    turns, refused = asyncio.run(order_of([*flood, ("a", "nurse"), ("b", "other nurse")]))
    assert {("a", "nurse"), ("b", "other nurse")} <= set(turns)
    assert len(refused) == 2 * MAX_WAITING + 2


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("123")), max_size=2 * MAX_WAITING))
def test_each_gets_a_turn_or_is_refused(requested: Order) -> None:
    turns, refused = asyncio.run(order_of(requested))
    assert sorted(turns + refused) == sorted(requested)
    assert len(turns) == min(len(requested), MAX_WAITING)


def test_a_browser_of_the_ward_has_the_next_turn_but_one_and_room_however_many_networks_wait() -> None:
    strangers = [(str(network), "a") for network in range(2 * MAX_WAITING)]
    turns, refused = asyncio.run(order_of([*strangers, (KNOWN, "nurse"), (KNOWN, "doctor"), ("new", "a")]))
    assert turns.index((KNOWN, "nurse")) <= 1
    assert turns.index((KNOWN, "doctor")) <= 3
    assert ("new", "a") in refused


def test_browsers_of_the_ward_leave_every_second_turn_to_others() -> None:
    turns, _ = asyncio.run(order_of([*((KNOWN, str(host)) for host in range(20)), ("a", "new")]))
    assert turns.index(("a", "new")) <= 1


def test_a_turn_of_one_that_has_gone_is_given_to_the_next() -> None:
    async def run() -> None:
        queue = FairQueue()

        async def request() -> None:
            async with queue.turn("a", "1"):
                pass

        async with queue.turn("a", "0"):
            gone, stays = asyncio.create_task(request()), asyncio.create_task(request())
            await asyncio.sleep(0)
        gone.cancel()  # its turn has come, and it does not know yet
        await asyncio.wait_for(stays, HANGS_S)
        assert gone.cancelled()

    asyncio.run(run())
