"""The history of the burden on a real disk: bounded, whole after a restart, and no hindrance where the disk refuses."""

from __future__ import annotations

import logging
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest

from edge.delivery import trends as trend_history
from edge.delivery.trends import Minute, TrendHistory, history_path, read_history
from edge.errors import LaennecError, SourceError
from tests.conftest import HANGS_S


def _minutes(numbers: Iterable[int], stream: str = "bed1") -> list[Minute]:
    return [
        Minute(stream, group, 60.0 * n, n / 10, 60.0, 0.0) for n in numbers for group in ("continuous", "discontinuous")
    ]


def _written(path: Path, *batches: list[Minute], streams: tuple[str, ...] = ("bed1", "bed2")) -> TrendHistory:
    history = TrendHistory(path, streams)
    history.start()
    for batch in batches:
        history.put(batch)
    history.stop(HANGS_S)
    return history


def test_minutes_are_read_back_as_they_were_also_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "a.history"
    _written(path, _minutes(range(3)), _minutes([7], "bed2"))
    _written(path, _minutes([3]))
    assert read_history(path) == _minutes(range(3)) + _minutes([7], "bed2") + _minutes([3])


def test_the_newest_minutes_of_each_bed_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trend_history, "KEPT", 5)
    path = tmp_path / "a.history"
    _written(path, _minutes([1], "bed2"), *[_minutes([n]) for n in range(12)])
    assert read_history(path) == _minutes([1], "bed2") + _minutes(range(7, 12))


def test_a_bed_that_is_no_more_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "a.history"
    _written(path, _minutes([1]), _minutes([1], "bed2"))
    _written(path, _minutes([2], "bed2"), streams=("bed2",))
    assert read_history(path) == _minutes([1, 2], "bed2")


def test_a_damaged_file_is_moved_aside(tmp_path: Path) -> None:
    path = tmp_path / "a.history"
    path.write_bytes(b"no database" * 1000)
    _written(path, _minutes([1]))
    assert read_history(path) == _minutes([1])
    assert [each.name.startswith("a.history.damaged-") for each in tmp_path.glob("*.damaged-*")] == [True]


@pytest.mark.parametrize(("content", "word"), [(b"", "lost"), (os.urandom(5000), "damaged")])
def test_a_file_that_is_empty_or_damaged_is_told_at_the_start_before_a_minute_is_over(
    tmp_path: Path, content: bytes, word: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("edge"), "propagate", True)
    path = tmp_path / "a.history"
    _written(path)
    assert not caplog.records, "a first start says nothing"
    path.write_bytes(content)
    _written(path)
    (line,) = [each.getMessage() for each in caplog.records]
    assert line.startswith(f"trend_history {word}={path}")


def test_what_the_disk_refuses_is_written_when_it_works_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trend_history, "RETRY_S", 0.05)
    path = tmp_path / "folder" / "a.history"
    path.parent.write_text("a file where the folder should be")
    history = TrendHistory(path, ["bed1"])
    history.start()
    history.put(_minutes([1]))
    history.put(_minutes([2]))
    path.parent.unlink()
    history.stop(HANGS_S)
    assert read_history(path) == _minutes([1, 2])
    assert history.dropped == 0


def test_what_waits_for_the_disk_is_bounded_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trend_history, "MOST_WAITING", 6)
    (tmp_path / "file").write_text("a file where the folder should be")
    history = _written(tmp_path / "file" / "a.history", _minutes(range(5)))
    assert history.dropped == 4


def test_a_reader_does_not_hinder_the_writer(tmp_path: Path) -> None:
    path = tmp_path / "a.history"
    _written(path, _minutes([1]))
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as reader:
        rows = reader.execute("SELECT at_s FROM minute")
        assert rows.fetchone() == (60.0,)
        rows.fetchall()
        _written(path, _minutes([2]))
    assert read_history(path) == _minutes([1, 2])


WRITER_THAT_DIES = """
import os, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA cache_size=1")  # so that pages go to the file before the end of the transaction
db.execute("BEGIN")
db.executemany("INSERT INTO minute VALUES(NULL, 'bed9', 'continuous', ?, 1, 60, 0)", [(k,) for k in range(2000)])
os._exit(0)
"""


def test_a_writer_that_died_in_a_transaction_hinders_no_reader(tmp_path: Path) -> None:
    path = tmp_path / "a.history"
    _written(path, _minutes([1, 2]))
    subprocess.run([sys.executable, "-c", WRITER_THAT_DIES, path], check=True)
    assert path.with_name("a.history-journal").stat().st_size > 0
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
def test_an_empty_file_and_another_programs_are_no_history_whoever_owns_them(
    script: str, found: str, tmp_path: Path
) -> None:
    path = tmp_path / "a"
    path.touch()
    with closing(sqlite3.connect(path)) as db:
        db.executescript(script)
    with pytest.raises(SourceError) as caught:
        read_history(path)
    assert str(caught.value) == f"history {path}: is {found} and no history; give that beside the outbox of a node"


def test_the_history_lies_beside_the_outbox_and_is_not_taken_for_one() -> None:
    path = history_path(Path("/var/lib/laennec/outbox-node.db"))
    assert path == Path("/var/lib/laennec/outbox-node.history")
    assert not path.match("outbox-*.db")
