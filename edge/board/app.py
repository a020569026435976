"""The board's pages and what they ask for, over HTTP (starlette).

Not for what is shown (`edge.board.ward_view`) or who may (`edge.board.access`, `edge.board.guard`).

    /  /static/*       the page: files of this package, read once
    /api/me            who the browser is, and the session's token for whatever changes something
    /api/login  /api/logout
    /api/stream        server-sent events: the whole ward, then changes
    /api/fleet  /api/shift  /api/shift.csv        `edge.board.views`
    /api/orders        a command to one bed
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edge.board.access import ROLE_OF_VERB, Access, Session, is_same
from edge.board.audit import Audit
from edge.board.event_stream import EventStream
from edge.board.guard import Guard
from edge.board.pages import page_routes
from edge.board.users import Users
from edge.board.views import VIEWS
from edge.board.watch import Watch
from edge.board.wire import MAX_NAME, Place
from edge.settings.board import BoardSettings

COOKIE = "laennec_board"
HEADER = "x-csrf-token"
MAX_BY = 40  # of the name that is sent as `by`


class Api:
    """What the page asks for."""

    def __init__(self, settings: BoardSettings, watch: Watch, users: Users | None, audit: Audit) -> None:
        """Answer for one board; without `users` everybody may do everything."""
        self._watch, self._users, self._audit = watch, users, audit
        self._access = Access(users is None, settings.session_h * 3600)
        self._is_secure = settings.listen.is_encrypted
        self._hashing = asyncio.Semaphore(1)  # one password at a time: each takes 64 MB

    def routes(self) -> list[Route]:
        """Paths and what answers them."""
        return [
            Route("/api/me", self.me),
            Route("/api/login", self.login, methods=["POST"]),
            Route("/api/logout", self.logout, methods=["POST"]),
            Route("/api/stream", self.stream),
            *(Route(path, self.view) for path in VIEWS),
            Route("/api/orders", self.order, methods=["POST"]),
        ]

    async def me(self, request: Request) -> Response:
        """Who the browser is; where nobody has to sign in, a session begins."""
        session = self._session(request)
        if session is None and not self._access.is_open:
            return _refused(401, "sign in")
        return self._welcome(session or self._access.begin(None, time.monotonic()))

    async def login(self, request: Request) -> Response:
        """A session for a name and a password, or a token."""
        given, address = await _json(request), _address(request)
        if self._users is None or given is None:
            return _refused(400, "nobody has to sign in here" if self._users is None else "expected JSON")
        if not self._access.may_try(address, time.monotonic()):
            self._audit.write("sign-in refused", address=address, reason="too many tries")
            return _refused(429, "too many tries; wait a minute")
        name, password, token = (str(given.get(key, "")) for key in ("name", "password", "token"))
        if token:
            user = self._users.by_token(token)
        else:
            async with self._hashing:
                user = await asyncio.to_thread(self._users.by_password, name, password)
        if user is None:
            self._audit.write("sign-in refused", address=address, name=name[:MAX_BY])
            return _refused(403, "name or password is wrong")
        self._access.forget_tries(address)
        self._audit.write("signed in", address=address, name=user.name, role=user.role)
        return self._welcome(self._access.begin(user, time.monotonic()))

    async def logout(self, request: Request) -> Response:
        """End the session."""
        session = self._changing(request)
        if isinstance(session, Response):
            return session
        self._access.end(session)
        self._audit.write("signed out", name=session.name)
        answer = JSONResponse({})
        answer.delete_cookie(COOKIE)
        return answer

    async def stream(self, request: Request) -> Response:
        """The ward, as it changes."""
        session = self._session(request)
        if session is None and not self._access.is_open:
            return _refused(401, "sign in")
        viewer = self._watch.hub.join(time.monotonic())
        if viewer is None:
            return _refused(503, "too many look at this board already")
        lasts_s = None if session is None or self._access.is_open else session.ends_s - time.monotonic()
        return EventStream(viewer, self._watch.hub, lasts_s)

    async def view(self, request: Request) -> Response:
        """The boxes, or what a shift hands over, as they are now."""
        if self._session(request) is None and not self._access.is_open:
            return _refused(401, "sign in")
        return VIEWS[request.url.path](self._watch, request.query_params, time.monotonic())

    async def order(self, request: Request) -> Response:
        """Give a command to one bed, and answer what its node said."""
        session, given = self._changing(request), await _json(request)
        if isinstance(session, Response):
            return session
        verb = str((given or {}).get("verb", ""))
        if given is None or verb not in ROLE_OF_VERB or (place := _place(given)) is None:
            return _refused(400, f"expected site, node, stream and a verb of {', '.join(ROLE_OF_VERB)}")
        if not session.may(ROLE_OF_VERB[verb]):
            return _refused(403, f"{session.name or 'you'} may not {verb}; that needs the role {ROLE_OF_VERB[verb]}")
        if session.orders.is_reached(now_s := time.monotonic()):
            return _refused(429, "too many orders; wait a minute")
        session.orders.count(now_s)
        fields = given.get("fields")
        fields = {**(fields if isinstance(fields, dict) else {})}
        fields["by"] = session.name or str(fields.get("by", ""))[:MAX_BY]
        try:
            outcome = await self._watch.orders.give(place, verb, fields)
        except ValueError as error:
            return _refused(400, str(error))
        bed = f"{place.site}/{place.node}/{place.stream}"
        self._audit.write("order", address=_address(request), bed=bed, verb=verb, ok=outcome.ok, reason=outcome.reason,
                          **fields)  # fmt: skip
        return JSONResponse({"ok": outcome.ok, "reason": outcome.reason})

    def _session(self, request: Request) -> Session | None:
        return self._access.session(request.cookies.get(COOKIE), time.monotonic())

    def _changing(self, request: Request) -> Session | Response:
        """The session of a request that changes something, or why it may not."""
        session = self._session(request)
        if session is None:
            return _refused(401, "sign in")
        if not is_same(request.headers.get(HEADER, ""), session.csrf):
            return _refused(403, "the page is old; load it again")
        return session

    def _welcome(self, session: Session) -> Response:
        """What a page must know of its session."""
        answer = JSONResponse(
            {"name": session.name, "role": session.role, "csrf": session.csrf, "open": self._access.is_open}
        )
        answer.set_cookie(COOKIE, session.ident, httponly=True, samesite="strict", secure=self._is_secure)
        return answer


def make_app(settings: BoardSettings, users: Users | None, audit: Audit) -> Starlette:
    """The whole application; `state.hub` has its viewers.

    Raises:
        ConfigError: the broker's password or a certificate cannot be read.
    """
    watch = Watch(settings)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(watch.run())
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    guard = Middleware(Guard, names=settings.listen.allowed_names, is_encrypted=settings.listen.is_encrypted)
    routes = [*page_routes(), *Api(settings, watch, users, audit).routes()]
    app = Starlette(routes=routes, middleware=[guard], lifespan=lifespan)
    app.state.hub = watch.hub
    return app


def _place(given: dict[str, Any]) -> Place | None:
    """The bed of an order, if it is named by what can be levels of a topic."""
    names = [given.get(key, "") for key in ("site", "node", "stream")]
    texts = [name for name in names if isinstance(name, str) and len(name) <= MAX_NAME and not set(name) & set("/+#\0")]
    return Place(*texts) if len(texts) == len(names) and texts[0] and texts[1] else None


async def _json(request: Request) -> dict[str, Any] | None:
    try:
        found = json.loads(await request.body())
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _address(request: Request) -> str:
    return request.client.host if request.client is not None else ""


def _refused(status: int, reason: str) -> Response:
    return JSONResponse({"ok": False, "reason": reason}, status)
