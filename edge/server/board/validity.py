"""When a bed is unknown, and why: the reader's rules of the MQTT contract, as pure functions of state and time.

Not for how urgent it is or how it looks (`edge.server.board.ward_view`). The contract (edge/delivery/README.md):
`online` counts only while the node's health is fresh; a bed's status, trend and alarms only while the node's status
does and has the same boot; an alarm that is not there, or is old, is unknown, never over. Times are seconds on the
board's clock.
"""

from __future__ import annotations

from edge.contract.alarms import ALARM_EXPIRY_S, AlarmMessage
from edge.contract.status import HEALTH_EXPIRY_S, STATUS_EXPIRY_S
from edge.contract.trend import TREND_EXPIRY_S, Breath, TrendMessage, Window
from edge.server.board.latest import Alarms, BedListener, BedState, Latest, NodeState, Unread
from edge.server.board.ward import WINDOW_S

SETTLE_S = 330.0  # how long a node may have run without a burden over `WINDOW_S`: its half, and the next trend or two
RETURN_S = SETTLE_S + 120.0  # how long after a bed was last measured that is waited for, however often its node starts
GONE_S = 300.0  # how long nothing may be received of a bed before it can be removed
GRACE_S = 90.0  # how long a bed may be without sound before that must have become an alarm: the longest delay of one
STATES = {"offline": "box is offline", "stopped": "box was stopped"}


Condition = tuple[str, float | None]
"""Why it is unknown, empty if it is known; and since when."""


def node_condition(node: NodeState, now_s: float) -> str:
    """Why nothing that a node says counts now; empty if it does."""
    status, health = node.status, node.health
    if status is None:
        return "box never reported its status"
    if status.body.state != "online":
        return STATES[status.body.state]
    if not (status.is_dated and (health is None or health.is_dated)):
        return "clock of the box is ahead: its next word is waited for"
    if status.age_s(now_s) >= STATUS_EXPIRY_S:
        return "box is silent"
    if health is None or health.age_s(now_s) >= HEALTH_EXPIRY_S:
        return "box does not report its health"
    if health.body.boot_id != status.body.boot_id:
        return "box is starting"
    return ""


def silent_since_s(node: NodeState, now_s: float) -> float | None:
    """Since when a node in trouble is so, as far as that is known."""
    status, health = node.status, node.health
    if status is None:
        return None
    if status.body.state != "online":
        last = (each.made_s for each in (status, health) if each is not None)
        return min(now_s, max(last)) if status.body.state == "offline" else status.made_s
    is_starting = health is None or health.body.boot_id != status.body.boot_id
    return status.made_s if health is None or is_starting else min(status.made_s, health.made_s)


def bed_condition(node: NodeState, bed: BedState, now_s: float) -> Condition:
    """Why a bed is unknown although its node is there; an empty reason if it is known."""
    boot = node.status.body.boot_id if node.status is not None else ""
    published_s = max((each.made_s for each in (bed.status, *bed.alarms.values()) if each is not None), default=None)
    if bed.status is None or bed.status.body.boot_id != boot:
        return "box says nothing of this bed", published_s
    if (condition := alarms_condition(bed.alarms, bed.unread, boot, now_s))[0]:
        return condition
    if not present(bed.alarms, boot):
        return "no word of its alarms", published_s
    if bed.status.body.state == "disabled":
        return bed.status.body.reason or "nobody listens any more", published_s
    return "", None


def alarms_condition(alarms: Alarms, unread: dict[str, Unread], boot_id: str, now_s: float) -> Condition:
    """Why nobody can say whether all alarms of a bed, or of a node itself, are what they were; empty if they are.

    A node publishes each alarm again and again: one that could never be read and comes no more is none.
    """
    missed = [each for each in unread.values() if each.boot_id == boot_id or _is_coming(each, now_s)]
    if missed:
        is_cleared = all(each.boot_id for each in missed)
        words = "one of its alarms was cleared at the broker" if is_cleared else "one of its alarms cannot be read"
        return words, min(each.at_s for each in missed)
    if old := [each.made_s for each in present(alarms, boot_id).values() if is_old(each, now_s)]:
        return f"no word of {len(old) if len(old) > 1 else 'one'} of its alarms", min(old)
    return "", None


def _is_coming(unread: Unread, now_s: float) -> bool:
    return not unread.boot_id and now_s - unread.last_s < ALARM_EXPIRY_S


def is_gone(bed: BedState, now_s: float) -> bool:
    """Whether nothing was received of a bed for so long that a person may take it from the board."""
    published = (bed.status, bed.health, bed.trend, bed.breath, *bed.alarms.values())
    return all(each is None or now_s - each.made_s >= GONE_S for each in published)


def hearers_of(bed: BedState, boot_id: str, now_s: float) -> tuple[BedListener, ...]:
    """Who listens to a bed now, as the running process of its node said last."""
    latest = bed.listening
    if latest is None or latest.body.boot_id != boot_id or not latest.is_dated:
        return ()
    people = [
        BedListener(each.by, round(latest.at_s(each.since)), round(latest.until_s(each.until)))
        for each in latest.body.listeners
    ]
    return tuple(each for each in people if each.until_s > now_s)


def present(alarms: Alarms, boot_id: str) -> Alarms:
    """The alarms that the running process of a node publishes."""
    return {name: each for name, each in alarms.items() if each.body.boot_id == boot_id}


def is_old(alarm: Latest[AlarmMessage], now_s: float) -> bool:
    """Whether an alarm counts no more."""
    return alarm.age_s(now_s) >= ALARM_EXPIRY_S


def window_of(trend: Latest[TrendMessage] | None, boot_id: str, seconds: int, now_s: float) -> Window | None:
    """A window of the last trend; None if there is none that counts."""
    windows = trend.body.windows if trend is not None and _counts(trend, boot_id, now_s) else ()
    return next((each for each in windows if each.s == seconds), None)


def breathing_of(trend: Latest[TrendMessage] | None, boot_id: str, seconds: int, now_s: float) -> Breath | None:
    """The same of the breathing."""
    published = trend.body.breath if trend is not None and _counts(trend, boot_id, now_s) else None
    return next((each for each in published or () if each.s == seconds), None)


def _counts(trend: Latest[TrendMessage], boot_id: str, now_s: float) -> bool:
    return trend.body.boot_id == boot_id and trend.age_s(now_s) < TREND_EXPIRY_S


def last_measured_s(bed: BedState) -> float:
    """When a bed was last measured, or if it never was, first published."""
    last_s = bed.measured_s if bed.measured_s is not None else bed.received_s
    assert last_s is not None, "what nothing was published of is no bed"
    return last_s


def unmeasured(node: NodeState, bed: BedState, now_s: float) -> tuple[str, bool]:
    """Why a known bed is not measured now, and whether that may still be a passing thing.

    Returns:
        Reason, empty if it is measured; and whether the time in which it counts as passing is not over yet.
    """
    assert node.status is not None, "a node in trouble has no known bed"
    assert bed.status is not None, "a bed without status is not known"
    status, boot = bed.status, node.status.body.boot_id
    if status.body.state == "lost":
        return status.body.reason or "no sound arrives", bed.lost_s is None or now_s - bed.lost_s < GRACE_S
    window, trend = window_of(bed.trend, boot, WINDOW_S, now_s), bed.trend
    if window is not None and window.known:
        return "", False
    if bed.patient_s is not None and now_s - bed.patient_s < SETTLE_S:
        return "measuring has begun with a new patient", True
    health = node.health
    uptime_s = health.body.uptime_s + now_s - health.made_s if health is not None else SETTLE_S
    if uptime_s < SETTLE_S:
        return "measuring has begun", now_s - last_measured_s(bed) < RETURN_S
    is_silent = window is None and trend is not None and trend.body.boot_id == boot
    return ("box sends no burden" if is_silent else "too little was measured"), False
