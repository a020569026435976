"""A copy of what the outbox holds in memory, in a file whose room was taken while there was some: a full disk takes it.

Not for what belongs into it (`edge.delivery.store.Store.copied`). It is written over in place, two halves in turn, each
with a checksum, so that a death leaves the one before. What is too much is left out from its end on. Where the file
could not be made, where a disk is read-only, and on a file system that copies on write (btrfs, ZFS), a full disk takes
nothing; that is logged when it happens.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import struct
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from edge.delivery.store import Store
from edge.log import RateLimitedLog

COPIED_ROWS = 400  # more than fit into it
HALF_BYTES = 65_536  # compressed, some 300 messages
HEAD = struct.Struct(">QII")  # how often it was written, bytes, their CRC-32
MAX_JSON_BYTES = 4_000_000  # of a half; whatever claims to be more was not written here
ROWS, LAST_SEQS = "rows", "given"

logger = logging.getLogger(__name__)


class MemoryCopy:
    """The file beside one outbox, whose lock keeps a second process away from both."""

    def __init__(self, outbox: Path) -> None:
        self._path = Path(f"{outbox}.memory")
        self._times = 0  # that it was written
        self._is_ready, self._is_empty = False, True
        self._limited_log = RateLimitedLog(logger)
        self.is_old = False
        """Whether memory holds something else since it was written."""
        self.is_whole = True
        """Whether the last `write` left nothing out."""

    def take(self, memory: Store, last_seq: int, now_s: float) -> int:
        """Let memory go on with what an earlier process held when it died; how many messages that is.

        Args:
            memory: an empty store.
            last_seq: the highest number that is in use.
            now_s: how long Laennec has run on this box, seconds.
        """
        rows, last_seqs = self.read()
        memory.record_operating_time(min((row[0] for row in rows), default=last_seq + 1) - 1, now_s)
        memory.take_copied(rows, last_seqs)
        self.prepare()
        if rows:
            logger.warning("outbox messages=%d were in memory when an earlier process died; they go on", len(rows))
        return len(rows)

    def write_from(self, memory: Store) -> None:
        """Let the next process know what only memory holds, whatever becomes of this one."""
        self.write(memory.copied(COPIED_ROWS), memory.last_seqs())
        self.is_old = False

    def read(self) -> tuple[list[list[Any]], dict[str, int]]:
        """What an earlier process wrote last: rows of messages and the last `seq` of each node; empty if nothing."""
        newest, content = 0, b""
        with suppress(OSError):
            whole = self._path.read_bytes() if self._path.stat().st_size == 2 * HALF_BYTES else b""
            for begin in range(0, len(whole), HALF_BYTES):
                times, size, checksum = HEAD.unpack_from(whole, begin)
                payload = whole[begin + HEAD.size : begin + HEAD.size + size]
                if times > newest and checksum == zlib.crc32(payload, times & 0xFFFFFFFF):
                    newest, content = times, payload
        self._times, self._is_empty = newest, not content
        with suppress(zlib.error, ValueError, KeyError):
            tree = json.loads(zlib.decompressobj().decompress(content, MAX_JSON_BYTES)) if content else {}
            return list(tree[ROWS]), dict(tree[LAST_SEQS])
        return [], {}

    def prepare(self) -> None:
        """Take the room; a disk that has none is asked again with the next call."""
        if self._is_ready:
            return
        with suppress(OSError):
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                if os.fstat(handle).st_size != 2 * HALF_BYTES:
                    self._take_room(handle)
                self._is_ready = True
            except OSError:
                self._path.unlink()
            finally:
                os.close(handle)

    def write(self, rows: Sequence[Sequence[Any]], last_seqs: Mapping[str, int]) -> None:
        """Write rows through to the disk, the most important first, in place of what was there.

        Args:
            rows: of messages, as `Store.copied` gives them; none where memory holds nothing.
            last_seqs: the last `seq` of each node, by its topic.
        """
        if not rows and self._is_empty:
            self.is_whole = True
            return
        self.prepare()
        payload, taken = b"", len(rows)
        if rows:
            while len(payload := _packed(rows[:taken], last_seqs)) > HALF_BYTES - HEAD.size:
                taken = taken * 3 // 4
        try:
            if not self._is_ready:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._write(payload)
        except OSError as error:
            self.is_whole = not rows
            line = f'outbox copy=refused path={self._path} reason="{error.strerror}"; what memory holds dies with it'
            self._limited_log.log("refused", line, logging.ERROR)
            return
        self._is_empty, self.is_whole = not payload, taken == len(rows)
        self._limited_log.clear("refused")

    def _write(self, payload: bytes) -> None:
        times = self._times + 1
        # The checksum begins with the number of the write, so a head and the content of two writes never fit.
        head = HEAD.pack(times, len(payload), zlib.crc32(payload, times & 0xFFFFFFFF))
        handle = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            if os.pwrite(handle, head + payload, times % 2 * HALF_BYTES) != len(head + payload):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fdatasync(handle)
        finally:
            os.close(handle)
        self._times = times

    @staticmethod
    def _take_room(handle: int) -> None:
        """Written, for what is only allocated may need another block when it is used."""
        os.ftruncate(handle, 0)
        if os.pwrite(handle, bytes(2 * HALF_BYTES), 0) != 2 * HALF_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(handle)


def _packed(rows: Sequence[Sequence[Any]], last_seqs: Mapping[str, int]) -> bytes:
    return zlib.compress(json.dumps({ROWS: list(rows), LAST_SEQS: dict(last_seqs)}).encode(), 1)
