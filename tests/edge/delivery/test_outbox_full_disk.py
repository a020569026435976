"""A disk that is full, read-only or unreadable: at the start, in mid-run, over kills; and no number is given twice."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from edge.delivery.database import open_store
from edge.delivery.entries import Stamp
from edge.delivery.messages import Message
from edge.delivery.outbox import Outbox
from edge.delivery.sequence import JUMP, RESERVE, SequenceNumbers
from edge.errors import ConfigError
from tests.edge.full_disk import SmallDisk, small_disk

ALL = 1 << 62


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk") as mounted:
        yield mounted


def event(number: int, rev: int = 1) -> Message:
    return Message("t/event", {"n": number, "id": f"id{number}", "boot_id": "a", "time": {}}, 60, (f"id{number}", rev))


def numbers(outbox: Outbox) -> list[int]:
    return [entry.body["n"] for entry in outbox.waiting(0, ALL, 10**6)]


@pytest.mark.parametrize("place", ["o.db", "new/folder/o.db"])
def test_a_start_on_a_full_disk_keeps_events_in_memory_and_opens_the_file_when_there_is_room(
    disk: SmallDisk, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    disk.fill()
    outbox = Outbox(disk.path / place, 1, 1)
    outbox.put([event(1), event(2)])
    counts = outbox.status
    assert (counts.waiting, counts.in_memory, counts.on_disk, counts.failed_writes) == (2, 2, False, 1)
    assert numbers(outbox) == [1, 2]
    assert "disk=refuses action=open" in caplog.text
    outbox.tidy()
    assert not outbox.status.on_disk
    disk.free()
    outbox.tidy()
    outbox.put([event(3)])
    outbox.ack([outbox.waiting(0, ALL, 1)[0].seq])
    counts = outbox.status
    assert (counts.waiting, counts.in_memory, counts.on_disk) == (2, 0, True)
    outbox.close()
    again = Outbox(disk.path / place, 1, 1)
    assert numbers(again) == [2, 3]
    again.close()


def test_what_an_earlier_process_left_is_there_on_a_full_disk_and_others_can_read_it_when_there_is_room(
    disk: SmallDisk,
) -> None:
    first = Outbox(disk.path / "o.db", 1, 1)
    first.put([event(1)])
    first.close()
    disk.fill()
    second = Outbox(disk.path / "o.db", 1, 1)
    assert not second.status.on_disk
    second.put([event(2)])
    assert [entry.seq for entry in second.waiting(0, ALL, 9)] == [1, 2]
    disk.free()
    second.tidy()
    second.tidy()
    assert numbers(second) == [1, 2]
    assert (second.status.in_memory, second.status.on_disk) == (0, True)
    with closing(sqlite3.connect(disk.path / "o.db")) as other:
        assert other.execute("SELECT count(*) FROM outbox").fetchone() == (2,)
    second.close()


def test_a_disk_that_became_read_only_does_not_keep_a_node_from_starting(disk: SmallDisk) -> None:
    first = Outbox(disk.path / "o.db", 1, 1)
    first.put([event(1)])
    first.close()
    disk.make("ro")
    second = Outbox(disk.path / "o.db", 1, 1)
    second.put([event(2)])
    assert second.status.in_memory == 1
    disk.make("rw")
    second.tidy()
    assert numbers(second) == [1, 2]
    assert second.status.in_memory == 0
    second.close()


def test_a_path_that_is_a_folder_is_a_mistake_of_the_operator_also_on_a_full_disk(disk: SmallDisk) -> None:
    (disk.path / "folder").mkdir()
    disk.fill()
    with pytest.raises(ConfigError, match="is a folder; give a file, such as"):
        Outbox(disk.path / "folder", 1, 1)


@pytest.mark.skipif(not hasattr(os, "seteuid") or os.geteuid() != 0, reason="only root may become another user")
@pytest.mark.parametrize("suffix", ["", "-wal", ".lock"])
def test_a_file_of_another_user_is_a_mistake_of_the_operator(suffix: str) -> None:
    with TemporaryDirectory() as name:  # not below pytest's own folder, which only its user may enter
        folder = Path(name)
        left = Outbox(folder / "o.db", 1, 1)
        left.put([event(1)])
        files = [path.name for path in folder.iterdir()]
        for file in files:  # as a kill leaves them
            shutil.copy(folder / file, folder / f"{file}.copy")
        left.close()
        for file in files:
            os.replace(folder / f"{file}.copy", folder / file)
            (folder / file).chmod(0o444 if file == f"o.db{suffix}" else 0o666)
        folder.chmod(0o777)
        os.seteuid(65534)
        try:
            with pytest.raises(ConfigError, match=r"Permission denied; choose another with --outbox"):
                Outbox(folder / "o.db", 1, 1)
        finally:
            os.seteuid(0)


def test_acknowledged_messages_are_forgotten_though_the_disk_cannot_forget_them(disk: SmallDisk) -> None:
    outbox = Outbox(disk.path / "o.db", 1, 1)
    outbox.put([event(number) for number in range(200)])
    disk.fill()
    while outbox.status.in_memory == 0:
        outbox.put([event(1000)])
    known = [entry.seq for entry in outbox.waiting(0, ALL, 150)]
    outbox.ack(known)
    left = [entry.seq for entry in outbox.waiting(0, ALL, 1000)]
    assert left[0] == known[-1] + 1
    assert outbox.status.waiting == len(left)
    disk.free()
    outbox.tidy()
    assert [entry.seq for entry in outbox.waiting(0, ALL, 1000)] == left
    outbox.close()
    again = Outbox(disk.path / "o.db", 1, 1)
    assert [entry.seq for entry in again.waiting(0, ALL, 1000)] == left
    again.close()


def test_a_write_that_failed_late_and_came_to_disk_all_the_same_is_one_message() -> None:
    disk, spare = open_store(":memory:"), open_store(":memory:")
    disk.insert(Stamp(1, 1, 0.0, 0.0), [event(1), event(2)])
    spare.insert(Stamp(1, 1, 0.0, 0.0), [event(1)])  # the same number
    spare.insert(Stamp(9, 9, 0.0, 0.0), [event(2)])  # or, where no reserve could be written, another
    disk.take_over(spare)
    assert [(entry.seq, entry.event) for entry in disk.waiting(0, ALL, 9)] == [(1, ("id1", 1)), (9, ("id2", 1))]
    assert (disk.depth(), spare.depth()) == (2, 0)


class Slip:
    """Stands for what is written in place."""

    def __init__(self, is_refusing: bool = False) -> None:
        self.seq, self.is_refusing = 0, is_refusing

    def reserved(self) -> int:
        return self.seq

    def reserve(self, seq: int) -> None:
        if self.is_refusing:
            raise OSError
        self.seq = seq


def test_a_reserve_is_asked_for_only_when_the_database_does_not_know() -> None:
    slip = Slip()
    mine = SequenceNumbers(slip, 7)
    assert (mine.last, mine.start, slip.seq) == (7, 8, 7)
    mine.reserve(1)
    assert slip.seq == 8 + RESERVE
    assert SequenceNumbers(slip, 7).last == 8 + RESERVE  # after a kill
    mine.last += 1
    mine.release_unused()
    assert SequenceNumbers(slip, 7).last == 8  # after a clean end


def test_where_nothing_can_be_kept_numbers_go_on_far_away() -> None:
    for numbers_ in (SequenceNumbers(None, None), SequenceNumbers(Slip(is_refusing=True), None)):
        assert 0 < numbers_.last <= JUMP
    mine = SequenceNumbers(Slip(is_refusing=True), 7)
    mine.reserve(1)
    assert mine.last > 7
    assert mine.start == mine.last + 1
    before = mine.last
    mine.reserve(10**6)
    assert mine.last == before  # once is enough
    mine.stored(3)  # but now the database knows of these, and the next process would go on there
    mine.reserve(1)
    assert mine.last > before + 3


def test_a_database_that_appears_later_may_know_of_higher_numbers() -> None:
    mine = SequenceNumbers(None, None)
    stored = mine.last + 100
    mine.attach(Slip(), stored)
    assert (mine.last, mine.start) == (stored, stored + 1)


def test_who_cannot_read_the_database_begins_beyond_what_it_holds_also_after_a_distance() -> None:
    """Else what waits in it would pass for newer than what is decided now, and so for live."""
    for begin in (
        lambda slip, stored: SequenceNumbers(slip, stored),
        lambda slip, stored: SequenceNumbers(None, None).attach(slip, stored),
    ):
        for _ in range(20):
            slip = Slip()
            begin(slip, JUMP)
            assert SequenceNumbers(slip, None).last > JUMP
