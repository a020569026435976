"""What the screen shows: the state of the ward and a moment in, tiles sorted by urgency out. Pure.

Not for when a bed is unknown (`edge.board.unknown`), nor for drawing. An unknown bed is as urgent as an alarm and never
looks like a quiet one; what was signalled when it was last known stays in sight. Technical alarms rank behind those of
patients of the same priority. Nothing is heard of mode Test: the contract lets nobody be alarmed by it.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.board.lines import alarm_lines, burden_lines, contact_words, missing_words
from edge.board.tile import AlarmLine, Level, Tile
from edge.board.unknown import (
    Trouble,
    alarms_trouble,
    bed_trouble,
    node_trouble,
    present,
    silent_since_s,
    unmeasured,
    window_of,
)  # fmt: skip
from edge.board.ward_state import WINDOW_S, Alarms, BedState, NodeState, Ward
from edge.ward.alarm_records import PRIORITIES, Kind, Priority, Signal

HOUR_S = 3600
SOUND_DELAY_S = 10.0  # how long a bed must be unknown before that is heard: a node that starts again takes seconds
RANKS: dict[tuple[Level, Kind | None, Priority | None], int] = {
    ("alarm", "Phy", "Hi"): 0, ("alarm", "Phy", "Me"): 1, ("unknown", None, None): 2, ("latched", "Phy", "Hi"): 3,
    ("alarm", "Tec", "Hi"): 4, ("latched", "Phy", "Me"): 5, ("alarm", "Tec", "Me"): 6, ("alarm", "Phy", "Lo"): 7,
    ("alarm", "Tec", "Lo"): 8, ("latched", "Tec", "Hi"): 9, ("latched", "Phy", "Lo"): 10, ("latched", "Tec", "Me"): 11,
    ("latched", "Tec", "Lo"): 12,
}  # fmt: skip
LEVELS: dict[Signal, Level] = {"On": "alarm", "Latch": "latched", "Ack": "seen"}
RANKS_OF_LEVELS: dict[Level, int] = {"waiting": 13, "seen": 14, "inactive": 16, "quiet": 17}


def tiles_of(ward: Ward, now_s: float, lost_s: float | None = None) -> list[Tile]:
    """Every bed, most urgent first.

    Args:
        ward: what was heard.
        now_s: on the board's clock.
        lost_s: since when the broker has been out of reach; None if it is there.
    """
    tiles = []
    for (site, name), node in ward.nodes.items():
        trouble, since_s = node_trouble(node, now_s), silent_since_s(node, now_s)
        if lost_s is not None:
            trouble, since_s = "the board has lost the broker", lost_s
        beds = [
            _bed_tile((site, name, stream), node, bed, now_s, (trouble, since_s))
            for stream, bed in node.beds.items()
            if bed.is_told
        ]
        tiles += beds
        tiles += _node_tiles((site, name), node, now_s, (trouble, since_s), bool(beds))
    return sorted(tiles, key=lambda tile: tile.order)


def _bed_tile(names: tuple[str, str, str], node: NodeState, bed: BedState, now_s: float, trouble: Trouble) -> Tile:
    boot = node.status.body.boot_id if node.status is not None else ""
    alarms = present(bed.alarms, boot) or bed.alarms
    reason, since_s = trouble if trouble[0] else bed_trouble(node, bed, now_s)
    if reason:
        return _tile(names, bed, boot, now_s, (alarms, _unknown(reason, since_s, alarms)))
    return _tile(names, bed, boot, now_s, (alarms, _known(node, bed, now_s, alarms)))


def _node_tiles(names: tuple[str, str], node: NodeState, now_s: float, trouble: Trouble, has_beds: bool) -> list[Tile]:
    """A node is seen where its own alarms are signalled or not known, or it is unknown and has no bed that says so."""
    boot = node.status.body.boot_id if node.status is not None else ""
    alarms = present(node.alarms, boot) or node.alarms
    reason, since_s = trouble if trouble[0] else alarms_trouble(node.alarms, node.unread, boot, now_s)
    if reason:
        head = _unknown(reason, since_s, alarms)
        is_shown = not (trouble[0] and has_beds)
    else:
        head = _of_alarms(alarm_lines(alarms))
        is_shown = head.level not in ("quiet", "inactive")
    return [_tile((*names, ""), BedState(), boot, now_s, (alarms, head))] if is_shown else []


@dataclass(frozen=True)
class _Head:
    """What a tile says first."""

    level: Level
    words: str
    detail: str = ""
    since_s: float | None = None
    kind: Kind | None = None
    priority: Priority | None = None
    before: str = ""
    is_told: bool = True
    """Whether what the node says of the bed counts."""

    @property
    def order(self) -> tuple[int, bool, int]:
        """Rank of its urgency; what was in alarm before it became unknown; the longest first."""
        rank = RANKS.get((self.level, self.kind, self.priority))
        if rank is None:
            rank = RANKS_OF_LEVELS[self.level] + (self.kind == "Tec")
        return rank, not self.before, round(self.since_s or 0.0)


def _unknown(reason: str, since_s: float | None, alarms: Alarms, is_told: bool = False) -> _Head:
    signalled = [line.words for line in alarm_lines(alarms) if line.signal != "Off"]
    return _Head("unknown", "Unknown", reason, since_s, before=", ".join(signalled), is_told=is_told)


def _known(node: NodeState, bed: BedState, now_s: float, alarms: Alarms) -> _Head:
    lines = alarm_lines(alarms)
    head = _of_alarms(lines)
    reason, is_passing = unmeasured(node, bed, now_s)
    has_alarm = any(line.kind == "Tec" and line.signal != "Off" for line in lines)  # which says so already
    if not reason or has_alarm or head.level == "alarm":
        return head
    assert bed.status is not None, "a bed without status is not known"
    since_s = bed.status.at_s(bed.status.body.since)
    if not is_passing:
        since_s = max(since_s, bed.measured_s or since_s)
        return _unknown(reason, since_s, alarms, is_told=True)
    words = "No sound" if bed.status.body.state == "lost" else "Not measured yet"
    return head if head.level == "latched" else _Head("waiting", words, reason, since_s)


def _of_alarms(lines: list[AlarmLine]) -> _Head:
    """What the alarms of a known bed come to; the first of `lines` is the most urgent."""
    first = lines[0] if lines else None
    if first is not None and first.signal != "Off":
        level = LEVELS[first.signal]
        detail = "over, nobody has seen it" if level == "latched" else ""
        if level == "seen" and first.seen_by is not None:
            detail = f"seen by {first.seen_by.by}"
        return _Head(level, first.words, detail, first.since_s, first.kind, first.priority)
    if off := [line.off_by for line in lines if line.off_by is not None]:
        return _Head("inactive", "Alarms off", f"by {off[0].by}: {off[0].why}", off[0].at_s)
    is_watched = any(line.kind == "Phy" and line.is_watched for line in lines)
    return _Head("quiet", "Quiet" if is_watched else "No limit set")


def _tile(names: tuple[str, str, str], bed: BedState, boot: str, now_s: float, found: tuple[Alarms, _Head]) -> Tile:
    (site, node, stream), (alarms, head) = names, found
    window, hour = (window_of(bed.trend, boot, each, now_s) if head.is_told else None for each in (WINDOW_S, HOUR_S))
    health = bed.health.body if bed.health is not None and head.is_told else None
    device = None if health is None else health.device
    is_test = any(each.body.mode == "Test" for each in alarms.values())
    return Tile(
        "/".join(names), site, node, stream, head.level, head.kind, head.priority, head.words, head.detail,
        None if head.since_s is None else round(head.since_s), head.before,
        None if is_test else _sound(head, alarms, now_s), is_test,
        tuple(alarm_lines(alarms)), burden_lines(bed, alarms, (window, hour), now_s),
        None if window is None else window.coverage, None if hour is None else hour.coverage,
        missing_words(window), (health.fault or "").replace("_", " ") if health is not None else "",
        None if device is None else device.battery_percent,
        contact_words(alarms.get("contact")) if head.is_told else "",
        (*head.order, stream or node),
    )  # fmt: skip


def _sound(head: _Head, alarms: Alarms, now_s: float) -> Priority | None:
    """What is to be heard: the most urgent alarm that is audible; of an unknown bed, a medium one."""
    if head.level == "unknown":
        return "Me" if head.since_s is not None and now_s - head.since_s >= SOUND_DELAY_S else None
    audible = {each.body.priority for each in alarms.values() if each.body.audible and each.body.signal != "Off"}
    return next((priority for priority in reversed(PRIORITIES) if priority in audible), None)


def summary_of(tiles: list[Tile]) -> dict[str, int]:
    """How many tiles there are of what a person must know first."""
    keys = ("patient", "technical", "unknown", "waiting", "seen", "inactive", "quiet")
    counts = dict.fromkeys(keys, 0)
    for tile in tiles:
        is_raised = tile.level in ("alarm", "latched")
        counts[("patient" if tile.kind == "Phy" else "technical") if is_raised else tile.level] += 1
    return counts
