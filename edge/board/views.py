"""What pages ask for now and then: the boxes behind the beds, and what a shift hands over.

Not for the ward as it changes (`edge.board.hub`), nor for who may see it (`edge.board.app`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from pydantic import TypeAdapter
from starlette.responses import Response

from edge.board.fleet import Box, fleet_of
from edge.board.shift import MAX_HOURS, Shift, minutes_of, shifts_of, to_csv
from edge.board.watch import Watch

SHIFT_HOURS = 8


@dataclass(frozen=True)
class Fleet:
    """What the page of the boxes gets."""

    now_s: float
    boxes: list[Box]


@dataclass(frozen=True)
class Handover:
    """What the page of a shift gets."""

    title: str
    hours: int
    now_s: float
    beds: list[Shift]


View = Callable[[Watch, Mapping[str, str], float], Awaitable[Response]]
_FLEET, _HANDOVER = TypeAdapter(Fleet), TypeAdapter(Handover)


async def _fleet(watch: Watch, _asked: Mapping[str, str], now_s: float) -> Response:
    return _json(_FLEET.dump_json(Fleet(now_s, fleet_of(watch.ward, now_s))))


async def _shift(watch: Watch, asked: Mapping[str, str], now_s: float) -> Response:
    hours = _hours(asked)
    beds = await asyncio.to_thread(shifts_of, minutes_of(watch.ward, watch.tiles), hours, now_s)
    return _json(_HANDOVER.dump_json(Handover(watch.title, hours, now_s, beds)))


async def _shift_csv(watch: Watch, asked: Mapping[str, str], now_s: float) -> Response:
    beds = await asyncio.to_thread(shifts_of, minutes_of(watch.ward, watch.tiles), _hours(asked), now_s)
    headers = {"content-disposition": 'attachment; filename="shift.csv"'}
    return Response(await asyncio.to_thread(to_csv, beds), media_type="text/csv", headers=headers)


def _hours(asked: Mapping[str, str]) -> int:
    """How many hours are asked for; 8 where that is no number, and a day at most."""
    text = asked.get("hours", "")
    return min(MAX_HOURS, max(1, int(text))) if text.isascii() and text.isdecimal() and len(text) < 4 else SHIFT_HOURS


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")


VIEWS: dict[str, View] = {"/api/fleet": _fleet, "/api/shift": _shift, "/api/shift.csv": _shift_csv}
"""By path."""
