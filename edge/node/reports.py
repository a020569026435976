"""What a node says of itself and of its streams: `info` once, `health` every half minute.

Split by stream, so that no message grows with the number of beds: a broker refuses one that is larger than it allows,
and some allow 4 kB. Pure: bodies of messages, nothing is published or measured here (`edge.node.service`).
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from edge import __version__
from edge.artefact.adaptation import Adaptation
from edge.artefact.model import Model
from edge.delivery.delivery_lag import LATE_S
from edge.delivery.dispatch import Dispatch
from edge.delivery.latency import LatencyCounts
from edge.delivery.messages import Body, Node, device_body, model_body, rfc3339
from edge.delivery.outbox import OutboxStatus
from edge.delivery.trend import DIGITS, missing_body
from edge.detector.event_options import EventOptions
from edge.node.stream_status import StreamView
from edge.settings.config import Config, Stream
from edge.settings.fingerprint import config_hash
from edge.ward.coverage import Covered

SCHEMAS = (  # edge/delivery/schema
    "alarm/1", "breath/1", "clip/1", "command/1", "event/1", "gap/1", "health/2", "info/2", "mel/1", "result/1",
    "shadow/1", "status/1", "stream/1", "stream-health/1", "stream-info/1", "transition/1", "trend/1",
)  # fmt: skip
STATES = ("ok", "degraded", "lost", "disabled", "unknown")
BACKLOG_WARNING = 100  # waiting messages; a broker that keeps up leaves a few


@dataclass(frozen=True)
class Reports:
    """How a node and its streams are at one moment: the bodies of their topics `health` and `shadow`, and latencies."""

    node: Body
    streams: Mapping[str, Body]
    """By id."""
    shadows: Mapping[str, Body] = field(default_factory=dict)
    """By id of the stream; empty without a second model."""
    events: Mapping[str, LatencyCounts] = field(default_factory=dict)
    """How long events took, by stage, as `latency_ms` of each says."""
    chunks: LatencyCounts = field(default_factory=LatencyCounts)
    """How long chunks took to be decided."""


def release(prefix: str = sys.prefix) -> str | None:
    """Name of the deployed release that this program is part of, such as 0.1.0-1a2b3c4d; None: it was not deployed.

    Args:
        prefix: of the environment; below a release, the folder `venv` of NUMBER-NAME.
    """
    folder = Path(prefix).resolve().parent
    return folder.name.partition("-")[2] if (folder / "release.json").is_file() else None


def info_body(node: Node, config: Config, model: Model) -> Body:
    """What a node runs."""
    return {
        "schema": "laennec.info/2", "software": f"laennec {__version__}", "release": release(),
        "mode": node.mode, "node": node.node, "site": node.site, "boot_id": node.boot_id,
        "model": model_body(model), "known": None if model.known is None else asdict(model.known),
        "classes": list(model.event_classes), "config": config_hash(config),
        "streams": len(config.streams), "schemas": [f"laennec.{name}" for name in SCHEMAS],
    }  # fmt: skip


def stream_info_body(node: Node, stream: Stream, model: Model, adaptation: Adaptation | None = None) -> Body:
    """What a stream of it is and looks for, and how its device is adapted to the model."""
    options = EventOptions.of(stream)
    return {
        "schema": "laennec.stream-info/1", "boot_id": node.boot_id, "rate": model.rate_hz,
        "classes": list(stream.classes or model.event_classes),
        "thresholds": options.thresholds_in_force(model, adaptation),
        "tracking": options.rules_body(model), "update_s": stream.update_s,
        "adaptation": adaptation.body() if adaptation is not None else None,
    }  # fmt: skip


def health_body(
    node: Node, outbox: OutboxStatus, dispatch: Dispatch, streams: Sequence[StreamView], uptime_s: float, wall_s: float
) -> Body:
    """How a node is, `wall_s` seconds after 1970; of its streams, how many are in which state."""
    refusals, rival, now_s = dispatch.refusals, dispatch.rival, time.monotonic()
    statuses, late = [stream.status for stream in streams], dispatch.lag.status
    is_losing = outbox.in_memory or outbox.evicted["event"] or outbox.evicted["alarm"] or not outbox.on_disk
    states = Counter(status.state_at(now_s).name for status in statuses)
    return {
        "schema": "laennec.health/2", "ts": rfc3339(wall_s), "boot_id": node.boot_id, "uptime_s": round(uptime_s, 1),
        "checks": {
            "outbox": "crit" if is_losing else "warn" if outbox.waiting > BACKLOG_WARNING else "ok",
            "inbox": "crit" if dispatch.dropped else "ok",
            "broker": "crit" if refusals.count or rival else "ok",
            "delivery": "warn" if late.lag_s > LATE_S else "ok",
            "streams": "warn" if states["lost"] or states["degraded"] else "ok",
        },
        "outbox": {
            "waiting": outbox.waiting, "oldest_s": outbox.oldest_s(now_s), "in_memory": outbox.in_memory,
            "on_disk": outbox.on_disk, "failed_writes": outbox.failed_writes, "evicted": dict(outbox.evicted),
        },
        "broker": {"refused": refusals.count, "reason": refusals.reason, "rival": rival},
        "dropped": dispatch.dropped,
        "streams": {name: states[name] for name in STATES},
        "lag_s": round(max((status.lag_at(now_s) for status in statuses), default=0.0), 2),
        "delivery": {
            "lag_s": round(late.lag_s, 2), "late_streams": sum(lag_s > LATE_S for lag_s in late.lags_s.values()),
            "stages_ms": dict(late.stages_ms),
        },
        "left_out_s": round(sum(status.totals.left_out_s for status in statuses), 2),
    }  # fmt: skip


def stream_health_body(node: Node, stream: StreamView, wall_s: float) -> Body:
    """How a stream of it is, and what it received and found since the start."""
    status, now_s = stream.status, time.monotonic()
    totals, state, fault = status.totals, status.state_at(now_s), status.verdict.fault
    body: Body = {
        "schema": "laennec.stream-health/1", "ts": rfc3339(wall_s), "boot_id": node.boot_id,
        "state": state.name, "reason": state.reason, "verified": state.verified, "gain_db": state.gain_db,
        "fault": None if fault is None else fault.replace(" ", "_"),
        "heard_s": round(totals.received_s, 2), "measurable_s": round(totals.measurable_s, 2),
        "lost_s": round(totals.lost_s, 2), "concealed_s": round(totals.concealed_s, 2),
        "left_out_s": round(totals.left_out_s, 2), "lag_s": round(status.lag_at(now_s), 2),
        "gaps": totals.gaps, "events": totals.events,
        "rtf": round(totals.busy_s / totals.received_s, 4) if totals.received_s else None,
    }  # fmt: skip
    if status.covered:
        body["coverage"] = _coverage_body(status.covered[-1])
    if status.vitals is not None:
        body["device"] = device_body(status.vitals)
    return body


def _coverage_body(covered: Covered) -> Body:
    """How much of the last hour was measured."""
    share = round(covered.measured_s / covered.window_s, DIGITS)
    return {
        "s": covered.window_s, "share": share, "measured_s": round(covered.measured_s, 3),
        "missing_s": missing_body(covered),
    }  # fmt: skip
