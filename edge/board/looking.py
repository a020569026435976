"""Asking a node for the live picture of a bed while somebody looks at it; and in words why there is none.

Not for who looks (`edge.board.bed_hub`) and not for the picture. A node sends tiles for `MOST_LOOK_S` from each command
`look` on, so that it ends by itself when the board dies; the board asks again every `AGAIN_S`, once for all viewers of
a bed, and says when the last has gone. What a bed was asked for is forgotten with its last viewer.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from edge.board.orders import Orders, Outcome
from edge.contract.commands import MOST_LOOK_S
from edge.contract.topics import Place

AGAIN_S = 15.0
SOON_S = 5.0  # until it asks again where tiles do not come: another board may have ended them
FRESH_S = 3.0  # a tile comes every half a second or second


@dataclass
class _Look:
    """One bed that is looked at."""

    asked_s: float = float("-inf")
    tile_s: float = float("-inf")
    answer: Outcome | None = None


class Looking:
    """Asks; to be used from one event loop."""

    def __init__(self, orders: Orders) -> None:
        """Nothing is asked before `keep`."""
        self._orders = orders
        self._looks: dict[Place, _Look] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def keep(self, places: list[Place], now_s: float) -> None:
        """Ask for the pictures of these beds where that is due, and no more for those of others."""
        for place in self._looks.keys() - set(places):
            del self._looks[place]
            self._start(place, 0.0)
        for place in places:
            look = self._looks.setdefault(place, _Look())
            is_shown = now_s - look.tile_s < FRESH_S
            refused = look.answer is not None and not look.answer.ok
            if now_s - look.asked_s >= (AGAIN_S if is_shown or refused else SOON_S):
                look.asked_s = now_s
                self._start(place, MOST_LOOK_S)

    def tile_came(self, place: Place, now_s: float) -> None:
        """A tile of this bed has come."""
        if place in self._looks:
            self._looks[place].tile_s = now_s

    def state(self, place: Place, now_s: float) -> tuple[str, str]:
        """Whether there is a picture of a bed that is looked at, as `BedState.look`, and why not."""
        look = self._looks.get(place, _Look())
        if now_s - look.tile_s < FRESH_S:
            return "showing", ""
        if look.answer is None:
            return "waiting", "waiting for the box"
        if not look.answer.ok:
            return "nothing", look.answer.reason
        return "waiting", "the box sends a picture when it has scored some sound"

    def stop(self) -> None:
        """The board ends."""
        for task in self._tasks:
            task.cancel()

    def _start(self, place: Place, duration_s: float) -> None:
        task = asyncio.ensure_future(self._ask(place, duration_s))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self, place: Place, duration_s: float) -> None:
        outcome = await self._orders.look(place, duration_s)
        if duration_s and place in self._looks:
            self._looks[place].answer = outcome
