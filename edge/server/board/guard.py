"""What every request passes: names, origins and sizes, then its session; and the headers that every answer carries.

Not for what a session may (`edge.server.board.access`). The Host header must be one of the board's own names, or
another site's name could be pointed here; what changes anything must come from the board's own page. The policy lets no
script, style or connection in but the board's own files, and no text become markup (Trusted Types).
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edge.contract.fields import printable
from edge.contract.topics import Address, is_id
from edge.server.board.access import Access, Session, is_same
from edge.server.board.fair_share import Owner, plain

MAX_REQUEST_BYTES = 4096
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; media-src blob:;"
    " manifest-src 'self'; worker-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script';"
    " trusted-types worker"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
    "connection": "close",  # one request for each: `edge.server.board.connections`
}
OWN_PAGES = (None, "same-origin", "none")  # Sec-Fetch-Site; None: a client that does not send it


class Guard:
    """Refuses what no page of the board sends."""

    def __init__(self, app: ASGIApp, names: frozenset[str], is_encrypted: bool) -> None:
        """Stand before `app`; `names` are those that browsers may call the board by."""
        self._app, self._names, self._is_encrypted = app, names, is_encrypted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if self._is_encrypted:
                    headers["strict-transport-security"] = "max-age=31536000"
            await send(message)

        refusal = self._refusal(Headers(scope=scope), scope["method"], scope["path"])
        answer = self._app if refusal is None else PlainTextResponse(refusal[1], refusal[0])
        await answer(scope, receive, send_with_headers)

    def _refusal(self, headers: Headers, method: str, path: str) -> tuple[int, str] | None:
        """Status and reason, if a request is refused."""
        host = headers.get("host", "")
        if (_name_of(host)) not in self._names:
            return 421, "this board is not called so; add the name to listen.names"
        if path.startswith("/api/") and headers.get("sec-fetch-site") not in OWN_PAGES:
            return 403, "only the board's own page may ask this"
        if method in ("GET", "HEAD"):
            return None
        if method != "POST":
            return 405, "expected GET or POST"
        if (origin := headers.get("origin")) is not None and urlsplit(origin).netloc.lower() != host.lower():
            return 403, "only the board's own page may change anything"
        if headers.get("content-type") != "application/json":
            return 415, "expected application/json"
        length = headers.get("content-length", "")
        if not length.isdecimal() or int(length) > MAX_REQUEST_BYTES:
            return 413, f"expected at most {MAX_REQUEST_BYTES} bytes, and how many"
        return None


def _name_of(host: str) -> str:
    """A Host header without its port."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


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


def address_in(fields: Mapping[str, Any]) -> Address | None:
    """The bed or the node of a request; None if it names none that can be in a topic."""
    site, node, stream = (fields.get(key, "") for key in ("site", "node", "stream"))
    return Address(site, node, stream) if is_id(site) and is_id(node) and (stream == "" or is_id(stream)) else None


async def json_of(request: Request) -> dict[str, Any] | None:
    """The object in a request; None if it is none, or does not come whole."""
    try:
        found = json.loads(await asyncio.wait_for(request.body(), BODY_S))
    except (ValueError, RecursionError, asyncio.TimeoutError, ClientDisconnect):
        return None
    return found if isinstance(found, dict) else None


def who_of(session: Session, fields: Mapping[str, Any]) -> str:
    """Who signed in; where nobody has to, who a person says to be."""
    return session.name or printable(str(fields.get("by", "")).strip(), MAX_BY)


def address_of(request: Request) -> str:
    """Where a request comes from: as a proxy of the settings says, and else from whom the connection is."""
    return plain(request.client.host) if request.client is not None else ""


def json_answer(body: bytes) -> Response:
    """What is JSON already."""
    return Response(body, media_type="application/json")


def refused(status: int, reason: str) -> Response:
    """Why not, for a person."""
    return JSONResponse({"ok": False, "reason": reason}, status)
