"""A release as it is brought to a box: a folder, or one plain tar file with the same files in it.

Not for what the files mean (`edge.releases.manifest`) or where they are installed (`edge.releases.model_store`). They
come in one order, and no other is accepted: manifest.json, manifest.sig, then the files of the manifest by name. So the
signature is checked before anything that it protects is read, and nothing is copied to the disk that the manifest does
not announce. Of tar only the header of an ordinary file is understood (POSIX.1-1988 ustar): no compression, links,
folders, sparse files or extended headers, so nothing in it can grow or point elsewhere, and reading it always ends.
"""

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from edge.errors import ModelError
from edge.releases.manifest import MANIFEST, SIGNATURE

BLOCK = 512  # bytes of a tar header; contents are padded to it
CHUNK_BYTES = 1 << 20


class Readable(Protocol):
    """A file, or a part of one, open for reading."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""
        ...


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a package; to be read before the next one is asked for."""

    name: str
    bytes: int
    """Its length, as the package says."""
    file: Readable


def members(path: Path) -> Iterator[Member]:
    """The files of a package, in order.

    Raises:
        ModelError: if it cannot be read or is not a package.
    """
    try:
        yield from _of_folder(path) if path.is_dir() else _of_tar(path)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}); check the path") from None


def tar(files: dict[str, bytes]) -> bytes:
    """The package of some files, in the order given; the same files give the same bytes."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w", format=tarfile.USTAR_FORMAT) as writer:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            writer.addfile(entry, io.BytesIO(content))
    return whole.getvalue()


def _of_folder(path: Path) -> Iterator[Member]:
    found = {entry.name for entry in os.scandir(path)}
    for name in [MANIFEST, SIGNATURE, *sorted(found - {MANIFEST, SIGNATURE})]:
        try:
            handle = os.open(path / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # a pipe would wait for ever
        except OSError as error:
            raise ModelError(f"{path / name}: cannot be read ({error.strerror}); is this a signed release?") from None
        about = os.fstat(handle)
        if not stat.S_ISREG(about.st_mode):
            os.close(handle)
            raise ModelError(f"{path / name}: expected an ordinary file, found something else")
        with open(handle, "rb") as file:
            yield Member(name, about.st_size, file)


class _Part:
    """The next `length` bytes of a file."""

    def __init__(self, file: BinaryIO, length: int) -> None:
        self._file, self._left = file, length

    def read(self, size: int, /) -> bytes:
        piece = self._file.read(min(size, self._left))
        self._left -= len(piece)
        return piece


def _of_tar(path: Path) -> Iterator[Member]:
    with path.open("rb") as file:
        end = os.fstat(file.fileno()).st_size
        while (head := file.read(BLOCK)) and any(head):  # a block of zeros ends it
            try:
                entry = tarfile.TarInfo.frombuf(head, "ascii", "strict")
            except (tarfile.TarError, ValueError):
                raise ModelError(
                    f"{path}: not a package of `python -m export.sign`, or damaged; copy it again"
                ) from None
            if entry.type != tarfile.REGTYPE:
                raise ModelError(f"{path}: {entry.name!r} is no ordinary file; a release holds nothing else")
            start = file.tell()
            if not 0 <= entry.size <= end - start:
                raise ModelError(
                    f"{path}: cut short: expected {entry.size} bytes of {entry.name!r}, found {end - start}; "
                    "copy it again"
                )
            yield Member(entry.name, entry.size, _Part(file, entry.size))
            file.seek(start + -(-entry.size // BLOCK) * BLOCK)
