"""The page of one bed as it changes: its tile, its events, and the live picture that its node is asked for.

Not for the picture itself, the ward (`edge.server.board.feed`) or HTTP (`edge.server.board.bed_api`). A node sends
tiles for `MOST_LOOK_S` from each command `look` on, so that it ends by itself when the board dies; the board asks again
every `AGAIN_S`, once for all viewers of a bed, and says when the last has gone. What a bed was asked for is forgotten
with its last viewer.

A message is turned into bytes once, however many look. A viewer that is slow loses tiles of the picture, counted in
`lost`, and delays nobody; one that takes nothing at all is dropped, connects again and gets everything anew.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from pydantic import TypeAdapter

from edge.contract.commands import MOST_LOOK_S
from edge.contract.live import MelMessage
from edge.contract.message import encode
from edge.contract.topics import Address
from edge.server.board.feed import BEAT_S, MAX_VIEWERS, Viewer, publish_to, server_sent
from edge.server.board.latest import StoredEvent
from edge.server.board.orders import Orders, Outcome
from edge.server.board.tiles import Tile
from edge.ward.proposed_limits import ProposedLimits

AGAIN_S = 15.0
SOON_S = 5.0  # until it asks again where tiles do not come: another board may have ended them
FRESH_S = 3.0  # a tile comes every half a second or second


@dataclass
class _LiveView:
    """One bed that is looked at."""

    requested_s: float = float("-inf")
    tile_s: float = float("-inf")
    answer: Outcome | None = None


class LiveViewRequests:
    """Asks; to be used from one event loop."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._live: dict[Address, _LiveView] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def refresh(self, addresses: list[Address], now_s: float) -> None:
        """Ask for the pictures of these beds where that is due, and no more for those of others."""
        for address in self._live.keys() - set(addresses):
            del self._live[address]
            self._start(address, 0.0)
        for address in addresses:
            live = self._live.setdefault(address, _LiveView())
            is_shown = now_s - live.tile_s < FRESH_S
            refused = live.answer is not None and not live.answer.ok
            if now_s - live.requested_s >= (AGAIN_S if is_shown or refused else SOON_S):
                live.requested_s = now_s
                self._start(address, MOST_LOOK_S)

    def tile_came(self, address: Address, now_s: float) -> None:
        """A tile of this bed has come."""
        if address in self._live:
            self._live[address].tile_s = now_s

    def state(self, address: Address, now_s: float) -> tuple[str, str]:
        """Whether there is a picture of a bed that is looked at, as `BedState.look`, and why not."""
        live = self._live.get(address, _LiveView())
        if now_s - live.tile_s < FRESH_S:
            return "showing", ""
        if live.answer is None:
            return "waiting", "waiting for the box"
        if not live.answer.ok:
            return "nothing", live.answer.reason
        return "waiting", "the box sends a picture when it has scored some sound"

    def stop(self) -> None:
        """The board ends."""
        for task in self._tasks:
            task.cancel()

    def _start(self, address: Address, duration_s: float) -> None:
        task = asyncio.ensure_future(self._request(address, duration_s))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _request(self, address: Address, duration_s: float) -> None:
        outcome = await self._orders.look(address, duration_s)
        if duration_s and address in self._live:
            self._live[address].answer = outcome


MAX_TILES = 16  # that wait for one viewer: 8 s of the picture or more; what is older is of no use

_SOUNDS: TypeAdapter[list[StoredEvent]] = TypeAdapter(list[StoredEvent])


@dataclass(frozen=True)
class BedState:
    """What a page says of its bed, beside the picture."""

    title: str
    tile: Tile | None
    """As on the ward's page; None: the board does not know this bed."""
    look: str
    """Whether there is a live picture: `showing`, `waiting`, or `nothing`."""
    words: str
    """Why there is none, for a person."""
    lost_s: float | None = None
    """Since when the board has lost the broker, on its clock; None while it is there."""
    age: str = ""
    """Of the patient; empty: not known."""
    proposed: ProposedLimits | None = None
    """Limits of the respiratory rate for that age; nothing follows from them."""
    may_listen: bool = False
    """Whether its box lets people listen to it."""


_STATES: TypeAdapter[BedState] = TypeAdapter(BedState)


@dataclass
class _Bed:
    """One bed that somebody looks at."""

    viewers: set[Viewer] = field(default_factory=set)
    state: BedState | None = None
    sent_s: float = 0.0


class BedHub:
    """Viewers of beds; to be used from one event loop."""

    def __init__(self) -> None:
        self._beds: dict[Address, _Bed] = {}
        self.lost = 0
        """Tiles that a viewer was too slow for."""
        self.dropped = 0
        """Viewers that took nothing."""

    @property
    def looked_at(self) -> list[Address]:
        """Beds that somebody looks at."""
        return list(self._beds)

    def join(self, address: Address, sounds: Iterable[StoredEvent]) -> Viewer | None:
        """A new viewer of a bed, with its events in the queue; None if there are too many."""
        if sum(len(bed.viewers) for bed in self._beds.values()) >= MAX_VIEWERS:
            return None
        bed, viewer = self._beds.setdefault(address, _Bed()), Viewer()
        viewer.queue.put_nowait(server_sent("sounds", _SOUNDS.dump_json(list(sounds))))
        bed.viewers.add(viewer)
        bed.state = None  # said anew at the next look, to all: it is short
        return viewer

    def leave(self, address: Address, viewer: Viewer) -> None:
        """It looks no more."""
        bed = self._beds.get(address)
        if bed is not None:
            bed.viewers.discard(viewer)
            if not bed.viewers:
                del self._beds[address]

    def close(self) -> None:
        """The board ends: every viewer is let go."""
        for bed in self._beds.values():
            for viewer in bed.viewers:
                viewer.drop()

    def show(self, address: Address, state: BedState, now_s: float) -> None:
        """Tell the viewers of a bed how it is, if that has changed or was said long ago."""
        bed = self._beds[address]
        if state == bed.state and now_s - bed.sent_s < BEAT_S:
            return
        bed.state, bed.sent_s = state, now_s
        head = json.dumps({"now_s": round(now_s, 3), "lost": self.lost}).encode()[:-1]
        self._publish(address, server_sent("bed", head + b', "bed": ' + _STATES.dump_json(state) + b"}"))

    def show_sounds(self, address: Address, changed: list[StoredEvent]) -> None:
        """Tell the viewers of a bed of events that have begun, last or are over."""
        if changed and address in self._beds:
            self._publish(address, server_sent("sounds", _SOUNDS.dump_json(changed)))

    def show_pause(self, address: Address, has_changed: bool) -> None:
        """Tell the viewers of a bed that a pause of breath has begun or is over: they ask for the list again."""
        if has_changed and address in self._beds:
            self._publish(address, server_sent("pause", b"{}"))

    def show_tile(self, address: Address, tile: MelMessage) -> None:
        """Pass a tile of the live picture on to the viewers of a bed."""
        bed = self._beds.get(address)
        if bed is None:
            return
        message = server_sent("mel", encode({**tile.body(), "time": tile.time}))
        for viewer in bed.viewers:
            if viewer.queue.qsize() < MAX_TILES:
                viewer.queue.put_nowait(message)
            else:
                self.lost += 1

    def _publish(self, address: Address, message: bytes) -> None:
        for viewer in publish_to(self._beds[address].viewers, message):
            self.dropped += 1
            self.leave(address, viewer)
