"""Which recordings an archive holds: sound files in folders, and in tar and zip files, one after the other.

Not for reading sound. What is named by hand is taken whatever its ending; in folders and containers endings decide. A
container is read from its begin to its end and nothing of it is unpacked on the disk, so that no name in it can lead
anywhere. Memory does not grow with the archive.
"""

from __future__ import annotations

import glob
import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.errors import SourceError
from edge.sources.file_search import ENDINGS, files_below

TAR_ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2")
CONTAINER_ENDINGS = (*TAR_ENDINGS, ".zip")
LISTED = (*ENDINGS, *CONTAINER_ENDINGS)
MOST_BYTES = 1 << 28  # of a recording inside of a container, which is held in memory: 4.5 hours of 8 kHz and 16 bits
TOO_LARGE = f"is larger than the {MOST_BYTES >> 20} MiB that are read out of a container; unpack it"
BETWEEN = "::"  # a container and what is in it


@dataclass(frozen=True, slots=True)
class Item:
    """One recording, as it is listed."""

    name: str
    """The path as it was named, for one in a container `CONTAINER::MEMBER`."""
    path: bytes
    """Of the file, or of the container that it is in."""
    is_member: bool = False
    size: int = 0
    """Bytes."""
    stamp: int = 0
    """When the file, or the container, was changed last, ns."""
    reason: str = ""
    """Why it cannot be read, where that is known already."""


Wanted = Callable[[Item], bool]
Member = tuple[Item, bytes | str]
"""A recording of a container with its bytes, or with the reason why they cannot be had."""


def items(named: Iterable[str]) -> Iterator[Item]:
    """Everything in an archive, in no order; what is named twice comes twice. A container that is damaged is an item.

    Args:
        named: files, containers, folders, and patterns with `*`, `?` and `**`.

    Raises:
        SourceError: something that is named is not there, or a folder cannot be read.
    """
    for path in (path for text in named for path in _matches(text)):
        if path.is_dir():
            yield from (item for each in files_below(path, LISTED) for item in _of_file(each))
        else:
            yield from _of_file(path)


def members(container: Path, wanted: Wanted) -> Iterator[Member]:
    """The recordings of a container in its order; of those that are not wanted no bytes are read.

    Raises:
        SourceError: the container is damaged; what came before was read.
    """
    is_zip = container.name.lower().endswith(".zip")
    try:
        yield from (_zip_members if is_zip else _tar_members)(container, wanted)
    except (OSError, EOFError, zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise SourceError(f"{container}: is damaged, or no tar or zip file ({error}); copy it again") from None


def _matches(text: str) -> Iterator[Path]:
    if os.path.lexists(text):
        yield Path(text)
        return
    is_any = False
    for match in glob.iglob(text, recursive=True) if glob.has_magic(text) else ():
        if os.path.isdir(match) or match.lower().endswith(LISTED):
            is_any = True
            yield Path(match)
    if not is_any:
        raise SourceError(f"{text}: nothing there; give sound files, folders, tar or zip files, or a pattern of them")


def _of_file(path: Path) -> Iterator[Item]:
    if path.name.lower().endswith(CONTAINER_ENDINGS):
        try:
            yield from (item for item, _ in members(path, lambda _: False))
        except SourceError as error:
            yield Item(_text(path), os.fsencode(path), reason=str(error))
        return
    try:
        status = path.stat()
    except OSError:  # a link that leads nowhere: reading it says why
        yield Item(_text(path), os.fsencode(path))
        return
    yield Item(_text(path), os.fsencode(path), False, status.st_size, status.st_mtime_ns)


def _tar_members(container: Path, wanted: Wanted) -> Iterator[Member]:
    stamp = container.stat().st_mtime_ns
    with tarfile.open(container) as tar:
        while (member := tar.next()) is not None:
            tar.members = []  # type: ignore[attr-defined]  # it would keep all that it has met
            if not member.isfile() or not _is_sound(member.name):
                continue
            item = _item(container, member.name, member.size, stamp)
            if not wanted(item):
                yield item, ""
            elif item.size > MOST_BYTES:
                yield item, TOO_LARGE
            else:
                content = tar.extractfile(member)
                yield item, content.read() if content is not None else "is no file"
        # A tar file ends with two empty blocks, of which `next` has read the first. It is silent about a file that is
        # cut off, or damaged in between.
        if tar.fileobj is None or tar.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("no end mark")


def _zip_members(container: Path, wanted: Wanted) -> Iterator[Member]:
    stamp = container.stat().st_mtime_ns
    with zipfile.ZipFile(container) as whole:
        for member in whole.infolist():
            if member.is_dir() or not _is_sound(member.filename):
                continue
            item = _item(container, member.filename, member.file_size, stamp)
            yield item, _zip_content(whole, member) if wanted(item) else ""


def _zip_content(whole: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes | str:
    if member.file_size > MOST_BYTES:
        return TOO_LARGE
    try:
        with whole.open(member) as content:
            found = content.read(MOST_BYTES + 1)
    except (RuntimeError, NotImplementedError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        return f"cannot be taken out of its zip file ({error})"  # damaged, encrypted, or packed in a way we do not know
    return found if len(found) <= MOST_BYTES else TOO_LARGE


def _item(container: Path, member: str, size: int, stamp: int) -> Item:
    return Item(f"{_text(container)}{BETWEEN}{_text(member)}", os.fsencode(container), True, size, stamp)


def _is_sound(name: str) -> bool:
    return name.lower().endswith(ENDINGS) and not name.rpartition("/")[2].startswith(".")


def _text(path: Path | str) -> str:
    """A name as text that every table takes, also where it is no UTF-8."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
