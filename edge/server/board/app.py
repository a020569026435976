"""The board over HTTP (starlette): its pages, its own files, and what pages ask for.

Its own files are read once at the start. What several pages have, such as the dialog in which people sign in, is a file
of `static/parts`, and a line `<!-- part: NAME -->` in them. A path that is not in the list is no file: nothing of the
disk can be asked for.

Not for the ward as it changes (`edge.server.board.feed`), for what is shown (`edge.server.board.ward_view`) or who may
(`edge.server.board.access`, `edge.server.board.guard`).

    /  /static/*       the page: files of this package, read once
    /api/me            who the browser is, and the session's token for whatever changes something
    /api/login  /api/logout
    /api/stream        server-sent events: the whole ward, then changes
    /api/fleet  /api/shift  /api/shift.csv        what pages ask for now and then
    /api/orders        a command to one bed
    /api/bed  /api/clip  /api/labels              one bed: `edge.server.board.bed_api`
    /api/listen                                   its sound: `edge.server.board.listen_api`
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edge.contract.commands import NewPatient
from edge.server.board.access import (
    REMOVE,
    ROLE_OF_VERB,
    Access,
    Attempt,
    Audit,
    Refusal,
    SignIn,
    device_cookie,
    device_cookie_name,
)
from edge.server.board.bed_api import BedApi, BedFiles
from edge.server.board.feed import EventStream
from edge.server.board.fleet import Box, fleet_of
from edge.server.board.guard import COOKIE, MAX_BY, Gate, Guard, address_in, address_of, json_answer, json_of, refused
from edge.server.board.language import LANGUAGES, catalogue_of, language_of, page_in, script_of
from edge.server.board.listen_api import ListenApi
from edge.server.board.notifier import ReceiverState
from edge.server.board.service import Board
from edge.server.board.shift import MAX_HOURS, Shift, received_of, shifts_of, to_csv
from edge.server.board.users import LOOK_S, UsersFile
from edge.settings.board import BoardSettings, Language

FOLDER = Path(__file__).parent / "static"
PARTS = FOLDER / "parts"
PART = re.compile(rb"<!-- part: ([a-z]+) -->\n")
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webmanifest": "application/manifest+json",
    ".js": "text/javascript; charset=utf-8",
}
SPOKEN = (".html", ".webmanifest")  # their texts are in every language


def page_routes(language: Language | None = None) -> list[Route]:
    """A route for each file; `/` is the ward.

    Args:
        language: of the pages; None: for each reader the first of the browser's that the board speaks.
    """
    files = {path.name: _read(path) for path in sorted(FOLDER.iterdir()) if path.suffix in TYPES}
    spoken = {each: catalogue_of(each) for each in LANGUAGES}
    texts = {each: found.shown() for each, found in spoken.items()}
    pages = {f"/{name.removesuffix('.html')}": name for name in files if name.endswith(".html")}
    pages |= {"/": "index.html", "/worker.js": "worker.js"}  # a worker is for what is below its own path
    paths = {**pages, **{f"/static/{name}": name for name in files}}
    forms: dict[str, bytes | dict[Language, bytes]] = {**files}
    for name in files:
        if Path(name).suffix in SPOKEN:
            forms[name] = {each: page_in(files[name].decode(), each, texts[each]).encode() for each in LANGUAGES}
    routes = [_route(path, forms[name], TYPES[Path(name).suffix], language) for path, name in paths.items()]
    scripts = {each: script_of(found).encode() for each, found in spoken.items()}
    return [*routes, _route("/static/texts.js", scripts, TYPES[".js"], language)]


def _read(path: Path) -> bytes:
    """A file, a page with its parts in their places."""
    content = path.read_bytes()
    return PART.sub(lambda found: (PARTS / f"{found[1].decode()}.html").read_bytes(), content)


def _route(path: str, content: bytes | dict[Language, bytes], media_type: str, language: Language | None) -> Route:
    headers = {"cache-control": "no-cache", **({"vary": "accept-language"} if isinstance(content, dict) else {})}

    async def answer(request: Request) -> Response:
        body = content
        if isinstance(body, dict):
            body = body[language or language_of(request.headers.get("accept-language", ""))]
        return Response(body, media_type=media_type, headers=headers)

    return Route(path, answer)


SHIFT_HOURS = 8


@dataclass(frozen=True)
class Fleet:
    """What the page of the boxes gets."""

    now_s: float
    boxes: list[Box]
    receivers: tuple[ReceiverState, ...]


@dataclass(frozen=True)
class Handover:
    """What the page of a shift gets."""

    title: str
    hours: int
    now_s: float
    beds: list[Shift]


View = Callable[[Board, Mapping[str, str], float], Awaitable[Response]]
_FLEET, _HANDOVER = TypeAdapter(Fleet), TypeAdapter(Handover)


async def _fleet(watch: Board, _query: Mapping[str, str], now_s: float) -> Response:
    return json_answer(_FLEET.dump_json(Fleet(now_s, fleet_of(watch.ward, now_s), watch.notifier.states())))


async def _shift(watch: Board, query: Mapping[str, str], now_s: float) -> Response:
    hours = _hours(query)
    beds = await asyncio.to_thread(shifts_of, received_of(watch.ward, watch.tiles), hours, now_s)
    return json_answer(_HANDOVER.dump_json(Handover(watch.title, hours, now_s, beds)))


async def _shift_csv(watch: Board, query: Mapping[str, str], now_s: float) -> Response:
    beds = await asyncio.to_thread(shifts_of, received_of(watch.ward, watch.tiles), _hours(query), now_s)
    headers = {"content-disposition": 'attachment; filename="shift.csv"'}
    return Response(await asyncio.to_thread(to_csv, beds, time.time() - now_s), media_type="text/csv", headers=headers)


def _hours(query: Mapping[str, str]) -> int:
    """How many hours are asked for; 8 where that is no number, and a day at most."""
    text = query.get("hours", "")
    return min(MAX_HOURS, max(1, int(text))) if text.isascii() and text.isdecimal() and len(text) < 4 else SHIFT_HOURS


VIEWS: dict[str, View] = {"/api/fleet": _fleet, "/api/shift": _shift, "/api/shift.csv": _shift_csv}
"""By path."""


class Api:
    """What the page asks for."""

    def __init__(self, watch: Board, users: UsersFile | None, gate: Gate, audit: Audit) -> None:
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
        body = await json_of(request)
        if self._sign_in is None or body is None:
            return refused(400, "nobody has to sign in here" if self._sign_in is None else "expected JSON")
        name, password, token = (str(body.get(key, "")) for key in ("name", "password", "token"))
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
        session, body = self._gate.changing(request), await json_of(request)
        if isinstance(session, Response):
            return session
        verb = str((body or {}).get("verb", ""))
        if body is None or verb not in ROLE_OF_VERB or (target := address_in(body)) is None:
            return refused(400, f"expected site, node, stream and a verb of {', '.join(ROLE_OF_VERB)}")
        if not session.orders.take(time.monotonic()):  # first: the log of refusals is bounded by it, too
            return refused(429, "too many orders; wait a minute")
        bed, address = str(target), address_of(request)
        if not session.may(ROLE_OF_VERB[verb]):
            reason = f"{session.name or 'you'} may not {verb}; that needs the role {ROLE_OF_VERB[verb]}"
            self._audit.write("order refused", address=address, bed=bed, verb=verb, by=session.name, reason=reason)
            return refused(403, reason)
        fields = body.get("fields")
        fields = {**(fields if isinstance(fields, dict) else {})}
        fields["by"] = session.name or str(fields.get("by", ""))[:MAX_BY]
        if verb == NewPatient.verb:  # of who lies in which bed nobody's name is kept
            fields["by"] = session.role
        try:
            is_own = verb == REMOVE
            outcome = self._watch.remove(target) if is_own else await self._watch.orders.give(target, verb, fields)
        except ValueError as error:
            return refused(400, str(error))
        fields.pop("age", None)
        self._audit.write("order", address=address, bed=bed, verb=verb, ok=outcome.ok, reason=outcome.reason, **fields)
        return JSONResponse({"ok": outcome.ok, "reason": outcome.reason})


async def _follow(users: UsersFile, access: Access, watch: Board, audit: Audit) -> None:
    """Take over changes of the file of users, and end the sessions of whoever it has changed."""
    while True:
        await asyncio.sleep(LOOK_S)
        if not await asyncio.to_thread(users.has_changed):
            continue
        ended = access.end_changed(users.users)
        for session in ended:
            watch.screens.end(session.ident)
        audit.write("users changed", sessions_ended=sorted({session.name for session in ended}))


def make_app(settings: BoardSettings, users: UsersFile | None, audit: Audit) -> Starlette:
    """The whole application; `state.watch` has its viewers.

    Raises:
        ConfigError: the broker's password, a certificate or the labels cannot be read.
    """
    watch, access = Board(settings), Access(users is None, settings.session_h * 3600)
    gate = Gate(access, settings.listen.is_encrypted)
    bed_api, listen_api = BedApi(watch, gate, audit, BedFiles(settings)), ListenApi(watch, gate, audit)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(watch.run())]
        if users is not None:
            tasks.append(asyncio.create_task(_follow(users, access, watch, audit)))
        yield
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    guard = Middleware(Guard, names=settings.listen.allowed_names, is_encrypted=settings.listen.is_encrypted)
    routes = [
        *page_routes(settings.language),
        *Api(watch, users, gate, audit).routes(),
        *bed_api.routes(),
        *listen_api.routes(),
    ]
    app = Starlette(routes=routes, middleware=[guard], lifespan=lifespan)
    app.state.watch = watch
    return app
