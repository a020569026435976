"""What may be read by nobody but its owner, whatever the umask; also what an older version left."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.clips.folder import ClipFolder
from edge.delivery.before_one_file import before, log_beside, read_minutes
from edge.delivery.messages import Message
from edge.delivery.minutes import history_path
from edge.delivery.outbox import Outbox
from edge.delivery.retained import RetainedTopics
from edge.files import make_private_folder
from edge.node.past_alarms import past_alarms
from edge.server.board.access import Audit
from edge.server.board.labels import Labels
from edge.server.history.database import open_database
from firmware_bridge.capture import Writer
from tests.edge.dispatching import NODE
from tests.edge.server.board.test_labels import label


@pytest.fixture(autouse=True)
def everybody_may_read() -> Iterator[None]:
    """What a shell of a careless user says."""
    before = os.umask(0)
    yield
    os.umask(before)


def rights(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*")}


def readable(folder: Path) -> list[str]:
    """By others than the owner."""
    return [name for name, mode in rights(folder).items() if mode & 0o077]


def write_everything(folder: Path) -> None:
    """All that a node and a board write about patients, but clips."""
    path = folder / "outbox.db"
    outbox = Outbox(path, 1, 1)
    for each in (log_beside(path, NODE.node), before(log_beside(path, NODE.node)), history_path(path)):
        each.touch()  # of a release before
    outbox.put([Message("t", {"time": {}}, 60)])
    past_alarms(outbox, NODE)
    read_minutes(outbox, ["bed1"])
    RetainedTopics(folder / "retained.json").begin(["t"])
    Audit(folder / "audit.log").close()
    Labels(folder / "labels.jsonl").add(label())
    with open_database(f"sqlite:///{folder / 'ward.sqlite'}", writes=True).connect() as connection:
        connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS t(a)")
    assert set(readable(folder)) <= {"somebody-elses"}  # while `-wal` and `-shm` are there
    outbox.close()


def test_what_is_written_about_patients_is_the_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    folder = tmp_path / "made" / "here"
    write_everything(folder)
    Writer(folder / "a.capture").close()
    assert readable(tmp_path) == []
    assert len(rights(folder)) >= 10


def test_what_an_older_version_left_for_everybody_to_read_is_the_owners_alone_after_a_start(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    write_everything(folder)
    (folder / "outbox.db.damaged-20260101T000000").touch()
    (folder / f"alarms-{NODE.node}.log.unread-20260101T000000").touch()
    (folder / "audit.log.1").touch()
    (folder / "somebody-elses").touch()
    for path in folder.iterdir():
        path.chmod(0o644)
    write_everything(folder)
    assert readable(folder) == ["somebody-elses"]


def test_what_becomes_of_a_damaged_outbox_is_the_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    Outbox(path, 1, 1).close()
    path.write_bytes(b"damaged")
    path.chmod(0o644)
    Outbox(path, 1, 1).close()
    assert len(list(tmp_path.glob("outbox.db.damaged-*"))) == 1
    assert readable(tmp_path) == []


def test_a_clip_of_an_older_version_is_the_owners_alone_after_a_start(tmp_path: Path) -> None:
    ident = "01M82V69XRES0V4E6QY2DZ65JA"
    for name in (f"{ident}.flac", "notes.txt"):
        (tmp_path / name).touch()
    ClipFolder(tmp_path, 1 << 20, 60.0).open()
    assert readable(tmp_path) == ["notes.txt"]


def test_a_folder_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o750)
    make_private_folder(shared / "ours" / "below")
    assert rights(tmp_path) == {"shared": 0o750, "shared/ours": 0o700, "shared/ours/below": 0o700}
