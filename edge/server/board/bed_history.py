"""The last 24 hours of one bed: its events and pauses; burden and coverage in slots of five minutes. Pure.

Not for marks in the live picture (`edge.server.board.bed_feed`). What the board has received is gone when it starts
again; events that have a clip or a label are then known from these.

Not a record (`edge.server.board.shift` hands over the same): it begins when the board starts. A slot of
which nothing was received, or nothing measured, is unknown, never quiet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge.contract.fields import seconds_of
from edge.contract.pauses import PauseMessage
from edge.contract.topics import Address
from edge.server.board.labels import EventFacts, Label, Labels
from edge.server.board.latest import BedState, StoredEvent
from edge.server.board.shift import MAX_HOURS, Slot, groups_of, slots_of
from edge.server.board.tiles import condition_words

if TYPE_CHECKING:
    from edge.clips.clip import ClipEvent, ClipFile

MOST_ROWS = 200  # shown, the latest


@dataclass(frozen=True)
class EventRow:
    """One event of the list."""

    event: EventFacts
    is_open: bool
    """It may still sound."""
    is_test: bool
    has_clip: bool
    """Whether its clip can be shown and played."""
    clip_words: str
    """Why not, for a person."""
    said: Label | None
    """What a person said of it last."""


@dataclass(frozen=True)
class PauseRow:
    """One pause of breath of the list."""

    id: str
    time: float
    """Of the onset, seconds since 1970 on the node's clock."""
    length_s: float | None
    """None: it lasts, or nobody knows."""
    words: str
    """What it is, for a person: without evidence of contact, that nobody knows whether it is the patient."""
    is_open: bool
    """No end was published."""
    is_cut: bool
    """No sound came after it: it may have been longer."""
    is_test: bool


def pause_rows_of(pauses: Iterable[PauseMessage]) -> list[PauseRow]:
    """The pauses of a bed, the latest `MOST_ROWS`, as they were published last."""
    latest = sorted(pauses, key=lambda pause: (-pause.at_s, pause.id))[:MOST_ROWS]
    return [
        PauseRow(
            pause.id,
            pause.at_s,
            None if (end := pause.sample.end) is None else (end - pause.sample.onset) / pause.sample.rate,
            condition_words("breath-pause" if pause.contact else "no-breath"),
            pause.type == "onset",
            pause.end_reason in ("lost_sound", "stream_end"),
            pause.mode == "Test",
        )
        for pause in latest
    ]


def rows_of(
    address: Address, sounds: Iterable[StoredEvent], clips: Mapping[str, ClipFile], labels: Labels, why_no_clips: str
) -> list[EventRow]:
    """The list of a bed, the latest first.

    Args:
        address: the bed.
        sounds: what was received of it.
        clips: that are there, of any bed.
        labels: of all beds.
        why_no_clips: why there are none; empty: the folder was read.
    """
    by_id = {sound.id: sound for sound in sounds}
    facts = {label.event.id: label.event for label in labels.all() if label.place == address}
    held: dict[str, str] = {}  # id of the clip by that of the event
    for about in clips.values():
        hearing = about.hearing
        if Address(hearing.site, hearing.node, hearing.stream) == address:
            facts |= {event.id: of_clip(event, about) for event in about.events}
            held |= {event.id: about.id for event in about.events}
    facts |= {sound.id: _of_sound(sound, held.get(sound.id, sound.clip)) for sound in by_id.values()}

    def row(event: EventFacts) -> EventRow:
        sound, has_clip = by_id.get(event.id), event.clip in clips
        why = "" if has_clip else _why_none(event, sound, why_no_clips)
        is_open, is_test = (sound.is_open, sound.is_test) if sound is not None else (False, False)
        return EventRow(event, is_open, is_test, has_clip, why, labels.of(event.id))

    latest = sorted(facts.values(), key=lambda event: (-event.time, event.id))[:MOST_ROWS]
    return [row(event) for event in latest]


def of_clip(event: ClipEvent, about: ClipFile) -> EventFacts:
    """An event as the clip that holds it knows it."""
    rate_hz = about.hearing.rate_hz
    time = seconds_of(about.begin_time) + (event.onset - about.start) / rate_hz
    length_s = None if event.end is None else (event.end - event.onset) / rate_hz
    return EventFacts(event.id, event.label, time, length_s, event.peak, event.threshold, about.id)


def _of_sound(sound: StoredEvent, clip: str) -> EventFacts:
    length_s = None if sound.end_s is None or sound.is_open else sound.end_s - sound.begin_s
    return EventFacts(sound.id, sound.label, sound.time, length_s, sound.peak, sound.threshold, clip)


def _why_none(event: EventFacts, sound: StoredEvent | None, why_no_clips: str) -> str:
    if sound is not None and sound.clip_lost:
        return sound.clip_lost
    if why_no_clips:
        return why_no_clips
    return "its clip is not here yet, or no more" if event.clip else "no clip was kept"


SLOT_S = 300.0


@dataclass(frozen=True)
class Group:
    """One group of classes."""

    name: str
    words: str
    limit: float | None
    """s/min, as it is now; None: none."""


@dataclass(frozen=True)
class Day:
    """What the page of a bed draws."""

    now_s: float
    """Board's clock, as the slots."""
    slot_s: float
    groups: tuple[Group, ...]
    slots: tuple[Slot, ...]
    """The oldest first; the last ends now."""


def day_of(bed: BedState, now_s: float) -> Day:
    """The last 24 hours of a bed, `now_s` on the board's clock."""
    count = round(MAX_HOURS * 3600 / SLOT_S)
    limits = {name: latest.body.limit for name, latest in bed.alarms.items()}
    found = [(name, limits.get(name)) for name in groups_of(bed.minutes)]
    groups = tuple(Group(n, condition_words(n), None if limit is None else limit.s_per_min) for n, limit in found)
    return Day(now_s, SLOT_S, groups, slots_of(bed.minutes, now_s - count * SLOT_S, count, SLOT_S))
