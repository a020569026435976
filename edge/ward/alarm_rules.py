"""The rules of one alarm, from state and input to what changes, and its history made short. Pure, on a virtual clock.

Not for many alarms or commands by name (`edge.ward.alarms`). After IEC 60601-1-8:

    Off   --present for delay_s-->  On   (episode + 1; the same, and Ack, if it returns soon and was acknowledged)
    On    --cleared-->              Latch if latching or of high priority, else Off
    On    --acknowledged-->         Ack
    Ack   --cleared-->              Off
    Latch --acknowledged-->         Off
    Latch --present for delay_s-->  On
    any   --inactivated-->          Off, until the time is over; what is present then is raised anew

A signal that nobody has answered for `escalate_s` has a priority one higher. The time counts from the first On of the
episode, through every coming and going, and in Latch too, until a person acknowledges it; while it is Off nothing is
signalled, so it escalates as soon as it returns. A pause of the sound is no answer.

A burden's condition is present from its limit on and over below `HYSTERESIS` of it, a rate's at its limit and beyond.
What is not known (None) changes no presence, so it can neither raise nor clear anything: a person must look. Times are
seconds.

In the history what comes again and changes no signal becomes one record with a count (`folded`). Whatever changes a
signal, an episode or a priority stays as it was. Between two such changes of an alarm, of each cause and person the
last record stays: it says how many there were, and since when. So whoever pauses a signal a thousand times writes one
line of history, and what was before it stays.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from edge.contract.fields import Priority, Signal
from edge.ward.alarm_records import (
    PRIORITIES,
    AlarmState,
    BedLimit,
    Cause,
    Key,
    Person,
    Record,
    Rule,
    Transition,
    Value,
)

HYSTERESIS = 0.7  # share of the limit; a burden that swings about its limit is one episode


@dataclass(frozen=True, slots=True)
class Change:
    """One step of an alarm."""

    cause: Cause
    state: AlarmState
    by: Person | None = None


def effective_limit(rule: Rule, state: AlarmState) -> float | None:
    """Where the condition begins: burden, s/min, or rate, breaths/min; None: not watched, or not physiological."""
    if state.limit is None:
        return rule.limit
    return state.limit.per_min if rule.rate else state.limit.s_per_min


def priority_of(rule: Rule, state: AlarmState) -> Priority:
    """The present priority, one higher after an escalation."""
    return PRIORITIES[min(PRIORITIES.index(rule.priority) + state.escalated, len(PRIORITIES) - 1)]


def is_watched(rule: Rule, state: AlarmState) -> bool:
    """Whether the alarm can be raised at all; a physiological one needs a limit."""
    return rule.kind == "Tec" or rule.is_binary or effective_limit(rule, state) is not None


def is_audible(state: AlarmState) -> bool:
    """Whether it is audible now."""
    return state.signal in ("On", "Latch") and state.paused_until_s is None


def advance(rule: Rule, state: AlarmState, now_s: float, value: Value) -> list[Change]:
    """What changes with a measurement and with the time.

    Args:
        rule: of this alarm.
        state: the present one.
        now_s: the time, not before the last one.
        value: burden, rate or presence; None, or not finite, is unknown.
    """
    changes = _observe(rule, state, now_s, None if value is not None and not math.isfinite(value) else value)
    return changes + _tick(rule, changes[-1].state if changes else state, now_s)


def acknowledge(state: AlarmState, person: Person) -> list[Change]:
    """A person has seen the signal; nothing changes where there is none, or it was acknowledged before."""
    if state.signal not in ("On", "Latch"):
        return []
    to: Signal = "Ack" if state.signal == "On" else "Off"
    after = _signalled(state, to, person.at_s, acknowledged=person, unanswered_since_s=None)
    return [Change("acknowledged", after, person)]


def pause(state: AlarmState, duration_s: float, person: Person) -> list[Change]:
    """The audible signal is silent for a while, if there is one; what is raised meanwhile is audible."""
    if state.signal not in ("On", "Latch"):
        return []
    return [Change("audio paused", _changed(state, paused_until_s=person.at_s + duration_s), person)]


def inactivate(state: AlarmState, duration_s: float, person: Person) -> list[Change]:
    """No signal for a while; 0 s ends that early. A condition that is present afterwards is a new episode."""
    if duration_s <= 0:
        ended = _changed(state, inactive_until_s=None, inactivated=None)
        return [Change("reactivated", ended, person)] if state.inactive_until_s is not None else []
    after = _signalled(
        state,
        "Off",
        person.at_s,
        cleared_s=None,
        acknowledged=None,
        escalated=False,
        unanswered_since_s=None,
        inactive_until_s=person.at_s + duration_s,
        inactivated=person,
    )
    return [Change("inactivated", after, person)]


def set_limit(state: AlarmState, limit: float | None, person: Person, is_rate: bool = False) -> list[Change]:
    """Another limit for this bed, s/min, of a rate breaths/min; None: that of the settings.

    It is judged with the next measurement.
    """
    if limit is None:
        return [] if state.limit is None else [Change("limit unset", _changed(state, limit=None), person)]
    own = BedLimit(None, person, limit) if is_rate else BedLimit(limit, person)
    return [Change("limit set", _changed(state, limit=own), person)]


def new_patient(rule: Rule, state: AlarmState, now_s: float) -> list[Change]:
    """Another patient: what was signalled or set of the one before is gone; what lasts is found anew.

    Of the monitoring only what was latched or inactivated ends: a sensor that is loose stays so.
    """
    if rule.kind == "Phy":
        return [Change("new patient", AlarmState(rev=state.rev + 1, episode=state.episode, since_s=now_s))]
    if state.signal != "Latch" and state.inactive_until_s is None:
        return []
    ended = {"inactive_until_s": None, "inactivated": None, "unanswered_since_s": None, "escalated": False}
    return [Change("new patient", _signalled(state, "Off", now_s, **ended))]


def _observe(rule: Rule, state: AlarmState, now_s: float, value: Value) -> list[Change]:
    if not is_watched(rule, state):
        if state.signal == "Off" and not state.presence and not state.known:
            return []
        off = _signalled(state, "Off", now_s, known=False, presence=False, cleared_s=None, unanswered_since_s=None)
        return [Change("no limit", off)]
    changes = []
    if (value is not None) != state.known:
        state = _changed(state, known=value is not None)
        changes.append(Change("known" if state.known else "unknown", state))
    present = _is_present(rule, state, value)
    if present and not state.presence:
        changes.append(Change("present", _changed(state, presence=True, present_since_s=now_s)))
    elif state.presence and not present:
        changes.append(Change("cleared", _cleared(rule, state, now_s)))
    return changes


def _is_present(rule: Rule, state: AlarmState, value: Value) -> bool:
    if value is None:
        return state.presence
    limit = effective_limit(rule, state)
    if rule.kind == "Tec" or limit is None:
        return bool(value)
    if rule.rate:
        return value >= limit if rule.rate == "high" else value <= limit
    return value >= limit * (HYSTERESIS if state.presence else 1.0)


def _cleared(rule: Rule, state: AlarmState, now_s: float) -> AlarmState:
    if state.signal in ("Off", "Latch"):  # it was not signalled yet
        return _changed(state, presence=False)
    stays = rule.latching or priority_of(rule, state) == "Hi"  # nobody may miss a high one
    to: Signal = "Latch" if state.signal == "On" and stays else "Off"
    paused_until_s = state.paused_until_s if to == "Latch" else None
    return replace(_signalled(state, to, now_s, presence=False, cleared_s=now_s), paused_until_s=paused_until_s)


def _tick(rule: Rule, state: AlarmState, now_s: float) -> list[Change]:
    changes = []

    def note(cause: Cause, after: AlarmState) -> AlarmState:
        changes.append(Change(cause, after))
        return after

    # What is over ends first: a condition that lasts is then raised by the same tick.
    if state.inactive_until_s is not None and now_s >= state.inactive_until_s:
        state = note("reactivated", _changed(state, inactive_until_s=None, inactivated=None))
    if state.paused_until_s is not None and now_s >= state.paused_until_s:
        state = note("audio resumed", _changed(state, paused_until_s=None))
    is_due = state.presence and state.signal in ("Off", "Latch") and now_s - state.present_since_s >= rule.delay_s
    if is_due and state.inactive_until_s is None:
        state = _raised(rule, state, now_s)
        note("raised" if state.signal == "On" else "returned", state)
    if _must_escalate(rule, state, now_s):
        note("escalated", _changed(state, escalated=True, paused_until_s=None))
    return changes


def _raised(rule: Rule, state: AlarmState, now_s: float) -> AlarmState:
    """The signal of a condition that has lasted for its delay."""
    # What returns later than `group_s` after it was over is a new episode, with nothing of the old one.
    if state.cleared_s is None or state.present_since_s - state.cleared_s >= rule.group_s:
        return _signalled(
            state,
            "On",
            now_s,
            episode=state.episode + 1,
            began_s=now_s,
            acknowledged=None,
            escalated=False,
            unanswered_since_s=now_s,
        )
    is_settled = state.acknowledged is not None and priority_of(rule, state) != "Hi"  # a high one is never held back
    return _signalled(state, "Ack" if is_settled else "On", now_s)


def _must_escalate(rule: Rule, state: AlarmState, now_s: float) -> bool:
    if rule.escalate_s is None or state.signal not in ("On", "Latch") or state.escalated or rule.priority == "Hi":
        return False
    since_s = state.since_s if state.unanswered_since_s is None else state.unanswered_since_s  # None: of an old log
    return now_s - since_s >= rule.escalate_s


def _signalled(state: AlarmState, signal: Signal, now_s: float, **changed: object) -> AlarmState:
    """Another signal; a pause was of the one before."""
    return _changed(state, signal=signal, since_s=now_s, paused_until_s=None, **changed)


def _changed(state: AlarmState, **changed: object) -> AlarmState:
    return replace(state, rev=state.rev + 1, **changed)  # type: ignore[arg-type]


MOST_PEOPLE = 8  # of one alarm between two changes of its signal who are counted apart; a name is what a sender writes


def folded(records: Iterable[Record]) -> list[Record]:
    """The same history, shorter.

    Args:
        records: oldest first, none of them twice; folded ones may be among them.

    Returns:
        Oldest first. Of commands only those that made a clip: what all others changed, the transitions say.
    """
    found: dict[int, Record] = {}
    before: dict[Key, Transition] = {}
    runs: dict[Key, dict[tuple[str, ...], int]] = {}
    for number, record in enumerate(records):
        found[number] = record
        if not isinstance(record, Transition):
            if not record.answer.clip:
                del found[number]
            continue
        last, before[record.key] = before.get(record.key), record
        run = runs.setdefault(record.key, {})
        if last is None or changes_signal(last, record):
            run.clear()
            continue
        kind = _kind(record, run)
        if kind in run:
            earlier = found.pop(run[kind])
            assert isinstance(earlier, Transition), "a run holds transitions"
            first_s = earlier.at_s if earlier.first_s is None else earlier.first_s
            found[number] = replace(record, repeats=earlier.repeats + 1 + record.repeats, first_s=first_s)
        run[kind] = number
    return list(found.values())


def signals_alone(records: Iterable[Record]) -> list[Record]:
    """What is left where not even the folded history has room: each change of a signal."""
    before: dict[Key, Transition] = {}
    found: list[Record] = []
    for record in records:
        if isinstance(record, Transition):
            last, before[record.key] = before.get(record.key), record
            if last is None or changes_signal(last, record):
                found.append(record)
    return found


def beyond(records: Iterable[Record], older: Sequence[Record]) -> list[Record]:
    """Those records that are not in an older part of the same history already, folded or not."""
    last = {each.key: each for each in older if isinstance(each, Transition)}
    known = {each for each in older if not isinstance(each, Transition)}
    return [each for each in records if not (_is_in(each, last) if isinstance(each, Transition) else each in known)]


def changes_signal(last: Transition, record: Transition) -> bool:
    """Whether a person sees or hears another signal since."""
    was, now = last.state, record.state
    return (was.signal, was.episode, last.priority) != (now.signal, now.episode, record.priority)


def _is_in(record: Transition, last: dict[Key, Transition]) -> bool:
    """By its `rev`, which only grows; by its time, too, for after a disk that took nothing one may come again."""
    found = last.get(record.key)
    return found is not None and record.state.rev <= found.state.rev and record.at_s <= found.at_s


def _kind(record: Transition, run: dict[tuple[str, ...], int]) -> tuple[str, ...]:
    """What it says: cause, who and why; where too many people do the same, the cause alone."""
    by = record.by
    kind = (record.cause,) if by is None else (record.cause, by.by, by.why)
    return kind if kind in run or len(run) < MOST_PEOPLE else (record.cause,)
