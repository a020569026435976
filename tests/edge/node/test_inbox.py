"""What waits between the thread that reads and the one that scores: nothing is lost without a gap."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.node.inbox import LIMIT_S, MOST_GAPS, OVERLOAD, End, Inbox, Item
from edge.types import Block, Gap

RATE_HZ = 100


def block(start: int, count: int = 10) -> Block:
    return Block(start, np.arange(start, start + count, dtype=np.float32), np.ones(count, np.bool_))


def reported(items: list[Item]) -> list[object]:
    """Blocks as (start, stop), gaps and ends as they are."""
    return [(item.start, item.stop) if isinstance(item, Block) else item for item in items]


def filled(*items: Item) -> Inbox:
    inbox = Inbox(RATE_HZ)
    for item in items:
        inbox.put(item)
    return inbox


def test_blocks_that_follow_each_other_come_out_as_one_with_the_same_samples() -> None:
    inbox = filled(block(0), block(10), block(30), Gap(40, 50, "device lost"), block(50), End())
    assert inbox.waiting == 40
    taken = inbox.take()
    assert reported(taken) == [(0, 20), (30, 40), Gap(40, 50, "device lost"), (50, 60), End()]
    assert isinstance(taken[0], Block)
    assert taken[0].samples.tolist() == list(range(20))
    assert (inbox.take(), inbox.waiting, inbox.is_over) == ([], 0, True)


def test_what_does_not_fit_is_one_gap_that_is_told_when_sound_is_taken_again() -> None:
    full = round(LIMIT_S * RATE_HZ)
    inbox = filled(block(0, full))
    assert inbox.is_full
    for start in range(full, full + 50, 10):
        inbox.put(block(start))
    assert reported(inbox.take()) == [(0, full)]
    inbox.put(block(full + 50))
    assert reported(inbox.take()) == [Gap(full, full + 50, OVERLOAD, restart=True), (full + 50, full + 60)]


def test_a_stream_that_rests_loses_what_waits_and_what_comes_and_then_is_heard_again() -> None:
    inbox = filled(block(0), block(10))
    inbox.shed(0.3)
    for start in (20, 30, 40, 50):
        inbox.put(block(start))
    assert inbox.waiting == 10
    assert reported(inbox.take()) == [Gap(0, 50, OVERLOAD, restart=True), (50, 60)]


def test_gaps_of_the_source_keep_their_cause_and_place_and_the_end_is_never_lost() -> None:
    inbox = filled(block(0), Gap(10, 20, "device lost"), block(20), End("gone"))
    inbox.shed(9.0)
    left_out = [Gap(0, 10, OVERLOAD, restart=True), Gap(10, 20, "device lost"), Gap(20, 30, OVERLOAD, restart=True)]
    assert reported(inbox.take()) == [*left_out, End("gone")]


def test_a_device_that_restarts_all_the_time_does_not_fill_the_memory() -> None:
    inbox = filled(*(Gap(k, k + 1, "device restarted", restart=k % 2 == 0) for k in range(3 * MOST_GAPS)))
    taken = inbox.take()
    assert len(taken) == MOST_GAPS
    assert isinstance(taken[-1], Gap)
    assert (taken[-1].stop, taken[-1].restart) == (3 * MOST_GAPS, True)


def test_a_closed_inbox_keeps_nothing() -> None:
    inbox = filled(block(0))
    inbox.close()
    assert (inbox.take(), inbox.waiting, inbox.is_over) == ([], 0, True)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(["block", "gap", "take", "rest", "jump"]), max_size=80))
def test_every_sample_comes_out_as_sound_or_in_a_gap_exactly_once(steps: list[str]) -> None:
    inbox, at, jumped, taken = Inbox(RATE_HZ), 0, 0, list[Item]()
    for step in steps:
        if step == "take":
            taken += inbox.take()
        elif step == "rest":
            inbox.shed(0.5)
        elif step == "jump":
            at, jumped = at + 7, jumped + 7
        else:
            inbox.put(block(at, 60) if step == "block" else Gap(at, at + 60, "device lost"))
            at += 60
        assert inbox.waiting <= LIMIT_S * RATE_HZ + 60
    inbox.put(End())
    *items, end = taken + inbox.take()
    spans = [(item.start, item.stop) for item in items if not isinstance(item, End)]
    assert end == End()
    assert all(stop <= start for (_, stop), (start, _) in pairwise(spans))
    assert sum(stop - start for start, stop in spans) == at - jumped
