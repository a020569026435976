"""The session of a request, and what a request holds, for whoever answers one.

Not for what a session may (`edge.board.access`) nor for what every request passes first (`edge.board.guard`).
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from edge.board.access import Access, Session, is_same
from edge.board.addresses import plain
from edge.board.screens import Owner
from edge.contract.topics import Place, is_id

COOKIE = "laennec_board"
HEADER = "x-csrf-token"
DEVICE_S = 180 * 24 * 3600  # how long a browser is known after its last sign-in
BODY_S = 10.0  # how long what is in a request may take to come
MAX_BY = 40  # letters of who orders or says something


class Gate:
    """Who asks."""

    def __init__(self, access: Access, is_secure: bool) -> None:
        """Look at sessions of `access`; `is_secure`: its cookies go over HTTPS alone."""
        self.access, self._is_secure = access, is_secure

    def session(self, request: Request) -> Session | None:
        """The session of a request, if there is one."""
        return self.access.session(request.cookies.get(COOKIE), time.monotonic())

    def may_look(self, request: Request) -> bool:
        """Whether who asks may see the ward."""
        return self.access.is_open or self.session(request) is not None

    def lasts_s(self, request: Request) -> float | None:
        """How long who asks may go on looking; None: without an end."""
        session = self.session(request)
        return None if session is None or self.access.is_open else session.ends_s - time.monotonic()

    def owner(self, request: Request) -> Owner:
        """Whose screen it is."""
        session = self.session(request)
        return Owner() if session is None else Owner(session.ident, session.name)

    def changing(self, request: Request) -> Session | Response:
        """The session of a request that changes something, or why it may not; `enter`: it may once it has entered."""
        session = self.session(request)
        if session is None:
            return JSONResponse({"ok": False, "reason": "sign in", "enter": True}, 401)
        if not is_same(request.headers.get(HEADER, ""), session.csrf):
            return JSONResponse({"ok": False, "reason": "the page is old; load it again", "enter": True}, 403)
        return session

    def welcome(self, session: Session) -> Response:
        """What a page must know of its session."""
        answer = JSONResponse(
            {"name": session.name, "role": session.role, "csrf": session.csrf, "open": self.access.is_open}
        )
        answer.set_cookie(COOKIE, session.ident, httponly=True, samesite="strict", secure=self._is_secure)
        return answer

    def remember(self, answer: Response, name: str, value: str) -> None:
        """Let a browser prove later that somebody has signed in with it; nothing but a sign-in gets to see that."""
        answer.set_cookie(
            name, value, max_age=DEVICE_S, path="/api/login", httponly=True, samesite="strict", secure=self._is_secure
        )


def place_in(given: Mapping[str, Any]) -> Place | None:
    """The bed or the node of a request; None if it names none that can be in a topic."""
    site, node, stream = (given.get(key, "") for key in ("site", "node", "stream"))
    return Place(site, node, stream) if is_id(site) and is_id(node) and (stream == "" or is_id(stream)) else None


async def json_of(request: Request) -> dict[str, Any] | None:
    """The object in a request; None if it is none, or does not come."""
    try:
        found = json.loads(await asyncio.wait_for(request.body(), BODY_S))
    except (ValueError, RecursionError, asyncio.TimeoutError):
        return None
    return found if isinstance(found, dict) else None


def address_of(request: Request) -> str:
    """Where a request comes from: as a proxy of the settings says, and else from whom the connection is."""
    return plain(request.client.host) if request.client is not None else ""


def refused(status: int, reason: str) -> Response:
    """Why not, for a person."""
    return JSONResponse({"ok": False, "reason": reason}, status)
