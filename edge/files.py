"""Files that a node or a board writes: through to the disk, made again when lost, or for their owner alone.

Not for SQLite, which syncs itself and gives the files beside a database its rights; nor for what must not be lost
(`edge.delivery.store`) or what an operator has written for others (exports, models, pictures). `deploy.box` has its
own: it is sent to a box on which nothing of Laennec is installed yet.

**Through to the disk.** A file is replaced for good when it was synced, renamed, and its folder synced: without the
first a power cut can leave it empty, without the last the old one.

**Made again when lost**: compiled kernels, engines, timings, the choice of a variant. Which file fits is the business
of its name. It is written under another name and moved into place; its first 32 bytes are the SHA-256 of the rest. Two
writers at once end in one whole file. What is stored is run or trusted, so a file counts only if nobody but root and
this user may write it; the checksum is against accidents, not against them.

**About patients**: nobody but the owner may read them, whatever the umask, also those of an older version.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Generic, TypeVar

from edge.log import RateLimitedLog, warn_once

logger = logging.getLogger(__name__)


def sync(target: Path | IO[bytes]) -> None:
    """Write an open file, or the names in a folder, through to the disk.

    Raises:
        OSError: the disk cannot be written.
    """
    if not isinstance(target, Path):
        target.flush()
        os.fsync(target.fileno())
        return
    handle = os.open(target, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def written_whole(path: Path) -> Iterator[IO[bytes]]:
    """A file that is there whole or, when anything goes wrong before the end, as it was before; durable at the end.

    Raises:
        OSError: the disk cannot be written.
    """
    draft = path.with_name(f"{path.name}.new")
    try:
        with draft.open("wb") as file:
            yield file
            sync(file)
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    # The rename is durable once the folder is.
    sync(path.parent)


DIGEST_BYTES = 32


def user_folders() -> list[Path]:
    """Cache directories of this process: of its systemd unit, then of its user; a user without a home has none."""
    folders = []
    if given := os.environ.get("CACHE_DIRECTORY"):
        folders.append(Path(given.split(":")[0]))
    with suppress(RuntimeError):  # no home
        folders.append(Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "laennec")
    return folders


@dataclass(frozen=True)
class DiskCache:
    """Files in the first of some folders that has them, written to the first that takes them."""

    name: str
    """How its lines in the log begin."""
    folders: Callable[[], Iterable[Path]]
    """Where to look, in this order; asked at every call."""
    variable: str
    """Environment variable that names another folder."""

    def read(self, name: str) -> bytes | None:
        """Content of a file; None if there is none that is whole and ours (a line says why)."""
        return next(filter(None, (self._content(folder / name) for folder in self.folders())), None)

    def write(self, name: str, content: bytes, most: int) -> Path | None:
        """Store content under a name; of the files with the same ending the oldest beyond `most` go.

        Returns:
            The file, or None where nothing can be written, which one line says.
        """
        causes = []
        for folder in self.folders():
            try:
                return self._put(folder, name, hashlib.sha256(content).digest() + content, most)
            except OSError as error:
                causes.append(f"{folder}: {error.strerror}")
        cause = "; ".join(causes) or "no home and no CACHE_DIRECTORY"
        warn_once(
            f"{self.name}=not_written cause={cause!r} effect=made_again_at_every_start repair=set_{self.variable}"
        )
        return None

    def entries(self, ending: str) -> list[tuple[Path, bytes | None]]:
        """Every file with an ending, and its content or None if it is damaged or not ours."""
        paths = [path for folder in self.folders() for path in sorted(folder.glob(f"*{ending}"))]
        return [(path, self._content(path)) for path in paths]

    def _content(self, path: Path) -> bytes | None:
        try:
            self._check_owner(path.parent)
            self._check_owner(path)
            whole = path.read_bytes()
        except OSError:
            return None
        if hashlib.sha256(whole[DIGEST_BYTES:]).digest() != whole[:DIGEST_BYTES]:
            warn_once(f"{self.name}=damaged file={path} action=make_again")
            return None
        with suppress(OSError):
            os.utime(path)  # what is used is not the oldest
        return whole[DIGEST_BYTES:]

    def _put(self, folder: Path, name: str, whole: bytes, most: int) -> Path:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        self._check_owner(folder)
        partial = folder / f"{name}.{os.urandom(8).hex()}"
        try:
            partial.touch(0o644)
            partial.write_bytes(whole)
            partial.replace(folder / name)
        except OSError:
            with suppress(OSError):
                partial.unlink()
            raise
        with suppress(OSError):  # another process may be doing the same
            alike = folder.glob(f"*{Path(name).suffix}*")
            for old in sorted(alike, key=lambda path: path.stat().st_mtime)[:-most]:
                old.unlink()
        return folder / name

    def _check_owner(self, path: Path) -> None:
        """Raise PermissionError for what another user could have written."""
        found = path.stat()
        others_write = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        if os.name == "posix" and (found.st_uid not in (0, os.geteuid()) or others_write):
            cause = f"owner={found.st_uid} mode={stat.filemode(found.st_mode)} cause=others_may_write"
            warn_once(f"{self.name}=refused path={path} {cause} repair=remove_it")
            raise PermissionError(0, "others may write there")


OF_OTHERS = 0o077
BESIDE = ("", "-wal", "-shm", "-journal", ".1", ".lock", ".revs", ".memory")  # of ours, after the name
MOVED_ASIDE = (".damaged-", ".unread-")


def open_private(path: Path, mode: str, **options: Any) -> IO[Any]:
    """As `open`; a file that is made here, or that others could read until now, is the owner's alone.

    Raises:
        OSError: as `open`.
    """
    return open(path, mode, opener=_opened, **options)


def make_private_file(path: Path) -> None:
    """Make an empty file for its owner alone, where there is none.

    Raises:
        OSError: it cannot be made.
    """
    if not path.exists():  # opening one that SQLite has open here, and closing it, would release the locks on it
        open_private(path, "ab").close()


def make_private_folder(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for their owner alone; one that is there stays as it is.

    Raises:
        OSError: it cannot be made.
    """
    if not folder.is_dir():
        if folder.parent != folder:
            make_private_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def restrict(path: Path) -> None:
    """Take a file, and what Laennec writes beside it under its name, from all but their owner; never raises OSError.

    Where the file is another user's, or the disk refuses, it stays as it is.
    """
    names = {path.name + suffix for suffix in BESIDE}
    aside = tuple(path.name + suffix for suffix in MOVED_ASIDE)
    with suppress(OSError):
        for each in path.parent.iterdir():
            if each.name in names or each.name.startswith(aside):
                _restrict(each)


MOST_BYTES = 1 << 20  # of a small file
Content = TypeVar("Content")


class StateFile(Generic[Content]):
    """One small file, its owner's alone, that is replaced as a whole; a disk that fails is a line in the log.

    Args:
        path: the file.
        name: how its lines in the log begin.
        parse: makes what it holds of its bytes, or raises ValueError.
        effects: what follows where it cannot be read, and where it cannot be written, for the log.
        is_durable: whether what was written outlasts a power cut; each write is an fsync then.
    """

    def __init__(
        self,
        path: Path,
        name: str,
        parse: Callable[[bytes], Content],
        effects: tuple[str, str],
        is_durable: bool = True,
    ) -> None:
        self._path, self._name, self._parse, self._is_durable = path, name, parse, is_durable
        self._if_unread, self._if_unwritten = effects
        self._limited_log = RateLimitedLog(logger)

    def read(self) -> Content | None:
        """What it holds; None where it is not there, or cannot be read."""
        try:
            with self._path.open("rb") as file:
                return self._parse(file.read(MOST_BYTES))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            logger.warning("%s", self._line("read", error, self._if_unread))
            return None

    def write(self, content: bytes) -> None:
        """Put other content in its place."""
        draft = self._path.with_name(f"{self._path.name}.new")
        try:
            make_private_folder(self._path.parent)
            with open_private(draft, "wb") as file:
                file.write(content)
                if self._is_durable:
                    sync(file)
            os.replace(draft, self._path)
            if self._is_durable:
                sync(self._path.parent)
            self._limited_log.clear("written")
        except OSError as error:
            self._limited_log.log("written", self._line("written", error, self._if_unwritten))

    def _line(self, done: str, error: Exception, effect: str) -> str:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        return f'{self._name}={self._path} cannot be {done} reason="{reason}"; {effect}'


def _restrict(path: Path) -> None:
    with suppress(OSError):
        found = path.lstat()
        if stat.S_ISREG(found.st_mode) and found.st_mode & OF_OTHERS:
            path.chmod(found.st_mode & 0o700)


def _opened(path: str, flags: int) -> int:
    handle = os.open(path, flags, 0o600)
    with suppress(OSError):  # another user's, or a disk that is read-only
        found = os.fstat(handle).st_mode
        if stat.S_ISREG(found) and flags & (os.O_WRONLY | os.O_RDWR) and found & OF_OTHERS:
            os.fchmod(handle, found & 0o700)
    return handle
