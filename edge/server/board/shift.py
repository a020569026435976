"""What a shift hands over: each bed's burden, coverage and alarms of the last hours. Pure, with a CSV of the same.

Not a record: it holds what the board itself has received since it was started, minute by minute, a day at most. What
was not measured, or not received, is missing coverage, never quiet.
"""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, pairwise
from statistics import median

from edge.server.board.latest import MAX_GROUPS, Episode, Minute
from edge.server.board.tiles import Tile, condition_words
from edge.server.board.ward import Ward
from edge.server.exports.tables import cell_text

MAX_HOURS = 24
SLOT_S = 900.0  # of the strip: a quarter of an hour
MINUTE_S = 60.0


@dataclass(frozen=True)
class Slot:
    """A segment of time of one bed."""

    start_s: float
    """Board's clock."""
    coverage: float
    """Measured seconds / elapsed seconds."""
    s_per_min: dict[str, float | None]
    """By group: mean over what was measured; None: unknown."""
    per_min: float | None
    """Median of the respiratory rates of its minutes; None: none was known."""


@dataclass(frozen=True)
class Rate:
    """Breaths per minute: minutes of which it was known, and of those."""

    median: float
    lowest: float
    highest: float
    known: float
    """Share of the hours in which it was known."""


@dataclass(frozen=True)
class Alarm(Episode):
    """An alarm of the hours."""

    words: str = ""
    """What was wrong."""


@dataclass(frozen=True)
class Shift:
    """One bed over the hours."""

    site: str
    node: str
    stream: str
    name: str
    """What the bed is called."""
    now: str
    """What it shows now."""
    coverage: float
    burden: dict[str, float | None]
    """By group, in words: mean over what was measured, s/min; None: unknown."""
    highest: dict[str, float | None]
    """The same: highest minute."""
    rate: Rate | None
    """None: unknown."""
    alarms: tuple[Alarm, ...]
    """Those that lasted in these hours, the latest first."""
    slots: tuple[Slot, ...]


BedReceived = tuple[Tile, tuple[Minute, ...], tuple[Episode, ...]]
"""Of a bed: what it shows now, its minutes and its alarms."""


def received_of(ward: Ward, tiles: Sequence[Tile]) -> list[BedReceived]:
    """What was received of every bed, in the order of their names: a copy, for another thread.

    Args:
        ward: what was received.
        tiles: what the screen shows now.
    """
    beds = sorted((tile for tile in tiles if tile.stream), key=lambda tile: (tile.site, tile.name, tile.node))
    states = [ward.nodes[tile.site, tile.node].beds[tile.stream] for tile in beds]
    return [(tile, tuple(s.minutes), tuple(s.episodes.values())) for tile, s in zip(beds, states, strict=True)]


def shifts_of(received: Sequence[BedReceived], hours: int, now_s: float) -> list[Shift]:
    """Every bed over the last hours.

    Args:
        received: as `received_of` gives it.
        hours: 1 to `MAX_HOURS`.
        now_s: on the board's clock.
    """
    return [_shift(each, hours * 3600.0, now_s) for each in received]


def to_csv(shifts: Sequence[Shift], epoch_s: float) -> str:
    """A row for each bed and quarter of an hour of which something was received; what is unknown is empty.

    Args:
        shifts: of the beds.
        epoch_s: seconds since 1970 at 0 of the board's clock.
    """
    groups = sorted({group for shift in shifts for slot in shift.slots for group in slot.s_per_min})
    out = io.StringIO()
    writer = csv.writer(out)
    figures = ["coverage", *(f"{group}_s_per_min" for group in groups), "breaths_per_min", "alarms", "acknowledged"]
    writer.writerow(["site", "node", "bed", "begin", *figures])
    for shift in shifts:
        names = [cell_text(each) for each in (shift.site, shift.node, shift.stream)]
        for slot in shift.slots:
            seen_s = [each.seen_s for each in shift.alarms if each.seen_s is not None]
            times_s = [each.began_s for each in shift.alarms], seen_s
            counts = [sum(slot.start_s < at_s <= slot.start_s + SLOT_S for at_s in each) for each in times_s]
            if not slot.coverage and not any(counts):
                continue
            begin = datetime.fromtimestamp(round(epoch_s + slot.start_s)).astimezone().isoformat()
            values = [*(slot.s_per_min.get(group) for group in groups), slot.per_min]
            cells = ["" if value is None else f"{value:.2f}" for value in values]
            writer.writerow([*names, begin, f"{slot.coverage:.3f}", *cells, *counts])
    return out.getvalue()


def slots_of(minutes: Sequence[Minute], begin_s: float, count: int, slot_s: float) -> tuple[Slot, ...]:
    """What was measured, and the burden of that, in each of `count` slots from `begin_s` on."""
    groups, inside = groups_of(minutes), [list[tuple[Minute, float]]() for _ in range(count)]
    for minute, weight in _weighed(minutes, begin_s):
        index = math.ceil((minute.made_s - begin_s) / slot_s) - 1
        if 0 <= index < count:
            inside[index].append((minute, weight))

    def slot(index: int) -> Slot:
        coverage = min(1.0, sum(weight for _, weight in inside[index]) / slot_s)
        rates = [minute.per_min for minute, _ in inside[index] if minute.per_min is not None]
        burdens = {group: _mean(group, inside[index]) for group in groups}
        return Slot(begin_s + index * slot_s, coverage, burdens, median(rates) if rates else None)

    return tuple(slot(index) for index in range(count))


def groups_of(minutes: Iterable[Minute]) -> list[str]:
    """The groups of classes that most of the minutes have, by name."""
    found = Counter(chain.from_iterable(each.s_per_min for each in minutes))
    return sorted(name for name, _ in found.most_common(MAX_GROUPS))


def _shift(of_bed: BedReceived, length_s: float, now_s: float) -> Shift:
    tile, received, episodes = of_bed
    begin_s = now_s - length_s
    lasted = [each for each in episodes if each.over_s is None or each.over_s > begin_s]
    lasted.sort(key=lambda each: -each.began_s)
    minutes = [each for each in received if each.made_s > begin_s]
    groups = groups_of(minutes)
    weighed = _weighed(minutes, begin_s)
    values = {group: [each.s_per_min.get(group) for each in minutes] for group in groups}
    return Shift(
        tile.site,
        tile.node,
        tile.stream,
        tile.name,
        tile.words,
        min(1.0, sum(w for _, w in weighed) / length_s),
        {condition_words(group): _mean(group, weighed) for group in groups},
        {condition_words(g): max((v for v in found if v is not None), default=None) for g, found in values.items()},
        _rate(minutes, length_s),
        tuple(Alarm(**vars(each), words=condition_words(each.condition)) for each in lasted),
        slots_of(minutes, begin_s, round(length_s / SLOT_S), SLOT_S),
    )


def _rate(minutes: Sequence[Minute], length_s: float) -> Rate | None:
    """Of the minutes in which it was known."""
    known = [each.per_min for each in minutes if each.per_min is not None]
    if not known:
        return None
    return Rate(median(known), min(known), max(known), min(1.0, len(known) * MINUTE_S / length_s))


def _weighed(minutes: Sequence[Minute], begin_s: float) -> list[tuple[Minute, float]]:
    """The minutes after `begin_s`, each with the seconds of it that were measured."""
    later = [each for each in minutes if each.made_s > begin_s]
    ends_s = [begin_s, *(each.made_s for each in later)]
    spans_s = [min(MINUTE_S, after - before) for before, after in pairwise(ends_s)]
    return [(each, each.coverage * span_s) for each, span_s in zip(later, spans_s, strict=True)]


def _mean(group: str, weighed: Sequence[tuple[Minute, float]]) -> float | None:
    """Burden of a group over what was measured; None: unknown."""
    known = [(value, weight) for each, weight in weighed if (value := each.s_per_min.get(group)) is not None]
    total = sum(weight for _, weight in known)
    return sum(value * weight for value, weight in known) / total if total else None
