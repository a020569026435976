"""One viewer's server-sent events, until it leaves or takes nothing any more.

Not for what is told (`edge.board.hub`, `edge.board.bed_hub`). The browser connects again by itself and gets
everything anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from edge.board.hub import Viewer

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
