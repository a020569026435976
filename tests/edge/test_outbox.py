"""The outbox loses nothing that was decided, whatever happens to the process or the disk."""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.errors import ConfigError, SourceError
from edge.messages import Message
from edge.outbox import Outbox

ALL = 1 << 62
NOW_S = 1.8e9


class Clock:
    """Wall time that tests move."""

    now_s = NOW_S

    def __call__(self) -> float:
        return self.now_s


def event(number: int, rev: int = 1, filling: int = 0) -> Message:
    return Message("t/event", {"n": number, "time": {}, "filling": "x" * filling}, 60, (f"id{number}", rev))


def gap(number: int, filling: int = 0) -> Message:
    return Message("t/gap", {"n": number, "time": {}, "filling": "x" * filling}, 60)


def numbers(outbox: Outbox) -> list[int]:
    return [entry.body["n"] for entry in outbox.waiting(0, ALL, 10**6)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "outbox.db"


@pytest.fixture
def outbox(path: Path) -> Iterator[Outbox]:
    box = Outbox(path, max_mb=1, max_age_h=1, wall=Clock())
    yield box
    box.close()


def test_messages_wait_in_order_until_they_are_acknowledged(outbox: Outbox) -> None:
    outbox.put([event(1), gap(2)])
    outbox.put([event(3)])
    assert [(entry.seq, entry.body["seq"], entry.body["n"]) for entry in outbox.waiting(0, ALL, 10)] == [
        (1, 1, 1), (2, 2, 2), (3, 3, 3),
    ]  # fmt: skip
    outbox.ack([1, 3])
    assert numbers(outbox) == [2]
    assert outbox.counts().waiting == 1


def test_what_waits_is_there_after_a_restart_and_no_seq_is_used_twice(path: Path) -> None:
    first = Outbox(path, 1, 1)
    first.put([event(1), event(2), event(3)])
    first.ack([2, 3])
    first.close()
    second = Outbox(path, 1, 1)
    second.put([event(4)])
    assert [entry.seq for entry in second.waiting(0, ALL, 10)] == [1, 4]
    second.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["put", "ack", "reopen"]), st.integers(0, 5)), max_size=20))
def test_any_history_keeps_exactly_what_was_not_acknowledged(tmp_path: Path, history: list[tuple[str, int]]) -> None:
    path = tmp_path / f"{os.urandom(4).hex()}.db"
    outbox, expected, seq = Outbox(path, 10, 1), [], 0
    for action, number in history:
        if action == "put":
            outbox.put([event(seq + i) for i in range(number)])
            expected += range(seq + 1, seq + number + 1)
            seq += number
        elif action == "ack":
            outbox.ack(expected[:number])
            del expected[:number]
        else:
            outbox.close()
            outbox = Outbox(path, 10, 1)
    assert [entry.seq for entry in outbox.waiting(0, ALL, 1000)] == expected
    outbox.close()


def test_without_room_technical_messages_go_first_then_the_oldest_events(outbox: Outbox) -> None:
    outbox.put([gap(number, 1000) for number in range(100)])
    outbox.put([event(number, filling=1000) for number in range(1000, 1400)])
    assert outbox.counts().evicted == {"technical": 0, "event": 0, "expired": 0}
    outbox.put([event(number, filling=1000) for number in range(2000, 2400)])
    counts = outbox.counts()
    assert counts.evicted["technical"] == 100
    assert counts.evicted["event"] > 0
    assert numbers(outbox) == sorted(numbers(outbox))
    assert numbers(outbox)[-400:] == list(range(2000, 2400))
    assert counts.waiting + counts.evicted["event"] == 800


def test_the_log_of_delivered_events_goes_before_anything_that_waits(outbox: Outbox) -> None:
    for first in range(0, 2000, 100):
        outbox.put([event(number, filling=1000) for number in range(first, first + 100)])
        outbox.ack(range(outbox.last_seq - 99, outbox.last_seq + 1))
    assert outbox.counts().evicted == {"technical": 0, "event": 0, "expired": 0}


def test_what_is_too_old_is_dropped_and_counted(path: Path) -> None:
    clock, uptime = Clock(), Clock()
    outbox = Outbox(path, 1, max_age_h=1, wall=clock, monotonic=uptime)
    for number, seconds in ((1, 3000), (2, 700)):
        outbox.put([event(number)])
        clock.now_s += seconds
        uptime.now_s += seconds
    outbox.tidy()
    assert numbers(outbox) == [2]
    assert outbox.counts().evicted["expired"] == 1
    outbox.close()


def test_what_an_earlier_process_left_expires_too(path: Path) -> None:
    clock = Clock()
    first = Outbox(path, 1, 1, clock)
    first.put([event(1)])
    first.close()
    clock.now_s += 4000
    second = Outbox(path, 1, 1, clock)
    second.put([event(2)])
    second.tidy()
    assert numbers(second) == [2]
    second.close()


@pytest.mark.parametrize("clock_at_start_s", [100.0, NOW_S - 30 * 86400])
def test_a_clock_that_is_set_after_the_start_makes_no_event_expire(path: Path, clock_at_start_s: float) -> None:
    clock = Clock()
    clock.now_s = clock_at_start_s  # a box without a battery starts in 1970, or where it was switched off
    outbox = Outbox(path, 1, max_age_h=1, wall=clock)
    outbox.put([event(1)])
    clock.now_s = NOW_S
    outbox.tidy()
    assert numbers(outbox) == [1]
    outbox.close()


def test_a_damaged_file_is_moved_aside_and_the_line_says_where(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is not a database, it is a text of some length" * 100)
    outbox = Outbox(path, 1, 1)
    outbox.put([event(1)])
    assert numbers(outbox) == [1]
    outbox.close()
    (aside,) = path.parent.glob("outbox.db.damaged-*")
    assert aside.read_bytes().startswith(b"this is not")
    assert str(aside) in caplog.text


def test_a_file_with_a_torn_page_is_moved_aside(path: Path) -> None:
    outbox = Outbox(path, 10, 1)
    outbox.put([event(number, filling=500) for number in range(100)])
    outbox.close()
    content = bytearray(path.read_bytes())
    content[4096:12288] = b"\xa5" * 8192
    path.write_bytes(content)
    Outbox(path, 10, 1).close()
    assert list(path.parent.glob("outbox.db.damaged-*"))


def test_a_second_process_is_refused_with_one_line(outbox: Outbox, path: Path) -> None:
    with pytest.raises(SourceError, match=r"in use by another laennec; stop it, or choose another --outbox"):
        Outbox(path, 1, 1)


def test_a_file_locked_by_another_program_is_refused_with_one_line(path: Path) -> None:
    Outbox(path, 1, 1).close()
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(SourceError, match="another program has locked it"):
            Outbox(path, 1, 1)


def test_a_file_of_a_newer_version_is_refused(path: Path) -> None:
    Outbox(path, 1, 1).close()
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA user_version=99")
    with pytest.raises(SourceError, match="newer Laennec"):
        Outbox(path, 1, 1)


def test_a_path_that_cannot_be_is_a_mistake_of_the_operator(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"outbox.path: cannot write .*choose another with --outbox"):
        Outbox(tmp_path / "file" / "outbox.db", 1, 1)


def test_a_lock_in_mid_run_keeps_events_in_memory_and_moves_them_to_disk_later(
    outbox: Outbox, path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("edge"), "propagate", True)
    outbox.put([event(1)])
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        outbox.put([event(2), event(3)])
        assert numbers(outbox) == [1, 2, 3]
        counts = outbox.counts()
        assert (counts.waiting, counts.in_memory, counts.failed_writes) == (3, 2, 1)
        assert "disk=refuses action=write" in caplog.text
        outbox.ack([2])
        other.execute("ROLLBACK")
    outbox.tidy()
    outbox.put([event(4)])
    assert outbox.counts().in_memory == 0
    assert [entry.seq for entry in outbox.waiting(0, ALL, 10)] == [1, 3, 4]


def test_a_full_disk_keeps_events_in_memory(outbox: Outbox) -> None:
    outbox._disk._db.execute("PRAGMA max_page_count=1")  # SQLite then says: database or disk is full
    for first in range(0, 400, 100):
        outbox.put([event(number, filling=1000) for number in range(first, first + 100)])
    assert numbers(outbox) == list(range(400))
    assert outbox.counts().failed_writes >= 1
    outbox._disk._db.execute("PRAGMA max_page_count=100000")
    outbox.tidy()
    assert numbers(outbox) == list(range(400))
    assert outbox.counts().in_memory == 0


WRITER = """
import sys
from pathlib import Path
from edge.messages import Message
from edge.outbox import Outbox
outbox = Outbox(Path(sys.argv[1]), 100, 1)
for number in range(10**6):
    outbox.put([Message("t", {"n": number, "time": {}}, 60, (f"id{number}", 1))])
    print(number, flush=True)
"""


@pytest.mark.system
def test_kill_9_in_the_middle_of_writing_loses_nothing_that_was_written(path: Path) -> None:
    written = -1
    for _ in range(3):
        path.unlink(missing_ok=True)
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            for line in child.stdout:
                written = int(line)
                if written == 50:
                    child.send_signal(signal.SIGKILL)
        outbox = Outbox(path, 100, 1)
        found = numbers(outbox)
        assert found == list(range(len(found)))
        assert len(found) >= written + 1
        outbox.close()
