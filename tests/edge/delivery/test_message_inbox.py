"""The queue in front of the outbox: bounded, in order, and what it drops is what is worth least."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.delivery import message_inbox
from edge.delivery.message_inbox import MessageInbox
from edge.delivery.messages import Message
from edge.delivery.minutes import Minute
from edge.delivery.priority import priority_of
from edge.ward.alarm_records import AlarmState, Key, Transition
from tests.edge.outboxes import change, event, gap, update

MAKERS = (update, gap, event, change)


def order(messages: Sequence[Message]) -> list[int]:
    return [message.body["n"] for message in messages]


def test_messages_leave_in_the_order_in_which_they_came_and_leave_it_empty() -> None:
    inbox = MessageInbox(3)
    assert [inbox.put(each) for each in (gap(1), change(2), event(3))] == [None] * 3
    assert (len(inbox), order(inbox.take().messages), len(inbox), inbox.take().messages) == (3, [1, 2, 3], 0, [])


def test_a_full_one_drops_the_newest_of_what_is_worth_least() -> None:
    inbox = MessageInbox(4)
    for each in (gap(1), event(2), gap(3), event(4)):
        inbox.put(each)
    dropped = [inbox.put(each) for each in (change(5), event(6), event(7), gap(8))]
    assert order([each for each in dropped if each is not None]) == [3, 1, 7, 8]
    assert order(inbox.take().messages) == [2, 4, 5, 6]


@given(st.lists(st.sampled_from(range(len(MAKERS))), max_size=40), st.integers(1, 8))
def test_what_stays_is_never_worth_less_than_what_was_dropped(kinds: list[int], most: int) -> None:
    inbox, came, dropped = MessageInbox(most), [], []
    for number, kind in enumerate(kinds):
        message = MAKERS[kind](number)
        came.append(message)
        if (lost := inbox.put(message)) is not None:
            dropped.append(lost)
        assert len(inbox) <= most
    stored = inbox.take().messages
    assert len(stored) + len(dropped) == len(kinds)
    assert stored == [each for each in came if each in stored]
    best = max(map(priority_of, dropped), default=min(map(priority_of, stored), default=None))
    assert best is None or all(priority_of(each) >= best for each in stored)


def changed(rev: int, bed: str = "bed1") -> Transition:
    return Transition(float(rev), Key(bed, "signal-lost"), "raised", AlarmState(rev=rev), "Tec", "Me")


def test_a_change_of_an_alarm_and_its_message_are_taken_together() -> None:
    inbox = MessageInbox(4)
    first, _ = inbox.record([changed(1)], [change(1)])
    second, dropped = inbox.record([changed(2)], [change(2)])
    assert (second > first, dropped) == (True, [])
    taken = inbox.take()
    assert (order(taken.messages), taken.rows.records, taken.ticket) == ([1, 2], [changed(1), changed(2)], second)
    assert (inbox.take().rows.records, inbox.take().ticket) == ([], second)


def test_a_change_is_recorded_though_there_is_no_room_for_its_message() -> None:
    inbox = MessageInbox(1)
    inbox.put(change(1, "Hi"))
    _, dropped = inbox.record([changed(2)], [change(2, "Lo")])
    assert order(dropped) == [2]
    assert inbox.take().rows.records == [changed(2)]


def test_of_too_many_changes_the_last_of_each_alarm_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message_inbox, "MOST_RECORDS", 10)
    inbox = MessageInbox(1)
    inbox.record([changed(1, "bed9")], [])
    for rev in range(1, 40):
        inbox.record([changed(rev)], [])
    records = inbox.take().rows.records
    assert len(records) <= 10
    assert changed(1, "bed9") in records
    assert records[-1] == changed(39)


def test_minutes_go_with_what_is_written_next_or_when_they_are_due_and_are_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(message_inbox, "MOST_MINUTES", 3)
    minutes = [Minute("bed1", "continuous", 60.0 * n, 0.0, 60.0, 0.0) for n in range(5)]
    inbox = MessageInbox(4)
    assert (inbox.remember(minutes[:3]), inbox.remember(minutes[3:])) == (0, 2)
    assert inbox.take(is_due=False).rows.minutes == ()
    inbox.put(event(1))
    assert inbox.take(is_due=False).rows.minutes == minutes[2:]
    inbox.remember(minutes[:1])
    assert inbox.take().rows.minutes == minutes[:1]
