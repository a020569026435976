"""Consistent overhead byte stuffing: bytes without zeros, so that a zero can end each packet of a byte stream.

Not for finding the zeros (`deframe`). PyPI's `cobs` has no compiled wheel for the machines that the edge runs on, and
in pure Python it takes 9 to 95 us for a packet, by the number of zeros in it; this takes 1.6. Its answers are the
oracle of the tests.

Source: Cheshire & Baker 1999, Consistent Overhead Byte Stuffing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.errors import WireError
from edge.kernels import kernel

RUN = 254  # bytes that one code byte can announce


def longest(body: int) -> int:
    """Bytes that a body of so many may become."""
    return body + max(1, -(-body // RUN))


def encode(body: bytes) -> bytes:
    """Body without zero bytes, without the delimiter."""
    pieces = bytearray()
    *runs, last = body.split(b"\0")
    for run in runs:
        _append(pieces, run, len(run) // RUN)
    _append(pieces, last, max(0, len(last) - 1) // RUN)  # a full run at the end needs no empty one after it
    return bytes(pieces)


def _append(pieces: bytearray, run: bytes, full: int) -> None:
    for i in range(full):
        pieces += b"\xff" + run[i * RUN : (i + 1) * RUN]
    pieces.append(len(run) - full * RUN + 1)
    pieces += run[full * RUN :]


def decode(stuffed: bytes) -> bytes:
    """Body of what `encode` made; takes and gives no zero that ends it.

    Raises:
        WireError: if a code byte points past the end, or there is a zero.
    """
    if 0 in stuffed:
        raise WireError("COBS: a zero inside")
    body = np.empty(len(stuffed), np.uint8)
    size = _decode(np.frombuffer(stuffed, np.uint8), body)
    if size < 0:
        raise WireError("COBS: a code byte points past the end")
    return body[:size].tobytes()


@kernel
def _decode(stuffed: NDArray[np.uint8], body: NDArray[np.uint8]) -> int:
    """Fill body; bytes in it, or -1."""
    size, read, written = len(stuffed), 0, 0
    while read < size:
        code = int(stuffed[read])
        if read + code > size:
            return -1
        for i in range(1, code):
            body[written] = stuffed[read + i]
            written += 1
        read += code
        # A code below 255 stands for a zero behind its run; that of the last one is the delimiter.
        if code <= RUN and read < size:
            body[written] = 0
            written += 1
    return written
