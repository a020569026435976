"""What a node publishes of itself and of its streams: `info` once, `health` every half minute. Pure.

Split by stream, so that no message grows with the number of beds: a broker refuses one that is larger than it allows,
and some allow 4 kB. Nothing is published or measured here (`edge.node.service`).

`info` has a fingerprint of the box, so that two with one name can be distinguished. It is no address and no secret:
eight hexadecimal digits of a hash. Boxes that were flashed from one image
have the same host name and often the same /etc/machine-id, but not the same serial number or network hardware: those
are hashed where the kernel shows them. Only the warning that two boxes have one name depends on it.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from edge import __version__
from edge.contract import MESSAGES, status, stream_status
from edge.contract.commands import COMMAND
from edge.contract.fields import Body
from edge.delivery.dispatch import Dispatch
from edge.delivery.entries import OutboxStatus
from edge.delivery.latency import LATE_S, LatencyCounts
from edge.delivery.messages import Node, model_name
from edge.delivery.priority import DAMAGED
from edge.delivery.trends import DIGITS, missing_s
from edge.detector.class_rules import EventOptions
from edge.model.adaptation import Adaptation
from edge.model.model import Model
from edge.node.stream_status import State, StreamView
from edge.settings.node import Config, Stream, config_hash
from edge.sources.source import Vitals
from edge.ward.coverage import Covered

SERIAL = "sys/firmware/devicetree/base/serial-number"  # Raspberry Pi, Jetson
NETWORK = "sys/class/net"
MACHINE_ID = "etc/machine-id"  # what is left in a container
LOSSES = ("event", "alarm", DAMAGED)  # causes by which what somebody must know was dropped


def box_fingerprint(root: Path = Path("/")) -> str:
    """Eight hexadecimal digits, the same at each start.

    Args:
        root: root of the file system.
    """
    traits = [_read(root / SERIAL)]
    if not any(traits):  # a serial number stays when a network adapter is plugged in
        traits = sorted(_read(card / "address") for card in _cards(root / NETWORK))
    if not any(traits):
        traits = [_read(root / MACHINE_ID)]
    return hashlib.sha256("\n".join(traits).encode()).hexdigest()[:8]


def _cards(folder: Path) -> list[Path]:
    """Network cards that are hardware; their addresses are their makers'."""
    with suppress(OSError):
        return [card for card in folder.iterdir() if (card / "device").exists()]
    return []


def _read(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(errors="replace").strip("\0\n ")
    return ""


_NAMES = [COMMAND, *(kind.wire.schema for kind in MESSAGES if kind is not status.IngestStatus)]
SCHEMAS = sorted(_NAMES, key=lambda name: name.split("/"))
STATES: tuple[stream_status.StreamState, ...] = ("ok", "degraded", "lost", "disabled", "unknown")
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
    known = model.known
    return status.NodeInfo.model_construct(
        software=f"laennec {__version__}",
        release=release(),
        mode=node.mode,
        node=node.node,
        site=node.site,
        boot_id=node.boot_id,
        model=model_name(model),
        known=None if known is None else status.Known.model_construct(**asdict(known)),
        classes=list(model.event_classes),
        config=config_hash(config),
        streams=len(config.streams),
        schemas=SCHEMAS,
    ).body()


def stream_info_body(node: Node, stream: Stream, model: Model, adaptation: Adaptation | None = None) -> Body:
    """What a stream of it is and looks for, and how its device is adapted to the model."""
    options = EventOptions.of(stream)
    rules = options.rules_body(model).items()
    return stream_status.StreamInfo.model_construct(
        boot_id=node.boot_id,
        rate=model.rate_hz,
        classes=list(stream.classes or model.event_classes),
        thresholds=dict(options.thresholds_in_force(model, adaptation)),
        tracking={name: stream_status.Tracking.model_construct(None, **rule) for name, rule in rules},
        update_s=stream.update_s,
        adaptation=None if adaptation is None else stream_status.Adapted.model_construct(**adaptation.body()),
        age=stream.age,
    ).body()


def health_body(
    node: Node, outbox: OutboxStatus, dispatch: Dispatch, streams: Sequence[StreamView], uptime_s: float, wall_s: float
) -> Body:
    """How a node is, `wall_s` seconds after 1970; of its streams, how many are in which state."""
    refusals, conflict, now_s = dispatch.refusals, dispatch.client_id_conflict, time.monotonic()
    statuses, late = [stream.status for stream in streams], dispatch.lag.status
    on_disk = outbox.on_disk and not dispatch.is_stalled
    is_losing = outbox.in_memory or any(map(outbox.evicted.get, LOSSES)) or not on_disk
    states = Counter(each.state_at(now_s).name for each in statuses)
    return status.NodeHealth.model_construct(
        ts=wall_s,
        boot_id=node.boot_id,
        uptime_s=round(uptime_s, 1),
        checks={
            "outbox": "crit" if is_losing else "warn" if outbox.waiting > BACKLOG_WARNING else "ok",
            "inbox": "crit" if dispatch.dropped else "ok",
            "broker": "crit" if refusals.count or conflict else "ok",
            "delivery": "warn" if late.lag_s > LATE_S else "ok",
            "streams": "warn" if states["lost"] or states["degraded"] else "ok",
        },
        outbox=status.Outbox.model_construct(
            waiting=outbox.waiting,
            oldest_s=outbox.oldest_s(now_s),
            in_memory=outbox.in_memory,
            on_disk=on_disk,
            failed_writes=outbox.failed_writes,
            evicted=dict(outbox.evicted),
        ),
        broker=status.Broker.model_construct(refused=refusals.count, reason=refusals.reason, rival=conflict),
        dropped=dispatch.dropped,
        streams={name: states[name] for name in STATES},
        lag_s=round(max((each.lag_at(now_s) for each in statuses), default=0.0), 2),
        delivery=status.Delivery.model_construct(
            lag_s=round(late.lag_s, 2),
            late_streams=sum(lag_s > LATE_S for lag_s in late.lags_s.values()),
            stages_ms=dict(late.stages_ms),
        ),
        left_out_s=round(sum(each.totals.left_out_s for each in statuses), 2),
    ).body()


def stream_status_body(node: Node, state: State, wall_s: float) -> Body:
    """State of one stream: why, since when, if its sound is known, its gain."""
    return stream_status.StreamStatus.model_construct(
        state=state.name,  # type: ignore[arg-type]  # what is unknown is not published
        reason=state.reason,
        verified=state.verified,
        gain_db=state.gain_db,
        since=state.since_s,
        boot_id=node.boot_id,
        ts=wall_s,
    ).body()


def stream_health_body(node: Node, stream: StreamView, wall_s: float) -> Body:
    """How a stream of it is, and what it received and found since the start."""
    now, now_s = stream.status, time.monotonic()
    totals, state, fault = now.totals, now.state_at(now_s), now.verdict.fault
    return stream_status.StreamHealth.model_construct(
        ts=wall_s,
        boot_id=node.boot_id,
        state=state.name,
        reason=state.reason,
        verified=state.verified,
        gain_db=state.gain_db,
        fault=None if fault is None else fault.replace(" ", "_"),
        heard_s=round(totals.received_s, 2),
        measurable_s=round(totals.measurable_s, 2),
        lost_s=round(totals.lost_s, 2),
        concealed_s=round(totals.concealed_s, 2),
        left_out_s=round(totals.left_out_s, 2),
        lag_s=round(now.lag_at(now_s), 2),
        gaps=totals.gaps,
        events=totals.events,
        rtf=round(totals.busy_s / totals.received_s, 4) if totals.received_s else None,
        coverage=_coverage(now.covered[-1]) if now.covered else None,
        device=None if now.vitals is None else device_of(now.vitals),
    ).body()


def _coverage(covered: Covered) -> stream_status.Coverage:
    """How much of the last hour was measured."""
    return stream_status.Coverage.model_construct(
        s=covered.window_s,
        share=round(covered.measured_s / covered.window_s, DIGITS),
        measured_s=round(covered.measured_s, 3),
        missing_s=missing_s(covered),
    )


def device_of(vitals: Vitals) -> stream_status.Device:
    """State of a stream's device and link, units as in `Vitals`; what is not known is null."""
    return stream_status.Device.model_construct(
        id=vitals.device,
        measurable=vitals.measurable,
        conditions=list(vitals.conditions),
        rate_hz=_rounded(vitals.rate_hz, 3),
        ppm=_rounded(vitals.ppm, 1),
        clock_ms=_rounded(vitals.residual_ms, 2),
        lost=_rounded(vitals.lost, 4),
        masked=_rounded(vitals.masked, 4),
        dropped_s=vitals.dropped_s,
        battery_percent=vitals.battery_percent,
        contact=vitals.contact,
        motion_mg=vitals.motion_mg,
        rssi_dbm=vitals.rssi_dbm,
        firmware=vitals.firmware,
    )


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
