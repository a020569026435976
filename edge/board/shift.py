"""What a shift hands over: each bed's burden, coverage and alarms of the last hours. Pure, with a CSV of the same.

Not a record: it holds what the board itself has heard since it was started, minute by minute, a day at most. What was
not measured, or not heard, is missing coverage, never quiet.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from edge.board.lines import condition_words
from edge.board.tile import Tile
from edge.board.ward_state import BedState, Ward

MAX_HOURS = 24
SLOT_S = 900.0  # of the strip: a quarter of an hour
MINUTE_S = 60.0


@dataclass(frozen=True)
class Slot:
    """A quarter of an hour of one bed."""

    start_s: float
    """Board's clock."""
    coverage: float
    """Measured seconds / elapsed seconds."""
    s_per_min: dict[str, float | None]
    """By group: mean over what was measured; None: unknown."""


@dataclass(frozen=True)
class Shift:
    """One bed over the hours."""

    site: str
    node: str
    stream: str
    now: str
    """What it shows now."""
    coverage: float
    burden: dict[str, float | None]
    """By group, in words: mean over what was measured, s/min; None: unknown."""
    highest: dict[str, float | None]
    """The same: highest minute."""
    slots: tuple[Slot, ...]


def shifts_of(ward: Ward, tiles: Sequence[Tile], hours: int, now_s: float) -> list[Shift]:
    """Every bed over the last hours, in the order of their names.

    Args:
        ward: what was heard.
        tiles: what the screen shows now.
        hours: 1 to `MAX_HOURS`.
        now_s: on the board's clock.
    """
    beds = sorted((tile for tile in tiles if tile.stream), key=lambda tile: (tile.site, tile.stream, tile.node))
    states = [ward.nodes[tile.site, tile.node].beds[tile.stream] for tile in beds]
    return [_shift(tile, bed, hours * 3600.0, now_s) for tile, bed in zip(beds, states, strict=True)]


def to_csv(shifts: Sequence[Shift]) -> str:
    """A row for each bed and quarter of an hour; burdens that are unknown are empty."""
    groups = sorted({group for shift in shifts for slot in shift.slots for group in slot.s_per_min})
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["site", "node", "bed", "minutes_ago", "coverage", *(f"{group}_s_per_min" for group in groups)])
    for shift in shifts:
        names = [_harmless(each) for each in (shift.site, shift.node, shift.stream)]
        for index, slot in enumerate(shift.slots):
            ago_min = round((len(shift.slots) - index) * SLOT_S / MINUTE_S)
            values = [slot.s_per_min.get(group) for group in groups]
            figures = ["" if value is None else f"{value:.2f}" for value in values]
            writer.writerow([*names, ago_min, f"{slot.coverage:.3f}", *figures])
    return out.getvalue()


def _shift(tile: Tile, bed: BedState, length_s: float, now_s: float) -> Shift:
    begin_s = now_s - length_s
    minutes = [each for each in bed.minutes if each.made_s > begin_s]
    groups = sorted({group for each in minutes for group in each.s_per_min})
    ends_s = [begin_s, *(each.made_s for each in minutes)]
    spans_s = [min(MINUTE_S, after - before) for before, after in pairwise(ends_s)]
    weights = [
        (each, each.coverage * span_s) for each, span_s in zip(minutes, spans_s, strict=True)
    ]  # measured seconds

    def mean(chosen: Sequence[tuple[float | None, float]]) -> float | None:
        known = [(value, weight) for value, weight in chosen if value is not None]
        total = sum(weight for _, weight in known)
        return sum(value * weight for value, weight in known) / total if total else None

    def slot(start_s: float) -> Slot:
        inside = [pair for pair in weights if start_s < pair[0].made_s <= start_s + SLOT_S]
        coverage = min(1.0, sum(weight for _, weight in inside) / SLOT_S)
        means = {group: mean([(each.s_per_min.get(group), weight) for each, weight in inside]) for group in groups}
        return Slot(start_s, coverage, means)

    values = {group: [each.s_per_min.get(group) for each in minutes] for group in groups}
    return Shift(
        tile.site, tile.node, tile.stream, tile.words, min(1.0, sum(w for _, w in weights) / length_s),
        {condition_words(g): mean([(each.s_per_min.get(g), w) for each, w in weights]) for g in groups},
        {condition_words(g): max((v for v in found if v is not None), default=None) for g, found in values.items()},
        tuple(slot(begin_s + index * SLOT_S) for index in range(round(length_s / SLOT_S))),
    )  # fmt: skip


def _harmless(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text
