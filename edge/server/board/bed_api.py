"""What the page of one bed asks for, over HTTP (starlette).

Not for the ward (`edge.server.board.app`), nor for what is sent (`edge.server.board.bed_feed`,
`edge.server.board.bed_history`).

    /api/bed           server-sent events of a bed: how it is, its live picture, its events
    /api/bed/day       burden and coverage of the last 24 h
    /api/bed/events    its events, with clips and labels, and its pauses of breath
    /api/clip          the picture of a clip
    /api/clip/sound    its sound, as FLAC, for the role `acknowledge` and above; each time a line in the audit log
    /api/labels        what a person says of an event
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edge.contract.topics import Address
from edge.errors import SourceError
from edge.server.board.access import Audit, Session
from edge.server.board.bed_history import Day, EventRow, PauseRow, day_of, pause_rows_of, rows_of
from edge.server.board.clips import ClipIndex
from edge.server.board.feed import EventStream
from edge.server.board.guard import Gate, address_in, address_of, json_answer, json_of, refused, who_of
from edge.server.board.labels import CLASSES, VERDICTS, EventFacts, Label, Labels
from edge.server.board.service import Board
from edge.settings.board import BoardSettings

NO_BED = "expected site, node and stream of a bed"


class BedFiles:
    """What of the sound the board finds on disks: clips of the node, and labels of its own."""

    def __init__(self, settings: BoardSettings) -> None:
        """Read the labels.

        Raises:
            ConfigError: they cannot be read.
        """
        folder = None if settings.clips is None else settings.clips.expanduser()
        self.clips = ClipIndex(folder, settings.sites)
        self.labels = Labels(settings.labels_path())


@dataclass(frozen=True)
class Events:
    """What the list of a bed gets."""

    clips: str
    """Why no clip can be shown; empty: they can."""
    rows: list[EventRow]
    pauses: list[PauseRow]


_EVENTS, _DAY = TypeAdapter(Events), TypeAdapter(Day)


class BedApi:
    """Answers for the beds of one board."""

    def __init__(self, watch: Board, gate: Gate, audit: Audit, latest: BedFiles) -> None:
        self._watch, self._gate, self._audit = watch, gate, audit
        self._clips, self._labels = latest.clips, latest.labels
        self._drawing = asyncio.Semaphore(1)  # one picture at a time, however many ask

    def routes(self) -> list[Route]:
        """Paths and what answers them."""
        return [
            Route("/api/bed", self.bed),
            Route("/api/bed/day", self.day),
            Route("/api/bed/events", self.events),
            Route("/api/clip", self.clip),
            Route("/api/clip/sound", self.sound),
            Route("/api/labels", self.label, methods=["POST"]),
        ]

    async def bed(self, request: Request) -> Response:
        """One bed, as it changes."""
        address = self._requested_bed(request)
        if isinstance(address, Response):
            return address
        screens, beds, sounds = self._watch.screens, self._watch.beds, self._watch.sounds
        screen = screens.open(
            self._gate.owner(request),
            "bed",
            lambda: beds.join(address, sounds.of(address)),
            partial(beds.leave, address),
        )
        if screen is None:
            return refused(503, "too many look at beds already")
        self._watch.wake()
        return EventStream(screen.viewer, lambda: screens.close(screen), self._gate.lasts_s(request))

    async def day(self, request: Request) -> Response:
        """The last 24 hours of a bed."""
        address = self._requested_bed(request)
        if isinstance(address, Response):
            return address
        node = self._watch.ward.nodes.get((address.site, address.node))
        if node is None or (bed := node.beds.get(address.stream)) is None:
            return refused(404, "the board has received nothing of this bed")
        return json_answer(_DAY.dump_json(day_of(bed, time.monotonic())))

    async def events(self, request: Request) -> Response:
        """The events of a bed."""
        address = self._requested_bed(request)
        if isinstance(address, Response):
            return address
        rows, pauses = await self._rows(address), pause_rows_of(self._watch.sounds.pauses(address))
        return json_answer(_EVENTS.dump_json(Events(self._clips.why_none, rows, pauses)))

    async def clip(self, request: Request) -> Response:
        """The picture of a clip."""
        if not self._gate.may_look(request):
            return refused(401, "sign in")
        about, folder = self._clips.clips.get(request.query_params.get("id", "")), self._clips.folder
        if about is None or folder is None:
            return refused(404, "there is no such clip here")
        from edge.server.board.clip_picture import picture_of

        async with self._drawing:
            try:
                return json_answer(await asyncio.to_thread(picture_of, folder, about))
            except SourceError:
                return refused(404, "the clip is not there any more, or damaged")

    async def sound(self, request: Request) -> Response:
        """The sound of a clip; said in the audit log before it leaves."""
        session = self._gate.session(request)
        if session is None:
            return refused(401, "sign in")
        if not session.orders.take(time.monotonic()):  # first: the log of refusals is bounded by it, too
            return refused(429, "too many clips; wait a minute")
        if not session.may("acknowledge"):
            return self._not_for(session, request, "clip refused", "hear sound")
        ident = request.query_params.get("id", "")
        try:
            content, hearing = await asyncio.to_thread(self._clips.sound, ident)
        except SourceError as error:
            return refused(404, str(error))
        self._audit.write(
            "clip heard",
            address=address_of(request),
            by=who_of(session, request.query_params),
            clip=ident,
            bed=str(Address(hearing.site, hearing.node, hearing.stream)),
        )
        return Response(content, media_type="audio/flac")

    async def label(self, request: Request) -> Response:
        """Keep what a person says of an event; it is on the disk when this answers."""
        session, body = self._gate.changing(request), await json_of(request)
        if isinstance(session, Response):
            return session
        if not session.orders.take(time.monotonic()):  # first: the log of refusals is bounded by it, too
            return refused(429, "too many labels; wait a minute")
        if not session.may("acknowledge"):
            return self._not_for(session, request, "label refused", "label events")
        if body is None or (address := address_in(body)) is None or not address.stream:
            return refused(400, NO_BED)
        if not (by := who_of(session, body)):
            return refused(400, "say who you are")
        event = next((row.event for row in await self._rows(address) if row.event.id == body.get("event")), None)
        if event is None:
            return refused(404, "the board does not know this event")
        label = _label(address, event, body, by)
        if label is None:
            return refused(400, f"expected a verdict of {', '.join(VERDICTS)}; other: one of {', '.join(CLASSES)}")
        try:
            await asyncio.to_thread(self._labels.add, label)
        except OSError as error:
            return refused(507, f"the board's disk does not take it ({error.strerror})")
        self._audit.write(
            "label",
            address=address_of(request),
            by=by,
            event=event.id,
            verdict=label.verdict,
            sound=label.sound,
            bed=str(address),
        )
        return JSONResponse({"ok": True, "reason": ""})

    def _not_for(self, session: Session, request: Request, what: str, doing: str) -> Response:
        """The answer to who may not do it; `what` is said in the audit log."""
        reason = f"{session.name or 'you'} may not {doing}; that needs the role acknowledge"
        self._audit.write(what, address=address_of(request), by=session.name, reason=reason)
        return refused(403, reason)

    def _requested_bed(self, request: Request) -> Address | Response:
        """The bed that a request names, or why it gets nothing."""
        if not self._gate.may_look(request):
            return refused(401, "sign in")
        address = address_in(request.query_params)
        return refused(400, NO_BED) if address is None or not address.stream else address

    async def _rows(self, address: Address) -> list[EventRow]:
        await asyncio.to_thread(self._clips.refresh)
        sounds, clips = self._watch.sounds.of(address), self._clips.clips
        return await asyncio.to_thread(rows_of, address, sounds, clips, self._labels, self._clips.why_none)


def _label(address: Address, event: EventFacts, body: dict[str, Any], by: str) -> Label | None:
    """The label that a request asks for; None if it is none."""
    verdict = next((each for each in VERDICTS if each == body.get("verdict")), None)
    sound = {"true": event.label, "false": "", "other": body.get("sound")}.get(verdict or "")
    if verdict is None or not isinstance(sound, str) or (verdict == "other" and sound not in CLASSES):
        return None
    return Label(event, address, verdict, sound, by, time.time())
