"""What the outbox keeps when the disk refuses: how much, how old, and what is counted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import edge.delivery.database
import edge.delivery.outbox
from edge.delivery.outbox import Outbox
from edge.delivery.priority import nothing_dropped
from edge.delivery.store_tables import EVICT_ROWS, NOTE_S, OPEN_EVENTS
from tests.edge.outboxes import ALL, Clock, event, numbers, refusing, update


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "outbox.db"


@pytest.fixture
def impatient(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outbox]:
    """An outbox that waits for no lock."""
    monkeypatch.setattr(edge.delivery.database, "BUSY_S", 0.0)
    clock = Clock()
    box = Outbox(path, max_mb=1, max_age_h=1, wall=clock, monotonic=clock)
    yield box
    box.close()


def test_what_is_kept_in_memory_is_bounded_and_what_is_dropped_is_counted(
    impatient: Outbox, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge.delivery.outbox, "MEMORY_BYTES", 200_000)
    with refusing(path):
        for first in range(0, 600, 100):
            impatient.put([event(number, filling=1000) for number in range(first, first + 100)])
        counts, stored = impatient.status, numbers(impatient)
    assert counts.in_memory == counts.waiting == len(stored) < 200  # of 1 kB each; pages are not full
    assert counts.evicted["event"] == 600 - len(stored)
    assert stored == list(range(600 - len(stored), 600))  # the newest


def test_no_more_is_given_than_asked_for_whether_on_disk_or_in_memory(impatient: Outbox, path: Path) -> None:
    impatient.put([event(number) for number in (1, 2, 3)])
    with refusing(path):
        impatient.put([event(number) for number in (4, 5, 6)])
        requested = [[entry.seq for entry in impatient.waiting(0, ALL, limit)] for limit in (1, 3, 4, 6, 9)]
    assert requested == [[1], [1, 2, 3], [1, 2, 3, 4], [1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6]]
    assert [entry.seq for entry in impatient.waiting(1, 4, 10)] == [2, 3, 4]


def test_the_age_of_the_oldest_message_is_told_wherever_it_waits(impatient: Outbox, path: Path) -> None:
    clock = impatient._monotonic
    assert isinstance(clock, Clock)
    assert impatient.status.oldest_s(clock()) == 0.0
    with refusing(path):
        impatient.put([event(1)])
    clock.now_s += 2 * NOTE_S
    impatient.put([event(2)])
    clock.now_s += 1.0
    assert (impatient.status.oldest_s(clock()), impatient.status.in_memory) == (2 * NOTE_S + 1.0, 1)
    impatient.ack([1])
    assert impatient.status.oldest_s(clock()) == 1.0


def test_updates_are_not_kept_in_memory_so_that_no_rev_is_sent_that_a_death_would_forget(
    impatient: Outbox, path: Path
) -> None:
    assert impatient.put([event(1)])
    with refusing(path):
        assert not impatient.put([update(1, 2), event(2), update(1, 3)])
        assert [(entry.seq, entry.body["n"]) for entry in impatient.waiting(0, ALL, 9)] == [(1, 1), (3, 2)]
    assert impatient.last_seq == 4
    assert impatient.status.evicted == {**nothing_dropped(), "update": 2}


def test_a_sound_that_was_told_and_goes_on_is_remembered_by_a_full_outbox_that_its_end_may_be_made(path: Path) -> None:
    box = Outbox(path, max_mb=1, max_age_h=1)
    begun, lasting = (
        replace(each, body={**each.body, "id": each.body["n"], "boot_id": "before"})
        for each in (event(0), update(1, 2))
    )
    box.put([begun, event(1), lasting])
    box.ack([1, 2, 3])
    number = 2
    while not box.status.evicted["event"]:  # until it is full of what waits
        box.put([event(number, 1, 5000), event(number, 2, 5000)])
        number += 1
    assert [body["n"] for body in box.unfinished("now") or () if body["n"] < 2] == [0, 1]
    box.close()


def test_no_more_open_sounds_are_remembered_than_a_box_can_hear(path: Path) -> None:
    box = Outbox(path, max_mb=1, max_age_h=1)
    for first in range(0, 500, 100):
        many = [event(number, filling=1000) for number in range(first, first + 100)]
        box.put([replace(each, body={**each.body, "id": each.body["n"], "boot_id": "before"}) for each in many])
        box.ack(range(1, box.last_seq + 1))
    box.put([event(number, 2, 4000) for number in range(1000, 1100)])
    assert len(numbers(box)) == 100
    remembered = [body["n"] for body in box.unfinished("now") or ()]
    assert remembered == list(range(500 - len(remembered), 500)), "the newest of them"
    assert OPEN_EVENTS <= len(remembered) < OPEN_EVENTS + EVICT_ROWS
    box.close()
