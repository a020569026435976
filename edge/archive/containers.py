"""The recordings of a tar or zip file, one after the other, with their bytes.

Not for sound. A container is read from its begin to its end and nothing of it is unpacked on the disk, so that no name
in it can lead anywhere. What cannot be read is told, and what can be read beside it is given.
"""

from __future__ import annotations

import lzma
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from edge.archive.item import AGAIN, Item, name_of_member, text_of
from edge.errors import SourceError
from edge.sources.file_search import ENDINGS

TAR_ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2")
CONTAINER_ENDINGS = (*TAR_ENDINGS, ".zip")
MOST_BYTES = 1 << 28  # of a recording inside of a container, which is held in memory: 4.5 hours of 8 kHz and 16 bits
TOO_LARGE = f"is larger than the {MOST_BYTES >> 20} MiB that are read out of a container; unpack it"
ZIP_END_BYTES = 22  # of the end of a directory, but for its comment

# What the libraries raise on what is damaged, encrypted, or packed in a way they do not know: UnicodeDecodeError is a
# ValueError, NotImplementedError a RuntimeError, and the rest comes of numbers in a header that cannot be.
DAMAGE = (
    OSError, EOFError, ValueError, LookupError, OverflowError, RuntimeError, struct.error, zlib.error, lzma.LZMAError,
    tarfile.TarError, zipfile.BadZipFile,
)  # fmt: skip

Wanted = Callable[[Item], bool]
Member = tuple[Item, bytes | str]
"""A recording of a container with its bytes, or with the reason why they cannot be had."""


def members(container: Path, wanted: Wanted) -> Iterator[Member]:
    """The recordings of a container in its order; of those that are not wanted no bytes are read.

    Raises:
        SourceError: the container is damaged; what came before was read.
    """
    is_zip = container.name.lower().endswith(".zip")
    try:
        if not stat.S_ISREG(container.stat().st_mode):  # to open a pipe would wait for whoever writes it
            raise OSError("a pipe or a device")
        yield from (_zip_members if is_zip else _tar_members)(container, wanted)
    except DAMAGE as error:
        raise SourceError(f"{container}: is damaged, or no tar or zip file ({error}); copy it again") from None


class _Names:
    """Makes the items of one container. A name that comes again gets a number: its bytes may be others."""

    def __init__(self, container: Path) -> None:
        self._container, self._stamp = container, container.stat().st_mtime_ns
        self._counts: Counter[int] = Counter()  # by the hash of a name, which is smaller than the name

    def item(self, member: str, size: int, reason: str) -> Item:
        self._counts[hash(member)] += 1
        name, count = name_of_member(self._container, member), self._counts[hash(member)]
        if count > 1:
            name = f"{name}{AGAIN}{count}"
        return Item(name, os.fsencode(self._container), True, size, self._stamp, reason)


def _tar_members(container: Path, wanted: Wanted) -> Iterator[Member]:
    links: dict[int, list[Item]] = {}  # hard links, by the place of what they lead to
    damage: Exception | None = None
    try:
        with tarfile.open(container) as tar:
            yield from _tar_files(tar, _Names(container), wanted, links)
            _check_end(tar)
    except DAMAGE as error:  # a link leads back to what came before
        damage = error
    if links:
        yield from _tar_links(container, links)
    if damage is not None:
        raise damage


def _tar_files(tar: tarfile.TarFile, names: _Names, wanted: Wanted, links: dict[int, list[Item]]) -> Iterator[Member]:
    """What is not a hard link; those that are wanted are put into `links`."""
    places: dict[int, int] = {}  # of the last file of a name, by the hash of the name
    for member in _walk(tar):
        if member.isfile():
            places[hash(member.name)] = member.offset
        if member.isdir() or not _is_listed(member.name):
            continue
        place = places.get(hash(member.linkname)) if member.islnk() else None
        item = names.item(member.name, member.size, _tar_reason(member, place is not None))
        if not wanted(item):
            yield item, ""
        elif item.reason:
            yield item, item.reason
        elif place is not None:
            links.setdefault(place, []).append(item)
        else:
            yield item, _tar_content(tar, member)


def _tar_links(container: Path, links: dict[int, list[Item]]) -> Iterator[Member]:
    """A second reading: to go back in a compressed file for each link would be one for each link."""
    with tarfile.open(container) as tar:
        for member in _walk(tar):
            if member.offset in links:
                content = _tar_content(tar, member) if member.size <= MOST_BYTES else TOO_LARGE
                yield from ((item, content) for item in links.pop(member.offset))
            if not links:
                return


def _walk(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while (member := tar.next()) is not None:
        tar.members = []  # type: ignore[attr-defined]  # it would keep all that it has met
        yield member


def _tar_reason(member: tarfile.TarInfo, leads_back: bool) -> str:
    """Why it cannot be read, where its header tells."""
    if member.issym() or (member.islnk() and not leads_back):
        return f"is a link to {text_of(member.linkname)}, which is not followed; give what it leads to"
    if not member.isfile() and not member.islnk():
        return "is a pipe or a device, or of a kind that tar files have seldom; unpack it"
    return _reason(member.name, member.size)


def _tar_content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes | str:
    content = tar.extractfile(member)
    return content.read() if content is not None else "is no file"


def _check_end(tar: tarfile.TarFile) -> None:
    """Refuse a file that does not end as it should.

    A tar file ends with two empty blocks, of which `next` has read the first, and empty ones up to its size. It is
    silent about a file that is cut off, damaged in between, or followed by another tar file.
    """
    if tar.fileobj is None or tar.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("no end mark")
    while piece := tar.fileobj.read(1 << 20):
        if any(piece):
            raise tarfile.ReadError("more follows its end mark")


def _zip_members(container: Path, wanted: Wanted) -> Iterator[Member]:
    names = _Names(container)
    with zipfile.ZipFile(container) as whole:
        for member in whole.infolist():
            if member.is_dir() or not _is_listed(member.filename):
                continue
            item = names.item(member.filename, member.file_size, _reason(member.filename, member.file_size))
            if not wanted(item):
                yield item, ""
            else:
                yield item, item.reason or _zip_content(whole, member)
        _check_count(container, whole)


def _check_count(container: Path, whole: zipfile.ZipFile) -> None:
    """Refuse a directory of other than so many entries as its end says; `zipfile` takes what it finds."""
    with container.open("rb") as file:
        file.seek(-ZIP_END_BYTES - len(whole.comment), os.SEEK_END)
        end = file.read(ZIP_END_BYTES)
    said, found = int.from_bytes(end[10:12], "little"), len(whole.infolist())
    if end.startswith(b"PK\5\6") and said not in (0xFFFF, found & 0xFFFF):  # more than it can say are told elsewhere
        raise zipfile.BadZipFile(f"a directory of {said} entries has {found}")


def _zip_content(whole: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes | str:
    try:
        with whole.open(member) as content:
            found = content.read(MOST_BYTES + 1)
    except DAMAGE as error:
        return f"cannot be taken out of its zip file ({error})"  # damaged, encrypted, or packed in a way we do not know
    return found if len(found) <= MOST_BYTES else TOO_LARGE


def _reason(name: str, size: int) -> str:
    """Why a file of a container is not taken out of it; empty where it is."""
    if name.lower().endswith(CONTAINER_ENDINGS):
        return "is a container inside of a container; unpack it"
    return TOO_LARGE if size > MOST_BYTES else ""


def _is_listed(name: str) -> bool:
    return name.lower().endswith((*ENDINGS, *CONTAINER_ENDINGS)) and not name.rpartition("/")[2].startswith(".")
