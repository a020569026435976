"""An outbox whose file is damaged while the node runs: what can be read of it and what is in memory goes on."""

from __future__ import annotations

import errno
import logging
import os
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

import edge.delivery.database
from edge.delivery.disk import REPLACE_S
from edge.delivery.message_inbox import Rows
from edge.delivery.minutes import Minute
from edge.delivery.outbox import Outbox
from edge.delivery.outbox_reading import alarm_log
from edge.delivery.priority import DAMAGED
from edge.ward.alarm_records import Key, Record, Rule, Transition
from edge.ward.alarms import Alarms
from tests.edge.outboxes import ALL, change, event, gap, numbers

BED = Key("bed1", "signal-lost")
RULES = {BED: Rule("Tec", "Me")}
PAGE = 4096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


def damage(path: Path, what: Callable[[bytearray], None]) -> None:
    """Change the file behind the back of the process that has it open, which must read it again."""
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)
    content = bytearray(path.read_bytes())
    what(content)
    with path.open("r+b") as file:
        file.write(content)


def all_but_the_first_page(content: bytearray) -> None:
    content[PAGE:] = b"\xa5" * (len(content) - PAGE)


def the_page_with(text: bytes) -> Callable[[bytearray], None]:
    def overwrite(content: bytearray) -> None:
        begin = content.rindex(text) // PAGE * PAGE
        content[begin : begin + PAGE] = b"\xa5" * PAGE

    return overwrite


def asides(path: Path) -> list[Path]:
    return [each for each in path.parent.glob("outbox.db.damaged-*") if each.suffix[-4:] not in ("-wal", "-shm")]


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno == logging.ERROR]


def changes(alarms: Alarms, begin_s: float, times: int = 3) -> list[Record]:
    return [each for number in range(times) for each in alarms.advance(begin_s + number, {BED: number % 2 == 0})]


def test_what_waits_and_what_the_alarms_are_goes_on_in_a_new_file_though_nothing_of_the_old_one_can_be_read(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outbox, alarms = Outbox(path, 10, 1), Alarms(RULES)
    outbox.put([change(1, "Hi"), *(event(number) for number in range(2, 50))], Rows(changes(alarms, 1.0)))
    outbox.ack([1, 2, 3])
    damage(path, all_but_the_first_page)
    assert outbox.put([gap(50)], Rows(changes(alarms, 10.0))), "it is on a disk again"
    assert outbox.status.in_memory == 0
    assert numbers(outbox) == [*range(4, 51)], "in their order, and what the broker has does not come back"
    seqs = [entry.seq for entry in outbox.waiting(0, ALL, 100)]
    assert seqs == [*range(4, 51)], "each with its number, and the next one follows"
    assert outbox.status.evicted[DAMAGED] == 0
    (aside,) = asides(path)
    assert any(f"moved_to={aside}; a new one was begun" in line for line in errors(caplog))
    outbox.close()
    assert [each for each in alarm_log(path).records if isinstance(each, Transition)][-1].state == alarms.state(BED)
    again = Outbox(path, 10, 1)
    assert numbers(again) == [*range(4, 51)]
    assert Alarms(RULES, *again.alarm_records()).state(BED).signal == alarms.state(BED).signal
    again.close()


def test_a_page_costs_what_was_on_it_alone_and_that_is_counted(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first, alarms = Outbox(path, 10, 1), Alarms(RULES)
    minute = Minute("bed1", "continuous", 60.0, 1.0, 60.0, 0.0)
    first.put([event(number, filling=200) for number in range(300)], Rows(changes(alarms, 1.0), [minute]))
    first.close()
    outbox = Outbox(path, 10, 1)  # it knows none of them, for they are on the disk alone
    assert outbox.status.waiting == 300
    on_page: list[int] = []

    def overwrite(content: bytearray) -> None:
        begin = content.rindex(b'"n":150,') // PAGE * PAGE
        on_page.extend(map(int, re.findall(rb'"n":(\d+),', content[begin : begin + PAGE])))
        content[begin : begin + PAGE] = b"\xa5" * PAGE

    damage(path, overwrite)
    assert outbox.put([event(300)]), "that page is not asked for"
    assert numbers(outbox) == [], "it cannot be known what waits"
    outbox.tidy()
    left = numbers(outbox)
    lost = [number for number in range(301) if number not in left]
    assert lost == sorted(on_page)
    assert len(lost) < 30
    assert outbox.status.evicted[DAMAGED] == len(lost)
    assert outbox.status.waiting == len(left)
    assert f"outbox dropped=damaged total={len(lost)}" in errors(caplog)
    assert outbox.read(lambda store: store.minutes.known(), set()) == {("bed1", "continuous", 60.0)}
    assert outbox.read(lambda store: store.alarms.remembered(), list[Record]())[-1] == alarms.snapshot()[-1]
    outbox.close()


def test_a_message_whose_text_was_changed_is_lost_alone(path: Path) -> None:
    first = Outbox(path, 10, 1)
    first.put([event(number) for number in range(5)])
    first.close()

    def change_text(content: bytearray) -> None:
        begin = content.index(b'"n":3,')
        content[begin : begin + 6] = b"?" * 6  # SQLite does not see that

    outbox = Outbox(path, 10, 1)
    damage(path, change_text)
    assert numbers(outbox) == [], "it cannot be known what waits"
    outbox.tidy()
    assert numbers(outbox) == [0, 1, 2, 4]
    assert outbox.status.evicted[DAMAGED] == 1
    outbox.close()


def test_what_waits_does_not_expire_because_its_age_is_lost(path: Path) -> None:
    now_s = 0.0
    first = Outbox(path, 10, 1, monotonic=lambda: now_s)
    now_s = 72_000.0
    first.put([event(1), event(2, filling=9000)])
    first.close()
    outbox = Outbox(path, 10, 1, monotonic=lambda: now_s)
    damage(path, the_page_with(b"x" * 900))
    assert numbers(outbox) == []
    for _ in range(3):
        now_s += 100.0
        outbox.tidy()
    assert numbers(outbox) == [1]
    outbox.put([event(3)])
    now_s += 3700.0
    outbox.tidy()
    assert numbers(outbox) == [], "its hour begins anew and ends"
    outbox.close()


def test_a_disk_that_damages_the_new_file_too_is_left_alone_for_a_while_and_memory_holds_what_comes(path: Path) -> None:
    now_s = 1000.0
    outbox = Outbox(path, 10, 100, monotonic=lambda: now_s)
    outbox.put([event(1)])
    damage(path, all_but_the_first_page)
    assert outbox.put([event(2)])
    damage(path, all_but_the_first_page)
    assert not outbox.put([event(3)])
    outbox.tidy()
    assert len(asides(path)) == 1
    assert numbers(outbox) == [2, 3], "the first was on the disk alone"
    outbox.ack([2])
    now_s += REPLACE_S
    outbox.tidy()
    assert (outbox.status.in_memory, outbox.status.evicted[DAMAGED]) == (0, 1)
    outbox.close()
    again = Outbox(path, 10, 100)
    assert numbers(again) == [3]
    again.close()


def test_a_disk_that_has_no_room_for_a_new_file_is_asked_again_and_nothing_is_lost(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = Outbox(path, 10, 1)
    outbox.put([event(1)])
    damage(path, all_but_the_first_page)

    def fails(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(edge.delivery.database.os, "replace", fails)
        assert not outbox.put([event(2)])
        assert numbers(outbox) == [1, 2]
    outbox.tidy()
    assert outbox.status.in_memory == 0
    assert numbers(outbox) == [1, 2]
    outbox.close()


def test_a_death_while_the_file_was_replaced_loses_nothing(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    outbox = Outbox(path, 10, 1)
    outbox.put([event(1), event(2)])
    outbox.close()
    path.rename(path.with_name("outbox.db.new"))  # it was whole, and the damaged one had been moved
    again = Outbox(path, 10, 1)
    assert numbers(again) == [1, 2]
    assert errors(caplog) == []
    again.close()
