"""The queue in front of the outbox: bounded, in order, and what it drops is what is worth least."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.delivery.message_inbox import MessageInbox, priority_of
from edge.delivery.messages import Message
from tests.edge.outboxes import change, event, gap, update

MAKERS = (update, gap, event, change)


def order(messages: list[Message]) -> list[int]:
    return [message.body["n"] for message in messages]


def test_messages_leave_in_the_order_in_which_they_came_and_leave_it_empty() -> None:
    inbox = MessageInbox(3)
    assert [inbox.put(each) for each in (gap(1), change(2), event(3))] == [None] * 3
    assert (len(inbox), order(inbox.take()), len(inbox), inbox.take()) == (3, [1, 2, 3], 0, [])


def test_a_full_one_drops_the_newest_of_what_is_worth_least() -> None:
    inbox = MessageInbox(4)
    for each in (gap(1), event(2), gap(3), event(4)):
        inbox.put(each)
    dropped = [inbox.put(each) for each in (change(5), event(6), event(7), gap(8))]
    assert order([each for each in dropped if each is not None]) == [3, 1, 7, 8]
    assert order(inbox.take()) == [2, 4, 5, 6]


@given(st.lists(st.sampled_from(range(len(MAKERS))), max_size=40), st.integers(1, 8))
def test_what_stays_is_never_worth_less_than_what_was_dropped(kinds: list[int], most: int) -> None:
    inbox, came, dropped = MessageInbox(most), [], []
    for number, kind in enumerate(kinds):
        message = MAKERS[kind](number)
        came.append(message)
        if (lost := inbox.put(message)) is not None:
            dropped.append(lost)
        assert len(inbox) <= most
    kept = inbox.take()
    assert len(kept) + len(dropped) == len(kinds)
    assert kept == [each for each in came if each in kept]
    best = max(map(priority_of, dropped), default=min(map(priority_of, kept), default=None))
    assert best is None or all(priority_of(each) >= best for each in kept)
