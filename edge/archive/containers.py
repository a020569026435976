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
from collections.abc import Callable, Iterator
from pathlib import Path

from edge.archive.item import BETWEEN, Item, text_of
from edge.errors import SourceError
from edge.sources.file_search import ENDINGS

TAR_ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2")
CONTAINER_ENDINGS = (*TAR_ENDINGS, ".zip")
MOST_BYTES = 1 << 28  # of a recording inside of a container, which is held in memory: 4.5 hours of 8 kHz and 16 bits
TOO_LARGE = f"is larger than the {MOST_BYTES >> 20} MiB that are read out of a container; unpack it"

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
    except DAMAGE as error:
        return f"cannot be taken out of its zip file ({error})"  # damaged, encrypted, or packed in a way we do not know
    return found if len(found) <= MOST_BYTES else TOO_LARGE


def _item(container: Path, member: str, size: int, stamp: int) -> Item:
    return Item(f"{text_of(container)}{BETWEEN}{text_of(member)}", os.fsencode(container), True, size, stamp)


def _is_sound(name: str) -> bool:
    return name.lower().endswith(ENDINGS) and not name.rpartition("/")[2].startswith(".")
