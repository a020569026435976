"""Asking for pictures: while somebody looks, once for all who do, and no longer; and words where there is none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from edge.contract.commands import MOST_LOOK_S
from edge.contract.topics import Address
from edge.server.board.bed_feed import AGAIN_S, SOON_S, LiveViewRequests
from edge.server.board.orders import MAX_WAITING, Orders
from tests.edge.server.board import ward_messages as made

BED, OTHER = Address("site", "node", "bed1"), Address("site", "node", "bed2")


class Box:
    """A node that answers at once; keeps what it was asked."""

    def __init__(self, refusal: str = "") -> None:
        self.requested: list[tuple[str, float]] = []
        self.refusal = refusal
        self.orders = Orders("p", "board", self._take)

    def _take(self, topic: str, payload: bytes) -> bool:
        body = json.loads(payload)
        assert set(body) == {"id", "by", "duration_s"}
        self.requested.append((topic.split("/")[4], body["duration_s"]))
        answer = made.result(body["id"], "look", self.refusal)
        self.orders.take_answer(topic.replace("/cmd/", "/result/"), json.dumps(answer).encode())
        return True


def seconds(box: Box, look: Callable[[LiveViewRequests, float], Any], count: int = 40) -> Any:
    """`look` at each second of the board's clock; what the last gave."""

    async def run() -> Any:
        looking, given = LiveViewRequests(box.orders), None
        for second in range(count):
            given = look(looking, float(second))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        return given

    return asyncio.run(run())


def test_a_picture_is_asked_for_again_before_it_ends() -> None:
    box = Box()

    def look(looking: LiveViewRequests, now_s: float) -> None:
        looking.tile_came(BED, now_s)
        looking.refresh([BED], now_s)

    seconds(box, look)
    assert box.requested[0] == ("bed1", MOST_LOOK_S)
    assert len(box.requested) in (3, 4)  # of 40 s; the second comes sooner: no tile had come when it looked
    assert AGAIN_S < MOST_LOOK_S


def test_it_is_asked_for_sooner_where_no_tile_comes() -> None:
    box = Box()
    seconds(box, lambda looking, now_s: looking.refresh([BED], now_s))
    assert len(box.requested) == 40 / SOON_S


def test_a_refusal_is_told_in_words_and_not_asked_again_at_once() -> None:
    box = Box("pictures are off in the settings")

    def look(looking: LiveViewRequests, now_s: float) -> tuple[str, str]:
        looking.refresh([BED], now_s)
        return looking.state(BED, now_s)

    assert seconds(box, look) == ("nothing", "pictures are off in the settings")
    assert len(box.requested) == 3


def test_a_bed_that_nobody_looks_at_is_told_once_and_asked_no_more() -> None:
    box = Box()
    seconds(box, lambda looking, now_s: looking.refresh([BED, OTHER] if now_s < 3 else [OTHER], now_s), count=4)
    assert sorted(box.requested) == [("bed1", 0.0), ("bed1", MOST_LOOK_S), ("bed2", MOST_LOOK_S)]


def test_nothing_is_asked_where_nobody_looks() -> None:
    box = Box()
    seconds(box, lambda looking, now_s: looking.refresh([], now_s))
    assert box.requested == []


def test_however_many_beds_do_not_answer_a_person_can_still_order_something() -> None:
    sent: list[str] = []
    orders = Orders("p", "board", lambda topic, _: not sent.append(topic))
    beds = [Address("site", "node", f"bed{number}") for number in range(2 * MAX_WAITING)]

    async def run() -> None:
        looking = LiveViewRequests(orders)
        looking.refresh(beds, 0.0)
        await asyncio.sleep(0)
        person = asyncio.ensure_future(orders.give(BED, "acknowledge", {"by": "nurse K", "condition": "continuous"}))
        await asyncio.sleep(0)
        person.cancel()
        looking.stop()

    asyncio.run(run())
    assert "p/site/node/s/bed1/cmd/look/board" in sent
    assert sent[-1] == "p/site/node/s/bed1/cmd/acknowledge/board"
