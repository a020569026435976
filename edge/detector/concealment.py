"""Short holes in the sound, filled with what was heard just before them: packet loss concealment.

A hole is a jump in the block index, or samples that are not valid. One of up to 60 ms is filled with its mirrored past,
the samples just before it in reverse, and fades over 4 ms into what follows:

    heard a b c d e f | hole       | heard p q r s
    out   a b c d e f | f e d c b a| p' q' r s       p' and q' fade from the mirrored sound, now on its way forwards

A mirror is continuous where it begins, keeps the spectrum, and needs no pitch: breath has none, a wheeze keeps its own.
It is never filled from sound that was filled itself: a hole with less heard sound directly before it than it is long
stays a hole, as a longer one does. So at any time at most half of all that was passed on is concealed, and 20 ms heard
of every 60 ms are 20 ms.

Any cut of the sound into blocks gives the same samples. A block waits only while a hole is open, for at most 60 ms of
sound. Not for deciding what an event may last through (`edge.detector.tracker`). What was concealed is counted, and a
source's own account of what it lost is left as it is.

Source: packet loss concealment as ITU-T G.711 Appendix I (1999) does it: the past repeated, overlapped and added where
the sound returns, up to 60 ms. Instead of one pitch period after another, found by correlation, the past is mirrored,
and it is not attenuated: what listens is a spectrogram, to which a falling level is the end of a sound.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from edge.features.ring import LOUDEST
from edge.types import Block

LONGEST_HOLE_S = 0.06  # 60 of G.711; filled holes of 100 ms raised events on normal breath
FADE_S = 0.004  # of G.711: 4 ms of overlap for the first 10 ms that were lost
_FLOAT, _BOOL = np.float32, np.bool_


def longest_hole(rate_hz: int) -> int:
    """Samples of the longest hole that is filled."""
    return round(LONGEST_HOLE_S * rate_hz)


def is_filled(hole: int, heard: int, rate_hz: int) -> bool:
    """Whether a hole is filled.

    Args:
        hole: its samples.
        heard: samples heard directly before it.
        rate_hz: of the sound, Hz.
    """
    return hole <= min(heard, longest_hole(rate_hz))


class Concealment:
    """Fills the short holes of one stream.

    Args:
        rate_hz: of its sound, Hz.
    """

    def __init__(self, rate_hz: int) -> None:
        """Nothing has come yet."""
        self._rate_hz, self._longest, self._fade = rate_hz, longest_hole(rate_hz), round(FADE_S * rate_hz)
        self.concealed = 0
        """Samples filled since the begin."""
        self.reset()

    def reset(self) -> None:
        """Forget everything but the count, as a new object."""
        self._stop: int | None = None  # one past the last sample taken
        self._hole = 0  # samples lost since the last that was heard
        self._past = np.zeros(0, _FLOAT)  # the newest of those heard since the last hole, up to the longest hole
        self._tail = np.zeros(0, _FLOAT)  # mirrored sound that the next samples fade from
        self._faded = 0  # samples of it that are behind

    def push(self, block: Block) -> list[Block]:
        """Take one block of any length; return what can be passed on.

        Raises:
            ValueError: if the block overlaps an earlier one, or its arrays are not two rows of one length; then nothing
                was taken.
        """
        start, samples, valid = block
        samples = np.asarray(samples, _FLOAT)
        if samples.ndim != 1 or samples.shape != valid.shape:
            raise ValueError(
                f"block of {samples.shape} samples with {valid.shape} flags, expected two rows of one length"
            )
        if self._stop is not None and start < self._stop:
            raise ValueError(f"block starts at sample {start}, before the end of what was written, {self._stop}")
        self._lose(0 if self._stop is None else start - self._stop)
        self._stop = start + len(samples)
        heard = np.asarray(valid, _BOOL) & (np.abs(samples) <= LOUDEST)
        out: list[Block] = []
        edges = [0, *(np.flatnonzero(heard[1:] != heard[:-1]) + 1).tolist(), len(samples)]
        for first, stop in pairwise(edges):
            if first == stop:
                continue
            if heard[first]:
                out.append(self._hear(start + first, samples[first:stop]))
            else:
                out += self._lose_known(start + first, stop - first)
        return out

    def flush(self) -> list[Block]:
        """End of stream: a hole that is open stays one."""
        self.reset()
        return []

    def _lose(self, count: int) -> None:
        if count:
            self._hole += count
            self._tail = self._tail[:0]

    def _lose_known(self, start: int, count: int) -> list[Block]:
        """Samples that came, not valid; beyond the longest hole they are passed on at once, so that nobody waits."""
        before = self._hole
        self._lose(count)
        count = min(count, before + count - self._longest)
        if count <= 0:
            return []
        return [Block(start + self._hole - before - count, np.zeros(count, _FLOAT), np.zeros(count, _BOOL))]

    def _hear(self, start: int, samples: NDArray[np.float32]) -> Block:
        """Heard samples, after the hole before them where that is filled."""
        filled = np.zeros(0, _FLOAT)
        if self._hole:
            hole, past = self._hole, self._past
            if is_filled(hole, len(past), self._rate_hz):
                filled = past[-hole:][::-1]
                self._tail, self._faded = past[-hole:][: self._fade], 0
                self.concealed += hole
            self._hole, self._past = 0, past[:0]
        if len(self._tail):
            samples = self._fade_in(samples)
        self._past = np.concatenate([self._past, samples[-self._longest :]])[-self._longest :]
        passed = np.concatenate([filled, samples]) if len(filled) else samples
        return Block(start - len(filled), passed, np.ones(len(passed), _BOOL))

    def _fade_in(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """The first samples after a filled hole, from the mirrored sound to what was heard, in a straight line."""
        count = min(len(self._tail), len(samples))
        steps = len(self._tail) + self._faded + 1
        share = np.arange(self._faded + 1, self._faded + count + 1, dtype=_FLOAT) / _FLOAT(steps)
        faded = np.concatenate([self._tail[:count] * (1 - share) + samples[:count] * share, samples[count:]])
        self._tail, self._faded = self._tail[count:], self._faded + count
        return faded
