"""What memory holds, on a disk that takes no new block: whole or as before, whatever becomes of the process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge.delivery.memory_copy import HALF_BYTES, MemoryCopy
from edge.delivery.outbox import Outbox
from tests.edge.full_disk import small_disk
from tests.edge.outboxes import ALL, event, refusing

ROWS = [[7, None, None, '{"n":1}', 1.8e9, "t", 60, 20]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


def test_what_was_written_last_is_read_again_and_nothing_before_it(path: Path) -> None:
    assert MemoryCopy(path).read() == ([], {})
    copy = MemoryCopy(path)
    for number in range(4):
        copy.write(ROWS * (number + 1), {"node": number})
        assert MemoryCopy(path).read() == (ROWS * (number + 1), {"node": number})
    copy.write([], {"node": 9})
    assert MemoryCopy(path).read() == ([], {})


def test_a_write_that_a_death_tore_leaves_the_one_before(path: Path) -> None:
    copy = MemoryCopy(path)
    copy.write(ROWS, {"node": 1})
    copy.write(ROWS * 2, {"node": 2})
    file = path.with_name("outbox.db.memory")
    content = bytearray(file.read_bytes())
    content[20] ^= 1  # the second write lies in the first half
    file.write_bytes(content)
    assert MemoryCopy(path).read() == (ROWS, {"node": 1})


@pytest.mark.parametrize("content", [b"", b"x", os.urandom(2 * HALF_BYTES), bytes(2 * HALF_BYTES)])
def test_what_is_no_copy_is_nothing_and_is_written_over(path: Path, content: bytes) -> None:
    path.with_name("outbox.db.memory").write_bytes(content)
    copy = MemoryCopy(path)
    assert copy.read() == ([], {})
    copy.write(ROWS, {"node": 1})
    assert MemoryCopy(path).read() == (ROWS, {"node": 1})


def test_what_does_not_fit_is_left_out_from_its_end_on_and_the_rest_says_so(path: Path) -> None:
    copy = MemoryCopy(path)
    rows = [[seq, None, None, os.urandom(500).hex(), 1.8e9, "t", 60, 20] for seq in range(300)]
    copy.write(rows, {"node": 300})
    found, given = MemoryCopy(path).read()
    assert found == rows[: len(found)]
    assert 50 < len(found) < 300
    assert (given, copy.is_whole) == ({"node": 300}, False)


@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_a_full_disk_takes_it_where_there_was_room_before_and_else_it_is_told(
    tmp_path: Path, kind: str, logged: pytest.LogCaptureFixture
) -> None:
    with small_disk(tmp_path / "disk", kind) as disk:
        early, late = MemoryCopy(disk.path / "early.db"), MemoryCopy(disk.path / "late.db")
        early.prepare()
        disk.fill()
        for copy in (early, late):
            copy.write(ROWS, {"node": 1})
        assert MemoryCopy(disk.path / "early.db").read() == (ROWS, {"node": 1})
        assert (early.is_whole, late.is_whole) == (True, False)
    (line,) = logged.messages
    assert line.startswith(f"outbox copy=refused path={tmp_path / 'disk' / 'late.db.memory'}")


def test_what_a_killed_process_held_in_memory_waits_in_the_next_and_is_numbered_as_it_was(path: Path) -> None:
    first = Outbox(path, 1, 1)
    first.number_for("node")
    first.put([event(1)])
    with refusing(path):
        first.put([event(2), event(3)])
        first._disk.close()  # as kill -9 leaves it
    second = Outbox(path, 1, 1)
    second.number_for("node")
    second.put([event(4)])
    found = second.waiting(0, ALL, 9)
    assert [entry.seq for entry in found][:3] == [1, 2, 3]
    assert found[3].body["seq_before"] == 3
    second.tidy()
    second.close()
    third = Outbox(path, 1, 1)
    assert third.status.waiting == 4
    assert third.status.in_memory == 0
    third.close()
