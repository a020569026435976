"""The boxes behind the beds: what each runs, how it is, and its links. Pure.

Not for patients (`edge.server.board.ward_view`). What differs between boxes is marked by the page, which shows hashes
short.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.server.board.latest import BedState, NodeState
from edge.server.board.tiles import alarm_lines
from edge.server.board.validity import node_condition, present
from edge.server.board.ward import Ward


@dataclass(frozen=True)
class Link:
    """One bed's stream and device; None: not known, or it has no device."""

    stream: str
    state: str
    reason: str
    lag_s: float | None
    gaps: int | None
    lost_share: float | None
    """Of the last 10 s."""
    ppm: float | None
    rssi_dbm: float | None
    battery_percent: float | None
    firmware: str


@dataclass(frozen=True)
class Box:
    """One node."""

    site: str
    node: str
    trouble: str
    """Why nothing that it says counts; empty if it does."""
    heard_s: float | None
    """When its health was made, board's clock."""
    software: str
    release: str
    mode: str
    model: str
    model_sha256: str
    runtime: str
    config: str
    uptime_s: float | None
    checks: tuple[tuple[str, str], ...]
    """Name and verdict of those that are not ok."""
    waiting: int | None
    """Messages in its outbox."""
    oldest_s: float | None
    lag_s: float | None
    left_out_s: float | None
    dropped: int | None
    clock_off_s: float | None
    """How far its clock is ahead of the board's."""
    alarms: tuple[str, ...]
    links: tuple[Link, ...]


def fleet_of(ward: Ward, now_s: float) -> list[Box]:
    """Every node, by name."""
    return [_box(site, name, node, now_s) for (site, name), node in sorted(ward.nodes.items())]


def _box(site: str, name: str, node: NodeState, now_s: float) -> Box:
    info, health = node.info, None if node.health is None else node.health.body
    heard_s = node.health.made_s if node.health is not None and node.health.is_dated else None
    boot = "" if node.status is None else node.status.body.boot_id
    alarms = [line.words for line in alarm_lines(present(node.alarms, boot)) if line.signal != "Off"]
    return Box(
        site,
        name,
        node_condition(node, now_s),
        heard_s,
        "" if info is None else info.software,
        (info.release or "") if info is not None else "",
        "" if info is None else info.mode,
        "" if info is None else info.model.id,
        "" if info is None else info.model.sha256,
        "" if info is None else info.model.runtime,
        "" if info is None else info.config,
        None if health is None else health.uptime_s,
        () if health is None else tuple(sorted((key, value) for key, value in health.checks.items() if value != "ok")),
        None if health is None else health.outbox.waiting,
        None if health is None else health.outbox.oldest_s,
        None if health is None else health.lag_s,
        None if health is None else health.left_out_s,
        None if health is None else health.dropped,
        node.clock_off_s,
        tuple(alarms),
        tuple(_link(stream, bed) for stream, bed in sorted(node.beds.items()) if bed.is_received),
    )


def _link(stream: str, bed: BedState) -> Link:
    status, health = bed.status, None if bed.health is None else bed.health.body
    device = None if health is None else health.device
    return Link(
        stream,
        "unknown" if status is None else status.body.state,
        "" if status is None else status.body.reason,
        None if health is None else health.lag_s,
        None if health is None else health.gaps,
        None if device is None else device.lost,
        None if device is None else device.ppm,
        None if device is None else device.rssi_dbm,
        None if device is None else device.battery_percent,
        (device.firmware or "") if device is not None else "",
    )
