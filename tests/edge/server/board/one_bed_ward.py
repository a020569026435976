"""A ward of one bed that has just been told of: what tests of the board's pure parts begin with."""

from __future__ import annotations

from typing import Any

from edge.contract import parse
from edge.server.board.latest import Arrival
from edge.server.board.tiles import Tile
from edge.server.board.ward import Ward
from edge.server.board.ward_view import tiles_of
from tests.edge.server.board import ward_messages as made
from tests.edge.server.board.ward_messages import WALL_S, Body

NOW_S = 1000.0  # of the board's clock when everything was said
BOX = f"{made.PREFIX}/ward/box"


def publish(ward: Ward, levels: str, body: Body | None, after_s: float = 0.0, stored: bool = False) -> None:
    """One message below the node's topic, so many seconds after `NOW_S`; None: its topic is cleared."""
    payload = b"" if body is None else made.bytes_of(body)
    arrival = Arrival(NOW_S + after_s, WALL_S + after_s, stored)
    ward.push(parse(made.PREFIX, f"{BOX}/{levels}", payload), arrival)


def publish_all(ward: Ward, after_s: float, **changed: Body | None) -> None:
    """Everything of a quiet bed and its box again, made now; names as `alarm_continuous`, None leaves one out."""
    wall_s = WALL_S + after_s
    other = {name.replace("_", "/", 1).replace("_", "-"): body for name, body in changed.items()}
    publish(ward, "status", made.status(wall_s), after_s)
    publish(ward, "health", made.health(wall_s), after_s)
    for name, body in {**made.quiet_bed(wall_s), **other}.items():
        if body is not None:
            publish(ward, f"s/bed/{name}", body, after_s)


def ward_of(
    bed: dict[str, Body] | None = None, node: dict[str, Body] | None = None, stored_s: float | None = None
) -> Ward:
    """A ward of one bed, whose messages came just now, or were stored so many seconds ago."""
    ward = Ward()
    messages = {"status": made.status(), "health": made.health(), **(node or {})}
    messages |= {f"s/bed/{name}": body for name, body in {**made.quiet_bed(), **(bed or {})}.items()}
    arrival = Arrival(NOW_S, WALL_S + (stored_s or 0.0), stored_s is not None)
    for levels, body in messages.items():
        ward.push(parse(made.PREFIX, f"{BOX}/{levels}", made.bytes_of(body)), arrival)
    return ward


def tile_of(bed: dict[str, Body] | None = None, now_s: float = NOW_S, **rest: Any) -> Tile:
    """The tile of that bed."""
    (tile,) = tiles_of(ward_of(bed, **rest), now_s)
    return tile
