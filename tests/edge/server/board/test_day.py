"""The last 24 hours of a bed: what is unknown is no zero."""

from __future__ import annotations

from edge.server.board.bed_history import SLOT_S, day_of
from edge.server.board.latest import BedState, Minute

NOW_S = 200_000.0


def test_slots_end_now_and_what_was_not_heard_is_unknown() -> None:
    bed = BedState()
    for ago in (10, 9, 8, 7, 6):
        bed.minutes.append(Minute(NOW_S - 60.0 * ago, 1.0, {"continuous": 4.0, "discontinuous": None}))
    day = day_of(bed, NOW_S)
    assert (len(day.slots), day.slots[-1].start_s + SLOT_S) == (288, NOW_S)
    known = [(index, slot) for index, slot in enumerate(day.slots) if slot.coverage > 0]
    assert {index for index, _ in known} <= {285, 286}
    assert {slot.s_per_min["continuous"] for _, slot in known} == {4.0}
    assert {slot.s_per_min["discontinuous"] for slot in day.slots} == {None}
    assert day.slots[0].s_per_min["continuous"] is None


def test_a_bed_of_which_nothing_was_heard_has_no_groups_and_no_coverage() -> None:
    day = day_of(BedState(), NOW_S)
    assert (day.groups, {slot.coverage for slot in day.slots}) == ((), {0.0})
