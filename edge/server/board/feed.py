"""Server-sent events: the whole ward to every viewer, then what changed, each through a bounded queue of its own.

Not for HTTP (`edge.server.board.app`). A viewer that takes nothing is dropped, not waited for: it connects again by
itself and gets the whole ward. A change is turned into bytes once, however many look.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from pydantic import TypeAdapter
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from edge.server.board.tiles import Tile
from edge.server.board.ward_view import summary_of

SEND_S = 10.0  # how long a message may take to leave; a viewer that is slower is dropped
HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no")]


class EventStream(Response):
    """Sends what is in a viewer's queue."""

    def __init__(self, viewer: Viewer, leave: Callable[[], None], lasts_s: float | None) -> None:
        """Serve `viewer` for as long as its session lasts (None: without an end), then call `leave`."""
        super().__init__()
        self._viewer, self._leave, self._lasts_s = viewer, leave, lasts_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Until the viewer leaves, or is dropped."""
        sending = asyncio.create_task(self._send_all(send))
        leaving = asyncio.create_task(_gone(receive))
        try:
            await asyncio.wait({sending, leaving}, timeout=self._lasts_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._leave()
            for task in (sending, leaving):
                task.cancel()
                with suppress(asyncio.CancelledError, OSError, asyncio.TimeoutError):
                    await task

    async def _send_all(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        body = b"retry: 1000\n\n"
        while not self._viewer.is_dropped:
            message = {"type": "http.response.body", "body": body, "more_body": True}
            await asyncio.wait_for(send(message), SEND_S)
            body = await self._viewer.queue.get()
        await asyncio.wait_for(send({"type": "http.response.body", "body": b""}), SEND_S)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


MAX_VIEWERS = 64
MAX_WAITING = 32  # messages of one viewer, some seconds of them
BEAT_S = 2.0  # between two messages where nothing changes; a page that gets none for 6 s calls everything unknown

_TILES: TypeAdapter[dict[str, Tile | None]] = TypeAdapter(dict[str, Tile | None])


@dataclass(frozen=True)
class BoardState:
    """What the board says of itself."""

    title: str
    lost_s: float | None
    """Since when the broker has been out of reach, on the board's clock; None while it is there."""
    refused: tuple[str, ...] = ()
    """What it could not take, for a person."""
    failing: tuple[str, ...] = ()
    """Receivers of notifications that take none."""


class Viewer:
    """One page that looks."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[bytes] = asyncio.Queue(MAX_WAITING)
        self.is_dropped = False

    def drop(self) -> None:
        """Let it go: it is sent nothing more."""
        self.is_dropped = True
        with suppress(asyncio.QueueFull):  # else it looks by itself
            self.queue.put_nowait(b"")


def server_sent(kind: str, body: bytes) -> bytes:
    """One server-sent event: JSON has no line ends of its own."""
    return b"event: " + kind.encode() + b"\ndata: " + body + b"\n\n"


def publish_to(viewers: Iterable[Viewer], message: bytes) -> list[Viewer]:
    """Put a message into the queue of each; those that took nothing for long are dropped, and returned."""
    full = []
    for viewer in viewers:
        try:
            viewer.queue.put_nowait(message)
        except asyncio.QueueFull:
            viewer.is_dropped = True
            full.append(viewer)
    return full


class Hub:
    """The viewers, and what they were sent last; to be used from one event loop."""

    def __init__(self) -> None:
        self._viewers: set[Viewer] = set()
        self._shown: dict[str, Tile] = {}
        self._order: list[str] = []
        self._state = BoardState("", False)
        self._sent_s = -BEAT_S
        self.dropped = 0
        """Viewers that took nothing."""

    def join(self, now_s: float) -> Viewer | None:
        """A new viewer, with the whole ward in its queue; None if there are too many."""
        if len(self._viewers) >= MAX_VIEWERS:
            return None
        viewer = Viewer()
        everything: dict[str, Tile | None] = {**self._shown}
        viewer.queue.put_nowait(self._message("ward", now_s, everything, with_order=True))
        self._viewers.add(viewer)
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """It looks no more."""
        self._viewers.discard(viewer)

    def close(self) -> None:
        """The board ends: every viewer is let go."""
        for viewer in self._viewers:
            viewer.drop()

    def show(self, tiles: list[Tile], state: BoardState, now_s: float) -> None:
        """Tell the viewers what changed; nothing, if that is so and the last message is young."""
        shown = {tile.key: tile for tile in tiles}
        changed: dict[str, Tile | None] = {key: tile for key, tile in shown.items() if self._shown.get(key) != tile}
        changed |= dict.fromkeys(self._shown.keys() - shown.keys())
        order = [tile.key for tile in tiles]
        is_reordered, is_news = order != self._order, bool(changed) or state != self._state
        self._shown, self._order, self._state = shown, order, state
        if is_news or is_reordered or now_s - self._sent_s >= BEAT_S:
            self._sent_s = now_s
            self._publish(self._message("change", now_s, changed, is_reordered))

    def _publish(self, message: bytes) -> None:
        for viewer in publish_to(self._viewers, message):
            self.leave(viewer)
            self.dropped += 1

    def _message(self, kind: str, now_s: float, tiles: dict[str, Tile | None], with_order: bool) -> bytes:
        """The whole ward, or what changed."""
        head: dict[str, object] = {
            "now_s": round(now_s, 3),
            "title": self._state.title,
            "lost_s": self._state.lost_s,
            "refused": self._state.refused,
            "failing": self._state.failing,
            "summary": summary_of(list(self._shown.values())),
        }
        if with_order:
            head["order"] = self._order
        return server_sent(kind, json.dumps(head).encode()[:-1] + b', "tiles": ' + _TILES.dump_json(tiles) + b"}")
