"""The claim on an outbox: one process at a time, and 20 digits that say how far numbering came."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.delivery.lock_file import LockFile
from edge.errors import ConfigError, SourceError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "deep" / "outbox.db"


@pytest.fixture
def claim(path: Path) -> Iterator[LockFile]:
    held = LockFile(path)
    yield held
    held.close()


def lock_of(path: Path) -> Path:
    return path.with_name("outbox.db.lock")


def test_a_claim_that_cannot_be_made_is_the_operators_mistake_and_one_that_cannot_be_written_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    place = tmp_path / "file" / "outbox.db"
    with pytest.raises(ConfigError) as caught:
        LockFile(place)
    assert str(caught.value) == f"outbox.path: cannot write {place}: File exists; choose another with --outbox"

    def refuses(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", refuses)
    claim = LockFile(tmp_path / "outbox.db")
    assert claim.reserved() == 0
    claim.close()


def test_a_claim_takes_the_room_of_its_number_at_once(claim: LockFile, path: Path) -> None:
    assert lock_of(path).read_bytes() == b"00000000000000000000\n" + bytes(8) + b"00000000000000000000\n"
    assert (claim.reserved(), claim.reserved_revs()) == (0, 0)
    assert not path.exists()


def test_the_number_of_a_claim_is_written_over_and_outlives_the_process(path: Path) -> None:
    claim = LockFile(path)
    claim.reserve(1 << 44)
    claim.reserve(1234567)
    assert lock_of(path).read_bytes()[:21] == b"00000000000001234567\n"
    claim.close()
    again = LockFile(path)
    assert again.reserved() == 1234567
    again.close()


@pytest.mark.parametrize(
    ("content", "stored"), [(b"", 0), (b"12", 12), (b"7", 7), (b"no number", 0), (b"0" * 19 + b"79", 7)]
)
def test_what_a_claim_cannot_read_is_no_number(path: Path, content: bytes, stored: int) -> None:
    path.parent.mkdir(parents=True)
    lock_of(path).write_bytes(content)
    claim = LockFile(path)
    assert claim.reserved() == stored
    assert lock_of(path).read_bytes()[:21] == (content or b"0" * 20 + b"\n")
    claim.reserve_revs(9)
    assert (claim.reserved(), claim.reserved_revs()) == (stored, 9)
    claim.close()
    assert claim.reserved() == 0  # the file is closed, so nobody says


def test_a_claim_is_held_by_one_until_it_is_closed(claim: LockFile, path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        LockFile(path)
    assert str(caught.value) == f"outbox {path}: in use by another laennec; stop it, or choose another --outbox"
    with lock_of(path).open() as other, pytest.raises(OSError, match="temporarily unavailable"):
        fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)


def test_a_claim_that_is_refused_leaves_no_file_open(claim: LockFile, path: Path) -> None:
    with pytest.raises(SourceError):
        LockFile(path)
    flags = [fcntl.fcntl(int(fd), fcntl.F_GETFD) for fd in os.listdir("/proc/self/fd") if _is(int(fd), lock_of(path))]
    assert flags == [fcntl.FD_CLOEXEC]


def _is(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except OSError:
        return False


def test_a_number_that_was_written_in_part_is_a_refusal(claim: LockFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "pwrite", lambda _file, text, _at: len(text) - 1)
    with pytest.raises(OSError, match="No space left on device") as caught:
        claim.reserve(5)
    assert caught.value.errno == errno.ENOSPC


def test_a_number_is_on_the_disk_before_it_counts(claim: LockFile, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    claim.reserve(5)
    assert [os.pread(file, 20, 0) for file in synced] == [b"00000000000000000005"]


def test_both_numbers_and_the_mark_stand_beside_each_other_also_in_a_file_of_an_earlier_release(path: Path) -> None:
    path.parent.mkdir(parents=True)
    lock_of(path).write_bytes(b"%020d\nwritten\n" % 41)
    claim = LockFile(path)
    assert (claim.reserved(), claim.was_written, claim.reserved_revs()) == (41, True, 0)
    claim.reserve_revs(70)
    claim.reserve(42)
    claim.close()
    again = LockFile(path)
    assert (again.reserved(), again.was_written, again.reserved_revs()) == (42, True, 70)
    again.close()


def test_a_claim_may_be_read_by_its_owner_alone(claim: LockFile, path: Path) -> None:
    assert lock_of(path).stat().st_mode & 0o777 == 0o600
    assert claim.reserved() == 0
