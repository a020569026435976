"""Keeps libmpg123 quiet, by which libsndfile reads MP3: of each frame that it doubts it writes a line to C's `stderr`.

What a file lacks is said by `edge.sources.file`, in one line. Python's own `sys.stderr` and file descriptor 2 are left
alone: only the stream of the C library is another one for as long as libsndfile opens or reads. glibc allows that
("Standard Streams" of its manual); elsewhere nothing is done, and the lines appear.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache


class _Stream:
    """The C library's variable `stderr`, which belongs to the whole process: any thread may want it quiet."""

    def __init__(self, variable: ctypes.c_void_p, nowhere: int) -> None:
        self._variable, self._nowhere, self._loud = variable, nowhere, variable.value
        self._mutex = threading.Lock()  # of the count alone: who reads a disk does not hold it
        self._quiet_blocks = 0  # blocks that want it quiet

    def want(self, change: int) -> None:
        with self._mutex:
            self._quiet_blocks += change
            self._variable.value = self._nowhere if self._quiet_blocks else self._loud


@contextmanager
def quiet_mp3() -> Iterator[None]:
    """Let what C libraries write to `stderr` go nowhere until the end of the block."""
    stream = _stream()
    if stream is None:
        yield
        return
    stream.want(+1)
    try:
        yield
    finally:
        stream.want(-1)


@lru_cache(maxsize=1)
def _stream() -> _Stream | None:
    """The variable, with a stream to the null device to put there; None where it is no variable."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return None
    open_stream = library.fopen
    open_stream.restype = ctypes.c_void_p
    nowhere = open_stream(os.devnull.encode(), b"w")
    return _Stream(ctypes.c_void_p.in_dll(library, "stderr"), nowhere) if nowhere else None
