"""What the screen shows: the state of the ward and a moment in, tiles sorted by urgency out. Pure.

Not for when a bed is unknown (`edge.server.board.validity`), nor for drawing. An unknown bed is as urgent as an alarm
and never looks like a quiet one; what was signalled when it was last known stays in sight. Technical alarms rank behind
those of patients of the same priority. Mode Test is silent: the contract lets nobody be alarmed by it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from edge.contract.fields import Kind, Priority
from edge.server.board.latest import Alarms, BedState, NodeState
from edge.server.board.tiles import (
    LEVELS,
    AlarmLine,
    Level,
    Tile,
    alarm_lines,
    beside,
    breath_line,
    burden_lines,
    contact_words,
    last_hour,
    missing_words,
    off_words,
    rank_of,
)
from edge.server.board.validity import (
    Condition,
    alarms_condition,
    bed_condition,
    breathing_of,
    hearers_of,
    is_gone,
    last_measured_s,
    node_condition,
    present,
    silent_since_s,
    unmeasured,
    window_of,
)
from edge.server.board.ward import WINDOW_S, Ward
from edge.ward.alarm_records import PRIORITIES

HOUR_S = 3600
SOUND_DELAY_S = 10.0  # how long a bed must be unknown before that is audible: a node that starts again takes seconds

Names = tuple[str, str, str]
"""Site, node and stream; of a node itself the stream is empty."""


@dataclass(frozen=True)
class _AlarmSource:
    """Whose tile it is, and what its alarms are."""

    names: Names
    name: str
    alarms: Alarms
    lines: list[AlarmLine]


def tiles_of(ward: Ward, now_s: float, lost_s: float | None = None) -> list[Tile]:
    """Every bed, most urgent first.

    Args:
        ward: what was received.
        now_s: on the board's clock.
        lost_s: since when the broker has been out of reach; None if it is there.
    """
    tiles, called = [], _called(ward)
    for (site, name), node in ward.nodes.items():
        boot = node.status.body.boot_id if node.status is not None else ""
        condition: Condition = node_condition(node, now_s), silent_since_s(node, now_s)
        if lost_s is not None:
            condition = "the board has lost the broker", lost_s
        beds = []
        for stream, bed in node.beds.items():
            if bed.is_received:
                names = (site, name, stream)
                source = _source_of(names, called[names], bed.alarms, boot)
                head = _head_of_bed(source, node, bed, now_s, condition)
                beds.append(_tile(source, bed, boot, now_s, head, lost_s is None))
        tiles += beds
        own = _source_of((site, name, ""), called[site, name, ""], node.alarms, boot)
        if (own_head := _head_of_node(own, node, now_s, condition, bool(beds))) is not None:
            tiles.append(_tile(own, BedState(), boot, now_s, own_head))
    return sorted(tiles, key=lambda tile: tile.order)


def _called(ward: Ward) -> dict[Names, str]:
    """What beds and nodes are called: by their own name, with the node's and the site's where others have it, too."""
    beds = [
        (site, node, stream)
        for (site, node), state in ward.nodes.items()
        for stream, bed in state.beds.items()
        if bed.is_received
    ]
    nodes = [(*names, "") for names in ward.nodes]
    found: dict[Names, str] = {}
    for group in (beds, nodes):
        forms = {names: _forms(*names) for names in group}
        taken = Counter(form for each in forms.values() for form in each)
        found |= {names: next((form for form in each if taken[form] == 1), each[-1]) for names, each in forms.items()}
    return found


def _forms(site: str, node: str, stream: str) -> list[str]:
    """Names of a bed or node, the shortest first."""
    levels = [level for level in (stream, node, site) if level]
    return [" · ".join(levels[:count]) for count in range(1, len(levels) + 1)]


def _source_of(names: Names, name: str, alarms: Alarms, boot: str) -> _AlarmSource:
    """With the alarms of the running process, or if there are none those that are left of an earlier one."""
    found = present(alarms, boot) or alarms
    return _AlarmSource(names, name, found, alarm_lines(found))


def _head_of_bed(source: _AlarmSource, node: NodeState, bed: BedState, now_s: float, condition: Condition) -> _Head:
    reason, since_s = condition if condition[0] else bed_condition(node, bed, now_s)
    return _unknown(reason, since_s, source.lines) if reason else _known(node, bed, now_s, source.lines)


def _head_of_node(
    source: _AlarmSource, node: NodeState, now_s: float, condition: Condition, has_beds: bool
) -> _Head | None:
    """A node is seen where its own alarms are signalled or not known, or it is unknown and has no bed that says so."""
    boot = node.status.body.boot_id if node.status is not None else ""
    reason, since_s = condition if condition[0] else alarms_condition(node.alarms, node.unread, boot, now_s)
    if reason:
        return None if condition[0] and has_beds else _unknown(reason, since_s, source.lines)
    head = _of_alarms(source.lines)
    return None if head.level in ("quiet", "inactive") else head


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
    shown: str = ""
    """Condition of the alarm that it says."""
    is_current: bool = True
    """Whether what the node says of the bed counts."""

    @property
    def order(self) -> tuple[int, bool, int]:
        """Rank of its urgency; what was in alarm before it became unknown; the longest first."""
        return rank_of(self.level, self.kind, self.priority), not self.before, round(self.since_s or 0.0)


def _unknown(reason: str, since_s: float | None, lines: list[AlarmLine], is_current: bool = False) -> _Head:
    signalled = [line.words for line in lines if line.signal != "Off"]
    return _Head("unknown", "Unknown", reason, since_s, before=", ".join(signalled), is_current=is_current)


def _known(node: NodeState, bed: BedState, now_s: float, lines: list[AlarmLine]) -> _Head:
    head = _of_alarms(lines)
    reason, is_brief = unmeasured(node, bed, now_s)
    has_alarm = any(line.kind == "Tec" and line.signal != "Off" for line in lines)  # which says so already
    if not reason or has_alarm or head.level == "alarm":
        return head
    assert bed.status is not None, "a bed without status is not known"
    since_s, is_lost = bed.status.since_s, bed.status.body.state == "lost"
    if not is_brief:
        since_s = max(since_s, bed.measured_s or since_s) if is_lost and since_s is not None else last_measured_s(bed)
        return _unknown(reason, since_s, lines, is_current=True)
    words = "No sound" if bed.status.body.state == "lost" else "Not measured yet"
    return head if head.level == "latched" else _Head("waiting", words, reason, since_s)


def _of_alarms(lines: list[AlarmLine]) -> _Head:
    """What the alarms of a known bed come to; the first of `lines` is the most urgent."""
    first = lines[0] if lines else None
    if first is not None and first.signal != "Off":
        level = LEVELS[first.signal]
        detail = "over, nobody has seen it" if level == "latched" else ""
        return _Head(level, first.words, detail, first.since_s, first.kind, first.priority, shown=first.condition)
    if off := off_words(lines):
        words, line = off[0]
        assert line.off_by is not None, "an inactivated alarm says by whom"
        detail = f"by {line.off_by.by}: {line.off_by.why}"
        return _Head("inactive", words, detail, line.off_by.at_s, shown=line.condition)
    is_watched = any(line.kind == "Phy" and line.is_watched for line in lines)
    return _Head("quiet", "Quiet" if is_watched else "No limit set")


def _tile(source: _AlarmSource, bed: BedState, boot: str, now_s: float, head: _Head, has_broker: bool = False) -> Tile:
    (site, node, stream), alarms = source.names, source.alarms
    also, is_of_patient = ("", False) if head.level == "unknown" else beside(source.lines, head.shown)
    trend = bed.trend if head.is_current else None
    window, hour = (window_of(trend, boot, each, now_s) for each in (WINDOW_S, HOUR_S))
    breathing = breathing_of(trend, boot, HOUR_S, now_s)
    health = bed.health.body if bed.health is not None and head.is_current else None
    device = None if health is None else health.device
    recent = last_hour(bed, now_s)
    is_test = any(each.body.mode == "Test" for each in alarms.values())
    return Tile(
        "/".join(source.names),
        site,
        node,
        stream,
        source.name,
        head.level,
        head.kind,
        head.priority,
        head.words,
        head.detail,
        None if head.since_s is None else round(head.since_s),
        head.before,
        also,
        is_of_patient,
        None if is_test else _sound(head, alarms, now_s),
        is_test,
        tuple(source.lines),
        burden_lines(bed, alarms, (window, hour), breathing, recent),
        breath_line(bed, boot, recent, now_s) if stream and head.is_current else None,
        None if window is None else window.coverage,
        missing_words(window),
        (health.fault or "").replace("_", " ") if health is not None else "",
        None if device is None else device.battery_percent,
        contact_words(alarms.get("contact")) if head.is_current else "",
        hearers_of(bed, boot, now_s),
        head.level == "unknown" and has_broker and is_gone(bed, now_s),
        (*head.order, stream or node),
    )


def _sound(head: _Head, alarms: Alarms, now_s: float) -> Priority | None:
    """What sounds: the most urgent alarm that is audible; of an unknown bed, a medium one."""
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
