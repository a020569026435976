"""Whether an ingester is there: what it says of itself, retained, and the broker says when it is gone.

Not for a node (`edge.delivery.messages.status_body`). An ingester that is away loses nothing while the broker keeps its
session, but a history that stands still looks like a quiet ward: so its absence is a fault that somebody must notice.
The topic has two levels below the prefix, `ingest/NAME`; those of nodes have three or more.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from edge.contract.fields import rfc3339
from edge.contract.message import decode, read
from edge.contract.status import IngestStatus, NodeState

PUBLISH_S = 60.0  # between two of its messages
SILENT_S = 180.0  # three that are missing
LEVEL = "ingest"
MAX_BYTES = 16_384

Database = Literal["ok", "away"]


def topic_of(prefix: str, name: str) -> str:
    """Where an ingester says that it is there; `+` for all."""
    return f"{prefix}/{LEVEL}/{name}"


@dataclass(frozen=True)
class Presence:
    """What an ingester says of itself."""

    name: str
    state: NodeState
    database: Database = "ok"
    waiting: int = 0
    """Messages that came and are not in the database."""
    counts: Mapping[str, int] | None = None
    """Since it started: new rows by table, copies, and what was refused."""

    def payload(self, wall_s: float | None = None) -> bytes:
        """As JSON, by `laennec.ingest/1`."""
        return IngestStatus.model_construct(
            name=self.name,
            state=self.state,
            ts=time.time() if wall_s is None else wall_s,
            database=self.database,
            waiting=self.waiting,
            counts=dict(self.counts or {}),
        ).encode()


@dataclass(frozen=True)
class ServiceState:
    """Whether one ingester does its work."""

    name: str
    is_healthy: bool
    words: str


def judge(name: str, payload: bytes | None, wall_s: float) -> ServiceState:
    """What its message means now.

    Args:
        name: of the ingester, by its topic.
        payload: of unknown origin; None: there is no message.
        wall_s: now, seconds since 1970.
    """
    if not payload:
        return ServiceState(name, False, "has never been there; start  laennec ingest")
    try:
        status = read(IngestStatus, decode(payload, MAX_BYTES))
    except ValueError:
        return ServiceState(name, False, "says something that is no laennec.ingest/1; who else writes to its topic?")
    silent_s = wall_s - status.ts
    if status.state != "online":
        return ServiceState(
            name, False, f"{status.state}, said {rfc3339(status.ts)}; the broker keeps what comes, within its limits"
        )
    if silent_s > SILENT_S:
        return ServiceState(name, False, f"silent for {silent_s:.0f} s, though not offline: does it hang?")
    if status.database == "away":
        return ServiceState(
            name, False, f"its database is away; {status.waiting} messages wait, the rest at the broker"
        )
    refused = status.counts.get("refused", 0)
    return ServiceState(name, True, f"online, {status.waiting} messages wait, {refused} refused since it started")
