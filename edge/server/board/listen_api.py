"""Listening to a bed, over HTTP: one request of a person is one minute, and lasts as long as its answer.

Not for the sound (`edge.server.board.listening`). The audit log has each begin, end and refusal. Whoever closes the
page, loses the network or is signed out gets nothing more, and the node is informed.

    POST /api/listen   server-sent events: `began`, `sound` as it comes, `over` with the reason
"""

from __future__ import annotations

import asyncio
import time

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edge.contract.commands import MOST_LISTEN_S
from edge.contract.topics import Address
from edge.server.board.access import LISTEN_ROLE, Audit, Session
from edge.server.board.feed import EventStream
from edge.server.board.guard import Gate, address_in, address_of, json_of, refused, who_of
from edge.server.board.service import Board

AFTER_S = 5.0  # how long a browser that was sent the end may stay


class ListenApi:
    """Answers for one board."""

    def __init__(self, watch: Board, gate: Gate, audit: Audit) -> None:
        self._watch, self._gate, self._audit = watch, gate, audit
        self._tasks: set[asyncio.Task[None]] = set()

    def routes(self) -> list[Route]:
        """Paths and what answers them."""
        return [Route("/api/listen", self.listen, methods=["POST"])]

    async def listen(self, request: Request) -> Response:
        """The sound of a bed for a minute; said in the audit log before any of it leaves."""
        session, body = self._gate.changing(request), await json_of(request)
        if isinstance(session, Response):
            return session
        if not session.orders.take(time.monotonic()):  # first: the log of refusals is bounded by it, too
            return refused(429, "too many orders; wait a minute")
        if body is None or (bed := address_in(body)) is None or not bed.stream:
            return refused(400, "expected site, node and stream of a bed")
        if not session.may(LISTEN_ROLE):
            reason = f"{session.name or 'you'} may not listen; that needs the role {LISTEN_ROLE}"
            return self._refused(request, bed, session.name, reason, 403)
        if not (by := who_of(session, body)):
            return refused(400, "say who you are")
        outcome = await self._watch.orders.listen(bed, by, MOST_LISTEN_S)
        if not outcome.ok:
            return self._refused(request, bed, by, outcome.reason, 200)
        return self._opened(request, session, bed, by)

    def _opened(self, request: Request, session: Session, bed: Address, by: str) -> Response:
        """The answer that lasts while the person listens."""
        hub, screens, now_s = self._watch.listening, self._watch.screens, time.monotonic()
        until_s = now_s + MOST_LISTEN_S
        owner = self._gate.owner(request)
        ended: list[str] = []
        screen = screens.open(
            owner, "listen", lambda: hub.join(bed, until_s, now_s), lambda viewer: ended.append(hub.leave(viewer))
        )
        if screen is None:
            self._end(bed, by)
            return self._refused(request, bed, by, "too many listen at this board already", 200)
        self._audit.write("listening began", address=address_of(request), by=by, bed=str(bed), role=session.role)

        def leave() -> None:
            screens.close(screen)
            lasted_s = round(time.monotonic() - now_s)
            why = ended[0] or ("the session was ended" if screen.viewer.is_dropped else "the listener stopped")
            self._audit.write("listening ended", by=by, bed=str(bed), seconds=lasted_s, reason=why)
            self._end(bed, by)

        lasts_s = self._gate.lasts_s(request)
        most_s = MOST_LISTEN_S + AFTER_S
        return EventStream(screen.viewer, leave, most_s if lasts_s is None else min(lasts_s, most_s))

    def _end(self, bed: Address, by: str) -> None:
        """Tell the node that this person listens no more."""
        task = asyncio.ensure_future(self._send_end(bed, by))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send_end(self, bed: Address, by: str) -> None:
        await self._watch.orders.listen(bed, by, 0.0)

    def _refused(self, request: Request, bed: Address, by: str, reason: str, status: int) -> Response:
        self._audit.write("listening refused", address=address_of(request), by=by, bed=str(bed), reason=reason)
        return refused(status, reason) if status != 200 else JSONResponse({"ok": False, "reason": reason})
