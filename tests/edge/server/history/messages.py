"""Messages for the history, with known contents, beside those of `tests.edge.server.exports.messages`."""

from __future__ import annotations

import json
from typing import Any

from edge.clips.clip import Recorded, clip_message
from edge.contract import parse_record
from edge.delivery.messages import finish, gap_message
from edge.server.history.tables import Batch
from edge.types import Gap
from tests.edge.clips.clips import HEARING, clip
from tests.edge.server.exports.messages import BED, NODE, WALL_S, breathing, checked, trend, window

PREFIX = "laennec/v1"
MINUTE_S = 60


def gap(start: int = 16_000, stop: int = 24_000) -> dict[str, Any]:
    """A second that is missing."""
    message = gap_message(NODE, "bed1", Gap(start, stop, "overrun"), 8000)
    return checked(finish({**message.body, "seq": 7, "seq_start": 1}, False, WALL_S))


def clip_told(seq: int) -> dict[str, Any]:
    """What became of a clip."""
    message = clip_message(NODE, Recorded(clip(WALL_S), HEARING, WALL_S), "stored", "", False)
    return checked(finish({**message.body, "seq": seq, "seq_start": 1, "seq_before": 0}, False, WALL_S))


def minute(number: int, burden: float | None = 12.5, missing: dict[str, float] | None = None) -> dict[str, Any]:
    """The trend of minute `number` after `WALL_S` (08:00); None: not known, 15 s of it measured."""
    from edge.contract.fields import rfc3339

    one = window(MINUTE_S, known=burden is not None)
    if burden is not None:
        one["groups"]["continuous"]["s_per_min"] = burden
    if missing is not None:
        one |= {"missing_s": missing, "measured_s": MINUTE_S - sum(missing.values())}
    stop = 480_000 * (number + 1)
    reported = breathing(known=burden is not None)["breath"][:1]
    return {"breath": reported, **trend(stop=stop), "ts": rfc3339(WALL_S + (number + 1) * MINUTE_S), "windows": [one]}


def batch(*bodies: dict[str, Any], bed: str = BED) -> Batch:
    """A batch of messages of one bed, parsed as from the wire."""
    made = Batch()
    for body in bodies:
        kind = body["schema"].removeprefix("laennec.").removesuffix("/1")
        end = f"alarm/{body['condition']}/transition" if kind == "transition" else kind
        named = {**body, "stream": bed.rpartition("/")[2]}
        made.add(parse_record(PREFIX, f"{bed}/{end}", json.dumps(named).encode())[0])
    return made
