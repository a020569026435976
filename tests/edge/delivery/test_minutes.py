"""The minutes of the burden in the outbox: bounded, whole after a restart, and read while a node writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest

from edge.delivery import minutes as minute_table
from edge.delivery.message_inbox import Rows
from edge.delivery.minutes import Minute, read_history
from edge.delivery.outbox import Outbox
from edge.errors import LaennecError, SourceError
from tests.edge.outboxes import event, refusing


def _minutes(numbers: Iterable[int], stream: str = "bed1") -> list[Minute]:
    return [
        Minute(stream, group, 60.0 * n, n / 10, 60.0, 0.0) for n in numbers for group in ("continuous", "discontinuous")
    ]


def _written(path: Path, *batches: list[Minute], streams: tuple[str, ...] = ("bed1", "bed2")) -> None:
    with closing(Outbox(path, 10, 1)) as outbox:
        for batch in batches:
            outbox.put([], Rows(minutes=batch, streams=streams))


def test_minutes_are_read_back_as_they_were_also_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    _written(path, _minutes(range(3)), _minutes([7], "bed2"))
    _written(path, _minutes([3]))
    assert read_history(path) == _minutes(range(3)) + _minutes([7], "bed2") + _minutes([3])


def test_the_newest_minutes_of_each_bed_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minute_table, "MOST_MINUTES", 5)
    path = tmp_path / "outbox.db"
    _written(path, _minutes([1], "bed2"), *[_minutes([n]) for n in range(12)])
    assert read_history(path) == _minutes([1], "bed2") + _minutes(range(7, 12))


def test_a_bed_that_is_no_more_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    _written(path, _minutes([1]), _minutes([1], "bed2"))
    _written(path, _minutes([2], "bed2"), streams=("bed2",))
    assert read_history(path) == _minutes([1, 2], "bed2")


def test_what_the_disk_refuses_is_written_when_it_works_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.delivery.database.BUSY_S", 0.0)
    path = tmp_path / "outbox.db"
    with closing(Outbox(path, 10, 1)) as outbox:
        outbox.put([], Rows(minutes=_minutes([1])))
        with refusing(path):
            assert not outbox.put([], Rows(minutes=_minutes([2])))
        outbox.put([], Rows(minutes=_minutes([3])))
        outbox.tidy()
        assert sorted(row.at_s for row in read_history(path)) == [60.0, 60.0, 120.0, 120.0, 180.0, 180.0]


def test_a_reader_does_not_hinder_the_writer(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with closing(Outbox(path, 10, 1)) as outbox:
        outbox.put([], Rows(minutes=_minutes([1])))
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as reader:
            rows = reader.execute("SELECT at_s FROM minute")
            assert rows.fetchone() == (60.0,)
            assert outbox.put([event(1)], Rows(minutes=_minutes([2])))
        assert read_history(path) == _minutes([1, 2])


def test_a_history_that_is_not_there_says_who_writes_it(tmp_path: Path) -> None:
    with pytest.raises(LaennecError, match=r"no history at .*; it is written by `laennec run`"):
        read_history(tmp_path / "none")


def test_a_file_that_is_no_history_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"no database" * 1000)
    with pytest.raises(LaennecError, match="is damaged"):
        read_history(tmp_path / "a")


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("", "an empty file"),
        ("CREATE TABLE address(name TEXT)", "a database of another program"),
        ("CREATE TABLE minute(name TEXT)", "a database of another program"),
    ],
)
def test_what_is_no_history_is_named_so(tmp_path: Path, script: str, found: str) -> None:
    path = tmp_path / "a"
    path.touch()
    with closing(sqlite3.connect(path)) as db:
        db.executescript(script)
    with pytest.raises(SourceError, match=f"is {found} and no history"):
        read_history(path)
