"""Capture files: everything that links delivered, byte for byte and with its times, to be replayed bit for bit.

Not sound: a WAV would have thrown away what matters here, which is loss, order and time. Reading is lazy and writing
bounded. A tail that was cut off, as by a power failure, ends the file without an error.

Layout, little-endian; a `u` is an unsigned integer of so many bits:

    head    "AUSCAP" u16 version = 1, u64 monotonic ns and u64 ns since 1970 UTC of the same moment
    record  u8 kind, u16 link, u64 monotonic ns, u32 length, then so many bytes
            kind 1: link number `link` is this name and this peer, in UTF-8, a line feed between them, from here on
            kind 2: bytes that the link delivered

An empty piece of the link `end:` is no sound: it says until when was listened, for a silence at the end is a finding.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from edge.errors import SourceError
from firmware_bridge.records import END, LinkBytes

MAGIC, VERSION = b"AUSCAP", 1
HEAD = struct.Struct("<6sHQQ")
RECORD = struct.Struct("<BHQI")
LINK, BYTES = 1, 2
MAX_LENGTH = 1 << 20  # bytes of one record
MAX_LINKS = 4096  # links and peers of one file
MAX_BYTES = 4 << 30  # of a file, unless another limit is given: 8 devices at 8 kHz for 8 hours


class Writer:
    """A new capture file.

    Args:
        path: where; must not exist.
        limit: bytes that the file may reach; what would go beyond is dropped and counted.

    Raises:
        SourceError: if the file cannot be made.
    """

    def __init__(self, path: Path, limit: int = MAX_BYTES) -> None:
        try:
            self._file: BinaryIO = os.fdopen(
                os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb"
            )
        except FileExistsError:
            raise SourceError(f"{path}: exists already; choose another name for the capture") from None
        except OSError as error:
            raise SourceError(f"{path}: cannot be written: {error.strerror}; choose another folder") from None
        self._limit = limit
        self._numbers: dict[tuple[str, str], int] = {}
        self.dropped = 0
        """Pieces that the limit kept out."""
        self.size = self._file.write(HEAD.pack(MAGIC, VERSION, time.monotonic_ns(), time.time_ns()))
        """Bytes of the file."""

    def write(self, piece: LinkBytes) -> None:
        """Append what a link delivered."""
        key = (piece.link, piece.peer)
        number = self._numbers.get(key)
        new = b""
        if number is None:
            number = len(self._numbers)
            name = f"{piece.link}\n{piece.peer}".encode()
            new = RECORD.pack(LINK, number, piece.arrival_ns, len(name)) + name
        record = new + RECORD.pack(BYTES, number, piece.arrival_ns, len(piece.content)) + piece.content
        if number >= MAX_LINKS or len(piece.content) > MAX_LENGTH or self.size + len(record) > self._limit:
            self.dropped += 1
            return
        self._numbers[key] = number
        self.size += self._file.write(record)

    def end(self, now_ns: int) -> None:
        """Write the time at which the recording of the links ended, ns of the monotonic clock."""
        self.write(LinkBytes(now_ns, END, "", b""))

    def close(self) -> None:
        """Bring everything to the disk; may be called twice."""
        self._file.close()


class Reader:
    """A capture file, to be read once from its beginning.

    Args:
        path: where it lies.

    Raises:
        SourceError: if it cannot be read or is no capture.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file: BinaryIO = path.open("rb")
        except OSError as error:
            raise SourceError(f"{path}: cannot be read: {error.strerror}") from None
        head = self._file.read(HEAD.size)
        if len(head) < HEAD.size or not head.startswith(MAGIC):
            self.close()
            raise SourceError(f"{path}: is no capture of a link; `laennec link record` makes one")
        _, version, monotonic_ns, wall_ns = HEAD.unpack(head)
        self.wall_offset_ns: int = wall_ns - monotonic_ns
        """What to add to a piece's time to get ns since 1970 UTC."""
        if version != VERSION:
            self.close()
            raise SourceError(f"{path}: capture of version {version}, expected {VERSION}; update this program")

    def pieces(self) -> Iterator[LinkBytes]:
        """What was captured, in order; ends where the file does, whole or not.

        Raises:
            SourceError: if a record cannot be one.
        """
        links: dict[int, tuple[str, str]] = {}
        while True:
            at = self._file.tell()
            head = self._file.read(RECORD.size)
            if len(head) < RECORD.size:
                return
            kind, number, arrival_ns, length = RECORD.unpack(head)
            if kind not in (LINK, BYTES) or length > MAX_LENGTH or (kind == BYTES and number not in links):
                raise SourceError(f"{self._path}: damaged at byte {at}; what came before is whole")
            content = self._file.read(length)
            if len(content) < length:
                return
            if kind == BYTES:
                yield LinkBytes(arrival_ns, *links[number], content)
            elif len(links) < MAX_LINKS:
                name, _, peer = content.decode(errors="replace").partition("\n")
                links[number] = (name, peer)

    def close(self) -> None:
        """Release the file; may be called twice."""
        self._file.close()
