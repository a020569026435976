"""One bed as a tile: words, numbers, urgency. Pure.

Patients come before the unknown, and those before the monitoring of the same priority; what nobody has seen before what
lasts and was seen. The words are those of the ward for the names of the contract; a name that is not known is shown as
it came. Not for finding any of it (`edge.server.board.ward_view`), and not for colours or shapes
(`edge/server/board/static`). Every text may come from the wire: whoever shows it shows it as text. Times are seconds on
the board's clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from statistics import median
from typing import Literal

from edge.contract.alarms import AlarmMessage, Person
from edge.contract.fields import Kind, Priority, Signal
from edge.contract.trend import BREATH_EXPIRY_S, Breath, Window
from edge.server.board.latest import MAX_GROUPS, Alarms, BedListener, BedState, Latest, Minute

RANKS: dict[tuple[Level, Kind | None, Priority | None], int] = {
    ("alarm", "Phy", "Hi"): 0,
    ("alarm", "Phy", "Me"): 1,
    ("unknown", None, None): 2,
    ("latched", "Phy", "Hi"): 3,
    ("alarm", "Tec", "Hi"): 4,
    ("latched", "Phy", "Me"): 5,
    ("alarm", "Tec", "Me"): 6,
    ("alarm", "Phy", "Lo"): 7,
    ("alarm", "Tec", "Lo"): 8,
    ("latched", "Tec", "Hi"): 9,
    ("latched", "Phy", "Lo"): 10,
    ("latched", "Tec", "Me"): 11,
    ("latched", "Tec", "Lo"): 12,
}
RANKS_OF_LEVELS: dict[Level, int] = {"waiting": 13, "seen": 14, "inactive": 16, "quiet": 18}  # of a patient; else + 1
LEVELS: dict[Signal, Level] = {"On": "alarm", "Latch": "latched", "Ack": "seen"}


def rank_of(level: Level, kind: Kind | None, priority: Priority | None) -> int:
    """How urgent something is; 0 is the most."""
    rank = RANKS.get((level, kind, priority))
    return RANKS_OF_LEVELS[level] + (kind == "Tec") if rank is None else rank


def level_of(line: AlarmLine) -> Level:
    """What one alarm would make of its bed alone."""
    return LEVELS.get(line.signal, "quiet" if line.off_by is None else "inactive")


def order_of(line: AlarmLine) -> tuple[int, float, str]:
    """Alarms of a bed are sorted by it: rank of urgency, since when, name."""
    since_s = line.since_s if line.since_s is not None else 0.0
    return rank_of(level_of(line), line.kind, line.priority), since_s, line.condition


HOUR_MINUTES = 60
STEADY_SHARE, STEADY_PER_MIN = 0.15, 2.0  # a rate that differs by no more, of either, from that before is the same
IRREGULAR = 2.0  # spread of breaths that were counted, which one in twenty windows of a resting child reaches
BEFORE_MIN = 10  # minutes that a rate is compared with
WORDS = {  # by condition
    "continuous": "Wheezing",
    "discontinuous": "Crackles",
    "breath-pause": "Breath paused",
    "no-breath": "No breath heard: check patient and sensor",
    "rate-high": "Breathing fast",
    "rate-low": "Breathing slow",
    "signal-lost": "No signal",
    "not-measurable": "Not measurable",
    "contact": "Sensor loose",
    "battery": "Battery low",
    "outbox": "Messages lost",
    "model": "Detector failed",
    "clock": "Clock is not set",
    "self-test": "Self-test failed",
    "alarm-log": "Alarm log fails",
    "delivery": "Events arrive late",
}
SIGNAL_WORDS: dict[Signal, str] = {"On": "", "Latch": " over", "Ack": " seen"}  # of an alarm beside another


def condition_words(condition: str) -> str:
    """A condition as a nurse calls it."""
    return WORDS.get(condition, condition.replace("-", " ").replace("_", " "))


def alarm_lines(alarms: Alarms) -> list[AlarmLine]:
    """All alarms of a bed, most urgent first."""
    return sorted((_line(name, latest) for name, latest in alarms.items()), key=order_of)


def off_words(lines: Sequence[AlarmLine]) -> list[tuple[str, AlarmLine]]:
    """What a person has inactivated, each with one of its alarms; all alarms of the patient are one."""
    off = [line for line in lines if line.signal == "Off" and line.off_by is not None]
    of_patient = [line for line in lines if line.kind == "Phy"]
    if of_patient and all(line in off for line in of_patient):
        return [("Alarms off", of_patient[0])]
    return [(f"{line.words} off", line) for line in off]


def beside(lines: Sequence[AlarmLine], shown: str) -> tuple[str, bool]:
    """What there is beside that which a tile says first.

    Args:
        lines: all alarms of the bed.
        shown: condition that the tile says; empty if it says none.

    Returns:
        All else that is signalled or inactivated, of the patient first; and whether any of it is of the patient.
    """
    lines_of_others = [(f"{line.words}{SIGNAL_WORDS[line.signal]}", line) for line in lines if line.signal != "Off"]
    rest = [(words, line.kind) for words, line in (*lines_of_others, *off_words(lines)) if line.condition != shown]
    rest.sort(key=lambda each: each[1] == "Tec")
    return " · ".join(words for words, _ in rest), any(kind == "Phy" for _, kind in rest)


def burden_lines(
    bed: BedState,
    alarms: Alarms,
    windows: tuple[Window | None, Window | None],
    breathing: Breath | None,
    recent: Sequence[Minute],
) -> tuple[BurdenLine, ...]:
    """The burden of each group of the last trend over 5 min, 1 h, and minute by minute over the last hour.

    Args:
        bed: what was received of it.
        alarms: those that count.
        windows: of 5 min and of an hour, None where there is none that counts.
        breathing: of an hour, the same.
        recent: its minutes of the last hour (`last_hour`).
    """
    last = () if bed.trend is None else bed.trend.body.windows
    groups = sorted({name for window in last for name in window.groups})[:MAX_GROUPS]
    places = [round(each.made_s / 60, 2) for each in recent]

    def value(window: Window | None, group: str) -> float | None:
        found = window.groups.get(group) if window is not None and window.known else None
        return None if found is None else found.s_per_min

    def line(group: str) -> BurdenLine:
        alarm = alarms.get(group)
        limit = alarm.body.limit if alarm is not None else None
        points = tuple(zip(places, (each.s_per_min.get(group) for each in recent), strict=True))
        return BurdenLine(
            group,
            condition_words(group),
            value(windows[0], group),
            value(windows[1], group),
            None if limit is None else limit.s_per_min,
            points,
            None if breathing is None else breathing.share_of_time(group),
        )

    return tuple(line(group) for group in groups)


def breath_line(bed: BedState, boot_id: str, recent: Sequence[Minute], now_s: float) -> BreathLine:
    """The respiratory rate now, if the running process of the node has published one within the last seconds."""
    latest = bed.breath
    points = tuple((round(each.made_s / 60, 2), each.per_min) for each in recent)
    if latest is None or latest.body.boot_id != boot_id or latest.age_s(now_s) >= BREATH_EXPIRY_S:
        return BreathLine(None, "the box sends none", "", points)
    if (now := latest.body.breaths_per_min) is None:
        return BreathLine(None, latest.body.why, "", points)
    known = [each.per_min for each in recent if each.per_min is not None and now_s - each.made_s < BEFORE_MIN * 60]
    change: Change = ""
    if len(known) >= BEFORE_MIN // 2:
        before = median(known)
        steady = max(STEADY_PER_MIN, STEADY_SHARE * before)
        change = "rising" if now > before + steady else "falling" if now < before - steady else "steady"
    return BreathLine(round(now), "irregular" if (latest.body.spread or 0.0) >= IRREGULAR else "", change, points)


def last_hour(bed: BedState, now_s: float) -> list[Minute]:
    """The minutes of the last hour, oldest first."""
    return [*takewhile(lambda each: now_s - each.made_s < HOUR_MINUTES * 60.0, reversed(bed.minutes))][::-1]


def missing_words(window: Window | None) -> str:
    """What most of the sound that was not measured was; empty where nearly all was measured."""
    causes = {} if window is None else {name: seconds for name, seconds in window.missing_s.items() if seconds > 0}
    if window is None or not causes or window.coverage > 0.95:
        return ""
    return max(causes, key=lambda name: causes[name]).replace("_", " ")


def contact_words(alarm: Latest[AlarmMessage] | None) -> str:
    """Whether the sensor touches: `yes`, `no`, or empty where it is not known."""
    if alarm is None or alarm.body.validity == "NA":
        return ""
    return "no" if alarm.body.presence else "yes"


def _line(condition: str, latest: Latest[AlarmMessage]) -> AlarmLine:
    body = latest.body

    def until_s(node_s: float | None) -> float | None:
        return None if node_s is None else latest.until_s(node_s)

    def who(person: Person | None) -> Operator | None:
        if person is None:
            return None
        return Operator(person.by, person.why, latest.at_s(person.at), until_s(person.until))

    since_s = latest.began_s if body.signal in ("On", "Ack") else latest.since_s  # who has seen it does not end it
    rate, burden = body.rate_limit, body.limit
    setter = rate.set if rate is not None else burden.set if burden is not None else None
    return AlarmLine(
        condition,
        condition_words(condition),
        body.kind,
        body.priority,
        body.signal,
        body.validity == "Vld",
        body.activation == "On",
        since_s,
        body.episode,
        rate.per_min if rate is not None else None if burden is None else burden.s_per_min,
        who(setter),
        who(body.acknowledged),
        who(body.inactivated),
        until_s(body.audio_paused_until),
    )


Level = Literal["alarm", "unknown", "latched", "waiting", "seen", "inactive", "quiet"]
"""alarm: signalled, unanswered. unknown: nobody can say how the bed is. latched: over, and nobody has seen it. waiting:
not measured, for less long than what makes an alarm of it. seen: lasts, acknowledged. inactive: a person has switched
its alarms off for a while. quiet: measured, and below its limits."""


@dataclass(frozen=True)
class Operator:
    """Who did something, and why."""

    by: str
    why: str
    at_s: float
    until_s: float | None = None


@dataclass(frozen=True)
class AlarmLine:
    """One alarm of a bed."""

    condition: str
    words: str
    kind: Kind
    priority: Priority
    signal: Signal
    is_known: bool
    """Whether its condition is measured now."""
    is_watched: bool
    """False: it has no limit, or a person has inactivated it."""
    since_s: float | None
    """Since it began, while it lasts; else since the signal is what it is."""
    episode: int | None
    limit: float | None
    """s/min, of a rate breaths/min; None: none, or technical."""
    limit_by: Operator | None
    seen_by: Operator | None
    off_by: Operator | None
    paused_until_s: float | None


@dataclass(frozen=True)
class BurdenLine:
    """The burden of one group of classes: seconds of sound in a measurable minute; None: unknown."""

    group: str
    words: str
    minutes_5: float | None
    hour: float | None
    limit: float | None
    points: tuple[tuple[float, float | None], ...]
    """Of the last hour, one a minute: (board's clock, minutes; s/min)."""
    of_breathing: tuple[float, float, float] | None
    """Share of the last hour's breathing time with such sounds, with its interval of 95 %."""


Change = Literal["rising", "falling", "steady", ""]
"""Of a rate against those of the minutes before; empty: too few of them are known."""


@dataclass(frozen=True)
class BreathLine:
    """The respiratory rate."""

    per_min: int | None
    """Breaths per minute; None: unknown now, whatever it was."""
    why: str
    """Why it is unknown, or that it is irregular; else empty."""
    change: Change
    points: tuple[tuple[float, float | None], ...]
    """As of a burden; breaths per minute."""


@dataclass(frozen=True)
class Tile:
    """One bed, or a node whose own alarms are signalled."""

    key: str
    site: str
    node: str
    stream: str
    """Empty: the node itself."""
    name: str
    """What it is called: the bed, or the node; where several have that name, with what distinguishes it."""
    level: Level
    kind: Kind | None
    """Of what it shows first: of the patient or of the monitoring; None if nothing is wrong."""
    priority: Priority | None
    words: str
    """What is wrong, at a glance."""
    detail: str
    since_s: float | None
    """Since when it is so."""
    before: str
    """Of an unknown bed: what was signalled when that was last known."""
    also: str
    """Of a known bed: what else is signalled, seen, over or inactivated, that of the patient first."""
    is_also_of_patient: bool
    """Whether any of that is of the patient."""
    sound: Priority | None
    """The burst that is to be played now."""
    is_test: bool
    """Whether nobody may be alarmed by it."""
    alarms: tuple[AlarmLine, ...]
    burdens: tuple[BurdenLine, ...]
    breath: BreathLine | None
    """None: of a node, or of a bed that nobody can say anything of."""
    coverage: float | None
    """Share of the last 5 min that was measured; None: unknown."""
    missing: str
    """What most of the rest was."""
    fault: str
    """What is wrong with the sound now; empty if nothing is known to be."""
    battery_percent: float | None
    contact: str
    """Whether the sensor touches: yes, no, or empty where it is not known."""
    heard_by: tuple[BedListener, ...]
    """Who listens to it now, through whatever board."""
    is_gone: bool
    """Whether a person may take it from the board: unknown, and silent for long."""
    order: tuple[int, bool, int, str]
    """Tiles are sorted by it: rank of urgency, whether nothing was signalled before, since when, name."""
