"""The alarms and burdens of a bed in words and numbers for a person. Pure.

Not for how urgent a bed is (`edge.board.ward_view`). The words are those of the ward for the names of the contract; a
name that is not known is shown as it came.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from edge.board.kept import MAX_GROUPS, Alarms, BedState, Kept
from edge.board.tile import AlarmLine, BurdenLine, Who
from edge.board.urgency import order_of
from edge.contract.alarms import AlarmMessage, Person
from edge.contract.fields import Signal
from edge.contract.trend import Window

HOUR_MINUTES = 60
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
SAID: dict[Signal, str] = {"On": "", "Latch": " over", "Ack": " seen"}  # of an alarm beside another


def condition_words(condition: str) -> str:
    """A condition as a nurse calls it."""
    return WORDS.get(condition, condition.replace("-", " ").replace("_", " "))


def alarm_lines(alarms: Alarms) -> list[AlarmLine]:
    """All alarms of a bed, most urgent first."""
    return sorted((_line(name, kept) for name, kept in alarms.items()), key=order_of)


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
    said = [(f"{line.words}{SAID[line.signal]}", line) for line in lines if line.signal != "Off"]
    rest = [(words, line.kind) for words, line in (*said, *off_words(lines)) if line.condition != shown]
    rest.sort(key=lambda each: each[1] == "Tec")
    return " · ".join(words for words, _ in rest), any(kind == "Phy" for _, kind in rest)


def burden_lines(
    bed: BedState, alarms: Alarms, windows: tuple[Window | None, Window | None], now_s: float
) -> tuple[BurdenLine, ...]:
    """The burden of each group of the last trend over 5 min, 1 h, and minute by minute over the last hour.

    Args:
        bed: what was heard of it.
        alarms: those that count.
        windows: of 5 min and of an hour, None where there is none that counts.
        now_s: on the board's clock.
    """
    last = () if bed.trend is None else bed.trend.body.windows
    groups = sorted({name for window in last for name in window.groups})[:MAX_GROUPS]
    recent = [*takewhile(lambda each: now_s - each.made_s < HOUR_MINUTES * 60.0, reversed(bed.minutes))][::-1]
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
        )

    return tuple(line(group) for group in groups)


def missing_words(window: Window | None) -> str:
    """What most of the sound that was not measured was; empty where nearly all was measured."""
    causes = {} if window is None else {name: seconds for name, seconds in window.missing_s.items() if seconds > 0}
    if window is None or not causes or window.coverage > 0.95:
        return ""
    return max(causes, key=lambda name: causes[name]).replace("_", " ")


def contact_words(alarm: Kept[AlarmMessage] | None) -> str:
    """Whether the sensor touches: `yes`, `no`, or empty where nobody can tell."""
    if alarm is None or alarm.body.validity == "NA":
        return ""
    return "no" if alarm.body.presence else "yes"


def _line(condition: str, kept: Kept[AlarmMessage]) -> AlarmLine:
    body = kept.body

    def until_s(node_s: float | None) -> float | None:
        return None if node_s is None else kept.until_s(node_s)

    def who(person: Person | None) -> Who | None:
        return None if person is None else Who(person.by, person.why, kept.at_s(person.at), until_s(person.until))

    since_s = kept.began_s if body.signal in ("On", "Ack") else kept.since_s  # who has seen it does not end it
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
        None if body.limit is None else body.limit.s_per_min,
        None if body.limit is None else who(body.limit.set),
        who(body.acknowledged),
        who(body.inactivated),
        until_s(body.audio_paused_until),
    )
