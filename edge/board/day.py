"""The last 24 hours of one bed: burden and coverage in slots of five minutes. Pure.

Not a record (`edge.board.shift` hands over the same): what the board has heard since it was started. A slot of which
nothing was heard, or nothing measured, is unknown, never quiet.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.board.kept import BedState
from edge.board.lines import condition_words
from edge.board.shift import MAX_HOURS, Slot, groups_of, slots_of

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
    limits = {name: kept.body.limit for name, kept in bed.alarms.items()}
    found = [(name, limits.get(name)) for name in groups_of(bed.minutes)]
    groups = tuple(Group(n, condition_words(n), None if limit is None else limit.s_per_min) for n, limit in found)
    return Day(now_s, SLOT_S, groups, slots_of(bed.minutes, now_s - count * SLOT_S, count, SLOT_S))
