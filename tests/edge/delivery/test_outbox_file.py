"""The file of the outbox: damaged, locked, of another version, or no file at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edge.delivery.outbox import Outbox
from edge.delivery.store_tables import SCHEMA
from edge.errors import ConfigError, SourceError
from tests.edge.outboxes import ALL, NOW_S, Clock, event, numbers


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "outbox.db"


@pytest.fixture
def outbox(path: Path) -> Iterator[Outbox]:
    box = Outbox(path, max_mb=1, max_age_h=1)
    yield box
    box.close()


def test_a_damaged_file_is_moved_aside_and_the_line_says_where(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Outbox(path, 1, 1).close()
    path.write_bytes(b"this is not a database, it is a text of some length" * 100)
    outbox = Outbox(path, 1, 1)
    outbox.put([event(1)])
    assert numbers(outbox) == [1]
    outbox.close()
    (aside,) = path.parent.glob("outbox.db.damaged-*")
    assert aside.read_bytes().startswith(b"this is not")
    assert str(aside) in caplog.text


@pytest.mark.parametrize("how", ["gone", "empty"])
def test_a_file_that_was_written_and_is_gone_or_empty_is_said_to_be_lost_and_no_number_comes_again(
    path: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = Outbox(path, 1, 1)
    first.put([event(number) for number in range(63)])
    first._disk.close()  # as kill -9 leaves it
    path.unlink()
    if how == "empty":
        path.touch()
    second = Outbox(path, 1, 1)
    second.put([event(63)])
    (entry,) = second.waiting(0, ALL, 100)
    assert entry.seq > 63
    assert entry.body["seq_before"] is None, "it is not known"
    second.close()
    (line,) = [each.getMessage() for each in caplog.records if each.levelname == "ERROR"]
    assert line == f"outbox lost={path}; it was written and is {how}: what waited is lost, a new one was begun"
    caplog.clear()
    Outbox(path, 1, 1).close()
    assert not [each for each in caplog.records if each.levelname == "ERROR"], "once"


def test_the_first_start_of_all_says_nothing_of_a_loss(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Outbox(path, 1, 1).close()
    assert "lost" not in caplog.text


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


def put_as_the_release_before(path: Path, number: int) -> None:
    """The statements of Laennec before ages were counted in operating time."""
    with closing(sqlite3.connect(path)) as old, old:
        assert old.execute("PRAGMA user_version").fetchone() == (1,)
        seq = (old.execute("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'").fetchone() or (0,))[0] + 1
        body = f'{{"n":{number},"time":{{}},"seq":{seq}}}'
        old.execute("INSERT OR REPLACE INTO event VALUES(?,?,?,?,?)", (f"id{number}", 1, seq, body, NOW_S))
        old.execute("INSERT INTO outbox VALUES(?,?,?,?,?)", (seq, "t", None, 60, NOW_S))


def test_the_release_before_and_this_one_can_use_the_same_file(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as old:
        old.executescript(f"{SCHEMA} PRAGMA user_version=1;")
    put_as_the_release_before(path, 1)
    for number in (2, 4):  # a deployment, one that was undone, and the next
        outbox = Outbox(path, 1, max_age_h=1)
        outbox.put([event(number)])
        outbox.close()
        put_as_the_release_before(path, number + 1)
    uptime = Clock()
    outbox = Outbox(path, 1, max_age_h=1, monotonic=uptime)
    assert [(entry.seq, entry.body["n"]) for entry in outbox.waiting(0, ALL, 9)] == [(n, n) for n in range(1, 6)]
    uptime.now_s += 3000
    outbox.tidy()
    assert outbox.status.waiting == 5
    uptime.now_s += 700
    outbox.tidy()
    assert outbox.status.waiting == 0
    outbox.close()


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


def test_a_file_of_the_user_that_is_no_outbox_is_refused_and_left_alone(tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("my own notes")
    with pytest.raises(ConfigError, match=r"outbox.path: .*notes.txt is a file of something else and is left as it is"):
        Outbox(notes, 1, 1)
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]
    assert notes.read_text() == "my own notes"


@pytest.mark.parametrize("version", [0, 74])
def test_a_database_of_another_program_is_refused_and_gets_no_tables(tmp_path: Path, version: int) -> None:
    path = tmp_path / "places.sqlite"
    with closing(sqlite3.connect(path)) as other:
        other.executescript(f"CREATE TABLE bookmark(url TEXT); PRAGMA user_version={version};")
    with pytest.raises(ConfigError, match=r"places.sqlite is a database of another program"):
        Outbox(path, 1, 1)
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("bookmark",)]
        assert other.execute("PRAGMA journal_mode").fetchone() == ("delete",)


@pytest.mark.parametrize("name", [".", "folder"])
def test_a_folder_is_refused_with_a_line_that_names_a_file_in_it(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    with pytest.raises(ConfigError, match=r"is a folder; give a file, such as (folder/)?outbox.db"):
        Outbox(Path(name), 1, 1)
    assert not list(Path("folder").iterdir())
