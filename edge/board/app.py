"""The board's pages and what they ask for, over HTTP (starlette).

Not for what is shown (`edge.board.ward_view`) or who may (`edge.board.access`, `edge.board.gate`, `edge.board.guard`).

    /  /static/*       the page: files of this package, read once
    /api/me            who the browser is, and the session's token for whatever changes something
    /api/login  /api/logout
    /api/stream        server-sent events: the whole ward, then changes
    /api/fleet  /api/shift  /api/shift.csv        `edge.board.views`
    /api/orders        a command to one bed
    /api/bed  /api/clip  /api/labels              one bed: `edge.board.bed_api`
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edge.board.access import ROLE_OF_VERB, Access
from edge.board.audit import Audit
from edge.board.bed_api import BedApi, Kept
from edge.board.event_stream import EventStream
from edge.board.gate import COOKIE, MAX_BY, Gate, address_of, json_of, place_in, refused
from edge.board.guard import Guard
from edge.board.pages import page_routes
from edge.board.sign_in import Attempt, Refusal, SignIn, device_cookie, device_cookie_name
from edge.board.users import Users
from edge.board.views import VIEWS
from edge.board.watch import Watch
from edge.settings.board import BoardSettings


class Api:
    """What the page asks for."""

    def __init__(self, watch: Watch, users: Users | None, gate: Gate, audit: Audit) -> None:
        """Answer for one board; without `users` everybody may do everything."""
        self._watch, self._gate, self._audit = watch, gate, audit
        self._sign_in = None if users is None else SignIn(users, audit)

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
        session = self._gate.session(request)
        if session is None and not self._gate.access.is_open:
            return refused(401, "sign in")
        return self._gate.welcome(session or self._gate.access.begin(None, time.monotonic()))

    async def login(self, request: Request) -> Response:
        """A session for a name and a password, or a token."""
        given = await json_of(request)
        if self._sign_in is None or given is None:
            return refused(400, "nobody has to sign in here" if self._sign_in is None else "expected JSON")
        name, password, token = (str(given.get(key, "")) for key in ("name", "password", "token"))
        cookie = device_cookie_name(name)
        attempt = Attempt(address_of(request), name, password, token, request.cookies.get(cookie, ""))
        user = await self._sign_in.check(attempt)
        if isinstance(user, Refusal):
            return refused(user.status, user.reason)
        answer = self._gate.welcome(self._gate.access.begin(user, time.monotonic()))
        if not token:
            self._gate.remember(answer, cookie, device_cookie(user))
        return answer

    async def logout(self, request: Request) -> Response:
        """End the session."""
        session = self._gate.changing(request)
        if isinstance(session, Response):
            return session
        self._gate.access.end(session)
        self._audit.write("signed out", name=session.name)
        answer = JSONResponse({})
        answer.delete_cookie(COOKIE)
        return answer

    async def stream(self, request: Request) -> Response:
        """The ward, as it changes."""
        if not self._gate.may_look(request):
            return refused(401, "sign in")
        screens, hub = self._watch.screens, self._watch.hub
        screen = screens.open(self._gate.owner(request), "ward", lambda: hub.join(time.monotonic()), hub.leave)
        if screen is None:
            return refused(503, "too many look at this board already")
        return EventStream(screen.viewer, lambda: screens.close(screen), self._gate.lasts_s(request))

    async def view(self, request: Request) -> Response:
        """The boxes, or what a shift hands over, as they are now."""
        if not self._gate.may_look(request):
            return refused(401, "sign in")
        return await VIEWS[request.url.path](self._watch, request.query_params, time.monotonic())

    async def order(self, request: Request) -> Response:
        """Give a command to one bed, and answer what its node said."""
        session, given = self._gate.changing(request), await json_of(request)
        if isinstance(session, Response):
            return session
        verb = str((given or {}).get("verb", ""))
        if given is None or verb not in ROLE_OF_VERB or (place := place_in(given)) is None:
            return refused(400, f"expected site, node, stream and a verb of {', '.join(ROLE_OF_VERB)}")
        if session.orders.is_reached(now_s := time.monotonic()):  # first: the log of refusals is bounded by it, too
            return refused(429, "too many orders; wait a minute")
        session.orders.count(now_s)
        bed, address = f"{place.site}/{place.node}/{place.stream}", address_of(request)
        if not session.may(ROLE_OF_VERB[verb]):
            reason = f"{session.name or 'you'} may not {verb}; that needs the role {ROLE_OF_VERB[verb]}"
            self._audit.write("order refused", address=address, bed=bed, verb=verb, by=session.name, reason=reason)
            return refused(403, reason)
        fields = given.get("fields")
        fields = {**(fields if isinstance(fields, dict) else {})}
        fields["by"] = session.name or str(fields.get("by", ""))[:MAX_BY]
        try:
            outcome = await self._watch.orders.give(place, verb, fields)
        except ValueError as error:
            return refused(400, str(error))
        self._audit.write("order", address=address, bed=bed, verb=verb, ok=outcome.ok, reason=outcome.reason, **fields)
        return JSONResponse({"ok": outcome.ok, "reason": outcome.reason})


def make_app(settings: BoardSettings, users: Users | None, audit: Audit) -> Starlette:
    """The whole application; `state.watch` has its viewers.

    Raises:
        ConfigError: the broker's password, a certificate or the labels cannot be read.
    """
    watch, access = Watch(settings), Access(users is None, settings.session_h * 3600)
    gate = Gate(access, settings.listen.is_encrypted)
    bed_api = BedApi(watch, gate, audit, Kept(settings))

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(watch.run())
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    guard = Middleware(Guard, names=settings.listen.allowed_names, is_encrypted=settings.listen.is_encrypted)
    routes = [*page_routes(), *Api(watch, users, gate, audit).routes(), *bed_api.routes()]
    app = Starlette(routes=routes, middleware=[guard], lifespan=lifespan)
    app.state.watch = watch
    return app
